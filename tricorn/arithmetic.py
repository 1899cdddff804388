"""Python's operators for everything that stands for a tensor: abstract and symbolic tensors and
Variables.  The ops register themselves in `OPS` when `tricorn.ops` is imported.

``==`` and ``!=`` stay identity, so these objects can be keys of dicts and sets; elementwise
comparison is `ops.equal`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

#: NumPy's functions behind the operators of its arrays -> our ops.
NUMPY_OPERATORS = {
    "add": "add", "subtract": "subtract", "multiply": "multiply", "divide": "divide",
    "floor_divide": "floor_divide", "remainder": "mod", "power": "power", "matmul": "matmul",
    "less": "less", "less_equal": "less_equal", "greater": "greater",
    "greater_equal": "greater_equal", "bitwise_and": "logical_and", "bitwise_or": "logical_or",
    "bitwise_xor": "logical_xor",
}  # fmt: skip
#: Every op by its name.
OPS: dict[str, Callable] = {}


def _forward(name: str) -> Callable[..., Any]:
    def operator(self: Any, other: Any) -> Any:
        return OPS[name](self, other)

    return operator


def _reflected(name: str) -> Callable[..., Any]:
    def operator(self: Any, other: Any) -> Any:
        return OPS[name](other, self)

    return operator


def _unary(name: str) -> Callable[..., Any]:
    def operator(self: Any) -> Any:
        return OPS[name](self)

    return operator


class Arithmetic:
    """Mixin: ``x + y``, ``-x``, ``x @ y``, ``x[key]`` ... through the ops of those names."""

    __slots__ = ()
    __array_priority__ = 100  # NumPy arrays on the left give way to the reflected operators
    __array_ufunc__: Any = None

    __add__, __radd__ = _forward("add"), _reflected("add")
    __sub__, __rsub__ = _forward("subtract"), _reflected("subtract")
    __mul__, __rmul__ = _forward("multiply"), _reflected("multiply")
    __truediv__, __rtruediv__ = _forward("divide"), _reflected("divide")
    __floordiv__, __rfloordiv__ = _forward("floor_divide"), _reflected("floor_divide")
    __mod__, __rmod__ = _forward("mod"), _reflected("mod")
    __pow__, __rpow__ = _forward("power"), _reflected("power")
    __matmul__, __rmatmul__ = _forward("matmul"), _reflected("matmul")
    __and__, __rand__ = _forward("logical_and"), _reflected("logical_and")
    __or__, __ror__ = _forward("logical_or"), _reflected("logical_or")
    __xor__, __rxor__ = _forward("logical_xor"), _reflected("logical_xor")
    __lt__, __le__ = _forward("less"), _forward("less_equal")
    __gt__, __ge__ = _forward("greater"), _forward("greater_equal")
    __neg__ = _unary("negative")
    __abs__ = _unary("abs")
    __invert__ = _unary("logical_not")

    def __pos__(self) -> Any:
        return self

    def __round__(self, ndigits: int | None = None) -> Any:
        return OPS["round"](self, ndigits or 0)

    def __getitem__(self, key: Any) -> Any:
        return OPS["get_item"](self, key)
