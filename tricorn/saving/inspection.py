"""What is in a file of a model, told without making the model."""

from __future__ import annotations

import dataclasses
import json
import math
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tricorn import limits, naming
from tricorn.saving import hdf5, keras_file, orbax, safetensors, weights
from tricorn.saving.older import models
from tricorn.saving.older.configs import Translation
from tricorn.serialization import names, registry

#: the packages of what needs no help
_ROOTS = ("keras", "tf_keras", "builtins", "tricorn")

Shapes = dict[str, tuple[int, ...]]


@dataclasses.dataclass
class Layer:
    """A layer as a file has it.

    Attributes:
        name, kind: its name and its class.
        depth: inside of how many models it is.
        weights: name -> shape.
    """

    name: str
    kind: str
    depth: int
    weights: Shapes


@dataclasses.dataclass
class Report:
    """What is in a file.

    Attributes:
        layout: what kind of file it is.
        writer: what wrote it.
        facts: title -> text about the model and how it is compiled.
        layers: in the file's order.
        changes: what is translated when it is loaded.
        dangers: what does not load without help or is not to be trusted.
    """

    layout: str
    writer: str = "not said"
    facts: dict[str, str] = dataclasses.field(default_factory=dict)
    layers: list[Layer] = dataclasses.field(default_factory=list)
    changes: list[str] = dataclasses.field(default_factory=list)
    dangers: list[str] = dataclasses.field(default_factory=list)

    @property
    def parameters(self) -> int:
        """How many numbers the weights are."""
        return sum(math.prod(shape) for layer in self.layers for shape in layer.weights.values())


def report(path: Path) -> Report:
    """What is in a file, or a folder, of a model or of weights.

    Raises:
        FileNotFoundError: there is nothing at the path.
        ValueError: it is no such file, is damaged, or would be refused when it is loaded.
    """
    if not path.exists():
        raise FileNotFoundError(f"there is no file {str(path)!r}")
    try:
        return _report(path)
    except ValueError as error:
        if str(path) in str(error):
            raise
        raise ValueError(f"{path}: {error}") from error


def _report(path: Path) -> Report:
    if path.is_dir() or path.suffix == ".keras" or zipfile.is_zipfile(path):
        return _archive(path)
    if path.suffix == ".safetensors":
        return _plain("weights in safetensors", safetensors.File(path).stores)
    if path.suffix == ".json":
        found = Report("an architecture in JSON")
        _describe(found, limits.parse(limits.read_text(path), str(path)), {})
        return found
    with path.open("rb") as source, weights.WeightsFile(source, str(path)) as file:
        layout = hdf5.layout(file)
        return _plain("weights of Keras 3", file.stores) if layout is None else _older(file, layout)


def _plain(layout: str, stores: Any) -> Report:
    found = Report(layout)
    for path, store in stores.items():
        if path.partition("/")[0] != "optimizer" and "seed_generator" not in path:
            found.layers.append(Layer(path or "the model", "", 0, _shapes(store)))
    return found


def _shapes(store: weights.Store) -> Shapes:
    return {key: store.shape(key) for key in store}


# -------------------------------------------------------------------------------------- the formats


def _archive(path: Path) -> Report:
    config, metadata = keras_file.read_texts(path)
    found = Report("a model of Keras 3")
    version = str(metadata.get("keras_version", "of no version that is said"))
    found.writer = f"tf.keras {version}" if version.startswith("2.") else f"Keras {version}"
    if "tricorn_version" in metadata:
        found.writer = f"Tricorn {metadata['tricorn_version']}, in the layout of {found.writer}"
    found.facts["saved"] = str(metadata.get("date_saved", "not said"))
    with keras_file.opened_weights(path) as file:
        shapes = {} if isinstance(file, orbax.State) else _of_paths(file.stores)
    _describe(found, config, shapes)
    return found


def _of_paths(stores: Any) -> dict[str, Shapes]:
    """Path of a layer -> the shapes of all arrays in it, by their paths from there."""
    found: dict[str, Shapes] = {}
    for path, store in stores.items():
        parts = [] if "seed_generator" in path else path.split("/")
        for count in range(1, len(parts) + 1):
            held = found.setdefault("/".join(parts[:count]), {})
            inner = "/".join(parts[count:])
            held.update((weights.join(inner, key), shape) for key, shape in _shapes(store).items())
    return found


def _older(file: weights.WeightsFile, layout: hdf5.Layout) -> Report:
    config, compiled = (
        None if text is None else limits.parse(text, f"{file.name}: {key}")
        for key in ("model_config", "training_config")
        for text in [hdf5.said(file, key)]
    )
    origin = models.origin_in(file, config)
    found = Report("weights of Keras 2" if config is None else "a model of Keras 2")
    found.writer = origin.title.replace(
        "{}.{}".format(*origin.version), hdf5.said(file, "keras_version") or "1"
    )
    if layout.origin.flipped:
        found.changes.append("convolution kernels are turned around, as Theano's were")
    shapes = {
        stored.name: _shapes(stored.store)
        for stored in (*layout.layers, *([layout.own] if layout.own else ()))
    }
    if config is None:
        found.layers = [Layer(name, "", 0, held) for name, held in shapes.items()]
        return found
    _describe(found, config, shapes, by_name=True)
    translation = Translation(origin)
    _translated(found, config, translation)
    if isinstance(compiled, dict):
        optimizer = models.translated(
            translation.optimizer, compiled.get("optimizer_config"), "the training_config"
        )
        found.facts.update(_compiled({**compiled, "optimizer": optimizer}))
    found.changes += [f"ignored: {name}" for name in translation.ignored]
    told = origin.conventions.differences()
    found.changes += [f"as then: {key.replace('_', ' ')} {value}" for key, value in told.items()]
    return found


def _translated(found: Report, config: Any, translation: Translation) -> None:
    """What the layers of an older config are called now."""
    registry.check_tree(config)
    entry = models.translated(translation.entry, config, "the config")
    before = [(layer.name, layer.kind) for layer in found.layers]
    for layer, (name, kind) in zip(_layers(entry, "", 0, {}, True), before):
        if layer.kind.rpartition(">")[2] != kind.rpartition(">")[2]:
            found.changes.append(f"{name}: {kind} is {layer.kind} now")


# --------------------------------------------------------------------------------------- the config


def _describe(found: Report, config: Any, shapes: dict[str, Shapes], by_name: bool = False) -> None:
    if not isinstance(config, dict) or "class_name" not in config:
        raise ValueError("the file's config does not describe a model")
    registry.check_tree(config)
    inner = config.get("config")
    name = inner.get("name", "") if isinstance(inner, dict) else ""
    title = f"{config['class_name']} {name!r}" if name else str(config["class_name"])
    found.facts = {"model": title, **found.facts}
    found.layers = list(_layers(config, "", 0, shapes, by_name))
    if isinstance(config.get("compile_config"), dict):
        found.facts.update(_compiled(config["compile_config"]))
    for danger in dict.fromkeys(_dangers(config, "")):
        found.dangers.append(danger)


def _entries(config: Any) -> list[Any]:
    """The layers in a model's config; Keras 1 wrote a list."""
    inner = config.get("config")
    entries = inner.get("layers", ()) if isinstance(inner, dict) else inner
    return [e for e in entries if isinstance(e, dict)] if isinstance(entries, list) else []


def _layers(
    config: Any, path: str, depth: int, shapes: dict[str, Shapes], by_name: bool
) -> Iterator[Layer]:
    counts: Counter[str] = Counter()
    for entry in _entries(config):
        kind, inner = str(entry.get("class_name")), entry.get("config")
        name = str(inner.get("name", kind) if isinstance(inner, dict) else kind)
        place = naming.snake_case(kind)
        count = counts[place]
        counts[place] += 1
        own = weights.join(path, f"layers/{place}_{count}" if count else f"layers/{place}")
        deeper = bool(_entries(entry))
        held = {}
        if not (depth if by_name else deeper):
            held = shapes.get(name if by_name else own, {})
        yield Layer(name, kind, depth, held)
        if deeper:
            yield from _layers(entry, own, depth + 1, shapes, by_name)


def _compiled(config: dict[str, Any]) -> dict[str, str]:
    """How it is compiled, in words."""
    registry.check_tree(config)
    found = {}
    optimizer = config.get("optimizer")
    if isinstance(optimizer, dict):
        settings = optimizer.get("config")
        given = settings.items() if isinstance(settings, dict) else ()
        told = (f"{key}={value}" for key, value in given if isinstance(value, (int, float)))
        found["optimizer"] = f"{optimizer.get('class_name')}({', '.join(told)})"
    elif optimizer:
        found["optimizer"] = str(optimizer)
    for key in ("loss", "metrics"):
        if config.get(key):
            found[key] = _named(config[key])
    return found


def _named(value: Any) -> str:
    if isinstance(value, dict) and "class_name" in value:
        inner = value.get("config")
        return str(inner if isinstance(inner, str) else value["class_name"])
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_named(item)}" for key, item in value.items())
    if isinstance(value, list):
        return ", ".join(map(_named, value))
    return str(value)


def _dangers(value: Any, where: str) -> Iterator[str]:
    """What a config asks for that is not loaded without help."""
    if isinstance(value, list):
        for item in value:
            yield from _dangers(item, where)
    if not isinstance(value, dict):
        return
    kind, config = value.get("class_name"), value.get("config")
    if isinstance(kind, str) and "config" in value:
        where = config.get("name", where) if isinstance(config, dict) else where
        where = str(value.get("name", where))
        if kind == "__lambda__" or (isinstance(config, dict) and _is_bytecode(config)):
            yield f"{where}: Python bytecode; it is refused unless safe_mode=False"
        registered, module = value.get("registered_name"), value.get("module")
        foreign = registered if module is None else str(module).split(".")[0] not in _ROOTS
        if foreign and names.get_registered_object(str(registered or kind)) is None:
            yield f"{where}: {kind} is no class of the library; pass it in custom_objects"
    for item in value.values():
        yield from _dangers(item, where)


def _is_bytecode(config: dict[str, Any]) -> bool:
    return any(
        config.get(f"{key}_type") == "lambda" for key in ("function", "output_shape", "mask")
    )


def as_json(found: Report) -> str:
    """A report as JSON."""
    return json.dumps({**dataclasses.asdict(found), "parameters": found.parameters}, indent=2)
