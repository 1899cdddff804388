"""What is computed again for the gradient: `remat`, and layers made in a `RematScope`."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import tricorn
from tests.oracle import close
from tricorn import ops
from tricorn.graph import transforms
from tricorn.graph.stateless import in_symbolic_scope
from tricorn.ops.host import on_host

X = np.random.RandomState(0).randn(4, 3).astype("float32")


class Counter:
    """A function of tensors that counts how often its values are computed."""

    def __init__(self):
        self.count = 0

    def __call__(self, x):
        one = on_host([ops.stop_gradient(x)], self._counted, lambda shape: (), "float32")
        return ops.sin(x) * one

    def _counted(self, x):
        self.count += 1
        return np.ones((), "float32")


class Probe(tricorn.layers.Layer):
    """A layer with a weight, an argument given by keyword, and state."""

    def __init__(self, body, activation=None, **kwargs):
        super().__init__(**kwargs)
        self.body = body
        self.activation = tricorn.activations.get(activation)

    def build(self, input_shape):
        self.kernel = self.add_weight((input_shape[-1],), "ones", name="kernel")
        self.calls = self.add_weight((), "zeros", trainable=False, name="calls")

    def call(self, x, scale=1.0, training=False):
        self.calls.assign_add(1.0)
        self.add_loss(ops.sum(self.kernel) * 0.5)
        return self.activation(self.body(x * self.kernel) * scale)


def gradients(fn, *variables, compiled):
    """(value, gradients), of a run in which nothing is made."""
    run = transforms.value_and_grad(fn, list(variables))
    if compiled:
        run = tricorn.function(run)
        run()
    return run


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("again", [False, True])
def test_remat_runs_the_function_again(again, compiled):
    body, w, v = Counter(), tricorn.Variable(X), tricorn.Variable(X + 1)
    fn = lambda x: body(x * v) * w  # closes over a Variable
    fn = tricorn.remat(fn) if again else fn
    run = gradients(lambda: ops.sum(fn(w * 2.0)), w, v, compiled=compiled)
    body.count = 0
    value, (for_w, for_v) = run()
    assert body.count == 1 + again
    inner, outer = 2 * X * (X + 1), np.float32(2)
    close(value, (np.sin(inner) * X).sum())
    close(for_w, np.sin(inner) + np.cos(inner) * outer * (X + 1) * X)
    close(for_v, np.cos(inner) * outer * X * X)


def test_remat_of_trees_and_of_tensors_around():
    around = tricorn.Variable(np.float32(3))

    def loss():
        tensor = around * 2.0

        @tricorn.remat
        def fn(x, given):
            return {"y": x * tensor + given["z"], "count": ops.ones((2,), "int32")}

        found = fn(around, {"z": tensor})
        return ops.sum(found["y"]) + 0.0 * ops.sum(ops.cast(found["count"], "float32"))

    value, (gradient,) = transforms.value_and_grad(loss, [around])()
    assert float(value) == 3 * 6 + 6
    assert float(gradient) == 2 * 2 * 3 + 2


#: mode -> (other arguments, whether a layer of 12 outputs named "probe" runs again)
MODES = {
    "full": ({}, True),
    "none": ({}, False),
    "larger_than": ({"output_size_threshold": 11}, True),
    "larger_than, small": ({"output_size_threshold": 12}, False),
    "list_of_layers": ({"layer_names": ["probe"]}, True),
    "list_of_layers, another": ({"layer_names": ["other"]}, False),
}


def scope_of(name):
    mode = name.partition(",")[0]
    return tricorn.RematScope(None if mode == "none" else mode, **MODES[name][0])


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("name", MODES)
def test_layers_made_in_a_scope(name, compiled):
    body = Counter()
    with scope_of(name):
        layer = Probe(body, name="probe")
    layer(X)
    x = tricorn.Variable(X)

    def loss():
        y = layer(x * 1.0, scale=x)
        return ops.sum(y) + sum(layer.losses)

    run = gradients(loss, x, layer.kernel, compiled=compiled)
    body.count, before = 0, float(layer.calls.numpy())
    value, (for_x, for_kernel) = run()
    assert body.count == 1 + MODES[name][1]
    assert float(layer.calls.numpy()) == before + 1
    close(value, (np.sin(X) * X).sum() + 1.5)
    close(for_x, np.sin(X) + np.cos(X) * X)
    close(for_kernel, (np.cos(X) * X * X).sum(0) + 0.5)


@pytest.mark.parametrize("mode", ["full", "activations", None])
def test_activations(mode):
    body = Counter()
    with tricorn.RematScope(mode):
        layer = tricorn.layers.Dense(2, activation=body, kernel_initializer="ones")
    layer(X)
    run = gradients(lambda: ops.sum(layer(X)), layer.kernel, compiled=False)
    body.count = 0
    _, (gradient,) = run()
    assert body.count == 1 + (mode is not None)
    close(gradient, np.repeat((X * np.cos(X.sum(1, keepdims=True))).sum(0)[:, None], 2, 1))
    assert layer.activation is body


@pytest.mark.parametrize("name", ["full", "none", "list_of_layers"])
def test_models_train_alike(name):
    """Dropout draws the same numbers when it runs again; only the layers of a graph are run again,
    not the graph as well."""
    histories, counts = [], []
    for chosen in ("none", name):
        tricorn.utils.set_random_seed(1)
        body = Counter()
        with scope_of(chosen):
            model = tricorn.Sequential(
                [
                    tricorn.Input((3,)),
                    Probe(body, name="probe"),
                    tricorn.layers.Dropout(0.5),
                    tricorn.layers.BatchNormalization(),
                    tricorn.layers.Dense(1),
                ]
            )
        model.compile("sgd", "mse")
        model.fit(X, X[:, :1], epochs=1, verbose=0, batch_size=4)
        body.count = 0
        history = model.fit(X, X[:, :1], epochs=2, verbose=0, batch_size=4)
        histories.append(history.history["loss"])
        counts.append(body.count)
    close(histories[1], histories[0])
    assert counts == [2, 2 * (1 + MODES[name][1])]


def test_scopes_inside_of_scopes():
    with tricorn.RematScope("full") as outer:
        first = tricorn.layers.Dense(1)
        with tricorn.RematScope(None):
            second = tricorn.layers.Dense(1)
            with outer:
                third = tricorn.layers.Dense(1)
        fourth = tricorn.layers.Dense(1)
    fifth = tricorn.layers.Dense(1)
    found = [layer._tricorn.remat for layer in (first, second, third, fourth, fifth)]
    assert found == [outer, None, outer, outer, None]
    assert copy.deepcopy(first)._tricorn.remat.mode == "full"
    call = fifth.call
    assert fifth.rematerialized_call(call, X) is call


def test_an_unknown_mode_is_refused():
    with pytest.raises(ValueError, match="Invalid mode 'fast'. Supported modes are: 'full'"):
        tricorn.RematScope("fast")


def test_symbolic_scope():
    seen = []

    class Layer(tricorn.layers.Layer):
        def call(self, x):
            seen.append(in_symbolic_scope())
            return x

    assert not in_symbolic_scope()
    with tricorn.SymbolicScope() as scope:
        assert in_symbolic_scope()
        with scope:
            pass
        assert in_symbolic_scope()
    assert not in_symbolic_scope()
    Layer()(X)
    Layer()(tricorn.Input((3,)))
    Layer().compute_output_spec(tricorn.Input((3,)))
    assert seen == [False, True, True]
