"""Pipelines of data: TensorFlow's ``tf.data`` on every engine, without TensorFlow."""

from tricorn.data.dataset import (
    AUTOTUNE,
    INFINITE_CARDINALITY,
    UNKNOWN_CARDINALITY,
    Dataset,
    make_initializable_iterator,
    make_one_shot_iterator,
)
from tricorn.data.elements import DatasetSpec, TensorSpec
from tricorn.data.examples import (
    FixedLenFeature,
    FixedLenSequenceFeature,
    SparseTensorValue,
    VarLenFeature,
    parse_example,
    parse_single_example,
    parse_single_sequence_example,
    serialize_example,
)
from tricorn.data.images import decode_image, decode_jpeg, decode_png, read_file, resize_image
from tricorn.data.iterators import Iterator, OutOfRangeError
from tricorn.data.records import TFRecordWriter
from tricorn.data.sources import (
    CsvDataset,
    FixedLengthRecordDataset,
    HDF5Dataset,
    ParquetDataset,
    TextLineDataset,
    TFRecordDataset,
)

__all__ = [
    "AUTOTUNE", "CsvDataset", "Dataset", "DatasetSpec", "decode_image", "decode_jpeg",
    "decode_png", "FixedLenFeature", "FixedLengthRecordDataset", "FixedLenSequenceFeature",
    "HDF5Dataset", "INFINITE_CARDINALITY", "Iterator", "make_initializable_iterator",
    "make_one_shot_iterator", "OutOfRangeError", "ParquetDataset", "parse_example",
    "parse_single_example", "parse_single_sequence_example", "read_file", "resize_image",
    "serialize_example", "SparseTensorValue", "TensorSpec", "TextLineDataset",
    "TFRecordDataset", "TFRecordWriter", "UNKNOWN_CARDINALITY", "VarLenFeature",
]  # fmt: skip

__dir__ = lambda: list(__all__)
