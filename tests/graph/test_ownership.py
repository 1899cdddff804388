"""Whose Python a step runs (tricorn/graph/ownership.py): every class of the library is ours, and
whatever a user adds to one is not."""

from __future__ import annotations

import functools
import inspect
from typing import Any

import numpy as np
import pytest

import tricorn as keras
from tests.layers.cases import ALL
from tricorn import layers, losses, metrics, optimizers, regularizers
from tricorn.graph.ownership import is_ours

pytestmark = pytest.mark.heavy


def classes(module: Any, base: type) -> list[type]:
    found = [getattr(module, name) for name in dir(module)]
    return [kind for kind in found if inspect.isclass(kind) and issubclass(kind, base)]


@pytest.mark.parametrize("case", ALL, ids=lambda case: case.id)
def test_layers_are_ours(case) -> None:
    layer = case.make(layers)
    try:
        layer(case.x, **case.call)
    except TypeError:  # its call takes several tensors, not a list of them
        layer(*case.x, **case.call)
    assert is_ours(layer)


@pytest.mark.parametrize(
    "kind",
    [
        *classes(losses, losses.Loss),
        *classes(metrics, metrics.Metric),
        *classes(optimizers, optimizers.Optimizer),
        *classes(regularizers, regularizers.Regularizer),
    ],
    ids=lambda kind: f"{kind.__module__}.{kind.__name__}",
)
def test_classes_are_ours(kind) -> None:
    required = {
        "learning_rate": 0.1,
        "num_classes": 3,
        "target_class_ids": [0],
        "fn": losses.mean_squared_error,
        "recall": 0.5,
        "precision": 0.5,
        "specificity": 0.5,
        "sensitivity": 0.5,
        "inner_optimizer": optimizers.SGD(),
        "optimizer_map": optimizers.OptimizerMap(optimizers.SGD()),
        "default_optimizer": optimizers.SGD(),
    }
    parameters = inspect.signature(kind).parameters
    given = {
        name: required[name]
        for name, p in parameters.items()
        if name in required and p.default is p.empty
    }
    assert is_ours(kind(**given)), kind


def test_compiled_models_are_ours() -> None:
    inputs = keras.Input((4,))
    x = layers.Dense(3, "relu", kernel_regularizer="l2", bias_constraint="max_norm")(inputs)
    model = keras.Model(inputs, [x, keras.ops.relu(x * 2)])
    model.compile(
        optimizers.AdamW(optimizers.schedules.CosineDecay(0.1, 10), clipnorm=1.0),
        ["mse", losses.Huber()],
        metrics=[["mae"], [metrics.MeanAbsoluteError(), "mse"]],
    )
    model.fit(np.ones((4, 4), "float32"), [np.ones((4, 3), "float32")] * 2, verbose=0)
    assert is_ours(model)


class OwnLayer(layers.Layer):
    def call(self, x: Any) -> Any:
        return x


class OwnDense(layers.Dense):
    pass


class OwnLoss(losses.Loss):
    def call(self, y_true: Any, y_pred: Any) -> Any:
        return y_pred


class OwnMetric(metrics.Mean):
    pass


class OwnRate(optimizers.schedules.LearningRateSchedule):
    def __call__(self, step: Any) -> Any:
        return 0.1


def own(*args: Any) -> Any:
    return args[0]


@pytest.mark.parametrize(
    "thing",
    [
        OwnLayer(),
        OwnDense(2),
        layers.Dense(2, own),
        layers.Dense(2, kernel_regularizer=own),
        layers.Lambda(own),
        layers.TimeDistributed(OwnLayer()),
        keras.Sequential([layers.Dense(2), OwnLayer()]),
        OwnLoss(),
        losses.LossFunctionWrapper(own),
        OwnMetric(),
        metrics.MeanMetricWrapper(own),
        metrics.MeanMetricWrapper(functools.partial(own, 1)),
        optimizers.SGD(OwnRate()),
        optimizers.SGD(lambda: 0.1),
        np.sin,
        [layers.Dense(1), {"a": own}],
    ],
    ids=lambda thing: getattr(thing, "__name__", type(thing).__name__),
)
def test_what_a_user_adds_is_not(thing) -> None:
    assert not is_ours(thing)
