"""Pipelines of data: TensorFlow's ``tf.data`` on every engine, without TensorFlow."""

from tricorn.data import experimental
from tricorn.data.dataset import (
    AUTOTUNE,
    INFINITE_CARDINALITY,
    UNKNOWN_CARDINALITY,
    Dataset,
    get_output_classes,
    get_output_shapes,
    get_output_types,
    make_initializable_iterator,
    make_one_shot_iterator,
)
from tricorn.data.elements import DatasetSpec, RaggedTensorValue, SparseTensorValue, TensorSpec
from tricorn.data.examples import (
    FixedLenFeature,
    FixedLenSequenceFeature,
    VarLenFeature,
    parse_example,
    parse_single_example,
    parse_single_sequence_example,
    serialize_example,
)
from tricorn.data.images import decode_image, decode_jpeg, decode_png, read_file, resize_image
from tricorn.data.iterators import Iterator, OutOfRangeError
from tricorn.data.options import Options, ThreadingOptions
from tricorn.data.records import TFRecordWriter
from tricorn.data.sources import (
    CsvDataset,
    FixedLengthRecordDataset,
    HDF5Dataset,
    ParquetDataset,
    TextLineDataset,
    TFRecordDataset,
)
from tricorn.late import left_out

__all__ = [
    "AUTOTUNE", "CsvDataset", "Dataset", "DatasetSpec", "decode_image", "decode_jpeg", "decode_png",
    "experimental", "FixedLenFeature", "FixedLengthRecordDataset", "FixedLenSequenceFeature",
    "get_output_classes", "get_output_shapes", "get_output_types", "INFINITE_CARDINALITY",
    "Iterator", "make_initializable_iterator", "make_one_shot_iterator", "Options",
    "OutOfRangeError", "ParquetDataset", "parse_example", "parse_single_example",
    "parse_single_sequence_example", "RaggedTensorValue", "read_file", "resize_image",
    "serialize_example", "SparseTensorValue", "TensorSpec", "TextLineDataset", "TFRecordDataset",
    "TFRecordWriter", "ThreadingOptions", "UNKNOWN_CARDINALITY", "VarLenFeature",
]  # fmt: skip

__dir__ = lambda: list(__all__)
_iterators = "an iterator is no argument of a traced function here; get one by `iter(dataset)`"
__getattr__ = left_out(__name__, {"IteratorSpec NumpyIterator": _iterators})
