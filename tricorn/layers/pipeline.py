"""Layers one after the other, as one layer."""

from __future__ import annotations

from typing import Any

from tricorn.layers import calling
from tricorn.layers.base import Layer
from tricorn.serialization import registry


class Pipeline(Layer):
    """Layers applied one after the other: like a `Sequential` model, but a plain layer, for
    preprocessing and augmentation.

    Args:
        layers: list of layers.
        name: default is "pipeline" with a count.

    Call: inputs as the first layer takes them; training is True unless it is said, or known from
    the call around; mask for the first layer.

    Output shape: the last layer's.

    Example:
        >>> layer = keras.layers.Pipeline([keras.layers.Rescaling(0.1), keras.layers.ReLU()])
        >>> layer(np.array([-10.0, 20.0]))
        Array([0., 2.], dtype=float32)
    """

    def __init__(self, layers: list, name: str | None = None) -> None:
        super().__init__(name=name)
        if not isinstance(layers, (list, tuple)) or not all(map(callable, layers)):
            raise TypeError(f"Pipeline: layers must be a list of layers, got {layers!r}")
        self._pipeline_layers = list(layers)
        self.supports_masking = True

    @property
    def layers(self) -> list:
        """The layers, in their order."""
        return self._pipeline_layers

    def build(self, input_shape: Any) -> None:
        for layer in self.layers:
            if not layer.built:
                layer.build(input_shape)
                layer.built = True
            input_shape = layer.compute_output_shape(input_shape)

    def call(self, inputs: Any, training: bool | None = True, mask: Any = None) -> Any:
        for layer in self.layers:
            kind: Any = type(layer)
            takes = calling.call_names(kind)[0]
            given: dict[str, Any] = {"training": training} if "training" in takes else {}
            if mask is not None and "mask" in takes:
                given["mask"] = mask
            inputs, mask = layer(inputs, **given), None
        return inputs

    def get_config(self) -> dict[str, Any]:
        return {"layers": registry.serialize_keras_object(self.layers), "name": self.name}
