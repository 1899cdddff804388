"""Weights in the format of safetensors: a JSON header, then raw numbers.

The file is 8 bytes with the header's length (little-endian), the header ``{name: {"dtype": ...,
"shape": [...], "data_offsets": [begin, end]}}``, and the bytes.  A tensor is named as in
``.weights.h5`` files: the path of its owner, and its number there.

Source: https://github.com/huggingface/safetensors.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from tricorn import dtypes
from tricorn.saving import weights

_DTYPES = {
    "BOOL": "bool", "U8": "uint8", "I8": "int8", "U16": "uint16", "I16": "int16", "F16": "float16",
    "BF16": "bfloat16", "U32": "uint32", "I32": "int32", "F32": "float32", "U64": "uint64",
    "I64": "int64", "F64": "float64", "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2",
}  # fmt: skip
_CODES = {name: code for code, name in _DTYPES.items()}
#: bytes that a header may have
_HEADER_LIMIT = 100_000_000


def write(model: Any, file: Any) -> None:
    """Put the weights of `model`, without its optimizer, into a binary file."""
    optimizer = getattr(model, "optimizer", None)
    header: dict[str, Any] = {"__metadata__": {"format": "tricorn"}}
    arrays, end = [], 0
    with weights.held(model):
        for path, _, state in weights.states(model, () if optimizer is None else (optimizer,)):
            for key, array in state.items():
                code = _CODES[dtypes.standardize(array.dtype)]
                offsets = [end, end + array.nbytes]
                header[weights.join(path, key)] = {
                    "dtype": code, "shape": list(array.shape), "data_offsets": offsets
                }  # fmt: skip
                arrays.append(array)
                end = offsets[1]
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)  # so that the numbers are aligned
    file.write(struct.pack("<Q", len(text)) + text)
    for array in arrays:
        file.write(np.ascontiguousarray(array).tobytes())


class _Arrays(weights.Store):
    """The arrays of one object."""

    def __getitem__(self, key: str) -> np.ndarray:
        return np.array(self.datasets[key])


class File:
    """A file whose header was checked; what weights are read from.

    Args:
        path: of the file.

    Attributes:
        tensors: name -> array, read when it is used.

    Raises:
        ValueError: a header that does not fit the file.
    """

    def __init__(self, path: Path) -> None:
        self.name, self.names = str(path), dict[str, str]()
        size = path.stat().st_size
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8).ljust(8, b"\xff"))
            if length > min(size - 8, _HEADER_LIMIT):
                raise self._refuse(f"its header is said to have {length:,} of {size:,} bytes")
            try:
                header = json.loads(file.read(length))
                header.pop("__metadata__", None)
                entries = [(name, *self._entry(entry)) for name, entry in header.items()]
            except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
                raise self._refuse(f"its header cannot be read: {error!r}") from error
        self.tensors: dict[str, np.ndarray] = {}
        end = 0
        for name, kind, shape, begin, stop in sorted(entries, key=lambda entry: entry[3:]):
            if begin != end or stop - begin != math.prod(shape) * kind.itemsize:
                raise self._refuse(f"the place of {name!r} does not fit its shape {shape}")
            where = 8 + length + begin
            if 8 + length + stop > size:
                raise self._refuse(f"{name!r} ends behind the file's end")
            array = (
                np.memmap(path, kind, "r", where, shape) if stop > begin else np.zeros(shape, kind)
            )
            self.tensors[name], end = array, stop
        if 8 + length + end != size:
            raise self._refuse(f"{size - 8 - length - end:,} bytes belong to nothing")

    @staticmethod
    def _entry(entry: Any) -> tuple[np.dtype, tuple[int, ...], int, int]:
        shape, (begin, stop) = tuple(entry["shape"]), entry["data_offsets"]
        if any(type(number) is not int or number < 0 for number in (*shape, begin, stop)):
            raise ValueError("sizes and places are not whole numbers")
        return np.dtype(dtypes.to_numpy(_DTYPES[entry["dtype"]])), shape, begin, stop

    def _refuse(self, why: str) -> ValueError:
        return ValueError(f"{self.name} is not a safetensors file, or is damaged: {why}")

    @property
    def stores(self) -> dict[str, weights.Store]:
        """Path of an object -> its arrays."""
        found: dict[str, weights.Store] = {}
        for name, array in self.tensors.items():
            path, _, key = name.rpartition("/")
            found.setdefault(path, _Arrays({})).datasets[key] = array
        return found


def read(model: Any, path: Path, skip_mismatch: bool = False, skip: Iterable[Any] = ()) -> None:
    """Assign the weights in a file to `model`: all of them, or nothing; see `weights.read`."""
    weights.read(model, File(path), skip_mismatch=skip_mismatch, skip=skip)
