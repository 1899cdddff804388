"""The regularizers of Keras 2.3.1."""

from __future__ import annotations

import tricorn.regularizers as core
from tricorn.classic.names import handed_on
from tricorn.classic.spellings import warn
from tricorn.classic.tools import deserialize_keras_object, serialize_keras_object
from tricorn.regularizers import L1L2


def l1(l: float = 0.01) -> L1L2:
    """l · Σ |x|."""
    return L1L2(l1=l)


def l2(l: float = 0.01) -> L1L2:
    """l · Σ x²."""
    return L1L2(l2=l)


def l1_l2(l1: float = 0.01, l2: float = 0.01) -> L1L2:
    """l1 · Σ |x| + l2 · Σ x²."""
    return L1L2(l1, l2)


def l1l2(l1: float = 0.01, l2: float = 0.01) -> L1L2:
    """Keras 1's name of `l1_l2`."""
    warn("l1l2 is Keras 1's spelling; write l1_l2")
    return L1L2(l1, l2)


activity_l1, activity_l2, activity_l1l2 = l1, l2, l1l2

__getattr__, __dir__ = handed_on(
    globals(),
    core,
    "L1L2 Regularizer deserialize deserialize_keras_object get l1 l1_l2 l2 serialize "
    "serialize_keras_object",
)
