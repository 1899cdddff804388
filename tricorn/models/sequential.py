"""`Sequential`: a stack of layers."""

from __future__ import annotations

from typing import Any

from tricorn import dtypes, naming, tree
from tricorn.graph.symbolic import Node, is_symbolic, node_of
from tricorn.layers.base import Layer
from tricorn.layers.input_layer import Input, InputLayer
from tricorn.models.functional import Functional
from tricorn.models.model import Model
from tricorn.serialization import registry
from tricorn.training.trainer import Trainer


class Sequential(Model):
    """Layers one after the other, each with one input and one output.

    With the input's shape known (an `Input` first, or ``input_shape=`` on the first layer) it is
    built layer by layer as they are added; otherwise at the first call.

    Args:
        layers: list of layers.
        trainable: whether the weights are.
        name: default ``sequential`` with a count.
    """

    _composite = True

    def __init__(
        self, layers: Any = None, trainable: bool = True, name: str | None = None, **kwargs: Any
    ) -> None:
        Layer.__init__(
            self, name=name or naming.unique("sequential"), trainable=trainable, **kwargs
        )
        Trainer.__init__(self)
        self._stack: list[Layer] = []
        self._functional: Functional | None = None
        self.supports_masking = True
        for layer in layers or ():
            self._append(layer)
        self._rebuild()

    def add(self, layer: Any, rebuild: bool = True) -> None:
        """Put a layer on top.

        Raises:
            ValueError: when it does not fit, or the name is taken.
        """
        self._append(layer)
        if rebuild:
            try:
                self._rebuild()
            except Exception:
                self._stack.pop()
                raise

    def _append(self, layer: Any) -> None:
        if is_symbolic(layer):
            layer = getattr(node_of(layer)[0], "operation", layer)
        if not isinstance(layer, Layer):
            raise TypeError(
                f"a Sequential model holds layers, got {layer!r}"
                + ("; did you forget to call the class?" if isinstance(layer, type) else "")
            )
        if isinstance(layer, InputLayer) and self._stack:
            raise ValueError(f"{self.name!r}: the input {layer.name!r} comes first or not at all")
        if any(layer is other or layer.name == other.name for other in self._stack):
            raise ValueError(
                f"{self.name!r} has a layer named {layer.name!r} already; names are unique"
            )
        if not self._stack and not isinstance(layer, InputLayer):
            if layer._input_tensor is not None:
                self._stack.append(InputLayer(input_tensor=layer._input_tensor))
            elif layer._input_shape_arg is not None:
                self._stack.append(InputLayer(batch_shape=layer._input_shape_arg))
        self._stack.append(layer)

    def pop(self, rebuild: bool = True) -> Layer:
        """Take the top layer off and give it."""
        if not self._stack or (len(self._stack) == 1 and isinstance(self._stack[0], InputLayer)):
            raise IndexError(f"{self.name!r} has no layer to pop")
        layer = self._stack.pop()
        self.built = False
        self._functional = None
        if rebuild:
            self._rebuild()
        return layer

    def _rebuild(self) -> None:
        """Make the graph anew when the input's shape is known."""
        self._functional = None
        self._programs = {}
        first = self._stack[0] if self._stack else None
        if isinstance(first, InputLayer) and len(self._stack) > 1:
            self._make_graph(first._inbound_nodes[0].outputs, self._stack[1:])
        elif isinstance(first, Functional) or (
            isinstance(first, Sequential) and first._functional is not None
        ):
            inputs = tree.map(lambda t: Input(batch_shape=t.shape, dtype=t.dtype), first.input)
            self._make_graph(inputs, self._stack)

    def _make_graph(self, inputs: Any, layers: list[Layer]) -> None:
        x = inputs
        for layer in layers:
            x = layer(x)
            if isinstance(x, (list, tuple, dict)) and layer is not layers[-1]:
                raise ValueError(
                    f"{self.name!r}: the layer {layer.name!r} gives several outputs; in a "
                    "Sequential model each layer gives one (use the functional way)"
                )
        self._functional = Functional(inputs, x, name=self.name)
        self.built = True
        self._build_shapes = {"input_shape": self._functional.input_shape}

    def build(self, input_shape: Any = None) -> None:
        """Make the weights for an input shape, the batch axis included."""
        if self._functional is not None or input_shape is None:
            return
        if not self._stack:
            raise ValueError(f"{self.name!r} has no layers to build")
        self._make_graph(Input(batch_shape=tuple(input_shape)), self._stack)

    def _build_for(self, args: tuple, kwargs: dict) -> None:
        if self._functional is None:
            shape = (None, *tuple(args[0].shape)[1:])
            dtype = dtypes.standardize(args[0].dtype) if hasattr(args[0], "dtype") else None
            if not self._stack:
                raise ValueError(f"{self.name!r} has no layers to call")
            self._make_graph(Input(batch_shape=shape, dtype=dtype), self._stack)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._functional is not None and args:
            args = (self._functional._arranged(args[0]), *args[1:])
        return super().__call__(*args, **kwargs)

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Run the layers one after the other."""
        if self._functional is None:
            raise ValueError(f"{self.name!r} is not built")
        return self._functional.call(inputs, training=training, mask=mask)

    def _children(self) -> Any:
        yield from self._stack
        for child in super()._children():
            if child is not self._functional and not any(child is s for s in self._stack):
                yield child

    def _calls(self, inputs: set[int] | None = None) -> list[Node]:
        graph = [] if self._functional is None else self._functional._calls(inputs)
        return [*graph, *super()._calls(inputs)]

    @property
    def layers(self) -> list[Layer]:
        """The layers, without the input."""
        return [layer for layer in self._stack if not isinstance(layer, InputLayer)]

    def _graph(self) -> Functional:
        if self._functional is None:
            raise AttributeError(
                f"{self.name!r} is not built, so it has no symbolic input or output; begin with "
                "an Input, or call it once"
            )
        return self._functional

    @property
    def inputs(self) -> list:
        return self._graph().inputs

    @property
    def outputs(self) -> list:
        return self._graph().outputs

    @property
    def input(self) -> Any:
        return self._graph().input

    @property
    def output(self) -> Any:
        return self._graph().output

    @property
    def input_shape(self) -> Any:
        return self._graph().input_shape

    @property
    def output_shape(self) -> Any:
        return self._graph().output_shape

    @property
    def input_names(self) -> list[str]:
        return self._graph().input_names

    @property
    def output_names(self) -> list[str]:
        return self._graph().output_names

    def get_config(self) -> dict[str, Any]:
        """The layers' configs and the input shape, in Keras 3's form."""
        config: dict[str, Any] = {
            "name": self.name,
            "trainable": self._trainable,
            "dtype": registry.serialize_keras_object(self.dtype_policy),
            "layers": [registry.serialize_keras_object(layer) for layer in self._stack],
        }
        if self._functional is not None:
            shape = self._functional.input_shape
            config["build_input_shape"] = list(shape) if isinstance(shape, tuple) else shape
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """The model of `get_config`'s result."""
        with registry.custom_object_scope(custom_objects or {}):
            layers = [registry.deserialize_keras_object(entry) for entry in config["layers"]]
        model = cls(layers, name=config.get("name"), trainable=config.get("trainable", True))
        shape = config.get("build_input_shape")
        if (
            model._functional is None
            and shape
            and all(isinstance(n, (int, type(None))) for n in shape)
        ):
            model.build(tuple(shape))
        return model
