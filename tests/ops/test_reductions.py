"""Every reduction over values that are hard: none at all, infinities, NaN, half precision, integers
of few bits and bool, over one axis and all, beside Keras.

One program for each reduction holds all of its cases; Keras's is computed once for all engines.
"""

import jax
import keras
import ml_dtypes
import numpy as np
import pytest

from tests.oracle import array, cached, quick
from tricorn import ops

INF, NAN = np.inf, np.nan

VALUES = {
    "infinities": np.array([[1, INF, INF], [-INF, 2, INF], [-INF, -INF, 0.5]], "float32"),
    "nan": np.array([[NAN, 1, 2], [NAN, NAN, NAN], [3, 0, NAN]], "float32"),
    "float16": np.array([[60000, -6000, 0.1], [300, 1000, 0], [6e-8, 0.3, 7]], "float16"),
    "bfloat16": np.array([[3e4, -2e3, 0.1], [300, 1000, 0], [1e-3, 0.3, 7]], ml_dtypes.bfloat16),
    "int8": np.array([[100, 100, 27], [-100, -128, 5], [127, 127, 127]], "int8"),
    "uint8": np.array([[250, 200, 0], [255, 255, 255], [3, 1, 2]], "uint8"),
    "int16": np.array([[30000, 30000, 9], [-30000, 5, 5], [0, 1, 2]], "int16"),
    "bool": np.array([[True, False, True], [False, False, False], [True, True, True]]),
    "no rows": np.zeros((0, 3), "float32"),
    "no columns": np.zeros((2, 0), "int32"),
}

AXES = {  # the axis, and whether it is kept
    "all": {"axis": None, "keepdims": False},
    "first": {"axis": 0, "keepdims": True},
}

#: reduction -> its further arguments
WHOLE = {
    **{name: {} for name in (
        "all", "any", "logsumexp", "max", "mean", "median", "min", "nanmax", "nanmean", "nanmedian",
        "nanmin", "nanprod", "nanstd", "nansum", "nanvar", "prod", "ptp", "std", "sum", "var",
    )},
    "quantile": {"q": 0.3, "method": "lower"},
    "nanquantile": {"q": 0.8, "method": "higher"},
    "nanpercentile": {"q": 10.0, "method": "midpoint"},
}  # fmt: skip
ONE_AXIS = ("argmax", "argmin", "nanargmax", "nanargmin", "cumsum", "cumprod", "nancumsum")
PLAIN = ("average", "count_nonzero")  # have no keepdims


def cases(name):
    """(label, array, keyword arguments) of everything that is asked of a reduction."""
    for label, x in VALUES.items():
        if name == "cumprod" and label == "float16":
            continue  # what overflows depends on the order of the products
        for where, options in AXES.items():
            given = {"axis": options["axis"]}
            if name in WHOLE:
                given = {**options, **WHOLE[name]}
            elif name.removeprefix("nan").startswith("arg"):
                given = options
            yield f"{label}, {where}", x, given


def results(library, name):
    """What a library gives: case -> array, or the kind of error."""
    refused = {}
    named = {label: (x, given) for label, x, given in cases(name)}

    def run(values):
        found = {}
        for label, x in values.items():
            try:
                found[label] = getattr(library, name)(x, **named[label][1])
            except (IndexError, TypeError, ValueError) as error:
                refused[label] = type(error)
        return found

    values = {label: x for label, (x, _) in named.items()}
    found = jax.jit(run)(values) if library is keras.ops else quick(run)(values)
    return {**{label: array(x) for label, x in found.items()}, **refused}


@cached
def expected(name):
    return {
        label: x if isinstance(x, type) else np.asarray(x)
        for label, x in results(keras.ops, name).items()
    }


@pytest.mark.parametrize("name", [*WHOLE, *ONE_AXIS, *PLAIN])
def test_reductions(name):
    ours, theirs = results(ops, name), expected(name)
    assert sorted(ours) == sorted(theirs)
    wrong = [label for label in theirs if not same(ours[label], theirs[label])]
    shown = {label: (ours[label], theirs[label]) for label in wrong}
    assert set(wrong) == set(), shown


def same(a, b):
    """Equal dtypes, shapes and values: within 1e-5 of the largest finite one, half 2e-3, bfloat16
    1e-2.  Where Keras refuses we do, too, or give NaN (a quantile of nothing, as in NumPy)."""
    if isinstance(b, type):
        return isinstance(a, type) or bool(np.isnan(a).all())
    if isinstance(a, type):
        return False
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if b.dtype.kind in "iub":
        return np.array_equal(a, b)
    share = {"float16": 2e-3, "bfloat16": 1e-2}.get(b.dtype.name, 1e-5)
    a, b = a.astype("float64"), b.astype("float64")
    size = np.abs(b[np.isfinite(b)]).max(initial=0.0)
    return np.allclose(a, b, rtol=share, atol=share * size, equal_nan=True)
