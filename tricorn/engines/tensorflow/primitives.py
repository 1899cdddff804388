"""The contract's primitives (tricorn/engines/contract.py) on TensorFlow.

A primitive is one raw operation where there is one, because ``tf.add`` and its like take three
times as long when they run eagerly.
"""

from __future__ import annotations

import builtins as py
import contextlib
import functools
import math
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tricorn import dtypes
from tricorn.arithmetic import Arithmetic
from tricorn.engines import common
from tricorn.engines.abstract import NeedsEngine
from tricorn.engines.contract import EngineError
from tricorn.engines.known import KNOWN
from tricorn.engines.tensorflow.private import EagerTensor, SymbolicTensor, record

CAPABILITIES = {
    "differentiates": True,
    "compiles": True,
    "traces": True,
    "complex": True,
    "sparse": True,
}
TENSOR_TYPES = (EagerTensor, SymbolicTensor)
HANDLE_TYPES = (tf.Variable, tf.IndexedSlices)  # gradients of a tape for rows of a variable
MODULE_METHODS = KNOWN["tensorflow"].module_methods

_raw = tf.raw_ops

# --------------------------------------------------------------------------------------- tensors

_name_of = functools.cache(lambda kind: kind.name)
FLOATING = frozenset(map(tf.as_dtype, (*dtypes.FLOATS, *dtypes.COMPLEX)))


def tensor(value: Any, dtype: str) -> tf.Tensor:
    if isinstance(value, (tf.Tensor, tf.Variable, tf.IndexedSlices)):
        return cast(tf.convert_to_tensor(value), dtype)
    if dtype == "string":
        return tf.constant(value, tf.string)
    # a copy: TensorFlow may keep a view of an array
    return tf.constant(np.array(value, dtypes.to_numpy(dtype)), dtype)


def _value(x: Any, dtype: Any = None, name: Any = None, as_ref: bool = False) -> Any:
    """A Variable as TensorFlow's own functions take it: the tensor it holds here."""
    value = x.value
    return value if isinstance(value, tf.Tensor) else tf.constant(np.asarray(value), dtype)


# before the conversion by way of NumPy, which gradients do not pass
tf.register_tensor_conversion_function(Arithmetic, _value, 50)


def numpy(x: tf.Tensor) -> np.ndarray:
    if not isinstance(x, EagerTensor):
        raise NeedsEngine(f"the tensor {x!r} of a traced function has no value yet")
    return np.array(x.numpy())


def is_tensor(x: Any) -> bool:
    return isinstance(x, tf.Tensor)


def shape(x: tf.Tensor) -> tuple:
    known = tuple(x.shape)
    if None in known:
        now = tf.shape(x)
        return tuple([now[i] if n is None else n for i, n in enumerate(known)])
    return known


def dtype(x: tf.Tensor) -> str:
    return _name_of(x.dtype)


def cast(x: tf.Tensor, dtype: str) -> tf.Tensor:
    kind = tf.as_dtype(dtype)
    if x.dtype == kind:
        return x
    if dtype == "bool":
        return _raw.NotEqual(x=x, y=tf.zeros((), x.dtype))
    if x.dtype.is_complex and not kind.is_complex:
        x = tf.math.real(x)
    return _raw.Cast(x=x, DstT=kind)


def full(shape: tuple, value: Any, dtype: str) -> tf.Tensor:
    if isinstance(value, tf.Tensor):
        return tf.broadcast_to(cast(value, dtype), packed(shape))
    return tf.fill(packed(shape), tf.constant(np.asarray(value, dtypes.to_numpy(dtype)), dtype))


def packed(numbers: Sequence) -> Any:
    """A shape or start as one int32 tensor when a part of it is a tensor."""
    numbers = tuple(numbers)
    if py.any(isinstance(n, tf.Tensor) for n in numbers):
        return tf.stack([tf.cast(n, tf.int32) for n in numbers])
    return np.array(numbers, np.int32)


def arange(start: Any, stop: Any, step: Any, dtype: str) -> tf.Tensor:
    if py.any(isinstance(v, tf.Tensor) for v in (start, stop, step)):
        return cast(tf.range(start, stop, step), dtype)
    return tensor(np.arange(start, stop, step).astype(dtypes.to_numpy(dtype)), dtype)


def device(name: str) -> contextlib.AbstractContextManager:
    kind, _, index = name.lower().partition(":")
    canonical = f"{kind}:{index or 0}"
    if canonical not in devices():
        raise EngineError(f"no device {name!r}; there are {', '.join(devices())}")
    return tf.device(canonical)


@functools.cache
def devices() -> list[str]:
    names = [":".join(d.name.lower().split(":")[-2:]) for d in tf.config.list_logical_devices()]
    return sorted(names, key=lambda name: name.startswith("cpu:"))  # TensorFlow's default is first


def place(x: tf.Tensor, device: str) -> tf.Tensor:
    with tf.device(device):
        return tf.identity(x)


def device_of(x: tf.Tensor) -> str | None:
    return ":".join(x.device.lower().split(":")[-2:]) or None


def profile(folder: str) -> Any:
    return tf.profiler.experimental.Profile(folder)


def is_eager() -> bool:
    return tf.executing_eagerly()


def block(x: Any) -> Any:
    if tf.executing_eagerly():
        tf.test.experimental.sync_devices()
    return x


# ----------------------------------------------------------------------------------- elementwise


def _unary(raw: Callable) -> Callable:
    return lambda x: raw(x=x)


def _by(wide: tf.DType, *kinds: tf.DType) -> Callable[[Callable], Callable]:
    """A decorator of operations that have no kernel for some dtypes: computed in another one."""

    def declare(fn: Callable) -> Callable:
        @functools.wraps(fn)
        def call(x: tf.Tensor, *args: Any) -> Any:
            kind = x.dtype
            if kind not in kinds:
                return fn(x, *args)
            args = tuple(tf.cast(y, wide) if getattr(y, "dtype", None) == kind else y for y in args)
            result = fn(tf.cast(x, wide), *args)
            if isinstance(result, tuple):
                return (tf.cast(result[0], kind), *result[1:])
            return tf.cast(result, kind)

        return call

    return declare


_of_halves = _by(tf.float32, tf.bfloat16, tf.float16)
_of_unsigned = _by(tf.int32, tf.uint8, tf.uint16)
_of_bool = _by(tf.int32, tf.bool)


def _keeps_integers(raw: Callable) -> Callable:
    return lambda x: raw(x=x) if x.dtype in FLOATING else x


def _of_floats(raw: Callable, others: bool) -> Callable:
    """A predicate that every integer and bool answers with `others`."""
    return lambda x: raw(x=x) if x.dtype in FLOATING else tf.fill(tf.shape(x), others)


negative = _of_unsigned(_unary(_raw.Neg))
sign = _of_unsigned(_unary(_raw.Sign))
floor = _keeps_integers(_raw.Floor)
ceil = _keeps_integers(_raw.Ceil)
round = _keeps_integers(_raw.Round)
sqrt = _unary(_raw.Sqrt)
rsqrt = _unary(_raw.Rsqrt)
exp = _unary(_raw.Exp)
expm1 = _unary(_raw.Expm1)
log = _unary(_raw.Log)
log1p = _unary(_raw.Log1p)
sin = _unary(_raw.Sin)
cos = _unary(_raw.Cos)
tan = _unary(_raw.Tan)
asin = _unary(_raw.Asin)
acos = _unary(_raw.Acos)
atan = _unary(_raw.Atan)
sinh = _unary(_raw.Sinh)
cosh = _unary(_raw.Cosh)
tanh = _unary(_raw.Tanh)
asinh = _unary(_raw.Asinh)
acosh = _unary(_raw.Acosh)
atanh = _unary(_raw.Atanh)
erf = _unary(_raw.Erf)
erfinv = _of_halves(_unary(_raw.Erfinv))
sigmoid = _unary(_raw.Sigmoid)
lgamma = _of_halves(_unary(_raw.Lgamma))
digamma = _of_halves(_unary(_raw.Digamma))
bitwise_not = _unary(_raw.Invert)
isfinite = _of_floats(_raw.IsFinite, True)
isnan = _of_floats(_raw.IsNan, False)
logical_not = _unary(_raw.LogicalNot)


def abs(x: tf.Tensor) -> tf.Tensor:
    if x.dtype.is_unsigned:
        return x
    return tf.abs(x) if x.dtype.is_complex else _raw.Abs(x=x)


def relu(x: tf.Tensor) -> tf.Tensor:
    return _raw.Relu(features=x)


def stop_gradient(x: tf.Tensor) -> tf.Tensor:
    return _raw.StopGradient(input=x)


def _binary(raw: Callable, of_bool: Callable | None = None) -> Callable:
    """A raw operation of two operands, of which one may be a Python scalar."""

    def call(x: Any, y: Any) -> tf.Tensor:
        kind = x.dtype if isinstance(x, tf.Tensor) else y.dtype
        if of_bool is not None and kind == tf.bool:
            return of_bool(x=x, y=y)
        if not isinstance(x, tf.Tensor):
            x = tf.constant(x, kind)
        elif not isinstance(y, tf.Tensor):
            y = tf.constant(y, kind)
        return raw(x=x, y=y)

    return call


add = _binary(_raw.AddV2, of_bool=_raw.LogicalOr)
subtract = _binary(_raw.Sub)
multiply = _binary(_raw.Mul, of_bool=_raw.LogicalAnd)
divide = _binary(_raw.RealDiv)
floor_divide = _binary(_raw.FloorDiv)
remainder = _binary(_raw.FloorMod)
atan2 = _binary(lambda x, y: _raw.Atan2(y=x, x=y))  # the ordinate first
equal = _binary(_raw.Equal)
not_equal = _binary(_raw.NotEqual)
less = _binary(_raw.Less, of_bool=lambda x, y: _raw.LogicalAnd(x=_raw.LogicalNot(x=x), y=y))
less_equal = _binary(
    _raw.LessEqual, of_bool=lambda x, y: _raw.LogicalOr(x=_raw.LogicalNot(x=x), y=y)
)
bitwise_and = _binary(_raw.BitwiseAnd)
bitwise_or = _binary(_raw.BitwiseOr)
bitwise_xor = _binary(_raw.BitwiseXor)
shift_left = _binary(_raw.LeftShift)
shift_right = _binary(_raw.RightShift)
logical_and = _binary(_raw.LogicalAnd)
logical_or = _binary(_raw.LogicalOr)
_power = _binary(_raw.Pow)


def power(x: Any, y: Any) -> tf.Tensor:
    if type(y) in (int, float) and y in (0, 1, 2):  # TensorFlow's gradient of x⁰ is NaN at 0
        return (tf.ones_like, tf.identity, tf.square)[int(y)](x)
    return _by_int(x, y) if isinstance(x, tf.Tensor) else _power(x, y)


_by_int = _of_unsigned(_power)


def _extreme(raw: Callable, of_bool: Callable) -> Callable:
    """The larger or smaller; TensorFlow gives the whole gradient of a tie to the first operand, so
    the mean of both orders shares it."""
    plain = _binary(raw, of_bool)

    def call(x: Any, y: Any) -> tf.Tensor:
        kind = x.dtype if isinstance(x, tf.Tensor) else y.dtype
        if kind not in FLOATING:
            return plain(x, y)
        half = tf.constant(0.5, kind)
        return half * plain(x, y) + half * plain(y, x)

    return call


maximum = _extreme(_raw.Maximum, of_bool=_raw.LogicalOr)
minimum = _extreme(_raw.Minimum, of_bool=_raw.LogicalAnd)


def shift_right_logical(x: Any, y: Any) -> tf.Tensor:
    kind = x.dtype if isinstance(x, tf.Tensor) else y.dtype
    unsigned = tf.as_dtype(f"uint{8 * kind.size}")
    x, y = (tf.bitcast(tf.convert_to_tensor(v, kind), unsigned) for v in (x, y))
    return tf.bitcast(_raw.RightShift(x=x, y=y), kind)


def where(condition: tf.Tensor, x: Any, y: Any) -> tf.Tensor:
    kind = x.dtype if isinstance(x, tf.Tensor) else y.dtype
    x, y = (v if isinstance(v, tf.Tensor) else tf.constant(v, kind) for v in (x, y))
    return _raw.SelectV2(condition=condition, t=x, e=y)


def clip(x: tf.Tensor, low: Any, high: Any) -> tf.Tensor:
    low, high = (tf.convert_to_tensor(v, x.dtype) for v in (low, high))
    return _raw.Minimum(x=_raw.Maximum(x=x, y=low), y=high)


# ------------------------------------------------------------------------------- reduce and order


def _reduction(raw: Callable, of_bool: Callable | None = None) -> Callable:
    def reduction(x: tf.Tensor, axis: tuple[int, ...], keepdims: bool) -> tf.Tensor:
        chosen = raw if of_bool is None or x.dtype != tf.bool else of_bool
        return chosen(input=x, axis=np.array(axis, np.int32), keep_dims=keepdims)

    return reduction


sum = _reduction(_raw.Sum)
prod = _reduction(_raw.Prod)
mean = _reduction(_raw.Mean)


def _chosen(name: str, raw: Callable, of_bool: Callable) -> Callable:
    reduction = _reduction(raw, of_bool)

    def choice(x: tf.Tensor, axis: tuple[int, ...], keepdims: bool) -> tf.Tensor:
        if py.any(x.shape[i] == 0 for i in axis):  # TensorFlow gives infinities
            raise ValueError(f"{name}: nothing to choose from along axes {axis} of {x.shape}")
        return reduction(x, axis, keepdims)

    return choice


max = _chosen("max", _raw.Max, _raw.Any)
min = _chosen("min", _raw.Min, _raw.All)
any = _reduction(_raw.Any)
all = _reduction(_raw.All)


def _ordered(x: tf.Tensor, of_nan: str) -> tf.Tensor:
    """Integers in the order of the floats x, with NaN as the largest ("max") or least ("min").
    TensorFlow takes numbers near 0 (subnormal ones) for 0 when it compares floats."""
    if x.dtype not in FLOATING:
        return x
    bits = tf.bitcast(x, f"int{8 * x.dtype.size}")
    bits = tf.where(bits < 0, bits.dtype.min - bits, bits)  # negative floats descend, -0 is 0
    return tf.where(tf.math.is_nan(x), getattr(bits.dtype, of_nan), bits)


def _arg_reduction(raw: Callable, of_nan: str) -> Callable:
    def reduction(x: tf.Tensor, axis: int, keepdims: bool) -> tf.Tensor:
        found = raw(input=_ordered(x, of_nan), dimension=axis, output_type=tf.int32)
        return tf.expand_dims(found, axis) if keepdims else found

    return reduction


argmax = _arg_reduction(_raw.ArgMax, "max")
argmin = _arg_reduction(_raw.ArgMin, "min")


def cumsum(x: tf.Tensor, axis: int) -> tf.Tensor:
    return tf.cumsum(x, axis)


def cumprod(x: tf.Tensor, axis: int) -> tf.Tensor:
    return tf.math.cumprod(x, axis)


def to_last(x: tf.Tensor, axis: int) -> tuple[tf.Tensor, Callable]:
    """`x` with an axis moved to the end, and what moves it back."""
    rank = len(x.shape)
    if axis == rank - 1:
        return x, lambda y: y
    there = [i for i in range(rank) if i != axis] + [axis]
    return tf.transpose(x, there), lambda y: tf.transpose(y, np.argsort(there))


def argsort(x: tf.Tensor, axis: int) -> tf.Tensor:
    x, back = to_last(x, axis)
    if x.dtype in (tf.bool, tf.uint8):
        x = tf.cast(x, tf.int32)
    count = shape(x)[-1]
    # top_k takes equal values in their order; on integers ~x reverses without overflow
    if x.dtype not in FLOATING:
        return back(tf.math.top_k(tf.bitwise.invert(x), count)[1])
    missing = tf.math.is_nan(x)
    order = tf.math.top_k(tf.where(missing, -np.inf, -x), count)[1]
    missing = tf.gather(tf.cast(missing, tf.int32), order, batch_dims=len(x.shape) - 1)
    last = tf.math.top_k(-missing, count)[1]  # after infinity, which they stood among
    order = tf.gather(order, last, batch_dims=len(x.shape) - 1)
    return back(order)


def sort(x: tf.Tensor, axis: int) -> tf.Tensor:
    return take_along_axis(x, argsort(x, axis), axis)


@_of_bool
def top_k(x: tf.Tensor, k: int) -> tuple[tf.Tensor, tf.Tensor]:
    return tuple(tf.math.top_k(x, k))


def searchsorted(sorted_sequence: tf.Tensor, values: tf.Tensor, side: str) -> tf.Tensor:
    found = tf.searchsorted(sorted_sequence, tf.reshape(values, (-1,)), side)
    return tf.reshape(found, tf.shape(values))


# -------------------------------------------------------------------------------- shape and index


def reshape(x: tf.Tensor, shape: tuple) -> tf.Tensor:
    return _raw.Reshape(tensor=x, shape=packed(shape))


def expand_dims(x: tf.Tensor, axis: tuple[int, ...]) -> tf.Tensor:
    for i in sorted(axis):
        x = _raw.ExpandDims(input=x, axis=i)
    return x


def squeeze(x: tf.Tensor, axis: tuple[int, ...]) -> tf.Tensor:
    return _raw.Squeeze(input=x, axis=list(axis)) if axis else x


def transpose(x: tf.Tensor, axes: tuple[int, ...]) -> tf.Tensor:
    return _raw.Transpose(x=x, perm=np.array(axes, np.int32))


def broadcast_to(x: tf.Tensor, shape: tuple) -> tf.Tensor:
    return _raw.BroadcastTo(input=x, shape=packed(shape))


def concatenate(xs: Sequence[tf.Tensor], axis: int) -> tf.Tensor:
    if len(xs) == 1:  # the kernel wants two
        return _raw.Identity(input=xs[0])
    return _raw.ConcatV2(values=list(xs), axis=axis)


def stack(xs: Sequence[tf.Tensor], axis: int) -> tf.Tensor:
    return _raw.Pack(values=list(xs), axis=axis)


def slice(x: tf.Tensor, key: tuple) -> tf.Tensor:
    _check_key(key, x.shape)
    return x[key]


def _check_key(key: tuple, shape: Sequence[int | None]) -> None:
    """IndexError where an int of a basic-indexing key is outside of its axis."""
    axes = [k for k in key if k is not None]
    if Ellipsis in axes:
        at = axes.index(Ellipsis)
        axes[at : at + 1] = [py.slice(None)] * (len(shape) - len(axes) + 1)
    for i, (k, length) in enumerate(zip(axes, shape)):
        if isinstance(k, (int, np.integer)) and length is not None and not -length <= k < length:
            raise IndexError(f"index {k} is out of range for axis {i} of length {length}")


def _start(x: tf.Tensor, start: Sequence, size: Sequence) -> Any:
    """The start of a block, moved back so that it fits."""
    known = zip(start, shape(x), size)
    return packed(
        [
            tf.clip_by_value(tf.cast(begin, tf.int32), 0, length - count)
            if py.any(isinstance(v, tf.Tensor) for v in (begin, length, count))
            else py.min(py.max(begin, 0), length - count)
            for begin, length, count in known
        ]
    )


def dynamic_slice(x: tf.Tensor, start: Sequence, size: tuple[int, ...]) -> tf.Tensor:
    return _raw.Slice(input=x, begin=_start(x, start, size), size=packed(size))


def update_slice(x: tf.Tensor, start: Sequence, update: tf.Tensor) -> tf.Tensor:
    size = shape(update)
    begin = _start(x, start, size)
    return _raw.TensorStridedSliceUpdate(
        input=x,
        begin=begin,
        end=begin + packed(size),
        strides=np.ones(len(size), np.int32),
        value=update,
    )


@_of_bool
def pad(x: tf.Tensor, pads: tuple, mode: str, value: Any) -> tf.Tensor:
    if mode == "constant":
        fill = tf.convert_to_tensor(value, x.dtype)
        known = not py.any(isinstance(n, tf.Tensor) for pair in pads for n in pair)
        widths = np.array(pads, np.int32) if known else tf.stack([packed(pair) for pair in pads])
        return _raw.PadV2(input=x, paddings=widths, constant_values=fill)
    for i, (before, after) in enumerate(pads):
        if before or after:
            places = common.padded_positions(x.shape[i], (before, after), mode)
            x = tf.gather(x, places, axis=i)
    return x


def flip(x: tf.Tensor, axis: tuple[int, ...]) -> tf.Tensor:
    return _raw.ReverseV2(tensor=x, axis=np.array(axis, np.int32))


def repeat(x: tf.Tensor, repeats: Any, axis: int) -> tf.Tensor:
    return tf.repeat(x, repeats, axis)


def _from_start(indices: tf.Tensor, length: Any) -> tf.Tensor:
    if indices.dtype not in (tf.int32, tf.int64):
        indices = tf.cast(indices, tf.int32)
    return tf.where(indices < 0, indices + tf.cast(length, indices.dtype), indices)


def take(x: tf.Tensor, indices: tf.Tensor, axis: int) -> tf.Tensor:
    places = _from_start(indices, shape(x)[axis])
    return _raw.GatherV2(params=x, indices=places, axis=axis)


def take_along_axis(x: tf.Tensor, indices: tf.Tensor, axis: int) -> tf.Tensor:
    places = _from_start(indices, shape(x)[axis])
    x, back = to_last(x, axis)
    places, _ = to_last(places, axis)
    if x.shape[:-1] != places.shape[:-1] or None in x.shape[:-1]:
        batch = tf.broadcast_dynamic_shape(tf.shape(x)[:-1], tf.shape(places)[:-1])
        static = tf.broadcast_static_shape(x.shape[:-1], places.shape[:-1])
        wide = [tf.concat([batch, tf.shape(v)[-1:]], 0) for v in (x, places)]
        last = x.shape[-1], places.shape[-1]
        x, places = tf.broadcast_to(x, wide[0]), tf.broadcast_to(places, wide[1])
        x, places = (tf.ensure_shape(v, [*static, n]) for v, n in zip((x, places), last))
    return back(tf.gather(x, places, batch_dims=len(x.shape) - 1))


_SCATTERS = {
    "set": _raw.TensorScatterUpdate,
    "add": _raw.TensorScatterAdd,
    "max": _raw.TensorScatterMax,
    "min": _raw.TensorScatterMin,
}


@_of_bool
def scatter(x: tf.Tensor, indices: tf.Tensor, updates: tf.Tensor, mode: str) -> tf.Tensor:
    depth = indices.shape[-1]
    lengths = shape(x)
    indices = _from_start(indices, packed(lengths[:depth]))
    if mode in _SCATTERS:
        return _SCATTERS[mode](tensor=x, indices=indices, updates=updates)
    row, count = tf.zeros_like(indices[..., 0]), 1  # position among the first `depth` axes as one
    for i, length in enumerate(lengths[:depth]):
        row, count = row * length + indices[..., i], count * length
    rest = packed(lengths[depth:])
    flat = tf.reshape(updates, tf.concat([[-1], rest], 0))
    factors = tf.math.unsorted_segment_prod(flat, tf.reshape(row, (-1,)), count)
    return x * tf.reshape(factors, packed(lengths))


# --------------------------------------------------------------------------------- linear algebra


def row_sum(x: tf.Tensor) -> tf.Tensor:
    """The sum of floating numbers over all axes but the last, as a product with ones.

    It takes 0.4 to 0.8 of the time of `BiasAddGrad`, and that no more than that of `Sum` (50 to
    32,768 rows of 32 to 1,024, two cores).
    """
    rows = reshape(x, (-1, x.shape[-1]))
    ones = tf.ones([shape(rows)[0], 1], x.dtype)
    return tf.squeeze(_raw.MatMul(a=rows, b=ones, transpose_a=True), 1)


def matmul(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    left, right = len(x.shape) == 1, len(y.shape) == 1
    x = tf.expand_dims(x, 0) if left else x
    y = tf.expand_dims(y, 1) if right else y
    if len(x.shape) == 2 == len(y.shape):
        z = _raw.MatMul(a=x, b=y)
    elif len(y.shape) == 2 and x.shape[-1]:
        # one product of all rows: a batch of products needs a sum over it in the gradient
        z = _raw.MatMul(a=reshape(x, (-1, x.shape[-1])), b=y)
        z = reshape(z, (*shape(x)[:-1], shape(y)[-1]))
    else:
        z = _raw.BatchMatMulV2(x=x, y=y)
    gone = [-2] * left + [-1] * right
    return tf.squeeze(z, gone) if gone else z


def einsum(subscripts: str, operands: Sequence[tf.Tensor]) -> tf.Tensor:
    plan = _as_product(subscripts) if len(operands) == 2 else None
    if plan is None or not py.all(x.dtype.is_floating for x in operands):
        return tf.einsum(subscripts, *operands)
    terms, batch, groups, result, swapped = plan
    x, y = reversed(operands) if swapped else operands
    sizes: dict[str, Any] = {}
    for term, of in zip(terms, (x, y)):
        for letter, size in zip(term, shape(of)):
            known = sizes.setdefault(letter, size)
            if not (isinstance(known, int) and known == size != 0):
                return tf.einsum(subscripts, *operands)  # it has the rules for these, and the words
    a, upright = _rows_and_columns(x, terms[0], batch, groups[0], groups[1], sizes)
    b, lying = _rows_and_columns(y, terms[1], batch, groups[1], groups[2], sizes)
    if batch:
        z = _raw.BatchMatMulV2(x=a, y=b, adj_x=not upright, adj_y=not lying)
    else:
        z = _raw.MatMul(a=a, b=b, transpose_a=not upright, transpose_b=not lying)
    found = batch + groups[0] + groups[2]
    z = z if len(found) == len(z.shape) else reshape(z, tuple([sizes[c] for c in found]))
    return z if found == result else transpose(z, tuple(map(found.index, result)))


@functools.cache
def _as_product(subscripts: str) -> tuple | None:
    """An einsum of two tensors as one product of matrices.

    Returns:
        (the operands' letters, those of the batch, (those of rows, summed over, of columns), the
        result's, whether the operands change places); None where it is none.
    """
    given, _, result = subscripts.replace(" ", "").partition("->")
    terms = tuple(given.split(","))
    if "." in given or py.any(len(set(term)) < len(term) for term in (*terms, result)):
        return None
    a, b = terms
    batch = "".join(c for c in result if c in a and c in b)
    rows = "".join(c for c in result if c in a and c not in b)
    columns = "".join(c for c in result if c in b and c not in a)
    if swapped := bool(columns) and result[-1] in rows:
        terms, rows, columns, (b, a) = (b, a), columns, rows, terms
    summed = "".join(c for c in a if c in b and c not in result)
    if not summed or {*batch, *rows, *columns, *summed} != {*a, *b}:
        return None
    return terms, batch, (rows, summed, columns), result, swapped


def _rows_and_columns(
    x: tf.Tensor, term: str, batch: str, rows: str, columns: str, sizes: dict[str, Any]
) -> tuple[tf.Tensor, bool]:
    """`x` as a batch of matrices, and whether the rows come before the columns; moved if it must
    be, with its last axis where it is if it can be."""
    orders = {batch + rows + columns: True, batch + columns + rows: False}
    order = py.max(orders, key=lambda o: (o == term, o[-1] == term[-1]))
    x = x if order == term else transpose(x, tuple(map(term.index, order)))
    groups = (rows, columns) if orders[order] else (columns, rows)
    if not py.all(len(group) == 1 for group in groups):
        merged = [math.prod([sizes[c] for c in group]) for group in groups]
        x = reshape(x, (*[sizes[c] for c in batch], *merged))
    return x, orders[order]


def cholesky(x: tf.Tensor) -> tf.Tensor:
    return tf.linalg.cholesky(x)


def qr(x: tf.Tensor, full: bool) -> tuple[tf.Tensor, tf.Tensor]:
    return tuple(tf.linalg.qr(x, full))


def svd(x: tf.Tensor, full: bool, vectors: bool) -> Any:
    if not vectors:
        return tf.linalg.svd(x, compute_uv=False)
    s, u, v = tf.linalg.svd(x, full)
    return u, s, tf.linalg.adjoint(v)


def eigh(x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    return tuple(tf.linalg.eigh(x))


def eig(x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    return tuple(tf.linalg.eig(x))


def lu(x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    packed, order = _lu(x)
    pivots = _on_host(_pivots, [tf.int32], order)[0]
    return packed, tf.ensure_shape(pivots, order.shape)


@tf.custom_gradient
def _lu(x: tf.Tensor) -> tuple[tuple[tf.Tensor, tf.Tensor], Callable]:
    """The packed factors of P⁻¹x = LU and P, whose gradient TensorFlow does not know:
    P L⁻ᵀ (tril(Lᵀ dL, -1) + triu(dU Uᵀ)) U⁻ᵀ."""
    packed, order = tf.linalg.lu(x)

    def pull(cotangent: tf.Tensor, _: Any) -> tf.Tensor:
        upper = tf.linalg.band_part(packed, 0, -1)
        lower = tf.linalg.set_diag(packed - upper, tf.ones_like(tf.linalg.diag_part(packed)))
        of_upper = tf.linalg.band_part(cotangent, 0, -1)
        below = tf.matmul(lower, cotangent - of_upper, transpose_a=True)
        inner = below - tf.linalg.band_part(below, 0, -1)
        inner += tf.linalg.band_part(tf.matmul(of_upper, upper, transpose_b=True), 0, -1)
        left = tf.linalg.triangular_solve(lower, inner, lower=True, adjoint=True)
        solved = tf.linalg.triangular_solve(upper, tf.linalg.matrix_transpose(left), lower=False)
        rows = tf.argsort(order, -1)
        return tf.gather(tf.linalg.matrix_transpose(solved), rows, batch_dims=len(order.shape) - 1)

    return (packed, order), pull


def _pivots(order: np.ndarray) -> tuple[np.ndarray]:
    """The row each row is exchanged with in turn, from the order all exchanges lead to."""
    pivots = np.empty_like(order)
    for batch in np.ndindex(order.shape[:-1]):
        now = list(range(order.shape[-1]))
        for i, row in enumerate(order[batch]):
            j = now.index(row)
            now[i], now[j] = now[j], now[i]
            pivots[(*batch, i)] = j
    return (pivots,)


def _on_host(fn: Callable, types: list, x: tf.Tensor) -> Sequence[tf.Tensor]:
    """Results of a NumPy function, in graphs by a call back to Python."""
    if isinstance(x, EagerTensor):
        return [tf.constant(found, kind) for found, kind in zip(fn(x.numpy()), types, strict=True)]
    return tf.numpy_function(fn, [x], types)


def _matrices(a: tf.Tensor, b: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Both with the same leading axes."""
    batch = tf.broadcast_dynamic_shape(tf.shape(a)[:-2], tf.shape(b)[:-2])
    return tuple(tf.broadcast_to(x, tf.concat([batch, tf.shape(x)[-2:]], 0)) for x in (a, b))


def solve(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    return tf.linalg.solve(*_matrices(a, b))


def solve_triangular(a: tf.Tensor, b: tf.Tensor, lower: bool) -> tf.Tensor:
    return tf.linalg.triangular_solve(*_matrices(a, b), lower)


def fft(x: tf.Tensor) -> tf.Tensor:
    return tf.signal.fft(x)


def ifft(x: tf.Tensor) -> tf.Tensor:
    return tf.signal.ifft(x)


def rfft(x: tf.Tensor, n: int) -> tf.Tensor:
    return tf.signal.rfft(x, [n])


def irfft(x: tf.Tensor, n: int) -> tf.Tensor:
    bins, have = n // 2 + 1, x.shape[-1]
    if have is not None and have != bins:  # TensorFlow's gradient knows no other number
        more = [[0, 0]] * (len(x.shape) - 1) + [[0, py.max(0, bins - have)]]
        x = tf.pad(x[..., :bins], more)
    return tf.signal.irfft(x, [n])


# ---------------------------------------------------------------------------------------- special


def bitcast(x: tf.Tensor, dtype: str) -> tf.Tensor:
    return tf.bitcast(x, dtype)


def complex(real: tf.Tensor, imag: tf.Tensor) -> tf.Tensor:
    zero = tf.zeros((), real.dtype)
    return tf.complex(real + zero * imag if real.shape != imag.shape else real, imag + zero * real)


def real(x: tf.Tensor) -> tf.Tensor:
    return tf.math.real(x)


def imag(x: tf.Tensor) -> tf.Tensor:
    return tf.math.imag(x) if x.dtype.is_complex else tf.zeros_like(x)


def nonzero(x: tf.Tensor) -> tuple[tf.Tensor, ...]:
    found = tf.cast(tf.where(cast(x, "bool")), tf.int32)
    return tuple(tf.unstack(found, axis=1))


def unique(x: tf.Tensor) -> tuple[tf.Tensor, ...]:
    def find(x: np.ndarray) -> tuple:
        values, *rest = np.unique(x.ravel(), True, True, True)
        return (values, *[found.ravel().astype(np.int32) for found in rest])

    return tuple(_on_host(find, [x.dtype, tf.int32, tf.int32, tf.int32], x))


# -------------------------------------------------------------------------------------- variables


def variable(value: Any, dtype: str, trainable: bool, name: str) -> tf.Variable:
    with tf.init_scope():
        return tf.Variable(tensor(value, dtype), trainable, name=variable_name(name))


def variable_name(path: str) -> str:
    """A Variable's path as a name that TensorFlow accepts."""
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "_./-") else "_" for c in path)
    return kept if kept[:1].isalnum() or kept[:1] == "." else f"v{kept}"


def read(handle: tf.Variable) -> tf.Tensor:
    return handle.value()


def write(handle: tf.Variable, value: Any) -> tf.Variable:
    handle.assign(value)
    return handle


def set_trainable(handle: tf.Variable, trainable: bool) -> None:
    handle._trainable = trainable  # what tapes ask


def is_live(x: tf.Tensor) -> bool:
    return not isinstance(x, EagerTensor) or record.should_record_backprop([x])


def _printed(x: tf.Tensor, message: str) -> tf.Tensor:
    """x, printed whenever it is computed."""
    with tf.control_dependencies([tf.print(message, x, output_stream=sys.stdout)]):
        return tf.identity(x)


foreign = common.foreign("tensorflow", "tricorn.engines.tensorflow.programs")


def _called_back(x: list, fn: Callable, shape: Callable, dtype: str) -> Any:
    """The op `on_host` in a graph: a call back to Python."""
    if py.all(isinstance(a, EagerTensor) for a in x):
        return NotImplemented
    kind = tf.as_dtype(dtype)

    def run(*arrays: Any) -> Any:
        found = np.asarray(fn(*arrays))
        return found if dtype == "string" else found.astype(kind.as_numpy_dtype)

    found = tf.numpy_function(run, x, kind, stateful=False)
    found.set_shape(shape(*[a.shape.as_list() for a in x]))
    return found


def _i0(x: tf.Tensor) -> Any:
    return tf.math.bessel_i0(x) if x.dtype in (tf.float32, tf.float64) else NotImplemented


def _extract_sequences(x: tf.Tensor, sequence_length: int, sequence_stride: int) -> tf.Tensor:
    return tf.signal.frame(x, sequence_length, sequence_stride)


OVERRIDES: dict[str, Callable] = {
    "extract_sequences": _extract_sequences,
    "i0": _i0,
    "printed": _printed,
    "on_host": _called_back,
    "split": common.in_equal_parts(tf.split),
}
