"""Files of a model around each layer of the table: Keras reads ours, we read Keras's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import tricorn
from tests.layers import cases
from tests.layers.cases import Case

pytestmark = pytest.mark.engine_free

CASES = {case.layer: case for case in cases.ALL}


def _model(library: Any, case: Case) -> Any:
    """A functional model of the layer, with the batch size in its inputs."""

    def one(x: Any) -> Any:
        return library.Input(batch_shape=x.shape, dtype=str(x.dtype))

    made = tuple([one(a) for a in x] if isinstance(x, list) else one(x)
                 for x in case.arguments(case.x))  # fmt: skip
    flat = [a for x in made for a in (x if isinstance(x, list) else [x])]
    layer = case.make(library.layers)
    call = {name: value for name, value in case.call.items() if not _is_array(value)}
    return library.Model(flat, layer(*made, **call))


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray) or (isinstance(value, list) and any(map(_is_array, value)))


def _random(model: Any) -> list:
    rng = np.random.default_rng(1)
    values = [rng.uniform(0.5, 1.5, w.shape).astype("float32") for w in model.weights]
    model.set_weights(values)
    return values


def _same(a: list, b: list) -> None:
    assert len(a) == len(b)
    for one, other in zip(a, b):
        np.testing.assert_array_equal(np.asarray(one), np.asarray(other))


@pytest.mark.parametrize("name", sorted(CASES))
def test_either_library_reads_the_others_files(name: str, tmp_path: Path) -> None:
    for writer, reader in ((tricorn, keras), (keras, tricorn)):
        model = _model(writer, CASES[name])
        values = _random(model)
        whole, weights = str(tmp_path / "model.keras"), str(tmp_path / "model.weights.h5")
        model.save(whole)
        model.save_weights(weights)
        _same(reader.saving.load_model(whole, safe_mode=False).get_weights(), values)
        other = _model(reader, CASES[name])
        _random(other)
        other.set_weights([np.zeros(w.shape) for w in other.weights])
        other.load_weights(weights)
        _same(other.get_weights(), values)
