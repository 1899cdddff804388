"""Arrays in HDF5 files: `fit`, `evaluate` and `predict` read them batch by batch, with the numbers
of arrays in memory."""

import pickle

import h5py
import numpy as np
import pytest

import tricorn
from tricorn.training import adapters
from tricorn.utils import HDF5Matrix

X = np.random.default_rng(0).normal(size=(23, 4)).astype("float32")
Y = X @ np.array([[1.0], [2], [-1], [0.5]], "float32")


@pytest.fixture
def path(tmp_path):
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["x"], file["y"], file["numbers"] = X, Y, np.arange(23)
    return tmp_path / "data.h5"


@pytest.fixture
def data(path):
    with h5py.File(path, "r") as file:
        yield {
            "matrix": (HDF5Matrix(path, "x"), HDF5Matrix(path, "y")),
            "dataset": (file["x"], file["y"]),
            "one of them": (file["x"], Y),
            "part": (HDF5Matrix(path, "x", 3, 20), HDF5Matrix(path, "y", 3, 20)),
            "normalized": (HDF5Matrix(path, "x", normalizer=lambda x: x * 2), Y),
            "dict": ({"x": file["x"]}, Y),
        }


def model_of(x):
    tricorn.utils.set_random_seed(1)
    inputs = tricorn.Input((4,), name="x")
    model = tricorn.Model(
        {"x": inputs} if isinstance(x, dict) else inputs, tricorn.layers.Dense(1)(inputs)
    )
    model.compile("sgd", "mse")
    return model


def in_memory(x):
    return {"x": x["x"][:]} if isinstance(x, dict) else np.asarray(x)


@pytest.mark.filterwarnings("ignore:the data ended")
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"shuffle": False},
        {"validation_split": 0.3},
        {"validation_split": 0.3, "validation_batch_size": 2},
        {"steps_per_epoch": 2},
    ],
    ids=str,
)
def test_training_is_that_on_arrays(data, settings):
    for name, (x, y) in data.items():
        if name != "matrix" and settings:
            continue
        results = []
        for pair in ((x, y), (in_memory(x), np.asarray(y))):
            model = model_of(x)
            history = model.fit(*pair, batch_size=5, epochs=3, verbose=0, **settings).history
            results.append((history, model.get_weights()))
        (history, weights), (wanted, wanted_weights) = results
        assert set(history) == set(wanted), name
        for key in wanted:
            np.testing.assert_allclose(history[key], wanted[key], rtol=1e-5, err_msg=name)
        for a, b in zip(weights, wanted_weights):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6, err_msg=name)


def test_evaluate_and_predict(data):
    for x, y in data.values():
        model, memory = model_of(x), in_memory(x)
        wanted = model.evaluate(memory, np.asarray(y), batch_size=6, verbose=0)
        np.testing.assert_allclose(model.evaluate(x, y, batch_size=6, verbose=0), wanted, rtol=1e-5)
        found = model.predict(x, batch_size=6, verbose=0)
        np.testing.assert_allclose(found, model.predict(memory, verbose=0), rtol=1e-5, atol=1e-6)


def test_no_more_than_batches_is_read(path):
    read = []

    def note(rows):
        read.append(len(rows))
        return rows

    x = HDF5Matrix(path, "x", normalizer=note)
    model_of(X).fit(x, Y, batch_size=4, epochs=2, shuffle="batch", verbose=0)
    assert max(read) == 4


@pytest.mark.engine_free
def test_batches_are_shuffled_as_wholes(path):
    class Position:
        epoch = first_epoch = step = 0

        def order(self, size, epoch=None):
            return np.random.default_rng(2).permutation(size)

    for x in (np.arange(23), HDF5Matrix(path, "numbers")):
        feed = adapters.feed(x, batch_size=5, shuffle="batch", stack=False)
        batches = [args[0][0] for args, _ in feed.epoch(Position(), None)]
        assert sorted(np.concatenate(batches)) == list(range(23))
        assert [batch[0] for batch in batches] != sorted(batch[0] for batch in batches)
        for batch in batches:
            np.testing.assert_array_equal(batch, np.arange(batch[0], batch[0] + len(batch)))


@pytest.mark.engine_free
def test_matrix(path):
    matrix = HDF5Matrix(path, "x", 2, 20, lambda x: x + 1)
    plain = X[2:20] + 1
    assert (len(matrix), matrix.shape, matrix.dtype, matrix.ndim, matrix.size) == (
        18, (18, 4), np.float32, 2, 72
    )  # fmt: skip
    keys = [3, -1, slice(4), slice(2, 9, 3), slice(-3, None), slice(5, 2), [5, 1, 1], np.array([7])]
    for key in keys:
        np.testing.assert_array_equal(matrix[key], plain[key], err_msg=str(key))
    for key in (18, -19, [0, 18]):
        with pytest.raises(IndexError):
            matrix[key]
    np.testing.assert_array_equal(np.asarray(matrix), plain)
    plain_matrix = HDF5Matrix(path, "x", 2, 20)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(plain_matrix))[:], X[2:20])
    with pytest.raises(ValueError, match="same number of samples"):
        adapters.feed(matrix, Y)


def test_images_that_change_are_data(tmp_path):
    """Batches of an `ImageDataGenerator` have epochs in `fit`, and none in a loop; several workers
    give the same ones."""
    from tricorn.preprocessing.image import ImageDataGenerator

    x, y = np.arange(10.0).reshape(10, 1, 1, 1), np.arange(10.0)
    model = tricorn.Sequential([tricorn.Input((1, 1, 1)), tricorn.layers.Flatten()])
    for shuffle in (False, True):
        flow = ImageDataGenerator().flow(x, y, batch_size=4, shuffle=shuffle, seed=1)
        flow.workers = 2
        model.compile("sgd", lambda a, b: (a - b) ** 2, run_eagerly=True)
        assert model.fit(flow, epochs=2, verbose=0).history["loss"] == [0, 0]
        assert flow.total_batches_seen in (6, 7)  # one more where a batch was looked at first
        predicted = model.predict(flow, verbose=0).ravel()
        assert sorted(predicted) == y.tolist() and (predicted.tolist() == y.tolist()) != shuffle
        endless = [next(flow)[1] for _ in range(7)]
        assert [len(batch) for batch in endless] == [4, 4, 2, 4, 4, 2, 4]
