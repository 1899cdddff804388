"""The abstract engine: tensors that have only a shape and a dtype.

It implements the whole contract (tricorn/engines/contract.py) by the rules that give a result's
shape and dtype, so that models are built, checked and summarised without any tensor library.  A
dimension may be None, unknown until data comes; unknown dimensions propagate, and a known one wins
where the two must be equal.  Errors are written for the people who made the shapes.
"""

from __future__ import annotations

import builtins as py
import contextlib
import functools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn

from tricorn import dtypes, tree
from tricorn.arithmetic import NUMPY_OPERATORS, OPS, Arithmetic
from tricorn.engines import common
from tricorn.engines.contract import RULES

Dim = int | None
Shape = tuple[Dim, ...]

CAPABILITIES = {
    "differentiates": True,
    "traces": True,
    "distributes": True,
    "complex": True,
    "abstract": True,
}


class NeedsEngine(TypeError, ValueError):
    """Values were asked of a tensor that has only a shape and a dtype.  It is of both kinds since
    Keras raises the one or the other, by what was asked."""


class _NoIteration(NeedsEngine, NotImplementedError):
    """Iteration over a tensor that has only a shape and a dtype."""


class _NoLength(TypeError, AttributeError):
    """There is no first axis."""


class _MissingAttribute(NeedsEngine, AttributeError):
    """A method of a native tensor was asked of an abstract one (`hasattr` gives False)."""


def _needs_engine(tensor: Any, what: str, error: type = NeedsEngine) -> NoReturn:
    raise error(
        f"{what} got {tensor!r}, which is symbolic: it has only a shape and a dtype, no values. A "
        "function of another tensor library, or a Python branch on a value, cannot run here. Use "
        "tricorn.ops (ops.where or ops.cond for branches), or put the code into a layer with its "
        "own compute_output_shape, where it runs with real tensors"
    )


def _valueless(what: str) -> Callable:
    def convert(self: Any, *args: Any, **kwargs: Any) -> NoReturn:
        _needs_engine(self, what)

    return convert


def needs_engine(error: BaseException | None) -> NeedsEngine | None:
    """The `NeedsEngine` that an error is, or was raised because of (libraries wrap it)."""
    seen = 0
    while error is not None and seen < 20:
        if isinstance(error, NeedsEngine):
            return error
        error, seen = error.__cause__ or error.__context__, seen + 1
    return None


class AbstractTensor(Arithmetic):
    """A tensor's shape, a tuple of ints or None (unknown), and its dtype's name."""

    __slots__ = ("__weakref__", "dtype", "shape")

    def __init__(self, shape: Sequence[Dim], dtype: str) -> None:
        self.shape: Shape = tuple(shape)
        self.dtype = dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int | None:
        """The number of elements; None when a dimension is unknown."""
        return _product(self.shape)

    def __repr__(self) -> str:
        return f"<AbstractTensor shape={self.shape} dtype={self.dtype}>"

    @property  # so that `hasattr` tells whether the length is known, as programs ask
    def __len__(self) -> Callable[[], int]:
        if not self.shape:
            raise _NoLength("len() of a tensor without axes")
        length = self.shape[0]
        if length is None:
            _needs_engine(self, "len()", _MissingAttribute)
        return lambda: length

    def __iter__(self) -> Iterator[AbstractTensor]:
        if not self.shape:
            raise TypeError("iteration over a tensor without axes")
        if self.shape[0] is None:
            _needs_engine(self, "iteration over an axis of unknown length", _NoIteration)
        return (AbstractTensor(self.shape[1:], self.dtype) for _ in range(self.shape[0]))

    @classmethod
    def __torch_function__(
        cls, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> NoReturn:
        found = [x for x in tree.leaves((args, kwargs)) if isinstance(x, cls)]
        _needs_engine(found[0] if found else cls, f"torch.{getattr(func, '__name__', func)}")

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("_") or name in ("shape", "dtype"):
            raise AttributeError(name)
        _needs_engine(self, f"the attribute .{name}", _MissingAttribute)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **settings: Any) -> Any:
        """NumPy's operators, as in ``array + x``, go to the ops; its functions need values."""
        name = getattr(ufunc, "__name__", "")
        if method != "__call__" or settings or name not in NUMPY_OPERATORS:
            _needs_engine(self, f"np.{name} (use ops.{name})")
        return OPS[NUMPY_OPERATORS[name]](*inputs)

    __array__ = _valueless("a conversion to a NumPy array")
    __array_function__ = _valueless("a NumPy function")
    __jax_array__ = property(_valueless("a JAX function"))  # JAX asks whether it is there
    __tf_tensor__ = _valueless("a TensorFlow function")
    _id = property(_valueless("a tape of TensorFlow's"))
    __bool__ = _valueless("a truth test (if, while, and, or; it cannot be used as a boolean)")
    __float__ = _valueless("float()")
    __int__ = _valueless("int()")
    __index__ = _valueless("a use as an index")
    __complex__ = _valueless("complex()")


TENSOR_TYPES = (AbstractTensor,)

# ----------------------------------------------------------------------- dimensions and agreement


def _product(dims: Sequence[Dim]) -> int | None:
    """The product; 0 when one is 0, None when it depends on an unknown one."""
    if 0 in dims:
        return 0
    return None if None in dims else math.prod(dims)  # type: ignore[arg-type]


def _broadcast(name: str, *shapes: Shape) -> Shape:
    """NumPy's broadcasting; an unknown dimension takes the other's length unless that is 1."""
    first = shapes[0]
    if py.all(shape == first for shape in shapes):
        return first
    result: list[Dim] = []
    for axis in range(-py.max(map(len, shapes)), 0):
        found = {shape[axis] for shape in shapes if len(shape) >= -axis} - {1}
        known = found - {None}
        if len(known) > 1:
            listed = " and ".join(map(str, shapes))
            raise ValueError(
                f"{name}: the shapes {listed} do not broadcast: axis {axis} has the lengths "
                f"{' and '.join(sorted(map(str, known)))}; they must be equal or 1"
            )
        result.append(known.pop() if known else None if found else 1)
    return tuple(result)


def _same(a: Dim, b: Dim) -> bool:
    return a is None or b is None or a == b


def _merge(a: Shape, b: Shape) -> Shape | None:
    """The known dimensions of either when both can be one shape, else None."""
    if len(a) != len(b) or not py.all(map(_same, a, b)):
        return None
    return tuple(m if n is None else n for m, n in zip(a, b))


def _one_dtype(name: str, *operands: Any) -> str:
    """The dtype that the tensors among `operands` share (the others are Python scalars)."""
    found = {x.dtype for x in operands if isinstance(x, AbstractTensor)}
    if len(found) != 1:
        raise TypeError(f"{name}: tensors of one dtype expected, got {' and '.join(sorted(found))}")
    return found.pop()


def _shape(x: Any) -> Shape:
    return x.shape if isinstance(x, AbstractTensor) else ()


_KINDS: dict[str, Callable[[str], bool]] = {
    "floating or complex": lambda d: dtypes.is_float(d) or dtypes.is_complex(d),
    "floating": dtypes.is_float,
    "complex": dtypes.is_complex,
    "integer": dtypes.is_integer,
    "bool": lambda d: d == "bool",
    "numeric": lambda d: d not in ("bool", "string"),
    "numeric or bool": lambda d: d != "string",
}


def _check_kind(name: str, dtype: str, kind: str) -> None:
    if not _KINDS[kind](dtype):
        raise TypeError(f"{name}: the dtype must be {kind}, got {dtype}")


def _check_rank(name: str, x: AbstractTensor, least: int) -> None:
    if len(x.shape) < least:
        raise ValueError(f"{name}: at least {least} axes expected, got the shape {x.shape}")


def _check_square(name: str, x: AbstractTensor) -> None:
    _check_rank(name, x, 2)
    if not _same(*x.shape[-2:]):
        raise ValueError(f"{name}: square matrices (..., n, n) expected, got the shape {x.shape}")


def _check_key(name: str, key: AbstractTensor) -> None:
    if _merge(key.shape, (2,)) is None or key.dtype != "int32":
        raise ValueError(
            f"{name}: the key must be an int32 tensor of shape (2,), got {key.dtype} {key.shape}"
        )


def _like(x: AbstractTensor) -> AbstractTensor:
    return AbstractTensor(x.shape, x.dtype)


def _real_dtype(dtype: str) -> str:
    return {"complex64": "float32", "complex128": "float64"}.get(dtype, dtype)


def _complex_dtype(dtype: str) -> str:
    return "complex128" if dtype in ("float64", "complex128") else "complex64"


# --------------------------------------------------------------------------------------- tensors


def tensor(value: Any, dtype: str | None) -> AbstractTensor:
    """Any tensor, array or scalar; without a dtype, of its own."""
    if dtype is None:
        dtype = dtypes.result_type(dtypes.of(value))
    return AbstractTensor(getattr(value, "shape", ()), dtype)


def numpy(x: AbstractTensor) -> NoReturn:
    _needs_engine(x, "a conversion to a NumPy array")


def is_tensor(x: Any) -> bool:
    return isinstance(x, AbstractTensor)


def is_sparse(x: Any) -> bool:
    return False


def sparse(
    indices: AbstractTensor, values: AbstractTensor, shape: Shape, distinct: bool
) -> AbstractTensor:
    return AbstractTensor(shape, values.dtype)


def entries(x: AbstractTensor) -> tuple[AbstractTensor, AbstractTensor, Shape]:
    return AbstractTensor((None, len(x.shape)), "int32"), AbstractTensor((None,), x.dtype), x.shape


def dense(x: AbstractTensor) -> AbstractTensor:
    return x


def sparse_matmul(x: AbstractTensor, y: AbstractTensor) -> AbstractTensor:
    return matmul(x, y)


def shape(x: AbstractTensor) -> Shape:
    return x.shape


def dtype(x: AbstractTensor) -> str:
    return x.dtype


def cast(x: AbstractTensor, dtype: str) -> AbstractTensor:
    return AbstractTensor(x.shape, dtype)


def full(shape: Shape, value: Any, dtype: str) -> AbstractTensor:
    if _shape(value):
        raise ValueError(f"full: a scalar value expected, got the shape {value.shape}")
    return AbstractTensor(shape, dtype)


def arange(start: Any, stop: Any, step: Any, dtype: str) -> AbstractTensor:
    if py.any(v is None or isinstance(v, AbstractTensor) for v in (start, stop, step)):
        return AbstractTensor((None,), dtype)
    if step == 0:
        raise ValueError("arange: step must not be 0")
    return AbstractTensor((py.max(0, math.ceil((stop - start) / step)),), dtype)


def device(name: str) -> contextlib.AbstractContextManager:
    return contextlib.nullcontext()


def devices() -> list[str]:
    return ["abstract:0"]


def device_of(x: Any) -> None:
    return None


def is_eager() -> bool:
    return False


# ----------------------------------------------------------------------------------- elementwise


def _elementwise(to: str | None, name: str, kind: str, *operands: Any) -> AbstractTensor:
    """Operands broadcast, share a dtype of `kind`, and give it (or the dtype `to`)."""
    dtype = _one_dtype(name, *operands)
    _check_kind(name, dtype, kind)
    return AbstractTensor(_broadcast(name, *map(_shape, operands)), to or dtype)


def _reduced(
    name: str, kind: str, x: AbstractTensor, axis: tuple[int, ...], keepdims: bool
) -> AbstractTensor:
    _check_kind(name, x.dtype, kind)
    for i in axis:
        if not 0 <= i < len(x.shape):
            raise ValueError(f"{name}: axis {i} is not an axis of the shape {x.shape}")
    kept = [1 if i in axis else n for i, n in enumerate(x.shape) if keepdims or i not in axis]
    return AbstractTensor(kept, x.dtype)


def _chosen(
    name: str, kind: str, x: AbstractTensor, axis: tuple[int, ...], keepdims: bool
) -> AbstractTensor:
    result = _reduced(name, kind, x, axis, keepdims)
    if py.any(x.shape[i] == 0 for i in axis):
        raise ValueError(f"{name}: nothing to choose from along axes {axis} of {x.shape}")
    return result


def _position(name: str, kind: str, x: AbstractTensor, axis: int, keepdims: bool) -> AbstractTensor:
    return AbstractTensor(_chosen(name, kind, x, (axis,), keepdims).shape, "int32")


def _along(to: str | None, name: str, kind: str, x: AbstractTensor, axis: int) -> AbstractTensor:
    _check_kind(name, x.dtype, kind)
    return AbstractTensor(x.shape, to or x.dtype)


#: table of the contract -> its rule, which takes a primitive's name, the kind of dtype that it
#: takes, and its arguments
_TABLES: dict[str, Callable] = {
    "unary": functools.partial(_elementwise, None),
    "predicate": functools.partial(_elementwise, "bool"),
    "binary": functools.partial(_elementwise, None),
    "comparison": functools.partial(_elementwise, "bool"),
    "reduction": _reduced,
    "choice": _chosen,
    "position": _position,
    "along": functools.partial(_along, None),
    "order": functools.partial(_along, "int32"),
}
globals().update(
    {name: functools.partial(_TABLES[rule.table], name, rule.takes) for name, rule in RULES.items()}
)


def abs(x: AbstractTensor) -> AbstractTensor:
    _check_kind("abs", x.dtype, RULES["abs"].takes)
    return AbstractTensor(x.shape, _real_dtype(x.dtype))


def where(condition: AbstractTensor, x: Any, y: Any) -> AbstractTensor:
    _check_kind("where (condition)", condition.dtype, "bool")
    shape = _broadcast("where", condition.shape, _shape(x), _shape(y))
    return AbstractTensor(shape, _one_dtype("where", x, y))


def clip(x: AbstractTensor, low: Any, high: Any) -> AbstractTensor:
    if _shape(low) or _shape(high):
        raise ValueError(f"clip: scalar bounds expected, got {_shape(low)} and {_shape(high)}")
    return _like(x)


# ------------------------------------------------------------------------------- reduce and order


def top_k(x: AbstractTensor, k: int) -> tuple[AbstractTensor, AbstractTensor]:
    _check_rank("top_k", x, 1)
    last = x.shape[-1]
    if last is not None and k > last:
        raise ValueError(f"top_k: k={k} exceeds the length of the last axis of {x.shape}")
    result = (*x.shape[:-1], k)
    return AbstractTensor(result, x.dtype), AbstractTensor(result, "int32")


def searchsorted(
    sorted_sequence: AbstractTensor, values: AbstractTensor, side: str
) -> AbstractTensor:
    if len(sorted_sequence.shape) != 1:
        raise ValueError(f"searchsorted: a 1-D sequence expected, got {sorted_sequence.shape}")
    return AbstractTensor(values.shape, "int32")


# -------------------------------------------------------------------------------- shape and index


def reshape(x: AbstractTensor, shape: Sequence[Dim]) -> AbstractTensor:
    """As the contract says; None at position i of `shape` is the input's own dimension i."""
    if py.any(n is None and i >= len(x.shape) for i, n in enumerate(shape)):
        raise ValueError(f"reshape: {tuple(shape)} keeps an axis that the shape {x.shape} lacks")
    kept = [i for i, n in enumerate(shape) if n is None and x.shape[i] is None]
    source = [n for i, n in enumerate(x.shape) if i not in kept]
    target = [x.shape[i] if n is None else n for i, n in enumerate(shape)]
    have = math.prod(n for n in source if n is not None)
    want = math.prod(n for n in target if n is not None and n != -1)
    if None in source:
        fits = -1 in target or have == 0 or want % have == 0
    elif -1 in target:
        fits = want > 0 and have % want == 0
    else:
        fits = have == want
    if not fits:
        raise ValueError(
            f"reshape: the shape {x.shape} does not fit into {tuple(shape)}: "
            f"{'a multiple of ' if None in source else ''}{have} elements into "
            f"{'a multiple of ' if -1 in target else ''}{want}"
        )
    if -1 in target:
        target[target.index(-1)] = None if None in source else have // want
    return AbstractTensor(target, x.dtype)


def expand_dims(x: AbstractTensor, axis: tuple[int, ...]) -> AbstractTensor:
    result = list(x.shape)
    for i in sorted(axis):
        result.insert(i, 1)
    return AbstractTensor(result, x.dtype)


def squeeze(x: AbstractTensor, axis: tuple[int, ...]) -> AbstractTensor:
    for i in axis:
        if not _same(x.shape[i], 1):
            raise ValueError(f"squeeze: axis {i} of the shape {x.shape} is longer than 1")
    return AbstractTensor([n for i, n in enumerate(x.shape) if i not in axis], x.dtype)


def transpose(x: AbstractTensor, axes: tuple[int, ...]) -> AbstractTensor:
    if sorted(axes) != list(range(len(x.shape))):
        raise ValueError(f"transpose: {axes} is not a permutation of the axes of {x.shape}")
    return AbstractTensor([x.shape[i] for i in axes], x.dtype)


def broadcast_to(x: AbstractTensor, shape: Shape) -> AbstractTensor:
    result = _broadcast("broadcast_to", x.shape, tuple(shape))
    if _merge(result, tuple(shape)) is None:
        raise ValueError(f"broadcast_to: the shape {x.shape} cannot become {tuple(shape)}")
    return AbstractTensor(result, x.dtype)


def concatenate(xs: Sequence[AbstractTensor], axis: int) -> AbstractTensor:
    dtype = _one_dtype("concatenate", *xs)
    common = _without(xs[0].shape, axis)
    for x in xs[1:]:
        merged = _merge(common, _without(x.shape, axis))
        if merged is None or len(x.shape) != len(xs[0].shape):
            listed = ", ".join(str(x.shape) for x in xs)
            raise ValueError(f"concatenate: shapes may differ along axis {axis} only, got {listed}")
        common = merged
    lengths = [x.shape[axis] for x in xs]
    total = None if None in lengths else py.sum(lengths)  # type: ignore[arg-type]
    return AbstractTensor((*common[:axis], total, *common[axis:]), dtype)


def _without(shape: Shape, axis: int) -> Shape:
    return (*shape[:axis], *shape[axis + 1 :])


def stack(xs: Sequence[AbstractTensor], axis: int) -> AbstractTensor:
    dtype = _one_dtype("stack", *xs)
    common: Shape | None = xs[0].shape
    for x in xs[1:]:
        common = _merge(common, x.shape) if common is not None else None
    if common is None:
        raise ValueError(f"stack: one shape expected, got {', '.join(str(x.shape) for x in xs)}")
    return AbstractTensor((*common[:axis], len(xs), *common[axis:]), dtype)


def slice(x: AbstractTensor, key: tuple) -> AbstractTensor:
    used = py.sum(k is not None and k is not Ellipsis for k in key)
    if used > len(x.shape):
        raise IndexError(f"slice: {used} indices for the shape {x.shape}")
    if Ellipsis not in key:
        key = (*key, Ellipsis)
    result: list[Dim] = []
    axis = 0
    for k in key:
        if k is None:
            result.append(1)
        elif k is Ellipsis:
            rest = len(x.shape) - used
            result.extend(x.shape[axis : axis + rest])
            axis += rest
        else:
            n = x.shape[axis]
            if isinstance(k, py.slice):
                result.append(_slice_length(k, n))
            elif n is not None and not -n <= k < n:
                raise IndexError(f"slice: index {k} is outside of axis {axis} of {x.shape}")
            axis += 1
    return AbstractTensor(result, x.dtype)


def _slice_length(key: py.slice, n: Dim) -> Dim:
    return None if n is None else len(range(*key.indices(n)))


def dynamic_slice(x: AbstractTensor, start: tuple, size: tuple[int, ...]) -> AbstractTensor:
    _check_block("dynamic_slice", x, start, size)
    return AbstractTensor(size, x.dtype)


def update_slice(x: AbstractTensor, start: tuple, update: AbstractTensor) -> AbstractTensor:
    _check_block("update_slice", x, start, update.shape)
    return AbstractTensor(x.shape, _one_dtype("update_slice", x, update))


def _check_block(name: str, x: AbstractTensor, start: tuple, size: Shape) -> None:
    if not len(x.shape) == len(start) == len(size):
        raise ValueError(
            f"{name}: {len(start)} start indices and a block {tuple(size)} for the shape {x.shape}"
        )
    if py.any(n is not None and m is not None and m > n for m, n in zip(size, x.shape)):
        raise ValueError(f"{name}: the block {tuple(size)} is larger than the shape {x.shape}")


def pad(
    x: AbstractTensor, pads: Sequence[tuple[int, int]], mode: str, value: Any
) -> AbstractTensor:
    if len(pads) != len(x.shape):
        raise ValueError(f"pad: {len(pads)} pairs of paddings for the shape {x.shape}")
    longest = {"reflect": 1, "symmetric": 0}.get(mode)
    for axis, (pair, n) in enumerate(zip(pads, x.shape)):
        if longest is not None and n is not None and py.max(pair) > n - longest:
            raise ValueError(
                f"pad: mode {mode!r} adds at most {n - longest} elements to a side of axis {axis} "
                f"of the shape {x.shape}, {py.max(pair)} were asked for"
            )
    return AbstractTensor(
        [None if n is None else n + a + b for n, (a, b) in zip(x.shape, pads)], x.dtype
    )


def flip(x: AbstractTensor, axis: tuple[int, ...]) -> AbstractTensor:
    return _like(x)


def repeat(x: AbstractTensor, repeats: int | tuple[int, ...], axis: int) -> AbstractTensor:
    n = x.shape[axis]
    if isinstance(repeats, int):
        length = None if n is None else n * repeats
    elif not _same(n, len(repeats)):
        raise ValueError(f"repeat: {len(repeats)} counts for the {n} elements along axis {axis}")
    else:
        length = py.sum(repeats)
    return AbstractTensor((*x.shape[:axis], length, *x.shape[axis + 1 :]), x.dtype)


def take(x: AbstractTensor, indices: AbstractTensor, axis: int) -> AbstractTensor:
    _check_kind("take (indices)", indices.dtype, "integer")
    return AbstractTensor((*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]), x.dtype)


def take_along_axis(x: AbstractTensor, indices: AbstractTensor, axis: int) -> AbstractTensor:
    _check_kind("take_along_axis (indices)", indices.dtype, "integer")
    if len(x.shape) != len(indices.shape):
        raise ValueError(
            f"take_along_axis: as many axes as {x.shape} expected in the indices, "
            f"got {indices.shape}"
        )
    others = (_without(x.shape, axis), _without(indices.shape, axis))
    common = _broadcast("take_along_axis", *others)
    return AbstractTensor((*common[:axis], indices.shape[axis], *common[axis:]), x.dtype)


def scatter(
    x: AbstractTensor, indices: AbstractTensor, updates: AbstractTensor, mode: str
) -> AbstractTensor:
    _check_kind("scatter (indices)", indices.dtype, "integer")
    _check_rank("scatter (indices)", indices, 1)
    depth = indices.shape[-1]
    if depth is not None:
        if depth > len(x.shape):
            raise ValueError(f"scatter: {depth} indices per element for the shape {x.shape}")
        expected = (*indices.shape[:-1], *x.shape[depth:])
        if _merge(expected, updates.shape) is None:
            raise ValueError(f"scatter: updates of shape {expected} expected, got {updates.shape}")
    return AbstractTensor(x.shape, _one_dtype("scatter", x, updates))


# --------------------------------------------------------------------------------- linear algebra


def matmul(x: AbstractTensor, y: AbstractTensor) -> AbstractTensor:
    dtype = _one_dtype("matmul", x, y)
    if not x.shape or not y.shape:
        raise ValueError(f"matmul: operands need at least one axis, got {x.shape} x {y.shape}")
    inner_x, inner_y = x.shape[-1], y.shape[-2 if len(y.shape) > 1 else -1]
    if not _same(inner_x, inner_y):
        raise ValueError(
            f"matmul: the inner dimensions differ: {x.shape} x {y.shape}, "
            f"{inner_x} against {inner_y}"
        )
    batch = _broadcast("matmul", x.shape[:-2], y.shape[:-2])
    rows = x.shape[-2:-1]  # empty for a vector
    columns = y.shape[-1:] if len(y.shape) > 1 else ()
    return AbstractTensor((*batch, *rows, *columns), dtype)


def einsum(subscripts: str, operands: Sequence[AbstractTensor]) -> AbstractTensor:
    dtype = _one_dtype("einsum", *operands)
    inputs, arrow, output = subscripts.replace(" ", "").partition("->")
    terms = inputs.split(",")
    if len(terms) != len(operands):
        raise ValueError(f"einsum: {subscripts!r} has {len(terms)} inputs, {len(operands)} given")
    lengths: dict[str, list[Dim]] = {}
    rest: list[Shape] = []
    for term, x in zip(terms, operands):
        for letter, n in _einsum_axes(subscripts, term, x.shape, rest):
            lengths.setdefault(letter, []).append(n)
    sizes: dict[str, Dim] = {}
    for letter, found in lengths.items():
        (sizes[letter],) = _broadcast(f"einsum, index {letter!r}", *((n,) for n in found))
    if not arrow:
        letters = "".join(terms).replace("...", "")
        once = "".join(sorted(letter for letter in sizes if letters.count(letter) == 1))
        output = ("..." if rest else "") + once
    result: list[Dim] = []
    head, dots, tail = output.partition("...")
    for letter in head + tail:
        if letter not in sizes:
            raise ValueError(f"einsum: the index {letter!r} of the result is in no input")
    result += [sizes[letter] for letter in head]
    result += _broadcast("einsum", *rest) if dots and rest else ()
    result += [sizes[letter] for letter in tail]
    return AbstractTensor(result, dtype)


def _einsum_axes(
    subscripts: str, term: str, shape: Shape, rest: list[Shape]
) -> list[tuple[str, Dim]]:
    """(index, length) of the named axes of one operand; the part of `...` is added to `rest`."""
    head, dots, tail = term.partition("...")
    named = len(head) + len(tail)
    if named > len(shape) or (not dots and named != len(shape)):
        raise ValueError(f"einsum: {term!r} of {subscripts!r} does not fit the shape {shape}")
    end = len(shape) - len(tail)
    if dots:
        rest.append(shape[len(head) : end])
    return [*zip(head, shape), *zip(tail, shape[end:])]


def cholesky(x: AbstractTensor) -> AbstractTensor:
    _check_square("cholesky", x)
    return _like(x)


def _minimum(m: Dim, n: Dim) -> Dim:
    return None if m is None or n is None else py.min(m, n)


def qr(x: AbstractTensor, full: bool) -> tuple[AbstractTensor, AbstractTensor]:
    _check_rank("qr", x, 2)
    *batch, m, n = x.shape
    k = m if full else _minimum(m, n)
    return AbstractTensor((*batch, m, k), x.dtype), AbstractTensor((*batch, k, n), x.dtype)


def svd(x: AbstractTensor, full: bool, vectors: bool) -> Any:
    _check_rank("svd", x, 2)
    *batch, m, n = x.shape
    k = _minimum(m, n)
    s = AbstractTensor((*batch, k), _real_dtype(x.dtype))
    if not vectors:
        return s
    u = AbstractTensor((*batch, m, m if full else k), x.dtype)
    return u, s, AbstractTensor((*batch, n if full else k, n), x.dtype)


def eigh(x: AbstractTensor) -> tuple[AbstractTensor, AbstractTensor]:
    _check_square("eigh", x)
    return AbstractTensor(x.shape[:-1], _real_dtype(x.dtype)), _like(x)


def lu(x: AbstractTensor) -> tuple[AbstractTensor, AbstractTensor]:
    _check_rank("lu", x, 2)
    pivots = (*x.shape[:-2], _minimum(*x.shape[-2:]))
    return _like(x), AbstractTensor(pivots, "int32")


def _solve(name: str, a: AbstractTensor, b: AbstractTensor, *lower: bool) -> AbstractTensor:
    dtype = _one_dtype(name, a, b)
    _check_square(name, a)
    _check_rank(name, b, 2)
    if not _same(a.shape[-1], b.shape[-2]):
        raise ValueError(f"{name}: a {a.shape} needs b of shape (..., n, k), got {b.shape}")
    batch = _broadcast(name, a.shape[:-2], b.shape[:-2])
    return AbstractTensor((*batch, *b.shape[-2:]), dtype)


solve = functools.partial(_solve, "solve")
solve_triangular = functools.partial(_solve, "solve_triangular")


def _spectrum(name: str, kind: str, x: AbstractTensor) -> AbstractTensor:
    _check_kind(name, x.dtype, kind)
    _check_rank(name, x, 1)
    return _like(x)


fft = functools.partial(_spectrum, "fft", "complex")
ifft = functools.partial(_spectrum, "ifft", "complex")


def rfft(x: AbstractTensor, n: int) -> AbstractTensor:
    x = _spectrum("rfft", "floating", x)
    return AbstractTensor((*x.shape[:-1], n // 2 + 1), _complex_dtype(x.dtype))


def irfft(x: AbstractTensor, n: int) -> AbstractTensor:
    x = _spectrum("irfft", "complex", x)
    return AbstractTensor((*x.shape[:-1], n), _real_dtype(x.dtype))


# ---------------------------------------------------------------------------------------- windows


def _split(name: str, x: AbstractTensor, channels_last: bool, rank: int) -> tuple[Shape, Dim]:
    """(spatial dimensions, channels) of a batch with `rank` spatial axes."""
    if len(x.shape) != rank + 2:
        layout = "batch, *spatial, channels" if channels_last else "batch, channels, *spatial"
        raise ValueError(f"{name}: a {rank + 2}-D input ({layout}) expected, got {x.shape}")
    return (x.shape[1:-1], x.shape[-1]) if channels_last else (x.shape[2:], x.shape[1])


def _joined(
    x: AbstractTensor, spatial: Sequence[Dim], channels: Dim, channels_last: bool
) -> AbstractTensor:
    inner = (*spatial, channels) if channels_last else (channels, *spatial)
    return AbstractTensor((x.shape[0], *inner), x.dtype)


def _windows(
    name: str,
    spatial: Shape,
    size: Sequence[Dim],
    strides: Sequence[int],
    padding: Sequence[tuple[int, int]],
    dilation: Sequence[int],
) -> list[Dim]:
    """The number of window positions along each spatial axis."""
    result: list[Dim] = []
    for axis, (n, k, stride, (before, after), spread) in enumerate(
        zip(spatial, size, strides, padding, dilation, strict=True)
    ):
        if n is None or k is None:
            result.append(None)
            continue
        room = n + before + after - ((k - 1) * spread + 1)
        if room < 0:
            raise ValueError(
                f"{name}: the window does not fit: spatial axis {axis} of {spatial} has the length "
                f"{n}, with padding {n + before + after}, the window {(k - 1) * spread + 1}"
            )
        result.append(room // stride + 1)
    return result


def conv(
    x: AbstractTensor,
    kernel: AbstractTensor,
    strides: Sequence[int],
    padding: Sequence[tuple[int, int]],
    dilation: Sequence[int],
    groups: int,
    channels_last: bool,
) -> AbstractTensor:
    _one_dtype("conv", x, kernel)
    spatial, channels = _split("conv", x, channels_last, len(kernel.shape) - 2)
    *window, inputs, filters = kernel.shape
    if not _same(channels, None if inputs is None else inputs * groups):
        raise ValueError(
            f"conv: the input {x.shape} has {channels} channels, the kernel {kernel.shape} with "
            f"groups={groups} is for {inputs * groups}"  # type: ignore[operator]
        )
    if filters is not None and filters % groups:
        raise ValueError(f"conv: {filters} filters cannot be divided into {groups} groups")
    positions = _windows("conv", spatial, window, strides, padding, dilation)
    return _joined(x, positions, filters, channels_last)


def conv_transpose(
    x: AbstractTensor,
    kernel: AbstractTensor,
    strides: Sequence[int],
    padding: Sequence[tuple[int, int]],
    dilation: Sequence[int],
    channels_last: bool,
) -> AbstractTensor:
    _one_dtype("conv_transpose", x, kernel)
    spatial, channels = _split("conv_transpose", x, channels_last, len(kernel.shape) - 2)
    *window, filters, inputs = kernel.shape
    if not _same(channels, inputs):
        raise ValueError(
            f"conv_transpose: the input {x.shape} has {channels} channels, the kernel "
            f"{kernel.shape} is for {inputs}"
        )
    spread = tuple(None if n is None else (n - 1) * s + 1 for n, s in zip(spatial, strides))
    ones = (1,) * len(window)
    positions = _windows("conv_transpose", spread, window, ones, padding, dilation)
    return _joined(x, positions, filters, channels_last)


def _pool(
    name: str,
    x: AbstractTensor,
    size: Sequence[int],
    strides: Sequence[int],
    padding: Sequence[tuple[int, int]],
    channels_last: bool,
) -> AbstractTensor:
    spatial, channels = _split(name, x, channels_last, len(size))
    positions = _windows(name, spatial, size, strides, padding, (1,) * len(size))
    return _joined(x, positions, channels, channels_last)


max_pool = functools.partial(_pool, "max_pool")
average_pool = functools.partial(_pool, "average_pool")


def resize(
    x: AbstractTensor, size: Sequence[int], method: str, channels_last: bool, antialias: bool
) -> AbstractTensor:
    _, channels = _split("resize", x, channels_last, 2)
    return _joined(x, size, channels, channels_last)


# ---------------------------------------------------------------------------------------- special


def bitcast(x: AbstractTensor, dtype: str) -> AbstractTensor:
    if dtypes.size(x.dtype) != dtypes.size(dtype):
        raise TypeError(f"bitcast: {x.dtype} and {dtype} differ in width")
    return AbstractTensor(x.shape, dtype)


def complex(real: AbstractTensor, imag: AbstractTensor) -> AbstractTensor:
    dtype = _one_dtype("complex", real, imag)
    _check_kind("complex", dtype, "floating")
    return AbstractTensor(_broadcast("complex", real.shape, imag.shape), _complex_dtype(dtype))


def real(x: AbstractTensor) -> AbstractTensor:
    return AbstractTensor(x.shape, _real_dtype(x.dtype))


imag = real


def nonzero(x: AbstractTensor) -> tuple[AbstractTensor, ...]:
    return tuple(AbstractTensor((None,), "int32") for _ in x.shape)


def unique(x: AbstractTensor) -> tuple[AbstractTensor, ...]:
    found = AbstractTensor((None,), "int32")
    return AbstractTensor((None,), x.dtype), found, AbstractTensor((x.size,), "int32"), _like(found)


def eig(x: AbstractTensor) -> tuple[AbstractTensor, AbstractTensor]:
    _check_square("eig", x)
    dtype = _complex_dtype(x.dtype)
    return AbstractTensor(x.shape[:-1], dtype), AbstractTensor(x.shape, dtype)


# ----------------------------------------------------------------------------------------- random


def bits(key: AbstractTensor, shape: Shape) -> AbstractTensor:
    return _draw("bits", key, shape, "int32")


def _draw(name: str, key: AbstractTensor, shape: Shape, dtype: str) -> AbstractTensor:
    _check_key(name, key)
    return AbstractTensor(shape, dtype)


uniform = functools.partial(_draw, "uniform")
normal = functools.partial(_draw, "normal")


def bernoulli(key: AbstractTensor, shape: Shape, probability: float) -> AbstractTensor:
    return _draw("bernoulli", key, shape, "bool")


def randint(key: AbstractTensor, shape: Shape, low: int, high: int, dtype: str) -> AbstractTensor:
    return _draw("randint", key, shape, dtype)


def gamma(key: AbstractTensor, alpha: AbstractTensor, dtype: str) -> AbstractTensor:
    return _draw("gamma", key, alpha.shape, dtype)


# --------------------------------------------------------------------------- control, transforms


def _abstract(value: Any) -> AbstractTensor:
    return value if isinstance(value, AbstractTensor) else tensor(value, None)


def _agreed(name: str, first: str, a: Any, second: str, b: Any) -> Any:
    """The tree that both are, with the dimensions either knows; an error says how they differ."""
    a, b = tree.map(_abstract, a), tree.map(_abstract, b)
    if tree.structure(a) != tree.structure(b):
        raise ValueError(
            f"{name}: {first} and {second} have different structures: "
            f"{tree.structure(a)} and {tree.structure(b)}"
        )
    result = []
    for (path, x), y in zip(tree.paths(a), tree.leaves(b)):
        shape = _merge(x.shape, y.shape)
        if shape is None or x.dtype != y.dtype:
            place = "".join(f"[{key!r}]" for key in path)
            raise ValueError(
                f"{name}: {first} and {second} differ{' at ' + place if place else ''}: "
                f"{x.dtype} {x.shape} and {y.dtype} {y.shape}"
            )
        result.append(AbstractTensor(shape, x.dtype))
    return tree.unflatten(tree.structure(a), result)


def _check_condition(name: str, pred: AbstractTensor) -> None:
    if _shape(pred) or getattr(pred, "dtype", "bool") != "bool":
        raise ValueError(f"{name}: the condition must be a scalar bool, got {pred!r}")


def cond(pred: AbstractTensor, true_fn: Callable, false_fn: Callable, operands: Sequence) -> Any:
    _check_condition("cond", pred)
    yes, no = true_fn(*operands), false_fn(*operands)
    return _agreed("cond", "the result of true_fn", yes, "that of false_fn", no)


def while_loop(cond: Callable, body: Callable, state: tuple) -> tuple:
    _check_condition("while_loop", cond(*state))
    after = tuple(body(*state))
    return _agreed("while_loop", "the state", tuple(state), "what body returns", after)


def scan(body: Callable, init: Any, xs: Any, length: int | None, reverse: bool) -> tuple:
    leaves, structure = tree.take_apart(xs)
    lengths = {x.shape[0] for x in leaves} - {None} | ({length} - {None})
    if len(lengths) > 1:
        raise ValueError(f"scan: the leading axes differ: {sorted(map(str, lengths))}")
    steps = lengths.pop() if lengths else None
    x = tree.unflatten(structure, [AbstractTensor(x.shape[1:], x.dtype) for x in leaves])
    carry, y = body(init, x)
    carry = _agreed("scan", "the carry", init, "what body returns for it", carry)
    return carry, tree.map(lambda leaf: AbstractTensor((steps, *leaf.shape), leaf.dtype), y)


def vmap(fn: Callable, in_axes: Any, out_axes: Any) -> Callable:
    def mapped(*args: Any) -> Any:
        leaves, structure = tree.take_apart(args)
        axes = common.mapped_axes(in_axes, args)
        lengths = {x.shape[i] for x, i in zip(leaves, axes) if i is not None} - {None}
        if len(lengths) > 1:
            raise ValueError(f"vmap: the mapped axes have different lengths: {sorted(lengths)}")
        count = lengths.pop() if lengths else None
        inner = [x if i is None else _drop(x, i) for x, i in zip(leaves, axes)]
        out, structure = tree.take_apart(fn(*tree.unflatten(structure, inner)))
        result = tree.unflatten(structure, out)
        axes = common.mapped_axes(out_axes, result)
        outer = [x if i is None else _insert(x, i, count) for x, i in zip(out, axes)]
        return tree.unflatten(structure, outer)

    return mapped


def _drop(x: AbstractTensor, axis: int) -> AbstractTensor:
    return AbstractTensor(_without(x.shape, axis % len(x.shape)), x.dtype)


def _insert(x: AbstractTensor, axis: int, length: Dim) -> AbstractTensor:
    axis %= len(x.shape) + 1
    return AbstractTensor((*x.shape[:axis], length, *x.shape[axis:]), x.dtype)


def vjp(fn: Callable, primals: tuple) -> tuple:
    out, aux = fn(*primals)

    def pullback(cotangent: Any) -> tuple:
        _agreed("vjp", "the cotangent", cotangent, "the output", out)
        return tree.map(_like, tuple(primals))

    return out, pullback, aux


def jvp(fn: Callable, primals: tuple, tangents: tuple) -> tuple:
    _agreed("jvp", "the tangents", tuple(tangents), "the primals", tuple(primals))
    out = fn(*primals)
    return out, tree.map(_like, out)


def custom_gradient(fn: Callable) -> Callable:
    return lambda *args: fn(*args)[0]


class Tape:
    """A tape that knows shapes only: whatever is asked for is taken to be connected."""

    def start(self) -> None:
        pass

    pause = stop = clear = start

    def watch(self, x: AbstractTensor) -> AbstractTensor:
        return x

    def recorded(self, x: AbstractTensor) -> bool:
        return True

    def gradient(
        self, targets: list, sources: list, cotangents: list, batched: bool
    ) -> list[AbstractTensor]:
        lead = cotangents[0].shape[:1] if batched else ()
        return [AbstractTensor((*lead, *x.shape), x.dtype) for x in sources]


def foreign(framework: str) -> NoReturn:
    raise NeedsEngine(f"programs of {framework} run on real tensors only")


def tape(persistent: bool) -> Tape:
    return Tape()


def eval_shape(fn: Callable, args: tuple) -> Any:
    def abstract(leaf: Any) -> Any:
        if not hasattr(leaf, "shape") or not hasattr(leaf, "dtype"):
            return leaf
        return AbstractTensor(leaf.shape, dtypes.standardize(leaf.dtype))

    return fn(*tree.map(abstract, tuple(args)))


def as_python(jit: bool | None, pure: bool) -> None:
    return None


def compile(fn: Callable, loop: bool, jit: bool | None = None) -> Callable:
    def run(handles: list, *args: Any) -> tuple:
        result, new = fn(list(handles), *args)
        _agreed("compile", "the state", list(handles), "the new state", list(new))
        return result, list(new)

    def run_loop(handles: list, start: int, stop: int, *args: Any) -> tuple:
        return run(handles, AbstractTensor((), "int32"), *args)

    return run_loop if loop else run


# ------------------------------------------------------------------------ collectives, variables


def all_reduce(x: AbstractTensor, op: str, axis_name: str) -> AbstractTensor:
    return _like(x)


def all_gather(x: AbstractTensor, axis: int, axis_name: str) -> AbstractTensor:
    return AbstractTensor((*x.shape[:axis], None, *x.shape[axis + 1 :]), x.dtype)


def axis_index(axis_name: str) -> AbstractTensor:
    return AbstractTensor((), "int32")


def variable(value: Any, dtype: str, trainable: bool, name: str) -> AbstractTensor:
    return tensor(value, dtype)


def write(handle: AbstractTensor, value: AbstractTensor) -> AbstractTensor:
    return _agreed("write", "the variable", handle, "its new value", value)
