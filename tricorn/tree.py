"""Trees: nested tuples, named tuples, lists and dicts whose other values are leaves.

For the library itself ``None`` is an empty tree, not a leaf, so optional parts of a batch cost
nothing.  The functions that Keras has too stand at the end: there it is a leaf.  Dicts are walked
in the order of their sorted keys, so equal dicts flatten equally.
"""

from __future__ import annotations

import collections
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


def take_apart(tree: Tree) -> tuple[list, _Node]:
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
    return take_apart(tree)[0]


def structure(tree: Tree) -> _Node:
    """The structure alone: hashable, comparable."""
    return take_apart(tree)[1]


def map(fn: Callable, tree: Tree, *others: Tree) -> Tree:
    """`fn` applied to corresponding leaves of trees of one structure.

    Raises:
        ValueError: when the structures differ.
    """
    first, shape = take_apart(tree)
    columns = [first]
    for other in others:
        values, found = take_apart(other)
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


# ------------------------------------------------------------------------------ the names of Keras


class MAP_TO_NONE:
    """What a function given to `traverse` returns to put None in a place.

    Example:
        >>> keras.tree.traverse(lambda x: keras.tree.MAP_TO_NONE if x == 1 else None, [1, 2])
        [None, 2]
    """


def _children(structure: Any) -> list[tuple[Any, Any]] | None:
    """(key, child) pairs of a container; None: it is a leaf."""
    if isinstance(structure, (tuple, list, collections.deque)):
        return list(enumerate(structure))
    if isinstance(structure, dict):
        return [(key, structure[key]) for key in _keys(structure)]
    return None


def _keys(mapping: dict) -> tuple:
    ordered = isinstance(mapping, collections.OrderedDict)
    return tuple(mapping) if ordered else _sorted_keys(mapping)


def _rebuilt(structure: Any, children: list) -> Any:
    """A container like `structure`, with other children in the order of `_children`."""
    kind = _plain(type(structure))
    if isinstance(structure, dict):
        new = dict(zip(_keys(structure), children))
        ordered = {key: new[key] for key in structure}
        if isinstance(structure, collections.defaultdict):
            return kind(structure.default_factory, ordered)
        return ordered if kind is dict else kind(ordered)
    if isinstance(structure, collections.deque):
        return kind(children, structure.maxlen)
    return kind(*children) if hasattr(kind, "_fields") else kind(children)


def is_nested(structure: Any) -> bool:
    """Whether `structure` is a container: a tuple, list, dict, one derived from these, a deque.

    Example:
        >>> keras.tree.is_nested([1]), keras.tree.is_nested(1)
        (True, False)
    """
    return _children(structure) is not None


def flatten(structure: Any) -> list:
    """The leaves of the tree `structure` in order; None is one.

    Example:
        >>> keras.tree.flatten({"b": [1, 2], "a": 3})
        [3, 1, 2]
    """
    return [leaf for _, leaf in flatten_with_path(structure)]


def flatten_with_path(structure: Any) -> list[tuple[tuple, Any]]:
    """(path, leaf) pairs of the tree `structure` in order; a path is the keys and positions that
    lead to the leaf.

    Example:
        >>> keras.tree.flatten_with_path({"b": [1, 2], "a": 3})
        [(('a',), 3), (('b', 0), 1), (('b', 1), 2)]
    """
    children = _children(structure)
    if children is None:
        return [((), structure)]
    return [((k, *path), leaf) for k, child in children for path, leaf in flatten_with_path(child)]


def traverse(func: Callable, structure: Any, top_down: bool = True) -> Any:
    """`func` applied to every container and leaf; None from it leaves a thing as it is.

    Args:
        func: gives what takes the place of a thing, None, or `MAP_TO_NONE`.
        structure: a tree.
        top_down: containers come before what is in them (which is then not walked if they are
            replaced); False: after.

    Example:
        >>> tens = lambda x: x * 10 if isinstance(x, int) else None
        >>> keras.tree.traverse(tens, {"a": 1, "b": [2]})
        {'a': 10, 'b': [20]}
    """
    found = func(structure) if top_down else None
    if found is None:
        children = _children(structure)
        if children is not None:
            inner = [traverse(func, child, top_down) for _, child in children]
            structure = _rebuilt(structure, inner)
        found = None if top_down else func(structure)
    return structure if found is None else None if found is MAP_TO_NONE else found


def map_structure(func: Callable, *structures: Any, none_is_leaf: bool = True) -> Any:
    """`func` of the corresponding leaves of trees of one structure, in a tree of that structure.

    Args:
        func: takes as many leaves as there are structures.
        structures: the trees.
        none_is_leaf: whether None is given to `func`; False: it stays.

    Raises:
        ValueError: no tree, or trees of different structure.

    Example:
        >>> keras.tree.map_structure(lambda x, y: x + y, {"a": 1, "b": [2]}, {"a": 10, "b": [20]})
        {'a': 11, 'b': [22]}
    """
    if not structures:
        raise ValueError("map_structure: Must provide at least one structure")

    def of_leaves(*leaves: Any) -> Any:
        if none_is_leaf or all(leaf is not None for leaf in leaves):
            return func(*leaves)
        if any(leaf is not None for leaf in leaves):
            raise ValueError(f"{_UNALIKE}: {leaves}")
        return None

    return _map_up_to(of_leaves, structures[0], structures, structures)


def map_structure_up_to(shallow_structure: Any, func: Callable, *structures: Any) -> Any:
    """`func` of what stands in `structures` at the places of the leaves of `shallow_structure`.

    Raises:
        ValueError: no tree, or trees that are not alike so far.

    Example:
        >>> keras.tree.map_structure_up_to([0, 0], lambda x, y: y, [1, 2], [[3], (4, 5)])
        [[3], (4, 5)]
    """
    if not structures:
        raise ValueError("map_structure_up_to: Must provide at least one structure")
    return _map_up_to(func, shallow_structure, structures, ())


def _map_up_to(func: Callable, shallow: Any, structures: tuple, leaves: tuple) -> Any:
    """See `map_structure_up_to`; `leaves` must be leaves where `shallow` has one."""
    children = _children(shallow)
    if children is None:
        if any(is_nested(one) for one in leaves):
            raise ValueError(_UNALIKE + f": {shallow!r} stands against a container")
        return func(*structures)
    rows = [_children(one) for one in structures]
    keys = [key for key, _ in children]
    kind = _plain(type(shallow))
    for one, row in zip(structures, rows):
        if row is None or [key for key, _ in row] != keys or not _alike(kind, type(one)):
            raise ValueError(f"{_UNALIKE}: {shallow!r} and {one!r}")
    columns = zip(*([child for _, child in row] for row in rows if row is not None))
    return _rebuilt(
        shallow,
        [
            _map_up_to(func, child, column, column if leaves else ())
            for (_, child), column in zip(children, columns)
        ],
    )


_UNALIKE = "Structures don't have the same nested structure"


def _alike(kind: type, other: type) -> bool:
    return kind is _plain(other) or (issubclass(kind, dict) and issubclass(other, dict))


def assert_same_structure(a: Any, b: Any, check_types: bool | None = None) -> None:
    """Raise ValueError if two trees have different structures.

    Args:
        a, b: the trees.
        check_types: without effect, for older programs: types always count.

    Example:
        >>> keras.tree.assert_same_structure([1, (2, 3)], [4, (5, 6)])
    """
    map_structure(lambda *leaves: None, a, b)


def assert_same_paths(a: Any, b: Any) -> None:
    """Raise ValueError if leaves of two trees, `a` and `b`, stand in different places.

    Example:
        >>> keras.tree.assert_same_paths({"a": 1, "b": [2]}, {"a": 3, "b": [4]})
    """
    paths_a, paths_b = ({path for path, _ in flatten_with_path(one)} for one in (a, b))
    if paths_a != paths_b:
        raise ValueError(
            "`a` and `b` don't have the same paths: only in `a`: "
            f"{sorted(paths_a - paths_b, key=repr)}, only in `b`: "
            f"{sorted(paths_b - paths_a, key=repr)}"
        )


def pack_sequence_as(structure: Any, flat_sequence: Any) -> Any:
    """A tree of the structure of another, `structure`, with the leaves `flat_sequence`.

    Raises:
        ValueError: for another number of leaves.

    Example:
        >>> keras.tree.pack_sequence_as({"a": 0, "b": [0, 0]}, [1, 2, 3])
        {'a': 1, 'b': [2, 3]}
    """
    new = list(flat_sequence)
    if len(new) != (count := len(flatten(structure))):
        raise ValueError(f"the structure has {count} leaves, {len(new)} were given")
    remaining = iter(new)
    return map_structure(lambda _: next(remaining), structure)


def lists_to_tuples(structure: Any) -> Any:
    """The tree `structure` with tuples in place of lists.

    Example:
        >>> keras.tree.lists_to_tuples([1, {"a": [2, 3]}])
        (1, {'a': (2, 3)})
    """
    return traverse(lambda x: tuple(x) if isinstance(x, list) else None, structure, top_down=False)


def map_shape_structure(func: Callable, structure: Any) -> Any:
    """`func` of the shapes (tuples or lists of ints and None) in the tree `structure`.

    Example:
        >>> shapes = {"a": (None, 3), "b": (None, 4, 5)}
        >>> keras.tree.map_shape_structure(lambda shape: shape[1:], shapes)
        {'a': (3,), 'b': (4, 5)}
    """
    children = _children(structure)
    if children is None or (
        isinstance(structure, (tuple, list))
        and all(isinstance(size, (int, type(None))) for size in structure)
    ):
        return func(structure)
    return _rebuilt(structure, [map_shape_structure(func, child) for _, child in children])


#: what Keras's module of this name has; the rest is the library's own
__all__ = [
    "MAP_TO_NONE",
    "assert_same_paths",
    "assert_same_structure",
    "flatten",
    "flatten_with_path",
    "is_nested",
    "lists_to_tuples",
    "map_shape_structure",
    "map_structure",
    "map_structure_up_to",
    "pack_sequence_as",
    "traverse",
]

__dir__ = lambda: list(__all__)
