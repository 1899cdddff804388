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

from tricorn import dtypes, limits
from tricorn.saving import weights

_DTYPES = {
    "BOOL": "bool", "U8": "uint8", "I8": "int8", "U16": "uint16", "I16": "int16", "F16": "float16",
    "BF16": "bfloat16", "U32": "uint32", "I32": "int32", "F32": "float32", "U64": "uint64",
    "I64": "int64", "F64": "float64", "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2",
}  # fmt: skip
_CODES = {name: code for code, name in _DTYPES.items()}
#: bytes that a header may have
_HEADER_LIMIT = 100_000_000
#: axes that an array may have
_MAX_RANK = 32


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

    def read(self, key: str) -> np.ndarray:
        return np.array(self.datasets[key])

    def check(self, key: str) -> None:
        pass  # numbers as they are: there is nothing to find

    def _title(self, key: str) -> str:
        return f"{self.file}: {key!r}"


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
        self.stored, size = limits.stored_size(path), path.stat().st_size
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8).ljust(8, b"\xff"))
            if length > min(size - 8, _HEADER_LIMIT):
                raise self._refuse(f"its header is said to have {length:,} of {size:,} bytes")
            try:
                text = file.read(length)
                limits.take_json(self.name, text)
                header = json.loads(text)
                header.pop("__metadata__", None)
                entries = [(name, *self._entry(entry)) for name, entry in header.items()]
            except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
                raise self._refuse(f"its header cannot be read: {error!r}") from error
        self.tensors: dict[str, np.ndarray] = {}
        end, start = 0, 8 + length
        data = np.memmap(path, "uint8", "r", start) if size > start else np.zeros(0, "uint8")
        for name, kind, shape, begin, stop in sorted(entries, key=lambda entry: entry[3:]):
            if begin != end or stop - begin != math.prod(shape) * kind.itemsize:
                raise self._refuse(f"the place of {name!r} does not fit its shape {shape}")
            if start + stop > size:
                raise self._refuse(f"{name!r} ends behind the file's end")
            try:
                self.tensors[name], end = data[begin:stop].view(kind).reshape(shape), stop
            except (ValueError, OverflowError) as error:
                raise self._refuse(f"{name!r} has the shape {shape}: {error}") from error
        if start + end != size:
            raise self._refuse(f"{size - start - end:,} bytes belong to nothing")

    @staticmethod
    def _entry(entry: Any) -> tuple[np.dtype, tuple[int, ...], int, int]:
        shape, (begin, stop) = tuple(entry["shape"]), entry["data_offsets"]
        numbers = (*shape, begin, stop)
        if any(type(number) is not int or not 0 <= number < 1 << 62 for number in numbers):
            raise ValueError("sizes and places are not whole numbers")
        if len(shape) > _MAX_RANK:
            raise ValueError(f"a tensor has {len(shape):,} axes")
        return np.dtype(dtypes.to_numpy(_DTYPES[entry["dtype"]])), shape, begin, stop

    def _refuse(self, why: str) -> ValueError:
        return ValueError(f"{self.name} is not a safetensors file, or is damaged: {why}")

    @property
    def stores(self) -> dict[str, weights.Store]:
        """Path of an object -> its arrays."""
        found: dict[str, weights.Store] = {}
        for name, array in self.tensors.items():
            path, _, key = name.rpartition("/")
            found.setdefault(path, _Arrays({}, self.name)).datasets[key] = array
        return found


def read(model: Any, path: Path, skip_mismatch: bool = False, skip: Iterable[Any] = ()) -> None:
    """Assign the weights in a file to `model`: all of them, or nothing; see `weights.read`."""
    weights.read(model, File(path), skip_mismatch=skip_mismatch, skip=skip)
