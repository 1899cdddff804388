"""Metrics of true and false positives and negatives."""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np

from tricorn import config, limits, ops
from tricorn.checks import choice, integer, number, wrong
from tricorn.losses.base import squeeze_or_expand_to_same_rank
from tricorn.metrics.base import Metric

#: the score of what is not among the top k, and the threshold that lets all others through
_NEVER = -1e10
#: names of the four counts, in the order of `confusion_counts`
_COUNTS = ("true_positives", "false_positives", "true_negatives", "false_negatives")

Thresholds = float | Sequence[float] | None


def parse_thresholds(thresholds: Thresholds, default: float) -> list[float]:
    """Thresholds as a list, each within [0, 1]."""
    if thresholds is None:
        return [default]
    several = isinstance(thresholds, (list, tuple, np.ndarray))
    found: list[Any] = list(thresholds) if several else [thresholds]  # type: ignore[arg-type]
    for threshold in found:
        if not isinstance(threshold, numbers.Real) or not 0 <= float(threshold) <= 1:
            raise ValueError(f"thresholds must be within [0, 1], got {threshold!r} in {found}")
    return found


def is_even(thresholds: Any) -> bool:
    """Whether three or more thresholds divide [0, 1] into equal parts."""
    count = len(thresholds)
    if count < 3:
        return False
    return np.allclose(thresholds, np.linspace(0, 1, count), atol=config.epsilon())


def even_thresholds(count: int) -> list[float]:
    """`count` thresholds from 0 to 1; for one, 1/2."""
    limits.take(f"a metric with {count:,} thresholds", 64 * count)
    return [0.5] if count == 1 else [i / (count - 1) for i in range(count)]


def confusion_counts(
    y_true: Any,
    y_pred: Any,
    thresholds: Sequence[float],
    sample_weight: Any = None,
    top_k: int | None = None,
    class_id: int | None = None,
    per_label: bool = False,
    label_weights: Any = None,
) -> tuple[Any, Any, Any, Any]:
    """Weighted numbers of true positives, false positives, true negatives and false negatives.

    Args:
        y_true: labels, 0 or not, (batch, ..., labels).
        y_pred: scores in [0, 1], of the same shape; positive is what exceeds the threshold.
        thresholds: T of them.
        sample_weight: (batch, ...).
        top_k: only the k largest scores of a sample can be positive.
        class_id: count this label only.
        per_label: keep the labels apart, (batch, labels) input.
        label_weights: (labels,) weights, where they are not kept apart.

    Returns:
        Four tensors of shape (T,), or (T, labels) `per_label`.
    """
    dtype = config.floatx()
    y_true, y_pred = ops.cast(y_true, dtype), ops.cast(y_pred, dtype)
    y_pred, y_true = squeeze_or_expand_to_same_rank(y_pred, y_true)
    shapes = [tuple(y.shape) for y in (y_true, y_pred)]
    if any(None not in (m, n) and m != n for m, n in zip(*shapes)) or len({*map(len, shapes)}) > 1:
        raise ValueError(f"labels and scores must have one shape, got {shapes[0]} and {shapes[1]}")
    weights = _weights(y_true, sample_weight, dtype)
    if top_k is not None:
        y_pred = _only_top_k(y_pred, top_k)
    if class_id is not None:
        if len(y_pred.shape) == 1:
            raise ValueError(f"class_id={class_id} needs scores (batch, labels), got rank 1")
        y_true, y_pred = (y[..., class_id : class_id + 1] for y in (y_true, y_pred))
    if weights is None:
        weights = ops.ones_like(y_pred)
    weights = ops.broadcast_to(weights, ops.shape(y_pred))
    if label_weights is not None:
        weights = weights * ops.cast(np.asarray(label_weights), dtype)
    columns = y_pred.shape[-1] if per_label else 1
    y_true, y_pred, weights = (ops.reshape(x, (-1, columns)) for x in (y_true, y_pred, weights))
    is_true = ops.cast(ops.cast(y_true, "bool"), dtype)
    true, false = is_true * weights, (1.0 - is_true) * weights
    count = _count_buckets if is_even(np.clip(thresholds, 0, 1)) else _count_each
    tp, fp = (count(y_pred, x, thresholds) for x in (true, false))
    tn, fn = ops.sum(false, axis=0) - fp, ops.sum(true, axis=0) - tp
    return tuple(x if per_label else ops.squeeze(x, -1) for x in (tp, fp, tn, fn))  # type: ignore


def _weights(y_true: Any, sample_weight: Any, dtype: str) -> Any:
    if sample_weight is None:
        return None
    weights = ops.expand_dims(ops.cast(sample_weight, dtype), -1)
    return squeeze_or_expand_to_same_rank(y_true, weights, expand_rank_1=False)[1]


def _only_top_k(scores: Any, k: int) -> Any:
    chosen = ops.one_hot(ops.top_k(scores, k)[1], scores.shape[-1], dtype=scores.dtype)
    chosen = ops.sum(chosen, axis=-2)
    return scores * chosen + _NEVER * (1.0 - chosen)


def _count_each(scores: Any, weights: Any, thresholds: Sequence[float]) -> Any:
    """Σ weights where scores exceed each threshold: (N, labels) -> (T, labels)."""
    limits = ops.cast(np.reshape(thresholds, (-1, 1, 1)), scores.dtype)
    positive = ops.greater(ops.expand_dims(scores, 0), limits)
    return ops.sum(ops.where(positive, weights, ops.zeros_like(weights)), axis=1)


def _count_buckets(scores: Any, weights: Any, thresholds: Sequence[float]) -> Any:
    """`_count_each` for thresholds i / (T - 1): one pass over the scores, then running sums.

    A score p exceeds the thresholds i < ⌈p (T - 1)⌉.  Where the first threshold is below 0, every
    score exceeds it.
    """
    count, columns = len(thresholds), weights.shape[-1]
    passed = ops.ceil(ops.clip(scores, 0.0, 1.0) * (count - 1))
    if thresholds[0] < 0:
        passed = ops.maximum(passed, 1.0)
    bucket = ops.cast(passed, "int32") * columns + ops.arange(columns, dtype="int32")
    sums = ops.segment_sum(ops.reshape(weights, (-1,)), ops.reshape(bucket, (-1,)), count * columns)
    above = ops.flip(ops.cumsum(ops.flip(ops.reshape(sums, (count, columns)), 0), axis=0), 0)
    return ops.concatenate([above[1:], ops.zeros_like(above[:1])], axis=0)


class _Confusion(Metric):
    """Base of metrics whose state is some of the four counts, per threshold."""

    #: which counts are kept
    _kept: tuple[str, ...] = _COUNTS
    class_id: int | None = None
    top_k: int | None = None
    _per_label = False
    _label_weights: Any = None

    def _keep(self, shape: tuple[int, ...]) -> None:
        for name in self._kept:
            setattr(self, name, self.add_variable(shape, "zeros", name=name))

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take a batch in.

        Args:
            y_true: labels, 0 or 1, (batch, ..., labels).
            y_pred: scores in [0, 1], of the same shape.
            sample_weight: (batch, ...).
        """
        counts = confusion_counts(
            y_true, y_pred, self._limits(), sample_weight, self.top_k, self.class_id,
            self._per_label, self._label_weights,
        )  # fmt: skip
        for name, count in zip(_COUNTS, counts):
            if name in self._kept:
                getattr(self, name).assign_add(count)

    def _limits(self) -> Sequence[float]:
        return self.thresholds  # type: ignore[attr-defined]

    def _ratio(self, part: str, rest: str) -> Any:
        """part / (part + rest) per threshold, 0 where both are 0."""
        part, rest = getattr(self, part).value, getattr(self, rest).value
        return ops.divide_no_nan(part, ops.add(part, rest))

    def _recalls(self) -> Any:
        return self._ratio("true_positives", "false_negatives")

    def _precisions(self) -> Any:
        return self._ratio("true_positives", "false_positives")

    def _specificities(self) -> Any:
        return self._ratio("true_negatives", "false_positives")


class _Count(_Confusion):
    """Base of the four counts."""

    def __init__(
        self, thresholds: Thresholds = None, name: str | None = None, dtype: Any = None
    ) -> None:
        super().__init__(dtype, name)
        self._given, self.thresholds = thresholds, parse_thresholds(thresholds, 0.5)
        self.accumulator = self.add_variable((len(self.thresholds),), "zeros", name="accumulator")
        setattr(self, self._kept[0], self.accumulator)

    def result(self) -> Any:
        return self.accumulator[0] if len(self.thresholds) == 1 else self.accumulator.value

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "thresholds": self._given}


class TruePositives(_Count):
    """The weighted number of positives that are right.

    Args:
        thresholds: above it a score is positive, default 1/2; a list gives a result for each.
        name, dtype: see `Metric`.

    Input: y_true (0 or 1) and y_pred (in [0, 1]) of one shape (batch, ...). Result: scalar, or of
    shape (thresholds,).

    Example:
        >>> metric = keras.metrics.TruePositives()
        >>> metric.update_state([0, 1, 1, 1], [1, 0, 1, 1])
        >>> metric.result()
        Array(2., dtype=float32)
    """

    _kept = ("true_positives",)


class FalsePositives(_Count):
    """The weighted number of positives that are wrong.

    Args:
        thresholds: above it a score is positive, default 1/2; a list gives a result for each.
        name, dtype: see `Metric`.

    Input: y_true (0 or 1) and y_pred (in [0, 1]) of one shape (batch, ...). Result: scalar, or of
    shape (thresholds,).

    Example:
        >>> metric = keras.metrics.FalsePositives()
        >>> metric.update_state([0, 1, 0, 0], [0, 1, 1, 1])
        >>> metric.result()
        Array(2., dtype=float32)
    """

    _kept = ("false_positives",)


class TrueNegatives(_Count):
    """The weighted number of negatives that are right.

    Args:
        thresholds: above it a score is positive, default 1/2; a list gives a result for each.
        name, dtype: see `Metric`.

    Input: y_true (0 or 1) and y_pred (in [0, 1]) of one shape (batch, ...). Result: scalar, or of
    shape (thresholds,).

    Example:
        >>> metric = keras.metrics.TrueNegatives()
        >>> metric.update_state([0, 1, 0, 0], [0, 1, 1, 0])
        >>> metric.result()
        Array(2., dtype=float32)
    """

    _kept = ("true_negatives",)


class FalseNegatives(_Count):
    """The weighted number of negatives that are wrong.

    Args:
        thresholds: above it a score is positive, default 1/2; a list gives a result for each.
        name, dtype: see `Metric`.

    Input: y_true (0 or 1) and y_pred (in [0, 1]) of one shape (batch, ...). Result: scalar, or of
    shape (thresholds,).

    Example:
        >>> metric = keras.metrics.FalseNegatives()
        >>> metric.update_state([0, 1, 1, 1], [0, 1, 0, 0])
        >>> metric.result()
        Array(2., dtype=float32)
    """

    _kept = ("false_negatives",)


class _Rate(_Confusion):
    """Base of precision and recall."""

    _direction = "up"

    def __init__(
        self,
        thresholds: Thresholds = None,
        top_k: int | None = None,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(dtype, name)
        default = 0.5 if top_k is None else _NEVER
        self._given, self.thresholds = thresholds, parse_thresholds(thresholds, default)
        self.top_k, self.class_id = top_k, class_id
        self._keep((len(self.thresholds),))

    def result(self) -> Any:
        rates = self._ratio(*self._kept)
        return rates[0] if len(self.thresholds) == 1 else rates

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "thresholds": self._given}


class Precision(_Rate):
    """Which part of the positives is right.

    Args:
        thresholds: above it a score is positive, default 1/2 (with `top_k`: none is needed); a
            list gives a result for each.
        top_k: only the k largest scores of a sample can be positive.
        class_id: count this label only.
        name, dtype: see `Metric`.

    Input: y_true (0 or 1) and y_pred (in [0, 1]) of one shape (batch, ...). Result: scalar, or of
    shape (thresholds,).

    Example:
        >>> metric = keras.metrics.Precision()
        >>> metric.update_state([0, 1, 1, 1], [1, 0, 1, 1])
        >>> metric.result()
        Array(0.6666667, dtype=float32)
    """

    _kept = ("true_positives", "false_positives")


class Recall(_Rate):
    """Which part of the true labels is found.

    Args:
        thresholds: above it a score is positive, default 1/2 (with `top_k`: none is needed); a
            list gives a result for each.
        top_k: only the k largest scores of a sample can be positive.
        class_id: count this label only.
        name, dtype: see `Metric`.

    Input: y_true (0 or 1) and y_pred (in [0, 1]) of one shape (batch, ...). Result: scalar, or of
    shape (thresholds,).

    Example:
        >>> metric = keras.metrics.Recall()
        >>> metric.update_state([0, 1, 1, 1], [1, 0, 1, 1])
        >>> metric.result()
        Array(0.6666667, dtype=float32)
    """

    _kept = ("true_positives", "false_negatives")


class _BestAt(_Confusion):
    """Base of: the largest of one rate, among the thresholds where another is high enough."""

    _direction = "up"

    def __init__(
        self, floor: float, argument: str, num_thresholds: int, class_id: int | None,
        name: str | None, dtype: Any,
    ) -> None:  # fmt: skip
        super().__init__(dtype, name)
        setattr(self, argument, number(self, argument, floor, 0, 1))
        num_thresholds = integer(self, "num_thresholds", num_thresholds, 1)
        self._floor, self.num_thresholds, self.class_id = floor, num_thresholds, class_id
        self.thresholds = even_thresholds(num_thresholds)
        self._keep((num_thresholds,))

    def _best(self, wanted: Any, required: Any) -> Any:
        allowed = ops.where(required >= self._floor, wanted, ops.zeros_like(wanted))
        return ops.max(allowed)


class SensitivityAtSpecificity(_BestAt):
    """The largest recall where the specificity, tn / (tn + fp), is at least the given one.

    Args:
        specificity: in [0, 1].
        num_thresholds: evenly from 0 to 1.
        class_id: count this label only.
        name, dtype: see `Metric`.

    Input: y_true (0 or 1) and y_pred (in [0, 1]) of one shape (batch, ...). Result: scalar.

    Example:
        >>> metric = keras.metrics.SensitivityAtSpecificity(specificity=0.5)
        >>> metric.update_state([0, 0, 0, 1, 1], [0, 0.3, 0.8, 0.3, 0.8])
        >>> metric.result()
        Array(0.5, dtype=float32)
    """

    def __init__(
        self, specificity: float, num_thresholds: int = 200, class_id: int | None = None,
        name: str | None = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(specificity, "specificity", num_thresholds, class_id, name, dtype)

    def result(self) -> Any:
        return self._best(self._recalls(), self._specificities())


class SpecificityAtSensitivity(_BestAt):
    """The largest specificity, tn / (tn + fp), where the recall is at least the given one.

    Args:
        sensitivity: in [0, 1].
        num_thresholds: evenly from 0 to 1.
        class_id: count this label only.
        name, dtype: see `Metric`.

    Input: y_true (0 or 1) and y_pred (in [0, 1]) of one shape (batch, ...). Result: scalar.

    Example:
        >>> metric = keras.metrics.SpecificityAtSensitivity(sensitivity=0.5)
        >>> metric.update_state([0, 0, 0, 1, 1], [0, 0.3, 0.8, 0.3, 0.8])
        >>> metric.result()
        Array(0.6666667, dtype=float32)
    """

    def __init__(
        self, sensitivity: float, num_thresholds: int = 200, class_id: int | None = None,
        name: str | None = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(sensitivity, "sensitivity", num_thresholds, class_id, name, dtype)

    def result(self) -> Any:
        return self._best(self._specificities(), self._recalls())


class PrecisionAtRecall(_BestAt):
    """The largest precision where the recall is at least the given one.

    Args:
        recall: in [0, 1].
        num_thresholds: evenly from 0 to 1.
        class_id: count this label only.
        name, dtype: see `Metric`.

    Input: y_true (0 or 1) and y_pred (in [0, 1]) of one shape (batch, ...). Result: scalar.

    Example:
        >>> metric = keras.metrics.PrecisionAtRecall(recall=0.5)
        >>> metric.update_state([0, 0, 0, 1, 1], [0, 0.3, 0.8, 0.3, 0.8])
        >>> metric.result()
        Array(0.5, dtype=float32)
    """

    def __init__(
        self, recall: float, num_thresholds: int = 200, class_id: int | None = None,
        name: str | None = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(recall, "recall", num_thresholds, class_id, name, dtype)

    def result(self) -> Any:
        return self._best(self._precisions(), self._recalls())


class RecallAtPrecision(_BestAt):
    """The largest recall where the precision is at least the given one.

    Args:
        precision: in [0, 1].
        num_thresholds: evenly from 0 to 1.
        class_id: count this label only.
        name, dtype: see `Metric`.

    Input: y_true (0 or 1) and y_pred (in [0, 1]) of one shape (batch, ...). Result: scalar.

    Example:
        >>> metric = keras.metrics.RecallAtPrecision(precision=0.8)
        >>> metric.update_state([0, 0, 1, 1], [0, 0.5, 0.3, 0.9])
        >>> metric.result()
        Array(0.5, dtype=float32)
    """

    def __init__(
        self, precision: float, num_thresholds: int = 200, class_id: int | None = None,
        name: str | None = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(precision, "precision", num_thresholds, class_id, name, dtype)

    def result(self) -> Any:
        return self._best(self._recalls(), self._precisions())


class AUC(_Confusion):
    """The area under a curve that is drawn by the thresholds.

    Args:
        num_thresholds: evenly from 0 to 1.
        curve: ``"ROC"`` (recall over the rate of false positives), ``"PR"`` (precision over
            recall) or ``"PRGAIN"`` (both as gains over always saying yes).
        summation_method: ``"interpolation"`` (trapezia; for PR the curve between two thresholds
            is that of Davis and Goadrich), ``"minoring"`` or ``"majoring"`` (the lower or the
            higher end).
        name, dtype: see `Metric`.
        thresholds: within [0, 1], instead of `num_thresholds`; 0 and 1 are added.
        multi_label: an area for each label, then their mean.
        num_labels: how many, with `multi_label`; None: found at the first batch.
        label_weights: weights of the labels in the mean (or, without `multi_label`, in the
            counts).
        from_logits: scores are logits.

    Source: Davis and Goadrich, 2006, "The relationship between precision-recall and ROC curves";
    Flach and Kull, 2015, "Precision-recall-gain curves".

    Input: y_true (0 or 1) and y_pred (in [0, 1]) of one shape (batch, ...), with `multi_label`
    (batch, labels). Result: scalar.

    Example:
        >>> metric = keras.metrics.AUC()
        >>> metric.update_state([0, 0, 1, 1], [0.1, 0.6, 0.4, 0.9])
        >>> metric.result()
        Array(0.75, dtype=float32)
    """

    _direction = "up"

    def __init__(
        self,
        num_thresholds: int = 200,
        curve: str = "ROC",
        summation_method: str = "interpolation",
        name: str | None = None,
        dtype: Any = None,
        thresholds: Sequence[float] | None = None,
        multi_label: bool = False,
        num_labels: int | None = None,
        label_weights: Sequence[float] | None = None,
        from_logits: bool = False,
    ) -> None:
        super().__init__(dtype, name)
        self.curve = choice(self, "curve", curve, ("ROC", "PR", "PRGAIN"))
        methods = ("interpolation", "minoring", "majoring")
        self.summation_method = choice(self, "summation_method", summation_method, methods)
        if isinstance(thresholds, numbers.Real):
            raise wrong(self, "thresholds", "a list of numbers", thresholds)
        self._given = None if thresholds is None else sorted(parse_thresholds(thresholds, 0.5))
        if self._given is None:
            integer(self, "num_thresholds", num_thresholds, 2)
        inner = even_thresholds(num_thresholds)[1:-1] if self._given is None else self._given
        self.thresholds = [-config.epsilon(), *inner, 1.0 + config.epsilon()]
        self.num_thresholds = len(self.thresholds)
        if num_labels and not multi_label:
            raise ValueError("num_labels is for multi_label=True")
        self.multi_label = self._per_label = multi_label
        self.num_labels, self.label_weights = num_labels, label_weights
        self.from_logits = from_logits
        self._label_weights = None if multi_label else label_weights
        if not multi_label or num_labels:
            self._keep((self.num_thresholds, *((num_labels,) if num_labels else ())))

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        if not self.variables:
            shape = tuple(np.shape(y_pred) if isinstance(y_pred, list) else y_pred.shape)
            if len(shape) != 2:
                raise ValueError(f"multi_label=True needs scores (batch, labels), got {shape}")
            self._keep((self.num_thresholds, shape[1]))
        scores = ops.sigmoid(y_pred) if self.from_logits else y_pred
        super().update_state(y_true, scores, sample_weight)

    def result(self) -> Any:
        if self.curve == "PR" and self.summation_method == "interpolation":
            return self._mean(self._interpolated())
        x, y = {"ROC": self._roc, "PR": self._pr, "PRGAIN": self._gains}[self.curve]()
        left, right = y[:-1], y[1:]
        height = {
            "interpolation": lambda: (left + right) / 2.0,
            "minoring": lambda: ops.minimum(left, right),
            "majoring": lambda: ops.maximum(left, right),
        }[self.summation_method]()
        return self._mean(ops.sum((x[:-1] - x[1:]) * height, axis=0))

    def _mean(self, areas: Any) -> Any:
        if not self.multi_label:
            return areas
        if self.label_weights is None:
            return ops.mean(areas)
        weights = ops.cast(np.asarray(self.label_weights), areas.dtype)
        return ops.divide_no_nan(ops.sum(areas * weights), ops.sum(weights))

    def _roc(self) -> tuple[Any, Any]:
        return self._ratio("false_positives", "true_negatives"), self._recalls()

    def _pr(self) -> tuple[Any, Any]:
        return self._recalls(), self._precisions()

    def _gains(self) -> tuple[Any, Any]:
        tp, fp, tn, fn = (getattr(self, name).value for name in _COUNTS)
        odds = ops.divide_no_nan(tp + fn, tn + fp)
        none = ops.equal(tp, 0.0)
        recall = 1.0 - odds * ops.divide_no_nan(fn, tp)
        precision = 1.0 - odds * ops.divide_no_nan(fp, tp)
        recall = ops.maximum(ops.where(none, ops.zeros_like(recall), recall), 0.0)
        return recall, ops.where(none, ops.ones_like(precision), precision)

    def _interpolated(self) -> Any:
        """The area under PR, with tp and fp between two thresholds on a straight line."""
        tp, fp, _, fn = (getattr(self, name).value for name in _COUNTS)
        positive = tp + fp
        found, said = tp[:-1] - tp[1:], positive[:-1] - positive[1:]
        slope = ops.divide_no_nan(found, ops.maximum(said, 0.0))
        offset = tp[1:] - slope * positive[1:]
        some = ops.logical_and(positive[:-1] > 0.0, positive[1:] > 0.0)
        growth = ops.divide_no_nan(positive[:-1], positive[1:])
        growth = ops.log(ops.where(some, growth, ops.ones_like(growth)))
        area = slope * (found + offset * growth)
        return ops.sum(ops.divide_no_nan(area, tp[1:] + fn[1:]), axis=0)

    def get_config(self) -> dict[str, Any]:
        settings = super().get_config()
        settings.pop("thresholds")
        return settings if self._given is None else {**settings, "thresholds": self._given}


class FBetaScore(_Confusion):
    """(1 + β²) precision · recall / (β² precision + recall), per class or averaged.

    Args:
        average: None: a score for each class; ``"micro"``: of all classes' counts together;
            ``"macro"``: the mean; ``"weighted"``: the mean weighted by the classes' true labels.
        beta: β, how much more recall counts than precision.
        threshold: above it a score is positive; None: the largest score of a sample is.
        name, dtype: see `Metric`.

    Input: y_true, y_pred of shape (batch, classes). Result: of shape (classes,), or scalar if
    averaged.

    Example:
        >>> metric = keras.metrics.FBetaScore(beta=2.0, average="macro")
        >>> metric.update_state([[0, 1], [1, 0]], [[0.2, 0.8], [0.3, 0.7]])
        >>> metric.result()
        Array(0.41666663, dtype=float32)
    """

    _direction = "up"

    def __init__(
        self,
        average: str | None = None,
        beta: float = 1.0,
        threshold: float | None = None,
        name: str | None = "fbeta_score",
        dtype: Any = None,
    ) -> None:
        super().__init__(dtype, name)
        if average is not None:
            choice(self, "average", average, ("micro", "macro", "weighted"))
        for argument, value, most in (("beta", beta, math.inf), ("threshold", threshold, 1)):
            if argument == "beta" or value is not None:
                if not isinstance(value, float):  # as Keras has it: a 2 might be meant for k
                    raise wrong(self, argument, "a float", value)
                number(self, argument, value, most=most, above=0)
        self.average, self.beta, self.threshold = average, beta, threshold

    _kept = ("true_positives", "false_positives", "false_negatives", "intermediate_weights")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take a batch in.

        Args:
            y_true: labels, 0 or 1, (batch, classes).
            y_pred: scores (batch, classes).
            sample_weight: (batch,).
        """
        y_true, y_pred = ops.cast(y_true, self.dtype), ops.cast(y_pred, self.dtype)
        if len(y_true.shape) != 2 or len(y_pred.shape) != 2:
            raise ValueError(
                f"{type(self).__name__} needs labels and scores (batch, classes), got the shapes "
                f"{tuple(y_true.shape)} and {tuple(y_pred.shape)}"
            )
        if not self.variables:
            self._keep(() if self.average == "micro" else (y_pred.shape[-1],))
        if self.threshold is None:
            largest = ops.max(y_pred, axis=-1, keepdims=True)
            positive = ops.logical_and(y_pred >= largest, ops.abs(y_pred) > 1e-9)
        else:
            positive = y_pred > self.threshold
        positive = ops.cast(positive, self.dtype)
        weight = 1.0 if sample_weight is None else ops.cast(sample_weight, self.dtype)[:, None]
        axis = None if self.average == "micro" else 0
        parts = (positive * y_true, positive * (1 - y_true), (1 - positive) * y_true, y_true)
        for name, part in zip(self._kept, parts):
            getattr(self, name).assign_add(ops.sum(part * weight, axis=axis))

    def result(self) -> Any:
        tp, fp, fn, true = (getattr(self, name).value for name in self._kept)
        tiny, square = config.epsilon(), self.beta**2
        precision, recall = tp / (tp + fp + tiny), tp / (tp + fn + tiny)
        scores = (1 + square) * precision * recall / (square * precision + recall + tiny)
        if self.average == "weighted":
            return ops.sum(scores * (true / (ops.sum(true) + tiny)))
        return scores if self.average is None else ops.mean(scores)


class F1Score(FBetaScore):
    """The harmonic mean of precision and recall, per class or averaged.

    Args:
        average, threshold, name, dtype: see `FBetaScore`.

    Input: y_true, y_pred of shape (batch, classes). Result: of shape (classes,), or scalar if
    averaged.

    Example:
        >>> metric = keras.metrics.F1Score(average="macro")
        >>> metric.update_state([[0, 1], [1, 0]], [[0.2, 0.8], [0.3, 0.7]])
        >>> metric.result()
        Array(0.33333328, dtype=float32)
    """

    def __init__(
        self,
        average: str | None = None,
        threshold: float | None = None,
        name: str | None = "f1_score",
        dtype: Any = None,
    ) -> None:
        super().__init__(average, 1.0, threshold, name, dtype)


__all__ = [
    "AUC", "F1Score", "FBetaScore", "FalseNegatives", "FalsePositives", "Precision",
    "PrecisionAtRecall", "Recall", "RecallAtPrecision", "SensitivityAtSpecificity",
    "SpecificityAtSensitivity", "TrueNegatives", "TruePositives",
]  # fmt: skip
