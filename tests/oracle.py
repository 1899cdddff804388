"""Genuine Keras 3 on JAX, and how its numbers are compared with ours."""

from __future__ import annotations

import collections
import functools
from collections.abc import Callable

import jax
import keras
import numpy as np
import pytest

import tricorn
from tricorn.engines import active
from tricorn.graph.calls import set_mask
from tricorn.graph.scope import Scope

#: for functions of a case that ask Keras alone: what it says is the same for every engine
cached = functools.cache


def first_of_each(cases: list, kind: Callable, most: int = 1) -> list:
    """The cases, of which the first `most` of a kind are for everybody, the others heavy."""
    seen: collections.Counter = collections.Counter()
    found = []
    for case in cases:
        seen[kind(case)] += 1
        marks = [pytest.mark.heavy] if seen[kind(case)] > most else []
        found.append(pytest.param(case, marks=marks))
    return found


def quick(fn: Callable) -> Callable:
    """`fn` of tensors as one program where single operations would be compiled, too (JAX)."""
    return jax.jit(fn) if active().name == "jax" else fn


def program(lib, fn: Callable) -> Callable:
    """`fn` of tensors with a library's layers; one program where single operations would be
    compiled one by one (JAX).  What it assigns is forgotten."""

    def run(*args):
        with keras.StatelessScope() if lib is keras else Scope():
            return fn(*args)

    return jax.jit(run) if lib is keras else quick(run)


def filled(grads: list, values: list) -> list:
    """Gradients with zeros where a result does not depend on a value: JAX cannot tell, and gives
    them; other engines give None."""
    return [np.zeros_like(v) if g is None else g for g, v in zip(grads, values, strict=True)]


def masked(lib, x, mask=None) -> object:
    """`x` as a tensor of a library's, with a mask that travels with it."""
    x = lib.ops.convert_to_tensor(x)
    if mask is not None:
        mask = lib.ops.convert_to_tensor(mask)
        (set_mask if lib is tricorn else keras.src.backend.set_keras_mask)(x, mask)
    return x


def array(x) -> np.ndarray:
    """A tensor of any engine, one that is being differentiated too, as a NumPy array."""
    return tricorn.ops.convert_to_numpy(x)


def close(ours, theirs, rtol: float = 1e-5) -> None:
    """max|a - b| <= rtol · max|b|, tensor by tensor."""
    a, b = (array(x).astype(np.float64) for x in (ours, theirs))
    assert a.shape == b.shape, f"shapes {a.shape} and {b.shape}"
    scale = np.abs(b).max() if b.size else 0.0
    worst = np.abs(a - b).max() if b.size else 0.0
    assert worst <= rtol * max(scale, 1e-30) + 1e-30, f"differ by {worst}, scale {scale}"


def both(build) -> tuple:
    """`build(library)` made with Tricorn and with Keras, with equal weights."""
    ours, theirs = build(tricorn), build(keras)
    theirs.set_weights(ours.get_weights())
    return ours, theirs


def same_history(ours, theirs, rtol: float = 1e-4) -> None:
    """Equal names, and equal values within the drift of some dozen float32 steps."""
    assert sorted(ours.history) == sorted(theirs.history)
    for name, values in theirs.history.items():
        close(ours.history[name], values, rtol)
