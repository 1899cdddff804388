"""The API reference (docs/reference.py) tells every public name, by a name that leads to it."""

from __future__ import annotations

import importlib.util
import inspect
import re
from pathlib import Path

import pytest

import tricorn
from tests import parity

pytestmark = pytest.mark.engine_free


@pytest.fixture(scope="module")
def reference():
    path = Path(__file__).parents[2] / "docs/reference.py"
    spec = importlib.util.spec_from_file_location("reference", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def told(reference):
    """The full names in the pages: those that are told, and their other names."""
    pages = [reference.text(page) for page in reference.pages()]
    names = re.findall(r"^::: (\S+)$", "\n".join(pages), re.MULTILINE)
    assert len(names) == len(set(names)), "each is told once"
    lines = re.findall(r"^\*Also\* (.*)\.$", "\n".join(pages), re.MULTILINE)
    also = [f"tricorn.{name}" for line in lines for name in re.findall(r"`([^`]+)`", line)]
    return {*names, *also}


def walk(module, path):
    """(full name, object) of what a module and the modules in it offer."""
    for name in module.__all__:
        thing = getattr(module, name)
        if inspect.ismodule(thing):
            yield from walk(thing, f"{path}.{name}")
        else:
            yield f"{path}.{name}", thing


def test_reference_tells_every_public_name(told):
    names = [name for name, _ in walk(tricorn, "tricorn")]
    assert len(names) > 1000
    assert not [name for name in names if name not in told]


def test_reference_tells_what_keras_has(told):
    names = [name for name, _ in parity.names() if parity.reason(name) is None]
    things = [name for name in names if not inspect.ismodule(parity.ours(name))]
    missing = [name for name in things if f"tricorn.{name}" not in told]
    assert not missing


def test_reference_tells_the_methods_of_a_class(reference):
    assert {"compile", "fit", "predict", "layers"} <= set(reference.methods(tricorn.Model))
    assert "get_config" in reference.methods(tricorn.layers.Layer)
    assert reference.methods(tricorn.layers.MaxPooling2D) == []


def test_docstrings_are_put_in_griffes_words(reference):
    doc = "Sum.\n\nArgs:\n    a, b,\n        c: what is added.\n\nExample:\n    >>> 1 + 1\n    2\n"
    assert "    a, b, c: what" in reference.for_griffe(doc)
    assert "\nExamples:\n" in reference.for_griffe(doc)
