"""`compile` on TensorFlow: a `tf.function` that reads the handles, computes and assigns.

XLA compiles a step only when the user says so (`jit`): a whole step takes it seconds, its
convolutions on a CPU are several times slower than oneDNN's, and it draws otherwise from the same
key.  Where it pays, parts of a step go through it: large updates (`windows.py`) and the loops over
time of ops that have gradients of their own (`transforms.py`): what only the derivative needs of a
loop cannot leave what XLA compiled.
"""

from __future__ import annotations

import builtins as py
import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tricorn import tree
from tricorn.engines import common
from tricorn.engines.tensorflow.primitives import dtype
from tricorn.engines.tensorflow.sparse import is_sparse
from tricorn.engines.tensorflow.transforms import without_xla


def compile(fn: Callable, loop: bool, jit: bool | None = None) -> Callable:
    if not loop:
        return _Compiled(fn, jit)
    steps = _Compiled(functools.partial(repeated, fn), jit)

    def run(handles: list, start: int, stop: int, *args: Any) -> tuple[Any, list]:
        common.check_bounds(start, stop)
        return steps(handles, np.int32(start), np.int32(stop), *args)

    return run


class _Compiled:
    """``run(handles, *args) -> (result, handles)``.

    Args:
        fn: ``fn(state, *args) -> (result, state)``.
        jit: whether XLA compiles it; None: only ops for which it pays.
    """

    def __init__(self, fn: Callable, jit: bool | None) -> None:
        self.fn, self.jit = fn, jit
        self.handles: list = []
        self.compiled: Any = None

    def __call__(self, handles: list, *args: Any) -> tuple[Any, list]:
        leaves, structure = tree.take_apart(args)
        leaves = [x if is_sparse(x) else tf.convert_to_tensor(x) for x in leaves]
        if self.compiled is None or py.any(a is not b for a, b in zip(handles, self.handles)):
            self.handles = list(handles)
            self.compiled = tf.function(self.traced, autograph=False, jit_compile=self.jit or None)
        return self.compiled(structure, *leaves), handles

    def traced(self, structure: Any, *leaves: tf.Tensor) -> Any:
        state = [handle.value() for handle in self.handles]
        token = without_xla.set(self.jit is False)
        try:
            result, after = self.fn(list(state), *tree.unflatten(structure, list(leaves)))
        finally:
            without_xla.reset(token)
        assigned = changes(self.handles, state, after)
        # all or nothing: an operation that fails does so before the first is assigned
        with tf.control_dependencies([*tree.leaves(result), *(value for _, value in assigned)]):
            for handle, value in assigned:
                handle.assign(value)
        return result


def repeated(fn: Callable, state: list, start: Any, stop: Any, *args: Any) -> tuple[Any, list]:
    """``fn(state, i, *args)`` for i in [start, stop): (the last result, the state after).

    A step is traced once, as a function that the loop's body calls: what it gives must be known
    before the loop is made.  TensorFlow puts the function's operations in the place of the call.
    """
    structure: Any = None
    moving: list[int] = []

    @tf.function(autograph=False)
    def once(i: tf.Tensor, *now: tf.Tensor) -> list:
        nonlocal structure
        result, after = fn(list(now), i, *args)
        moving[:] = [k for k, _ in changes(range(len(now)), list(now), after)]
        out, structure = tree.take_apart(result)
        return [tf.convert_to_tensor(x) for x in [*out, *(after[k] for k in moving)]]

    step = once.get_concrete_function(*(tf.TensorSpec(x.shape, x.dtype) for x in (start, *state)))

    def body(i: tf.Tensor, _: list, values: list) -> tuple:
        now = list(state)
        for k, value in zip(moving, values):
            now[k] = value
        found = step(i, *now)
        return i + 1, found[: len(found) - len(moving)], found[len(found) - len(moving) :]

    specs = step.outputs[: len(step.outputs) - len(moving)]
    nothing = [tf.zeros(spec.shape, spec.dtype) for spec in specs]
    first = start, nothing, [state[k] for k in moving]
    _, out, values = tf.while_loop(lambda i, *_: i < stop, body, first, parallel_iterations=1)
    after = list(state)
    for k, value in zip(moving, values):
        after[k] = value
    return tree.unflatten(structure, list(out)), after


def changes(names: Sequence, state: list, after: list) -> list[tuple[Any, tf.Tensor]]:
    """(name, new value) of the entries of a state that were assigned."""
    found = common.assigned(state, after, lambda x: (dtype(x), tuple(x.shape)))
    return [(names[i], after[i]) for i in found]
