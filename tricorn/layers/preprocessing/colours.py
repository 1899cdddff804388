"""Layers that change the colours of images; labels, masks and boxes stay as they are."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from tricorn import ops, random
from tricorn.checks import named, number, wrong
from tricorn.layers.arguments import fraction, ints, positive
from tricorn.layers.preprocessing.images import (
    ChangingLayer,
    interval,
    pixel_range,
    rectangles,
    rescaled,
)


class ColourLayer(ChangingLayer):
    """The base of layers that change colours.  Subclasses define `drawn` and `changed_images`."""

    value_range: tuple

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        return self.drawn(self.sizes(data), seed) if training or self.always else None

    def drawn(self, sizes: tuple, seed: Any) -> Any:
        """What is drawn for a batch of sizes (images, height, width)."""
        return None

    def clipped(self, images: Any) -> Any:
        """Images with values in the layer's range."""
        return ops.clip(images, *self.value_range)


class RandomBrightness(ColourLayer):
    """In training ``x + δ · (high - low)`` within the range, with a δ for each image.

    Args:
        factor: δ is drawn from [-factor, factor], or from a pair; within [-1, 1].
        value_range: (low, high) of pixels.
        seed: int; None takes the next of the global sequence.
        kwargs: what `BaseImagePreprocessingLayer` takes.

    Input, output: see `BaseImagePreprocessingLayer`; images become floats.

    Example:
        >>> x = np.array([0.0, 100.0, 200.0]).reshape(1, 1, 3, 1)
        >>> keras.ops.ravel(keras.layers.RandomBrightness((0.2, 0.2))(x, training=True))
        Array([ 51., 151., 251.], dtype=float32)
    """

    def __init__(
        self, factor: Any, value_range: Any = (0, 255), seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(factor=factor, **kwargs)
        self.value_range = pixel_range(self, value_range)
        self.seeded(seed)

    def drawn(self, sizes: tuple, seed: Any) -> Any:
        low, high = self.value_range
        delta = self.draw(seed, (sizes[0], 1, 1, 1), *self.factor)
        return {"rgb_delta": delta * (high - low)}

    def changed_images(self, images: Any, transformation: Any) -> Any:
        return self.clipped(images + self.per_image(transformation["rgb_delta"]))


class RandomContrast(ColourLayer):
    """In training ``(x - mean) · c + mean`` within the range, with the mean of each channel and a c
    for each image.

    Args:
        factor: a pair (lower, upper), or a number for both: c is drawn from
            [1 - lower, 1 + upper].
        value_range: (low, high) of pixels.
        seed: int; None takes the next of the global sequence.
        kwargs: what `BaseImagePreprocessingLayer` takes.

    Input, output: see `BaseImagePreprocessingLayer`; images become floats.

    Example:
        >>> x = np.array([0.0, 100.0, 200.0]).reshape(1, 1, 3, 1)
        >>> keras.layers.RandomContrast((0.5, 0.5), seed=0)(x, training=True).shape
        (1, 1, 3, 1)
    """

    def __init__(
        self, factor: Any, value_range: Any = (0, 255), seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        pair = isinstance(factor, (tuple, list))
        lower, upper = interval(self, "factor", factor, 0, math.inf if pair else 1)
        self.factor = (lower if pair else upper), upper
        self.value_range = pixel_range(self, value_range)
        self.seeded(seed)

    def drawn(self, sizes: tuple, seed: Any) -> Any:
        least, greatest = 1.0 - self.factor[0], 1.0 + self.factor[1]
        return {"contrast_factor": self.draw(seed, (sizes[0], 1, 1, 1), least, greatest)}

    def changed_images(self, images: Any, transformation: Any) -> Any:
        mean = ops.mean(images, axis=self.axes[:2], keepdims=True)
        factor = self.per_image(transformation["contrast_factor"])
        return self.clipped((images - mean) * factor + mean)


class RandomColorDegeneration(ColourLayer):
    """In training ``x + d · (grey - x)``, with a d for each image: colours fade.

    Args:
        factor: d is drawn from [0, factor], or from a pair; within [0, 1].
        value_range: (low, high) of pixels.
        data_format: "channels_last" or "channels_first"; None: as configured.
        seed: int; None takes the next of the global sequence.
        kwargs: what `BaseImagePreprocessingLayer` takes.

    Input, output: see `BaseImagePreprocessingLayer`; three channels; images become floats.

    Example:
        >>> x = np.array([[[[200.0, 100.0, 50.0]]]])
        >>> gray = keras.layers.RandomColorDegeneration((1.0, 1.0))(x, training=True)
        >>> keras.ops.ravel(gray)
        Array([124.18, 124.18, 124.18], dtype=float32)
    """

    def __init__(
        self,
        factor: Any,
        value_range: Any = (0, 255),
        data_format: str | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.factor = interval(self, "factor", factor, 0, 1)
        self.value_range = pixel_range(self, value_range)
        self.seeded(seed)

    def drawn(self, sizes: tuple, seed: Any) -> Any:
        return {"factor": self.draw(seed, (sizes[0], 1, 1, 1), *self.factor)}

    def changed_images(self, images: Any, transformation: Any) -> Any:
        grey = ops.image.rgb_to_grayscale(images, self.data_format)
        return self.clipped(images + self.per_image(transformation["factor"]) * (grey - images))


class RandomSaturation(RandomColorDegeneration):
    """In training the saturation of colours times ``s / (1 - s)``, with an s for each image: 0
    gives grey, 1/2 changes nothing, 1 gives full colours.

    Args:
        factor: s is drawn from [0, factor], or from a pair; within [0, 1].
        value_range, data_format, seed, kwargs: as in `RandomColorDegeneration`.

    Input, output: see `BaseImagePreprocessingLayer`; three channels; images become floats.

    Example:
        >>> x = np.array([[[[200.0, 100.0, 50.0]]]])
        >>> keras.ops.ravel(keras.layers.RandomSaturation((0.0, 0.0))(x, training=True))  # gray
        Array([200.00002, 200.00002, 200.00002], dtype=float32)
    """

    def drawn(self, sizes: tuple, seed: Any) -> Any:
        share = self.draw(seed, (sizes[0],), *self.factor)
        return {"factor": share / (1.0 - share + 1e-7)}

    def changed_images(self, images: Any, transformation: Any) -> Any:
        factor = self.per_image(transformation["factor"])
        hue, saturation, value = self._in_hsv(images)
        return self._in_rgb(hue, ops.clip(saturation * factor, 0.0, 1.0), value)

    def _in_hsv(self, images: Any) -> list:
        x = ops.image.rgb_to_hsv(rescaled(images, self.value_range, (0, 1)), self.data_format)
        return ops.split(x, 3, self.axes[2])

    def _in_rgb(self, *parts: Any) -> Any:
        x = ops.image.hsv_to_rgb(ops.concatenate(parts, self.axes[2]), self.data_format)
        return rescaled(ops.clip(x, 0.0, 1.0), (0, 1), self.value_range)


class RandomHue(RandomSaturation):
    """In training the hue of colours plus ``±h / 2`` of the circle, with an h and a sign for each
    image.

    Args:
        factor: h is drawn from [0, factor], or from a pair; within [0, 1].
        value_range, data_format, seed, kwargs: as in `RandomColorDegeneration`.

    Input, output: see `BaseImagePreprocessingLayer`; three channels; images become floats.

    Example:
        >>> x = np.array([[[[200.0, 100.0, 50.0]]]])
        >>> keras.layers.RandomHue((1.0, 1.0))(x, training=True).shape
        (1, 1, 1, 3)
    """

    def drawn(self, sizes: tuple, seed: Any) -> Any:
        sign = ops.where(self.draw(seed, (sizes[0],)) > 0.5, -1.0, 1.0)
        return {"factor": sign * self.draw(seed, (sizes[0],), *self.factor) * 0.5}

    def changed_images(self, images: Any, transformation: Any) -> Any:
        hue, saturation, value = self._in_hsv(images)
        return self._in_rgb(hue + self.per_image(transformation["factor"]), saturation, value)


class RandomSharpness(RandomColorDegeneration):
    """In training ``x + (1 - 2s) · (smooth - x)``, with an s for each image: 0 gives smooth images,
    1/2 changes nothing, 1 sharpens.

    Args:
        factor: s is drawn from [0, factor], or from a pair; within [0, 1].
        value_range, data_format, seed, kwargs: as in `RandomColorDegeneration`.

    Input, output: see `BaseImagePreprocessingLayer`; images become floats.

    Example:
        >>> x = np.arange(6.0).reshape(1, 2, 3, 1)
        >>> keras.layers.RandomSharpness((0.5, 0.5))(x, training=True)[0, ..., 0]
        Array([[0., 1., 2.],
               [3., 4., 5.]], dtype=float32)
    """

    def drawn(self, sizes: tuple, seed: Any) -> Any:
        return {"factor": self.draw(seed, (sizes[0],), *self.factor)}

    def changed_images(self, images: Any, transformation: Any) -> Any:
        kernel = np.array([[1, 1, 1], [1, 5, 1], [1, 1, 1]], "float32")[..., None, None] / 13
        kernel = ops.cast(ops.convert_to_tensor(kernel), images.dtype)
        kernel = ops.repeat(kernel, images.shape[self.axes[2]], 2)
        smooth = ops.depthwise_conv(images, kernel, 1, "same", self.data_format)
        share = 1.0 - 2.0 * self.per_image(transformation["factor"])
        return self.clipped(images + share * (smooth - images))


class RandomPosterization(ColourLayer):
    """In training pixels keep the highest bits of eight.

    Args:
        factor: how many bits, 1 to 8; or a pair (lower, upper): a number is drawn for each image
            from [lower, upper).
        value_range: (low, high) of pixels.
        data_format: "channels_last" or "channels_first"; None: as configured.
        seed: int; None takes the next of the global sequence.
        kwargs: what `BaseImagePreprocessingLayer` takes.

    Input, output: see `BaseImagePreprocessingLayer`; images become floats.

    Example:
        >>> x = np.array([0.0, 100.0, 200.0]).reshape(1, 1, 3, 1)
        >>> keras.ops.ravel(keras.layers.RandomPosterization(1)(x, training=True))
        Array([  0.,   0., 128.], dtype=float32)
    """

    def __init__(
        self,
        factor: Any,
        value_range: Any = (0, 255),
        data_format: str | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        least, greatest = interval(self, "factor", factor, 1, 8)
        self.factor = (least if isinstance(factor, (tuple, list)) else greatest), greatest
        self.value_range = pixel_range(self, value_range)
        self.seeded(seed)

    def drawn(self, sizes: tuple, seed: Any) -> Any:
        least, greatest = self.factor
        if least == greatest:
            return {"shift_factor": ops.full((sizes[0],), int(8 - least), "uint8")}
        bits = random.randint((sizes[0],), int(least), int(greatest), "uint8", self.own(seed))
        return {"shift_factor": 8 - bits}

    def changed_images(self, images: Any, transformation: Any) -> Any:
        powers = ops.convert_to_tensor(2.0 ** np.arange(9, dtype="float32"))
        steps = ops.take(powers, ops.cast(transformation["shift_factor"], "int32"))
        steps = self.per_image(steps)
        x = ops.clip(ops.floor(rescaled(images, self.value_range, (0, 255))), 0.0, 255.0)
        return rescaled(ops.floor(x / steps) * steps, (0, 255), self.value_range)


class RandomInvert(ColourLayer):
    """In training some images become their negatives, ``high + low - x``.

    Args:
        factor: the probability is drawn for each image from [0, factor], or from a pair.
        value_range: (low, high) of pixels.
        seed: int; None takes the next of the global sequence.
        data_format: "channels_last" or "channels_first"; None: as configured.
        kwargs: what `BaseImagePreprocessingLayer` takes.

    Input, output: see `BaseImagePreprocessingLayer`; images become floats.

    Example:
        >>> x = np.array([0.0, 100.0, 200.0]).reshape(1, 1, 3, 1)
        >>> keras.ops.ravel(keras.layers.RandomInvert((1.0, 1.0))(x, training=True))
        Array([255., 155.,  55.], dtype=float32)
    """

    def __init__(
        self,
        factor: Any = 1.0,
        value_range: Any = (0, 255),
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.factor = interval(self, "factor", factor, 0, 1)
        self.value_range = pixel_range(self, value_range)
        self.seeded(seed)

    def drawn(self, sizes: tuple, seed: Any) -> Any:
        return {"apply_inversion": self.chosen(seed, sizes[0])}

    def changed_images(self, images: Any, transformation: Any) -> Any:
        which = ops.reshape(transformation["apply_inversion"], (-1, 1, 1, 1))
        return ops.where(which, sum(self.value_range) - images, images)


class RandomGrayscale(ColourLayer):
    """In training some images become grey, in all of their channels.

    Args:
        factor: the probability, within [0, 1].
        data_format: "channels_last" or "channels_first"; None: as configured.
        seed: int; None takes the next of the global sequence.
        kwargs: what `BaseImagePreprocessingLayer` takes.

    Input, output: see `BaseImagePreprocessingLayer`; three channels; integers stay integers.

    Example:
        >>> x = np.array([[[[200.0, 100.0, 50.0]]]])
        >>> keras.ops.ravel(keras.layers.RandomGrayscale(1.0)(x, training=True))
        Array([124.18, 124.18, 124.18], dtype=float32)
    """

    def __init__(
        self,
        factor: float = 0.5,
        data_format: str | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.factor = fraction(self, "factor", factor)
        self.seeded(seed)

    def drawn(self, sizes: tuple, seed: Any) -> Any:
        return ops.reshape(ops.less(self.draw(seed, (sizes[0],)), self.factor), (-1, 1, 1, 1))

    prepared = ColourLayer.floats

    def changed_images(self, images: Any, transformation: Any) -> Any:
        grey = ops.image.rgb_to_grayscale(images, self.data_format)
        return ops.where(transformation, grey, images)


class RandomGaussianBlur(ColourLayer):
    """In training some images are blurred.

    Args:
        factor: the probability is drawn for each image from [0, factor], or from a pair.
        kernel_size: odd integer, or a pair (height, width) of them.
        sigma: the width of the bell in pixels along each axis is drawn for a batch from
            [0, sigma], or from a pair; within [0, 1].
        value_range: (low, high) of pixels.
        data_format: "channels_last" or "channels_first"; None: as configured.
        seed: int; None takes the next of the global sequence.
        kwargs: what `BaseImagePreprocessingLayer` takes.

    Input, output: see `BaseImagePreprocessingLayer`; images become floats.

    Example:
        >>> keras.layers.RandomGaussianBlur()(np.ones((2, 8, 8, 3)), training=True).shape
        (2, 8, 8, 3)
    """

    def __init__(
        self,
        factor: Any = 1.0,
        kernel_size: Any = 3,
        sigma: Any = 1.0,
        value_range: Any = (0, 255),
        data_format: str | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.factor = interval(self, "factor", factor, 0, 1)
        self.kernel_size = ints(self, "kernel_size", kernel_size, 2)
        if any(n % 2 == 0 for n in self.kernel_size):
            raise wrong(self, "kernel_size", "an odd number (or a list of two)", kernel_size)
        self.sigma = interval(self, "sigma", sigma, 0, 1)
        self.value_range = pixel_range(self, value_range)
        self.seeded(seed)

    def drawn(self, sizes: tuple, seed: Any) -> Any:
        which = self.chosen(seed, sizes[0])
        sigma = self.draw(seed, (2,), *self.sigma) + 1e-6
        return {"should_apply_blur": which, "blur_factor": sigma}

    def changed_images(self, images: Any, transformation: Any) -> Any:
        which = ops.reshape(transformation["should_apply_blur"], (-1, 1, 1, 1))
        sigma = transformation["blur_factor"]
        blurred = ops.image.gaussian_blur(images, self.kernel_size, sigma, self.data_format)
        return self.clipped(ops.where(which, blurred, images))


class RandomErasing(ColourLayer):
    """In training a rectangle of some images is filled.

    Args:
        factor: the probability is drawn for each image from [0, factor], or from a pair.
        scale: what is drawn for each image, for width and height, from [0, scale] or from a pair
            is the square of the rectangle's share of them; within [0, 1].
        fill_value: a number, or one for each of three channels; None: normal numbers times the
            greatest value.
        value_range: (low, high) of pixels.
        seed: int; None takes the next of the global sequence.
        data_format: "channels_last" or "channels_first"; None: as configured.
        kwargs: what `BaseImagePreprocessingLayer` takes.

    Input, output: see `BaseImagePreprocessingLayer`; images become floats.

    Example:
        >>> x = np.ones((2, 8, 8, 3))
        >>> keras.layers.RandomErasing(1.0)(x, training=True).shape
        (2, 8, 8, 3)
    """

    def __init__(
        self,
        factor: Any = 1.0,
        scale: Any = (0.02, 0.33),
        fill_value: Any = None,
        value_range: Any = (0, 255),
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.factor = interval(self, "factor", factor, 0, 1)
        self.scale = interval(self, "scale", scale, 0, 1)
        several = isinstance(fill_value, (tuple, list))
        if fill_value is not None and (len(fill_value) != 3 if several else True):
            number(self, "fill_value, if it is not three numbers,", fill_value)
        self.fill_value = fill_value
        self.value_range = pixel_range(self, value_range)
        self.seeded(seed)

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        if not training:
            return None
        sizes = self.sizes(data)
        shares = ops.sqrt(self.draw(seed, (sizes[0], 2), *self.scale))
        masks, _ = rectangles(self, sizes, (shares[:, 0], shares[:, 1]), seed)
        which = self.chosen(seed, sizes[0])
        if self.fill_value is None:
            shape = ops.shape(data["images"] if isinstance(data, dict) else data)
            noise = random.normal(shape, dtype="float32", seed=self.own(seed))
            fill = noise * self.value_range[1]
        else:
            fill = np.asarray(self.fill_value, "float32").reshape(-1)
            fill = ops.convert_to_tensor(fill.reshape([1, *np.roll([1, 1, -1], self.axes[2] + 1)]))
        fill = ops.cast(self.clipped(fill), self.compute_dtype)
        return {"apply_erasing": which, "batch_masks": masks, "fill_value": fill}

    def changed_images(self, images: Any, transformation: Any) -> Any:
        which = ops.reshape(transformation["apply_erasing"], (-1, 1, 1, 1))
        inside = ops.logical_and(transformation["batch_masks"], which)
        return ops.where(inside, transformation["fill_value"], images)


class Solarization(ColourLayer):
    """In training ``x + a`` within the range, and of that the negative ``high + low - x`` where it
    is t or more, with an a and a t for each image.

    Args:
        addition_factor: a is drawn from [0, addition_factor], or from a pair, as a fraction of the
            range; within [0, 1].
        threshold_factor: t likewise.
        value_range: (low, high) of pixels.
        seed: int; None takes the next of the global sequence.
        kwargs: what `BaseImagePreprocessingLayer` takes.

    Input, output: see `BaseImagePreprocessingLayer`; images become floats.

    Example:
        >>> x = np.array([0.0, 100.0, 200.0]).reshape(1, 1, 3, 1)
        >>> layer = keras.layers.Solarization(threshold_factor=(0.5, 0.5))
        >>> keras.ops.ravel(layer(x, training=True))
        Array([  0., 100.,  55.], dtype=float32)
    """

    def __init__(
        self,
        addition_factor: Any = 0.0,
        threshold_factor: Any = 0.0,
        value_range: Any = (0, 255),
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.addition_factor = interval(self, "addition_factor", addition_factor, 0, 1)
        self.threshold_factor = interval(self, "threshold_factor", threshold_factor, 0, 1)
        self.value_range = pixel_range(self, value_range)
        self.seeded(seed)

    def drawn(self, sizes: tuple, seed: Any) -> Any:
        shape = (sizes[0], 1, 1, 1)
        bounds = {"additions": self.addition_factor, "thresholds": self.threshold_factor}
        return {
            name: self.draw(seed, shape, 255 * least, 255 * greatest)
            for name, (least, greatest) in bounds.items()
        }

    def changed_images(self, images: Any, transformation: Any) -> Any:
        added, threshold = (self.per_image(transformation[k]) for k in ("additions", "thresholds"))
        x = ops.clip(rescaled(images, self.value_range, (0, 255)) + added, 0.0, 255.0)
        return rescaled(ops.where(x < threshold, x, 255.0 - x), (0, 255), self.value_range)


class RandomColorJitter(ColourLayer):
    """In training the brightness, contrast, saturation and hue of images, in this order.

    Args:
        value_range: (low, high) of pixels.
        brightness_factor: as `RandomBrightness` takes; None: brightness stays.
        contrast_factor, saturation_factor, hue_factor: likewise.
        seed: int; None takes the next of the global sequence.
        data_format: "channels_last" or "channels_first"; None: as configured.
        kwargs: what `BaseImagePreprocessingLayer` takes.

    Input, output: see `BaseImagePreprocessingLayer`; images become floats.

    Example:
        >>> x = np.array([[[[200.0, 100.0, 50.0]]]])
        >>> layer = keras.layers.RandomColorJitter(brightness_factor=(0.1, 0.1))
        >>> keras.ops.ravel(layer(x, training=True))
        Array([225.5, 125.5,  75.5], dtype=float32)
    """

    def __init__(
        self,
        value_range: Any = (0, 255),
        brightness_factor: Any = None,
        contrast_factor: Any = None,
        saturation_factor: Any = None,
        hue_factor: Any = None,
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.value_range = pixel_range(self, value_range)
        self.brightness_factor, self.contrast_factor = brightness_factor, contrast_factor
        self.saturation_factor, self.hue_factor = saturation_factor, hue_factor
        self.seeded(seed)
        given: dict[str, Any] = {
            "value_range": self.value_range, "seed": seed, "data_format": data_format,
            "dtype": self.dtype_policy,
        }  # fmt: skip
        for name, cls in _JITTERS.items():
            factor = getattr(self, f"{name}_factor")
            make = functools.partial(cls, **given)
            found = None if factor is None else named(self, f"{name}_factor", make, factor)
            setattr(self, f"random_{name}", found)

    def _layers(self) -> dict[str, Any]:
        found = {f"random_{name}": getattr(self, f"random_{name}") for name in _JITTERS}
        return {name: layer for name, layer in found.items() if layer is not None}

    def drawn(self, sizes: tuple, seed: Any) -> Any:
        seed = self.own(seed)
        return {name: layer.drawn(sizes, seed) for name, layer in self._layers().items()}

    def changed_images(self, images: Any, transformation: Any) -> Any:
        for name, layer in self._layers().items():
            images = layer.changed_images(images, transformation[name])
        return images


_JITTERS: dict[str, Any] = {
    "brightness": RandomBrightness,
    "contrast": RandomContrast,
    "saturation": RandomSaturation,
    "hue": RandomHue,
}


class AutoContrast(ColourLayer):
    """Stretches the values of each channel of each image over the whole range, in training and
    outside of it.

    Args:
        value_range: (low, high) of pixels.
        kwargs: what `BaseImagePreprocessingLayer` takes.

    Input, output: see `BaseImagePreprocessingLayer`; images become floats.

    Example:
        >>> x = np.array([50.0, 100.0, 150.0]).reshape(1, 1, 3, 1)
        >>> keras.ops.ravel(keras.layers.AutoContrast()(x))
        Array([  0. , 127.5, 255. ], dtype=float32)
    """

    always = True

    def __init__(self, value_range: Any = (0, 255), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.value_range = pixel_range(self, value_range)

    def changed_images(self, images: Any, transformation: Any) -> Any:
        least = ops.min(images, self.axes[:2], keepdims=True)
        spread = ops.max(images, self.axes[:2], keepdims=True) - least
        share = ops.divide_no_nan(images - least, spread)
        stretched = rescaled(ops.clip(share, 0.0, 1.0), (0, 1), self.value_range)
        return ops.where(spread > 0, stretched, images)


class Equalization(ColourLayer):
    """Spreads the values of each channel of each image, so that about equally many pixels have
    each, in training and outside of it.

    Args:
        value_range: (low, high) of pixels.
        bins: how many values are told apart.
        data_format: "channels_last" or "channels_first"; None: as configured.
        kwargs: what `BaseImagePreprocessingLayer` takes.

    Input, output: see `BaseImagePreprocessingLayer`; images become floats.

    Example:
        >>> x = np.array([10.0, 10.0, 20.0, 40.0]).reshape(1, 1, 4, 1)
        >>> keras.ops.ravel(keras.layers.Equalization()(x))
        Array([  0.,   0., 128., 255.], dtype=float32)
    """

    always = True

    def __init__(
        self,
        value_range: Any = (0, 255),
        bins: int = 256,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.bins = positive(self, "bins", bins)
        self.value_range = pixel_range(self, value_range)

    def changed_images(self, images: Any, transformation: Any) -> Any:
        planes = ops.moveaxis(ops.cast(images, "float32"), self.axes[2], 1)
        x = rescaled(planes, self.value_range, (0, 255))
        which = ops.cast(ops.clip(x * (self.bins - 1) / 255.0, 0, self.bins - 1), "int32")
        shape = ops.shape(which)
        which = ops.reshape(which, (-1, shape[2] * shape[3]))  # a row for each channel and image
        counts = _histograms(which, self.bins)
        below = ops.cumsum(counts, -1)
        first = ops.min(ops.where(below > 0, below, below[:, -1:]), -1, keepdims=True)
        rest = ops.maximum(below[:, -1:] - first, 1)
        share = ops.cast(below - first, "float32") * 255.0 / ops.cast(rest, "float32")
        table = ops.clip(ops.round(share), 0, 255)
        flat = ops.sum(ops.cast(counts > 0, "int32"), -1) <= 1
        spread = ops.reshape(ops.take_along_axis(table, which, -1), shape)
        spread = ops.where(ops.reshape(flat, (shape[0], shape[1], 1, 1)), x, spread)
        spread = rescaled(spread, (0, 255), self.value_range)
        return ops.cast(ops.moveaxis(spread, 1, self.axes[2]), images.dtype)


def _histograms(which: Any, bins: int) -> Any:
    """How often each of `bins` numbers is in each row: int32 (rows, bins)."""
    rows = ops.shape(which)[0]
    places = which + bins * ops.expand_dims(ops.arange(rows, dtype="int32"), 1)
    places = ops.reshape(places, (-1, 1))
    counts = ops.scatter(places, ops.ones_like(places[:, 0]), (rows * bins,))
    return ops.reshape(counts, (rows, bins))


class ContrastLimitedAdaptiveHistogramEqualization(ColourLayer):
    """Equalizes the values of each channel around each pixel: those of tiles, with what is between
    the centres of tiles interpolated, in training and outside of it.

    Args:
        value_range: (low, high) of pixels.
        clip_limit: no value counts for more than this multiple of the mean; what is cut off is
            spread over all values; 0: no limit.
        tile_grid_size: how many tiles there are along height and width.
        data_format: "channels_last" or "channels_first"; None: as configured.
        kwargs: what `BaseImagePreprocessingLayer` takes.

    Input, output: see `BaseImagePreprocessingLayer`; integers stay integers.

    Source: Zuiderveld, Contrast Limited Adaptive Histogram Equalization, Graphics Gems IV, 1994.

    Example:
        >>> x = np.zeros((1, 16, 16, 3))
        >>> keras.layers.ContrastLimitedAdaptiveHistogramEqualization()(x).shape
        (1, 16, 16, 3)
    """

    always = True

    def __init__(
        self,
        value_range: Any = (0, 255),
        clip_limit: float = 4.0,
        tile_grid_size: Any = (8, 8),
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.value_range = pixel_range(self, value_range)
        self.clip_limit = number(self, "clip_limit", clip_limit, 0)
        self.tile_grid_size = ints(self, "tile_grid_size", tile_grid_size, 2)

    prepared = ColourLayer.floats

    def changed_images(self, images: Any, transformation: Any) -> Any:
        planes = ops.moveaxis(ops.cast(images, "float32"), self.axes[2], 1)
        x = self._equalized(rescaled(planes, self.value_range, (0, 255)))
        x = rescaled(x, (0, 255), self.value_range)
        return ops.cast(ops.moveaxis(x, 1, self.axes[2]), images.dtype)

    def _equalized(self, x: Any) -> Any:
        """Planes (images, channels, height, width) of values in [0, 255]."""
        count, channels, height, width = ops.shape(x)
        (rows, columns), grid = self.tile_grid_size, self.tile_grid_size
        tall, wide = (height + rows - 1) // rows, (width + columns - 1) // columns
        values = ops.cast(ops.clip(x, 0, 255), "int32")
        values = ops.reshape(values, (-1, height, width))
        down, right = _mirrored(height, tall * rows), _mirrored(width, wide * columns)
        values = ops.take(ops.take(values, down, 1), right, 2)
        tiles = ops.reshape(values, (-1, rows, tall, columns, wide))
        tiles = ops.reshape(ops.transpose(tiles, (0, 1, 3, 2, 4)), (-1, tall * wide))
        tables = ops.reshape(self._tables(tiles, tall * wide), (-1, rows * columns * 256))
        axes = zip(grid, (tall, wide), (height, width))
        places = [_between(tiles, length, size) for tiles, length, size in axes]
        values = values[:, :height, :width]
        total: Any = 0.0
        for row, row_share in places[0]:
            for column, column_share in places[1]:
                tile = ops.expand_dims(row * columns, 1) + column
                found = ops.reshape(tile * 256 + values, (-1, height * width))
                found = ops.reshape(ops.take_along_axis(tables, found, 1), (-1, height, width))
                total = total + found * ops.expand_dims(row_share, 1) * column_share
        return ops.reshape(total, (count, channels, height, width))

    def _tables(self, tiles: Any, size: Any) -> Any:
        """What becomes of each value in each tile: (tiles, 256)."""
        counts, size = ops.cast(_histograms(tiles, 256), "float32"), ops.cast(size, "float32")
        if self.clip_limit > 0:
            limited = ops.minimum(counts, size * (self.clip_limit / 256.0))
            counts = limited + ops.sum(counts - limited, -1, keepdims=True) / 256.0
        below = ops.cumsum(counts, -1)
        first = ops.min(below, -1, keepdims=True)
        rest = size - first
        return ops.clip((below - first) * 255.0 / ops.where(rest == 0, 1.0, rest), 0.0, 255.0)


def _mirrored(length: Any, wanted: Any) -> Any:
    """Indices of `wanted` places along an axis that goes on mirrored beyond its end."""
    place = ops.arange(wanted, dtype="int32") % (2 * length)
    return ops.minimum(place, 2 * length - 1 - place)


def _between(count: int, length: Any, size: Any) -> list[tuple[Any, Any]]:
    """For each of `size` pixels the two tiles around it (of `count`, each of `length` pixels), as
    pairs (index, weight)."""
    length = ops.cast(length, "float32")
    place = (ops.arange(size, dtype="float32") - length / 2.0) / length
    low = ops.floor(place)
    share, low = place - low, ops.cast(low, "int32")
    return [
        (ops.clip(low, 0, count - 1), 1.0 - share),
        (ops.clip(low + 1, 0, count - 1), share),
    ]


__all__ = [
    "AutoContrast", "ContrastLimitedAdaptiveHistogramEqualization", "Equalization",
    "RandomBrightness", "RandomColorDegeneration", "RandomColorJitter", "RandomContrast",
    "RandomErasing", "RandomGaussianBlur", "RandomGrayscale", "RandomHue", "RandomInvert",
    "RandomPosterization", "RandomSaturation", "RandomSharpness", "Solarization",
]  # fmt: skip
