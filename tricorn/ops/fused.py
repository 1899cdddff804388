"""Ops that stand for a few others, so that an engine may replace the few by something faster."""

from __future__ import annotations

from tricorn.engines import active
from tricorn.graph.op import Tensor, op
from tricorn.ops.elementwise import add, maximum, sqrt, square
from tricorn.ops.nn import batch_normalization
from tricorn.ops.reductions import moments


@op(promote=True)
def add_bias(x: Tensor, bias: Tensor) -> Tensor:
    """x + bias over the last axes.

    Args:
        x: tensor of shape (..., n).
        bias: tensor of shape (n,), or of several of the last axes.

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
        (tensor of x's shape, mean (n,), variance (n,)); the latter two are for moving averages:
        an engine need not give them gradients.
    """
    mean, variance = moments(x, tuple(range(len(active().shape(x)) - 1)))
    return batch_normalization(x, mean, variance, -1, beta, gamma, epsilon), mean, variance


@op
def adam(
    values: list[Tensor],
    gradients: list[Tensor],
    momenta: list[Tensor],
    velocities: list[Tensor],
    largest: list[Tensor] | None,
    learning_rate: Tensor,
    step: Tensor,
    beta_1: float,
    beta_2: float,
    epsilon: float,
) -> list[tuple[Tensor, Tensor, Tensor, Tensor | None]]:
    """Step t of Adam, for several variables::

        m ← m + (1 - β₁)(g - m),  v ← v + (1 - β₂)(g² - v),  v̂ ← max(v̂, v)
        w ← w - η √(1 - β₂ᵗ) / (1 - β₁ᵗ) · m / (√v̂ + ε)

    Args:
        values, gradients, momenta, velocities: the variables' w, g, m, v, floating tensors of one
            dtype, those of a variable of one shape.
        largest: their v̂, or None: v takes its place.
        learning_rate, step: η, t, scalar tensors of that dtype.
        beta_1, beta_2, epsilon: β₁, β₂, ε.

    Returns:
        (w, m, v, v̂) of each variable after the step.

    Source: Kingma and Ba, 2014, arXiv:1412.6980 (the form before section 2.1); Reddi et al., 2018.
    """
    rate = learning_rate * (sqrt(1.0 - beta_2**step) / (1.0 - beta_1**step))
    after = []
    for i, (w, g, m, v) in enumerate(zip(values, gradients, momenta, velocities)):
        m = m + (g - m) * (1.0 - beta_1)
        v = v + (square(g) - v) * (1.0 - beta_2)
        top = None if largest is None else maximum(largest[i], v)
        after.append((w - m * rate / (sqrt(v if top is None else top) + epsilon), m, v, top))
    return after


__all__ = ["adam", "add_bias", "batch_norm"]
