"""`make_train_function` and its like: `fit` calls a user's and uses the function that it gives."""

import copy

import numpy as np
import pytest

import tricorn

X = (np.arange(36, dtype="float32").reshape(12, 3)) / 36
Y = X[:, :2]


def build(kind=tricorn.Model):
    x = tricorn.Input((3,))
    model = kind(x, tricorn.layers.Dense(2, kernel_initializer="ones")(x))
    model.compile(tricorn.optimizers.SGD(0.1), "mse", metrics=["mae"])
    return model


def wrapping(kind, style):
    """A class that counts the calls of the library's own function of a kind."""

    class Counting(tricorn.Model):
        calls = 0

    def make(self, force=False):
        inner = getattr(super(Counting, self), f"make_{kind}_function")(force=True)

        def with_state(state, batches):
            self.calls += 1
            return inner(state, batches)

        def without(batches):
            self.calls += 1
            return inner(batches)

        function = with_state if style == "state" else without
        setattr(self, f"{kind}_function", function)

    setattr(Counting, f"make_{kind}_function", make)
    return Counting


RUNS = {
    "train": lambda m: (
        m.fit(
            X, Y, batch_size=4, epochs=2, verbose=0, shuffle=False, validation_data=(X, Y)
        ).history
    ),
    "test": lambda m: m.evaluate(X, Y, batch_size=4, verbose=0, return_dict=True),
    "predict": lambda m: {"": m.predict(X, batch_size=4, verbose=0)},
}
ON_BATCH = {
    "train": lambda m: m.train_on_batch(X, Y, return_dict=True),
    "test": lambda m: m.test_on_batch(X, Y, return_dict=True),
    "predict": lambda m: {"": m.predict_on_batch(X)},
}


def same(a, b):
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_allclose(a[name], b[name], rtol=1e-6)


@pytest.mark.parametrize("style", ["iterator", "state"])
@pytest.mark.parametrize("kind", RUNS)
def test_a_function_around_the_library_s(kind, style):
    model, plain = build(wrapping(kind, style)), build()
    same(RUNS[kind](model), RUNS[kind](plain))
    assert model.calls == (6 if kind == "train" else 3)
    same(ON_BATCH[kind](model), ON_BATCH[kind](plain))
    assert model.calls == (7 if kind == "train" else 4)
    same(RUNS[kind](model), RUNS[kind](plain))


@pytest.mark.parametrize("data", ["arrays", "batches"])
def test_a_function_of_one_s_own(data):
    """It calls the model's step itself, takes batches as on PyTorch, and its logs are those of
    fit."""

    class Own(tricorn.Model):
        def make_train_function(self, force=False):
            def one_step_on_data(data):
                x, y = data[0]
                seen.append(tuple(x.shape))
                return {**self.train_step((x, y)), "seen": float(len(seen))}

            self.train_function = one_step_on_data
            return one_step_on_data

    seen = []
    model, plain = build(Own), build()
    options = {"x": X, "y": Y, "batch_size": 4, "shuffle": False}
    if data == "batches":
        batches = [(X[start : start + 4], Y[start : start + 4]) for start in (0, 4, 8)]
        options = {"x": iter(2 * batches), "steps_per_epoch": 3}
    logs = model.fit(**options, epochs=2, verbose=0).history
    want = plain.fit(X, Y, batch_size=4, epochs=2, verbose=0, shuffle=False).history
    assert logs.pop("seen") == [3.0, 6.0]
    assert seen == [(4, 3)] * 6
    same(logs, want)
    np.testing.assert_allclose(model.get_weights()[0], plain.get_weights()[0], rtol=1e-6)


def test_a_function_that_takes_several_batches():
    class Two(tricorn.Model):
        def make_test_function(self, force=False):
            def function(batches):
                for _, batch in zip(range(2), batches):
                    logs = self.test_step(batch)
                return logs

            return function

    model, plain = build(Two), build()
    model.steps_per_execution = 2
    same(RUNS["test"](model), RUNS["test"](plain))


def test_called_by_hand():
    """As a loop of one's own does; `compile` and `force` make them anew."""
    model, plain = build(), build()
    function = model.make_train_function()
    assert model.make_train_function() is function is model.train_function
    model.reset_metrics()
    batches = iter([(X[:4], Y[:4]), (X[4:8], Y[4:8]), (X[8:], Y[8:])])
    for _ in range(3):
        logs = function(batches)
    with pytest.raises(StopIteration):
        function(batches)
    want = plain.fit(X, Y, batch_size=4, verbose=0, shuffle=False).history
    same({name: [float(value)] for name, value in logs.items()}, want)
    outputs = model.make_predict_function()([X])
    np.testing.assert_allclose(
        tricorn.ops.convert_to_numpy(outputs), plain.predict(X, verbose=0), rtol=1e-6
    )
    assert model.make_train_function(force=True) is not function
    copy.deepcopy(model).fit(X, Y, verbose=0)  # the library's own functions hinder nothing
    model.compile("sgd", "mse")
    assert model.train_function is model.test_function is model.predict_function is None


def test_a_function_set_on_the_model():
    model = build()
    model.train_function = lambda batches: {"loss": float(len(next(batches)[0]))}
    assert model.fit(X, Y, batch_size=6, verbose=0).history == {"loss": [6.0]}
