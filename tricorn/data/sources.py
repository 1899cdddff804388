"""Datasets of what is in files.

A name of a file may be any path, or bytes; several are a list, an array or a dataset of them.
"""

from __future__ import annotations

import csv
import functools
import os
from collections.abc import Callable
from typing import Any

import numpy as np

from tricorn import checks, dtypes, workers
from tricorn.data import elements, kinds, records
from tricorn.data.dataset import Dataset
from tricorn.data.elements import TensorSpec
from tricorn.data.iterators import of_graph
from tricorn.docstrings import complete


def _of_files(
    filenames: Any, num_parallel_reads: int | None, spec: Any, one: Callable[[bytes], Dataset]
) -> Dataset:
    """What is in files, one after the other, or in turn where several are read at a time."""
    if not isinstance(filenames, Dataset):
        names = filenames if isinstance(filenames, (list, tuple, np.ndarray)) else [filenames]
        filenames = Dataset._listed([os.fsencode(name) for name in names])
    reads = None if num_parallel_reads is None else workers.how_many(num_parallel_reads)
    made = filenames.interleave(one, reads or 1, num_parallel_calls=reads)
    made._spec = spec
    return made


def _records(
    filenames: Any, compression: Any, reads: Any, read: Callable[[Any, bytes], Any], spec: Any,
    lines: bool = False,
) -> Dataset:  # fmt: skip
    """What ``read(file, name)`` gives until it is None; `lines`: see `kinds.Records`."""

    def one(name: bytes) -> Dataset:
        return Dataset._of(
            kinds.Records,
            length=None,
            spec=spec,
            opened=functools.partial(records.opened, name, compression),
            read=lambda file: read(file, name),
            lines=lines,
        )

    return _of_files(filenames, reads, spec, one)


_TEXT = TensorSpec((), "string")
#: how bytes become a text, and again the same bytes, which need be no UTF-8
_BYTES = "utf-8", "surrogateescape"


@of_graph
def TFRecordDataset(
    filenames: Any,
    compression_type: str | None = None,
    buffer_size: int | None = None,
    num_parallel_reads: int | None = None,
    name: Any = None,
) -> Any:
    """The records (bytes) of TFRecord files.

    With google-crc32c installed (``pip install "tricorn[data]"``) the checksums of records are
    compared, otherwise only those of their lengths.

    Args:
        filenames: see above.
        compression_type: None, ``"GZIP"`` or ``"ZLIB"``.
        num_parallel_reads: how many files are read at a time, records of each in turn.

    Raises:
        ValueError: in the loop, for a damaged file.

    Example:
        >>> with keras.data.TFRecordWriter("numbers.tfrecord") as writer:
        ...     writer.write(b"one")
        >>> list(keras.data.TFRecordDataset("numbers.tfrecord"))
        [b'one']
    """
    return _records(filenames, compression_type, num_parallel_reads, records.read_record, _TEXT)


@of_graph
def TextLineDataset(
    filenames: Any,
    compression_type: str | None = None,
    buffer_size: int | None = None,
    num_parallel_reads: int | None = None,
    name: Any = None,
) -> Any:
    """The lines (bytes, without their ends) of text files.

    Args:
        filenames, compression_type, num_parallel_reads: see `TFRecordDataset`.

    Example:
        >>> with open("some.txt", "w") as file:
        ...     count = file.write("one line\\nanother")
        >>> list(keras.data.TextLineDataset("some.txt"))
        [b'one line', b'another']
    """

    def read(file: Any, name: bytes) -> bytes | None:
        line = file.readline()
        return line.rstrip(b"\n").rstrip(b"\r") if line else None

    return _records(filenames, compression_type, num_parallel_reads, read, _TEXT)


@of_graph
def FixedLengthRecordDataset(
    filenames: Any,
    record_bytes: int,
    header_bytes: int | None = None,
    footer_bytes: int | None = None,
    buffer_size: int | None = None,
    compression_type: str | None = None,
    num_parallel_reads: int | None = None,
    name: Any = None,
) -> Any:
    """Records of so many bytes each.

    Args:
        filenames, compression_type, num_parallel_reads: see `TFRecordDataset`.
        record_bytes, header_bytes, footer_bytes: of a record; of what stands before and after all.

    Raises:
        ValueError: in the loop, for a file whose length does not fit.

    Example:
        >>> with open("pairs", "wb") as file:
        ...     count = file.write(b"aabbcc")
        >>> list(keras.data.FixedLengthRecordDataset("pairs", 2))
        [b'aa', b'bb', b'cc']
    """
    head, foot = header_bytes or 0, footer_bytes or 0

    def read(file: Any, name: bytes) -> bytes | None:
        if file.tell() == 0:
            size = file.seek(0, os.SEEK_END)
            if size < head + foot or (size - head - foot) % record_bytes:
                raise ValueError(
                    f"{os.fsdecode(name)}: of its {size} bytes {size - head - foot} are records, "
                    f"which is no multiple of record_bytes={record_bytes}"
                )
            file.seek(head)
        data = file.read(record_bytes + foot)
        if len(data) < record_bytes + foot:
            return None
        if foot:
            file.seek(-foot, os.SEEK_CUR)
        return data[:record_bytes] if data else None

    return _records(filenames, compression_type, num_parallel_reads, read, _TEXT)


@of_graph
def CsvDataset(
    filenames: Any,
    record_defaults: Any,
    compression_type: str | None = None,
    buffer_size: int | None = None,
    header: bool = False,
    field_delim: str = ",",
    use_quote_delim: bool = True,
    na_value: str = "",
    select_cols: Any = None,
    exclude_cols: Any = None,
) -> Any:
    """The rows of CSV files, as tuples of scalars.

    Args:
        filenames, compression_type: see `TFRecordDataset`.
        record_defaults: for each column that is read a dtype, when it must not be empty, or the
            value that stands for nothing (in a list of one, or an array).
        header: leave out the first line of each file.
        field_delim, use_quote_delim, na_value: what stands between fields; whether they may be in
            quotation marks; what besides nothing means that there is no value.
        select_cols, exclude_cols: numbers of the columns to read, or not to read.

    Raises:
        ValueError: in the loop, for a row of another length, and a field that is no such number or
            must not be empty.

    Example:
        >>> with open("some.csv", "w") as file:
        ...     count = file.write("age,name\\n1,a\\n,b\\n")
        >>> rows = keras.data.CsvDataset("some.csv", [[-1], "string"], header=True)
        >>> [(int(age), name) for age, name in rows]
        [(1, b'a'), (-1, b'b')]
    """
    kinds, defaults = zip(*map(_column, record_defaults))
    spec = tuple(TensorSpec((), kind) for kind in kinds)
    quoting: Any = csv.QUOTE_MINIMAL if use_quote_delim else csv.QUOTE_NONE

    def read(file: Any, name: bytes) -> Any:
        if header and file.tell() == 0:
            file.readline()
        lines = (line.decode(*_BYTES) for line in iter(file.readline, b""))
        fields: Any = next(csv.reader(lines, delimiter=field_delim, quoting=quoting), None)
        if fields is None:
            return None
        fields = fields or [""]  # an empty line is one of one field
        if select_cols is not None:
            chosen = [column for column in select_cols if column < len(fields)]
        else:
            chosen = [i for i in range(len(fields)) if i not in (exclude_cols or ())]
        if len(chosen) != len(kinds):
            raise ValueError(
                f"{os.fsdecode(name)}: expected {len(kinds)} columns, got {len(chosen)} of the row "
                f"{fields}"
            )
        return tuple(
            _field(fields[column], kind, default, na_value, name)
            for column, kind, default in zip(chosen, kinds, defaults)
        )

    return _records(filenames, compression_type, None, read, spec, lines=True)


def _column(default: Any) -> tuple[str, Any]:
    """(dtype, value for nothing or None) of a column."""
    if isinstance(default, type) or hasattr(default, "as_numpy_dtype"):
        return dtypes.standardize(default), None
    if isinstance(default, str) and default in dtypes.ALL:
        return default, None
    array = elements.as_array(default)
    kind = "string" if array.dtype.kind in "OUS" else array.dtype.name
    values = array.ravel()
    return kind, elements.as_element(values[0]) if values.size else None


def _field(text: str, kind: str, default: Any, na_value: str, name: bytes) -> Any:
    if text in ("", na_value):
        if default is None:
            raise ValueError(
                f"{os.fsdecode(name)}: a field is empty that must not be: give its column a value "
                "in record_defaults"
            )
        return default
    if kind == "string":
        return text.encode(*_BYTES)
    make = dtypes.to_numpy(kind).type
    try:
        return make(float(text) if dtypes.is_float(kind) else int(text))
    except (ValueError, OverflowError):
        raise ValueError(f"{os.fsdecode(name)}: the field {text!r} is no {kind}") from None


def HDF5Dataset(filename: Any, columns: Any = None) -> Any:
    """The rows of arrays in an HDF5 file, read when they are needed.

    Args:
        filename: the file's path.
        columns: names of arrays: one, for rows by themselves, or several, for dicts; None: all.

    Example:
        >>> import h5py
        >>> with h5py.File("rows.h5", "w") as file:
        ...     file["x"], file["y"] = np.arange(4), np.arange(4) ** 2
        >>> list(keras.data.HDF5Dataset("rows.h5", "y").skip(2))
        [np.int64(4), np.int64(9)]
    """
    import h5py

    file = h5py.File(os.fsdecode(filename), "r")
    if isinstance(columns, str):
        return Dataset.from_tensor_slices(file[columns])
    return Dataset.from_tensor_slices({name: file[name] for name in columns or file})


def ParquetDataset(
    filenames: Any, columns: Any = None, num_parallel_reads: int | None = None
) -> Dataset:
    """The rows of Parquet files, as dicts; a group of rows is in memory at a time.

    Args:
        filenames, num_parallel_reads: see `TFRecordDataset`.
        columns: names; None: all.

    Raises:
        ImportError: pyarrow is not installed (``pip install "tricorn[data]"``).

    Example:
        >>> import pyarrow, pyarrow.parquet
        >>> pyarrow.parquet.write_table(pyarrow.table({"x": [1, 2]}), "x.parquet")
        >>> list(keras.data.ParquetDataset("x.parquet"))
        [{'x': np.int64(1)}, {'x': np.int64(2)}]
    """
    parquet: Any = checks.optional("pyarrow.parquet", "ParquetDataset", "pyarrow", "data")

    def one(name: bytes) -> Dataset:
        file = parquet.ParquetFile(os.fsdecode(name))

        def group(number: Any) -> Dataset:
            return Dataset.from_tensor_slices(file.read_row_group(int(number), columns))

        return Dataset.range(file.num_row_groups).flat_map(group)

    return _of_files(filenames, num_parallel_reads, None, one)


complete(
    (TFRecordDataset, TextLineDataset, FixedLengthRecordDataset, CsvDataset),
    dict.fromkeys(("buffer_size", "name"), "of no effect"),
)
