"""A smaller learning rate when a metric stands still."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from tricorn.callbacks.base import Logs
from tricorn.callbacks.display import message
from tricorn.callbacks.monitor import MonitorCallback
from tricorn.callbacks.schedule import single_optimizers


class ReduceLROnPlateau(MonitorCallback):
    """Multiplies the learning rate by `factor` when `monitor` has not improved for a while.

    The learning rate of each epoch is logged as ``learning_rate``.

    Args:
        monitor: name in the logs.
        factor: below 1.
        patience: epochs without improvement after which the learning rate falls.
        verbose: 1 to tell each change.
        mode: ``"min"``, ``"max"`` or ``"auto"``.
        min_delta: what a change must exceed to count.
        cooldown: epochs after a change in which nothing is counted.
        min_lr: the learning rate never falls below.
        **kwargs: arguments of older versions, without effect.

    Raises:
        ValueError: for a `factor` of 1 or more.

    Example:
        >>> callback = keras.callbacks.ReduceLROnPlateau("val_loss", factor=0.5, patience=2)
        >>> history = model.fit(x, y, validation_data=(x, y), callbacks=[callback], verbose=0)
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(monitor, mode, min_delta=min_delta)
        if factor >= 1.0:
            raise ValueError(f"ReduceLROnPlateau: factor must be below 1, got {factor!r}")
        self.factor, self.patience, self.verbose = factor, patience, verbose
        self.cooldown, self.min_lr = cooldown, min_lr
        self.cooldown_counter = self.wait = 0

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.best = None
        self.cooldown_counter = self.wait = 0

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        logs = {} if logs is None else logs
        for optimizer, suffix in single_optimizers(self.model):
            logs[f"learning_rate{suffix}"] = float(optimizer.learning_rate)
        current = logs.get(self.monitor)
        if current is None:
            warnings.warn(
                f"ReduceLROnPlateau: no metric {self.monitor!r} to monitor; there are: "
                f"{', '.join(logs)}.",
                stacklevel=3,
            )
            return
        if self.in_cooldown():
            self.cooldown_counter -= 1
            self.wait = 0
        if self.is_improvement(current, self.best):
            self.best, self.wait = current, 0
        elif not self.in_cooldown():
            self.wait += 1
            if self.wait >= self.patience and self._reduce(epoch):
                self.cooldown_counter, self.wait = self.cooldown, 0

    def _reduce(self, epoch: int) -> bool:
        """Whether there was a learning rate that could fall."""
        reduced = False
        for optimizer, suffix in single_optimizers(self.model):
            old = float(optimizer.learning_rate)
            if old > np.float32(self.min_lr):
                optimizer.learning_rate = max(old * self.factor, self.min_lr)
                reduced = True
                if self.verbose:
                    rate = float(optimizer.learning_rate)
                    message(f"Epoch {epoch + 1}: learning_rate{suffix} reduced to {rate:g}")
        return reduced

    def in_cooldown(self) -> bool:
        """Whether nothing is counted now, so soon after a change."""
        return self.cooldown_counter > 0
