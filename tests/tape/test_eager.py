"""Eager values: printing, NumPy in and out, operators, assignment; `executing_eagerly`."""

import numpy as np
import pytest

import tricorn as keras
from tricorn import ops


def test_executing_eagerly():
    assert keras.executing_eagerly()
    seen = []

    class Look(keras.layers.Layer):
        def call(self, x):
            seen.append(keras.executing_eagerly())
            return x * 2.0

    Look()(np.ones((2, 3), "float32"))
    Look()(keras.Input((3,)))
    compiled = keras.function(lambda x: Look()(x))
    compiled(np.ones((2, 3), "float32"))
    with keras.GradientTape() as tape:
        Look()(tape.watch(np.ones((2, 3), "float32")))
        assert keras.executing_eagerly()
    assert seen[:2] == [True, False]
    assert seen[-1] is True
    assert set(seen[2:-1]) == {False}
    assert keras.executing_eagerly()


@pytest.mark.engine("jax")
def test_inside_of_jit():
    import jax

    found = []
    jax.jit(lambda x: found.append(keras.executing_eagerly()) or x)(1.0)
    assert found == [False]


@pytest.mark.engine("tensorflow")
def test_inside_of_a_tensorflow_graph():
    import tensorflow as tf

    found = []
    tf.function(lambda x: found.append(keras.executing_eagerly()) or x)(tf.constant(1.0))
    with tf.Graph().as_default():
        found.append(keras.executing_eagerly())
    assert found == [False, False]


def test_variables_print_their_values():
    v = keras.Variable(np.array([1.5, 2.0], "float32"), name="weights")
    assert repr(v) == "<Variable path=weights, shape=(2,), dtype=float32, value=[1.5 2. ]>"
    v.assign_add([1.0, 1.0])
    assert "value=[2.5 3. ]" in repr(v)
    assert len(repr(keras.Variable(np.zeros((300, 300), "float32")))) < 1000
    shown = []

    @keras.function
    def f(x):
        shown.append(repr(v))
        return x * v

    f(np.ones(2, "float32"))
    assert shown and all("value" not in text for text in shown)


def test_tensors_print_their_values():
    assert "2.5" in repr(ops.convert_to_tensor([2.5]))
    assert "2.5" in str(ops.convert_to_tensor([1.25]) * 2)


def test_numpy_in_and_out():
    v = keras.Variable(np.arange(6, dtype="float32").reshape(2, 3))
    x = ops.convert_to_tensor(np.ones((2, 3), "float32"))
    for value in (v, x, ops.stop_gradient(v * x)):
        assert np.asarray(value).shape == (2, 3)
    np.testing.assert_array_equal(ops.convert_to_numpy(v + np.ones(3, "float32")), v.numpy() + 1)
    np.testing.assert_array_equal(ops.convert_to_numpy(np.ones(3, "float32") + v), v.numpy() + 1)
    out = v.numpy()
    out[:] = 100
    assert float(v.numpy().max()) == 5.0
    assert v.numpy().sum() == np.sum(v) == np.mean(v) * 6 == 15
    np.testing.assert_array_equal(np.sin(v), np.sin(v.numpy()))
    np.testing.assert_array_equal(np.maximum(v, 2), np.maximum(v.numpy(), 2))
    total = np.ones((2, 3), "float32")
    total += v
    np.testing.assert_array_equal(total, 1 + v.numpy())
    with keras.GradientTape() as tape:
        y = ops.sum(np.full((2, 3), 2.0, "float32") * v)
    np.testing.assert_array_equal(ops.convert_to_numpy(tape.gradient(y, v)), np.full((2, 3), 2.0))


def test_python_operators():
    a, n = keras.Variable(np.array([4.0, 9.0], "float32")), np.array([4.0, 9.0], "float32")
    cases = [
        (lambda x: -x + 1, False), (lambda x: 2 * x - x / 3, False), (lambda x: x**2 // 3, False),
        (lambda x: x % 5, False), (lambda x: 2**x, False), (lambda x: abs(-x), False),
        (lambda x: x @ x, False), (lambda x: x > 5, True), (lambda x: x <= 4, True),
        (lambda x: x[1:], False), (lambda x: 36 / x, False), (lambda x: 50 - x, False),
    ]  # fmt: skip
    for f, exact in cases:
        got = ops.convert_to_numpy(ops.stop_gradient(f(a)) if not exact else f(a))
        np.testing.assert_allclose(got, f(n), rtol=1e-6)
    assert float(a[0]) == 4.0 and len(a) == 2
    assert [float(ops.stop_gradient(row)) for row in a] == [4.0, 9.0]
    assert int(keras.Variable(3)) == 3 and bool(keras.Variable(True))


def test_assign():
    v = keras.Variable(np.zeros((2, 2), "float32"))
    handed_out = np.asarray(v)
    for value in (
        np.ones((2, 2)),
        [[1, 1], [1, 1]],
        ops.ones((2, 2)),
        keras.Variable(np.ones((2, 2))),
    ):
        v.assign(np.zeros((2, 2)))
        np.testing.assert_array_equal(ops.convert_to_numpy(v.assign(value)), np.ones((2, 2)))
        np.testing.assert_array_equal(v.numpy(), np.ones((2, 2)))
    v.assign_add(2 * np.ones((2, 2)))
    v.assign_sub(ops.ones((2, 2)))
    np.testing.assert_array_equal(v.numpy(), np.full((2, 2), 2.0))
    np.testing.assert_array_equal(handed_out, np.zeros((2, 2)))
    with pytest.raises(ValueError, match=r"shape \(3,\) was assigned to the Variable 'variable'"):
        v.assign(np.ones(3))
