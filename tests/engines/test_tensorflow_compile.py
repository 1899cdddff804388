"""How the TensorFlow engine compiles a step, and its faster forms of composed ops."""

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

import tricorn as keras  # noqa: E402
from tricorn import layers  # noqa: E402
from tricorn.engines import common  # noqa: E402
from tricorn.engines.tensorflow import compilation, draws, primitives, transforms, windows  # noqa: E402
from tricorn.ops import fused  # noqa: E402

pytestmark = pytest.mark.engine("tensorflow")


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


def trained(kind, jit_compile):
    keras.set_random_seed(3)
    layer = getattr(layers, kind)
    model = keras.Sequential(
        [keras.Input((6, 4)), layers.Masking(), layers.Bidirectional(layer(5)), layers.Dense(2)]
    )
    model.compile(keras.optimizers.Adam(0.01), "mse", jit_compile=jit_compile)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(42, 6, 4)).astype("float32"), rng.normal(size=(42, 2))
    x[::3, 4:] = 0
    history = model.fit(x, y, batch_size=8, epochs=3, verbose=0).history
    return history["loss"], model.get_weights()


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_training_is_the_same_with_xla(kind):
    losses, weights = trained(kind, True)
    plain_losses, plain_weights = trained(kind, False)
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


@pytest.mark.parametrize("key", [(7, 8), (-3, 2**31 - 1)])
def test_masks_of_many_elements_are_the_same_however_they_are_drawn(key):
    key, shape = tf.constant(key, tf.int32), (256, 257)
    words = (int(k) % 2**32 for k in key)
    counters = np.arange(np.prod(shape), dtype=np.uint32)
    with np.errstate(over="ignore"):
        words = common.hashed(*map(np.uint32, words), counters, np.bitwise_xor, np.right_shift)

    for probability in (0.9, 1e-4):
        expected = (words / 2**32 < probability).reshape(shape)
        assert abs(expected.mean() - probability) < 5 * np.sqrt(probability / expected.size)

        def draw(key, shape=shape, probability=probability):
            return draws.bernoulli(key, shape, probability)

        token = transforms.without_xla.set(True)
        forms = [draw, tf.function(draw)]
        found = [form(key) for form in forms]
        transforms.without_xla.reset(token)
        found += [tf.function(draw, jit_compile=jit)(key) for jit in (None, True)]
        dynamic = tf.function(
            lambda key, n: draw(key, (n, shape[1])), jit_compile=True, autograph=False
        )
        for mask in [*found, dynamic(key, tf.constant(shape[0]))]:
            np.testing.assert_array_equal(mask, expected)


@pytest.mark.parametrize("probability", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("shape", [(64,), (2**16,)])
def test_masks_have_their_probability(shape, probability):
    mask = draws.bernoulli(tf.constant([3, 4], tf.int32), shape, probability).numpy()
    assert mask.dtype == bool
    deviation = np.sqrt(probability * (1 - probability) / mask.size)
    assert abs(mask.mean() - probability) <= 5 * deviation


@pytest.mark.parametrize("shape", [(5, 3), (2, 5, 3), (0, 3)])
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
def test_sums_of_rows(shape, dtype):
    x = tf.cast(tf.random.normal(shape), dtype)
    expected = tf.reduce_sum(x, range(len(shape) - 1))
    tolerance = 0.02 if dtype == "bfloat16" else 1e-6
    for found in (primitives.row_sum(x), tf.function(primitives.row_sum)(x)):
        assert found.dtype == x.dtype
        np.testing.assert_allclose(
            tf.cast(found, "float64"), tf.cast(expected, "float64"), tolerance, tolerance
        )


def test_a_bias_in_what_is_differentiated_has_the_sum_of_rows():
    @tf.function
    def derived(x, bias):
        fn = lambda b: (tf.reduce_sum(tf.square(tf.nn.bias_add(x, b))), None)
        _, pull, _ = transforms.vjp(fn, (bias,))
        return pull(tf.constant(1.0))[0]

    for shape in [(4, 3), (2, 4, 3), (2, 4, 4, 3)]:
        x, bias = tf.random.normal(shape), tf.constant([1.0, -2.0, 0.5])
        expected = tf.reduce_sum(2 * (x + bias), range(len(shape) - 1))
        np.testing.assert_allclose(derived(x, bias), expected, 1e-5, 1e-5)
        kinds = {o.type for o in derived.get_concrete_function(x, bias).graph.get_operations()}
        assert ("BiasAddGrad" in kinds) == (len(shape) > 2)
