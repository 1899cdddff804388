"""Stopping when nothing improves any more."""

from __future__ import annotations

import warnings
from typing import Any

from tricorn.callbacks.base import Logs
from tricorn.callbacks.display import message
from tricorn.callbacks.monitor import MonitorCallback


class EarlyStopping(MonitorCallback):
    """Ends training once a metric has not improved for `patience` epochs.

    Args:
        monitor: name in the logs.
        min_delta: what a change must exceed to count as an improvement.
        patience: epochs without improvement to wait.
        verbose: 1 to tell what is done.
        mode: ``"min"``, ``"max"`` or ``"auto"``.
        baseline: a value to beat: until then, improving does not restart the wait.
        restore_best_weights: whether to go back, at the end, to the weights of the best epoch.
        start_from_epoch: epochs before it are ignored, for a noisy start.

    Attributes:
        stopped_epoch: the epoch, counted from 0, after which training was stopped, else 0.
        best, best_epoch, best_weights: the best value, its epoch, and (with
            `restore_best_weights`) its weights.

    Example:
        >>> stop = keras.callbacks.EarlyStopping("loss", patience=3, restore_best_weights=True)
        >>> history = model.fit(x, y, epochs=5, callbacks=[stop], verbose=0)
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        super().__init__(monitor, mode, min_delta=min_delta)
        self.patience = patience
        self.verbose = verbose
        self.baseline = baseline
        self.restore_best_weights = restore_best_weights
        self.start_from_epoch = start_from_epoch
        self.on_train_begin()

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.wait = 0
        self.stopped_epoch = 0
        self.best = None
        self.best_epoch = 0
        self.best_weights: list[Any] | None = None

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        current = self._current(logs or {})
        if current is None or epoch < self.start_from_epoch:
            return
        if self.restore_best_weights and self.best_weights is None:
            self._remember(epoch)  # a first value that is NaN must leave something to go back to
        self.wait += 1
        if self.is_improvement(current, self.best):
            self.best = current
            self._remember(epoch)
            if self.baseline is None or self.is_improvement(current, self.baseline):
                self.wait = 0
        elif self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs: Logs | None = None) -> None:
        if self.stopped_epoch and self.verbose:
            message(f"Epoch {self.stopped_epoch + 1}: early stopping")
        if self.restore_best_weights and self.best_weights is not None:
            if self.verbose:
                message(f"Weights restored from the best epoch, {self.best_epoch + 1}.")
            self.model.set_weights(self.best_weights)

    def _remember(self, epoch: int) -> None:
        self.best_epoch = epoch
        if self.restore_best_weights:
            self.best_weights = self.model.get_weights()

    def _current(self, logs: Logs) -> float | None:
        if self.monitor not in logs:
            warnings.warn(
                f"EarlyStopping: no metric {self.monitor!r} to monitor; there are: "
                f"{', '.join(logs) or 'none'}.",
                stacklevel=4,
            )
        return logs.get(self.monitor)
