"""The models of Keras 2.3.1, and their files."""

from __future__ import annotations

import json
from typing import Any

import tricorn.models as core
from tricorn import limits, saving
from tricorn.classic.faces import FACES, Face, adopted
from tricorn.classic.layer import prepare
from tricorn.classic.layers import Input, InputLayer
from tricorn.classic.model import ModelMethods, SequentialMethods, save_model
from tricorn.classic.names import handed_on
from tricorn.classic.spellings import convert
from tricorn.classic.tools import has_arg, to_list
from tricorn.models.layer_graph import graph_of
from tricorn.saving.older import models as older
from tricorn.serialization import registry


class Model(ModelMethods, core.Model, metaclass=Face, captures=False):  # type: ignore[misc]
    """A model, from ``inputs`` and ``outputs`` (Keras 1: ``input``, ``output``) or subclassed; see
    `tricorn.models.Model`."""

    _tricorn_core = core.Model

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs = convert("Model", ("inputs", "outputs", "name"), kwargs)
        if len(args) < 3:
            prepare(self, kwargs)
        core.Model.__init__(self, *args, **kwargs)

    def serialized_as(self) -> tuple[str | None, str, str | None]:
        if type(self) is Model and graph_of(self) is not None:
            return registry.written_name(core.Functional)
        return super().serialized_as()


class Sequential(SequentialMethods, core.Sequential, metaclass=Face, captures=False):  # type: ignore[misc]
    """Layers one after the other; see `tricorn.models.Sequential`."""

    _tricorn_core = core.Sequential

    def __init__(self, layers: Any = None, name: str | None = None, **kwargs: Any) -> None:
        given = {"name": name, **kwargs}
        prepare(self, given)
        core.Sequential.__init__(self, layers, **given)


FACES.update({core.Functional: Model, core.Model: Model, core.Sequential: Sequential})


def load_model(
    filepath: Any, custom_objects: Any = None, compile: bool = True, **kwargs: Any
) -> Any:
    """The model in a file, of any version of Keras.

    Args:
        filepath: path of the file.
        custom_objects: name -> class or function that the file uses.
        compile: whether to compile as it was when it was saved.
        kwargs: ``safe_mode=False`` runs the Python code of lambdas in the file.
    """
    return adopted(saving.load_model(filepath, custom_objects, compile, **kwargs))


def model_from_config(config: Any, custom_objects: Any = None) -> Any:
    """The model that a config with its class's name describes, of any version of Keras."""
    if older.is_older(config):
        return adopted(older.from_config(config, custom_objects))
    return adopted(core.model_from_json(json.dumps(config), custom_objects))


def model_from_json(json_string: str, custom_objects: Any = None) -> Any:
    """The model that ``to_json`` described, of any version of Keras."""
    return model_from_config(limits.parse(json_string, "the text"), custom_objects)


def model_from_yaml(yaml_string: str, custom_objects: Any = None) -> Any:
    """The model that ``to_yaml`` described, of any version of Keras; what is no JSON needs the
    package PyYAML.

    Raises:
        ImportError: without that package.
        ValueError: for text that is not YAML, or would make Python objects.
    """
    limits.take_json("the text", yaml_string.encode())
    try:
        config = json.loads(yaml_string)
    except (ValueError, RecursionError):
        return adopted(older.from_yaml(yaml_string, custom_objects))
    return model_from_config(config, custom_objects)


def clone_model(model: Any, input_tensors: Any = None) -> Any:
    """A model of the same layers with weights of its own."""
    return adopted(core.clone_model(model, input_tensors))


__getattr__, __dir__ = handed_on(
    globals(),
    core,
    "Input InputLayer Model Sequential clone_model has_arg load_model model_from_config "
    "model_from_json model_from_yaml save_model to_list",
)
