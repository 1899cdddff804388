"""Derivatives of derivatives, Jacobians, gradients of the caller's own, on every engine."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tricorn as keras
from tricorn import ops

RNG = np.random.default_rng(1)
X = RNG.normal(size=(3, 4)).astype("float32")
W = RNG.normal(size=(4, 2)).astype("float32")


def close(got, want, tolerance=1e-5):
    got, want = np.asarray(ops.convert_to_numpy(got)), np.asarray(want)
    assert got.shape == want.shape
    np.testing.assert_allclose(got, want, rtol=0, atol=tolerance * max(np.abs(want).max(), 1e-30))


def nth(f, order):
    """The derivative of `f` of that order, by nested tapes."""
    if order == 0:
        return f

    def derivative(x):
        with keras.GradientTape() as tape:
            x = tape.watch(x)
            y = nth(f, order - 1)(x)
        return tape.gradient(y, x)

    return derivative


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_nested_tapes(order):
    factor = np.prod(range(5 - order + 1, 6))
    close(nth(lambda x: x * x * x * x * x, order)(2.0), factor * 2.0 ** (5 - order))
    sines = [np.sin, np.cos, lambda x: -np.sin(x), lambda x: -np.cos(x)]
    close(nth(ops.sin, order)(X), sines[order % 4](X))


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_gradients_function_nests(order):
    def derive(f):
        return lambda x: keras.gradients_function(f)(x)[0]

    f = ops.tanh
    want = jnp.tanh
    for _ in range(order):
        f, want = derive(f), jax.grad(want)
    close(f(0.3), want(0.3), 1e-4)


def test_second_derivative_of_a_variable():
    v = keras.Variable(3.0)
    with keras.GradientTape() as outer:
        with keras.GradientTape() as inner:
            y = v * v * v
        first = inner.gradient(y, v)
    close(first, 27.0)
    assert float(outer.gradient(first, v)) == 18.0


def test_a_persistent_tape_differentiates_its_own_gradients():
    v = keras.Variable(3.0)
    with keras.GradientTape(persistent=True) as tape:
        y = v * v * v
        first = tape.gradient(y, v)
    assert float(tape.gradient(first, v)) == 18.0


def test_a_gradient_penalty():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, "tanh"),
                              keras.layers.Dense(1)])  # fmt: skip
    with keras.GradientTape() as outer:
        with keras.GradientTape() as inner:
            x = inner.watch(X)
            y = model(x)
        slope = inner.gradient(y, x)
        penalty = ops.mean(ops.square(slope))
    found = outer.gradient(penalty, model.trainable_variables)
    values = [v.numpy() for v in model.trainable_variables]

    def oracle(p):
        net = lambda x: jnp.sum(jnp.tanh(x @ p[0] + p[1]) @ p[2] + p[3])
        return jnp.mean(jax.grad(net)(X) ** 2)

    for got, want in zip(found[:3], jax.grad(oracle)(values)):
        close(got, want)
    assert found[3] is None or not np.any(ops.convert_to_numpy(found[3]))


def test_tapes_side_by_side():
    v = keras.Variable(3.0)
    with keras.GradientTape() as one, keras.GradientTape() as two:
        y = v * v
    assert float(one.gradient(y, v)) == 6.0
    assert float(two.gradient(y, v)) == 6.0


def test_a_tape_inside_of_value_and_grad():
    def f(x):
        with keras.GradientTape() as tape:
            x = tape.watch(x)
            y = ops.sum(ops.exp(x))
        return ops.sum(ops.square(tape.gradient(y, x)))

    close(keras.grad(f)(X), 2 * np.exp(2 * X))


def test_value_and_grad_inside_of_a_tape():
    v = keras.Variable(W)
    with keras.GradientTape() as tape:
        x = tape.watch(X)
        loss, (slope,) = keras.value_and_grad(lambda: ops.sum(ops.matmul(x, v) ** 3), [v])()
        size = ops.sum(slope) + loss
    want = jax.grad(
        lambda x, w: jnp.sum(jax.grad(lambda w: jnp.sum((x @ w) ** 3))(w)) + jnp.sum((x @ w) ** 3),
        (0, 1),
    )(X, W)
    for got, expected in zip(tape.gradient(size, [x, v]), want):
        close(got, expected)


def test_jacobian():
    v = keras.Variable(W)
    with keras.GradientTape(persistent=True) as tape:
        x = tape.watch(X)
        y = ops.tanh(ops.matmul(x, v))
    want = jax.jacobian(lambda x, w: jnp.tanh(x @ w), (0, 1))(X, W)
    for got, expected in zip(tape.jacobian(y, [x, v]), want):
        close(got, expected)
    assert tape.jacobian(y, keras.Variable(1.0)) is None


def test_batch_jacobian():
    with keras.GradientTape(persistent=True) as tape:
        x = tape.watch(X)
        y = ops.tanh(ops.matmul(x, W))
    close(tape.batch_jacobian(y, x), jax.vmap(jax.jacobian(lambda x: jnp.tanh(x @ W)))(X))
    with pytest.raises(ValueError, match="number of samples"):
        tape.batch_jacobian(ops.transpose(y), x)


def test_hessian_by_jacobian():
    with keras.GradientTape() as outer:
        x = outer.watch(X[0])
        with keras.GradientTape() as inner:
            inner.watch(x)
            y = ops.sum(ops.exp(x * 0.5) * x)
        first = inner.gradient(y, x)
    close(outer.jacobian(first, x), jax.hessian(lambda x: jnp.sum(jnp.exp(x * 0.5) * x))(X[0]))


class TestGradientsFunction:
    def test_all_arguments_or_some(self):
        f = lambda x, y: x * x * y
        assert [float(g) for g in keras.gradients_function(f)(3.0, 5.0)] == [30.0, 9.0]
        assert [float(g) for g in keras.gradients_function(f, ["y"])(3.0, 5.0)] == [9.0]
        assert [float(g) for g in keras.gradients_function(f, [1, 0])(3.0, 5.0)] == [9.0, 30.0]

    def test_with_the_value(self):
        value, grads = keras.value_and_gradients_function(lambda x: ops.sum(x * x))(X)
        close(value, (X * X).sum())
        close(grads[0], 2 * X)

    def test_results_that_are_no_scalars_are_summed_or_weighted(self):
        f = keras.gradients_function(ops.sin)
        close(f(X)[0], np.cos(X))
        close(f(X, dy=X)[0], np.cos(X) * X)

    def test_trees_as_arguments(self):
        found = keras.gradients_function(lambda p: p["a"] * p["b"])({"a": 2.0, "b": 3.0})[0]
        assert {key: float(g) for key, g in found.items()} == {"a": 3.0, "b": 2.0}

    def test_variables_are_assigned(self):
        count = keras.Variable(0.0, trainable=False)

        def f(x):
            count.assign_add(1.0)
            return x * x

        keras.gradients_function(f)(2.0)
        assert float(count) == 1.0

    def test_errors(self):
        with pytest.raises(ValueError, match=r"'z'.*x"):
            keras.gradients_function(lambda x: x, ["z"])(1.0)
        with pytest.raises(ValueError, match="argument 'x' is int32"):
            keras.gradients_function(lambda x: x)(1)


class TestCustomGradient:
    """log(1 + eˣ) with a gradient that does not overflow, and one that is plainly another."""

    @staticmethod
    def functions():
        @keras.custom_gradient
        def log1pexp(x):
            e = ops.exp(x)
            return ops.log1p(e), lambda upstream: upstream * (1 - 1 / (1 + e))

        @keras.custom_gradient
        def reversed_(x):
            return x * 1.0, lambda upstream: -upstream

        return log1pexp, reversed_

    def test_inside_of_a_tape(self):
        log1pexp, reversed_ = self.functions()
        with keras.GradientTape(persistent=True) as tape:
            x = tape.watch(100.0)
            y = log1pexp(x)
            z = reversed_(x * x)
        assert float(tape.gradient(y, x)) == 1.0
        assert float(tape.gradient(z, x)) == -200.0

    def test_of_second_order(self):
        log1pexp, _ = self.functions()
        with keras.GradientTape() as outer:
            x = outer.watch(0.5)
            with keras.GradientTape() as inner:
                inner.watch(x)
                y = log1pexp(x)
            first = inner.gradient(y, x)
        sigmoid = 1 / (1 + np.exp(-0.5))
        close(outer.gradient(first, x), sigmoid * (1 - sigmoid))

    def test_in_a_training_loop(self):
        _, reversed_ = self.functions()
        v = keras.Variable(1.0)
        optimizer = keras.optimizers.SGD(0.1)
        for _ in range(3):
            with keras.GradientTape() as tape:
                loss = reversed_(v * v)
            optimizer.apply_gradients([(tape.gradient(loss, v), v)])
        close(v, 1.2**3)

    def test_closing_over_a_variable(self):
        v = keras.Variable(3.0)

        @keras.custom_gradient
        def scaled(x):
            return x * v, lambda upstream: upstream * v

        with keras.GradientTape() as tape:
            x = tape.watch(2.0)
            y = scaled(x * v)
        assert float(tape.gradient(y, x)) == 9.0
