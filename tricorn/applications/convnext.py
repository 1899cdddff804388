"""ConvNeXt: ResNet in the manner of transformers: large windows, few activations, and layers that
normalize each place by itself."""

from __future__ import annotations

import functools
import os
from typing import Any

from tricorn.applications.architecture import (
    Application,
    Architecture,
    Builder,
    Files,
    chain,
    named,
    pooled,
)
from tricorn.applications.imagenet_utils import decode_predictions, preprocessing
from tricorn.initializers import Constant
from tricorn.layers import Layer
from tricorn.models import Sequential


class LayerScale(Layer):
    """``y = x · γ``, one factor for each channel, which begin small.

    Args:
        init_values: where they begin.
        projection_dim: number of channels.

    Source: H. Touvron et al., Going deeper with Image Transformers, 2021.
    """

    def __init__(self, init_values: float, projection_dim: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.init_values, self.projection_dim = init_values, projection_dim

    def build(self, input_shape: Any) -> None:
        initializer = Constant(self.init_values)
        self.gamma = self.add_weight((self.projection_dim,), initializer, name="gamma")

    def call(self, inputs: Any) -> Any:
        return inputs * self.gamma


_MEANS = [0.485 * 255, 0.456 * 255, 0.406 * 255]
_VARIANCES = [(0.229 * 255) ** 2, (0.224 * 255) ** 2, (0.225 * 255) ** 2]


def _body(build: Builder, x: Any, depths: tuple[int, ...], width: int, scaled: bool) -> Any:
    layers, name = build.layers, build.name
    norm = functools.partial(layers.LayerNormalization, epsilon=1e-6)
    if scaled and build.channels(x) == 3:
        x = layers.Normalization(
            mean=_MEANS, variance=_VARIANCES, name=f"{name}_prestem_normalization"
        )(x)
    widths = [width * 2**stage for stage in range(4)]
    stem = [
        layers.Conv2D(width, 4, 4, name=f"{name}_stem_conv"),
        norm(name=f"{name}_stem_layernorm"),
    ]
    between = [Sequential(stem, name=f"{name}_stem")]
    for stage, filters in enumerate(widths[1:]):
        half = [
            norm(name=f"{name}_downsampling_layernorm_{stage}"),
            layers.Conv2D(filters, 2, 2, name=f"{name}_downsampling_conv_{stage}"),
        ]
        between.append(Sequential(half, name=f"{name}_downsampling_block_{stage}"))
    for stage, (depth, filters) in enumerate(zip(depths, widths)):
        x = between[stage](x)
        for number in range(depth):
            block = f"{name}_stage_{stage}_block_{number}"
            x = x + chain(
                x,
                layers.Conv2D(
                    filters, 7, padding="same", groups=filters, name=f"{block}_depthwise_conv"
                ),
                norm(name=f"{block}_layernorm"),
                layers.Dense(4 * filters, name=f"{block}_pointwise_conv_1"),
                layers.Activation("gelu", name=f"{block}_gelu"),
                layers.Dense(filters, name=f"{block}_pointwise_conv_2"),
                LayerScale(1e-6, filters, name=f"{block}_layer_scale"),
                layers.Activation("linear", name=f"{block}_identity"),
            )
    return x


def _top(build: Builder, x: Any) -> Any:
    layers, name = build.layers, build.name
    x = layers.GlobalAveragePooling2D(name=f"{name}_head_gap")(x)
    x = layers.LayerNormalization(epsilon=1e-6, name=f"{name}_head_layernorm")(x)
    return build.logits(x, f"{name}_head_dense")


def _end(build: Builder, x: Any) -> Any:
    return build.layers.LayerNormalization(epsilon=1e-6)(pooled(build, x))


_SMALL, _LARGE = (3, 3, 9, 3), (3, 3, 27, 3)
#: blocks of each stage, channels of the first, hashes
_VARIANTS = {
    "Tiny": (_SMALL, 96, "8ae6e78ce2933352b1ef4008e6dd2f17bc40771563877d156bc6426c7cf503ff "
             "d547c096cabd03329d7be5562c5e14798aa39ed24b474157cef5e85ab9e49ef1"),
    "Small": (_LARGE, 96, "ce1277d8f1ee5a0ef0e171469089c18f5233860ceaf9b168049cb9263fd7483c "
              "6fc8009faa2f00c1c1dfce59feea9b0745eb260a7dd11bee65c8e20843da6eab"),
    "Base": (_LARGE, 128, "52cbb006d3dadd03f6e095a8ca1aca47aecdd75acb4bc74bce1f5c695d0086e6 "
             "40a20c5548a5e9202f69735ecc06c990e6b7c9d2de39f0361e27baeb24cb7c45"),
    "Large": (_LARGE, 192, "070c5ed9ed289581e477741d3b34beffa920db8cf590899d6d2c67fba2a198a6 "
              "96f02b6f0753d4f543261bc9d09bed650f24dd6bc02ddde3066135b63d23a1cd"),
    "XLarge": (_LARGE, 256, "c1f5ccab661354fc3a79a10fa99af82f0fbf10ec65cb894a3ae0815f17a889ee "
               "de3f8a54174130e0cecdc71583354753d557fcf1f4487331558e2a16ba0cfe05"),
}  # fmt: skip


def _make(variant: str) -> Application:
    depths, width, hashes = _VARIANTS[variant]
    stem = f"convnext_{variant.lower()}"
    body = functools.partial(_body, depths=depths, width=width, scaled=True)
    files = Files("convnext", (f"{stem}.h5", f"{stem}_notop.h5"), hashes)
    found = Architecture(
        f"ConvNeXt{variant}", stem, body, files, top=_top, end=_end, last_only=True
    )

    def build(
        include_top: bool = True, include_preprocessing: bool = True,
        weights: str | os.PathLike[str] | None = "imagenet", input_tensor: Any = None,
        input_shape: Any = None, pooling: str | None = None, classes: int = 1000,
        classifier_activation: Any = "softmax", name: str = found.name,
    ) -> Any:  # fmt: skip
        asked = Builder(
            include_top, weights, input_tensor, input_shape, pooling, classes,
            classifier_activation, name,
        )  # fmt: skip
        scaled = functools.partial(body, scaled=include_preprocessing)
        return found._replace(body=scaled).build(asked)

    source = "Z. Liu et al., A ConvNet for the 2020s, 2022, https://arxiv.org/abs/2201.03545"
    return named(build, __name__, found, source)


ConvNeXtTiny, ConvNeXtSmall, ConvNeXtBase, ConvNeXtLarge, ConvNeXtXLarge = map(_make, _VARIANTS)
preprocess_input = preprocessing(None, __name__)

__all__ = [
    "ConvNeXtBase", "ConvNeXtLarge", "ConvNeXtSmall", "ConvNeXtTiny", "ConvNeXtXLarge",
    "decode_predictions", "preprocess_input",
]  # fmt: skip

__dir__ = lambda: list(__all__)
