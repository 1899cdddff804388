"""The names that optimizers are known by; upper and lower case are the same."""

from __future__ import annotations

from typing import Any

from tricorn.optimizers import adafactor, adam, adaptive, loss_scale, multi_optimizer, muon, sgd
from tricorn.optimizers.base import Optimizer
from tricorn.serialization import registry
from tricorn.serialization.catalogue import Catalogue, members

catalogue = Catalogue(
    "optimizers",
    "optimizer",
    members((sgd, adam, adaptive, adafactor, muon, loss_scale, multi_optimizer), Optimizer),
    ignore_case=True,
    base=Optimizer,
)
get, deserialize = catalogue.get, catalogue.deserialize


def serialize(optimizer: Any) -> Any:
    """The config that describes an optimizer; of a function its name.

    Example:
        >>> keras.optimizers.serialize(keras.optimizers.SGD(0.5))["class_name"]
        'SGD'
    """
    return registry.serialize_keras_object(optimizer)
