"""The weights of a model in HDF5, laid out as Keras 3's ``model.weights.h5``.

Every object with variables has a group named by the path of attributes that leads to it
(``layers/dense_1``, ``blocks/dense``, ``optimizer``), and in it a group ``vars`` with datasets
``0``, ``1``, ...  Members of a list, tuple or dict are named by their class and a count, never by
their own names.  Random state, which Keras does not store, goes to ``<path>/seed_generator/vars``.
"""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol

import h5py
import numpy as np

from tricorn import dtypes, naming
from tricorn.graph.scope import library_code
from tricorn.graph.turns import Use
from tricorn.seeds import SeedGenerator
from tricorn.variable import Variable

#: Deflate cannot shrink data by more than 1032 times: what claims more is a trap.
MAX_EXPANSION = 1100
_SMALL = 1 << 16
_MAX_DEPTH = 60
#: what Keras up to 2.13 called the group "layers"
_OLD_LAYERS = "_layer_checkpoint_dependencies"


# ----------------------------------------------------------------------------------------- the walk


def saveables(model: Any, skip: Iterable[Any] = ()) -> Iterator[tuple[str, Any]]:
    """(path, object) of the model and everything below it that has variables, each object once, in
    the order and with the paths of Keras 3.

    Args:
        skip: objects that are left out, with what only they lead to.
    """
    return _walk(model, "", {id(obj) for obj in skip})


def _walk(obj: Any, path: str, seen: set[int]) -> Iterator[tuple[str, Any]]:
    if id(obj) in seen:
        return
    seen.add(id(obj))
    yield path, obj
    if not isinstance(obj, SeedGenerator):
        for name, child in _attributes(obj):
            yield from _walk_value(child, join(path, name), seen)


def _walk_value(value: Any, path: str, seen: set[int]) -> Iterator[tuple[str, Any]]:
    if _saveable(value):
        yield from _walk(value, path, seen)
    elif isinstance(value, (list, tuple, dict)) and id(value) not in seen:
        seen.add(id(value))
        yield from _walk_container(value, path, seen)


def _walk_container(container: Any, path: str, seen: set[int]) -> Iterator[tuple[str, Any]]:
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
    """The arrays of one object in a file: what ``load_own_variables(store)`` gets."""

    def __init__(self, datasets: dict[str, h5py.Dataset]) -> None:
        self.datasets = datasets

    def __getitem__(self, key: str) -> np.ndarray:
        dataset = self.datasets[key]
        array = dataset[()]
        if _is_bfloat16(dataset):
            array = np.asarray(array).view(dtypes.to_numpy("bfloat16"))
        return np.asarray(array)

    def __iter__(self) -> Iterator[str]:
        return iter(self.datasets)

    def __len__(self) -> int:
        return len(self.datasets)

    def shape(self, key: str) -> tuple[int, ...]:
        return tuple(self.datasets[key].shape)


class WeightsFile:
    """An HDF5 file whose every member was looked at before any was read.

    Args:
        source: path or file object.
        name: what errors call it.

    Attributes:
        groups: path -> group; the root's path is "".
        datasets: path -> array in the file.

    Raises:
        ValueError: for a file that is no HDF5 or is damaged, and for links, external or virtual
            data, datasets that are not numbers, and sizes that do not fit what is stored.
    """

    def __init__(self, source: Any, name: str) -> None:
        self.name = name
        self.groups: dict[str, h5py.Group] = {}
        self.datasets: dict[str, h5py.Dataset] = {}
        try:
            self._file = h5py.File(source, "r")
        except OSError as error:
            raise ValueError(f"{name} is not a readable HDF5 file: {error}") from error
        try:
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
            stores.setdefault(owner, Store({})).datasets[key] = dataset
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
            # what each text names takes room in the file; the texts may all be one piece of it
            members, size = len(self.groups) + len(self.datasets), self._file.id.get_filesize()
            if count > members or count * ((kind and kind.length) or 0) > size:
                raise self._refuse(
                    title, f"declares {count:,} texts in a file of {members:,} members"
                )
            values = np.ravel(owner.attrs[key]) if count else ()
            texts = [v.decode() if isinstance(v, bytes) else str(v) for v in values]
            "".join(texts).encode()  # h5py lets bad bytes through as half characters
            return texts
        except UnicodeError as error:
            raise self._refuse(title, "is not UTF-8 text") from error
        except (OSError, RuntimeError, KeyError, TypeError) as error:
            raise self._refuse(title, f"is damaged ({error})") from error

    def _refuse(self, path: str, why: str) -> ValueError:
        return ValueError(f"{self.name}: the member {path!r} {why}; the file is not loaded")

    def _visit(self, group: h5py.Group, path: str, seen: set[int]) -> None:
        address = h5py.h5o.get_info(group.id).addr
        if address in seen or path.count("/") > _MAX_DEPTH:
            raise self._refuse(path, "is a group inside itself or nested too deep")
        seen.add(address)
        self.groups[path] = group
        for key in group:
            member = join(path, key)
            link = group.get(key, getlink=True)
            if not isinstance(link, h5py.HardLink):
                raise self._refuse(member, f"is a {type(link).__name__}, which may lead anywhere")
            child = group[key]
            if isinstance(child, h5py.Group):
                self._visit(child, member, seen)
            elif isinstance(child, h5py.Dataset):
                self._check(child, member)
                self.datasets[member] = child
            else:
                raise self._refuse(member, f"is a {type(child).__name__}, expected an array")

    def _check(self, dataset: h5py.Dataset, member: str) -> None:
        if dataset.external:
            raise self._refuse(member, f"keeps its data in another file ({dataset.external[0][0]})")
        if dataset.is_virtual:
            raise self._refuse(member, "is a virtual dataset, made of other files")
        if dataset.shape is None:
            raise self._refuse(member, "is an empty dataset")
        if dataset.dtype.kind not in "biufc" and not _is_bfloat16(dataset):
            raise self._refuse(member, f"has the dtype {dataset.dtype}, expected numbers")
        stored = dataset.id.get_storage_size()
        if dataset.nbytes > _SMALL + MAX_EXPANSION * stored:
            raise self._refuse(
                member, f"declares {dataset.nbytes:,} bytes while {stored:,} are stored"
            )


def _is_bfloat16(dataset: h5py.Dataset) -> bool:
    return dataset.dtype.itemsize == 2 and dataset.attrs.get("dtype") == "bfloat16"


# ------------------------------------------------------------------------------------------ reading


class Misfit(NamedTuple):
    """Something in which file and model differ."""

    path: str
    message: str


class Stores(Protocol):
    """What weights are read from: a `WeightsFile`, or several."""

    @property
    def name(self) -> str: ...

    @property
    def stores(self) -> dict[str, Store]: ...

    @property
    def names(self) -> dict[str, str]: ...


def read(
    model: Any,
    file: Stores,
    *,
    skip_mismatch: bool = False,
    skip: Iterable[Any] = (),
    whole: bool = True,
    rates: bool = True,
) -> None:
    """Assign the state in `file` to `model`: all of it, or nothing.

    Args:
        skip_mismatch: assign what fits and warn about the rest.
        skip: objects that stay as they are, with what only they lead to.
        whole: the file may hold no weights that the model has no place for.
        rates: the state of an optimizer has its learning rate.

    Raises:
        ValueError: weights that are missing, of another shape, or surplus: all are listed.
    """
    skip = tuple(skip)
    objects = dict(saveables(model, skip))
    optimizer = getattr(model, "optimizer", None)
    plan: list[tuple[str, Any, Store]] = []
    misfits: list[Misfit] = []
    for path, obj in objects.items():
        store = file.stores.get(path, Store({}))
        if isinstance(obj, SeedGenerator):
            _read_seed(obj, store)
        elif obj is optimizer:
            _read_optimizer(obj, store, file.name, rates)
        elif found := list(_compare(path, obj, store)):
            misfits += found
        else:
            plan.append((path, obj, store))
    if whole:
        misfits += _surplus(dict(saveables(model)) if skip else objects, file)
    if misfits:
        differences = report(file.name, misfits)
        if not skip_mismatch:
            raise ValueError(differences)
        warnings.warn(differences, stacklevel=3)
    for path, obj, store in plan:
        _assign(path, obj, store, file.name)


def _own_variables(obj: Any) -> list[Variable] | None:
    """The variables of an object that stores them in the usual way; None: it has its own way."""
    from tricorn.layers import Layer
    from tricorn.layers.state import own_weights

    if isinstance(obj, Layer) and type(obj).load_own_variables is Layer.load_own_variables:
        return own_weights(obj)
    return None


def _compare(path: str, obj: Any, store: Store) -> Iterator[Misfit]:
    own = _own_variables(obj)
    if own is None:
        return
    title = f"{path or 'the model itself'} ({type(obj).__name__} {obj.name!r})"
    for index, variable in enumerate(own):
        key = str(index)
        if key not in store:
            yield Misfit(path, f"{title}: {variable.name!r} {variable.shape} is missing")
        elif store.shape(key) != variable.shape:
            yield Misfit(
                path,
                f"{title}: {variable.name!r} has shape {variable.shape}, "
                f"the file has {store.shape(key)}",
            )
    built = "" if obj.built else ", and the layer is not built"
    for key in list(store)[:]:
        if not (key.isdecimal() and int(key) < len(own)):
            yield Misfit(
                path,
                f"{title}: the file has one more weight, vars/{key} {store.shape(key)}; the "
                f"layer has {len(own)}{built}",
            )


def _surplus(objects: dict[str, Any], file: Stores) -> Iterator[Misfit]:
    for path, store in file.stores.items():
        root = path.split("/")[0]  # tf.keras also kept the state of metrics
        if path in objects or root in ("optimizer", "metrics") or "seed_generator" in path:
            continue
        for key in store:
            yield Misfit(
                path, f"{path}/vars/{key} {store.shape(key)}: the model has nothing at this path"
            )


def report(name: str, misfits: list[Misfit]) -> str:
    """What an error or warning says about them."""
    lines = [f"  {misfit.message}" for misfit in misfits[:40]]
    if len(misfits) > 40:
        lines.append(f"  ... and {len(misfits) - 40} more")
    return "\n".join(
        [
            f"{name} does not fit the model ({len(misfits)} differences):",
            *lines,
            "Nothing differs when the model is made by the code that made the saved one; "
            "load_weights(..., skip_mismatch=True) loads what fits.",
        ]
    )


def _assign(path: str, obj: Any, store: Store, name: str) -> None:
    try:
        obj.load_own_variables(store)
    except (ValueError, TypeError, KeyError, OSError) as error:
        title = f"{type(obj).__name__} {getattr(obj, 'name', '')!r}"
        raise ValueError(f"{name}: {title} at {path!r} cannot be loaded: {error}") from error


def _read_seed(generator: SeedGenerator, store: Store) -> None:
    if store.keys() >= {"0"} and store.shape("0") == (2,):
        generator.state.assign(store["0"].astype(np.uint32).view(np.int32))


def _read_optimizer(optimizer: Any, store: Store, name: str, rates: bool) -> None:
    """The optimizer's state where the file has it; an optimizer that never made a step has only
    scalars (the count of steps, the learning rate)."""
    own = list(optimizer.variables)
    if not len(store):
        return
    if not rates:  # tf.keras kept the learning rate in the config, and a slot for no momentum
        own = [v for v in own if v is not optimizer._learning_rate]
        if len(own) == 1 < len(store):
            store = Store({"0": store.datasets["0"]})
    keys = [str(index) for index in range(len(store))]
    fits = len(store) <= len(own) and all(
        key in store and store.shape(key) == variable.shape for key, variable in zip(keys, own)
    )
    scalars = fits and all(store.shape(key) == () for key in keys)
    if not fits or (len(store) != len(own) and not scalars):
        warnings.warn(
            f"{name}: the optimizer's state is not loaded, it starts anew: "
            f"{type(optimizer).__name__} has {len(own)} variables here, the file has {len(store)} "
            "or other shapes",
            stacklevel=4,
        )
        return
    for key, variable in zip(keys, own):
        variable.assign(store[key])
