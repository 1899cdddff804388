"""The names that quantizers and their configurations are known by."""

from __future__ import annotations

from typing import Any

from tricorn.quantizers import base, configs
from tricorn.serialization import registry
from tricorn.serialization.catalogue import Catalogue, Configured, members

catalogue = Catalogue(
    "quantizers", "quantizer", members((base, configs), Configured), snake_case=True
)
deserialize = catalogue.deserialize


def get(identifier: Any, **kwargs: Any) -> Any:
    """The quantizer that an identifier stands for.

    Args:
        identifier: None (gives None), a name, a config, a class, or the object itself.
        kwargs: arguments for a name or a class.

    Raises:
        ValueError: for something else.

    Example:
        >>> keras.quantizers.get("abs_max_quantizer", axis=0).axis
        (0,)
    """
    if isinstance(identifier, (str, type)) and kwargs:
        kind = catalogue.objects.get(identifier) if isinstance(identifier, str) else identifier
        identifier = identifier if kind is None else kind(**kwargs)
    return catalogue.get(identifier)


def serialize(initializer: Any) -> Any:
    """The config that describes a quantizer.

    Args:
        initializer: the quantizer, by Keras's name of the argument.

    Example:
        >>> keras.quantizers.serialize(keras.quantizers.AbsMaxQuantizer())["class_name"]
        'AbsMaxQuantizer'
    """
    return registry.serialize_keras_object(initializer)
