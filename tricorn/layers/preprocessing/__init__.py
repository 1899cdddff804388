"""Layers that prepare data, before a model, in it or in a data pipeline."""

from tricorn.layers.preprocessing.categories import (
    CategoryEncoding,
    HashedCrossing,
    Hashing,
    IntegerLookup,
    StringLookup,
)
from tricorn.layers.preprocessing.numeric import (
    Discretization,
    Normalization,
    RandomFlip,
    Rescaling,
)
from tricorn.layers.preprocessing.text import TextVectorization

__all__ = [
    "CategoryEncoding",
    "Discretization",
    "HashedCrossing",
    "Hashing",
    "IntegerLookup",
    "Normalization",
    "RandomFlip",
    "Rescaling",
    "StringLookup",
    "TextVectorization",
]
