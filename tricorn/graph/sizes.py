"""Sizes of tensors as values of a graph: ``K.shape(x)[0]`` may stand in another tensor's shape.

In a graph of ours sizes that are not known yet are symbolic integers.  When the graph is run they
are NumPy numbers, which an engine that compiles takes as part of the program; arithmetic on them is
done by NumPy too (size_values.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tricorn.arithmetic import OPS
from tricorn.engines import registry
from tricorn.engines.abstract import AbstractTensor
from tricorn.graph import op
from tricorn.graph.graphs import current_graph
from tricorn.graph.size_values import is_shape
from tricorn.graph.symbolic import is_symbolic, node_of


@op.op
def sizes(x: op.Tensor) -> Any:
    """The shape of x, an int32 vector: a NumPy array where the engine knows all sizes."""
    engine = registry.active()
    shape = engine.shape(x)
    if engine.capabilities["abstract"]:
        return AbstractTensor((len(shape),), "int32")
    if all(isinstance(n, int) for n in shape):
        return current_graph().sizes(np.array(shape, np.int32))
    return OPS["stack"]([op.convert(engine, n, "int32") for n in shape])


def whole(vector: Any) -> tuple | None:
    """The shape that a symbolic vector made by `sizes` stands for, None for what is unknown."""
    return tuple(vector.node.args[0].shape) if is_shape(vector) else None


def known(size: Any) -> Any:
    """A size as an int where the symbolic tensor that has it knows it, else as it is."""
    node = node_of(size)[0] if is_symbolic(size) else None
    if node is None or getattr(node.operation, "__name__", "") != "get_item":
        return size
    vector, key = node.args
    shape = whole(vector)
    return size if shape is None or not isinstance(key, int) or shape[key] is None else shape[key]
