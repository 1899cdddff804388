"""Tricorn beside Keras 3 on JAX and beside loops written by hand, in one run.

    python benchmarks/compare.py [mlp cnn resnet lstm] [--rounds N] [--seconds S] [--write FILE]

The three take turns, each in a process of its own, so a machine whose speed drifts treats them
alike; a figure is the median over the rounds of the ratio within a round.  Then: the time of one
`predict` of one sample, of the import, of the first and second start of a script, and the memory
that 200 models leave behind.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from workloads import WORKLOADS

HERE = Path(__file__).parent
ENVIRONMENT = {**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": str(HERE.parent)}

PREDICT = """
import importlib, json, sys, time
import numpy as np
sys.path.insert(0, {here!r})
from fit import build
model = build({name!r}, importlib.import_module({library!r}))
x = np.random.rand(1, 784).astype("float32")
for _ in range(5): model.predict(x, verbose=0)
times = []
for _ in range(100):
    start = time.perf_counter()
    model.predict(x, verbose=0)
    times.append(time.perf_counter() - start)
print(json.dumps(sorted(times)[50] * 1e3))
"""
FIRST_STEP = """
import json, time
start = time.perf_counter()
import numpy as np, tricorn as keras
layers = keras.layers
model = keras.Sequential([keras.Input((28, 28, 1)), layers.Conv2D(32, 3, activation="relu"),
    layers.Conv2D(64, 3, activation="relu"), layers.MaxPooling2D(), layers.Flatten(),
    layers.Dense(128, activation="relu"), layers.Dense(10, activation="softmax")])
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
model.train_on_batch(np.zeros((128, 28, 28, 1), "float32"), np.zeros(128, "int32"))
print(json.dumps(time.perf_counter() - start))
"""
MEMORY = """
import gc, json, resource
import numpy as np, tricorn as keras
x, y = np.random.rand(64, 8).astype("float32"), np.random.rand(64, 1).astype("float32")
def used():
    gc.collect()
    for line in open("/proc/self/status"):
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
def once():
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(16, activation="relu"),
                              keras.layers.Dense(1)])
    model.compile("adam", "mse")
    model.fit(x, y, verbose=0)
    model.predict(x, verbose=0)
    keras.utils.clear_session()
found = []
for number in range(201):
    once()
    if number in (20, 110, 200):
        found.append(round(used(), 1))
print(json.dumps(found))
"""


def script(code: str, **extra: str) -> float:
    """What a program prints last, as JSON."""
    done = subprocess.run(
        [sys.executable, "-c", code], env={**ENVIRONMENT, **extra}, capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def rate(file: str, name: str, seconds: float, *options: str) -> float:
    """Samples per second that one of the scripts of this folder measures."""
    command = [sys.executable, str(HERE / file), name, "--seconds", str(seconds), *options]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return float(json.loads(done.stdout.splitlines()[-1])["samples_per_second"])


def training(names: list[str], rounds: int, seconds: float) -> list[str]:
    """A table row for each workload."""
    rows = []
    for name in names:
        found = []
        for _ in range(rounds):
            ours = rate("fit.py", name, seconds)
            theirs = rate("fit.py", name, seconds, "--library", "keras")
            hand = rate("handwritten_jax.py", name, seconds)
            found.append((ours, theirs, hand, ours / theirs, ours / hand))
            print(f"{name}: {ours:,.0f}, Keras {theirs:,.0f}, by hand {hand:,.0f}", file=sys.stderr)
        a, b, c, d, e = (statistics.median(column) for column in zip(*found))
        rows.append(f"| {name} | {a:,.0f} | {b:,.0f} | {c:,.0f} | {d:.2f} | {e:.2f} |")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("workloads", nargs="*", help="by default all: " + " ".join(WORKLOADS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0, help="time for each measurement")
    parser.add_argument("--write", type=Path, help="put the tables into this file of the docs")
    arguments = parser.parse_args()
    import jax
    import keras

    lines = [
        f"Measured on {platform.machine()}, {os.cpu_count()} cores, Python "
        f"{platform.python_version()}, JAX {jax.__version__}, Keras {keras.__version__}.",
        "",
        "| workload | Tricorn | Keras 3 on JAX | by hand | ratio to Keras | ratio to by hand |",
        "|---|---|---|---|---|---|",
        *training(arguments.workloads or list(WORKLOADS), arguments.rounds, arguments.seconds),
    ]
    predict = [
        statistics.median(
            script(PREDICT.format(here=str(HERE), name="mlp", library=library))
            for _ in range(arguments.rounds)
        )
        for library in ("tricorn", "keras")
    ]
    imports = [
        script("import time, json; t = time.perf_counter(); import tricorn; "
               "print(json.dumps(time.perf_counter() - t))")
        for _ in range(5)
    ]  # fmt: skip
    starts = []
    for _ in range(arguments.rounds):
        with tempfile.TemporaryDirectory() as folder:
            starts.append([script(FIRST_STEP, TRICORN_COMPILATION_CACHE=folder) for _ in range(2)])
    first, second = (statistics.median(column) for column in zip(*starts))
    memory = script(MEMORY)
    lines += [
        "",
        "| what | Tricorn | |",
        "|---|---|---|",
        f"| one `predict` of one sample | {predict[0]:.2f} ms | Keras 3: {predict[1]:.2f} ms, "
        f"ratio {predict[0] / predict[1]:.2f} |",
        f"| `import tricorn` | {statistics.median(imports):.3f} s | |",
        f"| start to first trained step of a CNN | {first:.2f} s, second start {second:.2f} s | "
        f"{first / second:.1f} times faster |",
        f"| memory after 20, 110, 200 × (build, fit, predict, clear) | {memory} MB | |",
    ]
    text = "\n".join(lines) + "\n"
    print(text)
    if arguments.write:
        page = arguments.write.read_text()
        begin, end = "<!-- measured -->\n", "<!-- end -->"
        head, _, rest = page.partition(begin)
        arguments.write.write_text(head + begin + text + end + rest.partition(end)[2])


if __name__ == "__main__":
    main()
