"""Layers that move elements: flatten, reshape, permute, repeat, pad, crop, enlarge."""

from __future__ import annotations

import math
from typing import Any

from tricorn import ops
from tricorn.checks import wrong
from tricorn.conventions import conventions_of
from tricorn.docstrings import VOLUMES, arguments_of
from tricorn.engines import active
from tricorn.graph.op import SPARSE, SparseRule, Tensor, op
from tricorn.layers.arguments import choice, data_format, ints, is_int, pairs, positive
from tricorn.layers.base import Layer
from tricorn.layers.input_spec import InputSpec
from tricorn.ops.windows import enlarge, enlarge_from_corners

_data_format = data_format


@op
def _reshape_samples(x: Tensor, target: tuple) -> Tensor:
    """`x` with the shape (its own batch size, *target)."""
    engine = active()
    return engine.reshape(x, (engine.shape(x)[0], *target))


def _reshape_sparse_samples(op: Any, x: Any, target: tuple) -> Any:
    return ops.reshape(x, (ops.shape(x)[0], *target))


SPARSE["_reshape_samples"] = SparseRule(_reshape_sparse_samples, SPARSE["reshape"].keeps)


class Flatten(Layer):
    """All axes but the first as one; the values are read channels last.

    Args:
        data_format: "channels_last" or "channels_first"; None: as configured.
        kwargs: what every `Layer` takes.

    Input shape: (batch, ...).  Output shape: (batch, product of the others).

    Example:
        >>> keras.layers.Flatten()(np.ones((2, 3, 4))).shape
        (2, 12)
    """

    def __init__(self, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = _data_format(data_format)
        self.input_spec = InputSpec(min_ndim=1)

    def call(self, inputs: Any) -> Any:
        shape = tuple(inputs.shape)
        if self.data_format == "channels_first" and len(shape) > 1:
            inputs = ops.transpose(inputs, (0, *range(2, len(shape)), 1))
        known = all(is_int(n) for n in shape[1:])
        return _reshape_samples(inputs, (math.prod(shape[1:]) if known else -1,))


class Reshape(Layer):
    """The elements of each sample, in order, in another shape.

    Args:
        target_shape: without the batch axis; one entry may be -1: what is left.
        kwargs: what every `Layer` takes.

    Input shape: (batch, ...).  Output shape: (batch, *target_shape).

    Example:
        >>> keras.layers.Reshape((2, -1))(np.ones((5, 6))).shape
        (5, 2, 3)
    """

    def __init__(self, target_shape: tuple, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        shape = tuple(target_shape) if isinstance(target_shape, (tuple, list)) else None
        if shape is None or shape.count(-1) > 1 or not all(is_int(n) and n >= -1 for n in shape):
            raise ValueError(
                "Reshape: target_shape must be a tuple of integers with at most one -1, "
                f"got {target_shape!r}"
            )
        self.target_shape = shape

    def call(self, inputs: Any) -> Any:
        target, given = self.target_shape, tuple(inputs.shape)[1:]
        if all(is_int(n) for n in given):
            have, want = math.prod(given), math.prod(n for n in target if n != -1)
            if have % want if -1 in target and want else have != want:
                raise ValueError(
                    f"the layer {self.name!r} reshapes samples of {have} elements (shape {given}) "
                    f"into {target}, which has {'a multiple of ' if -1 in target else ''}{want}"
                )
            if -1 in target and want:
                target = tuple(have // want if n == -1 else n for n in target)
        return _reshape_samples(inputs, target)


class Permute(Layer):
    """The axes of each sample in another order: axis i of the output is axis ``dims[i]``.

    Args:
        dims: the input's axes, counted from 1, without the batch axis.
        kwargs: what every `Layer` takes.

    Input shape: (batch, d1, ..., dn).  Output shape: (batch, d_dims[0], ..., d_dims[n-1]).

    Example:
        >>> keras.layers.Permute((2, 1))(np.ones((2, 3, 4))).shape
        (2, 4, 3)
    """

    def __init__(self, dims: tuple, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        found = dims if isinstance(dims, (tuple, list)) else ()
        if not found or sorted(found) != list(range(1, len(found) + 1)):
            raise ValueError(
                f"Permute: dims must hold each of 1, 2, ..., n once, got {dims!r}; the batch axis "
                "is not counted"
            )
        self.dims = tuple(found)
        self.input_spec = InputSpec(ndim=len(self.dims) + 1)

    def call(self, inputs: Any) -> Any:
        return ops.transpose(inputs, (0, *self.dims))


class RepeatVector(Layer):
    """Each vector `n` times, as a sequence.

    Args:
        n: how many times.
        kwargs: what every `Layer` takes.

    Input shape: (batch, features).  Output shape: (batch, n, features).

    Example:
        >>> keras.layers.RepeatVector(3)(np.ones((2, 4))).shape
        (2, 3, 4)
    """

    def __init__(self, n: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not is_int(n):
            raise wrong(self, "n", "an integer", n, TypeError)
        self.n = positive(self, "n", n)
        self.input_spec = InputSpec(ndim=2)

    def call(self, inputs: Any) -> Any:
        return ops.repeat(ops.expand_dims(inputs, 1), self.n, axis=1)


class _Spatial(Layer):
    """Base of the layers that change the spatial axes one by one.

    Attributes:
        rank: the number of spatial axes.
    """

    rank: int

    def __init__(self, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = _data_format(data_format)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    @property
    def _first(self) -> int:
        """The first spatial axis."""
        return 1 if self.data_format == "channels_last" else 2


class _ZeroPadding(_Spatial):
    def __init__(self, padding: Any = 1, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(data_format, **kwargs)
        if self.rank == 1:
            self.padding: tuple = ints(self, "padding", padding, 2, least=0)
        else:
            self.padding = pairs(self, "padding", padding, self.rank)

    def call(self, inputs: Any) -> Any:
        spatial = (self.padding,) if self.rank == 1 else self.padding
        outer = [(0, 0)] * self._first
        return ops.pad(inputs, (*outer, *spatial, *[(0, 0)] * (2 - len(outer))))


class ZeroPadding1D(_ZeroPadding):
    """Zeros before and after each sequence.

    Args:
        padding: int, or (before, after).
        data_format: "channels_last" or "channels_first"; None: as configured.
        kwargs: what every `Layer` takes.

    Input shape: (batch, time, channels), or channels second.  Output shape: time grows by before
    + after.

    Example:
        >>> keras.layers.ZeroPadding1D((1, 2))(np.ones((2, 3, 4))).shape
        (2, 6, 4)
    """

    rank = 1


class ZeroPadding2D(_ZeroPadding):
    """Zeros around each image.

    Args:
        padding: int, (height, width), or ((top, bottom), (left, right)).
        data_format: "channels_last" or "channels_first"; None: as configured.
        kwargs: what every `Layer` takes.

    Input shape: (batch, height, width, channels), or channels second.  Output shape: height and
    width grow by their two paddings.

    Example:
        >>> keras.layers.ZeroPadding2D(((1, 1), (2, 0)))(np.ones((1, 4, 4, 3))).shape
        (1, 6, 6, 3)
    """

    rank = 2


@arguments_of(ZeroPadding2D, VOLUMES)
class ZeroPadding3D(_ZeroPadding):
    """Zeros around each volume: `ZeroPadding2D` with three spatial axes.

    Example:
        >>> keras.layers.ZeroPadding3D(1)(np.ones((1, 2, 3, 4, 5))).shape
        (1, 4, 5, 6, 5)
    """

    rank = 3


class _Cropping(_Spatial):
    def __init__(self, cropping: Any = 1, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(data_format, **kwargs)
        if self.rank == 1:
            self.cropping: tuple = ints(self, "cropping", cropping, 2, least=0)
        else:
            self.cropping = pairs(self, "cropping", cropping, self.rank)

    def call(self, inputs: Any) -> Any:
        spatial = (self.cropping,) if self.rank == 1 else self.cropping
        key = [slice(None)] * self._first
        for axis, (before, after) in enumerate(spatial, self._first):
            size = inputs.shape[axis]
            if is_int(size) and before + after >= size:
                raise ValueError(
                    f"the layer {self.name!r} crops {before} + {after} from axis {axis}, which "
                    f"has {size} elements; full shape: {tuple(inputs.shape)}"
                )
            key.append(slice(before, -after if after else None))
        return ops.get_item(inputs, tuple(key))


class Cropping1D(_Cropping):
    """Each sequence without its first and last steps.

    Args:
        cropping: int, or (before, after).
        kwargs: what every `Layer` takes.

    Input shape: (batch, time, channels).  Output shape: time shrinks by before + after.

    Example:
        >>> keras.layers.Cropping1D((1, 2))(np.arange(5.0).reshape(1, 5, 1)).shape
        (1, 2, 1)
    """

    rank = 1

    def __init__(self, cropping: Any = (1, 1), **kwargs: Any) -> None:
        super().__init__(cropping, "channels_last", **kwargs)


class Cropping2D(_Cropping):
    """Each image without its borders.

    Args:
        cropping: int, (height, width), or ((top, bottom), (left, right)).
        data_format: "channels_last" or "channels_first"; None: as configured.
        kwargs: what every `Layer` takes.

    Input shape: (batch, height, width, channels), or channels second.  Output shape: height and
    width shrink by their two croppings.

    Example:
        >>> keras.layers.Cropping2D(((1, 1), (2, 0)))(np.ones((1, 6, 6, 3))).shape
        (1, 4, 4, 3)
    """

    rank = 2

    def __init__(
        self, cropping: Any = ((0, 0), (0, 0)), data_format: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(cropping, data_format, **kwargs)


@arguments_of(Cropping2D, VOLUMES)
class Cropping3D(_Cropping):
    """Each volume without its borders: `Cropping2D` with three spatial axes.

    Example:
        >>> keras.layers.Cropping3D(1)(np.ones((1, 6, 5, 4, 3))).shape
        (1, 4, 3, 2, 3)
    """

    rank = 3


class UpSampling1D(Layer):
    """Each time step `size` times.

    Args:
        size: how many times.
        kwargs: what every `Layer` takes.

    Input shape: (batch, time, channels).  Output shape: (batch, time · size, channels).

    Example:
        >>> keras.layers.UpSampling1D(2)(np.array([[[1.0], [2.0]]]))[0, :, 0]
        Array([1., 1., 2., 2.], dtype=float32)
    """

    def __init__(self, size: Any = 2, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not is_int(size):
            raise wrong(self, "size", "an integer", size, TypeError)
        self.size = positive(self, "size", size)
        self.input_spec = InputSpec(ndim=3)

    def call(self, inputs: Any) -> Any:
        return ops.repeat(inputs, self.size, axis=1)


class UpSampling2D(_Spatial):
    """Images enlarged by whole factors.

    Args:
        size: int, or (rows, columns): the factors.
        data_format: "channels_last" or "channels_first"; None: as configured.
        interpolation: "nearest", "bilinear", "bicubic", "lanczos3" or "lanczos5".
        kwargs: what every `Layer` takes.

    Input shape: (batch, height, width, channels), or channels second.  Output shape: height and
    width times their factors.

    Example:
        >>> keras.layers.UpSampling2D((2, 3))(np.ones((1, 4, 4, 3))).shape
        (1, 8, 12, 3)
    """

    rank = 2

    def __init__(
        self,
        size: Any = (2, 2),
        data_format: str | None = None,
        interpolation: str = "nearest",
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format, **kwargs)
        self.size = ints(self, "size", size, 2)
        known = ("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5")
        self.interpolation = choice(self, "interpolation", interpolation, known)

    def call(self, inputs: Any) -> Any:
        if self.interpolation == "nearest":
            for axis, factor in enumerate(self.size, self._first):
                inputs = ops.repeat(inputs, factor, axis=axis)
            return inputs
        if self.interpolation == "bilinear" and conventions_of(self).bilinear == "corners":
            return enlarge_from_corners(inputs, self.size, self._first == 1)
        return enlarge(inputs, self.size, self.interpolation, self._first == 1)


class UpSampling3D(_Spatial):
    """Volumes enlarged by repeating their elements.

    Args:
        size: int, or three of them: the factors.
        data_format: "channels_last" or "channels_first"; None: as configured.
        kwargs: what every `Layer` takes.

    Input shape: (batch, depth, height, width, channels), or channels second.  Output shape: the
    spatial axes times their factors.

    Example:
        >>> keras.layers.UpSampling3D(2)(np.ones((1, 2, 2, 2, 3))).shape
        (1, 4, 4, 4, 3)
    """

    rank = 3

    def __init__(
        self, size: Any = (2, 2, 2), data_format: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(data_format, **kwargs)
        self.size = ints(self, "size", size, 3)

    def call(self, inputs: Any) -> Any:
        for axis, factor in enumerate(self.size, self._first):
            inputs = ops.repeat(inputs, factor, axis=axis)
        return inputs


__all__ = [
    "Cropping1D", "Cropping2D", "Cropping3D", "Flatten", "Permute", "RepeatVector", "Reshape",
    "UpSampling1D", "UpSampling2D", "UpSampling3D", "ZeroPadding1D", "ZeroPadding2D",
    "ZeroPadding3D",
]  # fmt: skip
