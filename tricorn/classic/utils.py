"""The utilities of Keras 2.3.1."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

import tricorn.utils as core
from tricorn.classic.faces import Change, face
from tricorn.classic.names import handed_on
from tricorn.classic.spellings import convert
from tricorn.classic.tools import (
    conv_input_length,
    conv_output_length,
    deconv_length,
    deserialize_keras_object,
    func_dump,
    func_load,
    get_test_data,
    has_arg,
    is_all_none,
    keras_test,
    normalize_padding,
    normalize_tuple,
    object_list_uid,
    serialize_keras_object,
    slice_arrays,
    to_list,
    unpack_singleton,
)
from tricorn.classic.trials import layer_test


def to_categorical(y: Any, num_classes: Any = None, dtype: str = "float32", **kwargs: Any) -> Any:
    """Labels as rows with a 1 at their place.

    Args:
        y: integers.
        num_classes: length of the rows; default one more than the largest label.
        dtype: of the rows.
    """
    num_classes = convert("to_categorical", ("y", "num_classes", "dtype"), kwargs).get(
        "num_classes", num_classes
    )
    return core.to_categorical(np.array(y, dtype="int"), num_classes).astype(dtype)


def get_source_inputs(tensor: Any, layer: Any = None, node_index: int | None = None) -> list:
    """The inputs that a symbolic tensor is computed from."""
    return core.get_source_inputs(tensor)


def count_params(weights: Any) -> int:
    """The number of scalars in weights."""
    return int(sum(np.prod(weight.shape) for weight in weights))


def print_summary(
    model: Any, line_length: int | None = None, positions: Any = None, print_fn: Any = None
) -> None:
    """Print a table of the layers; see ``model.summary``."""
    model.summary(line_length, positions, print_fn=print_fn)


def plot_model(
    model: Any,
    to_file: str = "model.png",
    show_shapes: bool = False,
    show_layer_names: bool = True,
    rankdir: str = "TB",
    expand_nested: bool = False,
    dpi: int = 96,
) -> Any:
    """Draw the graph of a model into a file; see `tricorn.utils.plot_model`."""
    return core.plot_model(
        model, to_file, show_shapes=show_shapes, show_layer_names=show_layer_names,
        rankdir=rankdir, expand_nested=expand_nested, dpi=dpi,
    )  # fmt: skip


def model_to_dot(
    model: Any,
    show_shapes: bool = False,
    show_layer_names: bool = True,
    rankdir: str = "TB",
    expand_nested: bool = False,
    dpi: int = 96,
    subgraph: bool = False,
) -> Any:
    """The graph of a model as one of pydot's; see `tricorn.utils.model_to_dot`."""
    return core.model_to_dot(
        model, show_shapes=show_shapes, show_layer_names=show_layer_names, rankdir=rankdir,
        expand_nested=expand_nested, dpi=dpi, subgraph=subgraph,
    )  # fmt: skip


def ask_to_proceed_with_overwrite(filepath: Any) -> bool:
    """Ask whether a file may be written over."""
    return input(f"{filepath} is there already. Write over it? [y/n] ").strip().lower() == "y"


class CustomObjectScope(core.CustomObjectScope):
    """A block in which data may use more names.

    Args:
        args: dicts of name -> class or function.
    """

    def __init__(self, *args: dict[str, Any]) -> None:
        super().__init__({name: value for one in args for name, value in one.items()})


custom_object_scope = CustomObjectScope
Progbar = face(core.Progbar, Change({"width": 30}, "stateless_metrics unit_name"), (), __name__)

__getattr__, __dir__ = handed_on(
    globals(),
    core,
    "CustomObjectScope GeneratorEnqueuer H5Dict HDF5Matrix OrderedEnqueuer Progbar Sequence "
    "SequenceEnqueuer convert_all_kernels_in_model convert_dense_weights_data_format "
    "convert_kernel custom_object_scope deserialize_keras_object get_custom_objects get_file "
    "get_source_inputs model_to_dot multi_gpu_model normalize plot_model print_summary "
    "serialize_keras_object to_categorical validate_file",
)
