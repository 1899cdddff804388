"""``keras`` as of 2.3.1: ``from tricorn.classic import keras``."""

import sys

from tricorn import script
from tricorn.classic import (
    activations,
    applications,
    backend,
    callbacks,
    constraints,
    engine,
    initializers,
    layers,
    losses,
    metrics,
    models,
    modules,
    optimizers,
    regularizers,
    utils,
)
from tricorn.classic.layers import Input
from tricorn.classic.models import Model, Sequential

__version__ = "2.3.1"
__path__: list[str] = []  # `script.Finder` knows what is below


def __getattr__(name: str) -> object:
    raise AttributeError(f"Keras 2.3.1 has no keras.{name}; the modern face is tricorn's")


def _place() -> None:
    """Put every module at its path, as importing Keras did."""
    here = sys.modules[__name__]
    script.install(__name__, modules.classic)
    for path in modules.paths():
        outer, _, last = path.rpartition(".")
        parent = modules.classic(outer) if outer else here
        setattr(parent, last, modules.classic(path))


_place()
