"""``keras.applications`` of Keras 2.3.1, which is not here yet."""

from __future__ import annotations

from typing import Any

_MODULES = (
    "densenet imagenet_utils inception_resnet_v2 inception_v3 mobilenet mobilenet_v2 nasnet resnet "
    "resnet50 resnet_v2 vgg16 vgg19 xception"
)
_NAMES = (
    "DenseNet121 DenseNet169 DenseNet201 InceptionResNetV2 InceptionV3 MobileNet MobileNetV2 "
    "NASNetLarge NASNetMobile ResNet101 ResNet101V2 ResNet152 ResNet152V2 ResNet50 ResNet50V2 "
    "VGG16 VGG19 Xception keras_modules_injection preprocess_input decode_predictions"
)


def _missing(name: str) -> Any:
    def missing(*args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(
            f"keras.applications.{name} is not here yet; write the network with keras.layers and "
            "load its weights with load_weights"
        )

    missing.__name__ = missing.__qualname__ = name
    missing.__doc__ = f"Not here yet: {name}."
    return missing


globals().update({name: _missing(name) for name in _NAMES.split()})
__all__ = _NAMES.split()
