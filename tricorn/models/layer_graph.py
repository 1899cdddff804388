"""`LayerGraph`: the graph of layers that a model is, from its inputs to its outputs."""

from __future__ import annotations

import functools
import heapq
import itertools
import math
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from tricorn import ops, tree
from tricorn.graph.calls import calling, current_call, get_mask, set_mask, training_now
from tricorn.graph.graphs import current_graph
from tricorn.graph.plan import Plan
from tricorn.graph.symbolic import Node, SymbolicTensor, is_symbolic, mask_of, node_of
from tricorn.layers.base import Layer
from tricorn.layers.input_layer import InputLayer
from tricorn.layers.input_spec import InputSpec
from tricorn.layers.operation import Operation
from tricorn.serialization import registry
from tricorn.serialization.operations import OpCall


class LayerGraph:
    """A directed acyclic graph of layers.

    Args:
        inputs: symbolic tensor, list or dict of them.
        outputs: tree of symbolic tensors that depend on the inputs.
        name: of the model, for errors.

    Attributes:
        input, output: the trees.
        operations: the layers and ops, inputs first, by depth.
        nodes: their calls.

    Raises:
        ValueError: when an output needs a tensor that the inputs do not give, or two layers have
            one name.
    """

    def __init__(self, inputs: Any, outputs: Any, name: str) -> None:
        if not tree.leaves(outputs):
            raise ValueError(f"`outputs` argument of the model {name!r} cannot be empty")
        held = current_graph().holds
        for tensor in (*itertools.filterfalse(held, tree.leaves(inputs)), *tree.leaves(outputs)):
            if not is_symbolic(tensor):
                raise ValueError(
                    "the inputs and outputs of a model are symbolic tensors made by Input and "
                    f"layers, got {tensor!r}"
                )
        self.name = name
        self.input = tree.map(_input_of, inputs)
        self.output = tree.map(lambda t: t, outputs)
        if any(a is not b for a, b in zip(tree.leaves(inputs), tree.leaves(self.input))):
            self.output = _moved(inputs, self.input, outputs)
        masks = [mask_of(tensor) for tensor in self.outputs]
        self._plan = Plan(self.inputs, (self.output, masks))
        self.operations, self.nodes = _ordered(self.inputs, self.outputs)
        names: dict[str, Any] = {}
        for layer in (o for o in self.operations if isinstance(o, Operation)):
            if names.setdefault(layer.name, layer) is not layer:
                raise ValueError(
                    f"the model {name!r} has two layers named {layer.name!r}; give each its own "
                    "name"
                )

    def __getstate__(self) -> dict[str, Any]:
        return {"nodes": self.nodes, **vars(self)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        for node in self.nodes:  # the layers know their calls again
            if isinstance(node.operation, Operation):
                known = node.operation._tricorn.nodes
                if node not in known:
                    node.index = len(known)
                    known.append(node)

    @property
    def inputs(self) -> list:
        """The symbolic inputs, flat."""
        return tree.leaves(self.input)

    @property
    def outputs(self) -> list:
        """The symbolic outputs, flat."""
        return tree.leaves(self.output)

    @property
    def input_shape(self) -> Any:
        return tree.map(lambda t: tuple(t.shape), self.input)

    @property
    def output_shape(self) -> Any:
        return tree.map(lambda t: tuple(t.shape), self.output)

    @property
    def input_names(self) -> list[str]:
        return [node_of(t)[0].operation.name for t in self.inputs]  # type: ignore[union-attr]

    @property
    def output_names(self) -> list[str]:
        """The names of the layers that give the outputs; keys of a dict of outputs."""
        paths = [path for path, _ in tree.paths(self.output)]
        if isinstance(self.output, dict) and all(len(path) == 1 for path in paths):
            return [str(path[0]) for path in paths]
        return [self._name_of(node_of(t)[0]) for t in self.outputs]

    @property
    def layers(self) -> list[Layer]:
        return [o for o in self.operations if isinstance(o, Layer)]

    def input_spec(self) -> Any:
        """What the graph accepts: the shapes of its inputs, batch axis free."""

        def spec(tensor: Any, name: str | None = None) -> InputSpec:
            shape = (None, *tuple(tensor.shape)[1:])
            return InputSpec(shape=shape, allow_last_axis_squeeze=True, name=name,
                             optional=_is_optional(tensor))  # fmt: skip

        if isinstance(self.input, dict) and not any(map(_is_tree, self.input.values())):
            return {key: spec(t, key) for key, t in self.input.items()}
        return tree.map(spec, self.input)

    def _name_of(self, node: Any) -> str:
        """The name of the layer or op of a node of the graph."""
        return next(o.name for o in self.operations if _key(node) == _key_of(o))

    def _calls_of(self, operation: Any) -> list[tuple[list, dict[str, Any]]]:
        """The arguments of the calls of a layer or op in the graph."""
        if isinstance(operation, InputLayer):
            return []
        if isinstance(operation, OpCall):
            return [operation.arguments()]
        nodes = (node for node in self.nodes if node.operation is operation)
        calls = sorted(nodes, key=lambda node: node.index)
        return [(list(node.args), dict(node.kwargs)) for node in calls]

    def nodes_on(self, inputs: set[int] | None = None) -> list[Node]:
        """The calls in the graph, when its inputs are among those with the ids `inputs`."""
        reached = inputs is None or bool(inputs & set(map(id, self.inputs)))
        return self.nodes if reached else []

    @functools.cached_property
    def numbers(self) -> int | None:
        """How many the layers and ops give for a sample, those of models inside too; None: there
        are sizes that nobody knows."""
        inside = [getattr(node.operation, "_tricorn_numbers", lambda: 0)() for node in self.nodes]
        shapes = [t.shape[1:] for node in self.nodes for t in tree.leaves(node.outputs)]
        if None in inside or any(None in shape for shape in shapes):
            return None
        return sum(inside) + sum(map(math.prod, shapes))

    # ---------------------------------------------------------------------------------- running it

    def call(self, inputs: Any, training: bool | None, mask: Any) -> Any:
        """`run`, in the phase `training` and with masks of the inputs, where they are given."""
        outer = current_call()
        if training is None or (outer is not None and outer.training == training):
            return self.run(inputs) if mask is None else self._run_masked(inputs, mask)
        with calling(training):
            return self.run(inputs) if mask is None else self._run_masked(inputs, mask)

    def _run_masked(self, inputs: Any, mask: Any) -> Any:
        """`run` with masks, a tree like the inputs, that are the inputs' in this run only."""
        inputs = self.arranged(inputs)
        tensors = [x for x in tree.leaves_up_to(self.input, inputs) if x is not None]
        masks = tree.leaves_up_to(self.input, self.arranged(mask) if _is_tree(mask) else mask)
        before = [get_mask(x) for x in tensors]
        with calling(training_now()):
            for x, own in zip(tensors, masks):
                set_mask(x, own)
            try:
                return self.run(inputs)
            finally:
                for x, own in zip(tensors, before):
                    set_mask(x, own)

    def run(self, inputs: Any) -> Any:
        """The tree of outputs for a tree of tensors like the model's input; on tensors a list of
        one is given as the tensor, as Keras does."""
        values = [inputs]
        if _is_tree(inputs) or _is_tree(self.input):
            values = tree.leaves_up_to(self.input, self.arranged(inputs))
        values = [_fitted(v, t) for v, t in zip(values, self.inputs)]
        outputs, masks = self._plan.run(values)
        for leaf, mask in zip(tree.leaves(outputs), masks):
            if mask is not None:
                set_mask(leaf, mask)
        if isinstance(outputs, (list, tuple)) and len(outputs) == 1:
            return outputs if is_symbolic(tree.leaves(outputs)[0]) else outputs[0]
        return outputs

    def note_structure(self, inputs: Any) -> None:
        """Warn of inputs in another structure than the model's, which are put in order all the
        same; a dict by names for a list is no other."""
        wanted, several = self.input, isinstance(inputs, (list, tuple, dict))
        if isinstance(wanted, dict):
            differs = several and (not isinstance(inputs, dict) or inputs.keys() > wanted.keys())
        else:
            differs = isinstance(wanted, (list, tuple)) != several and not isinstance(inputs, dict)
        if differs:
            warnings.warn(
                "The structure of `inputs` doesn't match the expected structure of the model "
                f"{self.name!r}: expected {tree.map(lambda x: x.name, wanted)}, got "
                f"{tree.map(lambda x: tuple(getattr(x, 'shape', ())), inputs)}",
                stacklevel=3,
            )

    def arranged(self, inputs: Any) -> Any:
        """Inputs in the structure of the model's: a list in order for a dict and back, a dict by
        the input layers' names, one tensor for a list or dict of one.

        Raises:
            ValueError: when inputs are missing, or too many.
        """
        struct = self.input
        if not _is_tree(struct) and not _is_tree(inputs):
            return inputs
        if isinstance(inputs, dict):
            names = self.input_names
            if not isinstance(struct, dict) or (
                not all(key in inputs for key in struct) and all(name in inputs for name in names)
            ):
                self._check_keys(dict(zip(names, self.inputs)), inputs)
                values = [inputs.get(name) for name in names]
                return tree.unflatten(tree.structure(struct), values)
            self._check_keys(struct, inputs)
            inputs = {key: inputs.get(key) for key in struct}
        elif not _is_tree(struct):
            return inputs[0] if len(inputs) == 1 and hasattr(inputs[0], "shape") else inputs
        elif not _is_tree(inputs):
            inputs = [inputs]
        if isinstance(struct, dict) and not isinstance(inputs, dict):
            inputs = dict(zip(struct, inputs)) if len(inputs) == len(struct) else inputs
        try:
            return tree.map_up_to(lambda _, part: part, struct, inputs)
        except ValueError:
            given = tree.leaves(inputs)
            if len(given) != len(self.inputs):
                raise ValueError(
                    f"the model {self.name!r} has {len(self.inputs)} inputs "
                    f"({', '.join(self.input_names)}), got {len(given)}"
                ) from None
            return tree.unflatten(tree.structure(struct), given)

    def _check_keys(self, wanted: dict[str, Any], inputs: dict) -> None:
        """All inputs that are not optional must be given by name."""
        missing = [
            key
            for key, tensor in wanted.items()
            if key not in inputs and (_is_tree(tensor) or not _is_optional(tensor))
        ]
        if missing:
            raise ValueError(
                f"the model {self.name!r} lacks the inputs {missing}; it takes {sorted(wanted)}, "
                f"got {sorted(inputs)}"
            )

    def get_config(self, trainable: bool) -> dict[str, Any]:
        """The graph as data, in Keras 3's form."""
        numbers = _node_numbers(self.nodes)
        named = {_key_of(operation): operation for operation in self.operations}

        def place(tensor: Any, end: bool = False) -> list:
            node, position = node_of(tensor)
            assert node is not None
            first = _first_number(node.operation) if end else 0
            return [named[_key(node)].name, numbers[node] + first, position]

        end = functools.partial(place, end=True)

        def argument(value: Any) -> Any:
            if is_symbolic(value):
                return {
                    "class_name": "__keras_tensor__",
                    "config": {
                        "shape": list(value.shape),
                        "dtype": str(value.dtype),
                        "keras_history": place(value),
                    },
                }
            if isinstance(value, (list, tuple)):
                return [argument(item) for item in value]
            if isinstance(value, dict):
                return {key: argument(item) for key, item in value.items()}
            return registry.serialize_keras_object(value)

        layers = []
        for operation in self.operations:
            config = registry.serialize_keras_object(operation)
            config["name"] = operation.name
            config["inbound_nodes"] = [
                {"args": argument(args), "kwargs": argument(kwargs)}
                for args, kwargs in self._calls_of(operation)
            ]
            layers.append(config)
        return {
            "name": self.name,
            "trainable": trainable,
            "layers": layers,
            "input_layers": _map_tensors(end, self.input),
            "output_layers": _map_tensors(end, self.output),
        }


def graph_of(model: Any) -> LayerGraph | None:
    """The graph that a model is, or None."""
    return model._tricorn.parts.get("graph")


def from_config(
    config: dict[str, Any],
    custom_objects: Any = None,
    make: Callable | None = None,
    call: Callable | None = None,
) -> tuple[Any, Any]:
    """(inputs, outputs) of the graph that a config describes.

    Args:
        custom_objects: name -> class or function, besides what is registered.
        make: ``(name, config entry) -> layer`` instead of making it from the entry.
        call: ``(layer, *args, **kwargs)`` instead of calling it.
    """
    make = make or (lambda _, entry: registry.layer_of(entry))
    with registry.custom_object_scope(custom_objects or {}):
        made = {
            entry["name"]: make(entry["name"], _without_graph(entry)) for entry in config["layers"]
        }
        tensors: dict[tuple, Any] = {}
        for entry in config["layers"]:
            if isinstance(made[entry["name"]], InputLayer):
                layer = made[entry["name"]]
                tensors[(entry["name"], 0, 0)] = layer._tricorn.nodes[0].outputs
        _replay(config["layers"], made, tensors, call or (lambda layer, *a, **k: layer(*a, **k)))

    def end(name: str, number: int, position: int) -> Any:
        return tensors[name, number - _first_number(made[name]), position]

    return _places(config["input_layers"], end), _places(config["output_layers"], end)


def _fitted(value: Any, tensor: Any) -> Any:
    """A value in the input's dtype and rank (a last axis of 1 is added or dropped)."""
    if value is None:
        return None
    want, got = len(tensor.shape), len(value.shape)
    if want == got + 1 and tensor.shape[-1] == 1:
        value = ops.expand_dims(value, -1)
    elif want == got - 1 and value.shape[-1] == 1:
        value = ops.squeeze(value, -1)
    if type(tensor) is SymbolicTensor and not is_symbolic(value):
        node = node_of(tensor)[0]
        if isinstance(node.operation, InputLayer) and ops.dtype(value) != tensor.dtype:  # type: ignore[union-attr]
            return ops.cast(value, tensor.dtype)
    return value


def _is_tree(x: Any) -> bool:
    return isinstance(x, (list, tuple, dict))


def _is_optional(tensor: Any) -> bool:
    """Whether an input of a graph may be None."""
    return getattr(node_of(tensor)[0].operation, "optional", False)  # type: ignore[union-attr]


def _input_of(tensor: Any) -> Any:
    """An input tensor that an InputLayer gives; tensors inside a graph get one of their own."""
    node, _ = node_of(tensor)
    if node is not None and isinstance(node.operation, InputLayer):
        return tensor
    if type(tensor) is SymbolicTensor:
        layer = InputLayer(batch_shape=tensor.shape, dtype=tensor.dtype)
    elif node is None:
        layer = InputLayer(input_tensor=tensor)
    else:
        return tensor
    return layer._tricorn.nodes[0].outputs


def _moved(old: Any, new: Any, outputs: Any) -> Any:
    """The graph from tensors inside another graph, copied to begin at inputs of its own."""
    return Plan(tree.leaves(old), outputs).run(tree.leaves(new))


def _ordered(inputs: list, outputs: list) -> tuple[list, list[Node]]:
    """The operations and nodes of a graph in Keras's order: by depth (distance to the outputs,
    deepest first), those of equal depth as a depth-first walk from the outputs meets them."""
    given = {id(t) for t in inputs}
    met: dict[Any, int] = {}
    postorder: list[Node] = []
    done: set[Node] = set()
    stack: list[tuple[Any, bool]] = [(t, False) for t in reversed(outputs)]
    while stack:
        tensor, ready = stack.pop()
        node, _ = node_of(tensor)
        assert node is not None
        if ready:
            if node not in done:
                done.add(node)
                postorder.append(node)
            continue
        if node in done:
            continue
        met.setdefault(_key(node), len(met))
        stack.append((tensor, True))
        if id(tensor) not in given:
            stack += [(t, False) for t in reversed(node.inputs)]
    depth: dict[Node, int] = {}
    deepest: dict[Any, int] = {}
    for node in reversed(postorder):
        own = max(depth.get(node, 0), deepest.get(_key(node), 0))
        deepest[_key(node)] = depth[node] = own
        if id(tree.leaves(node.outputs)[0]) in given:
            continue
        for parent, _ in map(node_of, node.inputs):
            assert parent is not None
            depth[parent] = max(own + 1, depth.get(parent, 0))
    for tensor in inputs:
        node = node_of(tensor)[0]
        assert node is not None
        if node not in depth:
            depth[node], deepest[_key(node)] = 0, 0
            met.setdefault(_key(node), len(met))
            postorder.append(node)
    makers = {_key(node): node for node in postorder}
    ranked = sorted(makers, key=lambda key: (-deepest[key], met[key]))
    nodes = sorted(postorder, key=lambda node: -depth[node])
    return _operations([makers[key] for key in ranked]), nodes


def _operations(nodes: list[Node]) -> list:
    """The layer, or the op with a name of its own, of each node."""
    taken = {node.operation.name for node in nodes if isinstance(node.operation, Operation)}
    made: list = []
    for node in nodes:
        if isinstance(node.operation, Operation):
            made.append(node.operation)
            continue
        base = node.operation.__name__.strip("_")
        names = (f"{base}_{count}" if count else base for count in itertools.count())
        name = next(name for name in names if name not in taken)
        taken.add(name)
        made.append(OpCall.of(node, name))
    return made


def _is_op(node: Node) -> bool:
    return hasattr(node.operation, "op")


def _key(node: Node) -> Any:
    """Ops have no identity of their own: each call of one is an operation."""
    return node if _is_op(node) else id(node.operation)


def _key_of(operation: Any) -> Any:
    """The key of the nodes of a layer or op of a model."""
    return operation.node if isinstance(operation, OpCall) else id(operation)


def _first_number(operation: Any) -> int:
    """The number of an operation's first call among the inputs and outputs in a config: there, and
    not among the calls' arguments, Keras counts a functional model's own graph as call 0."""
    return int(getattr(operation, "_tricorn_counts_itself", False))


def _node_numbers(nodes: list[Node]) -> dict[Node, int]:
    """Each node's number among the calls of its operation that belong to the model."""
    numbers: dict[Node, int] = {}
    counts: dict[Any, int] = {}
    for node in sorted(nodes, key=lambda n: n.index):
        key = _key(node)
        numbers[node] = counts.get(key, 0)
        counts[key] = numbers[node] + 1
    return numbers


def _map_tensors(fn: Any, struct: Any) -> Any:
    if is_symbolic(struct):
        return fn(struct)
    if isinstance(struct, dict):
        return {key: _map_tensors(fn, value) for key, value in struct.items()}
    return type(struct)([_map_tensors(fn, value) for value in struct])


def _without_graph(entry: dict) -> dict:
    return {key: value for key, value in entry.items() if key not in ("inbound_nodes", "name")}


def _places(places: Any, end: Callable) -> Any:
    """``end(layer's name, number, position)`` of each, in whatever structure they stand."""
    if isinstance(places, dict):
        return {key: _places(value, end) for key, value in places.items()}
    if len(places) == 3 and isinstance(places[0], str):
        return end(*places)
    return type(places)([_places(place, end) for place in places])


def _replay(
    entries: list[dict], made: dict[str, Any], tensors: dict[tuple, Any], call: Callable
) -> None:
    """Call the layers as the config says, in its order, but each call once its inputs exist and the
    layer's call before was made."""
    todo = [
        (entry["name"], number, node)
        for entry in entries
        if not isinstance(made[entry["name"]], InputLayer)
        for number, node in enumerate(entry["inbound_nodes"])
    ]
    lacks: list[set] = []
    waiting: dict[tuple, list[int]] = {}
    for index, (name, number, node) in enumerate(todo):
        places = set(_tensor_places([node["args"], node["kwargs"]]))
        if not places:
            raise ValueError(
                f"the config calls the layer {name!r} without a tensor of the model, expected the "
                "output of a layer among the arguments; nothing is called"
            )
        lacks.append(places - tensors.keys() | ({(name, number - 1)} if number else set()))
        for place in lacks[index]:
            waiting.setdefault(place, []).append(index)

    def argument(value: Any) -> Any:
        if isinstance(value, dict) and value.get("class_name") == "__keras_tensor__":
            return tensors[_place(value)]
        if isinstance(value, (list, tuple)):
            return [argument(item) for item in value]
        if isinstance(value, dict) and "class_name" not in value:
            return {key: argument(item) for key, item in value.items()}
        return registry.deserialize_keras_object(value)

    ready = [index for index, places in enumerate(lacks) if not places]
    while ready:
        name, number, node = todo[heapq.heappop(ready)]
        outputs = call(made[name], *argument(node["args"]), **argument(node["kwargs"]))
        found = {(name, number, i): tensor for i, tensor in enumerate(tree.leaves(outputs))}
        tensors.update(found)
        for place in (*found, (name, number)):
            for index in waiting.pop(place, ()):
                lacks[index].remove(place)
                if not lacks[index]:
                    heapq.heappush(ready, index)
    if waiting:
        names = sorted({name for (name, *_), places in zip(todo, lacks) if places})
        raise ValueError(f"the config's graph is not connected: {names} lack their inputs")


def _tensor_places(value: Any) -> Iterator[tuple]:
    """The places (layer's name, call, output) of the tensors in a call's arguments."""
    pending = [value]
    while pending:
        value = pending.pop()
        if isinstance(value, dict) and value.get("class_name") == "__keras_tensor__":
            yield _place(value)
        elif isinstance(value, dict):
            pending += () if "class_name" in value else value.values()
        elif isinstance(value, (list, tuple)):
            pending += value


def _place(entry: dict) -> tuple:
    """Where a tensor in a config comes from."""
    return tuple(entry["config"]["keras_history"])
