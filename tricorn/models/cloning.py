"""`clone_model`: the same architecture with weights of its own."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from tricorn import tree
from tricorn.graph.symbolic import node_of
from tricorn.layers.base import Layer
from tricorn.layers.input_layer import InputLayer
from tricorn.layers.operation import Operation
from tricorn.models.functional import Functional
from tricorn.models.layer_graph import graph_of
from tricorn.models.model import Model
from tricorn.models.sequential import Sequential
from tricorn.serialization import registry


def clone_model(
    model: Model,
    input_tensors: Any = None,
    clone_function: Callable[[Layer], Layer] | None = None,
    call_function: Callable | None = None,
    recursive: bool = False,
) -> Model:
    """A model of the same layers, freshly drawn, and compiled alike; the original is not touched.

    Args:
        model: graph, stack, or subclassed model with a config.
        input_tensors: symbolic tensors for the clone to begin at (graphs and stacks).
        clone_function: gives the layer that stands for a layer, instead of a plain copy; to share
            a layer give the layer itself (graphs and stacks).
        call_function: ``(layer, *args, **kwargs)``, calls each layer of the clone (graphs).
        recursive: models inside are cloned in the same way, layer by layer, instead of being given
            to `clone_function`.

    Raises:
        ValueError: for options that the kind of model cannot heed.

    Example:
        >>> copy = keras.models.clone_model(model)  # the same layers, with fresh weights
        >>> copy.count_params()
        3
    """
    if not isinstance(model, Model):
        raise ValueError(f"clone_model: model must be a Model, got {model!r}")
    if call_function is not None and (isinstance(model, Sequential) or graph_of(model) is None):
        raise ValueError(
            f"{model.name!r} is no graph of calls, so call_function does not apply: it is for "
            "models made from inputs and outputs"
        )
    again = functools.partial(
        clone_model, clone_function=clone_function, call_function=call_function, recursive=True
    )

    def copy(layer: Any) -> Any:
        if recursive and (isinstance(layer, Sequential) or _graph_of_layer(layer) is not None):
            return again(layer)
        if clone_function is not None:
            return clone_function(layer)
        return type(layer).from_config(layer.get_config())

    if isinstance(model, Sequential):
        clone = _clone_stack(model, input_tensors, copy)
    elif graph_of(model) is not None:
        clone = _clone_graph(model, input_tensors, copy, call_function)
    elif input_tensors is not None or clone_function is not None:
        raise ValueError(
            f"{type(model).__name__} is a subclassed model: input_tensors and clone_function "
            "apply to graphs and stacks of layers"
        )
    else:
        clone = type(model).from_config(model.get_config())
    _compile_alike(clone, model)
    return clone


def _graph_of_layer(layer: Any) -> Any:
    """The graph that a layer is, if it is a model; None."""
    return graph_of(layer) if isinstance(layer, Model) else None


def _clone_stack(model: Sequential, input_tensors: Any, copy: Callable) -> Model:
    first, *layers = model._tricorn.parts["stack"] or [None]
    if first is not None and not isinstance(first, InputLayer):
        first, layers = None, [first, *layers]
    given = tree.leaves(input_tensors)
    begins = len(given) == 1 and isinstance(
        getattr(node_of(given[0])[0], "operation", None), InputLayer
    )
    if begins:
        head = given
    else:
        head = [] if first is None else [InputLayer(**first.get_config())]
    clone = Sequential([*head, *map(copy, layers)], name=model.name, trainable=model.trainable)
    if input_tensors is None or begins:
        return clone
    return Functional(input_tensors, clone(input_tensors), name=model.name)


def _clone_graph(
    model: Model, input_tensors: Any, copy: Callable, call_function: Callable | None
) -> Model:
    layers = {layer.name: layer for layer in model.layers}
    operations = {o.name: o for o in model.operations if isinstance(o, Operation)}

    def make(name: str, entry: dict) -> Any:
        if name in operations.keys() - layers.keys():
            return type(operations[name]).from_config(operations[name].get_config())
        if name not in layers or isinstance(layers[name], InputLayer):
            return registry.deserialize_keras_object(entry)
        return copy(layers[name])

    config, kind = model.get_config(), type(model)
    if "input_layers" not in config:  # a class whose constructor makes its graph
        config, kind = graph_of(model).get_config(model.trainable), Functional  # type: ignore[union-attr]
    clone = kind.from_config(config, make=make, call=call_function)
    if input_tensors is None:
        return clone
    return Functional(input_tensors, clone(input_tensors), name=model.name)


def _compile_alike(clone: Model, model: Model) -> None:
    """Compile with the arguments that the model was compiled with, objects among them copied."""
    arguments = model._tricorn.parts["training"].arguments
    if not model.compiled or arguments is None:
        return

    def copy(value: Any) -> Any:
        if hasattr(value, "get_config") and hasattr(value, "from_config"):
            return type(value).from_config(value.get_config())
        return value

    clone.compile(**tree.map(copy, {**arguments, "optimizer": model.optimizer}))
