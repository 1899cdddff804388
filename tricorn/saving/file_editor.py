"""Weights files looked into, compared with models, and changed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from rich.console import Console
from rich.markup import escape

from tricorn import atomic, limits, naming
from tricorn.saving import keras_file, orbax, weights
from tricorn.seeds import SeedGenerator

_ERROR = "color(160)"


class KerasFileEditor:
    """The weights of a file as a tree that can be changed and written again.

    Arguments:
        filepath: path of a ``.keras``, ``.weights.h5`` or ``.weights.json`` file.

    Attributes:
        weights_dict: the tree: name of an object (a layer, a list of layers, the optimizer) -> dict
            of the objects below it and of its arrays, "0", "1", ...
        metadata, config: dicts, what a ``.keras`` file says of itself; else None.
        object_metadata: path of an object, with "/" in front -> {"name": its name}.

    Raises:
        ValueError: another ending, or a damaged or hostile file.
        FileNotFoundError: there is no such file.

    Example:
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
        >>> model.save_weights("old.weights.h5")
        >>> editor = keras.saving.KerasFileEditor("old.weights.h5")
        Keras model file 'old.weights.h5'
        >>> editor.rename_object("layers/dense", new_name="first")
        >>> editor.save("new.weights.h5")
    """

    def __init__(self, filepath: str | os.PathLike[str]) -> None:
        self.filepath = os.fspath(filepath)
        self.console = Console(highlight=False)
        self.model = None
        self.config: dict[str, Any] | None = None
        self.metadata: dict[str, Any] | None = None
        self.weights_dict: dict[str, Any] = {}
        if not self.filepath.endswith((".keras", ".weights.h5", ".weights.json")):
            raise ValueError(
                "the name of a file to edit ends in .keras, .weights.h5 or .weights.json, got "
                f"{self.filepath!r}"
            )
        if self.filepath.endswith(".keras"):
            self.config, self.metadata = keras_file.read_texts(self.filepath)
        with keras_file.opened_weights(Path(self.filepath)) as file:
            if isinstance(file, orbax.State):
                raise ValueError(f"{self.filepath!r} is a folder of checkpoints, expected a file")
            with limits.budget(limits.allowed(file.stored)):
                for path, store in file.stores.items():
                    branch = _below(self.weights_dict, path)
                    if branch is None or branch.keys() & store.keys():
                        raise ValueError(
                            f"{self.filepath!r}: {path!r} is an array and a group at once"
                        )
                    branch.update(store)
            self.object_metadata = {f"/{p}": {"name": name} for p, name in file.names.items()}
        self.console.print(f"Keras model file {self.filepath!r}", markup=False)
        if self.metadata is not None:
            version, date = self.metadata.get("keras_version"), self.metadata.get("date_saved")
            text = naming.printable(f"Saved with Keras {version} - date: {date}")
            self.console.print(text, markup=False)

    # ------------------------------------------------------------------------------------ looking

    def summary(self) -> None:
        """Print the tree: names, shapes and dtypes."""
        self.console.print("Weights structure")
        for line in self._lines(self.weights_dict, "", ""):
            self.console.print(f"  {naming.printable(line)}", markup=False)

    def compare(self, reference_model: Any) -> dict[str, Any]:
        """Compare the weights with those of a model, and print what differs.

        Random state, which the files of Keras do not have, is not compared.

        Args:
            reference_model: a built model.

        Returns:
            ``{"status": "success" or "error", "error_count": int, "match_count": int}``: how many
            objects and arrays are missing on one side or have another shape, and how many arrays
            fit.
        """
        self.console.print("Running comparison")
        wanted: dict[str, Any] = {}
        seeds = {
            path
            for path, obj in weights.saveables(reference_model)
            if isinstance(obj, SeedGenerator)
        }
        for path, _, arrays in weights.states(reference_model):
            branch = _below(wanted, path) if arrays and path not in seeds else None
            if branch is not None:
                branch.update(arrays)
        found = _without(self.weights_dict, seeds)
        differences, matches = _differences(found, wanted, "")
        for text in differences:
            self.console.print(f"[{_ERROR}]...[/]{naming.printable(text)}")
        self.console.print("─" * 21)
        if differences:
            count = f"{len(differences)} error{'s' if len(differences) > 1 else ''}"
            self.console.print(
                f"[{_ERROR}][bold]Found {count}:[/] "
                "saved file is not compatible with the reference model[/]"
            )
        else:
            self.console.print(
                "[color(28)][bold]Comparison successful:[/] "
                "saved file is compatible with the reference model[/]"
            )
            self.console.print(f"    Found {matches} matching weight{'s' if matches != 1 else ''}")
        return {
            "status": "error" if differences else "success",
            "error_count": len(differences),
            "match_count": matches,
        }

    # ----------------------------------------------------------------------------------- changing

    def rename_object(self, object_name: str, new_name: str) -> None:
        """Give an object, a layer say, another name; it stays where it is in the tree.

        Args:
            object_name: its name, if there is only one, or its path: ``"layers/dense_2"``.
            new_name: a name, not a path.

        Raises:
            ValueError: there is no such object, or several; the new name is none or is taken.
        """
        owner, name = self._find(object_name)
        _check_name(new_name, "new_name")
        if new_name == name:
            return
        branch = self._at(owner)
        if new_name in branch:
            raise ValueError(
                f"there is an object {new_name!r} beside {object_name!r} already; delete or rename "
                "it first"
            )
        branch[new_name] = branch.pop(name)
        old, new = "/" + weights.join(owner, name), "/" + weights.join(owner, new_name)
        self.object_metadata = {
            new + path.removeprefix(old) if f"{path}/".startswith(f"{old}/") else path: data
            for path, data in self.object_metadata.items()
        }

    def delete_object(self, object_name: str) -> None:
        """Take out an object and all below it.

        Args:
            object_name: its name, if there is only one, or its path.

        Raises:
            ValueError: there is no such object, or several.
        """
        owner, name = self._find(object_name)
        del self._at(owner)[name]

    def add_object(self, object_path: str, weights: dict[str, Any]) -> None:
        """Put in an object; one that is there already is replaced.

        Args:
            object_path: its path; what it lies in must be there.
            weights: its arrays by name, ``{"0": kernel, "1": bias}``; dicts are objects below it.

        Raises:
            ValueError: no such path, or something else than a dict of arrays.
        """
        owner, _, name = object_path.rpartition("/")
        _check_name(name, "object_path")
        arrays = _arrays(weights)
        if not isinstance(branch := self._at(owner), dict):
            raise ValueError(f"Path {owner!r} not found in the file: {self._hint()}")
        branch[name] = arrays

    def delete_weight(self, object_name: str, weight_name: str) -> None:
        """Take out an array of an object.

        Args:
            object_name: the object's name, if there is only one, or its path.
            weight_name: ``"0"``, say.

        Raises:
            ValueError: there is no such object or array.
        """
        branch = self._at(weights.join(*self._find(object_name)))
        if not isinstance(branch, dict) or weight_name not in branch:
            keys = list(branch) if isinstance(branch, dict) else []
            raise ValueError(
                f"Weight {weight_name} not found in object {object_name}. Weights found: {keys}"
            )
        del branch[weight_name]

    def add_weights(self, object_name: str, weights: dict[str, Any]) -> None:
        """Put arrays into an object; those that are there already are replaced.

        Args:
            object_name: the object's name, if there is only one, or its path.
            weights: the arrays by name, ``{"0": kernel, "1": bias}``.

        Raises:
            ValueError: there is no such object; something else than a dict of arrays.
        """
        arrays = _arrays(weights)
        owner, name = self._find(object_name)
        branch = self._at(owner)[name]
        if not isinstance(branch, dict):
            raise ValueError(f"{object_name!r} is an array, expected an object that holds arrays")
        branch.update(arrays)

    # ------------------------------------------------------------------------------------- saving

    def save(self, filepath: str | os.PathLike[str]) -> None:
        """Write the tree to a ``.weights.h5`` file, whole or not at all.

        Args:
            filepath: its path; what is there is replaced.

        Raises:
            ValueError: another ending.
        """
        path = Path(filepath)
        if not path.name.endswith(".weights.h5"):
            raise ValueError(
                "Invalid `filepath` argument: expected a `.weights.h5` extension, got "
                f"{os.fspath(filepath)!r}"
            )
        with atomic.writing(path) as file, h5py.File(file, "w") as h5:
            for place, branch in _objects(self.weights_dict, ""):
                arrays = {key: a for key, a in branch.items() if not isinstance(a, dict)}
                name = self.object_metadata.get(f"/{place}", {}).get("name")
                if arrays or name is not None:
                    group = weights.make_group(h5, place, name)
                    for key, array in arrays.items():
                        weights.write_array(group, key, array)

    def resave_weights(self, filepath: str | os.PathLike[str]) -> None:
        """The same as `save`."""
        self.save(filepath)

    # ------------------------------------------------------------------------------------ the tree

    def _at(self, path: str) -> Any:
        """What lies at a path; None: nothing."""
        found: Any = self.weights_dict
        for name in path.split("/") if path else ():
            found = found.get(name) if isinstance(found, dict) else None
        return found

    def _find(self, name: str) -> tuple[str, str]:
        """(path of what it lies in, name) of the object of a name or path."""
        if "/" in name:
            owner, _, last = name.rpartition("/")
            branch = self._at(owner)
            if not isinstance(branch, dict) or last not in branch:
                raise ValueError(f"Path {name!r} not found in the file: {self._hint()}")
            return owner, last
        owners = [path for path, branch in _objects(self.weights_dict, "") if name in branch]
        if len(owners) > 1:
            paths = ", ".join(repr(weights.join(path, name)) for path in owners)
            raise ValueError(f"Name {name!r} occurs more than once; give a path: {paths}")
        if not owners:
            raise ValueError(f"Source name {name!r} does not appear in the file: {self._hint()}")
        return owners[0], name

    def _lines(self, tree: dict[str, Any], path: str, before: str) -> Iterator[str]:
        for number, (key, value) in enumerate(tree.items(), 1):
            last = number == len(tree)
            label = f"{before}{'└─' if last else '├─'} {key}"
            if isinstance(value, dict):
                below = f"{path}/{key}"
                name = self.object_metadata.get(below, {}).get("name")
                yield label if name is None else f"{label} ({name!r})"
                yield from self._lines(value, below, before + ("    " if last else "│   "))
            else:
                yield f"{label}: shape={value.shape}, dtype={value.dtype}"

    def _hint(self) -> str:
        paths = [path for path, _ in _objects(self.weights_dict, "") if path]
        more = ", ..." if len(paths) > 20 else ""
        return f"it has {', '.join(map(repr, paths[:20]))}{more}"


def _below(tree: dict[str, Any], path: str) -> dict[str, Any] | None:
    """The dict of the object at `path`, made if need be; None where an array is in the way."""
    for name in path.split("/") if path else ():
        tree = tree.setdefault(name, {})
        if not isinstance(tree, dict):
            return None
    return tree


def _objects(tree: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """(path, dict) of every object."""
    yield path, tree
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from _objects(value, weights.join(path, name))


def _without(tree: dict[str, Any], paths: set[str], path: str = "") -> dict[str, Any]:
    """The tree without the objects at `paths`, and what is empty then."""
    left = {}
    for name, value in tree.items():
        below = weights.join(path, name)
        if isinstance(value, dict):
            value = {} if below in paths else _without(value, paths, below)
        if not isinstance(value, dict) or value:
            left[name] = value
    return left


def _differences(found: dict[str, Any], wanted: dict[str, Any], path: str) -> tuple[list[str], int]:
    """What differs, as texts, and how many arrays fit."""
    differences, matches = [], 0
    for name in sorted(found.keys() | wanted.keys()):
        below, here, there = f"{path}/{name}", found.get(name), wanted.get(name)
        title = f"[bold]{escape(below)}[/]"
        if isinstance(here, dict) and isinstance(there, dict):
            inner, count = _differences(here, there, below)
            differences += inner
            matches += count
        elif here is None or there is None:
            present, missing = "reference model", "saved file"
            if there is None:
                present, missing = missing, present
            thing = there if here is None else here
            kind = "Object" if isinstance(thing, dict) else "Weight"
            text = f"{kind} {title} present in {present}, missing from {missing}"
            if isinstance(thing, dict):
                keys = escape(str(list(thing)))
                text += f"\n    In {present}, it contains the following keys: {keys}"
            differences.append(text)
        elif isinstance(here, dict) or isinstance(there, dict):
            differences.append(f"{title} is a weight in one and an object in the other")
        elif here.shape != there.shape:
            differences.append(
                f"Weight shape mismatch for {title}\n"
                f"    In reference model: shape={there.shape}, in saved file: shape={here.shape}"
            )
        else:
            matches += 1
    return differences, matches


def _check_name(name: Any, argument: str) -> None:
    if not isinstance(name, str) or name in ("", ".", "vars") or "/" in name:
        raise ValueError(f"{argument} must be a name without '/', other than 'vars', got {name!r}")


def _arrays(given: Any) -> dict[str, Any]:
    """Arrays by name, checked."""
    if not isinstance(given, dict):
        raise ValueError(
            "Argument `weights` should be a dict of names ('0', '1', ...) and arrays, got "
            f"{type(given).__name__}"
        )
    arrays: dict[str, Any] = {}
    for name, value in given.items():
        _check_name(name, "the name of a weight")
        arrays[name] = _arrays(value) if isinstance(value, dict) else _array(name, value)
    return arrays


def _array(name: str, value: Any) -> np.ndarray:
    array = value.numpy() if hasattr(value, "numpy") else np.asarray(value)
    if array.dtype.kind not in "biufcV":
        raise ValueError(f"the weight {name!r} must be an array of numbers, got {value!r}")
    return array
