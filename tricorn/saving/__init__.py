"""Files: models, weights and the names that they may use.

`registry` stands below the layers and is here at once; what reads and writes files is loaded when
it is first used.
"""

import importlib
from typing import TYPE_CHECKING, Any

from tricorn.serialization.registry import (
    CustomObjectScope,
    custom_object_scope,
    deserialize_keras_object,
    get_custom_objects,
    get_registered_name,
    get_registered_object,
    register_keras_serializable,
    serialize_keras_object,
)

_FILES = ("load_model", "load_weights", "model_from_json", "save_model", "save_weights")
_CHECKPOINTS = ("Checkpoint", "CheckpointManager", "latest_checkpoint")

__all__ = [
    "Checkpoint", "CheckpointManager", "CustomObjectScope", "KerasFileEditor",
    "custom_object_scope", "deserialize_keras_object", "get_custom_objects", "get_registered_name",
    "get_registered_object", "latest_checkpoint", "load_model", "load_weights", "model_from_json",
    "register_keras_serializable", "save_model", "save_weights", "serialize_keras_object",
]  # fmt: skip

__dir__ = lambda: list(__all__)

if TYPE_CHECKING:
    from tricorn.saving.checkpoint import Checkpoint, CheckpointManager, latest_checkpoint
    from tricorn.saving.file_editor import KerasFileEditor
    from tricorn.saving.keras_file import (
        load_model,
        load_weights,
        model_from_json,
        save_model,
        save_weights,
    )  # fmt: skip
else:

    def __getattr__(name: str) -> Any:
        if name in _FILES:
            return getattr(importlib.import_module("tricorn.saving.keras_file"), name)
        if name in _CHECKPOINTS:
            return getattr(importlib.import_module("tricorn.saving.checkpoint"), name)
        if name == "KerasFileEditor":
            return importlib.import_module("tricorn.saving.file_editor").KerasFileEditor
        raise AttributeError(f"tricorn.saving has no {name!r}")
