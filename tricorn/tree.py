"""Trees: nested tuples, named tuples, lists and dicts whose other values are leaves.

``None`` is an empty tree, not a leaf, so optional parts of a batch cost nothing.  Dicts are walked
in the order of their sorted keys, so equal dicts flatten equally.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

Tree = Any


class _Node:
    """The structure of one container: its type, its keys (dicts), and its children."""

    __slots__ = ("children", "count", "keys", "kind")

    def __init__(self, kind: type, keys: tuple | None, children: tuple) -> None:
        self.kind, self.keys, self.children = kind, keys, children
        self.count = sum(child.count for child in children)

    def _key(self) -> tuple:
        return (self.kind, self.keys, self.children)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Node) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        return repr(unflatten(self, ["*"] * self.count))


class _Leaf(_Node):
    __slots__ = ()

    def __init__(self) -> None:
        self.kind, self.keys, self.children, self.count = object, None, (), 1

    def __reduce__(self) -> str:
        return "LEAF"


LEAF = _Leaf()
NONE = _Node(type(None), None, ())


def flatten(tree: Tree) -> tuple[list, _Node]:
    """(leaves, structure); `unflatten(structure, leaves)` is the inverse."""
    leaves: list = []
    return leaves, _flatten(tree, leaves)


def _flatten(tree: Tree, leaves: list) -> _Node:
    kind = type(tree)
    if tree is None:
        return NONE
    if kind is tuple or kind is list or isinstance(tree, (tuple, list)):
        kind = _plain(kind)
        return _Node(kind, None, tuple([_flatten(child, leaves) for child in tree]))
    if isinstance(tree, dict):
        keys, kind = _sorted_keys(tree), _plain(kind)
        return _Node(kind, keys, tuple([_flatten(tree[key], leaves) for key in keys]))
    leaves.append(tree)
    return LEAF


def _plain(kind: type) -> type:
    """The class of a container, without the form that tracks it (tracking.py)."""
    return getattr(kind, "_plain_class", kind)


def _sorted_keys(mapping: dict) -> tuple:
    try:
        return tuple(sorted(mapping))
    except TypeError:  # keys of mixed types
        return tuple(sorted(mapping, key=lambda key: (type(key).__name__, repr(key))))


def unflatten(structure: _Node, leaves: list) -> Tree:
    """The tree of `structure` with `leaves` in order."""
    if structure.count != len(leaves):
        raise ValueError(f"the structure has {structure.count} leaves, {len(leaves)} were given")
    return _unflatten(structure, iter(leaves))


def _unflatten(node: _Node, leaves: Iterator) -> Tree:
    if node is LEAF:
        return next(leaves)
    if node.kind is type(None):
        return None
    children = [_unflatten(child, leaves) for child in node.children]
    if node.keys is not None:
        items = zip(node.keys, children)
        return dict(items) if node.kind is dict else node.kind(items)
    return _sequence(node.kind, children)


def _sequence(kind: type, children: list) -> Any:
    """A list or tuple of a class."""
    if kind is list:
        return children
    return kind(*children) if hasattr(kind, "_fields") else kind(children)


def leaves(tree: Tree) -> list:
    """The leaves of `tree` in order."""
    return flatten(tree)[0]


def structure(tree: Tree) -> _Node:
    """The structure alone: hashable, comparable."""
    return flatten(tree)[1]


def map(fn: Callable, tree: Tree, *others: Tree) -> Tree:
    """`fn` applied to corresponding leaves of trees of one structure.

    Raises:
        ValueError: when the structures differ.
    """
    first, shape = flatten(tree)
    columns = [first]
    for other in others:
        values, found = flatten(other)
        if found != shape:
            raise ValueError(f"trees of different structure: {shape!r} and {found!r}")
        columns.append(values)
    return unflatten(shape, [fn(*row) for row in zip(*columns)])


def map_up_to(fn: Callable, shallow: Tree, tree: Tree) -> Tree:
    """`fn(leaf, subtree)` for each leaf of `shallow` and the part of `tree` at its place; None in
    the place of a container of `shallow` stands for all its leaves.

    Raises:
        ValueError: when `tree` is of another structure.
    """
    if shallow is None:
        return None
    if isinstance(shallow, (tuple, list)):
        parts = [None] * len(shallow) if tree is None else tree
        if not isinstance(parts, (tuple, list)) or len(parts) != len(shallow):
            raise ValueError(f"expected {len(shallow)} values, got {tree!r}")
        children = [map_up_to(fn, s, t) for s, t in zip(shallow, parts)]
        return _sequence(_plain(type(shallow)), children)
    if isinstance(shallow, dict):
        keys = _sorted_keys(shallow)
        parts = dict.fromkeys(keys) if tree is None else tree
        if not isinstance(parts, dict) or any(key not in parts for key in keys):
            raise ValueError(f"expected a dict with the keys {list(keys)}, got {tree!r}")
        return {key: map_up_to(fn, shallow[key], parts[key]) for key in keys}
    return fn(shallow, tree)


def leaves_up_to(shallow: Tree, tree: Tree) -> list:
    """The parts of `tree` at the places of the leaves of `shallow`, in order."""
    found: list = []
    map_up_to(lambda _, part: found.append(part), shallow, tree)
    return found


def paths(tree: Tree, prefix: tuple = ()) -> list[tuple[tuple, Any]]:
    """(path, leaf) pairs in the order of `leaves`; a path is the keys and positions to the leaf."""
    if tree is None:
        return []
    if isinstance(tree, (tuple, list)):
        items: Any = enumerate(tree)
    elif isinstance(tree, dict):
        items = ((key, tree[key]) for key in _sorted_keys(tree))
    else:
        return [(prefix, tree)]
    return [pair for key, child in items for pair in paths(child, (*prefix, key))]
