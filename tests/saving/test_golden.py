"""Whole models that genuine old Kerases wrote: they predict, evaluate and train on as there.

A file in ``tests/data`` was written after three training steps; the ``.npz`` beside it has the
inputs, targets, predictions, what ``test_on_batch`` and four further ``train_on_batch`` gave, and
the weights after these.
"""

import itertools
import json
import shutil
import warnings
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

import tricorn
from tricorn.conventions import MODERN, conventions_of
from tricorn.saving.older import models as older

DATA = Path(__file__).parent.parent / "data"
PREDICT, RELATIVE, WEIGHTS = 1e-5, 1e-4, 1e-4

#: runs of TensorFlow 1 in which the optimizer read its number of steps now before, now after it
#: was raised (the graph says nothing about the order): case -> what it read in the four steps
#: beyond the number that counts, see `test_a_race_of_tensorflow_1`
RACES = {"keras-2.3.1-tensorflow-1.15/mlp_adam": (1, 1, 0, 0)}


#: (engine, case) where a gradient is 0 but for rounding, which the optimizer brings up to the size
#: of a step: these train on in float64
ROUNDING = {("torch", "tf.keras-2.15-keras/mlp_adamax")}


def recorded(path):
    """(case, what was recorded), without files of weights."""
    with np.load(path) as data:
        return {key: data[key] for key in data.files}


def numbered(record, prefix):
    found = [record[key] for key in sorted(record) if key.rstrip("0123456789") == prefix]
    return found


def model_files():
    for path in sorted((*DATA.glob("*/*.h5"), *DATA.glob("*/*.keras"))):
        with np.load(path.with_suffix(".npz")) as data:
            if "evaluate" in data.files:
                yield path


CASES = {f"{path.parent.name}/{path.stem}": path for path in model_files()}


def listed(x):
    return list(x) if isinstance(x, (list, tuple)) else [x]


def inputs_of(record):
    x, y = numbered(record, "x"), numbered(record, "y")
    weights = numbered(record, "sw")
    given = {"sample_weight": weights if len(weights) > 1 else weights[0]} if weights else {}
    return (x if len(x) > 1 else x[0], y if len(y) > 1 else y[0]), given


def in_float64(path, folder):
    """A copy of a file whose layers compute in float64."""
    copy = folder / path.name
    shutil.copy(path, copy)
    if path.suffix == ".h5":
        with h5py.File(copy, "r+") as file:
            config = file.attrs["model_config"].replace("float32", "float64")
            file.attrs["model_config"] = config
        return copy
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(copy, "w") as target:
        for name in source.namelist():
            data = source.read(name)
            data = data.replace(b"float32", b"float64") if name == "config.json" else data
            target.writestr(name, data)
    return copy


def is_stateful(model):
    return any(getattr(layer, "stateful", False) for layer in model._flatten_layers())


def weights_as_today(path, arrays, folder):
    """Weights as the original listed them, in the form that loading gives: written into a copy of
    the file, and loaded from it."""
    copy = folder / path.name
    shutil.copy(path, copy)
    with h5py.File(copy, "r+") as file:
        rest, group = iter(arrays), file["model_weights"]
        for layer in group.attrs["layer_names"]:
            own = group[layer]
            for name in own.attrs["weight_names"]:
                own[name][...] = next(rest)
        assert next(rest, None) is None
    model = tricorn.models.load_model(path, compile=False)
    model.load_weights(copy)
    return model.get_weights()


@pytest.mark.parametrize("case", CASES)
def test_golden(case, tmp_path, engine):
    path = CASES[case]
    record = recorded(path.with_suffix(".npz"))
    (x, y), given = inputs_of(record)
    source = in_float64(path, tmp_path) if (engine.name, case) in ROUNDING else path
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = tricorn.models.load_model(source)
    reset = model.reset_states if is_stateful(model) else lambda: None
    size = len(numbered(record, "x")[0])

    def predicted():
        return listed(model.predict(x, batch_size=size, verbose=0))

    for ours, theirs in zip(predicted(), numbered(record, "predict"), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=PREDICT)
    if "predict_second" in record:
        np.testing.assert_allclose(predicted()[0], record["predict_second"], rtol=0, atol=PREDICT)
    reset()
    evaluated = listed(model.test_on_batch(x, y, **given))
    np.testing.assert_allclose(evaluated, record["evaluate"], rtol=RELATIVE)
    if case in RACES:
        return
    reset()
    logs = [listed(model.train_on_batch(x, y, **given)) for _ in record["train_metrics"]]
    np.testing.assert_allclose(logs, record["train_metrics"], rtol=RELATIVE)
    expected = numbered(record, "w")
    if path.suffix == ".h5" and ("theano" in case or "1.2.2" in case):
        expected = weights_as_today(path, expected, tmp_path)
    for ours, theirs in zip(model.get_weights(), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=WEIGHTS)


@pytest.mark.engine("torch")
@pytest.mark.parametrize("case", RACES)
def test_a_race_of_tensorflow_1(case):
    """No rule gives these numbers, in any precision: they are those of the reads in `RACES`, and
    of no other sequence."""
    path = CASES[case]
    record = recorded(path.with_suffix(".npz"))
    (x, y), _ = inputs_of(record)
    model = tricorn.models.load_model(path)
    start = model.get_weights(), [v.numpy() for v in model.optimizer.variables]
    fits = []
    for reads in itertools.product((0, 1), repeat=4):
        model.set_weights(start[0])
        model.optimizer.set_weights(start[1])
        for number, late in enumerate(reads):
            model.optimizer._iterations.assign(start[1][0] + number + late - 1)
            model.train_on_batch(x, y)
        pairs = zip(model.get_weights(), numbered(record, "w"), strict=True)
        if all(np.abs(ours - theirs).max() <= WEIGHTS for ours, theirs in pairs):
            fits.append(reads)
    assert fits == [RACES[case]]


# ------------------------------------------------------------------------------- configs and errors


def entry(class_name, **config):
    return {"class_name": class_name, "config": config}


def made(*layers, **kwargs):
    config = {"class_name": "Sequential", "config": list(layers)}
    return tricorn.models.model_from_json(json.dumps(config), **kwargs)


FIRST = entry("Dense", name="first", units=2, batch_input_shape=[None, 3], activation="linear")


def test_an_unknown_class_is_named_with_what_to_do():
    with pytest.raises((ValueError, TypeError), match=r"'mine'.*'Mine'.*custom_objects"):
        made(FIRST, entry("Mine", name="mine"))


def test_arguments_without_a_meaning_are_told_once():
    odd = [entry("Dense", **{**FIRST["config"], "name": n, "new_thing": 3}) for n in "ab"]
    with pytest.warns(UserWarning, match="new_thing=3 of Dense") as told:
        model = made(*odd)
    assert len(told) == 1 and model.output_shape == (None, 2)


def test_a_class_of_the_users_takes_the_place_of_an_old_one():
    class Highway(tricorn.layers.Dense):
        pass

    own = entry("Highway", name="own", units=4)
    assert made(FIRST, own, custom_objects={"Highway": Highway}).output_shape == (None, 4)


def test_conventions_survive_a_keras_file(tmp_path):
    model = tricorn.models.load_model(CASES["keras-2.3.1-theano/lstm"])
    model.save(tmp_path / "again.keras")
    again = tricorn.models.load_model(tmp_path / "again.keras")
    assert conventions_of(again.layers[0]) == conventions_of(model) != MODERN
    x = numbered(recorded(CASES["keras-2.3.1-theano/lstm"].with_suffix(".npz")), "x")[0]
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))
    assert type(again.optimizer) is type(model.optimizer)


@pytest.mark.engine_free
def test_yaml():
    pytest.importorskip("yaml")
    text = """
    class_name: Sequential
    config:
    - class_name: Dense
      config:
        batch_input_shape: !!python/tuple [null, 3]
        name: first
        output_dim: 2
        init: glorot_uniform
    """
    assert older.from_yaml(text).output_shape == (None, 2)
    with pytest.raises(ValueError, match="plain data"):
        older.from_yaml("!!python/object/apply:os.system [echo]")
