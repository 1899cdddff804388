"""Optimizers with a learning rate per entry, from the gradients seen so far."""

from __future__ import annotations

from typing import Any, Unpack

from tricorn import ops
from tricorn.optimizers.base import Common, Optimizer

Slots = dict[str, Any]


class RMSprop(Optimizer):
    """w ← w - η g / √(v + ε), v a moving average of g²; centered: of the variance of g.

    With momentum μ: b ← μ b + η g / √(v + ε), w ← w - b.

    Args:
        learning_rate: η.
        rho: what remains of v in one step.
        momentum: μ.
        epsilon: ε.
        centered: subtract the square of the moving average of g from v.
        common: see `Optimizer`.

    Source: Tieleman and Hinton, 2012, lecture 6.5 of "Neural networks for machine learning".
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
        **common: Unpack[Common],
    ) -> None:
        super().__init__(learning_rate, **common)
        self.rho, self.momentum, self.epsilon, self.centered = rho, momentum, epsilon, centered

    def init(self, variable: Any) -> dict[str, float]:
        momentum = {"momentum": 0.0} if self.momentum > 0 else {}
        average = {"average_gradient": 0.0} if self.centered else {}
        return {"velocity": 0.0, **momentum, **average}

    def update(
        self, value: Any, gradient: Any, learning_rate: Any, slots: Slots, step: Any
    ) -> tuple[Any, Slots]:
        new = {"velocity": _average(slots["velocity"], ops.square(gradient), self.rho)}
        scale = new["velocity"] + self.epsilon
        if self.centered:
            new["average_gradient"] = _average(slots["average_gradient"], gradient, self.rho)
            scale = scale - ops.square(new["average_gradient"])
        change = learning_rate * gradient / ops.sqrt(scale)
        if self.momentum > 0:
            change = new["momentum"] = slots["momentum"] * self.momentum + change
        return value - change, new


class Adagrad(Optimizer):
    """w ← w - η g / √(Σ g² + ε).

    Args:
        learning_rate: η.
        initial_accumulator_value: what the sum begins with.
        epsilon: ε.
        common: see `Optimizer`.

    Source: Duchi et al., 2011, "Adaptive subgradient methods".
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        initial_accumulator_value: float = 0.1,
        epsilon: float = 1e-7,
        **common: Unpack[Common],
    ) -> None:
        super().__init__(learning_rate, **common)
        self.initial_accumulator_value, self.epsilon = initial_accumulator_value, epsilon

    def init(self, variable: Any) -> dict[str, float]:
        return {"accumulator": self.initial_accumulator_value}

    def update(
        self, value: Any, gradient: Any, learning_rate: Any, slots: Slots, step: Any
    ) -> tuple[Any, Slots]:
        total = slots["accumulator"] + ops.square(gradient)
        change = learning_rate * gradient / ops.sqrt(total + self.epsilon)
        return value - change, {"accumulator": total}


class Adadelta(Optimizer):
    """w ← w - η d, d = g √(a + ε) / √(v + ε), a and v moving averages of d² and g².

    Args:
        learning_rate: η (1 is the paper's).
        rho: what remains of the averages in one step.
        epsilon: ε.
        common: see `Optimizer`.

    Source: Zeiler, 2012, arXiv:1212.5701.
    """

    together = ("accumulated_grad", "accumulated_delta_var")

    def __init__(
        self,
        learning_rate: Any = 0.001,
        rho: float = 0.95,
        epsilon: float = 1e-7,
        **common: Unpack[Common],
    ) -> None:
        super().__init__(learning_rate, **common)
        self.rho, self.epsilon = rho, epsilon

    def init(self, variable: Any) -> dict[str, float]:
        return {"accumulated_grad": 0.0, "accumulated_delta_var": 0.0}

    def update(
        self, value: Any, gradient: Any, learning_rate: Any, slots: Slots, step: Any
    ) -> tuple[Any, Slots]:
        grads = _average(slots["accumulated_grad"], ops.square(gradient), self.rho)
        deltas = slots["accumulated_delta_var"]
        delta = gradient * ops.sqrt(deltas + self.epsilon) / ops.sqrt(grads + self.epsilon)
        deltas = _average(deltas, ops.square(delta), self.rho)
        new = {"accumulated_grad": grads, "accumulated_delta_var": deltas}
        return value - learning_rate * delta, new


def _average(average: Any, x: Any, rho: float) -> Any:
    return average * rho + x * (1.0 - rho)
