"""`compile` on TensorFlow: a `tf.function` that reads the handles, computes and assigns.

Loops of a step's own (a recurrent layer over time) go through XLA, which runs an LSTM's training
twice as fast as TensorFlow's executor runs it.  Windows do not, for XLA's convolutions on a CPU are
several times slower than oneDNN's; nor do draws, which XLA makes otherwise from the same key.
"""

from __future__ import annotations

import builtins as py
import functools
import logging
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tricorn import tree
from tricorn.engines import common
from tricorn.engines.tensorflow.primitives import dtype
from tricorn.engines.tensorflow.sparse import is_sparse
from tricorn.engines.tensorflow.transforms import _specs

_log = logging.getLogger("tricorn.tensorflow")
_LOOPS = frozenset(("While", "StatelessWhile"))
_WINDOWS = ("Conv", "Depthwise", "MaxPool", "AvgPool")


def compile(fn: Callable, loop: bool, jit: bool | None = None) -> Callable:
    if not loop:
        return _Compiled(fn, jit=jit)
    steps = _Compiled(functools.partial(repeated, fn), loops=1, jit=jit)

    def run(handles: list, start: int, stop: int, *args: Any) -> tuple[Any, list]:
        common.check_bounds(start, stop)
        return steps(handles, np.int32(start), np.int32(stop), *args)

    return run


class _Compiled:
    """``run(handles, *args) -> (result, handles)``.

    Args:
        fn: ``fn(state, *args) -> (result, state)``.
        loops: how many loops it has that are not a step's own.
        jit: whether XLA compiles it; None: where it is faster.
    """

    def __init__(self, fn: Callable, loops: int = 0, jit: bool | None = None) -> None:
        self.fn, self.loops, self.jit = fn, loops, jit
        self.handles: list = []
        self.compiled: Any = None

    def __call__(self, handles: list, *args: Any) -> tuple[Any, list]:
        leaves, structure = tree.take_apart(args)
        leaves = [x if is_sparse(x) else tf.convert_to_tensor(x) for x in leaves]
        if self.compiled is None or py.any(a is not b for a, b in zip(handles, self.handles)):
            self.handles = list(handles)
            return self._first(structure, leaves), handles
        return self.compiled(structure, *leaves), handles

    def _first(self, structure: Any, leaves: list) -> Any:
        """Choose how to compile by what is computed, and run it."""
        self.compiled = tf.function(self.traced, autograph=False, jit_compile=self.jit or None)
        if self.jit is not None:
            return self.compiled(structure, *leaves)
        if self._has_loops(self.compiled.get_concrete_function(structure, *leaves).graph):
            fused = tf.function(self.traced, autograph=False, jit_compile=True)
            try:
                result = fused(structure, *leaves)
                self.compiled = fused
                return result
            except tf.errors.OpError as error:  # XLA lacks something; nothing has run yet
                _log.debug("a step is not compiled by XLA: %s", error)
        return self.compiled(structure, *leaves)

    def _has_loops(self, graph: tf.Graph) -> bool:
        """Whether a step has loops of its own, no windows and no draws."""
        definition = graph.as_graph_def()
        kinds = [node.op for node in definition.node]
        for function in definition.library.function:
            kinds += [node.op for node in function.node_def]
        loops = [kind for kind in kinds if kind in _LOOPS]
        kept = [k for k in kinds if k.startswith(_WINDOWS) or "Random" in k]
        return len(loops) > self.loops and not kept

    def traced(self, structure: Any, *leaves: tf.Tensor) -> Any:
        state = [handle.value() for handle in self.handles]
        result, after = self.fn(list(state), *tree.unflatten(structure, list(leaves)))
        assigned = changes(self.handles, state, after)
        # all or nothing: an operation that fails does so before the first is assigned
        with tf.control_dependencies([*tree.leaves(result), *(value for _, value in assigned)]):
            for handle, value in assigned:
                handle.assign(value)
        return result


def repeated(fn: Callable, state: list, start: Any, stop: Any, *args: Any) -> tuple[Any, list]:
    """``fn(state, i, *args)`` for i in [start, stop): (the last result, the state after)."""
    structure: Any = None
    moving: list[int] = []

    def once(i: tf.Tensor) -> list:
        nonlocal structure
        result, after = fn(list(state), i, *args)
        moving[:] = [k for k, _ in changes(range(len(state)), state, after)]
        out, structure = tree.take_apart(result)
        return [tf.convert_to_tensor(x) for x in out]

    specs = _specs(once, [start])

    def body(i: tf.Tensor, _: list, values: list) -> tuple:
        now = list(state)
        for k, value in zip(moving, values):
            now[k] = value
        result, after = fn(list(now), i, *args)
        out = [tf.convert_to_tensor(x) for x in tree.leaves(result)]
        return i + 1, out, [after[k] for k in moving]

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
