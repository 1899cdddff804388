"""The initializers of Keras 2.3.1."""

from __future__ import annotations

from typing import Any

import tricorn.initializers as core
from tricorn.classic.faces import Change, Written, face
from tricorn.classic.names import handed_on
from tricorn.classic.tools import deserialize_keras_object, serialize_keras_object
from tricorn.initializers import Ones, RandomNormal, RandomUniform, Zeros

normal = random_normal = RandomNormal
uniform = random_uniform = RandomUniform
one = ones = Ones
zero = zeros = Zeros


def _normal(given: dict[str, Any]) -> None:
    """What Keras 2 calls normal is cut off at two standard deviations."""
    if given["distribution"] == "normal":
        given["distribution"] = "truncated_normal"


VarianceScaling = face(
    core.VarianceScaling,
    Change({"distribution": "normal"}, "input_axes output_axes", adapt=_normal),
    (Written,),
    __name__,
)

__getattr__, __dir__ = handed_on(
    globals(),
    core,
    "Constant Identity Initializer Ones Orthogonal RandomNormal RandomUniform TruncatedNormal "
    "VarianceScaling Zeros constant deserialize deserialize_keras_object get glorot_normal "
    "glorot_uniform he_normal he_uniform identity lecun_normal lecun_uniform normal one ones "
    "orthogonal random_normal random_uniform serialize serialize_keras_object truncated_normal "
    "uniform zero zeros",
)
