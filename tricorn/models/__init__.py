"""Models: graphs and stacks of layers, and models written as classes."""

import importlib
from typing import TYPE_CHECKING, Any

from tricorn.models.cloning import clone_model
from tricorn.models.functional import Functional
from tricorn.models.model import Model
from tricorn.models.sequential import Sequential

_FILES = ("load_model", "model_from_json", "save_model")

__all__ = [
    "Functional", "Model", "Sequential", "clone_model", "load_model", "model_from_json",
    "save_model",
]  # fmt: skip

__dir__ = lambda: list(__all__)

if TYPE_CHECKING:
    from tricorn.saving.keras_file import load_model, model_from_json, save_model
else:

    def __getattr__(name: str) -> Any:
        if name in _FILES:
            return getattr(importlib.import_module("tricorn.saving.keras_file"), name)
        raise AttributeError(f"tricorn.models has no {name!r}")
