"""ResNet of 50 layers."""

from tricorn.applications.resnet import ResNet50, decode_predictions, preprocess_input

__all__ = ["ResNet50", "decode_predictions", "preprocess_input"]

__dir__ = lambda: list(__all__)
