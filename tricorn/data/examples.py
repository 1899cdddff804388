"""``tf.train.Example`` and ``SequenceExample``: what is in most TFRecord files."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from tricorn import dtypes
from tricorn.data import elements
from tricorn.data.elements import SparseTensorValue
from tricorn.data.iterators import of_graph
from tricorn.data.records import delimited, fields, integers, varint
from tricorn.docstrings import complete


class FixedLenFeature(NamedTuple):
    """A feature of one shape.

    Args:
        shape: of its values; () for one.
        dtype: "int64", "float32" or "string".
        default_value: for examples without it; None: it must be there.

    Example:
        >>> x = keras.data.FixedLenFeature((2,), "float32", default_value=0.0)
        >>> keras.data.parse_single_example(keras.data.serialize_example({}), {"x": x})
        {'x': array([0., 0.], dtype=float32)}
    """

    shape: Any
    dtype: Any
    default_value: Any = None


class VarLenFeature(NamedTuple):
    """A feature of any length: an array of one axis.

    Args:
        dtype: see `FixedLenFeature`.

    Example:
        >>> example = keras.data.serialize_example({"x": ["a", "b"]})
        >>> keras.data.parse_single_example(example, {"x": keras.data.VarLenFeature("string")})
        {'x': array([b'a', b'b'], dtype=object)}
    """

    dtype: Any


class FixedLenSequenceFeature(NamedTuple):
    """A feature whose first axis has any length.

    Args:
        shape: of a step.
        dtype: see `FixedLenFeature`.
        allow_missing: whether it may not be there, which means no steps.
        default_value: what shorter ones are filled up with in a batch.

    Example:
        >>> example = keras.data.serialize_example({"x": [1, 2, 3, 4]})
        >>> steps = keras.data.FixedLenSequenceFeature((2,), "int64")
        >>> keras.data.parse_single_example(example, {"x": steps})["x"].tolist()
        [[1, 2], [3, 4]]
    """

    shape: Any
    dtype: Any
    allow_missing: bool = False
    default_value: Any = None


#: number of the kind of list -> dtype
_DTYPES = {1: "string", 2: "float32", 3: "int64"}


def _values(data: bytes) -> tuple[str | None, Any]:
    """(dtype, values) of a Feature."""
    kind, body = next(fields(data), (None, b""))
    parts = [value for _, value in fields(body)]
    if kind == 1:
        texts = np.empty(len(parts), object)
        texts[:] = parts
        return "string", texts
    if kind == 2:  # in a row, or one by one
        return "float32", np.frombuffer(b"".join(parts), "<f4").astype(np.float32)
    if kind == 3:
        row = b"".join(part if isinstance(part, bytes) else varint(part) for part in parts)
        return "int64", integers(row)
    return None, np.zeros(0)


def _entries(data: bytes) -> dict[str, bytes]:
    """A map of a message: fields with a key and a value."""
    found = {}
    for _, entry in fields(data):
        parts = dict(fields(entry))
        found[parts.get(1, b"").decode()] = parts.get(2, b"")
    return found


def _read(name: str, feature: Any, data: bytes | None) -> Any:
    """The value of a feature in an example."""
    wanted = dtypes.standardize(feature.dtype)
    kind, values = _values(data or b"")
    if kind not in (None, wanted):
        raise ValueError(f"feature {name!r}: expected {wanted}, the example has {kind}")
    numpy = dtypes.to_numpy(wanted)
    if isinstance(feature, FixedLenFeature):
        shape = tuple(feature.shape)
        if kind is None:
            if feature.default_value is None:
                raise ValueError(
                    f"feature {name!r} is not in the example, and has no default_value"
                )
            values = elements.as_array(feature.default_value)
            values = values.astype(numpy) if wanted != "string" else values
            values = np.broadcast_to(values, shape) if values.ndim == 0 else values
        if values.size != math.prod(shape):
            raise ValueError(
                f"feature {name!r}: expected the shape {shape}, got {values.size} values"
            )
        return elements.as_element(values.reshape(shape))
    if kind is None:
        if isinstance(feature, FixedLenSequenceFeature) and not feature.allow_missing:
            raise ValueError(
                f"feature {name!r} is not in the example; allow_missing=True lets it be"
            )
        values = np.zeros(0, numpy)
    if isinstance(feature, VarLenFeature):
        return values
    if not isinstance(feature, FixedLenSequenceFeature):
        raise TypeError(f"feature {name!r}: a {type(feature).__name__} is not read here")
    shape = tuple(feature.shape)
    if values.size % max(math.prod(shape), 1):
        raise ValueError(f"feature {name!r}: {values.size} values are no steps of shape {shape}")
    return values.reshape(-1, *shape)


@of_graph
def parse_single_example(
    serialized: Any, features: dict, example_names: Any = None, name: Any = None
) -> Any:
    """The features of a serialized ``tf.train.Example``: a dict of arrays.

    Args:
        serialized: bytes.
        features: name -> `FixedLenFeature`, `VarLenFeature` (an array of one axis, where TensorFlow
            makes a sparse tensor) or `FixedLenSequenceFeature`.

    Raises:
        ValueError: for other bytes, and features that are not there or of another kind.

    Example:
        >>> example = keras.data.serialize_example({"x": [1, 2], "name": "a"})
        >>> x = keras.data.FixedLenFeature((2,), "int64")
        >>> keras.data.parse_single_example(example, {"x": x})
        {'x': array([1, 2])}
    """
    found: dict[str, bytes] = {}
    for _, message in fields(bytes(serialized)):
        found.update(_entries(message))
    return {key: _read(key, feature, found.get(key)) for key, feature in features.items()}


@of_graph
def parse_example(
    serialized: Any, features: dict, example_names: Any = None, name: Any = None
) -> Any:
    """The features of a batch of serialized ``tf.train.Example``: a dict of arrays.

    Args:
        serialized: array of bytes.
        features: name -> `FixedLenFeature`; `VarLenFeature`, which gives a `SparseTensorValue`; or
            `FixedLenSequenceFeature`, filled up to the longest.

    Raises:
        ValueError: see `parse_single_example`.

    Example:
        >>> rows = [keras.data.serialize_example({"x": values}) for values in ([1], [2, 3])]
        >>> found = keras.data.parse_example(rows, {"x": keras.data.VarLenFeature("int64")})
        >>> found["x"].indices.tolist(), found["x"].values.tolist()
        ([[0, 0], [1, 0], [1, 1]], [1, 2, 3])
    """
    rows = [parse_single_example(one, features) for one in serialized]
    found: dict[str, Any] = {}
    for key, feature in features.items():
        column = [row[key] for row in rows]
        if isinstance(feature, VarLenFeature):
            found[key] = _sparse(column)
        elif isinstance(feature, FixedLenSequenceFeature):
            found[key] = elements.padded(column, None, feature.default_value)
        else:
            found[key] = elements.stacked(column)
    return found


def _sparse(rows: list) -> SparseTensorValue:
    """Arrays of different lengths as a sparse one."""
    lengths = [len(row) for row in rows]
    numbers = np.repeat(np.arange(len(rows)), lengths)
    within = np.concatenate([np.arange(n) for n in lengths]) if rows else numbers
    values = np.concatenate(rows) if rows else np.zeros(0)
    shape = np.array([len(rows), max(lengths, default=0)], np.int64)
    return SparseTensorValue(np.stack([numbers, within], 1).astype(np.int64), values, shape)


@of_graph
def parse_single_sequence_example(
    serialized: Any,
    context_features: dict | None = None,
    sequence_features: dict | None = None,
    example_name: Any = None,
    name: Any = None,
) -> Any:
    """The features of a serialized ``tf.train.SequenceExample``.

    Args:
        serialized: bytes.
        context_features: see `parse_single_example`.
        sequence_features: name -> `FixedLenSequenceFeature`, an array (steps, ...), or
            `VarLenFeature`, a `SparseTensorValue` of (steps, values).

    Returns:
        (context, sequences): dicts.

    Raises:
        ValueError: see `parse_single_example`.

    Example:
        >>> record = bytes.fromhex("120e0a0c0a017812070a051a030a0103")
        >>> x = keras.data.FixedLenSequenceFeature((), "int64")
        >>> keras.data.parse_single_sequence_example(record, sequence_features={"x": x})[1]
        {'x': array([3])}
    """
    parts: dict[int, bytes] = {}
    for number, message in fields(bytes(serialized)):
        parts[number] = parts.get(number, b"") + message
    context, lists = (_entries(parts.get(number, b"")) for number in (1, 2))
    read = {
        key: _read(key, feature, context.get(key))
        for key, feature in (context_features or {}).items()
    }
    return read, {
        key: _steps(key, feature, lists.get(key))
        for key, feature in (sequence_features or {}).items()
    }


def _steps(name: str, feature: Any, data: bytes | None) -> Any:
    """The value of a FeatureList."""
    if isinstance(feature, VarLenFeature):
        return _sparse([_read(name, feature, step) for _, step in fields(data or b"")])
    if data is None:
        return _read(name, feature, None)
    each = FixedLenFeature(feature.shape, feature.dtype)
    rows = [_read(name, each, step) for _, step in fields(data)]
    return (
        elements.stacked(rows) if rows else _read(name, feature._replace(allow_missing=True), None)
    )


def serialize_example(features: dict[str, Any]) -> bytes:
    """A serialized ``tf.train.Example`` with some features.

    Args:
        features: name -> numbers, texts, or arrays of these, of which the shape is not noted.

    Example:
        >>> keras.data.serialize_example({"x": [1]})
        b'\\n\\x0c\\n\\n\\n\\x01x\\x12\\x05\\x1a\\x03\\n\\x01\\x01'
    """
    entries = b""
    for name, value in features.items():
        values = np.ravel(np.asarray(elements.as_array(value)))
        if values.dtype.kind in "OUS":
            body = b"".join(delimited(1, text) for text in elements.as_element(values))
        elif values.dtype.kind == "f":
            body = delimited(1, values.astype("<f4").tobytes())
        else:
            body = delimited(1, b"".join(varint(int(number)) for number in values))
        kind = {"O": 1, "U": 1, "S": 1, "f": 2}.get(values.dtype.kind, 3)
        entries += delimited(1, delimited(1, name.encode()) + delimited(2, delimited(kind, body)))
    return delimited(1, entries)


complete(
    (parse_single_example, parse_example, parse_single_sequence_example),
    dict.fromkeys(("example_names", "example_name", "name"), "of no effect"),
)
