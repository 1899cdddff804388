"""Row B2: the learning phase in graphs that the user runs."""

import numpy as np
import pytest

import tricorn as keras
from tests.oracle import close
from tricorn import backend as K
from tricorn import layers
from tricorn.losses import categorical_crossentropy

pytestmark = pytest.mark.engine("tensorflow")


@pytest.mark.parametrize(
    ("layer", "uses"),
    [
        (lambda: layers.Dense(3), False),
        (lambda: layers.Dropout(0.5), True),
        (lambda: layers.Dropout(0.0), False),
        (lambda: layers.BatchNormalization(), True),
        (lambda: layers.LSTM(3), False),
        (lambda: layers.LSTM(3, dropout=0.5), True),
        (lambda: keras.Sequential([layers.Dense(3), layers.Dropout(0.5)]), True),
        (lambda: keras.Sequential([layers.Dense(3), layers.Flatten()]), False),
    ],
)
def test_layers_and_tensors_tell_whether_they_use_it(tf, layer, uses):
    layer = layer()
    assert layer.uses_learning_phase is uses
    x = tf.placeholder(tf.float32, (None, 5, 4))
    y = layer(x)
    assert y._uses_learning_phase is uses
    assert keras.ops.multiply(keras.ops.reshape(y, (-1,)), 2)._uses_learning_phase is uses
    again = layers.Flatten()(y)
    assert again._uses_learning_phase is uses
    if uses:
        assert not layer(x, training=False)._uses_learning_phase
    assert not keras.Input((3,))._uses_learning_phase


def test_it_is_fed(tf):
    x = tf.placeholder(tf.float32, (None, 200))
    y = layers.Dropout(0.5)(x)
    assert isinstance(K.learning_phase(), tf.Tensor)
    session, ones = K.get_session(), np.ones((2, 200), np.float32)
    np.testing.assert_array_equal(session.run(y, {x: ones}), ones)
    np.testing.assert_array_equal(session.run(y, {x: ones, K.learning_phase(): 0}), ones)
    first, second = (session.run(y, {x: ones, K.learning_phase(): 1}) for _ in range(2))
    assert set(np.unique(first)) == {0, 2}
    assert (first != second).any()


def test_the_tutorial_with_dropout(tf, digits):
    """It learns with dropout, and testing computes what the layers say without it."""
    session = tf.Session()
    K.set_session(session)
    image = tf.placeholder(tf.float32, (None, 64))
    labels = tf.placeholder(tf.float32, (None, 10))
    made = [layers.Dense(64, activation="relu"), layers.Dropout(0.3),
            layers.Dense(10, activation="softmax")]  # fmt: skip
    x = image
    for layer in made:
        x = layer(x)
    loss = tf.reduce_mean(categorical_crossentropy(labels, x))
    step = tf.train.GradientDescentOptimizer(0.5).minimize(loss)
    images, targets = digits[0]
    with session.as_default():
        for i in range(150):
            rows = np.arange(i * 50, i * 50 + 50) % len(images)
            feed = {image: images[rows], labels: targets[rows], K.learning_phase(): 1}
            step.run(feed_dict=feed)
        test = {image: digits[1][0], K.learning_phase(): 0}
        found = x.eval(feed_dict=test)
        np.testing.assert_array_equal(x.eval(feed_dict=test), found)
    assert np.mean(found.argmax(-1) == digits[1][1].argmax(-1)) > 0.9
    (k1, b1), (k2, b2) = made[0].get_weights(), made[2].get_weights()
    logits = np.maximum(digits[1][0] @ k1 + b1, 0) @ k2 + b2
    exps = np.exp(logits - logits.max(-1, keepdims=True))
    close(found, exps / exps.sum(-1, keepdims=True))


def test_set_learning_phase(tf):
    K.set_learning_phase(1)
    x = tf.placeholder(tf.float32, (None, 200))
    y = layers.Dropout(0.5)(x)
    found = K.get_session().run(y, {x: np.ones((1, 200))})
    assert set(np.unique(found)) == {0, 2}
    assert not y._uses_learning_phase
