"""Elementwise ops: arithmetic, comparison, logic, bits, rounding, trigonometry, exponentials.

The families (`analysis`, `same`, `predicate`, `binary` ...) say once what their members have in
common; a member's own docstring is its formula.
"""

from __future__ import annotations

import builtins as py
import inspect
import math
from collections.abc import Callable
from typing import Any, TypeVar

from tricorn import dtypes
from tricorn.engines import active
from tricorn.graph.op import Tensor, op
from tricorn.ops.arrays import cast, convert_to_tensor, full_like, ones_like, where, zeros_like

F = TypeVar("F", bound=Callable)


def _family(text: str, **flags: bool) -> Callable[[F], F]:
    """An `op` decorator that completes the docstring with what the family has in common."""

    def declare(fn: F) -> F:
        first, *rest = inspect.cleandoc(fn.__doc__ or "").split("\n\n", 1)
        fn.__doc__ = "\n\n".join([first, text, *rest])
        return op(**flags)(fn)

    return declare


_X = "    x: tensor or what converts to one, of any shape"
_X12 = "    x1, x2: tensors, arrays or numbers whose shapes broadcast"

analysis = _family(
    f"Args:\n{_X}; integers and bool become floatx.\n\n"
    "Returns:\n    floating (or complex) tensor of x's shape.",
    floating=True,
)
same = _family(f"Args:\n{_X}.\n\nReturns:\n    tensor of x's shape and dtype.")
predicate = _family(f"Args:\n{_X}.\n\nReturns:\n    bool tensor of x's shape.")
binary = _family(
    f"Args:\n{_X12}; they are promoted to their common dtype.\n\n"
    "Returns:\n    tensor of the broadcast shape and the common dtype.\n\n"
    "Raises:\n    ValueError: when the shapes do not broadcast.",
    promote=True,
)
quotient = _family(
    f"Args:\n{_X12}; integers and bool become floatx.\n\n"
    "Returns:\n    floating (or complex) tensor of the broadcast shape.\n\n"
    "Raises:\n    ValueError: when the shapes do not broadcast.",
    floating=True,
)
comparison = _family(
    f"Args:\n{_X12}; they are promoted to their common dtype.\n\n"
    "Returns:\n    bool tensor of the broadcast shape.\n\n"
    "Raises:\n    ValueError: when the shapes do not broadcast.",
    promote=True,
)
logic = _family(
    f"Args:\n{_X12}; each is cast to bool (x ≠ 0).\n\n"
    "Returns:\n    bool tensor of the broadcast shape."
)
bits = _family(
    "Args:\n    x, y: integer or bool tensors whose shapes broadcast.\n\n"
    "Returns:\n    integer tensor of the broadcast shape and the common dtype.\n\n"
    "Raises:\n    TypeError: for floats.",
    promote=True,
)


def _number(x: Any) -> Any:
    """Bool tensors as int32, everything else as it is."""
    engine = active()
    return engine.cast(x, "int32") if engine.is_tensor(x) and engine.dtype(x) == "bool" else x


def _dtype(x: Any) -> str:
    return active().dtype(x)


# ------------------------------------------------------------------------------------- arithmetic


@binary
def add(x1: Tensor, x2: Tensor) -> Tensor:
    """x1 + x2 (bool: or).

    Example:
        >>> keras.ops.add([5.0, 7.0], [2.0, 4.0])
        Array([ 7., 11.], dtype=float32)
    """
    return active().add(x1, x2)


@binary
def subtract(x1: Tensor, x2: Tensor) -> Tensor:
    """x1 - x2.

    Example:
        >>> keras.ops.subtract([5.0, 7.0], [2.0, 4.0])
        Array([3., 3.], dtype=float32)
    """
    return active().subtract(x1, x2)


@binary
def multiply(x1: Tensor, x2: Tensor) -> Tensor:
    """x1 · x2 (bool: and).

    Example:
        >>> keras.ops.multiply([5.0, 7.0], [2.0, 4.0])
        Array([10., 28.], dtype=float32)
    """
    return active().multiply(x1, x2)


@quotient
def divide(x1: Tensor, x2: Tensor) -> Tensor:
    """x1 / x2.

    Example:
        >>> keras.ops.divide([5.0, 7.0], [2.0, 4.0])
        Array([2.5 , 1.75], dtype=float32)
    """
    return active().divide(x1, x2)


@quotient
def true_divide(x1: Tensor, x2: Tensor) -> Tensor:
    """x1 / x2, as `divide`.

    Example:
        >>> keras.ops.true_divide([5.0, 7.0], [2.0, 4.0])
        Array([2.5 , 1.75], dtype=float32)
    """
    return active().divide(x1, x2)


@quotient
def divide_no_nan(x1: Tensor, x2: Tensor) -> Tensor:
    """x1 / x2, and 0 (with gradient 0) where x2 is 0.

    Example:
        >>> keras.ops.divide_no_nan([1.0, 2.0], [0.0, 4.0])
        Array([0. , 0.5], dtype=float32)
    """
    zero = equal(x2, 0)
    return where(zero, 0.0, divide(x1, where(zero, 1.0, x2)))


@binary
def floor_divide(x1: Tensor, x2: Tensor) -> Tensor:
    """⌊x1 / x2⌋; bool counts as int32.

    Example:
        >>> keras.ops.floor_divide([5.0, 7.0], [2.0, 4.0])
        Array([2., 1.], dtype=float32)
    """
    return active().floor_divide(_number(x1), _number(x2))


@binary
def mod(x1: Tensor, x2: Tensor) -> Tensor:
    """x1 - x2⌊x1 / x2⌋, with the sign of x2; bool counts as int32.

    Example:
        >>> keras.ops.mod([5.0, 7.0], [2.0, 4.0])
        Array([1., 3.], dtype=float32)
    """
    return active().remainder(_number(x1), _number(x2))


@binary
def fmod(x1: Tensor, x2: Tensor) -> Tensor:
    """The remainder of x1 / x2 with the sign of x1.

    Example:
        >>> keras.ops.fmod([5.0, 7.0], [2.0, 4.0])
        Array([1., 3.], dtype=float32)
    """
    return _signed(mod(abs(x1), abs(x2)), x1)


def _signed(magnitude: Any, x: Any) -> Any:
    """`magnitude` ≥ 0 with the sign of `x`."""
    return where(less(x, 0), negative(magnitude), magnitude)


@binary
def power(x1: Tensor, x2: Tensor) -> Tensor:
    """x1 to the power x2; bool counts as int32.

    Example:
        >>> keras.ops.power([5.0, 7.0], [2.0, 4.0])
        Array([  25., 2401.], dtype=float32)
    """
    return active().power(_number(x1), _number(x2))


@binary
def maximum(x1: Tensor, x2: Tensor) -> Tensor:
    """The larger of both; NaN wins; at a tie each takes half of the gradient.

    Example:
        >>> keras.ops.maximum([5.0, 7.0], [2.0, 4.0])
        Array([5., 7.], dtype=float32)
    """
    return active().maximum(x1, x2)


@binary
def minimum(x1: Tensor, x2: Tensor) -> Tensor:
    """The smaller of both; NaN wins; at a tie each takes half of the gradient.

    Example:
        >>> keras.ops.minimum([5.0, 7.0], [2.0, 4.0])
        Array([2., 4.], dtype=float32)
    """
    return active().minimum(x1, x2)


@binary
def fmax(x1: Tensor, x2: Tensor) -> Tensor:
    """The larger of both; the number wins over NaN.

    Example:
        >>> keras.ops.fmax([5.0, 7.0], [2.0, 4.0])
        Array([5., 7.], dtype=float32)
    """
    return where(isnan(x1), x2, where(isnan(x2), x1, maximum(x1, x2)))


@binary
def fmin(x1: Tensor, x2: Tensor) -> Tensor:
    """The smaller of both; the number wins over NaN.

    Example:
        >>> keras.ops.fmin([5.0, 7.0], [2.0, 4.0])
        Array([2., 4.], dtype=float32)
    """
    return where(isnan(x1), x2, where(isnan(x2), x1, minimum(x1, x2)))


@quotient
def arctan2(x1: Tensor, x2: Tensor) -> Tensor:
    """The angle in (-π, π] of the point with ordinate x1 and abscissa x2.

    Example:
        >>> keras.ops.arctan2([5.0, 7.0], [2.0, 4.0])
        Array([1.19029  , 1.0516502], dtype=float32)
    """
    return active().atan2(x1, x2)


@quotient
def hypot(x1: Tensor, x2: Tensor) -> Tensor:
    """√(x1² + x2²), without overflow.

    Example:
        >>> keras.ops.hypot([5.0, 7.0], [2.0, 4.0])
        Array([5.3851647, 8.062258 ], dtype=float32)
    """
    a, b = abs(x1), abs(x2)
    large, small = maximum(a, b), minimum(a, b)
    return multiply(large, sqrt(add(1.0, square(divide_no_nan(small, large)))))


@quotient
def logaddexp(x1: Tensor, x2: Tensor) -> Tensor:
    """ln(eˣ¹ + eˣ²), without overflow.

    Example:
        >>> keras.ops.logaddexp([5.0, 7.0], [2.0, 4.0])
        Array([5.0485873, 7.0485873], dtype=float32)
    """
    difference = subtract(x1, x2)
    value = add(maximum(x1, x2), log1p(exp(negative(abs(difference)))))
    return where(isnan(difference), add(x1, x2), value)


@quotient
def logaddexp2(x1: Tensor, x2: Tensor) -> Tensor:
    """log₂(2ˣ¹ + 2ˣ²), without overflow.

    Example:
        >>> keras.ops.logaddexp2([5.0, 7.0], [2.0, 4.0])
        Array([5.169925 , 7.1699247], dtype=float32)
    """
    ln2 = math.log(2.0)
    return divide(logaddexp(multiply(x1, ln2), multiply(x2, ln2)), ln2)


@quotient
def heaviside(x1: Tensor, x2: Tensor) -> Tensor:
    """0 where x1 < 0, x2 where x1 = 0, 1 where x1 > 0; NaN stays.

    Example:
        >>> keras.ops.heaviside([-1.0, 0.0, 2.0], 0.5)
        Array([0. , 0.5, 1. ], dtype=float32)
    """
    x2 = convert_to_tensor(x2, _dtype(x1)) if not active().is_tensor(x2) else x2
    step = where(less(x1, 0), 0.0, where(equal(x1, 0), x2, 1.0))
    return where(isnan(x1), x1, step)


@quotient
def nextafter(x1: Tensor, x2: Tensor) -> Tensor:
    """The floating number next to x1 in the direction of x2; x2 where they are equal.

    Example:
        >>> keras.ops.nextafter([1.0], [2.0])
        Array([1.0000001], dtype=float32)
    """
    engine, both = active(), add(x1, x2)
    dtype, kind = _dtype(both), f"int{8 * dtypes.size(_dtype(both))}"
    x1, x2 = (cast(x, dtype) for x in (x1, x2))
    # the bits of numbers of one sign, read as integers, are in the order of their sizes
    step = where(equal(less(x1, x2), greater(x1, 0)), 1, -1)
    bits = engine.add(engine.bitcast(x1, kind), engine.cast(step, kind))
    least = [engine.tensor(n, kind) for n in (1, dtypes.bounds(kind)[0] + 1)]
    moved = engine.bitcast(where(equal(x1, 0), where(less(x1, x2), *least), bits), dtype)
    return where(equal(x1, x2), x2, where(isnan(both), both, moved))


@op
def ldexp(x1: Tensor, x2: Tensor) -> Tensor:
    """x1 · 2ˣ² for integer x2.

    Args:
        x1: tensor; integers become floatx.
        x2: integer tensor; the shapes broadcast.

    Raises:
        TypeError: when x2 is not of an integer dtype.

    Example:
        >>> keras.ops.ldexp([1.0, 3.0], [2, 1])
        Array([4., 6.], dtype=float32)
    """
    if not dtypes.is_integer(_dtype(x2)):
        raise TypeError(f"ldexp: the exponent x2 must be of an integer dtype, got {_dtype(x2)}")
    return multiply(x1, power(cast(2, dtypes.floating(_dtype(x1))), x2))


@binary
def gcd(x1: Tensor, x2: Tensor) -> Tensor:
    """The greatest common divisor of integers (Euclid).

    Example:
        >>> keras.ops.gcd([12, 18], [8, 27])
        Array([4, 9], dtype=int32)
    """
    step = lambda a, b: (where(equal(b, 0), a, b), where(equal(b, 0), b, mod(a, _nonzero(b))))
    a, b = abs(add(x1, zeros_like(x2))), abs(add(x2, zeros_like(x1)))
    more = lambda a, b: active().any(not_equal(b, 0), tuple(range(len(active().shape(b)))), False)
    return active().while_loop(more, step, (a, b))[0]


def _nonzero(x: Any) -> Any:
    """`x` with 1 for 0: a divisor that is safe to divide by."""
    return where(equal(x, 0), ones_like(x), x)


@binary
def lcm(x1: Tensor, x2: Tensor) -> Tensor:
    """The least common multiple of integers; 0 when one is 0.

    Example:
        >>> keras.ops.lcm([4, 6], [6, 9])
        Array([12, 18], dtype=int32)
    """
    return abs(multiply(x1, floor_divide(x2, _nonzero(gcd(x1, x2)))))


@same
def negative(x: Tensor) -> Tensor:
    """-x.

    Example:
        >>> keras.ops.negative([-1.7, 0.0, 2.3])
        Array([ 1.7, -0. , -2.3], dtype=float32)
    """
    return active().negative(x)


@op
def absolute(x: Tensor) -> Tensor:
    """|x|, with gradient 0 at 0.

    Args:
        x: tensor of any shape.

    Returns:
        tensor of x's shape and dtype (real for complex input).

    Example:
        >>> keras.ops.absolute([-1.5, 2.0])
        Array([1.5, 2. ], dtype=float32)
    """
    return x if _dtype(x) == "bool" else active().abs(x)


@op
def abs(x: Tensor) -> Tensor:
    """|x|, as `absolute`.

    Args:
        x: tensor of any shape.

    Returns:
        tensor of x's shape and dtype (real for complex input).

    Example:
        >>> keras.ops.abs([-1.5, 2.0])
        Array([1.5, 2. ], dtype=float32)
    """
    return x if _dtype(x) == "bool" else active().abs(x)


@analysis
def fabs(x: Tensor) -> Tensor:
    """|x| as a float.

    Example:
        >>> keras.ops.fabs([-1.7, 0.0, 2.3])
        Array([1.7, 0. , 2.3], dtype=float32)
    """
    return active().abs(x)


@same
def sign(x: Tensor) -> Tensor:
    """-1, 0 or 1; gradient 0.

    Example:
        >>> keras.ops.sign([-1.7, 0.0, 2.3])
        Array([-1.,  0.,  1.], dtype=float32)
    """
    return active().sign(x)


@op
def square(x: Tensor) -> Tensor:
    """x².

    Args:
        x: tensor of any shape.

    Returns:
        tensor of x's shape and dtype; bool gives int32.

    Example:
        >>> keras.ops.square([-1.7, 0.0, 2.3])
        Array([2.89, 0.  , 5.29], dtype=float32)
    """
    x = _number(x)
    return active().multiply(x, x)


@analysis
def reciprocal(x: Tensor) -> Tensor:
    """1 / x.

    Example:
        >>> keras.ops.reciprocal([1.0, 2.0, 4.0])
        Array([1.  , 0.5 , 0.25], dtype=float32)
    """
    return active().divide(1.0, x)


@op
def clip(x: Tensor, x_min: Any, x_max: Any) -> Tensor:
    """min(max(x, x_min), x_max); gradient 1 for x_min ≤ x ≤ x_max.

    Args:
        x: tensor of any shape.
        x_min, x_max: numbers, or tensors that broadcast with x.

    Returns:
        tensor of the common dtype; bool counts as int32.

    Example:
        >>> keras.ops.clip([-1.0, 0.5, 3.0], 0.0, 1.0)
        Array([0. , 0.5, 1. ], dtype=float32)
    """
    x = _number(x)
    kinds = [type(b) for b in (x_min, x_max)]
    if _plain_numbers(kinds):
        x = cast(x, dtypes.result_type(_dtype(x), *kinds))
        return active().clip(x, x_min, x_max)
    return minimum(maximum(x, x_min), x_max)


def _plain_numbers(kinds: list[type]) -> bool:
    """Whether all of the types are Python's int or float."""
    return py.all(kind in (int, float) for kind in kinds)


# --------------------------------------------------------------------------- rounding and testing


@analysis
def floor(x: Tensor) -> Tensor:
    """The largest integer ≤ x, as a float; gradient 0.

    Example:
        >>> keras.ops.floor([-1.7, 0.0, 2.3])
        Array([-2.,  0.,  2.], dtype=float32)
    """
    return active().floor(x)


@analysis
def ceil(x: Tensor) -> Tensor:
    """The smallest integer ≥ x, as a float; gradient 0.

    Example:
        >>> keras.ops.ceil([-1.7, 0.0, 2.3])
        Array([-1.,  0.,  3.], dtype=float32)
    """
    return active().ceil(x)


@op
def trunc(x: Tensor) -> Tensor:
    """The integer part of x, towards zero; gradient 0.

    Args:
        x: tensor of any shape.

    Returns:
        tensor of x's shape and dtype; integers and bool unchanged.

    Example:
        >>> keras.ops.trunc([-1.7, 0.0, 2.3])
        Array([-1.,  0.,  2.], dtype=float32)
    """
    if not dtypes.is_float(_dtype(x)):
        return x
    return where(less(x, 0), active().ceil(x), active().floor(x))


@op
def round(x: Tensor, decimals: int = 0) -> Tensor:
    """x to the given number of decimals, halves to even; gradient 0.

    Args:
        x: tensor of any shape.
        decimals: digits after the point; negative: before it.

    Returns:
        tensor of x's shape and dtype.

    Example:
        >>> keras.ops.round([-1.7, 0.0, 2.3])
        Array([-2.,  0.,  2.], dtype=float32)
    """
    dtype = _dtype(x)
    if decimals == 0 or (decimals > 0 and dtypes.is_integer(dtype)):
        return x if dtype == "bool" else active().round(x)
    factor = 10.0**decimals
    return cast(divide(active().round(multiply(x, factor)), factor), dtype)


@predicate
def isfinite(x: Tensor) -> Tensor:
    """Whether x is neither infinite nor NaN.

    Example:
        >>> keras.ops.isfinite([1.0, np.nan, np.inf, -np.inf])
        Array([ True, False, False, False], dtype=bool)
    """
    return active().isfinite(x)


@predicate
def isnan(x: Tensor) -> Tensor:
    """Whether x is NaN.

    Example:
        >>> keras.ops.isnan([1.0, np.nan, np.inf, -np.inf])
        Array([False,  True, False, False], dtype=bool)
    """
    return active().isnan(x)


@predicate
def isinf(x: Tensor) -> Tensor:
    """Whether x is infinite.

    Example:
        >>> keras.ops.isinf([1.0, np.nan, np.inf, -np.inf])
        Array([False, False,  True,  True], dtype=bool)
    """
    return logical_not(logical_or(active().isfinite(x), active().isnan(x)))


@predicate
def isposinf(x: Tensor) -> Tensor:
    """Whether x is +∞.

    Example:
        >>> keras.ops.isposinf([1.0, np.nan, np.inf, -np.inf])
        Array([False, False,  True, False], dtype=bool)
    """
    return logical_and(isinf(x), greater(x, 0))


@predicate
def isneginf(x: Tensor) -> Tensor:
    """Whether x is -∞.

    Example:
        >>> keras.ops.isneginf([1.0, np.nan, np.inf, -np.inf])
        Array([False, False, False,  True], dtype=bool)
    """
    return logical_and(isinf(x), less(x, 0))


@predicate
def isreal(x: Tensor) -> Tensor:
    """Whether the imaginary part of x is zero.

    Example:
        >>> keras.ops.isreal([1.0, 2.0])
        Array([ True,  True], dtype=bool)
    """
    return equal(imag(x), 0)


@predicate
def signbit(x: Tensor) -> Tensor:
    """Whether x has its sign bit set (negative, or -0.0).

    Example:
        >>> keras.ops.signbit([-1.0, 2.0])
        Array([ True, False], dtype=bool)
    """
    dtype = _dtype(x)
    if dtypes.is_float(dtype):
        x = active().bitcast(x, f"int{8 * dtypes.size(dtype)}")
    return zeros_like(x, "bool") if dtype == "bool" else less(x, 0)


@op
def isclose(
    x1: Tensor, x2: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Tensor:
    """|x1 - x2| ≤ atol + rtol·|x2|; equal infinities are close.

    Args:
        x1, x2: tensors whose shapes broadcast.
        rtol, atol: relative and absolute tolerance.
        equal_nan: whether NaN is close to NaN.

    Returns:
        bool tensor of the broadcast shape.

    Example:
        >>> keras.ops.isclose([1.0, 2.0], [1.0 + 1e-7, 2.1])
        Array([ True, False], dtype=bool)
    """
    x1, x2 = _number(x1), _number(x2)
    near = less_equal(abs(subtract(x1, x2)), add(atol, multiply(rtol, abs(x2))))
    close = logical_or(logical_and(near, isfinite(x2)), equal(x1, x2))
    return logical_or(close, logical_and(isnan(x1), isnan(x2))) if equal_nan else close


@op
def nan_to_num(
    x: Tensor, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None
) -> Tensor:
    """x with NaN and infinities replaced.

    Args:
        x: tensor of any shape.
        nan: what stands for NaN.
        posinf, neginf: what stands for ±∞; None: the largest and the lowest number of the dtype.

    Returns:
        tensor of x's shape and dtype.

    Example:
        >>> keras.ops.nan_to_num([np.nan, 1.0], nan=0.0)
        Array([0., 1.], dtype=float32)
    """
    if not dtypes.is_float(_dtype(x)):
        return x
    low, high = dtypes.bounds(_dtype(x))
    x = where(isnan(x), full_like(x, nan), x)
    x = where(isposinf(x), full_like(x, high if posinf is None else posinf), x)
    return where(isneginf(x), full_like(x, low if neginf is None else neginf), x)


# ----------------------------------------------------------------------------- comparison, logic


@comparison
def equal(x1: Tensor, x2: Tensor) -> Tensor:
    """x1 = x2.

    Example:
        >>> keras.ops.equal([1, 2, 3], [1, 3, 2])
        Array([ True, False, False], dtype=bool)
    """
    return active().equal(x1, x2)


@comparison
def not_equal(x1: Tensor, x2: Tensor) -> Tensor:
    """x1 ≠ x2.

    Example:
        >>> keras.ops.not_equal([1, 2, 3], [1, 3, 2])
        Array([False,  True,  True], dtype=bool)
    """
    return active().not_equal(x1, x2)


@comparison
def less(x1: Tensor, x2: Tensor) -> Tensor:
    """x1 < x2.

    Example:
        >>> keras.ops.less([1, 2, 3], [1, 3, 2])
        Array([False,  True, False], dtype=bool)
    """
    return active().less(x1, x2)


@comparison
def less_equal(x1: Tensor, x2: Tensor) -> Tensor:
    """x1 ≤ x2.

    Example:
        >>> keras.ops.less_equal([1, 2, 3], [1, 3, 2])
        Array([ True,  True, False], dtype=bool)
    """
    return active().less_equal(x1, x2)


@comparison
def greater(x1: Tensor, x2: Tensor) -> Tensor:
    """x1 > x2.

    Example:
        >>> keras.ops.greater([1, 2, 3], [1, 3, 2])
        Array([False, False,  True], dtype=bool)
    """
    return active().less(x2, x1)


@comparison
def greater_equal(x1: Tensor, x2: Tensor) -> Tensor:
    """x1 ≥ x2.

    Example:
        >>> keras.ops.greater_equal([1, 2, 3], [1, 3, 2])
        Array([ True, False,  True], dtype=bool)
    """
    return active().less_equal(x2, x1)


@logic
def logical_and(x1: Tensor, x2: Tensor) -> Tensor:
    """x1 and x2.

    Example:
        >>> keras.ops.logical_and([True, True, False], [True, False, False])
        Array([ True, False, False], dtype=bool)
    """
    return active().logical_and(cast(x1, "bool"), cast(x2, "bool"))


@logic
def logical_or(x1: Tensor, x2: Tensor) -> Tensor:
    """x1 or x2.

    Example:
        >>> keras.ops.logical_or([True, True, False], [True, False, False])
        Array([ True,  True, False], dtype=bool)
    """
    return active().logical_or(cast(x1, "bool"), cast(x2, "bool"))


@logic
def logical_xor(x1: Tensor, x2: Tensor) -> Tensor:
    """Either x1 or x2, not both.

    Example:
        >>> keras.ops.logical_xor([True, True, False], [True, False, False])
        Array([False,  True, False], dtype=bool)
    """
    return active().not_equal(cast(x1, "bool"), cast(x2, "bool"))


@predicate
def logical_not(x: Tensor) -> Tensor:
    """not x, where x counts as true when it is not 0.

    Example:
        >>> keras.ops.logical_not([True, False])
        Array([False,  True], dtype=bool)
    """
    return active().logical_not(cast(x, "bool"))


# ------------------------------------------------------------------------------------------- bits


def _are_bool(*xs: Any) -> bool:
    """Whether promoted operands (one may be a Python number) are bool."""
    engine = active()
    return py.any(engine.is_tensor(x) and engine.dtype(x) == "bool" for x in xs)


@bits
def bitwise_and(x: Tensor, y: Tensor) -> Tensor:
    """Bits set in both.

    Example:
        >>> keras.ops.bitwise_and([6, 5], [3, 1])
        Array([2, 1], dtype=int32)
    """
    engine = active()
    return (engine.logical_and if _are_bool(x, y) else engine.bitwise_and)(x, y)


@bits
def bitwise_or(x: Tensor, y: Tensor) -> Tensor:
    """Bits set in either.

    Example:
        >>> keras.ops.bitwise_or([6, 5], [3, 1])
        Array([7, 5], dtype=int32)
    """
    engine = active()
    return (engine.logical_or if _are_bool(x, y) else engine.bitwise_or)(x, y)


@bits
def bitwise_xor(x: Tensor, y: Tensor) -> Tensor:
    """Bits set in one of both.

    Example:
        >>> keras.ops.bitwise_xor([6, 5], [3, 1])
        Array([5, 4], dtype=int32)
    """
    engine = active()
    return (engine.not_equal if _are_bool(x, y) else engine.bitwise_xor)(x, y)


@op
def bitwise_not(x: Tensor) -> Tensor:
    """Every bit inverted: -x - 1 for signed integers.

    Args:
        x: integer or bool tensor.

    Returns:
        tensor of x's shape and dtype.

    Example:
        >>> keras.ops.bitwise_invert([0, 5])
        Array([-1, -6], dtype=int32)
    """
    return active().logical_not(x) if _dtype(x) == "bool" else active().bitwise_not(x)


bitwise_invert = bitwise_not


@bits
def bitwise_left_shift(x: Tensor, y: Tensor) -> Tensor:
    """x · 2ʸ, wrapping; bool counts as int32.

    Example:
        >>> keras.ops.left_shift([8, 5], [1, 2])
        Array([16, 20], dtype=int32)
    """
    return active().shift_left(_number(x), _number(y))


@bits
def bitwise_right_shift(x: Tensor, y: Tensor) -> Tensor:
    """⌊x / 2ʸ⌋, keeping the sign; bool counts as int32.

    Example:
        >>> keras.ops.right_shift([8, 5], [1, 2])
        Array([4, 1], dtype=int32)
    """
    return active().shift_right(_number(x), _number(y))


left_shift = bitwise_left_shift
right_shift = bitwise_right_shift

# -------------------------------------------------------------------- powers, exponentials, trig


@analysis
def sqrt(x: Tensor) -> Tensor:
    """√x; NaN below 0.

    Example:
        >>> keras.ops.sqrt([1.0, 2.0, 4.0])
        Array([1.       , 1.4142135, 2.       ], dtype=float32)
    """
    return active().sqrt(x)


@analysis
def rsqrt(x: Tensor) -> Tensor:
    """1 / √x.

    Example:
        >>> keras.ops.rsqrt([1.0, 2.0, 4.0])
        Array([1.        , 0.70710677, 0.5       ], dtype=float32)
    """
    return active().rsqrt(x)


@analysis
def cbrt(x: Tensor) -> Tensor:
    """The real cube root.

    Example:
        >>> keras.ops.cbrt([-1.0, 0.0, 2.0])
        Array([-1.       ,  0.       ,  1.2599211], dtype=float32)
    """
    return multiply(sign(x), power(abs(x), 1.0 / 3.0))


@analysis
def exp(x: Tensor) -> Tensor:
    """eˣ.

    Example:
        >>> keras.ops.exp([-1.0, 0.0, 2.0])
        Array([0.36787945, 1.        , 7.389056  ], dtype=float32)
    """
    return active().exp(x)


@analysis
def exp2(x: Tensor) -> Tensor:
    """2ˣ.

    Example:
        >>> keras.ops.exp2([-1.0, 0.0, 2.0])
        Array([0.5, 1. , 4. ], dtype=float32)
    """
    return active().power(2.0, x)


@analysis
def expm1(x: Tensor) -> Tensor:
    """eˣ - 1, exact near 0.

    Example:
        >>> keras.ops.expm1([-1.0, 0.0, 2.0])
        Array([-0.63212055,  0.        ,  6.389056  ], dtype=float32)
    """
    return active().expm1(x)


@analysis
def log(x: Tensor) -> Tensor:
    """ln x; -∞ at 0, NaN below.

    Example:
        >>> keras.ops.log([1.0, 2.0, 4.0])
        Array([0.       , 0.6931472, 1.3862944], dtype=float32)
    """
    return active().log(x)


@analysis
def log1p(x: Tensor) -> Tensor:
    """ln(1 + x), exact near 0.

    Example:
        >>> keras.ops.log1p([0.0, 1.0])
        Array([0.       , 0.6931472], dtype=float32)
    """
    return active().log1p(x)


@analysis
def log2(x: Tensor) -> Tensor:
    """log₂ x.

    Example:
        >>> keras.ops.log2([1.0, 2.0, 4.0])
        Array([0., 1., 2.], dtype=float32)
    """
    return active().divide(active().log(x), math.log(2.0))


@analysis
def log10(x: Tensor) -> Tensor:
    """log₁₀ x.

    Example:
        >>> keras.ops.log10([1.0, 2.0, 4.0])
        Array([0.        , 0.30102998, 0.60205996], dtype=float32)
    """
    return active().divide(active().log(x), math.log(10.0))


@analysis
def sin(x: Tensor) -> Tensor:
    """sin x, x in radians.

    Example:
        >>> keras.ops.sin([-1.0, 0.0, 2.0])
        Array([-0.84147096,  0.        ,  0.9092974 ], dtype=float32)
    """
    return active().sin(x)


@analysis
def cos(x: Tensor) -> Tensor:
    """cos x, x in radians.

    Example:
        >>> keras.ops.cos([-1.0, 0.0, 2.0])
        Array([ 0.5403023 ,  1.        , -0.41614684], dtype=float32)
    """
    return active().cos(x)


@analysis
def tan(x: Tensor) -> Tensor:
    """tan x, x in radians.

    Example:
        >>> keras.ops.tan([-1.0, 0.0, 2.0])
        Array([-1.5574077,  0.       , -2.1850398], dtype=float32)
    """
    return active().tan(x)


@analysis
def arcsin(x: Tensor) -> Tensor:
    """The angle in [-π/2, π/2] whose sine is x; NaN outside [-1, 1].

    Example:
        >>> keras.ops.arcsin([-0.5, 0.0, 0.5])
        Array([-0.5235988,  0.       ,  0.5235988], dtype=float32)
    """
    return active().asin(x)


@analysis
def arccos(x: Tensor) -> Tensor:
    """The angle in [0, π] whose cosine is x; NaN outside [-1, 1].

    Example:
        >>> keras.ops.arccos([-0.5, 0.0, 0.5])
        Array([2.0943952, 1.5707964, 1.0471976], dtype=float32)
    """
    return active().acos(x)


@analysis
def arctan(x: Tensor) -> Tensor:
    """The angle in (-π/2, π/2) whose tangent is x.

    Example:
        >>> keras.ops.arctan([-1.0, 0.0, 2.0])
        Array([-0.7853981,  0.       ,  1.1071489], dtype=float32)
    """
    return active().atan(x)


@analysis
def sinh(x: Tensor) -> Tensor:
    """(eˣ - e⁻ˣ) / 2.

    Example:
        >>> keras.ops.sinh([-1.0, 0.0, 2.0])
        Array([-1.1752012,  0.       ,  3.6268604], dtype=float32)
    """
    return active().sinh(x)


@analysis
def cosh(x: Tensor) -> Tensor:
    """(eˣ + e⁻ˣ) / 2.

    Example:
        >>> keras.ops.cosh([-1.0, 0.0, 2.0])
        Array([1.5430806, 1.       , 3.7621958], dtype=float32)
    """
    return active().cosh(x)


@analysis
def tanh(x: Tensor) -> Tensor:
    """(eˣ - e⁻ˣ) / (eˣ + e⁻ˣ).

    Example:
        >>> keras.ops.tanh([-1.0, 0.0, 2.0])
        Array([-0.7615942,  0.       ,  0.9640276], dtype=float32)
    """
    return active().tanh(x)


@analysis
def arcsinh(x: Tensor) -> Tensor:
    """ln(x + √(x² + 1)).

    Example:
        >>> keras.ops.arcsinh([-1.0, 0.0, 2.0])
        Array([-0.88137364,  0.        ,  1.4436355 ], dtype=float32)
    """
    return active().asinh(x)


@analysis
def arccosh(x: Tensor) -> Tensor:
    """ln(x + √(x² - 1)); NaN below 1.

    Example:
        >>> keras.ops.arccosh([1.0, 2.0])
        Array([0.      , 1.316958], dtype=float32)
    """
    return active().acosh(x)


@analysis
def arctanh(x: Tensor) -> Tensor:
    """½ ln((1 + x) / (1 - x)); NaN outside [-1, 1].

    Example:
        >>> keras.ops.arctanh([0.0, 0.5])
        Array([0.        , 0.54930615], dtype=float32)
    """
    return active().atanh(x)


@analysis
def sinc(x: Tensor) -> Tensor:
    """sin(πx) / (πx), 1 at 0.

    Example:
        >>> keras.ops.sinc([-1.0, 0.0, 2.0])
        Array([-2.7827534e-08,  1.0000000e+00,  2.7827534e-08], dtype=float32)
    """
    zero = equal(x, 0)
    angle = multiply(where(zero, 1.0, x), math.pi)
    return where(zero, 1.0, divide(sin(angle), angle))


@analysis
def erf(x: Tensor) -> Tensor:
    """2/√π ∫₀ˣ exp(-t²) dt.

    Example:
        >>> keras.ops.erf([-1.0, 0.0, 2.0])
        Array([-0.84270084,  0.        ,  0.9953222 ], dtype=float32)
    """
    return active().erf(x)


@analysis
def erfc(x: Tensor) -> Tensor:
    """1 - erf x; beyond x ≈ 4 the subtraction leaves no correct digits in float32.

    Example:
        >>> keras.ops.erfc([-1.0, 0.0, 2.0])
        Array([1.8427008 , 1.        , 0.00467777], dtype=float32)
    """
    return active().subtract(1.0, active().erf(x))


@analysis
def erfinv(x: Tensor) -> Tensor:
    """The inverse of erf, ±∞ at ±1.

    Example:
        >>> keras.ops.erfinv([0.0, 0.5])
        Array([0.        , 0.47693628], dtype=float32)
    """
    return active().erfinv(x)


@analysis
def lgamma(x: Tensor) -> Tensor:
    """ln |Γ(x)|.

    Example:
        >>> keras.ops.lgamma([1.0, 2.0, 4.0])
        Array([4.7683716e-07, 0.0000000e+00, 1.7917603e+00], dtype=float32)
    """
    return active().lgamma(x)


@analysis
def digamma(x: Tensor) -> Tensor:
    """d/dx ln Γ(x).

    Example:
        >>> keras.ops.digamma([1.0, 2.0, 4.0])
        Array([-0.5772154 ,  0.42278463,  1.2561178 ], dtype=float32)
    """
    return active().digamma(x)


@analysis
def deg2rad(x: Tensor) -> Tensor:
    """πx / 180.

    Example:
        >>> keras.ops.deg2rad([90.0, 180.0])
        Array([1.5707964, 3.1415927], dtype=float32)
    """
    return active().multiply(x, math.pi / 180.0)


@analysis
def rad2deg(x: Tensor) -> Tensor:
    """180x / π.

    Example:
        >>> keras.ops.rad2deg([1.0, 3.1415927])
        Array([ 57.29578, 180.     ], dtype=float32)
    """
    return active().multiply(x, 180.0 / math.pi)


# ---------------------------------------------------------------------------------------- complex


@op
def real(x: Tensor) -> Tensor:
    """The real part of x.

    Args:
        x: tensor of any shape.

    Returns:
        real tensor of x's shape.

    Example:
        >>> keras.ops.real([1.0 + 2.0j])
        Array([1.], dtype=float64)
    """
    return active().real(x) if dtypes.is_complex(_dtype(x)) else x


@op
def imag(x: Tensor) -> Tensor:
    """The imaginary part of x, 0 for real x.

    Args:
        x: tensor of any shape.

    Returns:
        real tensor of x's shape.

    Example:
        >>> keras.ops.imag([1.0 + 2.0j])
        Array([2.], dtype=float64)
    """
    return active().imag(x) if dtypes.is_complex(_dtype(x)) else zeros_like(x)


@op
def conj(x: Tensor) -> Tensor:
    """The complex conjugate of x; real x unchanged.

    Args:
        x: tensor of any shape.

    Returns:
        tensor of x's shape and dtype.

    Example:
        >>> keras.ops.conjugate([1.0 + 2.0j])
        Array([1.-2.j], dtype=complex128)
    """
    engine = active()
    if not dtypes.is_complex(_dtype(x)):
        return x
    return engine.complex(engine.real(x), engine.negative(engine.imag(x)))


conjugate = conj


@analysis
def angle(x: Tensor) -> Tensor:
    """The angle of a complex number, in (-π, π]; 0 or π for real x.

    Example:
        >>> keras.ops.angle([-1.0, 0.0, 2.0])
        Array([3.1415927, 0.       , 0.       ], dtype=float32)
    """
    return arctan2(imag(x), real(x))


@op
def polar(abs_: Tensor, angle: Tensor) -> Tensor:
    """abs_ · e^(i·angle).

    Args:
        abs_, angle: floating tensors of one shape: modulus, and angle in radians.

    Returns:
        complex tensor of that shape.

    Example:
        >>> keras.ops.polar([1.0, 2.0], [0.0, 3.1415927])
        Array([ 1.+0.0000000e+00j, -2.-1.7484555e-07j], dtype=complex64)
    """
    wide = dtypes.result_type(_dtype(abs_), _dtype(angle), "float32")
    abs_, angle = cast(abs_, wide), cast(angle, wide)
    return active().complex(multiply(abs_, cos(angle)), multiply(abs_, sin(angle)))


@op
def view_as_complex(x: Tensor) -> Tensor:
    """Pairs (real, imaginary) on the last axis as complex numbers.

    Args:
        x: real tensor of shape (..., 2).

    Returns:
        complex tensor of shape (...).

    Raises:
        ValueError: when the last axis is not 2 long.

    Example:
        >>> keras.ops.view_as_complex([[1.0, 2.0]])
        Array([1.+2.j], dtype=complex64)
    """
    shape = active().shape(x)
    if not shape or shape[-1] not in (2, None):
        raise ValueError(f"view_as_complex: the last axis must have length 2, got shape {shape}")
    x = cast(x, dtypes.result_type(_dtype(x), "float32"))
    return active().complex(x[..., 0], x[..., 1])
