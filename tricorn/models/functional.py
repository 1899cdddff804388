"""`Functional`: a model that is a graph of layers."""

from __future__ import annotations

from typing import Any

from tricorn import naming
from tricorn.models.model import Model


class Functional(Model):
    """A directed acyclic graph of layers from `inputs` to `outputs`.

    Called with a tensor (or list, or dict by input names) it runs the graph on it; the weights are
    those of the layers, so several models may share them.

    Args:
        inputs: symbolic tensor, list or dict of them.
        outputs: tree of symbolic tensors that depend on the inputs.
        name: default ``functional`` with a count.
        trainable: None leaves the layers as they are.

    Raises:
        ValueError: when an output needs a tensor that the inputs do not give.

    Example:
        >>> inputs = keras.Input((4,))
        >>> model = keras.Model(inputs, keras.layers.Dense(2)(inputs))
        >>> isinstance(model, keras.models.Functional)
        True
    """

    def __init__(
        self,
        inputs: Any,
        outputs: Any,
        name: str | None = None,
        trainable: bool | None = None,
        **kwargs: Any,
    ) -> None:
        name = name or naming.unique("functional")
        super().__init__(inputs, outputs, name=name, trainable=trainable, **kwargs)
