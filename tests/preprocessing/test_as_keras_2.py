"""Images, texts and sequences as Keras 2.3.1 prepares them: the same seeds give the same arrays."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from tricorn.preprocessing import image, sequence, text

pytest.importorskip("PIL.Image")
pytestmark = pytest.mark.engine_free

HERE = Path(__file__).parent
_spec = importlib.util.spec_from_file_location("keras_2_cases", HERE / "cases.py")
cases = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(cases)


@pytest.fixture(scope="module")
def recorded():
    with np.load(HERE / "keras-2.3.1.npz") as file:
        return dict(file)


@pytest.mark.filterwarnings("ignore:ImageDataGenerator")
@pytest.mark.parametrize(
    "kind, made",
    [
        ("transforms", lambda: cases.transforms(image)),
        ("generators", lambda: cases.generators(image)),
        ("directories", lambda: cases.directories(image)),
        ("tokens", lambda: cases.tokens(text)),
        ("sequences", lambda: cases.sequences(sequence)),
    ],
)
def test_results_are_those_of_keras_2(kind, made, recorded):
    expected = {name for name in recorded if name.startswith(kind)}
    for name, array in made():
        wanted = recorded[f"{kind}: {name}"]
        expected.remove(f"{kind}: {name}")
        array = np.asarray(array)
        assert array.shape == wanted.shape, name
        if array.dtype.kind in "US":
            assert array.tolist() == wanted.tolist(), name
        else:
            assert (array.dtype.kind == "f") == (wanted.dtype.kind == "f"), name
            np.testing.assert_allclose(array, wanted, rtol=1e-4, atol=1e-3, err_msg=name)
    assert not expected
