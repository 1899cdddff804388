"""`Sequential`: a stack of layers."""

from __future__ import annotations

from typing import Any

from tricorn import dtypes, limits, naming, tree
from tricorn.checks import wrong
from tricorn.graph.symbolic import is_symbolic, node_of
from tricorn.layers.base import Layer
from tricorn.layers.input_layer import Input, InputLayer
from tricorn.layers.symbolic_calls import is_shape
from tricorn.models.layer_graph import LayerGraph, graph_of
from tricorn.models.model import Model
from tricorn.serialization import registry
from tricorn.training.trainer import Trainer
from tricorn.variable import name_scope


class Sequential(Model):
    """Layers one after the other, each called with what the one before it gives.

    With the input's shape known (an `Input` first, or ``input_shape=`` on the first layer) it is
    built layer by layer as they are added; otherwise at the first call.

    Args:
        layers: list of layers.
        trainable: whether the weights are.
        name: default ``sequential`` with a count.

    Example:
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
        >>> model.output_shape
        (None, 2)
    """

    _tricorn_composite = True  # type: ignore[assignment]
    _tricorn_counts_itself = False  # type: ignore[assignment]

    def __init__(
        self, layers: Any = None, trainable: bool = True, name: str | None = None, **kwargs: Any
    ) -> None:
        name = naming.unique("sequential") if name is None else name
        Trainer.__init__(self, name=name, trainable=trainable, **kwargs)
        self._tricorn.parts["stack"] = []
        self.supports_masking = True
        if layers is not None and not hasattr(layers, "__iter__"):
            raise wrong(self, "layers", "a list of layers", layers)
        names: set[str] = set()
        for layer in layers or ():
            self._tricorn_append(layer, names)
        self._tricorn_rebuild()

    def add(self, layer: Any, rebuild: bool = True) -> None:
        """Put a layer on top.

        Raises:
            ValueError: when it does not fit, or the name is taken.
        """
        self._tricorn_append(layer, {other.name for other in _stack(self)})
        if rebuild:
            try:
                self._tricorn_rebuild()
            except Exception:
                _stack(self).pop()
                raise

    def _tricorn_append(self, layer: Any, names: set[str]) -> None:
        """Put a layer on top and its name into `names`, those of the layers below."""
        if is_symbolic(layer):
            layer = getattr(node_of(layer)[0], "operation", layer)
        if not isinstance(layer, Layer):
            raise ValueError(
                f"Only instances of Layer can be added to a Sequential's layers, got {layer!r}"
                + ("; did you forget to call the class?" if isinstance(layer, type) else "")
            )
        if isinstance(layer, InputLayer) and _stack(self):
            raise ValueError(f"{self.name!r}: the input {layer.name!r} comes first or not at all")
        if layer.name in names:
            raise ValueError(
                f"{self.name!r} has a layer named {layer.name!r} already; names are unique"
            )
        if not _stack(self) and not isinstance(layer, InputLayer):
            if layer._tricorn.input_tensor is not None:
                _stack(self).append(InputLayer(input_tensor=layer._tricorn.input_tensor))
            elif layer._tricorn.input_shape is not None:
                _stack(self).append(InputLayer(batch_shape=layer._tricorn.input_shape))
        names.add(layer.name)
        _stack(self).append(layer)

    def pop(self, rebuild: bool = True) -> Layer:
        """Take the top layer off and give it."""
        if not _stack(self) or (len(_stack(self)) == 1 and isinstance(_stack(self)[0], InputLayer)):
            raise IndexError(f"{self.name!r} has no layer to pop")
        layer = _stack(self).pop()
        self._tricorn_become(None)
        if rebuild:
            self._tricorn_rebuild()
        return layer

    def _tricorn_rebuild(self) -> None:
        """Make the graph anew when the input's shape is known."""
        self._tricorn_become(None)
        self._tricorn.tracker.lead(_stack(self))
        self._tricorn.parts["training"].programs = {}
        first = _stack(self)[0] if _stack(self) else None
        if isinstance(first, InputLayer) and len(_stack(self)) > 1:
            self._tricorn_make_graph(first._tricorn.nodes[0].outputs, _stack(self)[1:])
        elif isinstance(first, Model) and graph_of(first) is not None:
            inputs = tree.map(lambda t: Input(batch_shape=t.shape, dtype=t.dtype), first.input)
            self._tricorn_make_graph(inputs, _stack(self))

    def _tricorn_make_graph(self, inputs: Any, layers: list[Layer]) -> None:
        x = inputs
        for layer in layers:
            with name_scope(self.name, self):
                x = layer(x)
        graph = LayerGraph(inputs, x, self.name)
        self._tricorn_become(graph)
        self._tricorn.build_shapes = {"input_shape": graph.input_shape}

    def build(self, input_shape: Any = None) -> None:
        """Make the weights for an input shape, the batch axis included, or a tree of shapes."""
        if graph_of(self) is not None or input_shape is None:
            return
        if not _stack(self):
            raise ValueError(f"{self.name!r} has no layers to build")
        self._tricorn_make_graph(_inputs_of(input_shape), _stack(self))

    def _tricorn_build(self, args: tuple, kwargs: dict) -> None:
        if graph_of(self) is None:
            if not _stack(self):
                raise ValueError(f"{self.name!r} has no layers to call")
            self._tricorn_make_graph(tree.map(_input_like, args[0]), _stack(self))

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Run the layers one after the other."""
        if graph_of(self) is None:
            raise ValueError(f"{self.name!r} is not built")
        return super().call(inputs, training, mask)

    @property
    def layers(self) -> list[Layer]:
        """The layers, without the input."""
        return [layer for layer in _stack(self) if not isinstance(layer, InputLayer)]

    def _tricorn_lock(self) -> None:
        """A stack may grow."""

    def get_config(self) -> dict[str, Any]:
        """The layers' configs and the input shape, in Keras 3's form."""
        config: dict[str, Any] = {
            "name": self.name,
            "trainable": self._tricorn.trainable,
            "dtype": registry.serialize_keras_object(self.dtype_policy),
            "layers": [registry.serialize_keras_object(layer) for layer in _stack(self)],
        }
        if (graph := graph_of(self)) is not None:
            shape = graph.input_shape
            config["build_input_shape"] = list(shape) if isinstance(shape, tuple) else shape
        return config

    @classmethod
    @limits.budget()
    def from_config(  # type: ignore[override]
        cls, config: dict[str, Any], custom_objects: Any = None
    ) -> Any:
        """The model of `get_config`'s result."""
        with registry.custom_object_scope(custom_objects or {}):
            layers = [registry.layer_of(entry) for entry in config["layers"]]
        model = cls(layers, name=config.get("name"), trainable=config.get("trainable", True))
        if graph_of(model) is None and config.get("build_input_shape"):
            model.build(config["build_input_shape"])
        return model


def _inputs_of(shape: Any) -> Any:
    """Inputs for a tree of shapes."""
    if is_shape(shape):
        return Input(batch_shape=tuple(shape))
    if isinstance(shape, dict):
        return {key: _inputs_of(item) for key, item in shape.items()}
    return [_inputs_of(item) for item in shape]


def _input_like(x: Any) -> Any:
    """An input for tensors like `x`, of any number."""
    dtype = dtypes.standardize(x.dtype) if hasattr(x, "dtype") else None
    return Input(batch_shape=(None, *tuple(x.shape)[1:]), dtype=dtype)


def _stack(model: Sequential) -> list[Layer]:
    """The layers of a stack, the input included."""
    return model._tricorn.parts["stack"]
