"""What the next step of a training depends on: as data, and as a file that shows whether it is
whole.

A file is a zip archive without compression: the bytes of arrays as ``0``, ``1`` ..., and
``state.json``, which names them and has the small ones.  Zip keeps a checksum (CRC-32) of each
member, and its index stands at the end, so a damaged file or a part of one is told from a whole
one.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from tricorn import atomic, seeds, tree
from tricorn.data.dataset import Dataset
from tricorn.data.elements import NotData, in_text, of_text, plain, restored
from tricorn.engines import active
from tricorn.graph.turns import Use
from tricorn.variable import Variable

METRICS = "variables of the metrics"
#: bytes from which on an array is not compared
_LARGE = 2**20
#: bytes up to which they stand in ``state.json``
_SMALL = 2**8
#: of a layer's config: names differ from one building of a model to the next
_NAMES = ("name", "inbound_nodes", "build_config", "module", "registered_name")


# ----------------------------------------------------------------------------------------- as data


def encoded(value: Any, kept: list) -> Any:
    """Data as what JSON has forms for; see `plain`.  The bytes of arrays are added to `kept`, but
    for small ones.

    Raises:
        NotData: for what is no data.
    """

    def put(data: Any) -> int | str:
        small = len(data) if isinstance(data, bytes) else data.nbytes
        if small < _SMALL:
            return in_text(data)
        kept.append(data if isinstance(data, bytes) else data.tobytes())
        return len(kept) - 1

    return plain(value, put)


def is_data(value: Any) -> bool:
    """Whether `encoded` takes it."""
    try:
        plain(value, lambda _: None)
    except NotData:
        return False
    return True


def mark(value: Any) -> Any:
    """By what a value is compared with what it was: of a large array which object it is."""
    if isinstance(value, (list, tuple)):
        return [type(value), *map(mark, value)]
    if isinstance(value, dict):
        return [dict, *((k, mark(v)) for k, v in value.items())]
    if isinstance(value, np.ndarray):
        large = value.nbytes > _LARGE or value.dtype == object
        return id(value) if large else (value.shape, value.dtype.str, value.tobytes())
    return type(value), repr(value)


def write(path: Path, state: Any, kept: list[bytes]) -> None:
    """Write what `encoded` has given: the file is there whole or not at all."""
    with atomic.writing(path) as file, zipfile.ZipFile(file, "w") as archive:
        for number, data in enumerate(kept):
            archive.writestr(str(number), data)
        archive.writestr("state.json", json.dumps(state))


def read(path: Path) -> Any:
    """The state in a file.

    Raises:
        OSError, ValueError: when it cannot be read, or is damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if any(member.compress_type for member in archive.infolist()):
                raise ValueError("it is compressed, which no state is")
            get = lambda at: of_text(at) if isinstance(at, str) else archive.read(str(at))
            return restored(json.loads(archive.read("state.json")), get, Dataset._of_data)
    except (
        zipfile.BadZipFile, EOFError, KeyError, TypeError, RecursionError, StopIteration,
    ) as error:  # fmt: skip
        raise ValueError(f"{path} is damaged: {error}") from error


# ------------------------------------------------------------------------------ what belongs to it


def _layers(model: Any) -> list:
    return getattr(model, "_flatten_layers", lambda: model.layers)()


def _variables(model: Any) -> dict[str, list]:
    optimizer, metrics = model.optimizer, model.metrics
    return {
        "weights": list(model.variables),
        "states of layers": [
            state
            for layer in _layers(model)
            for name in sorted(layer._tricorn.tracker.ignored)
            for state in tree.leaves(getattr(layer, name))
            if isinstance(state, Variable)
        ],
        "variables of the optimizer": list(optimizer.variables) if optimizer else [],
        METRICS: [v for metric in metrics for v in metric.variables],
    }


def count(model: Any) -> int:
    """How many Variables the metrics have."""
    return len(_variables(model)[METRICS])


def values(model: Any) -> dict[str, list[np.ndarray]]:
    """The values of a model's Variables, of one moment."""
    groups = _variables(model)
    with Use(frozenset(v for group in groups.values() for v in group)):
        return {name: [v.numpy() for v in group] for name, group in groups.items()}


def assign(model: Any, saved: dict[str, list[np.ndarray]], metrics: bool = True) -> None:
    """Let a model's Variables hold `values`; all, or nothing.

    Args:
        metrics: also those of the metrics.

    Raises:
        ValueError: where they do not fit.
    """
    pairs: list = []
    for name, group in _variables(model).items():
        arrays = saved.get(name, [])
        if name == METRICS and not metrics:
            continue
        if len(arrays) != len(group):
            raise ValueError(f"it has {len(arrays)} {name}, the model has {len(group)}")
        for variable, array in zip(group, arrays):
            if tuple(variable.shape) != array.shape or variable.numpy().dtype != array.dtype:
                raise ValueError(
                    f"{variable.path!r} has the shape {tuple(variable.shape)} and the dtype "
                    f"{variable.dtype}, there {array.shape} and {array.dtype}"
                )
            pairs.append((variable, array))
    for variable, array in pairs:
        variable.assign(array)


def layers(model: Any) -> list[str]:
    """What a model is made of, names left out: class and digest of the config of each layer."""
    found = []
    for layer in _layers(model):
        try:
            config = _without_names(layer.get_config()) if layer is not model else {}
            text = json.dumps(config, sort_keys=True, default=lambda x: type(x).__name__)
        except Exception:  # a layer need not have a config
            text = ""
        digest = hashlib.sha256(text.encode()).hexdigest()[:16]
        found.append(f"{type(layer).__name__} {digest}")
    return found


def _without_names(config: Any) -> Any:
    if isinstance(config, dict):
        return {k: _without_names(v) for k, v in config.items() if k not in _NAMES}
    return [_without_names(v) for v in config] if isinstance(config, (list, tuple)) else config


def random_state() -> dict[str, Any]:
    """Of the library, NumPy, Python and the engine."""
    return {
        "library": seeds.state(),
        "numpy": np.random.get_state(),
        "python": random.getstate(),
        "engine": active().random_state(),
    }


def set_random_state(saved: dict[str, Any], host: bool = True) -> None:
    """Let draws go on from a `random_state`.

    Args:
        host: also those of NumPy and Python.
    """
    seeds.set_state(saved["library"])
    if host:
        np.random.set_state(saved["numpy"])
        random.setstate(saved["python"])
    active().set_random_state(saved["engine"])


def newest(folder: Path, pattern: str) -> list[Path]:
    """The files of a folder that match a pattern, the last by name first."""
    try:
        return sorted(folder.glob(pattern), reverse=True)
    except OSError:
        return []


def remove(*paths: Path) -> None:
    """Remove files; those that are not there, or cannot be removed, are left."""
    for path in paths:
        try:
            os.unlink(path)
        except OSError:
            pass
