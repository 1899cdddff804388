"""What the functions of ``K`` give, in NumPy, written out."""

import itertools

import numpy as np

EPSILON = 1e-7


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x, axis=-1):
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def logsumexp(x, axis=None, keepdims=False):
    return np.log(np.exp(x).sum(axis, keepdims=keepdims))


def batch_dot(x, y, axes=None):
    if axes is None:
        axes = (x.ndim - 1, y.ndim - 1 if y.ndim == 2 else y.ndim - 2)
    i, j = (axes, axes) if isinstance(axes, int) else axes
    found = np.stack([np.tensordot(a, b, (i % x.ndim - 1, j % y.ndim - 1)) for a, b in zip(x, y)])
    return found if found.ndim > 1 else found[:, None]


def relu(x, alpha=0.0, max_value=None, threshold=0.0):
    found = np.where(x >= threshold, x, alpha * (x - threshold))
    return found if max_value is None else np.minimum(found, max_value)


def clipped(p):
    return np.clip(p, EPSILON, 1 - EPSILON)


def categorical_crossentropy(target, output, from_logits=False, axis=-1):
    p = softmax(output, axis) if from_logits else output / output.sum(axis, keepdims=True)
    p = p if from_logits else clipped(p)
    return -(target * np.log(p)).sum(axis)


def sparse_categorical_crossentropy(target, output, from_logits=False, axis=-1):
    logits = output if from_logits else np.log(clipped(output))
    p = np.moveaxis(softmax(logits, axis), axis, -1)
    target = target.reshape(p.shape[:-1]).astype(int)
    return -np.log(np.take_along_axis(p, target[..., None], -1)[..., 0])


def binary_crossentropy(target, output, from_logits=False):
    p = sigmoid(output) if from_logits else clipped(output)
    return -(target * np.log(p) + (1 - target) * np.log(1 - p))


def l2_normalize(x, axis=None):
    return x / np.sqrt(np.maximum((x**2).sum(axis, keepdims=True), 1e-12))


def batch_normalization(x, mean, var, beta, gamma, axis=-1, epsilon=1e-3):
    shape = [1] * x.ndim
    shape[axis] = -1
    mean, var, beta, gamma = (
        s.reshape(shape) if s is not None and s.ndim == 1 else s for s in (mean, var, beta, gamma)
    )
    gamma, beta = 1 if gamma is None else gamma, 0 if beta is None else beta
    return (x - mean) / np.sqrt(var + epsilon) * gamma + beta


def normalize_batch_in_training(x, gamma, beta, reduction_axes, epsilon=1e-3):
    axes = tuple(reduction_axes)
    mean, var = x.mean(axes), x.var(axes)
    shape = [1 if i in axes else n for i, n in enumerate(x.shape)]
    found = (x - mean.reshape(shape)) / np.sqrt(var.reshape(shape) + epsilon)
    found = found * (1 if gamma is None else gamma.reshape(shape))
    return found + (0 if beta is None else beta.reshape(shape)), mean, var


def channels_last(function):
    """The reference for channels first of one for channels last."""

    def run(x, *args, **kwargs):
        return np.moveaxis(function(np.moveaxis(x, 1, -1), *args, **kwargs), -1, 1)

    return run


def same(x, size, strides, dilation, fill=0.0):
    """x padded so that windows of any place that is a multiple of the stride fit."""
    pads = [(0, 0)]
    for n, k, s, d in zip(x.shape[1:-1], size, strides, dilation):
        total = max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0)
        pads.append((total // 2, total - total // 2))
    return np.pad(x, [*pads, (0, 0)], constant_values=fill)


def windows(x, size, strides, dilation):
    """(place, window (batch, *size, channels)) for each place of a window."""
    counts = [
        (n - (k - 1) * d - 1) // s + 1 for n, k, s, d in zip(x.shape[1:-1], size, strides, dilation)
    ]
    for place in itertools.product(*map(range, counts)):
        slices = [
            slice(p * s, p * s + (k - 1) * d + 1, d)
            for p, k, s, d in zip(place, size, strides, dilation)
        ]
        yield place, x[(slice(None), *slices)]


def gathered(found):
    """An image from a dict place -> (batch, channels)."""
    counts = [max(p[i] for p in found) + 1 for i in range(len(next(iter(found))))]
    first = next(iter(found.values()))
    image = np.zeros((first.shape[0], *counts, first.shape[1]), first.dtype)
    for place, value in found.items():
        image[(slice(None), *place)] = value
    return image


def tupled(n, rank):
    return (n,) * rank if isinstance(n, int) else tuple(n)


def conv(x, kernel, strides=1, padding="valid", dilation_rate=1):
    size = kernel.shape[:-2]
    strides, dilation = tupled(strides, len(size)), tupled(dilation_rate, len(size))
    if padding == "same":
        x = same(x, size, strides, dilation)
    if padding == "causal":
        x = np.pad(x, [(0, 0), ((size[0] - 1) * dilation[0], 0), (0, 0)])
    return gathered(
        {p: np.tensordot(w, kernel, len(size) + 1) for p, w in windows(x, size, strides, dilation)}
    )


def conv_transpose(x, kernel, output_shape, strides=1, padding="valid", dilation_rate=1):
    """The gradient of `conv` by its definition: each output of the convolution spreads over the
    elements that it was computed from."""
    size = kernel.shape[:-2]
    strides, dilation = tupled(strides, len(size)), tupled(dilation_rate, len(size))
    image = np.zeros((x.shape[0], *output_shape[1:-1], kernel.shape[-2]))
    padded = same(image, size, strides, dilation) if padding == "same" else image
    for place, window in windows(padded, size, strides, dilation):
        window += np.tensordot(x[(slice(None), *place)], kernel, ([1], [kernel.ndim - 1]))
    first = [(a - b) // 2 for a, b in zip(padded.shape[1:-1], image.shape[1:-1])]
    return padded[
        (slice(None), *[slice(f, f + n) for f, n in zip(first, image.shape[1:-1])])
    ].astype("float32")


def depthwise_conv(x, kernel, strides=1, padding="valid", dilation_rate=1):
    parts = [
        conv(x[..., i : i + 1], kernel[..., i : i + 1, :], strides, padding, dilation_rate)
        for i in range(x.shape[-1])
    ]
    return np.concatenate(parts, -1)


def separable_conv(x, depthwise, pointwise, strides=1, padding="valid", dilation_rate=1):
    return conv(depthwise_conv(x, depthwise, strides, padding, dilation_rate), pointwise)


def local_conv(x, kernel, size, strides):
    found = {}
    for i, (place, window) in enumerate(windows(x, size, strides, (1,) * len(size))):
        found[place] = window.reshape(len(x), -1) @ kernel[i]
    return gathered(found)


def local_conv_channels_first(x, kernel, size, strides):
    found = {}
    last = np.moveaxis(x, 1, -1)
    for i, (place, window) in enumerate(windows(last, size, strides, (1,) * len(size))):
        found[place] = np.moveaxis(window, -1, 1).reshape(len(x), -1) @ kernel[i]
    return np.moveaxis(gathered(found), -1, 1)


def pool(x, size, strides, padding="valid", mode="max"):
    one = (1,) * len(size)
    if padding == "same":
        x = same(x, size, strides, one, fill=np.nan)
    reduce = np.nanmax if mode == "max" else np.nanmean
    axes = tuple(range(1, len(size) + 1))
    return gathered({p: reduce(w, axes) for p, w in windows(x, size, strides, one)})


def bilinear(x, factors):
    """Images enlarged with pixels at half-integer centres."""
    for axis, factor in enumerate(factors, 1):
        n = x.shape[axis]
        centre = (np.arange(n * factor) + 0.5) / factor - 0.5
        low = np.floor(centre).astype(int)
        part = (centre - low).reshape([-1 if i == axis else 1 for i in range(x.ndim)])
        before, after = (np.take(x, np.clip(i, 0, n - 1), axis) for i in (low, low + 1))
        x = before * (1 - part) + after * part
    return x.astype("float32")


def enlarged(x, factors):
    for axis, factor in enumerate(factors, 1):
        x = x.repeat(factor, axis)
    return x


def ctc_probabilities(labels, p, steps):
    """P(labels) for one sample by going through all ways; the blank is the last class."""
    total, blank = 0.0, p.shape[1] - 1
    for way in itertools.product(range(p.shape[1]), repeat=steps):
        seen = [c for i, c in enumerate(way) if i == 0 or c != way[i - 1]]
        if [c for c in seen if c != blank] == list(labels):
            total += np.prod([p[t, c] for t, c in enumerate(way)])
    return total


def normalized(y_pred):
    p = y_pred + EPSILON
    return p / p.sum(-1, keepdims=True)


def ctc_batch_cost(y_true, y_pred, input_length, label_length):
    p = normalized(y_pred)
    costs = [
        -np.log(ctc_probabilities(labels[: n[0]], one, t[0]))
        for labels, one, t, n in zip(y_true, p, input_length, label_length)
    ]
    return np.array(costs, "float32")[:, None]


def ctc_greedy(y_pred, input_length):
    found = np.full(y_pred.shape[:2], -1)
    for i, (p, steps) in enumerate(zip(y_pred, input_length)):
        way = p[:steps].argmax(-1)
        seen = [c for t, c in enumerate(way) if t == 0 or c != way[t - 1]]
        labels = [c for c in seen if c != p.shape[-1] - 1]
        found[i, : len(labels)] = labels
    scores = [-np.log(p[:t].max(-1) + EPSILON).sum() for p, t in zip(y_pred, input_length)]
    return [found], np.array(scores, "float32")[:, None]


def ctc_best(y_pred, input_length, paths):
    """The likeliest labels of all there can be."""
    answers = [np.full(y_pred.shape[:2], -1) for _ in range(paths)]
    scores = np.zeros((len(y_pred), paths), "float32")
    for i, (p, steps) in enumerate(zip(normalized(y_pred), input_length)):
        every = [
            labels
            for n in range(steps + 1)
            for labels in itertools.product(range(p.shape[1] - 1), repeat=n)
        ]
        ranked = sorted(((ctc_probabilities(one, p, steps), one) for one in every), reverse=True)
        for k in range(paths):
            scores[i, k] = np.log(ranked[k][0])
            answers[k][i, : len(ranked[k][1])] = ranked[k][1]
    return answers, scores


def rnn(step, inputs, states, go_backwards=False, mask=None, constants=None):
    times = range(inputs.shape[1])[:: -1 if go_backwards else 1]
    outputs, last = [], None
    for t in times:
        output, after = step(inputs[:, t], [*states, *(constants or [])])
        if mask is not None:
            here = mask.reshape(mask.shape[:2])[:, t].astype(bool)[:, None]
            output = np.where(here, output, np.zeros_like(output) if last is None else last)
            after = [np.where(here, new, old) for new, old in zip(after, states)]
        last, states = output, after
        outputs.append(output)
    return last, np.stack(outputs, 1), states
