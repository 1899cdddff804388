"""Objects as the data of Keras 2, a class's name and a config, and back from tables of names."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from tricorn.serialization import names

#: marks a config that stands in another one in this form
_INSIDE = "__passive_serialization__"


def serialize_keras_object(instance: Any) -> Any:
    """An object as ``{"class_name": ..., "config": ...}``; a function as its name.

    Args:
        instance: something with ``get_config``, a function or class, or None.

    Raises:
        ValueError: for anything else.

    Source: the form is that of Keras 2.

    Example:
        >>> keras.legacy.saving.serialize_keras_object(keras.losses.mean_squared_error)
        'mean_squared_error'
    """
    if instance is None:
        return None
    instance = inspect.unwrap(instance)
    if hasattr(instance, "get_config"):
        config = {key: _inside(value) for key, value in instance.get_config().items()}
        return {"class_name": names.get_registered_name(type(instance)), "config": config}
    if hasattr(instance, "__name__"):
        return names.get_registered_name(instance)
    raise ValueError(f"Cannot serialize {instance!r} because it doesn't implement `get_config()`.")


def _inside(value: Any) -> Any:
    """A value of a config; what is plain already stays."""
    try:
        found = serialize_keras_object(value)
    except ValueError:
        return value
    return {**found, _INSIDE: True} if isinstance(found, dict) else found


def deserialize_keras_object(
    identifier: Any,
    module_objects: Mapping[str, Any] | None = None,
    custom_objects: Mapping[str, Any] | None = None,
    printable_module_name: str = "object",
) -> Any:
    """The object that `serialize_keras_object` wrote.

    Args:
        identifier: the data; None and functions are given back.
        module_objects: name -> class or function.  The library's own are not known by themselves:
            `keras.layers.deserialize` and its like know them.
        custom_objects: likewise; these, and what is registered, come first.
        printable_module_name: what one of them is called in errors.

    Raises:
        ValueError: for a name that is in no table, and data of another form.

    Example:
        >>> config = keras.legacy.saving.serialize_keras_object(keras.layers.Dense(3))
        >>> keras.legacy.saving.deserialize_keras_object(config, vars(keras.layers)).units
        3
    """
    tables = custom_objects, module_objects
    if identifier is None or inspect.isfunction(identifier):
        return identifier
    if isinstance(identifier, str):
        found = _find(identifier, tables, printable_module_name)
        return found() if inspect.isclass(found) else found
    if not isinstance(identifier, dict) or not {"class_name", "config"} <= identifier.keys():
        raise ValueError(
            f"Improper config format: could not interpret serialized {printable_module_name} "
            f"{identifier!r}; expected a name, or a dict with `class_name` and `config`"
        )
    cls = _find(identifier["class_name"], tables, printable_module_name)
    config = identifier["config"]
    if isinstance(config, dict):
        config = {key: _restored(key, value, tables) for key, value in config.items()}
    with names.CustomObjectScope(custom_objects):
        return cls.from_config(config) if hasattr(cls, "from_config") else cls(**config)


def _find(name: str, tables: tuple, kind: str) -> Any:
    found = names.get_registered_object(name, *tables)
    if found is None:
        raise ValueError(
            f"Unknown {kind}: {name!r}. Give it in `custom_objects` or `module_objects`, or use "
            "`keras.utils.custom_object_scope`"
        )
    return found


def _restored(key: str, value: Any, tables: tuple) -> Any:
    """A value of a config: objects in this form, and functions that the tables know."""
    if isinstance(value, dict) and _INSIDE in value:
        plain = {name: part for name, part in value.items() if name != _INSIDE}
        return deserialize_keras_object(plain, tables[1], tables[0], "config_item")
    if isinstance(value, str) and key != "name":
        found = names.get_registered_object(value, *tables)
        return found if inspect.isfunction(found) else value
    return value


__all__ = ["deserialize_keras_object", "serialize_keras_object"]
