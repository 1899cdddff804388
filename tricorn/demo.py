"""``tricorn demo``: the main job on real input, from data to a saved model and a report."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

import tricorn
from tricorn.datasets import digits
from tricorn.utils.confusion import confusion_matrix
from tricorn.utils.report import write_report

BATCH = 32


def build(steps: int) -> Any:
    """A small convolutional network for 8×8 digits, compiled for so many training steps."""
    layers = tricorn.layers
    model = tricorn.Sequential(
        [
            tricorn.Input((8, 8, 1)),
            layers.Rescaling(1 / 16),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Dropout(0.25),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(10, activation="softmax"),
        ],
        name="digits",
    )
    rate = tricorn.optimizers.schedules.CosineDecay(2e-3, steps)
    model.compile(
        optimizer=tricorn.optimizers.Adam(rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def run(output: Path, epochs: int = 15, seed: int = 0) -> float:
    """Train, judge, save, load back, report; gives the accuracy on held-out digits.

    Args:
        output: the folder for ``digits.keras`` and ``report.html``, made if missing.
        epochs: how often to go through the training digits.
        seed: of the initial weights, the shuffles and dropout, which are the same on every engine.
    """
    start = time.perf_counter()
    console = Console(highlight=False)
    output.mkdir(parents=True, exist_ok=True)
    tricorn.utils.set_random_seed(seed, portable=True)
    (x_train, y_train), (x_test, y_test) = digits.load_data()
    engine = tricorn.config.backend()
    console.print(f"[bold]Tricorn {tricorn.__version__}[/] on the engine [bold]{engine}[/]")
    console.print(f"{len(x_train)} handwritten digits to learn from, {len(x_test)} held out\n")

    model = build(steps=epochs * -(-len(x_train) * 9 // (10 * BATCH)))
    model.summary()
    training = time.perf_counter()
    history = model.fit(
        x_train[..., None],
        y_train,
        batch_size=BATCH,
        epochs=epochs,
        validation_split=0.1,
    ).history
    training = time.perf_counter() - training

    probabilities = np.asarray(model.predict(x_test[..., None], verbose=0))
    answers = probabilities.argmax(1)
    accuracy = float(np.mean(answers == y_test))
    matrix = confusion_matrix(y_test, answers, 10)
    console.print()
    console.print(_confusion_table(matrix))
    console.print(
        f"Accuracy on the {len(y_test)} held-out digits: [bold]{accuracy:.4f}[/] "
        f"({np.sum(answers != y_test)} wrong)\n"
    )

    path = output / "digits.keras"
    model.save(path)
    again = np.asarray(tricorn.models.load_model(path).predict(x_test[..., None], verbose=0))
    same = np.array_equal(probabilities, again)
    console.print(
        f"Saved {path} ({path.stat().st_size / 1024:.0f} KiB) and loaded it back:", end=" "
    )
    console.print("predictions are identical" if same else "[red]predictions differ[/]")

    lines: list[str] = []
    model.summary(print_fn=lines.append, line_length=58)
    write_report(
        output / "report.html",
        title="Handwritten digits",
        lead=f"A small convolutional network, trained by tricorn demo on the {engine} engine.",
        facts={
            "of held-out digits read right": f"{accuracy:.2%}",
            "read wrong": f"{np.sum(answers != y_test)} of {len(y_test)}",
            "weights": f"{model.count_params():,}",
            f"for {epochs} epochs, compiling included": f"{training:.1f} s",
        },
        history=history,
        images=x_test,
        truth=y_test,
        probabilities=probabilities,
        matrix=matrix,
        summary="\n".join(lines),
    )
    console.print(f"Report: {(output / 'report.html').resolve().as_uri()}")
    console.print(f"Done in {time.perf_counter() - start:.1f} s")
    if not same:
        raise RuntimeError("the model that was loaded back predicts something else")
    return accuracy


def _confusion_table(matrix: np.ndarray) -> Table:
    """The matrix for the terminal: rows the true digits, columns the answers."""
    table = Table(title="What the digits (rows) were read as (columns)", title_justify="left")
    table.add_column("", justify="right", style="bold")
    for column in range(len(matrix)):
        table.add_column(str(column), justify="right")
    table.add_column("right", justify="right")
    for row, counts in enumerate(matrix):
        cells = [
            Text(str(count) if count else "·", _cell_style(count, row == column))
            for column, count in enumerate(counts)
        ]
        table.add_row(str(row), *cells, f"{counts[row] / max(1, counts.sum()):.0%}")
    return table


def _cell_style(count: int, hit: bool) -> str:
    if not count:
        return "dim"
    return "green" if hit else "bold red"
