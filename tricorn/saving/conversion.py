"""Models from one layout of files to another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tricorn import optimizers
from tricorn.optimizers.legacy import LegacyOptimizer
from tricorn.saving import keras_file
from tricorn.saving.older.differences import differences

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
    if target.suffix == ".keras" and not inexact:
        if reasons := differences(model, ahead=True):
            raise ValueError(
                f"{str(source)!r} is not converted: Keras 3 would compute something else\n"
                + "\n".join(f"  {reason}" for reason in reasons)
                + "\nTricorn itself goes on exactly; --inexact writes the file"
            )
        if isinstance(model.optimizer, LegacyOptimizer):
            _replace(model)
    if target.name.endswith(_WEIGHTS):
        model.save_weights(target)
    else:
        model.save(target)


def _replace(model: Any) -> None:
    """Give the model today's optimizer, with the state of its own."""
    old = model.optimizer
    new = getattr(optimizers, type(old).__name__).from_config(old._tricorn_today(ahead=True)[0])
    new.build(list(old._tricorn.slots))
    for variable, slots in old._tricorn.slots.items():
        for key, slot in slots.items():
            new._tricorn.slots[variable][key].assign(slot)
    new._iterations.assign(old._iterations + int(old._tricorn_counts_after()))
    model.optimizer = new
