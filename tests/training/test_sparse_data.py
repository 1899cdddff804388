"""Sparse matrices and tensors given to fit, evaluate and predict: as if they were dense, though
never more than a batch of them is."""

import jax
import numpy as np
import pytest
import scipy.sparse as sp

import tricorn as keras
from tests.oracle import array
from tricorn import layers, ops
from tricorn.training.sparse_rows import SparseRows, sparse_rows

pytestmark = pytest.mark.heavy

RNG = np.random.RandomState(0)
X = (RNG.rand(20, 6) * (RNG.rand(20, 6) < 0.3)).astype("float32")
Y = X.sum(1, keepdims=True)


def made(kind="functional"):
    keras.utils.set_random_seed(1)
    if kind == "functional":
        x = keras.Input((6,), sparse=True)
        model = keras.Model(x, layers.Dense(1)(layers.Dense(3, "relu")(x)))
    elif kind == "sequential":
        model = keras.Sequential([layers.Dense(3, "relu"), layers.Dense(1)])
    else:

        class Own(keras.Model):
            def __init__(self):
                super().__init__()
                self.first, self.second = layers.Dense(3, "relu"), layers.Dense(1)

            def call(self, x):
                return self.second(self.first(ops.multiply(x, 2.0)))

        model = Own()
    model.compile("sgd", "mse", metrics=["mae"])
    return model


def ran(model, x, y=Y, **options):
    options = {"batch_size": 8, "shuffle": False, **options}
    history = model.fit(x, y, epochs=2, verbose=0, **options).history
    size = {"batch_size": 8} if y is not None else {}
    results = model.evaluate(x, y, verbose=0, **size)
    return [history["loss"], history["mae"], results, model.predict(x, verbose=0, **size)]


def agree(found, want):
    for ours, theirs in zip(found, want, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", ["functional", "sequential", "own"])
def test_matrices(kind):
    want = ran(made(kind), X)
    for form in (sp.csr_matrix, sp.coo_matrix, sp.csc_array):
        agree(ran(made(kind), form(X.astype("float64"))), want)


SOURCES = {
    "tensor": lambda part: ops.convert_to_tensor(sp.coo_array(part)),
    "matrix": sp.csr_matrix,
    "of JAX": jax.experimental.sparse.BCOO.fromdense
    if hasattr(jax.experimental, "sparse")
    else sp.csr_matrix,
}


class Batches(keras.utils.PyDataset):
    def __init__(self, make):
        super().__init__()
        self.make = make

    def __len__(self):
        return 4

    def __getitem__(self, i):
        rows = slice(5 * i, 5 * i + 5)
        return self.make(X[rows]), Y[rows]


@pytest.mark.parametrize("name", SOURCES)
def test_tensors_and_sources_of_them(name):
    make = SOURCES[name]
    want = ran(made(), X, batch_size=5)
    agree(ran(made(), make(X), batch_size=5)[:2], want[:2])
    history = made().fit(Batches(make), epochs=2, verbose=0).history
    agree([history["loss"], history["mae"]], want[:2])
    history = made().fit((b for _ in range(2) for b in Batches(make)), steps_per_epoch=4, epochs=2,
                         verbose=0).history  # fmt: skip
    agree([history["loss"]], want[:1])


@pytest.mark.engine("tensorflow")
def test_pipelines():
    import tensorflow as tf

    data = tf.data.Dataset.from_tensor_slices((tf.sparse.from_dense(X), Y)).batch(5)
    want = ran(made(), X, batch_size=5)
    history = made().fit(data, epochs=2, verbose=0).history
    agree([history["loss"], history["mae"]], want[:2])


OPTIONS = {
    "weights": {"sample_weight": np.arange(20.0)},
    "validation_split": {"validation_split": 0.25},
    "validation_data": {"validation_data": (sp.csr_matrix(X), Y)},
    "steps": {"steps_per_epoch": 3},
}


@pytest.mark.parametrize("name", OPTIONS)
def test_options(name):
    found, want = made(), made()
    given = {"batch_size": 8, "shuffle": False, "epochs": 2, "verbose": 0, **OPTIONS[name]}
    ours = found.fit(sp.csr_matrix(X), Y, **given).history
    given.update({"validation_data": (X, Y)} if "validation_data" in given else {})
    theirs = want.fit(X, Y, **given).history
    assert ours.keys() == theirs.keys()
    agree(ours.values(), theirs.values())


def test_shuffled_and_run_line_by_line():
    histories = []
    for x in (X, sp.csr_matrix(X)):
        for eagerly in (False, True):
            model = made()
            model.compile("sgd", "mse", run_eagerly=eagerly)
            histories.append(model.fit(x, Y, batch_size=8, verbose=0, epochs=2).history["loss"])
    agree(histories, [histories[0]] * 4)


def test_single_batches():
    matrix = sp.csr_matrix(X)
    ours, theirs = made(), made()
    agree([ours.train_on_batch(matrix, Y)], [theirs.train_on_batch(X, Y)])
    agree([ours.test_on_batch(matrix, Y)], [theirs.test_on_batch(X, Y)])
    agree([ours.predict_on_batch(matrix)], [theirs.predict_on_batch(X)])
    agree([array(ours(matrix))], [array(theirs(X))])


def test_several_inputs_of_which_some_are_sparse():
    inputs = [keras.Input((6,), sparse=True, name=name) for name in "ab"]
    outputs = layers.Dense(1, kernel_initializer="ones")(layers.Concatenate()(inputs))
    model = keras.Model(inputs, outputs)
    model.compile("sgd", "mse")
    want = model.evaluate([X, X], Y, verbose=0)
    for x in ([sp.csr_matrix(X), X], {"a": X, "b": sp.csr_matrix(X)}):
        np.testing.assert_allclose(model.evaluate(x, Y, verbose=0), want, rtol=1e-6)


def test_files_and_copies(tmp_path):
    model = made()
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for copy in (
        loaded,
        keras.models.clone_model(model),
        keras.Model.from_config(model.get_config()),
    ):
        assert copy.inputs[0].sparse
    matrix = sp.csr_matrix(X)
    agree([loaded.predict(matrix, verbose=0)], [model.predict(matrix, verbose=0)])


def test_sparse_outputs_and_encoders():
    x = keras.Input((6,), sparse=True)
    model = keras.Model(x, layers.Activation("relu")(x))
    np.testing.assert_array_equal(model.predict(sp.csr_matrix(X), verbose=0), X)
    x = keras.Input((3,), dtype="int32")
    hot = layers.CategoryEncoding(4, output_mode="count", sparse=True)(x)
    model = keras.Model(x, layers.Dense(1, kernel_initializer="ones")(hot))
    model.compile("sgd", "mse")
    data = np.array([[0, 1, 1], [2, 3, 3]])
    history = model.fit(data, np.ones((2, 1)), verbose=0).history
    np.testing.assert_allclose(history["loss"], [4.0], rtol=1e-6)


def test_nothing_but_batches_is_dense():
    """The whole would be 40 GB."""
    wide = sp.csr_matrix(([1.0, 2.0], ([0, 90_000], [5, 99_999])), shape=(100_000, 100_000))
    model = keras.Sequential([layers.Dense(1, kernel_initializer="ones")])
    model.compile("sgd", "mse")
    found = model.predict(wide, batch_size=2, steps=2, verbose=0)
    np.testing.assert_array_equal(found[:, 0], [1, 0, 0, 0])
    model.fit(wide, np.zeros(100_000), batch_size=2, steps_per_epoch=2, verbose=0)


def test_rows():
    cube = np.where(RNG.rand(5, 3, 2) < 0.4, RNG.rand(5, 3, 2), 0).astype("float32")
    rows = sparse_rows(ops.convert_to_tensor(sp.coo_array(cube)))
    assert isinstance(rows, SparseRows)
    assert (rows.shape, rows.ndim, len(rows), rows.dtype) == ((5, 3, 2), 3, 5, np.float32)
    for part in (slice(1, 4), slice(0, 0), [4, 0, 4], np.array([2])):
        np.testing.assert_array_equal(rows[part].dense(), cube[part])
        np.testing.assert_array_equal(rows[part][::-1].dense(), cube[part][::-1])
    assert sparse_rows(cube) is None
