"""Optimizers and learning rate schedules."""

from tricorn.optimizers import schedules
from tricorn.optimizers.adam import Adam, Adamax, AdamW, Lion, Nadam
from tricorn.optimizers.adaptive import Adadelta, Adagrad, RMSprop
from tricorn.optimizers.base import Optimizer
from tricorn.optimizers.names import catalogue
from tricorn.optimizers.sgd import SGD

get, serialize, deserialize = catalogue.get, catalogue.serialize, catalogue.deserialize

__all__ = [
    "SGD", "Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "Lion", "Nadam", "Optimizer",
    "RMSprop", "deserialize", "get", "schedules", "serialize",
]  # fmt: skip
