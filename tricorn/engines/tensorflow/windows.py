"""Convolution, pooling and resizing on TensorFlow.

On CPU TensorFlow has kernels for channels-last layouts and undilated gradients of one or two
groups only, so everything is brought to that form.  One spatial axis is two, of which one is 1.
"""

from __future__ import annotations

import builtins as py
import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tricorn import config
from tricorn.engines import common
from tricorn.engines.contract import OfValues
from tricorn.engines.tensorflow import primitives
from tricorn.engines.tensorflow.primitives import packed, reshape, row_sum, shape, to_last
from tricorn.engines.tensorflow.private import EagerTensor, in_xla
from tricorn.engines.tensorflow.transforms import may_use_xla

_raw = tf.raw_ops


def _channels_last(x: tf.Tensor, is_last: bool) -> tf.Tensor:
    rank = len(x.shape)
    return x if is_last else tf.transpose(x, [0, *range(2, rank), 1])


def _back(x: tf.Tensor, is_last: bool) -> tf.Tensor:
    rank = len(x.shape)
    return x if is_last else tf.transpose(x, [0, rank - 1, *range(1, rank - 1)])


def _pad_spatial(x: tf.Tensor, padding: Sequence, value: float = 0) -> tf.Tensor:
    """Pad the spatial axes of a channels-last batch; negative pads crop."""
    crop = [py.slice(py.max(0, -a) or None, py.min(0, b) or None) for a, b in padding]
    if py.any(c.start or c.stop for c in crop):
        x = x[(py.slice(None), *crop)]
    pads = [(py.max(0, a), py.max(0, b)) for a, b in padding]
    if not py.any(map(py.any, pads)):
        return x
    fill = tf.convert_to_tensor(value, x.dtype)
    paddings = np.array([(0, 0), *pads, (0, 0)], np.int32)
    return _raw.PadV2(input=x, paddings=paddings, constant_values=fill)


def _in_two(fn: Callable) -> Callable:
    """`fn(x, kernel, strides)` of two or three spatial axes, for one axis too."""

    @functools.wraps(fn)
    def call(x: tf.Tensor, kernel: tf.Tensor, strides: Sequence[int]) -> tf.Tensor:
        if len(strides) > 1:
            return fn(x, kernel, tuple(strides))
        return tf.squeeze(fn(tf.expand_dims(x, 1), tf.expand_dims(kernel, 0), (1, *strides)), 1)

    return call


def _is_same(x: tf.Tensor, kernel: tf.Tensor, strides: Sequence, padding: Sequence) -> bool:
    """Whether pads are those that TensorFlow calls "SAME", which costs no copy."""
    for length, size, stride, pair in zip(x.shape[1:-1], kernel.shape, strides, padding):
        if length is None:
            return False
        total = py.max((-(-length // stride) - 1) * stride + size - length, 0)
        if tuple(pair) != (total // 2, total - total // 2):
            return False
    return True


def _plain_conv(
    x: tf.Tensor, kernel: tf.Tensor, strides: tuple[int, ...], padding: Sequence
) -> tf.Tensor:
    """Without dilation and groups."""
    if len(strides) == 1:
        y = _plain_conv(
            tf.expand_dims(x, 1), tf.expand_dims(kernel, 0), (1, *strides), ((0, 0), *padding)
        )
        return tf.squeeze(y, 1)
    same = _is_same(x, kernel, strides, padding)
    raw = _raw.Conv2D if len(strides) == 2 else _raw.Conv3D
    return raw(
        input=x if same else _pad_spatial(x, padding),
        filter=kernel,
        strides=[1, *strides, 1],
        padding="SAME" if same else "VALID",
    )


@_in_two
def _plain_conv_transpose(x: tf.Tensor, kernel: tf.Tensor, strides: tuple[int, ...]) -> tf.Tensor:
    """Padded by the kernel's reach on both sides."""
    batch, *lengths, _ = shape(x)
    size = [(n - 1) * s + k for n, s, k in zip(lengths, strides, kernel.shape)]
    raw = _raw.Conv2DBackpropInput if len(strides) == 2 else _raw.Conv3DBackpropInputV2
    return raw(
        input_sizes=packed([batch, *size, kernel.shape[-2]]),
        filter=kernel,
        out_backprop=x,
        strides=[1, *strides, 1],
        padding="VALID",
    )


def _dilated(kernel: tf.Tensor, dilation: Sequence[int]) -> tf.Tensor:
    """The kernel with zeros between its elements."""
    for axis, step in enumerate(dilation):
        if step > 1:
            length = kernel.shape[axis]
            wide = tf.expand_dims(kernel, axis + 1)
            pads = [(0, 0)] * len(wide.shape)
            pads[axis + 1] = (0, step - 1)
            flat = [*kernel.shape[:axis], length * step, *kernel.shape[axis + 1 :]]
            kernel = tf.reshape(tf.pad(wide, pads), flat)
            keep = [py.slice(None)] * axis + [py.slice(0, (length - 1) * step + 1)]
            kernel = kernel[tuple(keep)]
    return kernel


def conv(
    x: tf.Tensor,
    kernel: tf.Tensor,
    strides: tuple[int, ...],
    padding: tuple[tuple[int, int], ...],
    dilation: tuple[int, ...],
    groups: int,
    channels_last: bool,
) -> tf.Tensor:
    x = _channels_last(x, channels_last)
    kernel = _dilated(kernel, dilation)
    *size, channels, filters = kernel.shape
    if groups > 1 and channels == 1 and len(set(strides)) == 1 and len(size) == 2:
        kernel = tf.reshape(kernel, [*size, groups, filters // groups])
        y = _raw.DepthwiseConv2dNative(
            input=_pad_spatial(x, padding), filter=kernel, strides=[1, *strides, 1], padding="VALID"
        )
        return _back(y, channels_last)
    if groups > 1:  # as one dense convolution, whose kernel is zero between groups
        kernel = tf.reshape(kernel, [*size, 1, channels, groups, filters // groups])
        diagonal = tf.reshape(tf.eye(groups, dtype=kernel.dtype), [groups, 1, groups, 1])
        kernel = tf.reshape(kernel * diagonal, [*size, groups * channels, filters])
    return _back(_plain_conv(x, kernel, strides, padding), channels_last)


def conv_transpose(
    x: tf.Tensor,
    kernel: tf.Tensor,
    strides: tuple[int, ...],
    padding: tuple[tuple[int, int], ...],
    dilation: tuple[int, ...],
    channels_last: bool,
) -> tf.Tensor:
    kernel = _dilated(kernel, dilation)
    y = _plain_conv_transpose(_channels_last(x, channels_last), kernel, strides)
    reach = [k - 1 for k in kernel.shape]
    rest = [(low - n, high - n) for (low, high), n in zip(padding, reach)]
    return _back(_pad_spatial(y, rest), channels_last)


def _pooled(raw: Callable, x: tf.Tensor, size: Sequence[int], strides: Sequence[int]) -> tf.Tensor:
    """Windows of a channels-last batch; three axes in two passes, since TensorFlow's own kernels
    for three know few dtypes and share gradients otherwise."""
    if any(n is not None and n < k for n, k in zip(x.shape[1:-1], size)):
        raise ValueError(f"windows of {tuple(size)} do not fit into {tuple(x.shape[1:-1])}")
    if len(size) == 2:
        return raw(x, ksize=[1, *size, 1], strides=[1, *strides, 1], padding="VALID")
    batch, *lengths, channels = shape(x)
    if len(size) == 1:
        wide = reshape(x, (batch, *lengths, 1, channels))
        return tf.squeeze(_pooled(raw, wide, (*size, 1), (*strides, 1)), 2)
    planes = reshape(x, (batch * lengths[0], *lengths[1:], channels))
    planes = _pooled(raw, planes, size[1:], strides[1:])
    inner = shape(planes)[1:3]
    deep = reshape(planes, (batch, lengths[0], inner[0] * inner[1], channels))
    deep = _pooled(raw, deep, (size[0], 1), (strides[0], 1))
    return reshape(deep, (batch, shape(deep)[1], *inner, channels))


def max_pool(
    x: tf.Tensor,
    size: tuple[int, ...],
    strides: tuple[int, ...],
    padding: tuple[tuple[int, int], ...],
    channels_last: bool,
) -> tf.Tensor:
    lowest = -np.inf if x.dtype.is_floating else x.dtype.min
    x = _pad_spatial(_channels_last(x, channels_last), padding, lowest)
    return _back(_pooled(tf.nn.max_pool2d, x, size, strides), channels_last)


def average_pool(
    x: tf.Tensor,
    size: tuple[int, ...],
    strides: tuple[int, ...],
    padding: tuple[tuple[int, int], ...],
    channels_last: bool,
) -> tf.Tensor:
    x = _channels_last(x, channels_last)
    y = _pooled(tf.nn.avg_pool2d, _pad_spatial(x, padding), size, strides)
    if py.any(map(py.any, padding)):
        ones = tf.ones(packed([1, *shape(x)[1:-1], 1]), x.dtype)
        share = _pooled(tf.nn.avg_pool2d, _pad_spatial(ones, padding), size, strides)
        y = y / tf.where(share > 0, share, tf.ones_like(share))
    return _back(y, channels_last)


#: TensorFlow's names of the ways to resample
_RESAMPLING = {"bilinear": "triangle", "bicubic": "keyscubic"}


def resize(
    x: tf.Tensor, size: tuple[int, int], method: str, channels_last: bool, antialias: bool
) -> tf.Tensor:
    if method == "bilinear" and not antialias and x.dtype == tf.float32:
        y = _raw.ResizeBilinear(
            images=_channels_last(x, channels_last), size=list(size), half_pixel_centers=True
        )
        return _back(y, channels_last)
    axes = (1, 2) if channels_last else (2, 3)
    if method != "nearest" and py.any(x.shape[axis] is None for axis in axes):
        images = tf.cast(_channels_last(x, channels_last), tf.float32)
        y = _raw.ScaleAndTranslate(
            images=images,
            size=list(size),
            scale=tf.cast(list(size), tf.float32) / tf.cast(tf.shape(images)[1:3], tf.float32),
            translation=[0.0, 0.0],
            kernel_type=_RESAMPLING.get(method, method),
            antialias=antialias,
        )
        return _back(tf.cast(y, x.dtype), channels_last)
    for axis, wanted in zip(axes, size):
        length = x.shape[axis]
        if length is None and method == "nearest":
            ends = tf.range(wanted, dtype=tf.float64) + 0.5
            places = tf.floor(ends * (tf.cast(shape(x)[axis], tf.float64) / wanted))
            last = shape(x)[axis] - 1
            x = tf.gather(x, tf.minimum(tf.cast(places, tf.int32), last), axis=axis)
        elif method == "nearest":
            x = tf.gather(x, common.nearest_positions(length, wanted), axis=axis)
        else:
            weights = common.resampling_weights(length, wanted, method, antialias)
            moved, back = to_last(x, axis)
            x = back(tf.matmul(moved, tf.constant(weights.T, x.dtype)))
    return x


# ---------------------------------------------------------------------------- batch normalization


def batch_norm(x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, epsilon: float) -> Any:
    """The op `batch_norm` by TensorFlow's fused kernel, which knows images of float32."""
    if {x.dtype, gamma.dtype, beta.dtype} != {tf.float32} or len(x.shape) < 2:
        return NotImplemented
    if x.shape[-1] is None or None in x.shape[1:]:
        return NotImplemented
    whole = packed(shape(x))
    image = tf.reshape(x, packed([shape(x)[0], -1, 1, x.shape[-1]]))
    found = _raw.FusedBatchNormV3(
        x=image, scale=gamma, offset=beta, mean=[], variance=[], epsilon=epsilon, is_training=True
    )
    count = tf.cast(tf.size(image), tf.float32) / x.shape[-1]
    # the kernel's variance is that of a sample
    variance = found.batch_variance * (tf.maximum(count - 1.0, 1.0) / count)
    return tf.reshape(found.y, whole), found.batch_mean, variance


# ------------------------------------------------------------------------------ other kernels


def layer_norm(x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, epsilon: float) -> tf.Tensor:
    """The op `layer_norm` with a gradient written out."""
    if not 1 < len(x.shape) < 6:
        return NotImplemented

    @tf.custom_gradient
    def run(x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor) -> tuple:
        mean = tf.reduce_mean(x, -1, keepdims=True)
        centred = x - mean
        inverse = tf.math.rsqrt(tf.reduce_mean(centred * centred, -1, keepdims=True) + epsilon)
        normal = centred * inverse

        def gradient(dy: tf.Tensor) -> tuple:
            inner = dy * gamma
            along = tf.reduce_mean(inner * normal, -1, keepdims=True)
            dx = inverse * (inner - tf.reduce_mean(inner, -1, keepdims=True) - normal * along)
            return dx, row_sum(dy * normal), row_sum(dy)

        return normal * gamma + beta, gradient

    return run(x, gamma, beta)


def affine_transform(
    composed: Callable, images: tf.Tensor, transform: tf.Tensor, interpolation: str = "bilinear",
    fill_mode: str = "constant", fill_value: Any = 0, data_format: str | None = None,
) -> Any:  # fmt: skip
    """The op `affine_transform` of a batch with its channels last.

    TensorFlow's own gradient is the image moved back, which is another thing than the derivative.
    """
    modes = ("constant", "nearest", "reflect")  # it has no "mirror", and blends otherwise in "wrap"
    if (
        in_xla(tf.compat.v1.get_default_graph())  # which lacks the kernel
        or len(images.shape) != 4
        or images.dtype != tf.float32
        or config.data_format(data_format) != "channels_last"
        or len(transform.shape) not in (1, 2)
        or transform.shape[-1] != 8
        or fill_mode not in modes
        or interpolation not in ("nearest", "bilinear")
        or not isinstance(fill_value, (int, float))
    ):
        return NotImplemented

    @tf.custom_gradient
    def run(images: tf.Tensor, transform: tf.Tensor) -> tuple:
        moved = _raw.ImageProjectiveTransformV3(
            images=images,
            transforms=tf.cast(tf.reshape(transform, (-1, 8)), tf.float32),
            output_shape=tf.shape(images)[1:3],
            fill_value=float(fill_value),
            interpolation=interpolation.upper(),
            fill_mode=fill_mode.upper(),
        )

        def gradient(dy: tf.Tensor) -> list:
            at = (images, transform)
            with tf.GradientTape() as tape:
                tape.watch(at)
                y = composed(*at, interpolation, fill_mode, fill_value, data_format)
            return tape.gradient(y, at, dy, unconnected_gradients=tf.UnconnectedGradients.ZERO)

        return tf.ensure_shape(moved, images.shape), gradient

    return run(images, transform)


def add_bias(x: tf.Tensor, bias: tf.Tensor) -> Any:
    """The op `add_bias` by TensorFlow's operation, whose gradient is the fastest sum: `row_sum`, or
    one kernel with that of a convolution.  To the rows of a product it is added before they are
    brought into shape, so that TensorFlow makes one kernel of both."""
    width, rank = bias.shape.num_elements(), len(bias.shape)
    if not width or not 0 < rank < len(x.shape) or x.shape[-rank:] != bias.shape:
        return NotImplemented
    if not x.dtype.is_floating:
        return NotImplemented
    made, rows = None if isinstance(x, EagerTensor) else x.op, x
    if made is not None and made.type == "Reshape" and made.inputs[0].op.type == "MatMul":
        rows = made.inputs[0] if made.inputs[0].shape[-1] == width else x
    if rows is x and rank == 1 and len(x.shape) < 6:
        return _raw.BiasAdd(value=x, bias=bias)
    rows = reshape(rows, (-1, width)) if rows is x else rows
    biased = _raw.BiasAdd(value=rows, bias=reshape(bias, (width,)))
    return tf.ensure_shape(reshape(biased, shape(x)), x.shape)


#: elements from which on a variable's update goes through XLA
_LARGE = 2**18


def adam(composed: Callable, values: list, *others: Any) -> Any:
    """The op `adam`: of large variables in one pass over memory, by XLA.

    2.5 million elements 6.2 -> 3.6 ms on two cores, for a quarter of a second at the first step;
    of 65,536 it is not worth that.
    """
    large = [i for i, w in enumerate(values) if (w.shape.num_elements() or 0) >= _LARGE]
    if not large or not may_use_xla():
        return NotImplemented
    lists, numbers = (values, *others[:4]), others[4:]

    def update(fn: Callable, chosen: list) -> list:
        return fn(*([x[i] for i in chosen] if x else x for x in lists), *numbers)

    fused = tf.function(composed, autograph=False, jit_compile=True)
    small = [i for i in range(len(values)) if i not in large]
    found = dict(zip(large, update(fused, large)))
    found |= zip(small, update(composed, small))
    return [found[i] for i in range(len(values))]


OVERRIDES: dict[str, Any] = {
    **primitives.OVERRIDES,
    "adam": OfValues(adam),
    "add_bias": add_bias,
    "affine_transform": OfValues(affine_transform),
    "batch_norm": batch_norm,
    "layer_norm": layer_norm,
    "log_softmax": common.along_one(tf.nn.log_softmax),
    "softmax": common.along_one(tf.nn.softmax),
}
