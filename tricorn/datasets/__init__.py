"""Data sets to try things on; `digits` ships with the package, the others are fetched once."""

import importlib
from typing import TYPE_CHECKING, Any

from tricorn.datasets import digits

if TYPE_CHECKING:
    from tricorn.datasets import (
        boston_housing,
        california_housing,
        cifar10,
        cifar100,
        fashion_mnist,
        imdb,
        mnist,
        reuters,
    )

__all__ = [
    "boston_housing", "california_housing", "cifar10", "cifar100", "digits", "fashion_mnist",
    "imdb", "mnist", "reuters",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in __all__:
        return importlib.import_module(f"tricorn.datasets.{name}")
    raise AttributeError(f"tricorn.datasets has no {name!r}")


__dir__ = lambda: list(__all__)
