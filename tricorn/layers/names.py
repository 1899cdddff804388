"""Layers as data."""

from __future__ import annotations

from typing import Any

from tricorn.serialization import registry


def serialize(layer: Any) -> Any:
    """The config that describes a layer, with its class; `deserialize` is the inverse.

    Example:
        >>> keras.layers.serialize(keras.layers.Dense(2))["class_name"]
        'Dense'
    """
    return registry.serialize_keras_object(layer)
