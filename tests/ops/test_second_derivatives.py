"""Ops that engines have kernels for: values, gradients and gradients of gradients beside Keras's
on JAX, which differentiates what they are composed of."""

import jax
import keras
import numpy as np
import pytest

from tests.oracle import cached, close
from tricorn import ops
from tricorn.graph.transforms import grad

pytestmark = pytest.mark.heavy

_rng = np.random.default_rng(0)


def draw(*shape):
    return _rng.normal(size=shape).astype("float32")


X, HEADS = draw(3, 4, 6), [draw(2, 5, 4, 3), draw(2, 7, 2, 3), draw(2, 7, 2, 3)]
SOME, NONE = _rng.uniform(size=(2, 1, 5, 7)) > 0.4, np.ones((2, 1, 5, 7), bool)
NONE[0, 0, 2] = False  # a row in which nothing counts

CASES = {
    "layer_normalization": (lambda o, x, g, b: o.layer_normalization(x, g, b, -1, 1e-3),
                            [X, draw(6), draw(6)]),
    "layer_normalization in the middle": (lambda o, x: o.layer_normalization(x, axis=1), [X]),
    "softmax": (lambda o, x: o.softmax(x), [X]),
    "softmax of the first axis": (lambda o, x: o.softmax(x, 0), [X]),
    "softmax of two axes": (lambda o, x: o.softmax(x, (0, 2)), [4.0 * X]),
    "log_softmax": (lambda o, x: o.log_softmax(x, 1), [X]),
    "gelu": (lambda o, x: o.gelu(x), [X]),
    "gelu, exact": (lambda o, x: o.gelu(x, False), [X]),
    "silu": (lambda o, x: o.silu(x), [X]),
    "attention": (lambda o, q, k, v: o.dot_product_attention(q, k, v), HEADS),
    "causal attention": (
        lambda o, q, k, v: o.dot_product_attention(q, k, v, is_causal=True), HEADS),
    "masked attention": (
        lambda o, q, k, v: o.dot_product_attention(q, k, v, mask=o.convert_to_tensor(SOME)), HEADS),
    "attention with an empty row": (
        lambda o, q, k, v: o.dot_product_attention(
            q, k, v, mask=o.convert_to_tensor(NONE), scale=0.3), HEADS),
    "max": (lambda o, x: o.max(x, axis=(0, 2)), [X]),
    "max of everything": (lambda o, x: o.max(x), [X]),
    "max of equals": (lambda o, x: o.max(o.relu(x), axis=1, keepdims=True), [X - 1.0]),
    "min": (lambda o, x: o.min(x, axis=-1), [X]),
    # XLA may compute what is cheap again for the gradient, with another last bit
    "max of what is cheap": (
        lambda o, x, k, b: o.max(o.add(o.depthwise_conv(x, k, padding="same"), b), axis=(1, 2)),
        [draw(2, 6, 6, 3), draw(3, 3, 3, 2), draw(6)]),
    "a batch by a matrix": (lambda o, x, w: o.matmul(x, w), [X, draw(6, 5)]),
    "batches of batches by a matrix": (
        lambda o, x, w: o.matmul(x, w), [draw(2, 3, 4, 6), draw(6, 5)]),
    "a batch by a vector": (lambda o, x, w: o.matmul(x, w), [X, draw(6)]),
    "short parts": (lambda o, x: o.multiply(*o.split(o.sin(x), 2, -1)), [X]),
    "long parts": (lambda o, x: o.multiply(*o.split(o.sin(x), 2, 0)), [draw(4, 40)]),
    "parts in the middle": (
        lambda o, x: o.add(*o.split(o.sin(x), indices_or_sections=2, axis=1)), [X]),
}  # fmt: skip

#: einsums of two tensors and their shapes, among them what attention and its projections use
EINSUMS = {
    "abc,cde->abde": [(2, 3, 4), (4, 5, 6)],
    "abde,dec->abc": [(2, 3, 5, 6), (5, 6, 4)],
    "abde,ced->abc": [(2, 3, 5, 6), (4, 6, 5)],
    "abde,abc->cde": [(2, 3, 5, 6), (2, 3, 4)],
    "btnh,bsnh->bnts": [(2, 3, 4, 5), (2, 6, 4, 5)],
    "bnts,bsnh->btnh": [(2, 4, 3, 6), (2, 6, 4, 5)],
    "aecd,abcd->acbe": [(2, 6, 4, 5), (2, 3, 4, 5)],
    "j,ij->i": [(4,), (3, 4)],
    "bi,bi->b": [(3, 4), (3, 4)],
    "ij,jk->ki": [(3, 4), (4, 5)],
    "ij,k->i": [(3, 4), (5,)],
    "...ij,jk->...ik": [(2, 3, 4), (4, 5)],
    "ii,ij->j": [(3, 3), (3, 4)],
}
CASES |= {
    f"einsum {spec}": (lambda o, x, y, spec=spec: o.einsum(spec, x, y), [draw(*s) for s in shapes])
    for spec, shapes in EINSUMS.items()
}


def measures(lib, fn, differentiate):
    """(the op, its gradient, the gradient of that one's square) as functions of its arguments."""

    def total(*args):
        return lib.sum(lib.sin(fn(lib, *args)))

    def steep(*args):
        return lib.sum(lib.square(differentiate(total)(*args)))

    return lambda *args: fn(lib, *args), differentiate(total), differentiate(steep)


@cached
def expected(name):
    fn, args = CASES[name]
    return [np.asarray(jax.jit(measure)(*args)) for measure in measures(keras.ops, fn, jax.grad)]


def direction(args):
    return tuple(np.cos(np.arange(x.size, dtype="float32")).reshape(x.shape) for x in args)


@cached
def slope(name):
    """The value and the derivative in one direction, in forward mode."""
    fn, args = CASES[name]
    run = jax.jit(lambda *args: jax.jvp(lambda *a: fn(keras.ops, *a), args, direction(args)))
    return [np.asarray(x) for x in run(*args)]


@pytest.mark.parametrize("name", CASES)
def test_kernels_in_forward_mode(name):
    fn, args = CASES[name]
    at, along = (tuple(map(ops.convert_to_tensor, x)) for x in (args, direction(args)))
    for found, theirs in zip(ops.jvp(lambda *a: fn(ops, *a), at, along), slope(name), strict=True):
        close(found, theirs)


@pytest.mark.parametrize("name", CASES)
def test_kernels_are_differentiated_twice(name):
    fn, args = CASES[name]
    for measure, theirs in zip(measures(ops, fn, grad), expected(name), strict=True):
        close(measure(*map(ops.convert_to_tensor, args)), theirs)


@pytest.mark.engine("tensorflow")
@pytest.mark.parametrize("name", [n for n in CASES if "attention" not in n and "cheap" not in n])
def test_kernels_of_unknown_sizes(name):
    """In a graph of TensorFlow's own in which no size is known."""
    import tensorflow as tf

    fn, args = CASES[name]
    signature = [tf.TensorSpec([None] * x.ndim) for x in args]
    run = tf.function(lambda *args: fn(ops, *args), input_signature=signature)
    close(run(*args), expected(name)[0])
