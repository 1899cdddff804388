"""`Operation`: what computes and is called on symbolic tensors, the base of layers."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, Self

from tricorn import checks, naming, tree
from tricorn.engines.abstract import needs_engine
from tricorn.graph.graphs import abstracted, current_graph
from tricorn.graph.symbolic import Node, SymbolicTensor, is_symbolic
from tricorn.layers import state, symbolic_calls
from tricorn.serialization import registry
from tricorn.tracebacks import shorten, shortened

#: keyword arguments of every layer that its config does not repeat, and what else Keras writes
NOT_CONFIG = frozenset(
    ("name", "trainable", "dtype", "autocast", "input_shape", "batch_size", "batch_input_shape",
     "batch_shape", "input_dim")
)  # fmt: skip
FOREIGN = ("quantization_config", "lora_rank", "lora_alpha", "gptq_unpacked_column_size")


class Operation:
    """A function of tensors with settings, which can be a node of a functional model.

    Subclasses compute in `call`.  On symbolic tensors a call makes a node; on other ones `call`
    runs.  An operation has no weights: what has is a `Layer`.

    Args:
        name: default is the class name in snake case with a count.

    Example:
        >>> class Shift(keras.Operation):
        ...     def __init__(self, by, name=None):
        ...         super().__init__(name=name)
        ...         self.by = by
        ...
        ...     def call(self, x):
        ...         return x + self.by
        >>> inputs = keras.Input((3,))
        >>> model = keras.Model(inputs, Shift(2.0)(inputs))
    """

    # Names that begin with ``_tricorn`` are the library's; all others are public or the user's.
    __slots__ = ("__dict__", "__weakref__", "_tricorn")
    _tricorn: state.LayerState

    def __init__(self, name: str | None = None) -> None:
        self.name = checks.name(self, name) or naming.unique(type(self).__name__)

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        self = object.__new__(cls)
        object.__setattr__(self, "_tricorn", state.LayerState())
        return self

    def __init_subclass__(cls, captures: bool = True, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if captures and "__init__" in cls.__dict__:
            cls.__init__ = _capturing(cls, cls.__init__)  # type: ignore[method-assign]

    def _tricorn_made(self) -> None:
        """The constructor is over."""

    # ------------------------------------------------------------------------------------- calling

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """The computation."""
        raise NotImplementedError(
            f"{type(self).__name__} does not have a `call` method implemented; define "
            "call(self, inputs)"
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if "name" not in self.__dict__:
            raise RuntimeError(
                f"{type(self).__name__}.__init__ did not call super().__init__(); make it the "
                "first thing that it does"
            )
        try:
            if any(map(is_symbolic, tree.leaves((args, kwargs)))):
                return self.symbolic_call(*args, **kwargs)
            call = self.call
            if self._tricorn.remat is not None:
                call = self.rematerialized_call(call, *args, **kwargs)
            return call(*args, **kwargs)
        except Exception as error:
            shorten(error)
            raise

    def symbolic_call(self, *args: Any, **kwargs: Any) -> Any:
        """A call whose result is symbolic: nothing is computed."""
        nodes = self._tricorn.nodes
        node = Node(self, args, kwargs, index=len(nodes))
        found = tree.map(abstracted, self.compute_output_spec(*args, **kwargs))
        outputs = node.bind(found, current_graph().alias)
        nodes.append(node)
        return outputs

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """Symbolic results, which have shapes and dtypes, for symbolic arguments.  Override it
        where `call` cannot run without values."""
        try:
            found = symbolic_calls.abstract_results(self.call, args, kwargs)
        except Exception as error:
            reason = needs_engine(error)
            if reason is None:
                error.add_note(f"in the operation {self!r}; it may need compute_output_spec")
                raise
            found = symbolic_calls.abstract_results(self.call, args, kwargs, reason)
        return tree.map(lambda x: SymbolicTensor(tuple(x.shape), x.dtype), found)

    def rematerialized_call(self, fn: Callable, *args: Any, **kwargs: Any) -> Callable:
        """`fn`, a method of this object, in the form that the `RematScope` asks for in which the
        object was made: its intermediate values are computed again for the gradient instead of
        kept.  Without such a scope `fn` itself.

        Args:
            args, kwargs: those it is to be called with.
        """
        return symbolic_calls.rematerialized(self, fn, args, kwargs)

    def _tricorn_call_masked(self, args: tuple, kwargs: dict, masks: Any) -> Any:
        """A call in a graph that is run."""
        return self(*args, **kwargs)

    # ------------------------------------------------------------------------------------- history

    @property
    def input(self) -> Any:
        """The symbolic input of the first call."""
        return self.get_input_at(0)

    @property
    def output(self) -> Any:
        """The symbolic output of the first call."""
        return self.get_output_at(0)

    def get_input_at(self, index: int) -> Any:
        """The symbolic input of call number `index`."""
        args = self._tricorn_numbered(index).args
        return args[0] if len(args) == 1 else list(args)

    def get_output_at(self, index: int) -> Any:
        """The symbolic output of call number `index`."""
        return self._tricorn_numbered(index).outputs

    def _tricorn_numbered(self, index: int) -> Node:
        nodes = self._tricorn.nodes
        if not nodes:
            raise AttributeError(
                f"{self.name!r} was not called on a symbolic tensor, so it has no input or output; "
                "call it on an Input"
            )
        return nodes[index]

    # -------------------------------------------------------------------------------------- config

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments as data; `from_config` makes an equal object.

        A class that overrides this gets the name alone.
        """
        config: dict[str, Any] = {"name": self.name}
        cls: Any = type(self)
        if cls.get_config is not Operation.get_config:
            return config
        given = self._tricorn.arguments.get(_maker(cls), {})
        if not _takes(cls, "name"):
            del config["name"]
        return {**{key: serialized(value) for key, value in given.items()}, **config}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """The object made from `get_config`'s result.

        Args:
            custom_objects: name -> class or function, besides what is registered.
        """
        if custom_objects:
            with registry.custom_object_scope(custom_objects):
                return cls.from_config(config)
        config, later = dict(config), {}
        for key in ("trainable", "dtype", "name"):  # what every layer has may not be an argument
            if key in config and not _takes(cls, key):
                later[key] = config.pop(key)
        try:
            made: Any = cls(**deserialized(config))
            for key in later.keys() - {"dtype"}:
                setattr(made, key, later[key])
            return made
        except TypeError as error:
            raise TypeError(
                f"{cls.__name__} cannot be made from its config {sorted(config)}: {error}. If its "
                "constructor takes other arguments, override get_config"
            ) from error

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}>"


def _takes(cls: Any, name: str) -> bool:
    """Whether the constructor takes an argument of that name."""
    parameters = inspect.signature(cls.__init__).parameters
    return name in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())


def _maker(cls: type) -> type:
    """The class whose constructor makes objects of `cls`."""
    return next(base for base in cls.__mro__ if "__init__" in base.__dict__)


def _capturing(cls: type, init: Callable) -> Callable:
    """`init` that also keeps the arguments it was given."""
    signature = inspect.signature(init)
    kinds = {p.kind: p.name for p in signature.parameters.values()}
    loose = kinds.get(inspect.Parameter.VAR_KEYWORD)
    starred = kinds.get(inspect.Parameter.VAR_POSITIONAL)  # cannot be given by name
    plain = checks.kinds(init) if checks.of_library(cls) else {}

    @shortened
    @functools.wraps(init)
    def wrapped(self: Any, *args: Any, **kwargs: Any) -> None:
        try:
            bound = signature.bind(self, *args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{cls.__name__}: {error}; arguments: {signature}") from None
        checks.of_kinds(self, bound.arguments, plain)
        bound.apply_defaults()
        given = dict(list(bound.arguments.items())[1:])
        given.pop(starred or "", None)
        extra = given.pop(loose, {}) if loose else {}
        given.update({k: v for k, v in extra.items() if k not in (*NOT_CONFIG, *FOREIGN)})
        self._tricorn.arguments.setdefault(cls, given)
        init(self, *args, **kwargs)
        if type(self).__init__ is wrapped:
            self._tricorn_made()

    return wrapped


def serialized(value: Any) -> Any:
    """A constructor's argument as Keras writes it: functions of `activations` by name."""
    from tricorn import activations

    if isinstance(value, (str, int, float, bool, type(None))):
        return value
    if isinstance(value, (tuple, list)):
        return [serialized(item) for item in value]
    return activations.serialize(value)


def deserialized(config: Any) -> Any:
    if isinstance(config, dict):
        if "class_name" in config:
            return registry.deserialize_keras_object(config)
        return {key: deserialized(value) for key, value in config.items()}
    return [deserialized(item) for item in config] if isinstance(config, list) else config
