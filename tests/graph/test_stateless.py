"""`StatelessScope`, beside Keras's."""

import keras as oracle
import numpy as np
import pytest

import tricorn as keras
from tests.oracle import array

X = np.arange(6, dtype="float32").reshape(2, 3)


def use(k):
    """What a layer with changing state gives under other values, and what remains."""
    layer = k.layers.BatchNormalization(name="norm")
    layer.build((None, 3))
    given = [(v, np.full(v.shape, 2.0, "float32")) for v in layer.weights]
    with k.StatelessScope(given) as scope:
        out = layer(X, training=True)
        assert float(k.ops.sum(layer.gamma)) == 6.0
    values = [scope.get_current_value(v) for v in layer.weights]
    after = [k.ops.convert_to_numpy(v) for v in layer.weights]
    return [k.ops.convert_to_numpy(x) for x in (out, *values)] + after


def test_a_layer_under_other_values():
    for ours, theirs in zip(use(keras), use(oracle)):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


def test_what_was_not_given():
    variable, other = keras.Variable(1.0), keras.Variable(5.0)
    with keras.StatelessScope() as scope:
        variable.assign_add(1.0)
        scope.add_update((other, 7.0))
        assert float(other.value) == 7.0
    assert array(scope.get_current_value(variable)) == 2.0
    assert float(variable) == 1.0 and float(other) == 5.0
    assert scope.get_current_value(keras.Variable(0.0)) is None


@pytest.mark.parametrize("collect", [True, False])
def test_losses(collect):
    class Penalty(keras.layers.Layer):
        def call(self, x):
            self.add_loss(keras.ops.sum(x))
            return x

    with keras.StatelessScope(collect_losses=collect) as scope:
        Penalty()(X)
        scope.add_loss(1.0)
    assert [float(array(x)) for x in scope.losses] == ([1.0, 15.0] if collect else [1.0])


def test_bad_pairs():
    variables = keras.Variable(np.ones(2)), oracle.Variable(np.ones(2))
    for k, variable in zip((keras, oracle), variables):
        with pytest.raises(ValueError, match="Invalid reference variable"):
            k.StatelessScope([("weight", 1.0)])
        with pytest.raises(ValueError, match="Invalid variable value"):
            k.StatelessScope([(variable, np.ones(3))])
