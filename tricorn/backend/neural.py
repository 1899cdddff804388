"""Activations, losses, normalisation, convolutions, pooling, CTC."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tricorn import config, ops
from tricorn.backend.environment import normalize_data_format
from tricorn.backend.values import _stream, int_shape, ndim, plain_shape
from tricorn.ops import random, sigmoid, softplus, softsign, tanh
from tricorn.ops.ctc import compacted
from tricorn.ops.windows import conv_transpose_to, local_conv


def _is_last(data_format: str | None) -> bool:
    return normalize_data_format(data_format) == "channels_last"


# ----------------------------------------------------------------------------------- activations


def relu(x: Any, alpha: float = 0.0, max_value: float | None = None, threshold: float = 0.0) -> Any:
    """x from `threshold` to `max_value`, not above it, and ``alpha · (x - threshold)`` below."""
    if not isinstance(alpha, (int, float)) or alpha or threshold:
        above = ops.greater_equal(x, threshold)
        low = ops.multiply(ops.subtract(x, threshold), alpha)
        found = ops.where(above, x, low)
    else:
        found = ops.relu(x)
    return found if max_value is None else ops.minimum(found, max_value)


def elu(x: Any, alpha: float = 1.0) -> Any:
    """x above 0, ``alpha · (eˣ - 1)`` below."""
    return ops.elu(x, alpha)


def softmax(x: Any, axis: int = -1) -> Any:
    """eˣ / Σ eˣ along `axis`."""
    return ops.softmax(x, axis)


def hard_sigmoid(x: Any) -> Any:
    """0.2 x + 0.5, moved into [0, 1]."""
    return ops.clip(ops.add(ops.multiply(x, 0.2), 0.5), 0.0, 1.0)


def l2_normalize(x: Any, axis: Any = None) -> Any:
    """x divided by √Σ x² along `axis` (by no less than 10⁻⁶)."""
    total = ops.sum(ops.square(x), axis, keepdims=True)
    return ops.multiply(x, ops.rsqrt(ops.maximum(total, 1e-12)))


def dropout(x: Any, level: float, noise_shape: Any = None, seed: int | None = None) -> Any:
    """Each element is 0 with probability `level`, else ``x / (1 - level)``.

    Raises:
        ValueError: for a level outside [0, 1).
    """
    if not 0.0 <= level < 1.0:
        raise ValueError(f"the level of dropout lies in [0, 1), got {level!r}")
    return random.dropout(x, level, noise_shape, _stream(seed))


# ---------------------------------------------------------------------------------------- losses


def categorical_crossentropy(
    target: Any, output: Any, from_logits: bool = False, axis: int = -1
) -> Any:
    """-Σ target · ln output along `axis`; probabilities are divided by their sum and clipped to
    [ε, 1-ε]."""
    return ops.categorical_crossentropy(target, output, from_logits, axis)


def sparse_categorical_crossentropy(
    target: Any, output: Any, from_logits: bool = False, axis: int = -1
) -> Any:
    """-ln output[target] for classes `target` of shape (..., 1) or (...); probabilities are
    clipped to [ε, 1-ε], then divided by their sum."""
    if not from_logits:
        output = ops.log(ops.clip(output, config.epsilon(), 1.0 - config.epsilon()))
    return ops.sparse_categorical_crossentropy(target, output, True, axis)


def binary_crossentropy(target: Any, output: Any, from_logits: bool = False) -> Any:
    """-(target · ln output + (1 - target) · ln(1 - output)), elementwise; probabilities are clipped
    to [ε, 1-ε]."""
    return ops.binary_crossentropy(target, output, from_logits)


def in_top_k(predictions: Any, targets: Any, k: int) -> Any:
    """Whether the class `targets` (batch,) is among the k largest `predictions` (batch, classes);
    ties are in."""
    return ops.in_top_k(targets, predictions, k)


# --------------------------------------------------------------------------------- normalisation


def batch_normalization(
    x: Any, mean: Any, var: Any, beta: Any, gamma: Any, axis: int = -1, epsilon: float = 1e-3
) -> Any:
    """``(x - mean) / √(var + epsilon) · gamma + beta``.

    Args:
        x: tensor of any shape.
        mean, var, beta, gamma: vectors along `axis`, or tensors that broadcast; beta and gamma may
            be None.
        axis: of the channels.
        epsilon: added to the variance.
    """
    like = [1] * ndim(x)
    like[axis] = -1
    mean, var, beta, gamma = (
        ops.reshape(s, like) if s is not None and ndim(s) == 1 else s
        for s in (mean, var, beta, gamma)
    )
    scale = ops.rsqrt(ops.add(var, epsilon))
    scale = scale if gamma is None else ops.multiply(scale, gamma)
    found = ops.multiply(ops.subtract(x, mean), scale)
    return found if beta is None else ops.add(found, beta)


def normalize_batch_in_training(
    x: Any, gamma: Any, beta: Any, reduction_axes: Sequence[int], epsilon: float = 1e-3
) -> tuple[Any, Any, Any]:
    """(x with mean 0 and variance 1 along `reduction_axes`, times gamma, plus beta; mean;
    variance), the last two without those axes."""
    axes = sorted(a % ndim(x) for a in reduction_axes)
    mean, var = ops.moments(x, axes=axes)
    like = [1 if i in axes else n or -1 for i, n in enumerate(int_shape(x) or ())]
    m, v, b, g = (s if s is None else ops.reshape(s, like) for s in (mean, var, beta, gamma))
    return batch_normalization(x, m, v, b, g, epsilon=epsilon), mean, var


def bias_add(x: Any, bias: Any, data_format: str | None = None) -> Any:
    """x plus a bias per channel, or one per position and channel.

    Args:
        x: tensor (batch, ..., channels), or (batch, channels, ...).
        bias: (channels,), or (..., channels) with as many axes as a sample; channels first it is
            reshaped to the sample's shape.
        data_format: where the channels of x are; None: as configured.

    Raises:
        ValueError: for a bias of another rank.
    """
    last, rank, given = _is_last(data_format), ndim(x), int_shape(bias) or ()
    if len(given) not in (1, rank - 1):
        raise ValueError(
            f"the bias has 1 or {rank - 1} axes for a tensor of shape {int_shape(x)}, got {given}"
        )
    if last or rank < 3:
        return ops.add(x, bias)
    if len(given) == 1:
        return ops.add(x, ops.reshape(bias, (1, given[0], *[1] * (rank - 2))))
    return ops.add(x, ops.reshape(bias, (1, given[-1], *given[:-1])))


# ---------------------------------------------------------------------------------- convolutions


def conv1d(
    x: Any,
    kernel: Any,
    strides: int = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: int = 1,
) -> Any:
    """Correlation in time with a kernel (window, channels, filters); padding "valid", "same" or
    "causal"."""
    layout = normalize_data_format(data_format)
    return ops.conv(x, kernel, strides, padding, layout, dilation_rate)


def conv2d(
    x: Any,
    kernel: Any,
    strides: Any = (1, 1),
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Any = (1, 1),
) -> Any:
    """Correlation of images with a kernel (rows, columns, channels, filters)."""
    layout = normalize_data_format(data_format)
    return ops.conv(x, kernel, strides, padding, layout, dilation_rate)


def conv3d(
    x: Any,
    kernel: Any,
    strides: Any = (1, 1, 1),
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Any = (1, 1, 1),
) -> Any:
    """Correlation of volumes with a kernel (depth, rows, columns, channels, filters)."""
    layout = normalize_data_format(data_format)
    return ops.conv(x, kernel, strides, padding, layout, dilation_rate)


def _transposed(
    x: Any, kernel: Any, output_shape: Any, strides: Any, padding: str, last: bool, dilation: Any
) -> Any:
    lengths = plain_shape(output_shape)[1:-1] if last else plain_shape(output_shape)[2:]
    if all(isinstance(n, (int, np.integer)) for n in lengths):
        return conv_transpose_to(x, kernel, lengths, strides, padding, last, dilation)
    layout = "channels_last" if last else "channels_first"
    return ops.conv_transpose(x, kernel, strides, padding, None, layout, dilation)


def conv2d_transpose(
    x: Any,
    kernel: Any,
    output_shape: Any,
    strides: Any = (1, 1),
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Any = (1, 1),
) -> Any:
    """The gradient of `conv2d` with a kernel (rows, columns, filters, channels), from images of
    `output_shape`, with respect to them.

    Raises:
        ValueError: when such images do not give x's shape.
    """
    last = _is_last(data_format)
    return _transposed(x, kernel, output_shape, strides, padding, last, dilation_rate)


def conv3d_transpose(
    x: Any,
    kernel: Any,
    output_shape: Any,
    strides: Any = (1, 1, 1),
    padding: str = "valid",
    data_format: str | None = None,
) -> Any:
    """The gradient of `conv3d` with a kernel (depth, rows, columns, filters, channels), from
    volumes of `output_shape`, with respect to them.

    Raises:
        ValueError: when such volumes do not give x's shape.
    """
    return _transposed(x, kernel, output_shape, strides, padding, _is_last(data_format), 1)


def depthwise_conv2d(
    x: Any,
    depthwise_kernel: Any,
    strides: Any = (1, 1),
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Any = (1, 1),
) -> Any:
    """Each channel correlated with kernels of its own (rows, columns, channels, multiplier)."""
    layout = normalize_data_format(data_format)
    return ops.depthwise_conv(x, depthwise_kernel, strides, padding, layout, dilation_rate)


def separable_conv1d(
    x: Any,
    depthwise_kernel: Any,
    pointwise_kernel: Any,
    strides: Any = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Any = 1,
) -> Any:
    """A depthwise correlation (window, channels, multiplier), then one of single steps
    (1, channels · multiplier, filters)."""
    layout = normalize_data_format(data_format)
    return ops.separable_conv(
        x, depthwise_kernel, pointwise_kernel, strides, padding, layout, dilation_rate
    )


def separable_conv2d(
    x: Any,
    depthwise_kernel: Any,
    pointwise_kernel: Any,
    strides: Any = (1, 1),
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Any = (1, 1),
) -> Any:
    """A depthwise correlation (rows, columns, channels, multiplier), then one of single pixels
    (1, 1, channels · multiplier, filters)."""
    layout = normalize_data_format(data_format)
    return ops.separable_conv(
        x, depthwise_kernel, pointwise_kernel, strides, padding, layout, dilation_rate
    )


def local_conv1d(
    inputs: Any,
    kernel: Any,
    kernel_size: Sequence[int],
    strides: Sequence[int],
    data_format: str | None = None,
) -> Any:
    """Correlation in time with a kernel of its own for each step of the result:
    (steps, window · channels, filters)."""
    return local_conv(inputs, kernel, tuple(kernel_size), tuple(strides), _is_last(data_format))


def local_conv2d(
    inputs: Any,
    kernel: Any,
    kernel_size: Sequence[int],
    strides: Sequence[int],
    output_shape: Sequence[int],
    data_format: str | None = None,
) -> Any:
    """Correlation of images with a kernel of its own for each pixel of the result:
    (pixels, rows · columns · channels, filters).

    Raises:
        ValueError: when the result is not of `output_shape` (rows, columns).
    """
    last = _is_last(data_format)
    spatial = (int_shape(inputs) or ())[1:3] if last else (int_shape(inputs) or ())[2:4]
    found = tuple((n - k) // s + 1 for n, k, s in zip(spatial, kernel_size, strides))
    if found != tuple(output_shape):
        raise ValueError(f"local_conv2d gives images of {found} here, not of {tuple(output_shape)}")
    return local_conv(inputs, kernel, tuple(kernel_size), tuple(strides), last)


def _pool(x: Any, size: Any, strides: Any, padding: str, layout: str | None, mode: str) -> Any:
    if mode not in ("max", "avg"):
        raise ValueError(f"pool_mode must be 'max' or 'avg', got {mode!r}")
    pool = ops.max_pool if mode == "max" else ops.average_pool
    return pool(x, size, strides, padding, normalize_data_format(layout))


def pool2d(
    x: Any,
    pool_size: Any,
    strides: Any = (1, 1),
    padding: str = "valid",
    data_format: str | None = None,
    pool_mode: str = "max",
) -> Any:
    """The maximum ("max") or mean ("avg") of each window of images; padding does not count."""
    return _pool(x, pool_size, strides, padding, data_format, pool_mode)


def pool3d(
    x: Any,
    pool_size: Any,
    strides: Any = (1, 1, 1),
    padding: str = "valid",
    data_format: str | None = None,
    pool_mode: str = "max",
) -> Any:
    """The maximum ("max") or mean ("avg") of each window of volumes; padding does not count."""
    return _pool(x, pool_size, strides, padding, data_format, pool_mode)


# ------------------------------------------------------------------------------------------- CTC


class SparseLabels(NamedTuple):
    """A matrix of labels without those that do not count.

    Attributes:
        indices: (labels, 2), row and column of each.
        values: (labels,).
        dense_shape: (2,), of the matrix.
    """

    indices: Any
    values: Any
    dense_shape: Any


def ctc_label_dense_to_sparse(labels: Any, label_lengths: Any) -> SparseLabels:
    """The first `label_lengths` (batch,) or (batch, 1) of the `labels` (batch, most labels), as a
    sparse matrix; on tensors that have values."""
    lengths = ops.reshape(label_lengths, (-1, 1))
    columns = ops.arange(ops.shape(labels)[1], dtype=ops.dtype(lengths))
    indices = ops.stack(ops.nonzero(ops.less(columns, lengths)), axis=1)
    values = ops.get_item(labels, (indices[:, 0], indices[:, 1]))
    return SparseLabels(indices, values, ops.convert_to_tensor(ops.shape(labels), "int32"))


def _logits(y_pred: Any) -> Any:
    return ops.log(ops.add(y_pred, config.epsilon()))


def ctc_batch_cost(y_true: Any, y_pred: Any, input_length: Any, label_length: Any) -> Any:
    """-ln P(labels | predictions), the last class being the blank.

    Args:
        y_true: labels (batch, most labels).
        y_pred: probabilities (batch, steps, classes).
        input_length, label_length: what counts of each, (batch, 1).

    Returns:
        (batch, 1).
    """
    labels, steps = (
        ops.cast(ops.squeeze(n, -1) if ndim(n) == 2 else n, "int32")
        for n in (label_length, input_length)
    )
    blank = (int_shape(y_pred) or ())[-1] - 1
    costs = ops.ctc_loss(y_true, _logits(y_pred), labels, steps, mask_index=blank)
    return ops.expand_dims(costs, 1)


def ctc_decode(
    y_pred: Any,
    input_length: Any,
    greedy: bool = True,
    beam_width: int = 100,
    top_paths: int = 1,
    merge_repeated: bool = False,
) -> tuple[list, Any]:
    """The likeliest labels, the last class being the blank.

    Args:
        y_pred: probabilities (batch, steps, classes).
        input_length: steps that count, (batch,).
        greedy: the labels of the likeliest way; else those of a beam search.
        beam_width, top_paths: of the beam search: how many beginnings are kept, and answers given.
        merge_repeated: leave labels out of the beam search's answers that follow themselves.

    Returns:
        (list of answers (batch, steps), filled up with -1; greedy: minus the sum of ln of the
        likeliest classes (batch, 1), else ln P of each answer (batch, top_paths)).
    """
    blank = (int_shape(y_pred) or ())[-1] - 1
    strategy = "greedy" if greedy else "beam_search"
    labels, scores = ops.ctc_decode(
        _logits(y_pred), input_length, strategy, beam_width, top_paths, mask_index=blank
    )
    if merge_repeated and not greedy:
        labels = compacted(labels)
    return [labels[i] for i in range(1 if greedy else top_paths)], scores


__all__ = [
    "batch_normalization", "bias_add", "binary_crossentropy", "categorical_crossentropy", "conv1d",
    "conv2d", "conv2d_transpose", "conv3d", "conv3d_transpose", "ctc_batch_cost", "ctc_decode",
    "ctc_label_dense_to_sparse", "depthwise_conv2d", "dropout", "elu", "hard_sigmoid", "in_top_k",
    "l2_normalize", "local_conv1d", "local_conv2d", "normalize_batch_in_training", "pool2d",
    "pool3d", "relu", "separable_conv1d", "separable_conv2d", "sigmoid", "softmax", "softplus",
    "softsign", "sparse_categorical_crossentropy", "tanh",
]  # fmt: skip
