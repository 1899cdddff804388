"""Regularizers: penalties on weights or outputs, added to the loss."""

from __future__ import annotations

import math
from typing import Any

from tricorn import ops
from tricorn.serialization import registry
from tricorn.serialization.catalogue import Catalogue, Configured


class Regularizer(Configured):
    """Base class: a function ``tensor -> scalar`` with a config.

    Example:
        >>> class Spread(keras.regularizers.Regularizer):
        ...     def __call__(self, x):
        ...         return 0.1 * keras.ops.var(x)
        ...
        ...     def get_config(self):
        ...         return {}
        >>> layer = keras.layers.Dense(2, kernel_regularizer=Spread())
    """

    def __call__(self, x: Any) -> Any:
        """The penalty, a scalar of x's dtype."""
        return 0.0


class L1L2(Regularizer):
    """l1 Σ|x| + l2 Σx².

    Args:
        l1, l2: factors, not negative.

    Example:
        >>> keras.regularizers.L1L2(l1=0.1, l2=0.1)(np.array([1.0, -2.0], "float32"))
        Array(0.8, dtype=float32)
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0) -> None:
        self.l1, self.l2 = _factor("l1", l1, 0.0), _factor("l2", l2, 0.0)

    def __call__(self, x: Any) -> Any:
        penalty = ops.zeros((), x.dtype)
        if self.l1:
            penalty = penalty + self.l1 * ops.sum(ops.abs(x))
        if self.l2:
            penalty = penalty + self.l2 * ops.sum(ops.square(x))
        return penalty


class L1(Regularizer):
    """l1 Σ|x|.

    Args:
        l1: factor, not negative.

    Example:
        >>> keras.regularizers.L1(0.1)(np.array([1.0, -2.0], "float32"))
        Array(0.3, dtype=float32)
    """

    def __init__(self, l1: float = 0.01) -> None:
        self.l1 = _factor("l1", l1, 0.01)

    def __call__(self, x: Any) -> Any:
        return self.l1 * ops.sum(ops.abs(x))


class L2(Regularizer):
    """l2 Σx².

    Args:
        l2: factor, not negative.

    Example:
        >>> keras.regularizers.L2(0.1)(np.array([1.0, -2.0], "float32"))
        Array(0.5, dtype=float32)
    """

    def __init__(self, l2: float = 0.01) -> None:
        self.l2 = _factor("l2", l2, 0.01)

    def __call__(self, x: Any) -> Any:
        return self.l2 * ops.sum(ops.square(x))


class OrthogonalRegularizer(Regularizer):
    """factor · the mean |cosine| between different rows (or columns) of a matrix.

    Args:
        factor: not negative.
        mode: ``"rows"`` or ``"columns"``: what shall be orthogonal.

    Raises:
        ValueError: another mode; or, when called, a tensor that is no matrix.

    Example:
        >>> penalty = keras.regularizers.OrthogonalRegularizer(factor=0.1)
        >>> penalty(np.array([[1.0, 0.0], [1.0, 1.0]], "float32"))
        Array(0.07071068, dtype=float32)
    """

    def __init__(self, factor: float = 0.01, mode: str = "rows") -> None:
        if mode not in ("rows", "columns"):
            raise ValueError(f"mode must be 'rows' or 'columns', got {mode!r}")
        self.factor, self.mode = _factor("factor", factor, 0.01), mode

    def __call__(self, x: Any) -> Any:
        if len(x.shape) != 2:
            shape = tuple(x.shape)
            raise ValueError(f"OrthogonalRegularizer is for matrices, got the shape {shape}")
        rows = ops.normalize(x if self.mode == "rows" else ops.transpose(x), axis=1)
        size = rows.shape[0]
        cosines = ops.matmul(rows, ops.transpose(rows))
        different = 1.0 - ops.eye(size, dtype=rows.dtype)
        return self.factor * ops.sum(ops.abs(cosines * different)) / (size * (size - 1.0))


def _factor(name: str, value: Any, default: float) -> float:
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"{name} must be a number, got {value!r}")
    if not 0 <= value < math.inf:
        raise ValueError(f"{name} must be finite and not negative, got {value!r}")
    return float(value)


l1, l2, l1_l2, orthogonal_regularizer = L1, L2, L1L2, OrthogonalRegularizer

_catalogue = Catalogue(
    "regularizers",
    "regularizer",
    (L1, L2, L1L2, OrthogonalRegularizer),
    {"l1_l2": L1L2},
    snake_case=True,
)
get, deserialize = _catalogue.get, _catalogue.deserialize


def serialize(regularizer: Any) -> Any:
    """The config that describes a regularizer; of a function its name.

    Example:
        >>> keras.regularizers.serialize(keras.regularizers.L2(0.5))["config"]
        {'l2': 0.5}
    """
    return registry.serialize_keras_object(regularizer)


__all__ = [
    "L1", "L1L2", "L2", "OrthogonalRegularizer", "Regularizer", "deserialize", "get", "l1",
    "l1_l2", "l2", "orthogonal_regularizer", "serialize",
]  # fmt: skip

__dir__ = lambda: list(__all__)
