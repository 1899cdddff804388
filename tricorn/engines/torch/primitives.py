"""The contract's primitives (tricorn/engines/contract.py) on PyTorch, CPU and CUDA."""

from __future__ import annotations

import builtins as py
import contextlib
import functools
import math
import operator
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from tricorn import dtypes, memory, tracking
from tricorn.engines import common
from tricorn.engines.contract import EngineError
from tricorn.engines.known import KNOWN
from tricorn.engines.torch import kernels, private
from tricorn.engines.torch.kernels import in_functorch
from tricorn.engines.torch.tape import is_held, move

for _kind, _flatten, _unflatten in tracking.as_trees():
    private.register_tree(
        _kind, _flatten, lambda children, keys, make=_unflatten: make(keys, children)
    )

MODULE_TYPES = (torch.nn.Module,)
#: what layers have of `torch.nn.Module`
MODULE_METHODS = KNOWN["torch"].module_methods
CAPABILITIES = {"differentiates": True, "complex": True}
TENSOR_TYPES = (torch.Tensor, torch.nn.Parameter)
OVERRIDES = kernels.OVERRIDES

# --------------------------------------------------------------------------------------- tensors

_TYPES: dict[str, torch.dtype] = {
    name: getattr(torch, name) for name in dtypes.ALL if name != "string"
}
_NAMES = {kind: name for name, kind in _TYPES.items()}
#: dtypes that NumPy knows only through ml_dtypes -> an integer of the same width
_AS_INTEGER = {"bfloat16": "int16", "float8_e4m3fn": "int8", "float8_e5m2": "int8"}

_placed: ContextVar[torch.device | None] = ContextVar("tricorn_torch_device", default=None)


@functools.cache
def _best_device() -> torch.device:
    return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")


def default_device() -> torch.device:
    return _placed.get() or _best_device()


def torch_type(dtype: str) -> torch.dtype:
    if dtype == "string":
        raise EngineError(common.no_strings("torch"))
    return _TYPES[dtype]


def tensor(value: Any, dtype: str) -> torch.Tensor:
    kind = torch_type(dtype)
    if isinstance(value, torch.Tensor):
        return cast(value, dtype)
    if not isinstance(value, np.ndarray):
        value = np.asarray(value)
    if value.ndim == 0 and value.dtype.kind in "bif":
        return torch.full((), value.item(), dtype=kind, device=default_device())
    array = np.array(value, dtypes.to_numpy(dtype), order="C")  # a copy, writable
    same = _AS_INTEGER.get(dtype)
    if same is not None:
        return torch.from_numpy(array.view(same)).view(kind).to(default_device())
    return torch.from_numpy(array).to(default_device())


def numpy(x: torch.Tensor) -> np.ndarray:
    name = _NAMES[x.dtype]
    if name in _AS_INTEGER:
        bits = x.contiguous().view(_TYPES[_AS_INTEGER[name]]).numpy(force=True)
        return bits.copy().view(dtypes.to_numpy(name))
    return np.array(x.numpy(force=True))


def is_tensor(x: Any) -> bool:
    return isinstance(x, torch.Tensor)


def shape(x: torch.Tensor) -> tuple[int, ...]:
    return tuple(x.shape)


def dtype(x: torch.Tensor) -> str:
    return _NAMES[x.dtype]


def cast(x: torch.Tensor, dtype: str) -> torch.Tensor:
    kind = torch_type(dtype)
    if x.dtype is kind:
        return x
    if dtype == "bool":
        return x != 0
    if x.is_complex() and not kind.is_complex:
        x = x.real
    return x.to(kind)


def full(shape: tuple[int, ...], value: Any, dtype: str) -> torch.Tensor:
    if isinstance(value, torch.Tensor):
        return cast(value, dtype).expand(shape)
    return torch.full(shape, value, dtype=torch_type(dtype), device=default_device())


def arange(start: Any, stop: Any, step: Any, dtype: str) -> torch.Tensor:
    return tensor(np.arange(start, stop, step).astype(dtypes.to_numpy(dtype)), dtype)


def training(trains: bool = True, numbers: int | None = None) -> contextlib.AbstractContextManager:
    """On the CPU freed memory stays inside (`predict` of a small ResNet: 20 for 30 ms a batch)."""
    return memory.kept() if default_device().type == "cpu" else contextlib.nullcontext()


_unchanging: ContextVar[bool] = ContextVar("tricorn_torch_unchanging", default=False)


@functools.cache
def _heed_unchanging() -> None:
    """Let the operators of tensors that change the left one ask whether they may."""

    def asking(change: Callable, compute: Callable) -> Callable:
        return lambda x, y: (compute if _unchanging.get() else change)(x, y)

    for name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "and", "or", "xor"):
        own = getattr(torch.Tensor, f"__i{name}__"), getattr(torch.Tensor, f"__{name}__")
        setattr(torch.Tensor, f"__i{name}__", asking(*own))


@contextlib.contextmanager
def unchanging() -> Iterator[None]:
    _heed_unchanging()
    token = _unchanging.set(True)
    try:
        yield
    finally:
        _unchanging.reset(token)


@contextlib.contextmanager
def device(name: str) -> Iterator[None]:
    kind, _, index = name.lower().partition(":")
    try:
        chosen = torch.device({"gpu": "cuda"}.get(kind, kind), int(index or 0))
        torch.empty(0, device=chosen)
    except (RuntimeError, AssertionError, ValueError) as error:
        raise EngineError(f"no device {name!r}; there are {', '.join(devices())}") from error
    token = _placed.set(torch.device("cpu") if chosen.type == "cpu" else chosen)
    try:
        yield
    finally:
        _placed.reset(token)


def devices() -> list[str]:
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return [*(f"gpu:{i}" for i in range(gpus)), "cpu:0"]


def place(x: torch.Tensor, device: str) -> torch.Tensor:
    return x.to(device.replace("gpu", "cuda") if device.startswith("gpu") else "cpu")


def device_of(x: torch.Tensor) -> str:
    return f"gpu:{x.device.index or 0}" if x.device.type == "cuda" else f"{x.device.type}:0"


def profile(folder: str) -> Any:
    return torch.profiler.profile(on_trace_ready=torch.profiler.tensorboard_trace_handler(folder))


def random_state() -> tuple[np.ndarray, ...]:
    on_devices = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return tuple(state.numpy() for state in (torch.get_rng_state(), *on_devices))


def set_random_state(state: Any) -> None:
    if state is None:  # another engine's
        return
    torch.set_rng_state(torch.from_numpy(state[0]))
    for i, one in enumerate(state[1:]):
        torch.cuda.set_rng_state(torch.from_numpy(one), i)


def is_eager() -> bool:
    return not torch.compiler.is_compiling()


def block(x: Any) -> Any:
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.synchronize()
    return x


# ----------------------------------------------------------------------------------- elementwise

_UNSIGNED = frozenset((torch.uint16, torch.uint32))


def _widening(fn: Callable) -> Callable:
    """`fn`, which torch lacks for uint16 and uint32: there it is computed on int64."""

    @functools.wraps(fn)
    def call(*args: Any) -> Any:
        try:
            return fn(*args)
        except NotImplementedError:
            found = {a.dtype for a in args if isinstance(a, torch.Tensor)} & _UNSIGNED
            if not found:
                raise
            result = fn(*[a.long() if isinstance(a, torch.Tensor) else a for a in args])
            return result if result.dtype is torch.bool else result.to(found.pop())

    return call


def _paired(fn: Callable) -> Callable:
    """`fn` of two tensors, which also takes a Python scalar for one of them."""

    @functools.wraps(fn)
    def call(x: Any, y: Any) -> torch.Tensor:
        if not isinstance(y, torch.Tensor):
            y = torch.full((), y, dtype=x.dtype, device=x.device)
        elif not isinstance(x, torch.Tensor):
            x = torch.full((), x, dtype=y.dtype, device=y.device)
        return fn(x, y)

    return call


negative = _widening(torch.neg)
abs = _widening(torch.abs)
sign = _widening(torch.sgn)
floor = torch.floor
ceil = torch.ceil
round = torch.round
sqrt = torch.sqrt
rsqrt = torch.rsqrt
exp = torch.exp
expm1 = torch.expm1
log = torch.log
log1p = torch.log1p
sin = torch.sin
cos = torch.cos
tan = torch.tan
asin = torch.asin
acos = torch.acos
atan = torch.atan
sinh = torch.sinh
cosh = torch.cosh
tanh = torch.tanh
asinh = torch.asinh
acosh = torch.acosh
atanh = torch.atanh
erf = torch.erf
erfinv = torch.erfinv
sigmoid = torch.sigmoid
relu = _widening(torch.relu)
lgamma = torch.lgamma
digamma = torch.digamma
bitwise_not = _widening(torch.bitwise_not)
isfinite = torch.isfinite
isnan = torch.isnan
logical_not = torch.logical_not

add = _widening(operator.add)
subtract = _widening(operator.sub)
multiply = _widening(operator.mul)
divide = operator.truediv
remainder = _widening(operator.mod)
power = _widening(operator.pow)
floor_divide = _widening(_paired(lambda x, y: torch.div(x, y, rounding_mode="floor")))
maximum = _widening(_paired(torch.maximum))
minimum = _widening(_paired(torch.minimum))
atan2 = _paired(torch.atan2)
equal = _widening(operator.eq)
not_equal = _widening(operator.ne)
less = _widening(operator.lt)
less_equal = _widening(operator.le)
bitwise_and = _widening(operator.and_)
bitwise_or = _widening(operator.or_)
bitwise_xor = _widening(operator.xor)
shift_left = _widening(operator.lshift)
shift_right = _widening(operator.rshift)
logical_and = operator.and_
logical_or = operator.or_
where = torch.where


def stop_gradient(x: torch.Tensor) -> torch.Tensor:
    return x.detach()


@_paired
def shift_right_logical(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    width = 8 * x.dtype.itemsize
    if width < 64:
        return ((x.long() & (2**width - 1)) >> y.long()).to(x.dtype)
    without_sign = ((x >> 1) & (2**63 - 1)) >> (y - 1).clamp(min=0)
    return torch.where(y == 0, x, without_sign)


def clip(x: torch.Tensor, low: Any, high: Any) -> torch.Tensor:
    if isinstance(low, torch.Tensor) or isinstance(high, torch.Tensor):
        low, high = (torch.as_tensor(v, dtype=x.dtype, device=x.device) for v in (low, high))
    return torch.clamp(x, low, high)


# ------------------------------------------------------------------------------- reduce and order


def _reduction(fn: Callable) -> Callable:
    def reduction(x: torch.Tensor, axis: tuple[int, ...], keepdims: bool) -> torch.Tensor:
        return fn(x, axis, keepdims) if axis else x  # to torch an empty `dim` is every axis

    return _widening(reduction)


def _prod(x: torch.Tensor, axis: tuple[int, ...], keepdims: bool) -> torch.Tensor:
    for i in sorted(axis, reverse=True):
        x = torch.prod(x, i, keepdims, dtype=x.dtype)
    return x


sum = _reduction(lambda x, axis, keepdims: torch.sum(x, axis, keepdims, dtype=x.dtype))
prod = _reduction(_prod)
mean = _reduction(torch.mean)
max = _reduction(torch.amax)
min = _reduction(torch.amin)
any = _reduction(torch.any)
all = _reduction(torch.all)


def _arg_reduction(fn: Callable) -> Callable:
    def reduction(x: torch.Tensor, axis: int, keepdims: bool) -> torch.Tensor:
        if x.dtype is torch.bool:
            x = x.to(torch.uint8)
        elif x.dtype in _UNSIGNED:
            x = x.long()
        return fn(x, axis, keepdims).to(torch.int32)

    return reduction


argmax = _arg_reduction(torch.argmax)
argmin = _arg_reduction(torch.argmin)
cumsum = _widening(lambda x, axis: torch.cumsum(x, axis, dtype=x.dtype))
cumprod = _widening(lambda x, axis: torch.cumprod(x, axis, dtype=x.dtype))
sort = _widening(lambda x, axis: torch.sort(x, dim=axis, stable=True).values)


def argsort(x: torch.Tensor, axis: int) -> torch.Tensor:
    x = x.long() if x.dtype in _UNSIGNED else x
    return torch.argsort(x, dim=axis, stable=True).to(torch.int32)


def top_k(x: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    if k > x.shape[-1]:
        raise ValueError(f"k={k} of {x.shape[-1]}")
    # torch.topk leaves the order of equal values open
    values, places = torch.sort(x, dim=-1, descending=True, stable=True)
    return values[..., :k], places[..., :k].to(torch.int32)


def searchsorted(sorted_sequence: torch.Tensor, values: torch.Tensor, side: str) -> torch.Tensor:
    return torch.searchsorted(sorted_sequence, values.contiguous(), side=side, out_int32=True)


# -------------------------------------------------------------------------------- shape and index

reshape = torch.reshape
transpose = torch.permute
broadcast_to = torch.broadcast_to
concatenate = torch.cat
stack = torch.stack
flip = torch.flip


def squeeze(x: torch.Tensor, axis: tuple[int, ...]) -> torch.Tensor:
    if py.any(x.shape[i] != 1 for i in axis):  # torch would leave these
        raise ValueError(f"axes {axis} of {tuple(x.shape)}")
    return torch.squeeze(x, axis)


def expand_dims(x: torch.Tensor, axis: tuple[int, ...]) -> torch.Tensor:
    for i in sorted(axis):
        x = x.unsqueeze(i)
    return x


def slice(x: torch.Tensor, key: tuple) -> torch.Tensor:
    if not common.has_negative_step(key):
        return x[key]
    key, reverse = common.forward_slices(key, x.shape)
    return torch.flip(x[key], reverse)


def _fitting(begin: Any, last: int) -> Any:
    """The beginning of a block, moved back so that it fits."""
    if isinstance(begin, torch.Tensor):
        return begin.clamp(0, last)
    return py.min(py.max(begin, 0), last)


def dynamic_slice(x: torch.Tensor, start: Sequence, size: tuple[int, ...]) -> torch.Tensor:
    for i, (begin, count) in enumerate(zip(start, size)):
        begin = _fitting(begin, x.shape[i] - count)
        if isinstance(begin, torch.Tensor):
            x = x.index_select(i, torch.arange(count, device=x.device) + begin)
        elif count != x.shape[i]:
            x = x.narrow(i, begin, count)
    return x


def update_slice(x: torch.Tensor, start: Sequence, update: torch.Tensor) -> torch.Tensor:
    places = [
        torch.arange(count, device=x.device) + _fitting(begin, length - count)
        for begin, count, length in zip(start, update.shape, x.shape)
    ]
    grid = [p.reshape([-1 if j == i else 1 for j in range(x.ndim)]) for i, p in enumerate(places)]
    return x.index_put(tuple(grid), update) if grid else update


def pad(x: torch.Tensor, pads: tuple, mode: str, value: Any) -> torch.Tensor:
    if mode != "constant":
        for i, (before, after) in enumerate(pads):
            if before or after:
                places = common.padded_positions(x.shape[i], (before, after), mode)
                x = x.index_select(i, torch.from_numpy(places).to(x.device))
        return x
    flat = _flat_pads(pads)
    if isinstance(value, torch.Tensor):
        inside = F.pad(torch.ones(x.shape, dtype=torch.bool, device=x.device), flat)
        return torch.where(inside, F.pad(x, flat), value)
    return F.pad(x, flat, value=value)


def _flat_pads(pads: Sequence[tuple[int, int]]) -> list[int]:
    """Pads in torch's order, from the last axis to the first."""
    return [n for pair in reversed(pads) for n in pair]


def repeat(x: torch.Tensor, repeats: Any, axis: int) -> torch.Tensor:
    if isinstance(repeats, tuple):
        repeats = torch.tensor(repeats, device=x.device)
    return torch.repeat_interleave(x, repeats, axis)


def _from_start(indices: torch.Tensor, length: int) -> torch.Tensor:
    """Indices as torch takes them: int64, counted from the start."""
    indices = indices.long()
    return torch.where(indices < 0, indices + length, indices)


def take(x: torch.Tensor, indices: torch.Tensor, axis: int) -> torch.Tensor:
    places = _from_start(indices, x.shape[axis])
    found = x.index_select(axis, places.reshape(-1))
    return found.reshape((*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]))


def take_along_axis(x: torch.Tensor, indices: torch.Tensor, axis: int) -> torch.Tensor:
    return torch.take_along_dim(x, _from_start(indices, x.shape[axis]), axis)


_SCATTERS = {"max": "amax", "min": "amin", "multiply": "prod"}


def scatter(
    x: torch.Tensor, indices: torch.Tensor, updates: torch.Tensor, mode: str
) -> torch.Tensor:
    places = indices.long().unbind(-1)
    if mode in ("set", "add"):
        return x.index_put(places, updates, accumulate=mode == "add")
    depth = len(places)
    row = places[0] * 0  # the position among x's first `depth` axes, taken as one
    for place, length in zip(places, x.shape):
        row = row * length + _from_start(place, length)
    flat = x.reshape(-1, *x.shape[depth:])
    rows = updates.reshape(-1, *x.shape[depth:])
    return torch.index_reduce(flat, 0, row.reshape(-1), rows, _SCATTERS[mode]).reshape(x.shape)


# --------------------------------------------------------------------------------- linear algebra

matmul = torch.matmul
fft = torch.fft.fft
ifft = torch.fft.ifft
rfft = torch.fft.rfft
irfft = torch.fft.irfft


def cholesky(x: torch.Tensor) -> torch.Tensor:
    factor, failed = torch.linalg.cholesky_ex(x)
    return torch.where((failed > 0)[..., None, None], math.nan, factor)


def einsum(subscripts: str, operands: Sequence[torch.Tensor]) -> torch.Tensor:
    return torch.einsum(subscripts, *operands)


def qr(x: torch.Tensor, full: bool) -> tuple[torch.Tensor, torch.Tensor]:
    return tuple(torch.linalg.qr(x, "complete" if full else "reduced"))


def svd(x: torch.Tensor, full: bool, vectors: bool) -> Any:
    return tuple(torch.linalg.svd(x, full)) if vectors else torch.linalg.svdvals(x)


def eigh(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return tuple(torch.linalg.eigh(x))


def lu(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    packed, pivots, _ = torch.linalg.lu_factor_ex(x)  # a singular matrix has factors, too
    return packed, pivots - 1


def solve(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    # of equal rank, torch cannot take `b` for a batch of vectors
    batch = torch.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    return torch.linalg.solve(a.expand(*batch, *a.shape[-2:]), b.expand(*batch, *b.shape[-2:]))


def solve_triangular(a: torch.Tensor, b: torch.Tensor, lower: bool) -> torch.Tensor:
    return torch.linalg.solve_triangular(a, b, upper=not lower)


# ---------------------------------------------------------------------------------------- windows
# torch wants (batch, channels, *spatial); a permuted channels-last tensor is a layout of its own to
# it, which its kernels take without a copy.


def _channels_second(x: torch.Tensor, channels_last: bool) -> torch.Tensor:
    return x.movedim(-1, 1) if channels_last else x


def _back(x: torch.Tensor, channels_last: bool) -> torch.Tensor:
    return x.movedim(1, -1) if channels_last else x


_CONV = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
_CONV_TRANSPOSE = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}
_MAX_POOL = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
_AVERAGE_POOL = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}


def _kernel(kernel: torch.Tensor) -> torch.Tensor:
    """(*window, a, b) as torch's (b, a, *window)."""
    rank = kernel.ndim - 2
    return kernel.permute(rank + 1, rank, *range(rank))


def conv(
    x: torch.Tensor,
    kernel: torch.Tensor,
    strides: tuple[int, ...],
    padding: tuple[tuple[int, int], ...],
    dilation: tuple[int, ...],
    groups: int,
    channels_last: bool,
) -> torch.Tensor:
    x = _channels_second(x, channels_last)
    both = [py.min(pair) for pair in padding]
    rest = [(low - n, high - n) for (low, high), n in zip(padding, both)]
    if py.any(map(py.any, rest)):
        x = F.pad(x, _flat_pads(rest))
    y = _CONV[len(strides)](x, _kernel(kernel), None, strides, both, dilation, groups)
    return _back(y, channels_last)


def conv_transpose(
    x: torch.Tensor,
    kernel: torch.Tensor,
    strides: tuple[int, ...],
    padding: tuple[tuple[int, int], ...],
    dilation: tuple[int, ...],
    channels_last: bool,
) -> torch.Tensor:
    x = _channels_second(x, channels_last)
    # torch pads by the kernel's reach and crops; what is left of the contract's padding comes after
    reach = [(k - 1) * d for k, d in zip(kernel.shape, dilation)]
    crop = [py.max(0, n - py.max(pair)) for n, pair in zip(reach, padding)]
    y = _CONV_TRANSPOSE[len(strides)](
        x, _kernel(kernel), stride=strides, padding=crop, dilation=dilation
    )
    rest = [(low - n + c, high - n + c) for (low, high), n, c in zip(padding, reach, crop)]
    if py.any(map(py.any, rest)):
        y = F.pad(y, _flat_pads(rest))
    return _back(y, channels_last)


def _lowest(kind: torch.dtype) -> float:
    return -np.inf if kind.is_floating_point else torch.iinfo(kind).min


def max_pool(
    x: torch.Tensor,
    size: tuple[int, ...],
    strides: tuple[int, ...],
    padding: tuple[tuple[int, int], ...],
    channels_last: bool,
) -> torch.Tensor:
    x = _channels_second(x, channels_last)
    if py.any(map(py.any, padding)):
        x = F.pad(x, _flat_pads(padding), value=_lowest(x.dtype))
    return _back(_MAX_POOL[len(size)](x, size, strides), channels_last)


def average_pool(
    x: torch.Tensor,
    size: tuple[int, ...],
    strides: tuple[int, ...],
    padding: tuple[tuple[int, int], ...],
    channels_last: bool,
) -> torch.Tensor:
    if len(size) == 3 and x.dtype in (torch.float16, torch.bfloat16) and x.device.type == "cpu":
        found = average_pool(x.float(), size, strides, padding, channels_last)  # no kernel of those
        return found.to(x.dtype)
    x = _channels_second(x, channels_last)
    pool = _AVERAGE_POOL[len(size)]
    if not py.any(map(py.any, padding)):
        return _back(pool(x, size, strides), channels_last)
    flat = _flat_pads(padding)
    inside = F.pad(torch.ones((1, 1, *x.shape[2:]), dtype=x.dtype, device=x.device), flat)
    share = pool(inside, size, strides).clamp(min=torch.finfo(x.dtype).tiny)
    return _back(pool(F.pad(x, flat), size, strides) / share, channels_last)


def resize(
    x: torch.Tensor, size: tuple[int, int], method: str, channels_last: bool, antialias: bool
) -> torch.Tensor:
    if method == "bilinear" and not antialias and x.dtype in (torch.float32, torch.float64):
        x = x.movedim(-1, 1) if channels_last else x
        x = torch.nn.functional.interpolate(x, tuple(size), mode="bilinear")
        return x.movedim(1, -1) if channels_last else x
    for axis, wanted in zip((1, 2) if channels_last else (2, 3), size):
        if method == "nearest":
            places = common.nearest_positions(x.shape[axis], wanted)
            x = x.index_select(axis, torch.from_numpy(places).to(x.device))
        else:
            weights = common.resampling_weights(x.shape[axis], wanted, method, antialias)
            matrix = torch.from_numpy(weights).to(x.device, x.dtype)
            x = torch.tensordot(x, matrix, ((axis,), (1,))).movedim(-1, axis)
    return x


# ---------------------------------------------------------------------------------------- special


def bitcast(x: torch.Tensor, dtype: str) -> torch.Tensor:
    return x.contiguous().view(torch_type(dtype))


def complex(real: torch.Tensor, imag: torch.Tensor) -> torch.Tensor:
    return torch.complex(*torch.broadcast_tensors(real, imag))


def real(x: torch.Tensor) -> torch.Tensor:
    return x.real if x.is_complex() else x


def imag(x: torch.Tensor) -> torch.Tensor:
    return x.imag if x.is_complex() else torch.zeros_like(x)


def nonzero(x: torch.Tensor) -> tuple[torch.Tensor, ...]:
    return tuple([found.to(torch.int32) for found in torch.nonzero(x, as_tuple=True)])


def eig(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return tuple(torch.linalg.eig(x))


def unique(x: torch.Tensor) -> tuple[torch.Tensor, ...]:
    values, *rest = np.unique(numpy(x).ravel(), True, True, True)
    return (tensor(values, dtype(x)), *[tensor(found.ravel(), "int32") for found in rest])


# ----------------------------------------------------------------------------------------- random


def bits(key: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
    return kernels.bits(_placed_key(key), shape)


def uniform(key: torch.Tensor, shape: tuple[int, ...], dtype: str) -> torch.Tensor:
    return kernels.uniform(_placed_key(key), shape, torch_type(dtype))


def bernoulli(key: torch.Tensor, shape: tuple[int, ...], probability: float) -> torch.Tensor:
    return kernels.bernoulli(_placed_key(key), shape, probability)


def normal(key: torch.Tensor, shape: tuple[int, ...], dtype: str) -> torch.Tensor:
    return kernels.normal(_placed_key(key), shape, torch_type(dtype))


def randint(
    key: torch.Tensor, shape: tuple[int, ...], low: Any, high: Any, dtype: str
) -> torch.Tensor:
    return kernels.randint(_placed_key(key), shape, int(low), int(high)).to(torch_type(dtype))


def gamma(key: torch.Tensor, alpha: torch.Tensor, dtype: str) -> torch.Tensor:
    return kernels.gamma(_placed_key(key), cast(alpha, dtype))


def _placed_key(key: torch.Tensor) -> torch.Tensor:
    return key.to(default_device())


# -------------------------------------------------------------------------------------- variables


def is_differentiable(x: torch.Tensor) -> bool:
    """Whether a tensor's dtype has gradients."""
    return x.is_floating_point() or x.is_complex()


def memory_of(x: torch.Tensor) -> int:
    """The address of a tensor's storage."""
    return x.untyped_storage().data_ptr()


@contextlib.contextmanager
def outside_of_traces() -> Iterator[None]:
    """A block in which tensors are concrete, whatever traces, transforms and modes are around it:
    for what outlives them."""
    with contextlib.ExitStack() as left:
        if in_functorch():
            left.enter_context(private.temporarily_clear_interpreter_stack())
        if private.modes_around():
            left.enter_context(private.disable_current_modes())
        if torch.is_inference_mode_enabled():
            left.enter_context(torch.inference_mode(False))
        yield


def is_fleeting(x: torch.Tensor) -> bool:
    """Whether a tensor has no value outside of the trace or transform that it was made in."""
    return isinstance(x, private.FakeTensor) or private.functorch.is_functorch_wrapped_tensor(x)


def variable(value: Any, dtype: str, trainable: bool, name: str) -> torch.Tensor:
    """An ``nn.Parameter``, if it has gradients at all."""
    with outside_of_traces():
        made = tensor(value, dtype).detach()
        is_tensor = isinstance(value, torch.Tensor)
        if made is value or (is_tensor and memory_of(made) == memory_of(value)):
            made = made.clone()
        return torch.nn.Parameter(made, trainable) if is_differentiable(made) else made


def read(handle: torch.Tensor) -> torch.Tensor:
    return handle if handle.requires_grad and torch.is_grad_enabled() else handle.detach()


def write(handle: torch.Tensor, value: Any) -> torch.Tensor:
    """The handle stays the object it is, since optimizers and modules hold it.

    What is trained is changed in place, so torch complains when it is needed for a gradient (a tape
    that needs its old value keeps that).  Other state gets new memory: a value read before keeps
    what it was.
    """
    if isinstance(value, np.ndarray):
        with outside_of_traces():
            return write(handle, tensor(value, dtype(handle)))
    if not handle.requires_grad:
        handle.data = value.detach().to(handle.device)
    elif is_held(handle):
        move(handle, value.detach().to(handle.device, copy=True))
    else:
        with torch.no_grad():
            handle.copy_(value)
    return handle


def unshared(handle: torch.Tensor) -> torch.Tensor:
    """What is trained shares its memory with what was read of it, as torch's parameters do."""
    if not handle.requires_grad:
        handle.data = handle.detach().clone()
    return handle


def set_trainable(handle: torch.Tensor, trainable: bool) -> None:
    if is_differentiable(handle):
        handle.requires_grad_(trainable)


def is_live(x: torch.Tensor) -> bool:
    return x.requires_grad or must_not_escape(x)


def must_not_escape(x: torch.Tensor) -> bool:
    return is_fleeting(x)


foreign = common.foreign("torch", "tricorn.engines.torch.programs")
