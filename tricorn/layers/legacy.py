"""Layers that Keras 1 and Keras 2 had and today's Keras has not."""

from __future__ import annotations

from typing import Any

from tricorn import initializers, ops
from tricorn.layers.arguments import positive, resolve, weight
from tricorn.layers.base import Layer
from tricorn.layers.input_spec import InputSpec
from tricorn.layers.merging import Dot
from tricorn.layers.normalization import BatchNormalization
from tricorn.variable import Variable


class Highway(Layer):
    """t · activation(x W + b) + (1 - t) · x with t = sigmoid(x W_carry + b_carry).

    Args:
        activation: name or function; None is linear.
        use_bias: whether b and b_carry exist.
        kernel_initializer, kernel_regularizer, bias_regularizer, kernel_constraint,
        bias_constraint: of W and b; the initializer is also that of W_carry.
        kwargs: what every `Layer` takes.

    Shapes: (batch, d) for input and output.

    Source: Srivastava et al., 2015, arXiv:1505.00387; ``keras.legacy.layers.Highway``.

    Example:
        >>> keras.layers.legacy.Highway("relu")(np.ones((2, 3))).shape
        (2, 3)
    """

    def __init__(
        self,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.use_bias = use_bias
        resolve(self, locals())
        self.input_spec = InputSpec(ndim=2)

    activation: Any
    kernel_initializer: Any

    def build(self, input_shape: tuple) -> None:
        size = input_shape[-1]
        first = self.kernel_initializer
        self.kernel = weight(self, "kernel", (size, size))
        self.carry_kernel = self.add_weight((size, size), first, name="carry_kernel")
        if self.use_bias:
            self.bias = weight(self, "bias", (size,), initializer="zeros")
            self.carry_bias = self.add_weight((size,), "ones", name="carry_bias")

    def call(self, inputs: Any) -> Any:
        gate, new = ops.matmul(inputs, self.carry_kernel), ops.matmul(inputs, self.kernel)
        if self.use_bias:
            gate, new = gate + self.carry_bias, new + self.bias
        gate = ops.sigmoid(gate)
        return self.activation(new) * gate + (1.0 - gate) * inputs


class MaxoutDense(Layer):
    """The largest of several linear functions: y[u] = maxₖ (x W[k] + b[k])[u].

    Args:
        units: the number of outputs.
        features: the number of functions, k.
        use_bias: whether b exists.
        kernel_initializer, kernel_regularizer, bias_regularizer, kernel_constraint,
        bias_constraint: of W and b.
        kwargs: what every `Layer` takes.

    Shapes: (batch, d) -> (batch, units).

    Source: Goodfellow et al., 2013, arXiv:1302.4389; ``keras.legacy.layers.MaxoutDense``.

    Example:
        >>> keras.layers.legacy.MaxoutDense(4)(np.ones((2, 3))).shape
        (2, 4)
    """

    def __init__(
        self,
        units: int,
        features: int = 4,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.units = positive(self, "units", units)
        self.features = positive(self, "features", features)
        self.use_bias = use_bias
        resolve(self, locals())
        self.input_spec = InputSpec(ndim=2)

    def build(self, input_shape: tuple) -> None:
        self.kernel = weight(self, "kernel", (self.features, input_shape[-1], self.units))
        if self.use_bias:
            bias = (self.features, self.units)
            self.bias = weight(self, "bias", bias, initializer="zeros")

    def call(self, inputs: Any) -> Any:
        outputs = ops.einsum("bi,kiu->bku", inputs, self.kernel)
        if self.use_bias:
            outputs = outputs + self.bias
        return ops.max(outputs, axis=1)


class _PerEntry(Layer):
    """Base of activations with weights of the input's shape, one for each name in `names`.

    Args:
        shared_axes: the axes along which the weights have one entry.
    """

    names: tuple[str, ...]

    def __init__(self, shared_axes: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.shared_axes = None if shared_axes is None else list(shared_axes)
        self.supports_masking = True

    def build(self, input_shape: tuple) -> None:
        shared = self.shared_axes or ()
        shape = [1 if axis in shared else n for axis, n in enumerate(input_shape[1:], 1)]
        for name in self.names:
            setattr(self, name, weight(self, name, tuple(shape)))


class ParametricSoftplus(_PerEntry):
    """α log(1 + exp(β x)) with weights α and β for each entry of a sample.

    Args:
        alpha_initializer, beta_initializer: numbers, names or initializers.
        shared_axes: axes along which the weights have one entry.
        kwargs: what every `Layer` takes.

    Example:
        >>> keras.layers.legacy.ParametricSoftplus()(np.ones((2, 3))).shape
        (2, 3)
    """

    names = ("alpha", "beta")
    alpha: Variable
    beta: Variable

    def __init__(
        self,
        alpha_initializer: Any = 0.2,
        beta_initializer: Any = 5.0,
        shared_axes: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(shared_axes, **kwargs)
        given = {"alpha_initializer": alpha_initializer, "beta_initializer": beta_initializer}
        resolve(self, {key: _constant(value) for key, value in given.items()})

    def call(self, inputs: Any) -> Any:
        return ops.softplus(inputs * self.beta) * self.alpha


class SReLU(_PerEntry):
    """x between the thresholds tₗ and tᵣ = tₗ + |t|, lines of slopes aₗ and aᵣ outside.

    Args:
        t_left_initializer, a_left_initializer, t_right_initializer, a_right_initializer: of the
            weights tₗ, aₗ, t and aᵣ, which have a value for each entry of a sample.
        shared_axes: axes along which the weights have one entry.
        kwargs: what every `Layer` takes.

    Source: Jin et al., 2015, arXiv:1512.07030.

    Example:
        >>> keras.layers.legacy.SReLU()(np.ones((2, 3))).shape
        (2, 3)
    """

    names = ("t_left", "a_left", "t_right", "a_right")
    t_left: Variable
    a_left: Variable
    t_right: Variable
    a_right: Variable

    def __init__(
        self,
        t_left_initializer: Any = "zeros",
        a_left_initializer: Any = "glorot_uniform",
        t_right_initializer: Any = "glorot_uniform",
        a_right_initializer: Any = "ones",
        shared_axes: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(shared_axes, **kwargs)
        resolve(self, locals())

    def call(self, inputs: Any) -> Any:
        width = ops.abs(self.t_right)
        low = inputs - self.t_left
        middle = ops.minimum(ops.where(low > 0.0, low, low * self.a_left), width)
        return self.t_left + middle + ops.relu(low - width) * self.a_right


class SampleNormalization(Layer):
    """γ (x - mean) / (σ + ε) + β with σ = √(variance + ε), over the last axis of each sample.

    Keras 1 had it as ``BatchNormalization(mode=1)``.

    Args:
        epsilon: ε.
        gamma_initializer, beta_initializer, gamma_regularizer, beta_regularizer: of the weights.
        kwargs: what every `Layer` takes.

    Example:
        >>> keras.layers.legacy.SampleNormalization()(np.ones((2, 3))).shape
        (2, 3)
    """

    def __init__(
        self,
        epsilon: float = 1e-3,
        gamma_initializer: Any = "ones",
        beta_initializer: Any = "zeros",
        gamma_regularizer: Any = None,
        beta_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.epsilon = epsilon
        resolve(self, locals())
        self.supports_masking = True

    def build(self, input_shape: tuple) -> None:
        shape = (input_shape[-1],)
        self.gamma, self.beta = weight(self, "gamma", shape), weight(self, "beta", shape)
        for name in ("moving_mean", "moving_variance"):  # it kept them, and used neither
            setattr(self, name, self.add_weight(shape, "zeros", trainable=False, name=name))

    def call(self, inputs: Any) -> Any:
        centered = inputs - ops.mean(inputs, axis=-1, keepdims=True)
        variance = ops.mean(ops.square(centered), axis=-1, keepdims=True)
        scale = ops.sqrt(variance + self.epsilon) + self.epsilon
        return centered / scale * self.gamma + self.beta


class SelfNormalization(BatchNormalization):
    """`BatchNormalization` by the statistics of the batch, also outside of training; no averages
    move.  Keras 1 had it as ``BatchNormalization(mode=2)``.

    Args:
        kwargs: of `BatchNormalization`.

    Example:
        >>> keras.layers.legacy.SelfNormalization()(np.ones((2, 3))).shape
        (2, 3)
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{**kwargs, "momentum": 1.0})

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        return super().call(inputs, True, mask)


class Cosine(Dot):
    """The cosine of the angle between two samples, with one more axis of size 1 before the last:
    Keras 1's ``merge(..., mode="cos")``.

    Args:
        axes: see `Dot`.
        kwargs: what every `Layer` takes.

    Example:
        >>> keras.layers.legacy.Cosine(-1)([np.ones((2, 3)), np.ones((2, 3))]).shape
        (2, 1, 1)
    """

    def __init__(self, axes: Any, **kwargs: Any) -> None:
        super().__init__(axes, normalize=True, **kwargs)

    def call(self, inputs: Any) -> Any:
        return ops.expand_dims(super().call(inputs), 1)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        config.pop("normalize", None)
        return config


def _constant(value: Any) -> Any:
    """An initializer for a number; other things as they are."""
    return initializers.Constant(value) if isinstance(value, (int, float)) else value


__all__ = [
    "Cosine", "Highway", "MaxoutDense", "ParametricSoftplus", "SReLU", "SampleNormalization",
    "SelfNormalization",
]  # fmt: skip

__dir__ = lambda: list(__all__)
