"""EfficientNet v2: in its first stages one convolution stands for two."""

from __future__ import annotations

import functools
import math
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
from tricorn.applications.efficientnet import (
    DROP_RATE,
    added,
    conv,
    depthwise,
    end,
    squeezed,
    swish,
    top,
)
from tricorn.applications.imagenet_utils import decode_predictions, preprocessing

#: factor of the channels inside the blocks of each stage, and the stride of its first
_STAGES = [(1, 1), (4, 2), (4, 2), (4, 2), (6, 1), (6, 2), (6, 1)]
_FUSED = 3  # so many stages have fused blocks
#: blocks of each stage, channels out of it
_SMALL = [(2, 24), (4, 48), (4, 64), (6, 128), (9, 160), (15, 256)]
_MEDIUM = [(3, 24), (5, 48), (5, 80), (7, 160), (14, 176), (18, 304), (5, 512)]
_LARGE = [(4, 32), (7, 64), (7, 96), (10, 192), (19, 224), (25, 384), (7, 640)]
_BASE = [(1, 16), (2, 32), (2, 48), (3, 96), (5, 112), (8, 192)]


class _Variant(NamedTuple):
    """Factors of width and depth, size of images, filters of the first layer, stages, hashes."""

    width: float
    depth: float
    size: int
    first: int
    stages: list[tuple[int, int]]
    hashes: str

    def rounded(self, filters: float) -> int:
        return max(8, int(filters * self.width + 4) // 8 * 8)


_VARIANTS = {
    "b0": _Variant(1.0, 1.0, 224, 32, _BASE,
        "21ecbf6da12460d5c40bb2f29ceb2188 893217f2bb855e2983157299931e43ff"),
    "b1": _Variant(1.0, 1.1, 240, 32, _BASE,
        "069f0534ff22adf035c89e2d9547a9dc 0e80663031ca32d657f9caa404b6ec37"),
    "b2": _Variant(1.1, 1.2, 260, 32, _BASE,
        "424e49f28180edbde1e94797771950a7 1dfe2e7a5d45b6632553a8961ea609eb"),
    "b3": _Variant(1.2, 1.4, 300, 32, _BASE,
        "1f1fc43bd98a6e4fd8fdfd551e02c7a0 f6abf7b5849ac99a89b50dd3fd532856"),
    "s": _Variant(1.0, 1.0, 384, 24, _SMALL,
        "e1d88a8495beba45748fedd0cecbe016 af0682fb74e8c54910f2d4393339c070"),
    "m": _Variant(1.0, 1.0, 480, 24, _MEDIUM,
        "a3bf6aa3276309f4fc6a34aa114c95cd 1b8dc055df72dde80d614482840fe342"),
    "l": _Variant(1.0, 1.0, 480, 32, _LARGE,
        "27e6d408b53c7ebc868fefa357689935 b0b66b5c863aef5b46e8608fe1711615"),
}  # fmt: skip


def _scaled(build: Builder, x: Any, variant: _Variant) -> Any:
    layers = build.layers
    if variant.stages is not _BASE or build.channels(x) != 3:
        return layers.Rescaling(1 / 128, -1)(x)
    means, variances = [0.485, 0.456, 0.406], [0.229**2, 0.224**2, 0.225**2]
    norm = layers.Normalization(mean=means, variance=variances, axis=build.axis)
    return chain(x, layers.Rescaling(1 / 255), norm)


def _body(build: Builder, x: Any, variant: _Variant, scaled: bool) -> Any:
    norm, rounded = functools.partial(build.norm, momentum=0.9), variant.rounded
    if scaled:
        x = _scaled(build, x, variant)
    first = conv(build, rounded(variant.first), 3, 2, name="stem_conv")
    x = chain(x, first, norm("stem_bn"), swish(build, "stem_activation"))
    done, count = 0, sum(repeat for repeat, _ in variant.stages)
    for stage, (repeat, filters) in enumerate(variant.stages):
        factor, first_stride = _STAGES[stage]
        fused, filters = stage < _FUSED, rounded(filters)
        for number in range(math.ceil(variant.depth * repeat)):
            name, before = f"block{stage + 1}{chr(97 + number)}_", x
            channels, stride = build.channels(x), first_stride if number == 0 else 1
            wide = factor > 1
            if wide:
                size = (3, stride) if fused else (1, 1)
                x = chain(
                    x,
                    conv(build, factor * channels, *size, name=f"{name}expand_conv"),
                    norm(f"{name}expand_bn"),
                    swish(build, f"{name}expand_activation"),
                )
            if not fused:
                x = chain(
                    x,
                    depthwise(build, 3, stride, "same", f"{name}dwconv2"),
                    norm(f"{name}bn"),
                    swish(build, f"{name}activation"),
                )
                x = squeezed(build, x, max(1, channels // 4), name)
            size = (1, 1) if wide else (3, stride)
            x = conv(build, filters, *size, name=f"{name}project_conv")(x)
            x = norm(f"{name}project_bn")(x)
            if not wide:
                x = swish(build, f"{name}project_activation")(x)
            if stride == 1 and channels == filters:
                x = added(build, x, before, DROP_RATE * done / count, name)
            done += 1
    return end(build, x, rounded(1280), norm)


def _make(name: str) -> Application:
    variant = _VARIANTS[name]
    stem = f"efficientnetv2-{name}"
    files = Files("efficientnet_v2", (f"{stem}.h5", f"{stem}_notop.h5"), variant.hashes)
    body = functools.partial(_body, variant=variant, scaled=True)
    found = Architecture(
        f"EfficientNetV2{name.upper()}", stem, body, files, variant.size, top=top, end=named_pooled
    )

    def build(
        include_top: bool = True, weights: str | os.PathLike[str] | None = "imagenet",
        input_tensor: Any = None, input_shape: Any = None, pooling: str | None = None,
        classes: int = 1000, classifier_activation: Any = "softmax",
        include_preprocessing: bool = True, name: str = found.name,
    ) -> Any:  # fmt: skip
        asked = Builder(
            include_top, weights, input_tensor, input_shape, pooling, classes,
            classifier_activation, name,
        )  # fmt: skip
        scaled = functools.partial(body, scaled=include_preprocessing)
        return found._replace(body=scaled).build(asked)

    source = (
        "M. Tan, Q. Le, EfficientNetV2: Smaller Models and Faster Training, 2021, "
        "https://arxiv.org/abs/2104.00298"
    )
    return named(build, __name__, found, source)


(
    EfficientNetV2B0, EfficientNetV2B1, EfficientNetV2B2, EfficientNetV2B3, EfficientNetV2S,
    EfficientNetV2M, EfficientNetV2L,
) = map(_make, _VARIANTS)  # fmt: skip
preprocess_input = preprocessing(None, __name__)

__all__ = [
    "EfficientNetV2B0", "EfficientNetV2B1", "EfficientNetV2B2", "EfficientNetV2B3",
    "EfficientNetV2L", "EfficientNetV2M", "EfficientNetV2S", "decode_predictions",
    "preprocess_input",
]  # fmt: skip

__dir__ = lambda: list(__all__)
