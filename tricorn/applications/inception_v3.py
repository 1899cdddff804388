"""Inception v3: blocks of branches with windows of several sizes, joined by their channels."""

from __future__ import annotations

import functools
from typing import Any

from tricorn.applications.architecture import Architecture, Builder, application, chain, kernels
from tricorn.applications.imagenet_utils import decode_predictions, preprocessing


def conv(
    build: Builder, x: Any, filters: int, size: Any, stride: int = 1, padding: str = "same",
) -> Any:  # fmt: skip
    """A convolution, normalized and activated."""
    made = build.layers.Conv2D(filters, size, strides=stride, padding=padding, use_bias=False)
    return chain(x, made, build.norm(scale=False), build.relu())


def branch(build: Builder, x: Any, *convolutions: tuple) -> Any:
    """One convolution after the other."""
    for arguments in convolutions:
        x = conv(build, x, *arguments)
    return x


def stem(build: Builder, x: Any) -> Any:
    """The layers before the first block."""
    pool = functools.partial(build.layers.MaxPooling2D, 3, 2)
    x = branch(build, x, (32, 3, 2, "valid"), (32, 3, 1, "valid"), (64, 3))
    x = branch(build, pool()(x), (80, 1, 1, "valid"), (192, 3, 1, "valid"))
    return pool()(x)


def averaged(build: Builder, x: Any, filters: int) -> Any:
    """The branch of means."""
    x = build.layers.AveragePooling2D(3, 1, padding="same")(x)
    return conv(build, x, filters, 1)


def _body(build: Builder, x: Any) -> Any:
    part = functools.partial(branch, build)
    high, wide = (7, 1), (1, 7)
    x = stem(build, x)
    for number, last in enumerate((32, 64, 64)):
        found = [part(x, (64, 1)), part(x, (48, 1), (64, 5)), part(x, (64, 1), (96, 3), (96, 3))]
        x = build.concatenated([*found, averaged(build, x, last)], f"mixed{number}")
    found = [part(x, (384, 3, 2, "valid")), part(x, (64, 1), (96, 3), (96, 3, 2, "valid"))]
    x = build.concatenated([*found, build.layers.MaxPooling2D(3, 2)(x)], "mixed3")
    for number, n in enumerate((128, 160, 160, 192), 4):
        found = [
            part(x, (192, 1)),
            part(x, (n, 1), (n, wide), (192, high)),
            part(x, (n, 1), (n, high), (n, wide), (n, high), (192, wide)),
        ]
        x = build.concatenated([*found, averaged(build, x, 192)], f"mixed{number}")
    found = [
        part(x, (192, 1), (320, 3, 2, "valid")),
        part(x, (192, 1), (192, wide), (192, high), (192, 3, 2, "valid")),
    ]
    x = build.concatenated([*found, build.layers.MaxPooling2D(3, 2)(x)], "mixed8")
    for number in range(2):

        def split(x: Any, name: str | None = None) -> Any:
            return build.concatenated([part(x, (384, (1, 3))), part(x, (384, (3, 1)))], name)

        found = [
            part(x, (320, 1)),
            split(part(x, (384, 1)), f"mixed9_{number}"),
            split(part(x, (448, 1), (384, 3))),
        ]
        x = build.concatenated([*found, averaged(build, x, 192)], f"mixed{9 + number}")
    return x


_HASHES = "9a0d58056eeedaa3f26cb7ebd46da564 bcbd6486424b2319ff4ef7d526e38f63"
InceptionV3 = application(
    __name__,
    Architecture(
        "InceptionV3",
        "inception_v3",
        _body,
        kernels("inception_v3", _HASHES),
        size=299,
        smallest=75,
    ),
    "C. Szegedy et al., Rethinking the Inception Architecture for Computer Vision, 2015, "
    "https://arxiv.org/abs/1512.00567",
)
preprocess_input = preprocessing("tf", __name__)

__all__ = ["InceptionV3", "decode_predictions", "preprocess_input"]

__dir__ = lambda: list(__all__)
