"""ResNet: blocks whose result is added to what came in; and its second version, in which
normalization and activation come before each convolution."""

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

EPSILON = 1.001e-5


def _block(build: Builder, x: Any, filters: int, stride: int, first: bool, name: str) -> Any:
    conv, norm, relu = (
        build.layers.Conv2D,
        functools.partial(build.norm, epsilon=EPSILON),
        build.relu,
    )
    shortcut = x
    if first:
        shortcut = chain(
            x, conv(4 * filters, 1, strides=stride, name=f"{name}_0_conv"), norm(f"{name}_0_bn")
        )
    x = chain(
        x,
        conv(filters, 1, strides=stride, name=f"{name}_1_conv"),
        norm(f"{name}_1_bn"),
        relu(f"{name}_1_relu"),
        conv(filters, 3, padding="same", name=f"{name}_2_conv"),
        norm(f"{name}_2_bn"),
        relu(f"{name}_2_relu"),
        conv(4 * filters, 1, name=f"{name}_3_conv"),
        norm(f"{name}_3_bn"),
    )
    return relu(f"{name}_out")(build.layers.Add(name=f"{name}_add")([shortcut, x]))


def _block_v2(build: Builder, x: Any, filters: int, stride: int, first: bool, name: str) -> Any:
    layers, norm, relu = build.layers, functools.partial(build.norm, epsilon=EPSILON), build.relu
    before = chain(x, norm(f"{name}_preact_bn"), relu(f"{name}_preact_relu"))
    shortcut = x
    if first:
        shortcut = layers.Conv2D(4 * filters, 1, strides=stride, name=f"{name}_0_conv")(before)
    elif stride > 1:
        shortcut = layers.MaxPooling2D(1, stride)(x)
    x = chain(
        before,
        layers.Conv2D(filters, 1, use_bias=False, name=f"{name}_1_conv"),
        norm(f"{name}_1_bn"),
        relu(f"{name}_1_relu"),
        layers.ZeroPadding2D(1, name=f"{name}_2_pad"),
        layers.Conv2D(filters, 3, strides=stride, use_bias=False, name=f"{name}_2_conv"),
        norm(f"{name}_2_bn"),
        relu(f"{name}_2_relu"),
        layers.Conv2D(4 * filters, 1, name=f"{name}_3_conv"),
    )
    return layers.Add(name=f"{name}_out")([shortcut, x])


def _body(build: Builder, x: Any, depths: tuple[int, ...], second: bool) -> Any:
    layers, norm = build.layers, functools.partial(build.norm, epsilon=EPSILON)
    x = chain(
        x,
        layers.ZeroPadding2D(3, name="conv1_pad"),
        layers.Conv2D(64, 7, strides=2, name="conv1_conv"),
        *(() if second else (norm("conv1_bn"), build.relu("conv1_relu"))),
        layers.ZeroPadding2D(1, name="pool1_pad"),
        layers.MaxPooling2D(3, 2, name="pool1_pool"),
    )
    block = _block_v2 if second else _block
    for stage, depth in enumerate(depths, 2):
        # the first version halves the size in a stage's first block, the second in its last
        strided = depth if second else 1
        halved = stage < 5 if second else stage > 2
        for number in range(1, depth + 1):
            stride = 2 if halved and number == strided else 1
            name = f"conv{stage}_block{number}"
            x = block(build, x, 64 * 2 ** (stage - 2), stride, number == 1, name)
    return chain(x, norm("post_bn"), build.relu("post_relu")) if second else x


#: layers -> (blocks of each stage, hashes of the files of the first version, of the second)
_DEPTHS = {
    50: ((3, 4, 6, 3), "2cb95161c43110f7111970584f804107 4d473c1dd8becc155b73f8504c6f6626",
         "3ef43a0b657b3be2300d5770ece849e0 fac2f116257151a9d068a22e544a4917"),
    101: ((3, 4, 23, 3), "f1aeb4b969a6efcfb50fad2f0c20cfc5 88cf7a10940856eca736dc7b7e228a21",
          "6343647c601c52e1368623803854d971 c0ed64b8031c3730f411d2eb4eea35b5"),
    152: ((3, 8, 36, 3), "100835be76be38e30d865e96f2aaae62 ee4c566cf9a93f14d82f913c2dc6dd0c",
          "a49b44d1979771252814e80f8ec446f9 ed17cf2e0169df9d443503ef94b23b33"),
}  # fmt: skip
_SOURCES = (
    "K. He et al., Deep Residual Learning for Image Recognition, 2015, "
    "https://arxiv.org/abs/1512.03385",
    "K. He et al., Identity Mappings in Deep Residual Networks, 2016, "
    "https://arxiv.org/abs/1603.05027",
)


def family(module: str, second: bool) -> tuple[Application, ...]:
    """The networks of 50, 101 and 152 layers, of the first or the second version."""
    end = "V2" if second else ""

    def make(number: int) -> Application:
        depths, *hashes = _DEPTHS[number]
        title = f"ResNet{number}{end}"
        files = kernels(title.lower(), hashes[second], "resnet")
        body = functools.partial(_body, depths=depths, second=second)
        found = Architecture(title, title.lower(), body, files, end=named_pooled)
        return application(module, found, _SOURCES[second])

    return tuple(map(make, _DEPTHS))


ResNet50, ResNet101, ResNet152 = family(__name__, second=False)
preprocess_input = preprocessing("caffe", __name__)

__all__ = ["ResNet50", "ResNet101", "ResNet152", "decode_predictions", "preprocess_input"]

__dir__ = lambda: list(__all__)
