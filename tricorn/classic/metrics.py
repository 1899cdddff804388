"""The metrics of Keras 2.3.1."""

from __future__ import annotations

from typing import Any

import tricorn.losses as core_losses
import tricorn.metrics as core
from tricorn import ops
from tricorn.classic import losses
from tricorn.classic.faces import Change, Written, face
from tricorn.classic.layer import name
from tricorn.classic.layers import Layer
from tricorn.classic.losses import (
    MAE,
    MAPE,
    MSE,
    MSLE,
    binary_crossentropy,
    categorical_crossentropy,
    categorical_hinge,
    hinge,
    kullback_leibler_divergence,
    logcosh,
    mae,
    mape,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
    mse,
    msle,
    poisson,
    sparse_categorical_crossentropy,
    squared_hinge,
)
from tricorn.classic.names import handed_on
from tricorn.classic.tools import deserialize_keras_object, serialize_keras_object
from tricorn.metrics import confusion
from tricorn.metrics.accuracy import accuracy


class MetricMethods(Written):
    """Mixin of all metrics."""

    __slots__ = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        if "reset_states" in cls.__dict__ and "reset_state" not in cls.__dict__:
            cls.reset_state = cls.__dict__["reset_states"]  # type: ignore[attr-defined]
        super().__init_subclass__(**kwargs)

    def add_weight(self: Any, *args: Any, **kwargs: Any) -> Any:
        """Make a Variable of the state: ``add_weight(name, shape=(), initializer=None,
        dtype=None)``."""
        if args and (args[0] is None or isinstance(args[0], str)):
            kwargs.update(zip(("name", "shape", "initializer", "dtype"), args))
            args = ()
        return super().add_weight(*args, **kwargs)  # type: ignore[misc]

    def reset_states(self: Any) -> None:
        """Begin anew."""
        self.reset_state()

    @property
    def weights(self: Any) -> list:
        """The state."""
        return self.variables

    def get_weights(self: Any) -> list:
        """The state as arrays."""
        return [variable.numpy() for variable in self.variables]

    def set_weights(self: Any, weights: list) -> None:
        """Assign the state."""
        for variable, value in zip(self.variables, weights, strict=True):
            variable.assign(value)


_changes = {
    "AUC": Change(without="multi_label num_labels label_weights from_logits"),
    "BinaryCrossentropy": Change(),
    "CategoricalCrossentropy": Change(without="axis"),
    "KLDivergence": Change({"name": "kullback_leibler_divergence"}),
    "MeanIoU": Change(without="ignore_class sparse_y_true sparse_y_pred axis"),
    "Metric": Change(first="name dtype"),
    "SensitivityAtSpecificity": Change(without="class_id"),
    "SparseCategoricalCrossentropy": Change(without="ignore_class"),
    "SparseTopKCategoricalAccuracy": Change(without="from_sorted_ids"),
    "SpecificityAtSensitivity": Change(without="class_id"),
}
_names = (
    "AUC Accuracy BinaryAccuracy BinaryCrossentropy CategoricalAccuracy CategoricalCrossentropy "
    "CategoricalHinge CosineSimilarity FalseNegatives FalsePositives Hinge KLDivergence "
    "LogCoshError Mean MeanAbsoluteError MeanAbsolutePercentageError MeanIoU MeanMetricWrapper "
    "MeanSquaredError MeanSquaredLogarithmicError Metric Poisson Precision Recall "
    "RootMeanSquaredError SensitivityAtSpecificity SparseCategoricalAccuracy "
    "SparseCategoricalCrossentropy SparseTopKCategoricalAccuracy SpecificityAtSensitivity "
    "SquaredHinge Sum TopKCategoricalAccuracy TrueNegatives TruePositives"
)
#: those whose names are counted
_counted = (
    "AUC FalseNegatives FalsePositives MeanIoU Metric Precision Recall SensitivityAtSpecificity "
    "SpecificityAtSensitivity TrueNegatives TruePositives"
)
for _name in _names.split():
    globals()[_name] = face(
        getattr(core, _name), _changes.get(_name), (MetricMethods,), __name__,
        prepare=name if _name in _counted.split() else None,
    )  # fmt: skip


class Reduce(globals()["Metric"]):  # type: ignore[misc]
    """A sum or mean of all values.

    Args:
        reduction: "sum", "sum_over_batch_size" or "weighted_mean".
        name, dtype: see `Metric`.
    """

    def __init__(self, reduction: str, name: str, dtype: Any = None) -> None:
        super().__init__(name=name, dtype=dtype)
        if reduction not in ("sum", "sum_over_batch_size", "weighted_mean"):
            raise ValueError(f"Reduce: there is no reduction {reduction!r}")
        self.reduction = reduction
        self.total, self.count = self.add_weight("total"), self.add_weight("count")

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        values = ops.cast(values, self.dtype)
        weights = ops.ones_like(values)
        if sample_weight is not None:
            sample_weight = ops.cast(sample_weight, self.dtype)
            missing = len(values.shape) - len(sample_weight.shape)
            shape = (*sample_weight.shape, *(1,) * missing)
            weights = weights * ops.reshape(sample_weight, shape)
        self.total.assign_add(ops.sum(values * weights))
        counted = weights if self.reduction == "weighted_mean" else ops.ones_like(values)
        self.count.assign_add(ops.sum(counted))

    def result(self) -> Any:
        if self.reduction == "sum":
            return self.total.value
        return ops.divide_no_nan(self.total, self.count)


class SensitivitySpecificityBase(MetricMethods, confusion._BestAt):
    """Base of metrics that choose among thresholds.

    Args:
        value: what the other rate is to be at least.
        num_thresholds: evenly from 0 to 1.
        name, dtype: see `Metric`.
    """

    def __init__(
        self, value: float, num_thresholds: int = 200, name: str | None = None, dtype: Any = None
    ) -> None:
        super().__init__(value, "value", num_thresholds, None, name, dtype)


def cosine_proximity(y_true: Any, y_pred: Any, axis: int = -1) -> Any:
    """The cosine of the angle between targets and predictions; as a loss it is the negative."""
    return ops.negative(core_losses.cosine_similarity(y_true, y_pred, axis))


cosine = cosine_similarity = cosine_proximity


def known_today(given: Any) -> Any:
    """A metric for ``compile``: what only Keras 2 had, as one of today under the name it had."""
    if isinstance(given, str) and given in ("cosine", "cosine_proximity", "cosine_similarity"):
        return core.CosineSimilarity(name=given)
    if isinstance(given, str) and given in losses.OLDER:
        return core.MeanMetricWrapper(losses.OLDER[given], name=given)
    return given


def clone_metric(metric: Any) -> Any:
    """A metric like this one, with a state of its own; a function is given back."""
    if isinstance(metric, core.Metric):
        return type(metric).from_config(metric.get_config())
    return metric


def clone_metrics(metrics: Any) -> Any:
    """`clone_metric` of each in a list or dict."""
    if isinstance(metrics, dict):
        return {key: clone_metric(value) for key, value in metrics.items()}
    return None if metrics is None else [clone_metric(metric) for metric in metrics]


def get(identifier: Any) -> Any:
    """The metric that a config stands for, or the function of a name, as Keras 2 has it."""
    if isinstance(identifier, str) and identifier in __dir__():
        return globals().get(identifier) or __getattr__(identifier)
    return core.get(identifier)


def deserialize(config: Any, custom_objects: Any = None) -> Any:
    """The metric that a config, or a name, describes."""
    if isinstance(config, str) and config not in (custom_objects or ()):
        return get(config)
    return core.deserialize(config, custom_objects)


__getattr__, __dir__ = handed_on(
    globals(),
    core,
    f"{_names} Layer MAE MAPE MSE MSLE Reduce SensitivitySpecificityBase accuracy binary_accuracy "
    "binary_crossentropy categorical_accuracy categorical_crossentropy categorical_hinge "
    "clone_metric clone_metrics cosine cosine_proximity cosine_similarity deserialize "
    "deserialize_keras_object get hinge kullback_leibler_divergence logcosh mae mape "
    "mean_absolute_error mean_absolute_percentage_error mean_squared_error "
    "mean_squared_logarithmic_error mse msle poisson serialize serialize_keras_object "
    "sparse_categorical_accuracy sparse_categorical_crossentropy "
    "sparse_top_k_categorical_accuracy squared_hinge top_k_categorical_accuracy",
)
