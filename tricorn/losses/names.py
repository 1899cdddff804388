"""The names that losses are known by."""

from __future__ import annotations

from typing import Any

from tricorn.losses import crossentropy, regression, similarity
from tricorn.losses.base import Loss
from tricorn.losses.hinge import (
    CategoricalHinge,
    Hinge,
    SquaredHinge,
    categorical_hinge,
    hinge,
    squared_hinge,
)
from tricorn.serialization import registry
from tricorn.serialization.catalogue import Catalogue, members

_ABBREVIATIONS = {
    "bce": crossentropy.binary_crossentropy,
    "kld": crossentropy.kl_divergence,
    "mae": regression.mean_absolute_error,
    "mse": regression.mean_squared_error,
    "mape": regression.mean_absolute_percentage_error,
    "msle": regression.mean_squared_logarithmic_error,
}
catalogue = Catalogue(
    "losses",
    "loss",
    # the package has the function `hinge` where its module was
    (
        *members((crossentropy, regression, similarity), Loss),
        Hinge, SquaredHinge, CategoricalHinge, hinge, squared_hinge, categorical_hinge,
    ),
    {**_ABBREVIATIONS, **{name.upper(): fn for name, fn in _ABBREVIATIONS.items()}},
)  # fmt: skip
get = catalogue.get


def serialize(loss: Any) -> Any:
    """The config that describes a loss; of a function its name.

    Example:
        >>> keras.losses.serialize(keras.losses.MeanSquaredError())["class_name"]
        'MeanSquaredError'
    """
    return registry.serialize_keras_object(loss)


def deserialize(name: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """The loss that a config, or a name, describes.

    Args:
        name: what `serialize` gave.
        custom_objects: name -> class or function, for what the library does not know.

    Example:
        >>> keras.losses.deserialize({"class_name": "Huber", "config": {"delta": 2.0}}).delta
        2.0
    """
    return catalogue.deserialize(name, custom_objects)
