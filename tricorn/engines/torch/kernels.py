"""Operators of our own in torch's dispatcher, and faster forms of composed ops.

A draw needs the numbers of its key, and the fused Adam that of its rate; as operators they stay
single calls when a step is traced (`tracing`), where tensors have no numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch

from tricorn.engines import common
from tricorn.engines.contract import OfValues
from tricorn.engines.torch import private

_LIBRARY = torch.library.Library("tricorn", "DEF")
_FLOATS = (torch.float32, torch.float64)
_NEVER = torch.tensor(float("inf"))


def _operator(schema: str, shape: Callable) -> Callable[[Callable], Callable]:
    """Register a function under a schema; `shape` gives its result's empty tensors."""
    name = schema.partition("(")[0]

    def register(fn: Callable) -> Callable:
        _LIBRARY.define(schema)
        _LIBRARY.impl(name, fn, "CompositeExplicitAutograd")
        _LIBRARY.impl(name, shape, "Meta")
        return getattr(torch.ops.tricorn, name).default

    return register


# ------------------------------------------------------------------------------------------ draws


def generator(key: torch.Tensor) -> torch.Generator:
    """A generator of the key's own, on the key's device.

    The seed is the key's 64 bits mixed (the finaliser of SplitMix64), since torch's generator on
    the CPU takes only 32 of a seed's bits and keys differ in few.
    """
    high, low = (n % 2**32 for n in key.tolist())
    z = ((high << 32 | low) + 0x9E3779B97F4A7C15) % 2**64
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    z = (z ^ z >> 27) * 0x94D049BB133111EB % 2**64
    return torch.Generator(key.device).manual_seed(z ^ z >> 31)


def _drawn(key: torch.Tensor, shape: Sequence[int], dtype: Any = torch.int32) -> torch.Tensor:
    return key.new_empty(shape, dtype=dtype)


@_operator("bits(Tensor key, SymInt[] shape) -> Tensor", _drawn)
def bits(key: torch.Tensor, shape: Sequence[int]) -> torch.Tensor:
    drawn = key.new_empty(shape, dtype=torch.int64)
    return drawn.random_(-(2**31), 2**31, generator=generator(key)).to(torch.int32)


@_operator("uniform(Tensor key, SymInt[] shape, ScalarType dtype) -> Tensor", _drawn)
def uniform(key: torch.Tensor, shape: Sequence[int], dtype: torch.dtype) -> torch.Tensor:
    return torch.rand(shape, generator=generator(key), dtype=dtype, device=key.device)


@_operator(
    "bernoulli(Tensor key, SymInt[] shape, float probability) -> Tensor",
    lambda key, shape, probability: key.new_empty(shape, dtype=torch.bool),
)
def bernoulli(key: torch.Tensor, shape: Sequence[int], probability: float) -> torch.Tensor:
    """Four draws of 64 bits, in half the time, where 16 bits say the probability, and its
    complement, to a ten-thousandth."""
    limit, exact = round(probability * 2**16), probability * 2**16
    if abs(limit - exact) > 1e-4 * min(exact, 2**16 - exact):
        return uniform(key, shape, torch.float32) < probability
    count = math.prod(shape)
    words = key.new_empty((count + 3) // 4, dtype=torch.int64)
    words.random_(-(2**63), None, generator=generator(key))
    return words.view(torch.int16)[:count].view(shape) < limit - 2**15


@_operator("normal(Tensor key, SymInt[] shape, ScalarType dtype) -> Tensor", _drawn)
def normal(key: torch.Tensor, shape: Sequence[int], dtype: torch.dtype) -> torch.Tensor:
    return torch.randn(shape, generator=generator(key), dtype=dtype, device=key.device)


@_operator(
    "randint(Tensor key, SymInt[] shape, int low, int high) -> Tensor",
    lambda key, shape, low, high: key.new_empty(shape, dtype=torch.int64),
)
def randint(key: torch.Tensor, shape: Sequence[int], low: int, high: int) -> torch.Tensor:
    return torch.randint(low, high, shape, generator=generator(key), device=key.device)


@_operator("gamma(Tensor key, Tensor alpha) -> Tensor", lambda key, alpha: torch.empty_like(alpha))
def gamma(key: torch.Tensor, alpha: torch.Tensor) -> torch.Tensor:
    return private.standard_gamma(alpha, generator(key))


# ------------------------------------------------------------------------------------------- Adam


def _adam_in_place(
    values: list[torch.Tensor],
    gradients: list[torch.Tensor],
    momenta: list[torch.Tensor],
    velocities: list[torch.Tensor],
    rate: torch.Tensor,
    beta_1: float,
    beta_2: float,
    epsilon: float,
) -> None:
    """One step of Adam in place, by torch's fused kernel.

    What undoes that the moments start at 0 is in the rate already, in the digits of the composed
    op; at step ∞ the kernel adds nothing of its own.  It walks through memory, so all tensors must
    have the layout of the values, which is that of C.
    """
    gradients = [gradient.contiguous() for gradient in gradients]
    private.fused_adam_(
        values, gradients, momenta, velocities, [], [_NEVER] * len(values), lr=rate.item(),
        beta1=beta_1, beta2=beta_2, weight_decay=0.0, eps=epsilon, amsgrad=False, maximize=False,
    )  # fmt: skip


adam_ = _operator(
    "adam_(Tensor(a!)[] values, Tensor[] gradients, Tensor(b!)[] momenta, Tensor(c!)[] velocities, "
    "Tensor rate, float beta_1, float beta_2, float epsilon) -> ()",
    lambda *args: None,
)(_adam_in_place)


def _adam_on_copies(
    values: list[torch.Tensor],
    gradients: list[torch.Tensor],
    momenta: list[torch.Tensor],
    velocities: list[torch.Tensor],
    *numbers: Any,
) -> list[torch.Tensor]:
    """`adam_` on copies: w, m, v of each variable."""
    values, momenta, velocities = (
        [x.clone(memory_format=torch.contiguous_format) for x in column]
        for column in (values, momenta, velocities)
    )
    _adam_in_place(values, gradients, momenta, velocities, *numbers)
    return [x for row in zip(values, momenta, velocities) for x in row]


adam = _operator(
    "adam(Tensor[] values, Tensor[] gradients, Tensor[] momenta, Tensor[] velocities, Tensor rate, "
    "float beta_1, float beta_2, float epsilon) -> Tensor[]",
    lambda values, *args: [torch.empty_like(x) for x in values for _ in range(3)],
)(_adam_on_copies)


def _adam(
    values: list,
    gradients: list,
    momenta: list,
    velocities: list,
    largest: list | None,
    learning_rate: Any,
    step: Any,
    beta_1: float,
    beta_2: float,
    epsilon: float,
) -> Any:
    """The op `adam` where the fused kernel has it: on a CPU (elsewhere reading the rate would wait
    for the device), and when nobody differentiates the update."""
    given = values, gradients, momenta, velocities
    if (
        largest is not None
        or not beta_2
        or values[0].dtype not in _FLOATS
        or any(x.device.type != "cpu" for x in values)
        or any(x.dtype != w.dtype or x.shape != w.shape for w, *row in zip(*given) for x in row)
        or _is_differentiated(*values, *gradients, *momenta, *velocities, learning_rate)
    ):
        return NotImplemented
    rate = learning_rate * (torch.sqrt(1.0 - beta_2**step) / (1.0 - beta_1**step))
    # an operator for those who trace; to everybody else the way through torch's dispatcher is long
    run = adam if private.modes_around() else _adam_on_copies
    after = run(*given, rate, float(beta_1), float(beta_2), float(epsilon))
    return [(*after[i : i + 3], None) for i in range(0, len(after), 3)]


def _is_differentiated(*tensors: torch.Tensor) -> bool:
    """Whether a gradient may be asked of what is computed from the tensors, or they are mapped."""
    return in_functorch() or (torch.is_grad_enabled() and any(x.requires_grad for x in tensors))


def in_functorch() -> bool:
    """Whether a transform of torch.func is at work (there, torch.autograd.grad is not allowed)."""
    return private.functorch.peek_interpreter_stack() is not None


def _gradients(ctx: Any, inputs: Sequence, outs: Any, cotangents: Any) -> Iterator:
    """The gradients, which can be differentiated again, of the inputs that need one."""
    needed = ctx.needs_input_grad
    wrt = [x for x, need in zip(inputs, needed) if need]
    found = iter(torch.autograd.grad(outs, wrt, cotangents, create_graph=True, allow_unused=True))
    return (next(found) if need else None for _, need in zip(inputs, needed))


# ------------------------------------------------------------------------------ batch normalization


def _channels_second(x: torch.Tensor) -> torch.Tensor:
    """(..., n) as (batch, n, height, 1) in the layout "channels last", which torch's kernels know
    for images alone."""
    return x.reshape(x.shape[0], -1, 1, x.shape[-1]).permute(0, 3, 1, 2)


def _restored(y: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    return y.permute(0, 2, 3, 1).reshape(shape)


class _BatchNorm(torch.autograd.Function):
    """(y, mean, variance) with torch's kernels; the statistics have gradients too."""

    @staticmethod
    def forward(ctx: Any, x: Any, gamma: Any, beta: Any, epsilon: float) -> tuple:
        given = _channels_second(x)
        count = given.numel() // given.shape[1]
        mean, variance = gamma.new_zeros((2, gamma.numel())).unbind()
        # a momentum of 1 leaves the statistics themselves in the "running" ones
        y, saved_mean, saved_scale = torch.native_batch_norm(
            given, gamma, beta, mean, variance, True, 1.0, epsilon
        )
        mean, variance = saved_mean.clone(), variance * ((count - 1) / count)
        ctx.save_for_backward(x, gamma, beta, saved_mean, saved_scale)
        ctx.epsilon = epsilon
        ctx.set_materialize_grads(False)
        return _restored(y, x.shape), mean, variance

    @staticmethod
    def backward(ctx: Any, dy: Any, d_mean: Any, d_variance: Any) -> tuple:
        x, gamma, beta, mean, scale = ctx.saved_tensors
        if torch.is_grad_enabled():  # to be differentiated again
            out = _plain_batch_norm(x, gamma, beta, ctx.epsilon)
            pairs = [(o, d) for o, d in zip(out, (dy, d_mean, d_variance)) if d is not None]
            return *_gradients(ctx, (x, gamma, beta), *zip(*pairs)), None
        dx = d_gamma = d_beta = None
        if dy is not None:
            given = _channels_second(x)
            dx, d_gamma, d_beta = torch.ops.aten.native_batch_norm_backward(
                _channels_second(dy), given, gamma, None, None, mean, scale, True, ctx.epsilon,
                [True, True, True],
            )  # fmt: skip
            dx = _restored(dx, x.shape)
        count = x.numel() // mean.numel()
        for part in (
            None if d_mean is None else (d_mean / count).expand(x.shape),
            None if d_variance is None else (x - mean) * (d_variance * (2 / count)),
        ):
            if part is not None:
                dx = part if dx is None else dx + part
        return dx, d_gamma, d_beta, None


def _plain_batch_norm(x: Any, gamma: Any, beta: Any, epsilon: float) -> tuple:
    variance, mean = torch.var_mean(x, tuple(range(x.ndim - 1)), correction=0)
    return (x - mean) * (torch.rsqrt(variance + epsilon) * gamma) + beta, mean, variance


def _batch_norm(x: Any, gamma: Any, beta: Any, epsilon: float) -> Any:
    """The op `batch_norm` for whole floats with more than one row."""
    kinds = {x.dtype, gamma.dtype, beta.dtype}
    rows = x.numel() // max(x.shape[-1], 1)
    if len(kinds) > 1 or x.dtype not in _FLOATS or x.ndim < 2 or rows < 2 or in_functorch():
        return NotImplemented
    return _BatchNorm.apply(x, gamma, beta, epsilon)


# ---------------------------------------------------------------------------------------- attention


class _Attention(torch.autograd.Function):
    """Attention of (batch, heads, length, depth) by torch's kernel for CPUs, whose gradient torch
    cannot differentiate."""

    @staticmethod
    def forward(ctx: Any, *args: Any) -> Any:
        query, key, value, mask, causal, scale = args
        y, sums = private.attention(query, key, value, 0.0, causal, attn_mask=mask, scale=scale)
        ctx.save_for_backward(query, key, value, mask, y, sums)
        ctx.causal, ctx.scale = causal, scale
        return y

    @staticmethod
    def backward(ctx: Any, dy: Any) -> tuple:  # type: ignore[override]
        query, key, value, mask, y, sums = ctx.saved_tensors
        if torch.is_grad_enabled():  # to be differentiated again
            y = _plain_attention(query, key, value, mask, ctx.causal, ctx.scale)
            return *_gradients(ctx, (query, key, value), [y], [dy]), None, None, None
        found = private.attention_gradient(
            dy, query, key, value, y, sums, 0.0, ctx.causal, attn_mask=mask, scale=ctx.scale
        )
        return *found, None, None, None


def _plain_attention(query: Any, key: Any, value: Any, mask: Any, causal: bool, scale: Any) -> Any:
    scores = query @ key.mT * scale
    if causal:
        after = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).triu(1)
        scores = scores.masked_fill(after, -torch.inf)
    return torch.softmax(scores if mask is None else scores + mask, -1) @ value


def _attention(
    query: Any, key: Any, value: Any, bias: Any = None, mask: Any = None, scale: Any = None,
    is_causal: bool = False, flash_attention: Any = None, attn_logits_soft_cap: Any = None,
) -> Any:  # fmt: skip
    """The op `dot_product_attention` where the kernel has it: on a CPU, for equal depths."""
    given = query, key, value
    if (
        bias is not None
        or attn_logits_soft_cap is not None
        or (mask is not None and (is_causal or not isinstance(mask, torch.Tensor)))
        or flash_attention is False
        or query.dtype not in _FLOATS
        or any(x.ndim != 4 or x.device.type != "cpu" or not x.numel() for x in given)
        or len({x.shape[::3] for x in given}) > 1
        or key.shape != value.shape
        or not key.shape[2] or query.shape[2] % key.shape[2]
        or in_functorch()
    ):  # fmt: skip
        return NotImplemented
    groups = query.shape[2] // key.shape[2]
    if groups > 1:
        key, value = (x.repeat_interleave(groups, 2) for x in (key, value))
    heads_first = [x.transpose(1, 2) for x in (query, key, value)]
    if mask is not None:
        mask = mask.bool()
        empty = ~mask.any(-1, keepdim=True)  # where nothing counts, weights are even
        wanted = (query.shape[0], query.shape[2], query.shape[1], key.shape[1])
        try:
            mask, empty = (mask | empty).expand(wanted), empty.expand(*wanted[:3], 1)
        except RuntimeError:
            return NotImplemented
        heads_first[0] = torch.where(empty, 0.0, heads_first[0])
        mask = torch.where(mask, 0.0, query.new_full((), -torch.inf))
    scale = query.shape[-1] ** -0.5 if scale is None else float(scale)
    return _Attention.apply(*heads_first, mask, is_causal, scale).transpose(1, 2)


# -------------------------------------------------------------------------------- recurrent layers

#: what oneDNN calls an LSTM
_LSTM_MODE = 2


def _lstm_shapes(x: torch.Tensor, h: torch.Tensor, *others: Any) -> tuple:
    steps = x.new_empty((*x.shape[:2], h.shape[1]))
    return steps, torch.empty_like(h), torch.empty_like(h), x.new_empty(0)


@_operator(
    "lstm(Tensor x, Tensor h, Tensor c, Tensor kernel, Tensor recurrent, Tensor bias, "
    "bool reverse, bool keep) -> (Tensor, Tensor, Tensor, Tensor)",
    _lstm_shapes,
)
def _onednn_lstm(
    x: Any, h: Any, c: Any, kernel: Any, recurrent: Any, bias: Any, reverse: bool, keep: bool
) -> Any:
    """(all steps of h, time first; last h, last c, what the gradient needs if `keep`)."""
    weights = kernel.T, recurrent.T, bias, torch.zeros_like(bias)
    with torch.set_grad_enabled(keep):
        found = private.recurrent(
            x, *weights, h, c, reverse, [], _LSTM_MODE, h.shape[1], 1, True, False, False, True
        )
    return *found[:3], found[3] if keep else x.new_empty(0)


@_operator(
    "lstm_gradient(Tensor[] given, Tensor[] found, Tensor[] upstream, bool reverse) -> "
    "(Tensor, Tensor, Tensor, Tensor, Tensor, Tensor)",
    lambda given, *others: tuple(map(torch.empty_like, given)),
)
def _onednn_lstm_gradient(given: list, found: list, upstream: list, reverse: bool) -> Any:
    """The gradients of x, h, c, kernel, recurrent kernel and bias."""
    x, h, c, kernel, recurrent, bias = given
    *outs, work = found
    dx, d_kernel, d_recurrent, d_bias, _, dh, dc = private.recurrent_gradient(
        x, kernel.T, recurrent.T, bias, torch.zeros_like(bias), h, c, *outs,
        *(dy.contiguous() for dy in upstream), reverse, _LSTM_MODE, h.shape[1], 1, True, True,
        False, [], False, work,
    )  # fmt: skip
    return dx, dh, dc, d_kernel.T.contiguous(), d_recurrent.T.contiguous(), d_bias


class _LSTM(torch.autograd.Function):
    """The op `lstm` without a mask, time first, by oneDNN's kernel, whose gradient torch cannot
    differentiate."""

    @staticmethod
    def forward(ctx: Any, composed: Callable, reverse: bool, *given: Any) -> Any:  # type: ignore[override]
        *found, work = _onednn_lstm(*given, reverse, any(ctx.needs_input_grad))
        ctx.save_for_backward(*given, *found, work)
        ctx.composed, ctx.reverse = composed, reverse
        return tuple(found)

    @staticmethod
    def backward(ctx: Any, *upstream: Any) -> tuple:  # type: ignore[override]
        given, found = ctx.saved_tensors[:6], ctx.saved_tensors[6:]
        if torch.is_grad_enabled():  # to be differentiated again
            outputs, *last = ctx.composed(*given, None, ctx.reverse)
            outs = outputs.transpose(0, 1), *last
            return tuple(_gradients(ctx, (None, None, *given), outs, upstream))
        slopes = _onednn_lstm_gradient(list(given), list(found), list(upstream), ctx.reverse)
        return None, None, *slopes


def _lstm(
    composed: Callable, x: Any, h0: Any, c0: Any, kernel: Any, recurrent_kernel: Any,
    bias: Any = None, mask: Any = None, reverse: bool = False,
) -> Any:  # fmt: skip
    """The op `lstm` where oneDNN has it: whole floats on a CPU, all steps of all samples."""
    given = x, h0, c0, kernel, recurrent_kernel, bias
    tensors = [t for t in given if t is not None]
    if (
        mask is not None
        or kernel is None
        or any(t.dtype != torch.float32 or t.device.type != "cpu" for t in tensors)
        or not all(t.numel() for t in tensors)
        or not torch.backends.mkldnn.is_available()
        or in_functorch()
    ):
        return NotImplemented
    bias = kernel.new_zeros(kernel.shape[1]) if bias is None else bias
    whole = (t.contiguous() for t in (x, h0, c0, kernel, recurrent_kernel, bias))
    outputs, h, c = _LSTM.apply(composed, reverse, *whole)
    return outputs.transpose(0, 1), h, c


def _gru_shapes(x: torch.Tensor, h: torch.Tensor, *others: Any) -> tuple:
    return x.new_empty((*x.shape[:2], h.shape[1])), torch.empty_like(h)


@_operator(
    "gru(Tensor x, Tensor h, Tensor kernel, Tensor recurrent, Tensor bias, Tensor recurrent_bias, "
    "bool reverse) -> (Tensor, Tensor)",
    _gru_shapes,
)
def _native_gru(x: Any, h: Any, *others: Any) -> Any:
    """(all steps of h, time first; last h).  Torch has the reset gate first, and a row for each
    unit; its loop over the steps is in C++."""
    *weights, reverse = others
    gates = (w.chunk(3, -1) for w in weights)
    flat = [torch.cat([reset, update, new], -1).t() for update, reset, new in gates]
    x = x.flip(0) if reverse else x
    outputs, last = torch.gru(x, h[None], flat, True, 1, 0.0, False, False, False)
    return outputs.flip(0) if reverse else outputs, last[0].clone()


def _gru(
    x: Any, h0: Any, kernel: Any, recurrent_kernel: Any, bias: Any = None,
    recurrent_bias: Any = None, mask: Any = None, reverse: bool = False, reset_after: bool = True,
) -> Any:  # fmt: skip
    """The op `gru` where nothing is differentiated: 6.8 ms for 12 (80 steps of 32 samples, 64
    units, two EPYC cores).  With gradients torch's own takes longer than the composition."""
    given = x, h0, kernel, recurrent_kernel, bias, recurrent_bias
    tensors = [t for t in given if t is not None]
    if (
        mask is not None
        or kernel is None
        or not reset_after
        or {t.dtype for t in tensors} - {x.dtype}
        or x.dtype not in (torch.float32, torch.float64)
        or not all(t.numel() for t in tensors)
        or _is_differentiated(*tensors)
    ):
        return NotImplemented
    biases = (kernel.new_zeros(kernel.shape[1]) if b is None else b for b in (bias, recurrent_bias))
    outputs, h = _native_gru(x, h0, kernel, recurrent_kernel, *biases, reverse)
    return outputs.transpose(0, 1), h


def _gelu(x: Any, approximate: bool = True) -> Any:
    return torch.nn.functional.gelu(x, approximate="tanh" if approximate else "none")


def _i0(x: Any) -> Any:
    return torch.special.i0(x) if x.dtype in _FLOATS else NotImplemented


def _extract_sequences(x: Any, sequence_length: int, sequence_stride: int) -> Any:
    if x.shape[-1] < sequence_length:
        return NotImplemented
    return x.unfold(-1, sequence_length, sequence_stride)


def _layer_norm(
    x: torch.Tensor, gamma: torch.Tensor, beta: torch.Tensor, epsilon: float
) -> torch.Tensor:
    return torch.nn.functional.layer_norm(x, gamma.shape, gamma, beta, epsilon)


def _split(x: torch.Tensor, parts: int, axis: int) -> Sequence[torch.Tensor]:
    """Parts of at most 16 numbers in a row are copied: elementwise operations take four times as
    long on views of so short rows (half a million numbers, two cores)."""
    pieces = x.split(x.shape[axis] // parts, axis)
    short = math.prod(x.shape[axis:]) <= 16 * parts
    return [piece.contiguous() for piece in pieces] if short else pieces


OVERRIDES: dict[str, Any] = {
    "adam": _adam,
    "batch_norm": _batch_norm,
    "dot_product_attention": _attention,
    "extract_sequences": _extract_sequences,
    "gelu": _gelu,
    "gru": _gru,
    "i0": _i0,
    "layer_norm": _layer_norm,
    "lstm": OfValues(_lstm),
    "log_softmax": common.along_one(torch.log_softmax),
    "silu": torch.nn.functional.silu,
    "softmax": common.along_one(torch.softmax),
    "split": common.in_equal_parts(_split),
}
