"""Optimizers with a learning rate per entry, from the gradients seen so far."""

from __future__ import annotations

from typing import Any, Unpack

from tricorn import ops
from tricorn.checks import number
from tricorn.optimizers.base import Common, Optimizer

Slots = dict[str, Any]


class _Rooted(Optimizer):
    """Base of those that divide by the root of a mean or a sum of squares."""

    epsilon: float

    def _root(self, square: Any, less: Any = None) -> Any:
        """√(square + ε - less)."""
        inside = square + self.epsilon
        return ops.sqrt(inside if less is None else inside - less)


class RMSprop(_Rooted):
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

    Example:
        >>> v = keras.Variable([1.0, 2.0])
        >>> keras.optimizers.RMSprop(0.1).apply([np.array([0.5, 0.5], "float32")], [v])
        >>> v.numpy()
        array([0.68377286, 1.6837728 ], dtype=float32)
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
        less = None
        if self.centered:
            new["average_gradient"] = _average(slots["average_gradient"], gradient, self.rho)
            less = ops.square(new["average_gradient"])
        change = learning_rate * gradient / self._root(new["velocity"], less)
        if self.momentum > 0:
            change = new["momentum"] = slots["momentum"] * self.momentum + change
        return value - change, new


class Adagrad(_Rooted):
    """w ← w - η g / √(Σ g² + ε).

    Args:
        learning_rate: η.
        initial_accumulator_value: what the sum begins with.
        epsilon: ε.
        common: see `Optimizer`.

    Source: Duchi et al., 2011, "Adaptive subgradient methods".

    Example:
        >>> v = keras.Variable([1.0, 2.0])
        >>> keras.optimizers.Adagrad(0.1).apply([np.array([0.5, 0.5], "float32")], [v])
        >>> v.numpy()
        array([0.9154846, 1.9154845], dtype=float32)
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
        change = learning_rate * gradient / self._root(total)
        return value - change, {"accumulator": total}


class Adadelta(Optimizer):
    """w ← w - η d, d = g √(a + ε) / √(v + ε), a and v moving averages of d² and g².

    Args:
        learning_rate: η (1 is the paper's).
        rho: what remains of the averages in one step.
        epsilon: ε.
        common: see `Optimizer`.

    Source: Zeiler, 2012, arXiv:1212.5701.

    Example:
        >>> v = keras.Variable([1.0, 2.0])
        >>> keras.optimizers.Adadelta(1.0).apply([np.array([0.5, 0.5], "float32")], [v])
        >>> v.numpy()
        array([0.9985858, 1.9985858], dtype=float32)
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


class Ftrl(Optimizer):
    """Follow the regularized leader: w = (clip(z, ±λ₁) - z) / (nᵖ / η + 2 λ₂).

    n ← n + g², z ← z + g - (n_newᵖ - n_oldᵖ) / η · w, p = -learning_rate_power.

    Args:
        learning_rate: η.
        learning_rate_power: -p, not positive.
        initial_accumulator_value: what n begins with, not negative.
        l1_regularization_strength: λ₁, not negative.
        l2_regularization_strength: λ₂, not negative.
        l2_shrinkage_regularization_strength: adds 2 times this times w to g, not negative.
        beta: adds beta / 2η to λ₂.
        common: see `Optimizer`.

    Source: McMahan et al., 2013, "Ad click prediction: a view from the trenches".

    Example:
        >>> v = keras.Variable([1.0, 2.0])
        >>> keras.optimizers.Ftrl(0.1).apply([np.array([0.5, 0.5], "float32")], [v])
        >>> v.shape
        (2,)
    """

    together = ("accumulator", "linear")

    def __init__(
        self,
        learning_rate: Any = 0.001,
        learning_rate_power: float = -0.5,
        initial_accumulator_value: float = 0.1,
        l1_regularization_strength: float = 0.0,
        l2_regularization_strength: float = 0.0,
        l2_shrinkage_regularization_strength: float = 0.0,
        beta: float = 0.0,
        **common: Unpack[Common],
    ) -> None:
        super().__init__(learning_rate, **common)
        number(self, "learning_rate_power", learning_rate_power, most=0)
        strengths = {
            "initial_accumulator_value": initial_accumulator_value,
            "l1_regularization_strength": l1_regularization_strength,
            "l2_regularization_strength": l2_regularization_strength,
            "l2_shrinkage_regularization_strength": l2_shrinkage_regularization_strength,
        }
        for name, value in strengths.items():
            number(self, name, value, 0)
        vars(self).update(strengths, learning_rate_power=learning_rate_power, beta=beta)

    def init(self, variable: Any) -> dict[str, float]:
        return {"accumulator": self.initial_accumulator_value, "linear": 0.0}

    def update(
        self, value: Any, gradient: Any, learning_rate: Any, slots: Slots, step: Any
    ) -> tuple[Any, Slots]:
        old, power = slots["accumulator"], -self.learning_rate_power
        new = old + ops.square(gradient)
        shrunk = gradient + value * (2.0 * self.l2_shrinkage_regularization_strength)
        change = (ops.power(new, power) - ops.power(old, power)) / learning_rate
        linear = slots["linear"] + shrunk - change * value
        curvature = (ops.power(new, power) + self.beta) / learning_rate
        curvature = curvature + 2.0 * self.l2_regularization_strength
        l1 = self.l1_regularization_strength
        value = (ops.clip(linear, -l1, l1) - linear) / curvature
        return value, {"accumulator": new, "linear": linear}

    initial_accumulator_value: float
    l1_regularization_strength: float
    l2_regularization_strength: float
    l2_shrinkage_regularization_strength: float
    learning_rate_power: float
    beta: float


def _average(average: Any, x: Any, rho: float) -> Any:
    return average * rho + x * (1.0 - rho)
