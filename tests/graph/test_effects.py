"""Every effect of a body, through every transform: losses, metrics, kept tensors, masks, state."""

import numpy as np
import pytest

import tricorn
from tests.oracle import array
from tricorn import layers, ops
from tricorn.graph import transforms
from tricorn.graph.calls import get_mask, set_mask

X = np.arange(12, dtype="float32").reshape(3, 4)
ROUNDS = 3


class Noting(layers.Layer):
    """A layer with every effect there is."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.count = self.add_weight((), "zeros", trainable=False, name="count")
        self.scale = self.add_weight((), "ones", name="scale")
        self.counts = True

    def call(self, inputs):
        total = ops.sum(inputs * self.scale)
        self.add_loss(total)
        self.add_loss([2.0 * total])
        self.add_metric(total, name="total")
        self.kept = inputs + 1.0
        self.several = {"a": inputs, "b": [ops.sum(inputs)]}
        if self.counts:
            self.count.assign_add(1.0)
        return inputs * self.scale


def once(layer):
    layer(X)


def gradient(layer):
    transforms.value_and_grad(lambda: ops.sum(layer(X)), layer.trainable_variables)()


def gradient_of_argument(layer):
    transforms.value_and_grad(lambda x: ops.sum(layer(x)))(X)


def gradients_function(layer):
    transforms.value_and_gradients_function(lambda x: layer(x))(X)


def checkpoint(layer):
    transforms.checkpoint(lambda x: layer(x))(X)


def custom_gradient(layer):
    transforms.custom_gradient(lambda x: (layer(x), lambda g: g))(X)


def function(layer):
    tricorn.function(lambda x: layer(x))(X)


def cond(layer):
    ops.cond(ops.sum(X) > 0, lambda: layer(X), lambda: ops.convert_to_tensor(X))


def other_branch(layer):
    ops.cond(ops.sum(X) < 0, lambda: ops.convert_to_tensor(X), lambda: layer(X))


def switch(layer):
    ops.switch(1, [lambda x: x, lambda x: layer(x), lambda x: 2.0 * x], ops.convert_to_tensor(X))


def gradient_of_checkpoint(layer):
    run = transforms.checkpoint(lambda x: layer(x))
    transforms.value_and_grad(lambda: ops.sum(run(X)), layer.trainable_variables)()


def function_of_cond(layer):
    tricorn.function(lambda x: ops.cond(ops.sum(x) > 0, lambda: layer(x), lambda: x))(X)


def scan(layer):
    transforms.scan(lambda carry, x: (carry + 1.0, layer(x)), 0.0, np.stack([X] * ROUNDS))


def while_loop(layer):
    ops.while_loop(lambda i, x: i < ROUNDS, lambda i, x: (i + 1, layer(x)), (0, X))


def fori_loop(layer):
    ops.fori_loop(0, ROUNDS, lambda i, x: layer(x), X)


def mapped(layer):
    ops.map(lambda x: layer(x), np.stack([X] * ROUNDS))


def vectorized(layer):
    layer.counts = False  # assignments are refused there
    ops.vectorized_map(lambda x: layer(x), np.stack([X] * ROUNDS))


def function_of_scan(layer):
    def run(xs):
        return transforms.scan(lambda carry, x: (carry, layer(x)), 0.0, xs)[1]

    tricorn.function(run)(np.stack([X] * ROUNDS))


SINGLE = [once, gradient, gradient_of_argument, gradients_function, checkpoint, custom_gradient,
          function, cond, other_branch, switch, gradient_of_checkpoint,
          function_of_cond]  # fmt: skip
REPEATED = [scan, while_loop, fori_loop, mapped, vectorized, function_of_scan]
#: those with a branch that does not call the layer, so that nothing is kept
ONE_SIDED = [cond, other_branch, switch, function_of_cond]
#: those whose body gets other tensors than were given
GIVEN = [checkpoint, gradient_of_argument, gradients_function, custom_gradient, scan, mapped,
         vectorized]  # fmt: skip


def by_name(function):
    return function.__name__


@pytest.mark.parametrize("run", [*SINGLE, *REPEATED], ids=by_name)
def test_effects_come_out_of_a_transform(run):
    layer = Noting()
    run(layer)
    rounds = ROUNDS if run in REPEATED else 1
    total = X.sum()
    losses = [float(array(ops.sum(x))) for x in layer.losses]
    np.testing.assert_allclose(losses, [total * rounds, 2 * total * rounds], rtol=1e-6)
    if run is not vectorized:
        assert float(layer.count) == rounds
    (metric,) = layer.metrics
    assert metric.name == "total"
    np.testing.assert_allclose(float(array(metric.result())), total, rtol=1e-6)
    if run in ONE_SIDED:
        assert not hasattr(layer, "kept")
        return
    kept = np.stack([X + 1.0] * ROUNDS) if run is vectorized else X + 1.0
    np.testing.assert_allclose(array(layer.kept), kept)
    assert isinstance(layer.several, dict)
    np.testing.assert_allclose(array(layer.several["a"]), kept - 1.0)


@pytest.mark.parametrize("run", [*SINGLE, *REPEATED], ids=by_name)
def test_effects_reach_the_transform_around(run):
    """Inside of a gradient the losses of a body can be part of what is differentiated."""
    layer = Noting()

    def loss():
        run(layer)
        return ops.sum(ops.stack([ops.sum(x) for x in layer.losses]))

    if run in (while_loop, fori_loop):  # not every engine differentiates those
        np.testing.assert_allclose(array(tricorn.function(loss)()), 3 * X.sum() * ROUNDS, rtol=1e-6)
        assert len(layer.losses) == 2
        return
    (value, (grad,)) = transforms.value_and_grad(loss, [layer.scale])()
    rounds = ROUNDS if run in REPEATED else 1
    np.testing.assert_allclose(array(value), 3 * X.sum() * rounds, rtol=1e-6)
    assert len(layer.losses) == 2
    if run is not custom_gradient:  # whose gradient is that of its arguments alone
        assert grad is not None
    if run in (once, checkpoint, cond, mapped, vectorized):
        np.testing.assert_allclose(array(grad), 3 * X.sum() * rounds, rtol=1e-6)


@pytest.mark.parametrize("pred", [True, False])
def test_a_branch_that_adds_no_loss_adds_zero_and_keeps_nothing(pred):
    layer = Noting()
    layer.kept = layer.several = "before"
    ops.cond(ops.convert_to_tensor(pred), lambda: layer(X), lambda: ops.convert_to_tensor(X))
    assert [float(array(x)) for x in layer.losses] == ([66.0, 132.0] if pred else [0.0, 0.0])
    assert float(layer.count) == float(pred)
    assert layer.kept == layer.several == "before"  # one of the branches does not set them


class Marking(layers.Layer):
    """Gives its output a mask, and says whether its input had one."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def call(self, inputs, mask=None):
        self.seen.append(mask is not None)
        return inputs + 1.0

    def compute_mask(self, inputs, previous_mask=None):
        return ops.greater(inputs, 5.0)


@pytest.mark.parametrize("run", GIVEN, ids=by_name)
def test_masks_go_into_a_body(run, monkeypatch):
    layer = Marking()
    given = ops.convert_to_tensor(np.stack([X] * ROUNDS) if run in REPEATED else X)
    set_mask(given, ops.greater(given, 3.0))
    if run in REPEATED:
        monkeypatch.setattr(np, "stack", lambda *_, **__: given)
    else:
        monkeypatch.setitem(run.__globals__, "X", given)
    run(layer)
    assert layer.seen and all(layer.seen)


def test_masks_come_out_of_a_body():
    layer, x = Marking(), ops.convert_to_tensor(X)
    expected = X > 5.0
    outputs = {
        "checkpoint": transforms.checkpoint(lambda x: layer(x))(x),
        "custom_gradient": transforms.custom_gradient(lambda x: (layer(x), lambda g: g))(x),
        "function": tricorn.function(lambda x: layer(x))(x),
        "cond": ops.cond(ops.sum(x) > 0, lambda: layer(x), lambda: layer(2.0 * x)),
        "gradients": transforms.value_and_gradients_function(lambda x: layer(x))(x)[0],
        "aux": transforms.value_and_grad(
            lambda x: (ops.sum(x), layer(x)), has_aux=True
        )(x)[0][1],
    }  # fmt: skip
    for name, output in outputs.items():
        mask = get_mask(output)
        assert mask is not None, name
        np.testing.assert_array_equal(array(mask), expected)
    rows = ops.convert_to_tensor(np.stack([X, X]))
    for output in (ops.map(layer, rows), ops.vectorized_map(layer, rows)):
        np.testing.assert_array_equal(array(get_mask(output)), np.stack([expected] * 2))
    one_sided = ops.cond(ops.sum(x) > 0, lambda: layer(x), lambda: 2.0 * x)
    assert get_mask(one_sided) is None


def test_what_is_thrown_away_leaves_attributes_as_they_were():
    layer = Noting()
    layer.kept = "before"
    transforms.discover(layer, (ops.convert_to_tensor(X),))
    assert layer.kept == "before" and not hasattr(layer, "several")
    model = tricorn.Sequential([tricorn.Input((4,)), layer])
    model.compile("sgd", "mse")
    layer.kept = "before"
    model.fit(X, X, verbose=0)
    assert layer.kept == "before"


def test_losses_of_a_cell_are_those_of_all_steps():
    class Cell(layers.Layer):
        state_size = 4

        def call(self, inputs, states):
            self.add_loss(ops.sum(inputs))
            return inputs, [states[0] + inputs]

    rnn = layers.RNN(Cell())
    rnn(np.ones((2, 4, 4), "float32"))
    assert float(array(sum(rnn.losses))) == 32.0
    model = tricorn.Sequential([tricorn.Input((4, 4)), rnn])
    model.compile("sgd", None)
    assert model.evaluate(np.ones((2, 4, 4), "float32"), verbose=0) == 32.0


def test_add_metric_is_in_the_logs_of_fit_and_evaluate():
    layer = Noting()
    model = tricorn.Sequential([tricorn.Input((4,)), layer])
    model.compile("sgd", "mse")
    history = model.fit(X, X, epochs=2, batch_size=1, verbose=0, shuffle=False).history
    assert len(history["total"]) == 2
    found = model.evaluate(X, X, batch_size=3, verbose=0, return_dict=True)
    scale = float(layer.scale)
    np.testing.assert_allclose(found["total"], X.sum() * scale, rtol=1e-5)
    with pytest.raises(ValueError, match="add_metric takes a name"):
        layer.add_metric(1.0)
    with pytest.raises(ValueError, match='aggregation "mean"'):
        layer.add_metric(1.0, name="x", aggregation="sum")


def test_an_outermost_call_begins_anew():
    layer = Noting()
    model = tricorn.Sequential([tricorn.Input((4,)), layer])
    for _ in range(2):
        model(X)
        assert len(model.losses) == 2
    layer(X)
    assert len(layer.losses) == len(model.losses) == 2


def test_effects_of_a_layer_whose_body_cannot_be_recorded():
    """Loops and recomputation inside of a graph of layers, whose batch size is not known yet."""

    class Recomputed(layers.Layer):
        def __init__(self):
            super().__init__()
            self.inner = Noting()

        def call(self, inputs):
            return transforms.checkpoint(self.inner)(inputs)

    outer = Recomputed()
    i = tricorn.Input((4,))
    model = tricorn.Model(i, outer(i))
    model.compile("sgd", "mse")
    assert set(model.fit(X, X, verbose=0).history) == {"loss", "total"}
    model(X)
    assert len(model.losses) == 2
    np.testing.assert_allclose(array(outer.inner.kept), X + 1.0)
