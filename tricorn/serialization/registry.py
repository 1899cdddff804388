"""Objects to plain data and back.

The plain form is Keras 3's: a dict with ``module``, ``class_name``, ``config`` and
``registered_name``.  Which names it may use is `names`'s matter.
"""

from __future__ import annotations

import collections
import contextlib
import itertools
import types
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any

import numpy as np

from tricorn import config as settings
from tricorn import dtypes, limits
from tricorn.conventions import Conventions, conventions_of, set_conventions
from tricorn.engines import registry as engines
from tricorn.graph.symbolic import SymbolicTensor, is_symbolic, name_of, node_of
from tricorn.serialization import bytecode, operations
from tricorn.serialization.names import (
    UNEXPORTED,
    CustomObjectScope,
    builtin,
    builtin_function,
    by_suffix,
    custom_object_scope,
    get_custom_objects,
    get_registered_name,
    get_registered_object,
    is_registered,
    public_module,
    register_keras_serializable,
)
from tricorn.variable import Variable

__all__ = [
    "CustomObjectScope",
    "custom_object_scope",
    "deserialize_keras_object",
    "enable_unsafe_deserialization",
    "get_custom_objects",
    "get_registered_name",
    "get_registered_object",
    "in_safe_mode",
    "register_keras_serializable",
    "serialize_keras_object",
    "serialize_shared",
    "sharing",
]

#: nesting of lists and dicts that a config may have
MAX_DEPTH = 200
_PLAIN = (str, int, float, bool)

_safe_mode: ContextVar[bool | None] = ContextVar("tricorn_safe_mode", default=None)
#: the configs being read, outermost first
_reading: ContextVar[tuple[dict, ...]] = ContextVar("tricorn_reading", default=())
_unsafe_allowed = False


# ---------------------------------------------------------------------------------- shared objects


class _Shared:
    """Objects met while one model is written or read."""

    def __init__(self) -> None:
        self.written: dict[int, Any] = {}
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


def serialize_shared(obj: Any) -> Any:
    """`serialize_keras_object`, with a mark (``shared_object_id``) on what stands there twice."""
    with sharing():
        data = serialize_keras_object(obj)
    counts = collections.Counter(config["shared_object_id"] for config in _marked(data))
    numbers = {mark: number for number, mark in enumerate(counts)}
    for config in list(_marked(data)):
        mark = config.pop("shared_object_id")
        if counts[mark] > 1:
            config["shared_object_id"] = numbers[mark]
    return data


def mark_first(data: Any) -> None:
    """Mark layers that stand in `data` twice where only the second one is marked: Keras forgets the
    mark of one inside an inner model, and so cannot read its own file."""
    counts = collections.Counter(config["shared_object_id"] for config in _marked(data))
    alone = {
        (config["class_name"], config["config"]["name"]): config
        for config in _marked(data)
        if counts[config["shared_object_id"]] == 1 and _is_named(config)
    }
    for config in list(_configs(data)) if alone else ():
        second = (
            alone.get((config["class_name"], config["config"]["name"]))
            if _is_named(config)
            else None
        )
        if second not in (None, config) and _unmarked(config["config"]) == _unmarked(
            second["config"]
        ):
            config["shared_object_id"] = second["shared_object_id"]


def _is_named(config: dict) -> bool:
    inner = config.get("config")
    return isinstance(inner, dict) and isinstance(inner.get("name"), str)


def _unmarked(data: Any) -> Any:
    """`data` without marks."""
    if isinstance(data, dict):
        return {key: _unmarked(value) for key, value in data.items() if key != "shared_object_id"}
    return [_unmarked(value) for value in data] if isinstance(data, list) else data


def _marked(data: Any) -> Iterator[dict]:
    """The configs in `data` that carry a mark."""
    return (config for config in _configs(data) if "shared_object_id" in config)


def _configs(data: Any) -> Iterator[dict]:
    """The configs in `data`."""
    pending = [data]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            if "class_name" in value:
                yield value
            pending.extend(value.values())
        elif isinstance(value, (list, tuple)):
            pending.extend(value)


# ----------------------------------------------------------------------------------------- writing


def serialize_keras_object(obj: Any) -> Any:
    """`obj` as plain data that JSON can hold; `deserialize_keras_object` is the inverse.

    Args:
        obj: None, a number, string, list, tuple, dict, bytes, slice, array, tensor, symbolic
            tensor, function, or an object with ``get_config``.

    Raises:
        TypeError: for something else.

    Source: the data forms are those of ``keras.saving.serialize_keras_object``.

    Example:
        >>> config = keras.saving.serialize_keras_object(keras.layers.Dense(3))
        >>> config["class_name"], config["config"]["units"]
        ('Dense', 3)
    """
    if obj is None or isinstance(obj, _PLAIN):
        return obj
    if isinstance(obj, _Lambda):
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
    engine = engines.owner_of(obj)
    if engine is None:
        return None
    if not engine.is_tensor(obj):
        obj = engine.tensor(obj, dtypes.standardize(obj.dtype))
    return _array_form("__tensor__", engine.numpy(obj))


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
    module, class_name, registered = _written_name(obj)
    config = {
        "module": module,
        "class_name": class_name,
        "config": serialize_keras_object(inner),
        "registered_name": registered,
    }
    for part in ("build_config", "compile_config"):
        value = getattr(obj, f"get_{part}", lambda: None)()
        if value is not None:
            config[part] = serialize_keras_object(value)
    if differences := conventions_of(obj).differences():
        config["conventions"] = differences
    if quantized := getattr(obj, "_tricorn_quantized", lambda: None)():
        config["quantized"] = serialize_keras_object(quantized)
    if registered is None and hasattr(obj, "_tricorn_today"):  # others do not have it
        today = serialize_keras_object(obj._tricorn_today()[0])
        config = {**config, "module": "keras.optimizers", "config": today, "original": config}
    shared = _shared.get()
    if shared is not None:
        shared.written[id(obj)] = obj  # kept alive, so that its id stays its own
        config["shared_object_id"] = id(obj)
    return config


def _written_name(obj: Any) -> tuple[str | None, str, str | None]:
    """(module, class name, registered name) that stand for an object's class in data.

    An object whose class is not written as what it is says so by ``serialized_as()``.
    """
    return obj.serialized_as() if hasattr(obj, "serialized_as") else written_name(type(obj))


def written_name(cls: type) -> tuple[str | None, str, str | None]:
    """(module, class name, registered name) that stand for a class in data."""
    module = None if is_registered(cls) else public_module(cls)
    if module is not None:
        return module, cls.__name__, cls.__name__ if cls.__name__ in UNEXPORTED else None
    module = None if cls.__module__ == "__main__" else cls.__module__
    return module, cls.__name__, get_registered_name(cls)


def _serialize_function(fn: Any) -> dict:
    if getattr(fn, "__name__", "") == "<lambda>" and get_registered_name(fn) == "<lambda>":
        return _dump_lambda(fn)
    name = get_registered_name(fn)
    registered = "function"  # Keras writes the name of the function's type here
    return {
        "module": "builtins", "class_name": "function", "config": name,
        "registered_name": registered,
    }  # fmt: skip


# ----------------------------------------------------------------------------------------- lambdas


class _Lambda(dict):
    """The data of a lambda, and the function itself as long as they were not written to a file."""

    function: Callable


def _dump_lambda(fn: types.FunctionType) -> dict:
    """A lambda's bytecode in both forms that Keras reads, with the Python that wrote it."""
    try:
        code, *values = bytecode.dump(fn)
        defaults, closure = map(serialize_keras_object, values)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"the lambda {fn.__qualname__} cannot be written ({error}); use a named function and "
            "register it with register_keras_serializable()"
        ) from error
    config = {"code": code, "defaults": defaults, "closure": closure}
    both = {**config, "value": [code, defaults, closure], "python": bytecode.PYTHON}
    found = _Lambda(class_name="__lambda__", config=both)
    found.function = fn
    return found


def _load_lambda(config: dict, inner: dict) -> Callable:
    """The function passed under the owner's name, or that the config has with it; else, outside
    safe mode, the bytecode."""
    owner = _owner_name()
    passed = None if owner is None else get_registered_object(owner)
    if isinstance(passed, types.FunctionType) or (
        callable(passed) and not isinstance(passed, type)
    ):
        return passed
    if isinstance(config, _Lambda):
        return config.function
    remedy = (
        f"pass the function: load_model(..., custom_objects={{{owner or 'the name'!r}: function}})"
    )
    if in_safe_mode():
        raise ValueError(
            f"{_place(config)} is the bytecode of a Python lambda, which could do anything when "
            f"run; {remedy}, or, when you trust the file, pass safe_mode=False"
        )
    parts = [inner.get(part) for part in ("code", "defaults", "closure")]
    if parts[0] is None and isinstance(inner.get("value"), list) and len(inner["value"]) == 3:
        parts = inner["value"]
    code, defaults, closure = parts[0], *map(deserialize_keras_object, parts[1:])
    try:
        python = inner.get("python")
        return bytecode.load(code, defaults, closure, python, get_registered_object)
    except ValueError as error:
        raise ValueError(
            f"the bytecode of {_place(config)} cannot be run: {error}; {remedy}"
        ) from error


def _owner_name() -> str | None:
    """The name of the innermost object being read."""
    stack = _reading.get()
    inner = stack[-1].get("config") if stack else None
    name = inner.get("name") if isinstance(inner, dict) else None
    return name if isinstance(name, str) else None


# ----------------------------------------------------------------------------------------- reading


def enable_unsafe_deserialization() -> None:
    """Let lambdas' bytecode be loaded everywhere in this process, as with ``safe_mode=False``.

    Example:
        >>> # keras.config.enable_unsafe_deserialization(), for files of your own only
    """
    global _unsafe_allowed
    _unsafe_allowed = True


def in_safe_mode() -> bool:
    """Whether bytecode in data is refused here; True unless a loading around said otherwise."""
    mode = _safe_mode.get()
    return not _unsafe_allowed if mode is None else mode


def refuse_unless_trusted(what: str) -> None:
    """What the constructor of a class would do for a config, and must not do for anyone's.

    Raises:
        ValueError: in safe mode.
    """
    if in_safe_mode():
        raise ValueError(f"the config holds {what}; when you trust it, pass safe_mode=False")


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

    Example:
        >>> config = keras.saving.serialize_keras_object(keras.layers.Dense(3))
        >>> keras.saving.deserialize_keras_object(config).units
        3
    """
    if not _reading.get():
        check_tree(config)
    mode = _safe_mode.get()
    if mode is None:
        mode = safe_mode is not False and not _unsafe_allowed  # None, 0 and the like are no consent
    token = _safe_mode.set(mode)
    try:
        with CustomObjectScope(custom_objects), limits.budget():
            if module_objects is not None and isinstance(config, str):
                found = get_registered_object(config, module_objects=module_objects)
                return config if found is None else found
            return _deserialize(config, module_objects)
    finally:
        _safe_mode.reset(token)


def check_tree(config: Any) -> None:
    """Raise ValueError when data is nested too deep, has keys that are not strings, or more values
    than the limit of loading has room for: in YAML one list may stand in many places."""
    level, depth = [config], 0
    count, most = 0, settings.loading_limit() // 128
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise ValueError(f"the config is nested deeper than {MAX_DEPTH} levels")
        below: list = []
        for value in level:
            count += len(value) if isinstance(value, (dict, list, tuple)) else 0
            if count > most:
                raise ValueError(
                    f"the config has more than {most:,} values. When you trust it, allow more by "
                    "config.set_loading_limit(bytes)"
                )
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
    if "original" in config:
        _expect(config, "original", config["original"], dict)
        shared = {key: config[key] for key in ("shared_object_id",) if key in config}
        return _deserialize({**config["original"], **shared}, module_objects)
    class_name: str = config["class_name"]
    inner: Any = config["config"]
    _expect(config, "class_name", class_name, str)
    for key in ("module", "registered_name"):
        _expect(config, key, config.get(key), str, type(None))
    inner = {} if inner is None else inner
    if class_name == "function":
        _expect(config, "config", inner, str)
        return _find(config, inner, True, module_objects)
    _expect(config, "config", inner, dict)
    if class_name == "__lambda__":
        return _load_lambda(config, inner)
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
        return build(inner)
    except KeyError as error:
        raise ValueError(f"{_place(config)}: {error} is missing in its config") from error
    except (TypeError, ValueError, AttributeError, OverflowError) as error:
        raise ValueError(f"{_place(config)} is damaged: {error}") from error


def _read_array(inner: dict) -> np.ndarray:
    dtype = dtypes.standardize(inner["dtype"])
    if dtype == "string":
        raise TypeError("an array of strings")
    return np.array(inner["value"], dtypes.to_numpy(dtype))


def _read_tensor(inner: dict) -> Any:
    return engines.process().tensor(_read_array(inner), dtypes.standardize(inner["dtype"]))


def _read_symbolic(inner: dict) -> Any:
    shape = tuple(inner["shape"])
    if not all(n is None or (isinstance(n, int) and n >= 0) for n in shape):
        raise TypeError(f"the shape {_short(shape)}")
    tensor = SymbolicTensor(shape, dtypes.standardize(inner["dtype"]))
    #: where the tensor came from in the model that was written: (layer's name, call, output)
    tensor.written_history = inner.get("keras_history")  # type: ignore[attr-defined]
    return tensor


_SPECIAL: dict[str, Callable] = {
    "__bytes__": lambda inner: inner["value"].encode("utf-8"),
    "__ellipsis__": lambda inner: Ellipsis,
    "__slice__": lambda inner: slice(*(_deserialize(inner[part], None) for part in _SLICE)),
    "__numpy__": _read_array,
    "__tensor__": _read_tensor,
    "__keras_tensor__": _read_symbolic,
}


def _instance(config: dict, inner: dict, module_objects: Mapping[str, Any] | None) -> Any:
    shared, key = _shared.get(), config.get("shared_object_id")
    if shared is not None and isinstance(key, (int, str)) and key in shared.made:
        return shared.made[key]
    cls = _find(config, config["class_name"], False, module_objects)
    if operations.is_op(cls):
        return operations.from_config(cls, _deserialize(inner, None))
    if not isinstance(cls, type):
        return cls
    if not hasattr(cls, "from_config"):
        raise TypeError(f"{_place(config)}: {cls.__name__} has no from_config() method")
    token = _reading.set((*_reading.get(), config))
    try:
        instance = cls.from_config(inner)
        _finish(instance, config)
    except (ValueError, TypeError, NotImplementedError) as error:
        _note_place(error)
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
    conventions, quantized = config.get("conventions"), config.get("quantized")
    for key, value in (
        ("build_config", build), ("compile_config", compile_), ("conventions", conventions),
        ("quantized", quantized),
    ):  # fmt: skip
        _expect(config, key, value, dict, type(None))
    if conventions:
        set_conventions(instance, Conventions(**conventions))
    if build and not getattr(instance, "built", True):
        instance.build_from_config(build)
        instance.built = True
    if quantized and hasattr(instance, "_tricorn_quantize_again"):
        instance._tricorn_quantize_again(deserialize_keras_object(quantized))
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
    if operations.is_op_module(module):
        found = operations.find(name)
    elif function:
        found = builtin_function(module or "", name) or by_suffix(name)
    else:
        found = builtin(module or "", name)
    if found is None:
        raise TypeError(_unknown(config, name, registered, module, function))
    return found


def _keras(module: str) -> bool:
    return module == "builtins" or module.partition(".")[0] == "keras"


def _unknown(
    config: dict, name: str, registered: str | None, module: str | None, function: bool
) -> str:
    kind = "function" if function else "class"
    layer = not function and (module is None or ".layers" in module)
    what = f"{_place(config)}: {f'Unknown layer: {name!r}, ' * layer}the {kind} {name!r}"
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


def layer_of(entry: Any) -> Any:
    """The layer that an entry in a model's config describes.

    Raises:
        ValueError: a class that is not known, in an entry as Keras 2 wrote it, without a module.
        TypeError: likewise, in another entry.
    """
    try:
        return deserialize_keras_object(entry)
    except TypeError as error:
        if not isinstance(entry, dict) or "module" in entry or "Unknown layer" not in str(error):
            raise
        raise ValueError(str(error)) from error


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


def _note_place(error: BaseException) -> None:
    """Say once, in a note, which object was being made when `error` was raised."""
    if not getattr(error, "_tricorn_placed", False):
        error._tricorn_placed = True  # type: ignore[attr-defined]
        error.add_note(f"raised while making {_place()}")
