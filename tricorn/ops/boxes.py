"""Boxes around things in images: formats, cutting, moving, overlap."""

from __future__ import annotations

import math
from typing import Any

from tricorn import config
from tricorn.ops.arrays import (
    cast,
    concatenate,
    convert_to_tensor,
    expand_dims,
    ones_like,
    stack,
    swapaxes,
    unstack,
)
from tricorn.ops.elementwise import (
    arctan,
    clip,
    cos,
    divide,
    exp,
    less,
    log,
    logical_or,
    maximum,
    minimum,
    sin,
    square,
    tan,
    where,
)
from tricorn.ops.reductions import max as largest
from tricorn.ops.reductions import min as smallest

FORMATS = (
    "xyxy", "yxyx", "xywh", "center_xywh", "center_yxhw", "rel_xyxy", "rel_yxyx", "rel_xywh",
    "rel_center_xywh",
)  # fmt: skip


def convert_format(
    boxes: Any,
    source: str,
    target: str,
    height: Any = None,
    width: Any = None,
    dtype: Any = "float32",
) -> Any:
    """Boxes in another format.

    A format says what the four numbers are: two corners (``"xyxy"``, ``"yxyx"``), a corner and the
    size (``"xywh"``), the centre and the size (``"center_xywh"``, ``"center_yxhw"``); with
    ``"rel_"`` before it they are fractions of the image's size.

    Args:
        boxes: tensor (..., 4), or a dict with such a one as ``"boxes"``.
        source, target: formats.
        height, width: of the image; needed between relative and absolute formats.
        dtype: of the result.

    Returns:
        tensor of the shape of `boxes`, or a new dict.

    Raises:
        ValueError: another format or shape, or no `height` or `width` where they are needed.

    Example:
        >>> boxes = np.array([[1.0, 2.0, 4.0, 6.0]], "float32")
        >>> keras.utils.bounding_boxes.convert_format(boxes, source="xyxy", target="xywh")
        Array([[1., 2., 3., 4.]], dtype=float32)
    """
    if isinstance(boxes, dict):
        moved = convert_format(boxes["boxes"], source, target, height, width, dtype)
        return {**boxes, "boxes": moved}
    boxes = convert_to_tensor(boxes)
    if boxes.shape[-1] != 4:
        raise ValueError(
            f"`boxes` must be a tensor with the last dimension of 4, got shape {boxes.shape}"
        )
    source, target = source.lower(), target.lower()
    for name in (source, target):
        if name not in FORMATS:
            raise ValueError(
                f"Invalid source or target format {name!r}. Supported formats: {', '.join(FORMATS)}"
            )
    relative = source.startswith("rel_"), target.startswith("rel_")
    if any(relative) and (height is None or width is None):
        raise ValueError(
            "convert_format() must receive `height` and `width` for relative formats, got "
            f"source={source!r}, target={target!r}, height={height!r}, width={width!r}"
        )
    boxes = cast(boxes, dtype)
    corners = _corners(source.removeprefix("rel_"), unstack(boxes, 4, -1))
    if relative[0] != relative[1]:
        size = [cast(convert_to_tensor(side), dtype) for side in (width, height)] * 2
        scaled = zip(corners, size)
        corners = [x * side if relative[0] else divide(x, side) for x, side in scaled]
    return stack(_from_corners(target.removeprefix("rel_"), corners), -1)


def _swapped(name: str, numbers: Any) -> list:
    """Numbers with x before y."""
    a, b, c, d = numbers
    return [b, a, d, c] if "yx" in name.removeprefix("center_")[:2] else [a, b, c, d]


def _corners(name: str, numbers: list) -> list:
    x, y, c, d = _swapped(name, numbers)
    if name in ("xyxy", "yxyx"):
        return [x, y, c, d]
    if name == "xywh":
        return [x, y, x + c, y + d]
    return [x - c / 2.0, y - d / 2.0, x + c / 2.0, y + d / 2.0]


def _from_corners(name: str, corners: list) -> list:
    left, top, right, bottom = corners
    width, height = right - left, bottom - top
    if name in ("xyxy", "yxyx"):
        return _swapped(name, corners)
    if name == "xywh":
        return [left, top, width, height]
    return _swapped(name, [left + width / 2.0, top + height / 2.0, width, height])


def clip_to_image_size(
    bounding_boxes: dict[str, Any],
    height: Any = None,
    width: Any = None,
    bounding_box_format: str = "xyxy",
) -> dict[str, Any]:
    """Boxes cut to the image; the labels of those of which nothing is left become -1.

    Args:
        bounding_boxes: dict with ``"boxes"`` (..., 4) and perhaps ``"labels"`` (...).
        height, width: of the image, for ``"xyxy"``.
        bounding_box_format: ``"xyxy"`` or ``"rel_xyxy"``.

    Raises:
        NotImplementedError: another format.
        ValueError: no `height` or `width` where they are needed.
    """
    if bounding_box_format not in ("xyxy", "rel_xyxy"):
        raise NotImplementedError(
            f"the format must be xyxy or rel_xyxy, got {bounding_box_format!r}"
        )
    if bounding_box_format == "rel_xyxy":
        height = width = 1.0
    if height is None or width is None:
        raise ValueError("`height` and `width` must be set if `format='xyxy'`.")
    boxes = _cut(convert_to_tensor(bounding_boxes["boxes"]), height, width)
    result = {**bounding_boxes, "boxes": boxes}
    if bounding_boxes.get("labels") is not None:
        labels = convert_to_tensor(bounding_boxes["labels"])
        result["labels"] = where(_area(boxes) > 0, labels, -ones_like(labels))
    return result


def _cut(boxes: Any, height: Any, width: Any) -> Any:
    sides = [cast(convert_to_tensor(side), boxes.dtype) for side in (width, height)] * 2
    numbers = zip(unstack(boxes, 4, -1), sides)
    return stack([clip(x, 0, side) for x, side in numbers], -1)


def _area(boxes: Any) -> Any:
    left, top, right, bottom = unstack(boxes, 4, -1)
    return (right - left) * (bottom - top)


def _only_corners(bounding_box_format: str) -> None:
    if bounding_box_format != "xyxy":
        raise NotImplementedError(
            f"the format must be xyxy, got {bounding_box_format!r}: use convert_format first"
        )


def crop(
    boxes: Any, top: Any, left: Any, height: Any, width: Any, bounding_box_format: str = "xyxy"
) -> Any:
    """Boxes (..., 4) in the part of an image that begins at `top` and `left`, cut to its size."""
    _only_corners(bounding_box_format)
    return _cut(pad(boxes, -top, -left), height, width)


def pad(
    boxes: Any,
    top: Any,
    left: Any,
    height: Any = None,
    width: Any = None,
    bounding_box_format: str = "xyxy",
) -> Any:
    """Boxes (..., 4) in an image that is padded at the top and the left."""
    _only_corners(bounding_box_format)
    a, b, c, d = unstack(convert_to_tensor(boxes), 4, -1)
    return stack([a + left, b + top, c + left, d + top], -1)


def affine_transform(
    boxes: Any,
    angle: Any,
    translate_x: Any,
    translate_y: Any,
    scale: Any,
    shear_x: Any,
    shear_y: Any,
    height: Any,
    width: Any,
    center_x: Any = None,
    center_y: Any = None,
    bounding_box_format: str = "xyxy",
) -> Any:
    """The upright boxes around boxes that are rotated, sheared, scaled and moved with an image.

    Args:
        boxes: tensor (images, boxes, 4).
        angle, shear_x, shear_y: in degrees, tensors (images,).
        translate_x, translate_y: fractions of the size, likewise.
        scale: likewise.
        height, width: of the images.
        center_x, center_y: what stays in place, fractions of the size; None: the middle.

    Returns:
        tensor of the shape of `boxes`.
    """
    _only_corners(bounding_box_format)
    angle, shear_x, shear_y = (
        convert_to_tensor(x) * (-math.pi / 180) for x in (angle, shear_x, shear_y)
    )
    tall, wide = (cast(convert_to_tensor(side), angle.dtype) - 1.0 for side in (height, width))
    middle_x = (0.5 if center_x is None else center_x) * wide
    middle_y = (0.5 if center_y is None else center_y) * tall
    moved_x = middle_x - convert_to_tensor(translate_x) * wide
    moved_y = middle_y - convert_to_tensor(translate_y) * tall
    a = cos(angle - shear_y) / cos(shear_y)
    b = a * tan(shear_x) + sin(angle)
    c = -sin(angle - shear_y) / cos(shear_y)
    d = cos(angle) - c * tan(shear_x)
    scale = convert_to_tensor(scale)
    rows = [(d * scale, -b * scale, middle_x), (-c * scale, a * scale, middle_y)]
    left, top, right, bottom = unstack(cast(convert_to_tensor(boxes), angle.dtype), 4, -1)
    x, y = stack([left, right, right, left], -1), stack([top, top, bottom, bottom], -1)

    def each(number: Any) -> Any:
        return expand_dims(number, (-2, -1))

    ends = [
        each(p) * x + each(q) * y + each(middle - p * moved_x - q * moved_y)
        for p, q, middle in rows
    ]
    return stack([smallest(e, -1) for e in ends] + [largest(e, -1) for e in ends], -1)


def encode_box_to_deltas(
    anchors: Any,
    boxes: Any,
    anchor_format: str,
    box_format: str,
    encoding_format: str = "center_yxhw",
    variance: Any = None,
    image_shape: Any = None,
) -> Any:
    """Boxes as differences from anchors: (centre - anchor's) / anchor's size, log(size / anchor's).

    Args:
        anchors: tensor (n, 4).
        boxes: tensor (n, 4) or (images, n, 4).
        anchor_format, box_format: their formats.
        encoding_format: ``"center_xywh"`` or ``"center_yxhw"``: order of the numbers.
        variance: four numbers that the result is divided by.
        image_shape: (height, width, channels), for relative formats.

    Raises:
        ValueError: another `encoding_format`, or not four variances.
    """
    variance = _variance(variance, encoding_format, "encoding_format")
    height, width, _ = image_shape or (None, None, None)
    anchors = convert_format(anchors, anchor_format, encoding_format, height, width)
    boxes = convert_format(boxes, box_format, encoding_format, height, width)
    size, own = (maximum(x[..., 2:], config.epsilon()) for x in (anchors, boxes))
    places = (boxes[..., :2] - anchors[..., :2]) / size
    sizes = log(own / size)
    shift = concatenate([places, sizes], -1)
    return shift if variance is None else shift / variance


def decode_deltas_to_boxes(
    anchors: Any,
    boxes_delta: Any,
    anchor_format: str,
    box_format: str,
    encoded_format: str = "center_yxhw",
    variance: Any = None,
    image_shape: Any = None,
) -> Any:
    """The inverse of `encode_box_to_deltas`; of dicts of levels, each level's.

    Raises:
        ValueError: another `encoded_format`, or not four variances.
    """
    variance = _variance(variance, encoded_format, "encoded_format")
    height, width, _ = image_shape or (None, None, None)

    def decode(anchor: Any, shift: Any) -> Any:
        anchor = convert_format(anchor, anchor_format, encoded_format, height, width)
        shift = convert_to_tensor(shift)
        shift = shift if variance is None else shift * variance
        size = anchor[..., 2:]
        parts = [shift[..., :2] * size + anchor[..., :2], exp(shift[..., 2:]) * size]
        return convert_format(concatenate(parts, -1), encoded_format, box_format, height, width)

    if isinstance(anchors, dict) and isinstance(boxes_delta, dict):
        return {level: decode(anchor, boxes_delta[level]) for level, anchor in anchors.items()}
    return decode(anchors, boxes_delta)


def _variance(variance: Any, encoding: str, argument: str) -> Any:
    if encoding not in ("center_xywh", "center_yxhw"):
        raise ValueError(
            f"`{argument}` should be one of 'center_xywh' or 'center_yxhw', got {encoding!r}"
        )
    if variance is None:
        return None
    variance = convert_to_tensor(variance, "float32")
    if variance.shape[-1] != 4:
        raise ValueError(f"`variance` must be length 4, got {variance}")
    return variance


def compute_iou(
    boxes1: Any,
    boxes2: Any,
    bounding_box_format: str,
    use_masking: bool = False,
    mask_val: float = -1,
    image_shape: Any = None,
) -> Any:
    """The overlap of each box with each: intersection / union.

    Args:
        boxes1: tensor (n, 4) or (images, n, 4).
        boxes2: tensor (m, 4) or (images, m, 4).
        bounding_box_format: of both.
        use_masking: give `mask_val` for boxes of negative numbers.
        mask_val: see above.
        image_shape: (height, width, channels), for relative formats.

    Returns:
        tensor (n, m) or (images, n, m).

    Raises:
        ValueError: another number of axes, or no `image_shape` where it is needed.

    Example:
        >>> one, two = np.array([[0.0, 0.0, 2.0, 2.0]]), np.array([[0.0, 0.0, 2.0, 4.0]])
        >>> keras.utils.bounding_boxes.compute_iou(one, two, bounding_box_format="xyxy")
        Array([[0.5]], dtype=float32)
    """
    boxes1, boxes2 = convert_to_tensor(boxes1), convert_to_tensor(boxes2)
    for name, boxes in (("boxes1", boxes1), ("boxes2", boxes2)):
        if len(boxes.shape) not in (2, 3):
            raise ValueError(
                f"compute_iou() expects {name} to be batched, or to be unbatched: Expected either "
                f"len({name}.shape)=2 or 3, got shape {boxes.shape}"
            )
    boxes1, boxes2 = (_absolute(b, bounding_box_format, image_shape) for b in (boxes1, boxes2))
    first = [expand_dims(x, -1) for x in unstack(boxes1, 4, -1)]
    second = [expand_dims(x, -2) for x in unstack(boxes2, 4, -1)]
    common = _intersection(first, second)
    areas = [(c - a) * (d - b) for a, b, c, d in (first, second)]
    overlap = divide(common, areas[0] + areas[1] - common + config.epsilon())
    if not use_masking:
        return overlap
    absent = [less(largest(boxes, -1, keepdims=True), 0.0) for boxes in (boxes1, boxes2)]
    mask = logical_or(absent[0], swapaxes(absent[1], -1, -2))
    return where(mask, ones_like(overlap) * mask_val, overlap)


def _absolute(boxes: Any, bounding_box_format: str, image_shape: Any) -> Any:
    if "rel" in bounding_box_format and image_shape is None:
        raise ValueError(
            "for relative bounding box formats (e.g. `rel_yxyx`) the `image_shape` argument must "
            "be provided"
        )
    height, width, _ = image_shape or (None, None, None)
    return convert_format(boxes, bounding_box_format, "xyxy", height, width)


def _intersection(first: list, second: list) -> Any:
    width = minimum(first[2], second[2]) - maximum(first[0], second[0])
    height = minimum(first[3], second[3]) - maximum(first[1], second[1])
    return maximum(width, 0.0) * maximum(height, 0.0)


def compute_ciou(
    boxes1: Any, boxes2: Any, bounding_box_format: str, image_shape: Any = None
) -> Any:
    """The complete overlap of pairs of boxes: IoU - d²/c² - v² / (1 + v - IoU).

    d is the distance of the centres, c the diagonal of the box around both, v = 4/π² (difference of
    arctan(width / height))².

    Args:
        boxes1, boxes2: tensors (..., 4).
        bounding_box_format: of both.
        image_shape: (height, width, channels), for relative formats.

    Returns:
        tensor (...).

    Source: Zheng et al., 2021, arXiv:2005.03572.

    Example:
        >>> one, two = np.array([[0.0, 0.0, 2.0, 2.0]]), np.array([[0.0, 0.0, 2.0, 4.0]])
        >>> keras.utils.bounding_boxes.compute_ciou(one, two, bounding_box_format="xyxy").shape
        (1,)
    """
    first, second = (
        unstack(_absolute(boxes, bounding_box_format, image_shape), 4, -1)
        for boxes in (boxes1, boxes2)
    )
    tiny = config.epsilon()
    sizes = [(c - a, d - b + tiny) for a, b, c, d in (first, second)]
    common = _intersection(first, second)
    union = sizes[0][0] * sizes[0][1] + sizes[1][0] * sizes[1][1] - common + 2 * tiny
    overlap = divide(common, union)
    around = [maximum(p, q) - minimum(r, s) for p, q, r, s in zip(
        first[2:], second[2:], first[:2], second[:2]
    )]  # fmt: skip
    centres = [(a + c) / 2.0 - (p + r) / 2.0 for a, c, p, r in zip(
        first[:2], first[2:], second[:2], second[2:]
    )]  # fmt: skip
    apart = square(centres[0]) + square(centres[1])
    diagonal = square(around[0]) + square(around[1]) + tiny
    angles = [arctan(width / height) for width, height in sizes]
    v = (4 / math.pi**2) * square(angles[1] - angles[0])
    return overlap - (apart / diagonal + v * v / (v - overlap + (1 + tiny)))
