"""Optimizers and learning rate schedules."""

from tricorn.optimizers import legacy, schedules
from tricorn.optimizers.adafactor import Adafactor
from tricorn.optimizers.adam import Adam, Adamax, AdamW, Lamb, Lion, Nadam, ScheduleFreeAdamW
from tricorn.optimizers.adaptive import Adadelta, Adagrad, Ftrl, RMSprop
from tricorn.optimizers.base import Optimizer
from tricorn.optimizers.loss_scale import LossScaleOptimizer
from tricorn.optimizers.multi_optimizer import MultiOptimizer, OptimizerMap
from tricorn.optimizers.muon import Muon
from tricorn.optimizers.names import catalogue, deserialize, get, serialize
from tricorn.optimizers.sgd import SGD

__all__ = [
    "SGD", "Adadelta", "Adafactor", "Adagrad", "Adam", "AdamW", "Adamax", "Ftrl", "Lamb", "Lion",
    "LossScaleOptimizer", "MultiOptimizer", "Muon", "Nadam", "Optimizer", "OptimizerMap", "RMSprop",
    "ScheduleFreeAdamW", "deserialize", "get", "legacy", "schedules", "serialize",
]  # fmt: skip

__dir__ = lambda: list(__all__)
