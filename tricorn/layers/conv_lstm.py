"""The convolutional long short-term memory, over one to three spatial axes."""

from __future__ import annotations

from typing import Any

from tricorn import ops
from tricorn.docstrings import SEQUENCES, VOLUMES, arguments_of
from tricorn.layers.arguments import channel_axis, positive, resolve
from tricorn.layers.centered import convolved
from tricorn.layers.convolutional import _check_dilation, _Convolution
from tricorn.layers.input_spec import InputSpec
from tricorn.layers.recurrent import _Cell, _merge_time, _OneCellRNN, _split_time
from tricorn.ops.fused import add_bias


class ConvLSTMCell(_Cell, _Convolution):
    """One step of `ConvLSTM2D`; rank is the number of spatial axes, the rest as there."""

    gates = 4
    states = 2

    def __init__(
        self,
        rank: int,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        unit_forget_bias: bool = True,
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        filters = positive(self, "filters", filters)
        super().__init__(filters, use_bias, dropout, recurrent_dropout, seed, **kwargs)
        self.rank, self.filters = rank, filters
        self._window(kernel_size, strides, padding, data_format, dilation_rate)
        _check_dilation(self)
        self.unit_forget_bias = unit_forget_bias
        resolve(self, locals())

    def build(self, input_shape: tuple) -> None:
        channels, filters = self._channels(input_shape), self.filters
        last = self.data_format == "channels_last"
        spatial = input_shape[1:-1] if last else input_shape[2:]
        if None in spatial:
            raise ValueError(
                f"the layer {self.name!r} keeps a state of the images' size, so it must be known; "
                f"got steps of shape {tuple(input_shape)}"
            )
        windows = zip(spatial, self.kernel_size, self.strides, self.dilation_rate)
        spans = [(n, 0 if self.padding == "same" else (k - 1) * d, s) for n, k, s, d in windows]
        places = tuple((n - span - 1) // s + 1 for n, span, s in spans)
        self.state_shape = (*places, filters) if last else (filters, *places)
        self.make_weights((*self.kernel_size, channels), (*self.kernel_size, filters))

    def get_initial_state(self, batch_size: int | None = None) -> list:
        """Zeros of the states' shape: h and c."""
        return [ops.zeros((batch_size, *self.state_shape), self.compute_dtype) for _ in range(2)]

    def input_masks(self, inputs: Any, training: bool | None) -> list | None:
        several = len(inputs.shape) == self.rank + 3
        return super().input_masks(ops.get_item(inputs, 0) if several else inputs, training)

    def project(self, inputs: Any, masks: list | None) -> Any:
        outputs = self._by_gate(inputs, masks, self.kernel, **self._windows())
        if self.bias is None:
            return outputs
        if self.data_format == "channels_last":
            return add_bias(outputs, self.bias)
        return ops.add(outputs, ops.reshape(self.bias, (-1, *(1,) * self.rank)))

    def recur(self, state: Any, masks: list | None) -> Any:
        kept = {"padding": "same", "data_format": self.data_format}
        return self._by_gate(state, masks, self.recurrent_kernel, **kept)

    def _by_gate(self, x: Any, masks: list | None, kernel: Any, **windows: Any) -> Any:
        """x, of one step or (time, batch, ...), convolved; each gate sees it through its mask."""
        several = len(x.shape) == self.rank + 3

        def run(x: Any, kernel: Any) -> Any:
            x_ = _merge_time(x) if several else x
            outputs = convolved(self, ops.conv, x_, kernel, **windows)
            return _split_time(outputs, x) if several else outputs

        if masks is None:
            return run(x, kernel)
        if len(masks) == 1:
            return run(ops.multiply(x, masks[0]), kernel)
        parts = zip(masks, ops.split(kernel, 4, axis=-1))
        axis = channel_axis(self) if not several or channel_axis(self) < 0 else 2
        return ops.concatenate([run(ops.multiply(x, m), k) for m, k in parts], axis=axis)

    def advance(self, projected: Any, states: list, masks: list | None) -> list:
        gate, (h, c) = self.recurrent_activation, states
        sums = ops.add(projected, self.recur(h, masks))
        i, f, g, o = ops.split(sums, 4, axis=channel_axis(self))
        c = ops.add(ops.multiply(gate(f), c), ops.multiply(gate(i), self.activation(g)))
        return [ops.multiply(gate(o), self.activation(c)), c]


class _ConvLSTM(_OneCellRNN):
    """A `ConvLSTMCell` in a loop over time.

    Attributes:
        rank: the number of spatial axes.
    """

    cell_class = ConvLSTMCell
    rank: int

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        unit_forget_bias: bool = True,
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        **kwargs: Any,
    ) -> None:
        unroll = kwargs.pop("unroll", False)  # how the loop runs is the engine's own matter
        super().__init__({**locals(), "rank": self.rank}, kwargs)
        self.input_spec = InputSpec(ndim=self.rank + 3)

    def _tricorn_state_shape(self, size: int) -> tuple[int, ...]:
        return self.cell.state_shape


class ConvLSTM2D(_ConvLSTM):
    """The long short-term memory whose matrix products are convolutions, written *: over time,
    with s for recurrent_activation::

        i, f, g, o = split(x * kernel + h * recurrent_kernel + bias)
        c = s(f) · c + s(i) · activation(g)
        h = s(o) · activation(c)

    Args:
        filters: channels of h and c, and of the output.
        kernel_size: int, or (height, width) of the windows.
        strides: of the windows over the input; those over h have the stride 1 and "same" padding.
        padding: "valid" (whole windows only) or "same" (output size ⌈size / strides⌉).
        data_format: "channels_last" or "channels_first"; None: as configured.
        dilation_rate: int or two of them; not together with strides.
        activation, recurrent_activation: name or function; None is linear.
        use_bias: whether there is a bias.
        kernel_initializer, recurrent_initializer, bias_initializer: of the weights.
        unit_forget_bias: the bias of f begins at 1.
        kernel_regularizer, recurrent_regularizer, bias_regularizer, kernel_constraint,
        recurrent_constraint, bias_constraint: of the weights.
        activity_regularizer: penalty on the output.
        dropout, recurrent_dropout: rates, of the inputs and of h.
        seed: int; None takes the next of the global sequence.
        return_sequences, return_state, go_backwards, stateful: see `RNN`.
        kwargs: what every `Layer` takes.

    Weights:
        kernel: (height, width, channels, 4 · filters); recurrent_kernel: (height, width, filters,
        4 · filters); bias: (4 · filters,).

    Input shape: (batch, time, height, width, channels), or channels third; mask: (batch, time).
    Output shape: (batch, new height, new width, filters), with time second under return_sequences;
    return_state adds h and c.

    Source: Shi et al. 2015, arXiv:1506.04214.

    Example:
        >>> keras.layers.ConvLSTM2D(4, 3, padding="same")(np.ones((1, 3, 6, 6, 2))).shape
        (1, 6, 6, 4)
    """

    rank = 2


@arguments_of(ConvLSTM2D, SEQUENCES)
class ConvLSTM1D(_ConvLSTM):
    """`ConvLSTM2D` with one spatial axis.

    Input shape: (batch, time, rows, channels), or channels third.

    Example:
        >>> keras.layers.ConvLSTM1D(4, 3)(np.ones((1, 5, 8, 2))).shape
        (1, 6, 4)
    """

    rank = 1


@arguments_of(ConvLSTM2D, VOLUMES)
class ConvLSTM3D(_ConvLSTM):
    """`ConvLSTM2D` with three spatial axes.

    Input shape: (batch, time, depth, height, width, channels), or channels third.

    Example:
        >>> keras.layers.ConvLSTM3D(2, 2)(np.ones((1, 2, 4, 4, 4, 1))).shape
        (1, 3, 3, 3, 2)
    """

    rank = 3
