"""Tracking: which layers, Variables, metrics and random generators an object holds.

They are noted when an attribute is set or deleted, and when a list, dict or set in an attribute
changes.  What is tracked says so by the class attribute `_tricorn_tracked_as`.  Every change of
what any object holds gives the process a new version, so whoever gathers things from a tree of
objects may keep them until then (`Tracker.cached`).

Lists, dicts and sets are copied into subclasses that note changes; they stay what they are to
``isinstance``, ``json``, ``copy`` and ``pickle`` (which give plain ones back).  Containers of other
classes, a user's subclass of list say, stay the objects they are and are looked through each time.
"""

from __future__ import annotations

import collections
import itertools
import threading
import types
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

#: what an attribute may be set to without anything to track
PLAIN = frozenset(
    (bool, int, float, complex, str, bytes, type(None), np.ndarray, np.float32, np.float64,
     types.FunctionType, types.MethodType, types.BuiltinFunctionType, type, slice, range)
)  # fmt: skip
_IMMUTABLE = (tuple, frozenset)
_CONTAINERS = (list, dict, set, frozenset, tuple, collections.deque)

_versions = itertools.count(1)
_version = 0
#: the trackers with containers whose changes go unnoticed: while there are any, nothing is kept
_unobserved: weakref.WeakSet[Tracker] = weakref.WeakSet()


def changed() -> None:
    """Note that some object holds something else than before."""
    global _version
    _version = next(_versions)


def kind_of(value: Any) -> str | None:
    """What `value` is tracked as, or None."""
    kind = getattr(type(value), "_tricorn_tracked_as", None)
    return kind.__get__(value) if isinstance(kind, property) else kind


class Tracker:
    """What one object holds, in the order in which it came.

    Attributes:
        attributes: name -> value, of the attributes that hold something or may come to.
        ignored: names of attributes whose values are not held, whatever they are.
        locked: why nothing can be added any more, or None.
    """

    __slots__ = (
        "__weakref__", "_cache", "_entries", "_gone", "_leading", "_unattached", "attributes",
        "ignored", "locked",
    )  # fmt: skip

    def __init__(self) -> None:
        self.attributes: dict[str, Any] = {}
        self.ignored: set[str] = set()
        self.locked: str | None = None
        #: id -> (object, what it is tracked as)
        self._entries: dict[int, tuple[Any, str]] = {}
        #: ids of what was added without being in an attribute
        self._unattached: set[int] = set()
        #: ids of what stands before all else, see `lead`
        self._leading: set[int] = set()
        #: whether something may have been taken away since the entries were last gone through
        self._gone = False
        self._cache: dict[Any, tuple[int, Any]] = {}

    # -------------------------------------------------------------------------------- what changes

    def set(self, name: str, value: Any) -> Any:
        """Note that an attribute is set; gives what to set it to.

        Raises:
            ValueError: when something is added while `locked`.
        """
        if name in self.ignored:
            return value
        value = self.observed(value)
        holds = kind_of(value) is not None or isinstance(value, _CONTAINERS)
        if holds:
            for each in _contents(value):
                self.add(each, unattached=False)
            if not _is_observed(value):
                _unobserved.add(self)
        before = self.attributes.get(name)
        if before is not None and before is not value:
            self.delete(name)
        if holds:
            self.attributes[name] = value
        return value

    def delete(self, name: str) -> None:
        """Note that an attribute is deleted."""
        self.removed(self.attributes.pop(name, None))

    def removed(self, *values: Any) -> None:
        """Note that values were taken away."""
        if any(next(_contents(value), None) is not None for value in values):
            self._gone = True
            changed()

    def add(self, value: Any, kind: str | None = None, unattached: bool = True) -> None:
        """Hold `value`.

        Args:
            kind: what it is tracked as, when its class does not say.
            unattached: no attribute holds it, so that it stays when attributes change.

        Raises:
            ValueError: while `locked`, unless it is held already.
        """
        key = id(value)
        if not unattached:
            self._unattached.discard(key)
        if key in self._entries:
            return
        if self.locked is not None:
            raise ValueError(f"{self.locked}; got {value!r}")
        self._entries[key] = value, kind or kind_of(value) or ""
        if unattached:
            self._unattached.add(key)
        changed()

    def hold(self, values: Iterable) -> None:
        """Hold `values`, after what is held already, whatever becomes of attributes."""
        for value in values:
            self.add(value)
            self._unattached.add(id(value))

    def lead(self, values: Iterable) -> None:
        """Hold `values` before all else, and no more what an earlier call led with."""
        entries = {id(value): (value, kind_of(value) or "") for value in values}
        self._unattached = (self._unattached - self._leading) | entries.keys()
        self._leading = set(entries)
        self._entries = {**entries, **{k: e for k, e in self._entries.items() if k not in entries}}
        self._gone = True
        changed()

    def observed(self, value: Any) -> Any:
        """`value` with lists, dicts and sets in forms that tell this tracker of changes."""
        kind = type(value)
        if kind in PLAIN:
            return value
        if kind in _FORMS:
            key = threading.get_ident(), id(value)
            if key in _copies:
                return _copies[key]
            try:
                return _FORMS[kind](value, self)
            finally:
                del _copies[key]
        if isinstance(value, _Observed):
            value._join(self)
        elif kind is tuple or (isinstance(value, tuple) and hasattr(value, "_fields")):
            items = [self.observed(item) for item in value]
            if any(a is not b for a, b in zip(items, value)):
                return tuple(items) if kind is tuple else kind(*items)
        return value

    # --------------------------------------------------------------------------------- what is held

    def held(self, *kinds: str) -> list[Any]:
        """What is tracked as one of `kinds`, in the order in which it came."""
        if self._gone or self in _unobserved:
            self._go_through()
        return [value for value, kind in list(self._entries.values()) if kind in kinds]

    def _go_through(self) -> None:
        """Forget what is in no attribute any more."""
        found = {id(x): x for value in list(self.attributes.values()) for x in _contents(value)}
        self._entries = {
            key: entry
            for key, entry in self._entries.items()
            if key in found or key in self._unattached
        }
        for key, value in found.items():
            self._entries.setdefault(key, (value, kind_of(value) or ""))
        if self in _unobserved and all(map(_is_observed, self.attributes.values())):
            _unobserved.discard(self)
        self._gone = False

    def cached(self, key: Any, gather: Callable[[], Any]) -> Any:
        """What `gather` gave, kept until something changes anywhere."""
        now = _version
        found = self._cache.get(key)
        if found is not None and found[0] == now and not _unobserved:
            return found[1]
        value = gather()
        self._cache[key] = now, value
        return value

    def saved(self, attributes: dict[str, Any]) -> dict[str, Any]:
        """What `restore` makes an object's attributes from, in a copy of the object."""
        others = {k: v for k, v in attributes.items() if k not in self.attributes}
        return {"others": others, "holding": dict(self.attributes), "order": list(attributes)}

    def restore(self, attributes: dict[str, Any], saved: dict[str, Any]) -> None:
        """Set an object's attributes from what `saved` gave."""
        holding = {name: self.set(name, value) for name, value in saved["holding"].items()}
        everything = {**holding, **saved["others"]}
        attributes.update({name: everything[name] for name in saved["order"]})

    def __getstate__(self) -> dict[str, Any]:
        held = self.held(*{kind for _, kind in self._entries.values()})
        entries = [(x, self._entries[id(x)][1], id(x) in self._unattached) for x in held]
        leading = [x for x in held if id(x) in self._leading]
        settings = {"ignored": self.ignored, "locked": self.locked}
        return {"entries": entries, "leading": leading, **settings}

    def __setstate__(self, state: dict[str, Any]) -> None:
        Tracker.__init__(self)
        for value, kind, unattached in state["entries"]:
            self.add(value, kind, unattached)
        self._leading = set(map(id, state["leading"]))
        self.ignored, self.locked = state["ignored"], state["locked"]


def _contents(value: Any, around: tuple = ()) -> Iterator[Any]:
    """What is tracked in a value, through containers, which may hold themselves."""
    kind = type(value)
    if kind in PLAIN:
        return
    if kind_of(value) is not None:
        yield value
    elif isinstance(value, _CONTAINERS) and not any(value is each for each in around):
        for item in value.values() if isinstance(value, dict) else value:
            if type(item) not in PLAIN:
                yield from _contents(item, (*around, value))


def _is_observed(value: Any) -> bool:
    """Whether every change of what is in a value is noticed."""
    if isinstance(value, _Observed) or not isinstance(value, _CONTAINERS):
        return True
    return isinstance(value, _IMMUTABLE) and all(map(_is_observed, value))


def plain(value: Any) -> Any:
    """`value` with plain lists, dicts and sets in the place of those that note changes."""
    if isinstance(value, dict):
        items = {key: plain(item) for key, item in value.items()}
        return (
            items if isinstance(value, TrackedDict) or type(value) is dict else type(value)(items)
        )
    if isinstance(value, list):
        return [plain(item) for item in value]
    if type(value) is tuple:
        return tuple(map(plain, value))
    return set(value) if isinstance(value, TrackedSet) else value


# --------------------------------------------------------------------------------------- containers


#: (thread, id of a container) -> the copy of it that is being filled: it may hold itself
_copies: dict[tuple[int, int], Any] = {}


class _Observed:
    """Mixin of containers that tell trackers what comes and goes."""

    __slots__ = ()
    _trackers: list[Tracker]  # in the instance's own dict
    #: the class that this one stands for
    _plain_class: type

    def _begin(self, items: Any, tracker: Tracker | None) -> None:
        """Tell `tracker`, from before `items` are put in."""
        self._trackers = []  # type: ignore[misc]
        if tracker is not None:
            self._trackers.append(tracker)
            _copies[threading.get_ident(), id(items)] = self

    def _join(self, tracker: Tracker) -> None:
        """Tell one more tracker, also of the containers inside."""
        if all(tracker is not known for known in self._trackers):
            self._trackers.append(tracker)
            for item in self._items():
                tracker.observed(item)

    def _items(self) -> Iterable:
        return self  # type: ignore[return-value]

    def _enter(self, item: Any) -> Any:
        """What to hold for an item that is put in."""
        if type(item) in PLAIN:
            return item
        for tracker in self._trackers:
            item = tracker.observed(item)
            for each in _contents(item):
                tracker.add(each, unattached=False)
        return item

    def _leave(self, *items: Any) -> None:
        """Note that items were taken out."""
        for tracker in self._trackers:
            tracker.removed(*items)


class TrackedList(_Observed, list):
    """A list whose changes are noticed."""

    __slots__ = ("_trackers",)
    _plain_class = list

    def __init__(self, items: Iterable = (), tracker: Tracker | None = None) -> None:
        self._begin(items, tracker)
        list.__init__(self, [self._enter(item) for item in items])

    def append(self, item: Any) -> None:
        list.append(self, self._enter(item))

    def insert(self, index: Any, item: Any) -> None:
        list.insert(self, index, self._enter(item))

    def extend(self, items: Iterable) -> None:
        list.extend(self, [self._enter(item) for item in items])

    def __iadd__(self, items: Iterable) -> Any:  # type: ignore[misc]
        self.extend(items)
        return self

    def __imul__(self, count: Any) -> Any:  # type: ignore[misc]
        before = list(self)
        list.__imul__(self, count)
        if not self:
            self._leave(*before)
        return self

    def __setitem__(self, key: Any, value: Any) -> None:
        before = self[key] if isinstance(key, slice) else [self[key]]
        if isinstance(key, slice):
            list.__setitem__(self, key, [self._enter(item) for item in value])
        else:
            list.__setitem__(self, key, self._enter(value))
        self._leave(*before)

    def __delitem__(self, key: Any) -> None:
        before = self[key] if isinstance(key, slice) else [self[key]]
        list.__delitem__(self, key)
        self._leave(*before)

    def remove(self, item: Any) -> None:
        """Take out the item itself, or the first that equals it."""
        same = [i for i, each in enumerate(self) if each is item]
        del self[same[0] if same else self.index(item)]

    def pop(self, index: Any = -1) -> Any:
        item = list.pop(self, index)
        self._leave(item)
        return item

    def clear(self) -> None:
        before = list(self)
        list.clear(self)
        self._leave(*before)

    def __reduce_ex__(self, protocol: Any) -> tuple:
        return list, (), None, iter(self)


class _Mapping(_Observed):
    """The changes of a dict; mixed into subclasses of each kind of dict."""

    __slots__ = ()

    def _items(self) -> Iterable:
        return self.values()  # type: ignore[attr-defined]

    def __setitem__(self, key: Any, value: Any) -> None:
        before = self.get(key)  # type: ignore[attr-defined]
        super().__setitem__(key, self._enter(value))  # type: ignore[misc]
        self._leave(before)

    def __delitem__(self, key: Any) -> None:
        before = self.get(key)  # type: ignore[attr-defined]
        super().__delitem__(key)  # type: ignore[misc]
        self._leave(before)

    def update(self, *others: Any, **items: Any) -> None:
        for key, value in dict(*others, **items).items():
            self[key] = value

    def __ior__(self, other: Any) -> Any:  # type: ignore[misc]
        self.update(other)
        return self

    def setdefault(self, key: Any, default: Any = None) -> Any:
        if key not in self:  # type: ignore[operator]
            self[key] = default
        return self[key]  # type: ignore[index]

    def pop(self, key: Any, *default: Any) -> Any:
        value = super().pop(key, *default)  # type: ignore[misc]
        self._leave(value)
        return value

    def popitem(self, *last: Any) -> Any:
        key, value = super().popitem(*last)  # type: ignore[misc]
        self._leave(value)
        return key, value

    def clear(self) -> None:
        before = list(self.values())  # type: ignore[attr-defined]
        super().clear()  # type: ignore[misc]
        self._leave(*before)


class TrackedDict(_Mapping, dict):
    """A dict whose changes are noticed."""

    __slots__ = ("_trackers",)
    _plain_class = dict

    def __init__(self, items: Any = (), tracker: Tracker | None = None) -> None:
        self._begin(items, tracker)
        dict.__init__(self, {key: self._enter(value) for key, value in dict(items).items()})

    def __reduce_ex__(self, protocol: Any) -> tuple:
        return dict, (), None, None, iter(self.items())


class TrackedOrderedDict(_Mapping, collections.OrderedDict):
    """An OrderedDict whose changes are noticed."""

    _plain_class = collections.OrderedDict

    def __init__(self, items: Any = (), tracker: Tracker | None = None) -> None:
        self._begin(items, tracker)
        super().__init__()
        self.update(items)

    def __reduce_ex__(self, protocol: Any) -> tuple:
        return collections.OrderedDict, (), None, None, iter(self.items())

    def __repr__(self) -> str:
        return repr(collections.OrderedDict(self))


class TrackedDefaultDict(_Mapping, collections.defaultdict):
    """A defaultdict whose changes are noticed."""

    _plain_class = collections.defaultdict

    def __init__(self, items: Any = (), tracker: Tracker | None = None) -> None:
        self._begin(items, tracker)
        super().__init__(getattr(items, "default_factory", None))
        self.update(items)

    def __missing__(self, key: Any) -> Any:
        if self.default_factory is None:
            raise KeyError(key)
        self[key] = self.default_factory()
        return self[key]

    def __reduce_ex__(self, protocol: Any) -> tuple:
        return collections.defaultdict, (self.default_factory,), None, None, iter(self.items())

    def __repr__(self) -> str:
        return f"defaultdict({self.default_factory!r}, {dict(self)!r})"


class TrackedSet(_Observed, set):
    """A set whose changes are noticed."""

    __slots__ = ("_trackers",)
    _plain_class = set

    def __init__(self, items: Iterable = (), tracker: Tracker | None = None) -> None:
        self._begin(items, tracker)
        set.__init__(self, [self._enter(item) for item in items])

    def add(self, item: Any) -> None:
        set.add(self, self._enter(item))

    def _becomes(self, items: set) -> Any:
        """Hold exactly `items`."""
        before = set(self)
        set.clear(self)
        set.update(self, [self._enter(item) for item in items])
        self._leave(*(before - items))
        return self

    def update(self, *others: Iterable) -> None:
        self._becomes(set(self).union(*others))

    def difference_update(self, *others: Iterable) -> None:
        self._becomes(set(self).difference(*others))

    def intersection_update(self, *others: Iterable) -> None:
        self._becomes(set(self).intersection(*others))

    def symmetric_difference_update(self, other: Iterable) -> None:
        self._becomes(set(self).symmetric_difference(other))

    def __ior__(self, other: Any) -> Any:  # type: ignore[misc]
        return self._becomes(set(self) | other)

    def __iand__(self, other: Any) -> Any:  # type: ignore[misc]
        return self._becomes(set(self) & other)

    def __isub__(self, other: Any) -> Any:  # type: ignore[misc]
        return self._becomes(set(self) - other)

    def __ixor__(self, other: Any) -> Any:  # type: ignore[misc]
        return self._becomes(set(self) ^ other)

    def remove(self, item: Any) -> None:
        set.remove(self, item)
        self._leave(item)

    def discard(self, item: Any) -> None:
        if item in self:
            self.remove(item)

    def pop(self) -> Any:
        item = set.pop(self)
        self._leave(item)
        return item

    def clear(self) -> None:
        self._becomes(set())

    def __reduce_ex__(self, protocol: Any) -> tuple:
        return set, (list(self),)

    def __repr__(self) -> str:
        return repr(set(self))


def as_trees() -> Iterator[tuple[type, Callable, Callable]]:
    """(class, ``flatten(container) -> (children, keys)``, ``unflatten(keys, children)``, which
    gives a plain one) of the containers that engines, whose trees go by exact classes, are to take
    for the plain ones."""
    yield TrackedList, lambda x: (list(x), None), lambda _, children: list(children)
    for kind in (TrackedDict, TrackedOrderedDict, TrackedDefaultDict):
        ordered = kind is TrackedOrderedDict

        def flatten(x: dict, ordered: bool = ordered) -> tuple[list, tuple]:
            keys = tuple(x) if ordered else tuple(sorted(x))
            return [x[key] for key in keys], keys

        def unflatten(keys: tuple, children: Iterable, kind: Any = kind) -> dict:
            items = zip(keys, children)
            return collections.OrderedDict(items) if kind is TrackedOrderedDict else dict(items)

        yield kind, flatten, unflatten


#: a container's class -> the one that notes changes
_FORMS: dict[type, Callable] = {
    list: TrackedList,
    dict: TrackedDict,
    collections.OrderedDict: TrackedOrderedDict,
    collections.defaultdict: TrackedDefaultDict,
    set: TrackedSet,
}
