"""The networks of Keras 2.3.1, beside what tests/applications/record.py wrote down of them."""

import importlib
import inspect
import json
from pathlib import Path

import numpy as np
import pytest

from tests.applications import networks
from tests.oracle import close
from tricorn.applications import architecture
from tricorn.classic import keras

pytestmark = pytest.mark.heavy

FACTS = json.loads(
    (Path(__file__).parents[1] / "applications" / "keras-2.3.1.json").read_text(encoding="utf-8")
)


def function(path):
    module, _, name = path.partition(".")
    return getattr(importlib.import_module(f"tricorn.classic.keras.applications.{module}"), name)


@pytest.mark.engine_free
@pytest.mark.parametrize("path", [path for path, told in FACTS.items() if len(told) == 4])
def test_layers_and_weights(path, monkeypatch):
    networks.leave_empty(monkeypatch)
    keras.backend.clear_session()
    keras.backend.reset_uids()
    model = function(path)(weights=None)
    assert networks.facts(model) == FACTS[path], networks.layers_of(model)


@pytest.mark.engine("jax")
@pytest.mark.parametrize("path", [path for path, told in FACTS.items() if len(told) > 4])
def test_layers_weights_and_predictions(path):
    """Conventions of Keras 2 are about training; what is predicted is the same on every engine."""
    keras.backend.clear_session()
    keras.backend.reset_uids()
    name = path.partition(".")[2]
    side = networks.SIDES.get(name, 33 if "Mobile" in name and "NAS" not in name else 32)
    model = function(path)(weights=None, input_shape=(side, side, 3), classes=5)
    *facts, predictions = FACTS[path]
    assert networks.facts(model) == facts, networks.layers_of(model)
    assert isinstance(model, keras.models.Model)
    model.set_weights(networks.drawn(model))
    image = np.random.default_rng(1).normal(size=(1, side, side, 3)).astype("float32")
    close(model.predict(image)[0], np.array(predictions, "float32"), 1e-4)


@pytest.mark.engine_free
def test_arguments_and_modules(monkeypatch):
    applications = keras.applications
    names = list(inspect.signature(applications.MobileNet).parameters)
    assert names[:4] == ["input_shape", "alpha", "depth_multiplier", "dropout"]
    small = {"weights": None, "alpha": 0.25, "include_top": False}
    modules = dict.fromkeys(("backend", "layers", "models", "utils"))
    assert applications.mobilenet.MobileNet(**small, **modules).name == "mobilenet_0.25_None"
    with pytest.raises(TypeError, match="classifier_activation"):
        applications.VGG16(classifier_activation=None)
    given = applications.keras_modules_injection(lambda x, **modules: (x, modules))(3)
    assert given[0] == 3 and given[1]["layers"] is keras.layers
    pixels = np.full((1, 2, 2, 3), 255.0)
    assert applications.mobilenetv2.preprocess_input(pixels, backend=None).max() == 1.0
    assert applications.resnet50.ResNet50 is applications.ResNet50
    assert applications.resnet.ResNet50 is not applications.ResNet50
    asked = []
    monkeypatch.setattr(architecture, "get_file", lambda *a, **k: asked.append((*a, k)) or "x")
    for name in ("ResNet50", "MobileNetV2"):
        with pytest.raises((OSError, ValueError)):
            getattr(applications, name)()
    assert asked[0][1].startswith("https://github.com/fchollet/deep-learning-models/releases/downl")
    assert asked[0][2]["file_hash"] == "a7b3fe01876f51b976af0dea6bc144eb"
    assert "/JonathanCMitchell/mobilenet_v2_keras/releases/download/v1.1/mobile" in asked[1][1]
