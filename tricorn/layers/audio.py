"""Spectrograms of signals."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tricorn import config, dtypes, initializers, limits, ops
from tricorn.checks import named
from tricorn.layers.arguments import choice, data_format, positive
from tricorn.layers.base import Layer
from tricorn.layers.input_spec import InputSpec
from tricorn.layers.recurrent import _merge_time, _split_time

_data_format = data_format
_MODES = ("log", "magnitude", "psd", "real", "imag", "angle", "stft")


class STFTSpectrogram(Layer):
    """The short-time Fourier transform of signals, as a convolution whose kernels can be trained.

    Args:
        mode: of z, the transform: "log" (of the magnitude), "magnitude" |z|, "psd" (|z|², twice
            where a frequency stands for its negative too), "real", "imag", "angle", "stft" (real,
            then imaginary).
        frame_length: how many samples a frame has.
        frame_step: from frame to frame; None: half of `frame_length`.
        fft_length: how many frequencies there are, negative ones included; None: the next power of
            two from `frame_length` on.
        window: name of a window of `scipy.signal`, an array (frame_length,), or None.
        periodic: the window is that of a periodic signal.
        scaling: the window is divided by √Σ window² ("density"), Σ |window| ("spectrum"), or not.
        padding: "valid" (whole frames only) or "same" (⌈length / frame_step⌉ frames).
        expand_dims: channels have an axis of their own.
        data_format: "channels_last" or "channels_first"; None: as configured.
        kwargs: what every `Layer` takes.

    Weights:
        real_kernel, imag_kernel: (frame_length, 1, fft_length // 2 + 1), as the mode needs them.

    Input shape: (batch, time, channels), or channels second.  Output shape: (batch, frames,
    channels · frequencies), with `expand_dims` (batch, frames, frequencies, channels); channels
    first: (batch, channels · frequencies, frames), (batch, channels, frames, frequencies).

    Example:
        >>> layer = keras.layers.STFTSpectrogram(frame_length=64, frame_step=32, fft_length=64)
        >>> layer(np.ones((2, 256, 1), "float32")).shape
        (2, 7, 33)
    """

    def __init__(
        self,
        mode: str = "log",
        frame_length: int = 256,
        frame_step: int | None = None,
        fft_length: int | None = None,
        window: Any = "hann",
        periodic: bool = False,
        scaling: str | None = "density",
        padding: str = "valid",
        expand_dims: bool = False,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.mode = choice(self, "mode", mode, _MODES)
        self.frame_length = positive(self, "frame_length", frame_length)
        self.frame_step = frame_step and positive(self, "frame_step", frame_step)
        self.fft_length = fft_length and positive(self, "fft_length", fft_length)
        self._step = frame_length // 2 if frame_step is None else frame_step
        if not 0 < self._step <= frame_length:
            raise ValueError(
                f"STFTSpectrogram: frame_step must be a positive integer up to frame_length="
                f"{frame_length}, got {frame_step!r}"
            )
        self._length = fft_length or 2 ** math.ceil(math.log2(frame_length))
        if self._length < frame_length:
            raise ValueError(
                f"STFTSpectrogram: fft_length must be at least frame_length={frame_length}, got "
                f"{fft_length}"
            )
        if isinstance(window, str):
            from scipy.signal import get_window  # type: ignore[import-untyped]

            named(self, "window", lambda kind: get_window(kind, 2), window)
        self.window, self.periodic = window, periodic
        self.scaling = choice(self, "scaling", scaling, ("density", "spectrum", None))
        self.padding = choice(self, "padding", padding, ("valid", "same"))
        self.expand_dims = expand_dims
        self.data_format = _data_format(data_format)
        self.input_spec = InputSpec(ndim=3)

    real_kernel: Any
    imag_kernel: Any

    def build(self, input_shape: tuple) -> None:
        shape = (self.frame_length, 1, self._length // 2 + 1)
        for side, without in (("real", "imag"), ("imag", "real")):
            if self.mode != without:
                kernel = initializers.STFT(side, self.window, self.scaling, self.periodic)
                made = self.add_weight(shape, kernel, name=f"{side}_kernel")
                setattr(self, f"{side}_kernel", made)

    def call(self, inputs: Any) -> Any:
        if dtypes.standardize(inputs.dtype) not in ("float16", "float32", "float64"):
            raise TypeError(
                f"the layer {self.name!r} takes float16, float32 or float64, got {inputs.dtype}"
            )
        last = self.data_format == "channels_last"
        signals = ops.swapaxes(inputs, 1, 2) if last else inputs
        return self._shaped(self._of_mode(signals), last)

    def _transform(self, signals: Any, kernel: Any) -> Any:
        """(batch, channels, time) as (batch, channels, frames, frequencies)."""
        merged = _merge_time(ops.expand_dims(signals, -1))
        outputs = ops.conv(merged, kernel, self._step, self.padding, data_format="channels_last")
        return _split_time(outputs, signals)

    def _of_mode(self, signals: Any) -> Any:
        if self.mode == "real":
            return self._transform(signals, self.real_kernel)
        imag = self._transform(signals, self.imag_kernel)
        if self.mode == "imag":
            return imag
        real = self._transform(signals, self.real_kernel)
        if self.mode == "angle":
            return ops.arctan2(imag, real)
        if self.mode == "stft":
            return ops.concatenate([real, imag], axis=-1)
        power = ops.add(ops.square(real), ops.square(imag))
        if self.mode == "psd":
            twice = np.full(self._length // 2 + 1, 2.0)
            twice[[0, -1]] = 1.0
            return ops.multiply(power, ops.cast(twice, power.dtype))
        magnitude = ops.sqrt(ops.maximum(power, config.epsilon()))
        if self.mode == "magnitude":
            return magnitude
        return ops.log(ops.maximum(magnitude, config.epsilon()))

    def _shaped(self, outputs: Any, last: bool) -> Any:
        """(batch, channels, frames, frequencies) in the layout of the layer."""
        if self.expand_dims:
            return ops.transpose(outputs, (0, 2, 3, 1)) if last else outputs
        channels = [ops.get_item(outputs, (slice(None), c)) for c in range(outputs.shape[1])]
        side_by_side = ops.concatenate(channels, axis=-1)
        return side_by_side if last else ops.swapaxes(side_by_side, 1, 2)


class MelSpectrogram(Layer):
    """How strong the frequencies of audio are over time, in bands of equal width in mel:
    ``mel(f) = 2595 log₁₀(1 + f / 700)``.

    Args:
        fft_length: how many samples a frame has.
        sequence_stride: samples from frame to frame; frame t has its middle at t · sequence_stride
            of the signal, which is mirrored at its ends.
        sequence_length: of the window, which is in the middle of a frame; None: `fft_length`.
        window: "hann", "hamming", an array (sequence_length,), or None.
        sampling_rate: samples a second.
        num_mel_bins: the number of bands.
        min_freq, max_freq: where the first band begins and the last one ends; None: half of
            `sampling_rate`.
        power_to_db: give ``10 log₁₀(S / ref_power)`` of the strengths S, else S.
        top_db: what is so much below the greatest value is raised to that; with `power_to_db`.
        mag_exp: the exponent of the magnitudes: 1, or 2 for power.
        min_power: the least S and `ref_power` that count.
        ref_power: what S is compared with.
        kwargs: what every `Layer` takes.

    Input shape: ([batch,] samples).  Output shape: ([batch,] num_mel_bins, 1 + samples //
    sequence_stride) for an even `fft_length`.

    Source: Young et al., The HTK Book, for the bands.

    Example:
        >>> layer = keras.layers.MelSpectrogram(256, sequence_stride=128, num_mel_bins=32)
        >>> layer(np.ones((2, 2048), "float32")).shape
        (2, 32, 17)
    """

    def __init__(
        self,
        fft_length: int = 2048,
        sequence_stride: int = 512,
        sequence_length: int | None = None,
        window: Any = "hann",
        sampling_rate: int = 16000,
        num_mel_bins: int = 128,
        min_freq: float = 20.0,
        max_freq: float | None = None,
        power_to_db: bool = True,
        top_db: float = 80.0,
        mag_exp: float = 2.0,
        min_power: float = 1e-10,
        ref_power: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.fft_length = positive(self, "fft_length", fft_length)
        self.sequence_stride = positive(self, "sequence_stride", sequence_stride)
        self.sequence_length = positive(self, "sequence_length", sequence_length or fft_length)
        if self.sequence_length > self.fft_length:
            raise ValueError(
                f"MelSpectrogram: fft_length must be at least sequence_length="
                f"{sequence_length}, got {fft_length}"
            )
        size = 64 * (num_mel_bins + 4) * (fft_length // 2 + 1)
        limits.take(f"MelSpectrogram: num_mel_bins={num_mel_bins}, fft_length={fft_length}", size)
        self.window = window
        self.sampling_rate = sampling_rate
        self.num_mel_bins = positive(self, "num_mel_bins", num_mel_bins)
        self.min_freq, self.max_freq = min_freq, max_freq or int(sampling_rate / 2)
        self.power_to_db, self.top_db, self.mag_exp = power_to_db, top_db, mag_exp
        self.min_power, self.ref_power = min_power, ref_power

    def call(self, inputs: Any) -> Any:
        wide = "float64" if self.compute_dtype == "float64" else "float32"
        strengths = self._strengths(ops.cast(inputs, wide))
        bands = self.linear_to_mel_weight_matrix(
            self.num_mel_bins, self.fft_length // 2 + 1, self.sampling_rate, self.min_freq,
            self.max_freq, wide,
        )  # fmt: skip
        outputs = ops.matmul(strengths, bands)
        if self.power_to_db:
            reference = 10.0 * math.log10(max(abs(self.ref_power), self.min_power))
            decibels = ops.multiply(ops.log10(ops.maximum(outputs, self.min_power)), 10.0)
            outputs = ops.subtract(decibels, reference)
            outputs = ops.maximum(outputs, ops.subtract(ops.max(outputs), self.top_db))
        return ops.cast(ops.swapaxes(outputs, -1, -2), self.compute_dtype)

    def _strengths(self, signals: Any) -> Any:
        """|z|ᵉ (..., frames, frequencies) of the transform z of signals (..., samples)."""
        real, imag = ops.stft(
            signals, self.sequence_length, self.sequence_stride, self.fft_length, self.window
        )
        power = ops.add(ops.square(real), ops.square(imag))
        return power if self.mag_exp == 2 else ops.power(power, self.mag_exp / 2)

    def linear_to_mel_weight_matrix(
        self,
        num_mel_bins: int = 20,
        num_spectrogram_bins: int = 129,
        sampling_rate: int = 8000,
        lower_edge_hertz: float = 125.0,
        upper_edge_hertz: float = 3800.0,
        dtype: str = "float32",
    ) -> Any:
        """How much each frequency counts in each band: triangles of height 1 over the mel scale,
        each from the middle of the band before to that of the band after.

        Returns:
            tensor of shape (num_spectrogram_bins, num_mel_bins).
        """
        mel = lambda hertz: 1127.0 * np.log(1.0 + np.asarray(hertz, np.float64) / 700.0)
        edges = np.linspace(mel(lower_edge_hertz), mel(upper_edge_hertz), num_mel_bins + 2)
        places = mel(np.linspace(0.0, sampling_rate / 2, num_spectrogram_bins))[:, None]
        lower, middle, upper = edges[:-2], edges[1:-1], edges[2:]
        rising, falling = (places - lower) / (middle - lower), (upper - places) / (upper - middle)
        weights = np.maximum(0.0, np.minimum(rising, falling))
        weights[0] = 0.0  # a constant is no sound
        return ops.convert_to_tensor(weights, dtype)
