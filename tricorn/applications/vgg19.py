"""VGG of 19 layers."""

from tricorn.applications.architecture import application
from tricorn.applications.imagenet_utils import decode_predictions
from tricorn.applications.vgg16 import SOURCE, preprocess_input, vgg

_HASHES = "cbe5617147190e668d6c5d5026f83318 253f8cb515780f3b799900260a226db6"
VGG19 = application(__name__, vgg(19, 4, _HASHES), SOURCE)

__all__ = ["VGG19", "decode_predictions", "preprocess_input"]

__dir__ = lambda: list(__all__)
