"""The overlay through which Variables are read and assigned inside a step or a transform.

A `Scope` maps Variables to the tensors they hold *for now*.  Scopes nest: a read looks from the
innermost outwards, an assignment stays in the innermost.  Whoever opened a scope decides what
becomes of the assignments: a transform hands them on as results, a compiled step writes them back,
an abstract run throws them away.  It is the same on every engine, eager ones included, because an
in-place write between a forward and a backward pass corrupts gradients there.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, TypeVar

from tricorn.arithmetic import Arithmetic
from tricorn.graph.effects import Effects

F = TypeVar("F", bound=Callable)

_current: ContextVar[Scope | None] = ContextVar("tricorn_scope", default=None)
#: the innermost scope, or None outside of any step
current = _current.get
#: the tapes (tricorn/graph/tape.py) that record now, outermost first
_tapes: ContextVar[tuple[Any, ...]] = ContextVar("tricorn_tapes", default=())
recording_tapes = _tapes.get


_ABSENT = object()


class Readable(Arithmetic):
    """Base of what the ops read through `.value`: Variables."""

    __slots__ = ()
    shape: tuple[int, ...]
    dtype: str
    read_dtype: str
    path: str
    value: Any
    handle: Callable[[Any], Any]


def variable_behind(x: Any) -> Any:
    """The Variable that a native variable of an engine's graph stands for; other objects as they
    are."""
    return getattr(x, "_tricorn_variable", x)


class Scope:
    """One overlay; a context manager.

    Args:
        values: tensors that Variables start with here.
        missing: what gives the tensor of a Variable that no scope holds (root scopes only).
        forbid: name of a transform inside which nothing may be assigned.
        frozen: no Variable may be created inside.
        isolated: outer scopes are out of sight.
        random_only: nothing but random state can be assigned; other assignments have no effect.
    """

    __slots__ = (
        "_attributes",
        "_token",
        "effects",
        "forbid",
        "frozen",
        "isolated",
        "missing",
        "parent",
        "random_only",
        "reads",
        "values",
    )  # fmt: skip

    def __init__(
        self,
        values: dict[Any, Any] | None = None,
        *,
        missing: Callable[[Any], Any] | None = None,
        forbid: str | None = None,
        frozen: bool = False,
        isolated: bool = False,
        random_only: bool = False,
    ) -> None:
        self.values = values if values is not None else {}
        self.effects = Effects()
        self.reads: dict[Any, None] = {}
        #: (object, attribute) -> what the attribute was before something was kept in it
        self._attributes: dict[tuple[Any, str], Any] = {}
        self.missing, self.forbid, self.frozen, self.isolated = missing, forbid, frozen, isolated
        self.random_only = random_only
        self.parent: Scope | None = None

    def __enter__(self) -> Scope:
        self.parent = None if self.isolated else current()
        if self.parent is not None and self.parent.frozen:
            self.frozen = True
        self._token = _current.set(self)
        return self

    def __exit__(self, *error: Any) -> None:
        _current.reset(self._token)
        for (owner, name), before in self._attributes.items():
            if before is _ABSENT:
                vars(owner).pop(name, None)
            else:
                vars(owner)[name] = before

    @property
    def assigned(self) -> dict[Any, Any]:
        """Variable -> the tensor it was given, in the order of first assignment."""
        return self.effects.assigned

    def read(self, variable: Any) -> Any:
        """The tensor `variable` holds in this scope."""
        scope: Scope | None = self
        while scope is not None:
            value = scope.values.get(variable)
            if value is not None:
                return value
            root, scope = scope, scope.parent
        root.reads[variable] = None
        if root.missing is not None:
            return root.missing(variable)
        return variable._stored()

    def assign(self, variable: Any, value: Any) -> None:
        """Let `variable` hold `value` in this scope."""
        if self.forbid is not None:
            raise ValueError(
                f"{variable.path!r} is assigned inside {self.forbid}, where each of the mapped "
                "calls would give it another value; return the value and assign it outside"
            )
        if self.random_only and not variable.random:
            return
        self.values[variable] = self.effects.assigned[variable] = value

    def keep(self, owner: Any, name: str, value: Any) -> None:
        """Note that an attribute is about to be set to a tensor (or a tree of them) of this scope.
        At the scope's end it is again what it was, and who handles the effects may set it."""
        self._attributes.setdefault((owner, name), vars(owner).get(name, _ABSENT))
        self.effects.kept[owner, name] = value

    def losses_of(self, layer: Any) -> list:
        """What `layer` has given to `add_loss`, here and in the scopes around."""
        found: list = []
        scope: Scope | None = self
        while scope is not None:
            found = [*scope.effects.losses.get(layer, ()), *found]
            scope = None if layer in scope.effects.cleared else scope.parent
        return found

    def root(self) -> Scope:
        """The outermost scope."""
        scope = self
        while scope.parent is not None:
            scope = scope.parent
        return scope


class Suspended:
    """A block outside of every scope: what is read and written there is what is stored."""

    def __enter__(self) -> None:
        self._token = _current.set(None)

    def __exit__(self, *error: Any) -> None:
        _current.reset(self._token)


_library_code: ContextVar[bool] = ContextVar("tricorn_library_code", default=False)
#: whether the library's own code runs, which works with Variables and never with native ones
in_library_code = _library_code.get


def library_code(fn: F) -> F:
    """Decorator of what works with a layer's Variables outside of its calls: attributes and lists
    give Variables there, never an engine's own (see `tricorn.variable.shown`)."""

    @functools.wraps(fn)
    def run(*args: Any, **kwargs: Any) -> Any:
        token = _library_code.set(True)
        try:
            return fn(*args, **kwargs)
        finally:
            _library_code.reset(token)

    return run  # type: ignore[return-value]


def read(variable: Any) -> Any:
    """The tensor that `variable` holds now.  Tapes see it, unless it was given or assigned in a
    scope that was opened inside of theirs: it belongs to a transform there."""
    scope, tapes = current(), recording_tapes()
    value = scope.read(variable) if scope is not None else variable._stored()
    for tape in tapes:
        if _comes_from(scope, variable, tape.scope):
            value = tape.read(variable, value)
    return value


def _comes_from(scope: Scope | None, variable: Any, outer: Scope | None) -> bool:
    """Whether reading `variable` in `scope` finds it in the scope `outer` or beyond."""
    while scope is not outer:
        if scope is None or variable in scope.values or scope.missing is not None:
            return False
        scope = scope.parent
    return True
