"""A training that goes on where it was interrupted, as if it had not been."""

from __future__ import annotations

import contextlib
import contextvars
import datetime
import itertools
import json
import os
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from tricorn import checks
from tricorn.callbacks import run_state
from tricorn.callbacks.base import Logs
from tricorn.callbacks.display import message
from tricorn.callbacks.monitor import MonitorCallback

_MINUTE = datetime.timedelta(minutes=1)
_PATTERN = "step-*.state"
_BEST = "best.state"
#: what Keras leaves in the folder
_OF_KERAS = ("latest.weights.h5", "training_metadata.json")


class BackupAndRestore(MonitorCallback):
    """Saves a training as it runs, and goes on from there when the same program is run again.

    The program that was killed ends, run again, with the numbers of one that was not: saved are all
    weights, the optimizer's and the metrics' variables, random state, the history, the other
    callbacks' state (see `Callback.get_state`) and where the training stands in its data, in the
    middle of an epoch too.  Arrays and files go on with the samples that were left; so do sources
    and iterators that can tell their position (``get_state`` and ``set_state``, or ``state_dict``
    and ``load_state_dict``) or give a batch by its number; others are read from the beginning up to
    there, which is said.

    A file is written in the background to a temporary name, and renamed when it is whole.  A
    damaged one is told by its checksum, and the one before is taken.  When the disk is full or the
    folder gone, that is a warning, and the training goes on.  Ctrl-C and SIGTERM save before they
    end it; after SIGTERM the process exits with the code 75.

    Args:
        backup_dir: the folder, of this training alone.
        save_freq: when to save: ``"epoch"``: after each; a number of batches; or a
            ``datetime.timedelta``: so much time after the last time, in an epoch or at its end.
        double_checkpoint: keep the state before the last one too.
        delete_checkpoint: delete the files when the training is over.  Otherwise a program that is
            run again finds that it is over, and has its results.
        keep: how many states to keep.
        monitor: a metric: the state after the epoch in which it was best is kept too, as
            ``best.state``; see `load_best`.
        mode: whether that is ``"min"``, ``"max"``, or ``"auto"``: as the metric says.

    Raises:
        ValueError: for no `backup_dir` or another `save_freq`; during training, when the state in
            the folder is not of this training: another model, other data.
        RuntimeError: during training, when another one runs with this folder.

    Example:
        >>> callback = keras.callbacks.BackupAndRestore("backup")
        >>> history = model.fit(x, y, epochs=3, callbacks=[callback], verbose=0)
    """

    #: `CallbackList` calls it after all others: what it saves is what they left
    _tricorn_last = True
    passive = True

    def __init__(
        self,
        backup_dir: str | os.PathLike[str],
        save_freq: Any = "epoch",
        double_checkpoint: bool = False,
        delete_checkpoint: bool = True,
        *,
        keep: int = 1,
        monitor: str | None = None,
        mode: str = "auto",
    ) -> None:
        super().__init__(monitor or "", mode)
        checks.named(self, "backup_dir", os.fspath, backup_dir)
        if not backup_dir:
            raise ValueError(f"BackupAndRestore: backup_dir must name a folder, got {backup_dir!r}")
        timed = isinstance(save_freq, datetime.timedelta)
        if not (save_freq == "epoch" or timed or (checks.is_int(save_freq) and save_freq > 0)):
            raise ValueError(
                "BackupAndRestore: save_freq must be 'epoch', a number of batches or a "
                f"datetime.timedelta, got {save_freq!r}"
            )
        self.backup_dir, self.save_freq = os.fspath(backup_dir), save_freq
        self.double_checkpoint, self.delete_checkpoint = double_checkpoint, delete_checkpoint
        self.keep = max(checks.integer(self, "keep", keep, 1), 1 + double_checkpoint)
        self._folder = Path(backup_dir)
        self._found: dict | None = None
        self._lock: IO | None = None
        self._run: Any = None
        self._writer = _Writer(self._hold, self._written)
        self._facts: dict[str, Any] = {}
        #: the other callbacks' attributes as `fit` began
        self._began: dict[str, dict[str, Any]] = {}
        self._since, self._clock, self._batch = 0, 0.0, -1

    # ------------------------------------------------------------------------- before the training

    def _tricorn_open(self, run: Any) -> bool:
        """Take hold of the folder for a `Run`; whether there is a training in it."""
        self._run = run
        self._take_lock()
        self._found = None
        run_state.remove(*self._folder.glob(".step-*.state.*"))  # that a killed process began
        for path in run_state.newest(self._folder, _PATTERN):
            try:
                self._found = run_state.read(path)
                break
            except (OSError, ValueError) as error:
                warnings.warn(
                    f"{error}; the state before it is taken, if there is one", stacklevel=4
                )
        return self._found is not None or self._of_keras() is not None

    def _of_keras(self) -> dict[str, Any] | None:
        """Where a training of Keras stands that was saved in the folder."""
        weights, metadata = (self._folder / name for name in _OF_KERAS)
        if weights.exists() and metadata.exists():
            return json.loads(metadata.read_text())
        return None

    def on_train_begin(self, logs: Logs | None = None) -> None:
        position, self.best, self._facts = self._run.position, None, self._facts_now()
        self._began = {
            name: {key: run_state.mark(value) for key, value in callback.get_state().items()}
            for name, callback in self._others()
        }
        self._since, self._clock, self._batch = 0, time.monotonic(), -1
        if self._found is None:
            older = self._of_keras()
            if older is not None:
                self.model.load_weights(self._folder / _OF_KERAS[0])
                position.epoch, position.step = older["epoch"], 0
            return
        self._check(self._found["facts"])
        vars(position).update(self._found["position"])
        self.best = self._found["best"]
        if len(self._found["values"][run_state.METRICS]) != run_state.count(self.model):
            self._run.make_metrics()  # by a batch: later there may be none left in the epoch
        self._restore(metrics=False)
        feeds = zip(self._run.feeds, self._found["feeds"], (position, None))
        again = sum(feed.resume(state, place) for feed, state, place in feeds)
        run_state.set_random_state(self._found["random"], host=not again)
        if self._found["stopped"]:
            position.epoch, position.step = self.params["epochs"], 0
        if position.epoch >= self.params["epochs"]:  # no epoch begins, in which they are restored
            self._restore(metrics=True)
        self._tell(position, again)
        if not position.step:
            self._found = None

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        if self._found is not None:  # in the middle of it, so the others have begun it before
            self._restore(metrics=True)
            self._batch = self._run.position.step - 1
            self._found = None

    def _tell(self, position: Any, again: int) -> None:
        if not self.params.get("verbose"):
            return
        if position.epoch >= self.params["epochs"]:
            message(f"The training in {self.backup_dir} is over: its state was loaded.")
            return
        step = f", step {position.step + 1}" if position.step else ""
        read = f" ({again} batches of the source are read again)" if again else ""
        message(f"Going on in epoch {position.epoch + 1}{step}, from {self.backup_dir}{read}.")

    def _check(self, facts: dict[str, Any]) -> None:
        """Raises for a state of another training."""
        for what, there in facts.items():
            here = self._facts.get(what)
            if here != there:
                difference = f"{what}: there {there!r}, here {here!r}"
                if isinstance(there, list):
                    pairs = enumerate(itertools.zip_longest(there, here or []))
                    difference = (
                        what
                        + ": "
                        + next(
                            f"number {n}: there {_layer(a, b)}, here {_layer(b, a)}"
                            for n, (a, b) in pairs
                            if a != b
                        )
                    )
                raise ValueError(
                    f"the state in {self.backup_dir} is of another training: {difference}; give "
                    "another folder, or delete this one to begin anew"
                )

    def _facts_now(self) -> dict[str, Any]:
        """What stays the same while a training goes on, and is to be so when it is taken up."""
        facts: dict[str, Any] = {"layers of the model": run_state.layers(self.model)}
        facts["optimizer"] = type(self.model.optimizer).__name__
        for name, feed in zip(("", "validation "), self._run.feeds):
            facts.update({name + key: value for key, value in feed.facts().items()})
        return facts

    def _restore(self, metrics: bool) -> None:
        assert self._found is not None
        try:
            run_state.assign(self.model, self._found["values"], metrics)
        except ValueError as error:
            raise ValueError(
                f"the state in {self.backup_dir} is of another model: {error}"
            ) from None
        states = self._found["callbacks"]
        for name, callback in self._others():
            callback.set_state(states.get(name, {}))
        self.model.stop_training = False

    def _others(self) -> list[tuple[str, Any]]:
        """The other callbacks, by their class and which they are of it."""
        count: dict[str, int] = {}
        found = []
        for callback in self._run.callbacks:
            if callback is not self:
                kind = type(callback).__name__
                count[kind] = count.get(kind, 0) + 1
                found.append((f"{kind} {count[kind]}", callback))
        return found

    # ------------------------------------------------------------------------------------- saving

    def due_in(self, batch: int) -> int | None:
        return self.save_freq - self._since if checks.is_int(self.save_freq) else None

    def wants(self, batch: int) -> bool:
        return self._is_due(batch - self._batch) or self._run.interrupted()

    def _is_due(self, more: int = 0) -> bool:
        """Whether to save, after so many more batches."""
        if isinstance(self.save_freq, datetime.timedelta):
            return time.monotonic() - self._clock >= self.save_freq.total_seconds()
        return self.save_freq != "epoch" and self._since + more >= self.save_freq

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        self._since += batch - self._batch
        self._batch = batch
        if self._is_due() or self._run.interrupted():
            self._save(self._run.position.epoch, self._run.position.step, logs)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self._batch = -1
        stopped = self.model.stop_training
        last = stopped or epoch + 1 >= self.params["epochs"]
        better = False
        if self.monitor and self.monitor in (logs or {}):
            better = self.is_improvement(logs[self.monitor], self.best)  # type: ignore[index]
            self.best = logs[self.monitor] if better else self.best  # type: ignore[index]
        if self.save_freq == "epoch" or last or better or self._is_due():
            self._save(epoch + 1, 0, stopped=stopped, best=better)

    def _save(
        self, epoch: int, step: int, logs: Logs | None = None, stopped: bool = False,
        best: bool = False,
    ) -> None:  # fmt: skip
        self._since, self._clock = 0, time.monotonic()
        position = {**vars(self._run.position), "epoch": epoch, "step": step, "logs": logs}
        state = {
            "position": position,
            "stopped": stopped,
            "best": self.best,
            "facts": self._facts,
            "values": run_state.values(self.model),
            "random": run_state.random_state(),
            "feeds": [feed.state() for feed in self._run.feeds],
            "callbacks": dict(self._callbacks()),
        }
        arrays: list[bytes] = []
        name = f"step-{epoch:08}-{step:010}.state"
        self._writer.put(self._folder / name, self._data("data", state, arrays), arrays, best)

    def _data(self, whose: str, state: Any, kept: list) -> Any:
        try:
            return run_state.encoded(state, kept)
        except run_state.NotData as error:
            raise TypeError(f"the state of the {whose}: {error}") from None

    def _callbacks(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """The part of the other callbacks' state that is not as it began: settings that a program
        changes between two runs of it count."""
        for name, callback in self._others():
            began, state = self._began.get(name, {}), callback.get_state()
            changed = {k: v for k, v in state.items() if run_state.mark(v) != began.get(k)}
            self._data(f"callback {name}", changed, [])
            yield name, changed

    def _hold(self) -> None:
        """In the background, before a file is written: the folder is there, and this training's.

        Raises:
            OSError, RuntimeError: it cannot be made, or is another one's.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        if self._lock is not None and not _is_at(self._lock, self._folder / "lock"):
            warnings.warn(
                f"{self.backup_dir} has vanished, with the states in it, and is made again",
                stacklevel=5,
            )
            self._take_lock()

    def _written(self, path: Path, best: bool) -> None:
        """In the background, when a file is whole."""
        if best:
            copy = path.with_name(f".{_BEST}")
            run_state.remove(copy)
            os.link(path, copy)
            os.replace(copy, path.with_name(_BEST))
        run_state.remove(*run_state.newest(self._folder, _PATTERN)[self.keep :])

    def load_best(self, model: Any) -> None:
        """Let a model hold the weights, and the optimizer's variables, after the epoch in which
        `monitor` was best.

        Raises:
            OSError, ValueError: when there is no such state, or it is not of such a model.
        """
        run_state.assign(model, run_state.read(self._folder / _BEST)["values"], metrics=False)

    # ------------------------------------------------------------------------- after the training

    def on_train_end(self, logs: Logs | None = None) -> None:
        self._writer.wait()
        if self.delete_checkpoint:
            run_state.remove(*self._folder.glob(_PATTERN), self._folder / _BEST)
            run_state.remove(*(self._folder / name for name in _OF_KERAS))

    def _tricorn_close(self, error: BaseException | None) -> None:
        """Give back the folder."""
        position = self._run.position
        if isinstance(error, (KeyboardInterrupt, SystemExit)) and position.logs is not None:
            self._save(position.epoch, position.step, position.logs)  # in the validation
        self._writer.wait()
        if error is None and self.delete_checkpoint:
            run_state.remove(self._folder / "lock")
            with contextlib.suppress(OSError):
                self._folder.rmdir()  # if nothing else is in it
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _take_lock(self) -> None:
        """The folder is this training's until the file is closed, by whatever ends the process.

        Raises:
            RuntimeError: it is another one's.
        """
        path = self._folder / "lock"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            file = open(path, "a+")  # noqa: SIM115
        except OSError as error:
            warnings.warn(f"{self.backup_dir} cannot be written to: {error}", stacklevel=5)
            return
        try:
            _lock(file)
        except OSError:
            file.seek(0)
            who = file.read().strip()
            file.close()
            raise RuntimeError(
                f"another training{f', of process {who},' if who else ''} saves in "
                f"{self.backup_dir}; give this one a folder of its own"
            ) from None
        if not _is_at(file, path):
            file.close()  # the other one has just ended and removed it
            return self._take_lock()
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        if self._lock is not None:
            self._lock.close()
        self._lock = file


def of(resume: Any) -> BackupAndRestore | None:
    """The callback that `fit` adds for its argument `resume`.

    Raises:
        TypeError: for anything but a folder, a `BackupAndRestore` or None.
    """
    if resume is None or isinstance(resume, BackupAndRestore):
        return resume
    if not isinstance(resume, (str, os.PathLike)):
        raise TypeError(f"resume must be a folder or a BackupAndRestore, got {resume!r}")
    return BackupAndRestore(resume, _MINUTE, delete_checkpoint=False, keep=2)


class _Writer:
    """Writes states in the background, one after the other; of those that wait the last one, and
    the last one that is the best.

    Args:
        hold: called before a file is written.
        written: called with the path when a file is whole, and what was said of it.
    """

    def __init__(self, hold: Any, written: Any) -> None:
        self.hold, self.written = hold, written
        self._changed = threading.Condition()
        self._waiting: list[tuple] = []
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None

    def put(self, path: Path, *job: Any) -> None:
        """Write a file soon; tell what went wrong with the one before."""
        self._tell()
        with self._changed:
            best = job[-1]
            self._waiting = [older for older in self._waiting if older[-1] and not best]
            self._waiting.append((path, *job))
            if self._thread is None:
                run = contextvars.copy_context().run
                self._thread = threading.Thread(None, run, "tricorn backup", (self._work,))
                self._thread.start()

    def _work(self) -> None:
        while True:
            with self._changed:
                if not self._waiting:
                    self._thread = None
                    self._changed.notify_all()
                    return
                path, state, arrays, best = self._waiting.pop(0)
            try:
                self.hold()
                run_state.write(path, state, arrays)
                self.written(path, best)
            except Exception as error:
                self._error = error

    def wait(self) -> None:
        """Until all is written."""
        with self._changed:
            self._changed.wait_for(lambda: self._thread is None)
        self._tell()

    def _tell(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            warnings.warn(
                f"the state of the training could not be saved: {error}; it goes on, and the state "
                "saved before is kept",
                stacklevel=5,
            )


def _lock(file: IO) -> None:
    """Lock a file for this process, or raise OSError: the system gives it back when the process
    ends."""
    if os.name == "nt":
        import msvcrt

        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _is_at(file: IO, path: Path) -> bool:
    """Whether an open file has this path, still."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except OSError:
        return False


def _layer(one: str | None, other: str | None) -> str:
    """A layer of `run_state.layers`, beside another one."""
    if one is None:
        return "nothing"
    kind = one.split()[0]
    return f"a {kind}" if other is None or other.split()[0] != kind else f"a {kind} set otherwise"
