"""Weights in the layout of Keras 2, to tf-keras and Keras 3 and back."""

import h5py
import keras
import numpy as np
import pytest

import tricorn
from tests.oracle import close
from tricorn.saving import conversions, hdf5

tf_keras = pytest.importorskip("tf_keras")
hdf5_format = pytest.importorskip("tf_keras.src.saving.legacy.hdf5_format")

pytestmark = pytest.mark.engine("jax")  # what is written does not depend on the engine


def dense_model(k):
    return k.Sequential(
        [
            k.layers.Input((6,)),
            k.layers.Dense(5, activation="relu"),
            k.layers.BatchNormalization(),
            k.layers.PReLU(),
            k.layers.LayerNormalization(),
            k.layers.Dense(2),
        ]
    ), [(6,)]


def convolutional_model(k):
    s, i, v = shapes = (9, 3), (7, 6, 2), (4, 5, 4, 2)
    s, i, v = map(k.layers.Input, shapes)
    outputs = [
        k.layers.Conv1D(2, 3)(s),
        k.layers.SeparableConv1D(2, 3)(s),
        k.layers.Conv1DTranspose(2, 3)(s),
        k.layers.Conv2D(4, (3, 2), groups=2)(i),
        k.layers.Conv2DTranspose(3, (2, 3), strides=2)(i),
        k.layers.SeparableConv2D(3, (2, 3), depth_multiplier=2)(i),
        k.layers.DepthwiseConv2D((2, 3))(i),
        k.layers.Conv3D(2, (2, 3, 1))(v),
        k.layers.Conv3DTranspose(3, (2, 3, 1))(v),
    ]
    return k.Model([s, i, v], outputs), shapes


def recurrent_model(k):
    t = k.layers.Input((6, 5))
    outputs = [
        k.layers.LSTM(3, return_sequences=True)(t),
        k.layers.GRU(3)(t),
        k.layers.GRU(3, reset_after=False)(t),
        k.layers.SimpleRNN(3, use_bias=False)(t),
        k.layers.Bidirectional(k.layers.GRU(2))(t),
        k.layers.RNN([k.layers.SimpleRNNCell(3), k.layers.LSTMCell(2)])(t),
        k.layers.TimeDistributed(k.layers.Dense(4))(t),
        k.layers.Bidirectional(k.layers.RNN(k.layers.LSTMCell(2)))(t),
    ]
    return k.Model(t, outputs), [(6, 5)]


def nested_model(k):
    """Models within models, one of them used twice, one with a frozen layer."""
    inner = k.Sequential(
        [
            k.layers.Input((4,)),
            k.layers.Dense(4),
            k.layers.BatchNormalization(),
            k.layers.Dense(4),
            k.layers.BatchNormalization(),
        ]
    )
    inner.layers[0].trainable = False
    x = k.layers.Input((4,))
    middle = k.Model(x, k.layers.Dense(4)(inner(x)) + x)
    frozen = k.Sequential([k.layers.Input((4,)), k.layers.Dense(4), k.layers.BatchNormalization()])
    frozen.trainable = False
    a, b = k.layers.Input((4,)), k.layers.Input((4,))
    joined = k.layers.Concatenate()([middle(a), middle(b), frozen(a)])
    return k.Model([a, b], k.layers.Dense(2)(joined)), [(4,), (4,)]


def subclassed_model(k):
    """Weights of the model itself, and a layer of the user's with layers inside."""

    class Block(k.layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.one, self.norm = k.layers.Dense(4), k.layers.BatchNormalization()
            self.two = k.layers.Dense(4)
            self.scale = self.add_weight(shape=(4,), initializer="ones", name="scale")

        def call(self, x):
            return self.two(self.norm(self.one(x))) * self.scale

    class Whole(k.Model):
        def __init__(self):
            super().__init__()
            self.block, self.head = Block(), k.layers.Dense(2)
            self.shift = self.add_weight(shape=(2,), initializer="ones", name="shift")

        def call(self, x):
            return self.head(self.block(x)) + self.shift

    model = Whole()
    model(np.zeros((1, 3), "float32"))
    return model, [(3,)]


MODELS = [dense_model, convolutional_model, recurrent_model, nested_model, subclassed_model]


def fill(model, seed=0):
    """Weights that no initializer would give."""
    rng = np.random.default_rng(seed)
    model.set_weights([rng.uniform(0.2, 0.8, w.shape) for w in model.get_weights()])


def agree(source, target, shapes, rtol=1e-5):
    """Both models say the same."""
    rng = np.random.default_rng(1)
    inputs = [rng.normal(size=(3, *shape)).astype("float32") for shape in shapes]
    inputs = inputs if len(inputs) > 1 else inputs[0]
    found = [m(inputs) for m in (target, source)]
    for a, b in zip(*(f if isinstance(f, (list, tuple)) else [f] for f in found)):
        close(a, b, rtol)


@pytest.mark.parametrize("make", MODELS, ids=lambda make: make.__name__)
@pytest.mark.parametrize(
    "source, target",
    [(tricorn, tricorn), (tricorn, tf_keras), (tf_keras, tricorn)],
    ids=["ours to ours", "ours to tf-keras", "tf-keras to ours"],
)
def test_weights_go_to_tf_keras_and_back(make, source, target, tmp_path):
    (model, shapes), (other, _) = make(source), make(target)
    fill(model)
    fill(other, seed=9)
    model.save_weights(tmp_path / "w.h5")
    other.load_weights(tmp_path / "w.h5")
    agree(model, other, shapes)


@pytest.mark.parametrize("make", [convolutional_model, nested_model], ids=lambda m: m.__name__)
def test_keras_3_reads_our_layout(make, tmp_path):
    (model, shapes), (other, _) = make(tricorn), make(keras)
    fill(model)
    model.save_weights(tmp_path / "w.h5")
    other.load_weights(tmp_path / "w.h5")
    agree(model, other, shapes)


@pytest.mark.parametrize("library", [keras, tf_keras], ids=["keras 3", "tf-keras"])
def test_weights_in_the_file_of_a_whole_model(library, tmp_path):
    (model, shapes), (other, _) = nested_model(library), nested_model(tricorn)
    fill(model)
    model.compile("adam", "mse")
    model.save(tmp_path / "m.h5")
    other.load_weights(tmp_path / "m.h5")
    agree(model, other, shapes)


def test_the_content_decides_not_the_name(tmp_path):
    model, shapes = dense_model(tricorn)
    fill(model)
    for saved, called in (("w.h5", "w.weights.h5"), ("v.weights.h5", "v.h5"), ("u.hdf5", "u")):
        other, _ = dense_model(tricorn)
        model.save_weights(tmp_path / saved)
        (tmp_path / saved).rename(tmp_path / called)
        other.load_weights(tmp_path / called)
        agree(model, other, shapes)


def test_the_file_says_what_tf_keras_files_say(tmp_path):
    """Same groups, arrays and attributes, but for the names of weights."""
    found = []
    for library in (tricorn, tf_keras):
        model, _ = nested_model(library)
        model.save_weights(tmp_path / "w.h5")
        with h5py.File(tmp_path / "w.h5") as file:
            groups = [file[name] for name in file.attrs["layer_names"]]
            shapes = [[g[n].shape for n in g.attrs["weight_names"]] for g in groups]
            found.append((shapes, file.attrs["backend"], sorted(file.attrs)))
    assert found[0] == found[1]


def test_long_lists_of_names_are_split(tmp_path, monkeypatch):
    monkeypatch.setattr(hdf5, "_ATTRIBUTE_LIMIT", 120)
    monkeypatch.setattr(hdf5_format, "HDF5_OBJECT_HEADER_LIMIT", 120)
    for source, target in ((tricorn, tf_keras), (tf_keras, tricorn)):
        (model, shapes), (other, _) = recurrent_model(source), recurrent_model(target)
        fill(model)
        model.save_weights(tmp_path / "w.h5")
        with h5py.File(tmp_path / "w.h5") as file:
            assert "layer_names1" in file.attrs and "layer_names" not in file.attrs
        other.load_weights(tmp_path / "w.h5")
        agree(model, other, shapes)


@pytest.mark.parametrize("kind, gates", [("LSTM", 4), ("GRU", 3)])
def test_weights_of_cudnn_layers(kind, gates, tmp_path):
    """As tf-keras converts them."""
    rng = np.random.default_rng(0)
    shapes = {"kernel": (5, gates * 3), "recurrent": (3, gates * 3), "bias": (2 * gates * 3,)}
    arrays = {f"x/{name}:0": rng.normal(size=shape) for name, shape in shapes.items()}
    theirs = getattr(tf_keras.layers, kind)(3)
    theirs.build((None, 6, 5))
    expected = hdf5_format.preprocess_weights_for_loading(theirs, list(arrays.values()))
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file.attrs["layer_names"], file.attrs["keras_version"] = [b"x"], b"2.3.1"
        file.attrs["backend"] = b"tensorflow"
        file.create_group("x").attrs["weight_names"] = [name.encode() for name in arrays]
        for name, array in arrays.items():
            file["x"][name] = array
    layers = tricorn.layers
    model = tricorn.Sequential([layers.Input((6, 5)), getattr(layers, kind)(3)])
    model.load_weights(tmp_path / "w.h5")
    for ours, array in zip(model.get_weights(), expected):
        close(ours, array, 1e-6)


def test_units_of_a_layer():
    """A recurrent layer is one, its cell's weights included."""
    model, _ = recurrent_model(tricorn)
    found = [conversions.units(layer) for layer in model.layers[1:]]
    assert [[len(unit.variables) for unit in units] for units in found] == [
        [3], [3], [3], [2], [3, 3], [6], [2], [3, 3]
    ]  # fmt: skip


@pytest.mark.parametrize("how", [2, 3])
def test_locally_connected_kernels_in_weights_files(how, tmp_path):
    """In the forms that two of tf.keras's three ways to compute them have."""
    local = tf_keras.layers.LocallyConnected1D(3, 2, strides=2, implementation=how)
    theirs = tf_keras.Sequential([tf_keras.layers.Input((7, 2)), local])
    fill(theirs)
    theirs.save_weights(tmp_path / "m.weights.h5")
    ours = [tricorn.Input((7, 2)), tricorn.layers.LocallyConnected1D(3, 2, strides=2)]
    model = tricorn.Sequential(ours)
    model.load_weights(tmp_path / "m.weights.h5")
    agree(theirs, model, [(7, 2)])
