"""Batches made ahead by workers, for loops of one's own; `fit` takes sequences and generators as
they are."""

from __future__ import annotations

import contextlib
import itertools
import random
from collections.abc import Iterator
from typing import Any

from tricorn.workers import in_parallel


class SequenceEnqueuer:
    """Base of what makes batches ahead: ``start()``, then loop over ``get()``, then ``stop()``.

    Args:
        sequence: what makes them.
        use_multiprocessing: in processes instead of threads.
    """

    def __init__(self, sequence: Any, use_multiprocessing: bool = False) -> None:
        self.sequence, self.use_multiprocessing = sequence, use_multiprocessing
        self.workers, self.max_queue_size, self._running = 1, 10, False
        self._begun: Any = None

    def start(self, workers: int = 1, max_queue_size: int = 10) -> None:
        """Let `get` go on.

        Args:
            workers: how many batches are made at a time.
            max_queue_size: how many may wait.
        """
        self.workers, self.max_queue_size, self._running = workers, max_queue_size, True

    def is_running(self) -> bool:
        """Whether it was started, and not stopped."""
        return self._running

    def stop(self, timeout: float | None = None) -> None:
        """Let `get` end, and what makes batches ahead."""
        self._running = False
        if self._begun is not None:
            with contextlib.suppress(ValueError):  # another thread is in it, and leaves it at once
                self._begun.close()

    def get(self) -> Iterator:
        """The batches, except those that are None."""
        self._begun = self._batches()
        for batch in self._begun:
            if not self._running:
                return
            if batch is not None:
                yield batch

    def _batches(self) -> Iterator:
        raise NotImplementedError


class OrderedEnqueuer(SequenceEnqueuer):
    """The batches of a `Sequence`, epoch after epoch.

    Args:
        sequence: object with ``__len__``, ``__getitem__`` and `on_epoch_end`.
        use_multiprocessing: see `SequenceEnqueuer`.
        shuffle: each epoch in an order drawn from Python's global generator.

    Example:
        >>> class Squares(keras.utils.Sequence):
        ...     def __len__(self):
        ...         return 3
        ...
        ...     def __getitem__(self, index):
        ...         return index**2
        >>> batches = keras.utils.OrderedEnqueuer(Squares())
        >>> batches.start(workers=2)
        >>> found = batches.get()
        >>> [next(found) for _ in range(4)]
        [0, 1, 4, 0]
        >>> batches.stop()
    """

    def __init__(
        self, sequence: Any, use_multiprocessing: bool = False, shuffle: bool = False
    ) -> None:
        super().__init__(sequence, use_multiprocessing)
        self.shuffle = shuffle

    def _batches(self) -> Iterator:
        while self._running:
            numbers = list(range(len(self.sequence)))
            if self.shuffle:
                random.shuffle(numbers)
            workers = max(self.workers, 1)
            yield from in_parallel(
                self.sequence, iter(numbers), workers, self.use_multiprocessing,
                max(self.max_queue_size, workers),
            )  # fmt: skip
            self.sequence.on_epoch_end()


class GeneratorEnqueuer(SequenceEnqueuer):
    """The batches of a generator, made ahead in one thread: a generator cannot be in two.

    Args:
        sequence: the generator.
        use_multiprocessing, wait_time, random_seed: taken and not needed.
    """

    def __init__(
        self, sequence: Any, use_multiprocessing: bool = False, wait_time: Any = None,
        random_seed: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(sequence, use_multiprocessing)

    def _batches(self) -> Iterator:
        drawn = _Drawn(self.sequence)
        ahead = max(self.max_queue_size, 1)
        for batch in in_parallel(drawn, itertools.count(), 1, False, ahead):
            if batch is drawn:
                return
            yield batch


class _Drawn:
    """The next of an iterator, whatever the number; at the end itself."""

    def __init__(self, source: Iterator) -> None:
        self.source = source

    def __getitem__(self, number: int) -> Any:
        return next(self.source, self)
