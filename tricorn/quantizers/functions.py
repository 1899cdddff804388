"""Floats as small integers with scales, and back; two integers of 4 bits in a byte; float8."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tricorn import dtypes, ops
from tricorn.graph.op import Tensor, op

#: the largest number of each
FLOAT8_MAX = {"float8_e4m3fn": 448.0, "float8_e5m2": 57344.0}


def abs_max_quantize(
    inputs: Any,
    axis: Any,
    value_range: tuple = (-127, 127),
    dtype: str = "int8",
    epsilon: float = 1e-7,
    to_numpy: bool = False,
) -> tuple[Any, Any]:
    """``q = round(x · s)``, where ``s = high / (max|x| + ε)`` over `axis`: ``x ≈ q / s``.

    Args:
        inputs: x, a tensor of floats.
        axis: one or several, over which there is one scale.
        value_range: (low, high), what q is clipped to.
        dtype: of q.
        epsilon: ε.
        to_numpy: compute on the host, which spares the device's memory.

    Returns:
        (q, s): s has x's dtype, and length 1 where `axis` says.

    Example:
        >>> keras.quantizers.abs_max_quantize(np.array([[1.0, -2.0, 0.5]], "float32"), axis=-1)
        (Array([[  64, -127,   32]], dtype=int8), Array([[63.5]], dtype=float32))
    """
    xp, x = _on(to_numpy, inputs)
    axis = tuple(axis) if isinstance(axis, (list, tuple)) else axis
    scale = xp.divide(value_range[1], xp.max(xp.abs(x), axis=axis, keepdims=True) + epsilon)
    scale = ops.cast(ops.convert_to_tensor(scale), dtypes.standardize(x.dtype))
    scaled = x * (ops.convert_to_numpy(scale) if to_numpy else scale)
    return ops.cast(xp.clip(xp.round(scaled), *value_range), dtype), scale


def abs_max_quantize_grouped_with_zero_point(
    inputs: Any,
    block_size: int,
    value_range: tuple = (-8, 7),
    dtype: str = "int8",
    epsilon: float = 1e-7,
    to_numpy: bool = False,
) -> tuple[Any, Any, Any]:
    """``q = round(x / s) + z``, with s and z for each `block_size` rows of each column:
    ``x ≈ (q - z) · s``.

    Args:
        inputs: x, a matrix (rows, columns).
        block_size: rows of a group; the last one may have fewer.
        value_range: (low, high), what q is clipped to.
        dtype: of q.
        epsilon: added to the width of a group's values.
        to_numpy: compute on the host.

    Returns:
        (q, s, z): s and z have the shape (groups, columns); z is int8.

    Example:
        >>> x = np.array([[-1.0], [0.5], [2.0], [-1.0]], "float32")
        >>> q, scale, zero = keras.quantizers.abs_max_quantize_grouped_with_zero_point(x, 2)
        >>> q[:, 0], zero[:, 0]
        (Array([-8,  7,  7, -8], dtype=int8), Array([ 2, -3], dtype=int8))
    """
    xp, x = _on(to_numpy, inputs)
    (rows, columns), (low, high) = x.shape, value_range
    groups = math.ceil(rows / block_size)
    padded = xp.pad(x, ((0, groups * block_size - rows), (0, 0)))
    grouped = xp.reshape(padded, (groups, block_size, columns))
    # 0 belongs to every range: the zero point must lie among the integers
    least = xp.minimum(xp.min(grouped, axis=1), 0)
    width = xp.maximum(xp.max(grouped, axis=1), 0) - least
    scale = (width + epsilon) / (high - low)
    zero = xp.clip(xp.round(-least / scale) + low, low, high)
    q = xp.round(grouped / xp.expand_dims(scale, 1)) + xp.expand_dims(zero, 1)
    q = xp.reshape(xp.clip(q, low, high), (groups * block_size, columns))[:rows]
    return ops.cast(q, dtype), ops.cast(scale, dtypes.standardize(x.dtype)), ops.cast(zero, "int8")


def _on(host: bool, x: Any) -> tuple[Any, Any]:
    """What to compute with, and the tensor as it takes it."""
    return (np, ops.convert_to_numpy(x)) if host else (ops, ops.convert_to_tensor(x))


def zero_points(
    matrix: np.ndarray,
    bits: int,
    group_size: int = -1,
    symmetric: bool = False,
    by_row: bool = True,
) -> tuple[np.ndarray, np.ndarray]:
    """Scales and zero points (rows, groups) of a matrix whose rows are cut into groups of
    `group_size` columns, -1: one: ``q = round(x / s) + z``, between 0 and 2^bits - 1."""
    rows, columns = matrix.shape
    size = group_size if by_row and 0 < group_size < columns else columns
    padded = np.pad(matrix, ((0, 0), (0, -columns % size)))
    grouped = padded.reshape(rows, -1, size) if by_row else matrix.reshape(1, 1, -1)
    least, most = np.minimum(grouped.min(-1), 0), np.maximum(grouped.max(-1), 0)
    if symmetric:
        most = np.maximum(-least, most)
        least = -most
    nothing = least == most
    least, most = np.where(nothing, -1, least), np.where(nothing, 1, most)
    scale = ((most - least) / (2**bits - 1)).astype(matrix.dtype)
    zero = np.full_like(scale, 2 ** (bits - 1)) if symmetric else np.round(-least / scale)
    shape = (rows, scale.shape[1])
    return np.broadcast_to(scale, shape), np.broadcast_to(zero, shape).astype("uint8")


def with_zero_points(x: Any, scale: Any, zero: Any, bits: int) -> np.ndarray:
    """The integers of `zero_points`, as floats."""
    return np.clip(np.round(x / scale + zero.astype(scale.dtype)), 0, 2**bits - 1)


@op
def fake_quant_with_min_max_vars(
    inputs: Tensor,
    min_vals: Tensor,
    max_vals: Tensor,
    num_bits: int = 8,
    narrow_range: bool = False,
    axis: int | None = None,
) -> Tensor:
    """x rounded to what ``2^num_bits`` levels between `min_vals` and `max_vals` can say, as floats.

    The range is moved a little so that 0 is a level.  The gradient goes to x inside of the range,
    to `min_vals` below it and to `max_vals` above.

    Args:
        inputs: x, a tensor of floats.
        min_vals, max_vals: scalars, or with `axis` one of each per channel.
        num_bits: b; the levels are numbered 0 to 2^b - 1.
        narrow_range: without the level 0.
        axis: of the channels.

    Returns:
        tensor of x's shape and dtype.

    Source: Jacob et al. 2018, arXiv:1712.05877.

    Example:
        >>> x = np.array([-1.0, 0.3, 9.0], "float32")
        >>> keras.quantizers.fake_quant_with_min_max_vars(x, 0.0, 3.0, num_bits=2)
        Array([0., 0., 3.], dtype=float32)
    """
    dtype = dtypes.standardize(inputs.dtype)
    wide = dtypes.result_type(dtype, "float32")
    x, least, most = (ops.cast(v, wide) for v in (inputs, min_vals, max_vals))
    shape = [1] * len(x.shape)
    if axis is not None:
        shape[axis] = -1
    least, most = ops.reshape(least, shape), ops.reshape(most, shape)
    first, last = int(narrow_range), 2 ** int(num_bits) - 1
    scale = (most - least) / (last - first)
    zero = ops.round(ops.clip(first - least / scale, first, last))
    low, high = (first - zero) * scale, (last - zero) * scale
    steps = (last - first) / (most - least)
    level = ops.floor((ops.clip(x, low, high) - low) * steps - ops.floor(0.5 - low * steps) + 0.5)
    passed = ops.where(x <= low, least, ops.where(x >= high, most, x))
    return ops.cast(passed + ops.stop_gradient(level * scale - passed), dtype)


def compute_float8_scale(amax: Any, scale: Any, dtype_max: Any, margin: int = 0) -> Any:
    """The next scale: ``amax · 2^margin / dtype_max``; where amax is 0 or not finite, the old one.

    Args:
        amax: the largest magnitude that was seen lately.
        scale: the one so far.
        dtype_max: the largest number that the float8 dtype has.
        margin: binary orders of magnitude that are kept free.

    Source: NVIDIA's Transformer Engine, delayed scaling.

    Example:
        >>> keras.quantizers.compute_float8_scale(np.float32(896.0), np.float32(1.0), 448.0)
        Array(2., dtype=float32)
    """
    amax, factor = ops.convert_to_tensor(amax), ops.reciprocal(scale)
    wanted = ops.where(amax > 0.0, dtype_max / amax / 2**margin, factor)
    return ops.reciprocal(ops.where(ops.isfinite(amax), wanted, factor))


def compute_float8_amax_history(x: Any, amax_history: Any) -> Any:
    """The history with its entries moved one to the left, and max|x| in the first place.

    Args:
        x: tensor of any shape.
        amax_history: tensor (length,); the oldest entry, its first, goes.

    Example:
        >>> history = np.zeros(3, "float32")
        >>> keras.quantizers.compute_float8_amax_history(np.array([-3.0, 2.0]), history)
        Array([3., 0., 0.], dtype=float32)
    """
    history = ops.convert_to_tensor(amax_history)
    amax = ops.cast(ops.max(ops.abs(x)), dtypes.standardize(history.dtype))
    return ops.concatenate([ops.reshape(amax, (1,)), ops.roll(history, -1)[1:]], axis=0)


def quantize_and_dequantize(
    inputs: Any, scale: Any, quantized_dtype: str, compute_dtype: str
) -> Any:
    """x as the dtype of few bits holds ``x / scale``, times `scale`.

    Args:
        inputs: x, a tensor of floats.
        scale: scalar.
        quantized_dtype: "float8_e4m3fn" or "float8_e5m2".
        compute_dtype: of the result.

    Example:
        >>> keras.quantizers.quantize_and_dequantize(
        ...     np.array([1.06, 500.0], "float32"), 1.0, "float8_e4m3fn", "float32"
        ... )
        Array([  1., 448.], dtype=float32)
    """
    most, scale = FLOAT8_MAX[quantized_dtype], ops.cast(scale, compute_dtype)
    small = ops.cast(ops.clip(ops.divide(inputs, scale), -most, most), quantized_dtype)
    return ops.multiply(ops.cast(small, compute_dtype), scale)


def pack_int4(arr: Any, axis: int = 0, dtype: str = "int8") -> tuple[Any, tuple, int]:
    """Integers of 4 bits, two of them to a byte: the first of two neighbours in the low half.

    Args:
        arr: tensor of `dtype` with values of [-8, 7], or [0, 15].
        axis: along which they are neighbours; an odd length is filled with a 0.
        dtype: "int8" or "uint8".

    Returns:
        (the packed tensor, its shape, the length of the axis before).

    Raises:
        ValueError, TypeError: another dtype.

    Example:
        >>> keras.quantizers.pack_int4(np.array([1, 2, -1], "int8"))
        (Array([33, 15], dtype=int8), (2,), 3)
    """
    if dtype not in ("int8", "uint8"):
        raise ValueError(f"pack_int4: dtype must be 'int8' or 'uint8', got {dtype!r}")
    if dtypes.standardize(arr.dtype) != dtype:
        raise TypeError(f"pack_int4: expected {dtype} tensor for packing, got {arr.dtype}")
    # on the host: shifts that overflow are not the same on every device
    x = np.moveaxis(ops.convert_to_numpy(arr), axis, 0).view("uint8") & 15
    if len(x) % 2:
        x = np.concatenate([x, np.zeros_like(x[:1])])
    packed = np.moveaxis((x[::2] | x[1::2] << 4).view(dtype), 0, axis)
    return ops.convert_to_tensor(packed), packed.shape, arr.shape[axis]


def unpack_int4(packed: Any, orig_len: int, axis: int = 0, dtype: str = "int8") -> Any:
    """The integers that `pack_int4` packed.

    Args:
        packed: tensor of `dtype`.
        orig_len: the length that the axis had before.
        axis: along which they were packed.
        dtype: "int8" for values of [-8, 7], "uint8" for those of [0, 15].

    Raises:
        ValueError, TypeError: another dtype.

    Example:
        >>> packed, _, length = keras.quantizers.pack_int4(np.array([1, 2, -1], "int8"))
        >>> keras.quantizers.unpack_int4(packed, length)
        Array([ 1,  2, -1], dtype=int8)
    """
    if dtype not in ("int8", "uint8"):
        raise ValueError(f"unpack_int4: dtype must be 'int8' or 'uint8', got {dtype!r}")
    packed = ops.convert_to_tensor(packed)
    if dtypes.standardize(packed.dtype) != dtype:
        raise TypeError(f"unpack_int4: expected {dtype} tensor for unpacking, got {packed.dtype}")
    rank = len(packed.shape)
    axis %= rank
    halves = np.zeros((2 * -(-orig_len // 2), *(1,) * (rank - 1 - axis)), dtype)
    halves[1::2] = 4
    x = ops.bitwise_and(ops.right_shift(ops.repeat(packed, 2, axis), halves), np.array(15, dtype))
    if dtype == "int8":  # bit 3 is the sign
        eight = np.array(8, dtype)
        x = ops.subtract(ops.bitwise_xor(x, eight), eight)
    return x[(slice(None),) * axis + (slice(orig_len),)]
