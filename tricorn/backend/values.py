"""Placeholders, Variables and other tensors: making them, reading them, telling what they are."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tricorn import config, dtypes, ops, seeds
from tricorn.engines import registry
from tricorn.graph import sizes
from tricorn.graph.calls import current_call
from tricorn.graph.function import Function, Update
from tricorn.graph.graphs import current_graph
from tricorn.graph.op import Tensor as _Tensor
from tricorn.graph.op import op
from tricorn.graph.scope import Readable, current, variable_behind
from tricorn.graph.symbolic import (
    Recorder,
    SymbolicTensor,
    is_symbolic,
    node_of,
    recording,
)
from tricorn.ops import random
from tricorn.variable import Variable, for_users


def within() -> bool:
    """Whether code here belongs to a call: of a layer, a step.  What `K.symbolic` records for no
    layer stands outside, as all of Keras 2's graphs do."""
    recorder = recording()
    inside = recorder is not None and recorder.node is not None
    return inside or current_call() is not None or current() is not None


def as_symbolic(x: Any) -> Any:
    """`x` as a symbolic tensor: Variables and values become constants of the graph."""
    if is_symbolic(x):
        return x
    with recorded():
        return ops.copy(to_dense(x))


def recorded() -> Any:
    """A block whose operations are recorded."""
    return contextlib.nullcontext() if recording() is not None else Recorder(None)


def _float(dtype: Any) -> str:
    return config.floatx() if dtype is None else dtypes.standardize(dtype)


# --------------------------------------------------------------------------------------- making


def placeholder(
    shape: Sequence | None = None,
    ndim: int | None = None,
    dtype: Any = None,
    sparse: bool = False,
    name: str | None = None,
) -> Any:
    """A symbolic tensor that a `function` is given a value for.

    Args:
        shape: its sizes, None for those not known.
        ndim: instead of `shape`, only how many axes there are.
        dtype: None: floatx.
        sparse: that SciPy's sparse matrices will be given; they become dense.
        name: for people.

    Raises:
        ValueError: without `shape` and `ndim`.
    """
    if shape is None and ndim is None:
        raise ValueError("placeholder needs a shape, such as (None, 4), or ndim")
    shape = (None,) * ndim if shape is None else tuple(shape)  # type: ignore[operator]
    return current_graph().placeholder(shape, _float(dtype), name)


def variable(
    value: Any, dtype: Any = None, name: str | None = None, constraint: Callable | None = None
) -> Variable:
    """A Variable that holds `value` (array, tensor, number or SciPy sparse matrix); in an engine's
    own graph it is that engine's.

    Args:
        value: what it holds first.
        dtype: None: floatx.
        name: for people.
        constraint: function of the value, applied by optimizers after each update.
    """
    made = Variable(to_dense(value), dtype=_float(dtype), name=name, constraint=constraint)
    return for_users([made])[0]


def constant(
    value: Any, dtype: Any = None, shape: Sequence | None = None, name: str | None = None
) -> Any:
    """A tensor that holds `value`, in the given shape (a number fills it); dtype None: floatx."""
    tensor = ops.convert_to_tensor(value, _float(dtype))
    if shape is None:
        return tensor
    return (
        ops.full(shape, value, _float(dtype)) if np.ndim(value) == 0 else reshape_to(tensor, shape)
    )


def reshape_to(x: Any, shape: Any) -> Any:
    """`x` in a shape whose sizes may be symbolic."""
    return ops.reshape(x, plain_shape(shape))


def plain_shape(shape: Any) -> Any:
    """A shape whose sizes are ints where they are known."""
    if isinstance(shape, (list, tuple)):
        return tuple(sizes.known(n) for n in shape)
    whole = sizes.whole(shape)
    return shape if whole is None or None in whole else whole


def _filled(number: int, shape: Any, dtype: Any, name: str | None) -> Any:
    """A Variable full of a number; a tensor where sizes are symbolic, or inside a call."""
    shape = plain_shape(shape)
    static = isinstance(shape, int) or (
        isinstance(shape, (list, tuple)) and all(isinstance(n, (int, np.integer)) for n in shape)
    )
    if static and not within():
        return variable(np.full(shape, number), dtype, name)
    return ops.full(shape, number, _float(dtype))


def zeros(shape: Any, dtype: Any = None, name: str | None = None) -> Any:
    """A Variable full of zeros (a tensor where a size is symbolic, or inside a layer's call)."""
    return _filled(0, shape, dtype, name)


def ones(shape: Any, dtype: Any = None, name: str | None = None) -> Any:
    """A Variable full of ones (a tensor where a size is symbolic, or inside a layer's call)."""
    return _filled(1, shape, dtype, name)


def eye(size: int, dtype: Any = None, name: str | None = None) -> Any:
    """A Variable that holds the identity matrix (a tensor inside a layer's call)."""
    if within():
        return ops.eye(size, dtype=_float(dtype))
    return variable(np.eye(size), dtype, name)


def zeros_like(x: Any, dtype: Any = None, name: str | None = None) -> Any:
    """A tensor of zeros in x's shape; dtype None: x's own."""
    return ops.zeros_like(x, dtype)


def ones_like(x: Any, dtype: Any = None, name: str | None = None) -> Any:
    """A tensor of ones in x's shape; dtype None: x's own."""
    return ops.ones_like(x, dtype)


def identity(x: Any, name: str | None = None) -> Any:
    """A tensor of its own that equals x."""
    return ops.copy(x)


def arange(start: Any, stop: Any = None, step: Any = 1, dtype: Any = "int32") -> Any:
    """start, start + step, ... before stop; with one argument 0, 1, ... before it."""
    return ops.arange(start, stop, step, dtype)


def one_hot(indices: Any, num_classes: int) -> Any:
    """Floats (..., num_classes): 1 at each of the int `indices` (...), 0 elsewhere."""
    return ops.one_hot(indices, num_classes, dtype=config.floatx())


# --------------------------------------------------------------------------------------- drawing


def _stream(seed: int | None) -> Any:
    """What draws: an int gives one sequence of draws, each run of a graph the next."""
    return seeds.SeedGenerator(seed) if seed is not None and not within() else seed


def random_normal(
    shape: Any, mean: float = 0.0, stddev: float = 1.0, dtype: Any = None, seed: int | None = None
) -> Any:
    """Draws from the normal distribution."""
    return random.normal(plain_shape(shape), mean, stddev, _float(dtype), _stream(seed))


def random_uniform(
    shape: Any,
    minval: float = 0.0,
    maxval: float = 1.0,
    dtype: Any = None,
    seed: int | None = None,
) -> Any:
    """Draws from the uniform distribution on [minval, maxval); integers with an int dtype."""
    name = _float(dtype)
    if not dtypes.is_float(name):
        return random.randint(plain_shape(shape), int(minval), int(maxval), name, _stream(seed))
    return random.uniform(plain_shape(shape), minval, maxval, name, _stream(seed))


def random_binomial(shape: Any, p: float = 0.0, dtype: Any = None, seed: int | None = None) -> Any:
    """1 with probability `p`, else 0."""
    draw = random.uniform(plain_shape(shape), dtype=config.floatx(), seed=_stream(seed))
    return ops.cast(ops.less(draw, p), _float(dtype))


def truncated_normal(
    shape: Any, mean: float = 0.0, stddev: float = 1.0, dtype: Any = None, seed: int | None = None
) -> Any:
    """Draws from the normal distribution, drawn again when further than 2 stddev from the mean."""
    return random.truncated_normal(plain_shape(shape), mean, stddev, _float(dtype), _stream(seed))


def random_normal_variable(
    shape: Any,
    mean: float,
    scale: float,
    dtype: Any = None,
    name: str | None = None,
    seed: int | None = None,
) -> Variable:
    """A Variable that holds draws from the normal distribution, the same on every engine."""
    draws = seeds.host_generator(seed).normal(mean, scale, shape)
    return variable(draws, dtype, name)


def random_uniform_variable(
    shape: Any,
    low: float,
    high: float,
    dtype: Any = None,
    name: str | None = None,
    seed: int | None = None,
) -> Variable:
    """A Variable that holds draws from the uniform distribution on [low, high), the same on every
    engine."""
    draws = seeds.host_generator(seed).uniform(low, high, shape)
    return variable(draws, dtype, name)


# --------------------------------------------------------------------------------------- telling


def is_tensor(x: Any) -> bool:
    """Whether `x` is a tensor: the engine's, a symbolic one, or a Variable."""
    return is_variable(x) or ops.is_tensor(x)


def is_variable(x: Any) -> bool:
    """Whether `x` is a Variable."""
    return isinstance(variable_behind(x), Readable)


def is_keras_tensor(x: Any) -> bool:
    """Whether `x` has a history of layers and ops that a model can be made of.

    Raises:
        ValueError: when it is no tensor at all.
    """
    if not is_tensor(x):
        raise ValueError(f"is_keras_tensor takes a tensor, got {type(x).__name__}: {x!r}")
    return is_symbolic(x) and node_of(x)[0] is not None


def is_placeholder(x: Any) -> bool:
    """Whether `x` came from `placeholder` or `Input`."""
    if not is_symbolic(x):
        return False
    node = node_of(x)[0]
    return node is None or getattr(node.operation, "is_input", False)


def is_sparse(tensor: Any) -> bool:
    """Whether `tensor` is one of SciPy's sparse matrices; tensors of the engines are dense."""
    return hasattr(tensor, "tocoo")


def to_dense(tensor: Any) -> Any:
    """A sparse matrix as an array; everything else as it is."""
    return tensor.toarray() if is_sparse(tensor) else tensor


def shape(x: Any) -> Any:
    """The shape as int32 values: a symbolic vector for a symbolic tensor, whose entries may be
    used as sizes of others (``K.zeros((K.shape(x)[0], 4))``), else an array."""
    return sizes.sizes(x)


def int_shape(x: Any) -> tuple | None:
    """The shape as a tuple, None for sizes not known; None for what has no shape."""
    if not hasattr(x, "shape"):
        return None
    found = (getattr(n, "value", n) for n in x.shape)  # what some libraries wrap numbers in
    return tuple(None if n is None else int(n) for n in found)


get_variable_shape = int_shape


def ndim(x: Any) -> int:
    """The number of axes."""
    return len(to_dense(x).shape) if hasattr(x, "shape") else np.ndim(x)


def size(x: Any, name: str | None = None) -> Any:
    """The number of elements, a tensor (a number where it is known without running)."""
    return ops.prod(shape(x)) if is_symbolic(x) else np.int32(math.prod(int_shape(x) or ()))


def dtype(x: Any) -> str:
    """The name of the dtype."""
    return ops.dtype(x)


def is_float_dtype(dtype: Any) -> bool:
    """Whether a dtype is a floating one."""
    return dtypes.is_float(dtypes.standardize(dtype))


def is_int_dtype(dtype: Any) -> bool:
    """Whether a dtype is one of integers."""
    return dtypes.is_integer(dtypes.standardize(dtype))


def count_params(x: Any) -> int:
    """The number of elements of a Variable or of a tensor whose shape is known."""
    return math.prod(n for n in int_shape(x) or () if n is not None)


# --------------------------------------------------------------------------------------- reading


def eval(x: Any) -> np.ndarray:
    """The value of a tensor, Variable, or symbolic tensor that needs no placeholder; an update is
    done, and its Variable's new value given.

    Raises:
        ValueError: when it depends on a placeholder; the message names it.
    """
    if isinstance(x, Update):
        Function([], [], [(x.variable, as_symbolic(x.value))], updates_only=True)([])
        return eval(x.variable)
    if type(x) is SymbolicTensor:
        return ops.convert_to_numpy(Function([], [x])([])[0])
    return ops.convert_to_numpy(to_dense(x))


def get_value(x: Any) -> np.ndarray:
    """The value of a Variable (or tensor) as an array."""
    return eval(x)


def batch_get_value(ops: Sequence) -> list[np.ndarray]:
    """The values of several Variables."""
    return [get_value(x) for x in ops]


def set_value(x: Variable, value: Any) -> None:
    """Let the Variable `x` hold `value`.

    Raises:
        ValueError: when the shapes differ.
    """
    variable_behind(x).assign(np.asarray(to_dense(value)))


def batch_set_value(tuples: Sequence[tuple[Variable, Any]]) -> None:
    """Let several Variables hold values: pairs (Variable, value)."""
    for x, value in tuples:
        set_value(x, value)


def print_tensor(x: Any, message: str = "") -> Any:
    """x itself; its value is printed, after `message`, whenever it is computed."""
    return printed(x, message)


@op
def printed(x: _Tensor, message: str) -> Any:
    """`print_tensor` of engines that run at once; those that compile override it."""
    engine = registry.active()
    if not engine.capabilities["abstract"]:
        print(message, engine.numpy(x))
    return x


__all__ = [
    "arange", "batch_get_value", "batch_set_value", "constant", "count_params", "dtype", "eval",
    "eye", "get_value", "get_variable_shape", "identity", "int_shape", "is_float_dtype",
    "is_int_dtype", "is_keras_tensor", "is_placeholder", "is_sparse", "is_tensor",
    "is_variable", "ndim", "one_hot", "ones", "ones_like", "placeholder", "print_tensor",
    "random_binomial", "random_normal", "random_normal_variable", "random_uniform",
    "random_uniform_variable", "set_value", "shape", "size", "to_dense", "truncated_normal",
    "variable", "zeros", "zeros_like",
]  # fmt: skip
