"""Images with boxes, masks and labels drawn on them, and galleries of such.

What draws on arrays needs NumPy, its text Pillow; galleries need Matplotlib.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tricorn import config, ops
from tricorn.ops import boxes as box_ops

#: the height of letters in pixels is that of OpenCV's, at the scale 1
_FONT_SIZE = 30
#: what each class adds to the colour of the one before
_COLOURS = np.array([2**25 - 1, 2**15 - 1, 2**21 - 1])


# ------------------------------------------------------------------------------------------- boxes


def draw_bounding_boxes(
    images: Any,
    bounding_boxes: dict[str, Any],
    bounding_box_format: str,
    class_mapping: dict[int, str] | None = None,
    color: Any = (128, 128, 128),
    line_thickness: int = 2,
    text_thickness: int | None = 1,
    font_scale: float = 1.0,
    data_format: str | None = None,
) -> np.ndarray:
    """Images with boxes around what is in them.

    Args:
        images: (batch, height, width, channels), or channels first; values from 0 to 255, or floats
            from 0 to 1.
        bounding_boxes: dict of ``"boxes"`` (batch, n, 4), ``"labels"`` (batch, n), -1 for no box,
            and perhaps ``"confidences"`` (batch, n).
        bounding_box_format: of the boxes, see `utils.bounding_boxes.convert_format`.
        class_mapping: label -> name; the names are written at the boxes.
        color: numbers from 0 to 255, one for each channel.
        line_thickness: of the lines in pixels, around the box's edge; negative: the box is filled.
        text_thickness: of the letters' lines; None: `line_thickness`.
        font_scale: size of the letters; 1: capitals of about 21 pixels.
        data_format: "channels_last" or "channels_first"; None: as configured.

    Returns:
        array of uint8, of the shape of `images`.

    Raises:
        ImportError: when names are to be written and Pillow is not installed.
        TypeError: when `bounding_boxes` is no dict.
        ValueError: for images that are no batch, a dict without boxes or labels, another format.

    Example:
        >>> boxes = {"boxes": np.array([[[1.0, 1, 6, 6]]]), "labels": np.array([[0]])}
        >>> images = np.zeros((1, 8, 8, 3))
        >>> keras.visualization.draw_bounding_boxes(images, boxes, "xyxy", color=(255, 0, 0)).shape
        (1, 8, 8, 3)
    """
    if not isinstance(bounding_boxes, dict):
        raise TypeError(
            f"`bounding_boxes` should be a dict, got {bounding_boxes!r} of type "
            f"{type(bounding_boxes).__name__}"
        )
    if not {"boxes", "labels"} <= bounding_boxes.keys():
        raise ValueError(
            "`bounding_boxes` should be a dict containing 'boxes' and 'labels' keys, got the keys "
            f"{list(bounding_boxes)}"
        )
    layout = config.data_format(data_format)
    drawn = _as_bytes(_channels_last(images, layout))
    boxes = box_ops.convert_format(
        bounding_boxes["boxes"], bounding_box_format, "xyxy", *drawn.shape[1:3]
    )
    found = {name: ops.convert_to_numpy(x) for name, x in bounding_boxes.items()}
    corners = ops.convert_to_numpy(boxes).astype(np.int32)
    names, colour = class_mapping or {}, np.asarray(color, np.uint8)[: drawn.shape[-1]]
    for i, image in enumerate(drawn):
        for j, (left, top, right, bottom) in enumerate(corners[i].tolist()):
            label = int(found["labels"][i, j])
            if label == -1:
                continue
            _rectangle(image, left, top, right, bottom, colour, line_thickness)
            if label in names:
                text = names[label]
                if "confidences" in found:
                    text = f"{text} | {found['confidences'][i, j]:.2f}"
                thickness = text_thickness or line_thickness
                place = _text_place(left, top, font_scale, thickness)
                _write(image, text, place, colour, thickness, font_scale)
    return drawn if layout == "channels_last" else drawn.transpose(0, 3, 1, 2)


def _channels_last(images: Any, layout: str) -> np.ndarray:
    """A batch of images as an array of its own, channels last."""
    images = ops.convert_to_numpy(images)
    if images.ndim != 4:
        raise ValueError(
            "`images` must be a batched 4D tensor, of shape (batch, height, width, channels) or "
            f"(batch, channels, height, width); got images.shape={images.shape}"
        )
    return images if layout == "channels_last" else images.transpose(0, 2, 3, 1)


def _as_bytes(images: np.ndarray) -> np.ndarray:
    """Images of values from 0 to 255, or of floats from 0 to 1, as uint8."""
    if images.dtype.kind == "f" and images.size and images.max() <= 1.0:
        images = images * 255
    return np.ascontiguousarray(np.clip(images, 0, 255).astype(np.uint8))


def _rectangle(
    image: np.ndarray, left: int, top: int, right: int, bottom: int, colour: Any, thickness: int
) -> None:
    """Draw the edge of a rectangle whose corners are pixels of it."""
    before = max(thickness, 0) // 2
    after = max(thickness, 1) - before
    rows = [slice(max(y - before, 0), max(y + after, 0)) for y in sorted((top, bottom))]
    columns = [slice(max(x - before, 0), max(x + after, 0)) for x in sorted((left, right))]
    height = slice(rows[0].start, rows[1].stop)
    width = slice(columns[0].start, columns[1].stop)
    if thickness < 0:
        image[height, width] = colour
        return
    for row in rows:
        image[row, width] = colour
    for column in columns:
        image[height, column] = colour


def _text_place(left: int, top: int, scale: float, thickness: int) -> tuple[int, int]:
    """Where a text begins, on its base line: above the box, or in it where there is no room."""
    height = int(12 * scale)
    if top - 8 - 2 * height > 0:
        return left, top - 8
    return left + 3, top + 2 * height + thickness + 3


def _write(
    image: np.ndarray, text: str, place: tuple, colour: Any, thickness: int, scale: float
) -> None:
    """Write a text into an image of any number of channels."""
    try:
        from PIL import Image, ImageDraw, ImageFont
    except ImportError as error:
        raise ImportError(
            'names at boxes need Pillow: install it with pip install "tricorn[images]", or leave '
            "class_mapping out"
        ) from error
    font = ImageFont.load_default(max(_FONT_SIZE * scale, 1))
    letters = Image.new("L", (image.shape[1], image.shape[0]))
    width = max(thickness - 1, 0) / 2
    ImageDraw.Draw(letters).text(place, text, 255, font, anchor="ls", stroke_width=width)
    image[np.asarray(letters) > 127] = colour


# ------------------------------------------------------------------------------------------- masks


def draw_segmentation_masks(
    images: Any,
    segmentation_masks: Any,
    num_classes: int | None = None,
    color_mapping: dict[int, Any] | None = None,
    alpha: float = 0.8,
    blend: bool = True,
    ignore_index: int = -1,
    data_format: str | None = None,
) -> np.ndarray:
    """Images with the pixels of each class in its colour.

    Args:
        images: (batch, height, width, 3), or channels first; values from 0 to 255.
        segmentation_masks: integers (batch, height, width), or with an axis of length 1 where the
            images have their channels: classes from 1; 0 is the background, which stays.
        num_classes: the largest class that is drawn; None: the largest there is.
        color_mapping: class -> colour, numbers from 0 to 255; None: colours that differ.
        alpha: how much of a pixel is its class's colour, from 0 to 1.
        blend: False: as with `alpha` of 1.
        ignore_index: a class that is not drawn.
        data_format: "channels_last" or "channels_first"; None: as configured.

    Returns:
        array of uint8, of the shape of `images`.

    Raises:
        TypeError: for masks that are no integers.
        ValueError: for images that are no batch, masks of another shape, a class without a colour.

    Example:
        >>> masks = np.ones((1, 8, 8, 1), "int32")
        >>> keras.visualization.draw_segmentation_masks(np.zeros((1, 8, 8, 3)), masks).shape
        (1, 8, 8, 3)
    """
    layout = config.data_format(data_format)
    drawn = _channels_last(images, layout).astype(np.float32)
    masks = _masks(segmentation_masks, drawn.shape[:3], layout)
    if num_classes is None:
        num_classes = int(masks.max(initial=0))
    share = alpha if blend else 1.0
    for number in range(1, num_classes + 1):
        if color_mapping is not None and number not in color_mapping:
            raise ValueError(
                f"color_mapping has no colour for the class {number}; it needs one for each class "
                f"from 1 to {num_classes}, got {list(color_mapping)}"
            )
        if number != ignore_index:
            colour = number * _COLOURS % 255 if color_mapping is None else color_mapping[number]
            where = masks == number
            drawn[where] = drawn[where] * (1 - share) + np.asarray(colour, np.float32) * share
    drawn = np.clip(drawn, 0, 255).astype(np.uint8)
    return drawn if layout == "channels_last" else drawn.transpose(0, 3, 1, 2)


def _masks(masks: Any, shape: tuple, layout: str) -> np.ndarray:
    """Masks as integers (batch, height, width)."""
    masks = ops.convert_to_numpy(masks)
    if masks.dtype.kind not in "iu":
        raise TypeError(f"`segmentation_masks` must be of an integer dtype, got {masks.dtype}")
    channel = -1 if layout == "channels_last" else 1
    if masks.ndim == 4 and masks.shape[channel] == 1:
        masks = masks.squeeze(channel)
    if masks.shape != shape:
        raise ValueError(
            f"`segmentation_masks` must have the shape {shape} of the images, or one with a "
            f"channel axis of length 1; got {masks.shape}"
        )
    return masks


# --------------------------------------------------------------------------------------- galleries


def plot_image_gallery(
    images: Any,
    y_true: Any = None,
    y_pred: Any = None,
    label_map: dict[int, str] | None = None,
    rows: int | None = None,
    cols: int | None = None,
    value_range: tuple = (0, 255),
    scale: float = 2,
    path: Any = None,
    show: bool | None = None,
    transparent: bool = True,
    dpi: int = 60,
    legend_handles: Any = None,
    data_format: str | None = None,
) -> None:
    """A table of images, shown or saved, by Matplotlib.

    Args:
        images: (batch, height, width, channels), or channels first.
        y_true, y_pred: labels (batch,), which are written above the images.
        label_map: label -> name.
        rows, cols: of the table; None: so many that all images have a place.
        value_range: (lowest, highest) value of the images.
        scale: width and height of an image in inches.
        path: the file to save it in; None: it is shown.
        show: whether to show it; None: if there is no `path`.  With False and no `path` it stays
            Matplotlib's current figure.
        transparent: whether the file's background is.
        dpi: dots per inch of the file.
        legend_handles: Matplotlib's handles of a legend.
        data_format: "channels_last" or "channels_first"; None: as configured.

    Raises:
        ImportError: when Matplotlib is not installed.
        ValueError: for images that are no batch, labels without `label_map`, and both `path` and
            `show`.

    Example:
        >>> images = np.zeros((4, 8, 8, 3))
        >>> figure = keras.visualization.plot_image_gallery(images, value_range=(0, 255))
    """
    pyplot = _matplotlib("plot_image_gallery").pyplot
    if path is not None and show:
        raise ValueError(
            "plot_image_gallery() expects either `path` to be set, or `show` to be true, not both"
        )
    labels = {"Label": y_true, "Pred": y_pred}
    labels = {k: ops.convert_to_numpy(v).tolist() for k, v in labels.items() if v is not None}
    if labels and label_map is None:
        raise ValueError("If `y_true` or `y_pred` are provided, a `label_map` must be, too")
    images = _channels_last(images, config.data_format(data_format))
    images = _in_bytes_range(images, value_range).astype(np.uint8)
    rows = rows or math.ceil(len(images) / cols if cols else math.sqrt(len(images)))
    cols = cols or math.ceil(len(images) / rows)
    figure, axes = pyplot.subplots(
        rows, cols, figsize=(cols * scale, rows * scale), frameon=False, layout="tight",
        squeeze=False, sharex="row", sharey="col",
    )  # fmt: skip
    figure.subplots_adjust(wspace=0, hspace=0)
    for i, axis in enumerate(axes.flat):
        axis.axis("off")
        if i >= len(images):
            continue
        axis.imshow(images[i], cmap="gray", vmin=0, vmax=255)
        axis.margins(x=0, y=0)
        parts = [
            f"{what}: {(label_map or {}).get(given[i], 'Unknown')}"
            for what, given in labels.items()
            if i < len(given)
        ]
        if parts:
            axis.set_title("  ".join(parts), fontsize=8)
    if legend_handles is not None:
        figure.legend(handles=legend_handles, loc="lower center")
    if path is not None:
        figure.savefig(path, pad_inches=0, bbox_inches="tight", transparent=transparent, dpi=dpi)
    elif show is not False:
        pyplot.show()
    if path is not None or show is not False:
        pyplot.close(figure)


def plot_bounding_box_gallery(
    images: Any,
    bounding_box_format: str,
    y_true: dict[str, Any] | None = None,
    y_pred: dict[str, Any] | None = None,
    value_range: tuple = (0, 255),
    true_color: Any = (0, 188, 212),
    pred_color: Any = (255, 235, 59),
    line_thickness: int = 2,
    font_scale: float = 1.0,
    text_thickness: int | None = None,
    class_mapping: dict[int, str] | None = None,
    ground_truth_mapping: dict[int, str] | None = None,
    prediction_mapping: dict[int, str] | None = None,
    legend: bool = False,
    legend_handles: Any = None,
    rows: int | None = None,
    cols: int | None = None,
    data_format: str | None = None,
    **kwargs: Any,
) -> None:
    """A table of images with boxes.

    Args:
        images, rows, cols, value_range, data_format: see `plot_image_gallery`.
        bounding_box_format, line_thickness, font_scale, text_thickness: see `draw_bounding_boxes`.
        y_true, y_pred: the boxes, see `draw_bounding_boxes`.
        true_color, pred_color: their colours.
        class_mapping: label -> name.
        ground_truth_mapping, prediction_mapping: likewise, for one kind of boxes.
        legend: write which colour is which.
        legend_handles: Matplotlib's handles of another legend.
        kwargs: what else `plot_image_gallery` takes.

    Raises:
        ImportError: when Matplotlib is not installed; when names are to be written, Pillow.
        ValueError: for images that are no batch, and both `legend` and `legend_handles`.

    Example:
        >>> boxes = {"boxes": np.array([[[1.0, 1, 6, 6]]]), "labels": np.array([[0]])}
        >>> figure = keras.visualization.plot_bounding_box_gallery(
        ...     np.zeros((1, 8, 8, 3)), "xyxy", y_true=boxes, value_range=(0, 255)
        ... )
    """
    matplotlib = _matplotlib("plot_bounding_box_gallery")
    if legend and legend_handles:
        raise ValueError(
            "plot_bounding_box_gallery() takes either `legend` or `legend_handles`, not both"
        )
    drawn = _channels_last(images, config.data_format(data_format))
    drawn = _in_bytes_range(drawn, value_range).astype(np.uint8)
    kinds = (
        ("Ground Truth", y_true, true_color, ground_truth_mapping),
        ("Prediction", y_pred, pred_color, prediction_mapping),
    )
    for _, boxes, colour, mapping in kinds:
        if boxes is not None:
            drawn = draw_bounding_boxes(
                drawn, boxes, bounding_box_format, mapping or class_mapping, colour,
                line_thickness, text_thickness, font_scale, "channels_last",
            )  # fmt: skip
    if legend:
        legend_handles = [
            matplotlib.patches.Patch(color=np.array(colour) / 255, label=title)
            for title, _, colour, _ in kinds
        ]
    plot_image_gallery(
        drawn, rows=rows, cols=cols, legend_handles=legend_handles, data_format="channels_last",
        **kwargs,
    )  # fmt: skip


def plot_segmentation_mask_gallery(
    images: Any,
    num_classes: int | None,
    value_range: tuple = (0, 255),
    y_true: Any = None,
    y_pred: Any = None,
    color_mapping: dict[int, Any] | None = None,
    blend: bool = True,
    alpha: float = 0.8,
    ignore_index: int = -1,
    data_format: str | None = None,
    **kwargs: Any,
) -> None:
    """A table of images: in each row one, the same with the true mask and with the predicted one.

    Args:
        images, value_range, data_format: see `plot_image_gallery`.
        y_true, y_pred: masks, see `draw_segmentation_masks`; floats are cut to integers.
        num_classes, color_mapping, blend, alpha, ignore_index: see `draw_segmentation_masks`.
        kwargs: what else `plot_image_gallery` takes.

    Raises:
        ImportError: when Matplotlib is not installed.
        ValueError: for images that are no batch, and masks of another shape.

    Example:
        >>> masks = np.ones((1, 8, 8, 1), "int32")
        >>> figure = keras.visualization.plot_segmentation_mask_gallery(
        ...     np.zeros((1, 8, 8, 3)), 2, y_true=masks, value_range=(0, 255)
        ... )
    """
    layout = config.data_format(data_format)
    plain = _channels_last(images, layout)
    plain = _in_bytes_range(plain, value_range).astype(np.uint8)
    columns = [plain]
    for masks in (y_true, y_pred):
        if masks is not None:
            masks = ops.convert_to_numpy(masks).astype(np.int32)
            masks = _masks(masks, plain.shape[:3], layout)
            columns.append(
                draw_segmentation_masks(
                    plain, masks, num_classes, color_mapping, alpha, blend, ignore_index,
                    "channels_last",
                )
            )  # fmt: skip
    table = np.stack(columns, 1).reshape(-1, *plain.shape[1:])
    plot_image_gallery(
        table, rows=len(plain), cols=len(columns), data_format="channels_last", **kwargs
    )


def _in_bytes_range(images: np.ndarray, value_range: tuple) -> np.ndarray:
    """Images whose values go from 0 to 255."""
    low, high = value_range
    if not high > low:
        raise ValueError(f"value_range must be (lowest, highest), got {value_range!r}")
    return np.clip((images.astype(np.float32) - low) * (255 / (high - low)), 0, 255)


def _matplotlib(function: str) -> Any:
    try:
        import matplotlib.patches
        import matplotlib.pyplot
    except ImportError as error:
        raise ImportError(
            f'{function} needs Matplotlib: install it with pip install "tricorn[plot]"'
        ) from error
    return matplotlib


__all__ = [
    "draw_bounding_boxes",
    "draw_segmentation_masks",
    "plot_bounding_box_gallery",
    "plot_image_gallery",
    "plot_segmentation_mask_gallery",
]

__dir__ = lambda: list(__all__)
