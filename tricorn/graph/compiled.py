"""`Compiled`: an ordinary Python function that reads and assigns Variables, made fast.

For each kind of arguments (structure, shapes, dtypes) and engine the function is run once on
abstract tensors: layers build, optimizers make their slots, and it becomes known which Variables it
touches.  Then the engine compiles the pure form ``(state, *args) -> (result, state)``.  Where the
engine says so the function is run as Python instead (interpreted.py).
"""

from __future__ import annotations

import collections
import contextlib
import functools
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from tricorn import dtypes, tree
from tricorn.engines import registry
from tricorn.graph import ambient, op
from tricorn.graph.interpreted import Interpreted
from tricorn.graph.scope import Scope, current, recording_tapes
from tricorn.graph.symbolic import NotRecording, recording
from tricorn.graph.transforms import Layout, discover
from tricorn.graph.turns import Use, making

#: programs that a compiled function keeps; the one that was not used for longest goes first
_MAX_PROGRAMS = 256


def executing_eagerly() -> bool:
    """Whether Python runs each time and tensors have values: False while a graph of symbolic
    tensors is made, in a function compiled by `tricorn.function` or a step run by `fit`, where only
    shapes are worked out, and in the engine's own traces and graphs (``jax.jit``, ``tf.function``,
    ``tf.Graph``).

    Example:
        >>> keras.executing_eagerly()
        True
    """
    scope = current()
    if recording() is not None or (scope is not None and scope.frozen):
        return False
    return registry.active().is_eager()


class _Late(Exception):
    """A Variable is read or assigned while compiling which the abstract run did not see so."""

    def __init__(self, variable: Any, assigned: bool) -> None:
        super().__init__(variable.path)
        self.variable, self.assigned = variable, assigned


class Compiled:
    """A compiled form of `fn`, called like it.

    Args:
        fn: function of trees of arrays and tensors; what it gives is a tree of tensors.  Python
            values among the arguments (str, bool, int, None) are baked in: another value compiles
            anew.  So does what the library itself depends on, see `tricorn.graph.ambient`.  Other
            Python state that it reads is baked in for good.
        loop: `fn` takes a step number first, and a call is ``compiled(start, stop, *args)``: it
            runs the steps start .. stop-1 in as few dispatches as the engine can, and gives the
            last one's result.
        effects: besides assignments, let the other effects of a call (effects.py) happen in what is
            around: losses that layers added, tensors kept in attributes, masks of the result.
        jit_compile: "auto": as is best on the engine; True: all that its compiler can do (XLA on
            TensorFlow); False: as little as the engine can, on PyTorch and JAX the Python of `fn`
            is run each time.
        pure: whether the Python of `fn` does nothing but compute, or a function that tells; else
            PyTorch runs it each time unless `jit_compile` is True.

    Raises:
        ValueError: for another `jit_compile`.

    Example:
        >>> square = keras.function(lambda x: keras.ops.sum(x * x))
        >>> square(np.array([1.0, 2.0], "float32"))
        Array(5., dtype=float32)
    """

    def __init__(
        self,
        fn: Callable,
        loop: bool = False,
        effects: bool = True,
        jit_compile: bool | str | None = "auto",
        pure: bool | Callable[[], bool] = True,
    ) -> None:
        self.fn, self.loop, self.effects = fn, loop, effects and not loop
        self.jit_compile, self.pure = checked_jit_compile(jit_compile), pure
        #: engine -> how the Python is run there, None: it is compiled
        self._interpreted: dict[registry.Engine, Interpreted | None] = {}
        #: (arguments and ambient record, whose flags, those flags) -> program
        self._programs: collections.OrderedDict[Any, _Program] = collections.OrderedDict()
        #: arguments and ambient record -> the flags that programs for them have read
        self._flags: dict[Any, list[ambient.Flags]] = {}
        self._lock = threading.Lock()

    def __call__(self, *args: Any) -> Any:
        if current() is not None or recording_tapes():
            return Interpreted(self.fn, self.loop).inside(*args)
        around = ambient.now()
        if not isinstance(around.training, (bool, int, type(None))):  # a tensor decides
            return Interpreted(self.fn, self.loop).inside(*args)
        interpreted = self.interpreted()
        if interpreted is not None:
            return interpreted(*args)
        return self._program(around, *args[2 * self.loop :]).run(*args)

    def interpreted(self) -> Interpreted | None:
        """What runs `fn` as Python, if it is not compiled on the active engine."""
        engine = registry.active()
        if engine not in self._interpreted:
            pure = self.jit_compile is True or (self.pure() if callable(self.pure) else self.pure)
            within = engine.as_python(self.jit_compile, pure)
            found = None
            if within is not None:
                found = Interpreted(self.fn, self.loop, self.effects, within)
            self._interpreted[engine] = found
        return self._interpreted[engine]

    def program(self, *args: Any) -> _Program:
        """The compiled form for arguments like these, made if need be."""
        return self._program(ambient.now(), *args)

    def _program(self, around: ambient.Ambient, *args: Any) -> _Program:
        leaves, structure = tree.take_apart(args)
        key = (around, structure, tuple([_signature(leaf) for leaf in leaves]))
        program = self._find(key)
        if program is None:
            with making():
                program = self._find(key) or self._make(key, around.engine, args)
        return program

    def _find(self, key: Any) -> _Program | None:
        with self._lock:
            for flags in self._flags.get(key, ()):
                whole = key, flags, flags.now()
                if whole in self._programs:
                    self._programs.move_to_end(whole)
                    return self._programs[whole]
        return None

    def _make(self, key: Any, engine: registry.Engine, args: tuple) -> _Program:
        with ambient.ReadingFlags() as read:
            program = _Program(self, engine, args)
        owners = list(read.values())
        with self._lock:
            known = self._flags.setdefault(key, [])
            same = (f for f in known if list(map(id, f.owners)) == list(read))
            flags = next(same, None)
            if flags is None:
                flags = ambient.Flags(owners)
                known.append(flags)
            self._programs[key, flags, flags.now()] = program
            if len(self._programs) > _MAX_PROGRAMS:
                self._forget(self._programs.popitem(last=False)[0])
        return program

    def _forget(self, whole: tuple) -> None:
        key, flags, _ = whole
        if not any(k == key and f is flags for k, f, _ in self._programs):
            self._flags[key].remove(flags)
            if not self._flags[key]:
                del self._flags[key]

    def __reduce__(self) -> tuple:
        return Compiled, (self.fn, self.loop, self.effects, self.jit_compile, self.pure)


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
        self.engine, self._hands_on = engine, compiled.effects
        #: how effects other than assignments come out
        self._layout: Layout | None = None
        number = (engine.tensor(0, "int32"),) if self.loop else ()
        leaves, self.structure = tree.take_apart(args)
        #: positions of the arrays among the arguments; the rest are constants
        self.where = [i for i, leaf in enumerate(leaves) if hasattr(leaf, "shape")]
        self.constants = [None if hasattr(leaf, "shape") else leaf for leaf in leaves]
        self.result, scope = discover(self.fn, (*number, *args))
        self.variables = list(dict.fromkeys((*scope.reads, *scope.assigned)))
        self.assigned = set(scope.assigned)
        self._around = _scope_of(engine, self.result)
        #: held during the first run, which prepares what the engine has compiled
        self._first: Any = threading.RLock()
        self._lock = threading.Lock()
        self._compile()

    def _compile(self) -> None:
        self._known = frozenset(self.variables)
        self._run = self.engine.compile(self._pure, self.loop, self.jit)

    def _pure(self, state: list, *args: Any) -> tuple[Any, list]:
        number = args[: self.loop]
        leaves = list(self.constants)
        for i, leaf in zip(self.where, args[self.loop :]):
            leaves[i] = leaf

        def late(variable: Any) -> Any:
            raise _Late(variable, False)

        variables = self.variables[: len(state)]
        overlay = Scope(dict(zip(variables, state)), missing=late, isolated=True, frozen=True)
        with registry.use(self.engine), NotRecording(), overlay as scope:
            result = self.fn(*number, *tree.unflatten(self.structure, leaves))
            result = tree.map(self._tensor, result)
            effects: tuple = ()
            if self._hands_on:
                self._layout = Layout(self.engine, [scope.effects])
                self._layout.variables = []  # which are the state
                effects = self._layout.collect(scope, result, scalar=False)
        for variable in scope.assigned:
            if variable not in self.assigned:
                raise _Late(variable, True)
        return (result, effects), [scope.values[variable] for variable in variables]

    def _tensor(self, x: Any) -> Any:
        """A result as a tensor: NumPy's numbers, and Python's of a loop, are constants."""
        kinds = (np.ndarray, np.generic, int, float) if self.loop else (np.ndarray, np.generic)
        return op.convert(self.engine, x, None) if isinstance(x, kinds) else x

    def run(self, *args: Any) -> Any:
        """Call the function: reads the Variables' handles, runs, stores what changed."""
        first = self._first
        if first is None:
            return self._called(*args)
        with first:
            result = self._called(*args)
        self._first = None
        return result

    def _called(self, *args: Any) -> Any:
        engine, bounds = self.engine, args[: 2 * self.loop]
        leaves = tree.leaves(args[2 * self.loop :])
        given = [leaves[i] for i in self.where]
        while True:
            with self._lock:
                variables, known, run = self.variables, self._known, self._run
            use = Use(known, self.assigned, engine)
            try:
                use.begin()
                handles = [
                    v._handles[engine] if v._owner is engine and not v._shared else self._handle(v)
                    for v in variables
                ]
                before = list(handles)
                try:
                    with self._around():
                        (result, effects), after = run(handles, *bounds, *given)
                except BaseException:  # an interrupt: `before` may be consumed, `handles` is valid
                    self._settle(variables, before, handles)
                    raise
                self._settle(variables, before, after)
                break
            except _Late as late:
                self._widen(late)
            finally:
                use.end()
        if self._layout is not None:
            self._layout.commit(effects, result)
        return result

    def _handle(self, variable: Any) -> Any:
        """The handle of a Variable; of one that the program assigns, memory that nobody shares."""
        if variable in self.assigned:
            return _unshared(variable, self.engine)
        return variable.handle(self.engine)

    def _widen(self, late: _Late) -> None:
        """Compile anew with a Variable more."""
        with self._lock:
            if late.assigned:
                self.assigned = {*self.assigned, late.variable}
            if late.variable not in self._known:
                self.variables = [*self.variables, late.variable]
                self._compile()

    def _settle(self, variables: list, before: list, after: list) -> None:
        for variable, old, new in zip(variables, before, after):
            if new is not old:
                variable.settle(self.engine, new)


def _scope_of(engine: registry.Engine, result: Any) -> Callable:
    """What makes the context in which an engine computes abstract results like these: one with 64
    bits on JAX, though no argument has them."""
    kinds = {dtypes.standardize(x.dtype) for x in tree.leaves(result) if hasattr(x, "dtype")}
    wide = [kind for kind in sorted(kinds) if dtypes.size(kind) >= 8]
    if engine.context_of(wide) is None:
        return contextlib.nullcontext
    return functools.partial(engine.context_of, wide)


def _unshared(variable: Any, engine: registry.Engine) -> Any:
    """A handle that a run may consume or overwrite: one whose memory nobody else was given."""
    handle = variable.handle(engine)
    if variable._shared:
        handle = engine.unshared(handle)
        variable.settle(engine, handle)
    return handle
