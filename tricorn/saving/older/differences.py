"""What Keras 3 computes in another way with a model of an older version."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tricorn import activations, layers
from tricorn.conventions import conventions_of
from tricorn.graph.symbolic import mask_of
from tricorn.layers import legacy, merging
from tricorn.layers.state import flatten
from tricorn.optimizers.legacy import LegacyOptimizer


def differences(model: Any, ahead: bool = False) -> list[str]:
    """What Keras 3 would compute otherwise, layer by layer.

    Args:
        ahead: see `LegacyOptimizer._tricorn_today`.
    """
    found = [f"the layer {one.name!r}: {why}" for one in flatten(model) for why in _of_layer(one)]
    optimizer = getattr(model, "optimizer", None)
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    kind, whys = type(optimizer).__name__, []
    if isinstance(optimizer, LegacyOptimizer):
        whys = optimizer._tricorn_today(ahead)[1]
    elif kind == "Nadam" and "nadam_product" in conventions_of(optimizer).differences():
        whys = ["its schedule goes on with each variable"]
    found += [f"the optimizer {kind}: {why}" for why in whys]
    own = conventions_of(model).differences()
    if getattr(model, "compiled", False) and own.get("loss_mean") and _masks(model):
        found.append("the loss: its mean counts masked entries in another way")
    return found


def _masks(model: Any) -> bool:
    return any(
        isinstance(layer, layers.Masking) or getattr(layer, "mask_zero", False)
        for layer in flatten(model)
    )


def _of_layer(layer: Any) -> Iterator[str]:
    own = conventions_of(layer).differences()
    kind = type(layer).__name__
    if type(layer).__module__ == legacy.__name__:
        yield f"Keras 3 has no {kind}"
    for name in ("activation", "recurrent_activation"):
        if getattr(layer, name, None) is activations.legacy_hard_sigmoid:
            yield f"its {name} is the hard sigmoid of Keras 2"
    if isinstance(layer, layers.BatchNormalization):
        if "moving_variance" in own and (own["moving_variance"] != "fused" or _of_images(layer)):
            yield "in training it averages another variance"
        if "frozen_statistics" in own and not layer.trainable:
            yield "in training it uses the batch's statistics, though it is not trainable"
    if "bilinear" in own and getattr(layer, "interpolation", "") == "bilinear":
        yield "its bilinear interpolation has pixels at the corners of squares"
    if "same_padding" in own and getattr(layer, "padding", "") == "same":
        yield 'its padding "same" is Theano\'s'
    if isinstance(layer, layers.Bidirectional) and layer.return_sequences and "masked_steps" in own:
        yield "at masked steps it repeats the output before"
    if "activity_penalty" in own and getattr(layer, "activity_regularizer", None) is not None:
        yield "the penalty on its outputs is a sum over the batch"
    if "merged_masks" in own and merges_masks(layer):
        yield "it masks the result where one of its inputs is masked"


def _of_images(layer: Any) -> bool:
    """Whether TensorFlow's fused kernel did it."""
    return layer.built and layer.input_spec.ndim == 4 and layer.axis % 4 in (1, 3)


def merges_masks(layer: Any) -> bool:
    """Whether a layer merges inputs with masks."""
    return isinstance(layer, merging.MERGES) and any(
        mask_of(x) is not None for node in layer._tricorn.nodes for x in node.inputs
    )
