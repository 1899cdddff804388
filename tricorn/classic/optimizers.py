"""The optimizers of Keras 2.3.1."""

from __future__ import annotations

import contextvars
from typing import Any

import numpy as np

import tricorn.optimizers as core
from tricorn import backend as K
from tricorn import ops
from tricorn.backend.values import as_symbolic
from tricorn.classic.faces import Change, Face, Written, face
from tricorn.classic.names import handed_on
from tricorn.classic.tools import deserialize_keras_object, serialize_keras_object
from tricorn.engines import registry
from tricorn.graph.function import Function, update
from tricorn.graph.symbolic import is_symbolic
from tricorn.layers.operation import Operation
from tricorn.optimizers import legacy
from tricorn.optimizers.base import variables_for
from tricorn.saving.older import writing
from tricorn.variable import for_users


class OptimizerMethods(Written):
    """Mixin of all optimizers."""

    __slots__ = ()

    @property
    def lr(self: Any) -> Any:
        """The learning rate, a Variable."""
        return self.learning_rate

    @lr.setter
    def lr(self: Any, value: Any) -> None:
        self.learning_rate = value

    @property
    def weights(self: Any) -> list:
        """The state, as Keras 2 counts it: without the learning rate."""
        return [v for v in self.variables if v is not self._learning_rate]

    def get_weights(self: Any) -> list:
        """The state as arrays, in the order of Keras 2."""
        return [array for array, _ in self._listed()]

    def _listed(self: Any) -> list[tuple[np.ndarray, Any]]:
        """(array, Variable) of the state; where Keras 2 keeps what it does not use, None."""
        found = [(array, variable) for _, array, variable in writing.state(self)]
        return found or [(variable.numpy(), variable) for variable in self.weights]

    def set_weights(self: Any, weights: list) -> None:
        """Assign what `get_weights` gave.

        Raises:
            ValueError: when the number differs.
        """
        own = self._listed()
        if len(own) != len(weights):
            raise ValueError(f"{self.name!r} has {len(own)} weights, got {len(weights)} arrays")
        for (_, variable), value in zip(own, weights):
            if variable is not None:
                variable.assign(value)

    def get_gradients(self: Any, loss: Any, params: list) -> list:
        """The symbolic gradients of a loss, clipped as the optimizer was told."""
        grads = K.gradients(loss, params)
        if self.global_clipnorm:
            norm = K.sqrt(sum(K.sum(K.square(g)) for g in grads))
            grads = [clip_norm(g, self.global_clipnorm, norm) for g in grads]
        if self.clipvalue:
            grads = [K.clip(g, -self.clipvalue, self.clipvalue) for g in grads]
        return grads

    def get_updates(self: Any, loss: Any, params: Any, *older: Any) -> list:
        """What an update of `params` by a symbolic loss assigns, for ``K.function``; Keras 1's
        arguments were ``(params, constraints, loss)``."""
        if older:
            loss, params = older[0], loss
        params = list(params)
        self.build(params)
        grads = K.gradients(loss, params)
        own, trained = (list(map(as_symbolic, vs)) for vs in (self.variables, params))
        trained, own = _Step(self)(own, grads, trained)
        return list(zip([*params, *self.variables], [*trained, *own]))


class _Step(Operation, captures=False):
    """A call of an optimizer in a graph."""

    def __init__(self, optimizer: Any) -> None:
        super().__init__()
        self.optimizer = optimizer

    def call(self, state: list, grads: list, values: list) -> Any:
        """(new values of what is trained, new state)."""
        return self.optimizer.stateless_apply(state, grads, values)


def clip_norm(g: Any, c: float, n: Any) -> Any:
    """The gradient `g`, scaled so that its norm `n` becomes `c`, if it is larger than that."""
    return K.switch(K.greater_equal(n, c), g * c / n, g) if c > 0 else g


def _adapt(given: dict[str, Any]) -> None:
    if "lr" in given:
        given["learning_rate"] = given.pop("lr")
    if given.get("epsilon", 0) is None:
        given["epsilon"] = K.epsilon()


def _prepare(optimizer: Any, given: dict[str, Any]) -> None:
    for name, value in _UNSHOWN.get(type(optimizer).__name__, {}).items():
        given.setdefault(name, K.epsilon() if value is None else value)


#: class -> its arguments and their defaults
_ARGUMENTS: dict[str, dict[str, Any]] = {
    "SGD": {"learning_rate": 0.01, "momentum": 0.0, "nesterov": False},
    "RMSprop": {"learning_rate": 0.001, "rho": 0.9},
    "Adagrad": {"learning_rate": 0.01},
    "Adadelta": {"learning_rate": 1.0, "rho": 0.95},
    "Adam": {"learning_rate": 0.001, "beta_1": 0.9, "beta_2": 0.999, "amsgrad": False},
    "Adamax": {"learning_rate": 0.002, "beta_1": 0.9, "beta_2": 0.999},
    "Nadam": {"learning_rate": 0.002, "beta_1": 0.9, "beta_2": 0.999},
}
#: class -> arguments that its signature does not show; None: ``K.epsilon()``
_UNSHOWN: dict[str, dict[str, Any]] = {
    "RMSprop": {"epsilon": None},
    "Adagrad": {"epsilon": None, "initial_accumulator_value": 0.0},
    "Adadelta": {"epsilon": None},
    "Adam": {"epsilon": None},
    "Adamax": {"epsilon": None},
    "Nadam": {"epsilon": None, "schedule_decay": 0.004},
}
for _name, _arguments in _ARGUMENTS.items():
    _change = Change(
        _arguments,
        first=" ".join(_arguments),
        renamed={"clipnorm": "global_clipnorm"},
        adapt=_adapt,
    )
    _class = face(getattr(legacy, _name), _change, (OptimizerMethods,), __name__, prepare=_prepare)
    globals()[_name] = globals()[_name.lower()] = _class


class Optimizer(OptimizerMethods, core.Optimizer, metaclass=Face):  # type: ignore[misc]
    """Base of all optimizers; see `tricorn.optimizers.Optimizer`.

    As in Keras 2, a subclass may say by its own `get_updates` what an update assigns.  That is
    asked once, for a loss that has the gradients of whatever is trained; what it computes with
    Variables alone is recorded too.
    """

    _tricorn_core = core.Optimizer
    #: what subclasses set by themselves, and what they make of gradients
    _own_iterations: Any = None
    _own_weights: Any = None
    _rule: Any = None

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(kwargs.pop("learning_rate", kwargs.pop("lr", 0.01)), **kwargs)

    @property
    def iterations(self) -> Any:
        """How many updates were made."""
        return self._iterations if self._own_iterations is None else self._own_iterations

    @iterations.setter
    def iterations(self, value: Any) -> None:
        self._own_iterations = value

    @property
    def weights(self) -> list:
        """The state, as Keras 2 counts it: without the learning rate."""
        return super().weights if self._own_weights is None else self._own_weights

    @weights.setter
    def weights(self, value: list) -> None:
        self._own_weights = value

    def build(self, variables: Any) -> None:
        """Make the state for `variables`."""
        super().build(variables)
        if type(self).get_updates is not OptimizerMethods.get_updates and self._rule is None:
            # in a context of its own, whatever step is being made
            self._rule = contextvars.Context().run(_rule, self, self._trainable_variables)

    def apply(self, grads: Any, trainable_variables: Any = None) -> None:
        """Update variables by their gradients."""
        if type(self).get_updates is OptimizerMethods.get_updates:
            super().apply(grads, trainable_variables)
            return
        grads = list(grads)
        variables = variables_for(self, grads, trainable_variables)
        given = {v: g for v, g in zip(variables, grads) if g is not None}
        zeros = ops.zeros_like
        self._rule([given[v] if v in given else zeros(v) for v in self._trainable_variables])


def _rule(optimizer: Any, variables: list) -> Any:
    """A function of the gradients of `variables` that does what `get_updates` says.

    Raises:
        ValueError: for an update to a value that is known already.
    """
    grads = [K.placeholder(v.shape, dtype=v.dtype) for v in variables]

    @K.symbolic
    def updates() -> list:
        loss = sum(K.sum(g * v) for g, v in zip(grads, variables))  # whose gradients these are
        return optimizer.get_updates(loss=loss, params=for_users(variables))

    pairs = [update(*pair) for pair in updates() if pair is not None]
    for variable, value in pairs:
        if not is_symbolic(value) and registry.owner_of(value) is not None:
            raise ValueError(
                f"{type(optimizer).__name__}: the update of {variable.path!r} is a value that was "
                "computed before: outside of a tf.Graph, operations on Variables alone are done at "
                "once. Compute it in a function that is decorated with K.symbolic"
            )
    return Function(grads, [], pairs)


class TFOptimizer(Optimizer):
    """An optimizer of TensorFlow 1, which no engine here runs.

    Args:
        optimizer: the optimizer.

    Raises:
        ValueError: always, with what to do.
    """

    def __init__(self, optimizer: Any) -> None:
        raise ValueError(
            f"TFOptimizer: {optimizer!r} changes the variables of a TensorFlow session; take the "
            "optimizer of keras.optimizers of that kind, which runs on every engine"
        )


def get(identifier: Any) -> Any:
    """The optimizer that a name, config or object stands for."""
    if isinstance(identifier, str) and identifier.lower() in __dir__():
        return globals()[identifier.lower()]()
    if isinstance(identifier, dict):
        return deserialize(identifier)
    return core.get(identifier)


def deserialize(config: Any, custom_objects: Any = None) -> Any:
    """The optimizer that a config describes."""
    name = config.get("class_name", "").lower() if isinstance(config, dict) else ""
    if name in __dir__() and "module" not in config:
        return globals()[name](**config.get("config", {}))
    return core.deserialize(config, custom_objects)


__getattr__, __dir__ = handed_on(
    globals(),
    core,
    "Adadelta Adagrad Adam Adamax Nadam Optimizer RMSprop SGD TFOptimizer adadelta adagrad adam "
    "adamax clip_norm deserialize deserialize_keras_object get nadam rmsprop serialize "
    "serialize_keras_object sgd",
)
