"""The learning rate as a function of the epoch."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tricorn.callbacks.base import Callback, Logs
from tricorn.callbacks.display import message


class LearningRateScheduler(Callback):
    """Sets the learning rate at the start of each epoch, and logs it as ``learning_rate``.

    Args:
        schedule: a function of the epoch (counted from 0) and the learning rate so far that gives
            the new one, a float. A function of the epoch alone will do.
        verbose: 1 to tell each change.

    Raises:
        ValueError: during training, when `schedule` gives no float or the optimizer has no
            learning rate.

    Example:
        >>> callback = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.5)
        >>> history = model.fit(x, y, epochs=2, callbacks=[callback], verbose=0)
        >>> [round(rate, 4) for rate in history.history["learning_rate"]]
        [0.005, 0.0025]
    """

    def __init__(self, schedule: Callable[..., float], verbose: int = 0) -> None:
        super().__init__()
        self.schedule = schedule
        self.verbose = verbose

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        for optimizer, suffix in single_optimizers(self.model):
            optimizer.learning_rate = self._next(optimizer, epoch)
            if self.verbose:
                rate = float(optimizer.learning_rate)
                message(f"Epoch {epoch + 1}: learning_rate{suffix} set to {rate:g}")

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if logs is not None:
            for optimizer, suffix in single_optimizers(self.model):
                logs[f"learning_rate{suffix}"] = float(optimizer.learning_rate)

    def _next(self, optimizer: Any, epoch: int) -> float:
        if not hasattr(optimizer, "learning_rate"):
            raise ValueError(
                f"LearningRateScheduler: the optimizer {optimizer!r} has no learning_rate to set"
            )
        args = (epoch, float(optimizer.learning_rate))
        rate = self.schedule(*args[: _count(self.schedule)])
        if not isinstance(rate, (float, np.floating)):
            raise ValueError(
                f"LearningRateScheduler: schedule{args} must give a float, got {rate!r}"
            )
        return float(rate)


def single_optimizers(model: Any) -> Iterator[tuple[Any, str]]:
    """The model's optimizer, or those it is made of, with a suffix that tells them apart."""
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    if not hasattr(optimizer, "optimizers"):
        yield optimizer, ""
        return
    for one in optimizer.optimizers:
        yield one, f"_{one.name}"


def _count(schedule: Callable[..., float]) -> int:
    """How many of (epoch, learning rate) a schedule takes."""
    try:
        inspect.signature(schedule).bind(0, 0.0)
    except TypeError:
        return 1
    except ValueError:  # a function written in C tells nothing
        return 2
    return 2
