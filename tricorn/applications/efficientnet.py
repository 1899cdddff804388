"""EfficientNet: MobileNet's blocks, whose width, depth and size of images grow together."""

from __future__ import annotations

import functools
import math
from typing import Any

from tricorn.applications.architecture import (
    Application,
    Architecture,
    Builder,
    Files,
    application,
    chain,
    named_pooled,
)
from tricorn.applications.imagenet_utils import decode_predictions, preprocessing
from tricorn.applications.mobilenet_v2 import divisible
from tricorn.initializers import VarianceScaling

#: how blocks with a residual are left out: up to this rate, in the last block
DROP_RATE = 0.2


def conv(build: Builder, *arguments: Any, **settings: Any) -> Any:
    """A convolution of these networks."""
    settings = {"padding": "same", "use_bias": False, **settings}
    initializer = VarianceScaling(2.0, "fan_out", "truncated_normal")
    return build.layers.Conv2D(*arguments, kernel_initializer=initializer, **settings)


def depthwise(build: Builder, size: int, stride: int, padding: str, name: str) -> Any:
    initializer = VarianceScaling(2.0, "fan_out", "truncated_normal")
    return build.layers.DepthwiseConv2D(
        size, stride, padding=padding, use_bias=False, depthwise_initializer=initializer, name=name
    )


def swish(build: Builder, name: str) -> Any:
    return build.layers.Activation("swish", name=name)


def squeezed(build: Builder, x: Any, filters: int, name: str) -> Any:
    """`x` with its channels scaled by what all places say together."""
    layers, channels = build.layers, build.channels(x)
    found = chain(
        x,
        layers.GlobalAveragePooling2D(name=f"{name}se_squeeze"),
        layers.Reshape(
            (channels, 1, 1) if build.axis == 1 else (1, 1, channels), name=f"{name}se_reshape"
        ),
        conv(build, filters, 1, use_bias=True, activation="swish", name=f"{name}se_reduce"),
        conv(build, channels, 1, use_bias=True, activation="sigmoid", name=f"{name}se_expand"),
    )
    return layers.Multiply(name=f"{name}se_excite")([x, found])


def added(build: Builder, x: Any, before: Any, rate: float, name: str) -> Any:
    """`x`, left out in training for `rate` of the images, and what came in."""
    if rate:
        x = build.layers.Dropout(rate, noise_shape=(None, 1, 1, 1), name=f"{name}drop")(x)
    return build.layers.Add(name=f"{name}add")([x, before])


def end(build: Builder, x: Any, filters: int, norm: Any) -> Any:
    """The last convolution."""
    last = conv(build, filters, 1, name="top_conv")
    return chain(x, last, norm("top_bn"), swish(build, "top_activation"))


def top(build: Builder, x: Any, rate: float = 0.2) -> Any:
    """The classifier."""
    layers = build.layers
    x = layers.GlobalAveragePooling2D(name="avg_pool")(x)
    x = layers.Dropout(rate, name="top_dropout")(x)
    return build.logits(x, kernel_initializer=VarianceScaling(1 / 3, "fan_out", "uniform"))


#: blocks of each stage, channels out of it, size of windows, stride
_STAGES = [(1, 16, 3, 1), (2, 24, 3, 2), (2, 40, 5, 2), (3, 80, 3, 2), (3, 112, 5, 1),
           (4, 192, 5, 2), (1, 320, 3, 1)]  # fmt: skip
_DEVIATIONS = (0.229, 0.224, 0.225)


def _body(build: Builder, x: Any, width: float, depth: float) -> Any:
    layers = build.layers
    rounded = lambda filters: divisible(filters * width)
    x = chain(x, layers.Rescaling(1 / 255), layers.Normalization(axis=build.axis))
    if build.weights == "imagenet":
        # the weights were trained on pixels over their variances, `Normalization` divides by
        # deviations
        scale: Any = [1 / math.sqrt(deviation) for deviation in _DEVIATIONS]
        if build.axis == 1:
            scale = [[[value]] for value in scale]
        x = layers.Rescaling(scale)(x)
    x = build.strided_pad(x, 3, "stem_conv_pad")
    x = chain(
        x,
        conv(build, rounded(32), 3, 2, padding="valid", name="stem_conv"),
        build.norm("stem_bn"),
        swish(build, "stem_activation"),
    )
    repeats = [math.ceil(depth * count) for count, *_ in _STAGES]
    done, count = 0, sum(repeats)
    for stage, ((_, filters, size, first_stride), repeat) in enumerate(zip(_STAGES, repeats), 1):
        for number in range(repeat):
            name, before = f"block{stage}{chr(97 + number)}_", x
            channels, stride = build.channels(x), first_stride if number == 0 else 1
            if stage > 1:
                x = chain(
                    x,
                    conv(build, 6 * channels, 1, name=f"{name}expand_conv"),
                    build.norm(f"{name}expand_bn"),
                    swish(build, f"{name}expand_activation"),
                )
            if stride == 2:
                x = build.strided_pad(x, size, f"{name}dwconv_pad")
            x = chain(
                x,
                depthwise(build, size, stride, "valid" if stride == 2 else "same", f"{name}dwconv"),
                build.norm(f"{name}bn"),
                swish(build, f"{name}activation"),
            )
            x = squeezed(build, x, max(1, channels // 4), name)
            x = conv(build, rounded(filters), 1, name=f"{name}project_conv")(x)
            x = build.norm(f"{name}project_bn")(x)
            if stride == 1 and channels == rounded(filters):
                x = added(build, x, before, DROP_RATE * done / count, name)
            done += 1
    return end(build, x, rounded(1280), build.norm)


#: width, depth, size of images, rate of dropout, hashes
_VARIANTS = {
    "b0": (1.0, 1.0, 224, 0.2, "902e53a9f72be733fc0bcb005b3ebbac 50bc09e76180e00e4465e1a485ddc09d"),
    "b1": (1.0, 1.1, 240, 0.2, "1d254153d4ab51201f1646940f018540 74c4e6b3e1f6a1eea24c589628592432"),
    "b2": (1.1, 1.2, 260, 0.3, "b15cce36ff4dcbd00b6dd88e7857a6ad 111f8e2ac8aa800a7a99e3239f7bfb39"),
    "b3": (1.2, 1.4, 300, 0.3, "ffd1fdc53d0ce67064dc6a9c7960ede0 af6d107764bb5b1abb91932881670226"),
    "b4": (1.4, 1.8, 380, 0.4, "18c95ad55216b8f92d7e70b3a046e2fc ebc24e6d6c33eaebbd558eafbeedf1ba"),
    "b5": (1.6, 2.2, 456, 0.4, "ace28f2a6363774853a83a0b21b9421a 38879255a25d3c92d5e44e04ae6cec6f"),
    "b6": (1.8, 2.6, 528, 0.5, "165f6e37dce68623721b423839de8be5 9ecce42647a20130c1f39a5d4cb75743"),
    "b7": (2.0, 3.1, 600, 0.5, "8c03f828fec3ef71311cd463b6759d99 cbcfe4450ddf6f3ad90b1b398090fe4a"),
}  # fmt: skip


def _make(variant: str) -> Application:
    width, depth, size, rate, hashes = _VARIANTS[variant]
    name = f"efficientnet{variant}"
    address = "https://storage.googleapis.com/keras-applications"
    found = Architecture(
        f"EfficientNet{variant.upper()}",
        name,
        functools.partial(_body, width=width, depth=depth),
        Files(address, (f"{name}.h5", f"{name}_notop.h5"), hashes),
        size,
        top=functools.partial(top, rate=rate),
        end=named_pooled,
    )
    source = (
        "M. Tan, Q. Le, EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks, "
        "2019, https://arxiv.org/abs/1905.11946"
    )
    return application(__name__, found, source)


(
    EfficientNetB0, EfficientNetB1, EfficientNetB2, EfficientNetB3, EfficientNetB4, EfficientNetB5,
    EfficientNetB6, EfficientNetB7,
) = map(_make, _VARIANTS)  # fmt: skip
preprocess_input = preprocessing(None, __name__)

__all__ = [
    "EfficientNetB0", "EfficientNetB1", "EfficientNetB2", "EfficientNetB3", "EfficientNetB4",
    "EfficientNetB5", "EfficientNetB6", "EfficientNetB7", "decode_predictions", "preprocess_input",
]  # fmt: skip

__dir__ = lambda: list(__all__)
