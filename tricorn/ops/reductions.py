"""Ops that reduce axes: sums, extremes, moments, quantiles, logical and running reductions."""

from __future__ import annotations

import builtins as py
import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from tricorn import dtypes
from tricorn.engines import active
from tricorn.engines.abstract import AbstractTensor
from tricorn.graph.op import Tensor, op
from tricorn.ops.arguments import axes_of, axis_of
from tricorn.ops.arrays import (
    cast,
    convert_to_tensor,
    expand_dims,
    moveaxis,
    ones_like,
    ravel,
    reshape,
    saturate_cast,
    squeeze,
    take_along_axis,
    where,
)
from tricorn.ops.elementwise import (
    abs,
    add,
    divide,
    equal,
    exp,
    isfinite,
    isnan,
    less,
    less_equal,
    log,
    logical_not,
    logical_or,
    maximum,
    minimum,
    multiply,
    not_equal,
    sqrt,
    square,
    subtract,
)
from tricorn.ops.sparse import sparse_one_hot

Axis = int | Sequence[int] | None
F = TypeVar("F", bound=Callable)


def reduction(returns: str) -> Callable[[F], F]:
    """An `op` decorator that completes the docstring with what all reductions share."""

    def declare(fn: F) -> F:
        fn.__doc__ = (
            f"{fn.__doc__}\n\nArgs:\n    x: tensor of any shape.\n"
            "    axis: axis or axes to reduce; None: all.\n"
            "    keepdims: keep reduced axes with length 1.\n\n"
            f"Returns:\n    {returns}\n\nRaises:\n    ValueError: when an axis is out of range."
        )
        return op(fn)

    return declare


_WIDE = {"bool": "int32", "int8": "int32", "int16": "int32", "uint8": "uint32", "uint16": "uint32"}


_HALF = ("float16", "bfloat16")


def _widened(x: Any) -> Any:
    """Bool and small integers as 32-bit integers, so that a sum does not overflow."""
    name = active().dtype(x)
    return active().cast(x, _WIDE[name]) if name in _WIDE else x


def _real(x: Any) -> Any:
    """Integers and bool as floatx."""
    return cast(x, dtypes.floating(active().dtype(x)))


def _precise(x: Any) -> tuple[Any, str]:
    """x in at least float32, and the dtype that a mean of x has."""
    name = dtypes.floating(active().dtype(x))
    return cast(x, dtypes.result_type(name, "float32")), name


# ---------------------------------------------------------------------------------------- sums


@reduction("tensor of x's dtype; bool and integers of less than 32 bits become (u)int32.")
def sum(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Σ x.

    Example:
        >>> keras.ops.sum([[1.0, 5.0], [3.0, 2.0]], axis=1)
        Array([6., 5.], dtype=float32)
    """
    return active().sum(_widened(x), axes_of(axis, x), keepdims)


@op
def prod(x: Tensor, axis: Axis = None, keepdims: bool = False, dtype: Any = None) -> Tensor:
    """Π x; half precision is multiplied in float32.

    Args:
        x: tensor of any shape.
        axis: axis or axes to reduce; None: all.
        keepdims: keep reduced axes with length 1.
        dtype: to compute in; None: x's, where bool and small integers become (u)int32.

    Returns:
        tensor of that dtype.

    Example:
        >>> keras.ops.prod([[1.0, 5.0], [3.0, 2.0]], axis=1)
        Array([5., 6.], dtype=float32)
    """
    x = _widened(x) if dtype is None else cast(x, dtype)
    name = active().dtype(x)
    if name not in _HALF:
        return active().prod(x, axes_of(axis, x), keepdims)
    return cast(active().prod(cast(x, "float32"), axes_of(axis, x), keepdims), name)


@reduction("floating tensor; integers give floatx.")
def mean(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Σ x / n; half precision is summed in float32.

    Example:
        >>> keras.ops.mean([[1.0, 5.0], [3.0, 2.0]], axis=1)
        Array([3. , 2.5], dtype=float32)
    """
    engine, axes = active(), axes_of(axis, x)
    if engine.dtype(x) in ("float32", "float64"):
        return engine.mean(x, axes, keepdims)
    wide, name = _precise(x)
    return cast(engine.mean(wide, axes, keepdims), name)


@reduction("floating tensor; integers give floatx.")
def var(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Σ |x - mean(x)|² / n; half precision is summed in float32.

    Example:
        >>> keras.ops.var([[1.0, 5.0], [3.0, 2.0]], axis=1)
        Array([4.  , 0.25], dtype=float32)
    """
    wide, name = _precise(x)
    axes = axes_of(axis, x)
    deviation = abs(subtract(wide, active().mean(wide, axes, True)))
    return cast(active().mean(multiply(deviation, deviation), axes, keepdims), name)


@reduction("floating tensor; integers give floatx.")
def std(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The square root of `var`.

    Example:
        >>> keras.ops.std([[1.0, 5.0], [3.0, 2.0]], axis=1)
        Array([2. , 0.5], dtype=float32)
    """
    return sqrt(var(x, axis, keepdims))


@op
def average(x: Tensor, axis: Axis = None, weights: Any = None) -> Tensor:
    """Σ w·x / Σ w.

    Args:
        x: tensor of any shape.
        axis: axis or axes to reduce; None: all.
        weights: None, or a tensor of x's shape, or of the length of the one `axis`.

    Returns:
        floating tensor.

    Example:
        >>> keras.ops.average([[1.0, 5.0], [3.0, 2.0]], axis=1)
        Array([3. , 2.5], dtype=float32)
    """
    if weights is None:
        return mean(x, axis)
    weights = convert_to_tensor(weights)
    if len(active().shape(weights)) != len(active().shape(x)):
        places = range(1, len(active().shape(x)) - axis_of(axis, x))  # type: ignore[arg-type]
        weights = expand_dims(weights, tuple(places))
    name = dtypes.floating(dtypes.result_type(active().dtype(x), active().dtype(weights)))
    x, weights = cast(x, name), cast(weights, name)
    total = sum(multiply(weights, ones_like(x)), axis)
    return divide(sum(multiply(x, weights), axis), total)


@op
def moments(
    x: Tensor, axes: Axis, keepdims: bool = False, synchronized: bool = False
) -> tuple[Tensor, Tensor]:
    """Mean and variance.

    Args:
        x: floating tensor.
        axes: axis or axes to reduce.
        keepdims: keep reduced axes with length 1.
        synchronized: must be False (statistics over several devices come with distribution).

    Returns:
        (mean, variance) of x's dtype; a float16 that would be infinite is the largest number.

    Example:
        >>> keras.ops.moments([1.0, 3.0], axes=[0])
        (Array(2., dtype=float32), Array(1., dtype=float32))
    """
    if synchronized:
        raise NotImplementedError("moments: synchronized=True needs a distribution of devices")
    if active().dtype(x) != "float16":
        return mean(x, axes, keepdims), var(x, axes, keepdims)
    wide = cast(x, "float32")  # what half precision cannot hold is its largest number
    both = mean(wide, axes, keepdims), var(wide, axes, keepdims)
    return saturate_cast(both[0], "float16"), saturate_cast(both[1], "float16")


@op
def count_nonzero(x: Tensor, axis: Axis = None) -> Tensor:
    """How many elements are not 0.

    Args:
        x: tensor of any shape.
        axis: axis or axes to reduce; None: all.

    Returns:
        int32 tensor.

    Example:
        >>> keras.ops.count_nonzero([[1.0, 5.0], [3.0, 2.0]], axis=1)
        Array([2, 2], dtype=int32)
    """
    return active().sum(cast(not_equal(x, 0), "int32"), axes_of(axis, x), False)


@reduction("floating tensor.")
def logsumexp(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """ln Σ eˣ, without overflow.

    Example:
        >>> keras.ops.logsumexp([[1.0, 5.0], [3.0, 2.0]], axis=1)
        Array([5.01815  , 3.3132615], dtype=float32)
    """
    engine, x, axes = active(), _real(x), axes_of(axis, x)
    least = -math.inf if 0 in engine.shape(x) else None
    top = _extreme("max", engine.stop_gradient(x), axes, True, least)
    top = where(isfinite(top), top, 0.0)
    total = log(engine.sum(exp(subtract(x, top)), axes, keepdims))
    return add(total, top if keepdims else engine.squeeze(top, axes))


# ------------------------------------------------------------------------------------- extremes


def _extreme(name: str, x: Any, axis: Axis, keepdims: bool, initial: Any) -> Any:
    engine, axes = active(), axes_of(axis, x)
    if initial is None:
        return getattr(engine, name)(x, axes, keepdims)
    initial = cast(convert_to_tensor(initial), engine.dtype(x))
    if 0 in engine.shape(x):  # the sum has the result's shape, and is 0
        nothing = engine.sum(cast(x, "int32"), axes, keepdims)
        return engine.broadcast_to(initial, engine.shape(nothing))
    further = maximum if name == "max" else minimum
    return further(getattr(engine, name)(x, axes, keepdims), initial)


@op
def max(x: Tensor, axis: Axis = None, keepdims: bool = False, initial: Any = None) -> Tensor:
    """The largest element; NaN wins; at a tie the gradient is divided equally.

    Args:
        x: tensor of any shape.
        axis: axis or axes to reduce; None: all.
        keepdims: keep reduced axes with length 1.
        initial: the least result.

    Returns:
        tensor of x's dtype.

    Example:
        >>> keras.ops.max([[1.0, 5.0], [3.0, 2.0]], axis=1)
        Array([5., 3.], dtype=float32)
    """
    return _extreme("max", x, axis, keepdims, initial)


@op
def min(x: Tensor, axis: Axis = None, keepdims: bool = False, initial: Any = None) -> Tensor:
    """The smallest element; NaN wins; at a tie the gradient is divided equally.

    Args:
        x: tensor of any shape.
        axis: axis or axes to reduce; None: all.
        keepdims: keep reduced axes with length 1.
        initial: the greatest result.

    Returns:
        tensor of x's dtype.

    Example:
        >>> keras.ops.min([[1.0, 5.0], [3.0, 2.0]], axis=1)
        Array([1., 2.], dtype=float32)
    """
    return _extreme("min", x, axis, keepdims, initial)


@reduction("tensor of x's dtype.")
def amax(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The largest element, as `max`.

    Example:
        >>> keras.ops.amax([[1.0, 5.0], [3.0, 2.0]], axis=1)
        Array([5., 3.], dtype=float32)
    """
    return _extreme("max", x, axis, keepdims, None)


@reduction("tensor of x's dtype.")
def amin(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The smallest element, as `min`.

    Example:
        >>> keras.ops.amin([[1.0, 5.0], [3.0, 2.0]], axis=1)
        Array([1., 2.], dtype=float32)
    """
    return _extreme("min", x, axis, keepdims, None)


@reduction("tensor of x's dtype.")
def ptp(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """max x - min x.

    Example:
        >>> keras.ops.ptp([[1.0, 5.0], [3.0, 2.0]], axis=1)
        Array([4., 1.], dtype=float32)
    """
    return subtract(max(x, axis, keepdims), min(x, axis, keepdims))


@reduction("bool tensor.")
def any(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Whether any element is true (not 0).

    Example:
        >>> keras.ops.any([[1.0, 5.0], [3.0, 2.0]], axis=1)
        Array([ True,  True], dtype=bool)
    """
    return active().any(cast(x, "bool"), axes_of(axis, x), keepdims)


@reduction("bool tensor.")
def all(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Whether all elements are true (not 0).

    Example:
        >>> keras.ops.all([[1.0, 5.0], [3.0, 2.0]], axis=1)
        Array([ True,  True], dtype=bool)
    """
    return active().all(cast(x, "bool"), axes_of(axis, x), keepdims)


def _arg(name: str, x: Any, axis: int | None, keepdims: bool) -> Any:
    engine = active()
    if axis is not None:
        return getattr(engine, name)(x, axis_of(axis, x), keepdims)
    found = getattr(engine, name)(ravel(x), 0, False)
    return engine.reshape(found, (1,) * len(engine.shape(x))) if keepdims else found


@op
def argmax(x: Tensor, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """The index of the first largest element.

    Args:
        x: tensor of any shape.
        axis: along which; None: the flattened x.
        keepdims: keep the reduced axis with length 1.

    Returns:
        int32 tensor.

    Example:
        >>> keras.ops.argmax([[1.0, 5.0], [3.0, 2.0]], axis=1)
        Array([1, 0], dtype=int32)
    """
    return _arg("argmax", x, axis, keepdims)


@op
def argmin(x: Tensor, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """The index of the first smallest element.

    Args:
        x: tensor of any shape.
        axis: along which; None: the flattened x.
        keepdims: keep the reduced axis with length 1.

    Returns:
        int32 tensor.

    Example:
        >>> keras.ops.argmin([[1.0, 5.0], [3.0, 2.0]], axis=1)
        Array([0, 1], dtype=int32)
    """
    return _arg("argmin", x, axis, keepdims)


@op
def allclose(
    x1: Tensor, x2: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Tensor:
    """Whether all elements are close, as `isclose`.

    Args:
        x1, x2: tensors whose shapes broadcast.
        rtol, atol: relative and absolute tolerance.
        equal_nan: whether NaN is close to NaN.

    Returns:
        bool scalar.

    Example:
        >>> keras.ops.allclose([1.0, 2.0], [1.0, 2.0 + 1e-7])
        Array(True, dtype=bool)
    """
    from tricorn.ops.elementwise import isclose

    return all(isclose(x1, x2, rtol, atol, equal_nan))


# ------------------------------------------------------------------------------------- running


def _running(name: str, x: Any, axis: int | None, dtype: Any) -> Any:
    x = (_counted(x)) if dtype is None else cast(x, dtype)
    x, axis = (ravel(x), 0) if axis is None else (x, axis_of(axis, x))
    return getattr(active(), name)(x, axis)


def _counted(x: Any) -> Any:
    return cast(x, "int32") if active().dtype(x) == "bool" else x


@op
def cumsum(x: Tensor, axis: int | None = None, dtype: Any = None) -> Tensor:
    """The running sum.

    Args:
        x: tensor of any shape.
        axis: along which; None: the flattened x.
        dtype: of the result; None: x's (bool: int32).

    Returns:
        tensor of x's shape.

    Example:
        >>> keras.ops.cumsum([1, 2, 3])
        Array([1, 3, 6], dtype=int32)
    """
    return _running("cumsum", x, axis, dtype)


@op
def cumprod(x: Tensor, axis: int | None = None, dtype: Any = None) -> Tensor:
    """The running product.

    Args:
        x: tensor of any shape.
        axis: along which; None: the flattened x.
        dtype: of the result; None: x's (bool: int32).

    Returns:
        tensor of x's shape.

    Example:
        >>> keras.ops.cumprod([1, 2, 3])
        Array([1, 2, 6], dtype=int32)
    """
    return _running("cumprod", x, axis, dtype)


@op
def diff(a: Tensor, n: int = 1, axis: int = -1) -> Tensor:
    """The n-th differences of neighbours.

    Args:
        a: tensor of rank at least 1.
        n: how often to take differences.
        axis: along which.

    Returns:
        tensor of a's dtype, shorter by n along the axis.

    Example:
        >>> keras.ops.diff([1, 4, 9])
        Array([3, 5], dtype=int32)
    """
    axis = axis_of(axis, a)
    for _ in range(n):
        later = a[(*(slice(None),) * axis, slice(1, None))]
        earlier = a[(*(slice(None),) * axis, slice(None, -1))]
        a = (not_equal if active().dtype(a) == "bool" else subtract)(later, earlier)
    return a


@op
def trapezoid(y: Tensor, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Tensor:
    """The integral of samples by the trapezoidal rule: Σ Δx (yᵢ + yᵢ₊₁) / 2.

    Args:
        y: samples.
        x: where they were taken, of y's shape or of the axis's length; None: evenly spaced.
        dx: the distance then.
        axis: along which.

    Returns:
        floating tensor without the axis.

    Example:
        >>> keras.ops.trapezoid([1.0, 2.0, 3.0])
        Array(4., dtype=float32)
    """
    y = moveaxis(_real(y), axis, -1)
    if x is not None:
        x = convert_to_tensor(x)
        dx = diff(moveaxis(x, axis, -1) if len(active().shape(x)) > 1 else x)
    return multiply(sum(multiply(add(y[..., 1:], y[..., :-1]), dx), -1), 0.5)


# ------------------------------------------------------------------------------------- quantiles

_METHODS = ("linear", "lower", "higher", "midpoint", "nearest")


@op
def quantile(
    x: Tensor, q: Any, axis: Axis = None, method: str = "linear", keepdims: bool = False
) -> Tensor:
    """The values below which the fractions q of the elements lie.

    Args:
        x: tensor of any shape.
        q: fractions in [0, 1], a number or a vector (its axis comes first in the result).
        axis: axis or axes to reduce; None: all.
        method: between two elements: 'linear', 'lower', 'higher', 'midpoint' or 'nearest'.
        keepdims: keep reduced axes with length 1.

    Returns:
        floating tensor; NaN where x has a NaN.

    Example:
        >>> keras.ops.quantile([1.0, 2.0, 3.0], 0.5)
        Array(2., dtype=float32)
    """
    x = _real(x)
    result = _quantile(x, q, axes_of(axis, x), method, keepdims)
    return where(any(isnan(x), axis, keepdims), math.nan, result)


def _quantile(x: Any, q: Any, axes: tuple, method: str, keepdims: bool) -> Any:
    """Quantiles over some axes of x, of what is not NaN."""
    if method not in _METHODS:
        raise ValueError(f"quantile: method must be one of {_METHODS}, got {method!r}")
    engine, rows = active(), _last(x, axes)
    axis = len(engine.shape(rows)) - 1
    if engine.shape(rows)[-1] == 0:  # of nothing it is NaN
        rows = engine.full((*engine.shape(rows)[:-1], 1), math.nan, engine.dtype(x))
    count = sum(cast(logical_not(isnan(rows)), engine.dtype(x)), -1, True)
    q = cast(convert_to_tensor(q), engine.dtype(x))
    place = multiply(reshape(q, ((1,) * axis + (-1,))), maximum(subtract(count, 1.0), 0.0))
    values = moveaxis(_between(engine.sort(rows, axis), place, method), -1, 0)
    values = expand_dims(values, tuple(a + 1 for a in axes)) if keepdims else values
    return values if engine.shape(q) else squeeze(values, 0)


def _last(x: Any, axes: tuple[int, ...]) -> Any:
    """x with some axes merged into one at the end."""
    shape = active().shape(x)
    kept = tuple(n for i, n in enumerate(shape) if i not in axes)
    order = tuple(i for i in range(len(shape)) if i not in axes) + axes
    merged = [shape[i] for i in axes]
    count = math.prod(merged) if py.all(isinstance(n, int) for n in merged) else -1
    return active().reshape(active().transpose(x, order), (*kept, count))


def _between(ordered: Any, place: Any, method: str) -> Any:
    """Interpolated values at fractional places of the last axis."""
    low, high = active().floor(place), active().ceil(place)
    if method == "nearest":
        low = high = active().round(place)
    low, high = {"lower": (low, low), "higher": (high, high)}.get(method, (low, high))
    part = 0.5 if method == "midpoint" else subtract(place, low)
    rest = 0.5 if method == "midpoint" else subtract(1.0, part)
    a, b = (take_along_axis(ordered, cast(i, "int32"), -1) for i in (low, high))
    between = add(multiply(a, rest), multiply(b, part))
    return where(equal(a, b), a, between)  # an infinite element times 0 is no number


@op
def percentile(
    x: Tensor, q: Any, axis: Axis = None, method: str = "linear", keepdims: bool = False
) -> Tensor:
    """`quantile` of q / 100.

    Args:
        x: tensor of any shape.
        q: percentages in [0, 100], a number or a vector (its axis comes first in the result).
        axis: axis or axes to reduce; None: all.
        method: as for `quantile`.
        keepdims: keep reduced axes with length 1.

    Returns:
        floating tensor.

    Example:
        >>> keras.ops.percentile([1.0, 2.0, 3.0], 50.0)
        Array(2., dtype=float32)
    """
    return quantile(x, divide(q, 100.0), axis, method, keepdims)


@reduction("floating tensor.")
def median(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The middle element, or the mean of the two in the middle.

    Example:
        >>> keras.ops.median([[1.0, 5.0], [3.0, 2.0]], axis=1)
        Array([3. , 2.5], dtype=float32)
    """
    return quantile(x, 0.5, axis, "linear", keepdims)


# ------------------------------------------------------------------------- reductions that skip NaN


def _filled(x: Any, value: float) -> Any:
    """x with a number in the place of NaN."""
    return where(isnan(x), value, x) if dtypes.is_float(active().dtype(x)) else x


@reduction("tensor of x's dtype.")
def nansum(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Σ x over what is not NaN.

    Example:
        >>> keras.ops.nansum([[1.0, np.nan], [3.0, 2.0]], axis=1)
        Array([1., 5.], dtype=float32)
    """
    return sum(_filled(x, 0.0), axis, keepdims)


@reduction("tensor of x's dtype.")
def nanprod(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Π x over what is not NaN.

    Example:
        >>> keras.ops.nanprod([[1.0, np.nan], [3.0, 2.0]], axis=1)
        Array([1., 6.], dtype=float32)
    """
    return prod(_filled(x, 1.0), axis, keepdims)


@reduction("floating tensor.")
def nanmean(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The mean of what is not NaN; NaN where nothing is left.

    Example:
        >>> keras.ops.nanmean([[1.0, np.nan], [3.0, 2.0]], axis=1)
        Array([1. , 2.5], dtype=float32)
    """
    wide, name = _precise(x)
    return cast(_mean_of(_filled(wide, 0.0), wide, axis, keepdims), name)


def _mean_of(values: Any, x: Any, axis: Axis, keepdims: bool) -> Any:
    """The mean of the values where x is not NaN; they are 0 elsewhere."""
    count = sum(cast(logical_not(isnan(x)), active().dtype(x)), axis, keepdims)
    return divide(sum(values, axis, keepdims), count)


@reduction("floating tensor.")
def nanvar(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The variance of what is not NaN; NaN where nothing is left.

    Example:
        >>> keras.ops.nanvar([[1.0, np.nan], [3.0, 2.0]], axis=1)
        Array([0.  , 0.25], dtype=float32)
    """
    wide, name = _precise(x)
    deviation = square(subtract(wide, nanmean(wide, axis, True)))
    deviation = where(isnan(wide), 0.0, deviation)
    return cast(_mean_of(deviation, wide, axis, keepdims), name)


@reduction("floating tensor.")
def nanstd(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The square root of `nanvar`.

    Example:
        >>> keras.ops.nanstd([[1.0, np.nan], [3.0, 2.0]], axis=1)
        Array([0. , 0.5], dtype=float32)
    """
    return sqrt(nanvar(x, axis, keepdims))


@reduction("tensor of x's dtype; NaN where nothing is left.")
def nanmax(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The largest element that is not NaN.

    Example:
        >>> keras.ops.nanmax([[1.0, np.nan], [3.0, 2.0]], axis=1)
        Array([1., 3.], dtype=float32)
    """
    if not dtypes.is_float(active().dtype(x)):
        return max(x, axis, keepdims)
    found = max(_filled(x, -math.inf), axis, keepdims)
    return where(all(isnan(x), axis, keepdims), math.nan, found)


@reduction("tensor of x's dtype; NaN where nothing is left.")
def nanmin(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The smallest element that is not NaN.

    Example:
        >>> keras.ops.nanmin([[1.0, np.nan], [3.0, 2.0]], axis=1)
        Array([1., 2.], dtype=float32)
    """
    if not dtypes.is_float(active().dtype(x)):
        return min(x, axis, keepdims)
    found = min(_filled(x, math.inf), axis, keepdims)
    return where(all(isnan(x), axis, keepdims), math.nan, found)


@op
def nanargmax(x: Tensor, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """The index of the first largest element that is not NaN; -1 where nothing is left.

    Args:
        x: tensor of any shape.
        axis: along which; None: the flattened x.
        keepdims: keep the reduced axis with length 1.

    Returns:
        int32 tensor.

    Example:
        >>> keras.ops.nanargmax([[1.0, np.nan], [3.0, 2.0]], axis=1)
        Array([0, 0], dtype=int32)
    """
    return where(all(isnan(x), axis, keepdims), -1, argmax(_filled(x, -math.inf), axis, keepdims))


@op
def nanargmin(x: Tensor, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """The index of the first smallest element that is not NaN; -1 where nothing is left.

    Args:
        x: tensor of any shape.
        axis: along which; None: the flattened x.
        keepdims: keep the reduced axis with length 1.

    Returns:
        int32 tensor.

    Example:
        >>> keras.ops.nanargmin([[1.0, np.nan], [3.0, 2.0]], axis=1)
        Array([0, 1], dtype=int32)
    """
    return where(all(isnan(x), axis, keepdims), -1, argmin(_filled(x, math.inf), axis, keepdims))


@op
def nancumsum(x: Tensor, axis: int | None = None, dtype: Any = None) -> Tensor:
    """The running sum in which NaN counts as 0.

    Args:
        x: tensor of any shape.
        axis: along which; None: the flattened x.
        dtype: of the result; None: x's.

    Returns:
        tensor of x's shape.

    Example:
        >>> keras.ops.nancumsum([1.0, np.nan, 3.0])
        Array([1., 1., 4.], dtype=float32)
    """
    return cumsum(_filled(x, 0.0), axis, dtype)


@op
def nancumprod(x: Tensor, axis: int | None = None, dtype: Any = None) -> Tensor:
    """The running product in which NaN counts as 1.

    Args:
        x: tensor of any shape.
        axis: along which; None: the flattened x.
        dtype: of the result; None: x's.

    Returns:
        tensor of x's shape.

    Example:
        >>> keras.ops.nancumprod([1.0, np.nan, 3.0])
        Array([1., 1., 3.], dtype=float32)
    """
    return cumprod(_filled(x, 1.0), axis, dtype)


@op
def nanquantile(
    x: Tensor, q: Any, axis: Axis = None, method: str = "linear", keepdims: bool = False
) -> Tensor:
    """`quantile` of what is not NaN; NaN where nothing is left.

    Args:
        x: tensor of any shape.
        q: fractions in [0, 1], a number or a vector (its axis comes first in the result).
        axis: axis or axes to reduce; None: all.
        method: as for `quantile`.
        keepdims: keep reduced axes with length 1.

    Returns:
        floating tensor.

    Example:
        >>> keras.ops.nanquantile([1.0, np.nan, 3.0], 0.5)
        Array(2., dtype=float32)
    """
    x = _real(x)
    result = _quantile(x, q, axes_of(axis, x), method, keepdims)
    return where(all(isnan(x), axis, keepdims), math.nan, result)


@op
def nanpercentile(
    x: Tensor, q: Any, axis: Axis = None, method: str = "linear", keepdims: bool = False
) -> Tensor:
    """`nanquantile` of q / 100.

    Args:
        x: tensor of any shape.
        q: percentages in [0, 100], a number or a vector (its axis comes first in the result).
        axis: axis or axes to reduce; None: all.
        method: as for `quantile`.
        keepdims: keep reduced axes with length 1.

    Returns:
        floating tensor.

    Example:
        >>> keras.ops.nanpercentile([1.0, np.nan, 3.0], 50.0)
        Array(2., dtype=float32)
    """
    return nanquantile(x, divide(q, 100.0), axis, method, keepdims)


@reduction("floating tensor; NaN where nothing is left.")
def nanmedian(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The median of what is not NaN.

    Example:
        >>> keras.ops.nanmedian([[1.0, np.nan], [3.0, 2.0]], axis=1)
        Array([1. , 2.5], dtype=float32)
    """
    return nanquantile(x, 0.5, axis, "linear", keepdims)


# --------------------------------------------------------------------------- counting and grouping


@op
def isin(x1: Tensor, x2: Tensor, assume_unique: bool = False, invert: bool = False) -> Tensor:
    """Whether each element of x1 is one of x2's.

    Args:
        x1, x2: tensors of any shapes.
        assume_unique: kept for compatibility.
        invert: whether it is *not* one of them.

    Returns:
        bool tensor of x1's shape.

    Example:
        >>> keras.ops.isin([1, 2, 3], [1, 3])
        Array([ True, False,  True], dtype=bool)
    """
    found = any(equal(expand_dims(x1, -1), ravel(x2)), -1)
    return logical_not(found) if invert else found


@op
def bincount(x: Tensor, weights: Any = None, minlength: int = 0, sparse: bool = False) -> Tensor:
    """How often each of 0, 1, 2, ... occurs.

    Args:
        x: tensor of non-negative integers, of shape (n,) or (batch, n).
        weights: what each element counts, of x's shape; None: 1.
        minlength: the least length of the result.  The length depends on the data, so this does
            not run inside compiled steps.
        sparse: give a sparse tensor, where the engine has such.

    Returns:
        tensor of shape (length,) or (batch, length); int32, or the dtype of the weights.

    Example:
        >>> keras.ops.bincount([0, 1, 1, 3])
        Array([1, 2, 0, 1], dtype=int32)
    """
    engine = active()
    if engine.capabilities["abstract"]:  # the data tell
        name = "int32" if weights is None else engine.dtype(convert_to_tensor(weights))
        return AbstractTensor((*x.shape[:-1], None), name)
    length = py.max(int(engine.numpy(engine.max(x, axes_of(None, x), False))) + 1, minlength)
    if sparse:
        name = "int32" if weights is None else engine.dtype(convert_to_tensor(weights))
        return sum(sparse_one_hot(x, length, -1, name, weights), -2)
    hit = equal(expand_dims(x, -1), engine.arange(0, length, 1, engine.dtype(x)))
    if weights is None:
        return sum(hit, -2)
    weights = convert_to_tensor(weights)
    return cast(sum(multiply(hit, expand_dims(weights, -1)), -2), engine.dtype(weights))


@op
def histogram(x: Tensor, bins: int = 10, range: Any = None) -> tuple[Tensor, Tensor]:
    """How many elements fall into each of `bins` equal intervals.

    Args:
        x: tensor of rank 1.
        bins: number of intervals.
        range: (lowest, highest) border; None: the extremes of x.

    Returns:
        (counts of shape (bins,), borders of shape (bins + 1,)), both floating.

    Example:
        >>> keras.ops.histogram([1.0, 2.0, 2.0], bins=2)
        (Array([1., 2.], dtype=float32), Array([1. , 1.5, 2. ], dtype=float32))
    """
    from tricorn.ops.arrays import linspace, searchsorted

    if len(active().shape(x)) != 1:
        shape = tuple(active().shape(x))
        raise ValueError(f"histogram: Input tensor must be 1-dimensional, got the shape {shape}")
    if range and not range[0] < range[1]:
        raise ValueError(
            f"histogram: The second element of `range` must be greater than the first, got {range}"
        )
    x = _real(x)
    low, high = (min(x), max(x)) if range is None else range
    edges = linspace(low, high, bins + 1, dtype=active().dtype(x))
    place = subtract(searchsorted(edges, x, "right"), 1)
    place = where(equal(x, edges[-1]), bins - 1, place)
    hits = equal(expand_dims(place, -1), active().arange(0, bins, 1, "int32"))
    return sum(cast(hits, active().dtype(x)), 0), edges


def _segments(data: Any, segment_ids: Any, num_segments: int | None, fill: Any, mode: str) -> Any:
    """Rows of data combined by the group they belong to; negative ids are left out."""
    engine = active()
    if num_segments is None:
        if engine.capabilities["abstract"]:  # the data tell
            return AbstractTensor((None, *engine.shape(data)[1:]), engine.dtype(data))
        top = engine.max(segment_ids, axes_of(None, segment_ids), False)
        num_segments = int(engine.numpy(top)) + 1
    start = engine.full((num_segments + 1, *engine.shape(data)[1:]), fill, engine.dtype(data))
    kept = where(
        logical_or(less(segment_ids, 0), less_equal(num_segments, segment_ids)),
        num_segments,
        segment_ids,
    )
    return engine.scatter(start, expand_dims(kept, -1), data, mode)[:num_segments]


@op
def segment_sum(
    data: Tensor, segment_ids: Tensor, num_segments: int | None = None, sorted: bool = False
) -> Tensor:
    """Σ of the rows of each group; 0 for an empty one.

    Args:
        data: tensor of shape (n, ...).
        segment_ids: integer tensor of shape (n,), the group of each row.
        num_segments: number of groups; None: one more than the largest (not in compiled steps).
        sorted: whether the ids ascend (a hint).

    Returns:
        tensor of shape (num_segments, ...).

    Example:
        >>> keras.ops.segment_sum([1, 2, 3], [0, 0, 1])
        Array([3, 3], dtype=int32)
    """
    return _segments(data, segment_ids, num_segments, 0, "add")


@op
def segment_prod(
    data: Tensor, segment_ids: Tensor, num_segments: int | None = None, sorted: bool = False
) -> Tensor:
    """Π of the rows of each group; 1 for an empty one.

    Args:
        data: tensor of shape (n, ...).
        segment_ids: integer tensor of shape (n,), the group of each row.
        num_segments: number of groups; None: one more than the largest (not in compiled steps).
        sorted: whether the ids ascend (a hint).

    Returns:
        tensor of shape (num_segments, ...).

    Example:
        >>> keras.ops.segment_prod([1, 2, 3], [0, 0, 1])
        Array([2, 3], dtype=int32)
    """
    return _segments(data, segment_ids, num_segments, 1, "multiply")


def _limits(x: Any) -> tuple[Any, Any]:
    """The least and the greatest value of x's dtype, infinities included."""
    name = active().dtype(x)
    if name == "bool":
        return False, True
    return (-math.inf, math.inf) if dtypes.is_float(name) else dtypes.bounds(name)


@op
def segment_max(
    data: Tensor, segment_ids: Tensor, num_segments: int | None = None, sorted: bool = False
) -> Tensor:
    """The largest of the rows of each group; the least value of the dtype for an empty one.

    Args:
        data: tensor of shape (n, ...).
        segment_ids: integer tensor of shape (n,), the group of each row.
        num_segments: number of groups; None: one more than the largest (not in compiled steps).
        sorted: whether the ids ascend (a hint).

    Returns:
        tensor of shape (num_segments, ...).

    Example:
        >>> keras.ops.segment_max([1, 2, 3], [0, 0, 1])
        Array([2, 3], dtype=int32)
    """
    return _segments(data, segment_ids, num_segments, _limits(data)[0], "max")


@op
def segment_min(
    data: Tensor, segment_ids: Tensor, num_segments: int | None = None, sorted: bool = False
) -> Tensor:
    """The smallest of the rows of each group; the greatest value of the dtype for an empty one.

    Args:
        data: tensor of shape (n, ...).
        segment_ids: integer tensor of shape (n,), the group of each row.
        num_segments: number of groups; None: one more than the largest (not in compiled steps).
        sorted: whether the ids ascend (a hint).

    Returns:
        tensor of shape (num_segments, ...).

    Example:
        >>> keras.ops.segment_min([1, 2, 3], [0, 0, 1])
        Array([1, 3], dtype=int32)
    """
    return _segments(data, segment_ids, num_segments, _limits(data)[1], "min")
