"""Windows over images: with a kernel of their own each, transposed to a given size, enlarged."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from tricorn.engines import active
from tricorn.graph.op import Tensor, op
from tricorn.ops.arguments import letters, tuple_of
from tricorn.ops.arrays import (
    arange,
    concatenate,
    expand_dims,
    moveaxis,
    reshape,
    shape,
    take,
)
from tricorn.ops.linalg import einsum


@op
def local_conv(
    inputs: Tensor,
    kernel: Tensor,
    kernel_size: Sequence[int],
    strides: Sequence[int],
    channels_last: bool = True,
) -> Tensor:
    """A convolution ('valid') that has a kernel of its own for each position.

    Args:
        inputs: (batch, *spatial, channels), or (batch, channels, *spatial).
        kernel: (positions, features, filters): positions in row-major order; features are a
            window's elements, (*window, channels) in row-major order, or (channels, *window).
        kernel_size, strides: one int per spatial axis.
        channels_last: where the channels are, in the inputs and in the features.

    Returns:
        (batch, *positions, filters), or (batch, filters, *positions).

    Raises:
        ValueError: when the kernel does not fit the positions or the window.
    """
    rank = len(active().shape(inputs)) - 2
    size, strides = tuple_of(kernel_size, rank, "kernel_size"), tuple_of(strides, rank, "strides")
    x = inputs if channels_last else moveaxis(inputs, 1, -1)
    spatial, channels = active().shape(x)[1:-1], active().shape(x)[-1]
    places = [(n - k) // s + 1 for n, k, s in zip(spatial, size, strides)]
    want = (math.prod(places), math.prod(size) * channels)
    if tuple(active().shape(kernel)[:2]) != want:
        raise ValueError(
            f"local_conv: {places} positions of windows {size} with {channels} channels need a "
            f"kernel of shape {(*want, 'filters')}, got {tuple(active().shape(kernel))}"
        )
    for axis in range(rank):  # each spatial axis becomes (positions, window)
        starts = np.arange(places[axis]) * strides[axis]
        index = starts[:, None] + np.arange(size[axis])
        x = take(x, index.astype("int32"), axis=1 + 2 * axis)
    # (batch, p1, k1, p2, k2, ..., channels) times (p1, p2, ..., k1, k2, ..., channels, filters)
    p, k, c = letters(rank, 3), letters(rank, 3 + rank), letters(1, 3 + 2 * rank)
    features = k + c if channels_last else c + k
    shape = [*places, *size, channels] if channels_last else [*places, channels, *size]
    weights = reshape(kernel, (*shape, active().shape(kernel)[2]))
    seen = "".join(a + b for a, b in zip(p, k))
    result = f"a{p}b" if channels_last else f"ab{p}"
    return einsum(f"a{seen}{c},{p}{features}b->{result}", x, weights)


@op
def conv_transpose_to(
    inputs: Tensor,
    kernel: Tensor,
    lengths: Sequence[int],
    strides: Sequence[int],
    padding: str,
    channels_last: bool,
    dilation_rate: Sequence[int] | int = 1,
) -> Tensor:
    """The gradient of a convolution from images of spatial `lengths`, with respect to them.

    Args:
        inputs: (batch, *spatial, channels), or (batch, channels, *spatial): as the convolution's
            output.
        kernel: (*window, filters, channels).
        lengths: spatial lengths of the result.
        strides, dilation_rate: of the convolution, one int per spatial axis.
        padding: of the convolution, 'valid' or 'same'.
        channels_last: where the channels are.

    Returns:
        (batch, *lengths, filters), or (batch, filters, *lengths).

    Raises:
        ValueError: when the convolution would not give the inputs' shape.
    """
    size = active().shape(kernel)[:-2]
    rank = len(size)
    strides = tuple_of(strides, rank, "strides")
    dilation = tuple_of(dilation_rate, rank, "dilation_rate")
    given = active().shape(inputs)[1:-1] if channels_last else active().shape(inputs)[2:]
    pads = []
    for n, length, k, s, d in zip(given, lengths, size, strides, dilation):
        span = (k - 1) * d
        positions = -(-length // s) if padding == "same" else (length - span - 1) // s + 1
        if n is not None and positions != n:
            raise ValueError(
                f"conv_transpose: a {padding!r} convolution of length {length} with windows of "
                f"{span + 1} and stride {s} gives {positions} positions, the input has {n}"
            )
        total = max((positions - 1) * s + span + 1 - length, 0) if padding == "same" else 0
        before = span - total // 2
        pads.append((before, length - (positions - 1) * s - 1 + span - before))
    return active().conv_transpose(inputs, kernel, strides, tuple(pads), dilation, channels_last)


@op
def enlarge(x: Tensor, factors: tuple, method: str, channels_last: bool) -> Tensor:
    """Images `factors` times as high and wide.

    Args:
        x: (batch, height, width, channels), or (batch, channels, height, width).
        factors: ints for height and width.
        method: "bilinear", "bicubic", "lanczos3" or "lanczos5".
        channels_last: where the channels are.
    """
    engine = active()
    sizes = engine.shape(x)[1:3] if channels_last else engine.shape(x)[2:4]
    size = tuple(None if n is None else n * factor for n, factor in zip(sizes, factors))
    return engine.resize(x, size, method, channels_last, False)


def enlarge_from_corners(x: Tensor, factors: tuple, channels_last: bool) -> Tensor:
    """`enlarge` by straight lines, with each pixel at the first corner of its square; what comes
    after the last one is equal to it.

    Source: Keras 2.3.1 on TensorFlow.
    """
    for axis, factor in enumerate(factors, 1 if channels_last else 2):
        before = (slice(None),) * axis
        after = concatenate([x[(*before, slice(1, None))], x[(*before, slice(-1, None))]], axis)
        shares = reshape(arange(factor, dtype=x.dtype) / factor, (factor, *[1] * (3 - axis)))
        lines = expand_dims(x, axis + 1) + expand_dims(after - x, axis + 1) * shares
        sizes = list(shape(x))
        sizes[axis] *= factor
        x = reshape(lines, sizes)
    return x


__all__ = ["conv_transpose_to", "enlarge", "enlarge_from_corners", "local_conv"]
