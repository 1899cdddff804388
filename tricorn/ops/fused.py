"""Ops that stand for a few others, so that an engine may replace the few by something faster."""

from __future__ import annotations

from tricorn.engines import active
from tricorn.graph.op import Tensor, op
from tricorn.ops.elementwise import add
from tricorn.ops.nn import batch_normalization
from tricorn.ops.reductions import moments


@op(promote=True)
def add_bias(x: Tensor, bias: Tensor) -> Tensor:
    """x + bias over the last axis.

    Args:
        x: tensor of shape (..., n).
        bias: tensor of shape (n,).

    Returns:
        tensor of x's shape.
    """
    return add(x, bias)


@op
def batch_norm(
    x: Tensor, gamma: Tensor, beta: Tensor, epsilon: float
) -> tuple[Tensor, Tensor, Tensor]:
    """gamma · (x - mean) / √(variance + ε) + beta, mean and variance over all axes but the last.

    Args:
        x: floating tensor of shape (..., n).
        gamma, beta: tensors of shape (n,).
        epsilon: ε.

    Returns:
        (tensor of x's shape, mean (n,), variance (n,)).
    """
    mean, variance = moments(x, tuple(range(len(active().shape(x)) - 1)))
    return batch_normalization(x, mean, variance, -1, beta, gamma, epsilon), mean, variance


__all__ = ["add_bias", "batch_norm"]
