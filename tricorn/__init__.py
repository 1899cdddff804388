"""Tricorn: Keras's ideas, old and new, over today's tensor engines.

``import tricorn as keras`` gives Keras 3's public names.  Everything is loaded when it is first
used: importing the package imports neither an engine nor NumPy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from tricorn._version import __version__

if TYPE_CHECKING:  # what editors and type checkers see; `_NAMES` says it to `__getattr__`
    from tricorn import (
        activations,
        applications,
        backend,
        callbacks,
        config,
        constraints,
        data,
        datasets,
        distillation,
        dtype_policies,
        initializers,
        layers,
        legacy,
        losses,
        metrics,
        mixed_precision,
        models,
        ops,
        optimizers,
        preprocessing,
        quantizers,
        random,
        regularizers,
        saving,
        tree,
        utils,
        visualization,
        wrappers,
    )
    from tricorn.dtype_policies import DTypePolicy, FloatDTypePolicy
    from tricorn.engines import set_engine
    from tricorn.engines import use as engine
    from tricorn.graph.compiled import Compiled as function
    from tricorn.graph.compiled import executing_eagerly
    from tricorn.graph.function import Function, gradients
    from tricorn.graph.placement import cpu, device, gpu, list_devices, num_gpus, to_device
    from tricorn.graph.rematerialization import RematScope
    from tricorn.graph.stateless import StatelessScope, SymbolicScope
    from tricorn.graph.symbolic import SymbolicTensor
    from tricorn.graph.symbolic import SymbolicTensor as KerasTensor
    from tricorn.graph.tape import GradientTape
    from tricorn.graph.transforms import (
        checkpoint as remat,
    )
    from tricorn.graph.transforms import (
        custom_gradient,
        grad,
        gradients_function,
        value_and_grad,
        value_and_gradients_function,
    )
    from tricorn.initializers import Initializer
    from tricorn.layers.base import Layer
    from tricorn.layers.input_layer import Input
    from tricorn.layers.input_spec import InputSpec
    from tricorn.layers.operation import Operation
    from tricorn.losses import Loss
    from tricorn.metrics import Metric
    from tricorn.models import Model, Sequential
    from tricorn.optimizers import Optimizer
    from tricorn.quantizers import Quantizer
    from tricorn.regularizers import Regularizer
    from tricorn.saving.checkpoint import Checkpoint, CheckpointManager, latest_checkpoint
    from tricorn.seeds import set_random_seed
    from tricorn.variable import Variable, name_scope

_MODULES = (
    "activations", "applications", "backend", "callbacks", "config", "constraints", "data",
    "datasets", "distillation", "dtype_policies", "initializers", "layers", "legacy",
    "losses", "metrics", "mixed_precision", "models", "ops", "optimizers", "preprocessing",
    "quantizers", "random", "regularizers", "saving", "tree", "utils", "visualization",
    "wrappers",
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
    "Operation": ("tricorn.layers.operation", "Operation"),
    "Optimizer": ("tricorn.optimizers", "Optimizer"),
    "Quantizer": ("tricorn.quantizers", "Quantizer"),
    "Regularizer": ("tricorn.regularizers", "Regularizer"),
    "RematScope": ("tricorn.graph.rematerialization", "RematScope"),
    "Sequential": ("tricorn.models", "Sequential"),
    "StatelessScope": ("tricorn.graph.stateless", "StatelessScope"),
    "SymbolicScope": ("tricorn.graph.stateless", "SymbolicScope"),
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

__all__ = [
    "__version__", "activations", "applications", "backend", "callbacks", "config",
    "constraints", "data", "datasets", "distillation", "dtype_policies", "initializers",
    "layers", "legacy", "losses", "metrics", "mixed_precision", "models", "ops", "optimizers",
    "preprocessing", "quantizers", "random", "regularizers", "saving", "tree", "utils",
    "version", "visualization", "wrappers", "Checkpoint", "CheckpointManager", "DTypePolicy",
    "FloatDTypePolicy", "Function", "GradientTape", "Initializer", "Input", "InputSpec",
    "KerasTensor", "Layer", "Loss", "Metric", "Model", "Operation", "Optimizer", "Quantizer",
    "Regularizer", "RematScope", "Sequential", "StatelessScope", "SymbolicScope",
    "SymbolicTensor", "Variable", "cpu", "custom_gradient", "device", "engine",
    "executing_eagerly", "function", "gpu", "grad", "gradients", "gradients_function",
    "latest_checkpoint", "list_devices", "name_scope", "num_gpus", "remat", "set_engine",
    "set_random_seed", "to_device", "value_and_grad", "value_and_gradients_function",
]  # fmt: skip


def version() -> str:
    """The version of the library.

    Example:
        >>> keras.version() == keras.__version__
        True
    """
    return __version__


__dir__ = lambda: list(__all__)

#: modules and classes of Keras 3 that this version has not
_NOT_HERE = {"distribution", "export"}

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        if name in _NAMES:
            module, attribute = _NAMES[name]
            value = getattr(importlib.import_module(module), attribute)
        elif name in _MODULES:
            value = importlib.import_module(f"tricorn.{name}")
        else:
            theirs = ". Keras has it; it is not here yet" if name in _NOT_HERE else ""
            raise AttributeError(f"module 'tricorn' has no attribute {name!r}{theirs}")
        globals()[name] = value
        return value
