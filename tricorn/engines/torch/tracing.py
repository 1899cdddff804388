"""`compile` on PyTorch: a step as one flat function of torch's operators.

Run as it is, a step spends most of its time in Python above torch: layers, overlays, autograd.  So
a step whose Python does nothing but compute is, after some runs, run once on fake tensors,
gradients included, and what it calls of torch is written down as a graph, tidied up, and from then
on run in place of it.  The calls are the same, in the same order, hence so are the numbers; tensors
that the step takes from elsewhere are read anew at every run.  What cannot be written down (a value
decides what runs, a tensor goes through NumPy) goes on as Python, and so does a kind of arguments
that has not come often enough to pay for its trace.
"""

from __future__ import annotations

import builtins as py
import logging
import operator
import threading
import time
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch.fx import Graph, GraphModule, Node

from tricorn import dtypes, tree
from tricorn.engines import common
from tricorn.engines.torch import private
from tricorn.engines.torch.primitives import default_device, dtype, tensor, write
from tricorn.engines.torch.tape import is_held, move

#: traces that are kept in the process; those that were not used for the longest time go first
MOST = 64
#: calls after which a loop is too long to be written down, one pass after the other
LONGEST = 20_000
#: results of calls without inputs are kept in the program up to this size
_CONSTANT = 1 << 16

_log = logging.getLogger("tricorn.torch")
_OPS = torch.ops.aten
#: calls that take of a tensor its shape and dtype
_OF_KIND = {_OPS.ones_like.default, _OPS.zeros_like.default, _OPS.full_like.default,
            _OPS.new_zeros.default, _OPS.new_ones.default, _OPS.new_full.default}  # fmt: skip
#: stands for the storage of a tensor that is a part of one
_PART = -1


class TooLong(Exception):
    """A step makes more calls than are worth writing down."""


def as_python(jit: bool | None, pure: bool) -> Callable | None:
    return torch.no_grad if jit is False or not pure else None


def compile(fn: Callable, loop: bool, jit: bool | None = None) -> Callable:
    return _Loop(fn) if loop else _Program(fn)


class _Patience:
    """For how long steps of a kind run as Python before it is traced: for twice as long as a trace
    takes, as far as is known.  Then a kind that ends soon cost little, and one that goes on has
    lost little.  (A step has 200 to 2,000 calls; a trace takes 1.5 ms for each and saves 15 µs of
    it at each step, so that it pays after some hundred steps; measured on two Zen 3 cores.)

    Attributes:
        seconds: how long a trace takes; the first one also imports what traces.
    """

    def __init__(self) -> None:
        self.seconds = 2.0

    def is_over(self, seconds: float) -> bool:
        return seconds >= 2 * self.seconds

    def learn(self, seconds: float) -> None:
        """A trace took so long."""
        self.seconds += (seconds - self.seconds) / 2


patience = _Patience()
_tracing = threading.RLock()


class _Kind:
    """What is known of one kind of arguments.

    Attributes:
        steps, seconds: how many steps ran as Python, and how long all but the first of them took.
        traced: whether there is a trace, or cannot be one.
        trace: the trace or None.
    """

    def __init__(self) -> None:
        self.ref = weakref.ref(self, _kept.forget)
        hash(self.ref)  # which it keeps when this is gone
        self.drop()

    def drop(self) -> None:
        """Begin anew, without a trace."""
        self.steps, self.seconds = 0, 0.0
        self.trace: _Trace | None = None
        self.traced = False


class _Kept:
    """The kinds that have traces, the last used at the end: no more than `MOST`."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.refs: OrderedDict[weakref.ref[_Kind], None] = OrderedDict()

    def use(self, kind: _Kind) -> None:
        """Note that the trace of `kind` is used; drop the one unused for the longest time if there
        are too many."""
        with self.lock:
            self.refs[kind.ref] = None
            self.refs.move_to_end(kind.ref)
            oldest = self.refs.popitem(last=False)[0]() if len(self.refs) > MOST else None
        if oldest is not None:
            oldest.drop()

    def forget(self, ref: weakref.ref) -> None:
        self.refs.pop(ref, None)


_kept = _Kept()


class _Program:
    """``run(handles, *args) -> (result, handles)``."""

    def __init__(self, fn: Callable) -> None:
        self.fn = fn
        self.kinds: dict[Any, _Kind] = {}

    def __call__(self, handles: list, *args: Any) -> tuple[Any, list]:
        return self.run(handles, args, None)

    def run(self, handles: list, args: tuple, steps: range | None) -> tuple[Any, list]:
        """Run `steps` (None: once, without a number) and write what was assigned."""
        with torch.no_grad():
            state = [handle.detach() for handle in handles]
            leaves, structure = tree.take_apart(args)
            leaves = [_borrowed(x) for x in leaves]
            kind = self._kind_of(state, leaves, structure)
            if not kind.traced and patience.is_over(kind.seconds):
                self._trace(kind, state, leaves, structure, steps is not None)
            trace = kind.trace
            if trace is not None and not trace.fits():
                kind.drop()
            elif trace is not None:
                _kept.use(kind)
                return trace.run(handles, state, leaves, steps)
            return self._plainly(kind, handles, state, tree.unflatten(structure, leaves), steps)

    def _plainly(
        self, kind: _Kind, handles: list, state: list, args: Any, steps: range | None
    ) -> tuple[Any, list]:
        """Run the steps as Python; after an error the state is that after the last whole one."""
        after, result = state, None
        try:
            for numbers, _ in _numbers(steps):
                start = time.perf_counter()
                result, after = self.fn(list(after), *numbers, *args)
                kind.seconds += (time.perf_counter() - start) if kind.steps else 0.0
                kind.steps += 1
        except BaseException:
            _settle(handles, state, args, after, None)
            raise
        return _settle(handles, state, args, after, result)

    def _kind_of(self, state: list, leaves: list, structure: Any) -> _Kind:
        key = (
            structure,
            default_device(),
            tuple([(x.shape, x.stride(), x.dtype, x.device) for x in leaves]),
            tuple([(x.shape, x.stride(), x.device) for x in state]),
        )
        kind = self.kinds.get(key)
        if kind is None:
            kind = self.kinds.setdefault(key, _Kind())
        return kind

    def _trace(
        self, kind: _Kind, state: list, leaves: list, structure: Any, numbered: bool
    ) -> None:
        with _tracing:
            if kind.traced:  # by another thread meanwhile
                return
            start = time.perf_counter()
            try:
                kind.trace = _Trace(self.fn, state, leaves, structure, numbered)
            except Exception as error:
                _log.debug("a step is not traced but run as Python: %s", error)
            kind.traced = True
            patience.learn(time.perf_counter() - start)


class _Loop(_Program):
    """``run(handles, start, stop, *args) -> (the last step's result, handles)``."""

    def __call__(self, handles: list, *args: Any) -> tuple[Any, list]:
        start, stop, *rest = args
        common.check_bounds(start, stop)
        return self.run(handles, tuple(rest), range(start, stop))


def _numbers(steps: range | None) -> Iterator[tuple[tuple, bool]]:
    """The argument with the number of each step, none for what has no steps; and whether the step
    is the last."""
    if steps is None:
        return iter([((), True)])
    return (((tensor(i, "int32"),), i == steps[-1]) for i in steps)


def _borrowed(x: Any) -> torch.Tensor:
    """An array among the arguments as a tensor; on the CPU it may share the array's memory."""
    if isinstance(x, torch.Tensor):
        return x
    plain = isinstance(x, np.ndarray) and x.dtype.kind in "biufc" and x.flags.c_contiguous
    if plain and x.flags.writeable:
        return torch.from_numpy(x).to(default_device())
    return tensor(x, dtypes.standardize(x.dtype))


def _described(x: torch.Tensor) -> tuple[str, tuple]:
    return dtype(x), tuple(x.shape)


def _settle(handles: list, state: list, args: Any, after: list, result: Any) -> tuple[Any, list]:
    """Write what was assigned; (result, handles) of which no two share memory, nor with `args`."""
    taken = _places((*state, *tree.leaves(args)))
    found = common.assigned(state, after, _described)
    changed = {i: _separate(after[i].detach(), taken) for i in found}
    result = tree.map(lambda leaf: _separate(leaf.detach(), taken), result)
    return result, [write(h, changed[i]) if i in changed else h for i, h in enumerate(handles)]


def _separate(x: torch.Tensor, taken: set) -> torch.Tensor:
    """`x` with memory that none of `taken` shares; no part of something larger."""
    return common.separate(x, taken, _place, _copied)


def _places(tensors: Iterable) -> set:
    """Where tensors are; the place of parts is taken, so that parts are copied."""
    return {_storage(x) for x in tensors if isinstance(x, torch.Tensor)} | {_PART}


def _place(x: torch.Tensor) -> int:
    """The storage; fake tensors, which have no memory, have storages too."""
    return _storage(x) if x.untyped_storage().nbytes() == x.numel() * x.itemsize else _PART


def _copied(x: torch.Tensor) -> torch.Tensor:
    return x.clone(memory_format=torch.contiguous_format)


# ---------------------------------------------------------------------------------------- the trace


class _Trace:
    """The flat form of a step for one kind of arguments.

    Args:
        fn: ``fn(state, *[number], *args) -> (result, state)``.
        state, leaves, structure: examples of the state and of the arguments.
        numbered: whether `fn` takes the number of the step.
    """

    def __init__(
        self, fn: Callable, state: list, leaves: list, structure: Any, numbered: bool
    ) -> None:
        #: places in the state of what the step assigns
        self.assigned: list[int] = []
        #: the structure of the result
        self.result: Any = tree.structure(None)
        count = len(state)

        def flat(*tensors: torch.Tensor) -> list[torch.Tensor]:
            before, numbers = list(tensors[:count]), tensors[count : count + numbered]
            args = tensors[count + numbered :]
            result, after = fn(list(before), *numbers, *tree.unflatten(structure, list(args)))
            taken = _places(tensors)
            found, self.result = tree.take_apart(result)
            self.assigned[:] = common.assigned(before, after, _described)
            return [_separate(x, taken) for x in (*found, *(after[i] for i in self.assigned))]

        numbers = [tensor(0, "int32")] if numbered else []
        example = *state, *numbers, *leaves
        program = private.proxy_tensor().make_fx(
            flat, tracing_mode="fake", _allow_non_fake_inputs=True
        )(*example)
        _tidy(program)
        writes_outside = _writes_outside(program.graph)
        _bind(program.graph)
        program.recompile()
        if not writes_outside:
            program.forward(*example)  # layouts that are not as foretold show here
        inputs = program.graph.find_nodes(op="placeholder")
        places = {inputs[k]: self.result.count + i for i, k in enumerate(self.assigned)}
        _adam_in_place(program.graph, places)
        program.recompile()
        #: places of the state that the program changes where they are
        self.in_place = frozenset(
            i for i, out in zip(self.assigned, _outputs(program.graph)[self.result.count :])
            if out.op == "placeholder"
        )  # fmt: skip
        #: tensors that are neither arguments nor state, with their layouts
        taken = [getattr(program, str(n.target)) for n in program.graph.find_nodes(op="get_attr")]
        self.captured = [(x, _layout(x)) for x in taken if isinstance(x, torch.Tensor)]
        self.call = program.forward
        #: the same for all steps but the last one, whose result nobody asks for
        self.call_between = _without(program, self.result.count) if numbered else self.call

    def run(
        self, handles: list, state: list, leaves: list, steps: range | None
    ) -> tuple[Any, list]:
        found: Sequence = ()
        results = self.result.count
        held = [i for i in self.in_place if is_held(handles[i])]
        for i in held:  # by a tape, which needs what it holds now
            state[i] = handles[i].detach().clone()
            move(handles[i], state[i])
        before = state
        try:
            for numbers, is_last in _numbers(steps):
                call = self.call if is_last else self.call_between
                found = call(*state, *numbers, *leaves)
                following = list(state)
                for i, value in zip(self.assigned, found[results:]):
                    following[i] = value
                state = following
        except BaseException:  # the state after the last whole step is that of all of it
            self._write(handles, before, state, held)
            raise
        after = self._write(handles, before, state, held)
        return tree.unflatten(self.result, list(found[:results])), after

    def _write(self, handles: list, before: list, state: list, held: list) -> list:
        """The handles after steps that led from the state `before` to `state`."""
        after = list(handles)
        for i in self.assigned:
            if i not in self.in_place and state[i] is not before[i]:
                after[i] = write(handles[i], state[i])
        torch.autograd.graph.increment_version([handles[i] for i in self.in_place.difference(held)])
        return after

    def fits(self) -> bool:
        """Whether the tensors that the step takes from elsewhere are as they were in kind."""
        return py.all(_layout(x) == layout for x, layout in self.captured)


def _layout(x: torch.Tensor) -> tuple:
    return x.shape, x.stride(), x.dtype, x.device


def _storage(x: torch.Tensor) -> int:
    return x.untyped_storage()._cdata


def check_length() -> None:
    """Asked by loops after each pass: end a trace that has grown too long.

    Raises:
        TooLong: when it has.
    """
    mode = private.proxy_tensor().get_proxy_mode()
    if mode is not None and len(mode.tracer.graph.nodes) > LONGEST:
        raise TooLong(f"more than {LONGEST} calls")


# ----------------------------------------------------------------------------------------- tidying


def _tidy(program: GraphModule) -> None:
    """Leave out calls: those made twice, those without use, those that give constants."""
    graph = program.graph
    graph.set_codegen(torch.fx.graph.CodeGen())  # plain lists in and out
    touched, outputs = _touched(graph), set(_outputs(graph))
    for node in list(graph.nodes):
        if node.target in (_OPS.detach.default, _OPS.alias.default, _OPS.lift_fresh.default):
            if node not in touched and node not in outputs:
                node.replace_all_uses_with(node.args[0])
    graph.eliminate_dead_code()
    _fold(program, touched | outputs)
    _share(graph, touched, outputs)
    graph.eliminate_dead_code()
    graph.lint()


def _outputs(graph: Graph) -> list[Node]:
    return list(graph.output_node().args[0])


def _without(program: GraphModule, count: int) -> Callable:
    """The program without its first results, and what only those need."""
    graph = Graph()
    results: Any = graph.graph_copy(program.graph, {})
    graph.output([None] * count + results[count:])
    graph.set_codegen(torch.fx.graph.CodeGen())
    graph.eliminate_dead_code()
    return GraphModule(program, graph).forward


def _schema(node: Node) -> Any:
    return getattr(node.target, "_schema", None) if node.op == "call_function" else None


def _written(node: Node) -> list[Node]:
    """The arguments that a call writes to."""
    schema = _schema(node)
    if schema is None or not schema.is_mutable:
        return []
    found = []
    for i, argument in enumerate(schema.arguments):
        if argument.alias_info is not None and argument.alias_info.is_write:
            value = node.args[i] if i < len(node.args) else node.kwargs.get(argument.name)
            found += [x for x in tree.leaves(value) if isinstance(x, Node)]
    return found


def _views(node: Node) -> Iterator[Node]:
    """The calls whose results may share memory with a node's, itself included."""
    yield node
    for user in node.users:
        schema = _schema(user)
        if user.target is operator.getitem or (
            schema is not None and py.any(r.alias_info is not None for r in schema.returns)
        ):
            yield from _views(user)


def _origin(node: Node) -> Node:
    """The node whose memory a chain of views shows."""
    schema = _schema(node)
    views = schema is not None and py.any(r.alias_info is not None for r in schema.returns)
    if (views or node.target is operator.getitem) and isinstance(node.args[0], Node):
        return _origin(node.args[0])
    return node


def _writes_outside(graph: Graph) -> bool:
    """Whether a call writes to what is not the program's own: an input, a captured tensor."""
    targets = [_origin(target) for node in graph.nodes for target in _written(node)]
    return py.any(target.op != "call_function" for target in targets)


def _touched(graph: Graph) -> set[Node]:
    """What shares memory with something that a call writes to, and the calls that read it: their
    order matters."""
    found: set[Node] = set()
    for node in graph.nodes:
        for target in _written(node):
            for view in _views(_origin(target)):
                found |= {view, *view.users}
    return found


def _is_draw(node: Node) -> bool:
    tags = getattr(node.target, "tags", ())
    return torch.Tag.nondeterministic_seeded in tags


def _fold(traced: GraphModule, fixed: set[Node]) -> None:
    """Compute once what depends on nothing: no input's values, no captured tensor's, which may
    change."""
    graph = traced.graph
    values: dict[Node, torch.Tensor] = {}
    for node in list(graph.nodes):
        if node.op != "call_function" or node in fixed or _is_draw(node):
            continue
        schema = _schema(node)
        if schema is None or schema.is_mutable or node.target.namespace != "aten":
            continue
        known: Any = values
        if node.target in _OF_KIND:  # what is like something takes its shape and dtype only
            known = {x: _empty(x.meta["val"]) for x in node.all_input_nodes}
        elif node.target is _OPS.lift_fresh_copy.default and node.args[0].op == "get_attr":
            known = {node.args[0]: getattr(traced, str(node.args[0].target))}  # written as numbers
        if not py.all(x in known for x in node.all_input_nodes):
            continue
        args, kwargs = torch.fx.map_arg((node.args, node.kwargs), known.__getitem__)
        value = node.target(*args, **kwargs)
        if not isinstance(value, torch.Tensor) or value.numel() > _CONSTANT:
            continue
        values[node] = value
        name = f"_constant_{len(values)}"
        traced.register_buffer(name, value, persistent=False)
        with graph.inserting_before(node):
            constant = graph.get_attr(name)
        values[constant] = value
        node.replace_all_uses_with(constant)
        graph.erase_node(node)


def _empty(fake: torch.Tensor) -> torch.Tensor:
    """A tensor that is no fake one, of the same kind."""
    return torch.empty_strided(*_layout(fake)[:2], dtype=fake.dtype, device=fake.device)


def _share(graph: Graph, touched: set[Node], outputs: set[Node]) -> None:
    """Make equal calls once."""
    seen: dict[Any, Node] = {}
    for node in list(graph.nodes):
        schema = _schema(node)
        if node.op != "call_function" or node in touched or _is_draw(node):
            continue
        if node.target is not operator.getitem and (schema is None or schema.is_mutable):
            continue
        try:
            key = node.target, tree.structure((node.args, node.kwargs)), tuple(
                [(type(x), x) for x in tree.leaves((node.args, node.kwargs))]
            )  # fmt: skip
            first = seen.setdefault(key, node)
        except TypeError:  # an argument that has no hash
            continue
        if first is not node and node not in outputs and first not in outputs:
            node.replace_all_uses_with(first)
            graph.erase_node(node)


#: operators that torch's own functions call faster than the operator itself is called
_BOUND = {
    getattr(getattr(_OPS, name), overload): getattr(torch, name)
    for overload, names in {
        "default": "bmm clamp detach exp index_select log mm neg relu rsqrt sigmoid sqrt t tanh",
        "Tensor": "add div eq mul sub",
        "Scalar": "eq ge gt le lt rsub",
        "self": "where",
        "dim_IntList": "sum",
    }.items()
    for name in names.split()
}


def _bind(graph: Graph) -> None:
    """Call by Python's bindings what has them: 1 to 3 microseconds less for each call."""
    for node in graph.nodes:
        node.target = _BOUND.get(node.target, node.target)


def _adam_in_place(graph: Graph, places: dict[Node, int]) -> None:
    """Let Adam write to the state itself, at the very end: then nothing reads the old values
    afterwards, and a call that fails does so before anything is written.

    Args:
        places: input that holds an entry of the state -> output that holds its next value.
    """
    for node in graph.find_nodes(op="call_function", target=torch.ops.tricorn.adam.default):
        _write_in_place(graph, node, places)
    graph.eliminate_dead_code()


def _write_in_place(graph: Graph, node: Node, places: dict[Node, int]) -> None:
    """`_adam_in_place` of one call: of the variables whose new values are nothing but the next
    ones of the entries they come from."""
    columns, numbers = node.args[:4], node.args[4:]
    old = [x for w, m, v in zip(columns[0], *columns[2:]) for x in (w, m, v)]  # as the results are
    new = {part.args[1]: part for part in node.users}
    output = graph.output_node()

    def stays(i: int) -> bool:
        part = new.get(i)
        if part is None or old[i] not in places or old.count(old[i]) > 1:
            return False
        where = [k for k, x in enumerate(output.args[0]) if x is part]
        return set(part.users) == {output} and where == [places[old[i]]]

    rows = range(len(columns[0]))
    mine = [k for k in rows if py.all(map(stays, range(3 * k, 3 * k + 3)))]
    if not mine:
        return
    rest = [k for k in rows if k not in mine]
    written, copied = ([[c[k] for k in some] for c in columns] for some in (mine, rest))
    with graph.inserting_before(node):
        others = graph.call_function(node.target, (*copied, *numbers))
    for i, part in new.items():
        if i // 3 in mine:
            part.replace_all_uses_with(old[i])
            graph.erase_node(part)
        else:
            part.args = others, 3 * rest.index(i // 3) + i % 3
    graph.erase_node(node)
    with graph.inserting_before(output):
        graph.call_function(torch.ops.tricorn.adam_.default, (*written, *numbers))
