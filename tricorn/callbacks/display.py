"""The progress display of ``fit``, ``evaluate`` and ``predict``.

In a terminal it is one live line with a bar, the time left, the time per step and the metrics:

    Epoch 2/5
    187/375 ━━━━━━━━━━━━━━━━━━━━ 2s 12ms/step - accuracy: 0.9712 - loss: 0.0981

In a pipe or a log file it is one plain line per epoch, in a notebook one line updated in place.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, Literal, TextIO

from tricorn import config

Verbosity = Literal["auto", 0, 1, 2]

_BAR = 20
_INTERVAL = {"terminal": 0.1, "notebook": 0.25}
_GREEN, _GREY, _RESET = "\x1b[32m", "\x1b[90m", "\x1b[0m"

_on_screen: Progress | None = None  # the one whose unfinished line the cursor stands on


class Progress:
    """How far a run over `total` steps has come, shown on `stream`.

    Args:
        total: the number of steps, None when it is not known beforehand.
        verbose: 0 shows nothing, 1 a live line, 2 one line at the end; ``"auto"`` is 1. Where the
            stream cannot show a live line (a pipe, a file, a dumb terminal), 1 acts as 2.
        stream: where to write, ``sys.stdout`` unless given.
        clock: seconds that never run backwards.
        width: of the bar, in characters.
        interval: seconds between two drawings at least, None for what suits the stream.
        unit: what a step is called.

    Raises:
        ValueError: for any other `verbose`.
    """

    def __init__(
        self,
        total: int | None,
        verbose: Verbosity = "auto",
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.perf_counter,
        width: int = _BAR,
        interval: float | None = None,
        unit: str = "step",
    ) -> None:
        self.total, self._width, self._interval, self._unit = total, width, interval, unit
        self.stream = sys.stdout if stream is None else stream
        self.style = _style(verbose, self.stream)
        self._clock = clock
        fine = _can_encode("━╌…", self.stream)
        self._done, self._left, self._cut = "━╌…" if fine else "=-~"
        self._colour = self.style == "terminal" and not os.environ.get("NO_COLOR")
        self.begin()

    def begin(self, epoch: int | None = None, epochs: int | None = None) -> None:
        """Start the clock; `epoch` counts from 0 and is named when there are several `epochs`."""
        self.close()
        self._title = f"Epoch {epoch + 1}/{epochs}" if epoch is not None and epochs != 1 else ""
        self._start = self._clock()
        self._steps = 0
        self._logs: Mapping[str, Any] = {}
        self._first: tuple[int, float] | None = None
        self._latest = self._start
        self._last_draw = float("-inf")
        self._drawn = 0
        self._aside = ""
        if self._title and self.style in _INTERVAL:
            self._write(self._title + "\n")

    def due(self) -> bool:
        """Whether `update` would draw now: metrics need not be fetched while it would not."""
        interval = _INTERVAL.get(self.style)
        if interval is not None and self._interval is not None:
            interval = self._interval
        return interval is not None and self._clock() - self._last_draw >= interval

    def update(self, step: int, logs: Mapping[str, Any] | None = None) -> None:
        """Tell that `step` steps are done in all, with the metrics as they stand.

        Steps may advance by many at once. Draws at most ten times a second.
        """
        self._latest = self._clock()
        if self._first is None and step:
            self._first = (step, self._latest)
        self._steps = step
        self._logs = logs or self._logs
        if self.due():
            self._last_draw = self._latest
            self._draw()

    def aside(self, text: str) -> None:
        """Show at the end of the live line what goes on beside the steps."""
        self._aside = text
        if self.due():
            self._last_draw = self._clock()
            self._draw()

    def finish(self, logs: Mapping[str, Any] | None = None) -> None:
        """Show the final figures and end the line; a total not known before is known now."""
        self._logs = logs or self._logs
        self._aside = ""
        self.total = self.total or self._steps
        if self.style in _INTERVAL:
            self._draw(final=True)
            self.close()
        elif self.style == "line":
            head = [self._title] if self._title else []
            parts = [
                *head,
                f"{self._steps}/{self.total}",
                *self._times(final=True),
                *self._metrics(),
            ]
            if config.is_interactive_logging_enabled():
                self._write(" - ".join(parts) + "\n")
            else:
                message(" - ".join(parts))

    def close(self) -> None:
        """End an unfinished live line, so that what comes next starts on a line of its own."""
        global _on_screen
        if _on_screen is self:
            _on_screen = None
            self._write("\n")

    # The live line

    def _draw(self, final: bool = False) -> None:
        """Write the line over the one that stands there; only the final one may wrap."""
        global _on_screen
        if _on_screen not in (None, self):
            _on_screen.close()
        width = _columns(self.stream) - 1
        total = self.total
        count = f"{self._steps:>{len(str(total))}}/{total}" if total else f"{self._steps}"
        parts = [" ".join(self._times(final)), *self._metrics(), self._aside]
        rest = " - ".join(part for part in parts if part)
        bar = self._width if total else 0
        room = width - len(f"{count}  {rest}")
        if room < bar:
            bar = room if room >= self._width // 2 else 0
        text = f"{count} {self._bar(bar)}{rest}"
        length = len(f"{count} {rest}") + (bar + 1 if bar else 0)
        if length > width and not final:
            text, length = text[: width - 1] + self._cut, width
        if self.style == "terminal":
            self._write(f"\r{text}\x1b[K")
        else:  # a notebook knows the carriage return, and no more
            self._write("\r" + text + " " * (self._drawn - length))
        self._drawn = length
        _on_screen = self

    def _bar(self, width: int) -> str:
        if not width or not self.total:
            return ""
        done = int(width * min(1, self._steps / self.total))
        if self._colour:
            return f"{_GREEN}{self._done * done}{_GREY}{self._done * (width - done)}{_RESET} "
        return self._done * done + self._left * (width - done) + " "

    def _times(self, final: bool) -> list[str]:
        """Time left (at the end: time taken) and time per step."""
        per_step, elapsed = self._seconds_per_step(), self._clock() - self._start
        if final or not self.total or not self._steps:
            shown = elapsed
        else:
            shown = per_step * max(0, self.total - self._steps)
        return [_duration(shown), f"{_time(per_step)}/{self._unit}"]

    def _seconds_per_step(self) -> float:
        """The mean over all steps but the first ones, which may have waited for a compiler."""
        if not self._steps or self._first is None:
            return 0.0
        step, then = self._first
        if self._steps > step:
            return (self._latest - then) / (self._steps - step)
        return (then - self._start) / step

    def _metrics(self) -> list[str]:
        return [f"{name}: {_number(value)}" for name, value in self._logs.items()]

    def _write(self, text: str) -> None:
        self.stream.write(text)
        self.stream.flush()


def message(text: str) -> None:
    """Print a line of its own; a live progress line moves below it.  Without interactive logging
    it goes to the log."""
    if not config.is_interactive_logging_enabled():
        logging.getLogger("tricorn").info(text)
        return
    shown = _on_screen
    if shown is None:
        print(text)
        return
    clear = "\r\x1b[K" if shown.style == "terminal" else "\r" + " " * shown._drawn + "\r"
    shown._write(clear)
    shown._drawn = 0
    print(text, flush=True)
    shown._draw()


def end_line() -> None:
    """End whatever live line there is: for the way out of an interrupted run."""
    if _on_screen is not None:
        _on_screen.close()


def _style(verbose: Verbosity, stream: TextIO) -> str:
    """One of "none", "line", "terminal", "notebook"."""
    if verbose not in ("auto", 0, 1, 2):
        raise ValueError(
            "verbose must be 'auto', 0 (silent), 1 (live) or 2 (one line an epoch), "
            f"got {verbose!r}"
        )
    if verbose == 0:
        return "none"
    if verbose == 2 or not config.is_interactive_logging_enabled():
        return "line"
    if type(stream).__module__.split(".")[0] == "ipykernel":
        return "notebook"
    terminal = getattr(stream, "isatty", bool)() and os.environ.get("TERM") != "dumb"
    return "terminal" if terminal else "line"


def _can_encode(marks: str, stream: TextIO) -> bool:
    try:
        marks.encode(getattr(stream, "encoding", None) or "utf-8")
    except (LookupError, UnicodeEncodeError):
        return False
    return True


def _columns(stream: TextIO) -> int:
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except (AttributeError, OSError, ValueError):
        return 100


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{rest}s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _time(seconds: float) -> str:
    if seconds >= 1:
        return f"{seconds:.1f}s"
    if seconds >= 1e-3:
        return f"{seconds * 1e3:.0f}ms"
    return f"{seconds * 1e6:.0f}us"


def _number(value: Any) -> str:
    """Four decimals, or an exponent where these would hide a small value."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return str(value)
    return f"{number:.4f}" if number == 0 or abs(number) > 1e-3 else f"{number:.4e}"
