"""The demo does the same on every engine."""

import numpy as np
import pytest

from tests.oracle import cached
from tests.test_cli import command
from tricorn import demo, set_random_seed
from tricorn.datasets import digits
from tricorn.engines import registry
from tricorn.models import load_model

HELD_OUT = 359


def one_epoch():
    """(initial weights, history) of the demo's model."""
    (x, y), _ = digits.load_data()
    set_random_seed(0, portable=True)
    model = demo.build(steps=41)
    start = model.get_weights()
    return start, model.fit(x[..., None], y, demo.BATCH, 1, 0, validation_split=0.1).history


@cached
def on_jax():
    with registry.use("jax"):
        return one_epoch()


def test_an_epoch_is_the_same_on_every_engine():
    start, history = one_epoch()
    expected_start, expected = on_jax()
    for a, b in zip(start, expected_start, strict=True):
        np.testing.assert_array_equal(a, b)
    assert abs(history["loss"][0] - expected["loss"][0]) < 1e-4


@cached
def told(engine, folder):
    """What ``tricorn demo`` tells, and its accuracy."""
    done = command("demo", "--engine", engine, "--output", "out", cwd=folder)
    assert done.returncode == 0, done.stderr
    line = next(line for line in done.stdout.splitlines() if line.startswith("Accuracy on"))
    return done.stdout, float(line.split(": ")[1].split()[0])


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("demo")


@pytest.mark.heavy
def test_demo_reads_held_out_digits(engine, tmp_path, folder):
    printed, accuracy = told(engine.name, tmp_path)
    assert f"on the engine {engine.name}" in printed
    for words in ("Conv2D", "Epoch 15/15", "val_accuracy", "predictions are identical"):
        assert words in printed
    assert accuracy >= 0.98
    # Equal where it was run; 600 steps on, another processor's rounding may turn a digit that is on
    # the edge.
    assert abs(accuracy - told("jax", folder)[1]) <= 1 / HELD_OUT + 1e-4
    assert (tmp_path / "out" / "digits.keras").stat().st_size > 100_000
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert page.count("<svg") > 20


@pytest.mark.heavy
@pytest.mark.engine("jax")  # tests/test_random.py repeats runs on each engine, in less time
def test_demo_is_repeatable(tmp_path):
    weights = []
    for name in ("one", "two"):
        demo.run(tmp_path / name, epochs=1, seed=7)
        weights.append(load_model(tmp_path / name / "digits.keras").get_weights())
    for one, two in zip(*weights, strict=True):
        np.testing.assert_array_equal(one, two)
