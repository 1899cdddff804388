"""What files and configs may ask for: memory is counted against one budget, and paths stay in their
folder.

A small file can ask for much: a layer of 10¹² units, zeros that were compressed to nothing.  So
whoever reads a file, or makes objects from a config, opens a `budget`, and everything whose size
the data chose is counted against it before it is made: Variables, texts, arrays that no Variable
waits for.  The budget of a config alone is `config.loading_limit`; a file that really stores much
may ask for some times as much.
"""

from __future__ import annotations

import contextlib
import json
import os
import zipfile
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from tricorn import config

#: a file may ask for so many times the bytes that it really stores
EXPANSION = 20
#: bytes that a text or a file may have without being counted
ROOM = 32 << 20
#: bytes that a value of JSON takes in memory at least
_VALUE = 64
#: bytes for which a graph may have one call
_CALL = 1 << 14

#: [bytes, calls] that are left, or None: nothing is counted
_left: ContextVar[list[int] | None] = ContextVar("tricorn_loading_budget", default=None)


def allowed(stored: int = 0) -> int:
    """Bytes that data may ask for which stores so many."""
    return max(config.loading_limit(), EXPANSION * stored)


@contextlib.contextmanager
def budget(nbytes: int | None = None) -> Iterator[None]:
    """What is counted inside may take no more than `nbytes` together.

    Args:
        nbytes: None: that of the budget around, else of a config alone.
    """
    around = _left.get()
    if nbytes is None and around is not None:
        yield
        return
    calls = config.loading_limit() // _CALL if around is None else around[1]
    token = _left.set([allowed() if nbytes is None else nbytes, calls])
    try:
        yield
    finally:
        _left.reset(token)


def take(what: str, nbytes: int) -> None:
    """Count what is about to be made against the budget, if there is one.

    Raises:
        ValueError: it does not fit.
    """
    left = _left.get()
    if left is not None:
        if nbytes > left[0]:
            raise ValueError(
                f"{what} would take {nbytes:,} bytes, far more than what describes it holds; "
                f"{left[0]:,} bytes are left of those allowed. When you trust it, allow more by "
                "config.set_loading_limit(bytes)"
            )
        left[0] -= nbytes


def take_calls(count: int = 1) -> None:
    """Count calls, or results, of a graph that is made: models inside of models are cheap to write,
    and so is a loop over 10¹² steps.

    Raises:
        ValueError: they are too many.
    """
    left = _left.get()
    if left is not None:
        left[1] -= count
        if left[1] < 0:
            raise ValueError(
                "what is loaded describes a graph of more than "
                f"{config.loading_limit() // _CALL:,} calls. When you trust it, allow "
                "more by config.set_loading_limit(bytes)"
            )


def check_text(name: str, size: int, stored: int) -> None:
    """Refuse a text that is far larger than what is stored for it, before it is read.

    Raises:
        ValueError: naming the text.
    """
    if size > max(ROOM, EXPANSION * stored):
        raise ValueError(
            f"{name} has {size:,} bytes, of which {stored:,} are really stored, expected a text of "
            f"at most {ROOM:,} bytes or {EXPANSION} times as many as are stored; it is not read"
        )


def take_json(name: str, text: bytes) -> None:
    """Count the values that a text of JSON can have."""
    with budget():
        values = sum(map(text.count, (b",", b"[", b"{", b":")))
        take(name, len(text) + _VALUE * values)


def parse(text: str | bytes, name: str) -> Any:
    """What JSON says.

    Args:
        text: the JSON.
        name: what errors call it.

    Raises:
        ValueError: it is none, or takes too much.
    """
    try:
        take_json(name, text.encode() if isinstance(text, str) else text)
        return json.loads(text)
    except (UnicodeError, json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"{name} is not valid JSON: {error}") from error


def check_packing(title: str, info: zipfile.ZipInfo) -> None:
    """Refuse a member of a zip archive that is not stored as it is or deflated: what was packed
    otherwise is unpacked by whole blocks, whatever size they have.

    Raises:
        ValueError: naming the member, by `title`.
    """
    if info.flag_bits & 1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        how = "encrypted" if info.flag_bits & 1 else f"packed by the method {info.compress_type}"
        raise ValueError(f"{title} is {how}, expected stored or deflated; the file is not loaded")


def stored_size(source: Any) -> int:
    """Bytes that a file, given by its path or open, really has on the disk."""
    if isinstance(source, (str, os.PathLike)):
        found = os.stat(source)
    else:
        try:
            found = os.fstat(source.fileno())
        except OSError:  # a file in the memory
            return source.seek(0, os.SEEK_END)
    return min(found.st_size, getattr(found, "st_blocks", found.st_size) * 512)


def read_text(path: Path) -> bytes:
    """The bytes of a text file.

    Raises:
        ValueError: too many.
    """
    check_text(str(path), path.stat().st_size, stored_size(path))
    return path.read_bytes()


def inside(folder: Path, path: Path) -> Path:
    """A file's path, which must lead to an ordinary file in the folder.

    Raises:
        ValueError: a link that leads elsewhere, a device, a pipe.
    """
    target = path.resolve()
    if not target.is_relative_to(folder.resolve()):
        raise ValueError(
            f"{str(path)!r} leads to {str(target)!r}, expected a file in {str(folder)!r}; it is "
            "not read. Put the file itself there when you trust it"
        )
    if not target.is_file():
        raise ValueError(f"{str(path)!r} is no ordinary file; it is not read")
    return path
