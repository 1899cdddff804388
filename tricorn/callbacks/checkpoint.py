"""Saving the model while it trains."""

from __future__ import annotations

import os
import warnings

from tricorn import checks
from tricorn.callbacks.base import Logs
from tricorn.callbacks.display import message
from tricorn.callbacks.monitor import BatchCount, MonitorCallback, save_frequency


class ModelCheckpoint(MonitorCallback):
    """Saves the model, or its weights, after epochs or batches.

    Each file is complete or absent: an interrupted save leaves the older one untouched.

    Args:
        filepath: where to save, with fields to fill in if wanted: ``{epoch}`` (counted from 1),
            ``{batch}`` (from 1) and the metrics' names, as in
            ``"{epoch:02d}-{val_loss:.2f}.keras"``. Ends in ``.keras`` or ``.h5``, or, when only
            weights are saved, in ``.weights.h5``. Missing folders are made.
        monitor: name in the logs, for `save_best_only`.
        verbose: 1 to tell what is done.
        save_best_only: whether to save only when `monitor` improves.
        save_weights_only: whether to leave out the architecture.
        mode: ``"min"``, ``"max"`` or ``"auto"``.
        save_freq: ``"epoch"``, or a number of batches after which to save.
        initial_value_threshold: the value the first save has to beat.

    Raises:
        ValueError: for another `save_freq` or an unfit ending of `filepath`.

    Example:
        >>> best = keras.callbacks.ModelCheckpoint("best.keras", "loss", save_best_only=True)
        >>> history = model.fit(x, y, epochs=2, callbacks=[best], verbose=0)
        >>> again = keras.models.load_model("best.keras")
    """

    def __init__(
        self,
        filepath: str | os.PathLike[str],
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        save_freq: str | int = "epoch",
        initial_value_threshold: float | None = None,
    ) -> None:
        super().__init__(monitor, mode, initial_value_threshold)
        self.filepath = checks.named(self, "filepath", os.fspath, filepath)
        self.verbose = verbose
        self.save_best_only = save_best_only
        self.save_weights_only = save_weights_only
        self.save_freq = save_frequency(self, save_freq)
        self._batches = BatchCount()
        self._current_epoch = 0
        self._check_ending()

    def _check_ending(self) -> None:
        if self.save_weights_only:
            what, endings = "weights (save_weights_only=True)", [".weights.h5"]
        else:
            what, endings = "models", [".keras", ".h5"]
        if not self.filepath.endswith(tuple(endings)):
            raise ValueError(
                f"ModelCheckpoint: filepath of {what} must end in {' or '.join(endings)}, "
                f"got {self.filepath!r}"
            )

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._current_epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        if self._should_save_on_batch(batch):
            self._save_model(self._current_epoch, batch, logs)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if self.save_freq == "epoch":
            self._save_model(epoch, None, logs)

    # the names of the next three are Keras's: callbacks that are derived from it call them

    def _should_save_on_batch(self, batch: int) -> bool:
        return self.save_freq != "epoch" and self._batches.due(batch, self.save_freq)

    def _save_model(self, epoch: int, batch: int | None, logs: Logs | None) -> None:
        logs = logs or {}
        path = self._get_file_path(epoch, batch, logs)
        improvement = ""
        if self.save_best_only:
            current = logs.get(self.monitor)
            if current is None or getattr(current, "shape", ()) != ():
                warnings.warn(
                    f"ModelCheckpoint: save_best_only needs a number called {self.monitor!r} in "
                    f"the logs, which hold: {', '.join(logs) or 'nothing'}. Saved all the same.",
                    stacklevel=3,
                )
            else:
                best = "none" if self.best is None else f"{self.best:.5f}"
                if not self.is_improvement(current, self.best):
                    if self.verbose:
                        message(f"Epoch {epoch + 1}: {self.monitor} did not improve from {best}")
                    return
                improvement = f"{self.monitor} improved from {best} to {current:.5f}, "
                self.best = current
        self._save(path)
        if self.verbose:
            message(f"Epoch {epoch + 1}: {improvement}saved to {path}")

    def _get_file_path(self, epoch: int, batch: int | None, logs: Logs | None) -> str:
        logs = {**({} if batch is None else {"batch": batch + 1}), **(logs or {})}
        try:
            return self.filepath.format(**{"epoch": epoch + 1, **logs})
        except KeyError as error:
            raise KeyError(
                f"ModelCheckpoint: filepath {self.filepath!r} names {error}, but there are only: "
                f"epoch, {', '.join(logs)}"
            ) from None

    def _save(self, path: str) -> None:
        if os.path.isdir(path):
            raise OSError(f"ModelCheckpoint: {path!r} is a folder; filepath must name a file")
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        if self.save_weights_only:
            self.model.save_weights(path, overwrite=True)
        else:
            self.model.save(path, overwrite=True)
