"""Sounds from WAV files."""

from __future__ import annotations

import math
import os
import wave

import numpy as np


def read_wav(
    path: str | os.PathLike[str], sampling_rate: int | None = None, samples: int | None = None
) -> np.ndarray:
    """The sound in a WAV file of whole numbers (PCM), float32 (samples, channels) from -1 to 1.

    Args:
        sampling_rate: resample it to so many samples a second.
        samples: cut it, or pad it with zeros, to so many samples.

    Raises:
        ValueError: for another kind of file.
    """
    try:
        with wave.open(os.fspath(path), "rb") as file:
            width, channels, rate = file.getsampwidth(), file.getnchannels(), file.getframerate()
            data = np.frombuffer(file.readframes(file.getnframes()), np.uint8)
    except (wave.Error, EOFError) as error:
        raise ValueError(f"{path} cannot be read as a WAV file of whole numbers: {error}") from None
    if width == 1:  # the only one without a sign
        sound = (data.astype(np.float32) - 128) / 128
    else:  # the bytes become the upper ones of 32 bits
        wide = np.zeros((len(data) // width, 4), np.uint8)
        wide[:, 4 - width :] = data.reshape(-1, width)
        sound = (wide.view("<i4")[:, 0] / 2.0**31).astype(np.float32)
    sound = sound.reshape(-1, channels)
    if sampling_rate is not None and sampling_rate != rate:
        from scipy.signal import resample_poly  # type: ignore[import-untyped]

        shared = math.gcd(sampling_rate, rate)
        sound = resample_poly(sound, sampling_rate // shared, rate // shared)
    if samples is not None:
        sound = np.pad(sound[:samples], ((0, max(samples - len(sound), 0)), (0, 0)))
    return np.asarray(sound, np.float32)
