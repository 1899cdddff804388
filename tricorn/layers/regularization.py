"""Layers that act in training alone: dropout, noise, and penalties on activity."""

from __future__ import annotations

import math
from typing import Any

from tricorn import dtype_policies, ops, random, regularizers
from tricorn.docstrings import arguments_of
from tricorn.graph.op import Tensor, op
from tricorn.layers.arguments import data_format, fraction, is_int
from tricorn.layers.base import Layer
from tricorn.layers.input_spec import InputSpec
from tricorn.seeds import SeedGenerator


class _Noise(Layer):
    """Base of the layers that draw: a rate, a seed, and the identity outside of training.

    Attributes:
        seed_generator: the layer's random state (only where the rate is above 0).
    """

    def __init__(self, rate: float, seed: int | None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.seed = seed
        self.supports_masking = True
        if rate > 0:
            self.seed_generator = SeedGenerator(seed)

    @property
    def _tricorn_heeds_training(self) -> bool:
        return hasattr(self, "seed_generator")

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        if not training or not self._tricorn_heeds_training:
            return inputs
        return self.disturb(inputs)

    def disturb(self, inputs: Any) -> Any:
        """The input as it is in training."""
        raise NotImplementedError


class Dropout(_Noise):
    """In training each element is 0 with probability `rate`, else ``x / (1 - rate)``.

    Args:
        rate: between 0 and 1.
        noise_shape: shape of the random pattern, which broadcasts over the input; None entries
            are the input's size, 1 shares the pattern along an axis.
        seed: int; None takes the next of the global sequence.
        kwargs: what every `Layer` takes.

    Input shape: any.  Output shape: the same.

    Source: Srivastava et al. 2014, "Dropout: a simple way to prevent neural networks from
    overfitting", JMLR 15.

    Example:
        >>> layer = keras.layers.Dropout(0.5, seed=1)
        >>> layer(np.ones((1, 3)), training=False)
        Array([[1., 1., 1.]], dtype=float32)
        >>> sorted(set(keras.ops.convert_to_numpy(layer(np.ones(50), training=True)).tolist()))
        [0.0, 2.0]
    """

    def __init__(
        self,
        rate: float,
        noise_shape: tuple | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        rate = fraction(self, "rate", rate)
        super().__init__(rate, seed, **kwargs)
        self.rate = rate
        self.noise_shape = self._checked(noise_shape)

    def _checked(self, shape: Any) -> tuple | None:
        if shape is None:
            return None
        fits = isinstance(shape, (tuple, list))
        if not fits or not all(n is None or (is_int(n) and n > 0) for n in shape):
            raise ValueError(
                f"{type(self).__name__}: noise_shape must be a tuple of positive integers and "
                f"None, got {shape!r}"
            )
        return tuple(shape)

    def disturb(self, inputs: Any) -> Any:
        return random.dropout(inputs, self.rate, self.pattern(inputs), seed=self.seed_generator)

    def pattern(self, inputs: Any) -> tuple | None:
        """The shape of the random pattern for this input."""
        return self.noise_shape


class AlphaDropout(Dropout):
    """Dropout that keeps mean and variance of the outputs of SELU: in training ``a x + b``, where x
    is -1.7581 (SELU's limit) with probability `rate`.

    Args:
        rate, noise_shape, seed, kwargs: as `Dropout` takes them.

    Input shape: any.  Output shape: the same.

    Source: Klambauer et al. 2017, arXiv:1706.02515.

    Example:
        >>> keras.layers.AlphaDropout(0.2)(np.ones((2, 3)), training=False)
        Array([[1., 1., 1.],
               [1., 1., 1.]], dtype=float32)
    """

    def disturb(self, inputs: Any) -> Any:
        if self.rate == 1:
            return ops.zeros_like(inputs)
        ones = ops.ones_like(inputs)
        drawn = random.dropout(ones, self.rate, self.pattern(inputs), seed=self.seed_generator)
        a = ((1 - self.rate) * (1 + self.rate * _SELU_LIMIT**2)) ** -0.5
        low = ops.full_like(inputs, _SELU_LIMIT)
        x = ops.where(ops.not_equal(drawn, 0), inputs, low)
        return ops.add(ops.multiply(x, a), -a * _SELU_LIMIT * self.rate)


#: SELU of -∞: minus its scale times its alpha
_SELU_LIMIT = -1.0507009873554805 * 1.6732632423543772


class _SpatialDropout(Dropout):
    """Dropout of whole channels."""

    rank: int

    def __init__(self, rate: float, seed: int | None, **kwargs: Any) -> None:
        super().__init__(rate, None, seed, **kwargs)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def pattern(self, inputs: Any) -> tuple:
        if getattr(self, "data_format", "channels_last") == "channels_first":
            return (None, None, *(1,) * self.rank)
        return (None, *(1,) * self.rank, None)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["trainable"]  # Keras's constructor does not take it
        return {**config, "dtype": dtype_policies.at(self.dtype_policy, None).name}


class SpatialDropout1D(_SpatialDropout):
    """Dropout of whole channels of a sequence.

    Args:
        rate: between 0 and 1.
        seed: int; None takes the next of the global sequence.
        name, dtype: as every `Layer` takes them.

    Input shape: (batch, time, channels).  Output shape: the same.

    Source: Tompson et al. 2014, arXiv:1411.4280.

    Example:
        >>> keras.layers.SpatialDropout1D(0.5)(np.ones((2, 5, 3)), training=True).shape
        (2, 5, 3)
    """

    rank = 1

    def __init__(
        self, rate: float, seed: int | None = None, name: str | None = None, dtype: Any = None
    ) -> None:
        super().__init__(rate, seed, name=name, dtype=dtype)


class _SpatialDropoutND(_SpatialDropout):
    def __init__(
        self,
        rate: float,
        data_format: str | None = None,
        seed: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(rate, seed, name=name, dtype=dtype)
        self.data_format = _data_format(data_format)


_data_format = data_format


class SpatialDropout2D(_SpatialDropoutND):
    """Dropout of whole feature maps.

    Args:
        rate: between 0 and 1.
        data_format: "channels_last" or "channels_first"; None: as configured.
        seed: int; None takes the next of the global sequence.
        name, dtype: as every `Layer` takes them.

    Input shape: (batch, height, width, channels), or channels second.  Output shape: the same.

    Source: Tompson et al. 2014, arXiv:1411.4280.

    Example:
        >>> keras.layers.SpatialDropout2D(0.5)(np.ones((2, 4, 4, 3)), training=True).shape
        (2, 4, 4, 3)
    """

    rank = 2


@arguments_of(SpatialDropout2D)
class SpatialDropout3D(_SpatialDropoutND):
    """Dropout of whole feature volumes; see `SpatialDropout2D`.

    Input shape: (batch, depth, height, width, channels), or channels second.  Output shape: the
    same.

    Example:
        >>> keras.layers.SpatialDropout3D(0.5)(np.ones((2, 3, 3, 3, 2)), training=True).shape
        (2, 3, 3, 3, 2)
    """

    rank = 3


@op
def _normal_like(x: Tensor, mean: float, stddev: float, seed: Any) -> Tensor:
    """Normal draws of the shape and dtype of `x`."""
    return random.normal(ops.shape(x), mean, stddev, ops.dtype(x), seed)


class GaussianDropout(_Noise):
    """In training ``x * n`` with n from N(1, rate / (1 - rate)).

    Args:
        rate: between 0 and 1, as in `Dropout`, whose variance this has.
        seed: int; None takes the next of the global sequence.
        kwargs: what every `Layer` takes.

    Input shape: any.  Output shape: the same.

    Source: Srivastava et al. 2014, JMLR 15, section 10.

    Example:
        >>> keras.layers.GaussianDropout(0.2)(np.ones((2, 3)), training=True).shape
        (2, 3)
    """

    def __init__(self, rate: float, seed: int | None = None, **kwargs: Any) -> None:
        rate = fraction(self, "rate", rate)
        super().__init__(rate, seed, **kwargs)
        self.rate = rate

    def disturb(self, inputs: Any) -> Any:
        deviation = math.sqrt(self.rate / (1.0 - self.rate)) if self.rate < 1 else math.inf
        return ops.multiply(inputs, _normal_like(inputs, 1.0, deviation, self.seed_generator))


class GaussianNoise(_Noise):
    """In training ``x + n`` with n from N(0, stddev²).

    Args:
        stddev: between 0 and 1.
        seed: int; None takes the next of the global sequence.
        kwargs: what every `Layer` takes.

    Input shape: any.  Output shape: the same.

    Example:
        >>> keras.layers.GaussianNoise(0.1)(np.ones((1, 3)), training=False)
        Array([[1., 1., 1.]], dtype=float32)
    """

    def __init__(self, stddev: float, seed: int | None = None, **kwargs: Any) -> None:
        stddev = fraction(self, "stddev", stddev)
        super().__init__(stddev, seed, **kwargs)
        self.stddev = stddev

    def disturb(self, inputs: Any) -> Any:
        return ops.add(inputs, _normal_like(inputs, 0.0, self.stddev, self.seed_generator))


class ActivityRegularization(Layer):
    """The input as it is, with the penalty ``l1 Σ|x| + l2 Σx²`` added to the losses.

    Args:
        l1, l2: factors.
        kwargs: what every `Layer` takes.

    Input shape: any.  Output shape: the same.

    Example:
        >>> layer = keras.layers.ActivityRegularization(l2=0.5)
        >>> outputs = layer(np.array([[1.0, 2.0]]))
        >>> layer.losses
        [Array(2.5, dtype=float32)]
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0, **kwargs: Any) -> None:
        super().__init__(activity_regularizer=regularizers.L1L2(l1=l1, l2=l2), **kwargs)
        self.l1, self.l2 = l1, l2
        self.supports_masking = True

    def call(self, inputs: Any) -> Any:
        return inputs


__all__ = [
    "ActivityRegularization", "AlphaDropout", "Dropout", "GaussianDropout", "GaussianNoise",
    "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D",
]  # fmt: skip
