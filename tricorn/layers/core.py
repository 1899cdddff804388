"""Dense, Embedding, and the layers that wrap a function: Activation, Lambda, Identity, Masking."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from tricorn import activations, dtypes, ops
from tricorn.checks import named
from tricorn.graph.interpreted import warn_outside, watched
from tricorn.layers.adaptation import AdaptableProduct, AdaptableTable, product
from tricorn.layers.arguments import is_int, positive, resolve, weight
from tricorn.layers.base import Layer, set_mask
from tricorn.layers.factors import Product
from tricorn.layers.input_spec import InputSpec
from tricorn.ops.fused import add_bias


class Dense(AdaptableProduct):
    """``activation(x @ kernel + bias)`` on the last axis.

    Args:
        units: size of the output's last axis.
        activation: name or function; None is linear.
        use_bias: whether there is a bias.
        kernel_initializer, bias_initializer: of the weights.
        kernel_regularizer, bias_regularizer: penalties on the weights.
        activity_regularizer: penalty on the output.
        kernel_constraint, bias_constraint: applied after each update.
        kwargs: what every `Layer` takes; lora_rank, lora_alpha, quantization_config.

    Weights:
        kernel: (features, units); bias: (units,).

    Input shape: (batch, ..., features).  Output shape: (batch, ..., units).

    Example:
        >>> keras.layers.Dense(3, activation="relu")(np.ones((2, 4))).shape
        (2, 3)
    """

    _tricorn_products = (Product("kernel", "...x,xy->...y"),)
    activation: Any

    def __init__(
        self,
        units: int,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.units = positive(self, "units", units)
        self.use_bias = use_bias
        resolve(self, locals())
        self.supports_masking = True
        self.input_spec = InputSpec(min_ndim=2)

    def build(self, input_shape: tuple) -> None:
        features = input_shape[-1]
        self.kernel = weight(self, "kernel", (features, self.units))
        self.bias = weight(self, "bias", (self.units,)) if self.use_bias else None
        self.input_spec = InputSpec(min_ndim=2, axes={-1: features})

    def call(self, inputs: Any) -> Any:
        outputs = ops.matmul(inputs, self.kernel)
        if self.bias is not None:
            outputs = add_bias(outputs, self.bias)
        return self.activation(outputs)


class Embedding(AdaptableTable):
    """``embeddings[indices]``: a vector for each of `input_dim` indices.

    Args:
        input_dim: how many indices there are: they lie in [0, input_dim).
        output_dim: length of the vectors.
        embeddings_initializer, embeddings_regularizer, embeddings_constraint: of the weight.
        mask_zero: index 0 is padding: later layers skip it.
        weights: array (input_dim, output_dim) to begin with.
        kwargs: what every `Layer` takes.

    Weights:
        embeddings: (input_dim, output_dim).

    Input shape: (batch, ...) of integers.  Output shape: (batch, ..., output_dim).

    Example:
        >>> keras.layers.Embedding(10, 4)(np.array([[1, 2, 3]])).shape
        (1, 3, 4)
    """

    _tricorn_products = (Product("embeddings", "...d,vd->...v", summed=1),)

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: Any = "uniform",
        embeddings_regularizer: Any = None,
        embeddings_constraint: Any = None,
        mask_zero: bool = False,
        weights: Any = None,
        **kwargs: Any,
    ) -> None:
        kwargs.pop("input_length", None)  # Keras 2 wrote it; lengths are free
        kwargs["autocast"] = False  # indices stay what they are
        super().__init__(**kwargs)
        self.input_dim = positive(self, "input_dim", input_dim)
        self.output_dim = positive(self, "output_dim", output_dim)
        resolve(self, locals())
        self.mask_zero = bool(mask_zero)
        self.supports_masking = self.mask_zero
        if weights is not None:
            self.build()
            given = weights if isinstance(weights, list) else [weights]
            named(self, "weights", self.set_weights, given)

    def build(self, input_shape: Any = None) -> None:
        if not self.built:
            self.embeddings = weight(self, "embeddings", (self.input_dim, self.output_dim))

    def call(self, inputs: Any) -> Any:
        if dtypes.standardize(inputs.dtype) not in ("int32", "int64"):
            inputs = ops.cast(inputs, "int32")
        if watched():
            warn_outside(f"{self.name!r} is given indices", inputs, self.input_dim)
        return ops.cast(self._rows(inputs), self.compute_dtype)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        return ops.not_equal(inputs, 0) if self.mask_zero else None

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        config.pop("weights", None)
        return config


class ReversibleEmbedding(Embedding):
    """An `Embedding` that also leads back: ``x @ embeddingsᵀ`` with ``reverse=True``.

    Args:
        input_dim, output_dim, embeddings_initializer, embeddings_regularizer,
        embeddings_constraint, mask_zero, kwargs: as `Embedding` takes them.
        tie_weights: the way back uses the same weight; else one of its own.
        reverse_dtype: that the way back is computed in; None: the compute dtype.
        logit_soft_cap: c; the result of the way back becomes ``c tanh(x / c)``.

    Weights:
        embeddings: (input_dim, output_dim); reverse_embeddings: (output_dim, input_dim), unless
        `tie_weights`.

    Call: inputs (batch, ...) of integers; with ``reverse=True`` (batch, ..., output_dim).

    Output shape: (batch, ..., output_dim); with ``reverse=True`` (batch, ..., input_dim).

    Source: Press and Wolf 2016, arXiv:1608.05859.

    Example:
        >>> layer = keras.layers.ReversibleEmbedding(10, 4)
        >>> vectors = layer(np.array([[1, 2, 3]]))
        >>> layer(vectors, reverse=True).shape
        (1, 3, 10)
    """

    @property
    def _tricorn_products(self) -> tuple[Product, ...]:  # type: ignore[override]
        back = Product("reverse_embeddings", "...d,dv->...v", packed=0)
        return (*Embedding._tricorn_products, *(() if self.tie_weights else (back,)))

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        tie_weights: bool = True,
        embeddings_initializer: Any = "uniform",
        embeddings_regularizer: Any = None,
        embeddings_constraint: Any = None,
        mask_zero: bool = False,
        reverse_dtype: Any = None,
        logit_soft_cap: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            input_dim,
            output_dim,
            embeddings_initializer,
            embeddings_regularizer,
            embeddings_constraint,
            mask_zero,
            **kwargs,
        )
        self.tie_weights = tie_weights
        self.reverse_dtype = reverse_dtype
        self.logit_soft_cap = logit_soft_cap

    def build(self, input_shape: Any = None) -> None:
        self.embeddings = weight(self, "embeddings", (self.input_dim, self.output_dim))
        self.reverse_embeddings = None
        if not self.tie_weights:
            initializer: Any = self.embeddings_initializer  # type: ignore[attr-defined]
            shape = (self.output_dim, self.input_dim)
            self.reverse_embeddings = self.add_weight(shape, initializer, name="reverse_embeddings")

    def call(self, inputs: Any, reverse: bool = False) -> Any:
        if not reverse:
            outputs = super().call(inputs)
            if self.mask_zero:
                set_mask(outputs, ops.not_equal(inputs, 0))
            return outputs
        if self.quantization_mode is not None:
            logits = product(self, self._tricorn_products[-1].weight, inputs)
        else:
            kernel = self.reverse_embeddings
            kernel = ops.transpose(self.embeddings) if kernel is None else kernel
            if self.reverse_dtype is not None:
                inputs, kernel = (ops.cast(x, self.reverse_dtype) for x in (inputs, kernel))
            logits = ops.matmul(inputs, kernel)
        cap = self.logit_soft_cap
        return logits if cap is None else ops.multiply(ops.tanh(ops.divide(logits, cap)), cap)

    # the way there gives its outputs a mask in `call`, the way back keeps the mask of its inputs
    compute_mask = Layer.compute_mask


class Activation(Layer):
    """``activation(x)``.

    Args:
        activation: name or function.
        kwargs: what every `Layer` takes.

    Input shape: any.  Output shape: the same.

    Example:
        >>> keras.layers.Activation("relu")(np.array([-1.0, 2.0]))
        Array([0., 2.], dtype=float32)
    """

    def __init__(self, activation: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.activation = named(self, "activation", activations.get, activation)
        self.supports_masking = True

    def call(self, inputs: Any) -> Any:
        return self.activation(inputs)


class Identity(Layer):
    """The input as it is.

    Input shape: any.  Output shape: the same.

    Example:
        >>> keras.layers.Identity()(np.array([1.0, 2.0]))
        Array([1., 2.], dtype=float32)
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, inputs: Any) -> Any:
        return inputs


class Masking(Layer):
    """Marks the time steps all of whose features equal `mask_value` as padding and zeroes them.

    Args:
        mask_value: the padding value.
        kwargs: what every `Layer` takes.

    Input shape: (batch, time, ..., features).  Output shape: the same, with a mask of the shape
    (batch, time, ...).

    Example:
        >>> x = np.array([[[1.0], [0.0], [2.0]]])  # the second step is padding
        >>> keras.layers.Masking(mask_value=0.0).compute_mask(x)
        Array([[ True, False,  True]], dtype=bool)
    """

    def __init__(self, mask_value: Any = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mask_value = mask_value
        self.supports_masking = True

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        return ops.any(ops.not_equal(inputs, self.mask_value), axis=-1)

    def call(self, inputs: Any) -> Any:
        present = ops.any(ops.not_equal(inputs, self.mask_value), axis=-1, keepdims=True)
        return ops.where(present, inputs, ops.zeros_like(inputs))


class Lambda(Layer):
    """A function as a layer.

    Args:
        function: ``function(inputs, **arguments)``; it may also take `mask` and `training`.
        output_shape: shape without the batch axis, or a function of the input's shape; needed
            only where `function` calls a native framework.
        mask: the output's mask, or a function ``(inputs, mask) -> mask``.
        arguments: dict of further keyword arguments.
        kwargs: what every `Layer` takes.

    Saved and loaded by the registered name of `function`; a Python lambda has none, so files with
    one need the function again (``custom_objects``).

    Input shape: any.  Output shape: what `function` gives.

    Example:
        >>> keras.layers.Lambda(lambda x: x**2)(np.array([2.0, 3.0]))
        Array([4., 9.], dtype=float32)
    """

    def __init__(
        self,
        function: Callable,
        output_shape: Any = None,
        mask: Any = None,
        arguments: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not callable(function):
            raise TypeError(f"Lambda: function must be callable, got {function!r}")
        self.function = function
        self.arguments = arguments or {}
        self.mask = mask
        self._output_shape = output_shape
        self.supports_masking = mask is not None
        self._takes = _names(function) & {"mask", "training"}

    @property
    def _tricorn_heeds_training(self) -> bool:
        return "training" in self._takes

    def call(self, inputs: Any, mask: Any = None, training: bool | None = None) -> Any:
        known = {"mask": mask, "training": training}
        extra = {name: known[name] for name in self._takes}
        return self.function(inputs, **self.arguments, **extra)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        return self.mask(inputs, previous_mask) if callable(self.mask) else self.mask

    def _tricorn_states_shapes(self) -> bool:
        return self._output_shape is not None

    def compute_output_shape(self, input_shape: Any) -> Any:
        if self._output_shape is None:
            return super().compute_output_shape(input_shape)
        if callable(self._output_shape):
            return self._output_shape(input_shape)
        batch = input_shape[0]
        while isinstance(batch, (tuple, list)):
            batch = batch[0]
        if all(is_int(n) or n is None for n in self._output_shape):
            return (batch, *self._output_shape)
        return [(batch, *shape) for shape in self._output_shape]


def _names(function: Callable) -> set[str]:
    try:
        return set(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return set()
