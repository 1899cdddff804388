"""The names that data may use: what the user registered, and what this library exports.

Nothing is ever imported because data says so: a Keras module path in a file only chooses among the
packages in the table `FAMILIES`.
"""

from __future__ import annotations

import importlib
import threading
import types
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any

from tricorn.arithmetic import OPS

#: Keras package -> our packages whose exports its names are looked up in
FAMILIES: dict[str, tuple[str, ...]] = {
    "activations": ("activations",),
    "applications.convnext": ("applications.convnext",),
    "applications.inception_resnet_v2": ("applications.inception_resnet_v2",),
    "constraints": ("constraints",),
    "distillation": ("distillation",),
    "dtype_policies": ("dtype_policies",),
    "initializers": ("initializers",),
    "layers": ("layers",),
    "layers.legacy": ("layers.legacy",),
    "losses": ("losses",),
    "metrics": ("metrics",),
    "models": ("models",),
    "optimizers": ("optimizers",),
    "optimizers.legacy": ("optimizers.legacy",),
    "optimizers.schedules": ("optimizers.schedules",),
    "quantizers": ("quantizers",),
    "random": ("random",),
    "regularizers": ("regularizers",),
    "utils": ("utils",),
    # what `utils.FeatureSpace` is made of
    "layers.preprocessing.feature_space": ("utils.feature_space",),
    # where older versions kept models
    "engine": ("models", "layers"),
}  # fmt: skip
#: families of functions that are written by bare name
_FUNCTIONS = ("activations", "losses", "metrics", "initializers", "regularizers", "constraints",
              "metrics.legacy")  # fmt: skip
#: functions of those packages that are no part of a model
_NOT_MODEL_PARTS = frozenset(("get", "serialize", "deserialize"))
#: classes that Keras writes without a package -> ours that has them
_TOP = {
    "DTypePolicy": "dtype_policies",
    "FloatDTypePolicy": "dtype_policies",
    "Initializer": "initializers",
    "Layer": "layers",
    "Loss": "losses",
    "Metric": "metrics",
    "Model": "models",
    "Optimizer": "optimizers",
    "Regularizer": "regularizers",
    "Sequential": "models",
}
#: classes that Keras writes with the module that defines them
UNEXPORTED = {
    "Functional": "keras.src.models.functional",
    "CustomScaleLayer": "keras.src.applications.inception_resnet_v2",
    "LayerScale": "keras.src.applications.convnext",
    **dict.fromkeys(
        ("Cross", "Feature", "TFDIdentity"), "keras.src.layers.preprocessing.feature_space"
    ),
}

_LIBRARY = __name__.partition(".")[0]

#: held while the two tables change
_registering = threading.Lock()
_custom_objects: dict[str, Any] = {}
_custom_names: dict[Any, str] = {}
_scoped: ContextVar[Mapping[str, Any]] = ContextVar(
    "tricorn_custom_objects", default=types.MappingProxyType({})
)


# --------------------------------------------------------------------------------- the user's names


def register_keras_serializable(package: str = "Custom", name: str | None = None) -> Callable:
    """A decorator that lets files name a class or function of yours as ``package>name``.

    Args:
        package: keeps names of different projects apart.
        name: None: the class's or function's own.

    Raises:
        ValueError: a class without ``get_config``.

    Source: ``keras.saving.register_keras_serializable``.

    Example:
        >>> @keras.saving.register_keras_serializable(package="shop")
        ... class Discount(keras.layers.Layer):
        ...     def call(self, inputs):
        ...         return 0.9 * inputs
        >>> model = keras.Sequential([keras.Input((2,)), Discount()])
        >>> model.save("discount.keras")
        >>> again = keras.models.load_model("discount.keras")
    """

    def register(target: Any) -> Any:
        if isinstance(target, type) and not hasattr(target, "get_config"):
            raise ValueError(
                f"{target.__name__} cannot be registered: it has no get_config() method, so it "
                "could not be written"
            )
        key = f"{package}>{name if name is not None else target.__name__}"
        with _registering:
            _custom_objects[key] = target
            _custom_names[target] = key
        return target

    return register


def get_custom_objects() -> dict[str, Any]:
    """The global dict of registered names; it may be changed.

    Example:
        >>> keras.saving.get_custom_objects()["double"] = lambda x: 2 * x
        >>> layer = keras.layers.Activation("double")
        >>> del keras.saving.get_custom_objects()["double"]
    """
    return _custom_objects


class CustomObjectScope:
    """A block in which data may use more names.

    Args:
        custom_objects: dict of name -> class or function.

    Example:
        >>> with keras.saving.custom_object_scope({"double": lambda x: 2 * x}):
        ...     layer = keras.layers.Activation("double")
    """

    def __init__(self, custom_objects: Mapping[str, Any] | None) -> None:
        self.custom_objects = dict(custom_objects or {})

    def __enter__(self) -> CustomObjectScope:
        self._token = _scoped.set({**_scoped.get(), **self.custom_objects})
        return self

    def __exit__(self, *error: Any) -> None:
        _scoped.reset(self._token)


custom_object_scope = CustomObjectScope


def get_registered_name(obj: Any) -> str:
    """The name `obj` was registered under, else its Python name.

    Example:
        >>> @keras.saving.register_keras_serializable(package="shop", name="tax")
        ... def add_tax(x):
        ...     return 1.2 * x
        >>> keras.saving.get_registered_name(add_tax)
        'shop>tax'
    """
    try:
        return _custom_names[obj]
    except (KeyError, TypeError):  # not registered, or not hashable
        return obj.__name__


def get_registered_object(
    name: str,
    custom_objects: Mapping[str, Any] | None = None,
    module_objects: Mapping[str, Any] | None = None,
) -> Any:
    """What `name` stands for in `custom_objects`, the scopes around, the registered names and
    `module_objects`, in this order; None when nowhere.

    Example:
        >>> @keras.saving.register_keras_serializable(package="shop", name="tax_of")
        ... def add_tax(x):
        ...     return 1.2 * x
        >>> keras.saving.get_registered_object("shop>tax_of") is add_tax
        True
    """
    for table in (custom_objects, _scoped.get(), _custom_objects, module_objects):
        if table and name in table:
            return table[name]
    return None


# ---------------------------------------------------------------------------------- the library's


def _package(name: str) -> Any:
    """One of our packages; the name comes from the tables above, never from data."""
    return importlib.import_module(f"{_LIBRARY}.{name}")


def _packages(module: str, name: str) -> Iterator[Any]:
    """Our packages that may export `name` of a Keras module path such as
    ``keras.src.layers.core.dense``."""
    parts = module.split(".")
    if parts[0] != "keras":
        return
    parts = parts[2:] if parts[1:2] == ["src"] else parts[1:]
    if not parts and name in _TOP:
        yield _package(_TOP[name])
    for length in range(len(parts), 0, -1):
        yield from map(_package, FAMILIES.get(".".join(parts[:length]), ()))


def _ours(target: Any) -> bool:
    return str(getattr(target, "__module__", "")).partition(".")[0] == _LIBRARY


#: where Keras's own classes of optimizers on PyTorch are, which its files name
_TORCH_OPTIMIZERS = "keras.src.backend.torch.optimizers."


def builtin(module: str, name: str) -> type | None:
    """The class that the library exports as `name` of a Keras module; None: there is none."""
    if name.startswith("_"):
        return None
    if module.startswith(_TORCH_OPTIMIZERS):
        module = "keras.optimizers"
    for package in _packages(module, name):
        target = getattr(package, name, None)
        if isinstance(target, type) and _ours(target) and hasattr(target, "from_config"):
            return target
    return None


def builtin_function(module: str, name: str) -> Callable | None:
    """The function (activation, loss, metric, op ...) that the library exports under a bare name,
    or as `name` of a Keras module; None: there is none.  Functions with effects, such as those
    that read files, are not among them."""
    if name.startswith("_") or name in _NOT_MODEL_PARTS:
        return None
    if module == "builtins":
        families: tuple[str, ...] = _FUNCTIONS
    else:
        families = tuple(family for family in _FUNCTIONS if module == f"keras.{family}")
    for family in families:
        target = getattr(_package(family), name, None)
        if callable(target) and not isinstance(target, type) and _ours(target):
            return target
    return OPS.get(name) if module in ("builtins", "keras.ops") else None


def public_module(cls: type) -> str | None:
    """The Keras module that files name for a class of this library; None for other classes."""
    name = cls.__name__
    if not _ours(cls):
        return None
    if name in UNEXPORTED:
        return UNEXPORTED[name]
    path = cls.__module__.split(".")
    for family in (".".join(path[1:3]), path[1], "random"):
        if family in FAMILIES and getattr(_package(family), name, None) is cls:
            return "keras" if name in _TOP else f"keras.{family}"
    return None


def is_registered(target: Any) -> bool:
    """Whether `target` was given to `register_keras_serializable`."""
    return target in _custom_names


def by_suffix(name: str) -> Any:
    """A registered function by its bare name, as Keras up to 3.6 wrote it, or None."""
    for table in (_scoped.get(), _custom_objects):
        for key, function in list(table.items()):
            if key.endswith(f">{name}"):
                return function
    return None
