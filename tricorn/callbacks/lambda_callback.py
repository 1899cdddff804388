"""Callbacks made of plain functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tricorn.callbacks.base import Callback


class LambdaCallback(Callback):
    """Calls the given functions at the moments they are named after.

    Args:
        on_epoch_begin, on_epoch_end: functions of ``(epoch, logs)``.
        on_train_begin, on_train_end: functions of ``(logs)``.
        on_train_batch_begin, on_train_batch_end: functions of ``(batch, logs)``, by these names.
        **kwargs: functions for any other hook of `Callback`, or further attributes.

    Example:
        >>> tell = keras.callbacks.LambdaCallback(
        ...     on_epoch_end=lambda epoch, logs: print(epoch, logs["loss"])
        ... )
        >>> tell.on_epoch_end(0, {"loss": 0.5})
        0 0.5
    """

    def __init__(
        self,
        on_epoch_begin: Callable[..., Any] | None = None,
        on_epoch_end: Callable[..., Any] | None = None,
        on_train_begin: Callable[..., Any] | None = None,
        on_train_end: Callable[..., Any] | None = None,
        on_train_batch_begin: Callable[..., Any] | None = None,
        on_train_batch_end: Callable[..., Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__()
        hooks = {
            "on_epoch_begin": on_epoch_begin,
            "on_epoch_end": on_epoch_end,
            "on_train_begin": on_train_begin,
            "on_train_end": on_train_end,
            "on_train_batch_begin": on_train_batch_begin,
            "on_train_batch_end": on_train_batch_end,
            **kwargs,
        }
        for name, hook in hooks.items():
            if hook is None:
                continue
            if hasattr(Callback, name) and name.startswith("on_") and not callable(hook):
                raise TypeError(f"LambdaCallback: {name} must be a function, got {hook!r}")
            setattr(self, name, hook)
