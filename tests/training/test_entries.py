"""What goes into `fit`, `evaluate` and `predict`, and when callbacks are called, beside Keras."""

import warnings

import keras
import numpy as np
import pytest

import tricorn
from tests.oracle import cached, close

X = np.arange(20, dtype="float32").reshape(10, 2) / 10
Y = X.sum(-1, keepdims=True)


def linear(lib, **compiled):
    model = lib.Sequential([lib.Input((2,)), lib.layers.Dense(1, kernel_initializer="ones")])
    model.compile(lib.optimizers.SGD(0.05), "mse", **compiled)
    return model


# ------------------------------------------------------------------------------ steps of an epoch

STEPS = {
    "divides": {"batch_size": 2, "steps_per_epoch": 5, "epochs": 2},
    "goes on": {"batch_size": 1, "steps_per_epoch": 5, "epochs": 3},
    "data end in an epoch": {"batch_size": 2, "steps_per_epoch": 2, "epochs": 4},
    "more than there are": {"batch_size": 4, "steps_per_epoch": 7, "epochs": 2},
    "no batch size": {"steps_per_epoch": 3, "epochs": 2},
    "begun later": {"batch_size": 2, "steps_per_epoch": 3, "initial_epoch": 1, "epochs": 3},
    "held out": {"batch_size": 2, "steps_per_epoch": 2, "epochs": 3, "validation_split": 0.2},
    "validation": {"batch_size": 2, "epochs": 2, "validation_data": (X[::-1], Y)},
}


def rows_of_epochs(lib, settings, source):
    """The first entries of the rows that each step saw, and the history's names."""
    seen = []

    class Sees(lib.Model):
        def __init__(self):
            super().__init__()
            self.dense = lib.layers.Dense(1, kernel_initializer="ones")

        def call(self, x):
            return self.dense(x)

        def train_step(self, *given):
            x = lib.ops.convert_to_numpy(given[-1][0])
            seen.append(x[:, 0].tolist())
            logs = {"seen": float(len(x))}
            return (logs, given[0]) if len(given) > 1 else logs

    model = Sees()
    model.compile("sgd", "mse", run_eagerly=True)
    model(X)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        history = model.fit(**source, shuffle=False, verbose=0, **settings).history
    return seen, {name: len(values) for name, values in history.items()}


@cached
def rows_of_keras(name):
    return rows_of_epochs(keras, STEPS[name], {"x": X, "y": Y})


@pytest.mark.parametrize("name", STEPS)
def test_the_rows_of_each_step(name):
    ours, theirs = rows_of_epochs(tricorn, STEPS[name], {"x": X, "y": Y}), rows_of_keras(name)
    assert ours == theirs


def test_an_epoch_that_the_data_end_is_warned_of():
    with pytest.warns(UserWarning, match="the data ended after 1 of the 2 steps"):
        linear(tricorn).fit(X, Y, 2, 3, steps_per_epoch=2, verbose=0)


def test_every_sample_is_seen_once_in_an_order_of_chance():
    x = np.arange(12, dtype="float32")[:, None]
    seen = []

    class Model(tricorn.Sequential):
        def train_step(self, data):
            seen.extend(tricorn.ops.convert_to_numpy(data[0])[:, 0].tolist())
            return {"loss": 0.0}

    model = Model([tricorn.Input((1,)), tricorn.layers.Dense(1)])
    model.compile("sgd", "mse", run_eagerly=True)
    model.fit(x, x, batch_size=2, steps_per_epoch=2, epochs=6, verbose=0)
    first, second = seen[:12], seen[12:]
    assert sorted(first) == sorted(second) == list(range(12))
    assert first != list(range(12)) and first != second


def test_validation_steps_begin_anew_each_time():
    x = np.arange(8, dtype="float32").reshape(4, 2)
    y = np.zeros((4, 1), "float32")
    for data in ((x, y), Numbered()):
        model = linear(tricorn)
        model.optimizer.learning_rate = 0.0
        history = model.fit(
            X, Y, 5, 3, validation_data=data, validation_steps=1, validation_batch_size=2,
            verbose=0,
        ).history  # fmt: skip
        assert len(set(history["val_loss"])) == 1
        first = (x[:2], y[:2]) if type(data) is tuple else Numbered()[0]
        close(history["val_loss"][0], model.evaluate(*first, verbose=0))


# ---------------------------------------------------------------------------- sources of batches


class Unknown:
    """A source that is begun anew, and cannot tell its length, as data sets of frameworks."""

    def __init__(self, error=TypeError, endless=False):
        self.error, self.endless = error, endless

    def __len__(self):
        raise self.error("the length is unknown")

    def __iter__(self):
        while True:
            for start in range(0, 10, 2):
                yield X[start : start + 2], Y[start : start + 2]
            if not self.endless:
                return


class Numbered:
    """A source whose batches have numbers."""

    def __len__(self):
        return 5

    def __getitem__(self, number):
        if number >= 5:
            raise IndexError(number)
        return X[2 * number : 2 * number + 2], Y[2 * number : 2 * number + 2]


SOURCES = {
    "unknown": (Unknown(), {}),
    "not implemented": (Unknown(NotImplementedError), {}),
    "unknown, some steps": (Unknown(), {"steps_per_epoch": 2}),
    "unknown, steps that divide": (Unknown(), {"steps_per_epoch": 5}),
    "endless": (Unknown(endless=True), {"steps_per_epoch": 3}),
    "known, steps that divide": (Numbered(), {"steps_per_epoch": 5}),
    "known, some steps": (Numbered(), {"steps_per_epoch": 2}),
}


@pytest.mark.parametrize("name", SOURCES)
def test_sources_of_any_length(name):
    source, steps = SOURCES[name]
    seen, _ = rows_of_epochs(tricorn, {**steps, "epochs": 2}, {"x": source})
    count = steps.get("steps_per_epoch", 5)
    rows = [X[start : start + 2, 0].tolist() for start in range(0, 10, 2)]
    expected = (rows * 4)[: 2 * count]
    assert seen == expected


def test_sources_without_a_length_everywhere():
    model, endless = linear(tricorn), Unknown(endless=True)
    history = model.fit(Unknown(), validation_data=Unknown(), epochs=2, verbose=0).history
    assert len(history["val_loss"]) == 2
    close(model.evaluate(Unknown(), verbose=0), model.evaluate(X, Y, batch_size=2, verbose=0))
    close(model.evaluate(endless, steps=5, verbose=0), model.evaluate(Unknown(), verbose=0))
    close(model.predict(Unknown(), verbose=0), model.predict(X, verbose=0))
    close(model.predict(endless, steps=5, verbose=0), model.predict(X, verbose=0))


@pytest.mark.parametrize("kind", ["generator", "filter", "repeat"])
def test_tf_data(kind):
    tf = pytest.importorskip("tensorflow")
    data = tf.data.Dataset.from_tensor_slices((X, Y)).batch(2)
    steps = {"steps_per_epoch": 5} if kind == "repeat" else {}
    if kind == "generator":
        spec = tuple(tf.TensorSpec((None, n), tf.float32) for n in (2, 1))
        data = tf.data.Dataset.from_generator(lambda: iter(Unknown()), output_signature=spec)
    elif kind == "filter":
        data = data.filter(lambda x, y: True)
    else:
        data = data.repeat()
    model, plain = linear(tricorn), linear(tricorn)
    got = model.fit(data, epochs=2, verbose=0, **steps).history["loss"]
    close(got, plain.fit(X, Y, 2, 2, shuffle=False, verbose=0).history["loss"], 1e-4)


def test_iterable_data_sets_of_torch():
    data = pytest.importorskip("torch.utils.data")

    class Rows(data.IterableDataset):
        def __iter__(self):
            return iter(zip(X, Y))

    model, plain = linear(tricorn), linear(tricorn)
    got = model.fit(data.DataLoader(Rows(), batch_size=2), epochs=2, verbose=0).history["loss"]
    close(got, plain.fit(X, Y, 2, 2, shuffle=False, verbose=0).history["loss"], 1e-4)


# --------------------------------------------------------------------------------- class weights

CLASSES = np.array([0, 1, 2, 1])
CLASS_WEIGHTS = [{1: 2.0}, {0: 3.0, 5: 1.0}, {}, {1: 0.0}, {0: 1.0, 1: 2.0, 2: 4.0}]


@pytest.mark.parametrize("form", ["indices", "column", "one hot"])
@pytest.mark.parametrize("weights", CLASS_WEIGHTS, ids=str)
def test_class_weights(weights, form):
    y = {"indices": CLASSES, "column": CLASSES[:, None], "one hot": np.eye(3)[CLASSES]}[form]
    loss = "categorical_crossentropy" if form == "one hot" else "sparse_categorical_crossentropy"
    found = []
    for lib in (tricorn, keras):
        dense = lib.layers.Dense(3, activation="softmax", kernel_initializer="ones")
        model = lib.Sequential([lib.Input((2,)), dense])
        model.compile(lib.optimizers.SGD(0.0), loss, weighted_metrics=["accuracy"],
                      run_eagerly=True)  # fmt: skip
        x = np.arange(8, dtype="float32").reshape(4, 2)
        found.append(model.train_on_batch(x, y, class_weight=weights, return_dict=True))
        found[-1].update(
            {f"fit_{k}": v[0] for k, v in model.fit(x, y, class_weight=weights,
                                                    verbose=0).history.items()}
        )  # fmt: skip
    assert found[0].keys() == found[1].keys()
    for name, value in found[1].items():
        close(found[0][name], value)


# ---------------------------------------------------------------------------------- executions


def calls_of(lib, steps, size):
    found = []

    class Notes(lib.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            found.append(("begin", batch))

        def on_train_batch_end(self, batch, logs=None):
            found.append(("end", batch, sorted(logs)))

        def on_test_batch_end(self, batch, logs=None):
            found.append(("test", batch))

        def on_predict_batch_end(self, batch, logs=None):
            shape = np.concatenate([np.asarray(part) for part in logs["outputs"]]).size
            found.append(("predict", batch, shape))

    model = linear(lib, steps_per_execution=steps)
    data, targets = np.tile(X, (2, 1)), np.tile(Y, (2, 1))
    notes = {"callbacks": [Notes()], "verbose": 0, "batch_size": size}
    losses = model.fit(data, targets, epochs=2, shuffle=False, **notes).history["loss"]
    losses.append(model.evaluate(data, targets, **notes))
    model.predict(data, **notes)
    return found, losses


@cached
def calls_of_keras(steps, size):
    return calls_of(keras, steps, size)


@pytest.mark.parametrize(("steps", "size"), [(1, 5), (2, 5), (4, 5), (5, 2)])
def test_batch_callbacks_are_called_once_per_execution(steps, size):
    ours, losses = calls_of(tricorn, steps, size)
    theirs, expected = calls_of_keras(steps, size)
    assert ours == theirs
    close(losses, expected, 1e-4)


def test_the_last_execution_ends_with_the_last_batch():
    """Keras counts on to a full execution: 5 for batches 3 and 4 of five."""
    calls, _ = calls_of(tricorn, 3, 4)
    assert [call[1] for call in calls if call[0] == "end"][:2] == [2, 4]


# ------------------------------------------------------------------------------- loss scaling


def subclassed(lib, **settings):
    class Model(lib.Model):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.dense = lib.layers.Dense(1)

        def call(self, x):
            return self.dense(x)

    return Model(**settings)


def graph(lib, **settings):
    inputs = lib.Input((2,))
    return lib.Model(inputs, lib.layers.Dense(1)(inputs), **settings)


def stack(lib, **settings):
    return lib.Sequential([lib.Input((2,)), lib.layers.Dense(1)], **settings)


def unbuilt(lib, **settings):
    return lib.Sequential([lib.layers.Dense(1)], **settings)


KINDS = {"class": subclassed, "graph": graph, "stack": stack, "unbuilt stack": unbuilt}
POLICIES = ["mixed_float16", "mixed_bfloat16", "float16", "float32"]


@pytest.fixture
def policy(request):
    ours, theirs = tricorn.dtype_policies, keras.config
    ours.set_dtype_policy(request.param)
    theirs.set_dtype_policy(request.param)
    yield request.param
    ours.set_dtype_policy(None)
    theirs.set_dtype_policy("float32")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("policy", POLICIES, indirect=True)
def test_the_loss_is_scaled_as_keras_does(policy, kind):
    for given in ({}, {"auto_scale_loss": False}, {"scaled": True}):
        names = []
        for lib in (tricorn, keras):
            optimizer, arguments = lib.optimizers.SGD(), dict(given)
            if arguments.pop("scaled", False):
                optimizer = lib.optimizers.LossScaleOptimizer(optimizer)
            model = KINDS[kind](lib)
            model.compile(optimizer, "mse", **arguments)
            names.append(type(model.optimizer).__name__)
        assert names[0] == names[1]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("policy", ["mixed_float16"], indirect=True)
def test_a_model_in_mixed_float16_trains_and_is_compiled_again_from_its_config(policy, kind):
    model = KINDS[kind](tricorn)
    model.compile(tricorn.optimizers.SGD(0.01), "mse")
    losses = model.fit(X, Y, epochs=3, batch_size=5, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    again = KINDS[kind](tricorn)
    again.compile_from_config(model.get_compile_config())
    assert type(again.optimizer) is tricorn.optimizers.LossScaleOptimizer
    assert type(again.optimizer.inner_optimizer) is tricorn.optimizers.SGD
