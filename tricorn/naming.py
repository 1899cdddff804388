"""Default names: ``dense``, ``dense_1``, ... counted per process until `clear`."""

from __future__ import annotations

import re
import threading
from collections import defaultdict

_counts: defaultdict[str, int] = defaultdict(int)
_lock = threading.Lock()


def snake_case(name: str) -> str:
    """``Conv2DTranspose`` → ``conv2d_transpose``."""
    name = re.sub(r"\W+", "", name)
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def printable(text: str) -> str:
    """A text from a file for a terminal, which obeys some characters: those as ``\\x1b``."""
    return "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in text)


def unique(class_name: str) -> str:
    """The next default name for an object of a class."""
    prefix = snake_case(class_name)
    with _lock:
        index = _counts[prefix]
        _counts[prefix] += 1
    return f"{prefix}_{index}" if index else prefix


def uid(prefix: str) -> int:
    """The next number for a prefix: 1, 2, ..."""
    with _lock:
        _counts[prefix] += 1
        return _counts[prefix]


def clear() -> None:
    """Begin counting anew."""
    with _lock:
        _counts.clear()
