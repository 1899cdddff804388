"""Connectionist temporal classification."""

from __future__ import annotations

from typing import Any

from tricorn import dtypes
from tricorn.graph.op import Tensor, op
from tricorn.graph.transforms import scan
from tricorn.ops.arrays import (
    arange,
    argsort,
    cast,
    concatenate,
    dtype,
    expand_dims,
    full_like,
    repeat,
    reshape,
    squeeze,
    stack,
    swapaxes,
    take_along_axis,
    top_k,
    where,
    zeros_like,
)
from tricorn.ops.elementwise import (
    equal,
    floor_divide,
    greater,
    less,
    logaddexp,
    logical_and,
    logical_not,
    maximum,
    mod,
    not_equal,
)
from tricorn.ops.linalg import einsum
from tricorn.ops.reductions import all, argmax, logsumexp, max, sum

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

    Example:
        >>> keras.ops.ctc_loss([[1, 2]], np.zeros((1, 4, 3), "float32"), [2], [4])
        Array([1.686399], dtype=float32)
    """
    target = cast(target, "int32")
    logits = cast(output, dtypes.result_type(dtype(output), "float32"))
    blank = full_like(target[:, :1], mask_index)
    # the states of a way: blank, label 1, blank, label 2, ..., blank
    states = reshape(stack([full_like(target, mask_index), target], axis=2), (target.shape[0], -1))
    states = concatenate([states, blank], axis=1)
    # from a label to the next one, without the blank between: only when they differ
    label = equal(mod(arange(2 * target.shape[1] - 1, dtype="int32"), 2), 1)
    skips = logical_and(label, not_equal(states[:, 2:], states[:, :-2]))
    barred = cast(logical_not(skips), logits.dtype) * _NEVER
    # ln of the probability of each step's state, (steps, batch, states)
    classes = arange(logits.shape[2], dtype="int32")
    chosen = cast(equal(expand_dims(states, -1), classes), logits.dtype)
    scores = einsum("btk,bsk->tbs", logits - logsumexp(logits, -1, True), chosen)
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


@op
def ctc_decode(
    inputs: Tensor,
    sequence_lengths: Tensor,
    strategy: str = "greedy",
    beam_width: int = 100,
    top_paths: int = 1,
    merge_repeated: bool = True,
    mask_index: int = 0,
) -> tuple[Tensor, Tensor]:
    """The likeliest labels for a sequence.

    Args:
        inputs: logits (batch, steps, classes).
        sequence_lengths: steps that count, (batch,).
        strategy: "greedy": the labels of the likeliest way; "beam_search": the likeliest labels
            over all their ways, of the `beam_width` best beginnings kept at each step.
        beam_width: how many beginnings are kept.
        top_paths: how many answers "beam_search" gives.
        merge_repeated: "greedy" counts a label that follows itself at once a single time.
        mask_index: the class of the blank.

    Returns:
        (labels (answers, batch, steps), filled up with -1; greedy: minus the sum of the likeliest
        classes' logits (batch, 1); beam search: ln P of the answers (batch, answers)).

    Raises:
        ValueError: for another strategy, or more answers than beams.

    Source: Graves et al., 2006, section 3.2; Hannun et al., 2014, arXiv:1408.2873, algorithm 1.

    Example:
        >>> scores = np.log([[[0.1, 0.8, 0.1], [0.8, 0.1, 0.1], [0.1, 0.1, 0.8]]]).astype("float32")
        >>> decoded, log_probability = keras.ops.ctc_decode(scores, [3], mask_index=0)
        >>> decoded
        Array([[[ 1,  2, -1]]], dtype=int32)
    """
    if strategy == "greedy":
        return _greedy(inputs, sequence_lengths, merge_repeated, mask_index)
    if strategy != "beam_search":
        raise ValueError(f"strategy must be 'greedy' or 'beam_search', got {strategy!r}")
    if top_paths > beam_width:
        raise ValueError(f"top_paths ({top_paths}) cannot exceed beam_width ({beam_width})")
    return _beam_search(inputs, sequence_lengths, beam_width, top_paths, mask_index)


def _greedy(logits: Any, lengths: Any, merge: bool, blank: int) -> tuple[Any, Any]:
    steps = arange(logits.shape[1], dtype="int32")
    counts = less(steps, expand_dims(lengths, 1))
    best = cast(argmax(logits, axis=-1), "int32")
    keep = logical_and(counts, not_equal(best, blank))
    if merge:
        keep = logical_and(keep, _differs(best))
    wide = cast(logits, dtypes.result_type(dtype(logits), "float32"))
    score = -sum(where(counts, max(wide, axis=-1), 0.0), axis=1, keepdims=True)
    return expand_dims(compacted(best, keep), 0), score


def _differs(labels: Any) -> Any:
    """Where a label is not the one before it."""
    before = concatenate([full_like(labels[..., :1], -2), labels[..., :-1]], axis=-1)
    return not_equal(labels, before)


@op
def compacted(labels: Tensor, keep: Tensor | None = None) -> Tensor:
    """The labels that are kept, moved to the front of the last axis; -1 behind them.

    Args:
        labels: ints (..., steps).
        keep: bool, of the same shape; None: where a label is not the one before it.
    """
    if keep is None:
        keep = logical_and(_differs(labels), not_equal(labels, -1))
    steps = arange(labels.shape[-1], dtype="int32")
    order = argsort(where(keep, steps, steps + labels.shape[-1]), axis=-1)
    return take_along_axis(where(keep, labels, full_like(labels, -1)), order, axis=-1)


def _beam_search(logits: Any, lengths: Any, width: int, paths: int, blank: int) -> tuple[Any, Any]:
    """Beginnings (batch, width, steps), with ln P of their ways that end in a blank, in a label."""
    logits = cast(logits, dtypes.result_type(dtype(logits), "float32"))
    logs = logits - logsumexp(logits, -1, True)
    classes, steps = logits.shape[2], arange(logits.shape[1], dtype="int32")
    alternatives = arange(classes, dtype="int32")
    blanks = full_like(logs[:, 0, :1], 0.0)
    never = repeat(blanks + _NEVER, width, axis=1)
    in_blank = concatenate([blanks, never[:, 1:]], axis=1)
    labels = repeat(expand_dims(cast(full_like(logs[:, :, 0], -1), "int32"), 1), width, axis=1)

    def step(state: tuple, x: Any) -> tuple[Any, Any]:
        labels, size, in_blank, in_label = state
        number, score = x  # (batch, classes)
        both = logaddexp(in_blank, in_label)
        final = equal(steps, expand_dims(size - 1, 2))  # where the last label stands
        last = max(where(final, labels, -1), axis=2)
        is_last = equal(expand_dims(last, 2), alternatives)
        same = sum(where(is_last, expand_dims(score, 1), 0.0), axis=2)
        stay_blank = both + score[:, blank : blank + 1]
        stay_label = where(less(last, 0), never, in_label + same)
        grow = where(is_last, expand_dims(in_blank, 2), expand_dims(both, 2))
        grow = where(equal(alternatives, blank), _NEVER, grow + expand_dims(score, 1))
        # where one beginning and a label are another beginning, the two are one
        parent = expand_dims(where(final, -1, labels), 1)
        joins = all(equal(expand_dims(labels, 2), parent), axis=3)
        joins = logical_and(joins, equal(expand_dims(size, 2) + 1, expand_dims(size, 1)))
        hits = cast(is_last, score.dtype)
        reached = where(joins, einsum("bic,bjc->bij", grow, hits), _NEVER)
        stay_label = logaddexp(stay_label, logsumexp(reached, axis=1))
        taken = einsum("bij,bjc->bic", cast(joins, score.dtype), hits)
        grow = where(greater(taken, 0.5), _NEVER, grow)
        # the best of what stays and what grows
        stay = logaddexp(stay_blank, stay_label)
        offers = concatenate([expand_dims(stay, 2), grow], axis=2)
        found, place = top_k(reshape(offers, (offers.shape[0], -1)), width)
        origin, added = floor_divide(place, classes + 1), mod(place, classes + 1) - 1
        stays = less(added, 0)
        size_now = take_along_axis(size, origin, axis=1)
        kept = take_along_axis(labels, expand_dims(origin, 2), axis=1)
        end = logical_and(
            equal(steps, expand_dims(size_now, 2)), expand_dims(logical_not(stays), 2)
        )
        new = (
            where(end, expand_dims(added, 2), kept),
            where(stays, size_now, size_now + 1),
            where(stays, take_along_axis(stay_blank, origin, axis=1), never),
            where(stays, take_along_axis(stay_label, origin, axis=1), found),
        )
        counts = less(number, lengths)
        after = [
            where(reshape(counts, (-1,) + (1,) * (len(a.shape) - 1)), a, b)
            for a, b in zip(new, state)
        ]
        return tuple(after), number

    start = (labels, zeros_like(labels[:, :, 0]), in_blank, never)
    (labels, _, in_blank, in_label), _ = scan(step, start, (steps, swapaxes(logs, 0, 1)))
    scores, place = top_k(logaddexp(in_blank, in_label), paths)
    chosen = take_along_axis(labels, expand_dims(place, 2), axis=1)
    return swapaxes(chosen, 0, 1), scores
