"""`Loss`: values per sample, weighted, masked and reduced to a scalar."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from tricorn import dtypes, naming, ops, signatures, tree
from tricorn.conventions import conventions_of
from tricorn.graph.calls import get_mask
from tricorn.serialization import registry
from tricorn.serialization.catalogue import Configured

#: name -> what it does with the weighted values per sample
REDUCTIONS = {
    "sum_over_batch_size": "their sum divided by their number",
    "mean": "their sum divided by their number",
    "sum": "their sum",
    "mean_with_sample_weight": "their sum divided by the sum of the weights",
    "none": "nothing",
}


class Loss(Configured):
    """Base class of losses.  Subclasses define ``call(y_true, y_pred)``.

    Args:
        name: default is the class name in snake case with a count.
        reduction: one of `REDUCTIONS`; None is ``"none"``.
        dtype: dtype, or policy, of the computation; None: floatx.

    Raises:
        ValueError: for another reduction.

    Example:
        >>> class Largest(keras.losses.Loss):
        ...     def call(self, y_true, y_pred):
        ...         return keras.ops.max(keras.ops.abs(y_true - y_pred), axis=-1)
        >>> Largest()(np.array([[1.0, 2.0]]), np.array([[1.5, 4.0]]))
        Array(2., dtype=float32)
    """

    def __init__(
        self,
        name: str | None = None,
        reduction: str | None = "sum_over_batch_size",
        dtype: Any = None,
    ) -> None:
        self.name = name or naming.unique(type(self).__name__)
        self.reduction = standardize_reduction(reduction)
        self._tricorn_given_dtype = dtype
        self._dtype = compute_dtype(dtype)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__call__" in cls.__dict__:
            cls.__call__ = _offered(cls.__call__)  # type: ignore[method-assign]

    @property
    def dtype(self) -> str:
        """The dtype that the loss is computed in."""
        return self._dtype

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """The loss.

        Args:
            y_true: targets, in general (batch, ..., d).
            y_pred: predictions (batch, ..., d).
            sample_weight: scalar, or weights that broadcast to the values per sample (batch, ...);
                a last axis of 1 too many or too few is fitted.

        Returns:
            A scalar; with reduction ``"none"`` the values per sample.  Predictions that a mask
            travelling with `y_pred` leaves out do not count; averages are over those that do.
        """
        mask = get_mask(y_pred)
        y_true, y_pred = tree.map(
            lambda x: ops.convert_to_tensor(x, dtype=self.dtype), (y_true, y_pred)
        )
        values = self.call(y_true, y_pred)
        valid = self.valid(y_true, y_pred, values)
        if mask is not None and valid is not None:
            mask = ops.logical_and(ops.cast(mask, "bool"), valid)
        return reduce_weighted_values(
            values,
            sample_weight,
            mask if mask is not None else valid,
            self.reduction,
            self.dtype,
            conventions_of(self).loss_mean,
        )

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The values per sample (batch, ...)."""
        raise NotImplementedError(f"{type(self).__name__} must define call(y_true, y_pred)")

    def valid(self, y_true: Any, y_pred: Any, values: Any) -> Any:
        """Mask of the values that count, or None: all."""
        return None

    def get_config(self) -> dict[str, Any]:
        settings = super().get_config()
        settings.pop("dtype", None)
        if self._tricorn_given_dtype is not None:
            settings["dtype"] = self.dtype
        return {"name": self.name, "reduction": self.reduction, **settings}


def _offered(fn: Callable) -> Callable:
    """A subclass's ``__call__`` that is given what it takes of the arguments of `Loss`'s."""

    @functools.wraps(fn)
    def wrapped(
        self: Any,
        y_true: Any,
        y_pred: Any,
        sample_weight: Any = None,
        mask: Any = None,
        **more: Any,
    ) -> Any:
        if sample_weight is not None and not signatures.takes(fn, "sample_weight"):
            return fn(self, y_true, y_pred, sample_weight, **more)  # they are not dropped silently
        offered = {"y_true": y_true, "y_pred": y_pred, "sample_weight": sample_weight}
        return signatures.call(fn.__get__(self), offered, mask=mask, **more)

    return wrapped


class LossFunctionWrapper(Loss):
    """The loss of a function ``(y_true, y_pred, **kwargs) -> values per sample``.

    Args:
        fn: the function.
        reduction, name, dtype: see `Loss`.
        kwargs: further arguments of the function.

    Example:
        >>> def cubic(y_true, y_pred):
        ...     return keras.ops.mean(keras.ops.abs(y_true - y_pred) ** 3, axis=-1)
        >>> loss = keras.losses.LossFunctionWrapper(cubic, name="cubic")
        >>> loss(np.array([[1.0, 2.0]]), np.array([[1.0, 4.0]]))
        Array(4., dtype=float32)
    """

    def __init__(
        self,
        fn: Callable,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name, reduction, dtype)
        self.fn, self._fn_kwargs = fn, kwargs
        vars(self).update(kwargs)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        if not isinstance(y_pred, (dict, list, tuple)):
            y_true, y_pred = squeeze_or_expand_to_same_rank(y_true, y_pred)
        return self.fn(y_true, y_pred, **self._fn_kwargs)

    def get_config(self) -> dict[str, Any]:
        settings = super().get_config()
        if "fn" in settings:
            settings["fn"] = registry.serialize_keras_object(self.fn)
            settings.update(registry.serialize_keras_object(self._fn_kwargs))
        return settings

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        return cls(**registry.deserialize_keras_object(config) if "fn" in config else config)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.fn.__name__} {self._fn_kwargs}>"


def standardize_reduction(reduction: str | None) -> str | None:
    """`reduction`, checked."""
    if reduction is not None and reduction not in tuple(REDUCTIONS):
        raise ValueError(
            f"reduction {reduction!r} is unknown; known: {', '.join(REDUCTIONS)} (None is 'none')"
        )
    return reduction


def compute_dtype(dtype: Any) -> str:
    """The dtype that a dtype argument (None, a name or a policy) asks to compute in."""
    return dtypes.standardize(getattr(dtype, "compute_dtype", dtype))


def squeeze_or_expand_to_same_rank(x1: Any, x2: Any, expand_rank_1: bool = True) -> tuple[Any, Any]:
    """Fit two tensors whose ranks differ by one because of a last axis of size 1.

    The tensor with the axis loses it, except that the other of rank 1 gains it (when
    `expand_rank_1`).  Other pairs stay as they are.
    """
    first, second = len(x1.shape), len(x2.shape)
    if first == second + 1 and x1.shape[-1] == 1:
        if second == 1 and expand_rank_1:
            return x1, ops.expand_dims(x2, -1)
        return ops.squeeze(x1, -1), x2
    if second == first + 1 and x2.shape[-1] == 1:
        if first == 1 and expand_rank_1:
            return ops.expand_dims(x1, -1), x2
        return x1, ops.squeeze(x2, -1)
    return x1, x2


def reduce_weighted_values(
    values: Any,
    sample_weight: Any = None,
    mask: Any = None,
    reduction: str | None = "sum_over_batch_size",
    dtype: Any = None,
    mean: str = "valid",
) -> Any:
    """Weigh, mask and reduce values per sample.

    Args:
        values: (batch, ...).
        sample_weight: broadcasts to `values` once ranks are fitted.
        mask: bool (batch, ...): entries that count.
        reduction: one of `REDUCTIONS` or None.
        dtype: of the result; None: that of `values`.
        mean: what means divide by, see `Conventions.loss_mean`.
    """
    reduction = standardize_reduction(reduction)
    values = ops.convert_to_tensor(values, dtype=dtype)
    if sample_weight is not None:
        sample_weight = ops.convert_to_tensor(sample_weight, dtype=values.dtype)
    if mean == "weighted":
        values, sample_weight = _per_weight(values, sample_weight, mask)
        mask = None
    weight = apply_mask(sample_weight, mask, values.dtype, reduction if mean == "valid" else None)
    if weight is not None:
        values, weight = squeeze_or_expand_to_same_rank(values, weight)
        values = values * weight
    if reduction in (None, "none") or len(values.shape) == 0:
        return values
    total = ops.sum(values)
    if reduction == "sum":
        return total
    if reduction == "mean_with_sample_weight" and weight is not None:
        return ops.divide_no_nan(total, ops.sum(weight))
    count = ops.size(values)
    if isinstance(count, int) and count:
        return ops.divide(total, count)
    return ops.divide_no_nan(total, ops.cast(count, total.dtype))


def _per_weight(values: Any, weight: Any, mask: Any) -> tuple[Any, Any]:
    """Values with one entry for each weight, or sample, and weights; both such that entries that a
    mask or a weight of 0 leaves out do not count in a mean."""
    if mask is not None:
        mask = ops.cast(mask, values.dtype)
        values = values * mask / ops.mean(mask)
    if weight is not None and len(weight.shape) > 1 and weight.shape[-1] == 1:
        weight = ops.squeeze(weight, -1)
    kept = 1 if weight is None else len(weight.shape)
    values = ops.mean(values, axis=tuple(range(kept, len(values.shape))))
    if weight is not None:
        weight = weight / ops.mean(ops.cast(ops.not_equal(weight, 0), weight.dtype))
    return values, weight


def apply_mask(sample_weight: Any, mask: Any, dtype: Any, reduction: str | None) -> Any:
    """Sample weights that are 0 where `mask` is false.

    For averages, the entries that count weigh more by the factor (all entries / entries that
    count), so that dividing by the number of all entries gives the average of those that count.
    """
    if mask is None:
        return sample_weight
    weight = ops.cast(mask, dtype)
    if reduction in ("mean", "sum_over_batch_size"):
        count = ops.cast(ops.size(weight), dtype)
        weight = weight * ops.divide_no_nan(count, ops.sum(weight))
    if sample_weight is None:
        return weight
    weight, sample_weight = squeeze_or_expand_to_same_rank(weight, ops.cast(sample_weight, dtype))
    return sample_weight * weight


def to_pair(y_true: Any, y_pred: Any, fit: bool = True) -> tuple[Any, Any]:
    """(targets, predictions) as tensors of the predictions' dtype, floating, and of one rank."""
    y_pred = ops.convert_to_tensor(y_pred)
    dtype = dtypes.floating(dtypes.standardize(y_pred.dtype))
    y_true, y_pred = ops.cast(y_true, dtype), ops.cast(y_pred, dtype)
    return squeeze_or_expand_to_same_rank(y_true, y_pred) if fit else (y_true, y_pred)
