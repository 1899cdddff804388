"""Anything into `fit`: each kind of data trains, evaluates and predicts as its arrays do."""

import h5py
import numpy as np
import pytest

import tricorn as keras

pytestmark = pytest.mark.heavy

X = np.random.default_rng(0).normal(size=(22, 3)).astype("float32")
Y = X.sum(1, keepdims=True)
STARTS = range(0, 22, 4)


def pairs(x=X, y=Y):
    return [(x[i : i + 4], y[i : i + 4]) for i in STARTS]


def generator(epochs=3):
    for _ in range(epochs):
        yield from pairs()


class Rows(keras.utils.PyDataset):
    def __len__(self):
        return 6

    def __getitem__(self, index):
        return pairs()[index]


class Unending(Rows):
    num_batches = None

    def __getitem__(self, index):
        return pairs()[index % 6]


class Lengthless:
    """A loader that can only be looped over, as streams are."""

    def __iter__(self):
        return iter(pairs())


class Column:
    """As a column of Hugging Face's `datasets`."""

    def __init__(self, source, column_name):
        self.source, self.column_name = source, column_name

    def __len__(self):
        return len(self.source)

    def __iter__(self):
        raise AssertionError("all of it is read, row by row")

    def __getitem__(self, rows):
        return self.source[rows][self.column_name]


class Table:
    """As Hugging Face's ``datasets.Dataset``, which gives lists unless another format is set."""

    def __init__(self, format=np.ndarray.tolist, **columns):
        self.format, self.columns_ = format, columns
        self.column_names, self.features = list(columns), columns
        self.num_rows, self.shape = 22, (22, len(columns))
        self.most = 0

    def __len__(self):
        return 22

    def __getitem__(self, rows):
        if isinstance(rows, str):
            return Column(self, rows)
        found = {name: self.format(column[rows]) for name, column in self.columns_.items()}
        self.most = max(self.most, *map(len, found.values()))
        return found


def h5(folder):
    with h5py.File(folder / "rows.h5", "w") as file:
        file["x"], file["y"] = X, Y
    return keras.utils.HDF5Matrix(folder / "rows.h5", "x"), h5py.File(folder / "rows.h5")["y"]


def memory_map(folder, dtype):
    np.save(folder / "x.npy", X.astype(dtype))
    return np.load(folder / "x.npy", mmap_mode="r"), Y


def scipy_matrix(kind):
    return getattr(pytest.importorskip("scipy.sparse"), kind)(X), Y


def frame(package, make="DataFrame"):
    made = getattr(pytest.importorskip(package), make)
    return made({f"x{i}": X[:, i] for i in range(3)}), made({"y": Y[:, 0]})


def hugging_face(format):
    made = pytest.importorskip("datasets").Dataset.from_dict({"x": X, "y": Y})
    made = made.with_format(format)
    return made["x"], made["y"]


def grain(make):
    made = pytest.importorskip("grain").MapDataset.source(list(zip(X, Y))).batch(4)
    return (make(made),)


def torch_loader(**settings):
    torch = pytest.importorskip("torch")
    rows = torch.utils.data.TensorDataset(torch.from_numpy(X), torch.from_numpy(Y))
    return (torch.utils.data.DataLoader(rows, batch_size=4, **settings),)


def tensorflow(make):
    return (make(pytest.importorskip("tensorflow").data.Dataset.from_tensor_slices((X, Y))),)


#: kind -> (its x and y, or the one source of both; made anew for each use), and its settings
DATA = {
    "arrays": lambda folder: (X, Y),
    "lists": lambda folder: (X.tolist(), Y.tolist()),
    "float64": lambda folder: (X.astype("float64"), Y.astype("float64")),
    "other byte order": lambda folder: (X.astype(">f8"), Y.astype(">f4")),
    "objects": lambda folder: (X.astype(object), Y.astype(object)),
    "HDF5": h5,
    "memory map": lambda folder: memory_map(folder, "float32"),
    "memory map of float64": lambda folder: memory_map(folder, "float64"),
    "memory map of the other byte order": lambda folder: memory_map(folder, ">f4"),
    "sparse rows": lambda folder: scipy_matrix("csr_matrix"),
    "sparse columns": lambda folder: scipy_matrix("csc_array"),
    "pandas": lambda folder: frame("pandas"),
    "pandas, nullable": lambda folder: [table.convert_dtypes() for table in frame("pandas")],
    "Polars": lambda folder: frame("polars"),
    "Arrow": lambda folder: frame("pyarrow", "table"),
    "columns": lambda folder: (Table(x=X)["x"], Table(y=Y)["y"]),
    "columns of arrays": lambda folder: (Table(np.asarray, x=X)["x"], Y),
    "Hugging Face": lambda folder: hugging_face("numpy"),
    "Hugging Face, torch": lambda folder: hugging_face("torch"),
    "Hugging Face, lists": lambda folder: hugging_face(None),
    "generator": lambda folder: (generator(),),
    "function of no length": lambda folder: (Lengthless(),),
    "PyDataset": lambda folder: (Rows(),),
    "PyDataset, threads": lambda folder: (Rows(workers=2),),
    "PyDataset without end": lambda folder: (Unending(workers=2),),
    "Dataset": lambda folder: (keras.data.Dataset.from_tensor_slices((X, Y)).batch(4),),
    "Dataset without end": lambda folder: (
        keras.data.Dataset.from_tensor_slices((X, Y)).batch(4).repeat(),
    ),
    "tf.data": lambda folder: tensorflow(lambda data: data.batch(4)),
    "tf.data of unknown length": lambda folder: tensorflow(
        lambda data: data.filter(lambda x, y: True).batch(4)
    ),
    "DataLoader": lambda folder: torch_loader(),
    "grain": lambda folder: grain(lambda data: data),
    "grain, iterator": lambda folder: grain(lambda data: data.to_iter_dataset()),
}
#: what needs to be told how many steps an epoch has
ENDLESS = {"generator", "PyDataset without end", "Dataset without end"}


@pytest.fixture(scope="module")
def expected(engine):
    return results(lambda: (X, Y), {"batch_size": 4, "shuffle": False}, 22)


def model():
    keras.utils.set_random_seed(1)
    made = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    made.compile(keras.optimizers.SGD(0.1), "mse")
    return made


def results(make, settings, rows):
    one = model()
    history = one.fit(*make(), epochs=2, verbose=0, **settings).history["loss"]
    settings = {k.removesuffix("_per_epoch"): v for k, v in settings.items() if k != "shuffle"}
    loss = one.evaluate(*make(), verbose=0, **settings)
    return history, loss, one.predict(make()[0], verbose=0, **settings)[:rows]


@pytest.mark.parametrize("kind", DATA)
def test_trains_as_its_arrays_do(kind, tmp_path, expected):
    make = lambda: DATA[kind](tmp_path)
    whole = len(make()) == 2
    settings = {"batch_size": 4, "shuffle": False} if whole else {}
    if kind in ENDLESS:
        settings = {"steps_per_epoch": 6}
    for found, wanted in zip(results(make, settings, 22), expected):
        np.testing.assert_allclose(found, wanted, rtol=2e-5, atol=1e-6)


@pytest.mark.engine("jax")
@pytest.mark.parametrize("shuffle", [True, "batch"])
def test_columns_are_shuffled_split_and_never_read_whole(shuffle):
    settings = {"batch_size": 4, "shuffle": shuffle, "validation_split": 0.2, "verbose": 0}
    found = []
    for table in (Table(x=X), None):
        keras.utils.set_random_seed(1)
        x = X if table is None else table["x"]
        found.append(model().fit(x, Y, epochs=2, **settings).history)
    for key, values in found[0].items():
        np.testing.assert_allclose(values, found[1][key], rtol=1e-5)


@pytest.mark.engine_free
def test_columns_are_read_batch_by_batch():
    table = Table(x=X, y=Y)
    rows = keras.data.Dataset.from_tensor_slices(table).shuffle(22, seed=1).batch(4)
    seen = np.concatenate([batch["y"] for batch in rows])
    assert sorted(seen.ravel()) == sorted(Y.ravel().astype("float64")) and table.most == 4


def test_a_table_is_a_dict_of_its_columns():
    inputs = keras.Input((3,), name="x"), keras.Input((1,), name="w")
    one = keras.Model({"x": inputs[0], "w": inputs[1]}, keras.layers.Add()(inputs))
    table = Table(x=X, w=Y)
    np.testing.assert_allclose(one.predict(table, batch_size=4, verbose=0), X + Y, rtol=1e-6)
    assert table.most == 4
    one.compile("sgd", "mse")
    validation = (Table(x=X, w=Y), Table(y=X + Y)["y"])
    assert one.fit(table, X, validation_data=validation, verbose=0).history["val_loss"][0] < 1e3
    assert one.evaluate(*validation, verbose=0) >= 0
