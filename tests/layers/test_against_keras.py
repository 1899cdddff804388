"""Every layer against genuine Keras 3: results, gradients, state, shapes, configs."""

from __future__ import annotations

import inspect
import json
from typing import Any

import jax
import keras
import numpy as np
import pytest

from tests.layers import cases
from tests.layers.cases import Case
from tests.oracle import array, cached, close, filled, first_of_each, quick
from tricorn import layers, ops, tree
from tricorn.graph.scope import Scope
from tricorn.graph.transforms import value_and_grad
from tricorn.layers import Input

#: a gradient is 0, such as that of a bias before a softmax, when it is less than so much of others
ZERO = 1e-6
every_case = pytest.mark.parametrize("case", cases.ALL, ids=lambda case: case.id)


def _made(case: Case, library: Any) -> Any:
    """The library's layer, built, with random weights that are equal in both libraries."""
    layer = case.make(library)
    layer.build(*tree.map(np.shape, case.arguments(case.x)))
    rng = np.random.default_rng(3)
    values = []
    for weight in layer.weights:
        value = rng.normal(size=weight.shape) * 0.5
        values.append(np.abs(value) + 0.1 if "variance" in weight.name else value)
    layer.set_weights(values)
    return layer


def _training(layer: Any, training: bool) -> dict[str, bool]:
    takes = "training" in inspect.signature(layer.call).parameters
    return {"training": training} if takes else {}


def _weighted_sum(library: Any, outputs: Any) -> Any:
    """A scalar in which every element of the outputs counts differently."""
    total = 0.0
    for leaf in jax.tree.leaves(outputs):
        shape = tuple(leaf.shape)
        weights = np.cos(np.arange(np.prod(shape))).reshape(shape)
        total += library.sum(library.multiply(leaf, library.cast(weights, leaf.dtype)))
    return total


def _kept(layer: Any, case: Case) -> list:
    """The weights whose values after training are compared."""
    return layer.non_trainable_weights if case.assigns else layer.weights


def _ours(layer: Any, case: Case, weights: list, x: Any) -> dict[str, Any]:
    """Results of inference and training, the state after it, gradients."""

    def run(x: Any, training: bool) -> Any:
        return layer(*case.arguments(x), **case.call, **_training(layer, training))

    found: dict[str, Any] = {}
    with Scope(dict(zip(layer.weights, weights)), isolated=True):
        with Scope():
            found["inference"] = run(x, False)
        if len(layer.trainable_variables) < len(layer.weights):
            with Scope():
                found["training"] = run(x, True)
                found["state"] = [v.value for v in _kept(layer, case)]
        for name, variables in (("weights", layer.trainable_variables), ("input", None)):
            with Scope():
                if variables:
                    loss = lambda: _weighted_sum(ops, run(x, case.trains))
                    found[name] = value_and_grad(loss, variables)()[1]
                    found[name] = filled(found[name], [v.value for v in variables])
                elif variables is None and _floating(case.x):
                    loss = lambda x: _weighted_sum(ops, run(x, case.trains))
                    found[name] = value_and_grad(loss)(x)[1]
    return found


def _theirs(layer: Any, case: Case, weights: list, x: Any) -> dict[str, Any]:
    """The same of Keras's layer."""
    place = {id(v): i for i, v in enumerate(layer.weights)}
    trainable = [weights[place[id(v)]] for v in layer.trainable_variables]
    rest = [
        weights[place[id(v)]] if id(v) in place else v.value for v in layer.non_trainable_variables
    ]

    def run(trainable: list, x: Any, training: bool) -> Any:
        given = {**case.call, **_training(layer, training)}
        return layer.stateless_call(trainable, rest, *case.arguments(x), **given)

    def loss(trainable: list, x: Any) -> Any:
        return _weighted_sum(keras.ops, run(trainable, x, case.trains)[0])

    found: dict[str, Any] = {"inference": run(trainable, x, False)[0]}
    if len(trainable) < len(weights):
        found["training"], after = run(trainable, x, True)
        values = {id(v): value for v, value in zip(layer.trainable_variables, trainable)}
        values |= {id(v): value for v, value in zip(layer.non_trainable_variables, after)}
        found["state"] = [values[id(v)] for v in _kept(layer, case)]
    if trainable and _floating(case.x):
        found["weights"], found["input"] = jax.grad(loss, argnums=(0, 1))(trainable, x)
    elif trainable:
        found["weights"] = jax.grad(loss)(trainable, x)
    else:
        found["input"] = jax.grad(loss, argnums=1)(trainable, x)
    return found


def _floating(x: Any) -> bool:
    return all(leaf.dtype == np.float32 for leaf in jax.tree.leaves(x))


@pytest.mark.parametrize(
    "case", first_of_each(cases.ALL, lambda case: case.layer), ids=lambda case: case.id
)
def test_results_state_and_gradients(case: Case) -> None:
    ours, expected = _made(case, layers), _expected(case)
    weights = [ops.convert_to_tensor(v) for v in ours.get_weights()]
    x = tree.map(ops.convert_to_tensor, case.x)
    found = quick(lambda weights, x: _ours(ours, case, weights, x))(weights, x)
    assert sorted(found) == sorted(expected)
    for name in expected:
        a, b = jax.tree.leaves(found[name]), jax.tree.leaves(expected[name])
        assert len(a) == len(b), name
        largest = max((np.abs(array(other)).max(initial=0.0) for other in b), default=0.0)
        for one, other in zip(a, b):
            assert array(one).dtype == other.dtype
            if np.abs(array(other)).max(initial=0.0) < ZERO * largest:  # nothing but rounding
                assert np.abs(array(one)).max(initial=0.0) <= 1e-5 * largest
            else:
                close(one, other)


@cached
def _expected(case: Case) -> dict[str, Any]:
    theirs = _made(case, keras.layers)
    weights = [np.asarray(v, np.float32) for v in theirs.get_weights()]
    return jax.jit(lambda weights, x: _theirs(theirs, case, weights, x))(weights, case.x)


@pytest.mark.engine_free
@every_case
def test_symbolic_shapes(case: Case) -> None:
    fixed = getattr(case.make(layers), "stateful", False)

    def inputs(make: Any) -> Any:
        def one(x: np.ndarray) -> Any:
            batch = len(x) if fixed else None
            return make(shape=x.shape[1:], batch_size=batch, dtype=str(x.dtype))

        return case.arguments(tree.map(one, case.x))

    ours = case.make(layers)(*inputs(Input))
    theirs = case.make(keras.layers)(*inputs(keras.Input))
    for a, b in zip(tree.leaves(ours), jax.tree.leaves(theirs)):
        assert tuple(a.shape) == tuple(b.shape)
        assert a.dtype == b.dtype


def _plain(config: Any) -> Any:
    """As it looks in a file, without the names of layers."""

    def strip(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: strip(v) for k, v in value.items() if k != "name" and v is not None}
        return [strip(v) for v in value] if isinstance(value, list) else value

    return strip(json.loads(json.dumps(config)))


@pytest.mark.engine_free
@every_case
def test_configs_of_both_libraries_are_each_others(case: Case) -> None:
    ours, theirs = case.make(layers), case.make(keras.layers)
    mine, keras_config = ours.get_config(), theirs.get_config()
    shared = set(mine) & set(keras_config) - {"name", "cell", "layer", "backward_layer"}
    assert {key: _plain(mine)[key] for key in shared if mine[key] is not None} == {
        key: _plain(keras_config)[key] for key in shared if keras_config[key] is not None
    }
    missing = {key for key in set(keras_config) - set(mine) if keras_config[key]}
    assert not missing
    back = type(theirs).from_config(json.loads(json.dumps(mine)))
    assert _plain(back.get_config()) == _plain({**keras_config, "name": back.name})
    again = type(ours).from_config(json.loads(json.dumps(keras_config)))
    assert {**_plain(mine), **_plain(again.get_config())} == _plain(again.get_config())


# Keras itself computes recurrent layers and normalizations only to about 1e-7 there: those are
# compared with NumPy in test_behaviour.py.
WIDE = ("Dense(units=3)", "Conv2D(filters=5,kernel_size=3)", "Softmax()")


@pytest.mark.parametrize("case", [c for c in cases.ALL if c.id in WIDE], ids=lambda case: case.id)
def test_float64(case: Case) -> None:
    wide = Case(case.layer, case.x.astype(np.float64), {**case.kwargs, "dtype": "float64"})
    with jax.enable_x64(True):
        expected = np.asarray(_made(wide, keras.layers)(wide.x))
    found = array(_made(wide, layers)(wide.x))
    assert found.dtype == expected.dtype == np.float64
    close(found, expected, 1e-9)
