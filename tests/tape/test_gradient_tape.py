"""`GradientTape` on every engine, beside closed forms, `jax.grad`, torch.autograd and tf's tape."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tricorn as keras
from tricorn import ops
from tricorn.engines import defaults, registry

RNG = np.random.default_rng(0)
X = RNG.normal(size=(6, 4)).astype("float32")
W = RNG.normal(size=(4, 3)).astype("float32")


def close(got, want, tolerance=1e-5):
    got, want = np.asarray(ops.convert_to_numpy(got)), np.asarray(want)
    assert got.shape == want.shape
    np.testing.assert_allclose(got, want, rtol=0, atol=tolerance * max(np.abs(want).max(), 1e-30))


class TestFirstOrder:
    def test_variables_are_watched_by_themselves(self, engine):
        w, b = keras.Variable(W), keras.Variable(np.zeros(3, "float32"))
        with keras.GradientTape() as tape:
            loss = ops.sum(ops.square(ops.matmul(X, w) + b))
        found = tape.gradient(loss, [w, b])
        want = jax.grad(lambda p: jnp.sum((X @ p[0] + p[1]) ** 2))([W, np.zeros(3, "float32")])
        for got, expected in zip(found, want):
            close(got, expected)
        assert tape.watched_variables() == ()

    def test_watched_tensors_need_not_be_replaced(self, engine):
        x = ops.convert_to_tensor(X)
        with keras.GradientTape() as tape:
            assert tape.watch(x) is x
            y = ops.sum(ops.sin(x) * x)
        close(tape.gradient(y, x), np.cos(X) * X + np.sin(X))

    def test_arrays_and_numbers_become_tensors(self, engine):
        with keras.GradientTape() as tape:
            a, b = tape.watch([X, 3.0])
            y = ops.sum(a * b)
        for got, want in zip(tape.gradient(y, [a, b]), [np.full_like(X, 3.0), X.sum()]):
            close(got, want)

    def test_the_users_tensor_is_as_before_afterwards(self, engine):
        x = ops.convert_to_tensor(X)
        with keras.GradientTape() as tape:
            tape.watch(x)
            y = ops.sum(x * x)
        tape.gradient(y, x)
        assert not getattr(x, "requires_grad", False)
        np.testing.assert_array_equal(np.asarray(x), X)

    def test_nests_of_targets_and_sources(self, engine):
        w = keras.Variable(2.0)
        with keras.GradientTape() as tape:
            x = tape.watch({"a": 3.0, "b": [5.0]})
            one, two = w * x["a"], w * w * x["b"][0]
        found = tape.gradient({"p": one, "q": [two]}, {"w": w, "x": x})
        assert [float(found["w"]), float(found["x"]["a"]), float(found["x"]["b"][0])] == [23, 2, 4]

    def test_factors_of_the_targets(self, engine):
        with keras.GradientTape(persistent=True) as tape:
            x = tape.watch(X)
            y, z = x * x, ops.sin(x)
        close(tape.gradient(y, x, output_gradients=X), 2 * X * X)
        close(tape.gradient([y, z], x, output_gradients=[X, None]), 2 * X * X + np.cos(X))

    def test_what_is_not_connected(self, engine):
        v, w = keras.Variable(2.0), keras.Variable(W)
        with keras.GradientTape(persistent=True) as tape:
            x = tape.watch(3.0)
            y = v * x
            ops.sum(w)
        assert tape.gradient(y, w) is None
        assert tape.gradient(y, [v, w, x])[1] is None
        zeros = tape.gradient(y, w, unconnected_gradients="zero")
        close(zeros, np.zeros_like(W))

    def test_a_stopped_gradient_is_not_connected(self, engine):
        with keras.GradientTape(persistent=True) as tape:
            x, y = tape.watch([2.0, 3.0])
            z = ops.stop_gradient(x * 1.0) * y + ops.cast(ops.cast(x, "int32"), "float32")
        assert tape.gradient(z, x) is None
        assert float(tape.gradient(z, y)) == 2.0

    def test_a_target_that_depends_on_nothing_recorded_is_an_error(self, engine):
        v = keras.Variable(2.0)
        x = ops.convert_to_tensor(3.0)
        with keras.GradientTape(persistent=True) as tape:
            v * 1.0
            y = x * x
        with pytest.raises(ValueError, match=r"depends on nothing.*watch"):
            tape.gradient(y, v)
        assert float(tape.gradient(y, v, unconnected_gradients="zero")) == 0.0

    def test_intermediate_results_are_sources(self, engine):
        v = keras.Variable(2.0)
        with keras.GradientTape(persistent=True) as tape:
            h = v * v
            y = h * h * v
        close(tape.gradient(y, h), 2 * 4.0 * 2.0)
        both = tape.gradient(y, [v, h])
        assert [float(g) for g in both] == [5 * 2.0**4, 16.0]
        assert float(tape.gradient(h, h)) == 1.0

    def test_a_variable_is_read_many_times(self, engine):
        v = keras.Variable(W)
        with keras.GradientTape() as tape:
            y = sum(ops.sum(v * float(i)) for i in range(4))
        close(tape.gradient(y, v), np.full_like(W, 6.0))

    def test_only_what_is_watched(self, engine):
        v, w = keras.Variable(2.0), keras.Variable(3.0)
        frozen = keras.Variable(5.0, trainable=False)
        with keras.GradientTape(persistent=True, watch_accessed_variables=False) as tape:
            tape.watch([v, frozen])
            y = v * w * frozen
        assert [float(g) for g in tape.gradient(y, [v, frozen])] == [15.0, 6.0]
        assert tape.gradient(y, w) is None
        assert set(tape.watched_variables()) == {v, frozen}

    def test_untrainable_variables_are_not_watched(self, engine):
        v, frozen = keras.Variable(2.0), keras.Variable(5.0, trainable=False)
        with keras.GradientTape(persistent=True) as tape:
            y = v * frozen
        assert tape.gradient(y, frozen) is None
        assert tape.watched_variables() == (v,)

    def test_float64_and_float16(self, engine):
        for dtype, tolerance in (("float64", 1e-12), ("float16", 2e-3)):
            with keras.GradientTape() as tape:
                x = tape.watch(X.astype(dtype))
                y = ops.sum(ops.multiply(ops.exp(x), 2.0))
            found = tape.gradient(y, x)
            assert str(np.asarray(ops.convert_to_numpy(found)).dtype) == dtype
            close(found, 2 * np.exp(X.astype(dtype)), tolerance)


class TestRules:
    def test_a_tape_is_used_once(self, engine):
        with keras.GradientTape() as tape:
            x = tape.watch(3.0)
            y = x * x
        assert float(tape.gradient(y, x)) == 6.0
        with pytest.raises(RuntimeError, match="persistent=True"):
            tape.gradient(y, x)
        with pytest.raises(RuntimeError, match="persistent=True"):
            tape.__enter__()

    def test_a_persistent_one_as_often_as_wanted(self, engine):
        with keras.GradientTape(persistent=True) as tape:
            x = tape.watch(3.0)
            y = x * x
            z = y * y
        assert [float(tape.gradient(t, x)) for t in (y, z, y)] == [6.0, 108.0, 6.0]

    def test_the_order_of_use(self, engine):
        tape = keras.GradientTape()
        with pytest.raises(RuntimeError, match="inside"):
            tape.watch(1.0)
        with pytest.raises(RuntimeError, match="recorded nothing"):
            tape.gradient(ops.ones(()), [])
        with tape, pytest.raises(RuntimeError, match="already"):
            tape.__enter__()

    def test_recording_goes_on_when_it_is_entered_again(self, engine):
        tape = keras.GradientTape()
        with tape:
            x = tape.watch(3.0)
            y = x * x
        with tape:
            z = y * x
        assert float(tape.gradient(z, x)) == 27.0

    def test_stop_recording(self, engine):
        v = keras.Variable(3.0)
        with keras.GradientTape() as tape:
            y = v * v
            with tape.stop_recording():
                aside = ops.sum(ops.convert_to_tensor(X)) + 0.0 * v.value
            z = y + y
        assert np.isfinite(float(aside))
        assert float(tape.gradient(z, v)) == 12.0

    def test_reset(self, engine):
        with keras.GradientTape() as tape:
            x = tape.watch(3.0)
            y = x * x
            tape.reset()
            assert tape.watched_variables() == ()
            x = tape.watch(2.0)
            y = x * x * x
        assert float(tape.gradient(y, x)) == 12.0

    def test_gradient_inside_of_the_block_ends_the_recording(self, engine):
        with keras.GradientTape() as tape:
            x = tape.watch(3.0)
            y = x * x
            assert float(tape.gradient(y, x)) == 6.0

    def test_what_is_no_tensor_is_refused(self, engine):
        with keras.GradientTape(persistent=True) as tape:
            x = tape.watch(3.0)
            y = x * x
            with pytest.raises(ValueError, match=r"int32.*cast"):
                tape.watch(np.int32(3))
        with pytest.raises(TypeError, match="watch gives a tensor"):
            tape.gradient(y, 3.0)
        with pytest.raises(TypeError, match="target"):
            tape.gradient(3.0, x)
        with pytest.raises(ValueError, match="unconnected_gradients"):
            tape.gradient(y, x, unconnected_gradients="maybe")

    def test_symbolic_tensors_are_refused(self, engine):
        with keras.GradientTape() as tape, pytest.raises(TypeError, match="symbolic"):
            tape.watch(keras.Input((3,)))

    def test_an_error_inside_closes_the_tape(self, engine):
        with pytest.raises(ZeroDivisionError), keras.GradientTape() as tape:
            tape.watch(1.0)
            raise ZeroDivisionError
        with keras.GradientTape() as tape:
            x = tape.watch(3.0)
            y = x * x
        assert float(tape.gradient(y, x)) == 6.0

    def test_an_engine_without_a_tape(self, engine, monkeypatch):
        monkeypatch.setattr(engine, "tape", functools.partial(defaults.tape, engine))
        with pytest.raises(registry.EngineError, match="no tape; use tricorn.value_and_grad"):
            keras.GradientTape().__enter__()
