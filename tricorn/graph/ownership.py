"""Whose Python a step runs: the library's alone, or also a user's.

The library's own Python does nothing but compute with tensors, so an engine may run it once and
write down what it computed.  A user's may count, print, draw with NumPy or change with time; it is
run at every step where the engine can, unless the user says otherwise.
"""

from __future__ import annotations

import functools
import inspect
import sys
import types
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

from tricorn.engines.known import PACKAGES
from tricorn.graph.scope import Readable
from tricorn.graph.symbolic import Node, SymbolicTensor

_LIBRARY = __name__.partition(".")[0]
#: packages whose objects are data, unless they can be called
_DATA = frozenset((*sys.stdlib_module_names, "numpy", "ml_dtypes", *PACKAGES))
#: attributes of the library's objects that no step runs: what was given to the constructor (and is
#: there as attributes too), compiled steps, calls of a layer in other graphs
_NOT_RUN = frozenset(("arguments", "_programs", "programs", "nodes"))


def is_ours(*roots: Any) -> bool:
    """Whether all code that can be reached from some objects is the library's: their classes, and
    what their attributes hold.  Initializers do not count, since no step runs them."""
    found = deque(roots)
    seen: dict[int, Any] = {}
    while found:
        x = found.pop()
        if id(x) in seen:
            continue
        seen[id(x)] = x  # so that its id stays its own
        reached = _reached(x)
        if reached is None:
            return False
        found.extend(reached)
    return True


def _package(module: str | None) -> str:
    return (module or "").partition(".")[0]


def _reached(x: Any) -> Iterator[Any] | list | None:
    """What `x` leads to; None when `x` is code of a user's."""
    if isinstance(x, type):
        return [] if _package(x.__module__) in (_LIBRARY, *_DATA) else None
    if isinstance(x, types.FunctionType):
        if _package(x.__globals__.get("__name__")) != _LIBRARY:  # `__module__` may be copied
            return None
        return [held for held in map(_held, x.__closure__ or ()) if not inspect.isbuiltin(held)]
    if isinstance(x, types.MethodType):
        return [x.__self__, x.__func__]
    if isinstance(x, functools.partial):
        return [x.func, *x.args, *x.keywords.values()]
    if isinstance(x, functools._lru_cache_wrapper):
        return [x.__wrapped__]
    packages = {_package(kind.__module__) for kind in type(x).__mro__}
    if not packages <= {_LIBRARY, *_DATA}:
        return None
    if isinstance(x, Mapping):
        return [*x.keys(), *x.values()]
    if isinstance(x, (list, tuple, set, frozenset, deque)):
        return list(x)
    if _LIBRARY in packages:
        return _parts(x)
    return None if callable(x) else []


def _parts(x: Any) -> Iterator[Any]:
    """What an object of the library runs."""
    if isinstance(x, Readable):
        names: Any = ("regularizer", "constraint")
    elif isinstance(x, SymbolicTensor):
        names = ("node",)
    elif isinstance(x, Node):
        names = ("operation", "args", "kwargs")
    else:
        slots = (vars(kind).get("__slots__", ()) for kind in type(x).__mro__)
        names = [*getattr(x, "__dict__", ()), *(name for part in slots for name in part)]
    for name in names:
        if name not in _NOT_RUN and not name.endswith("initializer"):
            yield getattr(x, name, None)


def _held(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # it is empty
        return None
