"""Losses as metrics: the weighted mean over everything seen."""

from __future__ import annotations

from typing import Any

from tricorn import losses, ops
from tricorn.losses.base import to_pair
from tricorn.losses.crossentropy import counted
from tricorn.metrics.base import Mean, MeanMetricWrapper


class MeanSquaredError(MeanMetricWrapper):
    """mean((y_true - y_pred)²).

    Args:
        name, dtype: see `Metric`.

    Input: y_true, y_pred of one shape (batch, ..., d). Result: scalar.

    Example:
        >>> metric = keras.metrics.MeanSquaredError()
        >>> metric.update_state([[1.0, 2.0]], [[1.0, 5.0]])
        >>> metric.result()
        Array(4.5, dtype=float32)
    """

    _direction = "down"

    def __init__(self, name: str | None = "mean_squared_error", dtype: Any = None) -> None:
        super().__init__(losses.mean_squared_error, name, dtype)


class RootMeanSquaredError(Mean):
    """√ mean((y_true - y_pred)²).

    Args:
        name, dtype: see `Metric`.

    Input: y_true, y_pred of one shape (batch, ..., d). Result: scalar.

    Example:
        >>> metric = keras.metrics.RootMeanSquaredError()
        >>> metric.update_state([[1.0, 2.0]], [[1.0, 5.0]])
        >>> metric.result()
        Array(2.1213202, dtype=float32)
    """

    _direction = "down"

    def __init__(self, name: str | None = "root_mean_squared_error", dtype: Any = None) -> None:
        super().__init__(name, dtype)

    def update_state(  # type: ignore[override]
        self, y_true: Any, y_pred: Any, sample_weight: Any = None
    ) -> None:
        """Take a batch in.

        Args:
            y_true, y_pred: (batch, ..., d).
            sample_weight: broadcasts to the leading axes.
        """
        y_true, y_pred = to_pair(y_true, ops.cast(y_pred, self.dtype))
        super().update_state(ops.square(y_pred - y_true), sample_weight)

    def result(self) -> Any:
        return ops.sqrt(super().result())


class MeanAbsoluteError(MeanMetricWrapper):
    """mean(|y_true - y_pred|).

    Args:
        name, dtype: see `Metric`.

    Input: y_true, y_pred of one shape (batch, ..., d). Result: scalar.

    Example:
        >>> metric = keras.metrics.MeanAbsoluteError()
        >>> metric.update_state([[1.0, 2.0]], [[1.0, 5.0]])
        >>> metric.result()
        Array(1.5, dtype=float32)
    """

    _direction = "down"

    def __init__(self, name: str | None = "mean_absolute_error", dtype: Any = None) -> None:
        super().__init__(losses.mean_absolute_error, name, dtype)


class MeanAbsolutePercentageError(MeanMetricWrapper):
    """100 · mean(|y_true - y_pred| / |y_true|).

    Args:
        name, dtype: see `Metric`.

    Input: y_true, y_pred of one shape (batch, ..., d). Result: scalar.

    Example:
        >>> metric = keras.metrics.MeanAbsolutePercentageError()
        >>> metric.update_state([[1.0, 2.0]], [[1.0, 3.0]])
        >>> metric.result()
        Array(25., dtype=float32)
    """

    _direction = "down"

    def __init__(
        self, name: str | None = "mean_absolute_percentage_error", dtype: Any = None
    ) -> None:
        super().__init__(losses.mean_absolute_percentage_error, name, dtype)


class MeanSquaredLogarithmicError(MeanMetricWrapper):
    """mean((ln(y_true + 1) - ln(y_pred + 1))²).

    Args:
        name, dtype: see `Metric`.

    Input: y_true, y_pred of one shape (batch, ..., d). Result: scalar.

    Example:
        >>> metric = keras.metrics.MeanSquaredLogarithmicError()
        >>> metric.update_state([[1.0, 2.0]], [[1.0, 5.0]])
        >>> metric.result()
        Array(0.2402265, dtype=float32)
    """

    _direction = "down"

    def __init__(
        self, name: str | None = "mean_squared_logarithmic_error", dtype: Any = None
    ) -> None:
        super().__init__(losses.mean_squared_logarithmic_error, name, dtype)


class LogCoshError(MeanMetricWrapper):
    """mean(ln cosh(y_pred - y_true)).

    Args:
        name, dtype: see `Metric`.

    Input: y_true, y_pred of one shape (batch, ..., d). Result: scalar.

    Example:
        >>> metric = keras.metrics.LogCoshError()
        >>> metric.update_state([[0.0, 0.0]], [[1.0, 0.0]])
        >>> metric.result()
        Array(0.2168904, dtype=float32)
    """

    _direction = "down"

    def __init__(self, name: str | None = "logcosh", dtype: Any = None) -> None:
        super().__init__(losses.log_cosh, name, dtype)


class CosineSimilarity(MeanMetricWrapper):
    """cos(angle between y_true and y_pred); the loss of this name is the negative.

    Args:
        name, dtype: see `Metric`.
        axis: of the vectors.

    Example:
        >>> metric = keras.metrics.CosineSimilarity()
        >>> metric.update_state([[1.0, 0.0]], [[3.0, 4.0]])
        >>> metric.result()
        Array(0.6, dtype=float32)
    """

    _direction = "up"

    def __init__(
        self, name: str | None = "cosine_similarity", dtype: Any = None, axis: int = -1
    ) -> None:
        super().__init__(_cosine, name, dtype, axis=axis)


def _cosine(y_true: Any, y_pred: Any, axis: int = -1) -> Any:
    return -losses.cosine_similarity(y_true, y_pred, axis=axis)


class KLDivergence(MeanMetricWrapper):
    """Σ y_true ln(y_true / y_pred).

    Args:
        name, dtype: see `Metric`.

    Input: y_true, y_pred of one shape (batch, ..., d). Result: scalar.

    Example:
        >>> metric = keras.metrics.KLDivergence()
        >>> metric.update_state([[0.5, 0.5]], [[0.2, 0.8]])
        >>> metric.result()
        Array(0.22314356, dtype=float32)
    """

    _direction = "down"

    def __init__(self, name: str | None = "kl_divergence", dtype: Any = None) -> None:
        super().__init__(losses.kl_divergence, name, dtype)


class Poisson(MeanMetricWrapper):
    """mean(y_pred - y_true ln y_pred).

    Args:
        name, dtype: see `Metric`.

    Input: y_true, y_pred of one shape (batch, ..., d). Result: scalar.

    Example:
        >>> metric = keras.metrics.Poisson()
        >>> metric.update_state([[1.0, 2.0]], [[1.0, 3.0]])
        >>> metric.result()
        Array(0.90138763, dtype=float32)
    """

    _direction = "down"

    def __init__(self, name: str | None = "poisson", dtype: Any = None) -> None:
        super().__init__(losses.poisson, name, dtype)


class BinaryCrossentropy(MeanMetricWrapper):
    """Crossentropy of yes/no labels.

    Args:
        name, dtype: see `Metric`.
        from_logits: predictions are logits, not probabilities.
        label_smoothing: labels are drawn towards 1/2 by this part.

    Input: y_true, y_pred of one shape (batch, ..., d). Result: scalar.

    Example:
        >>> metric = keras.metrics.BinaryCrossentropy()
        >>> metric.update_state([[0.0], [1.0]], [[0.1], [0.8]])
        >>> metric.result()
        Array(0.16425204, dtype=float32)
    """

    _direction = "down"

    def __init__(
        self,
        name: str | None = "binary_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        label_smoothing: float = 0,
    ) -> None:
        super().__init__(
            losses.binary_crossentropy, name, dtype,
            from_logits=from_logits, label_smoothing=label_smoothing,
        )  # fmt: skip


class CategoricalCrossentropy(MeanMetricWrapper):
    """Crossentropy of one-hot labels.

    Args:
        name, dtype: see `Metric`.
        from_logits: predictions are logits, not probabilities.
        label_smoothing: labels are drawn towards the uniform distribution by this part.
        axis: of the classes.

    Example:
        >>> metric = keras.metrics.CategoricalCrossentropy()
        >>> metric.update_state([[0.0, 1.0]], [[0.2, 0.8]])
        >>> metric.result()
        Array(0.22314353, dtype=float32)
    """

    _direction = "down"

    def __init__(
        self,
        name: str | None = "categorical_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        label_smoothing: float = 0,
        axis: int = -1,
    ) -> None:
        super().__init__(
            losses.categorical_crossentropy, name, dtype,
            from_logits=from_logits, label_smoothing=label_smoothing, axis=axis,
        )  # fmt: skip


class SparseCategoricalCrossentropy(MeanMetricWrapper):
    """Crossentropy of class indices.

    Args:
        name, dtype: see `Metric`.
        from_logits: predictions are logits, not probabilities.
        ignore_class: an index whose values are 0, and whose weights, if weights are given, do not
            count.
        axis: of the classes.

    Example:
        >>> metric = keras.metrics.SparseCategoricalCrossentropy()
        >>> metric.update_state([1, 0], [[0.2, 0.8], [0.5, 0.5]])
        >>> metric.result()
        Array(0.45814535, dtype=float32)
    """

    _direction = "down"

    def __init__(
        self,
        name: str | None = "sparse_categorical_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        ignore_class: int | None = None,
        axis: int = -1,
    ) -> None:
        super().__init__(
            losses.sparse_categorical_crossentropy, name, dtype,
            from_logits=from_logits, ignore_class=ignore_class, axis=axis,
        )  # fmt: skip

    ignore_class: int | None
    axis: int

    def valid(self, y_true: Any, y_pred: Any) -> Any:
        if self.ignore_class is None:
            return None
        return counted(y_true, ops.convert_to_tensor(y_pred), self.ignore_class, self.axis)


class Hinge(MeanMetricWrapper):
    """mean(max(1 - y_true · y_pred, 0)).

    Args:
        name, dtype: see `Metric`.

    Input: y_true, y_pred of one shape (batch, ..., d). Result: scalar.

    Example:
        >>> metric = keras.metrics.Hinge()
        >>> metric.update_state([[-1.0, 1.0]], [[0.5, 0.5]])
        >>> metric.result()
        Array(1., dtype=float32)
    """

    _direction = "down"

    def __init__(self, name: str | None = "hinge", dtype: Any = None) -> None:
        super().__init__(losses.hinge, name, dtype)


class SquaredHinge(MeanMetricWrapper):
    """mean(max(1 - y_true · y_pred, 0)²).

    Args:
        name, dtype: see `Metric`.

    Input: y_true, y_pred of one shape (batch, ..., d). Result: scalar.

    Example:
        >>> metric = keras.metrics.SquaredHinge()
        >>> metric.update_state([[-1.0, 1.0]], [[0.5, 0.5]])
        >>> metric.result()
        Array(1.25, dtype=float32)
    """

    _direction = "down"

    def __init__(self, name: str | None = "squared_hinge", dtype: Any = None) -> None:
        super().__init__(losses.squared_hinge, name, dtype)


class CategoricalHinge(MeanMetricWrapper):
    """max(1 + the largest wrong score - the right score, 0).

    Args:
        name, dtype: see `Metric`.

    Input: y_true, y_pred of one shape (batch, ..., d). Result: scalar.

    Example:
        >>> metric = keras.metrics.CategoricalHinge()
        >>> metric.update_state([[0.0, 1.0]], [[0.3, 0.8]])
        >>> metric.result()
        Array(0.5, dtype=float32)
    """

    _direction = "down"

    def __init__(self, name: str | None = "categorical_hinge", dtype: Any = None) -> None:
        super().__init__(losses.categorical_hinge, name, dtype)


__all__ = [
    "BinaryCrossentropy", "CategoricalCrossentropy", "CategoricalHinge", "CosineSimilarity",
    "Hinge", "KLDivergence", "LogCoshError", "MeanAbsoluteError", "MeanAbsolutePercentageError",
    "MeanSquaredError", "MeanSquaredLogarithmicError", "Poisson", "RootMeanSquaredError",
    "SparseCategoricalCrossentropy", "SquaredHinge",
]  # fmt: skip
