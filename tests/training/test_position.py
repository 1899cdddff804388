"""Where a training stands: the order of each epoch, and that no batch of a stream is lost."""

import itertools
import signal

import numpy as np
import pytest

import tricorn as keras
from tricorn import layers, random, seeds
from tricorn.training import adapters, loop

pytestmark = pytest.mark.heavy

N = 12
ROWS = np.arange(N, dtype="float32").reshape(N, 1)


class Reading(keras.Model):
    """Its steps give the first row of their batch as a metric."""

    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(1)

    def call(self, x):
        return self.dense(x)

    def train_step(self, data):
        x = data[0] if isinstance(data, tuple) else data
        return {"row": x[0, 0]}


class Watch(keras.callbacks.Callback):
    """The rows that each epoch was trained on, one by one."""

    def __init__(self):
        super().__init__()
        self.epochs = {}

    def on_epoch_begin(self, epoch, logs=None):
        self.now = self.epochs[epoch] = []

    def on_train_batch_end(self, batch, logs=None):
        self.now.append(int(logs["row"]))


def reading():
    model = Reading()
    model.compile("sgd")
    return model


def rows_of(model, x=ROWS, **options):
    watch = Watch()
    callbacks = [watch, *options.pop("callbacks", ())]
    if isinstance(x, np.ndarray):
        options = {"batch_size": 1, **options}
    model.fit(x, verbose=0, callbacks=callbacks, **options)
    return watch.epochs


# ---------------------------------------------------------------------------- the order of an epoch


def test_orders_follow_from_seed_fit_and_epoch(engine):
    """By a formula of NumPy alone, so they are the same on every engine and stay what they are."""
    keras.set_random_seed(7)
    found = rows_of(reading(), epochs=2)
    assert found == {
        0: ORDERS[1, 0],
        1: ORDERS[1, 1],
    }
    assert rows_of(reading())[0] == ORDERS[2, 0]
    keras.set_random_seed(8)
    assert rows_of(reading())[0] != ORDERS[1, 0]


ORDERS = {
    (fit, epoch): np.random.Generator(
        np.random.Philox(key=np.array([7, 0], np.uint64), counter=[0, 0, epoch, fit])
    )
    .permutation(N)
    .tolist()
    for fit, epoch in ((1, 0), (1, 1), (2, 0))
}


BETWEEN = {
    "a layer": lambda model: layers.Dense(3).build((None, 2)),
    "an initializer": lambda model: keras.initializers.RandomNormal()((3,)),
    "a generator": lambda model: random.SeedGenerator(),
    "a draw": lambda model: random.normal((2,)),
    "evaluate": lambda model: model.evaluate(ROWS, ROWS, verbose=0),
    "predict": lambda model: model.predict(ROWS, verbose=0),
    "a batch": lambda model: model.train_on_batch(ROWS, ROWS),
    "clear_session": lambda model: keras.utils.clear_session(),
}


@pytest.mark.parametrize("what", BETWEEN)
def test_what_is_made_between_two_fits_changes_nothing(what):
    model = reading()
    model.compile("sgd", "mse")
    keras.set_random_seed(7)
    assert rows_of(model)[0] == ORDERS[1, 0]
    BETWEEN[what](model)
    assert rows_of(model)[0] == ORDERS[2, 0]


@pytest.mark.parametrize("what", BETWEEN)
def test_what_is_made_between_two_epochs_changes_nothing(what):
    if what == "a batch":
        pytest.skip("it begins the metrics anew")
    model = reading()
    model.compile("sgd", "mse")
    keras.set_random_seed(7)
    make = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: BETWEEN[what](model))
    assert rows_of(model, epochs=2, callbacks=[make])[1] == ORDERS[1, 1]


def test_a_training_that_goes_on_has_the_same_orders():
    keras.set_random_seed(7)
    whole = rows_of(reading(), epochs=4)
    keras.set_random_seed(7)
    part = rows_of(reading(), initial_epoch=2, epochs=4)
    assert part == {epoch: whole[epoch] for epoch in (2, 3)}


def test_a_run_can_begin_at_any_step():
    """The chunks from a position on hold what is left of that epoch."""
    for size, begin in itertools.product((1, 5), range(3)):
        feed = adapters.ArrayFeed(ROWS, batch_size=size, shuffle=True)
        position = loop.Position(7, 1, 1, begin)
        steps = []

        def compiled(start, stop, arrays, order, rows, steps=steps):
            for number in range(start, stop):
                part = slice(number * rows, (number + 1) * rows)
                if order is not None:
                    arrays = keras.tree.map(lambda a, o=order: np.asarray(a)[o], arrays)
                steps.append(np.asarray(arrays[0])[part, 0].astype(int).tolist())

        _, done = loop.run(
            compiled, feed, feed.epoch(position), loop.Pace(3), lambda step: None,
            lambda step, logs: None, lambda: False, lambda: None, position,
        )  # fmt: skip
        assert [row for rows in steps for row in rows] == ORDERS[1, 1][begin * size :]
        assert done == position.step == -(-N // size)


def test_callbacks_find_the_position():
    seen = []

    class See(keras.callbacks.Callback):
        def note(self):
            at = self.params["position"]
            seen.append((at.seed, at.fit, at.epoch, at.step))

        def on_epoch_begin(self, epoch, logs=None):
            self.note()

        def on_train_batch_end(self, batch, logs=None):
            self.note()

    keras.set_random_seed(7)
    model = reading()
    model.fit(ROWS, verbose=0)
    model.fit(ROWS, batch_size=6, epochs=3, initial_epoch=1, verbose=0, callbacks=[See()])
    assert seen == [(7, 2, epoch, step) for epoch in (1, 2) for step in (0, 1, 2)]


# ------------------------------------------------------------------------------------ the streams


class Iterates:
    """An iterator that is no generator."""

    def __init__(self, rows):
        self.rows = iter(rows)

    def __iter__(self):
        return self

    def __next__(self):
        return next(self.rows)


def batches():
    return (np.full((2, 1), i, "float32") for i in itertools.count())


SOURCES = {
    "generator": lambda: batches(),
    "iterator": lambda: Iterates(batches()),
    "map": lambda: map(np.copy, batches()),
    "zip": lambda: zip(batches(), batches()),
}


class Stop(keras.callbacks.Callback):
    """Ends the run at a batch, in one way or another."""

    def __init__(self, batch, how):
        super().__init__()
        self.batch, self.how = batch, how

    def on_train_batch_end(self, batch, logs=None):
        if batch == self.batch:
            if self.how == "stop_training":
                self.model.stop_training = True
            elif self.how == "error":
                raise KeyError("enough")
            elif self.how == "interrupt":
                signal.raise_signal(signal.SIGINT)


class Passive(Stop):
    """Does not need batches one by one."""

    passive = True


@pytest.mark.parametrize("steps", [1, 4, "auto"])
@pytest.mark.parametrize("how", ["stop_training", "error", "interrupt", "steps_per_epoch"])
@pytest.mark.parametrize("source", SOURCES)
def test_the_next_fit_goes_on_where_this_one_ended(source, how, steps):
    model, stream = Reading(), SOURCES[source]()
    model.compile("sgd", steps_per_execution=steps)
    done = []

    class Count(keras.callbacks.Callback):
        passive = True

        def on_train_batch_end(self, batch, logs=None):
            done[:] = [batch + 1]

    for _ in range(2):  # the second time what was kept comes first
        before = sum(total for total in done)
        length = 5 if how == "steps_per_epoch" else 10_000
        stop = [] if how == "steps_per_epoch" else [Passive(7, how)]
        if steps != 1 and stop:
            stop[0].batch = 11  # the end of a dispatch
            stop[0].on_train_batch_end = _at_least(stop[0])
        try:
            model.fit(stream, steps_per_epoch=length, verbose=0, callbacks=[Count(), *stop])
        except (KeyError, KeyboardInterrupt):
            pass
        else:
            assert how in ("stop_training", "steps_per_epoch")
        first = rows_of(model, stream, steps_per_epoch=1)[0][0]
        assert first == before + done[0]
        done[:] = [first + 1]


def _at_least(stop):
    """Ends at the first dispatch that ends at this batch or later."""
    inner, limit, ended = type(stop).on_train_batch_end, stop.batch, []

    def hook(batch, logs=None):
        if batch >= limit and not ended:
            ended.append(batch)
            stop.batch = batch
            inner(stop, batch, logs)

    return hook


def test_what_was_seen_for_the_shapes_is_not_lost():
    """Also when the run never begins."""

    class Refuse(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            raise KeyError

    stream, model = batches(), reading()
    with pytest.raises(KeyError):
        model.fit(stream, steps_per_epoch=3, verbose=0, callbacks=[Refuse()])
    assert rows_of(model, stream, steps_per_epoch=3)[0] == [0, 1, 2]


def test_evaluate_and_predict_keep_what_they_did_not_run():
    stream, model = batches(), reading()
    model.compile("sgd", "mse")
    pairs = ((x, x) for x in stream)
    stop = keras.callbacks.LambdaCallback(
        on_test_batch_end=lambda batch, logs: setattr(model, "stop_evaluating", batch == 2)
    )
    model.evaluate(pairs, steps=50, verbose=0, callbacks=[stop])
    assert next(pairs)[0][0, 0] == 3 or rows_of(model, pairs, steps_per_epoch=1)[0] == [3]
    stop = keras.callbacks.LambdaCallback(
        on_predict_batch_end=lambda batch, logs: setattr(model, "stop_predicting", batch == 1)
    )
    stream = batches()
    assert len(model.predict(stream, steps=50, verbose=0, callbacks=[stop])) == 4
    assert rows_of(model, stream, steps_per_epoch=1)[0] == [2]


class Loader:
    def __len__(self):
        return 6

    def __getitem__(self, index):
        return np.full((2, 1), index, "float32")


def test_a_source_that_is_begun_anew_is_begun_anew():
    model = reading()
    rows = Loader()
    rows_of(model, rows, callbacks=[Stop(2, "stop_training")])
    assert rows_of(model, rows, epochs=2) == {0: [0, 1, 2, 3, 4, 5], 1: [0, 1, 2, 3, 4, 5]}


@pytest.mark.parametrize("steps", [1, 4, "auto"])
def test_no_more_is_read_ahead_than_the_next_dispatch(steps):
    read, dispatches, sizes = [0], [0], []

    def source():
        for batch in batches():
            read[0] += 1
            yield batch

    class Bound(keras.callbacks.Callback):
        passive = True

        def on_train_batch_begin(self, batch, logs=None):
            dispatches.append(batch)

        def on_train_batch_end(self, batch, logs=None):
            sizes.append(batch + 1 - dispatches[-1])
            # what is read is the next dispatch, which grows at most so fast
            assert read[0] - (batch + 1) <= (steps if steps != "auto" else 8 * max(sizes))

    model = Reading()
    model.compile("sgd", steps_per_execution=steps)
    model.fit(source(), steps_per_epoch=300, verbose=0, callbacks=[Bound()])
    assert read[0] == 300


def test_batches_of_changing_shapes_come_in_order():
    """Chunks have room for more than they hold, and are used again."""
    shapes = [2, 2, 2, 3, 2, 3, 3, 3, 1, *[2] * 40, 5, *[2] * 9]
    data = [np.full((n, 1), i, "float32") for i, n in enumerate(shapes)]
    for steps in (1, 3, 8, "auto"):
        model, total = Reading(), []

        class Sum(keras.callbacks.Callback):
            passive = True

            def on_train_batch_end(self, batch, logs=None, total=total):
                total.append((batch, int(logs["row"])))

            def wants(self, batch):
                return True

        model.compile("sgd", steps_per_execution=steps)
        model.fit(iter(data), verbose=0, epochs=1, callbacks=[Sum()])
        assert all(batch == row for batch, row in total) and total[-1][0] == len(data) - 1


def test_the_fits_are_counted_since_the_seed():
    keras.set_random_seed(5)
    assert [seeds.begin_fit() for _ in range(2)] == [(5, 1), (5, 2)]
    keras.set_random_seed(5)
    assert seeds.begin_fit() == (5, 1)
