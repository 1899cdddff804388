"""Regularizers and constraints against Keras 3."""

import jax
import keras
import numpy as np
import pytest

from tests.oracle import array, filled, quick
from tricorn import constraints, regularizers
from tricorn.graph.transforms import grad

WEIGHTS = np.random.default_rng(0).normal(size=(4, 3)).astype("float32") * 2
KERNEL = np.random.default_rng(1).normal(size=(3, 3, 2, 4)).astype("float32")
REGULARIZERS = [
    ("L1", {"l1": 0.1}),
    ("L2", {}),
    ("L1L2", {"l1": 0.1, "l2": 0.3}),
    ("L1L2", {"l2": 0.3}),
    ("L1L2", {}),
    ("OrthogonalRegularizer", {}),
    ("OrthogonalRegularizer", {"factor": 0.3, "mode": "columns"}),
]
CONSTRAINTS = [
    ("MaxNorm", {}),
    ("MaxNorm", {"max_value": 1.0, "axis": 1}),
    ("MinMaxNorm", {"min_value": 0.5, "max_value": 1.5}),
    ("MinMaxNorm", {"rate": 0.3}),
    ("NonNeg", {}),
    ("UnitNorm", {"axis": [0]}),
]


@pytest.mark.parametrize(("name", "arguments"), REGULARIZERS)
def test_regularizers(name, arguments):
    ours = getattr(regularizers, name)(**arguments)
    theirs = getattr(keras.regularizers, name)(**arguments)
    weights = jax.numpy.asarray(WEIGHTS)
    np.testing.assert_allclose(array(ours(WEIGHTS)), theirs(weights), rtol=1e-5)
    expected = jax.grad(theirs)(weights)
    (found,) = filled([quick(grad(ours))(WEIGHTS)], [WEIGHTS])
    np.testing.assert_allclose(array(found), expected, rtol=1e-4, atol=1e-6)
    assert ours.get_config() == pytest.approx(theirs.get_config())
    again = regularizers.deserialize(regularizers.serialize(ours))
    assert again.get_config() == ours.get_config()


@pytest.mark.parametrize(("name", "arguments"), CONSTRAINTS)
def test_constraints(name, arguments):
    ours = getattr(constraints, name)(**arguments)
    theirs = getattr(keras.constraints, name)(**arguments)
    np.testing.assert_allclose(array(ours(WEIGHTS)), theirs(WEIGHTS), rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(array(ours(KERNEL)), theirs(KERNEL), rtol=1e-5, atol=1e-7)
    assert ours.get_config() == theirs.get_config()
    again = constraints.deserialize(constraints.serialize(ours))
    assert again.get_config() == ours.get_config()


@pytest.mark.parametrize("name", ["l1", "l2", "l1_l2", "L1L2", "orthogonal_regularizer"])
def test_names_of_regularizers(name):
    assert isinstance(regularizers.get(name), regularizers.Regularizer)


@pytest.mark.parametrize("name", ["max_norm", "MaxNorm", "non_neg", "unit_norm", "min_max_norm"])
def test_names_of_constraints(name):
    assert isinstance(constraints.get(name), constraints.Constraint)


def test_errors():
    with pytest.raises(ValueError, match=r"'l3'.*l1"):
        regularizers.get("l3")
    with pytest.raises(ValueError, match="l1 must be"):
        regularizers.L1(-1)
    with pytest.raises(ValueError, match="l2 must be a number"):
        regularizers.L2("a")
    with pytest.raises(ValueError, match="matrices"):
        regularizers.OrthogonalRegularizer()(KERNEL)
    with pytest.raises(ValueError, match="'rows' or 'columns'"):
        regularizers.OrthogonalRegularizer(mode="row")
    with pytest.raises(ValueError, match=r"'unit'.*unit_norm"):
        constraints.get("unit")
