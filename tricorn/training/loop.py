"""Running a step over data: dispatches of several steps, in time with callbacks and Ctrl-C."""

from __future__ import annotations

import contextlib
import functools
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from tricorn import tree
from tricorn.callbacks import display
from tricorn.engines import active

#: a dispatch is to take about so long, in seconds
DISPATCH = 0.05


class Pace:
    """How many steps go into one dispatch.

    Args:
        steps: a number, or "auto": as many as take about `DISPATCH` seconds, measured as the run
            goes.  The number is an argument of the compiled function, so it never decides which
            executable runs, nor what it computes.
    """

    def __init__(self, steps: int | str = "auto") -> None:
        self.auto = steps == "auto"
        self.steps = 1 if self.auto else int(steps)
        self._warm: set[Any] = set()

    def take(self, available: int) -> int:
        """The number of steps for the next dispatch."""
        return max(1, min(self.steps, available))

    def measured(self, key: Any, steps: int, seconds: float) -> None:
        """Learn from a dispatch; the first of each kind compiled, so it says nothing."""
        if not self.auto:
            return
        if key not in self._warm:
            self._warm.add(key)
            return
        best = DISPATCH / max(seconds / steps, 1e-7)
        self.steps = int(min(max(best, 1), self.steps * 8, 1 << 20))


@contextlib.contextmanager
def training() -> Iterator[None]:
    """A training on the active engine, which gives back at the end what it keeps between steps."""
    with active().training():
        yield


@contextlib.contextmanager
def interruptible() -> Iterator[Callable[[], None]]:
    """Ctrl-C waits for the end of a dispatch, so that no Variable is lost between a donation and
    the write-back.  Gives the function that raises what came meanwhile."""
    main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGINT) if main else None
    came: list[int] = []

    def note(number: int, frame: Any) -> None:
        came.append(number)
        if len(came) > 2:  # somebody really wants out
            raise KeyboardInterrupt

    def check() -> None:
        if came:
            came.clear()
            raise KeyboardInterrupt

    if callable(before):  # else Ctrl-C is ignored, or another thread's affair
        signal.signal(signal.SIGINT, note)
    try:
        yield check
        check()
    except BaseException:
        display.end_line()  # what is said of it starts on a line of its own
        raise
    finally:
        if callable(before):
            signal.signal(signal.SIGINT, before)


def _same(x: Any) -> Any:
    return x


def run(
    compiled: Callable,
    chunks: Iterator[tuple[tuple, int]],
    pace: Pace,
    begin: Callable[[int], None],
    end: Callable[[int, Callable[[], dict]], None],
    stopped: Callable[[], bool],
    check: Callable[[], None],
) -> tuple[Any, int]:
    """Run all steps of `chunks` through ``compiled(start, stop, *args)``.

    While the device computes a dispatch, the next chunk is prepared.

    Args:
        begin: called with the number of a dispatch's first step.
        end: called with the number of its last step and a function that gives its logs.
        stopped: asked after each dispatch.
        check: raises a pending interrupt.

    Returns:
        (the last step's result, the number of steps).
    """
    engine, result, step = active(), None, 0
    following = next(chunks, None)
    while following is not None:
        (args, count), start, following = following, 0, None
        key = tree.leaves(args)[0].shape
        while start < count:
            stop = start + pace.take(count - start)
            begin(step)
            clock = time.perf_counter()
            result = compiled(start, stop, *args)
            prepared = 0.0
            if stop == count:
                before = time.perf_counter()
                following = next(chunks, None)
                prepared = time.perf_counter() - before
            engine.block(result)
            pace.measured(key, stop - start, max(time.perf_counter() - clock - prepared, prepared))
            step += stop - start
            start = stop
            end(step - 1, functools.partial(_same, result))
            check()
            if stopped():
                return result, step
    return result, step
