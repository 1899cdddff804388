"""`Model`: a layer that can be trained, summarised and saved."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self, cast

from tricorn import limits, tree
from tricorn.checks import of_library
from tricorn.graph import scope
from tricorn.graph.symbolic import Node, is_symbolic
from tricorn.graph.transforms import discover
from tricorn.layers import calling, state
from tricorn.layers.base import in_order, overridable
from tricorn.layers.operation import deserialized, serialized
from tricorn.layers.symbolic_calls import abstract_outputs
from tricorn.models import layer_graph
from tricorn.models.layer_graph import LayerGraph, graph_of
from tricorn.serialization import registry
from tricorn.training.trainer import Trainer


class _OfGraph:
    """An attribute of models that are graphs.  Other models may use its name for what they like."""

    def __init__(self, get: Callable[[LayerGraph], Any], doc: str) -> None:
        self.get, self.__doc__ = get, doc

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, model: Any, kind: type) -> Any:
        if model is None:
            return self
        graph = graph_of(model)
        if graph is not None:
            return self.get(graph)
        raise AttributeError(
            f"the model {model.name!r} is not a graph of layers (yet), so it has no {self.name!r}; "
            "begin with an Input, or call a Sequential model once"
        )


class Model(Trainer):
    """A layer with `fit`, `evaluate`, `predict` and files.

    Made in three ways: functionally, ``Model(inputs, outputs)`` from symbolic tensors; by
    subclassing, with layers made in `__init__` and used in `call`; as `Sequential`.  A subclass may
    also give its inputs and outputs, to ``super().__init__(inputs, outputs)``.

    Args:
        inputs: symbolic tensor, list or dict of them.
        outputs: likewise.
        name: default the class name in snake case with a count.
        trainable: whether the weights are; None leaves the layers of a graph as they are.

    Example:
        >>> inputs = keras.Input((4,))
        >>> model = keras.Model(inputs, keras.layers.Dense(2)(inputs))
        >>> model(np.ones((3, 4))).shape
        (3, 2)
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        if cls is Model and _is_functional(args, kwargs):
            from tricorn.models.functional import Functional

            return cast(Self, Functional.__new__(Functional, *args, **kwargs))
        return super().__new__(cls)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if not _is_functional(args, kwargs):
            super().__init__(**_named_only(args, kwargs))
            return
        given = {**dict(zip(("inputs", "outputs", "name", "trainable"), args)), **kwargs}
        inputs, outputs = given.pop("inputs"), given.pop("outputs")
        trainable = given.pop("trainable", None)
        super().__init__(**given)
        graph = LayerGraph(inputs, outputs, self.name)
        self._tricorn_become(graph)
        self._tricorn.tracker.hold(graph.layers)
        self.input_spec = graph.input_spec()
        if trainable is not None:
            self.trainable = trainable

    def _tricorn_become(self, graph: LayerGraph | None) -> None:
        """Be a graph from now on, or none."""
        self._tricorn.parts["graph"] = graph
        self.supports_masking, self.built = True, graph is not None

    @property
    def _tricorn_composite(self) -> bool:  # type: ignore[override]
        return graph_of(self) is not None

    @property
    def _tricorn_counts_itself(self) -> bool:
        """Whether a config counts the model's own graph as its call 0, as Keras does."""
        return graph_of(self) is not None

    inputs = _OfGraph(lambda graph: graph.inputs, "The symbolic inputs, flat.")
    outputs = _OfGraph(lambda graph: graph.outputs, "The symbolic outputs, flat.")
    input_shape = _OfGraph(lambda graph: graph.input_shape, "The tree of the inputs' shapes.")
    output_shape = _OfGraph(lambda graph: graph.output_shape, "The tree of the outputs' shapes.")
    input_names = _OfGraph(lambda graph: graph.input_names, "The names of the input layers.")
    output_names = _OfGraph(
        lambda graph: graph.output_names,
        "The names of the layers that give the outputs; keys of a dict of outputs.",
    )
    operations = _OfGraph(lambda graph: list(graph.operations), "The layers and ops of the graph.")

    @property
    def input(self) -> Any:
        """The tree of symbolic inputs of a graph; else the input of the first call."""
        graph = graph_of(self)
        return super().input if graph is None else graph.input

    @property
    def output(self) -> Any:
        """The tree of symbolic outputs of a graph; else the output of the first call."""
        graph = graph_of(self)
        return super().output if graph is None else graph.output

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        graph = self._tricorn.parts.get("graph")
        if graph is not None and args:
            graph.note_structure(args[0])
            args = (graph.arranged(args[0]), *args[1:])
        return super().__call__(*args, **kwargs)

    @overridable
    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Run the graph on a tree of tensors like the model's input; subclasses compute theirs.

        Args:
            inputs: tree of tensors.
            training: the phase of the layers inside; None: that of the call in progress.
            mask: tree of masks of the inputs; None: those that travel with them.
        """
        graph = graph_of(self)
        if graph is None:
            raise NotImplementedError(
                f"Model {type(self).__name__} does not have a `call()` method implemented, and was "
                "not made from inputs and outputs; define call(self, inputs)"
            )
        return graph.call(inputs, training, mask)

    @classmethod
    def _tricorn_computes(cls) -> bool:
        """Whether the class says what a call computes."""
        return cls.call is not Model.call

    def _tricorn_numbers(self) -> int | None:
        graph = graph_of(self)
        return None if graph is None else graph.numbers

    def _tricorn_lock(self) -> None:
        if graph_of(self) is None and self.built:
            super()._tricorn_lock()

    def _tricorn_nodes(self, inputs: set[int] | None = None) -> list[Node]:
        """The calls in the model's own graph, and those of the model as a layer."""
        graph = graph_of(self)
        inside = [] if graph is None else graph.nodes_on(inputs)
        return [*inside, *super()._tricorn_nodes(inputs)]

    @overridable
    def build(self, input_shape: Any = None) -> None:
        """Make the weights by running `call` for shapes only.

        Args:
            input_shape: the shape of the input with the batch axis, or a tree of shapes.
        """
        if self.built or input_shape is None or type(self).call is Model.call:
            return
        discover(self.__call__, (abstract_outputs(input_shape, self.compute_dtype),))

    def _tricorn_build(self, args: tuple, kwargs: dict) -> None:
        """A subclassed model's layers build as its body runs."""
        if type(self).build is Model.build:
            self.built = True
            shapes = calling.shapes_of(args)
            self._tricorn.build_shapes = {"input_shape": shapes[0]} if len(shapes) == 1 else None
        else:
            super()._tricorn_build(args, kwargs)

    @property
    def layers(self) -> list[Any]:
        """The layers of the graph, inputs first, by depth; else those directly inside."""
        graph = graph_of(self)
        return state.children(self) if graph is None else graph.layers

    def get_layer(self, name: str | None = None, index: int | None = None) -> Any:
        """One layer by name or index.

        Raises:
            ValueError: when there is none; the names there are, are listed.
        """
        layers = self.layers
        if (name is None) == (index is None):
            raise ValueError("get_layer takes a name or an index, one of them")
        if index is not None:
            if not -len(layers) <= index < len(layers):
                raise ValueError(f"{self.name!r} has {len(layers)} layers, no layer {index}")
            return layers[index]
        for layer in layers:
            if layer.name == name:
                return layer
        known = ", ".join(layer.name for layer in layers)
        raise ValueError(f"{self.name!r} has no layer {name!r}; it has: {known}")

    def reset_state(self) -> None:
        """Reset the states of stateful recurrent layers."""
        for layer in state.flatten(self, include_self=False):
            reset = getattr(layer, "reset_state", None)
            if reset is not None and getattr(layer, "stateful", False):
                reset()

    reset_states = reset_state

    def summary(self, line_length: int | None = None, positions: Any = None, print_fn: Any = None,
                expand_nested: bool = False, show_trainable: bool = False,
                layer_range: Any = None) -> None:  # fmt: skip
        """Print a table of the layers, their output shapes and numbers of parameters.

        Args:
            line_length: width of the table; default the terminal's, at least 72.
            positions: accepted for Keras's sake; columns fit themselves.
            print_fn: what gets the text instead of `print`.
            expand_nested: show the layers of nested models.
            show_trainable: add a column that says whether a layer is trainable.
            layer_range: names of the first and last layer to show.
        """
        from tricorn.models.summary import summary

        summary(self, line_length, print_fn, expand_nested, show_trainable, layer_range)

    # ------------------------------------------------------------------------------- quantization

    def quantize(  # type: ignore[override]
        self,
        mode: str | None = None,
        config: Any = None,
        filters: Any = None,
        type_check: bool = True,
    ) -> None:
        """Hold the weights of the layers inside in few bits from now on; layers that cannot be
        quantized stay as they are, with a warning.  See docs/guides/smaller-models.md.

        Args:
            mode: "int8", "int4", "float8", "gptq" or "awq"; None: that of `config`.
            config: a `quantizers.QuantizationConfig`; None: the mode's default.
            filters: which layers: a regular expression that is searched for in their names, a list
                of such, or a function of the layer.
            type_check: refuse layers of classes derived from the library's.

        Raises:
            ValueError: no mode, a layer that is not built or quantized already, "gptq" and "awq"
                without data or without the model's structure.
        """
        from tricorn.models.quantization import quantize

        quantize(self, mode, config, filters, type_check)

    def get_quantization_layer_structure(self, mode: str | None = None) -> dict[str, list] | None:
        """What "gptq" and "awq" go through: override it to give ``{"pre_block_layers": [...],
        "sequential_blocks": [...]}``, the layers that tokens go through first, and the blocks that
        are quantized one after the other."""
        return None

    # --------------------------------------------------------------------------------------- files

    def save(
        self, filepath: Any, overwrite: bool = True, zipped: bool | None = None, **kwargs: Any
    ) -> None:
        """Save architecture, weights, compile arguments and optimizer state to a `.keras` file; see
        `tricorn.saving.save_model`."""
        _files().save_model(self, filepath, overwrite=overwrite, zipped=zipped, **kwargs)

    def save_weights(
        self,
        filepath: Any,
        overwrite: bool = True,
        max_shard_size: float | None = None,
        **kwargs: Any,
    ) -> None:
        """Save the weights to a ``.weights.h5`` file, to several of them with `max_shard_size` (in
        GiB), or to an ``.h5`` file as Keras 2 has it.

        Args:
            filepath: path of the file; with `max_shard_size` that of their index, which ends in
                ``.weights.json``.
            overwrite: False: refuse when there is a file already.
            max_shard_size: how many GiB of arrays a file holds at most.
            kwargs: ``objects_to_skip=[...]``, see `tricorn.saving.save_weights`.
        """
        _files().save_weights(self, filepath, overwrite, max_shard_size, **kwargs)

    def load_weights(self, filepath: Any, skip_mismatch: bool = False, **kwargs: Any) -> None:
        """Load weights from a ``.weights.h5``, ``.keras`` or ``.h5`` file, the latter also of
        Keras 1 and 2, or from the files that a ``.weights.json`` names.

        Args:
            filepath: path of the file.
            skip_mismatch: load what fits and warn about the rest.
            kwargs: ``by_name=True``, ``reshape=True`` and ``objects_to_skip=[...]``, see
                `tricorn.saving.load_weights`.
        """
        _files().load_weights(self, filepath, skip_mismatch=skip_mismatch, **kwargs)

    def _tricorn_checkpoint(self, weights_only: bool) -> dict[str, Any]:
        """What `callbacks.OrbaxCheckpoint` writes."""
        return _files().checkpoint_parts(self, weights_only)

    def to_json(self, **kwargs: Any) -> str:
        """The architecture as JSON; `tricorn.models.model_from_json` makes the model again."""
        return _files().model_to_json(self, **kwargs)

    @property
    def path(self) -> str | None:
        """The names of the layers around it and its own; None before it is built."""
        return self._tricorn.path or (self.name if self.built else None)

    # ------------------------------------------------------------------------- the state as a tree

    def _tricorn_state(self) -> dict[str, list]:
        """The groups of `get_state_tree`."""
        optimizer = self.optimizer
        return {
            "trainable_variables": self.trainable_variables,
            "non_trainable_variables": self.non_trainable_variables,
            "optimizer_variables": [] if optimizer is None else optimizer.variables,
            "metrics_variables": self.metrics_variables,
        }

    def get_state_tree(self, value_format: str = "backend_tensor") -> dict[str, dict]:
        """The values of all Variables, in nested dicts by the parts of their paths, under
        "trainable_variables", "non_trainable_variables", "optimizer_variables" and
        "metrics_variables".

        Args:
            value_format: "backend_tensor" or "numpy_array".

        Raises:
            ValueError: for another format; two Variables of one path.
        """
        if value_format not in ("backend_tensor", "numpy_array"):
            raise ValueError(
                f'value_format must be "backend_tensor" or "numpy_array", got {value_format!r}'
            )
        found: dict[str, dict] = {}
        for group, variables in self._tricorn_state().items():
            found[group] = {}
            for path, variable in _by_path(variables).items():
                *parts, last = path.split("/")
                place = found[group]
                for part in parts:
                    place = place.setdefault(part, {})
                value = variable.numpy() if value_format == "numpy_array" else variable.value
                place[last] = value
        return found

    def set_state_tree(self, state_tree: dict[str, dict]) -> None:
        """Assign the values of a tree such as `get_state_tree` gives; Variables that are not in it
        stay as they are.

        Raises:
            ValueError: for a name or path that the model does not have; nothing is changed then.
        """
        groups = self._tricorn_state()
        unknown = [repr(group) for group in state_tree if group not in groups]
        chosen = []
        for group, values in state_tree.items():
            known = _by_path(groups.get(group, []))
            for keys, value in tree.paths(values):
                path = "/".join(keys)
                if path in known:
                    chosen.append((known[path], value))
                else:
                    unknown.append(f"{group}: {path!r}")
        if unknown:
            raise ValueError(f"the model {self.name!r} has no state {', '.join(unknown)}")
        for variable, value in chosen:
            variable.assign(value)

    def stateless_compute_loss(
        self,
        trainable_variables: Any,
        non_trainable_variables: Any,
        metrics_variables: Any,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> tuple[Any, tuple]:
        """`compute_loss` with the state given, changing none: a pure function.

        Args:
            trainable_variables, non_trainable_variables, metrics_variables: values in the order of
                the properties of those names.
            x, y, y_pred, sample_weight, training: of `compute_loss`.

        Returns:
            (loss, (the new values of the three)).
        """
        own = [self.trainable_variables, self.non_trainable_variables, self.metrics_variables]
        given = [trainable_variables, non_trainable_variables, metrics_variables]
        pairs = [
            pair
            for variables, values in zip(own, given)
            for pair in zip(variables, in_order(values, variables, self.name))
        ]
        with scope.Scope(dict(pairs), isolated=True):
            loss = self.compute_loss(x, y, y_pred, sample_weight, training=training)
            after = tuple([v.value for v in variables] for variables in own)
        return loss, after

    # -------------------------------------------------------------------------------------- config

    def get_config(self) -> dict[str, Any]:
        """The graph as data, in Keras 3's form; of a class with a constructor of its own, that
        one's arguments."""
        graph = graph_of(self)
        if graph is None:
            return super().get_config()
        given = next((a for cls, a in self._tricorn.arguments.items() if not of_library(cls)), None)
        if given is None:
            return graph.get_config(self.trainable)
        if not _is_functional((), given):  # the constructor makes the graph
            return super().get_config()
        more = {key: value for key, value in given.items() if key not in _OF_GRAPHS}
        return {**graph.get_config(self.trainable), **serialized(more)}

    @classmethod
    @limits.budget()
    def from_config(
        cls,
        config: dict[str, Any],
        custom_objects: Any = None,
        make: Callable | None = None,
        call: Callable | None = None,
    ) -> Any:
        """The model of `get_config`'s result.

        Args:
            custom_objects: name -> class or function, besides what is registered.
            make: ``(name, config entry) -> layer`` instead of making it from the entry (graphs).
            call: ``(layer, *args, **kwargs)`` instead of calling it (graphs).
        """
        if "input_layers" not in config:
            return super().from_config(config, custom_objects)
        inputs, outputs = layer_graph.from_config(config, custom_objects, make, call)
        written = ("layers", "input_layers", "output_layers", "dtype")
        with registry.custom_object_scope(custom_objects or {}):
            given = deserialized({key: v for key, v in config.items() if key not in written})
        if given.get("trainable", True):
            given["trainable"] = None
        return cls(inputs=inputs, outputs=outputs, **given)


#: what a graph's config has besides the arguments of its class's constructor
_OF_GRAPHS = ("inputs", "outputs", "name", "trainable")


def _by_path(variables: list) -> dict[str, Any]:
    """Variables by their paths.

    Raises:
        ValueError: when two have the same.
    """
    found: dict[str, Any] = {}
    for one in variables:
        if found.setdefault(one.path, one) is not one:
            raise ValueError(
                f"two variables have the path {one.path!r}, so a tree by paths cannot hold both; "
                "give the layers (and other objects) names of their own"
            )
    return found


def _files() -> Any:
    """What reads and writes files: it stands above the models, whose methods ask it."""
    from tricorn.saving import keras_file

    return keras_file


def _is_functional(args: tuple, kwargs: dict) -> bool:
    """Whether constructor arguments are (inputs, outputs)."""
    inputs = args[0] if args else kwargs.get("inputs")
    outputs = args[1] if len(args) > 1 else kwargs.get("outputs")
    if inputs is None or outputs is None:
        return False
    return any(map(is_symbolic, tree.leaves((inputs, outputs))))


def _named_only(args: tuple, kwargs: dict) -> dict:
    if args:
        raise ValueError(
            "Model takes inputs and outputs, or keyword arguments only. All `inputs` and `outputs` "
            f"values must be symbolic tensors (made by Input and layers), got {args!r}"
        )
    return kwargs
