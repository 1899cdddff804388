"""The graph that code builds: ours, or an engine's own, here of an engine that nothing above the
engines has heard of (lazy_engine.py).  TensorFlow's is under tests/tensorflow."""

import contextlib
import inspect
import re
from pathlib import Path

import numpy as np
import pytest

import tricorn as keras
from tests.graph import lazy_engine
from tests.graph.lazy_engine import Handle, Lazy
from tricorn import backend as K
from tricorn import layers, ops
from tricorn.engines import contract, registry
from tricorn.graph.graphs import EngineGraph, Graph, current_graph

pytestmark = pytest.mark.engine_free

ROOT = Path(keras.__file__).parent
X = np.arange(12, dtype="float32").reshape(4, 3) / 10


@pytest.fixture(params=["ours", "the engine's own"])
def graph(request):
    """Code here builds that graph."""
    own = request.param != "ours"
    with registry.use(lazy_engine.EAGER), contextlib.ExitStack() as stack:
        if own:
            stack.enter_context(lazy_engine.building())
        assert type(current_graph()) is (EngineGraph if own else Graph)
        yield current_graph()


@pytest.fixture
def own():
    with registry.use(lazy_engine.EAGER), lazy_engine.building():
        yield lazy_engine.GRAPH


def close(x, y):
    np.testing.assert_allclose(np.asarray(x), np.asarray(y), rtol=1e-5, atol=1e-6)


def test_only_one_file_above_the_engines_asks_for_an_engines_graph():
    """And no capability says that there is one."""
    pattern = re.compile(r"own_graph|native_graph|registry\.native|capabilities\[\"tapes\"\]")
    files = [p for p in ROOT.rglob("*.py") if "engines" not in p.relative_to(ROOT).parts]
    found = {str(p.relative_to(ROOT)) for p in files if pattern.search(p.read_text())}
    assert found == {"graph/graphs.py"}
    assert not {"native_graph", "tapes"} & contract.CAPABILITIES.keys()


def test_both_graphs_decide_the_same_things():
    methods = {name for name in vars(Graph) if not name.startswith("_")}
    assert {name for name in vars(EngineGraph) if not name.startswith("_")} == methods


@pytest.mark.parametrize("name", ["lazy", "tensorflow"])
def test_the_engines_graphs_are_what_the_contract_says(name):
    with contextlib.ExitStack() as stack:
        if name == "lazy":
            stack.enter_context(registry.use(lazy_engine.ENGINE))
        else:
            tf = pytest.importorskip("tensorflow")
            stack.enter_context(registry.use(name))
            assert registry.active().own_graph() is None
            stack.enter_context(tf.Graph().as_default())
        own = registry.active().own_graph()
    declared = {k: v for k, v in vars(contract.Graph).items() if inspect.isfunction(v)}
    declared = {k: v for k, v in declared.items() if not k.startswith("_")}
    assert len(declared) == 11
    for method, want in declared.items():
        count = len(inspect.signature(want).parameters) - 1
        assert contract._accepts(getattr(own, method), count), method


def test_tensors_and_functions(graph):
    x = K.placeholder((4, 3))
    y = ops.relu(x * 2.0 - 1.0)
    assert graph.holds(x)
    assert graph.holds(y)
    assert K.is_placeholder(x)
    assert not K.is_placeholder(y)
    assert y.shape == (4, 3)
    close(K.function([x], [y, K.sum(y)])([X])[0], np.maximum(2 * X - 1, 0))
    with pytest.raises(ValueError, match=r"expects shape \(4, 3\)"):
        K.function([x], [y])([X[:, :2]])


def test_layers_and_models(graph):
    inputs = keras.Input(batch_shape=(4, 3))
    dense = layers.Dense(2, activity_regularizer=lambda y: ops.sum(ops.square(y)))
    outputs = layers.Dropout(0.5)(layers.Activation("relu")(dense(inputs)))
    model = keras.Model(inputs, outputs)
    hidden = np.maximum(X @ model.get_weights()[0], 0)
    close(K.function([inputs], [outputs])([X])[0], hidden)
    close(model.predict(X, batch_size=4, verbose=0), hidden)


def test_the_phase_and_draws(graph):
    inputs = keras.Input(batch_shape=(4, 50))
    outputs = layers.Dropout(0.5, seed=1)(inputs)
    run, ones = K.function([inputs, K.learning_phase()], [outputs]), np.ones((4, 50), "float32")
    close(run([ones, 0])[0], ones)
    first, second = run([ones, 1])[0], run([ones, 1])[0]
    assert set(np.unique(first)) == {0, 2}
    assert (first != second).any()  # each run draws anew


def test_updates_and_moving_averages(graph):
    inputs = keras.Input(batch_shape=(4, 3))
    layer = layers.BatchNormalization(momentum=0.5)
    outputs = layer(inputs)
    assert len(layer.updates) == 2
    run = K.function([inputs, K.learning_phase()], [outputs], updates=layer.updates)
    run([X, 1])
    close(K.get_value(layer.moving_mean), X.mean(0) / 2)
    run([X, 0])
    close(K.get_value(layer.moving_mean), X.mean(0) / 2)
    counter = K.variable(1.0)
    K.function([], [], updates=[K.update_add(counter, 2.0)])([])
    assert float(K.get_value(counter)) == 3.0


def test_loops_with_functions(graph):
    x, factor = K.placeholder((4, 3)), K.placeholder(())
    doubled = K.switch(K.greater(factor, 1.0), lambda: x * factor, lambda: x)
    run = K.function([x, factor], [doubled])
    close(run([X, 3.0])[0], 3 * X)
    close(run([X, 0.5])[0], X)


def test_gradients(own):
    x, w = K.placeholder((4, 3)), K.variable(np.ones((3, 2)))
    loss = K.sum(K.square(K.dot(x, w)))
    by_w, by_x = K.gradients(loss, [w, x])
    found = K.function([x], [by_w, by_x])([X])
    close(found[0], 2 * X.T @ X @ np.ones((3, 2)))
    close(found[1], 2 * X @ np.ones((3, 2)) @ np.ones((2, 3)))


def test_what_users_get_is_the_engines_own(own):
    inputs = keras.Input(batch_shape=(4, 3))
    layer = layers.Dense(2, activity_regularizer=lambda y: ops.sum(y))
    outputs = layer(inputs)
    assert type(inputs) is type(outputs) is Lazy
    assert type(layer.kernel) is type(layer.weights[0]) is type(K.variable(1.0)) is Handle
    session = K.get_session()
    kernel, found, losses = session.run([layer.kernel, outputs, *layer.losses], {inputs: X})
    close(found, X @ kernel)
    close(losses, found.sum() / 4)  # of the samples
    layer.kernel.held = 2 * kernel
    close(layer.get_weights()[0], 2 * kernel)
    target = K.variable(1.0)
    with K.control_dependencies([K.update(target, 5.0)]):
        inside = inputs + 1.0
    assert float(K.get_value(target)) == 1.0
    session.run([inside], {inputs: X})
    assert float(K.get_value(target)) == 5.0


def test_sessions_are_the_engines(graph):
    if type(graph) is EngineGraph:
        session = lazy_engine.Session()
        K.set_session(session)
        assert K.get_session() is session
    else:
        for call in (K.get_session, lambda: K.set_session(None)):
            with pytest.raises(registry.EngineError, match="'lazy' has no sessions here"):
                call()
