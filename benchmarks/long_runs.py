"""Whether long runs are flat: memory, Python's objects, files and threads while models are made and
used again and again.

    python benchmarks/long_runs.py [--engine jax] [--scale 1] [--only fits predicts]

After a tenth of the rounds, which warms caches, in the middle and at the end it is counted what the
process holds; the table shows what a round has added in that half in which this is less: in the
other one an engine may have loaded or traced something once.
"""

import argparse
import gc
import os
import threading

import numpy as np

import tricorn as keras

X = np.random.default_rng(0).normal(size=(64, 8)).astype("float32")
Y = X.sum(1, keepdims=True)


def make():
    model = keras.Sequential(
        [keras.Input((8,)), keras.layers.Dense(8, activation="relu"), keras.layers.Dense(1)]
    )
    model.compile("adam", "mse", metrics=["mae"])
    return model


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 4

    def __getitem__(self, index):
        rows = slice(16 * index, 16 * index + 16)
        return X[rows], Y[rows]


def models_cleared(rounds):
    for _ in range(rounds):
        make().fit(X, Y, verbose=0)
        keras.utils.clear_session()


def models(rounds):
    for _ in range(rounds):
        make().fit(X, Y, verbose=0)


def steps(rounds):
    model.fit(np.tile(X, (25, 1)), np.tile(Y, (25, 1)), 16, rounds // 100, verbose=0)


def fits(rounds):
    for _ in range(rounds):
        model.fit(X, Y, validation_split=0.25, verbose=0)


def fits_of_workers(rounds):
    for _ in range(rounds):
        model.fit(Batches(workers=2), verbose=0)


def fits_of_datasets(rounds):
    for _ in range(rounds):
        rows = keras.data.Dataset.from_tensor_slices((X, Y)).shuffle(64, seed=1)
        model.fit(rows.map(lambda x, y: (x, y), 2).batch(16).prefetch(2), verbose=0)


def predicts(rounds):
    for _ in range(rounds):
        model.predict(X, verbose=0)


def calls(rounds):
    for _ in range(rounds):
        model(X)


def batches(rounds):
    for _ in range(rounds):
        model.train_on_batch(X, Y)


#: what is done again and again -> how often
ROUNDS = {
    models_cleared: 1000, models: 1000, steps: 100_000, fits: 1000, fits_of_workers: 1000,
    fits_of_datasets: 1000, predicts: 1000, calls: 1000, batches: 1000,
}  # fmt: skip


def held():
    """What the process holds: MB, objects, files, threads."""
    for _ in range(2):
        gc.collect()
    with open("/proc/self/statm") as file:
        pages = int(file.read().split()[1])
    memory = pages * os.sysconf("SC_PAGE_SIZE") / 2**20
    files = len(os.listdir("/proc/self/fd"))
    return np.array([memory, len(gc.get_objects()), files, threading.active_count()])


def growth(what, rounds, warm=None, windows=1):
    """(what is held at the end, what each round has added after the first ones, in that window of
    so many rounds in which it is least)."""
    global model
    model = make()
    model.fit(X, Y, validation_split=0.25, verbose=0)
    what(warm or rounds // 10)
    counts = [held()]
    for _ in range(windows):
        what(rounds)
        counts.append(held())
    return counts[-1], np.diff(counts, axis=0).min(0) / rounds


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--engine", default="jax")
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--only", nargs="+", default=[what.__name__ for what in ROUNDS])
    given = parser.parse_args()
    keras.set_engine(given.engine)
    print("| what | rounds | MB at the end | KB a round | objects a round | files, threads more |")
    print("|---|---|---|---|---|---|")
    for what, rounds in ROUNDS.items():
        if what.__name__ in given.only:
            rounds = int(rounds * given.scale)
            after, more = growth(what, rounds // 2, rounds // 10, windows=2)
            name = what.__name__.replace("_", " ")
            print(
                f"| {name} | {rounds:,} | {after[0]:.0f} | {more[0] * 1024:.2f} | {more[1]:.3f} | "
                f"{more[2] * rounds:.0f}, {more[3] * rounds:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
