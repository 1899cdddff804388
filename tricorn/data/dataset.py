"""`Dataset`: TensorFlow's ``tf.data`` over NumPy, without TensorFlow."""

from __future__ import annotations

import contextlib
import copy
import functools
import glob
import itertools
import math
import os
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from tricorn import checks, dtypes, tree, workers
from tricorn.data import ahead, elements, iterators, kept, kinds, on_disk, records
from tricorn.data.elements import DatasetSpec, TensorSpec
from tricorn.data.iterators import Iterator, of_graph
from tricorn.data.options import Options

AUTOTUNE = -1
INFINITE_CARDINALITY = -1
UNKNOWN_CARDINALITY = -2

#: a number of elements: None where it is not known, infinity where there is no end
Length = float | None


def _reorders(method: Callable) -> Callable:
    """A method that leaves elements as they are: of the rows of arrays it changes the numbers."""

    @functools.wraps(method)
    def call(self: Dataset, *args: Any, **kwargs: Any) -> Dataset:
        if self._kind is not kinds.Rows:
            return method(self, *args, **kwargs)
        order = method(self._inputs[0], *args, **kwargs)
        return self._then(kinds.Rows, order._length, order, **self._settings)

    return call


def _seed(seed: Any) -> int:
    return int(np.random.randint(2**31)) if seed is None else int(seed)


def _numbers(get: Callable[[int], int], length: float, dtype: Any) -> Dataset:
    name = dtypes.standardize(dtype)
    kind = dtypes.to_numpy(name).type
    spec = TensorSpec((), name)
    return Dataset._of(kinds.Indexed, length=length, spec=spec, get=lambda i: kind(get(i)))


def _times(length: Length, function: Callable[[float], float]) -> Length:
    """A length computed from a known one."""
    return None if length is None else function(length)


class _NoElements(ValueError):
    """There is no element that would tell the spec."""


class Dataset:
    """Elements, one after the other, read anew by each loop over it: TensorFlow's
    ``tf.data.Dataset``, with the same names and arguments, on every engine.

    Elements are arrays and scalars of NumPy, and bytes for texts, or tuples and dicts of these;
    functions get and give them so, and may do what they like.  `fit`, `evaluate` and `predict` take
    one whose elements are batches.  The order is that of the data whatever the number of threads.
    Arguments `name`, `deterministic`, `synchronous` and `use_unbounded_threadpool` are taken for
    TensorFlow's sake.

    Args:
        source: elements: something that can be looped over, or a function that gives an iterator.
            Lists stay lists.
        length: how many there are; None: not known, infinity: no end.

    Attributes:
        class_names, file_paths: those of a dataset made from a directory, else None.

    Example:
        >>> data = keras.data.Dataset.from_tensor_slices({"x": [1, 2, 3], "y": [4, 5, 6]})
        >>> data = data.map(lambda row: row["x"] * row["y"], num_parallel_calls=2).batch(2)
        >>> [batch.tolist() for batch in data]
        [[4, 10], [18]]
    """

    #: under which one in a file is known to `elements.KEYED`
    _key: str | None = None
    _options = Options()
    class_names: list[str] | None = None
    file_paths: list[str] | None = None

    def __init__(self, source: Any, length: Length = None) -> None:
        begin = source if callable(source) else lambda: iter(source)
        length = len(source) if length is None and hasattr(source, "__len__") else length
        convert = functools.partial(tree.map, elements.as_element)
        self._set(kinds.Generated, (), length, None, {"begin": begin, "convert": convert})

    def _set(
        self, kind: type[Iterator], inputs: tuple, length: Length, spec: Any, settings: dict
    ) -> None:
        self._kind, self._inputs, self._length = kind, inputs, length
        self._spec, self._settings = spec, settings
        #: whether the spec is told, not that of a first element
        self._told = spec is not None
        #: what loops leave for later ones
        self._memory: dict[str, Any] = {}

    @classmethod
    def _of(
        cls, kind: Any, *inputs: Dataset, length: Length, spec: Any = None, **settings: Any
    ) -> Dataset:
        """A dataset.

        Args:
            kind: of its iterators, which get the `settings` as attributes.
            spec: of its elements; a function that gives it, or None: as a first element has it.
        """
        made = object.__new__(Dataset)
        made._set(kind, inputs, length, spec, settings)
        return made

    def _then(
        self, kind: Any, length: Length, *inputs: Dataset, spec: Any = "same", **settings: Any
    ) -> Dataset:
        """A dataset that continues this one; "same": elements as here."""
        spec = (lambda: self.element_spec) if isinstance(spec, str) else spec
        made = self._of(kind, *(inputs or (self,)), length=length, spec=spec, **settings)
        made.class_names, made.file_paths = self.class_names, self.file_paths
        return made

    # ------------------------------------------------------------------------------------- loops

    def _iterator(self) -> Iterator:
        return self._kind(self)

    def __iter__(self) -> Iterator:
        return self._iterator()

    def __len__(self) -> int:
        if self._length is None or self._length == math.inf:
            what = "is not known" if self._length is None else "is infinite"
            raise TypeError(f"the length of the dataset {what}")
        return int(self._length)

    def __bool__(self) -> bool:
        return True

    def cardinality(self) -> int:
        """How many elements there are; -1: infinitely many, -2: not known."""
        return {None: -2, math.inf: -1}.get(self._length, self._length)  # type: ignore

    def as_numpy_iterator(self) -> Iterator:
        """An iterator over the elements, which are NumPy's in any case."""
        return self._iterator()

    @property
    def element_spec(self) -> Any:
        """The `TensorSpec` of each part of the elements.  Of functions' results it is told by a
        first element, which is read for it."""
        if self._spec is None:
            self._spec = self._sampled()
        elif callable(self._spec):
            self._spec = self._spec()
        return self._spec

    output_shapes = property(lambda self: get_output_shapes(self), doc="Their shapes.")
    output_types = property(lambda self: get_output_types(self), doc="Their dtypes.")
    output_classes = property(lambda self: get_output_classes(self), doc="Their classes.")

    def _sampled(self) -> Any:
        """The spec of the first element.  A size that is not known in what it was made of, and is
        found again at the same axis, is not known."""
        nodes = list(self._ancestors())
        memories = [dict(node._memory) for node in nodes]
        iterator = self._iterator()
        try:
            if self._kind is kinds.Interleave:
                return self._of_made(iterator.source)
            if self._kind in (kinds.Map, ahead.ParallelMap):
                given = next(iterator.source)
                found = iterators.result(self._settings["function"], given)
                pairs = zip(tree.leaves(self._inputs[0].element_spec), tree.leaves(given))
                open_sizes = {
                    (axis, np.shape(part)[axis])
                    for spec, part in pairs
                    if isinstance(spec, TensorSpec) and spec.shape is not None
                    for axis, size in enumerate(spec.shape)
                    if size is None
                }
            else:
                found, open_sizes = next(iterator), set()
        except StopIteration:
            raise _NoElements(
                "the dataset has no elements, so it is not known what they would be like"
            ) from None
        finally:
            iterator.close()
            for node, memory in zip(nodes, memories):  # later loops are the same as without this
                node._memory = memory

        def opened(spec: Any) -> Any:
            if isinstance(spec, DatasetSpec):
                return spec
            shape = enumerate(spec.shape)
            sizes = tuple(None if size in open_sizes else size[1] for size in shape)
            return TensorSpec(sizes, spec.dtype)

        return tree.map(opened, elements.spec_of(found))

    def _of_made(self, source: Iterator) -> Any:
        """The spec of the first dataset that a function makes and that has one."""
        for element in source:
            with contextlib.suppress(_NoElements):
                return iterators.call(self._settings["function"], element).element_spec
        raise StopIteration

    def _ancestors(self) -> Iterable[Dataset]:
        yield self
        for one in self._inputs:
            yield from one._ancestors()

    @classmethod
    def _listed(cls, listed: list) -> Dataset:
        """The elements of a list."""
        spec = functools.partial(elements.spec_of, listed[0]) if listed else None
        made = cls._of(
            kinds.Indexed, length=len(listed), spec=spec, get=listed.__getitem__, listed=listed
        )
        made._told = len(listed) == 1  # others may have other shapes
        return made

    @classmethod
    def _of_file(
        cls, path: str, compression: str = "", length: Length = None, spec: Any = None
    ) -> Dataset:
        """The elements in a file of `kept`."""

        def read(file: Any) -> Any:
            record = records.read_record(file, path)
            return None if record is None else elements.decode(record, Dataset._of_data)

        opened = functools.partial(records.opened, path, compression)
        return cls._of(kinds.Records, length=length, spec=spec, opened=opened, read=read)

    @classmethod
    def _of_folder(cls, path: str, spec: Any, reader: Callable | None) -> Dataset | None:
        """See `load`; None: there is none."""
        found = kept.noted(path)
        if found is None:
            return None
        spec = found["spec"] if spec is None else elements.specs(spec)
        shards = []
        for number, length in found["shards"]:
            file = os.path.join(path, found["run"], f"{number:08}")
            shard = cls._of_file(file, found["compression"], length, spec)
            shard._key = f"{found['run']}/{number}"
            shards.append(elements.KEYED.setdefault(shard._key, shard))
        made = cls._listed(shards)
        if reader is not None:
            made = reader(made)
            if not isinstance(made, Dataset):
                raise TypeError(f"reader_func must give a Dataset, got {type(made).__name__}")
            return made
        made = made.flat_map(lambda shard: shard)
        made._spec, made._length = spec, sum(length for _, length in found["shards"])
        return made

    def _tricorn_data(self) -> list | str | None:
        """What the dataset is as data: the elements, where it is a list of them, such as a window;
        or its key."""
        return self._key or self._settings.get("listed")

    @classmethod
    def _of_data(cls, data: list | str) -> Dataset:
        """The dataset of such data.  That of a key must be there when it is read."""
        if isinstance(data, list):
            return cls._listed(data)

        def there(*_: Any) -> Dataset:
            if data not in elements.KEYED:
                raise ValueError(f"the saved elements of the position are not there: {data}")
            return elements.KEYED[data]

        spec = lambda: there().element_spec
        made = cls._of(lambda _: there()._iterator(), length=None, spec=spec)
        made._key = data
        return made

    def __repr__(self) -> str:
        length = {None: "unknown length", math.inf: "no end"}.get(self._length, self._length)  # type: ignore
        return f"<Dataset of {self._kind.__name__}, {length}>"

    # ----------------------------------------------------------------------------------- sources

    @staticmethod
    @of_graph
    def from_tensors(tensors: Any, name: Any = None) -> Any:
        """One element."""
        return Dataset._listed([elements.protected(elements.as_element(tensors))])

    @staticmethod
    @of_graph
    def from_tensor_slices(tensors: Any, name: Any = None) -> Any:
        """The rows of arrays of one length.

        Args:
            tensors: an array, or tuples and dicts of them; also tables of pandas (rows), Polars,
                Arrow and Hugging Face's `datasets` (dicts of columns), and arrays in files (those
                of h5py, `HDF5Matrix`, memory maps), which are read when their rows are needed.

        Raises:
            ValueError: for arrays of different lengths.
        """
        if hasattr(tensors, "columns") and not hasattr(tensors, "iloc"):
            names = getattr(tensors, "column_names", tensors.columns)
            tensors = {name: tensors[name] for name in names}
        leaves, structure = tree.take_apart(_without_lists(on_disk.tables(tensors)))
        arrays = [_array(leaf) for leaf in leaves]
        lengths = {len(array) if array.shape else 0 for array in arrays}
        if len(lengths) != 1 or not all(array.shape for array in arrays):
            raise ValueError(
                "from_tensor_slices needs arrays of one length, got the shapes "
                f"{[tuple(array.shape) for array in arrays]}"
            )
        specs = [TensorSpec(array.shape[1:], array.dtype) for array in arrays]
        numbers = range(lengths.pop())
        order = Dataset._of(kinds.Indexed, length=len(numbers), get=numbers.__getitem__)
        return Dataset._of(
            kinds.Rows,
            order,
            length=order._length,
            spec=tree.unflatten(structure, specs),
            arrays=arrays,
            build=functools.partial(tree.unflatten, structure),
        )

    @staticmethod
    @of_graph
    def from_generator(
        generator: Callable,
        output_types: Any = None,
        output_shapes: Any = None,
        args: tuple | None = None,
        output_signature: Any = None,
        name: Any = None,
    ) -> Any:
        """What an iterator gives that a function returns.

        Args:
            generator: the function.  Where its iterators have ``get_state`` and ``set_state`` they
                tell the position, otherwise they are read again up to there.
            output_types, output_shapes, output_signature: dtypes that elements are cast to, and
                shapes that they must have; None: as they come.
            args: arguments for the function.

        Raises:
            TypeError, ValueError: in the loop, for an element of another shape or structure.
        """
        begin = functools.partial(generator, *map(elements.as_element, args or ()))
        signature = elements.signature(output_types, output_shapes, output_signature)

        def convert(element: Any) -> Any:
            if signature is None:
                return elements.as_element(element)
            return tree.map_up_to(elements.cast, signature, element)

        return Dataset._of(
            kinds.Generated, length=None, spec=signature, begin=begin, convert=convert
        )

    @staticmethod
    @of_graph
    def range(*args: Any, output_type: Any = "int64", name: Any = None) -> Any:
        """``range(stop)``, ``range(start, stop)`` or ``range(start, stop, step)``."""
        numbers = range(*map(int, args))
        return _numbers(numbers.__getitem__, len(numbers), output_type)

    @staticmethod
    @of_graph
    def counter(start: int = 0, step: int = 1, dtype: Any = "int64", name: Any = None) -> Any:
        """Numbers without end."""
        return _numbers(lambda i: start + i * step, math.inf, dtype)

    @staticmethod
    @of_graph
    def random(
        seed: Any = None, rerandomize_each_iteration: Any = None, name: Any = None
    ) -> Any:  # fmt: skip
        """Numbers from 0 to 2³² - 1, drawn at random without end; the same in each loop."""
        draws = iterators.Draws(_seed(seed), 0)
        return _numbers(lambda i: int(draws[i] * 2**32), math.inf, "int64")

    @staticmethod
    @of_graph
    def list_files(
        file_pattern: Any, shuffle: Any = None, seed: Any = None, name: Any = None
    ) -> Any:
        """The paths (bytes) of the files that match a pattern, or one of several.

        Args:
            file_pattern: with ``*``, ``?`` and ``[...]``.
            shuffle: in another order in each loop; None: true.
            seed: of the order.

        Raises:
            FileNotFoundError: there is none.
        """
        patterns = [os.fsdecode(p) for p in np.ravel(np.asarray(file_pattern, object))]
        found = sorted({path for pattern in patterns for path in glob.glob(pattern)})
        if not found:
            raise FileNotFoundError(f"no files match {', '.join(patterns)}")
        files = Dataset.from_tensor_slices(np.array(found, object))
        return files if shuffle is False else files.shuffle(len(found), seed)

    # ------------------------------------------------------------------------ one after the other

    def map(
        self, map_func: Callable, num_parallel_calls: Any = None, deterministic: Any = None,
        synchronous: Any = None, use_unbounded_threadpool: Any = False, name: Any = None,
    ) -> Dataset:  # fmt: skip
        """The results of a function of the elements (of their parts, where they are tuples).

        Args:
            map_func: the function; it may use layers, tensors of any engine, or anything else.
            num_parallel_calls: how many threads call it, -1: one for each processor; None: it is
                called by whoever asks for the element.
        """
        if num_parallel_calls is None:
            return self._then(kinds.Map, self._length, spec=None, function=map_func)
        count = workers.how_many(num_parallel_calls)
        return self._then(
            ahead.ParallelMap, self._length, spec=None, function=map_func, count=count
        )

    def filter(self, predicate: Callable, name: Any = None) -> Dataset:
        """The elements for which a function of them (or of their parts) is true."""
        return self._then(kinds.Filter, None, function=predicate, first_only=False)

    def take_while(self, predicate: Callable, name: Any = None) -> Dataset:
        """The elements before the first for which a function of them is not true."""
        return self._then(kinds.Filter, None, function=predicate, first_only=True)

    @_reorders
    def take(self, count: int, name: Any = None) -> Dataset:
        """The first elements; a count of -1: all."""
        count = int(count)
        length = self._length if count < 0 else _times(self._length, lambda n: min(count, n))
        return self._then(kinds.Take, length, count=count)

    @_reorders
    def skip(self, count: int, name: Any = None) -> Dataset:
        """The elements after the first ones; a count of -1: none."""
        count = int(count)
        if count < 0:
            return self.take(0)
        return self._then(
            kinds.Nth, _times(self._length, lambda n: max(n - count, 0)), start=count, step=1
        )

    @_reorders
    def shard(self, num_shards: int, index: int, name: Any = None) -> Dataset:
        """Every `num_shards`-th element, from the one of number `index` on.

        Raises:
            ValueError: for other numbers than 0 <= index < num_shards.
        """
        if not 0 <= index < num_shards:
            raise ValueError(f"shard: 0 <= index < num_shards, got {index} and {num_shards}")
        length = _times(
            self._length, lambda n: n if n == math.inf else max(-((index - n) // num_shards), 0)
        )
        return self._then(kinds.Nth, length, start=int(index), step=int(num_shards))

    def batch(
        self, batch_size: int, drop_remainder: bool = False, num_parallel_calls: Any = None,
        deterministic: Any = None, name: Any = None,
    ) -> Dataset:  # fmt: skip
        """Elements put together, so many at a time; the last are fewer or left out.

        Raises:
            ValueError: in the loop, for elements of different shapes.
        """
        return self._batched(batch_size, drop_remainder, elements.stacked)

    def padded_batch(
        self, batch_size: int, padded_shapes: Any = None, padding_values: Any = None,
        drop_remainder: bool = False, name: Any = None,
    ) -> Dataset:  # fmt: skip
        """Elements put together that are filled up to one shape.

        Args:
            padded_shapes: a shape for each part; None or -1 in it: as long as the longest in the
                batch; None: all axes so.
            padding_values: what they are filled with, one for all or one for each part; None: 0 and
                empty texts.

        Raises:
            ValueError: in the loop, for an element that is longer than its shape.
        """
        join = lambda rows: elements.padded(rows, padded_shapes, padding_values)
        return self._batched(batch_size, drop_remainder, join, padded_shapes)

    def _batched(
        self, size: int, drop: bool, join: Callable, shapes: Any = None, spec: Any = None
    ) -> Dataset:
        size = checks.integer(self, "batch_size", size, 1)

        def part(spec: TensorSpec, shape: Any) -> TensorSpec:
            shape = spec.shape if shape is None else shape
            whole = None if shape is None else (size if drop else None, *shape)
            return TensorSpec(whole, spec.dtype)

        def count(n: float) -> float:
            return n if n == math.inf else n // size if drop else -(-n // size)

        return self._then(
            kinds.Batch, _times(self._length, count), size=size, drop=drop, join=join,
            spec=spec or (lambda: tree.map_up_to(part, self.element_spec, shapes)),
        )  # fmt: skip

    def unbatch(self, name: Any = None) -> Dataset:
        """The rows of the elements."""

        def spec() -> Any:
            return tree.map(
                lambda part: TensorSpec(part.shape and part.shape[1:], part.dtype),
                self.element_spec,
            )

        return self._then(kinds.Unbatch, None, spec=spec)

    def rebatch(
        self, batch_size: int, drop_remainder: bool = False, name: Any = None
    ) -> Dataset:  # fmt: skip
        """The rows of the elements in batches of another size."""
        return self.unbatch().batch(batch_size, drop_remainder)

    def ragged_batch(
        self, batch_size: int, drop_remainder: bool = False, row_splits_dtype: Any = "int64",
        name: Any = None,
    ) -> Dataset:  # fmt: skip
        """Elements of different lengths put together as they are, parts with axes as
        `RaggedTensorValue`; parts whose shape is known as arrays.  Of a function's results it is
        not known.

        Args:
            row_splits_dtype: "int64" or "int32".

        Raises:
            ValueError: in the loop, for elements that differ in another axis than an open one.
        """
        told = self._is_told()

        def open_axes(spec: TensorSpec) -> int:
            if spec.shape is None:
                raise ValueError("ragged_batch: the number of axes must be known")
            axes = [axis + 1 for axis, n in enumerate(spec.shape) if n is None or not told]
            return max(axes, default=0)

        ranks = functools.cache(
            lambda: [open_axes(part) for part in tree.leaves(self.element_spec)]
        )

        def part(spec: TensorSpec) -> Any:
            size, rank = batch_size if drop_remainder else None, open_axes(spec)
            if rank == 0:
                return TensorSpec((size, *spec.shape), spec.dtype)  # type: ignore[misc]
            made: Any = TensorSpec((None, *spec.shape[rank:]), spec.dtype)  # type: ignore[index]
            for axis in range(rank):
                count = size + 1 if size and axis == rank - 1 else None
                made = elements.RaggedTensorValue(made, TensorSpec((count,), row_splits_dtype))
            return made

        join = lambda rows: elements.ragged(rows, ranks(), row_splits_dtype)
        return self._batched(
            batch_size, drop_remainder, join, spec=lambda: tree.map(part, self.element_spec)
        )

    def sparse_batch(self, batch_size: int, row_shape: Any, name: Any = None) -> Dataset:
        """Elements of different shapes put together as a `SparseTensorValue` of all their values.

        Args:
            row_shape: into which all elements fit; None or -1 in it: as long as the longest.

        Raises:
            ValueError: in the loop, for elements of several parts, and one that does not fit.
        """
        axes = 1 + len(row_shape)

        def spec() -> Any:
            values = TensorSpec((None,), self.element_spec.dtype)
            indices, shape = TensorSpec((None, axes), "int64"), TensorSpec((axes,), "int64")
            return elements.SparseTensorValue(indices, values, shape)

        join = lambda rows: elements.sparse(rows, row_shape)
        return self._batched(batch_size, False, join, spec=spec)

    def unique(self, name: Any = None) -> Dataset:
        """The elements that have not come before; those that have are held in memory."""
        return self._then(kinds.Unique, None)

    def ignore_errors(self, log_warning: bool = False, name: Any = None) -> Dataset:
        """The elements without those that fail; with one that fails in a batch those are left
        out that the batch had before it.

        Args:
            log_warning: tell each error by ``logging``.
        """
        spec = "same" if self._is_told() else None  # the first element may fail
        return self._then(kinds.Errorless, None, spec=spec, log=log_warning)

    def window(
        self, size: int, shift: int | None = None, stride: int = 1, drop_remainder: bool = False,
        name: Any = None,
    ) -> Dataset:  # fmt: skip
        """Datasets of `size` elements each, of which every `stride`-th is taken.

        Args:
            shift: between the beginnings of two windows; None: `size`.
            drop_remainder: leave out windows that are not full.
        """
        sizes = [size, size if shift is None else shift, stride]
        size, shift, stride = (checks.integer(self, "window", n, 1) for n in sizes)
        reach = (size - 1) * stride + 1

        def count(n: float) -> float:
            if n == math.inf:
                return n
            return max((n - reach) // shift + 1, 0) if drop_remainder else -(-n // shift)

        spec = lambda: tree.map(DatasetSpec, self.element_spec)
        return self._then(
            kinds.Window, _times(self._length, count), spec=spec,
            size=size, shift=shift, stride=stride, drop=drop_remainder,
        )  # fmt: skip

    @_reorders
    def repeat(self, count: int | None = None, name: Any = None) -> Dataset:
        """The elements so many times over; None or -1: without end."""
        endless = count is None or count < 0
        times = math.inf if endless else int(count)  # type: ignore[arg-type]
        length = 0 if times == 0 or self._length == 0 else _times(self._length, lambda n: n * times)
        if endless and self._length is None:
            length = math.inf
        nth = lambda number: self if number < times else None
        return self._then(kinds.Chain, length, nth=nth, endless=endless)

    def concatenate(self, dataset: Any, name: Any = None) -> Dataset:
        """The elements, then those of another dataset.

        Raises:
            TypeError: for elements of another structure or dtypes, where they are known.
        """
        parts = (self, dataset if isinstance(dataset, Dataset) else Dataset(dataset))
        known = None not in (parts[0]._length, parts[1]._length)

        def spec() -> Any:
            one, other = (part.element_spec for part in parts)
            elements.check_alike(one, other, "concatenate")
            return tree.map(elements.merged, one, other)

        return self._then(
            kinds.Chain,
            parts[0]._length + parts[1]._length if known else None,  # type: ignore[operator]
            *parts,
            spec=spec,
            nth=lambda number: parts[number] if number < 2 else None,
            endless=False,
        )

    @staticmethod
    @of_graph
    def zip(*args: Any, datasets: Any = None, name: Any = None) -> Any:
        """The elements of datasets side by side, up to the end of the first that ends.

        Args:
            args, datasets: several datasets, or a tuple or dict of them.
        """
        given = datasets if datasets is not None else args[0] if len(args) == 1 else args
        parts, structure = tree.take_apart(given)
        lengths = [part._length for part in parts]
        return Dataset._of(
            kinds.Zip,
            *parts,
            length=0 if 0 in lengths else None if None in lengths else min(lengths),
            spec=lambda: tree.map(lambda part: part.element_spec, given),
            build=functools.partial(tree.unflatten, structure),
        )

    def enumerate(self, start: int = 0, name: Any = None) -> Dataset:
        """Pairs of a number, from `start` on, and an element."""
        numbers = Dataset.counter.__wrapped__(start)
        return self._then(
            kinds.Zip, self._length, numbers, self, build=tuple,
            spec=lambda: (numbers.element_spec, self.element_spec),
        )  # fmt: skip

    def flat_map(self, map_func: Callable, name: Any = None) -> Dataset:
        """The elements of the datasets that a function makes of the elements."""
        return self.interleave(map_func, 1)

    def interleave(
        self, map_func: Callable, cycle_length: int | None = None, block_length: int | None = None,
        num_parallel_calls: Any = None, deterministic: Any = None, name: Any = None,
    ) -> Dataset:  # fmt: skip
        """`block_length` elements of each of `cycle_length` datasets in turn, which a function
        makes of the elements.

        Args:
            cycle_length: None or -1: 8.
            block_length: None: 1.
            num_parallel_calls: not None: each of them is read ahead in a thread.
        """
        cycle = 8 if cycle_length in (None, AUTOTUNE) else cycle_length
        return self._then(
            kinds.Interleave,
            None,
            spec=None,
            function=map_func,
            cycle=checks.integer(self, "cycle_length", cycle, 1),
            block=checks.integer(self, "block_length", block_length or 1, 1),
            ahead=num_parallel_calls is not None,
        )

    def scan(self, initial_state: Any, scan_func: Callable, name: Any = None) -> Dataset:
        """The elements that a function gives: ``scan_func(state, element) -> (state, element)``."""
        state = elements.as_element(initial_state)
        return self._then(kinds.Scan, self._length, spec=None, function=scan_func, carry=state)

    def reduce(self, initial_state: Any, reduce_func: Callable, name: Any = None) -> Any:
        """The last state: ``reduce_func(state, element) -> state``."""
        state = elements.as_element(initial_state)
        for element in self:
            state = elements.as_element(reduce_func(state, element))
        return state

    def get_single_element(self, name: Any = None) -> Any:
        """The only element.

        Raises:
            ValueError: there are more, or none.
        """
        found = list(itertools.islice(self, 2))
        if len(found) != 1:
            raise ValueError(f"the dataset has {'more than one' if found else 'no'} element")
        return found[0]

    def apply(self, transformation_func: Callable) -> Any:
        """What a function makes of the dataset."""
        return transformation_func(self)

    def with_options(self, options: Any, name: Any = None) -> Dataset:
        """The same elements; see `Options`."""
        made = copy.copy(self)
        made._options = self._options.merge(options)
        return made

    def options(self) -> Options:
        """What `with_options` was given, here and before."""
        return functools.reduce(Options.merge, [one._options for one in self._ancestors()][::-1])

    # ---------------------------------------------------------------------- with memory, in threads

    @_reorders
    def shuffle(
        self, buffer_size: int, seed: Any = None, reshuffle_each_iteration: bool | None = True,
        name: Any = None,
    ) -> Dataset:  # fmt: skip
        """The elements in another order: each is drawn from the next `buffer_size` ones.

        Args:
            buffer_size: -2: all.
            seed: an int; None: another one each time.
            reshuffle_each_iteration: in another order in each loop; else the same.
        """
        size = sys.maxsize if buffer_size == -2 else checks.integer(
            self, "buffer_size", buffer_size, 1
        )  # fmt: skip
        return self._then(
            kinds.Shuffle, self._length,
            size=size, seed=_seed(seed), reshuffle=reshuffle_each_iteration is not False,
        )  # fmt: skip

    def cache(self, filename: Any = "", name: Any = None) -> Dataset:
        """The same elements, kept by the first loop that reads them all.

        Args:
            filename: a file to keep them in; "": memory.
        """
        path = os.fsdecode(filename)
        if not path:
            return self._then(kinds.Cache, self._length)
        written = Dataset._of_file(path)
        return self._then(
            kinds.FileCache,
            self._length,
            kept=lambda: written if os.path.exists(path) else None,
            writing=functools.partial(kept.File, path),
        )

    def snapshot(
        self, path: Any, compression: str | None = "AUTO", reader_func: Callable | None = None,
        shard_func: Callable | None = None, name: Any = None,
    ) -> Dataset:  # fmt: skip
        """The same elements, kept in a folder by the first loop that reads them all; what is in
        the folder is read by later loops and processes, whatever pipeline has written it.

        Args:
            path: of the folder.
            compression, shard_func: see `save`.
            reader_func: see `load`.
        """
        path = os.fsdecode(path)
        return self._then(
            kinds.FileCache,
            self._length,
            kept=lambda: Dataset._of_folder(path, None, reader_func),
            writing=lambda: self._folder(path, compression, shard_func),
        )

    def save(
        self, path: Any, compression: str | None = None, shard_func: Callable | None = None,
        checkpoint_args: None = None,
    ) -> None:  # fmt: skip
        """Write the elements into a folder, for `load`.  What was saved there before is replaced
        when all is written.

        Args:
            path: of the folder.
            compression: ``"GZIP"``, or None, ``"NONE"``, ``"AUTO"``: none.
            shard_func: function of an element that gives the number of the file it is put into;
                None: one file.
            checkpoint_args: must be None: a saving that was interrupted leaves what was there.

        Raises:
            ValueError: for another compression, and for `checkpoint_args`.
        """
        if checkpoint_args is not None:
            raise ValueError("save writes all or nothing: checkpoint_args must be None")
        folder = self._folder(os.fsdecode(path), compression, shard_func)
        try:
            for element in self:
                folder.write(element)
            folder.close()
        finally:
            folder.drop()

    def _folder(self, path: str, compression: str | None, shard: Any) -> Any:
        spec = self.element_spec if self._is_told() else None
        return kept.Folder(path, compression, shard, spec)

    def _is_told(self) -> bool:
        """Whether the spec is known without reading an element."""
        return all(node._told for node in self._ancestors())

    @staticmethod
    @of_graph
    def load(
        path: Any, element_spec: Any = None, compression: str | None = None,
        reader_func: Callable | None = None, wait: bool = False,
    ) -> Any:  # fmt: skip
        """The elements that `save` has written into a folder, in the order of the files and in
        them.

        Args:
            path: of the folder.
            element_spec: of the elements; None: as it was when they were saved.
            compression: of no effect, the folder says it.
            reader_func: function that makes a dataset of the dataset of the files' datasets.
            wait: until the folder is there.

        Raises:
            FileNotFoundError: there is none, or none that `save` has written to its end.
        """
        path = os.fsdecode(path)
        found = Dataset._of_folder(path, element_spec, reader_func)
        while found is None and wait:
            time.sleep(0.1)
            found = Dataset._of_folder(path, element_spec, reader_func)
        if found is None:
            raise FileNotFoundError(f"{path} is no folder that `Dataset.save` has written")
        return found

    def prefetch(self, buffer_size: int | None = None, name: Any = None) -> Dataset:
        """The same elements; the next ones are read in a thread meanwhile.

        Args:
            buffer_size: how many; None or -1: 4.
        """
        size = 4 if buffer_size is None or buffer_size < 0 else int(buffer_size)
        return self._then(ahead.Prefetch, self._length, size=size)

    def bucket_by_sequence_length(
        self, element_length_func: Callable, bucket_boundaries: Any, bucket_batch_sizes: Any,
        padded_shapes: Any = None, padding_values: Any = None, pad_to_bucket_boundary: bool = False,
        no_padding: bool = False, drop_remainder: bool = False, name: Any = None,
    ) -> Dataset:  # fmt: skip
        """Batches of elements of similar length.

        Args:
            element_length_func: function of an element that gives its length.
            bucket_boundaries: increasing lengths; a bucket ends before each.
            bucket_batch_sizes: one more than boundaries.
            padded_shapes, padding_values, drop_remainder: see `padded_batch`.
            pad_to_bucket_boundary: fill up to the longest length of the bucket, not of the batch.
            no_padding: batches of elements of equal shapes.

        Raises:
            ValueError: for another number of sizes.
        """
        if len(bucket_batch_sizes) != len(bucket_boundaries) + 1:
            raise ValueError("bucket_batch_sizes must be one more than bucket_boundaries")
        bounds = list(bucket_boundaries)

        def key(*parts: Any) -> int:
            return int(np.searchsorted(bounds, int(element_length_func(*parts)), "right"))

        def join(bucket: int, rows: list) -> Any:
            if no_padding:
                return elements.stacked(rows)
            shapes = padded_shapes
            if pad_to_bucket_boundary:
                if bucket == len(bounds):
                    raise ValueError("an element is longer than the last of bucket_boundaries")
                longest = bounds[bucket] - 1
                if shapes is None:
                    shapes = tree.map(lambda spec: [None] * len(spec.shape), self.element_spec)
                shapes = tree.map_up_to(
                    lambda _, shape: [longest if n in (None, -1) else n for n in shape],
                    rows[0],
                    shapes,
                )
            return elements.padded(rows, shapes, padding_values)

        spec = lambda: tree.map(
            lambda part: TensorSpec((None,) * (1 + len(part.shape)), part.dtype), self.element_spec
        )
        return self._then(
            kinds.Buckets, None, spec=spec, key=key, join=join, drop=drop_remainder,
            size=list(bucket_batch_sizes).__getitem__,
        )  # fmt: skip

    def group_by_window(
        self, key_func: Callable, reduce_func: Callable, window_size: int | None = None,
        window_size_func: Callable | None = None, name: Any = None,
    ) -> Dataset:  # fmt: skip
        """The elements of the datasets that a function makes of windows: elements of equal keys.

        Args:
            key_func: function of an element that gives its key, an integer.
            reduce_func: ``reduce_func(key, window) -> dataset``.
            window_size, window_size_func: how many elements a window has; or a function of the key
                that gives it.
        """
        if (window_size is None) == (window_size_func is None):
            raise ValueError("group_by_window: give one of window_size and window_size_func")
        size: Callable = window_size_func or (lambda key: window_size)
        windows = self._then(
            kinds.Buckets, None, size=lambda key: int(size(np.int64(key))), drop=False,
            key=lambda *parts: int(key_func(*parts)),
            join=lambda key, rows: (np.int64(key), Dataset._listed(rows)),
            spec=lambda: (TensorSpec((), "int64"), DatasetSpec(self.element_spec)),
        )  # fmt: skip
        return windows.flat_map(reduce_func)

    def rejection_resample(
        self, class_func: Callable, target_dist: Any, initial_dist: Any = None, seed: Any = None,
        name: Any = None,
    ) -> Dataset:  # fmt: skip
        """Pairs (class, element) of elements that are kept so that classes have a distribution.

        Args:
            class_func: function of an element that gives its class, an integer.
            target_dist: the distribution, probabilities of each class.
            initial_dist: that of the elements; None: it is estimated from those that came.
            seed: of the draws.

        The element of class c is kept with the probability ``r[c] / max(r)``, r = target / initial.
        """
        target = np.asarray(target_dist, np.float64)
        known = None if initial_dist is None else np.asarray(initial_dist, np.float64)
        draws = iterators.Draws(_seed(seed), 0)

        def decide(state: Any, element: Any) -> Any:
            place, seen = state
            found = int(iterators.call(class_func, element))
            seen = seen + (np.arange(len(target)) == found)
            shares = seen / seen.sum() if known is None else known
            ratio = target / np.maximum(shares, np.finfo(np.float32).tiny)
            keep = draws[int(place)] < ratio[found] / ratio.max()
            return (place + 1, seen), (np.bool_(keep), np.int32(found), element)

        start = (np.int64(0), np.zeros(len(target)))
        kept = self.scan(start, decide).filter(lambda keep, found, element: keep)
        spec = lambda: (TensorSpec((), "int32"), self.element_spec)
        return kept._then(
            kinds.Map, None, spec=spec, function=lambda keep, found, element: (found, element)
        )

    @staticmethod
    @of_graph
    def choose_from_datasets(
        datasets: Any, choice_dataset: Dataset, stop_on_empty_dataset: bool = True
    ) -> Any:
        """Elements of several datasets in the order that a dataset of their numbers says.

        Args:
            stop_on_empty_dataset: end when a dataset has ended; else its number is passed over.
        """
        return datasets[0]._then(
            kinds.Chosen, None, choice_dataset, *datasets,
            stop=stop_on_empty_dataset, left=list(range(len(datasets))), build=None,
        )  # fmt: skip

    @staticmethod
    @of_graph
    def sample_from_datasets(
        datasets: Any, weights: Any = None, seed: Any = None, stop_on_empty_dataset: bool = False,
        rerandomize_each_iteration: Any = None,
    ) -> Any:  # fmt: skip
        """Elements of several datasets, each from one that is drawn.

        Args:
            weights: probabilities of the datasets; None: equal ones.
            seed: of the draws.
            stop_on_empty_dataset: end when a dataset has ended; else draw from the others.
        """
        shares = np.ones(len(datasets)) if weights is None else np.asarray(weights, np.float64)
        if len(shares) != len(datasets):
            raise ValueError(f"{len(datasets)} datasets have {len(shares)} weights")
        bounds, draws = np.cumsum(shares), iterators.Draws(_seed(seed), 0)
        get = lambda i: np.searchsorted(bounds, draws[i] * bounds[-1], "right")
        choice = Dataset._of(kinds.Indexed, length=math.inf, get=get)
        lengths = [one._length for one in datasets]
        whole = not stop_on_empty_dataset and None not in lengths and shares.all()
        return datasets[0]._then(
            kinds.Chosen, sum(lengths) if whole else None, choice, *datasets,
            stop=stop_on_empty_dataset, left=np.flatnonzero(shares).tolist(), build=None,
        )  # fmt: skip

    # --------------------------------------------------------------------- iterators by their names

    def make_one_shot_iterator(self) -> Any:
        """An iterator; in a graph of TensorFlow's one whose ``get_next()`` is a tensor of it."""
        return make_one_shot_iterator(self)

    def make_initializable_iterator(self, shared_name: Any = None) -> Any:
        """An iterator that begins when its ``initializer`` is called."""
        return make_initializable_iterator(self, shared_name)


def get_output_types(dataset_or_iterator: Any) -> Any:
    """The dtypes of the parts of the elements of `dataset_or_iterator`.

    Example:
        >>> keras.data.get_output_types(keras.data.Dataset.range(3))
        'int64'
    """
    return tree.map(lambda spec: spec.dtype, dataset_or_iterator.element_spec)


def get_output_shapes(dataset_or_iterator: Any) -> Any:
    """The shapes of the parts of the elements of `dataset_or_iterator`.

    Example:
        >>> keras.data.get_output_shapes(keras.data.Dataset.range(3))
        ()
    """
    return tree.map(lambda spec: spec.shape, dataset_or_iterator.element_spec)


def get_output_classes(dataset_or_iterator: Any) -> Any:
    """The classes of the parts of the elements of `dataset_or_iterator`.

    Example:
        >>> keras.data.get_output_classes(keras.data.Dataset.range(3)).__name__
        'ndarray'
    """
    return tree.map(lambda spec: np.ndarray, dataset_or_iterator.element_spec)


@of_graph
def make_one_shot_iterator(dataset: Dataset) -> Any:
    """An iterator over a dataset; in a graph of TensorFlow's its ``get_next()`` is a tensor of it.

    Example:
        >>> keras.data.make_one_shot_iterator(keras.data.Dataset.range(3)).get_next()
        np.int64(0)
    """
    return iter(dataset)


@of_graph
def make_initializable_iterator(dataset: Any, shared_name: Any = None) -> Any:
    """An iterator that begins when its ``initializer`` is called, and begins anew at each call.

    Args:
        dataset: a `Dataset`, or a function that makes one of the initializer's arguments.
        shared_name: of no effect.

    Example:
        >>> iterator = keras.data.make_initializable_iterator(keras.data.Dataset.range)
        >>> iterator.initializer(5)
        >>> [int(number) for number in iterator]
        [0, 1, 2, 3, 4]
    """
    made = iterators.Reinitializable(None if callable(dataset) else dataset.element_spec)
    made.initializer = made.make_initializer(dataset)
    return made


def _without_lists(tensors: Any) -> Any:
    if isinstance(tensors, dict):
        return {key: _without_lists(part) for key, part in tensors.items()}
    if isinstance(tensors, tuple):
        parts = [_without_lists(part) for part in tensors]
        return type(tensors)(*parts) if hasattr(tensors, "_fields") else tuple(parts)
    return elements.as_array(tensors) if isinstance(tensors, list) else tensors


def _array(leaf: Any) -> Any:
    """An array that is not written to, or rows of a file."""
    leaf = on_disk.rows(leaf)
    if isinstance(leaf, on_disk.Rows):
        return leaf
    array = elements.as_array(leaf)
    if array.ndim and array.dtype.kind in "USO":
        array = elements.as_element(array)
    return elements.protected(array)
