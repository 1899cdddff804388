"""Keras 1's spellings: each is converted, with one DeprecationWarning that names today's argument,
at the line of the script."""

import warnings

import numpy as np
import pytest

from tricorn.classic import keras
from tricorn.classic.spellings import NAMES

L = keras.layers
K = keras.backend
pytestmark = pytest.mark.engine_free

#: (class, Keras 1's arguments, the same in Keras 2, names that the warnings tell)
CASES = [
    ("Dense", dict(output_dim=3, init="one"), dict(units=3, kernel_initializer="one"),
     ["units", "kernel_initializer"]),
    ("Dense", dict(output_dim=3, W_regularizer="l2", b_regularizer="l1", bias=True),
     dict(units=3, kernel_regularizer="l2", bias_regularizer="l1", use_bias=True),
     ["units", "kernel_regularizer", "bias_regularizer", "use_bias"]),
    ("Dense", dict(units=3, W_constraint="nonneg", b_constraint="unitnorm"),
     dict(units=3, kernel_constraint="nonneg", bias_constraint="unitnorm"),
     ["kernel_constraint", "bias_constraint"]),
    ("Dropout", dict(p=0.3), dict(rate=0.3), ["rate"]),
    ("SpatialDropout1D", dict(p=0.3), dict(rate=0.3), ["rate"]),
    ("SpatialDropout2D", dict(p=0.3, dim_ordering="th"),
     dict(rate=0.3, data_format="channels_first"), ["rate", "data_format"]),
    ("GaussianDropout", dict(p=0.3), dict(rate=0.3), ["rate"]),
    ("GaussianNoise", dict(sigma=0.3), dict(stddev=0.3), ["stddev"]),
    ("Embedding", dict(input_dim=4, output_dim=3, init="normal", W_regularizer="l1",
                       W_constraint="nonneg"),
     dict(input_dim=4, output_dim=3, embeddings_initializer="normal",
          embeddings_regularizer="l1", embeddings_constraint="nonneg"),
     ["embeddings_initializer", "embeddings_regularizer", "embeddings_constraint"]),
    ("Conv1D", dict(nb_filter=2, filter_length=3, subsample_length=2, border_mode="same"),
     dict(filters=2, kernel_size=3, strides=2, padding="same"),
     ["filters", "kernel_size", "strides", "padding"]),
    ("Convolution2D", dict(nb_filter=2, nb_row=3, nb_col=4, subsample=(2, 2), init="zero"),
     dict(filters=2, kernel_size=(3, 4), strides=(2, 2), kernel_initializer="zero"),
     ["kernel_size", "filters", "strides", "kernel_initializer"]),
    ("Conv2D", dict(nb_filter=2, kernel_size=(3, 3), dim_ordering="th", border_mode="valid"),
     dict(filters=2, kernel_size=(3, 3), data_format="channels_first", padding="valid"),
     ["filters", "data_format", "padding"]),
    ("Conv2D", dict(nb_filter=2, kernel_size=(3, 3), dim_ordering="default"),
     dict(filters=2, kernel_size=(3, 3)), ["filters", "data_format"]),
    ("Convolution3D", dict(nb_filter=2, kernel_dim1=3, kernel_dim2=4, kernel_dim3=5),
     dict(filters=2, kernel_size=(3, 4, 5)), ["kernel_size", "filters"]),
    ("AtrousConvolution2D", dict(nb_filter=2, nb_row=3, nb_col=3, atrous_rate=(2, 2)),
     dict(filters=2, kernel_size=(3, 3), dilation_rate=(2, 2)),
     ["kernel_size", "filters", "dilation_rate"]),
    ("Deconvolution2D", dict(nb_filter=2, nb_row=3, nb_col=3, output_shape=(None, 5, 5, 2)),
     dict(filters=2, kernel_size=(3, 3)), ["kernel_size", "filters", "output_shape"]),
    ("SeparableConv2D", dict(nb_filter=2, kernel_size=(3, 3), init="one"),
     dict(filters=2, kernel_size=(3, 3), depthwise_initializer="one", pointwise_initializer="one"),
     ["filters", "pointwise_initializer"]),
    ("LocallyConnected1D", dict(nb_filter=2, filter_length=3), dict(filters=2, kernel_size=3),
     ["filters", "kernel_size"]),
    ("MaxPooling1D", dict(pool_length=3, stride=2, border_mode="same"),
     dict(pool_size=3, strides=2, padding="same"), ["pool_size", "strides", "padding"]),
    ("AveragePooling2D", dict(border_mode="same", dim_ordering="tf"),
     dict(padding="same", data_format="channels_last"), ["padding", "data_format"]),
    ("GlobalMaxPooling2D", dict(dim_ordering="th"), dict(data_format="channels_first"),
     ["data_format"]),
    ("UpSampling1D", dict(length=3), dict(size=3), ["size"]),
    ("ZeroPadding2D", dict(padding={"top_pad": 1, "right_pad": 2}),
     dict(padding=((1, 0), (0, 2))), ["padding"]),
    ("BatchNormalization", dict(beta_init="one", gamma_init="zero", mode=0),
     dict(beta_initializer="one", gamma_initializer="zero"),
     ["beta_initializer", "gamma_initializer"]),
    ("PReLU", dict(init="one"), dict(alpha_initializer="one"), ["alpha_initializer"]),
    ("LSTM", dict(output_dim=3, inner_init="glorot_normal", inner_activation="tanh",
                  forget_bias_init="zero", U_regularizer="l2", dropout_W=0.1, dropout_U=0.2,
                  consume_less="gpu", input_dim=4, input_length=5),
     dict(units=3, recurrent_initializer="glorot_normal", recurrent_activation="tanh",
          unit_forget_bias=False, recurrent_regularizer="l2", dropout=0.1, recurrent_dropout=0.2,
          input_shape=(5, 4)),
     ["units", "recurrent_initializer", "recurrent_activation", "unit_forget_bias",
      "recurrent_regularizer", "dropout", "recurrent_dropout", "implementation", "input_shape"]),
    ("GRU", dict(output_dim=3, init="one"), dict(units=3, kernel_initializer="one"),
     ["units", "kernel_initializer"]),
    ("ConvLSTM2D", dict(nb_filter=2, nb_row=3, nb_col=3, inner_activation="sigmoid"),
     dict(filters=2, kernel_size=(3, 3), recurrent_activation="sigmoid"),
     ["kernel_size", "filters", "recurrent_activation"]),
]  # fmt: skip


def told(caught):
    assert all(issubclass(w.category, DeprecationWarning) for w in caught)
    assert all(w.filename == __file__ for w in caught)
    return [str(w.message) for w in caught]


def config_of(layer):
    config = layer.get_config()
    return {key: value for key, value in config.items() if key != "name"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]} {' '.join(case[1])}"[:60])
def test_argument(case):
    name, older, newer, names = case
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        made = getattr(L, name)(**older)
    messages = told(caught)
    assert len(messages) == len(names), messages
    for new in names:
        assert sum(new in message for message in messages) >= 1, (new, messages)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        wanted = getattr(L, name)(**newer)
    assert config_of(made) == config_of(wanted)
    assert made._tricorn.input_shape == wanted._tricorn.input_shape


def test_sizes_of_kernels_by_place():
    with pytest.warns(DeprecationWarning, match="kernel_size"):
        made = L.Convolution2D(8, 3, 5, activation="relu")
    assert made.kernel_size == (3, 5) and made.filters == 8
    assert L.Conv2D(8, 3, strides=2).kernel_size == (3, 3)
    assert L.Conv2D(8, (3, 5), (2, 2)).strides == (2, 2)
    with pytest.warns(DeprecationWarning, match="kernel_size"):
        assert L.Convolution3D(8, 3, 4, 5).kernel_size == (3, 4, 5)


def test_both_spellings_are_an_error():
    with pytest.raises(TypeError, match="older name of units"):
        L.Dense(units=3, output_dim=3)


def test_unknown_arguments_are_an_error():
    with pytest.raises((TypeError, ValueError), match="unitz"):
        L.Dense(3, unitz=4)


def test_a_mode_of_keras_1_that_is_no_more():
    with pytest.raises(TypeError, match="mode=0"):
        L.BatchNormalization(mode=1)


def test_model_and_fit():
    x = L.Input((3,))
    with pytest.warns(DeprecationWarning, match="inputs=") as caught:
        keras.models.Model(input=x, output=L.Dense(2)(x))
    assert len(caught) == 2


@pytest.mark.parametrize(
    "call",
    [
        lambda: keras.utils.to_categorical([0, 1], nb_classes=3),
        lambda: keras.preprocessing.text.Tokenizer(nb_words=3),
        lambda: keras.regularizers.l1l2(0.1),
        lambda: K.lesser(np.ones(2), np.zeros(2)),
        lambda: keras.callbacks.ReduceLROnPlateau(epsilon=0.1),
    ],
    ids=["to_categorical", "Tokenizer", "l1l2", "lesser", "ReduceLROnPlateau"],
)
def test_functions(call):
    with pytest.warns(DeprecationWarning, match="spelling|Keras 1"):
        call()


def test_every_spelling_stands_for_an_argument_of_something():
    tested = " ".join(f"{case[1]}" for case in CASES)
    methods = {"input", "output", "nb_epoch", "samples_per_epoch", "nb_val_samples", "val_samples",
               "max_q_size", "nb_worker", "pickle_safe", "nb_classes", "nb_words"}  # fmt: skip
    assert {name for name in NAMES if f"'{name}'" not in tested} == {
        *methods, "input_dtype", "m", "length" if "'length'" not in tested else "m",
    }  # fmt: skip
