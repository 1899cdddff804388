"""NASNet: cells that were found by a search, each of which sees the two before it."""

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
    pooled_classifier,
)
from tricorn.applications.imagenet_utils import decode_predictions, preprocessing


class _Cells:
    """The parts of the cell `name`, whose layers have `filters` filters."""

    def __init__(self, build: Builder, filters: int, name: str) -> None:
        self.build, self.layers, self.filters, self.name = build, build.layers, filters, name
        self.norm = functools.partial(build.norm, momentum=0.9997, epsilon=1e-3)
        self.conv = functools.partial(
            build.layers.Conv2D, kernel_size=1, padding="same", use_bias=False,
            kernel_initializer="he_normal",
        )  # fmt: skip
        self.separable = functools.partial(build.layers.SeparableConv2D, filters, use_bias=False)

    def separables(self, x: Any, size: int, place: str, stride: int = 1) -> Any:
        """Twice activation, separable convolution and normalization."""
        name, x = f"{place}_{self.name}", self.build.relu()(x)
        padding = "same"
        if stride == 2:
            x = self.build.strided_pad(x, size, f"separable_conv_1_pad_{name}")
            padding = "valid"
        return chain(
            x,
            self.separable(
                kernel_size=size, strides=stride, padding=padding, name=f"separable_conv_1_{name}"
            ),
            self.norm(f"separable_conv_1_bn_{name}"),
            self.build.relu(),
            self.separable(kernel_size=size, padding="same", name=f"separable_conv_2_{name}"),
            self.norm(f"separable_conv_2_bn_{name}"),
        )

    def added(self, tensors: list, name: str | None) -> Any:
        return self.layers.Add(name=name and f"{name}_{self.name}")(tensors)

    def pool(self, x: Any, kind: str, place: str, stride: int = 1) -> Any:
        made = getattr(self.layers, f"{kind}Pooling2D")
        padding = "same" if stride == 1 else "valid"
        return made(3, stride, padding=padding, name=f"{place}_{self.name}")(x)

    def adjusted(self, before: Any, x: Any) -> Any:
        """What came before, in the size of `x` and with the cell's number of channels."""
        if before is None:
            return x
        build, layers, name = self.build, self.layers, self.name
        row = 2 if build.axis == 1 else 1
        if before.shape[row] != x.shape[row]:
            before = build.relu(f"adjust_relu_1_{name}")(before)
            parts = []
            for number in (1, 2):
                part = before
                if number == 2:  # one further down and to the right
                    part = layers.ZeroPadding2D(((0, 1), (0, 1)))(part)
                    part = layers.Cropping2D(((1, 0), (1, 0)))(part)
                pool = layers.AveragePooling2D(1, 2, name=f"adjust_avg_pool_{number}_{name}")
                conv = self.conv(self.filters // 2, name=f"adjust_conv_{number}_{name}")
                parts.append(chain(part, pool, conv))
            return self.norm(f"adjust_bn_{name}")(build.concatenated(parts))
        if build.channels(before) != self.filters:
            conv = self.conv(self.filters, name=f"adjust_conv_projection_{name}")
            return chain(before, build.relu(), conv, self.norm(f"adjust_bn_{name}"))
        return before

    def begin(self, before: Any, x: Any, kind: str) -> tuple[Any, Any]:
        """What came before, adjusted, and `x` with the cell's number of channels."""
        before = self.adjusted(before, x)
        conv = self.conv(self.filters, name=f"{kind}_conv_1_{self.name}")
        return before, chain(x, self.build.relu(), conv, self.norm(f"{kind}_bn_1_{self.name}"))

    def normal(self, x: Any, before: Any) -> tuple[Any, Any]:
        """A cell that keeps the size -> its result, and what it had of `x`."""
        p, h = self.begin(before, x, "normal")
        twice = self.separables
        parts = [
            p,
            self.added([twice(h, 5, "normal_left1"), twice(p, 3, "normal_right1")], "normal_add_1"),
            self.added([twice(p, 5, "normal_left2"), twice(p, 3, "normal_right2")], "normal_add_2"),
            self.added([self.pool(h, "Average", "normal_left3"), p], "normal_add_3"),
            self.added(
                [self.pool(p, "Average", f"normal_{side}4") for side in ("left", "right")],
                "normal_add_4",
            ),
            self.added([twice(h, 3, "normal_left5"), h], "normal_add_5"),
        ]
        return self.build.concatenated(parts, f"normal_concat_{self.name}"), x

    def reduction(self, x: Any, before: Any) -> tuple[Any, Any]:
        """A cell that halves the size -> its result, and what it had of `x`."""
        p, h = self.begin(before, x, "reduction")
        padded = self.build.strided_pad(h, 3, f"reduction_pad_1_{self.name}")
        half = functools.partial(self.separables, stride=2)
        pool = functools.partial(self.pool, padded, stride=2)
        one = self.added(
            [half(h, 5, "reduction_left1"), half(p, 7, "reduction_right1")], "reduction_add_1"
        )
        two = self.added(
            [pool("Max", "reduction_left2"), half(p, 7, "reduction_right2")], "reduction_add_2"
        )
        three = self.added(
            [pool("Average", "reduction_left3"), half(p, 5, "reduction_right3")], "reduction_add3"
        )
        four = self.added([two, self.pool(one, "Average", "reduction_left4")], None)
        five = self.added(
            [self.separables(one, 3, "reduction_left4"), pool("Max", "reduction_right5")],
            "reduction_add4",
        )
        found = self.build.concatenated([two, three, four, five], f"reduction_concat_{self.name}")
        return found, x


class _Sizes(NamedTuple):
    """Filters in the last layer and in the first, cells of each stage, and whether a cell after a
    reduction sees what the reduction had before it."""

    last: int
    first: int
    cells: int
    skip: bool


def _body(build: Builder, x: Any, sizes: _Sizes) -> Any:
    cells = functools.partial(_Cells, build)
    filters, count = sizes.last // 24, sizes.cells
    first = build.layers.Conv2D(
        sizes.first, 3, strides=2, use_bias=False, name="stem_conv1", kernel_initializer="he_normal"
    )
    x = chain(x, first, build.norm("stem_bn1", momentum=0.9997, epsilon=1e-3))
    x, p = cells(filters // 4, "stem_1").reduction(x, None)
    x, p = cells(filters // 2, "stem_2").reduction(x, p)
    for stage in range(3):
        width = filters * 2**stage
        if stage:
            x, before = cells(width, f"reduce_{stage * count}").reduction(x, p)
            p = p if sizes.skip else before
        for number in range(count):
            index = stage * count + number + (stage > 0)
            x, p = cells(width, str(index)).normal(x, p)
    return build.relu()(x)


_SOURCE = (
    "B. Zoph et al., Learning Transferable Architectures for Scalable Image Recognition, 2017, "
    "https://arxiv.org/abs/1707.07012"
)


def _application(kind: str, size: int, sizes: _Sizes, hashes: str) -> Application:
    names = (f"NASNet-{kind}.h5", f"NASNet-{kind}-no-top.h5")
    kept_as = (f"nasnet_{kind}.h5", f"nasnet_{kind}_no_top.h5")
    found = Architecture(
        f"NASNet{kind.capitalize()}",
        f"nasnet_{kind}",
        functools.partial(_body, sizes=sizes),
        Files("nasnet", names, hashes, kept_as),
        size,
        top=functools.partial(pooled_classifier, pool=None),
        fixed="always" if size == 224 else "top",
    )

    def build(
        input_shape: Any = None, include_top: bool = True,
        weights: str | os.PathLike[str] | None = "imagenet", input_tensor: Any = None,
        pooling: str | None = None, classes: int = 1000, classifier_activation: Any = "softmax",
        name: str = found.name,
    ) -> Any:  # fmt: skip
        return found.build(
            Builder(
                include_top, weights, input_tensor, input_shape, pooling, classes,
                classifier_activation, name,
            )
        )  # fmt: skip

    return named(build, __name__, found, _SOURCE)


NASNetMobile = _application(
    "mobile",
    224,
    _Sizes(last=1056, first=32, cells=4, skip=False),
    "020fb642bf7360b370c678b08e0adf61 1ed92395b5b598bdda52abe5c0dbfd63",
)
NASNetLarge = _application(
    "large",
    331,
    _Sizes(last=4032, first=96, cells=6, skip=True),
    "11577c9a518f0070763c2b964a382f17 d81d89dc07e6e56530c4e77faddd61b5",
)
preprocess_input = preprocessing("tf", __name__)

__all__ = ["NASNetLarge", "NASNetMobile", "decode_predictions", "preprocess_input"]

__dir__ = lambda: list(__all__)
