"""The tape of the TensorFlow engine: `tf.GradientTape`."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from tricorn.engines.tensorflow.private import record


class Tape:
    """The contract's tape.

    Variables are watched by the tensors that are read of them, so TensorFlow's own watching of
    variables is off; and whether it is used once is not TensorFlow's to see to.
    """

    def __init__(self) -> None:
        self._recording = False
        self._tape = self._new()

    def _new(self) -> tf.GradientTape:
        return tf.GradientTape(persistent=True, watch_accessed_variables=False)

    def clear(self) -> None:
        if self._recording:
            self._tape.reset()
        else:
            self._tape = self._new()

    def start(self) -> None:
        self._tape.__enter__()
        self._recording = True

    def stop(self) -> None:
        self._tape.__exit__(None, None, None)
        self._recording = False

    pause = stop

    def watch(self, x: tf.Tensor) -> tf.Tensor:
        self._tape.watch(x)
        return x

    def recorded(self, x: tf.Tensor) -> bool:
        with contextlib.nullcontext() if self._recording else self._tape:
            return record.should_record_backprop([x])

    def gradient(
        self, targets: list, sources: list, cotangents: Any, batched: bool
    ) -> list[tf.Tensor | None]:
        if not batched:
            if not all(c is None for c in cotangents):
                pairs = zip(targets, cotangents)
                cotangents = [tf.ones_like(x) if c is None else c for x, c in pairs]
            else:
                cotangents = None
            found = self._tape.gradient(targets, sources, cotangents)
            return [None if g is None else tf.convert_to_tensor(g) for g in found]  # sparse ones
        with record.stop_recording():
            rows = [c[0] for c in cotangents]
            once = self._tape.gradient(targets, sources, rows)
        connected = [x for x, g in zip(sources, once) if g is not None]
        if not connected:
            return list(once)

        def one(rows: Sequence) -> list[tf.Tensor]:
            return list(map(tf.convert_to_tensor, self._tape.gradient(targets, connected, rows)))

        grads = iter(tf.vectorized_map(one, cotangents))
        return [None if g is None else next(grads) for g in once]


def tape(persistent: bool) -> Tape:
    return Tape()
