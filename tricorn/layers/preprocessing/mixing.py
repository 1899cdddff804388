"""Layers that mix images with others of their batch, and those that choose among other layers."""

from __future__ import annotations

import functools
import random as python_random
from typing import Any

from tricorn import limits, ops, random
from tricorn.checks import boolean, number
from tricorn.graph.transforms import chosen
from tricorn.layers.arguments import positive
from tricorn.layers.preprocessing import colours, geometry
from tricorn.layers.preprocessing.images import (
    ChangingLayer,
    interval,
    known,
    pixel_range,
    rectangles,
)


class MixingLayer(ChangingLayer):
    """The base of layers that mix each image of a batch with another one.

    A transformation has the other images' numbers as ``"permutation_order"`` (images,), and the
    share of the image itself as ``"mix_weight"`` (images,).
    """

    def changes(self, transformation: Any, training: Any) -> Any:
        return training and transformation is not None

    def changed_labels(self, labels: Any, transformation: Any) -> Any:
        floats = labels if "float" in str(labels.dtype) else ops.cast(labels, self.compute_dtype)
        return self._blended(floats, transformation)

    def _blended(self, x: Any, transformation: Any) -> Any:
        """w x + (1 - w) · the other."""
        weight = ops.reshape(transformation["mix_weight"], (-1, *[1] * (len(x.shape) - 1)))
        weight = ops.cast(weight, x.dtype)
        return weight * x + (1.0 - weight) * self._others(x, transformation)

    def _others(self, x: Any, transformation: Any) -> Any:
        return ops.take(x, transformation["permutation_order"], 0)

    def _order(self, count: Any, seed: Any) -> Any:
        return random.shuffle(ops.arange(count, dtype="int32"), seed=self.own(seed))


class MixUp(MixingLayer):
    """In training each image, and its labels, become ``w x + (1 - w) y`` with another image y of
    the batch; boxes are those of both.

    Args:
        alpha: w is drawn from the distribution beta(alpha, alpha): the smaller, the less is mixed.
        data_format: "channels_last" or "channels_first"; None: as configured.
        seed: int; None takes the next of the global sequence.
        kwargs: what `BaseImagePreprocessingLayer` takes.

    Input, output: see `BaseImagePreprocessingLayer`; images, labels and masks become floats.

    Source: Zhang et al., 2018, arXiv:1710.09412.

    Example:
        >>> data = {"images": np.ones((4, 8, 8, 3)), "labels": np.eye(4, dtype="float32")}
        >>> mixed = keras.layers.MixUp(seed=0)(data, training=True)
        >>> keras.ops.sum(mixed["labels"], -1)
        Array([1., 1., 1., 1.], dtype=float32)
    """

    def __init__(
        self,
        alpha: float = 0.2,
        data_format: str | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.alpha = number(self, "alpha", alpha, above=0)
        self.seeded(seed)

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        if not training:
            return None
        count, seed = self.sizes(data)[0], self.own(seed)
        order = self._order(count, seed)
        weight = random.beta((count,), self.alpha, self.alpha, "float32", seed)
        return {"mix_weight": weight, "permutation_order": order}

    def changed_images(self, images: Any, transformation: Any) -> Any:
        return self._blended(images, transformation)

    def changed_masks(self, masks: Any, transformation: Any) -> Any:
        return self.changed_labels(masks, transformation)

    def changed_boxes(self, boxes: dict, transformation: Any) -> dict:
        both = {k: (v, self._others(v, transformation)) for k, v in boxes.items()}
        return {k: ops.concatenate(pair, 1) for k, pair in both.items()}


class CutMix(MixingLayer):
    """In training a rectangle of each image comes from another image of the batch; labels are mixed
    as the areas are.  Boxes cannot be changed.

    Args:
        factor: α is drawn for a batch from [0, factor], or from a pair; the share of the image
            itself is drawn from the distribution beta(α, α): the smaller, the less is mixed.
        seed: int; None takes the next of the global sequence.
        data_format: "channels_last" or "channels_first"; None: as configured.
        kwargs: what `BaseImagePreprocessingLayer` takes.

    Input, output: see `BaseImagePreprocessingLayer`; images and labels become floats.

    Source: Yun et al., 2019, arXiv:1905.04899.

    Example:
        >>> data = {"images": np.ones((4, 8, 8, 3)), "labels": np.eye(4, dtype="float32")}
        >>> mixed = keras.layers.CutMix(seed=0)(data, training=True)
        >>> keras.ops.sum(mixed["labels"], -1)
        Array([1., 1., 1., 1.], dtype=float32)
    """

    def __init__(
        self,
        factor: Any = 1.0,
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.factor = interval(self, "factor", factor, 0, 1)
        self.seeded(seed)

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        if not training or self._rank(data) == 3:
            return None
        sizes, seed = self.sizes(data), self.own(seed)
        alpha = self.draw(seed, (), *self.factor) + 1e-6
        share = ops.sqrt(1.0 - random.beta((sizes[0],), alpha, alpha, "float32", seed))
        masks, covered = rectangles(self, sizes, (share, share), seed)
        order = self._order(sizes[0], seed)
        return {"permutation_order": order, "batch_masks": masks, "mix_weight": 1.0 - covered}

    def changed_images(self, images: Any, transformation: Any) -> Any:
        return self.changed_masks(images, transformation)

    def changed_masks(self, masks: Any, transformation: Any) -> Any:
        others = self._others(masks, transformation)
        return ops.where(transformation["batch_masks"], others, masks)

    def transform_bounding_boxes(
        self, bounding_boxes: Any, transformation: Any = None, training: bool = True
    ) -> Any:
        raise NotImplementedError(f"{type(self).__name__} cannot change bounding boxes")


class ChoosingLayer(ChangingLayer):
    """The base of layers that choose among others, which are attributes of theirs."""

    def _make_layers(self, factor: tuple, pixels: tuple, seed: Any, interpolation: str) -> None:
        """Make the layers that are chosen from, each of the strength `factor`."""
        common: dict[str, Any] = {
            "data_format": self.data_format, "dtype": self.dtype_policy,
            "bounding_box_format": self.bounding_box_format,
        }  # fmt: skip
        plain = {"value_range": pixels, **common}
        drawing, moving = {"seed": seed, **plain}, {"seed": seed, **common}
        moving["interpolation"] = interpolation
        bits = max(1, int(8 * factor[1]))
        made = {
            "random_shear": geometry.RandomShear(factor, factor, **moving),
            "random_translation": geometry.RandomTranslation(factor, factor, **moving),
            "random_rotation": geometry.RandomRotation(factor, **moving),
            "random_brightness": colours.RandomBrightness(factor, **drawing),
            "random_color_degeneration": colours.RandomColorDegeneration(factor, **drawing),
            "random_contrast": colours.RandomContrast(factor, **drawing),
            "random_sharpness": colours.RandomSharpness(factor, **drawing),
            "random_posterization": colours.RandomPosterization(bits, **drawing),
            "solarization": colours.Solarization(factor, factor, **drawing),
            "auto_contrast": colours.AutoContrast(**plain),
            "equalization": colours.Equalization(**plain),
        }
        for name in self.names():
            setattr(self, name, made[name])

    def names(self) -> list[str]:
        """The attributes that are the layers chosen from."""
        return [
            *("random_shear", "random_translation", "random_rotation", "random_brightness"),
            *("random_color_degeneration", "random_contrast", "random_sharpness"),
            *("random_posterization", "solarization", "auto_contrast", "equalization"),
        ]


class RandAugment(ChoosingLayer):
    """In training some layers that are drawn for each batch, one after the other: shear,
    translation, rotation, brightness, fading, contrast, sharpness, posterization, solarization,
    `AutoContrast`, `Equalization`.

    Args:
        value_range: (low, high) of pixels.
        num_ops: how many layers.
        factor: how strong: a number or a pair, within [0, 1].
        interpolation: "bilinear" or "nearest".
        seed: int; None takes the next of the global sequence.
        data_format: "channels_last" or "channels_first"; None: as configured.
        kwargs: what `BaseImagePreprocessingLayer` takes.

    Input, output: see `BaseImagePreprocessingLayer`; images become floats.

    Source: Cubuk et al., 2019, arXiv:1909.13719.

    Example:
        >>> x = np.ones((2, 8, 8, 3))
        >>> keras.layers.RandAugment(num_ops=1)(x, training=True).shape
        (2, 8, 8, 3)
    """

    def __init__(
        self,
        value_range: Any = (0, 255),
        num_ops: int = 2,
        factor: Any = 0.5,
        interpolation: str = "bilinear",
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.num_ops = positive(self, "num_ops", num_ops)
        limits.take_calls(num_ops)
        self.factor = interval(self, "factor", factor, 0, 1)
        self.value_range = pixel_range(self, value_range)
        self.interpolation = known(self, "interpolation", interpolation, ("nearest", "bilinear"))
        self.seeded(seed)
        self._make_layers(self.factor, self.value_range, seed, self.interpolation)

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        if not training:
            return None
        which = random.randint((self.num_ops,), 0, len(self.names()), seed=self.own(seed))
        transforms = {
            name: getattr(self, name).get_random_transformation(data, seed=self.own(seed))
            for name in self.names()
        }
        return {"transforms": transforms, "layer_idxes": which}

    def _changed(self, kind: str, x: Any, transformation: Any) -> Any:
        for i in range(self.num_ops):
            changes = [
                functools.partial(
                    getattr(getattr(self, name), f"transform_{kind}"),
                    x,
                    transformation=transformation["transforms"][name],
                    training=True,
                )
                for name in self.names()
            ]
            x = chosen(transformation["layer_idxes"][i], changes)
        return x

    def changed_images(self, images: Any, transformation: Any) -> Any:
        return self._changed("images", images, transformation)

    def changed_masks(self, masks: Any, transformation: Any) -> Any:
        return self._changed("segmentation_masks", masks, transformation)

    def changed_boxes(self, boxes: dict, transformation: Any) -> dict:
        return self._changed("bounding_boxes", boxes, transformation)


class AugMix(ChoosingLayer):
    """In training images are mixed with what chains of layers make of them.  Which of the layers of
    `RandAugment` are in a chain is drawn by Python at each call, so a compiled program keeps those
    that it was made with; how strong they are, and the weights, are drawn for each batch.

    Args:
        value_range: (low, high) of pixels.
        num_chains: how many chains.
        chain_depth: how many layers a chain has at most.
        factor: how strong: a number or a pair, within [0, 1].
        alpha: of the distributions that the weights are drawn from: of the chains Dirichlet, of the
            images themselves beta.
        all_ops: False: not brightness, fading, contrast and sharpness.
        interpolation: "bilinear" or "nearest".
        seed: int; None takes the next of the global sequence.
        data_format: "channels_last" or "channels_first"; None: as configured.
        kwargs: what `BaseImagePreprocessingLayer` takes.

    Input, output: see `BaseImagePreprocessingLayer`; images and masks become floats; boxes stay as
    they are.

    Source: Hendrycks et al., 2020, arXiv:1912.02781.

    Example:
        >>> x = np.ones((2, 8, 8, 3))
        >>> keras.layers.AugMix(num_chains=1, chain_depth=1)(x, training=True).shape
        (2, 8, 8, 3)
    """

    def __init__(
        self,
        value_range: Any = (0, 255),
        num_chains: int = 3,
        chain_depth: int = 3,
        factor: Any = 0.3,
        alpha: float = 1.0,
        all_ops: bool = True,
        interpolation: str = "bilinear",
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.num_chains = positive(self, "num_chains", num_chains)
        self.chain_depth = positive(self, "chain_depth", chain_depth)
        limits.take_calls(num_chains * chain_depth)
        self.factor = interval(self, "factor", factor, 0, 1)
        self.alpha = number(self, "alpha", alpha, above=0)
        self.all_ops = boolean(self, "all_ops", all_ops)
        self.value_range = pixel_range(self, value_range)
        self.interpolation = known(self, "interpolation", interpolation, ("nearest", "bilinear"))
        self.seeded(seed)
        self._make_layers(self.factor, self.value_range, seed, self.interpolation)
        self._python = python_random.Random(self.generator.seed)

    def names(self) -> list[str]:
        left_out = ("brightness", "color_degeneration", "contrast", "sharpness")
        unused = () if self.all_ops else [f"random_{name}" for name in left_out]
        return [name for name in super().names() if name not in unused]

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        if not training:
            return None
        seed = self.own(seed)
        shares = random.gamma((self.num_chains,), self.alpha, "float32", seed)
        weight = random.beta((), self.alpha, self.alpha, "float32", seed)
        return {
            "chain_mixing_weights": shares / ops.sum(shares),
            "weight_sample": weight,
            "chain_transforms": [self._chain(data, seed) for _ in range(self.num_chains)],
        }

    def _chain(self, data: Any, seed: Any) -> list[dict[str, Any]]:
        """At most `chain_depth` layers with their transformations."""
        drawn = [self._python.choice([*self.names(), None]) for _ in range(self.chain_depth)]
        return [
            {
                "layer_name": name,
                "transformation": getattr(self, name).get_random_transformation(data, seed=seed),
            }
            for name in drawn
            if name is not None
        ]

    def _changed(self, kind: str, x: Any, transformation: Any) -> Any:
        weights, weight = (
            ops.cast(transformation[key], x.dtype)
            for key in ("chain_mixing_weights", "weight_sample")
        )
        mixed: Any = 0.0
        for i, chain in enumerate(transformation["chain_transforms"]):
            end = x
            for link in chain:
                change = getattr(getattr(self, link["layer_name"]), f"transform_{kind}")
                end = change(end, transformation=link["transformation"], training=True)
            mixed = mixed + end * weights[i]
        return weight * x + (1.0 - weight) * mixed

    def changed_images(self, images: Any, transformation: Any) -> Any:
        return ops.clip(self._changed("images", images, transformation), *self.value_range)

    def changed_masks(self, masks: Any, transformation: Any) -> Any:
        masks = ops.cast(masks, self.compute_dtype)
        return self._changed("segmentation_masks", masks, transformation)


__all__ = ["AugMix", "CutMix", "MixUp", "RandAugment"]
