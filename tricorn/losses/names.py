"""The names that losses are known by."""

from __future__ import annotations

from tricorn.losses import crossentropy, hinge, regression, similarity
from tricorn.losses.base import Loss
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
    members((crossentropy, regression, hinge, similarity), Loss),
    {**_ABBREVIATIONS, **{name.upper(): fn for name, fn in _ABBREVIATIONS.items()}},
)
