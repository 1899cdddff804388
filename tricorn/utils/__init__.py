"""Helpers around models and data; what few programs need is loaded when it is first used."""

import importlib as _importlib
from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

from tricorn.config import (
    disable_interactive_logging,
    enable_interactive_logging,
    is_interactive_logging_enabled,
)
from tricorn.dtypes import standardize as standardize_dtype
from tricorn.graph.symbolic import is_symbolic as is_keras_tensor

if _TYPE_CHECKING:  # what editors and type checkers see; `_LATER` says it to `__getattr__`
    from tricorn.data import Dataset
    from tricorn.data.on_disk import HDF5Matrix
    from tricorn.saving import (
        CustomObjectScope,
        custom_object_scope,
        deserialize_keras_object,
        get_custom_objects,
        get_registered_name,
        get_registered_object,
        register_keras_serializable,
        serialize_keras_object,
    )
    from tricorn.seeds import set_random_seed
    from tricorn.training.adapters import pack_x_y_sample_weight, unpack_x_y_sample_weight
    from tricorn.utils import bounding_boxes, legacy
    from tricorn.utils.confusion import confusion_matrix
    from tricorn.utils.directories import (
        audio_dataset_from_directory,
        image_dataset_from_directory,
        text_dataset_from_directory,
    )
    from tricorn.utils.drawing import model_to_dot, plot_model
    from tricorn.utils.enqueuers import GeneratorEnqueuer, OrderedEnqueuer, SequenceEnqueuer
    from tricorn.utils.feature_space import FeatureSpace
    from tricorn.utils.files import get_file, validate_file
    from tricorn.utils.hdf5_dict import H5Dict
    from tricorn.utils.images import array_to_img, img_to_array, load_img, save_img
    from tricorn.utils.kernels import (
        convert_all_kernels_in_model,
        convert_dense_weights_data_format,
        convert_kernel,
    )
    from tricorn.utils.multi_gpu import multi_gpu_model
    from tricorn.utils.numerical import normalize, to_categorical
    from tricorn.utils.progbar import Progbar
    from tricorn.utils.py_dataset import PyDataset, Sequence
    from tricorn.utils.sequences import pad_sequences
    from tricorn.utils.session import clear_session
    from tricorn.utils.settings import Config
    from tricorn.utils.source_inputs import get_source_inputs
    from tricorn.utils.splitting import split_dataset
    from tricorn.utils.timeseries import timeseries_dataset_from_array

#: public name -> module
_LATER = {
    "array_to_img": "utils.images",
    "audio_dataset_from_directory": "utils.directories",
    "clear_session": "utils.session",
    "Config": "utils.settings",
    "confusion_matrix": "utils.confusion",
    "convert_all_kernels_in_model": "utils.kernels",
    "convert_dense_weights_data_format": "utils.kernels",
    "convert_kernel": "utils.kernels",
    "custom_object_scope": "saving",
    "CustomObjectScope": "saving",
    "Dataset": "data",
    "deserialize_keras_object": "saving",
    "FeatureSpace": "utils.feature_space",
    "GeneratorEnqueuer": "utils.enqueuers",
    "get_custom_objects": "saving",
    "get_file": "utils.files",
    "get_registered_name": "saving",
    "get_registered_object": "saving",
    "get_source_inputs": "utils.source_inputs",
    "H5Dict": "utils.hdf5_dict",
    "HDF5Matrix": "data.on_disk",
    "image_dataset_from_directory": "utils.directories",
    "img_to_array": "utils.images",
    "load_img": "utils.images",
    "model_to_dot": "utils.drawing",
    "multi_gpu_model": "utils.multi_gpu",
    "normalize": "utils.numerical",
    "OrderedEnqueuer": "utils.enqueuers",
    "pack_x_y_sample_weight": "training.adapters",
    "pad_sequences": "utils.sequences",
    "plot_model": "utils.drawing",
    "Progbar": "utils.progbar",
    "PyDataset": "utils.py_dataset",
    "register_keras_serializable": "saving",
    "save_img": "utils.images",
    "Sequence": "utils.py_dataset",
    "SequenceEnqueuer": "utils.enqueuers",
    "serialize_keras_object": "saving",
    "set_random_seed": "seeds",
    "split_dataset": "utils.splitting",
    "text_dataset_from_directory": "utils.directories",
    "timeseries_dataset_from_array": "utils.timeseries",
    "to_categorical": "utils.numerical",
    "unpack_x_y_sample_weight": "training.adapters",
    "validate_file": "utils.files",
}

__all__ = [
    "array_to_img",
    "audio_dataset_from_directory",
    "bounding_boxes",
    "clear_session",
    "Config",
    "confusion_matrix",
    "convert_all_kernels_in_model",
    "convert_dense_weights_data_format",
    "convert_kernel",
    "custom_object_scope",
    "CustomObjectScope",
    "Dataset",
    "deserialize_keras_object",
    "disable_interactive_logging",
    "enable_interactive_logging",
    "FeatureSpace",
    "GeneratorEnqueuer",
    "get_custom_objects",
    "get_file",
    "get_registered_name",
    "get_registered_object",
    "get_source_inputs",
    "H5Dict",
    "HDF5Matrix",
    "image_dataset_from_directory",
    "img_to_array",
    "is_interactive_logging_enabled",
    "is_keras_tensor",
    "legacy",
    "load_img",
    "model_to_dot",
    "multi_gpu_model",
    "normalize",
    "OrderedEnqueuer",
    "pack_x_y_sample_weight",
    "pad_sequences",
    "plot_model",
    "Progbar",
    "PyDataset",
    "register_keras_serializable",
    "save_img",
    "Sequence",
    "SequenceEnqueuer",
    "serialize_keras_object",
    "set_random_seed",
    "split_dataset",
    "standardize_dtype",
    "text_dataset_from_directory",
    "timeseries_dataset_from_array",
    "to_categorical",
    "unpack_x_y_sample_weight",
    "validate_file",
]


def __getattr__(name: str) -> _Any:
    if name in ("bounding_boxes", "legacy"):
        return _importlib.import_module(f"tricorn.utils.{name}")
    if name not in _LATER:
        raise AttributeError(f"tricorn.utils has no {name!r}")
    value = getattr(_importlib.import_module(f"tricorn.{_LATER[name]}"), name)
    globals()[name] = value
    return value


__dir__ = lambda: list(__all__)
