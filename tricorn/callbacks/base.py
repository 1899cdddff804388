"""What a callback is."""

from __future__ import annotations

from typing import Any

from tricorn import checks, signatures
from tricorn.callbacks import run_state

Logs = dict[str, Any]


class Callback:
    """Watches a run, and may steer it: override the hooks of the moments that matter.

    ``self.model`` is the model of the run, ``self.params`` a dict with ``verbose``, ``epochs`` and
    ``steps``. `logs` holds the metrics as Python floats; what a hook adds to the `logs` of
    ``on_epoch_end`` is seen by the callbacks after it and by the history.

    Several steps usually go out in one dispatch. A callback that overrides a batch hook gets them
    one by one, which costs speed. One that only reads `logs` may set ``passive = True``: it is then
    called once after each dispatch, with the index of its last batch.

    Example:
        >>> class Stop(keras.callbacks.Callback):
        ...     def on_epoch_end(self, epoch, logs=None):
        ...         self.model.stop_training = epoch == 1
        >>> history = model.fit(x, y, epochs=9, callbacks=[Stop()], verbose=0)
        >>> history.epoch
        [0, 1]
    """

    passive: bool = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        checks.checked(cls)

    def __init__(self) -> None:
        self.params: dict[str, Any] = {}
        self._model: Any = None

    @property
    def model(self) -> Any:
        """The model of the run, None before the first."""
        return self._model

    def set_params(self, params: dict[str, Any]) -> None:
        """Receive the run's ``verbose``, ``epochs`` and ``steps``."""
        self.params = params

    def set_model(self, model: Any) -> None:
        """Receive the model of the run."""
        self._model = model

    def wants(self, batch: int) -> bool:
        """Whether a passive callback has a use for the logs of `batch`: where not, it gets None,
        and they need not be fetched from the device."""
        return True

    def due_in(self, batch: int) -> int | None:
        """In how many batches after `batch` a passive callback is to be called at the latest; None:
        whenever."""
        return None

    def get_state(self) -> dict[str, Any]:
        """What a training that is resumed has to know of the callback, as numbers, strings, arrays,
        and lists, tuples and dicts of them: by default the attributes that are such data, and the
        state of those that have a `get_state` and a `set_state` themselves.  Only what differs from
        what it was when `fit` began is kept.  See `BackupAndRestore`."""
        state = {}
        for name, value in vars(self).items():
            if hasattr(value, "get_state") and hasattr(value, "set_state"):
                value = value.get_state()
            if name not in ("params", "_model") and run_state.is_data(value):
                state[name] = value
        return state

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on with what `get_state` gave, or a part of it; called when `fit` has begun, and in
        the middle of an epoch once more when that has."""
        for name, value in state.items():
            own: Any = getattr(self, name, None)
            if hasattr(own, "set_state"):
                own.set_state(value)
            else:
                setattr(self, name, value)

    def on_train_begin(self, logs: Any = None) -> None:
        """`fit` begins."""

    def on_train_end(self, logs: Any = None) -> None:
        """`fit` ends; `logs` are those of the last epoch."""

    def on_test_begin(self, logs: Any = None) -> None:
        """`evaluate`, or the validation within `fit`, begins."""

    def on_test_end(self, logs: Any = None) -> None:
        """`evaluate`, or the validation within `fit`, ends."""

    def on_predict_begin(self, logs: Any = None) -> None:
        """`predict` begins."""

    def on_predict_end(self, logs: Any = None) -> None:
        """`predict` ends."""

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """An epoch, counted from 0, begins."""

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """An epoch ends; `logs` hold its metrics and, as ``val_...``, those of the validation."""

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """A training batch, counted from 0 in each epoch, begins."""
        signatures.call(self.on_batch_begin, {"batch": batch}, logs=logs)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """A training batch ends; `logs` hold the metrics of the epoch so far."""
        signatures.call(self.on_batch_end, {"batch": batch}, logs=logs)

    def on_test_batch_begin(self, batch: int, logs: Any = None) -> None:
        """A batch of `evaluate` or of the validation begins."""

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        """A batch of `evaluate` or of the validation ends."""

    def on_predict_batch_begin(self, batch: int, logs: Any = None) -> None:
        """A batch of `predict` begins."""

    def on_predict_batch_end(self, batch: int, logs: Any = None) -> None:
        """A batch of `predict` ends; ``logs["outputs"]`` are its predictions."""

    def on_batch_begin(self, batch: int, logs: Any = None) -> None:
        """The older name of `on_train_batch_begin`."""

    def on_batch_end(self, batch: int, logs: Any = None) -> None:
        """The older name of `on_train_batch_end`."""
