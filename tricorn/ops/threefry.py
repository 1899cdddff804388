"""Portable draws: the same on every engine, from integer arithmetic alone.

A draw encrypts the numbers of its elements with Threefry-2x32 of 20 rounds under the key (Salmon et
al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011), as JAX's generator does.  The
functions have the names, arguments and results of the contract's primitives, so a draw takes
either.  Bits, integers and uniform numbers are equal bit for bit; what goes through the engine's
logarithms and erf⁻¹ is equal to rounding.
"""

from __future__ import annotations

import functools
import math
import operator
from typing import Any

from tricorn.engines import active
from tricorn.ops.arrays import cast, squeeze, take_along_axis, where
from tricorn.ops.elementwise import (
    add,
    divide,
    erfinv,
    greater,
    less,
    log,
    logical_and,
    multiply,
    power,
    rsqrt,
    square,
    subtract,
)

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = 0x1BD11BDA
#: tries of a rejection sampler; each is accepted with probability 0.95 or more
_TRIES = 8
#: bits that a uniform number of a narrow dtype has
_PRECISION = {"float32": 24, "float16": 11, "bfloat16": 8}


def _words(key: Any, shape: tuple) -> tuple[Any, Any]:
    """Two independent 32-bit patterns for each element, as int32."""
    engine = active()
    add, xor = engine.add, engine.bitwise_xor
    first, second = engine.slice(key, (0,)), engine.slice(key, (1,))
    keys = (first, second, xor(xor(first, second), _PARITY))
    count = functools.reduce(operator.mul, shape, 1)
    y = engine.reshape(engine.arange(0, count, 1, "int32"), tuple(shape))
    x, y = add(engine.multiply(y, 0), first), add(y, second)
    for group in range(5):
        for turn in _ROTATIONS[group % 2]:
            x = add(x, y)
            turned = engine.shift_right_logical(y, 32 - turn)
            y = xor(x, engine.bitwise_or(engine.shift_left(y, turn), turned))
        x = add(x, keys[(group + 1) % 3])
        y = add(add(y, keys[(group + 2) % 3]), group + 1)
    return x, y


def bits(key: Any, shape: tuple) -> Any:
    """Uniform 32-bit patterns: ``jax.random.bits`` of the key, as int32."""
    return active().bitwise_xor(*_words(key, shape))


def _fraction(key: Any, shape: tuple, dtype: str, spare: int) -> tuple[Any, int]:
    """Whole numbers k < 2ᵇ as floats, and b: `spare` bits less than the dtype holds."""
    shift = active().shift_right_logical
    if dtype != "float64":
        count = _PRECISION[dtype] - spare
        return cast(shift(bits(key, shape), 32 - count), dtype), count
    high, low = _words(key, shape)
    high, low = cast(shift(high, 5 + spare), dtype), cast(shift(low, 6), dtype)
    return add(multiply(high, 2.0**26), low), 53 - spare


def uniform(key: Any, shape: tuple, dtype: str) -> Any:
    """Uniform on [0, 1): multiples of 2⁻²⁴ in float32."""
    whole, count = _fraction(key, shape, dtype, 0)
    return multiply(whole, 2.0**-count)


def bernoulli(key: Any, shape: tuple, probability: float) -> Any:
    """Bool, each true with the given probability."""
    return less(uniform(key, shape, "float32"), probability)


def normal(key: Any, shape: tuple, dtype: str) -> Any:
    """Standard normal: √2 erf⁻¹ of odd multiples of 2⁻²³ in (-1, 1)."""
    if dtype in ("float16", "bfloat16"):
        return cast(normal(key, shape, "float32"), dtype)
    whole, count = _fraction(key, shape, dtype, 1)
    odd = subtract(multiply(whole, 2.0), 2.0**count - 1)
    return multiply(erfinv(multiply(odd, 2.0**-count)), math.sqrt(2.0))


def randint(key: Any, shape: tuple, low: int, high: int, dtype: str) -> Any:
    """Integers in [low, high), with a bias of at most (high - low) / 2³¹.

    Raises:
        ValueError: when there is none to choose from, or 2³¹ or more.
    """
    low, high = int(low), int(high)
    if not 0 < high - low < 2**31:
        raise ValueError(
            f"randint: portable draws choose from 1 to 2**31 - 1 integers, not from [{low}, {high})"
        )
    drawn = active().remainder(active().shift_right_logical(bits(key, shape), 1), high - low)
    return add(cast(drawn, dtype), low)


def gamma(key: Any, alpha: Any, dtype: str) -> Any:
    """Gamma(alpha, 1) of alpha's shape; no gradient flows to alpha.

    Marsaglia and Tsang, "A simple method for generating gamma variables", ACM TOMS 26 (2000): for
    α ≥ 1, d (1 + x / √(9d))³ with d = α - 1/3, where x is normal and accepted by a uniform u; a
    smaller α takes the draw of α + 1 times u^(1/α).
    """
    if dtype in ("float16", "bfloat16"):
        return cast(gamma(key, alpha, "float32"), dtype)
    engine = active()
    of_x, of_u, of_power = (engine.slice(bits(key, (3, 2)), (i,)) for i in range(3))
    alpha = engine.stop_gradient(cast(alpha, dtype))
    shape = tuple(engine.shape(alpha))
    x, u = normal(of_x, (_TRIES, *shape), dtype), uniform(of_u, (_TRIES, *shape), dtype)
    small = less(alpha, 1.0)
    d = subtract(where(small, add(alpha, 1.0), alpha), 1 / 3)
    v = power(add(multiply(x, rsqrt(multiply(d, 9.0))), 1.0), 3)
    positive = greater(v, 0.0)
    v = where(positive, v, 1.0)
    bound = add(multiply(square(x), 0.5), multiply(d, add(subtract(log(v), v), 1.0)))
    accepted = logical_and(positive, less(log(u), bound))
    first = engine.argmax(cast(accepted, "int32"), 0, True)
    drawn = multiply(d, squeeze(take_along_axis(v, first, 0), 0))
    boost = power(uniform(of_power, shape, dtype), divide(1.0, alpha))
    return where(small, multiply(drawn, boost), drawn)
