"""What the C library does with memory that is given back, where it is glibc."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any

#: parameters of mallopt(3)
TRIM_THRESHOLD, MMAP_THRESHOLD, MMAP_MAX, ARENA_MAX = -1, -3, -4, -8
#: what glibc arrives at by itself in a process that frees large blocks; once a setting is made, it
#: no longer looks for it
SETTLED = ((MMAP_THRESHOLD, 32 << 20), (TRIM_THRESHOLD, 64 << 20))
_KEEP = ((MMAP_MAX, 0), (TRIM_THRESHOLD, 2**31 - 1))
_GIVE_BACK = ((MMAP_MAX, 1 << 16), *SETTLED)

#: for how many seconds memory is kept after a training: the next one may begin at once
LINGER = 1.0

_lock = threading.Lock()
_keeping = 0
#: when the last block ended
_ended = 0.0
#: what gives back, as long as the settings are in force and no block runs
_waiter: threading.Thread | None = None


def library() -> Any:
    """The C library; None: it is no glibc (there is mallopt elsewhere, with other numbers), or
    ``TRICORN_KEEP_MEMORY=0`` is in the environment."""
    wanted = os.environ.get("TRICORN_KEEP_MEMORY", "1").lower() not in ("0", "off", "false", "no")
    return _glibc() if wanted else None


@functools.cache
def _glibc() -> Any:
    try:
        found = ctypes.CDLL(None)
        for name in ("gnu_get_libc_version", "mallopt", "malloc_trim"):
            getattr(found, name)
    except (OSError, AttributeError, TypeError):
        return None
    return found


@functools.cache
def reuse() -> None:
    """Let a block that was freed be used again, also the first ones and in threads.

    Arrays of some 100 KB would go back to the system, and touching fresh pages takes longer than
    what a pipeline computes in them (resizing an image: 480 against 220 microseconds).
    """
    libc = library()
    if libc is not None:
        _set(libc, SETTLED)


def _set(libc: Any, settings: Iterable[tuple[int, int]]) -> None:
    for parameter, value in settings:
        libc.mallopt(parameter, value)


@contextlib.contextmanager
def kept(single_arena: bool = False) -> Iterator[None]:
    """A block, a training say, in which freed memory stays in the process; soon after the last one
    it goes back to the system.

    glibc serves large blocks by mmap and returns them to the system at once, so every step of a
    training pays for touching fresh pages.  With no mmap and no trimming a freed block is used
    again by the next step.  (Measured on two Zen 3 cores: on PyTorch a small convolutional network
    takes 85 for 110 ms a step, 0 for 12,000 page faults; a ResNet 52 for 60 ms.)

    Args:
        single_arena: let all threads share one arena, from now on: glibc asks once.
    """
    global _keeping, _ended, _waiter
    libc = library()
    if libc is None:
        yield
        return
    reuse()  # so that nobody does later, meanwhile
    with _lock:
        _keeping += 1
        if _keeping == 1 and _waiter is None:
            _set(libc, ((ARENA_MAX, 1), *_KEEP) if single_arena else _KEEP)
    try:
        yield
    finally:
        with _lock:
            _keeping -= 1
            _ended = time.monotonic()
            if not _keeping and _waiter is None:
                _waiter = threading.Thread(target=_wait_and_give_back, args=(libc,), daemon=True)
                _waiter.start()


def _wait_and_give_back(libc: Any) -> None:
    """Blocks that begin meanwhile are waited for."""
    global _waiter
    while True:
        time.sleep(max(_ended + LINGER - time.monotonic(), LINGER / 4))
        with _lock:
            if not _keeping and time.monotonic() >= _ended + LINGER:
                _set(libc, _GIVE_BACK)
                libc.malloc_trim(0)
                _waiter = None
                return
