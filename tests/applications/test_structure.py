"""All networks have the layers and weights of genuine ones, whose facts record.py wrote down."""

import json
import re
import warnings
from pathlib import Path

import pytest

import tricorn
from tests.applications import networks
from tricorn import applications, config, naming
from tricorn.applications import architecture
from tricorn.saving.conversions import ordered, units
from tricorn.saving.weights import own_variables, saveables

pytestmark = [pytest.mark.heavy, pytest.mark.engine_free]

KERAS = json.loads((Path(__file__).parent / "keras-3.15.1.json").read_text())


MODULES = [name for name in applications.__all__ if name.islower()]


@pytest.fixture
def empty(monkeypatch):
    networks.leave_empty(monkeypatch)


@pytest.mark.parametrize("title", networks.cases())
def test_layers_and_weights(title, empty):
    name, arguments = networks.cases()[title]
    naming.clear()  # names of layers are counted
    model = getattr(applications, name)(weights=None, **arguments)
    *facts, wiring = KERAS[title]
    assert networks.facts(model) == facts, networks.layers_of(model)
    assert networks.wiring(model) == wiring, networks.settings(model.get_config())
    if title in networks.VARIANTS:
        assert list(map(networks.digest, files(model))) == KERAS[f"{title}, its files"]


def files(model):
    """What `record.files` tells of Keras's, of ours."""
    shapes = lambda weights: [list(weight.shape) for weight in weights]
    held = ((path, own_variables(x)) for path, x in saveables(model))
    members = [[path, shapes(own)] for path, own in sorted(held) if own]
    rows = [[x.name, shapes(v for _, v in ordered(units(x)))] for x in model.layers]
    return members, rows


def test_all_that_keras_has_is_tested():
    functions = {name for name in applications.__all__ if not name.islower()}
    assert functions == set(networks.VARIANTS) and set(networks.cases()) <= set(KERAS)


@pytest.mark.parametrize("module", [m for m in MODULES if m != "imagenet_utils"])
def test_modules(module):
    """``applications.vgg16.VGG16`` is ``applications.VGG16``."""
    found = getattr(applications, module)
    names = [name for name in found.__all__ if name[0].isupper()]
    assert names and all(getattr(found, name) is getattr(applications, name) for name in names)
    assert found.preprocess_input.__name__ == "preprocess_input"
    assert found.decode_predictions is applications.imagenet_utils.decode_predictions


class Asked(Exception):
    """A file is asked for."""


@pytest.mark.parametrize("name, arguments", networks.FILES, ids=str)
def test_addresses_and_hashes(name, arguments, monkeypatch):
    def ask(name, origin, cache_subdir, file_hash):
        raise Asked([name, origin, cache_subdir, file_hash])

    monkeypatch.setattr(architecture, "get_file", ask)
    for top, want in zip((True, False), KERAS[json.dumps([name, arguments])], strict=True):
        with pytest.raises(Asked) as found, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # those for 224x224
            getattr(applications, name)(include_top=top, **arguments)
        assert found.value.args[0] == want


SMALL = {"weights": None, "alpha": 0.25}
ERRORS = [
    ("VGG16", {"weights": "nowhere.h5"}, "file that is there; got 'nowhere.h5'"),
    ("VGG16", {"classes": 10}, "`classes` should be 1000, got 10"),
    ("VGG16", {"weights": None, "classes": 0}, "VGG16: classes must be a positive integer, got 0"),
    ("VGG16", {"weights": None, "pooling": "sum"}, "pooling must be None, \"avg\" or \"max\""),
    ("VGG16", {"classifier_activation": "relu"}, "only `None` and `softmax`"),
    ("VGG16", {"input_shape": (32, 32, 3)}, "should be 224x224 with 3 channels, got"),
    ("VGG16", {"input_shape": (64, 64, 4), "include_top": False}, "3 channels"),
    ("VGG16", {"input_shape": (64, 64), "weights": None}, "tuple of three integers, got"),
    ("VGG16", {"input_shape": (31, 64, 3), "weights": None}, "at least 32x32"),
    ("VGG16", {"input_shape": (None, 64, 3), "weights": None}, "static `input_shape`"),
    ("Xception", {"input_shape": (70, 71, 3), "weights": None}, "at least 71x71"),
    ("MobileNet", {"alpha": 0.3}, "alpha can be one of 0.25, 0.5, 0.75, 1.0, got 0.3"),
    ("MobileNet", {"depth_multiplier": 2}, "depth_multiplier must be 1"),
    ("MobileNetV2", {"alpha": 0.25}, "alpha can be one of 0.35"),
    ("MobileNetV3Small", {"alpha": 0.75, "minimalistic": True}, "alpha can be"),
]  # fmt: skip


@pytest.mark.parametrize("name, arguments, message", ERRORS)
def test_errors(name, arguments, message):
    with pytest.raises(ValueError, match=message):
        getattr(applications, name)(**arguments)


def test_other_numbers_of_channels_are_warned_about():
    with pytest.warns(UserWarning, match="1 or 3 input channels"):
        model = applications.MobileNet((32, 32, 7), **SMALL)
    assert model.input_shape == (None, 32, 32, 7)


def test_a_tensor_to_begin_at():
    image = tricorn.Input((40, 40, 1), name="gray")
    begin = tricorn.layers.Concatenate()([image] * 3)
    model = applications.MobileNet(input_tensor=begin, include_top=False, pooling="avg", **SMALL)
    assert model.input is image and model.output_shape == (None, 256)
    assert model.layers[1].name.startswith("concatenate")


def test_names_tell_the_width_and_the_size():
    for size, name in (((160, 160, 3), "0.25_160"), ((50, 40, 3), "0.25_50"), (None, "0.25_224")):
        assert applications.MobileNet(size, **SMALL).name == f"mobilenet_{name}"
    assert applications.MobileNet(include_top=False, **SMALL).name == "mobilenet_0.25_None"
    assert applications.MobileNet(name="mine", **SMALL).name == "mine"


@pytest.mark.parametrize("name", ["DenseNet121", "NASNetMobile", "EfficientNetB0", "ResNet50V2"])
def test_channels_first(name, empty):
    """The same weights; features with their channels before the places."""
    make = lambda shape: getattr(applications, name)(False, None, None, shape) if name != (
        "NASNetMobile"
    ) else applications.NASNetMobile(shape, False, None)  # fmt: skip
    last = make((64, 32, 3))
    config.set_image_data_format("channels_first")
    first = make((3, 64, 32))
    batch, rows, columns, channels = last.output_shape
    assert first.output_shape == (batch, channels, rows, columns)
    assert [w.shape for w in first.weights] == [w.shape for w in last.weights]


def test_channels_first_is_refused_where_layers_cannot():
    config.set_image_data_format("channels_first")
    with pytest.raises(ValueError, match="ConvNeXtTiny: it does not support the `channels_first`"):
        applications.ConvNeXtTiny(weights=None)


def test_docstrings_tell_the_source_and_the_arguments():
    for name in networks.VARIANTS:
        doc = getattr(applications, name).__doc__
        assert (
            re.search(r"Source: .*https://arxiv.org/abs/", doc) and f"applications.{name}()" in doc
        )
