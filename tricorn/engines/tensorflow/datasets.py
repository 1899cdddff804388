"""Our datasets as TensorFlow's, and TensorFlow's own functions for those of `tricorn.data`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tricorn import tree

v1 = tf.compat.v1
#: where a function of `tricorn.data` is found
_HOMES = (v1.data.Dataset, v1.data.Iterator, v1.data, v1.data.experimental, v1.io)
_ELSEWHERE = {"resize_image": tf.image.resize}
#: those that are given a dataset, which may be ours
_OF_DATASETS = ("make_one_shot_iterator", "make_initializable_iterator")


def native(name: str) -> Callable | None:
    """The function for one of `tricorn.data`."""
    if name in _OF_DATASETS:
        make = getattr(v1.data, name)
        return lambda dataset, *args: make(converted(dataset), *args)
    if name.startswith("parse_"):
        parse = getattr(v1.io, name)
        return lambda *args, **kwargs: parse(*map(_features, args), **_features(kwargs))
    found = (getattr(home, name, None) for home in _HOMES)
    return _ELSEWHERE.get(name) or next(filter(None, found), None)


def _features(value: Any) -> Any:
    """Our kinds of features as TensorFlow's."""
    if isinstance(value, dict):
        return {key: _features(part) for key, part in value.items()}
    ours = type(value).__module__.startswith("tricorn.")
    return getattr(tf.io, type(value).__name__)(*value) if ours else value


def converted(dataset: Any, ragged: bool = False) -> tf.data.Dataset:
    """A ``tf.data.Dataset`` with the elements of one of ours.

    Args:
        ragged: the first axis of the first part may differ.
    """
    if isinstance(dataset, tf.data.Dataset):
        return dataset
    specs, structure = tree.take_apart(dataset.element_spec)
    shapes = [spec.shape for spec in specs]
    if ragged:
        shapes[0] = (None, *shapes[0][1:])
    signature = [tf.TensorSpec(shape, spec.dtype) for shape, spec in zip(shapes, specs)]
    home = tf if tf.executing_eagerly() else v1
    made = home.data.Dataset.from_generator(
        lambda: iter(dataset), output_signature=tree.unflatten(structure, signature)
    )
    if dataset.cardinality() == tf.data.UNKNOWN_CARDINALITY:
        return made
    return made.apply(tf.data.experimental.assert_cardinality(dataset.cardinality()))


def of(dataset: Any, batch_size: int | None, ragged: bool) -> tf.data.Dataset:
    """`converted`, in batches.

    Args:
        batch_size: None: single elements.
        ragged: the first axis of the first part may differ; it is ragged in the result.
    """
    made = converted(dataset, ragged)
    if batch_size is not None:
        made = made.ragged_batch(batch_size) if ragged else made.batch(batch_size)
    return made.prefetch(tf.data.AUTOTUNE)
