"""Random draws.  Each takes a `seed`: None (the global generator), an int (always the same draw) or
a `SeedGenerator` (its next key).

The engine's own generator draws, or the portable one (`set_random_seed(..., portable=True)`), which
gives the same on every engine.
"""

from __future__ import annotations

import math
from typing import Any

from tricorn import dtypes
from tricorn.engines import active
from tricorn.graph.op import Tensor, convert, op
from tricorn.ops import threefry
from tricorn.ops.arguments import axis_of, shape_of
from tricorn.ops.arrays import cast, convert_to_tensor, expand_dims, where, zeros_like
from tricorn.ops.elementwise import (
    add,
    clip,
    divide,
    equal,
    floor,
    greater,
    log,
    log1p,
    multiply,
    negative,
    subtract,
)
from tricorn.seeds import is_portable, key_of


def _draw(seed: Any) -> tuple[Any, Any]:
    """The key of a draw, and what draws from it: has `bits`, `uniform`, `normal` and so on."""
    engine = active()
    portable = is_portable(seed) and not engine.capabilities["abstract"]
    return convert(engine, key_of(seed), "int32"), threefry if portable else engine


def _split(source: Any, key: Any, count: int) -> list:
    """Independent keys from one."""
    bits = source.bits(key, (count, 2))
    return [active().slice(bits, (i,)) for i in range(count)]


@op
def uniform(
    shape: Any, minval: float = 0.0, maxval: float = 1.0, dtype: Any = None, seed: Any = None
) -> Tensor:
    """Draws from the uniform distribution on [minval, maxval).

    Args:
        shape: int or sequence of ints.
        minval, maxval: bounds, numbers or tensors that broadcast.
        dtype: name of a floating dtype; None: floatx.
        seed: None, int or SeedGenerator.

    Returns:
        tensor of that shape.

    Example:
        >>> keras.random.uniform((2, 3), 0.0, 1.0, seed=1).shape
        (2, 3)
    """
    name, (key, source) = dtypes.standardize(dtype), _draw(seed)
    draw = source.uniform(key, shape_of(shape), name)
    return cast(add(multiply(draw, subtract(maxval, minval)), minval), name)


@op
def normal(
    shape: Any, mean: float = 0.0, stddev: float = 1.0, dtype: Any = None, seed: Any = None
) -> Tensor:
    """Draws from the normal distribution.

    Args:
        shape: int or sequence of ints.
        mean, stddev: numbers or tensors that broadcast.
        dtype: name of a floating dtype; None: floatx.
        seed: None, int or SeedGenerator.

    Returns:
        tensor of that shape.

    Example:
        >>> keras.random.normal((2, 3), mean=1.0, stddev=0.5, seed=1).shape
        (2, 3)
    """
    key, source = _draw(seed)
    draw = source.normal(key, shape_of(shape), dtypes.standardize(dtype))
    return add(multiply(draw, stddev), mean)


@op
def truncated_normal(
    shape: Any, mean: float = 0.0, stddev: float = 1.0, dtype: Any = None, seed: Any = None
) -> Tensor:
    """Draws from the normal distribution without what is beyond two standard deviations.

    Args:
        shape: int or sequence of ints.
        mean, stddev: of the distribution before it is cut.
        dtype: name of a floating dtype; None: floatx.
        seed: None, int or SeedGenerator.

    Returns:
        tensor of that shape, in [mean - 2 stddev, mean + 2 stddev].

    Example:
        >>> keras.random.truncated_normal((2, 3), seed=1).shape
        (2, 3)
    """
    edge = math.erf(math.sqrt(2.0))
    place = uniform(shape, -edge, edge, dtype, seed)
    draw = clip(multiply(active().erfinv(place), math.sqrt(2.0)), -2.0, 2.0)
    return add(multiply(draw, stddev), mean)


@op
def randint(shape: Any, minval: int, maxval: int, dtype: Any = "int32", seed: Any = None) -> Tensor:
    """Draws integers from [minval, maxval), each equally likely.

    Args:
        shape: int or sequence of ints.
        minval, maxval: bounds.
        dtype: name of an integer dtype.
        seed: None, int or SeedGenerator.

    Returns:
        tensor of that shape.

    Raises:
        ValueError: for a floating dtype.

    Example:
        >>> keras.random.randint((2, 3), 0, 10, seed=1).shape
        (2, 3)
    """
    name = dtypes.standardize(dtype)
    if not dtypes.is_integer(name):
        raise ValueError(f"randint: an integer dtype expected, got {name}; see uniform for floats")
    key, source = _draw(seed)
    return source.randint(key, shape_of(shape), minval, maxval, name)


@op
def categorical(logits: Tensor, num_samples: int, dtype: Any = "int32", seed: Any = None) -> Tensor:
    """Draws classes with probabilities softmax(logits).

    Args:
        logits: floating tensor of shape (batch, classes).
        num_samples: draws for each row.
        dtype: name of an integer dtype.
        seed: None, int or SeedGenerator.

    Returns:
        tensor of shape (batch, num_samples).

    Example:
        >>> keras.random.categorical(np.log([[0.1, 0.9], [0.5, 0.5]]), num_samples=4, seed=1).shape
        (2, 4)
    """
    engine, (batch, classes) = active(), active().shape(logits)
    if batch is None:  # shapes are being worked out
        return cast(engine.full((None, num_samples), 0, "int32"), dtype)
    key, source = _draw(seed)
    draw = source.uniform(key, (batch, num_samples, classes), engine.dtype(logits))
    gumbel = negative(log(negative(log(add(draw, _tiny(logits))))))
    return cast(engine.argmax(add(expand_dims(logits, 1), gumbel), 2, False), dtype)


def _tiny(x: Any) -> float:
    """A positive number that does not change draws but 0."""
    return {"float64": 1e-300, "float16": 1e-7}.get(active().dtype(x), 1e-37)


@op
def dropout(inputs: Tensor, rate: float, noise_shape: Any = None, seed: Any = None) -> Tensor:
    """inputs / (1 - rate), with each element set to 0 with the probability `rate`.
    https://jmlr.org/papers/v15/srivastava14a.html

    Args:
        inputs: floating tensor.
        rate: in [0, 1].
        noise_shape: shape of the draw, broadcast to the inputs; None in it: the inputs' length.
        seed: None, int or SeedGenerator.

    Returns:
        tensor of inputs' shape and dtype.

    Raises:
        ValueError: when the rate is outside [0, 1].

    Example:
        >>> keras.random.dropout(np.ones((2, 3)), rate=0.5, seed=1).shape
        (2, 3)
    """
    if not 0 <= rate <= 1:
        raise ValueError(f"dropout: rate must be in [0, 1], got {rate}")
    if rate in (0, 1):
        return inputs if rate == 0 else zeros_like(inputs)
    engine, lengths = active(), active().shape(inputs)
    shape = [n if m is None else m for n, m in zip(lengths, noise_shape or (None,) * len(lengths))]
    key, source = _draw(seed)
    keep = source.bernoulli(key, tuple(shape), 1.0 - rate)
    zero = convert(engine, 0, engine.dtype(inputs))
    return engine.where(keep, engine.multiply(inputs, 1.0 / (1.0 - rate)), zero)


@op
def shuffle(x: Tensor, axis: int = 0, seed: Any = None) -> Tensor:
    """x with the order along an axis drawn at random; slices stay whole.

    Args:
        x: tensor of rank at least 1.
        axis: along which.
        seed: None, int or SeedGenerator.

    Returns:
        tensor of x's shape and dtype.

    Example:
        >>> keras.ops.sort(keras.random.shuffle(np.array([3, 1, 2]), seed=1))
        Array([1, 2, 3], dtype=int64)
    """
    axis = axis_of(axis, x)
    key, source = _draw(seed)
    draw = source.uniform(key, (active().shape(x)[axis],), "float32")
    return active().take(x, active().argsort(draw, 0), axis)


@op
def gamma(shape: Any, alpha: Any, dtype: Any = None, seed: Any = None) -> Tensor:
    """Draws from the gamma distribution with density ∝ x^(α-1) e⁻ˣ.

    Args:
        shape: int or sequence of ints.
        alpha: α > 0, a number or tensor that broadcasts to `shape`.
        dtype: name of a floating dtype; None: floatx.
        seed: None, int or SeedGenerator.

    Returns:
        tensor of that shape.

    Example:
        >>> keras.random.gamma((2, 3), alpha=2.0, seed=1).shape
        (2, 3)
    """
    name = dtypes.standardize(dtype)
    spread = active().broadcast_to(convert_to_tensor(alpha, name), shape_of(shape))
    key, source = _draw(seed)
    return source.gamma(key, spread, name)


@op
def beta(shape: Any, alpha: Any, beta: Any, dtype: Any = None, seed: Any = None) -> Tensor:
    """Draws from the beta distribution with density ∝ x^(α-1) (1-x)^(β-1).

    Args:
        shape: int or sequence of ints.
        alpha, beta: α, β > 0, numbers or tensors that broadcast to `shape`.
        dtype: name of a floating dtype; None: floatx.
        seed: None, int or SeedGenerator.

    Returns:
        tensor of that shape, in [0, 1].

    Example:
        >>> keras.random.beta((2, 3), alpha=2.0, beta=5.0, seed=1).shape
        (2, 3)
    """
    engine, name = active(), dtypes.standardize(dtype)
    a, b = (engine.broadcast_to(convert_to_tensor(v, name), shape_of(shape)) for v in (alpha, beta))
    key, source = _draw(seed)
    first, second = _split(source, key, 2)
    x, y = source.gamma(first, a, name), source.gamma(second, b, name)
    return divide(x, add(x, y))


@op
def binomial(
    shape: Any, counts: Any, probabilities: Any, dtype: Any = None, seed: Any = None
) -> Tensor:
    """Draws how many of `counts` trials succeed.

    The gaps between successes are geometric: they are added up until the trials are used.

    Args:
        shape: int or sequence of ints.
        counts: numbers of trials, a number or tensor that broadcasts to `shape`.
        probabilities: of success, in [0, 1], likewise.
        dtype: name of the result's dtype; None: floatx.
        seed: None, int or SeedGenerator.

    Returns:
        tensor of that shape.

    Example:
        >>> keras.random.binomial((2, 3), counts=10, probabilities=0.5, seed=1).shape
        (2, 3)
    """
    engine, target = active(), shape_of(shape)
    n, p = (
        engine.broadcast_to(convert_to_tensor(v, "float32"), target)
        for v in (counts, probabilities)
    )
    start, source = _draw(seed)
    flipped = greater(p, 0.5)
    rate = log1p(negative(where(flipped, subtract(1.0, p), p)))

    def going(key: Any, used: Any, found: Any) -> Any:
        return engine.any(engine.less_equal(used, n), tuple(range(len(target))), False)

    def draw(key: Any, used: Any, found: Any) -> tuple:
        now, later = _split(source, key, 2)
        gap = divide(log1p(negative(source.uniform(now, target, "float32"))), rate)
        used = add(used, add(floor(where(equal(rate, 0), math.inf, gap)), 1.0))
        return later, used, add(found, cast(engine.less_equal(used, n), "float32"))

    zero = zeros_like(n)
    found = engine.while_loop(going, draw, (start, zero, zero))[2]
    return cast(where(flipped, subtract(n, found), found), dtype)
