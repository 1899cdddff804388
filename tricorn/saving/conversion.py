"""Models from one layout of files to another."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tricorn import activations, layers, optimizers
from tricorn.conventions import conventions_of
from tricorn.layers import legacy as legacy_layers
from tricorn.layers.state import flatten
from tricorn.optimizers import legacy, schedules
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
    """What Keras 3 would compute in another way, layer by layer; an optimizer of older versions is
    replaced by one of today's where that computes the same."""
    found = [
        f"the layer {layer.name!r}: {why}" for layer in flatten(model) for why in _reasons(layer)
    ]
    if isinstance(model.optimizer, legacy.LegacyOptimizer) and (why := _replace(model)):
        found.append(f"the optimizer {type(model.optimizer).__name__}: {why}")
    if "nadam_product" in conventions_of(model.optimizer).differences():
        found.append("the optimizer Nadam: its schedule goes on with each variable")
    own = conventions_of(model).differences()
    if model.compiled and own.get("loss_mean") and _masks(model):
        found.append("the loss: its mean counts masked entries in another way")
    return found


def _masks(model: Any) -> bool:
    return any(
        isinstance(layer, layers.Masking) or getattr(layer, "mask_zero", False)
        for layer in flatten(model)
    )


def _reasons(layer: Any) -> Iterator[str]:
    own = conventions_of(layer).differences()
    kind = type(layer).__name__
    if type(layer).__module__ == legacy_layers.__name__:
        yield f"Keras 3 has no {kind}"
    for name in ("activation", "recurrent_activation"):
        if getattr(layer, name, None) is activations.legacy_hard_sigmoid:
            yield f"its {name} is the hard sigmoid of Keras 2"
    if isinstance(layer, layers.BatchNormalization) and "moving_variance" in own:
        yield "in training it averages another variance"
    if "bilinear" in own and getattr(layer, "interpolation", "") == "bilinear":
        yield "its bilinear interpolation has pixels at the corners of squares"
    if "same_padding" in own and getattr(layer, "padding", "") == "same":
        yield 'its padding "same" is Theano\'s'
    if isinstance(layer, layers.Bidirectional) and layer.return_sequences and "masked_steps" in own:
        yield "at masked steps it repeats the output before"
    if "activity_penalty" in own and getattr(layer, "activity_regularizer", None) is not None:
        yield "the penalty on its outputs is a sum over the batch"


#: optimizers that compute the same today
_SAME = ("SGD", "Adam", "Adamax", "Adadelta", "Ftrl")


def _replace(model: Any) -> str | None:
    """Give the model today's optimizer, with the state of its own; or say what differs."""
    old = model.optimizer
    name, config = type(old).__name__, old.get_config()
    decay = config.pop("decay", 0.0)
    clips = [key for key in ("clipnorm", "global_clipnorm", "clipvalue") if config.get(key)]
    if name not in _SAME:
        return "it has another formula today"
    if len(clips) > 1:
        return f"it clips by {' and by '.join(clips)}"
    if conventions_of(old).differences().get("step_count") and (decay or name != "SGD"):
        return "it counts steps in another way"
    if decay:
        rate = config["learning_rate"]
        config["learning_rate"] = schedules.InverseTimeDecay(rate, 1, decay)
    new = getattr(optimizers, name).from_config(config)
    new.build(list(old._tricorn.slots))
    for variable, slots in old._tricorn.slots.items():
        for key, slot in slots.items():
            new._tricorn.slots[variable][key].assign(slot)
    new._iterations.assign(old._iterations)
    model.optimizer = new
    return None
