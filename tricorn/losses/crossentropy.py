"""Losses of classification and of probability distributions."""

from __future__ import annotations

import warnings
from typing import Any

from tricorn import config, ops
from tricorn.graph.interpreted import warn_outside, watched
from tricorn.losses.base import LossFunctionWrapper, to_pair


def binary_crossentropy(
    y_true: Any,
    y_pred: Any,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Any:
    """mean(-y_true ln p - (1 - y_true) ln(1 - p)).

    Args:
        y_true: labels in [0, 1], (batch, ..., d).
        y_pred: probabilities p, or logits, (batch, ..., d).
        from_logits: p = sigmoid(y_pred).
        label_smoothing: labels are drawn towards 1/2 by this part.
        axis: that the mean runs over.

    Returns:
        (batch, ...).

    Example:
        >>> keras.losses.binary_crossentropy([[0.0], [1.0]], [[0.1], [0.8]])
        Array([0.10536055, 0.22314353], dtype=float32)
    """
    y_true, y_pred = to_pair(y_true, y_pred, fit=False)
    y_true = _smooth(y_true, label_smoothing, 2)
    return ops.mean(ops.binary_crossentropy(y_true, y_pred, from_logits=from_logits), axis=axis)


def binary_focal_crossentropy(
    y_true: Any,
    y_pred: Any,
    apply_class_balancing: bool = False,
    alpha: float = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Any:
    """Binary crossentropy times (1 - p_t)^γ, where p_t is the probability of the true label.

    Args:
        y_true: labels in [0, 1], (batch, ..., d).
        y_pred: probabilities, or logits, (batch, ..., d).
        apply_class_balancing: also weigh label 1 by α and label 0 by 1 - α.
        alpha, gamma: α and γ.
        from_logits, label_smoothing, axis: see `binary_crossentropy`.

    Returns:
        (batch, ...).

    Source: Lin et al., 2018, arXiv:1708.02002.

    Example:
        >>> keras.losses.binary_focal_crossentropy([[0.0], [1.0]], [[0.1], [0.8]])
        Array([0.00105361, 0.00892574], dtype=float32)
    """
    y_true, y_pred = to_pair(y_true, y_pred, fit=False)
    y_true = _smooth(y_true, label_smoothing, 2)
    if from_logits:
        y_pred = ops.sigmoid(y_pred)
    right = y_true * y_pred + (1.0 - y_true) * (1.0 - y_pred)
    values = ops.power(1.0 - right, gamma) * ops.binary_crossentropy(y_true, y_pred)
    if apply_class_balancing:
        values = values * (y_true * alpha + (1.0 - y_true) * (1.0 - alpha))
    return ops.mean(values, axis=axis)


def categorical_crossentropy(
    y_true: Any,
    y_pred: Any,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Any:
    """-Σ y_true ln p.

    Args:
        y_true: one-hot labels or distributions, (batch, ..., classes).
        y_pred: probabilities p (they are scaled to sum 1), or logits, (batch, ..., classes).
        from_logits: p = softmax(y_pred).
        label_smoothing: labels are drawn towards the uniform distribution by this part.
        axis: of the classes.

    Returns:
        (batch, ...).

    Example:
        >>> keras.losses.categorical_crossentropy([[0.0, 1.0]], [[0.2, 0.8]])
        Array([0.22314353], dtype=float32)
    """
    y_true, y_pred = _categorical(y_true, y_pred, label_smoothing, axis)
    return ops.categorical_crossentropy(y_true, y_pred, from_logits=from_logits, axis=axis)


def categorical_focal_crossentropy(
    y_true: Any,
    y_pred: Any,
    alpha: Any = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Any:
    """-Σ α (1 - p)^γ y_true ln p.

    Args:
        y_true: one-hot labels, (batch, ..., classes).
        y_pred: probabilities, or logits, (batch, ..., classes).
        alpha: α, a number or one per class.
        gamma: γ.
        from_logits, label_smoothing, axis: see `categorical_crossentropy`.

    Returns:
        (batch, ...).

    Source: Lin et al., 2018, arXiv:1708.02002.

    Example:
        >>> keras.losses.categorical_focal_crossentropy([[0.0, 1.0]], [[0.2, 0.8]])
        Array([0.00223144], dtype=float32)
    """
    y_true, y_pred = _categorical(y_true, y_pred, label_smoothing, axis)
    if from_logits:
        y_pred = ops.softmax(y_pred, axis=axis)
    p = y_pred / ops.sum(y_pred, axis=axis, keepdims=True)
    p = ops.clip(p, config.epsilon(), 1.0 - config.epsilon())
    weight = ops.multiply(ops.power(1.0 - p, gamma), alpha)
    return ops.sum(-y_true * ops.log(p) * weight, axis=axis)


def sparse_categorical_crossentropy(
    y_true: Any,
    y_pred: Any,
    from_logits: bool = False,
    ignore_class: int | None = None,
    axis: int = -1,
) -> Any:
    """-ln p[y_true].

    Args:
        y_true: indices of the classes, (batch, ...), or (batch, ..., 1).
        y_pred: probabilities p (they are scaled to sum 1), or logits, (batch, ..., classes).
        from_logits: p = softmax(y_pred).
        ignore_class: an index whose values are 0 (-1, say, for "no label").
        axis: of the classes.

    Returns:
        (batch, ...).

    Example:
        >>> keras.losses.sparse_categorical_crossentropy([1], [[0.5, 0.5]])
        Array([0.6931472], dtype=float32)
    """
    y_pred = ops.convert_to_tensor(y_pred)
    y_true = _indices(y_true, y_pred, axis)
    if watched():
        warn_outside("a loss is given labels", y_true, y_pred.shape[axis], ignore_class)
    if ignore_class is None:
        return ops.sparse_categorical_crossentropy(y_true, y_pred, from_logits, axis)
    valid = counted(y_true, y_pred, ignore_class, axis)
    y_true = ops.where(valid, y_true, ops.zeros_like(y_true))
    y_pred = ops.where(ops.expand_dims(valid, axis), y_pred, ops.zeros_like(y_pred))
    values = ops.sparse_categorical_crossentropy(y_true, y_pred, from_logits, axis)
    return ops.where(valid, values, ops.zeros_like(values))


def counted(y_true: Any, y_pred: Any, ignore_class: int, axis: int = -1) -> Any:
    """Which labels of a sparse crossentropy are of another class than `ignore_class`: bool, of the
    shape of its values."""
    return ops.not_equal(_indices(y_true, y_pred, axis), ignore_class)


def kl_divergence(y_true: Any, y_pred: Any) -> Any:
    """Σ y_true ln(y_true / y_pred), both clipped to [ε, 1].

    Args:
        y_true, y_pred: distributions (batch, ..., d).

    Returns:
        (batch, ...).

    Example:
        >>> keras.losses.kl_divergence([[0.5, 0.5]], [[0.2, 0.8]])
        Array([0.22314356], dtype=float32)
    """
    y_true, y_pred = to_pair(y_true, y_pred, fit=False)
    y_true, y_pred = (ops.clip(y, config.epsilon(), 1.0) for y in (y_true, y_pred))
    return ops.sum(y_true * ops.log(y_true / y_pred), axis=-1)


def poisson(y_true: Any, y_pred: Any) -> Any:
    """mean(y_pred - y_true ln(y_pred + ε)).

    Args:
        y_true, y_pred: counts and their expectations (batch, ..., d).

    Returns:
        (batch, ...).

    Example:
        >>> keras.losses.poisson([[1.0, 2.0]], [[1.0, 3.0]])
        Array([0.90138763], dtype=float32)
    """
    y_true, y_pred = to_pair(y_true, y_pred, fit=False)
    return ops.mean(y_pred - y_true * ops.log(y_pred + config.epsilon()), axis=-1)


def categorical_generalized_cross_entropy(y_true: Any, y_pred: Any, q: float) -> Any:
    """(1 - p[y_true]^q) / q: between crossentropy (q → 0) and absolute error (q → 1).

    Args:
        y_true: indices of the classes, (batch, ...).
        y_pred: probabilities p, (batch, ..., classes).
        q: in (0, 1).

    Returns:
        (batch, ...).

    Source: Zhang and Sabuncu, 2018, arXiv:1805.07836.

    Example:
        >>> keras.losses.categorical_generalized_cross_entropy([1], [[0.2, 0.8]], q=0.5)
        Array([0.21114564], dtype=float32)
    """
    y_pred = ops.convert_to_tensor(y_pred)
    labels = ops.one_hot(ops.cast(y_true, "int32"), y_pred.shape[-1], dtype=y_pred.dtype)
    return (1.0 - ops.power(ops.sum(y_pred * labels, axis=-1), q)) / q


def ctc(y_true: Any, y_pred: Any) -> Any:
    """Connectionist temporal classification: -ln P(y_true) over all alignments.

    Args:
        y_true: indices of the labels, (batch, most labels), padded with 0, which is the blank.
        y_pred: logits, (batch, steps, classes).

    Returns:
        (batch,).

    Raises:
        ValueError: other ranks.

    Source: Graves et al., 2006, "Connectionist temporal classification".

    Example:
        >>> keras.losses.ctc(np.array([[1, 2]]), np.zeros((1, 4, 3), "float32"))
        Array([1.686399], dtype=float32)
    """
    y_true, y_pred = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
    if len(y_true.shape) != 2 or len(y_pred.shape) != 3:
        raise ValueError(
            "ctc expects y_true of shape (batch, labels) and y_pred of shape (batch, steps, "
            f"classes), got {tuple(y_true.shape)} and {tuple(y_pred.shape)}"
        )
    lengths = ops.sum(ops.cast(ops.not_equal(y_true, 0), "int32"), axis=-1)
    steps = ops.full_like(lengths, y_pred.shape[1])
    return ops.ctc_loss(y_true, y_pred, lengths, steps, mask_index=0)


def _smooth(labels: Any, smoothing: float, classes: Any) -> Any:
    return labels * (1.0 - smoothing) + smoothing / classes if smoothing else labels


def _categorical(y_true: Any, y_pred: Any, smoothing: float, axis: Any) -> tuple[Any, Any]:
    """Targets, smoothed, and predictions of a loss over one-hot classes."""
    if isinstance(axis, bool):
        raise ValueError(f"axis must be an int, got {axis!r}")
    y_true, y_pred = to_pair(y_true, y_pred, fit=False)
    if y_pred.shape[axis] == 1:
        warnings.warn(
            "a categorical loss over one class is always 0 or meaningless: y_pred has the shape "
            f"{tuple(y_pred.shape)}; for two classes in one output use binary_crossentropy",
            SyntaxWarning,
            stacklevel=3,
        )
    return _smooth(y_true, smoothing, y_true.shape[-1]), y_pred


def _indices(y_true: Any, y_pred: Any, axis: int) -> Any:
    """Class indices without the last axis of 1."""
    y_true = ops.convert_to_tensor(y_true)
    if len(y_true.shape) == len(y_pred.shape) and y_true.shape[axis] == 1:
        return ops.squeeze(y_true, axis)
    return y_true


# ---------------------------------------------------------------------------------------- classes


class BinaryCrossentropy(LossFunctionWrapper):
    """Crossentropy of yes/no labels, see `binary_crossentropy`.

    Args:
        from_logits: y_pred are logits, not probabilities.
        label_smoothing: labels are drawn towards 1/2 by this part.
        axis: that the mean runs over.
        reduction, name, dtype: see `Loss`.

    Example:
        >>> loss = keras.losses.BinaryCrossentropy(from_logits=True)
        >>> loss(np.array([[0.0], [1.0]]), np.array([[-2.0], [2.0]]))
        Array(0.126928, dtype=float32)
    """

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "binary_crossentropy",
        dtype: Any = None,
    ) -> None:
        super().__init__(
            binary_crossentropy, reduction, name, dtype,
            from_logits=from_logits, label_smoothing=label_smoothing, axis=axis,
        )  # fmt: skip


class BinaryFocalCrossentropy(LossFunctionWrapper):
    """Crossentropy of yes/no labels that hard samples dominate, see `binary_focal_crossentropy`.

    Args:
        apply_class_balancing, alpha, gamma: see the function.
        from_logits, label_smoothing, axis: see `BinaryCrossentropy`.
        reduction, name, dtype: see `Loss`.

    Example:
        >>> loss = keras.losses.BinaryFocalCrossentropy(gamma=2.0)
        >>> loss(np.array([[0.0], [1.0]]), np.array([[0.1], [0.8]]))
        Array(0.00498967, dtype=float32)
    """

    def __init__(
        self,
        apply_class_balancing: bool = False,
        alpha: float = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "binary_focal_crossentropy",
        dtype: Any = None,
    ) -> None:
        super().__init__(
            binary_focal_crossentropy, reduction, name, dtype,
            apply_class_balancing=apply_class_balancing, alpha=alpha, gamma=gamma,
            from_logits=from_logits, label_smoothing=label_smoothing, axis=axis,
        )  # fmt: skip


class CategoricalCrossentropy(LossFunctionWrapper):
    """Crossentropy of one-hot labels, see `categorical_crossentropy`.

    Args:
        from_logits: y_pred are logits, not probabilities.
        label_smoothing: labels are drawn towards the uniform distribution by this part.
        axis: of the classes.
        reduction, name, dtype: see `Loss`.

    Example:
        >>> loss = keras.losses.CategoricalCrossentropy(label_smoothing=0.1)
        >>> loss(np.array([[0.0, 1.0]]), np.array([[0.2, 0.8]]))
        Array(0.29245824, dtype=float32)
    """

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "categorical_crossentropy",
        dtype: Any = None,
    ) -> None:
        super().__init__(
            categorical_crossentropy, reduction, name, dtype,
            from_logits=from_logits, label_smoothing=label_smoothing, axis=axis,
        )  # fmt: skip


class CategoricalFocalCrossentropy(LossFunctionWrapper):
    """Crossentropy of one-hot labels that hard samples dominate.

    Args:
        alpha, gamma: see `categorical_focal_crossentropy`.
        from_logits, label_smoothing, axis: see `CategoricalCrossentropy`.
        reduction, name, dtype: see `Loss`.

    Example:
        >>> loss = keras.losses.CategoricalFocalCrossentropy(gamma=2.0)
        >>> loss(np.array([[0.0, 1.0]]), np.array([[0.2, 0.8]]))
        Array(0.00223144, dtype=float32)
    """

    def __init__(
        self,
        alpha: Any = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "categorical_focal_crossentropy",
        dtype: Any = None,
    ) -> None:
        super().__init__(
            categorical_focal_crossentropy, reduction, name, dtype, alpha=alpha, gamma=gamma,
            from_logits=from_logits, label_smoothing=label_smoothing, axis=axis,
        )  # fmt: skip


class SparseCategoricalCrossentropy(LossFunctionWrapper):
    """Crossentropy of class indices, see `sparse_categorical_crossentropy`.

    Args:
        from_logits: y_pred are logits, not probabilities.
        ignore_class: an index whose samples do not count, neither in the sum nor in the average.
        reduction, axis, name, dtype: see `CategoricalCrossentropy`.

    Example:
        >>> loss = keras.losses.SparseCategoricalCrossentropy()
        >>> loss(np.array([1]), np.array([[0.5, 0.5]]))
        Array(0.6931472, dtype=float32)
    """

    def __init__(
        self,
        from_logits: bool = False,
        ignore_class: int | None = None,
        reduction: str | None = "sum_over_batch_size",
        axis: int = -1,
        name: str | None = "sparse_categorical_crossentropy",
        dtype: Any = None,
    ) -> None:
        super().__init__(
            sparse_categorical_crossentropy, reduction, name, dtype,
            from_logits=from_logits, ignore_class=ignore_class, axis=axis,
        )  # fmt: skip

    ignore_class: int | None
    axis: int

    def valid(self, y_true: Any, y_pred: Any, values: Any) -> Any:
        if self.ignore_class is None:
            return None
        return counted(y_true, y_pred, self.ignore_class, self.axis)


class KLDivergence(LossFunctionWrapper):
    """Kullback-Leibler divergence, see `kl_divergence`.

    Args:
        reduction, name, dtype: see `Loss`.

    Input: y_true, y_pred of one shape (batch, ..., d). Losses of shape (batch, ...), before
    `reduction`.

    Example:
        >>> keras.losses.KLDivergence()(np.array([[0.5, 0.5]]), np.array([[0.2, 0.8]]))
        Array(0.22314356, dtype=float32)
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "kl_divergence",
        dtype: Any = None,
    ) -> None:
        super().__init__(kl_divergence, reduction, name, dtype)


class Poisson(LossFunctionWrapper):
    """Negative log likelihood of counts, see `poisson`.

    Args:
        reduction, name, dtype: see `Loss`.

    Input: y_true, y_pred of one shape (batch, ..., d). Losses of shape (batch, ...), before
    `reduction`.

    Example:
        >>> keras.losses.Poisson()(np.array([[1.0, 2.0]]), np.array([[1.0, 3.0]]))
        Array(0.90138763, dtype=float32)
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "poisson",
        dtype: Any = None,
    ) -> None:
        super().__init__(poisson, reduction, name, dtype)


class CTC(LossFunctionWrapper):
    """Connectionist temporal classification, see `ctc`.

    Args:
        reduction, name, dtype: see `Loss`.

    Input: y_true of shape (batch, labels), y_pred of shape (batch, time, classes). Losses of shape
    (batch,) before `reduction`.

    Example:
        >>> labels, logits = np.array([[1, 2]]), np.zeros((1, 4, 3), "float32")
        >>> keras.losses.CTC()(labels, logits)
        Array(1.686399, dtype=float32)
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "ctc",
        dtype: Any = None,
    ) -> None:
        super().__init__(ctc, reduction, name, dtype)


class CategoricalGeneralizedCrossEntropy(LossFunctionWrapper):
    """Noise-tolerant loss of class indices, see `categorical_generalized_cross_entropy`.

    Args:
        q: in (0, 1).
        reduction, name, dtype: see `Loss`.

    Input: y_true of shape (batch, ...), y_pred of shape (batch, ..., classes). Losses of shape
    (batch, ...) before `reduction`.

    Raises:
        ValueError: for another q.

    Example:
        >>> loss = keras.losses.CategoricalGeneralizedCrossEntropy()
        >>> loss(np.array([1]), np.array([[0.2, 0.8]]))
        Array(0.21114564, dtype=float32)
    """

    def __init__(
        self,
        q: float = 0.5,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "categorical_generalized_cross_entropy",
        dtype: Any = None,
    ) -> None:
        if not 0 < q < 1:
            raise ValueError(f"q must be between 0 and 1, got {q!r}")
        super().__init__(categorical_generalized_cross_entropy, reduction, name, dtype, q=q)


__all__ = [
    "BinaryCrossentropy", "BinaryFocalCrossentropy", "CTC", "CategoricalCrossentropy",
    "CategoricalFocalCrossentropy", "CategoricalGeneralizedCrossEntropy", "KLDivergence", "Poisson",
    "SparseCategoricalCrossentropy", "binary_crossentropy", "binary_focal_crossentropy",
    "categorical_crossentropy", "categorical_focal_crossentropy",
    "categorical_generalized_cross_entropy", "ctc", "kl_divergence", "poisson",
    "sparse_categorical_crossentropy",
]  # fmt: skip
