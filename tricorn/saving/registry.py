"""Objects to plain data and back, and the table of names that such data may use.

The plain form is Keras 3's: a dict with ``module``, ``class_name``, ``config`` and
``registered_name``.  A name in such a dict is looked up in two places only: among what the user
registered or passed as `custom_objects`, and among what this library's own packages export (the
table `FAMILIES`).  Nothing is ever imported or evaluated because data says so.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import importlib
import itertools
import marshal
import sys
import types
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any

import numpy as np

from tricorn import dtypes
from tricorn.engines import registry as engines
from tricorn.graph.symbolic import is_symbolic, name_of, node_of
from tricorn.variable import Variable

#: Keras package -> our packages whose exports its names are looked up in
FAMILIES: dict[str, tuple[str, ...]] = {
    "activations": ("activations",),
    "constraints": ("constraints",),
    "dtype_policies": ("dtype_policies",),
    "initializers": ("initializers",),
    "layers": ("layers",),
    "losses": ("losses",),
    "metrics": ("metrics",),
    "models": ("models",),
    "optimizers": ("optimizers",),
    "optimizers.schedules": ("optimizers.schedules",),
    "random": ("random",),
    "regularizers": ("regularizers",),
    # where older versions kept models
    "engine": ("models", "layers"),
}  # fmt: skip
#: families of functions that are written by bare name
_FUNCTIONS = ("activations", "losses", "metrics", "initializers", "regularizers", "constraints")
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
_UNEXPORTED = {"Functional": "keras.src.models.functional"}

#: nesting of lists and dicts that a config may have
MAX_DEPTH = 200
_LIBRARY = __name__.partition(".")[0]
_PLAIN = (str, int, float, bool)

_custom_objects: dict[str, Any] = {}
_custom_names: dict[Any, str] = {}
_scoped: ContextVar[Mapping[str, Any]] = ContextVar(
    "tricorn_custom_objects", default=types.MappingProxyType({})
)
_safe_mode: ContextVar[bool | None] = ContextVar("tricorn_safe_mode", default=None)
#: the configs being read, outermost first
_reading: ContextVar[tuple[dict, ...]] = ContextVar("tricorn_reading", default=())
_unsafe_allowed = False


# --------------------------------------------------------------------------------- the user's names


def register_keras_serializable(package: str = "Custom", name: str | None = None) -> Callable:
    """A decorator that lets files name a class or function of yours as ``package>name``.

    Args:
        package: keeps names of different projects apart.
        name: None: the class's or function's own.

    Raises:
        ValueError: a class without ``get_config``.

    Source: ``keras.saving.register_keras_serializable``.
    """

    def register(target: Any) -> Any:
        if isinstance(target, type) and not hasattr(target, "get_config"):
            raise ValueError(
                f"{target.__name__} cannot be registered: it has no get_config() method, so it "
                "could not be written"
            )
        key = f"{package}>{name if name is not None else target.__name__}"
        _custom_objects[key] = target
        _custom_names[target] = key
        return target

    return register


def get_custom_objects() -> dict[str, Any]:
    """The global dict of registered names; it may be changed."""
    return _custom_objects


class CustomObjectScope:
    """A block in which data may use more names.

    Args:
        custom_objects: dict of name -> class or function.
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
    """The name `obj` was registered under, else its Python name."""
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
    `module_objects`, in this order; None when nowhere."""
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


def builtin(module: str, name: str, function: bool = False) -> Any:
    """The class (or function) that the library exports as `name` of a Keras module; None when
    there is none."""
    if name.startswith("_") or name in _NOT_MODEL_PARTS:
        return None
    bare = function and module == "builtins"
    for package in map(_package, _FUNCTIONS) if bare else _packages(module, name):
        target = getattr(package, name, None)
        if target is None or not _ours(target):
            continue
        if isinstance(target, type) and hasattr(target, "from_config") and not function:
            return target
        if function and callable(target):
            return target
    return None


def public_module(cls: type) -> str | None:
    """The Keras module that files name for a class of this library; None for other classes."""
    name = cls.__name__
    if not _ours(cls):
        return None
    path = cls.__module__.split(".")
    families = [family for family in (".".join(path[1:3]), path[1]) if family in FAMILIES]
    if not families or getattr(_package(families[-1]), name, None) is not cls:
        return None
    return _UNEXPORTED.get(name) or ("keras" if name in _TOP else f"keras.{families[0]}")


# ---------------------------------------------------------------------------------- shared objects


class _Shared:
    """Objects met more than once in one model: they are written and made once."""

    def __init__(self) -> None:
        self.written: dict[int, tuple[Any, dict]] = {}
        self.made: dict[Any, Any] = {}


_shared: ContextVar[_Shared | None] = ContextVar("tricorn_shared_objects", default=None)


@contextlib.contextmanager
def sharing() -> Iterator[None]:
    """A block in which one object that is met twice stays one object."""
    token = _shared.set(_Shared())
    try:
        yield
    finally:
        _shared.reset(token)


def _note_written(obj: Any, config: dict) -> dict:
    shared = _shared.get()
    if shared is not None:
        _, first = shared.written.setdefault(id(obj), (obj, config))
        if first is not config:
            first["shared_object_id"] = config["shared_object_id"] = id(obj)
    return config


# ----------------------------------------------------------------------------------------- writing


def serialize_keras_object(obj: Any) -> Any:
    """`obj` as plain data that JSON can hold; `deserialize_keras_object` is the inverse.

    Args:
        obj: None, a number, string, list, tuple, dict, bytes, slice, array, tensor, symbolic
            tensor, function, or an object with ``get_config``.

    Raises:
        TypeError: for something else.

    Source: the data forms are those of ``keras.saving.serialize_keras_object``.
    """
    if obj is None or isinstance(obj, _PLAIN):
        return obj
    if isinstance(obj, (list, tuple)):
        items = [serialize_keras_object(x) for x in obj]
        return tuple(items) if isinstance(obj, tuple) else items
    if isinstance(obj, dict):
        return {key: serialize_keras_object(value) for key, value in obj.items()}
    special = _serialize_value(obj)
    if special is not None:
        return special
    if not isinstance(obj, type) and hasattr(obj, "get_config"):
        return _serialize_instance(obj)
    if callable(obj) and hasattr(obj, "__name__"):
        return _serialize_function(obj)
    raise TypeError(
        f"{obj!r} of type {type(obj).__name__} cannot be written: it needs a get_config() method "
        "that returns a dict of plain values"
    )


def _serialize_value(obj: Any) -> Any:
    """Arrays, tensors and Python's own types; None for other things."""
    if isinstance(obj, bytes):
        return {"class_name": "__bytes__", "config": {"value": obj.decode("utf-8")}}
    if isinstance(obj, slice):
        parts = {part: serialize_keras_object(getattr(obj, part)) for part in _SLICE}
        return {"class_name": "__slice__", "config": parts}
    if obj is Ellipsis:
        return {"class_name": "__ellipsis__", "config": {}}
    if isinstance(obj, np.generic) or (isinstance(obj, np.ndarray) and not obj.ndim):
        return obj.item()
    if isinstance(obj, np.dtype):
        return dtypes.standardize(obj)
    if isinstance(obj, np.ndarray):
        return _array_form("__numpy__", obj)
    if is_symbolic(obj):
        node, position = node_of(obj)
        history = None if node is None else [name_of(node.operation), node.index, position]
        config = {"shape": tuple(obj.shape), "dtype": dtypes.of(obj), "keras_history": history}
        return {"class_name": "__keras_tensor__", "config": config}
    if isinstance(obj, Variable):
        return _array_form("__tensor__", obj.numpy())
    engine = engines.loaded_for(obj)
    return None if engine is None else _array_form("__tensor__", engine.numpy(obj))


_SLICE = ("start", "stop", "step")


def _array_form(class_name: str, array: np.ndarray) -> dict:
    dtype = dtypes.standardize(array.dtype)
    if dtype == "bfloat16" or dtype in dtypes.FLOAT8:
        array = array.astype(np.float32)
    return {"class_name": class_name, "config": {"value": array.tolist(), "dtype": dtype}}


def _serialize_instance(obj: Any) -> dict:
    inner = obj.get_config()
    if not isinstance(inner, dict):
        raise TypeError(f"get_config() of {obj!r} must return a dict, it returned {inner!r}")
    cls = type(obj)
    module = None if cls in _custom_names else public_module(cls)
    registered = None
    if module is None:
        module = None if cls.__module__ == "__main__" else cls.__module__
        registered = get_registered_name(cls)
    elif cls.__name__ in _UNEXPORTED:
        registered = cls.__name__
    config = {
        "module": module,
        "class_name": cls.__name__,
        "config": serialize_keras_object(inner),
        "registered_name": registered,
    }
    for part in ("build_config", "compile_config"):
        value = getattr(obj, f"get_{part}", lambda: None)()
        if value is not None:
            config[part] = serialize_keras_object(value)
    return _note_written(obj, config)


def _serialize_function(fn: Any) -> dict:
    if getattr(fn, "__name__", "") == "<lambda>" and get_registered_name(fn) == "<lambda>":
        return _dump_lambda(fn)
    name = get_registered_name(fn)
    registered = "function"  # Keras writes the name of the function's type here
    return {
        "module": "builtins", "class_name": "function", "config": name,
        "registered_name": registered,
    }  # fmt: skip


# ------------------------------------------------------------------------------------ lambda bodies


def _dump_lambda(fn: types.FunctionType) -> dict:
    """A lambda's bytecode, in both forms that Keras reads, with the Python that wrote it."""
    cells = fn.__closure__
    try:
        code = base64.encodebytes(marshal.dumps(fn.__code__)).decode("ascii")
        defaults = serialize_keras_object(fn.__defaults__)
        closure = serialize_keras_object(cells and tuple(c.cell_contents for c in cells))
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"the lambda {fn.__qualname__} cannot be written ({error}); use a named function and "
            "register it with register_keras_serializable()"
        ) from error
    return {
        "class_name": "__lambda__",
        "config": {
            "code": code,
            "defaults": defaults,
            "closure": closure,
            "value": [code, defaults, closure],
            "python": sys.implementation.cache_tag,
        },
    }


def _load_lambda(config: dict, inner: dict, safe_mode: bool) -> Callable:
    named = _function_for_owner()
    if named is not None:
        return named
    owner = _owner_name()
    remedy = (
        f"pass the function: load_model(..., custom_objects={{{owner or 'the name'!r}: function}})"
    )
    if safe_mode:
        raise ValueError(
            f"{_place(config)} is the bytecode of a Python lambda, which could do anything when "
            f"run; {remedy}, or, when you trust the file, pass safe_mode=False"
        )
    if inner.get("python") != sys.implementation.cache_tag:
        wrote = inner.get("python") or "an unnamed Python"
        raise ValueError(
            f"{_place(config)} is the bytecode of a Python lambda written by {wrote}, which "
            f"{sys.implementation.cache_tag} cannot be trusted to run; {remedy}"
        )
    try:
        code = marshal.loads(base64.b64decode(inner["code"], validate=False))
        defaults = deserialize_keras_object(inner.get("defaults"))
        closure = deserialize_keras_object(inner.get("closure"))
        scope = {"np": np, "numpy": np, "__builtins__": __builtins__}
        face = sys.modules.get(_LIBRARY)
        scope.update({_LIBRARY: face, "keras": face})
        cells = closure and tuple(types.CellType(value) for value in closure)
        return types.FunctionType(code, scope, code.co_name, defaults and tuple(defaults), cells)
    except (KeyError, TypeError, ValueError, EOFError, AttributeError, binascii.Error) as error:
        raise ValueError(f"{_place(config)} holds damaged bytecode ({error}); {remedy}") from error


def _owner_name() -> str | None:
    """The name of the innermost object being read."""
    stack = _reading.get()
    inner = stack[-1]["config"] if stack else {}
    name = inner.get("name")
    return name if isinstance(name, str) else None


def _function_for_owner() -> Callable | None:
    """The function that was passed under the name of the layer being read."""
    name = _owner_name()
    found = None if name is None else get_registered_object(name)
    return found if callable(found) and not isinstance(found, type) else None


# ----------------------------------------------------------------------------------------- reading


def enable_unsafe_deserialization() -> None:
    """Let lambdas' bytecode be loaded everywhere in this process, as with ``safe_mode=False``."""
    global _unsafe_allowed
    _unsafe_allowed = True


def in_safe_mode() -> bool:
    """Whether bytecode in data is refused here; True unless a loading around said otherwise."""
    mode = _safe_mode.get()
    return not _unsafe_allowed if mode is None else mode


def deserialize_keras_object(
    config: Any,
    custom_objects: Mapping[str, Any] | None = None,
    safe_mode: bool = True,
    *,
    module_objects: Mapping[str, Any] | None = None,
) -> Any:
    """The object that `serialize_keras_object` wrote.

    Args:
        config: the plain data.
        custom_objects: dict of names -> classes and functions that the data may also use.
        safe_mode: False allows lambdas' bytecode.  The outermost loading decides.
        module_objects: names to look a bare string or an unqualified class up in.

    Raises:
        TypeError: a name that is not known, with the place where it stands.
        ValueError: data that is damaged, or bytecode in safe mode.
    """
    stack = _reading.get()
    if not stack:
        check_tree(config)
    mode = _safe_mode.get()
    if mode is None:
        mode = safe_mode and not _unsafe_allowed
    tokens = _safe_mode.set(mode), _scoped.set({**_scoped.get(), **(custom_objects or {})})
    try:
        if module_objects is not None and isinstance(config, str):
            found = get_registered_object(config, module_objects=module_objects)
            return config if found is None else found
        return _deserialize(config, module_objects)
    finally:
        _scoped.reset(tokens[1])
        _safe_mode.reset(tokens[0])


def check_tree(config: Any) -> None:
    """Raise ValueError when data is nested too deep or has keys that are not strings."""
    level, depth = [config], 0
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise ValueError(f"the config is nested deeper than {MAX_DEPTH} levels")
        below: list = []
        for value in level:
            if isinstance(value, dict):
                for key in value:
                    if not isinstance(key, (str, int)):
                        raise ValueError(f"the config has the key {key!r}, expected a string")
                below.extend(value.values())
            elif isinstance(value, (list, tuple)):
                below.extend(value)
        level = below


def _deserialize(config: Any, module_objects: Mapping[str, Any] | None) -> Any:
    if isinstance(config, (list, tuple)):
        return [_deserialize(value, None) for value in config]
    if not isinstance(config, dict):
        return config  # plain, or an object that is made already
    if "class_name" not in config or "config" not in config:
        return {key: _deserialize(value, None) for key, value in config.items()}
    class_name, inner = config["class_name"], config["config"]
    _expect(config, "class_name", class_name, str)
    for key in ("module", "registered_name"):
        _expect(config, key, config.get(key), str, type(None))
    inner = {} if inner is None else inner
    if class_name == "function":
        _expect(config, "config", inner, str)
        return _find(config, inner, True, module_objects)
    _expect(config, "config", inner, dict)
    special = _SPECIAL.get(class_name)
    if special is not None:
        return _build_special(special, config, inner)
    return _instance(config, inner, module_objects)


def _expect(config: dict, key: str, value: Any, *kinds: type) -> None:
    if not isinstance(value, kinds):
        expected = " or ".join("null" if k is type(None) else k.__name__ for k in kinds)
        raise ValueError(f"{_place(config)}: {key!r} must be a {expected}, got {_short(value)}")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _build_special(build: Callable, config: dict, inner: dict) -> Any:
    try:
        if build is _load_lambda:
            return _load_lambda(config, inner, in_safe_mode())
        return build(inner)
    except KeyError as error:
        raise ValueError(f"{_place(config)}: {error} is missing in its config") from error
    except (TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"{_place(config)} is damaged: {error}") from error


def _read_array(inner: dict) -> np.ndarray:
    dtype = dtypes.standardize(inner["dtype"])
    if dtype == "string":
        raise TypeError("an array of strings")
    return np.array(inner["value"], dtypes.to_numpy(dtype))


def _read_tensor(inner: dict) -> Any:
    return engines.process().tensor(_read_array(inner), dtypes.standardize(inner["dtype"]))


def _read_symbolic(inner: dict) -> Any:
    from tricorn.graph.symbolic import SymbolicTensor

    shape = tuple(inner["shape"])
    if not all(n is None or (isinstance(n, int) and n >= 0) for n in shape):
        raise TypeError(f"the shape {_short(shape)}")
    tensor = SymbolicTensor(shape, dtypes.standardize(inner["dtype"]))
    #: where the tensor came from in the model that was written: (layer's name, call, output)
    tensor.written_history = inner.get("keras_history")
    return tensor


_SPECIAL: dict[str, Callable] = {
    "__bytes__": lambda inner: inner["value"].encode("utf-8"),
    "__ellipsis__": lambda inner: Ellipsis,
    "__slice__": lambda inner: slice(*(_deserialize(inner[part], None) for part in _SLICE)),
    "__numpy__": _read_array,
    "__tensor__": _read_tensor,
    "__keras_tensor__": _read_symbolic,
    "__lambda__": _load_lambda,
}


def _instance(config: dict, inner: dict, module_objects: Mapping[str, Any] | None) -> Any:
    shared, key = _shared.get(), config.get("shared_object_id")
    if shared is not None and isinstance(key, (int, str)) and key in shared.made:
        return shared.made[key]
    cls = _find(config, config["class_name"], False, module_objects)
    if not isinstance(cls, type):
        return cls
    if not hasattr(cls, "from_config"):
        raise TypeError(f"{_place(config)}: {cls.__name__} has no from_config() method")
    token = _reading.set((*_reading.get(), config))
    try:
        instance = cls.from_config(inner)
        _finish(instance, config)
    except (ValueError, TypeError, NotImplementedError) as error:
        _note_place(error, config)
        raise
    except (LookupError, AttributeError, RecursionError, MemoryError, OverflowError) as error:
        kind = type(error).__name__
        raise ValueError(f"{_place()} cannot be made from its config: {kind}: {error}") from error
    finally:
        _reading.reset(token)
    if shared is not None and key is not None:
        shared.made[key] = instance
    return instance


def _finish(instance: Any, config: dict) -> None:
    """Build and compile as the object that was written was."""
    build, compile_ = config.get("build_config"), config.get("compile_config")
    for key, value in (("build_config", build), ("compile_config", compile_)):
        _expect(config, key, value, dict, type(None))
    if build and not getattr(instance, "built", True):
        instance.build_from_config(build)
        instance.built = True
    if compile_ and hasattr(instance, "compile_from_config"):
        instance.compile_from_config(compile_)


def _find(config: dict, name: str, function: bool, module_objects: Mapping[str, Any] | None) -> Any:
    """The class or function that `config` names."""
    module, registered = config.get("module"), config.get("registered_name")
    # The registered name comes first; a class of the library is not replaced by its bare name.
    names = [registered] if registered and not function else []
    if function or registered or not (module or "").startswith("keras"):
        names.append(name)
    for candidate in names:
        found = get_registered_object(candidate)
        if found is not None:
            return found
    if module_objects and name in module_objects and not (module and not _keras(module)):
        return module_objects[name]
    found = builtin(module, name, function) if module else None
    if found is None and function:
        found = _by_suffix(name)
    if found is None:
        raise TypeError(_unknown(config, name, registered, module, function))
    return found


def _keras(module: str) -> bool:
    return module == "builtins" or module.partition(".")[0] == "keras"


def _by_suffix(name: str) -> Any:
    """A registered function by its bare name, as Keras up to 3.6 wrote them."""
    tables = (_scoped.get(), _custom_objects)
    return next(
        (fn for table in tables for key, fn in table.items() if key.endswith(f">{name}")), None
    )


def _unknown(
    config: dict, name: str, registered: str | None, module: str | None, function: bool
) -> str:
    kind = "function" if function else "class"
    what = f"{_place(config)}: the {kind} {name!r}"
    if module and _keras(module) and module != "builtins":
        what += f" of {module} is not one this library has"
    else:
        what += f"{f' of {module}' if module and module != 'builtins' else ''} is not known"
    package, _, own = (registered or "").rpartition(">")
    arguments = f"package={package!r}, name={own!r}" if package else ""
    key = registered if registered and registered != "function" else name
    return (
        f"{what}. Define or import it before loading, and either decorate it with "
        f"@register_keras_serializable({arguments}) or pass custom_objects={{{key!r}: {name}}}"
    )


# --------------------------------------------------------------------------------- where things are


def _place(config: dict | None = None) -> str:
    """Where in the data `config` (else what is being read) stands, for people."""
    stack = _reading.get()
    if config is not None:
        stack = (*stack, config)
    words = [_title(stack[0])]
    for outer, inner in itertools.pairwise(stack):
        words += [*_path(outer, inner), _title(inner)]
    return " › ".join(words)


def _title(config: dict) -> str:
    inner = config.get("config")
    name = inner.get("name") if isinstance(inner, dict) else None
    title = _short(config.get("class_name")).strip("'")
    return f"{title} {name!r}" if isinstance(name, str) else title


def _path(outer: Any, target: Any) -> list[str]:
    """The keys and positions that lead from `outer` to `target`, found by identity."""
    pending: list[tuple[Any, str]] = [(outer, "")]
    while pending:
        value, path = pending.pop()
        if value is target and path:
            return [path.removeprefix(".config").removeprefix(".")]
        if isinstance(value, dict):
            pending += [(child, f"{path}.{key}") for key, child in value.items()]
        elif isinstance(value, (list, tuple)):
            pending += [(child, f"{path}[{i}]") for i, child in enumerate(value)]
    return []


def _note_place(error: BaseException, config: dict) -> None:
    """Say once, in a note, which object was being made when `error` was raised."""
    if not getattr(error, "_tricorn_placed", False):
        error._tricorn_placed = True  # type: ignore[attr-defined]
        error.add_note(f"raised while making {_place()}")
