"""`OrbaxCheckpoint`: checkpoints of ours and of genuine Keras's, read by both."""

import os
import sys

import keras
import numpy as np
import pytest

import tricorn
from tests import oracle

pytest.importorskip("orbax.checkpoint")
pytestmark = pytest.mark.filterwarnings("ignore:Sharding info not provided")

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(12, 3)).astype("float32"), RNG.normal(size=(12, 2)).astype("float32")
FACES = pytest.mark.parametrize(
    "source, target",
    [(tricorn, tricorn), (tricorn, keras), (keras, tricorn)],
    ids=["ours to ours", "ours to keras", "keras to ours"],
)


def stack(k):
    layers = k.layers
    parts = [layers.Input((3,)), layers.Dense(4, name="a"), layers.BatchNormalization(name="n"),
             layers.Dropout(0.5, seed=3), layers.Dense(2, name="b")]  # fmt: skip
    return k.Sequential(parts, name="stack")


def graph(k):
    """A stack in a graph: its paths are others in a model made from a config."""
    layers = k.layers
    x = layers.Input((3,))
    inner = k.Sequential([layers.Input((4,)), layers.Dense(4, name="d")], name="inner")
    y = layers.Dense(2, name="head")(inner(layers.Dense(4, name="e")(x)))
    return k.Model(x, y, name="graph")


def compiled(k, make):
    model = make(k)
    model.compile(k.optimizers.Adam(0.01, name="adam"), "mse", metrics=["mae"])
    return model


def trained(k, make, directory, epochs=2, **options):
    model = compiled(k, make)
    states = k.callbacks.OrbaxCheckpoint(str(directory), **options)
    model.fit(X, Y, batch_size=4, epochs=epochs, verbose=0, callbacks=[states])
    return model


def values(model):
    return [np.asarray(v) for v in (*model.weights, *model.optimizer.variables)]


def same(a, b):
    for x, y in zip(a, b, strict=True):
        np.testing.assert_array_equal(x, y)


@FACES
@pytest.mark.parametrize("make", [stack, graph])
def test_there_and_back(make, source, target, tmp_path):
    model = trained(source, make, tmp_path)
    assert os.listdir(tmp_path) == ["1"]
    again = compiled(target, make)
    again.optimizer.build(again.trainable_variables)
    again.load_weights(str(tmp_path))
    same(values(again), values(model))
    if target is tricorn:  # Keras's load_model leaves the weights of a stack as they were drawn
        again = tricorn.saving.load_model(tmp_path)
        same(values(again), values(model))
        assert again.name == model.name
    if source is target is tricorn:
        for _ in range(2):
            oracle.close(again.train_on_batch(X, Y), model.train_on_batch(X, Y))


@pytest.mark.engine_free
def test_the_parts_are_keras_s(tmp_path):
    import orbax.checkpoint

    found = []
    for k in (tricorn, keras):
        trained(k, stack, tmp_path / k.__name__, save_on_background=False)
        step = tmp_path / k.__name__ / "1"
        assert sorted(p.name for p in step.iterdir() if p.is_dir()) == ["model_config", "pytree"]
        tree = orbax.checkpoint.v1.load_checkpointables(step, {"pytree": None})["pytree"]
        state = tree["non_trainable_variables"]
        state["seed"] = state.pop(next(name for name in state if name.startswith("seed")))
        found.append(keras.tree.map_structure(np.shape, tree))
    assert found[0] == found[1]


#: arguments -> the folders that are there after two epochs of three batches
KEPT = {
    "one": ({}, ["1"]),
    "two": ({"max_to_keep": 2}, ["0", "1"]),
    "all": ({"max_to_keep": None, "save_on_background": False}, ["0", "1"]),
    "batches": ({"save_freq": 2, "max_to_keep": 9}, ["2", "4", "6"]),
    "best": ({"save_best_only": True, "monitor": "loss", "max_to_keep": 9}, ["0", "1"]),
    "none better": (
        {"save_best_only": True, "monitor": "loss", "initial_value_threshold": 0.0}, []
    ),
    "to grow": (
        {"save_best_only": True, "monitor": "loss", "mode": "max", "max_to_keep": 9}, ["0"]
    ),
}  # fmt: skip


@pytest.mark.engine_free
@pytest.mark.parametrize("k", [tricorn, keras])
@pytest.mark.parametrize("case", KEPT)
def test_what_is_kept_is_what_keras_keeps(case, k, tmp_path):
    options, folders = KEPT[case]
    model = k.Sequential([k.layers.Input((3,)), k.layers.Dense(2)])
    model.compile("sgd", "mse", run_eagerly=True)
    states = k.callbacks.OrbaxCheckpoint(str(tmp_path), **options)
    model.fit(X, Y, batch_size=4, epochs=2, verbose=0, callbacks=[states])
    assert sorted(os.listdir(tmp_path)) == folders


def test_weights_only(tmp_path):
    model = trained(tricorn, stack, tmp_path, save_weights_only=True)
    again = compiled(tricorn, stack)
    again.load_weights(tmp_path / "1")
    same(again.get_weights(), model.get_weights())
    with pytest.raises(ValueError, match="save_weights_only=True"):
        tricorn.saving.load_model(tmp_path)


def test_half_precision(tmp_path):
    model = tricorn.Sequential([tricorn.Input((3,)), tricorn.layers.Dense(2, dtype="bfloat16")])
    model.compile("sgd", "mse")
    model.fit(X, Y, verbose=0, callbacks=[tricorn.callbacks.OrbaxCheckpoint(tmp_path)])
    again = tricorn.saving.load_model(tmp_path)
    assert again.weights[0].dtype == "bfloat16"
    same(again.get_weights(), model.get_weights())


def test_files_of_layers(tmp_path):
    layers = tricorn.layers
    lookup = layers.IntegerLookup(max_tokens=5, output_mode="one_hot")
    lookup.adapt(np.array([4, 4, 7, 9]))
    model = tricorn.Sequential([layers.Input((1,), dtype="int64"), lookup, layers.Dense(2)])
    model.compile("sgd", "mse")
    states = tricorn.callbacks.OrbaxCheckpoint(tmp_path)
    model.fit(np.array([[4], [7]]), Y[:2], verbose=0, callbacks=[states])
    again = tricorn.saving.load_model(tmp_path)
    assert again.layers[0].get_vocabulary() == lookup.get_vocabulary()


@pytest.mark.engine_free
@pytest.mark.parametrize("name", ["../../out", "/tmp/tricorn-out", "..", "a\\..\\out"])
def test_files_of_layers_stay_in_their_folder(name, tmp_path):
    """Where the names of files in a checkpoint lead, Keras 3.14 and 3.15 write them."""
    import orbax.checkpoint as orbax

    lookup = tricorn.layers.IntegerLookup(vocabulary=[4, 7], output_mode="one_hot")
    model = tricorn.Sequential(
        [tricorn.Input((1,), dtype="int64"), lookup, tricorn.layers.Dense(1)]
    )
    state = model.get_state_tree(value_format="numpy_array")
    weights = {key: state[key] for key in ("trainable_variables", "non_trainable_variables")}
    parts = {"pytree": weights, "model_config": {"config": model.to_json()}}
    for names in ([name], ["a", name]):
        content = np.frombuffer(b"evil", "uint8")
        for part in reversed(names):
            content = {part: content}
        path = tmp_path / "inside" / "deep" / str(len(names))
        orbax.v1.save_checkpointables(path, {**parts, "assets": content})
        with pytest.raises(ValueError, match="points outside its folder"):
            tricorn.saving.load_model(path)
    assert sorted(os.listdir(tmp_path)) == ["inside"] and not os.path.exists("/tmp/tricorn-out")


def test_another_training_in_the_same_folder(tmp_path):
    """What is not saved is told; a callback serves for one training after the other."""
    model = tricorn.Sequential([tricorn.Input((3,)), tricorn.layers.Dense(2)])
    model.compile("sgd", "mse")
    states = tricorn.callbacks.OrbaxCheckpoint(tmp_path)
    model.fit(X, Y, epochs=2, verbose=0, callbacks=[states])
    with pytest.warns(UserWarning, match="the checkpoint 0 is not saved"):
        model.fit(X, Y, verbose=0, callbacks=[states])
    model.fit(X, Y, epochs=4, initial_epoch=3, verbose=0, callbacks=[states])
    assert os.listdir(tmp_path) == ["3"]
    assert not states.is_multihost_enabled()
    assert states.is_primary_host()


def test_models_that_differ(tmp_path):
    trained(tricorn, stack, tmp_path, epochs=1)
    parts = [tricorn.Input((3,)), tricorn.layers.Dense(5, name="a")]
    other = tricorn.Sequential(parts, name="stack")
    before = other.get_weights()
    with pytest.raises(ValueError, match=r"stack/a/kernel.* \(3, 5\), the file has \(3, 4\)"):
        other.load_weights(tmp_path)
    same(other.get_weights(), before)
    with pytest.warns(UserWarning, match="does not fit"):
        other.load_weights(tmp_path, skip_mismatch=True)
    with pytest.raises(ValueError, match="by_name"):
        other.load_weights(tmp_path, by_name=True)
    (tmp_path / "0" / "pytree" / "manifest.ocdbt").write_bytes(b"x")
    (tmp_path / "0" / "model_config" / "_strings.json").write_bytes(b"{")
    with pytest.raises(ValueError, match="pytree is damaged"):
        other.load_weights(tmp_path)
    with pytest.raises(ValueError, match="model_config is damaged"):
        tricorn.saving.load_model(tmp_path)


@pytest.mark.engine_free
def test_arguments(tmp_path, monkeypatch):
    make = tricorn.callbacks.OrbaxCheckpoint
    with pytest.raises(ValueError, match="save_freq must be"):
        make(tmp_path, save_freq="batch")
    with pytest.raises(ValueError, match="max_to_keep must be a positive integer"):
        make(tmp_path, max_to_keep=0)
    with pytest.raises(TypeError, match="directory"):
        make(object())
    monkeypatch.setitem(sys.modules, "orbax.checkpoint", None)
    with pytest.raises(ImportError, match=r'pip install "tricorn\[orbax\]"'):
        make(tmp_path)


def test_declared_sizes_and_links(tmp_path, monkeypatch):
    """Shapes are compared before an array is read; zeros that take no room have a budget."""
    import orbax.checkpoint as orbax

    kernel = {"stack": {"a": {"kernel": np.zeros((4096, 512), "float32")}}}
    orbax.v1.save_checkpointables(tmp_path / "0", {"pytree": {"trainable_variables": kernel}})
    parts = [tricorn.Input((3,)), tricorn.layers.Dense(5, name="a")]
    model = tricorn.Sequential(parts, name="stack")
    monkeypatch.setattr(orbax.v1, "load_checkpointables", None)
    with pytest.raises(ValueError, match=r"the file has \(4096, 512\)"):
        model.load_weights(tmp_path)
    tricorn.config.set_loading_limit(1 << 20)
    try:
        with pytest.raises(ValueError, match="pytree would take 8,388,608 bytes"):
            model.load_weights(tmp_path)
    finally:
        tricorn.config.set_loading_limit(None)
    (tmp_path / "0" / "pytree" / "more").symlink_to("/etc/passwd")
    with pytest.raises(ValueError, match=r"more.* leads to"):
        model.load_weights(tmp_path)
