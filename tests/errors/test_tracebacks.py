"""What a traceback shows: the user's own code, and the library's only when that is asked for."""

from __future__ import annotations

import traceback
from pathlib import Path

import numpy as np
import pytest

import tricorn as keras
from tricorn import Input, config, layers, losses, metrics, models, ops

X = np.ones((4, 3), "float32")
LIBRARY = str(Path(keras.__file__).parent)


class Product(layers.Layer):
    def call(self, x):
        return ops.matmul(x, np.ones((7, 2), "float32"))


class Missing(layers.Layer):
    def call(self, x):
        return x * {}["missing"]


class Around(keras.Model):
    def __init__(self, inside):
        super().__init__()
        self.inside = inside

    def call(self, x):
        return self.inside(x)


def model(inside, **options):
    made = Around(inside)
    made.compile("sgd", "mse", **options)
    return made


def graph():
    made = keras.Sequential([Input((3,)), layers.Dense(1)])
    made.compile("sgd", "mse")
    return made


#: what fails -> (doing it, functions of this file that the traceback shows)
CASES = {
    "a layer's rank": (lambda: layers.Dense(3)(np.ones(3)), []),
    "a layer's argument": (lambda: layers.Dense(-3), []),
    "a metric's argument": (lambda: metrics.AUC(curve="x"), []),
    "an unknown loss": (lambda: graph().compile(loss="nonsense"), []),
    "data of another shape": (lambda: graph().fit(np.ones((2, 5)), np.ones((2, 1))), []),
    "data of another length": (lambda: graph().fit(X, X[:2]), []),
    "a file": (lambda: models.load_model("missing.keras"), []),
    "own code": (lambda: model(Missing()).fit(X, X, verbose=0), ["call", "call"]),
    "own code, line by line": (
        lambda: model(Missing(), run_eagerly=True).fit(X, X, verbose=0), ["call", "call"],
    ),
    "own code on a symbolic tensor": (lambda: Missing()(Input((3,))), ["call"]),
    "an op in own code": (lambda: model(Product()).predict(X, verbose=0), ["call", "call"]),
    "an op": (lambda: ops.matmul(X, np.ones((7, 2), "float32")), []),
    "a loss": (lambda: losses.MeanSquaredError()(X, np.ones((4, 7))), []),
}  # fmt: skip
#: of the library's frames these many are left: an op is too small a thing to have a border
LEFT = {"an op": 4, "an op in own code": 4, "a loss": 8}


def frames(error):
    return traceback.extract_tb(error.__traceback__)


@pytest.mark.parametrize("case", CASES)
def test_tracebacks_show_the_users_code(case):
    doing, shown = CASES[case]
    with pytest.raises(Exception) as caught:
        doing()
    found = frames(caught.value)
    assert sum(f.filename.startswith(LIBRARY) for f in found) <= LEFT.get(case, 0)
    own = [f.name for f in found if f.filename == __file__]
    assert own[-len(shown) :] == shown or not shown
    lines = "".join(traceback.format_exception(caught.value)).splitlines()
    assert len(lines) <= 32  # Keras: 16 to 32


def test_all_frames_are_shown_when_asked_for():
    assert config.is_traceback_filtering_enabled()
    config.disable_traceback_filtering()
    try:
        with pytest.raises(KeyError) as caught:
            model(Missing()).fit(X, X, verbose=0)
    finally:
        config.enable_traceback_filtering()
    assert sum(f.filename.startswith(LIBRARY) for f in frames(caught.value)) > 10


def test_a_cause_in_the_users_code_stays():
    class Raises(layers.Layer):
        def call(self, x):
            try:
                return {}["missing"]
            except KeyError as error:
                raise ValueError("own words") from error

    with pytest.raises(ValueError, match="own words") as caught:
        Raises()(X)
    assert isinstance(caught.value.__cause__, KeyError)
