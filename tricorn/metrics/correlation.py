"""How much of the targets' variation the predictions explain."""

from __future__ import annotations

from typing import Any

from tricorn import config, ops
from tricorn.checks import integer
from tricorn.losses.base import to_pair
from tricorn.metrics.base import MeanMetricWrapper, Metric


def pearson_correlation(y_true: Any, y_pred: Any, axis: int = -1) -> Any:
    """cov(y_true, y_pred) / (σ(y_true) σ(y_pred)).

    Args:
        y_true, y_pred: (batch, ..., d).
        axis: that the moments run over.

    Returns:
        (batch, ...).

    Example:
        >>> keras.metrics.pearson_correlation([[1.0, 2.0, 3.0]], [[1.0, 2.0, 4.0]])
        Array([0.9819803], dtype=float32)
    """
    centred = [y - ops.mean(y, axis=axis, keepdims=True) for y in to_pair(y_true, y_pred)]
    x, y = (c / ops.std(c, axis=axis, keepdims=True) for c in centred)
    return ops.mean(x * y, axis=axis)


def concordance_correlation(y_true: Any, y_pred: Any, axis: int = -1) -> Any:
    """2 cov(y_true, y_pred) / (σ²(y_true) + σ²(y_pred) + (difference of the means)² + ε).

    Args:
        y_true, y_pred: (batch, ..., d).
        axis: that the moments run over.

    Returns:
        (batch, ...).

    Source: Lin, 1989, "A concordance correlation coefficient to evaluate reproducibility".

    Example:
        >>> keras.metrics.concordance_correlation([[1.0, 2.0, 3.0]], [[1.0, 2.0, 4.0]])
        Array([0.85714287], dtype=float32)
    """
    y_true, y_pred = to_pair(y_true, y_pred)
    true_mean, pred_mean = (ops.mean(y, axis=axis, keepdims=True) for y in (y_true, y_pred))
    centred = (y_true - true_mean, y_pred - pred_mean)
    spread = [ops.var(c, axis=axis, keepdims=True) for c in centred]
    total = spread[0] + spread[1] + ops.square(true_mean - pred_mean) + config.epsilon()
    products = (y_true - pred_mean) * (y_pred - pred_mean)
    return ops.mean(2.0 * products / total, axis=axis)


class PearsonCorrelation(MeanMetricWrapper):
    """Pearson's correlation coefficient, averaged over samples.

    Args:
        name, dtype: see `Metric`.
        axis: that the moments run over.

    Example:
        >>> metric = keras.metrics.PearsonCorrelation()
        >>> metric.update_state([[1.0, 2.0, 3.0]], [[1.0, 2.0, 4.0]])
        >>> metric.result()
        Array(0.9819804, dtype=float32)
    """

    _direction = "up"

    def __init__(
        self, name: str | None = "pearson_correlation", dtype: Any = None, axis: int = -1
    ) -> None:
        super().__init__(pearson_correlation, name, dtype, axis=axis)


class ConcordanceCorrelation(MeanMetricWrapper):
    """Lin's concordance correlation coefficient, averaged over samples.

    Args:
        name, dtype: see `Metric`.
        axis: that the moments run over.

    Example:
        >>> metric = keras.metrics.ConcordanceCorrelation()
        >>> metric.update_state([[1.0, 2.0, 3.0]], [[1.0, 2.0, 4.0]])
        >>> metric.result()
        Array(0.85714275, dtype=float32)
    """

    _direction = "up"

    def __init__(
        self, name: str | None = "concordance_correlation", dtype: Any = None, axis: int = -1
    ) -> None:
        super().__init__(concordance_correlation, name, dtype, axis=axis)


class R2Score(Metric):
    """1 - Σ(y_true - y_pred)² / Σ(y_true - mean)², the coefficient of determination.

    Args:
        class_aggregation: over outputs: ``"uniform_average"``, ``"variance_weighted_average"``,
            or None: a score for each.
        num_regressors: p > 0 gives the adjusted score 1 - (1 - R²)(n - 1) / (n - p - 1), where n
            counts entries and is more than p + 1.
        name, dtype: see `Metric`.

    Input: y_true, y_pred of shape (batch, outputs). Result: scalar, or of shape (outputs,).

    Example:
        >>> metric = keras.metrics.R2Score()
        >>> metric.update_state(np.array([[1.0], [4.0], [3.0]]), np.array([[2.0], [4.0], [4.0]]))
        >>> metric.result()
        Array(0.57142854, dtype=float32)
    """

    _direction = "up"

    def __init__(
        self,
        class_aggregation: str | None = "uniform_average",
        num_regressors: int = 0,
        name: str | None = "r2_score",
        dtype: Any = None,
    ) -> None:
        super().__init__(dtype, name)
        if class_aggregation not in (None, "uniform_average", "variance_weighted_average"):
            raise ValueError(
                "class_aggregation must be 'uniform_average', 'variance_weighted_average' or None, "
                f"got {class_aggregation!r}"
            )
        self.class_aggregation = class_aggregation
        self.num_regressors = integer(self, "num_regressors", num_regressors, 0)
        self.num_samples = self.add_variable((), "zeros", name="num_samples")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take a batch in.

        Args:
            y_true, y_pred: (batch, outputs).
            sample_weight: (batch,) or (batch, outputs).
        """
        y_true, y_pred = to_pair(y_true, ops.cast(y_pred, self.dtype))
        if len(y_true.shape) != 2 or len(y_pred.shape) != 2:
            raise ValueError(
                "R2Score needs targets and predictions (batch, outputs), got the shapes "
                f"{tuple(y_true.shape)} and {tuple(y_pred.shape)}"
            )
        if len(self.variables) == 1:
            for name in ("squared_sum", "sum", "residual", "count"):
                setattr(self, name, self.add_variable((y_pred.shape[-1],), "zeros", name=name))
        weight = ops.cast(1.0 if sample_weight is None else sample_weight, self.dtype)
        if len(weight.shape) == 1:
            weight = ops.expand_dims(weight, 1)
        weight = ops.broadcast_to(weight, ops.shape(y_true))
        parts = {
            "squared_sum": ops.square(y_true), "sum": y_true,
            "residual": ops.square(y_true - y_pred), "count": ops.ones_like(y_true),
        }  # fmt: skip
        for name, part in parts.items():
            getattr(self, name).assign_add(ops.sum(part * weight, axis=0))
        self.num_samples.assign_add(ops.cast(ops.size(y_true), self.num_samples.dtype))

    def result(self) -> Any:
        squares, total, residual, count = (
            getattr(self, name).value for name in ("squared_sum", "sum", "residual", "count")
        )
        spread = squares - total * (total / count)
        scores = 1.0 - residual / spread
        scores = ops.where(ops.isinf(scores), ops.zeros_like(scores), scores)
        if self.class_aggregation == "uniform_average":
            scores = ops.mean(scores)
        elif self.class_aggregation == "variance_weighted_average":
            scores = ops.sum(spread * scores) / ops.sum(spread)
        if not self.num_regressors:
            return scores
        n, free = self.num_samples.value, self.num_samples.value - self.num_regressors - 1.0
        adjusted = 1.0 - (1.0 - scores) * (n - 1.0) / ops.where(free > 0.0, free, ops.ones_like(n))
        return ops.where(free > 0.0, adjusted, scores)
