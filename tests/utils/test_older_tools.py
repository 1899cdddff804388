"""Enqueuers, workers in processes, H5Dict, multi_gpu_model and the wrappers for scikit-learn."""

import sys

import h5py
import numpy as np
import pytest

import tricorn
from tricorn import layers, utils
from tricorn.utils.multi_gpu import DataParallel
from tricorn.wrappers.scikit_learn import KerasClassifier, KerasRegressor


class Squares(utils.Sequence):
    def __init__(self, **workers):
        super().__init__(**workers)
        self.ends = 0

    def __len__(self):
        return 4

    def __getitem__(self, index):
        return None if index == 2 else index**2

    def on_epoch_end(self):
        self.ends += 1


@pytest.mark.engine_free
def test_enqueuers():
    for workers in (1, 3):
        squares = Squares()
        batches = utils.OrderedEnqueuer(squares)
        assert not batches.is_running()
        batches.start(workers, max_queue_size=2)
        found = batches.get()
        assert [next(found) for _ in range(7)] == [0, 1, 9, 0, 1, 9, 0]
        assert (batches.is_running(), squares.ends) == (True, 2)
        batches.stop()
        assert list(found) == [] and not batches.is_running()
    shuffled = utils.OrderedEnqueuer(Squares(), shuffle=True)
    shuffled.start()
    found = shuffled.get()
    assert all({next(found) for _ in range(3)} == {0, 1, 9} for _ in range(5))
    shuffled.stop()
    generated = utils.GeneratorEnqueuer(iter([1, None, 2, 3]))
    generated.start(workers=4, max_queue_size=2)
    assert list(generated.get()) == [1, 2, 3]


@pytest.mark.engine_free
def test_errors_of_workers_are_those_of_the_sequence():
    class Broken(Squares):
        def __getitem__(self, index):
            raise KeyError("broken")

    batches = utils.OrderedEnqueuer(Broken())
    batches.start(2)
    with pytest.raises(KeyError, match="broken"):
        next(batches.get())


@pytest.mark.engine_free
@pytest.mark.heavy
def test_processes(tmp_path, monkeypatch):
    (tmp_path / "rows_of_mine.py").write_text(
        "import numpy as np\nfrom tricorn.utils import PyDataset\n"
        "class Rows(PyDataset):\n"
        "    def __len__(self): return 3\n"
        "    def __getitem__(self, i): return np.full((2, 1), i, 'float32')\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    from rows_of_mine import Rows

    found = [batch[0, 0] for batch in Rows(workers=2, use_multiprocessing=True)]
    assert found == [0, 1, 2]
    del sys.modules["rows_of_mine"]


@pytest.mark.engine_free
def test_h5dict(tmp_path):
    with utils.H5Dict(str(tmp_path / "x.h5"), "w") as data:
        data["array"], data["name"], data["names"] = np.arange(4), b"text", [b"a", b"b"]
        data["inner"]["deeper"]["x"] = np.ones(2)
        with pytest.raises(KeyError, match="already"):
            data["array"] = np.ones(1)
    with utils.H5Dict(str(tmp_path / "x.h5"), "r") as data:
        assert data["array"].tolist() == [0, 1, 2, 3] and data["name"] == b"text"
        assert list(data["names"]) == [b"a", b"b"] and "nothing" not in data
        assert data["inner"]["deeper"]["x"].tolist() == [1, 1] and data.get("no", 3) == 3
        with pytest.raises(KeyError, match="nothing"):
            data["nothing"]
    plain: dict = {}
    utils.H5Dict(plain)["a"]["b"] = 2
    assert plain == {"a": {"b": 2}}
    with h5py.File(tmp_path / "x.h5", "r") as file:
        assert sorted(utils.H5Dict(file, "r").iter()) == ["array", "inner"]


@pytest.mark.engine_free
def test_hashes_of_files(tmp_path):
    (tmp_path / "x").write_bytes(b"abc")
    assert utils.validate_file(tmp_path / "x", "900150983cd24fb0d6963f7d28e17f72")
    assert not utils.validate_file(tmp_path / "x", "0" * 64)


def small():
    tricorn.utils.set_random_seed(2)
    i, j = tricorn.Input((3,)), tricorn.Input((2,))
    x = layers.Concatenate()([layers.Dense(4)(i), j])
    return tricorn.Model([i, j], [layers.Dense(2)(x), layers.Dense(1)(x)])


def test_a_batch_in_parts():
    x = [np.random.RandomState(0).rand(7, n).astype("float32") for n in (3, 2)]
    y = [np.ones((7, 2), "float32"), np.ones((7, 1), "float32")]
    plain, model = small(), small()
    layer = DataParallel(model, ["cpu:0"] * 3)
    parallel = tricorn.Model(model.inputs, layer(model.inputs))
    for one in (plain, parallel):
        one.compile("sgd", ["mse", "mse"])
        one.train_on_batch(x, y)
    for ours, wanted in zip(parallel.predict(x, verbose=0), plain.predict(x, verbose=0)):
        np.testing.assert_allclose(ours, wanted, rtol=1e-5, atol=1e-6)
    for ours, wanted in zip(model.get_weights(), plain.get_weights()):
        np.testing.assert_allclose(ours, wanted, rtol=1e-5, atol=1e-6)


def test_one_device_gives_the_model_back():
    model = small()
    with pytest.warns(UserWarning, match="the model itself is given back"):
        assert utils.multi_gpu_model(model, gpus=2) is model


def build(units=4, loss="categorical_crossentropy", last=3):
    model = tricorn.Sequential(
        [
            tricorn.Input((2,)),
            layers.Dense(units, "relu"),
            layers.Dense(last, None if loss == "mse" else "softmax" if last > 1 else "sigmoid"),
        ]
    )
    model.compile(tricorn.optimizers.Adam(0.05), loss, metrics=["accuracy"])
    return model


CENTRES = np.array([[0, 0], [3, 0], [0, 3]], "float32")


@pytest.mark.parametrize(
    "loss, last, labels",
    [
        ("categorical_crossentropy", 3, ["a", "b", "c"]),
        ("sparse_categorical_crossentropy", 3, [5, 7, 9]),
        ("binary_crossentropy", 1, ["no", "yes"]),
    ],
)
def test_classifier(loss, last, labels):
    tricorn.utils.set_random_seed(3)
    kinds = np.arange(60) % len(labels)
    x = CENTRES[kinds] + np.random.RandomState(0).randn(60, 2).astype("float32") / 5
    y = np.array(labels)[kinds]
    model = KerasClassifier(build, units=8, loss=loss, last=last, epochs=40, verbose=0)
    history = model.fit(x, y, batch_size=20)
    assert len(history.history["loss"]) == 40
    assert model.classes_.tolist() == labels and model.n_classes_ == len(labels)
    assert (model.predict(x) == y.reshape(-1, *([1] if last == 1 else []))).mean() > 0.9
    assert model.predict_proba(x).shape == (60, len(labels))
    assert model.score(x, y) > 0.9


@pytest.mark.engine("jax")
def test_searches_and_pipelines():
    search = pytest.importorskip("sklearn.base")
    model = KerasRegressor(build, loss="mse", last=1, epochs=3, verbose=0)
    assert search.clone(model, safe=False).get_params() == model.get_params()
    model.set_params(units=5)
    x = np.random.RandomState(0).rand(20, 2).astype("float32")
    model.fit(x, x.sum(1))
    assert model.predict(x).shape == (20,) and model.score(x, x.sum(1)) <= 0
    assert model.model.layers[0].units == 5
    for wrong in (lambda: KerasRegressor(build, width=3), lambda: model.set_params(width=3)):
        with pytest.raises(ValueError, match="width is not a legal parameter"):
            wrong()

    from sklearn.model_selection import GridSearchCV

    grid = GridSearchCV(model, {"units": [2, 3], "epochs": [1]}, cv=2)
    grid.fit(x, x.sum(1))
    assert grid.best_params_["units"] in (2, 3) and grid.predict(x).shape == (20,)

    class Own(KerasRegressor):
        def __call__(self, units=2):
            return build(units, "mse", 1)

    Own(units=3, epochs=1, verbose=0).fit(x, x.sum(1))
