"""A progress bar with averages."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tricorn.callbacks.display import Progress


class Progbar:
    """Shows how far something has come, with the means of values.

    Args:
        target: how many units there are; None: not known.
        width: of the bar.
        verbose: 0 silent, 1 a live line, 2 a line at the end.
        interval: least seconds between two drawings.
        stateful_metrics: names of values that are shown as they are; the others as means over the
            units.
        stateless_metrics: names of values that are shown as means; the others as they are.
        unit_name: what is counted.

    Raises:
        ValueError: for both kinds of names.

    Example:
        >>> bar = keras.utils.Progbar(target=3, verbose=0)
        >>> for step in range(3):
        ...     bar.update(step + 1, values=[("loss", 0.5)])
    """

    def __init__(
        self,
        target: int | None,
        width: int = 20,
        verbose: Any = 1,
        interval: float = 0.05,
        stateful_metrics: Iterable[str] | None = None,
        stateless_metrics: Iterable[str] | None = None,
        unit_name: str = "step",
    ) -> None:
        if stateful_metrics is not None and stateless_metrics is not None:
            raise ValueError("give only one of `stateful_metrics` and `stateless_metrics`")
        self.target, self.width, self.verbose = target, width, verbose
        self.interval, self.unit_name = interval, unit_name
        self.stateful_metrics = set(stateful_metrics or ())
        self.stateless_metrics = None if stateless_metrics is None else set(stateless_metrics)
        self._progress = Progress(
            target,
            verbose,
            width=width,
            interval=interval,
            unit=unit_name,
        )
        self._sums: dict[str, tuple[float, int]] = {}
        self._seen = 0

    def update(
        self,
        current: int,
        values: Iterable[tuple[str, Any]] | None = None,
        finalize: bool | None = None,
    ) -> None:
        """Tell how many units are done in all.

        Args:
            current: how many.
            values: (name, value) pairs, those of the units since the last update.
            finalize: whether this is the end; None: when the target is reached.
        """
        if finalize is None:
            finalize = self.target is not None and current >= self.target
        for name, value in values or ():
            total, count = self._sums.get(name, (0.0, 0))
            if finalize or not self._is_mean(name):
                self._sums[name] = (value, 1)
            else:
                units = max(current - self._seen, 1)
                self._sums[name] = (total + value * units, count + units)
        self._seen = current
        self._progress.update(current, self.means)
        if finalize:
            self._progress.finish(self.means)

    def _is_mean(self, name: str) -> bool:
        if self.stateless_metrics is not None:
            return name in self.stateless_metrics
        return name not in self.stateful_metrics

    @property
    def means(self) -> dict[str, float]:
        """The values that are shown, by name."""
        return {name: total / count for name, (total, count) in self._sums.items()}

    def add(self, n: int, values: Iterable[tuple[str, Any]] | None = None) -> None:
        """Tell that so many more units are done; see `update`."""
        self.update(self._seen + n, values)
