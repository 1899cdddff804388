"""Formulations of the heavy tensor functions that are fast on XLA's CPU compiler.

Everything here is a pure function over JAX arrays. On any platform but the CPU, and inside
:func:`plain_formulations`, each function is the plain ``jax.lax`` one. The times quoted were
taken on two AVX2 cores (Zen 3) with jax 0.10.2, convolutions compiled as :mod:`.policy` does.

Custom gradients here are reverse-mode ones (``jax.custom_vjp``). Forward mode through them is
refused by JAX, so take ``jax.jvp`` inside ``with plain_formulations():``.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

Pads = Sequence[tuple[int, int]]

_plain: contextvars.ContextVar[bool] = contextvars.ContextVar("plain", default=False)


@contextlib.contextmanager
def plain_formulations() -> Iterator[None]:
    """Within it every kernel traces as its plain ``jax.lax`` formulation."""
    token = _plain.set(True)
    try:
        yield
    finally:
        _plain.reset(token)


def _fast() -> bool:
    return not _plain.get() and jax.default_backend() == "cpu"


# --- convolution ------------------------------------------------------------------------------

# A convolution whose patches are at most this long is one matrix product over its patches.
_FEW = 32
# Grouped convolutions run as dense ones over blocks of about this many input channels.
_BLOCK = 16


def conv(
    x: Array,
    kernel: Array,
    strides: Sequence[int],
    padding: Pads,
    dilation: Sequence[int],
    groups: int,
    channels_last: bool,
) -> Array:
    """Cross-correlation over one, two or three spatial axes.

    On CPU a dense convolution stays XLA's own (Eigen's, see :mod:`.policy`), whose gradients are
    as fast as its forward pass (26x26x32 to 64, batch 128: 19, 25 and 23 ms; im2col 40 to 60),
    but for the following:

    - 1x1 kernels and patches of few numbers: im2col, that is one matrix product (one input
      channel, 3x3, 28x28, batch 128: forward 3.5 to 1.3 ms, input gradient 8.4 to 1.7);
    - float64, for which XLA has naive loops only: im2col (4.9 to 1.6, gradient 8.9 to 1.7);
    - three axes: a sum of convolutions over two (16^3x32, batch 4: 34 to 13 ms, gradients 63
      and 36 to 15 and 8);
    - depthwise kernels: shifted multiply-adds (16x16x64, batch 32: 25 to 0.6 ms, gradients 5.6
      and 29 to 1.1 and 0.4);
    - groups: dense convolutions with block-diagonal kernels (see ``_grouped``).

    Args:
        x: (batch, spatial..., in), or (batch, in, spatial...) when not ``channels_last``.
        kernel: (spatial..., in / groups, out), of the dtype of ``x``.
        strides: one integer per spatial axis.
        padding: one pair (low, high) per spatial axis.
        dilation: one integer per spatial axis, of the kernel.
        groups: number of groups into which the channels fall.
        channels_last: the layout of ``x`` and of the result.
    """
    strides, dilation = tuple(strides), tuple(dilation)
    padding = tuple((int(low), int(high)) for low, high in padding)
    if not _fast():
        return _lax_conv(x, kernel, strides, padding, dilation, groups, channels_last)
    if not channels_last:
        x = jnp.moveaxis(x, 1, -1)
    if groups == 1:
        y = _dense_conv(x, kernel, strides, padding, dilation)
    elif kernel.shape[-2] == 1:
        y = _depthwise(x, kernel, strides, padding, dilation)
    else:
        y = _grouped(x, kernel, strides, padding, dilation, groups)
    return y if channels_last else jnp.moveaxis(y, -1, 1)


def _lax_conv(x, kernel, strides, padding, dilation, groups=1, channels_last=True) -> Array:
    axes = "DHW"[-len(strides) :]
    layout = f"N{axes}C" if channels_last else f"NC{axes}"
    return lax.conv_general_dilated(
        x, kernel, strides, padding, rhs_dilation=dilation, feature_group_count=groups,
        dimension_numbers=(layout, f"{axes}IO", layout),
    )  # fmt: skip


def _dense_conv(x, kernel, strides, padding, dilation) -> Array:
    *size, channels, _ = kernel.shape
    taps = math.prod(size)
    if taps == 1 or taps * channels <= _FEW or x.dtype == jnp.float64:
        return _im2col_conv(x, kernel, strides, padding, dilation)
    if len(size) == 3:
        return _conv3d(x, kernel, strides, padding, dilation)
    return _lax_conv(x, kernel, strides, padding, dilation)


def _taps(x: Array, size, strides, padding, dilation) -> list[Array]:
    """For every kernel position, row-major, the elements of ``x`` that it meets."""
    x = lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), *((*p, 0) for p in padding), (0, 0, 0)])
    steps = list(zip(x.shape[1:-1], size, strides, dilation, strict=True))
    lengths = [(n - (k - 1) * d - 1) // s + 1 for n, k, s, d in steps]
    result = []
    for position in itertools.product(*map(range, size)):
        start = [i * d for i, d in zip(position, dilation, strict=True)]
        stop = [a + (n - 1) * s + 1 for a, n, s in zip(start, lengths, strides, strict=True)]
        start, stop = [0, *start, 0], [x.shape[0], *stop, x.shape[-1]]
        result.append(lax.slice(x, start, stop, [1, *strides, 1]))
    return result


def _im2col_conv(x, kernel, strides, padding, dilation) -> Array:
    *size, _, filters = kernel.shape
    taps = _taps(x, size, strides, padding, dilation)
    patches = jnp.concatenate(taps, -1) if len(taps) > 1 else taps[0]
    y = patches.reshape(-1, patches.shape[-1]) @ kernel.reshape(-1, filters)
    return y.reshape(*patches.shape[:-1], filters)


def _conv3d(x, kernel, strides, padding, dilation) -> Array:
    """The sum, over the kernel's depth, of 2D convolutions with depth moved into the batch."""
    x = jnp.pad(x, ((0, 0), padding[0], (0, 0), (0, 0), (0, 0)))
    depth, stride, step = kernel.shape[0], strides[0], dilation[0]
    length = (x.shape[1] - (depth - 1) * step - 1) // stride + 1
    terms = []
    for i in range(depth):
        start = i * step
        planes = lax.slice_in_dim(x, start, start + (length - 1) * stride + 1, stride, 1)
        flat = planes.reshape(-1, *planes.shape[2:])
        y = _dense_conv(flat, kernel[i], strides[1:], padding[1:], dilation[1:])
        terms.append(y.reshape(*planes.shape[:2], *y.shape[1:]))
    return functools.reduce(jnp.add, terms)


def _grouped(x, kernel, strides, padding, dilation, groups) -> Array:
    """Groups in blocks of about 16 input channels, each a dense convolution.

    Within a block the kernel is block-diagonal: the zeros cost less than XLA's own grouped
    convolution, whose kernel gradient is a naive loop (16x16x64, batch 32, 4 groups: 197 ms for
    it, 3 for this; 32 groups: 1,550 ms, and 3 for this).
    """
    *size, channels, filters = kernel.shape
    per_block = max(1, _BLOCK // channels)
    while groups % per_block:
        per_block -= 1
    blocks, out = groups // per_block, filters // groups
    kernel = kernel.reshape(*size, 1, channels, blocks, per_block, out)
    diagonal = jnp.eye(per_block, dtype=kernel.dtype)[:, None, None, :, None]
    kernel = (kernel * diagonal).reshape(*size, per_block * channels, blocks, per_block * out)
    parts = jnp.split(x, blocks, -1)
    ys = [
        _dense_conv(part, kernel[..., i, :], strides, padding, dilation)
        for i, part in enumerate(parts)
    ]
    return jnp.concatenate(ys, -1)


def _depthwise(x, kernel, strides, padding, dilation) -> Array:
    """Shifted multiply-adds; output channel ``c * multiplier + j`` reads input channel ``c``."""
    multiplier = kernel.shape[-1] // x.shape[-1]
    if multiplier > 1:
        x = jnp.repeat(x, multiplier, -1)
    return _depthwise_same(x, kernel, strides, padding, dilation)


def _multiply_adds(x, kernel, strides, padding, dilation) -> Array:
    *size, _, filters = kernel.shape
    taps = _taps(x, size, strides, padding, dilation)
    weights = kernel.reshape(-1, filters)
    return functools.reduce(jnp.add, (tap * weights[i] for i, tap in enumerate(taps)))


_depthwise_same = jax.custom_vjp(_multiply_adds, nondiff_argnums=(2, 3, 4))


def _depthwise_forward(x, kernel, strides, padding, dilation):
    return _multiply_adds(x, kernel, strides, padding, dilation), (x, kernel)


def _depthwise_backward(strides, padding, dilation, residual, dy):
    # All kernel positions are summed by one reduction with many operands over the spatial axes;
    # a reduction each, or matrix products, take three to five times as long.
    x, kernel = residual
    (dx,) = jax.vjp(lambda x: _multiply_adds(x, kernel, strides, padding, dilation), x)[1](dy)
    products = [tap * dy for tap in _taps(x, kernel.shape[:-2], strides, padding, dilation)]
    zero = jnp.zeros((), dy.dtype)
    axes = tuple(range(1, dy.ndim - 1))
    sums = lax.reduce(products, [zero] * len(products), _add_each, axes)
    return dx, jnp.stack([s.sum(0) for s in sums]).reshape(kernel.shape)


def _add_each(a: list[Array], b: list[Array]) -> list[Array]:
    return [i + j for i, j in zip(a, b, strict=True)]


_depthwise_same.defvjp(_depthwise_forward, _depthwise_backward)


# --- pooling ----------------------------------------------------------------------------------
#
# Windows are separable, so pooling is one pass per axis, the last axis first. A pass is an
# elementwise maximum or sum of strided slices. The gradient of max_pool remembers the position of
# the first maximum (uint8); going axis by axis gives the row-major first one, XLA's own rule. The
# gradient spreads over blocks of one stride, ceil(size / stride) of them overlapping: elementwise
# work again, where XLA's select-and-scatter walks window by window (24x24x64, batch 128, 2x2:
# 1.3 ms; 32x32x64, batch 32, 3x3 by 2: 36 to 1.5). One pass over all axes at once is no faster,
# and XLA fuses its two halves into one kernel that recomputes the positions (70 ms).


def max_pool(
    x: Array, size: Sequence[int], strides: Sequence[int], padding: Pads, channels_last: bool
) -> Array:
    """Maximum over windows; padding counts as minus infinity.

    At ties the first maximum of a window, in row-major order, takes the whole gradient.

    Args:
        x: (batch, spatial..., channels), or channels second when not ``channels_last``.
        size: the window, one integer per spatial axis.
        strides: one integer per spatial axis.
        padding: one pair (low, high) per spatial axis.
        channels_last: the layout of ``x`` and of the result.
    """
    low = _lowest(x.dtype)
    if not _fast() or max(size) > 254:
        return lax.reduce_window(x, low, lax.max, *_windows(size, strides, padding, channels_last))
    for axis, *window in reversed(_passes(size, strides, padding, channels_last)):
        x = _max_along(x, axis, *window)
    return x


def average_pool(
    x: Array, size: Sequence[int], strides: Sequence[int], padding: Pads, channels_last: bool
) -> Array:
    """Mean over windows, in which padding does not count. Arguments as for :func:`max_pool`."""
    passes = _passes(size, strides, padding, channels_last)
    counts = np.ones([1] * x.ndim, x.dtype)
    for axis, k, s, (low, high) in passes:
        inside = np.pad(np.ones(x.shape[axis], x.dtype), (low, high))
        sums = np.lib.stride_tricks.sliding_window_view(inside, k)[::s].sum(-1)
        counts = counts * np.expand_dims(sums, [a for a in range(x.ndim) if a != axis])
    if _fast():
        for axis, *window in reversed(passes):
            x = _sum_along(x, axis, x.shape[axis], *window)
    else:
        zero = np.zeros((), x.dtype)
        x = lax.reduce_window(x, zero, lax.add, *_windows(size, strides, padding, channels_last))
    return x / np.maximum(counts, 1).astype(x.dtype)


def _lowest(dtype) -> np.generic:
    if jnp.issubdtype(dtype, jnp.floating):
        return np.array(-np.inf, dtype)
    return np.array(np.iinfo(dtype).min, dtype)


def _windows(size, strides, padding, channels_last) -> tuple[Any, ...]:
    first = [1] if channels_last else [1, 1]
    last = [1] if channels_last else []
    none = [(0, 0)]
    pads = (*(none * len(first)), *padding, *(none * len(last)))
    return (*first, *size, *last), (*first, *strides, *last), pads


def _passes(size, strides, padding, channels_last) -> list[tuple[Any, ...]]:
    axes = range(1 if channels_last else 2, 9)
    pads = (tuple(p) for p in padding)
    whole = zip(axes, size, strides, pads, strict=False)
    return [p for p in whole if p[1:] != (1, 1, (0, 0))]


def _pad_axis(x: Array, axis: int, low: int, high: int, value) -> Array:
    pads = [(0, 0, 0)] * x.ndim
    pads[axis] = (low, high, 0)
    return lax.pad(x, jnp.asarray(value, x.dtype), pads)


def _window_slices(x: Array, axis: int, size: int, stride: int, pad, fill) -> list[Array]:
    x = _pad_axis(x, axis, *pad, fill)
    span = (x.shape[axis] - size) // stride * stride + 1
    return [lax.slice_in_dim(x, t, t + span, stride, axis) for t in range(size)]


def _spread(dy: Array, first: Array | None, axis: int, length: int, size, stride, pad) -> Array:
    """The transpose of summing windows along an axis; ``first`` picks one position of each."""
    reach = -(-size // stride)
    dy = jnp.expand_dims(dy, axis + 1)
    blocks = []
    for block in range(reach):
        taps = np.arange(block * stride, (block + 1) * stride)
        taps = np.expand_dims(taps, [a for a in range(dy.ndim) if a != axis + 1])
        if first is None:
            hit = taps < size
        else:
            taps = np.where(taps < size, taps, 255).astype(np.uint8)
            hit = jnp.expand_dims(first, axis + 1) == taps
        part = jnp.where(hit, dy, jnp.zeros((), dy.dtype))
        blocks.append(_pad_axis(part, axis, block, reach - 1 - block, 0))
    dx = functools.reduce(jnp.add, blocks)
    dx = dx.reshape(*dx.shape[:axis], -1, *dx.shape[axis + 2 :])
    return _pad_axis(dx, axis, -pad[0], length + pad[0] - dx.shape[axis], 0)


@functools.partial(jax.custom_vjp, nondiff_argnums=(1, 2, 3, 4))
def _max_along(x: Array, axis: int, size: int, stride: int, pad: tuple[int, int]) -> Array:
    slices = _window_slices(x, axis, size, stride, pad, _lowest(x.dtype))
    return functools.reduce(jnp.maximum, slices)


def _max_along_forward(x, axis, size, stride, pad):
    slices = _window_slices(x, axis, size, stride, pad, _lowest(x.dtype))
    best, first = slices[0], jnp.zeros(slices[0].shape, jnp.uint8)
    for position, candidate in enumerate(slices[1:], 1):
        first = jnp.where(candidate > best, jnp.uint8(position), first)
        best = jnp.maximum(best, candidate)
    return best, (first, jnp.zeros((x.shape[axis], 0)))


def _max_along_backward(axis, size, stride, pad, residual, dy):
    first, like = residual
    return (_spread(dy, first, axis, like.shape[0], size, stride, pad),)


_max_along.defvjp(_max_along_forward, _max_along_backward)


@functools.partial(jax.custom_vjp, nondiff_argnums=(1, 2, 3, 4, 5))
def _sum_along(x: Array, axis: int, length: int, size: int, stride: int, pad) -> Array:
    return functools.reduce(jnp.add, _window_slices(x, axis, size, stride, pad, 0))


def _sum_along_forward(x, axis, length, size, stride, pad):
    return _sum_along(x, axis, length, size, stride, pad), None


def _sum_along_backward(axis, length, size, stride, pad, _, dy):
    return (_spread(dy, None, axis, length, size, stride, pad),)


_sum_along.defvjp(_sum_along_forward, _sum_along_backward)
