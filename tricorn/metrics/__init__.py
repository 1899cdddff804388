"""Metrics: classes for `compile`, and functions that give values per sample."""

from tricorn.losses import (
    binary_crossentropy,
    binary_focal_crossentropy,
    categorical_crossentropy,
    categorical_focal_crossentropy,
    categorical_hinge,
    hinge,
    huber,
    kl_divergence,
    log_cosh,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
    poisson,
    sparse_categorical_crossentropy,
    squared_hinge,
)
from tricorn.metrics import accuracy, confusion, errors, legacy
from tricorn.metrics.accuracy import *
from tricorn.metrics.base import Mean, MeanMetricWrapper, Metric, Sum
from tricorn.metrics.confusion import *
from tricorn.metrics.correlation import (
    ConcordanceCorrelation,
    PearsonCorrelation,
    R2Score,
    concordance_correlation,
    pearson_correlation,
)
from tricorn.metrics.errors import *
from tricorn.metrics.iou import BinaryIoU, IoU, MeanIoU, OneHotIoU, OneHotMeanIoU
from tricorn.metrics.names import catalogue, deserialize, get, serialize

__all__ = [
    "BinaryIoU", "ConcordanceCorrelation", "IoU", "Mean", "MeanIoU", "MeanMetricWrapper", "Metric",
    "OneHotIoU", "OneHotMeanIoU", "PearsonCorrelation", "R2Score", "Sum", "binary_crossentropy",
    "binary_focal_crossentropy", "categorical_crossentropy", "categorical_focal_crossentropy",
    "categorical_hinge", "concordance_correlation", "deserialize", "get", "hinge", "huber",
    "kl_divergence", "legacy", "log_cosh", "mean_absolute_error", "mean_absolute_percentage_error",
    "mean_squared_error", "mean_squared_logarithmic_error", "pearson_correlation", "poisson",
    "serialize", "sparse_categorical_crossentropy", "squared_hinge",
]  # fmt: skip
__all__ += accuracy.__all__
__all__ += confusion.__all__
__all__ += errors.__all__

__dir__ = lambda: list(__all__)
