"""MobileNet v3: v2's blocks with squeeze-and-excite and hard swish."""

from __future__ import annotations

import functools
import os
from typing import Any, NamedTuple

from tricorn.applications.architecture import (
    Application,
    Architecture,
    Builder,
    Files,
    chain,
    named,
    named_pooled,
)
from tricorn.applications.imagenet_utils import decode_predictions, preprocessing
from tricorn.applications.mobilenet_v2 import divisible, inverted, norm


class _Block(NamedTuple):
    """Factor of the channels inside, filters, size of windows, stride, and whether it has
    squeeze-and-excite and hard swish."""

    expansion: float
    filters: int
    size: int
    stride: int
    squeeze: bool
    swish: bool


_BLOCKS = {
    "small": [
        _Block(1, 16, 3, 2, True, False),
        _Block(72 / 16, 24, 3, 2, False, False),
        _Block(88 / 24, 24, 3, 1, False, False),
        _Block(4, 40, 5, 2, True, True),
        *[_Block(6, 40, 5, 1, True, True)] * 2,
        *[_Block(3, 48, 5, 1, True, True)] * 2,
        _Block(6, 96, 5, 2, True, True),
        *[_Block(6, 96, 5, 1, True, True)] * 2,
    ],
    "large": [
        _Block(1, 16, 3, 1, False, False),
        _Block(4, 24, 3, 2, False, False),
        _Block(3, 24, 3, 1, False, False),
        _Block(3, 40, 5, 2, True, False),
        *[_Block(3, 40, 5, 1, True, False)] * 2,
        _Block(6, 80, 3, 2, False, True),
        _Block(2.5, 80, 3, 1, False, True),
        *[_Block(2.3, 80, 3, 1, False, True)] * 2,
        *[_Block(6, 112, 3, 1, True, True)] * 2,
        _Block(6, 160, 5, 2, True, True),
        *[_Block(6, 160, 5, 1, True, True)] * 2,
    ],
}
#: kind and width -> hashes
_HASHES = {
    "large_0.75": "765b44a33ad4005b3ac83185abf1d0eb 40af19a13ebea4e2ee0c676887f69a2e",
    "large_1.0": "59e551e166be033d707958cf9e29a6a7 07fb09a5933dd0c8eaafa16978110389",
    "large_minimalistic_1.0": "675e7b876c45c57e9e63e6d90a36599c ec5221f64a2f6d1ef965a614bdae7973",
    "small_0.75": "cb65d4e5be93758266aa0a7f2c6708b7 ebdb5cc8e0b497cd13a7c275d475c819",
    "small_1.0": "8768d4c2e7dee89b9d02b2d03d65d862 d3e8ec802a04aa4fc771ee12a9a9b836",
    "small_minimalistic_1.0": "99cd97fb2fcdad2bf028eb838de69e37 cde8136e733e811080d9fcd8a252f7e4",
}


class _Choices(NamedTuple):
    """The arguments that these networks have besides."""

    alpha: float
    minimalistic: bool
    dropout_rate: float
    include_preprocessing: bool


def _activation(build: Builder, given: _Choices, swish: bool = True, name: str = "") -> Any:
    # `name` is not used: Keras counts these layers
    hard = swish and not given.minimalistic
    return build.layers.Activation("hard_swish") if hard else build.layers.ReLU()


def _squeezed(build: Builder, x: Any, name: str) -> Any:
    """`x` with its channels scaled by what all places say together."""
    layers, channels, name = build.layers, build.channels(x), f"{name}squeeze_excite"
    conv = functools.partial(layers.Conv2D, kernel_size=1, padding="same")
    found = chain(
        x,
        layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_avg_pool"),
        conv(divisible(channels * 0.25), name=f"{name}_conv"),
        layers.ReLU(name=f"{name}_relu"),
        conv(channels, name=f"{name}_conv_1"),
    )
    found = layers.ReLU(6.0)(found + 3.0) * (1.0 / 6.0)
    return layers.Multiply(name=f"{name}_mul")([x, found])


def _body(build: Builder, x: Any, kind: str, given: _Choices) -> Any:
    conv = functools.partial(build.layers.Conv2D, padding="same", use_bias=False)
    if given.include_preprocessing:
        x = build.layers.Rescaling(1 / 127.5, -1.0)(x)
    first = conv(16, 3, strides=2, name="conv")
    x = chain(x, first, norm(build, "conv_bn"), _activation(build, given))
    for number, block in enumerate(_BLOCKS[kind]):
        x = inverted(
            build,
            x,
            divisible(build.channels(x) * block.expansion) if number else None,
            divisible(block.filters * given.alpha),
            3 if given.minimalistic else block.size,
            block.stride,
            f"expanded_conv_{number}_" if number else "expanded_conv_",
            functools.partial(_activation, build, given, block.swish),
            _squeezed if block.squeeze and not given.minimalistic else None,
        )
    last = conv(divisible(build.channels(x) * 6), 1, name="conv_1")
    return chain(x, last, norm(build, "conv_1_bn"), _activation(build, given))


def _top(build: Builder, x: Any, filters: int, given: _Choices) -> Any:
    layers = build.layers
    conv = functools.partial(layers.Conv2D, kernel_size=1, padding="same")
    width = divisible(filters * given.alpha) if given.alpha > 1.0 else filters
    return chain(
        x,
        layers.GlobalAveragePooling2D(keepdims=True),
        conv(width, name="conv_2"),
        _activation(build, given),
        *([layers.Dropout(given.dropout_rate)] if given.dropout_rate > 0 else []),
        conv(build.classes, name="logits"),
        layers.Flatten(),
        layers.Activation(build.classifier_activation, name="predictions"),
    )


def _architecture(kind: str, filters: int, given: _Choices, weights: Any) -> Architecture:
    """The network of a kind, whose classifier has `filters` filters."""
    title = f"MobileNetV3{kind.capitalize()}"
    form = f"{kind}{'_minimalistic' * given.minimalistic}"
    hashes = _HASHES.get(f"{form}_{given.alpha}")
    if weights == "imagenet" and hashes is None:
        raise ValueError(
            f'{title}: with weights="imagenet" alpha can be 0.75 or 1.0, minimalistic 1.0 only; '
            f"got {given.alpha!r}"
        )
    stem = f"weights_mobilenet_v3_{form}_224_{given.alpha}_float"
    return Architecture(
        title,
        title,
        functools.partial(_body, kind=kind, given=given),
        Files("mobilenet_v3", (f"{stem}.h5", f"{stem}_no_top_v2.h5"), hashes),
        top=functools.partial(_top, filters=filters, given=given),
        end=named_pooled,
        fixed="",
    )


def _application(kind: str, filters: int) -> Application:
    plain = _architecture(kind, filters, _Choices(1.0, False, 0.2, True), None)

    def build(
        input_shape: Any = None, alpha: float = 1.0, minimalistic: bool = False,
        include_top: bool = True, weights: str | os.PathLike[str] | None = "imagenet",
        input_tensor: Any = None, classes: int = 1000, pooling: str | None = None,
        dropout_rate: float = 0.2, classifier_activation: Any = "softmax",
        include_preprocessing: bool = True, name: str = plain.name,
    ) -> Any:  # fmt: skip
        given = _Choices(float(alpha), minimalistic, dropout_rate, include_preprocessing)
        asked = Builder(
            include_top, weights, input_tensor, input_shape, pooling, classes,
            classifier_activation, name,
        )  # fmt: skip
        return _architecture(kind, filters, given, weights).build(asked)

    source = "A. Howard et al., Searching for MobileNetV3, 2019, https://arxiv.org/abs/1905.02244"
    return named(build, __name__, plain, source)


MobileNetV3Small = _application("small", 1024)
MobileNetV3Large = _application("large", 1280)
preprocess_input = preprocessing(None, __name__)

__all__ = ["MobileNetV3Large", "MobileNetV3Small", "decode_predictions", "preprocess_input"]

__dir__ = lambda: list(__all__)
