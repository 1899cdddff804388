"""Ops and layers on the engines' sparse tensors: values are those of dense ones, and where Keras's
results are sparse, so are ours."""

import numpy as np
import pytest
import scipy.sparse

import tricorn as keras
from tests.oracle import array, quick
from tricorn import layers, ops
from tricorn.graph import op as op_module

pytestmark = pytest.mark.heavy

A = np.array([[1, 0, 0, -2], [0, 3, 0, 0], [0, 0, 0, 4]], "float32")
B = np.array([[0, 5, 0, 1], [0, 3, 0, 0], [7, 0, 0, 0]], "float32")
CUBE = np.stack([A, B])
W = np.arange(8, dtype="float32").reshape(4, 2)


def sparse(x):
    """A sparse tensor of the active engine, made of its entries."""
    return ops.convert_to_tensor(scipy.sparse.coo_array(x))


ELEMENTWISE = {
    True: [
        "abs", "arcsin", "arcsinh", "arctan", "arctanh", "ceil", "conj", "copy", "erf", "expm1",
        "floor", "isinf", "isnan", "log1p", "negative", "real", "relu", "relu6", "round", "sign",
        "signbit", "silu", "sin", "sinh", "sqrt", "square", "tan", "tanh", "leaky_relu", "elu",
        "selu",
    ],
    False: [
        "arccos", "arccosh", "cos", "cosh", "exp", "isfinite", "log", "log10", "log2",
        "reciprocal", "sigmoid", "softplus", "softmax", "logical_not", "ones_like",
    ],
}  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("stays", [True, False])
def test_of_one(engine, stays):
    for name in ELEMENTWISE[stays]:
        fn, x = getattr(ops, name), np.where(A == 0, 0, A / 4).astype("float32")
        found = fn(sparse(x))
        if engine.name != "torch" or not stays:  # some of its functions give dense ones
            assert engine.is_sparse(found) is stays, name
        np.testing.assert_allclose(array(found), array(fn(x)), rtol=1e-6, err_msg=name)
        symbolic = fn(keras.KerasTensor((None, 4), sparse=True))
        assert symbolic.sparse is stays, name


#: op -> for which pairs of sparse (s), dense (d) tensors and numbers (n) the result is sparse
PAIRS = {
    "add": ["ss"], "subtract": ["ss"], "maximum": ["ss"], "minimum": ["ss"],
    "multiply": ["ss", "sd", "ds", "sn", "ns", "sv"], "divide": ["sn"], "true_divide": ["sn"],
    "power": [], "mod": [], "equal": [], "greater": [], "logical_and": [], "arctan2": [],
}  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", PAIRS)
def test_of_two(engine, name):
    fn = getattr(ops, name)
    given = {"s": (sparse, A), "d": (np.asarray, A), "n": (float, 2.0), "v": (np.asarray, W[0:1])}
    for kinds in ("ss", "sd", "ds", "sn", "ns", "sv"):
        (make, x), (convert, y) = (given[kind] for kind in kinds)
        y = B if y is A else np.ones(4, "float32") * 2 if kinds[1] == "v" else y
        found, want = quick(fn)(make(x), convert(y)), array(fn(x, y))
        if kinds in PAIRS[name] or engine.name != "torch":  # which has products of its own
            assert engine.is_sparse(found) is (kinds in PAIRS[name]), kinds
        np.testing.assert_allclose(array(found), want, rtol=1e-6, err_msg=kinds)


SHAPES = {
    "reshape": lambda x: ops.reshape(x, (4, -1)),
    "transpose": ops.transpose,
    "expand_dims": lambda x: ops.expand_dims(x, (0, -1)),
    "squeeze": lambda x: ops.squeeze(ops.expand_dims(x, 1), 1),
    "concatenate": lambda x: ops.concatenate([x, x, x], -1),
    "concatenate rows": lambda x: ops.concatenate([x, x], 0),
    "cast": lambda x: ops.cast(x, "int32"),
    "cast to bool": lambda x: ops.cast(x, "bool"),
    "sum": lambda x: ops.sum(x, 0),
    "sum, keepdims": lambda x: ops.sum(x, 1, keepdims=True),
    "mean": lambda x: ops.mean(x, axis=-1),
}


@pytest.mark.parametrize("name", SHAPES)
def test_shapes_and_sums(engine, name):
    for x in (A, CUBE):
        found = quick(SHAPES[name])(sparse(x))
        assert engine.is_sparse(found)
        np.testing.assert_allclose(array(found), array(SHAPES[name](x)), rtol=1e-6)
        known = SHAPES[name](keras.KerasTensor(x.shape, sparse=True))
        assert known.sparse
        assert tuple(known.shape) == array(found).shape


DENSE = {
    "matmul": lambda x: ops.matmul(x, W),
    "matmul of a vector": lambda x: ops.matmul(x, W[:, 0]),
    "matmul, sparse second": lambda x: ops.matmul(W.T, ops.transpose(x)),
    "matmul of both": lambda x: ops.matmul(x, ops.transpose(x)),
    "einsum": lambda x: ops.einsum("ij,jk->ik", x, W),
    "sum of all": ops.sum,
    "max": lambda x: ops.max(x, 1),
    "argmax": lambda x: ops.argmax(x, 1),
    "stack": lambda x: ops.stack([x, x]),
    "where": lambda x: ops.where(ops.greater(x, 0), x, -1.0),
    "take": lambda x: ops.take(W, ops.mod(ops.cast(ops.abs(x), "int32"), 4), axis=0),
    "wrong zeros": lambda x: ops.digitize(x, np.array([0.0, 2.0])),
}


@pytest.mark.parametrize("name", DENSE)
def test_what_is_dense(name):
    found = quick(DENSE[name])(sparse(A))
    np.testing.assert_allclose(array(found), array(DENSE[name](A)), rtol=1e-6)


def test_a_product_with_more_axes():
    np.testing.assert_allclose(array(ops.matmul(sparse(CUBE), W)), CUBE @ W)
    with pytest.raises(ValueError, match="matmul"):
        ops.matmul(sparse(A), W[:3])


def test_conversion(engine):
    x = sparse(A)
    assert ops.is_tensor(x)
    assert ops.shape(x) == (3, 4)
    assert ops.ndim(x) == 2
    np.testing.assert_array_equal(ops.convert_to_numpy(x), A)
    assert not engine.is_sparse(ops.convert_to_tensor(x, sparse=False))
    half = ops.convert_to_tensor(x, "float16", sparse=True)
    assert engine.is_sparse(half)
    assert array(half).dtype == np.float16
    np.testing.assert_array_equal(array(ops.convert_to_tensor(A, sparse=True)), A)


@pytest.mark.engine("jax")
def test_entries_that_add_up_and_lie_outside():
    """What JAX allows: several entries of one place, room for more, and axes that are dense."""
    from jax.experimental.sparse import BCOO

    twice = BCOO((np.array([1.0, 2.0, 5.0]), np.array([[0, 0], [0, 0], [2, 2]])), shape=(2, 2))
    expected = np.array([[9, 0], [0, 0]], "float32")
    np.testing.assert_array_equal(array(quick(ops.square)(twice)), expected)
    np.testing.assert_array_equal(
        array(quick(lambda x: ops.sum(ops.concatenate([x, x], 0), 0))(twice)), [6, 0]
    )
    rows = BCOO(([[1.0, 2.0]], [[[0], [2]]]), shape=(2, 3))
    np.testing.assert_array_equal(array(quick(ops.maximum)(rows, rows)), [[1, 0, 2], [1, 0, 2]])


CLASSES = {
    "one_hot": lambda **o: ops.one_hot(np.array([[0, 2], [1, -1]]), 3, **o),
    "one_hot, first axis": lambda **o: ops.one_hot(np.array([[0, 2], [1, 1]]), 3, axis=0, **o),
    "one_hot of integers": lambda **o: ops.one_hot(np.array([0, 2]), 3, dtype="int32", **o),
    "multi_hot": lambda **o: ops.multi_hot(np.array([[0, 2], [1, 1]]), 4, **o),
    "multi_hot of one": lambda **o: ops.multi_hot(np.array([0, 2]), 4, **o),
    "bincount": lambda **o: ops.bincount(np.array([[0, 2, 2], [1, 1, 4]]), minlength=6, **o),
    "bincount of one": lambda **o: ops.bincount(np.array([0, 2, 2]), **o),
    "bincount, weights": lambda **o: ops.bincount(
        np.array([[0, 2], [1, 1]]), weights=np.array([[1, 2], [3, 4]], "float32"), **o
    ),
}


@pytest.mark.parametrize("name", CLASSES)
def test_classes(engine, name):
    make, known = CLASSES[name], "bincount" not in name  # whose length depends on the data
    found = quick(lambda: make(sparse=True))() if known else make(sparse=True)
    want = make()
    assert engine.is_sparse(found)
    assert array(found).dtype == array(want).dtype
    np.testing.assert_array_equal(array(found), array(want))


# ------------------------------------------------------------------------------------------ layers

LAYERS = {
    "Dense": (lambda: layers.Dense(2, "relu", kernel_initializer="ones"), False),
    "Identity": (layers.Identity, True),
    "Reshape": (lambda: layers.Reshape((2, 2)), True),
    "Flatten": (layers.Flatten, True),
    "Activation": (lambda: layers.Activation("tanh"), True),
    "Dropout": (lambda: layers.Dropout(0.5), True),
    "BatchNormalization": (layers.BatchNormalization, False),
    "Rescaling": (lambda: layers.Rescaling(2.0, 1.0), False),
    "mixed": (lambda: layers.Dense(2, kernel_initializer="ones", dtype="mixed_bfloat16"), False),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers(engine, name):
    make, stays = LAYERS[name]
    layer = make()
    found = layer(sparse(A))
    assert engine.is_sparse(found) is stays
    assert layer(keras.Input((4,), sparse=True)).sparse is stays
    np.testing.assert_allclose(
        array(found).astype("float32"), array(layer(A)).astype("float32"), rtol=1e-6
    )


MERGES = ["Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate"]


@pytest.mark.parametrize("name", MERGES)
def test_merges(engine, name):
    layer = getattr(layers, name)()
    for x, y in ((sparse(A), sparse(B)), (sparse(A), B), (A, sparse(B))):
        found = layer([x, y])
        both = engine.is_sparse(x) and engine.is_sparse(y)
        assert engine.is_sparse(found) is (both or name == "Multiply")
        np.testing.assert_allclose(array(found), array(layer([A, B])), rtol=1e-6)
    inputs = [keras.Input((4,), sparse=True) for _ in range(2)]
    assert layer(inputs).sparse


def test_embedding_of_sparse_indices():
    layer = layers.Embedding(5, 2)
    indices = np.array([[1, 0, 2], [0, 3, 0]])
    np.testing.assert_array_equal(array(layer(sparse(indices))), array(layer(indices)))


ENCODERS = {
    "CategoryEncoding": lambda **o: layers.CategoryEncoding(4, **o)(np.array([[0, 1], [3, 3]])),
    "Discretization": lambda **o: layers.Discretization([0.0, 2.0], **o)(np.array([[0.5], [3.0]])),
    "IntegerLookup": lambda **o: layers.IntegerLookup(vocabulary=[5, 6], **o)(np.array([[5], [9]])),
    "Hashing": lambda **o: layers.Hashing(3, **o)(np.array([[5], [9]])),
}


@pytest.mark.parametrize("mode", ["one_hot", "multi_hot", "count"])
@pytest.mark.parametrize("name", ENCODERS)
def test_encoders(engine, name, mode):
    found = ENCODERS[name](output_mode=mode, sparse=True)
    want = array(ENCODERS[name](output_mode=mode))
    assert engine.is_sparse(found)
    assert array(found).dtype == want.dtype
    np.testing.assert_array_equal(array(found), want)


def test_more_encoders(engine):
    counts = layers.CategoryEncoding(4, "count", sparse=True)
    assert counts.get_config()["sparse"]
    weights = np.array([[0.1, 0.2], [0.3, 0.4]])
    found = counts(np.array([[0, 1], [3, 3]]), count_weights=weights)
    np.testing.assert_allclose(array(found), [[0.1, 0.2, 0, 0], [0, 0, 0, 0.7]], rtol=1e-6)
    assert counts(keras.Input((2,), dtype="int32")).sparse
    text = layers.TextVectorization(vocabulary=["a", "b"], output_mode="count", sparse=True)
    np.testing.assert_array_equal(array(text(["a b a", "z"])), [[0, 2, 1], [1, 0, 0]])
    crossing = layers.HashedCrossing(3, output_mode="one_hot", sparse=True)
    assert engine.is_sparse(crossing((np.array([5, 9]), np.array([1, 2]))))
    with pytest.raises(ValueError, match="sparse"):
        layers.Hashing(3, sparse=True)


# ---------------------------------------------------------------------------------------- symbolic


def test_inputs():
    x = keras.Input((4,), sparse=True)
    assert x.sparse
    assert layers.InputLayer((4,), sparse=True).get_config()["sparse"]
    assert layers.InputLayer(input_tensor=x).sparse
    with pytest.raises(ValueError, match="sparse"):
        layers.InputLayer(input_tensor=x, sparse=False)
    with pytest.raises(ValueError, match="ragged"):
        keras.KerasTensor((2,), sparse=True, ragged=True)
    with pytest.raises(AttributeError):
        x.sparse = False
    with pytest.raises(ValueError, match="ragged"):
        keras.Input((4,), ragged=True)


def test_gradients_with_respect_to_weights(engine):
    """Of a layer on a sparse tensor they are those on a dense one."""
    layer = layers.Dense(2, kernel_initializer="ones")
    layer.build((None, 4))

    def gradients(x):
        with keras.GradientTape() as tape:
            loss = ops.sum(ops.square(layer(x)))
        return [array(g) for g in tape.gradient(loss, layer.trainable_variables)]

    for ours, theirs in zip(gradients(sparse(A)), gradients(A), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)


def test_rules_are_of_ops_that_exist():
    names = {name for name in op_module.SPARSE if not name.startswith("_")}
    assert names <= set(dir(ops)) | {"abs", "true_divide"}
