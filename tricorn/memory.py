"""What the C library does with memory that is given back, where it is glibc."""

from __future__ import annotations

import ctypes
import functools
import os
from typing import Any

#: parameters of mallopt(3)
TRIM_THRESHOLD, MMAP_THRESHOLD, MMAP_MAX, ARENA_MAX = -1, -3, -4, -8
#: what glibc arrives at by itself in a process that frees large blocks; once a setting is made, it
#: no longer looks for it
SETTLED = ((MMAP_THRESHOLD, 32 << 20), (TRIM_THRESHOLD, 64 << 20))


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
    if library() is not None:
        for parameter, value in SETTLED:
            library().mallopt(parameter, value)
