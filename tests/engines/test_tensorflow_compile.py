"""How the TensorFlow engine compiles a step, and its faster forms of composed ops."""

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

import tricorn as keras  # noqa: E402
from tricorn import layers, ops  # noqa: E402
from tricorn.engines.tensorflow import compilation, windows  # noqa: E402
from tricorn.graph.compiled import Compiled  # noqa: E402
from tricorn.ops import fused  # noqa: E402

pytestmark = pytest.mark.engine("tensorflow")


def runners(compiled):
    """The `tf.function` of each kind of arguments."""
    found = [p._run for p in compiled._programs.values()]
    return [getattr(run, "steps", run).compiled for run in found]


def total(x):
    """Σ sin(x_t), by a loop over time."""
    return ops.scan(lambda carry, row: (carry + ops.sin(row), carry), x[0] * 0, x)[0]


@pytest.mark.parametrize(
    ("fn", "fuses"),
    [
        (total, True),
        (lambda x: ops.sum(ops.sin(x), 0), False),
        (lambda x: total(x) + ops.sum(ops.max_pool(x[None], 2, padding="same")), False),
        (lambda x: total(x) + keras.random.uniform((4,), seed=5), False),
    ],
    ids=["loop", "no loop", "loop and window", "loop and draw"],
)
def test_loops_without_windows_are_compiled_by_xla(fn, fuses):
    compiled, x = Compiled(fn), np.random.default_rng(0).normal(size=(30, 4)).astype("float32")
    want = fn(ops.convert_to_tensor(x)).numpy()
    for _ in range(2):
        np.testing.assert_allclose(compiled(x).numpy(), want, rtol=1e-5, atol=1e-5)
    assert [bool(run._jit_compile) for run in runners(compiled)] == [fuses]


def test_what_xla_lacks_runs_without_it():
    def host(row):
        return tf.numpy_function(lambda r: r * 2, [row], tf.float32)

    def fn(state, x):
        return tf.map_fn(host, x), state

    run = compilation.compile(fn, loop=False)
    x = np.arange(6, dtype="float32").reshape(3, 2)
    for _ in range(2):
        found, _ = run([], x)
        np.testing.assert_array_equal(found.numpy(), x * 2)
    assert not run.compiled._jit_compile


def trained(monkeypatch, fuses):
    if not fuses:
        monkeypatch.setattr(compilation._Compiled, "_has_loops", lambda *args: False)
    keras.set_random_seed(3)
    model = keras.Sequential(
        [keras.Input((6, 4)), layers.LSTM(5), layers.Dense(2)]
    )
    model.compile(keras.optimizers.Adam(0.01), "mse")
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 6, 4)).astype("float32"), rng.normal(size=(40, 2))
    history = model.fit(x, y, batch_size=8, epochs=3, verbose=0).history
    return history["loss"], model.get_weights()


def test_training_is_the_same_with_xla(monkeypatch):
    losses, weights = trained(monkeypatch, True)
    plain_losses, plain_weights = trained(monkeypatch, False)
    np.testing.assert_allclose(losses, plain_losses, rtol=1e-5)
    for a, b in zip(weights, plain_weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-5 * np.abs(b).max())


@pytest.mark.parametrize("shape", [(6, 3), (2, 5, 3), (2, 3, 4, 3), (2, 2, 3, 2, 3)])
def test_batch_norm_and_its_gradients(shape):
    rng = np.random.default_rng(1)
    given = [tf.constant(rng.normal(size=s).astype("float32")) for s in (shape, 3, 3)]
    weights = tf.constant(rng.normal(size=shape).astype("float32"))

    def derived(fn):
        with tf.GradientTape() as outer:
            outer.watch(given)
            with tf.GradientTape() as tape:
                tape.watch(given)
                outputs = fn(*given, 1e-3)
                loss = tf.reduce_sum(outputs[0] * weights)
            first = tape.gradient(loss, given)
            again = tf.add_n([tf.reduce_sum(tf.square(g)) for g in first])
        return [*outputs, *first, outer.gradient(again, given[0])]

    ours, theirs = derived(windows.batch_norm), derived(fused.batch_norm.__wrapped__)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=2e-5 * np.abs(b).max())


def test_one_row_has_no_variance():
    _, mean, variance = windows.batch_norm(tf.ones((1, 3)), tf.ones(3), tf.zeros(3), 1e-3)
    np.testing.assert_array_equal(mean, np.ones(3))
    np.testing.assert_array_equal(variance, np.zeros(3))


def test_other_floats_are_declined():
    x = tf.ones((2, 3), tf.float64)
    assert windows.batch_norm(x, x[0], x[0], 1e-3) is NotImplemented
