"""Functions, gradients, updates, phases, branches and loops of ``K``."""

import numpy as np
import pytest

import tricorn as keras
from tests.backend import references as ref
from tricorn import backend as K
from tricorn import layers
from tricorn.engines import registry
from tricorn.graph.graphs import current_graph

# it chooses its engines itself
pytestmark = [pytest.mark.heavy, pytest.mark.engine_free]

random = np.random.default_rng(2)
X = random.normal(size=(4, 3)).astype("float32")


def close(x, y, tolerance=1e-5):
    x, y = np.asarray(x), np.asarray(y)
    assert x.shape == y.shape
    assert np.abs(x - y).max() <= tolerance * max(np.abs(y).max(), 1e-30)


# ------------------------------------------------------------------------------------- functions


def test_function(place):
    x, y = K.placeholder((None, 3)), K.placeholder(ndim=2)
    w = K.variable(X)
    inside = K.exp(x)
    f = K.function([x, y], [x + y, K.sum(x * 2.0), w, K.sum(inside)])
    found = f([X, 2 * X])
    assert all(isinstance(one, (np.ndarray, np.generic)) for one in found)
    for one, expected in zip(found, [3 * X, 2 * X.sum(), X, np.exp(X).sum()], strict=True):
        close(one, expected)
    K.set_value(w, 2 * X)  # it is read when the function runs
    close(f([X, X])[2], 2 * X)
    close(K.function([x], K.sum(inside))([X]), np.exp(X).sum())  # one output, not a list
    close(K.function([inside], [K.sum(inside)])([X])[0], X.sum())  # from the middle


def test_function_errors(place):
    x, y = K.placeholder((None, 3), name="x"), K.placeholder((None, 3), name="y")
    with pytest.raises(TypeError, match="list of placeholders"):
        K.function(x, [x])
    with pytest.raises(ValueError, match=r"does not know.*feed_dict"):
        K.function([x], [x], feed_dict={})
    f = K.function([x], [x])
    with pytest.raises(ValueError, match="1 inputs, got 2"):
        f([X, X])
    with pytest.raises(ValueError, match="shape"):
        f([X[:, :2]])
    if not current_graph().owns_variables:
        with pytest.raises(ValueError, match="needs? the tensor 'y'"):
            K.function([x], [x + y])
        with pytest.raises(ValueError, match="disconnected"):
            K.eval(x + y)


# --------------------------------------------------------------------------------------- updates


def test_updates(place):
    x = K.placeholder((None, 3))
    a, b, c, d = (K.variable(value) for value in (1.0, 2.0, 3.0, 4.0))
    total = K.sum(x)
    updates = [
        K.update(a, total), K.update_add(b, 10.0), K.update_sub(c, total),
        K.moving_average_update(d, total, 0.9), None,
    ]  # fmt: skip
    f = K.function([x], [total], updates=updates)
    assert [float(v) for v in K.batch_get_value([a, b, c, d])] == [1.0, 2.0, 3.0, 4.0]
    f([X])
    f([X])
    t = X.sum()
    expected = [t, 22.0, 3.0 - 2 * t, 0.9 * (0.9 * 4 + 0.1 * t) + 0.1 * t]
    close(np.array(K.batch_get_value([a, b, c, d])), np.array(expected, "float32"), 1e-4)


def test_updates_by_pairs_are_computed_before_they_are_made(place):
    x = K.placeholder(())
    a, b = K.variable(1.0), K.variable(10.0)
    f = K.function([x], [], updates=[(a, b * x), (b, a * x)])
    assert f([np.float32(2.0)]) == []
    assert (K.get_value(a), K.get_value(b)) == (20.0, 2.0)


def test_updates_of_values(place, is_graph):
    """Nothing happens before they are run, as often as they are run."""
    a = K.variable(1.0)
    set_five, add_two, take_one = K.update(a, 5.0), K.update_add(a, 2.0), K.update_sub(a, 1)
    assert K.get_value(a) == 1.0
    for made, expected in ((set_five, 5.0), (add_two, 7.0), (add_two, 9.0), (take_one, 8.0)):
        if is_graph:
            K.get_session().run(made)
        else:
            assert K.eval(made) == expected
        assert K.get_value(a) == expected
    K.set_value(a, 7.0)  # where it stood before: what a function does does not depend on it
    f = K.function([], [], updates=[add_two])
    assert K.get_value(a) == 7.0
    f([])
    assert K.get_value(a) == 9.0
    with pytest.raises(TypeError, match="only Variables"):
        K.update(X, X)


def test_layers_assign_only_by_updates(place):
    x = keras.Input((3,))
    layer = layers.BatchNormalization(momentum=0.5)
    y = layer(x)
    f = K.function([x, K.learning_phase()], [y])
    close(f([X, 1])[0], (X - X.mean(0)) / np.sqrt(X.var(0) + 1e-3), 1e-4)
    close(K.get_value(layer.moving_mean), np.zeros(3))
    g = K.function([x, K.learning_phase()], [y], updates=layer.updates)
    g([X, 1])
    close(K.get_value(layer.moving_mean), 0.5 * X.mean(0))


# ------------------------------------------------------------------------------------- gradients


def test_gradients(place):
    x = K.placeholder((None, 3))
    w = K.variable(X.T)
    y = K.tanh(K.dot(x, w))
    loss = K.sum(K.square(y))
    wrt_x, wrt_w, wrt_y = K.gradients(loss, [x, w, y])
    found = K.function([x], [wrt_x, wrt_w, wrt_y])([X])
    out = np.tanh(X @ X.T)
    inner = 2 * out * (1 - out**2)
    for one, expected in zip(found, [inner @ X, X.T @ inner, 2 * out], strict=True):
        close(one, expected)


def test_gradients_of_gradients(place):
    x = K.placeholder((3,))
    y = K.sum(K.pow(x, 3))
    first = K.gradients(y, [x])[0]
    second = K.gradients(K.sum(first), [x])[0]
    (third,) = K.gradients(K.sum(second), x)  # a list, also for one
    found = K.function([x], [first, second, third])([abs(X[0])])
    powers = [3 * abs(X[0]) ** 2, 6 * abs(X[0]), np.full(3, 6.0)]
    for one, expected in zip(found, powers, strict=True):
        close(one, expected)


def test_descent_by_updates(place):
    """A training function of the old kind."""
    x, y = K.placeholder((None, 3)), K.placeholder((None, 1))
    w = K.zeros((3, 1))
    loss = K.mean(K.square(K.dot(x, w) - y))
    gradient = K.gradients(loss, [w])[0]
    step = K.function([x, y], [loss], updates=[K.update_sub(w, 0.1 * gradient)])
    want = np.array([[1.0], [-2.0], [0.5]], "float32")
    data = random.normal(size=(64, 3)).astype("float32")
    losses = [float(step([data, data @ want])[0]) for _ in range(60)]
    assert losses[-1] < losses[0] * 1e-3
    close(K.get_value(w), want, 0.05)


def test_gradients_of_values_are_refused():
    with registry.use("jax"), pytest.raises(TypeError, match=r"K\.symbolic"):
        K.gradients(K.sum(K.constant(X)), [K.variable(X)])


def test_symbolic_and_eager(place):
    w = K.variable(X)
    loss = K.symbolic(lambda: K.sum(K.square(w)))
    f = K.function([], [loss(), K.gradients(loss(), [w])[0]])
    for value in (X, 3 * X):
        K.set_value(w, value)
        total, grad = f([])
        close(total, (value**2).sum())
        close(grad, 2 * value)
    close(K.eval(K.eager(K.square)(K.constant(X))), X**2)


@pytest.mark.engine("jax")
def test_what_is_recorded_for_no_layer_stands_outside_of_calls():
    """As in Keras 2's graphs: `zeros` makes a Variable, and an update waits until it is run."""

    @K.symbolic
    def build():
        total = K.zeros((2,))
        return total, K.update(total, total + K.ones_like(total))

    total, step = build()
    assert K.get_value(total).tolist() == [0, 0]
    f = K.function([], [], [step])
    f([]), f([])
    assert K.get_value(total).tolist() == [2, 2]


# ---------------------------------------------------------------------------------------- phases


def test_intermediate_outputs_in_both_phases(place):
    model = keras.Sequential(
        [keras.Input((3,)), layers.Dense(4), layers.Dropout(0.5), layers.ReLU(), layers.Dense(2)]
    )
    out = K.function([model.layers[0].input, K.learning_phase()], [model.layers[2].output])
    kernel, bias = model.get_weights()[:2]
    expected = np.maximum(X @ kernel + bias, 0)
    close(out([X, 0])[0], expected)
    trained = out([X, 1])[0]
    kept = trained != 0
    close(np.where(kept, trained, 0), np.where(kept, 2 * expected, 0))
    assert (trained != expected).any()
    close(K.function([model.input], [model.layers[2].output])([X])[0], expected)


def test_in_train_phase(place):
    x = K.placeholder((None, 3))
    outputs = [
        K.in_train_phase(x * 2.0, x), K.in_train_phase(lambda: x * 2.0, lambda: x),
        K.in_test_phase(x * 2.0, x), K.in_train_phase(x * 2.0, x, training=1),
        K.in_test_phase(lambda: x * 2.0, x, training=True),
    ]  # fmt: skip
    f = K.function([x, K.learning_phase()], outputs)
    for phase, factors in ((0, [1, 1, 2, 2, 1]), (1, [2, 2, 1, 2, 1])):
        for one, factor in zip(f([X, phase]), factors, strict=True):
            close(one, factor * X)
    close(K.function([x], outputs[:1])([X])[0], X)
    K.set_learning_phase(1)
    assert K.learning_phase() == 1
    close(K.function([x], [K.in_train_phase(x * 2.0, x)])([X])[0], 2 * X)
    K.set_learning_phase(0)
    close(K.function([x], [K.in_train_phase(x * 2.0, x)])([X])[0], X)


class Noisy(layers.Layer):
    """A layer in the manner of Keras 2."""

    def call(self, inputs, training=None):
        def noised():
            return inputs + K.random_uniform(K.shape(inputs), minval=1.0, maxval=2.0)

        return K.in_train_phase(noised, inputs, training=training)


def test_layer_written_with_it(place):
    x = keras.Input((3,))
    model = keras.Model(x, Noisy()(x))
    close(model.predict(X, verbose=0), X)
    f = K.function([x, K.learning_phase()], [model.output])
    close(f([X, 0])[0], X)
    assert ((f([X, 1])[0] - X) > 0.99).all()
    model.compile("sgd", "mse")
    assert model.train_on_batch(X, X) > 1.0


# -------------------------------------------------------------------------------------- branches


def test_switch(place):
    x, flag = K.placeholder((4, 3)), K.placeholder((), dtype="bool")
    rows = K.placeholder((4,), dtype="bool")
    mask = np.array([True, False, True, True])
    f = K.function(
        [x, flag, rows],
        [
            K.switch(flag, x * 2.0, x), K.switch(flag, lambda: x * 2.0, lambda: K.exp(x)),
            K.switch(rows, x, K.zeros_like(x)), K.switch(K.greater(x, 0.0), x, lambda: -x),
        ],
    )  # fmt: skip
    for value in (True, False):
        found = f([X, value, mask])
        close(found[0], 2 * X if value else X)
        close(found[1], 2 * X if value else np.exp(X))
        close(found[2], X * mask[:, None])
        close(found[3], abs(X))


def test_switch_at_once(place):
    yes, no = K.constant(X), K.constant(0 * X)
    close(K.eval(K.switch(K.constant(True, "bool"), lambda: yes, lambda: no)), X)
    close(K.eval(K.switch(True, yes, no)), X)
    with pytest.raises(ValueError, match="more axes"):
        K.switch(K.constant(X > 0, "bool"), K.constant(1.0), K.constant(0.0))


# ----------------------------------------------------------------------------------------- loops


def test_map_and_folds(place):
    x, w = K.placeholder((None, 3)), K.variable(2.0)
    shift = K.placeholder(())
    f = K.function(
        [x, shift],
        [
            K.map_fn(lambda row: K.sum(row) * w + shift, x),
            K.map_fn(lambda row: K.greater(row, 0.0), x, dtype="float32"),
            K.foldl(lambda acc, row: acc * 0.5 + row, x),
            K.foldr(lambda acc, row: acc * 0.5 + row, x),
            K.foldl(lambda acc, row: acc + K.sum(row), x, initializer=K.constant(10.0)),
        ],
    )
    found = f([X, 5.0])
    left, right = X[0], X[-1]
    for row in X[1:]:
        left = left * 0.5 + row
    for row in X[-2::-1]:
        right = right * 0.5 + row
    expected = [2 * X.sum(1) + 5, (X > 0).astype("float32"), left, right, 10 + X.sum()]
    for one, want in zip(found, expected, strict=True):
        close(one, want)
    close(K.eval(K.map_fn(K.sum, K.constant(X))), X.sum(1))
    close(K.eval(K.foldl(lambda acc, row: acc + row, K.constant(X))), X.sum(0))


SEQUENCE = random.normal(size=(2, 5, 3)).astype("float32")
STATES = [random.normal(size=(2, 4)).astype("float32") for _ in range(2)]
FACTOR = random.normal(size=(2, 4)).astype("float32")
W, U = random.normal(size=(3, 4)).astype("float32"), random.normal(size=(4, 4)).astype("float32")
MASK = np.array([[0, 1, 1, 0, 1], [1, 1, 0, 0, 0]], "bool")


def step_with(library, w, u):
    """A step of two states, one output, and maybe a constant."""

    def step(x, states):
        a, b, *rest = states
        a = library.tanh(library.dot(x, w) + library.dot(a, u))
        b = b + a
        output = a * rest[0] if rest else a + b
        return output, [a, b]

    return step


LOOPS = [
    {},
    {"mask": MASK, "go_backwards": True},
    {"unroll": True, "mask": MASK},
    {"constants": [FACTOR], "go_backwards": True},
    {"constants": [FACTOR], "mask": MASK[..., None], "input_length": 5},
]


@pytest.mark.parametrize("symbolic", [True, False], ids=["symbolic", "at once"])
def test_rnn(symbolic, place):
    w, u = K.variable(W), K.variable(U)
    arrays = [SEQUENCE, *STATES, FACTOR, MASK, MASK[..., None]]
    if symbolic:
        made = [K.placeholder((None, *a.shape[1:]), dtype=a.dtype.name) for a in arrays]
    else:
        made = [K.constant(a, a.dtype.name) for a in arrays]
    tensor_of = {id(FACTOR): made[3], id(MASK): made[4]}
    outputs, expected = [], []
    for options in LOOPS:
        theirs = {k: v for k, v in options.items() if k not in ("unroll", "input_length")}
        options = dict(options)
        if "constants" in options:
            options["constants"] = [made[3]]
        if "mask" in options:
            options["mask"] = tensor_of.get(id(options["mask"]), made[5])
        last, every, states = K.rnn(step_with(K, w, u), made[0], made[1:3], **options)
        outputs += [last, every, *states]
        a, b, c = ref.rnn(step_with(np, W, U), SEQUENCE, STATES, **theirs)
        expected += [a, b, *c]
    found = K.function(made, outputs)(arrays) if symbolic else list(map(K.eval, outputs))
    for one, want in zip(found, expected, strict=True):
        close(one, want)


def test_rnn_over_unknown_steps(place):
    x, s = K.placeholder((None, None, 3)), K.placeholder((None, 4))
    w, u = K.variable(W), K.variable(U)
    last, every, _ = K.rnn(step_with(K, w, u), x, [s, s])
    found = K.function([x, s], [last, every])([SEQUENCE, STATES[0]])
    a, b, _ = ref.rnn(step_with(np, W, U), SEQUENCE, [STATES[0]] * 2)
    close(found[0], a)
    close(found[1], b)


def test_gradients_through_loops(place):
    x, s = K.placeholder((2, 5, 3)), K.placeholder((2, 4))
    w, u = K.variable(W), K.variable(U)
    last, _, _ = K.rnn(step_with(K, w, u), x, [s, s], mask=K.constant(MASK, "bool"))
    slow, _, _ = K.rnn(step_with(K, w, u), x, [s, s], mask=K.constant(MASK, "bool"), unroll=True)
    found = [K.gradients(K.sum(K.square(y)), [w, u, x, s]) for y in (last, slow)]
    values = K.function([x, s], [*found[0], *found[1]])([SEQUENCE, STATES[0]])
    for one, other in zip(values[:4], values[4:]):
        close(one, other)


class Summing(layers.Layer):
    """A recurrent layer in the manner of Keras 2."""

    def build(self, input_shape):
        self.kernel = self.add_weight((input_shape[-1], 4), name="kernel")

    def call(self, inputs):
        def step(x, states):
            after = K.dot(x, self.kernel) + states[0]
            return after, [after]

        return K.rnn(step, inputs, [K.zeros((K.shape(inputs)[0], 4))])[0]


def test_rnn_in_a_layer(place):
    x = keras.Input((5, 3))
    model = keras.Model(x, Summing()(x))
    kernel = model.get_weights()[0]
    close(model.predict(SEQUENCE, verbose=0), SEQUENCE.sum(1) @ kernel)
    model.compile(keras.optimizers.SGD(0.001), "mse")
    before = model.train_on_batch(SEQUENCE, STATES[0])
    assert model.train_on_batch(SEQUENCE, STATES[0]) < before


def test_rnn_can_be_unrolled_only_over_known_steps():
    x, s = K.placeholder((2, None, 3)), K.placeholder((2, 4))
    with registry.use("jax"), pytest.raises(ValueError, match="number of steps"):
        K.rnn(step_with(K, W, U), x, [s, s], unroll=True)
