"""Elements kept in files: what `cache`, `save` and `snapshot` write and `load` reads.

A folder has a file of elements for each shard, in a folder of their own, and ``dataset.json``,
which says which they are.  It is written last, so what is there is whole.
"""

from __future__ import annotations

import os
import shutil
import time
from typing import Any

from tricorn import atomic, tree
from tricorn.data import elements, records
from tricorn.data.iterators import call

_NAME = "dataset.json"


class File:
    """Writes elements to a file, which has its name when it is closed.

    Args:
        path: of the file.
    """

    def __init__(self, path: str) -> None:
        self.writing = atomic.writing(path)
        self.file = self.writing.__enter__()

    def write(self, element: Any) -> None:
        self.file.write(records.framed(elements.encode(element)))

    def close(self) -> None:
        self.writing.__exit__(None, None, None)

    def drop(self) -> None:
        """Leave nothing, if it was not closed."""
        if not self.file.closed:
            error = InterruptedError()
            self.writing.__exit__(InterruptedError, error, None)


class Folder:
    """Writes elements to files of a folder.

    Args:
        path: of the folder.
        compression: of the files, "" or "GZIP".
        shard: function of an element that gives the number of its file; None: one file.
        spec: of the elements; None: what fits all of them.

    Raises:
        ValueError: for another compression.
    """

    def __init__(self, path: str, compression: str | None, shard: Any, spec: Any) -> None:
        if compression not in (None, "", "NONE", "AUTO", "GZIP"):
            raise ValueError(
                f"compression must be None, 'NONE', 'AUTO' or 'GZIP', got {compression!r}"
            )
        compression = "GZIP" if compression == "GZIP" else ""
        self.path, self.compression, self.shard = path, compression, shard
        self.spec, self.merges = spec, spec is None
        self.run, self.closed = f"{time.time_ns()}-{os.getpid()}", False
        #: number -> (file, how many elements are in it)
        self.files: dict[int, list] = {}
        os.makedirs(os.path.join(path, self.run))

    def write(self, element: Any) -> None:
        number = 0 if self.shard is None else int(call(self.shard, element))
        if number not in self.files:
            path = os.path.join(self.path, self.run, f"{number:08}")
            self.files[number] = [records.opened(path, self.compression, "wb"), 0]
        part = self.files[number]
        part[0].write(records.framed(elements.encode(element)))
        part[1] += 1
        if self.merges:
            spec = elements.spec_of(element)
            self.spec = tree.map(elements.merged, spec if self.spec is None else self.spec, spec)

    def close(self) -> None:
        for file, _ in self.files.values():
            file.close()
        before = noted(self.path)
        found = {
            "run": self.run,
            "compression": self.compression,
            "shards": [[number, self.files[number][1]] for number in sorted(self.files)],
            "spec": self.spec,
        }
        with atomic.writing(os.path.join(self.path, _NAME)) as file:
            file.write(elements.encode(found))
        self.closed = True
        if before is not None:
            shutil.rmtree(os.path.join(self.path, before["run"]), ignore_errors=True)

    def drop(self) -> None:
        """Leave nothing, if it was not closed."""
        if not self.closed:
            for file, _ in self.files.values():
                file.close()
            shutil.rmtree(os.path.join(self.path, self.run), ignore_errors=True)


def noted(path: str) -> Any:
    """What stands in the ``dataset.json`` of a folder; None: there is none."""
    try:
        with open(os.path.join(path, _NAME), "rb") as file:
            return elements.decode(file.read(), list)
    except FileNotFoundError:
        return None
