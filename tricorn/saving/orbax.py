"""Checkpoints of Orbax, as `callbacks.OrbaxCheckpoint` and Keras's write them.

A checkpoint is a folder with one part for the state, a tree of arrays by the parts of the
Variables' paths (``get_state_tree``), and, unless only weights were saved, parts for the model's
config and for the files of its layers.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tricorn import checks, tree
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
        self.path, self.name = path, str(path)

    def _load(self, part: str) -> Any:
        """A part; None: the checkpoint does not have it."""
        if not (self.path / part).is_dir():
            return None
        orbax = checks.optional("orbax.checkpoint", self.name, "orbax-checkpoint", "orbax")
        with warnings.catch_warnings():
            # it is read to where it was written: all arrays go to the host
            warnings.filterwarnings("ignore", message="Sharding info not provided")
            try:
                return orbax.v1.load_checkpointables(self.path.absolute(), {part: None})[part]
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
        found = self._load("pytree")
        if not isinstance(found, dict) or not all(isinstance(v, dict) for v in found.values()):
            raise ValueError(f"{self.name} has no state of a model")
        yield State(self.name, found)

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


class State:
    """The arrays of a checkpoint.

    Attributes:
        weights, optimizer, metrics: path -> array.
    """

    def __init__(self, name: str, groups: dict[str, dict]) -> None:
        self.name = name
        flat = {
            group: {"/".join(keys): np.asarray(value) for keys, value in tree.paths(values)}
            for group, values in groups.items()
        }
        self.weights = {path: a for group in _WEIGHTS for path, a in flat.get(group, {}).items()}
        self.optimizer = flat.get("optimizer_variables", {})
        self.metrics = flat.get("metrics_variables", {})

    @property
    def nbytes(self) -> int:
        """The memory that all arrays take."""
        return sum(a.nbytes for a in (*self.weights.values(), *self.optimizer.values()))

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
        plan: list[tuple[Any, np.ndarray]] = []
        misfits: list[weights.Misfit] = []
        for variable in own:
            if id(variable) in left_out:
                continue
            place = places.get(variable.path)
            if place is None:
                message = f"{variable.path!r} {variable.shape} is missing"
            elif self.weights[place].shape != variable.shape:
                found = self.weights[place].shape
                message = f"{variable.path!r} has shape {variable.shape}, the file has {found}"
            else:
                plan.append((variable, self.weights[place]))
                continue
            misfits.append(weights.Misfit(variable.path, message))
        for path in sorted(self.weights.keys() - set(places.values()) - set(seeds)):
            message = f"{path} {self.weights[path].shape}: the model has nothing at this path"
            misfits.append(weights.Misfit(path, message))
        if misfits:
            differences = weights.report(self.name, misfits)
            if not skip_mismatch:
                raise ValueError(differences)
            warnings.warn(differences, stacklevel=3)
        if len(seeds) == len(own_seeds) and all(self.weights[p].shape == (2,) for p in seeds):
            # Keras's random state is uint32 on some engines, the same bits
            words = (self.weights[path].astype("uint32").view("int32") for path in seeds)
            plan += zip(own_seeds, words)
        plan += self._optimizer_plan(getattr(model, "optimizer", None), places)
        metrics = model.metrics_variables
        plan += [(v, self.metrics[v.path]) for v in metrics if _fits(v, self.metrics)]
        for variable, value in plan:
            variable.assign(value)

    def _optimizer_plan(self, optimizer: Any, places: dict[str, str]) -> list[tuple[Any, Any]]:
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
            if path not in self.optimizer or self.optimizer[path].shape != variable.shape:
                warnings.warn(
                    f"{self.name}: the optimizer's state is not loaded, it starts anew: "
                    f"{variable.path!r} {variable.shape} is not in the file",
                    stacklevel=4,
                )
                return []
            plan.append((variable, self.optimizer[path]))
        return plan


def _fits(variable: Any, arrays: dict[str, np.ndarray]) -> bool:
    return variable.path in arrays and arrays[variable.path].shape == variable.shape


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
