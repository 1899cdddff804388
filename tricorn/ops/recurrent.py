"""Whole recurrent layers over time, with the standard activations, as one op each.

Two things are taken out of the loop: the product of the inputs, one for all steps, and in the
gradient that of the recurrent kernel, where automatic differentiation would add up an array of the
kernel's size at each step.  What the gradient needs of the steps is computed anew for all at once,
so that the loop keeps the states and nothing else.  An engine may override an op by a kernel of its
own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tricorn.engines import registry
from tricorn.graph import transforms
from tricorn.graph.op import Tensor, op
from tricorn.ops.arrays import (
    concatenate,
    expand_dims,
    get_item,
    split,
    swapaxes,
    where,
    zeros_like,
)
from tricorn.ops.elementwise import add, multiply, subtract, tanh
from tricorn.ops.fused import add_bias
from tricorn.ops.linalg import matmul, tensordot
from tricorn.ops.nn import sigmoid
from tricorn.ops.reductions import sum


@op
def lstm(
    x: Tensor,
    h0: Tensor,
    c0: Tensor,
    kernel: Tensor | None,
    recurrent_kernel: Tensor,
    bias: Tensor | None = None,
    mask: Tensor | None = None,
    reverse: bool = False,
) -> tuple[Tensor, Tensor, Tensor]:
    """The long short-term memory, for t = 1, 2, ... (T, T-1, ... when `reverse`)::

        i, f, g, o = split(x[t] @ kernel + bias + h @ recurrent_kernel)
        c = sigmoid(f) · c + sigmoid(i) · tanh(g)
        h = sigmoid(o) · tanh(c)

    Args:
        x: (time, batch, features), time first.
        h0, c0: (batch, units), the states before the first step.
        kernel: (features, 4 · units); None: x is the product, (time, batch, 4 · units).
        recurrent_kernel: (units, 4 · units).
        bias: (4 · units,); None: 0.
        mask: (batch, time) bool; where False, h and c stay as they are.
        reverse: from the last step to the first.

    Returns:
        (h of all steps (batch, time, units), each at its input's place; last h, last c).

    Source: Hochreiter and Schmidhuber 1997; forget gates: Gers et al. 2000.
    """

    @transforms.custom_gradient
    def run(x: Any, h0: Any, c0: Any, kernel: Any, present: Any) -> tuple:
        def step(kernel: Any, state: tuple, x: Any) -> tuple:
            h, c = state
            i, f, g, o = split(add(x, matmul(h, kernel)), 4, axis=-1)
            c = add(multiply(sigmoid(f), c), multiply(sigmoid(i), tanh(g)))
            return multiply(sigmoid(o), tanh(c)), c

        (hs, cs), (h, c) = _over_time(step, kernel, x, (h0, c0), present, reverse)

        def gradient(upstream: tuple) -> tuple:
            h_before, c_before = _before(hs, h0, reverse), _before(cs, c0, reverse)
            i, f, g, o = split(add(x, matmul(h_before, kernel)), 4, axis=-1)
            i, f, g, o, t = sigmoid(i), sigmoid(f), tanh(g), sigmoid(o), tanh(cs)
            slopes = [_slope(i, g), _slope(f, c_before), i * (1 - g * g), _slope(o, t)]

            def back(kernel: Any, state: tuple, now: tuple) -> tuple:
                (dh, dc), (dy, through, slopes, f, present) = state, now
                dh = dh + dy
                dc_now = dc + dh * through
                dz = concatenate([dc_now, dc_now, dc_now, dh], axis=-1) * slopes
                before = matmul(dz, swapaxes(kernel, 0, 1)), dc_now * f
                if present is not None:
                    dz = where(present, dz, zeros_like(dz))
                    before = where(present, before[0], dh), where(present, before[1], dc)
                return before, dz

            dhs, dh, dc = upstream
            rows = (dhs, o * (1 - t * t), concatenate(slopes, axis=-1), f, present)
            (dh, dc), dz = _scan(back, kernel, (dh, dc), rows, not reverse)
            return dz, dh, dc, tensordot(h_before, dz, [[0, 1], [0, 1]]), None

        return (hs, h, c), gradient

    outputs, h, c = run(_projected(x, kernel, bias), h0, c0, recurrent_kernel, _steps(mask))
    return swapaxes(outputs, 0, 1), h, c


@op
def gru(
    x: Tensor,
    h0: Tensor,
    kernel: Tensor | None,
    recurrent_kernel: Tensor,
    bias: Tensor | None = None,
    recurrent_bias: Tensor | None = None,
    mask: Tensor | None = None,
    reverse: bool = False,
    reset_after: bool = True,
) -> tuple[Tensor, Tensor]:
    """The gated recurrent unit, for t = 1, 2, ... (T, T-1, ... when `reverse`)::

        x_z, x_r, x_g = split(x[t] @ kernel + bias)
        z, r = sigmoid(x_z + h @ U_z + b_z), sigmoid(x_r + h @ U_r + b_r)
        g = tanh(x_g + r · (h @ U_g + b_g))     reset_after
        g = tanh(x_g + (r · h) @ U_g)           otherwise
        h = z · h + (1 - z) · g

    Args:
        x: (time, batch, features), time first.
        h0: (batch, units), the state before the first step.
        kernel: (features, 3 · units); None: x is the product, (time, batch, 3 · units).
        recurrent_kernel: (units, 3 · units), U.
        bias: (3 · units,); None: 0.
        recurrent_bias: (3 · units,), b, only with `reset_after`; None: 0.
        mask: (batch, time) bool; where False, h stays as it is.
        reverse: from the last step to the first.
        reset_after: whether the reset gate acts after the matrix product.

    Returns:
        (h of all steps (batch, time, units), each at its input's place; last h).

    Source: Cho et al. 2014, arXiv:1406.1078 (v1: reset before, v3: after).
    """

    @transforms.custom_gradient
    def run(x: Any, h0: Any, kernel: Any, bias: Any, present: Any) -> tuple:
        def step(weights: tuple, state: tuple, x: Any) -> tuple:
            kernel, bias = weights
            return (gru_step(x, state[0], kernel, bias, reset_after, tanh, sigmoid),)

        (hs,), (h,) = _over_time(step, (kernel, bias), x, (h0,), present, reverse)

        def gradient(upstream: tuple) -> tuple:
            derive = _gru_gradient if reset_after else _early_reset_gradient
            h_before = _before(hs, h0, reverse)
            return *derive(upstream, x, h_before, kernel, bias, present, not reverse), None

        return (hs, h), gradient

    projected = _projected(x, kernel, bias)
    outputs, h = run(projected, h0, recurrent_kernel, recurrent_bias, _steps(mask))
    return swapaxes(outputs, 0, 1), h


def _gru_gradient(
    upstream: tuple, x: Any, h_before: Any, kernel: Any, bias: Any, present: Any, reverse: bool
) -> tuple:
    """The gradients of x, the first h, kernel and bias, of `gru` with `reset_after`."""
    inner = matmul(h_before, kernel)
    u_z, u_r, u_g = split(inner if bias is None else add(inner, bias), 3, axis=-1)
    x_z, x_r, x_g = split(x, 3, axis=-1)
    z, r = sigmoid(add(x_z, u_z)), sigmoid(add(x_r, u_r))
    g = tanh(add(x_g, multiply(r, u_g)))
    of_g = (1 - z) * (1 - g * g)
    of_z, of_r = _slope(z, h_before - g), of_g * _slope(r, u_g)

    def back(kernel: Any, state: tuple, now: tuple) -> tuple:
        (dh,), (dy, slopes, z, present) = state, now
        dh = dh + dy
        du = concatenate([dh, dh, dh], axis=-1) * slopes
        before = matmul(du, swapaxes(kernel, 0, 1)) + dh * z
        if present is not None:
            du = where(present, du, zeros_like(du))
            before, dh = where(present, before, dh), where(present, dh, zeros_like(dh))
        return (before,), (du, dh)

    dhs, dh = upstream
    rows = (dhs, concatenate([of_z, of_r, of_g * r], axis=-1), z, present)
    (dh,), (du, of_h) = _scan(back, kernel, (dh,), rows, reverse)
    dx = concatenate([get_item(du, (..., slice(None, -z.shape[-1]))), of_h * of_g], axis=-1)
    dkernel = tensordot(h_before, du, [[0, 1], [0, 1]])
    return dx, dh, dkernel, None if bias is None else sum(du, axis=(0, 1))


def _early_reset_gradient(
    upstream: tuple, x: Any, h_before: Any, kernel: Any, bias: Any, present: Any, reverse: bool
) -> tuple:
    """As `_gru_gradient`, where the reset gate acts before the product; there is no bias."""
    units = kernel.shape[0]
    gates, candidate = (get_item(kernel, (slice(None), at)) for at in _halves(units))
    u_z, u_r = split(matmul(h_before, gates), 2, axis=-1)
    x_z, x_r, x_g = split(x, 3, axis=-1)
    z, r = sigmoid(add(x_z, u_z)), sigmoid(add(x_r, u_r))
    kept = multiply(r, h_before)
    g = tanh(add(x_g, matmul(kept, candidate)))
    slopes = concatenate([_slope(z, h_before - g), (1 - z) * (1 - g * g)], axis=-1)

    def back(kernels: tuple, state: tuple, now: tuple) -> tuple:
        (dh,), (dy, slopes, of_r, z, r, present), (gates, candidate) = state, now, kernels
        dh = dh + dy
        dx_z, dx_g = split(concatenate([dh, dh], axis=-1) * slopes, 2, axis=-1)
        dkept = matmul(dx_g, swapaxes(candidate, 0, 1))
        of_gates = concatenate([dx_z, dkept * of_r], axis=-1)
        before = matmul(of_gates, swapaxes(gates, 0, 1)) + dkept * r + dh * z
        dx = concatenate([of_gates, dx_g], axis=-1)
        if present is not None:
            dx, before = where(present, dx, zeros_like(dx)), where(present, before, dh)
        return (before,), (dx,)

    dhs, dh = upstream
    rows = (dhs, slopes, _slope(r, h_before), z, r, present)
    (dh,), (dx,) = _scan(back, (gates, candidate), (dh,), rows, reverse)
    of_gates, of_g = (get_item(dx, (..., at)) for at in _halves(units))
    products = [tensordot(a, b, [[0, 1], [0, 1]]) for a, b in ((h_before, of_gates), (kept, of_g))]
    return dx, dh, concatenate(products, axis=-1), None


def _halves(units: int) -> tuple[slice, slice]:
    """Where the gates stand of a GRU's kernel, and its candidate."""
    return slice(None, 2 * units), slice(2 * units, None)


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
        gates, candidate = (get_item(recurrent_kernel, (slice(None), at)) for at in _halves(units))
        u_z, u_r = split(matmul(h, gates), 2, axis=-1)
        z, r = gate(add(x_z, u_z)), gate(add(x_r, u_r))
        g = activation(add(x_g, matmul(multiply(r, h), candidate)))
    return add(multiply(z, h), multiply(subtract(1.0, z), g))


def _over_time(
    step: Callable, weights: Any, x: Any, states: tuple, present: Any, reverse: bool
) -> tuple:
    """(states of all steps, last states) of ``states = step(weights, states, x_t)``."""

    def body(weights: Any, states: tuple, now: tuple) -> tuple:
        x, present = now
        after = step(weights, states, x)
        if present is not None:
            after = tuple(where(present, new, old) for new, old in zip(after, states))
        return after, after

    last, every = _scan(body, weights, states, (x, present), reverse)
    return every, last


def _scan(body: Callable, weights: Any, init: tuple, xs: tuple, reverse: bool) -> tuple:
    """`scan` in an op that has a gradient of its own, of ``body(weights, carry, x)``."""
    engine = registry.active()
    return engine.kernel_scan(body, weights, init, xs, engine.shape(xs[0])[0], reverse)


def _projected(x: Any, kernel: Any, bias: Any) -> Any:
    """``x @ kernel + bias``, of all steps."""
    product = x if kernel is None else matmul(x, kernel)
    return product if bias is None else add_bias(product, bias)


def _steps(mask: Any) -> Any:
    """A mask (batch, time) as (time, batch, 1)."""
    return None if mask is None else expand_dims(swapaxes(mask, 0, 1), -1)


def _before(states: Any, first: Any, reverse: bool) -> Any:
    """The states (time, batch, units) before each step, of those after it."""
    if reverse:
        return concatenate([get_item(states, slice(1, None)), expand_dims(first, 0)], axis=0)
    return concatenate([expand_dims(first, 0), get_item(states, slice(None, -1))], axis=0)


def _slope(gate: Any, factor: Any) -> Any:
    """The derivative of ``sigmoid(a) * factor`` by a, with ``gate = sigmoid(a)``."""
    return gate * (1 - gate) * factor


__all__ = ["gru", "lstm"]
