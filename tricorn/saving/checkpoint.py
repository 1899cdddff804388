"""`Checkpoint`: the state of objects in one file, found again by the way that leads to it.

A checkpoint is a graph: objects are nodes, attributes and positions in containers are edges, and
Variables are the nodes with values.  Restoring walks the live objects and the graph of the file
side by side.  What is not there yet (layers that are not built, slots of an optimizer that made no
step) gets its value when it is made: see `Variable.handle`, which asks `variable.restorations`.

The file is HDF5: ``vars/<number of the node>`` holds a value, ``graph`` the graph as JSON bytes::

    {"format": "tricorn checkpoint", "version": 1,
     "nodes": [{"model": 1, "step": 7}, ...],                children by name, node 0 is the root
     "slots": [[optimizer, variable, "momentum", node], ...]}  what optimizers keep for Variables

It is read with the same distrust as the other files (weights.py).
"""

from __future__ import annotations

import collections
import json
import os
import time
import types
import weakref
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

from tricorn import atomic, limits
from tricorn import variable as variables
from tricorn.data import Dataset
from tricorn.data import Iterator as DataIterator
from tricorn.data.elements import decode, encode
from tricorn.graph import scope
from tricorn.graph.scope import Suspended
from tricorn.graph.turns import Use
from tricorn.layers import Layer
from tricorn.layers.state import own_weights
from tricorn.metrics import Metric
from tricorn.models import Model, Sequential
from tricorn.models.layer_graph import graph_of
from tricorn.optimizers import Optimizer
from tricorn.saving import weights
from tricorn.seeds import SeedGenerator
from tricorn.variable import Variable

_FORMAT, _VERSION = "tricorn checkpoint", 1
_SUFFIX = ".ckpt"
_STATE = "checkpoint"

# ----------------------------------------------------------------------------------------- the walk

#: bookkeeping of optimizers; their Variables are reached by other ways
_BOOKKEEPING = frozenset(("_variables", "_trainable_variables", "_tricorn"))
_CONTAINERS = (list, tuple, dict)
_NOT_OBJECTS = (
    type,
    types.ModuleType,
    types.FunctionType,
    types.MethodType,
    np.ndarray,
    np.generic,
)


@scope.library_code
def _children(obj: Any) -> list[tuple[str, Any]]:
    """(name, object) of what has state in an object, or may come to have it."""
    return list(_edges(obj))


def _edges(obj: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(obj, dict):
        yield from _tracked((str(k), v) for k, v in obj.items() if isinstance(k, (str, int)))
    elif isinstance(obj, (list, tuple)):
        yield from _tracked((str(i), v) for i, v in enumerate(obj))
    elif isinstance(obj, SeedGenerator):
        yield "state", obj.state
    elif isinstance(obj, Layer):
        if isinstance(obj, Sequential) or (isinstance(obj, Model) and graph_of(obj)):
            yield "layers", list(obj.layers)
        yield from _with_unnamed(list(_tracked(vars(obj).items())), own_weights(obj))
    elif isinstance(obj, Optimizer):
        names = {k: v for k, v in vars(obj).items() if k not in _BOOKKEEPING}
        slots = {id(v) for *_, v in _slots(obj)}
        own = [v for v in obj._variables if id(v) not in slots]
        yield from _with_unnamed(list(_tracked(names.items())), own)
    elif isinstance(obj, Metric):
        inside = {"metrics": obj._tricorn.held("metric")}
        own = obj._tricorn.held("variable", "trainable variable")
        yield from _with_unnamed(list(_tracked({**vars(obj), **inside}.items())), own)
    elif not isinstance(obj, _VALUES):
        yield from _tracked((k, v) for k, v in vars(obj).items() if not k.startswith("_"))


def _tracked(items: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    return ((name, value) for name, value in items if _has_state(value, set()))


def _has_state(value: Any, seen: set[int]) -> bool:
    """Whether a value is, or holds, something with state."""
    if isinstance(value, _KINDS):
        return True
    if id(value) in seen or isinstance(value, _NOT_OBJECTS):
        return False
    seen.add(id(value))
    if isinstance(value, dict):
        return any(_has_state(v, seen) for v in value.values())
    if isinstance(value, _CONTAINERS):
        return any(_has_state(v, seen) for v in value)
    if not _is_users(value):
        return False
    return any(_has_state(v, seen) for k, v in vars(value).items() if not k.startswith("_"))


def _is_users(value: Any) -> bool:
    """Whether an object's class was written by the user, with attributes to look at."""
    home = type(value).__module__.partition(".")[0]
    return hasattr(value, "__dict__") and home not in ("builtins", "numpy", "tricorn")


def _with_unnamed(named: list[tuple[str, Any]], own: list[Variable]) -> Iterator[tuple[str, Any]]:
    """The children, with the Variables that no attribute leads to, by their own names."""
    yield from named
    taken = {name for name, _ in named}
    seen = {id(value) for _, value in named}
    counts: collections.Counter[str] = collections.Counter()
    for each in own:
        if id(each) not in seen:
            count = counts[each.leaf]
            counts[each.leaf] += 1
            name = f"{each.leaf}_{count}" if count or each.leaf in taken else each.leaf
            yield name, each


def _slots(optimizer: Optimizer) -> Iterator[tuple[Variable, str, Variable]]:
    """(Variable, name, slot) of what an optimizer keeps for Variables."""
    for owner, slots in optimizer._tricorn.slots.items():
        for name, slot in slots.items():
            yield owner, name, slot
    for owner, average in optimizer._tricorn.averages.items():
        yield owner, "average", average
    for owner, accumulator in optimizer._tricorn.accumulators.items():
        yield owner, "gradient_accumulator", accumulator


class _Graph:
    """The objects below a root, each once, numbered in the order they are met."""

    def __init__(self, root: Any) -> None:
        self.objects: list[Any] = [root]
        self.edges: list[dict[str, int]] = []
        self.paths = [""]
        numbers: dict[int, int] = {id(root): 0}
        for number, obj in enumerate(self.objects):  # grows meanwhile
            below: dict[str, int] = {}
            for name, child in _children(obj):
                known = numbers.get(id(child))
                if known is None:
                    known = numbers[id(child)] = len(self.objects)
                    self.objects.append(child)
                    self.paths.append(f"{self.paths[number]}/{name}".lstrip("/"))
                below[name] = known
            self.edges.append(below)
        self.slots: list[tuple[int, int, str, int]] = []
        for number, obj in enumerate(list(self.objects)):
            if not isinstance(obj, Optimizer):
                continue
            for owner, name, slot in _slots(obj):
                if id(owner) in numbers and id(slot) not in numbers:
                    numbers[id(slot)] = len(self.objects)
                    self.objects.append(slot)
                    self.edges.append({})
                    path = f"{self.paths[number]}/{name} of {self.paths[numbers[id(owner)]]}"
                    self.paths.append(path)
                    self.slots.append((number, numbers[id(owner)], name, numbers[id(slot)]))

    def variables(self) -> Iterator[tuple[str, Variable]]:
        """(path, Variable) of all."""
        for path, obj in zip(self.paths, self.objects):
            if isinstance(obj, Variable):
                yield path, obj


# --------------------------------------------------------------------------------------- the object


class Checkpoint:
    """Objects whose state is saved and restored together.

        checkpoint = tricorn.Checkpoint(model=model, optimizer=optimizer, step=step)
        path = checkpoint.save("folder/ckpt")
        checkpoint.restore(path)

    Args:
        objects: name -> Variable, layer, model, optimizer, metric, seed generator, `data.Iterator`
            (its position), `Checkpoint`, an object of yours with such attributes, or a list, tuple
            or dict of these.  More may be set as attributes later.

    Attributes:
        save_counter: int Variable, how often `save` was called.

    Raises:
        TypeError: for an object that has no state.

    Example:
        >>> step = keras.Variable(3, trainable=False)
        >>> path = keras.Checkpoint(model=model, step=step).write("saved")
        >>> value = step.assign(0)
        >>> status = keras.Checkpoint(model=model, step=step).read(path)
        >>> step.numpy()
        array(3, dtype=int32)
    """

    save_counter: Variable

    def __init__(self, **objects: Any) -> None:
        self.save_counter = Variable(np.zeros((), "int32"), trainable=False, name="save_counter")
        for name, value in objects.items():
            setattr(self, name, value)

    def __setattr__(self, name: str, value: Any) -> None:
        trackable = isinstance(value, (*_KINDS, *_CONTAINERS)) or (
            not isinstance(value, _NOT_OBJECTS) and _is_users(value)
        )
        if not trackable:
            raise TypeError(
                f"Checkpoint: {name}={value!r} has no state to save; give a Variable, layer, "
                "model, optimizer, metric, data.Iterator, or a container of them, e.g. "
                "tricorn.Variable(0)"
            )
        object.__setattr__(self, name, value)

    # --------------------------------------------------------------------------------------- saving

    def save(self, file_prefix: str | os.PathLike) -> str:
        """Save to ``<file_prefix>-<number>.ckpt``, numbered by `save_counter`.

        Args:
            file_prefix: folder and first part of the name; the folder is made if need be.

        Returns:
            The path of the file, which is there whole or not at all.
        """
        number = int(self.save_counter) + 1
        prefix = Path(file_prefix)
        path = prefix.with_name(f"{prefix.name}-{number}{_SUFFIX}")
        path.parent.mkdir(parents=True, exist_ok=True)
        self.save_counter.assign(number)
        try:
            written = self.write(path)
        except BaseException:
            self.save_counter.assign(number - 1)
            raise
        _State.of(path.parent).added(path.name, time.time()).write()
        return written

    def write(self, path: str | os.PathLike) -> str:
        """Save to the file `path`, as it is called; gives the path."""
        graph = _Graph(self)
        text = json.dumps(
            {"format": _FORMAT, "version": _VERSION, "nodes": graph.edges, "slots": graph.slots}
        )
        with Suspended(), atomic.writing(path) as file, h5py.File(file, "w") as h5:
            h5.create_dataset("graph", data=np.frombuffer(text.encode(), np.uint8))
            group = h5.create_group("vars")
            values = {i: obj for i, obj in enumerate(graph.objects) if isinstance(obj, Variable)}
            with Use(frozenset(values.values())):
                for number, obj in values.items():
                    weights.write_array(group, str(number), obj)
            for number, obj in enumerate(graph.objects):
                if isinstance(obj, DataIterator):
                    position = np.frombuffer(encode(obj.get_state()), np.uint8)
                    group.create_dataset(str(number), data=position)
        return os.fspath(path)

    # ------------------------------------------------------------------------------------ restoring

    def restore(self, path: str | os.PathLike | None) -> RestoreStatus:
        """Give the objects the state in a file.

        What exists takes its values at once, all or, when a shape differs, nothing.  What is made
        later (the weights of layers that are not built, an optimizer's slots) takes them when it is
        made.

        Args:
            path: what `save` gave; None, as `latest_checkpoint` gives for an empty folder, leaves
                everything as it is.

        Returns:
            A `RestoreStatus`, which can tell whether everything was found.

        Raises:
            FileNotFoundError: when there is no such file.
            ValueError: for a file that is no checkpoint or is damaged, and for values of other
                shapes than the Variables; file and member are named.
        """
        if path is None:
            return RestoreStatus(self, None)
        found = Path(path)
        if not found.exists() and found.with_name(found.name + _SUFFIX).exists():
            found = found.with_name(found.name + _SUFFIX)
        if not found.exists():
            raise FileNotFoundError(f"there is no checkpoint {os.fspath(path)!r}")
        name = os.fspath(found)
        with weights.WeightsFile(found, name) as file, limits.budget(limits.allowed(file.stored)):
            restoration = _Restoration(self, *_read(file, name), name)
            restoration.run(again=True)
            if restoration.left():
                restoration.keep()
                variables.restorations.append(restoration)
        return RestoreStatus(self, restoration)

    read = restore

    def __repr__(self) -> str:
        names = ", ".join(name for name in vars(self) if name != "save_counter")
        return f"<Checkpoint of {names or 'nothing'}>"


_VALUES = (Variable, DataIterator)
_KINDS = (*_VALUES, Layer, Optimizer, Metric, SeedGenerator, Checkpoint)


class _Stored(NamedTuple):
    """A value in an open file."""

    store: weights.Store
    key: str

    @property
    def shape(self) -> tuple[int, ...]:
        return self.store.shape(self.key)


def _read(
    file: weights.WeightsFile, name: str
) -> tuple[list[dict[str, int]], list[list], dict[int, Any]]:
    """(children of every node, slots, values by node) of a file.

    Raises:
        ValueError: when it is no checkpoint, is damaged or tries something.
    """
    store = file.stores.get("", weights.Store({}))
    if "graph" not in store:
        raise ValueError(f"{name} is no checkpoint: it has no member 'graph'")
    member = f"{name}: the member 'graph'"
    graph = store.datasets["graph"]
    limits.check_text(member, graph.nbytes, graph.id.get_storage_size())
    try:
        text = store.read("graph").astype(np.uint8).tobytes()
        limits.take_json(member, text)
        edges, slots = _checked(json.loads(text.decode()))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{member} is damaged: {error}") from error
    values = {}
    for key in store:
        if key == "graph":
            continue
        if not key.isdecimal():
            raise ValueError(f"{name}: the member 'vars/{key}' is not the number of a node")
        if int(key) >= len(edges):
            raise ValueError(f"{name}: the member 'vars/{key}' belongs to no node of 'graph'")
        store.check(key)
        values[int(key)] = _Stored(store, key)
    return edges, slots, values


def _checked(graph: Any) -> tuple[list[dict[str, int]], list[list]]:
    """The parts of a graph from a file, of the expected types."""
    if not isinstance(graph, dict) or graph.get("format") != _FORMAT:
        raise ValueError(f'expected an object with "format": "{_FORMAT}"')
    if graph.get("version") != _VERSION:
        raise ValueError(
            f"it has version {graph.get('version')!r}, this release reads version {_VERSION}"
        )
    nodes, slots = graph.get("nodes"), graph.get("slots")
    if not isinstance(nodes, list) or not nodes or not isinstance(slots, list):
        raise ValueError('expected lists "nodes" and "slots"')

    def is_node(number: Any) -> bool:
        return type(number) is int and 0 <= number < len(nodes)

    for number, children in enumerate(nodes):
        if not isinstance(children, dict) or not all(map(is_node, children.values())):
            raise ValueError(f"the children of node {number} are not numbers of nodes")
    for slot in slots:
        good = isinstance(slot, list) and len(slot) == 4 and isinstance(slot[2], str)
        if not good or not all(map(is_node, (slot[0], slot[1], slot[3]))):
            raise ValueError(f"expected [optimizer, variable, name, node], got {slot!r}")
    return nodes, slots


class _Restoration:
    """A file's state on its way into objects.

    Attributes:
        values: those that wait, by node.
    """

    def __init__(
        self, root: Checkpoint, edges: list, slots: list, values: dict[int, Any], name: str
    ) -> None:
        self.edges, self.slots, self.values, self.name = edges, slots, values, name
        self._given: dict[int, weakref.ref[Variable]] = {}  # by id: `==` compares values
        self._seen = -1
        # the objects live as long as somebody else keeps them
        self._root = weakref.ref(root)
        self._objects = {key: _reference(value) for key, value in vars(root).items()}

    def left(self) -> bool:
        """Whether values wait for Variables, and objects that may make them still live."""
        return bool(self.values) and bool(self._live())

    def _live(self) -> dict[str, Any]:
        """The objects of the checkpoint, by name."""
        root = self._root()
        if root is not None:
            return dict(vars(root))
        found = {name: reference() for name, reference in self._objects.items()}
        return {name: obj for name, obj in found.items() if obj is not None}

    def run(self, again: bool = False) -> None:
        """Assign what can be assigned now and was not yet.

        Args:
            again: look for Variables even if none was made since the last time.

        Raises:
            ValueError: when shapes differ; nothing is assigned then.
        """
        if self._seen == variables.made() and not again:
            return
        self._seen = variables.made()
        plan = list(self._plan())
        wrong = [
            f"  {path}: the Variable has shape {each.shape}, the file {self.values[node].shape}"
            for node, path, each in plan
            if isinstance(each, Variable) and each.shape != self.values[node].shape
        ]
        if wrong:
            self.values = {}
            raise ValueError(
                "\n".join([f"{self.name} does not fit ({len(wrong)} differences):", *wrong[:40]])
            )
        with Suspended():
            for node, path, each in plan:
                value = self.values.pop(node)
                value = value.store.read(value.key) if isinstance(value, _Stored) else value
                if isinstance(each, DataIterator):
                    position = decode(value.astype(np.uint8).tobytes(), Dataset._of_data)
                    try:
                        each.set_state(position)
                    except (AttributeError, IndexError, KeyError, TypeError) as error:
                        raise ValueError(
                            f"{self.name}: the position of {path} is not one in this pipeline, "
                            "which must be made as it was when it was saved"
                        ) from error
                else:
                    each.assign(value)
                self._given[id(each)] = weakref.ref(each)

    def keep(self) -> None:
        """Read what waits, before the file is closed."""
        self.values = {node: value.store[value.key] for node, value in self.values.items()}

    def given(self) -> set[Variable]:
        """The Variables that were given a value."""
        return {each for ref in self._given.values() if (each := ref()) is not None}

    def _plan(self) -> Iterator[tuple[int, str, Variable]]:
        """(node, path, Variable) of the values that have a place now."""
        live: dict[int, Any] = {}
        numbers: dict[int, int] = {}
        paths: dict[int, str] = {}

        def match(node: int, obj: Any, path: str) -> bool:
            if node in live or id(obj) in numbers:
                return False
            live[node], numbers[id(obj)], paths[node] = obj, node, path
            return True

        queue: collections.deque[int] = collections.deque()
        for name, obj in self._live().items():
            node = self.edges[0].get(name)
            if node is not None and match(node, obj, name):
                queue.append(node)
        while queue:
            at = queue.popleft()
            for name, child in _children(live[at]):
                node = self.edges[at].get(name)
                if node is not None and match(node, child, f"{paths[at]}/{name}"):
                    queue.append(node)
        slots = {
            (number, id(own), kind): slot
            for number, obj in list(live.items())
            if isinstance(obj, Optimizer)
            for own, kind, slot in _slots(obj)
        }
        for optimizer, owner, name, node in self.slots:
            slot = slots.get((optimizer, id(live.get(owner)), name))
            if slot is not None:
                match(node, slot, f"{paths[optimizer]}/{name} of {paths[owner]}")
        for node in list(self.values):
            if isinstance(live.get(node), _VALUES):
                yield node, paths[node], live[node]

    def file_paths(self, nodes: Iterable[int]) -> list[str]:
        """The ways to nodes, as the file tells them."""
        found = {0: ""}
        queue = collections.deque([0])
        while queue:
            at = queue.popleft()
            for name, node in self.edges[at].items():
                if node not in found:
                    found[node] = f"{found[at]}/{name}".lstrip("/")
                    queue.append(node)
        for optimizer, owner, name, node in self.slots:
            found.setdefault(node, f"{found.get(optimizer, '?')}/{name} of {found.get(owner, '?')}")
        return [found.get(node, f"vars/{node}") for node in nodes]


def _reference(value: Any) -> Callable[[], Any]:
    try:
        return weakref.ref(value)
    except TypeError:  # lists, tuples and dicts
        return lambda: value


class RestoreStatus:
    """What became of a restoration.  Each method gives the status itself."""

    def __init__(self, checkpoint: Checkpoint, restoration: _Restoration | None) -> None:
        self._checkpoint, self._restoration = checkpoint, restoration

    def assert_consumed(self) -> RestoreStatus:
        """Everything in the file has its place, and every Variable that exists was given a value.

        Raises:
            AssertionError: otherwise; the message lists what has none.
        """
        restoration = self._need("assert_consumed")
        left = restoration.file_paths(restoration.values)
        if left:
            raise AssertionError(
                f"{len(left)} values in {restoration.name} have no Variable"
                f"{_listed(left)}\nThey are given to the Variables when those are made (layers by "
                "their first call, optimizers by their first step), if they are the same objects"
            )
        return self.assert_existing_objects_matched()

    def assert_existing_objects_matched(self) -> RestoreStatus:
        """Every Variable that exists now was given a value.

        Raises:
            AssertionError: otherwise; the message lists those without.
        """
        restoration = self._need("assert_existing_objects_matched")
        given = restoration.given()
        missing = [path for path, each in _Graph(self._checkpoint).variables() if each not in given]
        if missing:
            raise AssertionError(
                f"{len(missing)} Variables are not in {restoration.name}{_listed(missing)}"
            )
        return self

    def assert_nontrivial_match(self) -> RestoreStatus:
        """At least one Variable was given a value.

        Raises:
            AssertionError: otherwise.
        """
        restoration = self._need("assert_nontrivial_match")
        if not restoration.given() - {self._checkpoint.save_counter}:
            raise AssertionError(f"nothing in {restoration.name} has a place in these objects")
        return self

    def expect_partial(self) -> RestoreStatus:
        """Nothing: values that are never asked for give no warning anyway.  For programs that also
        run elsewhere."""
        return self

    def initialize_or_restore(self, session: Any = None) -> RestoreStatus:
        """Nothing: Variables have their first values when they are made, and the file's by now.
        For programs that also run elsewhere."""
        return self

    def _need(self, name: str) -> _Restoration:
        if self._restoration is None:
            raise AssertionError(f"{name}: no checkpoint was restored (the path was None)")
        self._restoration.run(again=True)
        return self._restoration


def _listed(paths: list[str]) -> str:
    more = [f"... and {len(paths) - 20} more"] if len(paths) > 20 else []
    return ":\n  " + "\n  ".join([*paths[:20], *more])


# -------------------------------------------------------------------------------------- the manager


class _State:
    """The file ``checkpoint`` of a folder: which checkpoints it holds, in the order of saving.

    Attributes:
        saved: file name -> when it was saved, in seconds.
        preserved: the time of the last one that is to stay for good.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.saved: dict[str, float] = {}
        self.preserved: float | None = None

    @classmethod
    def of(cls, folder: Path) -> _State:
        """What the folder says; empty where there is no such file.

        Raises:
            ValueError: when the file is damaged, or names files elsewhere.
        """
        state, path = cls(folder), folder / _STATE
        try:
            found = json.loads(limits.read_text(path))
        except FileNotFoundError:
            return state
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{path} is no list of checkpoints: {error}") from error
        saved = found.get("saved") if isinstance(found, dict) else None
        preserved = found.get("preserved") if isinstance(found, dict) else None
        if not isinstance(saved, list) or not isinstance(preserved, (int, float, type(None))):
            raise ValueError(f'{path} is no list of checkpoints: it has no list "saved"')
        for entry in saved:
            if (
                not isinstance(entry, list)
                or len(entry) != 2
                or not isinstance(entry[0], str)
                or not isinstance(entry[1], (int, float))
                or Path(entry[0]).name != entry[0]
                or "\\" in entry[0]
            ):
                raise ValueError(f"{path}: {entry!r} is not [name of a file here, time]")
        state.saved = {name: float(when) for name, when in saved}
        state.preserved = preserved
        return state

    def added(self, name: str, now: float) -> _State:
        self.saved.pop(name, None)
        self.saved[name] = now  # the last one
        return self

    def write(self) -> None:
        saved = list(self.saved.items())
        with atomic.writing(self.folder / _STATE, "w") as file:
            json.dump({"saved": saved, "preserved": self.preserved}, file, indent=1)

    def paths(self) -> list[Path]:
        """The checkpoints that are there, oldest first."""
        return [path for path in (self.folder / name for name in self.saved) if path.exists()]


def latest_checkpoint(checkpoint_dir: str | os.PathLike) -> str | None:
    """The path of the last checkpoint that was saved in the folder `checkpoint_dir`, None where
    there is none.

    Raises:
        ValueError: when the folder's list of checkpoints is damaged.

    Example:
        >>> path = keras.Checkpoint(model=model).save("trained/model")
        >>> keras.latest_checkpoint("trained") == path
        True
    """
    paths = _State.of(Path(checkpoint_dir)).paths()
    return os.fspath(paths[-1]) if paths else None


class CheckpointManager:
    """Saves a `Checkpoint` again and again into a folder, and keeps the last ones.

    Args:
        checkpoint: what is saved.
        directory: the folder, made if need be.
        max_to_keep: how many to keep; None: all.
        keep_checkpoint_every_n_hours: of those that would be removed, keep one per so many hours.
        checkpoint_name: first part of the files' names.
        step_counter: int Variable, which `checkpoint_interval` counts by.
        checkpoint_interval: `save` does nothing until so many steps went by since the last time.
        init_fn: what `restore_or_initialize` calls where there is nothing to restore.

    A save that is interrupted at any point leaves the one before as the last.

    Raises:
        ValueError: for numbers that make no sense.

    Example:
        >>> checkpoint = keras.Checkpoint(model=model)
        >>> manager = keras.CheckpointManager(checkpoint, "training", max_to_keep=2)
        >>> paths = [manager.save() for _ in range(3)]
        >>> manager.checkpoints == paths[1:]
        True
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        directory: str | os.PathLike,
        max_to_keep: int | None,
        keep_checkpoint_every_n_hours: float | None = None,
        checkpoint_name: str = "ckpt",
        step_counter: Variable | None = None,
        checkpoint_interval: int | None = None,
        init_fn: Callable[[], Any] | None = None,
    ) -> None:
        if max_to_keep is not None and max_to_keep < 1:
            raise ValueError(f"max_to_keep is None or at least 1, got {max_to_keep!r}")
        if checkpoint_interval is not None and (step_counter is None or checkpoint_interval < 1):
            raise ValueError(
                "checkpoint_interval is a number of steps, at least 1, of step_counter, which must "
                f"be given; got {checkpoint_interval!r} and {step_counter!r}"
            )
        if Path(checkpoint_name).name != checkpoint_name:
            raise ValueError(f"checkpoint_name is a name, not a path, got {checkpoint_name!r}")
        self.checkpoint, self.max_to_keep, self.init_fn = checkpoint, max_to_keep, init_fn
        self.keep_checkpoint_every_n_hours = keep_checkpoint_every_n_hours
        self.checkpoint_name = checkpoint_name
        self.step_counter, self.checkpoint_interval = step_counter, checkpoint_interval
        self._folder = Path(directory)
        self._folder.mkdir(parents=True, exist_ok=True)
        self._saved_step: int | None = None
        self._began = time.time()
        _State.of(self._folder)  # complains now about a folder that is not ours

    @property
    def directory(self) -> str:
        return os.fspath(self._folder)

    @property
    def checkpoints(self) -> list[str]:
        """The paths of those that are kept, oldest first."""
        return [os.fspath(path) for path in self._checkpoints(_State.of(self._folder))]

    @property
    def latest_checkpoint(self) -> str | None:
        """The path of the last one, None before the first."""
        found = self.checkpoints
        return found[-1] if found else None

    def _checkpoints(self, state: _State) -> list[Path]:
        return [path for path in state.paths() if self._number(path) is not None]

    def _number(self, path: Path) -> int | None:
        name = path.name.removesuffix(_SUFFIX)
        first, _, number = name.rpartition("-")
        ours = first == self.checkpoint_name and number.isdecimal() and name != path.name
        return int(number) if ours else None

    def save(self, checkpoint_number: Any = None, check_interval: bool = True) -> str | None:
        """Save, and remove what is not to be kept.

        Args:
            checkpoint_number: for the file's name, an int or an int Variable; None: one more than
                the last.
            check_interval: whether `checkpoint_interval` counts.

        Returns:
            The path, or None when it is too early.
        """
        step = None if self.step_counter is None else int(self.step_counter)
        if check_interval and self.checkpoint_interval is not None and step is not None:
            if self._saved_step is not None and step - self._saved_step < self.checkpoint_interval:
                return None
        counter = self.checkpoint.save_counter
        before = int(counter)
        numbers = [self._number(path) or 0 for path in self._checkpoints(_State.of(self._folder))]
        number = max([before, *numbers]) + 1
        if checkpoint_number is not None:
            number = int(checkpoint_number)
        counter.assign(number - 1)
        try:
            path = self.checkpoint.save(self._folder / self.checkpoint_name)
        except BaseException:
            counter.assign(before)
            raise
        self._saved_step = step
        self._sweep()
        return path

    def _sweep(self) -> None:
        """Remove the oldest, one per `keep_checkpoint_every_n_hours` excepted."""
        if self.max_to_keep is None:
            return
        state = _State.of(self._folder)
        removed = []
        for path in self._checkpoints(state)[: -self.max_to_keep]:
            saved = state.saved.pop(path.name)
            hours = self.keep_checkpoint_every_n_hours
            last = self._began if state.preserved is None else state.preserved
            if hours is not None and saved - last >= hours * 3600:
                state.preserved = saved
            else:
                removed.append(path)
        state.write()  # before the files go: the list never names what is not there
        for path in removed:
            path.unlink(missing_ok=True)

    def restore_or_initialize(self) -> str | None:
        """Restore the last checkpoint; where there is none, call `init_fn`.

        Returns:
            The path of what was restored, or None.
        """
        latest = self.latest_checkpoint
        if latest is not None:
            self.checkpoint.restore(latest)
            self._saved_step = None if self.step_counter is None else int(self.step_counter)
            return latest
        if self.init_fn is not None:
            self.init_fn()
        return None
