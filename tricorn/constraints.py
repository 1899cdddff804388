"""Constraints: functions that bring a weight back into an allowed set after each update.

For a matrix of shape (inputs, units), ``axis=0`` is the norm over the inputs of each unit; for a
kernel (height, width, inputs, filters) use ``axis=[0, 1, 2]``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tricorn import config, ops
from tricorn.serialization import registry
from tricorn.serialization.catalogue import Catalogue, Configured

Axis = int | Sequence[int]


class Constraint(Configured):
    """Base class: a function ``tensor -> tensor of the same shape`` with a config.

    Example:
        >>> class Rounded(keras.constraints.Constraint):
        ...     def __call__(self, w):
        ...         return keras.ops.round(w)
        >>> Rounded()(np.array([0.2, 1.7], "float32"))
        Array([0., 2.], dtype=float32)
    """

    def __call__(self, w: Any) -> Any:
        """The allowed value nearest to, or made from, `w`."""
        return w


class MaxNorm(Constraint):
    """Scales down where the norm exceeds `max_value`.

    Args:
        max_value: the largest norm allowed.
        axis: int or ints that the norm runs over.

    Example:
        >>> keras.constraints.MaxNorm(2.0)(np.array([[3.0], [4.0]], "float32"))
        Array([[1.2],
               [1.6]], dtype=float32)
    """

    def __init__(self, max_value: float = 2, axis: Axis = 0) -> None:
        self.max_value, self.axis = max_value, axis

    def __call__(self, w: Any) -> Any:
        norms = _norms(w, self.axis)
        return ops.multiply(w, ops.clip(norms, 0, self.max_value) / (norms + config.epsilon()))


class MinMaxNorm(Constraint):
    """Scales such that the norm is between two bounds.

    Args:
        min_value, max_value: the bounds.
        rate: 1 enforces the bounds at once; r < 1 goes that part of the way.
        axis: int or ints that the norm runs over.

    Example:
        >>> keras.constraints.MinMaxNorm(1.0, 2.0)(np.array([[0.3], [0.4]], "float32"))
        Array([[0.5999999 ],
               [0.79999983]], dtype=float32)
    """

    def __init__(
        self, min_value: float = 0.0, max_value: float = 1.0, rate: float = 1.0, axis: Axis = 0
    ) -> None:
        self.min_value, self.max_value, self.rate, self.axis = min_value, max_value, rate, axis

    def __call__(self, w: Any) -> Any:
        norms = _norms(w, self.axis)
        bounded = ops.clip(norms, self.min_value, self.max_value)
        desired = self.rate * bounded + (1 - self.rate) * norms
        return ops.multiply(w, desired / (norms + config.epsilon()))


class NonNeg(Constraint):
    """max(w, 0).

    Example:
        >>> keras.constraints.NonNeg()(np.array([-1.0, 2.0], "float32"))
        Array([0., 2.], dtype=float32)
    """

    def __call__(self, w: Any) -> Any:
        return ops.maximum(w, 0)


class UnitNorm(Constraint):
    """Scales to norm 1.

    Args:
        axis: int or ints that the norm runs over.

    Example:
        >>> keras.constraints.UnitNorm()(np.array([[3.0], [4.0]], "float32"))
        Array([[0.6],
               [0.8]], dtype=float32)
    """

    def __init__(self, axis: Axis = 0) -> None:
        self.axis = axis

    def __call__(self, w: Any) -> Any:
        w = ops.convert_to_tensor(w)
        return ops.divide(w, _norms(w, self.axis) + config.epsilon())


def _norms(w: Any, axis: Axis) -> Any:
    return ops.sqrt(ops.sum(ops.square(w), axis=axis, keepdims=True))


max_norm, min_max_norm, non_neg, unit_norm = MaxNorm, MinMaxNorm, NonNeg, UnitNorm

_catalogue = Catalogue(
    "constraints", "constraint", (MaxNorm, MinMaxNorm, NonNeg, UnitNorm), snake_case=True
)
get, deserialize = _catalogue.get, _catalogue.deserialize


def serialize(constraint: Any) -> Any:
    """The config that describes a constraint; of a function its name.

    Example:
        >>> keras.constraints.serialize(keras.constraints.NonNeg())["class_name"]
        'NonNeg'
    """
    return registry.serialize_keras_object(constraint)


__all__ = [
    "Constraint", "MaxNorm", "MinMaxNorm", "NonNeg", "UnitNorm", "deserialize", "get",
    "max_norm", "min_max_norm", "non_neg", "serialize", "unit_norm",
]  # fmt: skip

__dir__ = lambda: list(__all__)
