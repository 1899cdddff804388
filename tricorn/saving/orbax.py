"""Checkpoints of Orbax, as `callbacks.OrbaxCheckpoint` and Keras's write them.

A checkpoint is a folder with one part for the state, a tree of arrays by the parts of the
Variables' paths (``get_state_tree``), and, unless only weights were saved, parts for the model's
config and for the files of its layers.
"""

from __future__ import annotations

import contextlib
import math
import os
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tricorn import checks, limits, tree
from tricorn.saving import weights

#: in the folder of each checkpoint
_MARK = "_CHECKPOINT_METADATA"
_WEIGHTS = ("trainable_variables", "non_trainable_variables")
_SEEDS = "seed_generator_state"


def newest(path: Path) -> Path | None:
    """The folder of the newest checkpoint in a folder of them, or a folder that is one; None:
    there is none."""
    if (path / _MARK).is_file():
        return path
    steps = [p for p in path.glob("[0-9]*") if p.name.isdigit() and (p / _MARK).is_file()]
    return max(steps, key=lambda step: int(step.name), default=None)


def state_of(model: Any, weights_only: bool) -> dict[str, Any]:
    """The tree of arrays that is saved, copies of the values; scalars are Python's."""
    state = model.get_state_tree(value_format="numpy_array")
    groups = {name: state[name] for name in _WEIGHTS} if weights_only else state
    return tree.map(lambda value: value if np.ndim(value) else value.item(), groups)


class Checkpoint:
    """The parts of one checkpoint.

    Args:
        path: its folder.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.name, self.stored = path, str(path), 0
        for file in path.rglob("*"):
            if file.is_symlink() or not file.is_dir():
                stored = limits.stored_size(limits.inside(path, file))
                if file.suffix == ".json" or file.name.startswith(("_", ".")):
                    limits.check_text(str(file), file.stat().st_size, stored)
                self.stored += stored

    def _load(self, part: str) -> Any:
        """A part; None: the checkpoint does not have it."""
        if not (self.path / part).is_dir():
            return None
        self._declared(part)
        with self._reading(part) as orbax, warnings.catch_warnings():
            # it is read to where it was written: all arrays go to the host
            warnings.filterwarnings("ignore", message="Sharding info not provided")
            return orbax.load_checkpointables(self.path.absolute(), {part: None})[part]

    def _declared(self, part: str) -> Any:
        """The tree of a part, with shapes and dtypes in the places of arrays.

        Raises:
            ValueError: they would take far more memory than is stored.
        """
        with self._reading(part) as orbax:
            found = orbax.checkpointables_metadata(self.path.absolute()).metadata[part]
            if not isinstance(found, dict):
                raise ValueError("its arrays cannot be described")
        with limits.budget(limits.allowed(self.stored)):
            limits.take(f"{self.name}: {part}", sum(map(_nbytes, tree.leaves(found))))
        return found

    @contextlib.contextmanager
    def _reading(self, part: str) -> Iterator[Any]:
        """What reads checkpoints; its errors name the part."""
        orbax = checks.optional("orbax.checkpoint", self.name, "orbax-checkpoint", "orbax")
        try:
            yield orbax.v1
        except Exception as error:  # of many kinds, by what is damaged
            raise ValueError(f"{self.name}: {part} is damaged: {error}") from error

    def read(self, member: str) -> bytes:
        """The config, the one text that there is."""
        config = self._load("model_config")
        if not isinstance(config, dict) or not isinstance(config.get("config"), str):
            raise ValueError(
                f"{self.name} has no {member}: it was saved with save_weights_only=True. Make the "
                "model, and use its load_weights"
            )
        return config["config"].encode()

    @contextlib.contextmanager
    def weights(self) -> Iterator[State]:
        found = self._declared("pytree") if (self.path / "pytree").is_dir() else None
        if not isinstance(found, dict) or not all(isinstance(v, dict) for v in found.values()):
            raise ValueError(f"{self.name} has no state of a model")
        yield State(self, found)

    @contextlib.contextmanager
    def assets(self) -> Iterator[Path | None]:
        files = self._load("assets")
        if not files:
            yield None
            return
        with tempfile.TemporaryDirectory() as folder:
            for names, content in tree.paths(files):
                if not all(map(checks.is_file_name, names)):
                    raise ValueError(f"{self.name}: the file {names!r} points outside its folder")
                path = Path(folder, *names)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(np.asarray(content, "uint8").tobytes())
            yield Path(folder)


def files_below(folder: str) -> dict[str, Any]:
    """The files in a folder as nested dicts of their bytes."""
    found: dict[str, Any] = {}
    for entry in os.scandir(folder):
        inner = files_below(entry.path) if entry.is_dir() else None
        if inner is None:
            found[entry.name] = np.frombuffer(Path(entry.path).read_bytes(), "uint8")
        elif inner:
            found[entry.name] = inner
    return found


def _nbytes(leaf: Any) -> int:
    """The memory that an array of a checkpoint takes, by its description."""
    return math.prod(np.shape(leaf)) * np.dtype(getattr(leaf, "dtype", "float64")).itemsize


def _flat(groups: dict[str, dict]) -> dict[str, dict[str, Any]]:
    """Group -> path -> array, or what describes one."""
    found = {g: {"/".join(keys): leaf for keys, leaf in tree.paths(v)} for g, v in groups.items()}
    return {**found, "weights": {p: leaf for g in _WEIGHTS for p, leaf in found.get(g, {}).items()}}


class State:
    """The arrays of a checkpoint, which are read when their shapes were compared.

    Attributes:
        weights, optimizer, metrics: path -> what describes an array.
        stored: bytes that the checkpoint really has.
    """

    def __init__(self, checkpoint: Checkpoint, groups: dict[str, dict]) -> None:
        self._checkpoint = checkpoint
        self.name, self.stored = checkpoint.name, checkpoint.stored
        flat = _flat(groups)
        self.weights = flat["weights"]
        self.optimizer = flat.get("optimizer_variables", {})
        self.metrics = flat.get("metrics_variables", {})

    @property
    def nbytes(self) -> int:
        """The memory that all arrays take."""
        return sum(map(_nbytes, (*self.weights.values(), *self.optimizer.values())))

    def read(self, model: Any, *, skip_mismatch: bool = False, skip: tuple = ()) -> None:
        """Assign the state to a model: all of it, or nothing.  See `weights.read`.

        The paths of a model that was made from a config may begin further in than those of one that
        was made by code; they fit all the same where that is clear.
        """
        left_out = {id(v) for obj in skip for v in getattr(obj, "variables", ())}
        seeds = sorted((p for p in self.weights if p.endswith(_SEEDS)), key=_natural)
        own_seeds = sorted((v for v in model.variables if v.path.endswith(_SEEDS)), key=_natural)
        own = [v for v in model.variables if not v.path.endswith(_SEEDS)]
        places = _matches([v.path for v in own], self.weights.keys() - set(seeds))
        plan: list[tuple[Any, str, str]] = []
        misfits: list[str] = []
        for variable in own:
            if id(variable) in left_out:
                continue
            place = places.get(variable.path)
            if place is None:
                message = f"{variable.path!r} {variable.shape} is missing"
            elif (found := np.shape(self.weights[place])) != variable.shape:
                message = f"{variable.path!r} has shape {variable.shape}, the file has {found}"
            else:
                plan.append((variable, "weights", place))
                continue
            misfits.append(message)
        for path in sorted(self.weights.keys() - set(places.values()) - set(seeds)):
            shape = np.shape(self.weights[path])
            misfits.append(f"{path} {shape}: the model has nothing at this path")
        weights.refuse(self.name, misfits, skip_mismatch)
        if len(seeds) == len(own_seeds) and all(np.shape(self.weights[p]) == (2,) for p in seeds):
            plan += ((variable, "weights", path) for variable, path in zip(own_seeds, seeds))
        plan += self._optimizer_plan(getattr(model, "optimizer", None), places)
        metrics = (v for v in model.metrics_variables if _fits(v, self.metrics))
        plan += ((v, "metrics_variables", v.path) for v in metrics)
        values = _flat(self._checkpoint._load("pytree"))
        for variable, group, path in plan:
            value = np.asarray(values[group][path])
            if variable.random:  # Keras's random state is uint32 on some engines, the same bits
                value = value.astype("uint32").view("int32")
            variable.assign(value)

    def _optimizer_plan(self, optimizer: Any, places: dict[str, str]) -> list[tuple[Any, str, str]]:
        """What is assigned to an optimizer: all of its state, or nothing."""
        if optimizer is None or not self.optimizer:
            return []
        # a slot is named by its variable's path, which may be another in the checkpoint
        names = {own.replace("/", "_"): saved.replace("/", "_") for own, saved in places.items()}
        plan = []
        for variable in optimizer.variables:
            path = variable.path
            if path not in self.optimizer:
                last = path.rpartition("/")[2]
                of = max((n for n in names if last.startswith(f"{n}_")), key=len, default="")
                last = names.get(of, "") + last.removeprefix(of)
                path = next((p for p in self.optimizer if p.rpartition("/")[2] == last), path)
            if not _fits(variable, self.optimizer, path):
                warnings.warn(
                    f"{self.name}: the optimizer's state is not loaded, it starts anew: "
                    f"{variable.path!r} {variable.shape} is not in the file",
                    stacklevel=4,
                )
                return []
            plan.append((variable, "optimizer_variables", path))
        return plan


def _fits(variable: Any, arrays: dict[str, Any], path: str | None = None) -> bool:
    """Whether there is an array of the variable's shape at its path, or another."""
    path = variable.path if path is None else path
    return path in arrays and np.shape(arrays[path]) == variable.shape


def _natural(thing: Any) -> tuple[int, str]:
    """The order in which names were counted: ``name_9`` before ``name_10``."""
    path = thing if isinstance(thing, str) else thing.path
    return len(path), path


def _matches(own: list[str], saved: set[str]) -> dict[str, str]:
    """Own path -> path in a checkpoint: the same one, or one that is the end of the other."""
    single = [path for path, count in Counter(own).items() if count == 1]
    found = {path: path for path in single if path in saved}
    rest = saved - found.keys()
    for path in single:
        if path not in found:
            ends = [p for p in rest if f"/{p}".endswith(f"/{path}") or f"/{path}".endswith(f"/{p}")]
            if len(ends) == 1:
                found[path] = ends[0]
    taken = list(found.values())
    return {path: place for path, place in found.items() if taken.count(place) == 1}
