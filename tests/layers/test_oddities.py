"""Combinations that are rare, and right all the same, beside genuine Keras."""

from __future__ import annotations

import importlib
import json

import keras
import numpy as np
import pytest

import tricorn
from tests.oracle import array, cached, close
from tricorn.engines import active

X = np.random.RandomState(0).randn(2, 4, 3).astype("float32")


def native() -> tuple:
    """(sin, concatenate) of the engine's own framework."""
    sin, join = {
        "jax": ("jax.numpy:sin", "jax.numpy:concatenate"),
        "tensorflow": ("tensorflow:sin", "tensorflow:concat"),
        "torch": ("torch:sin", "torch:cat"),
    }[active().name]
    find = lambda path: getattr(importlib.import_module(path.split(":")[0]), path.split(":")[1])
    return find(sin), find(join)


def lambdas(lib, sin, join):
    inputs = lib.Input((4, 3))
    y = lib.layers.Lambda(sin)(inputs)
    z = lib.layers.Lambda(lambda x: join([x, x + 1.0], -1))(y)
    return y.shape, z.shape, lib.Model(inputs, z)


@cached
def keras_lambdas():
    import jax.numpy as jnp

    *shapes, model = lambdas(keras, jnp.sin, jnp.concatenate)
    return shapes, np.asarray(model(X))


def test_lambdas_of_native_code_without_an_output_shape():
    *shapes, model = lambdas(tricorn, *native())
    assert shapes == keras_lambdas()[0] == [(None, 4, 3), (None, 4, 6)]
    close(model(X), keras_lambdas()[1])
    close(model.predict(X, verbose=0), keras_lambdas()[1])


@pytest.mark.parametrize("kind", [list, dict, set, tuple])
def test_containers_that_contain_themselves(kind):
    """Keras recurses without end."""
    layer, inner = tricorn.layers.Dense(2), tricorn.layers.Dense(1)
    box: list = [inner]
    box.append(box)
    layer.box = {
        list: lambda: box,
        dict: lambda: {"box": box, "inner": inner},
        set: lambda: {inner},  # what is in a set cannot contain it
        tuple: lambda: (box, inner),
    }[kind]()
    layer(np.ones((1, 3), "float32"))
    inner(np.ones((1, 3), "float32"))
    assert len(layer.weights) == 4
    assert [w.path for w in layer.weights][2:] == [w.path for w in inner.weights]
    layer.box = None
    assert len(layer.weights) == 2
    json.dumps(layer.get_config())


def rnn(lib):
    cell = lib.layers.LSTMCell(4, dtype="float32", kernel_initializer="ones",
                               recurrent_initializer="identity")  # fmt: skip
    return lib.layers.RNN(cell, dtype="mixed_float16", return_state=True)


@cached
def keras_rnn():
    return [np.asarray(y) for y in rnn(keras)(X)]


def test_an_rnn_with_mixed_precision_and_a_cell_in_float32():
    """The cell computes in float32; Keras rounds its states at each step, so numbers differ by the
    rounding of float16."""
    layer = rnn(tricorn)
    found, wanted = layer(X), keras_rnn()
    plain = tricorn.layers.RNN(layer.cell, return_state=True)(X)
    for ours, exact, theirs in zip(found, plain, wanted):
        assert array(ours).dtype == theirs.dtype == np.float16
        assert np.array_equal(array(ours), array(exact).astype(np.float16))
        close(ours, theirs, rtol=5e-3)
    assert {w.dtype for w in layer.weights} == {"float32"}
    grads = tricorn.value_and_grad(
        lambda: tricorn.ops.sum(tricorn.ops.cast(layer(X)[0], "float32")), layer.trainable_weights
    )()[1]
    assert all(np.isfinite(array(g)).all() and array(g).dtype == np.float32 for g in grads)


def test_loss_scales_that_do_not_adapt():
    made = tricorn.optimizers.LossScaleOptimizer(tricorn.optimizers.SGD(1.0), dynamic=True)
    theirs = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(1.0), dynamic=True)
    assert made.get_config().keys() == theirs.get_config().keys()
    for lib in (tricorn, keras):
        with pytest.raises(ValueError, match="loss_scale_factor"):
            lib.optimizers.LossScaleOptimizer(lib.optimizers.SGD(1.0), dynamic=False)
