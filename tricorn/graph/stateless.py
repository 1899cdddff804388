"""Blocks for code that works with graphs itself: `StatelessScope`, in which Variables are not
changed, and `SymbolicScope`."""

from __future__ import annotations

from collections.abc import Iterable
from contextvars import ContextVar
from typing import Any

from tricorn.engines.registry import active
from tricorn.graph.op import convert
from tricorn.graph.scope import Readable, Scope, variable_behind
from tricorn.graph.symbolic import recording


class StatelessScope(Scope):
    """A block in which Variables have the values that are given, and keep the old ones after it.

    Args:
        state_mapping: (Variable, value) pairs; other Variables have their own values.
        collect_losses: note what layers give to `add_loss`.
        initialize_variables: without effect, for Keras's signature: Variables that are made inside
            have values at once.

    Attributes:
        losses: what was given to `add_loss`, with `collect_losses`.

    Raises:
        ValueError: for a pair without a Variable, or a value of another shape.

    Example:
        >>> v = keras.Variable(1.0)
        >>> with keras.StatelessScope([(v, np.float32(2.0))]) as scope:
        ...     value = v.assign_add(1.0)
        >>> float(scope.get_current_value(v)), float(v.numpy())
        (3.0, 1.0)
    """

    __slots__ = ("_losses", "collect_losses", "initialize_variables")

    def __init__(
        self,
        state_mapping: Iterable[tuple[Any, Any]] | None = None,
        collect_losses: bool = False,
        initialize_variables: bool = True,
    ) -> None:
        super().__init__()
        self.collect_losses, self.initialize_variables = collect_losses, initialize_variables
        self._losses: list = []
        for variable, value in state_mapping or ():
            self.add_update((variable, value))

    @property
    def losses(self) -> list:
        given = self.effects.losses.values() if self.collect_losses else ()
        return [*self._losses, *(loss for losses in given for loss in losses)]

    def add_loss(self, loss: Any) -> None:
        """Note a loss."""
        self._losses.append(loss)

    def add_update(self, update: tuple[Any, Any]) -> None:
        """Let a Variable have a value in the block: a (Variable, value) pair."""
        variable, value = update
        variable = variable_behind(variable)
        if not isinstance(variable, Readable):
            raise ValueError(
                "Invalid reference variable in StatelessScope: all keys must be Variables, got "
                f"{variable!r}"
            )
        tensor = convert(active(), value, variable.dtype)
        if tuple(tensor.shape) != tuple(variable.shape):
            raise ValueError(
                "Invalid variable value in StatelessScope: the value must have the shape of the "
                f"Variable {variable.path!r}, {tuple(variable.shape)}, got {tuple(tensor.shape)}"
            )
        self.values[variable] = tensor

    def get_current_value(self, variable: Any) -> Any:
        """The value that a Variable has in the block; None if it was neither given nor assigned."""
        return self.values.get(variable_behind(variable))


class SymbolicScope:
    """A block that is told by `in_symbolic_scope` from one that computes.

    Example:
        >>> with keras.SymbolicScope() as scope:
        ...     print(type(scope).__name__)
        SymbolicScope
    """

    def __init__(self) -> None:
        self._tokens: list = []

    def __enter__(self) -> SymbolicScope:
        self._tokens.append(_symbolic.set(self))
        return self

    def __exit__(self, *error: Any) -> None:
        _symbolic.reset(self._tokens.pop())


_symbolic: ContextVar[SymbolicScope | None] = ContextVar("tricorn_symbolic_scope", default=None)


def in_symbolic_scope() -> bool:
    """Whether what runs is for shapes and graphs only: in a `SymbolicScope`, in the body of a layer
    that is called on symbolic tensors, in a run on tensors without values."""
    return (
        _symbolic.get() is not None or recording() is not None or active().capabilities["abstract"]
    )
