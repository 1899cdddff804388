"""What becomes of a user's own Python in a step: where it runs at every step, it means what it
says; and models whose first call is in `fit`, with code of the engine's own library inside."""

import importlib

import numpy as np
import pytest

import tricorn as keras
from tricorn import layers, ops

RNG = np.random.default_rng(0)
X = RNG.normal(size=(80, 3)).astype("float32")
Y = X.sum(1, keepdims=True)
PYTHON = pytest.mark.engine("torch")  # engines that run it at every step by default


@pytest.fixture
def at_once(monkeypatch, engine):
    """Whatever may be traced is traced when it first runs."""
    if engine.name == "torch":
        from tricorn.engines.torch import tracing

        monkeypatch.setattr(tracing.patience, "seconds", 0)
        monkeypatch.setattr(tracing.patience, "learn", lambda seconds: None)


class Counting(layers.Layer):
    """Scales by a number that changes with every call."""

    def __init__(self, scale=1.0, decay=0.9, **kwargs):
        super().__init__(**kwargs)
        self.scale, self.decay, self.calls = scale, decay, 0

    def call(self, x):
        self.calls += 1
        self.scale *= self.decay
        return x * self.scale


class Stepping(keras.Model):
    """A training step of its own, with Python state and NumPy's random numbers."""

    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(1)
        self.steps, self.alpha, self.seen = 0, 1.0, []

    def call(self, x):
        return self.dense(x)

    def train_step(self, data):
        x, y = data
        self.steps += 1
        self.alpha *= 0.9
        noise = np.random.normal()
        self.seen.append(noise)
        loss, grads = keras.value_and_grad(
            lambda: ops.mean(ops.square(self(x) - y)) * self.alpha, self.trainable_variables
        )()
        self.optimizer.apply(grads, self.trainable_variables)
        return {"loss": loss, "alpha": ops.convert_to_tensor(self.alpha), "noise": noise + 0 * loss}


def built(model):
    model(X[:1])
    return model


def in_order(model, **settings):
    return model.fit(X, Y, batch_size=2, verbose=0, shuffle=False, **settings)


@PYTHON
@pytest.mark.parametrize("make", [Stepping, lambda: built(Stepping())], ids=["unbuilt", "built"])
def test_a_step_of_a_users_own_runs_at_every_step(make, at_once):
    model = make()
    model.compile("sgd", "mse")
    for epoch in (1, 2):
        logs = in_order(model).history
        assert model.steps == 40 * epoch == int(model.optimizer.iterations)
        assert logs["alpha"][0] == pytest.approx(0.9 ** (40 * epoch), rel=1e-5)
        assert logs["noise"][0] == pytest.approx(model.seen[-1], rel=1e-5)
    assert len(set(model.seen)) == 80
    model.train_on_batch(X[:2], Y[:2])
    assert model.steps == 81


@PYTHON
def test_a_layer_of_a_users_own_runs_at_every_step(at_once):
    keras.utils.set_random_seed(0)
    layer = Counting(decay=0.99)
    model = keras.Sequential([keras.Input((3,)), layers.Dense(4, "relu"), layer, layers.Dense(1)])
    model.compile("sgd", "mse")
    before = layer.calls
    in_order(model)
    assert layer.calls == before + 40
    model.evaluate(X, Y, batch_size=2, verbose=0)
    assert layer.calls == before + 80
    first = model.predict(X[:2], verbose=0)
    second = model.predict(X[:2], verbose=0)
    assert np.abs(first - second).max() > 0


@PYTHON
@pytest.mark.parametrize("what", ["loss", "metric", "activation", "regularizer", "schedule"])
def test_functions_of_a_users_own_run_at_every_step(what, at_once):
    calls = []

    def own(*args):
        calls.append(1)
        return args[0] * 1.0 if what == "activation" else ops.sum(args[-1]) * 1.0 if args else 0.01

    mine = {what: own}
    model = keras.Sequential([
        keras.Input((3,)),
        layers.Dense(
            1, activation=mine.get("activation"), kernel_regularizer=mine.get("regularizer")
        ),
    ])  # fmt: skip
    model.compile(
        keras.optimizers.SGD(mine.get("schedule", 0.01)), mine.get("loss", "mse"),
        metrics=[mine["metric"]] if what == "metric" else None,
    )  # fmt: skip
    calls.clear()
    in_order(model)
    assert len(calls) >= 40


@PYTHON
def test_a_user_may_say_that_code_may_be_traced(at_once):
    model = built(Stepping())
    model.compile("sgd", "mse", jit_compile=True)
    in_order(model)
    assert model.steps < 10
    assert int(model.optimizer.iterations) == 40


def test_without_compilation_the_numbers_are_the_same(at_once):
    found = []
    for jit_compile in ("auto", False):
        keras.utils.set_random_seed(3)
        model = keras.Sequential([
            keras.Input((3,)), layers.Dense(8, "relu"), layers.BatchNormalization(),
            layers.Dropout(0.3), layers.Dense(1),
        ])  # fmt: skip
        optimizer = keras.optimizers.Adam(0.01)
        model.compile(optimizer, "mse", metrics=["mae"], jit_compile=jit_compile)
        history = model.fit(X, Y, batch_size=16, epochs=2, verbose=0, shuffle=False).history
        scores = model.evaluate(X, Y, verbose=0)
        found.append([*history.values(), scores, model.predict(X, verbose=0), *model.get_weights()])
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5 * np.abs(theirs).max())


@pytest.mark.engine("jax", "torch")
def test_jit_compile_false_runs_python_at_every_step():
    model = built(Stepping())
    model.compile("sgd", "mse", jit_compile=False)
    in_order(model)
    assert model.steps == 40
    assert model.alpha == pytest.approx(0.9**40)


@pytest.mark.engine("jax", "torch")
def test_a_function_that_is_not_compiled():
    w, calls = keras.Variable(np.ones(3, "float32")), []

    def double(x):
        calls.append(1)
        w.assign(w * 2)
        return w.value, x

    run = keras.function(double, jit_compile=False)
    for count in range(1, 4):
        now, _ = run(np.zeros(2, "float32"))
        assert len(calls) == count
        np.testing.assert_array_equal(w.numpy(), np.full(3, 2.0**count))
    w.assign(np.zeros(3, "float32"))
    np.testing.assert_array_equal(ops.convert_to_numpy(now), np.full(3, 8.0))


@pytest.mark.engine("tensorflow")
@pytest.mark.parametrize(("jit_compile", "fuses"), [(True, True), (False, None), ("auto", None)])
def test_on_tensorflow_it_is_xla(jit_compile, fuses):
    run = keras.function(lambda x: x * 2.0, jit_compile=jit_compile)
    np.testing.assert_array_equal(ops.convert_to_numpy(run(X)), X * 2)
    (program,) = run._programs.values()
    assert program._run.compiled._jit_compile is fuses


def test_other_values_of_jit_compile_are_refused():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(1)])
    for make in (lambda: model.compile("sgd", "mse", jit_compile="always"),
                 lambda: keras.function(lambda x: x, jit_compile=1.5)):  # fmt: skip
        with pytest.raises(ValueError, match='jit_compile must be "auto", True or False'):
            make()


class Failing(Stepping):
    def train_step(self, data):
        if self.steps == 7:
            raise KeyError("mine")
        return super().train_step(data)


@PYTHON
@pytest.mark.parametrize("steps", ["auto", 1, 20])
def test_an_error_of_a_users_leaves_the_last_whole_step(steps):
    keras.utils.set_random_seed(1)
    failing, other = built(Failing()), built(Stepping())
    other.set_weights(failing.get_weights())
    for model in (failing, other):
        model.compile(keras.optimizers.Adam(0.1), steps_per_execution=steps)
    with pytest.raises(KeyError, match="mine") as caught:
        in_order(failing)
    assert caught.value.args == ("mine",)
    other.fit(X[:14], Y[:14], batch_size=2, verbose=0, shuffle=False)
    assert int(failing.optimizer.iterations) == 7
    for ours, theirs in zip(failing.get_weights(), other.get_weights()):
        np.testing.assert_array_equal(ours, theirs)
    for _ in range(3):
        with pytest.raises(KeyError, match="mine"):
            failing.train_on_batch(X[:2], Y[:2])
    assert int(failing.optimizer.iterations) == 7


# -------------------------------------------------------- first met in fit, with native code inside

NATIVE = {
    "jax": ("jax.numpy", "sin"), "torch": ("torch", "sin"), "tensorflow": ("tensorflow", "sin"),
}  # fmt: skip


@keras.saving.register_keras_serializable("tests")
class Waves(keras.Model):
    """Unbuilt until it is called; what is between its layers is the engine's own library's, or the
    same in ops."""

    def __init__(self, native=True, **kwargs):
        super().__init__(**kwargs)
        self.native = native
        self.first, self.second = layers.Dense(4), layers.Dense(1)

    def call(self, x, training=False):
        library, name = NATIVE[keras.config.backend()] if self.native else ("tricorn.ops", "sin")
        sin = getattr(importlib.import_module(library), name)
        return self.second(sin(self.first(x)))

    def get_config(self):
        return {"native": self.native, "name": self.name}


def made(native):
    keras.utils.set_random_seed(11)
    model = Waves(native)
    model.compile(keras.optimizers.Adam(0.01), "mse", metrics=["mae"])
    return model


FIRST = {
    "fit": lambda model: model.fit(X, Y, batch_size=8, epochs=2, verbose=0, shuffle=False),
    "evaluate": lambda model: model.evaluate(X, Y, batch_size=8, verbose=0),
    "predict": lambda model: model.predict(X, verbose=0),
    "train_on_batch": lambda model: model.train_on_batch(X, Y),
    "call": lambda model: model(X),
}


@pytest.mark.parametrize("first", FIRST)
def test_the_first_call_of_a_model_with_native_code(first, tmp_path):
    other = built(made(False))
    FIRST[first](other)
    FIRST["fit"](other)
    model = made(True)
    FIRST[first](model)
    FIRST["fit"](model)
    assert len(model.trainable_variables) == 4
    assert int(model.optimizer.iterations) == int(other.optimizer.iterations) > 0
    for ours, theirs in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6)
    expected = other.predict(X, verbose=0)
    np.testing.assert_allclose(model.predict(X, verbose=0), expected, rtol=0, atol=1e-6)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded.predict(X, verbose=0), expected, rtol=0, atol=1e-6)
    FIRST["fit"](loaded)


@pytest.mark.engine("torch")
@pytest.mark.parametrize("jit_compile", ["auto", True])
def test_native_tensors_that_move_are_read_at_every_step(jit_compile, at_once):
    torch = pytest.importorskip("torch")
    moving, module = torch.nn.Parameter(torch.zeros(3)), torch.nn.Linear(3, 3)
    frozen = torch.zeros(3)

    class Moved(layers.Layer):
        def call(self, x):
            return module(x * torch.exp(moving)) + frozen

    model = keras.Sequential([keras.Input((3,)), Moved(), layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.0), "mse", jit_compile=jit_compile)
    for step in range(4):
        found = model.train_on_batch(X, Y)
        with torch.no_grad():
            given = module(torch.from_numpy(X) * torch.exp(moving)) + frozen
        hidden = model.layers[-1](given.numpy())
        expected = np.square(ops.convert_to_numpy(hidden) - Y).mean()
        assert found == pytest.approx(expected, rel=1e-5), step
        with torch.no_grad():
            moving += 0.5
            frozen -= 0.25
            for parameter in module.parameters():
                parameter.mul_(1.5)
    if jit_compile is True:
        (program,) = model._tricorn.parts["training"].programs["train"]._programs.values()
        assert any(kind.trace is not None for kind in program._run.kinds.values())
