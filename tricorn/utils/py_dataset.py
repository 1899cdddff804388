"""Batches made by Python, several at a time."""

from __future__ import annotations

import contextvars
import itertools
import multiprocessing
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any


def in_parallel(
    source: Any, numbers: Iterator[int], workers: int, processes: bool, ahead: int
) -> Iterator:
    """``source[number]`` of each number, in order, several made at a time.

    Args:
        workers: how many.
        processes: in processes instead of threads, each with a copy of `source`.
        ahead: how many may be made or wait.
    """
    pool: Executor
    if processes:  # no fork: engines have threads
        context = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(workers, context, _hold, (source,))
    else:
        pool = ThreadPoolExecutor(workers)

    def submitted(count: int) -> Iterator[Future]:
        for number in itertools.islice(numbers, count):
            if processes:
                yield pool.submit(_item, number)
            else:  # on the engine and with the settings of this thread
                yield pool.submit(contextvars.copy_context().run, source.__getitem__, number)

    with pool:
        pending = deque(submitted(ahead))
        try:
            while pending:
                yield pending.popleft().result()
                pending.extend(submitted(1))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


#: in a process of `in_parallel`: what it makes batches of
_held: list[Any] = []


def _hold(source: Any) -> None:
    _held[:] = [source]


def _item(number: int) -> Any:
    return _held[0][number]


class PyDataset:
    """Base of datasets that make a batch from its number; for `fit`, `evaluate` and `predict`.

    Override ``__getitem__``, which gives batch `index`: inputs, or a tuple (inputs, targets[,
    weights]); and ``__len__``, or the property `num_batches`, which may be None for no end.

    Args:
        workers: how many batches are made at a time; they come in order all the same.
        use_multiprocessing: in processes instead of threads: the dataset must be picklable, and its
            class importable.
        max_queue_size: how many batches may wait.

    Example:
        >>> class Squares(keras.utils.PyDataset):
        ...     def __len__(self):
        ...         return 4
        ...
        ...     def __getitem__(self, index):
        ...         x = np.arange(8.0).reshape(8, 1) + 8 * index
        ...         return x, x**2
        >>> len(Squares(workers=2)), Squares()[0][0].shape
        (4, (8, 1))
    """

    # so that classes which do not call super().__init__() work too
    workers: int = 1
    use_multiprocessing: bool = False
    max_queue_size: int = 10

    def __init__(
        self, workers: int = 1, use_multiprocessing: bool = False, max_queue_size: int = 10
    ) -> None:
        self.workers, self.use_multiprocessing = workers, use_multiprocessing
        self.max_queue_size = max_queue_size

    def __getitem__(self, index: int) -> Any:
        raise NotImplementedError(f"{type(self).__name__} must define __getitem__(index)")

    @property
    def num_batches(self) -> int | None:
        """How many batches there are; None: no end."""
        if hasattr(self, "__len__"):
            return len(self)
        raise NotImplementedError(
            f"{type(self).__name__} must define __len__, or the property num_batches"
        )

    def __iter__(self) -> Iterator:
        """The batches of an epoch, in order."""
        return _batches(self, 0)

    def _tricorn_from(self, first: int) -> Iterator:
        """The batches of an epoch from number `first` on; those before are made only where a class
        has a loop of its own."""
        if type(self).__iter__ is PyDataset.__iter__:
            return _batches(self, first)
        return itertools.islice(iter(self), first, None)

    def on_epoch_begin(self) -> None:
        """Called before the first batch of an epoch is made."""

    def on_epoch_end(self) -> None:
        """Called after the last batch of an epoch."""


def _batches(source: PyDataset, first: int) -> Iterator:
    """The batches of an epoch from number `first` on, made by the workers."""
    count = source.num_batches
    numbers = iter(itertools.count(first) if count is None else range(first, count))
    source.on_epoch_begin()
    if source.workers > 1 or (source.use_multiprocessing and source.workers):
        ahead = max(source.max_queue_size, source.workers)
        yield from in_parallel(source, numbers, source.workers, source.use_multiprocessing, ahead)
    else:
        yield from (source[number] for number in numbers)
    source.on_epoch_end()


#: the older name
Sequence = PyDataset
