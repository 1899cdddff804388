"""Layers as data."""

from __future__ import annotations

from typing import Any

from tricorn.serialization import registry


def serialize(layer: Any) -> Any:
    """The config that describes a layer, with its class; `deserialize` is the inverse."""
    return registry.serialize_keras_object(layer)
