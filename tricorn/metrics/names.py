"""The names that metrics are known by.

A name in snake case gives the metric, not the function of that name, as in Keras 3.
"""

from __future__ import annotations

from typing import Any

from tricorn.metrics import accuracy, base, confusion, correlation, errors, iou
from tricorn.metrics.base import Metric
from tricorn.serialization import registry
from tricorn.serialization.catalogue import Catalogue, members

_ABBREVIATIONS = {
    "bce": errors.BinaryCrossentropy,
    "mse": errors.MeanSquaredError,
    "mae": errors.MeanAbsoluteError,
    "mape": errors.MeanAbsolutePercentageError,
    "msle": errors.MeanSquaredLogarithmicError,
}
_modules = (base, accuracy, errors, confusion, correlation, iou)
_classes = [obj for obj in members(_modules, Metric) if isinstance(obj, type)]
catalogue = Catalogue(
    "metrics",
    "metric",
    _classes,
    {**_ABBREVIATIONS, **{name.upper(): cls for name, cls in _ABBREVIATIONS.items()}},
    snake_case=True,
)
get, deserialize = catalogue.get, catalogue.deserialize


def serialize(metric: Any) -> Any:
    """The config that describes a metric; of a function its name.

    Example:
        >>> keras.metrics.serialize(keras.metrics.Mean(name="m"))["config"]["name"]
        'm'
    """
    return registry.serialize_keras_object(metric)
