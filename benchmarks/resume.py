"""What it costs a training to be saved: seconds of `fit` for each state, and of one a minute.

python benchmarks/resume.py [--engine jax] [--width 1024] [--rounds 3]

Trains a dense network of a few widths, alternating without and with a state after every so many
steps; the engine's own time is the same in both.  The states are written to a temporary folder.
"""

import argparse
import statistics
import tempfile
import time

import numpy as np

import tricorn as keras


def seconds(model, x, y, epochs, resume=None):
    start = time.perf_counter()
    model.fit(x, y, batch_size=64, epochs=epochs, verbose=0, resume=resume)
    return time.perf_counter() - start


def measured(width, epochs, rounds, saves):
    model = keras.Sequential([keras.Input((64,))])
    for _ in range(4):
        model.add(keras.layers.Dense(width, activation="relu"))
    model.add(keras.layers.Dense(10))
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(6400, 64)).astype("float32"), rng.integers(10, size=6400)
    seconds(model, x, y, 1)
    costs = []
    for _ in range(rounds):
        plain = seconds(model, x, y, epochs)
        with tempfile.TemporaryDirectory() as folder:
            every = epochs * 100 // saves
            backup = keras.callbacks.BackupAndRestore(folder, every, delete_checkpoint=False)
            saved = seconds(model, x, y, epochs, backup)
        costs.append((saved - plain) / saves)
    size = 3 * 4 * model.count_params() / 1e6  # weights and Adam's two moments
    return size, plain, statistics.median(costs)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--engine", default="jax")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--widths", type=int, nargs="+", default=[256, 1024, 2048])
    arguments = parser.parse_args()
    keras.set_engine(arguments.engine)
    print("| state, MB | a training without, s | a state more, s | one a minute |")
    print("|---|---|---|---|")
    for width in arguments.widths:
        size, plain, cost = measured(width, arguments.epochs, arguments.rounds, saves=4)
        print(f"| {size:.0f} | {plain:.2f} | {cost:.3f} | {cost / 60:.2%} |", flush=True)


if __name__ == "__main__":
    main()
