"""Models: graphs and stacks of layers, and models written as classes."""

from tricorn.models.functional import Functional
from tricorn.models.model import Model
from tricorn.models.sequential import Sequential

__all__ = ["Functional", "Model", "Sequential"]
