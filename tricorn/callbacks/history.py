"""The record that `fit` returns."""

from __future__ import annotations

from typing import Any

from tricorn.callbacks.base import Callback, Logs


class History(Callback):
    """Keeps every epoch's metrics; `fit` adds one by itself and returns it.

    Attributes:
        history: metric name → list of values, one an epoch.
        epoch: the epochs that ended in the last run, counted from 0.

    Example:
        >>> history = model.fit(x, y, validation_data=(x, y), epochs=3, verbose=0)
        >>> history.epoch, list(history.history)
        ([0, 1, 2], ['loss', 'val_loss'])
    """

    passive = True

    def __init__(self) -> None:
        super().__init__()
        self.history: dict[str, list[Any]] = {}
        self.epoch: list[int] = []

    def set_model(self, model: Any) -> None:
        super().set_model(model)
        model.history = self

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.epoch = []

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)
