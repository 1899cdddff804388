"""`Metric`: a number gathered over batches; its state is a few small Variables."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np

from tricorn import checks, dtypes, initializers, naming, ops, signatures
from tricorn.conventions import conventions_of
from tricorn.graph.calls import get_mask
from tricorn.graph.scope import Scope
from tricorn.losses import base as losses
from tricorn.serialization import registry
from tricorn.serialization.catalogue import Configured
from tricorn.tracking import PLAIN, Tracker
from tricorn.variable import Variable, name_scope


class Metric(Configured):
    """Base class of metrics.

    Subclasses make Variables in `__init__` (`add_variable`), define ``update_state(...)`` and
    ``result()``.

    Args:
        dtype: dtype, or policy, of state and computation; None: floatx.
        name: default is the class name in snake case with a count.

    Example:
        >>> class Positives(keras.metrics.Metric):
        ...     def __init__(self, name="positives", **kwargs):
        ...         super().__init__(name=name, **kwargs)
        ...         self.count = self.add_weight(name="count", initializer="zeros")
        ...
        ...     def update_state(self, y_true, y_pred, sample_weight=None):
        ...         found = keras.ops.cast(keras.ops.greater(y_pred, 0.5), "float32")
        ...         self.count.assign_add(keras.ops.sum(found))
        ...
        ...     def result(self):
        ...         return self.count
        >>> metric = Positives()
        >>> metric.update_state([1, 0], np.array([0.9, 0.8]))
        >>> float(metric.result())
        2.0
    """

    #: whether more ("up") or less ("down") is better, None: not known
    _direction: str | None = None

    __slots__ = ("_tricorn",)
    _tricorn_tracked_as = "metric"
    #: what it holds
    _tricorn: Tracker

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        self = object.__new__(cls)
        object.__setattr__(self, "_tricorn", Tracker())
        return self

    def __init__(self, dtype: Any = None, name: str | None = None) -> None:
        self.name = name or naming.unique(type(self).__name__)
        self._dtype = losses.compute_dtype(dtype)

    def __setattr__(self, name: str, value: Any) -> None:
        if type(value) not in PLAIN or name in self._tricorn.attributes:
            value = self._tricorn.set(name, value)
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        object.__delattr__(self, name)
        self._tricorn.delete(name)

    def __getstate__(self) -> dict[str, Any]:
        return {"tracker": self._tricorn, **self._tricorn.saved(self.__dict__)}

    def __setstate__(self, saved: dict[str, Any]) -> None:
        object.__setattr__(self, "_tricorn", saved["tracker"])
        self._tricorn.restore(self.__dict__, saved)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        own = cls.__dict__.get("update_state")
        if own is not None and not signatures.takes(own, "sample_weight"):
            cls.update_state = _without_weights(own)  # type: ignore[method-assign]

    @property
    def dtype(self) -> str:
        """The dtype of state and computation."""
        return self._dtype

    @property
    def variables(self) -> list[Variable]:
        """The state, with that of metrics inside this one."""
        own = self._tricorn.held("variable", "trainable variable")
        inside = [v for metric in self._tricorn.held("metric") for v in metric.variables]
        return list(dict.fromkeys([*own, *inside]))

    def add_variable(
        self,
        shape: Sequence[int],
        initializer: Any,
        dtype: Any = None,
        aggregation: str = "sum",
        name: str | None = None,
    ) -> Variable:
        """Make a Variable of the state.

        Args:
            shape: its shape.
            initializer: an initializer or its name.
            dtype: its dtype; None: floatx.
            aggregation: how devices put their parts together; for Keras's signature.
            name: for people.
        """
        if "name" not in self.__dict__:
            raise RuntimeError(
                f"{type(self).__name__}.__init__ must call super().__init__() before it makes "
                "Variables"
            )
        first = initializers.get(initializer)
        with name_scope(self.name.replace("/", ">")):
            made = Variable(first, tuple(shape), dtype, trainable=False, autocast=False, name=name)
        self._tricorn.add(made)
        return made

    def add_weight(
        self,
        shape: Sequence[int] = (),
        initializer: Any = "zeros",
        dtype: Any = None,
        name: str | None = None,
    ) -> Variable:
        """Make a Variable of the state, see `add_variable`."""
        return self.add_variable(shape, initializer or "zeros", dtype, name=name)

    def update_state(self, *args: Any, **kwargs: Any) -> None:
        """Take one batch in."""
        raise NotImplementedError(f"{type(self).__name__} must define update_state(...)")

    def result(self) -> Any:
        """The metric now: a scalar tensor, a tensor, or a dict of them."""
        raise NotImplementedError(f"{type(self).__name__} must define result()")

    def reset_state(self) -> None:
        """Begin anew: the state is zero."""
        for variable in self.variables:
            variable.assign(np.zeros(variable.shape, dtypes.to_numpy(variable.dtype)))

    # ---------------------------------------------------------------- with the state given, changed
    # by nothing: pure functions, for ``jax.jit`` and its like

    def stateless_update_state(self, metric_variables: Sequence, *args: Any, **kwargs: Any) -> list:
        """The state after `update_state`, as tensors.

        Args:
            metric_variables: the state before, in the order of `variables`.
            args, kwargs: of `update_state`.
        """
        if not self.variables:  # those that make their state from the first batch
            with Scope():
                self.update_state(*args, **kwargs)
        with _holding(self, metric_variables):
            self.update_state(*args, **kwargs)
            return [variable.value for variable in self.variables]

    def stateless_result(self, metric_variables: Sequence) -> Any:
        """`result` for a state, tensors in the order of `variables`."""
        with _holding(self, metric_variables):
            return self.result()

    def stateless_reset_state(self) -> list:
        """The state after `reset_state`, as tensors."""
        with Scope(isolated=True):
            self.reset_state()
            return [variable.value for variable in self.variables]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """`update_state`, then `result`."""
        self.update_state(*args, **kwargs)
        return self.result()

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "dtype": self.dtype, **super().get_config()}

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}>"


def _holding(metric: Metric, values: Sequence) -> Scope:
    """A block in which the state has given values."""
    variables, values = metric.variables, list(values)
    if len(variables) != len(values):
        raise ValueError(
            f"the metric {metric.name!r} has {len(variables)} variables, got {len(values)} values"
        )
    return Scope(dict(zip(variables, values)), isolated=True)


def _without_weights(update: Callable) -> Callable:
    """An `update_state` that does not take sample weights, and may be told that there are none."""

    @functools.wraps(update)
    def wrapped(self: Any, *args: Any, **kwargs: Any) -> Any:
        if kwargs.get("sample_weight", 0) is None:
            del kwargs["sample_weight"]
        return update(self, *args, **kwargs)

    return wrapped


class Sum(Metric):
    """The weighted sum of values.

    Args:
        name, dtype: see `Metric`.

    Example:
        >>> metric = keras.metrics.Sum()
        >>> metric.update_state([1.0, 3.0])
        >>> metric.result()
        Array(4., dtype=float32)
    """

    def __init__(self, name: str | None = "sum", dtype: Any = None) -> None:
        super().__init__(dtype, name)
        self.total = self.add_variable((), "zeros", self.dtype, name="total")

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        """Add values.

        Args:
            values: any shape.
            sample_weight: broadcasts to the leading axes of `values`.
        """
        values, _ = samplewise(values, sample_weight, ops.sum, self.dtype)
        self.total.assign_add(ops.sum(values))

    def result(self) -> Any:
        return ops.convert_to_tensor(self.total)


class Mean(Metric):
    """The weighted mean of values.

    Args:
        name, dtype: see `Metric`.

    Example:
        >>> metric = keras.metrics.Mean()
        >>> metric.update_state([1.0, 3.0], sample_weight=[3.0, 1.0])
        >>> metric.result()
        Array(1.5, dtype=float32)
    """

    def __init__(self, name: str | None = "mean", dtype: Any = None) -> None:
        super().__init__(dtype, name)
        self.total = self.add_variable((), "zeros", self.dtype, name="total")
        self.count = self.add_variable((), "zeros", self.dtype, name="count")

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        """Take values in; axes after the first are averaged within their sample.

        Args:
            values: (batch, ...), or a scalar.
            sample_weight: broadcasts to the leading axes of `values`.
        """
        values, weight = samplewise(values, sample_weight, ops.mean, self.dtype)
        if weight is not None:
            count = weight if isinstance(weight, (int, float)) else ops.sum(weight)
        else:
            count = ops.shape(values)[0] if len(values.shape) else 1
            if count is None:  # shapes alone are worked out
                count = 1
            count = count if isinstance(count, int) else ops.cast(count, self.dtype)
        self.total.assign_add(ops.sum(values) if len(values.shape) else values)
        self.count.assign_add(count)

    def result(self) -> Any:
        return ops.divide_no_nan(self.total, self.count)


def samplewise(
    values: Any, sample_weight: Any, reduce: Callable, dtype: str
) -> tuple[Any, Any | None]:
    """(weighted values, weights), both reduced to one number per sample.

    Args:
        values: (batch, ...).
        sample_weight: weights of the leading axes, or None; a last axis of 1 too many or too few
            is fitted.  The weight of a scalar may be a number, and stays one.
        reduce: `ops.sum` or `ops.mean`, for the axes after the first.
        dtype: of the result.
    """
    values = ops.cast(values, dtype)
    if type(sample_weight) in (int, float) and not len(values.shape):
        return ops.multiply(values, sample_weight), sample_weight
    if sample_weight is not None:
        sample_weight = ops.cast(sample_weight, dtype)
        values, sample_weight = losses.squeeze_or_expand_to_same_rank(values, sample_weight)
        rank = len(sample_weight.shape)
        values = _reduced(values, reduce, rank)
        sample_weight = ops.broadcast_to(sample_weight, ops.shape(values))
        values = values * sample_weight
        sample_weight = _reduced(sample_weight, reduce, 1)
    return _reduced(values, reduce, 1), sample_weight


def _reduced(x: Any, reduce: Callable, rank: int) -> Any:
    """`x` with the axes from `rank` on reduced."""
    return reduce(x, axis=tuple(range(rank, len(x.shape)))) if len(x.shape) > rank else x


class MeanMetricWrapper(Mean):
    """The mean of a function ``(y_true, y_pred, **kwargs) -> values per sample``.

    Args:
        fn: the function.
        name, dtype: see `Metric`.
        kwargs: further arguments of the function.

    Example:
        >>> def worst(y_true, y_pred):
        ...     return keras.ops.max(keras.ops.abs(y_true - y_pred), axis=-1)
        >>> metric = keras.metrics.MeanMetricWrapper(worst, name="worst")
        >>> metric.update_state(np.array([[1.0, 2.0]]), np.array([[1.0, 5.0]]))
        >>> metric.result()
        Array(3., dtype=float32)
    """

    def __init__(
        self, fn: Callable, name: str | None = None, dtype: Any = None, **kwargs: Any
    ) -> None:
        super().__init__(name or naming.unique(type(self).__name__), dtype)
        if not callable(fn):
            raise checks.wrong(self, "fn", "a function", fn)
        self._fn, self._fn_kwargs = fn, kwargs
        vars(self).update(kwargs)

    def update_state(  # type: ignore[override]
        self, y_true: Any, y_pred: Any, sample_weight: Any = None
    ) -> None:
        """Take a batch in.

        Args:
            y_true, y_pred: what the function takes.  Predictions that a mask travelling with
                `y_pred` leaves out do not count.
            sample_weight: weights of the values.
        """
        values = self._fn(y_true, y_pred, **self._fn_kwargs)
        mask = get_mask(y_pred) if conventions_of(self).metric_masks else None
        weight = losses.apply_mask(sample_weight, mask, self.dtype, "sum")
        if weight is not None:
            weight = losses.apply_mask(weight, self.valid(y_true, y_pred), self.dtype, "sum")
        super().update_state(values, weight)

    def valid(self, y_true: Any, y_pred: Any) -> Any:
        """Mask of the values whose weights count, or None: all."""
        return None

    def get_config(self) -> dict[str, Any]:
        settings = super().get_config()
        if type(self) is MeanMetricWrapper:
            settings["fn"] = registry.serialize_keras_object(self._fn)
            settings.update(registry.serialize_keras_object(self._fn_kwargs))
        return settings

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        return cls(**registry.deserialize_keras_object(config) if "fn" in config else config)
