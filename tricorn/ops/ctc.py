"""Connectionist temporal classification."""

from __future__ import annotations

from typing import Any

from tricorn import dtypes
from tricorn.graph.op import Tensor, op
from tricorn.graph.transforms import scan
from tricorn.ops.arrays import (
    arange,
    cast,
    concatenate,
    dtype,
    expand_dims,
    full_like,
    reshape,
    squeeze,
    stack,
    take_along_axis,
    where,
    zeros_like,
)
from tricorn.ops.elementwise import (
    less,
    logaddexp,
    logical_and,
    logical_not,
    maximum,
    not_equal,
)
from tricorn.ops.linalg import einsum
from tricorn.ops.nn import log_softmax, one_hot

#: the logarithm of a probability that counts as none, finite so that gradients stay so
_NEVER = -1e5


@op
def ctc_loss(
    target: Tensor,
    output: Tensor,
    target_length: Tensor,
    output_length: Tensor,
    mask_index: int = 0,
) -> Tensor:
    """-ln P(target | output), summed over all ways to stretch the labels over the steps.

    A way names a label or the blank for each step; labels that follow each other at once count
    once, blanks not at all.

    Args:
        target: labels (batch, most labels), ints.
        output: logits (batch, steps, classes).
        target_length: labels that count, (batch,).
        output_length: steps that count, (batch,).
        mask_index: the class of the blank.

    Returns:
        (batch,).

    Source: Graves et al., 2006, "Connectionist temporal classification", section 4.1.
    """
    target = cast(target, "int32")
    logits = cast(output, dtypes.result_type(dtype(output), "float32"))
    blank = full_like(target[:, :1], mask_index)
    # the states of a way: blank, label 1, blank, label 2, ..., blank
    states = reshape(stack([full_like(target, mask_index), target], axis=2), (target.shape[0], -1))
    states = concatenate([states, blank], axis=1)
    # from a label to the next one, without the blank between: only when they differ
    label = not_equal(states[:, 2:], mask_index)
    skips = logical_and(label, not_equal(states[:, 2:], states[:, :-2]))
    barred = cast(logical_not(skips), logits.dtype) * _NEVER
    # ln of the probability of each step's state, (steps, batch, states)
    chosen = one_hot(states, logits.shape[2], dtype=logits.dtype)
    scores = einsum("btk,bsk->tbs", log_softmax(logits), chosen)
    nothing = full_like(scores[0, :, :2], _NEVER)
    start = concatenate([zeros_like(nothing[:, :1]), full_like(scores[0, :, 1:], _NEVER)], axis=1)

    def step(alpha: Any, x: Any) -> tuple[Any, Any]:
        """One step on: ln of the probability of all ways that end in each state."""
        number, score = x
        one = concatenate([nothing[:, :1], alpha[:, :-1]], axis=1)
        two = concatenate([nothing, alpha[:, :-2] + barred], axis=1)
        new = logaddexp(logaddexp(alpha, one), two) + score
        counts = expand_dims(less(number, output_length), 1)
        return where(counts, new, alpha), number

    numbers = arange(logits.shape[1], dtype="int32")
    alpha, _ = scan(step, start, (numbers, scores))
    last = expand_dims(2 * cast(target_length, "int32"), 1)
    in_blank = take_along_axis(alpha, last, axis=1)
    in_label = take_along_axis(alpha, maximum(last - 1, 0), axis=1)
    in_label = where(less(last, 1), nothing[:, :1], in_label)
    return -squeeze(logaddexp(in_blank, in_label), 1)
