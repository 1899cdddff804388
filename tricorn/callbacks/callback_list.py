"""The list that calls callbacks: the only caller of their hooks."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from tricorn import signatures
from tricorn.callbacks.base import Callback, Logs
from tricorn.callbacks.history import History
from tricorn.callbacks.progress import ProgbarLogger

LogSource = Mapping[str, Any] | Callable[[], Mapping[str, Any]] | None

_BATCH_HOOKS = {
    mode: tuple(f"on_{mode}_batch_{edge}" for edge in ("begin", "end"))
    for mode in ("train", "test", "predict")
}
_OLD_BATCH_HOOKS = ("on_batch_begin", "on_batch_end")


@dataclasses.dataclass
class Run:
    """A training, as callbacks that save it see it.

    Attributes:
        position: where it stands.
        feeds: where its data come from: for training, for validation.
        interrupted: whether it is to end after this batch.
        make_metrics: lets the model's metrics have their Variables.
        callbacks: all its callbacks.
    """

    position: Any
    feeds: list
    interrupted: Callable[[], bool]
    make_metrics: Callable[[], None]
    callbacks: list = dataclasses.field(default_factory=list)


class CallbackList(Callback):
    """The callbacks of one run, and the one place that calls their hooks.

    Args:
        callbacks: a callback, or callbacks in lists nested at will, called in order.
        add_history: whether to append a `History` where there is none.
        add_progbar: whether to append a `ProgbarLogger` where there is none.
        model: the model of the run.
        **params: ``verbose``, ``epochs``, ``steps``: told to every callback.

    Batch hooks accept for `logs` a function that returns them. It is called at most once, and only
    if a callback uses them: so the loop need not fetch metrics that nobody reads.

    Raises:
        TypeError: for anything that is no `Callback`.

    Example:
        >>> callbacks = keras.callbacks.CallbackList([keras.callbacks.History()], add_history=False)
        >>> callbacks.on_train_begin()
        >>> callbacks.on_epoch_end(0, {"loss": 0.5})
        >>> callbacks.callbacks[0].history
        {'loss': [0.5]}
    """

    def __init__(
        self,
        callbacks: Callback | Iterable[Any] | None = None,
        add_history: bool = False,
        add_progbar: bool = False,
        model: Any = None,
        **params: Any,
    ) -> None:
        super().__init__()
        self.callbacks = _flatten(callbacks)
        if add_history:
            self._add(History)
        if add_progbar:
            self._add(ProgbarLogger)
        self.callbacks.sort(key=lambda callback: getattr(callback, "_tricorn_last", False))
        self._listeners: dict[str, list[Callback]] = {}
        if model is not None:
            self.set_model(model)
        if params:
            self.set_params(params)

    def _add(self, kind: type[Callback]) -> None:
        if not any(isinstance(callback, kind) for callback in self.callbacks):
            self.callbacks.append(kind())

    def set_params(self, params: dict[str, Any]) -> None:
        self.params = params
        for callback in self.callbacks:
            callback.set_params(params)

    def set_model(self, model: Any) -> None:
        self._model = model
        for callback in self.callbacks:
            callback.set_model(model)

    def needs_batches(self, mode: str) -> bool:
        """Whether batches must run one by one because of a callback.

        Args:
            mode: ``"train"``, ``"test"`` or ``"predict"``.
        """
        return any(
            not callback.passive for hook in _BATCH_HOOKS[mode] for callback in self._listen(hook)
        )

    @property
    def can_go_on(self) -> bool:
        """Whether the training is saved so that it can go on when it was interrupted."""
        return any(hasattr(callback, "_tricorn_open") for callback in self.callbacks)

    @contextlib.contextmanager
    def held(self, run: Run) -> Iterator[None]:
        """A block for a training, in which callbacks hold what they give back however it ends.
        They are told (``params["resumed"]``) if it goes on with one that was interrupted."""
        run.callbacks = self.callbacks
        opened: list[Any] = []
        error: BaseException | None = None
        try:
            for callback in self.callbacks:
                if hasattr(callback, "_tricorn_open"):
                    found = callback._tricorn_open(run)
                    opened.append(callback)
                    if found:
                        self.set_params({**self.params, "resumed": True})
            yield
        except BaseException as caught:
            error = caught
            raise
        finally:
            for callback in opened:
                callback._tricorn_close(error)

    def due_in(self, batch: int) -> int | None:
        """In how many batches after `batch` the first of the passive callbacks is to be called."""
        listeners = self._listen("on_train_batch_end")
        wishes = [callback.due_in(batch) for callback in listeners if callback.passive]
        return min((wish for wish in wishes if wish is not None), default=None)

    def _listen(self, hook: str) -> list[Callback]:
        """The callbacks for which a batch hook does something."""
        if hook not in self._listeners:
            names = [hook]
            if hook in _BATCH_HOOKS["train"]:
                names.append(_OLD_BATCH_HOOKS[_BATCH_HOOKS["train"].index(hook)])
            self._listeners[hook] = [
                callback
                for callback in self.callbacks
                if any(_overrides(callback, name) for name in names)
            ]
        return self._listeners[hook]

    def _call(self, hook: str, *args: Any, logs: LogSource) -> None:
        values = as_floats(logs)
        for callback in self.callbacks:
            offered = {"epoch": args[0], "logs": values} if args else {"logs": values}
            signatures.call(getattr(callback, hook), offered)

    def _call_batch(self, hook: str, batch: int, logs: LogSource) -> None:
        values: Logs | None = None
        for callback in self._listen(hook):
            wanted = not callback.passive or callback.wants(batch)
            if wanted and values is None:
                values = as_floats(logs)
            signatures.call(
                getattr(callback, hook), {"batch": batch}, logs=values if wanted else None
            )

    def on_train_begin(self, logs: LogSource = None) -> None:
        self._call("on_train_begin", logs=logs)

    def on_train_end(self, logs: LogSource = None) -> None:
        self._call("on_train_end", logs=logs)

    def on_test_begin(self, logs: LogSource = None) -> None:
        self._call("on_test_begin", logs=logs)

    def on_test_end(self, logs: LogSource = None) -> None:
        self._call("on_test_end", logs=logs)

    def on_predict_begin(self, logs: LogSource = None) -> None:
        self._call("on_predict_begin", logs=logs)

    def on_predict_end(self, logs: LogSource = None) -> None:
        self._call("on_predict_end", logs=logs)

    def on_epoch_begin(self, epoch: int, logs: LogSource = None) -> None:
        self._call("on_epoch_begin", epoch, logs=logs)

    def on_epoch_end(self, epoch: int, logs: LogSource = None) -> None:
        self._call("on_epoch_end", epoch, logs=logs)

    def on_train_batch_begin(self, batch: int, logs: LogSource = None) -> None:
        self._call_batch("on_train_batch_begin", batch, logs)

    def on_train_batch_end(self, batch: int, logs: LogSource = None) -> None:
        self._call_batch("on_train_batch_end", batch, logs)

    def on_test_batch_begin(self, batch: int, logs: LogSource = None) -> None:
        self._call_batch("on_test_batch_begin", batch, logs)

    def on_test_batch_end(self, batch: int, logs: LogSource = None) -> None:
        self._call_batch("on_test_batch_end", batch, logs)

    def on_predict_batch_begin(self, batch: int, logs: LogSource = None) -> None:
        self._call_batch("on_predict_batch_begin", batch, logs)

    def on_predict_batch_end(self, batch: int, logs: LogSource = None) -> None:
        self._call_batch("on_predict_batch_end", batch, logs)

    def on_batch_begin(self, batch: int, logs: LogSource = None) -> None:
        self.on_train_batch_begin(batch, logs)

    def on_batch_end(self, batch: int, logs: LogSource = None) -> None:
        self.on_train_batch_end(batch, logs)


def as_floats(logs: LogSource) -> Logs:
    """A new dict in the order of the names, nested dicts merged, scalars as Python floats.

    What is no scalar (the outputs of `predict`) is passed on as it is.
    """
    if callable(logs):
        logs = logs()
    values: Logs = {}
    for name, value in sorted((logs or {}).items()):
        if isinstance(value, Mapping):
            values.update(as_floats(value))
        elif getattr(value, "shape", ()) != ():
            values[name] = value
        else:
            try:
                values[name] = float(value)
            except (TypeError, ValueError):
                values[name] = value
    return values


def _overrides(callback: Callback, hook: str) -> bool:
    """Whether a hook is other than `Callback`'s, in the class or on the object itself."""
    return getattr(getattr(callback, hook), "__func__", None) is not getattr(Callback, hook)


def _flatten(callbacks: Any) -> list[Callback]:
    if callbacks is None:
        return []
    if isinstance(callbacks, CallbackList):
        return list(callbacks.callbacks)
    if isinstance(callbacks, Callback):
        return [callbacks]
    if isinstance(callbacks, (list, tuple)):
        return [one for part in callbacks for one in _flatten(part)]
    hint = f"; write {callbacks.__name__}() to make one" if isinstance(callbacks, type) else ""
    raise TypeError(
        "callbacks must be objects of classes derived from tricorn.callbacks.Callback, "
        f"got {callbacks!r}{hint}"
    )
