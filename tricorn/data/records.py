"""TFRecord files, which event files are, too, and the wire format of protocol buffers.

A record is its length, the bytes, and a checksum (CRC-32C) of each.  A protocol buffer is a row of
fields: the number and kind of each, and a number, eight or four bytes, or a length and so many
bytes.  Both are read here by a few lines: the classes of TensorFlow's messages are in no other
package, and arrays come straight out of the bytes.
"""

from __future__ import annotations

import functools
import gzip
import importlib
import io
import os
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import IO, Any

import numpy as np

COMPRESSIONS = ("", "GZIP", "ZLIB")


def opened(path: Any, compression: str | None = "", mode: str = "rb") -> IO:
    """A file that may be compressed, for reading bytes."""
    name = os.fsdecode(path)
    if (compression or "") not in COMPRESSIONS:
        raise ValueError(
            f"compression_type must be '', 'GZIP' or 'ZLIB', got {compression!r} for {name}"
        )
    if compression == "GZIP":
        return gzip.open(name, mode)  # type: ignore[return-value]
    if compression == "ZLIB":
        with open(name, "rb") as file:
            return io.BytesIO(zlib.decompress(file.read()))
    return open(name, mode)


# ------------------------------------------------------------------------------------------ records


def _row(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
    return byte


_TABLE = [_row(byte) for byte in range(256)]


@functools.cache
def _native() -> Callable[[bytes], int] | None:
    """Google's CRC-32C, if it is installed."""
    try:
        return importlib.import_module("google_crc32c").value
    except ImportError:
        return None


def checksum(data: bytes) -> bytes:
    """CRC-32C, rotated and shifted as the format wants it."""
    native = _native()
    if native is not None:
        crc = native(data)
    else:
        crc, table = 0xFFFFFFFF, _TABLE
        for byte in data:
            crc = table[(crc ^ byte) & 255] ^ crc >> 8
        crc ^= 0xFFFFFFFF
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def framed(data: bytes) -> bytes:
    """A record."""
    length = struct.pack("<Q", len(data))
    return b"".join([length, checksum(length), data, checksum(data)])


def read_record(file: IO, name: Any) -> bytes | None:
    """The next record of a file, None at the end.  The checksum of its length is compared, that of
    the bytes only where google-crc32c is installed: in Python it takes longer than all the rest.

    Raises:
        ValueError: for a damaged file.
    """
    head = file.read(12)
    if not head:
        return None
    if len(head) == 12 and checksum(head[:8]) == head[8:]:
        size = int.from_bytes(head[:8], "little")
        data = file.read(size + 4)
        if len(data) == size + 4 and (_native() is None or checksum(data[:-4]) == data[-4:]):
            return data[:-4]
    raise ValueError(
        f"{os.fsdecode(name)}: the record that ends at byte {file.tell()} is damaged or cut off; "
        "is it a TFRecord file, and is compression_type right?"
    )


class TFRecordWriter:
    """Writes a TFRecord file.

    Args:
        path: of the file.
        options: None, ``"GZIP"`` or ``"ZLIB"``.

    Example:
        >>> with keras.data.TFRecordWriter("some.tfrecord") as writer:
        ...     writer.write(keras.data.serialize_example({"x": [1, 2]}))
        >>> len(list(keras.data.TFRecordDataset("some.tfrecord")))
        1
    """

    def __init__(self, path: Any, options: str | None = None) -> None:
        self._file = opened(path, "GZIP" if options == "GZIP" else "", "wb")
        if (options or "") not in COMPRESSIONS:
            raise ValueError(f"options must be None, 'GZIP' or 'ZLIB', got {options!r}")
        self._zlib = zlib.compressobj() if options == "ZLIB" else None

    def write(self, record: bytes) -> None:
        """Add a record."""
        data = framed(record)
        self._file.write(data if self._zlib is None else self._zlib.compress(data))

    def flush(self) -> None:
        """Let readers see what was written."""
        self._file.flush()

    def close(self) -> None:
        """End the file."""
        if not self._file.closed:
            self._file.write(b"" if self._zlib is None else self._zlib.flush())
            self._file.close()

    def __enter__(self) -> TFRecordWriter:
        return self

    def __exit__(self, *error: Any) -> None:
        self.close()


# --------------------------------------------------------------------------------- protocol buffers


def varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first; the top bit says that more follow."""
    value &= 2**64 - 1
    parts = bytearray()
    while value > 127:
        parts.append(value & 127 | 128)
        value >>= 7
    return bytes([*parts, value])


def key(field: int, kind: int) -> bytes:
    """The beginning of a field."""
    return varint(field << 3 | kind)


def number(field: int, value: int) -> bytes:
    """A field with an integer."""
    return key(field, 0) + varint(int(value))


def delimited(field: int, value: bytes) -> bytes:
    """A field with bytes: a text, a message, or numbers in a row."""
    return key(field, 2) + varint(len(value)) + value


def fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """(number, value) of the fields of a message: an int, or bytes.

    Raises:
        ValueError: for other bytes.
    """
    at, end = 0, len(data)

    def integer() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7

    try:
        while at < end:
            tag = integer()
            kind = tag & 7
            if kind == 0:
                yield tag >> 3, integer()
                continue
            size = {1: 8, 5: 4}[kind] if kind != 2 else integer()
            at += size
            if at > end:
                raise IndexError
            yield tag >> 3, data[at - size : at]
    except (IndexError, KeyError):
        raise ValueError("the bytes are no protocol buffer, or are cut off") from None


def integers(data: bytes) -> np.ndarray:
    """Integers in a row, each as a `varint`: int64."""
    raw = np.frombuffer(data, np.uint8)
    last = np.flatnonzero(raw < 128)
    if last.size == raw.size:
        return raw.astype(np.int64)
    if not last.size or last[-1] != raw.size - 1:
        raise ValueError("a row of integers is cut off")
    first = np.concatenate([[0], last[:-1] + 1])
    shifts = 7 * (np.arange(raw.size) - np.repeat(first, last - first + 1))
    bits = (raw & 127).astype(np.uint64) << shifts.astype(np.uint64)
    return np.bitwise_or.reduceat(bits, first).view(np.int64)
