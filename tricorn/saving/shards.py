"""Weights in several files, laid out as Keras 3's: an index, ``<name>.weights.json``, and beside it
the shards, ``<name>_00000.weights.h5`` and so on.

The index says for each object in which shards its arrays lie.  A shard has the layout of a
weights file.  Over an earlier save the shards get names of their own,
``<name>_<mark>_00000.weights.h5``, and the earlier ones go when the new index is there: a save that
is cut off anywhere leaves the earlier one.  An empty ``<name>_00000.weights.h5`` is left then,
because Keras opens it first.  Index and shards carry the mark of their save, which tells files that
were mixed.
"""

from __future__ import annotations

import contextlib
import json
import re
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import h5py

from tricorn import atomic, checks, limits
from tricorn.saving import weights

#: attribute of a shard, and key in the index's metadata
_MARK = "tricorn_save"


def write(model: Any, path: Path, max_shard_size: float, skip: Iterable[Any] = ()) -> None:
    """Write all state of `model`, but for the objects in `skip`.

    Args:
        path: of the index.
        max_shard_size: how many GiB of arrays a shard holds at most.

    Raises:
        ValueError: one array alone is larger.
    """
    limit, mark = max_shard_size * 2**30, uuid.uuid4().hex
    base = path.name.removesuffix(".json").removesuffix(".weights")
    stem = f"{base}_{mark[:8]}" if path.exists() else base
    places: dict[str, list[str]] = {}
    total = used = count = 0
    with contextlib.ExitStack() as files, weights.held(model):

        def next_shard() -> tuple[str, h5py.File]:
            nonlocal count
            name = f"{stem}_{count:05}.weights.h5"
            count += 1
            file = files.enter_context(atomic.writing(path.with_name(name)))
            shard = files.enter_context(h5py.File(file, "w"))
            shard.attrs[_MARK] = mark
            return name, shard

        index = files.enter_context(atomic.writing(path, "w"))  # the first is renamed last
        file_name, shard = next_shard()
        for place, name, state in weights.states(model, skip):
            group = weights.make_group(shard, place, name)
            for key, array in state.items():
                if array.nbytes > limit:
                    raise ValueError(
                        f"max_shard_size={max_shard_size} GiB is too small: the array {key!r} of "
                        f"{place or 'the model itself'} takes {array.nbytes / 2**30:g} GiB, and "
                        "an array is not divided"
                    )
                if used + array.nbytes > limit:
                    used = 0
                    file_name, shard = next_shard()
                    group = weights.make_group(shard, place, name)
                weights.write_array(group, key, array)
                used, total = used + array.nbytes, total + array.nbytes
                found = places.setdefault(group.name, [])
                if file_name not in found:
                    found.append(file_name)
        metadata = {"total_size": total, _MARK: mark}
        earlier = _shards_beside(path, base)
        json.dump({"metadata": metadata, "weight_map": places}, index, indent=4)
    for file_name in earlier - {name for names in places.values() for name in names}:
        path.with_name(file_name).unlink(missing_ok=True)
    if stem != base:
        with atomic.writing(path.with_name(f"{base}_00000.weights.h5")) as file:
            h5py.File(file, "w").close()


def _shards_beside(path: Path, base: str) -> set[str]:
    """The names of the shards that the index at `path` leads to, and of those that saves over it
    left which were cut off."""
    left = re.compile(rf"{re.escape(base)}_[0-9a-f]{{8}}_\d{{5}}\.weights\.h5")
    found = {file.name for file in path.parent.iterdir() if left.fullmatch(file.name)}
    with contextlib.suppress(OSError, ValueError, RecursionError):  # what is there is no index
        places, _ = _checked(path, json.loads(limits.read_text(path)))
        found.update(shard for names in places.values() for shard in names)
    return found


class Shards(NamedTuple):
    """What a `WeightsFile` has, of all shards."""

    name: str
    stores: dict[str, weights.Store]
    names: dict[str, str]
    stored: int


@contextlib.contextmanager
def reading(path: Path, index: Any) -> Iterator[Shards]:
    """The arrays that an index leads to, while the block lasts.

    Args:
        path: of the index.
        index: what it holds.

    Raises:
        FileNotFoundError: a shard is missing.
        ValueError: an index that is none or that leads out of its folder, a shard that is damaged
            or of another save, an array that is not where the index says.
    """
    places, mark = _checked(path, index)
    stores: dict[str, weights.Store] = {}
    with contextlib.ExitStack() as files:
        shards: dict[str, weights.WeightsFile] = {}
        for name in sorted({name for names in places.values() for name in names}):
            shard = path.with_name(name)
            if not shard.is_file():
                raise FileNotFoundError(
                    f"{str(path)!r} needs the file {name!r} in the same folder, which is not "
                    "there; copy all files of the save"
                )
            limits.inside(path.resolve().parent, shard)
            source = files.enter_context(shard.open("rb"))
            file = files.enter_context(weights.WeightsFile(source, str(shard)))
            if file.strings("", _MARK) != (None if mark is None else [mark]):
                raise ValueError(
                    f"{str(shard)!r} and {str(path)!r} are of different saves: a save was "
                    "interrupted, or files were mixed. Save the weights again"
                )
            shards[name] = file
        for place, names in places.items():
            arrays: dict[str, h5py.Dataset] = {}
            for name in names:
                found = shards[name].stores.get(place)
                if found is None or arrays.keys() & found.datasets.keys():
                    raise ValueError(
                        f"{str(path)!r} is damaged: it says that the weights of {place!r} are in "
                        f"{', '.join(names)}, but {name} has "
                        + ("none" if found is None else "some of them once more")
                    )
                arrays.update(found.datasets)
            stores[place] = weights.Store(arrays, str(path))
        names_of = {place: name for file in shards.values() for place, name in file.names.items()}
        yield Shards(str(path), stores, names_of, sum(file.stored for file in shards.values()))


def _checked(path: Path, index: Any) -> tuple[dict[str, list[str]], str | None]:
    """Path of an object -> the names of its shards; and the mark of the save."""
    places = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(places, dict):
        raise ValueError(f"{str(path)!r} is no index of weights: it has no weight_map")
    checked = {}
    for place, names in places.items():
        names = names if isinstance(names, list) else [names]
        for name in names:
            if not checks.is_file_name(name):
                raise ValueError(
                    f"{str(path)!r}: the weights of {place!r} are said to be in {name!r}, expected "
                    "the name of a file in the same folder; nothing is loaded"
                )
        checked[place.strip("/").removesuffix("vars").rstrip("/")] = names
    metadata = index.get("metadata")
    mark = metadata.get(_MARK) if isinstance(metadata, dict) else None
    return checked, mark
