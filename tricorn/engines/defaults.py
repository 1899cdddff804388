"""What an engine need not write: primitives composed of others, or answered on the host.

Each function here takes the engine, then the arguments of the primitive of its name.  The registry
fills in those that an engine module leaves out, but none that the module's own ``CAPABILITIES``
promise (`UNLESS`): an engine that declares ``"differentiates"`` has a `vjp` of its own.
"""

from __future__ import annotations

import builtins as py
import contextlib
import functools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from tricorn import dtypes, tree
from tricorn.engines import common
from tricorn.engines.contract import CAPABILITIES, EngineError
from tricorn.engines.known import without

Pairs = tuple[tuple[int, int], ...]

#: capability -> the defaults that do not do for an engine that has it
UNLESS = {
    "differentiates": ("vjp", "jvp", "custom_gradient", "stop_gradient"),
    "distributes": ("all_reduce", "all_gather", "axis_index"),
    "complex": ("complex", "real", "imag", "fft", "ifft", "rfft", "irfft", "eig"),
    "compiles": ("compile",),
    "traces": ("cond", "while_loop", "scan", "vmap", "eval_shape"),
}

# -------------------------------------------------------------------------- tensors, elementwise


def devices(engine: Any) -> list[str]:
    return ["cpu:0"]


@contextlib.contextmanager
def device(engine: Any, name: str) -> Iterator[None]:
    kind, _, index = name.lower().partition(":")
    if f"{kind}:{index or 0}" not in engine.devices():
        raise EngineError(f"no device {name!r}; there are {', '.join(engine.devices())}")
    yield


def place(engine: Any, x: Any, device: str) -> Any:
    return x


def device_of(engine: Any, x: Any) -> str:
    return engine.devices()[0]


def is_eager(engine: Any) -> bool:
    return True


def block(engine: Any, x: Any) -> Any:
    return x


def variant(engine: Any) -> Any:
    return engine


def context_of(engine: Any, args: Any) -> None:
    return None


def direct(engine: Any, args: tuple, kwargs: dict) -> bool:
    return True


def training(
    engine: Any, trains: bool = True, numbers: int | None = None
) -> contextlib.AbstractContextManager:
    return contextlib.nullcontext()


def profile(engine: Any, folder: str) -> Any:
    raise EngineError(f"the engine {engine.name!r} has no profiler; jax, tensorflow and torch have")


def random_state(engine: Any) -> None:
    return None


def set_random_state(engine: Any, state: Any) -> None:
    return None


def native_gradients(engine: Any, possible: bool) -> contextlib.AbstractContextManager:
    return contextlib.nullcontext()


def unchanging(engine: Any) -> contextlib.AbstractContextManager:
    return contextlib.nullcontext()


def clear(engine: Any) -> None:
    return None


def is_sparse(engine: Any, x: Any) -> bool:
    return False


def sparse(engine: Any, indices: Any, values: Any, shape: tuple, distinct: bool) -> Any:
    if isinstance(values, np.ndarray):
        indices, values = engine.tensor(indices, "int32"), engine.tensor(values, values.dtype.name)
    zeros = engine.full(shape, 0, engine.dtype(values))
    return engine.scatter(zeros, indices, values, "add")


def entries(engine: Any, x: Any) -> Any:
    raise EngineError(f"the engine {engine.name!r} has no sparse tensors")


def dense(engine: Any, x: Any) -> Any:
    return entries(engine, x)


def sparse_matmul(engine: Any, x: Any, y: Any) -> Any:
    return entries(engine, x)


def rsqrt(engine: Any, x: Any) -> Any:
    return engine.divide(1.0, engine.sqrt(x))


def sigmoid(engine: Any, x: Any) -> Any:
    """Either 1 / (1 + e⁻ˣ) or eˣ / (1 + eˣ): the one whose power is at most 1."""
    power = engine.exp(engine.negative(engine.abs(x)))
    positive = engine.divide(1.0, engine.add(power, 1.0))
    return engine.where(engine.less(x, 0), engine.multiply(power, positive), positive)


def relu(engine: Any, x: Any) -> Any:
    return engine.where(engine.logical_not(engine.less_equal(x, 0)), x, 0)


def clip(engine: Any, x: Any, low: Any, high: Any) -> Any:
    x = engine.where(engine.logical_not(engine.less(x, low)), x, low)
    return engine.where(engine.logical_not(engine.less(high, x)), x, high)


def stop_gradient(engine: Any, x: Any) -> Any:
    return x


def mean(engine: Any, x: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
    count = math.prod(engine.shape(x)[i] for i in axis)
    return engine.divide(engine.sum(x, axis, keepdims), float(count))


# -------------------------------------------------------------------------------- shape and index


def expand_dims(engine: Any, x: Any, axis: tuple[int, ...]) -> Any:
    rank = len(engine.shape(x)) + len(axis)
    return engine.slice(x, tuple([None if i in axis else py.slice(None) for i in range(rank)]))


def squeeze(engine: Any, x: Any, axis: tuple[int, ...]) -> Any:
    rank = len(engine.shape(x))
    return engine.slice(x, tuple([0 if i in axis else py.slice(None) for i in range(rank)]))


def stack(engine: Any, xs: Sequence, axis: int) -> Any:
    return engine.concatenate([engine.expand_dims(x, (axis,)) for x in xs], axis)


def flip(engine: Any, x: Any, axis: tuple[int, ...]) -> Any:
    rank = len(engine.shape(x))
    return engine.slice(x, tuple([py.slice(None, None, -1 if i in axis else 1)
                                  for i in range(rank)]))  # fmt: skip


def repeat(engine: Any, x: Any, repeats: Any, axis: int) -> Any:
    places = np.repeat(np.arange(engine.shape(x)[axis], dtype=np.int32), repeats)
    return engine.take(x, engine.tensor(places, "int32"), axis)


def nonzero(engine: Any, x: Any) -> tuple:
    return tuple([engine.tensor(found, "int32") for found in np.nonzero(engine.numpy(x))])


def unique(engine: Any, x: Any) -> tuple:
    values, *rest = np.unique(engine.numpy(x).ravel(), True, True, True)
    places = [engine.tensor(found.ravel(), "int32") for found in rest]
    return (engine.tensor(values, engine.dtype(x)), *places)


# ---------------------------------------------------------------------------------------- windows


def _last(engine: Any, x: Any, channels_last: bool) -> Any:
    """A batch with its channels on the last axis."""
    rank = len(engine.shape(x))
    return x if channels_last else engine.transpose(x, (0, *range(2, rank), 1))


def _back(engine: Any, x: Any, channels_last: bool) -> Any:
    rank = len(engine.shape(x))
    return x if channels_last else engine.transpose(x, (0, rank - 1, *range(1, rank - 1)))


def _padded(engine: Any, x: Any, padding: Pairs, value: Any = 0) -> Any:
    """A channels-last batch with its spatial axes padded; negative padding crops."""
    lengths = engine.shape(x)[1:-1]
    keep = [py.slice(py.max(0, -a), n + py.min(0, b)) for (a, b), n in zip(padding, lengths)]
    x = engine.slice(x, (py.slice(None), *keep))
    pads = [(py.max(0, a), py.max(0, b)) for a, b in padding]
    return engine.pad(x, ((0, 0), *pads, (0, 0)), "constant", value)


def _under(
    engine: Any, x: Any, window: Sequence[int], strides: Sequence[int], dilation: Sequence[int]
) -> Iterator[tuple[tuple[int, ...], Any]]:
    """For each place of a window moved over a channels-last batch: (the place, what stands under
    it, of shape (batch, *positions, channels))."""
    counts = [
        py.max(0, (n - (k - 1) * d - 1) // s + 1)
        for n, k, s, d in zip(engine.shape(x)[1:-1], window, strides, dilation)
    ]
    for place in np.ndindex(*window):
        rows = [
            py.slice(p * d, p * d + (n - 1) * s + 1, s) if n else py.slice(0, 0)
            for p, n, s, d in zip(place, counts, strides, dilation)
        ]
        yield place, engine.slice(x, (py.slice(None), *rows))


def conv(
    engine: Any, x: Any, kernel: Any, strides: tuple, padding: Pairs, dilation: tuple, groups: int,
    channels_last: bool,
) -> Any:  # fmt: skip
    x = _padded(engine, _last(engine, x, channels_last), padding)
    *window, share, filters = engine.shape(kernel)
    terms = []
    for place, part in _under(engine, x, window, strides, dilation):
        weights = engine.slice(kernel, place)
        if groups == 1:
            terms.append(engine.matmul(part, weights))
            continue
        outer = engine.shape(part)[:-1]
        part = engine.reshape(part, (*outer, groups, share))
        weights = engine.reshape(weights, (share, groups, filters // groups))
        term = engine.einsum("...gc,cgf->...gf", (part, weights))
        terms.append(engine.reshape(term, (*outer, filters)))
    return _back(engine, functools.reduce(engine.add, terms), channels_last)


def conv_transpose(
    engine: Any, x: Any, kernel: Any, strides: tuple, padding: Pairs, dilation: tuple,
    channels_last: bool,
) -> Any:  # fmt: skip
    x = _last(engine, x, channels_last)
    rank = len(strides)
    for axis, step in enumerate(strides, 1):  # zeros between the rows
        shape = engine.shape(x)
        wide = engine.expand_dims(x, (axis + 1,))
        pads = [(0, step - 1 if i == axis + 1 else 0) for i in range(rank + 3)]
        wide = engine.pad(wide, tuple(pads), "constant", 0)
        x = engine.reshape(wide, (*shape[:axis], shape[axis] * step, *shape[axis + 1 :]))
        x = _padded(engine, x, tuple((0, 1 - step if i == axis else 0) for i in range(1, rank + 1)))
    x = _padded(engine, x, padding)
    kernel = engine.flip(kernel, tuple(range(rank)))
    kernel = engine.transpose(kernel, (*range(rank), rank + 1, rank))
    ones, nothing = (1,) * rank, ((0, 0),) * rank
    return _back(engine, engine.conv(x, kernel, ones, nothing, dilation, 1, True), channels_last)


def max_pool(
    engine: Any, x: Any, size: tuple, strides: tuple, padding: Pairs, channels_last: bool
) -> Any:
    kind = engine.dtype(x)
    lowest = -math.inf if dtypes.is_float(kind) else dtypes.bounds(kind)[0]
    x = _padded(engine, _last(engine, x, channels_last), padding, lowest)

    def larger(best: Any, part: Any) -> Any:
        """`best` at a tie: the first takes the gradient.  NaN wins."""
        wins = engine.logical_or(engine.less(best, part), engine.not_equal(part, part))
        return engine.where(wins, part, best)

    parts = [part for _, part in _under(engine, x, size, strides, (1,) * len(size))]
    return _back(engine, functools.reduce(larger, parts), channels_last)


def average_pool(
    engine: Any, x: Any, size: tuple, strides: tuple, padding: Pairs, channels_last: bool
) -> Any:
    x = _last(engine, x, channels_last)
    count = np.ones(())
    for n, k, s, pair in zip(engine.shape(x)[1:-1], size, strides, padding):
        inside = np.lib.stride_tricks.sliding_window_view(np.pad(np.ones(n), pair), k)
        count = count[..., None] * inside[::s].sum(-1)
    x = _padded(engine, x, padding)
    parts = [part for _, part in _under(engine, x, size, strides, (1,) * len(size))]
    share = engine.tensor(np.maximum(count, 1)[..., None], engine.dtype(x))
    return _back(engine, engine.divide(functools.reduce(engine.add, parts), share), channels_last)


def resize(
    engine: Any, x: Any, size: tuple, method: str, channels_last: bool, antialias: bool
) -> Any:
    for axis, wanted in zip((1, 2) if channels_last else (2, 3), size):
        length = engine.shape(x)[axis]
        if method == "nearest":
            places = common.nearest_positions(length, wanted)
            x = engine.take(x, engine.tensor(places, "int32"), axis)
        else:
            weights = common.resampling_weights(length, wanted, method, antialias)
            one = "bhwc"[axis]
            spec = f"bhwc,n{one}->{'bhwc'.replace(one, 'n')}"
            x = engine.einsum(spec, (x, engine.tensor(weights, engine.dtype(x))))
    return x


# ---------------------------------------------------------------------------------------- control


def cond(engine: Any, pred: Any, true_fn: Callable, false_fn: Callable, operands: Sequence) -> Any:
    return true_fn(*operands) if engine.numpy(pred) else false_fn(*operands)


def while_loop(engine: Any, cond: Callable, body: Callable, state: tuple) -> tuple:
    while engine.numpy(cond(*state)):
        state = tuple(body(*state))
    return tuple(state)


def scan(
    engine: Any, body: Callable, init: Any, xs: Any, length: int | None, reverse: bool
) -> tuple:
    leaves, structure = tree.take_apart(xs)
    steps: Any = engine.shape(leaves[0])[0] if leaves else length
    if steps == 0:  # only the shapes of what body gives are needed
        nothing = [engine.full(engine.shape(x)[1:], 0, engine.dtype(x)) for x in leaves]
        _, y = body(init, tree.unflatten(structure, nothing))
        return init, tree.map(
            lambda leaf: engine.full((0, *engine.shape(leaf)), 0, engine.dtype(leaf)), y
        )
    carry, found = init, []
    for i in reversed(range(steps)) if reverse else range(steps):
        carry, y = body(carry, tree.unflatten(structure, [engine.slice(x, (i,)) for x in leaves]))
        found.append(y)
    if reverse:
        found.reverse()
    return carry, tree.map(lambda *ys: engine.stack(ys, 0), found[0], *found[1:])


def kernel_scan(engine: Any, body: Callable, constants: Any, *args: Any) -> tuple:
    return engine.scan(functools.partial(body, constants), *args)


def vmap(engine: Any, fn: Callable, in_axes: Any, out_axes: Any) -> Callable:
    def mapped(*args: Any) -> Any:
        leaves, structure = tree.take_apart(args)
        axes = common.mapped_axes(in_axes, args)
        count = next(engine.shape(x)[a] for x, a in zip(leaves, axes) if a is not None)
        found = []
        for i in range(count):
            rows = [
                x if a is None else engine.slice(x, (*(py.slice(None),) * a, i))
                for x, a in zip(leaves, axes)
            ]
            found.append(fn(*tree.unflatten(structure, rows)))
        columns = zip(*map(tree.leaves, found))
        placed = [
            column[0] if axis is None else engine.stack(column, axis)
            for column, axis in zip(columns, common.mapped_axes(out_axes, found[0]))
        ]
        return tree.unflatten(tree.structure(found[0]), placed)

    return mapped


# ------------------------------------------------------------------------------------- transforms


def vjp(engine: Any, fn: Callable, primals: tuple) -> Any:
    raise without(engine, "differentiates")


def jvp(engine: Any, fn: Callable, primals: tuple, tangents: tuple) -> Any:
    return vjp(engine, fn, primals)


def custom_gradient(engine: Any, fn: Callable) -> Callable:
    return lambda *args: fn(*args)[0]


def checkpoint(engine: Any, fn: Callable) -> Callable:
    return fn


def eval_shape(engine: Any, fn: Callable, args: tuple) -> Any:
    """By running on zeros: twice, with two lengths for what is unknown."""
    from tricorn.engines.abstract import AbstractTensor

    def abstract(x: Any) -> bool:
        return hasattr(x, "shape") and hasattr(x, "dtype")

    def shapes(length: int) -> Any:
        def zeros(x: Any) -> Any:
            if not abstract(x):
                return x
            sizes = tuple([length if n is None else n for n in x.shape])
            return engine.full(sizes, 0, dtypes.standardize(x.dtype))

        return fn(*tree.map(zeros, tuple(args)))

    def merged(x: Any, y: Any) -> AbstractTensor:
        pairs = zip(engine.shape(x), engine.shape(y))
        return AbstractTensor([m if m == n else None for m, n in pairs], engine.dtype(x))

    unknown = py.any(abstract(x) and None in x.shape for x in tree.leaves(tuple(args)))
    first = shapes(24)  # lengths that many strides and splits divide
    return tree.map(merged, first, shapes(48) if unknown else first)


def as_python(engine: Any, jit: bool | None, pure: bool) -> None:
    return None


def compile(engine: Any, fn: Callable, loop: bool, jit: bool | None = None) -> Callable:
    """The function as it is; what it assigned is written afterwards, results are copies."""

    def copy(x: Any) -> Any:
        return engine.tensor(engine.numpy(x), engine.dtype(x))

    def converted(x: Any) -> Any:
        is_array = isinstance(x, (np.ndarray, np.generic)) and not engine.is_tensor(x)
        return engine.tensor(x, dtypes.standardize(x.dtype)) if is_array else x

    def described(x: Any) -> tuple:
        return engine.dtype(x), tuple(engine.shape(x))

    def finish(handles: list, state: list, after: list, result: Any) -> tuple[Any, list]:
        changed = {i: copy(after[i]) for i in common.assigned(state, after, described)}
        written = [engine.write(h, changed[i]) if i in changed else h
                   for i, h in enumerate(handles)]  # fmt: skip
        return tree.map(copy, result), written

    def run(handles: list, *args: Any) -> tuple[Any, list]:
        state = [engine.read(handle) for handle in handles]
        result, after = fn(list(state), *tree.map(converted, args))
        return finish(handles, state, after, result)

    def run_loop(handles: list, start: int, stop: int, *args: Any) -> tuple[Any, list]:
        common.check_bounds(start, stop)
        args, result = tree.map(converted, args), None
        for i in range(start, stop):
            state = [engine.read(handle) for handle in handles]
            result, after = fn(list(state), engine.tensor(i, "int32"), *args)
            result, handles[:] = finish(handles, state, after, result)
        return result, handles

    return run_loop if loop else run


# -------------------------------------------------------------- collectives, complex, variables, K


def all_reduce(engine: Any, x: Any, op: str, axis_name: str) -> Any:
    raise without(engine, "distributes")


def all_gather(engine: Any, x: Any, axis: int, axis_name: str) -> Any:
    return all_reduce(engine, x, "", axis_name)


def axis_index(engine: Any, axis_name: str) -> Any:
    return all_reduce(engine, None, "", axis_name)


def _needs_complex(engine: Any, *args: Any) -> Any:
    raise without(engine, "complex")


def real(engine: Any, x: Any) -> Any:
    return x


def imag(engine: Any, x: Any) -> Any:
    return engine.multiply(x, 0)


def bernoulli(engine: Any, key: Any, shape: tuple, probability: float) -> Any:
    return engine.less(engine.uniform(key, shape, "float32"), probability)


def read(engine: Any, handle: Any) -> Any:
    return handle


def write(engine: Any, handle: Any, value: Any) -> Any:
    return value if engine.is_tensor(value) else engine.tensor(value, engine.dtype(handle))


def unshared(engine: Any, handle: Any) -> Any:
    return handle


def set_trainable(engine: Any, handle: Any, trainable: bool) -> None:
    return None


def is_live(engine: Any, x: Any) -> bool:
    return False


def must_not_escape(engine: Any, x: Any) -> bool:
    return False


def module(engine: Any, layer: Any) -> Any:
    raise EngineError(
        f"the engine {engine.name!r} has no modules of its own to make of {layer!r}; torch and "
        "tensorflow have. In functional code use stateless_call"
    )


def foreign(engine: Any, framework: str) -> Any:
    return common.foreign(engine.name, "")(framework)


def tape(engine: Any, persistent: bool) -> Any:
    raise EngineError(
        f"the engine {engine.name!r} has no tape; "
        + (
            "use tricorn.value_and_grad"
            if engine.capabilities["differentiates"]
            else "nor does it differentiate: use one that does"
        )
    )


def own_graph(engine: Any) -> None:
    return None


#: primitive -> its default, a function of the engine and the primitive's arguments
DEFAULTS: dict[str, Callable] = {
    fn.__name__: fn
    for fn in (
        devices, device, place, device_of, is_eager, block, variant, context_of, direct, training,
        profile, clear, native_gradients, unchanging, random_state, set_random_state, unshared,
        rsqrt, sigmoid, relu, clip,
        stop_gradient, mean, expand_dims, squeeze, stack, flip, repeat, nonzero, unique, conv,
        conv_transpose, max_pool, average_pool, resize, cond, while_loop, scan, kernel_scan, vmap,
        vjp, jvp, custom_gradient, checkpoint, eval_shape, as_python, compile, all_reduce,
        all_gather, axis_index, real, imag, bernoulli, read, write, set_trainable, is_live,
        must_not_escape, module, tape, own_graph, foreign, is_sparse, sparse, entries, dense,
        sparse_matmul,
    )
}  # fmt: skip
DEFAULTS |= dict.fromkeys(("complex", "fft", "ifft", "rfft", "irfft", "eig"), _needs_complex)


def of(module: Any) -> dict[str, Callable]:
    """The defaults for what an engine module leaves out."""
    declared = {**CAPABILITIES, **getattr(module, "CAPABILITIES", {})}
    promised = {name for key, names in UNLESS.items() if declared[key] for name in names}
    if hasattr(module, "variant") or hasattr(module, "context_of"):
        promised.add("direct")
    return {
        name: default
        for name, default in DEFAULTS.items()
        if name not in promised and not hasattr(module, name)
    }
