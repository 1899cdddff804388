"""Models as estimators of scikit-learn, which is to be installed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tricorn import checks
from tricorn.wrappers import scikit_learn

if TYPE_CHECKING:
    from tricorn.wrappers.estimators import (
        SKLearnClassifier,
        SKLearnRegressor,
        SKLearnTransformer,
    )

__all__ = ["SKLearnClassifier", "SKLearnRegressor", "SKLearnTransformer", "scikit_learn"]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        if name not in __all__:
            raise AttributeError(f"tricorn.wrappers has no {name!r}")
        checks.optional("sklearn", f"wrappers.{name}", "scikit-learn", "scikit-learn")
        from tricorn.wrappers import estimators

        return getattr(estimators, name)


__dir__ = lambda: list(__all__)
