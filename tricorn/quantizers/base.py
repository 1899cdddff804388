"""Quantizers: objects that turn floats into small integers."""

from __future__ import annotations

from typing import Any

from tricorn.quantizers.functions import abs_max_quantize
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


class AbsMaxQuantizer(Quantizer):
    """`abs_max_quantize` with settings.

    Args:
        axis: over which there is one scale, when the call does not say; None: the last.
        value_range: (low, high), what the integers are clipped to.
        epsilon: added to the largest magnitude.
        output_dtype: of the integers.

    Raises:
        ValueError: a range that int8 does not have.

    Example:
        >>> quantizer = keras.quantizers.AbsMaxQuantizer(axis=0)
        >>> q, scale = quantizer(np.array([[1.0], [-2.0]], "float32"))
        >>> q[:, 0], scale
        (Array([  64, -127], dtype=int8), Array([[63.5]], dtype=float32))
    """

    def __init__(
        self,
        axis: Any = None,
        value_range: Any = (-127, 127),
        epsilon: float = 1e-7,
        output_dtype: str = "int8",
    ) -> None:
        super().__init__(output_dtype)
        self.axis = (axis,) if isinstance(axis, int) else None if axis is None else tuple(axis)
        self.value_range, self.epsilon = tuple(value_range), epsilon
        if output_dtype == "int8" and not -128 <= self.value_range[0] < self.value_range[1] <= 127:
            raise ValueError(
                "AbsMaxQuantizer: with output_dtype='int8' the value_range must lie within "
                f"[-128, 127], got {value_range!r}"
            )

    def __call__(self, x: Any, axis: Any = None, to_numpy: bool = False) -> tuple[Any, Any]:  # type: ignore[override]
        """(the integers, the scales): see `abs_max_quantize`."""
        axis = self.axis if axis is None else axis
        return abs_max_quantize(
            x,
            -1 if axis is None else axis,
            self.value_range,
            self.output_dtype,
            self.epsilon,
            to_numpy,
        )

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        return config if self.axis is not None else {k: v for k, v in config.items() if k != "axis"}
