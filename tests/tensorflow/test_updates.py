"""Row B4: updates that the user runs."""

import numpy as np
import pytest

import tricorn as keras
from tests.oracle import close
from tricorn import backend as K
from tricorn import layers

pytestmark = pytest.mark.engine("tensorflow")
DATA = np.random.default_rng(3).normal(2.0, 3.0, size=(16, 4)).astype("float32")


def normalization(tf):
    x = tf.placeholder(tf.float32, (None, 4))
    layer = layers.BatchNormalization(momentum=0.9)
    layer(x)
    return x, layer


def after_one_batch(layer):
    """The moving statistics that one training batch leaves, from the ones at the start."""
    gamma, beta, mean, variance = layer.get_weights()
    return [gamma, beta, 0.9 * mean + 0.1 * DATA.mean(0), 0.9 * variance + 0.1 * DATA.var(0)]


def test_pairs_are_assigned_by_the_user(tf):
    x, layer = normalization(tf)
    expected = after_one_batch(layer)
    session = K.get_session()
    operations = []
    for old, new in layer.updates:
        assert isinstance(old, tf.compat.v2.Variable)
        assert isinstance(new, tf.Tensor)
        operations.append(tf.assign(old, new))
    session.run(operations, {x: DATA, K.learning_phase(): 1})
    for found, want in zip(layer.get_weights(), expected, strict=True):
        close(found, want)


@pytest.mark.parametrize("how", ["list", "group", "dependency"])
def test_a_session_runs_them(tf, how):
    x, layer = normalization(tf)
    expected = after_one_batch(layer)
    if how == "list":
        target = layer.updates
    elif how == "group":
        target = tf.group(*layer.updates)
    else:
        with tf.control_dependencies(layer.updates):
            target = tf.identity(x)
    K.get_session().run(target, {x: DATA, K.learning_phase(): 1})
    for found, want in zip(layer.get_weights(), expected, strict=True):
        close(found, want)


def test_outside_of_training_they_change_nothing(tf):
    x, layer = normalization(tf)
    before = layer.get_weights()
    K.get_session().run(layer.updates, {x: DATA, K.learning_phase(): 0})
    for found, want in zip(layer.get_weights(), before, strict=True):
        np.testing.assert_array_equal(found, want)


def test_with_a_native_optimizer(tf, digits):
    """A training of normalised layers by hand, and the same one of `fit`."""
    images, labels = (part[:500] for part in digits[0])

    def build():
        return keras.Sequential(
            [
                keras.Input((64,)),
                layers.Dense(16, activation="relu"),
                layers.BatchNormalization(momentum=0.8),
                layers.Dense(10, activation="softmax"),
            ]
        )

    model, twin = build(), build()
    twin.set_weights(model.get_weights())
    y = tf.placeholder(tf.float32, (None, 10))
    loss = tf.reduce_mean(keras.losses.categorical_crossentropy(y, model.output))
    step = tf.train.GradientDescentOptimizer(0.1).minimize(loss, var_list=model.trainable_weights)
    session = K.get_session()
    for i in range(0, 500, 50):
        rows = slice(i, i + 50)
        feed = {model.input: images[rows], y: labels[rows], K.learning_phase(): 1}
        session.run([step, model.updates], feed)
    twin.compile(keras.optimizers.SGD(0.1), "categorical_crossentropy")
    twin.fit(images, labels, batch_size=50, shuffle=False, verbose=0)
    for found, want in zip(model.get_weights(), twin.get_weights(), strict=True):
        close(found, want)


def test_stateful_recurrent_layers(tf):
    x = tf.placeholder(tf.float32, (2, 6, 4))
    layer = layers.LSTM(3, stateful=True)
    y = layer(x)
    data = np.random.default_rng(1).normal(size=(2, 6, 4)).astype("float32")
    session = K.get_session()
    assert len(layer.updates) == 2
    first, _ = session.run([y, layer.updates], {x: data})
    second = session.run(y, {x: data})
    twin = layers.LSTM(3)
    whole = twin(tf.placeholder(tf.float32, (2, 12, 4)))
    twin.set_weights(layer.get_weights())
    twice = {twin.input: np.concatenate([data, data], 1)}
    close(second, session.run(whole, twice))
    layer.reset_states()
    close(session.run(y, {x: data}), first)


def test_updates_of_models_and_of_calls(tf):
    norm = layers.BatchNormalization()
    model = keras.Sequential([keras.Input((4,)), norm, layers.Dense(2)])
    assert len(model.updates) == len(norm.updates) == 2
    x = tf.placeholder(tf.float32, (None, 4))
    other = norm(x)
    assert len(norm.updates) == 4
    assert len(model.updates) == 2
    assert norm.get_updates_for(x) == norm.updates[2:]
    assert model.get_updates_for(model.inputs) == model.updates
    called = model(other)
    assert len(model.updates) == 4
    assert len(model.get_updates_for(other)) == 2
    assert norm.get_updates_for(called) == []


def test_losses_of_layers(tf):
    x = tf.placeholder(tf.float32, (None, 4))
    layer = layers.Dense(
        2, kernel_regularizer="l2", activity_regularizer=keras.regularizers.L1(0.1)
    )
    y = layer(x)
    found, out = K.get_session().run([layer.losses, y], {x: DATA})
    kernel = layer.get_weights()[0]
    activity, weights = 0.1 * np.abs(out).sum() / len(out), 0.01 * np.square(kernel).sum()
    close(sorted(found), sorted([activity, weights]))


@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_gradients_of_loops_that_a_session_has_run(tf, dropout):
    """TensorFlow changes loops for their gradients, which fails once they have run."""
    with tf.Session() as session:
        x = tf.placeholder(tf.float32, (None, 5, 4))
        first = layers.SimpleRNN(3, dropout=dropout, return_sequences=True)
        total = tf.reduce_sum(layers.SimpleRNN(3)(first(x)))
        data = np.random.default_rng(2).normal(size=(2, 5, 4))
        session.run(total, {x: data})
        slope = tf.gradients(total, first.cell.kernel)[0]
        found = session.run(slope, {x: data})
        kernel = first.get_weights()[0]
        step = 1e-2 * found / np.abs(found).max()
        ends = []
        for sign in (-1, 1):
            session.run(tf.assign(first.cell.kernel, kernel + sign * step))
            ends.append(session.run(total, {x: data}))
        close((ends[1] - ends[0]) / 2, (found * step).sum(), 1e-2)


def test_branches_of_functions_elsewhere_are_as_they_were(tf):
    import tensorflow

    x = tf.placeholder(tf.float32, (None, 5, 4))
    layers.SimpleRNN(3)(x)
    with tensorflow.init_scope():
        if not tf.executing_eagerly():
            pytest.skip("nothing is eager here")
    with tf.Graph().as_default() as graph:
        layers.SimpleRNN(3, dropout=0.5)(tf.placeholder(tf.float32, (None, 5, 4)))
        kinds = {op.type for op in graph.get_operations()}
    assert kinds & {"If", "StatelessIf"}
    from tensorflow.python.ops import control_flow_util_v2

    assert control_flow_util_v2.output_all_intermediates() is False
