"""Changing shapes: joining, cutting, repeating, padding, enlarging."""

from __future__ import annotations

import builtins as py
import math
from collections.abc import Sequence
from typing import Any

from tricorn import ops
from tricorn.backend.environment import normalize_data_format
from tricorn.backend.values import int_shape, ndim, plain_shape, reshape_to
from tricorn.backend.values import shape as _shape
from tricorn.graph.symbolic import is_symbolic
from tricorn.ops.windows import enlarge


def reshape(x: Any, shape: Any) -> Any:
    """The elements of x, in order, in another shape; one size may be -1: what is left."""
    return reshape_to(x, shape)


def flatten(x: Any) -> Any:
    """All elements on one axis."""
    return ops.reshape(x, (-1,))


def batch_flatten(x: Any) -> Any:
    """(batch, all elements of a sample)."""
    batch, *rest = int_shape(x) or ()
    if None not in rest:
        return ops.reshape(x, (-1, math.prod(rest)))
    return reshape_to(x, (_shape(x)[0] if batch is None else batch, -1))


def expand_dims(x: Any, axis: int = -1) -> Any:
    """x with a new axis of size 1 at position `axis`."""
    return ops.expand_dims(x, axis)


def squeeze(x: Any, axis: int) -> Any:
    """x without `axis`, whose size is 1."""
    return ops.squeeze(x, axis)


def permute_dimensions(x: Any, pattern: Sequence[int]) -> Any:
    """x with its axes in the order of `pattern`."""
    return ops.transpose(x, pattern)


def transpose(x: Any) -> Any:
    """x with its axes in reverse order."""
    return ops.transpose(x)


def concatenate(tensors: Sequence, axis: int = -1) -> Any:
    """Tensors joined along `axis`."""
    return ops.concatenate(list(tensors), axis)


def stack(x: Sequence, axis: int = 0) -> Any:
    """Tensors of one shape joined along a new axis."""
    return ops.stack(list(x), axis)


def gather(reference: Any, indices: Any) -> Any:
    """The entries of `reference` at the int `indices` along its first axis."""
    return ops.take(reference, indices, axis=0)


def slice(x: Any, start: Any, size: Any) -> Any:
    """The part of x that begins at `start` and has the sizes `size`, one int per axis (-1: up to
    the end).

    Raises:
        ValueError: when there is not one int per axis.
    """
    count = ndim(x)
    if any(isinstance(n, (list, tuple)) and len(n) != count for n in (start, size)):
        raise ValueError(
            f"slice takes one start and one size for each of the {count} axes, got start={start} "
            f"and size={size}"
        )
    if all(isinstance(n, int) for n in (*start, *size)):
        ends = [None if n == -1 else s + n for s, n in zip(start, size)]
        return ops.get_item(x, tuple(py.slice(s, e) for s, e in zip(start, ends)))
    return ops.slice(x, start, plain_shape(size))


def reverse(x: Any, axes: Any) -> Any:
    """x from the last to the first along `axes` (int or a sequence)."""
    return ops.flip(x, axes)


def repeat(x: Any, n: int) -> Any:
    """(samples, features) repeated to (samples, n, features).

    Raises:
        ValueError: when x is no matrix.
    """
    if ndim(x) != 2:
        raise ValueError(f"repeat takes a tensor of two axes, got shape {int_shape(x)}")
    return ops.repeat(ops.expand_dims(x, 1), n, axis=1)


def repeat_elements(x: Any, rep: int, axis: int) -> Any:
    """Each element `rep` times along `axis`, one after the other."""
    return ops.repeat(x, rep, axis=axis)


def tile(x: Any, n: Any) -> Any:
    """x as a whole repeated, `n` (int, or one per axis) times along each axis."""
    count = ndim(x)
    if isinstance(n, int):
        n = (n,) * count
    if not is_symbolic(n) and hasattr(n, "__len__") and len(n) != count:
        raise ValueError(f"tile takes one number for each of the {count} axes, got {n}")
    return ops.tile(x, plain_shape(n))


# --------------------------------------------------------------------------------------- padding


def _padded(x: Any, padding: Sequence, data_format: str | None) -> Any:
    """Zeros around the spatial axes: a pair (before, after) for each."""
    last = normalize_data_format(data_format) == "channels_last"
    pairs = [tuple(pair) for pair in padding]
    if any(len(pair) != 2 for pair in pairs) or len(pairs) != ndim(x) - 2:
        raise ValueError(
            f"for a tensor of shape {int_shape(x)} the padding is one (before, after) pair for "
            f"each of {ndim(x) - 2} axes, got {padding}"
        )
    return ops.pad(x, [(0, 0), *pairs, (0, 0)] if last else [(0, 0), (0, 0), *pairs])


def temporal_padding(x: Any, padding: Sequence[int] = (1, 1)) -> Any:
    """(batch, time, channels) with zeros before and after in time."""
    return _padded(x, [padding], "channels_last")


def spatial_2d_padding(
    x: Any, padding: Sequence = ((1, 1), (1, 1)), data_format: str | None = None
) -> Any:
    """Images with zeros around: ((top, bottom), (left, right))."""
    return _padded(x, padding, data_format)


def spatial_3d_padding(
    x: Any, padding: Sequence = ((1, 1), (1, 1), (1, 1)), data_format: str | None = None
) -> Any:
    """Volumes with zeros around: a (before, after) pair for each axis."""
    return _padded(x, padding, data_format)


# ------------------------------------------------------------------------------------- enlarging


def resize_images(
    x: Any,
    height_factor: int,
    width_factor: int,
    data_format: str | None,
    interpolation: str = "nearest",
) -> Any:
    """Images enlarged by whole factors, by repeating ("nearest") or "bilinear".

    Raises:
        ValueError: for another interpolation.
    """
    last = normalize_data_format(data_format) == "channels_last"
    if interpolation == "bilinear":
        return enlarge(x, (height_factor, width_factor), "bilinear", last)
    if interpolation != "nearest":
        raise ValueError(f"interpolation must be 'nearest' or 'bilinear', got {interpolation!r}")
    return _repeated(x, (height_factor, width_factor), last)


def resize_volumes(
    x: Any, depth_factor: int, height_factor: int, width_factor: int, data_format: str | None
) -> Any:
    """Volumes enlarged by whole factors, by repeating."""
    last = normalize_data_format(data_format) == "channels_last"
    return _repeated(x, (depth_factor, height_factor, width_factor), last)


def _repeated(x: Any, factors: tuple, last: bool) -> Any:
    for axis, factor in enumerate(factors, 1 if last else 2):
        x = ops.repeat(x, factor, axis=axis)
    return x


__all__ = [
    "batch_flatten", "concatenate", "expand_dims", "flatten", "gather", "permute_dimensions",
    "repeat", "repeat_elements", "reshape", "resize_images", "resize_volumes", "reverse", "slice",
    "spatial_2d_padding", "spatial_3d_padding", "squeeze", "stack", "temporal_padding", "tile",
    "transpose",
]  # fmt: skip
