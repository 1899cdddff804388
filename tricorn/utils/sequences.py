"""Sequences of different lengths as one array."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def pad_sequences(
    sequences: Sequence[Any],
    maxlen: int | None = None,
    dtype: Any = "int32",
    padding: str = "pre",
    truncating: str = "pre",
    value: Any = 0.0,
) -> np.ndarray:
    """Sequences padded and cut to one length.

    Args:
        sequences: the sequences: of numbers, or of arrays of one shape.
        maxlen: the length; None: that of the longest.
        dtype: the result's; ``object`` for texts of any length.
        padding: ``"pre"`` or ``"post"``: pad before or after.
        truncating: ``"pre"`` or ``"post"``: cut the beginning or the end.
        value: what to pad with.

    Returns:
        array (len(sequences), maxlen, ...).

    Raises:
        ValueError: for other arguments, or entries of different shapes.

    Example:
        >>> keras.utils.pad_sequences([[1, 2, 3], [4]], padding="post")
        array([[1, 2, 3],
               [4, 0, 0]], dtype=int32)
    """
    if not hasattr(sequences, "__len__"):
        raise ValueError(f"`sequences` must be iterable and have a length, got {sequences!r}")
    for name, given in (("padding", padding), ("truncating", truncating)):
        if given not in ("pre", "post"):
            raise ValueError(f"{name} must be 'pre' or 'post', got {given!r}: not understood")
    for row in sequences:
        if not hasattr(row, "__len__"):
            raise ValueError(f"`sequences` must be a list of iterables. Found non-iterable: {row}")
    text = np.issubdtype(dtype, np.str_) or np.issubdtype(dtype, np.bytes_)
    if isinstance(value, str) and dtype is not object and not text:
        raise ValueError(
            f"`dtype` {dtype} is not compatible with a text as `value`; for texts set dtype=object"
        )
    length = max(map(len, sequences), default=0) if maxlen is None else maxlen
    shape = next((np.asarray(row).shape[1:] for row in sequences if len(row)), ())
    result = np.full((len(sequences), length, *shape), value, dtype)
    for place, row in enumerate(sequences):
        kept = row[max(len(row) - length, 0) :] if truncating == "pre" else row[:length]
        part = np.asarray(kept, dtype)
        if len(row) and len(part) and part.shape[1:] != shape:
            raise ValueError(
                f"Shape of sample {part.shape[1:]} of sequence at position {place} is different "
                f"from expected shape {shape}"
            )
        if len(part):
            result[place, slice(len(part)) if padding == "post" else slice(-len(part), None)] = part
    return result
