"""The callback that feeds the progress display."""

from __future__ import annotations

from tricorn.callbacks.base import Callback, Logs
from tricorn.callbacks.display import Progress


class ProgbarLogger(Callback):
    """Shows how far a run has come, and its metrics; added by ``verbose``.

    Of the validation within `fit` the live line shows the batch; its metrics appear at the end of
    the epoch.

    Example:
        >>> callback = keras.callbacks.ProgbarLogger()
        >>> callback.set_params({"verbose": 1, "epochs": 2, "steps": 4})
    """

    passive = True

    def __init__(self) -> None:
        super().__init__()
        self._progress: Progress | None = None
        self._fitting = False

    def wants(self, batch: int) -> bool:
        return self._progress is not None and self._progress.due()

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._fitting = True
        self._open()

    def on_train_end(self, logs: Logs | None = None) -> None:
        self._fitting = False

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        if self._progress is not None:
            self._progress.begin(epoch, self.params.get("epochs", 1))

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self._finish(logs)

    def on_test_begin(self, logs: Logs | None = None) -> None:
        if not self._fitting:
            self._open()

    def on_test_end(self, logs: Logs | None = None) -> None:
        if not self._fitting:
            self._finish(logs)

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        self._open()

    def on_predict_end(self, logs: Logs | None = None) -> None:
        self._finish(None)

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        self._update(batch, logs)

    def on_test_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        if not self._fitting:
            self._update(batch, logs)
        elif self._progress is not None:
            self._progress.aside(f"validation: batch {batch + 1}")

    def on_predict_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        self._update(batch, None)

    def _open(self) -> None:
        self._progress = Progress(self.params.get("steps"), self.params.get("verbose", "auto"))

    def _update(self, batch: int, logs: Logs | None) -> None:
        if self._progress is not None:
            self._progress.update(batch + 1, logs)

    def _finish(self, logs: Logs | None) -> None:
        if self._progress is not None:
            self._progress.finish(logs)
