"""Seeds: equal initial weights and shuffles on every engine, portable draws, runs that repeat."""

import os
import random as builtin_random
import subprocess
import sys
from pathlib import Path

import jax
import keras
import numpy as np
import pytest

import tricorn
from tests.oracle import array, cached
from tricorn import layers, ops, random
from tricorn.engines import registry
from tricorn.graph.compiled import Compiled
from tricorn.graph.function import Function
from tricorn.ops import threefry

pytestmark = pytest.mark.heavy

X = np.random.default_rng(0).normal(size=(12, 8)).astype("float32")
TARGETS = np.random.default_rng(1).integers(0, 3, 12)


@pytest.fixture(autouse=True)
def _own_mode():
    yield
    tricorn.set_random_seed(0)


@pytest.mark.parametrize("key", [(0, 0), (42, -7), (-(2**31), 2**31 - 1)])
@pytest.mark.parametrize("shape", [(), (5,), (3, 0), (2, 3, 4)], ids=str)
def test_bits_are_those_of_jax(engine, key, shape):
    key = np.array(key, "int32")
    found = engine.numpy(threefry.bits(engine.tensor(key, "int32"), shape))
    expected = jax.random.bits(jax.random.wrap_key_data(key.view("uint32")), shape, "uint32")
    np.testing.assert_array_equal(found.view("uint32"), expected)


LOGITS = np.log(np.array([[0.2, 0.3, 0.5]], "float32"))

# what is drawn with a seed, and whether it is equal bit for bit on every engine
DRAWS = {
    "uniform": (lambda s: random.uniform((500,), -1.0, 3.0, seed=s), True),
    "uniform in float64": (lambda s: random.uniform((500,), dtype="float64", seed=s), True),
    "uniform in bfloat16": (lambda s: random.uniform((500,), dtype="bfloat16", seed=s), True),
    "normal": (lambda s: random.normal((500,), 2.0, 0.5, seed=s), False),
    "normal in float64": (lambda s: random.normal((500,), dtype="float64", seed=s), False),
    "truncated_normal": (lambda s: random.truncated_normal((500,), seed=s), False),
    "randint": (lambda s: random.randint((500,), -3, 90, seed=s), True),
    "randint of bytes": (lambda s: random.randint((500,), 0, 256, "uint8", seed=s), True),
    "bernoulli": (lambda s: ops.less(random.uniform((500,), seed=s), 0.3), True),
    "categorical": (lambda s: random.categorical(LOGITS, 500, seed=s), True),
    "shuffle": (lambda s: random.shuffle(np.arange(500), seed=s), True),
    "dropout": (lambda s: random.dropout(np.ones((20, 30), "f4"), 0.25, seed=s), True),
    "gamma": (lambda s: random.gamma((500,), 3.0, seed=s), False),
    "gamma of a small shape": (lambda s: random.gamma((500,), 0.4, seed=s), False),
    "beta": (lambda s: random.beta((500,), 2.0, 3.0, seed=s), False),
    "binomial": (lambda s: random.binomial((500,), 9, 0.7, seed=s), True),
}


@cached
def on_jax(name):
    """Two draws of a portable generator on the JAX engine."""
    tricorn.set_random_seed(5, portable=True)
    with registry.use("jax"):
        generator = random.SeedGenerator(11)
        return [array(DRAWS[name][0](generator)) for _ in range(2)]


@pytest.mark.parametrize("name", DRAWS)
def test_portable_draws_are_equal(name):
    """Twice, and compiled, and by numbers of seeds."""
    draw, exact = DRAWS[name]
    expected = on_jax(name)
    tricorn.set_random_seed(5, portable=True)
    one, two = random.SeedGenerator(11), random.SeedGenerator(11)
    compiled = Compiled(lambda: draw(two))
    for want in expected:
        for found in (array(draw(one)), array(compiled())):
            assert (found.dtype, found.shape) == (want.dtype, want.shape)
            if exact:
                np.testing.assert_array_equal(found, want)
            else:
                tolerance = 1e-12 if want.dtype == np.float64 else 3e-6
                bound = tolerance * np.abs(want).max()
                np.testing.assert_allclose(found, want, rtol=0, atol=bound)
    assert not np.array_equal(*expected)
    np.testing.assert_array_equal(array(draw(3)), array(draw(3)))


MOMENTS = {
    "uniform": (1.0, 16 / 12),
    "normal": (2.0, 0.25),
    "truncated_normal": (0.0, 0.7737),
    "randint": (43.0, (93**2 - 1) / 12),
    "categorical": (1.3, 0.61),
    "dropout": (1.0, 1 / 3),
    "gamma": (3.0, 3.0),
    "gamma of a small shape": (0.4, 0.4),
    "beta": (0.4, 0.04),
}


@pytest.mark.parametrize("name", MOMENTS)
def test_moments_of_portable_draws(name):
    tricorn.set_random_seed(0, portable=True)
    generator = random.SeedGenerator(2)
    values = np.concatenate([array(DRAWS[name][0](generator)).ravel() for _ in range(12)])
    values = values.astype("float64")
    mean, variance = MOMENTS[name]
    assert abs(values.mean() - mean) < 5 * np.sqrt(variance / values.size)
    assert abs(values.var() / variance - 1) < 0.15


@pytest.mark.parametrize("rate", [0.1, 0.25, 0.5, 1 / 3, 0.9, 0.002, 0.9995])
def test_the_share_of_dropout(rate):
    """Within five standard deviations, also of what neighbours have in common."""
    kept = array(random.dropout(np.ones((700, 501), "f4"), rate, seed=7)).ravel() > 0
    bound = 5 * np.sqrt(rate * (1 - rate) / kept.size)
    assert abs(kept.mean() - (1 - rate)) < bound
    for distance in (1, 2, 4, 501):
        both = (kept[distance:] & kept[:-distance]).mean()
        assert abs(both - (1 - rate) ** 2) < 3 * bound


def test_too_many_integers_are_refused():
    tricorn.set_random_seed(0, portable=True)
    with pytest.raises(ValueError, match=r"randint: portable draws.*\[0, 4294967296\)"):
        random.randint((2,), 0, 2**32, "int64")


def test_a_generator_keeps_the_mode_it_was_made_in():
    tricorn.set_random_seed(0)
    plain = random.SeedGenerator(3)
    tricorn.set_random_seed(0, portable=True)
    portable = random.SeedGenerator(3)
    assert (plain.portable, portable.portable) == (False, True)
    first = array(random.uniform((4,), seed=portable))
    tricorn.set_random_seed(0)
    again = random.SeedGenerator(3)
    assert not again.portable
    assert not np.array_equal(first, array(random.uniform((4,), seed=again)))
    # compiled before, called after
    portable.state.assign([3, 0])
    run = Compiled(lambda: random.uniform((4,), seed=portable))
    tricorn.set_random_seed(1, portable=True)
    np.testing.assert_array_equal(array(run()), first)
    assert not plain.portable


NOISE = {
    "Dropout": lambda: layers.Dropout(0.4),
    "SpatialDropout1D": lambda: layers.SpatialDropout1D(0.4),
    "GaussianNoise": lambda: layers.GaussianNoise(0.5),
    "GaussianDropout": lambda: layers.GaussianDropout(0.3),
    "AlphaDropout": lambda: layers.AlphaDropout(0.3),
    "LSTM": lambda: layers.LSTM(3, dropout=0.3, recurrent_dropout=0.2),
    "RandomFlip": lambda: layers.RandomFlip(),
}
IMAGES = np.random.default_rng(2).normal(size=(6, 5, 4, 3)).astype("float32")


def noisy(name):
    """A model of one random layer from a portable seed, and its input."""
    x = IMAGES if name == "RandomFlip" else IMAGES[:, :, 0]
    tricorn.set_random_seed(4, portable=True)
    inputs = tricorn.Input(x.shape[1:])
    return tricorn.Model(inputs, NOISE[name]()(inputs)), x


@cached
def noise_on_jax(name):
    with registry.use("jax"):
        model, x = noisy(name)
        return [array(model(x, training=True)) for _ in range(2)]


@pytest.mark.parametrize("name", [name for name in NOISE if hasattr(layers, name)])
def test_random_layers_are_equal(name):
    """Called, and as a graph's function."""
    expected = noise_on_jax(name)
    model, x = noisy(name)
    for want in expected:
        np.testing.assert_allclose(array(model(x, training=True)), want, rtol=1e-5, atol=1e-5)
    model, x = noisy(name)
    run = Function(model.inputs, model.outputs)
    for want in expected:
        np.testing.assert_allclose(array(run([x], training=True)[0]), want, rtol=1e-5, atol=1e-5)


def classifier():
    model = tricorn.Sequential(
        [
            tricorn.Input((8,)),
            layers.Dense(16, activation="relu"),
            layers.Dropout(0.4),
            layers.GaussianNoise(0.1),
            layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def trained(portable):
    """(initial weights, losses, weights) of three epochs."""
    tricorn.set_random_seed(9, portable)
    model = classifier()
    start = model.get_weights()
    losses = model.fit(X, TARGETS, batch_size=4, epochs=3, verbose=0).history["loss"]
    return start, losses, model.get_weights()


@cached
def trained_on_jax():
    with registry.use("jax"):
        return trained(True)


def test_loading_an_engine_draws_nothing(engine):
    """What a program draws after it has seeded does not depend on when an engine is loaded."""
    program = (
        "import random, numpy as np, tricorn\n"
        "tricorn.set_random_seed(7)\n"
        "tricorn.ops.ones(2)\n"
        "print(np.random.random(), random.random())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True,
        env={**os.environ, "KERAS_BACKEND": engine.name}, cwd=Path(tricorn.__file__).parent.parent,
    )  # fmt: skip
    assert done.stdout.split() == [
        str(np.random.RandomState(7).random()), str(builtin_random.Random(7).random())
    ]  # fmt: skip


def test_training_is_equal_from_equal_seeds():
    """Weights at the start bit for bit, then shuffles, dropout and noise alike."""
    start, losses, end = trained(True)
    expected_start, expected_losses, expected_end = trained_on_jax()
    for a, b in zip(start, expected_start, strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_allclose(losses, expected_losses, rtol=1e-5)
    for a, b in zip(end, expected_end, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-4 * np.abs(b).max())


@pytest.mark.parametrize("portable", [False, True])
def test_runs_repeat_bit_for_bit(portable):
    for a, b in zip(*(tricorn.tree.leaves(trained(portable)) for _ in range(2)), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.engine_free  # a place of its own
def test_in_a_graph_of_tensorflow_too():
    tf = pytest.importorskip("tensorflow")
    expected_start, expected_losses, _ = trained_on_jax()
    with registry.use("tensorflow"), tf.Graph().as_default():
        start, losses, _ = trained(True)
    for a, b in zip(start, expected_start, strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_allclose(losses, expected_losses, rtol=1e-5)


@pytest.mark.engine("jax")
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("seed", [0, 1337])
def test_seeded_draws_are_those_of_keras_on_jax(seed, dtype):
    """The stream of a seed is that of JAX's own generator, whose key the seed is."""
    for name, args in {
        "uniform": (-1.0, 3.0),
        "normal": (2.0, 0.5),
        "truncated_normal": (),
    }.items():
        ours = getattr(random, name)((50,), *args, dtype=dtype, seed=seed)
        theirs = getattr(keras.random, name)((50,), *args, dtype=dtype, seed=seed)
        tolerance = {"float32": 1e-5, "float16": 4e-3, "bfloat16": 3e-2}[dtype]
        np.testing.assert_allclose(
            np.asarray(ours, "float32"), np.asarray(theirs, "float32"), atol=tolerance
        )
    ours = random.randint((50,), 0, 9, seed=seed)
    np.testing.assert_array_equal(ours, keras.random.randint((50,), 0, 9, seed=seed))
