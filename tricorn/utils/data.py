"""`Dataset`: elements that are read anew each time, without a tensor library."""

from __future__ import annotations

import contextvars
import importlib
import itertools
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from tricorn import tree
from tricorn.engines import active

FORMATS = ("tf", "python", "arrays", "grain")
_WORKERS = 8


class Dataset:
    """Elements, one after the other, read anew by each loop over it.

    Its methods are those of ``tf.data.Dataset`` that programs use most, with NumPy arrays in place
    of tensors; arguments that only tune TensorFlow's pipelines are taken and ignored.  `fit`,
    `evaluate` and `predict` take one whose elements are batches.

    Args:
        begin: a function that gives an iterator over the elements, or an iterable.
        length: how many there are; None: not known, infinity: no end.

    Attributes:
        class_names, file_paths: those of a dataset made from a directory, else None.

    Example:
        >>> data = keras.utils.timeseries_dataset_from_array(
        ...     np.arange(6), targets=None, sequence_length=2, batch_size=None, format="python"
        ... )
        >>> [batch.tolist() for batch in data.map(lambda x: x * 10).batch(3)]
        [[[0, 10], [10, 20], [20, 30]], [[30, 40], [40, 50]]]
    """

    class_names: list[str] | None = None
    file_paths: list[str] | None = None

    def __init__(self, begin: Any, length: float | None = None) -> None:
        self._begin: Callable[[], Iterator] = begin if callable(begin) else lambda: iter(begin)
        self._length = len(begin) if length is None and hasattr(begin, "__len__") else length

    def __iter__(self) -> Iterator:
        return self._begin()

    def __len__(self) -> int:
        if self._length is None or self._length == np.inf:
            what = "is not known" if self._length is None else "is infinite"
            raise TypeError(f"the length of the dataset {what}")
        return int(self._length)

    def cardinality(self) -> int:
        """How many elements there are; -1: infinitely many, -2: not known."""
        return {None: -2, np.inf: -1}.get(self._length, self._length)  # type: ignore

    def as_numpy_iterator(self) -> Iterator:
        """An iterator over the elements, which are NumPy arrays in any case."""
        return iter(self)

    def _made(self, begin: Callable[[], Iterator], length: float | None) -> Dataset:
        made = Dataset(begin, length)
        made.class_names, made.file_paths = self.class_names, self.file_paths
        return made

    def map(self, map_func: Callable, num_parallel_calls: Any = None, **tuning: Any) -> Dataset:
        """The results of a function of the elements (of their parts, where they are tuples).

        Args:
            map_func: the function.
            num_parallel_calls: not None: it is called in several threads; the order stays.
        """

        def call(element: Any) -> Any:
            return map_func(*element) if isinstance(element, tuple) else map_func(element)

        def begin() -> Iterator:
            return map(call, self) if num_parallel_calls is None else in_threads(call, self)

        return self._made(begin, self._length)

    def filter(self, predicate: Callable, name: Any = None) -> Dataset:
        """The elements for which a function of them (or of their parts) is true."""

        def kept(element: Any) -> bool:
            return bool(predicate(*(element if isinstance(element, tuple) else (element,))))

        return self._made(lambda: filter(kept, self), None)

    def batch(self, batch_size: int, drop_remainder: bool = False, **tuning: Any) -> Dataset:
        """Elements put together, so many at a time.

        Raises:
            ValueError: in the loop, for elements of different shapes.
        """

        def begin() -> Iterator:
            elements = iter(self)
            while rows := list(itertools.islice(elements, batch_size)):
                if len(rows) == batch_size or not drop_remainder:
                    yield stacked(rows)

        count = self._length
        if count is not None and count != np.inf:
            count = count // batch_size if drop_remainder else -(-count // batch_size)
        return self._made(begin, count)

    def unbatch(self, name: Any = None) -> Dataset:
        """The rows of the elements."""

        def begin() -> Iterator:
            for element in self:
                parts, shape = tree.take_apart(element)
                yield from (tree.unflatten(shape, list(row)) for row in zip(*parts))

        return self._made(begin, None)

    def take(self, count: int, name: Any = None) -> Dataset:
        """The first elements; a count of -1: all."""
        stop = None if count < 0 else count
        length = self._length if count < 0 or self._length is None else min(count, self._length)
        return self._made(lambda: itertools.islice(self, stop), length)

    def skip(self, count: int, name: Any = None) -> Dataset:
        """The elements after the first ones; a count of -1: none."""
        start = sys.maxsize if count < 0 else count
        length = None if self._length is None else max(self._length - start, 0)
        return self._made(lambda: itertools.islice(self, start, None), length)

    def repeat(self, count: int | None = None, name: Any = None) -> Dataset:
        """The elements so many times over; None or -1: without end."""
        endless = count is None or count < 0
        times = itertools.count() if endless else range(count or 0)
        length = np.inf if endless else None if self._length is None else self._length * len(times)  # type: ignore

        def begin() -> Iterator:
            return itertools.chain.from_iterable(
                iter(self) for _ in (itertools.count() if endless else times)
            )

        return self._made(begin, length)

    def concatenate(self, dataset: Iterable, name: Any = None) -> Dataset:
        """The elements, then those of another dataset."""
        other = dataset if isinstance(dataset, Dataset) else Dataset(dataset)
        known = self._length is not None and other._length is not None
        length = self._length + other._length if known else None  # type: ignore[operator]
        return self._made(lambda: itertools.chain(self, other), length)

    def shuffle(
        self,
        buffer_size: int,
        seed: int | None = None,
        reshuffle_each_iteration: bool = True,
        name: Any = None,
    ) -> Dataset:
        """The elements in another order: each is drawn from the next `buffer_size` ones."""
        seed = int(np.random.randint(2**31)) if seed is None else seed
        loops = itertools.count()

        def begin() -> Iterator:
            draws = np.random.default_rng([seed, next(loops) if reshuffle_each_iteration else 0])
            elements = iter(self)
            buffer = list(itertools.islice(elements, buffer_size))
            for element in elements:
                place = int(draws.integers(len(buffer)))
                buffer[place], element = element, buffer[place]
                yield element
            draws.shuffle(buffer)
            yield from buffer

        return self._made(begin, self._length)

    def prefetch(self, buffer_size: int | None = None, name: Any = None) -> Dataset:
        """The same elements; the next ones are read in a thread meanwhile."""
        ahead = 2 if buffer_size is None or buffer_size < 1 else buffer_size

        def begin() -> Iterator:
            elements = iter(self)
            end = object()
            with ThreadPoolExecutor(1) as pool:
                pending = deque(in_pool(pool, next, elements, end) for _ in range(ahead))
                while (element := pending.popleft().result()) is not end:
                    pending.append(in_pool(pool, next, elements, end))
                    yield element

        return self._made(begin, self._length)

    def cache(self, filename: str = "", name: Any = None) -> Dataset:
        """The same elements, kept in memory by the first loop that reads them all."""
        kept: list = []

        def begin() -> Iterator:
            if kept:
                return iter(kept)
            return remember()

        def remember() -> Iterator:
            seen = []
            for element in self:
                seen.append(element)
                yield element
            kept[:] = seen

        return self._made(begin, self._length)


def in_threads(call: Callable, elements: Iterable) -> Iterator:
    """``map(call, elements)``, several at a time."""
    source = iter(elements)
    with ThreadPoolExecutor(_WORKERS) as pool:
        pending = deque(in_pool(pool, call, x) for x in itertools.islice(source, 2 * _WORKERS))
        while pending:
            yield pending.popleft().result()
            pending.extend(in_pool(pool, call, x) for x in itertools.islice(source, 1))


def in_pool(pool: ThreadPoolExecutor, call: Callable, *args: Any) -> Future:
    """A call in a thread of a pool, on the engine and with the settings of this one."""
    return pool.submit(contextvars.copy_context().run, call, *args)


def stacked(rows: list) -> Any:
    """Elements of one structure as one, with a first axis more."""
    parts, shape = zip(*map(tree.take_apart, rows))
    columns = []
    for column in zip(*parts):
        arrays = [np.asarray(x, object if isinstance(x, (str, bytes)) else None) for x in column]
        shapes = sorted({array.shape for array in arrays})
        if len(shapes) > 1:
            raise ValueError(
                f"elements of different shapes cannot make a batch: {', '.join(map(str, shapes))}; "
                "resize, pad or cut them to one shape first"
            )
        columns.append(np.stack(arrays))
    return tree.unflatten(shape[0], columns)


def given(dataset: Dataset, batch_size: int | None, format: str, ragged: bool = False) -> Any:
    """A dataset of single elements in the form that `format` names.

    Args:
        batch_size: None: single elements.
        format: ``"tf"``: a ``tf.data.Dataset`` in a program that uses TensorFlow, as its engine or
            by itself, otherwise as ``"python"``: a `Dataset`; ``"arrays"``: all elements at once.
        ragged: elements have different lengths.
    """
    if format == "arrays":
        return stacked(list(dataset))
    active()  # the engine is loaded, and with it, or by the program, TensorFlow
    if format == "tf" and "tensorflow" in sys.modules:
        module = importlib.import_module("tricorn.engines.tensorflow.datasets")
        made = module.of(dataset, batch_size, ragged)
    elif batch_size is None:
        made = dataset.prefetch()
    elif ragged:
        made = Dataset(lambda: _lists(dataset, batch_size), -(-len(dataset) // batch_size))
    else:
        made = dataset.batch(batch_size).prefetch()
    made.class_names, made.file_paths = dataset.class_names, dataset.file_paths
    return made


def _lists(dataset: Dataset, batch_size: int) -> Iterator:
    """Batches whose first part is a list of arrays."""
    elements = iter(dataset)
    while rows := list(itertools.islice(elements, batch_size)):
        if isinstance(rows[0], tuple):
            first, *rest = zip(*rows)
            yield (list(first), *(np.stack(part) for part in rest))
        else:
            yield rows


def check_format(format: str) -> None:
    """Refuse what is no format."""
    if format == "grain":
        raise ValueError('format="grain" is not made here: "python" gives a dataset of its kind')
    if format not in FORMATS:
        raise ValueError(f"`format` must be one of {', '.join(FORMATS[:-1])}, got {format!r}")
