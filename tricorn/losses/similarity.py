"""Losses of overlap (segmentation) and of learned distances."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tricorn import config, ops
from tricorn.losses.base import LossFunctionWrapper, to_pair

Axis = int | Sequence[int] | None


def dice(y_true: Any, y_pred: Any, axis: Axis = None) -> Any:
    """1 - 2 Σ y_true y_pred / (Σ y_true + Σ y_pred + ε).

    Args:
        y_true, y_pred: memberships in [0, 1], of one shape.
        axis: that the sums run over; None: all.

    Returns:
        The remaining axes.

    Source: Sudre et al., 2017, arXiv:1707.03237.

    Example:
        >>> keras.losses.dice([[1.0, 0.0]], [[0.8, 0.2]])
        Array(0.19999999, dtype=float32)
    """
    y_true, y_pred = to_pair(y_true, y_pred, fit=False)
    total = ops.sum(y_true, axis=axis) + ops.sum(y_pred, axis=axis)
    return 1.0 - 2.0 * ops.sum(y_true * y_pred, axis=axis) / (total + config.epsilon())


def tversky(
    y_true: Any, y_pred: Any, alpha: float = 0.5, beta: float = 0.5, axis: Axis = None
) -> Any:
    """1 - c / (c + α Σ y_true (1 - y_pred) + β Σ (1 - y_true) y_pred + ε), c = Σ y_true y_pred.

    Args:
        y_true, y_pred: memberships in [0, 1], of one shape.
        alpha: α, the weight of what is missed.
        beta: β, the weight of what is added.
        axis: that the sums run over; None: all.

    Returns:
        The remaining axes.

    Source: Salehi et al., 2017, arXiv:1706.05721; α and β stand as in Keras 3.

    Example:
        >>> keras.losses.tversky([[1.0, 0.0]], [[0.8, 0.2]], alpha=0.3, beta=0.7)
        Array(0.2000001, dtype=float32)
    """
    y_true, y_pred = to_pair(y_true, y_pred, fit=False)
    common = ops.sum(y_true * y_pred, axis=axis)
    missed = ops.sum(y_true * (1.0 - y_pred), axis=axis)
    added = ops.sum((1.0 - y_true) * y_pred, axis=axis)
    return 1.0 - common / (common + alpha * missed + beta * added + config.epsilon())


def circle(
    y_true: Any,
    y_pred: Any,
    ref_labels: Any = None,
    ref_embeddings: Any = None,
    remove_diagonal: bool = True,
    gamma: float = 80,
    margin: float = 0.4,
) -> Any:
    """Circle loss: pulls embeddings of one label together and pushes the others apart.

    With the cosine distances d of a sample from the references, and m the margin:
    softplus(logsumexp over the same label of -γ (m + d)₊ (m - d)
    + logsumexp over other labels of γ (1 + m - d)₊ (1 - m - d)).

    Args:
        y_true: labels (batch,), ints.
        y_pred: embeddings of norm 1 (batch, d).
        ref_labels, ref_embeddings: of the references; None: the batch itself.
        remove_diagonal: the references are the batch, and a sample is no reference of itself.
        gamma: γ, the scale.
        margin: m.

    Returns:
        (batch,).

    Source: Sun et al., 2020, arXiv:2002.10857.

    Example:
        >>> labels, vectors = [0, 0, 1], [[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]]
        >>> keras.losses.circle(labels, vectors, gamma=10)
        Array([0.05903284, 1.171101  , 0.        ], dtype=float32)
    """
    y_pred = ops.convert_to_tensor(y_pred)
    labels = ops.reshape(ops.cast(y_true, "int32"), (-1, 1))
    others = labels if ref_labels is None else ops.cast(ref_labels, "int32")
    references = y_pred if ref_embeddings is None else ops.convert_to_tensor(ref_embeddings)
    distance = ops.maximum(1.0 - ops.matmul(y_pred, ops.transpose(references)), 0.0)
    same = ops.equal(labels, ops.reshape(others, (1, -1)))
    different = ops.logical_not(same)
    if remove_diagonal:
        itself = ops.eye(distance.shape[0], distance.shape[1], dtype="bool")
        same = ops.logical_and(same, ops.logical_not(itself))
    pull = -gamma * (margin + distance) * (margin - distance)
    push = gamma * ops.maximum(1.0 + margin - distance, 0.0) * (1.0 - margin - distance)
    return ops.softplus(_logsumexp(pull, same) + _logsumexp(push, different))


def _logsumexp(values: Any, where: Any) -> Any:
    """ln Σ exp(values) over the last axis, of the entries where `where` holds."""
    nothing = ops.full_like(values, float("-inf"))
    return ops.logsumexp(ops.where(where, values, nothing), axis=1)


class Dice(LossFunctionWrapper):
    """Overlap, see `dice`.

    Args:
        reduction, name, dtype: see `Loss`.
        axis: that the sums run over; None: all.

    Example:
        >>> keras.losses.Dice()(np.array([[1.0, 0.0]]), np.array([[0.8, 0.2]]))
        Array(0.19999999, dtype=float32)
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "dice",
        axis: Axis = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(dice, reduction, name, dtype, axis=axis)


class Tversky(LossFunctionWrapper):
    """Overlap with weights for what is missed and what is added, see `tversky`.

    Args:
        alpha, beta: see the function.
        reduction, name, dtype: see `Loss`.
        axis: that the sums run over; None: all.

    Example:
        >>> loss = keras.losses.Tversky(alpha=0.3, beta=0.7)
        >>> loss(np.array([[1.0, 0.0]]), np.array([[0.8, 0.2]]))
        Array(0.2000001, dtype=float32)
    """

    def __init__(
        self,
        alpha: float = 0.5,
        beta: float = 0.5,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "tversky",
        axis: Axis = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(tversky, reduction, name, dtype, alpha=alpha, beta=beta, axis=axis)


class Circle(LossFunctionWrapper):
    """Metric learning, see `circle`.  Samples without a loss do not count in the average.

    Args:
        gamma, margin, remove_diagonal: see the function.
        reduction, name, dtype: see `Loss`.

    Example:
        >>> labels, vectors = np.array([0, 0, 1]), np.array([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]])
        >>> keras.losses.Circle(gamma=10)(labels, vectors)
        Array(0.6150669, dtype=float32)
    """

    def __init__(
        self,
        gamma: float = 80.0,
        margin: float = 0.4,
        remove_diagonal: bool = True,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "circle",
        dtype: Any = None,
    ) -> None:
        super().__init__(
            circle, reduction, name, dtype,
            gamma=gamma, margin=margin, remove_diagonal=remove_diagonal,
        )  # fmt: skip

    def valid(self, y_true: Any, y_pred: Any, values: Any) -> Any:
        return ops.greater(values, 0.0)
