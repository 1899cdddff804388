"""Batches made by Python, several at a time."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from tricorn.workers import in_parallel, item


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
        yield from (item(source, number, type(source).__name__) for number in numbers)
    source.on_epoch_end()


#: the older name
Sequence = PyDataset
