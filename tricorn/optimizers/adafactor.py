"""Adafactor: Adam's scale of the gradient in the memory of rows and columns."""

from __future__ import annotations

from typing import Any, Unpack

import numpy as np

from tricorn import ops
from tricorn.optimizers.base import Common, Optimizer
from tricorn.variable import Variable

Slots = dict[str, Any]


class Adafactor(Optimizer):
    """w ← w - max(ε₂, rms(w)) ρ u / max(1, rms(u) / d), u = g / √v.

    Of a matrix (the last two axes of a tensor) v is known by the moving averages r of its rows and
    c of its columns, v = r c / mean(r); of anything smaller it is the moving average of g² + ε₁.
    What remains of an average in step t is 1 - t^beta_2_decay.

    Args:
        learning_rate: ρ.
        beta_2_decay: see above, negative.
        epsilon_1: ε₁, keeps v from being zero.
        epsilon_2: ε₂, the least scale of a variable.
        clip_threshold: d.
        relative_step: with a number for a learning rate: ρ is at most 1 / √t.
        common: see `Optimizer`.

    Source: Shazeer and Stern, 2018, arXiv:1804.04235.

    Example:
        >>> v = keras.Variable([1.0, 2.0])
        >>> keras.optimizers.Adafactor(0.1).apply([np.array([0.5, 0.5], "float32")], [v])
        >>> v.numpy()
        array([0.8418861, 1.8418862], dtype=float32)
    """

    together = ("r", "c", "velocity")

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_2_decay: float = -0.8,
        epsilon_1: float = 1e-30,
        epsilon_2: float = 1e-3,
        clip_threshold: float = 1.0,
        relative_step: bool = True,
        **common: Unpack[Common],
    ) -> None:
        super().__init__(learning_rate, **common)
        self.beta_2_decay, self.relative_step = beta_2_decay, relative_step
        self.epsilon_1, self.epsilon_2 = epsilon_1, epsilon_2
        self.clip_threshold = clip_threshold

    def init(self, variable: Any) -> Slots:
        shape = tuple(variable.shape)
        rows, columns = shape[:-1], (*shape[:-2], *shape[-1:])
        if len(shape) < 2:  # files of Keras hold two unused scalars then
            rows = columns = ()
        return {"r": np.zeros(rows), "c": np.zeros(columns), "velocity": 0.0}

    def update(
        self, value: Any, gradient: Any, learning_rate: Any, slots: Slots, step: Any
    ) -> tuple[Any, Slots]:
        if self.relative_step and isinstance(self._learning_rate, Variable):
            learning_rate = ops.minimum(learning_rate, 1.0 / ops.sqrt(step))
        share, square = step**self.beta_2_decay, ops.square(gradient) + self.epsilon_1
        if len(value.shape) > 1:
            r = slots["r"] + (ops.mean(square, -1) - slots["r"]) * share
            c = slots["c"] + (ops.mean(square, -2) - slots["c"]) * share
            rows = ops.expand_dims(r / ops.mean(r, -1, keepdims=True), -1)
            new = {"r": r, "c": c, "velocity": rows * ops.expand_dims(c, -2)}
        else:
            new = {"velocity": slots["velocity"] + (square - slots["velocity"]) * share}
        change = gradient / ops.sqrt(new["velocity"])
        change = change / ops.maximum(_rms(change) / self.clip_threshold, 1.0)
        return value - learning_rate * ops.maximum(_rms(value), self.epsilon_2) * change, new


def _rms(x: Any) -> Any:
    return ops.sqrt(ops.mean(ops.square(x)))
