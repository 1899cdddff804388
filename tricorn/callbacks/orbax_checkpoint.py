"""Saving the state of a training with Orbax."""

from __future__ import annotations

import os
import warnings
from typing import Any

from tricorn import checks
from tricorn.callbacks.base import Logs
from tricorn.callbacks.display import message
from tricorn.callbacks.monitor import BatchCount, MonitorCallback, save_frequency


class OrbaxCheckpoint(MonitorCallback):
    """Saves the model's state, or its weights, as Orbax checkpoints after epochs or batches.

    A checkpoint is a folder in `directory`, named by the index of the epoch, or with a `save_freq`
    in batches by the number of batches trained on. ``saving.load_model(directory)`` gives the model
    of the newest, ``model.load_weights(directory)`` loads it into a model that is there. Keras 3
    reads and writes the same. Needs the package ``orbax-checkpoint``.

    Arguments:
        directory: the folder of the checkpoints; made where it is missing.
        monitor: name in the logs, for `save_best_only`.
        verbose: 1 to tell what is done.
        save_best_only: whether to save only when `monitor` improves.
        mode: ``"min"``, ``"max"`` or ``"auto"``.
        save_freq: ``"epoch"``, or a number of batches after which to save.
        initial_value_threshold: the value the first save has to beat.
        max_to_keep: how many checkpoints are kept, None for all.
        save_on_background: whether to write while the training goes on.
        save_weights_only: whether to leave out the architecture and the optimizer's state.

    Raises:
        ImportError: Orbax is not installed.
        ValueError: for another `save_freq`.

    Example:
        >>> states = keras.callbacks.OrbaxCheckpoint("checkpoints", max_to_keep=3)
        >>> # model.fit(x, y, callbacks=[states])
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        mode: str = "auto",
        save_freq: str | int = "epoch",
        initial_value_threshold: float | None = None,
        max_to_keep: int | None = 1,
        save_on_background: bool = True,
        save_weights_only: bool = False,
    ) -> None:
        self._orbax = checks.optional(
            "orbax.checkpoint", "OrbaxCheckpoint", "orbax-checkpoint", "orbax"
        )
        super().__init__(monitor, mode, initial_value_threshold)
        # Orbax takes no path that depends on the working directory
        self.directory = os.path.abspath(checks.named(self, "directory", os.fspath, directory))
        self.verbose = verbose
        self.save_best_only = save_best_only
        self.save_freq = save_frequency(self, save_freq)
        if max_to_keep is not None:
            checks.integer(self, "max_to_keep", max_to_keep, 1)
        self.max_to_keep = max_to_keep
        self.save_on_background = save_on_background
        self.save_weights_only = save_weights_only
        self.checkpointer: Any = None
        self._batches = BatchCount()
        self._running: list[Any] = []

    def set_model(self, model: Any) -> None:
        super().set_model(model)
        optimizer = getattr(model, "optimizer", None)
        if optimizer is not None:
            self._batches.total = int(optimizer.iterations)

    def on_train_begin(self, logs: Logs | None = None) -> None:
        training, keep = self._orbax.v1.training, self.max_to_keep
        self.checkpointer = training.Checkpointer(
            directory=self.directory,
            preservation_policy=keep and training.preservation_policies.LatestN(keep),
            save_decision_policy=training.save_decision_policies.FixedIntervalPolicy(1),
        )

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        if self.save_freq != "epoch" and self._batches.due(batch, int(self.save_freq)):
            self._save_if_better(self._batches.total, logs or {})

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if self.save_freq == "epoch":
            self._save_if_better(epoch, logs or {})

    def on_train_end(self, logs: Logs | None = None) -> None:
        self.wait_until_finished()
        self.checkpointer.close()
        self.checkpointer = None

    def wait_until_finished(self) -> None:
        """Wait until everything is written.

        Raises:
            OSError and others: what went wrong while writing.
        """
        while self._running:
            self._running.pop(0).result()
        if self.checkpointer is not None:
            self.checkpointer.wait()
        if self.is_multihost_enabled():
            self._orbax.multihost.sync_global_processes("tricorn_orbax_checkpoint")

    def is_multihost_enabled(self) -> bool:
        """Whether several processes of JAX's train together."""
        return bool(self._orbax.multihost.is_jax_distributed_client_initialized())

    def is_primary_host(self) -> bool:
        """Whether this process is the first of those that train together, or alone."""
        return not self.is_multihost_enabled() or self._orbax.multihost.is_primary_host(0)

    def _save_if_better(self, step: int, logs: Logs) -> None:
        if self.save_best_only:
            current = logs.get(self.monitor)
            if current is None:
                warnings.warn(
                    f"OrbaxCheckpoint: save_best_only needs a number called {self.monitor!r} in "
                    f"the logs, which hold: {', '.join(logs) or 'nothing'}. Nothing is saved.",
                    stacklevel=3,
                )
                return
            if not self.is_improvement(current, self.best):
                return
            self.best = current
        parts = self.model._tricorn_checkpoint(self.save_weights_only)
        if self.save_on_background:
            saving = self.checkpointer.save_checkpointables_async(step, parts)
            saved = saving is not None
            self._running += [saving] if saved else []
        else:
            saved = self.checkpointer.save_checkpointables(step, parts)
        if not saved:
            warnings.warn(
                f"OrbaxCheckpoint: the checkpoint {step} is not saved, since {self.directory!r} "
                "has a later one, of an earlier training. Take another folder, or tell fit its "
                "initial_epoch",
                stacklevel=3,
            )
        elif self.verbose:
            message(f"OrbaxCheckpoint: saved {step} to {self.directory}")
