"""Calling methods that users override: they get the arguments that their signature takes.

An override may take fewer arguments than the method it stands for, name them as it likes, or take
them as ``*args`` or ``**kwargs``.
"""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable
from typing import Any


def call(fn: Callable, positional: dict[str, Any], **named: Any) -> Any:
    """``fn(*positional.values(), **named)``, without the arguments that `fn` does not take.

    Where it does not take all of them so, they go by name if all of its parameters have names that
    are offered, else by position as far as it goes, the rest by name.
    """
    names = tuple(positional), tuple(named)
    if isinstance(fn, types.MethodType):  # of a class: it is asked once
        found = _known(fn.__func__, *names)
    else:
        found = _taken(fn, *names)
    if found is None:
        return fn(*positional.values(), **named)
    count, taken = found
    offered = {**positional, **named}
    values = list(offered.values())[:count]
    return fn(*values, **{name: offered[name] for name in taken})


def takes(fn: Callable, name: str) -> bool:
    """Whether a function has an argument `name`, or any keyword arguments."""
    parameters = inspect.signature(fn).parameters
    return name in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())


@functools.lru_cache(maxsize=512)
def _known(method: Callable, *names: tuple[str, ...]) -> tuple[int, tuple[str, ...]] | None:
    return _taken(method, *names, skipped=1)


def _taken(
    fn: Callable, positional: tuple[str, ...], named: tuple[str, ...], skipped: int = 0
) -> tuple[int, tuple[str, ...]] | None:
    """(how many arguments go by position, which of the others by name), None: all, as offered."""
    try:
        parameters = list(inspect.signature(fn).parameters.values())[skipped:]
    except (TypeError, ValueError):  # no signature is known
        return None
    kinds = {p.kind for p in parameters}
    places = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    known = {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    anything = inspect.Parameter.VAR_KEYWORD in kinds
    free = [p for p in places if p.name not in named]
    enough = inspect.Parameter.VAR_POSITIONAL in kinds or len(free) >= len(positional)
    rest = tuple(name for name in named if anything or name in known)
    if enough:
        return None if rest == named else (len(positional), rest)
    offered = (*positional, *named)
    by_name = all(p.name in offered and p.kind is not p.POSITIONAL_ONLY for p in places)
    count = 0 if by_name else len(free)
    return count, tuple(name for name in offered[count:] if anything or name in known)
