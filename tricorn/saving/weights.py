"""The weights of a model in HDF5, laid out as Keras 3's ``model.weights.h5``.

Every object with variables has a group named by the path of attributes that leads to it
(``layers/dense_1``, ``blocks/dense``, ``optimizer``), and in it a group ``vars`` with datasets
``0``, ``1``, ...  Members of a list, tuple or dict are named by their class and a count, never by
their own names.  Random state, which Keras does not store, goes to ``<path>/seed_generator/vars``.
"""

from __future__ import annotations

import contextlib
import functools
import math
import os
import warnings
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

import h5py
import numpy as np

from tricorn import dtypes, limits, naming
from tricorn.graph.scope import library_code
from tricorn.graph.turns import Use
from tricorn.seeds import SeedGenerator
from tricorn.variable import Variable

#: Deflate cannot shrink data by more than 1032 times: what claims more is a trap.
MAX_EXPANSION = 1100
_SMALL = 1 << 16
_MAX_DEPTH = 60
_LINKS = {h5py.h5l.TYPE_SOFT: "SoftLink", h5py.h5l.TYPE_EXTERNAL: "ExternalLink"}
#: what Keras up to 2.13 called the group "layers"
_OLD_LAYERS = "_layer_checkpoint_dependencies"


# ----------------------------------------------------------------------------------------- the walk


def saveables(model: Any, skip: Iterable[Any] = ()) -> Iterator[tuple[str, Any]]:
    """(path, object) of the model and everything below it that has variables, each object once, in
    the order and with the paths of Keras 3.

    Args:
        skip: objects that are left out, with what only they lead to.
    """
    return _walk(model, "", {id(obj): obj for obj in skip})


def _walk(obj: Any, path: str, seen: dict[int, Any]) -> Iterator[tuple[str, Any]]:
    if id(obj) in seen:
        return
    seen[id(obj)] = obj
    yield path, obj
    if not isinstance(obj, SeedGenerator):
        for name, child in _attributes(obj):
            yield from _walk_value(child, join(path, name), seen)


def _walk_value(value: Any, path: str, seen: dict[int, Any]) -> Iterator[tuple[str, Any]]:
    if _saveable(value):
        yield from _walk(value, path, seen)
    elif isinstance(value, (list, tuple, dict)) and id(value) not in seen:
        seen[id(value)] = value  # kept: properties make lists, and the next may get the id of one
        yield from _walk_container(value, path, seen)


def _walk_container(container: Any, path: str, seen: dict[int, Any]) -> Iterator[tuple[str, Any]]:
    counts: dict[str, int] = {}
    for value in container.values() if isinstance(container, dict) else container:
        if isinstance(value, (list, tuple, dict)):
            name = "container"
        elif _saveable(value):
            name = naming.snake_case(type(value).__name__)
        else:
            continue
        count = counts[name] = counts.get(name, -1) + 1
        yield from _walk_value(value, join(path, f"{name}_{count}" if count else name), seen)


def _saveable(value: Any) -> bool:
    return isinstance(value, SeedGenerator) or (
        hasattr(value, "save_own_variables") and not isinstance(value, type)
    )


def _attributes(obj: Any) -> Iterator[tuple[str, Any]]:
    """The attributes that may lead to variables: those that a fresh layer, model or optimizer of
    the library does not have, public ones first."""
    from tricorn.models import Model, Sequential
    from tricorn.models.layer_graph import graph_of

    if isinstance(obj, Sequential) or (isinstance(obj, Model) and graph_of(obj)):
        yield "layers", obj.layers
    names = {name for name in dir(obj) if not name.startswith("__")} - _fresh(_kind(obj))
    for name in sorted(names, key=lambda name: (name.startswith("_"), name)):
        try:
            value = getattr(obj, name)
        except Exception:  # a property of the user's that does not work now
            continue
        yield name, value


def _kind(obj: Any) -> type:
    """The base class of the library that decides which attributes are bookkeeping."""
    from tricorn.layers.base import Layer
    from tricorn.models import Model
    from tricorn.optimizers import Optimizer

    return next((base for base in (Model, Layer, Optimizer) if isinstance(obj, base)), type(obj))


@functools.cache
def _fresh(kind: type) -> frozenset[str]:
    """The attributes of new objects, the places of a model's optimizer and layers excepted."""
    from tricorn.layers import Input, Layer
    from tricorn.models import Functional, Model, Sequential
    from tricorn.optimizers import Optimizer

    name = "reference"
    if kind is Layer:
        return frozenset(dir(Layer(name=name)))
    if kind is Optimizer:
        return frozenset(dir(Optimizer(0.0, name=name)))
    if kind is not Model:
        return frozenset()
    tensor = Input((1,), name=name)
    models = (Model(name=name), Sequential(name=name), Functional(tensor, tensor, name=name))
    return frozenset().union(*map(dir, models)) - {"layers", "optimizer"}


def join(path: str, name: str) -> str:
    """The path of a member of the group at `path`; the root's path is ""."""
    return f"{path}/{name}" if path else name


# ----------------------------------------------------------------------------------------- writing


@library_code
def held(model: Any) -> Use:
    """A block in which no other thread changes the model: what is read inside belongs together."""
    optimizer = getattr(model, "optimizer", None)
    return Use(frozenset((*model.variables, *getattr(optimizer, "variables", ()))))


def write(model: Any, file: h5py.File, skip: Iterable[Any] = ()) -> None:
    """Put all state of `model`, but for the objects in `skip`, into an empty HDF5 file."""
    with held(model):
        for path, name, state in states(model, skip):
            group = make_group(file, path, name)
            for key, array in state.items():
                write_array(group, key, array)


def states(
    model: Any, skip: Iterable[Any] = ()
) -> Iterator[tuple[str, str | None, dict[str, np.ndarray]]]:
    """(path, name, arrays) of each object that has a name or arrays; see `held`."""
    for path, obj in saveables(model, skip):
        state: dict[str, Any] = {}
        if isinstance(obj, SeedGenerator):
            state["0"] = obj.state.numpy().view(np.uint32)
        else:
            obj.save_own_variables(state)
        name = getattr(obj, "name", None)
        name = name if isinstance(name, str) else None
        if state or name is not None:
            yield path, name, {str(key): _array(value) for key, value in state.items()}


def _array(value: Any) -> np.ndarray:
    return value.numpy() if isinstance(value, Variable) else np.asarray(value)


def make_group(file: h5py.File, path: str, name: str | None) -> h5py.Group:
    """The group for the arrays of the object at `path`."""
    group = file.create_group(join(path, "vars"))
    if name is not None:
        group.attrs["name"] = name
    return group


def write_array(group: h5py.Group, key: str, value: Any) -> None:
    """Write a Variable or array as the member `key`, in a way that `Store` reads; bfloat16 is
    marked by an attribute."""
    array = _array(value)
    dataset = group.create_dataset(key, data=array)
    if dtypes.standardize(array.dtype) == "bfloat16":
        dataset.attrs["dtype"] = "bfloat16"


# ------------------------------------------------------------------------------- looking into files


class Store(Mapping):
    """The arrays of one object in a file: what ``load_own_variables(store)`` gets.

    What is taken out of it is counted against the budget (`limits`): nobody has compared its size
    with anything.

    Args:
        datasets: by name.
        file: what errors call the file.
    """

    def __init__(self, datasets: dict[str, h5py.Dataset], file: str = "the file") -> None:
        self.datasets, self.file = datasets, file

    def __getitem__(self, key: str) -> np.ndarray:
        limits.take(self._title(key), self.datasets[key].nbytes)
        return self.read(key)

    def __contains__(self, key: object) -> bool:
        return key in self.datasets

    def __iter__(self) -> Iterator[str]:
        return iter(self.datasets)

    def __len__(self) -> int:
        return len(self.datasets)

    def shape(self, key: str) -> tuple[int, ...]:
        return tuple(self.datasets[key].shape)

    def read(self, key: str) -> np.ndarray:
        """An array whose size fits what it is for.

        Raises:
            ValueError: it is damaged.
        """
        dataset = self.datasets[key]
        try:
            array = dataset[()]
        except (OSError, RuntimeError, TypeError, ValueError) as error:
            raise ValueError(f"{self._title(key)} is damaged: {error}") from error
        if _is_bfloat16(dataset):
            array = np.asarray(array).view(dtypes.to_numpy("bfloat16"))
        return np.asarray(array)

    def check(self, key: str) -> None:
        """Find damage that only reading shows, in what is compressed or has checksums."""
        if self.datasets[key].chunks is not None:
            self.read(key)

    def _title(self, key: str) -> str:
        return f"{self.file}: the member {str(self.datasets[key].name).lstrip('/')!r}"


class WeightsFile:
    """An HDF5 file whose every member was looked at before any was read.

    Args:
        source: path or file object.
        name: what errors call it.

    Attributes:
        groups: path -> group; the root's path is "".
        datasets: path -> array in the file.
        stored: bytes that the file really has.

    Raises:
        ValueError: for a file that is no HDF5 or is damaged, and for links, external or virtual
            data, datasets that are not numbers, and sizes that do not fit what is stored.
    """

    def __init__(self, source: Any, name: str) -> None:
        self.name = name
        self.groups: dict[str, h5py.Group] = {}
        self.datasets: dict[str, h5py.Dataset] = {}
        self.stored = limits.stored_size(source)
        try:
            self._file = h5py.File(source, "r")
        except OSError as error:
            raise ValueError(f"{name} is not a readable HDF5 file: {error}") from error
        try:
            self._size = self._file.id.get_filesize()
            self._in_arrays = self._in_texts = 0
            self._visit(self._file, "", set())
        except (OSError, RuntimeError, KeyError) as error:
            self._file.close()
            raise ValueError(f"{name} is damaged: {error}") from error
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> WeightsFile:
        return self

    def __exit__(self, *error: Any) -> None:
        self._file.close()

    @property
    def nbytes(self) -> int:
        """The memory that all arrays take."""
        return sum(dataset.nbytes for dataset in self.datasets.values())

    @functools.cached_property
    def stores(self) -> dict[str, Store]:
        """Path of an object -> its `Store`, in the layout of Keras 3."""
        stores: dict[str, Store] = {}
        for member, dataset in self.datasets.items():
            path, _, key = member.replace(_OLD_LAYERS, "layers").rpartition("/")
            owner, _, folder = path.rpartition("/")
            owner = owner if folder == "vars" else path
            stores.setdefault(owner, Store({}, self.name)).datasets[key] = dataset
        return stores

    @functools.cached_property
    def names(self) -> dict[str, str]:
        """Path of an object -> its name, in the layout of Keras 3, where the file tells it."""
        groups = (path for path in self.groups if path.rpartition("/")[2] == "vars")
        texts = {path[:-4].rstrip("/"): self.strings(path, "name") for path in groups}
        return {path: text[0] for path, text in texts.items() if text}

    def strings(self, group: str, key: str) -> list[str] | None:
        """The texts in an attribute of a group; None: it has no such attribute.

        Raises:
            ValueError: for an attribute that is no text, is damaged, or may grow without bound.
        """
        owner, title = self.groups[group], f"{group or '/'} attribute {key}"
        try:
            if key not in owner.attrs:
                return None
            attribute = h5py.h5a.open(owner.id, key.encode())
            count, kind = math.prod(attribute.shape), h5py.check_string_dtype(attribute.dtype)
            if count and kind is None:
                raise self._refuse(title, f"has the dtype {attribute.dtype}, expected text")
            # What each text names takes room in the file.  The texts may all be one piece of it,
            # and all are read at once.
            members, room = len(self.groups) + len(self.datasets), self._size - self._in_arrays
            most = count * ((kind and kind.length) or room)
            if count > members or most > (self._size if kind and kind.length else self._most):
                raise self._refuse(
                    title, f"declares {count:,} texts in a file of {members:,} members"
                )
            values = np.ravel(owner.attrs[key]) if count else ()
            texts = [v.decode() if isinstance(v, bytes) else str(v) for v in values]
            "".join(texts).encode()  # h5py lets bad bytes through as half characters
        except UnicodeError as error:
            raise self._refuse(title, "is not UTF-8 text") from error
        except (OSError, RuntimeError, KeyError, TypeError) as error:
            raise self._refuse(title, f"is damaged ({error})") from error
        self._in_texts += sum(map(len, texts))
        if self._in_texts > self._most:
            raise self._refuse(title, f"is one of texts of {self._in_texts:,} bytes together")
        return texts

    @property
    def _most(self) -> int:
        return limits.allowed(self.stored)

    def _refuse(self, path: str, why: str) -> ValueError:
        return ValueError(f"{self.name}: the member {path!r} {why}; the file is not loaded")

    def _visit(self, group: h5py.Group, path: str, seen: set[int]) -> None:
        address = h5py.h5o.get_info(group.id).addr
        if address in seen or path.count("/") > _MAX_DEPTH:
            raise self._refuse(path, "is a group inside itself or nested too deep")
        seen.add(address)
        self.groups[path] = group
        links: list[tuple[str, int]] = []
        group.id.links.iterate(lambda key, info: links.append((key, info.type)), info=True)
        for key, kind in links:
            member = join(path, os.fsdecode(key))
            if kind != h5py.h5l.TYPE_HARD:
                what = _LINKS.get(kind, "user's link")
                raise self._refuse(member, f"is a {what}, which may lead anywhere")
            child = h5py.h5o.open(group.id, key)
            if isinstance(child, h5py.h5g.GroupID):
                self._visit(h5py.Group(child), member, seen)
            elif isinstance(child, h5py.h5d.DatasetID):
                self.datasets[member] = self._checked(child, member)
            else:
                raise self._refuse(member, "is a Datatype, expected an array")

    def _checked(self, found: h5py.h5d.DatasetID, member: str) -> h5py.Dataset:
        how = found.get_create_plist()
        if how.get_external_count():
            raise self._refuse(member, f"keeps its data in another file ({how.get_external(0)[0]})")
        if how.get_layout() == h5py.h5d.VIRTUAL:
            raise self._refuse(member, "is a virtual dataset, made of other files")
        try:
            dtype, shape = found.dtype, found.shape
        except (TypeError, ValueError) as error:
            raise self._refuse(member, f"has numbers of an unknown kind ({error})") from error
        dataset = h5py.Dataset(found, readonly=True)
        if shape is None:
            raise self._refuse(member, "is an empty dataset")
        if dtype.kind not in "biufc" and not _is_bfloat16(dataset):
            raise self._refuse(member, f"has the dtype {dtype}, expected numbers")
        stored, nbytes = found.get_storage_size(), math.prod(shape) * dtype.itemsize
        self._in_arrays += stored
        if self._in_arrays > self._size:
            raise self._refuse(
                member, f"says that {stored:,} bytes are stored, more than the file has for it"
            )
        if nbytes > _SMALL + MAX_EXPANSION * stored:
            raise self._refuse(member, f"declares {nbytes:,} bytes while {stored:,} are stored")
        return dataset


def _is_bfloat16(dataset: h5py.Dataset) -> bool:
    return dataset.dtype.itemsize == 2 and dataset.attrs.get("dtype") == "bfloat16"


# ------------------------------------------------------------------------------------------ reading


class Stores(Protocol):
    """What weights are read from: a `WeightsFile`, or several."""

    @property
    def name(self) -> str: ...

    @property
    def stores(self) -> dict[str, Store]: ...

    @property
    def names(self) -> dict[str, str]: ...

    @property
    def stored(self) -> int: ...


def read(
    model: Any,
    file: Stores,
    *,
    skip_mismatch: bool = False,
    skip: Iterable[Any] = (),
    whole: bool = True,
) -> bool:
    """Assign the state in `file` to `model`: all of it, or nothing.

    Args:
        skip_mismatch: assign what fits and warn about the rest.
        skip: objects that stay as they are, with what only they lead to.
        whole: the file may hold no weights that the model has no place for.

    Returns:
        whether it has the optimizer's state as tf.keras kept it.

    Raises:
        ValueError: weights that are missing, of another shape, or surplus: all are listed.
    """
    skip = tuple(skip)
    objects = dict(saveables(model, skip))
    stores = _by_paths(file.stores, objects)
    optimizer = getattr(model, "optimizer", None)
    plan: list[tuple[Variable, Store, str]] = []
    others: list[tuple[str, Any, Store]] = []
    fitting: list[Any] = []
    misfits: list[str] = []
    then = False
    for path, obj in objects.items():
        store = stores.get(path, Store({}))
        if isinstance(obj, SeedGenerator):
            if "0" in store and store.shape("0") == (2,):
                plan.append((obj.state, store, "0"))
        elif obj is optimizer:
            state, then = _optimizer_plan(obj, store, file.name)
            plan += state
        elif then and obj is inner_of(optimizer):
            continue
        elif (own := own_variables(obj)) is None:
            others.append((path, obj, store))
        elif found := list(_compare(path, obj, own, store)):
            misfits += found
        else:
            plan += [(variable, store, str(index)) for index, variable in enumerate(own)]
            fitting.append(obj)
    if whole:
        misfits += _surplus(dict(saveables(model)) if skip else objects, stores)
    refuse(file.name, misfits, skip_mismatch)
    for _, store, key in plan:
        store.check(key)
    _assign_others(others, file.name)
    for variable, store, key in plan:
        value = store.read(key)
        if variable.random:
            value = value.astype(np.uint32).view(np.int32)
        variable.assign(value)
    for layer in fitting:
        layer._tricorn_loaded()
    return then


def own_variables(obj: Any) -> list[Variable] | None:
    """The variables of an object that stores them in the usual way; None: it has its own way."""
    from tricorn.layers import Layer

    if isinstance(obj, Layer) and type(obj).load_own_variables is Layer.load_own_variables:
        return obj._tricorn_stored()
    return None


def _compare(path: str, obj: Any, own: list[Variable], store: Store) -> Iterator[str]:
    title = f"{path or 'the model itself'} ({type(obj).__name__} {obj.name!r})"
    for index, variable in enumerate(own):
        key = str(index)
        if key not in store:
            yield f"{title}: {variable.leaf!r} {variable.shape} is missing"
        elif (found := store.shape(key)) != variable.shape:
            yield f"{title}: {variable.leaf!r} has shape {variable.shape}, the file has {found}"
    built = "" if obj.built else ", and the layer is not built"
    for key in list(store)[:]:
        if not (key.isdecimal() and int(key) < len(own)):
            yield (
                f"{title}: the file has one more weight, vars/{key} {store.shape(key)}; the "
                f"layer has {len(own)}{built}"
            )


def _by_paths(stores: dict[str, Store], objects: dict[str, Any]) -> dict[str, Store]:
    """The arrays by today's paths: layers inside of tf.keras's layers had names with a "_"."""
    found = {}
    for path, store in stores.items():
        head, slash, tail = path.rpartition("/")
        public = f"{head}{slash}{tail.removeprefix('_')}"
        found[public if path not in objects and public in objects else path] = store
    return found


def _surplus(objects: dict[str, Any], stores: dict[str, Store]) -> Iterator[str]:
    for path, store in stores.items():
        root = path.split("/")[0]  # tf.keras also kept the state of metrics
        if path in objects or root in ("optimizer", "metrics") or "seed_generator" in path:
            continue
        for key in store:
            yield f"{path}/vars/{key} {store.shape(key)}: the model has nothing at this path"


def refuse(name: str, misfits: list[str], skip_mismatch: bool) -> None:
    """Say in what a file and a model differ, if in anything.

    Raises:
        ValueError: they do; with `skip_mismatch` it is a warning.
    """
    if not misfits:
        return
    listed = [f"  {misfit}" for misfit in misfits[:40]]
    if len(misfits) > 40:
        listed.append(f"  ... and {len(misfits) - 40} more")
    report = "\n".join(
        [
            f"{name} does not fit the model ({len(misfits)} differences):",
            *listed,
            "Nothing differs when the model is made by the code that made the saved one; "
            "load_weights(..., skip_mismatch=True) loads what fits.",
        ]
    )
    if not skip_mismatch:
        raise ValueError(report)
    warnings.warn(report, stacklevel=4)


def _assign_others(others: list[tuple[str, Any, Store]], name: str) -> None:
    """Let objects that have their own way to store things read them: all, or none."""
    before: list[tuple[Any, dict[str, Any]]] = []
    for path, obj, store in others:
        kept: dict[str, Any] = {}
        with contextlib.suppress(Exception):  # it has nothing yet
            obj.save_own_variables(kept)
            before.append((obj, {key: np.array(_array(value)) for key, value in kept.items()}))
        try:
            obj.load_own_variables(store)
        except (ValueError, TypeError, LookupError, AttributeError, OSError) as error:
            for done, values in before:
                with contextlib.suppress(Exception):
                    done.load_own_variables(values)
            title = f"{type(obj).__name__} {getattr(obj, 'name', '')!r}"
            raise ValueError(f"{name}: {title} at {path!r} cannot be loaded: {error}") from error


def _optimizer_plan(
    optimizer: Any, store: Store, name: str
) -> tuple[list[tuple[Variable, Store, str]], bool]:
    """What is assigned to an optimizer, and whether the file is tf.keras's: its state where the
    file has it; one that never made a step has only scalars (the count of steps, the rate)."""
    inner, own = inner_of(optimizer), list(optimizer.variables)
    then, slots = listed_by_tf_keras(inner), inner._tricorn.slots
    lists = [(own, len(store)), (then, len(store))]
    if not any(slots.values()) and len(store) == len(then) + len(slots):  # zeros for no momentum
        lists.append((then, len(then)))
    for variables, count in lists:
        keys = [str(index) for index in range(count)]
        fits = count <= len(variables) and all(
            key in store and store.shape(key) == variable.shape
            for key, variable in zip(keys, variables)
        )
        if fits and (count == len(variables) or all(store.shape(key) == () for key in keys)):
            plan = [(variable, store, key) for key, variable in zip(keys, variables)]
            return plan, variables is then
    warnings.warn(
        f"{name}: the optimizer's state is not loaded, it starts anew: {type(optimizer).__name__} "
        f"has {len(own)} variables here, the file has {len(store)} or other shapes",
        stacklevel=4,
    )
    return [], False


def inner_of(optimizer: Any) -> Any:
    """The optimizer inside of one that scales the loss; others themselves."""
    return getattr(optimizer, "inner_optimizer", optimizer)


def listed_by_tf_keras(optimizer: Any) -> list[Variable]:
    """The Variables of an optimizer that tf.keras listed from 2.11 on, in its order: not the
    learning rate, which is in the config, nor what it lost or never used."""
    optimizer = inner_of(optimizer)
    left = {optimizer._learning_rate, *optimizer._tricorn.shared.values()}
    for variable, own in optimizer._tricorn.slots.items():
        left.update(own[name] for name in ("r", "c") if name in own and len(variable.shape) < 2)
    return [variable for variable in optimizer.variables if variable not in left]
