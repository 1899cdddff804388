"""`Interpreted`: a Python function that reads and assigns Variables, run as the Python it is."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Collection, Iterator
from contextvars import ContextVar
from typing import Any

import numpy as np

from tricorn import tree
from tricorn.engines import registry
from tricorn.graph import op
from tricorn.graph.calls import hand_on
from tricorn.graph.scope import Scope, current, recording_tapes
from tricorn.graph.symbolic import NotRecording
from tricorn.graph.turns import EVERYTHING, Use

#: whether steps run line by line because the user wants to see them (`run_eagerly`)
_watched: ContextVar[bool] = ContextVar("_watched", default=False)


def watched() -> bool:
    """Whether the code that runs is watched (`run_eagerly`): a look at values is welcome then."""
    return _watched.get()


@contextlib.contextmanager
def watching() -> Iterator[None]:
    """A block that is watched."""
    token = _watched.set(True)
    try:
        yield
    finally:
        _watched.reset(token)


def warn_outside(what: str, values: Any, count: int | None, besides: int | None = None) -> None:
    """Warn of values, where they are known, that are not within [0, count) nor `besides`."""
    try:
        array = np.asarray(op._to_numpy(values))
    except (TypeError, ValueError, RuntimeError, NotImplementedError):  # there are none yet
        return
    if count is None or not array.size or array.dtype.kind not in "iuf":
        return
    if besides is not None:
        array = array[array != besides]
    low, high = (array.min(), array.max()) if array.size else (0, 0)
    if low < 0 or high >= count:
        warnings.warn(
            f"{what} from {low} to {high}; expected are 0 to {count - 1}, so some are out of "
            "range, and what comes of them is undefined",
            stacklevel=3,
        )


class Interpreted:
    """`fn`, each time.  What it assigns is written when a run is over, so an error changes nothing.

    Args:
        fn, loop, effects: as `Compiled` takes them.  In a loop arrays are given to `fn` as they
            are, for it uses a part of them in each step.
        within: gives a context manager that each call takes place in.
    """

    def __init__(
        self,
        fn: Callable,
        loop: bool = False,
        effects: bool = False,
        within: Callable = contextlib.nullcontext,
    ) -> None:
        self.fn, self.loop, self.effects, self.within = fn, loop, effects, within
        #: the Variables that runs have read and assigned; before the first, all there are
        self._reads: Collection = EVERYTHING
        self._writes: Collection = EVERYTHING

    def __call__(self, *args: Any) -> Any:
        if current() is not None or recording_tapes():
            return self.inside(*args)
        engine, result = registry.active(), None
        arrays = args[2:] if self.loop else _tensors(engine, args)
        steps = [(np.int32(i),) for i in range(*args[:2])] if self.loop else [()]
        with self.within():
            for number in steps:
                result = self._run(engine, number, arrays)
        return result

    def _run(self, engine: registry.Engine, number: tuple, arrays: tuple) -> Any:
        read: dict[int, Any] = {}

        reads = self._reads

        def stored(variable: Any) -> Any:
            turn_is_ours = variable in reads and registry.active() is engine
            value = engine.read(variable.handle(engine)) if turn_is_ours else variable._stored()
            scope.values[variable] = value
            read[id(value)] = variable
            return value

        with contextlib.ExitStack() as turn:
            turn.enter_context(Use(self._reads, self._writes, engine))
            with NotRecording(), Scope(missing=stored) as scope:
                result = self.fn(*number, *arrays)
            for variable in read.values():
                variable._shared = True
            effects, assigned = scope.effects, scope.assigned
            if any(variable not in self._writes for variable in assigned):
                turn.close()  # ask anew, so that no two wait for each other
                turn.enter_context(Use(assigned, assigned, engine))
            for variable, value in assigned.items():
                variable.check_escape(engine, value)
            for variable, value in assigned.items():
                variable.put(engine, value)
        self._know(read.values(), assigned)
        if self.effects:
            effects.assigned = {}
            hand_on(effects)
        if not read.keys().isdisjoint(map(id, tree.leaves(result))):  # what is given out is a copy
            return tree.map(lambda x: _copy(engine, x) if id(x) in read else x, result)
        return result

    def _know(self, read: Collection, assigned: Collection) -> None:
        """Remember what a run has read and assigned."""
        first = self._reads is EVERYTHING
        reads, writes = ((), ()) if first else (self._reads, self._writes)
        self._reads = frozenset((*reads, *read, *assigned))
        self._writes = frozenset((*writes, *assigned))

    def dropped(self, fn: Callable, *args: Any) -> None:
        """Run ``fn(*args)`` for the Variables that are made in it; nothing else of it lasts."""
        arrays = _tensors(registry.active(), args)
        with self.within(), NotRecording(), Scope():
            fn(*arrays)

    def inside(self, *args: Any) -> Any:
        """Run as a part of the step, transform or tape around."""
        engine, result = registry.active(), None
        arrays = _tensors(engine, args[2 * self.loop :])
        for number in self._numbers(engine, args):
            with NotRecording(), Scope() as scope:
                result = self.fn(*number, *arrays)
            hand_on(scope.effects)
        return result

    def _numbers(self, engine: registry.Engine, args: tuple) -> Iterator[tuple]:
        """The argument with the number of each step; none for what has no steps."""
        if not self.loop:
            return iter([()])
        return ((op.convert(engine, i, "int32"),) for i in range(*args[:2]))


def _tensors(engine: registry.Engine, args: tuple) -> tuple:
    return tree.map(lambda x: op.convert(engine, x, None) if hasattr(x, "shape") else x, args)


def _copy(engine: registry.Engine, x: Any) -> Any:
    return engine.tensor(engine.numpy(x), engine.dtype(x))
