"""Layers that change the sizes of images and move what is in them, masks and boxes with it."""

from __future__ import annotations

import math
from typing import Any

from tricorn import ops, random
from tricorn.checks import boolean, choice, number, wrong
from tricorn.engines import active
from tricorn.graph.op import Tensor, op
from tricorn.layers.arguments import positive
from tricorn.layers.preprocessing.images import (
    ChangingLayer,
    interval,
    known,
    pixel_range,
)
from tricorn.ops import boxes as box_ops
from tricorn.ops.image import displaced, margins, perspective

_FILL_MODES = ("reflect", "wrap", "constant", "nearest")
_INTERPOLATIONS = ("nearest", "bilinear")


class GeometricLayer(ChangingLayer):
    """The base of layers that move pixels.  Subclasses define `drawn`, `moved` and `moved_boxes`.

    A transformation has the shape of the images as ``"input_shape"``.
    """

    #: how values between pixels are found in images; in masks it is always the nearest pixel's
    interpolation = "bilinear"

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        if not training and not self.always:
            return None
        shape = ops.shape(data["images"] if isinstance(data, dict) else data)
        return {**self.drawn(self.sizes(data), training, seed), "input_shape": shape}

    def changes(self, transformation: Any, training: Any) -> Any:
        return transformation is not None and super().changes(transformation, training)

    def changed_images(self, images: Any, transformation: Any) -> Any:
        return self.moved(images, transformation, self.interpolation)

    def changed_masks(self, masks: Any, transformation: Any) -> Any:
        return self.moved(masks, transformation, "nearest")

    def changed_boxes(self, boxes: dict, transformation: Any) -> dict:
        shape = transformation["input_shape"]
        sizes = [ops.cast(shape[axis], "float32") for axis in self.axes[:2]]
        known_format = self.bounding_box_format or "xyxy"
        found = box_ops.convert_format(boxes, known_format, "xyxy", *sizes)
        found["boxes"] = self.moved_boxes(found["boxes"], transformation, *sizes)
        sizes = self.result_sizes(*sizes)
        found = box_ops.clip_to_image_size(found, *sizes)
        return box_ops.convert_format(found, "xyxy", known_format, *sizes)

    def result_sizes(self, height: Any, width: Any) -> list:
        """Height and width of the result."""
        return [height, width]

    def drawn(self, sizes: tuple, training: Any, seed: Any) -> dict[str, Any]:
        """What is drawn for a batch of sizes (images, height, width)."""
        return {}

    def moved(self, images: Any, transformation: Any, interpolation: str) -> Any:
        """A batch of images or masks, in their dtype."""
        raise NotImplementedError

    def moved_boxes(self, boxes: Any, transformation: Any, height: Any, width: Any) -> Any:
        """Boxes (images, boxes, 4) as corners x, y, x, y in pixels."""
        raise NotImplementedError(f"{type(self).__name__} cannot move bounding boxes")


# ------------------------------------------------------------------------------------------- sizes


class Resizing(GeometricLayer):
    """Images of another size, in training and outside of it.

    Args:
        height, width: of the result.
        interpolation: "bilinear", "nearest", "bicubic", "lanczos3" or "lanczos5".
        crop_to_aspect_ratio: first cut out the largest block in the middle that has the
            proportions of the result.
        pad_to_aspect_ratio: first add `fill_value` at two sides to come to the proportions.
        fill_mode: "constant".
        fill_value: what is added.
        antialias: widen the filter where images become smaller.
        data_format: "channels_last" or "channels_first"; None: as configured.
        kwargs: what `BaseImagePreprocessingLayer` takes.

    Input, output: see `BaseImagePreprocessingLayer`; integers stay integers.

    Example:
        >>> x = np.arange(6.0).reshape(1, 2, 3, 1)
        >>> keras.layers.Resizing(2, 2, interpolation="nearest")(x)[0, ..., 0]
        Array([[0., 2.],
               [3., 5.]], dtype=float32)
    """

    always = True

    def __init__(
        self,
        height: int,
        width: int,
        interpolation: str = "bilinear",
        crop_to_aspect_ratio: bool = False,
        pad_to_aspect_ratio: bool = False,
        fill_mode: str = "constant",
        fill_value: float = 0.0,
        antialias: bool = False,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.height, self.width = positive(self, "height", height), positive(self, "width", width)
        choices = (*_INTERPOLATIONS, "bicubic", "lanczos3", "lanczos5")
        self.interpolation = choice(self, "interpolation", interpolation, choices)
        self.crop_to_aspect_ratio = boolean(self, "crop_to_aspect_ratio", crop_to_aspect_ratio)
        self.pad_to_aspect_ratio = boolean(self, "pad_to_aspect_ratio", pad_to_aspect_ratio)
        self.fill_mode = choice(self, "fill_mode", fill_mode, ("constant",))
        self.fill_value, self.antialias = number(self, "fill_value", fill_value), bool(antialias)

    prepared = GeometricLayer.floats

    def changes(self, transformation: Any, training: Any) -> bool:
        return True  # and nothing is drawn

    def moved(self, images: Any, transformation: Any, interpolation: str) -> Any:
        return ops.image.resize(
            images,
            (self.height, self.width),
            interpolation,
            self.antialias,
            self.crop_to_aspect_ratio,
            self.pad_to_aspect_ratio,
            self.fill_mode,
            self.fill_value,
            self.data_format,
        )

    def moved_boxes(self, boxes: Any, transformation: Any, height: Any, width: Any) -> Any:
        absent = [ops.all(ops.equal(boxes, number), -1, keepdims=True) for number in (-1, 0)]
        places: list = []
        sizes = [ops.cast(n, boxes.dtype) for n in (width, height)]
        scales = [wanted / n for wanted, n in zip((self.width, self.height), sizes)]
        if self.pad_to_aspect_ratio:
            scales = [ops.minimum(*scales)] * 2
        elif self.crop_to_aspect_ratio:
            scales = [ops.maximum(*scales)] * 2
        for wanted, n, scale in zip((self.width, self.height), sizes, scales):
            spare = wanted - n * scale
            places.append((scale, ops.sign(spare) * ops.floor(ops.abs(spare) / 2.0)))
        ends = ops.split(boxes, 4, -1)
        moved = [x * scale + before for x, (scale, before) in zip(ends, places * 2)]
        return ops.where(ops.logical_or(*absent), 0.0, ops.concatenate(moved, -1))

    def result_sizes(self, height: Any, width: Any) -> list:
        return [self.height, self.width]


class CenterCrop(GeometricLayer):
    """The middle of images, in training and outside of it.  Of an image that is smaller, the
    largest block in the middle that has the proportions of the result is resized.

    Args:
        height, width: of the result.
        data_format: "channels_last" or "channels_first"; None: as configured.
        kwargs: what `BaseImagePreprocessingLayer` takes.

    Input, output: see `BaseImagePreprocessingLayer`; images become floats.

    Example:
        >>> x = np.arange(6.0).reshape(1, 2, 3, 1)
        >>> keras.ops.ravel(keras.layers.CenterCrop(2, 1)(x))
        Array([1., 4.], dtype=float32)
    """

    always = True

    def __init__(
        self, height: int, width: int, data_format: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.height, self.width = positive(self, "height", height), positive(self, "width", width)

    def drawn(self, sizes: tuple, training: Any, seed: Any) -> dict[str, Any]:
        _, height, width = sizes
        wanted = self.height, self.width
        if _may_hold(height, self.height) and _may_hold(width, self.width):
            start = self.start(height - self.height, width - self.width, training, seed)
            if start is not None:
                return {"start": start, "size": None}
        start, size = margins(height, width, wanted, inside=True)
        return {"start": start, "size": size}

    def start(self, rows: Any, columns: Any, training: Any, seed: Any) -> tuple[Any, Any] | None:
        """Where the block begins, of so many rows and columns more than there are in the result;
        None: the largest block is to be resized."""
        return rows // 2, columns // 2

    def moved(self, images: Any, transformation: Any, interpolation: str) -> Any:
        wanted = (self.height, self.width)
        if transformation["size"] is not None:  # a block of another size
            given: dict[str, Any] = {"crop_to_aspect_ratio": True, "data_format": self.data_format}
            return ops.image.resize(images, wanted, interpolation, **given)
        starts, lengths = [0] * len(images.shape), list(ops.shape(images))
        for axis, start, size in zip(self.axes, transformation["start"], wanted):
            starts[axis], lengths[axis] = start, size
        return ops.slice(images, starts, lengths)

    def moved_boxes(self, boxes: Any, transformation: Any, height: Any, width: Any) -> Any:
        size = transformation["size"] or (self.height, self.width)
        top, left, tall, wide = (ops.cast(n, "float32") for n in (*transformation["start"], *size))
        boxes = box_ops.crop(boxes, top, left, tall, wide)
        scales = [self.width / wide, self.height / tall] * 2
        return ops.concatenate([x * s for x, s in zip(ops.split(boxes, 4, -1), scales)], -1)

    def result_sizes(self, height: Any, width: Any) -> list:
        return [self.height, self.width]


def _may_hold(length: Any, wanted: int) -> bool:
    """Whether an axis is long enough, as far as its length is known."""
    return not isinstance(length, int) or length >= wanted


class RandomCrop(CenterCrop):
    """In training a block of images, at one place for the whole batch; outside of training the
    largest block in the middle that has the proportions of the result, resized, and so it is in
    training if the images are smaller than the result.

    Args:
        height, width: of the result.
        seed: int; None takes the next of the global sequence.
        data_format: "channels_last" or "channels_first"; None: as configured.
        name, kwargs: what `BaseImagePreprocessingLayer` takes.

    Input, output: see `BaseImagePreprocessingLayer`; images become floats.

    Example:
        >>> x = np.arange(6.0).reshape(1, 2, 3, 1)
        >>> keras.layers.RandomCrop(2, 1, seed=0)(x, training=True).shape
        (1, 2, 1, 1)
    """

    def __init__(
        self,
        height: int,
        width: int,
        seed: int | None = None,
        data_format: str | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(height, width, data_format=data_format, name=name, **kwargs)
        self.seeded(seed)

    def start(self, rows: Any, columns: Any, training: Any, seed: Any) -> tuple[Any, Any] | None:
        if not training:
            return None
        spare = [ops.cast(n, "float32") for n in (rows, columns)]
        places = [ops.minimum(ops.floor(self.draw(seed, (), 0.0, n + 1.0)), n) for n in spare]
        return ops.cast(places[0], "int32"), ops.cast(places[1], "int32")


# ---------------------------------------------------------------------------------------- movements


class RandomFlip(GeometricLayer):
    """In training each image is mirrored with probability 1/2, along each axis of `mode` at once.

    Args:
        mode: "horizontal" (left and right), "vertical", or "horizontal_and_vertical".
        seed: int; None takes the next of the global sequence.
        data_format: "channels_last" or "channels_first"; None: as configured.
        kwargs: what `BaseImagePreprocessingLayer` takes.

    Input, output: see `BaseImagePreprocessingLayer`; images become floats.

    Example:
        >>> x = np.ones((2, 4, 4, 3))
        >>> keras.layers.RandomFlip("horizontal")(x, training=True).shape
        (2, 4, 4, 3)
    """

    def __init__(
        self,
        mode: str = "horizontal_and_vertical",
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        modes = ("horizontal", "vertical", "horizontal_and_vertical")
        self.mode = choice(self, "mode", mode, modes)
        self.seeded(seed)

    def drawn(self, sizes: tuple, training: Any, seed: Any) -> dict[str, Any]:
        return {"flips": ops.less_equal(self.draw(seed, (sizes[0], 1, 1, 1)), 0.5)}

    def moved(self, images: Any, transformation: Any, interpolation: str) -> Any:
        names = {"vertical": self.axes[0], "horizontal": self.axes[1]}
        axes = tuple(axis for name, axis in names.items() if name in self.mode)
        return ops.where(transformation["flips"], ops.flip(images, axis=axes), images)

    def moved_boxes(self, boxes: Any, transformation: Any, height: Any, width: Any) -> Any:
        left, top, right, bottom = ops.split(boxes, 4, -1)
        if "horizontal" in self.mode:
            left, right = width - right, width - left
        if "vertical" in self.mode:
            top, bottom = height - bottom, height - top
        mirrored = ops.concatenate([left, top, right, bottom], -1)
        return ops.where(ops.reshape(transformation["flips"], (-1, 1, 1)), mirrored, boxes)


class TransformLayer(GeometricLayer):
    """The base of layers that move images by a matrix for each.  Subclasses define `matrices`."""

    fill_mode = "constant"

    def _keep(self, interpolation: str, fill_value: Any, fill_mode: str = "constant") -> None:
        self.interpolation = known(self, "interpolation", interpolation, _INTERPOLATIONS)
        self.fill_mode = known(self, "fill_mode", fill_mode, _FILL_MODES)
        self.fill_value = number(self, "fill_value", fill_value)

    def matrices(self, transformation: Any, height: Any, width: Any) -> list:
        """(a0, a1, a2, b0, b1, b2), numbers or one for each image: the pixel (x, y) of the result
        comes from (a0 x + a1 y + a2, b0 x + b1 y + b2)."""
        raise NotImplementedError

    def transforms(self, transformation: Any) -> Any:
        """The numbers of `ops.image.affine_transform`, (images, 8)."""
        sizes = (transformation["input_shape"][axis] for axis in self.axes[:2])
        parts = self.matrices(transformation, *(ops.cast(n, "float32") for n in sizes))
        zeros = ops.zeros_like(next(x for x in parts if hasattr(x, "shape")))
        return ops.stack([x + zeros for x in (*parts, 0.0, 0.0)], 1)

    def moved(self, images: Any, transformation: Any, interpolation: str) -> Any:
        return ops.image.affine_transform(
            images,
            self.transforms(transformation),
            interpolation,
            self.fill_mode,
            self.fill_value,
            self.data_format,
        )

    def moved_boxes(self, boxes: Any, transformation: Any, height: Any, width: Any) -> Any:
        return _around(boxes, self.transforms(transformation))


def _around(boxes: Any, transforms: Any) -> Any:
    """The upright boxes around boxes (images, boxes, 4) that move with images."""
    a0, a1, a2, b0, b1, b2, c0, c1 = ops.split(ops.expand_dims(transforms, -1), 8, 1)
    left, top, right, bottom = ops.split(boxes, 4, -1)
    x = ops.concatenate([left, right, right, left], -1)
    y = ops.concatenate([top, top, bottom, bottom], -1)
    # a transform says where pixels of the result come from: its inverse, but for a factor, is
    below = (b0 * c1 - b1 * c0) * x + (a1 * c0 - a0 * c1) * y + a0 * b1 - a1 * b0
    x, y = (
        ((b1 - b2 * c1) * x + (a2 * c1 - a1) * y + a1 * b2 - a2 * b1) / below,
        ((b2 * c0 - b0) * x + (a0 - a2 * c0) * y + a2 * b0 - a0 * b2) / below,
    )
    ends = [reduce(v, -1) for reduce in (ops.min, ops.max) for v in (x, y)]
    return ops.stack(ends, -1)


class RandomRotation(TransformLayer):
    """In training images are turned around their middles.

    Args:
        factor: the angle is drawn for each image from [-factor, factor], or from a pair, as a
            fraction of a whole turn, counter-clockwise; within [-1, 1].
        fill_mode: what is beyond the edges of (a b c d): "reflect" (b a | a b c d | d c), "wrap"
            (c d | a b c d | a b), "constant" (`fill_value`) or "nearest" (a a | a b c d | d d).
        interpolation: "bilinear" or "nearest".
        seed: int; None takes the next of the global sequence.
        fill_value: number.
        data_format: "channels_last" or "channels_first"; None: as configured.
        kwargs: what `BaseImagePreprocessingLayer` takes.

    Input, output: see `BaseImagePreprocessingLayer`; images become floats.

    Example:
        >>> x = np.arange(9.0).reshape(1, 3, 3, 1)
        >>> turn = keras.layers.RandomRotation((0.25, 0.25), interpolation="nearest")
        >>> turn(x, training=True)[0, ..., 0]
        Array([[2., 5., 8.],
               [1., 4., 7.],
               [0., 3., 6.]], dtype=float32)
    """

    def __init__(
        self,
        factor: Any,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(factor=factor, data_format=data_format, **kwargs)
        self._keep(interpolation, fill_value, fill_mode)
        self.seeded(seed)

    def drawn(self, sizes: tuple, training: Any, seed: Any) -> dict[str, Any]:
        return {"angle": self.draw(seed, (sizes[0],), *(360.0 * x for x in self.factor))}

    def matrices(self, transformation: Any, height: Any, width: Any) -> list:
        angle = transformation["angle"] * (math.pi / 180.0)
        cos, sin = ops.cos(angle), ops.sin(angle)
        x, y = (width - 1.0) * 0.5, (height - 1.0) * 0.5
        return [cos, -sin, x - x * cos + y * sin, sin, cos, y - x * sin - y * cos]


class RandomTranslation(TransformLayer):
    """In training images are moved along height and width.

    Args:
        height_factor: how far down is drawn for each image from [-height_factor, height_factor],
            or from a pair, as a fraction of the height; within [-1, 1].
        width_factor: how far to the right, likewise.
        fill_mode, interpolation, seed, fill_value, data_format, kwargs: as in `RandomRotation`.

    Input, output: see `BaseImagePreprocessingLayer`; images become floats.

    Example:
        >>> x = np.arange(6.0).reshape(1, 2, 3, 1)
        >>> move = keras.layers.RandomTranslation(0.0, (1 / 3, 1 / 3), fill_mode="constant")
        >>> move(x, training=True)[0, ..., 0]
        Array([[0., 0., 1.],
               [0., 3., 4.]], dtype=float32)
    """

    def __init__(
        self,
        height_factor: Any,
        width_factor: Any,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.height_factor, self.width_factor = height_factor, width_factor
        self._height = interval(self, "height_factor", height_factor, -1, 1)
        self._width = interval(self, "width_factor", width_factor, -1, 1)
        self._keep(interpolation, fill_value, fill_mode)
        self.seeded(seed)

    def drawn(self, sizes: tuple, training: Any, seed: Any) -> dict[str, Any]:
        count, height, width = sizes
        down = self.draw(seed, (count, 1), *self._height) * ops.cast(height, "float32")
        right = self.draw(seed, (count, 1), *self._width) * ops.cast(width, "float32")
        return {"translations": ops.concatenate([right, down], 1)}

    def matrices(self, transformation: Any, height: Any, width: Any) -> list:
        moves = -transformation["translations"]
        return [1.0, 0.0, moves[:, 0], 0.0, 1.0, moves[:, 1]]


class RandomZoom(TransformLayer):
    """In training images become smaller or larger around their middles.

    Args:
        height_factor: z is drawn for each image from [-height_factor, height_factor], or from a
            pair, within (-1, 1]; what is seen is 1 + z times as high: positive numbers make things
            smaller.
        width_factor: likewise; None: z is that of the height.
        fill_mode, interpolation, seed, fill_value, data_format, kwargs: as in `RandomRotation`.

    Input, output: see `BaseImagePreprocessingLayer`; images become floats.

    Example:
        >>> x = np.ones((2, 4, 4, 3))
        >>> keras.layers.RandomZoom(0.2)(x, training=True).shape
        (2, 4, 4, 3)
    """

    def __init__(
        self,
        height_factor: Any,
        width_factor: Any = None,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.height_factor, self.width_factor = height_factor, width_factor
        self._bounds = []
        for name, factor in (("height_factor", height_factor), ("width_factor", width_factor)):
            if factor is not None or name == "height_factor":
                least, greatest = interval(self, name, factor, -1, 1)
                if least == -1 and factor != 1:
                    raise wrong(self, f"The `{name}` argument", "in the range (-1.0, 1.0]", factor)
                self._bounds.append((1.0 + least, 1.0 + greatest))
        self._keep(interpolation, fill_value, fill_mode)
        self.seeded(seed)

    def drawn(self, sizes: tuple, training: Any, seed: Any) -> dict[str, Any]:
        zooms = [self.draw(seed, (sizes[0], 1), *bounds) for bounds in self._bounds]
        return {"height_zoom": zooms[0], "width_zoom": zooms[-1]}

    def matrices(self, transformation: Any, height: Any, width: Any) -> list:
        x, y = (transformation[key][:, 0] for key in ("width_zoom", "height_zoom"))
        left, top = (width - 1.0) / 2.0 * (1.0 - x), (height - 1.0) / 2.0 * (1.0 - y)
        return [x, 0.0, left, 0.0, y, top]


class RandomShear(TransformLayer):
    """In training rows of images are moved along the width, the lower the farther, and columns
    along the height, the farther right the farther.

    Args:
        x_factor: how far rows are moved is drawn for each image from [0, x_factor], or from a
            pair, in pixels for each pixel of height; within [0, 1]. The sign of both is drawn.
        y_factor: how far columns are moved, likewise.
        interpolation, fill_mode, fill_value, data_format, seed, kwargs: as in `RandomRotation`.

    Input, output: see `BaseImagePreprocessingLayer`; images become floats.

    Example:
        >>> x = np.ones((2, 4, 4, 3))
        >>> keras.layers.RandomShear(0.2)(x, training=True).shape
        (2, 4, 4, 3)
    """

    def __init__(
        self,
        x_factor: Any = 0.0,
        y_factor: Any = 0.0,
        interpolation: str = "bilinear",
        fill_mode: str = "reflect",
        fill_value: float = 0.0,
        data_format: str | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.x_factor = interval(self, "x_factor", x_factor, 0, 1)
        self.y_factor = interval(self, "y_factor", y_factor, 0, 1)
        self._keep(interpolation, fill_value, fill_mode)
        self.seeded(seed)

    def drawn(self, sizes: tuple, training: Any, seed: Any) -> dict[str, Any]:
        shape = (sizes[0], 1)
        sign = ops.where(self.draw(seed, shape) > 0.5, -1.0, 1.0)
        down, right = (self.draw(seed, shape, *x) for x in (self.y_factor, self.x_factor))
        return {"shear_factor": ops.concatenate([right, down], 1) * sign}

    def matrices(self, transformation: Any, height: Any, width: Any) -> list:
        shear = ops.cast(transformation["shear_factor"], "float32")
        return [1.0, shear[:, 0], 0.0, shear[:, 1], 1.0, 0.0]


class RandomPerspective(TransformLayer):
    """In training some images are seen from another side: their corners are moved.

    Args:
        factor: the probability is drawn for each image from [0, factor], or from a pair.
        scale: each coordinate c of a corner moves by c times a number drawn from
            [-scale / 2, scale / 2]; within [0, 1].
        interpolation: "bilinear" or "nearest".
        fill_value: what is beyond the edges.
        seed: int; None takes the next of the global sequence.
        data_format: "channels_last" or "channels_first"; None: as configured.
        kwargs: what `BaseImagePreprocessingLayer` takes.

    Input, output: see `BaseImagePreprocessingLayer`; images become floats.

    Example:
        >>> x = np.ones((2, 4, 4, 3))
        >>> keras.layers.RandomPerspective()(x, training=True).shape
        (2, 4, 4, 3)
    """

    def __init__(
        self,
        factor: Any = 1.0,
        scale: float = 1.0,
        interpolation: str = "bilinear",
        fill_value: float = 0.0,
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.factor = interval(self, "factor", factor, 0, 1)
        self.scale = number(self, "scale", scale, 0, 1)
        self._keep(interpolation, fill_value)
        self.seeded(seed)

    def drawn(self, sizes: tuple, training: Any, seed: Any) -> dict[str, Any]:
        which = self.chosen(seed, sizes[0])
        shares = self.draw(seed, (sizes[0], 4, 2), -0.5 * self.scale, 0.5 * self.scale)
        bottom, right = (ops.cast(n, "float32") - 1.0 for n in sizes[1:])
        xs, ys = (ops.stack(v) for v in ((0.0, right, 0.0, right), (0.0, 0.0, bottom, bottom)))
        corners = ops.stack([xs, ys], -1) + ops.zeros_like(shares)
        moved = corners * (1.0 + shares)
        return {"apply_perspective": which, "start_points": corners, "end_points": moved}

    def transforms(self, transformation: Any) -> Any:
        return perspective(transformation["start_points"], transformation["end_points"])

    def moved(self, images: Any, transformation: Any, interpolation: str) -> Any:
        which = ops.reshape(transformation["apply_perspective"], (-1, 1, 1, 1))
        return ops.where(which, super().moved(images, transformation, interpolation), images)

    def moved_boxes(self, boxes: Any, transformation: Any, height: Any, width: Any) -> Any:
        which = ops.reshape(transformation["apply_perspective"], (-1, 1, 1))
        return ops.where(which, super().moved_boxes(boxes, transformation, height, width), boxes)


class RandomElasticTransform(TransformLayer):
    """In training some images are stretched and squeezed: each pixel comes from a place nearby, and
    neighbours from places near to each other.  Boxes cannot be changed.

    Args:
        factor: the probability is drawn for each image from [0, factor], or from a pair.
        scale: how strong is drawn for a batch from [0, scale], or from a pair; within [0, 1].
        interpolation: "bilinear" or "nearest".
        fill_mode: as in `RandomRotation`, or "mirror" (c b | a b c d | c b).
        fill_value: number.
        value_range: (low, high) of pixels.
        seed: int; None takes the next of the global sequence.
        data_format: "channels_last" or "channels_first"; None: as configured.
        kwargs: what `BaseImagePreprocessingLayer` takes.

    Input, output: see `BaseImagePreprocessingLayer`; images become floats.

    Source: Simard et al., 2003, https://doi.org/10.1109/ICDAR.2003.1227801

    Example:
        >>> x = np.ones((2, 8, 8, 3))
        >>> keras.layers.RandomElasticTransform()(x, training=True).shape
        (2, 8, 8, 3)
    """

    def __init__(
        self,
        factor: Any = 1.0,
        scale: Any = 1.0,
        interpolation: str = "bilinear",
        fill_mode: str = "reflect",
        fill_value: float = 0.0,
        value_range: Any = (0, 255),
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.factor = interval(self, "factor", factor, 0, 1)
        self.scale = interval(self, "scale", scale, 0, 1)
        self._keep(interpolation, fill_value)
        self.fill_mode = known(self, "fill_mode", fill_mode, (*_FILL_MODES, "mirror"))
        self.value_range = pixel_range(self, value_range)
        self.seeded(seed)

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        if not training:
            return None
        which = self.chosen(seed, self.sizes(data)[0])
        images = data["images"] if isinstance(data, dict) else data
        scale = self.draw(seed, (), *self.scale)
        moves = _stretches(images, scale, self.scale[1], self.axes, self.own(seed))
        return {"apply_transform": which, "displacements": moves}

    def changed_images(self, images: Any, transformation: Any) -> Any:
        return ops.clip(super().changed_images(images, transformation), *self.value_range)

    def moved(self, images: Any, transformation: Any, interpolation: str) -> Any:
        which = ops.reshape(transformation["apply_transform"], (-1, 1, 1, 1))
        moved = displaced(
            images,
            transformation["displacements"],
            interpolation,
            self.fill_mode,
            self.fill_value,
            self.data_format,
        )
        return ops.where(which, moved, images)

    def changed_boxes(self, boxes: dict, transformation: Any) -> dict:
        raise NotImplementedError(f"{type(self).__name__} cannot change bounding boxes")


@op
def _stretches(images: Tensor, scale: Tensor, most: float, axes: tuple, seed: Any) -> Tensor:
    """How far away each pixel comes from: (images, height, width, 2); see `elastic_transform`.

    Args:
        scale: how strong, ().
        most: the most that `scale` may be, which tells how large a window has to be.
        axes: of height and width among others.
    """
    shape = active().shape(images)
    height, width = (shape[axis] for axis in axes[:2])
    if not isinstance(height, int) or not isinstance(width, int):
        raise ValueError(
            "RandomElasticTransform: height and width of the images must be known, got the shape "
            f"{tuple(shape)}"
        )
    sigma = scale * (0.05 * min(height, width)) + 1e-6
    count = shape[0] if len(shape) == 4 else 1
    fields = random.normal((count, height, width, 2), dtype="float32", seed=seed) * sigma
    window = (int(6 * 0.05 * most * min(height, width)) | 1,) * 2
    moves = ops.image.gaussian_blur(fields, window, (sigma, sigma), "channels_last")
    return moves * (scale * (0.1 * max(height, width)))


class MaxNumBoundingBoxes(ChangingLayer):
    """Data whose images have equally many boxes: those that are too many are left out, and boxes of
    `fill_value` with that label are added.

    Args:
        max_number: how many boxes.
        fill_value: int.
        kwargs: what `BaseImagePreprocessingLayer` takes.

    Input, output: see `BaseImagePreprocessingLayer`; the other parts stay as they are.

    Example:
        >>> layer = keras.layers.MaxNumBoundingBoxes(2, bounding_box_format="xyxy")
        >>> boxes = {"boxes": np.ones((1, 3, 4)), "labels": np.ones((1, 3))}
        >>> data = {"images": np.ones((1, 4, 4, 3)), "bounding_boxes": boxes}
        >>> layer(data)["bounding_boxes"]["boxes"].shape
        (1, 2, 4)
    """

    def __init__(self, max_number: int, fill_value: int = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.max_number, self.fill_value = positive(self, "max_number", max_number), int(fill_value)

    always = True

    def prepared(self, images: Any) -> Any:
        return images

    def changed_boxes(self, boxes: dict, transformation: Any) -> dict:
        result = dict(boxes)
        for key in ("boxes", "labels"):
            x = boxes[key]
            after = [[0, self.max_number] if axis == 1 else [0, 0] for axis in range(len(x.shape))]
            x = ops.pad(x, after, constant_values=self.fill_value)  # in plenty, and the rest is cut
            result[key] = x[:, : self.max_number]
        return result


__all__ = [
    "CenterCrop", "MaxNumBoundingBoxes", "RandomCrop", "RandomElasticTransform", "RandomFlip",
    "RandomPerspective", "RandomRotation", "RandomShear", "RandomTranslation", "RandomZoom",
    "Resizing",
]  # fmt: skip
