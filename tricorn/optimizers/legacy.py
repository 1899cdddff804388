"""Optimizers as Keras 1, Keras 2 and tf.keras up to 2.10 computed them, where today's differ.

All take `decay`, and several kinds of clipping at once.  What is said here of an optimizer is what
differs; otherwise it computes what today's of its name does.
"""

from __future__ import annotations

from typing import Any

from tricorn import ops
from tricorn.conventions import conventions_of
from tricorn.optimizers import adam, adaptive, sgd
from tricorn.optimizers.base import Optimizer

Slots = dict[str, Any]


class LegacyOptimizer(Optimizer):
    """Base of these: η in step t, counted from 0, is η / (1 + decay · t).

    Args:
        decay: see above.
        global_clipnorm, clipnorm, clipvalue: as today, but all that are given apply, in this order
            (Keras 1 and 2 called `clipnorm` what is `global_clipnorm` now).
    """

    def __init__(self, *args: Any, decay: float = 0.0, **kwargs: Any) -> None:
        clips = {name: kwargs.pop(name, None) for name in ("clipnorm", "clipvalue")}
        if kwargs.get("global_clipnorm") is None:
            kwargs.pop("global_clipnorm", None)
        super().__init__(*args, **kwargs)
        vars(self).update(clips, decay=decay)

    def _tricorn_rate(self) -> Any:
        rate = super()._tricorn_rate()
        if not self.decay:
            return rate
        return rate / (1.0 + self.decay * ops.cast(self._tricorn_steps(), rate.dtype))

    def _tricorn_steps(self) -> Any:
        after = conventions_of(self).step_count == "after" and self._tricorn_may_count_after()
        return self.iterations + 1 if after else self.iterations

    def _tricorn_may_count_after(self) -> bool:
        """Whether recorded runs show it, see `Conventions.step_count`."""
        return True

    decay: float
    epsilon: float


class SGD(LegacyOptimizer, sgd.SGD):
    """Gradient descent, see `LegacyOptimizer`."""


class RMSprop(LegacyOptimizer, adaptive.RMSprop):
    """w ← w - η g / (√v + ε); with momentum as today, ε under the root."""

    def update(
        self, value: Any, gradient: Any, learning_rate: Any, slots: Slots, step: Any
    ) -> tuple[Any, Slots]:
        if self.momentum > 0:
            return super().update(value, gradient, learning_rate, slots, step)
        new = {"velocity": self.rho * slots["velocity"] + (1.0 - self.rho) * ops.square(gradient)}
        scale = new["velocity"]
        if self.centered:
            average = self.rho * slots["average_gradient"] + (1.0 - self.rho) * gradient
            new["average_gradient"] = average
            scale = scale - ops.square(average)
        return value - learning_rate * gradient / (ops.sqrt(scale) + self.epsilon), new


class Adagrad(LegacyOptimizer, adaptive.Adagrad):
    """w ← w - η g / (√Σ g² + ε)."""

    def update(
        self, value: Any, gradient: Any, learning_rate: Any, slots: Slots, step: Any
    ) -> tuple[Any, Slots]:
        total = slots["accumulator"] + ops.square(gradient)
        change = learning_rate * gradient / (ops.sqrt(total) + self.epsilon)
        return value - change, {"accumulator": total}


class Adadelta(LegacyOptimizer, adaptive.Adadelta):
    """See `LegacyOptimizer`."""


class Ftrl(LegacyOptimizer, adaptive.Ftrl):
    """See `LegacyOptimizer`."""


class Adam(LegacyOptimizer, adam.Adam):
    """See `LegacyOptimizer`."""

    def _tricorn_may_count_after(self) -> bool:
        clips = self.clipnorm, self.clipvalue, self.global_clipnorm
        return bool(self.amsgrad or self.decay or any(clips))


class Adamax(LegacyOptimizer, adam.Adamax):
    """See `LegacyOptimizer`."""


class Nadam(LegacyOptimizer, adam.Nadam):
    """Nadam on the schedule μₜ = β₁ (1 - 0.96^(t · schedule_decay) / 2), without `decay`.

    Args:
        schedule_decay: see above; it is 1 today.
    """

    def __init__(self, *args: Any, schedule_decay: float = 0.004, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.schedule_decay = schedule_decay

    def _mu(self, step: Any) -> Any:
        return self.beta_1 * (1.0 - 0.5 * 0.96 ** (step * self.schedule_decay))


__all__ = [
    "SGD", "Adadelta", "Adagrad", "Adam", "Adamax", "Ftrl", "LegacyOptimizer", "Nadam", "Optimizer",
    "RMSprop",
]  # fmt: skip
