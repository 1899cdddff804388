"""Ops that make tensors, change their shape, join, cut, order and index them."""

from __future__ import annotations

import builtins as py
import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from tricorn import dtypes, limits
from tricorn.arithmetic import OPS
from tricorn.engines import active
from tricorn.engines.abstract import AbstractTensor
from tricorn.graph import op as op_module
from tricorn.graph.op import Tensor, op
from tricorn.graph.scope import Readable, variable_behind
from tricorn.graph.sizes import sizes
from tricorn.graph.symbolic import is_symbolic, recording
from tricorn.ops.arguments import axes_of, axis_of, shape_of
from tricorn.ops.host import on_host

Shape = tuple[int | None, ...]

# ------------------------------------------------------------------------- conversion, inspection


def convert_to_tensor(x: Any, dtype: Any = None, sparse: Any = None, ragged: Any = None) -> Tensor:
    """`x` as a tensor of the active engine.

    Args:
        x: tensor, array, number or nested sequence of numbers; symbolic tensors stay symbolic.
        dtype: None: the dtype of x; Python floats become floatx and ints int32.
        sparse: False: make a sparse tensor or SciPy matrix dense; else it stays sparse.
        ragged: must be None or False.

    Returns:
        tensor of the shape of x.

    Raises:
        TypeError: for what does not consist of numbers.
        ValueError: for ragged tensors.

    Example:
        >>> keras.ops.convert_to_tensor([1.0, 2.0], dtype="float32")
        Array([1., 2.], dtype=float32)
    """
    if ragged:
        raise ValueError("ragged tensors are not supported; leave ragged=None")
    dtype = None if dtype is None else dtypes.standardize(dtype)
    if isinstance(x, AbstractTensor) or is_symbolic(x):
        return x if dtype is None or dtypes.standardize(x.dtype) == dtype else cast(x, dtype)
    found = op_module.convert(active(), x, dtype)
    return op_module.to_dense(found) if sparse is False else found


def array(x: Any, dtype: Any = None) -> Tensor:
    """`x` as a tensor, as `convert_to_tensor`.

    Args:
        x: tensor, array, number or nested sequence of numbers.
        dtype: None: the dtype of x.

    Returns:
        tensor of the shape of x.

    Example:
        >>> keras.ops.array([1.0, 2.0])
        Array([1., 2.], dtype=float32)
    """
    return convert_to_tensor(x, dtype)


def convert_to_numpy(x: Any) -> np.ndarray:
    """`x` as a NumPy array that has its own memory.

    Args:
        x: tensor, Variable, array, number or nested sequence of numbers.

    Returns:
        array of x's shape and dtype.

    Example:
        >>> keras.ops.convert_to_numpy([1.0, 2.0])
        array([1., 2.])
    """
    x = variable_behind(x)
    if isinstance(x, Readable):
        return np.array(x)
    engine = active()
    x = op_module.to_dense(x)
    return engine.numpy(x) if engine.is_tensor(x) else np.array(x)


def is_tensor(x: Any) -> bool:
    """Whether `x` is a tensor: the active engine's, or a symbolic one.

    Args:
        x: anything.

    Example:
        >>> keras.ops.is_tensor([1.0])
        False
    """
    if isinstance(x, AbstractTensor) or is_symbolic(x):
        return True
    return active().is_tensor(x) or active().is_sparse(x)


def shape(x: Any) -> tuple:
    """The shape of `x`.

    Args:
        x: tensor, Variable, array, number or nested sequence.

    Returns:
        tuple of ints.  A dimension that is not known is None outside of calls; in the `call` of a
        layer and in functions given to loops it is an int32 scalar, to compute with and to give to
        ops that take shapes (``x.shape`` has None there, too).

    Example:
        >>> keras.ops.shape(np.ones((2, 3)))
        (2, 3)
    """
    x = variable_behind(x)
    if isinstance(x, AbstractTensor):
        return tuple(x.shape) if None not in x.shape else _shape_in_call(x)
    if isinstance(x, (Readable, np.ndarray)):
        return tuple(x.shape)
    engine = active()
    if engine.is_tensor(x):
        return tuple(engine.shape(x))
    return tuple(engine.entries(x)[2]) if engine.is_sparse(x) else np.shape(x)


def _shape_in_call(x: AbstractTensor) -> tuple:
    """A shape of which a part is not known, as code of a call gets it."""
    if type(x) is AbstractTensor:
        return tuple(AbstractTensor((), "int32") if n is None else n for n in x.shape)
    if recording() is None:
        return tuple(x.shape)
    vector = sizes(x)
    return tuple(get_item(vector, i) if n is None else n for i, n in enumerate(x.shape))


def ndim(x: Any) -> int:
    """The number of axes of `x`.

    Args:
        x: tensor, Variable, array, number or nested sequence.

    Example:
        >>> keras.ops.ndim([[1, 2]])
        2
    """
    return len(shape(x))


def size(x: Any) -> Any:
    """The number of elements of `x`, an int; an int32 scalar where dimensions are not known.

    Args:
        x: tensor, Variable, array, number or nested sequence.

    Example:
        >>> keras.ops.size(np.ones((2, 3)))
        6
    """
    if isinstance(x, AbstractTensor) and None in x.shape:
        return OPS["prod"](sizes(x))
    return math.prod(shape(x))


def dtype(x: Any) -> str:
    """The name of the dtype of `x`, e.g. ``"float32"``.

    Args:
        x: tensor, Variable or array.

    Example:
        >>> keras.ops.dtype(np.ones(2, "float32"))
        'float32'
    """
    return dtypes.standardize(x.dtype)


@op
def cast(x: Tensor, dtype: Any) -> Tensor:
    """x with its values converted to another dtype.

    Args:
        x: tensor of any shape.
        dtype: name; floats are truncated towards zero to integers, and bool is x ≠ 0.

    Returns:
        tensor of x's shape.

    Example:
        >>> keras.ops.cast([1.7, 2.0], "int32")
        Array([1, 2], dtype=int32)
    """
    engine, name = active(), dtypes.standardize(dtype)
    return x if engine.dtype(x) == name else engine.cast(x, name)


@op
def saturate_cast(x: Tensor, dtype: Any) -> Tensor:
    """`cast` that first clips to the range of the dtype.

    Args:
        x: real tensor of any shape.
        dtype: name of a real dtype.

    Returns:
        tensor of x's shape.

    Example:
        >>> keras.ops.saturate_cast([300.0, -5.0], "uint8")
        Array([255,   0], dtype=uint8)
    """
    name, source = dtypes.standardize(dtype), active().dtype(x)
    if "bool" in (name, source):
        return cast(x, name)
    (low, high), (lowest, highest) = dtypes.bounds(name), dtypes.bounds(source)
    result = cast(active().clip(x, py.max(low, lowest), py.min(high, highest)), name)
    if dtypes.is_float(source) and dtypes.is_integer(name) and high < highest:
        return where(active().less_equal(float(high), x), high, result)  # float(high) may exceed it
    return result


@op
def view(x: Tensor, dtype: Any = None) -> Tensor:
    """The bits of x read as another dtype; where the widths differ, the last axis scales.

    Args:
        x: tensor of any shape.
        dtype: name; None: unchanged.

    Returns:
        tensor of x's shape, but for the last axis.

    Example:
        >>> keras.ops.view(np.ones(2, "float32"), "int32")
        Array([1065353216, 1065353216], dtype=int32)
    """
    engine, name = active(), dtypes.standardize(dtype or active().dtype(x))
    before, after = dtypes.size(engine.dtype(x)), dtypes.size(name)
    if before == after:
        return engine.bitcast(x, name)

    def scaled(shape: tuple) -> tuple:
        return *shape[:-1], None if shape[-1] is None else shape[-1] * before // after

    kind = dtypes.to_numpy(name)
    return on_host([x], lambda a: np.ascontiguousarray(a).view(kind), scaled, name)


@op
def copy(x: Tensor) -> Tensor:
    """x as a tensor of its own.

    Args:
        x: tensor of any shape.

    Returns:
        tensor of x's shape and dtype.

    Example:
        >>> keras.ops.copy([1.0, 2.0])
        Array([1., 2.], dtype=float32)
    """
    return active().tensor(x, active().dtype(x))


# --------------------------------------------------------------------------------------- creation


@op
def full(shape: Any, fill_value: Any, dtype: Any = None) -> Tensor:
    """A tensor filled with one value.

    Args:
        shape: int or sequence of ints.
        fill_value: number or tensor that broadcasts to `shape`.
        dtype: name; None: floatx.

    Example:
        >>> keras.ops.full((2,), 7.0)
        Array([7., 7.], dtype=float32)
    """
    name, engine = dtypes.standardize(dtype), active()
    if isinstance(fill_value, (int, float)):
        return engine.full(shape_of(shape), fill_value, name)
    return engine.broadcast_to(convert_to_tensor(fill_value, name), shape_of(shape))


@op
def zeros(shape: Any, dtype: Any = None) -> Tensor:
    """A tensor of zeros.

    Args:
        shape: int or sequence of ints.
        dtype: name; None: floatx.

    Example:
        >>> keras.ops.zeros((2,))
        Array([0., 0.], dtype=float32)
    """
    return active().full(shape_of(shape), 0, dtypes.standardize(dtype))


@op
def ones(shape: Any, dtype: Any = None) -> Tensor:
    """A tensor of ones.

    Args:
        shape: int or sequence of ints.
        dtype: name; None: floatx.

    Example:
        >>> keras.ops.ones((2,))
        Array([1., 1.], dtype=float32)
    """
    return active().full(shape_of(shape), 1, dtypes.standardize(dtype))


@op
def empty(shape: Any, dtype: Any = None) -> Tensor:
    """A tensor whose values do not matter (they are zeros).

    Args:
        shape: int or sequence of ints.
        dtype: name; None: floatx.

    Example:
        >>> keras.ops.empty((2, 3)).shape
        (2, 3)
    """
    return active().full(shape_of(shape), 0, dtypes.standardize(dtype))


@op
def full_like(x: Tensor, fill_value: Any, dtype: Any = None) -> Tensor:
    """A tensor of x's shape filled with one value.

    Args:
        x: tensor of any shape.
        fill_value: number or tensor that broadcasts to x's shape.
        dtype: name; None: x's.

    Example:
        >>> keras.ops.full_like([1.0, 2.0], 7.0)
        Array([7., 7.], dtype=float32)
    """
    return full(active().shape(x), fill_value, dtype or active().dtype(x))


@op
def zeros_like(x: Tensor, dtype: Any = None) -> Tensor:
    """Zeros of x's shape.

    Args:
        x: tensor of any shape.
        dtype: name; None: x's.

    Example:
        >>> keras.ops.zeros_like([5.0, 6.0])
        Array([0., 0.], dtype=float32)
    """
    engine = active()
    return engine.full(engine.shape(x), 0, dtypes.standardize(dtype or engine.dtype(x)))


@op
def ones_like(x: Tensor, dtype: Any = None) -> Tensor:
    """Ones of x's shape.

    Args:
        x: tensor of any shape.
        dtype: name; None: x's.

    Example:
        >>> keras.ops.ones_like([5.0, 6.0])
        Array([1., 1.], dtype=float32)
    """
    engine = active()
    return engine.full(engine.shape(x), 1, dtypes.standardize(dtype or engine.dtype(x)))


@op
def empty_like(x: Tensor, dtype: Any = None) -> Tensor:
    """A tensor of x's shape whose values do not matter (they are zeros).

    Args:
        x: tensor of any shape.
        dtype: name; None: x's.

    Example:
        >>> keras.ops.empty_like([1.0, 2.0])
        Array([0., 0.], dtype=float32)
    """
    return zeros_like(x, dtype)


@op
def arange(start: Any, stop: Any = None, step: Any = None, dtype: Any = None) -> Tensor:
    """start, start + step, ... below stop.

    Args:
        start: first number; the only argument is `stop`, and `start` is then 0.
        stop: end, not included.
        step: distance, 1 unless given.
        dtype: name; None: the common dtype of the numbers.

    Returns:
        tensor of shape (⌈(stop - start) / step⌉,).

    Example:
        >>> keras.ops.arange(0, 10, 3)
        Array([0, 3, 6, 9], dtype=int32)
    """
    given = [v for v in (start, stop, step) if v is not None]
    name = dtypes.result_type(*map(_kind, given)) if dtype is None else dtypes.standardize(dtype)
    start, stop = (0, start) if stop is None else (start, stop)
    return active().arange(start, stop, 1 if step is None else step, name)


def _kind(value: Any) -> Any:
    return type(value) if isinstance(value, (int, float)) else dtypes.standardize(value.dtype)


@op
def linspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
) -> Any:
    """`num` evenly spaced numbers from start to stop.

    Args:
        start, stop: numbers or tensors whose shapes broadcast.
        num: how many, an int or an integer scalar whose value is known.
        endpoint: whether `stop` is the last one.
        retstep: also return the distance.
        dtype: name; None: the common floating dtype of start and stop.
        axis: where the new axis stands in the result.

    Returns:
        tensor with a new axis of length `num`, or (tensor, distance).

    Example:
        >>> keras.ops.linspace(0.0, 1.0, 3)
        Array([0. , 0.5, 1. ], dtype=float32)
    """
    name = dtypes.floating(_common(start, stop)) if dtype is None else dtypes.standardize(dtype)
    work, engine = dtypes.floating(name), active()
    num = _count(num)
    start, stop = convert_to_tensor(start, work), convert_to_tensor(stop, work)
    steps = py.max(num - 1 if endpoint else num, 1)
    distance = engine.divide(engine.subtract(stop, start), float(steps))
    fractions = engine.divide(engine.arange(0, num, 1, work), float(steps))
    column = engine.reshape(fractions, (num, *(1,) * len(engine.shape(distance))))
    rest = engine.multiply(engine.subtract(1.0, column), start)
    values = engine.add(rest, engine.multiply(column, stop))
    if name != work:  # integers: round down, as NumPy does
        values = engine.floor(values)
    values = cast(moveaxis(values, 0, axis), name)
    return (values, distance) if retstep else values


def _count(num: Any) -> int:
    """A number of elements, given as an int or a scalar."""
    return int(active().numpy(num)) if active().is_tensor(num) else int(num)


def _common(*values: Any) -> str:
    """The dtype that values (numbers, arrays, tensors) have together."""
    kinds = [
        type(v) if isinstance(v, (int, float)) else dtypes.standardize(convert_to_tensor(v).dtype)
        for v in values
    ]
    return dtypes.result_type(*kinds)


@op
def logspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    base: Any = 10,
    dtype: Any = None,
    axis: int = 0,
) -> Tensor:
    """base to the powers of `linspace`.

    Args:
        start, stop: exponents, numbers or tensors whose shapes broadcast.
        num: how many.
        endpoint: whether `stop` is the last exponent.
        base: of the powers.
        dtype: name; None: the common floating dtype of start and stop.
        axis: where the new axis stands in the result.

    Returns:
        tensor with a new axis of length `num`.

    Example:
        >>> keras.ops.logspace(0.0, 2.0, 3)
        Array([  1.,  10., 100.], dtype=float32)
    """
    name = dtypes.floating(_common(start, stop)) if dtype is None else dtypes.standardize(dtype)
    exponents = linspace(start, stop, num, endpoint, dtype=dtypes.floating(name), axis=axis)
    return cast(active().power(float(base), exponents), name)


@op
def geomspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0
) -> Tensor:
    """`num` numbers from start to stop in geometric progression.

    Args:
        start, stop: positive numbers or tensors whose shapes broadcast.
        num: how many.
        endpoint: whether `stop` is the last one.
        dtype: name; None: the common floating dtype of start and stop.
        axis: where the new axis stands in the result.

    Returns:
        tensor with a new axis of length `num`.

    Example:
        >>> keras.ops.geomspace(1.0, 100.0, 3)
        Array([  1.     ,  10.     , 100.00001], dtype=float32)
    """
    name = dtypes.floating(_common(start, stop)) if dtype is None else dtypes.standardize(dtype)
    work = dtypes.floating(name)
    first, last = (active().log(convert_to_tensor(v, work)) for v in (start, stop))
    return cast(active().exp(linspace(first, last, num, endpoint, dtype=work, axis=axis)), name)


@op
def tri(N: int, M: int | None = None, k: int = 0, dtype: Any = None) -> Tensor:
    """Ones at and below the k-th diagonal, zeros above.

    Args:
        N, M: rows and columns (None: N).
        k: diagonal; 0 is the main one, positive ones stand above it.
        dtype: name; None: floatx.

    Returns:
        tensor of shape (N, M).

    Example:
        >>> keras.ops.tri(3)
        Array([[1., 0., 0.],
               [1., 1., 0.],
               [1., 1., 1.]], dtype=float32)
    """
    return cast(active().less_equal(_diagonal_of(N, N if M is None else M), k), dtype)


def _diagonal_of(rows: Any, columns: Any) -> Any:
    """The number of the diagonal (column - row) that each place of a matrix lies on, int32."""
    engine = active()
    row, column = engine.arange(0, rows, 1, "int32"), engine.arange(0, columns, 1, "int32")
    return engine.subtract(engine.expand_dims(column, (0,)), engine.expand_dims(row, (1,)))


@op
def eye(N: int, M: int | None = None, k: int = 0, dtype: Any = None) -> Tensor:
    """Ones on the k-th diagonal, zeros elsewhere.

    Args:
        N, M: rows and columns (None: N).
        k: diagonal; 0 is the main one, positive ones stand above it.
        dtype: name; None: floatx.

    Returns:
        tensor of shape (N, M).

    Example:
        >>> keras.ops.eye(2)
        Array([[1., 0.],
               [0., 1.]], dtype=float32)
    """
    return cast(active().equal(_diagonal_of(N, N if M is None else M), k), dtype)


@op
def identity(n: int, dtype: Any = None) -> Tensor:
    """The identity matrix.

    Args:
        n: rows and columns.
        dtype: name; None: floatx.

    Returns:
        tensor of shape (n, n).

    Example:
        >>> keras.ops.identity(2)
        Array([[1., 0.],
               [0., 1.]], dtype=float32)
    """
    return eye(n, dtype=dtype)


@op
def tril(x: Tensor, k: int = 0) -> Tensor:
    """x with zeros above the k-th diagonal.

    Args:
        x: tensor of shape (..., n, m).
        k: diagonal; 0 is the main one, positive ones stand above it.

    Returns:
        tensor of x's shape and dtype.

    Example:
        >>> keras.ops.tril([[1, 2], [3, 4]])
        Array([[1, 0],
               [3, 4]], dtype=int32)
    """
    engine = active()
    keep = engine.less_equal(_diagonal_of(*engine.shape(x)[-2:]), k)
    return engine.where(keep, x, zeros_like(x))


@op
def triu(x: Tensor, k: int = 0) -> Tensor:
    """x with zeros below the k-th diagonal.

    Args:
        x: tensor of shape (..., n, m).
        k: diagonal; 0 is the main one, positive ones stand above it.

    Returns:
        tensor of x's shape and dtype.

    Example:
        >>> keras.ops.triu([[1, 2], [3, 4]])
        Array([[1, 2],
               [0, 4]], dtype=int32)
    """
    engine = active()
    keep = engine.less_equal(k, _diagonal_of(*engine.shape(x)[-2:]))
    return engine.where(keep, x, zeros_like(x))


@op
def diag(x: Tensor, k: int = 0) -> Tensor:
    """A matrix with x on its k-th diagonal, or the k-th diagonal of the matrix x.

    Args:
        x: tensor of shape (n,) or (n, m).
        k: diagonal; 0 is the main one, positive ones stand above it.

    Returns:
        tensor of shape (n + |k|, n + |k|), or of the diagonal's length.

    Raises:
        ValueError: for another rank.

    Example:
        >>> keras.ops.diag([1, 2])
        Array([[1, 0],
               [0, 2]], dtype=int32)
    """
    rank = len(active().shape(x))
    if rank not in (1, 2):
        raise ValueError(f"diag: a vector or a matrix expected, got shape {active().shape(x)}")
    return diagflat(x, k) if rank == 1 else diagonal(x, k)


@op
def diagflat(x: Tensor, k: int = 0) -> Tensor:
    """A matrix with the flattened x on its k-th diagonal.

    Args:
        x: tensor of n elements.
        k: diagonal; 0 is the main one, positive ones stand above it.

    Returns:
        tensor of shape (n + |k|, n + |k|).

    Example:
        >>> keras.ops.diagflat([1, 2])
        Array([[1, 0],
               [0, 2]], dtype=int32)
    """
    engine = active()
    rows = engine.pad(ravel(x), ((py.max(-k, 0), py.max(k, 0)),), "constant", 0)
    here = engine.equal(_diagonal_of(*engine.shape(rows) * 2), k)
    return engine.where(here, engine.expand_dims(rows, (1,)), zeros((), engine.dtype(x)))


@op
def diagonal(x: Tensor, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
    """The diagonals of the matrices that two axes of x span.

    Args:
        x: tensor of rank at least 2.
        offset: which diagonal; 0 is the main one, positive ones stand above it.
        axis1, axis2: axes of rows and columns.

    Returns:
        tensor without these axes, with the diagonal as last axis.

    Example:
        >>> keras.ops.diagonal([[1, 2], [3, 4]])
        Array([1, 4], dtype=int32)
    """
    engine = active()
    x = moveaxis(x, (axis1, axis2), (-2, -1))
    rows, columns = engine.shape(x)[-2:]
    first, skip = py.max(-offset, 0), py.max(offset, 0)
    length = py.max(0, py.min(rows - first, columns - skip))
    index = np.arange(length, dtype=np.int32)
    flat = reshape(x, (*engine.shape(x)[:-2], rows * columns))
    places = engine.tensor((index + first) * columns + index + skip, "int32")
    return engine.take(flat, places, len(engine.shape(flat)) - 1)


@op
def meshgrid(*x: Tensor, indexing: str = "xy") -> list[Tensor]:
    """Coordinate grids of coordinate vectors.

    Args:
        x: tensors of shape (n₁,), (n₂,), ... (scalars count as (1,)).
        indexing: 'xy' puts the second vector on the first axis, 'ij' keeps the order.

    Returns:
        list of tensors of shape (n₂, n₁, ...) or (n₁, n₂, ...).

    Example:
        >>> x, y = keras.ops.meshgrid(np.array([1.0, 2.0]), np.array([3.0, 4.0]))
        >>> x
        Array([[1., 2.],
               [1., 2.]], dtype=float64)
    """
    if indexing not in ("xy", "ij"):
        raise ValueError(f"meshgrid: indexing must be 'xy' or 'ij', got {indexing!r}")
    engine, count = active(), len(x)
    vectors = [engine.reshape(v, (*(1,) * i, -1, *(1,) * (count - i - 1))) for i, v in enumerate(x)]
    lengths = tuple(engine.shape(v)[i] for i, v in enumerate(vectors))
    grids = [engine.broadcast_to(v, lengths) for v in vectors]
    return [swapaxes(g, 0, 1) for g in grids] if indexing == "xy" and count > 1 else grids


@op
def vander(x: Tensor, N: int | None = None, increasing: bool = False) -> Tensor:
    """The powers of x as columns.

    Args:
        x: tensor of shape (n,).
        N: number of columns; None: n.
        increasing: powers from 0 up rather than from N - 1 down.

    Returns:
        tensor of shape (n, N).

    Example:
        >>> keras.ops.vander([1, 2, 3])
        Array([[1, 1, 1],
               [4, 2, 1],
               [9, 3, 1]], dtype=int32)
    """
    engine = active()
    count = engine.shape(x)[0] if N is None else N
    powers = engine.tensor(np.arange(count)[:: 1 if increasing else -1].copy(), engine.dtype(x))
    return engine.power(engine.expand_dims(x, (1,)), engine.expand_dims(powers, (0,)))


# ------------------------------------------------------------------------------------------ shape


@op
def reshape(x: Tensor, newshape: Any) -> Tensor:
    """The elements of x, in order, in another shape.

    Args:
        x: tensor of any shape.
        newshape: int or sequence of ints, one of which may be -1: what is left.

    Returns:
        tensor of shape `newshape`.

    Raises:
        ValueError: when the numbers of elements differ.

    Example:
        >>> keras.ops.reshape([1, 2, 3, 4], (2, 2))
        Array([[1, 2],
               [3, 4]], dtype=int32)
    """
    if isinstance(newshape, (list, tuple)) and py.any(
        isinstance(n, AbstractTensor) for n in newshape
    ):  # sizes that are known when the graph is run
        sizes = tuple(None if n == -1 else n for n in shape_of(newshape))
        return AbstractTensor(sizes, active().dtype(x))
    return active().reshape(x, shape_of(newshape))


@op
def ravel(x: Tensor) -> Tensor:
    """The elements of x in one axis.

    Args:
        x: tensor of any shape.

    Returns:
        tensor of shape (size,).

    Example:
        >>> keras.ops.ravel([3, 1, 2])
        Array([3, 1, 2], dtype=int32)
    """
    return active().reshape(x, (-1,))


@op
def expand_dims(x: Tensor, axis: int | Sequence[int]) -> Tensor:
    """x with new axes of length 1.

    Args:
        x: tensor of any shape.
        axis: position or positions in the result.

    Returns:
        tensor of higher rank.

    Example:
        >>> keras.ops.expand_dims([1, 2], 0)
        Array([[1, 2]], dtype=int32)
    """
    count = len(axis) if isinstance(axis, (tuple, list)) else 1
    return active().expand_dims(x, axes_of(axis, x, count))


@op
def squeeze(x: Tensor, axis: int | Sequence[int] | None = None) -> Tensor:
    """x without axes of length 1.

    Args:
        x: tensor of any shape.
        axis: which; None: all of them.

    Returns:
        tensor of lower rank.

    Raises:
        ValueError: when one of the axes is longer.

    Example:
        >>> keras.ops.squeeze([[1, 2]])
        Array([1, 2], dtype=int32)
    """
    engine = active()
    ones = tuple(i for i, n in enumerate(engine.shape(x)) if isinstance(n, int) and n == 1)
    return engine.squeeze(x, ones if axis is None else axes_of(axis, x))


@op
def transpose(x: Tensor, axes: Sequence[int] | None = None) -> Tensor:
    """x with its axes permuted.

    Args:
        x: tensor of any shape.
        axes: axis i of the result is axis ``axes[i]`` of x; None: reversed.

    Returns:
        tensor of x's dtype.

    Raises:
        ValueError: when `axes` is not a permutation.

    Example:
        >>> keras.ops.transpose([[1, 2], [3, 4]])
        Array([[1, 3],
               [2, 4]], dtype=int32)
    """
    rank = len(active().shape(x))
    order = tuple(range(rank))[::-1] if axes is None else axes_of(tuple(axes), x)
    if len(order) != rank:
        raise ValueError(f"transpose: axes {axes} for a tensor of shape {active().shape(x)}")
    return active().transpose(x, order)


@op
def moveaxis(x: Tensor, source: Any, destination: Any) -> Tensor:
    """x with axes moved to other places, the others keeping their order.

    Args:
        x: tensor of any shape.
        source, destination: axes, ints or sequences of equal length.

    Returns:
        tensor of x's dtype.

    Example:
        >>> keras.ops.moveaxis(np.ones((2, 3, 4)), 0, -1)
        Array([[[1., 1.],
                [1., 1.],
                [1., 1.],
                [1., 1.]],
        <BLANKLINE>
               [[1., 1.],
                [1., 1.],
                [1., 1.],
                [1., 1.]],
        <BLANKLINE>
               [[1., 1.],
                [1., 1.],
                [1., 1.],
                [1., 1.]]], dtype=float64)
    """
    source, destination = axes_of(source, x), axes_of(destination, x)
    if len(source) != len(destination):
        raise ValueError(f"moveaxis: {source} and {destination} must be equally many axes")
    order = [i for i in range(len(active().shape(x))) if i not in source]
    for to, origin in sorted(zip(destination, source)):
        order.insert(to, origin)
    return active().transpose(x, tuple(order))


@op
def swapaxes(x: Tensor, axis1: int, axis2: int) -> Tensor:
    """x with two axes exchanged.

    Args:
        x: tensor of any shape.
        axis1, axis2: the axes.

    Returns:
        tensor of x's dtype.

    Example:
        >>> keras.ops.swapaxes([[1, 2], [3, 4]], 0, 1)
        Array([[1, 3],
               [2, 4]], dtype=int32)
    """
    order = list(range(len(active().shape(x))))
    a, b = axis_of(axis1, x), axis_of(axis2, x)
    order[a], order[b] = b, a
    return active().transpose(x, tuple(order))


@op
def broadcast_to(x: Tensor, shape: Any) -> Tensor:
    """x repeated along axes of length 1 and new leading axes.

    Args:
        x: tensor whose shape broadcasts to `shape`.
        shape: int or sequence of ints.

    Returns:
        tensor of that shape.

    Raises:
        ValueError: when it does not broadcast.

    Example:
        >>> keras.ops.broadcast_to([1, 2], (2, 2))
        Array([[1, 2],
               [1, 2]], dtype=int32)
    """
    return active().broadcast_to(x, shape_of(shape))


@op
def flip(x: Tensor, axis: int | Sequence[int] | None = None) -> Tensor:
    """x with the order along axes reversed.

    Args:
        x: tensor of any shape.
        axis: which; None: all.

    Returns:
        tensor of x's shape and dtype.

    Example:
        >>> keras.ops.flip([3, 1, 2])
        Array([2, 1, 3], dtype=int32)
    """
    return active().flip(x, axes_of(axis, x))


@op
def flipud(x: Tensor) -> Tensor:
    """x reversed along its first axis.

    Args:
        x: tensor of rank at least 1.

    Returns:
        tensor of x's shape and dtype.

    Example:
        >>> keras.ops.flipud([[1, 2], [3, 4]])
        Array([[3, 4],
               [1, 2]], dtype=int32)
    """
    return flip(x, 0)


@op
def fliplr(x: Tensor) -> Tensor:
    """x reversed along its second axis.

    Args:
        x: tensor of rank at least 2.

    Returns:
        tensor of x's shape and dtype.

    Example:
        >>> keras.ops.fliplr([[1, 2], [3, 4]])
        Array([[2, 1],
               [4, 3]], dtype=int32)
    """
    return flip(x, 1)


@op
def rot90(array: Tensor, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Tensor:
    """The array rotated by k quarter turns in a plane, from the first towards the second axis.

    Args:
        array: tensor of rank at least 2.
        k: number of quarter turns.
        axes: two different axes.

    Returns:
        tensor of the same dtype.

    Example:
        >>> keras.ops.rot90([[1, 2], [3, 4]])
        Array([[2, 4],
               [1, 3]], dtype=int32)
    """
    if len(active().shape(array)) < 2 or len(axes) != 2:
        raise ValueError(f"rot90: two axes of a tensor, got {axes} of {active().shape(array)}")
    a, b = axes_of(tuple(axes), array)
    turns = {0: (), 1: (b,), 2: (a, b), 3: (a,)}[k % 4]
    turned = active().flip(array, turns) if turns else array
    return swapaxes(turned, a, b) if k % 2 else turned


@op
def roll(x: Tensor, shift: Any, axis: Any = None) -> Tensor:
    """x with its elements moved along axes, around the end.

    Args:
        x: tensor of any shape.
        shift: number of places, or one per axis.
        axis: which; None: the flattened x.

    Returns:
        tensor of x's shape and dtype.

    Example:
        >>> keras.ops.roll([1, 2, 3], 1)
        Array([3, 1, 2], dtype=int32)
    """
    if axis is None:
        return reshape(roll(ravel(x), shift, 0), _known(active().shape(x)))
    axes = axes_of(axis, x)
    for a, places in zip(axes, shift if isinstance(shift, (tuple, list)) else [shift] * len(axes)):
        x = _rolled(x, places, a)
    return x


def _known(shape: Shape) -> tuple:
    """A shape to go back to, with -1 for an unknown length."""
    return tuple(-1 if n is None else n for n in shape)


def _rolled(x: Any, shift: int, axis: int) -> Any:
    length = active().shape(x)[axis]
    if length is None or length == 0:
        return x
    cut = -shift % length
    return active().concatenate([_part(x, cut, None, axis), _part(x, 0, cut, axis)], axis)


def _part(x: Any, start: int | None, stop: int | None, axis: int) -> Any:
    """x[start:stop] along an axis."""
    return active().slice(x, (*(py.slice(None),) * axis, py.slice(start, stop)))


@op
def repeat(x: Tensor, repeats: Any, axis: int | None = None) -> Tensor:
    """Each element repeated.

    Args:
        x: tensor of any shape.
        repeats: int, or one int per element along the axis.
        axis: along which; None: the flattened x.

    Returns:
        tensor of x's dtype.

    Example:
        >>> keras.ops.repeat([1, 2], 2)
        Array([1, 1, 2, 2], dtype=int32)
    """
    x, axis = (ravel(x), 0) if axis is None else (x, axis_of(axis, x))
    counts = np.asarray(repeats)
    many = counts.ndim == 1 and counts.size != 1
    return active().repeat(x, tuple(counts.tolist()) if many else int(counts.item()), axis)


@op
def tile(x: Tensor, repeats: Any) -> Tensor:
    """x repeated as a whole.

    Args:
        x: tensor of any shape.
        repeats: int or sequence of ints, how often along each axis; the shorter of `repeats` and
            x's shape is filled up with ones at the left.

    Returns:
        tensor of x's dtype.

    Example:
        >>> keras.ops.tile([1, 2], 2)
        Array([1, 2, 1, 2], dtype=int32)
    """
    engine, counts = active(), shape_of(repeats)
    rank = py.max(len(counts), len(engine.shape(x)))
    x = engine.expand_dims(x, tuple(range(rank - len(engine.shape(x)))))
    for axis, count in enumerate((1,) * (rank - len(counts)) + counts):
        single = engine.shape(x)[axis] == 1
        if not isinstance(count, int):  # known when the graph is run
            sizes = engine.shape(x)
            x = engine.expand_dims(x, (axis,))
            x = engine.broadcast_to(x, (*sizes[:axis], count, *sizes[axis:]))
            x = engine.reshape(x, (*sizes[:axis], -1, *sizes[axis + 1 :]))
        elif count != 1:
            x = engine.repeat(x, count, axis) if single else engine.concatenate([x] * count, axis)
    return x


@op
def pad(
    x: Tensor, pad_width: Any, mode: str = "constant", constant_values: float | None = None
) -> Tensor:
    """x with elements added at both sides of its axes.

    Args:
        x: tensor of any shape.
        pad_width: int, a pair (before, after), or one pair per axis.
        mode: 'constant', 'reflect' (mirrored without the edge) or 'symmetric' (with it).
        constant_values: number for mode 'constant', 0 unless given.

    Returns:
        tensor of x's dtype.

    Raises:
        ValueError: unknown mode, or `constant_values` with another mode.

    Example:
        >>> keras.ops.pad([1, 2], (1, 2))
        Array([0, 1, 2, 0, 0], dtype=int32)
    """
    if mode not in ("constant", "reflect", "symmetric"):
        raise ValueError(f"pad: mode must be 'constant', 'reflect' or 'symmetric', got {mode!r}")
    if constant_values is not None and mode != "constant":
        raise ValueError(f"pad: constant_values goes with mode 'constant' only, got mode {mode!r}")
    rank = len(active().shape(x))
    pads = np.broadcast_to(np.asarray(pad_width), (rank, 2)).tolist()
    return active().pad(x, tuple(map(tuple, pads)), mode, constant_values or 0)


@op
def rearrange(tensor: Tensor, pattern: str, **axes_lengths: int) -> Tensor:
    """Axes split, reordered and merged, as a pattern like "b (h x) w -> b h (w x)" says.

    Args:
        tensor: tensor of any shape.
        pattern: the names of its axes, then those of the result; what stands in brackets is one
            axis of several.  https://arxiv.org/abs/2006.16666
        axes_lengths: lengths of named axes: of all but one in each pair of brackets at the left.

    Returns:
        tensor of the same elements.

    Raises:
        ValueError: when the pattern does not fit the shape, or lengths are missing.

    Example:
        >>> keras.ops.rearrange(np.ones((2, 3, 4)), "a b c -> c (a b)")
        Array([[1., 1., 1., 1., 1., 1.],
               [1., 1., 1., 1., 1., 1.],
               [1., 1., 1., 1., 1., 1.],
               [1., 1., 1., 1., 1., 1.]], dtype=float64)
    """
    shape = active().shape(tensor)
    left, right, sizes = _axis_groups(pattern, shape, axes_lengths)
    names = [name for group in left for name in group]
    x = tensor if len(names) == len(left) else reshape(tensor, _sizes(left, sizes, flat=True))
    order = [names.index(name) for group in right for name in group]
    x = transpose(x, order)
    return x if len(names) == len(right) else reshape(x, _sizes(right, sizes))


def _axis_groups(pattern: str, shape: Sequence, known: dict[str, int]) -> tuple[list, list, dict]:
    """(the groups of axes at the left, those at the right, each name's length) of a pattern."""
    if pattern.count("->") != 1:
        raise ValueError(f"rearrange: a pattern like 'b h w -> b (h w)' expected, got {pattern!r}")
    left, right = (
        [group.strip("()").split() for group in re.findall(r"\w+|\([^()]*\)", side)]
        for side in pattern.split("->")
    )
    names, wanted = (sorted(name for g in groups for name in g) for groups in (left, right))
    if len(left) != len(shape) or names != wanted or len(set(names)) < len(names):
        raise ValueError(
            f"rearrange: the pattern {pattern!r} must name each axis of the shape {tuple(shape)} "
            "once at each side"
        )
    sizes: dict[str, Any] = dict(known)
    for group, n in zip(left, shape):
        rest = [name for name in group if name not in known]
        product = math.prod(known[name] for name in group if name in known)
        wrong = isinstance(n, int) and (n % product if rest else n != product)
        if len(rest) > 1 or wrong or not known.keys() <= set(names):
            raise ValueError(
                f"rearrange: the lengths {known} do not divide the shape {tuple(shape)} as "
                f"{pattern!r} says (all but one name in brackets must be given)"
            )
        sizes.update(dict.fromkeys(rest, None if n is None else n // product))
    return left, right, sizes


def _sizes(groups: list, sizes: dict, flat: bool = False) -> list:
    """The lengths of groups of axes, or of the axes in them; one that is not known is -1."""
    found = [[sizes[name] for name in group] for group in groups]
    shape = [n for g in found for n in g] if flat else [
        None if None in g else math.prod(g) for g in found
    ]  # fmt: skip
    if None in shape:
        shape[shape.index(None)] = -1
    return shape


# ---------------------------------------------------------------------------------- join and cut


@op(promote=True)
def concatenate(xs: Sequence[Tensor], axis: int | None = 0) -> Tensor:
    """Tensors joined along an axis.

    Args:
        xs: tensors whose shapes differ along the axis only; promoted to their common dtype.
        axis: along which; None: all are flattened first.

    Returns:
        tensor of the common dtype.

    Raises:
        ValueError: when the shapes do not fit.

    Example:
        >>> keras.ops.concatenate([np.array([1.0, 2.0]), np.array([3.0])])
        Array([1., 2., 3.], dtype=float64)
    """
    if axis is None:
        return active().concatenate([ravel(x) for x in xs], 0)
    return active().concatenate(list(xs), axis_of(axis, xs[0]))


@op(promote=True)
def stack(x: Sequence[Tensor], axis: int = 0) -> Tensor:
    """Tensors joined along a new axis.

    Args:
        x: tensors of one shape; promoted to their common dtype.
        axis: position of the new axis in the result.

    Returns:
        tensor of the common dtype.

    Raises:
        ValueError: when the shapes differ.

    Example:
        >>> keras.ops.stack([np.array([1.0, 2.0]), np.array([3.0, 4.0])])
        Array([[1., 2.],
               [3., 4.]], dtype=float64)
    """
    return active().stack(list(x), axis_of(axis, x[0], 1))


@op(promote=True)
def append(x1: Tensor, x2: Tensor, axis: int | None = None) -> Tensor:
    """x2 appended to x1.

    Args:
        x1, x2: tensors whose shapes differ along the axis only.
        axis: along which; None: both are flattened first.

    Returns:
        tensor of the common dtype.

    Example:
        >>> keras.ops.append([1, 2], [3])
        Array([1, 2, 3], dtype=int32)
    """
    return concatenate([ravel(x1), ravel(x2)]) if axis is None else concatenate([x1, x2], axis)


@op(promote=True)
def hstack(xs: Sequence[Tensor]) -> Tensor:
    """Tensors joined along the second axis (vectors: the first).

    Args:
        xs: tensors whose shapes differ along that axis only.

    Returns:
        tensor of the common dtype.

    Example:
        >>> keras.ops.hstack([np.array([1.0, 2.0]), np.array([3.0])])
        Array([1., 2., 3.], dtype=float64)
    """
    xs = [_at_least(x, 1) for x in xs]
    return concatenate(xs, 0 if len(active().shape(xs[0])) == 1 else 1)


@op(promote=True)
def vstack(xs: Sequence[Tensor]) -> Tensor:
    """Tensors joined along the first axis; vectors count as rows.

    Args:
        xs: tensors whose shapes differ along that axis only.

    Returns:
        tensor of the common dtype.

    Example:
        >>> keras.ops.vstack([np.array([1.0, 2.0]), np.array([3.0, 4.0])])
        Array([[1., 2.],
               [3., 4.]], dtype=float64)
    """
    return concatenate([_at_least(x, 2) for x in xs], 0)


@op(promote=True)
def dstack(xs: Sequence[Tensor]) -> Tensor:
    """Tensors joined along the third axis; vectors (n,) count as (1, n, 1).

    Args:
        xs: tensors whose shapes differ along that axis only.

    Returns:
        tensor of the common dtype.

    Example:
        >>> keras.ops.dstack([np.array([1.0, 2.0]), np.array([3.0, 4.0])])
        Array([[[1., 3.],
                [2., 4.]]], dtype=float64)
    """
    two = [_at_least(x, 2) for x in xs]
    return concatenate([expand_dims(x, 2) if len(active().shape(x)) < 3 else x for x in two], 2)


def _at_least(x: Any, rank: int) -> Any:
    """x with leading axes up to `rank`."""
    return active().expand_dims(x, tuple(range(rank - len(active().shape(x)))))


@op
def split(x: Tensor, indices_or_sections: Any, axis: int = 0) -> list[Tensor]:
    """x cut into parts along an axis.

    Args:
        x: tensor of rank at least 1.
        indices_or_sections: number of equal parts, or the positions to cut at.
        axis: along which.

    Returns:
        list of tensors.

    Raises:
        ValueError: when the axis does not divide into that many parts.

    Example:
        >>> keras.ops.split([1, 2, 3, 4], 2)
        [Array([1, 2], dtype=int32), Array([3, 4], dtype=int32)]
    """
    axis = axis_of(axis, x)
    length = active().shape(x)[axis]
    if not isinstance(indices_or_sections, (int, np.integer)):
        return _cut(x, [int(i) for i in np.asarray(indices_or_sections)], axis)
    limits.take_calls(int(indices_or_sections))
    if length is None:
        return [_part(x, None, None, axis) for _ in range(indices_or_sections)]
    if length % indices_or_sections:
        raise ValueError(
            f"split: axis {axis} of the shape {active().shape(x)} does not divide into "
            f"{indices_or_sections} equal parts"
        )
    part = length // int(indices_or_sections)
    return _cut(x, [part * i for i in range(1, int(indices_or_sections))], axis)


def _cut(x: Any, places: list[int], axis: int) -> list:
    if active().shape(x)[axis] is None and py.all(i >= 0 for i in places):
        # shapes are being worked out: the axis is taken to be as long as the places say
        lengths = [py.max(b - a, 0) for a, b in zip([0, *places], places)]
        return [
            AbstractTensor((*x.shape[:axis], n, *x.shape[axis + 1 :]), x.dtype)
            for n in (*lengths, None)
        ]
    return [_part(x, a, b, axis) for a, b in zip([0, *places], [*places, None])]


@op
def array_split(x: Tensor, indices_or_sections: Any, axis: int = 0) -> list[Tensor]:
    """x cut into parts along an axis; the first parts are longer by one where it does not divide.

    Args:
        x: tensor of rank at least 1.
        indices_or_sections: number of parts, or the positions to cut at.
        axis: along which.

    Returns:
        list of tensors.

    Example:
        >>> keras.ops.array_split(np.arange(5), 2)
        [Array([0, 1, 2], dtype=int64), Array([3, 4], dtype=int64)]
    """
    if not isinstance(indices_or_sections, (int, np.integer)):
        return split(x, indices_or_sections, axis)
    axis, sections = axis_of(axis, x), int(indices_or_sections)
    limits.take_calls(sections)
    each, extra = divmod(active().shape(x)[axis], sections)
    lengths = [each + 1] * extra + [each] * (sections - extra)
    return _cut(x, np.cumsum(lengths)[:-1].tolist(), axis)


@op
def hsplit(x: Tensor, indices_or_sections: Any) -> list[Tensor]:
    """x cut along the second axis (vectors: the first), as `split`.

    Args:
        x: tensor of rank at least 1.
        indices_or_sections: number of equal parts, or the positions to cut at.

    Returns:
        list of tensors.

    Example:
        >>> keras.ops.hsplit([1, 2, 3, 4], 2)
        [Array([1, 2], dtype=int32), Array([3, 4], dtype=int32)]
    """
    return split(x, indices_or_sections, 0 if len(active().shape(x)) == 1 else 1)


@op
def vsplit(x: Tensor, indices_or_sections: Any) -> list[Tensor]:
    """x cut along the first axis, as `split`.

    Args:
        x: tensor of rank at least 2.
        indices_or_sections: number of equal parts, or the positions to cut at.

    Returns:
        list of tensors.

    Example:
        >>> keras.ops.vsplit([[1, 2], [3, 4]], 2)
        [Array([[1, 2]], dtype=int32), Array([[3, 4]], dtype=int32)]
    """
    return split(x, indices_or_sections, 0)


@op
def dsplit(x: Tensor, indices_or_sections: Any) -> list[Tensor]:
    """x cut along the third axis, as `split`.

    Args:
        x: tensor of rank at least 3.
        indices_or_sections: number of equal parts, or the positions to cut at.

    Returns:
        list of tensors.

    Example:
        >>> keras.ops.dsplit(np.ones((1, 1, 2)), 2)
        [Array([[[1.]]], dtype=float64), Array([[[1.]]], dtype=float64)]
    """
    return split(x, indices_or_sections, 2)


@op
def unstack(x: Tensor, num: int | None = None, axis: int = 0) -> list[Tensor]:
    """The tensors along an axis, without it.

    Args:
        x: tensor of rank at least 1.
        num: their number; needed when it is not known.
        axis: along which.

    Returns:
        list of tensors.

    Raises:
        ValueError: when the number is not known and not given, or differs.

    Example:
        >>> keras.ops.unstack([[1, 2], [3, 4]])
        [Array([1, 2], dtype=int32), Array([3, 4], dtype=int32)]
    """
    axis = axis_of(axis, x)
    length = active().shape(x)[axis]
    count = length if num is None else num
    if count is None or (isinstance(length, int) and length != count):
        raise ValueError(f"unstack: num={num} for axis {axis} of the shape {active().shape(x)}")
    limits.take_calls(count)
    return [active().slice(x, (*(py.slice(None),) * axis, i)) for i in range(count)]


# ----------------------------------------------------------------------------------------- order


@op
def sort(x: Tensor, axis: int | None = -1) -> Tensor:
    """x in ascending order, NaN last.

    Args:
        x: tensor of any shape.
        axis: along which; None: the flattened x.

    Returns:
        tensor of x's dtype.

    Example:
        >>> keras.ops.sort([3, 1, 2])
        Array([1, 2, 3], dtype=int32)
    """
    x, axis = (ravel(x), 0) if axis is None else (x, axis_of(axis, x))
    return active().sort(x, axis)


@op
def argsort(x: Tensor, axis: int | None = -1) -> Tensor:
    """The indices that put x in ascending order, equal elements in their order.

    Args:
        x: tensor of any shape.
        axis: along which; None: the flattened x.

    Returns:
        int32 tensor.

    Example:
        >>> keras.ops.argsort([3, 1, 2])
        Array([1, 2, 0], dtype=int32)
    """
    flat = axis is None or not active().shape(x)
    x, axis = (ravel(x), 0) if flat else (x, axis_of(axis, x))  # type: ignore[arg-type]
    return active().argsort(x, axis)


@op
def argpartition(x: Tensor, kth: int, axis: int | None = -1) -> Tensor:
    """Indices such that element `kth` is in its sorted place, smaller ones before it.

    Args:
        x: tensor of any shape.
        kth: position.
        axis: along which; None: the flattened x.

    Returns:
        int32 tensor (all in sorted order, which fulfils it for every kth).

    Example:
        >>> keras.ops.argpartition([3, 1, 2], 1)
        Array([1, 2, 0], dtype=int32)
    """
    return argsort(x, axis)


@op
def top_k(x: Tensor, k: int, sorted: bool = True) -> tuple[Tensor, Tensor]:
    """The k largest elements along the last axis, descending.

    Args:
        x: tensor of shape (..., n).
        k: how many, at most n.
        sorted: kept for compatibility; the result is always sorted.

    Returns:
        (values, int32 indices), both of shape (..., k).

    Example:
        >>> keras.ops.top_k([1, 5, 3], 2)
        (Array([5, 3], dtype=int32), Array([1, 2], dtype=int32))
    """
    return active().top_k(x, k)


@op(promote=True)
def searchsorted(sorted_sequence: Tensor, values: Tensor, side: str = "left") -> Tensor:
    """Where values would be inserted to keep a sequence sorted.

    Args:
        sorted_sequence: ascending, of shape (n,).
        values: tensor of any shape.
        side: 'left': before equal elements; 'right': after them.

    Returns:
        int32 tensor of the shape of `values`, in [0, n].

    Raises:
        ValueError: when the sequence is not 1-D, or for another side.

    Example:
        >>> keras.ops.searchsorted([1, 3, 5], [2, 5])
        Array([1, 2], dtype=int32)
    """
    if len(active().shape(sorted_sequence)) != 1 or side not in ("left", "right"):
        raise ValueError(
            "searchsorted: a 1-D sequence and side 'left' or 'right' expected, got shape "
            f"{active().shape(sorted_sequence)} and side {side!r}"
        )
    if active().dtype(values) == "bool":
        sorted_sequence, values = (cast(x, "int32") for x in (sorted_sequence, values))
    return active().searchsorted(sorted_sequence, values, side)


@op
def digitize(x: Tensor, bins: Any) -> Tensor:
    """The number of the bin that each element falls into: bins[i-1] ≤ x < bins[i].

    Args:
        x: tensor of any shape.
        bins: ascending borders, of shape (n,).

    Returns:
        int32 tensor of x's shape, in [0, n].

    Example:
        >>> keras.ops.digitize([0.5, 2.5], [0.0, 1.0, 2.0])
        Array([1, 3], dtype=int32)
    """
    return searchsorted(bins, x, "right")


@op
def unique(
    x: Tensor,
    sorted: bool = True,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
    size: int | None = None,
    fill_value: Any = None,
) -> Any:
    """The different elements of x, ascending.

    Args:
        x: tensor of any shape.
        sorted: kept for compatibility; the result is always sorted.
        return_index: also the index of each one's first occurrence.
        return_inverse: also the index into the result for each element of x.
        return_counts: also how often each occurs.
        axis: along which whole slices are compared; None: the elements of the flattened x.
        size: length of the result, cut or filled up; None: as many as there are.
        fill_value: what it is filled up with; None: the smallest element.

    Returns:
        tensor of shape (n,) (with an axis: x's shape with n there), or a tuple of it and what was
        asked for.  Its length depends on the data, so it does not run inside compiled steps.

    Example:
        >>> keras.ops.unique([3, 1, 3])
        Array([1, 3], dtype=int32)
    """
    engine = active()
    values, index, inverse, counts = engine.unique(x)
    inverse = reshape(inverse, _known(engine.shape(x)))
    axis = None if axis is None else axis_of(axis, x)
    if axis is not None:
        index, inverse, counts = _unique_slices(inverse, axis)
        values = engine.take(x, index, axis)
    if size is not None:
        place, n = axis or 0, engine.shape(x)
        if engine.capabilities["abstract"]:
            shape = (size,) if axis is None else (*n[:axis], size, *n[axis + 1 :])
            values = AbstractTensor(shape, engine.dtype(x))
            index = counts = AbstractTensor((size,), "int32")
        else:
            first = _part(values, 0, 1, place)
            fill = first if fill_value is None else full_like(first, fill_value)
            values = _resized(values, size, fill, place)
            index = _resized(index, size, index[:1], 0)
            counts = _resized(counts, size, zeros((1,), "int32"), 0)
    asked = zip((return_index, return_inverse, return_counts), (index, inverse, counts))
    extra = [tensor for wanted, tensor in asked if wanted]
    return (values, *extra) if extra else values


def _unique_slices(ranks: Any, axis: int) -> tuple:
    """What tells of the different slices along an axis: (index of the first of each, for each slice
    which it is, how many there are of each), of a tensor of the elements' ranks."""
    engine = active()
    if engine.capabilities["abstract"]:
        found = AbstractTensor((None,), "int32")
        return found, AbstractTensor((ranks.shape[axis],), "int32"), found
    _, *parts = np.unique(engine.numpy(ranks), True, True, True, axis=axis)
    return tuple(engine.tensor(part.reshape(-1), "int32") for part in parts)


def _resized(x: Any, size: int, fill: Any, axis: int) -> Any:
    """x cut or filled up to a length along an axis."""
    return _part(concatenate([x, repeat(fill, size, axis)], axis), 0, size, axis)


@op
def nonzero(x: Tensor) -> tuple[Tensor, ...]:
    """The indices of the elements that are not 0.

    Args:
        x: tensor of rank r.

    Returns:
        r int32 tensors of shape (n,).  n depends on the data, so it does not run inside compiled
        steps.

    Example:
        >>> keras.ops.nonzero([0, 3, 5])
        (Array([1, 2], dtype=int32),)
    """
    return active().nonzero(x)


@op
def unravel_index(indices: Tensor, shape: Any) -> tuple[Tensor, ...]:
    """Positions in a shape from positions in its flattened form.

    Args:
        indices: integer tensor of any shape.
        shape: sequence of ints.

    Returns:
        one tensor of that shape per axis.

    Example:
        >>> keras.ops.unravel_index(3, (2, 2))
        (Array(1, dtype=int32), Array(1, dtype=int32))
    """
    engine, result = active(), []
    indices = _integers(indices)
    for length in shape_of(shape)[::-1]:
        result.append(engine.remainder(indices, length))
        indices = engine.floor_divide(indices, length)
    return tuple(result[::-1])


# ---------------------------------------------------------------------------------------- indexing


@op(promote=("x1", "x2"))
def where(condition: Tensor, x1: Tensor | None = None, x2: Tensor | None = None) -> Any:
    """x1 where the condition holds, else x2.

    Args:
        condition: tensor; other dtypes than bool count as true when not 0.
        x1, x2: tensors or numbers; all three shapes broadcast.  Without them the result is that
            of `nonzero`.

    Returns:
        tensor of the broadcast shape and the common dtype of x1 and x2.

    Raises:
        ValueError: when only one of x1 and x2 is given, or shapes do not broadcast.

    Example:
        >>> keras.ops.where([True, False], [1, 2], [3, 4])
        Array([1, 4], dtype=int32)
    """
    if x1 is None and x2 is None:
        return active().nonzero(condition)
    if x1 is None or x2 is None:
        raise ValueError("where: give both x1 and x2, or none of them")
    engine = active()
    bools = engine.dtype(condition) == "bool"
    return engine.where(condition if bools else engine.cast(condition, "bool"), x1, x2)


@op
def select(condlist: Sequence[Tensor], choicelist: Sequence[Tensor], default: Any = 0) -> Tensor:
    """The first choice whose condition holds.

    Args:
        condlist: bool tensors.
        choicelist: as many tensors; all shapes broadcast.
        default: where no condition holds.

    Returns:
        tensor of the common dtype of the choices and the default.

    Example:
        >>> keras.ops.select([[True, False], [True, True]], [[1, 2], [3, 4]])
        Array([1, 4], dtype=int32)
    """
    if len(condlist) != len(choicelist) or not condlist:
        raise ValueError(f"select: {len(condlist)} conditions and {len(choicelist)} choices")
    for condition, choice in zip(reversed(condlist), reversed(choicelist)):
        default = where(condition, choice, default)
    return default


@op
def take(x: Tensor, indices: Tensor, axis: int | None = None) -> Tensor:
    """Elements of x at positions along an axis.

    Args:
        x: tensor of any shape.
        indices: integer tensor of any shape, values in [-n, n).
        axis: along which; None: the flattened x.

    Returns:
        tensor of x's dtype, the axis replaced by the shape of `indices`.

    Raises:
        TypeError: when the indices are not integers.

    Example:
        >>> keras.ops.take([10, 20, 30], [2, 0])
        Array([30, 10], dtype=int32)
    """
    x, axis = (ravel(x), 0) if axis is None else (x, axis_of(axis, x))
    return active().take(x, _integers(indices), axis)


def _integers(indices: Any) -> Any:
    name = active().dtype(indices)
    if name != "bool" and not dtypes.is_integer(name):
        raise TypeError(
            f"indices must be integers, got {name}; cast them, or use a layer that does"
        )
    return active().cast(indices, "int32") if name == "bool" else indices


@op
def take_along_axis(x: Tensor, indices: Tensor, axis: int | None = None) -> Tensor:
    """result[..., i, ...] = x[..., indices[..., i, ...], ...].

    Args:
        x: tensor of any shape.
        indices: integer tensor of the same rank; the other axes broadcast.
        axis: along which; None: both are flattened.

    Returns:
        tensor of x's dtype.

    Example:
        >>> keras.ops.take_along_axis([[10, 20], [30, 40]], [[1], [0]], axis=1)
        Array([[20],
               [30]], dtype=int32)
    """
    if axis is None:
        return active().take_along_axis(ravel(x), _integers(ravel(indices)), 0)
    return active().take_along_axis(x, _integers(indices), axis_of(axis, x))


@op
def slice(inputs: Tensor, start_indices: Any, shape: Any) -> Tensor:
    """The block of a static shape that begins at given positions.

    Args:
        inputs: tensor of rank r.
        start_indices: r positions: ints, or an integer tensor of shape (r,); a start past the end
            is moved back so that the block fits.
        shape: r ints; -1: all that follows the start, which is an int then.

    Returns:
        tensor of that shape.

    Raises:
        ValueError: -1 for an axis whose start is a tensor.

    Example:
        >>> keras.ops.slice([1, 2, 3, 4], [1], [2])
        Array([2, 3], dtype=int32)
    """
    starts, sizes = _starts(start_indices), shape_of(shape)
    if -1 in [n for n in sizes if isinstance(n, int)]:  # others are tensors, or not known
        sizes = tuple(map(_rest, active().shape(inputs), starts, sizes))
    return active().dynamic_slice(inputs, starts, sizes)


def _rest(length: int | None, start: Any, size: int | None) -> int | None:
    """The size of a block along an axis, where -1 means all that follows its start."""
    if not isinstance(size, int) or size != -1:
        return size
    if not isinstance(start, int):
        raise ValueError("slice: -1 in shape needs a start that is an int, got a tensor")
    return None if length is None else py.max(length - start, 0)


def _starts(start: Any) -> tuple:
    """Positions as a tuple of ints or int32 scalar tensors."""
    if isinstance(start, (tuple, list, np.ndarray)):
        whole = (int, np.integer)
        return tuple(int(i) if isinstance(i, whole) else cast(i, "int32") for i in start)
    vector = convert_to_tensor(start, "int32")
    return tuple(active().slice(vector, (i,)) for i in range(active().shape(vector)[0]))


@op
def slice_update(inputs: Tensor, start_indices: Any, updates: Any) -> Tensor:
    """inputs with the block that begins at given positions replaced.

    Args:
        inputs: tensor of rank r.
        start_indices: r positions: ints, or an integer tensor of shape (r,).
        updates: tensor of rank r, the new block; cast to the dtype of inputs.

    Returns:
        tensor of inputs' shape and dtype.

    Example:
        >>> keras.ops.slice_update([1, 2, 3, 4], [1], [20, 30])
        Array([ 1, 20, 30,  4], dtype=int32)
    """
    updates = convert_to_tensor(updates, active().dtype(inputs))
    return active().update_slice(inputs, _starts(start_indices), updates)


@op
def scatter(indices: Tensor, values: Tensor, shape: Any) -> Tensor:
    """Zeros with values added at positions.

    Args:
        indices: integer tensor of shape (*n, k).
        values: tensor of shape (*n, *shape[k:]); duplicates accumulate.
        shape: of the result.

    Returns:
        tensor of that shape and the dtype of values.

    Example:
        >>> keras.ops.scatter([[0], [2]], [10, 30], (4,))
        Array([10,  0, 30,  0], dtype=int32)
    """
    target = zeros(shape, active().dtype(values))
    return active().scatter(target, _integers(indices), values, "add")


_REDUCTIONS = {None: "set", "add": "add", "max": "max", "min": "min", "mul": "multiply"}


@op
def scatter_update(
    inputs: Tensor, indices: Tensor, updates: Tensor, reduction: str | None = None
) -> Tensor:
    """inputs changed at positions.

    Args:
        inputs: tensor of any shape.
        indices: integer tensor of shape (*n, k).
        updates: tensor of shape (*n, *inputs.shape[k:]); cast to the dtype of inputs.
        reduction: None: replaced; 'add', 'max', 'min' or 'mul': combined with what is there.

    Returns:
        tensor of inputs' shape and dtype.

    Raises:
        ValueError: for another reduction, or when the shapes do not fit.

    Example:
        >>> keras.ops.scatter_update([1, 2, 3], [[0], [2]], [10, 30])
        Array([10,  2, 30], dtype=int32)
    """
    if reduction not in _REDUCTIONS:
        raise ValueError(f"reduction must be one of {list(_REDUCTIONS)}, got {reduction!r}")
    updates = cast(updates, active().dtype(inputs))
    return active().scatter(inputs, _integers(indices), updates, _REDUCTIONS[reduction])


@op
def get_item(x: Tensor, key: Any) -> Tensor:
    """x[key], as NumPy's indexing.

    Args:
        x: tensor of any shape.
        key: int, slice, None, Ellipsis, integer or bool tensor, or a tuple of these.

    Returns:
        tensor of x's dtype.

    Raises:
        IndexError: too many indices, or out of range.

    Example:
        >>> keras.ops.get_item([1, 2, 3], 1)
        Array(2, dtype=int32)
    """
    keys = list(key) if isinstance(key, tuple) else [key]
    if not _has_index(keys):
        return active().slice(x, tuple(int(k) if _is_int(k) else k for k in keys))
    return _gather(x, _spelled_out(x, keys))


def _is_int(k: Any) -> bool:
    return isinstance(k, (int, np.integer)) and not isinstance(k, bool)


def _has_index(keys: list) -> bool:
    """Whether one of the keys is an index tensor (and not int, slice, None or Ellipsis)."""
    return py.any(
        not (_is_int(k) or k is None or k is Ellipsis or isinstance(k, py.slice)) for k in keys
    )


def _spelled_out(x: Any, keys: list) -> list:
    """One key per axis of x (None aside): Ellipsis resolved, masks as indices."""
    result: list = []
    for k in keys:
        if k is Ellipsis or k is None or _is_int(k) or isinstance(k, py.slice):
            result.append(k)
            continue
        index = convert_to_tensor(k)
        mask = active().dtype(index) == "bool"
        result.extend(active().nonzero(index) if mask else [index])
    missing = len(active().shape(x)) - py.sum(k is not None and k is not Ellipsis for k in result)
    if missing < 0:
        raise IndexError(f"{len(result)} indices for a tensor of shape {active().shape(x)}")
    place = next((i for i, k in enumerate(result) if k is Ellipsis), len(result))
    return result[:place] + [py.slice(None)] * missing + result[place + 1 :]


def _gather(x: Any, keys: list) -> Any:
    """Basic keys first, then one take along the merged axes of the index tensors.  As in NumPy,
    their axes come first in the result when a slice stands between them (or integers)."""
    engine = active()
    indexed = [i for i, k in enumerate(keys) if engine.is_tensor(k)]
    group = [i for i, k in enumerate(keys) if engine.is_tensor(k) or _is_int(k)]
    plain = [py.slice(None) if i in indexed else k for i, k in enumerate(keys)]
    axes = [py.sum(not _is_int(k) for k in plain[:i]) for i in indexed]
    first = group[0] if group[-1] - group[0] + 1 == len(group) else 0
    x = engine.slice(x, tuple(plain))
    x = moveaxis(x, axes, list(range(first, first + len(axes))))
    shape, end = engine.shape(x), first + len(axes)
    flat = engine.reshape(x, (*shape[:first], -1, *shape[end:])) if len(axes) > 1 else x
    return engine.take(flat, _merged([keys[i] for i in indexed], shape[first:end]), first)


def _merged(index: list, lengths: Sequence[int]) -> Any:
    """Positions in several axes as positions in the flattened axes."""
    engine = active()
    total = cast(index[0], "int32")
    for i, length in zip(index[1:], lengths[1:]):
        total = engine.add(
            engine.multiply(_wrapped(total, lengths[0]), length), _wrapped(i, length)
        )
        lengths = (None, *lengths[1:])  # type: ignore[arg-type, assignment]
    return total


def _wrapped(index: Any, length: Any) -> Any:
    """Negative positions counted from the end."""
    index = cast(index, "int32")
    return index if length is None else active().remainder(index, length)
