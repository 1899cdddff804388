"""Tapes beside the autograd of TensorFlow and of PyTorch, and native code inside of them."""

import importlib

import numpy as np
import pytest

import tricorn as keras
from tricorn import ops

X = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")
W = np.random.default_rng(1).normal(size=(3, 2)).astype("float32")


@pytest.mark.engine("tensorflow")
class TestTensorFlow:
    @pytest.fixture
    def tf(self):
        return importlib.import_module("tensorflow")

    def test_as_its_own_tape(self, tf):
        v = keras.Variable(W)
        x, w = tf.constant(X), tf.Variable(W)
        with keras.GradientTape() as tape:
            tape.watch(x)
            y = tf.nn.softmax(tf.sin(x) @ v) + tf.gather(x, [0, 0, 1, 2])[:, :2]
        with tf.GradientTape() as own:
            own.watch(x)
            z = tf.nn.softmax(tf.sin(x) @ w) + tf.gather(x, [0, 0, 1, 2])[:, :2]
        for got, want in zip(tape.gradient(y, [x, v], X[:, :2]), own.gradient(z, [x, w], X[:, :2])):
            np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)

    def test_its_own_tape_sees_our_variables(self, tf):
        dense = keras.layers.Dense(2)
        dense.build((None, 3))
        with tf.GradientTape() as tape:
            y = tf.reduce_sum(tf.constant(X) @ dense.kernel)
        handle = dense.kernel.handle(keras.engines.active())
        np.testing.assert_allclose(
            tape.gradient(y, handle), np.repeat(X.sum(0)[:, None], 2, 1), rtol=1e-5
        )

    def test_inside_of_tf_function(self, tf):
        v = keras.Variable(3.0)

        @tf.function
        def slope(x):
            with keras.GradientTape() as tape:
                y = v * v * x
            return tape.gradient(y, v)

        assert float(slope(tf.constant(2.0))) == 12.0

    def test_in_a_graph(self, tf):
        with tf.Graph().as_default():
            v = keras.Variable(3.0)
            x = tf.compat.v1.placeholder("float32", ())
            with keras.GradientTape() as tape:
                y = v * v * x
            slope = tape.gradient(y, v)
            with tf.compat.v1.Session() as session:
                session.run(tf.compat.v1.global_variables_initializer())
                assert session.run(slope, {x: 2.0}) == 12.0

    def test_a_model_in_a_graph(self, tf):
        with tf.Graph().as_default():
            dense = keras.layers.Dense(2)
            x = tf.compat.v1.placeholder("float32", (None, 3))
            with keras.GradientTape() as tape:
                y = tf.reduce_sum(dense(x) ** 2)
            slope = tape.gradient(y, dense.trainable_weights)
            with tf.compat.v1.Session() as session:
                session.run(tf.compat.v1.global_variables_initializer())
                kernel, found, bias = session.run([dense.kernel, *slope], {x: X})
        np.testing.assert_allclose(found, 2 * X.T @ (X @ kernel), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(bias, 2 * (X @ kernel).sum(0), rtol=1e-4, atol=1e-5)


@pytest.mark.engine("torch")
class TestTorch:
    @pytest.fixture
    def torch(self):
        return importlib.import_module("torch")

    def test_as_its_own_autograd(self, torch):
        v = keras.Variable(W)
        x, w = torch.tensor(X), torch.tensor(W, requires_grad=True)
        with keras.GradientTape() as tape:
            tape.watch(x)
            y = torch.softmax(torch.sin(x) @ v.value, 1)
        point = torch.tensor(X, requires_grad=True)
        z = torch.softmax(torch.sin(point) @ w, 1)
        want = torch.autograd.grad(z, [point, w], torch.tensor(X[:, :2]))
        for got, expected in zip(tape.gradient(y, [x, v], X[:, :2]), want):
            np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)

    def test_the_grad_mode_is_as_before(self, torch):
        for mode in (True, False):
            with torch.set_grad_enabled(mode):
                with keras.GradientTape() as tape:
                    x = tape.watch(3.0)
                    y = x * x
                    assert torch.is_grad_enabled()
                assert torch.is_grad_enabled() is mode
                slope = tape.gradient(y, x)
                assert float(slope) == 6.0 and not slope.requires_grad

    def test_a_parameter_is_the_same_object_after_an_assignment(self, torch):
        v = keras.Variable(W)
        handle = v.handle(keras.engines.active())
        with keras.GradientTape() as tape:
            y = ops.sum(v * v)
            v.assign(2 * W)
        v.assign(3 * W)
        assert v.handle(keras.engines.active()) is handle
        np.testing.assert_allclose(tape.gradient(y, v), 2 * W, rtol=1e-6)
        address = handle.data_ptr()
        v.assign(4 * W)
        assert handle.data_ptr() == address  # in place again
        np.testing.assert_array_equal(handle.detach().numpy(), 4 * W)

    def test_a_native_step_in_between_is_an_error_of_torch(self, torch):
        v = keras.Variable(W)
        optimizer = torch.optim.SGD([v.handle(keras.engines.active())], 0.1)
        with keras.GradientTape() as tape:
            y = ops.sum(v * v)
        v.handle(keras.engines.active()).grad = torch.ones(3, 2)
        optimizer.step()
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            tape.gradient(y, v)

    def test_memory_of_a_graph_is_freed(self, torch):
        v = keras.Variable(W)
        with keras.GradientTape() as tape:
            y = ops.sum(ops.sin(v) * v)
        tape.gradient(y, v)
        with pytest.raises(RuntimeError, match="second time"):
            y.backward()
