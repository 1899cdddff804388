"""MobileNet v2: residual blocks that widen inside, with a narrow result."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any

from tricorn.applications.architecture import (
    Architecture,
    Builder,
    Files,
    chain,
    named,
    pooled_classifier,
)
from tricorn.applications.imagenet_utils import decode_predictions, preprocessing
from tricorn.applications.mobilenet import for_images

#: stride and filters of the blocks
_BLOCKS = [(1, 16), (2, 24), (1, 24), (2, 32), *[(1, 32)] * 2, (2, 64), *[(1, 64)] * 3,
           *[(1, 96)] * 3, (2, 160), *[(1, 160)] * 2, (1, 320)]  # fmt: skip


def divisible(value: float, divisor: int = 8) -> int:
    """A multiple of `divisor` near a value, at most a tenth below."""
    found = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return found + divisor if found < 0.9 * value else found


def norm(build: Builder, name: str) -> Any:
    return build.norm(name, epsilon=1e-3, momentum=0.999)


def inverted(
    build: Builder, x: Any, wide: int | None, filters: int, size: int, stride: int, name: str,
    activation: Callable[[str], Any], squeeze: Callable[..., Any] | None = None,
    ends: tuple[str, str] = ("depthwise_pad", "bn"),
) -> Any:  # fmt: skip
    """A block: it widens, sees each channel by itself, and narrows.

    Args:
        wide: number of channels inside; None: as many as come in.
        filters: number of channels out.
        size, stride: of the windows.
        activation: ``name -> layer``.
        squeeze: ``(builder, x, name) -> x``, before it narrows.
        ends: how names of paddings and normalizations end.
    """
    pad, end = ends
    before, channels = x, build.channels(x)
    conv = functools.partial(build.layers.Conv2D, kernel_size=1, padding="same", use_bias=False)
    if wide is not None:
        x = chain(x, conv(wide, name=f"{name}expand"), norm(build, f"{name}expand_{end}"))
        x = activation(f"{name}expand_relu")(x)
    padding = "same"
    if stride == 2:
        x, padding = build.strided_pad(x, size, f"{name}{pad}"), "valid"
    depthwise = build.layers.DepthwiseConv2D(
        size, strides=stride, padding=padding, use_bias=False, name=f"{name}depthwise"
    )
    x = chain(x, depthwise, norm(build, f"{name}depthwise_{end}"))
    x = activation(f"{name}depthwise_relu")(x)
    if squeeze is not None:
        x = squeeze(build, x, name)
    x = chain(x, conv(filters, name=f"{name}project"), norm(build, f"{name}project_{end}"))
    if stride == 1 and channels == filters:
        x = build.layers.Add(name=f"{name}add")([before, x])
    return x


def body(build: Builder, x: Any, alpha: float, padded: bool = False) -> Any:
    """The features; `padded`: the first convolution has its padding in a layer of its own."""
    conv = functools.partial(build.layers.Conv2D, use_bias=False)
    relu = lambda name: build.layers.ReLU(6.0, name=name)
    padding = "same"
    if padded:
        x, padding = build.strided_pad(x, 3, "Conv1_pad"), "valid"
    first = conv(divisible(32 * alpha), 3, strides=2, padding=padding, name="Conv1")
    x = chain(x, first, norm(build, "bn_Conv1"), relu("Conv1_relu"))
    for number, (stride, filters) in enumerate(_BLOCKS):
        name = f"block_{number}_" if number else "expanded_conv_"
        wide, filters = 6 * build.channels(x) if number else None, divisible(int(filters * alpha))
        x = inverted(build, x, wide, filters, 3, stride, name, relu, ends=("pad", "BN"))
    last = conv(divisible(1280 * max(alpha, 1.0)), 1, name="Conv_1")
    return chain(x, last, norm(build, "Conv_1_bn"), relu("out_relu"))


_BASE = Architecture(
    "MobileNetV2",
    "mobilenetv2",
    body,
    Files("mobilenet_v2", ("", "")),
    top=functools.partial(pooled_classifier, pool=None),
)


def architecture(build: Builder, alpha: float = 1.0) -> Architecture:
    """The network that a model is of."""
    found = _BASE._replace(body=functools.partial(body, alpha=alpha))
    stem = f"mobilenet_v2_weights_tf_dim_ordering_tf_kernels_{float(alpha)}_{{rows}}"
    sides, widths = (96, 128, 160, 192, 224), (0.35, 0.5, 0.75, 1.0, 1.3, 1.4)
    return for_images(found, build, alpha, sides, widths, stem)


def MobileNetV2(
    input_shape: Any = None,
    alpha: float = 1.0,
    include_top: bool = True,
    weights: str | os.PathLike[str] | None = "imagenet",
    input_tensor: Any = None,
    pooling: str | None = None,
    classes: int = 1000,
    classifier_activation: Any = "softmax",
    name: str | None = None,
) -> Any:
    build = Builder(
        include_top, weights, input_tensor, input_shape, pooling, classes, classifier_activation,
        name,
    )  # fmt: skip
    return architecture(build, alpha).build(build)


named(
    MobileNetV2,
    __name__,
    _BASE,
    "M. Sandler et al., MobileNetV2: Inverted Residuals and Linear Bottlenecks, 2018, "
    "https://arxiv.org/abs/1801.04381",
)
preprocess_input = preprocessing("tf", __name__)

__all__ = ["MobileNetV2", "decode_predictions", "preprocess_input"]

__dir__ = lambda: list(__all__)
