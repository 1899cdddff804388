"""The contract's sparse tensors on TensorFlow: `tf.SparseTensor`."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tricorn.engines.tensorflow.primitives import packed


def is_sparse(x: Any) -> bool:
    return isinstance(x, tf.SparseTensor)


def _shape(x: tf.SparseTensor) -> tuple:
    known = tuple(x.shape)
    if None not in known:
        return known
    now = tf.cast(x.dense_shape, tf.int32)
    return tuple(now[i] if n is None else n for i, n in enumerate(known))


def entries(x: tf.SparseTensor) -> tuple[tf.Tensor, tf.Tensor, tuple]:
    return x.indices, x.values, _shape(x)


def sparse(indices: tf.Tensor, values: tf.Tensor, shape: tuple, distinct: bool) -> tf.SparseTensor:
    indices, size = tf.cast(indices, tf.int64), tf.cast(packed(shape), tf.int64)
    if not distinct:
        indices, values = _summed(indices, values, size)
    return _of_shape(tf.SparseTensor(indices, values, size), shape)


def _of_shape(x: Any, shape: tuple) -> Any:
    """`x`, which knows the part of its shape that is known before it is computed."""
    x.set_shape([None if isinstance(n, tf.Tensor) else n for n in shape])
    return x


def _summed(indices: tf.Tensor, values: tf.Tensor, size: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """In order, with one entry for each place: their sum (of bool: whether any is true)."""
    strides = tf.math.cumprod(size, exclusive=True, reverse=True)
    flat = tf.reduce_sum(indices * strides, 1)
    order = tf.argsort(flat, stable=True)
    places, which = tf.unique(tf.gather(flat, order))
    values = tf.gather(values, order)
    numbers = tf.cast(values, tf.int32) if values.dtype == tf.bool else values
    sums = tf.math.unsorted_segment_sum(numbers, which, tf.size(places))
    indices = places[:, None] // strides % size
    return indices, sums > 0 if values.dtype == tf.bool else sums


def dense(x: tf.SparseTensor) -> tf.Tensor:
    return _of_shape(tf.sparse.to_dense(x, validate_indices=False), _shape(x))


def sparse_matmul(x: tf.SparseTensor, y: tf.Tensor) -> tf.Tensor:
    return tf.sparse.sparse_dense_matmul(x, y)
