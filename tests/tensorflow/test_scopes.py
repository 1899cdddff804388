"""Row B3: name scopes, device scopes, variable scopes, graphs, shared weights.  Row B7: one model
on two devices."""

import numpy as np
import pytest

import tricorn as keras
from tests.oracle import close
from tricorn import backend as K
from tricorn import layers
from tricorn.engines import registry

pytestmark = pytest.mark.engine("tensorflow")


def test_name_scopes(tf):
    x = tf.placeholder(tf.float32, (None, 20, 64))
    with tf.name_scope("block1"):
        lstm = layers.LSTM(32, name="mylstm")
        y = lstm(x)
    assert len(lstm.weights) == 3
    assert all(v.name.startswith("block1/mylstm/") for v in lstm.weights)
    assert y.name.startswith("block1/")
    with tf.name_scope("block2"):
        norm = layers.BatchNormalization(name="norm")
        norm(x, training=True)
    assert norm.moving_mean.name == "block2/norm/moving_mean:0"


def test_device_scopes(tf):
    x = tf.placeholder(tf.float32, (None, 20, 64))
    with tf.device("/cpu:0"):
        lstm = layers.LSTM(32)
        y = lstm(x)
    with tf.device("/cpu:1"):
        again = lstm(x)
        dense = layers.Dense(2)
        dense(x)
    assert {v.device for v in lstm.weights} == {"/device:CPU:0"}
    assert {v.device for v in dense.weights} == {"/device:CPU:1"}
    assert y.device == "/device:CPU:0"
    assert again.device == "/device:CPU:1"


def test_variable_scopes_have_no_effect(tf):
    x = tf.placeholder(tf.float32, (None, 4))
    for reuse in (None, tf.AUTO_REUSE):
        with tf.variable_scope("scope", reuse=reuse):
            first, second = layers.Dense(3), layers.Dense(3)
            first(x), second(x)
    assert len({id(v) for layer in (first, second) for v in layer.weights}) == 4


def test_a_layer_called_twice_shares_its_weights(tf):
    x, y = (tf.placeholder(tf.float32, (None, 4)) for _ in range(2))
    layer = layers.Dense(3)
    a, b = layer(x), layer(y)
    assert len(layer.weights) == len(tf.trainable_variables()) == 2
    data = np.arange(8.0).reshape(2, 4)
    close(*K.get_session().run([a, b], {x: data, y: data}))


def test_several_graphs(tf):
    made = []
    for units in (2, 3):
        with tf.Graph().as_default() as graph:
            x = tf.placeholder(tf.float32, (None, 4))
            layer = layers.Dense(units)
            y = layer(x)
            session = tf.Session(graph=graph)
            K.set_session(session)
        assert y.graph is layer.kernel.graph is graph
        made.append((x, layer, y, session))
    data = np.ones((5, 4), np.float32)
    for x, layer, y, session in made:
        kernel, bias = layer.get_weights()
        close(session.run(y, {x: data}), data @ kernel + bias)
        with session.graph.as_default():
            session.run(tf.assign(layer.kernel, kernel * 2))
            assert K.get_session() is session
        np.testing.assert_array_equal(layer.get_weights()[0], kernel * 2)


def test_a_layer_of_the_graph_is_free_of_it_elsewhere(tf):
    x = tf.placeholder(tf.float32, (None, 4))
    layer = layers.Dense(3)
    y = layer(x)
    data = np.ones((2, 4), np.float32)
    found = K.get_session().run(y, {x: data})
    with registry.use("jax"):
        assert isinstance(layer.kernel, keras.Variable)
        close(layer(data), found)


def test_one_model_on_two_devices(tf):
    with tf.device("/cpu:0"):
        x = tf.placeholder(tf.float32, (None, 64))
        model = keras.Sequential(
            [keras.Input((64,)), layers.Dense(32, activation="relu"), layers.Dense(10)]
        )
    outputs = []
    for device in ("/cpu:0", "/cpu:1"):
        with tf.device(device):
            outputs.append(model(x))
    with tf.device("/cpu:0"):
        merged = layers.average(outputs)
    assert [y.device for y in (*outputs, merged)] == [f"/device:CPU:{i}" for i in (0, 1, 0)]
    assert {v.device for v in model.weights} == {"/device:CPU:0"}
    assert len(model.weights) == len(tf.trainable_variables()) == 4
    session = tf.Session(config=tf.ConfigProto(device_count={"CPU": 2}))
    K.set_session(session)
    data = np.random.default_rng(0).normal(size=(5, 64)).astype("float32")
    first, second, mean = session.run([*outputs, merged], {x: data})
    k1, b1, k2, b2 = model.get_weights()
    expected = np.maximum(data @ k1 + b1, 0) @ k2 + b2
    for found in (first, second, mean):
        close(found, expected)
