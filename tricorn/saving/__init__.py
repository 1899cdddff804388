"""Files: models, weights and the names that they may use.

`registry` stands below the layers and is here at once; what reads and writes files is loaded when
it is first used.
"""

from typing import TYPE_CHECKING

from tricorn import late
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
    __getattr__ = late.finder(
        __name__,
        {
            "saving.checkpoint": "Checkpoint CheckpointManager latest_checkpoint",
            "saving.file_editor": "KerasFileEditor",
            "saving.keras_file": "load_model load_weights model_from_json save_model save_weights",
        },
    )
