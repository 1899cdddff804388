"""Promotion of dtypes, and properties that hold for any shapes."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from keras.src.backend.common import dtypes as oracle

from tricorn import dtypes, ops
from tricorn.graph.symbolic import SymbolicTensor

NAMES = (
    "bool", "uint8", "uint16", "uint32", "int8", "int16", "int32", "int64", "bfloat16", "float16",
    "float32", "float64",
)  # fmt: skip
quick = settings(max_examples=15, deadline=None)


@pytest.fixture
def wide(monkeypatch):
    """Keras's table as on TensorFlow and NumPy, where 64-bit dtypes exist."""
    monkeypatch.setattr(oracle, "BIT64_TO_BIT32_DTYPE", {})


def test_pairs(wide):
    """All pairs of dtypes, and of a dtype with a Python number."""
    for a, b in itertools.product(NAMES, (*NAMES, bool, int, float)):
        assert dtypes.result_type(a, b) == oracle.result_type(a, b), (a, b)


@pytest.mark.parametrize("a, b", list(itertools.combinations(NAMES, 2)))
def test_add_symbolic(wide, a, b):
    result = ops.add(SymbolicTensor((None, 3), a), SymbolicTensor((3,), b))
    assert (result.shape, result.dtype) == ((None, 3), oracle.result_type(a, b))


def test_wide_dtypes_stay():
    """64 bits are neither lost nor global."""
    x = np.arange(4, dtype="float64") / 3
    assert ops.dtype(ops.exp(x)) == "float64"
    np.testing.assert_allclose(np.asarray(ops.exp(x)), np.exp(x), rtol=1e-14)
    big = np.array([2**40, 3], "int64")
    assert np.asarray(ops.add(big, 1)).tolist() == [2**40 + 1, 4]
    assert ops.dtype(ops.exp([1.0, 2.0])) == "float32"
    assert ops.dtype(ops.divide(1, 2)) == "float32"


@quick
@given(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=4, max_side=4))
def test_broadcasting(shapes):
    (a, b), expected = shapes.input_shapes, shapes.result_shape
    x, y = np.ones(a, "float32"), np.full(b, 2, "float32")
    result = ops.add(x, y)
    np.testing.assert_array_equal(np.asarray(result), x + y)
    assert ops.add(SymbolicTensor(a), SymbolicTensor(b)).shape == expected


@quick
@given(st.data(), hnp.array_shapes(max_dims=4, max_side=4))
def test_reshape(data, shape):
    """Any split of the size, with -1 in any place, and back."""
    size = int(np.prod(shape))
    divisors = [n for n in range(1, size + 1) if size % n == 0]
    first = data.draw(st.sampled_from(divisors))
    target = [first, size // first]
    target[data.draw(st.integers(0, 1))] = -1
    x = np.arange(size, dtype="float32").reshape(shape)
    result = ops.reshape(x, target)
    np.testing.assert_array_equal(np.asarray(result), x.reshape(target))
    assert ops.reshape(SymbolicTensor(shape), target).shape == x.reshape(target).shape
    np.testing.assert_array_equal(np.asarray(ops.reshape(result, shape)), x)


@quick
@given(hnp.array_shapes(max_dims=4, max_side=3), st.data())
def test_axes(shape, data):
    """Negative and non-negative axes mean the same."""
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    x = np.arange(np.prod(shape), dtype="float32").reshape(shape)
    np.testing.assert_allclose(np.asarray(ops.sum(x, axis)), x.sum(axis), rtol=1e-6)
    np.testing.assert_array_equal(np.asarray(ops.flip(x, axis)), np.flip(x, axis))
    np.testing.assert_array_equal(np.asarray(ops.argmax(x, axis)), x.argmax(axis))


@quick
@given(st.integers(1, 12), st.integers(1, 4), st.integers(1, 3), st.integers(1, 3))
def test_same_padding(n, window, stride, dilation):
    """'same' gives ⌈n / stride⌉ positions whatever the window, known or not when called."""
    if stride > 1 and dilation > 1:
        dilation = 1
    kernel = np.ones((window, 1, 1), "float32")
    x = np.ones((1, n, 1), "float32")
    call = lambda x: ops.conv(x, kernel, stride, "same", dilation_rate=dilation)
    assert ops.shape(call(x)) == (1, -(-n // stride), 1)
    assert call(SymbolicTensor((None, None, 1))).shape == (None, None, 1)
    assert call(SymbolicTensor((None, n, 1))).shape == (None, -(-n // stride), 1)
