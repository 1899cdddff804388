"""Tricorn: Keras's ideas, old and new, over today's tensor engines.

``import tricorn as keras`` gives Keras 3's public names.  Everything is loaded when it is first
used: importing the package imports neither an engine nor NumPy.
"""

from __future__ import annotations

import importlib
from typing import Any

from tricorn._version import __version__

_MODULES = (
    "activations", "backend", "callbacks", "config", "constraints", "datasets", "dtype_policies",
    "initializers", "layers", "losses", "metrics", "mixed_precision", "models", "ops", "optimizers",
    "preprocessing", "random", "regularizers", "saving", "tree", "utils",
)  # fmt: skip
#: public name -> (module, name there)
_NAMES = {
    "Checkpoint": ("tricorn.saving.checkpoint", "Checkpoint"),
    "CheckpointManager": ("tricorn.saving.checkpoint", "CheckpointManager"),
    "DTypePolicy": ("tricorn.dtype_policies", "DTypePolicy"),
    "FloatDTypePolicy": ("tricorn.dtype_policies", "FloatDTypePolicy"),
    "Function": ("tricorn.graph.function", "Function"),
    "GradientTape": ("tricorn.graph.tape", "GradientTape"),
    "Initializer": ("tricorn.initializers", "Initializer"),
    "Input": ("tricorn.layers.input_layer", "Input"),
    "InputSpec": ("tricorn.layers.input_spec", "InputSpec"),
    "KerasTensor": ("tricorn.graph.symbolic", "SymbolicTensor"),
    "Layer": ("tricorn.layers.base", "Layer"),
    "Loss": ("tricorn.losses", "Loss"),
    "Metric": ("tricorn.metrics", "Metric"),
    "Model": ("tricorn.models", "Model"),
    "Optimizer": ("tricorn.optimizers", "Optimizer"),
    "Regularizer": ("tricorn.regularizers", "Regularizer"),
    "Sequential": ("tricorn.models", "Sequential"),
    "StatelessScope": ("tricorn.graph.stateless", "StatelessScope"),
    "SymbolicTensor": ("tricorn.graph.symbolic", "SymbolicTensor"),
    "Variable": ("tricorn.variable", "Variable"),
    "cpu": ("tricorn.graph.placement", "cpu"),
    "custom_gradient": ("tricorn.graph.transforms", "custom_gradient"),
    "device": ("tricorn.graph.placement", "device"),
    "engine": ("tricorn.engines", "use"),
    "executing_eagerly": ("tricorn.graph.compiled", "executing_eagerly"),
    "function": ("tricorn.graph.compiled", "Compiled"),
    "gpu": ("tricorn.graph.placement", "gpu"),
    "grad": ("tricorn.graph.transforms", "grad"),
    "gradients": ("tricorn.graph.function", "gradients"),
    "gradients_function": ("tricorn.graph.transforms", "gradients_function"),
    "latest_checkpoint": ("tricorn.saving.checkpoint", "latest_checkpoint"),
    "list_devices": ("tricorn.graph.placement", "list_devices"),
    "name_scope": ("tricorn.variable", "name_scope"),
    "num_gpus": ("tricorn.graph.placement", "num_gpus"),
    "remat": ("tricorn.graph.transforms", "checkpoint"),
    "set_engine": ("tricorn.engines", "set_engine"),
    "set_random_seed": ("tricorn.seeds", "set_random_seed"),
    "to_device": ("tricorn.graph.placement", "to_device"),
    "value_and_grad": ("tricorn.graph.transforms", "value_and_grad"),
    "value_and_gradients_function": (
        "tricorn.graph.transforms",
        "value_and_gradients_function",
    ),
}

__all__ = ["__version__", "version", *_MODULES, *_NAMES]


def version() -> str:
    """The version of the library."""
    return __version__


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        module, attribute = _NAMES[name]
        value = getattr(importlib.import_module(module), attribute)
    elif name in _MODULES:
        value = importlib.import_module(f"tricorn.{name}")
    else:
        raise AttributeError(f"tricorn has no {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
