"""The activations of Keras 2.3.1."""

from __future__ import annotations

from typing import Any

import tricorn.activations as core
from tricorn import backend as K
from tricorn.backend import hard_sigmoid
from tricorn.classic.layers import Layer
from tricorn.classic.names import handed_on
from tricorn.classic.tools import deserialize_keras_object


def relu(x: Any, alpha: float = 0.0, max_value: float | None = None, threshold: float = 0.0) -> Any:
    """max(x, 0); with other arguments ``K.relu``."""
    return K.relu(x, alpha, max_value, threshold)


def get(identifier: Any) -> Any:
    """The activation that a name or a function stands for; None is linear."""
    return hard_sigmoid if identifier == "hard_sigmoid" else core.get(identifier)


def deserialize(name: Any, custom_objects: Any = None) -> Any:
    """The activation that a name, or a config, describes."""
    if name == "hard_sigmoid" and name not in (custom_objects or ()):
        return hard_sigmoid
    return core.deserialize(name, custom_objects)


__getattr__, __dir__ = handed_on(
    globals(),
    core,
    "Layer deserialize deserialize_keras_object elu exponential get hard_sigmoid linear relu selu "
    "serialize sigmoid softmax softplus softsign tanh",
)
