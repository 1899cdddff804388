"""Moving averages in place of the weights, for a while."""

from __future__ import annotations

from typing import Any

from tricorn.callbacks.base import Callback, Logs
from tricorn.callbacks.schedule import single_optimizers


class SwapEMAWeights(Callback):
    """Puts the moving averages of an optimizer with ``use_ema=True`` into the model for
    `evaluate`, `predict` and the validation, and the weights back afterwards.

    Args:
        swap_on_epoch: also at the end of each epoch, until the next one begins: callbacks after
            this one, such as `ModelCheckpoint`, then see the averages.

    Raises:
        ValueError: when it is to swap and no optimizer of the model keeps averages.

    Example:
        >>> model.compile(keras.optimizers.Adam(use_ema=True, ema_momentum=0.9), "mse")
        >>> callback = keras.callbacks.SwapEMAWeights(swap_on_epoch=True)
        >>> history = model.fit(x, y, callbacks=[callback], verbose=0)
    """

    passive = True

    def __init__(self, swap_on_epoch: bool = False) -> None:
        super().__init__()
        self.swap_on_epoch = swap_on_epoch
        #: the weights that averages stand in the place of
        self._weights: list[tuple[Any, Any]] | None = None

    def get_state(self) -> dict[str, Any]:
        return {"weights": self._weights and [value for _, value in self._weights]}

    def set_state(self, state: dict[str, Any]) -> None:
        values = state.get("weights")
        self._weights = values and list(zip(self._averaged(), values))

    def _averaged(self) -> list[Any]:
        """The variables of which there are averages."""
        optimizers = [one for one, _ in single_optimizers(self.model) if one.use_ema]
        return [variable for optimizer in optimizers for variable in optimizer.averages]

    def _swap(self, to_averages: bool) -> None:
        optimizers = [one for one, _ in single_optimizers(self.model) if one.use_ema]
        if not optimizers:
            raise ValueError(
                "SwapEMAWeights needs an optimizer that keeps averages: make it with use_ema=True"
            )
        if to_averages and self._weights is None:
            pairs = [pair for optimizer in optimizers for pair in optimizer.averages.items()]
            self._weights = [(variable, variable.numpy()) for variable, _ in pairs]
            for variable, average in pairs:
                variable.assign(average)
        elif not to_averages and self._weights is not None:
            for variable, value in self._weights:
                variable.assign(value)
            self._weights = None

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        if self.swap_on_epoch:
            self._swap(False)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if self.swap_on_epoch:
            self._swap(True)

    def on_train_end(self, logs: Logs | None = None) -> None:
        self._weights = None  # `fit` has put the averages in for good

    def on_test_begin(self, logs: Logs | None = None) -> None:
        self._swap(True)

    def on_test_end(self, logs: Logs | None = None) -> None:
        self._swap(False)

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        self._swap(True)

    def on_predict_end(self, logs: Logs | None = None) -> None:
        self._swap(False)
