"""All names of Keras 2.3.1 are there, with its arguments and defaults; so are the modules that
scripts import.

``keras-2.3.1.json`` was recorded from the genuine package with `inspect.signature`.
"""

import ast
import importlib
import inspect
import json
from pathlib import Path

import pytest

import tricorn.classic.keras
from tricorn.classic import keras, modules

pytestmark = pytest.mark.engine_free

RECORDED = json.loads((Path(__file__).parent / "keras-2.3.1.json").read_text())
#: they end in ``**kwargs`` in Keras 2.3.1 and forward it to what is here by name
LOOSE = {"utils.CustomObjectScope", "utils.custom_object_scope"}
#: recorded with the image format of that process, and with arguments that are ``**kwargs`` here
LOOSE |= {f"preprocessing.image.{name}" for name in (
    "DataFrameIterator", "DirectoryIterator", "ImageDataGenerator")}  # fmt: skip


def found(path):
    value = keras
    for part in path.split("."):
        value = getattr(value, part)
    return value


def recorded(text):
    """[(name, default or None)] of a recorded signature, and whether it takes ``*args``."""
    text = text.replace("(self, /, ", "(self, ")
    arguments = ast.parse(f"def f{text}: pass").body[0].args
    names = [a.arg for a in arguments.args if a.arg not in ("self", "cls")]
    defaults = [ast.literal_eval(d) for d in arguments.defaults]
    first = len(names) - len(defaults)
    return [
        (name, (defaults[i - first],) if i >= first else None) for i, name in enumerate(names)
    ], arguments.vararg is not None


def own(thing, bound=False):
    parameters = list(inspect.signature(thing).parameters.values())[bound:]
    kinds = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    return [
        (p.name, None if p.default is p.empty else (p.default,))
        for p in parameters
        if p.kind not in kinds
    ]


def compare(thing, text, bound=False):
    """What is recorded comes first, in order, with equal defaults; more may follow."""
    wanted, loose = recorded(text)
    if loose:
        return
    have = own(thing, bound)[: len(wanted)]
    given = [default is None for _, default in wanted]  # what must be given there may be left out
    have = [(name, None if must else default) for must, (name, default) in zip(given, have)]
    assert have == wanted


@pytest.mark.parametrize("path", RECORDED["names"])
def test_signature(path):
    thing = found(path)
    assert callable(thing)
    if path not in LOOSE:
        compare(thing, RECORDED["names"][path])


def test_there_are_648():
    assert len(RECORDED["names"]) + len(RECORDED["backend"]) == 648
    assert all(hasattr(keras.backend, name) for name in RECORDED["backend"])


OWNERS = {
    "Model": "models.Model", "Sequential": "models.Sequential", "Layer": "layers.Layer",
    "LSTM": "layers.LSTM", "SGD": "optimizers.SGD", "Metric": "metrics.Metric",
    "Callback": "callbacks.Callback",
}  # fmt: skip
#: methods of metrics that Keras 2 had since metrics were layers; nothing uses them
NOT_OF_METRICS = {
    name[len("Metric.") :]
    for name in RECORDED["methods"]
    if name.startswith("Metric.")
} - {"add_weight", "from_config", "get_config", "get_weights", "reset_states", "result",
     "set_weights", "update_state"}  # fmt: skip
#: arguments that the classic face names as today, or has more of
FREE = {"get_initial_state", "build", "call", "compute_mask", "compute_output_shape", "from_config"}


@pytest.mark.parametrize("path", RECORDED["methods"])
def test_method(path):
    owner, name = path.split(".")
    if owner == "Metric" and name in NOT_OF_METRICS:
        pytest.skip("of layers")
    method = getattr(found(OWNERS[owner]), name)
    assert callable(method)
    if name not in FREE and path != "Metric.add_weight":
        compare(method, RECORDED["methods"][path], bound=True)


@pytest.mark.parametrize("path", list(modules.paths()))
def test_module(path):
    module = importlib.import_module(f"tricorn.classic.keras.{path}")
    assert found(path) is module


def test_public_names_are_those_of_keras():
    """``from keras.layers import *`` gives what it gave, and no more than older spellings."""
    for name in ("layers", "losses", "metrics", "optimizers", "callbacks", "initializers"):
        module = getattr(keras, name)
        public = {p.split(".")[1] for p in RECORDED["names"] if p.startswith(f"{name}.")}
        assert public <= set(module.__all__)
    assert "MultiHeadAttention" not in keras.layers.__all__
    with pytest.raises(AttributeError, match="modern face has it"):
        assert keras.layers.MultiHeadAttention


def test_version():
    assert keras.__version__ == "2.3.1"
    assert tricorn.classic.keras is keras


@pytest.mark.parametrize("package", ["datasets", "preprocessing", "wrappers"])
def test_the_core_keeps_its_own_modules(package):
    core = importlib.import_module(f"tricorn.{package}")
    for path in modules.paths():
        outer, _, name = path.rpartition(".")
        if outer == package:
            assert hasattr(getattr(keras, package), name)
            module = importlib.import_module(f"tricorn.{path}")
            assert getattr(core, name) is module, "put there by the classic face"
