"""Arithmetic, comparisons, reductions and products."""

from __future__ import annotations

import builtins as py
from typing import Any

from tricorn import config, ops
from tricorn.backend.values import int_shape, to_dense
from tricorn.ops import abs, cos, exp, log, sign, sin, sqrt, square
from tricorn.ops.arguments import letters


def cast(x: Any, dtype: str) -> Any:
    """x in another dtype."""
    return ops.cast(x, dtype)


def pow(x: Any, a: Any) -> Any:
    """x to the power a, elementwise."""
    return ops.power(x, a)


def round(x: Any) -> Any:
    """The nearest whole number, elementwise; of two the even one."""
    return ops.round(x)


def clip(x: Any, min_value: Any, max_value: Any) -> Any:
    """x moved into [min_value, max_value]; None leaves a side open."""
    if isinstance(min_value, (int, float)) and isinstance(max_value, (int, float)):
        max_value = py.max(min_value, max_value)
    low = -float("inf") if min_value is None else min_value
    return ops.clip(x, low, float("inf") if max_value is None else max_value)


def equal(x: Any, y: Any) -> Any:
    """Whether x = y, elementwise."""
    return ops.equal(x, y)


def not_equal(x: Any, y: Any) -> Any:
    """Whether x ≠ y, elementwise."""
    return ops.not_equal(x, y)


def greater(x: Any, y: Any) -> Any:
    """Whether x > y, elementwise."""
    return ops.greater(x, y)


def greater_equal(x: Any, y: Any) -> Any:
    """Whether x ≥ y, elementwise."""
    return ops.greater_equal(x, y)


def less(x: Any, y: Any) -> Any:
    """Whether x < y, elementwise."""
    return ops.less(x, y)


def less_equal(x: Any, y: Any) -> Any:
    """Whether x ≤ y, elementwise."""
    return ops.less_equal(x, y)


def maximum(x: Any, y: Any) -> Any:
    """The larger one, elementwise."""
    return ops.maximum(x, y)


def minimum(x: Any, y: Any) -> Any:
    """The smaller one, elementwise."""
    return ops.minimum(x, y)


def stop_gradient(variables: Any) -> Any:
    """A tensor (or list of them) whose gradient is zero."""
    return ops.stop_gradient(variables)


# ------------------------------------------------------------------------------------ reductions


def _counted(x: Any) -> Any:
    """Truth values as numbers."""
    return ops.cast(x, config.floatx()) if ops.dtype(x) == "bool" else x


def max(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The maximum along `axis` (int, sequence of ints, None: all)."""
    return ops.max(x, axis, keepdims)


def min(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The minimum along `axis` (int, sequence of ints, None: all)."""
    return ops.min(x, axis, keepdims)


def sum(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The sum along `axis` (int, sequence of ints, None: all)."""
    return ops.sum(x, axis, keepdims)


def prod(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The product along `axis` (int, sequence of ints, None: all)."""
    return ops.prod(x, axis, keepdims)


def mean(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The mean along `axis` (int, sequence of ints, None: all)."""
    return ops.mean(_counted(x), axis, keepdims)


def var(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The mean squared distance from the mean along `axis` (int, sequence of ints, None: all)."""
    return ops.var(_counted(x), axis, keepdims)


def std(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The square root of `var`."""
    return ops.std(_counted(x), axis, keepdims)


def any(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Whether one element along `axis` is not zero."""
    return ops.any(ops.cast(x, "bool"), axis, keepdims)


def all(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Whether all elements along `axis` are not zero."""
    return ops.all(ops.cast(x, "bool"), axis, keepdims)


def argmax(x: Any, axis: int = -1) -> Any:
    """Where the maximum along `axis` stands; the first of several."""
    return ops.argmax(x, axis)


def argmin(x: Any, axis: int = -1) -> Any:
    """Where the minimum along `axis` stands; the first of several."""
    return ops.argmin(x, axis)


def logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """ln Σ eˣ along `axis`, without overflow."""
    return ops.logsumexp(x, axis, keepdims)


def cumsum(x: Any, axis: int = 0) -> Any:
    """The sums of all elements up to each along `axis`."""
    return ops.cumsum(x, axis)


def cumprod(x: Any, axis: int = 0) -> Any:
    """The products of all elements up to each along `axis`."""
    return ops.cumprod(x, axis)


# -------------------------------------------------------------------------------------- products


def dot(x: Any, y: Any) -> Any:
    """The product over the last axis of x and the last but one of y (the only one of a vector).

    Args:
        x: tensor (..., n), or a SciPy sparse matrix.
        y: tensor (n,) or (..., n, m).

    Returns:
        tensor of the remaining axes of x, then those of y: (2, 3) and (4, 3, 5) give (2, 4, 5).
    """
    return ops.dot(to_dense(x), to_dense(y))


def batch_dot(x: Any, y: Any, axes: Any = None) -> Any:
    """The product of each sample of x with the same one of y, over one axis of each.

    Args:
        x, y: tensors of two or more axes, the first of which is the batch's.
        axes: the axis of x and that of y, or one int for both; None: the last of x, and of y the
            last but one (the last of a matrix).

    Returns:
        tensor of the batch's axis, the remaining ones of x, then those of y; (batch, 1) where none
        remain.

    Raises:
        ValueError: fewer than two axes, the batch's axis among `axes`, or sizes that differ.
    """
    a, b = int_shape(x) or (), int_shape(y) or ()
    if len(a) < 2 or len(b) < 2:
        raise ValueError(f"batch_dot takes tensors of two or more axes, got shapes {a} and {b}")
    if axes is None:
        axes = (len(a) - 1, len(b) - 1 if len(b) == 2 else len(b) - 2)
    axes = (axes, axes) if isinstance(axes, int) else tuple(axes)
    i, j = axes[0] % len(a), axes[1] % len(b)
    if i == 0 or j == 0:
        raise ValueError(f"batch_dot cannot sum over the batch's axis, got axes={axes}")
    if a[i] is not None and b[j] is not None and a[i] != b[j]:
        raise ValueError(
            f"batch_dot: axis {i} of shape {a} and axis {j} of shape {b} have different sizes"
        )
    left = "a" + letters(len(a) - 1, 2)
    right = "a" + letters(len(b) - 1, len(a) + 1)
    right = right[:j] + left[i] + right[j + 1 :]
    kept = left[1:i] + left[i + 1 :] + right[1:j] + right[j + 1 :]
    found = ops.einsum(f"{left},{right}->a{kept}", x, y)
    return found if kept else ops.expand_dims(found, 1)


__all__ = [
    "abs", "all", "any", "argmax", "argmin", "batch_dot", "cast", "clip", "cos", "cumprod",
    "cumsum", "dot", "equal", "exp", "greater", "greater_equal", "less", "less_equal", "log",
    "logsumexp", "max", "maximum", "mean", "min", "minimum", "not_equal", "pow", "prod", "round",
    "sign", "sin", "sqrt", "square", "std", "stop_gradient", "sum", "var",
]  # fmt: skip
