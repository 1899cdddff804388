"""Iterators over sources and over what is made of other datasets, one class for each kind."""

from __future__ import annotations

import itertools
import logging
import weakref
from collections import deque
from typing import Any

import numpy as np

from tricorn import tree
from tricorn.data.elements import as_element, encode, protected, stacked
from tricorn.data.iterators import Draws, Iterator, call, result

_LOG = logging.getLogger("tricorn")

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

    def together(self, count: int, join: Any, least: int) -> tuple[Any, int]:
        """See `Iterator`."""
        if join is not stacked:
            return super().together(count, join, least)
        numbers = self.source.many(count)
        if len(numbers) < least:
            return None, 0
        first, last = numbers[0], numbers[-1] + 1
        if last - first == len(numbers) and numbers == list(range(first, last)):
            parts = [np.array(array[first:last]) for array in self.arrays]
        else:
            chosen = np.array(numbers)
            parts = [array[chosen] for array in self.arrays]
        return self.build(parts), len(numbers)


class Generated(Iterator):
    """What an iterator of a user's gives.  If it has ``get_state`` and ``set_state`` these are the
    position, otherwise it is read again up to where it was."""

    _position = ()
    count = 0
    elements: Any = None

    def __next__(self) -> Any:
        if self.elements is None:
            self.elements = iter(())  # if it cannot begin, an error comes once
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
        lines: whether a ValueError is one of an element only, and the next ones can be read.
    """

    offset = 0
    file: Any = None
    lines = False

    def __next__(self) -> Any:
        try:
            if self.file is None:
                if self.offset < 0:
                    raise StopIteration
                self.file = self.opened()
                if self.offset:
                    self.file.seek(self.offset)
            element = self.read(self.file)
        except Exception as error:
            if not (self.lines and isinstance(error, ValueError)):
                self.close()
            raise
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
        element = next(self.source)
        self.count -= 1  # below 0: all
        return element


class Nth(Iterator):
    """Those after the first `start`, and from there every `step`-th."""

    _position = ("source", "start")
    start: int

    def __next__(self) -> Any:
        for _ in range(self.start):
            next(self.source)
        self.start = 0
        element = next(self.source)  # after an error the next one takes its place
        self.start = self.step - 1
        return element


class Batch(Iterator):
    """Elements put together, by `join`."""

    def __next__(self) -> Any:
        least = self.size if self.drop else 1
        batch, count = self.source.together(self.size, self.join, least)
        if count == 0:
            raise StopIteration
        return batch


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
    """Datasets of elements that follow one another.  An error is one of the windows that would have
    the element; in a position it is a text."""

    _position = ("source", "buffer", "skipped")

    def _begin(self) -> None:
        self.buffer: list = []
        self.skipped = 0

    def __next__(self) -> Any:
        reach = (self.size - 1) * self.stride + 1
        self._read(self.skipped)  # between two windows
        self.skipped = 0
        self.buffer += self._read(reach - len(self.buffer))
        window = self.buffer[:: self.stride]
        if not window or (self.drop and len(window) < self.size):
            self.buffer = []
            raise StopIteration
        self.skipped = max(self.shift - len(self.buffer), 0) if len(self.buffer) == reach else 0
        self.buffer = self.buffer[self.shift :]
        for part in window:
            if isinstance(part, (Exception, str)):
                raise RuntimeError(part) if isinstance(part, str) else part
        parts, structure = zip(*map(tree.take_apart, window))
        columns = [self.dataset._listed(list(column)) for column in zip(*parts)]
        return tree.unflatten(structure[0], columns)

    def _read(self, count: int) -> list:
        """The next elements, or the errors in their places."""
        found: list = []
        for _ in range(count):
            try:
                found.append(next(self.source))
            except StopIteration:
                break
            except Exception as error:
                found.append(error)
        return found

    def get_state(self) -> Any:
        buffer = [str(part) if isinstance(part, Exception) else part for part in self.buffer]
        return {**super().get_state(), "buffer": buffer}


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
        found, errors = [], []
        for source in self.sources:  # also after an error: they stay side by side
            try:
                found.append(next(source))
            except StopIteration:
                raise
            except Exception as error:
                errors.append(error)
        if errors:
            raise errors[0]
        return self.build(found)


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
        buffer, size = self.buffer, self.size
        later: list = []
        if not self.ended:
            buffer.extend(itertools.islice(self.source, size - len(buffer)))  # up to an error
            if len(buffer) == size:
                later = self.source.many(count - 1)
            self.ended = len(buffer) < size or len(later) < count - 1
        found = []
        draws = self.draws.many(self.drawn, min(count, len(buffer) + len(later)))
        for draw, element in zip(draws, later):
            place = int(draw * size)
            found.append(buffer[place])
            buffer[place] = element
        for draw in draws[len(later) :]:
            place = int(draw * len(buffer))
            buffer[place], buffer[-1] = buffer[-1], buffer[place]
            found.append(buffer.pop())
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
    """Elements that are kept in files by a loop that reads all of them.  One that goes on in the
    middle reads and keeps again what came before, so that later loops read the same.

    Attributes:
        kept: function that gives the dataset of what is kept, or None.
        writing: function that gives what keeps elements: ``write(element)``, ``close()`` for the
            end, ``drop()`` when the loop does not get there.
    """

    writer: Any = None

    def _begin(self) -> None:
        self._open(self.kept())

    def _open(self, kept: Any) -> None:
        self.whole, self.count, self.writer = kept is not None, 0, None
        self.source = (kept or self.dataset._inputs[0])._iterator()
        self.first = None if self.whole else self.source.get_state()

    def __next__(self) -> Any:
        if not self.whole and self.count == 0:
            self.writer = self.writing()
            weakref.finalize(self, self.writer.drop)
        try:
            element = next(self.source)
        except StopIteration:
            if self.writer is not None:
                self.writer.close()
                self.writer = None
            raise
        if self.writer is not None:
            self.writer.write(element)
        self.count += 1
        return element

    def get_state(self) -> Any:
        if self.whole:
            return {"whole": True, "source": self.source.get_state()}
        return {"whole": False, "source": self.first, "count": self.count}

    def set_state(self, state: Any) -> None:
        kept = self.kept() if state["whole"] else None
        if state["whole"] and kept is None:
            raise ValueError("the position is one in kept elements, whose files are not there")
        self._open(kept)
        self.source.set_state(state["source"])
        if not self.whole:
            self.first = state["source"]
            deque(itertools.islice(self, state["count"]), maxlen=0)


class Unique(Iterator):
    """The elements that have not come before."""

    _position = ("source", "seen")

    def _begin(self) -> None:
        self.seen: dict[Any, None] = {}

    def __next__(self) -> Any:
        while True:
            element = next(self.source)
            single = isinstance(element, (bytes, np.integer, np.bool_))
            key = element if single else encode(element)
            if key not in self.seen:
                self.seen[key] = None
                return element


class Errorless(Iterator):
    """The elements that come without an error."""

    def __next__(self) -> Any:
        while True:
            try:
                return next(self.source)
            except StopIteration:
                raise
            except Exception as error:
                if self.log:
                    _LOG.warning("ignore_errors: %s: %s", type(error).__name__, error)


class Grouped(Iterator):
    """One that still has elements to give when its source has ended."""

    over = False

    def _coming(self) -> Any:
        """The elements of the source up to its end, after which it is not asked again."""
        if not self.over:
            for element in self.source:  # noqa: UP028 (`yield from` closes it when one stops)
                yield element
            self.over = True


class Buckets(Grouped):
    """Batches of elements with equal keys, by `join`."""

    _position = ("source", "groups", "over")

    def _begin(self) -> None:
        self.groups: dict[int, list] = {}

    def __next__(self) -> Any:
        for element in self._coming():
            key = call(self.key, element)
            group = self.groups.setdefault(key, [])
            group.append(element)
            if len(group) >= self.size(key):
                return self.join(key, self.groups.pop(key))
        if not self.groups or self.drop:
            raise StopIteration
        key = min(self.groups)
        return self.join(key, self.groups.pop(key))


class Counted(Iterator):
    """The elements, of which there must be `expected`."""

    _position = ("source", "count")
    count = 0

    def __next__(self) -> Any:
        try:
            element = next(self.source)
        except StopIteration:
            if self.count < self.expected:
                raise self._wrong(f"only {self.count}") from None
            raise
        self.count += 1
        if self.count > self.expected:
            raise self._wrong("more")
        return element

    def _wrong(self, found: str) -> ValueError:
        return ValueError(f"assert_cardinality: expected {self.expected} elements, got {found}")


class Reduced(Grouped):
    """An element for each group of elements with equal keys, by a reducer."""

    _position = ("source", "states", "over")

    def _begin(self) -> None:
        self.states: dict[int, Any] = {}

    def __next__(self) -> Any:
        reducer = self.reducer
        for element in self._coming():
            key = int(call(self.key, element))
            state = self.states.get(key)
            if key not in self.states:
                state = as_element(reducer.init_func(np.int64(key)))
            self.states[key] = as_element(reducer.reduce_func(state, element))
        if not self.states:
            raise StopIteration
        return result(reducer.finalize_func, self.states.pop(min(self.states)))


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
