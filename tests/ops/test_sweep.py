"""Every op with unknown lengths, and with every dtype: the cases are those of
tests/ops/test_against_keras.py."""

import functools

import jax
import keras
import ml_dtypes
import numpy as np
import pytest

from tests.ops.test_against_keras import DISCRETE, SMOOTH, arguments, leaves, parse
from tests.oracle import array, cached
from tricorn import ops, tree
from tricorn.graph.plan import Plan
from tricorn.graph.symbolic import SymbolicTensor, is_symbolic

CASES = parse(SMOOTH) + parse(DISCRETE)


def places(case):
    """(name, the arguments' leaves, function that makes a call of leaves, where arrays are)."""
    name, call = arguments(case)
    flat, structure = tree.take_apart(call)

    def run(fn, values):
        args, kwargs = tree.unflatten(structure, values)
        return fn(*args, **kwargs)

    arrays = [i for i, v in enumerate(flat) if isinstance(v, np.ndarray) and v.ndim]
    return name, flat, run, arrays


# ------------------------------------------------------------------------------- unknown lengths

#: (case, argument, axis) whose length has to be known, and why
KNOWN = {
    "squeeze x3[:1]": "the number of axes depends on it",
    "repeat x, np.array([1, 0, 2]), 0": "the counts are no tensor",
    "unstack x": "the number of results is the length",
    "unstack x3, axis=1": "the number of results is the length",
    "cross x[:, :2], y[:, :2]": "the result has an axis for 3, none for 2",
    "cross x[:, :3], y[:, :2]": "the result has an axis for 3, none for 2",
    "fold unfolded, (7, 8), 3, 1, 1, 2": "channels times the window's size",
}


# Shapes come from the abstract engine: one real engine is enough to compare them with.
@pytest.mark.engine("torch")
@pytest.mark.parametrize("case", [case for case in CASES if case not in KNOWN])
def test_unknown_lengths(case):
    """None in each axis of each argument: the symbolic result has the eager one's shape, or None,
    and dtype; the graph gives the eager values."""
    name, flat, run, arrays = places(case)
    fn = getattr(ops, name)
    real = leaves(run(fn, flat))
    for i in arrays:
        for axis in range(flat[i].ndim):
            shape = tuple(None if a == axis else n for a, n in enumerate(flat[i].shape))
            x = SymbolicTensor(shape, flat[i].dtype.name)
            result = run(fn, [*flat[:i], x, *flat[i + 1 :]])
            found = leaves(result)
            assert len(found) == len(real)
            for a, b in zip(found, real, strict=True):
                assert is_symbolic(a)
                assert a.dtype == ops.dtype(b)
                assert len(a.shape) == len(b.shape)
                assert all(m in (None, n) for m, n in zip(a.shape, b.shape)), (a.shape, b.shape)
            if axis == 0:  # what is called does not depend on the axis
                values = Plan([x], result).run([ops.convert_to_tensor(flat[i])])
                for a, b in zip(leaves(values), real, strict=True):
                    np.testing.assert_allclose(array(a), array(b), rtol=1e-5, atol=1e-5)


#: case -> (the axis of its first array that is not known, what the error says)
ASKED = {
    "unstack x": (0, r"unstack: num=None for axis 0 of the shape \(None, 4\)"),
    "fold unfolded, (7, 8), 3, 1, 1, 2": (1, "fold: the shape of the result cannot be told from"),
    "cross x[:, :2], y[:, :2]": (1, "cross: vectors of length 2 or 3 expected"),
}


@pytest.mark.engine_free
@pytest.mark.parametrize("case", ASKED)
def test_lengths_that_must_be_known(case):
    name, flat, run, _ = places(case)
    axis, message = ASKED[case]
    shape = tuple(None if a == axis else n for a, n in enumerate(flat[0].shape))
    with pytest.raises(ValueError, match=message):
        run(getattr(ops, name), [SymbolicTensor(shape), *flat[1:]])


# ----------------------------------------------------------------------------------------- dtypes

DTYPES = ("bool", "int8", "uint8", "int32", "float16", "bfloat16", "float32")

#: the first case of each op that takes an array
FIRST = {}
for _case in parse(DISCRETE) + parse(SMOOTH):
    if places(_case)[3]:
        FIRST.setdefault(_case.partition(" ")[0], _case)

#: (op, dtype or None) -> why the result's dtype is not Keras's, or there is none
OTHERWISE = {
    ("unravel_index", "float16"): "indices are integers",
    ("unravel_index", "bfloat16"): "indices are integers",
    ("unravel_index", "float32"): "indices are integers",
}
#: ops for which engines have kernels of floats only
FLOATS_ONLY = {
    "conv", "conv_transpose", "depthwise_conv", "max_pool", "separable_conv", "view_as_real",
}  # fmt: skip
#: ops that refuse matrices which have become singular, on some engines
SINGULAR = {"det", "inv", "lu_factor", "slogdet", "solve"}


def in_dtype(name, dtype):
    """(leaves, call, where arrays are) of an op's first case; arrays of the first one's dtype have
    another."""
    _, flat, run, arrays = places(FIRST[name])
    kind, base = getattr(ml_dtypes, dtype, dtype), flat[arrays[0]].dtype
    with np.errstate(invalid="ignore"):  # floats that an integer does not hold
        flat = [
            v.astype(kind) if isinstance(v, np.ndarray) and v.dtype == base else v for v in flat
        ]
    return flat, run, [i for i, v in enumerate(flat) if isinstance(v, np.ndarray)]


@cached
def keras_dtypes(name, dtype):
    """What Keras gives; None where it refuses."""
    flat, run, arrays = in_dtype(name, dtype)
    try:
        return traced(functools.partial(run, getattr(keras.ops, name)), flat, arrays)
    except Exception:  # of any kind: it comes from the framework
        return None


def traced(call, flat, arrays):
    """The dtypes of ``call(leaves)`` on JAX, of which nothing is computed."""

    def run(*values):
        full = list(flat)
        for i, value in zip(arrays, values):
            full[i] = value
        return leaves(call(full))

    return [str(x.dtype) for x in jax.eval_shape(run, *[flat[i] for i in arrays])]


@pytest.mark.engine_free
@pytest.mark.parametrize("name", FIRST)
def test_dtypes_beside_keras(name):
    for dtype in DTYPES:
        expected = keras_dtypes(name, dtype)
        if expected is None or (name, dtype) in OTHERWISE:
            continue
        flat, run, arrays = in_dtype(name, dtype)
        for i in arrays:
            flat[i] = SymbolicTensor(flat[i].shape, flat[i].dtype.name)
        found = leaves(run(getattr(ops, name), flat))
        assert [x.dtype for x in found] == expected, dtype


@pytest.mark.parametrize("name", [name for name in FIRST if name not in FLOATS_ONLY])
def test_dtypes_of_engines(engine, name):
    """Each engine gives what the shapes' rules say, wherever Keras gives something."""
    for dtype in DTYPES:
        flat, run, arrays = in_dtype(name, dtype)
        integers = "float" not in dtype
        if keras_dtypes(name, dtype) is None or (integers and name in SINGULAR):
            continue
        if (name, dtype) in OTHERWISE:
            continue
        call = functools.partial(run, getattr(ops, name))
        if engine.name == "jax":  # dispatching is slow to compile
            found = traced(call, flat, arrays)
        else:
            found = [ops.dtype(x) for x in leaves(call(flat))]
        assert found == keras_dtypes(name, dtype), dtype
