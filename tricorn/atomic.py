"""Atomic writes: a file is there whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any


@contextlib.contextmanager
def writing(path: str | os.PathLike, mode: str = "wb", **options: Any) -> Iterator[IO]:
    """A file that takes the name `path` when the block ends without an error.

    Until then it has a temporary name in the same folder; it is flushed to the disk before it is
    renamed.  After an error it is removed and what was at `path` stays.

    Args:
        path: where the file is to be; its folder must exist.
        mode: ``"wb"`` or ``"w"`` (UTF-8).
        options: more arguments for ``open``, e.g. ``newline=""``.
    """
    path = Path(path)
    if "b" not in mode:
        options.setdefault("encoding", "utf-8")
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, f"{mode}+", **options) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, _permissions(path))
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    _sync_folder(path.parent)


def _permissions(path: Path) -> int:
    """What the file at `path` has, else what ``open`` would give (mkstemp makes private files)."""
    try:
        return path.stat().st_mode & 0o777
    except FileNotFoundError:
        mask = os.umask(0)
        os.umask(mask)
        return 0o666 & ~mask


def _sync_folder(folder: Path) -> None:
    """Make the renaming last through a power cut, where folders can be synced."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
