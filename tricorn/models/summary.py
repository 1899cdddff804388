"""The table that `Model.summary` prints."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from typing import Any

from tricorn import dtypes, tree
from tricorn.conventions import MODERN, conventions_of
from tricorn.graph.scope import library_code
from tricorn.graph.symbolic import is_symbolic, node_of
from tricorn.models.layer_graph import graph_of


def summary(
    model: Any,
    line_length: int | None = None,
    print_fn: Callable[[str], Any] | None = None,
    expand_nested: bool = False,
    show_trainable: bool = False,
    layer_range: Any = None,
) -> None:
    """Print the layers of `model`: output shapes, parameters, what they are connected to."""
    from rich.console import Console
    from rich.table import Table

    connected = _is_branching(model)
    table = Table(title=None, highlight=False)
    table.add_column("Layer (type)", style="bold", overflow="fold")
    table.add_column("Output shape", overflow="fold")
    table.add_column("Param #", justify="right")
    if connected:
        table.add_column("Connected to", overflow="fold")
    if show_trainable:
        table.add_column("Trainable")
    for depth, layer in _rows(model, expand_nested, layer_range):
        cells = [
            f"{'  ' * depth}{layer.name} ({type(layer).__name__})",
            _output_shape(layer),
            f"{layer.count_params():,}" if layer.built else "unbuilt",
        ]
        if connected:
            cells.append(", ".join(_sources(model, layer)))
        if show_trainable:
            cells.append("yes" if layer.trainable else "no")
        table.add_row(*cells)
    width = line_length or max(72, min(shutil.get_terminal_size().columns, 120))
    text = [f'Model: "{model.name}"', table, *_totals(model)]
    if print_fn is None:
        console = Console(width=width, highlight=False)
        for part in text:
            console.print(part)
        return
    console = Console(width=width, highlight=False, file=io.StringIO(), record=True, no_color=True)
    for part in text:
        console.print(part)
    print_fn(console.export_text())


def _rows(model: Any, expand: bool, layer_range: Any, depth: int = 0) -> Any:
    layers = list(model.layers)
    if layer_range is not None:
        names = [layer.name for layer in layers]
        missing = [name for name in layer_range if name not in names]
        if missing or len(layer_range) != 2:
            raise ValueError(f"layer_range takes two names of layers ({names}), got {layer_range}")
        first, last = sorted(names.index(name) for name in layer_range)
        layers = layers[first : last + 1]
    for layer in layers:
        yield depth, layer
        if expand and hasattr(layer, "layers"):
            yield from _rows(layer, expand, None, depth + 1)


def _output_shape(layer: Any) -> str:
    """The shape of what a layer gives; several calls of different shapes are all named."""
    outputs = [node.outputs for node in layer._tricorn.nodes]
    if not outputs:
        try:
            outputs = [layer.output]
        except AttributeError:
            return "?"
    shapes = list(dict.fromkeys(str(tree.map(lambda t: tuple(t.shape), o)) for o in outputs))
    return ", ".join(shapes[:3]) + (", ..." if len(shapes) > 3 else "")


def _is_branching(model: Any) -> bool:
    """Whether a graph is more than a chain."""
    graph = graph_of(model)
    nodes = None if graph is None else graph.nodes
    if not nodes:
        return False
    used: list[int] = []
    for node in nodes:
        inputs = node.inputs
        if len(inputs) > 1:
            return True
        used += [id(t) for t in inputs]
    return len(used) != len(set(used)) or len(model.inputs) > 1


def _sources(model: Any, layer: Any) -> list[str]:
    found = []
    graph = graph_of(model)
    for node in () if graph is None else graph.nodes:
        if node.operation is layer:
            for tensor in node.inputs:
                source, position = node_of(tensor)
                if source is not None and is_symbolic(tensor):
                    name = getattr(source.operation, "name", None) or source.operation.__name__
                    found.append(f"{name}[{source.index}][{position}]")
    return found


@library_code
def _totals(model: Any) -> list[str]:
    weights = model.weights
    trainable = set(model.trainable_weights)
    rows = [
        ("Total params", weights),
        ("Trainable params", [w for w in weights if w in trainable]),
        ("Non-trainable params", [w for w in weights if w not in trainable]),
    ]
    if conventions_of(model) is not MODERN:  # older versions counted the weights alone
        return [f"{label}: {sum(v.size for v in vs):,}" for label, vs in rows]
    optimizer = getattr(model, "optimizer", None)
    if optimizer is not None and getattr(optimizer, "built", False):
        rows[0] = ("Total params", [*weights, *optimizer.variables])
        rows.append(("Optimizer params", list(optimizer.variables)))
    return [f" {label}: {sum(v.size for v in vs):,} ({_bytes(vs)})" for label, vs in rows]


def _bytes(variables: list) -> str:
    amount = float(sum(v.size * dtypes.size(v.dtype) for v in variables))
    for unit in ("B", "KB", "MB", "GB"):
        if amount < 1024 or unit == "GB":
            break
        amount /= 1024
    return f"{amount:.2f} {unit}"
