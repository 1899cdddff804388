"""Symbolic tensors where code asks for sizes, takes functions, or states shapes of its own: what a
functional model gives, beside Keras."""

import keras
import numpy as np
import pytest

import tricorn
from tests.oracle import array, cached
from tricorn import layers, ops, tree
from tricorn.graph.function import Function, update
from tricorn.variable import Variable

X = np.arange(1, 13, dtype="float32").reshape(3, 4)


def doubled(k):
    """A layer whose body computes with the number of its samples."""

    class Doubled(k.layers.Layer):
        def call(self, x):
            return k.ops.reshape(x, (k.ops.shape(x)[0] * 2, -1))

    return Doubled()


def counted(k):
    class Counted(k.layers.Layer):
        def call(self, x):
            n = k.ops.shape(x)[0]
            return k.ops.zeros((n + 1, 3)) + k.ops.cast(n, "float32")

    return Counted()


#: functions of a library and a symbolic tensor (None, 4)
GRAPHS = {
    "twice the samples": lambda k, x: doubled(k)(x),
    "one sample more": lambda k, x: counted(k)(x),
    "switch": lambda k, x: k.ops.switch(
        k.ops.cast(k.ops.max(x) > 3, "int32"), [lambda a: a + 1, lambda a: a * 3], x),
    "scan": lambda k, x: k.ops.scan(lambda c, a: (c + a, c * 2), k.ops.zeros((4,)), x),
    "map": lambda k, x: k.ops.map(lambda a: a * 2, x),
    "map captures": lambda k, x: k.ops.map(lambda a: a * 2, x) + k.ops.sum(x),
    "while_loop": lambda k, x: k.ops.while_loop(
        lambda a: k.ops.sum(a) < 1000, lambda a: a * 2, x),
    "while_loop, bounded": lambda k, x: k.ops.while_loop(
        lambda a: k.ops.sum(a) < 1000, lambda a: a * 2, x, maximum_iterations=2),
    "fori_loop": lambda k, x: k.ops.fori_loop(
        0, 3, lambda i, a: a + k.ops.cast(i, "float32"), x),
    "vectorized_map": lambda k, x: k.ops.vectorized_map(lambda a: a * k.ops.sum(a), x),
}  # fmt: skip


def model_of(k, graph):
    x = k.Input((4,))
    return k.Model(x, graph(k, x))


@cached
def of_keras(case):
    model = model_of(keras, GRAPHS[case])
    shapes = [tuple(x.shape) for x in tree.leaves(model.output)]
    return shapes, [np.asarray(x) for x in tree.leaves(model(X))]


def same(model, shapes, values):
    assert [tuple(x.shape) for x in tree.leaves(model.output)] == shapes
    for a, b in zip(tree.leaves(model(X)), values, strict=True):
        np.testing.assert_allclose(array(a), b, rtol=1e-6)


@pytest.mark.parametrize("case", GRAPHS)
def test_beside_keras(case):
    same(model_of(tricorn, GRAPHS[case]), *of_keras(case))


#: where Keras fails: function of x, shapes and values
OURS = {
    "cond": (
        lambda x: ops.cond(ops.sum(x) > 0, lambda: x + 1, lambda: x - 1), [(None, 4)], [X + 1]),
    "a counter": (
        lambda x: ops.while_loop(lambda i, a: i < 3, lambda i, a: (i + 1, a * 2), (0, x)),
        [(), (None, 4)], [3, X * 8]),
    "a loop in a loop": (
        lambda x: ops.map(lambda a: ops.fori_loop(0, 2, lambda i, b: b * 2, a), x),
        [(None, 4)], [X * 4]),
    "the number of elements": (
        lambda x: x * ops.cast(ops.size(x), "float32"), [(None, 4)], [X * 12]),
    "the number of axes": (lambda x: x * ops.ndim(x), [(None, 4)], [X * 2]),
    "a block to the end": (
        lambda x: ops.slice(x, (1, 2), (-1, -1)), [(None, 2)], [X[1:, 2:]]),
    "points": (
        lambda x: tuple(ops.split(x, [1, 2])), [(1, 4), (1, 4), (None, 4)], [X[:1], X[1:2], X[2:]]),
    "segments": (
        lambda x: ops.segment_sum(x, np.array([0, 0, 1])),
        [(None, 4)], [np.stack([X[0] + X[1], X[2]])]),
    "bytes": (lambda x: ops.view(x, "uint8"), [(None, 16)], [X.view("uint8")]),
    "methods": (
        lambda x: x.reshape((-1, 2, 1)).squeeze(-1), [(None, 2)], [X.reshape(6, 2)]),
}  # fmt: skip


@pytest.mark.parametrize("case", OURS)
def test_where_keras_fails(case):
    graph, shapes, values = OURS[case]
    same(model_of(tricorn, lambda k, x: graph(x)), shapes, values)


def test_a_function_on_symbolic_tensors():
    """Its calls become calls of the graph, so its layers belong to the model."""
    x, y = tricorn.Input((4,)), tricorn.Input((4,))
    dense = layers.Dense(2)
    f = Function(x, dense(x) * 2)
    model = tricorn.Model(y, f(y) + 1)
    assert dense in model.layers
    np.testing.assert_allclose(array(model(X)), array(dense(X) * 2 + 1), rtol=1e-6)
    with pytest.raises(ValueError, match="updates"):
        Function(x, x * 2, [update(Variable(0.0), ops.sum(x))])(y)
    with pytest.raises(ValueError, match=r"expects shape \(None, 4\)"):
        f(tricorn.Input((5,)))


class Stated(tricorn.layers.Layer):
    """Says of its output what is not so."""

    def call(self, x):
        return x

    def compute_output_shape(self, input_shape):
        return (input_shape[0], 99)


class NotRun(Stated):
    def call(self, x):
        raise RuntimeError("is not run on symbolic tensors")


class Several(tricorn.layers.Layer):
    def call(self, a, b):
        return a, {"sum": b}

    def compute_output_shape(self, a_shape, b_shape):
        return b_shape, {"sum": a_shape}


class Spec(tricorn.layers.Layer):
    def call(self, x):
        return x

    def compute_output_spec(self, x):
        return tricorn.KerasTensor((7, 8), "int32")


class Asks(Stated):
    """Its rule begins with the shape that is found by running it."""

    def compute_output_shape(self, input_shape):
        return (*super(Stated, self).compute_output_shape(input_shape)[:1], 5)


@pytest.mark.parametrize("layer, shapes, dtypes", [
    (Stated(), [(None, 99)], ["float32"]),
    (Stated(dtype="mixed_float16"), [(None, 99)], ["float16"]),
    (NotRun(), [(None, 99)], ["float32"]),
    (Spec(), [(7, 8)], ["int32"]),
    (Asks(), [(None, 5)], ["float32"]),
    (layers.Lambda(lambda x: x * 2, output_shape=(6,)), [(None, 6)], ["float32"]),
])  # fmt: skip
def test_a_layer_that_states_its_shapes(layer, shapes, dtypes):
    x = tricorn.Input((4,))
    found = tree.leaves(layer(x))
    assert [y.shape for y in found] == shapes
    assert [y.dtype for y in found] == dtypes
    assert [y.shape for y in tree.leaves(layer.compute_output_spec(x))] == shapes


def test_shapes_by_the_names_of_arguments():
    a, b = Several()(tricorn.Input((4,)), b=tricorn.Input((5,)))
    assert (a.shape, b["sum"].shape) == ((None, 5), (None, 4))


def test_a_rule_that_states_another_number_of_outputs():
    class Two(Stated):
        def compute_output_shape(self, input_shape):
            return [input_shape, input_shape]

    with pytest.raises(ValueError, match="it has 2 outputs.*its call gives 1"):
        Two()(tricorn.Input((4,)))


@pytest.mark.parametrize("dtype", ["int64", "float64"])
def test_wide_state_of_loops(dtype):
    """NumPy's own numbers keep their 64 bits through loops."""
    start = np.zeros(2, dtype)
    step = lambda i, s: ops.add(s, 1)
    assert ops.dtype(ops.fori_loop(0, 3, step, start)) == dtype
    assert array(ops.fori_loop(np.int64(0), np.int64(3), step, start)).tolist() == [3, 3]
    less = lambda s: ops.less(ops.sum(s), 9)
    assert ops.dtype(ops.while_loop(less, lambda s: ops.add(s, 1), start)) == dtype
    assert (
        ops.dtype(ops.scan(lambda c, x: (ops.add(c, x), c), start, np.ones((3, 2), dtype))[0])
        == dtype
    )


@pytest.mark.parametrize("num", [3, np.int64(3), "tensor"])
def test_numbers_of_points(num):
    num = ops.convert_to_tensor(3) if num == "tensor" else num
    assert array(ops.linspace(0, 1, num)).tolist() == [0, 0.5, 1]
    assert array(ops.logspace(0, 2, num)).tolist() == pytest.approx([1, 10, 100])


@pytest.mark.parametrize("name", [
    "cholesky", "cholesky_inverse", "det", "eig", "eigh", "inv", "logdet", "slogdet",
])  # fmt: skip
def test_matrices_that_are_not_square(name):
    with pytest.raises(ValueError, match=r"square matrices.*\(3, 4\)"):
        getattr(ops, name)(X)
