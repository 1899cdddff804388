"""Windows whose padding "same" is Theano's: half the window at both ends, whatever the strides."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tricorn import ops
from tricorn.conventions import conventions_of


def _spatial(x: Any, rank: int, data_format: str) -> range:
    """The axes of space."""
    first = len(x.shape) - rank - (data_format == "channels_last")
    return range(first, first + rank)


def _padded(x: Any, axes: range, sizes: Sequence[int], fill: float = 0.0) -> Any:
    pads = [(0, 0)] * len(x.shape)
    for axis, size in zip(axes, sizes):
        pads[axis] = (size, size)
    return ops.pad(x, pads, constant_values=fill)


def _cut(x: Any, axes: range, starts: Sequence[int], stops: Sequence[Any]) -> Any:
    places = [slice(None)] * len(x.shape)
    for axis, start, stop in zip(axes, starts, stops):
        places[axis] = slice(start, stop)
    return ops.get_item(x, tuple(places))


def _lengths(x: Any, axes: range, strides: Sequence[int]) -> list:
    """What "same" leaves of each axis: ⌈n / stride⌉."""
    return [
        None if x.shape[axis] is None else -(-x.shape[axis] // stride)
        for axis, stride in zip(axes, strides)
    ]


def convolved(layer: Any, op: Callable, x: Any, *kernels: Any, **windows: Any) -> Any:
    """``op(x, *kernels, **windows)`` as the layer's conventions have it."""
    if windows["padding"] != "same" or conventions_of(layer).same_padding == "end":
        return op(x, *kernels, **windows)
    rank = len(layer.kernel_size)
    dilation, strides = (windows.get(key, (1,) * rank) for key in ("dilation_rate", "strides"))
    axes = _spatial(x, rank, windows["data_format"])
    sizes = [(k - 1) * d + 1 for k, d in zip(layer.kernel_size, dilation)]
    starts = [size // 2 for size in sizes]
    if layer.transposed and op is ops.conv_transpose:
        outputs = op(x, *kernels, **{**windows, "padding": "valid"})
        stops = [
            None if x.shape[axis] is None else start + x.shape[axis] * stride
            for axis, start, stride in zip(axes, starts, strides)
        ]
        return _cut(_padded(outputs, axes, strides), axes, map(sum, zip(starts, strides)),
                    [stop and stop + s for stop, s in zip(stops, strides)])  # fmt: skip
    outputs = op(_padded(x, axes, starts), *kernels, **{**windows, "padding": "valid"})
    return _cut(outputs, axes, (0,) * rank, _lengths(x, axes, strides))


def pooled(layer: Any, op: Callable, x: Any) -> Any:
    """`op`, a pooling, of `x` in the layer's windows as its conventions have them."""
    size, strides, form = layer.pool_size, layer.strides, {"data_format": layer.data_format}
    if layer.padding != "same" or conventions_of(layer).same_padding == "end":
        return op(x, size, strides, layer.padding, **form)
    axes = _spatial(x, layer.rank, layer.data_format)
    pads = [k - 2 if k > 2 and k % 2 else k - 1 for k in size]
    if op is ops.max_pool:
        outputs = op(_padded(x, axes, pads, -float("inf")), size, strides, "valid", **form)
    else:  # padding does not count
        sums, counts = (
            op(_padded(y, axes, pads), size, strides, "valid", **form)
            for y in (x, ops.ones_like(x))
        )
        outputs = ops.divide_no_nan(sums, counts)
    return _cut(outputs, axes, (0,) * layer.rank, _lengths(x, axes, strides))
