"""Row B1: layers on TensorFlow's placeholders, losses and metrics on its tensors, its optimizers on
our variables, its sessions.  Row B8: a session on a server."""

import numpy as np
import pytest

import tricorn as keras
from tests.oracle import close
from tricorn import backend as K
from tricorn import layers
from tricorn.losses import categorical_crossentropy
from tricorn.metrics import categorical_accuracy

pytestmark = pytest.mark.engine("tensorflow")
STEPS, BATCH = 120, 50


def batches(digits):
    images, labels = digits[0]
    for step in range(STEPS):
        rows = np.arange(step * BATCH, (step + 1) * BATCH) % len(images)
        yield images[rows], labels[rows]


def network(tf):
    """The tutorial's model: (image, labels, predictions, loss), and the layers."""
    image = tf.placeholder(tf.float32, (None, 64))
    labels = tf.placeholder(tf.float32, (None, 10))
    made = [layers.Dense(32, activation="relu") for _ in range(2)]
    made.append(layers.Dense(10, activation="softmax"))
    x = image
    for layer in made:
        x = layer(x)
    loss = tf.reduce_mean(categorical_crossentropy(labels, x))
    return image, labels, x, loss, made


def by_hand(tf, weights, digits):
    """The losses of the same training in TensorFlow alone, from the same weights."""
    image = tf.placeholder(tf.float32, (None, 64))
    labels = tf.placeholder(tf.float32, (None, 10))
    own = [tf.Variable(w) for w in weights]
    x = image
    for i in range(0, 6, 2):
        x = tf.matmul(x, own[i]) + own[i + 1]
        x = tf.nn.relu(x) if i < 4 else x
    loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits_v2(labels, x))
    step = tf.train.GradientDescentOptimizer(0.5).minimize(loss, var_list=own)
    with tf.Session() as session:
        session.run([v.initializer for v in own])
        return [
            session.run([loss, step], {image: x, labels: y})[0] for x, y in batches(digits)
        ], session.run(own)


def test_the_tutorial(tf, digits):
    session = tf.Session()
    K.set_session(session)
    image, labels, predictions, loss, made = network(tf)
    for tensor in (predictions, loss):
        assert isinstance(tensor, tf.Tensor)
    accuracy = categorical_accuracy(labels, predictions)
    step = tf.train.GradientDescentOptimizer(0.5).minimize(loss)
    start = [w for layer in made for w in layer.get_weights()]
    losses = []
    with session.as_default():
        for x, y in batches(digits):
            losses.append(loss.eval(feed_dict={image: x, labels: y}))
            step.run(feed_dict={image: x, labels: y})
        x, y = digits[1]
        found = accuracy.eval(feed_dict={image: x, labels: y})
        given = predictions.eval(feed_dict={image: x})
    assert np.mean(found) > 0.9
    close(found, given.argmax(-1) == y.argmax(-1))
    trained = [w for layer in made for w in layer.get_weights()]
    expected_losses, expected = by_hand(tf, start, digits)
    close(losses, expected_losses)
    for ours, theirs in zip(trained, expected, strict=True):
        close(ours, theirs)


def test_get_session_gives_values_to_all_variables(tf):
    x = tf.placeholder(tf.float32, (None, 4))
    y = layers.Dense(2)(x)
    own = tf.Variable([1.0, 2.0])
    session = K.get_session()
    assert session.run(y * own, {x: np.ones((3, 4))}).shape == (3, 2)
    slow = layers.Dense(2)
    late = slow(y)
    K.get_session().run(late, {x: np.ones((3, 4))})
    session.run(tf.assign(own, [5.0, 6.0]))
    np.testing.assert_array_equal(K.get_session().run(own), [5, 6])  # and never again


def test_under_a_default_session_nothing_needs_asking(tf):
    with tf.Session():
        x = tf.placeholder(tf.float32, (None, 4))
        layer = layers.Dense(2)
        found = layer(x).eval({x: np.ones((3, 4))})
        kernel, bias = layer.get_weights()
    close(found, np.ones((3, 4)) @ kernel + bias)


def test_a_session_that_is_set_after_the_layers(tf):
    x = tf.placeholder(tf.float32, (None, 4))
    layer = layers.Dense(2)
    y = layer(x)
    session = tf.Session()
    K.set_session(session)
    with session.as_default():
        assert y.eval({x: np.ones((3, 4))}).shape == (3, 2)


def test_the_global_initializer_gives_the_drawn_values(tf):
    K.set_session(tf.Session())
    layer = layers.Dense(2)
    layer(tf.placeholder(tf.float32, (None, 4)))
    drawn = layer.get_weights()
    session = tf.Session()
    session.run(tf.global_variables_initializer())
    for native, value in zip(layer.weights, drawn, strict=True):
        np.testing.assert_array_equal(session.run(native), value)
    keras.set_random_seed(11)
    again = layers.Dense(2)
    again.build((None, 4))
    np.testing.assert_array_equal(again.get_weights()[0], drawn[0])


def test_variables_initialized_by_hand(tf):
    session = tf.Session()
    K.set_session(session)
    K.manual_variable_initialization(True)
    try:
        layer = layers.Dense(2)
        layer(tf.placeholder(tf.float32, (None, 4)))
        assert K.get_session() is session
        with pytest.raises(tf.errors.FailedPreconditionError):
            session.run(layer.kernel)
        session.run(tf.variables_initializer(layer.weights))
        assert session.run(layer.kernel).shape == (4, 2)
    finally:
        K.manual_variable_initialization(False)


def test_weights_are_native_variables(tf):
    x = tf.placeholder(tf.float32, (None, 4))
    layer = layers.BatchNormalization()
    model = keras.Sequential([keras.Input((4,)), layer, layers.Dense(3)])
    model(x)
    every = [*model.weights, *model.variables, layer.gamma, layer.moving_mean]
    assert all(isinstance(v, tf.compat.v2.Variable) for v in every)
    assert layer.trainable_weights == layer.trainable_variables == [layer.gamma, layer.beta]
    assert layer.non_trainable_weights == [layer.moving_mean, layer.moving_variance]
    K.get_session().run(tf.assign(layer.gamma, [1, 2, 3, 4]))
    np.testing.assert_array_equal(layer.get_weights()[0], [1, 2, 3, 4])
    np.testing.assert_array_equal(layer.gamma.numpy(), [1, 2, 3, 4])
    layer.set_weights([w + 1 for w in layer.get_weights()])
    np.testing.assert_array_equal(K.get_session().run(layer.gamma), [2, 3, 4, 5])
    assert model.count_params() == 16 + 15


def test_native_variables_lead_back(tf):
    x = tf.placeholder(tf.float32, (None, 3))
    layer = layers.Dense(2)
    loss = tf.reduce_sum(tf.square(layer(x)))
    ours, theirs = keras.gradients(loss, [layer.kernel])[0], tf.gradients(loss, layer.kernel)[0]
    feed = {x: np.arange(6.0).reshape(2, 3)}
    close(*K.get_session().run([ours, theirs], feed))
    np.testing.assert_array_equal(K.get_value(layer.kernel), layer.get_weights()[0])
    K.set_value(layer.bias, np.array([3.0, 4.0], "float32"))
    np.testing.assert_array_equal(layer.get_weights()[1], [3, 4])
    doubled = K.function([x], [loss], updates=[(layer.bias, layer.bias * 2)])
    doubled([np.ones((1, 3))])
    np.testing.assert_array_equal(layer.get_weights()[1], [6, 8])
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(layer.bias + 1), [7, 9])


class Native(layers.Layer):
    """A layer written in TensorFlow."""

    def build(self, input_shape):
        self.kernel = self.add_weight((input_shape[-1], 2), name="kernel")

    def call(self, inputs):
        import tensorflow as tf

        return tf.matmul(inputs, self.kernel) + tf.reduce_sum(self.kernel)


def test_a_layer_written_in_tensorflow(tf):
    x = tf.placeholder(tf.float32, (None, 3))
    layer = Native()
    loss = tf.reduce_sum(layer(x))
    slope = tf.gradients(loss, layer.kernel)[0]
    found, kernel = K.get_session().run([slope, layer.kernel], {x: np.ones((2, 3))})
    np.testing.assert_array_equal(found, np.full((3, 2), 6.0))  # 2 samples: 2 + 2 · 2 outputs
    assert kernel.shape == (3, 2)


def test_inside_of_a_layer_its_variables_are_ours(tf):
    seen = []

    class Look(layers.Dense):
        def build(self, input_shape):
            super().build(input_shape)
            seen.append(self.kernel)

        def call(self, inputs):
            seen.append(self.kernel)
            return super().call(inputs)

    layer = Look(2)
    layer(tf.placeholder(tf.float32, (None, 3)))
    assert all(isinstance(v, keras.Variable) for v in seen)
    assert isinstance(layer.kernel, tf.compat.v2.Variable)


def test_a_server(tf, digits):
    server = tf.train.Server.create_local_server()
    session = tf.Session(server.target)
    K.set_session(session)
    image, labels, predictions, loss, _ = network(tf)
    step = tf.train.GradientDescentOptimizer(0.5).minimize(loss)
    x, y = digits[0]
    with session.as_default():
        before = loss.eval({image: x, labels: y})
        for _ in range(10):
            step.run({image: x, labels: y})
        assert loss.eval({image: x, labels: y}) < before
    model = keras.Model(image, predictions)
    close(model.predict(x, verbose=0), session.run(predictions, {image: x}))
    model.compile("sgd", "categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(x, y, epochs=2, verbose=0).history["loss"]
    assert history[1] < history[0]
    assert K.get_session() is session
