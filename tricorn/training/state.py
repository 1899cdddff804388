"""What a model keeps of `compile`: the private state of training."""

from __future__ import annotations

from typing import Any

from tricorn.graph.compiled import Compiled
from tricorn.training.terms import LossTerms, MetricTerms


class TrainingState:
    """The part of a model's private state (``model._tricorn``) that is about training.

    Attributes:
        programs: kind of step -> its compiled form.
        called: whether all layers that a call reaches are known to be built.
        losses, metrics: those of `compile`, matched to the outputs.
        tracker: the mean of the loss over an epoch.
        arguments: what `compile` was given.
        trained, frozen: the weights that were trainable, and those that were not, when `compile`
            was called.
    """

    __slots__ = (
        "arguments", "called", "frozen", "losses", "metrics", "programs", "tracker", "trained",
    )  # fmt: skip

    def __init__(self) -> None:
        self.programs: dict[str, Compiled] = {}
        self.called = False
        self.losses: LossTerms | None = None
        self.metrics: MetricTerms | None = None
        self.tracker: Any = None
        self.arguments: dict[str, Any] | None = None
        self.trained: frozenset = frozenset()
        self.frozen: frozenset = frozenset()

    def __getstate__(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__ if name != "programs"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.programs = {}
        for name, value in state.items():
            setattr(self, name, value)
