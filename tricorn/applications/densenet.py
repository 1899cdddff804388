"""DenseNet: each block sees what all blocks before it found."""

from __future__ import annotations

import functools
from typing import Any

from tricorn.applications.architecture import (
    Application,
    Architecture,
    Builder,
    application,
    chain,
    kernels,
    named_pooled,
)
from tricorn.applications.imagenet_utils import decode_predictions, preprocessing


def _body(build: Builder, x: Any, depths: tuple[int, ...]) -> Any:
    layers, relu = build.layers, build.relu
    norm = functools.partial(build.norm, epsilon=1.001e-5)
    conv = functools.partial(layers.Conv2D, use_bias=False)
    x = chain(
        x,
        layers.ZeroPadding2D(3),
        conv(64, 7, strides=2, name="conv1_conv"),
        norm("conv1_bn"),
        relu("conv1_relu"),
        layers.ZeroPadding2D(1),
        layers.MaxPooling2D(3, 2, name="pool1"),
    )
    for stage, depth in enumerate(depths, 2):
        for number in range(1, depth + 1):
            name = f"conv{stage}_block{number}"
            found = chain(
                x,
                norm(f"{name}_0_bn"),
                relu(f"{name}_0_relu"),
                conv(128, 1, name=f"{name}_1_conv"),
                norm(f"{name}_1_bn"),
                relu(f"{name}_1_relu"),
                conv(32, 3, padding="same", name=f"{name}_2_conv"),
            )
            x = build.concatenated([x, found], f"{name}_concat")
        if stage < 5:
            name = f"pool{stage}"
            x = chain(
                x,
                norm(f"{name}_bn"),
                relu(f"{name}_relu"),
                conv(build.channels(x) // 2, 1, name=f"{name}_conv"),
                layers.AveragePooling2D(2, 2, name=f"{name}_pool"),
            )
    return chain(x, norm("bn"), relu("relu"))


#: layers -> (blocks of each stage, hashes)
_DEPTHS = {
    121: ((6, 12, 24, 16), "9d60b8095a5708f2dcce2bca79d332c7 30ee3e1110167f948a6b9946edeeb738"),
    169: ((6, 12, 32, 32), "d699b8f76981ab1b30698df4c175e90b b8c4d4c20dd625c148057b9ff1c1176b"),
    201: ((6, 12, 48, 32), "1ceb130c1ea1b78c3bf6114dbdfd8807 c13680b51ded0fb44dff2d8f86ac8bb1"),
}


def _make(number: int) -> Application:
    depths, hashes = _DEPTHS[number]
    name = f"densenet{number}"
    found = Architecture(
        f"DenseNet{number}",
        name,
        functools.partial(_body, depths=depths),
        kernels(name, hashes, "densenet"),
        end=named_pooled,
    )
    source = (
        "G. Huang et al., Densely Connected Convolutional Networks, 2016, "
        "https://arxiv.org/abs/1608.06993"
    )
    return application(__name__, found, source)


DenseNet121, DenseNet169, DenseNet201 = map(_make, _DEPTHS)
preprocess_input = preprocessing("torch", __name__)

__all__ = ["DenseNet121", "DenseNet169", "DenseNet201", "decode_predictions", "preprocess_input"]

__dir__ = lambda: list(__all__)
