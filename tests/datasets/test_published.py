"""Published data sets, from a server of our own with small files in their formats, beside
Keras's own loaders."""

import functools
import gzip
import hashlib
import http.server
import importlib
import inspect
import io
import json
import os
import pickle
import struct
import tarfile
import threading

import numpy as np
import pytest

from tricorn import config, datasets
from tricorn.classic.modules import classic
from tricorn.datasets import reading

pytestmark = pytest.mark.engine_free

RANDOM = np.random.RandomState(0)


def lists(count):
    """Lists of words' numbers, as an array of lists, which NumPy pickles."""
    rows = np.empty(count, object)
    rows[:] = [RANDOM.randint(1, 40, RANDOM.randint(2, 12)).tolist() for _ in range(count)]
    return rows


def pickled_by_python_2(**entries):
    """The bytes of a dict as Python 2 pickled it: texts are bytes, and so are an array's."""
    text = lambda value: b"T" + struct.pack("<i", len(value)) + value
    stream = b"\x80\x02}("
    for key, value in entries.items():
        stream += text(key.encode())
        if isinstance(value, list):
            stream += b"](" + b"".join(b"K" + bytes([number]) for number in value) + b"e"
            continue
        stream += b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85" + text(b"b")
        stream += (
            b"\x87R(K\1" + b"".join(b"M" + struct.pack("<H", n) for n in value.shape) + b"\x86"
        )
        stream += b"cnumpy\ndtype\n" + text(b"u1") + b"K\0K\1\x87R(K\3" + text(b"|") + b"NNN"
        stream += b"J\xff\xff\xff\xff" * 2 + b"K\0tb\x89" + text(value.tobytes()) + b"tb"
    return stream + b"u."


def tar(**files):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name.replace("__", "/"))
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def npz(**arrays):
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def pictures(count):
    return RANDOM.randint(0, 256, (count, 3072)).astype("uint8")


def idx(array, header):
    return gzip.compress(b"\0" * header + array.tobytes())


IMAGES, LABELS = RANDOM.randint(0, 256, (9, 28, 28)).astype("uint8"), np.arange(9, dtype="uint8")
CIFAR = {f"data_batch_{i}": (pictures(3), [i, 1, 2]) for i in range(1, 6)}
CIFAR["test_batch"] = pictures(2), [7, 8]
FILES = {
    "mnist.npz": npz(x_train=IMAGES, y_train=LABELS, x_test=IMAGES[:4], y_test=LABELS[:4]),
    "imdb.npz": npz(
        x_train=lists(20), y_train=np.arange(20) % 2, x_test=lists(10), y_test=np.arange(10) % 2
    ),
    "imdb_word_index.json": json.dumps({"film": 1, "schön": 2}).encode(),
    "reuters.npz": npz(x=lists(30), y=np.arange(30)),
    "reuters_word_index.json": json.dumps({"oil": 1}).encode(),
    "boston_housing.npz": npz(x=RANDOM.rand(20, 13), y=RANDOM.rand(20)),
    "california_housing.npz": npz(x=RANDOM.rand(700, 8).astype("float32"), y=RANDOM.rand(700)),
    "train-images-idx3-ubyte.gz": idx(IMAGES, 16),
    "train-labels-idx1-ubyte.gz": idx(LABELS, 8),
    "t10k-images-idx3-ubyte.gz": idx(IMAGES[:3], 16),
    "t10k-labels-idx1-ubyte.gz": idx(LABELS[:3], 8),
    "cifar-10-python.tar.gz": tar(
        **{
            f"cifar-10-batches-py__{name}": pickled_by_python_2(data=x, labels=y)
            for name, (x, y) in CIFAR.items()
        }
    ),
    "cifar-100-python.tar.gz": tar(
        **{
            f"cifar-100-python__{name}": pickled_by_python_2(
                data=pictures(count), fine_labels=[99] * count, coarse_labels=[19] * count
            )
            for name, count in (("train", 4), ("test", 2))
        }
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("server")
    for name, data in FILES.items():
        (folder / name).write_bytes(data)

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Handler, directory=folder)
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/", folder
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def ours(server, tmp_path, monkeypatch):
    address, _ = server
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(config, "home", lambda: tmp_path)
    monkeypatch.setattr(reading, "ORIGIN", address)
    for name in reading.ADDRESSES:
        monkeypatch.setitem(reading.ADDRESSES, name, address + name)
    for name in reading.HASHES:
        monkeypatch.setitem(reading.HASHES, name, hashlib.sha256(FILES[name]).hexdigest())
    return tmp_path


def keras_data(name, folder, monkeypatch, **settings):
    """What Keras makes of the same files."""
    module = importlib.import_module(f"keras.src.datasets.{name}")
    monkeypatch.setattr(
        module, "get_file", lambda fname=None, origin=None, **_: str(folder / origin.split("/")[-1])
    )
    return module.load_data(**settings)


CASES = [
    ("mnist", {}),
    ("fashion_mnist", {}),
    ("boston_housing", {}),
    ("boston_housing", {"test_split": 0.45, "seed": 3}),
    ("california_housing", {}),
    ("california_housing", {"version": "small", "test_split": 0}),
    ("imdb", {}),
    ("imdb", {"num_words": 20, "skip_top": 4, "seed": 1}),
    ("imdb", {"maxlen": 8, "oov_char": None}),
    ("imdb", {"start_char": None}),
    ("imdb", {"start_char": None, "index_from": 0, "oov_char": 9}),
    ("reuters", {}),
    ("reuters", {"num_words": 25, "skip_top": 5, "test_split": 0.4, "seed": 2}),
    ("reuters", {"maxlen": 7, "oov_char": None, "start_char": None}),
]


@pytest.mark.parametrize("name, settings", CASES, ids=str)
def test_data_is_keras(name, settings, server, monkeypatch):
    found = getattr(datasets, name).load_data(**settings)
    theirs = keras_data(name, server[1], monkeypatch, **settings)
    for part, wanted in zip(sum(found, ()), sum(theirs, ())):
        assert part.shape == wanted.shape
        assert part.dtype == wanted.dtype
        assert part.tolist() == wanted.tolist()


@pytest.mark.parametrize("layout", ["channels_last", "channels_first"])
def test_photographs(layout, monkeypatch):
    monkeypatch.setattr(config, "image_data_format", lambda: layout)
    (x, y), (x_test, y_test) = datasets.cifar10.load_data()
    *train, test = CIFAR.values()
    for found, wanted in ((x, [p for p, _ in train]), (x_test, [test[0]])):
        pixels = np.concatenate(wanted).reshape(-1, 3, 32, 32)
        pixels = pixels.transpose(0, 2, 3, 1) if layout == "channels_last" else pixels
        np.testing.assert_array_equal(found, pixels)
    assert y.ravel().tolist() == [label for _, labels in train for label in labels]
    assert (y_test.shape, y_test.dtype) == ((2, 1), "uint8")
    for mode, label in (("fine", 99), ("coarse", 19)):
        (x, y), _ = datasets.cifar100.load_data(mode)
        assert len(x) == 4 and (y == label).all()


def test_words():
    assert datasets.imdb.get_word_index() == {"film": 1, "schön": 2}
    assert datasets.reuters.get_word_index() == {"oil": 1}
    from keras.datasets import reuters

    assert datasets.reuters.get_label_names() == reuters.get_label_names()


def test_files_are_fetched_once(server, ours):
    datasets.mnist.load_data()
    (server[1] / "mnist.npz").rename(server[1] / "gone")
    try:
        datasets.mnist.load_data()
        assert os.listdir(ours / "datasets") == ["mnist.npz"]
        with pytest.raises(OSError, match="URL fetch failure"):
            datasets.mnist.load_data("another.npz")
    finally:
        (server[1] / "gone").rename(server[1] / "mnist.npz")


def test_files_with_another_hash_are_refused(monkeypatch):
    monkeypatch.setitem(reading.HASHES, "mnist.npz", "0" * 64)
    with pytest.raises(ValueError, match="corrupted"):
        datasets.mnist.load_data()


class Command:
    def __reduce__(self):
        return os.system, ("echo",)


@pytest.mark.parametrize(
    "value",
    [Command(), [Command()], np.array([Command(), 1], object)],
    ids=["alone", "in a list", "in an array"],
)
def test_no_code_runs(value, tmp_path):
    with pytest.raises(ValueError, match="has no use for"):
        reading.unpickle(io.BytesIO(pickle.dumps({"data": value})), "the file")
    path = tmp_path / "x.npz"
    np.savez(path, x=np.array([value, 1], object))
    with pytest.raises(ValueError, match="has no use for"):
        reading.arrays(path)
    with pytest.raises(ValueError, match="is not read"):
        reading.unpickle(io.BytesIO(b"\x80\x04junk"), "the file")


def test_wrong_arguments():
    for call, word in (
        (lambda: datasets.boston_housing.load_data(test_split=1), "test_split"),
        (lambda: datasets.california_housing.load_data("tiny"), "version"),
        (lambda: datasets.cifar100.load_data("kinds"), "label_mode"),
        (lambda: datasets.imdb.load_data(maxlen=1), "maxlen"),
    ):
        with pytest.raises(ValueError, match=word):
            call()
    for module in (datasets.imdb, datasets.reuters):
        with pytest.raises(TypeError, match="words"):
            module.load_data(words=3)


@pytest.mark.parametrize("name", ["imdb", "reuters"])
def test_the_classic_face_and_its_spelling(name):
    module = classic(f"datasets.{name}")
    assert classic("datasets").mnist.load_data is datasets.mnist.load_data
    wanted = getattr(datasets, name).load_data(num_words=9)
    with pytest.warns(DeprecationWarning, match="nb_words is Keras 1's spelling"):
        found = module.load_data(nb_words=9)
    for part, same in zip(sum(found, ()), sum(wanted, ())):
        assert part.tolist() == same.tolist()


#: name -> the arguments of Keras 2.3.1
OLD = {
    "boston_housing": ["path", "test_split", "seed"],
    "cifar10": [],
    "cifar100": ["label_mode"],
    "fashion_mnist": [],
    "imdb": ["path", "num_words", "skip_top", "maxlen", "seed", "start_char", "oov_char",
             "index_from", "kwargs"],
    "mnist": ["path"],
    "reuters": ["path", "num_words", "skip_top", "maxlen", "test_split", "seed", "start_char",
                "oov_char", "index_from", "kwargs"],
}  # fmt: skip


@pytest.mark.parametrize("name", OLD)
def test_arguments_are_those_of_keras_2(name):
    found = inspect.signature(classic(f"datasets.{name}").load_data).parameters
    assert list(found) == OLD[name]


def test_all_files_have_hashes():
    assert reading.HASHES.keys() == FILES.keys()
