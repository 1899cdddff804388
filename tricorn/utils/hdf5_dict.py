"""HDF5 files, their groups and dicts by one interface."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import h5py
import numpy as np


class H5Dict:
    """A file, a group of one, or a dict, with arrays, numbers, texts and lists of texts.

    Args:
        path: of a file; an ``h5py`` file or group; or a dict.
        mode: of a file: ``"r"``, ``"w"`` or ``"a"``.

    Example:
        >>> with keras.utils.H5Dict("data.h5", "w") as data:
        ...     data["x"] = np.arange(3)
        ...     data["inner"]["name"] = b"text"
        >>> with keras.utils.H5Dict("data.h5", "r") as data:
        ...     data["x"].tolist(), data["inner"]["name"]
        ([0, 1, 2], b'text')
    """

    def __init__(self, path: Any, mode: str = "a") -> None:
        self._own = not self.is_supported_type(path) or isinstance(path, (str, bytes))
        self.data = h5py.File(path, mode) if self._own else path
        self.read_only = mode == "r"

    @staticmethod
    def is_supported_type(path: Any) -> bool:
        """Whether it can be opened."""
        return isinstance(path, (h5py.Group, dict, str, bytes))

    def __setitem__(self, name: str, value: Any) -> None:
        if name in self:
            raise KeyError(f"{name!r} is there already")
        if isinstance(value, list):
            value = np.array([one.encode() if isinstance(one, str) else one for one in value])
            (self.data if isinstance(self.data, dict) else self.data.attrs)[name] = value
            return
        texts = isinstance(value, (str, bytes)) and not isinstance(self.data, dict)
        (self.data.attrs if texts else self.data)[name] = value

    def __getitem__(self, name: str) -> Any:
        if name in self.data:
            value = self.data[name]
        elif not isinstance(self.data, dict) and name in self.data.attrs:
            value = self.data.attrs[name]
            return value.encode() if isinstance(value, str) else value
        elif self.read_only:
            raise KeyError(f"there is no {name!r}")
        elif isinstance(self.data, dict):
            value = self.data[name] = {}
        else:
            value = self.data.create_group(name)
        if isinstance(value, h5py.Dataset):
            return np.asarray(value[()])
        return H5Dict(value, "r" if self.read_only else "a") if self._is_group(value) else value

    @staticmethod
    def _is_group(value: Any) -> bool:
        return isinstance(value, (h5py.Group, dict))

    def __contains__(self, name: str) -> bool:
        return name in self.data or (not isinstance(self.data, dict) and name in self.data.attrs)

    def __len__(self) -> int:
        return len(self.data)

    def __iter__(self) -> Iterator[str]:
        return iter(self.data)

    def iter(self) -> Iterator[str]:
        """The names."""
        return iter(self)

    def get(self, name: str, default: Any = None) -> Any:
        """What has a name, or `default`."""
        return self[name] if name in self else default  # noqa: SIM401

    def update(self, *args: Any) -> None:
        """Take what dicts hold."""
        for one in args:
            for name, value in one.items():
                self[name] = value

    def close(self) -> None:
        """Close the file, if it was opened here."""
        if self._own:
            self.data.close()

    def __enter__(self) -> H5Dict:
        return self

    def __exit__(self, *error: Any) -> None:
        self.close()
