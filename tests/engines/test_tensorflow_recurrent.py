"""Recurrent layers, whose loops XLA compiles, inside of TensorFlow's own control flow."""

import numpy as np
import pytest

from tricorn import layers

pytestmark = pytest.mark.engine("tensorflow")

X = np.random.default_rng(0).normal(size=(3, 5, 4)).astype("float32")


def slope(tf, fn, x):
    with tf.GradientTape() as tape:
        tape.watch(x)
        total = tf.reduce_sum(fn(x) ** 2)
    return tape.gradient(total, x)


WAYS = {
    "cond": lambda tf, layer, x: slope(
        tf, lambda x: tf.cond(x[0, 0, 0] < 9.0, lambda: layer(x), lambda: x), x),
    "while": lambda tf, layer, x: slope(
        tf, lambda x: tf.while_loop(
            lambda i, _: i < 2, lambda i, x: (i + 1, layer(x)), (tf.constant(0), x))[1], x),
    "map_fn": lambda tf, layer, x: slope(
        tf, lambda x: tf.map_fn(lambda one: layer(one[None])[0], x), x),
    "recomputed": lambda tf, layer, x: slope(tf, tf.recompute_grad(lambda x: layer(x)), x),
    "twice": lambda tf, layer, x: slope(tf, lambda x: slope(tf, layer, x), x),
    "symbolic": lambda tf, layer, x: tf.gradients(tf.gradients(layer(x) ** 2, x)[0] ** 2, x)[0],
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", [layers.LSTM, layers.GRU])
def test_gradients_inside_of_tensorflows_own_structures(kind, way):
    import tensorflow as tf

    layer = kind(4, return_sequences=True)
    layer(X)
    expected = WAYS["twice" if way == "symbolic" else way](tf, layer, tf.constant(X))
    found = tf.function(lambda x: WAYS[way](tf, layer, x), autograph=False)(tf.constant(X))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_a_model_in_a_pipeline():
    import tensorflow as tf

    layer = layers.LSTM(4)
    expected = layer(X)
    found = next(iter(tf.data.Dataset.from_tensors(X).map(layer)))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
