"""One thin slice through the whole house on every kind of engine: tracing (JAX), eager (PyTorch),
eager TensorFlow, and TensorFlow in a plain ``tf.Graph`` through a session.

The code above the engines is the same; the losses, predictions and gradients must be, too.
"""

import contextlib
import importlib.util

import numpy as np
import pytest

import tricorn as keras
from tricorn import layers, ops
from tricorn.engines import registry

pytestmark = pytest.mark.engine_free  # it visits them itself

#: Largest difference to JAX relative to the largest value, in float32, after ten steps of training.
TOLERANCE = 1e-5
BATCH, STEPS, TIME, FEATURES, CLASSES = 8, 10, 5, 6, 3


def on_jax():
    return registry.use("jax")


def on_torch():
    return registry.use("torch")


def on_tensorflow():
    return registry.use("tensorflow")


@contextlib.contextmanager
def on_graph():
    import tensorflow as tf

    with registry.use("tensorflow"), tf.Graph().as_default():
        yield


PLACES = {"jax": on_jax, "torch": on_torch, "tensorflow": on_tensorflow, "graph": on_graph}
LIBRARY = {"graph": "tensorflow"}
OTHERS = [
    pytest.param(
        name,
        marks=pytest.mark.skipif(
            importlib.util.find_spec(LIBRARY.get(name, name)) is None, reason="not installed"
        ),
    )
    for name in PLACES
    if name != "jax"
]


class Penalty(layers.Layer):
    """Passes its input on, and adds a loss of it."""

    def __init__(self, factor=0.01, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, inputs):
        self.add_loss(self.factor * ops.mean(ops.square(inputs)))
        return inputs


def parts():
    return {
        "shared": layers.Dense(4, activation="tanh", name="shared"),
        "norm": layers.BatchNormalization(momentum=0.8, name="norm"),
        "drop": layers.Dropout(0.0, name="drop"),
        "lstm": layers.LSTM(5, stateful=True, name="lstm"),
        "penalty": Penalty(name="penalty"),
        "head": layers.Dense(CLASSES, activation="softmax", name="head"),
    }


def connect(made, a, b):
    """The slice: two inputs through one layer, normalised, over time, to classes."""
    x = ops.concatenate([made["shared"](a), made["shared"](b)], axis=-1)
    x = made["norm"](x)
    x = made["drop"](x)
    x = made["lstm"](x)
    return made["head"](made["penalty"](x))


def functional():
    a = keras.Input((TIME, FEATURES), batch_size=BATCH, name="a")
    b = keras.Input((TIME, FEATURES), batch_size=BATCH, name="b")
    return keras.Model([a, b], connect(parts(), a, b))


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.made = parts()

    def call(self, inputs):
        return connect(self.made, *inputs)


BUILDS = {"functional": functional, "subclassed": Subclassed}


def data():
    random = np.random.default_rng(1)
    a, b = random.normal(size=(2, BATCH * STEPS, TIME, FEATURES)).astype("float32")
    return [a, b], random.integers(0, CLASSES, BATCH * STEPS).astype("int32")


class Losses(keras.callbacks.Callback):
    """The loss and accuracy after each batch."""

    def on_train_begin(self, logs=None):
        self.seen = []

    def on_train_batch_end(self, batch, logs=None):
        self.seen.append([float(np.asarray(logs[key])) for key in ("loss", "accuracy")])


def train(build):
    """(losses and accuracies over ten steps, evaluation, predictions, weights) of a fresh model."""
    keras.set_random_seed(7)
    model = BUILDS[build]()
    model.compile(
        optimizer=keras.optimizers.Adam(0.01),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    x, y = data()
    losses = Losses()
    model.fit(x, y, batch_size=BATCH, epochs=1, shuffle=False, verbose=0, callbacks=[losses])
    by_batch = np.array(losses.seen)
    history = model.fit(x, y, batch_size=BATCH, epochs=2, verbose=0).history
    model.reset_state()
    evaluated = model.evaluate(x, y, batch_size=BATCH, verbose=0)
    model.reset_state()
    predicted = model.predict(x, batch_size=BATCH, verbose=0)
    return {
        "losses": by_batch[:, 0],
        "accuracies": by_batch[:, 1],
        "two more epochs": np.array(history["loss"]),
        "evaluated": np.array(evaluated),
        "predicted": np.asarray(predicted),
        **{f"weight {i}": w for i, w in enumerate(model.get_weights())},
    }


def call_functions():
    """Results of functions over graphs: outputs, gradients, updates, a tensor in the middle."""
    keras.set_random_seed(3)
    x = keras.Input((FEATURES,), name="x")
    dense = layers.Dense(4, activation="tanh")
    norm = layers.BatchNormalization()
    hidden = dense(x)
    y = norm(hidden)
    loss = ops.sum(ops.square(y))
    count = keras.Variable(0.0, trainable=False, name="count")
    kernel_gradient, x_gradient = keras.gradients(loss, [dense.kernel, x])
    f = keras.Function(
        [x],
        [y, loss, kernel_gradient, x_gradient],
        updates=[
            (count, ops.add(count, loss)),
            (dense.kernel, ops.subtract(dense.kernel, ops.multiply(kernel_gradient, 0.1))),
        ],
    )
    (a, _), _ = data()
    given = a[:BATCH, 0]
    rounds = [f([given]) for _ in range(3)]
    middle = keras.Function([hidden], [y])([np.ones((2, 4), "float32")])
    found = {f"{i} {j}": v for i, values in enumerate(rounds) for j, v in enumerate(values)}
    found |= {"middle": middle[0], "count": count.numpy(), "kernel": dense.kernel.numpy()}
    return {key: registry.active().numpy(v) if not isinstance(v, np.ndarray) else v
            for key, v in found.items()}  # fmt: skip


def difference(found, expected):
    """The largest difference relative to the largest value, by name."""
    return {
        key: float(np.abs(found[key] - want).max() / max(np.abs(want).max(), 1e-30))
        for key, want in expected.items()
    }


@pytest.fixture(scope="module")
def expected():
    with on_jax():
        return {**{build: train(build) for build in BUILDS}, "functions": call_functions()}


def test_both_ways_of_building_are_one_model(expected):
    ours, theirs = (list(expected[build].values()) for build in BUILDS)
    for x, y in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-6, atol=1e-7)


def test_training_learns(expected):
    assert np.isfinite(expected["functional"]["losses"]).all()
    assert expected["functional"]["two more epochs"][-1] < expected["functional"]["losses"][0]


@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize("place", OTHERS)
def test_training_agrees(place, build, expected):
    with PLACES[place]():
        found = train(build)
    worst = difference(found, expected[build])
    assert max(worst.values()) <= TOLERANCE, worst


@pytest.mark.parametrize("place", OTHERS)
def test_functions_agree(place, expected):
    with PLACES[place]():
        found = call_functions()
    worst = difference(found, expected["functions"])
    assert max(worst.values()) <= TOLERANCE, worst
