"""The names that losses are known by."""

from __future__ import annotations

import sys
from typing import Any

from tricorn.losses import crossentropy, regression, similarity
from tricorn.losses.base import Loss
from tricorn.losses.hinge import Hinge
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
#: the package has the function `hinge` where this module was
_hinge = sys.modules[Hinge.__module__]

catalogue = Catalogue(
    "losses",
    "loss",
    members((crossentropy, regression, _hinge, similarity), Loss),
    {**_ABBREVIATIONS, **{name.upper(): fn for name, fn in _ABBREVIATIONS.items()}},
)
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
