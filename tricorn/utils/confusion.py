"""Which classes a classifier takes for which."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def confusion_matrix(y_true: ArrayLike, y_pred: ArrayLike, classes: int) -> np.ndarray:
    """Counts of every pair (true class, predicted class).

    Args:
        y_true: true classes, integers `(n,)` in 0..classes-1.
        y_pred: predicted classes, likewise.
        classes: how many classes there are.

    Returns:
        int64 `(classes, classes)`; row: the true class, column: the predicted one.

    Raises:
        ValueError: when the lengths differ or a class is out of range.

    Example:
        >>> keras.utils.confusion_matrix([0, 1, 1], [0, 0, 1], 2)
        array([[1, 0],
               [1, 1]])
    """
    true, predicted = np.asarray(y_true, np.int64), np.asarray(y_pred, np.int64)
    if true.ndim != 1 or true.shape != predicted.shape:
        raise ValueError(
            "confusion_matrix: y_true and y_pred must be vectors of one length, got shapes "
            f"{true.shape} and {predicted.shape}"
        )
    both = np.concatenate([true, predicted])
    if both.size and not (both.min() >= 0 and both.max() < classes):
        raise ValueError(
            f"confusion_matrix: classes must lie in 0..{classes - 1}, "
            f"got {both.min()}..{both.max()}"
        )
    pairs = np.bincount(true * classes + predicted, minlength=classes * classes)
    return pairs.reshape(classes, classes)
