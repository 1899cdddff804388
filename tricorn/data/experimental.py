"""``tf.data.experimental``: sources, and transformations for `Dataset.apply`, of which most have
become methods of `Dataset`."""

from __future__ import annotations

import csv
import enum
import itertools
import os
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from tricorn import tree
from tricorn.data import kinds, records
from tricorn.data.dataset import AUTOTUNE, INFINITE_CARDINALITY, UNKNOWN_CARDINALITY, Dataset
from tricorn.data.elements import TensorSpec, as_element, protected
from tricorn.data.examples import parse_example
from tricorn.data.iterators import Optional
from tricorn.data.options import ThreadingOptions
from tricorn.data.sources import CsvDataset, TFRecordDataset
from tricorn.dtypes import standardize
from tricorn.late import left_out

__all__ = [
    "assert_cardinality", "at", "AutoShardPolicy", "AUTOTUNE", "AutotuneAlgorithm",
    "bucket_by_sequence_length", "cardinality", "choose_from_datasets", "Counter", "CsvDataset",
    "dense_to_ragged_batch", "dense_to_sparse_batch", "enumerate_dataset", "ExternalStatePolicy",
    "from_list", "get_next_as_optional", "get_single_element", "get_structure", "group_by_reducer",
    "group_by_window", "ignore_errors", "INFINITE_CARDINALITY", "load",
    "make_batched_features_dataset", "make_csv_dataset", "map_and_batch", "Optional",
    "pad_to_cardinality", "parallel_interleave", "parse_example_dataset", "RandomDataset",
    "Reducer", "rejection_resample", "sample_from_datasets", "save", "scan", "shuffle_and_repeat",
    "snapshot", "SqlDataset", "take_while", "TFRecordWriter", "ThreadingOptions", "unbatch",
    "unique", "UNKNOWN_CARDINALITY",
]  # fmt: skip

_POLICIES = {"OFF": -1, "AUTO": 0, "FILE": 1, "DATA": 2, "HINT": 3}
AutoShardPolicy = enum.Enum("AutoShardPolicy", _POLICIES)  # type: ignore[misc]
AutotuneAlgorithm = enum.Enum(
    "AutotuneAlgorithm", "DEFAULT HILL_CLIMB GRADIENT_DESCENT MAX_PARALLELISM STAGE_BASED", start=0
)
ExternalStatePolicy = enum.Enum("ExternalStatePolicy", "WARN IGNORE FAIL", start=0)

# ----------------------------------------------------------------------- what has become a method

Counter, RandomDataset, load = Dataset.counter, Dataset.random, Dataset.load
sample_from_datasets = Dataset.sample_from_datasets
save, cardinality = Dataset.save, Dataset.cardinality
get_single_element = Dataset.get_single_element


def _method(name: str) -> Callable:
    """What makes a transformation that calls a method."""

    def make(*args: Any, **kwargs: Any) -> Callable[[Dataset], Dataset]:
        return lambda dataset: getattr(dataset, name)(*args, **kwargs)

    make.__doc__ = f"For `Dataset.apply`: its method `{name}` with these arguments."
    return make


bucket_by_sequence_length, group_by_window, ignore_errors, rejection_resample = map(
    _method, ("bucket_by_sequence_length", "group_by_window", "ignore_errors", "rejection_resample")
)
scan, snapshot, take_while, unbatch, unique, enumerate_dataset = map(
    _method, ("scan", "snapshot", "take_while", "unbatch", "unique", "enumerate")
)
dense_to_ragged_batch, dense_to_sparse_batch = map(_method, ("ragged_batch", "sparse_batch"))


def choose_from_datasets(
    datasets: Any, choice_dataset: Dataset, stop_on_empty_dataset: bool = False
) -> Any:
    """`Dataset.choose_from_datasets` with another default."""
    return Dataset.choose_from_datasets(datasets, choice_dataset, stop_on_empty_dataset)


def get_structure(dataset_or_iterator: Any) -> Any:
    """The specs of the elements."""
    return dataset_or_iterator.element_spec


def get_next_as_optional(iterator: Any) -> Optional:
    """See `Iterator.get_next_as_optional`."""
    return iterator.get_next_as_optional()


def map_and_batch(
    map_func: Callable, batch_size: int, num_parallel_batches: Any = None,
    drop_remainder: bool = False, num_parallel_calls: Any = None,
) -> Callable:  # fmt: skip
    """For `Dataset.apply`: `map` in threads, and `batch`."""
    count = AUTOTUNE if num_parallel_calls is None else num_parallel_calls
    return lambda dataset: dataset.map(map_func, count).batch(batch_size, drop_remainder)


def shuffle_and_repeat(buffer_size: int, count: int | None = None, seed: Any = None) -> Callable:
    """For `Dataset.apply`: `shuffle`, and `repeat`."""
    return lambda dataset: dataset.shuffle(buffer_size, seed).repeat(count)


def parallel_interleave(
    map_func: Callable, cycle_length: int, block_length: int = 1, sloppy: bool = False,
    buffer_output_elements: Any = None, prefetch_input_elements: Any = None,
) -> Callable:  # fmt: skip
    """For `Dataset.apply`: `interleave` in threads; the order is always that of the data."""
    return lambda dataset: dataset.interleave(map_func, cycle_length, block_length, cycle_length)


def parse_example_dataset(
    features: dict, num_parallel_calls: Any = 1, deterministic: Any = None
) -> Callable:
    """For `Dataset.apply`: `parse_example` of batches of serialized examples."""
    return lambda dataset: dataset.map(
        lambda rows: parse_example(rows, features), num_parallel_calls
    )


# ------------------------------------------------------------------------------- transformations


def assert_cardinality(expected_cardinality: int) -> Callable[[Dataset], Dataset]:
    """For `Dataset.apply`: the elements, of which it is said how many there are.

    Raises:
        ValueError: in the loop, when there are more or fewer.

    Example:
        >>> data = keras.data.Dataset.range(9).filter(lambda x: x % 2 == 0)
        >>> len(data.apply(keras.data.experimental.assert_cardinality(5)))
        5
    """
    return lambda dataset: dataset._then(
        kinds.Counted, int(expected_cardinality), expected=int(expected_cardinality)
    )


def pad_to_cardinality(cardinality: int, mask_key: str = "valid") -> Callable[[Dataset], Dataset]:
    """For `Dataset.apply`: dicts with a further key, true for the elements there are, false for
    those of zeros that are added to make so many.

    Raises:
        ValueError: there are more, it is not known how many there are, or they are no dicts.

    Example:
        >>> data = keras.data.Dataset.from_tensor_slices({"x": [1, 2]})
        >>> [int(row["x"]) for row in data.apply(keras.data.experimental.pad_to_cardinality(3))]
        [1, 2, 0]
    """

    def apply(dataset: Dataset) -> Dataset:
        there = dataset.cardinality()
        if not 0 <= there <= cardinality or not isinstance(dataset.element_spec, dict):
            raise ValueError(
                f"pad_to_cardinality needs dicts, at most {cardinality} of them, got "
                f"{dataset!r} of {dataset.element_spec!r}"
            )

        def zeros(spec: TensorSpec) -> Any:
            shape = [n or 0 for n in spec.shape or ()]
            empty = spec.dtype == "string"
            return np.full(shape, b"", object) if empty else np.zeros(shape, spec.dtype)

        filler = {**tree.map(zeros, dataset.element_spec), mask_key: np.False_}
        marked = dataset.map(lambda row: {**row, mask_key: np.True_})
        return marked.concatenate(Dataset.from_tensors(filler).repeat(cardinality - there))

    return apply


class Reducer(NamedTuple):
    """How `group_by_reducer` makes one element of those of a group.

    Args:
        init_func: function of the key that gives the first state.
        reduce_func: function of a state and an element that gives the next state.
        finalize_func: function of the last state (of its parts) that gives the element.

    Example:
        >>> count = keras.data.experimental.Reducer(
        ...     lambda key: np.int64(0), lambda n, x: n + 1, lambda n: n
        ... )
        >>> data = keras.data.Dataset.range(5)
        >>> groups = keras.data.experimental.group_by_reducer(lambda x: x % 2, count)
        >>> [int(n) for n in data.apply(groups)]
        [3, 2]
    """

    init_func: Callable
    reduce_func: Callable
    finalize_func: Callable


def group_by_reducer(key_func: Callable, reducer: Reducer) -> Callable[[Dataset], Dataset]:
    """For `Dataset.apply`: an element for each key, in their order.

    Args:
        key_func: function of an element that gives its key, an integer.
        reducer: a `Reducer`.
    """
    return lambda dataset: dataset._then(
        kinds.Reduced, None, spec=None, key=key_func, reducer=reducer
    )


# -------------------------------------------------------------------------------------- sources


def from_list(elements: list, name: Any = None) -> Dataset:
    """The elements of a list.

    Raises:
        ValueError: it is empty.
    """
    if not elements:
        raise ValueError("from_list: the list is empty")
    return Dataset._listed([protected(as_element(element)) for element in elements])


def at(dataset: Dataset, index: int) -> Any:
    """The element of a number, up to which the dataset is read.

    Raises:
        IndexError: there is none.
    """
    for element in dataset.skip(index).take(1):
        return element
    raise IndexError(f"at: the dataset has no element {index}")


def SqlDataset(driver_name: str, data_source_name: Any, query: Any, output_types: Any) -> Dataset:
    """The rows that a query gives, as tuples.

    Args:
        driver_name: "sqlite".
        data_source_name: the file.
        query: in SQL.
        output_types: tuple of the dtypes of the columns.

    Raises:
        ValueError: for another driver.

    Example:
        >>> import sqlite3
        >>> with sqlite3.connect("some.db") as there:
        ...     cursor = there.execute("create table t as select 3 as x")
        >>> from tricorn.data.experimental import SqlDataset
        >>> list(SqlDataset("sqlite", "some.db", "select x from t", ("int32",)))
        [(np.int32(3),)]
    """
    if driver_name != "sqlite":
        raise ValueError(f"SqlDataset: the only driver_name is 'sqlite', got {driver_name!r}")

    dtypes = tuple(map(standardize, output_types))

    def rows() -> Iterator[tuple]:
        import sqlite3

        there = sqlite3.connect(os.fsdecode(data_source_name))
        try:
            for row in there.execute(query):
                yield tuple(map(_of_sql, row, dtypes))
        finally:
            there.close()

    return Dataset.from_generator(rows, dtypes, ((),) * len(dtypes))


def _of_sql(value: Any, dtype: str) -> Any:
    """A value, with what stands for nothing."""
    return (b"" if dtype == "string" else 0) if value is None else value


def make_csv_dataset(
    file_pattern: Any, batch_size: int, column_names: list[str] | None = None,
    column_defaults: list | None = None, label_name: str | None = None,
    select_columns: list | None = None, field_delim: str = ",", use_quote_delim: bool = True,
    na_value: str = "", header: bool = True, num_epochs: int | None = None, shuffle: bool = True,
    shuffle_buffer_size: int = 10_000, shuffle_seed: Any = None,
    prefetch_buffer_size: int | None = None, num_parallel_reads: int | None = None,
    sloppy: bool = False, num_rows_for_inference: int | None = 100,
    compression_type: str | None = None, ignore_errors: bool = False, encoding: str = "utf-8",
) -> Dataset:  # fmt: skip
    """Batches of the rows of CSV files: dicts of columns, or pairs of such a dict and the labels.

    Args:
        file_pattern: see `Dataset.list_files`.
        column_names: of all columns; None: the first line of the first file.
        column_defaults: see `CsvDataset`; None: the dtypes of the first rows, with 0 and "" for
            nothing.
        label_name: the column of the labels.
        select_columns: names or numbers of the columns to read; None: all.
        field_delim, use_quote_delim, na_value, header, compression_type: see `CsvDataset`.
        num_epochs: how many times over; None: without end, and full batches only.
        shuffle, shuffle_buffer_size, shuffle_seed: see `Dataset.shuffle`.
        num_parallel_reads: how many files are read at a time, rows of each in turn.
        num_rows_for_inference: of which the dtypes are found; None: all.
        ignore_errors: leave out the rows that are damaged.
        encoding: of the first lines.

    Raises:
        ValueError: for names that are not there, or twice.

    Example:
        >>> with open("ages.csv", "w") as file:
        ...     count = file.write("age,name\\n1,a\\n2,b\\n")
        >>> data = keras.data.experimental.make_csv_dataset(
        ...     "ages.csv", 2, label_name="age", num_epochs=1, shuffle=False
        ... )
        >>> list(data)
        [({'name': array([b'a', b'b'], dtype=object)}, array([1, 2], dtype=int32))]
    """
    names = list(map(os.fsdecode, Dataset.list_files(file_pattern, shuffle=False)))
    quoting: Any = csv.QUOTE_MINIMAL if use_quote_delim else csv.QUOTE_NONE

    def rows(name: str) -> Iterator[list[str]]:
        with records.opened(name, compression_type) as file:
            lines = (line.decode(encoding) for line in file)
            yield from csv.reader(lines, delimiter=field_delim, quoting=quoting)

    if column_names is None:
        if not header:
            raise ValueError("make_csv_dataset: give column_names, or files with a header")
        column_names = next(rows(names[0]), [])
    chosen = sorted(
        column if isinstance(column, int) else _place(column, column_names)
        for column in (select_columns if select_columns is not None else range(len(column_names)))
    )
    if len(set(column_names)) < len(column_names) or not all(
        0 <= n < len(column_names) for n in chosen
    ):
        raise ValueError(
            "make_csv_dataset: column_names must be different, and select_columns among them; got "
            f"{column_names} and {select_columns}"
        )
    keys = [column_names[number] for number in chosen]
    if label_name is not None:
        _place(label_name, keys)
    if column_defaults is None:
        every = (row for name in names for row in itertools.islice(rows(name), bool(header), None))
        first = list(itertools.islice(every, num_rows_for_inference))
        found = [_dtype((row[n] for row in first if n < len(row)), na_value) for n in chosen]
        column_defaults = [
            np.array([b"" if dtype == "string" else 0], "O" if dtype == "string" else dtype)
            for dtype in found
        ]

    def one(name: bytes) -> Dataset:
        read = CsvDataset(
            name, column_defaults, compression_type, None, header, field_delim, use_quote_delim,
            na_value, chosen,
        )  # fmt: skip
        return read.ignore_errors() if ignore_errors else read

    def named(*columns: Any) -> Any:
        features = dict(zip(keys, columns))
        return features if label_name is None else (features, features.pop(label_name))

    files = _in_order(Dataset._listed(names), shuffle and len(names), shuffle_seed, 1)
    read = files.interleave(one, num_parallel_reads or 1)
    read = _in_order(read, shuffle and shuffle_buffer_size, shuffle_seed, num_epochs)
    return read.batch(batch_size, num_epochs is None).map(named).prefetch(prefetch_buffer_size)


def _place(name: str, names: list[str]) -> int:
    if name not in names:
        raise ValueError(f"make_csv_dataset: there is no column {name!r} among {names}")
    return names.index(name)


def _in_order(dataset: Dataset, buffer: int, seed: Any, epochs: int | None) -> Dataset:
    dataset = dataset.shuffle(buffer, seed) if buffer else dataset
    return dataset if epochs == 1 else dataset.repeat(epochs)


def _dtype(fields: Iterator[str], na_value: str) -> str:
    """The first dtype that takes all of the fields."""
    wider = ["int32", "int64", "float32", "float64", "string"]
    for field in fields:
        while field not in ("", na_value) and not _is(field, wider[0]):
            del wider[0]
    return wider[0]


def _is(field: str, kind: str) -> bool:
    if kind == "string":
        return True
    try:
        limit = np.iinfo(kind) if kind.startswith("int") else np.finfo(kind)
        number = int(field) if kind.startswith("int") else float(field)
    except ValueError:
        return False
    return bool(limit.min <= number <= limit.max)


def make_batched_features_dataset(
    file_pattern: Any, batch_size: int, features: dict, reader: Callable | None = None,
    label_key: str | None = None, reader_args: Any = None, num_epochs: int | None = None,
    shuffle: bool = True, shuffle_buffer_size: int = 10_000, shuffle_seed: Any = None,
    prefetch_buffer_size: int | None = None, reader_num_threads: int | None = None,
    parser_num_threads: int | None = None, sloppy_ordering: bool = False,
    drop_final_batch: bool = False,
) -> Dataset:  # fmt: skip
    """Batches of the examples in TFRecord files: dicts, or pairs of such a dict and the labels.

    Args:
        file_pattern: see `Dataset.list_files`.
        features: see `parse_example`.
        reader, reader_args: function of a file's name (and these arguments) that gives the dataset
            of its records; None: `TFRecordDataset`.
        label_key: the feature of the labels.
        num_epochs: how many times over; None: without end, and full batches only.
        shuffle, shuffle_buffer_size, shuffle_seed: see `Dataset.shuffle`.
        reader_num_threads: how many files are read at a time, records of each in turn.
        parser_num_threads: how many threads parse.
        drop_final_batch: leave out a batch that is not full.

    Example:
        >>> with keras.data.TFRecordWriter("ages.tfrecord") as writer:
        ...     for age in (1, 2):
        ...         writer.write(keras.data.serialize_example({"age": age}))
        >>> features = {"age": keras.data.FixedLenFeature((), "int64")}
        >>> list(keras.data.experimental.make_batched_features_dataset(
        ...     "ages.tfrecord", 2, features, num_epochs=1, shuffle=False
        ... ))
        [{'age': array([1, 2])}]
    """
    read: Any = reader or TFRecordDataset
    files = Dataset.list_files(file_pattern, shuffle, shuffle_seed)
    rows = files.interleave(lambda name: read(name, *(reader_args or ())), reader_num_threads or 1)
    rows = _in_order(rows, shuffle and shuffle_buffer_size, shuffle_seed, num_epochs)

    def parsed(batch: Any) -> Any:
        found = parse_example(batch, features)
        return found if label_key is None else (found, found.pop(label_key))

    rows = rows.batch(batch_size, drop_final_batch or num_epochs is None)
    return rows.map(parsed, parser_num_threads or 2).prefetch(prefetch_buffer_size)


class TFRecordWriter:
    """Writes the elements of a dataset, which are bytes, to a TFRecord file.

    Args:
        filename: of the file.
        compression_type: None, ``"GZIP"`` or ``"ZLIB"``.

    Example:
        >>> texts = keras.data.Dataset.from_tensor_slices(["a", "b"])
        >>> keras.data.experimental.TFRecordWriter("texts.tfrecord").write(texts)
        >>> list(keras.data.TFRecordDataset("texts.tfrecord"))
        [b'a', b'b']
    """

    def __init__(self, filename: Any, compression_type: str | None = None) -> None:
        self._arguments = filename, compression_type

    def write(self, dataset: Dataset) -> None:
        """Write all elements, and end the file."""
        with records.TFRecordWriter(*self._arguments) as writer:
            for record in dataset:
                writer.write(record)


_DEVICES = "data is put on the device by `fit`; for data that is read ahead use `Dataset.prefetch`"
_GRAPHS = "datasets are Python objects here, not parts of graphs"
__getattr__ = left_out(
    __name__,
    {
        "copy_to_device prefetch_to_device": _DEVICES,
        "service distributed_save": "there is no service for data here; save with `Dataset.save`",
        "from_variant to_variant get_model_proto DatasetInitializer": _GRAPHS,
        "table_from_dataset index_table_from_dataset": "use a dict, or `layers.StringLookup`",
        "make_saveable_from_iterator": "`Checkpoint` saves iterators as they are",
        "enable_debug_mode": "functions are always called as they are; leave the call out",
        "AutotuneOptions DistributeOptions OptimizationOptions ServiceOptions": "set the "
        "attributes of `Options`",
        "SHARD_HINT": "a model that is distributed takes its share of each batch itself",
    },
)
