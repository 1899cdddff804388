"""Functions that take functions, on symbolic tensors: loops and branches as nodes of a graph.

A function given to a loop is recorded once, on symbolic tensors of its own; what it uses from
outside becomes an input of the loop's node.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tricorn import dtypes, tree
from tricorn.graph import op
from tricorn.graph.graphs import current_graph
from tricorn.graph.plan import Plan
from tricorn.graph.size_values import is_size
from tricorn.graph.symbolic import Node, Recorder, SymbolicTensor, is_symbolic, node_of


class Body:
    """A recorded function.

    Args:
        fn: function of trees of tensors.
        examples: its arguments, trees of anything with a shape and a dtype.

    Attributes:
        captured: the symbolic tensors from outside that it uses.
    """

    def __init__(self, fn: Callable, examples: Sequence) -> None:
        inputs = tree.map(_symbol, tuple(examples))
        marker = Node(fn, (), {})
        marker.parent = None
        with Recorder(marker):
            outputs = fn(*inputs)
        leaves = tree.leaves(inputs)
        self.captured = _captured(outputs, leaves, marker)
        self._plan = Plan([*leaves, *self.captured], outputs)

    def run(self, captured: Sequence, *args: Any) -> Any:
        """The function of `args`, with values for what it captured."""
        return self._plan.run([*tree.leaves(args), *captured])


def _symbol(x: Any) -> SymbolicTensor:
    """A symbolic tensor like a tensor, an array or a number."""
    shape = tuple(x.shape) if hasattr(x, "shape") else np.shape(x)
    return SymbolicTensor(shape, dtypes.result_type(dtypes.of(x)))


def _captured(outputs: Any, inputs: list, marker: Node) -> list:
    """What `outputs` depend on that was made outside of the recording by `marker`."""
    seen, found = {id(x) for x in inputs}, {}
    stack = [x for x in tree.leaves(outputs) if is_symbolic(x)]
    while stack:
        tensor = stack.pop()
        if id(tensor) in seen or tensor is current_graph().learning_phase():
            continue
        seen.add(id(tensor))
        node = node_of(tensor)[0]
        if node is not None and (_inside(node, marker) or is_size(tensor)):
            stack += node.inputs
        else:
            found[id(tensor)] = tensor
    return list(found.values())


def _inside(node: Node, marker: Node) -> bool:
    parent = node.parent
    while parent is not None and parent is not marker:
        parent = parent.parent
    return parent is marker


def with_functions(run: Callable, tensors: Any, functions: Sequence[tuple[Callable, Any]]) -> Any:
    """``run(tensors, *functions)``, as one node where a tensor among them is symbolic.

    Args:
        run: takes the tree `tensors` and the functions, and calls the ops that take functions.
        tensors: tree of tensors.
        functions: each with its arguments' examples, or a function of `tensors` that gives them.
    """
    leaves, structure = tree.take_apart(tensors)
    graph = current_graph()
    bodies = [graph.body(fn, functools.partial(Body, fn, examples)) for fn, examples in functions]
    captured = list({id(x): x for body in bodies for x in body.captured}.values())

    def compute(values: Sequence) -> Any:
        given = dict(zip(map(id, captured), values[len(leaves) :]))
        made = [
            functools.partial(body.run, [given[id(x)] for x in body.captured]) for body in bodies
        ]
        return run(tree.unflatten(structure, list(values[: len(leaves)])), *made)

    return _call(*leaves, *captured, compute=compute)


@op.op
def _call(*values: op.Tensor, compute: Callable) -> Any:
    return compute(values)
