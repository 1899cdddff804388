"""Whole models in ``.h5`` files of Keras 1, Keras 2 and tf.keras, and configs of these."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from typing import Any

import numpy as np

from tricorn import layers, limits
from tricorn.conventions import Conventions
from tricorn.layers.state import flatten
from tricorn.saving import conversions, hdf5, weights
from tricorn.saving.older import states
from tricorn.saving.older.configs import Translation, image_format
from tricorn.saving.older.origin import Origin, origin_of
from tricorn.saving.weights import Store, WeightsFile
from tricorn.serialization import registry
from tricorn.variable import Variable


def load(
    file: WeightsFile,
    room: int,
    custom_objects: dict[str, Any] | None,
    compile: bool,
    safe_mode: bool,
) -> Any:
    """The model in a file, with its weights; compiled as it was, with the optimizer's state.

    Args:
        file: the file.
        room: bytes that its layers' weights may take.
        custom_objects, compile, safe_mode: of `load_model`.

    Raises:
        ValueError: a file without a model, damaged or hostile.
        TypeError: a name that is not known.
    """
    config = _json(file, "model_config")
    if config is None:
        raise ValueError(
            f"{file.name} has weights, but no model (no attribute model_config): make the model "
            "and call model.load_weights"
        )
    origin = origin_in(file, config)
    translation = Translation(origin)
    with limits.budget(room):
        model = _made(config, translation, custom_objects, safe_mode)
    if (found := hdf5.layout(file)) is None:
        raise ValueError(f"{file.name} has no weights (no attribute layer_names)")
    found = found._replace(sure=True)
    with limits.budget(room):
        _build(model, file.name, found)
    hdf5.read(model, file, found)
    training = _json(file, "training_config") if compile else None
    if training is not None:
        with registry.custom_object_scope(custom_objects or {}):
            compiled = translated(translation.compiled, training, f"{file.name}: training_config")
            model.compile_from_config(compiled)
        with limits.budget(limits.allowed(file.stored)):
            states.read(model, file, found, origin)
    translation.tell(file.name)
    return model


def _build(model: Any, name: str, found: hdf5.Layout) -> None:
    """Build a stack whose file does not say the shape of its input, by the shape of the first
    weights: Keras 2.3 left it out where the stack began with an InputLayer.

    Raises:
        ValueError: no shape is found.
    """
    first = next((stored for stored in found.layers if stored.names), None)
    layer = next((layer for layer in model.layers if first and layer.name == first.name), None)
    if first is None or layer is None or model.built:
        return
    while inner := getattr(layer, "layers", None) or conversions.inner_layers(layer):
        layer = inner[0]
    shape = first.store.shape(first.names[0])
    free: list[int | None] = [None] * max(len(shape) - 2, 0)
    for _ in range(3):
        whole = [*free, shape[-2:][0]]
        if getattr(layer, "data_format", None) == "channels_first":
            whole.insert(0, whole.pop())
        elif isinstance(layer, layers.Embedding):
            whole = [None]
        with contextlib.suppress(ValueError, TypeError):
            return model.build((None, *whole))
        free.append(None)
    raise ValueError(
        f"{name} does not say the shape of the model's input, nor do its weights: make the model "
        "from code, with an Input of that shape, and call load_weights"
    )


def modern(config: Any, version: str | None, name: str) -> Any:
    """The config of a ``.keras`` file in Keras 3's form: tf.keras from 2.12 on wrote such files in
    another.

    Args:
        config: what stands in the file.
        version: of what wrote it, None: it does not say.
        name: the file's, for warnings.
    """
    if version is None or not version.startswith("2."):
        return config
    registry.check_tree(config)
    translation = Translation(origin_of(version, "tensorflow")._replace(tensorflow=True))
    found = translated(translation.entry, config, f"{name}: the config")
    for key in ("build_config", "compile_config"):
        found[key] = config.get(key)
    if found["compile_config"]:
        compiled = found["compile_config"]
        found["compile_config"] = translated(translation.compiled, compiled, f"{name}: compile")
    translation.tell(name)
    return found


def convert_kernels(model: Any, file: WeightsFile) -> None:
    """Let locally connected kernels, and the optimizer's slots of them, that a ``.keras`` or
    ``.weights.h5`` file of tf.keras has in another form be read in today's."""
    local = [layer for layer in flatten(model) if isinstance(layer, conversions.LOCAL)]
    if not local:
        return
    kernels: dict[Variable, Any] = {layer.kernel: layer for layer in local}
    if getattr(model, "optimizer", None) is not None:
        slots = weights.inner_of(model.optimizer)._tricorn.slots
        of = ((slot, layer) for layer in local for slot in slots.get(layer.kernel, {}).values())
        kernels.update(of)
    for path, obj in weights.saveables(model):
        is_optimizer = obj is getattr(model, "optimizer", None)
        own = weights.listed_by_tf_keras(obj) if is_optimizer else weights.own_variables(obj)
        if (store := file.stores.get(path)) is None:
            continue
        found: dict[str, np.ndarray] = {}
        for key, variable in zip(map(str, range(len(store))), own or ()):
            if variable in kernels and key in store and len(store.shape(key)) != 3:
                found[key] = conversions.local_kernel(kernels[variable], store[key])
        if found:
            file.stores[path] = _Converted(store, found)


class _Converted(Store):
    """The arrays of an object, some of them converted."""

    def __init__(self, store: Store, arrays: dict[str, np.ndarray]) -> None:
        super().__init__(store.datasets, store.file)
        self.arrays = arrays

    def shape(self, key: str) -> tuple[int, ...]:
        return self.arrays[key].shape if key in self.arrays else super().shape(key)

    def read(self, key: str) -> np.ndarray:
        return self.arrays[key] if key in self.arrays else super().read(key)


def from_config(
    config: Any, custom_objects: Any = None, version: str | None = None, engine: str | None = None
) -> Any:
    """The model that an older config describes, with fresh weights."""
    registry.check_tree(config)  # before anything walks through it
    origin = origin_of(version or _guess(config), engine)
    translation = Translation(origin._replace(image_format=image_format(config)))
    model = _made(config, translation, custom_objects, True)
    translation.tell("the config")
    return model


def from_yaml(text: str, custom_objects: Any = None, version: str | None = None) -> Any:
    """The model that ``to_yaml`` of Keras 1 or 2 described, with fresh weights.

    Raises:
        ImportError: without the package PyYAML.
        ValueError: for text that is not YAML, or describes no model.
    """
    import yaml  # type: ignore[import-untyped]

    class Loader(yaml.SafeLoader):
        """What is plain data, and tuples, which Keras wrote."""

        def flatten_mapping(self, node: Any) -> None:
            """Nothing is merged (``<<``): merges of merges grow without bound."""

    Loader.add_constructor("tag:yaml.org,2002:python/tuple", Loader.construct_sequence)
    try:
        config = yaml.load(text, Loader)
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(f"the text is not YAML of plain data: {error}") from error
    if not isinstance(config, dict) or "class_name" not in config:
        raise ValueError("the YAML text does not describe a model")
    return from_config(config, custom_objects, version)


def is_older(config: Any) -> bool:
    """Whether a model's config is of a version before Keras 3, as configs without ``module`` in
    their entries are."""
    return isinstance(config, dict) and "class_name" in config and "module" not in config


def _guess(config: dict) -> str:
    """A version for a config that does not say one: Keras 1 called things otherwise."""
    text = json.dumps(config)
    if '"keras_version": "' in text:
        return text.partition('"keras_version": "')[2].partition('"')[0]
    old = ('"output_dim"', '"nb_filter"', '"border_mode"', '"init"', '"input_dtype"', '"p"')
    return "1.2" if any(word in text for word in old) and '"units"' not in text else "2.3"


def _made(config: Any, translation: Translation, custom_objects: Any, safe_mode: bool) -> Any:
    registry.check_tree(config)
    registry.mark_first(config)
    with registry.custom_object_scope(custom_objects or {}), registry.sharing():
        entry = translated(translation.entry, config, "the config")
        model = registry.deserialize_keras_object(entry, safe_mode=safe_mode)
    if not hasattr(model, "compile_from_config"):
        raise ValueError(f"the config describes a {type(model).__name__}, expected a model")
    return model


def translated(translate: Callable, config: Any, name: str) -> Any:
    """A config in today's form; what has not the form of a config is an error."""
    try:
        return translate(config)
    except (TypeError, LookupError, AttributeError, RecursionError) as error:
        kind = type(error).__name__
        raise ValueError(f"{name} is none that Keras writes ({kind}: {error})") from error


def origin_in(file: WeightsFile, config: Any) -> Origin:
    """What wrote a file with this ``model_config``."""

    engine = hdf5.said(file, "backend")
    if engine is None:
        layout = hdf5.layout(file)
        engine = "theano" if layout is None or layout.origin.flipped else "tensorflow"
    origin = origin_of(hdf5.said(file, "keras_version"), engine)
    if own := _json(file, "tricorn_conventions"):
        try:
            conventions = Conventions(**own["conventions"])
            origin = origin._replace(
                said=conventions, legacy=bool(own["legacy"]), python=own.get("python")
            )
        except (TypeError, KeyError) as error:
            raise ValueError(f"{file.name}: tricorn_conventions cannot be read: {error}") from error
    return origin._replace(image_format=image_format(config))


def _json(file: WeightsFile, key: str) -> Any:
    texts = file.strings("", key)
    if not texts:
        return None
    return limits.parse(texts[0], f"{file.name}: the attribute {key}")
