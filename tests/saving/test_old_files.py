"""Weights from files that genuine old Kerases wrote: models built by hand predict what theirs did.

The files in ``tests/data`` were written by the library and engine that the folder is named after;
the ``.npz`` beside holds inputs and predictions.
"""

import contextlib
from pathlib import Path

import numpy as np
import pytest

import tricorn
from tests.oracle import close
from tricorn.utils import (
    convert_all_kernels_in_model,
    convert_dense_weights_data_format,
    convert_kernel,
)

DATA = Path(__file__).parent.parent / "data"
layers = tricorn.layers


@tricorn.saving.register_keras_serializable("tests")
def hard_sigmoid(x):
    """As it was before Keras 3."""
    return tricorn.ops.clip(0.2 * x + 0.5, 0.0, 1.0)


def stack(*members):
    return tricorn.Sequential(list(members))


# --------------------------------------------- models built again, for files of whole models


def cnn2d():
    return stack(
        layers.Input((8, 8, 3)),
        layers.Conv2D(4, 3, padding="same", activation="relu"),
        layers.MaxPooling2D(2),
        layers.Conv2D(5, (2, 3), strides=(2, 1)),
        layers.Flatten(),
        layers.Dense(3, "softmax"),
    )


def keras1_cnn(data_format="channels_last"):
    formatted = {"data_format": data_format}
    return stack(
        layers.Input((8, 8, 3) if data_format == "channels_last" else (3, 8, 8)),
        layers.Conv2D(4, 3, padding="same", activation="relu", **formatted),
        layers.MaxPooling2D(2, **formatted),
        layers.Conv2D(5, (2, 3), strides=(2, 1), **formatted),
        layers.ZeroPadding2D(1, **formatted),
        layers.Flatten(data_format="channels_last"),
        layers.Dense(3, "softmax"),
    )


def cnn3d():
    return stack(
        layers.Input((5, 6, 7, 2)),
        layers.Conv3D(3, 2, activation="relu"),
        layers.MaxPooling3D(2),
        layers.ZeroPadding3D(1),
        layers.Cropping3D(1),
        layers.UpSampling3D(2),
        layers.AveragePooling3D(2),
        layers.Conv3DTranspose(2, 2),
        layers.GlobalAveragePooling3D(),
        layers.Dense(3, "softmax"),
    )


def cnn_separable():
    return stack(
        layers.Input((8, 8, 3)),
        layers.SeparableConv2D(6, 3, depth_multiplier=2),
        layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2),
        layers.GlobalMaxPooling2D(),
        layers.Dense(3, "softmax"),
    )


def channels_first_flatten():
    return stack(
        layers.Input((6, 6, 3)),
        layers.Permute((3, 1, 2)),
        layers.Flatten(data_format="channels_first"),
        layers.Dense(3, "softmax"),
    )


def mlp():
    return stack(
        layers.Input((6,)),
        layers.Dense(8, "elu"),
        layers.PReLU(),
        layers.Dense(8, "selu"),
        layers.Dense(3, "softmax"),
    )


def lstm(first="sigmoid", second=hard_sigmoid):
    return stack(
        layers.Input((7, 5)),
        layers.LSTM(6, recurrent_activation=first, return_sequences=True),
        layers.LSTM(4, recurrent_activation=second),
        layers.Dense(3, "softmax"),
    )


def keras1_lstm():
    return lstm(hard_sigmoid, "sigmoid")


def bidirectional():
    return stack(
        layers.Input((7, 5)),
        layers.Bidirectional(
            layers.LSTM(4, recurrent_activation=hard_sigmoid, return_sequences=True)
        ),
        layers.TimeDistributed(layers.Dense(4)),
        layers.Flatten(),
        layers.Dense(3, "softmax"),
    )


def embedding_mask():
    return stack(
        layers.Input((9,)),
        layers.Embedding(20, 5, mask_zero=True),
        layers.LSTM(6, recurrent_activation=hard_sigmoid),
        layers.Dense(3, "softmax"),
    )


def simple_rnn():
    return stack(
        layers.Input((7, 5)),
        layers.SimpleRNN(6, return_sequences=True),
        layers.SimpleRNN(4, go_backwards=True),
        layers.Dense(3, "softmax"),
    )


def masking():
    return stack(
        layers.Input((7, 5)),
        layers.Masking(-1.0),
        layers.SimpleRNN(6, return_sequences=True),
        layers.TimeDistributed(layers.Dense(3)),
    )


def siamese():
    a, b = layers.Input((6,)), layers.Input((6,))
    base = stack(layers.Input((6,)), layers.Dense(8, "relu"), layers.Dense(4))
    outputs = layers.Dense(1, "sigmoid")(layers.Subtract()([base(a), base(b)]))
    return tricorn.Model([a, b], outputs)


def residual():
    inputs = layers.Input((8,))
    x = layers.Add()([layers.Dense(8, trainable=False)(inputs), inputs])
    x = layers.BatchNormalization(center=False, scale=False)(x)
    x = layers.Flatten()(layers.Permute((2, 1))(layers.Reshape((2, 4))(x)))
    return tricorn.Model(inputs, layers.Dense(3, "softmax")(x))


def embedding_dot():
    a, b = layers.Input((1,)), layers.Input((1,))
    flat = [layers.Flatten()(layers.Embedding(n, 4)(x)) for n, x in ((10, a), (12, b))]
    return tricorn.Model([a, b], layers.Dot(-1)(flat))


def graph():
    main, aux = layers.Input((6,)), layers.Input((7, 5))
    lstm = layers.LSTM(4, recurrent_activation=hard_sigmoid)(aux)
    both = layers.Concatenate()([layers.Dense(5)(main), lstm])
    return tricorn.Model([main, aux], [layers.Dense(3, "softmax")(both), layers.Dense(1)(both)])


# ------------------------------------------------------ models built again, for files of weights


def convolutions(data_format="channels_last"):
    """Keras 1: each kind, with no two sizes equal."""

    def image(*shape):
        return shape if data_format == "channels_last" else (shape[-1], *shape[:-1])

    s, i, v = (layers.Input(shape) for shape in ((9, 3), image(7, 6, 2), image(4, 5, 4, 2)))
    formatted = {"data_format": data_format}
    outputs = [
        layers.Conv1D(2, 3)(s),
        layers.Conv2D(3, (3, 2), strides=2, **formatted)(i),
        layers.Conv2DTranspose(3, (3, 4), strides=2, **formatted)(i),
        layers.Conv2D(3, 2, dilation_rate=2, **formatted)(i),
        layers.Conv3D(3, (2, 3, 2), **formatted)(v),
    ]
    return tricorn.Model([s, i, v], outputs)


def more_convolutions():
    """Keras 2 had more kinds; Theano turned some kernels and left others."""
    s, i, v = layers.Input((9, 3)), layers.Input((7, 6, 2)), layers.Input((4, 5, 4, 2))
    outputs = [
        layers.Conv1D(2, 3, dilation_rate=2)(s),
        layers.Conv2D(3, (3, 2), strides=2)(i),
        layers.Conv2DTranspose(2, (2, 3), strides=2)(i),
        layers.Conv3D(2, (2, 3, 2))(v),
        layers.Conv3DTranspose(2, (2, 2, 3))(v),
        layers.SeparableConv1D(2, 3)(s),
        layers.SeparableConv2D(3, (2, 3))(i),
        layers.DepthwiseConv2D((3, 2))(i),
    ]
    return tricorn.Model([s, i, v], outputs)


def inner_model():
    """The files' writers had frozen b: its weights come last in their files."""
    return tricorn.Sequential(
        [
            layers.Input((5,)),
            layers.Dense(4, name="a"),
            layers.BatchNormalization(name="n"),
            layers.Dense(4, name="b"),
            layers.BatchNormalization(name="m"),
            layers.Dense(3, name="c"),
        ],
        name="inner",
    )


def recurrent_nested():
    """Keras 2; b is not frozen here, and the weights' names tell where they belong."""
    t, x, inner = layers.Input((6, 5)), layers.Input((5,)), inner_model()
    outputs = [
        layers.GRU(3, reset_after=False)(t),
        layers.GRU(3)(t),
        layers.Bidirectional(layers.LSTM(2, return_sequences=True))(t),
        layers.RNN(layers.LSTMCell(2))(t),
        layers.TimeDistributed(inner)(t),
        inner(x),
    ]
    return tricorn.Model([t, x], outputs)


def keras1_recurrent_nested():
    """Recurrent layers with one array a gate and with one for all, alone, twofold and nested."""
    t, x, inner = layers.Input((6, 5)), layers.Input((5,)), inner_model()
    inner.get_layer("b").trainable = False
    old = {"reset_after": False}
    deep = [layers.Input((6, 5)), layers.LSTM(3, return_sequences=True), layers.GRU(2, **old)]
    outputs = [
        layers.GRU(3, **old)(t),
        layers.GRU(3, **old)(t),
        layers.LSTM(3)(t),
        layers.SimpleRNN(3)(t),
        layers.Bidirectional(layers.GRU(2, return_sequences=True, **old))(t),
        stack(*deep)(t),
        inner(x),
    ]
    return tricorn.Model([t, x], outputs)


KERAS1, KERAS1_TH = "keras-1.2.2-theano-tf-ordering", "keras-1.2.2-theano-th-ordering"
THEANO, TF1 = "keras-2.3.1-theano", "keras-2.3.1-tensorflow-1.15"
TF2_4, TF2_15 = "tf.keras-2.4-h5", "tf.keras-2.15-h5"
FILES = {
    f"{KERAS1}/k1_cnn": keras1_cnn,
    f"{KERAS1}/k1_lstm": keras1_lstm,
    f"{KERAS1}/k1_bidir_td": bidirectional,
    f"{KERAS1}/k1_embedding_mask": embedding_mask,
    f"{KERAS1}/k1_graph_multi": graph,
    f"{KERAS1}/convolutions": convolutions,
    f"{KERAS1}/recurrent_nested": keras1_recurrent_nested,
    f"{KERAS1_TH}/k1_cnn": lambda: keras1_cnn("channels_first"),
    f"{KERAS1_TH}/convolutions": lambda: convolutions("channels_first"),
    f"{THEANO}/cnn2d": cnn2d,
    f"{THEANO}/cnn3d": cnn3d,
    f"{THEANO}/cnn_separable": cnn_separable,
    f"{THEANO}/cnn_channels_first_flatten": channels_first_flatten,
    f"{THEANO}/convolutions": more_convolutions,
    f"{THEANO}/recurrent_nested": recurrent_nested,
    f"{THEANO}/shared_siamese": siamese,
    f"{TF1}/cnn2d": cnn2d,
    f"{TF1}/cnn_separable": cnn_separable,
    f"{TF1}/lstm": lstm,
    f"{TF1}/masking_layer": masking,
    f"{TF1}/mlp_adam": mlp,
    f"{TF2_4}/cnn3d": cnn3d,
    f"{TF2_4}/lstm": lstm,
    f"{TF2_4}/simple_rnn": simple_rnn,
    f"{TF2_4}/shared_siamese": siamese,
    f"{TF2_15}/cnn2d": cnn2d,
    f"{TF2_15}/embedding_dot": embedding_dot,
    f"{TF2_15}/lstm": lstm,
    f"{TF2_15}/residual_frozen": residual,
}


#: files with convolution kernels of Theano that do not say so
SILENT = [f"{folder}/{n}" for folder in (KERAS1, KERAS1_TH) for n in ("k1_cnn", "convolutions")]


@pytest.mark.filterwarnings("error:.*Theano:UserWarning")
@pytest.mark.parametrize("name", FILES)
def test_files_of_old_kerases(name):
    """A model built by hand, with the weights of the file, predicts what the original did."""
    model = FILES[name]()
    with np.load(DATA / f"{name}.npz") as record:
        inputs = [record[key] for key in record.files if key in ("x0", "x1", "x2")]
        expected = [record[key] for key in record.files if key[:-1] == "predict"]
    with contextlib.nullcontext() if name not in SILENT else pytest.warns(match="are Theano's"):
        model.load_weights(DATA / f"{name}.h5")
    outputs = model(inputs if len(inputs) > 1 else inputs[0])
    outputs = outputs if isinstance(outputs, (list, tuple)) else [outputs]
    assert len(outputs) == len(expected)
    for ours, theirs in zip(outputs, expected):
        close(ours, theirs)


def test_scripts_that_convert_the_kernels_of_keras_1_themselves():
    """Loading has done it; the first call after that changes nothing, and says so."""
    model = keras1_cnn()
    with pytest.warns(UserWarning, match="Do not convert them again"):
        model.load_weights(DATA / KERAS1 / "k1_cnn.h5")
    loaded = model.get_weights()
    with pytest.warns(UserWarning, match=r"left as they are.*k1_cnn\.h5"):
        convert_all_kernels_in_model(model)
    np.testing.assert_array_equal(model.get_weights()[0], loaded[0])
    convert_all_kernels_in_model(model)
    np.testing.assert_array_equal(model.get_weights()[0], convert_kernel(loaded[0]))


def test_theano_order_loads_into_a_model_with_channels_last():
    """Keras 1's "th" file in a model of today: kernels by their shapes, the Dense by hand."""
    model = keras1_cnn("channels_last")
    with pytest.warns(UserWarning, match="are Theano's"):
        model.load_weights(DATA / KERAS1_TH / "k1_cnn.h5")
    convert_dense_weights_data_format(model.layers[-1], (4, 4, 5), "channels_last")
    with np.load(DATA / KERAS1_TH / "k1_cnn.npz") as record:
        close(model(np.moveaxis(record["x0"], 1, -1)), record["predict0"])


@pytest.mark.engine("tensorflow")
def test_files_in_a_graph_of_tensorflow(tmp_path):
    """Where weights are the graph's own tf.Variables."""
    tensorflow = pytest.importorskip("tensorflow")
    with np.load(DATA / THEANO / "cnn2d.npz") as record, tensorflow.Graph().as_default():
        model, other = cnn2d(), cnn2d()
        model.load_weights(DATA / THEANO / "cnn2d.h5")
        close(model.predict(record["x0"], verbose=0), record["predict0"])
        convert_all_kernels_in_model(model)
        model.save_weights(tmp_path / "w.h5")
        other.load_weights(tmp_path / "w.h5")
        convert_all_kernels_in_model(other)
        close(other.predict(record["x0"], verbose=0), record["predict0"])
