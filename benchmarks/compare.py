"""Tricorn beside Keras 3 on the same engine and beside loops written by hand, in one run.

    python benchmarks/compare.py [mlp cnn resnet ... start] [--engine jax ...]
                                 [--rounds N] [--seconds S] [--keep FILE] [--write FILE]

The three are alive at the same time and take turns, epoch by epoch (`turns.py`), so a machine
whose speed drifts treats them alike; a figure is the median over the turns, a ratio that of the
ratios within a turn.  `fit`, `evaluate` and `predict` are in samples per second, the `predict` of
one sample in milliseconds, the first, short `fit` in seconds from the library's import on and
without programs compiled earlier, in a process for each of the rounds.
Then our fastest engine beside the fastest of the others; at last, on JAX: the import, the first and
second start of a script, and the memory that 200 models leave behind.

`--keep` puts every number into a JSON file, and into the tables what that file has of other
workloads and engines, so that the whole may be measured in pieces.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import math
import os
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from turns import Party, answer, put
from workloads import BESIDE_KERAS, SAME, WORKLOADS

ENGINES = {"jax": "JAX", "tensorflow": "TensorFlow", "torch": "PyTorch"}

FIRST_STEP = """
import json, time
begin = time.perf_counter()
import jax, numpy as np, tricorn as keras
keras.ops.ones(1)  # names come with their first use
layers = keras.layers
start = time.perf_counter()
model = keras.Sequential([keras.Input((28, 28, 1)), layers.Conv2D(32, 3, activation="relu"),
    layers.Conv2D(64, 3, activation="relu"), layers.MaxPooling2D(), layers.Flatten(),
    layers.Dense(128, activation="relu"), layers.Dense(10, activation="softmax")])
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
model.train_on_batch(np.zeros((128, 28, 28, 1), "float32"), np.zeros(128, "int32"))
print(json.dumps([start - begin, time.perf_counter() - start]))
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


def script(code: str, **extra: str) -> Any:
    """What a program prints last on JAX, as JSON."""
    return answer("jax", "-c", code, **extra)


LIBRARIES = ("tricorn", "keras")
#: what is measured by turns
MEASURES = ("fit", "evaluate", "predict", "one")


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")


class Row:
    """What was measured of a workload on an engine, turn by turn, of each party.

    Args:
        found: party -> measure -> numbers.
    """

    def __init__(self, found: dict[str, dict[str, list[float]]]):
        self.found = found

    @classmethod
    def measured(cls, engine: str, name: str, rounds: int, seconds: float) -> Row:
        """A new one; it takes its time."""
        samples = ["--samples", str(WORKLOADS[name].turn)]
        commands = {
            library: ["fit.py", name, "--library", library, *samples] for library in LIBRARIES
        }
        if name not in BESIDE_KERAS:
            commands["hand"] = [f"handwritten_{engine}.py", SAME.get(name, name), *samples]
        self = cls({party: {} for party in commands})
        for number in range(rounds):
            order = list(commands) if number % 2 == 0 else list(reversed(commands))
            for party in order:  # the first `fit`s, by turns too
                if party != "hand" and number < rounds - 1:
                    self._begin(engine, party, commands[party]).close()
        parties = {party: self._begin(engine, party, commands[party]) for party in commands}
        for what in MEASURES:
            self._turns(parties, what, seconds if what == "fit" else seconds / 4)
        for party in parties.values():
            party.close()
        print(engine, name, self.line(), file=sys.stderr, flush=True)
        return self

    def _begin(self, engine: str, party: str, command: list[str]) -> Party:
        begun = Party(engine, *command)
        if party != "hand":
            self.found[party].setdefault("first", []).append(_rounded(begun.first))
        return begun

    def _turns(self, parties: dict[str, Party], what: str, seconds: float) -> None:
        """At least three turns of each, in a time for all of them."""
        able = {name: party for name, party in parties.items() if what == "fit" or name != "hand"}
        for party in able.values():
            end = time.perf_counter() + (seconds / 3 if what == "fit" else 0)
            party.turn(what)  # may compile; an engine that traces steps has done so in that time
            while time.perf_counter() < end:
                party.turn(what)
        end, turns = time.perf_counter() + seconds, 0
        while turns < 3 or time.perf_counter() < end:
            turns += 1
            for name, party in able.items():
                self.found[name].setdefault(what, []).append(_rounded(party.turn(what)))

    def median(self, column: str, party: str = "tricorn") -> float:
        values = self.found.get(party, {}).get(column)
        return statistics.median(values) if values else math.nan

    def ratio(self, column: str, party: str = "keras") -> float:
        """Of ours to another's: the median of those of each turn."""
        theirs = self.found.get(party, {}).get(column, [])
        values = [a / b for a, b in zip(self.found["tricorn"][column], theirs)]
        return statistics.median(values) if values else math.nan

    def cell(self, column: str, form: str) -> str:
        """Ours, Keras's, and the ratio."""
        ours, keras = (format(self.median(column, p), form) for p in ("tricorn", "keras"))
        return f"{ours} : {keras} = {self.ratio(column):.2f}"

    def line(self) -> str:
        """The cells of the table."""
        hand = f"{self.median('fit', 'hand'):,.0f} = {self.ratio('fit', 'hand'):.2f}"
        cells = (
            self.cell("fit", ",.0f"),
            hand if "hand" in self.found else "",
            self.cell("first", ".1f"),
            self.cell("evaluate", ",.0f"),
            self.cell("predict", ",.0f"),
            self.cell("one", ".2f"),
        )
        return " | ".join(cells)


def table(engine: str, rows: dict[str, Row]) -> list[str]:
    """The lines about one engine: ours : Keras's = ratio."""
    return [
        "",
        f"| {ENGINES[engine]} | `fit` | by hand | first `fit`, s | `evaluate` | `predict` | "
        "of one, ms |",
        "|---|---|---|---|---|---|---|",
        *[f"| {name} | {row.line()} |" for name, row in rows.items()],
    ]


def best(tables: dict[str, dict[str, Row]]) -> list[str]:
    """The lines that compare our fastest engine with the fastest of the others."""
    lines = ["", "| best against best | Tricorn | Keras 3 | by hand | ratio to Keras |",
             "|---|---|---|---|---|"]  # fmt: skip
    everywhere = [name for name in WORKLOADS if all(name in rows for rows in tables.values())]
    for name in (name for name in everywhere if name not in SAME):

        def fastest(party: str, name: str = name) -> tuple[float, str]:
            found = [(rows[name].median("fit", party), ENGINES[e]) for e, rows in tables.items()]
            return max(found, key=lambda pair: pair[0])

        parties = [fastest(party) for party in ("tricorn", "keras", "hand")]
        cells = [f"{value:,.0f} ({label})" for value, label in parties if value == value]
        ratio = parties[0][0] / parties[1][0]
        lines.append(f"| {name} | {' | '.join([*cells, ''][:3])} | {ratio:.2f} |")
    return lines


def start(rounds: int) -> dict[str, Any]:
    """On JAX: the seconds of `import tricorn`, of imports and of what follows them up to a CNN's
    first step, in a first and a second start, and the memory of many models."""
    imports = (
        "import time, json; t = time.perf_counter(); import tricorn; "
        "print(json.dumps(time.perf_counter() - t))"
    )
    starts = []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            cache = {"TRICORN_COMPILATION_CACHE": folder}
            starts.append([script(FIRST_STEP, **cache) for _ in range(2)])
    return {
        "import": [script(imports) for _ in range(5)],
        "starts": starts,
        "memory": script(MEMORY),
    }


def start_table(found: dict[str, Any]) -> list[str]:
    """The lines about what `start` has found."""
    imports = statistics.median(pair[0] for one in found["starts"] for pair in one)
    first, second = (statistics.median(one[i][1] for one in found["starts"]) for i in range(2))
    return [
        "",
        "| what, on JAX | Tricorn | |",
        "|---|---|---|",
        f"| `import tricorn` | {statistics.median(found['import']):.3f} s | |",
        f"| from the imports, of {imports:.2f} s, to the first trained step of a CNN | "
        f"{first:.2f} s, second start {second:.2f} s | {first / second:.1f} times faster |",
        f"| memory after 20, 110, 200 × (build, fit, predict, clear) | {found['memory']} MB | |",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    known = [*WORKLOADS, "start"]
    parser.add_argument("names", nargs="*", help=f"of {' '.join(known)}; by default all")
    parser.add_argument(
        "--engine", action="append", choices=ENGINES, help="repeatable; by default all"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=12.0, help="time for the turns of `fit`")
    parser.add_argument("--keep", type=Path, help="a JSON file of all that was measured")
    parser.add_argument("--write", type=Path, help="put the tables into this file of the docs")
    arguments = parser.parse_args()
    names, file = arguments.names or known, arguments.keep
    found = json.loads(file.read_text()) if file is not None and file.exists() else {}

    def keep() -> None:
        if file is not None:
            file.write_text(json.dumps(found))

    for engine in arguments.engine or ENGINES:
        for name in WORKLOADS:
            # "step": elsewhere Keras's steps are otherwise made
            if name in names and (name != "step" or engine == "torch"):
                row = Row.measured(engine, name, arguments.rounds, arguments.seconds)
                found.setdefault(engine, {})[name] = row.found
                keep()
    if "start" in names:
        found["start"] = start(arguments.rounds)
        keep()
    versions = ", ".join(
        f"{label} {importlib.metadata.version(package)}"
        for label, package in (("JAX", "jax"), ("TensorFlow", "tensorflow-cpu"),
                               ("PyTorch", "torch"), ("Keras", "keras"))
    )  # fmt: skip
    lines = [
        f"Measured on {platform.machine()}, {os.cpu_count()} cores, Python "
        f"{platform.python_version()}, {versions}; processes for the first `fit`: "
        f"{arguments.rounds}.  Ours : Keras 3's = the ratio."
    ]
    tables = {
        engine: {name: Row(found[engine][name]) for name in WORKLOADS if name in found[engine]}
        for engine in ENGINES
        if engine in found
    }
    for engine, rows in tables.items():
        lines += table(engine, rows)
    lines += best(tables)
    if "start" in found:
        lines += start_table(found["start"])
    text = "\n".join(lines) + "\n"
    print(text)
    if arguments.write:
        put(arguments.write, "<!-- measured -->\n", "<!-- end -->", text)


if __name__ == "__main__":
    main()
