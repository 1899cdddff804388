"""Stopping when the loss is lost."""

from __future__ import annotations

import math

from tricorn.callbacks.base import Callback, Logs
from tricorn.callbacks.display import message


class TerminateOnNaN(Callback):
    """Ends training when the loss is NaN or infinite.

    It looks at the end of each dispatch (about 50 ms), since the mean loss of an epoch stays NaN
    once it is: watching costs no speed.

    Args:
        raise_error: whether to raise at once instead of ending training in good order.

    Raises:
        RuntimeError: during training, with `raise_error`.

    Example:
        >>> history = model.fit(x, y, callbacks=[keras.callbacks.TerminateOnNaN()], verbose=0)
    """

    passive = True

    def __init__(self, raise_error: bool = False) -> None:
        super().__init__()
        self.raise_error = raise_error

    def on_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        loss = (logs or {}).get("loss")
        if loss is None or math.isfinite(loss):
            return
        if self.raise_error:
            raise RuntimeError(f"TerminateOnNaN: the loss is {loss} at batch {batch}")
        message(f"Batch {batch}: the loss is {loss}, training ends")
        self.model.stop_training = True
