"""Images as files, Pillow's images and arrays."""

from __future__ import annotations

import io
import os
import warnings
from typing import Any

import numpy as np

from tricorn import checks, config, dtypes
from tricorn.data.images import fitted

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
