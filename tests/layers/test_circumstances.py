"""Every layer × a mask that travels with its input × precision × a copy from its config, beside
genuine Keras 3; and layers whose loss, state or steps depend on the batch."""

from __future__ import annotations

import warnings
from typing import Any

import jax
import keras
import numpy as np
import pytest

import tricorn
from tests.layers import cases
from tests.layers.cases import Case, floats
from tests.oracle import array, cached, close, masked, program
from tricorn import tree
from tricorn.graph.calls import get_mask

pytestmark = pytest.mark.heavy

POLICIES = {"float32": 1e-5, "mixed_bfloat16": 6e-2}


def _inputs(lib: Any, inputs: Any, is_masked: bool) -> Any:
    """The inputs, floating ones of three axes or more with a mask for their steps."""

    def one(x: Any) -> Any:
        if not is_masked or len(x.shape) < 3:
            return x
        batch, length = x.shape[:2]
        steps = np.arange(length) < np.array([[length - 1 - i % 2] for i in range(batch)])
        return masked(lib, x + 0, steps)

    return type(inputs)(map(one, inputs)) if isinstance(inputs, (list, tuple)) else one(inputs)


def _call(lib: Any, case: Case, layer: Any, inputs: Any) -> Any:
    """(outputs, their masks), or None where the call is refused."""
    mask_of = get_mask if lib is tricorn else keras.src.backend.get_keras_mask
    leaves = tree.leaves if lib is tricorn else jax.tree.leaves
    try:
        args = inputs if isinstance(inputs, tuple) else (inputs,)
        outputs = leaves(layer(*args, **case.call))
    except Exception:  # of which kind depends on the engine
        return None
    return outputs, [mask_of(x) for x in outputs]


def _calls(lib: Any, case: Case, layers: dict) -> dict:
    """What layers give: (policy, whether there are masks, which layer) -> (dtypes, outputs, their
    masks), or None where the call is refused."""
    several = isinstance(case.x, (list, tuple))

    def run(*x: Any) -> dict:
        x = type(case.x)(x) if several else x[0]
        return {
            (policy, is_masked, which): _call(lib, case, layer, _inputs(lib, x, is_masked))
            for (policy, which), layer in layers.items()
            for is_masked in (False, True)
        }

    x = case.x if several else [case.x]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = program(lib, run)(*map(lib.ops.convert_to_tensor, x))
    as_array = lambda x: None if x is None else np.asarray(lib.ops.convert_to_numpy(x))
    for key, results in found.items():
        if results is not None:
            dtypes = [lib.backend.standardize_dtype(x.dtype) for x in results[0]]
            found[key] = (dtypes, *(list(map(as_array, part)) for part in results))
    return found


def _build(layer: Any, case: Case) -> None:
    shapes = tree.map(np.shape, case.x)
    layer.build(*shapes) if isinstance(case.x, tuple) else layer.build(shapes)


def _made(lib: Any, case: Case, policy: str) -> Any:
    layer = case.make(lib.layers)
    layer = type(layer).from_config({**layer.get_config(), "dtype": policy})
    _build(layer, case)
    rng = np.random.default_rng(3)
    values = []
    for weight in layer.weights:
        value = rng.normal(size=tuple(weight.shape)) * 0.5
        values.append(np.abs(value) + 0.1 if "variance" in weight.name else value)
    layer.set_weights(values)
    return layer


@cached
def _of_keras(case: Case) -> dict:
    return _calls(keras, case, {(p, "layer"): _made(keras, case, p) for p in POLICIES})


#: a Pipeline has no dtype, its layers have theirs
APART = ("Pipeline",)
SWEPT = [case for case in cases.ALL if case.layer not in APART]


@pytest.mark.parametrize("case", SWEPT, ids=lambda case: case.id)
def test_masks_and_precision(case: Case) -> None:
    layers = {}
    for policy in POLICIES:
        layer = _made(tricorn, case, policy)
        copy = type(layer).from_config(layer.get_config())
        assert copy.dtype_policy.name == layer.dtype_policy.name == policy
        _build(copy, case)
        copy.set_weights(layer.get_weights())
        layers |= {(policy, "layer"): layer, (policy, "copy"): copy}
    calls = _calls(tricorn, case, layers)
    for (policy, is_masked, which), expected in _of_keras(case).items():
        if expected is None or (is_masked and "initial_state" in case.call):
            continue  # Keras passes a mask over that comes together with first states
        found = calls[policy, is_masked, which]
        assert found is not None, (policy, is_masked)
        for dtype, name in zip(found[0], expected[0], strict=True):
            # a layer inside has a policy of its own, which Keras's wrappers pass over
            assert dtype == name or any(map(callable, case.kwargs.values())), (policy, is_masked)
        for ours, theirs in zip(found[1], expected[1], strict=True):
            close(ours.astype("float32"), theirs.astype("float32"), POLICIES[policy])
        # Keras's scores keep the mask of the softmax inside, by which nothing can go on
        count = 1 if case.call.get("return_attention_scores") else None
        for ours, theirs in zip(found[2][:count], expected[2][:count], strict=True):
            assert (ours is None) is (theirs is None), (policy, is_masked)
            if ours is not None:
                np.testing.assert_array_equal(ours, theirs)
        for ours, theirs in zip(calls[policy, is_masked, "copy"][1], found[1], strict=True):
            np.testing.assert_array_equal(ours.astype("float32"), theirs.astype("float32"))


# ------------------------------------------------------------------------- the samples of a batch


def _regularized(lib: Any) -> dict[str, Any]:
    layers = lib.layers

    class Two(layers.Layer):
        def call(self, x: Any) -> Any:
            return [x, 2 * x]

    return {
        "argument": layers.Dense(2, kernel_initializer="ones", activity_regularizer="l2"),
        "layer": layers.ActivityRegularization(l1=0.1, l2=0.2),
        "two outputs": Two(activity_regularizer="l1"),
        "stack": lib.Sequential(
            [layers.Dense(2, kernel_initializer="ones", activity_regularizer="l1")]
        ),
    }


@pytest.mark.parametrize("name", ["argument", "layer", "two outputs", "stack"])
def test_activity_regularization_is_a_mean_over_samples(name: str) -> None:
    found = []
    for lib in (tricorn, keras):
        layer = _regularized(lib)[name]
        for x in (np.ones((4, 3), "float32"), np.ones((8, 3), "float32")):
            layer(x)
            found.append([float(array(loss)) for loss in layer.losses])
    np.testing.assert_allclose(found[:2], found[2:], rtol=1e-5)
    np.testing.assert_allclose(found[0], found[1], rtol=1e-5)


def test_activity_regularization_does_not_depend_on_the_batch_size_of_evaluate() -> None:
    inputs = tricorn.Input((3,))
    outputs = tricorn.layers.Dense(2, activity_regularizer="l2")(inputs)
    model = tricorn.Model(inputs, tricorn.layers.ActivityRegularization(l1=0.1)(outputs))
    model.compile("sgd", "mse")
    x, y = floats(12, 3), np.zeros((12, 2), "float32")
    values = [model.evaluate(x, y, batch_size=size, verbose=0) for size in (12, 6, 4)]
    np.testing.assert_allclose(values, values[0], rtol=1e-5)


STEPS = floats(2, 3, 4)
PRESENT = np.array([[True, True, False], [True, False, False]])


def _distributed(lib: Any) -> dict[str, Any]:
    class Masked(lib.layers.Layer):
        def call(self, x: Any, mask: Any = None) -> Any:
            factor = 1.0 if mask is None else lib.ops.cast(mask, x.dtype)[:, None]
            return x * factor

    class OverSamples(lib.layers.Layer):
        def call(self, x: Any) -> Any:
            return x - lib.ops.mean(x, axis=0)

    return {
        "takes a mask": Masked(),
        "looks at the other samples": OverSamples(),
        "normalizes": lib.layers.BatchNormalization(momentum=0.5),
        "dense": lib.layers.Dense(2, kernel_initializer="ones"),
    }


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("is_masked", [True, False])
@pytest.mark.parametrize("name", _distributed(tricorn))
def test_time_distributed_goes_step_by_step(name: str, is_masked: bool, training: bool) -> None:
    found = []
    for lib in (tricorn, keras):
        layer = lib.layers.TimeDistributed(_distributed(lib)[name])
        mask = lib.ops.convert_to_tensor(PRESENT) if is_masked else None
        outputs = [layer(STEPS, training=training, mask=mask)]
        found.append([array(x) for x in (*outputs, *(v.value for v in layer.weights))])
    for ours, theirs in zip(*found, strict=True):
        close(ours, theirs)


def test_a_mask_that_does_not_fit_is_refused() -> None:
    layer = tricorn.layers.TimeDistributed(tricorn.layers.Dense(2))
    for wrong in (np.ones((2, 4), bool), np.ones(2, bool)):
        with pytest.raises(ValueError, match="must begin with the batch and time sizes"):
            layer(STEPS, mask=wrong)
    with pytest.raises(ValueError, match=r"a mask has the shape \(batch, time\)"):
        tricorn.layers.LSTM(2)(STEPS, mask=np.ones(2, bool))


# -------------------------------------------------------------------------------- states of cells


def _cells(lib: Any) -> dict[str, Any]:
    class Cell(lib.layers.Layer):
        def __init__(self, size: Any) -> None:
            super().__init__()
            self.state_size, self.output_size = size, 2

        def call(self, x: Any, states: Any) -> tuple:
            several = isinstance(states, (list, tuple))
            after = [state + 1 for state in states] if several else states + 1
            return x[:, :2], after

    layers = lib.layers
    return {
        "a number": Cell(2),
        "a list of one": Cell([2]),
        "a list": Cell([2, 3]),
        "stacked numbers": [Cell(2), Cell(2)],
        "a number and a list": [Cell(2), Cell([2, 3])],
        "ours": [layers.LSTMCell(2), layers.LSTMCell(3)],
        "ours, one": layers.SimpleRNNCell(2),
    }


@pytest.mark.parametrize("name", _cells(tricorn))
def test_the_form_of_the_states_is_that_of_state_size(name: str) -> None:
    def form(x: Any) -> Any:
        return [form(item) for item in x] if isinstance(x, (list, tuple)) else tuple(x.shape)

    for make in (lambda lib: STEPS, lambda lib: lib.Input((3, 4))):
        found = []
        for lib in (tricorn, keras):
            layer = lib.layers.RNN(_cells(lib)[name], return_state=True)
            found.append(form(layer(make(lib))))
        assert found[0] == found[1]
    layer = tricorn.layers.RNN(_cells(tricorn)[name], return_state=True)
    first = layer.get_initial_state(2)
    assert form(layer(STEPS, initial_state=first))[1:] == form(first)


def test_a_masked_step_of_stacked_cells_keeps_the_output_of_the_last_cell() -> None:
    layer = tricorn.layers.RNN(
        [tricorn.layers.SimpleRNNCell(3), tricorn.layers.SimpleRNNCell(2)], return_sequences=True
    )
    outputs = array(layer(STEPS, mask=tricorn.ops.convert_to_tensor(PRESENT)))
    np.testing.assert_array_equal(outputs[0, 2], outputs[0, 1])
    np.testing.assert_array_equal(outputs[1, 2], outputs[1, 0])
