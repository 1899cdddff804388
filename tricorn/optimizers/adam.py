"""Adam and its relatives: momentum over a running scale of the gradient."""

from __future__ import annotations

from typing import Any, Unpack

from tricorn import ops
from tricorn.checks import number
from tricorn.conventions import conventions_of
from tricorn.graph.scope import Suspended
from tricorn.ops.fused import adam
from tricorn.optimizers.base import Common, Optimizer

Slots = dict[str, Any]


class _Moments(Optimizer):
    """Base of those that keep a first and a second moment with rates β₁ and β₂."""

    together = ("momentum", "velocity")

    def __init__(
        self,
        learning_rate: Any,
        beta_1: float,
        beta_2: float,
        epsilon: float,
        **common: Unpack[Common],
    ) -> None:
        super().__init__(learning_rate, **common)
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon

    def init(self, variable: Any) -> dict[str, float]:
        return {"momentum": 0.0, "velocity": 0.0}


def _moments(gradient: Any, slots: Slots, beta_1: Any, beta_2: Any) -> tuple[Any, Any]:
    """The new moments: m + (1 - β₁)(g - m), v + (1 - β₂)(g² - v)."""
    m, v = slots["momentum"], slots["velocity"]
    return m + (gradient - m) * (1.0 - beta_1), v + (ops.square(gradient) - v) * (1.0 - beta_2)


class Adam(_Moments):
    """w ← w - η √(1 - β₂ᵗ) / (1 - β₁ᵗ) · m / (√v + ε).

    m and v are moving averages of the gradient and of its square.

    Args:
        learning_rate: η.
        beta_1, beta_2: β₁, β₂, what remains of m and v in one step.
        epsilon: ε.
        amsgrad: use the largest v so far.
        common: see `Optimizer`.

    Source: Kingma and Ba, 2014, arXiv:1412.6980 (the form before section 2.1); Reddi et al., 2018.

    Example:
        >>> v = keras.Variable([1.0, 2.0])
        >>> keras.optimizers.Adam(0.1).apply([np.array([0.5, 0.5], "float32")], [v])
        >>> v.numpy()
        array([0.9000013, 1.9000013], dtype=float32)
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        **common: Unpack[Common],
    ) -> None:
        super().__init__(learning_rate, beta_1, beta_2, epsilon, **common)
        self.amsgrad = amsgrad

    def init(self, variable: Any) -> dict[str, float]:
        return {**super().init(variable), **({"velocity_hat": 0.0} if self.amsgrad else {})}

    def update(
        self, value: Any, gradient: Any, learning_rate: Any, slots: Slots, step: Any
    ) -> tuple[Any, Slots]:
        return self._tricorn_together([value], [gradient], learning_rate, [slots], step)[0]

    def update_several(
        self, values: list, gradients: list, learning_rate: Any, slots: list[Slots], step: Any
    ) -> list[tuple[Any, Slots]]:
        own = type(self).update is Adam.update  # a subclass may say otherwise
        run = self._tricorn_together if own else super().update_several
        return run(values, gradients, learning_rate, slots, step)

    def _tricorn_together(
        self, values: list, gradients: list, learning_rate: Any, slots: list[Slots], step: Any
    ) -> list[tuple[Any, Slots]]:
        names = ("momentum", "velocity", "velocity_hat")[: 2 + self.amsgrad]
        momenta, velocities, *largest = [[own[name] for own in slots] for name in names]
        after = adam(
            values, gradients, momenta, velocities, largest[0] if largest else None, learning_rate,
            step, self.beta_1, self.beta_2, self.epsilon,
        )  # fmt: skip
        return [(w, dict(zip(names, rest))) for w, *rest in after]


class AdamW(Adam):
    """`Adam` with weight decay.

    Args:
        learning_rate, beta_1, beta_2, epsilon, amsgrad: see `Adam`.
        weight_decay: before each update, w ← w - weight_decay · η w.
        common: see `Optimizer`.

    Source: Loshchilov and Hutter, 2017, arXiv:1711.05101.

    Example:
        >>> v = keras.Variable([1.0, 2.0])
        >>> optimizer = keras.optimizers.AdamW(0.1, weight_decay=0.01)
        >>> optimizer.apply([np.array([0.5, 0.5], "float32")], [v])
        >>> v.numpy()
        array([0.8990013, 1.8980013], dtype=float32)
    """

    def __init__(  # type: ignore[misc]
        self,
        learning_rate: Any = 0.001,
        weight_decay: float = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        **common: Unpack[Common],
    ) -> None:
        if weight_decay is None:
            raise ValueError("AdamW needs weight_decay, a number; without it use Adam")
        common["weight_decay"] = weight_decay
        super().__init__(learning_rate, beta_1, beta_2, epsilon, amsgrad, **common)


class Adamax(Optimizer):
    """w ← w - η m / ((1 - β₁ᵗ)(u + ε)), u ← max(β₂ u, |g|): Adam in the largest norm.

    Args:
        learning_rate: η.
        beta_1, beta_2, epsilon: β₁, β₂, ε.
        common: see `Optimizer`.

    Source: Kingma and Ba, 2014, arXiv:1412.6980, section 7.1.

    Example:
        >>> v = keras.Variable([1.0, 2.0])
        >>> keras.optimizers.Adamax(0.1).apply([np.array([0.5, 0.5], "float32")], [v])
        >>> v.numpy()
        array([0.90000004, 1.9000001 ], dtype=float32)
    """

    together = ("momentum", "norm")

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        **common: Unpack[Common],
    ) -> None:
        super().__init__(learning_rate, **common)
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon

    def init(self, variable: Any) -> dict[str, float]:
        return {"momentum": 0.0, "norm": 0.0}

    def update(
        self, value: Any, gradient: Any, learning_rate: Any, slots: Slots, step: Any
    ) -> tuple[Any, Slots]:
        m = slots["momentum"] + (gradient - slots["momentum"]) * (1.0 - self.beta_1)
        u = ops.maximum(slots["norm"] * self.beta_2, ops.abs(gradient))
        scale = (1.0 - self.beta_1**step) * (u + self.epsilon)
        return value - learning_rate * m / scale, {"momentum": m, "norm": u}


class Nadam(_Moments):
    """Adam with Nesterov's momentum, on the schedule μₜ = β₁ (1 - 0.96ᵗ / 2).

    w ← w - η m̂ / (√v̂ + ε), m̂ = μₜ₊₁ m / (1 - Π μ to t+1) + (1 - μₜ) g / (1 - Π μ to t),
    v̂ = v / (1 - β₂ᵗ).

    Args:
        learning_rate: η.
        beta_1, beta_2, epsilon: β₁, β₂, ε.
        common: see `Optimizer`.

    Source: Dozat, 2016, "Incorporating Nesterov momentum into Adam".

    Example:
        >>> v = keras.Variable([1.0, 2.0])
        >>> keras.optimizers.Nadam(0.1).apply([np.array([0.5, 0.5], "float32")], [v])
        >>> v.numpy()
        array([0.8937212, 1.8937212], dtype=float32)
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        **common: Unpack[Common],
    ) -> None:
        super().__init__(learning_rate, beta_1, beta_2, epsilon, **common)

    def _mu(self, step: Any) -> Any:
        return self.beta_1 * (1.0 - 0.5 * 0.96**step)

    def init_shared(self) -> dict[str, float]:
        return {"product": 1.0}

    def update_shared(self, slots: Slots, step: Any) -> Slots:
        return {} if self._of_variables else {"product": slots["product"] * self._mu(step)}

    @property
    def _of_variables(self) -> bool:
        """Whether the product grows with each variable, see `Conventions.nadam_product`."""
        return conventions_of(self).nadam_product == "variables"

    def update_several(
        self, values: list, gradients: list, learning_rate: Any, slots: list[Slots], step: Any
    ) -> list[tuple[Any, Slots]]:
        if self._of_variables:
            product, mu = slots[0]["product"], self._mu(step)
            for place, own in enumerate(slots):
                product = own["product"] = product * ops.where(step == place, 1.0, mu)
            self._tricorn.shared["product"].assign(product)
        return super().update_several(values, gradients, learning_rate, slots, step)

    def update(
        self, value: Any, gradient: Any, learning_rate: Any, slots: Slots, step: Any
    ) -> tuple[Any, Slots]:
        # Keras 3 rounds these to the variable's dtype first; 1 - β₂ is 1e-5 off by that in float32
        beta_1, beta_2 = (ops.cast(beta, gradient.dtype) for beta in (self.beta_1, self.beta_2))
        m, v = _moments(gradient, slots, beta_1, beta_2)
        product, mu, following = slots["product"], self._mu(step), self._mu(step + 1.0)
        m_hat = m * (following / (1.0 - product * following))
        m_hat = m_hat + gradient * ((1.0 - mu) / (1.0 - product))
        scale = ops.sqrt(v / (1.0 - beta_2**step)) + self.epsilon
        return value - learning_rate * m_hat / scale, {"momentum": m, "velocity": v}


class Lamb(_Moments):
    """Adam's direction d, scaled to the norm of the variable: w ← w - η d |w| / |d|.

    d = m̂ / (√v̂ + ε), with the unbiased moments m̂ and v̂.

    Args:
        learning_rate: η.
        beta_1, beta_2, epsilon: β₁, β₂, ε.
        common: see `Optimizer`.

    Source: You et al., 2019, arXiv:1904.00962.

    Example:
        >>> v = keras.Variable([1.0, 2.0])
        >>> keras.optimizers.Lamb(0.1).apply([np.array([0.5, 0.5], "float32")], [v])
        >>> v.numpy()
        array([0.8418861, 1.841886 ], dtype=float32)
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        **common: Unpack[Common],
    ) -> None:
        super().__init__(learning_rate, beta_1, beta_2, epsilon, **common)

    def update(
        self, value: Any, gradient: Any, learning_rate: Any, slots: Slots, step: Any
    ) -> tuple[Any, Slots]:
        m, v = _moments(gradient, slots, self.beta_1, self.beta_2)
        scale = ops.sqrt(v / (1.0 - self.beta_2**step)) + self.epsilon
        direction = m / (1.0 - self.beta_1**step) / scale
        norms = [ops.sqrt(ops.sum(ops.square(x))) for x in (value, direction)]
        ratio = ops.divide_no_nan(*norms)
        ratio = ops.where(ratio > 0.0, ratio, ops.ones_like(ratio))
        return value - learning_rate * ratio * direction, {"momentum": m, "velocity": v}


class ScheduleFreeAdamW(_Moments):
    """Adam that averages its iterates instead of following a schedule.

    z ← z - η g / (√v̂ + ε), x ← (1 - 1/t) x + z / t, w = (1 - β₁) z + β₁ x: gradients are taken at
    w, z is the slot "momentum".

    Args:
        learning_rate: η.
        beta_1, beta_2, epsilon: β₁ (the interpolation), β₂, ε.
        warmup_steps: η rises in a straight line for so many steps.
        common: see `Optimizer`.

    Source: Defazio et al., 2024, arXiv:2405.15682.

    Example:
        >>> v = keras.Variable([1.0, 2.0])
        >>> optimizer = keras.optimizers.ScheduleFreeAdamW(0.1)
        >>> optimizer.apply([np.array([0.5, 0.5], "float32")], [v])
        >>> v.shape
        (2,)
    """

    def __init__(
        self,
        learning_rate: Any = 0.0025,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        warmup_steps: int = 0,
        **common: Unpack[Common],
    ) -> None:
        super().__init__(learning_rate, beta_1, beta_2, epsilon, **common)
        self.warmup_steps = warmup_steps

    def init(self, variable: Any) -> Slots:
        with Suspended():
            return {"momentum": variable.numpy(), "velocity": 0.0}

    def update(
        self, value: Any, gradient: Any, learning_rate: Any, slots: Slots, step: Any
    ) -> tuple[Any, Slots]:
        if self.warmup_steps:
            learning_rate = learning_rate * ops.minimum(step / self.warmup_steps, 1.0)
        beta_2, z = ops.cast(self.beta_2, gradient.dtype), slots["momentum"]
        x = (value - (1.0 - self.beta_1) * z) / self.beta_1
        v = slots["velocity"] + (ops.square(gradient) - slots["velocity"]) * (1.0 - beta_2)
        z = z - learning_rate * gradient / (ops.sqrt(v / (1.0 - beta_2**step)) + self.epsilon)
        x = x + (z - x) / step
        return (1.0 - self.beta_1) * z + self.beta_1 * x, {"momentum": z, "velocity": v}


class Lion(Optimizer):
    """w ← w - η sign(β₁ m + (1 - β₁) g), then m ← β₂ m + (1 - β₂) g.

    Args:
        learning_rate: η, three to ten times smaller than Adam's.
        beta_1, beta_2: β₁ in (0, 1], β₂.
        common: see `Optimizer`.

    Source: Chen et al., 2023, arXiv:2302.06675.

    Example:
        >>> v = keras.Variable([1.0, 2.0])
        >>> keras.optimizers.Lion(0.1).apply([np.array([0.5, 0.5], "float32")], [v])
        >>> v.numpy()
        array([0.9, 1.9], dtype=float32)
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.99,
        **common: Unpack[Common],
    ) -> None:
        super().__init__(learning_rate, **common)
        self.beta_1, self.beta_2 = number(self, "beta_1", beta_1, most=1, above=0), beta_2

    def init(self, variable: Any) -> dict[str, float]:
        return {"momentum": 0.0}

    def update(
        self, value: Any, gradient: Any, learning_rate: Any, slots: Slots, step: Any
    ) -> tuple[Any, Slots]:
        m = slots["momentum"]
        direction = ops.sign(m * self.beta_1 + gradient * (1.0 - self.beta_1))
        new = m * self.beta_2 + gradient * (1.0 - self.beta_2)
        return value - learning_rate * direction, {"momentum": new}
