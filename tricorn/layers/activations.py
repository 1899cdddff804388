"""Activations that have arguments or weights, as layers."""

from __future__ import annotations

from typing import Any

from tricorn import activations, dtypes, ops
from tricorn.layers.arguments import resolve, weight
from tricorn.layers.base import Layer
from tricorn.layers.input_spec import InputSpec


class ReLU(Layer):
    """``min(x, max_value)`` where ``x ≥ threshold``, else ``negative_slope · (x - threshold)``.

    Args:
        max_value: the greatest output; None: no limit.
        negative_slope: slope below the threshold.
        threshold: below it the slope is another.
        kwargs: what every `Layer` takes.

    Input shape: any.  Output shape: the same.

    Example:
        >>> keras.layers.ReLU(max_value=6.0)(np.array([-3.0, 2.0, 9.0]))
        Array([0., 2., 6.], dtype=float32)
    """

    def __init__(
        self,
        max_value: float | None = None,
        negative_slope: float = 0.0,
        threshold: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.max_value = None if max_value is None else _non_negative(self, "max_value", max_value)
        self.negative_slope = _non_negative(self, "negative_slope", negative_slope)
        self.threshold = _non_negative(self, "threshold", threshold)
        self.supports_masking = True

    def call(self, inputs: Any) -> Any:
        return activations.relu(
            inputs,
            negative_slope=self.negative_slope,
            max_value=self.max_value,
            threshold=self.threshold,
        )


class ThresholdedReLU(Layer):
    """``x`` where x > theta, else 0: a layer of Keras 1 and 2.

    Args:
        theta: the threshold.
        kwargs: what every `Layer` takes.

    Input shape: any.  Output shape: the same.

    Example:
        >>> keras.layers.ThresholdedReLU(theta=1.0)(np.array([0.5, 1.5]))
        Array([0. , 1.5], dtype=float32)
    """

    def __init__(self, theta: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.theta = _non_negative(self, "theta", theta)
        self.supports_masking = True

    def call(self, inputs: Any) -> Any:
        return ops.where(ops.greater(inputs, self.theta), inputs, ops.zeros_like(inputs))


class LeakyReLU(Layer):
    """``x`` where x ≥ 0, else ``negative_slope · x``.

    Args:
        negative_slope: slope for negative x.
        kwargs: what every `Layer` takes; also `alpha`, Keras 2's name of `negative_slope`.

    Input shape: any.  Output shape: the same.

    Example:
        >>> keras.layers.LeakyReLU(negative_slope=0.1)(np.array([-2.0, 1.0]))
        Array([-0.2,  1. ], dtype=float32)
    """

    def __init__(self, negative_slope: float = 0.3, **kwargs: Any) -> None:
        negative_slope = kwargs.pop("alpha", negative_slope)
        super().__init__(**kwargs)
        self.negative_slope = _non_negative(self, "negative_slope", negative_slope)
        self.supports_masking = True

    def call(self, inputs: Any) -> Any:
        return ops.leaky_relu(inputs, self.negative_slope)


class PReLU(Layer):
    """``x`` where x ≥ 0, else ``alpha · x`` with a learned alpha.

    Args:
        alpha_initializer, alpha_regularizer, alpha_constraint: of the weight.
        shared_axes: axes (from 1) along which one alpha is shared, e.g. [1, 2] for one a channel
            after a convolution.
        kwargs: what every `Layer` takes.

    Weights:
        alpha: the input's shape without the batch axis, 1 along `shared_axes`.

    Input shape: any.  Output shape: the same.

    Source: He et al. 2015, arXiv:1502.01852.

    Example:
        >>> layer = keras.layers.PReLU(alpha_initializer=keras.initializers.Constant(0.5))
        >>> layer(np.array([[-2.0, 4.0]]))
        Array([[-1.,  4.]], dtype=float32)
    """

    def __init__(
        self,
        alpha_initializer: Any = "Zeros",
        alpha_regularizer: Any = None,
        alpha_constraint: Any = None,
        shared_axes: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        resolve(self, locals())
        if shared_axes is not None and not isinstance(shared_axes, (tuple, list)):
            shared_axes = [shared_axes]
        self.shared_axes = None if shared_axes is None else list(shared_axes)
        self.supports_masking = True

    def build(self, input_shape: tuple) -> None:
        shared, rank = self.shared_axes or [], len(input_shape)
        shape = tuple(1 if i in shared else input_shape[i] for i in range(1, rank))
        self.alpha = weight(self, "alpha", shape)
        axes = {i: input_shape[i] for i in range(1, rank) if shared and i not in shared}
        self.input_spec = InputSpec(ndim=rank, axes=axes)

    def call(self, inputs: Any) -> Any:
        below = ops.multiply(ops.negative(self.alpha), ops.relu(ops.negative(inputs)))
        return ops.add(ops.relu(inputs), below)


class ELU(Layer):
    """``x`` where x > 0, else ``alpha (eˣ - 1)``.

    Args:
        alpha: the limit for x → -∞, negated.
        kwargs: what every `Layer` takes.

    Input shape: any.  Output shape: the same.

    Source: Clevert et al. 2015, arXiv:1511.07289.

    Example:
        >>> keras.layers.ELU()(np.array([-1.0, 2.0]))
        Array([-0.63212055,  2.        ], dtype=float32)
    """

    def __init__(self, alpha: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.alpha = alpha
        self.supports_masking = True

    def call(self, inputs: Any) -> Any:
        return ops.elu(inputs, self.alpha)


class Softmax(Layer):
    """``eˣ / Σ eˣ`` along `axis`.

    Args:
        axis: int or several.
        kwargs: what every `Layer` takes.

    Call: inputs: any shape; mask: bool, broadcasts to the inputs; where False the output is 0.

    Output shape: the input's.

    Example:
        >>> keras.layers.Softmax()(np.array([1.0, 1.0, 2.0]))
        Array([0.21194156, 0.21194156, 0.57611686], dtype=float32)
    """

    def __init__(self, axis: Any = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis
        self.supports_masking = True

    def call(self, inputs: Any, mask: Any = None) -> Any:
        axis = tuple(self.axis) if isinstance(self.axis, (tuple, list)) else self.axis
        if mask is None:
            return ops.softmax(inputs, axis)
        self._check_mask(inputs, mask)
        mask = ops.cast(mask, "bool")
        lowest = -3e4 if dtypes.standardize(inputs.dtype) == "float16" else -1e9
        outputs = ops.softmax(ops.where(mask, inputs, ops.full_like(inputs, lowest)), axis)
        return ops.where(mask, outputs, ops.zeros_like(outputs))

    def _check_mask(self, inputs: Any, mask: Any) -> None:
        sizes = tuple(inputs.shape), tuple(mask.shape)
        fits = len(sizes[1]) <= len(sizes[0]) and all(
            m in (1, n) or m is None or n is None for n, m in zip(sizes[0][::-1], sizes[1][::-1])
        )
        if not fits:
            raise ValueError(
                f"the layer {self.name!r}: a mask of shape {sizes[1]} does not broadcast to the "
                f"input's shape {sizes[0]}"
            )


def _non_negative(layer: Layer, name: str, value: Any) -> Any:
    if value is None or value < 0:
        raise ValueError(f"{type(layer).__name__}: {name} must be at least 0, got {value!r}")
    return value
