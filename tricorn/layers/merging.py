"""Layers that make one tensor of several, and their functional forms."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from tricorn import ops
from tricorn.conventions import conventions_of
from tricorn.layers.arguments import is_int
from tricorn.layers.base import Layer


class _Merge(Layer):
    """Base of the elementwise merges; inputs of fewer axes get axes of length 1 after the first.

    The output's mask is the inputs' masks joined by "or", none if one has none.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        _check_list(self, input_shape)
        sizes = {shape[0] for shape in input_shape if shape} - {None}
        if len(sizes) > 1:
            raise ValueError(
                f"the layer {self.name!r} merges inputs of different batch sizes: "
                f"{[tuple(shape) for shape in input_shape]}"
            )

    def call(self, inputs: Any, mask: Any = None) -> Any:
        _check_list(self, inputs)
        rank = max(len(x.shape) for x in inputs)
        alike = []
        for x in inputs:
            missing = rank - len(x.shape)
            alike.append(ops.expand_dims(x, tuple(range(1, 1 + missing))) if missing else x)
        if mask is None:
            return self.merge(alike)
        masks = [m if m is None else _spread(m, rank) for m in mask]
        return self.merge_masked(alike, masks)

    def merge(self, inputs: list) -> Any:
        """One tensor of several of equal rank."""
        raise NotImplementedError

    def merge_masked(self, inputs: list, masks: list) -> Any:
        """The same where some inputs have masks (of their rank); masks do not matter here."""
        return self.merge(inputs)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        masks = [] if previous_mask is None else [m for m in previous_mask if m is not None]
        if conventions_of(self).merged_masks == "and":
            return functools.reduce(ops.logical_and, masks) if masks else None
        if previous_mask is None or len(masks) < len(previous_mask):
            return None
        return functools.reduce(ops.logical_or, previous_mask)


def _spread(mask: Any, rank: int) -> Any:
    """`mask` with axes of length 1 behind until it has `rank`."""
    axes = tuple(range(len(mask.shape), rank))
    return ops.expand_dims(mask, axes) if axes else mask


class Add(_Merge):
    """``x₁ + x₂ + ...``

    Input shape: list of tensors whose shapes broadcast.  Output shape: the broadcast one.

    Example:
        >>> keras.layers.Add()([np.array([[1.0, 2.0]]), np.array([[10.0, 20.0]])])
        Array([[11., 22.]], dtype=float32)
    """

    def merge(self, inputs: list) -> Any:
        return functools.reduce(ops.add, inputs)


class Subtract(_Merge):
    """``x₁ - x₂``

    Input shape: list of two tensors whose shapes broadcast.  Output shape: the broadcast one.

    Example:
        >>> keras.layers.Subtract()([np.array([[5.0, 5.0]]), np.array([[3.0, 2.0]])])
        Array([[2., 3.]], dtype=float32)
    """

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        _check_list(self, input_shape, 2)

    def merge(self, inputs: list) -> Any:
        return ops.subtract(*inputs)


class Multiply(_Merge):
    """``x₁ · x₂ · ...``; a masked element counts as 1, and where all are the product is 0.

    Input shape: list of tensors whose shapes broadcast.  Output shape: the broadcast one.

    Example:
        >>> keras.layers.Multiply()([np.array([[1.0, 5.0]]), np.array([[3.0, 2.0]])])
        Array([[ 3., 10.]], dtype=float32)
    """

    def merge(self, inputs: list) -> Any:
        return functools.reduce(ops.multiply, inputs)

    def merge_masked(self, inputs: list, masks: list) -> Any:
        product = self.merge(
            [x if m is None else ops.where(m, x, ops.ones_like(x)) for x, m in zip(inputs, masks)]
        )
        if any(m is None for m in masks):
            return product
        return ops.where(functools.reduce(ops.logical_or, masks), product, ops.zeros_like(product))


class Average(_Merge):
    """``(x₁ + x₂ + ...) / n``

    Input shape: list of tensors whose shapes broadcast.  Output shape: the broadcast one.

    Example:
        >>> keras.layers.Average()([np.array([[1.0, 2.0]]), np.array([[3.0, 6.0]])])
        Array([[2., 4.]], dtype=float32)
    """

    def merge(self, inputs: list) -> Any:
        return ops.divide(functools.reduce(ops.add, inputs), len(inputs))


class _Extremum(_Merge):
    """The greatest or least of the inputs; a masked input does not count where another does."""

    choose: Callable

    def merge(self, inputs: list) -> Any:
        return functools.reduce(type(self).choose, inputs)

    def merge_masked(self, inputs: list, masks: list) -> Any:
        output, known = inputs[0], masks[0]
        for x, mask in zip(inputs[1:], masks[1:]):
            if mask is not None:
                x = ops.where(mask, x, output)
            if known is not None:
                output = ops.where(known, output, x)
            both = known is not None and mask is not None
            known = ops.logical_or(known, mask) if both else None
            output = type(self).choose(output, x)
        return output


class Maximum(_Extremum):
    """``max(x₁, x₂, ...)``, elementwise.

    Input shape: list of tensors whose shapes broadcast.  Output shape: the broadcast one.

    Example:
        >>> keras.layers.Maximum()([np.array([[1.0, 5.0]]), np.array([[3.0, 2.0]])])
        Array([[3., 5.]], dtype=float32)
    """

    choose = staticmethod(ops.maximum)


class Minimum(_Extremum):
    """``min(x₁, x₂, ...)``, elementwise.

    Input shape: list of tensors whose shapes broadcast.  Output shape: the broadcast one.

    Example:
        >>> keras.layers.Minimum()([np.array([[1.0, 5.0]]), np.array([[3.0, 2.0]])])
        Array([[1., 2.]], dtype=float32)
    """

    choose = staticmethod(ops.minimum)


class Concatenate(Layer):
    """The inputs one after the other along an axis.

    Args:
        axis: the axis; -1 is the last.
        kwargs: what every `Layer` takes.

    Input shape: list of tensors of equal shape but for `axis`.  Output shape: that, with the sum
    along `axis`.

    Example:
        >>> keras.layers.Concatenate()([np.ones((2, 3)), np.ones((2, 1))]).shape
        (2, 4)
    """

    def __init__(self, axis: int = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        _check_list(self, input_shape)
        shapes = [tuple(shape) for shape in input_shape]
        rank = len(shapes[0])
        fits = all(len(shape) == rank for shape in shapes) and -rank <= self.axis < rank
        for axis in range(rank) if fits else ():
            known = {shape[axis] for shape in shapes} - {None}
            fits = fits and (axis == self.axis % rank or len(known) <= 1)
        if not fits:
            raise ValueError(
                f"the layer {self.name!r} concatenates along axis {self.axis}: the inputs' shapes "
                f"must be equal but for that axis, got {shapes}"
            )

    def call(self, inputs: Any) -> Any:
        return ops.concatenate(list(inputs), axis=self.axis)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        if previous_mask is None or all(mask is None for mask in previous_mask):
            return None
        masks = []
        for x, mask in zip(inputs, previous_mask):
            whole = ops.ones_like(x, dtype="bool")
            if mask is not None:
                whole = ops.logical_and(_spread(mask, len(x.shape)), whole)
            masks.append(whole)
        joined = ops.all if conventions_of(self).merged_masks == "and" else ops.any
        return joined(ops.concatenate(masks, axis=self.axis), axis=-1)


#: layers that join the masks of their inputs
MERGES = (_Merge, Concatenate)


class Dot(Layer):
    """``Σ x₁ · x₂`` over one axis of each, sample by sample.

    Args:
        axes: the axis of both inputs, or one of each; the batch axis 0 is none of them.
        normalize: scale to Euclidean length 1 along them first (cosine similarity).
        kwargs: what every `Layer` takes.

    Input shape: list of two: (batch, ..., n, ...) each.  Output shape: (batch, what is left of the
    first, what is left of the second), or (batch, 1) if nothing is.

    Example:
        >>> keras.layers.Dot(axes=1)([np.array([[1.0, 2.0]]), np.array([[3.0, 4.0]])])
        Array([[11.]], dtype=float32)
    """

    def __init__(self, axes: Any, normalize: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        pair = isinstance(axes, (tuple, list)) and len(axes) == 2 and all(map(is_int, axes))
        if not is_int(axes) and not pair:
            raise TypeError(f"Dot: axes must be an integer or two of them, got {axes!r}")
        self.axes = axes
        self.normalize = normalize
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        _check_list(self, input_shape, 2)
        one, two = (tuple(shape) for shape in input_shape)
        i, j = self._places(one, two)
        if 0 in (i, j) or (None not in (one[i], two[j]) and one[i] != two[j]):
            raise ValueError(
                f"the layer {self.name!r} sums over axis {i} of {one} and axis {j} of {two}; they "
                "must have equal sizes, and not be the batch axis"
            )

    def _places(self, *shapes: tuple) -> list[int]:
        axes = self.axes if isinstance(self.axes, (tuple, list)) else (self.axes, self.axes)
        for axis, shape in zip(axes, shapes):
            if not -len(shape) <= axis < len(shape):
                raise ValueError(
                    f"the layer {self.name!r}: there is no axis {axis} in the shape {shape}"
                )
        return [axis % len(shape) for axis, shape in zip(axes, shapes)]

    def call(self, inputs: Any) -> Any:
        x, y = inputs
        i, j = self._places(tuple(x.shape), tuple(y.shape))
        if self.normalize:
            x, y = ops.normalize(x, axis=i), ops.normalize(y, axis=j)
        left = "".join(chr(ord("b") + k) for k in range(len(x.shape) - 1))
        right = "".join(chr(ord("m") + k) for k in range(len(y.shape) - 1))
        one, two = "a" + left.replace(left[i - 1], "z"), "a" + right.replace(right[j - 1], "z")
        kept = (one + two[1:]).replace("z", "")
        output = ops.einsum(f"{one},{two}->{kept}", x, y)
        return ops.expand_dims(output, -1) if len(kept) == 1 else output

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        return None


def _check_list(layer: Layer, inputs: Any, count: int | None = None) -> None:
    several = isinstance(inputs, (tuple, list)) and len(inputs) > 0
    if several and inputs[0] is not None and not hasattr(inputs[0], "shape"):
        several = isinstance(inputs[0], (tuple, list))
    if not several or count not in (None, len(inputs)):
        wanted = f"a list of {count} tensors" if count else "a list of tensors"
        raise ValueError(f"the layer {layer.name!r} takes {wanted}, got {inputs!r}")


def _functional(layer: type, name: str, shown: str) -> Callable:
    def merge(inputs: list, **kwargs: Any) -> Any:
        return layer(**kwargs)(inputs)

    merge.__name__ = merge.__qualname__ = name
    merge.__doc__ = f"""`{layer.__name__}` of `inputs`.

    Args:
        inputs: list of tensors whose shapes broadcast.
        kwargs: what the layer takes.

    Returns:
        tensor of the broadcast shape.

    Example:
        >>> keras.layers.{name}([np.array([1.0, 5.0]), np.array([3.0, 2.0])])
        Array({shown}, dtype=float32)
    """
    return merge


add = _functional(Add, "add", "[4., 7.]")
subtract = _functional(Subtract, "subtract", "[-2.,  3.]")
multiply = _functional(Multiply, "multiply", "[ 3., 10.]")
average = _functional(Average, "average", "[2. , 3.5]")
maximum = _functional(Maximum, "maximum", "[3., 5.]")
minimum = _functional(Minimum, "minimum", "[1., 2.]")


def concatenate(inputs: list, axis: int = -1, **kwargs: Any) -> Any:
    """`Concatenate` of `inputs`, a list of tensors, along `axis`.

    Example:
        >>> keras.layers.concatenate([np.array([[1.0, 2.0]]), np.array([[3.0]])])
        Array([[1., 2., 3.]], dtype=float32)
    """
    return Concatenate(axis=axis, **kwargs)(inputs)


def dot(inputs: list, axes: Any = -1, **kwargs: Any) -> Any:
    """`Dot` of `inputs`, a list of two tensors, over `axes`.

    Example:
        >>> keras.layers.dot([np.array([[1.0, 2.0]]), np.array([[3.0, 4.0]])], axes=1)
        Array([[11.]], dtype=float32)
    """
    return Dot(axes=axes, **kwargs)(inputs)


__all__ = [
    "Add", "Average", "Concatenate", "Dot", "Maximum", "Minimum", "Multiply", "Subtract", "add",
    "average", "concatenate", "dot", "maximum", "minimum", "multiply", "subtract",
]  # fmt: skip
