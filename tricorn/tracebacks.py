"""Tracebacks that show the user's own code: the library's frames, and those of frameworks that it
called or was called by, are taken out where an error leaves it."""

from __future__ import annotations

import functools
import sysconfig
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from tricorn import config

F = TypeVar("F", bound=Callable)
_OURS = str(Path(__file__).parent)
_OTHERS = tuple({sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")})


def shorten(error: BaseException) -> None:
    """Take frames out of the traceback of an error that is about to leave the library, unless
    `config.disable_traceback_filtering` was called.  Causes without code of the user's go, too."""
    if not config.is_traceback_filtering_enabled():
        return
    error.__traceback__, _ = _without(error.__traceback__)
    error.__suppress_context__ = True
    cause = error.__cause__
    if cause is not None:
        cause.__traceback__, of_user = _without(cause.__traceback__)
        if not of_user:
            error.__cause__ = None


def shortened(fn: F) -> F:
    """Decorator of a public function: errors leave it with short tracebacks."""

    @functools.wraps(fn)
    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            return fn(*args, **kwargs)
        except Exception as error:
            shorten(error)
            raise

    return run  # type: ignore[return-value]


def _without(traceback: TracebackType | None) -> tuple[TracebackType | None, bool]:
    """A traceback without the library's frames, and whether any of the rest is the user's."""
    steps: list[TracebackType] = []
    while traceback is not None:
        steps.append(traceback)
        traceback = traceback.tb_next
    kinds = [_kind(step) for step in steps]
    kept: TracebackType | None = None
    for i in reversed(range(len(steps))):
        # of other libraries, what the user's code has called is kept, and where the error arose
        last = i == len(steps) - 1
        called = kinds[i] == "other" and "ours" not in _around(kinds, i)
        if kinds[i] == "user" or called or (last and kinds[i] == "other"):
            steps[i].tb_next = kept
            kept = steps[i]
    return kept, "user" in kinds


def _around(kinds: list[str], place: int) -> list[str]:
    """The kinds of frames right before and right after those of other libraries at a place."""
    before, after = place, place
    while before >= 0 and kinds[before] == "other":
        before -= 1
    while after < len(kinds) and kinds[after] == "other":
        after += 1
    return [*kinds[max(before, 0) : before + 1], *kinds[after : after + 1]]


def _kind(step: TracebackType) -> str:
    file = step.tb_frame.f_code.co_filename
    if file.startswith(_OURS):
        return "ours"
    return "other" if file.startswith(_OTHERS) else "user"
