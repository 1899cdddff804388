"""Images: sizes, colours, windows, geometric transforms, blur, likeness.

An image is (height, width, channels), or (channels, height, width) where channels are first; a
batch has one axis more in front.  `data_format` says which: 'channels_last', 'channels_first', or
None for `config.image_data_format()`.
"""

from __future__ import annotations

import builtins as py
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tricorn import config, dtypes
from tricorn.engines import active
from tricorn.graph.op import Tensor, op
from tricorn.ops.arguments import axis_of, letters, shape_of, tuple_of
from tricorn.ops.arrays import (
    arange,
    cast,
    concatenate,
    convert_to_tensor,
    expand_dims,
    moveaxis,
    ones_like,
    pad,
    reshape,
    saturate_cast,
    split,
    squeeze,
    stack,
    take,
    unstack,
    where,
    zeros_like,
)
from tricorn.ops.elementwise import (
    abs,
    add,
    clip,
    divide,
    equal,
    exp,
    floor,
    greater,
    greater_equal,
    less,
    less_equal,
    logical_and,
    maximum,
    minimum,
    mod,
    multiply,
    negative,
    not_equal,
    round,
    sign,
    sinc,
    square,
    subtract,
)
from tricorn.ops.linalg import einsum, solve
from tricorn.ops.nn import depthwise_conv, explicit_padding
from tricorn.ops.random import normal
from tricorn.ops.reductions import mean, sum

# --------------------------------------------------------------------------------------- layouts


def _axes(name: str, images: Any, data_format: str | None) -> tuple[int, int, int]:
    """The axes of height, width and channels of an image or a batch."""
    shape = tuple(active().shape(images))
    rank = len(shape)
    if rank not in (3, 4):
        raise ValueError(
            f"{name}: Invalid images rank: expected rank 3 (single image) or rank 4 (batch of "
            f"images), got the shape {shape}"
        )
    if config.data_format(data_format) == "channels_last":
        return rank - 3, rank - 2, rank - 1
    return rank - 2, rank - 1, rank - 3


def _as_batch(name: str, images: Any, data_format: str | None) -> tuple[Any, Callable[[Any], Any]]:
    """The images as a batch with channels last, and the way back for a batch like it."""
    channels, rank = _axes(name, images, data_format)[2], len(active().shape(images))
    batch = moveaxis(expand_dims(images, 0) if rank == 3 else images, channels - rank, -1)

    def back(x: Any) -> Any:
        x = moveaxis(x, -1, channels - rank)
        return squeeze(x, 0) if rank == 3 else x

    return batch, back


def _check_choice(name: str, argument: str, value: Any, choices: Sequence) -> None:
    if value not in choices:
        raise ValueError(
            f"{name}: Invalid value for argument `{argument}`: it must be one of "
            f"{list(choices)}, got {value!r}"
        )


def _floating(x: Any) -> Any:
    return cast(x, dtypes.floating(active().dtype(x)))


def _like(x: Any, images: Any) -> Any:
    """Computed floats in the dtype of `images`: whole numbers are rounded and kept in range."""
    name = active().dtype(images)
    return saturate_cast(x if dtypes.is_float(name) else round(x), name)


# ---------------------------------------------------------------------------------------- colours

#: how much red, green and blue contribute to what is seen as brightness (ITU-R BT.601)
_BRIGHTNESS = (0.2989, 0.5870, 0.1140)


def _planes(name: str, images: Any, data_format: str | None) -> tuple[list, int]:
    """The three channels of floating images, and their axis."""
    axis = _axes(name, images, data_format)[2]
    shape, kind = tuple(active().shape(images)), active().dtype(images)
    if not dtypes.is_float(kind):
        raise ValueError(f"{name}: Invalid images dtype: expected float dtype, got {kind}")
    if shape[axis] not in (3, None):
        raise ValueError(f"{name}: images with 3 channels expected, got the shape {shape}")
    return [squeeze(plane, axis) for plane in split(images, 3, axis)], axis


@op
def rgb_to_grayscale(images: Tensor, data_format: str | None = None) -> Tensor:
    """The brightness 0.2989 red + 0.587 green + 0.114 blue.

    Args:
        images: tensor of shape (..., height, width, 3), or channels first, with or without a batch
            axis; one channel is taken to be grey already.
        data_format: where the channels are.

    Returns:
        tensor of the same dtype with one channel.

    Raises:
        ValueError: for another rank or number of channels.

    Example:
        >>> keras.ops.image.rgb_to_grayscale(np.ones((4, 4, 3))).shape
        (4, 4, 1)
    """
    axis, shape = _axes("rgb_to_grayscale", images, data_format)[2], active().shape(images)
    if shape[axis] not in (1, 3, None):
        raise ValueError(
            "rgb_to_grayscale: Invalid channel size: expected 3 (RGB) or 1 (Grayscale), got the "
            f"shape {tuple(shape)}"
        )
    if shape[axis] == 1:
        return images
    planes = unstack(_floating(images), 3, axis)
    parts = [multiply(share, plane) for share, plane in zip(_BRIGHTNESS, planes)]
    return cast(expand_dims(add(add(*parts[:2]), parts[2]), axis), active().dtype(images))


@op
def rgb_to_hsv(images: Tensor, data_format: str | None = None) -> Tensor:
    """Hue, saturation and value of red, green and blue.

    The value is v = max(r, g, b), the saturation (v - min(r, g, b)) / v; the hue goes round the
    circle of colours: 0 red, 1/3 green, 2/3 blue.

    Args:
        images: floating tensor of shape (..., height, width, 3), or channels first, with or without
            a batch axis; values in [0, 1].
        data_format: where the channels are.

    Returns:
        tensor of images' shape and dtype, in [0, 1].

    Raises:
        ValueError: for another rank, number of channels or dtype.

    Example:
        >>> keras.ops.image.rgb_to_hsv(np.ones((4, 4, 3), "float32")).shape
        (4, 4, 3)
    """
    (r, g, b), axis = _planes("rgb_to_hsv", images, data_format)
    value = maximum(maximum(r, g), b)
    spread = subtract(value, minimum(minimum(r, g), b))
    coloured, lit = greater(spread, 0), greater(value, 0)
    saturation = where(lit, divide(spread, where(lit, value, 1.0)), 0.0)
    sixth = divide(1.0, multiply(6.0, where(coloured, spread, 1.0)))
    green = add(multiply(sixth, subtract(b, r)), 2.0 / 6.0)
    blue = add(multiply(sixth, subtract(r, g)), 4.0 / 6.0)
    hue = where(equal(value, g), green, blue)
    hue = where(coloured, where(equal(value, r), multiply(sixth, subtract(g, b)), hue), 0.0)
    return stack([where(less(hue, 0), add(hue, 1.0), hue), saturation, value], axis)


@op
def hsv_to_rgb(images: Tensor, data_format: str | None = None) -> Tensor:
    """Red, green and blue of hue h, saturation s and value v: the inverse of `rgb_to_hsv`.

    With the ramps ρ of the circle of colours, each in [0, 1]: v (1 - s + s ρ(h)).

    Args:
        images: floating tensor of shape (..., height, width, 3), or channels first, with or without
            a batch axis; values in [0, 1].
        data_format: where the channels are.

    Returns:
        tensor of images' shape and dtype.

    Raises:
        ValueError: for another rank, number of channels or dtype.

    Example:
        >>> keras.ops.image.hsv_to_rgb(np.ones((4, 4, 3), "float32")).shape
        (4, 4, 3)
    """
    (hue, saturation, value), axis = _planes("hsv_to_rgb", images, data_format)
    place = multiply(mod(hue, 1.0), 6.0)
    red = subtract(abs(subtract(place, 3.0)), 1.0)
    green, blue = (subtract(2.0, abs(subtract(place, centre))) for centre in (2.0, 4.0))
    pale = subtract(1.0, saturation)
    ramps = [clip(ramp, 0.0, 1.0) for ramp in (red, green, blue)]
    return stack([multiply(value, add(pale, multiply(saturation, x))) for x in ramps], axis)


# ------------------------------------------------------------------------------------------ sizes


@op
def resize(
    images: Tensor,
    size: Sequence[int],
    interpolation: str = "bilinear",
    antialias: bool = False,
    crop_to_aspect_ratio: bool = False,
    pad_to_aspect_ratio: bool = False,
    fill_mode: str = "constant",
    fill_value: float = 0.0,
    data_format: str | None = None,
) -> Tensor:
    """Images of another size.  Pixels have their centres at half numbers.

    Args:
        images: tensor of shape (..., height, width, channels), or channels first, with or without a
            batch axis.
        size: (height, width) of the result.
        interpolation: 'nearest', 'bilinear', 'bicubic' (Keys' cubic, a = -1/2), 'lanczos3' or
            'lanczos5'.
        antialias: widen the filter where images become smaller.
        crop_to_aspect_ratio: first cut out the largest block in the middle that has the
            proportions of `size`.
        pad_to_aspect_ratio: first add `fill_value` at two sides to come to the proportions.
        fill_mode: 'constant'.
        fill_value: what is added.
        data_format: where the channels are.

    Returns:
        tensor of images' dtype; whole numbers are rounded and kept in range.

    Raises:
        ValueError: when an argument is none of these, or both proportions are asked for.

    Example:
        >>> keras.ops.image.resize(np.ones((4, 4, 3)), (8, 6)).shape
        (8, 6, 3)
    """
    _check_choice("resize", "interpolation", interpolation, _RESIZE_METHODS)
    _check_choice("resize", "fill_mode", fill_mode, ("constant",))
    if pad_to_aspect_ratio and crop_to_aspect_ratio:
        raise ValueError(
            "resize: Only one of `pad_to_aspect_ratio` & `crop_to_aspect_ratio` can be `True`"
        )
    size = tuple_of(size, 2, "resize: `size`")
    x, back = _as_batch("resize", images, data_format)
    x = x if interpolation == "nearest" else _floating(x)
    height, width = active().shape(x)[1:3]
    known = height is not None and width is not None
    if known and (crop_to_aspect_ratio or pad_to_aspect_ratio):
        edges, lengths = margins(height, width, size, crop_to_aspect_ratio)
        if crop_to_aspect_ratio:
            x = _cropped(x, edges, lengths)
        else:
            pads = ((0, 0), *((n, n) for n in edges), (0, 0))
            fill = fill_value if dtypes.is_float(active().dtype(x)) else int(fill_value)
            x = active().pad(x, pads, "constant", fill)
    x = active().resize(x, size, interpolation, True, antialias)
    return back(x if interpolation == "nearest" else _like(x, images))


_RESIZE_METHODS = ("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5")


def margins(height: Any, width: Any, size: Any, inside: bool) -> tuple[tuple, tuple]:
    """Of the largest block in the middle of images that has the proportions of `size` (inside), or
    of the smallest around them: ((rows, columns) at each side, (its height, its width)).  Sizes
    that are not known when a graph is made are scalar tensors."""
    wanted = width * size[0] // size[1], height * size[1] // size[0]
    numbers = isinstance(height, int) and isinstance(width, int)
    smaller, larger = (py.min, py.max) if numbers else (minimum, maximum)
    choose = smaller if inside else larger
    lengths = [larger(choose(n, w), 1) for n, w in zip((height, width), wanted)]
    apart = [n - m if inside else m - n for n, m in zip((height, width), lengths)]
    return (apart[0] // 2, apart[1] // 2), (lengths[0], lengths[1])


def _cropped(x: Any, starts: Sequence, lengths: Sequence) -> Any:
    """A block of a batch with channels last."""
    n, _, _, channels = active().shape(x)
    return active().dynamic_slice(x, (0, *starts, 0), (n, *lengths, channels))


def _given_two(name: str, **sizes: int | None) -> None:
    """Refuse all but two of the three sizes that describe an axis."""
    listed = ", ".join(f"{key}={value}" for key, value in sizes.items())
    if list(sizes.values()).count(None) != 1:
        raise ValueError(f"{name}: Must specify exactly two of {', '.join(sizes)}; got {listed}")
    _not_negative(name, **sizes)


def _not_negative(name: str, **sizes: Any) -> None:
    for key, value in sizes.items():
        if isinstance(value, int) and value < 0:
            raise ValueError(f"{name}: {key} must be >= 0, got {key}={value}")


def _minus(n: Any, *others: Any) -> Any:
    """A size less some numbers; None for one that is not known."""
    return None if n is None else n - py.sum(others)


@op
def pad_images(
    images: Tensor,
    top_padding: int | None = None,
    left_padding: int | None = None,
    bottom_padding: int | None = None,
    right_padding: int | None = None,
    target_height: int | None = None,
    target_width: int | None = None,
    data_format: str | None = None,
) -> Tensor:
    """Images with zeros around them.

    Args:
        images: tensor of shape (..., height, width, channels), or channels first, with or without a
            batch axis.
        top_padding, bottom_padding, target_height: rows above, below, and of the result; two of
            these.
        left_padding, right_padding, target_width: columns; two of these.
        data_format: where the channels are.

    Returns:
        tensor of images' dtype.

    Raises:
        ValueError: when not two of three are given, or one is negative.

    Example:
        >>> keras.ops.image.pad_images(np.ones((4, 4, 3)), 1, 1, 6, 6).shape
        (11, 11, 3)
    """
    _given_two("pad_images", top_padding=top_padding, bottom_padding=bottom_padding,
               target_height=target_height)  # fmt: skip
    _given_two("pad_images", left_padding=left_padding, right_padding=right_padding,
               target_width=target_width)  # fmt: skip
    rows, columns, _ = _axes("pad_images", images, data_format)
    x = _padded(images, rows, "top_padding", top_padding, bottom_padding, target_height)
    return _padded(x, columns, "left_padding", left_padding, right_padding, target_width)


def _padded(x: Any, axis: int, name: str, before: Any, after: Any, target: Any) -> Any:
    """Zeros before and after an axis; of what is None, as many as there are up to `target`."""
    n, rank = active().shape(x)[axis], len(active().shape(x))
    pads = [[0, 0] for _ in range(rank)]
    if target is None or isinstance(n, int):
        before = target - after - n if before is None else before
        after = target - before - n if after is None else after
        _not_negative("pad_images", **{name: before, f"padding opposite to {name}": after})
        pads[axis] = [before, after]
        return pad(x, pads)
    # of a length that is known when the graph is run: zeros in plenty, of which the rest is cut
    pads[axis] = [target, target]
    start = [0] * rank
    start[axis] = _minus(n, -after) if before is None else target - before
    lengths = [target if i == axis else m for i, m in enumerate(active().shape(x))]
    return active().dynamic_slice(pad(x, pads), tuple(start), tuple(lengths))


@op
def crop_images(
    images: Tensor,
    top_cropping: int | None = None,
    left_cropping: int | None = None,
    bottom_cropping: int | None = None,
    right_cropping: int | None = None,
    target_height: int | None = None,
    target_width: int | None = None,
    data_format: str | None = None,
) -> Tensor:
    """A block of images.

    Args:
        images: tensor of shape (..., height, width, channels), or channels first, with or without a
            batch axis.
        top_cropping, bottom_cropping, target_height: rows cut off above, below, and left over; two
            of these.
        left_cropping, right_cropping, target_width: columns; two of these.
        data_format: where the channels are.

    Returns:
        tensor of images' dtype.

    Raises:
        ValueError: when not two of three are given, or one is negative.

    Example:
        >>> keras.ops.image.crop_images(np.ones((4, 4, 3)), 1, 1, 2, 2).shape
        (1, 1, 3)
    """
    _given_two("crop_images", top_cropping=top_cropping, bottom_cropping=bottom_cropping,
               target_height=target_height)  # fmt: skip
    _given_two("crop_images", left_cropping=left_cropping, right_cropping=right_cropping,
               target_width=target_width)  # fmt: skip
    rows, columns, _ = _axes("crop_images", images, data_format)
    lengths = list(active().shape(images))
    starts = [0] * len(lengths)
    for axis, kind, before, after, target in (
        (rows, ("top_cropping", "target_height"), top_cropping, bottom_cropping, target_height),
        (columns, ("left_cropping", "target_width"), left_cropping, right_cropping, target_width),
    ):
        n = lengths[axis]
        starts[axis] = _minus(n, target, after) if before is None else before
        lengths[axis] = _minus(n, before, after) if target is None else target
        if isinstance(n, int):
            beyond = n - starts[axis] - lengths[axis]
            found = (*zip(kind, (starts[axis], lengths[axis])), ("the opposite cropping", beyond))
            _not_negative("crop_images", **dict(found))
    return active().dynamic_slice(images, tuple(starts), tuple(lengths))


# ---------------------------------------------------------------------------------------- windows


def extract_patches_3d(
    volumes: Any,
    size: int | Sequence[int],
    strides: int | Sequence[int] | None = None,
    dilation_rate: int | Sequence[int] = 1,
    padding: str = "valid",
    data_format: str | None = None,
) -> Any:
    """The windows of volumes: `extract_patches` with a `size` of three numbers.

    Args:
        volumes: tensor of shape (..., depth, height, width, channels), or channels first, with or
            without a batch axis.
        size, strides, dilation_rate: int, or one per axis; strides None: `size`.
        padding: 'valid' or 'same' (zeros).
        data_format: where the channels are.

    Returns:
        tensor of shape (..., *positions, window · channels), or channels first.

    Example:
        >>> keras.ops.image.extract_patches_3d(np.ones((4, 4, 4, 3)), 2).shape
        (2, 2, 2, 24)
    """
    size = tuple_of(size, 3, "extract_patches_3d: `size`")
    return extract_patches(volumes, size, strides, dilation_rate, padding, data_format)


@op
def extract_patches(
    images: Tensor,
    size: int | Sequence[int],
    strides: int | Sequence[int] | None = None,
    dilation_rate: int | Sequence[int] = 1,
    padding: str = "valid",
    data_format: str | None = None,
) -> Tensor:
    """The windows of images or volumes, each as the channels of one position.

    Args:
        images: tensor of shape (..., *spatial, channels), or channels first, with or without a
            batch axis.
        size: of the window: an int or a pair for images, three numbers for volumes.
        strides: distance of windows, int or one per axis; None: `size`.
        dilation_rate: distance of the elements of a window, int or one per axis.
        padding: 'valid' or 'same' (zeros).
        data_format: where the channels are.

    Returns:
        tensor of shape (..., *positions, window · channels), or channels first; the channels are
        those of (*window, channels) in row-major order.

    Raises:
        TypeError, ValueError: for a size that is neither.

    Example:
        >>> keras.ops.image.extract_patches(np.ones((4, 4, 3)), 2).shape
        (2, 2, 12)
    """
    if not isinstance(size, (int, np.integer, tuple, list)):
        raise TypeError(
            f"extract_patches: Invalid `size` argument: an int or a tuple, got {size!r}"
        )
    rank = 2 if isinstance(size, (int, np.integer)) else len(size)
    shape = tuple(active().shape(images))
    if rank not in (2, 3) or len(shape) - rank not in (1, 2):
        raise ValueError(
            "extract_patches: `size` must have 2 numbers for images (rank 3 or 4), 3 for volumes "
            f"(rank 4 or 5), got {size!r} and the shape {shape}"
        )
    window = tuple_of(size, rank, "extract_patches: `size`")
    steps = window if strides is None else tuple_of(strides, rank, "extract_patches: `strides`")
    spread = tuple_of(dilation_rate, rank, "extract_patches: `dilation_rate`")
    last, single = config.data_format(data_format) == "channels_last", len(shape) == rank + 1
    x = images if last else moveaxis(images, -rank - 1, -1)
    x = expand_dims(x, 0) if single else x
    pads = explicit_padding(padding, active().shape(x)[1:-1], window, steps, spread)
    x = pad(x, ((0, 0), *pads, (0, 0)))
    for i, spec in enumerate(zip(window, steps, spread)):  # an axis becomes (positions, window)
        x = take(x, _window_places(active().shape(x)[1 + 2 * i], *spec), 1 + 2 * i)
    x = active().transpose(x, (0, *range(1, 2 * rank, 2), *range(2, 2 * rank + 1, 2), 2 * rank + 1))
    lengths = active().shape(x)
    if lengths[-1] is None:
        raise ValueError(f"extract_patches: the number of channels must be known, got {shape}")
    x = reshape(x, (-1, *lengths[1 : rank + 1], math.prod(window) * lengths[-1]))
    x = squeeze(x, 0) if single else x
    return x if last else moveaxis(x, -1, -rank - 1)


def _window_places(length: Any, size: int, stride: int, dilation: int) -> Any:
    """(positions, size): which elements of an axis each window holds."""
    starts = active().arange(0, _minus(length, (size - 1) * dilation), stride, "int32")
    return add(expand_dims(starts, 1), np.arange(size, dtype=np.int32) * dilation)


def _bell(size: int, sigma: Any, dtype: str) -> Any:
    """exp(-x²/2σ²) at `size` places around 0, with the sum 1."""
    place = convert_to_tensor(np.arange(size) - (size - 1) / 2, dtype)
    weights = exp(multiply(-0.5, square(divide(place, cast(convert_to_tensor(sigma), dtype)))))
    return divide(weights, sum(weights))


def _filtered(x: Any, rows: Any, columns: Any, padding: str) -> Any:
    """Each channel of a batch (channels last) correlated with rows · columnsᵀ."""
    kernels = [expand_dims(rows, 1), expand_dims(columns, 0)]
    lengths = [active().shape(v)[0] for v in (rows, columns)]
    if math.prod(lengths) < 10:  # small: once with all is faster than along one axis, then another
        kernels = [multiply(*kernels)]
    for kernel in kernels:
        wide = (*active().shape(kernel), active().shape(x)[-1], 1)
        kernel = active().broadcast_to(expand_dims(kernel, (2, 3)), wide)
        x = depthwise_conv(x, kernel, 1, padding, "channels_last")
    return x


@op
def gaussian_blur(
    images: Tensor,
    kernel_size: Sequence[int] = (3, 3),
    sigma: Any = (1.0, 1.0),
    data_format: str | None = None,
) -> Tensor:
    """Images convolved with a bell, exp(-x²/2σ²) along each axis; zeros are around them.

    Args:
        images: tensor of shape (..., height, width, channels), or channels first, with or without a
            batch axis.
        kernel_size: height and width of the kernel.
        sigma: σ along height and width, in pixels; numbers or tensors.
        data_format: where the channels are.

    Returns:
        tensor of images' shape and dtype.

    Example:
        >>> keras.ops.image.gaussian_blur(np.ones((4, 4, 3), "float32")).shape
        (4, 4, 3)
    """
    size = tuple_of(kernel_size, 2, "gaussian_blur: `kernel_size`")
    x, back = _as_batch("gaussian_blur", images, data_format)
    x = _floating(x)
    rows, columns = (_bell(size[i], sigma[i], active().dtype(x)) for i in (0, 1))
    return back(_like(_filtered(x, rows, columns, "same"), images))


@op
def sobel_edges(images: Tensor, data_format: str | None = None) -> Tensor:
    """Differences along height and width, each smoothed across: Sobel's operator; zeros are around.

    Args:
        images: tensor of shape (..., height, width, channels), or channels first, with or without a
            batch axis.
        data_format: where the channels are.

    Returns:
        tensor of shape (*images.shape, 2): differences along height, then along width.

    Example:
        >>> keras.ops.image.sobel_edges(np.ones((1, 4, 4, 3), "float32")).shape
        (1, 4, 4, 3, 2)
    """
    x, back = _as_batch("sobel_edges", images, data_format)
    x = _floating(x)
    across, along = (convert_to_tensor(v, active().dtype(x)) for v in ([1, 2, 1], [-1, 0, 1]))
    found = [_filtered(x, *kernel, "same") for kernel in ((along, across), (across, along))]
    return stack([_like(back(edges), images) for edges in found], -1)


@op(promote=True)
def ssim(
    image1: Tensor,
    image2: Tensor,
    max_val: float = 1.0,
    filter_size: int = 11,
    filter_sigma: float = 1.5,
    k1: float = 0.01,
    k2: float = 0.03,
    data_format: str | None = None,
) -> Tensor:
    """How alike images are in structure: the mean of
    (2 μ₁μ₂ + c₁)(2 σ₁₂ + c₂) / ((μ₁² + μ₂² + c₁)(σ₁² + σ₂² + c₂)) over windows weighted by a bell,
    with cᵢ = (kᵢ · max_val)².  https://doi.org/10.1109/TIP.2003.819861

    Args:
        image1, image2: tensors of one shape (..., height, width, channels), or channels first, with
            or without a batch axis; at least as large as the window.
        max_val: the greatest value of a pixel.
        filter_size, filter_sigma: length and standard deviation of the window, in pixels.
        k1, k2: constants that keep the quotient finite.
        data_format: where the channels are.

    Returns:
        floating tensor of shape (batch,), or a scalar: in [-1, 1], 1 for equal images.

    Example:
        >>> images = np.ones((1, 16, 16, 3), "float32")
        >>> keras.ops.image.ssim(images, images, 1.0)
        Array([1.], dtype=float32)
    """
    a, _ = _as_batch("ssim", _floating(image1), data_format)
    b, _ = _as_batch("ssim", _floating(image2), data_format)
    bell = _bell(filter_size, filter_sigma, active().dtype(a))
    terms = concatenate([a, b, multiply(a, a), multiply(b, b), multiply(a, b)], -1)
    mean_a, mean_b, aa, bb, ab = split(_filtered(terms, bell, bell, "valid"), 5, -1)
    both, squares = multiply(mean_a, mean_b), add(square(mean_a), square(mean_b))
    c1, c2 = (k1 * max_val) ** 2, (k2 * max_val) ** 2
    above = multiply(add(multiply(2.0, both), c1), add(multiply(2.0, subtract(ab, both)), c2))
    below = multiply(add(squares, c1), add(subtract(add(aa, bb), squares), c2))
    result = mean(divide(above, below), (1, 2, 3))
    return squeeze(result, 0) if len(active().shape(image1)) == 3 else result


# ----------------------------------------------------------------------------- values in between

_ORDERS = {"nearest": 0, "bilinear": 1}
_FILL_MODES = ("constant", "nearest", "wrap", "mirror", "reflect")


def _inside(index: Any, length: Any, mode: str) -> Any:
    """Positions on an axis that goes on beyond its ends as `mode` says, brought into it."""
    last = length - 1
    if mode == "wrap":
        return mod(index, length)
    if mode == "mirror":
        return abs(subtract(mod(add(index, last), maximum(2 * last, 1)), last))
    if mode == "reflect":
        place = mod(index, 2 * length)
        return minimum(place, subtract(2 * length - 1, place))
    return maximum(minimum(index, last), 0)


def _neighbours(place: Any, length: Any, order: int, mode: str) -> list[tuple[Any, Any, Any]]:
    """(index, weight, whether it is on the axis) of the elements around each place; None: 1."""
    low = floor(place) if order else multiply(sign(place), floor(add(abs(place), 0.5)))
    share, index = subtract(place, low), cast(low, "int32")
    found = [(index, subtract(1.0, share)), (add(index, 1), share)] if order else [(index, None)]
    return [
        (_inside(i, length, mode), w, logical_and(greater_equal(i, 0), less(i, length)))
        for i, w in found
    ]


def _between(
    values: Any,
    lengths: Sequence,
    places: Sequence,
    order: int,
    mode: str,
    fill: Any,
    row: Any = None,
) -> Any:
    """Values of grids at places between their points: the sum of weight · value over the corners of
    the cell around each place.

    Args:
        values: (rows · prod(lengths), channels), the flattened grids.
        lengths: of the axes of a grid.
        places: for each axis positions of one common shape.
        order: 0: the nearest point; 1: linear.
        mode, fill: what is beyond the edges.
        row: int32 tensor that broadcasts with the places: which grid; None: there is one.

    Returns:
        tensor of shape (*common, channels), in the dtype of the values.
    """
    total: Any = None
    lengths = [1 if n is None else n for n in lengths]  # for shapes alone any length will do
    axes = [_neighbours(x, n, order, mode) for x, n in zip(places, lengths)]
    for corner in itertools.product(*axes):
        index, weight, on = row, None, None
        for (i, w, found), n in zip(corner, lengths):
            index = i if index is None else add(multiply(index, n), i)
            weight = w if weight is None else multiply(weight, w)
            on = found if on is None else logical_and(on, found)
        value = active().take(values, index, 0)
        if mode == "constant":
            value = where(expand_dims(on, -1), value, cast(fill, active().dtype(value)))
        term = value if weight is None else multiply(expand_dims(weight, -1), value)
        total = term if total is None else add(total, term)
    if dtypes.is_float(active().dtype(values)) or order == 0:
        return cast(total, active().dtype(values))
    half_away = multiply(sign(total), floor(add(abs(total), 0.5)))
    return cast(half_away, active().dtype(values))


@op
def map_coordinates(
    inputs: Tensor,
    coordinates: Tensor,
    order: int,
    fill_mode: str = "constant",
    fill_value: Any = 0,
) -> Tensor:
    """The values of a grid at places between its points.

    Args:
        inputs: tensor of rank r.
        coordinates: tensor of shape (r, ...): positions along each axis, 0 is the first element.
        order: 0: the nearest element (halves go away from 0); 1: linear between elements.
        fill_mode: what is beyond the edges of (a b c d): 'constant' (`fill_value`), 'nearest'
            (a a | a b c d | d d), 'wrap' (c d | a b c d | a b), 'mirror' (c b | a b c d | c b) or
            'reflect' (b a | a b c d | d c).
        fill_value: number.

    Returns:
        tensor of inputs' dtype, of shape coordinates.shape[1:].

    Raises:
        ValueError: when the shapes do not fit, or for another order or mode.

    Example:
        >>> keras.ops.image.map_coordinates(np.arange(4.0), [[0.5, 1.5]], order=1).shape
        (2,)
    """
    lengths, shape = active().shape(inputs), tuple(active().shape(coordinates))
    _check_choice("map_coordinates", "order", order, (0, 1))
    _check_choice("map_coordinates", "fill_mode", fill_mode, _FILL_MODES)
    if len(shape) < 2 or shape[0] != len(lengths):
        raise ValueError(
            "map_coordinates: First dim of `coordinates` must be the same as the rank of `inputs`, "
            f"and its rank at least 2; got coordinates of shape {shape} for inputs of shape "
            f"{tuple(lengths)}"
        )
    places = unstack(_floating(coordinates), len(lengths))
    values = reshape(inputs, (-1, 1))
    return squeeze(_between(values, lengths, places, order, fill_mode, fill_value), -1)


def _moved(name: str, images: Any, places: Callable, interpolation: str, fill_mode: str,
           fill_value: Any, data_format: str | None) -> Any:  # fmt: skip
    """Images whose pixels come from other places.

    Args:
        places: function of the rows (height, 1) and columns (width,) of the result, as floats,
            that gives rows and columns in the images, of shapes (batch or 1, height, width).
    """
    _check_choice(name, "interpolation", interpolation, tuple(_ORDERS))
    _check_choice(name, "fill_mode", fill_mode, _FILL_MODES)
    x, back = _as_batch(name, images, data_format)
    engine, (count, height, width, channels) = active(), active().shape(x)
    kind = "float64" if engine.dtype(x) == "float64" else "float32"
    rows, columns = (engine.arange(0, n, 1, kind) for n in (height, width))
    found = places(expand_dims(rows, 1), columns)
    number = expand_dims(engine.arange(0, count, 1, "int32"), (1, 2))
    values, order = reshape(x, (-1, channels)), _ORDERS[interpolation]
    moved = _between(values, (height, width), found, order, fill_mode, fill_value, number)
    return back(moved)


def _projected(transform: Any) -> Callable:
    """Where pixels come from: (y, x) ← ((b0 x + b1 y + b2) / k, (a0 x + a1 y + a2) / k) with
    k = c0 x + c1 y + 1, of the rows (a0, a1, a2, b0, b1, b2, c0, c1) of `transform`."""

    def places(y: Any, x: Any) -> tuple[Any, Any]:
        t = [expand_dims(v, (1, 2)) for v in unstack(cast(transform, active().dtype(y)), 8, 1)]
        a, b, k = (add(multiply(t[i], x), multiply(t[i + 1], y)) for i in (0, 3, 6))
        return divide(add(b, t[5]), add(k, 1.0)), divide(add(a, t[2]), add(k, 1.0))

    return places


@op
def affine_transform(
    images: Tensor,
    transform: Tensor,
    interpolation: str = "bilinear",
    fill_mode: str = "constant",
    fill_value: Any = 0,
    data_format: str | None = None,
) -> Tensor:
    """Images moved, turned, sheared or seen at an angle.

    The pixel (x, y) of the result comes from ((a0 x + a1 y + a2) / k, (b0 x + b1 y + b2) / k) with
    k = c0 x + c1 y + 1.

    Args:
        images: tensor of shape (..., height, width, channels), or channels first, with or without a
            batch axis.
        transform: tensor (a0, a1, a2, b0, b1, b2, c0, c1) for all images, or one row for each.
        interpolation: 'nearest' or 'bilinear'.
        fill_mode: what is beyond the edges of (a b c d): 'constant' (`fill_value`), 'nearest'
            (a a | a b c d | d d), 'wrap' (c d | a b c d | a b), 'mirror' (c b | a b c d | c b) or
            'reflect' (b a | a b c d | d c).
        fill_value: number.
        data_format: where the channels are.

    Returns:
        tensor of images' shape and dtype.

    Raises:
        ValueError: for another rank, interpolation or mode.

    Example:
        >>> image = np.ones((4, 4, 3), "float32")
        >>> keras.ops.image.affine_transform(image, [1, 0, 0, 0, 1, 0, 0, 0]).shape
        (4, 4, 3)
    """
    shape = tuple(active().shape(transform))
    if len(shape) not in (1, 2) or shape[-1] != 8:
        raise ValueError(
            "affine_transform: Invalid transform rank: expected rank 1 (single transform, of 8 "
            f"numbers) or rank 2 (batch of transforms), got the shape {shape}"
        )
    places = _projected(reshape(transform, (-1, 8)))
    return _moved("affine_transform", images, places, interpolation, fill_mode, fill_value,
                  data_format)  # fmt: skip


@op
def perspective_transform(
    images: Tensor,
    start_points: Tensor,
    end_points: Tensor,
    interpolation: str = "bilinear",
    fill_value: Any = 0,
    data_format: str | None = None,
) -> Tensor:
    """Images in another perspective: the one that takes four points to four others.

    Args:
        images: tensor of shape (..., height, width, channels), or channels first, with or without a
            batch axis.
        start_points: tensor of shape (4, 2), or (batch, 4, 2): points (x, y) of the images.
        end_points: tensor of that shape: where they are in the result.
        interpolation: 'nearest' or 'bilinear'.
        fill_value: number, what is beyond the edges.
        data_format: where the channels are.

    Returns:
        tensor of images' shape and dtype.

    Raises:
        ValueError: for another interpolation, and when the shapes do not fit.

    Example:
        >>> image, corners = np.ones((4, 4, 3), "float32"), [[0, 0], [3, 0], [0, 3], [3, 3]]
        >>> keras.ops.image.perspective_transform(image, corners, corners).shape
        (4, 4, 3)
    """
    shapes = tuple(active().shape(start_points)), tuple(active().shape(end_points))
    for name, shape in zip(("start_points", "end_points"), shapes):
        if shape[-2:] != (4, 2) or len(shape) > 3:
            raise ValueError(
                f"perspective_transform: Invalid {name} shape: expected (4,2) for a single image "
                f"or (N,4,2) for a batch, got {shape}"
            )
    if len(shapes[0]) != len(shapes[1]):
        raise ValueError(
            f"perspective_transform: start_points and end_points must have the same shape, got "
            f"{shapes[0]} and {shapes[1]}"
        )
    places = _projected(perspective(start_points, end_points))
    return _moved("perspective_transform", images, places, interpolation, "constant", fill_value,
                  data_format)  # fmt: skip


def perspective(start_points: Any, end_points: Any) -> Any:
    """The transforms, (batch, 8) as `affine_transform` takes them, that take points (x, y) of
    images, (batch, 4, 2) or (4, 2), to others."""
    source, target = (
        unstack(cast(reshape(p, (-1, 4, 2)), "float32"), 2, 2) for p in (start_points, end_points)
    )
    (x, y), zero, one = target, zeros_like(target[0]), ones_like(target[0])
    equations = [
        stack([*head, negative(multiply(s, x)), negative(multiply(s, y))], -1)
        for s, head in zip(source, ([x, y, one, *[zero] * 3], [*[zero] * 3, x, y, one]))
    ]
    # 8 equations for the 8 numbers of the transform that takes end points to start points
    transform = solve(concatenate(equations, 1), expand_dims(concatenate(source, 1), -1))
    return squeeze(transform, -1)


@op
def elastic_transform(
    images: Tensor,
    alpha: float = 20.0,
    sigma: float = 5.0,
    interpolation: str = "bilinear",
    fill_mode: str = "reflect",
    fill_value: Any = 0.0,
    seed: Any = None,
    data_format: str | None = None,
) -> Tensor:
    """Images stretched and squeezed at random: each pixel comes from a place nearby, and neighbours
    from places near to each other.

    Displacements are α times a field of normal numbers of standard deviation σ, blurred by σ.
    https://doi.org/10.1109/ICDAR.2003.1227801

    Args:
        images: tensor of shape (..., height, width, channels), or channels first, with or without a
            batch axis.
        alpha: how strong.
        sigma: how smooth, in pixels.
        interpolation: 'nearest' or 'bilinear'.
        fill_mode, fill_value: as in `affine_transform`.
        seed: None, int or SeedGenerator.
        data_format: where the channels are.

    Returns:
        tensor of images' shape and dtype.

    Example:
        >>> keras.ops.image.elastic_transform(np.ones((4, 4, 3), "float32"), seed=1).shape
        (4, 4, 3)
    """
    engine, length = active(), int(6 * sigma) | 1
    batch = _as_batch("elastic_transform", images, data_format)[0]
    kind = "float64" if engine.dtype(images) == "float64" else "float32"
    fields = normal((*engine.shape(batch)[:3], 2), 0.0, sigma, kind, seed)
    moves = gaussian_blur(fields, (length, length), (sigma, sigma), "channels_last")
    moves = multiply(moves, alpha)
    return displaced(images, moves, interpolation, fill_mode, fill_value, data_format)


@op
def displaced(
    images: Tensor,
    moves: Tensor,
    interpolation: str = "bilinear",
    fill_mode: str = "reflect",
    fill_value: Any = 0.0,
    data_format: str | None = None,
) -> Tensor:
    """Images whose pixels come from places nearby.

    Args:
        images: tensor of shape (..., height, width, channels), or channels first, with or without a
            batch axis.
        moves: tensor of shape (batch, height, width, 2): how many rows and columns further each
            pixel comes from.
        interpolation, fill_mode, fill_value, data_format: as in `affine_transform`.

    Returns:
        tensor of images' shape and dtype.
    """

    def places(y: Any, x: Any) -> tuple[Any, Any]:
        rows, columns = unstack(cast(moves, active().dtype(y)), 2, 3)
        return add(y, rows), add(x, columns)

    return _moved("displaced", images, places, interpolation, fill_mode, fill_value, data_format)


def _triangle(x: Any) -> Any:
    return maximum(subtract(1.0, x), 0.0)


def _cubic(x: Any) -> Any:
    """Keys' cubic with a = -1/2."""
    near = add(multiply(multiply(subtract(multiply(1.5, x), 2.5), x), x), 1.0)
    far = add(multiply(subtract(multiply(add(multiply(-0.5, x), 2.5), x), 4.0), x), 2.0)
    return where(less(x, 1.0), near, where(less(x, 2.0), far, 0.0))


def _lanczos(radius: int) -> Callable:
    return lambda x: where(
        less_equal(x, radius), multiply(sinc(x), sinc(divide(x, float(radius)))), 0.0
    )


_FILTERS: dict[str, Callable] = {
    **dict.fromkeys(("linear", "bilinear", "trilinear", "triangle"), _triangle),
    **dict.fromkeys(("cubic", "bicubic", "tricubic"), _cubic),
    "lanczos3": _lanczos(3),
    "lanczos5": _lanczos(5),
}


@op
def scale_and_translate(
    images: Tensor,
    output_shape: Sequence[int],
    scale: Any,
    translation: Any,
    spatial_dims: Sequence[int],
    method: str,
    antialias: bool = True,
) -> Tensor:
    """Images enlarged and moved: what is at x goes to scale · x + translation along each axis.
    Pixels have their centres at half numbers; what comes from beyond the edges is 0.

    Args:
        images: tensor of any rank.
        output_shape: of the result; read for the axes `spatial_dims`.
        scale, translation: tensors of shape (k,), one number for each of these axes.
        spatial_dims: k axes.
        method: 'linear' ('bilinear', 'trilinear', 'triangle'), 'cubic' ('bicubic', 'tricubic'),
            'lanczos3' or 'lanczos5'.
        antialias: widen the filter where images become smaller.

    Returns:
        floating tensor of `output_shape`.

    Raises:
        ValueError: for another method.

    Example:
        >>> image, scale, translation = np.ones((4, 4, 3), "float32"), [2.0, 2.0], [0.0, 0.0]
        >>> keras.ops.image.scale_and_translate(
        ...     image, (8, 8, 3), scale, translation, spatial_dims=[0, 1], method="linear"
        ... ).shape
        (8, 8, 3)
    """
    _check_choice("scale_and_translate", "method", method, tuple(_FILTERS))
    x, axes = _floating(images), [axis_of(axis, images) for axis in spatial_dims]
    scales, moves = (unstack(convert_to_tensor(v), len(axes)) for v in (scale, translation))
    for axis, by, move in zip(axes, scales, moves):
        names, length = letters(len(active().shape(x)), 1), shape_of(output_shape)[axis]
        weights = _resampling(active().shape(x)[axis], length, by, move, method, antialias)
        spec = f"{names},a{names[axis]}->{names.replace(names[axis], 'a')}"
        x = einsum(spec, x, cast(weights, active().dtype(x)))
    return x


def _resampling(
    length: Any, wanted: int, scale: Any, move: Any, method: str, antialias: bool
) -> Any:
    """The matrix (wanted, length) that resamples an axis: each row is the filter around the place
    that an element of the result comes from, with the sum 1; 0 where that is beyond the edges."""
    step = divide(1.0, _floating(scale))
    kind = active().dtype(step)
    centres = add(arange(wanted, dtype=kind), 0.5)
    place = subtract(multiply(subtract(centres, cast(move, kind)), step), 0.5)
    distance = abs(subtract(expand_dims(place, 1), active().arange(0, length, 1, kind)))
    weights = _FILTERS[method](divide(distance, maximum(step, 1.0) if antialias else 1.0))
    total = sum(weights, 1, True)
    weights = divide(weights, where(not_equal(total, 0), total, 1.0))
    last = 0 if length is None else length - 0.5  # for shapes alone any length will do
    on = logical_and(greater_equal(place, -0.5), less_equal(place, last))
    return where(expand_dims(on, 1), weights, 0.0)


__all__ = [
    "affine_transform", "crop_images", "elastic_transform", "extract_patches",
    "extract_patches_3d", "gaussian_blur", "hsv_to_rgb", "map_coordinates", "pad_images",
    "perspective_transform", "resize", "rgb_to_grayscale", "rgb_to_hsv", "scale_and_translate",
    "sobel_edges", "ssim",
]  # fmt: skip
