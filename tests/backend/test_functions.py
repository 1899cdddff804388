"""Each function of tensors in ``K`` beside NumPy: at once, and through placeholders."""

import numpy as np
import pytest

from tests.backend import cases
from tricorn import backend as K
from tricorn import ops, tree

# it chooses its engines itself
pytestmark = [pytest.mark.heavy, pytest.mark.engine_free]


def is_array(x):
    return isinstance(x, np.ndarray)


def difference(found, case):
    """What is wrong with a result, or None."""
    expected = tree.map(np.asarray, case.reference(*case.args, **case.kwargs))
    for x, y in zip(tree.leaves(found), tree.leaves(expected), strict=True):
        x = ops.convert_to_numpy(x)
        if x.shape != y.shape or (x.dtype.kind == "f") != (y.dtype.kind == "f"):
            return f"{case}: {x.dtype} {x.shape} instead of {y.dtype} {y.shape}"
        worst = np.abs(x.astype("float64") - y).max()
        if not worst <= case.tolerance * max(np.abs(y).max(), 1e-30) * (y.dtype.kind == "f"):
            return f"{case}: differs by {worst}"
    return None


def run(case, args):
    found = getattr(K, case.name)(*args, **case.kwargs)
    return list(found) if isinstance(found, tuple) else found


@pytest.mark.parametrize("table", cases.TABLES)
def test_at_once(table, place):
    wrong = []
    for case in cases.TABLES[table]:
        args = tree.map(lambda x: ops.convert_to_tensor(x) if is_array(x) else x, case.args)
        wrong.append(difference(run(case, args), case))
    assert not list(filter(None, wrong))


@pytest.mark.parametrize("table", cases.TABLES)
def test_through_placeholders(table, place):
    """All calls of a table as one function; first sizes are unknown where that is possible."""
    inputs, values, outputs, chosen = [], [], [], cases.TABLES[table]

    def placeholder(case, x):
        if not is_array(x):
            return x
        shape = (None, *x.shape[1:]) if case.unknown else x.shape
        inputs.append(K.placeholder(shape, dtype=x.dtype.name))
        values.append(x)
        return inputs[-1]

    for case in chosen:
        args = tree.map(lambda x, case=case: placeholder(case, x), case.args)
        outputs.append(run(case, args))
        assert all(map(K.is_tensor, tree.leaves(outputs[-1]))), case
    found = K.function(inputs, outputs)(values)
    assert not list(filter(None, map(difference, found, chosen)))
