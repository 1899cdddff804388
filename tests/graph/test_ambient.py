"""What compiled programs depend on besides their arguments is a part of their keys."""

import contextlib

import numpy as np
import pytest

import tricorn as keras
from tests.oracle import array
from tricorn import config, layers, ops, random, seeds, variable
from tricorn.engines import active, known, registry
from tricorn.graph import ambient, compiled, phase
from tricorn.graph.calls import calling
from tricorn.graph.compiled import Compiled
from tricorn.graph.placement import placed

THIRD = np.full((2, 3), 1 / 3, "float32")
IMAGE = np.arange(64, dtype="float32").reshape(1, 4, 4, 4)
DROP, WEIGHT = layers.Dropout(0.5, seed=1), keras.Variable(THIRD, name="third")


@pytest.fixture(autouse=True)
def _as_it_was():
    floatx, epsilon, layout = config.floatx(), config.epsilon(), config.image_data_format()
    yield
    config.set_floatx(floatx)
    config.set_epsilon(epsilon)
    config.set_image_data_format(layout)
    keras.dtype_policies.set_dtype_policy(None)
    config.enable_flash_attention()
    phase.release()
    keras.set_random_seed(0)


@contextlib.contextmanager
def calls(change, *args):
    change(*args)
    yield


def other_engine():
    others = [name for name in known.installed() if name != active().name]
    if not others:
        pytest.skip("needs two engines")
    return registry.use(others[0])


def again(x):
    return ops.cast(x, "float32")


# field -> (a function that depends on it, a block in which it is another one)
CASES = {
    "engine": (lambda: ops.ones(()) * len(active().name), other_engine),
    "device": (lambda: ops.ones(()) * (placed() is None), lambda: keras.device("cpu")),
    "learning_phase": (lambda: DROP(THIRD), lambda: calls(phase.fix, 1)),
    "training": (lambda: DROP(THIRD), lambda: calling(True)),
    "floatx": (
        lambda: again(ops.convert_to_tensor(1 / 3)),
        lambda: calls(config.set_floatx, "float16"),
    ),
    "epsilon": (
        lambda: keras.constraints.UnitNorm()(ops.convert_to_tensor(THIRD)),
        lambda: calls(config.set_epsilon, 0.5),
    ),
    "image_data_format": (
        lambda: ops.sum(ops.max_pool(IMAGE, 2)),
        lambda: calls(config.set_image_data_format, "channels_first"),
    ),
    "flash_attention": (
        lambda: ops.ones(()) * (config.is_flash_attention_enabled() is None),
        lambda: calls(config.disable_flash_attention),
    ),
    "dtype_policy": (
        lambda: again(layers.Activation("linear")(THIRD)),
        lambda: calls(keras.dtype_policies.set_dtype_policy, "mixed_float16"),
    ),
    "autocast": (lambda: again(WEIGHT * 1.0), lambda: variable.autocast("float16")),
    "generator": (lambda: ops.ones(()) * seeds._host.dropped, lambda: calls(seeds.clear)),
    "portable": (
        lambda: ops.ones(()) * seeds.is_portable(None),
        lambda: calls(keras.set_random_seed, 0, True),
    ),
}


@pytest.mark.parametrize("field", ambient.Ambient._fields)
def test_each_field_is_heeded(field):
    """A field without a case fails here."""
    body, change = CASES[field]
    function = Compiled(lambda x: body() + 0.0 * ops.sum(x))
    x = np.ones(2, "float32")
    before = array(function(x))
    there = ambient.now()
    assert len(function._programs) == 1
    with change():
        assert getattr(ambient.now(), field) != getattr(there, field)
        now = array(function(x))
        assert len(function._programs) == 2
        if field not in ("engine", "device", "training", "autocast"):  # those end with the block
            return_ = function(x)
            assert len(function._programs) == 2
            assert array(return_).shape == now.shape
    assert before.shape != now.shape or not np.array_equal(before, now)


@pytest.mark.parametrize("field", ["engine", "device", "training", "autocast"])
def test_the_old_program_is_used_again(field):
    body, change = CASES[field]
    function = Compiled(lambda x: body() + 0.0 * ops.sum(x))
    x = np.ones(2, "float32")
    before = array(function(x))
    for _ in range(3):
        with change():
            function(x)
        if field != "training":  # dropout is the next draw
            np.testing.assert_array_equal(array(function(x)), before)
    assert len(function._programs) == 2


def test_seeding_needs_no_new_program():
    """A function that draws without a generator draws the same after equal seeds, eagerly and
    compiled, whatever was drawn before the first seed."""
    function = keras.function(lambda x: x + random.normal((2,)))
    x = np.zeros(2, "float32")
    function(x)
    found = []
    for _ in range(2):
        keras.set_random_seed(3)
        found.append([array(function(x)) for _ in range(3)])
    np.testing.assert_array_equal(*found)
    assert len(function._programs) == 1
    assert len({tuple(each) for each in found[0]}) == 3
    keras.set_random_seed(3)
    np.testing.assert_array_equal(array(random.normal((2,))), found[0][0])
    seeds.clear()  # another generator takes the old one's place
    keras.set_random_seed(3)
    np.testing.assert_array_equal(array(function(x)), found[0][0])


def test_seeding_does_not_depend_on_what_was_made():
    keras.set_random_seed(3)
    first = array(random.normal((2,)))
    keras.set_random_seed(3)
    layers.Dense(3).build((None, 2))
    np.testing.assert_array_equal(array(random.normal((2,))), first)
    seeds.clear()
    assert not np.array_equal(array(random.normal((2,))), first)


def test_programs_are_bounded(monkeypatch):
    monkeypatch.setattr(compiled, "_MAX_PROGRAMS", 4)
    function = Compiled(lambda x, n: x * n)
    x = np.ones(2, "float32")
    for n in (*range(6), 5, 2):
        np.testing.assert_array_equal(array(function(x, n)), x * n)
        assert len(function._programs) <= 4
        assert {key for key, *_ in function._programs} == set(function._flags)


# --------------------------------------------------------------------------------- trainable flags


def normalized():
    keras.set_random_seed(1)
    inputs = keras.Input((3,))
    norm = layers.BatchNormalization(momentum=0.5)
    model = keras.Model(inputs, layers.Dense(1)(norm(inputs)))
    model.compile("sgd", "mse")
    return model, norm


X = np.random.default_rng(0).normal(3.0, 1.0, (8, 3)).astype("float32")
Y = np.zeros((8, 1), "float32")


def moves(model, norm, size):
    """Whether a step with batches of this size moves the averages."""
    before = norm.moving_mean.numpy()
    model.fit(X, Y, batch_size=size, verbose=0)
    return not np.array_equal(before, norm.moving_mean.numpy())


def test_freezing_acts_the_same_for_every_batch_size():
    """Without `compile` in between; and thawing."""
    model, norm = normalized()
    assert moves(model, norm, 8)
    norm.trainable = False
    assert not moves(model, norm, 8) and not moves(model, norm, 4)
    norm.trainable = True
    assert moves(model, norm, 8) and moves(model, norm, 4)


def test_the_weights_that_move_are_those_of_compile():
    model, norm = normalized()
    model.fit(X, Y, verbose=0)
    norm.trainable = False
    before = norm.gamma.numpy()
    model.fit(X, Y, verbose=0)
    assert not np.array_equal(before, norm.gamma.numpy())


def test_alternating_compiles_each_state_once():
    model, norm = normalized()
    for _ in range(4):
        for flag in (True, False):
            model.trainable = flag
            assert moves(model, norm, 8) is flag
    assert len(model._tricorn.parts["training"].programs["train_loop"]._programs) == 2


def test_a_step_of_ones_own_sees_the_flags():
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.first, self.second = layers.Dense(3), layers.Dense(1)

        def call(self, x):
            return self.second(self.first(x))

        def train_step(self, data):
            x, y = data

            def loss():
                return ops.mean(ops.square(self(x) - y))

            value, grads = keras.value_and_grad(loss, self.trainable_variables)()
            self.optimizer.apply(grads, self.trainable_variables)
            return {"loss": value}

    model = Own()
    model.compile("sgd")
    model.fit(X, Y, verbose=0)
    for frozen, free in ((model.first, model.second), (model.second, model.first)):
        frozen.trainable, free.trainable = False, True
        for size in (8, 4):
            before = [frozen.kernel.numpy(), free.kernel.numpy()]
            model.fit(X, Y, batch_size=size, verbose=0)
            np.testing.assert_array_equal(before[0], frozen.kernel.numpy())
            assert not np.array_equal(before[1], free.kernel.numpy())


def test_a_variable_of_its_own_is_a_flag_too():
    v = keras.Variable(1.0)
    function = Compiled(lambda: v * (2.0 if v.trainable else 3.0))
    assert float(array(function())) == 2.0
    v.trainable = False
    assert float(array(function())) == 3.0
    v.trainable = True
    assert float(array(function())) == 2.0
    assert len(function._programs) == 2
