"""Models as estimators of other libraries."""

from tricorn.wrappers import scikit_learn

__all__ = ["scikit_learn"]

__dir__ = lambda: list(__all__)
