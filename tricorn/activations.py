"""Activation functions by Keras's names; most are ops of `tricorn.ops.nn`, handed on.

`get`, `serialize` and `deserialize` turn names and configs into functions and back.
"""

from __future__ import annotations

from typing import Any

from tricorn import ops
from tricorn.graph.op import Tensor, op
from tricorn.ops import (
    celu,
    elu,
    glu,
    hard_shrink,
    hard_sigmoid,
    hard_silu,
    hard_swish,
    hard_tanh,
    leaky_relu,
    log_sigmoid,
    log_softmax,
    relu6,
    selu,
    sigmoid,
    silu,
    soft_shrink,
    softmax,
    softplus,
    softsign,
    sparse_plus,
    sparse_sigmoid,
    sparsemax,
    squareplus,
    swish,
    tanh,
    tanh_shrink,
    threshold,
)
from tricorn.serialization import registry
from tricorn.serialization.catalogue import Catalogue


def relu(
    x: Any, negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0
) -> Any:
    """max(x, 0), or in general min(x, max_value) where x > threshold, else
    negative_slope · (x - threshold).

    Args:
        x: tensor of any shape.
        negative_slope: slope below the threshold.
        max_value: the greatest result; None: no limit.
        threshold: what x must exceed.

    Returns:
        tensor of x's shape and dtype.

    Example:
        >>> keras.activations.relu(np.array([-2.0, 1.0, 9.0], "float32"), max_value=6.0)
        Array([0., 1., 6.], dtype=float32)
    """
    if not negative_slope and max_value is None and not threshold:
        return ops.relu(x)
    return bounded_relu(x, negative_slope, max_value, threshold)


@op
def bounded_relu(
    x: Tensor, negative_slope: float, max_value: float | None, threshold: float
) -> Tensor:
    """`relu` with all of its arguments; see there."""
    above = ops.where(ops.greater(x, threshold), x, 0)
    above = above if max_value is None else ops.minimum(ops.maximum(above, 0), max_value)
    if not negative_slope:
        return above
    return ops.subtract(above, ops.multiply(negative_slope, ops.relu(ops.subtract(threshold, x))))


def gelu(x: Any, approximate: bool = False) -> Any:
    """x Φ(x) with the distribution function Φ of the standard normal.
    https://arxiv.org/abs/1606.08415

    Args:
        x: tensor of any shape.
        approximate: by x/2 · (1 + tanh(√(2/π) (x + 0.044715 x³))).

    Returns:
        floating tensor of x's shape.

    Example:
        >>> keras.activations.gelu(np.array([-1.0, 0.0, 1.0], "float32"))
        Array([-0.15865526,  0.        ,  0.8413447 ], dtype=float32)
    """
    return ops.gelu(x, approximate)


def exponential(x: Any) -> Any:
    """eˣ.

    Args:
        x: tensor of any shape.

    Returns:
        floating tensor of x's shape.

    Example:
        >>> keras.activations.exponential(np.array([0.0, 1.0]))
        Array([1.        , 2.71828183], dtype=float64)
    """
    return ops.exp(x)


def linear(x: Any) -> Any:
    """x itself.

    Args:
        x: anything.

    Example:
        >>> keras.activations.linear(np.array([-1.0, 2.0]))
        array([-1.,  2.])
    """
    return x


@op(floating=True)
def mish(x: Tensor) -> Tensor:
    """x tanh(ln(1 + eˣ)).  https://arxiv.org/abs/1908.08681

    Args:
        x: tensor of any shape.

    Returns:
        floating tensor of x's shape.

    Example:
        >>> keras.activations.mish(np.array([-1.0, 0.0, 1.0], "float32"))
        Array([-0.30340144,  0.        ,  0.8650985 ], dtype=float32)
    """
    return ops.multiply(x, ops.tanh(ops.softplus(x)))


def legacy_hard_sigmoid(x: Any) -> Any:
    """min(max(0.2 x + 0.5, 0), 1), which `hard_sigmoid` was before Keras 3.

    Example:
        >>> keras.activations.get("legacy_hard_sigmoid")(np.array([-3.0, 0.0, 1.0]))
        Array([0. , 0.5, 0.7], dtype=float32)
    """
    return ops.clip(0.2 * x + 0.5, 0.0, 1.0)


_catalogue = Catalogue(
    "activations",
    "activation",
    (
        relu, leaky_relu, relu6, softmax, celu, elu, selu, softplus, softsign, squareplus,
        soft_shrink, sparse_plus, silu, gelu, glu, tanh, tanh_shrink, threshold, sigmoid,
        sparse_sigmoid, exponential, hard_sigmoid, hard_silu, hard_tanh, hard_shrink, linear, mish,
        log_softmax, log_sigmoid, sparsemax,
    ),
    {"swish": swish, "hard_swish": hard_swish, "legacy_hard_sigmoid": legacy_hard_sigmoid},
)  # fmt: skip
deserialize = _catalogue.deserialize


def get(identifier: Any) -> Any:
    """The activation function that `identifier` stands for.

    Args:
        identifier: None (`linear`), a name, a config, a class, or a callable.

    Raises:
        ValueError: unknown name.
        TypeError: none of these.

    Example:
        >>> keras.activations.get("tanh") is keras.activations.tanh
        True
    """
    return linear if identifier is None else _catalogue.get(identifier)


def serialize(activation: Any) -> Any:
    """The name of one of the functions here, or the config of another one or of an object.

    Args:
        activation: callable.

    Example:
        >>> keras.activations.serialize(keras.activations.tanh)
        'tanh'
    """
    name = getattr(activation, "__name__", None)
    if name is not None and _catalogue.objects.get(name) is activation:
        return name
    return registry.serialize_keras_object(activation)


__all__ = [
    "celu", "deserialize", "elu", "exponential", "gelu", "get", "glu", "hard_shrink",
    "hard_sigmoid", "hard_silu", "hard_swish", "hard_tanh", "leaky_relu", "linear",
    "log_sigmoid", "log_softmax", "mish", "relu", "relu6", "selu", "serialize", "sigmoid",
    "silu", "soft_shrink", "softmax", "softplus", "softsign", "sparse_plus", "sparse_sigmoid",
    "sparsemax", "squareplus", "swish", "tanh", "tanh_shrink", "threshold",
]  # fmt: skip

__dir__ = lambda: list(__all__)
