"""Metrics that Keras 1 and 2 had and today's Keras has not, or has otherwise: what is reported is
the mean of batches."""

from __future__ import annotations

from typing import Any

from tricorn import config, ops
from tricorn.losses.hinge import below_margin


def _of_batch(value: Any, y_pred: Any) -> Any:
    """The value for each sample."""
    return ops.broadcast_to(value, ops.shape(y_pred)[:1])


def _count(x: Any) -> Any:
    return ops.sum(ops.round(ops.clip(x, 0.0, 1.0)))


def _hits(y_true: Any, y_pred: Any, among: Any) -> Any:
    """True positives / those among which they are sought."""
    hits = _count(ops.cast(y_true, y_pred.dtype) * y_pred)
    return _of_batch(hits / (_count(ops.cast(among, y_pred.dtype)) + config.epsilon()), y_pred)


def precision(y_true: Any, y_pred: Any) -> Any:
    """True positives / predicted positives; values from 0.5 on are positive.

    Args:
        y_true, y_pred: (batch, ...) of zeros and ones, and of probabilities.

    Returns:
        (batch,), the value of the batch for each sample.

    Example:
        >>> y = np.array([[0.0], [1.0]]), np.array([[0.7], [0.9]])
        >>> float(keras.metrics.legacy.precision(*y)[0])
        0.5
    """
    return _hits(y_true, y_pred, y_pred)


def recall(y_true: Any, y_pred: Any) -> Any:
    """True positives / positives, see `precision`.

    Example:
        >>> y = np.array([[0.0], [1.0]]), np.array([[0.7], [0.9]])
        >>> float(keras.metrics.legacy.recall(*y)[0]) > 0.99
        True
    """
    return _hits(y_true, y_pred, y_true)


def fmeasure(y_true: Any, y_pred: Any) -> Any:
    """2 p r / (p + r) of `precision` p and `recall` r.

    Example:
        >>> y = np.array([[0.0], [1.0]]), np.array([[0.7], [0.9]])
        >>> round(float(keras.metrics.legacy.fmeasure(*y)[0]), 3)
        0.667
    """
    p, r = precision(y_true, y_pred), recall(y_true, y_pred)
    return 2.0 * p * r / (p + r + config.epsilon())


def fbeta_score(y_true: Any, y_pred: Any) -> Any:
    """`fmeasure`: β was 1 where the metric was given by name.

    Example:
        >>> y = np.array([[0.0], [1.0]]), np.array([[0.7], [0.9]])
        >>> round(float(keras.metrics.legacy.fbeta_score(*y)[0]), 3)
        0.667
    """
    return fmeasure(y_true, y_pred)


def matthews_correlation(y_true: Any, y_pred: Any) -> Any:
    """(TP TN - FP FN) / √((TP + FP) (TP + FN) (TN + FP) (TN + FN)), see `precision`.

    Example:
        >>> y = np.array([[0.0], [1.0]]), np.array([[0.2], [0.9]])
        >>> round(float(keras.metrics.legacy.matthews_correlation(*y)[0]), 3)
        1.0
    """
    said, true = (
        ops.round(ops.clip(ops.cast(y, y_pred.dtype), 0.0, 1.0)) for y in (y_pred, y_true)
    )
    hits, rejected = ops.sum(true * said), ops.sum((1.0 - true) * (1.0 - said))
    false, missed = ops.sum((1.0 - true) * said), ops.sum(true * (1.0 - said))
    scale = (hits + false) * (hits + missed) * (rejected + false) * (rejected + missed)
    difference = hits * rejected - false * missed
    return _of_batch(difference / (ops.sqrt(scale) + config.epsilon()), y_pred)


def hinge(y_true: Any, y_pred: Any) -> Any:
    """mean over the last axis of max(1 - y ŷ, 0), whatever y is; a loss, too.

    Args:
        y_true, y_pred: (batch, ..., d).

    Returns:
        (batch, ...).

    Example:
        >>> y = np.array([[0.0, 1.0]])
        >>> float(keras.metrics.legacy.hinge(y, y)[0])
        0.5
    """
    return ops.mean(below_margin(ops.cast(y_true, y_pred.dtype), y_pred), axis=-1)


def squared_hinge(y_true: Any, y_pred: Any) -> Any:
    """mean over the last axis of max(1 - y ŷ, 0)², see `hinge`.

    Example:
        >>> y = np.array([[0.0, 1.0]])
        >>> float(keras.metrics.legacy.squared_hinge(y, y)[0])
        0.5
    """
    return ops.mean(ops.square(below_margin(ops.cast(y_true, y_pred.dtype), y_pred)), axis=-1)


def cosine_proximity(y_true: Any, y_pred: Any) -> Any:
    """-mean over the last axis of y · ŷ, both of length 1; a loss, too.

    Args:
        y_true, y_pred: (batch, ..., d).

    Returns:
        (batch, ...).

    Example:
        >>> y = np.array([[0.0, 1.0]])
        >>> float(keras.metrics.legacy.cosine_proximity(y, y)[0])
        -0.5
    """
    y_true, y_pred = (ops.normalize(ops.cast(y, y_pred.dtype)) for y in (y_true, y_pred))
    return -ops.mean(y_true * y_pred, axis=-1)


__all__ = [
    "cosine_proximity", "fbeta_score", "fmeasure", "hinge", "matthews_correlation", "precision",
    "recall", "squared_hinge",
]  # fmt: skip

__dir__ = lambda: list(__all__)
