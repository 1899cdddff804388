"""A training that goes on where it was interrupted."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

from tricorn import checks
from tricorn.callbacks.base import Callback, Logs
from tricorn.callbacks.monitor import save_frequency

_FILES = ("latest.weights.h5", "training_metadata.json")


class BackupAndRestore(Callback):
    """Saves the state of the training, and goes on from there when the same `fit` is run again.

    Saved are the weights with the optimizer's state, and where the training stands: with a
    `save_freq` in batches it goes on in the middle of the epoch, with the samples that were left.

    Args:
        backup_dir: the folder, of this training alone.
        save_freq: ``"epoch"``, or a number of batches after which to save.
        double_checkpoint: keep the state before the last one too, and use it when the last one
            cannot be read.
        delete_checkpoint: delete the files when the training is over.

    Raises:
        ValueError: for no `backup_dir` or another `save_freq`.
        OSError: during training, when the state cannot be read or written.

    Example:
        >>> callback = keras.callbacks.BackupAndRestore("backup")
        >>> history = model.fit(x, y, epochs=3, callbacks=[callback], verbose=0)
    """

    def __init__(
        self,
        backup_dir: str | os.PathLike[str],
        save_freq: str | int = "epoch",
        double_checkpoint: bool = False,
        delete_checkpoint: bool = True,
    ) -> None:
        super().__init__()
        checks.named(self, "backup_dir", os.fspath, backup_dir)
        if not backup_dir:
            raise ValueError(f"BackupAndRestore: backup_dir must name a folder, got {backup_dir!r}")
        self.backup_dir = os.fspath(backup_dir)
        self.save_freq = save_frequency(self, save_freq)
        self.double_checkpoint, self.delete_checkpoint = double_checkpoint, delete_checkpoint
        self._weights, self._metadata = (Path(backup_dir, name) for name in _FILES)
        self._since_save = 0

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._since_save = 0
        try:
            self._restore()
        except (OSError, ValueError):
            if not _older(self._weights).exists():
                raise
            for path in (self._weights, self._metadata):
                shutil.copy(_older(path), path)
            self._restore()

    def _restore(self) -> None:
        if not (self._weights.exists() and self._metadata.exists()):
            return
        saved = json.loads(self._metadata.read_text())
        self.model.load_weights(self._weights)
        position = self.params["position"]
        position.epoch, position.step = saved["epoch"], saved.get("step", 0)
        # the order of the samples; files of Keras do not tell
        position.seed = saved.get("seed", position.seed)
        position.fit = saved.get("fit", position.fit)

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        self._since_save += 1
        if self.save_freq != "epoch" and self._since_save >= int(self.save_freq):
            position = self.params["position"]
            steps = self.params.get("steps")
            done = position.step == steps
            self._save(position.epoch + done, 0 if done else position.step)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if self.save_freq == "epoch":
            self._save(epoch + 1, 0)

    def _save(self, epoch: int, step: int) -> None:
        self._since_save = 0
        self._weights.parent.mkdir(parents=True, exist_ok=True)
        if self.double_checkpoint and self._metadata.exists():
            for path in (self._weights, self._metadata):
                shutil.copy(path, _older(path))
        position = self.params["position"]
        state: dict[str, Any] = {"epoch": epoch, "batch": max(step - 1, 0), "step": step}
        state.update(seed=position.seed, fit=position.fit)
        self.model.save_weights(self._weights, overwrite=True)
        whole = self._metadata.with_suffix(".new")
        whole.write_text(json.dumps(state))
        whole.replace(self._metadata)

    def on_train_end(self, logs: Logs | None = None) -> None:
        if not self.delete_checkpoint:
            return
        for path in (self._weights, self._metadata):
            path.unlink(missing_ok=True)
            _older(path).unlink(missing_ok=True)
        if self._weights.parent.is_dir() and not any(self._weights.parent.iterdir()):
            self._weights.parent.rmdir()


def _older(path: Path) -> Path:
    return path.with_name(f"{path.name}.bkp")
