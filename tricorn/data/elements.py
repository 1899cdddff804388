"""What datasets give: trees of NumPy arrays, NumPy scalars and bytes; their specs, batches and
form as data in a file."""

from __future__ import annotations

import base64
import collections
import dataclasses
import functools
import itertools
import json
import sys
import threading
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tricorn import dtypes, tree
from tricorn.engines import registry


@dataclasses.dataclass(frozen=True)
class TensorSpec:
    """The shape and dtype of a part of the elements.

    Args:
        shape: tuple of sizes, None for one that is not known; None: nothing is known.
        dtype: its name, ``"string"`` for bytes.
        name: anything; not compared.

    Example:
        >>> keras.data.Dataset.range(4).batch(2).element_spec
        TensorSpec(shape=(None,), dtype='int64', name=None)
    """

    shape: tuple[int | None, ...] | None = ()
    dtype: str = "float32"
    name: str | None = dataclasses.field(default=None, compare=False)

    def __post_init__(self) -> None:
        shape: Any = self.shape
        if hasattr(shape, "rank"):  # TensorFlow's
            shape = None if shape.rank is None else shape.as_list()
        known = None if shape is None else tuple(None if n in (None, -1) else int(n) for n in shape)
        object.__setattr__(self, "shape", known)
        object.__setattr__(self, "dtype", dtypes.standardize(self.dtype))

    def accepts(self, array: Any) -> bool:
        """Whether an array has this dtype and a shape that fits."""
        found, wanted = np.shape(array), self.shape
        return spec_of(array).dtype == self.dtype and (
            wanted is None
            or (len(found) == len(wanted) and all(n in (None, m) for n, m in zip(wanted, found)))
        )


@dataclasses.dataclass(frozen=True)
class DatasetSpec:
    """The spec of elements that are datasets themselves, such as windows.

    Args:
        element_spec: of their elements.

    Example:
        >>> keras.data.Dataset.range(4).window(2).element_spec
        DatasetSpec(element_spec=TensorSpec(shape=(), dtype='int64', name=None))
    """

    element_spec: Any


class SparseTensorValue(NamedTuple):
    """A sparse array: what `parse_example` makes of features of any length, and `sparse_batch` of
    elements.

    Args:
        indices: of the values, (n, axes).
        values: (n,).
        dense_shape: (axes,).

    Example:
        >>> keras.data.SparseTensorValue([[0, 1]], [5.0], [1, 2]).values
        [5.0]
    """

    indices: Any
    values: Any
    dense_shape: Any


class RaggedTensorValue(NamedTuple):
    """Rows of different lengths, one after the other: what `ragged_batch` makes of elements.

    Args:
        values: all rows, an array; or again one of these.
        row_splits: where each row begins, and the end of the last.

    Example:
        >>> keras.data.RaggedTensorValue(np.array([1, 2, 3]), np.array([0, 1, 3])).to_list()
        [[1], [2, 3]]
    """

    values: Any
    row_splits: Any

    def to_list(self) -> list:
        """The rows as lists."""
        flat = self.values
        values = flat.to_list() if isinstance(flat, RaggedTensorValue) else flat.tolist()
        return [values[a:b] for a, b in itertools.pairwise(self.row_splits.tolist())]


def spec_of(element: Any) -> Any:
    """The tree of specs of an element."""
    return tree.map(_spec, element)


def _spec(leaf: Any) -> Any:
    if hasattr(leaf, "element_spec"):
        return DatasetSpec(leaf.element_spec)
    leaf = as_element(leaf)
    return TensorSpec(np.shape(leaf), "string" if is_text(leaf) else leaf.dtype.name)


def specs(signature: Any) -> Any:
    """A tree of specs, ours or TensorFlow's, as ours."""
    return tree.map(
        lambda spec: (
            spec
            if isinstance(spec, DatasetSpec)
            else TensorSpec(spec.shape, spec.dtype, getattr(spec, "name", None))
        ),
        signature,
    )


def merged(spec: TensorSpec, other: TensorSpec) -> TensorSpec:
    """The spec that takes what either does."""
    if spec == other or not isinstance(spec, TensorSpec) or spec.shape is None:
        return spec
    if other.shape is None or len(other.shape) != len(spec.shape):
        return TensorSpec(None, spec.dtype)
    shape = tuple(n if n == m else None for n, m in zip(spec.shape, other.shape))
    return TensorSpec(shape, spec.dtype)


def signature(types: Any, shapes: Any = None, signature: Any = None) -> Any:
    """A tree of specs from what users say: dtypes and shapes, or specs; None: nothing."""
    if signature is not None or types is None:
        return signature and specs(signature)
    return tree.map_up_to(lambda dtype, shape: TensorSpec(shape, dtype), types, shapes)


def check_alike(one: Any, other: Any, what: str) -> None:
    """Refuse specs of another structure, or other dtypes."""
    same = tree.structure(one) == tree.structure(other)
    if not same or any(
        getattr(a, "dtype", None) != getattr(b, "dtype", None)
        for a, b in zip(tree.leaves(one), tree.leaves(other))
    ):
        raise TypeError(f"{what}: the elements differ, {one!r} and {other!r}")


# ------------------------------------------------------------------------------------- conversion


def cast(spec: Any, value: Any) -> Any:
    """A part of an element in the dtype of its spec.

    Raises:
        TypeError: when it is of another shape.
    """
    if isinstance(spec, DatasetSpec):
        return value
    array = as_array(value)
    if spec.dtype != "string":
        array = array.astype(dtypes.to_numpy(spec.dtype), copy=False)
    found = as_element(array)
    if not spec.accepts(found):
        raise TypeError(
            f"from_generator: expected elements as {spec!r}, got the shape {np.shape(found)} and "
            f"the dtype {array.dtype}"
        )
    return found


def is_text(value: Any) -> bool:
    return type(value) is bytes or (type(value) is np.ndarray and value.dtype == object)


def as_element(value: Any) -> Any:
    """What a function of a user's gave, as an element: with NumPy's types, and bytes.

    Numbers of Python become int32 (int64 where they do not fit) and float32, texts bytes in UTF-8,
    lists one array; tensors of any engine become arrays.

    Raises:
        TypeError: for what is no array.
    """
    kind = type(value)
    if kind is np.ndarray:
        return value if value.ndim and value.dtype.kind not in "USO" else _array(value)
    if kind is tuple:
        return tuple([as_element(part) for part in value])
    if kind is dict:
        return {key: as_element(part) for key, part in value.items()}
    if isinstance(value, np.generic):
        return _array(np.asarray(value)) if value.dtype.kind in "US" else value
    if kind is bytes or value is None or hasattr(value, "element_spec"):
        return value
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, (bool, int, float, complex)):
        return _number(value)
    if isinstance(value, tuple):  # a named one
        return kind(*map(as_element, value)) if hasattr(value, "_fields") else kind(value)
    if isinstance(value, dict):
        return kind((key, as_element(part)) for key, part in value.items())
    return _array(as_array(value))


def as_array(value: Any) -> np.ndarray:
    """Anything array-like, lists and tensors too, as an array that is not a view of texts."""
    if isinstance(value, (bool, int, float, complex)):
        return np.asarray(_number(value))
    if isinstance(value, (list, tuple)):
        try:
            if _is_typed(value):
                return np.stack([as_array(part) for part in value])
            array = np.asarray(value)
        except ValueError:
            raise ValueError(
                "lists of different lengths are no array: pad them, or give them one by one with "
                "from_generator"
            ) from None
        if array.dtype.kind in "iu" and abs(array).max(initial=0) < 2**31:
            return array.astype(np.int32)
        return array.astype({"f": np.float32, "c": np.complex64}.get(array.dtype.kind, array.dtype))
    owner = registry.owner_of(value) if registry.of_framework(value) else None
    if owner is not None:
        return owner.numpy(value)
    if hasattr(value, "to_numpy"):  # tables and columns
        value = value.to_numpy()
    return np.asarray(value)


def _is_typed(value: Any) -> bool:
    """Whether there are other numbers than Python's in a list."""
    if isinstance(value, (list, tuple)):
        return any(map(_is_typed, value))
    return not isinstance(value, (bool, int, float, complex, str, bytes))


def _number(value: Any) -> Any:
    if isinstance(value, bool):
        return np.bool_(value)
    if isinstance(value, int):
        return np.int32(value) if -(2**31) <= value < 2**31 else np.int64(value)
    return np.float32(value) if isinstance(value, float) else np.complex64(value)


def _array(array: np.ndarray) -> Any:
    """An array with texts as bytes; of no axes: the scalar."""
    if array.dtype.kind in "USO":
        texts = np.empty(array.shape, object)
        for place, text in enumerate(array.flat):
            if not isinstance(text, (str, bytes)):
                raise TypeError(
                    "elements of a dataset are numbers, texts, arrays, and tuples and dicts of "
                    f"them; got {type(text).__name__}: {text!r}"
                )
            texts.flat[place] = text.encode() if isinstance(text, str) else bytes(text)
        array = texts
    return array if array.ndim else array[()]


def protected(element: Any) -> Any:
    """An element that is given more than once: its arrays cannot be written to."""

    def locked(array: Any) -> Any:
        if isinstance(array, np.ndarray):
            array = array.view()
            array.flags.writeable = False
        return array

    return tree.map(locked, element)


def stacked(rows: list) -> Any:
    """Elements of one structure as one, with a first axis more.

    Raises:
        ValueError: for elements of different shapes or structures.
    """
    first = rows[0]
    kind = type(first)
    if first is None:
        return None
    if isinstance(first, tuple):
        if len({len(row) for row in rows}) > 1:
            raise ValueError("elements with different numbers of parts cannot make a batch")
        parts = [stacked(list(column)) for column in zip(*rows)]
        return tuple(parts) if kind is tuple else kind(*parts)
    if isinstance(first, dict):
        return {key: stacked([row[key] for row in rows]) for key in first}
    if kind is np.ndarray or kind is _Placed:
        if Room.holds(rows):
            return first.whole[: len(rows)]
        rows = [row.whole[row.number] if type(row) is _Placed else row for row in rows]
        shapes = {np.shape(row) for row in rows}
        if len(shapes) > 1:
            raise ValueError(
                "elements of different shapes cannot make a batch: "
                f"{', '.join(map(str, sorted(shapes)))}; resize, pad or cut them to one shape "
                "first, or use padded_batch"
            )
        return np.stack(rows)
    if kind is bytes:
        texts = np.empty(len(rows), object)
        texts[:] = rows
        return texts
    if hasattr(first, "element_spec"):
        raise TypeError("datasets as elements cannot make a batch; use flat_map first")
    return np.array(rows)


class Room:
    """The arrays of a batch, into which threads put what they have made, each while it is in its
    processor's cache: put together by one thread later, large rows take three times as long.

    Args:
        count: of elements.
    """

    def __init__(self, count: int) -> None:
        self.count, self.wholes, self.lock = count, {}, threading.Lock()  # type: ignore[var-annotated]

    def put(self, number: int, element: Any) -> Any:
        """The element of a number, of which large arrays are in their places; for `stacked`."""
        leaves, structure = tree.take_apart(element)
        placed = [self._place(number, part, leaf) for part, leaf in enumerate(leaves)]
        return tree.unflatten(structure, placed)

    def _place(self, number: int, part: int, leaf: Any) -> Any:
        if type(leaf) is not np.ndarray or leaf.nbytes < _LARGE or leaf.dtype == object:
            return leaf
        with self.lock:
            if part not in self.wholes:
                self.wholes[part] = np.empty((self.count, *leaf.shape), leaf.dtype)
        whole = self.wholes[part]
        if whole.shape[1:] != leaf.shape or whole.dtype != leaf.dtype:
            return leaf
        whole[number] = leaf
        return _Placed(whole, number)

    @staticmethod
    def holds(rows: list) -> bool:
        """Whether rows are the first ones of one array, in their places."""
        return all(
            type(row) is _Placed and row.whole is rows[0].whole and row.number == number
            for number, row in enumerate(rows)
        )


#: bytes from which on an array is put into its place
_LARGE = 2**14


@dataclasses.dataclass(slots=True)
class _Placed:
    whole: np.ndarray
    number: int


def padded(rows: list, shapes: Any, values: Any) -> Any:
    """`stacked`, with every part filled up to a shape, in which None stands for the longest.

    Raises:
        ValueError: for an element that is longer.
    """
    first = rows[0]
    parts, structures = zip(*map(tree.take_apart, rows))
    if not isinstance(values, (tuple, dict)):  # one for all
        values = tree.map(lambda _: values, first)
    fills = zip(tree.leaves_up_to(first, shapes), tree.leaves_up_to(first, values))
    columns = [_filled(list(column), *fill) for column, fill in zip(zip(*parts), fills)]
    return tree.unflatten(structures[0], columns)


def _filled(column: list, shape: Any, value: Any) -> np.ndarray:
    arrays = [np.asarray(row, object if is_text(row) else None) for row in column]
    size = _room_for(arrays, shape, "padded_shapes")
    if not size:
        return stacked(column)
    empty = b"" if arrays[0].dtype == object else 0
    out = np.full((len(arrays), *size), empty if value is None else value, arrays[0].dtype)
    for row, array in zip(out, arrays):
        row[tuple(map(slice, array.shape))] = array
    return out


def _room_for(arrays: list, shape: Any, what: str) -> list[int]:
    """The shape into which all arrays fit."""
    longest = np.max([array.shape for array in arrays], 0, initial=0).astype(int).tolist()
    wanted = [None] * len(longest) if shape is None else list(shape)
    size = [m if n in (None, -1) else int(n) for n, m in zip(wanted, longest)]
    if len(wanted) != len(longest) or any(n < m for n, m in zip(size, longest)):
        raise ValueError(
            f"{what}: elements of the shape {tuple(longest)} do not fit into {tuple(wanted)}"
        )
    return size


def sparse(rows: list, shape: Any) -> Any:
    """Elements as a `SparseTensorValue` of all their values.

    Args:
        shape: of a row, which may be larger than all; None in it: the longest.

    Raises:
        ValueError: for an element that does not fit.
    """
    first = rows[0]
    if isinstance(first, (tuple, dict)) and not isinstance(first, SparseTensorValue):
        raise ValueError("sparse_batch is for elements of one part; map them to it first")
    arrays = [np.asarray(row, object if is_text(row) else None) for row in rows]
    size = _room_for(arrays, shape, "row_shape")
    found = [np.argwhere(np.ones(array.shape, bool)) for array in arrays]
    numbers = np.repeat(np.arange(len(rows)), [array.size for array in arrays])
    indices = np.column_stack([numbers, np.concatenate(found)]).astype(np.int64)
    values = np.concatenate([array.ravel() for array in arrays])
    return SparseTensorValue(indices, values, np.array([len(rows), *size], np.int64))


def ragged(rows: list, ranks: Any, dtype: Any) -> Any:
    """`stacked`, with parts whose axes may differ as `RaggedTensorValue`.

    Args:
        ranks: for each part, how many of its first axes may.
        dtype: of `row_splits`.
    """

    def joined(column: list, rank: int) -> Any:
        if rank == 0:
            return stacked(column)
        lengths = [len(part) for part in column]
        splits = np.concatenate([[0], np.cumsum(lengths)]).astype(dtype)
        if rank > 1:
            return RaggedTensorValue(joined(list(itertools.chain(*column)), rank - 1), splits)
        shapes = {part.shape[1:] for part in column}
        if len(shapes) > 1:
            raise ValueError(f"ragged_batch: the rows of the elements differ in shape: {shapes}")
        return RaggedTensorValue(np.concatenate(column), splits)

    parts, structures = zip(*map(tree.take_apart, rows))
    columns = [joined(list(column), rank) for column, rank in zip(zip(*parts), ranks)]
    return tree.unflatten(structures[0], columns)


# -------------------------------------------------------------------------------- as data in a file

#: key -> dataset that is read from a file by `load`: as an element it is written as its key
KEYED: weakref.WeakValueDictionary[str, Any] = weakref.WeakValueDictionary()
_SPECS: dict[str, Any] = {"TensorSpec": TensorSpec, "DatasetSpec": DatasetSpec}
_PLAIN = (bool, int, float, str, type(None))


class NotData(TypeError):
    """A value is no plain data."""


def plain(x: Any, put: Callable[[Any], Any]) -> Any:
    """Data (None, numbers, strings, bytes, arrays and scalars of NumPy, specs, lists as datasets;
    lists, tuples, named ones and dicts of them) as what JSON has forms for.

    Args:
        put: keeps bytes, or those of an array, and gives by what they are found again.

    Raises:
        NotData: for anything else.
    """
    kind, all_of = type(x), lambda parts: [plain(part, put) for part in parts]
    if kind in _PLAIN:
        return x
    if kind is bytes:
        return {"bytes": put(x)}
    if isinstance(x, (np.ndarray, np.generic)) and not x.dtype.names:
        form, own = "scalar" if isinstance(x, np.generic) else "array", x.dtype.kind == "V"
        if x.dtype == object:
            return {form: all_of(x.flat), "dtype": "string", "shape": x.shape}
        dtype = x.dtype.name if own else x.dtype.str
        return {form: put(x), "dtype": dtype, "shape": x.shape}
    if kind is list:
        return all_of(x)
    if isinstance(x, tuple) and hasattr(x, "_fields"):
        place = [kind.__module__, kind.__qualname__]
        return {"named": all_of(x), "class": place, "fields": x._fields}
    if kind in _SPECS.values():
        return {kind.__name__: all_of(getattr(x, part.name) for part in dataclasses.fields(x))}
    if kind is tuple:
        return {"tuple": all_of(x)}
    if kind in (dict, collections.OrderedDict):
        return {"dict" if kind is dict else "ordered": all_of(map(list, x.items()))}
    listed = getattr(kind, "_tricorn_data", lambda x: None)(x)
    if listed is not None:
        return {"dataset": plain(listed, put)}
    raise NotData(f"{kind.__name__} is no plain data")


def restored(x: Any, get: Callable[[Any], bytes], dataset: Callable[[Any], Any]) -> Any:
    """The inverse of `plain`.

    Args:
        get: gives the bytes for what `put` has given.
        dataset: makes a dataset of a list of elements, or of a key of `KEYED`.
    """
    if isinstance(x, list):
        return [restored(part, get, dataset) for part in x]
    if not isinstance(x, dict):
        return x
    kind, body = next(iter(x.items()))
    if kind == "bytes":
        return get(body)
    if kind in ("array", "scalar"):
        if x["dtype"] == "string":
            array = np.empty(len(body), object)
            array[:] = restored(body, get, dataset)
        else:
            array = np.frombuffer(get(body), dtypes.to_numpy(x["dtype"])).copy()
        return array.reshape(x["shape"])[() if kind == "scalar" else ...]
    found = restored(body, get, dataset)
    if kind == "named":
        return tuple.__new__(_named_tuple(*x["class"], tuple(x["fields"])), found)
    if kind in _SPECS:
        return _SPECS[kind](*found)
    kinds: dict[str, Callable] = {
        "tuple": tuple, "dict": dict, "ordered": collections.OrderedDict, "dataset": dataset,
    }  # fmt: skip
    return kinds[kind](found)


def in_text(data: Any) -> str:
    """Bytes, or those of an array, in a string."""
    return base64.b64encode(data.tobytes() if hasattr(data, "tobytes") else data).decode()


of_text = base64.b64decode


def encode(value: Any) -> bytes:
    """A position or an element as JSON, which `decode` reads; it holds data only."""
    return json.dumps(plain(value, in_text)).encode()


def decode(data: bytes, dataset: Callable[[Any], Any]) -> Any:
    """What `encode` was given.

    Args:
        dataset: see `restored`.

    Raises:
        ValueError: for other bytes.
    """
    try:
        return restored(json.loads(data), of_text, dataset)
    except (KeyError, TypeError, ValueError, RecursionError, StopIteration) as error:
        raise ValueError(f"the position of an iterator is damaged: {error}") from error


@functools.cache
def _named_tuple(module: str, name: str, fields: tuple) -> type:
    """The class of named tuples of a place, if it is there and has such fields, else another one
    with them: nothing is imported or called for it."""
    found = vars(sys.modules[module]).get(name) if module in sys.modules else None
    if (
        isinstance(found, type)
        and issubclass(found, tuple)
        and found.__dict__.get("_fields") == fields
    ):
        return found
    return collections.namedtuple(name.rpartition(".")[2], fields)
