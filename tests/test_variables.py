"""Variables: comparison, hashing, paths beside Keras's, being overwritten with gradients."""

import re

import keras
import numpy as np
import pytest

import tricorn
from tests.oracle import array, cached
from tricorn import ops

VALUES = np.array([1.0, 2.0, 3.0], "float32")


@pytest.mark.parametrize(
    "other",
    [np.array([1.0, 0.0, 3.0], "float32"), 2, 2.0, np.float32(3), "variable", "tensor", "itself"],
    ids=str,
)
def test_comparison_is_elementwise(other):
    variable = tricorn.Variable(VALUES)
    if isinstance(other, str):
        made = {"variable": tricorn.Variable(VALUES[::-1].copy()), "itself": variable}
        other = made[other] if other in made else ops.convert_to_tensor(VALUES)
    plain = array(other.value if isinstance(other, tricorn.Variable) else other)
    np.testing.assert_array_equal(array(variable == other), plain == VALUES)
    np.testing.assert_array_equal(array(variable != other), plain != VALUES)
    np.testing.assert_array_equal(array(other == variable), plain == VALUES)


def test_hashes_are_by_identity():
    one, two = tricorn.Variable(VALUES), tricorn.Variable(VALUES)
    assert len({one, two, one}) == 2 and {one: 1, two: 2}[two] == 2
    assert (one == None) is False and (one != None) is True and one != "one"  # noqa: E711
    optimizer = tricorn.optimizers.SGD()
    assert bool(optimizer.iterations == 0)


# -------------------------------------------------------------------------------------------- paths


def _models(lib):
    """name -> model or layer, called or built."""
    layers, x = lib.layers, np.ones((2, 3), "float32")
    steps = np.ones((2, 4, 3), "float32")

    class Inner(layers.Layer):
        def build(self, shape):
            self.w = self.add_weight(shape=(1,), name="w")
            self.dense = layers.Dense(2, name="dense")
            self.dense.build(shape)

        def call(self, x):
            return self.dense(x) + self.w

    class Outer(layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.inner = Inner(name="inner")
            self.early = self.add_weight(shape=(1,), name="early")
            self.several = [layers.Dense(1, name="last")]

        def build(self, shape):
            self.q = self.add_weight(shape=(1,), name="q")

        def call(self, x):
            return self.several[0](self.inner(x)) + self.q + self.early

    class Builds(layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.inner = Inner(name="inner")

        def build(self, shape):
            self.inner.build(shape)

        def call(self, x):
            return self.inner(x)

    class Same(layers.Layer):
        """A layer and one inside of the same name."""

        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.inner = layers.Dense(1, name="same")

        def call(self, x):
            return self.inner(x)

    class Classes(lib.Model):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.a, self.b = Outer(name="a"), layers.Dense(1, name="b")
            self.c = lib.Sequential([layers.Dense(1, name="d")], name="c")

        def call(self, x):
            return self.c(self.b(self.a(x)))

    def called(layer, data=x):
        layer(data)
        return layer

    def graph(layer, name="graph"):
        inputs = lib.Input((3,))
        return lib.Model(inputs, layers.Dense(1, name="out")(layer(inputs)), name=name)

    def fitted(model):
        model.compile("sgd", "mse", run_eagerly=True)
        model.train_on_batch(x, np.ones((2, 1)))
        return model

    def built(layer):
        layer.build((2, 3))
        return layer

    def sequential(*given, name):
        return lib.Sequential(list(given), name=name)

    return {
        "layer, called": called(Outer(name="outer")),
        "layer that builds others, called": called(Builds(name="outer")),
        "layer that builds others, built": built(Builds(name="outer")),
        "equal names": called(Same(name="same")),
        "sequential": sequential(lib.Input((3,)), Outer(name="outer"), name="stack"),
        "sequential, called": called(sequential(Outer(name="outer"), name="stack")),
        "sequential, built": built(sequential(Outer(name="outer"), name="stack")),
        "sequential in sequential": called(
            sequential(sequential(layers.Dense(1, name="d"), name="inner"), name="stack")
        ),
        "graph": graph(Outer(name="outer")),
        "sequential in graph": graph(
            sequential(lib.Input((3,)), layers.Dense(1, name="d"), name="inner")
        ),
        "unbuilt sequential in graph": graph(sequential(layers.Dense(1, name="d"), name="inner")),
        "graph in graph": graph(graph(layers.Dense(1, name="d"), "inner")),
        "class": called(Classes(name="model")),
        "class in graph": graph(Classes(name="model")),
        "class, trained": fitted(Classes(name="model")),
        "lstm": called(layers.LSTM(2, name="lstm"), steps),
        "bidirectional": called(layers.Bidirectional(layers.GRU(2, name="gru"), name="bi"), steps),
        "cells": called(
            layers.RNN([layers.LSTMCell(2, name="c1"), layers.GRUCell(2, name="c2")], name="rnn"),
            steps,
        ),
        "time distributed": called(
            layers.TimeDistributed(layers.Dense(2, name="d"), name="td"), steps
        ),
        "normalization": called(layers.BatchNormalization(name="bn")),
        "dropout": called(layers.Dropout(0.5, name="drop")),
        "metric": lib.metrics.AUC(name="auc"),
    }


def _paths(lib):
    """Without the numbers of what nobody has named, which depend on all that was made before."""
    found = {}
    for name, thing in _models(lib).items():
        parts = [v.path.split("/") for v in thing.variables]
        found[name] = ["/".join(re.sub(r"_\d+$", "", part) for part in path) for path in parts]
    return found


@cached
def paths_of_keras():
    return _paths(keras)


def test_paths():
    ours, theirs = _paths(tricorn), paths_of_keras()
    for name, paths in theirs.items():
        assert ours[name] == paths, name


def test_paths_tell_variables_apart():
    """Also those of generators: `stateless_call` takes values by paths."""
    layers = tricorn.layers
    model = tricorn.Sequential([tricorn.Input((3,)), layers.Dropout(0.5), layers.Dropout(0.5)])
    paths = [v.path for v in model.variables]
    assert len(set(paths)) == len(paths) == 2


# ---------------------------------------------------------------------------------------- gradients

OPTIMIZERS = {
    "sgd": lambda lib: lib.optimizers.SGD(0.1),
    "adam": lambda lib: lib.optimizers.Adam(0.1),
    "clipped, averaged": lambda lib: lib.optimizers.SGD(0.1, clipnorm=0.1, use_ema=True),
    "accumulating": lambda lib: lib.optimizers.SGD(0.1, gradient_accumulation_steps=2),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_overwriting_with_gradients(name):
    found = []
    for lib in (tricorn, keras):
        one, two = lib.Variable(VALUES), lib.Variable(VALUES)
        one.overwrite_with_gradient = True
        optimizer = OPTIMIZERS[name](lib)
        for factor in (3.0, 2.0, 1.0, 5.0):
            gradient = lib.ops.convert_to_tensor(factor * VALUES)
            optimizer.apply_gradients([(gradient, one), (gradient, two)])
            found.append((lib.ops.convert_to_numpy(one), lib.ops.convert_to_numpy(two)))
    for (a, b), (c, d) in zip(found[:4], found[4:]):
        np.testing.assert_allclose(a, c, rtol=1e-5)
        np.testing.assert_allclose(b, d, rtol=1e-5)


def test_overwriting_leaves_the_scale_of_the_loss_aside():
    one, two = tricorn.Variable(VALUES), tricorn.Variable(VALUES)
    one.overwrite_with_gradient = True
    optimizer = tricorn.optimizers.LossScaleOptimizer(tricorn.optimizers.SGD(0.1), 4.0)
    optimizer.apply([ops.convert_to_tensor(8 * VALUES)] * 2, [one, two])
    np.testing.assert_allclose(one.numpy(), 8 * VALUES)
    np.testing.assert_allclose(two.numpy(), 0.8 * VALUES, rtol=1e-6)


def test_overwriting_is_asked_for_with_a_bool():
    variable = tricorn.Variable(VALUES)
    assert variable.overwrite_with_gradient is False
    with pytest.raises(TypeError, match="overwrite_with_gradient"):
        variable.overwrite_with_gradient = 1
    layer = tricorn.layers.Layer()
    assert layer.add_weight(shape=(1,), overwrite_with_gradient=True).overwrite_with_gradient
