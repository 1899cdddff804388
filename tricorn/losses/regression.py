"""Losses of regression.  Functions give values per sample: the mean over the last axis."""

from __future__ import annotations

import math
from typing import Any

from tricorn import config, ops
from tricorn.losses.base import LossFunctionWrapper, to_pair


def mean_squared_error(y_true: Any, y_pred: Any) -> Any:
    """mean((y_true - y_pred)²).

    Args:
        y_true, y_pred: (batch, ..., d).

    Returns:
        (batch, ...).

    Example:
        >>> keras.losses.mean_squared_error([[1.0, 2.0]], [[1.0, 5.0]])
        Array([4.5], dtype=float32)
    """
    y_true, y_pred = to_pair(y_true, y_pred)
    return ops.mean(ops.square(y_true - y_pred), axis=-1)


def mean_absolute_error(y_true: Any, y_pred: Any) -> Any:
    """mean(|y_true - y_pred|).

    Args:
        y_true, y_pred: (batch, ..., d).

    Returns:
        (batch, ...).

    Example:
        >>> keras.losses.mean_absolute_error([[1.0, 2.0]], [[1.0, 5.0]])
        Array([1.5], dtype=float32)
    """
    y_true, y_pred = to_pair(y_true, y_pred)
    return ops.mean(ops.abs(y_true - y_pred), axis=-1)


def mean_absolute_percentage_error(y_true: Any, y_pred: Any) -> Any:
    """100 · mean(|y_true - y_pred| / max(|y_true|, ε)).

    Args:
        y_true, y_pred: (batch, ..., d).

    Returns:
        (batch, ...), in percent.

    Example:
        >>> keras.losses.mean_absolute_percentage_error([[1.0, 2.0]], [[1.0, 3.0]])
        Array([25.], dtype=float32)
    """
    y_true, y_pred = to_pair(y_true, y_pred)
    scale = ops.maximum(ops.abs(y_true), config.epsilon())
    return 100.0 * ops.mean(ops.abs((y_true - y_pred) / scale), axis=-1)


def mean_squared_logarithmic_error(y_true: Any, y_pred: Any) -> Any:
    """mean((ln(y_true + 1) - ln(y_pred + 1))²), both first raised to at least ε.

    Args:
        y_true, y_pred: (batch, ..., d).

    Returns:
        (batch, ...).

    Example:
        >>> keras.losses.mean_squared_logarithmic_error([[1.0, 2.0]], [[1.0, 5.0]])
        Array([0.2402265], dtype=float32)
    """
    logarithms = [ops.log(ops.maximum(y, config.epsilon()) + 1.0) for y in to_pair(y_true, y_pred)]
    return ops.mean(ops.square(logarithms[0] - logarithms[1]), axis=-1)


def cosine_similarity(y_true: Any, y_pred: Any, axis: int = -1) -> Any:
    """-cos(angle between y_true and y_pred): -1 for the same direction, 1 for opposite ones.

    Args:
        y_true, y_pred: (batch, ..., d).
        axis: of the vectors.

    Returns:
        (batch, ...).

    Example:
        >>> keras.losses.cosine_similarity([[1.0, 0.0]], [[3.0, 4.0]])
        Array([-0.6], dtype=float32)
    """
    y_true, y_pred = to_pair(y_true, y_pred)
    return -ops.sum(ops.normalize(y_true, axis) * ops.normalize(y_pred, axis), axis=axis)


def huber(y_true: Any, y_pred: Any, delta: float = 1.0) -> Any:
    """mean(e²/2 where |e| ≤ δ, else δ|e| - δ²/2), e = y_pred - y_true.

    Args:
        y_true, y_pred: (batch, ..., d).
        delta: δ, where the parabola goes over into a line.

    Returns:
        (batch, ...).

    Source: Huber, 1964, "Robust estimation of a location parameter".

    Example:
        >>> keras.losses.huber([[0.0, 0.0]], [[0.5, 3.0]])
        Array([1.3125], dtype=float32)
    """
    y_true, y_pred = to_pair(y_true, y_pred)
    error = y_pred - y_true
    size = ops.abs(error)
    line = delta * size - 0.5 * delta**2
    return ops.mean(ops.where(size <= delta, 0.5 * ops.square(error), line), axis=-1)


def log_cosh(y_true: Any, y_pred: Any) -> Any:
    """mean(ln cosh(y_pred - y_true)).

    Args:
        y_true, y_pred: (batch, ..., d).

    Returns:
        (batch, ...).

    Example:
        >>> keras.losses.log_cosh([[0.0, 0.0]], [[1.0, 0.0]])
        Array([0.2168904], dtype=float32)
    """
    y_true, y_pred = to_pair(y_true, y_pred)
    error = y_pred - y_true
    return ops.mean(error + ops.softplus(-2.0 * error) - math.log(2.0), axis=-1)


class MeanSquaredError(LossFunctionWrapper):
    """mean((y_true - y_pred)²).

    Args:
        reduction, name, dtype: see `Loss`.

    Input: y_true, y_pred of one shape (batch, ..., d). Losses of shape (batch, ...), before
    `reduction`.

    Example:
        >>> keras.losses.MeanSquaredError()(np.array([[1.0, 2.0]]), np.array([[1.0, 5.0]]))
        Array(4.5, dtype=float32)
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "mean_squared_error",
        dtype: Any = None,
    ) -> None:
        super().__init__(mean_squared_error, reduction, name, dtype)


class MeanAbsoluteError(LossFunctionWrapper):
    """mean(|y_true - y_pred|).

    Args:
        reduction, name, dtype: see `Loss`.

    Input: y_true, y_pred of one shape (batch, ..., d). Losses of shape (batch, ...), before
    `reduction`.

    Example:
        >>> keras.losses.MeanAbsoluteError()(np.array([[1.0, 2.0]]), np.array([[1.0, 5.0]]))
        Array(1.5, dtype=float32)
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "mean_absolute_error",
        dtype: Any = None,
    ) -> None:
        super().__init__(mean_absolute_error, reduction, name, dtype)


class MeanAbsolutePercentageError(LossFunctionWrapper):
    """100 · mean(|y_true - y_pred| / |y_true|).

    Args:
        reduction, name, dtype: see `Loss`.

    Input: y_true, y_pred of one shape (batch, ..., d). Losses of shape (batch, ...), before
    `reduction`.

    Example:
        >>> loss = keras.losses.MeanAbsolutePercentageError()
        >>> loss(np.array([[1.0, 2.0]]), np.array([[1.0, 3.0]]))
        Array(25., dtype=float32)
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "mean_absolute_percentage_error",
        dtype: Any = None,
    ) -> None:
        super().__init__(mean_absolute_percentage_error, reduction, name, dtype)


class MeanSquaredLogarithmicError(LossFunctionWrapper):
    """mean((ln(y_true + 1) - ln(y_pred + 1))²).

    Args:
        reduction, name, dtype: see `Loss`.

    Input: y_true, y_pred of one shape (batch, ..., d). Losses of shape (batch, ...), before
    `reduction`.

    Example:
        >>> loss = keras.losses.MeanSquaredLogarithmicError()
        >>> loss(np.array([[1.0, 2.0]]), np.array([[1.0, 5.0]]))
        Array(0.2402265, dtype=float32)
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "mean_squared_logarithmic_error",
        dtype: Any = None,
    ) -> None:
        super().__init__(mean_squared_logarithmic_error, reduction, name, dtype)


class CosineSimilarity(LossFunctionWrapper):
    """-cos(angle between y_true and y_pred).

    Args:
        axis: of the vectors.
        reduction, name, dtype: see `Loss`.

    Example:
        >>> keras.losses.CosineSimilarity()(np.array([[1.0, 0.0]]), np.array([[3.0, 4.0]]))
        Array(-0.6, dtype=float32)
    """

    def __init__(
        self,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "cosine_similarity",
        dtype: Any = None,
    ) -> None:
        super().__init__(cosine_similarity, reduction, name, dtype, axis=axis)


class Huber(LossFunctionWrapper):
    """e²/2 near 0, a line beyond δ.

    Args:
        delta: δ.
        reduction, name, dtype: see `Loss`.

    Input: y_true, y_pred of one shape (batch, ..., d). Losses of shape (batch, ...), before
    `reduction`.

    Example:
        >>> keras.losses.Huber(delta=1.0)(np.array([[0.0, 0.0]]), np.array([[0.5, 3.0]]))
        Array(1.3125, dtype=float32)
    """

    def __init__(
        self,
        delta: float = 1.0,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "huber_loss",
        dtype: Any = None,
    ) -> None:
        super().__init__(huber, reduction, name, dtype, delta=delta)


class LogCosh(LossFunctionWrapper):
    """mean(ln cosh(y_pred - y_true)).

    Args:
        reduction, name, dtype: see `Loss`.

    Input: y_true, y_pred of one shape (batch, ..., d). Losses of shape (batch, ...), before
    `reduction`.

    Example:
        >>> keras.losses.LogCosh()(np.array([[0.0, 0.0]]), np.array([[1.0, 0.0]]))
        Array(0.2168904, dtype=float32)
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "log_cosh",
        dtype: Any = None,
    ) -> None:
        super().__init__(log_cosh, reduction, name, dtype)


__all__ = [
    "CosineSimilarity", "Huber", "LogCosh", "MeanAbsoluteError", "MeanAbsolutePercentageError",
    "MeanSquaredError", "MeanSquaredLogarithmicError", "cosine_similarity", "huber", "log_cosh",
    "mean_absolute_error", "mean_absolute_percentage_error", "mean_squared_error",
    "mean_squared_logarithmic_error",
]  # fmt: skip
