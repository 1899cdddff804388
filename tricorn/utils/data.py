"""Datasets in the form that users ask for."""

from __future__ import annotations

import importlib
import itertools
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

from tricorn import tree
from tricorn.data import Dataset
from tricorn.data.elements import stacked
from tricorn.engines import active

FORMATS = ("tf", "python", "arrays", "grain")


def given(dataset: Dataset, batch_size: int | None, format: str, ragged: bool = False) -> Any:
    """A dataset of single elements in the form that `format` names.

    Args:
        batch_size: None: single elements.
        format: ``"tf"``: a ``tf.data.Dataset`` in a program that uses TensorFlow, as its engine or
            by itself, otherwise as ``"python"``: a `Dataset`; ``"arrays"``: all elements at once.
        ragged: elements have different lengths.
    """
    if format == "arrays":
        return tree.map(_as_texts, stacked(list(dataset)))
    active()  # the engine is loaded, and with it, or by the program, TensorFlow
    if format == "tf" and "tensorflow" in sys.modules:
        module = importlib.import_module("tricorn.engines.tensorflow.datasets")
        made = module.of(dataset, batch_size, ragged)
    elif batch_size is None:
        made = dataset.prefetch()
    elif ragged:
        made = Dataset(lambda: _lists(dataset, batch_size), -(-len(dataset) // batch_size))
    else:
        made = dataset.batch(batch_size).prefetch()
    made.class_names, made.file_paths = dataset.class_names, dataset.file_paths
    return made


def _as_texts(array: np.ndarray) -> np.ndarray:
    """Bytes as texts, in an array of them."""
    if array.dtype != object:
        return array
    return np.array([text.decode() for text in array], object)


def _lists(dataset: Dataset, batch_size: int) -> Iterator:
    """Batches whose first part is a list of arrays."""
    elements = iter(dataset)
    while rows := list(itertools.islice(elements, batch_size)):
        if isinstance(rows[0], tuple):
            first, *rest = zip(*rows)
            yield (list(first), *(np.stack(part) for part in rest))
        else:
            yield rows


def check_format(format: str) -> None:
    """Refuse what is no format."""
    if format == "grain":
        raise ValueError('format="grain" is not made here: "python" gives a dataset of its kind')
    if format not in FORMATS:
        raise ValueError(f"`format` must be one of {', '.join(FORMATS[:-1])}, got {format!r}")
