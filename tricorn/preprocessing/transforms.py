"""Images turned, shifted, sheared, zoomed and changed in colour, with NumPy and SciPy.

The random ones draw from NumPy's global generator, as Keras 2 does: after ``np.random.seed`` they
give the same images.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tricorn import checks
from tricorn.utils.images import array_to_img, img_to_array


def apply_affine_transform(
    x: Any, theta: float = 0, tx: float = 0, ty: float = 0, shear: float = 0, zx: float = 1,
    zy: float = 1, row_axis: int = 0, col_axis: int = 1, channel_axis: int = 2,
    fill_mode: str = "nearest", cval: float = 0.0, order: int = 1,
) -> np.ndarray:  # fmt: skip
    """An image turned, then shifted, sheared and zoomed.

    The pixel at p comes from A (p - c) + c with c = (rows, columns) / 2 + 1/2, as in Keras 2.

    Args:
        x: array of three axes.
        theta: degrees to turn it by.
        tx, ty: pixels to shift it by, along the rows' axis and along the columns'.
        shear: degrees to shear it by.
        zx, zy: how much of the rows and columns is seen: below 1 enlarges.
        row_axis, col_axis, channel_axis: which axis is which.
        fill_mode: what stands outside: ``"nearest"``, ``"constant"`` (`cval`), ``"reflect"`` or
            ``"wrap"``.
        cval: see `fill_mode`.
        order: of the splines to interpolate with, 0 to 5.

    Returns:
        array of the same shape and dtype; `x` itself where nothing changes.

    Example:
        >>> image = np.arange(9.0).reshape(3, 3, 1)
        >>> keras.preprocessing.image.apply_affine_transform(image, tx=1)[..., 0]
        array([[3., 4., 5.],
               [6., 7., 8.],
               [6., 7., 8.]])
    """
    from scipy import ndimage

    x = np.asarray(x)
    turn, slant = np.deg2rad(theta), np.deg2rad(shear)
    cos, sin = np.cos(turn), np.sin(turn)
    matrix = np.eye(3)
    for step in (
        [[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]],
        [[1, 0, tx], [0, 1, ty], [0, 0, 1]],
        [[1, -np.sin(slant), 0], [0, np.cos(slant), 0], [0, 0, 1]],
        [[zx, 0, 0], [0, zy, 0], [0, 0, 1]],
    ):
        matrix = matrix @ np.array(step, float)
    if np.array_equal(matrix, np.eye(3)):
        return x
    centre = np.eye(3)
    centre[:2, 2] = x.shape[row_axis] / 2 + 0.5, x.shape[col_axis] / 2 + 0.5
    matrix = centre @ matrix @ np.linalg.inv(centre)
    channels = [
        ndimage.affine_transform(
            channel, matrix[:2, :2], matrix[:2, 2], order=order, mode=fill_mode, cval=cval
        )
        for channel in np.moveaxis(x, channel_axis, 0)
    ]
    return np.stack(channels, channel_axis)


def random_rotation(
    x: Any, rg: float, row_axis: int = 1, col_axis: int = 2, channel_axis: int = 0,
    fill_mode: str = "nearest", cval: float = 0.0, interpolation_order: int = 1,
) -> np.ndarray:  # fmt: skip
    """An image turned by up to `rg` degrees; see `apply_affine_transform`."""
    return apply_affine_transform(
        x, theta=np.random.uniform(-rg, rg), row_axis=row_axis, col_axis=col_axis,
        channel_axis=channel_axis, fill_mode=fill_mode, cval=cval, order=interpolation_order,
    )  # fmt: skip


def random_shift(
    x: Any, wrg: float, hrg: float, row_axis: int = 1, col_axis: int = 2, channel_axis: int = 0,
    fill_mode: str = "nearest", cval: float = 0.0, interpolation_order: int = 1,
) -> np.ndarray:  # fmt: skip
    """An image shifted by up to the fractions `wrg` of its width and `hrg` of its height; see
    `apply_affine_transform`."""
    tx = np.random.uniform(-hrg, hrg) * x.shape[row_axis]
    ty = np.random.uniform(-wrg, wrg) * x.shape[col_axis]
    return apply_affine_transform(
        x, tx=tx, ty=ty, row_axis=row_axis, col_axis=col_axis, channel_axis=channel_axis,
        fill_mode=fill_mode, cval=cval, order=interpolation_order,
    )  # fmt: skip


def random_shear(
    x: Any, intensity: float, row_axis: int = 1, col_axis: int = 2, channel_axis: int = 0,
    fill_mode: str = "nearest", cval: float = 0.0, interpolation_order: int = 1,
) -> np.ndarray:  # fmt: skip
    """An image sheared by up to `intensity` degrees; see `apply_affine_transform`."""
    return apply_affine_transform(
        x, shear=np.random.uniform(-intensity, intensity), row_axis=row_axis, col_axis=col_axis,
        channel_axis=channel_axis, fill_mode=fill_mode, cval=cval, order=interpolation_order,
    )  # fmt: skip


def random_zoom(
    x: Any, zoom_range: tuple[float, float], row_axis: int = 1, col_axis: int = 2,
    channel_axis: int = 0, fill_mode: str = "nearest", cval: float = 0.0,
    interpolation_order: int = 1,
) -> np.ndarray:  # fmt: skip
    """An image zoomed by two numbers from `zoom_range`, (least, most); see
    `apply_affine_transform`.

    Raises:
        ValueError: the range is not two numbers.
    """
    least, most = pair("zoom_range", zoom_range)
    zx, zy = (1, 1) if least == most == 1 else np.random.uniform(least, most, 2)
    return apply_affine_transform(
        x, zx=zx, zy=zy, row_axis=row_axis, col_axis=col_axis, channel_axis=channel_axis,
        fill_mode=fill_mode, cval=cval, order=interpolation_order,
    )  # fmt: skip


def apply_channel_shift(x: Any, intensity: float, channel_axis: int = 0) -> np.ndarray:
    """An image plus a number, within the least and the largest value that it had."""
    return np.clip(x + np.asarray(intensity, np.asarray(x).dtype), np.min(x), np.max(x))


def random_channel_shift(x: Any, intensity_range: float, channel_axis: int = 0) -> np.ndarray:
    """`apply_channel_shift` by up to `intensity_range`."""
    intensity = np.random.uniform(-intensity_range, intensity_range)
    return apply_channel_shift(x, intensity, channel_axis)


def apply_brightness_shift(x: Any, brightness: float) -> np.ndarray:
    """An image stretched to 0..255, its brightness times a number; needs Pillow."""
    enhance = checks.optional("PIL.ImageEnhance", "apply_brightness_shift", "Pillow", "images")
    return img_to_array(enhance.Brightness(array_to_img(x)).enhance(brightness))


def random_brightness(x: Any, brightness_range: tuple[float, float]) -> np.ndarray:
    """`apply_brightness_shift` by a number from `brightness_range`, (least, most).

    Raises:
        ValueError: the range is not two numbers.
    """
    return apply_brightness_shift(x, np.random.uniform(*pair("brightness_range", brightness_range)))


def pair(name: str, value: Any) -> tuple[float, float]:
    """(least, most), or an error that names the argument."""
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise ValueError(f"`{name}` must be two numbers, (least, most), got {value!r}")
    return value[0], value[1]
