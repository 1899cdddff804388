"""Layers that prepare numbers: Rescaling, Normalization, Discretization."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from tricorn import config, dtype_policies, dtypes, ops
from tricorn.checks import wrong
from tricorn.graph.scope import library_code
from tricorn.layers.arguments import is_int, positive
from tricorn.layers.preprocessing import base
from tricorn.layers.preprocessing.base import DataLayer
from tricorn.layers.preprocessing.categories import vectors


class Rescaling(DataLayer):
    """``x · scale + offset``

    Args:
        scale, offset: numbers, or one for each channel.
        kwargs: what every `Layer` takes.

    Input shape: any; integers become floats.  Output shape: the same.

    Example:
        >>> keras.layers.Rescaling(1 / 127.5, offset=-1)(np.array([0.0, 127.5, 255.0]))
        Array([-1.,  0.,  1.], dtype=float32)
    """

    def __init__(self, scale: Any, offset: Any = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scale, self.offset = scale, offset
        self.supports_masking = True

    def call(self, inputs: Any) -> Any:
        dtype = self.compute_dtype
        scale = np.asarray(self.scale, dtypes.to_numpy(dtype))
        offset = np.asarray(self.offset, dtypes.to_numpy(dtype))
        if scale.ndim and config.image_data_format() == "channels_first":
            scale = scale.reshape(*scale.shape, *(1,) * (3 - scale.ndim))
        return ops.add(ops.multiply(ops.cast(inputs, dtype), scale), offset)


class Normalization(DataLayer):
    """``(x - mean) / √variance`` with fixed statistics.

    Args:
        axis: the axis (or axes) with statistics of their own; None: one mean for all.
        mean, variance: the statistics; None: `adapt` takes them from data.
        invert: ``x · √variance + mean`` instead.
        kwargs: what every `Layer` takes.

    Weights without `mean`, not trainable: mean, variance (sizes of `axis`), count ().

    Input shape: any whose sizes along `axis` are known.  Output shape: the same.

    Example:
        >>> layer = keras.layers.Normalization()
        >>> layer.adapt(np.array([[1.0], [3.0]]))
        >>> layer(np.array([[2.0], [3.0]]))
        Array([[0.],
               [1.]], dtype=float32)
    """

    def __init__(
        self,
        axis: Any = -1,
        mean: Any = None,
        variance: Any = None,
        invert: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if (mean is None) != (variance is None) or np.shape(mean) != np.shape(variance):
            raise ValueError(
                "Normalization: mean and variance go together, with equal shapes; got "
                f"mean={mean!r}, variance={variance!r}"
            )
        self.axis = tuple(axis) if isinstance(axis, (list, tuple)) else (axis,)
        self.axis = () if axis is None else self.axis
        if not all(map(is_int, self.axis)):
            raise wrong(self, "axis", "an integer, several, or None", axis)
        self.invert = bool(invert)
        self._given = None if mean is None else (np.asarray(mean), np.asarray(variance))
        self.supports_masking = True

    def build(self, input_shape: tuple) -> None:
        rank = len(input_shape)
        if any(not -rank <= axis < rank for axis in self.axis):
            raise ValueError(f"the layer {self.name!r}: no axis {self.axis} in rank {rank}")
        self._kept = tuple(sorted(axis % rank for axis in self.axis))
        sizes = tuple(input_shape[axis] for axis in self._kept)
        if None in sizes:
            raise ValueError(
                f"the layer {self.name!r} needs known sizes along axis {self.axis}, got the input "
                f"shape {tuple(input_shape)}"
            )
        if self._given is not None:
            return
        self.adapt_mean = self.add_weight(sizes, "zeros", trainable=False, name="mean")
        self.adapt_variance = self.add_weight(sizes, "ones", trainable=False, name="variance")
        self.count = self.add_weight((), "zeros", "int32", trainable=False, name="count")

    @library_code
    def adapt(self, data: Any) -> None:
        """Take mean and variance from data.

        Args:
            data: an array (samples, ...), or an iterable of such batches.

        Raises:
            ValueError: when the layer was given its statistics, or there is no data.
        """
        if self._given is not None:
            raise ValueError(f"the layer {self.name!r} was made with a mean; it does not adapt")
        count, total, squares = 0, 0.0, 0.0
        batches = [data] if hasattr(data, "shape") else data
        for batch in batches:
            batch = np.asarray(batch[0] if isinstance(batch, tuple) else batch, np.float64)
            if not self.built:
                self.build(batch.shape)
            reduced = tuple(i for i in range(batch.ndim) if i not in self._kept)
            # sums around the first batch's mean, which keeps their difference exact
            if not count:
                shift = batch.mean(reduced, keepdims=True)
            count += int(np.prod([batch.shape[i] for i in reduced]))
            total = total + (batch - shift).sum(reduced)
            squares = squares + np.square(batch - shift).sum(reduced)
        if not count:
            raise ValueError(f"the layer {self.name!r} cannot adapt to no data")
        mean = total / count
        self.adapt_mean.assign(np.asarray(shift.reshape(np.shape(mean)) + mean))
        self.adapt_variance.assign(np.asarray(squares / count - np.square(mean)))

    def _statistics(self, rank: int) -> list:
        """Mean and variance in a shape that broadcasts with the input."""
        if self._given is None:
            sizes = self.adapt_mean.shape
            pair: tuple = (self.adapt_mean, self.adapt_variance)
        else:
            sizes, pair = self._given[0].shape, self._given
        kept = self._kept[len(self._kept) - len(sizes) :]
        shape = tuple(sizes[kept.index(i)] if i in kept else 1 for i in range(rank))
        return [ops.cast(ops.reshape(value, shape), self.compute_dtype) for value in pair]

    def call(self, inputs: Any) -> Any:
        inputs = ops.cast(inputs, self.compute_dtype)
        mean, variance = self._statistics(len(inputs.shape))
        deviation = ops.maximum(ops.sqrt(variance), config.epsilon())
        if self.invert:
            return ops.add(ops.multiply(inputs, deviation), mean)
        return ops.divide(ops.subtract(inputs, mean), deviation)

    def get_config(self) -> dict[str, Any]:
        settings = super().get_config()
        mean, variance = self._given if self._given is not None else (None, None)
        settings["mean"] = None if mean is None else mean.tolist()
        settings["variance"] = None if variance is None else variance.tolist()
        return settings


def _are_numbers(values: Any) -> bool:
    array = np.asarray(values) if isinstance(values, (list, tuple, np.ndarray)) else None
    return array is not None and array.ndim == 1 and array.dtype.kind in "iuf"


class Discretization(DataLayer):
    """Numbers as the indices of the bins they lie in.

    Bin 0 is everything below the first boundary, bin i begins at boundary i - 1 (included).

    Args:
        bin_boundaries: rising numbers; None: `adapt` finds them.
        num_bins: how many bins `adapt` makes, of about equally many values each.
        epsilon: `adapt` summarises the data with so large an error of the ranks at most.
        output_mode: "int", or "one_hot", "multi_hot", "count" as in `CategoryEncoding`.
        sparse: give sparse tensors, where the engine has such.
        dtype, name: what every `Layer` takes.

    Input shape: any, numbers.  Output: int32 of that shape; in the other modes vectors.

    Raises:
        ValueError: when both or neither of `bin_boundaries` and `num_bins` are given.

    Example:
        >>> keras.layers.Discretization(bin_boundaries=[0.0, 1.0])(np.array([-0.5, 0.5, 3.0]))
        Array([0, 1, 2], dtype=int32)
    """

    def __init__(
        self,
        bin_boundaries: Any = None,
        num_bins: int | None = None,
        epsilon: float = 0.01,
        output_mode: str = "int",
        sparse: bool = False,
        dtype: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        if (bin_boundaries is None) == (num_bins is None):
            raise ValueError(
                "Discretization: give either bin_boundaries, or num_bins and call adapt; got "
                f"bin_boundaries={bin_boundaries!r}, num_bins={num_bins!r}"
            )
        if num_bins is not None:
            positive(self, "num_bins", num_bins)
        self.num_bins, self.epsilon = num_bins, epsilon
        self.output_mode = base.output_mode(self, output_mode)
        self.sparse = base.sparse_result(self, sparse, self.output_mode)
        self._given = bin_boundaries is not None
        if self._given and not _are_numbers(bin_boundaries):
            raise wrong(self, "bin_boundaries", "a list of numbers", bin_boundaries)
        self.bin_boundaries = sorted(map(float, bin_boundaries)) if self._given else None
        self.reset_state()

    def adapt(self, data: Any, steps: int | None = None) -> None:
        """Take the boundaries from data.

        Args:
            data: an array, or a source of batches.
            steps: how many batches to take; None: all.
        """
        if self._given:
            raise ValueError(
                f"the layer {self.name!r} was made with bin_boundaries; it does not adapt"
            )
        self.reset_state()
        batches = [data] if hasattr(data, "shape") else data
        for batch in itertools.islice(batches, steps):
            self.update_state(batch)
        self.finalize_state()

    def reset_state(self) -> None:
        """Forget what `adapt` found."""
        #: values in rising order, and how many of the data's each stands for
        self._summary = np.zeros((2, 0))
        if not self._given:
            self.bin_boundaries = None

    def update_state(self, data: Any) -> None:
        """Add a batch to the summary of the data."""
        values = np.sort(np.asarray(data, np.float32).reshape(-1))
        step = max(len(values) * self.epsilon, 1)
        some = values[int(step) - 1 :: int(step)]
        both = np.hstack([self._summary, np.stack([some, np.full(len(some), step)])])
        self._summary = _compressed(both[:, np.argsort(both[0], kind="stable")], self.epsilon)

    def finalize_state(self) -> None:
        """Make the boundaries of the summary."""
        if not self._given and self._summary.size:
            assert self.num_bins is not None
            found = _compressed(self._summary, 1.0 / self.num_bins)[0, :-1]
            self.bin_boundaries = found.tolist()

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        size = self.num_bins or len(self.bin_boundaries or ()) + 1
        return base.encoded_shape(tuple(input_shape), self.output_mode, size)

    def call(self, inputs: Any) -> Any:
        if self.bin_boundaries is None:
            raise RuntimeError(f"the layer {self.name!r} has no boundaries: call adapt(data) first")
        found = ops.digitize(inputs, np.asarray(self.bin_boundaries, np.float32))
        if self.output_mode == "int":
            return ops.cast(found, "int32")
        size = len(self.bin_boundaries) + 1
        return vectors(found, self.output_mode, size, self.compute_dtype, sparse=self.sparse)

    def get_config(self) -> dict[str, Any]:
        return {
            "bin_boundaries": self.bin_boundaries,
            "num_bins": self.num_bins,
            "epsilon": self.epsilon,
            "output_mode": self.output_mode,
            "sparse": self.sparse,
            "name": self.name,
            "dtype": dtype_policies.at(self.dtype_policy, None).name,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        config = dict(config)
        found, bins = config.get("bin_boundaries"), config.get("num_bins")
        both = found is not None and bins is not None  # `adapt` found them
        made = cls(**{**config, "bin_boundaries": None} if both else config)
        made.bin_boundaries = found if both else made.bin_boundaries
        return made


def _compressed(summary: np.ndarray, epsilon: float) -> np.ndarray:
    """A summary of about 1 / epsilon values, at equal distances of rank."""
    if summary.shape[1] * epsilon < 1:
        return summary
    ranks = summary[1].cumsum()
    share = epsilon + np.arange(0.0, 1.0, epsilon)
    values, ranks = (np.interp(share, ranks / ranks[-1], row) for row in (summary[0], ranks))
    return np.stack([values, np.diff(ranks, prepend=0)]).astype(np.float32)


__all__ = ["Discretization", "Normalization", "Rescaling"]
