"""Objects as the data of Keras 2, and back."""

from tricorn.serialization.older import deserialize_keras_object, serialize_keras_object

__all__ = ["deserialize_keras_object", "serialize_keras_object"]

__dir__ = lambda: list(__all__)
