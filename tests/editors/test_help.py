"""`help` of every public name tells what it is for and what each of its arguments means."""

from __future__ import annotations

import doctest
import functools
import importlib
import inspect
import re

import numpy as np
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


#: what most programs use: these have an example each, which is run
SHOWN = [
    "Function", "Input", "Layer", "Model", "Sequential", "Variable", "callbacks.EarlyStopping",
    "callbacks.ModelCheckpoint", "layers.Concatenate", "layers.Conv2D", "layers.Dense",
    "layers.Embedding", "layers.LSTM", "losses.SparseCategoricalCrossentropy", "metrics.AUC",
    "optimizers.Adam", "optimizers.schedules.CosineDecay",
]  # fmt: skip


@pytest.mark.parametrize("name", SHOWN)
def test_examples_run(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    thing = functools.reduce(getattr, name.split("."), tricorn)
    names = {"keras": tricorn, "np": np}
    found = doctest.DocTestParser().get_doctest(told(thing), names, name, None, None)
    assert found.examples
    said: list[str] = []
    doctest.DocTestRunner(verbose=False).run(found, out=said.append)
    assert not said, "".join(said)
