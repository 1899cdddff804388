"""Our datasets as TensorFlow's."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from tricorn import tree


def of(dataset: Any, batch_size: int | None, ragged: bool) -> tf.data.Dataset:
    """A ``tf.data.Dataset`` with the elements of a dataset that knows its length.

    Args:
        dataset: elements of one structure of arrays and texts.
        batch_size: None: single elements.
        ragged: the first axis of the first part may differ; it is ragged in the result.
    """
    shape = tree.structure(first := next(iter(dataset)))
    specs = [_spec(part, ragged and i == 0) for i, part in enumerate(tree.leaves(first))]
    made = tf.data.Dataset.from_generator(
        lambda: iter(dataset), output_signature=tree.unflatten(shape, specs)
    )
    made = made.apply(tf.data.experimental.assert_cardinality(len(dataset)))
    if batch_size is not None:
        made = made.ragged_batch(batch_size) if ragged else made.batch(batch_size)
    return made.prefetch(tf.data.AUTOTUNE)


def _spec(part: Any, ragged: bool) -> tf.TensorSpec:
    array = np.asarray(part)
    dtype = tf.string if array.dtype.kind in "OUS" else array.dtype
    return tf.TensorSpec((None, *array.shape[1:]) if ragged else array.shape, dtype)
