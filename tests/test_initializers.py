"""Initializers: moments and bounds, fans, reproducibility, configs, errors."""

import math

import keras
import numpy as np
import pytest

from tricorn import initializers, random
from tricorn.variable import Variable

SCALED = {
    "GlorotUniform": (1, "fan_avg", "uniform"),
    "GlorotNormal": (1, "fan_avg", "normal"),
    "LecunUniform": (1, "fan_in", "uniform"),
    "LecunNormal": (1, "fan_in", "normal"),
    "HeUniform": (2, "fan_in", "uniform"),
    "HeNormal": (2, "fan_in", "normal"),
}
RANDOM = [*SCALED, "RandomNormal", "RandomUniform", "TruncatedNormal", "VarianceScaling"]
SHAPE = (3, 3, 40, 60)


@pytest.mark.parametrize("name", SCALED)
def test_variance_of_scaled(name):
    scale, mode, distribution = SCALED[name]
    fan_in, fan_out = 9 * 40, 9 * 60
    variance = scale / {"fan_in": fan_in, "fan_avg": (fan_in + fan_out) / 2}[mode]
    values = getattr(initializers, name)(seed=1).host(SHAPE, "float32")
    assert values.dtype == np.float32
    assert abs(values.mean()) < 5 * math.sqrt(variance / values.size)
    assert values.var() == pytest.approx(variance, rel=0.03)
    widest = {"uniform": math.sqrt(3), "normal": 2 / 0.8796256610342398}[distribution]
    assert 0.98 < np.abs(values).max() / (widest * math.sqrt(variance)) <= 1.0001


@pytest.mark.parametrize("name", RANDOM)
def test_same_distribution_as_keras(name):
    ours = getattr(initializers, name)(seed=1).host((200, 300), "float32")
    theirs = np.asarray(getattr(keras.initializers, name)(seed=1)((200, 300)))
    levels = np.linspace(0, 1, 41)
    spread = theirs.std()
    np.testing.assert_allclose(
        np.quantile(ours, levels[1:-1]), np.quantile(theirs, levels[1:-1]), atol=0.03 * spread
    )


@pytest.mark.parametrize("mode", ["fan_in", "fan_out", "fan_avg"])
@pytest.mark.parametrize("distribution", ["uniform", "truncated_normal", "untruncated_normal"])
def test_variance_scaling(mode, distribution):
    ours = initializers.VarianceScaling(3.0, mode, distribution, seed=0).host((100, 400))
    expected = 3.0 / {"fan_in": 100, "fan_out": 400, "fan_avg": 250}[mode]
    assert ours.var() == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize("shape", [(), (5,), (2, 3), (7, 2, 3), (3, 4, 5, 6), (2, 3, 4, 5, 6)])
def test_fans(shape):
    from keras.src.initializers.random_initializers import compute_fans

    assert initializers.compute_fans(shape) == compute_fans(shape)
    if len(shape) > 2:
        axes = [0, 1], [2]
        assert initializers.compute_fans(shape, *axes) == compute_fans(shape, *axes)


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (2, 3, 4), (4, 4)])
def test_orthogonal(shape):
    values = initializers.Orthogonal(gain=2.0, seed=3).host(shape, "float64").reshape(-1, shape[-1])
    if values.shape[0] < values.shape[1]:
        values = values.T
    np.testing.assert_allclose(values.T @ values, 4 * np.eye(values.shape[1]), atol=1e-12)


def test_constants():
    np.testing.assert_array_equal(initializers.Zeros()((2, 3)), np.zeros((2, 3)))
    np.testing.assert_array_equal(initializers.Ones()((2,), "int32"), [1, 1])
    np.testing.assert_array_equal(initializers.Constant(2.5).host((2,), "float16"), [2.5, 2.5])
    np.testing.assert_array_equal(initializers.Constant([1, 2]).host((2, 2)), [[1, 2], [1, 2]])
    np.testing.assert_array_equal(initializers.Identity(3)((2, 3)), [[3, 0, 0], [0, 3, 0]])


@pytest.mark.parametrize("side", ["real", "imag"])
@pytest.mark.parametrize("window", ["hann", "hamming", None])
@pytest.mark.parametrize("scaling", ["density", "spectrum", None])
def test_stft(side, window, scaling):
    arguments = {"side": side, "window": window, "scaling": scaling}
    ours = initializers.STFT(**arguments)
    theirs = keras.initializers.STFT(**arguments)
    expected = np.asarray(theirs((16, 1, 9)))
    np.testing.assert_allclose(ours.host((16, 1, 9)), expected, atol=1e-5 * np.abs(expected).max())
    assert ours.get_config() == theirs.get_config()


@pytest.mark.parametrize("name", RANDOM)
def test_seeds(name):
    make = getattr(initializers, name)
    seeded, free = make(seed=7), make()
    assert np.array_equal(seeded.host((4, 5)), seeded.host((4, 5)))
    assert np.array_equal(seeded.host((4, 5)), make(seed=7).host((4, 5)))
    assert not np.array_equal(seeded.host((4, 5)), make(seed=8).host((4, 5)))
    random.set_random_seed(3)
    first, second = free.host((4, 5)), free.host((4, 5))
    assert not np.array_equal(first, second)
    random.set_random_seed(3)
    assert np.array_equal(first, make().host((4, 5)))
    assert np.array_equal(second, make().host((4, 5)))


def test_a_seed_generator_moves_on():
    initializer = initializers.RandomNormal(seed=random.SeedGenerator(5))
    first, second = initializer.host((3,)), initializer.host((3,))
    assert not np.array_equal(first, second)
    again = initializers.RandomNormal(seed=random.SeedGenerator(5))
    assert np.array_equal(again.host((3,)), first)


def test_variables_draw_on_the_host_and_calls_give_the_same():
    initializer = initializers.GlorotUniform(seed=1)
    variable = Variable(initializer, (3, 4), "float32")
    assert np.array_equal(variable.numpy(), initializer((3, 4)))
    assert np.array_equal(variable.numpy(), initializer.host((3, 4)))


def test_subclasses_are_called():
    class Halved(initializers.RandomUniform):
        def __call__(self, shape, dtype=None):
            return super().__call__(shape, dtype) / 2

    class Plain(initializers.Initializer):
        def __call__(self, shape, dtype=None):
            return np.full(shape, 3, dtype)

    whole, half = initializers.RandomUniform(seed=1), Halved(seed=1)
    np.testing.assert_allclose(Variable(half, (3,)).numpy(), whole.host((3,)) / 2)
    np.testing.assert_array_equal(Variable(Plain(), (2,)).numpy(), [3, 3])


@pytest.mark.parametrize("name", [*RANDOM, "Zeros", "Ones", "Constant", "Identity", "Orthogonal"])
def test_config(name):
    initializer = getattr(initializers, name)()
    config = initializers.serialize(initializer)
    assert initializers.deserialize(config).get_config() == initializer.get_config()
    assert initializer.clone().get_config() == initializer.get_config()
    theirs = keras.initializers.deserialize(config)  # Keras leaves Identity's gain out
    assert theirs.get_config().items() <= initializer.get_config().items()


@pytest.mark.parametrize("name", ["glorot_uniform", "zeros", "he_normal", "normal", "one"])
def test_names(name):
    assert type(initializers.get(name)).__name__ == type(keras.initializers.get(name)).__name__


def test_what_get_takes():
    assert initializers.get(None) is None
    assert isinstance(initializers.get(initializers.Ones), initializers.Ones)
    function = lambda shape, dtype=None: np.ones(shape)
    assert initializers.get(function) is function
    config = {"class_name": "Constant", "config": {"value": 2}}
    assert initializers.get(config).value == 2
    given = initializers.get(np.arange(3.0))
    np.testing.assert_array_equal(Variable(given, (3,)).numpy(), [0, 1, 2])
    with pytest.raises(ValueError, match=r"\(3,\).*\(2,\)"):
        Variable(given, (2,))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: initializers.get("glorot"), "'glorot'.*glorot_uniform"),
        (lambda: initializers.RandomNormal(seed="a"), "seed must be"),
        (lambda: initializers.VarianceScaling(scale=0), "scale must be a number above 0"),
        (lambda: initializers.VarianceScaling(mode="fan"), ".fan_in., .fan_out., .fan_avg."),
        (lambda: initializers.VarianceScaling(distribution="cauchy"), "uniform"),
        (lambda: initializers.Orthogonal()((3,)), r"\(3,\)"),
        (lambda: initializers.Identity()((3, 3, 3)), "rank 2"),
        (lambda: initializers.STFT(side="left"), "real"),
    ],
)
def test_errors(make, message):
    with pytest.raises(ValueError, match=message):
        make()
    with pytest.raises(ValueError, match="int"):
        initializers.get(3)
    with pytest.raises(NotImplementedError, match="__call__"):
        initializers.Initializer()((2,))
