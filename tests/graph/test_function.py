"""Symbolic tensors, plans, `Function`, symbolic gradients and updates."""

import numpy as np
import pytest

import tricorn
from tests.oracle import array
from tricorn import ops
from tricorn.graph.function import Function, gradients, update
from tricorn.graph.plan import Plan

RNG = np.random.default_rng(0)
X = RNG.normal(size=(5, 4)).astype("float32")


def test_operators_and_indexing_record_nodes():
    x = tricorn.Input((4,))
    y = (2.0 * x + 1.0)[:, 1:3] @ np.ones((2, 1), "float32") - x[:, :1] ** 2
    assert y.shape == (None, 1)
    found = Function(x, y)(X)
    want = (2 * X + 1)[:, 1:3].sum(1, keepdims=True) - X[:, :1] ** 2
    np.testing.assert_allclose(found, want, rtol=1e-5)


def test_history_names_layer_call_and_result():
    x = tricorn.Input((4,), name="data")
    dense = tricorn.layers.Dense(3)
    first, second = dense(x), dense(x * 2.0)
    assert first.history == (dense, 0, 0)
    assert second.history == (dense, 1, 0)
    assert x.history[0].name == "data"
    assert dense.input is x
    assert dense.get_output_at(1) is second


def test_inputs_in_the_middle_of_a_graph():
    x = tricorn.Input((4,))
    h = tricorn.layers.Dense(4)(x)
    y = ops.relu(h) + 1.0
    np.testing.assert_allclose(Function(h, y)(X), np.maximum(X, 0) + 1, rtol=1e-6)


def test_disconnected_graphs_are_named():
    a, b = tricorn.Input((4,), name="a"), tricorn.Input((4,), name="b")
    with pytest.raises(ValueError, match="disconnected.*'b'.*'a'"):
        Plan([a], a + b)


def test_wrong_shapes_and_counts_are_named():
    x = tricorn.Input((4,), name="data")
    f = Function([x], [x * 2.0], name="double")
    with pytest.raises(ValueError, match="double.*\\(None, 4\\).*data.*\\(5, 3\\)"):
        f([X[:, :3]])
    with pytest.raises(ValueError, match="takes 1 inputs, got 2"):
        f([X, X])


def test_structures_come_back():
    x = tricorn.Input((4,))
    out = Function({"x": x}, {"a": [x + 1.0, x], "b": (x * 3.0,)})({"x": X})
    np.testing.assert_allclose(out["b"][0], 3 * X, rtol=1e-6)
    np.testing.assert_allclose(out["a"][1], X)


def test_updates_are_computed_from_the_state_before():
    x = tricorn.Input((4,))
    a = tricorn.Variable(np.float32(1.0))
    b = tricorn.Variable(np.float32(10.0))
    f = Function(
        [x],
        [ops.sum(x) * a],
        updates=[update(a, a + b * ops.sum(x * 0.0 + 1.0)), (b, b + a * ops.max(x * 0.0 + 1.0))],
    )
    f([np.ones((2, 4), "float32")])
    assert float(a) == 81.0
    assert float(b) == 11.0


def test_symbolic_gradients_of_variables_and_tensors():
    x = tricorn.Input((4,))
    dense = tricorn.layers.Dense(3, activation="tanh")
    y = dense(x)
    loss = ops.sum(y**2)
    dx, dk, dy = gradients(loss, [x, dense.kernel, y])
    assert dx.shape == (None, 4)
    assert dk.shape == (4, 3)
    got = Function([x], [dx, dk, dy])([X])
    k, bias = dense.get_weights()
    out = np.tanh(X @ k + bias)
    inner = 2 * out * (1 - out**2)
    np.testing.assert_allclose(got[0], inner @ k.T, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(got[1], X.T @ inner, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(got[2], 2 * out, rtol=1e-5)


def test_symbolic_gradients_of_gradients():
    x = tricorn.Input((4,))
    first = gradients(ops.sum(x**3), x)
    second = gradients(ops.sum(first), x)
    np.testing.assert_allclose(Function(x, second)(X), 6 * X, rtol=1e-5)


class Leaky(tricorn.layers.Layer):
    """Keeps a tensor of its body and adds a loss."""

    def call(self, x):
        self.kept = ops.relu(x) * 3.0
        self.add_loss(ops.mean(self.kept))
        return self.kept + 1.0


def test_a_tensor_that_escapes_a_layers_body_can_be_computed():
    x = tricorn.Input((4,))
    inner = Leaky()
    model = tricorn.Model(x, inner(x * 2.0))
    kept = inner.kept
    nested = tricorn.Model(x, model(x))
    got = Function(x, [kept, nested.output])(X)
    np.testing.assert_allclose(got[0], np.maximum(2 * X, 0) * 3, rtol=1e-6)
    np.testing.assert_allclose(got[1], np.maximum(2 * X, 0) * 3 + 1, rtol=1e-6)


def test_the_training_flag_reaches_the_layers():
    x = tricorn.Input((4,))
    y = tricorn.layers.Dropout(0.5)(x)
    f = Function([x], [y])
    np.testing.assert_array_equal(f([X], training=False)[0], X)
    assert (array(f([X], training=True)[0]) == 0).any()


def _jax(x):
    import jax.numpy as jnp

    return jnp.concatenate([jnp.sin(x), x[:, :1]], axis=-1)


def _tensorflow(x):
    import tensorflow as tf

    return tf.concat([tf.sin(x), x[:, :1]], axis=-1)


def _torch(x):
    import torch

    return torch.cat([torch.sin(x), x[:, :1]], dim=-1)


NATIVE = {"jax": _jax, "tensorflow": _tensorflow, "torch": _torch}


def test_a_native_function_in_a_layer_still_gives_shapes(engine):
    class Native(tricorn.layers.Layer):
        def call(self, x):
            return NATIVE[engine.name](x)

    x = tricorn.Input((4,))
    y = Native()(x)
    assert y.shape == (None, 5)
    model = tricorn.Model(x, y)
    want = np.concatenate([np.sin(X), X[:, :1]], -1)
    np.testing.assert_allclose(array(model(X)), want, rtol=1e-5)


def test_branching_on_a_symbolic_value_says_what_to_do():
    x = tricorn.Input((4,))
    with pytest.raises(TypeError, match="value"):
        if ops.sum(x) > 0:
            pass
    with pytest.raises(TypeError, match="value"):
        np.asarray(x)
