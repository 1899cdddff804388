"""Cases of the contract's primitives: arguments, and what NumPy or SciPy gives for them.

One table serves every engine: NumPy arrays among the arguments become tensors of the engine under
test, the rest is passed as it is.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.linalg
import scipy.special

from tricorn import dtypes, tree
from tricorn.engines.abstract import AbstractTensor

#: Largest error allowed relative to the largest value, by dtype.
TOLERANCE = {"float64": 1e-11, "complex128": 1e-11, "float32": 1e-5, "complex64": 1e-5}
COARSE = {"bfloat16": 2e-2, "float16": 2e-3}


@dataclass(frozen=True, eq=False)
class Case:
    """One call of a primitive.

    Attributes:
        name: the primitive.
        args: its arguments.
        reference: function of the same arguments in NumPy, or None where values are not unique.
        smooth: the derivative exists at these arguments and is tested.
        tolerance: a factor on the usual one, for ill-conditioned functions.
        label: tells cases of one primitive apart.
    """

    name: str
    args: tuple
    reference: Callable | None = None
    smooth: bool = False
    tolerance: float = 1.0
    label: str = ""

    def __str__(self) -> str:
        return f"{self.name}-{self.label}" if self.label else self.name

    def tensors(self, engine: Any) -> tuple:
        """The arguments as the engine takes them."""
        return tree.map(lambda x: to_tensor(engine, x), self.args)

    def uses_complex(self) -> bool:
        return self.name in ("fft", "ifft", "rfft", "irfft", "complex", "eig") or any(
            np.iscomplexobj(x) for x in tree.leaves(self.args) if isinstance(x, np.ndarray)
        )


def to_tensor(engine: Any, x: Any) -> Any:
    return engine.tensor(x, x.dtype.name) if isinstance(x, np.ndarray) else x


def call(engine: Any, name: str, args: tuple) -> Any:
    """A primitive on tensors, as the ops call it: within the engine's context."""
    with engine.context_of((args, {})) or contextlib.nullcontext():
        return getattr(engine, name)(*args)


def to_numpy(engine: Any, result: Any) -> Any:
    return tree.map(engine.numpy, result)


def assert_close(found: Any, expected: Any, factor: float = 1.0) -> None:
    """Trees of arrays are equal in structure, shape and dtype, and close in value."""
    assert tree.structure(found) == tree.structure(expected)
    for x, y in zip(tree.leaves(found), tree.leaves(expected)):
        assert (x.shape, x.dtype) == (y.shape, y.dtype)
        if x.dtype.name in TOLERANCE or x.dtype.name in COARSE:
            limit = TOLERANCE.get(x.dtype.name) or COARSE[x.dtype.name]
            wide = "complex128" if np.iscomplexobj(x) else "float64"
            x, y = x.astype(wide), y.astype(wide)
            finite = np.isfinite(y)
            np.testing.assert_array_equal(x[~finite], y[~finite])
            scale = np.abs(y[finite]).max(initial=0.0)
            np.testing.assert_allclose(x[finite], y[finite], rtol=0, atol=limit * factor * scale)
        else:
            np.testing.assert_array_equal(x, y)


def abstract_args(case: Case, unknown: Callable[[int], bool]) -> tuple:
    """The arguments as abstract tensors, the axes for which `unknown` holds without a length."""

    def convert(x: Any) -> Any:
        if not isinstance(x, np.ndarray):
            return x
        shape = [None if unknown(i) else n for i, n in enumerate(x.shape)]
        return AbstractTensor(shape, x.dtype.name)

    return tree.map(convert, case.args)


# ------------------------------------------------------------------------------------- arguments

_random = np.random.default_rng(7)


def floats(*shape: int, low: float = -2.0, high: float = 2.0, dtype: str = "float32") -> np.ndarray:
    return _random.uniform(low, high, shape).astype(dtypes.to_numpy(dtype))


def integers(*shape: int, low: int = -9, high: int = 10, dtype: str = "int32") -> np.ndarray:
    return _random.integers(low, high, shape).astype(dtype)


def booleans(*shape: int) -> np.ndarray:
    return _random.random(shape) < 0.5


def complexes(*shape: int, dtype: str = "complex64") -> np.ndarray:
    return (floats(*shape) + 1j * floats(*shape)).astype(dtype)


def positive_definite(*batch: int, n: int = 4) -> np.ndarray:
    x = floats(*batch, n, n)
    return x @ np.swapaxes(x, -1, -2) + 2 * np.eye(n, dtype=x.dtype)


KEY = np.array([42, -7], np.int32)
NAN, INF = np.nan, np.inf
SPECIAL = np.array([NAN, INF, -INF, 0.0, -0.0, 1.0, -1.5, 2.5], np.float32)

# -------------------------------------------------------------------------------------- reference


def in_double(fn: Callable) -> Callable:
    """`fn` computed in double precision; the result in the precision of the first argument."""

    def reference(*args: Any) -> Any:
        def widen(x: Any) -> Any:
            if not isinstance(x, np.ndarray) or x.dtype.kind in "biu":
                return x
            return x.astype("complex128" if np.iscomplexobj(x) else "float64")

        given = [x for x in tree.leaves(args) if isinstance(x, np.ndarray)]
        narrow = given[0].dtype
        real = {"complex64": "float32", "complex128": "float64"}.get(narrow.name, narrow)

        def back(x: Any) -> np.ndarray:
            x = np.asarray(x)
            if np.iscomplexobj(x):
                return x.astype("complex128" if narrow.itemsize > 4 + 4 * (narrow.kind == "c")
                                else "complex64")  # fmt: skip
            return x.astype(real) if x.dtype.kind == "f" else x

        with np.errstate(all="ignore"):
            return tree.map(back, fn(*tree.map(widen, args)))

    return reference


def _pooled(x: np.ndarray, size: tuple, strides: tuple, padding: tuple, fill: float) -> np.ndarray:
    """Windows of a channels-last batch: (batch, *positions, channels, *size)."""
    x = np.pad(x, ((0, 0), *padding, (0, 0)), constant_values=fill)
    axes = tuple(range(1, x.ndim - 1))
    windows = np.lib.stride_tricks.sliding_window_view(x, size, axes)
    return windows[(slice(None), *(slice(None, None, s) for s in strides))]


def _channels_last(fn: Callable) -> Callable:
    """`fn(x, ...)` on a channels-last batch, whatever the layout (the last argument) says."""

    def reference(x: np.ndarray, *args: Any) -> np.ndarray:
        if args[-1]:
            return fn(x, *args[:-1])
        return np.moveaxis(fn(np.moveaxis(x, 1, -1), *args[:-1]), -1, 1)

    return reference


@_channels_last
def conv_reference(x, kernel, strides, padding, dilation, groups):
    rank = len(strides)
    full = [(k - 1) * d + 1 for k, d in zip(kernel.shape, dilation)]
    windows = _pooled(x, tuple(full), strides, padding, 0)
    windows = windows[(..., *(slice(None, None, d) for d in dilation))]
    parts = []
    for one, weights in zip(
        np.split(windows, groups, rank + 1), np.split(kernel, groups, -1), strict=True
    ):
        taps = list(range(rank + 2, 2 * rank + 2))
        parts.append(np.tensordot(one, weights, ([*taps, rank + 1], list(range(rank + 1)))))
    return np.concatenate(parts, -1)


@_channels_last
def conv_transpose_reference(x, kernel, strides, padding, dilation):
    rank = len(strides)
    spread = [(n - 1) * s + 1 for n, s in zip(x.shape[1:-1], strides)]
    wide = np.zeros((x.shape[0], *spread, x.shape[-1]), x.dtype)
    wide[(slice(None), *(slice(None, None, s) for s in strides))] = x
    crop = tuple(slice(max(0, -a), n - max(0, -b)) for (a, b), n in zip(padding, spread))
    wide = wide[(slice(None), *crop)]
    pads = tuple((max(0, a), max(0, b)) for a, b in padding)
    flipped = np.swapaxes(np.flip(kernel, tuple(range(rank))), -1, -2)
    return conv_reference(wide, flipped, (1,) * rank, pads, dilation, 1, True)


@_channels_last
def max_pool_reference(x, size, strides, padding):
    return _pooled(x, size, strides, padding, -INF).max(tuple(range(-len(size), 0)))


@_channels_last
def average_pool_reference(x, size, strides, padding):
    axes = tuple(range(-len(size), 0))
    inside = _pooled(np.ones_like(x), size, strides, padding, 0).sum(axes)
    return _pooled(x, size, strides, padding, 0).sum(axes) / np.maximum(inside, 1)


@_channels_last
def nearest_reference(x, size):
    rows, columns = (
        np.minimum((np.arange(m) + 0.5) * n / m, n - 1).astype(int)
        for m, n in zip(size, x.shape[1:])
    )
    return x[:, rows][:, :, columns]


@_channels_last
def bilinear_reference(x, size):
    for axis, m in zip((1, 2), size):
        n = x.shape[axis]
        place = np.clip((np.arange(m) + 0.5) * n / m - 0.5, 0, n - 1)
        low = np.minimum(place.astype(int), n - 1)
        part = (place - low).reshape([-1 if i == axis else 1 for i in range(4)])
        high = np.minimum(low + 1, n - 1)
        x = x.take(low, axis) * (1 - part) + x.take(high, axis) * part
    return x


def scatter_reference(x, indices, updates, mode):
    x = x.copy()
    at = {"add": np.add, "max": np.maximum, "min": np.minimum, "multiply": np.multiply}
    place = tuple(np.moveaxis(indices, -1, 0))
    if mode == "set":
        x[place] = updates
    else:
        at[mode].at(x, place, updates)
    return x


def update_reference(x, start, update):
    x = x.copy()
    first = [min(int(s), n - m) for s, n, m in zip(start, x.shape, update.shape)]
    x[tuple(slice(s, s + m) for s, m in zip(first, update.shape))] = update
    return x


def dynamic_slice_reference(x, start, size):
    first = [min(int(s), n - m) for s, n, m in zip(start, x.shape, size)]
    return x[tuple(slice(s, s + m) for s, m in zip(first, size))]


def top_k_reference(x, k):
    order = np.argsort(-x, -1, kind="stable")[..., :k]
    return np.take_along_axis(x, order, -1), order.astype("int32")


def clip_reference(x, low, high):
    return np.minimum(np.maximum(x, x.dtype.type(low)), x.dtype.type(high))


def logical_shift(x, y):
    return (x.view("uint32") >> np.asarray(y).astype("uint32")).view("int32")


def arg(fn: Callable) -> Callable:
    return lambda x, axis, keepdims: fn(x, axis=axis, keepdims=keepdims).astype("int32")


def reduction(fn: Callable) -> Callable:
    return lambda x, axis, keepdims: np.asarray(fn(x, axis=axis, keepdims=keepdims)).astype(x.dtype)


def searchsorted_reference(sequence, values, side):
    return np.searchsorted(sequence, values, side).astype("int32")


def lu_reference(x):
    packed, pivots = scipy.linalg.lu_factor(x)
    return packed, pivots.astype("int32")


def unique_reference(x):
    values, *rest = np.unique(x.ravel(), True, True, True)
    return (values, *(found.astype("int32") for found in rest))


# ------------------------------------------------------------------------------------------ table

CASES: list[Case] = []


def case(name: str, *args: Any, ref: Callable | None = None, double: bool = True, **options: Any):
    """Add a case; `double`: the reference is computed in double precision."""
    reference = in_double(ref) if ref is not None and double else ref
    CASES.append(Case(name, args, reference, **options))


def exact(name: str, *args: Any, ref: Callable, **options: Any) -> None:
    case(name, *args, ref=ref, double=False, **options)


_UNARY: dict[str, tuple[Callable, tuple[float, float]]] = {
    "negative": (np.negative, (-2, 2)),
    "abs": (np.abs, (-2, 2)),
    "sign": (np.sign, (-2, 2)),
    "floor": (np.floor, (-4, 4)),
    "ceil": (np.ceil, (-4, 4)),
    "round": (np.round, (-4, 4)),
    "sqrt": (np.sqrt, (0.1, 9)),
    "rsqrt": (lambda x: 1 / np.sqrt(x), (0.1, 9)),
    "exp": (np.exp, (-4, 4)),
    "expm1": (np.expm1, (-4, 4)),
    "log": (np.log, (0.1, 9)),
    "log1p": (np.log1p, (-0.9, 9)),
    "sin": (np.sin, (-7, 7)),
    "cos": (np.cos, (-7, 7)),
    "tan": (np.tan, (-1.4, 1.4)),
    "asin": (np.arcsin, (-0.95, 0.95)),
    "acos": (np.arccos, (-0.95, 0.95)),
    "atan": (np.arctan, (-4, 4)),
    "sinh": (np.sinh, (-3, 3)),
    "cosh": (np.cosh, (-3, 3)),
    "tanh": (np.tanh, (-4, 4)),
    "asinh": (np.arcsinh, (-4, 4)),
    "acosh": (np.arccosh, (1.1, 9)),
    "atanh": (np.arctanh, (-0.95, 0.95)),
    "erf": (scipy.special.erf, (-3, 3)),
    "erfinv": (scipy.special.erfinv, (-0.95, 0.95)),
    "sigmoid": (scipy.special.expit, (-6, 6)),
    "relu": (lambda x: np.maximum(x, 0), (-2, 2)),
    "lgamma": (scipy.special.gammaln, (0.2, 9)),
    "digamma": (scipy.special.digamma, (0.2, 9)),
    "stop_gradient": (lambda x: x, (-2, 2)),
}
_FLAT = ("sign", "floor", "ceil", "round", "stop_gradient")
_ACCURACY = {"lgamma": 4, "digamma": 4, "tan": 4, "erfinv": 4, "log1p": 2}
for _name, (_reference, (_low, _high)) in _UNARY.items():
    for _dtype in ("float32", "float64", "bfloat16"):
        case(
            _name,
            floats(3, 4, low=_low, high=_high, dtype=_dtype),
            ref=_reference,
            smooth=_dtype == "float32" and _name not in _FLAT,
            tolerance=_ACCURACY.get(_name, 1),
            label=_dtype,
        )
for _name in ("negative", "abs", "sign", "floor", "ceil", "round", "relu", "stop_gradient"):
    exact(_name, integers(3, 4), ref=_UNARY[_name][0], label="int32")
case("round", np.array([0.5, 1.5, 2.5, -0.5, -1.5], np.float32), ref=np.round, label="halves")
case("expm1", np.array([1e-6, -1e-6], np.float32), ref=np.expm1, label="near 0")
case("log1p", np.array([1e-6, -1e-6], np.float32), ref=np.log1p, label="near 0")
case("sigmoid", np.array([-100, 100, 0], np.float32), ref=scipy.special.expit, label="far")
case("exp", np.array([-INF, INF, 0], np.float32), ref=np.exp, label="infinite")
case("abs", complexes(3, 4), ref=np.abs, label="complex")
for _name in ("exp", "sqrt", "sin", "tanh", "negative"):
    case(_name, complexes(3), ref=_UNARY[_name][0], label="complex", tolerance=2)
exact("bitwise_not", integers(3, 4), ref=np.bitwise_not)
exact("bitwise_not", integers(5, low=0, high=255, dtype="uint8"), ref=np.bitwise_not, label="uint8")
exact("isfinite", SPECIAL, ref=np.isfinite)
exact("isnan", SPECIAL, ref=np.isnan)
exact("logical_not", booleans(3, 4), ref=np.logical_not)

_BINARY: dict[str, Callable] = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "divide": np.divide,
    "floor_divide": np.floor_divide,
    "remainder": np.mod,
    "power": np.power,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "atan2": np.arctan2,
    "equal": np.equal,
    "not_equal": np.not_equal,
    "less": np.less,
    "less_equal": np.less_equal,
}
_SHAPES = {"same": ((3, 4), (3, 4)), "row": ((2, 3, 4), (4,)), "outer": ((3, 1), (1, 4)),
           "scalar": ((), (3,))}  # fmt: skip
_STEPS = ("floor_divide", "equal", "not_equal", "less", "less_equal")
for _name, _reference in _BINARY.items():
    _low = 0.2 if _name == "power" else -3
    for _label, (_left, _right) in _SHAPES.items():
        _x, _y = floats(*_left, low=_low, high=3), floats(*_right, low=_low, high=3)
        case(_name, _x, _y, ref=_reference, smooth=_name not in _STEPS, label=_label)
    _x, _y = floats(4, low=_low, dtype="float64"), floats(4, low=_low, dtype="float64")
    case(_name, _x, _y, ref=_reference, label="float64")
    case(_name, floats(4, low=max(_low, -2)), 0.75, ref=_reference, label="number")
    case(_name, 0.75, floats(4, low=0.2), ref=lambda a, b, f=_reference: f(np.float64(a), b),
         label="number first")  # fmt: skip
    if _name not in ("divide", "atan2"):
        _x = integers(3, 4, low=1 if _name == "power" else -9)
        _y = integers(3, 4, low=1, high=4)
        exact(_name, _x, _y, ref=_reference, label="int32")
        exact(_name, _x, 3, ref=lambda a, b, f=_reference: f(a, np.int32(b)), label="int number")
for _power in (-2, -1, 0, 1, 2, 3, 0.5):
    case("power", floats(4, low=0.3), _power, ref=np.power, smooth=True, label=f"{_power}")
case("power", floats(4), 2.0, ref=np.power, label="negative squared", smooth=True)
exact("add", booleans(3), booleans(3), ref=np.add, label="bool")
exact("multiply", booleans(3), booleans(3), ref=np.multiply, label="bool")
exact("maximum", SPECIAL, SPECIAL[::-1].copy(), ref=np.maximum, label="NaN wins")
exact("minimum", SPECIAL, SPECIAL[::-1].copy(), ref=np.minimum, label="NaN wins")
exact("equal", SPECIAL, SPECIAL, ref=np.equal, label="NaN")
for _name in ("bitwise_and", "bitwise_or", "bitwise_xor"):
    _fn = getattr(np, _name)
    exact(_name, integers(3, 4), integers(4), ref=_fn)
    exact(_name, integers(3), 5, ref=lambda a, b, f=_fn: f(a, np.int32(b)), label="number")
exact("shift_left", integers(3, 4), integers(4, low=0, high=31), ref=np.left_shift)
exact("shift_right", integers(3, 4), integers(4, low=0, high=31), ref=np.right_shift)
exact("shift_right_logical", integers(3, 4), integers(4, low=0, high=31), ref=logical_shift)
exact("shift_right_logical", integers(4), 3, ref=logical_shift, label="number")
exact("logical_and", booleans(3, 4), booleans(4), ref=np.logical_and)
exact("logical_or", booleans(3, 4), booleans(4), ref=np.logical_or)

exact("where", booleans(3, 1), floats(3, 4), floats(4), ref=np.where, smooth=True)
exact("where", booleans(3), floats(3), 0.5, label="number",
      ref=lambda c, x, y: np.where(c, x, x.dtype.type(y)))  # fmt: skip
exact("clip", floats(3, 4), -0.5, 1.0, ref=clip_reference, smooth=True)
exact("clip", SPECIAL, -1.0, 1.0, ref=clip_reference, label="special")
exact("clip", floats(5), 1.0, -1.0, ref=clip_reference, label="crossed bounds")
exact("clip", integers(5), -2, 2, ref=clip_reference, label="int32")
exact("cast", np.array([1.7, -1.7, 0.0], np.float32), "int32", ref=lambda x, d: x.astype(d))
exact("cast", SPECIAL, "bool", ref=lambda x, d: x != 0, label="bool")
exact("cast", booleans(3), "float32", ref=lambda x, d: x.astype(d), label="from bool")
exact("cast", floats(3), "float64", ref=lambda x, d: x.astype(d), label="wider")
exact("cast", floats(3, dtype="float64"), "float32", ref=lambda x, d: x.astype(d), label="narrower")
exact("cast", complexes(3), "float32", ref=lambda x, d: x.real, label="complex")
exact("full", (2, 3), 1.5, "float32", ref=lambda s, v, d: np.full(s, v, d))
exact("full", (2,), 3_000_000_000, "uint32", ref=lambda s, v, d: np.full(s, v, d), label="uint32")
exact("full", (), 2**40, "int64", ref=lambda s, v, d: np.full(s, v, d), label="int64")
exact("full", (2,), np.array(2.5, np.float32), "float32", label="tensor",
      ref=lambda s, v, d: np.full(s, v, d))  # fmt: skip
for _bounds in ((0, 5, 1), (2, 11, 3), (5, 0, -2), (3, 3, 1)):
    exact("arange", *_bounds, "int32", ref=lambda a, b, s, d: np.arange(a, b, s, d),
          label=str(_bounds))  # fmt: skip
exact("arange", 0.0, 1.0, 0.25, "float32", ref=lambda a, b, s, d: np.arange(a, b, s, d),
      label="float")  # fmt: skip

for _name in ("sum", "prod", "mean", "max", "min"):
    _fn = getattr(np, _name)
    for _axis, _keep in (((0,), False), ((0, 2), True), ((0, 1, 2), False), ((), False)):
        case(_name, floats(2, 3, 4, low=0.5), _axis, _keep, ref=reduction(_fn), smooth=True,
             label=f"{_axis}{'k' * _keep}")  # fmt: skip
    if _name != "mean":
        exact(_name, integers(3, 4), (1,), False, ref=reduction(_fn), label="int32")
        exact(_name, integers(3, 4, dtype="int8"), (1,), False, ref=reduction(_fn), label="int8")
case("max", SPECIAL, (0,), False, ref=reduction(np.max), label="NaN")
case("sum", floats(0, 3), (0,), False, ref=reduction(np.sum), label="empty")
case("prod", np.array([[0, 2.0, 3.0]], np.float32), (1,), False, ref=reduction(np.prod),
     smooth=True, label="zero")  # fmt: skip
for _name in ("any", "all"):
    for _axis in ((0,), (0, 1)):
        exact(_name, booleans(2, 3), _axis, False, ref=reduction(getattr(np, _name)),
              label=str(_axis))  # fmt: skip
for _name in ("argmax", "argmin"):
    exact(_name, floats(3, 4), 1, False, ref=arg(getattr(np, _name)))
    exact(_name, integers(3, 9, low=0, high=3), 1, True, ref=arg(getattr(np, _name)), label="ties")
for _name in ("cumsum", "cumprod"):
    for _axis in (0, 1):
        case(_name, floats(3, 4, low=0.5), _axis, ref=getattr(np, _name), smooth=True,
             label=str(_axis))  # fmt: skip
    _fn = getattr(np, _name)
    exact(_name, integers(5), 0, ref=lambda x, a, f=_fn: f(x, a, dtype=x.dtype), label="int32")
exact("sort", floats(3, 5), 1, ref=np.sort, smooth=True)
exact("sort", SPECIAL, 0, ref=np.sort, label="NaN last")
exact("sort", integers(6), 0, ref=np.sort, label="int32")
exact("argsort", integers(4, 9, low=0, high=3), 1,
      ref=lambda x, a: np.argsort(x, a, kind="stable").astype("int32"))  # fmt: skip
exact("top_k", floats(3, 6), 2, ref=top_k_reference)
exact("top_k", integers(9, low=0, high=3), 4, ref=top_k_reference, label="ties")
for _side in ("left", "right"):
    _values = np.array([[0, 2], [3, 9]], np.float32)
    exact("searchsorted", np.array([1, 2, 2, 5], np.float32), _values, _side,
          ref=searchsorted_reference, label=_side)  # fmt: skip

exact("reshape", floats(2, 6), (3, 4), ref=np.reshape, smooth=True)
exact("reshape", floats(2, 6), (-1, 3), ref=np.reshape, label="-1")
exact("reshape", floats(1), (), ref=np.reshape, label="scalar")
exact("expand_dims", floats(3, 4), (0, 2), ref=np.expand_dims, smooth=True)
exact("squeeze", floats(1, 3, 1), (0, 2), ref=np.squeeze, smooth=True)
exact("transpose", floats(2, 3, 4), (2, 0, 1), ref=np.transpose, smooth=True)
exact("broadcast_to", floats(3, 1), (2, 3, 4), ref=np.broadcast_to, smooth=True)
exact("concatenate", (floats(2, 3), floats(1, 3)), 0, ref=np.concatenate, smooth=True)
exact("concatenate", [integers(2, 1), integers(2, 3)], 1, ref=np.concatenate, label="int32")
exact("concatenate", [floats(2, 3)], 1, ref=np.concatenate, label="of one")
exact("stack", [floats(2, 3), floats(2, 3)], 1, ref=np.stack, smooth=True)
_KEYS = {
    "int": (1,),
    "negative int": (-1, 0),
    "slice": (slice(1, 3),),
    "step": (slice(None), slice(None, None, 2)),
    "reversed": (slice(None, None, -1), slice(3, 0, -2)),
    "new axis": (None, slice(None), None, 2),
    "ellipsis": (Ellipsis, 1),
    "both": (0, Ellipsis, None, slice(-3, None)),
    "empty": (slice(2, 2),),
    "beyond": (slice(-100, 100),),
}
for _label, _key in _KEYS.items():
    exact("slice", floats(3, 4, 5), _key, ref=lambda x, key: x[key], smooth=_label != "empty",
          label=_label)  # fmt: skip
for _start in ((1, 0), (5, 5)):
    exact("dynamic_slice", floats(4, 5), _start, (2, 3), ref=dynamic_slice_reference,
          smooth=True, label=str(_start))  # fmt: skip
    exact("update_slice", floats(4, 5), _start, floats(2, 3), ref=update_reference, smooth=True,
          label=str(_start))  # fmt: skip
exact("dynamic_slice", floats(4, 5), (np.array(1, np.int32), 2), (2, 3), label="tensor",
      ref=dynamic_slice_reference)  # fmt: skip
exact("update_slice", floats(4, 5), (np.array(9, np.int32), 2), floats(2, 3), label="tensor",
      ref=update_reference)  # fmt: skip
exact("pad", floats(2, 3), ((1, 0), (0, 2)), "constant", 1.5, smooth=True,
      ref=lambda x, p, m, v: np.pad(x, p, m, constant_values=v))  # fmt: skip
for _mode in ("reflect", "symmetric"):
    exact("pad", floats(3, 4), ((1, 2), (0, 3)), _mode, 0, ref=lambda x, p, m, v: np.pad(x, p, m),
          smooth=True, label=_mode)  # fmt: skip
exact("flip", floats(2, 3, 4), (0, 2), ref=np.flip, smooth=True)
exact("repeat", floats(2, 3), 2, 1, ref=np.repeat, smooth=True)
exact("repeat", floats(2, 3), (2, 0, 1), 1, ref=np.repeat, label="each")
_places = np.array([[0, 2], [-1, -3]], np.int32)
for _axis in (0, 1):
    exact("take", floats(3, 4), _places, _axis, ref=np.take, smooth=True, label=str(_axis))
exact("take", floats(3), np.array(2, np.int32), 0, label="scalar",
      ref=lambda x, i, axis: np.asarray(x[i]))  # fmt: skip
exact("take", floats(300), np.array([255, 3], np.uint8), 0, ref=np.take, label="uint8")
exact("take_along_axis", floats(2, 4), _places, 1, ref=np.take_along_axis, smooth=True)
exact("take_along_axis", floats(3, 4), np.array([[1, -1]], np.int32), 1, ref=np.take_along_axis,
      label="broadcast")  # fmt: skip
for _mode in ("add", "max", "min", "multiply"):
    exact("scatter", floats(4, 3), np.array([[0], [2], [0]], np.int32), floats(3, 3), _mode,
          ref=scatter_reference, smooth=_mode == "add", label=_mode)  # fmt: skip
exact("scatter", floats(4, 3), np.array([[[0, 1]], [[-1, 2]]], np.int32), floats(2, 1), "set",
      ref=scatter_reference, label="set")  # fmt: skip

for _left, _right in (
    ((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 4)), ((2, 3), (3, 4)), ((5, 1, 2, 3), (4, 3, 2)),
):  # fmt: skip
    case("matmul", floats(*_left), floats(*_right), ref=np.matmul, smooth=True,
         label=f"{_left}x{_right}")  # fmt: skip
exact("matmul", integers(2, 3), integers(3, 2), ref=np.matmul, label="int32")
for _subscripts, _operands in (
    ("ij,jk->ik", ((2, 3), (3, 4))), ("bij,bjk->bki", ((2, 3, 4), (2, 4, 5))), ("ij->", ((2, 3),)),
    ("...i,ij->...j", ((2, 3, 4), (4, 5))), ("ij,jk", ((2, 3), (3, 4))), ("ii->i", ((3, 3),)),
    ("i,j,k->kij", ((2,), (3,), (4,))), ("i...,i...->...", ((3, 2), (3, 2))),
):  # fmt: skip
    case("einsum", _subscripts, tuple(floats(*shape) for shape in _operands), smooth=True,
         ref=lambda s, xs: np.einsum(s, *xs), label=_subscripts)  # fmt: skip
case("cholesky", positive_definite(2), ref=np.linalg.cholesky)
case("qr", floats(2, 4, 3), False)
case("qr", floats(2, 4, 3), True, label="full")
for _full in (False, True):
    case("svd", floats(2, 4, 3), _full, True, label=f"full={_full}")
case("svd", floats(2, 4, 3), False, False, label="values",
     ref=lambda x, *_: np.linalg.svd(x, compute_uv=False))  # fmt: skip
case("eigh", positive_definite(2))
case("lu", floats(4, 4), ref=lu_reference, tolerance=4)
case("solve", positive_definite(2), floats(2, 4, 3), ref=np.linalg.solve, smooth=True, tolerance=4)
case("solve", positive_definite(), floats(2, 4, 3), ref=np.linalg.solve, label="broadcast",
     tolerance=4)  # fmt: skip
for _lower in (True, False):
    case("solve_triangular", positive_definite(), floats(4, 2), _lower, smooth=True,
         ref=lambda a, b, lower: scipy.linalg.solve_triangular(a, b, lower=lower),
         label=f"lower={_lower}", tolerance=4)  # fmt: skip
case("solve_triangular", positive_definite(2), floats(4, 3), True, label="broadcast")
case("fft", complexes(3, 8), ref=np.fft.fft)
case("ifft", complexes(3, 7), ref=np.fft.ifft)
for _n in (8, 5, 12):
    case("rfft", floats(3, 8), _n, ref=np.fft.rfft, label=str(_n))
    case("irfft", complexes(3, 5), _n, ref=np.fft.irfft, label=str(_n))

_CONVS = {
    # label: spatial, window, channels, filters, strides, padding, dilation, groups
    "1d": ((9,), (3,), 2, 4, (2,), ((1, 1),), (1,), 1),
    "causal": ((9,), (3,), 2, 4, (1,), ((4, 0),), (2,), 1),
    "2d": ((7, 6), (3, 3), 4, 5, (1, 1), ((1, 1), (1, 1)), (1, 1), 1),
    "1x1": ((5, 6), (1, 1), 3, 2, (2, 1), ((0, 0), (0, 0)), (1, 1), 1),
    "few channels": ((7, 6), (3, 2), 1, 3, (2, 1), ((0, 1), (1, 0)), (1, 1), 1),
    "dilated": ((9, 9), (3, 3), 4, 4, (1, 1), ((2, 2), (0, 0)), (2, 3), 1),
    "depthwise": ((6, 6), (3, 3), 4, 8, (1, 1), ((1, 1), (1, 1)), (1, 1), 4),
    "grouped": ((6, 6), (3, 3), 4, 6, (2, 2), ((1, 1), (0, 1)), (1, 1), 2),
    "3d": ((5, 4, 6), (2, 3, 3), 4, 3, (1, 1, 2), ((0, 1), (1, 1), (1, 1)), (1, 1, 1), 1),
}
_LAST = {True: "last", False: "first"}
for (_label, _c), _last in itertools.product(_CONVS.items(), (True, False)):
    _spatial, _window, _channels, _filters, _strides, _padding, _dilation, _groups = _c
    _x = floats(2, *_spatial, _channels)
    _x = _x if _last else np.moveaxis(_x, -1, 1).copy()
    case("conv", _x, floats(*_window, _channels // _groups, _filters), _strides, _padding,
         _dilation, _groups, _last, ref=conv_reference, smooth=True,
         label=f"{_label}-{_LAST[_last]}")  # fmt: skip
_TRANSPOSED = {
    "1d": ((4,), (3,), (2,), ((2, 2),), (1,)),
    "2d": ((4, 3), (3, 2), (2, 3), ((2, 1), (1, 2)), (1, 1)),
    "cropped": ((4, 4), (2, 2), (2, 2), ((-1, 1), (0, 0)), (1, 1)),
    "dilated": ((4, 4), (3, 3), (1, 2), ((4, 4), (3, 4)), (2, 2)),
    "3d": ((3, 2, 3), (2, 2, 2), (2, 1, 2), ((1, 1), (1, 1), (1, 1)), (1, 1, 1)),
}
for (_label, _c), _last in itertools.product(_TRANSPOSED.items(), (True, False)):
    _spatial, _window, _strides, _padding, _dilation = _c
    _x = floats(2, *_spatial, 3)
    _x = _x if _last else np.moveaxis(_x, -1, 1).copy()
    case("conv_transpose", _x, floats(*_window, 4, 3), _strides, _padding, _dilation, _last,
         ref=conv_transpose_reference, smooth=True, label=f"{_label}-{_LAST[_last]}")  # fmt: skip
_POOLS = {
    "1d": ((8,), (2,), (2,), ((0, 0),)),
    "2d": ((6, 7), (2, 3), (2, 2), ((0, 0), (1, 1))),
    "overlapping": ((7, 7), (3, 3), (1, 2), ((1, 1), (0, 2))),
    "gaps": ((9, 9), (2, 2), (3, 3), ((0, 0), (0, 0))),
    "3d": ((4, 4, 6), (2, 2, 3), (2, 2, 3), ((0, 0), (0, 0), (0, 0))),
}
for (_label, _c), _last in itertools.product(_POOLS.items(), (True, False)):
    _spatial, _window, _strides, _padding = _c
    _x = floats(2, *_spatial, 3)
    _x = _x if _last else np.moveaxis(_x, -1, 1).copy()
    for _name, _reference in (
        ("max_pool", max_pool_reference), ("average_pool", average_pool_reference),
    ):  # fmt: skip
        case(_name, _x, _window, _strides, _padding, _last, ref=_reference, smooth=True,
             label=f"{_label}-{_LAST[_last]}")  # fmt: skip
for _last in (True, False):
    _x = floats(2, 4, 5, 3) if _last else floats(2, 3, 4, 5)
    exact("resize", _x, (8, 3), "nearest", _last, False, label=f"nearest-{_LAST[_last]}",
          ref=lambda x, size, method, last, _: nearest_reference(x, size, last))  # fmt: skip
    case("resize", _x, (7, 11), "bilinear", _last, False, smooth=True,
         ref=lambda x, size, method, last, antialias: bilinear_reference(x, size, last),
         label=f"bilinear-{_LAST[_last]}")  # fmt: skip
for _method, _antialias in (("bicubic", False), ("lanczos3", False), ("bilinear", True)):
    case("resize", floats(2, 6, 6, 3), (3, 4), _method, True, _antialias, label=_method + "-down")

exact("bitcast", floats(3), "int32", ref=lambda x, d: x.view(d))
exact("bitcast", integers(3), "float32", ref=lambda x, d: x.view(d), label="back")
exact("complex", floats(3), floats(3), ref=lambda a, b: (a + 1j * b).astype("complex64"))
exact("complex", floats(3, dtype="float64"), floats(3, dtype="float64"),
      ref=lambda a, b: a + 1j * b, label="double")  # fmt: skip
exact("real", complexes(3), ref=lambda x: x.real)
exact("imag", complexes(3), ref=lambda x: x.imag)
exact("nonzero", integers(3, 4, low=0, high=2),
      ref=lambda x: tuple(found.astype("int32") for found in np.nonzero(x)))  # fmt: skip
exact("unique", integers(3, 4, low=0, high=5), ref=unique_reference)
case("eig", floats(2, 4, 4))

case("bits", KEY, (3, 4))
for _dtype in ("float32", "float64", "bfloat16"):
    case("uniform", KEY, (3, 4), _dtype, label=_dtype)
    case("normal", KEY, (3, 4), _dtype, label=_dtype)
case("bernoulli", KEY, (3, 4), 0.3)
case("randint", KEY, (3, 4), 2, 9, "int32")
case("randint", KEY, (3,), 2, 9, "int64", label="int64")
case("gamma", KEY, floats(3, 4, low=0.3), "float32")


def in_float64(case: Case) -> Case:
    """The case with its float32 arrays widened."""

    def widen(x: Any) -> Any:
        is_float = isinstance(x, np.ndarray) and x.dtype == np.float32
        return x.astype(np.float64) if is_float else x

    return replace(case, args=tree.map(widen, case.args))


def identities(case: Case, result: Any) -> tuple[np.ndarray, np.ndarray] | None:
    """Two arrays that a correct result makes equal, for factorisations (signs are free there)."""
    x = case.args[0]
    if case.name == "qr":
        return result[0] @ result[1], x
    if case.name == "svd" and case.args[2]:
        u, s, v = result
        k = s.shape[-1]
        return (u[..., :, :k] * s[..., None, :]) @ v[..., :k, :], x
    if case.name in ("eigh", "eig"):
        values, vectors = result
        return x @ vectors, vectors * values[..., None, :]
    if case.name == "solve_triangular":
        triangle = np.tril(x) if case.args[2] else np.triu(x)
        return triangle @ result, np.broadcast_to(case.args[1], result.shape)
    return None
