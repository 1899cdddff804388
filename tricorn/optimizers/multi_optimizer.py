"""Several optimizers for the variables of one model."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, MutableMapping, Sequence
from typing import Any

from tricorn.graph.scope import variable_behind
from tricorn.optimizers.base import Optimizer, variables_for
from tricorn.optimizers.loss_scale import LossScaleOptimizer
from tricorn.serialization import registry
from tricorn.variable import Variable


class OptimizerMap(MutableMapping):
    """Which optimizer a variable has, by its path.

    Keys are paths, or regular expressions that must match the whole of one.

    Args:
        default_optimizer: for variables whose path matches no key.
        optimizer_map: dict of key -> optimizer.

    Raises:
        TypeError: the default is no optimizer, or the map no dict.
        ValueError: a key that is there already or is no string, a value that is no optimizer of its
            own, and, when asked for a path, several keys that match it.

    Example:
        >>> optimizers = keras.optimizers.OptimizerMap(keras.optimizers.Adam(1e-3))
        >>> optimizers[".*bias"] = keras.optimizers.SGD(1e-2)
        >>> type(optimizers["dense/bias"]).__name__
        'SGD'
    """

    def __init__(
        self, default_optimizer: Optimizer, optimizer_map: dict[str, Optimizer] | None = None
    ) -> None:
        if not isinstance(default_optimizer, Optimizer):
            raise TypeError(f"default_optimizer must be an Optimizer, got {default_optimizer!r}")
        if optimizer_map is not None and not isinstance(optimizer_map, dict):
            raise TypeError(f"optimizer_map must be a dictionary, got {optimizer_map!r}")
        self.default_optimizer = default_optimizer
        self._optimizers: dict[str, Optimizer] = {}
        self.update(optimizer_map or {})

    def __getitem__(self, key: str) -> Optimizer:
        if key in self._optimizers:
            return self._optimizers[key]
        found = [pattern for pattern in self._optimizers if re.fullmatch(pattern, key)]
        if len(found) > 1:
            raise ValueError(f"several optimizers are assigned to {key!r}: by {', '.join(found)}")
        return self._optimizers[found[0]] if found else self.default_optimizer

    def __setitem__(self, key: str, optimizer: Optimizer) -> None:
        if not isinstance(key, str):
            raise ValueError(f"a key of OptimizerMap must be a string, got {key!r}")
        if key in self._optimizers:
            raise ValueError(f"{key!r} already exists in the OptimizerMap; delete it first")
        self._optimizers[key] = _single(optimizer, key)

    def __delitem__(self, key: str) -> None:
        del self._optimizers[key]

    def __len__(self) -> int:
        return len(self._optimizers)

    def __iter__(self) -> Iterator[str]:
        return iter(self._optimizers)

    def __call__(self, variable: Variable) -> Optimizer:
        return self[variable.path]

    def get_config(self) -> dict[str, Any]:
        parts = {"default_optimizer": self.default_optimizer, "optimizer_map": self._optimizers}
        return registry.serialize_keras_object(parts)

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None
    ) -> OptimizerMap:
        return cls(**registry.deserialize_keras_object(config, custom_objects))


class MultiOptimizer(Optimizer):
    """Gives each variable to an optimizer of its own.

    Learning rates are the single optimizers': there is none of the whole.

    Args:
        optimizer_map: an `OptimizerMap`, or a function of a variable that gives its optimizer.
        loss_scale_factor: takes the place of the single optimizers'.
        name: default is the class name in snake case with a count.

    Attributes:
        optimizers: the single ones.

    Raises:
        ValueError: when it is built, where a variable is given something else than an optimizer.

    Example:
        >>> optimizers = keras.optimizers.OptimizerMap(keras.optimizers.Adam(1e-3))
        >>> optimizers[".*bias"] = keras.optimizers.SGD(1e-2)
        >>> model.compile(keras.optimizers.MultiOptimizer(optimizers), "mse")
        >>> history = model.fit(x, y, verbose=0)
    """

    def __init__(
        self,
        optimizer_map: OptimizerMap | Callable[[Variable], Optimizer],
        loss_scale_factor: float | None = None,
        name: str | None = None,
    ) -> None:
        self.optimizers: list[Optimizer] = []
        super().__init__(0.0, loss_scale_factor=loss_scale_factor, name=name)
        self.optimizer_map = optimizer_map
        if isinstance(optimizer_map, OptimizerMap):
            for optimizer in (*optimizer_map.values(), optimizer_map.default_optimizer):
                self._add(optimizer)

    def _add(self, optimizer: Optimizer) -> int:
        """The place of an optimizer among the single ones."""
        if optimizer not in self.optimizers:
            optimizer.loss_scale_factor = self.loss_scale_factor
            self.optimizers.append(optimizer)
        return self.optimizers.index(optimizer)

    def build(self, variables: Iterable[Variable]) -> None:
        if self.built:
            return
        variables = list(map(variable_behind, variables))
        self._places = {v: self._add(_single(self.optimizer_map(v), v.path)) for v in variables}
        for optimizer, own in self._by_optimizer(variables, variables):
            optimizer.build(own)
        super().build(variables)

    def _by_optimizer(
        self, variables: Sequence[Variable], things: Sequence[Any]
    ) -> Iterator[tuple[Optimizer, list]]:
        """The single optimizers with what belongs to their variables."""
        for place, optimizer in enumerate(self.optimizers):
            own = [thing for v, thing in zip(variables, things) if self._places[v] == place]
            if own:
                yield optimizer, own

    @property
    def variables(self) -> list[Variable]:
        return [*self._variables, *(v for one in self.optimizers for v in one.variables)]

    @property
    def iterations(self) -> Any:
        return self._iterations

    @property
    def learning_rate(self) -> Any:
        """There is none of the whole: AttributeError."""
        raise AttributeError(
            f"{self.name!r} has no learning rate: ask the single ones in `optimizers` for theirs"
        )

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        raise AttributeError(
            f"{self.name!r} has no learning rate to set: set those of the single ones in "
            "`optimizers`"
        )

    @property
    def loss_scale_factor(self) -> float | None:
        """What the loss was multiplied by, of all the single ones."""
        return self._loss_scale_factor

    @loss_scale_factor.setter
    def loss_scale_factor(self, value: float | None) -> None:
        self._loss_scale_factor = value
        for optimizer in self.optimizers:
            optimizer.loss_scale_factor = value

    def apply(
        self, grads: Iterable[Any], trainable_variables: Iterable[Variable] | None = None
    ) -> None:
        """Update each variable by its optimizer; see `Optimizer.apply`."""
        grads = list(grads)
        if not grads:
            return
        variables = variables_for(self, grads, trainable_variables)
        for optimizer, own in self._by_optimizer(variables, list(zip(grads, variables))):
            optimizer.apply(*zip(*own))
        self._iterations.assign_add(1)

    def finalize_variable_values(self, var_list: Iterable[Variable]) -> None:
        variables = list(map(variable_behind, var_list))
        for optimizer, own in self._by_optimizer(variables, variables):
            optimizer.finalize_variable_values(own)

    def get_config(self) -> dict[str, Any]:
        return {
            "optimizer_map": registry.serialize_keras_object(self.optimizer_map),
            "loss_scale_factor": self.loss_scale_factor,
            "name": self.name,
        }

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None
    ) -> Any:
        chosen = registry.deserialize_keras_object(config["optimizer_map"], custom_objects)
        return cls(**{**config, "optimizer_map": chosen})


def _single(optimizer: Any, key: str) -> Optimizer:
    """`optimizer`, if it can be one of several."""
    if not isinstance(optimizer, Optimizer):
        raise ValueError(f"the optimizer of {key!r} must be an Optimizer, got {optimizer!r}")
    if isinstance(optimizer, (LossScaleOptimizer, MultiOptimizer)):
        raise ValueError(
            f"the optimizer of {key!r} cannot be {type(optimizer).__name__}: wrap the "
            "MultiOptimizer as a whole"
        )
    return optimizer
