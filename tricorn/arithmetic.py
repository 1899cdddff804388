"""Python's operators for everything that stands for a tensor: abstract and symbolic tensors and
Variables.  The ops register themselves in `OPS` when `tricorn.ops` is imported.

``==`` and ``!=`` stay identity, so these objects can be keys of dicts and sets; elementwise
comparison is `ops.equal`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

#: Every op by its name.
OPS: dict[str, Callable] = {}


def _forward(name: str) -> Callable:
    def operator(self: Any, other: Any) -> Any:
        return OPS[name](self, other)

    return operator


def _reflected(name: str) -> Callable:
    def operator(self: Any, other: Any) -> Any:
        return OPS[name](other, self)

    return operator


def _unary(name: str) -> Callable:
    def operator(self: Any) -> Any:
        return OPS[name](self)

    return operator


class Arithmetic:
    """Mixin: ``x + y``, ``-x``, ``x @ y``, ``x[key]`` ... through the ops of those names."""

    __slots__ = ()
    __array_priority__ = 100  # NumPy arrays on the left give way to the reflected operators
    __array_ufunc__ = None

    __neg__ = _unary("negative")
    __abs__ = _unary("abs")
    __invert__ = _unary("logical_not")

    def __pos__(self) -> Any:
        return self

    def __round__(self, ndigits: int | None = None) -> Any:
        return OPS["round"](self, ndigits or 0)

    def __getitem__(self, key: Any) -> Any:
        return OPS["get_item"](self, key)


for _python, _op in {
    "add": "add",
    "sub": "subtract",
    "mul": "multiply",
    "truediv": "divide",
    "floordiv": "floor_divide",
    "mod": "mod",
    "pow": "power",
    "matmul": "matmul",
    "and": "logical_and",
    "or": "logical_or",
    "xor": "logical_xor",
}.items():
    setattr(Arithmetic, f"__{_python}__", _forward(_op))
    setattr(Arithmetic, f"__r{_python}__", _reflected(_op))
for _python, _op in {
    "lt": "less",
    "le": "less_equal",
    "gt": "greater",
    "ge": "greater_equal",
}.items():
    setattr(Arithmetic, f"__{_python}__", _forward(_op))
