"""Variables that are first met inside a transform, a trace, or a run on shapes alone are concrete
afterwards: they hold the values that they would hold anywhere else, bit by bit, and they work.

Every circumstance (the engine's own transforms and the framework's) × what happens there first.
"""

import importlib

import numpy as np
import pytest

import tricorn as keras
from tricorn import layers, ops
from tricorn.engines import registry
from tricorn.engines.abstract import AbstractTensor
from tricorn.graph.compiled import Compiled
from tricorn.graph.scope import Scope
from tricorn.graph.transforms import discover

X = np.linspace(-1, 1, 24, dtype="float32").reshape(4, 2, 3)


# ------------------------------------------------------------------------------ the circumstances
# Each calls `body`, which takes a tensor (..., 2, 3) and gives one of that shape.


def in_eval_shape(engine, body):
    engine.eval_shape(body, (AbstractTensor((None, 2, 3), "float32"),))


def in_abstract_run(engine, body):
    discover(body, (X,))


def in_compile(engine, body):
    run = engine.compile(lambda state, x: (body(x), state), False)
    for _ in range(2):
        run([], engine.tensor(X, "float32"))


def in_vjp(engine, body):
    engine.vjp(lambda x: (engine.sum(body(x), (0, 1, 2), False), None), (tensor(engine),))


def in_cond(engine, body):
    run = engine.compile(
        lambda state, x: (engine.cond(yes(engine, x), body, engine.negative, (x,)), state), False
    )
    run([], tensor(engine))


def in_while_loop(engine, body):
    def loop(state, x):
        def step(i, x):
            return engine.add(i, 1), body(x)

        start = engine.tensor(0, "int32"), x
        return engine.while_loop(lambda i, x: engine.less(i, 2), step, start)[1], state

    engine.compile(loop, False)([], tensor(engine))


def in_scan(engine, body):
    def loop(state, x):
        return engine.scan(lambda carry, row: (carry, body(row)), (), x, None, False)[1], state

    engine.compile(loop, False)([], tensor(engine))


def in_vmap(engine, body):
    engine.vmap(body, 0, 0)(tensor(engine))


def tensor(engine):
    return engine.tensor(X, "float32")


def yes(engine, x):
    return engine.less(engine.sum(x, (0, 1, 2), False), 1e9)


def native(name, **calls):
    """The circumstances that a framework makes itself: name -> function of (framework, body, x)."""

    def circumstance(call):
        return lambda engine, body: call(importlib.import_module(name), body, tensor(engine))

    return {key: circumstance(call) for key, call in calls.items()}


def function(tf, body, **settings):
    return tf.function(body, autograph=False, **settings)


def traced_with_fakes(torch, body, x):
    from torch.fx.experimental.proxy_tensor import make_fx

    make_fx(body, tracing_mode="fake", _allow_non_fake_inputs=True)(x)


def on_fakes(torch, body, x):
    from torch._subclasses.fake_tensor import FakeTensorMode

    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        body(mode.from_tensor(x))


def in_inference(torch, body, x):
    with torch.inference_mode():
        body(x)


CIRCUMSTANCES = {
    None: {
        name.removeprefix("in_"): fn
        for name, fn in list(globals().items())
        if name.startswith("in_") and fn is not in_inference
    },
    "jax": native(
        "jax",
        jit=lambda jax, body, x: jax.jit(body)(x),
        grad=lambda jax, body, x: jax.grad(lambda x: body(x).sum())(x),
        shapes=lambda jax, body, x: jax.eval_shape(body, x),
        map=lambda jax, body, x: jax.vmap(body)(x),
        rematerialised=lambda jax, body, x: jax.grad(jax.checkpoint(lambda x: body(x).sum()))(x),
        jit_of_grad_of_map=lambda jax, body, x: jax.jit(
            jax.grad(lambda x: jax.vmap(body)(x).sum())
        )(x),
    ),
    "tensorflow": native(
        "tensorflow",
        function=lambda tf, body, x: function(tf, body)(x),
        xla=lambda tf, body, x: function(tf, body, jit_compile=True)(x),
        nested=lambda tf, body, x: tf.function(tf.function(body, autograph=False), autograph=False)(
            x
        ),
        map=lambda tf, body, x: tf.map_fn(body, x),
        map_in_function=lambda tf, body, x: tf.function(
            lambda x: tf.map_fn(body, x), autograph=False
        )(x),
        loop_in_function=lambda tf, body, x: function(
            tf, lambda x: tf.while_loop(lambda i, x: i < 2, lambda i, x: (i + 1, body(x)), (0, x))
        )(x),
        concrete=lambda tf, body, x: function(tf, body).get_concrete_function(
            tf.TensorSpec([None, 2, 3])
        ),
    ),
    "torch": native(
        "torch",
        grad=lambda torch, body, x: torch.func.grad(lambda x: body(x).sum())(x),
        map=lambda torch, body, x: torch.func.vmap(body)(x),
        map_of_grad=lambda torch, body, x: torch.func.vmap(
            torch.func.grad(lambda x: body(x).sum())
        )(x),
        fakes=on_fakes,
        traced=traced_with_fakes,
        inference=in_inference,
    ),
}

# ------------------------------------------------------------------------------------- the events
# Each is a class: made outside; `happen` inside, gives a tensor like x; `variables` afterwards.


class Created:
    """A Variable is created."""

    def happen(self, x):
        if not self.variables:
            shape = (2, 3)
            self.variables = [
                keras.Variable(keras.initializers.GlorotUniform(), shape, name="w"),
                keras.Variable(np.ones(shape, "float32"), trainable=False),
                keras.Variable(keras.initializers.Ones(), (), "int32", trainable=False),
            ]
        return x + self.variables[0].value

    variables: list = []  # noqa: RUF012


class Read:
    """A Variable, created before, is read."""

    def __init__(self):
        self.variables = [keras.Variable(keras.initializers.GlorotUniform(), (2, 3))]
        self.variables.append(keras.Variable(np.full((2, 3), 2.0, "float32"), trainable=False))

    def happen(self, x):
        return x * self.variables[0] + self.variables[1]


class Assigned(Read):
    """A Variable, created before, is assigned, in a step whose assignments are dropped."""

    def happen(self, x):
        with Scope():
            for variable in self.variables:
                variable.assign(variable.value * 2 + 1)
            return x + self.variables[0].value


class Built:
    """Layers are built, by being called."""

    def __init__(self):
        self.layer = keras.Sequential(
            [layers.Dense(4), layers.BatchNormalization(), layers.Dense(3)]
        )

    def happen(self, x):
        with Scope():
            return self.layer(x)

    @property
    def variables(self):
        return self.layer.variables


class Optimized(Read):
    """An optimizer makes its slots."""

    def __init__(self):
        super().__init__()
        self.optimizer = keras.optimizers.Adam(0.01)
        self.weights = self.variables

    def happen(self, x):
        self.optimizer.build(self.weights[:1])
        self.variables = [*self.weights, *self.optimizer.variables]
        return x + self.optimizer.variables[2].value


class Drawn:
    """Random state, created inside, gives a draw, in a step whose assignments are dropped."""

    generator = None

    def happen(self, x):
        self.generator = self.generator or keras.random.SeedGenerator(5)
        with Scope():
            self.generator.next()
        return x * 1.0

    @property
    def variables(self):
        return [self.generator.state]


EVENTS = [Created, Read, Assigned, Built, Optimized, Drawn]


def sweep(name):
    """Every circumstance of a framework (None: of the contract) with every event."""
    circumstances = pytest.mark.parametrize("circumstance", CIRCUMSTANCES[name])
    events = pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.__name__.lower())
    return lambda test: events(circumstances(test))


@sweep(None)
def test_in_transforms_of_the_contract(circumstance, event, engine):
    check(CIRCUMSTANCES[None][circumstance], event, engine)


@pytest.mark.engine("jax")
@sweep("jax")
def test_in_transforms_of_jax(circumstance, event, engine):
    check(CIRCUMSTANCES["jax"][circumstance], event, engine)


@pytest.mark.engine("tensorflow")
@sweep("tensorflow")
def test_in_functions_of_tensorflow(circumstance, event, engine):
    check(CIRCUMSTANCES["tensorflow"][circumstance], event, engine)


@pytest.mark.engine("torch")
@sweep("torch")
def test_in_transforms_of_torch(circumstance, event, engine):
    check(CIRCUMSTANCES["torch"][circumstance], event, engine)


def check(circumstance, event, engine):
    """What `event` makes in the circumstance is as it is made elsewhere."""
    keras.utils.set_random_seed(7)
    plain = event()
    plain.happen(ops.convert_to_tensor(X))
    expected = [v.numpy() for v in plain.variables]

    keras.utils.set_random_seed(7)
    here = event()
    circumstance(engine, lambda x: ops.reshape(here.happen(x), ops.shape(x)))
    assert len(here.variables) == len(expected)
    for variable, value in zip(here.variables, expected):
        np.testing.assert_array_equal(variable.numpy(), value)
        np.testing.assert_array_equal(ops.convert_to_numpy(variable.value), value)

    # they are read, assigned, differentiated and stepped like any others
    def step():
        for variable in here.variables:
            variable.assign(variable.value + ops.cast(1, variable.dtype))

    Compiled(step)()
    for variable, value in zip(here.variables, expected):
        np.testing.assert_array_equal(variable.numpy(), value + np.ones((), value.dtype))
        variable.assign(value)
        np.testing.assert_array_equal(variable.numpy(), value)
    trained = [v for v in here.variables if v.trainable and v.dtype == "float32"]
    if trained:
        loss = keras.value_and_grad(lambda: sum(ops.sum(ops.square(v)) for v in trained), trained)
        for variable, gradient in zip(trained, loss()[1]):
            np.testing.assert_allclose(
                ops.convert_to_numpy(gradient), 2 * variable.numpy(), rtol=1e-6
            )


@pytest.mark.engine("torch")
@pytest.mark.parametrize("mode", ["fakes", "map"])
def test_fleeting_values_are_not_kept(mode, engine):
    variable = keras.Variable(np.ones((2, 3), "float32"))
    refused = []

    def body(x):
        with pytest.raises(RuntimeError, match="values do not last"):
            variable.assign(x[..., :2, :3] if mode == "map" else x[0])
        variable.assign(np.full((2, 3), 3.0, "float32"))  # a value that lasts
        refused.append(True)
        return x

    CIRCUMSTANCES["torch"][mode](engine, body)
    assert refused
    np.testing.assert_array_equal(variable.numpy(), np.full((2, 3), 3.0))
    assert variable.handle(registry.active()).requires_grad
