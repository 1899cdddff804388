"""Models as scikit-learn's estimators: what Keras 3 has for pipelines and searches."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, TransformerMixin
from sklearn.utils.metadata_routing import MetadataRequest
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_is_fitted, validate_data

from tricorn.docstrings import arguments_of
from tricorn.models import Model, clone_model
from tricorn.utils.numerical import to_categorical


class _Estimator(BaseEstimator):
    """Base of these: a model that is cloned, or built by a function, when it is fitted.

    Args:
        model: a compiled model, or a function that gives one: ``model(X=..., y=..., **kwargs)``.
        warm_start: a further `fit` goes on with the model of the last one, and the first with
            `model` itself.
        model_kwargs: arguments of the function.
        fit_kwargs: arguments of `Model.fit`; those that `fit` is given come first.

    Attributes:
        model_: the fitted model.
        history_: the `History` that its `fit` gave.
        n_features_in_: how many columns it was fitted on.

    Raises:
        ImportError: without scikit-learn.
    """

    def __init__(
        self,
        model: Any,
        warm_start: bool = False,
        model_kwargs: dict[str, Any] | None = None,
        fit_kwargs: dict[str, Any] | None = None,
    ) -> None:
        self.model, self.warm_start = model, warm_start
        self.model_kwargs, self.fit_kwargs = model_kwargs, fit_kwargs

    def __sklearn_tags__(self) -> Any:
        """What scikit-learn asks about estimators."""
        tags = super().__sklearn_tags__()
        tags.non_deterministic = True
        tags.target_tags.multi_output = not isinstance(self, ClassifierMixin)
        return tags

    @property
    def epoch_(self) -> int:
        """How many epochs the last `fit` ran."""
        return len(self.history_.epoch) if hasattr(self, "history_") else 0

    def set_fit_request(self, **kwargs: Any) -> Any:
        """Say which metadata (`sample_weight` ...) scikit-learn is to hand on to `fit`.

        Args:
            kwargs: name -> True, False, None, or the name that callers give it.

        Raises:
            RuntimeError: without ``sklearn.set_config(enable_metadata_routing=True)``.
        """
        from sklearn import get_config

        if not get_config().get("enable_metadata_routing"):
            raise RuntimeError(
                "This method is only available when metadata routing is enabled. You can enable it "
                "using sklearn.set_config(enable_metadata_routing=True)."
            )
        self._metadata_request = MetadataRequest(owner=self)
        for param, alias in kwargs.items():
            self._metadata_request.fit.add_request(param=param, alias=alias)
        return self

    def fit(self, X: Any, y: Any, **kwargs: Any) -> Any:
        """Train a model.

        Args:
            X: (samples, features).
            y: (samples,) or (samples, outputs).
            kwargs: of `Model.fit`.

        Returns:
            The estimator.

        Raises:
            RuntimeError: the model is not compiled.
        """
        several = not isinstance(self, ClassifierMixin)
        X, y = validate_data(self, X, y, multi_output=several, y_numeric=several)
        y = self._encoded(y)
        model = self._made(X, y)
        if not model.compiled or not model.loss or not model.optimizer:
            raise RuntimeError(
                "Given model needs to be compiled, and have a loss and an optimizer."
            )
        self.history_ = model.fit(X, y, **{**(self.fit_kwargs or {}), **kwargs})
        self.model_ = model
        return self

    def _made(self, X: np.ndarray, y: np.ndarray) -> Any:
        """The model to train."""
        if self.warm_start and hasattr(self, "model_"):
            return self.model_
        if not isinstance(self.model, Model):
            return self.model(X=X, y=y, **(self.model_kwargs or {}))
        return self.model if self.warm_start else clone_model(self.model)

    def predict(self, X: Any) -> np.ndarray:
        """The predictions, in the form of the targets."""
        return self._decoded(self._raw(X))

    def _raw(self, X: Any) -> np.ndarray:
        """What the model gives."""
        check_is_fitted(self)
        return self.model_.predict(validate_data(self, X, reset=False), verbose=0)

    def _encoded(self, y: np.ndarray) -> np.ndarray:
        """Targets for the model: two axes."""
        type_of_target(y, raise_unknown=True)
        self._column = y.ndim == 1
        return y.reshape(len(y), -1)

    def _decoded(self, outputs: np.ndarray) -> np.ndarray:
        """Outputs of the model in the form of the targets."""
        column = self._column and outputs.ndim == 2 and outputs.shape[1] == 1
        return outputs[:, 0] if column else outputs


@arguments_of(_Estimator)
class SKLearnClassifier(ClassifierMixin, _Estimator):
    """A classifier; see the base class.  The model gets one-hot rows, and gives a number per class.

    Attributes:
        classes_: the labels, in the order of the model's outputs.

    Example:
        >>> def build(X, y, units):
        ...     model = keras.Sequential([keras.Input(X.shape[1:]), keras.layers.Dense(units)])
        ...     model.add(keras.layers.Dense(y.shape[1], activation="softmax"))
        ...     model.compile("adam", "categorical_crossentropy")
        ...     return model
        >>> classifier = keras.wrappers.SKLearnClassifier(
        ...     build, model_kwargs={"units": 3}, fit_kwargs={"epochs": 2, "verbose": 0}
        ... )
        >>> classifier.fit(np.eye(4), ["a", "b", "a", "b"]).predict(np.eye(4)).shape
        (4,)
    """

    def __sklearn_tags__(self) -> Any:
        """What scikit-learn asks about estimators."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.poor_score = True
        return tags

    def decision_function(self, X: Any) -> np.ndarray:
        """The model's outputs, (samples, classes)."""
        return self._raw(X)

    def _encoded(self, y: np.ndarray) -> np.ndarray:
        """One-hot rows.

        Raises:
            ValueError: for a single class, several labels for a sample, numbers as of a regression.
        """
        kind = type_of_target(y, raise_unknown=True)
        if kind not in ("binary", "multiclass"):
            raise ValueError(
                "Only binary and multiclass target types are supported. Unknown label type: "
                f"Target type: {kind}"
            )
        self.classes_, places = np.unique(y, return_inverse=True)
        if len(self.classes_) == 1:
            raise ValueError("Classifier can't train when only one class is present.")
        return to_categorical(places, len(self.classes_))

    def _decoded(self, outputs: np.ndarray) -> np.ndarray:
        return self.classes_[outputs.argmax(-1)]


@arguments_of(_Estimator)
class SKLearnRegressor(RegressorMixin, _Estimator):
    """A regressor; see the base class.

    Example:
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> regressor = keras.wrappers.SKLearnRegressor(model, fit_kwargs={"verbose": 0})
        >>> regressor.fit(np.ones((4, 3)), np.ones(4)).predict(np.ones((2, 3))).shape
        (2,)
    """

    def __sklearn_tags__(self) -> Any:
        """What scikit-learn asks about estimators."""
        tags = super().__sklearn_tags__()
        tags.regressor_tags.poor_score = True
        return tags


@arguments_of(_Estimator)
class SKLearnTransformer(TransformerMixin, _Estimator):
    """A step of a pipeline that hands on what the model gives; see the base class.

    Example:
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        >>> model.compile("sgd", "mse")
        >>> embed = keras.wrappers.SKLearnTransformer(model, fit_kwargs={"verbose": 0})
        >>> embed.fit(np.ones((4, 3)), np.ones((4, 2))).transform(np.ones((5, 3))).shape
        (5, 2)
    """

    def __sklearn_tags__(self) -> Any:
        """What scikit-learn asks about estimators."""
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []
        return tags

    def transform(self, X: Any) -> np.ndarray:
        """The model's outputs."""
        return self._raw(X)


__all__ = ["SKLearnClassifier", "SKLearnRegressor", "SKLearnTransformer"]

__dir__ = lambda: list(__all__)
