"""TensorFlow in a plain ``tf.Graph``: the contract there, sessions, native placeholders and
variables, and Variables that move between places."""

import gc
import weakref

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

import tricorn as keras  # noqa: E402
from tests.engines.cases import CASES, assert_close, call, floats, identities, to_numpy  # noqa: E402
from tricorn import layers, ops  # noqa: E402
from tricorn.engines import registry  # noqa: E402

pytestmark = pytest.mark.engine_free  # a place of its own: a graph
v1 = tf.compat.v1


@pytest.fixture
def engine():
    """The engine of a fresh graph, which is the default graph."""
    with registry.use("tensorflow"), tf.Graph().as_default():
        yield registry.active()


def tensor(engine, value, dtype="float32"):
    return engine.tensor(np.asarray(value, dtype), dtype)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_case(engine, case):
    result = call(engine, case.name, case.tensors(engine))
    found = to_numpy(engine, result)
    if case.reference is not None:
        assert_close(found, case.reference(*case.args), case.tolerance)
    pair = identities(case, found)
    if pair is not None:
        np.testing.assert_allclose(*pair, atol=2e-5 * np.abs(pair[1]).max())


def gradient(engine, fn, *values):
    xs = tuple(tensor(engine, v) for v in values)
    _out, pullback, _ = engine.vjp(lambda *xs: (fn(*xs), None), xs)
    return [engine.numpy(g) for g in pullback(engine.full((), 1.0, "float32"))]


def test_control_flow_and_its_gradients(engine):
    add, multiply = engine.add, engine.multiply

    def branch(x):
        pred = engine.less(x, 0.0)
        return engine.cond(pred, lambda a: multiply(a, 2.0), lambda a: multiply(a, a), (x,))

    assert gradient(engine, branch, -3.0) == [2]
    assert gradient(engine, branch, 3.0) == [6]

    def loop(x):
        state = engine.while_loop(
            lambda i, y: engine.less(i, 3),
            lambda i, y: (add(i, 1), multiply(y, x)),
            (tensor(engine, 0, "int32"), x),
        )
        return state[1]

    assert gradient(engine, loop, 2.0) == [32]

    def over(x):
        xs = {"a": tensor(engine, [1.0, 2, 3])}
        last, (ys, nothing) = engine.scan(
            lambda c, row: (add(multiply(c, x), row["a"]), (c, None)), x, xs, None, True
        )
        assert nothing is None
        assert engine.shape(ys) == (3,)
        return add(last, engine.sum(ys, (0,), False))

    x = 2.0  # c1 = x² + 3, c2 = x c1 + 2, c3 = x c2 + 1; the sum is c3 + c2 + c1 + x
    slope = 2 * x + (3 * x**2 + 3) + (4 * x**3 + 6 * x + 2) + 1
    assert gradient(engine, over, x) == [slope]


def test_second_derivative_and_jvp(engine):
    def slope(x):
        _, pullback, _ = engine.vjp(lambda x: (engine.power(x, 3), None), (x,))
        return pullback(engine.full((), 1.0, "float32"))[0]

    assert gradient(engine, slope, 2.0) == [12]
    x = tensor(engine, [1.0, 2])
    _out, tangent = engine.jvp(lambda x: engine.multiply(x, x), (x,), (x,))
    np.testing.assert_array_equal(engine.numpy(tangent), [2, 8])


def test_compiled_steps_build_once_and_read_the_state_before(engine):
    def step(state, x):
        a, b = state
        return {"sum": engine.add(a, b), "same": a}, [b, engine.add(a, x)]

    run = engine.compile(step, False)
    handles = [engine.variable(np.float32(v), "float32", True, "v") for v in (1, 10)]
    sizes = []
    for i, expected in enumerate([(1, 10), (10, 3), (3, 12)]):
        result, handles = run(handles, np.float32(2))
        assert (result["same"], result["sum"]) == (expected[0], sum(expected)), i
        probe = engine.own_graph().placeholder((), "float32", "probe")
        sizes.append(len(probe.graph.get_operations()))
    assert sizes[2] - sizes[1] == 1  # the probe itself
    looped = engine.compile(
        lambda s, i: (s[0], [engine.add(s[0], engine.cast(i, "float32"))]), True
    )
    _, handles = looped(handles[:1], 0, 4)
    assert engine.numpy(engine.read(handles[0])) == 12 + 0 + 1 + 2 + 3


def test_placeholders_and_layers_give_native_tensors(engine):
    x = keras.Input((4,), name="data")
    dense = layers.Dense(3)
    y = ops.relu(ops.multiply(dense(x), 2.0))
    assert isinstance(x, tf.Tensor)
    assert x.op.type == "Placeholder"
    assert isinstance(y, tf.Tensor)
    assert y.shape.as_list() == [None, 3]
    data = floats(5, 4)
    found = engine.own_graph().get_session().run(y, {x: data})
    np.testing.assert_allclose(
        found, np.maximum(2 * data @ dense.kernel.numpy(), 0), rtol=1e-5, atol=1e-6
    )
    model = keras.Model(x, y)
    assert model.input is x
    assert model.output is y
    np.testing.assert_allclose(model.predict(data, verbose=0), found, rtol=1e-5, atol=1e-6)


def test_a_layer_that_returns_its_input_has_its_own_output(engine):
    x = keras.Input((4,))
    drop = layers.Dropout(0.5)
    y = drop(x)
    assert y is not x
    assert drop.output is y
    assert drop.input is x
    model = keras.Model(x, layers.Dense(2)(y))
    assert [layer.name for layer in model.layers][1] == drop.name


def test_masks_travel_with_native_tensors(engine):
    x = keras.Input((3,), dtype="int32")
    y = layers.Embedding(5, 4, mask_zero=True)(x)
    model = keras.Model(x, layers.LSTM(2)(y))
    short = model.predict(np.array([[1, 2, 0]], np.int32), verbose=0)
    longer = model.predict(np.array([[1, 2, 3]], np.int32), verbose=0)
    weights = model.get_weights()
    with registry.use("jax"):
        x = keras.Input((3,), dtype="int32")
        other = keras.Model(x, layers.LSTM(2)(layers.Embedding(5, 4, mask_zero=True)(x)))
        other.set_weights(weights)
        np.testing.assert_allclose(
            other.predict(np.array([[1, 2, 0]], np.int32), verbose=0), short, rtol=1e-5
        )
    assert np.abs(short - longer).max() > 1e-4


def test_dropout_draws_anew_each_step(engine):
    x = keras.Input((200,))
    layer = layers.Dropout(0.5, seed=1)
    model = keras.Model(x, layer(x))
    step = keras.function(lambda x: model(x, training=True))
    ones = np.ones((1, 200), np.float32)
    first, second = (engine.numpy(step(ones)) for _ in range(2))
    assert set(np.unique(first)) == {0, 2}
    assert (first != second).any()


def test_the_users_session_and_initializer(engine):
    dense = layers.Dense(2)
    x = keras.Input((3,))
    y = dense(x)
    kernel = dense.kernel.numpy()
    handle = dense.kernel
    assert isinstance(handle, tf.Variable)
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        np.testing.assert_array_equal(session.run(handle), kernel)
        session.run(v1.assign(handle, kernel * 2))
        assert engine.own_graph().get_session() is session
        np.testing.assert_array_equal(dense.kernel.numpy(), kernel * 2)
        session.run(y, {x: floats(1, 3)})
    np.testing.assert_array_equal(dense.kernel.numpy(), kernel)  # our own session's


def test_a_native_optimizer_trains_native_variables(engine):
    x = keras.Input((3,), batch_size=4)
    dense = layers.Dense(1)
    loss = tf.reduce_mean(tf.square(dense(x) - 1.0))
    step = v1.train.GradientDescentOptimizer(0.1).minimize(loss, var_list=dense.trainable_variables)
    session, data = engine.own_graph().get_session(), floats(4, 3)
    before = session.run(loss, {x: data})
    for _ in range(20):
        session.run(step, {x: data})
    assert session.run(loss, {x: data}) < before / 2
    found = data @ dense.kernel.numpy() + dense.bias.numpy()
    np.testing.assert_allclose(np.mean((found - 1) ** 2), session.run(loss, {x: data}), rtol=1e-4)


def test_variables_move_between_places(engine):
    variable = keras.Variable(np.zeros(2, np.float32), name="moving")

    def add_one():
        variable.assign(variable.numpy() + 1)
        return variable.handle(registry.active())

    places = [
        lambda: registry.use("jax"),
        lambda: registry.use(engine),
        lambda: registry.use("torch"),
    ]
    handles = []
    for _ in range(2):
        for place in places:
            with place():
                handles.append(add_one())
    np.testing.assert_array_equal(variable.numpy(), [6, 6])
    assert handles[1] is handles[4]
    assert handles[2] is handles[5]


def test_each_graph_is_a_place(engine):
    variable = keras.Variable(np.ones(2, np.float32), name="v")
    here = variable.handle(engine)
    with tf.Graph().as_default():
        other = registry.active()
        assert other is not engine
        assert variable.handle(other) is not here
        variable.assign(np.full(2, 5, np.float32))
    assert registry.active() is engine
    np.testing.assert_array_equal(variable.numpy(), [5, 5])
    assert variable.handle(engine) is here
    np.testing.assert_array_equal(engine.numpy(engine.read(here)), [5, 5])


def test_inside_a_function_there_is_no_graph_of_ours():
    seen = []

    @tf.function(autograph=False)
    def traced(x):
        seen.append(registry.active())
        return ops.square(x)

    with registry.use("tensorflow"):
        assert traced(tf.constant(3.0)).numpy() == 9
    assert seen == [registry.load("tensorflow")]


def test_a_graph_goes_with_its_models():
    with registry.use("tensorflow"):
        graph = tf.Graph()
        with graph.as_default():
            x = keras.Input((4,))
            model = keras.Model(x, layers.Dense(2)(x))
            model.compile("sgd", "mse")
            model.fit(floats(8, 4), floats(8, 2), verbose=0)
        gone = weakref.ref(graph)
        del graph, x, model
        gc.collect()
        assert gone() is None


def test_training_does_not_grow_the_graph(engine):
    x = keras.Input((4,))
    model = keras.Model(x, layers.Dense(2)(layers.BatchNormalization()(x)))
    model.compile("adam", "mse", metrics=["mae"])
    data = floats(8, 4), floats(8, 2)
    sizes = []
    for _ in range(3):
        model.fit(*data, epochs=2, verbose=0)
        model.evaluate(*data, verbose=0)
        model.predict(data[0], verbose=0)
        model.set_weights(model.get_weights())
        sizes.append(len(x.graph.get_operations()))
    assert sizes[1] == sizes[2]


def test_a_value_that_needs_a_feed_is_an_error(engine):
    x = keras.Input((4,), name="data")
    with pytest.raises(registry.EngineError, match="data.*placeholder"):
        engine.numpy(x)


def test_scan_of_nothing_gives_the_carry(engine):
    last, ys = engine.scan(
        lambda c, row: (engine.add(c, row), c), tensor(engine, 2.0), tensor(engine, []), None, False
    )
    assert engine.numpy(last) == 2
    assert engine.numpy(ys).shape == (0,)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ([2, 3, 4], [4, None]),
        ([None, None, 4], [None, None]),
        ([2, None, None], [4, 5]),
        ([None, 4], [4, None]),
        ([2, 3, 4], [None]),
        ([None, 3, 4], [None, None, None]),
    ],
    ids=str,
)
def test_products_of_matrices_of_unknown_sizes(left, right):
    r = np.random.default_rng(0)
    x = r.normal(size=[n or m for n, m in zip(left, (2, 3, 4)[3 - len(left) :])]).astype("float32")
    sizes = {1: (4,), 2: (4, 5), 3: (2, 4, 5)}[len(right)]
    y = r.normal(size=sizes).astype("float32")
    signature = [tf.TensorSpec(left), tf.TensorSpec(right)]
    with registry.use("tensorflow"):
        found = tf.function(ops.matmul, input_signature=signature, autograph=False)(x, y)
    np.testing.assert_allclose(found, np.matmul(x, y), rtol=1e-5, atol=1e-6)
