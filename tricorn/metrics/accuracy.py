"""How often predictions are right."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tricorn import config, losses, ops
from tricorn.losses.base import squeeze_or_expand_to_same_rank
from tricorn.metrics.base import MeanMetricWrapper


def accuracy(y_true: Any, y_pred: Any) -> Any:
    """1 where y_true = y_pred, else 0.

    Args:
        y_true, y_pred: of one shape.

    Returns:
        That shape, floatx.
    """
    y_pred = ops.convert_to_tensor(y_pred)
    y_true = ops.cast(y_true, y_pred.dtype)
    return _matches(*squeeze_or_expand_to_same_rank(y_true, y_pred))


def binary_accuracy(y_true: Any, y_pred: Any, threshold: float = 0.5) -> Any:
    """1 where y_true = [y_pred > threshold], else 0.

    Args:
        y_true: 0 or 1, (batch, ..., d).
        y_pred: probabilities (batch, ..., d).
        threshold: above it the prediction is 1.

    Returns:
        (batch, ..., d), floatx.

    Example:
        >>> keras.metrics.binary_accuracy([[1], [0]], [[0.9], [0.7]])
        Array([[1.],
               [0.]], dtype=float32)
    """
    y_true, y_pred = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
    y_true, y_pred = squeeze_or_expand_to_same_rank(y_true, y_pred)
    return _matches(y_true, ops.cast(ops.greater(y_pred, threshold), y_true.dtype))


def categorical_accuracy(y_true: Any, y_pred: Any) -> Any:
    """1 where the largest entries of y_true and y_pred are at one place, else 0.

    Args:
        y_true: one-hot labels (batch, ..., classes).
        y_pred: scores (batch, ..., classes).

    Returns:
        (batch, ...), floatx.

    Example:
        >>> keras.metrics.categorical_accuracy([[0, 1], [1, 0]], [[0.2, 0.8], [0.3, 0.7]])
        Array([1., 0.], dtype=float32)
    """
    return _matches(ops.argmax(y_true, axis=-1), ops.argmax(y_pred, axis=-1))


def sparse_categorical_accuracy(y_true: Any, y_pred: Any) -> Any:
    """1 where the largest entry of y_pred is at the place y_true, else 0.

    Args:
        y_true: indices (batch, ...) or (batch, ..., 1).
        y_pred: scores (batch, ..., classes).

    Returns:
        (batch, ...), floatx.

    Example:
        >>> keras.metrics.sparse_categorical_accuracy([1, 0], [[0.2, 0.8], [0.3, 0.7]])
        Array([1., 0.], dtype=float32)
    """
    y_true, y_pred = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
    if len(y_true.shape) == len(y_pred.shape) and y_true.shape[-1] == 1:
        y_true = ops.squeeze(y_true, -1)
    found = ops.argmax(y_pred, axis=-1)
    return _matches(ops.cast(y_true, "int32"), ops.cast(found, "int32"))


def top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5) -> Any:
    """1 where the label is among the k largest scores, else 0.

    Args:
        y_true: one-hot labels (batch, ..., classes).
        y_pred: scores (batch, ..., classes).
        k: how many.

    Returns:
        (batch, ...), floatx.

    Example:
        >>> labels, scores = [[0, 0, 1], [1, 0, 0]], [[0.1, 0.6, 0.3], [0.1, 0.6, 0.3]]
        >>> keras.metrics.top_k_categorical_accuracy(labels, scores, k=2)
        Array([1., 0.], dtype=float32)
    """
    return sparse_top_k_categorical_accuracy(ops.argmax(y_true, axis=-1), y_pred, k)


def sparse_top_k_categorical_accuracy(
    y_true: Any, y_pred: Any, k: int = 5, from_sorted_ids: bool = False
) -> Any:
    """1 where y_true is among the k largest scores, else 0.

    Args:
        y_true: indices (batch, ...).
        y_pred: scores (batch, ..., classes); or the classes' indices, the best first.
        k: how many.
        from_sorted_ids: y_pred are indices.

    Returns:
        (batch, ...), floatx.

    Example:
        >>> scores = [[0.1, 0.6, 0.3], [0.1, 0.6, 0.3]]
        >>> keras.metrics.sparse_top_k_categorical_accuracy([2, 0], scores, k=2)
        Array([1., 0.], dtype=float32)
    """
    y_pred = ops.convert_to_tensor(y_pred)
    y_true = ops.cast(y_true, y_pred.dtype if from_sorted_ids else "int32")
    shape = ops.shape(y_true)
    labels = ops.reshape(y_true, (-1,))
    scores = ops.reshape(y_pred, (-1, y_pred.shape[-1]))
    if from_sorted_ids:
        hits = ops.any(ops.equal(ops.expand_dims(labels, 1), scores[:, :k]), axis=1)
    else:
        hits = ops.in_top_k(labels, scores, k=k)
    return ops.reshape(ops.cast(hits, config.floatx()), shape)


def _matches(x: Any, y: Any) -> Any:
    return ops.cast(ops.equal(x, y), config.floatx())


class Accuracy(MeanMetricWrapper):
    """How often y_true = y_pred.

    Args:
        name, dtype: see `Metric`.

    Input: y_true, y_pred of one shape (batch, ...). Result: scalar.

    Example:
        >>> metric = keras.metrics.Accuracy()
        >>> metric.update_state([1, 2, 3, 4], [0, 2, 3, 4])
        >>> metric.result()
        Array(0.75, dtype=float32)
    """

    _direction = "up"

    def __init__(self, name: str | None = "accuracy", dtype: Any = None) -> None:
        super().__init__(accuracy, name, dtype)


class BinaryAccuracy(MeanMetricWrapper):
    """How often y_true = [y_pred > threshold].

    Args:
        name, dtype: see `Metric`.
        threshold: above it the prediction is 1.

    Input: y_true, y_pred of one shape (batch, ...). Result: scalar.

    Example:
        >>> metric = keras.metrics.BinaryAccuracy(threshold=0.5)
        >>> metric.update_state([[1], [0], [1]], [[0.9], [0.2], [0.4]])
        >>> metric.result()
        Array(0.6666667, dtype=float32)
    """

    _direction = "up"

    def __init__(
        self, name: str | None = "binary_accuracy", dtype: Any = None, threshold: float = 0.5
    ) -> None:
        super().__init__(binary_accuracy, name, dtype, threshold=threshold)


class CategoricalAccuracy(MeanMetricWrapper):
    """How often the largest score is that of the one-hot label.

    Args:
        name, dtype: see `Metric`.

    Input: y_true, y_pred of shape (batch, ..., classes). Result: scalar.

    Example:
        >>> metric = keras.metrics.CategoricalAccuracy()
        >>> metric.update_state([[0, 1], [1, 0]], [[0.2, 0.8], [0.3, 0.7]])
        >>> metric.result()
        Array(0.5, dtype=float32)
    """

    _direction = "up"

    def __init__(self, name: str | None = "categorical_accuracy", dtype: Any = None) -> None:
        super().__init__(categorical_accuracy, name, dtype)


class SparseCategoricalAccuracy(MeanMetricWrapper):
    """How often the largest score is that of the label, an index.

    Args:
        name, dtype: see `Metric`.

    Input: y_true of shape (batch, ...) or (batch, ..., 1), y_pred of shape (batch, ..., classes).
    Result: scalar.

    Example:
        >>> metric = keras.metrics.SparseCategoricalAccuracy()
        >>> metric.update_state([1, 0], [[0.2, 0.8], [0.3, 0.7]])
        >>> metric.result()
        Array(0.5, dtype=float32)
    """

    _direction = "up"

    def __init__(self, name: str | None = "sparse_categorical_accuracy", dtype: Any = None) -> None:
        super().__init__(sparse_categorical_accuracy, name, dtype)


class TopKCategoricalAccuracy(MeanMetricWrapper):
    """How often the one-hot label is among the k largest scores.

    Args:
        k: how many.
        name, dtype: see `Metric`.

    Input: y_true, y_pred of shape (batch, ..., classes). Result: scalar.

    Example:
        >>> metric = keras.metrics.TopKCategoricalAccuracy(k=2)
        >>> metric.update_state([[0, 0, 1], [1, 0, 0]], [[0.1, 0.6, 0.3], [0.1, 0.6, 0.3]])
        >>> metric.result()
        Array(0.5, dtype=float32)
    """

    _direction = "up"

    def __init__(
        self, k: int = 5, name: str | None = "top_k_categorical_accuracy", dtype: Any = None
    ) -> None:
        super().__init__(top_k_categorical_accuracy, name, dtype, k=k)


class SparseTopKCategoricalAccuracy(MeanMetricWrapper):
    """How often the label, an index, is among the k largest scores.

    Args:
        k: how many.
        name, dtype: see `Metric`.
        from_sorted_ids: predictions are the classes' indices, the best first.

    Input: y_true of shape (batch, ...) or (batch, ..., 1), y_pred of shape (batch, ..., classes).
    Result: scalar.

    Example:
        >>> metric = keras.metrics.SparseTopKCategoricalAccuracy(k=2)
        >>> metric.update_state([2, 0], [[0.1, 0.6, 0.3], [0.1, 0.6, 0.3]])
        >>> metric.result()
        Array(0.5, dtype=float32)
    """

    _direction = "up"

    def __init__(
        self,
        k: int = 5,
        name: str | None = "sparse_top_k_categorical_accuracy",
        dtype: Any = None,
        from_sorted_ids: bool = False,
    ) -> None:
        super().__init__(
            sparse_top_k_categorical_accuracy, name, dtype, k=k, from_sorted_ids=from_sorted_ids
        )


def resolve_accuracy(
    y_true_shape: tuple, y_pred_shape: tuple, crossentropy: bool = False
) -> Callable:
    """The function that "accuracy" (or "crossentropy") means for targets of these shapes.

    One output: binary; targets of lower rank, or with a last axis of 1 where the predictions have
    more: sparse; otherwise one-hot.

    Args:
        y_true_shape, y_pred_shape: shapes with the batch axis.
        crossentropy: give the loss instead of the accuracy.
    """
    kind = classification(y_true_shape, y_pred_shape)
    return _CROSSENTROPIES[kind] if crossentropy else _ACCURACIES[kind]


_ACCURACIES = {
    "binary": binary_accuracy,
    "categorical": categorical_accuracy,
    "sparse_categorical": sparse_categorical_accuracy,
}
_CROSSENTROPIES = {
    "binary": losses.binary_crossentropy,
    "categorical": losses.categorical_crossentropy,
    "sparse_categorical": losses.sparse_categorical_crossentropy,
}


def classification(y_true_shape: tuple, y_pred_shape: tuple) -> str:
    """``"binary"``, ``"sparse_categorical"`` or ``"categorical"``, see `resolve_accuracy`."""
    outputs = y_pred_shape[-1] if len(y_pred_shape) else None
    if outputs == 1:
        return "binary"
    flat = len(y_true_shape) < len(y_pred_shape)
    single = len(y_true_shape) > 0 and y_true_shape[-1] == 1 and (outputs or 0) > 1
    return "sparse_categorical" if flat or single else "categorical"


__all__ = [
    "Accuracy", "BinaryAccuracy", "CategoricalAccuracy", "SparseCategoricalAccuracy",
    "SparseTopKCategoricalAccuracy", "TopKCategoricalAccuracy", "binary_accuracy",
    "categorical_accuracy", "resolve_accuracy", "sparse_categorical_accuracy",
    "sparse_top_k_categorical_accuracy", "top_k_categorical_accuracy",
]  # fmt: skip
