"""`help` of every public name tells what it is for and what each of its arguments means."""

from __future__ import annotations

import importlib
import inspect
import re

import pytest

import tricorn

pytestmark = pytest.mark.engine_free

MODULES = ["tricorn", *(f"tricorn.{name}" for name in tricorn._MODULES)]
MODULES += ["tricorn.optimizers.schedules", "tricorn.datasets.digits"]


def told(thing) -> str:
    return inspect.getdoc(thing) or ""


def parameters(thing) -> list[str]:
    """The names of the arguments, but for those that stand for others."""
    try:
        found = inspect.signature(thing).parameters.values()
    except (ValueError, TypeError):
        return []
    starred = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    return [p.name for p in found if p.kind not in starred and not p.name.startswith("_")]


@pytest.mark.parametrize("module", MODULES)
def test_every_public_name_tells_its_arguments(module):
    real = importlib.import_module(module)
    assert told(real)
    silent = {}
    for name in real.__all__:
        thing = getattr(real, name)
        if inspect.ismodule(thing) or isinstance(thing, str):
            continue
        words = set(re.findall(r"\w+", told(thing)))
        missing = [p for p in parameters(thing) if p not in words]
        if missing or not words:
            silent[name] = missing
    assert not silent


#: classes that users derive from or call the methods of
MAIN = ["Model", "Sequential", "Layer", "Variable", "Optimizer", "Metric", "Loss", "Function"]


@pytest.mark.parametrize("name", MAIN)
def test_every_public_method_tells_what_it_does(name):
    cls = getattr(tricorn, name)
    silent = [
        key
        for key, method in inspect.getmembers(cls, inspect.isfunction)
        if not key.startswith("_") and not told(method)
    ]
    assert not silent


def test_arguments_that_are_told_again_are_in_the_words_of_the_class():
    layers = tricorn.layers
    assert "three of them" in layers.Conv3D.__doc__
    assert "(depth, height, width)" in layers.MaxPooling3D.__doc__
    assert "Input shape: (batch, time, channels)" in layers.SeparableConv1D.__doc__
    assert layers.Conv2D.__doc__.count("Args:") == layers.Conv3D.__doc__.count("Args:") == 1
    assert "clipnorm: each gradient's norm" in tricorn.optimizers.Lion.__doc__
    assert "keepdims: whether reduced axes stay" in tricorn.backend.sum.__doc__
