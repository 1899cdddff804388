"""The learning phase: an input of graphs, on every kind of engine."""

import contextlib
import importlib.util

import numpy as np
import pytest

import tricorn as keras
from tricorn import layers, ops
from tricorn.engines import registry
from tricorn.graph import phase

pytestmark = pytest.mark.engine_free  # it chooses them itself


@contextlib.contextmanager
def graph():
    import tensorflow as tf

    with registry.use("tensorflow"), tf.Graph().as_default():
        yield


@pytest.fixture(params=["jax", "torch", "tensorflow", "graph"])
def place(request):
    library = "tensorflow" if request.param == "graph" else request.param
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    keras.set_random_seed(3)
    with graph() if request.param == "graph" else registry.use(request.param):
        yield request.param
    phase.release()


X = np.arange(1, 33, dtype="float32").reshape(4, 8)


def numpy(x):
    return registry.active().numpy(x)


def run(function, *inputs):
    return [numpy(x) for x in function(list(inputs))]


def test_dropout_and_batch_normalization_depend_on_it(place):
    x = keras.Input((8,))
    outputs = [layers.Dropout(0.5)(x), layers.BatchNormalization(epsilon=1e-6)(x)]
    f = keras.Function([x, phase.tensor()], outputs)
    dropped, normal = run(f, X, 0)
    np.testing.assert_array_equal(dropped, X)
    np.testing.assert_allclose(normal, X, rtol=1e-5)
    dropped, normal = run(f, X, 1)
    assert set(np.unique(dropped / X)) == {0.0, 2.0}
    np.testing.assert_allclose(normal, (X - X.mean(0)) / X.std(0), rtol=1e-4)
    assert (run(f, X, 1)[0] != dropped).any()  # the next draw


def test_it_is_test_unless_given_or_set(place):
    x = keras.Input((8,))
    f = keras.Function([x], [layers.Dropout(0.5)(x)])
    np.testing.assert_array_equal(run(f, X)[0], X)
    assert (numpy(f([X], training=True)[0]) != X).any()
    phase.fix(1)
    assert (run(f, X)[0] != X).any()
    phase.fix(0)
    np.testing.assert_array_equal(run(f, X)[0], X)


def test_what_is_set_while_a_layer_is_called_stays(place):
    x = keras.Input((8,))
    phase.fix(0)
    y = layers.Dropout(0.5)(x)
    phase.fix(1)
    z = layers.Dropout(0.5)(x)
    phase.release()
    f = keras.Function([x, phase.tensor()], [y, z])
    for flag in (0, 1):
        first, second = run(f, X, flag)
        np.testing.assert_array_equal(first, X)
        assert (second != X).any()


def test_ops_may_take_it(place):
    x = keras.Input((8,))
    y = ops.where(phase.tensor(), ops.multiply(x, 2.0), x)
    f = keras.Function([x, phase.tensor()], [y])
    np.testing.assert_array_equal(run(f, X, 0)[0], X)
    np.testing.assert_array_equal(run(f, X, 1)[0], 2 * X)
    model = keras.Model(x, y)
    np.testing.assert_array_equal(model.predict(X, verbose=0), X)


class Doubling(layers.Layer):
    """Doubles in training, adds a loss then, counts the calls, and drops nothing."""

    def build(self, input_shape):
        self.count = self.add_weight((), "zeros", trainable=False, name="count")
        self.inner = layers.Dropout(0.5)

    def call(self, inputs, training=False):
        assert training in (True, False)
        inputs = self.inner(inputs)
        if training:
            self.count.assign(self.count + 1.0)
            self.add_loss(ops.sum(inputs))
            return inputs * 2.0
        return inputs


def test_layers_of_users_take_a_plain_flag(place):
    x = keras.Input((8,))
    f = keras.Function([x, phase.tensor()], Doubling()(x))
    np.testing.assert_array_equal(numpy(f([X, 0])), X)
    assert set(np.unique(numpy(f([X, 1])) / X)) == {0.0, 4.0}


def test_models_inside_models(place):
    inner = keras.Sequential([keras.Input((8,)), layers.Dropout(0.5), layers.Lambda(lambda x: -x)])
    x = keras.Input((8,))
    f = keras.Function([x, phase.tensor()], layers.Dropout(0.5)(inner(x)))
    np.testing.assert_array_equal(numpy(f([X, 0])), -X)
    assert set(np.unique(numpy(f([X, 1])) / X)) == {0.0, -4.0}


def test_recurrent_dropout(place):
    x = keras.Input((5, 3), batch_size=2)
    layer = layers.Bidirectional(layers.LSTM(4, dropout=0.5))
    f = keras.Function([x, phase.tensor()], layer(x))
    data = np.random.default_rng(0).normal(size=(2, 5, 3)).astype("float32")
    tested = numpy(f([data, 0]))
    np.testing.assert_array_equal(numpy(f([data, 0])), tested)
    assert (numpy(f([data, 1])) != tested).any()


def test_a_tensor_tells(place):
    """`training` may be any bool tensor of a graph."""
    x, flag = keras.Input((8,)), keras.Input(batch_shape=(), dtype="bool")
    layer = layers.BatchNormalization(momentum=0.5)
    f = keras.Function([x, flag], layer(x, training=flag))
    np.testing.assert_allclose(numpy(f([X, False])), X, rtol=1e-3)
    np.testing.assert_allclose(
        numpy(f([X, True])), (X - X.mean(0)) / np.sqrt(X.var(0) + 1e-3), rtol=1e-4
    )


def test_it_is_0_or_1():
    with pytest.raises(ValueError, match="0 .test. or 1 .train."):
        phase.fix(2)


def test_a_lambda_heeds_the_phase_only_if_its_function_does():
    assert not layers.Lambda(lambda x: x + 1.0).uses_learning_phase
    assert layers.Lambda(lambda x, training=None: x).uses_learning_phase
