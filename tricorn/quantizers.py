"""The base of quantizers."""

from __future__ import annotations

from typing import Any

from tricorn.serialization.catalogue import Configured


class Quantizer(Configured):
    """Base of what turns floats into small integers; it does not change them itself.

    Args:
        output_dtype: of the result.

    Example:
        >>> class Rounded(keras.Quantizer):
        ...     def __call__(self, x):
        ...         return keras.ops.cast(keras.ops.round(x), self.output_dtype)
        >>> Rounded()(np.array([0.6, 1.2]))
        Array([1, 1], dtype=int8)
    """

    def __init__(self, output_dtype: str = "int8") -> None:
        self.output_dtype = output_dtype

    def __call__(self, x: Any) -> Any:
        """The tensor quantized."""
        return x


__all__ = ["Quantizer"]

__dir__ = lambda: list(__all__)
