"""`Compiled`: an ordinary Python function that reads and assigns Variables, made fast.

For each kind of arguments (structure, shapes, dtypes) and engine the function is run once on
abstract tensors: layers build, optimizers make their slots, and it becomes known which Variables it
touches.  Then the engine compiles the pure form ``(state, *args) -> (result, state)``.

`Interpreted` runs such a function as the Python it is; so does `Compiled` where the engine says so.
"""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from tricorn import dtypes, tree
from tricorn.engines import registry
from tricorn.graph import op
from tricorn.graph.scope import Scope, current, recording_tapes
from tricorn.graph.symbolic import NotRecording, recording
from tricorn.graph.transforms import discover

#: held while a Variable moves from one engine to another, or a program takes its handles
moving = threading.RLock()
#: call -> (program, its thread), while the program works on handles of Variables
_running: dict[object, tuple[_Program, int]] = {}


def refuse_if_running(variable: Any, engine: registry.Engine) -> None:
    """Raise when another thread is working with `variable` on another engine.

    Raises:
        RuntimeError: naming the Variable and both engines.
    """
    for program, thread in _running.values():
        if thread != threading.get_ident() and program.engine is not engine:
            if any(variable is used for used in program.variables):
                raise RuntimeError(
                    f"the Variable {variable.path!r} was asked for on the engine {engine.name!r} "
                    f"while another thread computes with it on {program.engine.name!r}; let one "
                    "wait for the other, or give each a model of its own"
                )


def executing_eagerly() -> bool:
    """Whether Python runs each time and tensors have values: False while a graph of symbolic
    tensors is made, in a function compiled by `tricorn.function` or a step run by `fit`, where only
    shapes are worked out, and in the engine's own traces and graphs (``jax.jit``, ``tf.function``,
    ``tf.Graph``)."""
    scope = current()
    if recording() is not None or (scope is not None and scope.frozen):
        return False
    return registry.active().is_eager()


class _Late(Exception):
    """A Variable that the abstract run did not meet is read while compiling."""

    def __init__(self, variable: Any) -> None:
        super().__init__(variable.path)
        self.variable = variable


class Interpreted:
    """`fn` run as the Python it is, each time; what it assigns is written when a run is over, so an
    error leaves everything as it was before the run.

    Args:
        fn, loop: as `Compiled` takes them.  In a loop arrays are given to `fn` as they are, for it
            uses a part of them in each step.
        within: gives a context manager that each call takes place in.
    """

    def __init__(
        self, fn: Callable, loop: bool = False, within: Callable = contextlib.nullcontext
    ) -> None:
        self.fn, self.loop, self.within = fn, loop, within

    def __call__(self, *args: Any) -> Any:
        if current() is not None or recording_tapes():
            return self.inside(*args)
        engine, result = registry.active(), None
        arrays = args[2:] if self.loop else self._tensors(engine, args)
        steps = [(np.int32(i),) for i in range(*args[:2])] if self.loop else [()]
        with self.within():
            for number in steps:
                result = self._run(engine, number, arrays)
        return result

    def _run(self, engine: registry.Engine, number: tuple, arrays: tuple) -> Any:
        read: dict[int, Any] = {}

        def stored(variable: Any) -> Any:
            value = scope.values[variable] = variable._stored()
            read[id(value)] = variable
            return value

        with NotRecording(), Scope(missing=stored) as scope:
            result = self.fn(*number, *arrays)
        with moving:
            for variable in read.values():
                variable._shared = True
            for variable, value in scope.changes():
                variable.keep(engine, value)
        if not read.keys().isdisjoint(map(id, tree.leaves(result))):  # what is given out is a copy
            return tree.map(lambda x: _copy(engine, x) if id(x) in read else x, result)
        return result

    def dropped(self, fn: Callable, *args: Any) -> None:
        """Run ``fn(*args)`` for the Variables that are made in it; nothing else of it lasts."""
        arrays = self._tensors(registry.active(), args)
        with self.within(), NotRecording(), Scope():
            fn(*arrays)

    def inside(self, *args: Any) -> Any:
        """Run as a part of the step, transform or tape around."""
        engine, result = registry.active(), None
        arrays = self._tensors(engine, args[2 * self.loop :])
        steps = [(op.convert(engine, i, "int32"),) for i in range(*args[:2])] if self.loop else [()]
        for number in steps:
            with NotRecording(), Scope() as scope:
                result = self.fn(*number, *arrays)
            for variable, value in scope.changes():
                variable.assign(value)
        return result

    @staticmethod
    def _tensors(engine: registry.Engine, args: tuple) -> tuple:
        return tree.map(lambda x: op.convert(engine, x, None) if hasattr(x, "shape") else x, args)


def _copy(engine: registry.Engine, x: Any) -> Any:
    return engine.tensor(engine.numpy(x), engine.dtype(x))


class Compiled:
    """A compiled form of `fn`, called like it.

    Args:
        fn: function of trees of arrays and tensors; what it gives is a tree of tensors.  Python
            values among the arguments (str, bool, int, None) are baked in: another value compiles
            anew.  Python state that it reads is baked in too.
        loop: `fn` takes a step number first, and a call is ``compiled(start, stop, *args)``: it
            runs the steps start .. stop-1 in as few dispatches as the engine can, and gives the
            last one's result.
        jit_compile: "auto": as is best on the engine; True: all that its compiler can do (XLA on
            TensorFlow); False: as little as the engine can, on PyTorch and JAX the Python of `fn`
            is run each time.
        pure: whether the Python of `fn` does nothing but compute, or a function that tells; else
            PyTorch runs it each time unless `jit_compile` is True.

    Raises:
        ValueError: for another `jit_compile`.
    """

    def __init__(
        self,
        fn: Callable,
        loop: bool = False,
        jit_compile: bool | str | None = "auto",
        pure: bool | Callable[[], bool] = True,
    ) -> None:
        self.fn, self.loop, self.pure = fn, loop, pure
        self.jit_compile = checked_jit_compile(jit_compile)
        self._programs: dict[Any, _Program] = {}
        #: engine -> how the Python is run there, None: it is compiled
        self._interpreted: dict[registry.Engine, Interpreted | None] = {}

    def __call__(self, *args: Any) -> Any:
        if current() is not None or recording_tapes():
            return Interpreted(self.fn, self.loop).inside(*args)
        interpreted = self.interpreted()
        if interpreted is not None:
            return interpreted(*args)
        return self.program(*args[2 * self.loop :]).run(*args)

    def interpreted(self) -> Interpreted | None:
        """What runs `fn` as Python, if it is not compiled on the active engine."""
        engine = registry.active()
        if engine not in self._interpreted:
            pure = self.jit_compile is True or (self.pure() if callable(self.pure) else self.pure)
            within = engine.as_python(self.jit_compile, pure)
            found = None if within is None else Interpreted(self.fn, self.loop, within)
            self._interpreted[engine] = found
        return self._interpreted[engine]

    def program(self, *args: Any) -> _Program:
        """The compiled form for arguments like these, made if need be."""
        engine = registry.active()
        leaves, structure = tree.flatten(args)
        key = (engine, structure, tuple([_signature(leaf) for leaf in leaves]))
        program = self._programs.get(key)
        if program is None:
            program = self._programs[key] = _Program(self, engine, args)
        return program

    def __reduce__(self) -> tuple:
        return Compiled, (self.fn, self.loop, self.jit_compile, self.pure)


def checked_jit_compile(value: Any) -> bool | None:
    """The argument `jit_compile` of public functions: True, False, or None for "auto".

    Raises:
        ValueError: for another value.
    """
    if value is None or value == "auto":
        return None
    if isinstance(value, bool):
        return value
    raise ValueError(f'jit_compile must be "auto", True or False, got {value!r}')


def _signature(leaf: Any) -> Any:
    shape = getattr(leaf, "shape", None)
    return (type(leaf), leaf) if shape is None else (tuple(shape), str(leaf.dtype))


class _Program:
    """`fn` for one engine and one kind of arguments."""

    def __init__(self, compiled: Compiled, engine: registry.Engine, args: tuple) -> None:
        self.fn, self.loop, self.jit = compiled.fn, compiled.loop, compiled.jit_compile
        self.engine = engine
        number = (engine.tensor(0, "int32"),) if self.loop else ()
        leaves, self.structure = tree.flatten(args)
        #: positions of the arrays among the arguments; the rest are constants
        self.where = [i for i, leaf in enumerate(leaves) if hasattr(leaf, "shape")]
        self.constants = [None if hasattr(leaf, "shape") else leaf for leaf in leaves]
        self.result, scope = discover(self.fn, (*number, *args))
        self.variables = list(dict.fromkeys((*scope.reads, *scope.assigned)))
        self.assigned = set(scope.assigned)
        self._around = _scope_of(engine, self.result)
        self._compile()

    def _compile(self) -> None:
        self._run = self.engine.compile(self._pure, self.loop, self.jit)

    def _pure(self, state: list, *args: Any) -> tuple[Any, list]:
        number = args[: self.loop]
        leaves = list(self.constants)
        for i, leaf in zip(self.where, args[self.loop :]):
            leaves[i] = leaf

        def late(variable: Any) -> Any:
            raise _Late(variable)

        values = dict(zip(self.variables, state))
        overlay = Scope(values, missing=late, isolated=True, frozen=True)
        with registry.use(self.engine), NotRecording(), overlay as scope:
            result = self.fn(*number, *tree.unflatten(self.structure, leaves))
        return result, [scope.values[variable] for variable in self.variables]

    def run(self, *args: Any) -> Any:
        """Call the function: reads the Variables' handles, runs, stores what changed."""
        engine, bounds = self.engine, args[: 2 * self.loop]
        leaves = tree.leaves(args[2 * self.loop :])
        given = [leaves[i] for i in self.where]
        call = object()
        try:
            while True:
                with moving:
                    handles = [
                        v._handles[engine]
                        if v._owner is engine and not v._shared
                        else _own(v, engine)
                        for v in self.variables
                    ]
                    _running[call] = self, threading.get_ident()
                before = list(handles)
                try:
                    with self._around():
                        result, after = self._run(handles, *bounds, *given)
                    self._settle(before, after)
                    return result
                except _Late as late:
                    self.variables.append(late.variable)
                    self._compile()
                except BaseException:  # an interrupt: `before` may be consumed, `handles` is valid
                    self._settle(before, handles)
                    raise
        finally:
            _running.pop(call, None)

    def _settle(self, before: list, after: list) -> None:
        for variable, old, new in zip(self.variables, before, after):
            if new is not old:
                variable.settle(self.engine, new)


def _scope_of(engine: registry.Engine, result: Any) -> Callable:
    """What makes the context in which an engine computes abstract results like these: one with 64
    bits on JAX, though no argument has them."""
    kinds = {x.dtype for x in tree.leaves(result) if hasattr(x, "dtype")}
    wide = [kind for kind in sorted(kinds) if dtypes.size(kind) >= 8]
    for kind in wide:
        engine.tensor(0, kind)  # an engine need not look out for what it never met
    if engine.scope is None or not wide or engine.scope(wide) is None:
        return contextlib.nullcontext
    return functools.partial(engine.scope, wide)


def _own(variable: Any, engine: registry.Engine) -> Any:
    """A handle that a run may donate or overwrite: one whose memory nobody else was given."""
    handle, can = variable.handle(engine), engine.capabilities
    if variable._shared and can["donates"]:
        value = engine.read(handle)
        handle = engine.variable(value, variable.dtype, variable.trainable, variable.path)
        variable.settle(engine, handle)
    elif variable._shared and can["overwrites"] and not variable.trainable:
        variable.settle(engine, engine.write(handle, engine.numpy(engine.read(handle))))
    return handle
