"""Drawings of models, by pydot and Graphviz."""

from __future__ import annotations

import os
from html import escape
from typing import Any

from tricorn import checks, dtypes, tree
from tricorn.graph.symbolic import node_of
from tricorn.models.layer_graph import graph_of


def model_to_dot(
    model: Any,
    show_shapes: bool = False,
    show_dtype: bool = False,
    show_layer_names: bool = True,
    rankdir: str = "TB",
    expand_nested: bool = False,
    dpi: int = 200,
    subgraph: bool = False,
    show_layer_activations: bool = False,
    show_trainable: bool = False,
    splines: str = "ortho",
    **kwargs: Any,
) -> Any:
    """The graph of a model's layers, as pydot's.

    Args:
        model: a built model; one that is no graph of layers is one node.
        show_shapes: write the shapes of inputs and outputs.
        show_dtype: write the dtypes of outputs.
        show_layer_names: write names beside classes.
        rankdir: direction: ``"TB"`` downward, ``"LR"`` to the right.
        expand_nested: draw models in the model as groups of their layers.
        dpi: dots per inch.
        subgraph: give a ``pydot.Cluster`` instead of a ``pydot.Dot``.
        show_layer_activations: write the names of activations.
        show_trainable: write which layers are trained.
        splines: shape of the edges, for Graphviz.

    Raises:
        ImportError: pydot is not installed.
        ValueError: a model that is not built, or other arguments.

    Example:
        >>> # keras.utils.model_to_dot(model, show_shapes=True).write_png("model.png")
    """
    if kwargs.pop("layer_range", None) is not None:
        raise ValueError("Argument `layer_range` is no longer supported.")
    if kwargs:
        raise ValueError(f"Unrecognized keyword arguments: {kwargs}")
    if not model.built:
        raise ValueError(
            f"This model ({model.name!r}) has not yet been built: call build(input_shape), or call "
            "it on a batch of data, first"
        )
    drawing = _Drawing(
        expand_nested, show_shapes, show_dtype, show_layer_names, show_layer_activations,
        show_trainable,
    )  # fmt: skip
    if subgraph:
        dot = drawing.group(model)
    else:
        dot = drawing.pydot.Dot(rankdir=rankdir, concentrate=True, dpi=dpi, splines=splines)
        dot.set_node_defaults(shape="record")
    drawing.add(dot, model)
    return dot


def plot_model(
    model: Any,
    to_file: str | os.PathLike[str] = "model.png",
    show_shapes: bool = False,
    show_dtype: bool = False,
    show_layer_names: bool = False,
    rankdir: str = "TB",
    expand_nested: bool = False,
    dpi: int = 200,
    show_layer_activations: bool = False,
    show_trainable: bool = False,
    splines: str = "ortho",
    **kwargs: Any,
) -> Any:
    """Draw a model into a file; needs pydot and Graphviz.

    Args:
        to_file: the file; its ending says which kind it is.
        model, show_shapes, show_dtype, show_layer_names, rankdir, expand_nested, dpi,
            show_layer_activations, show_trainable, splines: see `model_to_dot`.

    Returns:
        In a notebook, the image for showing; else None.

    Raises:
        ImportError: pydot or Graphviz is not installed.
        ValueError: a model that is not built, or other arguments.

    Example:
        >>> # keras.utils.plot_model(model, "model.png", show_shapes=True)
    """
    pydot = checks.optional("pydot", "plot_model", "pydot", "plot")
    dot = model_to_dot(
        model, show_shapes, show_dtype, show_layer_names, rankdir, expand_nested, dpi, False,
        show_layer_activations, show_trainable, splines, **kwargs,
    )  # fmt: skip
    path = os.fspath(to_file)
    ending = os.path.splitext(path)[1][1:] or "png"
    path = path if path.endswith(f".{ending}") else f"{path}.{ending}"
    try:
        dot.write(path, format=ending)
    except (OSError, pydot.PydotException) as error:
        raise ImportError(
            "plot_model needs Graphviz, whose program `dot` draws (see "
            f"https://graphviz.org/download): {error}; model_to_dot gives the graph without it"
        ) from error
    return _shown(path, ending)


def _shown(path: str, ending: str) -> Any:
    """The image, where there is something that shows it."""
    try:
        from IPython import display  # type: ignore[import-not-found]
    except ImportError:
        return None
    if ending == "pdf":
        return None
    return display.SVG(path) if ending == "svg" else display.Image(filename=path)


class _Drawing:
    """Layers and ops that are drawn, each once."""

    def __init__(
        self, expand: bool, shapes: bool, dtypes: bool, names: bool, activations: bool, trains: bool
    ) -> None:
        self.pydot = checks.optional("pydot", "model_to_dot", "pydot", "plot")
        self.expand, self.shapes, self.dtypes, self.names = expand, shapes, dtypes, names
        self.activations, self.trains = activations, trains
        #: key of what is drawn -> (nodes that take its inputs, nodes that give its outputs)
        self.drawn: dict[Any, tuple[list[str], list[str]]] = {}
        self.edges: set[tuple[str, str]] = set()

    def group(self, model: Any) -> Any:
        """An empty frame for a model."""
        name, style = f"{model.name}_{id(model)}", {"style": "dashed", "labeljust": "l"}
        return self.pydot.Cluster(name, label=model.name, **style)

    def add(self, dot: Any, model: Any) -> tuple[list[str], list[str]]:
        """Draw a model; gives the nodes that take its inputs and that give its outputs."""
        graph = graph_of(model)
        if graph is None:
            node = self._node(dot, model, None, id(model))
            return [node], [node]
        chain = type(model).__name__ == "Sequential"  # without its input, as Keras draws it
        givers: dict[int, str | None] = {}
        for tensor in graph.inputs:
            source: Any = node_of(tensor)[0].operation  # type: ignore[union-attr]
            key = id(source)
            givers[id(tensor)] = None if chain else self._node(dot, source, None, key)
        takers: dict[int, str] = {}
        for call in graph.nodes:
            outputs = tree.leaves(call.outputs)
            if any(id(tensor) in givers for tensor in outputs):
                continue
            into, out = self._drawn(dot, call)
            many = len(call.inputs) if len(into) == 1 else 1
            for tensor, node in zip(call.inputs, into * many):
                takers.setdefault(id(tensor), node)
                if (giver := givers.get(id(tensor))) is not None:
                    self._edge(dot, giver, node)
            givers.update(zip(map(id, outputs), out * len(outputs) if len(out) == 1 else out))
        first = [givers[id(t)] or takers[id(t)] for t in graph.inputs]
        return first, [givers[id(t)] or first[0] for t in graph.outputs]

    def _drawn(self, dot: Any, call: Any) -> tuple[list[str], list[str]]:
        """What stands for a call: a node, or, of a model, its nodes."""
        key = id(call) if hasattr(call.operation, "op") else id(call.operation)
        if key not in self.drawn:
            if self.expand and graph_of(call.operation) is not None:
                frame = self.group(call.operation)
                self.drawn[key] = self.add(frame, call.operation)
                dot.add_subgraph(frame)
            else:
                node = self._node(dot, call.operation, call, key)
                self.drawn[key] = [node], [node]
        return self.drawn[key]

    def _node(self, dot: Any, layer: Any, call: Any, key: int) -> str:
        label = f"<{self._label(layer, call)}>"
        dot.add_node(self.pydot.Node(str(key), label=label, fontname="Helvetica", margin=0))
        return str(key)

    def _edge(self, dot: Any, source: str, target: str) -> None:
        if (source, target) not in self.edges:
            self.edges.add((source, target))
            dot.add_edge(self.pydot.Edge(source, target, penwidth=2))

    def _label(self, layer: Any, call: Any) -> str:
        """A table in Graphviz's HTML."""
        kind = type(layer).__name__
        name = getattr(layer, "name", None) or layer.__name__
        if call is not None and hasattr(call.operation, "op"):
            kind = name.title().replace("_", "")
        title = f"<b>{escape(name)}</b> ({kind})" if self.names else f"<b>{kind}</b>"
        rows = [[("black", "white", title)]]
        activation = getattr(layer, "activation", None)
        if self.activations and activation is not None:
            text = getattr(activation, "name", None) or getattr(activation, "__name__", activation)
            rows.append([("white", "black", f"Activation: <b>{escape(str(text))}</b>")])
        facts = []
        given = _tensors(layer, call)
        if self.shapes and kind != "InputLayer":
            facts.append(("white", "black", f"Input shape: <b>{_all(given[0], _shape)}</b>"))
        if self.shapes:
            facts.append(("white", "black", f"Output shape: <b>{_all(given[1], _shape)}</b>"))
        if self.dtypes:
            facts.append(("white", "black", f"Output dtype: <b>{_all(given[1], dtypes.of)}</b>"))
        if self.trains and getattr(layer, "weights", None):
            word = "Trainable" if layer.trainable else "Non-trainable"
            fill = "forestgreen" if layer.trainable else "firebrick"
            facts.append((fill, "white", f"<b>{word}</b>"))
        rows += [facts] if facts else []
        span = max(1, len(facts))
        cells = ["".join(_cell(*c, span // len(row)) for c in row) for row in rows]
        table = "".join(f"<tr>{row}</tr>" for row in cells)
        return f'<table border="0" cellborder="1" bgcolor="black" cellpadding="10">{table}</table>'


def _cell(fill: str, colour: str, text: str, span: int) -> str:
    return (
        f'<td bgcolor="{fill}" colspan="{span}"><font point-size="14" color="{colour}">{text}'
        "</font></td>"
    )


def _tensors(layer: Any, call: Any) -> tuple[Any, Any]:
    """(inputs, outputs) of a call, or of a layer; None where they are not known."""
    if call is not None:
        inputs = call.inputs
        return (inputs[0] if len(inputs) == 1 else inputs), call.outputs
    try:
        return layer.input, layer.output
    except (AttributeError, ValueError):
        return None, None


def _shape(tensor: Any) -> tuple:
    return tuple(tensor.shape)


def _all(tensors: Any, what: Any) -> str:
    if tensors is None:
        return "?"
    found = tree.map(what, tensors)
    if isinstance(found, dict):
        return escape(", ".join(f"{name}: {value}" for name, value in found.items()))
    return escape(str(found))
