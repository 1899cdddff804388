"""Datasets in two parts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from tricorn.data import Dataset
from tricorn.utils.data import given


def split_dataset(
    dataset: Any,
    left_size: float | None = None,
    right_size: float | None = None,
    shuffle: bool = False,
    seed: int | None = None,
    preferred_backend: str | None = None,
) -> tuple[Any, Any]:
    """Split samples into two datasets.

    Args:
        dataset: an array, a list or tuple of arrays of one length, a ``tf.data.Dataset`` (batched
            or not), a torch ``Dataset``, or a `Dataset`.
        left_size, right_size: how many samples go to the left and to the right: a float for a
            fraction, an int for a number; None: the rest.
        shuffle: split in random order.
        seed: of that order.
        preferred_backend: ``"tensorflow"`` for datasets of TensorFlow, ``"torch"`` for torch's;
            None: as `dataset` is; for arrays TensorFlow's in a program that uses it, otherwise a
            `Dataset`.

    Returns:
        (left, right), which have a length.

    Raises:
        TypeError: for something else.
        ValueError: for sizes that do not fit, or no samples.

    Example:
        >>> train, test = keras.utils.split_dataset(np.arange(10), left_size=0.8)
        >>> len(train), len(test)
        (8, 2)
    """
    if left_size is None and right_size is None:
        raise ValueError("At least one of the `left_size` or `right_size` must be specified")
    samples, kind, batch_size = _samples(dataset)
    left, right = _sizes(left_size, right_size, len(samples))
    order = np.arange(len(samples))
    if shuffle:
        np.random.default_rng(seed).shuffle(order)
    chosen = [[samples[i] for i in order[:left]], [samples[i] for i in order[len(order) - right :]]]
    kind = preferred_backend or kind
    if kind == "torch":
        return tuple(map(_Rows, chosen))  # type: ignore[return-value]
    form = "python" if kind == "python" else "tf"
    if kind == "tensorflow":
        import importlib

        importlib.import_module("tricorn.engines.tensorflow.datasets")
    return tuple(given(Dataset(part), batch_size, form) for part in chosen)  # type: ignore


class _Rows:
    """What torch's loaders take for a dataset: rows by their numbers."""

    def __init__(self, rows: list) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Any:
        return self.rows[index]


def _samples(dataset: Any) -> tuple[list, str, int | None]:
    """The samples, whose kind of dataset they come from, and in batches of how many."""
    if isinstance(dataset, np.ndarray):
        return _some(list(dataset)), "", None
    if isinstance(dataset, (list, tuple)):
        lengths = {len(part) for part in dataset if isinstance(part, np.ndarray)}
        if not all(isinstance(part, np.ndarray) for part in dataset) or len(lengths) != 1:
            raise ValueError(
                f"Expected a {type(dataset).__name__} of `numpy.ndarray` objects with the same "
                f"length, got {[getattr(part, 'shape', type(part)) for part in dataset]}"
            )
        return list(zip(*dataset)), "", None
    if hasattr(dataset, "as_numpy_iterator") and not isinstance(dataset, Dataset):
        sizes = [size for size in (getattr(dataset, "_batch_size", None),) if size is not None]
        batched = sizes and hasattr(dataset, "unbatch")
        rows = dataset.unbatch() if batched else dataset
        return _some(list(rows.as_numpy_iterator())), "tensorflow", int(sizes[0]) if sizes else None
    torch = any(base.__module__.startswith("torch.utils.data") for base in type(dataset).__mro__)
    if isinstance(dataset, Dataset) or (torch and isinstance(dataset, Iterable)):
        return _some(list(dataset)), "torch" if torch else "python", None
    if torch:
        return _some([dataset[i] for i in range(len(dataset))]), "torch", None
    raise TypeError(
        "dataset must be an array, a list or tuple of arrays, or a dataset of TensorFlow, torch or "
        f"Tricorn, got {type(dataset).__name__}"
    )


def _some(samples: list) -> list:
    if not samples:
        raise ValueError("Received an empty dataset: there is nothing to split")
    return samples


def _sizes(left: Any, right: Any, total: int) -> tuple[int, int]:
    counts = []
    for name, size in (("left_size", left), ("right_size", right)):
        if size is not None and type(size) not in (int, float):
            raise TypeError(f"`{name}` must be an int, a float or None, got {size!r}")
        if size is not None and not 0 < size < (1 if isinstance(size, float) else total):
            raise ValueError(
                f"`{name}` should be either a positive integer smaller than {total}, or a float "
                f"within the range `[0, 1]`, got {size!r}"
            )
        counts.append(round(size * total) if isinstance(size, float) else size)
    left = total - counts[1] if counts[0] is None else counts[0]
    right = total - left if counts[1] is None else counts[1]
    if left + right > total or not left or not right:
        raise ValueError(
            f"left_size={left} and right_size={right} do not split {total} samples into two parts "
            "that are not empty"
        )
    return left, right
