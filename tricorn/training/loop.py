"""Running a step over data: dispatches of several steps, in time with callbacks and Ctrl-C."""

from __future__ import annotations

import _thread
import contextlib
import contextvars
import dataclasses
import functools
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import numpy as np

from tricorn import seeds, tree
from tricorn.callbacks import display
from tricorn.engines import active

F = TypeVar("F", bound=Callable)

#: a dispatch is to take about so long, in seconds
DISPATCH = 0.05
#: what a process gives the system that was told to end (SIGTERM) in a training that can go on:
#: the code of `sysexits.h` for "try again later"
TERMINATED = 75


class Pace:
    """How many steps go into one dispatch.

    Args:
        steps: a number, or "auto": as many as take about `DISPATCH` seconds, measured as the run
            goes.  The number is an argument of the compiled function, so it never decides which
            executable runs, nor what it computes.
    """

    def __init__(self, steps: int | str = "auto") -> None:
        self.auto = steps == "auto"
        #: for the next dispatch, and where this goes: a bad measurement shall not make it leap
        self.steps = self.goal = 1 if self.auto else int(steps)
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
        self.goal = int(min(max(best, 1), 1 << 20))
        self.steps = min(self.goal, self.steps * 8)


@dataclasses.dataclass
class Position:
    """Where a training stands; callbacks find it in ``self.params["position"]``.

    The order of an epoch is a function of `seed`, `fit` and `epoch` alone, so these and `step` say
    which samples come next.

    Attributes:
        seed: the global seed.
        fit: which `fit` since it was set, from 1.
        epoch: the epoch, from 0.
        step: how many of the epoch's steps are done.
        first_epoch: that with which the `fit` began.
        logs: the epoch's, when its steps are done.
    """

    seed: int
    fit: int
    epoch: int = 0
    step: int = 0
    first_epoch: int = 0
    logs: dict | None = None

    def order(self, size: int, epoch: int | None = None) -> np.ndarray:
        """The order of `size` samples in this epoch, or another."""
        return seeds.order(self.seed, self.fit, self.epoch if epoch is None else epoch, size)


class _Signals:
    """Ctrl-C that waits for a safe point: the end of a dispatch, so that no Variable is lost
    between a donation and the write-back.

    Args:
        handlers: signal -> its handler.
    """

    def __init__(self, handlers: dict[int, Callable]) -> None:
        self.handlers = handlers
        self.came: list[tuple[int, Any]] = []
        #: data are being waited for, which may take for ever; and too long after a signal
        self.waiting = self.overdue = False

    def note(self, number: int, frame: Any) -> None:
        overdue, self.overdue = self.overdue, False
        if not overdue:
            self.came.append((number, frame))
        if self.waiting and (overdue or len(self.came) > 1):
            self.check()
        elif self.waiting:
            run = contextvars.copy_context().run
            again = threading.Timer(_PATIENCE, run, (self._insist, number, self.came))
            again.daemon = True
            again.start()
        elif len(self.came) > 2:  # somebody really wants out
            self.came.clear()
            raise KeyboardInterrupt

    def _insist(self, number: int, came: list) -> None:
        """Wake who still waits."""
        if self.waiting and came is self.came:
            self.overdue = True
            wake = getattr(signal, "pthread_kill", lambda _, n: _thread.interrupt_main(n))
            wake(threading.main_thread().ident, number)

    def check(self) -> None:
        """Call the handlers for what came meanwhile.  Python's own raises KeyboardInterrupt."""
        came, self.came = self.came, []
        for number, frame in came:
            self.handlers[number](number, frame)


_signals: _Signals | None = None

#: how many seconds after Ctrl-C the data that are waited for have left to come
_PATIENCE = 1.0


def following(chunks: Iterator) -> Any:
    """The next of the data, None at the end.  That Ctrl-C waits for a safe point is limited here:
    who reads may hang, and no Variable is at stake."""
    signals = _signals
    if signals is None or threading.current_thread() is not threading.main_thread():
        return next(chunks, None)
    signals.waiting = True
    try:
        return next(chunks, None)
    finally:
        signals.waiting = False


@contextlib.contextmanager
def testing(batches: int | None) -> Iterator[None]:
    """An evaluation or prediction of so many batches (None: who knows) on the active engine, which
    gives back at the end what it keeps between them."""
    with contextlib.nullcontext() if batches == 1 else active().training(trains=False):
        yield


def training(fit: F) -> F:
    """`fit` of a model, with what the active engine keeps between steps given back at its end.  It
    is told how large a batch is inside; one of a source of batches is taken to have 32 samples."""

    @functools.wraps(fit)
    def kept(
        self: Any, x: Any = None, y: Any = None, batch_size: Any = None, *rest: Any, **named: Any
    ) -> Any:
        numbers = self._tricorn_numbers()
        if numbers is not None:
            numbers *= batch_size if isinstance(batch_size, int) else 32
        with active().training(numbers=numbers):
            return fit(self, x, y, batch_size, *rest, **named)

    return kept  # type: ignore[return-value]


@contextlib.contextmanager
def interruptible(can_go_on: bool = False) -> Iterator[Callable[[], None]]:
    """A block in which SIGINT waits for safe points.  Gives the function to call at those: it calls
    the handler that was installed, which may raise, or note something and let the run go on.

    Where Ctrl-C is ignored, ends the process or is another thread's affair, nothing is changed.  A
    block inside of another one shares its signals.  A third Ctrl-C before a safe point breaks out
    at once.

    Args:
        can_go_on: it is a training that can be taken up again: SIGTERM, too, waits, and ends the
            process with the code `TERMINATED` unless the program handles it.
    """
    global _signals
    main = threading.current_thread() is threading.main_thread()
    numbers = [signal.SIGINT, signal.SIGTERM] if can_go_on else [signal.SIGINT]
    before: dict[int, Any] = {n: signal.getsignal(n) for n in numbers} if main else {}
    if main and _signals is not None and before[signal.SIGINT] == _signals.note:
        waiting, _signals.waiting = _signals.waiting, False
        try:
            yield _signals.check
        finally:
            _signals.waiting = waiting
        return
    handlers: dict[int, Callable] = {n: found for n, found in before.items() if callable(found)}
    if before.get(signal.SIGTERM) is signal.SIG_DFL:
        handlers[signal.SIGTERM] = _leave
    if not handlers:
        with _line_ended():
            yield lambda: None
        return
    outer, signals = _signals, _Signals(handlers)
    _signals = signals
    for number in handlers:
        signal.signal(number, signals.note)
    try:
        with _line_ended():
            yield signals.check
    finally:
        _signals = outer
        for number in handlers:
            if signal.getsignal(number) == signals.note:  # else a callback installed another
                signal.signal(number, before[number])
        with _line_ended():
            signals.check()


def _leave(number: int, frame: Any) -> None:
    raise SystemExit(TERMINATED)


def interrupted() -> bool:
    """Whether a signal waits for a safe point."""
    return _signals is not None and bool(_signals.came)


@contextlib.contextmanager
def _line_ended() -> Iterator[None]:
    """What is said of an error starts on a line of its own."""
    try:
        yield
    except BaseException:
        display.end_line()
        raise


def _same(x: Any) -> Any:
    return x


def run(
    compiled: Callable,
    feed: Any,
    chunks: Iterator[tuple[tuple, int]],
    pace: Pace,
    begin: Callable[[int], None],
    end: Callable[[int, Callable[[], dict]], None],
    stopped: Callable[[], bool],
    check: Callable[[], None],
    position: Position | None = None,
    due_in: Callable[[int], int | None] | None = None,
) -> tuple[Any, int]:
    """Run all steps of `chunks` through ``compiled(start, stop, *args)``.

    While the device computes a dispatch, the next chunk is prepared.  However the run ends, what
    `feed` has read and was not run is kept.

    Args:
        feed: where the chunks come from; it is told what is done.
        begin: called with the number of a dispatch's first step.
        end: called with the number of its last step and a function that gives its logs.
        stopped: asked after each dispatch.
        check: raises a pending interrupt.
        position: where the run begins; follows it.
        due_in: in how many steps after one `end` is to be called at the latest; None: whenever.

    Returns:
        (the last step's result, the number of steps of the epoch that are done).
    """
    engine, result, failed = active(), None, None
    position = position or Position(0, 0)
    try:
        coming = following(chunks)
        while coming is not None:
            (args, count), start, coming = coming, 0, None
            key = tree.leaves(args)[0].shape
            while start < count:
                wish = due_in(position.step - 1) if due_in is not None else None
                stop = start + pace.take(min(count - start, max(1, wish or count)))
                begin(position.step)
                clock = time.perf_counter()
                result = compiled(start, stop, *args)
                feed.done(stop - start)
                prepared = 0.0
                if stop == count and feed.ahead:
                    before = time.perf_counter()
                    try:
                        coming = following(chunks)
                    except BaseException as error:  # after the steps that are done
                        failed = error
                    prepared = time.perf_counter() - before
                engine.block(result)
                seconds = time.perf_counter() - clock
                pace.measured(key, stop - start, max(seconds - prepared, prepared))
                position.step += stop - start
                position.logs = None
                start = stop
                end(position.step - 1, functools.partial(_same, result))
                check()
                if stopped():
                    return result, position.step
                if failed is not None:
                    raise failed
            if not feed.ahead:
                coming = following(chunks)
    finally:
        feed.keep()
        failed = None  # an error does not hold the frame that holds it
    return result, position.step
