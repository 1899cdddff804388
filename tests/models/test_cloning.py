"""Copies of models: `clone_model`, and configs of classes of a user's own."""

import json

import numpy as np
import pytest

import tricorn
from tests.oracle import close
from tricorn import layers

X = np.random.default_rng(5).normal(size=(4, 3)).astype("float32")


def graph():
    x = tricorn.Input((3,), name="x")
    return tricorn.Model(x, layers.Dense(2, name="second")(layers.Dense(3, name="first")(x) * 2.0))


class GivenGraph(tricorn.Model):
    """Takes inputs and outputs, and more."""

    def __init__(self, inputs, outputs, factor=1, **kwargs):
        super().__init__(inputs, outputs, **kwargs)
        self.factor = factor


class MadeGraph(tricorn.Model):
    """Makes its graph itself."""

    def __init__(self, units=2, **kwargs):
        x = tricorn.Input((3,))
        super().__init__(x, layers.Dense(units)(x), **kwargs)
        self.units = units


class Subclass(tricorn.Model):
    def __init__(self, units=2, **kwargs):
        super().__init__(**kwargs)
        self.dense = layers.Dense(units)
        self.units = units

    def call(self, x):
        return self.dense(x)


def given():
    x = tricorn.Input((3,))
    return GivenGraph(x, layers.Dense(2)(x), factor=4, name="given")


MODELS = {
    "graph": graph,
    "stack": lambda: tricorn.Sequential([tricorn.Input((3,)), layers.Dense(2)]),
    "unbuilt stack": lambda: tricorn.Sequential([layers.Dense(2)]),
    "given a graph": given,
    "makes a graph": lambda: MadeGraph(5),
    "subclass": lambda: Subclass(5),
}


@pytest.mark.parametrize("name", MODELS)
def test_configs_keep_class_and_arguments(name):
    model = MODELS[name]()
    again = type(model).from_config(json.loads(json.dumps(model.get_config())))
    assert type(again) is type(model) and again.name == model.name
    for attribute in ("factor", "units"):
        assert getattr(again, attribute, None) == getattr(model, attribute, None)
    assert again(X).shape == model(X).shape


@pytest.mark.parametrize("name", MODELS)
def test_clones_are_compiled_alike(name):
    model = MODELS[name]()
    mine = lambda y_true, y_pred: (y_true - y_pred) ** 2
    model.compile(tricorn.optimizers.Adam(0.5), mine, metrics=[tricorn.metrics.MeanSquaredError()])
    clone = tricorn.models.clone_model(model)
    assert clone.compiled and clone.optimizer is not model.optimizer
    assert float(clone.optimizer.learning_rate.numpy()) == 0.5
    units = clone.predict(X, verbose=0).shape[-1]
    clone.fit(X, np.zeros((4, units), "float32"), verbose=0)
    assert int(model.optimizer.iterations.numpy()) == 0
    plain = tricorn.models.clone_model(MODELS[name]())
    assert not plain.compiled


def test_models_of_any_class_from_a_graph_s_config():
    class Mine(layers.Layer):
        def call(self, x):
            return x * 3.0

    x = tricorn.Input((3,))
    model = tricorn.Model(x, Mine()(x))
    again = tricorn.Model.from_config(model.get_config(), custom_objects={"Mine": Mine})
    close(again(X), 3 * X)
    stack = tricorn.Sequential([tricorn.Input((3,)), Mine()])
    again = tricorn.Sequential.from_config(stack.get_config(), custom_objects={"Mine": Mine})
    close(again(X), 3 * X)


def test_functions_that_call_and_copy():
    called, copied = [], []

    def call(layer, *args, **kwargs):
        called.append(layer.name)
        return layer(*args, **kwargs)

    def copy(layer):
        copied.append(layer.name)
        return type(layer).from_config(layer.get_config())

    clone = tricorn.models.clone_model(graph(), clone_function=copy, call_function=call)
    assert called[0] == "first" and called[-1] == "second" and copied == ["first", "second"]
    assert clone(X).shape == (4, 2)
    with pytest.raises(ValueError, match="call_function"):
        tricorn.models.clone_model(MODELS["stack"](), call_function=call)
    copied.clear()
    x = tricorn.Input((3,))
    outer = tricorn.Model(x, layers.Dense(1, name="third")(graph()(x)))
    tricorn.models.clone_model(outer, clone_function=copy, recursive=True)
    assert copied == ["first", "second", "third"]


def test_stacks_begin_at_given_tensors():
    clone = tricorn.models.clone_model(MODELS["stack"](), tricorn.Input((3,), name="mine"))
    assert type(clone) is tricorn.Sequential and clone.input_names == ["mine"]
