"""The numbers of the classic face are those of the genuine Keras 2.3.1, recorded by ``record.py``.

In its graphs on TensorFlow nothing said whether an optimizer reads the number of the step before
or after it is counted up: it is the one for one model and the other for the next.  So a number is
right that either gives.
"""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from tests.classic import cases
from tricorn.classic import keras, layer
from tricorn.conventions import KERAS_2

pytestmark = pytest.mark.heavy

RECORDED = np.load(Path(__file__).parent / "numbers-2.3.1.npz")


def wrong(found, wanted):
    return {
        key
        for key, value in found.items()
        if not np.allclose(np.asarray(value, "float32"), wanted[key], rtol=2e-4, atol=2e-5)
    }


@pytest.mark.parametrize("name", cases.CASES)
def test_numbers(name, monkeypatch):
    keras.backend.clear_session()
    found = cases.CASES[name](keras)
    wanted = {k.partition("/")[2]: RECORDED[k] for k in RECORDED if k.startswith(f"{name}/")}
    assert set(found) == set(wanted)
    different = wrong(found, wanted)
    if different:
        earlier = dataclasses.replace(KERAS_2, step_count="before")
        monkeypatch.setattr(layer, "KERAS_2", earlier)
        keras.backend.clear_session()
        second = cases.CASES[name](keras)
        different &= wrong(second, wanted)
    assert not {key: (found[key], wanted[key]) for key in different}
