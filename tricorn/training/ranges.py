"""Labels and indices that no class or vector belongs to, told of arrays before `fit`; while a step
runs line by line, the loss and the layer tell it themselves."""

from __future__ import annotations

from typing import Any

from tricorn import losses, tree
from tricorn.graph.interpreted import warn_outside
from tricorn.layers.core import Embedding
from tricorn.training.adapters import ArrayFeed
from tricorn.training.sparse_rows import SparseRows


def refuse_text(model: Any, feed: Any) -> None:
    """Refuse arrays of strings for a graph without an input of strings."""
    graph = model._tricorn.parts.get("graph")
    if graph is None or not isinstance(feed, ArrayFeed):
        return
    dtypes = [getattr(x, "dtype", None) for x in tree.leaves(feed.arrays[0])]
    given = any(getattr(dtype, "kind", None) == "O" for dtype in dtypes)
    if given and all(x.dtype != "string" for x in graph.inputs):
        raise ValueError(
            f"x must hold numbers, got strings: the model {model.name!r} has no input of strings"
        )


def look_at(model: Any, arrays: tuple) -> None:
    """Warn of what is out of range in (x, y, sample_weight), for a model that is a graph."""
    graph = model._tricorn.parts.get("graph")
    if graph is None:
        return
    for tensor, values in zip(graph.inputs, tree.leaves(arrays[0])):
        values = values.values if isinstance(values, SparseRows) else values
        for node in graph.nodes:
            layer = node.operation
            if isinstance(layer, Embedding) and any(x is tensor for x in tree.leaves(node.args)):
                warn_outside(f"{layer.name!r} is given indices", values, layer.input_dim)
    given = model.loss
    terms = [given] if isinstance(given, str) or callable(given) else tree.leaves(given)
    labels = tree.leaves(arrays[1])
    if not len(terms) == len(labels) == len(graph.outputs):
        return
    for term, y, output in zip(terms, labels, graph.outputs):
        found = losses.get(term) if isinstance(term, str) else term
        sparse = isinstance(found, losses.SparseCategoricalCrossentropy)
        if (sparse or found is losses.sparse_categorical_crossentropy) and output.shape:
            ignored = getattr(found, "ignore_class", None)
            warn_outside(f"{model.name!r} is given labels", y, output.shape[-1], ignored)
