"""MobileNet: convolutions of each channel by itself, and of size 1 across them."""

from __future__ import annotations

import functools
import os
import warnings
from typing import Any

from tricorn.applications.architecture import (
    Architecture,
    Builder,
    Files,
    chain,
    named,
)
from tricorn.applications.imagenet_utils import decode_predictions, preprocessing

#: strides and filters of the blocks
_BLOCKS = [(1, 64), (2, 128), (1, 128), (2, 256), (1, 256), (2, 512), *[(1, 512)] * 5, (2, 1024),
           (1, 1024)]  # fmt: skip


def body(build: Builder, x: Any, alpha: float, depth_multiplier: int, padded: bool = False) -> Any:
    """The features; `padded`: the first convolution has its padding in a layer of its own, at the
    end."""
    layers, norm = build.layers, build.norm
    pad = functools.partial(layers.ZeroPadding2D, ((0, 1), (0, 1)))
    pointwise = functools.partial(layers.Conv2D, padding="same", use_bias=False)
    relu = lambda name: layers.ReLU(6.0, name=name)
    first, padding = ([pad(name="conv1_pad")], "valid") if padded else ([], "same")
    conv = layers.Conv2D(
        int(32 * alpha), 3, strides=2, padding=padding, use_bias=False, name="conv1"
    )
    x = chain(x, *first, conv, norm("conv1_bn"), relu("conv1_relu"))
    for number, (stride, filters) in enumerate(_BLOCKS, 1):
        depthwise, across = f"conv_dw_{number}", f"conv_pw_{number}"
        x = chain(
            x,
            *([pad(name=f"conv_pad_{number}")] if stride == 2 else []),
            layers.DepthwiseConv2D(
                3,
                strides=stride,
                padding="valid" if stride == 2 else "same",
                depth_multiplier=depth_multiplier,
                use_bias=False,
                name=depthwise,
            ),
            norm(f"{depthwise}_bn"),
            relu(f"{depthwise}_relu"),
            pointwise(int(filters * alpha), 1, name=across),
            norm(f"{across}_bn"),
            relu(f"{across}_relu"),
        )
    return x


def top(build: Builder, x: Any, dropout: float) -> Any:
    """The classifier, convolutions too."""
    layers = build.layers
    return chain(
        x,
        layers.GlobalAveragePooling2D(keepdims=True),
        layers.Dropout(dropout, name="dropout"),
        layers.Conv2D(build.classes, 1, padding="same", name="conv_preds"),
        layers.Reshape((build.classes,), name="reshape_2"),
        layers.Activation(build.classifier_activation, name="predictions"),
    )


def for_images(
    found: Architecture, build: Builder, alpha: float, sides: tuple[int, ...],
    widths: tuple[float, ...], stem: str,
) -> Architecture:  # fmt: skip
    """An architecture whose name and weights are those for the size of a model's images.

    Args:
        alpha: width of the network.
        sides: of the images that networks were trained on.
        widths: that were trained.
        stem: of the names of files, with ``{rows}``.

    Raises:
        ValueError: weights are asked for in a width that was not trained.
    """
    pretrained, tensor = build.weights == "imagenet", build.input_tensor
    if pretrained and alpha not in widths:
        raise ValueError(
            f'{found.title}: with weights="imagenet" alpha can be one of '
            f"{', '.join(map(str, widths))}, got {alpha!r}"
        )
    shape = build.input_shape if tensor is None else tensor.shape[1:]
    if shape is None:
        shape = found.shape(build)
    rows, *rest = shape[1:] if build.axis == 1 else shape[:-1]
    known = rest == [rows] and rows in sides
    found = found._replace(size=rows if known else 224)
    if pretrained and not known:
        rows = 224
        warnings.warn(
            f"{found.title}: `input_shape` is undefined, not square, or of a size that no weights "
            "are for; those for 224x224 are loaded",
            stacklevel=3,
        )
    stem = stem.format(rows=rows)
    return found._replace(
        name=f"{found.name}_{alpha:0.2f}_{rows}",
        files=found.files._replace(names=(f"{stem}.h5", f"{stem}_no_top.h5")),
    )


_BASE = Architecture("MobileNet", "mobilenet", body, Files("mobilenet", ("", "")), top=top)
_WIDTHS = {0.25: "2_5", 0.5: "5_0", 0.75: "7_5", 1.0: "1_0"}
_SOURCE = (
    "A. Howard et al., MobileNets: Efficient Convolutional Neural Networks for Mobile Vision "
    "Applications, 2017, https://arxiv.org/abs/1704.04861"
)


def architecture(
    build: Builder, alpha: float = 1.0, depth_multiplier: int = 1, dropout: float = 1e-3
) -> Architecture:
    """The network that a model is of."""
    if build.weights == "imagenet" and depth_multiplier != 1:
        raise ValueError(
            'MobileNet: with weights="imagenet" depth_multiplier must be 1, got '
            f"{depth_multiplier!r}"
        )
    found = _BASE._replace(
        body=functools.partial(body, alpha=alpha, depth_multiplier=depth_multiplier),
        top=functools.partial(top, dropout=dropout),
    )
    stem = f"mobilenet_{_WIDTHS.get(alpha)}_{{rows}}_tf"
    return for_images(found, build, alpha, (128, 160, 192, 224), tuple(_WIDTHS), stem)


def MobileNet(
    input_shape: Any = None,
    alpha: float = 1.0,
    depth_multiplier: int = 1,
    dropout: float = 1e-3,
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
    return architecture(build, alpha, depth_multiplier, dropout).build(build)


named(MobileNet, __name__, _BASE, _SOURCE)
preprocess_input = preprocessing("tf", __name__)

__all__ = ["MobileNet", "decode_predictions", "preprocess_input"]

__dir__ = lambda: list(__all__)
