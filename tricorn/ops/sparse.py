"""Ops on sparse tensors: those whose result is sparse, and those that need no dense copy.

The entries of a sparse tensor are one tensor of indices and one of values, so what becomes of them
is written with ops.  An op that is not here gets dense copies (tricorn/graph/op.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from tricorn import dtypes, tree
from tricorn.arithmetic import OPS
from tricorn.engines import active
from tricorn.engines.abstract import AbstractTensor
from tricorn.engines.registry import active_if_loaded
from tricorn.graph.op import SPARSE, SparseRule
from tricorn.ops.arguments import shape_of
from tricorn.ops.arrays import (
    broadcast_to,
    cast,
    concatenate,
    convert_to_tensor,
    expand_dims,
    reshape,
    squeeze,
    stack,
    take,
    transpose,
    where,
    zeros_like,
)
from tricorn.ops.elementwise import (
    add,
    clip,
    divide,
    floor_divide,
    less,
    less_equal,
    logical_and,
    mod,
    multiply,
)

#: elementwise ops of one tensor that give 0 for 0
_ZERO_AT_ZERO = (
    "abs", "absolute", "arcsin", "arcsinh", "arctan", "arctanh", "cast", "ceil", "celu", "conj",
    "conjugate", "copy", "elu", "erf", "expm1", "fabs", "floor", "gelu", "hard_shrink",
    "hard_tanh", "imag", "isinf", "isnan", "leaky_relu", "log1p", "negative", "real", "relu",
    "relu6", "round", "saturate_cast", "selu", "sign", "signbit", "silu", "sin", "sinh",
    "soft_shrink", "sparse_plus", "sqrt", "square", "stop_gradient", "swish", "tan", "tanh",
    "tanh_shrink", "trunc",
)  # fmt: skip


def _sparse(x: Any) -> bool:
    """Whether `x` is sparse, or stands for what is."""
    if isinstance(x, AbstractTensor):
        return getattr(x, "sparse", False)
    engine = active_if_loaded()
    return engine is not None and engine.is_sparse(x)


def _is_number(x: Any) -> bool:
    return isinstance(x, (int, float)) or (not _sparse(x) and getattr(x, "shape", None) == ())


def _rule(name: str, keeps: Callable) -> Callable[[Callable], Callable]:
    """Declare what the op `name` does, and whether its result is sparse."""

    def declare(compute: Callable) -> Callable:
        SPARSE[name] = SparseRule(compute, keeps)
        return compute

    return declare


def _of_sparse(x: Any, *others: Any, **options: Any) -> bool:
    return _sparse(x)


# ------------------------------------------------------------------------------------ elementwise


def _of_values(op: Callable, x: Any, *args: Any, **options: Any) -> Any:
    if any(map(_sparse, tree.leaves((args, options)))):
        return NotImplemented
    indices, values, shape = active().entries(x)
    return active().sparse(indices, op(values, *args, **options), shape, True)


for _name in _ZERO_AT_ZERO:
    SPARSE[_name] = SparseRule(_of_values, _of_sparse)


def _of_both(op: Callable, x: Any, y: Any) -> Any:
    """Of two sparse tensors of one shape: at the places where either has an entry."""
    if not (_sparse(x) and _sparse(y)):
        return NotImplemented
    engine = active()
    (i, a, shape), (j, b, other) = engine.entries(x), engine.entries(y)
    if len(shape) != len(other) or any(m != n for m, n in zip(shape, other) if _known(m, n)):
        return NotImplemented
    dtype = dtypes.result_type(engine.dtype(a), engine.dtype(b))
    a, b, places = cast(a, dtype), cast(b, dtype), concatenate([i, j], 0)
    left = engine.sparse(places, concatenate([a, zeros_like(b)], 0), shape, False)
    right = engine.sparse(places, concatenate([zeros_like(a), b], 0), shape, False)
    places, a, _ = engine.entries(left)
    return engine.sparse(places, op(a, engine.entries(right)[1]), shape, True)


def _known(*sizes: Any) -> bool:
    return all(isinstance(n, int) for n in sizes)


for _name in ("add", "subtract", "maximum", "minimum"):
    SPARSE[_name] = SparseRule(_of_both, lambda x, y: _sparse(x) and _sparse(y))


@_rule("multiply", lambda x, y: _sparse(x) or _sparse(y))
def _multiply(op: Callable, x: Any, y: Any) -> Any:
    if not _sparse(x):
        x, y = y, x
    engine = active()
    indices, values, shape = engine.entries(x)
    if _is_number(y):
        return engine.sparse(indices, op(values, y), shape, True)
    y = convert_to_tensor(y, sparse=False)
    sizes = engine.shape(y)
    pairs = zip(reversed(shape), reversed(sizes))
    if len(sizes) > len(shape) or any(_known(m, n) and n not in (1, m) for m, n in pairs):
        return NotImplemented  # the result is larger
    places = clip(_flat(indices, shape), 0, math.prod(shape) - 1)
    there = take(reshape(broadcast_to(y, shape), (-1,)), places)
    return engine.sparse(indices, op(values, there), shape, True)


@_rule("divide", lambda x, y: _sparse(x) and _is_number(y))
def _divide(op: Callable, x: Any, y: Any) -> Any:
    return _of_values(op, x, y) if _sparse(x) and _is_number(y) else NotImplemented


SPARSE["true_divide"] = SPARSE["divide"]

# ------------------------------------------------------------------------------------------ shapes


def _flat(indices: Any, shape: Sequence) -> Any:
    """The places of entries as they are in one row."""
    place = zeros_like(indices[:, 0])
    for axis, size in enumerate(shape):
        place = add(multiply(place, size), indices[:, axis])
    return place


def _unflat(place: Any, shape: Sequence) -> list:
    """The columns of indices of places in one row: the inverse."""
    columns = []
    for size in shape[:0:-1]:
        columns.append(mod(place, size))
        place = floor_divide(place, size)
    return [place, *reversed(columns)]


@_rule("reshape", _of_sparse)
def _reshape(op: Callable, x: Any, newshape: Any) -> Any:
    indices, values, shape = active().entries(x)
    sizes = shape_of(newshape)
    if -1 in sizes:
        rest = math.prod(n for n in sizes if not (_known(n) and n == -1))
        sizes = tuple(math.prod(shape) // rest if _known(n) and n == -1 else n for n in sizes)
    if not shape or not sizes or (_known(*shape, *sizes) and math.prod(shape) != math.prod(sizes)):
        return NotImplemented
    columns = _unflat(_flat(indices, shape), sizes)
    return active().sparse(stack(columns, 1), values, sizes, True)


@_rule("transpose", _of_sparse)
def _transpose(op: Callable, x: Any, axes: Any = None) -> Any:
    indices, values, shape = active().entries(x)
    axes = range(len(shape))[::-1] if axes is None else [axis % len(shape) for axis in axes]
    sizes = tuple(shape[axis] for axis in axes)
    return active().sparse(take(indices, list(axes), 1), values, sizes, False)


@_rule("expand_dims", _of_sparse)
def _expand_dims(op: Callable, x: Any, axis: Any) -> Any:
    indices, values, shape = active().entries(x)
    axes = (axis,) if isinstance(axis, int) else tuple(axis)
    rank = len(shape) + len(axes)
    new, old = {axis % rank for axis in axes}, iter(range(len(shape)))
    order = [None if axis in new else next(old) for axis in range(rank)]
    columns = [zeros_like(indices[:, 0]) if i is None else indices[:, i] for i in order]
    sizes = tuple(1 if i is None else shape[i] for i in order)
    return active().sparse(stack(columns, 1), values, sizes, True)


@_rule("squeeze", _of_sparse)
def _squeeze(op: Callable, x: Any, axis: Any = None) -> Any:
    indices, values, shape = active().entries(x)
    ones = [i for i, n in enumerate(shape) if _known(n) and n == 1]
    if axis is not None:
        axes = [i % len(shape) for i in ((axis,) if isinstance(axis, int) else axis)]
        if not set(axes) <= set(ones):
            return NotImplemented  # and the op says what is wrong
        ones = axes
    kept = [i for i in range(len(shape)) if i not in ones]
    if not kept:
        return NotImplemented
    return active().sparse(take(indices, kept, 1), values, tuple(shape[i] for i in kept), True)


@_rule("concatenate", lambda xs, axis=0: axis is not None and all(map(_sparse, xs)))
def _concatenate(op: Callable, xs: Any, axis: int | None = 0) -> Any:
    if axis is None or not all(map(_sparse, xs)):
        return NotImplemented
    engine = active()
    parts = [engine.entries(x) for x in xs]
    shape, places, start = list(parts[0][2]), [], 0
    axis = axis % len(shape)
    for indices, _, sizes in parts:
        if len(sizes) != len(shape) or any(
            _known(m, n) and m != n for i, (m, n) in enumerate(zip(shape, sizes)) if i != axis
        ):
            return NotImplemented
        columns = [indices[:, i] for i in range(len(shape))]
        columns[axis] = add(columns[axis], start)
        places.append(stack(columns, 1))
        start = start + sizes[axis]
    shape[axis] = start
    dtype = dtypes.result_type(*[engine.dtype(values) for _, values, _ in parts])
    values = concatenate([cast(values, dtype) for _, values, _ in parts], 0)
    return engine.sparse(concatenate(places, 0), values, tuple(shape), False)


# -------------------------------------------------------------------------------- sums, products


@_rule("sum", lambda x, axis=None, keepdims=False: _sparse(x) and axis is not None)
def _sum(op: Callable, x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    indices, values, shape = active().entries(x)
    rank = len(shape)
    axes = range(rank) if axis is None else [axis] if isinstance(axis, int) else axis
    axes = {axis % rank for axis in axes}
    kept = [i for i in range(rank) if i not in axes]
    if not kept:
        return op(values) if not keepdims else reshape(op(values), (1,) * rank)
    places, sizes = take(indices, kept, 1), tuple(shape[i] for i in kept)
    total = active().sparse(places, op(expand_dims(values, 1), 1), sizes, False)
    return expand_dims(total, sorted(axes)) if keepdims else total


@_rule("mean", lambda x, axis=None, keepdims=False: _sparse(x) and axis is not None)
def _mean(op: Callable, x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    shape = active().entries(x)[2]
    axes = range(len(shape)) if axis is None else [axis] if isinstance(axis, int) else axis
    count = math.prod(shape[axis] for axis in axes)
    name = dtypes.floating(active().dtype(x))
    return divide(OPS["sum"](cast(x, name), axis, keepdims), cast(count, name))


@_rule("matmul", lambda x, y: False)
def _matmul(op: Callable, x: Any, y: Any) -> Any:
    engine = active()
    x, y = convert_to_tensor(x), convert_to_tensor(y)
    dtype = dtypes.result_type(engine.dtype(x), engine.dtype(y))
    if not dtypes.is_float(dtype):
        return NotImplemented
    if not _sparse(x):
        if len(engine.shape(x)) > 2 or len(y.shape) != 2:
            return NotImplemented
        found = op(transpose(y), transpose(x))
        return transpose(found) if len(engine.shape(x)) == 2 else found
    x, y = cast(x, dtype), cast(convert_to_tensor(y, sparse=False), dtype)
    shape, sizes = engine.entries(x)[2], engine.shape(y)
    if (
        len(shape) < 2
        or len(sizes) not in (1, 2)
        or (_known(shape[-1], sizes[0]) and shape[-1] != sizes[0])
    ):
        return NotImplemented
    if len(sizes) == 1:
        return squeeze(op(x, expand_dims(y, 1)), -1)
    if len(shape) == 2:
        return engine.sparse_matmul(x, y)
    found = engine.sparse_matmul(reshape(x, (-1, shape[-1])), y)
    return reshape(found, (*shape[:-1], sizes[-1]))


# ----------------------------------------------------------------------------------------- classes


def _if_asked(place: int) -> SparseRule:
    """Of an op with an argument `sparse`, which is its argument number `place`."""

    def keeps(*args: Any, sparse: Any = False, **options: Any) -> bool:
        return bool(args[place] if len(args) > place else sparse)

    return SparseRule(lambda op, *args, **options: NotImplemented, keeps)


SPARSE.update(one_hot=_if_asked(4), multi_hot=_if_asked(4), bincount=_if_asked(3))


def sparse_one_hot(x: Any, count: int, axis: int, dtype: Any, weights: Any = None) -> Any:
    """A sparse `one_hot`.

    Args:
        x: tensor of classes; those outside of [0, count) have no entry but 0.
        count: length of the new axis.
        axis: its position.
        dtype: of the result.
        weights: tensor of x's shape to stand for 1; None: ones.
    """
    engine = active()
    shape = tuple(engine.shape(x))
    classes = cast(reshape(x, (-1,)), "int32")
    valid = logical_and(less_equal(0, classes), less(classes, count))
    values = cast(valid, dtype)
    if weights is not None:
        values = multiply(values, cast(reshape(weights, (-1,)), dtype))
    places = engine.arange(0, math.prod(shape), 1, "int32")
    columns = _unflat(places, shape) if shape else []
    axis = axis % (len(shape) + 1)
    columns.insert(axis, where(valid, classes, 0))
    sizes = (*shape[:axis], count, *shape[axis:])
    return engine.sparse(stack(columns, 1), values, sizes, axis == len(shape))
