"""Weights in several files, from and to genuine Keras 3; damaged and hostile ones."""

import json
import os
import shutil

import h5py
import keras
import numpy as np
import pytest

import tricorn

RNG = np.random.default_rng(0)
FACES = pytest.mark.parametrize(
    "source, target",
    [(tricorn, tricorn), (tricorn, keras), (keras, tricorn)],
    ids=["ours to ours", "ours to keras", "keras to ours"],
)
GIB = 2**30


def build(k):
    """A nested model with state of all kinds."""
    layers = k.layers
    inner = k.Sequential(
        [layers.Input((8,)), layers.Dense(8), layers.BatchNormalization()], name="inner"
    )
    x = layers.Input((8,))
    y = layers.Dense(4, name="head")(layers.Dropout(0.5)(inner(layers.Dense(8)(x))))
    model = k.Model(x, y)
    model.compile(k.optimizers.Adam(0.01), "mse")
    model.optimizer.build(model.trainable_variables)
    for variable in (*model.weights, *model.optimizer.variables):
        variable.assign(RNG.uniform(size=variable.shape).astype(variable.dtype))
    return model


def values(model):
    return [np.asarray(v) for v in (*model.weights, *model.optimizer.variables)]


def same(a, b):
    assert len(a) == len(b)
    for x, y in zip(a, b):
        np.testing.assert_array_equal(x, y)


@FACES
@pytest.mark.parametrize("size", [256, 300, 700, GIB], ids="shards of {} bytes".format)
def test_there_and_back(source, target, size, tmp_path):
    model = build(source)
    path = tmp_path / "m.weights.json"
    model.save_weights(path, max_shard_size=size / GIB)
    names = sorted(os.listdir(tmp_path))
    assert names[0] == "m.weights.json" or len(names) > 1
    assert (len(names) > 2) == (size < GIB)
    again = build(target)
    again.load_weights(path)
    same(values(again), values(model))


@pytest.mark.engine_free
def test_the_index_and_the_shards_are_keras_s(tmp_path):
    """But for random state, which Keras does not write, and our mark of the save."""
    found = []
    for k in (tricorn, keras):
        folder = tmp_path / k.__name__
        folder.mkdir()
        layers = k.layers
        model = k.Sequential([layers.Input((8,)), *(layers.Dense(8) for _ in range(3))])
        k.saving.save_weights(model, folder / "big.weights.json", max_shard_size=270 / GIB)
        index = json.loads((folder / "big.weights.json").read_text())
        index["metadata"].pop("tricorn_save", None)
        found.append((index, sorted(os.listdir(folder))))
    assert found[0] == found[1]
    assert len(found[0][0]["weight_map"]["/layers/dense_1/vars"]) == 2


@FACES
def test_objects_to_skip(source, target, tmp_path):
    """Neither saved nor loaded, with what is below them."""
    model, path = build(source), tmp_path / "m.weights.h5"
    source.saving.save_weights(model, path, objects_to_skip=[model.get_layer("inner")])
    with h5py.File(path) as file:
        assert not [name for name in file["layers"] if name.startswith("sequential")]
    again = build(target)
    inner = again.get_layer("inner")
    before = [np.asarray(w) for w in inner.weights]
    load = target.saving.load_weights
    load(again, path, objects_to_skip=[inner])
    same([np.asarray(w) for w in inner.weights], before)
    head, want = again.get_layer("head"), model.get_layer("head")
    same([np.asarray(w) for w in head.weights], [np.asarray(w) for w in want.weights])
    model.save_weights(path)
    load(again, path, objects_to_skip=[inner])
    same([np.asarray(w) for w in inner.weights], before)


def test_mixed_dtypes(tmp_path):
    layers = tricorn.layers
    make = lambda: tricorn.Sequential(
        [layers.Input((4,)), layers.Dense(4, dtype="bfloat16"), layers.Dense(2)]
    )
    model, again = make(), make()
    model.save_weights(tmp_path / "m.weights.json", max_shard_size=40 / GIB)
    again.load_weights(tmp_path / "m.weights.json")
    same([np.asarray(w) for w in again.weights], [np.asarray(w) for w in model.weights])


@pytest.mark.engine_free
def test_other_arguments(tmp_path, monkeypatch):
    model = build(tricorn)
    path = tmp_path / "m.weights.json"
    with pytest.raises(ValueError, match=r"filename must end in .weights.json"):
        model.save_weights(tmp_path / "m.h5", max_shard_size=1)
    with pytest.raises(ValueError, match=r"ends in .weights.h5"):
        model.save_weights(path)
    for size in (0, -1, "1GB", float("nan")):
        with pytest.raises(ValueError, match="max_shard_size must be a positive number of GiB"):
            model.save_weights(path, max_shard_size=size)
    with pytest.raises(ValueError, match=r"max_shard_size.* too small.*layers/dense"):
        model.save_weights(path, max_shard_size=100 / GIB)
    assert not os.listdir(tmp_path), "nothing is left behind"
    with pytest.warns(UserWarning, match=r"m.weights.json"):
        model.save_weights(tmp_path / "m.weights.h5", max_shard_size=1)
    assert sorted(os.listdir(tmp_path)) == ["m.weights.json", "m_00000.weights.h5"]
    with pytest.raises(FileExistsError):
        model.save_weights(path, overwrite=False, max_shard_size=1)
    with pytest.raises(ValueError, match="by_name"):
        model.load_weights(path, by_name=True)
    with pytest.raises(ValueError, match="objects_to_skip"):
        model.save_weights(tmp_path / "m.h5", objects_to_skip=[model.layers[1]])


@pytest.fixture
def saved(tmp_path):
    model = build(tricorn)
    model.save_weights(tmp_path / "m.weights.json", max_shard_size=300 / GIB)
    return model, tmp_path / "m.weights.json"


def refused(model, path, match, error=ValueError):
    before = values(model)
    with pytest.raises(error, match=match):
        model.load_weights(path)
    same(values(model), before)


def edit(path, change):
    index = json.loads(path.read_text())
    change(index)
    path.write_text(json.dumps(index))


@pytest.mark.engine_free
def test_missing_and_damaged_shards(saved):
    model, path = saved
    shard = path.with_name("m_00001.weights.h5")
    data = shard.read_bytes()
    shard.write_bytes(data[: len(data) // 2])
    refused(model, path, "m_00001.weights.h5")
    shard.unlink()
    refused(model, path, "needs the file 'm_00001.weights.h5'", FileNotFoundError)
    shutil.copy(path.with_name("m_00000.weights.h5"), shard)
    refused(model, path, "is damaged: it says that the weights of")


@pytest.mark.engine_free
def test_shards_of_two_saves(saved):
    model, path = saved
    old = path.with_name("m_00001.weights.h5").read_bytes()
    path.unlink()
    model.save_weights(path, max_shard_size=300 / GIB)
    model.load_weights(path)
    path.with_name("m_00001.weights.h5").write_bytes(old)
    refused(model, path, "different saves")


@pytest.mark.engine_free
@pytest.mark.parametrize("by", [keras, tricorn])
def test_a_save_over_another_replaces_it(by, tmp_path):
    """Nothing of the earlier one stays, whoever wrote it; Keras reads the new one."""
    old, new, path = build(by), build(tricorn), tmp_path / "m.weights.json"
    (tmp_path / "m_of_mine_00000.weights.h5").write_bytes(b"")
    old.save_weights(path, max_shard_size=256 / GIB)
    first = set(os.listdir(tmp_path))
    new.save_weights(path, max_shard_size=300 / GIB)
    now = set(os.listdir(tmp_path))
    assert first & now == {
        "m.weights.json", "m_00000.weights.h5", "m_of_mine_00000.weights.h5"
    }  # fmt: skip
    index = json.loads(path.read_text())["weight_map"].values()
    assert now - first == {name for names in index for name in names}
    assert os.path.getsize(tmp_path / "m_00000.weights.h5") < 2000
    for k in (keras, tricorn):
        again = build(k)
        again.load_weights(path)
        same(values(again), values(new))


@pytest.mark.engine_free
@pytest.mark.parametrize("count", range(4))
def test_a_save_that_is_killed_leaves_the_older_one(saved, monkeypatch, count):
    """After any number of its files were renamed; the next one clears up what it left."""
    model, path = saved
    before, renamed, replace = values(model), [], os.replace

    def dying(source, target):
        if len(renamed) == count:
            raise KeyboardInterrupt
        renamed.append(target)
        replace(source, target)

    for variable in model.weights:
        variable.assign(variable * 2)
    monkeypatch.setattr(os, "replace", dying)
    with pytest.raises(KeyboardInterrupt):
        model.save_weights(path, max_shard_size=300 / GIB)
    monkeypatch.setattr(os, "replace", replace)
    assert len(renamed) == count
    again = build(tricorn)
    again.load_weights(path)
    same(values(again), before)
    model.save_weights(path, max_shard_size=300 / GIB)
    again.load_weights(path)
    same(values(again), values(model))
    used = json.loads(path.read_text())["weight_map"].values()
    want = {path.name, "m_00000.weights.h5", *(name for names in used for name in names)}
    assert {p.name for p in path.parent.iterdir()} == want


@pytest.mark.engine_free
def test_an_interrupted_save_leaves_the_older_one(saved, monkeypatch):
    model, path = saved
    before = {p.name: p.read_bytes() for p in path.parent.iterdir()}

    def stop(store):
        raise KeyboardInterrupt

    monkeypatch.setattr(model.get_layer("head"), "save_own_variables", stop)
    with pytest.raises(KeyboardInterrupt):
        model.save_weights(path, max_shard_size=300 / GIB)
    assert {p.name: p.read_bytes() for p in path.parent.iterdir()} == before


@pytest.mark.engine_free
@pytest.mark.parametrize(
    "name",
    ["../m_00000.weights.h5", "/etc/passwd", "..", ".", "", "a/b.h5", "c:x", "a\\b", 3, None],
)
def test_names_that_lead_out_of_the_folder(saved, name):
    model, path = saved
    edit(path, lambda index: index["weight_map"].update({"/layers/dense/vars": name}))
    refused(model, path, "expected the name of a file in the same folder")


@pytest.mark.engine_free
@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"weight_map": []}', "[" * 100_000])
def test_indices_that_are_none(saved, text):
    model, path = saved
    path.write_text(text)
    refused(model, path, "m.weights.json")


@pytest.mark.engine_free
def test_weights_that_the_index_leaves_out(saved):
    model, path = saved
    edit(path, lambda index: index["weight_map"].pop("/layers/dense/vars"))
    refused(model, path, "layers/dense .*is missing")
