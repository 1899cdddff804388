"""ResNet's second version."""

from tricorn.applications.imagenet_utils import decode_predictions, preprocessing
from tricorn.applications.resnet import family

ResNet50V2, ResNet101V2, ResNet152V2 = family(__name__, second=True)
preprocess_input = preprocessing("tf", __name__)

__all__ = ["ResNet50V2", "ResNet101V2", "ResNet152V2", "decode_predictions", "preprocess_input"]

__dir__ = lambda: list(__all__)
