"""Data in: what `fit`, `evaluate` and `predict` are given, as chunks of equal batches.

A feed yields ``(args, count)``: `args` are what a looped step takes after the step number, and
`count` how many steps they hold.  The step's batch is cut out by `batch_of`, which runs inside the
compiled step.

Who runs the chunks tells the feed how many steps are `done`, and at the end to `keep` what was
read and not run: nothing of a stream is lost when a training stops early.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import warnings
import weakref
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any

import numpy as np

from tricorn import dtypes, tree
from tricorn.data import on_disk
from tricorn.engines import EngineError, active
from tricorn.graph import op
from tricorn.training.sparse_rows import any_sparse, as_tensors, sparse_rows

#: rows of a chunk that is stacked on the host are limited to so many bytes, and so many batches
_CHUNK_BYTES = 16 * 2**20
_CHUNK_STEPS = 512
#: a stream's epoch is at least so many chunks
_PARTS = 4
#: for how many batches a stream's chunk has room: few shapes, since each is compiled
_ROOM = (1, 8, 64, _CHUNK_STEPS)
#: arrays up to so many bytes are put on an accelerator once and shuffled there
_RESIDENT_BYTES = 2**30


def trimmed(data: Any) -> Any:
    """(x, y, None) and (x, None, None) as users write them: (x, y), x."""
    if isinstance(data, tuple) and len(data) == 3:
        x, y, sample_weight = data
        if sample_weight is not None:
            return data
        return (x, y) if y is not None else ((x,) if isinstance(x, (tuple, list)) else x)
    return data


def batch_of(number: Any, arrays: Any, order: Any, size: Any) -> Any:
    """The rows of step `number` (a scalar tensor or a number): a slice of `arrays`, or the rows
    that `order` names; `size` of each array, or as many as a tuple says for each."""
    if isinstance(size, tuple):
        leaves, structure = tree.take_apart(arrays)
        return tree.unflatten(
            structure, [batch_of(number, x, order, n) for x, n in zip(leaves, size)]
        )
    engine = active()
    if not engine.is_tensor(number):
        return _rows_on_host(engine, int(number) * size, arrays, order, size)
    start = engine.multiply(number, size)

    def cut(x: Any) -> Any:
        if engine.is_sparse(x):  # a batch by itself
            return x
        shape = tuple(engine.shape(x))
        zeros = (0,) * (len(shape) - 1)
        return engine.dynamic_slice(x, (start, *zeros), (size, *shape[1:]))

    if order is None:
        return tree.map(cut, arrays)
    rows = cut(order)
    return tree.map(lambda x: engine.take(x, rows, 0), arrays)


def one_batch(
    x: Any, y: Any = None, sample_weight: Any = None, class_weight: dict | None = None
) -> tuple:
    """(x, y, sample_weight) as arrays.  Within a batch arrays may differ in length, such as the
    nodes and the edges of a graph.

    Raises:
        ValueError: no data.
    """
    parts = zip((x, y, sample_weight), ("x", "y", "sample_weight"))
    batch = tuple(_named(data, name) for data, name in parts)
    _lengths(batch)
    return _weighted(batch, class_weight)


def _rows_on_host(engine: Any, start: int, arrays: Any, order: Any, size: int) -> Any:
    """The rows of a step that runs as Python: of arrays only these become tensors."""
    rows = slice(start, start + size)

    def take(x: Any) -> Any:
        if engine.is_sparse(x):
            return x
        if order is None or engine.is_tensor(x) is engine.is_tensor(order) is False:
            return op.convert(engine, x[rows if order is None else order[rows]], None)
        return engine.take(op.convert(engine, x, None), op.convert(engine, order[rows], None), 0)

    return tree.map(take, arrays)


def standardize(x: Any, what: str) -> Any:
    """Any array-like as a NumPy array in a dtype that models take, without silent loss.

    float64 becomes floatx; int64 becomes int32 where all values fit.

    Raises:
        ValueError: for what is no array of numbers, nor of strings; for strings, too, where the
            engine has no tensors of them.
    """
    if hasattr(x, "detach"):
        x = x.detach().cpu()
    if _is_table(x):
        x = x.to_numpy() if hasattr(x, "to_numpy") else np.column_stack(x.columns)
    array = np.asarray(x)
    if dtypes.is_text(array):
        try:
            active().tensor(array[:0], "string")
        except EngineError as error:
            raise ValueError(f"{what} must hold numbers: {error}") from None
        return array.astype(object)
    if array.dtype == object:  # numbers of several kinds, as columns of a table may be
        with contextlib.suppress(ValueError):
            array = np.array(array.tolist())
    if array.dtype == object or array.dtype.kind in "USOV":
        raise ValueError(
            f"{what} must hold numbers, got an array of dtype {array.dtype}"
            + ("; rows of different lengths? pad them first" if array.dtype == object else "")
        )
    array = array.astype(array.dtype.newbyteorder("="), copy=False)  # engines have no other order
    if array.dtype == np.float64:
        return array.astype(dtypes.to_numpy(dtypes.result_type(float)), copy=False)
    if array.dtype in (np.int64, np.uint64) and _fits_int32(array):
        return array.astype(np.int32)
    return array


def _fits_int32(array: np.ndarray) -> bool:
    if array.size == 0:
        return True
    return int(array.min()) >= -(2**31) and int(array.max()) < 2**31


def unpack_x_y_sample_weight(data: Any) -> tuple[Any, Any, Any]:
    """(x, y, sample_weight) of a batch `data`: x alone, or a tuple of up to three parts.

    Example:
        >>> keras.utils.unpack_x_y_sample_weight(("x", "y"))
        ('x', 'y', None)
    """
    if isinstance(data, list):
        data = tuple(data)
    if not isinstance(data, tuple):
        return data, None, None
    if not 1 <= len(data) <= 3:
        raise ValueError(
            "a batch is x, (x, y) or (x, y, sample_weight), got a tuple of "
            f"{len(data)} parts; write several inputs as one list: ([x1, x2], y)"
        )
    return (*data, *(None,) * (3 - len(data)))  # type: ignore[return-value]


def pack_x_y_sample_weight(x: Any, y: Any = None, sample_weight: Any = None) -> Any:
    """The batch of `x`, `y` and `sample_weight`: the inverse of `unpack_x_y_sample_weight`.

    Example:
        >>> keras.utils.pack_x_y_sample_weight("x", "y")
        ('x', 'y')
    """
    if y is None:
        return x if not isinstance(x, (tuple, list)) else (x,)
    return (x, y) if sample_weight is None else (x, y, sample_weight)


def class_weights(y: Any, weights: dict[int, float]) -> np.ndarray:
    """The weight of each sample by its class (integer labels, or one-hot rows), 1 for a class that
    has none.

    Raises:
        ValueError: for targets that are no classes.
    """
    if len(tree.leaves(y)) != 1:
        raise ValueError("class_weight needs a model with one output; use sample_weight")
    labels = np.asarray(tree.leaves(y)[0])
    if labels.ndim > 1 and labels.shape[-1] > 1:
        labels = labels.argmax(-1)
    labels = labels.reshape(labels.shape[0], -1)
    if labels.shape[1] != 1:
        raise ValueError(f"class_weight needs one class per sample, targets are {np.shape(y)}")
    labels = labels[:, 0]
    if not np.array_equal(labels, labels.astype(np.int64)):
        raise ValueError("class_weight needs integer classes, the targets are not integers")
    table = {int(k): float(v) for k, v in weights.items()}
    return np.array([table.get(int(label), 1.0) for label in labels], np.float32)


def _weighted(batch: tuple, weights: dict[int, float] | None) -> tuple:
    """The (x, y, sample_weight) batch with class weights multiplied in."""
    x, y, sample_weight = batch
    if weights is None:
        return batch
    if y is None:
        raise ValueError("class_weight needs targets y")
    by_class = class_weights(y, weights)
    if sample_weight is not None:
        by_class = by_class * np.asarray(sample_weight, np.float32).reshape(by_class.shape)
    return x, y, by_class


class ArrayFeed:
    """Arrays in memory.

    Args:
        x, y, sample_weight: trees of arrays of equal length (y and weights may be None).
        batch_size: rows per step.
        shuffle: take the order of the position in the training, another one for each epoch.
        class_weight: {class: weight} multiplied into the sample weights.
        steps: steps per epoch, when an epoch is not all of the data: the next one goes on where it
            ended, and at the end of the data the one after begins anew.

    Attributes:
        size: number of samples.
        steps: batches that all of the data are.

    Raises:
        ValueError: no data, unequal lengths, NaN targets.
    """

    def __init__(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        batch_size: int | None = None,
        shuffle: bool = False,
        class_weight: dict | None = None,
        steps: int | None = None,
    ) -> None:
        self.arrays = one_batch(x, y, sample_weight, class_weight)
        self.size = _common_length(self.arrays)
        self.batch_size = _check_batch_size(batch_size, self.size, steps)
        self.shuffle = shuffle
        self.steps = -(-self.size // self.batch_size)
        self._given_steps = steps
        self.per_epoch = steps or self.steps
        #: no epoch is longer, None: there is no limit
        self.limit: int | None = None
        self._buffers: list[Any] = []
        self._resident: tuple[Any, Any] | None = None
        for path, target in tree.paths(self.arrays[1]):
            if target.dtype.kind == "f" and np.isnan(target).any():
                where = "".join(f"[{key!r}]" for key in path)
                raise ValueError(
                    f"the targets y{where} hold NaN; remove or fill those samples first "
                    f"(the first is sample {int(np.argwhere(np.isnan(target))[0][0])})"
                )

    def split(
        self, fraction: float, batch_size: int | None = None, steps: int | None = None
    ) -> tuple[ArrayFeed, ArrayFeed]:
        """(the first part, the last `fraction`), never shuffled before.

        Args:
            fraction: of the samples.
            batch_size, steps: of the second part.

        Raises:
            ValueError: when a part would be empty.
        """
        cut = _cut(self.size, fraction)

        def part(rows: slice, size: int | None, shuffle: bool, steps: int | None) -> ArrayFeed:
            x, y, sample_weight = tree.map(lambda a: a[rows], self.arrays)
            return ArrayFeed(x, y, sample_weight, size, shuffle, steps=steps)

        train = part(slice(cut), self.batch_size, self.shuffle, self._given_steps)
        size = batch_size or (None if steps else self.batch_size)
        return train, part(slice(cut, None), size, False, steps)

    def first(self) -> Any:
        """A batch, to see structure and shapes by."""
        return as_tensors(tree.map(lambda a: a[: self.batch_size], self.arrays))

    #: the next chunk may be prepared while one is run
    ahead = True
    #: whether it is to know its `state`
    remember = False

    def facts(self) -> dict[str, Any]:
        """What the order of the batches depends on."""
        return {
            "samples": self.size, "batch size": self.batch_size, "shuffle": self.shuffle,
            "steps of an epoch": self.per_epoch,
        }  # fmt: skip

    def state(self) -> None:
        """Nothing: the `Position` says which rows come next."""

    def resume(self, state: Any, position: Any) -> int:
        """Go on with what comes after `state`; gives how many batches were read again for that.

        Args:
            position: of the training; None for data of another use.
        """
        return 0

    def done(self, steps: int) -> None:
        """So many steps more are over."""

    def keep(self) -> None:
        """Nothing is lost of arrays."""

    def begin_anew(self) -> None:
        """So it does without a `Position`."""

    def epoch(self, position: Any = None, pace: Any = None) -> Iterator[tuple[tuple, int]]:
        """The chunks of one epoch, from the step of the `Position` on."""
        size, first, number = self.batch_size, 0, 0
        if position is not None:
            epochs = -(-self.steps // self.per_epoch)  # that all of the data last for
            number = (position.epoch - position.first_epoch) % epochs
            first = number * self.per_epoch
        if self.shuffle and position is not None:
            order = position.order(self.size, position.epoch - number)
        else:
            order = np.arange(self.size, dtype=np.int32)
        if self.steps - first < self.per_epoch:
            _warn_of_end(self.steps - first, self.per_epoch)
        count = min(self.per_epoch, self.limit or self.per_epoch)
        order = order[first * size : (first + count) * size]
        if position is not None:
            order = order[position.step * size :]
        if any_sparse(self.arrays):
            for start in range(0, len(order), size):
                rows = order[start : start + size]
                batch = tree.map(lambda a, rows=rows: a[rows], self.arrays)
                yield (as_tensors(batch), None, len(rows)), 1
            return
        full, rest = divmod(len(order), size)
        resident = self._on_device()
        if resident is not None:
            if full:
                yield (resident, order[: full * size], size), full
            if rest:
                yield (resident, order[full * size :], rest), 1
            return
        row = sum(max(1, a[:1].nbytes) for a in tree.leaves(self.arrays))
        most = min(self.per_epoch, self.size // size)  # whatever is left of this epoch
        chunk = max(1, min(_CHUNK_STEPS, _CHUNK_BYTES // (row * size), most))
        for start in range(0, full, chunk):
            steps = min(chunk, full - start)
            rows = order[start * size : (start + steps) * size]
            if steps < chunk:  # the same shape for every chunk: rows beyond `steps` are not used
                rows = np.concatenate([rows, np.zeros((chunk - steps) * size, np.int32)])
            yield (self._rows(rows), None, size), steps
        if rest:
            yield (self._rows(order[full * size :]), None, rest), 1

    def _on_device(self) -> Any:
        """The arrays on the accelerator, when there is one and they fit; None: cut chunks on the
        host.  (On a CPU the host's copying measured faster than gathering inside the step.)"""
        engine = active()
        total = sum(array.nbytes for array in tree.leaves(self.arrays))
        if total > _RESIDENT_BYTES or not _has_accelerator(engine):
            return None
        if self._resident is None or self._resident[0] is not engine:
            self._resident = engine, tree.map(lambda a: op.convert(engine, a, None), self.arrays)
        return self._resident[1]

    def _rows(self, rows: np.ndarray) -> Any:
        if not self.shuffle:
            first = int(rows[0]) if len(rows) else 0
            if len(rows) and rows[-1] == first + len(rows) - 1:
                return tree.map(lambda a: a[first : first + len(rows)], self.arrays)
        if len(rows) < self.batch_size:  # the rest of the data
            return tree.map(lambda a: a.take(rows, axis=0), self.arrays)
        buffer = self._buffer(len(rows))
        tree.map(lambda a, out: a.take(rows, axis=0, out=out, mode="clip"), self.arrays, buffer)
        return buffer

    def _buffer(self, rows: int) -> Any:
        """Memory for a chunk.  Two take turns: while the engine reads one, the other is filled.
        (Fresh memory for each chunk costs more in page faults than the copying itself.)"""
        if len(self._buffers) < 2:
            made = tree.map(lambda a: np.empty((rows, *a.shape[1:]), a.dtype), self.arrays)
            self._buffers.append(made)
        else:
            self._buffers.reverse()
        return self._buffers[-1]


class StreamFeed:
    """Batches from an iterable: a generator, a list of batches, a data loader, a `PyDataset`.

    No more is read ahead than the next dispatch takes.

    Args:
        source: iterable of batches, or an object with ``__len__`` and ``__getitem__``.
        steps: steps per epoch; needed for endless sources.  The iterator then goes on from epoch
            to epoch; otherwise it is begun anew.
        stack: put several batches of equal shapes into one dispatch.

    Attributes:
        ahead: whether a chunk may be read while another one is run: what has to be given back to
            an iterator is kept beside it, which needs a weak reference.
    """

    def __init__(
        self,
        source: Any,
        steps: int | None = None,
        class_weight: dict | None = None,
        stack: bool = True,
        inputs_only: bool = False,
    ) -> None:
        self.source, self.steps, self.class_weight = source, steps, class_weight
        self.stack, self.inputs_only = stack, inputs_only
        self.size: int | None = None
        if steps is None:
            self.steps = _length(source)
            if hasattr(source, "cardinality") and int(source.cardinality()) == -1:
                raise ValueError(
                    "the dataset has no end: say how many steps an epoch is to have, "
                    "steps_per_epoch in fit, steps in evaluate and predict"
                )
        self.ahead = not isinstance(source, Iterator) or _can_keep(source)
        self._iterator: Iterator | None = None
        #: batches as they came: read again first; in chunks that were not run yet
        self._back: deque[Any] = deque()
        self._open: deque[Any] = deque()
        #: batches done since the feed was made; those read from the iterator, and what this told
        #: of its position then
        self.total = self._read = 0
        self.remember = False
        self._marks: deque[tuple[int, Any]] = deque()
        #: what an iterator told at the end of its pass
        self._ended: Any = None
        #: signature of a batch -> for how many there was room in chunks
        self._rooms: dict[Any, list[int]] = {}
        self._buffers: tuple[Any, list] = (None, [])
        if (made := _made.get()) is not None:
            made.append(self)

    def _batches(self) -> Iterator:
        if hasattr(self.source, "__iter__"):
            return iter(self.source)
        if hasattr(self.source, "__getitem__") and hasattr(self.source, "__len__"):
            return (self.source[i] for i in range(len(self.source)))
        return iter(self.source)

    def _begin(self, skipped: int = 0) -> None:
        """Have an iterator: one that was used before goes on with what was kept."""
        if self._iterator is not None:
            return
        later = getattr(self.source, "_tricorn_from", None)
        self._iterator = self._batches() if later is None else later(skipped)
        kept, mark = _taken(self.source) if isinstance(self.source, Iterator) else ([], None)
        self._back.extend(kept)
        self._read = len(kept)
        teller = _teller(self._iterator, self.source) if self.remember else None
        if mark is None and not kept and teller is not None:
            mark = teller[0](), 0
        self._marks = deque([] if mark is None else [(-mark[1], mark[0])])
        if later is None and not isinstance(self.source, Iterator):
            deque(itertools.islice(self._iterator, skipped), maxlen=0)

    def facts(self) -> dict[str, Any]:
        """See `ArrayFeed`."""
        return {"steps of an epoch": self.steps}

    def state(self) -> dict[str, Any]:
        """Where the source stands: how many batches are done, and, if it can tell its position,
        this at some batch before and how many came since; and whether its pass is over."""
        over = self._iterator is None and self._ended is not None
        mark = (self._ended, 0) if over else self._mark()
        return {"batches": self.total, "mark": mark, "over": over}

    def _mark(self) -> tuple[Any, int] | None:
        """(what the source told of its position, how many batches are done since then)."""
        done = self._read - len(self._open) - len(self._back)
        while len(self._marks) > 1 and self._marks[1][0] <= done:
            self._marks.popleft()
        if self._iterator is None or not self._marks:
            return None
        return self._marks[0][1], done - self._marks[0][0]

    def resume(self, state: dict[str, Any], position: Any) -> int:
        """See `ArrayFeed`.  A source that can tell its position is given it, of one that has a
        batch for each number those are passed over; of another all are read again."""
        self.total = state["batches"]
        if state["mark"] is not None:
            again = self._go_to(*state["mark"])
            if state["over"] and (position is None or not position.step):
                self._iterator = None  # else the epoch itself comes to its end
            return again
        length = _length(self.source)
        if isinstance(self.source, Iterator) or not (
            length and hasattr(self.source, "__getitem__")
        ):
            return self._read_again(self.total)
        passes, rest = divmod(self.total, length)
        one_pass = self._is_one_pass()
        if one_pass and position is not None:  # at its end an epoch is not over yet
            passes, rest = position.epoch - position.first_epoch, position.step
        if passes == 0 and self._iterator is not None:
            self._pass_over(rest)
            return 0
        for number in range(passes):
            if number or self._iterator is None:
                self._edge_of_pass("begin")
            self._edge_of_pass("end")
        self._back.clear()
        self._iterator = None
        if rest or not one_pass:
            self._begin(rest)
        return 0

    def _go_to(self, place: Any, since: int) -> int:
        self._begin()
        teller = _teller(self._iterator, self.source)
        if teller is None:
            raise ValueError(
                f"the source of batches, {self.source!r}, cannot be given the position that it "
                "told when the training was saved; give the same kind of source"
            )
        teller[1](place)
        self._back.clear()
        self._read, self._marks = 0, deque([(0, place)])
        return self._pass_over(since)

    def _read_again(self, left: int) -> int:
        """Pass over so many batches, from one pass through the source to the next."""
        again = left
        while left > 0:
            self._begin()
            found = self._pass_over(left)
            left -= found
            if left:
                self._iterator = None
                self._edge_of_pass("end")
            if not found:
                break
        return again

    def _pass_over(self, count: int) -> int:
        """Read so many batches for nothing; how many there were."""
        found = 0
        while found < count:
            if self._back:
                self._back.popleft()
            else:
                try:
                    next(self._iterator)  # type: ignore[arg-type]
                except StopIteration:
                    break
                self._read += 1
            found += 1
        return found

    def _edge_of_pass(self, edge: str) -> None:
        """Tell a source that a pass through it begins or ends, if it wants to know."""
        getattr(self.source, f"on_epoch_{edge}", lambda: None)()

    def _next(self) -> tuple[Any, Any]:
        """The next batch as it comes, and as (x, y, sample_weight) of arrays; StopIteration at the
        end."""
        assert self._iterator is not None
        if self._back:
            raw = self._back.popleft()
        else:
            raw = next(self._iterator)
            self._read += 1
        parts = unpack_x_y_sample_weight(raw)
        if self.inputs_only:
            parts = (parts[0], None, None)
        return raw, one_batch(*parts, self.class_weight)

    def first(self) -> Any:
        """A batch, to see structure and shapes by; it is not lost."""
        self._begin()
        try:
            raw, batch = self._next()
        except StopIteration:
            raise ValueError("the data source gives no batch") from None
        self._back.appendleft(raw)
        if isinstance(self.source, Iterator) and self.ahead:
            self.keep()
        return as_tensors(batch)

    def done(self, steps: int) -> None:
        """So many steps more are over: their batches need not be kept."""
        self.total += steps
        for _ in range(steps):
            self._open.popleft()

    def keep(self) -> None:
        """Keep what was read and is not done: an iterator goes on there the next time, also in
        another feed; other sources begin anew."""
        kept, mark = [*self._open, *self._back], self._mark()
        self._open.clear()
        self._back.clear()
        if isinstance(self.source, Iterator) and self.ahead:
            self._iterator = None
            if kept:
                _keep(self.source, kept, mark)
        elif self._is_one_pass():
            self.close()
        else:
            self._back.extend(kept)

    def close(self) -> None:
        """End a loop that the feed has begun; an iterator of a user's is his."""
        iterator: Any = self._iterator
        self._iterator = None
        if iterator is not self.source and hasattr(iterator, "close"):
            iterator.close()

    def _is_one_pass(self) -> bool:
        """Whether an epoch is the whole source, which is begun anew each time."""
        return not isinstance(self.source, Iterator) and self.steps in (None, _length(self.source))

    def begin_anew(self) -> None:
        """Let the next epoch be the first batches again, unless the source is an iterator."""
        if not isinstance(self.source, Iterator):
            self.close()
            self._back.clear()

    def epoch(self, position: Any = None, pace: Any = None) -> Iterator[tuple[tuple, int]]:
        """The chunks of one epoch.

        Args:
            position: a `Position`; of a source that is begun anew the steps before it are passed
                over, an iterator goes on where it stands.
            pace: what tells how many steps the next dispatch takes; None: one.
        """
        done = position.step if position is not None else 0
        used = self._iterator is not None and not isinstance(self.source, Iterator)
        self._begin(done)
        while self.steps is None or done < self.steps:
            limit = _CHUNK_STEPS if self.steps is None else self.steps - done
            chunk, signature = self._chunk(self._take(pace, min(limit, _CHUNK_STEPS)))
            if not chunk and used and done == 0:  # the epoch before ended with the source
                used = False
                self.begin_anew()
                self._begin()
                continue
            if not chunk:
                break
            done += len(chunk)
            sizes = tuple(len(a) for a in tree.leaves(chunk[0]))
            size = sizes[0] if len(set(sizes)) == 1 else sizes
            yield (self._stacked(chunk, signature, pace), None, size), len(chunk)
        if done == 0 or (self.steps is not None and done < self.steps):
            self._ended_early(done)
        if self._is_one_pass():
            teller = _teller(self._iterator, self.source) if self.remember else None
            self._ended = None if teller is None else teller[0]()
            self.close()
            self._edge_of_pass("end")

    def _take(self, pace: Any, limit: int) -> int:
        """For how many batches to read now."""
        if not self.stack or pace is None:
            return 1
        return pace.take(min(limit, self._share()) if pace.auto else limit)

    def _share(self) -> int:
        """How much of an epoch a chunk may be, so that one is read while another one is run."""
        return _CHUNK_STEPS if self.steps is None else max(1, -(-self.steps // _PARTS))

    def _chunk(self, limit: int) -> tuple[list, Any]:
        """Up to `limit` equal batches, and what they have in common."""
        chunk: list = []
        signature: Any = None
        if self.remember and not self._back and (teller := _teller(self._iterator, self.source)):
            self._marks.append((self._read, teller[0]()))
        while len(chunk) < limit:
            try:
                raw, batch = self._next()
            except StopIteration:
                break
            leaves, structure = tree.take_apart(batch)
            found = structure, tuple([(a.shape, a.dtype.str) for a in leaves])
            if not chunk:
                signature = found
                limit = 1 if any_sparse(batch) else min(limit, _most(leaves))
            elif found != signature:
                self._back.appendleft(raw)
                break
            self._open.append(raw)
            chunk.append(batch)
        return chunk, signature

    def _stacked(self, chunk: list, signature: Any, pace: Any) -> Any:
        """The batches one after the other, with room for more: rows beyond are not used."""
        if any_sparse(chunk[0]):
            return as_tensors(chunk[0])
        room = self._room(len(chunk), signature, pace, _most(tree.leaves(chunk[0])))
        if room == 1:
            return chunk[0]
        whole = self._buffer(signature, room, chunk[0])
        for i, batch in enumerate(chunk):
            for out, a in zip(tree.leaves(whole), tree.leaves(batch)):
                out[i * len(a) : (i + 1) * len(a)] = a
        return whole

    def _room(self, count: int, signature: Any, pace: Any, most: int) -> int:
        """For how many batches there is to be room: so that the chunk is of a size that was
        compiled already, if it fits into one."""
        known = self._rooms.setdefault(signature, [])
        fitting = [room for room in known if room >= count]
        if fitting:
            return min(fitting)
        if pace is not None and pace.auto:
            wanted = max(count, min(pace.goal, self._share(), _CHUNK_STEPS))
            room = next(room for room in _ROOM if room >= wanted)
        else:
            room = count if pace is None else pace.steps
        known.append(max(count, min(room, most)))
        return known[-1]

    def _buffer(self, signature: Any, room: int, batch: Any) -> Any:
        """Memory for a chunk.  Two take turns: while the engine reads one, the other is filled."""
        if self._buffers[0] != (signature, room):
            self._buffers = (signature, room), []
        buffers = self._buffers[1]
        if len(buffers) < 2:
            buffers.append(
                tree.map(lambda a: np.zeros((room * len(a), *a.shape[1:]), a.dtype), batch)
            )
        else:
            buffers.reverse()
        return buffers[-1]

    def _ended_early(self, done: int) -> None:
        self.close()
        if done == 0:
            expected = "" if self.steps is None else f" of the {self.steps} that steps asks for"
            raise ValueError(
                f"the data source gave no batch{expected}; a generator that has run out must be "
                "made anew, or loop for ever with steps_per_epoch set"
            )
        _warn_of_end(done, self.steps)


class FileFeed(StreamFeed):
    """Arrays of which some are in files, read batch by batch; or whose batches are shuffled as
    wholes.

    Args:
        x, y, sample_weight, batch_size, class_weight, steps: see `ArrayFeed`.
        shuffle: as there, or "batch".
        stack, inputs_only: see `StreamFeed`.
    """

    def __init__(
        self, x: Any, y: Any, sample_weight: Any, batch_size: int | None, shuffle: bool | str,
        class_weight: dict | None, steps: int | None, stack: bool, inputs_only: bool,
    ) -> None:  # fmt: skip
        parts = zip((x, y, sample_weight), ("x", "y", "sample_weight"))
        self.arrays = tuple(
            tree.map(on_disk.rows, data) if _on_disk(data) else _named(data, name)
            for data, name in parts
        )
        self.shuffle = shuffle
        size = _common_length(self.arrays)
        self.batch_size = _check_batch_size(batch_size, size, steps)
        batches = on_disk.Batches(self.arrays, size, self.batch_size, shuffle == "batch")
        super().__init__(batches, steps, class_weight, stack, inputs_only)
        self.size, self._position = size, None

    def split(
        self, fraction: float, batch_size: int | None = None, steps: int | None = None
    ) -> tuple[FileFeed, FileFeed]:
        """See `ArrayFeed`."""
        assert self.size is not None
        cut = _cut(self.size, fraction)

        make: Any = FileFeed

        def part(start: int, end: int, *settings: Any) -> FileFeed:
            arrays = tree.map(lambda array: on_disk.part(array, start, end), self.arrays)
            return make(*arrays, *settings, self.stack, self.inputs_only)

        own = None if self.steps == len(self.source) else self.steps
        train = part(0, cut, self.batch_size, self.shuffle, self.class_weight, own)
        size = batch_size or self.batch_size
        return train, part(cut, self.size, size, False, self.class_weight, steps)

    def facts(self) -> dict[str, Any]:
        """See `ArrayFeed`."""
        return {
            "samples": self.size, "batch size": self.batch_size, "shuffle": self.shuffle,
            **super().facts(),
        }  # fmt: skip

    def resume(self, state: dict[str, Any], position: Any) -> int:
        """See `ArrayFeed`."""
        self.total = state["batches"]
        passes, rest = divmod(self.total, len(self.source))
        if not self._is_one_pass() and position is not None:
            first = passes * len(self.source) // (self.steps or 1)  # the epoch this pass began in
            self._position = dataclasses.replace(position, epoch=position.first_epoch + first)
            self._begin(rest)
        return 0

    def _begin(self, skipped: int = 0) -> None:
        if self._iterator is None and self._position is not None and self.shuffle:
            count = len(self.source) if self.source.whole else self.size
            self.source.order = self._position.order(count)
        super()._begin(skipped)

    def first(self) -> Any:
        """See `ArrayFeed`."""
        x, y, sample_weight = next(iter(self.source))
        return as_tensors(one_batch(x, y, sample_weight, self.class_weight))

    def epoch(self, position: Any = None, pace: Any = None) -> Iterator[tuple[tuple, int]]:
        """See `StreamFeed`."""
        self._position = position
        return super().epoch(position, pace)


#: the feeds that were made in the innermost block of `closing`
_made: ContextVar[list[StreamFeed] | None] = ContextVar("_made", default=None)


@contextlib.contextmanager
def closing() -> Iterator[None]:
    """A block at whose end the loops are closed that its feeds have begun: what makes their batches
    ends, in threads and processes too, even if somebody holds on to an error with its frames."""
    made: list[StreamFeed] = []
    token = _made.set(made)
    try:
        yield
    finally:
        _made.reset(token)
        for one in made:
            one.close()


def _warn_of_end(done: int, steps: int | None) -> None:
    """An epoch has fewer steps than it was to have."""
    warnings.warn(
        f"the data ended after {done} of the {steps} steps that an epoch was to have; make it "
        "repeat, or lower steps_per_epoch",
        stacklevel=5,
    )


def _most(leaves: list) -> int:
    """How many batches like this one may stand in a chunk."""
    return max(1, min(_CHUNK_STEPS, _CHUNK_BYTES // max(1, sum(a.nbytes for a in leaves))))


#: what was read of an iterator and not run: its id -> (weak reference, batches as they came, mark
#: before the first)
_kept: dict[int, tuple[weakref.ref, list, Any]] = {}


def _can_keep(iterator: Iterator) -> bool:
    try:
        weakref.ref(iterator)
    except TypeError:  # those that are written in C, such as zip
        return False
    return True


def _keep(iterator: Iterator, batches: list, mark: Any) -> None:
    """Keep batches for whoever reads from the iterator next, while it lives."""
    key = id(iterator)
    _kept[key] = weakref.ref(iterator, lambda _: _kept.pop(key, None)), batches, mark


def _taken(iterator: Iterator) -> tuple[list, Any]:
    """What was kept, which is the reader's now, and the mark before it."""
    return _kept.pop(id(iterator), (None, [], None))[1:]


def _teller(*objects: Any) -> tuple[Any, Any] | None:
    """The methods by which the first of these that can tell its position does so, and takes it."""
    for one in objects:
        for names in (("get_state", "set_state"), ("state_dict", "load_state_dict")):
            methods = [getattr(one, name, None) for name in names]
            if all(map(callable, methods)):
                return methods[0], methods[1]
    return None


def _length(source: Any) -> int | None:
    """How many batches a source has; None: it does not tell, or has no end."""
    if not hasattr(source, "__len__"):
        return getattr(source, "num_batches", None)
    try:
        return len(source)
    except (TypeError, NotImplementedError):  # what datasets raise that cannot know
        return None


def feed(
    x: Any,
    y: Any = None,
    sample_weight: Any = None,
    *,
    batch_size: int | None = None,
    shuffle: bool | str = False,
    class_weight: dict | None = None,
    steps: int | None = None,
    stack: bool = True,
    inputs_only: bool = False,
) -> ArrayFeed | StreamFeed:
    """The feed for what a user gave: arrays (or lists, dicts of them) or a source of batches."""
    if isinstance(x, (ArrayFeed, StreamFeed)):
        return x
    x, y, sample_weight = map(on_disk.tables, (x, y, sample_weight))
    if hasattr(x, "_tricorn_epochs"):  # endless in a loop of the user's, but has epochs
        x = x._tricorn_epochs()
    if _is_arrays(x):
        if shuffle == "batch" or any(map(_on_disk, (x, y, sample_weight))):
            return FileFeed(
                x, y, sample_weight, batch_size, shuffle, class_weight, steps, stack, inputs_only
            )
        shuffle = bool(shuffle)
        return ArrayFeed(x, y, sample_weight, batch_size, shuffle, class_weight, steps)
    if y is not None or sample_weight is not None:
        raise ValueError(
            f"y and sample_weight come with the batches of a {type(x).__name__}, so they cannot be "
            "given besides it"
        )
    if batch_size is not None and hasattr(x, "__next__"):
        raise ValueError("the generator decides the batch size; do not give batch_size")
    if not hasattr(x, "__iter__") and not hasattr(x, "__getitem__"):
        raise TypeError(
            f"x must be an array, a list or dict of arrays, or a source of batches, got {x!r}"
        )
    return StreamFeed(x, steps, class_weight, stack, inputs_only)


def _is_arrays(x: Any) -> bool:
    if isinstance(x, Mapping):
        x = list(x.values())
    if isinstance(x, (list, tuple)):
        return any(v is not None for v in x) and all(
            v is None or isinstance(v, (int, float)) or _is_arrays(v) for v in x
        )
    return (hasattr(x, "shape") and hasattr(x, "dtype")) or _is_table(x)


def _is_table(x: Any) -> bool:
    """Whether it is a table or a column of pandas, Polars or Arrow."""
    return hasattr(x, "to_numpy") or hasattr(x, "to_pydict")


def _has_accelerator(engine: Any) -> bool:
    """Whether the engine computes on something other than the host's processor."""
    return not engine.devices()[0].startswith("cpu")


def _named(data: Any, name: str) -> Any:
    """A tree of arrays of numbers; nested lists of numbers become arrays."""
    if data is None:
        return None
    if isinstance(data, Mapping):
        return {key: _named(value, f"{name}[{key!r}]") for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        if _holds_arrays(data):
            return type(data)([_named(v, f"{name}[{i}]") for i, v in enumerate(data)])
        array = standardize(np.asarray(data), name)
        return array
    rows = sparse_rows(data)
    if rows is not None:
        return rows if name.startswith("x") else rows.dense()
    array = standardize(data, name)
    if array.ndim == 0:
        raise ValueError(f"{name} must have a batch axis, got the scalar {data!r}")
    return array


def _holds_arrays(data: Any) -> bool:
    """Whether nested lists are a tree of arrays, and not themselves the rows of one."""
    if isinstance(data, (list, tuple)):
        return any(_holds_arrays(v) for v in data[:1]) or any(
            hasattr(v, "shape") or isinstance(v, Mapping) for v in data
        )
    return hasattr(data, "shape") or _is_table(data) or isinstance(data, Mapping)


def _lengths(arrays: Any) -> dict[str, int]:
    """How long each array is, by what users call it."""
    lengths = {
        ["x", "y", "sample_weight"][path[0]] + "".join(f"[{k!r}]" for k in path[1:]): len(a)
        for path, a in tree.paths(arrays)
    }
    if not lengths:
        raise ValueError("no data was given: x is None or empty")
    if not any(lengths.values()):
        raise ValueError("the data is empty: 0 samples")
    return lengths


def _common_length(arrays: Any) -> int:
    lengths = _lengths(arrays)
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{name}: {n}" for name, n in lengths.items())
        raise ValueError(f"all arrays need the same number of samples; got {shown}")
    return next(iter(lengths.values()))


def _cut(size: int, fraction: float) -> int:
    """How many samples are left for training."""
    if not 0 < fraction < 1:
        raise ValueError(f"validation_split must be between 0 and 1, got {fraction}")
    cut = int(size * (1 - fraction))
    if cut in (0, size):
        raise ValueError(f"validation_split={fraction} of {size} samples leaves a part empty")
    return cut


def _on_disk(data: Any) -> bool:
    """Whether arrays in files are among the data."""
    if isinstance(data, Mapping):
        return any(map(_on_disk, data.values()))
    if isinstance(data, (list, tuple)):
        return _holds_arrays(data) and any(map(_on_disk, data))
    return on_disk.is_on_disk(data)


def _check_batch_size(batch_size: Any, size: int, steps: int | None) -> int:
    if batch_size is None:
        return min(size, 32) if steps is None else max(1, -(-size // steps))
    if (
        isinstance(batch_size, bool)
        or not isinstance(batch_size, (int, np.integer))
        or batch_size < 1
    ):
        raise ValueError(f"batch_size must be a positive integer, got {batch_size!r}")
    return min(int(batch_size), size)


def is_source(x: Any) -> bool:
    """Whether `x` is a source of batches rather than arrays."""
    if isinstance(x, StreamFeed):
        return True
    return not _is_arrays(on_disk.tables(x)) and isinstance(x, Iterable)
