"""`RematScope`: layers made in a block keep less for the gradient and compute it again."""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import ContextVar
from typing import Any

MODES = ("full", "activations", "larger_than", "list_of_layers", None)


class RematScope:
    """A block: the layers that are made in it forget what they compute on the way, and compute it
    again when the gradient is taken, wherever they are called.  That takes less memory and more
    time.

    Args:
        mode: "full": all layers; "activations": the activation functions of layers that have one;
            "larger_than": layers whose outputs have more than `output_size_threshold` numbers (an
            unknown size counts as 1); "list_of_layers": those with the names `layer_names`; None:
            none, in a block around.
        output_size_threshold: for "larger_than".
        layer_names: for "list_of_layers".

    Raises:
        ValueError: for another mode.

    Example:
        >>> with keras.RematScope("full"):
        ...     layer = keras.layers.Dense(3)
        >>> layer(np.ones((1, 2))).shape  # as without, with less kept for the gradient
        (1, 3)
    """

    def __init__(
        self,
        mode: str | None = "full",
        output_size_threshold: int = 1024,
        layer_names: Sequence[str] | None = None,
    ) -> None:
        if mode not in MODES:
            raise ValueError(
                f"Invalid mode {mode!r}. Supported modes are: {', '.join(map(repr, MODES))}"
            )
        self.mode, self.output_size_threshold = mode, output_size_threshold
        self.layer_names = list(layer_names or ())
        self._tokens: list = []

    def __enter__(self) -> RematScope:
        self._tokens.append(_scope.set(self))
        return self

    def __exit__(self, *error: Any) -> None:
        _scope.reset(self._tokens.pop())

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_tokens": []}


_scope: ContextVar[RematScope | None] = ContextVar("tricorn_remat_scope", default=None)


def current() -> RematScope | None:
    """The innermost scope in which something is rematerialized, or None."""
    scope = _scope.get()
    return None if scope is None or scope.mode is None else scope
