"""Signals: window functions, the short-time Fourier transform, Bessel's function I₀."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tricorn import dtypes
from tricorn.engines import active
from tricorn.graph.op import Tensor, op
from tricorn.ops.arrays import cast, convert_to_tensor, pad, reshape, where
from tricorn.ops.elementwise import (
    abs,
    add,
    divide,
    exp,
    greater,
    maximum,
    minimum,
    multiply,
    rsqrt,
    square,
    subtract,
)
from tricorn.ops.linalg import irfft, rfft
from tricorn.ops.nn import extract_sequences

# ---------------------------------------------------------------------------------------- windows


def _window(shape: Callable[..., np.ndarray], length: Any, *parameters: Any) -> Any:
    """The window function of NumPy's of a length, as a tensor of floatx."""
    return convert_to_tensor(shape(int(length), *map(float, parameters)), dtypes.standardize(None))


def bartlett(x: int) -> Any:
    """Bartlett's window, a triangle: 1 - |2n / (N - 1) - 1| for n = 0 ... N - 1.

    Args:
        x: its length N.

    Returns:
        tensor of shape (N,) of floatx.

    Example:
        >>> keras.ops.bartlett(4)
        Array([0.       , 0.6666667, 0.6666667, 0.       ], dtype=float32)
    """
    return _window(np.bartlett, x)


def blackman(x: int) -> Any:
    """Blackman's window: 0.42 - 0.5 cos(2πn / (N - 1)) + 0.08 cos(4πn / (N - 1)).

    Args:
        x: its length N.

    Returns:
        tensor of shape (N,) of floatx.

    Example:
        >>> keras.ops.blackman(4)
        Array([-1.3877788e-17,  6.3000000e-01,  6.3000000e-01, -1.3877788e-17], dtype=float32)
    """
    return _window(np.blackman, x)


def hamming(x: int) -> Any:
    """Hamming's window: 0.54 - 0.46 cos(2πn / (N - 1)).

    Args:
        x: its length N.

    Returns:
        tensor of shape (N,) of floatx.

    Example:
        >>> keras.ops.hamming(4)
        Array([0.08, 0.77, 0.77, 0.08], dtype=float32)
    """
    return _window(np.hamming, x)


def hanning(x: int) -> Any:
    """Hann's window: 0.5 - 0.5 cos(2πn / (N - 1)).

    Args:
        x: its length N.

    Returns:
        tensor of shape (N,) of floatx.

    Example:
        >>> keras.ops.hanning(4)
        Array([0.  , 0.75, 0.75, 0.  ], dtype=float32)
    """
    return _window(np.hanning, x)


def kaiser(x: int, beta: float) -> Any:
    """Kaiser's window: I₀(β √(1 - (2n / (N - 1) - 1)²)) / I₀(β).

    Args:
        x: its length N.
        beta: β; the greater, the narrower.

    Returns:
        tensor of shape (N,) of floatx.

    Example:
        >>> keras.ops.kaiser(4, 2.0)
        Array([0.43867627, 0.9243139 , 0.9243139 , 0.43867627], dtype=float32)
    """
    return _window(np.kaiser, x, beta)


#: the windows that `stft` knows by name: (a, b) of a - b cos(2πn / N)
_COSINES = {"hann": (0.5, 0.5), "hamming": (0.54, 0.46)}


def _stft_window(window: Any, sequence_length: int, fft_length: int, dtype: str) -> Any:
    """The window of a transform: zeros at both sides up to the length of the transform.

    Raises:
        ValueError: for an unknown name, and when the lengths do not fit.
    """
    if fft_length < sequence_length:
        raise ValueError(
            "`fft_length` must equal or larger than `sequence_length`, got "
            f"sequence_length={sequence_length}, fft_length={fft_length}"
        )
    if isinstance(window, str):
        if window not in _COSINES:
            raise ValueError(f"`window` must be one of {list(_COSINES)}, got {window!r}")
        a, b = _COSINES[window]
        window = a - b * np.cos(2 * np.pi * np.arange(sequence_length) / sequence_length)
    elif window is None:
        return active().full((fft_length,), 1, dtype)
    window = convert_to_tensor(window, dtype)
    if tuple(active().shape(window)) != (sequence_length,):
        raise ValueError(
            "The shape of `window` must be equal to [sequence_length], "
            f"({sequence_length},); got {tuple(active().shape(window))}"
        )
    before = (fft_length - sequence_length) // 2
    return pad(window, (before, fft_length - sequence_length - before))


def _check_stride(name: str, stride: Any) -> None:
    if not isinstance(stride, int) or stride <= 0:
        raise ValueError(f"{name}: `sequence_stride` must be a positive integer, got {stride!r}")


@op
def stft(
    x: Tensor,
    sequence_length: int,
    sequence_stride: int,
    fft_length: int,
    window: Any = "hann",
    center: bool = True,
) -> tuple[Tensor, Tensor]:
    """The short-time Fourier transform: `rfft` of window · frame, for each frame of the last axis.

    Args:
        x: float32 or float64 tensor of shape (..., n).
        sequence_length: of the window.
        sequence_stride: distance of the beginnings of frames.
        fft_length: of a frame, at least `sequence_length`; the window is in its middle.
        window: 'hann', 'hamming' (both periodic), a tensor of shape (sequence_length,), or None:
            frames as they are.
        center: first mirror fft_length // 2 elements at each side, so that frame t has its middle
            at t · sequence_stride; else it begins there.

    Returns:
        pair (real, imaginary) of shape (..., frames, fft_length // 2 + 1).

    Raises:
        TypeError: for another dtype.
        ValueError: for an unknown window, and when lengths do not fit.

    Example:
        >>> real, imaginary = keras.ops.stft(np.ones(32, "float32"), 8, 4, 8)
        >>> real.shape
        (9, 5)
    """
    _check_stride("stft", sequence_stride)
    dtype, rank = active().dtype(x), len(active().shape(x))
    if dtype not in ("float32", "float64"):
        raise TypeError(f"stft: Invalid input type. Expected `float32` or `float64`, got {dtype}")
    weights = _stft_window(window, sequence_length, fft_length, dtype)
    if center:
        x = pad(x, [(0, 0)] * (rank - 1) + [(fft_length // 2,) * 2], "reflect")
    return rfft(multiply(extract_sequences(x, fft_length, sequence_stride), weights), fft_length)


@op
def istft(
    x: Sequence[Tensor],
    sequence_length: int,
    sequence_stride: int,
    fft_length: int,
    length: int | None = None,
    window: Any = "hann",
    center: bool = True,
) -> Tensor:
    """The inverse of `stft`: Σ window · frame / Σ window², where frames overlap; without a window
    the frames are just added up.

    Args:
        x: pair (real, imaginary) of tensors of shape (..., frames, fft_length // 2 + 1).
        sequence_length, sequence_stride, fft_length, window, center: as they were given to `stft`.
        length: of the result, cut or filled up with zeros; None: what the frames give.

    Returns:
        floating tensor of shape (..., length).

    Raises:
        ValueError: for an unknown window, and when shapes do not fit.

    Example:
        >>> spectrum = keras.ops.stft(np.ones(32, "float32"), 8, 4, 8)
        >>> keras.ops.istft(spectrum, 8, 4, 8).shape
        (32,)
    """
    _check_stride("istft", sequence_stride)
    frames = irfft(x, fft_length)
    if len(active().shape(frames)) < 2:
        raise ValueError(f"istft: Input `x` must have at least 2 dimensions, got {x}")
    weights = _stft_window(window, sequence_length, fft_length, active().dtype(frames))
    result = _overlapped(multiply(frames, weights), sequence_stride)
    if window is not None:
        count = active().shape(frames)[-2]
        squares = active().broadcast_to(square(weights), (count, fft_length))
        total = _overlapped(squares, sequence_stride)
        result = divide(result, where(greater(total, 1e-10), total, 1.0))
    return _middle(result, fft_length // 2 if center else 0, length)


def _overlapped(frames: Any, stride: int) -> Any:
    """The sum of frames that begin `stride` apart: (..., frames, size) to (..., n)."""
    *outer, _, size = active().shape(frames)
    blocks = -(-size // stride)
    widths = [(0, 0)] * (len(outer) + 1)
    frames = pad(frames, [*widths, (0, blocks * stride - size)])
    total: Any = None
    for i in range(blocks):  # the i-th parts of all frames lie side by side
        part = frames[..., i * stride : (i + 1) * stride]
        flat = reshape(part, (*outer, -1))
        moved = pad(flat, [*widths[1:], (i * stride, (blocks - 1 - i) * stride)])
        total = moved if total is None else add(total, moved)
    return total[..., : -(blocks * stride - size) or None]


def _middle(x: Any, margin: int, length: int | None) -> Any:
    """x without `margin` elements at each side, or `length` elements after the first margin."""
    if length is None:
        return x[..., margin : -margin or None]
    pads = [(0, 0)] * (len(active().shape(x)) - 1) + [(0, length)]
    return pad(x, pads)[..., margin : margin + length]


# ------------------------------------------------------------------------------- Bessel's function


@functools.cache
def _chebyshev() -> tuple[list[float], list[float]]:
    """Chebyshev's coefficients of I₀(x) e⁻ˣ over x/4 - 1 for 0 ≤ x ≤ 8, and of √x I₀(x) e⁻ˣ over
    16/x - 1 for x ≥ 8; from the mean of e^(x (cos t - 1)) over the circle."""
    fit: Callable = np.polynomial.chebyshev.chebinterpolate
    circle = np.cos(np.arange(4096) * (2 * np.pi / 4096)) - 1

    def scaled(x: Any) -> Any:
        return np.exp(np.multiply.outer(x, circle)).mean(-1)

    near = fit(lambda t: scaled(4 * (t + 1)), 29)
    far = fit(lambda t: np.sqrt(16 / (t + 1)) * scaled(16 / (t + 1)), 24)
    return near.tolist(), far.tolist()


def _series(coefficients: list[float], t: Any) -> Any:
    """Σ cₙ Tₙ(t).  Source: C. W. Clenshaw, A note on the summation of Chebyshev series, 1955."""
    before, last = 0.0, 0.0
    for c in coefficients[:0:-1]:
        before, last = last, subtract(add(multiply(multiply(2.0, t), last), c), before)
    return subtract(add(multiply(t, last), coefficients[0]), before)


@op(floating=True)
def i0(x: Tensor) -> Tensor:
    """The modified Bessel function of the first kind and order 0: (1/π) ∫₀^π e^(x cos t) dt.

    Args:
        x: real tensor of any shape.

    Returns:
        floating tensor of x's shape.

    Example:
        >>> keras.ops.i0([0.0, 1.0])
        Array([1.0000001, 1.266066 ], dtype=float32)
    """
    kind, (near, far) = active().dtype(x), _chebyshev()
    size = abs(cast(x, "float64" if kind == "float64" else "float32"))
    small, large = minimum(size, 8.0), maximum(size, 8.0)
    below = _series(near, subtract(multiply(small, 0.25), 1.0))
    above = multiply(_series(far, subtract(divide(16.0, large), 1.0)), rsqrt(large))
    return cast(multiply(exp(size), where(greater(size, 8.0), above, below)), kind)


__all__ = ["bartlett", "blackman", "hamming", "hanning", "i0", "istft", "kaiser", "stft"]
