"""Threads that read and change the same Variables: whoever reads gets what a whole step left."""

import contextlib
import sys
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import tricorn as keras
from tests.oracle import array
from tricorn import layers, ops
from tricorn.engines import registry
from tricorn.graph import turns
from tricorn.graph.turns import Use

X = np.ones((8, 3), "float32")


class Count(keras.layers.Layer):
    """Weights that all hold how many steps were made; the outputs are those numbers."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.parts = [
            self.add_weight((40,), "zeros", name=f"part_{i}", trainable=i % 2 == 0)
            for i in range(12)
        ]

    def call(self, x):
        whole = ops.concatenate([part.value for part in self.parts])
        return ops.expand_dims(whole, 0) * ops.ones_like(x[:, :1])


class Counting(keras.Model):
    """Training adds 1 to every weight."""

    def __init__(self):
        super().__init__()
        self.count = Count()

    def call(self, x):
        return self.count(x)

    def train_step(self, data):
        for part in self.count.parts:
            part.assign(part + 1.0)
        return {"loss": ops.sum(self.count.parts[0].value)}


def counting():
    """One that was called and trained before."""
    model = Counting()
    model(X)
    model.compile("sgd", "mse")
    model.fit(X, verbose=0)
    return model


@contextlib.contextmanager
def in_threads(*works):
    """Runs each function over and over in a thread of its own while the block runs; raises what
    went wrong in one of them.

    Threads change every 0.1 ms: races are likelier, and PyTorch, which gives up the interpreter at
    every op, need not wait 5 ms for it each time.
    """
    over, errors, interval = threading.Event(), [], sys.getswitchinterval()

    def run(work):
        try:
            while not over.is_set():
                work()
        except BaseException:
            errors.append(traceback.format_exc())

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    sys.setswitchinterval(1e-4)
    for thread in threads:
        thread.start()
    try:
        yield errors
    finally:
        over.set()
        for thread in threads:
            thread.join(120)
        sys.setswitchinterval(interval)
        assert not [thread for thread in threads if thread.is_alive()], "a thread waits for ever"
    assert not errors, errors[0]


def fit_for(model, seconds, x=None, y=None):
    """`fit` until the time is over, at least once."""
    end = time.monotonic() + seconds
    x = np.ones((500, 3), "float32") if x is None else x
    while True:
        model.fit(x, y, batch_size=1, verbose=0)
        if time.monotonic() > end:
            return


@pytest.mark.parametrize("how", ["predict", "call"])
def test_predictions_while_fit_runs_are_of_whole_steps(how):
    model = counting()
    model.predict(X, verbose=0)
    seen = set()

    def predict():
        found = model.predict(X, verbose=0) if how == "predict" else array(model(X))
        assert found.min() == found.max(), (found.min(), found.max())
        seen.add(float(found.min()))

    with in_threads(predict, predict):
        fit_for(model, 1.5)
    assert len(seen) > 3


READS = {
    "numpy": lambda model: [part.numpy() for part in model.count.parts],
    "value": lambda model: [np.asarray(ops.convert_to_numpy(p.value)) for p in model.count.parts],
    "eager call": lambda model: [np.asarray(ops.convert_to_numpy(model(X)))],
    "get_weights": lambda model: model.get_weights(),
    "evaluate": lambda model: model.evaluate(X, np.zeros((8, 480), "f4"), verbose=0),
    "function": lambda model: keras.function(model)(X),
    "native": lambda model: [part.native() for part in model.count.parts],
}


def test_updates_of_a_loop_of_ones_own_are_whole():
    model, seen = counting(), set()
    optimizer = keras.optimizers.SGD(-1.0)
    variables = model.trainable_variables
    one = [np.ones(v.shape, "float32") for v in variables]

    def read():
        weights = zip(model.weights, model.get_weights())
        found = np.concatenate([value for weight, value in weights if weight.trainable])
        assert found.min() == found.max(), (found.min(), found.max())
        seen.add(float(found[0]))

    def update():
        optimizer.apply(one, variables)

    with in_threads(read, update, update):
        time.sleep(1.0)
    assert len(seen) > 3


def test_calls_that_change_what_they_read_do_not_wait_for_each_other():
    model = keras.Sequential([keras.Input((3,)), layers.BatchNormalization()])
    calls = []

    def train():
        model(X, training=True)
        calls.append(1)

    with in_threads(train, train, train):
        time.sleep(0.5)
    assert len(calls) > 10


@pytest.mark.parametrize("read", READS)
def test_reads_while_fit_runs_never_fail(read):
    model = counting()
    READS[read](model)
    with in_threads(lambda: READS[read](model)):
        fit_for(model, 0.4)


def test_a_value_is_taken_while_nobody_changes_it(monkeypatch):
    """PyTorch frees the memory of a tensor that is given another, in the middle of a read too."""
    variable = keras.Variable(np.ones(3, "float32"), trainable=False)
    variable.value  # noqa: B018  the engine has it
    engine, changed = registry.active(), []
    read = engine.read

    def slowly(handle):
        thread = threading.Thread(target=variable.assign, args=(np.zeros(3, "float32"),))
        thread.start()
        changed.append(thread)
        thread.join(0.2)
        assert thread.is_alive(), "it was changed while it was read"
        return read(handle)

    monkeypatch.setattr(engine, "read", slowly)
    for other in (contextlib.nullcontext, lambda: Use((variable,))):
        with in_another_thread(other):
            assert array(variable.value).shape == (3,)
        changed.pop().join(20)
    assert variable.numpy().tolist() == [0, 0, 0]


@contextlib.contextmanager
def in_another_thread(enter):
    """The block runs while another thread is in a context of its own."""
    entered, over = threading.Event(), threading.Event()

    def run():
        with enter():
            entered.set()
            over.wait(20)

    thread = threading.Thread(target=run)
    thread.start()
    assert entered.wait(20)
    try:
        yield
    finally:
        over.set()
        thread.join(20)


def test_assignments_while_fit_runs_last():
    """Each Variable holds what was assigned and what the steps after it added."""
    model = counting()

    def assign():
        for part in model.count.parts:
            part.assign(np.full(40, 1e6, "float32"))

    with in_threads(assign):
        fit_for(model, 0.4)
    assign()
    for part in model.count.parts:
        np.testing.assert_array_equal(part.numpy(), np.full(40, 1e6))


WHOLE = {
    "get_weights": lambda model, path: model.get_weights(),
    "weights file": lambda model, path: weights_of(model, path / "model.weights.h5"),
    "old file": lambda model, path: weights_of(model, path / "model.h5"),
    "checkpoint": lambda model, path: checkpoint_of(model, path),
}


def weights_of(model, path):
    model.save_weights(path)
    back = Counting()
    back(X)
    back.load_weights(path)
    return back.get_weights()


def checkpoint_of(model, path):
    path = keras.Checkpoint(model=model).save(path / "model")
    back = Counting()
    keras.Checkpoint(model=back).restore(path)
    return back.get_weights()


@pytest.mark.parametrize("read", WHOLE)
def test_what_is_read_together_belongs_together(read, tmp_path):
    model = counting()

    def check():
        found = WHOLE[read](model, tmp_path)
        assert {float(part.min()) for part in found} == {float(found[0].max())}

    check()
    with in_threads(check):
        fit_for(model, 0.4)


def test_weights_are_set_together():
    model = counting()
    ones = [np.ones(40, "float32")] * 12

    def check():
        found = model.predict(X, verbose=0)
        assert found.min() == found.max()

    with in_threads(check):
        for n in range(300):
            model.set_weights([n * part for part in ones])


def test_many_threads_predict_at_once():
    keras.set_random_seed(0)
    inputs = keras.Input((3,))
    x = layers.BatchNormalization()(layers.Dense(4, activation="relu")(inputs))
    model = keras.Model(inputs, layers.Dense(2)(x))
    expected = model.predict(X, verbose=0)
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda _: model.predict(X, verbose=0), range(60)))
    for each in found:
        np.testing.assert_array_equal(each, expected)


class Unbuilt(keras.Model):
    def __init__(self):
        super().__init__()
        self.first, self.second = layers.Dense(4), layers.Dense(2)

    def call(self, x):
        return self.second(self.first(x))


FIRST = {
    "predict": lambda model: model.predict(X, verbose=0),
    "call": lambda model: np.asarray(ops.convert_to_numpy(model(X))),
    "function": lambda model: np.asarray(ops.convert_to_numpy(keras.function(model)(X))),
}


@pytest.mark.parametrize("how", FIRST)
def test_first_calls_at_once_make_the_weights_once(how):
    """Of an unbuilt model, by threads that begin together."""
    count, tries = 4, 12
    for _ in range(tries):
        model, together = Unbuilt(), threading.Barrier(count)

        def call(_, model=model, together=together):
            together.wait(60)
            return FIRST[how](model)

        with ThreadPoolExecutor(count) as pool:
            found = list(pool.map(call, range(count)))
        assert len(model.weights) == 4
        for each in found[1:]:
            np.testing.assert_array_equal(each, found[0])


class Slow(layers.Layer):
    """Says that it is built before it has its weight, as ``super().build`` does."""

    def build(self, input_shape):
        super().build(input_shape)
        time.sleep(0.02)
        self.scale = self.add_weight((), "ones")

    def call(self, x):
        return x * self.scale


def test_a_layer_that_is_being_built_is_waited_for():
    layer, together = Slow(), threading.Barrier(3)

    def call(_):
        together.wait(60)
        return np.asarray(ops.convert_to_numpy(layer(X)))

    with ThreadPoolExecutor(3) as pool:
        for found in pool.map(call, range(3)):
            np.testing.assert_array_equal(found, X)
    assert len(layer.weights) == 1


def test_two_threads_train_one_model():
    """One step after the other, in whatever order."""
    model = counting()

    def train(_):
        for _ in range(5):
            model.fit(np.ones((20, 3), "float32"), batch_size=1, verbose=0, shuffle=False)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(train, range(2)))
    for part in model.count.parts:
        np.testing.assert_array_equal(part.numpy(), np.full(40, 201.0))


def test_draws_of_two_threads_differ():
    generator = keras.random.SeedGenerator(3)

    def draw(_):
        return [
            float(ops.convert_to_numpy(keras.random.uniform((), seed=generator))) for _ in range(30)
        ]

    with ThreadPoolExecutor(3) as pool:
        found = [x for each in pool.map(draw, range(3)) for x in each]
    assert len(set(found)) == len(found)
    assert int(generator.state.numpy()[1]) == len(found)


# -------------------------------------------------------------------------------------- the turns


class Log:
    """Threads that use things one after the other, as they are told."""

    def __init__(self):
        self.entries, self.threads = [], []

    def start(self, name, use, go_on):
        def run():
            with use():
                self.entries.append(name)
                assert go_on.wait(30)

        thread = threading.Thread(target=run)
        self.threads.append(thread)
        thread.start()

    def until(self, condition):
        end = time.monotonic() + 30
        while not condition() and time.monotonic() < end:
            time.sleep(0.001)
        assert condition()

    def join(self):
        for thread in self.threads:
            thread.join(30)


@pytest.mark.engine_free
def test_turns_are_taken_in_the_order_of_asking():
    """Who changes is alone, readers share, and nobody is overtaken by who asked later."""
    log, first, rest = Log(), threading.Event(), threading.Event()
    rest.set()
    log.start("write a", lambda: Use("a", "a"), first)
    log.until(lambda: log.entries == ["write a"])
    log.start("read a", lambda: Use("a"), rest)
    log.until(lambda: len(turns._waiting) == 1)
    log.start("write a again", lambda: Use("ab", "a"), rest)
    log.until(lambda: len(turns._waiting) == 2)
    log.start("write c", lambda: Use("c", "c"), rest)  # in nobody's way
    log.until(lambda: log.entries == ["write a", "write c"])
    first.set()
    log.join()
    assert log.entries == ["write a", "write c", "read a", "write a again"]
    assert not turns._running and not turns._waiting


@pytest.mark.engine_free
def test_a_thread_does_not_wait_for_itself():
    with Use("a", "a"), Use("a", "a"), Use("a"):
        assert turns.alone()


@pytest.mark.engine_free
def test_who_has_begun_goes_before_those_that_wait_for_it():
    log, go_on = Log(), threading.Event()
    go_on.set()
    with Use("a", "a"):
        log.start("other", lambda: Use("ab", "ab"), go_on)
        log.until(lambda: len(turns._waiting) == 1)
        with Use("b", "b"):
            log.entries.append("inside")
    log.join()
    assert log.entries == ["inside", "other"]


@pytest.mark.engine_free
def test_errors_end_a_turn():
    with pytest.raises(KeyError), Use("a", "a"):
        raise KeyError
    assert not turns._running
