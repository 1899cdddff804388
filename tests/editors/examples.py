"""The examples in docstrings, run: what they show is compared with what comes.

They show tensors as the default engine, JAX, prints them; other engines' are shown in that form.
Numbers may differ by rounding.  An example finds ``import numpy as np`` and ``import tricorn as
keras`` done; one that uses `model`, `x` and `y` without making them has a small model and data.
"""

from __future__ import annotations

import contextlib
import doctest
import inspect
import math
import re
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

import tricorn
from tricorn import ops
from tricorn.engines import active

#: how far numbers may be from what is shown, relative and absolute
CLOSE = {"rel_tol": 1e-4, "abs_tol": 1e-5}
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?|[-+]?\binf\b", re.IGNORECASE)


def in_one_form(value: Any) -> Any:
    """A value with tensors of any engine as JAX shows them, and shapes as tuples."""
    if isinstance(value, dict):
        return {key: in_one_form(item) for key, item in value.items()}
    if type(value).__name__ in ("Size", "TensorShape"):
        return tuple(value)
    if isinstance(value, (list, tuple)):
        items = [in_one_form(item) for item in value]
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            return type(value)(*items)
        return type(value)(items)
    if active().is_tensor(value):
        return _Shown(ops.convert_to_numpy(value))
    return value


class _Shown:
    """An array that is shown as JAX shows its own."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array

    def __repr__(self) -> str:
        text = np.array2string(self.array, separator=", ", prefix="Array(")
        return f"Array({text}, dtype={self.array.dtype.name})"


def show(value: Any) -> None:
    """Print a value as the interpreter does."""
    if value is not None:
        print(repr(in_one_form(value)))


@contextlib.contextmanager
def shown_in_one_form() -> Iterator[None]:
    before = sys.__displayhook__
    sys.__displayhook__ = show  # doctest takes this one
    try:
        yield
    finally:
        sys.__displayhook__ = before


class Checker(doctest.OutputChecker):
    """Compares words exactly and numbers closely; the spaces between do not matter."""

    def check_output(self, want: str, got: str, optionflags: int) -> bool:
        if super().check_output(want, got, doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE):
            return True
        if _words(want) != _words(got):
            return False
        pairs = zip(_NUMBER.findall(want), _NUMBER.findall(got))
        return all(math.isclose(float(a), float(b), **CLOSE) for a, b in pairs)


def _words(text: str) -> str:
    return re.sub(r"\s+", "", _NUMBER.sub("#", text))


def names_for(source: str) -> dict[str, Any]:
    """The names that an example finds."""
    names: dict[str, Any] = {"keras": tricorn, "np": np}
    if re.search(r"\bmodel\b", source) and "model = " not in source:
        layers = [tricorn.Input((2,)), tricorn.layers.Dense(1)]
        names["model"] = tricorn.Sequential(layers)
        names["model"].compile("sgd", "mse")
        names["x"], names["y"] = np.ones((8, 2), "float32"), np.ones((8, 1), "float32")
    return names


def example_of(thing: Any, name: str) -> doctest.DocTest:
    """What the docstring of a public name shows."""
    doc = inspect.getdoc(thing) or ""
    lines = [found.source for found in doctest.DocTestParser().get_examples(doc)]
    return doctest.DocTestParser().get_doctest(doc, names_for("".join(lines)), name, None, None)


def failures(example: doctest.DocTest) -> str:
    """Run an example -> what was not as it is shown; an empty text if all was."""
    said: list[str] = []
    with shown_in_one_form():
        doctest.DocTestRunner(checker=Checker(), verbose=False).run(example, out=said.append)
    return "".join(said)
