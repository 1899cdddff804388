"""Models: graphs and stacks of layers, and models written as classes."""

from typing import TYPE_CHECKING

from tricorn import late
from tricorn.models.cloning import clone_model
from tricorn.models.functional import Functional
from tricorn.models.model import Model
from tricorn.models.sequential import Sequential

__all__ = [
    "Functional", "Model", "Sequential", "clone_model", "load_model", "model_from_json",
    "save_model",
]  # fmt: skip

__dir__ = lambda: list(__all__)

if TYPE_CHECKING:
    from tricorn.saving.keras_file import load_model, model_from_json, save_model
else:
    __getattr__ = late.finder(
        __name__, {"saving.keras_file": "load_model model_from_json save_model"}
    )
