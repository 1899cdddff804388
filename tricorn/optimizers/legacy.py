"""Optimizers as Keras 1, Keras 2 and tf.keras up to 2.10 computed them, where today's differ.

All take `decay`, and several kinds of clipping at once.  What is said here of an optimizer is what
differs; otherwise it computes what today's of its name does.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tricorn import ops
from tricorn.conventions import conventions_of
from tricorn.graph.scope import Scope
from tricorn.optimizers import adam, adaptive, sgd
from tricorn.optimizers.base import Optimizer, variables_for
from tricorn.optimizers.schedules import InverseTimeDecay
from tricorn.variable import Variable


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

    #: whether tf.keras changed only those rows of an embedding that were looked up
    _by_rows = False
    #: whether the formula has the number of the step in it, besides the decay
    _by_steps = False

    def apply(
        self, grads: Iterable[Any], trainable_variables: Iterable[Variable] | None = None
    ) -> None:
        grads = list(grads)
        if not self._by_rows or conventions_of(self).embedding_rows == "all":
            return super().apply(grads, trainable_variables)
        rows: dict[Variable, Any] = {}
        for gradient, variable in zip(grads, variables_for(self, grads, trainable_variables)):
            if gradient is not None and variable.leaf == "embeddings":
                row = ops.any(ops.not_equal(gradient, 0.0), axis=1, keepdims=True)
                rows.update(dict.fromkeys((variable, *self._tricorn.slots[variable].values()), row))
        with Scope() as scope:
            super().apply(grads, trainable_variables)
        for variable, value in scope.assigned.items():
            if variable in rows:
                value = ops.where(rows[variable], value, variable.value)
            variable.assign(value)
        return None

    def _tricorn_rate(self) -> Any:
        rate = super()._tricorn_rate()
        if not self.decay:
            return rate
        return rate / (1.0 + self.decay * ops.cast(self._tricorn_steps(), rate.dtype))

    def _tricorn_steps(self) -> Any:
        return self.iterations + 1 if self._tricorn_counts_after() else self.iterations

    def _tricorn_counts_after(self) -> bool:
        return conventions_of(self).step_count == "after" and self._tricorn_may_count_after()

    def _tricorn_may_count_after(self) -> bool:
        """Whether recorded runs show it, see `Conventions.step_count`."""
        return True

    def _tricorn_today(self, ahead: bool = False) -> tuple[dict[str, Any], list[str]]:
        """(the arguments of today's optimizer of this name, what that computes otherwise).

        Args:
            ahead: where steps are counted "after", its count begins with one more.
        """
        config = self.get_config()
        decay, rate = config.pop("decay", 0.0), config.get("learning_rate")
        config.pop("schedule_decay", None)
        why = [] if self._tricorn_same_formula() else ["it has another formula today"]
        clips = ("clipnorm", "global_clipnorm", "clipvalue")
        if len(given := [name for name in clips if config.get(name)]) > 1:
            why.append(f"it clips by {' and by '.join(given)}")
            config.update(dict.fromkeys(given[1:]))
        if self._tricorn_counts_after() and not ahead:
            if self._by_steps:
                why.append("it counts steps in another way")
            elif decay and isinstance(rate, float):
                rate, decay = rate / (1 + decay), decay / (1 + decay)
        if decay and isinstance(rate, float):
            config["learning_rate"] = InverseTimeDecay(rate, 1, decay)
        elif decay:
            why.append("its schedule decays")
        embeddings = any(v.leaf == "embeddings" for v in self._tricorn.slots)
        if embeddings and self._by_rows and conventions_of(self).embedding_rows != "all":
            why.append("it changes only those rows of an embedding that were looked up")
        return config, why

    def _tricorn_stored(self) -> list[Variable]:
        """Those of today's optimizer: a schedule is none of them."""
        return [v for v in self.variables if not (self.decay and v is self._learning_rate)]

    def _tricorn_same_formula(self) -> bool:
        return True

    decay: float
    epsilon: float


class SGD(LegacyOptimizer, sgd.SGD):
    """Gradient descent, see `LegacyOptimizer`."""

    @property
    def _by_rows(self) -> bool:  # type: ignore[override]
        return self.momentum > 0


class _Outside(LegacyOptimizer):
    """Base of those that add ε to the root, not under it."""

    def _root(self, square: Any, less: Any = None) -> Any:
        return ops.sqrt(square if less is None else square - less) + self.epsilon


class RMSprop(_Outside, adaptive.RMSprop):
    """w ← w - η g / (√v + ε); with momentum as today, ε under the root."""

    @property
    def _by_rows(self) -> bool:  # type: ignore[override]
        return self.momentum > 0

    def _root(self, square: Any, less: Any = None) -> Any:
        if self.momentum == 0:
            return super()._root(square, less)
        return adaptive.RMSprop._root(self, square, less)

    def _tricorn_same_formula(self) -> bool:
        return self.momentum > 0


class Adagrad(_Outside, adaptive.Adagrad):
    """w ← w - η g / (√Σ g² + ε)."""

    def _tricorn_same_formula(self) -> bool:
        return False


class Adadelta(LegacyOptimizer, adaptive.Adadelta):
    """See `LegacyOptimizer`."""

    _by_rows = True


class Ftrl(LegacyOptimizer, adaptive.Ftrl):
    """See `LegacyOptimizer`."""

    _by_rows = True


class Adam(LegacyOptimizer, adam.Adam):
    """See `LegacyOptimizer`."""

    _by_steps = True

    def _tricorn_may_count_after(self) -> bool:
        clips = self.clipnorm, self.clipvalue, self.global_clipnorm
        return bool(self.amsgrad or self.decay or any(clips))


class Adamax(LegacyOptimizer, adam.Adamax):
    """See `LegacyOptimizer`."""

    _by_rows = _by_steps = True


class Nadam(LegacyOptimizer, adam.Nadam):
    """Nadam on the schedule μₜ = β₁ (1 - 0.96^(t · schedule_decay) / 2), without `decay`.

    Args:
        schedule_decay: see above; it is 1 today.
    """

    def __init__(self, *args: Any, schedule_decay: float = 0.004, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.schedule_decay = schedule_decay

    _of_variables = False
    _by_steps = True

    def _tricorn_same_formula(self) -> bool:
        return False

    def _mu(self, step: Any) -> Any:
        return self.beta_1 * (1.0 - 0.5 * 0.96 ** (step * self.schedule_decay))


__all__ = [
    "SGD", "Adadelta", "Adagrad", "Adam", "Adamax", "Ftrl", "LegacyOptimizer", "Nadam", "Optimizer",
    "RMSprop",
]  # fmt: skip
