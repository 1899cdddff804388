"""to_categorical and normalize against Keras's own."""

import numpy as np
import pytest

from tricorn import ops, utils

keras = pytest.importorskip("keras")


@pytest.mark.parametrize(
    ("x", "classes"),
    [
        ([0, 2, 1], None),
        ([0, 2, 1], 5),
        ([[0], [3]], None),
        ([[0, 1], [2, 1]], 3),
        (1, 3),
        ([1.0, 2.0], None),
        (np.zeros((0,), int), 4),
        ([True, False], 2),
    ],
)
def test_to_categorical(x, classes):
    mine, theirs = (library.to_categorical(x, classes) for library in (utils, keras.utils))
    np.testing.assert_array_equal(mine, theirs)
    assert mine.dtype == theirs.dtype


@pytest.mark.parametrize("x", [[0, 3], [-1, 0]])
def test_to_categorical_refuses_other_classes(x):
    with pytest.raises(ValueError, match=r"must lie in 0\.\.2"):
        utils.to_categorical(x, 3)


@pytest.mark.parametrize(("axis", "order"), [(-1, 2), (1, 1), (-1, 3)])
def test_normalize(axis, order):
    x = np.random.default_rng(0).normal(size=(4, 5))
    x[1] = 0
    np.testing.assert_allclose(
        utils.normalize(x, axis, order), keras.utils.normalize(x, axis, order), rtol=1e-12
    )


def test_normalize_along_the_first_axis():
    """Which Keras 3.15 takes for the last one."""
    x = np.random.default_rng(0).normal(size=(4, 5))
    np.testing.assert_allclose(np.linalg.norm(utils.normalize(x, axis=0), axis=0), 1, rtol=1e-12)


@pytest.mark.parametrize("classes", [None, 4])
def test_tensors_stay_tensors(engine, classes):
    """As Keras's, in floatx."""
    found = utils.to_categorical(ops.convert_to_tensor([[0], [2]]), classes)
    expected = keras.utils.to_categorical(keras.ops.array([[0], [2]]), classes or 3)
    assert engine.is_tensor(found)
    np.testing.assert_array_equal(ops.convert_to_numpy(found), np.asarray(expected))
    x = np.array([[1.0, 2.0], [3.0, 4.0]], "float32")
    found = utils.normalize(ops.convert_to_tensor(x), 0, 3)
    assert engine.is_tensor(found)
    expected = np.asarray(keras.utils.normalize(keras.ops.array(x), 0, 3))
    np.testing.assert_allclose(ops.convert_to_numpy(found), expected, rtol=1e-6)


@pytest.mark.parametrize("data", [(1,), (1, 2), (1, 2, 3), [1, 2], {"x": 1}, 5, (1, None, 3)])
def test_what_a_step_is_given(data):
    ours, theirs = utils, keras.utils
    unpacked = theirs.unpack_x_y_sample_weight(data)
    assert ours.unpack_x_y_sample_weight(data) == unpacked
    assert ours.pack_x_y_sample_weight(*unpacked) == theirs.pack_x_y_sample_weight(*unpacked)


@pytest.mark.parametrize("data", [(1, 2, 3, 4), ()])
def test_what_no_step_is_given(data):
    for lib in (keras.utils, utils):
        with pytest.raises(ValueError, match="x, y, sample_weight"):
            lib.unpack_x_y_sample_weight(data)
