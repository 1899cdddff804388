"""Losses: classes for `compile`, and functions that give values per sample."""

from tricorn.losses import crossentropy, regression
from tricorn.losses.base import Loss, LossFunctionWrapper
from tricorn.losses.crossentropy import *
from tricorn.losses.hinge import (
    CategoricalHinge,
    Hinge,
    SquaredHinge,
    categorical_hinge,
    hinge,
    squared_hinge,
)
from tricorn.losses.names import catalogue, deserialize, get, serialize
from tricorn.losses.regression import *
from tricorn.losses.similarity import Circle, Dice, Tversky, circle, dice, tversky

__all__ = [
    "CategoricalHinge", "Circle", "Dice", "Hinge", "Loss", "LossFunctionWrapper", "SquaredHinge",
    "Tversky", "categorical_hinge", "circle", "deserialize", "dice", "get", "hinge", "serialize",
    "squared_hinge", "tversky",
]  # fmt: skip
__all__ += crossentropy.__all__
__all__ += regression.__all__

__dir__ = lambda: list(__all__)
