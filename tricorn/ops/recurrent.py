"""Whole recurrent layers over time, with the standard activations, as one op each.

The input's projection ``x @ kernel + bias`` is one matrix product over all steps and done by the
caller; an engine may override an op by one that also takes the recurrent kernel's gradient out of
the loop.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tricorn.graph import transforms
from tricorn.graph.op import Tensor, op
from tricorn.ops.arrays import expand_dims, get_item, split, swapaxes, where
from tricorn.ops.elementwise import add, multiply, subtract, tanh
from tricorn.ops.linalg import matmul
from tricorn.ops.nn import sigmoid


@op
def lstm(
    x: Tensor,
    h0: Tensor,
    c0: Tensor,
    recurrent_kernel: Tensor,
    mask: Tensor | None = None,
    reverse: bool = False,
) -> tuple[Tensor, Tensor, Tensor]:
    """The long short-term memory, for t = 1, 2, ... (T, T-1, ... when `reverse`)::

        i, f, g, o = split(x[t] + h @ recurrent_kernel)
        c = sigmoid(f) · c + sigmoid(i) · tanh(g)
        h = sigmoid(o) · tanh(c)

    Args:
        x: (time, batch, 4 · units), the projected inputs, time first.
        h0, c0: (batch, units), the states before the first step.
        recurrent_kernel: (units, 4 · units).
        mask: (batch, time) bool; where False, h and c stay as they are.
        reverse: from the last step to the first.

    Returns:
        (h of all steps (batch, time, units), each at its input's place; last h, last c).

    Source: Hochreiter and Schmidhuber 1997; forget gates: Gers et al. 2000.
    """

    def step(state: tuple, x: Any) -> tuple:
        h, c = state
        i, f, g, o = split(add(x, matmul(h, recurrent_kernel)), 4, axis=-1)
        c = add(multiply(sigmoid(f), c), multiply(sigmoid(i), tanh(g)))
        return multiply(sigmoid(o), tanh(c)), c

    outputs, (h, c) = _over_time(step, x, (h0, c0), mask, reverse)
    return outputs, h, c


@op
def gru(
    x: Tensor,
    h0: Tensor,
    recurrent_kernel: Tensor,
    recurrent_bias: Tensor | None = None,
    mask: Tensor | None = None,
    reverse: bool = False,
    reset_after: bool = True,
) -> tuple[Tensor, Tensor]:
    """The gated recurrent unit, for t = 1, 2, ... (T, T-1, ... when `reverse`)::

        z, r = sigmoid(x_z + h @ U_z + b_z), sigmoid(x_r + h @ U_r + b_r)
        g = tanh(x_g + r · (h @ U_g + b_g))     reset_after
        g = tanh(x_g + (r · h) @ U_g)           otherwise
        h = z · h + (1 - z) · g

    Args:
        x: (time, batch, 3 · units), the projected inputs x_z, x_r, x_g, time first.
        h0: (batch, units), the state before the first step.
        recurrent_kernel: (units, 3 · units), U.
        recurrent_bias: (3 · units,), b, only with `reset_after`; None: 0.
        mask: (batch, time) bool; where False, h stays as it is.
        reverse: from the last step to the first.
        reset_after: whether the reset gate acts after the matrix product.

    Returns:
        (h of all steps (batch, time, units), each at its input's place; last h).

    Source: Cho et al. 2014, arXiv:1406.1078 (v1: reset before, v3: after).
    """

    def step(state: tuple, x: Any) -> tuple:
        return (
            gru_step(x, state[0], recurrent_kernel, recurrent_bias, reset_after, tanh, sigmoid),
        )

    outputs, (h,) = _over_time(step, x, (h0,), mask, reverse)
    return outputs, h


def gru_step(
    x: Any,
    h: Any,
    recurrent_kernel: Any,
    recurrent_bias: Any,
    reset_after: bool,
    activation: Callable,
    gate: Callable,
) -> Any:
    """The new h (batch, units) of one step; `x` is projected, the rest as in `gru`."""
    units = recurrent_kernel.shape[0]
    x_z, x_r, x_g = split(x, 3, axis=-1)
    if reset_after:
        inner = matmul(h, recurrent_kernel)
        if recurrent_bias is not None:
            inner = add(inner, recurrent_bias)
        u_z, u_r, u_g = split(inner, 3, axis=-1)
        z, r = gate(add(x_z, u_z)), gate(add(x_r, u_r))
        g = activation(add(x_g, multiply(r, u_g)))
    else:
        gates = get_item(recurrent_kernel, (slice(None), slice(None, 2 * units)))
        candidate = get_item(recurrent_kernel, (slice(None), slice(2 * units, None)))
        u_z, u_r = split(matmul(h, gates), 2, axis=-1)
        z, r = gate(add(x_z, u_z)), gate(add(x_r, u_r))
        g = activation(add(x_g, matmul(multiply(r, h), candidate)))
    return add(multiply(z, h), multiply(subtract(1.0, z), g))


def _over_time(step: Callable, x: Any, states: tuple, mask: Any, reverse: bool) -> tuple:
    """(first states of all steps, last states) of ``states = step(states, x_t)``."""

    def body(states: tuple, now: tuple) -> tuple:
        x, present = now
        after = step(states, x)
        if present is not None:
            after = tuple(where(present, new, old) for new, old in zip(after, states))
        return after, after[0]

    if mask is not None:
        mask = expand_dims(swapaxes(mask, 0, 1), -1)
    states, outputs = transforms.scan(body, states, (x, mask), reverse=reverse)
    return swapaxes(outputs, 0, 1), states


__all__ = ["gru", "lstm"]
