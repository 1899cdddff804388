"""Files of published data sets: fetched once, checked by their hashes, and read without running
code."""

from __future__ import annotations

import io
import math
import os
import pickle
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format

from tricorn import config, limits
from tricorn.utils.files import get_file

#: where the files are, but for those with an address of their own
ORIGIN = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
ADDRESSES = {
    name: f"https://www.cs.toronto.edu/~kriz/{name}"
    for name in ("cifar-10-python.tar.gz", "cifar-100-python.tar.gz")
}
HASHES = {
    "mnist.npz": "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1",
    "imdb.npz": "69664113be75683a8fe16e3ed0ab59fda8886cb3cd7ada244f7d9544e4676b9f",
    "imdb_word_index.json": "bfafd718b763782e994055a2d397834f",
    "reuters.npz": "d6586e694ee56d7a4e65172e12b3e987c03096cb01eab99753921ef915959916",
    "reuters_word_index.json": "4d44cc38712099c9e383dc6e5f11a921",
    "boston_housing.npz": "f553886a1f8d56431e820c5b82552d9d95cfcb96d1e678153f8839538947dff5",
    "california_housing.npz": "1a2e3a52e0398de6463aebe6f4a8da34fb21fbb6b934cf88c3425e766f2a1a6f",
    "cifar-10-python.tar.gz": "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
    "cifar-100-python.tar.gz": "85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7",
    # as the authors of Fashion-MNIST give them
    "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
    "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
    "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
    "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
}

Split = tuple[np.ndarray, np.ndarray]


class _Array(np.ndarray):
    """An array while it is unpickled: of numbers, or of what else was unpickled.  NumPy believes
    what it is told; that ends in memory that is none of ours."""

    def __setstate__(self, state: Any) -> None:
        _, shape, kind, fortran, data = state
        size, dtype = math.prod(shape), kind.dtype
        if dtype.kind not in "biufO" or len(data) != size * (
            1 if dtype.hasobject else dtype.itemsize
        ):
            raise ValueError(f"an array is said to be of shape {shape} and {dtype}")
        super().__setstate__((1, shape, dtype, bool(fortran), data))  # type: ignore[arg-type]


class _Dtype:
    """A dtype while it is unpickled."""

    def __init__(self, code: str, *rest: Any) -> None:
        self.dtype = np.dtype(code)

    def __setstate__(self, state: Any) -> None:
        self.dtype = self.dtype.newbyteorder(state[1])


_ARRAY = object()


def _reconstruct(kind: Any, *rest: Any) -> _Array:
    return _Array(0)


#: what pickles of arrays name, in the spellings of all versions of NumPy
_ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): _ARRAY,
    ("numpy", "dtype"): _Dtype,
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
}


def fetch(name: str, path: str | None = None, folder: str = "", extract: bool = False) -> str:
    """The path of a published file in the cache.

    Args:
        name: of the file at its address.
        path: what it is called in the cache; None: the same.
        folder: below ``datasets`` in the cache.
        extract: it is an archive; gives the path of the folder.
    """
    return get_file(
        path or name,
        ADDRESSES.get(name, ORIGIN + name),
        file_hash=HASHES.get(name),
        cache_subdir=os.path.join("datasets", folder),
        extract=extract,
    )


class _Unpickler(pickle.Unpickler):
    """Makes arrays, lists, dicts, numbers and texts, and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise ValueError(f"it names {module}.{name}, which a data set has no use for")
        return _ALLOWED[module, name]


def unpickle(file: Any, name: str) -> Any:
    """What was pickled in a file, if it is made of arrays and plain data.

    Raises:
        ValueError: it is anything else.
    """
    with _refusing(name):
        return _Unpickler(file, encoding="bytes").load()


@contextmanager
def _refusing(name: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # of every kind: NumPy, zipfile and pickle let them all through
        raise ValueError(f"{name} is not read: {error or type(error).__name__}") from error


def arrays(path: Any) -> dict[str, np.ndarray]:
    """The arrays in an ``.npz`` file, those of lists too.

    Raises:
        ValueError: it is none, is damaged, or asks for far more memory than it has bytes.
    """
    found = {}
    with _refusing(str(path)):
        archive = zipfile.ZipFile(path)
    with archive, limits.budget(limits.allowed(limits.stored_size(path))):
        for info in archive.infolist():
            title = f"{path}: {info.filename}"
            limits.check_packing(title, info)
            limits.take(title, info.file_size)
            with _refusing(title):
                found[info.filename.removesuffix(".npy")] = _array(archive.read(info))
    return found


def _array(data: bytes) -> np.ndarray:
    file = io.BytesIO(data)
    old = format.read_magic(file) == (1, 0)
    header = format.read_array_header_1_0 if old else format.read_array_header_2_0
    shape, _, dtype = header(file)
    if dtype.hasobject:
        return np.asarray(_Unpickler(file, encoding="bytes").load())
    if math.prod(shape) * dtype.itemsize != len(data) - file.tell():
        raise ValueError(f"it has {len(data):,} bytes, but declares {dtype} of shape {shape}")
    file.seek(0)
    return format.read_array(file, allow_pickle=False)


def words(name: str, path: str) -> dict[str, int]:
    """Word -> number."""
    file = Path(fetch(name, path))
    return limits.parse(limits.read_text(file), str(file))


def cut(x: np.ndarray, y: np.ndarray, test_split: float, seed: int) -> tuple[Split, Split]:
    """Rows in an order drawn by `seed`, the last part for tests.

    Raises:
        ValueError: when `test_split` is outside [0, 1).
    """
    if not 0 <= test_split < 1:
        raise ValueError(f"test_split must be at least 0 and below 1, got {test_split!r}")
    x, y = shuffled(x, y, np.random.RandomState(seed))
    first = int(len(x) * (1 - test_split))
    return (x[:first], y[:first]), (x[first:], y[first:])


def shuffled(x: np.ndarray, y: np.ndarray, generator: Any) -> Split:
    """Rows in the order that Keras gives them."""
    order = np.arange(len(x))
    generator.shuffle(order)
    return x[order], y[order]


def count_of_words(num_words: int | None, kwargs: dict[str, Any]) -> int | None:
    """`num_words`, which Keras 1 called `nb_words`.

    Raises:
        TypeError: for another argument.
    """
    if "nb_words" in kwargs:
        warnings.warn(
            "load_data: nb_words is Keras 1's spelling; write num_words",
            DeprecationWarning,
            stacklevel=3,
        )
        num_words = kwargs.pop("nb_words")
    if kwargs:
        raise TypeError(f"load_data: Unrecognized keyword arguments: {', '.join(kwargs)}")
    return num_words


def marked(
    x: Any, y: Any, start_char: int | None, index_from: int, maxlen: int | None
) -> tuple[list, list]:
    """Sequences with a mark at their beginnings and room for it among the numbers; those of
    `maxlen` or more are left out."""
    begin = [] if start_char is None else [start_char]
    shift = index_from if start_char is not None or index_from else 0
    rows = [(begin + [word + shift for word in row], label) for row, label in zip(x, y)]
    rows = [row for row in rows if not maxlen or len(row[0]) < maxlen]
    if not rows:
        raise ValueError(
            f"After filtering for sequences shorter than maxlen={maxlen}, no sequence was kept. "
            "Increase maxlen."
        )
    return [row for row, _ in rows], [label for _, label in rows]


def limited(
    rows: list, num_words: int | None, skip_top: int, oov_char: int | None
) -> list[list[int]]:
    """Sequences of the words that are neither too rare nor too frequent; the others are replaced,
    or left out where `oov_char` is None."""
    most = num_words or max(map(max, rows))
    if oov_char is None:
        return [[word for word in row if skip_top <= word < most] for row in rows]
    return [[word if skip_top <= word < most else oov_char for word in row] for row in rows]


def ragged(rows: list) -> np.ndarray:
    """Lists as an array of them."""
    found = np.empty(len(rows), object)
    found[:] = rows
    return found


def batch(path: str, key: str) -> Split:
    """Images and labels in a file of CIFAR's, in the default layout."""
    with open(path, "rb") as file:
        found = unpickle(file, path)
    images = np.asarray(found[b"data"]).reshape(-1, 3, 32, 32)
    if config.image_data_format() == "channels_last":
        images = images.transpose(0, 2, 3, 1)
    return images, np.array(found[key.encode()], "uint8").reshape(-1, 1)
