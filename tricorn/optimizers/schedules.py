"""Learning rates that change with the step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from tricorn import config, ops
from tricorn.checks import number, wrong
from tricorn.serialization import registry
from tricorn.serialization.catalogue import Catalogue, Configured


class LearningRateSchedule(Configured):
    """Base class: a function ``step -> learning rate``, pure, with a config.

    Example:
        >>> class Halved(keras.optimizers.schedules.LearningRateSchedule):
        ...     def __call__(self, step):
        ...         return 0.1 * 0.5 ** (keras.ops.cast(step, "float32") // 100)
        >>> optimizer = keras.optimizers.SGD(Halved())
    """

    def __call__(self, step: Any) -> Any:
        """The learning rate, a scalar tensor of floatx.

        Args:
            step: number of updates made so far, an integer scalar.
        """
        raise NotImplementedError(f"{type(self).__name__} must define __call__(step)")


class _Decay(LearningRateSchedule):
    """Base of those that count in units of `decay_steps`."""

    def __init__(self, initial_learning_rate: float, decay_steps: int, name: str) -> None:
        number(self, "decay_steps", decay_steps, above=0)
        self.initial_learning_rate, self.decay_steps = initial_learning_rate, decay_steps
        self.name = name

    def _tricorn_elapsed(self, step: Any, staircase: bool = False) -> Any:
        """step / decay_steps, in whole steps for a staircase."""
        elapsed = ops.cast(step, config.floatx()) / self.decay_steps
        return ops.floor(elapsed) if staircase else elapsed


class ExponentialDecay(_Decay):
    """initial · rate^(step / decay_steps).

    Args:
        initial_learning_rate: at step 0.
        decay_steps: after so many steps it is multiplied by the rate once.
        decay_rate: the rate.
        staircase: whole powers only.
        name: for people.

    Example:
        >>> rate = keras.optimizers.schedules.ExponentialDecay(0.1, decay_steps=100, decay_rate=0.5)
        >>> [round(float(rate(step)), 4) for step in (0, 50, 100)]
        [0.1, 0.0707, 0.05]
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        decay_rate: float,
        staircase: bool = False,
        name: str = "ExponentialDecay",
    ) -> None:
        super().__init__(initial_learning_rate, decay_steps, name)
        self.decay_rate, self.staircase = decay_rate, staircase

    def __call__(self, step: Any) -> Any:
        elapsed = self._tricorn_elapsed(step, self.staircase)
        return self.initial_learning_rate * ops.power(self.decay_rate, elapsed)


class InverseTimeDecay(_Decay):
    """initial / (1 + rate · step / decay_steps).

    Args:
        initial_learning_rate: at step 0.
        decay_steps: the unit of time.
        decay_rate: the rate.
        staircase: whole units only.
        name: for people.

    Example:
        >>> rate = keras.optimizers.schedules.InverseTimeDecay(0.1, decay_steps=100, decay_rate=1.0)
        >>> [round(float(rate(step)), 4) for step in (0, 50, 100)]
        [0.1, 0.0667, 0.05]
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        decay_rate: float,
        staircase: bool = False,
        name: str = "InverseTimeDecay",
    ) -> None:
        super().__init__(initial_learning_rate, decay_steps, name)
        self.decay_rate, self.staircase = decay_rate, staircase

    def __call__(self, step: Any) -> Any:
        elapsed = self._tricorn_elapsed(step, self.staircase)
        return self.initial_learning_rate / (1.0 + self.decay_rate * elapsed)


class PolynomialDecay(_Decay):
    """(initial - end) · (1 - step / decay_steps)^power + end, and `end` afterwards.

    Args:
        initial_learning_rate: at step 0.
        decay_steps: when `end_learning_rate` is reached.
        end_learning_rate: the end.
        power: 1 is a straight line.
        cycle: instead of staying at the end, begin anew with the next multiple of `decay_steps`.
        name: for people.

    Example:
        >>> rate = keras.optimizers.schedules.PolynomialDecay(0.1, 100, end_learning_rate=0.01)
        >>> [round(float(rate(step)), 4) for step in (0, 50, 100)]
        [0.1, 0.055, 0.01]
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        end_learning_rate: float = 0.0001,
        power: float = 1.0,
        cycle: bool = False,
        name: str = "PolynomialDecay",
    ) -> None:
        super().__init__(initial_learning_rate, decay_steps, name)
        self.end_learning_rate, self.power, self.cycle = end_learning_rate, power, cycle

    def __call__(self, step: Any) -> Any:
        elapsed = self._tricorn_elapsed(step)
        if self.cycle:
            elapsed = elapsed / ops.maximum(ops.ceil(elapsed), 1.0)
        else:
            elapsed = ops.minimum(elapsed, 1.0)
        span = self.initial_learning_rate - self.end_learning_rate
        return span * ops.power(1.0 - elapsed, self.power) + self.end_learning_rate


class CosineDecay(_Decay):
    """Half a period of a cosine from the initial learning rate to α times it, after a warm-up.

    Args:
        initial_learning_rate: at step 0.
        decay_steps: length of the decay, after the warm-up.
        alpha: α, the part that remains.
        name: for people.
        warmup_target: the learning rate rises to this in a straight line first; None: no warm-up.
        warmup_steps: length of the warm-up.

    Source: Loshchilov and Hutter, 2016, arXiv:1608.03983.

    Example:
        >>> rate = keras.optimizers.schedules.CosineDecay(0.1, decay_steps=100)
        >>> [round(float(rate(step)), 4) for step in (0, 50, 100)]
        [0.1, 0.05, 0.0]
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        alpha: float = 0.0,
        name: str = "CosineDecay",
        warmup_target: float | None = None,
        warmup_steps: int = 0,
    ) -> None:
        super().__init__(initial_learning_rate, decay_steps, name)
        self.alpha, self.warmup_target, self.warmup_steps = alpha, warmup_target, warmup_steps

    def __call__(self, step: Any) -> Any:
        step = ops.cast(step, config.floatx())
        if self.warmup_target is None:
            return self._tricorn_decay(step, self.initial_learning_rate)
        rise = (self.warmup_target - self.initial_learning_rate) / max(self.warmup_steps, 1)
        decay = self._tricorn_decay(step - self.warmup_steps, self.warmup_target)
        warm = step * rise + self.initial_learning_rate
        return ops.where(ops.less(step, self.warmup_steps), warm, decay)

    def _tricorn_decay(self, step: Any, top: float) -> Any:
        elapsed = ops.minimum(self._tricorn_elapsed(step), 1.0)
        return top * ((1.0 - self.alpha) * 0.5 * (1.0 + ops.cos(math.pi * elapsed)) + self.alpha)


class CosineDecayRestarts(LearningRateSchedule):
    """`CosineDecay` that begins anew, each time longer by t_mul and from a height less by m_mul.

    Args:
        initial_learning_rate: at step 0.
        first_decay_steps: length of the first decay.
        t_mul: factor of the length from one decay to the next.
        m_mul: factor of the height from one decay to the next.
        alpha: the part that remains at the end of a decay.
        name: for people.

    Source: Loshchilov and Hutter, 2016, arXiv:1608.03983.

    Example:
        >>> rate = keras.optimizers.schedules.CosineDecayRestarts(0.1, first_decay_steps=100)
        >>> [round(float(rate(step)), 4) for step in (0, 50, 100)]
        [0.1, 0.05, 0.1]
    """

    def __init__(
        self,
        initial_learning_rate: float,
        first_decay_steps: int,
        t_mul: float = 2.0,
        m_mul: float = 1.0,
        alpha: float = 0.0,
        name: str = "SGDRDecay",
    ) -> None:
        number(self, "first_decay_steps", first_decay_steps, above=0)
        self.initial_learning_rate = initial_learning_rate
        self.first_decay_steps, self.name = first_decay_steps, name
        self.t_mul, self.m_mul, self.alpha = t_mul, m_mul, alpha

    def __call__(self, step: Any) -> Any:
        elapsed = ops.cast(step, config.floatx()) / self.first_decay_steps
        if self.t_mul == 1.0:
            restarts = ops.floor(elapsed)
            elapsed = elapsed - restarts
        else:
            inside = ops.log(1.0 + elapsed * (self.t_mul - 1.0)) / math.log(self.t_mul)
            restarts = ops.floor(inside)
            length = ops.power(self.t_mul, restarts)
            elapsed = (elapsed - (length - 1.0) / (self.t_mul - 1.0)) / length
        height = ops.power(self.m_mul, restarts)
        cosine = 0.5 * height * (1.0 + ops.cos(math.pi * elapsed))
        return self.initial_learning_rate * ((1.0 - self.alpha) * cosine + self.alpha)


class PiecewiseConstantDecay(LearningRateSchedule):
    """values[i] while boundaries[i-1] < step ≤ boundaries[i].

    Args:
        boundaries: increasing steps.
        values: learning rates, one more than boundaries.
        name: for people.

    Raises:
        ValueError: for other lengths.

    Example:
        >>> rate = keras.optimizers.schedules.PiecewiseConstantDecay([10, 20], [0.1, 0.05, 0.01])
        >>> [round(float(rate(step)), 4) for step in (0, 15, 100)]
        [0.1, 0.05, 0.01]
    """

    def __init__(
        self,
        boundaries: Sequence[float],
        values: Sequence[float],
        name: str = "PiecewiseConstant",
    ) -> None:
        for argument, given in (("boundaries", boundaries), ("values", values)):
            if not hasattr(given, "__len__") or isinstance(given, str):
                raise wrong(self, argument, "a list of numbers", given)
        if len(boundaries) != len(values) - 1:
            raise ValueError(
                "PiecewiseConstantDecay needs one value more than boundaries, got "
                f"{len(boundaries)} boundaries and {len(values)} values"
            )
        self.boundaries, self.values, self.name = boundaries, values, name

    def __call__(self, step: Any) -> Any:
        step = ops.convert_to_tensor(step)
        rate = ops.convert_to_tensor(self.values[0], dtype=config.floatx())
        for boundary, value in zip(self.boundaries, self.values[1:]):
            rate = ops.where(ops.greater(step, boundary), value, rate)
        return rate


_catalogue = Catalogue(
    "optimizers.schedules",
    "learning rate schedule",
    (
        ExponentialDecay, InverseTimeDecay, PolynomialDecay, CosineDecay, CosineDecayRestarts,
        PiecewiseConstantDecay,
    ),
)  # fmt: skip
deserialize = _catalogue.deserialize


def serialize(learning_rate_schedule: Any) -> Any:
    """The config that describes `learning_rate_schedule`; of a function its name.

    Example:
        >>> schedule = keras.optimizers.schedules.ExponentialDecay(0.5, 10, 0.9)
        >>> keras.optimizers.schedules.serialize(schedule)["config"]["decay_steps"]
        10
    """
    return registry.serialize_keras_object(learning_rate_schedule)


__all__ = [
    "CosineDecay", "CosineDecayRestarts", "ExponentialDecay", "InverseTimeDecay",
    "LearningRateSchedule", "PiecewiseConstantDecay", "PolynomialDecay", "deserialize",
    "serialize",
]  # fmt: skip

__dir__ = lambda: list(__all__)
