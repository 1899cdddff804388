"""Every optimizer against Keras 3: ten steps, eager and compiled; options, files, errors."""

import copy
import pickle
import warnings

import keras
import numpy as np
import pytest

from tricorn import constraints, ops, optimizers
from tricorn.engines.registry import active
from tricorn.graph.compiled import Compiled
from tricorn.variable import Variable

SHAPES = [(4, 3), (3,)]
STEPS = 10
OPTIMIZERS = [
    ("SGD", {}),
    ("SGD", {"momentum": 0.9}),
    ("SGD", {"momentum": 0.9, "nesterov": True}),
    ("Adam", {}),
    ("Adam", {"amsgrad": True, "beta_1": 0.8, "epsilon": 1e-3}),
    ("AdamW", {}),
    ("Adamax", {}),
    ("Nadam", {}),
    ("Lion", {}),
    ("Lamb", {}),
    ("ScheduleFreeAdamW", {"warmup_steps": 3}),
    ("Ftrl", {"l1_regularization_strength": 0.01, "l2_regularization_strength": 0.1}),
    ("Ftrl", {"l2_shrinkage_regularization_strength": 0.1, "beta": 0.2, "learning_rate": 0.1}),
    ("RMSprop", {}),
    ("RMSprop", {"centered": True, "momentum": 0.8}),
    ("Adagrad", {}),
    ("Adadelta", {"learning_rate": 1.0}),
    ("Adafactor", {}),
    ("Adafactor", {"learning_rate": 0.5, "clip_threshold": 0.5, "beta_2_decay": -0.5}),
    ("Muon", {}),
    ("Muon", {"nesterov": False, "rms_rate": None, "ns_steps": 3, "adam_lr_ratio": 0.5}),
    ("Muon", {"exclude_layers": ["v0"], "weight_decay": None}),
]
OPTIONS = [
    {"weight_decay": 0.1},
    {"clipnorm": 0.5},
    {"clipvalue": 0.2},
    {"global_clipnorm": 0.7},
    {"use_ema": True, "ema_momentum": 0.9},
    {"use_ema": True, "ema_momentum": 0.9, "ema_overwrite_frequency": 3},
    {"loss_scale_factor": 8.0},
    {"gradient_accumulation_steps": 3},
    {"gradient_accumulation_steps": 2, "weight_decay": 0.1, "clipnorm": 0.5, "use_ema": True},
]
IDS = [f"{name}{i}" for i, (name, _) in enumerate(OPTIMIZERS)]


def values_and_gradients(steps=STEPS):
    rng = np.random.default_rng(1)
    values = [rng.normal(size=s).astype("float32") for s in SHAPES]
    return values, [[rng.normal(size=s).astype("float32") for s in SHAPES] for _ in range(steps)]


def named(cls, values):
    return [cls(value, name=f"v{i}") for i, value in enumerate(values)]


def close(ours, theirs, bound=1e-5):
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs):
        a, b = np.asarray(a), np.asarray(b)
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=0, atol=bound * max(np.abs(b).max(), 1e-6))


def run(optimizer, variables, gradients, apply):
    for grads in gradients:
        apply(grads)
    states = [v.numpy() for v in (*variables, *optimizer.variables)]
    optimizer.finalize_variable_values(variables)
    return [*states, *(v.numpy() for v in variables)]


def compare(name, arguments, oracle_arguments=None, steps=STEPS):
    """Eager and compiled, against Keras."""
    values, gradients = values_and_gradients(steps)
    theirs = named(keras.Variable, values)
    oracle = getattr(keras.optimizers, name)(**(oracle_arguments or arguments))
    expected = run(oracle, theirs, gradients, lambda grads: oracle.apply(grads, theirs))
    for wrap in (lambda fn: fn, Compiled):
        ours = named(Variable, values)
        optimizer = getattr(optimizers, name)(**arguments)
        apply = wrap(lambda grads: optimizer.apply(grads, ours))  # noqa: B023
        close(run(optimizer, ours, gradients, apply), expected)


@pytest.mark.parametrize(("name", "arguments"), OPTIMIZERS, ids=IDS)
def test_ten_steps(name, arguments):
    compare(name, arguments)


@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: "-".join(o))
def test_options(options):
    compare("SGD", {"learning_rate": 0.1, "momentum": 0.9, **options}, steps=7)


def test_options_with_shared_state():
    compare("Nadam", {"gradient_accumulation_steps": 2, "weight_decay": 0.01}, steps=5)


def test_adafactor_heeds_relative_step():
    """Keras lets ρ fall as 1 / √t in any case; its documentation says: if `relative_step`."""
    gradient, variable = np.ones((2, 2), "float32"), Variable(np.full((2, 2), 100.0, "float32"))
    optimizer = optimizers.Adafactor(0.9, relative_step=False)
    for _ in range(3):
        optimizer.apply([gradient], [variable])
    np.testing.assert_allclose(variable.numpy(), 100 * 0.1**3, rtol=1e-4)


def several(library):
    mapping = library.OptimizerMap(library.SGD(0.1, 0.9), {"v1": library.Adam(0.01)})
    return library.MultiOptimizer(mapping)


def test_several_optimizers():
    values, gradients = values_and_gradients()
    theirs = named(keras.Variable, values)
    oracle = several(keras.optimizers)
    expected = run(oracle, theirs, gradients, lambda grads: oracle.apply(grads, theirs))
    for wrap in (lambda fn: fn, Compiled):
        ours = named(Variable, values)
        optimizer = several(optimizers)
        apply = wrap(lambda grads: optimizer.apply(grads, ours))  # noqa: B023
        close(run(optimizer, ours, gradients, apply), expected)
    optimizer.set_weights([v.numpy() for v in oracle.variables])
    again = optimizers.deserialize(optimizers.serialize(optimizer))
    assert again.get_config() == optimizer.get_config()
    alike = keras.optimizers.deserialize(copy.deepcopy(optimizers.serialize(optimizer)))
    assert [type(one).__name__ for one in alike.optimizers] == ["Adam", "SGD"]


def test_several_optimizers_by_a_function_and_scaled():
    values, gradients = values_and_gradients(1)
    adam, sgd = optimizers.Adam(), optimizers.SGD(0.1, use_ema=True)
    optimizer = optimizers.MultiOptimizer(lambda v: adam if v.path == "v0" else sgd)
    variables = named(Variable, values)
    optimizer.build(variables)
    assert optimizer.optimizers == [adam, sgd]
    optimizer.loss_scale_factor = 2.0
    assert adam.loss_scale_factor == sgd.loss_scale_factor == 2.0
    scaled = [gradient * 2.0**15 for gradient in gradients[0]]
    optimizers.LossScaleOptimizer(optimizer).apply(scaled, variables)
    assert adam.loss_scale_factor is None
    assert int(optimizer.iterations) == int(adam.iterations) == 1
    close([variables[1].numpy()], [values[1] - 0.1 * gradients[0][1]])
    with pytest.raises(AttributeError, match="single ones"):
        optimizer.learning_rate  # noqa: B018
    with pytest.raises(AttributeError, match="single ones"):
        optimizer.learning_rate = 0.1


def test_a_map_of_optimizers():
    adam, sgd, rmsprop = optimizers.Adam(), optimizers.SGD(), optimizers.RMSprop()
    chosen = optimizers.OptimizerMap(rmsprop)
    chosen["encoder/.*"], chosen["encoder/out/kernel"] = sgd, adam
    paths = ["encoder/out/kernel", "encoder/out/bias", "encoder", "decoder/kernel"]
    assert [chosen[path] for path in paths] == [adam, sgd, rmsprop, rmsprop]
    assert list(chosen) == ["encoder/.*", "encoder/out/kernel"] and len(chosen) == 2
    chosen[".*/bias"] = adam
    with pytest.raises(ValueError, match="several optimizers are assigned to 'encoder/out/bias'"):
        chosen["encoder/out/bias"]
    del chosen[".*/bias"]
    for key, value, message in [
        ("encoder/.*", adam, "already exists"),
        (1, adam, "must be a string"),
        ("a", "adam", "must be an Optimizer"),
        ("a", optimizers.LossScaleOptimizer(adam), "cannot be LossScaleOptimizer"),
        ("a", optimizers.MultiOptimizer(chosen), "cannot be MultiOptimizer"),
    ]:
        with pytest.raises(ValueError, match=message):
            chosen[key] = value
    with pytest.raises(TypeError, match="default_optimizer"):
        optimizers.OptimizerMap("adam")
    with pytest.raises(TypeError, match="dictionary"):
        optimizers.OptimizerMap(adam, [])
    with pytest.raises(ValueError, match="optimizer of 'v'"):
        optimizers.MultiOptimizer(lambda v: None).build([Variable(np.ones(1), name="v")])


def test_schedule():
    settings = {"initial_learning_rate": 0.1, "decay_steps": 4, "decay_rate": 0.5}
    ours = {"learning_rate": optimizers.schedules.ExponentialDecay(**settings)}
    theirs = {"learning_rate": keras.optimizers.schedules.ExponentialDecay(**settings)}
    compare("Adam", ours, theirs)


def test_loss_scale():
    """Updates, overflow, growth; eager and compiled."""
    values, gradients = values_and_gradients(8)
    for i in (3, 4):
        gradients[i][1][0] = [np.inf, np.nan][i - 3]
    theirs = named(keras.Variable, values)
    arguments = {"initial_scale": 8.0, "dynamic_growth_steps": 2}
    oracle = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1, 0.9), **arguments)
    oracle.build(theirs)
    expected = [v.value for v in theirs], [v.value for v in oracle.variables]
    for grads in gradients:  # stateless: the other form leaks tracers there
        expected = oracle.stateless_apply(expected[1], grads, expected[0])
    for wrap in (lambda fn: fn, Compiled):
        ours = named(Variable, values)
        inner = optimizers.SGD(0.1, 0.9)
        optimizer = optimizers.LossScaleOptimizer(inner, **arguments)
        apply = wrap(lambda grads: optimizer.apply(grads, ours))  # noqa: B023
        for grads in gradients:
            apply(grads)
        close([v.numpy() for v in ours], expected[0])
        close([v.numpy() for v in optimizer.variables], expected[1])
    assert float(optimizer.scale_loss(np.float32(2))) == 2 * float(optimizer.dynamic_scale)
    again = optimizers.deserialize(optimizers.serialize(optimizer))
    assert again.get_config() == optimizer.get_config()
    with pytest.raises(TypeError, match="inner_optimizer"):
        optimizers.LossScaleOptimizer("sgd")


def test_exclusion_from_weight_decay():
    values, gradients = values_and_gradients(3)
    results = []
    for library, cls in ((optimizers, Variable), (keras.optimizers, keras.Variable)):
        variables = named(cls, values)
        optimizer = library.SGD(weight_decay=0.5)
        optimizer.exclude_from_weight_decay(var_list=[variables[0]], var_names=["v1"])
        for grads in gradients:
            optimizer.apply(grads, variables)
        results.append([v.numpy() for v in variables])
    close(*results)
    with pytest.raises(ValueError, match="too late"):
        optimizers_built().exclude_from_weight_decay(var_names=["bias"])


def optimizers_built(**settings):
    optimizer = optimizers.Adam(**settings)
    optimizer.build(named(Variable, values_and_gradients()[0]))
    return optimizer


def test_variables_are_those_of_keras():
    arguments = {"momentum": 0.9, "centered": True, "use_ema": True}
    arguments["gradient_accumulation_steps"] = 2
    values, _ = values_and_gradients()
    ours = optimizers.RMSprop(**arguments, name="o")
    theirs = keras.optimizers.RMSprop(**arguments, name="o")
    ours.build(named(Variable, values))
    theirs.build(named(keras.Variable, values))
    assert [v.path for v in ours.variables] == [v.path for v in theirs.variables]


def test_missing_gradients_warn_once():
    values, gradients = values_and_gradients(1)
    variables = named(Variable, values)
    optimizer = optimizers.SGD(0.1)
    with pytest.warns(UserWarning, match="v1"):
        optimizer.apply([gradients[0][0], None], variables)
    np.testing.assert_array_equal(variables[1].numpy(), values[1])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        optimizer.apply([gradients[0][0], None], variables)
    with pytest.raises(ValueError, match="v0, v1"):
        optimizer.apply([None] * 2, variables)
    assert int(optimizer.iterations) == 2


def test_constraints_hold_after_the_update():
    variable = Variable(np.ones(3, "float32"), constraint=constraints.NonNeg())
    optimizers.SGD(1.0).apply([np.array([0.5, 2.0, 1.0], "float32")], [variable])
    np.testing.assert_array_equal(variable.numpy(), [0.5, 0, 0])


def test_apply_gradients_and_pairs():
    values, gradients = values_and_gradients(1)
    variables = named(Variable, values)
    count = optimizers.SGD(0.1).apply_gradients(zip(gradients[0], variables))
    assert int(count) == 1
    close([v.numpy() for v in variables], [v - 0.1 * g for v, g in zip(values, gradients[0])])


def test_learning_rate():
    optimizer = optimizers.SGD(0.1)
    optimizer.learning_rate = 0.5
    assert float(optimizer.learning_rate) == 0.5
    assert optimizer.get_config()["learning_rate"] == 0.5
    schedule = optimizers.schedules.InverseTimeDecay(1.0, 1, 1.0)
    optimizer.learning_rate = schedule
    assert len(optimizer.variables) == 1
    optimizer.apply([np.float32(0)], [Variable(np.float32(0))])
    assert float(optimizer.learning_rate) == 0.5
    with pytest.raises(TypeError, match="schedule"):
        optimizer.learning_rate = 0.1
    assert float(optimizers.SGD(lambda: 0.25).learning_rate) == 0.25


def test_half_precision_slots_and_mixed_dtypes():
    variables = [Variable(np.ones(2), dtype="float16"), Variable(np.ones(2), dtype="float32")]
    optimizer = optimizers.Adam()
    optimizer.apply([np.ones(2, "float32"), np.ones(2, "float32")], variables)
    assert [v.dtype for v in optimizer.variables[2:]] == ["float16"] * 2 + ["float32"] * 2
    assert [v.dtype for v in variables] == ["float16", "float32"]


@pytest.mark.parametrize(("name", "arguments"), OPTIMIZERS, ids=IDS)
def test_config(name, arguments):
    optimizer = getattr(optimizers, name)(**arguments, name="mine", clipnorm=1.0)
    config = optimizers.serialize(optimizer)
    assert optimizers.deserialize(config).get_config() == optimizer.get_config()
    oracle = getattr(keras.optimizers, name).from_config(copy.deepcopy(config["config"]))
    assert oracle.get_config() == optimizer.get_config()


def test_config_with_schedule():
    schedule = optimizers.schedules.CosineDecay(0.1, 10, warmup_target=0.2, warmup_steps=3)
    again = optimizers.deserialize(optimizers.serialize(optimizers.Adam(schedule)))
    assert float(again.learning_rate) == float(schedule(0))
    assert type(again._learning_rate) is type(schedule)


def test_defaults_are_those_of_keras():
    for name in sorted({name for name, _ in OPTIMIZERS}):
        ours = getattr(optimizers, name)(name="o").get_config()
        theirs = getattr(keras.optimizers, name)(name="o").get_config()
        assert ours.keys() == theirs.keys()
        for key, value in theirs.items():
            expected = pytest.approx(value) if isinstance(value, float) else value
            assert ours[key] == expected, (name, key)


def test_state_in_files():
    values, gradients = values_and_gradients()
    store, variables = {}, named(Variable, values)
    optimizer = optimizers.Adam(amsgrad=True)
    for grads in gradients:
        optimizer.apply(grads, variables)
    optimizer.save_own_variables(store)
    oracle = keras.optimizers.Adam(amsgrad=True)
    oracle.build(named(keras.Variable, values))
    oracle.load_own_variables(store)
    close([v.numpy() for v in optimizer.variables], [v.numpy() for v in oracle.variables], 1e-7)
    fresh = optimizers.Adam(amsgrad=True)
    with pytest.warns(UserWarning, match="not built"):
        fresh.load_own_variables(store)
    fresh.build(variables)
    fresh.load_own_variables(store)
    close([v.numpy() for v in fresh.variables], [v.numpy() for v in optimizer.variables], 1e-7)
    fresh.set_weights([v.numpy() * 0 for v in fresh.variables])
    assert int(fresh.iterations) == 0


def test_pickle_continues():
    values, gradients = values_and_gradients(4)
    variables = named(Variable, values)
    optimizer = optimizers.Adam()
    for grads in gradients[:2]:
        optimizer.apply(grads, variables)
    other, theirs = pickle.loads(pickle.dumps((optimizer, variables)))
    for grads in gradients[2:]:
        optimizer.apply(grads, variables)
        other.apply(grads, theirs)
    close([v.numpy() for v in theirs], [v.numpy() for v in variables], 1e-7)


def test_optimizer_written_for_keras_3():
    class Momentum(optimizers.Optimizer):
        def __init__(self, learning_rate=0.1, **kwargs):
            super().__init__(learning_rate, **kwargs)

        def build(self, variables):
            super().build(variables)
            self.speeds = self.add_optimizer_variables(variables, "speed")

        def update_step(self, gradient, variable, learning_rate):
            speed = self.speeds[self._get_variable_index(variable)]
            self.assign(speed, speed * 0.9 - gradient * ops.cast(learning_rate, variable.dtype))
            self.assign_add(variable, speed)

    values, gradients = values_and_gradients()
    variables, expected = named(Variable, values), named(Variable, values)
    ours = Momentum(weight_decay=0.1)
    reference = optimizers.SGD(0.1, momentum=0.9, weight_decay=0.1)
    for grads in gradients:
        ours.apply(grads, variables)
        reference.apply(grads, expected)
    close([v.numpy() for v in variables], [v.numpy() for v in expected])
    assert float(ours._get_current_learning_rate()) == pytest.approx(0.1)
    with pytest.raises(ValueError, match="was not built for"):
        ours._get_variable_index(expected[0])


def test_the_engine_may_fuse_the_update(monkeypatch):
    calls = []

    def adam(values, gradients, momenta, velocities, largest, *numbers):
        calls.append(len(values))
        if len(calls) > 1:
            return NotImplemented
        return [(v - g, m, s, None) for v, g, m, s in zip(values, gradients, momenta, velocities)]

    monkeypatch.setitem(active().overrides, "adam", adam)
    variables = [Variable(np.ones(2, "float32")), Variable(np.ones(3, "float32"))]
    optimizer = optimizers.Adam(0.5, 0.0, 0.0, 0.0)
    grads = [np.ones(2, "float32"), np.ones(3, "float32")]
    optimizer.apply(grads, variables)
    np.testing.assert_array_equal(variables[0].numpy(), [0, 0])
    optimizer.apply(grads, variables)
    np.testing.assert_array_equal(variables[1].numpy(), [-0.5, -0.5, -0.5])
    assert calls == [2, 2]


def test_an_update_of_ones_own_is_heeded():
    class Half(optimizers.Adam):
        def update(self, value, gradient, learning_rate, slots, step):
            return value / 2, {}

    variable = Variable(np.ones(2, "float32"))
    Half().apply([np.ones(2, "float32")], [variable])
    np.testing.assert_array_equal(variable.numpy(), [0.5, 0.5])


def test_variables_of_several_dtypes():
    rng = np.random.default_rng(3)
    first = [rng.random(3).astype(dtype) for dtype in ("float32", "float64", "float32")]
    together = [Variable(x) for x in first]
    alone = [Variable(x) for x in first]
    optimizer, others = optimizers.Adam(0.1), [optimizers.Adam(0.1) for _ in first]
    for _ in range(3):
        grads = [rng.random(3).astype(x.dtype) for x in first]
        optimizer.apply(grads, together)
        for other, gradient, variable in zip(others, grads, alone):
            other.apply([gradient], [variable])
    for a, b in zip(together, alone):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_names():
    assert isinstance(optimizers.get("ADAM"), optimizers.Adam)
    assert isinstance(optimizers.get("rmsprop"), optimizers.RMSprop)
    assert isinstance(optimizers.get(optimizers.SGD), optimizers.SGD)
    assert optimizers.get({"class_name": "adamw", "config": {}}).weight_decay == 0.004
    with pytest.raises(ValueError, match=r"'adaam'.*adam"):
        optimizers.get("adaam")
    with pytest.raises(ValueError, match="function"):
        optimizers.get(lambda: None)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"clipnorm": 1.0, "clipvalue": 1.0}, "only one of"),
        ({"use_ema": True, "ema_momentum": 2.0}, "between 0 and 1"),
        ({"use_ema": True, "ema_overwrite_frequency": 0}, "a positive integer"),
        ({"gradient_accumulation_steps": 1}, "at least 2"),
        ({"learning_rate": "fast"}, "learning_rate must be"),
        ({"momentum": 1.5}, "momentum must be"),
        ({"moment": 1.5}, "moment"),
    ],
)
def test_bad_arguments(settings, message):
    with pytest.raises(ValueError, match=message):
        optimizers.SGD(**settings)


def test_bad_use():
    with pytest.raises(ValueError, match="not built"):
        optimizers.SGD().apply([np.ones(2)])
    optimizer = optimizers_built()
    with pytest.raises(ValueError, match=r"1 gradients were given to 'adam.*for 2 variables"):
        optimizer.apply([np.ones(2)])
    with pytest.raises(ValueError, match="stranger"):
        optimizer.apply([np.ones(2)], [Variable(np.ones(2), name="stranger")])
    with pytest.raises(ValueError, match="weight_decay"):
        optimizers.AdamW(weight_decay=None)
    with pytest.raises(ValueError, match="beta_1"):
        optimizers.Lion(beta_1=0)
