"""Arrays in files, whose rows are read when they are needed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tricorn import tree


class Rows:
    """A part of the rows of an array that is read when it is indexed.

    Args:
        data: what is read: anything with a shape, a dtype and slices, such as an ``h5py.Dataset``.
        start, end: the part; an `end` of None: up to the last row.
        normalizer: function of the rows that were read.
    """

    def __init__(
        self, data: Any, start: int = 0, end: int | None = None, normalizer: Callable | None = None
    ) -> None:
        self.data, self.start, self.normalizer = data, start, normalizer
        self.end = len(data) if end is None else end

    def __len__(self) -> int:
        return self.end - self.start

    def __getitem__(self, key: Any) -> Any:
        """Rows by a number, a slice, or numbers in any order.

        Raises:
            IndexError: a number beyond the rows.
        """
        if isinstance(key, slice):
            first, last, step = key.indices(len(self))
            found = self.data[self.start + first : self.start + max(first, last) : step]
        else:  # files read rows in their order only, and each once
            rows, places = np.unique(np.arange(len(self))[key], return_inverse=True)
            found = np.asarray(self.data[self.start + rows])[places]
        found = np.asarray(found)[()]  # of lists, and tensors of any engine; a number of one row
        return found if self.normalizer is None else self.normalizer(found)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self[:], dtype)

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self), *np.shape(self[:1])[1:])

    @property
    def dtype(self) -> Any:
        return self[:1].dtype

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))


class HDF5Matrix(Rows):
    """An array in an HDF5 file for `fit`, `evaluate` and `predict`, which read its rows batch by
    batch.

    Args:
        datapath: the file's path.
        dataset: the array's name in it.
        start, end: the first row, and the one behind the last; None: all.
        normalizer: function of the rows that are read.

    Example:
        >>> import h5py
        >>> with h5py.File("data.h5", "w") as file:
        ...     file["x"] = np.arange(6).reshape(3, 2)
        >>> x = keras.utils.HDF5Matrix("data.h5", "x", start=1, normalizer=lambda x: x * 10)
        >>> x.shape, x[[1, 0]].tolist()
        ((2, 2), [[40, 50], [20, 30]])
    """

    def __init__(
        self, datapath: Any, dataset: str, start: int = 0, end: int | None = None,
        normalizer: Callable | None = None,
    ) -> None:  # fmt: skip
        import h5py

        self.datapath = datapath
        super().__init__(h5py.File(datapath, "r")[dataset], start, end, normalizer)

    def __reduce__(self) -> Any:  # in another process the file is opened again
        settings = (self.datapath, self.data.name, self.start, self.end, self.normalizer)
        return type(self), settings


def is_on_disk(x: Any) -> bool:
    """Whether it is an array in a file: h5py's, a column of Hugging Face's `datasets`, or a memory
    map that would be read to be cast."""
    h5py = sys.modules.get("h5py")
    return (
        isinstance(x, Rows)
        or (isinstance(x, np.memmap) and (x.dtype.itemsize > 4 or not x.dtype.isnative))
        or (hasattr(x, "column_name") and hasattr(x, "source"))
        or (h5py is not None and isinstance(x, h5py.Dataset))
    )


def rows(x: Any) -> Any:
    """An array in a file as `Rows`, another one as it is."""
    return Rows(x) if is_on_disk(x) and not isinstance(x, Rows) else x


def tables(x: Any) -> Any:
    """Data with tables of Hugging Face's `datasets` as dicts of columns, and these as `Rows`."""
    if hasattr(x, "column_names") and hasattr(x, "features") and hasattr(x, "num_rows"):
        x = {name: x[name] for name in x.column_names}
    if isinstance(x, dict):
        return {key: tables(part) for key, part in x.items()}
    if type(x) in (list, tuple) and x and not isinstance(x[0], (int, float, str, list)):
        return type(x)(map(tables, x))
    return rows(x) if hasattr(x, "column_name") else x


def part(x: Any, start: int, end: int) -> Any:
    """Some rows of an array or of `Rows`, which are not read yet."""
    if isinstance(x, Rows):
        return Rows(x.data, x.start + start, x.start + end, x.normalizer)
    return x[start:end]


class Batches:
    """Batches of the rows of arrays, some of them in files.

    Args:
        arrays: tree of arrays and `Rows`.
        size: how many rows they have.
        batch_size: rows in a batch.
        whole: an order is one of batches, not of rows.

    Attributes:
        order: of the rows or batches; None: as they are.
    """

    def __init__(self, arrays: Any, size: int, batch_size: int, whole: bool) -> None:
        self.arrays, self.size, self.batch_size, self.whole = arrays, size, batch_size, whole
        self.order: Any = None

    def __len__(self) -> int:
        return -(-self.size // self.batch_size)

    def __iter__(self) -> Iterator:
        order, whole = self.order, self.whole
        for number in range(len(self)) if order is None or not whole else order:
            key: Any = slice(number * self.batch_size, (number + 1) * self.batch_size)
            key = key if order is None or whole else order[key]
            yield tree.map(lambda array, key=key: array[key], self.arrays)
