"""Labels and data as arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from tricorn import ops


def to_categorical(x: Any, num_classes: int | None = None) -> Any:
    """Class numbers as one-hot vectors.

    Args:
        x: integers of any shape; a last axis of length 1 is dropped.
        num_classes: length of the vectors; the largest class plus one unless given.

    Returns:
        float64 array of the shape of `x` with an axis of length `num_classes` at the end; of a
        tensor a tensor in floatx, with zeros for a class outside.

    Raises:
        ValueError: when a class is negative or not below `num_classes`.

    Example:
        >>> keras.utils.to_categorical([0, 2], num_classes=3)
        array([[1., 0., 0.],
               [0., 0., 1.]])
    """
    if ops.is_tensor(x):
        shape = ops.shape(x)
        if len(shape) > 1 and shape[-1] == 1:
            x = ops.squeeze(x, -1)
        count = num_classes or int(ops.convert_to_numpy(ops.max(x))) + 1
        return ops.one_hot(ops.cast(x, "int32"), count)
    classes = np.asarray(x).astype(np.int64)
    if classes.ndim > 1 and classes.shape[-1] == 1:
        classes = classes[..., 0]
    count = num_classes or int(classes.max(initial=-1)) + 1
    if classes.size and not (classes.min() >= 0 and classes.max() < count):
        raise ValueError(
            f"to_categorical: classes must lie in 0..{count - 1}, got "
            f"{classes.min()}..{classes.max()}. Number the classes from 0, or raise num_classes "
            f"({num_classes})."
        )
    return np.eye(count)[classes]


def normalize(x: Any, axis: int = -1, order: int = 2) -> Any:
    """x / ‖x‖ along `axis`; zeros stay zeros.

    Args:
        x: array or tensor.
        axis: along which the norm is taken.
        order: of the norm, 2 for the Euclidean one.

    Returns:
        Array (of a tensor: a tensor) of the shape of `x`, of norm 1 along `axis`.

    Example:
        >>> keras.utils.normalize(np.array([[3.0, 4.0]]))
        array([[0.6, 0.8]])
    """
    if ops.is_tensor(x):
        return ops.normalize(x, axis, order)
    values = np.asarray(x)
    norms = np.atleast_1d(np.linalg.norm(values, order, axis))
    norms[norms == 0] = 1
    return values / np.expand_dims(norms, axis)
