"""Helpers around models and data; what few programs need is loaded when it is first used."""

from typing import TYPE_CHECKING as _TYPE_CHECKING

from tricorn import late as _late
from tricorn.config import (
    disable_interactive_logging,
    enable_interactive_logging,
    is_interactive_logging_enabled,
)
from tricorn.dtypes import standardize as standardize_dtype
from tricorn.graph.symbolic import is_symbolic as is_keras_tensor

if _TYPE_CHECKING:  # what editors and type checkers see; `_PLACES` says it to `__getattr__`
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

#: module -> the names that are taken from it, see `late`
_PLACES = {
    "": "bounding_boxes=utils.bounding_boxes legacy=utils.legacy",
    "data": "Dataset",
    "data.on_disk": "HDF5Matrix",
    "saving": "CustomObjectScope custom_object_scope deserialize_keras_object get_custom_objects "
              "get_registered_name get_registered_object register_keras_serializable "
              "serialize_keras_object",
    "seeds": "set_random_seed",
    "training.adapters": "pack_x_y_sample_weight unpack_x_y_sample_weight",
    "utils.confusion": "confusion_matrix",
    "utils.directories": "audio_dataset_from_directory image_dataset_from_directory "
                         "text_dataset_from_directory",
    "utils.drawing": "model_to_dot plot_model",
    "utils.enqueuers": "GeneratorEnqueuer OrderedEnqueuer SequenceEnqueuer",
    "utils.feature_space": "FeatureSpace",
    "utils.files": "get_file validate_file",
    "utils.hdf5_dict": "H5Dict",
    "utils.images": "array_to_img img_to_array load_img save_img",
    "utils.kernels": "convert_all_kernels_in_model convert_dense_weights_data_format "
                     "convert_kernel",
    "utils.multi_gpu": "multi_gpu_model",
    "utils.numerical": "normalize to_categorical",
    "utils.progbar": "Progbar",
    "utils.py_dataset": "PyDataset Sequence",
    "utils.sequences": "pad_sequences",
    "utils.session": "clear_session",
    "utils.settings": "Config",
    "utils.source_inputs": "get_source_inputs",
    "utils.splitting": "split_dataset",
    "utils.timeseries": "timeseries_dataset_from_array",
}  # fmt: skip

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


__getattr__ = _late.finder(__name__, _PLACES)
__dir__ = lambda: list(__all__)
