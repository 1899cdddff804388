"""Placeholders, Variables, draws, and what is told about them; settings and names."""

import numpy as np
import pytest
import scipy.sparse

import tricorn as keras
from tricorn import backend as K
from tricorn.engines import registry
from tricorn.engines.contract import EngineError

# it chooses its engines itself
pytestmark = [pytest.mark.heavy, pytest.mark.engine_free]

X = np.arange(6, dtype="float32").reshape(2, 3)


def test_placeholder(place):
    for arguments, shape in (
        ({"shape": (2, 4, 5)}, (2, 4, 5)),
        ({"shape": (None, 4, 5)}, (None, 4, 5)),
        ({"ndim": 3}, (None, None, None)),
        ({"shape": ()}, ()),
    ):
        made = K.placeholder(dtype="int32", **arguments)
        assert (K.int_shape(made), K.ndim(made), K.dtype(made)) == (shape, len(shape), "int32")
        assert K.is_placeholder(made)
        assert K.is_tensor(made)
        assert not K.is_keras_tensor(made)
        assert not K.is_variable(made)
        given = np.ones([n or 2 for n in shape], "int32")
        np.testing.assert_array_equal(K.function([made], [made * 2])([given])[0], 2 * given)
    with pytest.raises(ValueError, match="ndim"):
        K.placeholder()


def test_kinds_of_tensors(place):
    x = keras.Input((3,))
    y = keras.layers.Dense(2)(x)
    w = K.variable(X)
    assert K.is_keras_tensor(x)
    assert K.is_keras_tensor(y)
    assert K.is_placeholder(x)
    assert not K.is_placeholder(y)
    assert not K.is_keras_tensor(w)
    assert K.is_variable(w)
    assert K.is_tensor(w)
    assert not K.is_variable(K.constant(X))
    assert not K.is_tensor(X)
    with pytest.raises(ValueError, match="takes a tensor"):
        K.is_keras_tensor(X)


def test_variable(place):
    w = K.variable(X.astype("float64"), name="w", constraint=abs)
    assert (K.int_shape(w), K.get_variable_shape(w), K.ndim(w)) == ((2, 3), (2, 3), 2)
    assert K.dtype(w) == "float32"
    assert K.count_params(w) == 6
    assert K.dtype(K.variable(X, dtype="float64")) == "float64"
    np.testing.assert_array_equal(K.get_value(w), X)
    K.set_value(w, X + 1)
    np.testing.assert_array_equal(K.eval(w), X + 1)
    with pytest.raises(ValueError, match="shape"):
        K.set_value(w, X[0])
    a = K.variable(0.0)
    K.batch_set_value([(a, 3.0), (w, 2 * X)])
    first, second = K.batch_get_value([a, w])
    assert first == 3.0
    np.testing.assert_array_equal(second, 2 * X)


def test_a_constraint_is_kept():
    with registry.use("jax"):
        assert K.variable(X, constraint=abs).constraint is abs


def test_making(place):
    for name, arguments, expected in (
        ("zeros", ((2, 3),), np.zeros((2, 3))),
        ("ones", ((2, 3),), np.ones((2, 3))),
        ("eye", (3,), np.eye(3)),
        ("constant", (X,), X),
        ("constant", (2.5, None, (2, 2)), np.full((2, 2), 2.5)),
        ("constant", ([1, 2, 3, 4], None, (2, 2)), np.array([[1, 2], [3, 4]])),
    ):
        made = getattr(K, name)(*arguments)
        found = K.eval(made)
        assert found.dtype == "float32"
        np.testing.assert_array_equal(found, expected)
        assert K.is_variable(made) == (name != "constant")
    assert K.dtype(K.zeros((2,), "int32")) == "int32"
    assert K.dtype(K.ones((2,), dtype="float64")) == "float64"
    assert K.dtype(K.eye(2, "float64")) == "float64"
    assert K.dtype(K.constant(1, "int32")) == "int32"


def test_arange(place):
    for arguments, kind in (((4,), "int32"), ((1, 7, 2), "int32"), ((3, 0, -1, "float32"), "f4")):
        found = K.eval(K.arange(*arguments))
        np.testing.assert_array_equal(found, np.arange(*arguments[:3]))
        assert found.dtype == kind


def test_sparse_matrices_become_dense(place):
    matrix = scipy.sparse.csr_matrix(X)
    assert K.is_sparse(matrix)
    assert not K.is_sparse(K.constant(X))
    np.testing.assert_array_equal(K.to_dense(matrix), X)
    np.testing.assert_array_equal(K.get_value(K.variable(matrix)), X)
    x = K.placeholder((None, 3), sparse=True)
    y = K.dot(x, K.variable(np.eye(3)))
    np.testing.assert_array_equal(K.function([x], [y])([matrix])[0], X)
    np.testing.assert_array_equal(K.eval(K.dot(matrix, K.constant(np.eye(3)))), X)


def test_sizes_may_stand_in_shapes(place):
    """Sizes that are not known before the graph is run, and arithmetic on them."""
    x = K.placeholder((None, 3))
    n = K.shape(x)[0]
    outputs = [
        K.zeros((n, 2)), K.ones((n * 2, K.shape(x)[1])), K.reshape(x, (K.shape(x)[1], n)),
        K.random_uniform((n, 4)), K.tile(x, (1, n)), K.random_normal(K.shape(x)), K.size(x),
        K.truncated_normal((n,)), K.random_binomial((n, 2), p=1.0),
    ]  # fmt: skip
    if place != "graph":  # there TensorFlow's own operators cut the shape into pieces
        assert K.int_shape(outputs[1]) == (None, 3)
    found = K.function([x], outputs)([X])
    shapes = [(2, 2), (4, 3), (3, 2), (2, 4), (2, 6), (2, 3), (), (2,), (2, 2)]
    assert [x.shape for x in found] == shapes
    np.testing.assert_array_equal(found[2], X.reshape(3, 2))
    np.testing.assert_array_equal(found[4], np.tile(X, (1, 2)))
    assert found[6] == 6


# ----------------------------------------------------------------------------------------- draws


def test_distributions(place):
    shape = (200, 50)
    normal = K.eval(K.random_normal(shape, mean=1.0, stddev=2.0))
    assert abs(normal.mean() - 1) < 0.1
    assert abs(normal.std() - 2) < 0.1
    uniform = K.eval(K.random_uniform(shape, minval=-1.0, maxval=3.0))
    assert uniform.min() >= -1
    assert uniform.max() < 3
    assert abs(uniform.mean() - 1) < 0.1
    whole = K.eval(K.random_uniform(shape, 0, 3, dtype="int32"))
    assert set(np.unique(whole)) == {0, 1, 2}
    truncated = K.eval(K.truncated_normal(shape, mean=1.0, stddev=0.5))
    assert abs(truncated - 1).max() <= 1.0
    assert abs(truncated.mean() - 1) < 0.05
    coins = K.eval(K.random_binomial(shape, p=0.3))
    assert set(np.unique(coins)) == {0.0, 1.0}
    assert abs(coins.mean() - 0.3) < 0.03


def test_variables_of_draws_are_equal_everywhere(place):
    keras.set_random_seed(4)
    normal = K.random_normal_variable((100, 30), 2.0, 0.5)
    uniform = K.random_uniform_variable((100, 30), -1.0, 1.0, seed=3)
    again = K.random_uniform_variable((100, 30), -1.0, 1.0, seed=3)
    np.testing.assert_array_equal(K.get_value(uniform), K.get_value(again))
    assert abs(K.get_value(normal).mean() - 2) < 0.05
    assert abs(K.get_value(normal).std() - 0.5) < 0.05
    assert abs(K.get_value(uniform)).max() <= 1
    with registry.use("jax"):
        keras.set_random_seed(4)
        there = K.get_value(K.random_normal_variable((100, 30), 2.0, 0.5))
    np.testing.assert_array_equal(K.get_value(normal), there)


def test_draws_of_a_graph_are_new_at_each_run(place):
    x = K.placeholder((50,))
    seeded = K.dropout(x, 0.5, seed=1)
    f = K.function([x], [K.dropout(x, 0.25), seeded, K.dropout(x, 0.5, noise_shape=(1,))])
    ones = np.ones(50, "float32")
    first, second = f([ones]), f([ones])
    assert set(np.unique(first[0])) <= {0.0, np.float32(4 / 3)}
    assert 0.5 < (first[0] > 0).mean() < 0.97
    assert (first[0] != second[0]).any()
    assert (first[1] != second[1]).any()
    assert len(set(first[2])) == 1
    with pytest.raises(ValueError, match="level"):
        K.dropout(x, 1.0)


# -------------------------------------------------------------------------------------- settings


def test_settings():
    assert (K.floatx(), K.epsilon(), K.image_data_format()) == ("float32", 1e-7, "channels_last")
    try:
        K.set_floatx("float64")
        K.set_epsilon(1e-3)
        K.set_image_data_format("channels_first")
        assert (K.floatx(), K.epsilon()) == ("float64", 1e-3)
        assert K.cast_to_floatx([1, 2]).dtype == "float64"
        assert K.normalize_data_format(None) == "channels_first"
    finally:
        K.set_floatx("float32")
        K.set_epsilon(1e-7)
        K.set_image_data_format("channels_last")
    assert K.normalize_data_format("Channels_First") == "channels_first"
    with pytest.raises(ValueError, match="channels"):
        K.normalize_data_format("rows")
    with pytest.raises(ValueError, match="floatx"):
        K.set_floatx("float8")


def test_the_configured_layout_counts(place):
    x = np.random.default_rng(0).normal(size=(1, 4, 4, 2)).astype("float32")
    kernel = np.ones((2, 2, 2, 3), "float32")
    last = K.eval(K.conv2d(x, kernel))
    K.set_image_data_format("channels_first")
    try:
        first = K.eval(K.conv2d(np.moveaxis(x, -1, 1).copy(), kernel))
    finally:
        K.set_image_data_format("channels_last")
    np.testing.assert_allclose(np.moveaxis(first, 1, -1), last, rtol=1e-5)


def test_the_engine(place):
    assert K.backend() == ("tensorflow" if place == "graph" else place)


def test_uids():
    K.reset_uids()
    assert [K.get_uid("a"), K.get_uid("a"), K.get_uid("b"), K.get_uid()] == [1, 2, 1, 1]
    K.reset_uids()
    assert K.get_uid("a") == 1


def test_name_scope():
    with registry.use("jax"), K.name_scope("outer"), K.name_scope("inner"):
        assert K.variable(0.0, name="w").path == "outer/inner/w"


def test_sessions(place, is_graph):
    if not is_graph:
        for call in (K.get_session, lambda: K.set_session(None)):
            with pytest.raises(EngineError, match=r"no sessions here.*tf\.Graph"):
                call()
        return
    import tensorflow as tf

    w = K.variable(X)
    np.testing.assert_array_equal(K.get_session().run(w), X)
    with tf.compat.v1.Session() as session:
        K.set_session(session)
        assert K.get_session() is session


def test_manual_initialization(place, is_graph):
    K.manual_variable_initialization(True)
    try:
        w = K.variable(X)
        if is_graph:
            import tensorflow as tf

            with pytest.raises(tf.errors.FailedPreconditionError):
                K.get_session().run(w)
            K.get_session().run(tf.compat.v1.global_variables_initializer())
        np.testing.assert_array_equal(K.get_value(w), X)
    finally:
        K.manual_variable_initialization(False)


def test_control_dependencies(place, is_graph):
    w = K.variable(1.0)
    if not is_graph:
        with K.control_dependencies([w]):
            assert K.eval(K.square(w)) == 1.0
        return
    with K.control_dependencies([K.update(w, 5.0).op]):
        after = K.identity(K.constant(2.0))
    assert K.get_session().run(after) == 2.0
    assert K.get_value(w) == 5.0


def test_clear_session(place):
    K.get_uid("something")
    K.set_learning_phase(1)
    K.clear_session()
    assert K.get_uid("something") == 1
    assert not isinstance(K.learning_phase(), int)


def test_print_tensor(place, capfd):
    x = K.placeholder((2,))
    f = K.function([x], [K.print_tensor(x, "value:") * 2.0])
    np.testing.assert_array_equal(f([np.array([3.0, 4.0])])[0], [6.0, 8.0])
    out = capfd.readouterr().out
    assert "value:" in out
    assert "3" in out


def test_dense_labels(place):
    labels = np.array([[1, 2, 3], [4, 5, 6]], "int32")
    found = K.ctc_label_dense_to_sparse(K.constant(labels, "int32"), K.constant([2, 1], "int32"))
    indices, values, shape = map(K.eval, found)
    np.testing.assert_array_equal(indices, [[0, 0], [0, 1], [1, 0]])
    np.testing.assert_array_equal(values, [1, 2, 4])
    np.testing.assert_array_equal(shape, [2, 3])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: K.repeat(K.expand_dims(x), 2), "two axes"),
        (lambda x: K.slice(x, (0,), (1,)), "one start and one size"),
        (lambda x: K.tile(x, (2,)), "one number for each"),
        (lambda x: K.batch_dot(x, x, axes=0), "batch's axis"),
        (lambda x: K.batch_dot(x, K.transpose(x), axes=(1, 1)), "different sizes"),
        (lambda x: K.bias_add(x, K.zeros((1, 1, 1))), "axes"),
        (lambda x: K.spatial_2d_padding(x), "pair"),
        (lambda x: K.resize_images(x, 2, 2, "channels_last", "cubic"), "interpolation"),
        (lambda x: K.pool2d(x, (2, 2), pool_mode="sum"), "pool_mode"),
        (lambda x: K.rnn(lambda x, s: (x, s), x, []), "time"),
        (lambda x: K.set_learning_phase(3), "0 .test"),
    ],
)
def test_clear_errors(call, message):
    with registry.use("jax"), pytest.raises(ValueError, match=message):
        call(K.placeholder((2, 3)))
