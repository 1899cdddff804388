"""Kernels of models that were trained with Theano, or with the channels in another place."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from tricorn.layers import Layer
from tricorn.layers.state import flatten
from tricorn.saving.conversions import FLIPPED, convert_kernel


def convert_all_kernels_in_model(model: Any) -> None:
    """Turn the kernels of all convolutions in a model from Theano's into everyone else's, or back.

    Files of Keras 2 say whether they hold Theano's kernels, and loading them converts: this is for
    weights that came in another way.  Files of Keras 1 do not say so, but the names in them show
    it; where `load_weights` has gone by that, the next call of this function warns and leaves the
    kernels as they are, so that scripts which convert by themselves stay right.

    Args:
        model: a built model; layers of models inside count too.

    Source: ``keras.utils.convert_all_kernels_in_model`` of Keras 2.

    Example:
        >>> keras.utils.convert_all_kernels_in_model(model)  # with weights that Theano trained
    """
    source, model._kernels_converted_from = getattr(model, "_kernels_converted_from", None), None
    if source is not None:
        warnings.warn(
            f"convert_all_kernels_in_model: the kernels of {model.name!r} are left as they are, "
            f"because load_weights recognised Theano's kernels in {source} and converted them. "
            "Call again to turn them back",
            stacklevel=2,
        )
        return
    for layer in flatten(model):
        if isinstance(layer, FLIPPED):
            layer.kernel.assign(convert_kernel(layer.kernel.numpy()))  # type: ignore[attr-defined]


def convert_dense_weights_data_format(
    dense: Layer, previous_feature_map_shape: Any, target_data_format: str = "channels_first"
) -> None:
    """Reorder the kernel of a Dense layer behind a Flatten, when the place of the channels changes
    in the convolutions before.

    Args:
        dense: a built Dense layer.
        previous_feature_map_shape: shape of one sample before the Flatten, in the target format:
            (channels, height, width) or (height, width, channels).
        target_data_format: "channels_first": the weights were trained with "channels_last"; or
            the other way round.

    Raises:
        ValueError: for another format, or a shape that does not give the kernel's rows.

    Source: ``keras.utils.layer_utils.convert_dense_weights_data_format`` of Keras 2.

    Example:
        >>> model = keras.Sequential(
        ...     [keras.Input((4, 4, 3)), keras.layers.Flatten(), keras.layers.Dense(2)]
        ... )
        >>> dense = model.layers[-1]
        >>> keras.utils.convert_dense_weights_data_format(dense, (4, 4, 3), "channels_last")
    """
    if target_data_format not in ("channels_first", "channels_last"):
        raise ValueError(
            "convert_dense_weights_data_format: target_data_format is 'channels_first' or "
            f"'channels_last', got {target_data_format!r}"
        )
    shape = tuple(previous_feature_map_shape)
    kernel: Any = dense.kernel  # type: ignore[attr-defined]
    rows, units = kernel.shape
    if int(np.prod(shape)) != rows:
        raise ValueError(
            f"convert_dense_weights_data_format: the layer {dense.name!r} has {rows} inputs, "
            f"previous_feature_map_shape {shape} gives {int(np.prod(shape))}"
        )
    if target_data_format == "channels_first":
        trained, move = (*shape[1:], shape[0]), (-2, 0)
    else:
        trained, move = (shape[-1], *shape[:-1]), (0, -2)
    reordered = np.moveaxis(kernel.numpy().reshape(*trained, units), *move)
    kernel.assign(reordered.reshape(rows, units))
