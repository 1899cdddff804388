"""What is not values: errors, kinds of input, the gradient at ties, random draws, control flow."""

import numpy as np
import pytest

from tests.oracle import array
from tricorn import activations, config, ops, random
from tricorn.graph.symbolic import SymbolicTensor
from tricorn.graph.transforms import grad
from tricorn.ops import random as draws
from tricorn.variable import Variable

X = np.arange(12, dtype="float32").reshape(3, 4)

BAD = {
    "add": (lambda: ops.add(X, np.ones(3, "float32")), r"add.*\(3, 4\).*\(3,\)"),
    "matmul": (lambda: ops.matmul(X, X), r"matmul.*\(3, 4\) x \(3, 4\)"),
    "sum": (lambda: ops.sum(X, 2), r"axis 2 is out of range for rank 2.*\(3, 4\)"),
    "twice": (lambda: ops.sum(X, (0, -2)), "names an axis twice"),
    "axis": (lambda: ops.max(X, 1.5), "axis must be an integer, got 1.5"),
    "reshape": (lambda: ops.reshape(X, (5, -1)), r"reshape: .*\(3, 4\).*\(5, -1\)"),
    "concatenate": (lambda: ops.concatenate([X, X[:, :2]]), r"concatenate.*\(3, 4\), \(3, 2\)"),
    "stack": (lambda: ops.stack([X, X[0]]), r"stack.*\(3, 4\), \(4,\)"),
    "split": (lambda: ops.split(X, 3, 1), r"axis 1 of the shape \(3, 4\).*3 equal parts"),
    "squeeze": (lambda: ops.squeeze(X, 0), r"squeeze: axis 0 of the shape \(3, 4\)"),
    "take": (lambda: ops.take(X, X), "indices must be integers, got float32"),
    "conv": (lambda: ops.conv(X[None], np.ones((2, 3, 5), "f4")), "4 channels.*for 3"),
    "padding": (lambda: ops.max_pool(X[None], 2, padding="full"), "'valid' or 'same'.*'full'"),
    "rank": (lambda: ops.max_pool(X, 2), r"rank 3 to 5\) expected, got \(3, 4\)"),
    "window": (lambda: ops.max_pool(X[None], 5), "the window does not fit"),
    "strides": (
        lambda: ops.max_pool(X[None], 2, (1, 1)),
        "strides must be a positive integer or 1",
    ),
    "crossentropy": (lambda: ops.categorical_crossentropy(X[0], X), r"\(4,\) and \(3, 4\)"),
    "sparse": (lambda: ops.sparse_categorical_crossentropy(X, X), "one-hot targets need"),
    "attention": (lambda: ops.dot_product_attention(X, X, X), "batch, length, heads, depth"),
    "where": (lambda: ops.where(X > 0, X), "both x1 and x2"),
    "pad": (lambda: ops.pad(X, 1, "edge"), "'edge'"),
    "dtype": (lambda: ops.cast(X, "float12"), "unknown dtype 'float12'"),
    "ragged": (lambda: ops.convert_to_tensor([[1.0], [1.0, 2.0]]), "inhomogeneous|same length"),
    "norm": (lambda: ops.norm(X, "nope", (0, 1)), "'nope' is not an order"),
    "einsum": (lambda: ops.einsum("ij,jk->ik", X, X), "einsum.*'j'.*lengths 3 and 4"),
    "rate": (lambda: draws.dropout(X, 1.5), r"rate must be in \[0, 1\], got 1.5"),
    "randint": (lambda: draws.randint((2,), 0, 3, "float32"), "integer dtype expected"),
    "top_k": (lambda: ops.top_k(X, 9), "k=9"),
    "activation": (lambda: activations.get("relo"), "'relo' is not known; known: .*relu"),
    "kind": (lambda: activations.get(3), "identifier: 3 .of type int."),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case):
    call, message = BAD[case]
    with pytest.raises((ValueError, TypeError, IndexError), match=f"(?s){message}"):
        call()


def test_the_op_is_named():
    with pytest.raises(ValueError) as caught:
        ops.softmax(X, 4)
    assert "in the op softmax" in caught.value.__notes__


def test_symbolic_errors_are_the_same():
    with pytest.raises(ValueError, match=r"matmul.*\(None, 4\) x \(3, 4\)"):
        ops.matmul(SymbolicTensor((None, 4)), X)


@pytest.mark.parametrize("kind", [np.array, np.ndarray.tolist, ops.convert_to_tensor, Variable])
def test_kinds_of_input(kind):
    value = kind(X)
    np.testing.assert_array_equal(array(ops.add(value, 1)), X + 1)
    np.testing.assert_array_equal(array(ops.sum(x=value, axis=0)), X.sum(0))


def test_list_of_tensors_is_one_tensor():
    assert ops.shape(ops.sum([ops.convert_to_tensor(X)] * 2, 0)) == (3, 4)
    assert ops.sum([SymbolicTensor((None, 4)), SymbolicTensor((None, 4))], 0).shape == (None, 4)


@pytest.mark.parametrize("name", ["concatenate", "stack", "hstack", "vstack", "dstack"])
@pytest.mark.parametrize("rows", [[[1, 2], [3, 4]], [[1.0, 2.0], [3, 4]], [[[1.0]], [[2.0]]]])
def test_lists_of_sequences_are_lists_of_tensors(name, rows):
    found = array(getattr(ops, name)(rows))
    np.testing.assert_array_equal(found, getattr(np, name)(rows))
    np.testing.assert_array_equal(found, array(getattr(ops, name)([ops.array(x) for x in rows])))


def test_several_sequences_are_several_tensors():
    assert float(array(ops.einsum("i,i->", [1.0, 2.0], [3, 4]))) == 11.0
    for found, expected in zip(ops.meshgrid([1, 2], [3, 4]), np.meshgrid([1, 2], [3, 4])):
        np.testing.assert_array_equal(array(found), expected)
    chosen = ops.select([[True, False], [True, True]], [[1.0, 2.0], [3.0, 4.0]])
    np.testing.assert_array_equal(array(chosen), [1.0, 4.0])


def test_python_operators_of_symbolic_tensors():
    x = SymbolicTensor((None, 4))
    for result in (x + 1, 2.0 * x, x @ np.ones((4, 4), "f4"), -x, x**2, abs(x), 1 / x, x % 2):
        assert (result.shape, result.dtype) == ((None, 4), "float32")
    assert (x > 0).dtype == (x <= x).dtype == "bool"
    assert x[:, 1].shape == (None,)
    assert x[:, None, ::2].shape == (None, 1, 2)


@pytest.mark.parametrize("fn, at, expected", [
    (ops.relu, 0.0, 0.0),
    (lambda x: ops.maximum(x, 1.0), 1.0, 0.5),
    (lambda x: ops.minimum(1.0, x), 1.0, 0.5),
    (ops.abs, 0.0, 0.0),
    (lambda x: ops.clip(x, 0.0, 1.0), 1.0, 1.0),
    (ops.softplus, 0.0, 0.5),
    (lambda x: ops.max(ops.stack([x, x * 0 + 1.0])), 1.0, 0.5),
])  # fmt: skip
def test_gradients_at_ties(fn, at, expected):
    assert float(array(grad(lambda x: ops.sum(fn(x)))(np.float32(at)))) == expected


def test_crossentropy_clips_with_epsilon():
    ones = np.array([[1.0, 0.0]], "float32")
    loss = array(ops.binary_crossentropy(ones[:, ::-1].copy(), ones))
    np.testing.assert_allclose(loss, -np.log(config.epsilon()), rtol=0.02)
    assert np.isfinite(array(ops.categorical_crossentropy(ones[:, ::-1].copy(), ones))).all()


def test_labels_outside_give_no_loss():
    logits = np.array([[1.0, 2.0], [3.0, -np.inf]], "float32")
    loss = ops.sparse_categorical_crossentropy(np.array([-1, 0]), logits, True)
    assert array(loss).tolist() == [0.0, 0.0]


def test_creation_records_nothing_outside_layers(engine):
    assert engine.is_tensor(ops.zeros((2, 3)))


# ------------------------------------------------------------------------------------------ draws

DRAWS = {
    "uniform": (lambda s: draws.uniform((20000,), -1, 3, seed=s), 1.0, 16 / 12),
    "normal": (lambda s: draws.normal((20000,), 2.0, 0.5, seed=s), 2.0, 0.25),
    "truncated_normal": (lambda s: draws.truncated_normal((20000,), seed=s), 0.0, 0.7737),
    "randint": (lambda s: ops.cast(draws.randint((20000,), 0, 5, seed=s), "float32"), 2.0, 2.0),
    "gamma": (lambda s: draws.gamma((20000,), 3.0, seed=s), 3.0, 3.0),
    "beta": (lambda s: draws.beta((20000,), 2.0, 3.0, seed=s), 0.4, 0.04),
    "binomial": (lambda s: draws.binomial((20000,), 9, 0.7, seed=s), 6.3, 1.89),
    "dropout": (lambda s: draws.dropout(np.ones(20000, "f4"), 0.25, seed=s), 1.0, 1 / 3),
    "categorical": (lambda s: ops.cast(draws.categorical(
        np.log(np.array([[0.2, 0.8]], "f4")), 20000, seed=s), "float32"), 0.8, 0.16),
}  # fmt: skip


@pytest.mark.parametrize("name", DRAWS)
def test_moments_of_draws(name):
    draw, mean, variance = DRAWS[name]
    values = array(draw(5)).astype("float64")
    tolerance = 5 * np.sqrt(variance / values.size)
    assert abs(values.mean() - mean) < tolerance
    assert abs(values.var() / variance - 1) < 0.1


@pytest.mark.parametrize("name", DRAWS)
def test_seeds(name):
    """An int gives the same draw, a generator a new one each time, in the order of its seed."""
    draw = DRAWS[name][0]
    same = lambda a, b: np.array_equal(array(a), array(b))
    assert same(draw(3), draw(3))
    assert not same(draw(3), draw(4))
    first, second = random.SeedGenerator(1), random.SeedGenerator(1)
    a, b = draw(first), draw(first)
    assert not same(a, b)
    assert same(a, draw(second))
    assert same(b, draw(second))
    assert not same(draw(None), draw(None))


def test_symbolic_draws_leave_the_generator_alone():
    generator = random.SeedGenerator(1)
    x = draws.dropout(SymbolicTensor((None, 4)), 0.5, seed=generator)
    assert x.shape == (None, 4)
    assert generator.state.numpy().tolist() == [1, 0]


def test_shuffle_and_noise_shape():
    shuffled = array(draws.shuffle(X, seed=2))
    assert sorted(shuffled.tolist()) == X.tolist()
    rows = array(draws.dropout(np.ones((50, 3), "f4"), 0.5, (None, 1), seed=1))
    assert ((rows == 0).all(1) | (rows == 2).all(1)).all()
    assert array(draws.dropout(X, 0.0)).tolist() == X.tolist()
    assert not array(draws.dropout(X, 1.0)).any()


# ------------------------------------------------------------------------------------ control flow


def test_control_flow():
    assert int(ops.fori_loop(0, 5, lambda i, total: total + i, 0)) == 10
    result = ops.while_loop(lambda i, s: i < 4, lambda i, s: (i + 1, s * 2), (0, 1))
    assert [int(v) for v in result] == [4, 16]
    (bare,) = ops.while_loop(lambda v: ops.sum(v) < 9, lambda v: v + 1.0, (np.zeros(3, "f4"),))
    assert array(bare).tolist() == [3.0] * 3  # one variable may come back without its tuple
    carry, ys = ops.scan(lambda c, x: (c + x, c * x), 0.0, np.arange(4, dtype="f4"))
    assert (float(carry), array(ys).tolist()) == (6.0, [0.0, 0.0, 2.0, 9.0])
    assert float(ops.cond(X[0, 0] == 0, lambda: 1.0, lambda: 2.0)) == 1.0
    assert float(ops.switch(2, [lambda x: x, lambda x: -x, lambda x: x * 3], 2.0)) == 6.0
    np.testing.assert_array_equal(array(ops.vectorized_map(ops.sum, X)), X.sum(1))
    np.testing.assert_array_equal(array(ops.map(ops.sum, X)), X.sum(1))


# ------------------------------------------------------------------------------------- activations


def test_activations_by_name():
    """Every name of Keras is here, gives what Keras gives, and comes back from its config."""
    import keras

    x = np.linspace(-7, 7, 40, dtype="float32").reshape(4, 10)
    names = {k for k, v in vars(keras.activations).items() if callable(v) and k[0] != "_"}
    for name in sorted(names - {"get", "serialize", "deserialize", "threshold", "sparsemax"}):
        ours, theirs = activations.get(name), getattr(keras.activations, name)
        np.testing.assert_allclose(array(ours(x)), array(theirs(x)), atol=1e-5)
        assert activations.serialize(ours) == keras.activations.serialize(theirs)
        assert activations.deserialize(activations.serialize(ours)) is ours


@pytest.mark.parametrize(
    "args", [(0.1,), (0.0, 6.0), (0.0, 3.0), (0.2, 4.0, 1.0), (0.0, None, 1.0)]
)
def test_relu_arguments(args):
    import keras

    x = np.linspace(-7, 7, 29, dtype="float32")
    ours, theirs = activations.relu(x, *args), keras.activations.relu(x, *args)
    np.testing.assert_allclose(array(ours), array(theirs), atol=1e-6)
    assert activations.relu(SymbolicTensor((None, 4)), *args).shape == (None, 4)
