"""Tricorn: Keras's ideas, old and new, over today's tensor engines.

``import tricorn as keras`` gives Keras 3's public names.  Everything is loaded when it is first
used: importing the package imports neither an engine nor NumPy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tricorn import late
from tricorn._version import __version__

if TYPE_CHECKING:  # what editors and type checkers see; `_PLACES` says it to `__getattr__`
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

#: module -> the names that are taken from it, see `late`
_PLACES = {
    "": "activations applications backend callbacks config constraints data datasets distillation "
        "dtype_policies initializers layers legacy losses metrics mixed_precision models ops "
        "optimizers preprocessing quantizers random regularizers saving tree utils visualization "
        "wrappers",
    "dtype_policies": "DTypePolicy FloatDTypePolicy",
    "engines": "engine=use set_engine",
    "graph.compiled": "executing_eagerly function=Compiled",
    "graph.function": "Function gradients",
    "graph.placement": "cpu device gpu list_devices num_gpus to_device",
    "graph.rematerialization": "RematScope",
    "graph.stateless": "StatelessScope SymbolicScope",
    "graph.symbolic": "KerasTensor=SymbolicTensor SymbolicTensor",
    "graph.tape": "GradientTape",
    "graph.transforms": "custom_gradient grad gradients_function remat=checkpoint value_and_grad "
                        "value_and_gradients_function",
    "initializers": "Initializer",
    "layers.base": "Layer",
    "layers.input_layer": "Input",
    "layers.input_spec": "InputSpec",
    "layers.operation": "Operation",
    "losses": "Loss",
    "metrics": "Metric",
    "models": "Model Sequential",
    "optimizers": "Optimizer",
    "quantizers": "Quantizer",
    "regularizers": "Regularizer",
    "saving.checkpoint": "Checkpoint CheckpointManager latest_checkpoint",
    "seeds": "set_random_seed",
    "variable": "Variable name_scope",
}  # fmt: skip
_MODULES = tuple(_PLACES[""].split())

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
    __getattr__ = late.finder(
        __name__,
        _PLACES,
        lambda name: ". Keras has it; it is not here yet" if name in _NOT_HERE else "",
    )
