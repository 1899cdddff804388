"""Control flow and gradients of functions; most of the work is done in
`tricorn.graph.transforms`."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Collection
from typing import Any

import numpy as np

from tricorn import tree
from tricorn.engines import active
from tricorn.graph.transforms import (
    cond,
    custom_gradient,
    fori_loop,
    jvp,
    map,
    scan,
    stop_gradient,
    switch,
    vectorized_map,
    while_loop,
)
from tricorn.ops.arrays import (
    broadcast_to,
    concatenate,
    convert_to_tensor,
    flip,
    moveaxis,
    reshape,
    take,
)


def associative_scan(f: Callable, elems: Any, reverse: bool = False, axis: int = 0) -> Any:
    """Running results of an associative operation: e₁, f(e₁, e₂), f(f(e₁, e₂), e₃), ...

    Pairs are combined at once, then pairs of pairs: about 2 log₂ n calls of `f`.
    Source: G. E. Blelloch, Prefix sums and their applications, 1990.

    Args:
        f: ``f(a, b)`` of trees like `elems`, whose tensors have any length along `axis`; it works
            element by element along it.
        elems: tree of tensors with one length along `axis`.
        reverse: from the last to the first.
        axis: along which.

    Returns:
        tree like `elems`.

    Raises:
        ValueError: when the lengths differ, or are not known.

    Example:
        >>> keras.ops.associative_scan(lambda a, b: a + b, np.array([1, 2, 3], "int32"))
        Array([1, 3, 6], dtype=int32)
    """
    leaves, structure = tree.take_apart(elems)
    xs = [moveaxis(x, axis, 0) for x in leaves]
    xs = [flip(x, 0) for x in xs] if reverse else xs
    lengths = {x.shape[0] for x in xs}
    if len(lengths) != 1 or None in lengths:
        raise ValueError(
            f"associative_scan: inputs must have the same length along the axis {axis}, and a "
            f"known one; got the shapes {[tuple(x.shape) for x in leaves]}"
        )

    def combined(first: list, second: list) -> list:
        pair = ([moveaxis(x, 0, axis) for x in part] for part in (first, second))
        found = f(*(tree.unflatten(structure, part) for part in pair))
        return [moveaxis(x, axis, 0) for x in tree.leaves(found)]

    def run(xs: list) -> list:
        count = xs[0].shape[0]
        if count < 2:
            return xs
        odd = run(combined([x[:-1:2] for x in xs], [x[1::2] for x in xs]))
        parts = [[x, y[:1]] for x, y in zip(odd, xs)]  # results 1, 3, 5 ..., then 0, 2, 4 ...
        if count > 2:
            before = [x[: (count - 1) // 2] for x in odd]
            even = combined(before, [x[2::2] for x in xs])
            parts = [[*part, x] for part, x in zip(parts, even)]
        places = [i // 2 if i % 2 else count // 2 + i // 2 for i in range(count)]
        return [take(concatenate(part, 0), places, 0) for part in parts]

    found = [flip(x, 0) for x in run(xs)] if reverse else run(xs)
    return tree.unflatten(structure, [moveaxis(x, 0, axis) for x in found])


def vectorize(
    pyfunc: Callable, *, excluded: Collection | None = None, signature: str | None = None
) -> Callable:
    """A function that applies `pyfunc` to every element of its arguments, which broadcast.

    Args:
        pyfunc: function of scalar tensors, or of tensors as `signature` says, that gives one tensor
            or a tuple of them.
        excluded: positions and names of arguments that are passed on as they are; others given by
            name are too.
        signature: the axes that `pyfunc` gets and gives, by name: "(m,n),(n)->(m)"; None: none.

    Returns:
        function of tensors.  Its results have the axes that the arguments broadcast to, then those
        that `pyfunc` gives.

    Raises:
        ValueError: when `pyfunc` cannot be called, and for a wrong signature; by the function: when
            arguments do not fit it.

    Example:
        >>> add = keras.ops.vectorize(lambda x, y: x + y)
        >>> add(np.array([1, 2], "int32"), np.array([10, 20], "int32"))
        Array([11, 22], dtype=int32)
    """
    if not callable(pyfunc):
        raise ValueError(f"vectorize: Expected argument `pyfunc` to be a callable, got {pyfunc!r}")
    kept = set(excluded or ())
    inputs = None if signature is None else _core_axes(signature)

    @functools.wraps(pyfunc)
    def mapped(*args: Any, **kwargs: Any) -> Any:
        places = [i for i in range(len(args)) if i not in kept]
        axes = [()] * len(places) if inputs is None else inputs
        if len(axes) != len(places):
            raise ValueError(
                f"vectorize: the signature {signature!r} is of {len(axes)} arguments, got "
                f"{len(places)}"
            )
        given = {i: names for i, names in zip(places, axes) if args[i] is not None}
        xs = [convert_to_tensor(args[i]) for i in given]
        shapes = [tuple(active().shape(x)) for x in xs]
        cores = _core_shapes(shapes, list(given.values()), signature)
        outer = [shape[: len(shape) - len(core)] for shape, core in zip(shapes, cores)]
        common = np.broadcast_shapes(*outer)

        def one(row: list) -> Any:
            now = {**dict(enumerate(args)), **dict(zip(given, row))}
            return pyfunc(*now.values(), **kwargs)

        wide = [broadcast_to(x, (*common, *core)) for x, core in zip(xs, cores)]
        found = vectorized_map(one, [reshape(x, (-1, *core)) for x, core in zip(wide, cores)])
        return tree.map(lambda y: reshape(y, (*common, *active().shape(y)[1:])), found)

    return mapped


def _core_axes(signature: str) -> list[tuple[str, ...]]:
    """The names of axes of each argument in a signature like "(m,n),(n)->(m)"."""
    group = r"\(\s*(?:\w+(?:\s*,\s*\w+)*)?\s*\)"
    several = rf"\s*{group}(?:\s*,\s*{group})*\s*"
    if not re.fullmatch(f"{several}->{several}", signature):
        raise ValueError(f"vectorize: not a signature like '(m,n),(n)->(m)': {signature!r}")
    return [tuple(re.findall(r"\w+", g)) for g in re.findall(group, signature.split("->")[0])]


def _core_shapes(shapes: list, inputs: list, signature: str | None) -> list[tuple]:
    """The last lengths of each shape, those that a signature names; one name means one length."""
    cores = [shape[len(shape) - len(names) :] for shape, names in zip(shapes, inputs)]
    sizes: dict[str, int] = {}
    for shape, core, names in zip(shapes, cores, inputs):
        if len(shape) < len(names):
            raise ValueError(f"vectorize: the shape {shape} has no axes {names} of {signature!r}")
        for name, size in zip(names, core):
            if sizes.setdefault(name, size) != size:
                raise ValueError(
                    f"vectorize: {name!r} in {signature!r} is both {sizes[name]} and {size}"
                )
    return cores


__all__ = [
    "associative_scan", "cond", "custom_gradient", "fori_loop", "jvp", "map", "scan",
    "stop_gradient", "switch", "vectorize", "vectorized_map", "while_loop",
]  # fmt: skip
