"""``Recurrent``, which recurrent layers derived from before Keras 2.1 had cells."""

from __future__ import annotations

from typing import Any

import numpy as np

from tricorn import backend as K
from tricorn import tree
from tricorn.classic.layer import InputSpec, Layer


class Recurrent(Layer):
    """Base of recurrent layers that define ``step(inputs, states) -> (output, new states)``.

    A subclass says the size of its output, ``units``, and of its list ``states``, whose entries are
    None unless it is stateful, in its `build`.

    Args:
        return_sequences: the outputs of all steps, else that of the last.
        return_state: also the states after the last step.
        go_backwards: from the last step to the first.
        stateful: begin with the states that the batch before left.
        unroll: write the loop out.
        implementation: of no effect.
        kwargs: what every `Layer` takes.
    """

    def __init__(
        self,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        implementation: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.return_sequences, self.return_state = return_sequences, return_state
        self.go_backwards, self.stateful, self.unroll = go_backwards, stateful, unroll
        self.implementation = implementation
        self.supports_masking = True
        self.input_spec: Any = [InputSpec(ndim=3)]
        self.state_spec: Any = None
        self.dropout = self.recurrent_dropout = 0
        self._tricorn.tracker.ignored.add("states")

    units: int
    states: list

    def step(self, inputs: Any, states: list) -> tuple[Any, list]:
        """One step: the output (batch, units) and the new states.

        Args:
            inputs: (batch, features).
            states: list of the states, then of the constants.
        """
        raise NotImplementedError(f"{type(self).__name__} must define step(inputs, states)")

    def get_constants(self, inputs: Any, training: Any = None) -> list:
        """Tensors that are given to each step."""
        return []

    def get_initial_state(self, inputs: Any) -> list:
        """Zeros (batch, units), one for each state."""
        zeros = K.sum(K.zeros_like(inputs), axis=(1, 2))
        return [K.tile(K.expand_dims(zeros), [1, self.units]) for _ in self.states]

    def preprocess_input(self, inputs: Any, training: Any = None) -> Any:
        """The inputs of all steps, before the loop."""
        return inputs

    def call(
        self, inputs: Any, mask: Any = None, training: Any = None, initial_state: Any = None
    ) -> Any:
        """Run the steps."""
        if isinstance(inputs, (list, tuple)):
            inputs, initial_state = inputs[0], list(inputs[1:]) or initial_state
            mask = mask[0] if isinstance(mask, (list, tuple)) else mask
        if initial_state is None:
            initial_state = self.states if self.stateful else self.get_initial_state(inputs)
        constants = self.get_constants(inputs, training=training)
        last, outputs, states = K.rnn(
            self.step,
            self.preprocess_input(inputs, training=training),
            list(initial_state),
            go_backwards=self.go_backwards,
            mask=mask,
            constants=constants,
            unroll=self.unroll,
            input_length=tuple(inputs.shape)[1],
        )
        if self.stateful:
            for kept, state in zip(self.states, states):
                kept.assign(state)
        output = outputs if self.return_sequences else last
        return [output, *states] if self.return_state else output

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The mask of the input, with `return_sequences`."""
        mask = mask[0] if isinstance(mask, (list, tuple)) else mask
        kept = mask if self.return_sequences else None
        return [kept, *(None for _ in self.states)] if self.return_state else kept

    def reset_states(self, states: Any = None) -> None:
        """Let the kept states be zeros, or these arrays.

        Raises:
            ValueError: when the size of the batch is not known.
        """
        spec = self.input_spec[0] if isinstance(self.input_spec, list) else self.input_spec
        if spec.shape is None or spec.shape[0] is None:
            raise ValueError(
                f"{self.name!r} is stateful, so it needs the size of a batch: set input_spec in "
                "build, and give the first layer batch_input_shape"
            )
        if not tree.leaves(self.states):
            zeros = np.zeros((spec.shape[0], self.units))
            self.states = [K.variable(zeros) for _ in self.states]
        for i, kept in enumerate(self.states):
            K.set_value(kept, np.zeros(kept.shape) if states is None else states[i])


class ConvRecurrent2D(Recurrent):
    """Base of recurrent layers over images.

    Args:
        filters, kernel_size, strides, padding, data_format, dilation_rate: see `Conv2D`.
        return_sequences, go_backwards, stateful: see `Recurrent`.
        kwargs: what every `Layer` takes.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = (1, 1),
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = (1, 1),
        return_sequences: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(return_sequences, go_backwards=go_backwards, stateful=stateful, **kwargs)
        self.filters, self.padding = filters, padding
        self.kernel_size = _pair(kernel_size)
        self.strides, self.dilation_rate = _pair(strides), _pair(dilation_rate)
        self.data_format = K.normalize_data_format(data_format)
        self.input_spec = [InputSpec(ndim=5)]


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else tuple(value)
