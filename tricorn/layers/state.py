"""What a layer holds: its private state, and the lists of Variables and layers gathered from it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from tricorn import conventions, tree
from tricorn.engines import active
from tricorn.graph import rematerialization
from tricorn.graph.ambient import reading_flags
from tricorn.graph.effects import Effects
from tricorn.graph.symbolic import Node, is_symbolic
from tricorn.tracking import Tracker, changed
from tricorn.variable import Variable

if TYPE_CHECKING:
    from tricorn.layers.base import Layer

#: what copies have, in this order: a graph among the parts lists its nodes from its inputs on, so
#: that no copying goes from a node to the one before it, and on, deeper than Python allows
_SAVED = ("parts", "arguments", "build_shapes", "conventions", "input_shape", "input_tensor",
          "metrics", "path", "policy", "dtypes", "remat", "trainable", "tracker")  # fmt: skip


class LayerState:
    """All that the library keeps on a layer besides its public attributes: ``layer._tricorn``.

    It stands in one place that a user's attributes cannot collide with.

    Attributes:
        tracker: what the layer holds.
        arguments: class -> the arguments its constructor was given.
        trainable: what was set.
        nodes: the calls on symbolic tensors.
        effects: the record of the last outermost call that it took part in, outside of scopes.
        metrics: name -> the mean that `add_metric` of that name takes values into.
        build_shapes: name of an argument of `build` -> the shape it was given.
        conventions: the version of Keras that it behaves as.
        input_shape, input_tensor: what a `Sequential` model that the layer begins starts with.
        path: the names of the layers around it, and its own; None: it was not built.
        policy: the dtype policy that it was given, or policies by paths.
        dtypes: (compute dtype, dtype of Variables), by its policy.
        remat: the `RematScope` that it was made in, or None.
        parts: name -> what models add: the state of training, a graph, a stack.
    """

    __slots__ = (*_SAVED, "effects", "nodes")

    def __init__(self) -> None:
        self.tracker = Tracker()
        self.arguments: dict[type, dict[str, Any]] = {}
        self.trainable = True
        self.nodes: list[Node] = []
        self.effects = Effects()
        self.metrics: dict[str, Any] = {}
        self.build_shapes: dict[str, Any] | None = None
        self.conventions = conventions.MODERN
        self.input_shape: tuple | None = None
        self.input_tensor: Any = None
        self.path: str | None = None
        self.policy: Any = None
        self.dtypes: tuple[str, str] = ("", "")
        self.remat = rematerialization.current()
        self.parts: dict[str, Any] = {}

    def __getstate__(self) -> dict[str, Any]:
        # calls are copied with the graphs they belong to; those that begin one are the layer's own
        begun = [node for node in self.nodes if not node.inputs]
        return {**{name: getattr(self, name) for name in _SAVED}, "nodes": begun}

    def __setstate__(self, state: dict[str, Any]) -> None:
        LayerState.__init__(self)
        for name, value in state.items():
            setattr(self, name, value)


def is_tensors(value: Any) -> bool:
    """Whether a value is a tensor of the active engine, or a tree of nothing else."""
    leaves = tree.leaves(value) if isinstance(value, (list, tuple, dict)) else [value]
    is_tensor = active().is_tensor
    return bool(leaves) and all(is_tensor(x) and not is_symbolic(x) for x in leaves)


# ----------------------------------------------------------------------------- layers and Variables


def children(layer: Layer) -> list[Layer]:
    """The layers that this one holds, in the order they were set."""
    return layer._tricorn.tracker.held("layer")


def flatten(layer: Layer, include_self: bool = True) -> list[Layer]:
    """A layer and all below, each once, in depth-first order."""

    def gather() -> list[Layer]:
        found: dict[int, Layer] = {}

        def visit(one: Layer) -> None:
            if id(one) not in found:
                found[id(one)] = one
                for child in children(one):
                    visit(child)

        visit(layer)
        return list(found.values())

    layers = layer._tricorn.tracker.cached("layers", gather)
    return layers if include_self else layers[1:]


def own_trainable(layer: Layer) -> list[Variable]:
    """The Variables of a layer itself that are trainable by kind (frozen or not)."""
    return layer._tricorn.tracker.held("trainable variable")


def own_frozen(layer: Layer) -> list[Variable]:
    """The Variables of a layer itself that no training changes, moving averages say."""
    return layer._tricorn.tracker.held("variable")


def own_weights(layer: Layer) -> list[Variable]:
    """The Variables of a layer itself, those that are trainable by kind first."""
    return [*own_trainable(layer), *own_frozen(layer)]


def own_metrics(layer: Layer) -> list:
    """The metrics in a layer's own attributes."""
    return layer._tricorn.tracker.held("metric")


def weights(layer: Layer) -> list[Variable]:
    """Weights, layer by layer."""
    gather = lambda: _once(v for one in flatten(layer) for v in own_weights(one))
    return layer._tricorn.tracker.cached("weights", gather)


def variables(layer: Layer) -> list[Variable]:
    """Weights and random state, layer by layer."""

    def gather() -> list[Variable]:
        found: list[Variable] = []
        for one in flatten(layer):
            found += own_weights(one)
            found += [seeds.state for seeds in one._tricorn.tracker.held("seed generator")]
        return _once(found)

    return layer._tricorn.tracker.cached("variables", gather)


def variable_set(layer: Layer) -> frozenset[Variable]:
    """`variables`, to be searched."""
    return layer._tricorn.tracker.cached("variable set", lambda: frozenset(variables(layer)))


def trainable_variables(layer: Layer) -> list[Variable]:
    """The Variables that training by gradient changes."""
    if not layer.trainable:
        return []

    def gather() -> list[Variable]:
        own = (v for one in flatten(layer) for v in own_trainable(one))
        return _once(v for v in own if v.trainable)

    if reading_flags():
        return gather()
    return layer._tricorn.tracker.cached("trainable", gather)


def metrics(layer: Layer) -> list:
    """The metrics of a layer and those below, that `add_metric` made included."""
    gather = lambda: _once(m for one in flatten(layer) for m in own_metrics(one))
    return layer._tricorn.tracker.cached("metrics", gather)


def metric_of(layer: Layer, name: str) -> Any:
    """The mean that the layer's `add_metric` of this name takes values into."""
    from tricorn.metrics import Mean

    known = layer._tricorn.metrics
    if name not in known:
        tracker = layer._tricorn.tracker
        tracker.locked, locked = None, tracker.locked
        known[name] = Mean(name=name)
        tracker.add(known[name])
        tracker.locked = locked
    return known[name]


def set_trainable(layer: Layer, value: bool) -> None:
    """Freeze a layer and those inside, or let them be trained."""
    layer._tricorn.trainable = value
    for own in own_trainable(layer):
        own.trainable = value
    for child in children(layer):
        child.trainable = value
    changed()


def _once(items: Iterable) -> list:
    return list(dict.fromkeys(items))
