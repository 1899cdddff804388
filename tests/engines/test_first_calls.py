"""Every public function works as the first of a process, however the engine was chosen.

A process begins with no engine chosen or loaded: here the registry forgets those that tests before
have used, instead of some thousand processes being started."""

import json

import numpy as np
import pytest

import tricorn as keras
from tests.backend import cases
from tricorn import backend as K
from tricorn import config, ops
from tricorn.engines import registry

CASES = [case for table in cases.TABLES.values() for case in table if "label" not in str(case)]
X = np.arange(12, dtype="float32").reshape(3, 4)


def by_environment(name, home, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", name)


def by_file(name, home, monkeypatch):
    (home / "keras.json").write_text(json.dumps({**config.DEFAULTS, "backend": name}))


def by_set_backend(name, home, monkeypatch):
    config.set_backend(name)


def by_set_engine(name, home, monkeypatch):
    registry.set_engine(name)


WAYS = (by_environment, by_file, by_set_backend, by_set_engine)


@pytest.fixture
def begin(engine, tmp_path, monkeypatch):
    """`begin(way)`: as a process begins, the engine of the test chosen in one of the ways."""
    process, settings = registry._process, config._settings

    def begin(way):
        registry._process, config._settings = None, None
        way(engine.name, tmp_path, monkeypatch)

    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    yield begin
    registry._process, config._settings = process, settings


@pytest.fixture
def own_graph(engine):
    """A block in which code is in a graph of the engine's framework, where it has those."""
    if engine.name == "tensorflow":
        import tensorflow as tf

        return tf.Graph().as_default
    pytest.skip("no graphs of its own")


def model(lib):
    return lib.Sequential([lib.Input((4,)), lib.layers.Dense(2)])


def trained():
    made = model(keras)
    made.compile("sgd", "mse")
    made.fit(X, X[:, :2], verbose=0)
    return made.predict(X, verbose=0)


def taped():
    with keras.GradientTape() as tape:
        tape.watch(x := ops.convert_to_tensor(X))
        y = ops.sum(x * x)
    return tape.gradient(y, x)


#: besides ``K``'s functions: one of each kind of thing
FIRST = {
    "op": lambda: ops.add(X, 1.0),
    "creation": lambda: ops.zeros((2, 3)),
    "conversion": lambda: ops.convert_to_tensor(X),
    "random": lambda: keras.random.normal((2, 3)),
    "dropout": lambda: keras.random.dropout(X, 0.5),
    "variable": lambda: keras.Variable(X) + 1.0,
    "variable by name": lambda: keras.Variable("ones", shape=(2, 3)).value,
    "variable assigned": lambda: keras.Variable(X).assign(X + 1),
    "initializer": lambda: keras.initializers.GlorotUniform()((2, 3)),
    "activation": lambda: keras.activations.relu(X),
    "layer": lambda: keras.layers.Dense(2)(X),
    "recurrent layer": lambda: keras.layers.LSTM(2)(X[None]),
    "loss": lambda: keras.losses.MeanSquaredError()(X, X + 1),
    "loss function": lambda: keras.losses.mean_squared_error(X, X + 1),
    "metric": lambda: keras.metrics.Mean()(X),
    "regularizer": lambda: keras.regularizers.L2(0.1)(X),
    "constraint": lambda: keras.constraints.MaxNorm(1.0)(X),
    "optimizer": lambda: keras.optimizers.Adam().learning_rate.value,
    "schedule": lambda: keras.optimizers.schedules.CosineDecay(0.1, 10)(3),
    "fit": trained,
    "function": lambda: keras.function(lambda x: x * 2.0)(X),
    "gradient": lambda: keras.grad(lambda x: ops.sum(x * x))(ops.convert_to_tensor(X)),
    "tape": taped,
    "devices": lambda: keras.list_devices() and X,
    "eager": lambda: keras.executing_eagerly() and X,
    "graph": lambda: K.function([x := K.placeholder((None, 4))], [x * 2.0])([X])[0],
    "K.variable": lambda: K.get_value(K.variable(X)),
    "K.learning_phase": lambda: K.learning_phase() is not None and X,
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", FIRST)
def test_first_call(name, way, begin):
    begin(way)
    first = FIRST[name]()
    assert registry.name() == registry.active().name
    assert np.all(np.isfinite(ops.convert_to_numpy(first)))


@pytest.mark.parametrize("way", WAYS)
def test_each_function_of_the_backend(way, begin):
    """Each in a beginning of its own, with one way for each after the other."""
    for case in CASES[WAYS.index(way) :: len(WAYS)]:
        begin(way)
        got = getattr(K, case.name)(*case.args, **case.kwargs)
        want = case.reference(*case.args, **case.kwargs)
        for one, other in zip(*(x if isinstance(x, (list, tuple)) else [x] for x in (got, want))):
            shape = np.shape(ops.convert_to_numpy(one) if hasattr(one, "dtype") else one)
            assert shape == np.shape(other), case


IN_A_GRAPH = {
    "set_session": lambda tf: K.set_session(tf.compat.v1.Session()),
    "get_session": lambda tf: K.get_session(),
    "placeholder": lambda tf: K.placeholder((None, 4)) + 1.0,
    "layer": lambda tf: keras.layers.Dense(2)(tf.compat.v1.placeholder("float32", (None, 4))),
    "input": lambda tf: keras.layers.Dense(2)(keras.Input((4,))),
    "model": lambda tf: model(keras).output,
    "weights": lambda tf: tf.convert_to_tensor(keras.Variable(X).native()),
    "variable": lambda tf: K.variable(X) + 1.0,
    "learning phase": lambda tf: K.learning_phase(),
    "dropout": lambda tf: keras.layers.Dropout(0.5)(tf.zeros((2, 3)), training=True),
    "loss": lambda tf: keras.losses.mean_squared_error(tf.zeros((2, 3)), tf.ones((2, 3))),
    "control dependencies": lambda tf: K.update_add(K.variable(X), X),
}


@pytest.mark.engine("tensorflow")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", IN_A_GRAPH)
def test_first_call_in_a_graph(name, way, begin, own_graph):
    """Where the framework's own graph is in force before the engine is loaded."""
    import tensorflow as tf

    with own_graph() as graph:
        begin(way)
        first = IN_A_GRAPH[name](tf)
        assert K.get_session().graph is graph
        assert getattr(first, "graph", graph) is graph
    K.clear_session()
