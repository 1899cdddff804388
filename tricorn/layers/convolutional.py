"""Convolutions: plain, depthwise, separable and transposed, over one to three spatial axes."""

from __future__ import annotations

from typing import Any

from tricorn import ops
from tricorn.docstrings import SEQUENCES, VOLUMES, arguments_of
from tricorn.layers.adaptation import Adaptable
from tricorn.layers.arguments import (
    channel_axis,
    check_fits,
    choice,
    data_format,
    ints,
    positive,
    resolve,
    weight,
)
from tricorn.layers.base import Layer
from tricorn.layers.centered import convolved
from tricorn.layers.factors import Product
from tricorn.layers.input_spec import InputSpec
from tricorn.ops.fused import add_bias
from tricorn.variable import Variable

_data_format = data_format


class _Convolution(Layer):
    """What all convolutions share: windows, bias, activation.

    Attributes:
        rank: the number of spatial axes.
        causal: whether ``padding="causal"`` is offered.
        transposed: whether windows are outputs, not inputs.
    """

    rank: int
    causal = False
    transposed = False
    activation: Any

    def _window(
        self, kernel_size: Any, strides: Any, padding: str, data_format: Any, dilation_rate: Any
    ) -> None:
        """Set the attributes that say where the windows are."""
        self.kernel_size = ints(self, "kernel_size", kernel_size, self.rank)
        self.strides = ints(self, "strides", strides, self.rank)
        self.dilation_rate = ints(self, "dilation_rate", dilation_rate, self.rank)
        known = ("valid", "same", "causal") if self.causal else ("valid", "same")
        self.padding = choice(self, "padding", padding, known)
        self.data_format = _data_format(data_format)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def _channels(self, input_shape: tuple) -> int:
        """The number of the input's channels, which is fixed from now on."""
        axis = channel_axis(self)
        channels = input_shape[axis]
        if channels is None:
            raise ValueError(
                f"the layer {self.name!r} needs a known number of channels (axis {axis}), got the "
                f"input shape {tuple(input_shape)}"
            )
        self.input_spec = InputSpec(ndim=self.rank + 2, axes={axis: channels})
        if self.padding == "valid" and not self.transposed:
            check_fits(self, input_shape, self.kernel_size, self.dilation_rate)
        return channels

    def _windows(self) -> dict[str, Any]:
        """The keyword arguments of the convolution op."""
        return {
            "strides": self.strides,
            "padding": self.padding,
            "data_format": self.data_format,
            "dilation_rate": self.dilation_rate,
        }

    def _finish(self, outputs: Any, bias: Variable | None) -> Any:
        """The bias, then the activation."""
        if bias is not None and self.data_format == "channels_last":
            outputs = add_bias(outputs, bias)
        elif bias is not None:
            outputs = ops.add(outputs, ops.reshape(bias, (-1, *(1,) * self.rank)))
        return self.activation(outputs)


class _Conv(Adaptable, _Convolution):
    """Convolution with a kernel of shape (*kernel_size, channels / groups, filters)."""

    _tricorn_products = (Product("kernel", ""),)

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
        groups: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.filters = positive(self, "filters", filters)
        self._window(kernel_size, strides, padding, data_format, dilation_rate)
        _check_dilation(self)
        self.groups = positive(self, "groups", groups)
        if self.filters % self.groups:
            raise ValueError(
                f"{type(self).__name__}: filters must be a multiple of groups, got "
                f"filters={self.filters}, groups={self.groups}"
            )
        self.use_bias = use_bias
        resolve(self, locals())

    def build(self, input_shape: tuple) -> None:
        channels = self._channels(input_shape)
        if channels % self.groups:
            raise ValueError(
                f"the layer {self.name!r} has {self.groups} groups, but its input has {channels} "
                f"channels, not a multiple; full shape: {tuple(input_shape)}"
            )
        shape = (*self.kernel_size, channels // self.groups, self.filters)
        self.kernel = weight(self, "kernel", shape)
        self.bias = weight(self, "bias", (self.filters,)) if self.use_bias else None

    def call(self, inputs: Any) -> Any:
        return self._finish(
            convolved(self, ops.conv, inputs, self.kernel, **self._windows()), self.bias
        )


class Conv1D(_Conv):
    """Convolution (cross-correlation) of sequences.

    ``y[t, f] = activation(bias[f] + Σ_{k,c} kernel[k, c, f] · x[t · strides + k · dilation, c])``

    Args:
        filters: the number of output channels.
        kernel_size: length of the window.
        strides: steps from window to window.
        padding: "valid" (whole windows only), "same" (output length ⌈length / strides⌉) or
            "causal" (output t sees inputs up to t).
        data_format: "channels_last" or "channels_first"; None: as configured.
        dilation_rate: steps between the taps of a window; not together with strides.
        groups: the channels fall into so many groups, each with its own filters.
        activation: name or function; None is linear.
        use_bias: whether there is a bias.
        kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer,
        kernel_constraint, bias_constraint: of the weights.
        activity_regularizer: penalty on the output.
        kwargs: what every `Layer` takes.

    Weights:
        kernel: (kernel_size, channels / groups, filters); bias: (filters,).

    Input shape: (batch, time, channels), or channels second.  Output shape: (batch, new time,
    filters), or channels second.

    Example:
        >>> keras.layers.Conv1D(8, 3)(np.ones((1, 10, 2))).shape
        (1, 8, 8)
    """

    rank = 1
    causal = True


class Conv2D(_Conv):
    """Convolution (cross-correlation) of images.

    ``y[i, j, f] = activation(bias[f] + Σ_{k,l,c} kernel[k, l, c, f] · x[i·s + k·d, j·s + l·d, c])``

    Args:
        filters: the number of output channels.
        kernel_size: int, or (height, width) of the window.
        strides: s, int or two of them.
        padding: "valid" (whole windows only) or "same" (output size ⌈size / strides⌉).
        data_format: "channels_last" or "channels_first"; None: as configured.
        dilation_rate: d, int or two of them; not together with strides.
        groups: the channels fall into so many groups, each with its own filters.
        activation: name or function; None is linear.
        use_bias: whether there is a bias.
        kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer,
        kernel_constraint, bias_constraint: of the weights.
        activity_regularizer: penalty on the output.
        kwargs: what every `Layer` takes.

    Weights:
        kernel: (height, width, channels / groups, filters); bias: (filters,).

    Input shape: (batch, height, width, channels), or channels second.  Output shape: (batch, new
    height, new width, filters), or channels second.

    Example:
        >>> keras.layers.Conv2D(8, 3, padding="same")(np.ones((1, 6, 6, 2))).shape
        (1, 6, 6, 8)
    """

    rank = 2


@arguments_of(Conv2D, VOLUMES)
class Conv3D(_Conv):
    """Convolution (cross-correlation) of volumes: `Conv2D` with three spatial axes.

    Example:
        >>> keras.layers.Conv3D(4, 2)(np.ones((1, 5, 5, 5, 2))).shape
        (1, 4, 4, 4, 4)
    """

    rank = 3


class _DepthwiseConv(_Convolution):
    """Convolution of each channel by itself; kernel (*kernel_size, channels, depth_multiplier)."""

    def __init__(
        self,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        depth_multiplier: int = 1,
        data_format: str | None = None,
        dilation_rate: Any = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self._window(kernel_size, strides, padding, data_format, dilation_rate)
        self.depth_multiplier = positive(self, "depth_multiplier", depth_multiplier)
        self.use_bias = use_bias
        resolve(self, locals())

    def build(self, input_shape: tuple) -> None:
        channels = self._channels(input_shape)
        shape = (*self.kernel_size, channels, self.depth_multiplier)
        self.kernel = weight(self, "kernel", shape, like="depthwise")
        filters = (channels * self.depth_multiplier,)
        self.bias = weight(self, "bias", filters) if self.use_bias else None

    def call(self, inputs: Any) -> Any:
        outputs = convolved(self, ops.depthwise_conv, inputs, self.kernel, **self._windows())
        return self._finish(outputs, self.bias)


class DepthwiseConv2D(_DepthwiseConv):
    """Convolution of each channel of images by itself.

    Args:
        kernel_size: int, or (height, width) of the window.
        strides: int or two of them.
        padding: "valid" (whole windows only) or "same" (output size ⌈size / strides⌉).
        depth_multiplier: output channels for each input channel.
        data_format: "channels_last" or "channels_first"; None: as configured.
        dilation_rate: int or two of them; not together with strides.
        activation: name or function; None is linear.
        use_bias: whether there is a bias.
        depthwise_initializer, bias_initializer, depthwise_regularizer, bias_regularizer,
        depthwise_constraint, bias_constraint: of the weights.
        activity_regularizer: penalty on the output.
        kwargs: what every `Layer` takes.

    Weights:
        kernel: (height, width, channels, depth_multiplier); bias: (channels · depth_multiplier,).

    Input shape: (batch, height, width, channels), or channels second.  Output shape: (batch, new
    height, new width, channels · depth_multiplier), or channels second.

    Example:
        >>> keras.layers.DepthwiseConv2D(3, depth_multiplier=2)(np.ones((1, 8, 8, 4))).shape
        (1, 6, 6, 8)
    """

    rank = 2


@arguments_of(DepthwiseConv2D, SEQUENCES)
class DepthwiseConv1D(_DepthwiseConv):
    """Convolution of each channel of sequences by itself.

    Input shape: (batch, time, channels), or channels second.  Output shape: (batch, new time,
    channels · depth_multiplier), or channels second.

    Example:
        >>> keras.layers.DepthwiseConv1D(3, depth_multiplier=2)(np.ones((1, 8, 4))).shape
        (1, 6, 8)
    """

    rank = 1


class _SeparableConv(_Convolution):
    """A depthwise convolution, then one of 1×1 windows."""

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
        depth_multiplier: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        pointwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        pointwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        pointwise_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.filters = positive(self, "filters", filters)
        self._window(kernel_size, strides, padding, data_format, dilation_rate)
        self.depth_multiplier = positive(self, "depth_multiplier", depth_multiplier)
        self.use_bias = use_bias
        resolve(self, locals())

    def build(self, input_shape: tuple) -> None:
        channels = self._channels(input_shape)
        depthwise = (*self.kernel_size, channels, self.depth_multiplier)
        pointwise = (*(1,) * self.rank, channels * self.depth_multiplier, self.filters)
        self.depthwise_kernel = weight(self, "depthwise_kernel", depthwise, like="depthwise")
        self.pointwise_kernel = weight(self, "pointwise_kernel", pointwise, like="pointwise")
        self.bias = weight(self, "bias", (self.filters,)) if self.use_bias else None

    def call(self, inputs: Any) -> Any:
        kernels = self.depthwise_kernel, self.pointwise_kernel
        outputs = convolved(self, ops.separable_conv, inputs, *kernels, **self._windows())
        return self._finish(outputs, self.bias)


class SeparableConv2D(_SeparableConv):
    """A depthwise convolution of images, then a 1×1 convolution that mixes the channels.

    Args:
        filters: the number of output channels.
        kernel_size: int, or (height, width) of the depthwise window.
        strides: int or two of them.
        padding: "valid" (whole windows only) or "same" (output size ⌈size / strides⌉).
        data_format: "channels_last" or "channels_first"; None: as configured.
        dilation_rate: int or two of them; not together with strides.
        depth_multiplier: channels between the two, for each input channel.
        activation: name or function; None is linear.
        use_bias: whether there is a bias.
        depthwise_initializer, pointwise_initializer, bias_initializer, depthwise_regularizer,
        pointwise_regularizer, bias_regularizer, depthwise_constraint, pointwise_constraint,
        bias_constraint: of the weights.
        activity_regularizer: penalty on the output.
        kwargs: what every `Layer` takes.

    Weights:
        depthwise_kernel: (height, width, channels, depth_multiplier);
        pointwise_kernel: (1, 1, channels · depth_multiplier, filters); bias: (filters,).

    Input shape: (batch, height, width, channels), or channels second.  Output shape: (batch, new
    height, new width, filters), or channels second.

    Source: Chollet 2016, arXiv:1610.02357.

    Example:
        >>> keras.layers.SeparableConv2D(8, 3)(np.ones((1, 6, 6, 2))).shape
        (1, 4, 4, 8)
    """

    rank = 2


@arguments_of(SeparableConv2D, SEQUENCES)
class SeparableConv1D(_SeparableConv):
    """A depthwise convolution of sequences, then one that mixes the channels.

    Input shape: (batch, time, channels), or channels second.  Output shape: (batch, new time,
    filters), or channels second.

    Example:
        >>> keras.layers.SeparableConv1D(8, 3)(np.ones((1, 10, 2))).shape
        (1, 8, 8)
    """

    rank = 1


class _ConvTranspose(_Convolution):
    """The transpose of a convolution; kernel (*kernel_size, filters, channels)."""

    transposed = True

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        output_padding: Any = None,
        data_format: str | None = None,
        dilation_rate: Any = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.filters = positive(self, "filters", filters)
        self._window(kernel_size, strides, padding, data_format, dilation_rate)
        _check_dilation(self)
        self.output_padding = None
        if output_padding is not None:
            self.output_padding = ints(self, "output_padding", output_padding, self.rank, least=0)
            if any(p >= s for p, s in zip(self.output_padding, self.strides)):
                raise ValueError(
                    f"{type(self).__name__}: output_padding must be below strides, got "
                    f"output_padding={self.output_padding}, strides={self.strides}"
                )
        self.use_bias = use_bias
        resolve(self, locals())

    def build(self, input_shape: tuple) -> None:
        shape = (*self.kernel_size, self.filters, self._channels(input_shape))
        self.kernel = weight(self, "kernel", shape)
        self.bias = weight(self, "bias", (self.filters,)) if self.use_bias else None

    def call(self, inputs: Any) -> Any:
        windows = {"output_padding": self.output_padding, **self._windows()}
        outputs = convolved(self, ops.conv_transpose, inputs, self.kernel, **windows)
        return self._finish(outputs, self.bias)


class Conv2DTranspose(_ConvTranspose):
    """The transpose of `Conv2D`: what maps its output's shape back to its input's.

    Args:
        filters: the number of output channels.
        kernel_size: int, or (height, width) of the window.
        strides: int or two of them: the factor by which the size grows.
        padding: "valid" (output size at least size · strides) or "same" (size · strides).
        output_padding: int or two of them below `strides`: how much is added at one side; None:
            what gives the sizes above.
        data_format: "channels_last" or "channels_first"; None: as configured.
        dilation_rate: int or two of them; not together with strides.
        activation: name or function; None is linear.
        use_bias: whether there is a bias.
        kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer,
        kernel_constraint, bias_constraint: of the weights.
        activity_regularizer: penalty on the output.
        kwargs: what every `Layer` takes.

    Weights:
        kernel: (height, width, filters, channels); bias: (filters,).

    Input shape: (batch, height, width, channels), or channels second.  Output shape: (batch, new
    height, new width, filters), or channels second.

    Source: Zeiler et al. 2010, "Deconvolutional networks", CVPR.

    Example:
        >>> layer = keras.layers.Conv2DTranspose(8, 3, strides=2, padding="same")
        >>> layer(np.ones((1, 5, 5, 2))).shape
        (1, 10, 10, 8)
    """

    rank = 2


@arguments_of(Conv2DTranspose, SEQUENCES)
class Conv1DTranspose(_ConvTranspose):
    """The transpose of `Conv1D`.

    Input shape: (batch, time, channels), or channels second.  Output shape: (batch, new time,
    filters), or channels second.

    Example:
        >>> keras.layers.Conv1DTranspose(8, 3, strides=2)(np.ones((1, 5, 2))).shape
        (1, 11, 8)
    """

    rank = 1


@arguments_of(Conv2DTranspose, VOLUMES)
class Conv3DTranspose(_ConvTranspose):
    """The transpose of `Conv3D`: `Conv2DTranspose` with three spatial axes.

    Example:
        >>> keras.layers.Conv3DTranspose(4, 2, strides=2)(np.ones((1, 3, 3, 3, 2))).shape
        (1, 6, 6, 6, 4)
    """

    rank = 3


def _check_dilation(layer: _Convolution) -> None:
    if max(layer.strides) > 1 and max(layer.dilation_rate) > 1:
        raise ValueError(
            f"{type(layer).__name__}: strides above 1 and dilation_rate above 1 do not go "
            f"together, got strides={layer.strides}, dilation_rate={layer.dilation_rate}"
        )


# Keras's other names for the same classes.
Convolution1D = Conv1D
Convolution1DTranspose = Conv1DTranspose
Convolution2D = Conv2D
Convolution2DTranspose = Conv2DTranspose
Convolution3D = Conv3D
Convolution3DTranspose = Conv3DTranspose
SeparableConvolution1D = SeparableConv1D
SeparableConvolution2D = SeparableConv2D

__all__ = [
    "Conv1D", "Conv1DTranspose", "Conv2D", "Conv2DTranspose", "Conv3D", "Conv3DTranspose",
    "Convolution1D", "Convolution1DTranspose", "Convolution2D", "Convolution2DTranspose",
    "Convolution3D", "Convolution3DTranspose", "DepthwiseConv1D", "DepthwiseConv2D",
    "SeparableConv1D", "SeparableConv2D", "SeparableConvolution1D", "SeparableConvolution2D",
]  # fmt: skip
