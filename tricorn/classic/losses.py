"""The losses of Keras 2.3.1."""

from __future__ import annotations

from typing import Any

import tricorn.losses as core
from tricorn import ops
from tricorn.classic.faces import Change, Written, face
from tricorn.classic.names import handed_on
from tricorn.classic.tools import deserialize_keras_object, serialize_keras_object
from tricorn.losses import (
    kl_divergence,
    log_cosh,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
)

mse = MSE = mean_squared_error
mae = MAE = mean_absolute_error
mape = MAPE = mean_absolute_percentage_error
msle = MSLE = mean_squared_logarithmic_error
kld = KLD = kullback_leibler_divergence = kl_divergence
logcosh = log_cosh
cosine = cosine_proximity = core.cosine_similarity


def huber_loss(y_true: Any, y_pred: Any, delta: float = 1.0) -> Any:
    """The Huber loss of each entry: ½ e² where e = y_pred - y_true is within ± delta, else
    delta (|e| - ½ delta)."""
    error = ops.abs(ops.subtract(y_pred, y_true))
    quadratic = ops.minimum(error, delta)
    return 0.5 * ops.square(quadratic) + delta * (error - quadratic)


def binary_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, label_smoothing: float = 0
) -> Any:
    """See `tricorn.losses.binary_crossentropy`."""
    return core.binary_crossentropy(y_true, y_pred, from_logits, label_smoothing)


def categorical_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, label_smoothing: float = 0
) -> Any:
    """See `tricorn.losses.categorical_crossentropy`."""
    return core.categorical_crossentropy(y_true, y_pred, from_logits, label_smoothing)


def sparse_categorical_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, axis: int = -1
) -> Any:
    """See `tricorn.losses.sparse_categorical_crossentropy`."""
    return core.sparse_categorical_crossentropy(y_true, y_pred, from_logits, axis=axis)


_changes = {
    "BinaryCrossentropy": Change(without="axis dtype"),
    "CategoricalCrossentropy": Change(without="axis dtype"),
    "KLDivergence": Change({"name": "kullback_leibler_divergence"}, "dtype"),
    "LogCosh": Change({"name": "logcosh"}, "dtype"),
    "Loss": Change(without="dtype", first="reduction name"),
    "SparseCategoricalCrossentropy": Change(without="ignore_class axis dtype"),
}
for _name, _change in _changes.items():
    globals()[_name] = face(getattr(core, _name), _change, (Written,), __name__)

#: names that only Keras 2 had
OLDER = {
    "cosine": cosine, "cosine_proximity": cosine_proximity, "huber_loss": huber_loss,
    "kullback_leibler_divergence": kld, "logcosh": logcosh,
}  # fmt: skip


def get(identifier: Any) -> Any:
    """The loss that a name, config, class or object stands for; None for None."""
    return OLDER[identifier] if identifier in OLDER else core.get(identifier)


def deserialize(name: Any, custom_objects: Any = None) -> Any:
    """The loss that a config, or a name, describes."""
    if isinstance(name, str) and name in OLDER and name not in (custom_objects or ()):
        return OLDER[name]
    return core.deserialize(name, custom_objects)


def is_categorical_crossentropy(loss: Any) -> bool:
    """Whether a loss is the categorical cross-entropy, by its name, function or object."""
    name = getattr(loss, "name", None) or getattr(loss, "__name__", loss)
    return name == "categorical_crossentropy"


__getattr__, __dir__ = handed_on(
    globals(),
    core,
    "BinaryCrossentropy CategoricalCrossentropy CategoricalHinge Hinge Huber KLD KLDivergence "
    "LogCosh Loss LossFunctionWrapper MAE MAPE MSE MSLE MeanAbsoluteError "
    "MeanAbsolutePercentageError MeanSquaredError MeanSquaredLogarithmicError Poisson "
    "SparseCategoricalCrossentropy SquaredHinge binary_crossentropy categorical_crossentropy "
    "categorical_hinge cosine cosine_proximity cosine_similarity deserialize "
    "deserialize_keras_object get hinge huber_loss is_categorical_crossentropy kld "
    "kullback_leibler_divergence logcosh mae mape mean_absolute_error "
    "mean_absolute_percentage_error mean_squared_error mean_squared_logarithmic_error mse msle "
    "poisson serialize serialize_keras_object sparse_categorical_crossentropy squared_hinge",
)
