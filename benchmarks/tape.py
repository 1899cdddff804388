"""A tape's pass over 32 operations, and a training step of a small network, by `GradientTape` on
each engine beside TensorFlow's own tape, in one process and by turns.

    python benchmarks/tape.py [--rounds N]

A round times each once; the figures are the median time and the median of the ratios within the
rounds to TensorFlow's tape, run by hand.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf

import tricorn as keras
from tricorn import ops
from tricorn.engines import known

RNG = np.random.default_rng(0)
X = RNG.normal(size=(128, 64)).astype("float32")
Y = RNG.normal(size=(128, 10)).astype("float32")
ROUNDS, CALLS = 21, 5


def chain(engine: str) -> Callable:
    """32 multiplications of a vector of 3, forward and backward."""
    with keras.engine(engine):
        x = ops.convert_to_tensor(np.ones(3, "float32"))

    def run() -> float:
        with keras.engine(engine):
            with keras.GradientTape() as tape:
                y = tape.watch(x)
                for _ in range(32):
                    y = ops.multiply(y, 1.01)
            return float(ops.convert_to_numpy(tape.gradient(y, x))[0])

    return run


def chain_by_hand() -> float:
    x = tf.ones(3)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = x
        for _ in range(32):
            y = tf.multiply(y, 1.01)
    return float(tape.gradient(y, x)[0])


def step(engine: str) -> Callable:
    """Two dense layers on a batch of 128: forward, loss and gradients."""
    keras.utils.set_random_seed(0)
    layers = keras.layers
    model = keras.Sequential([keras.Input((64,)), layers.Dense(64, "relu"), layers.Dense(10)])
    with keras.engine(engine):
        x, y = ops.convert_to_tensor(X), ops.convert_to_tensor(Y)

    def run() -> float:
        with keras.engine(engine):
            with keras.GradientTape() as tape:
                loss = ops.mean(ops.square(model(x, training=True) - y))
            return float(
                ops.convert_to_numpy(tape.gradient(loss, model.trainable_variables)[0])[0, 0]
            )

    return run


def step_by_hand() -> Callable:
    keras.utils.set_random_seed(0)
    layers = keras.layers
    model = keras.Sequential([keras.Input((64,)), layers.Dense(64, "relu"), layers.Dense(10)])
    a, b, c, d = [tf.Variable(v) for v in model.get_weights()]
    x, y = tf.constant(X), tf.constant(Y)

    def run() -> float:
        with tf.GradientTape() as tape:
            out = tf.nn.relu(x @ a + b) @ c + d
            loss = tf.reduce_mean(tf.square(out - y))
        return float(tape.gradient(loss, [a, b, c, d])[0][0, 0])

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    rounds = parser.parse_args().rounds
    engines = known.installed()
    for title, make, hand in (
        ("32 operations", chain, chain_by_hand),
        ("two dense layers", step, step_by_hand()),
    ):
        runs = {"tf.GradientTape by hand": hand, **{name: make(name) for name in engines}}
        values = {name: run() for name, run in runs.items()}  # also the first, compiling call
        assert np.ptp(list(values.values())) < 1e-4 * abs(values["tf.GradientTape by hand"])
        times: dict[str, list[float]] = {name: [] for name in runs}
        for _ in range(rounds):
            for name, run in runs.items():
                start = time.perf_counter()
                for _ in range(CALLS):
                    run()
                times[name].append((time.perf_counter() - start) / CALLS)
        base = times["tf.GradientTape by hand"]
        print(f"\n{title}\n{'':26}{'ms':>8}{'times as fast':>16}")
        for name, own in times.items():
            ratio = statistics.median(b / t for b, t in zip(base, own))
            print(f"{name:26}{1e3 * statistics.median(own):8.2f}{ratio:16.2f}")


if __name__ == "__main__":
    main()
