"""Xception: residual blocks of convolutions that treat space and channels apart."""

from __future__ import annotations

import functools
from typing import Any

from tricorn.applications.architecture import Architecture, Builder, application, chain, kernels
from tricorn.applications.imagenet_utils import decode_predictions, preprocessing


def _body(build: Builder, x: Any) -> Any:
    layers, norm, relu = build.layers, build.norm, build.relu
    conv = functools.partial(layers.Conv2D, use_bias=False)
    separable = functools.partial(
        layers.SeparableConv2D, kernel_size=3, padding="same", use_bias=False
    )
    for number, (filters, stride) in enumerate(((32, 2), (64, 1)), 1):
        name = f"block1_conv{number}"
        x = chain(
            x, conv(filters, 3, strides=stride, name=name), norm(f"{name}_bn"), relu(f"{name}_act")
        )

    def block(x: Any, number: int, *filters: int, halved: bool = True) -> Any:
        residual, name = x, f"block{number}"
        if halved:
            residual = chain(x, conv(filters[-1], 1, strides=2, padding="same"), norm())
        for part, count in enumerate(filters, 1):
            sepconv = f"{name}_sepconv{part}"
            if (number, part) != (2, 1):  # its input was activated already
                x = relu(f"{sepconv}_act")(x)
            x = chain(x, separable(count, name=sepconv), norm(f"{sepconv}_bn"))
        if halved:
            x = layers.MaxPooling2D(3, 2, padding="same", name=f"{name}_pool")(x)
        return layers.Add()([x, residual])

    x = block(x, 2, 128, 128)
    x = block(x, 3, 256, 256)
    x = block(x, 4, 728, 728)
    for number in range(5, 13):
        x = block(x, number, 728, 728, 728, halved=False)
    x = block(x, 13, 728, 1024)
    for number, count in enumerate((1536, 2048), 1):
        name = f"block14_sepconv{number}"
        x = chain(x, separable(count, name=name), norm(f"{name}_bn"), relu(f"{name}_act"))
    return x


_HASHES = "0a58e3b7378bc2990ea3b43d5981f1f6 b0042744bf5b25fce3cb969f33bebb97"
Xception = application(
    __name__,
    Architecture(
        "Xception",
        "xception",
        _body,
        kernels("xception", _HASHES),
        size=299,
        smallest=71,
    ),
    "F. Chollet, Xception: Deep Learning with Depthwise Separable Convolutions, 2016, "
    "https://arxiv.org/abs/1610.02357",
)
preprocess_input = preprocessing("tf", __name__)

__all__ = ["Xception", "decode_predictions", "preprocess_input"]

__dir__ = lambda: list(__all__)
