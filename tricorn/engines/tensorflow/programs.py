"""Functions of SavedModels inside of layers."""

from __future__ import annotations

from typing import Any

import tensorflow as tf


class Program:
    """The functions of a SavedModel that a layer calls.

    Args:
        path: of the SavedModel.
        endpoints: names of its attributes or signatures.

    Attributes:
        variables: the ``tf.Variable``s that they read, those that are trained first.

    Raises:
        ValueError: for an unknown name.
    """

    def __init__(self, path: str, endpoints: list[str]) -> None:
        self.model = tf.saved_model.load(path)
        signatures = self.model.signatures
        self.functions = {}
        for name in endpoints:
            found = getattr(self.model, name, None) or signatures.get(name)
            if found is None:
                raise ValueError(
                    f"the SavedModel {path!r} has no endpoint {name!r}: it is neither an attribute "
                    f"nor one of the signatures {sorted(signatures)}"
                )
            self.functions[name] = found
        found = {id(v): v for function in self.functions.values() for v in _variables(function)}
        self.variables = sorted(found.values(), key=lambda v: not v.trainable)

    def tensors(self) -> list[tuple[str, Any, bool]]:
        """(name, array, whether it is trained) of the variables."""
        return [(v.name.partition(":")[0], v.numpy(), v.trainable) for v in self.variables]

    def call(self, endpoint: str, values: list, args: tuple, kwargs: dict) -> tuple[Any, list]:
        """(outputs, what the variables hold after the call) of a function, in which the variables
        hold `values`; gradients reach these and the arguments."""
        function, count = self.functions[endpoint], len(values)
        flat = tf.nest.flatten((args, kwargs))
        structure: list = []

        @tf.custom_gradient
        def run(*given: Any) -> Any:
            for variable, value in zip(self.variables, given):
                variable.assign(value)
            inputs = list(given[count:])
            trained = [v for v in self.variables if v.trainable]
            with tf.GradientTape() as tape:
                tape.watch([*inputs, *trained])
                a, k = tf.nest.pack_sequence_as((args, kwargs), inputs)
                outputs = function(*a, **k)
            structure.append(outputs)
            leaves = tf.nest.flatten(outputs)

            def gradients(*upstream: Any, variables: Any = None) -> tuple:
                found = tape.gradient(leaves, [*trained, *inputs], list(upstream[: len(leaves)]))
                places = dict(zip(map(id, trained), found))
                of_values = [places.get(id(v)) for v in self.variables]
                return [*of_values, *found[len(trained) :]], [None] * len(variables or ())

            return [*leaves, *(v.read_value() for v in self.variables)], gradients

        results = run(*values, *flat)
        outputs = tf.nest.pack_sequence_as(structure[-1], results[: len(results) - count])
        return outputs, results[len(results) - count :]


def _variables(function: Any) -> list:
    """The variables that a function of a SavedModel, or one of its traces, captures."""
    traces = getattr(function, "concrete_functions", None)
    concrete = traces if traces is not None else [function]
    if callable(concrete):
        concrete = concrete()
    return [v for trace in concrete for v in trace.graph.variables]
