"""Losses with a margin.  Labels are -1 or 1; labels 0 and 1 are taken as -1 and 1."""

from __future__ import annotations

from typing import Any

from tricorn import ops
from tricorn.losses.base import LossFunctionWrapper, to_pair


def hinge(y_true: Any, y_pred: Any) -> Any:
    """mean(max(1 - y_true · y_pred, 0)).

    Args:
        y_true, y_pred: (batch, ..., d).

    Returns:
        (batch, ...).

    Example:
        >>> keras.losses.hinge([[-1.0, 1.0]], [[0.5, 0.5]])
        Array([1.], dtype=float32)
    """
    return ops.mean(_margin(y_true, y_pred), axis=-1)


def squared_hinge(y_true: Any, y_pred: Any) -> Any:
    """mean(max(1 - y_true · y_pred, 0)²).

    Args:
        y_true, y_pred: (batch, ..., d).

    Returns:
        (batch, ...).

    Example:
        >>> keras.losses.squared_hinge([[-1.0, 1.0]], [[0.5, 0.5]])
        Array([1.25], dtype=float32)
    """
    return ops.mean(ops.square(_margin(y_true, y_pred)), axis=-1)


def categorical_hinge(y_true: Any, y_pred: Any) -> Any:
    """max(1 + the largest wrong score - the right score, 0).

    Args:
        y_true: one-hot labels (batch, ..., classes).
        y_pred: scores (batch, ..., classes).

    Returns:
        (batch, ...).

    Example:
        >>> keras.losses.categorical_hinge([[0.0, 1.0]], [[0.3, 0.8]])
        Array([0.5], dtype=float32)
    """
    y_true, y_pred = to_pair(y_true, y_pred, fit=False)
    right = ops.sum(y_true * y_pred, axis=-1)
    wrong = ops.max((1.0 - y_true) * y_pred, axis=-1)
    return ops.maximum(wrong - right + 1.0, 0.0)


def _margin(y_true: Any, y_pred: Any) -> Any:
    y_true, y_pred = to_pair(y_true, y_pred, fit=False)
    binary = ops.all(ops.logical_or(ops.equal(y_true, 0.0), ops.equal(y_true, 1.0)))
    return below_margin(ops.where(binary, 2.0 * y_true - 1.0, y_true), y_pred)


def below_margin(y_true: Any, y_pred: Any) -> Any:
    """max(1 - y ŷ, 0), whatever y is."""
    return ops.maximum(1.0 - y_true * y_pred, 0.0)


class Hinge(LossFunctionWrapper):
    """mean(max(1 - y_true · y_pred, 0)).

    Args:
        reduction, name, dtype: see `Loss`.

    Input: y_true, y_pred of one shape (batch, ..., d). Losses of shape (batch, ...), before
    `reduction`.

    Example:
        >>> keras.losses.Hinge()(np.array([[-1.0, 1.0]]), np.array([[0.5, 0.5]]))
        Array(1., dtype=float32)
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "hinge",
        dtype: Any = None,
    ) -> None:
        super().__init__(hinge, reduction, name, dtype)


class SquaredHinge(LossFunctionWrapper):
    """mean(max(1 - y_true · y_pred, 0)²).

    Args:
        reduction, name, dtype: see `Loss`.

    Input: y_true, y_pred of one shape (batch, ..., d). Losses of shape (batch, ...), before
    `reduction`.

    Example:
        >>> keras.losses.SquaredHinge()(np.array([[-1.0, 1.0]]), np.array([[0.5, 0.5]]))
        Array(1.25, dtype=float32)
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "squared_hinge",
        dtype: Any = None,
    ) -> None:
        super().__init__(squared_hinge, reduction, name, dtype)


class CategoricalHinge(LossFunctionWrapper):
    """max(1 + the largest wrong score - the right score, 0).

    Args:
        reduction, name, dtype: see `Loss`.

    Input: y_true, y_pred of one shape (batch, ..., d). Losses of shape (batch, ...), before
    `reduction`.

    Example:
        >>> keras.losses.CategoricalHinge()(np.array([[0.0, 1.0]]), np.array([[0.3, 0.8]]))
        Array(0.5, dtype=float32)
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "categorical_hinge",
        dtype: Any = None,
    ) -> None:
        super().__init__(categorical_hinge, reduction, name, dtype)
