"""Inception-ResNet v2: blocks of branches, whose result is added to what came in."""

from __future__ import annotations

import functools
from typing import Any

from tricorn.applications.architecture import Architecture, Builder, application, chain, kernels
from tricorn.applications.imagenet_utils import decode_predictions, preprocessing
from tricorn.applications.inception_v3 import averaged, branch, stem
from tricorn.layers import Layer


class CustomScaleLayer(Layer):
    """``x + scale · y`` of a pair ``[x, y]``.

    Args:
        scale: a number.
    """

    def __init__(self, scale: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scale = scale

    def call(self, inputs: Any) -> Any:
        return inputs[0] + inputs[1] * self.scale


#: block -> (scale of what is added, how many, branches)
_BLOCKS: dict[str, tuple[float, int, tuple]] = {
    "block35": (0.17, 10, (((32, 1),), ((32, 1), (32, 3)), ((32, 1), (48, 3), (64, 3)))),
    "block17": (0.1, 20, (((192, 1),), ((128, 1), (160, (1, 7)), (192, (7, 1))))),
    "block8": (0.2, 10, (((192, 1),), ((192, 1), (224, (1, 3)), (256, (3, 1))))),
}


def body(build: Builder, x: Any, named: bool = False) -> Any:
    """The features; `named`: the layers that add have names of their own."""
    layers, part = build.layers, functools.partial(branch, build)

    def blocks(x: Any, kind: str) -> Any:
        scale, count, branches = _BLOCKS[kind]
        for number in range(1, count + 1):
            name = f"{kind}_{number}"
            found = build.concatenated([part(x, *each) for each in branches], f"{name}_mixed")
            same = layers.Conv2D(build.channels(x), 1, padding="same", name=f"{name}_conv")
            found = same(found)
            last = name == "block8_10"
            add = CustomScaleLayer(1.0 if last else scale, name=name if named else None)
            x = add([x, found])
            if not last:
                x = build.relu(f"{name}_ac")(x)
        return x

    x = stem(build, x)
    found = [part(x, (96, 1)), part(x, (48, 1), (64, 5)), part(x, (64, 1), (96, 3), (96, 3))]
    x = blocks(build.concatenated([*found, averaged(build, x, 64)], "mixed_5b"), "block35")
    half = (3, 2, "valid")
    found = [part(x, (384, *half)), part(x, (256, 1), (256, 3), (384, *half))]
    found.append(layers.MaxPooling2D(3, 2)(x))
    x = blocks(build.concatenated(found, "mixed_6a"), "block17")
    found = [
        part(x, (256, 1), (384, *half)),
        part(x, (256, 1), (288, *half)),
        part(x, (256, 1), (288, 3), (320, *half)),
        layers.MaxPooling2D(3, 2)(x),
    ]
    x = blocks(build.concatenated(found, "mixed_7a"), "block8")
    return chain(
        x,
        layers.Conv2D(1536, 1, padding="same", use_bias=False, name="conv_7b"),
        build.norm("conv_7b_bn", scale=False),
        build.relu("conv_7b_ac"),
    )


_HASHES = "e693bd0210a403b3192acc6073ad2e96 d19885ff4a710c122648d3b5c3b684e4"
InceptionResNetV2 = application(
    __name__,
    Architecture(
        "InceptionResNetV2",
        "inception_resnet_v2",
        body,
        kernels("inception_resnet_v2", _HASHES),
        size=299,
        smallest=75,
    ),
    "C. Szegedy et al., Inception-v4, Inception-ResNet and the Impact of Residual Connections on "
    "Learning, 2016, https://arxiv.org/abs/1602.07261",
)
preprocess_input = preprocessing("tf", __name__)

__all__ = ["InceptionResNetV2", "decode_predictions", "preprocess_input"]

__dir__ = lambda: list(__all__)
