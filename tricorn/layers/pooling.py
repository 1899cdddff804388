"""Pooling over windows and over whole spatial axes."""

from __future__ import annotations

from typing import Any

from tricorn import ops
from tricorn.docstrings import VOLUMES, arguments_of
from tricorn.layers.arguments import choice, data_format, ints, is_int
from tricorn.layers.base import Layer
from tricorn.layers.centered import pooled
from tricorn.layers.input_spec import InputSpec

_data_format = data_format


class _Pooling(Layer):
    """Base of pooling over windows.

    Attributes:
        rank: the number of spatial axes.
    """

    rank: int

    def __init__(
        self,
        pool_size: Any = 2,
        strides: Any = None,
        padding: str = "valid",
        data_format: str | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.pool_size = ints(self, "pool_size", pool_size, self.rank)
        steps = self.pool_size if strides is None else strides
        self.strides = ints(self, "strides", steps, self.rank)
        self.padding = choice(self, "padding", padding, ("valid", "same"))
        self.data_format = _data_format(data_format)
        self.input_spec = InputSpec(ndim=self.rank + 2)


class _MaxPooling(_Pooling):
    def call(self, inputs: Any) -> Any:
        return pooled(self, ops.max_pool, inputs)


class _AveragePooling(_Pooling):
    def call(self, inputs: Any) -> Any:
        return pooled(self, ops.average_pool, inputs)


class MaxPooling1D(_MaxPooling):
    """The largest value of each window of a sequence.

    Args:
        pool_size: length of the window.
        strides: from window to window; None: `pool_size`.
        padding: "valid" (whole windows only) or "same" (output length ⌈length / strides⌉).
        data_format: "channels_last" or "channels_first"; None: as configured.
        name: as every `Layer` takes it.
        kwargs: what every `Layer` takes.

    Input shape: (batch, time, channels), or channels second.  Output shape: time becomes
    ⌊(time - pool_size) / strides⌋ + 1, or ⌈time / strides⌉.

    Example:
        >>> keras.layers.MaxPooling1D(2)(np.array([[[1.0], [3.0], [5.0], [2.0]]]))
        Array([[[3.],
                [5.]]], dtype=float32)
    """

    rank = 1


class MaxPooling2D(_MaxPooling):
    """The largest value of each window of an image.

    Args:
        pool_size: int, or (height, width) of the window.
        strides: int or two of them, from window to window; None: `pool_size`.
        padding: "valid" (whole windows only) or "same" (output size ⌈size / strides⌉).
        data_format: "channels_last" or "channels_first"; None: as configured.
        name: as every `Layer` takes it.
        kwargs: what every `Layer` takes.

    Input shape: (batch, height, width, channels), or channels second.  Output shape: each spatial
    size becomes ⌊(size - pool_size) / strides⌋ + 1, or ⌈size / strides⌉.

    Example:
        >>> keras.layers.MaxPooling2D(2)(np.ones((1, 4, 6, 3))).shape
        (1, 2, 3, 3)
    """

    rank = 2


@arguments_of(MaxPooling2D, VOLUMES)
class MaxPooling3D(_MaxPooling):
    """The largest value of each window of a volume: `MaxPooling2D` with three spatial axes.

    Example:
        >>> keras.layers.MaxPooling3D(2)(np.ones((1, 4, 4, 6, 3))).shape
        (1, 2, 2, 3, 3)
    """

    rank = 3


@arguments_of(MaxPooling1D)
class AveragePooling1D(_AveragePooling):
    """The mean of each window of a sequence, padding not counted; arguments and shapes of
    `MaxPooling1D`.

    Example:
        >>> keras.layers.AveragePooling1D(2)(np.array([[[1.0], [3.0], [5.0], [9.0]]]))
        Array([[[2.],
                [7.]]], dtype=float32)
    """

    rank = 1


@arguments_of(MaxPooling2D)
class AveragePooling2D(_AveragePooling):
    """The mean of each window of an image, padding not counted; arguments and shapes of
    `MaxPooling2D`.

    Example:
        >>> keras.layers.AveragePooling2D(2)(np.ones((1, 4, 6, 3))).shape
        (1, 2, 3, 3)
    """

    rank = 2


@arguments_of(MaxPooling2D, VOLUMES)
class AveragePooling3D(_AveragePooling):
    """The mean of each window of a volume, padding not counted: `AveragePooling2D` with three
    spatial axes.

    Example:
        >>> keras.layers.AveragePooling3D(2)(np.ones((1, 4, 4, 6, 3))).shape
        (1, 2, 2, 3, 3)
    """

    rank = 3


class _GlobalPooling(Layer):
    """Base of pooling over all spatial axes."""

    rank: int

    def __init__(
        self, data_format: str | None = None, keepdims: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.data_format = _data_format(data_format)
        self.keepdims = bool(keepdims)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    @property
    def _axes(self) -> tuple[int, ...]:
        first = 1 if self.data_format == "channels_last" else 2
        return tuple(range(first, first + self.rank))


class _GlobalMax(_GlobalPooling):
    def call(self, inputs: Any) -> Any:
        return ops.max(inputs, axis=self._axes, keepdims=self.keepdims)


class _GlobalAverage(_GlobalPooling):
    def call(self, inputs: Any) -> Any:
        return ops.mean(inputs, axis=self._axes, keepdims=self.keepdims)


class GlobalMaxPooling1D(_GlobalMax):
    """The largest value over time.

    Args:
        data_format: "channels_last" or "channels_first"; None: as configured.
        keepdims: keep the time axis, with length 1.
        kwargs: what every `Layer` takes.

    Input shape: (batch, time, channels), or channels second.  Output shape: (batch, channels).

    Example:
        >>> keras.layers.GlobalMaxPooling1D()(np.array([[[1.0, 8.0], [3.0, 6.0]]]))
        Array([[3., 8.]], dtype=float32)
    """

    rank = 1


class GlobalMaxPooling2D(_GlobalMax):
    """The largest value of each channel of an image.

    Args:
        data_format: "channels_last" or "channels_first"; None: as configured.
        keepdims: keep the spatial axes, with length 1.
        kwargs: what every `Layer` takes.

    Input shape: (batch, height, width, channels), or channels second.  Output shape: (batch,
    channels).

    Example:
        >>> keras.layers.GlobalMaxPooling2D()(np.ones((2, 4, 4, 3))).shape
        (2, 3)
    """

    rank = 2


@arguments_of(GlobalMaxPooling2D)
class GlobalMaxPooling3D(_GlobalMax):
    """The largest value of each channel of a volume: `GlobalMaxPooling2D` with three spatial
    axes.

    Example:
        >>> keras.layers.GlobalMaxPooling3D()(np.ones((2, 4, 4, 4, 3))).shape
        (2, 3)
    """

    rank = 3


class GlobalAveragePooling1D(_GlobalAverage):
    """The mean over time, over the unmasked steps where there is a mask.

    Args:
        data_format: "channels_last" or "channels_first"; None: as configured.
        keepdims: keep the time axis, with length 1.
        kwargs: what every `Layer` takes.

    Input shape: (batch, time, channels), or channels second; mask (batch, time).  Output shape:
    (batch, channels).

    Example:
        >>> keras.layers.GlobalAveragePooling1D()(np.array([[[1.0, 2.0], [3.0, 6.0]]]))
        Array([[2., 4.]], dtype=float32)
    """

    rank = 1

    def __init__(
        self, data_format: str | None = None, keepdims: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(data_format, keepdims, **kwargs)
        self.supports_masking = True

    def call(self, inputs: Any, mask: Any = None) -> Any:
        if mask is None:
            return super().call(inputs)
        (time,) = self._axes
        present = ops.expand_dims(ops.cast(mask, "bool"), 3 - time)
        kept = ops.where(present, inputs, ops.zeros_like(inputs))
        count = ops.sum(ops.cast(present, inputs.dtype), axis=time, keepdims=self.keepdims)
        return ops.divide(ops.sum(kept, axis=time, keepdims=self.keepdims), count)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        return None


@arguments_of(GlobalMaxPooling2D)
class GlobalAveragePooling2D(_GlobalAverage):
    """The mean of each channel of an image; arguments and shapes of `GlobalMaxPooling2D`.

    Example:
        >>> keras.layers.GlobalAveragePooling2D()(np.ones((2, 4, 4, 3))).shape
        (2, 3)
    """

    rank = 2


@arguments_of(GlobalMaxPooling2D)
class GlobalAveragePooling3D(_GlobalAverage):
    """The mean of each channel of a volume: `GlobalAveragePooling2D` with three spatial axes.

    Example:
        >>> keras.layers.GlobalAveragePooling3D(keepdims=True)(np.ones((2, 4, 4, 4, 3))).shape
        (2, 1, 1, 1, 3)
    """

    rank = 3


class _AdaptivePooling(Layer):
    """Base of pooling over windows that are chosen such that the output has a given size."""

    rank: int

    def __init__(self, output_size: Any, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        several = isinstance(output_size, (tuple, list)) and len(output_size) == self.rank
        if not is_int(output_size) and not several:
            raise TypeError(
                f"{type(self).__name__}: output_size must be an integer or {self.rank} of them, "
                f"got {output_size!r}"
            )
        self.output_size = ints(self, "output_size", output_size, self.rank)
        self.data_format = _data_format(data_format)
        self.input_spec = InputSpec(ndim=self.rank + 2)


class _AdaptiveMax(_AdaptivePooling):
    def call(self, inputs: Any) -> Any:
        return ops.adaptive_max_pool(inputs, self.output_size, self.data_format)


class _AdaptiveAverage(_AdaptivePooling):
    def call(self, inputs: Any) -> Any:
        return ops.adaptive_average_pool(inputs, self.output_size, self.data_format)


class AdaptiveMaxPooling2D(_AdaptiveMax):
    """The largest value of each of k windows along an axis of length n, of which the i-th goes from
    ⌊i n / k⌋ to ⌈(i + 1) n / k⌉.

    Args:
        output_size: k, int or (height, width).
        data_format: "channels_last" or "channels_first"; None: as configured.
        kwargs: what every `Layer` takes.

    Input shape: (batch, height, width, channels), or channels second.  Output shape: height and
    width become `output_size`.

    Example:
        >>> keras.layers.AdaptiveMaxPooling2D((2, 3))(np.ones((1, 7, 5, 4))).shape
        (1, 2, 3, 4)
    """

    rank = 2


@arguments_of(AdaptiveMaxPooling2D)
class AdaptiveMaxPooling1D(_AdaptiveMax):
    """`AdaptiveMaxPooling2D` of a sequence.

    Input shape: (batch, time, channels), or channels second.  Output shape: time becomes
    `output_size`.

    Example:
        >>> keras.layers.AdaptiveMaxPooling1D(2)(np.ones((1, 5, 3))).shape
        (1, 2, 3)
    """

    rank = 1


@arguments_of(AdaptiveMaxPooling2D, VOLUMES)
class AdaptiveMaxPooling3D(_AdaptiveMax):
    """`AdaptiveMaxPooling2D` with three spatial axes.

    Example:
        >>> keras.layers.AdaptiveMaxPooling3D(2)(np.ones((1, 4, 5, 6, 3))).shape
        (1, 2, 2, 2, 3)
    """

    rank = 3


@arguments_of(AdaptiveMaxPooling2D)
class AdaptiveAveragePooling1D(_AdaptiveAverage):
    """The mean of each of `output_size` windows of a sequence; arguments, windows and shapes of
    `AdaptiveMaxPooling1D`.

    Example:
        >>> keras.layers.AdaptiveAveragePooling1D(2)(np.arange(4.0).reshape(1, 4, 1)).shape
        (1, 2, 1)
    """

    rank = 1


@arguments_of(AdaptiveMaxPooling2D)
class AdaptiveAveragePooling2D(_AdaptiveAverage):
    """The mean of each of `output_size` windows of an image; arguments, windows and shapes of
    `AdaptiveMaxPooling2D`.

    Example:
        >>> keras.layers.AdaptiveAveragePooling2D((2, 3))(np.ones((1, 7, 5, 4))).shape
        (1, 2, 3, 4)
    """

    rank = 2


@arguments_of(AdaptiveMaxPooling2D, VOLUMES)
class AdaptiveAveragePooling3D(_AdaptiveAverage):
    """The mean of each of `output_size` windows of a volume: `AdaptiveAveragePooling2D` with three
    spatial axes.

    Example:
        >>> keras.layers.AdaptiveAveragePooling3D(2)(np.ones((1, 4, 5, 6, 3))).shape
        (1, 2, 2, 2, 3)
    """

    rank = 3


# Keras's other names for the same classes.
AvgPool1D = AveragePooling1D
AvgPool2D = AveragePooling2D
AvgPool3D = AveragePooling3D
GlobalAvgPool1D = GlobalAveragePooling1D
GlobalAvgPool2D = GlobalAveragePooling2D
GlobalAvgPool3D = GlobalAveragePooling3D
GlobalMaxPool1D = GlobalMaxPooling1D
GlobalMaxPool2D = GlobalMaxPooling2D
GlobalMaxPool3D = GlobalMaxPooling3D
MaxPool1D = MaxPooling1D
MaxPool2D = MaxPooling2D
MaxPool3D = MaxPooling3D

__all__ = [
    "AdaptiveAveragePooling1D", "AdaptiveAveragePooling2D", "AdaptiveAveragePooling3D",
    "AdaptiveMaxPooling1D", "AdaptiveMaxPooling2D", "AdaptiveMaxPooling3D", "AveragePooling1D",
    "AveragePooling2D", "AveragePooling3D", "AvgPool1D", "AvgPool2D", "AvgPool3D",
    "GlobalAveragePooling1D", "GlobalAveragePooling2D", "GlobalAveragePooling3D", "GlobalAvgPool1D",
    "GlobalAvgPool2D", "GlobalAvgPool3D", "GlobalMaxPool1D", "GlobalMaxPool2D", "GlobalMaxPool3D",
    "GlobalMaxPooling1D", "GlobalMaxPooling2D", "GlobalMaxPooling3D", "MaxPool1D", "MaxPool2D",
    "MaxPool3D", "MaxPooling1D", "MaxPooling2D", "MaxPooling3D",
]  # fmt: skip
