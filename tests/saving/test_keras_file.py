"""Models to files and back, and to and from genuine Keras 3."""

import functools
import io
import json
import os
import subprocess
import sys
import tempfile
import warnings
import zipfile
from pathlib import Path
from typing import NamedTuple

import h5py
import keras
import numpy as np
import pytest

import tricorn
from tricorn.conventions import KERAS_2, MODERN, set_conventions
from tricorn.optimizers import legacy
from tricorn.saving import keras_file
from tricorn.serialization import registry

RNG = np.random.default_rng(0)
FACES = pytest.mark.parametrize(
    "source, target",
    [(tricorn, tricorn), (tricorn, keras), (keras, tricorn)],
    ids=["ours to ours", "ours to keras", "keras to ours"],
)


def floats(*shape):
    return RNG.normal(size=shape).astype("float32")


def assert_close(a, b, tolerance=1e-5):
    """max|a - b| <= tolerance * max|b| for every tensor of two trees."""
    a, b = _leaves(a), _leaves(b)
    assert len(a) == len(b)
    for x, y in zip(a, b):
        x, y = np.asarray(x, "float64"), np.asarray(y, "float64")
        assert x.shape == y.shape
        assert np.abs(x - y).max(initial=0) <= tolerance * max(np.abs(y).max(initial=0), 1e-3)


def _leaves(value):
    if isinstance(value, dict):
        return [leaf for key in sorted(value) for leaf in _leaves(value[key])]
    if isinstance(value, (list, tuple)):
        return [leaf for item in value for leaf in _leaves(item)]
    return [value]


# -------------------------------------------------------------------- the same models in both faces


def sequential(k):
    """Layers with and without state, in a stack."""
    layers = k.layers
    model = k.Sequential(
        [
            layers.Input((4,)),
            layers.Dense(5, activation="relu", kernel_regularizer="l2"),
            layers.BatchNormalization(),
            layers.Dense(5, activation=k.activations.tanh),
            layers.Dense(3, bias_constraint="non_neg"),
        ],
        name="stack",
    )
    return model, floats(8, 4), floats(8, 3)


def convolutional(k):
    layers = k.layers
    model = k.Sequential(
        [
            layers.Input((8, 8, 2)),
            layers.Conv2D(3, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(2),
            layers.Rescaling(0.5),
            layers.Conv2D(4, (2, 2), strides=2, use_bias=False),
            layers.GlobalAveragePooling2D(),
            layers.LayerNormalization(),
            layers.Dense(3),
        ]
    )
    return model, floats(8, 8, 8, 2), floats(8, 3)


def functional(k):
    """Two inputs, a shared layer, ops, three outputs whose layers are not in the order of depth."""
    layers = k.layers
    a, b = layers.Input((4,), name="a"), layers.Input((4,), name="b")
    shared = layers.Dense(5)
    x = layers.Concatenate()([shared(a), shared(b)])
    x = layers.Add()([x * 2 + 1, k.ops.relu(x)])
    x = layers.Dense(6, activation="tanh")(x)
    first = layers.Dense(2, name="first")(x)
    second = layers.Dense(2, name="second")(k.ops.reshape(layers.Dense(6)(x), (-1, 6)))
    third = layers.Dense(2, name="third")(x[:, 1:4])
    model = k.Model([a, b], [first, second, third], name="graph")
    return model, [floats(8, 4), floats(8, 4)], [floats(8, 2) for _ in range(3)]


def nested(k):
    """Models inside models, one of them used twice, with a dict of inputs."""
    layers = k.layers
    inside = layers.Input((3,))
    block = k.Model(
        inside, layers.Dense(3, activation="relu")(layers.Dense(4)(inside)), name="block"
    )
    tower = k.Sequential([layers.Input((3,)), layers.Dense(3), block], name="tower")
    a, b = layers.Input((3,), name="a"), layers.Input((3,), name="b")
    out = layers.Dense(2)(layers.Concatenate()([tower(a), tower(b)]))
    model = k.Model({"a": a, "b": b}, out)
    return model, {"a": floats(8, 3), "b": floats(8, 3)}, floats(8, 2)


def feeding(k):
    """Functional models whose outputs go on into layers and models, and are outputs too."""
    layers = k.layers
    first, second = layers.Input((3,)), layers.Input((2,))
    one = k.Model(first, layers.Dense(2, activation="tanh")(first), name="one")
    two = k.Model(second, layers.Dense(2)(second), name="two")
    a = layers.Input((3,))
    middle = one(a)
    again = one(layers.Dense(3)(two(middle)))
    model = k.Model(a, [two(middle), layers.Dense(1)(again), again])
    return model, floats(8, 3), [floats(8, 2), floats(8, 1), floats(8, 2)]


def recurrent(k):
    layers = k.layers
    tokens = layers.Input((5,), dtype="int32")
    x = layers.Embedding(11, 4, mask_zero=True)(tokens)
    x = layers.LSTM(4, return_sequences=True)(x)
    x = layers.Bidirectional(layers.GRU(3, return_sequences=True))(x)
    x = layers.TimeDistributed(layers.Dense(3))(x)
    x = layers.SimpleRNN(4)(x)
    model = k.Model(tokens, layers.Dense(2)(x))
    return model, RNG.integers(1, 11, (8, 5)).astype("int32"), floats(8, 2)


def subclassed(k):
    """A class with layers in attributes, lists and dicts, a weight of its own, a nested layer."""

    class Block(k.layers.Layer):
        def __init__(self, units, **kwargs):
            super().__init__(**kwargs)
            self.units = units
            self.zeta = k.layers.Dense(units)
            self._alpha = k.layers.Dense(units)

        def build(self, input_shape):
            self.zeta.build(input_shape)
            self._alpha.build((*input_shape[:-1], self.units))
            self.scale = self.add_weight(shape=(self.units,), initializer="ones", name="scale")

        def call(self, x):
            return self._alpha(self.zeta(x)) * self.scale

        def get_config(self):
            return {**super().get_config(), "units": self.units}

    class Net(k.Model):
        def __init__(self, units=4, **kwargs):
            super().__init__(**kwargs)
            self.units = units
            self.blocks = [Block(units), Block(units)]
            self.named = {"one": k.layers.Dense(units), "more": [k.layers.Dense(units)]}
            self.head = k.layers.Dense(2)
            self.shift = self.add_weight(shape=(2,), initializer="zeros", name="shift")

        def call(self, x):
            for block in self.blocks:
                x = block(x)
            x = self.named["more"][0](self.named["one"](x))
            return self.head(x) + self.shift

        def get_config(self):
            return {**super().get_config(), "units": self.units}

    k.saving.register_keras_serializable("test")(Block)
    k.saving.register_keras_serializable("test")(Net)
    model = Net()
    model(floats(8, 4))
    return model, floats(8, 4), floats(8, 2)


MODELS = [sequential, convolutional, functional, nested, feeding, recurrent, subclassed]
OPTIMIZERS = {
    "adam": lambda k: k.optimizers.Adam(0.01, amsgrad=True, clipnorm=1.0),
    "sgd": lambda k: k.optimizers.SGD(
        k.optimizers.schedules.ExponentialDecay(0.05, 2, 0.5), momentum=0.9, nesterov=True
    ),
    "rmsprop": lambda k: k.optimizers.RMSprop(
        0.01, momentum=0.5, centered=True, use_ema=True, ema_overwrite_frequency=2
    ),
}


def compiled(k, make, optimizer="adam"):
    """A model that has made three steps."""
    model, x, y = make(k)
    several = isinstance(y, list)
    loss = ["mse", k.losses.Huber(), "mae"] if several else k.losses.MeanSquaredError()
    options = {"loss_weights": [1.0, 0.5, 2.0]} if several else {"metrics": ["mae"]}
    model.compile(OPTIMIZERS[optimizer](k), loss, **options)
    for _ in range(3):
        model.train_on_batch(x, y)
    return model, x, y


class Saved(NamedTuple):
    """A trained model's file, what it predicted then, and how its training went on."""

    file: bytes
    data: tuple
    name: str
    predictions: list
    state: list
    losses: list
    weights: list


@functools.cache
def saved(k, make, optimizer="adam"):
    model, x, y = compiled(k, make, optimizer)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.keras")
        model.save(path)
        file = path.read_bytes()
    state = [np.asarray(v).copy() for v in model.optimizer.variables]
    predictions = model.predict_on_batch(x)
    losses = [model.train_on_batch(x, y) for _ in range(3)]
    return Saved(file, (x, y), model.name, predictions, state, losses, model.get_weights())


# ------------------------------------------------------------------------------------ round trips


@FACES
@pytest.mark.parametrize("make", MODELS, ids=lambda f: f.__name__)
def test_predictions_survive_and_training_goes_on_exactly(make, source, target, tmp_path):
    make(target)  # registers the classes there too
    before = saved(source, make)
    path = tmp_path / "model.keras"
    path.write_bytes(before.file)
    again = target.saving.load_model(path)
    assert again.name == before.name
    assert_close(again.predict_on_batch(before.data[0]), before.predictions)
    for losses in before.losses:
        assert_close(again.train_on_batch(*before.data), losses)
    assert_close(again.get_weights(), before.weights, 1e-4)


@FACES
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_optimizer_state_survives(optimizer, source, target, tmp_path):
    before = saved(source, sequential, optimizer)
    path = tmp_path / "model.keras"
    path.write_bytes(before.file)
    again = target.saving.load_model(path)
    assert_close([np.asarray(v) for v in again.optimizer.variables], before.state)
    for losses in before.losses:
        assert_close(again.train_on_batch(*before.data), losses)


OLDER = [
    (legacy.SGD, {"momentum": 0.9, "nesterov": True, "decay": 0.3}, MODERN, ""),
    (legacy.SGD, {"decay": 0.3}, KERAS_2, ""),
    (legacy.Adam, {"decay": 0.3, "amsgrad": True}, MODERN, ""),
    (legacy.Adam, {"global_clipnorm": 0.1}, MODERN, ""),
    (legacy.Adam, {}, KERAS_2, ""),
    (legacy.Adam, {"decay": 0.3}, KERAS_2, "counts steps"),
    (legacy.Adamax, {}, MODERN, ""),
    (legacy.Adadelta, {"decay": 0.1}, KERAS_2, ""),
    (legacy.RMSprop, {"decay": 0.1}, MODERN, "another formula"),
    (legacy.RMSprop, {"momentum": 0.5}, MODERN, ""),
    (legacy.Adagrad, {}, KERAS_2, "another formula"),
    (legacy.Nadam, {"schedule_decay": 0.1}, MODERN, "another formula"),
    (legacy.SGD, {"clipvalue": 0.5, "clipnorm": 0.1}, MODERN, "clips by clipnorm and by clipvalue"),
]


@pytest.mark.parametrize("make, arguments, version, why", OLDER)
def test_optimizers_of_older_versions_are_keras_3s_to_others(
    make, arguments, version, why, tmp_path
):
    """And what Keras 3's compute in another way is said."""
    layers, x, y = tricorn.layers, floats(6, 3), floats(6, 2)
    model = tricorn.Sequential([tricorn.Input((3,)), layers.Dense(4, "tanh"), layers.Dense(2)])
    set_conventions(model, version)
    model.compile(optimizer := make(0.05, **arguments), "mse")
    for _ in range(2):
        model.train_on_batch(x, y)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        model.save(tmp_path / "m.keras")
    assert [why in str(one.message) for one in told] == [True] * bool(why)
    ours, theirs = (k.saving.load_model(tmp_path / "m.keras") for k in (tricorn, keras))
    assert type(ours.optimizer) is type(optimizer)
    assert ours.optimizer.get_config() == optimizer.get_config()
    assert type(theirs.optimizer) is getattr(keras.optimizers, type(optimizer).__name__)
    assert int(theirs.optimizer.iterations) == int(ours.optimizer.iterations) == 2
    for _ in range(3):
        losses = model.train_on_batch(x, y)
        assert_close(ours.train_on_batch(x, y), losses)
        if not why:
            assert_close(theirs.train_on_batch(x, y), losses)


@pytest.mark.parametrize("make", MODELS, ids=lambda f: f.__name__)
def test_both_libraries_write_the_same_members(make):
    """Same groups, datasets, shapes, dtypes; and the config of ours has what Keras's has."""
    layouts, configs = [], []
    for k in (tricorn, keras):
        with zipfile.ZipFile(io.BytesIO(saved(k, make).file)) as archive:
            assert archive.namelist()[:3] == ["metadata.json", "config.json", "model.weights.h5"]
            configs.append(json.loads(archive.read("config.json")))
            with h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as file:
                found = {}
                file.visititems(lambda n, o, found=found: found.update({n: _described(o)}))
                # random state, which Keras does not write
                layouts.append({n: o for n, o in found.items() if "/seed_generator" not in n})
    assert layouts[0] == layouts[1]
    ours, theirs = configs
    for key in ("module", "class_name", "registered_name"):
        assert ours[key] == theirs[key], key
    if ours["class_name"] != "Functional":
        assert ours["build_config"] == theirs["build_config"]


def _described(member):
    return (member.shape, str(member.dtype)) if isinstance(member, h5py.Dataset) else "group"


@FACES
def test_weights_files(source, target, tmp_path):
    model, x, _ = functional(source)
    path = tmp_path / "m.weights.h5"
    model.save_weights(path)
    again = functional(target)[0]
    assert np.abs(again.predict_on_batch(x)[0] - model.predict_on_batch(x)[0]).max() > 1e-3
    again.load_weights(path)
    assert_close(again.predict_on_batch(x), model.predict_on_batch(x))


@pytest.mark.engine_free
@FACES
def test_lists_that_properties_make(source, target, tmp_path):
    """A list that is gone leaves its id to the next one, which is no list that was seen."""

    def make(k):
        class Held(k.layers.Layer):
            a = property(lambda self: [self.z])
            b = property(lambda self: [self.y])

            def build(self, shape):
                self.y, self.z = k.layers.Dense(2), k.layers.Dense(3)
                for layer in (self.y, self.z):
                    layer.build(shape)

        x = inputs = k.Input((3,))
        for count in range(1, 10):
            x = k.Sequential([k.layers.Dense(3) for _ in range(count)])(x)
        held = Held()
        held.build((None, 3))
        model = k.Model(inputs, x)
        model.held = held
        return model

    one, other = make(source), make(target)
    one.save_weights(tmp_path / "m.weights.h5")
    with h5py.File(tmp_path / "m.weights.h5") as file:
        members = []
        file.visit(members.append)
        assert {"held/a/dense/vars/0", "held/b/dense/vars/0"} <= set(members)
    other.load_weights(tmp_path / "m.weights.h5")
    for a, b in zip(other.get_weights(), one.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@FACES
def test_json(source, target):
    model = functional(source)[0]
    again = target.models.model_from_json(model.to_json())
    assert [layer.name for layer in again.layers] == [layer.name for layer in model.layers]
    assert [tuple(w.shape) for w in again.weights] == [tuple(w.shape) for w in model.weights]


def test_a_layer_shared_between_models_stays_one(tmp_path):
    layers = tricorn.layers
    block = tricorn.Sequential([layers.Input((3,)), layers.Dense(3)], name="block")
    tower = tricorn.Sequential([layers.Input((3,)), layers.Dense(3), block], name="tower")
    x = layers.Input((3,))
    model = tricorn.Model(x, layers.Add()([tower(x), block(x)]))
    model.save(tmp_path / "m.keras")
    data = floats(4, 3)
    again = tricorn.saving.load_model(tmp_path / "m.keras")
    assert len(again.weights) == len(model.weights) == 4
    assert_close(again.predict_on_batch(data), model.predict_on_batch(data))


def within_and_beside(k):
    """A model that stands inside another one and beside it, compiled and trained."""
    layers = k.layers
    inner = k.Sequential(
        [layers.Input((3,)), layers.Dense(3, name="d"), layers.BatchNormalization()]
    )
    x = layers.Input((3,))
    outer = k.Model(x, inner(x), name="outer")
    x = layers.Input((3,))
    model = k.Model(x, layers.Dense(2)(layers.Concatenate()([outer(x), inner(x)])))
    model.compile("adam", "mse")
    x, y = floats(6, 3), floats(6, 2)
    model.train_on_batch(x, y)
    return model, x, y


@pytest.mark.parametrize(
    ("writer", "end"), [("keras", "keras"), ("tf_keras", "keras"), ("tf_keras", "h5")]
)
def test_a_model_within_another_and_beside_it(writer, end, tmp_path):
    """Which neither library loads as one: they mark the second alone."""
    model, x, y = within_and_beside(pytest.importorskip(writer))
    model.save(tmp_path / f"m.{end}")
    again = tricorn.saving.load_model(tmp_path / f"m.{end}")
    assert again.layers[1].layers[1] is again.layers[2]
    for _ in range(2):
        assert_close(again.train_on_batch(x, y), model.train_on_batch(x, y))


def test_weights_from_a_whole_model(tmp_path):
    model, x, _ = sequential(tricorn)
    model.save(tmp_path / "m.keras")
    again = sequential(tricorn)[0]
    again.load_weights(tmp_path / "m.keras")
    assert_close(again.predict_on_batch(x), model.predict_on_batch(x))


def test_folder(tmp_path):
    model, x, _ = sequential(tricorn)
    model.save(tmp_path / "saved", zipped=False)
    for k in (tricorn, keras):
        again = k.saving.load_model(tmp_path / "saved")
        assert_close(again.predict_on_batch(x), model.predict_on_batch(x))


def test_file_objects(tmp_path):
    model, x, _ = sequential(tricorn)
    buffer = io.BytesIO()
    keras_file.save_model(model, buffer)
    again = keras_file.load_model(io.BytesIO(buffer.getvalue()))
    assert_close(again.predict_on_batch(x), model.predict_on_batch(x))


def test_dropout_goes_on_with_its_random_state(tmp_path):
    layers = tricorn.layers
    model = tricorn.Sequential([layers.Input((6,)), layers.Dropout(0.5), layers.Dense(2)])
    x, y = floats(8, 6), floats(8, 2)
    model.compile("sgd", "mse")
    model.train_on_batch(x, y)
    model.save(tmp_path / "m.keras")
    again = tricorn.saving.load_model(tmp_path / "m.keras")
    for _ in range(3):
        assert_close(again.train_on_batch(x, y), model.train_on_batch(x, y))
    assert keras.saving.load_model(tmp_path / "m.keras").layers[0].rate == 0.5


def test_without_compile(tmp_path):
    model, x, _ = compiled(tricorn, sequential)
    model.save(tmp_path / "m.keras")
    again = tricorn.saving.load_model(tmp_path / "m.keras", compile=False)
    assert not again.compiled
    assert_close(again.predict_on_batch(x), model.predict_on_batch(x))


@FACES
def test_never_trained(source, target, tmp_path):
    model, x, y = sequential(source)
    model.compile(source.optimizers.Adam(0.03), "mse")
    model.save(tmp_path / "m.keras")
    again = target.saving.load_model(tmp_path / "m.keras")
    for _ in range(2):
        assert_close(again.train_on_batch(x, y), model.train_on_batch(x, y))


def test_non_trainable_layers_keep_their_places(tmp_path):
    model, x, _ = sequential(tricorn)
    model.layers[0].trainable = False
    model.save(tmp_path / "m.keras")
    for k in (tricorn, keras):
        again = k.saving.load_model(tmp_path / "m.keras")
        assert [layer.trainable for layer in again.layers] == [False, True, True, True]
        assert_close(again.predict_on_batch(x), model.predict_on_batch(x))


def test_mixed_precision_and_half_weights(tmp_path):
    layers = tricorn.layers
    for policy in ("mixed_bfloat16", "bfloat16", "float16", "float64"):
        model = tricorn.Sequential([layers.Input((4,)), layers.Dense(3, dtype=policy)])
        model.save(tmp_path / "m.keras")
        for k in (tricorn, keras) if policy != "float64" else (tricorn,):
            again = k.saving.load_model(tmp_path / "m.keras")
            assert again.layers[0].dtype_policy.name == policy
            for a, b in zip(again.weights, model.weights):
                np.testing.assert_array_equal(
                    np.asarray(a).astype("float64"), np.asarray(b).astype("float64")
                )


def test_lambda_layers(tmp_path):
    layers = tricorn.layers
    model = tricorn.Sequential(
        [layers.Input((4,)), layers.Lambda(lambda x: x * 2, name="twice"), layers.Dense(2)]
    )
    path, x = tmp_path / "m.keras", floats(3, 4)
    model.save(path)
    with pytest.raises(ValueError, match="'twice': function"):
        tricorn.saving.load_model(path)
    for options in ({"safe_mode": False}, {"custom_objects": {"twice": lambda x: x * 2}}):
        again = tricorn.saving.load_model(path, **options)
        assert_close(again.predict_on_batch(x), model.predict_on_batch(x))
    theirs = keras.saving.load_model(path, safe_mode=False)
    assert_close(theirs.predict_on_batch(x), model.predict_on_batch(x))


def test_unknown_class_names_its_place(tmp_path):
    model, *_ = subclassed(tricorn)
    model.save(tmp_path / "m.keras")
    registry.get_custom_objects().pop("test>Net")
    with pytest.raises(TypeError, match=r"(?s)'Net'.*register_keras_serializable\(package='test'"):
        tricorn.saving.load_model(tmp_path / "m.keras")


# ------------------------------------------------------------------------------- what does not fit


def test_differing_weights_are_all_listed_and_nothing_is_loaded(tmp_path):
    layers = tricorn.layers

    def model(*sizes):
        return tricorn.Sequential([layers.Input((4,)), *map(layers.Dense, sizes)])

    saved, path = model(3, 3, 2), tmp_path / "m.weights.h5"
    saved.save_weights(path)
    for sizes, words in (
        ((3, 5, 2), ["layers/dense_1", "(3, 5)", "(3, 3)", "layers/dense_2", "(5, 2)", "(3, 2)"]),
        ((3, 3, 2, 1), ["layers/dense_3", "(2, 1)", "is missing"]),
        ((3, 3), ["layers/dense_2/vars/0", "nothing at this path"]),
    ):
        other = model(*sizes)
        before = other.get_weights()
        with pytest.raises(ValueError) as error:
            other.load_weights(path)
        for word in words:
            assert word in str(error.value), str(error.value)
        for a, b in zip(before, other.get_weights()):
            np.testing.assert_array_equal(a, b)
        with pytest.warns(UserWarning, match="does not fit"):
            other.load_weights(path, skip_mismatch=True)
        np.testing.assert_array_equal(other.get_weights()[0], saved.get_weights()[0])


def test_calls_that_make_no_sense(tmp_path):
    layers = tricorn.layers
    model, *_ = sequential(tricorn)
    unbuilt = tricorn.Sequential([layers.Dense(2)])
    (tmp_path / "m.bin").write_bytes(b"neither a zip archive nor HDF5")
    for call in (
        lambda: model.save(tmp_path / "m.model"),
        lambda: model.save(tmp_path / "m.keras", zipped=False),
        lambda: model.save_weights(tmp_path / "m.npz"),
        lambda: model.load_weights(tmp_path / "m.bin"),
        lambda: unbuilt.save_weights(tmp_path / "m.weights.h5"),
        lambda: unbuilt.load_weights(tmp_path / "m.weights.h5"),
    ):
        with pytest.raises(ValueError, match=r"\.keras|\.weights\.h5|not built|m\.bin is not"):
            call()
    model.save(tmp_path / "m.keras")
    with pytest.raises(FileExistsError, match="overwrite=True"):
        model.save(tmp_path / "m.keras", overwrite=False)
    for missing in ("none.keras", "none"):
        with pytest.raises(FileNotFoundError, match="none"):
            tricorn.saving.load_model(tmp_path / missing)
    with pytest.raises(FileNotFoundError):
        model.load_weights(tmp_path / "none.weights.h5")


def test_a_failing_save_leaves_the_old_file(tmp_path, monkeypatch):
    model, *_ = sequential(tricorn)
    path = tmp_path / "m.keras"
    model.save(path)
    before = path.read_bytes()
    monkeypatch.setattr(keras_file.weights, "write", lambda *args: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        model.save(path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["m.keras"]


def test_saving_and_loading_keep_the_engine_out(tmp_path):
    """A model is saved and its config is read without an engine being loaded."""
    code = f"""
import sys, tricorn
model = tricorn.Sequential([tricorn.layers.Input((4,)), tricorn.layers.Dense(2)])
model.save({str(tmp_path / "m.keras")!r})
tricorn.saving.load_model({str(tmp_path / "m.keras")!r})
assert not any(name in sys.modules for name in ("jax", "torch", "tensorflow")), "engine loaded"
"""
    subprocess.run([sys.executable, "-c", code], check=True)


# ------------------------------------------------------------------------------- files that stay

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.keras")), ids=lambda path: path.stem)
def test_files_of_the_past_load(path):
    """Files that Keras 3.15.1 and Tricorn 0.1 wrote, with what the models said then."""
    with np.load(path.with_suffix(".npz")) as record:
        found = {key: record[key] for key in record.files}
    model = tricorn.saving.load_model(path)
    inputs = [found["a"], found["b"]]
    outputs = [found[f"out{i}"] for i in range(3)]
    targets = [np.zeros_like(out) for out in outputs]
    assert_close(model.predict_on_batch(inputs), outputs)
    for losses in found["losses"]:
        assert_close(model.train_on_batch(inputs, targets), list(losses))


def write_golden():
    """How the files were made (by hand, once per format)."""
    GOLDEN.mkdir(exist_ok=True)
    for name, k in (("keras-3.15.1", keras), (f"tricorn-{tricorn.__version__}", tricorn)):
        model, inputs, _ = compiled(k, functional)
        model.save(GOLDEN / f"{name}.keras")
        outputs = model.predict_on_batch(inputs)
        targets = [np.zeros_like(out) for out in outputs]
        losses = [model.train_on_batch(inputs, targets) for _ in range(3)]
        found = {f"out{i}": np.asarray(out) for i, out in enumerate(outputs)}
        record = {"a": inputs[0], "b": inputs[1], "losses": np.array(losses), **found}
        np.savez_compressed(GOLDEN / f"{name}.npz", **record)
