"""``@op``: one plain function serves engine tensors, abstract tensors and symbolic tensors.

The prologue that every op needs stands here once: conversion of what is not a tensor, promotion to
a common dtype, the choice of an engine's override, recording on symbolic tensors, and errors.
"""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable
from typing import Annotated, Any, NamedTuple, TypeVar, Union, get_args, get_origin, overload

import numpy as np

from tricorn import dtypes, tree
from tricorn.arithmetic import OPS
from tricorn.checks import of_library
from tricorn.engines import registry
from tricorn.engines.abstract import AbstractTensor, NeedsEngine
from tricorn.engines.contract import EngineError, OfValues
from tricorn.graph.graphs import current_graph
from tricorn.graph.scope import Readable, Scope, variable_behind
from tricorn.graph.size_values import tried_out
from tricorn.graph.symbolic import Node, is_symbolic, recording
from tricorn.tracebacks import shorten

_MARK = object()
#: Annotation of an op's tensor arguments.
Tensor = Annotated[Any, _MARK]

F = TypeVar("F", bound=Callable)
_SCALARS = frozenset((int, float, bool, complex))
_FLOATS = frozenset(dtypes.FLOATS)


@overload
def op(fn: F) -> F: ...
@overload
def op(
    *, promote: bool | tuple[str, ...] = ..., floating: bool = ..., record: bool = ...
) -> Callable[[F], F]: ...
def op(
    fn: Callable | None = None,
    *,
    promote: bool | tuple[str, ...] = False,
    floating: bool = False,
    record: bool = True,
) -> Any:
    """Declare an op.  Its tensor arguments are those annotated with this module's `Tensor`
    (``Tensor | None``; ``Sequence[Tensor]`` for a list of them); they come first.  An argument that
    is annotated otherwise, be it ``torch.Tensor`` or ``"TensorSpec"``, goes to the body as it came.

    The library's own ops are found by their names: by engines that override them and by files.  An
    op of another module is never taken for one of those, whatever its name.

    Args:
        promote: bring the tensor arguments (all, or the last ones, from the first that is named)
            to their common dtype; Python scalars among them adopt it and stay scalars (one of
            several) or become tensors (all).
        floating: also turn integer and bool arguments into floats.
        record: make a node when called on symbolic tensors (False: the body runs on the symbolic
            tensors and the ops inside are recorded, e.g. because it takes functions).

    Raises:
        TypeError: for an annotation that cannot be resolved in the function's module.
    """
    if fn is None:
        return functools.partial(op, promote=promote, floating=floating, record=record)
    return Op(fn, promote or floating, floating, record).wrapper


class SparseRule(NamedTuple):
    """What an op does with sparse tensors, beside making them dense."""

    #: ``compute(op, *args, **kwargs)``, with the op's arguments: the result, or NotImplemented
    compute: Callable
    #: ``keeps(*args, **kwargs)``: whether the result is sparse, asked for symbolic arguments
    keeps: Callable


#: the rules of the library's ops by name (tricorn/ops/sparse.py)
SPARSE: dict[str | None, SparseRule] = {}


def holds_sparse(engine: Any, x: Any) -> bool:
    """Whether `x` is a sparse tensor of the engine, or a sparse matrix of SciPy's."""
    return engine.is_sparse(x) or type(x).__module__.startswith("scipy.sparse")


def to_dense(x: Any) -> Any:
    """A sparse tensor or matrix as a tensor, everything else as it is."""
    engine = registry.active()
    x = _as_sparse(engine, x)
    return engine.dense(x) if engine.is_sparse(x) else x


def _as_sparse(engine: Any, x: Any) -> Any:
    return convert(engine, x, None) if holds_sparse(engine, x) else x


class Op:
    """What `op` knows of a function; `wrapper` is the public function (its attribute `op` leads
    back here).  Nodes refer to the wrapper."""

    def __init__(
        self, fn: Callable, promote: bool | tuple[str, ...], floating: bool, record: bool
    ) -> None:
        self.fn, self.promote, self.floating, self.record = fn, bool(promote), floating, record
        self.name = fn.__name__
        hints = {}
        for p in inspect.signature(fn).parameters.values():
            hint = _hint(fn, p)
            if not _is_marked(hint):
                break
            hints[p] = hint
        tensors = list(hints)
        self.variadic = any(p.kind is p.VAR_POSITIONAL for p in tensors)
        #: the leading parameters that are tensors (or lists of tensors)
        self.count = len(tensors)
        self.names = tuple(p.name for p in tensors)
        #: which of those are lists of tensors (a list given for another one is one tensor)
        self.lists = tuple(map(_is_list, hints.values()))
        #: how many of them stand before those that are promoted
        self.skipped = self.names.index(promote[0]) if isinstance(promote, tuple) else 0
        #: what engines that have something faster know it by; None: no op of the library
        self.known_as = self.name if of_library(fn) else None
        self.wrapper = self._make_wrapper()
        if self.known_as is not None:
            OPS[self.name] = self.wrapper

    def _make_wrapper(self) -> Callable:
        fn, name, count, slow, run = self.fn, self.known_as, self.count, self._slow, self._call
        self._ready = ready = self._ready_test()
        scoped, explain, on_sparse = registry._scoped.get, self._explain, self._on_sparse

        def call(*args: Any, **kwargs: Any) -> Any:
            engine = scoped() or registry._process
            if (
                engine is None
                or not (engine.is_direct or engine.direct(args, kwargs))
                or len(args) < count
                or not ready(engine, args)
            ):
                return slow(args, kwargs)
            try:
                if name in engine.overrides:
                    return run(engine, args, kwargs)
                return fn(*args, **kwargs)
            except Exception as error:
                if any(map(engine.is_sparse, tree.leaves((args, kwargs)))):
                    return on_sparse(engine, args, kwargs)  # they may be of the type of tensors
                explain(engine, args, kwargs, error)
                raise

        wrapper = functools.wraps(fn)(call)
        wrapper.op = self  # type: ignore[attr-defined]
        return wrapper

    def _ready_test(self) -> Callable[[Any, tuple], bool]:
        """The test whether arguments are tensors of the engine that need no preparation: the fast
        path, asked at every call, hence in a form for each kind of op."""
        count, skipped, floating = self.count, self.skipped, self.floating
        many, is_float = self.lists == (True,), _FLOATS.__contains__

        def one(engine: Any, args: tuple) -> bool:
            return type(args[0]) in engine.tensor_types

        def one_float(engine: Any, args: tuple) -> bool:
            return type(args[0]) in engine.tensor_types and is_float(engine.dtype(args[0]))

        def several(engine: Any, args: tuple) -> bool:
            types = engine.tensor_types
            return all(x is None or type(x) in types for x in args[:count])

        def several_lists(engine: Any, args: tuple) -> bool:
            """As `several`, of ops that take lists."""
            types = engine.tensor_types
            for x, many in zip(args, self.lists):
                if many and type(x) is list:
                    if not all(type(part) in types for part in x):
                        return False
                elif x is not None and type(x) not in types:
                    return False
            return True

        def pair(engine: Any, args: tuple) -> bool:
            """Of one dtype already, or one is a number and the other a float."""
            x, y, types = args[0], args[1], engine.tensor_types
            if type(x) in types and type(y) in types:
                dtype = engine.dtype(x)
                return engine.dtype(y) == dtype and (not floating or is_float(dtype))
            number, other = (y, x) if type(x) in types else (x, y)
            numeric = type(number) is float or type(number) is int
            return numeric and type(other) in types and is_float(engine.dtype(other))

        def promoted(engine: Any, args: tuple) -> bool:
            """As `pair`, for any number and for lists."""
            if many and type(args[0]) not in (list, tuple):
                return False
            types, dtype, numbers = engine.tensor_types, None, 0
            head = args[0] if many else args[skipped:count]
            for x in head:
                kind = type(x)
                if kind in types:
                    if dtype is None:
                        dtype = engine.dtype(x)
                    elif engine.dtype(x) != dtype:
                        return False
                elif kind is float or kind is int:
                    numbers += 1
                else:
                    return False
            for x in args[:skipped]:
                if type(x) not in types:
                    return False
            if numbers:
                return len(head) == 2 and numbers == 1 and is_float(dtype)
            return dtype is not None and (not floating or is_float(dtype))

        if self.variadic or count == 0:
            return lambda engine, args: False
        if self.promote and self.lists == (False, False) and not skipped:
            return pair
        if self.promote:
            return (one_float if floating else one) if self.lists == (False,) else promoted
        if any(self.lists):
            return several_lists
        return one if count == 1 else several

    # ------------------------------------------------------------------------------ the slow path

    def _slow(self, args: tuple, kwargs: dict) -> Any:
        engine = registry._scoped.get() or registry._process
        if engine is not None and engine.is_direct and recording() is None:
            read = tuple([x.value if isinstance(x, Readable) else x for x in args])
            if len(args) >= self.count and self._ready(engine, read):  # only Variables were to read
                try:
                    return self._call(engine, read, kwargs)
                except Exception as error:
                    if any(map(engine.is_sparse, tree.leaves((read, kwargs)))):
                        return self._on_sparse(engine, read, kwargs)
                    self._explain(engine, read, kwargs, error)
                    raise
        args, kwargs = self._positional(args, kwargs)
        leaves = tree.leaves((args, kwargs))
        engine = registry._scoped.get()
        if self.record and (recording() is not None or any(map(is_symbolic, leaves))):
            return self._record(args, kwargs)
        if any(type(leaf) is AbstractTensor for leaf in leaves):
            engine = registry.load("abstract")
        elif engine is None:
            engine = registry.active()
        engine = engine.variant()
        if any(holds_sparse(engine, leaf) for leaf in leaves):
            return self._on_sparse(engine, args, kwargs)
        return self._run(engine, args, kwargs)

    def _on_sparse(self, engine: Any, args: tuple, kwargs: dict) -> Any:
        """The op on sparse tensors: by a rule of its own, else on dense copies of them."""
        with registry.use(engine):
            rule = SPARSE.get(self.known_as)
            if rule is not None:
                args, kwargs = tree.map(functools.partial(_as_sparse, engine), (args, kwargs))
                result = rule.compute(self.wrapper, *args, **kwargs)
                if result is not NotImplemented:
                    return result
            return self.wrapper(*tree.map(to_dense, args), **tree.map(to_dense, kwargs))

    def _positional(self, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
        """Tensor arguments given by name, moved to their position."""
        if self.variadic or len(args) >= self.count or not kwargs:
            return args, kwargs
        kwargs = dict(kwargs)
        moved = list(args)
        for name in self.names[len(args) :]:
            if name not in kwargs:
                break
            moved.append(kwargs.pop(name))
        return tuple(moved), kwargs

    def _run(self, engine: Any, args: tuple, kwargs: dict) -> Any:
        """Run the body (or the engine's override) on prepared arguments."""
        with registry.use(engine):
            args = self._prepare(engine, args)
            kwargs = {k: v.value if isinstance(v, Readable) else v for k, v in kwargs.items()}
            context = engine.context_of((args, kwargs))
            try:
                if context is None:
                    return self._call(engine, args, kwargs)
                with context:
                    return self._call(engine, args, kwargs)
            except Exception as error:
                found = None
                if engine.capabilities["abstract"]:  # a length may be needed that is not known
                    found = tried_out(functools.partial(self._call, engine), (args, kwargs))
                if found is not None:
                    return found
                if isinstance(error, TypeError) and "NoneType" in str(error):
                    raise ValueError(_unknown(self.name, (args, kwargs))) from error
                self._explain(engine, args, kwargs, error)
                raise

    def _call(self, engine: Any, args: tuple, kwargs: dict) -> Any:
        override = engine.overrides.get(self.known_as)
        if override is not None:
            if type(override) is OfValues:
                result = override.kernel(self.fn, *args, **kwargs)
            else:
                result = override(*args, **kwargs)
            if result is not NotImplemented:
                return result
        return self.fn(*args, **kwargs)

    def _prepare(self, engine: Any, args: tuple) -> tuple:
        """Tensor arguments as engine tensors, promoted if the op says so."""
        count = len(args) if self.variadic else self.count
        head = tree.map(_read, args[:count])
        if self.variadic:
            head = _tensors_of(engine, head)
        else:
            head = tuple(
                [
                    (_tensors_of if many else _whole)(engine, x) if type(x) in (list, tuple) else x
                    for x, many in zip(head, self.lists)
                ]
            )
        if not self.promote:
            return (*tree.map(functools.partial(_convert, engine), head), *args[count:])
        plain = tree.map(functools.partial(_convert, engine), head[: self.skipped])
        return (*plain, *self._promoted(engine, head[self.skipped :]), *args[count:])

    def _promoted(self, engine: Any, head: tuple) -> tuple:
        """Arguments in their common dtype."""
        leaves, shape = tree.take_apart(head)
        kinds = [
            type(x) if type(x) in _SCALARS else dtypes.standardize(_dtype(engine, x))
            for x in leaves
        ]
        dtype = dtypes.result_type(*kinds)
        if self.floating:
            dtype = dtypes.floating(dtype)
        scalars = all(kind in _SCALARS for kind in kinds)
        keep = not scalars and len(leaves) == 2
        leaves = [
            x if keep and type(x) in _SCALARS and _fits(x, dtype) else _cast(engine, x, dtype)
            for x in leaves
        ]
        return tree.unflatten(shape, leaves)

    def _record(self, args: tuple, kwargs: dict) -> Any:
        """Make a node; what the results are, the graph says."""
        node, graph = Node(self.wrapper, args, kwargs), current_graph()
        rule = SPARSE.get(self.known_as)
        sparse = (True,) if rule is not None and rule.keeps(*args, **kwargs) else ()
        return node.bind(graph.results(self._run, args, kwargs), graph.alias, sparse)

    def _explain(self, engine: Any, args: tuple, kwargs: dict, error: Exception) -> None:
        """Raise the contract's error in place of the engine's, where the shape rule finds one."""
        if isinstance(error, (NeedsEngine, EngineError)):
            return
        notes = getattr(error, "__notes__", ())
        noted = any(note.startswith("in the op ") for note in notes)
        if engine is registry.load("abstract") or noted:
            if f"in the op {self.name}" not in notes:
                error.add_note(f"in the op {self.name}")
            return

        def shaped(x: Any) -> Any:
            if engine.is_tensor(x):
                return AbstractTensor(tuple(engine.shape(x)), engine.dtype(x))
            return x

        abstract = registry.load("abstract")
        try:
            with registry.use(abstract), Scope(isolated=True):
                self.fn(*tree.map(shaped, args), **tree.map(shaped, kwargs))
        except (ValueError, TypeError, IndexError) as clear:
            if not isinstance(clear, NeedsEngine):
                clear.add_note(f"in the op {self.name}")
                clear.__cause__ = None if str(clear) == str(error) else error
                shorten(clear)
                raise clear from clear.__cause__
        except Exception:
            return


def _unknown(name: str, arguments: Any) -> str:
    """What to say when a shape is asked for that depends on a length which is not known."""
    shapes = [x.shape for x in tree.leaves(arguments) if isinstance(x, AbstractTensor)]
    listed = ", ".join(map(str, shapes))
    return (
        f"{name}: the shape of the result cannot be told from the shapes {listed}; give the "
        "lengths that are None, e.g. to Input"
    )


def _hint(fn: Callable, parameter: inspect.Parameter) -> Any:
    """The annotation of a parameter; one that is text, resolved in the function's module."""
    hint = parameter.annotation
    if not isinstance(hint, str):
        return hint
    try:
        return eval(hint, fn.__globals__)
    except Exception as error:
        raise TypeError(
            f"the op {fn.__qualname__}: the annotation {hint!r} of the argument {parameter.name!r} "
            f"means nothing in the module {fn.__module__!r} ({error}); import its names at the top "
            "of the module, or leave the annotation out"
        ) from error


def _is_marked(hint: Any) -> bool:
    """Whether a type is `Tensor`, or has it among its parts."""
    if get_origin(hint) is Annotated:
        return any(part is _MARK for part in hint.__metadata__)
    if get_origin(hint) is Callable:  # of tensors: is none
        return False
    return any(map(_is_marked, get_args(hint)))


def _is_list(hint: Any) -> bool:
    """Whether a type that is marked means several tensors."""
    if get_origin(hint) in (Union, types.UnionType):
        return any(map(_is_list, get_args(hint)))
    return get_origin(hint) is not Annotated and hint is not type(None)


def _read(x: Any) -> Any:
    x = variable_behind(x)
    return x.value if isinstance(x, Readable) else x


def _whole(engine: Any, x: Any) -> Any:
    """A nested sequence as one tensor or array."""
    if not any(map(engine.is_tensor, tree.leaves(x))):
        return _to_numpy(x)
    parts = [_whole(engine, part) if isinstance(part, (list, tuple)) else part for part in x]
    return OPS["stack"]([_convert(engine, part) for part in parts])


def _tensors_of(engine: Any, several: Any) -> list:
    """Several tensors, of which any may be given as a nested sequence."""
    return [_whole(engine, x) if type(x) in (list, tuple) else x for x in several]


def _dtype(engine: Any, x: Any) -> str:
    if isinstance(x, (np.ndarray, np.generic)):
        return dtypes.standardize(x.dtype)
    if isinstance(x, (list, tuple)):
        return dtypes.standardize(np.asarray(x).dtype)
    return engine.dtype(x) if engine.is_tensor(x) else dtypes.of(x)


def _fits(scalar: Any, dtype: str) -> bool:
    """Whether a Python scalar stands for itself in `dtype` (True for 1 would surprise)."""
    return type(scalar) is not bool and (type(scalar) is not float or dtypes.is_float(dtype))


def _cast(engine: Any, x: Any, dtype: str) -> Any:
    if engine.is_tensor(x):
        return x if engine.dtype(x) == dtype else engine.cast(x, dtype)
    return convert(engine, x, dtype)


def _convert(engine: Any, x: Any) -> Any:
    return x if engine.is_tensor(x) else convert(engine, x, None)


def convert(engine: Any, x: Any, dtype: str | None) -> Any:
    """`x` (array, scalar, nested sequence, another engine's tensor) as a tensor of `engine`."""
    x = variable_behind(x)
    if isinstance(x, Readable):
        x = x.value
    if engine.is_tensor(x):
        return x if dtype is None or engine.dtype(x) == dtype else engine.cast(x, dtype)
    if engine.is_sparse(x):
        return x if dtype in (None, engine.dtype(x)) else _sparse(engine, engine.entries(x), dtype)
    if engine.capabilities["abstract"] and hasattr(x, "shape") and hasattr(x, "dtype"):
        return engine.AbstractTensor(tuple(x.shape), dtype or dtypes.standardize(x.dtype))
    if isinstance(x, AbstractTensor):
        raise NeedsEngine(f"{x!r} has no value that the engine {engine.name!r} could use")
    if type(x) in _SCALARS:
        return engine.tensor(x, dtype or dtypes.result_type(type(x)))
    if not isinstance(x, (np.ndarray, np.generic)):
        owner = registry.owner_of(x)
        if owner is not None and owner.is_sparse(x):
            return _sparse(engine, owner.entries(x), dtype)
        if owner is None and hasattr(x, "tocoo"):
            matrix = x.tocoo()
            matrix.sum_duplicates()
            return _sparse(engine, (np.stack(matrix.coords, 1), matrix.data, matrix.shape), dtype)
        if owner is not None:
            x = _from(owner, engine, x)
            if engine.is_tensor(x):
                return convert(engine, x, dtype)
        else:
            x = _to_numpy(x)
    found = dtypes.standardize(x.dtype)
    if isinstance(x, np.ndarray) and x.dtype == object and not dtypes.is_text(x):
        raise TypeError(
            "expected numbers, got an array of objects (ragged lists or mixed types); give every "
            "row the same length, or convert with np.asarray(values, dtype=...)"
        )
    return engine.tensor(x, dtype or found)


def _sparse(engine: Any, entries: tuple, dtype: str | None) -> Any:
    """A sparse tensor with the entries of another, or of arrays."""
    indices, values, shape = entries
    if dtype is None and isinstance(values, np.ndarray) and values.dtype == np.int64:
        dtype = "int32" if abs(values).max(initial=0) < 2**31 else None
    indices, values = convert(engine, indices, "int32"), convert(engine, values, dtype)
    return engine.sparse(indices, values, shape, True)


def _from(owner: Any, engine: Any, x: Any) -> Any:
    """A tensor or variable of the engine `owner` as a tensor of `engine`, or as NumPy."""
    if not owner.is_tensor(x):
        x = owner.tensor(x, dtypes.standardize(x.dtype))
    if engine.is_tensor(x):
        return x
    if owner.is_live(x):
        raise TypeError(
            f"a tensor of {owner.name!r} that takes part in a gradient or in a function being "
            f"traced was given to the engine {engine.name!r}, where that would be lost; compute "
            f'with tricorn.engine("{owner.name}"), or give a copy of its value'
        )
    return owner.numpy(x)


def _to_numpy(x: Any) -> np.ndarray:
    """Sequences and foreign tensors as NumPy; Python floats take floatx."""
    if isinstance(x, (list, tuple)):
        leaves = tree.leaves(x)
        array = np.asarray(tree.map(lambda leaf: np.asarray(leaf), x) if leaves else x)
        if not any(hasattr(leaf, "dtype") for leaf in leaves):
            if array.dtype == np.float64:
                return array.astype(dtypes.to_numpy(dtypes.result_type(float)))
            if array.dtype == np.int64:
                return array.astype(np.int32)
        return array
    owner = registry.owner_of(x)
    array = np.asarray(x) if owner is None else owner.numpy(x)
    if array.dtype == object and not dtypes.is_text(array):
        raise TypeError(f"expected a tensor, an array or numbers, got {type(x).__name__}: {x!r}")
    return array
