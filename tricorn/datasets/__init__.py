"""Data sets to try things on."""

from tricorn.datasets import digits

__all__ = ["digits"]

__dir__ = lambda: list(__all__)
