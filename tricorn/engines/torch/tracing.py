"""`compile` on PyTorch: a step as one flat function of torch's operators.

Run as it is, a step spends most of its time in Python above torch: layers, overlays, autograd.  So
after a few runs the step is run once on fake tensors, gradients included, and what it calls of
torch is written down as a graph, tidied up, and from then on run in place of it.  The calls are the
same, in the same order, hence so are the numbers.  What cannot be written down (a value decides
what runs, a tensor goes through NumPy) goes on as Python.
"""

from __future__ import annotations

import builtins as py
import logging
import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch.fx import Graph, GraphModule, Node

from tricorn import dtypes, tree
from tricorn.engines import common
from tricorn.engines.torch import private
from tricorn.engines.torch.primitives import default_device, dtype, memory_of, tensor, write
from tricorn.engines.torch.tape import is_held

#: steps that run as Python before one is traced: tracing costs as much as some dozens of steps
PATIENCE = 16
#: calls after which a loop is too long to be written down, one pass after the other
LONGEST = 20_000
#: results of calls without inputs are kept in the program up to this size
_CONSTANT = 1 << 16

_log = logging.getLogger("tricorn.torch")
_OPS = torch.ops.aten


class TooLong(Exception):
    """A step makes more calls than are worth writing down."""


def compile(fn: Callable, loop: bool) -> Callable:
    return _Loop(fn) if loop else _Program(fn)


class _Program:
    """``run(handles, *args) -> (result, handles)``."""

    def __init__(self, fn: Callable) -> None:
        self.fn = fn
        self.runs: dict[Any, int] = {}
        self.traces: dict[Any, _Trace | None] = {}

    def __call__(self, handles: list, *args: Any) -> tuple[Any, list]:
        return self.run(handles, args, None)

    def run(self, handles: list, args: tuple, steps: range | None) -> tuple[Any, list]:
        """Run `steps` (None: once, without a number) and write what was assigned."""
        with torch.no_grad():
            state = [handle.detach() for handle in handles]
            leaves, structure = tree.flatten(args)
            leaves = [_borrowed(x) for x in leaves]
            trace = self._trace_for(state, leaves, structure, steps)
            if trace is not None:
                return trace.run(handles, state, leaves, steps)
            args = tree.unflatten(structure, leaves)
            after, result = state, None
            for numbers in _numbers(steps):
                result, after = self.fn(list(after), *numbers, *args)
            return _settle(handles, state, args, after, result)

    def _trace_for(self, state: list, leaves: list, structure: Any, steps: range | None) -> Any:
        """The flat function for arguments like these, when there have been enough of them."""
        key = (
            structure,
            default_device(),
            tuple([(x.shape, x.stride(), x.dtype, x.device) for x in leaves]),
            tuple([(x.shape, x.stride(), x.device) for x in state]),
        )
        if key in self.traces:
            return self.traces[key]
        runs = self.runs.get(key, 0)
        self.runs[key] = runs + (1 if steps is None else len(steps))
        if runs < PATIENCE:
            return None
        try:
            self.traces[key] = _Trace(self.fn, state, leaves, structure, steps is not None)
        except Exception as error:
            _log.debug("a step is not traced but run as Python: %s", error)
            self.traces[key] = None
        return self.traces[key]


class _Loop(_Program):
    """``run(handles, start, stop, *args) -> (the last step's result, handles)``."""

    def __call__(self, handles: list, *args: Any) -> tuple[Any, list]:
        start, stop, *rest = args
        common.check_bounds(start, stop)
        return self.run(handles, tuple(rest), range(start, stop))


def _numbers(steps: range | None) -> Iterator[tuple]:
    """The argument with the number of each step; none for what has no steps."""
    return iter([()]) if steps is None else ((tensor(i, "int32"),) for i in steps)


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
    taken = {memory_of(x) for x in (*state, *tree.leaves(args)) if isinstance(x, torch.Tensor)}
    changed = {i: _own(after[i], taken) for i in common.assigned(state, after, _described)}
    result = tree.map(lambda leaf: _own(leaf, taken), result)
    return result, [write(h, changed[i]) if i in changed else h for i, h in enumerate(handles)]


def _own(x: torch.Tensor, taken: set[int]) -> torch.Tensor:
    """`x` with memory that none of `taken` shares, and from now on does; no part of something
    larger."""
    x = x.detach()
    whole = x.untyped_storage().nbytes() == x.numel() * x.itemsize
    if not whole or memory_of(x) in taken:
        x = x.clone(memory_format=torch.contiguous_format)
    taken.add(memory_of(x))
    return x


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
            taken = {_storage(x) for x in tensors}
            found, self.result = tree.flatten(result)
            self.assigned[:] = common.assigned(before, after, _described)
            return [_own_fake(x, taken) for x in (*found, *(after[i] for i in self.assigned))]

        numbers = [tensor(0, "int32")] if numbered else []
        example = *state, *numbers, *leaves
        program = private.proxy_tensor().make_fx(
            flat, tracing_mode="fake", _allow_non_fake_inputs=True
        )(*example)
        _tidy(program)
        if not _writes_outside(program.graph):
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
        self.call = program.forward

    def run(
        self, handles: list, state: list, leaves: list, steps: range | None
    ) -> tuple[Any, list]:
        found: Sequence = ()
        results = self.result.count
        held = [i for i in self.in_place if is_held(handles[i])]
        for i in held:  # by a tape, which needs what it holds now
            state[i] = handles[i].data = handles[i].detach().clone()
        for numbers in _numbers(steps):
            found = self.call(*state, *numbers, *leaves)
            for i, value in zip(self.assigned, found[results:]):
                state[i] = value
        after = list(handles)
        for i in self.assigned:
            if i not in self.in_place:
                after[i] = write(handles[i], state[i])
        torch.autograd.graph.increment_version([handles[i] for i in self.in_place.difference(held)])
        return tree.unflatten(self.result, list(found[:results])), after


def _storage(x: torch.Tensor) -> int:
    return x.untyped_storage()._cdata


def _own_fake(x: torch.Tensor, taken: set[int]) -> torch.Tensor:
    """As `_own`; fake tensors have storages of their own, but no memory."""
    if x.untyped_storage().nbytes() != x.numel() * x.itemsize or _storage(x) in taken:
        x = x.clone(memory_format=torch.contiguous_format)
    taken.add(_storage(x))
    return x


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
    program.recompile()


def _outputs(graph: Graph) -> list[Node]:
    return list(graph.output_node().args[0])


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
    """Compute once what depends on no input."""
    graph, values = traced.graph, {}
    for node in list(graph.nodes):
        if node.op == "get_attr":
            values[node] = getattr(traced, str(node.target))
            continue
        if node.op != "call_function" or node in fixed or _is_draw(node):
            continue
        schema = _schema(node)
        if schema is None or schema.is_mutable or node.target.namespace != "aten":
            continue
        if not py.all(x in values for x in node.all_input_nodes):
            continue
        args, kwargs = torch.fx.map_arg((node.args, node.kwargs), values.__getitem__)
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


def _adam_in_place(graph: Graph, places: dict[Node, int]) -> None:
    """Let Adam write to the state itself where nothing reads the old values afterwards.

    Args:
        places: input that holds an entry of the state -> output that holds its next value.
    """
    order = {node: i for i, node in enumerate(graph.nodes)}
    output = graph.output_node()
    groups: dict[Any, list[Node]] = {}
    for node in graph.find_nodes(op="call_function", target=torch.ops.tricorn.adam.default):
        old = [node.args[0], node.args[2], node.args[3]]
        new = {part.args[1]: part for part in node.users}
        if len(new) < 3 or len(set(old)) < 3 or py.any(x not in places for x in old):
            continue
        stays = [output.args[0][places[x]] is new[i] for i, x in enumerate(old)]
        others = [set(part.users) != {output} for part in new.values()]
        used = [x for x in output.args[0] if x in new.values()]
        readers = {user for x in old for view in _views(x) for user in view.users}
        late = [order[reader] > order[node] for reader in readers]
        if not py.all(stays) or len(used) > 3 or py.any(others) or py.any(late):
            continue
        groups.setdefault(node.args[4:], []).append(node)
    for numbers, nodes in groups.items():  # one call for all, where the last one stands
        columns = [list(column) for column in zip(*[node.args[:4] for node in nodes])]
        with graph.inserting_before(nodes[-1]):
            graph.call_function(torch.ops.tricorn.adam_.default, (*columns, *numbers))
        for node in nodes:
            for part in list(node.users):
                part.replace_all_uses_with(node.args[(0, 2, 3)[part.args[1]]])
                graph.erase_node(part)
            graph.erase_node(node)
