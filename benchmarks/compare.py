"""Tricorn beside Keras 3 on the same engine and beside loops written by hand, in one run.

    python benchmarks/compare.py [mlp cnn resnet ...] [--engine jax ...]
                                 [--rounds N] [--seconds S] [--write FILE]

The three take turns, each in a process of its own, so a machine whose speed drifts treats them
alike; a figure is the median over the rounds of the ratio within a round.  Then our fastest engine
beside the fastest of the others, and for each engine the time of one `predict` of one sample.  At
last, on JAX: the import, the first and second start of a script, and the memory that 200 models
leave behind.  The first, short `fit` of a model is timed without programs compiled earlier.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from workloads import BESIDE_KERAS, SAME, WORKLOADS

HERE = Path(__file__).parent
ENGINES = {"jax": "JAX", "tensorflow": "TensorFlow", "torch": "PyTorch"}

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


def environment(engine: str, **extra: str) -> dict[str, str]:
    """The environment of a measured process."""
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3"}
    place = {"KERAS_BACKEND": engine, "PYTHONPATH": str(HERE.parent)}
    return {**os.environ, **quiet, **place, **extra}


def script(code: str, engine: str = "jax", **extra: str) -> float:
    """What a program prints last, as JSON."""
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(engine, **extra), capture_output=True,
        text=True,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def rate(file: str, engine: str, name: str, seconds: float, *options: str) -> tuple[float, float]:
    """Samples per second, and seconds of a first `fit`, that a script of this folder measures."""
    command = [sys.executable, str(HERE / file), name, "--seconds", str(seconds), *options]
    place = environment(engine, TRICORN_COMPILATION_CACHE="0")
    done = subprocess.run(command, env=place, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)
    found = json.loads(done.stdout.splitlines()[-1])
    return float(found["samples_per_second"]), found.get("first_fit", math.nan)


class Row(NamedTuple):
    """Samples per second of a workload on an engine, and the ratios of ours to the others'; seconds
    of the first `fit`, and their ratio.  What was not measured is not a number."""

    ours: float
    keras: float
    hand: float
    to_keras: float
    to_hand: float
    first: float
    keras_first: float
    first_ratio: float


def training(engine: str, name: str, rounds: int, seconds: float) -> Row:
    """The medians over the rounds."""
    found = []
    for _ in range(rounds):
        ours, first = rate("fit.py", engine, name, seconds)
        theirs, their_first = rate("fit.py", engine, name, seconds, "--library", "keras")
        hand = math.nan
        if name not in BESIDE_KERAS:
            hand, _ = rate(f"handwritten_{engine}.py", engine, SAME.get(name, name), seconds)
        found.append((ours, theirs, hand, ours / theirs, ours / hand, first, their_first,
                      first / their_first))  # fmt: skip
        print(
            f"{engine} {name}: {ours:,.0f}, Keras {theirs:,.0f}, by hand {hand:,.0f}; first fit "
            f"{first:.2f} s, Keras {their_first:.2f} s",
            file=sys.stderr, flush=True,
        )  # fmt: skip
    return Row(*(statistics.median(column) for column in zip(*found)))


def table(engine: str, rows: dict[str, Row]) -> list[str]:
    """The lines about one engine."""
    label = ENGINES[engine]
    return [
        "",
        f"| {label} | Tricorn | Keras 3 | by hand | ratio to Keras | ratio to by hand | "
        "first `fit`, s | Keras 3 | ratio |",
        "|---|---|---|---|---|---|---|---|---|",
        *[
            f"| {name} | {r.ours:,.0f} | {r.keras:,.0f} | {r.hand:,.0f} | {r.to_keras:.2f} | "
            f"{r.to_hand:.2f} | {r.first:.2f} | {r.keras_first:.2f} | {r.first_ratio:.2f} |"
            for name, r in rows.items()
        ],
    ]


def best(tables: dict[str, dict[str, Row]], names: list[str]) -> list[str]:
    """The lines that compare our fastest engine with the fastest of the others."""
    lines = ["", "| best against best | Tricorn | Keras 3 | by hand | ratio to Keras |",
             "|---|---|---|---|---|"]  # fmt: skip
    for name in (name for name in names if name not in SAME and name not in BESIDE_KERAS):

        def fastest(column: str, name: str = name) -> tuple[float, str]:
            return max((getattr(rows[name], column), ENGINES[e]) for e, rows in tables.items())

        ours, keras, hand = map(fastest, ("ours", "keras", "hand"))
        cells = [f"{value:,.0f} ({label})" for value, label in (ours, keras, hand)]
        lines.append(f"| {name} | {' | '.join(cells)} | {ours[0] / keras[0]:.2f} |")
    return lines


def predicting(engine: str, rounds: int) -> str:
    """The line about one `predict` of one sample."""
    found = [
        [
            script(PREDICT.format(here=str(HERE), name="mlp", library=library), engine)
            for library in ("tricorn", "keras")
        ]
        for _ in range(rounds)
    ]
    ours, keras = (statistics.median(column) for column in zip(*found))
    ratio = statistics.median(a / b for a, b in found)
    return f"| {ENGINES[engine]} | {ours:.2f} ms | {keras:.2f} ms | {ratio:.2f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("workloads", nargs="*", help="by default all: " + " ".join(WORKLOADS))
    parser.add_argument(
        "--engine", action="append", choices=ENGINES, help="repeatable; by default all"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=8.0, help="time for each measurement")
    parser.add_argument("--write", type=Path, help="put the tables into this file of the docs")
    arguments = parser.parse_args()
    names, engines = arguments.workloads or list(WORKLOADS), arguments.engine or list(ENGINES)
    versions = ", ".join(
        f"{label} {importlib.metadata.version(package)}"
        for label, package in (("JAX", "jax"), ("TensorFlow", "tensorflow-cpu"),
                               ("PyTorch", "torch"), ("Keras", "keras"))
    )  # fmt: skip
    lines = [
        f"Measured on {platform.machine()}, {os.cpu_count()} cores, Python "
        f"{platform.python_version()}, {versions}; samples per second of `fit`."
    ]
    tables = {
        engine: {
            name: training(engine, name, arguments.rounds, arguments.seconds)
            for name in names
            if name != "step" or engine == "torch"  # elsewhere Keras's steps are otherwise made
        }
        for engine in engines
    }
    for engine, rows in tables.items():
        lines += table(engine, rows)
    lines += best(tables, names)
    lines += ["", "| one `predict` of one sample | Tricorn | Keras 3 | ratio |"]
    lines += ["|---|---|---|---|"]
    lines += [predicting(engine, arguments.rounds) for engine in engines]
    imports = [
        script("import time, json; t = time.perf_counter(); import tricorn; "
               "print(json.dumps(time.perf_counter() - t))")
        for _ in range(5)
    ]  # fmt: skip
    starts = []
    for _ in range(arguments.rounds):
        with tempfile.TemporaryDirectory() as folder:
            kept = {"TRICORN_COMPILATION_CACHE": folder}
            starts.append([script(FIRST_STEP, **kept) for _ in range(2)])
    first, second = (statistics.median(column) for column in zip(*starts))
    memory = script(MEMORY)
    lines += [
        "",
        "| what, on JAX | Tricorn | |",
        "|---|---|---|",
        f"| `import tricorn` | {statistics.median(imports):.3f} s | |",
        f"| start to first trained step of a CNN | {first:.2f} s, second start {second:.2f} s | "
        f"{first / second:.1f} times faster |",
        f"| memory after 20, 110, 200 × (build, fit, predict, clear) | {memory} MB | |",
    ]
    text = "\n".join(lines).replace(" nan ", "  ") + "\n"
    print(text)
    if arguments.write:
        page = arguments.write.read_text()
        begin, end = "<!-- measured -->\n", "<!-- end -->"
        head, _, rest = page.partition(begin)
        arguments.write.write_text(head + begin + text + end + rest.partition(end)[2])


if __name__ == "__main__":
    main()
