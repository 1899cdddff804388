"""Gradient descent."""

from __future__ import annotations

from typing import Any, Unpack

from tricorn.checks import number
from tricorn.optimizers.base import Common, Optimizer


class SGD(Optimizer):
    """w ← w - η g; with momentum μ: v ← μ v - η g, w ← w + v; Nesterov's: w ← w + μ v - η g.

    Args:
        learning_rate: η.
        momentum: μ, in [0, 1].
        nesterov: look ahead along the momentum.
        common: see `Optimizer`.

    Source: Sutskever et al., 2013, "On the importance of initialization and momentum".

    Example:
        >>> v = keras.Variable([1.0, 2.0])
        >>> keras.optimizers.SGD(0.1, momentum=0.9).apply([np.array([0.5, 0.5], "float32")], [v])
        >>> v.numpy()
        array([0.95, 1.95], dtype=float32)
    """

    def __init__(
        self,
        learning_rate: Any = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        **common: Unpack[Common],
    ) -> None:
        super().__init__(learning_rate, **common)
        self.momentum, self.nesterov = number(self, "momentum", momentum, 0, 1), nesterov

    def init(self, variable: Any) -> dict[str, float]:
        return {"momentum": 0.0} if self.momentum else {}

    def update(
        self, value: Any, gradient: Any, learning_rate: Any, slots: dict[str, Any], step: Any
    ) -> tuple[Any, dict[str, Any]]:
        change = learning_rate * gradient
        if not self.momentum:
            return value - change, {}
        velocity = slots["momentum"] * self.momentum - change
        ahead = velocity * self.momentum - change if self.nesterov else velocity
        return value + ahead, {"momentum": velocity}
