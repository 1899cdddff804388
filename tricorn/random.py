"""Random draws and their seeds: Keras's ``keras.random``."""

from tricorn.ops.random import (
    beta,
    binomial,
    categorical,
    dropout,
    gamma,
    normal,
    randint,
    shuffle,
    truncated_normal,
    uniform,
)
from tricorn.seeds import SeedGenerator, set_random_seed

__all__ = [
    "SeedGenerator", "beta", "binomial", "categorical", "dropout", "gamma", "normal", "randint",
    "set_random_seed", "shuffle", "truncated_normal", "uniform",
]  # fmt: skip

__dir__ = lambda: list(__all__)
