"""Records what genuine networks are made of: ``python -m tests.applications.record``.

``keras-3.15.1.json`` has what `networks.facts` and `networks.wiring` tell of Keras's, digests of
their files of weights, ``.weights.h5`` and ``.h5``, the files that they ask for, with and without
the classifier, and what some networks give for weights and images that are drawn;
``keras-2.3.1.json`` the facts of those of Keras 2.3.1, which are in the package
keras_applications 1.0.8, made here of the layers of tf_keras.
"""

from __future__ import annotations

import gc
import json
import re
import sys
from pathlib import Path

import numpy as np

from tests.applications import networks

FOLDER = Path(__file__).parent
CLASSIC = {
    "densenet": ["DenseNet121", "DenseNet169", "DenseNet201"],
    "inception_resnet_v2": ["InceptionResNetV2"],
    "inception_v3": ["InceptionV3"],
    "mobilenet": ["MobileNet"],
    "mobilenet_v2": ["MobileNetV2"],
    "nasnet": ["NASNetMobile", "NASNetLarge"],
    "resnet": ["ResNet50", "ResNet101", "ResNet152"],
    "resnet50": ["ResNet50"],
    "resnet_v2": ["ResNet50V2", "ResNet101V2", "ResNet152V2"],
    "vgg16": ["VGG16"],
    "vgg19": ["VGG19"],
    "xception": ["Xception"],
}


class Asked(Exception):
    """A file is asked for."""


class Record(dict):
    """A file of what was recorded, one row for each entry; what is there is not made again."""

    def __init__(self, version: str) -> None:
        self.path = FOLDER / f"keras-{version}.json"
        super().__init__(json.loads(self.path.read_text()) if self.path.exists() else {})

    def __setitem__(self, key: str, told: list) -> None:
        super().__setitem__(key, told)
        rows = (f"{json.dumps(key)}: {json.dumps(told)}" for key, told in sorted(self.items()))
        self.path.write_text("{\n" + ",\n".join(rows) + "\n}\n")
        print(key, told, flush=True)
        gc.collect()


def modern(found: Record) -> None:
    import keras
    from keras.src.utils import file_utils

    def ask(name, origin, cache_subdir, file_hash=None):
        raise Asked([name, origin, cache_subdir, file_hash])

    file_utils.get_file = ask
    zeros = lambda self, shape, dtype=None: np.zeros(shape, dtype)
    keras.initializers.VarianceScaling.__call__ = zeros
    for title, (name, arguments) in networks.cases().items():
        if title not in found:
            keras.utils.clear_session()
            model = getattr(keras.applications, name)(weights=None, **arguments)
            found[title] = [*networks.facts(model), networks.wiring(model)]
            del model
    for name in networks.VARIANTS:
        if f"{name}, its files" not in found:
            keras.utils.clear_session()
            model = getattr(keras.applications, name)(weights=None)
            found[f"{name}, its files"] = list(map(networks.digest, files(model)))
            del model
    for name, arguments in networks.FILES:
        key, asked = json.dumps([name, arguments]), []
        for top in (True, False) if key not in found else ():
            try:
                getattr(keras.applications, name)(include_top=top, **arguments)
            except Asked as error:
                asked.append(error.args[0])
        if asked:
            found[key] = asked


def files(model) -> tuple[list, list]:
    """(path, shapes) of what Keras writes to ``.weights.h5``, sorted, and to ``.h5``, in order."""
    from keras.src.legacy.saving import legacy_h5_format
    from keras.src.saving import saving_lib

    class Store(saving_lib.H5IOStore):
        """A file that is not written."""

        def __init__(self):
            self.found = {}

        def __bool__(self):
            return True

        def make(self, path, metadata=None):
            return self.found.setdefault(path, {})

    shapes = lambda weights: [list(weight.shape) for weight in weights]
    store = Store()
    saving_lib._save_state(model, store, None, "", set())
    members = [[path, shapes(own.values())] for path, own in sorted(store.found.items()) if own]
    rows = [[x.name, shapes(legacy_h5_format._legacy_weights(x))] for x in model.layers]
    return members, rows


def numbers(found: Record) -> None:
    import keras

    for name in networks.RECORDED:
        if f"{name}, predictions" not in found:
            keras.utils.clear_session()
            model = getattr(keras.applications, name)(weights=None, **networks.arguments_of(name))
            model.set_weights(networks.drawn(model))
            found[f"{name}, predictions"] = model.predict(networks.images(name), verbose=0).tolist()


def name_of(layer) -> str:
    """The name of a layer of tf_keras as Keras 2.3.1 would have it: counted from 1.  DenseNet has
    slashes in three names, which layers may not have any more."""
    from tf_keras.src.utils.generic_utils import to_snake_case

    kind = to_snake_case(type(layer).__name__)
    found = re.fullmatch(rf"{kind}(?:_(\d+))?", layer.name)
    given = ("reshape", "dropout", "flatten")  # names that MobileNet and VGG give
    counted = found and kind not in given
    return f"{kind}_{int(found[1] or 0) + 1}" if counted else layer.name.replace("/", "_")


def classic(found: Record) -> None:
    import importlib

    import tf_keras

    parts = {name: getattr(tf_keras, name) for name in ("backend", "layers", "models", "utils")}
    for module, names in CLASSIC.items():
        package = importlib.import_module(f"keras_applications.{module}")
        for name in names:
            if f"{module}.{name}" in found:
                continue
            tf_keras.backend.clear_session()
            tf_keras.backend.reset_uids()
            first = name == names[0]
            side = networks.SIDES.get(name, 33 if "mobile" in module else 32)
            shape = {"input_shape": (side, side, 3), "classes": 5} if first else {}
            model = getattr(package, name)(weights=None, **shape, **parts)
            told = networks.facts(model, name_of)
            if first:
                model.set_weights(networks.drawn(model))
                image = np.random.default_rng(1).normal(size=(1, side, side, 3)).astype("float32")
                told.append([float(x) for x in model.predict(image, verbose=0)[0]])
            found[f"{module}.{name}"] = told
            del model


if __name__ == "__main__":
    for version, record in (("3.15.1", modern), ("3.15.1", numbers), ("2.3.1", classic)):
        if version in sys.argv[1:] or len(sys.argv) == 1:
            record(Record(version))
