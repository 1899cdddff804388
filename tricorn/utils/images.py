"""Images as files, Pillow's images and arrays; resizing on the host."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from tricorn import checks, config, dtypes

_PILLOW = {
    "nearest": "NEAREST",
    "bilinear": "BILINEAR",
    "bicubic": "BICUBIC",
    "hamming": "HAMMING",
    "box": "BOX",
    "lanczos": "LANCZOS",
}


def load_img(
    path: Any,
    color_mode: str = "rgb",
    target_size: tuple[int, int] | None = None,
    interpolation: str = "nearest",
    keep_aspect_ratio: bool = False,
) -> Any:
    """An image from a file, as a Pillow image.

    Args:
        path: a path, or an ``io.BytesIO`` with the file's bytes.
        color_mode: ``"grayscale"``, ``"rgb"`` or ``"rgba"``.
        target_size: (height, width) to resize it to.
        interpolation: ``"nearest"``, ``"bilinear"``, ``"bicubic"``, ``"hamming"``, ``"box"`` or
            ``"lanczos"``.
        keep_aspect_ratio: cut it to the size's proportions instead of distorting it.

    Raises:
        ImportError: Pillow is not installed.
        TypeError: `path` is something else.
        ValueError: for another `color_mode` or `interpolation`.

    Example:
        >>> keras.utils.save_img("image.png", np.zeros((4, 6, 3)))
        >>> keras.utils.load_img("image.png", target_size=(2, 3)).size
        (3, 2)
    """
    pillow = checks.optional("PIL.Image", "load_img", "Pillow", "images")
    if not isinstance(path, (str, bytes, os.PathLike, io.BytesIO)):
        raise TypeError(f"path should be path-like or io.BytesIO, not {type(path).__name__}")
    image = pillow.open(path)
    image.load()
    modes = {"grayscale": ("L", "I;16", "I"), "rgb": ("RGB",), "rgba": ("RGBA",)}
    if color_mode not in modes:
        raise ValueError(f"color_mode must be one of {', '.join(modes)}, got {color_mode!r}")
    if image.mode not in modes[color_mode]:
        image = image.convert(modes[color_mode][0])
    if target_size is None or image.size == (target_size[1], target_size[0]):
        return image
    if interpolation not in _PILLOW:
        raise ValueError(
            f"Invalid interpolation method {interpolation}: expected one of {', '.join(_PILLOW)}"
        )
    box = None
    if keep_aspect_ratio:
        width, height = image.size
        cut_height = min(height, width * target_size[0] // target_size[1])
        cut_width = min(width, height * target_size[1] // target_size[0])
        top, left = (height - cut_height) // 2, (width - cut_width) // 2
        box = (left, top, left + cut_width, top + cut_height)
    method = getattr(pillow.Resampling, _PILLOW[interpolation])
    return image.resize((target_size[1], target_size[0]), method, box=box)


def img_to_array(img: Any, data_format: str | None = None, dtype: Any = None) -> np.ndarray:
    """A Pillow image as an array of three axes.

    Args:
        img: the image, or an array (height, width) or (height, width, channels).
        data_format: layout of the result; None: the default.
        dtype: None: floatx.

    Raises:
        ValueError: for another number of axes.

    Example:
        >>> image = keras.utils.array_to_img(np.zeros((4, 6, 3)))
        >>> keras.utils.img_to_array(image).shape
        (4, 6, 3)
    """
    layout = config.data_format(data_format)
    array = np.asarray(img, dtypes.to_numpy(dtype or config.floatx()))
    if array.ndim not in (2, 3):
        raise ValueError(
            f"Unsupported image shape: {array.shape}, expected (height, width[, channels])"
        )
    array = array[:, :, None] if array.ndim == 2 else array
    return array.transpose(2, 0, 1) if layout == "channels_first" else array


def array_to_img(
    x: Any, data_format: str | None = None, scale: bool = True, dtype: Any = None
) -> Any:
    """An array as a Pillow image.

    Args:
        x: array of three axes with 1, 3 or 4 channels.
        data_format: its layout; None: the default.
        scale: stretch the values from 0 to 255.
        dtype: what to compute in; None: floatx.

    Raises:
        ImportError: Pillow is not installed.
        ValueError: for another number of axes or channels.

    Example:
        >>> image = keras.utils.array_to_img(np.zeros((4, 6, 3)))
        >>> image.size
        (6, 4)
    """
    pillow = checks.optional("PIL.Image", "array_to_img", "Pillow", "images")
    layout = config.data_format(data_format)
    x = np.asarray(x, dtypes.to_numpy(dtype or config.floatx()))
    if x.ndim != 3:
        raise ValueError(
            f"Expected image array to have rank 3 (single image), got the shape {x.shape}"
        )
    x = x.transpose(1, 2, 0) if layout == "channels_first" else x
    if x.shape[2] not in (1, 3, 4):
        raise ValueError(f"Unsupported channel number: {x.shape[2]}, expected 1, 3 or 4")
    if scale:
        x = x - x.min()
        x = x / (x.max() or 1) * 255
    if x.shape[2] > 1:
        return pillow.fromarray(np.ascontiguousarray(x.astype("uint8")))
    return pillow.fromarray(x[:, :, 0].astype("int32" if x.max() > 255 else "uint8"))


def save_img(
    path: Any,
    x: Any,
    data_format: str | None = None,
    file_format: str | None = None,
    scale: bool = True,
    **kwargs: Any,
) -> None:
    """Write an array as an image file.

    Args:
        path: path or binary file.
        x: array, see `array_to_img`.
        data_format: its layout; None: the default.
        file_format: None: by the path's ending.
        scale: stretch the values from 0 to 255.
        kwargs: for Pillow's ``Image.save``.

    Example:
        >>> keras.utils.save_img("image.png", np.zeros((4, 6, 3)))
    """
    if file_format is None and isinstance(path, (str, os.PathLike)):
        file_format = os.path.splitext(path)[1][1:].lower()
    file_format = "jpeg" if (file_format or "").lower() == "jpg" else file_format
    image = array_to_img(x, data_format, scale)
    if image.mode == "RGBA" and file_format == "jpeg":
        warnings.warn(
            "The JPEG format does not support RGBA images, converting to RGB.", stacklevel=2
        )
        image = image.convert("RGB")
    image.save(path, format=file_format, **kwargs)


def smart_resize(
    x: Any,
    size: tuple[int, int],
    interpolation: str = "bilinear",
    data_format: str = "channels_last",
    **kwargs: Any,
) -> Any:
    """Images of another size, cut to its proportions first, in the middle.

    Args:
        x: image (height, width, channels) or images (n, height, width, channels).
        size: (height, width).
        interpolation: see `image_dataset_from_directory`.
        data_format: layout of `x`.

    Returns:
        array for an array, tensor for a tensor, of floatx.

    Raises:
        ValueError: for a `size` or `x` of another form.

    Example:
        >>> keras.preprocessing.image.smart_resize(np.ones((8, 4, 3)), (4, 4)).shape
        (4, 4, 3)
    """
    from tricorn import ops

    kwargs.pop("backend_module", None)
    if kwargs:
        raise TypeError(f"smart_resize() got unexpected keyword arguments: {list(kwargs)}")
    if len(size) != 2:
        raise ValueError(f"Expected `size` to be a tuple of 2 integers, but got: {size}.")
    array = ops.convert_to_numpy(x)
    if array.ndim not in (3, 4):
        raise ValueError(
            "Expected an image array with shape (height, width, channels) or (batch_size, height, "
            f"width, channels), got the incorrect rank of the shape {array.shape}"
        )
    first = data_format == "channels_first"
    array = np.moveaxis(array, -3, -1) if first else array
    result = fitted(array.astype(np.float32), size, interpolation, "crop")
    result = np.moveaxis(result, -1, -3) if first else result
    result = result.astype(dtypes.to_numpy(config.floatx()))
    return result if isinstance(x, np.ndarray) else ops.convert_to_tensor(result)


# ----------------------------------------------------------------------------------------- resizing


def _cubic(x: np.ndarray, b: float, c: float) -> np.ndarray:
    """The cubic of Mitchell and Netravali, 1988."""
    x = np.abs(x)
    near = (12 - 9 * b - 6 * c) * x**3 + (-18 + 12 * b + 6 * c) * x**2 + 6 - 2 * b
    far = (-b - 6 * c) * x**3 + (6 * b + 30 * c) * x**2 - (12 * b + 48 * c) * x + 8 * b + 24 * c
    return np.where(x < 1, near, np.where(x < 2, far, 0)) / 6


def _lanczos(x: np.ndarray, radius: int) -> np.ndarray:
    return np.where(np.abs(x) < radius, np.sinc(x) * np.sinc(x / radius), 0)


#: how much what is so far away counts
_KERNELS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "bilinear": lambda x: np.maximum(1 - np.abs(x), 0),
    "bicubic": lambda x: _cubic(x, 0.0, 0.5),
    "lanczos3": lambda x: _lanczos(x, 3),
    "lanczos5": lambda x: _lanczos(x, 5),
    "gaussian": lambda x: np.where(np.abs(x) < 1.5, np.exp(-2 * x**2), 0),
    "mitchellcubic": lambda x: _cubic(x, 1 / 3, 1 / 3),
}
METHODS = (*_KERNELS, "nearest", "area")


def _weights(old: int, new: int, method: str) -> np.ndarray:
    """The matrix (new, old) that resizes one axis."""
    edges = np.arange(new + 1) * (old / new)
    cells = np.arange(old)
    if method == "nearest":
        return (np.minimum((edges[:-1] + edges[1:]) // 2, old - 1)[:, None] == cells).astype(float)
    if method == "area":
        upper, lower = edges[1:, None], edges[:-1, None]
        weights = np.clip(np.minimum(upper, cells + 1) - np.maximum(lower, cells), 0, None)
    else:
        centres = (edges[:-1] + edges[1:])[:, None] / 2
        weights = _KERNELS[method](centres - cells - 0.5)
        if method == "bilinear":  # beyond the outermost centres stands their value
            weights = _KERNELS[method](np.clip(centres, 0.5, old - 0.5) - cells - 0.5)
    return weights / weights.sum(1, keepdims=True)


def resized(images: np.ndarray, size: tuple[int, int], method: str) -> np.ndarray:
    """Images (..., height, width, channels) of another size, without antialiasing."""
    rows, columns = (
        _weights(old, new, method).astype(np.float32) for old, new in zip(images.shape[-3:], size)
    )
    return np.einsum("ih,...hwc,jw->...ijc", rows, images, columns, optimize=True)


def fitted(images: np.ndarray, size: tuple[int, int], method: str, way: str) -> np.ndarray:
    """`resized`, where proportions differ by ``"stretch"``, ``"crop"`` or ``"pad"`` (zeros)."""
    height, width = images.shape[-3:-1]
    if way == "crop":
        cut = (
            max(min(height, int(width * size[0] / size[1])), 1),
            max(min(width, int(height * size[1] / size[0])), 1),
        )
        top, left = (height - cut[0]) // 2, (width - cut[1]) // 2
        images = images[..., top : top + cut[0], left : left + cut[1], :]
    if way != "pad":
        return resized(images, size, method)
    free = height * size[1] - width * size[0]  # the sign says which axis is padded
    rows = size[0] if free >= 0 else max(height * size[1] // width, 1)
    columns = max(width * size[0] // height, 1) if free >= 0 else size[1]
    inner = resized(images, (rows, columns), method)
    before = (0, free // (2 * height)) if free >= 0 else (-free // (2 * width), 0)
    ends = size[0] - rows, size[1] - columns
    pads = [(begin, end - begin) for begin, end in zip(before, ends)]
    return np.pad(inner, [(0, 0)] * (images.ndim - 3) + pads + [(0, 0)])
