"""Convolutions with a kernel of its own at each position: layers of Keras 1 and 2."""

from __future__ import annotations

import math
from typing import Any

from tricorn import ops
from tricorn.docstrings import SEQUENCES, arguments_of
from tricorn.layers.arguments import choice, positive, resolve, weight
from tricorn.layers.convolutional import _Convolution
from tricorn.ops.windows import local_conv


class _LocallyConnected(_Convolution):
    """Convolution with a kernel (positions, a window's elements, filters)."""

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        implementation: int = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.filters = positive(self, "filters", filters)
        self._window(kernel_size, strides, padding, data_format, 1)
        choice(self, "padding", self.padding, ("valid", "same"))
        self.implementation = choice(self, "implementation", implementation, (1,))
        self.use_bias = use_bias
        resolve(self, locals())

    def build(self, input_shape: tuple) -> None:
        channels = self._channels(input_shape)
        spatial = input_shape[1:-1] if self.data_format == "channels_last" else input_shape[2:]
        if None in spatial:
            raise ValueError(
                f"the layer {self.name!r} has a kernel for each position, so the input's size must "
                f"be known; got the shape {tuple(input_shape)}"
            )
        same, places, self._pads = self.padding == "same", [], []
        for n, k, s in zip(spatial, self.kernel_size, self.strides):
            count = -(-n // s) if same else (n - k) // s + 1
            begin = k // 2 if same else 0
            places.append(count)
            self._pads.append((begin, max((count - 1) * s + k - begin - n, 0)))
        self._size, self._places = tuple(spatial), tuple(places)
        elements = math.prod(self.kernel_size) * channels
        shape = (math.prod(places), elements, self.filters)
        self.kernel = weight(self, "kernel", shape)
        self.bias = weight(self, "bias", (*places, self.filters)) if self.use_bias else None

    def call(self, inputs: Any) -> Any:
        last = self.data_format == "channels_last"
        if self.padding == "same":
            around = [(0, 0), *self._pads, (0, 0)] if last else [(0, 0), (0, 0), *self._pads]
            inputs = ops.pad(inputs, around)
        outputs = local_conv(inputs, self.kernel, self.kernel_size, self.strides, last)
        if self.bias is not None:
            bias = self.bias if last else ops.moveaxis(self.bias, -1, 0)
            outputs = ops.add(outputs, bias)
        return self.activation(outputs)


class LocallyConnected2D(_LocallyConnected):
    """A convolution of images whose windows do not share a kernel.

    ``y[p, f] = activation(bias[p, f] + Σₑ kernel[p, e, f] · window[p, e])`` at each position p,
    over the elements e of its window.

    Args:
        filters: the number of output channels.
        kernel_size: int, or (height, width) of the windows.
        strides: int or two of them.
        padding: "valid", or "same": as many positions as the input has (divided by the strides), of
            windows that begin half their size before; what is outside counts as 0.
        data_format: "channels_last" or "channels_first"; None: as configured.
        activation: name or function; None is linear.
        use_bias: whether there is a bias.
        kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer,
        kernel_constraint, bias_constraint: of the weights.
        activity_regularizer: penalty on the output.
        implementation: 1; tf.keras's others compute the same with kernels of other shapes.
        kwargs: what every `Layer` takes.

    Weights:
        kernel: (positions, height · width · channels, filters); bias: (new height, new width,
        filters).

    Input shape: (batch, height, width, channels), or channels second.  Output shape: (batch, new
    height, new width, filters), or channels second.

    Example:
        >>> keras.layers.LocallyConnected2D(4, 3)(np.ones((1, 6, 6, 2))).shape
        (1, 4, 4, 4)
    """

    rank = 2


@arguments_of(LocallyConnected2D, SEQUENCES)
class LocallyConnected1D(_LocallyConnected):
    """`LocallyConnected2D` with one spatial axis.

    Input shape: (batch, time, channels), or channels second.

    Example:
        >>> keras.layers.LocallyConnected1D(4, 3)(np.ones((1, 8, 2))).shape
        (1, 6, 4)
    """

    rank = 1
