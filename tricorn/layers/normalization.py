"""Layers that shift and scale to a mean and variance."""

from __future__ import annotations

from typing import Any

from tricorn import config, dtypes, initializers, ops
from tricorn.conventions import conventions_of
from tricorn.graph import scope
from tricorn.graph.op import Tensor, op
from tricorn.layers.arguments import is_int, positive, resolve, weight
from tricorn.layers.base import Layer
from tricorn.layers.input_spec import InputSpec
from tricorn.layers.recurrent import Wrapper
from tricorn.ops.fused import batch_norm


class BatchNormalization(Layer):
    """``gamma (x - mean) / √(variance + epsilon) + beta``, per channel.

    In training mean and variance are the batch's, and the moving averages follow them:
    ``moving = momentum · moving + (1 - momentum) · batch``.  Otherwise, and while the layer is
    frozen (``trainable = False``), the moving averages take their place.

    Args:
        axis: the channel axis.
        momentum: of the moving averages.
        epsilon: keeps the root away from 0.
        center, scale: whether there is a beta, a gamma.
        beta_initializer, gamma_initializer, moving_mean_initializer,
        moving_variance_initializer: of the weights.
        beta_regularizer, gamma_regularizer, beta_constraint, gamma_constraint: of the weights.
        renorm, renorm_clipping, renorm_momentum, synchronized: as Keras spells its defaults;
            batch renormalization is not offered, and batches are never split behind the layer.
        kwargs: what every `Layer` takes.

    Weights (channels,): gamma, beta; not trainable: moving_mean, moving_variance.

    Input shape: any with a known channel axis; mask: the input's shape without its last axis;
    masked elements do not count.  Output shape: the same.

    Source: Ioffe and Szegedy 2015, arXiv:1502.03167.

    Example:
        >>> layer = keras.layers.BatchNormalization()
        >>> layer(np.array([[1.0], [3.0]]), training=True)
        Array([[-0.9995004],
               [ 0.9995004]], dtype=float32)
        >>> layer.moving_mean.numpy()
        array([0.02], dtype=float32)
    """

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        moving_mean_initializer: Any = "zeros",
        moving_variance_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        renorm: bool = False,
        renorm_clipping: Any = None,
        renorm_momentum: float = 0.99,
        synchronized: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if renorm:
            raise ValueError(
                "BatchNormalization: batch renormalization (renorm=True) is not offered"
            )
        if not is_int(axis):
            raise ValueError(f"BatchNormalization: axis must be an integer, got {axis!r}")
        self.axis, self.momentum, self.epsilon = int(axis), float(momentum), float(epsilon)
        self.center, self.scale = center, scale
        resolve(self, locals())
        self.supports_masking = True

    def build(self, input_shape: tuple) -> None:
        rank = len(input_shape)
        _check_axes(self, (self.axis,), rank)
        channels = (input_shape[self.axis],)
        self.gamma = weight(self, "gamma", channels, autocast=False) if self.scale else None
        self.beta = weight(self, "beta", channels, autocast=False) if self.center else None
        moving: dict[str, Any] = {"trainable": False, "autocast": False}
        self.moving_mean = weight(self, "moving_mean", channels, **moving)
        self.moving_variance = weight(self, "moving_variance", channels, **moving)
        self.input_spec = InputSpec(ndim=rank, axes={self.axis: channels[0]})
        self._reduced = tuple(i for i in range(rank) if i != self.axis % rank)

    @property
    def _tricorn_heeds_training(self) -> bool:
        return self.trainable or conventions_of(self).frozen_statistics == "batch"

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        old = conventions_of(self)
        mask = mask if old.masked_statistics else None
        dtype = dtypes.result_type(dtypes.standardize(inputs.dtype), "float32")
        inputs = ops.cast(inputs, dtype)  # half precision overflows in the squares
        if not training or not self._tricorn_heeds_training:
            outputs = self._normalized(inputs, self.moving_mean, self.moving_variance)
        else:
            last = self.axis % len(inputs.shape) == len(inputs.shape) - 1
            if last and mask is None and self.gamma is not None and self.beta is not None:
                outputs, mean, variance = batch_norm(inputs, self.gamma, self.beta, self.epsilon)
            else:
                mean, variance = self._moments(inputs, mask)
                outputs = self._normalized(inputs, mean, variance)
            if old.moving_variance != "biased":
                variance = self._corrected(variance, inputs, old.moving_variance)
            averages = ((self.moving_mean, mean), (self.moving_variance, variance))
            for moving, batch in averages if self._moves(old.shared_averages) else ():
                kept = ops.multiply(ops.cast(moving, dtype), self.momentum)
                new = ops.multiply(ops.stop_gradient(batch), 1.0 - self.momentum)
                moving.assign(ops.add(kept, new))
        return ops.cast(outputs, self.compute_dtype)

    def _moves(self, calls: str) -> bool:
        """Whether this call moves the averages, see `Conventions.shared_averages`."""
        step = scope.current() if calls == "first" else None
        return self.trainable and (step is None or self.moving_variance not in step.assigned)

    def _normalized(self, inputs: Any, mean: Any, variance: Any) -> Any:
        return ops.batch_normalization(
            inputs, mean, variance, self.axis, self.beta, self.gamma, self.epsilon
        )

    def _corrected(self, variance: Any, inputs: Any, kind: str) -> Any:
        """The variance that is averaged, see `Conventions.moving_variance`."""
        count = ops.cast(ops.size(inputs), variance.dtype) / inputs.shape[self.axis]
        last = self.axis % len(inputs.shape) == 3
        fused = len(inputs.shape) == 4 and (last or (kind == "fused" and self.axis == 1))
        if kind.endswith("fused") and fused:
            variance = variance * (count / ops.maximum(count - 1.0, 1.0))
        if kind.endswith("epsilon"):
            variance = variance + self.epsilon
        if kind.startswith("keras"):
            variance = variance * (count / (count - 1.0 - self.epsilon))
        return variance

    def _moments(self, inputs: Any, mask: Any) -> tuple[Any, Any]:
        if mask is None:
            return ops.moments(inputs, axes=self._reduced)
        present = ops.expand_dims(ops.cast(mask, inputs.dtype), -1)
        present = ops.multiply(present, ops.ones_like(inputs))
        count = ops.add(ops.sum(present, self._reduced, keepdims=True), config.epsilon())
        total = ops.sum(ops.multiply(inputs, present), self._reduced, keepdims=True)
        mean = ops.divide(total, count)
        spread = ops.multiply(ops.square(ops.subtract(inputs, mean)), present)
        variance = ops.divide(ops.sum(spread, self._reduced, keepdims=True), count)
        return ops.squeeze(mean, self._reduced), ops.squeeze(variance, self._reduced)


class LayerNormalization(Layer):
    """``gamma (x - mean) / √(variance + epsilon) + beta``, mean and variance over `axis`.

    Args:
        axis: int or several, normalized together.
        epsilon: keeps the root away from 0.
        center, scale: whether there is a beta, a gamma.
        beta_initializer, gamma_initializer, beta_regularizer, gamma_regularizer, beta_constraint,
        gamma_constraint: of the weights.
        kwargs: what every `Layer` takes.

    Weights (sizes of `axis`): gamma, beta.

    Input shape: any whose sizes along `axis` are known.  Output shape: the same.

    Source: Ba, Kiros and Hinton 2016, arXiv:1607.06450.

    Example:
        >>> keras.layers.LayerNormalization()(np.array([[1.0, 3.0], [10.0, 30.0]]))
        Array([[-0.9995004,  0.9995004],
               [-0.999995 ,  0.999995 ]], dtype=float32)
    """

    def __init__(
        self,
        axis: Any = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        rms_scaling = kwargs.pop("rms_scaling", False)
        super().__init__(**kwargs)
        if rms_scaling:
            raise ValueError("LayerNormalization: rms_scaling=True is gone; use RMSNormalization")
        self.axis = _axes(self, axis)
        self.epsilon, self.center, self.scale = epsilon, center, scale
        resolve(self, locals())
        self.supports_masking = True
        self.autocast = False

    def build(self, input_shape: tuple) -> None:
        axes = self.axis if isinstance(self.axis, list) else [self.axis]
        _check_axes(self, axes, len(input_shape))
        self.axis = sorted(axes)
        shape = tuple(input_shape[axis] for axis in self.axis)
        self.gamma = weight(self, "gamma", shape, autocast=False) if self.scale else None
        self.beta = weight(self, "beta", shape, autocast=False) if self.center else None

    def call(self, inputs: Any) -> Any:
        outputs = ops.layer_normalization(inputs, self.gamma, self.beta, self.axis, self.epsilon)
        return ops.cast(outputs, self.compute_dtype)


class RMSNormalization(Layer):
    """``scale · x / √(mean(x²) + epsilon)``, the mean over `axis`.

    Args:
        axis: int or several.
        epsilon: keeps the root away from 0.
        kwargs: what every `Layer` takes.

    Weights: scale (sizes of `axis`).

    Input shape: any whose sizes along `axis` are known.  Output shape: the same.

    Source: Zhang and Sennrich 2019, arXiv:1910.07467.

    Example:
        >>> keras.layers.RMSNormalization()(np.array([[3.0, 4.0]]))
        Array([[0.8485281, 1.1313708]], dtype=float32)
    """

    def __init__(self, axis: Any = -1, epsilon: float = 1e-6, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis, self.epsilon = _axes(self, axis), epsilon

    def build(self, input_shape: tuple) -> None:
        axes = self.axis if isinstance(self.axis, list) else [self.axis]
        _check_axes(self, axes, len(input_shape))
        self.axis = sorted(axes)
        shape = tuple(input_shape[axis] for axis in self.axis)
        self.scale = self.add_weight(shape, "ones", name="scale")

    def call(self, inputs: Any) -> Any:
        axes = {axis % len(inputs.shape) for axis in self.axis}
        sizes = [n if i in axes else 1 for i, n in enumerate(inputs.shape)]
        scale = ops.reshape(self.scale, sizes)
        return ops.rms_normalization(inputs, scale, self.axis, self.epsilon)


@op
def _normalize_groups(x: Tensor, groups: int, axis: int, epsilon: float) -> Tensor:
    """`x` with mean 0 and variance 1 in each of `groups` equal parts of the axis `axis`."""
    shape: tuple = tuple(x.shape)
    apart = (*shape[:axis], groups, shape[axis] // groups, *shape[axis + 1 :])
    # an unknown length keeps its place only before the split axis; behind it -1 stands for it
    unknown = tuple(-1 if n is None and i > axis else n for i, n in enumerate(apart))
    x = ops.reshape(ops.cast(x, dtypes.result_type(ops.dtype(x), "float32")), unknown)
    mean, variance = ops.moments(
        x, tuple(i for i in range(1, len(apart)) if i != axis), keepdims=True
    )
    x = ops.multiply(ops.subtract(x, mean), ops.rsqrt(ops.add(variance, epsilon)))
    return ops.reshape(x, tuple(-1 if n is None and i > axis else n for i, n in enumerate(shape)))


class GroupNormalization(Layer):
    """`LayerNormalization` within groups of channels (and over all other axes of a sample), with
    gamma and beta per channel.

    Args:
        groups: how many groups the channels fall into; -1: one each (instance normalization).
        axis: the channel axis.
        epsilon: keeps the root away from 0.
        center, scale: whether there is a beta, a gamma.
        beta_initializer, gamma_initializer, beta_regularizer, gamma_regularizer, beta_constraint,
        gamma_constraint: of the weights.
        kwargs: what every `Layer` takes.

    Weights (channels,): gamma, beta.

    Input shape: (batch, ...) with known channels.  Output shape: the same.

    Source: Wu and He 2018, arXiv:1803.08494.

    Example:
        >>> keras.layers.GroupNormalization(groups=2)(np.ones((1, 3, 3, 4))).shape
        (1, 3, 3, 4)
    """

    def __init__(
        self,
        groups: int = 32,
        axis: int = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.groups = -1 if groups == -1 else positive(self, "groups", groups)
        self.axis, self.epsilon, self.center, self.scale = axis, epsilon, center, scale
        resolve(self, locals())
        self.supports_masking = True
        self.autocast = False

    def build(self, input_shape: tuple) -> None:
        rank = len(input_shape)
        _check_axes(self, (self.axis,), rank)
        channels = input_shape[self.axis]
        if channels is None:
            raise ValueError(
                f"the layer {self.name!r} needs a known number of channels (axis {self.axis}), got "
                f"the input shape {tuple(input_shape)}"
            )
        if self.groups == -1:
            self.groups = channels
        if channels % self.groups:
            raise ValueError(
                f"the layer {self.name!r} splits channels into {self.groups} groups, but "
                f"{channels} is not a multiple of that; input shape {tuple(input_shape)}"
            )
        self.gamma = weight(self, "gamma", (channels,), autocast=False) if self.scale else None
        self.beta = weight(self, "beta", (channels,), autocast=False) if self.center else None
        self.input_spec = InputSpec(ndim=rank, axes={self.axis: channels})

    def call(self, inputs: Any) -> Any:
        rank = len(inputs.shape)
        outputs = _normalize_groups(inputs, self.groups, self.axis % rank, self.epsilon)
        shape = tuple(-1 if i == self.axis % rank else 1 for i in range(rank))
        if self.gamma is not None:
            outputs = ops.multiply(outputs, ops.reshape(self.gamma, shape))
        if self.beta is not None:
            outputs = ops.add(outputs, ops.reshape(self.beta, shape))
        return ops.cast(outputs, self.compute_dtype)


class UnitNormalization(Layer):
    """``x / |x|``, the Euclidean length over `axis`.

    Args:
        axis: int or several.
        kwargs: what every `Layer` takes.

    Input shape: any.  Output shape: the same.

    Example:
        >>> keras.layers.UnitNormalization()(np.array([[3.0, 4.0]]))
        Array([[0.6, 0.8]], dtype=float32)
    """

    def __init__(self, axis: Any = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = _axes(self, axis)
        self.supports_masking = True

    def call(self, inputs: Any) -> Any:
        return ops.normalize(inputs, axis=self.axis, order=2, epsilon=1e-12)


class SpectralNormalization(Wrapper):
    """A layer whose kernel W, a matrix (..., units), is divided in training by its largest singular
    value, as a power iteration finds it: ``v ← u Wᵀ / |u Wᵀ|, u ← v W / |v W|, W ← W / (v W uᵀ)``.

    Args:
        layer: one with a `kernel` or `embeddings`.
        power_iterations: how many rounds are made in each call in training.
        kwargs: what every `Layer` takes.

    Weights:
        those of the layer; not trainable: vector_u (1, units).

    Input shape and output shape: those of the layer.

    Source: Miyato et al. 2018, arXiv:1802.05957.

    Example:
        >>> layer = keras.layers.SpectralNormalization(keras.layers.Dense(3))
        >>> layer(np.ones((2, 4)), training=True).shape
        (2, 3)
    """

    def __init__(self, layer: Layer, power_iterations: int = 1, **kwargs: Any) -> None:
        super().__init__(layer, **kwargs)
        self.power_iterations = positive(self, "power_iterations", power_iterations)

    def build(self, input_shape: Any = None) -> None:
        if not self.layer.built:
            self.layer.build(input_shape)
        kernel = getattr(self.layer, "kernel", None)
        self.kernel: Any = kernel
        if kernel is None:
            self.kernel = getattr(self.layer, "embeddings", None)
        if self.kernel is None:
            raise ValueError(
                f"SpectralNormalization: the layer must have a kernel or embeddings, and "
                f"{self.layer!r} has none"
            )
        self.input_spec = InputSpec(min_ndim=1, axes={-1: input_shape[-1]})
        self.vector_u = self.add_weight(
            (1, self.kernel.shape[-1]),
            initializers.TruncatedNormal(stddev=0.02),
            trainable=False,
            name="vector_u",
        )

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        if training:
            self._normalize()
        outputs = self.layer(inputs)
        if dtypes.is_float(inputs.dtype):  # indices of embeddings are none
            outputs = ops.cast(outputs, inputs.dtype)
        return outputs

    def _normalize(self) -> None:
        """Assign the normalized kernel, unless it is 0, and the vector u."""
        kernel, before = self.kernel, self.vector_u
        matrix = ops.reshape(ops.cast(kernel, before.dtype), (-1, kernel.shape[-1]))
        u = before
        for _ in range(self.power_iterations):
            v = ops.normalize(ops.matmul(u, ops.transpose(matrix)), axis=None)
            u = ops.normalize(ops.matmul(v, matrix), axis=None)
        u, v = ops.stop_gradient(u), ops.stop_gradient(v)
        sigma = ops.matmul(ops.matmul(v, matrix), ops.transpose(u))
        zero = ops.all(ops.equal(matrix, 0))
        scale = ops.where(zero, ops.ones_like(sigma), sigma)
        before.assign(ops.where(zero, before, u))
        kernel.assign(ops.reshape(ops.divide(matrix, scale), kernel.shape))


def _axes(layer: Layer, axis: Any) -> Any:
    """`axis` as an int or a list of them."""
    if is_int(axis):
        return int(axis)
    if isinstance(axis, (tuple, list)) and axis and all(map(is_int, axis)):
        return list(axis)
    raise TypeError(
        f"{type(layer).__name__}: axis must be an integer or a list of them, got {axis!r}"
    )


def _check_axes(layer: Layer, axes: Any, rank: int) -> None:
    for axis in axes:
        if not -rank <= axis < rank:
            raise ValueError(
                f"the layer {layer.name!r} normalizes axis {axis}, but its input has {rank} axes"
            )
