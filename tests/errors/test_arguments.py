"""Every public class × every argument × values of a wrong kind: what genuine Keras refuses, we
refuse; an error is a ValueError or a TypeError, Keras's where that one is meant, and names the
argument."""

from __future__ import annotations

import functools
import inspect
import itertools
import re

import keras
import numpy as np
import pytest

import tricorn

pytestmark = pytest.mark.engine_free


@pytest.fixture(autouse=True, scope="module")
def _keras_keeps_its_frames():
    keras.config.disable_traceback_filtering()  # which makes its errors slow
    yield
    keras.config.enable_traceback_filtering()


PLACES = (
    "layers", "losses", "metrics", "optimizers", "optimizers.schedules", "initializers",
    "regularizers", "constraints", "callbacks",
)  # fmt: skip

#: arguments that a class cannot be made without, by name of the argument; `...` needs the library
NEEDED = {
    "units": 3, "filters": 2, "kernel_size": 2, "rate": 0.5, "stddev": 0.5, "scale": 2.0, "n": 3,
    "input_dim": 3, "output_dim": 4, "dims": (2, 1), "target_shape": (2,), "axes": 1,
    "function": abs, "fn": abs, "activation": "relu", "num_classes": 3, "target_class_ids": [0],
    "recall": 0.5, "precision": 0.5, "specificity": 0.5, "sensitivity": 0.5, "normalizer": [1.0],
    "initial_learning_rate": 0.1, "decay_steps": 10, "first_decay_steps": 10, "decay_rate": 0.5,
    "boundaries": [1], "values": [1.0, 2.0], "schedule": abs, "filepath": "a.keras",
    "num_tokens": 3, "num_bins": 3, "num_heads": 2, "key_dim": 2, "head_dim": 2, "output_size": 2,
    "num_query_heads": 2, "num_key_value_heads": 2, "filename": "a.csv", "backup_dir": "b",
    "directory": "c",
    "learning_rate": 0.1, "pool_size": 2, "height": 4, "width": 3, "max_number": 2, "factor": 1,
    "height_factor": 0.2, "width_factor": 0.2,
}  # fmt: skip
ONLY_WHERE_NEEDED = (
    "rate", "scale", "n", "axes", "learning_rate", "activation", "pool_size", "factor"
)  # fmt: skip

WRONG = {
    "object": object(), "text": "nonsense", "negative": -1, "fraction": 2.5,
    "dict": {"a": 1},
}  # fmt: skip

#: what Keras refuses and we take, and why ("" is: an accident of Keras's)
TAKEN = {
    ("seed", "negative"): "any integer is a seed",
    ("learning_rate", "negative"): "integers are numbers",
    ("synchronized", None): "there is nothing to synchronize on one device, so nothing to refuse",
    ("weights", None): "Keras 2's argument of Bidirectional, which only files have",
    ("label_weights", None): "checked with the data",
    ("name", "negative"): "",
}


#: classes that are not swept: they are made of a function, module or file of a framework's, or, as
#: the map of a MultiOptimizer, of what Keras has no such object for
NOT_SWEPT = {
    "FlaxLayer", "JaxLayer", "TFSMLayer", "TorchModuleWrapper", "OptimizerMap", "MultiOptimizer",
}  # fmt: skip


def needed(place: str, name: str, library) -> dict:
    layers, cls = library.layers, getattr(getattr(tricorn, place.split(".")[0]), name, None)
    inner = {
        "Bidirectional": {"layer": lambda: layers.LSTM(3)},
        "TimeDistributed": {"layer": lambda: layers.Dense(3)},
        "Wrapper": {"layer": lambda: layers.Dense(3)},
        "RNN": {"cell": lambda: layers.LSTMCell(3)},
        "StackedRNNCells": {"cells": lambda: [layers.LSTMCell(3)]},
        "LossScaleOptimizer": {"inner_optimizer": library.optimizers.SGD},
        "InputLayer": {"shape": lambda: (2,)},
        "RandomGaussianBlur": {},
        "SpectralNormalization": {"layer": lambda: layers.Dense(3)},
        "Pipeline": {"layers": lambda: [layers.Rescaling(2.0)]},
        "Discretization": {"bin_boundaries": lambda: [0.0]},
        "EinsumDense": {"equation": lambda: "ab,bc->ac", "output_shape": lambda: 3},
    }
    if name in inner:
        return {key: make() for key, make in inner[name].items()}
    cls = named(place, name, tricorn)
    parameters = parameters_of(cls).values()
    return {
        p.name: NEEDED[p.name]
        for p in parameters
        if (
            p.name in NEEDED
            and (p.default is p.empty or (p.name not in ONLY_WHERE_NEEDED and p.name != "filename"))
        )
        or p.name in ("kernel_size", "pool_size")
    }


def parameters_of(cls) -> dict:
    """The parameters of a class.  (Of one that inherits `__init__`, Python 3.11 before .4 tells
    those of `__new__`.)"""
    parameters = dict(inspect.signature(cls.__init__).parameters)
    parameters.pop("self", None)
    return parameters


def named(place: str, name: str, library):
    return getattr(functools.reduce(getattr, place.split("."), library), name)


def classes():
    seen = set()
    for place in PLACES:
        ours = functools.reduce(getattr, place.split("."), tricorn)
        theirs = functools.reduce(getattr, place.split("."), keras)
        for name in ours.__all__:
            cls = getattr(ours, name)
            known = inspect.isclass(cls) and inspect.isclass(getattr(theirs, name, None))
            if (
                known
                and name not in NOT_SWEPT
                and cls not in seen
                and cls.__module__.startswith("tricorn.")
            ):
                seen.add(cls)
                yield place, name


def arguments(place: str, name: str) -> list[str]:
    """Those that both have; what every layer takes is tried on one of them."""
    ours, theirs = (parameters_of(named(place, name, library)) for library in (tricorn, keras))
    common = ["trainable", "dtype", "name", "activity_regularizer"] if name == "Dense" else []
    return [key for key in theirs if key in ours and key not in ("args", "kwargs")] + common


def told(library, place: str, name: str, given: dict | None = None) -> Exception | None:
    try:
        named(place, name, library)(**{**needed(place, name, library), **(given or {})})
    except Exception as error:
        return error
    return None


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("place, name", list(classes()), ids=lambda x: x)
def test_wrong_arguments_are_refused_where_they_are_given(place, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    abstract = name in ("Optimizer", "LearningRateSchedule", "Constraint", "Initializer")
    if abstract:
        pytest.skip("cannot be made")
    if any(isinstance(told(library, place, name), ImportError) for library in (tricorn, keras)):
        pytest.skip("needs a package that is not installed")
    assert told(tricorn, place, name) is None
    bad = []
    for argument, kind in itertools.product(dict.fromkeys(arguments(place, name)), WRONG):
        theirs = told(keras, place, name, {argument: WRONG[kind]})
        ours = told(tricorn, place, name, {argument: WRONG[kind]})
        said = f"{argument}={kind}: Keras {theirs!r:.90}, ours {ours!r:.90}"
        if ours is None:
            if theirs and (argument, kind) not in TAKEN and (argument, None) not in TAKEN:
                bad.append(said)
            continue
        meant = isinstance(theirs, (ValueError, TypeError)) and f"`{argument}`" in str(theirs)
        allowed = type(theirs) if meant else (ValueError, TypeError)
        if not isinstance(ours, allowed) or not re.search(argument, str(ours)):
            bad.append(said)
    assert not bad, "\n".join(bad)


RIGHT = {
    "losses.CategoricalFocalCrossentropy": {"alpha": [0.2, 0.8]},
    "losses.BinaryCrossentropy": {"axis": (1, 2)},
    "layers.Masking": {"mask_value": [-1.0, -1.0]},
    "layers.Softmax": {"axis": (1, 2)},
    "layers.Dense": {"units": 3, "use_bias": np.True_},
    "layers.Dropout": {"rate": np.float32(0.5)},
    "layers.Rescaling": {"scale": [1.0, 2.0]},
    "losses.Huber": {"delta": np.array(2.0)},
    "optimizers.Adam": {"beta_1": np.float64(0.9)},
    "optimizers.schedules.CosineDecay": {
        "initial_learning_rate": 0.1, "decay_steps": 1e3, "name": None,
    },
    "callbacks.ModelCheckpoint": {"filepath": "a.keras", "monitor": None, "verbose": True},
    "metrics.Precision": {"thresholds": [0.2, np.float64(0.8)]},
}  # fmt: skip


@pytest.mark.parametrize("name", RIGHT)
def test_what_keras_takes_is_taken(name):
    for library in (keras, tricorn):
        functools.reduce(getattr, name.split("."), library)(**RIGHT[name])
