"""`keras.tree`, beside Keras's."""

import collections
import inspect

import keras
import pytest

import tricorn

pytestmark = pytest.mark.engine_free
Pair = collections.namedtuple("Pair", "a b")
ordered = collections.OrderedDict([("z", 1), ("a", [2, None])])
TREES = [
    1, None, [], (), {}, [1, 2], (1, [2, (3,)]), {"b": 1, "a": [2, {"c": None}]}, Pair(1, [2, 3]),
    ordered, collections.defaultdict(list, {"k": (1, 2)}), collections.deque([1, [2]], 5),
    {1: 2, 0: (None, "text")}, [[], {}, ()],
]  # fmt: skip


def outcome(call, library):
    try:
        found = call(library.tree)
        return type(found), repr(found)
    except (ValueError, TypeError) as error:
        return ValueError if isinstance(error, (ValueError, TypeError)) else error


def double(x):
    return None if x is None else (x, x)


def firsts(x):
    return "first" if isinstance(x, (list, tuple)) and len(x) == 2 else None


ONE = {
    "flatten": lambda t, x: t.flatten(x),
    "paths": lambda t, x: t.flatten_with_path(x),
    "nested": lambda t, x: t.is_nested(x),
    "map": lambda t, x: t.map_structure(double, x),
    "map without None": lambda t, x: t.map_structure(lambda v: [v], x, none_is_leaf=False),
    "pack": lambda t, x: t.pack_sequence_as(x, range(len(t.flatten(x)))),
    "pack too much": lambda t, x: t.pack_sequence_as(x, range(len(t.flatten(x)) + 1)),
    "tuples": lambda t, x: t.lists_to_tuples(x),
    "down": lambda t, x: t.traverse(firsts, x),
    "up": lambda t, x: t.traverse(firsts, x, top_down=False),
    "to None": lambda t, x: t.traverse(lambda v: t.MAP_TO_NONE if v == 2 else None, x),
}
TWO = {
    "map": lambda t, x, y: t.map_structure(lambda a, b: [a, b], x, y),
    "same": lambda t, x, y: t.assert_same_structure(x, y),
    "same paths": lambda t, x, y: t.assert_same_paths(x, y),
}


@pytest.mark.parametrize("name", ONE)
def test_of_one_tree(name):
    for x in TREES:
        ours, theirs = (outcome(lambda t, x=x: ONE[name](t, x), lib) for lib in (tricorn, keras))
        assert ours == theirs, x


@pytest.mark.parametrize("name", TWO)
def test_of_two_trees(name):
    for x in TREES:
        for y in TREES:
            ours, theirs = (
                outcome(lambda t, x=x, y=y: TWO[name](t, x, y), lib) for lib in (tricorn, keras)
            )
            assert ours == theirs, (x, y)


def test_up_to_a_shallow_tree():
    for shallow, deep in [
        ([1, 2], [(3, 4), {"a": 5}]),
        ({"a": 1, "b": (2, 3)}, {"a": [1], "b": ([2], 3)}),
        ([1, 2], [1]),
        ([[1]], [1]),
        (1, [2, 3]),
        ((1, 2), [1, 2]),
    ]:
        ours, theirs = (
            outcome(lambda t: t.map_structure_up_to(shallow, lambda *x: x, deep, deep), lib)  # noqa: B023
            for lib in (tricorn, keras)
        )
        assert ours == theirs, (shallow, deep)


def test_shapes():
    for shapes in [(1, 2), {"a": (None, 3), "b": [[1, 2], (3,)]}, [(1, 2), (3, None)]]:
        ours, theirs = (
            outcome(lambda t: t.map_shape_structure(lambda s: list(s) + [9], shapes), lib)  # noqa: B023
            for lib in (tricorn, keras)
        )
        assert ours == theirs


def test_no_tree():
    for call in (lambda t: t.map_structure(len), lambda t: t.map_structure_up_to([1], len)):
        for library in (tricorn, keras):
            with pytest.raises(ValueError, match="at least one"):
                call(library.tree)


def test_signatures():
    for name in dir(keras.tree):
        if inspect.isfunction(getattr(keras.tree, name)):
            ours, theirs = (
                [
                    (p.name, p.default)
                    for p in inspect.signature(getattr(t, name)).parameters.values()
                ]
                for t in (tricorn.tree, keras.tree)
            )
            assert ours == theirs, name
