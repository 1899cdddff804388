"""Scaling of the loss for half precision."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tricorn import initializers, ops
from tricorn.optimizers.base import Optimizer, assign_if, variables_for
from tricorn.serialization import registry
from tricorn.variable import Variable


class LossScaleOptimizer(Optimizer):
    """Keeps small gradients of float16 from vanishing.

    The loss is multiplied by a scale (`scale_loss`), the gradients are divided by it.  An update
    with a gradient that is not finite is left out, and the scale halved; after
    `dynamic_growth_steps` updates in a row it is doubled.

    Args:
        inner_optimizer: the optimizer that updates.
        initial_scale: the scale to begin with.
        dynamic_growth_steps: see above.
        name: default is the class name in snake case with a count.
        dynamic: True, as Keras 2 wrote it; a fixed scale is the `loss_scale_factor` of an
            optimizer.

    Raises:
        TypeError: for an inner optimizer that is none.
        ValueError: with ``dynamic=False``.

    Source: Micikevicius et al., 2017, arXiv:1710.03740.

    Example:
        >>> optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1))
        >>> v = keras.Variable(1.0)
        >>> with keras.GradientTape() as tape:
        ...     loss = optimizer.scale_loss(v * v)
        >>> optimizer.apply([tape.gradient(loss, v)], [v])
        >>> v.numpy()
        array(0.8, dtype=float32)
    """

    def __init__(
        self,
        inner_optimizer: Optimizer,
        initial_scale: float = 2.0**15,
        dynamic_growth_steps: int = 2000,
        name: str | None = None,
        dynamic: bool = True,
    ) -> None:
        if not dynamic:
            raise ValueError(
                "LossScaleOptimizer always adapts its scale (dynamic=True); for a fixed one give "
                "loss_scale_factor=... to the optimizer inside, and use that alone"
            )
        if not isinstance(inner_optimizer, Optimizer):
            raise TypeError(f"inner_optimizer must be an Optimizer, got {inner_optimizer!r}")
        super().__init__(0.0, name=name)
        self.inner_optimizer = inner_optimizer
        self.initial_scale, self.dynamic_growth_steps = initial_scale, dynamic_growth_steps
        inner_optimizer.loss_scale_factor = None

    def build(self, variables: Iterable[Variable]) -> None:
        if self.built:
            return
        variables = list(variables)
        self.step_counter = self.add_variable((), dtype="int32", name="step_counter")
        first = initializers.Constant(self.initial_scale)
        self.dynamic_scale = self.add_variable((), first, "float32", name="dynamic_scale")
        self.inner_optimizer.build(variables)
        super().build(variables)

    @property
    def variables(self) -> list[Variable]:
        return [*self._variables, *self.inner_optimizer.variables]

    @property
    def learning_rate(self) -> Any:
        """The inner optimizer's learning rate."""
        return self.inner_optimizer.learning_rate

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        self.inner_optimizer.learning_rate = value

    @property
    def iterations(self) -> Any:
        """How many updates the inner optimizer made."""
        return self.inner_optimizer.iterations

    def apply(
        self, grads: Iterable[Any], trainable_variables: Iterable[Variable] | None = None
    ) -> None:
        """Divide the gradients by the scale and update, if they are finite."""
        grads = list(grads)
        variables = variables_for(self, grads, trainable_variables)
        scale, count = self.dynamic_scale.value, self.step_counter.value
        finite = self.check_finite(grads)
        unscaled = [
            g if g is None or v.overwrite_with_gradient else ops.cast(g, "float32") / scale
            for g, v in zip(grads, variables)
        ]
        assign_if(finite, lambda: self.inner_optimizer.apply(unscaled, variables))
        grows = count >= self.dynamic_growth_steps - 1
        larger = ops.where(grows, scale * 2.0, scale)
        self.dynamic_scale.assign(ops.where(finite, larger, scale * 0.5))
        counts = ops.logical_and(finite, ops.logical_not(grows))
        self.step_counter.assign(ops.where(counts, count + 1, ops.zeros_like(count)))

    def check_finite(self, grads: Iterable[Any]) -> Any:
        """Whether all entries of all gradients are finite, a bool tensor."""
        return ops.all(ops.stack([ops.all(ops.isfinite(g)) for g in grads if g is not None]))

    def scale_loss(self, loss: Any) -> Any:
        scale = self.dynamic_scale.value if self.built else self.initial_scale
        return loss * ops.cast(scale, loss.dtype)

    def finalize_variable_values(self, var_list: Iterable[Variable]) -> None:
        self.inner_optimizer.finalize_variable_values(var_list)

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "inner_optimizer": registry.serialize_keras_object(self.inner_optimizer),
            "initial_scale": self.initial_scale,
            "dynamic_growth_steps": self.dynamic_growth_steps,
        }

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None
    ) -> Any:
        inner = registry.deserialize_keras_object(config["inner_optimizer"], custom_objects)
        return cls(**{**config, "inner_optimizer": inner})
