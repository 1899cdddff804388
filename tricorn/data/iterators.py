"""Iterators over datasets, one class for each kind, which tell and take their positions.

A position is plain data: what the attributes named in ``_position`` hold, and so on for iterators
among these.  Elements are never changed by who reads them, so buffers are noted by reference.
"""

from __future__ import annotations

import functools
import itertools
import weakref
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from tricorn.data import elements
from tricorn.data.elements import as_element
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


class Optional:
    """A value, or none.

    Args:
        value: one at most.

    Example:
        >>> found = iter(keras.data.Dataset.range(0)).get_next_as_optional()
        >>> found.has_value()
        False
    """

    def __init__(self, *value: Any) -> None:
        self._value = value

    @classmethod
    def from_value(cls, value: Any) -> Optional:
        """One with a value."""
        return cls(as_element(value))

    @classmethod
    def empty(cls, element_spec: Any = None) -> Optional:
        """One without."""
        return cls()

    def has_value(self) -> bool:
        """Whether there is one."""
        return bool(self._value)

    def get_value(self) -> Any:
        """The value.

        Raises:
            ValueError: there is none.
        """
        if not self._value:
            raise ValueError("the Optional has no value: ask has_value() first")
        return self._value[0]

    @property
    def element_spec(self) -> Any:
        """The spec of the value."""
        return elements.spec_of(self.get_value())


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

    def together(self, count: int, join: Callable, least: int) -> tuple[Any, int]:
        """(the next elements, as many as there are, as `join` makes one of them; how many they
        are); with fewer than `least` of them (None, 0)."""
        found = self.many(count)
        return (None, 0) if len(found) < least else (join(found), len(found))

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

    def get_next_as_optional(self) -> Optional:
        """The next element, or an `Optional` without a value at the end."""
        return Optional(*itertools.islice(self, 1))

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
        return self.many(place, 1)[0]

    def many(self, place: int, count: int) -> list[float]:
        """Those of `count` places."""
        found: list[float] = []
        while len(found) < count:
            block, at = divmod(place + len(found), 1024)
            known, values = self.last
            if known != block:
                bits = np.random.Philox(key=self.keys, counter=[0, block, 0, 0])
                values = np.random.Generator(bits).random(1024).tolist()
                self.last = block, values
            found += values[at : at + count - len(found)]
        return found
