"""`clone_model`: the same architecture with weights of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tricorn.layers.base import Layer
from tricorn.layers.input_layer import InputLayer
from tricorn.models.functional import Functional
from tricorn.models.layer_graph import graph_of
from tricorn.models.model import Model
from tricorn.models.sequential import Sequential
from tricorn.serialization import registry


def clone_model(
    model: Model,
    input_tensors: Any = None,
    clone_function: Callable[[Layer], Layer] | None = None,
) -> Model:
    """A model of the same layers, freshly drawn; the original is not touched.

    Args:
        model: graph, stack, or subclassed model with a config.
        input_tensors: symbolic tensors for the clone to begin at (graphs and stacks).
        clone_function: gives the layer that stands for a layer, instead of a plain copy; to share
            a layer give the layer itself (graphs and stacks).

    Raises:
        ValueError: for options that a subclassed model cannot heed.
    """
    if not isinstance(model, Model):
        raise ValueError(f"clone_model: model must be a Model, got {model!r}")
    copy = clone_function or (lambda layer: type(layer).from_config(layer.get_config()))
    if isinstance(model, Sequential):
        layers = [
            layer if isinstance(layer, InputLayer) else copy(layer)
            for layer in model._tricorn.parts["stack"]
        ]
        if isinstance(layers[0], InputLayer):
            layers[0] = InputLayer(**layers[0].get_config())
        clone: Model = Sequential(layers, name=model.name, trainable=model.trainable)
    elif graph_of(model) is not None:

        def make(name: str, entry: dict) -> Any:
            found = [layer for layer in model.layers if layer.name == name]
            if not found or isinstance(found[0], InputLayer):
                return registry.deserialize_keras_object(entry)
            return copy(found[0])

        clone = type(model).from_config(model.get_config(), make=make)
    else:
        if input_tensors is not None or clone_function is not None:
            raise ValueError(
                f"{type(model).__name__} is a subclassed model: input_tensors and clone_function "
                "apply to graphs and stacks of layers"
            )
        return type(model).from_config(model.get_config())
    if input_tensors is not None:
        clone = Functional(input_tensors, clone(input_tensors), name=model.name)
    return clone
