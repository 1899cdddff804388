"""Intersection over union of predicted and true classes, from a confusion matrix."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from tricorn import config, dtypes, limits, ops
from tricorn.checks import integer, is_int, wrong
from tricorn.metrics.base import Metric


class IoU(Metric):
    """The mean over target classes of tp / (tp + fp + fn); classes that never occur do not count.

    Args:
        num_classes: how many.
        target_class_ids: the classes that the mean is over.
        name, dtype: see `Metric`; the default dtype is int32, so weights should be integers.
        ignore_class: true labels of this class do not count.
        sparse_y_true, sparse_y_pred: classes are given as indices, not one-hot or as scores.
        axis: of the classes, where they are not indices.

    Raises:
        ValueError: a target class that does not exist.

    Example:
        >>> metric = keras.metrics.IoU(num_classes=3, target_class_ids=[1, 2])
        >>> metric.update_state([0, 1, 2, 2], [0, 1, 1, 2])
        >>> metric.result()
        Array(0.5, dtype=float32)
    """

    _direction = "up"

    def __init__(
        self,
        num_classes: int,
        target_class_ids: Sequence[int],
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_true: bool = True,
        sparse_y_pred: bool = True,
        axis: int = -1,
    ) -> None:
        super().__init__(dtype or "int32", name)
        self.num_classes = integer(self, "num_classes", num_classes, 1)
        limits.take(f"a metric of {num_classes:,} classes", 4 * num_classes**2)
        several = isinstance(target_class_ids, (Sequence, np.ndarray)) and len(target_class_ids)
        self.target_class_ids = list(target_class_ids) if several else []
        if not several or not all(is_int(i) and 0 <= i < num_classes for i in target_class_ids):
            wanted = f"a list of classes within [0, {num_classes})"
            raise wrong(self, "target_class_ids", wanted, target_class_ids)
        self.ignore_class, self.axis = ignore_class, axis
        self.sparse_y_true, self.sparse_y_pred = sparse_y_true, sparse_y_pred
        shape = (num_classes, num_classes)
        self.total_cm = self.add_variable(shape, "zeros", self.dtype, name="total_confusion_matrix")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take a batch in.

        Args:
            y_true, y_pred: indices of classes, or one-hot labels and scores, of one shape.
            sample_weight: of the shape of the indices.
        """
        y_true = self._indices(y_true, self.sparse_y_true)
        y_pred = self._indices(y_pred, self.sparse_y_pred)
        given = getattr(sample_weight, "dtype", None) or np.asarray(sample_weight or 0).dtype
        if dtypes.is_float(dtypes.standardize(given)) and not dtypes.is_float(self.dtype):
            warnings.warn(
                f"{self.name!r} counts in {self.dtype}, so the float sample_weight is cut to "
                f"integers; give dtype='float32'",
                stacklevel=2,
            )
        weight = ops.cast(1 if sample_weight is None else sample_weight, self.dtype)
        if len(weight.shape) > 1:
            weight = ops.reshape(weight, (-1,))
        counted = [ops.logical_and(y >= 0, y < self.num_classes) for y in (y_true, y_pred)]
        valid = ops.logical_and(*counted)
        if self.ignore_class is not None:
            valid = ops.logical_and(valid, ops.not_equal(y_true, self.ignore_class))
        weight = ops.broadcast_to(weight, ops.shape(y_true)) * ops.cast(valid, self.dtype)
        cell = ops.where(valid, y_true * self.num_classes + y_pred, ops.zeros_like(y_true))
        matrix = ops.segment_sum(weight, cell, self.num_classes**2)
        self.total_cm.assign_add(ops.reshape(matrix, (self.num_classes, self.num_classes)))

    def _indices(self, y: Any, sparse: bool) -> Any:
        y = ops.convert_to_tensor(y) if sparse else ops.argmax(y, axis=self.axis)
        return ops.reshape(ops.cast(y, "int32"), (-1,))

    def result(self) -> Any:
        matrix = ops.cast(self.total_cm, config.floatx())
        right = ops.diag(matrix)
        union = ops.sum(matrix, axis=0) + ops.sum(matrix, axis=1) - right
        targets = np.asarray(self.target_class_ids, "int32")
        right, union = (ops.take(x, targets, axis=0) for x in (right, union))
        occurs = ops.cast(union > 1e-9, config.floatx())
        ratios = occurs * right / (union + config.epsilon())
        return ops.sum(ratios) / (ops.sum(occurs) + config.epsilon())


class BinaryIoU(IoU):
    """`IoU` of two classes, told apart by a threshold.

    Args:
        target_class_ids: the classes that the mean is over.
        threshold: scores from it on are class 1.
        name, dtype: see `IoU`.

    Example:
        >>> metric = keras.metrics.BinaryIoU(target_class_ids=[1], threshold=0.5)
        >>> metric.update_state([0, 1, 1, 1], [0.1, 0.2, 0.8, 0.9])
        >>> metric.result()
        Array(0.6666666, dtype=float32)
    """

    def __init__(
        self,
        target_class_ids: Sequence[int] = (0, 1),
        threshold: float = 0.5,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(2, target_class_ids, name, dtype)
        self.threshold = threshold

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        above = ops.convert_to_tensor(y_pred) >= self.threshold
        super().update_state(y_true, above, sample_weight)


class MeanIoU(IoU):
    """`IoU` over all classes.

    Args:
        num_classes, name, dtype, ignore_class, sparse_y_true, sparse_y_pred, axis: see `IoU`.

    Example:
        >>> metric = keras.metrics.MeanIoU(num_classes=2)
        >>> metric.update_state([0, 0, 1, 1], [0, 1, 0, 1])
        >>> metric.result()
        Array(0.33333334, dtype=float32)
    """

    def __init__(
        self,
        num_classes: int,
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_true: bool = True,
        sparse_y_pred: bool = True,
        axis: int = -1,
    ) -> None:
        super().__init__(
            num_classes, range(integer(self, "num_classes", num_classes, 1)), name, dtype,
            ignore_class, sparse_y_true, sparse_y_pred, axis,
        )  # fmt: skip


class OneHotIoU(IoU):
    """`IoU` of one-hot labels.

    Args:
        num_classes, target_class_ids, name, dtype, ignore_class, sparse_y_pred, axis: see `IoU`.

    Example:
        >>> metric = keras.metrics.OneHotIoU(num_classes=2, target_class_ids=[1])
        >>> metric.update_state([[0, 1], [1, 0]], [[0.2, 0.8], [0.3, 0.7]])
        >>> metric.result()
        Array(0.49999994, dtype=float32)
    """

    def __init__(
        self,
        num_classes: int,
        target_class_ids: Sequence[int],
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_pred: bool = False,
        axis: int = -1,
    ) -> None:
        super().__init__(
            num_classes, target_class_ids, name, dtype, ignore_class, False, sparse_y_pred, axis
        )


class OneHotMeanIoU(MeanIoU):
    """`IoU` of one-hot labels over all classes.

    Args:
        num_classes, name, dtype, ignore_class, sparse_y_pred, axis: see `IoU`.

    Example:
        >>> metric = keras.metrics.OneHotMeanIoU(num_classes=2)
        >>> metric.update_state([[0, 1], [1, 0]], [[0.2, 0.8], [0.3, 0.7]])
        >>> metric.result()
        Array(0.25, dtype=float32)
    """

    def __init__(
        self,
        num_classes: int,
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_pred: bool = False,
        axis: int = -1,
    ) -> None:
        super().__init__(num_classes, name, dtype, ignore_class, False, sparse_y_pred, axis)
