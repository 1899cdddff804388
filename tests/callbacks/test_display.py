"""The progress display, seen through a real pseudo-terminal, a pipe and a notebook's stream."""

import fcntl
import io
import os
import pty
import re
import struct
import sys
import termios
import threading
import types

import pytest

from tricorn import callbacks
from tricorn.callbacks import display
from tricorn.callbacks.display import Progress
from tricorn.training.loop import interruptible

pytestmark = pytest.mark.engine_free


class Clock:
    """Time that passes only when told to."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


class Terminal:
    """A pseudo-terminal of so many columns, and what it was sent."""

    def __init__(self, columns, encoding="utf-8"):
        self.reader, writer = pty.openpty()
        size = struct.pack("HHHH", 24, columns, 0, 0)
        fcntl.ioctl(writer, termios.TIOCSWINSZ, size)
        self.stream = os.fdopen(writer, "w", encoding=encoding)
        self.parts = []
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        while True:
            try:
                part = os.read(self.reader, 65536)
            except OSError:  # the writer has closed
                return
            if not part:
                return
            self.parts.append(part)

    def text(self):
        self.stream.close()
        self.thread.join(5)
        os.close(self.reader)
        return b"".join(self.parts).decode().replace("\r\n", "\n")


def screen(text):
    """The lines a terminal shows after `text`: carriage returns, erasing, colours."""
    lines, column = [""], 0
    for token in re.findall(r"\x1b\[[0-9;]*[A-Za-z]|.|\n", text, re.DOTALL):
        if token == "\n":
            lines.append("")
            column = 0
        elif token == "\r":
            column = 0
        elif token == "\x1b[K":
            lines[-1] = lines[-1][:column]
        elif not token.startswith("\x1b"):
            lines[-1] = lines[-1][:column] + token + lines[-1][column + 1 :]
            column += 1
    return lines


def run(bar, clock, epochs=2, steps=40, seconds=0.05, at_once=1):
    """Two epochs as the training loop reports them."""
    for epoch in range(epochs):
        bar.begin(epoch, epochs)
        for step in range(at_once, steps + 1, at_once):
            clock.now += seconds * at_once
            bar.update(step, {"accuracy": 0.5 + step / 100, "loss": 1 / step})
        bar.finish({"accuracy": 0.9, "loss": 1e-5, "val_loss": 0.25})


@pytest.fixture(autouse=True)
def no_environment(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    yield
    assert display._on_screen is None, "a test left a live line open"


def test_terminal_shows_one_live_line_an_epoch():
    clock, terminal = Clock(), Terminal(100)
    run(Progress(40, "auto", terminal.stream, clock), clock)
    sent = terminal.text()
    assert screen(sent) == [
        "Epoch 1/2",
        f"40/40 {'━' * 20} 2s 50ms/step - accuracy: 0.9000 - loss: 1.0000e-05 - val_loss: 0.2500",
        "Epoch 2/2",
        f"40/40 {'━' * 20} 2s 50ms/step - accuracy: 0.9000 - loss: 1.0000e-05 - val_loss: 0.2500",
        "",
    ]
    assert sent.count("\n") == 4


def test_terminal_shows_the_time_left_and_the_metrics():
    clock, terminal = Clock(), Terminal(100)
    bar = Progress(100, 1, terminal.stream, clock)
    for step in (1, 25):
        clock.now += 30 if step == 1 else 12  # the first step compiles
        bar.update(step, {"loss": 2.5})
    bar.close()
    done, left = "━" * 5, "━" * 15
    assert screen(terminal.text())[0] == f" 25/100 {done}{left} 38s 500ms/step - loss: 2.5000"


@pytest.mark.parametrize("columns", [30, 44, 60, 80])
def test_terminal_width_is_respected_while_live(columns):
    clock, terminal = Clock(), Terminal(columns)
    bar = Progress(1000, 1, terminal.stream, clock)
    for step in range(1, 900, 7):
        clock.now += 1
        bar.update(step, {"a_metric_with_a_long_name": 0.123, "loss": 4.0, "another": 1.0})
    bar.close()
    drawn = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", terminal.text()).split("\r")
    assert len(drawn) > 100
    assert max(len(line.rstrip("\n")) for line in drawn) <= columns - 1


def test_terminal_is_drawn_at_most_ten_times_a_second():
    clock, terminal = Clock(), Terminal(80)
    bar = Progress(100_000, 1, terminal.stream, clock)
    for step in range(1, 10_001):
        clock.now += 0.0005
        bar.update(step, {"loss": 1.0})
    bar.close()
    assert 45 <= terminal.text().count("\r") <= 52  # 5 seconds


def test_due_tells_whether_an_update_would_draw():
    clock, terminal = Clock(), Terminal(80)
    bar = Progress(10, 1, terminal.stream, clock)
    assert bar.due()
    bar.update(1, {"loss": 1.0})
    assert not bar.due()
    clock.now += 0.11
    assert bar.due()
    bar.close()
    terminal.text()
    assert not Progress(10, 2, io.StringIO()).due()


def test_steps_may_advance_by_many_at_once():
    clock, terminal = Clock(), Terminal(100)
    run(Progress(40, 1, terminal.stream, clock), clock, epochs=1, at_once=8)
    assert screen(terminal.text())[-2].startswith(f"40/40 {'━' * 20} 2s 50ms/step - accuracy")


def test_unknown_total_is_shown_as_a_count():
    clock, terminal = Clock(), Terminal(80)
    bar = Progress(None, 1, terminal.stream, clock)
    clock.now += 2
    bar.update(7, {"loss": 1.0})
    bar.close()
    assert screen(terminal.text())[0] == "7 2s 286ms/step - loss: 1.0000"


def test_a_message_stands_above_the_live_line():
    clock, terminal = Clock(), Terminal(80)
    bar = Progress(10, 1, terminal.stream, clock)
    bar.update(3, {"loss": 1.0})
    stdout, sys.stdout = sys.stdout, terminal.stream
    try:
        display.message("the model was saved")
    finally:
        sys.stdout = stdout
    bar.close()
    lines = screen(terminal.text())
    assert lines[0] == "the model was saved"
    assert lines[1].startswith(" 3/10 ━")


def test_the_validation_is_shown_at_the_end_of_the_live_line():
    terminal, clock = Terminal(90), Clock()
    bar = Progress(4, 1, terminal.stream, clock)
    logger = callbacks.ProgbarLogger()
    logger.set_params({"verbose": 1, "steps": 4, "epochs": 1})
    logger.on_train_begin()
    logger._progress = bar
    logger.on_epoch_begin(0)
    for batch in range(4):
        logger.on_train_batch_end(batch, {"loss": 1.0})
    for batch in range(3):
        clock.now += 1
        logger.on_test_batch_end(batch, {"loss": 9.0})
    live = terminal.parts
    logger.on_epoch_end(0, {"loss": 1.0, "val_loss": 2.0})
    text = terminal.text()
    assert "loss: 1.0000 - validation: batch 3" in b"".join(live).decode()
    assert screen(text)[-2].endswith("loss: 1.0000 - val_loss: 2.0000")


def test_an_interrupted_run_ends_its_line():
    clock, terminal = Clock(), Terminal(80)
    bar = Progress(10, 1, terminal.stream, clock)

    def interrupted():
        with interruptible():
            bar.update(3, {"loss": 1.0})
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert terminal.text().endswith("\n")


def test_colours_can_be_switched_off(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    clock, terminal = Clock(), Terminal(80)
    run(Progress(40, 1, terminal.stream, clock), clock, epochs=1)
    assert "\x1b[3" not in terminal.text()


@pytest.mark.parametrize("verbose", ["auto", 1, 2])
def test_pipe_gets_one_plain_line_an_epoch(verbose):
    clock = Clock()
    reader, writer = os.pipe()
    with os.fdopen(writer, "w", encoding="utf-8") as stream:
        run(Progress(40, verbose, stream, clock), clock)
    with os.fdopen(reader, encoding="utf-8", newline="") as stream:
        text = stream.read()
    metrics = "accuracy: 0.9000 - loss: 1.0000e-05 - val_loss: 0.2500"
    assert text.split("\n") == [
        f"Epoch 1/2 - 40/40 - 2s - 50ms/step - {metrics}",
        f"Epoch 2/2 - 40/40 - 2s - 50ms/step - {metrics}",
        "",
    ]
    assert text.replace("\n", "").isprintable()


def test_dumb_terminal_is_treated_as_a_pipe(monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    clock, terminal = Clock(), Terminal(80)
    run(Progress(40, 1, terminal.stream, clock), clock)
    assert terminal.text().count("\n") == 2


def test_verbose_2_prints_one_line_in_a_terminal():
    clock, terminal = Clock(), Terminal(80)
    run(Progress(40, 2, terminal.stream, clock), clock, epochs=1)
    assert terminal.text() == (
        "40/40 - 2s - 50ms/step - accuracy: 0.9000 - loss: 1.0000e-05 - val_loss: 0.2500\n"
    )


def test_verbose_0_prints_nothing():
    clock, stream = Clock(), io.StringIO()
    run(Progress(40, 0, stream, clock), clock)
    assert stream.getvalue() == ""


def test_notebook_is_updated_in_place(monkeypatch):
    module = types.ModuleType("ipykernel.iostream")
    output = type("OutStream", (io.StringIO,), {"__module__": module.__name__})
    clock, stream = Clock(), output()
    run(Progress(40, "auto", stream, clock), clock)
    sent = stream.getvalue()
    assert "\x1b[K" not in sent
    assert [line.rstrip() for line in screen(sent)][0::2] == ["Epoch 1/2", "Epoch 2/2", ""]
    assert sent.count("\n") == 4
    assert sent.count("\r") <= 2 * (2 / 0.25 + 2)


def test_a_narrow_encoding_gets_a_plain_bar():
    clock, terminal = Clock(), Terminal(120, encoding="ascii")
    run(Progress(40, 1, terminal.stream, clock), clock, epochs=1)
    assert "=" * 20 in screen(terminal.text())[-2]


def test_other_verbosities_are_refused():
    with pytest.raises(ValueError, match="verbose must be 'auto', 0"):
        Progress(1, 3)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0s"), (59.6, "1:00"), (61, "1:01"), (3661, "1:01:01")]
)
def test_durations(seconds, text):
    assert display._duration(seconds) == text
