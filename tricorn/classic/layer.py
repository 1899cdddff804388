"""The methods and attributes that layers had in Keras 1 and 2."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tricorn import layers as core
from tricorn import naming, tree
from tricorn.backend.values import as_symbolic, within
from tricorn.checks import of_library
from tricorn.classic.faces import Change, Written, face
from tricorn.conventions import KERAS_2
from tricorn.engines import active
from tricorn.graph import symbolic
from tricorn.graph.calls import training_now
from tricorn.graph.graphs import current_graph
from tricorn.graph.scope import variable_behind
from tricorn.layers import InputLayer, calling, input_spec, state
from tricorn.models import Model
from tricorn.saving.conversions import name_of
from tricorn.tracking import changed
from tricorn.variable import Variable, concretely


def prepare(layer: Any, given: dict[str, Any]) -> None:
    """Before the constructor: the name, counted from 1; the conventions; the first weights."""
    layer._tricorn.conventions = KERAS_2
    name(layer, given)
    given.pop("input_dtype", None)
    weights = given.pop("weights", None)
    if weights is not None:
        layer._tricorn.parts["first weights"] = weights


def name(made: Any, given: dict[str, Any]) -> None:
    """The name of a layer or metric that was given none: that of its class, counted from 1."""
    if given.get("name") is None:
        kind = type(made).__name__.removesuffix("Layer" * isinstance(made, InputLayer))
        prefix = _snake_case(kind)
        given["name"] = f"{prefix}_{naming.uid(prefix)}"


def unchanging(method: Callable) -> Callable:
    """Decorator of a method with code of a user's: in Keras 2 no tensor changed, on any engine."""

    @functools.wraps(method)
    def run(*args: Any, **kwargs: Any) -> Any:
        with active().unchanging():
            return method(*args, **kwargs)

    return run


def _snake_case(name: str) -> str:
    """``ConvLSTM2D`` -> ``conv_lst_m2d``: digits went with the letter before them."""
    name = re.sub(r"(.)([A-Z][a-z0-9]+)", r"\1_\2", name)
    name = re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()
    return f"private{name}" if name.startswith("_") else name


#: layers whose name alone the weights of the layers inside have
_NAMELESS = (core.RNN, core.StackedRNNCells, core.Wrapper)


def _named(layer: Any) -> Iterator[tuple[Variable, str]]:
    """The weights that were made in a layer and in those that it calls, and the names of both."""

    def visit(one: Any, scope: str) -> Iterator[tuple[Variable, str]]:
        for weight in state.own_weights(one):
            if weight.path.startswith(f"{layer._tricorn.path}/"):
                yield weight, f"{scope}/{name_of(one, weight)}"
        for inner in state.children(one):
            if not isinstance(inner, Model):
                yield from visit(
                    inner, scope if isinstance(one, _NAMELESS) else f"{scope}/{inner.name}"
                )

    return visit(layer, layer.name)


@dataclasses.dataclass(frozen=True, eq=False)
class Node:
    """A call of a layer, as Keras 2 shows it; no tuple, for those are looked through for layers
    when a model is saved.

    Attributes:
        outbound_layer: the layer that was called.
        input_tensors, output_tensors: lists of symbolic tensors.
    """

    outbound_layer: Any
    input_tensors: list
    output_tensors: list

    @property
    def inbound_layers(self) -> list:
        """The layers that the inputs come from."""
        return [symbolic.node_of(x)[0].operation for x in self.input_tensors]  # type: ignore[union-attr]

    @property
    def node_indices(self) -> list[int]:
        """Which calls of those layers."""
        return [symbolic.node_of(x)[0].index for x in self.input_tensors]  # type: ignore[union-attr]

    @property
    def tensor_indices(self) -> list[int]:
        """Which outputs of those calls."""
        return [symbolic.node_of(x)[1] for x in self.input_tensors]

    @property
    def input_shapes(self) -> Any:
        """The shape of the input, or a list of shapes."""
        return _one([tuple(x.shape) for x in self.input_tensors])

    @property
    def output_shapes(self) -> Any:
        """The shape of the output, or a list of shapes."""
        return _one([tuple(x.shape) for x in self.output_tensors])


class _OfCalls:
    """An attribute that is that of the calls of a layer, if they agree.  What a constructor sets
    under its name takes its place."""

    def __init__(self, get: Callable[[Any, int], Any], doc: str) -> None:
        self.get, self.__doc__ = get, doc

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, layer: Any, kind: type) -> Any:
        if layer is None:
            return self
        found = [self.get(layer, i) for i in range(max(1, len(layer._tricorn.nodes)))]
        if any(one != found[0] for one in found[1:]):
            raise AttributeError(
                f"the layer {layer.name!r} was called several times, with different results; "
                f"write get_{self.name}_at(index)"
            )
        return found[0]


def _one(found: Any) -> Any:
    """A list of one as that one."""
    return found[0] if type(found) is list and len(found) == 1 else found


def _shapes(found: Any) -> Any:
    return tree.map(lambda x: tuple(x.shape), found)


def _arguments(
    self: Any, name: Any = None, shape: Any = None, dtype: Any = None, initializer: Any = None,
    regularizer: Any = None, trainable: bool = True, constraint: Any = None, **kwargs: Any,
) -> None:  # fmt: skip
    """Those of `add_weight`."""


_ADD_WEIGHT = inspect.signature(_arguments)


class LayerMethods(Written):
    """Mixin of all layers."""

    __slots__ = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        if "get_output_shape_for" in cls.__dict__:  # Keras 1's name
            cls.compute_output_shape = cls.__dict__["get_output_shape_for"]  # type: ignore[attr-defined]
        if "call" in cls.__dict__ and not of_library(cls):
            cls.call = unchanging(cls.__dict__["call"])  # type: ignore[attr-defined]
        super().__init_subclass__(**kwargs)

    @classmethod
    def _tricorn_holds_nothing(cls) -> bool:
        return of_library(cls) and super()._tricorn_holds_nothing()  # type: ignore[misc]

    # ------------------------------------------------------------------------------------- calls

    def __call__(self: Any, *args: Any, **kwargs: Any) -> Any:
        before = len(self._tricorn.nodes)
        outputs = super().__call__(*args, **kwargs)  # type: ignore[misc]
        for node in self._tricorn.nodes[before:]:
            for x in node.inputs:
                maker = symbolic.node_of(x)[0]
                parts = getattr(getattr(maker, "operation", None), "_tricorn", None)
                if parts is not None:
                    parts.parts.setdefault("outbound nodes", []).append(_node(node))
        return _one(outputs)

    @property
    def inbound_nodes(self: Any) -> list[Node]:
        """The calls of this layer."""
        return [_node(node) for node in self._tricorn.nodes]

    @inbound_nodes.setter
    def inbound_nodes(self: Any, value: list) -> None:
        self._tricorn.nodes = self._tricorn.nodes[: len(value)]

    @property
    def outbound_nodes(self: Any) -> list[Node]:
        """The calls of other layers on outputs of this one."""
        return self._tricorn.parts.setdefault("outbound nodes", [])

    @outbound_nodes.setter
    def outbound_nodes(self: Any, value: list) -> None:
        self._tricorn.parts["outbound nodes"] = list(value)

    _outbound_nodes = outbound_nodes

    def get_input_at(self: Any, node_index: int) -> Any:
        """The symbolic input of call number `node_index`."""
        if isinstance(self, InputLayer):
            return self.get_output_at(node_index)
        return super().get_input_at(node_index)  # type: ignore[misc]

    def get_output_at(self: Any, node_index: int) -> Any:
        """The symbolic output of call number `node_index`."""
        return _one(super().get_output_at(node_index))  # type: ignore[misc]

    def get_input_shape_at(self: Any, node_index: int) -> Any:
        """The shape of the input of call number `node_index`."""
        return _shapes(self.get_input_at(node_index))

    def get_output_shape_at(self: Any, node_index: int) -> Any:
        """The shape of the output of call number `node_index`."""
        return _shapes(self.get_output_at(node_index))

    def get_input_mask_at(self: Any, node_index: int) -> Any:
        """The mask of the input of call number `node_index`, or None."""
        return tree.map(symbolic.mask_of, self.get_input_at(node_index))

    def get_output_mask_at(self: Any, node_index: int) -> Any:
        """The mask of the output of call number `node_index`, or None."""
        return tree.map(symbolic.mask_of, self.get_output_at(node_index))

    @property
    def batch_input_shape(self: Any) -> tuple:
        """The shape of the input, with the batch, that its constructor was given."""
        if isinstance(self, InputLayer):
            return tuple(self.output.shape)
        if self._tricorn.input_shape is None:
            raise AttributeError(f"{self.name!r} was given no input_shape")
        return self._tricorn.input_shape

    input_shape = _OfCalls(lambda layer, i: layer.get_input_shape_at(i), "The input's shape.")
    output_shape = _OfCalls(lambda layer, i: layer.get_output_shape_at(i), "The output's shape.")
    input_mask = _OfCalls(lambda layer, i: layer.get_input_mask_at(i), "The input's mask.")
    output_mask = _OfCalls(lambda layer, i: layer.get_output_mask_at(i), "The output's mask.")

    def assert_input_compatibility(self: Any, inputs: Any) -> None:
        """Check tensors against `input_spec`.

        Raises:
            ValueError: when they do not fit.
        """
        input_spec.check(self.input_spec, inputs, self)

    # ----------------------------------------------------------------------------------- weights

    def _tricorn_build(self: Any, args: tuple, kwargs: dict) -> None:
        super()._tricorn_build(args, kwargs)  # type: ignore[misc]
        weights = self._tricorn.parts.pop("first weights", None)
        if weights is not None:
            with concretely():
                self.set_weights(list(weights))

    def add_weight(self: Any, *args: Any, **kwargs: Any) -> Any:
        """Make a weight: ``add_weight(name, shape, dtype, initializer, regularizer, trainable,
        constraint)``, or Keras 1's ``add_weight(shape, initializer, name, trainable, ...)``."""
        if args and (args[0] is None or isinstance(args[0], str)):
            kwargs.update(zip(list(_ADD_WEIGHT.parameters)[1:], args))
            args = ()
        weight = super().add_weight(*args, **kwargs)  # type: ignore[misc]
        weight.name = f"{self.name}/{name_of(self, weight)}:0"
        return weight

    add_weight.__signature__ = _ADD_WEIGHT  # type: ignore[attr-defined]

    def _tricorn_lock(self: Any) -> None:
        super()._tricorn_lock()  # type: ignore[misc]
        self._tricorn_name_weights()

    def _tricorn_name_weights(self: Any) -> None:
        """Let weights be called ``layer/weight:0``, and those after the first ``layer/weight_1:0``;
        where layers call others, who is built last is the outermost one."""
        counts: Counter[str] = Counter()
        for weight, name in () if isinstance(self, Model) else _named(self):
            weight.name = f"{name}_{counts[name]}:0" if counts[name] else f"{name}:0"
            counts[name] += 1

    @property
    def weights(self: Any) -> list:
        """All weights: those that training changes come first."""
        return [*self.trainable_weights, *self.non_trainable_weights]

    @property
    def trainable_weights(self: Any) -> list:
        """The weights that training changes."""
        return super().trainable_weights  # type: ignore[misc]

    @trainable_weights.setter
    def trainable_weights(self: Any, value: list) -> None:
        self._tricorn_hold(value, "trainable variable")

    @property
    def non_trainable_weights(self: Any) -> list:
        """The weights that training does not change; of a frozen layer, those that it would train
        come first, of a model those of the first layer."""
        found = super().non_trainable_weights  # type: ignore[misc]
        if not self.trainable:
            kinds = self._tricorn_parameters()
            return sorted(found, key=lambda weight: variable_behind(weight) not in kinds)
        if isinstance(self, Model):
            inner = [weight for layer in self.layers for weight in layer.non_trainable_weights]
            found = list({id(weight): weight for weight in (*inner, *found)}.values())
        return found

    @non_trainable_weights.setter
    def non_trainable_weights(self: Any, value: list) -> None:
        for weight in value:
            weight.trainable = False
        self._tricorn_hold(value, "variable")

    @property
    def _trainable_weights(self: Any) -> list:
        """The layer's own trainable weights; it holds those that are put into the list."""
        return _Held(self, "trainable_weights")

    @_trainable_weights.setter
    def _trainable_weights(self: Any, value: list) -> None:
        self.trainable_weights = value

    @property
    def _non_trainable_weights(self: Any) -> list:
        """The layer's own weights that are not trained; as `_trainable_weights`."""
        return _Held(self, "non_trainable_weights")

    @_non_trainable_weights.setter
    def _non_trainable_weights(self: Any, value: list) -> None:
        self.non_trainable_weights = value

    def _tricorn_hold(self: Any, weights: list, kind: str) -> None:
        """Hold weights that a layer's `build` lists."""
        known = {id(weight) for weight in self.weights}
        for weight in weights:
            if id(weight) not in known:
                self._tricorn.tracker.add(weight, kind)
        changed()

    # ----------------------------------------------------------------------------- losses, updates

    def add_loss(self: Any, losses: Any, inputs: Any = None) -> None:
        """Add a loss, or a list of them, to those of the call in progress; `inputs` is not
        needed."""
        super().add_loss(losses)  # type: ignore[misc]

    @property
    def losses(self: Any) -> list:
        """The losses of the call in progress; outside of calls those in the graph, and the
        penalties of weights."""
        if within():
            return super().losses  # type: ignore[misc]
        return [*_added(self._tricorn_nodes()), *self.get_losses_for(None)]

    def get_losses_for(self: Any, inputs: Any) -> list:
        """The losses of the calls on `inputs`; None: those that depend on no input."""
        if inputs is None:
            weights = state.trainable_variables(self)
            recorded = symbolic.recording() is not None
            held = ((v.regularizer, as_symbolic(v) if recorded else v.value) for v in weights)
            return [regularizer(value) for regularizer, value in held if regularizer is not None]
        return _added(self._tricorn_nodes(set(map(id, tree.leaves(inputs)))))

    def add_update(self: Any, updates: Any, inputs: Any = None) -> None:
        """Do updates, pairs of a Variable and its new value, if the call in progress is one in
        training; `inputs` is not needed."""
        if training_now():
            for variable, value in updates if isinstance(updates, list) else [updates]:
                variable.assign(value)


class _Held(list):
    """The weights of a layer, which holds those that are put into the list."""

    def __init__(self, layer: Any, name: str) -> None:
        own = {id(weight) for weight in state.own_weights(layer)}
        super().__init__(weight for weight in getattr(layer, name) if id(weight) in own)
        self.layer, self.name = layer, name

    def extend(self, weights: Any) -> None:
        super().extend(weights)
        setattr(self.layer, self.name, list(self))

    def append(self, weight: Any) -> None:
        self.extend([weight])

    def __iadd__(self, weights: Any) -> Any:  # type: ignore[misc]
        self.extend(weights)
        return self


class RecurrentMethods(LayerMethods):
    """Mixin of recurrent layers."""

    __slots__ = ()

    def get_losses_for(self: Any, inputs: Any = None) -> list:
        """The losses of the calls on `inputs`; None: those that depend on no input."""
        return super().get_losses_for(inputs)

    def reset_states(self: Any, states: Any = None) -> None:
        """Let the kept states be zeros, or these arrays."""
        if states is None:
            self.reset_state()
            return
        values = states if isinstance(states, (list, tuple)) else [states]
        own = tree.leaves(self.states)
        if len(values) != len(own):
            raise ValueError(f"{self.name!r} keeps {len(own)} states, got {len(values)} arrays")
        for kept, value in zip(own, values):
            kept.assign(np.asarray(value))


class LambdaMethods(LayerMethods):
    """Mixin of the layer of a user's function."""

    __slots__ = ()
    call = unchanging(core.Lambda.call)


Layer = face(
    core.Layer,
    Change(without="activity_regularizer trainable dtype autocast name"),
    (LayerMethods,),
    __name__,
    prepare=prepare,
)
InputSpec = face(
    core.InputSpec, Change(without="allow_last_axis_squeeze name optional"), (), __name__
)


def _added(nodes: list) -> list:
    """The losses that calls added, penalties on outputs included."""
    losses = (found for node in nodes for found in node.effects.losses.values())
    added = [loss for found in losses for loss in found]
    if current_graph().owns_variables:  # penalties are among the effects
        return added
    for node in nodes:
        if getattr(node.operation, "activity_regularizer", None) is not None:
            added += calling.penalties(node.operation, node.outputs)
    return added


def _node(node: Any) -> Node:
    return Node(node.operation, node.inputs, tree.leaves(node.outputs))
