"""Windows over a time series."""

from __future__ import annotations

from typing import Any

import numpy as np

from tricorn.data import Dataset
from tricorn.utils.data import check_format, given


def timeseries_dataset_from_array(
    data: Any,
    targets: Any,
    sequence_length: int,
    sequence_stride: int = 1,
    sampling_rate: int = 1,
    batch_size: int | None = 128,
    shuffle: bool = False,
    seed: int | None = None,
    start_index: int | None = None,
    end_index: int | None = None,
    format: str = "tf",
) -> Any:
    """A dataset of windows over a series, with a target for each.

    Window i is ``data[s : s + sequence_length * sampling_rate : sampling_rate]``, s =
    i * sequence_stride; its target is ``targets[s]``.

    Args:
        data: array (steps, ...).
        targets: array, or None for windows alone.
        sequence_length: steps in a window.
        sequence_stride: between the beginnings of two windows.
        sampling_rate: between two steps of a window.
        batch_size: None: single windows.
        shuffle: a new order for each epoch.
        seed: of the order.
        start_index, end_index: only data from and up to here.
        format: see `image_dataset_from_directory`.

    Raises:
        ValueError: for numbers that do not fit the data.

    Example:
        >>> data = keras.utils.timeseries_dataset_from_array(
        ...     np.arange(6), targets=None, sequence_length=3, format="python"
        ... )
        >>> [batch.tolist() for batch in data]
        [[[0, 1, 2], [1, 2, 3], [2, 3, 4], [3, 4, 5]]]
    """
    data = np.asarray(data)
    for name, number, least in (
        ("start_index", start_index or 0, 0),
        ("end_index", end_index or 1, max(start_index or 0, 0) + 1 if end_index else 0),
        ("sampling_rate", sampling_rate, 1),
        ("sequence_stride", sequence_stride, 1),
    ):
        if not least <= number < max(len(data), 2 if name == "end_index" else 0):
            raise ValueError(
                f"`{name}` must be {least} or higher, and lower than the length of the data, "
                f"{len(data)}; got {number}"
            )
    check_format(format)
    start = start_index or 0
    steps = data[start:end_index]
    count = len(steps) - (sequence_length - 1) * sampling_rate
    aims = None if targets is None else np.asarray(targets)[start:]
    if aims is not None:
        count = min(count, len(targets))
    window = np.arange(sequence_length) * sampling_rate
    begins = np.arange(0, max(count, 0), sequence_stride)

    def element(begin: int) -> Any:
        found = steps[begin + window]
        return found if aims is None else (found, aims[begin])

    rows = Dataset(begins)
    if shuffle:
        rows = rows.shuffle(len(begins), seed)
    return given(rows.map(element), batch_size, format)
