"""Helpers around models and data."""

from tricorn.saving import (
    CustomObjectScope,
    custom_object_scope,
    deserialize_keras_object,
    get_custom_objects,
    get_registered_name,
    get_registered_object,
    register_keras_serializable,
    serialize_keras_object,
)
from tricorn.seeds import set_random_seed
from tricorn.utils.confusion import confusion_matrix
from tricorn.utils.kernels import (
    convert_all_kernels_in_model,
    convert_dense_weights_data_format,
    convert_kernel,
)
from tricorn.utils.numerical import normalize, to_categorical
from tricorn.utils.session import clear_session

__all__ = [
    "CustomObjectScope",
    "clear_session",
    "confusion_matrix",
    "convert_all_kernels_in_model",
    "convert_dense_weights_data_format",
    "convert_kernel",
    "custom_object_scope",
    "deserialize_keras_object",
    "get_custom_objects",
    "get_registered_name",
    "get_registered_object",
    "normalize",
    "register_keras_serializable",
    "serialize_keras_object",
    "set_random_seed",
    "to_categorical",
]

__dir__ = lambda: list(__all__)
