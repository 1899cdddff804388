"""What exists has Keras 3.15's methods and arguments, and every object makes a round trip through
its config.

`keras-3.15.1.json` is a copy of what Keras's signatures say of the names that we have: the
arguments of the constructor or function under "", those of each method under its name; what a class
has from `of` is not repeated.
"""

import inspect
import json
from pathlib import Path

import keras
import numpy as np
import pytest

import tricorn
from tricorn import layers
from tricorn.serialization import registry

KERAS = json.loads((Path(__file__).parent / "keras-3.15.1.json").read_text())

STEPS = "a step has one signature on every engine; (self, state, data) is heeded in an override"
PLAIN = "arguments of Keras 2's backend"
#: method, or class and method, or argument -> why it is missing
EXCEPTIONS = {
    "quantized_build": "a detail of Keras's layers: ours are built, then quantized",
    "Function.quantized_call": "what has no weights is not quantized",
    "Operation.quantized_call": "what has no weights is not quantized",
    **dict.fromkeys(("Model.train_step", "Model.test_step", "Model.predict_step"), STEPS),
    **dict.fromkeys(("backend.clear_session", "backend.set_epsilon", "backend.set_floatx"), PLAIN),
    "export": "exporting comes with a folder of its own",
    "jax_state_sync": "there is one truth of a Variable, so nothing is to be brought up to date",
    "compute_loss_and_updates": "a part of Keras's trainer on JAX; stateless_compute_loss is there",
    "inner_loop": "the loop is the cell's own, see layers/recurrent.py",
    "get_dropout_mask": "masks are arguments of a step, not kept by the cell",
    "get_recurrent_dropout_mask": "masks are arguments of a step, not kept by the cell",
    "reset_dropout_mask": "masks are arguments of a step, not kept by the cell",
    "reset_recurrent_dropout_mask": "masks are arguments of a step, not kept by the cell",
    "convolution_op": "a convolution is ops.conv",
    **dict.fromkeys(
        ("convert_weight", "get_elastic_transform_params", "get_shifted_bbox",
         "get_transformed_x_y", "get_clipped_bbox", "transformations"),
        "a detail of Keras's preprocessing layers",
    ),
    "finalize_state": "adapt computes everything at once",
    "convert_input": "a detail of Keras's layers",
    "get_monitor_value": "a detail of Keras's EarlyStopping",
    "interpolate_pr_auc": "a detail of Keras's AUC",
    "compute_mask.mask": "named previous_mask everywhere, as in Layer",
    "layout": "Variables are not distributed yet",
    "Dense.call.training": "it computes the same in training",
    "Function.call": "a Function is called",
    "Function.compute_output_shape": "a Function knows its outputs",
    "Function.compute_output_spec": "a Function knows its outputs",
    "Function.from_config": "graphs are written as models",
    "Function.get_config": "graphs are written as models",
    "Function.rematerialized_call": "use remat",
    "Function.symbolic_call": "call it on symbolic tensors",
    "Lambda.from_config.safe_mode": "a property of the file that is read, see docs/saving.md",
    "deserialize.name": "the name stands in the config",
}  # fmt: skip


def reach(name):
    found = tricorn
    for part in name.split(".")[1:]:
        found = getattr(found, part)
    return found


def excused(name, method, argument=None):
    """Whether `EXCEPTIONS` names it, alone or with what it belongs to."""
    owner = name.rsplit(".", 1)[-1]
    plain = [method, f"{owner}.{method}", name.removeprefix("keras.")] if method else [
        owner, name.removeprefix("keras.")
    ]  # fmt: skip
    if argument is not None:
        plain += [argument, *(f"{where}.{argument}" for where in plain)]
    return any(key in EXCEPTIONS for key in plain)


def missing(name):
    """The methods and arguments of Keras's that ours lacks."""
    facts = KERAS[name]
    methods = {**KERAS.get(facts.get("of"), {}), **facts}
    methods.pop("of", None)
    ours = reach(name)
    for method, wanted in methods.items():
        found = getattr(ours, method, None) if method else ours
        if found is None:
            if not excused(name, method):
                yield method
            continue
        if isinstance(found, type):
            found = found.__init__
        try:
            has = inspect.signature(found).parameters
        except (TypeError, ValueError):
            continue
        if isinstance(ours, type) and not method and has.keys() == {"self", "args", "kwargs"}:
            continue
        # the first argument is given by position: names of it differ within Keras, too
        for argument in wanted if isinstance(ours, type) and not method else wanted[1:]:
            anything = any(p.kind is p.VAR_KEYWORD for p in has.values())
            if argument not in has and not anything and not excused(name, method, argument):
                yield f"{method or 'the arguments'}: {argument}"


@pytest.mark.engine_free
def test_methods_and_arguments_are_keras_s():
    lacking = {name: found for name in KERAS if (found := list(missing(name)))}
    assert not lacking


@pytest.mark.engine_free
def test_every_exception_is_needed():
    """What is there by now is no exception any more."""
    text = json.dumps(KERAS)
    unknown = [key for key in EXCEPTIONS if f'"{key.split(".")[-1]}"' not in text and not any(
        name.endswith(key) for name in KERAS)]  # fmt: skip
    assert not unknown
    methods = [key for key in EXCEPTIONS if key.islower() and "." not in key]
    there = [
        (name, key)
        for name, facts in KERAS.items()
        for key in methods
        if key in {**KERAS.get(facts.get("of"), {}), **facts} and hasattr(reach(name), key)
    ]
    assert not there


# ------------------------------------------------------------------------------- the round trips

#: arguments of classes that need some
ARGUMENTS = {
    "Activation": ["relu"], "Bidirectional": [layers.LSTM(2)], "Constant": [0.5],
    "Conv1D": [2, 2], "Conv1DTranspose": [2, 2], "Conv2D": [2, 2], "Conv2DTranspose": [2, 2],
    "Conv3D": [2, 2], "Conv3DTranspose": [2, 2], "CosineDecay": [0.1, 10],
    "CosineDecayRestarts": [0.1, 10], "Dense": [2], "DepthwiseConv1D": [2],
    "DepthwiseConv2D": [2], "Dropout": [0.5], "Embedding": [3, 2],
    "ExponentialDecay": [0.1, 10, 0.5], "Dot": [1], "GaussianDropout": [0.5],
    "GaussianNoise": [0.5], "GRU": [2], "GRUCell": [2], "GroupNormalization": [1],
    "InverseTimeDecay": [0.1, 10, 0.5], "LSTM": [2], "LSTMCell": [2],
    "LossScaleOptimizer": [tricorn.optimizers.Adam()], "MeanMetricWrapper": ["mse"],
    "MeanIoU": [2], "OneHotMeanIoU": [2], "OneHotIoU": [2, [0]], "IoU": [2, [0]],
    "MaxNorm": [1.0], "Permute": [[2, 1]], "PiecewiseConstantDecay": [[1], [0.1, 0.2]],
    "PolynomialDecay": [0.1, 10], "PrecisionAtRecall": [0.5], "RNN": [layers.GRUCell(2)],
    "CenterCrop": [2, 2], "MaxNumBoundingBoxes": [2], "RandomBrightness": [0.5],
    "RandomColorDegeneration": [0.5], "RandomContrast": [0.5], "RandomCrop": [2, 2],
    "RandomHue": [0.5], "RandomPosterization": [4], "RandomRotation": [0.5],
    "RandomSaturation": [0.5], "RandomSharpness": [0.5], "RandomTranslation": [0.5, 0.5],
    "RandomZoom": [0.5], "Resizing": [2, 2],
    "RecallAtPrecision": [0.5], "RepeatVector": [2], "Rescaling": [2.0],
    "Reshape": [[4]], "SensitivityAtSpecificity": [0.5], "SeparableConv1D": [2, 2],
    "SeparableConv2D": [2, 2], "SimpleRNN": [2], "SimpleRNNCell": [2],
    "SpatialDropout1D": [0.5], "SpatialDropout2D": [0.5], "SpatialDropout3D": [0.5],
    "SpecificityAtSensitivity": [0.5], "StackedRNNCells": [[layers.GRUCell(2)]],
    "TimeDistributed": [layers.Dense(2)], "DTypePolicy": ["mixed_float16"],
    "InputLayer": [[3]], "Wrapper": [layers.Dense(2)], "Input": [[3]],
    "QuantizedDTypePolicy": ["int8"], "QuantizedFloat8DTypePolicy": ["float8"],
    "Int4DTypePolicy": ["int4/8"], "GPTQDTypePolicy": ["gptq/4/8"], "AWQDTypePolicy": ["awq/4/8"],
    "GPTQConfig": [None, None], "AWQConfig": [None, None],
}  # fmt: skip
#: what has no config, or is a function of code that data cannot name
NOT_DATA = ("Lambda", "Model", "Functional", "Sequential", "MeanMetricWrapper", "Function")
BASES = (
    *("Layer", "Loss", "Metric", "Optimizer", "Initializer", "Regularizer", "Constraint"),
    *("LearningRateSchedule", "RandomInitializer", "Reduction", "InputSpec", "Wrapper"),
    "QuantizationConfig",
)


def classes():
    for name in KERAS:
        found, short = reach(name), name.rsplit(".", 1)[-1]
        if isinstance(found, type) and hasattr(found, "from_config"):
            if short not in (*NOT_DATA, *BASES):
                yield short, found


def made(name, cls):
    return cls(*ARGUMENTS.get(name, ARGUMENTS.get(cls.__name__, [])))


@pytest.mark.engine_free
@pytest.mark.parametrize(("name", "cls"), list(classes()), ids=lambda x: getattr(x, "__name__", x))
def test_round_trip(name, cls):
    first = made(name, cls)
    data = json.loads(json.dumps(registry.serialize_keras_object(first)))
    again = registry.deserialize_keras_object(data)
    assert type(again) is type(first)
    assert json.loads(json.dumps(registry.serialize_keras_object(again))) == data
    plain = type(first).from_config(first.get_config())
    assert json.loads(json.dumps(registry.serialize_keras_object(plain))) == data


SEEDED = [
    *("RandomNormal", "RandomUniform", "TruncatedNormal", "VarianceScaling", "GlorotUniform"),
    *("GlorotNormal", "HeNormal", "HeUniform", "LecunNormal", "LecunUniform", "Orthogonal"),
]


@pytest.mark.engine_free
@pytest.mark.parametrize("name", SEEDED)
def test_initializers_that_hold_a_generator(name):
    seeds = tricorn.random.SeedGenerator(3, name="mine")
    first = getattr(tricorn.initializers, name)(seed=seeds)
    dense = layers.Dense(2, kernel_initializer=first)
    again = layers.Dense.from_config(json.loads(json.dumps(dense.get_config())))
    held = again.kernel_initializer.seed
    assert (type(held), held.seed, held.name) == (tricorn.random.SeedGenerator, 3, "mine")
    np.testing.assert_array_equal(first((2, 3)), again.kernel_initializer((2, 3)))
    assert not np.array_equal(first((2, 3)), first((2, 3)))


@pytest.mark.engine_free
@pytest.mark.parametrize(("name", "cls"), [c for c in classes() if issubclass(c[1], layers.Layer)],
                         ids=lambda x: getattr(x, "__name__", x))  # fmt: skip
def test_layers_without_weights_are_built(name, cls):
    layer = made(name, cls)
    assert layer.built is (cls.build is layers.Layer.build)
    if layer.built:
        with pytest.raises(ValueError, match="is built"):
            layer.add_weight((2,))


def test_own_layers_are_built_by_their_first_call():
    class Mine(layers.Layer):
        def call(self, x):
            return x

    class WithWeights(layers.ReLU):
        def build(self, shape):
            self.scale = self.add_weight((shape[-1],))

        def call(self, x):
            return super().call(x) * self.scale

    class InInit(layers.ReLU):
        def __init__(self):
            super().__init__()
            self.scale = self.add_weight((3,))

    x = np.ones((2, 3), "float32")
    for layer, before, weights in (
        (Mine(), False, 0),
        (WithWeights(), False, 1),
        (InInit(), True, 1),
    ):
        assert layer.built is before
        layer(x)
        assert layer.built and len(layer.weights) == weights


def test_variables_take_initializers_by_name():
    assert tricorn.Variable("ones", shape=(2,)).numpy().tolist() == [1, 1]
    variable = tricorn.Variable("zeros", (2,), "int32", aggregation="sum", name="v")
    assert (variable.dtype, variable.aggregation, variable.name) == ("int32", "sum", "v")
    with pytest.raises(ValueError, match="aggregation must be one of"):
        tricorn.Variable(1.0, aggregation="median")


#: what users derive classes of their own from, made
MADE_FOR_SUBCLASSES = {
    "layers.Layer": lambda lib: lib.layers.Layer(),
    "layers.Wrapper": lambda lib: lib.layers.Wrapper(lib.layers.Dense(1)),
    "layers.RNN": lambda lib: lib.layers.RNN(lib.layers.LSTMCell(2)),
    "Model": lambda lib: lib.Model(),
    "Sequential": lambda lib: lib.Sequential([lib.layers.Dense(1)]),
    "losses.Loss": lambda lib: lib.losses.Loss(),
    "losses.MeanSquaredError": lambda lib: lib.losses.MeanSquaredError(),
    "metrics.Metric": lambda lib: lib.metrics.Metric(),
    "metrics.Mean": lambda lib: lib.metrics.Mean(),
    "metrics.MeanMetricWrapper": (
        lambda lib: lib.metrics.MeanMetricWrapper(lib.losses.mean_squared_error)
    ),
    "optimizers.SGD": lambda lib: lib.optimizers.SGD(),
    "optimizers.Adam": lambda lib: lib.optimizers.Adam(),
    "optimizers.schedules.LearningRateSchedule": (
        lambda lib: lib.optimizers.schedules.ExponentialDecay(0.1, 2, 0.5)
    ),
    "callbacks.Callback": lambda lib: lib.callbacks.Callback(),
    "constraints.Constraint": lambda lib: lib.constraints.Constraint(),
    "initializers.Initializer": lambda lib: lib.initializers.Initializer(),
    "regularizers.Regularizer": lambda lib: lib.regularizers.L2(),
    "utils.PyDataset": lambda lib: lib.utils.PyDataset(),
}


@pytest.mark.engine_free
@pytest.mark.parametrize("name", MADE_FOR_SUBCLASSES)
def test_private_names_leave_room_for_those_of_users(name):
    """A subclass may use any private name that it may use in Keras."""
    known, ours = (set(dir(MADE_FOR_SUBCLASSES[name](lib))) for lib in (keras, tricorn))
    taken = {n for n in ours - known if n.startswith("_") and not n.startswith("__")}
    taken -= {"_direction"}  # which Keras's callbacks ask metrics for
    assert not {n for n in taken if not n.startswith("_tricorn")}
