"""Models from one layout of files to another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tricorn.layers.state import flatten
from tricorn.saving import keras_file

_WEIGHTS = (".weights.h5", ".safetensors")
_MODELS = (".keras", ".h5", ".hdf5")


def convert(source: Path, target: Path, overwrite: bool = False, inexact: bool = False) -> None:
    """Write the model in a file to a file of another layout.

    Args:
        source: the file of a model, of any version of Keras.
        target: the new one; its ending says the layout.
        overwrite: replace it where it exists.
        inexact: also where Keras would compute something else with it than the original did.

    Raises:
        ValueError: another ending; a file of weights alone; what the new layout cannot say: the
            error names the layers.
        FileExistsError: there is a file already.
    """
    if not target.name.endswith((*_WEIGHTS, *_MODELS)):
        raise ValueError(
            f"the name of the new file ends in {', '.join((*_MODELS, *_WEIGHTS))}, got "
            f"{str(target)!r}"
        )
    if target.exists() and not overwrite:
        raise FileExistsError(f"{str(target)!r} exists; pass --overwrite to replace it")
    model = keras_file.load_model(source)
    if target.suffix == ".keras" and not inexact and (reasons := differences(model)):
        raise ValueError(
            f"{str(source)!r} is not converted: Keras 3 would compute something else\n"
            + "\n".join(f"  {reason}" for reason in reasons)
            + "\nTricorn itself goes on exactly; --inexact writes the file"
        )
    if target.name.endswith(_WEIGHTS):
        model.save_weights(target)
    else:
        model.save(target)


def differences(model: Any) -> list[str]:
    """What Keras 3 would compute in another way, layer by layer."""
    return [f"{layer.name}: {why}" for layer in flatten(model) for why in _reasons(layer)]


def _reasons(layer: Any) -> list[str]:
    return []
