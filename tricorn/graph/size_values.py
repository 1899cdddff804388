"""What sizes of tensors are as numbers: computed without an engine, or tried out."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from tricorn import tree
from tricorn.engines.abstract import AbstractTensor
from tricorn.graph.symbolic import SymbolicTensor

#: what is done to sizes without an engine, by the name of the op
HOST: dict[str, Callable] = {
    "add": operator.add,
    "concatenate": np.concatenate,
    "floor_divide": operator.floordiv,
    "get_item": operator.getitem,
    "maximum": max,
    "minimum": min,
    "mod": operator.mod,
    "multiply": operator.mul,
    "negative": operator.neg,
    "prod": functools.partial(np.prod, dtype=np.int32),
    "stack": np.stack,
    "subtract": operator.sub,
}


def is_shape(x: Any) -> bool:
    """Whether a symbolic tensor of ours is the shape of another, as `sizes` gives it."""
    node = x.node if type(x) is SymbolicTensor else None
    return node is not None and hasattr(node.operation, "op") and node.operation.__name__ == "sizes"


def is_size(x: Any) -> bool:
    """Whether a symbolic tensor of ours is a size, or computed from sizes by what `HOST` knows."""
    stack = [x]
    while stack:
        tensor = stack.pop()
        if type(tensor) is not SymbolicTensor or tensor.dtype != "int32" or tensor.node is None:
            return False
        if is_shape(tensor):
            continue
        name = getattr(tensor.node.operation, "__name__", None)
        if name not in HOST or not tensor.node.inputs:
            return False
        stack += tensor.node.inputs
    return True


def tried_out(run: Callable, arguments: tuple) -> Any:
    """What ``run(args, kwargs)`` gives when lengths are tried out in the place of those that are
    not known: results whose lengths are known where the tries agree.

    Args:
        run: gives a tree of abstract tensors.
        arguments: (args, kwargs), with abstract tensors and sizes among them.

    Returns:
        None when no length is unknown, or when nothing was found.
    """
    leaves = [x for x in tree.leaves(arguments) if hasattr(x, "shape")]
    if not any(None in x.shape or is_size(x) for x in leaves):
        return None
    # what many strides and splits divide, else a length that has to be that of something else; and
    # a short one, where a result is as long as the shorter of two
    found = [_on_length(n, run, arguments) for n in (24, 48)]
    others = {1} if None not in found else {1, *(n for x in leaves for n in x.shape if n)}
    found += [_on_length(n, run, arguments) for n in sorted(others)]
    found = [x for x in found if x is not None]
    if not found or len({str(tree.map(_rank, x)) for x in found}) > 1:
        return None
    return functools.reduce(lambda x, y: tree.map(_agreed, x, y), found)


def _rank(x: Any) -> Any:
    return len(x.shape) if isinstance(x, AbstractTensor) else x


def _on_length(length: int, run: Callable, arguments: tuple) -> Any:
    """What `run` gives if every length that is not known were `length`, None when it fails."""

    def known(x: Any) -> Any:
        if is_size(x):
            return _number(x, length)
        if not isinstance(x, AbstractTensor):
            return x
        return AbstractTensor(tuple(length if n is None else n for n in x.shape), x.dtype)

    args, kwargs = tree.map(known, arguments)
    try:
        return run(args, kwargs)
    except (ArithmeticError, LookupError, TypeError, ValueError):
        return None


def _number(x: Any, length: int) -> Any:
    """What the size `x` would be if every length that is not known were `length`."""
    node = x.node
    if is_shape(x):
        return np.array([length if n is None else n for n in node.args[0].shape], np.int32)
    args, kwargs = tree.map(
        lambda leaf: _number(leaf, length) if type(leaf) is SymbolicTensor else leaf,
        (node.args, node.kwargs),
    )
    return HOST[node.operation.__name__](*args, **kwargs)


def _agreed(x: Any, y: Any) -> Any:
    """The lengths in which two results agree."""
    if not isinstance(x, AbstractTensor):
        return x
    return AbstractTensor(tuple(m if m == n else None for m, n in zip(x.shape, y.shape)), x.dtype)
