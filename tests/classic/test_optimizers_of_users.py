"""Optimizers written for Keras 2: `get_updates` says what an update assigns."""

import numpy as np
import pytest

from tests.oracle import close
from tricorn.classic import keras

K = keras.backend
X = np.random.default_rng(0).normal(size=(12, 3)).astype("float32")
Y = X.sum(1, keepdims=True)
RATE, MOMENTUM, DECAY = 0.1, 0.9, 0.1


class Momentum(keras.optimizers.Optimizer):
    """As Keras 2's documentation and its users write it."""

    def __init__(self, lr=RATE, **kwargs):
        super().__init__(**kwargs)
        with K.name_scope(type(self).__name__):
            self.iterations = K.variable(0, dtype="int64", name="iterations")
            self.lr = K.variable(lr, name="lr")
            self.momentum = K.variable(MOMENTUM, name="momentum")

    def get_updates(self, loss, params):
        grads = self.get_gradients(loss, params)
        self.updates = [K.update_add(self.iterations, 1)]
        rate = self.lr / (1.0 + DECAY * K.cast(self.iterations, K.floatx()))
        moments = [K.zeros(K.int_shape(p), dtype=K.dtype(p)) for p in params]
        self.weights = [self.iterations, *moments]
        for p, g, m in zip(params, grads, moments):
            v = self.momentum * m - rate * g
            self.updates += [K.update(m, v), (p, p + v)]
        return self.updates


class Also(keras.optimizers.Optimizer):
    """Another optimizer, and more updates."""

    def __init__(self, optimizer, more=()):
        super().__init__()
        self.optimizer, self.more = optimizer, list(more)

    def get_updates(self, params, loss):
        return self.optimizer.get_updates(params=params, loss=loss) + self.more


def model(optimizer):
    made = keras.models.Sequential([keras.layers.Dense(1, input_shape=(3,))])
    made.set_weights([np.full((3, 1), 0.5), np.zeros(1)])
    made.compile(optimizer, "mse")
    return made


def by_hand(steps):
    """Weights and moments after gradient steps over the rows, four at a time."""
    w, b = np.full((3, 1), 0.5), np.zeros(1)
    moments = [np.zeros_like(w), np.zeros_like(b)]
    for step in range(steps):
        rows = slice(4 * (step % 3), 4 * (step % 3) + 4)
        error = 2 * (X[rows] @ w + b - Y[rows]) / 4
        for i, g in enumerate((X[rows].T @ error, error.sum(0))):
            moments[i] = MOMENTUM * moments[i] - RATE / (1 + DECAY * step) * g
        w, b = w + moments[0], b + moments[1]
    return w, b, *moments


def fitted(optimizer):
    made = model(optimizer)
    made.fit(X, Y, batch_size=4, epochs=2, shuffle=False, verbose=0)
    return made


def test_updates_are_made(engine):
    optimizer = Momentum()
    made = fitted(optimizer)
    steps, *moments = optimizer.get_weights()
    assert steps == 6
    for found, wanted in zip((*made.get_weights(), *moments), by_hand(6), strict=True):
        close(found, wanted)


def test_the_learning_rate_may_change(engine):
    optimizer = Momentum()
    made = fitted(optimizer)
    K.set_value(optimizer.lr, 0.0)
    moments = optimizer.get_weights()[1:]
    before = made.get_weights()
    made.train_on_batch(X[:4], Y[:4])
    for found, old, moment in zip(made.get_weights(), before, moments):
        close(found, old + MOMENTUM * moment)


@pytest.mark.engine("jax")
def test_updates_beside_those_of_another_optimizer():
    count = K.variable(0.0)
    plain = fitted(keras.optimizers.SGD(0.1))
    wrapped = Also(keras.optimizers.SGD(0.1), [K.symbolic(K.update_add)(count, 1.0)])
    for found, wanted in zip(fitted(wrapped).get_weights(), plain.get_weights()):
        close(found, wanted)
    assert K.get_value(count) == 6


@pytest.mark.engine("jax")
def test_an_update_to_a_value_of_before_is_refused():
    average = K.variable(1.0)
    with pytest.raises(ValueError, match=r"Also: the update of 'variable.*K\.symbolic"):
        fitted(Also(keras.optimizers.SGD(0.1), [(average, average * 0.5)]))
