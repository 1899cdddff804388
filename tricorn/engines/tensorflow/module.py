"""A layer as a ``tf.Module``: for ``tf.train.Checkpoint``, native optimizers and functions."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tricorn.engines import registry


class Module(tf.Module):
    """A layer or model whose Variables are the module's ``tf.Variable``s, by their paths.

    Args:
        layer: a built layer.
    """

    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.layer = layer
        self.state = {v.path.replace("/", "."): self._handle(v) for v in layer.variables}

    @property
    def distribute_strategy(self) -> tf.distribute.Strategy:
        """The strategy in force."""
        return tf.distribute.get_strategy()

    @staticmethod
    def _handle(variable: Any) -> Any:
        return variable.native(registry.load("tensorflow"))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the layer; `training` is an argument."""
        with registry.use("tensorflow"):
            return self.layer(*args, **kwargs)
