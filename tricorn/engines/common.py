"""What several engines do alike: version checks, resampling weights, mapped axes, slices."""

from __future__ import annotations

import builtins as py
import contextlib
import functools
import importlib
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from tricorn import tree
from tricorn.engines.contract import EngineError

# ----------------------------------------------------------------------------------- the framework


def _numbers(version: str) -> list[int]:
    """The numbers of a version, without what it is a build or a preview of."""
    return [int(n) for n in re.match(r"(\d+(\.\d+)*)?", version)[0].split(".") if n]  # type: ignore[index]


@contextlib.contextmanager
def private_parts(library: str, found: str, supported: tuple[str, str], pip: str) -> Iterator[None]:
    """A block that imports parts of a library which are not public.

    Args:
        library: its name.
        found: the version that is installed.
        supported: the first version that the engine works with, and the first that it does not.
        pip: what to install for one that works.

    Raises:
        EngineError: for another version, and where a part is not found.
    """
    least, below = supported
    wanted = f"{library}>={least},<{below}"
    remedy = f"the engine uses parts of it that are not public. Install {wanted}: "
    remedy += f'pip install "{pip if "[" in pip else wanted}"'
    if not _numbers(least) <= _numbers(found) < _numbers(below):
        raise EngineError(f"{library} {found} is installed, {wanted} is supported; {remedy}")
    try:
        yield
    except (ImportError, AttributeError) as error:
        raise EngineError(f"{library} {found} is not as expected ({error}); {remedy}") from error


# ------------------------------------------------------------------------------------ resampling


def _triangle(x: np.ndarray) -> np.ndarray:
    return np.maximum(0, 1 - x)


def _cubic(x: np.ndarray) -> np.ndarray:
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x < 1, near, np.where(x < 2, far, 0))


def _lanczos(radius: int) -> Callable[[np.ndarray], np.ndarray]:
    return lambda x: np.where(x < radius, np.sinc(x) * np.sinc(x / radius), 0)


_FILTERS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "bilinear": _triangle,
    "bicubic": _cubic,
    "lanczos3": _lanczos(3),
    "lanczos5": _lanczos(5),
}


@functools.lru_cache(maxsize=64)
def resampling_weights(length: int, wanted: int, method: str, antialias: bool) -> np.ndarray:
    """The matrix (wanted, length) that resamples an axis, with half-pixel centres.

    Each row is the filter around one output position, cut off at the edges and brought to the sum
    1.  `bicubic` is Keys' cubic with a = -1/2.  With `antialias` the filter is widened when
    shrinking.

    Source: R. Keys, Cubic convolution interpolation for digital image processing, 1981.
    """
    ratio = length / wanted
    place = (np.arange(wanted) + 0.5) * ratio - 0.5
    distance = np.abs(place[:, None] - np.arange(length))
    weights = _FILTERS[method](distance / (max(ratio, 1.0) if antialias else 1.0))
    return weights / weights.sum(1, keepdims=True)


def nearest_positions(length: int, wanted: int) -> np.ndarray:
    """For each of `wanted` outputs the input position under its centre (int32)."""
    place = np.floor((np.arange(wanted) + 0.5) * (length / wanted))
    return np.minimum(place, length - 1).astype(np.int32)


# ------------------------------------------------------------------------------------------ axes


def padded_positions(length: int, pads: tuple[int, int], mode: str) -> np.ndarray:
    """For each position of a padded axis the one it repeats; mode 'reflect' or 'symmetric'."""
    filler: Any = mode
    return np.pad(np.arange(length, dtype=np.int32), pads, filler)


def mapped_axes(axes: Any, value: Any) -> list[int | None]:
    """The axis for every leaf of `value`, from one for all or a tree that begins like it."""
    if axes is None or isinstance(axes, int):
        return [axes] * len(tree.leaves(value))
    if isinstance(axes, dict):
        return [axis for key in sorted(axes) for axis in mapped_axes(axes[key], value[key])]
    return [a for part, child in zip(axes, value, strict=True) for a in mapped_axes(part, child)]


def forward_slices(key: tuple, shape: Sequence[int]) -> tuple[tuple, tuple[int, ...]]:
    """Basic indexing without negative steps: (an equal key with positive steps, the axes of its
    result that are to be reversed then)."""
    taken = py.sum(k is not None and k is not Ellipsis for k in key)
    if Ellipsis not in key:
        key = (*key, Ellipsis)
    result: list[Any] = []
    reverse: list[int] = []
    source = place = 0
    for k in key:
        if k is Ellipsis:
            rest = len(shape) - taken
            source, place = source + rest, place + rest
        elif k is None:
            place += 1
        elif isinstance(k, py.slice):
            if k.step is not None and k.step < 0:
                run = range(*k.indices(shape[source]))
                k = py.slice(run[-1], run[0] + 1, -k.step) if run else py.slice(0, 0)
                reverse.append(place)
            source, place = source + 1, place + 1
        else:
            source += 1
        result.append(k)
    return tuple(result), tuple(reverse)


def has_negative_step(key: tuple) -> bool:
    """Whether a basic-indexing key runs backwards somewhere."""
    return py.any(isinstance(k, py.slice) and (k.step or 1) < 0 for k in key)


# ------------------------------------------------------------------------------------- gradients


def flat_gradients(structure: Any, grads: Sequence) -> list:
    """The gradients of the leaves of `structure`, a tuple of arguments, from one tree (or None) for
    each argument."""
    flat: list = []
    for child, grad in zip(structure.children, grads, strict=True):
        flat += [None] * child.count if grad is None else tree.leaves(grad)
    return flat


# --------------------------------------------------------------------------------- compiled steps


def no_strings(engine: str) -> str:
    """What is said where strings would be tensors."""
    return (
        f"the engine {engine!r} has no tensors of strings: keep them in NumPy arrays and give them "
        "to layers of text (StringLookup, TextVectorization, Hashing) before the model or in its "
        'data pipeline; the engine "tensorflow" takes them inside of a model'
    )


def check_bounds(start: int, stop: int) -> None:
    """Refuse a compiled loop without a step."""
    if stop <= start:
        raise ValueError(f"compile: there is no step from {start} to {stop}")


def separate(x: Any, taken: set, place: Callable[[Any], Any], copied: Callable[[Any], Any]) -> Any:
    """A result of a compiled step with memory of its own: `x`, or a copy of it.

    Args:
        taken: the places of what else there is; that of the result is added.
        place: gives what tensors that share memory have in common.
        copied: gives a copy of a tensor.
    """
    if place(x) in taken:
        x = copied(x)
    taken.add(place(x))
    return x


def assigned(
    state: Sequence, after: Sequence, described: Callable[[Any], tuple[str, tuple]]
) -> list[int]:
    """The places in the state of a compiled step of what the step assigned.

    Args:
        state, after: the tensors before and after it; the same object where nothing was assigned.
        described: gives a tensor's (dtype, shape), with None for lengths that are not known.

    Raises:
        ValueError: for a new value of another shape or dtype.
    """
    found = []
    for i, (old, new) in enumerate(zip(state, after, strict=True)):
        if new is old:
            continue
        (kind, shape), (now, sizes) = described(old), described(new)
        fits = len(shape) == len(sizes) and py.all(
            m == n or m is None or n is None for m, n in zip(shape, sizes)
        )
        if kind != now or not fits:
            raise ValueError(
                f"compile: entry {i} of the state is {kind} {shape}, it was assigned {now} {sizes}"
            )
        found.append(i)
    return found


def foreign(engine: str, module: str) -> Callable[[str], Any]:
    """The primitive `foreign` of an engine that has a module for the framework of its own name.

    Args:
        engine: the engine's name.
        module: full name of the module; "": it has none.
    """

    def foreign(framework: str) -> Any:
        if module and framework == engine:
            return importlib.import_module(module)
        raise EngineError(
            f"this layer runs programs of {framework}, so it needs the engine {framework!r}; the "
            f"engine is {engine!r}: call set_engine({framework!r}) first"
        )

    return foreign


def along_one(kernel: Callable) -> Callable:
    """A kernel ``(x, axis)`` in the place of an op that also takes several axes, and warns of an
    axis of length 1."""

    def run(x: Any, axis: Any = -1) -> Any:
        inside = isinstance(axis, int) and -len(x.shape) <= axis < len(x.shape)
        return kernel(x, axis) if inside and x.shape[axis] != 1 else NotImplemented

    return run


def in_equal_parts(kernel: Callable) -> Callable:
    """The op `split` by ``kernel(x, parts, axis)``, where a few equal parts are asked for: its
    gradient joins them once, those of as many slices are each as large as x."""

    def run(x: Any, indices_or_sections: Any, axis: Any = 0) -> Any:
        parts = indices_or_sections
        if type(parts) is not int or not 0 < parts <= 16 or type(axis) is not int:
            return NotImplemented
        if not -len(x.shape) <= axis < len(x.shape):
            return NotImplemented
        length = x.shape[axis]  # None: known when it runs
        whole = length is None or (length and not length % parts)
        return list(kernel(x, parts, axis)) if whole else NotImplemented

    return run


# ---------------------------------------------------------------------------------------- random


def hashed(first: Any, second: Any, counters: Any, xor: Callable, right: Callable) -> Any:
    """Random 32-bit patterns, a pure function of a key's two words and of the counters.

    That of counter i is ``mix(a + k1) ^ a`` with ``a = mix(i ^ k0)``, where ``mix`` is a bijective
    32-bit finalizer (xor-shift, multiply; C. Wellons' search, bias below 0.11) and (k0, k1) are the
    key's words mixed together, so that neighbouring seeds or counters share nothing. The xor of two
    permutations makes it a function with the collisions of chance. Not cryptographic; a key serves
    arrays of up to 2**32 elements.

    Args:
        first, second, counters: unsigned numbers of 32 bits.
        xor, right: the framework's operations on them.
    """

    def mix(h: Any) -> Any:
        h = xor(h, right(h, np.uint32(16))) * np.uint32(0x21F0AAAD)
        h = xor(h, right(h, np.uint32(15))) * np.uint32(0xD35A2D97)
        return xor(h, right(h, np.uint32(15)))

    k0 = mix(first + mix(xor(second, np.uint32(0x9E3779B9))))
    k1 = mix(second + mix(k0))
    a = mix(xor(counters, k0))
    return xor(mix(a + k1), a)
