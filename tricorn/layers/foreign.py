"""Layers around what JAX, Flax, PyTorch and TensorFlow users have: each belongs to one engine."""

from __future__ import annotations

import base64
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from tricorn import dtypes, ops, tree
from tricorn.engines import active
from tricorn.engines.abstract import AbstractTensor, NeedsEngine
from tricorn.graph.symbolic import is_symbolic
from tricorn.layers.base import Layer
from tricorn.layers.symbolic_calls import is_shape
from tricorn.seeds import SeedGenerator, key_of
from tricorn.serialization import registry
from tricorn.variable import Variable


def _weight(layer: Layer, value: Any, trainable: bool, name: str | None = None) -> Variable:
    """A weight of a layer that begins as an array; floating ones have the layer's dtype."""
    array = np.asarray(ops.convert_to_numpy(value))
    dtype = None if dtypes.is_float(dtypes.standardize(array.dtype)) else array.dtype.name
    return layer.add_weight(array.shape, lambda *_: array, dtype, trainable, name=name)


def _check_real(layer: Layer, *arguments: Any) -> None:
    """Let the engine find the shapes where tensors have no values."""
    for leaf in tree.leaves(arguments):
        if is_symbolic(leaf) or isinstance(leaf, AbstractTensor):
            raise NeedsEngine(f"the layer {layer.name!r} runs on real tensors only, got {leaf!r}")


class JaxLayer(Layer):
    """A function of JAX's as a layer.  Engine: jax.

    Args:
        call_fn: function of some of `params`, `state`, `rng`, `inputs` (needed) and `training`, by
            these names in any order; gives the outputs, or (outputs, new state) if it takes
            `state`.
        init_fn: function of some of `rng`, `inputs` (ones of the inputs' shapes) and `training`
            that gives `params`, or (params, state); needed unless those are given.
        params: tree of arrays that are trained.
        state: tree of arrays that are not.
        seed: int, of `rng`, which is a key in training and else None; None takes the next of the
            global sequence.
        native_serialization_platforms: of Keras on TensorFlow; kept in the config.
        kwargs: what every `Layer` takes.

    Attributes:
        params, state: the trees, with Variables in the place of arrays.

    Raises:
        EngineError: on another engine.

    Example:
        >>> init = lambda rng, inputs: {"w": np.ones((inputs.shape[-1], 3), "float32")}
        >>> layer = keras.layers.JaxLayer(lambda params, inputs: inputs @ params["w"], init)
        >>> layer(np.ones((2, 4), "float32")).shape
        (2, 3)
    """

    def __init__(
        self,
        call_fn: Callable,
        init_fn: Callable | None = None,
        params: Any = None,
        state: Any = None,
        seed: int | None = None,
        native_serialization_platforms: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._jax.key  # noqa: B018  the engine's error comes here
        self.call_fn, self.init_fn = call_fn, init_fn
        self.native_serialization_platforms = native_serialization_platforms
        known = ("params", "state", "rng", "inputs", "training")
        self._call_names = _checked_names(call_fn, "call_fn", known)
        if init_fn is not None:
            self._init_names = _checked_names(init_fn, "init_fn", known[2:])
        needs = {"params", "state"} & set(self._call_names)
        if init_fn is None and params is None and state is None and needs:
            raise ValueError(
                f"{type(self).__name__}: call_fn takes {sorted(needs)}, so one of init_fn, params "
                "and state must be given"
            )
        self.seed_generator = SeedGenerator(seed) if "rng" in self._call_names else None
        self._structures: dict[str, Any] = {}
        self.tracked_params: list = []
        self.tracked_state: list = []
        if params is not None or state is not None:
            self._take(params, state)
            self.built = True
        for given in self._tricorn.arguments.values():  # they are weights, not config
            for name in ("params", "state", "seed", "variables"):
                given.pop(name, None)

    @property
    def _jax(self) -> Any:
        return active().foreign("jax")

    def _take(self, params: Any, state: Any) -> None:
        """Make the weights from trees of arrays."""
        for name, tree_, held in (
            ("params", params, self.tracked_params), ("state", state, self.tracked_state),
        ):  # fmt: skip
            leaves, self._structures[name] = self._jax.flatten(tree_)
            held.extend(_weight(self, leaf, name == "params") for leaf in leaves)

    def _tree(self, name: str, leaves: list) -> Any:
        return self._jax.unflatten(self._structures[name], leaves) if self._structures else None

    @property
    def params(self) -> Any:
        return self._tree("params", list(self.tracked_params))

    @property
    def state(self) -> Any:
        return self._tree("state", list(self.tracked_state))

    def build(self, input_shape: Any) -> None:
        if self._structures or not {"params", "state"} & set(self._call_names):
            return
        given = {"rng": self._keys(self._get_init_rng()), "inputs": _ones(input_shape)}
        given["training"] = True
        made = self.init_fn(*(given[name] for name in self._init_names))  # type: ignore[misc]
        self._take(*(made if "state" in self._call_names else (made, None)))

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        _check_real(self, inputs)
        training = bool(training)
        given = {"inputs": inputs, "training": training}
        if self._structures:
            given["params"] = self._tree("params", [v.value for v in self.tracked_params])
            given["state"] = self._tree("state", [v.value for v in self.tracked_state])
        if self.seed_generator is not None:
            given["rng"] = self._keys(self._get_call_rng(training))
        outputs = self.call_fn(*(given.get(name) for name in self._call_names))
        if "state" not in self._call_names:
            return outputs
        outputs, after = outputs
        leaves, structure = self._jax.flatten(after)
        if structure != self._structures["state"]:
            raise ValueError(
                f"the layer {self.name!r}: call_fn gave a state of the structure {structure}, "
                f"expected {self._structures['state']}"
            )
        for variable, value in zip(self.tracked_state, leaves):
            variable.assign(value)
        return outputs

    def _keys(self, seeds: Any) -> Any:
        return tree.map(self._jax.key, seeds) if seeds is not None else None

    def _get_init_seed(self) -> Any:
        """A seed for `init_fn`: a tensor of shape (2,)."""
        return key_of(None)

    def _get_init_rng(self) -> Any:
        """The seed, or tree of seeds, of `init_fn`'s `rng`."""
        return self._get_init_seed()

    def _get_call_seed(self) -> Any:
        """A seed for `call_fn`: a tensor of shape (2,)."""
        return self.seed_generator.next()  # type: ignore[union-attr]

    def _get_call_rng(self, training: bool) -> Any:
        """The seed, or tree of seeds, of `call_fn`'s `rng`."""
        return self._get_call_seed() if training else None


def _checked_names(function: Callable, title: str, known: tuple) -> list[str]:
    """The names of a function's arguments, which must be among `known`."""
    names = list(inspect.signature(function).parameters)
    if "inputs" not in names or set(names) - set(known):
        raise ValueError(
            f"{title} must take `inputs`, and may take {', '.join(known)}; it takes {names}"
        )
    return names


def _ones(shape: Any) -> Any:
    """Ones of a tree of shapes, unknown sizes taken as 1."""
    if is_shape(shape):
        return ops.ones([1 if n is None else n for n in shape])
    if isinstance(shape, dict):
        return {key: _ones(item) for key, item in shape.items()}
    return type(shape)(map(_ones, shape))


class FlaxLayer(JaxLayer):
    """A ``flax.linen.Module`` as a layer.  Engine: jax.

    Args:
        module: the module.
        method: of the module, or a function of the module, that takes `inputs`, and may take
            `training`; None: ``__call__``.
        variables: dict of collections, as ``module.init`` gives it; None: it is called when the
            layer is built.
        kwargs: what `JaxLayer` takes else.

    The collection "params" is trained, all others are state.

    Example:
        >>> from flax import linen
        >>> keras.layers.FlaxLayer(linen.Dense(3))(np.ones((2, 4), "float32")).shape
        (2, 3)
    """

    def __init__(
        self, module: Any, method: Any = None, variables: Any = None, **kwargs: Any
    ) -> None:
        self.module = module
        self.method = getattr(module, method) if isinstance(method, str) else method
        mutable = active().foreign("jax").flax_filter("params")

        def apply(params: Any, state: Any, rng: Any, inputs: Any, **mode: Any) -> Any:
            collections = {**(params or {}), **(state or {})}
            return module.apply(
                collections, inputs, rngs=rng, method=self.method, mutable=mutable, **mode
            )

        def init(rng: Any, inputs: Any, **mode: Any) -> tuple:
            return _split(module.init(rng, inputs, method=self.method, **mode))

        if "training" in inspect.signature(self.method or module.__call__).parameters:

            def call_fn(params: Any, state: Any, rng: Any, inputs: Any, training: bool) -> Any:
                return apply(params, state, rng, inputs, training=training)

            def init_fn(rng: Any, inputs: Any, training: bool) -> Any:
                return init(rng, inputs, training=training)

        else:

            def call_fn(params: Any, state: Any, rng: Any, inputs: Any) -> Any:  # type: ignore[misc]
                return apply(params, state, rng, inputs)

            def init_fn(rng: Any, inputs: Any) -> Any:  # type: ignore[misc]
                return init(rng, inputs)

        params, state = (None, None) if variables is None else _split(variables)
        super().__init__(call_fn, init_fn, params, state, **kwargs)

    def _get_init_rng(self) -> dict[str, Any]:
        return {"params": self._get_init_seed(), "dropout": self._get_init_seed()}

    def _get_call_rng(self, training: bool) -> dict[str, Any]:
        return {"dropout": self._get_call_seed()} if training else {}


def _split(variables: Any) -> tuple[dict, dict]:
    """(the collection "params", the others) of Flax's variables."""
    params = {name: tree_ for name, tree_ in variables.items() if name == "params"}
    return params, {name: tree_ for name, tree_ in variables.items() if name != "params"}


class TorchModuleWrapper(Layer):
    """A ``torch.nn.Module`` as a layer.  Engine: torch.

    The layer's weights are the module's parameters, and copies of its buffers.

    Args:
        module: the module.
        name: default is the class name in snake case with a count.
        output_shape: kept in the config; shapes are found by running the module on torch's tensors
            without values.
        kwargs: what every `Layer` takes.

    Call: as the module's ``forward``; the module is in its training mode unless `training` is
    False.

    Raises:
        EngineError: on another engine.

    Example:
        >>> import torch
        >>> keras.layers.TorchModuleWrapper(torch.nn.Linear(4, 3))(np.ones((2, 4), "float32")).shape
        (2, 3)
    """

    def __init__(
        self, module: Any, name: str | None = None, output_shape: Any = None, **kwargs: Any
    ) -> None:
        super().__init__(name=name, **kwargs)
        found = self._torch.tensors(module)
        self.module, self.output_shape = module, output_shape
        self._buffers = [name for name, _, trained in found if trained is None]
        self._held = {n: _weight(self, array, bool(trained), n) for n, array, trained in found}
        engine = active()
        self._torch.share(module, {n: v.native(engine) for n, v in self._held.items()})
        self.built = True

    @classmethod
    def around(cls, module: Any) -> Any:
        """The module as a layer; one that is a list or dict of modules, as that of layers."""
        parts = active().foreign("torch").parts(module)
        return cls(module) if parts is None else tree.map(cls.around, parts)

    def _tricorn_with_layers(self, value: Any) -> Any:
        return value

    @property
    def _torch(self) -> Any:
        return active().foreign("torch")

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """What the module has, such as ``weight`` and ``in_features``."""
            module = self.__dict__.get("module")
            if module is not None and not name.startswith("_") and hasattr(module, name):
                return getattr(module, name)
            return super().__getattr__(name)

    def parameters(self, recurse: bool = True) -> Any:
        """The module's parameters."""
        return self.module.parameters(recurse=recurse)

    def call(self, *args: Any, training: bool | None = None, **kwargs: Any) -> Any:
        _check_real(self, args, kwargs)
        values = {name: variable.value for name, variable in self._held.items()}
        outputs, after = self._torch.call(
            self.module, values, self._buffers, training is not False, args, kwargs
        )
        if training is not False:
            for name, value in after.items():
                self._held[name].assign(value)
        return outputs

    def save_own_variables(self, store: Any) -> None:
        for name, variable in self._held.items():
            store[name] = variable.numpy()

    def load_own_variables(self, store: Any) -> None:
        if sorted(store) != sorted(self._held):
            raise ValueError(
                f"layer {self.name!r} has {sorted(self._held)}, the file has {sorted(store)}"
            )
        for name, variable in self._held.items():
            variable.assign(np.asarray(store[name]))

    def get_config(self) -> dict[str, Any]:
        config = {"name": self.name, "trainable": self.trainable}
        config["dtype"] = registry.serialize_keras_object(self.dtype_policy)
        config["module"] = base64.b64encode(self._torch.dump(self.module)).decode("ascii")
        return {**config, "output_shape": self.output_shape}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        registry.refuse_unless_trusted("a pickled torch.nn.Module, which could run anything")
        data = base64.b64decode(config["module"])
        return cls(**{**config, "module": active().foreign("torch").load(data)})


class TFSMLayer(Layer):
    """A function of a SavedModel as a layer.  Engine: tensorflow.

    Args:
        filepath: of the SavedModel.
        call_endpoint: name of the function: an attribute of the loaded object, or a signature.
        call_training_endpoint: of that in training; None: the same.
        trainable, name, dtype: as every `Layer` takes them.

    Call: as the function; its trainable variables are the layer's trainable weights.

    Raises:
        EngineError: on another engine.
        ValueError: for an unknown endpoint.

    Example:
        >>> import tensorflow as tf
        >>> module = tf.Module()
        >>> module.v = tf.Variable(2.0)
        >>> spec = tf.TensorSpec((None, 3))
        >>> double = tf.function(lambda x: x * module.v, input_signature=[spec])
        >>> tf.saved_model.save(module, "saved", {"serve": double})
        >>> keras.layers.TFSMLayer("saved")(np.ones((1, 3), "float32"))["output_0"].shape
        (1, 3)
    """

    def __init__(
        self,
        filepath: Any,
        call_endpoint: str = "serve",
        call_training_endpoint: str | None = None,
        trainable: bool = True,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(trainable=trainable, name=name, dtype=dtype)
        self.filepath = str(filepath)
        self.call_endpoint, self.call_training_endpoint = call_endpoint, call_training_endpoint
        endpoints = [call_endpoint, *([call_training_endpoint] if call_training_endpoint else ())]
        self._program = active().foreign("tensorflow").Program(self.filepath, endpoints)
        self._held = [
            _weight(self, array, trained, name.replace("/", "_"))
            for name, array, trained in self._program.tensors()
        ]
        self.built = True

    def call(self, inputs: Any, training: bool | None = None, **kwargs: Any) -> Any:
        _check_real(self, inputs, kwargs)
        endpoint = (self.call_training_endpoint if training else None) or self.call_endpoint
        values = [variable.value for variable in self._held]
        outputs, after = self._program.call(endpoint, values, (inputs,), kwargs)
        if training:
            for variable, value in zip(self._held, after):
                if not variable.trainable:
                    variable.assign(value)
        return outputs

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        registry.refuse_unless_trusted("a path to a SavedModel, which could run anything")
        return cls(**config)
