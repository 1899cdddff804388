"""What ops do with their plain arguments: axes, shapes, windows."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from tricorn.engines import active
from tricorn.engines.abstract import AbstractTensor


def axis_of(axis: int, x: Any, extra: int = 0) -> int:
    """`axis` as a non-negative int for the tensor `x` (with `extra` axes more than it has now).

    Raises:
        ValueError: out of range.
        TypeError: not an integer.
    """
    shape = active().shape(x)
    rank = len(shape) + extra
    try:
        found = operator.index(axis)
    except TypeError:
        raise TypeError(f"axis must be an integer, got {axis!r}") from None
    if not -rank <= found < rank:
        raise ValueError(
            f"axis {axis} is out of range for rank {rank} (the tensor has the shape "
            f"{tuple(shape)}); expected {-rank} to {rank - 1}"
        )
    return found % rank


def axes_of(axis: int | Sequence[int] | None, x: Any, extra: int = 0) -> tuple[int, ...]:
    """Axes as a tuple of different non-negative ints; None: all axes of `x`."""
    if axis is None:
        return tuple(range(len(active().shape(x))))
    if isinstance(axis, int) or not isinstance(axis, (tuple, list)):
        return (axis_of(axis, x, extra),)  # type: ignore[arg-type]
    axes = tuple(axis_of(a, x, extra) for a in axis)
    if len(set(axes)) != len(axes):
        raise ValueError(f"axis {tuple(axis)} names an axis twice")
    return axes


def shape_of(shape: Any) -> tuple:
    """A shape argument as a tuple: an int, a sequence of ints (or scalar tensors, or None), or a
    vector of them (whose abstract numbers are None)."""
    if isinstance(shape, (int, np.integer)):
        return (int(shape),)
    if isinstance(shape, AbstractTensor):
        return tuple([None] * (shape.shape[0] or 0))
    engine = active()
    if engine.is_tensor(shape):
        shape = [engine.slice(shape, (i,)) for i in range(engine.shape(shape)[0])]
    return tuple(_size(n) for n in shape)


def _size(n: Any) -> Any:
    if isinstance(n, AbstractTensor):
        return None
    return int(n) if isinstance(n, np.integer) else n


def tuple_of(value: int | Sequence[int], count: int, name: str) -> tuple[int, ...]:
    """One positive int per spatial axis from an int or a sequence of `count` of them."""
    values = (value,) * count if isinstance(value, (int, np.integer)) else tuple(value)
    if len(values) != count or not all(isinstance(v, (int, np.integer)) and v > 0 for v in values):
        raise ValueError(f"{name} must be a positive integer or {count} of them, got {value!r}")
    return tuple(int(v) for v in values)


def letters(count: int, start: int = 0) -> str:
    """`count` different subscripts for einsum."""
    return "".join(chr(ord("a") + start + i) for i in range(count))
