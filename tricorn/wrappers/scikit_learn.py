"""Models as estimators that scikit-learn's pipelines and searches take."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from tricorn.models import Model
from tricorn.utils.numerical import to_categorical


class BaseWrapper:
    """Base of these: a model that a function builds when it is fitted.

    Args:
        build_fn: gives a compiled model; None: the wrapper's own ``__call__``.
        sk_params: arguments of `build_fn`, `fit`, `predict` and `evaluate`, each for those that
            take it.

    Attributes:
        model: the model, once it was fitted.

    Raises:
        ValueError: for an argument that none of them takes.
    """

    def __init__(self, build_fn: Callable | None = None, **sk_params: Any) -> None:
        self.build_fn, self.sk_params = build_fn, sk_params
        self.check_params(sk_params)

    @property
    def _build(self) -> Callable:
        wrapper: Any = self
        build = wrapper.__call__ if self.build_fn is None else self.build_fn
        return build if inspect.isroutine(build) else build.__call__

    def check_params(self, params: dict[str, Any]) -> None:
        """Refuse what nothing takes."""
        for name in params:
            takers = (Model.fit, Model.predict, Model.evaluate, self._build)
            if name != "nb_epoch" and not any(_takes(one, name) for one in takers):
                raise ValueError(f"{name} is not a legal parameter")

    def get_params(self, deep: bool = True, **params: Any) -> dict[str, Any]:
        """All settings."""
        return {**copy.deepcopy(self.sk_params), "build_fn": self.build_fn}

    def set_params(self, **params: Any) -> BaseWrapper:
        """Change settings."""
        self.build_fn = params.pop("build_fn", self.build_fn)
        self.check_params(params)
        self.sk_params.update(params)
        return self

    def filter_sk_params(self, fn: Callable, override: dict | None = None) -> dict[str, Any]:
        """The settings that a function takes, and those of `override`."""
        own = {name: value for name, value in self.sk_params.items() if _takes(fn, name)}
        return {**own, **(override or {})}

    def fit(self, x: Any, y: Any, **kwargs: Any) -> Any:
        """Build a model and train it; gives its `History`."""
        self.model = self._build(**self.filter_sk_params(self._build))
        settings = copy.deepcopy(self.filter_sk_params(Model.fit, kwargs))
        return self.model.fit(x, self._targets(y), **settings)

    def _targets(self, y: Any) -> Any:
        """One-hot targets where the loss wants them."""
        loss = self.model.loss
        name = getattr(loss, "__name__", getattr(loss, "name", loss))
        one_hot = name == "categorical_crossentropy" and np.ndim(y) != 2
        return to_categorical(y).astype("float32") if one_hot else y

    def __sklearn_tags__(self) -> Any:
        """What scikit-learn's searches ask for."""
        from sklearn.utils import ClassifierTags, RegressorTags, Tags, TargetTags

        classifies = isinstance(self, KerasClassifier)
        return Tags(
            estimator_type="classifier" if classifies else "regressor",
            target_tags=TargetTags(required=True),
            classifier_tags=ClassifierTags() if classifies else None,
            regressor_tags=None if classifies else RegressorTags(),
        )


def _takes(fn: Callable, name: str) -> bool:
    return name in inspect.signature(fn).parameters


class KerasClassifier(BaseWrapper):
    """A classifier; see `BaseWrapper`.

    Attributes:
        classes_: the labels, in the order of the model's outputs.
        n_classes_: how many.

    Example:
        >>> def build(units=4):
        ...     model = keras.Sequential(
        ...         [keras.Input((2,)), keras.layers.Dense(units), keras.layers.Dense(2, "softmax")]
        ...     )
        ...     model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
        ...     return model
        >>> from tricorn.wrappers.scikit_learn import KerasClassifier
        >>> classifier = KerasClassifier(build, units=3, epochs=1, verbose=0)
        >>> history = classifier.fit(np.ones((4, 2)), np.array(["a", "b", "a", "b"]))
        >>> classifier.predict_proba(np.ones((3, 2))).shape
        (3, 2)
    """

    def fit(self, x: Any, y: Any, sample_weight: Any = None, **kwargs: Any) -> Any:
        """Build a model and train it on labels, or one-hot rows of them; gives its `History`."""
        y = np.asarray(y)
        if y.ndim == 2 and y.shape[1] > 1:
            self.classes_ = np.arange(y.shape[1])
        elif y.ndim == 1 or y.shape[1:] == (1,):
            self.classes_ = np.unique(y)
            y = np.searchsorted(self.classes_, y)
        else:
            raise ValueError(f"Invalid shape for y: {y.shape}")
        self.n_classes_ = len(self.classes_)
        if sample_weight is not None:
            kwargs["sample_weight"] = sample_weight
        return super().fit(x, y, **kwargs)

    def _predicted(self, x: Any, kwargs: dict[str, Any]) -> np.ndarray:
        return np.asarray(self.model.predict(x, **self.filter_sk_params(Model.predict, kwargs)))

    def predict(self, x: Any, **kwargs: Any) -> np.ndarray:
        """The labels."""
        found = self._predicted(x, kwargs)
        places = found.argmax(-1) if found.shape[-1] > 1 else (found > 0.5).astype("int32")
        return self.classes_[places]

    def predict_proba(self, x: Any, **kwargs: Any) -> np.ndarray:
        """A probability for each class, also where the model gives that of the second one only."""
        found = self._predicted(x, kwargs)
        return np.hstack([1 - found, found]) if found.shape[1] == 1 else found

    def score(self, x: Any, y: Any, **kwargs: Any) -> float:
        """The accuracy.

        Raises:
            ValueError: the model was not compiled with it.
        """
        y = self._targets(np.searchsorted(self.classes_, y))
        kwargs = {**self.filter_sk_params(Model.evaluate, kwargs), "return_dict": True}
        found = self.model.evaluate(x, y, **kwargs)
        for name in ("accuracy", "acc"):
            if name in found:
                return found[name]
        raise ValueError('the model has no accuracy: compile it with metrics=["accuracy"]')


class KerasRegressor(BaseWrapper):
    """A regressor; see `BaseWrapper`."""

    def predict(self, x: Any, **kwargs: Any) -> np.ndarray:
        """The predictions, (n,) where the model gives (n, 1)."""
        found = np.asarray(self.model.predict(x, **self.filter_sk_params(Model.predict, kwargs)))
        return found[..., 0] if found.shape[-1] == 1 else found

    def score(self, x: Any, y: Any, **kwargs: Any) -> float:
        """The loss, negated: more is better."""
        kwargs = self.filter_sk_params(Model.evaluate, kwargs)
        return -float(np.ravel(self.model.evaluate(x, y, **kwargs))[0])


__all__ = ["BaseWrapper", "KerasClassifier", "KerasRegressor"]
