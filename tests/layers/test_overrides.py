"""A method that a user overrides gets the arguments that its signature takes: every method that the
library calls, with fewer arguments, other names, ``*args`` and ``**kwargs``."""

import numpy as np
import pytest

import tricorn
from tests.oracle import close
from tricorn import ops, signatures

X = np.arange(12, dtype="float32").reshape(4, 3) / 10
Y = X[:, :1]


def model(**methods):
    """A model of one layer, with methods of its own."""

    class Own(tricorn.Model):
        def __init__(self):
            super().__init__()
            self.dense = tricorn.layers.Dense(1, kernel_initializer="ones")

        def call(self, x):
            return self.dense(x)

    for name, method in methods.items():
        setattr(Own, name, method)
    return Own()


def fitted(made, loss="mse", metrics=None, callbacks=None):
    """The logs of an epoch and of an evaluation."""
    made.compile("sgd", loss, metrics=metrics)
    history = made.fit(X, Y, shuffle=False, verbose=0, callbacks=callbacks).history
    return history, made.evaluate(X, Y, verbose=0, return_dict=True)


class Loss(tricorn.losses.Loss):
    def call(self, y_true, y_pred):
        return y_pred


LOSSES = {
    "all": lambda self, y_true, y_pred, sample_weight=None, mask=None: ops.mean(y_pred),
    "no mask": lambda self, y_true, y_pred, sample_weight=None: ops.mean(y_pred),
    "two": lambda self, y_true, y_pred: ops.mean(y_pred),
    "other names": lambda self, a, b: ops.mean(b),
    "args": lambda self, *args: ops.mean(args[1]),
    "kwargs": lambda self, **kwargs: ops.mean(kwargs["y_pred"]),
    "both": lambda self, *args, **kwargs: ops.mean(args[1]),
}
COMPUTE_LOSS = {
    "all": lambda self, x=None, y=None, y_pred=None, sample_weight=None, training=True: ops.mean(
        y_pred
    ),
    "no training": lambda self, x=None, y=None, y_pred=None, sample_weight=None: ops.mean(y_pred),
    "some": lambda self, y, y_pred: ops.mean(y_pred),
    "other names": lambda self, inputs, targets, outputs, weights: ops.mean(outputs),
    "keywords": lambda self, *, y_pred, **kwargs: ops.mean(y_pred),
    "args": lambda self, *args: ops.mean(args[2]),
    "kwargs": lambda self, **kwargs: ops.mean(kwargs["y_pred"]),
}


def logged(self, logs):
    return {**self.get_metrics_result(), "own": 3.0}


COMPUTE_METRICS = {
    "all": lambda self, x, y, y_pred, sample_weight=None: logged(self, None),
    "some": lambda self, y, y_pred: logged(self, None),
    "none": lambda self: logged(self, None),
    "args": lambda self, *args: logged(self, None),
    "kwargs": lambda self, **kwargs: logged(self, None),
}


@pytest.mark.parametrize("how", LOSSES)
def test_losses(how):
    own = type("Own", (Loss,), {"__call__": LOSSES[how]})
    history, found = fitted(model(), own())
    close(history["loss"], [X.sum(1).mean()])
    assert found["loss"] > 0


@pytest.mark.parametrize("how", COMPUTE_LOSS)
def test_compute_loss(how):
    history, found = fitted(model(compute_loss=COMPUTE_LOSS[how]))
    close(history["loss"], [X.sum(1).mean()])
    assert found["loss"] > 0


@pytest.mark.parametrize("how", COMPUTE_METRICS)
def test_compute_metrics(how):
    history, found = fitted(model(compute_metrics=COMPUTE_METRICS[how]))
    assert history["own"] == [3.0] and found["own"] == 3.0


def test_weights_that_an_override_does_not_take_are_not_lost_silently():
    own = type("Own", (Loss,), {"__call__": LOSSES["two"]})
    with pytest.raises(TypeError):
        own()(Y, Y, sample_weight=2.0)


METRICS = {
    "all": lambda self, y_true, y_pred, sample_weight=None: self.total.assign_add(1.0),
    "two": lambda self, y_true, y_pred: self.total.assign_add(1.0),
    "args": lambda self, *args: self.total.assign_add(1.0),
    "kwargs": lambda self, *args, **kwargs: self.total.assign_add(1.0),
}


@pytest.mark.parametrize("how", METRICS)
def test_metrics(how):
    def init(self):
        tricorn.metrics.Metric.__init__(self, name="own")
        self.total = self.add_weight((), "zeros")

    own = type(
        "Own",
        (tricorn.metrics.Metric,),
        {"__init__": init, "update_state": METRICS[how], "result": lambda self: self.total.value},
    )
    history, found = fitted(model(), metrics=[own()])
    assert history["own"] == [1.0] and found["own"] == 1.0


HOOKS = ["on_train_begin", "on_train_end", "on_epoch_begin", "on_epoch_end", "on_train_batch_begin",
         "on_train_batch_end", "on_batch_begin", "on_batch_end", "on_test_begin", "on_test_end",
         "on_test_batch_begin", "on_test_batch_end"]  # fmt: skip


@pytest.mark.parametrize("hook", HOOKS)
def test_callbacks(hook):
    """Each hook: none of its arguments, the first alone, or as keywords."""
    seen = []
    overrides = [
        lambda self: seen.append(()),
        lambda self, logs: seen.append(logs),
        lambda self, **kwargs: seen.append(kwargs),
        lambda self, *args, **kwargs: seen.append(args),
    ]
    if "begin" not in hook or "epoch" in hook or "batch" in hook:
        overrides.append(lambda self, first: seen.append(first))
    kinds = [type("Own", (tricorn.callbacks.Callback,), {hook: fn}) for fn in overrides]
    fitted(model(), callbacks=[kind() for kind in kinds])
    if "test" in hook:
        made = model()
        made.compile("sgd", "mse")
        made.evaluate(X, Y, verbose=0, callbacks=[kind() for kind in kinds])
    assert len(seen) == len(kinds)


LAYERS = {
    "build": [
        lambda self: None,
        lambda self, shape: None,
        lambda self, input_shape, more=3: None,
        lambda self, *shapes: None,
        lambda self, **shapes: None,
    ],
    "compute_mask": [
        lambda self, inputs: None,
        lambda self, inputs, mask=None: None,
        lambda self, x, m: None,
        lambda self, *args: None,
        lambda self, **kwargs: None,
    ],
    "call": [
        lambda self, inputs: inputs,
        lambda self, inputs, training=False: inputs,
        lambda self, inputs, *, training=None, mask=None: inputs,
        lambda self, inputs, **kwargs: inputs,
        lambda self, *args, **kwargs: args[0],
    ],
    "get_config": [lambda self: {}],
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers(name):
    for method in LAYERS[name]:
        plain = {"call": lambda self, inputs: inputs}
        layer = type("Own", (tricorn.layers.Layer,), {**plain, name: method})()
        for _ in range(2):
            close(layer(X, training=True), X)
        close(tricorn.Sequential([tricorn.layers.Masking(), layer])(X[None]), X[None])
        assert layer(tricorn.Input((3,))).shape == (None, 3)
        assert type(type(layer).from_config(layer.get_config())) is type(layer)


INITIALIZERS = [
    lambda shape, dtype: np.ones(shape, dtype),
    lambda shape, dtype=None: np.ones(shape, dtype),
    lambda shape: np.ones(shape),
    lambda s, d: np.ones(s, d),
    lambda shape, *, dtype: np.ones(shape, dtype),
    lambda shape, **kwargs: np.ones(shape),
    np.ones,
]


@pytest.mark.engine_free
def test_initializers():
    for initializer in INITIALIZERS:
        assert tricorn.Variable(initializer, (2,)).numpy().tolist() == [1, 1]


@pytest.mark.engine_free
@pytest.mark.parametrize(
    ("fn", "want"),
    [
        (lambda a, b, c=0: (a, b, c), (1, 2, 3)),
        (lambda a, b: (a, b), (1, 2)),
        (lambda c: c, 3),
        (lambda x: x, 1),
        (lambda x, c: (x, c), (1, 3)),
        (lambda *, c: c, 3),
        (lambda: 0, 0),
        (lambda *args: args, (1, 2)),
        (lambda **kwargs: kwargs, {"a": 1, "b": 2, "c": 3}),
        (lambda *args, **kwargs: (args, kwargs), ((1, 2), {"c": 3})),
    ],
)
def test_the_arguments_that_a_function_takes(fn, want):
    assert signatures.call(fn, {"a": 1, "b": 2}, c=3) == want
