"""What callbacks that wait for a metric to improve have in common."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from tricorn.callbacks.base import Callback


class MonitorCallback(Callback):
    """Decides whether the metric named `monitor` has improved.

    With d = |`min_delta`|, a value improves on a reference when value + d < reference (mode
    ``"min"``) or value - d > reference (``"max"``).

    Args:
        monitor: name in the logs, e.g. ``"val_loss"``.
        mode: ``"min"``, ``"max"``, or ``"auto"``: by what the metric says of itself (losses go
            down).
        baseline: the best value to start from, None for the first one seen.
        min_delta: what a change must exceed to count.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        mode: str = "auto",
        baseline: float | None = None,
        min_delta: float = 0,
    ) -> None:
        super().__init__()
        if mode not in ("auto", "min", "max"):
            warnings.warn(
                f"{type(self).__name__}: mode must be 'auto', 'min' or 'max', got {mode!r}; "
                "'auto' is used.",
                stacklevel=3,
            )
            mode = "auto"
        self.monitor = monitor
        self.mode = mode
        self.best = baseline
        self.min_delta = abs(min_delta)
        self.monitor_op: Callable[[Any, Any], bool] | None = None

    def is_improvement(self, value: float, reference: float | None) -> bool:
        """Whether `value` is better than `reference` (anything is, where that is None).

        Raises:
            ValueError: when ``mode="auto"`` and nothing tells which way is better.
        """
        if self.monitor_op is None:
            self.monitor_op = operator.lt if self._direction() == "min" else operator.gt
        delta = -self.min_delta if self.monitor_op is operator.lt else self.min_delta
        return reference is None or self.monitor_op(value - delta, reference)

    def _direction(self) -> str:
        """``"min"`` or ``"max"``."""
        if self.mode != "auto":
            return self.mode
        name = self.monitor.removeprefix("val_")
        found = None
        for metric in _metrics(getattr(self.model, "metrics", ())):
            direction = getattr(metric, "_direction", None)
            if direction and (name == metric.name or name.endswith("_" + metric.name)):
                found = "max" if direction == "up" else "min"
                if name == metric.name:
                    return found
        if found is None and (name == "loss" or name.endswith("_loss")):
            found = "min"
        if found is None:
            raise ValueError(
                f"{type(self).__name__} cannot tell whether monitor={self.monitor!r} should grow "
                "or shrink. Pass mode='max' for a metric that should grow (as accuracy does), "
                "mode='min' for one that should shrink (as a loss does)."
            )
        return found


class BatchCount:
    """When a callback is to act that acts after every so many batches, through all epochs.

    Attributes:
        total: the batches counted.
    """

    def __init__(self) -> None:
        self.total = 0
        self._since = 0
        self._last = -1

    def due(self, batch: int, every: int) -> bool:
        """Count up to the batch of this index in its epoch, and tell whether `every` batches or
        more came since the last time this was so."""
        new = batch - self._last if batch > self._last else batch + 1
        self._last = batch
        self.total += new
        self._since += new
        if self._since < every:
            return False
        self._since = 0
        return True

    def left(self, every: int) -> int:
        """In how many batches `due` is so."""
        return every - self._since

    def get_state(self) -> dict[str, int]:
        return dict(vars(self))

    def set_state(self, state: dict[str, int]) -> None:
        vars(self).update(state)


def save_frequency(callback: Callback, save_freq: Any) -> Any:
    """The argument `save_freq`, "epoch" or a number of batches; the callback is made passive where
    it needs no batches.

    Raises:
        ValueError: for another.
    """
    if save_freq != "epoch" and not isinstance(save_freq, int):
        raise ValueError(
            f"{type(callback).__name__}: save_freq must be 'epoch' or a number of batches, "
            f"got {save_freq!r}"
        )
    callback.passive = save_freq == "epoch"
    return save_freq


def _metrics(metrics: Any) -> Iterator[Any]:
    """Metrics, and those within metrics that hold others."""
    for metric in metrics:
        yield metric
        yield from _metrics(getattr(metric, "metrics", ()))
