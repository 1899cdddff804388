"""Iterators over datasets, one class for each kind, which tell and take their positions.

A position is plain data: what the attributes named in ``_position`` hold, and so on for iterators
among these.  Elements are never changed by who reads them, so buffers are noted by reference.
"""

from __future__ import annotations

import atexit
import contextlib
import contextvars
import functools
import itertools
import os
import queue
import sys
import threading
import weakref
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tricorn import tree
from tricorn.data import elements, records
from tricorn.data.elements import as_element, encode, protected, stacked
from tricorn.graph.graphs import current_graph


def of_graph(make: Callable) -> Any:
    """A function that makes a dataset.  In a graph of the framework's own it is the framework's
    function of that name, if there is one."""

    @functools.wraps(make)
    def choose(*args: Any, **kwargs: Any) -> Any:
        theirs = current_graph().data(make.__name__)
        return make(*args, **kwargs) if theirs is None else theirs(*args, **kwargs)

    return choose


class OutOfRangeError(Exception):
    """What `Iterator.get_next` raises at the end of the data.

    Example:
        >>> try:
        ...     iter(keras.data.Dataset.range(0)).get_next()
        ... except keras.data.OutOfRangeError:
        ...     print("the end")
        the end
    """


class Iterator:
    """A walk over a dataset's elements that can tell where it is, and go there again.

    ``iter(dataset)`` gives one.  A `Checkpoint` saves and restores its position.

    Example:
        >>> iterator = iter(keras.data.Dataset.range(10).shuffle(4, seed=1))
        >>> first, position = [next(iterator) for _ in range(3)], iterator.get_state()
        >>> rest = list(iterator)
        >>> iterator.set_state(position)
        >>> list(iterator) == rest
        True
    """

    #: the attributes that make up the position
    _position: tuple[str, ...] = ("source",)
    #: whether it begins with an iterator over the first input
    _reads = True

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset
        vars(self).update(dataset._settings)
        if dataset._inputs and self._reads:
            self.source = dataset._inputs[0]._iterator()
        self._begin()

    if TYPE_CHECKING:  # the settings of the dataset

        def __getattr__(self, name: str) -> Any: ...

    def _begin(self) -> None:
        """What subclasses have besides."""

    def __iter__(self) -> Iterator:
        return self

    def __next__(self) -> Any:
        raise NotImplementedError

    def many(self, count: int) -> list:
        """The next elements, as many as there are."""
        return list(itertools.islice(self, count))

    @property
    def element_spec(self) -> Any:
        """The specs of the elements."""
        return self.dataset.element_spec

    def get_next(self, name: Any = None) -> Any:
        """The next element.

        Raises:
            OutOfRangeError: there is none.
        """
        try:
            return next(self)
        except StopIteration:
            raise OutOfRangeError("End of sequence") from None

    @staticmethod
    @of_graph
    def from_structure(
        output_types: Any, output_shapes: Any = None, shared_name: Any = None,
        output_classes: Any = None,
    ) -> Any:  # fmt: skip
        """An iterator that is begun over one dataset or another.  ``make_initializer(dataset)``
        gives a function that does it when it is called.

        Args:
            output_types, output_shapes: of the elements; no shapes: any.

        Example:
            >>> data = keras.data.Dataset.range(3)
            >>> iterator = keras.data.Iterator.from_structure(data.output_types, data.output_shapes)
            >>> begin = iterator.make_initializer(data)
            >>> begin(), iterator.get_next()
            (None, np.int64(0))
        """
        return Reinitializable(elements.signature(output_types, output_shapes))

    @staticmethod
    @of_graph
    def from_string_handle(
        string_handle: Any, output_types: Any, output_shapes: Any = None, output_classes: Any = None
    ) -> Any:
        """An iterator whose elements another iterator gives, which is chosen at each step and keeps
        its position.

        Args:
            string_handle: the other's `string_handle`, or a function that gives it.
            output_types, output_shapes: of the elements; no shapes: any.
        """
        return Feedable(elements.signature(output_types, output_shapes), string_handle)

    def string_handle(self, name: Any = None) -> bytes:
        """What `from_string_handle` takes for this iterator, while it lives."""
        if not hasattr(self, "_handle"):
            self._handle = f"iterator {next(_numbers)}".encode()
            _handles[self._handle] = self
        return self._handle

    def get_state(self) -> Any:
        """Where the iterator is: data for `set_state`, of an iterator over an equal dataset."""
        return {name: _noted(getattr(self, name)) for name in self._position}

    def set_state(self, state: Any) -> None:
        """Go to where `get_state` was called."""
        for name in self._position:
            own = getattr(self, name)
            if isinstance(own, Iterator):
                own.set_state(state[name])
            elif isinstance(own, list) and own and isinstance(own[0], Iterator):
                for part, place in zip(own, state[name]):
                    part.set_state(place)
            else:
                place = _noted(state[name])
                setattr(self, name, deque(place) if isinstance(own, deque) else place)

    def close(self) -> None:
        """End the threads that read ahead.  They end by themselves, too, soon after nobody holds
        the iterator any more."""
        for value in vars(self).values():
            for part in value if isinstance(value, list) else (value,):
                if isinstance(part, Iterator):
                    part.close()


#: string handle -> iterator
_handles: weakref.WeakValueDictionary[bytes, Iterator] = weakref.WeakValueDictionary()
_numbers = itertools.count()


class Reinitializable(Iterator):
    """An iterator that one of several initializers begins."""

    initializer: Callable

    def __init__(self, spec: Any) -> None:
        self.spec = spec
        self.begun: tuple = ()
        self.makers: list = []
        self.source: Any = None

    @property
    def element_spec(self) -> Any:
        return self.spec if self.source is None else self.source.element_spec

    def make_initializer(self, dataset: Any, name: Any = None) -> Callable:
        """A function that begins the iterator over a dataset when it is called.

        Args:
            dataset: or a function that makes it of the arguments that the initializer is given.

        Raises:
            TypeError: for elements of another kind.
        """
        if not callable(dataset):
            self._check(dataset)
        self.makers.append(dataset)
        return functools.partial(self._start, len(self.makers) - 1)

    def _check(self, dataset: Any) -> None:
        if self.spec is not None:
            elements.check_alike(self.spec, dataset.element_spec, "the iterator and the dataset")

    def _start(self, number: int, *args: Any, **kwargs: Any) -> None:
        dataset = self.makers[number]
        if callable(dataset):
            dataset = dataset(*args, **kwargs)
            self._check(dataset)
        self.begun = number, args, kwargs
        self.source = dataset._iterator()

    def __next__(self) -> Any:
        if self.source is None:
            raise RuntimeError("the iterator has not begun: call its initializer first")
        return next(self.source)

    def get_state(self) -> Any:
        return None if self.source is None else (self.begun, self.source.get_state())

    def set_state(self, state: Any) -> None:
        self.source = None
        if state is None:
            return
        (number, args, kwargs), place = state
        if number >= len(self.makers):
            raise ValueError(
                f"the position is one in the dataset of initializer {number}, of which "
                f"{len(self.makers)} were made: make them first, in the same order"
            )
        self._start(number, *args, **kwargs)
        self.source.set_state(place)


class Feedable(Iterator):
    """An iterator whose elements come from the one that is chosen at each step; they keep their
    positions themselves."""

    _position = ()

    def __init__(self, spec: Any, handle: Any) -> None:
        self.spec, self.handle = spec, handle
        self.checked: set = set()

    @property
    def element_spec(self) -> Any:
        return self.spec

    def __next__(self) -> Any:
        handle = self.handle() if callable(self.handle) else self.handle
        found = _handles.get(handle.encode() if isinstance(handle, str) else handle)
        if found is None:
            raise ValueError(f"{handle!r} is no string_handle of an iterator that lives")
        if found not in self.checked and self.spec is not None:
            elements.check_alike(self.spec, found.element_spec, "the iterators")
            self.checked.add(found)
        return next(found)


def _noted(value: Any) -> Any:
    if isinstance(value, Iterator):
        return value.get_state()
    if isinstance(value, list) and value and isinstance(value[0], Iterator):
        return [part.get_state() for part in value]
    if isinstance(value, dict):
        return {key: _noted(part) for key, part in value.items()}
    return list(value) if isinstance(value, (list, deque)) else value


def call(function: Callable, element: Any) -> Any:
    """A function of an element, or of its parts where it is a tuple."""
    return function(*element) if type(element) is tuple else function(element)


def result(function: Callable, element: Any) -> Any:
    """What a function gave, as an element."""
    found = call(function, element)
    return as_element(tuple(found) if type(found) is list else found)


class Draws:
    """Numbers from 0 to 1: each is a function of its place and the keys, so that a position is all
    that is to be known to draw on."""

    def __init__(self, *keys: int) -> None:
        self.keys = [key % 2**64 for key in keys]
        self.last: tuple = -1, []  # replaced as one: several threads may draw

    def __getitem__(self, place: int) -> float:
        block, at = divmod(place, 1024)
        known, values = self.last
        if known != block:
            bits = np.random.Philox(key=self.keys, counter=[0, block, 0, 0])
            values = np.random.Generator(bits).random(1024).tolist()
            self.last = block, values
        return values[at]


# ----------------------------------------------------------------------------------------- sources


class Indexed(Iterator):
    """``get(i)`` of each i up to `length`."""

    _position = ("at",)

    def _begin(self) -> None:
        self.at, self.length = 0, self.dataset._length

    def __next__(self) -> Any:
        at = self.at
        if at >= self.length:
            raise StopIteration
        self.at = at + 1
        return self.get(at)

    def many(self, count: int) -> list:
        at, self.at = self.at, min(self.at + count, self.length)
        return list(map(self.get, range(at, self.at)))


class Rows(Iterator):
    """The rows of arrays whose numbers another dataset gives.

    Attributes:
        arrays: with first axes of one length.
        build: makes the element of a row of each.
    """

    def __next__(self) -> Any:
        row = next(self.source)
        return self.build([array[row] for array in self.arrays])

    def rows(self, count: int) -> tuple[Any, int]:
        """(the next rows as one batch, how many they are)."""
        numbers = self.source.many(count)
        if not numbers:
            return None, 0
        first, last = int(numbers[0]), int(numbers[-1]) + 1
        if last - first == len(numbers) and numbers == list(range(first, last)):
            parts = [np.array(array[first:last]) for array in self.arrays]
        else:
            parts = [array[numbers] for array in self.arrays]
        return self.build(parts), len(numbers)


class Generated(Iterator):
    """What an iterator of a user's gives.  If it has ``get_state`` and ``set_state`` these are the
    position, otherwise it is read again up to where it was."""

    _position = ()
    count = 0
    elements: Any = None

    def __next__(self) -> Any:
        if self.elements is None:
            self.elements = iter(self.begin())
        element = next(self.elements)
        self.count += 1
        return self.convert(element)

    def get_state(self) -> Any:
        own = getattr(self.elements, "get_state", None)
        return {"count": self.count, "own": None if own is None else own()}

    def set_state(self, state: Any) -> None:
        self.elements, self.count = iter(self.begin()), state["count"]
        if state["own"] is not None:
            self.elements.set_state(state["own"])
        else:
            deque(itertools.islice(self.elements, self.count), maxlen=0)


class Records(Iterator):
    """What a function reads from a file; the position is the place in it.

    Attributes:
        opened: opens the file.
        read: function of the file that gives the next element, or None at the end.
    """

    offset = 0
    file: Any = None

    def __next__(self) -> Any:
        if self.file is None:
            if self.offset < 0:
                raise StopIteration
            self.file = self.opened()
            if self.offset:
                self.file.seek(self.offset)
        element = self.read(self.file)
        if element is None:
            self.close()
            raise StopIteration
        return element

    def get_state(self) -> int:
        return self.offset if self.file is None else self.file.tell()

    def set_state(self, state: int) -> None:
        self.close()
        self.offset = state

    def close(self) -> None:
        if self.file is not None:
            self.file.close()
            self.file, self.offset = None, -1


# ------------------------------------------------------------------------------ one after the other


class Map(Iterator):
    """A function of each element."""

    def __next__(self) -> Any:
        return result(self.function, next(self.source))


class Filter(Iterator):
    """The elements for which a function is true, or those up to the first for which it is not."""

    _position = ("source", "over")
    over = False

    def __next__(self) -> Any:
        while not self.over:
            element = next(self.source)
            if call(self.function, element):
                return element
            self.over = self.first_only
        raise StopIteration


class Take(Iterator):
    """The first elements."""

    _position = ("source", "count")
    count: int

    def __next__(self) -> Any:
        if self.count == 0:
            raise StopIteration
        self.count -= 1  # below 0: all
        return next(self.source)


class Nth(Iterator):
    """Those after the first `start`, and from there every `step`-th."""

    _position = ("source", "start")
    start: int

    def __next__(self) -> Any:
        for _ in range(self.start):
            next(self.source)
        self.start = self.step - 1
        return next(self.source)


class Batch(Iterator):
    """Elements put together, by `join`."""

    def __next__(self) -> Any:
        if isinstance(self.source, Rows) and self.join is stacked:
            batch, count = self.source.rows(self.size)
        else:
            batch = self.source.many(self.size)
            count = len(batch)
        if count == 0 or (self.drop and count < self.size):
            raise StopIteration
        return self.join(batch) if type(batch) is list else batch


class Unbatch(Iterator):
    """The rows of the elements."""

    _position = ("source", "parts", "row", "count")
    parts: Any = None
    row = count = 0

    def __next__(self) -> Any:
        while self.row == self.count:
            self.parts = next(self.source)
            lengths = {len(part) for part in tree.leaves(self.parts)}
            if len(lengths) != 1:
                raise ValueError(f"unbatch: the parts have different lengths: {sorted(lengths)}")
            self.row, self.count = 0, lengths.pop()
        row, self.row = self.row, self.row + 1
        return tree.map(lambda part: part[row], self.parts)


class Window(Iterator):
    """Datasets of elements that follow one another."""

    _position = ("source", "buffer", "skipped")

    def _begin(self) -> None:
        self.buffer: list = []
        self.skipped = 0

    def __next__(self) -> Any:
        reach = (self.size - 1) * self.stride + 1
        for _ in range(self.skipped):  # between two windows
            next(self.source)
        self.skipped = 0
        self.buffer.extend(itertools.islice(self.source, reach - len(self.buffer)))
        window = self.buffer[:: self.stride]
        if not window or (self.drop and len(window) < self.size):
            self.buffer = []
            raise StopIteration
        self.skipped = max(self.shift - len(self.buffer), 0) if len(self.buffer) == reach else 0
        self.buffer = self.buffer[self.shift :]
        parts, structure = zip(*map(tree.take_apart, window))
        columns = [self.dataset._listed(list(column)) for column in zip(*parts)]
        return tree.unflatten(structure[0], columns)


class Chain(Iterator):
    """The elements of ``nth(0)``, then of ``nth(1)``, ..., until there is None; or until one gives
    nothing, if there are no end of them."""

    _position = ("number", "some", "source")
    _reads = False

    def _begin(self) -> None:
        self._enter(0)

    def _enter(self, number: int) -> None:
        self.number, self.some, found = number, False, self.nth(number)
        self.source = None if found is None else found._iterator()

    def __next__(self) -> Any:
        while self.source is not None:
            try:
                element = next(self.source)
            except StopIteration:
                if self.endless and not self.some:
                    raise
                self._enter(self.number + 1)
            else:
                self.some = True
                return element
        raise StopIteration

    def set_state(self, state: Any) -> None:
        self._enter(state["number"])
        super().set_state(state)


class Zip(Iterator):
    """The elements of several datasets side by side."""

    _position: tuple[str, ...] = ("sources",)

    def _begin(self) -> None:
        self.sources = [self.source, *(one._iterator() for one in self.dataset._inputs[1:])]

    def __next__(self) -> Any:
        return self.build([next(source) for source in self.sources])


class Chosen(Zip):
    """Of the first dataset the number of the one that gives the next element, among those `left`,
    which have not ended."""

    _position: tuple[str, ...] = ("sources", "left")
    left: list

    def __next__(self) -> Any:
        while self.left:
            number = int(next(self.sources[0]))
            if not 0 <= number < len(self.sources) - 1:
                raise ValueError(
                    f"choose_from_datasets: there are {len(self.sources) - 1} datasets, the choice "
                    f"was {number}"
                )
            if number in self.left:
                try:
                    return next(self.sources[number + 1])
                except StopIteration:
                    self.left = [] if self.stop else [n for n in self.left if n != number]
        raise StopIteration


class Scan(Iterator):
    """A function of a state and each element gives the next state and an element."""

    _position = ("source", "carry")
    carry: Any

    def __next__(self) -> Any:
        found = as_element(self.function(self.carry, next(self.source)))
        if not isinstance(found, tuple) or len(found) != 2:
            raise TypeError(f"scan_func must give (new_state, output_element), got {found!r}")
        self.carry, element = found
        return element


# ----------------------------------------------------------------------------------- with a memory


class Shuffle(Iterator):
    """Each element is drawn from the next `size`."""

    _position = ("source", "seed", "loop", "drawn", "buffer", "ended")

    def _begin(self) -> None:
        memory = self.dataset._memory
        self.loop = memory.get("loops", 0) if self.reshuffle else 0
        memory["loops"] = self.loop + 1
        self.buffer: list = []
        self.drawn, self.ended, self.draws = 0, False, Draws(self.seed, self.loop)

    def __next__(self) -> Any:
        for element in self.many(1):
            return element
        raise StopIteration

    def many(self, count: int) -> list:
        """See `Iterator`: fill the buffer, draw, fill its place, draw ..."""
        buffer, size, draws, found = self.buffer, self.size, self.draws, []
        coming: list = []
        if not self.ended:
            wanted = min(size - len(buffer) + count - 1, sys.maxsize)
            coming = self.source.many(wanted)
            self.ended = len(coming) < wanted
        room = size - len(buffer)
        buffer.extend(coming[:room])
        for number in range(self.drawn, self.drawn + count):
            if not buffer:
                break
            place = int(draws[number] * len(buffer))
            buffer[place], buffer[-1] = buffer[-1], buffer[place]
            found.append(buffer.pop())
            if room < len(coming):
                buffer.append(coming[room])
                room += 1
        self.drawn += len(found)
        return found

    def get_state(self) -> Any:
        return {**super().get_state(), "loops": self.dataset._memory["loops"]}

    def set_state(self, state: Any) -> None:
        super().set_state(state)
        self.dataset._memory["loops"] = state["loops"]
        self.dataset._settings["seed"] = self.seed
        self.draws = Draws(self.seed, self.loop)


class Cache(Iterator):
    """Elements that are kept in memory when they are read for the first time.

    The position tells where the reading of what is kept began, so that another process can read it
    again instead of finding all of it in there.
    """

    def _begin(self) -> None:
        self.at, self.first = 0, self.source.get_state()
        self.seen: list | None = None  # what is read for the first time

    def __next__(self) -> Any:
        kept = self.dataset._memory.get("elements")
        if self.at == 0 and kept is None:
            self.seen = []
        if self.seen is None and kept is not None:
            if self.at >= len(kept):
                raise StopIteration
            element = kept[self.at]
        else:
            try:
                element = protected(next(self.source))
            except StopIteration:
                if self.seen is not None:
                    self.dataset._memory.update(elements=self.seen, first=self.first)
                raise
            if self.seen is not None:
                self.seen.append(element)
        self.at += 1
        return element

    def get_state(self) -> Any:
        whole = self.seen is None and "elements" in self.dataset._memory
        first = self.dataset._memory["first"] if whole else self.first
        return {"at": self.at, "first": first, "whole": whole}

    def set_state(self, state: Any) -> None:
        memory = self.dataset._memory
        self._begin()
        if "elements" not in memory or not state["whole"]:
            kept = memory.pop("elements", None)
            self.source.set_state(state["first"])
            self.first = state["first"]
            deque(itertools.islice(self, None if state["whole"] else state["at"]), maxlen=0)
            if kept is not None:
                memory["elements"] = kept
        if state["whole"]:
            self.at, self.seen = state["at"], None


class FileCache(Iterator):
    """Elements that are kept in a file by a loop that reads all of them."""

    def _begin(self) -> None:
        self._open(os.path.exists(self.path))

    def _open(self, whole: bool) -> None:
        self.whole, self.fresh = whole, not whole
        self.part: Any = None
        if whole:
            self.source = self.written._iterator()

    def __next__(self) -> Any:
        if self.fresh:
            self.fresh = False
            self.part = open(f"{self.path}.{os.getpid()}-{id(self)}", "wb")  # noqa: SIM115
            weakref.finalize(self, Path(self.part.name).unlink, missing_ok=True)
        try:
            element = next(self.source)
        except StopIteration:
            if self.part is not None and not self.part.closed:
                self.part.close()
                os.replace(self.part.name, self.path)
            raise
        if self.part is not None:
            self.part.write(records.framed(encode(element)))
        return element

    def get_state(self) -> Any:
        return {"whole": self.whole, "source": self.source.get_state()}

    def set_state(self, state: Any) -> None:
        if state["whole"] != self.whole:
            self.source = self.dataset._inputs[0]._iterator()
            self._open(state["whole"])
        self.fresh, self.part = False, None  # the file would lack the elements before
        self.source.set_state(state["source"])


class Buckets(Iterator):
    """Batches of elements with equal keys, by `join`."""

    _position = ("source", "groups", "over")

    def _begin(self) -> None:
        self.groups: dict[int, list] = {}
        self.over = False

    def __next__(self) -> Any:
        while not self.over:
            try:
                element = next(self.source)
            except StopIteration:
                self.over = True
                break
            key = call(self.key, element)
            group = self.groups.setdefault(key, [])
            group.append(element)
            if len(group) == self.sizes[key]:
                return self.join(key, self.groups.pop(key))
        if not self.groups or self.drop:
            raise StopIteration
        key = min(self.groups)
        return self.join(key, self.groups.pop(key))


class Interleave(Iterator):
    """The elements of the datasets that a function makes of elements: `block` of each of `cycle`
    datasets in turn; where one ends the next one takes its place."""

    _position = ("source", "over", "at", "taken")

    def _begin(self) -> None:
        #: (what the dataset was made of, its iterator)
        self.slots: list = [None] * self.cycle
        self.over, self.at, self.taken = False, 0, 0

    def _open(self, element: Any) -> tuple[Any, Iterator]:
        made = call(self.function, element)
        if not hasattr(made, "_iterator"):
            raise TypeError(f"map_func must give a Dataset, got {type(made).__name__}")
        return element, (made.prefetch(2 * self.block) if self.ahead else made)._iterator()

    def _fill(self) -> None:
        """Open a dataset for each free place from here on, where they are read ahead."""
        for step in range(self.cycle if self.ahead else 1):
            at = (self.at + step) % self.cycle
            if self.slots[at] is None and not self.over:
                try:
                    self.slots[at] = self._open(next(self.source))
                except StopIteration:
                    self.over = True

    def _turn(self) -> None:
        self.at, self.taken = (self.at + 1) % self.cycle, 0

    def __next__(self) -> Any:
        while True:
            if self.slots[self.at] is None and not self.over:
                self._fill()
            slot = self.slots[self.at]
            if slot is not None:
                try:
                    element = next(slot[1])
                except StopIteration:
                    self.slots[self.at] = None
                    self._turn()
                    continue
                self.taken += 1
                if self.taken == self.block:
                    self._turn()
                return element
            if self.over and not any(self.slots):
                raise StopIteration
            self._turn()

    def get_state(self) -> Any:
        slots = [slot and (slot[0], slot[1].get_state()) for slot in self.slots]
        return {**super().get_state(), "slots": slots}

    def set_state(self, state: Any) -> None:
        self._close_slots()
        super().set_state(state)
        self.slots = [saved and self._open(saved[0]) for saved in state["slots"]]
        for slot, saved in zip(self.slots, state["slots"]):
            if slot is not None:
                slot[1].set_state(saved[1])

    def _close_slots(self) -> None:
        for slot in filter(None, self.slots):
            slot[1].close()

    def close(self) -> None:
        super().close()
        self._close_slots()


# --------------------------------------------------------------------------------------- in threads


def workers(count: int | None) -> int:
    """A number of threads that users gave; -1: as many as there are processors."""
    return (os.cpu_count() or 1) if count is None or count < 1 else int(count)


#: what runs now and is to end before the interpreter does
_running: weakref.WeakSet = weakref.WeakSet()


@atexit.register
def _stop_all() -> None:
    for one in list(_running):
        one.stop()
    for one in list(_running):
        for thread in one.threads:
            thread.join(1)


class _Threads:
    """Threads that run a function until `stop`, on the engine and with the settings of this one."""

    def __init__(self, count: int, run: Callable, *args: Any) -> None:
        self.threads = [
            threading.Thread(
                target=contextvars.copy_context().run,
                args=(run, *args),
                name="tricorn.data",
                daemon=True,
            )
            for _ in range(count)
        ]
        for thread in self.threads:
            thread.start()
        _running.add(self)


class _Pool(_Threads):
    """Threads that call functions, in the order of asking."""

    def __init__(self, count: int) -> None:
        self.calls: queue.SimpleQueue = queue.SimpleQueue()
        super().__init__(count, _work, self.calls)

    def ask(self, function: Callable, element: Any) -> queue.SimpleQueue:
        """Where the answer will be: (whether it failed, result or error)."""
        answer: queue.SimpleQueue = queue.SimpleQueue()
        self.calls.put((function, element, answer))
        return answer

    def stop(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                self.calls.get_nowait()
        for _ in self.threads:
            self.calls.put(None)


def _work(calls: queue.SimpleQueue) -> None:
    while (asked := calls.get()) is not None:
        function, element, answer = asked
        try:
            answer.put((False, result(function, element)))
        except BaseException as error:
            answer.put((True, error))
        del asked, function, element, answer  # nothing is kept while there is nothing to do


def _given(failed: bool, value: Any) -> Any:
    """What another thread has given, or its error."""
    try:
        if failed:
            raise value
        return value
    finally:
        del value  # an error does not hold the frame that holds it


class ParallelMap(Iterator):
    """`Map` by several threads, in order."""

    _position = ("source", "over")

    def _begin(self) -> None:
        self.over = False
        self.pool: Any = None
        #: (element, where the result will be)
        self.pending: deque = deque()

    def _ask(self, element: Any) -> None:
        if self.pool is None:
            self.pool = _Pool(self.count)
            weakref.finalize(self, self.pool.stop)
        self.pending.append((element, self.pool.ask(self.function, element)))

    def __next__(self) -> Any:
        while not self.over and len(self.pending) < 2 * self.count:
            try:
                element = next(self.source)
            except StopIteration:
                self.over = True
            except Exception as error:  # after what comes before it
                failed: queue.SimpleQueue = queue.SimpleQueue()
                failed.put((True, error))
                self.pending.append((None, failed))
                break
            else:
                self._ask(element)
        if not self.pending:
            self.close()
            raise StopIteration
        return _given(*self.pending.popleft()[1].get())

    def get_state(self) -> Any:
        pending = [element for element, _ in self.pending if element is not None]
        return {**super().get_state(), "pending": pending}

    def set_state(self, state: Any) -> None:
        super().set_state(state)
        self.pending.clear()
        for element in state["pending"]:
            self._ask(element)

    def close(self) -> None:
        super().close()
        self.pending.clear()
        self.over = True
        if self.pool is not None:
            self.pool.stop()
            self.pool = None


class _Reader(_Threads):
    """A thread that reads ahead.  What it reads stays with the place that comes after it: `reading`
    is held while that changes."""

    def __init__(self, source: Iterator, size: int, ready: deque) -> None:
        self.source, self.size, self.ready, self.over = source, size, ready, False
        self.reading, self.changed = threading.Lock(), threading.Condition()
        super().__init__(1, _read_ahead, self)

    def stop(self) -> None:
        with self.changed:
            self.over = True
            self.changed.notify_all()


def _read_ahead(reader: _Reader) -> None:
    while not reader.over:
        with reader.reading:
            try:
                found = False, next(reader.source)
            except BaseException as error:
                found = True, error
            with reader.changed:
                reader.ready.append(found)
                reader.over |= isinstance(found[1], StopIteration)
                reader.changed.notify_all()
        del found  # nothing is kept while there is no room
        with reader.changed:
            while len(reader.ready) >= reader.size and not reader.over:
                reader.changed.wait()
    reader.source.close()


class Prefetch(Iterator):
    """The same elements, of which the next ones are read in a thread meanwhile."""

    def _begin(self) -> None:
        self.ready: deque = deque()
        self.reader: _Reader | None = None

    def __next__(self) -> Any:
        if self.size == 0:
            return next(self.source)
        if self.reader is None:
            self.reader = _Reader(self.source, self.size, self.ready)
            weakref.finalize(self, self.reader.stop)
        with self.reader.changed:
            while not self.ready and not self.reader.over:
                self.reader.changed.wait()
            if not self.ready:
                raise StopIteration
            self.reader.changed.notify_all()
            return _given(*self.ready.popleft())

    def get_state(self) -> Any:
        with self.reader.reading if self.reader else contextlib.nullcontext():
            return {
                "ready": [value for failed, value in self.ready if not failed],
                "source": self.source.get_state(),
            }

    def set_state(self, state: Any) -> None:
        if self.reader is not None:
            self.reader.stop()
            self.reader.threads[0].join()  # it is not in the source any more
            self.reader = None
        self.source.set_state(state["source"])
        self.ready = deque((False, value) for value in state["ready"])

    def close(self) -> None:
        if self.reader is None:
            super().close()
        else:  # the thread closes the source, when it is done with the element that it reads
            self.reader.stop()
