"""Turns: threads that change Variables and threads that read them wait for each other.

A `Use` is a stretch in which a thread works with Variables: a compiled program from the moment it
takes their handles until it has put back what it left, the copying of a value, an assignment.  Who
changes a Variable is alone with it; readers share it.  Turns are taken in the order of asking, so
nobody waits for more than what runs and was asked for before.  A thread never waits for itself, and
holds nothing while it waits for its first use; callbacks run outside of every use.
"""

from __future__ import annotations

import collections.abc
import contextlib
import threading
from collections.abc import Collection, Iterator
from typing import Any

#: held while a layer is built or a function is run for its shapes, so that weights are made once;
#: see `making`
_making = threading.RLock()
#: held for moments: while uses begin and end, and while a handle is taken or replaced
changing = threading.RLock()
_ended = threading.Condition(changing)
#: the uses in progress, and those that wait, in the order of asking
_running: list[Use] = []
_waiting: list[Use] = []
_NONE: frozenset = frozenset()


class _Everything(collections.abc.Collection):
    """All Variables."""

    def __contains__(self, variable: Any) -> bool:
        return True

    def __iter__(self) -> Any:
        return iter(())

    def __len__(self) -> int:
        return 1 << 62


EVERYTHING = _Everything()


class Use:
    """A stretch in which a thread works with Variables; a context manager.

    Args:
        reads: all the Variables, a collection that is quick to search.
        writes: those of them that are changed.
        engine: the engine that computes with them; None: they stay where they are.
        yields: whether it ends early, where its thread comes to wait for another: so two that read
            the same and then change it do not wait for each other.

    Raises:
        RuntimeError: on entering, when another thread computes with one of them on another engine.
    """

    __slots__ = ("engine", "reads", "thread", "writes", "yields")

    def __init__(
        self,
        reads: Collection,
        writes: Collection = _NONE,
        engine: Any = None,
        yields: bool = False,
    ) -> None:
        self.reads, self.writes, self.engine, self.yields = reads, writes, engine, yields
        self.thread = threading.get_ident()

    def begin(self) -> None:
        """Wait until it is this one's turn."""
        with changing:
            if _running or _waiting:
                self._wait()
            _running.append(self)

    def end(self) -> None:
        """Let the others go on; nothing where it has not begun."""
        with changing:
            if self in _running:
                _running.remove(self)
                if _waiting:
                    _ended.notify_all()

    def __enter__(self) -> Use:
        self.begin()
        return self

    def __exit__(self, *error: Any) -> None:
        self.end()

    def _wait(self) -> None:
        # a thread that has begun already goes first: those who wait may wait for it
        queue = [] if any(use.thread == self.thread for use in _running) else list(_waiting)
        _waiting.append(self)
        try:
            while True:
                others = [use for use in _running if use.thread != self.thread]
                self._refuse_other_engines(others)
                queue = [use for use in queue if use in _waiting]
                if not any(map(self._conflicts, others)) and not any(map(self._conflicts, queue)):
                    return
                self._yield()
                _ended.wait()
        finally:
            _waiting.remove(self)
            if _waiting:
                _ended.notify_all()

    def _yield(self) -> None:
        """End what this thread has begun that yields."""
        kept = [use for use in _running if use.thread != self.thread or not use.yields]
        if len(kept) < len(_running):
            _running[:] = kept
            _ended.notify_all()

    def _conflicts(self, other: Use) -> bool:
        return _overlap(self.writes, other.reads) or _overlap(self.reads, other.writes)

    def _refuse_other_engines(self, others: list[Use]) -> None:
        for use in others:
            if self.engine is None or use.engine in (None, self.engine):
                continue
            for variable in self.reads:
                if _has(use.reads, variable):
                    raise RuntimeError(
                        f"the Variable {variable.path!r} was asked for on the engine "
                        f"{self.engine.name!r} while another thread computes with it on "
                        f"{use.engine.name!r}; let one wait for the other, or give each a model "
                        "of its own"
                    )


@contextlib.contextmanager
def making() -> Iterator[None]:
    """A block in which weights may be made, by one thread at a time.  A thread that is in a use
    gives its turn up while it waits for another, which may wait for that turn."""
    given_up: list[Use] = []
    if not _making.acquire(blocking=False):
        given_up = [use for use in list(_running) if use.thread == threading.get_ident()]
        for use in given_up:
            use.end()
        _making.acquire()
    try:
        yield
    finally:
        _making.release()
        for use in given_up:
            use.begin()


def alone() -> bool:
    """Whether no other thread uses Variables now, or waits to.  Ask while holding `changing`."""
    thread = threading.get_ident()
    return not _waiting and (not _running or all(use.thread == thread for use in _running))


def _overlap(some: Collection, others: Collection) -> bool:
    if some is EVERYTHING or others is EVERYTHING:
        return bool(some) and bool(others)
    if len(others) < len(some):
        some, others = others, some
    return any(_has(others, variable) for variable in some)


def _has(variables: Collection, variable: Any) -> bool:
    """Whether a Variable is among others; in a tuple ``==`` would compare the values."""
    if isinstance(variables, tuple):
        return any(one is variable for one in variables)
    return variable in variables
