"""Initializers: the first values of weights.

Values are drawn on the host by a counter-based generator (see `tricorn.seeds`), so they are the
same on every engine.  An initializer without a seed draws anew at each use, in the order of uses
since `set_random_seed`; one with an int seed gives the same values each time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tricorn import dtypes, limits, ops
from tricorn.checks import choice, named, number
from tricorn.docstrings import arguments_of
from tricorn.graph.scope import Suspended
from tricorn.seeds import SeedGenerator, host_generator
from tricorn.serialization import registry
from tricorn.serialization.catalogue import Catalogue, Configured

#: Standard deviation of a unit normal cut at ±2.
_TRUNCATED_STDDEV = 0.87962566103423978


class Initializer(Configured):
    """Base class: a function ``(shape, dtype) -> tensor`` with a config.

    Example:
        >>> class Ramp(keras.initializers.Initializer):
        ...     def __call__(self, shape, dtype=None, **kwargs):
        ...         return keras.ops.reshape(keras.ops.arange(np.prod(shape), dtype=dtype), shape)
        >>> keras.layers.Dense(2, bias_initializer=Ramp())(np.zeros((1, 3)))
        Array([[0., 1.]], dtype=float32)
    """

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Any:
        """The first values of a weight.

        Args:
            shape: of the weight.
            dtype: name; None: floatx.
        """
        raise NotImplementedError(f"{type(self).__name__} must define __call__(shape, dtype=None)")

    def clone(self) -> Any:
        """Another object of the same config."""
        return type(self).from_config(self.get_config())


class HostInitializer(Initializer):
    """An initializer whose values are made with NumPy.

    Subclasses define ``values(shape, dtype)``.  Variables take what `host` gives.
    """

    def values(self, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        """The values; `dtype` is float32 or float64, whichever is wide enough."""
        raise NotImplementedError

    @property
    def host(self) -> Callable[..., np.ndarray] | None:
        """What gives the values as a NumPy array; None for a class with a `__call__` of its own."""
        return self._array if type(self).__call__ is HostInitializer.__call__ else None

    def _array(self, shape: Sequence[int], dtype: Any = None) -> np.ndarray:
        final = dtypes.to_numpy(dtypes.standardize(dtype))
        working = np.dtype(np.float64 if final.itemsize >= 8 else np.float32)
        return self.values(tuple(int(n) for n in shape), working).astype(final, copy=False)

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Any:
        return ops.convert_to_tensor(self._array(shape, dtype))


# --------------------------------------------------------------------------------------- constant


class Zeros(HostInitializer):
    """All 0.

    Example:
        >>> keras.initializers.Zeros()((2,))
        Array([0., 0.], dtype=float32)
    """

    def values(self, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        return np.zeros(shape, dtype)


class Ones(HostInitializer):
    """All 1.

    Example:
        >>> keras.initializers.Ones()((2,))
        Array([1., 1.], dtype=float32)
    """

    def values(self, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        return np.ones(shape, dtype)


class Constant(HostInitializer):
    """All `value`.

    Args:
        value: a number, or an array that broadcasts to the weight's shape.

    Example:
        >>> keras.initializers.Constant(3.0)((2,))
        Array([3., 3.], dtype=float32)
    """

    def __init__(self, value: Any = 0.0) -> None:
        self.value = value

    def values(self, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        return np.full(shape, np.asarray(self.value))

    def get_config(self) -> dict[str, Any]:
        return {"value": registry.serialize_keras_object(self.value)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Constant:
        return cls(registry.deserialize_keras_object(config["value"]))


class Identity(HostInitializer):
    """`gain` times the identity matrix; for weights of rank 2.

    Args:
        gain: factor.

    Example:
        >>> keras.initializers.Identity(gain=2.0)((2, 2))
        Array([[2., 0.],
               [0., 2.]], dtype=float32)
    """

    def __init__(self, gain: float = 1.0) -> None:
        self.gain = gain

    def values(self, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        if len(shape) != 2:
            raise ValueError(f"Identity initializes weights of rank 2, got the shape {shape}")
        return self.gain * np.eye(*shape, dtype=dtype)


class STFT(HostInitializer):
    """Kernel of a convolution that is a short-time Fourier transform: cos or -sin, windowed.

    The weight has the shape (frame length, 1, frequencies); with n = 2 (frequencies - 1), entry
    (t, ·, k) is window[t] · cos(2π t k / n) / scale, or -sin for the imaginary side.

    Args:
        side: ``"real"`` or ``"imag"``.
        window: name of a window of `scipy.signal`, an array of the frame's length, or None.
        scaling: scale = √Σ window² (``"density"``), Σ |window| (``"spectrum"``), or 1 (None).
        periodic: the window is that of a periodic signal.

    Example:
        >>> keras.initializers.STFT("real")((8, 1, 5)).shape
        (8, 1, 5)
    """

    def __init__(
        self,
        side: str = "real",
        window: Any = "hann",
        scaling: str | None = "density",
        periodic: bool = False,
    ) -> None:
        self.side = choice(self, "side", side, ("real", "imag"))
        self.scaling = choice(self, "scaling", scaling, ("density", "spectrum", None))
        self.window, self.periodic = window, periodic
        if isinstance(window, str):
            named(self, "window", lambda window: self._window(4), window)

    def values(self, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        if len(shape) != 3:
            raise ValueError(f"STFT initializes weights (frame, 1, frequencies), got {shape}")
        length, _, frequencies = shape
        limits.take(f"a Fourier transform of shape {shape}", 32 * length * frequencies)
        time, frequency = np.arange(length), np.arange(frequencies)
        angle = -2.0 * np.pi * np.outer(time, frequency) / (2 * (frequencies - 1))
        kernel = np.cos(angle) if self.side == "real" else np.sin(angle)
        kernel = kernel * self._window(length)[:, None]
        return np.broadcast_to(kernel[:, None, :], shape)

    def _window(self, length: int) -> np.ndarray:
        """The window divided by its scale."""
        window = self.window
        if window is None:
            return np.ones(length)
        if isinstance(window, str):
            from scipy.signal import get_window  # type: ignore[import-untyped]

            window = get_window(window, length, bool(self.periodic))
        window = np.asarray(window, np.float64)
        if window.shape != (length,):
            raise ValueError(f"the window has the shape {window.shape}, the frame {length}")
        scales = {"density": np.sqrt(np.sum(window**2)), "spectrum": np.sum(np.abs(window))}
        return window / scales.get(self.scaling or "", 1.0)


# ----------------------------------------------------------------------------------------- random


class RandomInitializer(HostInitializer):
    """Base of those that draw.

    Args:
        seed: None: another draw at each use; an int: the same each time; a `SeedGenerator`: the
            next of that generator.
    """

    def __init__(self, seed: Any = None) -> None:
        if isinstance(seed, dict):
            seed = registry.deserialize_keras_object(seed)
        known = (int, np.integer, SeedGenerator, type(None))
        if isinstance(seed, bool) or not isinstance(seed, known):
            raise ValueError(f"seed must be None, an int or a SeedGenerator, got {seed!r}")
        self.seed = seed

    def generator(self) -> np.random.Generator:
        """The NumPy generator for one draw."""
        if not isinstance(self.seed, SeedGenerator):
            return host_generator(None if self.seed is None else int(self.seed))
        with Suspended():  # a draw on the host counts, whatever becomes of the step around it
            state = self.seed.state.numpy()
            self.seed.state.assign(state + np.array([0, 1], state.dtype))
        return np.random.Generator(np.random.Philox(key=state.view(np.uint32).astype(np.uint64)))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "seed": registry.serialize_keras_object(self.seed)}


class RandomNormal(RandomInitializer):
    """Normal distribution.

    Args:
        mean, stddev: of the distribution.
        seed: see `RandomInitializer`.

    Example:
        >>> keras.initializers.RandomNormal(stddev=0.1, seed=1)((2, 3)).shape
        (2, 3)
    """

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: Any = None) -> None:
        super().__init__(seed)
        self.mean, self.stddev = mean, stddev

    def values(self, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        return _normal(self.generator(), shape, dtype, self.mean, self.stddev)


class TruncatedNormal(RandomNormal):
    """Normal distribution, with values more than two `stddev` from the mean drawn again.

    Args:
        mean, stddev: of the distribution before it is cut.
        seed: see `RandomInitializer`.

    Example:
        >>> keras.initializers.TruncatedNormal(stddev=0.1, seed=1)((2, 3)).shape
        (2, 3)
    """

    def values(self, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        return _truncated_normal(self.generator(), shape, dtype, self.mean, self.stddev)


class RandomUniform(RandomInitializer):
    """Uniform distribution on [minval, maxval).

    Args:
        minval, maxval: the bounds.
        seed: see `RandomInitializer`.

    Example:
        >>> keras.initializers.RandomUniform(-1.0, 1.0, seed=1)((2, 3)).shape
        (2, 3)
    """

    def __init__(self, minval: float = -0.05, maxval: float = 0.05, seed: Any = None) -> None:
        super().__init__(seed)
        self.minval, self.maxval = minval, maxval

    def values(self, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        return _uniform(self.generator(), shape, dtype, self.minval, self.maxval)


def _normal(
    generator: np.random.Generator, shape: tuple, dtype: np.dtype, mean: float, stddev: float
) -> np.ndarray:
    values = generator.standard_normal(shape, dtype)
    values *= stddev
    values += mean
    return values


def _truncated_normal(
    generator: np.random.Generator, shape: tuple, dtype: np.dtype, mean: float, stddev: float
) -> np.ndarray:
    values = np.asarray(generator.standard_normal(shape, dtype))
    while (outside := np.abs(values) > 2).any():
        values[outside] = generator.standard_normal(int(outside.sum()), dtype)
    values *= stddev
    values += mean
    return values


def _uniform(
    generator: np.random.Generator, shape: tuple, dtype: np.dtype, low: float, high: float
) -> np.ndarray:
    values = generator.random(shape, dtype)
    values *= high - low
    values += low
    return values


class VarianceScaling(RandomInitializer):
    """Variance ``scale / n``, where n counts the inputs, the outputs or their average.

    Args:
        scale: positive factor.
        mode: ``"fan_in"``, ``"fan_out"`` or ``"fan_avg"``: what n is.
        distribution: ``"truncated_normal"`` (also ``"normal"``; widened so that the variance after
            the cut at two standard deviations is right), ``"untruncated_normal"``, ``"uniform"``.
        seed: see `RandomInitializer`.
        input_axes, output_axes: axes of the weight that count inputs and outputs; None: the last
            two, times the window of a convolution kernel.

    Raises:
        ValueError: for another scale, mode or distribution.

    Example:
        >>> initializer = keras.initializers.VarianceScaling(2.0, mode="fan_in", seed=1)
        >>> initializer((2, 3)).shape
        (2, 3)
    """

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: Any = None,
        input_axes: Sequence[int] | None = None,
        output_axes: Sequence[int] | None = None,
    ) -> None:
        super().__init__(seed)
        distribution = choice(self, "distribution", distribution, (*_DISTRIBUTIONS, "normal"))
        if distribution == "normal":
            distribution = "truncated_normal"
        self.scale, self.distribution = number(self, "scale", scale, above=0), distribution
        self.mode = choice(self, "mode", mode, ("fan_in", "fan_out", "fan_avg"))
        self.input_axes, self.output_axes = input_axes, output_axes

    def values(self, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        fan_in, fan_out = compute_fans(shape, self.input_axes, self.output_axes)
        fans = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}
        stddev = math.sqrt(self.scale / max(1.0, fans[self.mode]))
        return _DISTRIBUTIONS[self.distribution](self.generator(), shape, dtype, stddev)


#: distributions of mean 0 by standard deviation
_DISTRIBUTIONS = {
    "uniform": lambda g, shape, dtype, s: _uniform(g, shape, dtype, -s * 3**0.5, s * 3**0.5),
    "truncated_normal": lambda g, shape, dtype, s: _truncated_normal(
        g, shape, dtype, 0.0, s / _TRUNCATED_STDDEV
    ),
    "untruncated_normal": lambda g, shape, dtype, s: _normal(g, shape, dtype, 0.0, s),
}


def compute_fans(
    shape: Sequence[int],
    input_axes: Sequence[int] | None = None,
    output_axes: Sequence[int] | None = None,
) -> tuple[int, int]:
    """(inputs of one output, outputs of one input) for a weight of `shape`.

    A matrix is (inputs, outputs), a convolution kernel (*window, inputs, outputs).
    """
    shape = tuple(shape)
    if input_axes is not None and output_axes is not None:
        return math.prod(shape[a] for a in input_axes), math.prod(shape[a] for a in output_axes)
    if len(shape) < 2:
        size = int(shape[0]) if shape else 1
        return size, size
    window = math.prod(shape[:-2])
    return int(shape[-2] * window), int(shape[-1] * window)


class _Scaled(VarianceScaling):
    """`VarianceScaling` with the first three arguments settled by the class.

    Args:
        seed: see `RandomInitializer`.
        input_axes, output_axes: see `VarianceScaling`.
    """

    _settled: tuple[float, str, str]

    def __init__(
        self,
        seed: Any = None,
        input_axes: Sequence[int] | None = None,
        output_axes: Sequence[int] | None = None,
    ) -> None:
        super().__init__(*self._settled, seed, input_axes, output_axes)


@arguments_of(_Scaled)
class GlorotUniform(_Scaled):
    """Uniform on ±√(6 / (inputs + outputs)).

    Source: Glorot and Bengio, 2010, "Understanding the difficulty of training deep feedforward
    neural networks".

    Example:
        >>> keras.initializers.GlorotUniform(seed=1)((2, 3)).shape
        (2, 3)
    """

    _settled = (1.0, "fan_avg", "uniform")


@arguments_of(_Scaled)
class GlorotNormal(_Scaled):
    """Truncated normal of variance 2 / (inputs + outputs).

    Source: Glorot and Bengio, 2010.

    Example:
        >>> keras.initializers.GlorotNormal(seed=1)((2, 3)).shape
        (2, 3)
    """

    _settled = (1.0, "fan_avg", "truncated_normal")


@arguments_of(_Scaled)
class LecunNormal(_Scaled):
    """Truncated normal of variance 1 / inputs.

    Source: Klambauer et al., 2017, arXiv:1706.02515.

    Example:
        >>> keras.initializers.LecunNormal(seed=1)((2, 3)).shape
        (2, 3)
    """

    _settled = (1.0, "fan_in", "truncated_normal")


@arguments_of(_Scaled)
class LecunUniform(_Scaled):
    """Uniform on ±√(3 / inputs).

    Source: Klambauer et al., 2017, arXiv:1706.02515.

    Example:
        >>> keras.initializers.LecunUniform(seed=1)((2, 3)).shape
        (2, 3)
    """

    _settled = (1.0, "fan_in", "uniform")


@arguments_of(_Scaled)
class HeNormal(_Scaled):
    """Truncated normal of variance 2 / inputs.

    Source: He et al., 2015, arXiv:1502.01852.

    Example:
        >>> keras.initializers.HeNormal(seed=1)((2, 3)).shape
        (2, 3)
    """

    _settled = (2.0, "fan_in", "truncated_normal")


@arguments_of(_Scaled)
class HeUniform(_Scaled):
    """Uniform on ±√(6 / inputs).

    Source: He et al., 2015, arXiv:1502.01852.

    Example:
        >>> keras.initializers.HeUniform(seed=1)((2, 3)).shape
        (2, 3)
    """

    _settled = (2.0, "fan_in", "uniform")


class Orthogonal(RandomInitializer):
    """`gain` times a random matrix with orthonormal columns (rows, if it has more columns).

    A weight of higher rank is a matrix of shape (product of all axes but the last, last axis).

    Args:
        gain: factor.
        seed: see `RandomInitializer`.

    Source: Saxe et al., 2014, arXiv:1312.6120.

    Example:
        >>> q = keras.initializers.Orthogonal(seed=1)((2, 2))
        >>> np.allclose(keras.ops.matmul(keras.ops.transpose(q), q), np.eye(2), atol=1e-6)
        True
    """

    def __init__(self, gain: float = 1.0, seed: Any = None) -> None:
        super().__init__(seed)
        self.gain = gain

    def values(self, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        if len(shape) < 2:
            raise ValueError(f"Orthogonal initializes weights of rank 2 or more, got {shape}")
        rows, columns = math.prod(shape[:-1]), shape[-1]
        tall = (max(rows, columns), min(rows, columns))
        # what files describe may not take hours: time grows faster than memory
        work = rows * columns * (16 + tall[1] // 2**13)
        limits.take(f"an orthogonal matrix of shape {tall}", work)
        q, r = np.linalg.qr(self.generator().standard_normal(tall, dtype))
        q *= np.sign(np.diag(r))  # makes the distribution uniform over orthogonal matrices
        return self.gain * (q if rows >= columns else q.T).reshape(shape)


# ------------------------------------------------------------------------------------------ names

IdentityInitializer, OrthogonalInitializer, STFTInitializer = Identity, Orthogonal, STFT
stft = STFT
zeros, ones, constant, identity, orthogonal = Zeros, Ones, Constant, Identity, Orthogonal
random_normal, random_uniform = RandomNormal, RandomUniform
truncated_normal, variance_scaling = TruncatedNormal, VarianceScaling
glorot_uniform, glorot_normal = GlorotUniform, GlorotNormal
lecun_uniform, lecun_normal = LecunUniform, LecunNormal
he_uniform, he_normal = HeUniform, HeNormal

_catalogue = Catalogue(
    "initializers",
    "initializer",
    (
        Zeros, Ones, Constant, Identity, RandomNormal, RandomUniform, TruncatedNormal,
        VarianceScaling, GlorotUniform, GlorotNormal, LecunUniform, LecunNormal, HeUniform,
        HeNormal, Orthogonal, STFT,
    ),
    {
        "normal": RandomNormal, "uniform": RandomUniform, "one": Ones, "zero": Zeros,
        "IdentityInitializer": Identity, "OrthogonalInitializer": Orthogonal,
        "STFTInitializer": STFT,
    },
    snake_case=True,
)  # fmt: skip
deserialize = _catalogue.deserialize


def serialize(initializer: Any) -> Any:
    """The config that describes an initializer; of a function its name.

    Example:
        >>> keras.initializers.serialize(keras.initializers.Zeros())["class_name"]
        'Zeros'
    """
    return registry.serialize_keras_object(initializer)


def get(identifier: Any) -> Any:
    """The initializer that `identifier` stands for.

    Args:
        identifier: None, a name (``"glorot_uniform"``), a config, a class, an object, a function
            ``(shape, dtype) -> value``, or an array or tensor of the weight's own shape.

    Raises:
        ValueError: unknown name.
        TypeError: none of these.

    Example:
        >>> keras.initializers.get("zeros")((2,))
        Array([0., 0.], dtype=float32)
    """
    if hasattr(identifier, "shape") and hasattr(identifier, "dtype"):
        return _FromValue(identifier)
    return _catalogue.get(identifier)


class _FromValue(Constant):
    """The values of an array that was given in place of an initializer."""

    def values(self, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        if tuple(self.value.shape) != shape:
            raise ValueError(
                f"an array of shape {tuple(self.value.shape)} was given as the initializer of a "
                f"weight of shape {shape}"
            )
        return np.asarray(ops.convert_to_numpy(self.value))


__all__ = [
    "Constant", "GlorotNormal", "GlorotUniform", "HeNormal", "HeUniform", "Identity",
    "IdentityInitializer", "Initializer", "LecunNormal", "LecunUniform", "Ones", "Orthogonal",
    "OrthogonalInitializer", "RandomNormal", "RandomUniform", "STFT", "STFTInitializer",
    "TruncatedNormal", "VarianceScaling", "Zeros", "constant", "deserialize", "get",
    "glorot_normal", "glorot_uniform", "he_normal", "he_uniform", "identity", "lecun_normal",
    "lecun_uniform", "ones", "orthogonal", "random_normal", "random_uniform", "serialize",
    "stft", "truncated_normal", "variance_scaling", "zeros",
]  # fmt: skip

__dir__ = lambda: list(__all__)
