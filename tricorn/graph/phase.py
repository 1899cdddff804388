"""The learning phase: whether a graph is run to train or to test.

`now` is the one place that tells it.  Layers that were not given `training` ask it, and so does
``K.learning_phase()``:

* inside a call (of a layer, a Function, a training step) it is that call's flag;
* else what `fix` set, until `release`;
* else, in an engine's native graph, that graph's own tensor, fed when the graph is run;
* else it is open (None, taken as "test").

On graphs of ours it is a node without inputs, `learning_phase`, which gives the flag of the run.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from tricorn.graph import op
from tricorn.graph.calls import training_now
from tricorn.graph.graphs import current_graph
from tricorn.graph.symbolic import (
    Node,
    NotRecordable,
    NotRecording,
    SymbolicTensor,
    attach,
    is_symbolic,
    node_of,
)
from tricorn.graph.transforms import branch, layout_of

_fixed: bool | None = None


def fix(value: Any) -> None:
    """Let every call that is not told otherwise train (1, True) or test (0, False).

    Raises:
        ValueError: for another value.
    """
    global _fixed
    if value not in (0, 1):
        raise ValueError(f"the learning phase is 0 (test) or 1 (train), got {value!r}")
    _fixed = bool(value)


def release() -> None:
    """Take `fix` back."""
    global _fixed
    _fixed = None


def fixed() -> bool | None:
    """What `fix` set, or None."""
    return _fixed


def now() -> Any:
    """The learning phase here: a bool, a tensor (bool scalar) of the graph, or None: open."""
    training = training_now()
    if training is not None or _fixed is not None:
        return _fixed if training is None else training
    return tensor() if current_graph().feeds_phase else None


@op.op
def learning_phase() -> op.Tensor:
    """The flag of the run, as a node of a graph: a bool, False when nobody told."""
    phase = now()
    return False if phase is None else phase


def tensor() -> Any:
    """The learning phase as a symbolic tensor of the graph here."""
    found = current_graph().learning_phase()
    if node_of(found)[0] is None:
        with NotRecording():  # it stands in no layer's body
            node = Node(learning_phase, (), {})
        node.outputs = found
        attach(found, node, 0)
    return found


def is_phase(x: Any) -> bool:
    """Whether `x` is the learning phase of a graph."""
    if not is_symbolic(x):
        return False
    node = node_of(x)[0]
    return node is not None and node.operation is learning_phase


def either(training: Any, body: Callable, args: tuple) -> Any:
    """``body(True, *args)`` if the bool scalar tensor `training` holds, else
    ``body(False, *args)``: only one of the two is computed.

    The effects of both are merged: a Variable keeps its value, and a loss is 0, in the phase that
    does not know it.
    """
    if type(training) is SymbolicTensor:
        raise NotRecordable("a graph of symbolic tensors does not see into the two phases")
    yes, no = functools.partial(body, True), functools.partial(body, False)
    layout = layout_of((yes, args), (no, args))
    by_itself = current_graph().moves_by_itself
    layout.variables = [v for v in layout.variables if not by_itself(v)]
    with NotRecording():
        yes, no = functools.partial(yes, *args), functools.partial(no, *args)
        result, effects = branch(training, yes, no, layout)
    layout.commit(effects, result)
    return result
