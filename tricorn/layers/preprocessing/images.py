"""The base of the layers that prepare and change images, with what belongs to them: labels, masks
of segments, boxes.

A layer draws once for each batch (`get_random_transformation`), mostly a number for each image, and
applies what it drew to every part (`transform_images`, `transform_labels` ...).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tricorn import checks, ops, random, tree
from tricorn.checks import wrong
from tricorn.layers.arguments import data_format as layout
from tricorn.layers.preprocessing.base import DataLayer
from tricorn.ops import boxes as box_ops
from tricorn.seeds import SeedGenerator

#: the parts of a dict of data -> the end of the name of the method for one image's
_PARTS = {
    "images": "image",
    "labels": "label",
    "bounding_boxes": "bounding_box",
    "segmentation_masks": "segmentation_mask",
}


class BaseImagePreprocessingLayer(DataLayer):
    """The base of layers that change images, for those of your own too: override
    `get_random_transformation` and the ``transform_...`` methods.

    Args:
        factor: a number, or a pair (least, greatest) to draw from; see the subclasses.
        bounding_box_format: what the numbers of boxes are, as in
            `utils.bounding_boxes.convert_format`; needed for data with boxes.
        data_format: "channels_last" or "channels_first"; None: as configured.
        kwargs: what every `Layer` takes.

    Call: images (batch, height, width, channels), or one image (height, width, channels), or
    channels first; or a dict with them as ``"images"`` and perhaps ``"labels"``,
    ``"segmentation_masks"`` and ``"bounding_boxes"``, itself a dict with ``"boxes"``
    (batch, boxes, 4) and ``"labels"`` (batch, boxes).  `training` is True unless it is said, or
    known from the call around.

    Result: like the input; other parts of a dict stay as they are.

    Example:
        >>> class Darker(keras.layers.BaseImagePreprocessingLayer):
        ...     def transform_images(self, images, transformation, training=True):
        ...         return images * 0.5
        >>> keras.ops.ravel(Darker()(np.full((1, 1, 2, 1), 8.0, "float32")))
        Array([4., 4.], dtype=float32)
    """

    #: where code written for Keras's preprocessing layers looks for the ops
    backend = ops

    def __init__(
        self,
        factor: Any = None,
        bounding_box_format: str | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        # images are cast where they are computed with; the numbers of boxes keep their precision
        super().__init__(**{"autocast": False, **kwargs})
        if factor is not None:
            self.factor = interval(self, "factor", factor, -1, 1)
        if bounding_box_format is not None:
            checks.choice(self, "bounding_box_format", bounding_box_format, box_ops.FORMATS)
        self.bounding_box_format = bounding_box_format
        self.data_format = layout(data_format)
        self.supports_masking = True

    # ------------------------------------------------------------------------- what is overridden

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """What is drawn for a batch, in any form; None: nothing.

        Args:
            data: what the layer is called with.
            training: whether it is called in training.
            seed: what to draw with: an int or a SeedGenerator; None: the layer's own.
        """
        return None

    def transform_images(self, images: Any, transformation: Any, training: bool = True) -> Any:
        """The changed batch of images."""
        raise NotImplementedError(f"{type(self).__name__} has no method transform_images")

    def transform_labels(self, labels: Any, transformation: Any, training: bool = True) -> Any:
        """The labels of the changed images: the same, mostly."""
        return labels

    def transform_bounding_boxes(
        self, bounding_boxes: Any, transformation: Any, training: bool = True
    ) -> Any:
        """The boxes in the changed images."""
        raise NotImplementedError(f"{type(self).__name__} cannot change bounding boxes")

    def transform_segmentation_masks(
        self, segmentation_masks: Any, transformation: Any, training: bool = True
    ) -> Any:
        """The masks of the changed images."""
        raise NotImplementedError(f"{type(self).__name__} cannot change segmentation masks")

    def transform_single_image(self, image: Any, transformation: Any, training: bool = True) -> Any:
        """`transform_images` of one image."""
        return _single(self.transform_images, image, transformation, training)

    def transform_single_label(self, label: Any, transformation: Any, training: bool = True) -> Any:
        """`transform_labels` of one image's."""
        return _single(self.transform_labels, label, transformation, training)

    def transform_single_bounding_box(
        self, bounding_box: Any, transformation: Any, training: bool = True
    ) -> Any:
        """`transform_bounding_boxes` of one image's."""
        return _single(self.transform_bounding_boxes, bounding_box, transformation, training)

    def transform_single_segmentation_mask(
        self, segmentation_mask: Any, transformation: Any, training: bool = True
    ) -> Any:
        """`transform_segmentation_masks` of one image's."""
        masks = segmentation_mask
        return _single(self.transform_segmentation_masks, masks, transformation, training)

    # ----------------------------------------------------------------------------------- the call

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if args and isinstance(args[0], dict):
            args = (self._as_arrays(args[0]), *args[1:])
        return super().__call__(*args, **kwargs)

    def _as_arrays(self, data: dict) -> dict:
        """The parts of a dict as arrays, boxes of every image equally many."""
        if "images" not in data:
            raise ValueError(f"{self!r}: data must have the key 'images', got {sorted(data)}")
        data = {k: _array(v) if isinstance(v, (list, tuple)) else v for k, v in data.items()}
        if "bounding_boxes" in data:
            if self.bounding_box_format is None:
                raise ValueError(
                    f"{self!r}: You passed an input with a 'bounding_boxes' key, but you didn't "
                    "specify a bounding box format; pass bounding_box_format to the layer, "
                    "bounding_box_format='xyxy' say"
                )
            data["bounding_boxes"] = densify(data["bounding_boxes"])
        return data

    def call(self, data: Any, training: bool = True) -> Any:
        several = isinstance(data, dict)
        parts, one = (data if several else {"images": data}), self._rank(data) == 3
        given = {"training": training}
        given["transformation"] = self.get_random_transformation(data, training=training)
        result = dict(parts)
        for name in _PARTS:
            if name in parts:
                which = f"single_{_PARTS[name]}" if one else name
                result[name] = getattr(self, f"transform_{which}")(parts[name], **given)
        return result if several else result["images"]

    # --------------------------------------------------------------------------- for the subclasses

    def _rank(self, data: Any) -> int:
        shape = tuple((data["images"] if isinstance(data, dict) else data).shape)
        if len(shape) not in (3, 4):
            raise ValueError(
                "Expected image tensor to have rank 3 (single image) or 4 (batch of images), got "
                f"the shape {shape}"
            )
        return len(shape)

    @property
    def axes(self) -> tuple[int, int, int]:
        """The axes of height, width and channels."""
        return (-3, -2, -1) if self.data_format == "channels_last" else (-2, -1, -3)

    def sizes(self, data: Any) -> tuple[Any, Any, Any]:
        """(images, height, width) of data: ints, or scalar tensors where they are not known."""
        shape = ops.shape(data["images"] if isinstance(data, dict) else data)
        height, width, _ = self.axes
        return (1 if self._rank(data) == 3 else shape[0]), shape[height], shape[width]

    def draw(self, seed: Any, shape: Any, least: Any = 0.0, greatest: Any = 1.0) -> Any:
        """Uniform float32 draws with `seed`, or the layer's own generator."""
        return random.uniform(shape, least, greatest, "float32", self.own(seed))

    def own(self, seed: Any) -> Any:
        """`seed`, or the layer's own generator."""
        return self.generator if seed is None else seed

    def seeded(self, seed: int | None) -> None:
        """Give the layer a generator of its own."""
        self.seed = seed
        self.generator = SeedGenerator(seed)

    def chosen(self, seed: Any, count: Any) -> Any:
        """Which of `count` images are changed, bool (count,): each with a probability that is drawn
        from the layer's `factor`."""
        probability = self.draw(seed, (count,), *self.factor)
        return ops.less(self.draw(seed, (count,)), probability)

    def per_image(self, values: Any) -> Any:
        """Numbers for each image, in a shape that broadcasts with images, in the compute dtype."""
        return ops.cast(ops.reshape(values, (-1, 1, 1, 1)), self.compute_dtype)

    def floats(self, images: Any) -> Any:
        """Images in the compute dtype, integers as they are."""
        whole = "int" in str(images.dtype) or "bool" in str(images.dtype)
        return images if whole else ops.cast(images, self.compute_dtype)


class ChangingLayer(BaseImagePreprocessingLayer):
    """The base of the library's own layers.  Subclasses say what becomes of the parts of data where
    something changes; what they do not speak of stays as it is.
    """

    #: whether data change outside of training, too
    always = False

    def changes(self, transformation: Any, training: Any) -> Any:
        """Whether data change."""
        return training or self.always

    def transform_images(
        self, images: Any, transformation: Any = None, training: bool = True
    ) -> Any:
        images = self.prepared(images)
        changes = self.changes(transformation, training)
        return self.changed_images(images, transformation) if changes else images

    def transform_labels(self, labels: Any, transformation: Any, training: bool = True) -> Any:
        changes = self.changes(transformation, training)
        return self.changed_labels(labels, transformation) if changes else labels

    def transform_bounding_boxes(
        self, bounding_boxes: Any, transformation: Any = None, training: bool = True
    ) -> Any:
        changes = self.changes(transformation, training)
        return self.changed_boxes(bounding_boxes, transformation) if changes else bounding_boxes

    def transform_segmentation_masks(
        self, segmentation_masks: Any, transformation: Any = None, training: bool = True
    ) -> Any:
        changes = self.changes(transformation, training)
        masks = segmentation_masks
        return self.changed_masks(masks, transformation) if changes else masks

    def prepared(self, images: Any) -> Any:
        """Images in the dtype that they have from now on."""
        return ops.cast(images, self.compute_dtype)

    def changed_images(self, images: Any, transformation: Any) -> Any:
        """A batch of prepared images, changed."""
        return images

    def changed_labels(self, labels: Any, transformation: Any) -> Any:
        """Their labels."""
        return labels

    def changed_boxes(self, boxes: dict, transformation: Any) -> dict:
        """Their boxes with the boxes' labels."""
        return boxes

    def changed_masks(self, masks: Any, transformation: Any) -> Any:
        """Their masks."""
        return masks


def _single(transform: Any, part: Any, transformation: Any, training: Any) -> Any:
    """A method for batches on what belongs to one image."""
    batch = tree.map(lambda x: ops.expand_dims(x, 0), part)
    result = transform(batch, transformation=transformation, training=training)
    return tree.map(lambda x: ops.squeeze(x, 0), result)


# -------------------------------------------------------------------------------------- arguments


def interval(layer: Any, name: str, value: Any, least: float, greatest: float) -> tuple:
    """The argument as (lower, upper): a pair, in any order; a number x means [-x, x], as far as
    that is within the bounds.

    Raises:
        ValueError: when it is neither, or beyond the bounds.
    """
    wanted = f"a number (or a list of two numbers) in the range [{least}, {greatest}]"
    pair = sorted(value) if _is_pair(value) else [value, value]
    if not all(_is_number(x) and least <= x <= greatest for x in pair):
        raise wrong(layer, f"The `{name}` argument", wanted, value)
    return tuple(pair) if _is_pair(value) else (max(-abs(value), least), abs(value))


def pixel_range(layer: Any, value: Any) -> tuple:
    """The least and the greatest value of a pixel, from a pair in any order.

    Raises:
        ValueError: when it is something else.
    """
    if not _is_pair(value) or value[0] == value[1]:
        raise wrong(layer, "The `value_range` argument", "a list of two numbers", value)
    return tuple(sorted(value))


def _is_pair(value: Any) -> bool:
    return isinstance(value, (tuple, list)) and len(value) == 2 and all(map(_is_number, value))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.number)) and not isinstance(value, bool)


class UnknownMode(ValueError, NotImplementedError):
    """A way to fill or to interpolate that there is not; of both kinds, since Keras raises the
    second."""


def known(layer: Any, name: str, value: Any, choices: tuple) -> Any:
    """One of the values `choices`.

    Raises:
        UnknownMode: for another.
    """
    if not isinstance(value, str) or value not in choices:
        listed = ", ".join(map(repr, choices))
        raise wrong(layer, f"Unknown `{name}`: it", f"one of {listed}", value, UnknownMode)
    return value


# --------------------------------------------------------------------------------- images and boxes


def rescaled(x: Any, source: Any, target: Any) -> Any:
    """Values of the range `source` in the range `target`."""
    if tuple(source) == tuple(target):
        return x
    share = (target[1] - target[0]) / (source[1] - source[0])
    return (x - source[0]) * share + target[0]


def rectangles(layer: Any, sizes: Any, shares: Any, seed: Any) -> tuple[Any, Any]:
    """Rectangles at places drawn anew for each image.

    Args:
        layer: draws, and knows where the axes are.
        sizes: (images, height, width).
        shares: fractions of width and of height, each of shape (images,).
        seed: what to draw with.

    Returns:
        (which pixels are inside, bool (images, height, width, 1), or channels first; fraction of
        each image that the rectangle covers).
    """
    count, *lengths = sizes
    on, covered = None, 1.0
    # columns first, as Keras draws
    for length, share, axis in zip(lengths[::-1], shares, (layer.axes[1], layer.axes[0])):
        whole = ops.cast(length, "float32")
        side = share * whole
        start = layer.draw(seed, (count,)) * (whole - side)
        shape = [1, 1, 1, 1]
        shape[axis] = -1
        place = ops.reshape(ops.arange(length, dtype="float32"), shape)
        first, end = (ops.reshape(x, (-1, 1, 1, 1)) for x in (start, start + side))
        inside = ops.logical_and(place >= first, place < end)
        on = inside if on is None else ops.logical_and(on, inside)
        covered = covered * side / whole
    return on, covered


def densify(bounding_boxes: Any) -> dict[str, Any]:
    """Boxes as tensors: float32 (..., boxes, 4), and their labels (..., boxes); where images have
    different numbers of boxes, boxes of zeros with the label -1 are added.

    Raises:
        ValueError: when one of the two is missing, or their shapes do not fit.
    """
    if not isinstance(bounding_boxes, dict) or not {"boxes", "labels"} <= set(bounding_boxes):
        raise ValueError(
            "Expected `bounding_boxes` argument to be a dict with keys 'boxes' and 'labels', got "
            f"{bounding_boxes!r}"
        )
    boxes, labels = (
        _dense(bounding_boxes[name], default) for name, default in (("boxes", 0), ("labels", -1))
    )
    shapes = tuple(boxes.shape), tuple(labels.shape)
    if len(shapes[0]) not in (2, 3) or len(shapes[1]) - len(shapes[0]) not in (-1, 0):
        raise ValueError(
            "Expected `bounding_boxes['boxes']` to have the shape (boxes, 4) or (batch, boxes, 4), "
            f"and `bounding_boxes['labels']` one label for each box, got the shapes {shapes[0]} "
            f"and {shapes[1]}"
        )
    return {**bounding_boxes, "boxes": boxes, "labels": labels}


def _dense(values: Any, default: int) -> Any:
    if hasattr(values, "to_tensor"):  # TensorFlow's ragged tensors
        return values.to_tensor(default_value=default)
    return _array(values, default) if isinstance(values, (list, tuple)) else values


def _array(values: Any, default: int = 0) -> np.ndarray:
    """Lists as an array; rows that are too short get more elements `default`."""
    rows = [np.asarray(row) for row in values]
    longest = max((row.shape[:1] for row in rows), default=())
    if longest and len({row.shape for row in rows}) > 1:
        tail = next((row.shape[1:] for row in rows if len(row)), ())
        spare = [np.full((longest[0] - len(row), *tail), default) for row in rows]
        rows = [np.concatenate([row.reshape(-1, *tail), more]) for row, more in zip(rows, spare)]
    array = np.asarray(rows)
    return array.astype("float32") if array.dtype.kind == "f" else array
