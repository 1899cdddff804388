"""What the JAX engine's tape promises: native code is recorded or refused, never missed.

The first test is the canary for JAX's private traces, on which the tape stands.
"""

import gc
import importlib
import weakref

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import tricorn as keras
from tricorn import ops
from tricorn.engines import registry

module = importlib.import_module("tricorn.engines.jax.tape")
pytestmark = pytest.mark.engine("jax")

X = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")
SQUARE = np.random.default_rng(1).normal(size=(3, 3)).astype("float32")


def taped(f, *args):
    """Gradients by a tape of the sum of what `f` gives for the arguments."""
    with keras.GradientTape() as tape:
        args = tape.watch([jnp.asarray(a) for a in args])
        y = f(*args)
    return tape.gradient(y, args)


def check(f, *args, tolerance=1e-5):
    want = jax.grad(lambda *a: jnp.sum(f(*a)), tuple(range(len(args))))(*map(jnp.asarray, args))
    for got, expected in zip(taped(f, *args), want):
        assert got.dtype == expected.dtype
        scale = max(float(jnp.abs(expected).max()), 1e-30)
        np.testing.assert_allclose(got, expected, rtol=0, atol=tolerance * scale)


def test_canary():
    """If this fails, JAX changed what tricorn/engines/jax/tape.py stands on."""
    module._check_jax.cache_clear()
    module._check_jax()
    check(lambda x: jnp.mean(x * 2.0) + jax.jit(lambda y: jnp.sin(y).sum())(x), X)


def test_the_first_tape_of_a_process_may_be_inside_of_a_trace():
    module._check_jax.cache_clear()

    @jax.jit
    def f(x):
        with keras.GradientTape() as tape:
            tape.watch(x)
            y = x * x
        return tape.gradient(y, x)

    assert float(f(3.0)) == 6.0


def test_another_jax_is_refused_with_advice(monkeypatch):
    def process_primitive(self, primitive, args, params, /):
        raise TypeError("process_primitive was renamed")

    monkeypatch.setattr(module.Recorder, "process_primitive", process_primitive)
    module._check_jax.cache_clear()
    with pytest.raises(registry.EngineError, match=r"does not work with JAX .*value_and_grad"):
        keras.GradientTape().__enter__()
    monkeypatch.undo()
    module._check_jax()


NATIVE = {
    "operators": lambda x: -x * 2 + x**3 / (1.5 + x * x) - 1,
    "methods": lambda x: x.T.reshape(-1).sum() + x.mean(0) @ x[0],
    "indexing": lambda x: x[1:, 0] * x[0, 1] + x.at[0, 0].set(3.0)[:3, 2],
    "iterating": lambda x: sum(row @ row for row in x),
    "numpy operands": lambda x: np.float32(2) * x + x * X + jnp.add(3, x),
    "reductions": lambda x: jnp.max(x, 1) + jnp.prod(x) + jnp.linalg.norm(x),
    "relu": lambda x: jax.nn.relu(x) * jax.nn.silu(x) + jax.nn.softplus(x),
    "softmax": lambda x: jax.nn.softmax(x) * jax.nn.logsumexp(x),
    "scan": lambda x: lax.scan(lambda c, row: (c * row, c + row * x[0]), x[0], x)[1],
    "fori_loop": lambda x: lax.fori_loop(0, 3, lambda i, c: c * x, x),
    "cond": lambda x: lax.cond(x[0, 0] > 0, lambda y: y * x, lambda y: y + x, x),
    "vmap": lambda x: jax.vmap(lambda row: row * row.sum() * x[0])(x),
    "grad": lambda x: jax.grad(lambda y: jnp.sum(y**3 * x))(x),
    "vjp": lambda x: jax.vjp(lambda y: y**3 * x, x)[1](x)[0],
    "jvp": lambda x: jax.jvp(lambda y: y**3, (x,), (x,))[1],
    "checkpoint": lambda x: jax.checkpoint(lambda y: jnp.sin(y) * x)(x),
    "jit": lambda x: jax.jit(lambda y, n: y**n, static_argnums=1)(x, 3),
    "jit that closes over it": lambda x: jax.jit(lambda y: y * x)(x),
    "device_put": lambda x: jax.device_put(x) * x,
    "astype": lambda x: x.astype(jnp.float16).astype(jnp.float32) * x,
    "stop_gradient": lambda x: lax.stop_gradient(x) * x,
    "stop_gradient in jit": lambda x: jax.jit(lax.stop_gradient)(x) * x,
    "sort": lambda x: jnp.sort(x, 0) * jnp.argsort(x, 0),
    "random": lambda x: x * jax.random.normal(jax.random.key(0), x.shape),
    "einsum": lambda x: jnp.einsum("ij,kj->ik", x, x),
    "weakly typed": lambda x: (jnp.asarray(2.0) * 3) * x.astype(jnp.bfloat16),
}


@pytest.mark.parametrize("name", NATIVE)
def test_native_code_is_recorded(name):
    tolerance = 2e-2 if "weakly" in name else 1e-3 if name == "astype" else 1e-5
    check(NATIVE[name], X, tolerance=tolerance)


def test_linear_algebra():
    check(lambda a: jnp.linalg.inv(a) @ a.T + jnp.linalg.slogdet(a)[1], SQUARE, tolerance=1e-4)


def test_functions_with_rules_of_their_own():
    @jax.custom_jvp
    def f(x):
        return x * x

    f.defjvp(lambda primals, tangents: (f(*primals), 5.0 * tangents[0]))

    @jax.custom_vjp
    def g(x):
        return x * x

    g.defvjp(lambda x: (g(x), x), lambda x, ct: (ct * 7.0 * x,))
    for _ in range(3):  # the second time they are known
        check(lambda x: f(x) * x + g(jnp.sin(x)), X)
    with keras.GradientTape() as outer:
        x = outer.watch(2.0)
        with keras.GradientTape() as inner:
            inner.watch(x)
            y = g(x)
        first = inner.gradient(y, x)
    assert float(outer.gradient(first, x)) == 7.0


def test_what_a_tape_cannot_see_is_refused():
    def make(x):
        @jax.custom_jvp
        def f(y):
            return y * x

        f.defjvp(lambda primals, tangents: (f(*primals), tangents[0]))
        return f

    with pytest.raises(registry.EngineError, match="as an argument"):
        taped(lambda x: make(x)(jnp.ones(3)), X[0])
    with pytest.raises(registry.EngineError, match="as an argument"):
        taped(lambda x: jax.jit(lambda y: jax.jit(lambda z: z * x)(y))(jnp.ones(3)), X[0])


def test_a_value_changed_later_does_not_matter():
    array = np.ones(3, "float32")
    with keras.GradientTape() as tape:
        x = tape.watch(np.full(3, 2.0, "float32"))
        y = x * array
    array[:] = 100.0
    np.testing.assert_array_equal(tape.gradient(y, x), np.ones(3))


def test_a_tape_inside_of_jit_grad_and_vmap():
    def f(x):
        with keras.GradientTape() as tape:
            tape.watch(x)
            y = jnp.sum(jax.nn.relu(x) ** 3)
        return tape.gradient(y, x)

    want = 3 * np.maximum(X, 0) ** 2
    np.testing.assert_allclose(jax.jit(f)(X), want, rtol=1e-6)
    np.testing.assert_allclose(jax.vmap(f)(X), want, rtol=1e-6)
    slope = jax.grad(lambda x: jnp.sum(f(x)))(jnp.asarray(X))
    np.testing.assert_allclose(slope, 6 * np.maximum(X, 0), rtol=1e-6)


def test_equal_recordings_share_one_program():
    def step(scale):
        with keras.GradientTape() as tape:
            x = tape.watch(jnp.asarray(X))
            y = ops.sum(ops.sin(x * scale) * 2.5)
        return tape.gradient(y, x)

    step(1.0)
    before, sizes = len(module._programs), []
    for scale in (2.0, 3.0):
        np.testing.assert_allclose(
            step(scale), 2.5 * scale * np.cos(X * scale), rtol=1e-4, atol=1e-5
        )
        sizes.append(len(module._programs))
    assert sizes == [before, before]
    program = next(reversed(module._programs.values()))
    assert program.alone()._cache_size() == 1


def test_a_function_with_a_new_rule_each_time_is_not_compiled_for():
    def step(factor):
        rule = keras.custom_gradient(lambda x: (x * factor, lambda g: g * factor))
        with keras.GradientTape() as tape:
            x = tape.watch(2.0)
            y = rule(x)
        return float(tape.gradient(y, x))

    before = len(module._programs)
    assert [step(f) for f in (2.0, 3.0)] == [2.0, 3.0]
    assert len(module._programs) == before


def test_intermediate_results_are_not_kept():
    with keras.GradientTape() as tape:
        x = tape.watch(jnp.asarray(X))
        middle = jnp.sin(x)
        gone = weakref.ref(middle)
        y = middle * 2.0
        del middle
        gc.collect()
        assert gone() is None
    np.testing.assert_allclose(tape.gradient(y, x), 2 * np.cos(X), rtol=1e-6)


def test_nothing_is_left_behind():
    from jax._src import core

    with keras.GradientTape() as tape:
        x = tape.watch(jnp.asarray(X))
        y = x * 2.0
    assert core.trace_ctx.trace is core.eval_trace
    tape.gradient(y, x)
    gone = weakref.ref(x)
    del x
    gc.collect()
    assert gone() is None


def test_64_bit_types():
    with keras.GradientTape(persistent=True) as tape:
        x = tape.watch(X.astype("float64"))
        y = ops.sum(ops.multiply(ops.sin(x), 2.0))
        z = ops.sum(ops.multiply(ops.cast(x, "float32"), 3))
    assert tape.gradient(y, x).dtype == "float64"
    np.testing.assert_allclose(tape.gradient(y, x), 2 * np.cos(X.astype("float64")), rtol=1e-12)
    np.testing.assert_allclose(tape.gradient(z, x), np.full_like(X, 3.0))
