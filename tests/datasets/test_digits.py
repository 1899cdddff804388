"""The digits that ship with the package are the published ones, split without loss."""

import numpy as np
import pytest

from tricorn.datasets import digits

pytestmark = pytest.mark.engine_free


def test_values_are_those_of_the_published_set():
    published = pytest.importorskip("sklearn.datasets").load_digits()
    (images, labels), (none, no_labels) = digits.load_data(test_fraction=0)
    assert len(none) == len(no_labels) == 0
    order = np.lexsort(images.reshape(len(images), -1).T)
    expected = np.lexsort(published.data.T)
    np.testing.assert_array_equal(images[order].reshape(-1, 64), published.data[expected])
    np.testing.assert_array_equal(labels[order], published.target[expected])


def test_shapes_dtypes_and_ranges():
    (x_train, y_train), (x_test, y_test) = digits.load_data()
    assert x_train.shape == (1438, 8, 8)
    assert x_test.shape == (359, 8, 8)
    assert x_train.dtype == x_test.dtype == y_train.dtype == np.uint8
    assert x_train.max() == 16
    assert set(y_test) == set(range(10))


def test_split_loses_and_repeats_nothing():
    whole, _ = digits.load_data(test_fraction=0)
    train, test = digits.load_data(test_fraction=0.3, seed=5)
    rows = np.concatenate([train[0], test[0]]).reshape(-1, 64)
    np.testing.assert_array_equal(
        rows[np.lexsort(rows.T)],
        whole[0].reshape(-1, 64)[np.lexsort(whole[0].reshape(-1, 64).T)],
    )


def test_seed_decides_the_split():
    first, again, other = (digits.load_data(seed=seed)[1][1] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("fraction", [-0.1, 1.0, 7])
def test_a_fraction_out_of_range_is_named(fraction):
    with pytest.raises(ValueError, match=r"test_fraction.*below 1"):
        digits.load_data(test_fraction=fraction)
