"""The tape of the JAX engine: what runs is recorded, and differentiated by replaying it.

JAX has no tape.  But every JAX computation, native ``jnp`` code and jitted functions included,
passes through the *current trace*; a `Recorder` takes that place while tapes are open.  It lets the
trace below compute each primitive as always and notes which arrays went in and came out.
`Tape.gradient` replays the notes under ``jax.vjp`` in one jitted function, which is kept for all
recordings of the same structure: the forward pass runs once as it is written and once inside of the
compiled gradient.

Only what depends on watched arrays is noted.  What JAX hides inside a function (arrays that a
jitted function closes over) is made an input, or refused.

JAX's traces are private: this module is the only one that touches them, `_check_jax` says so when
they change, and tests/tape/test_jax.py is the canary.
"""

from __future__ import annotations

import collections
import contextlib
import functools
import itertools
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core as jex

from tricorn.engines.contract import EngineError
from tricorn.engines.jax import policy, primitives
from tricorn.engines.jax.private import core

_JIT = "jit"
#: primitives that hand an input on as it is, and whose gradient does so too
_PASSING = frozenset((_JIT, "device_put", "copy", "copy_p"))
_STOPS = "stop_gradient"


class Recorder(core.Trace):
    """The current trace while tapes are open: the trace below computes, the tapes take notes."""

    __slots__ = ("parent_trace", "tapes")

    def __init__(self, parent: Any) -> None:
        super().__init__()
        self.parent_trace = parent
        self.tapes: tuple[Tape, ...] = ()

    def stage_value(self, value: Any) -> Any:
        staged = self.parent_trace.stage_value(value)
        if staged is not value:
            self._note(_STAGE, [value], [staged])
        return staged

    def cur_qdd(self, x: Any) -> Any:
        return self.parent_trace.cur_qdd(x)

    def process_primitive(self, primitive: Any, args: Sequence, params: dict, /) -> Any:
        found = self.parent_trace.process_primitive(primitive, args, params)
        tracked = [tape for tape in self.tapes if tape.tracks(args)]
        if primitive.name == _JIT and params["jaxpr"].consts:
            self._note_closure(params["jaxpr"], args, found)
        elif tracked:
            _refuse_captured(tracked, params)
            many = primitive.multiple_results
            results = list(found) if many else [found]
            if primitive.name not in _PASSING and any(x is y for x in results for y in args):
                results = [self._fresh(x) if any(x is y for y in args) else x for x in results]
                found = results if many else results[0]
            call = _primitive_call(primitive, params)
            for tape in tracked:
                tape.note(call, args, results)
        elif self.tapes:
            _refuse_captured(self.tapes, params)
        return found

    def process_custom_jvp_call(
        self, primitive: Any, fun: Any, jvp: Any, args: Sequence, /, **params: Any
    ) -> Any:
        return self._custom("process_custom_jvp_call", primitive, (fun, jvp), args, params)

    def process_custom_vjp_call(
        self, primitive: Any, fun: Any, fwd: Any, bwd: Any, args: Sequence, /, **params: Any
    ) -> Any:
        return self._custom("process_custom_vjp_call", primitive, (fun, fwd, bwd), args, params)

    def _custom(self, process: str, primitive: Any, functions: Any, args: Any, params: Any) -> Any:
        """A call of a function with a derivative rule of its own, outside of any jit."""
        tracked = [tape for tape in self.tapes if tape.tracks(args)]
        call = None
        if tracked or not policy.captures_are_constant():
            call = _custom_call(primitive, functions, args, params, self.is_eager)
            if not policy.captures_are_constant():
                _refuse_arrays(self.tapes, _captured_by(call.key[1]))
        found = getattr(self.parent_trace, process)(primitive, *functions, args, **params)
        if call is not None:
            for tape in tracked:
                tape.note(call, args, found)
        return found

    def __getattr__(self, name: str) -> Any:
        """What else traces process (pmap, shard_map): let through unless it would be missed."""
        if not name.startswith("process_"):
            raise AttributeError(name)

        def process(primitive: Any, fun: Any, args: Sequence, /, *rest: Any, **params: Any) -> Any:
            if any(tape.tracks(args) for tape in self.tapes):
                raise EngineError(
                    f"a GradientTape on JAX cannot record {primitive}; take its gradient with "
                    "tricorn.value_and_grad or jax.grad"
                )
            return getattr(self.parent_trace, name)(primitive, fun, args, *rest, **params)

        return process

    @property
    def is_eager(self) -> bool:
        """Whether the arrays have values."""
        return self.parent_trace is core.eval_trace

    def _note(self, call: _Call, args: Sequence, found: Sequence) -> None:
        for tape in self.tapes:
            if tape.tracks(args):
                tape.note(call, args, found)

    def _note_closure(self, jaxpr: Any, args: Sequence, found: Sequence) -> None:
        """A jitted function that closes over arrays: they become inputs."""
        _refuse_arrays(self.tapes, _captured_by(jaxpr)[len(jaxpr.consts) :])
        self._note(_closure_call(jaxpr), [*jaxpr.consts, *args], found)

    def _fresh(self, x: Any) -> Any:
        """An array that equals `x` and is another object: what comes out of a stopped gradient
        must not be taken for what went in."""
        with core.set_current_trace(self.parent_trace):
            return jnp.copy(x)


# ------------------------------------------------------------------------------------ what is noted


class _Call:
    """One computation, as a function of a list of arrays that gives a list.

    Attributes:
        key: what equal calls share; hashable.
        run: the function.
        once: no equal call was met before, and none may ever come: it is not compiled for.
    """

    __slots__ = ("__weakref__", "key", "once", "run")

    def __init__(self, key: Any, run: Callable, once: bool = False) -> None:
        self.key, self.run, self.once = key, run, once


class _Note(NamedTuple):
    """A call with the numbers of what went in and came out."""

    call: _Call
    inputs: list[int]
    outputs: list[int]


_STAGE = _Call("stage", lambda x: [x])
_calls: weakref.WeakValueDictionary[Any, _Call] = weakref.WeakValueDictionary()


def _primitive_call(primitive: Any, params: dict) -> _Call:
    # A jitted function is known by its jaxpr, which JAX keeps and which lives as long as the call.
    if primitive.name == _JIT:
        key: Any = (_JIT, id(params["jaxpr"]))
    else:
        try:
            key = (primitive, tuple(sorted(params.items())))
            hash(key)
        except TypeError:  # settings that cannot be hashed or sorted: equal to no other
            key = (primitive, id(params))
    call = _calls.get(key)
    if call is None:
        if params.get("compiler_options_kvs"):  # JAX takes them on the outside only
            params = {**params, "compiler_options_kvs": ()}
        bound = primitive.get_bind_params(params)
        many = primitive.multiple_results

        def run(*args: Any) -> list:
            found = primitive.bind(*args, **bound)
            return list(found) if many else [found]

        call = _calls[key] = _Call(key, run)
        call.run.keep = params  # type: ignore[attr-defined]  # ids in the key stay theirs
    return call


def _function_call(jitted: Callable, static: tuple[int, ...], args: tuple) -> _Call:
    """A jitted function of the engine, with the arguments that are no tensors."""
    settings = tuple([args[i] for i in static if i < len(args)])
    key = ("function", id(jitted), settings)
    call = _calls.get(key)
    if call is None:

        def run(*moving: Any) -> list:
            rest = iter(moving)
            given = [args[i] if i in static else next(rest) for i in range(len(args))]
            return jax.tree.leaves(jitted(*given))

        # the arrays among the arguments are not kept
        args = tuple([x if i in static else None for i, x in enumerate(args)])
        call = _calls[key] = _Call(key, run)
    return call


def _closure_call(jaxpr: Any) -> _Call:
    """A closed jaxpr as a function of (constants, arguments)."""
    key = ("closure", id(jaxpr))
    call = _calls.get(key)
    if call is None:
        count = len(jaxpr.consts)

        def run(*args: Any) -> list:
            return list(core.eval_jaxpr(jaxpr.jaxpr, args[:count], *args[count:]))

        call = _calls[key] = _Call(key, run)
    return call


#: staged calls of functions with rules of their own; the last ones
_staged: collections.OrderedDict[Any, _Call] = collections.OrderedDict()


def _custom_call(primitive: Any, functions: Any, args: Sequence, params: dict, keep: bool) -> _Call:
    shapes = tuple(map(core.typeof, args))
    key = (primitive, functions[0], functions[1], shapes)
    call = _staged.get(key) if keep else None
    if call is not None:
        call.once = False
        return call

    def bound(*args: Any) -> Any:
        return primitive.bind(*args, subfuns=functions, **params)

    jaxpr = jax.make_jaxpr(bound)(*args)
    for store in functions[0].stores:  # it is run again, for its value
        if store is not None:
            store.reset()

    def run(*args: Any) -> list:
        return list(core.eval_jaxpr(jaxpr.jaxpr, jaxpr.consts, *args))

    call = _Call(("custom", jaxpr), run, once=True)
    if keep and not jaxpr.consts:  # which would be kept with it
        _staged[key] = call
        if len(_staged) > 256:
            _staged.popitem(last=False)
    return call


# ------------------------------------------------------------- arrays that functions close over

_captures: weakref.WeakKeyDictionary[Any, list] = weakref.WeakKeyDictionary()


def _captured_by(jaxpr: Any) -> list:
    """The arrays that a closed jaxpr holds as constants: its own first, then those further in."""
    found = _captures.get(jaxpr)
    if found is None:
        inner = [
            value
            for equation in policy.equations(jaxpr)
            for value in _constants(equation)
            if hasattr(value, "shape")
        ]
        found = _captures[jaxpr] = [*jaxpr.consts, *inner]
    return found


def _constants(equation: Any) -> Iterator[Any]:
    for atom in equation.invars:
        if isinstance(atom, jex.Literal):
            yield atom.val
    for parameter in equation.params.values():
        for part in parameter if isinstance(parameter, (tuple, list)) else (parameter,):
            if isinstance(part, jex.ClosedJaxpr):
                yield from part.consts


def _refuse_captured(tapes: Sequence[Tape], params: dict) -> None:
    for value in params.values():
        for part in value if isinstance(value, (tuple, list)) else (value,):
            if isinstance(part, jex.ClosedJaxpr):
                _refuse_arrays(tapes, _captured_by(part))


def _refuse_arrays(tapes: Sequence[Tape], arrays: Sequence) -> None:
    if any(tape.tracks(arrays) for tape in tapes):
        raise EngineError(
            "a function that JAX traced inside of a GradientTape closes over an array that the "
            "tape watches, so the tape cannot see what it does with it; give the array to the "
            "function as an argument"
        )


# ----------------------------------------------------------------------------------------- the tape

_of_thread = threading.local()


def _recorder() -> Recorder:
    """The recorder for the current place: JAX's cache of jitted calls knows a trace by identity,
    so outside of other traces it is the same one for a thread."""
    trace = core.trace_ctx.trace
    if isinstance(trace, Recorder):
        return trace
    if trace is not core.eval_trace:
        return Recorder(trace)
    if not hasattr(_of_thread, "recorder"):
        _of_thread.recorder = Recorder(trace)
    return _of_thread.recorder


def _call_of_ours(jitted: Callable, static: tuple[int, ...], args: tuple) -> Any:
    """Call a jitted function of the engine's as outside of tapes, and note it."""
    recorder = core.trace_ctx.trace
    if not isinstance(recorder, Recorder) or not recorder.is_eager:
        return jitted(*args)
    moving = [x for i, x in enumerate(args) if i not in static] if static else args
    if any(type(x) in (list, tuple) for x in moving):
        return jitted(*args)
    core.trace_ctx.set_trace(core.eval_trace)
    try:
        found = jitted(*args)
    finally:
        core.trace_ctx.set_trace(recorder)
    for tape in recorder.tapes:
        if tape.tracks(moving):
            results = [found] if isinstance(found, jax.Array) else jax.tree.leaves(found)
            tape.note(_function_call(jitted, static, args), moving, results)
    return found


policy.recorded_call = _call_of_ours


class Tape:
    """The contract's tape."""

    def __init__(self, persistent: bool) -> None:
        _check_jax()
        self._recorder: Recorder | None = None
        self.clear()

    def clear(self) -> None:
        self._notes: list[_Note] = []
        #: id of an array -> (reference to it, its number)
        self._numbers: dict[int, tuple[Callable, int]] = {}
        #: number -> value of what no noted call gives: kept, for it is needed again
        self._leaves: dict[int, Any] = {}
        self._tracked: set[int] = set()
        #: whether 64-bit types are among what was noted
        self._wide = False
        self._count = itertools.count()

    def start(self) -> None:
        recorder = self._recorder = _recorder()
        recorder.tapes = (*recorder.tapes, self)
        policy.open_tapes.append(self)
        core.trace_ctx.set_trace(recorder)

    def stop(self) -> None:
        recorder = self._recorder
        assert recorder is not None
        recorder.tapes = tuple(tape for tape in recorder.tapes if tape is not self)
        policy.open_tapes.remove(self)
        if not recorder.tapes and core.trace_ctx.trace is recorder:
            core.trace_ctx.set_trace(recorder.parent_trace)
        self._recorder = None

    pause = stop

    def watch(self, x: Any) -> Any:
        number = self._number(x)
        if number is None:
            number = self._new(x)
            self._leaves[number] = x
        self._tracked.add(number)
        return x

    def recorded(self, x: Any) -> bool:
        return self._number(x) in self._tracked

    def tracks(self, args: Sequence) -> bool:
        """Whether one of the arrays depends on what is watched."""
        numbers, tracked = self._numbers, self._tracked
        for x in args:
            known = numbers.get(id(x))
            if known is not None and known[1] in tracked and known[0]() is x:
                return True
        return False

    def _number(self, x: Any) -> int | None:
        known = self._numbers.get(id(x))
        return known[1] if known is not None and known[0]() is x else None

    def _new(self, x: Any) -> int:
        number = next(self._count)
        self._numbers[id(x)] = weakref.ref(x), number
        return number

    def _input(self, x: Any) -> int:
        if isinstance(x, jax.Array):
            number = self._number(x)
            if number is None:
                number = self._new(x)
                self._leaves[number] = x
            return number
        number = next(self._count)  # NumPy's and Python's: values, not identities
        kind = core.typeof(x)
        self._leaves[number] = _Value(np.array(x, kind.dtype), kind.weak_type)
        return number

    def note(self, call: _Call, args: Sequence, found: Sequence) -> None:
        """Take note of a call on tracked arrays."""
        inputs = [self._input(x) for x in args]
        outputs = []
        for x in found:
            number = self._number(x)  # an input that was handed on keeps its number
            if number is None:
                number = self._new(x)
                self._tracked.add(number)
            outputs.append(number)
        if primitives._any_wide and primitives.has_wide(found):
            self._wide = True
        self._notes.append(_Note(call, inputs, outputs))

    # ------------------------------------------------------------------------------------ gradients

    def gradient(
        self, targets: Sequence, sources: Sequence, cotangents: Sequence, batched: bool
    ) -> list:
        with primitives.wide() if self._wide else contextlib.nullcontext():
            return self._gradient(targets, sources, cotangents, batched)

    def _gradient(
        self, targets: Sequence, sources: Sequence, cotangents: Sequence, batched: bool
    ) -> list:
        wanted = [self._number(x) for x in targets]
        found: list[Any] = [None] * len(sources)
        numbers = [self._number(x) for x in sources]
        points = list(dict.fromkeys(n for n in numbers if n in self._tracked))
        notes = self._leading_to(wanted)
        order: dict[int, int] = {}  # our numbers -> those of the program

        def place(number: int) -> int:
            return order.setdefault(number, len(order))

        steps = tuple(
            (note.call, tuple(map(place, note.inputs)), tuple(map(place, note.outputs)))
            for note in notes
        )
        ends = tuple(map(place, wanted))  # type: ignore[arg-type]
        points = [n for n in points if n in order]
        if not points:
            return found
        leaves = [n for n in order if n in self._leaves]
        given = tuple(c is not None for c in cotangents)
        kinds = tuple([self._kind(n) for n in leaves])
        key = (
            tuple([(call.key, inputs, outputs) for call, inputs, outputs in steps]),
            tuple([order[n] for n in leaves]), ends, tuple([order[n] for n in points]),
            given, kinds, batched,
        )  # fmt: skip
        with _keeping:
            program = _programs.get(key)
        if program is None:
            program = _Program(steps, *key[1:])
        if not any(call.once for call, _, _ in steps):
            with _keeping:
                program = _programs.setdefault(key, program)
                _programs.move_to_end(key)
                if len(_programs) > _MAX_PROGRAMS:
                    _programs.popitem(last=False)
        values = [
            leaf.array if type(leaf) is _Value else leaf for leaf in map(self._leaves.get, leaves)
        ]
        of_point = dict(zip(numbers, sources))
        moving = [of_point[n] for n in points]
        grads = program(values, moving, [c for c in cotangents if c is not None])
        of_number = dict(zip(points, grads))
        return [None if n is None else of_number.get(n) for n in numbers]

    def _kind(self, number: int) -> tuple[Any, bool]:
        """(dtype, whether it is a weakly typed number) of a leaf."""
        leaf = self._leaves[number]
        return (leaf.array.dtype, leaf.weak) if type(leaf) is _Value else (leaf.dtype, False)

    def _leading_to(self, wanted: Sequence) -> list[_Note]:
        """The notes that the wanted arrays are computed by, in order."""
        needed = set(wanted)
        notes = []
        for note in reversed(self._notes):
            if not needed.isdisjoint(note.outputs):
                needed.update(note.inputs)
                notes.append(note)
        return notes[::-1]


class _Value(NamedTuple):
    """A number or NumPy array that went into a call."""

    array: np.ndarray
    weak: bool


def _is_smooth(x: Any) -> bool:
    return jnp.issubdtype(x.dtype, np.inexact)


_MAX_PROGRAMS = 256
_programs: collections.OrderedDict[Any, _Program] = collections.OrderedDict()
_keeping = threading.Lock()


class _Program:
    """The gradient of one recorded structure, as a function of the values in it.

    Args:
        steps: (call, numbers of its inputs, numbers of its outputs), in order.
        leaves: numbers of the values that go in.
        ends: numbers of the targets.
        points: numbers of the sources.
        given: for each target, whether a cotangent is given (else it is one).
        kinds: for each leaf (dtype, whether it is a weakly typed number).
        batched: whether the cotangents have a leading axis that the gradients get too.
    """

    def __init__(
        self, steps: tuple, leaves: tuple, ends: tuple, points: tuple, given: tuple, kinds: tuple,
        batched: bool,
    ) -> None:  # fmt: skip
        self.steps, self.leaves, self.ends, self.points = steps, leaves, ends, points
        self.given, self.kinds, self.batched = given, kinds, batched
        self.once = any(call.once for call, _, _ in steps)
        #: for each point, whether the targets depend on it; known after the first call
        self.connected: list[bool] | None = None
        # JAX takes compiler options only for what is not inside of something that is compiled
        self.alone = functools.cache(lambda: policy.jit(self.run))
        self.inside = functools.cache(lambda: jax.jit(self.run))

    def __call__(self, values: list, points: list, cotangents: list) -> list:
        if self.connected is None:
            self.connected = self._connected(values, points)
        trace = core.trace_ctx.trace
        if self.once or not policy.is_eager():
            run: Callable = self.run
        else:
            run = self.inside() if isinstance(trace, Recorder) else self.alone()
        grads = run(values, points, cotangents)
        return [g if connected else None for g, connected in zip(grads, self.connected)]

    def run(self, values: list, points: list, cotangents: list) -> list:
        """The gradients for the points."""
        start = [x if n in self.leaves else jnp.zeros_like(x) for n, x in zip(self.points, points)]
        smooth = [_is_smooth(x) for x in start]

        def forward(moving: list) -> list:
            rest = iter(moving)
            return self.replay(values, [next(rest) if s else x for s, x in zip(smooth, start)])

        ends, pull = jax.vjp(forward, [x for s, x in zip(smooth, start) if s])
        given = iter(cotangents)
        if self.batched:
            full = [next(given) for _ in ends]
            grads = iter(jax.vmap(lambda c: pull(c)[0])(full))
        else:
            full = [next(given) if g else jnp.ones_like(x) for g, x in zip(self.given, ends)]
            grads = iter(pull(full)[0])
        return [next(grads) if s else None for s in smooth]

    def replay(self, values: list, moving: list) -> list:
        """The targets.  A point that is a leaf takes its value from `moving`; one in the middle is
        shifted by it."""
        at = {}
        for number, value, (_, weak) in zip(self.leaves, values, self.kinds):
            if weak:
                value = jax.lax.convert_element_type_p.bind(
                    value, new_dtype=value.dtype, weak_type=True, sharding=None
                )
            at[number] = value
        shifts: dict[int, Any] = {}
        for number, value in zip(self.points, moving):
            (at if number in at else shifts)[number] = value
        for call, inputs, outputs in self.steps:
            for number, value in zip(outputs, call.run(*[at[n] for n in inputs])):
                if number not in at:
                    at[number] = value + shifts[number] if number in shifts else value
        return [at[n] for n in self.ends]

    def _connected(self, values: list, points: list) -> list[bool]:
        """For each point, whether the targets depend on it by what has derivatives."""
        zeros = [jnp.zeros_like(x) for x in points]
        jaxpr = jax.make_jaxpr(lambda moving: self.replay(values, moving))(zeros).jaxpr
        bits = [1 << i if _is_smooth(x) else 0 for i, x in enumerate(zeros)]
        reached = _union(_reach(jaxpr, bits))
        return [bool(reached & bit) for bit in bits]


def _union(bits: Sequence[int]) -> int:
    return functools.reduce(int.__or__, bits, 0)


def _reach(jaxpr: Any, before: list[int]) -> list[int]:
    """Which points reach the outputs of a jaxpr, as sets of bits, from those of its inputs."""
    reached = dict(zip(jaxpr.invars, before))

    def of(atom: Any) -> int:
        return 0 if isinstance(atom, jex.Literal) else reached.get(atom, 0)

    for equation in jaxpr.eqns:
        bits = list(map(of, equation.invars))
        name = equation.primitive.name
        if name == _JIT:
            after = _reach(equation.params["jaxpr"].jaxpr, bits)
        else:
            after = [0 if name == _STOPS else _union(bits)] * len(equation.outvars)
        for variable, found in zip(equation.outvars, after):
            if jnp.issubdtype(variable.aval.dtype, np.inexact):
                reached[variable] = found
    return list(map(of, jaxpr.outvars))


def is_live(x: Any) -> bool:
    """A tracer, or an array that an open tape tracks."""
    trace = core.trace_ctx.trace
    tapes = trace.tapes if isinstance(trace, Recorder) else ()
    return isinstance(x, core.Tracer) or any(tape.tracks((x,)) for tape in tapes)


def tape(persistent: bool) -> Tape:
    return Tape(persistent)


@functools.cache
def _check_jax() -> None:
    """Record a sum of squares, and look whether JAX still hands on what a tape needs.

    Raises:
        EngineError: when it does not.
    """
    try:
        recorder, noted = Recorder(core.eval_trace), _Probe()
        recorder.tapes = (noted,)  # type: ignore[assignment]
        with jax.ensure_compile_time_eval():  # the first tape may be inside of a trace
            x = jnp.ones(2)
            with core.set_current_trace(recorder):
                jnp.sum(x * 2.0)
        if len(noted.calls) < 2:
            raise RuntimeError("operations do not pass through the current trace")
    except Exception as error:
        raise EngineError(
            f"the GradientTape of the JAX engine does not work with JAX {jax.__version__}, whose "
            f"private traces it uses ({type(error).__name__}: {error}); use "
            "tricorn.value_and_grad, or a JAX version that this release of Tricorn names"
        ) from error


class _Probe:
    """A tape that tracks everything and keeps the calls alone."""

    def __init__(self) -> None:
        self.calls: list[_Call] = []

    def tracks(self, args: Sequence) -> bool:
        return bool(args)

    def note(self, call: _Call, args: Sequence, found: Sequence) -> None:
        self.calls.append(call)
