"""What layers do beyond one call: masks that travel, state that stays, draws, freezing, errors."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import keras
import numpy as np
import pytest

from tests.oracle import array, close
from tricorn import Sequential, layers, ops, random, tree, utils
from tricorn.graph.calls import get_mask
from tricorn.layers import Input
from tricorn.serialization.registry import register_keras_serializable

_rng = np.random.default_rng(11)


def floats(*shape: int) -> np.ndarray:
    return _rng.normal(size=shape).astype(np.float32)


def twins(ours: Any, theirs: Any, shape: Any) -> tuple[Any, Any]:
    """Both layers, built, with equal weights."""
    ours.build(shape)
    theirs.build(shape)
    theirs.set_weights(ours.get_weights())
    return ours, theirs


# ------------------------------------------------------------------------------------------ masks

TOKENS = np.array([[1, 2, 3, 0, 0], [4, 1, 0, 0, 0]], np.int32)


@pytest.mark.parametrize(
    "top",
    [
        lambda la: la.LSTM(3),
        lambda la: la.GRU(3, return_sequences=True),
        lambda la: la.Bidirectional(la.LSTM(3, return_sequences=True)),
        lambda la: la.RNN([la.LSTMCell(3), la.GRUCell(2)], return_sequences=True),
        lambda la: la.GlobalAveragePooling1D(),
        lambda la: la.BatchNormalization(),
    ],
)
def test_a_mask_travels_from_an_embedding(top) -> None:
    ours, theirs = twins(
        layers.Embedding(5, 4, mask_zero=True), keras.layers.Embedding(5, 4, mask_zero=True), (2, 5)
    )
    a, b = twins(top(layers), top(keras.layers), (2, 5, 4))
    drop, keras_drop = layers.Dropout(0.5), keras.layers.Dropout(0.5)
    found, expected = a(drop(ours(TOKENS))), b(keras_drop(theirs(TOKENS)))
    close(found, expected)
    mask, want = get_mask(found), getattr(expected, "_keras_mask", None)
    assert (mask is None) == (want is None)
    if mask is not None:
        assert np.array_equal(mask, want)


def test_a_mask_travels_symbolically() -> None:
    x = layers.Embedding(5, 4, mask_zero=True)(Input((None,), dtype="int32"))
    assert x.mask.shape == (None, None)
    x = layers.TimeDistributed(layers.Dense(3))(layers.GRU(3, return_sequences=True)(x))
    assert x.shape == (None, None, 3)
    assert x.mask.dtype == "bool"
    assert layers.LSTM(3)(x).mask is None


@pytest.mark.parametrize(
    "name", ["Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate"]
)
@pytest.mark.parametrize("masked", [(True, True), (True, False), (False, True)])
def test_merging_masked_inputs(name: str, masked: tuple) -> None:
    rows = [np.where(floats(2, 4, 1) > 0, floats(2, 4, 3), 0).astype(np.float32) for _ in masked]

    def run(la: Any) -> Any:
        inputs = [
            la.Masking()(x) if m else la.Activation("linear")(x) for x, m in zip(rows, masked)
        ]
        return getattr(la, name)()(inputs)

    found, expected = run(layers), run(keras.layers)
    close(found, expected)
    mask, want = get_mask(found), getattr(expected, "_keras_mask", None)
    assert (mask is None) == (want is None)
    if want is not None:
        assert np.array_equal(mask, want)


def test_a_layer_that_loses_a_mask_says_so() -> None:
    x = layers.Masking()(floats(2, 4, 3))
    with pytest.warns(UserWarning, match="does not support masking"):
        layers.Conv1D(2, 2)(x)


# ------------------------------------------------------------------------------------------ state


def cell_that_begins_with_ones(library: Any) -> Any:
    class Cell(library.layers.Layer):
        state_size, output_size = [3, 3], 3

        def build(self, shape: Any) -> None:
            self.kernel = self.add_weight(shape=(shape[-1], 3), name="kernel")

        def call(self, x: Any, states: Any, training: Any = None) -> Any:
            h, c = states
            c = library.ops.tanh(library.ops.matmul(x, self.kernel) + 0.1 * h) + 0.5 * c
            return c, [c, c]

        def get_initial_state(self, batch_size: Any = None) -> Any:
            return [library.ops.zeros((batch_size, 3)), library.ops.ones((batch_size, 3))]

    return Cell()


def test_states_begin_with_what_the_cell_says() -> None:
    """Keras's own keeps no state on JAX, so its first call alone is compared."""
    import tricorn

    ours, theirs = twins(
        layers.RNN(cell_that_begins_with_ones(tricorn), stateful=True),
        keras.layers.RNN(cell_that_begins_with_ones(keras), stateful=True),
        (2, 4, 5),
    )
    x = floats(2, 4, 5)
    assert [float(array(state)[0, 0]) for state in ours.states] == [0.0, 1.0]
    close(ours(x), theirs(x))
    ours.reset_state()
    assert [float(array(state)[0, 0]) for state in ours.states] == [0.0, 0.0]


@pytest.mark.parametrize("name", ["SimpleRNN", "LSTM", "GRU"])
def test_stateful_layers_go_on_where_they_were(name: str) -> None:
    shape = (2, 3, 4)
    ours, theirs = twins(
        getattr(layers, name)(3, stateful=True),
        getattr(keras.layers, name)(3, stateful=True),
        shape,
    )
    first, second = floats(*shape), floats(*shape)
    close(ours(first), theirs(first))
    close(ours(second), theirs(second))
    ours.reset_state()
    theirs.reset_state()
    close(ours(second), theirs(second))
    with pytest.raises(ValueError, match="stateful with batches of 2"):
        ours(floats(3, 3, 4))


def test_the_forget_gate_begins_open() -> None:
    layer = layers.LSTM(3)
    layer.build((None, 2, 4))
    assert np.array_equal(layer.cell.bias.numpy(), [0] * 3 + [1] * 3 + [0] * 6)


def test_a_frozen_batch_normalization_infers() -> None:
    layer = layers.BatchNormalization()
    x = floats(8, 3)
    layer(x, training=True)
    before = layer.get_weights()
    layer.trainable = False
    close(layer(x, training=True), layer(x, training=False))
    assert all(np.array_equal(a, b) for a, b in zip(before, layer.get_weights()))


def test_lstm_in_float64_against_numpy() -> None:
    x = np.random.default_rng(0).normal(size=(2, 6, 4))
    layer = layers.LSTM(3, dtype="float64")
    found = array(layer(x))
    kernel, recurrent, bias = layer.get_weights()
    h = c = np.zeros((2, 3))
    for t in range(6):
        i, f, g, o = np.split(x[:, t] @ kernel + h @ recurrent + bias, 4, -1)
        i, f, o = (1 / (1 + np.exp(-v)) for v in (i, f, o))
        c = f * c + i * np.tanh(g)
        h = o * np.tanh(c)
    assert found.dtype == np.float64
    close(found, h, 1e-12)


def test_batch_normalization_in_float64_against_numpy() -> None:
    x = np.random.default_rng(0).normal(size=(6, 4)) * 3
    layer = layers.BatchNormalization(dtype="float64")
    layer.build(x.shape)
    found = array(layer(x, training=True))
    assert found.dtype == np.float64
    close(found, (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-3), 1e-12)
    close(layer.moving_mean.numpy(), x.mean(0) * 0.01, 1e-12)
    close(layer.moving_variance.numpy(), 0.99 + x.var(0) * 0.01, 1e-12)


def test_layer_normalization_in_float64_against_numpy() -> None:
    x = np.random.default_rng(0).normal(size=(6, 4)) * 3
    found = array(layers.LayerNormalization(dtype="float64")(x))
    centred = x - x.mean(-1, keepdims=True)
    close(found, centred / np.sqrt(x.var(-1, keepdims=True) + 1e-3), 1e-12)


class Counting:
    """A cell that is no layer: its state counts the steps, its output is the input's sum."""

    state_size = 1
    output_size = 2

    def call(self, inputs: Any, states: list) -> tuple:
        total = ops.sum(inputs, axis=-1, keepdims=True)
        return ops.concatenate([total, states[0]], axis=-1), [ops.add(states[0], 1.0)]


def test_any_object_can_be_a_cell() -> None:
    x = floats(2, 5, 3)
    layer = layers.RNN(Counting(), return_sequences=True, return_state=True)
    outputs, count = layer(x)
    close(array(outputs)[..., 0], x.sum(-1))
    assert np.array_equal(array(outputs)[..., 1], [[0, 1, 2, 3, 4]] * 2)
    assert np.array_equal(count, [[5]] * 2)
    symbolic, _ = layers.RNN(Counting(), return_sequences=True, return_state=True)(Input((5, 3)))
    assert symbolic.shape == (None, 5, 2)


class Tripled(layers.GRUCell):
    """A subclass with a step of its own, which the loop must respect."""

    def call(self, inputs: Any, states: list, training: bool | None = None) -> tuple:
        output, states = super().call(inputs, states, training)
        return ops.multiply(output, 3.0), states


def test_a_cell_subclass_runs_its_own_step() -> None:
    x = floats(2, 4, 3)
    plain, tripled = layers.RNN(layers.GRUCell(2)), layers.RNN(Tripled(2))
    plain.build(x.shape)
    tripled.build(x.shape)
    tripled.set_weights(plain.get_weights())
    close(tripled(x), array(plain(x)) * 3)


# ------------------------------------------------------------------------------------------ draws


def test_dropout_zeroes_a_share_and_scales_the_rest() -> None:
    layer, x = layers.Dropout(0.3, seed=1), np.ones((400, 500), np.float32)
    first, second = array(layer(x, training=True)), array(layer(x, training=True))
    assert set(np.unique(first)) == {np.float32(0), np.float32(1 / 0.7)}
    assert abs((first == 0).mean() - 0.3) < 0.01
    assert not np.array_equal(first, second)
    again = array(layers.Dropout(0.3, seed=1)(x, training=True))
    assert np.array_equal(again, first)
    assert np.array_equal(layer(x), x)


@pytest.mark.parametrize(
    ("layer", "shape", "shared"),
    [
        (lambda: layers.Dropout(0.5, noise_shape=(None, 1, None)), (20, 6, 10), 1),
        (lambda: layers.SpatialDropout1D(0.5), (20, 6, 10), 1),
        (lambda: layers.SpatialDropout2D(0.5), (10, 4, 4, 10), (1, 2)),
        (lambda: layers.SpatialDropout2D(0.5, "channels_first"), (10, 10, 4, 4), (2, 3)),
    ],
)
def test_dropout_patterns_shared_along_axes(layer, shape, shared) -> None:
    found = array(layer()(np.ones(shape, np.float32), training=True))
    assert np.array_equal(found.max(shared), found.min(shared))
    assert 0.2 < (found == 0).mean() < 0.8


def test_noise_has_its_moments() -> None:
    x = np.full((300, 100), 2.0, np.float32)
    noise = array(layers.GaussianNoise(0.5, seed=1)(x, training=True))
    product = array(layers.GaussianDropout(0.2, seed=1)(x, training=True))
    assert abs(noise.mean() - 2) < 0.01
    assert abs(noise.std() - 0.5) < 0.01
    assert abs(product.mean() - 2) < 0.02
    assert abs(product.std() - 2 * 0.5) < 0.02


@pytest.mark.parametrize("name", ["SimpleRNN", "LSTM", "GRU"])
@pytest.mark.parametrize("rates", [{"dropout": 0.5}, {"recurrent_dropout": 0.5}])
def test_recurrent_dropout(name: str, rates: dict) -> None:
    layer, x = getattr(layers, name)(8, seed=3, **rates), floats(4, 5, 6)
    plain = array(layer(x))
    first = array(layer(x, training=True))
    second = array(layer(x, training=True))
    assert not np.allclose(first, plain)
    assert not np.allclose(first, second)
    assert np.array_equal(array(layer(x)), plain)
    stacked = layers.RNN([layer.cell, layers.SimpleRNNCell(2, dropout=0.5)])
    assert array(stacked(x, training=True)).shape == (4, 2)


def test_input_dropout_is_the_same_at_every_step() -> None:
    layer = layers.SimpleRNN(
        50, activation=None, dropout=0.5, kernel_initializer="identity",
        recurrent_initializer="zeros", return_sequences=True, seed=1,
    )  # fmt: skip
    found = array(layer(np.ones((3, 4, 50), np.float32), training=True))
    assert np.array_equal(found, np.broadcast_to(found[:, :1], found.shape))
    assert set(np.unique(found)) == {0, 2}


@pytest.mark.parametrize("layout", ["channels_last", "channels_first"])
def test_convolutional_lstm_leaves_masked_steps_out(layout: str) -> None:
    """Keras on JAX takes no masks there."""
    layer = layers.ConvLSTM2D(2, 3, padding="same", data_format=layout, return_state=True)
    x = floats(2, 4, 3, 4, 3)
    masked = layer(x, mask=np.array([[1, 1, 0, 0], [1, 1, 0, 0]], bool))
    for a, b in zip(masked, layer(x[:, :2])):
        close(a, b)


@pytest.mark.parametrize("layout", ["channels_last", "channels_first"])
@pytest.mark.parametrize("rates", [{"dropout": 0.5}, {"recurrent_dropout": 0.5}])
def test_convolutional_lstm_drops_out(layout: str, rates: dict) -> None:
    layer = layers.ConvLSTM1D(2, 3, data_format=layout, seed=1, **rates)
    x = floats(2, 4, 5, 6)
    first, second = (array(layer(x, training=True)) for _ in range(2))
    assert not np.allclose(first, second)
    assert np.array_equal(array(layer(x)), array(layer(x)))


@pytest.mark.parametrize("layout", ["channels_last", "channels_first"])
def test_locally_connected_layers_have_a_kernel_for_each_position(layout: str) -> None:
    layer = layers.LocallyConnected2D(3, (2, 3), (1, 2), data_format=layout)
    x = floats(2, 4, 5, 7) if layout == "channels_last" else floats(2, 7, 4, 5)
    layer.build(x.shape)
    assert [w.shape for w in layer.weights] == [(6, 42, 3), (3, 2, 3)]
    kernel, bias = (floats(*w.shape) for w in layer.weights)
    layer.set_weights([kernel, bias])
    expected = np.zeros((2, 3, 2, 3), np.float32)
    for i in range(3):
        for j in range(2):
            rows, columns = slice(i, i + 2), slice(2 * j, 2 * j + 3)
            window = x[:, rows, columns] if layout == "channels_last" else x[:, :, rows, columns]
            expected[:, i, j] = window.reshape(2, -1) @ kernel[2 * i + j] + bias[i, j]
    found = array(layer(x))
    close(found if layout == "channels_last" else np.moveaxis(found, 1, -1), expected)
    again = layers.LocallyConnected1D.from_config(layers.LocallyConnected1D(2, 3).get_config())
    assert again(floats(2, 6, 3)).shape == (2, 4, 2)


def test_thresholded_relu() -> None:
    x = np.array([[-1.0, 0.5, 1.0, 1.5]], np.float32)
    assert array(layers.ThresholdedReLU()(x)).tolist() == [[0, 0, 0, 1.5]]
    config = layers.ThresholdedReLU(0.4).get_config()
    assert array(layers.ThresholdedReLU.from_config(config)(x)).tolist() == [[0, 0.5, 1, 1.5]]


def test_alpha_dropout_keeps_mean_and_variance() -> None:
    x = np.random.default_rng(1).normal(size=(200, 300)).astype(np.float32)
    found = array(layers.AlphaDropout(0.3, seed=1)(x, training=True))
    assert abs(found.mean()) < 0.02  # about five standard errors
    assert abs(found.std() - 1) < 0.02
    shared = array(layers.AlphaDropout(0.5, noise_shape=(None, 1))(x, training=True))
    assert (shared.min(1) == shared.max(1)).any()
    assert not array(layers.AlphaDropout(1.0)(x, training=True)).any()


def test_reversible_embedding_masks_both_ways() -> None:
    layer = layers.ReversibleEmbedding(5, 3, mask_zero=True)
    tokens = np.array([[1, 2, 0], [3, 0, 0]])
    hidden = layer(tokens)
    assert np.array_equal(array(get_mask(hidden)), tokens != 0)
    assert np.array_equal(array(get_mask(layer(hidden, reverse=True))), tokens != 0)
    symbolic = layer(Input((None,), dtype="int32"))
    assert get_mask(symbolic) is not None
    assert layer(symbolic, reverse=True).shape == (None, None, 5)


def test_spectral_normalization_bounds_the_kernel() -> None:
    utils.set_random_seed(1)
    layer = layers.SpectralNormalization(layers.Dense(4), power_iterations=30)
    layer(floats(3, 5), training=True)
    close(np.linalg.svd(layer.get_weights()[0])[1][0], 1.0, 1e-4)
    model = Sequential([Input((5,)), layers.SpectralNormalization(layers.Dense(4))])
    model.compile("sgd", "mse")
    model.optimizer.learning_rate = 0.0
    model.fit(floats(60, 5), floats(60, 4), batch_size=1, epochs=1, verbose=0)
    close(np.linalg.svd(model.get_weights()[0])[1][0], 1.0, 1e-3)  # on JAX Keras forgets it
    indices = np.array([[1, 2]])
    embedding = layers.SpectralNormalization(layers.Embedding(5, 3))
    embedding(indices, training=True)
    assert array(embedding(indices)).dtype == np.float32  # Keras gives the indices' dtype
    zero = layers.SpectralNormalization(layers.Dense(4, kernel_initializer="zeros"))
    assert not array(zero(floats(3, 5), training=True)).any()


def test_a_pipeline_trains_unless_told_otherwise() -> None:
    pipeline = layers.Pipeline([layers.Rescaling(2.0), layers.Dropout(0.5, seed=1)])
    x = np.ones((4, 50), np.float32)
    assert set(np.unique(array(pipeline(x)))) == {0, 4}
    assert set(np.unique(array(pipeline(x, training=False)))) == {2}
    model = Sequential([Input((50,)), pipeline])
    assert set(np.unique(model.predict(x, verbose=0))) == {2}


def test_equal_seeds_give_equal_layers() -> None:
    def build() -> list:
        random.set_random_seed(5)
        made = [layers.Dense(3), layers.LSTM(2), layers.Conv1D(2, 2)]
        for layer in made:
            layer.build((None, 4, 3))
        return [w for layer in made for w in layer.get_weights()]

    assert all(np.array_equal(a, b) for a, b in zip(build(), build()))


def test_random_flip() -> None:
    x = floats(40, 3, 4, 2)
    found = array(layers.RandomFlip("horizontal", seed=1)(x, training=True))
    flipped = np.array([np.array_equal(a, b[:, ::-1]) for a, b in zip(found, x)])
    kept = np.array([np.array_equal(a, b) for a, b in zip(found, x)])
    assert (flipped | kept).all()
    assert flipped.any()
    assert kept.any()
    assert np.array_equal(layers.RandomFlip()(x, training=False), x)


def test_normalization_adapts() -> None:
    data = floats(50, 3, 4) * 3 + 100
    ours, theirs = layers.Normalization(axis=[1, -1]), keras.layers.Normalization(axis=[1, -1])
    ours.adapt(data)
    theirs.adapt(data)
    close(ours(data), theirs(data), 1e-4)
    for a, b in zip(ours.get_weights()[:2], theirs.get_weights()[:2]):
        close(a, b)
    batches = layers.Normalization(axis=[1, -1])
    batches.adapt([data[:20], data[20:]])
    close(batches.get_weights()[1], ours.get_weights()[1])


# ----------------------------------------------------------------------------------------- config


@register_keras_serializable("tests")
def doubled(x: Any, training: bool | None = None, by: float = 2.0) -> Any:
    return ops.multiply(x, by if training else 1.0)


def test_lambda_comes_back_by_its_function_s_name() -> None:
    layer = layers.Lambda(doubled, arguments={"by": 3.0})
    again = layers.Lambda.from_config(layer.get_config())
    x = floats(2, 3)
    close(again(x, training=True), x * 3)
    close(again(x), x)


def test_what_keras_adds_to_configs_is_heeded() -> None:
    config = {**keras.layers.Dense(3).get_config(), "lora_rank": 2, "lora_alpha": 2}
    assert "quantization_config" in config
    layer = layers.Dense.from_config(config)
    assert layer.get_config()["lora_rank"] == 2 and not layer.built


def test_wrappers_come_back() -> None:
    x = floats(2, 4, 3)
    layer = layers.Bidirectional(layers.LSTM(2, name="deep"), merge_mode="sum")
    expected = array(layer(x))
    again = layers.Bidirectional.from_config(layer.get_config())
    again.build(x.shape)
    again.set_weights(layer.get_weights())
    close(again(x), expected)
    assert [la.name for la in (again.forward_layer, again.backward_layer)] == [
        "forward_deep", "backward_deep",
    ]  # fmt: skip
    assert again.weights[0].path == f"{again.name}/forward_deep/lstm_cell/kernel"


# ----------------------------------------------------------------------------------------- errors

ERRORS = [
    (lambda: layers.Dense(-1), "Dense: units must be a positive integer, got -1"),
    (lambda: layers.Dense(3, unit=2), "arguments passed to Dense: .'unit'"),
    (lambda: layers.Dense(), "Dense: missing a required argument: 'units'"),
    (lambda: layers.Dense(3)(floats(4)), "expected min_ndim=2, found ndim=1"),
    (lambda: layers.Embedding(0, 3), "Embedding: input_dim must be a positive integer, got 0"),
    (lambda: layers.Dropout(1.5), "Dropout: rate must be a number between 0 and 1, got 1.5"),
    (lambda: layers.Dropout(0.5, noise_shape="abc"), "noise_shape must be a tuple"),
    (lambda: layers.Conv2D(3, (1, 2, 3)), "Conv2D: kernel_size must be .* 2 of them, got"),
    (lambda: layers.Conv2D(3, 3, padding="causal"), "padding must be one of 'valid', 'same', got"),
    (lambda: layers.Conv2D(3, 3, strides=2, dilation_rate=2), "do not go together"),
    (lambda: layers.Conv2D(3, 3, groups=2), "filters must be a multiple of groups"),
    (lambda: layers.Conv2D(3, 3)(floats(2, 5, 3)), "expected ndim=4, found ndim=3"),
    (lambda: layers.Conv2D(4, 3, groups=2)(floats(2, 5, 5, 3)), "2 groups, but .* 3 channels"),
    (lambda: layers.Conv2D(3, 7)(floats(2, 5, 5, 3)), "size .7, 7., which do not fit into .*5, 5"),
    (lambda: layers.MaxPooling2D(7)(floats(2, 5, 5, 3)), "window does not fit"),
    (lambda: layers.Conv2D(3, 1)(Input((5, 5, None))), "a known number of channels"),
    (lambda: layers.MaxPooling2D((2, 0)), "MaxPooling2D: pool_size must be"),
    (lambda: layers.MaxPooling2D()(floats(2, 5, 3)), "expected ndim=4, found ndim=3"),
    (lambda: layers.Reshape((2, -1, -1)), "at most one -1"),
    (lambda: layers.Reshape((5, 5))(floats(2, 4, 6)), "24 elements .* into .5, 5."),
    (lambda: layers.Permute((0, 1)), "Permute: dims must hold each of 1, 2"),
    (lambda: layers.Cropping1D(3)(floats(2, 5, 3)), "crops 3 \\+ 3 from axis 1"),
    (lambda: layers.ZeroPadding2D(((1, 2), (-1, 0))), "ZeroPadding2D: padding must be"),
    (lambda: layers.BatchNormalization(axis=3)(floats(2, 5)), "axis 3, but its input has 2 axes"),
    (lambda: layers.LayerNormalization(axis="x"), "LayerNormalization: axis must be an integer"),
    (lambda: layers.GroupNormalization(3)(floats(2, 4)), "3 groups, but 4 is not a multiple"),
    (lambda: layers.LSTM(3)(floats(2, 3)), "expected ndim=3, found ndim=2"),
    (lambda: layers.LSTM(3, stateful=True)(Input((4, 3))), "stateful, so it needs a fixed batch"),
    (lambda: layers.LSTM(3)(floats(2, 4, 3), initial_state=[floats(2, 3)]), "2 states, .* has 1"),
    (lambda: layers.RNN(object()), "RNN: the cell .* has no call"),
    (lambda: layers.Bidirectional(3), "Bidirectional: layer must be a layer, got 3"),
    (lambda: layers.Bidirectional(layers.LSTM(2), merge_mode="max"), "merge_mode must be one of"),
    (
        lambda: layers.Bidirectional(layers.LSTM(2), backward_layer=layers.LSTM(2)),
        "both layers have go_backwards=False",
    ),
    (lambda: layers.ConvLSTM2D(2, 3)(Input((4, None, 5, 2))), "keeps a state of the images' size"),
    (
        lambda: layers.LocallyConnected1D(2, 3, padding="causal"),
        "padding must be one of 'valid', 'same'",
    ),
    (lambda: layers.LocallyConnected1D(2, 3)(Input((None, 2))), "a kernel for each position"),
    (lambda: layers.SpectralNormalization(layers.ReLU())(floats(2, 3)), "kernel or embeddings"),
    (lambda: layers.AdaptiveMaxPooling2D((2, 3, 4)), "output_size must be an integer or 2"),
    (lambda: layers.Pipeline(3), "layers must be a list of layers"),
    (lambda: layers.TimeDistributed(3), "TimeDistributed: layer must be a layer"),
    (lambda: layers.TimeDistributed(layers.Dense(2))(floats(2, 3)), "min_ndim=3, found ndim=2"),
    (lambda: layers.Add()(floats(2, 3)), "takes a list of tensors"),
    (lambda: layers.Add()([floats(2, 3), floats(3, 3)]), "different batch sizes"),
    (lambda: layers.Add()([floats(2, 3), floats(2, 4)]), "do not broadcast"),
    (lambda: layers.Subtract()([floats(2, 3)] * 3), "a list of 2 tensors"),
    (lambda: layers.Concatenate()([floats(2, 3), floats(3, 3)]), "must be equal but for that axis"),
    (lambda: layers.Dot(1)([floats(2, 3), floats(2, 4)]), "they must have equal sizes"),
    (lambda: layers.Lambda(3), "Lambda: function must be callable, got 3"),
    (lambda: layers.ReLU(max_value=-1), "ReLU: max_value must be at least 0"),
    (lambda: layers.Normalization(mean=1.0), "mean and variance go together"),
]


@pytest.mark.parametrize(("wrong", "message"), ERRORS, ids=[message for _, message in ERRORS])
def test_errors_say_what_is_wrong(wrong, message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        wrong()


def test_errors_in_a_call_name_the_layer_and_its_input() -> None:
    inner = layers.Dense(3, name="inner")
    inner.build((None, 4))
    outer = layers.TimeDistributed(inner, name="outer")
    with pytest.raises(ValueError) as caught:
        outer(floats(2, 5, 6))
    told = str(caught.value) + "".join(caught.value.__notes__)
    assert "name=inner" in told
    assert "name=outer" in told
    assert "(2, 5, 6)" in told


def test_building_imports_no_engine() -> None:
    code = """
import sys
from tricorn import layers
from tricorn.layers import Input
x = layers.Embedding(9, 4, mask_zero=True)(Input((None,), dtype="int32"))
x = layers.Bidirectional(layers.LSTM(3, return_sequences=True))(x)
x = layers.RNN([layers.GRUCell(3)], return_sequences=True)(x)
x = layers.TimeDistributed(layers.Dense(3))(x)
x = layers.GlobalAveragePooling1D()(x)
x = layers.BatchNormalization()(layers.Dropout(0.5)(x))
print(x.shape, [name for name in ("jax", "tensorflow", "torch", "keras") if name in sys.modules])
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "(None, 3) []"


def test_unknown_batch_and_time_together() -> None:
    x = layers.TimeDistributed(layers.Conv1D(3, 2))(Input((None, 5, 2)))
    assert x.shape == (None, None, 4, 3)
    assert layers.Flatten()(Input((None, 3))).shape == (None, None)
    assert layers.Reshape((-1, 3))(Input((None, 6))).shape == (None, None, 3)
    assert tree.leaves(layers.RepeatVector(2)(Input((3,))))[0].shape == (None, 2, 3)
