"""VGG: blocks of 3×3 convolutions, and three dense layers."""

from __future__ import annotations

import functools
from typing import Any

from tricorn.applications.architecture import Architecture, Builder, application, chain, kernels
from tricorn.applications.imagenet_utils import decode_predictions, preprocessing

SOURCE = (
    "K. Simonyan, A. Zisserman, Very Deep Convolutional Networks for Large-Scale Image "
    "Recognition, 2015, https://arxiv.org/abs/1409.1556"
)


def _body(build: Builder, x: Any, later: int) -> Any:
    counts = (2, 2, later, later, later)
    for block, (count, filters) in enumerate(zip(counts, (64, 128, 256, 512, 512)), 1):
        for number in range(1, count + 1):
            x = build.layers.Conv2D(
                filters, 3, padding="same", activation="relu", name=f"block{block}_conv{number}"
            )(x)
        x = build.layers.MaxPooling2D(2, 2, name=f"block{block}_pool")(x)
    return x


def _top(build: Builder, x: Any) -> Any:
    dense = functools.partial(build.layers.Dense, 4096, activation="relu")
    x = chain(x, build.layers.Flatten(name="flatten"), dense(name="fc1"), dense(name="fc2"))
    return build.logits(x)


def vgg(number: int, later: int, hashes: str) -> Architecture:
    """VGG of `number` layers, with `later` convolutions in each of the last three blocks."""
    name = f"vgg{number}"
    body = functools.partial(_body, later=later)
    return Architecture(f"VGG{number}", name, body, kernels(name, hashes), top=_top)


_HASHES = "64373286793e3c8b2b4e3219cbf3544b 6d6bbae143d832006294945121d1f1fc"
VGG16 = application(__name__, vgg(16, 3, _HASHES), SOURCE)
preprocess_input = preprocessing("caffe", __name__)

__all__ = ["VGG16", "decode_predictions", "preprocess_input"]

__dir__ = lambda: list(__all__)
