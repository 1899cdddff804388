"""Recurrent layers: cells (one step), `RNN` (a loop over any cell), SimpleRNN, LSTM, GRU, and the
wrappers Bidirectional and TimeDistributed.

A built-in cell splits its step in two: `project` (the inputs' part, ``x @ kernel + bias``, which
`RNN` computes for all steps at once) and `advance` (the states' part, which is the loop's body).
LSTM and GRU with the standard activations run the loop as one op (`tricorn.ops.recurrent`).
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, cast

import numpy as np

from tricorn import activations, initializers, naming, ops, random, tree
from tricorn.checks import of_library, wrong
from tricorn.conventions import conventions_of
from tricorn.engines import active
from tricorn.graph import transforms
from tricorn.graph.op import Tensor, op
from tricorn.layers.arguments import choice, positive, resolve, weight
from tricorn.layers.base import Layer
from tricorn.layers.input_spec import InputSpec
from tricorn.layers.state import flatten, own_frozen
from tricorn.ops import recurrent
from tricorn.ops.fused import add_bias
from tricorn.seeds import SeedGenerator
from tricorn.serialization import registry
from tricorn.variable import Variable, autocast, name_scope

# ------------------------------------------------------------------------------------------ cells


class _Cell(Layer):
    """One step of a recurrent layer.

    Attributes:
        gates: how many blocks of `units` columns the kernels have.
        states: how many tensors the state is.
        state_size: `units`, or a list of them; output_size: `units`.
        seed_generator: random state of the dropout.
    """

    gates = 1
    states = 1
    unit_forget_bias = False
    activation: Any
    recurrent_activation: Any
    bias_initializer: Any

    def __init__(
        self, units: int, use_bias: bool, dropout: float, recurrent_dropout: float,
        seed: int | None, **kwargs: Any,
    ) -> None:  # fmt: skip
        self.implementation = kwargs.pop("implementation", 2)  # speed is the engine's matter
        super().__init__(**kwargs)
        self.units = positive(self, "units", units)
        self.use_bias = use_bias
        self.dropout = min(1.0, max(0.0, dropout))
        self.recurrent_dropout = min(1.0, max(0.0, recurrent_dropout))
        self.seed = seed
        self.seed_generator = SeedGenerator(seed)
        self.state_size: Any = self.units if self.states == 1 else [self.units] * self.states
        self.output_size = self.units

    def build(self, input_shape: tuple) -> None:
        self.make_weights((input_shape[-1],), (self.units,))

    def make_weights(self, below: tuple, own: tuple) -> None:
        """Make the weights.

        Args:
            below: the shape of a kernel for one entry of the output.
            own: that of a recurrent kernel.
        """
        columns = self.gates * self.units
        self.kernel = weight(self, "kernel", (*below, columns))
        self.recurrent_kernel = weight(self, "recurrent_kernel", (*own, columns), like="recurrent")
        self.bias = self.bias_weight() if self.use_bias else None

    def bias_weight(self) -> Variable:
        """Make the bias."""
        initializer = self.bias_initializer
        if self.unit_forget_bias:
            initializer = _ForgetBias(initializer)
        return weight(self, "bias", (self.gates * self.units,), initializer=initializer)

    def get_initial_state(self, batch_size: int | None = None) -> list:
        """Zeros of shape (batch_size, units), one for each tensor of the state."""
        return [ops.zeros((batch_size, self.units), self.compute_dtype) for _ in range(self.states)]

    def call(self, inputs: Any, states: Any, training: bool | None = None) -> tuple[Any, Any]:
        """One step.

        Args:
            inputs: (batch, features).
            states: list of (batch, units), or the tensor itself where there is one.
            training: whether there is dropout.

        Returns:
            (output (batch, units), new states in the form of `states`).
        """
        nested = isinstance(states, (list, tuple))
        before = list(states) if nested else [states]
        projected = self.project(inputs, self.input_masks(inputs, training))
        after = self.advance(projected, before, self.recurrent_masks(before[0], training))
        return after[0], after if nested else after[0]

    def input_masks(self, inputs: Any, training: bool | None) -> list | None:
        """Dropout factors of the inputs, the same at every step: one tensor, or one a gate.

        Args:
            inputs: (batch, features), or (time, batch, features).
            training: when false, None is returned.
        """
        if not training or not self.dropout:
            return None
        sample = ops.get_item(inputs, 0) if len(inputs.shape) == 3 else inputs
        return self._masks(sample, self.dropout, training)

    def recurrent_masks(self, state: Any, training: bool | None) -> list | None:
        """Dropout factors (batch, units) of h, the same at every step, one a gate; or None."""
        return self._masks(state, self.recurrent_dropout, training)

    def _masks(self, like: Any, rate: float, training: bool | None) -> list | None:
        if not training or not 0.0 < rate < 1.0:
            return None
        count = self.gates if self.recurrent_dropout > 0 or self.implementation == 1 else 1
        ones = ops.ones_like(like)
        return [random.dropout(ones, rate, seed=self.seed_generator) for _ in range(count)]

    def project(self, inputs: Any, masks: list | None) -> Any:
        """``inputs @ kernel + bias`` for one step or all: ([time,] batch, gates · units)."""
        if masks is None:
            outputs = ops.matmul(inputs, self.kernel)
        else:
            outputs = _by_gate(inputs, masks, self.kernel, self.gates)
        bias = self.input_bias()
        return outputs if bias is None else add_bias(outputs, bias)

    def input_bias(self) -> Any:
        """The bias of `project`, or None."""
        return self.bias

    def recur(self, state: Any, masks: list | None) -> Any:
        """``state @ recurrent_kernel``, with recurrent dropout."""
        if masks is None:
            return ops.matmul(state, self.recurrent_kernel)
        return _by_gate(state, masks, self.recurrent_kernel, self.gates)

    def advance(self, projected: Any, states: list, masks: list | None) -> list:
        """The new states, of which the first is the output.

        Args:
            projected: (batch, gates · units), from `project`.
            states: list of (batch, units).
            masks: from `recurrent_masks`.
        """
        raise NotImplementedError

    def loop(
        self, inputs: Any, states: list, mask: Any, reverse: bool, dropped: Any, masks: list | None
    ) -> tuple[Any, list]:
        """All steps.

        Args:
            inputs: (time, batch, features).
            states: list of (batch, units).
            mask: (batch, time) or None.
            reverse: from the last step to the first.
            dropped: from `input_masks`.
            masks: from `recurrent_masks`.

        Returns:
            (outputs (batch, time, units), each at its input's place; last states).
        """

        def step(x: Any, states: list) -> tuple[Any, list]:
            after = self.advance(x, states, masks)
            return after[0], after

        return _loop(step, self.project(inputs, dropped), states, mask, reverse)

    def joined(self, inputs: Any, dropped: list | None) -> tuple[Any, Any, Any]:
        """Inputs, kernel and bias of an op of all steps; no kernel and no bias for what they have
        been applied to."""
        if dropped is not None and len(dropped) > 1:
            return self.project(inputs, dropped), None, None
        inputs = inputs if dropped is None else ops.multiply(inputs, dropped[0])
        return inputs, self.kernel, self.input_bias()


def _by_gate(x: Any, masks: list, kernel: Any, gates: int) -> Any:
    """``x @ kernel`` where each gate sees x through a mask of its own (or all through one)."""
    if len(masks) == 1:
        return ops.matmul(ops.multiply(x, masks[0]), kernel)
    parts = zip(masks, ops.split(kernel, gates, axis=1))
    return ops.concatenate([ops.matmul(ops.multiply(x, mask), k) for mask, k in parts], axis=-1)


class SimpleRNNCell(_Cell):
    """``h' = activation(x @ kernel + h @ recurrent_kernel + bias)``.

    Args:
        units: size of h.
        activation: name or function; None is linear.
        use_bias: whether there is a bias.
        kernel_initializer, recurrent_initializer, bias_initializer, kernel_regularizer,
        recurrent_regularizer, bias_regularizer, kernel_constraint, recurrent_constraint,
        bias_constraint: of the weights.
        dropout, recurrent_dropout: rates, of the inputs and of h.
        seed: int; None takes the next of the global sequence.
        kwargs: what every `Layer` takes.

    Weights:
        kernel: (features, units); recurrent_kernel: (units, units); bias: (units,).

    Call: inputs (batch, features), states [h]; gives (h', [h']).

    Example:
        >>> outputs, states = keras.layers.SimpleRNNCell(4)(np.ones((2, 3)), np.zeros((2, 4)))
        >>> outputs.shape
        (2, 4)
    """

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
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
        super().__init__(units, use_bias, dropout, recurrent_dropout, seed, **kwargs)
        resolve(self, locals())

    def advance(self, projected: Any, states: list, masks: list | None) -> list:
        return [self.activation(ops.add(projected, self.recur(states[0], masks)))]


class LSTMCell(_Cell):
    """One step of `LSTM`, with s for recurrent_activation::

        i, f, g, o = split(x @ kernel + h @ recurrent_kernel + bias)
        c' = s(f) · c + s(i) · activation(g)
        h' = s(o) · activation(c')

    Args:
        units: size of h and c.
        activation, recurrent_activation: name or function; None is linear.
        use_bias: whether there is a bias.
        kernel_initializer, recurrent_initializer, bias_initializer: of the weights.
        unit_forget_bias: the bias of f begins at 1.
        kernel_regularizer, recurrent_regularizer, bias_regularizer, kernel_constraint,
        recurrent_constraint, bias_constraint: of the weights.
        dropout, recurrent_dropout: rates, of the inputs and of h.
        seed: int; None takes the next of the global sequence.
        kwargs: what every `Layer` takes.

    Weights:
        kernel: (features, 4 · units); recurrent_kernel: (units, 4 · units); bias: (4 · units,).

    Call: inputs (batch, features), states [h, c]; gives (h', [h', c']).

    Example:
        >>> outputs, states = keras.layers.LSTMCell(4)(np.ones((2, 3)), [np.zeros((2, 4))] * 2)
        >>> outputs.shape, len(states)
        ((2, 4), 2)
    """

    gates = 4
    states = 2

    def __init__(
        self,
        units: int,
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
        super().__init__(units, use_bias, dropout, recurrent_dropout, seed, **kwargs)
        self.unit_forget_bias = unit_forget_bias
        resolve(self, locals())

    def advance(self, projected: Any, states: list, masks: list | None) -> list:
        gate, (h, c) = self.recurrent_activation, states
        i, f, g, o = ops.split(ops.add(projected, self.recur(h, masks)), 4, axis=-1)
        c = ops.add(ops.multiply(gate(f), c), ops.multiply(gate(i), self.activation(g)))
        return [ops.multiply(gate(o), self.activation(c)), c]

    def loop(
        self, inputs: Any, states: list, mask: Any, reverse: bool, dropped: Any, masks: list | None
    ) -> tuple[Any, list]:
        if masks is not None or not _standard(self):
            return super().loop(inputs, states, mask, reverse, dropped, masks)
        x, kernel, bias = self.joined(inputs, dropped)
        h, c = states
        outputs, h, c = recurrent.lstm(x, h, c, kernel, self.recurrent_kernel, bias, mask, reverse)
        return outputs, [h, c]


class GRUCell(_Cell):
    """One step of `GRU`, with s for recurrent_activation, W, U, b for kernel, recurrent_kernel and
    bias::

        z, r = s(x @ W_z + h @ U_z + b_z), s(x @ W_r + h @ U_r + b_r)
        g = activation(x @ W_g + b_g + r · (h @ U_g + b'_g))     reset_after
        g = activation(x @ W_g + b_g + (r · h) @ U_g)            otherwise
        h' = z · h + (1 - z) · g

    Args:
        units: size of h.
        activation, recurrent_activation: name or function; None is linear.
        use_bias: whether there is a bias.
        kernel_initializer, recurrent_initializer, bias_initializer, kernel_regularizer,
        recurrent_regularizer, bias_regularizer, kernel_constraint, recurrent_constraint,
        bias_constraint: of the weights.
        dropout, recurrent_dropout: rates, of the inputs and of h.
        reset_after: whether the reset gate acts after the matrix product; then h has a bias of
            its own.
        seed: int; None takes the next of the global sequence.
        kwargs: what every `Layer` takes.

    Weights:
        kernel: (features, 3 · units); recurrent_kernel: (units, 3 · units);
        bias: (2, 3 · units) with reset_after, else (3 · units,).

    Call: inputs (batch, features), states [h]; gives (h', [h']).

    Example:
        >>> outputs, states = keras.layers.GRUCell(4)(np.ones((2, 3)), np.zeros((2, 4)))
        >>> outputs.shape
        (2, 4)
    """

    gates = 3

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        reset_after: bool = True,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(units, use_bias, dropout, recurrent_dropout, seed, **kwargs)
        self.reset_after = reset_after
        resolve(self, locals())

    def bias_weight(self) -> Variable:
        columns = 3 * self.units
        return weight(self, "bias", (2, columns) if self.reset_after else (columns,))

    def input_bias(self) -> Any:
        return self.bias if self.bias is None or not self.reset_after else self.bias[0]

    def recurrent_bias(self) -> Any:
        """The bias that belongs to h, or None."""
        return self.bias[1] if self.bias is not None and self.reset_after else None

    def advance(self, projected: Any, states: list, masks: list | None) -> list:
        (h,) = states
        if masks is None:
            return [
                recurrent.gru_step(
                    projected, h, self.recurrent_kernel, self.recurrent_bias(), self.reset_after,
                    self.activation, self.recurrent_activation,
                )
            ]  # fmt: skip
        gate = self.recurrent_activation
        x_z, x_r, x_g = ops.split(projected, 3, axis=-1)
        seen = [ops.multiply(h, mask) for mask in masks]
        kernels = ops.split(self.recurrent_kernel, 3, axis=1)
        bias = self.recurrent_bias()
        biases = ops.split(bias, 3) if bias is not None else [None] * 3

        def part(index: int, state: Any) -> Any:
            product = ops.matmul(state, kernels[index])
            return product if biases[index] is None else ops.add(product, biases[index])

        z, r = gate(ops.add(x_z, part(0, seen[0]))), gate(ops.add(x_r, part(1, seen[1])))
        if self.reset_after:
            candidate = ops.multiply(r, part(2, seen[2]))
        else:
            candidate = part(2, ops.multiply(r, seen[2]))
        g = self.activation(ops.add(x_g, candidate))
        return [ops.add(ops.multiply(z, h), ops.multiply(ops.subtract(1.0, z), g))]

    def loop(
        self, inputs: Any, states: list, mask: Any, reverse: bool, dropped: Any, masks: list | None
    ) -> tuple[Any, list]:
        if masks is not None or not _standard(self):
            return super().loop(inputs, states, mask, reverse, dropped, masks)
        x, kernel, bias = self.joined(inputs, dropped)
        outputs, h = recurrent.gru(
            x, states[0], kernel, self.recurrent_kernel, bias, self.recurrent_bias(), mask, reverse,
            self.reset_after,
        )  # fmt: skip
        return outputs, [h]


def _standard(cell: Any) -> bool:
    """Whether the activations are those of the whole-loop ops."""
    return cell.activation is activations.tanh and cell.recurrent_activation is activations.sigmoid


class _ForgetBias(initializers.HostInitializer):
    """The bias of an LSTM with ones for the forget gate, the second of four blocks."""

    def __init__(self, others: Any) -> None:
        self.others = others

    def values(self, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        units = shape[0] // 4

        def drawn(count: int) -> np.ndarray:
            host = getattr(self.others, "host", None)
            if host is not None:
                return host((count,), dtype.name)
            return ops.convert_to_numpy(self.others((count,), dtype.name))

        return np.concatenate([drawn(units), np.ones(units, dtype), drawn(2 * units)])


class StackedRNNCells(Layer):
    """Cells one above the other, as one cell: each takes the output of the one below.

    Args:
        cells: list of cells.
        kwargs: what every `Layer` takes.

    Call: inputs (batch, features), states: a list with each cell's, a tensor where `state_size` is
    one number, else a list; gives (output of the last cell, list of new states).

    Example:
        >>> cells = [keras.layers.LSTMCell(8), keras.layers.LSTMCell(4)]
        >>> keras.layers.RNN(keras.layers.StackedRNNCells(cells))(np.ones((2, 5, 3))).shape
        (2, 4)
    """

    def __init__(self, cells: list, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for cell in cells if isinstance(cells, (list, tuple)) else [cells]:
            if not hasattr(cell, "call") or not hasattr(cell, "state_size"):
                raise ValueError(
                    "StackedRNNCells: each of cells needs a call method and a state_size, "
                    f"got {cell!r}"
                )
        self.cells = list(cells)

    @property
    def state_size(self) -> list:
        return [cell.state_size for cell in self.cells]

    @property
    def output_size(self) -> int:
        return _output_size(self.cells[-1])

    def get_initial_state(self, batch_size: int | None = None) -> list:
        states = [_initial_state(cell, batch_size, self.compute_dtype) for cell in self.cells]
        several = [isinstance(cell.state_size, (list, tuple)) for cell in self.cells]
        return [state if many else state[0] for state, many in zip(states, several)]

    def build(self, input_shape: tuple) -> None:
        for cell in self.cells:
            if isinstance(cell, Layer) and not cell.built:
                cell.build(input_shape)
            input_shape = (input_shape[0], _output_size(cell))

    def call(self, inputs: Any, states: list, training: bool | None = None) -> tuple[Any, list]:
        after = []
        for cell, state in zip(self.cells, states):
            inputs, new = _stepper(cell, inputs, _listed(state), training)(inputs, _listed(state))
            after.append(new if isinstance(state, (list, tuple)) else new[0])
        return inputs, after


def _output_size(cell: Any) -> int:
    size = getattr(cell, "output_size", None)
    if size is None:
        size = cell.state_size[0] if isinstance(cell.state_size, (list, tuple)) else cell.state_size
    return size


def _listed(states: Any) -> list:
    return list(states) if isinstance(states, (list, tuple)) else [states]


def _initial_state(cell: Any, batch_size: Any, dtype: str) -> list:
    """What the cell's `get_initial_state` gives, else zeros."""
    make = getattr(cell, "get_initial_state", None)
    if make is not None:
        return _listed(make(batch_size=batch_size))
    return [ops.zeros((batch_size, size), dtype) for size in _listed(cell.state_size)]


def _splits(cell: Any) -> bool:
    """Whether a cell is ours, and not of a subclass with another `call`."""
    return isinstance(cell, _Cell) and type(cell).call is _Cell.call


def _takes_training(layer: Any) -> bool:
    return "training" in inspect.signature(layer.call).parameters


def _stepper(cell: Any, inputs: Any, states: list, training: bool | None) -> Callable:
    """``step(inputs, states) -> (output, new states)`` of any cell, its dropout drawn now.

    Args:
        cell: ours, or any object with ``call(inputs, states)``.
        inputs, states: of the first step, to draw the dropout for.
        training: whether there is dropout.
    """
    if _splits(cell):
        masks = cell.input_masks(inputs, training)
        recurrent_masks = cell.recurrent_masks(states[0], training)

        def step(inputs: Any, states: list) -> tuple[Any, list]:
            after = cell.advance(cell.project(inputs, masks), states, recurrent_masks)
            return after[0], after

    elif isinstance(cell, StackedRNNCells) and type(cell).call is StackedRNNCells.call:
        steps = []
        for one, state in zip(cell.cells, states):
            steps.append(_stepper(one, inputs, _listed(state), training))
            inputs, _ = steps[-1](inputs, _listed(state))

        def step(inputs: Any, states: list) -> tuple[Any, list]:
            after = []
            for one, state in zip(steps, states):
                inputs, new = one(inputs, _listed(state))
                after.append(new if isinstance(state, (list, tuple)) else new[0])
            return inputs, after

    else:
        run = cell if callable(cell) else cell.call
        given = {"training": training} if _takes_training(cell) else {}

        def step(inputs: Any, states: list) -> tuple[Any, list]:
            output, after = run(inputs, states, **given)
            return output, _listed(after)

    return step


def _loop(
    step: Callable, inputs: Any, states: list, mask: Any, reverse: bool, stacked: bool = False
) -> tuple[Any, list]:
    """``output, states = step(x_t, states)`` over time.

    Args:
        step: function of one step.
        inputs: (time, batch, ...).
        states: list (or list of lists) of (batch, ...).
        mask: (batch, time) or None; where False, states and output stay as they are (the first
            state, of stacked cells the last one's, is taken for the output before).
        reverse: from the last step to the first.
        stacked: the states are those of stacked cells.

    Returns:
        (outputs (batch, time, ...), each at its input's place; last states).
    """

    def body(states: list, now: tuple) -> tuple:
        x, present = now
        output, after = step(x, states)
        if present is not None:
            last = _listed(states[-1] if stacked else states[0])[0]
            output = _where(present, output, last)
            after = tree.map(lambda new, old: _where(present, new, old), after, states)
        return after, output

    if mask is not None:
        mask = ops.swapaxes(mask, 0, 1)
    states, outputs = transforms.scan(body, states, (inputs, mask), reverse=reverse)
    return ops.swapaxes(outputs, 0, 1), states


def _where(present: Any, new: Any, old: Any) -> Any:
    """`new` for the samples (or steps) that are present, else `old`."""
    axes = tuple(range(len(present.shape), len(new.shape)))
    return ops.where(ops.expand_dims(present, axes) if axes else present, new, old)


# ----------------------------------------------------------------------------------------- layers


@op
def _zero_state(x: Tensor, shape: tuple[int, ...], dtype: str) -> Tensor:
    """Zeros of shape (batch size of `x`, *shape)."""
    engine = active()
    return engine.full((engine.shape(x)[0], *shape), 0, dtype)


class RNN(Layer):
    """A cell in a loop over time.

    Args:
        cell: an object with ``call(inputs, states) -> (output, new states)`` and `state_size`, or
            a list of them, which are stacked.
        return_sequences: give the output of every step instead of the last one.
        return_state: give the last states too.
        go_backwards: from the last step to the first; the outputs come in that order.
        stateful: begin with the states that the call before left; batches have one fixed size.
        unroll: accepted; how the loop runs is the engine's own matter.
        zero_output_for_mask: outputs of masked steps are 0 instead of the output before.
        kwargs: what every `Layer` takes.

    Attributes:
        states: Variables in the structure of the states when stateful and built, else None.

    Call:
        sequences: (batch, time, ...); mask: (batch, time), False for steps to skip.
        initial_state: list of states to begin with; default zeros, or the kept ones.

    Output shape: (batch, units), or (batch, time, units); with return_state a tuple of that and
    the states.

    Example:
        >>> layer = keras.layers.RNN(keras.layers.LSTMCell(4), return_sequences=True)
        >>> layer(np.ones((2, 5, 3))).shape
        (2, 5, 4)
    """

    def __init__(
        self,
        cell: Any,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        zero_output_for_mask: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if isinstance(cell, (list, tuple)):
            cell = StackedRNNCells(list(cell))
        for needed in ("call", "state_size"):
            if not hasattr(cell, needed):
                raise ValueError(f"{type(self).__name__}: the cell {cell!r} has no {needed}")
        self.cell = cell
        self.return_sequences, self.return_state = return_sequences, return_state
        self.go_backwards, self.stateful, self.unroll = go_backwards, stateful, unroll
        self.zero_output_for_mask = zero_output_for_mask
        self.supports_masking = True
        self._tricorn.tracker.ignored.add("states")  # they are no weights
        self.states: list | None = None

    @property
    def state_size(self) -> list:
        """The size of each state."""
        return _listed(self.cell.state_size)

    def build(self, sequences_shape: tuple, initial_state_shape: Any = None) -> None:
        if isinstance(self.cell, Layer) and not self.cell.built:
            self.cell.build((sequences_shape[0], *sequences_shape[2:]))
        batch = sequences_shape[0]
        if not self.stateful:
            return
        if batch is None:
            raise ValueError(
                f"the layer {self.name!r} is stateful, so it needs a fixed batch size, got "
                f"sequences of shape {tuple(sequences_shape)}; give the Input a batch_shape"
            )

        sizes, structure = tree.take_apart(self.state_size)

        def state(number: int) -> Variable:
            shape = (batch, *self._tricorn_state_shape(sizes[number]))
            first: Any = (
                "zeros" if _splits(self.cell) else functools.partial(self._tricorn_first, number)
            )
            return Variable(first, shape, self.variable_dtype, trainable=False, name="rnn_state")

        with name_scope(self.name, self):
            self.states = tree.unflatten(structure, [state(i) for i in range(len(sizes))])

    def _tricorn_first(self, number: int, shape: tuple[int, ...], dtype: str) -> Any:
        """What one of the kept states begins with: what the cell says."""
        return ops.cast(tree.leaves(self.get_initial_state(shape[0]))[number], dtype)

    def _tricorn_state_shape(self, size: int) -> tuple[int, ...]:
        """The shape, without the batch axis, of a state of that size."""
        return (size,)

    def reset_state(self) -> None:
        """Let the kept states be zeros again."""
        for state in tree.leaves(self.states):
            state.assign(np.zeros(state.shape, np.float32))

    reset_states = reset_state

    def get_initial_state(self, batch_size: Any) -> list:
        """The states before the first step."""
        return _initial_state(self.cell, batch_size, self._tricorn_cell_dtype)

    @property
    def _tricorn_heeds_training(self) -> bool:
        cells = getattr(self.cell, "cells", [self.cell])
        return any(
            cell.dropout or cell.recurrent_dropout if _splits(cell) else _takes_training(cell)
            for cell in cells
        )

    @property
    def _tricorn_cell_dtype(self) -> str:
        """The dtype that the cell computes in: a layer has a policy of its own."""
        return getattr(self.cell, "compute_dtype", self.compute_dtype)

    def call(
        self,
        sequences: Any,
        initial_state: Any = None,
        mask: Any = None,
        training: bool | None = None,
    ) -> Any:
        dtype = self._tricorn_cell_dtype
        if dtype == self.compute_dtype:
            return self._tricorn_run(sequences, initial_state, mask, training)
        sequences, initial_state = tree.map(
            lambda x: ops.cast(x, dtype), (sequences, initial_state)
        )
        with autocast(dtype):
            outputs = self._tricorn_run(sequences, initial_state, mask, training)
        return tree.map(lambda x: ops.cast(x, self.compute_dtype), outputs)

    def _tricorn_run(
        self, sequences: Any, initial_state: Any, mask: Any, training: bool | None
    ) -> Any:
        """The loop, all in the cell's dtype."""
        cell, reverse = self.cell, self.go_backwards
        states = self._tricorn_first_states(sequences, initial_state)
        if mask is not None:
            if len(mask.shape) != 2:
                raise ValueError(
                    f"the layer {self.name!r}: a mask has the shape (batch, time), got "
                    f"{tuple(mask.shape)}"
                )
            mask = ops.cast(mask, "bool")
        sequences = ops.swapaxes(sequences, 0, 1)
        if _splits(cell):
            masks = cell.input_masks(sequences, training), cell.recurrent_masks(states[0], training)
            outputs, states = cell.loop(sequences, states, mask, reverse, *masks)
            output = states[0]
        else:
            step = _stepper(cell, ops.get_item(sequences, 0), states, training)
            stacked = isinstance(cell, StackedRNNCells)
            outputs, states = _loop(step, sequences, states, mask, reverse, stacked)
            output = None
        if self.stateful:
            for kept, state in zip(tree.leaves(self.states), tree.leaves(states)):
                kept.assign(ops.cast(state, kept.dtype))
        zeroed = mask is not None and self.zero_output_for_mask
        zeroed = zeroed and conventions_of(self).masked_steps == "zeros"
        if zeroed:
            outputs = _where(mask, outputs, ops.zeros_like(outputs))
        if self.return_sequences:
            output = ops.flip(outputs, axis=1) if reverse else outputs
        elif output is None or zeroed:
            output = ops.get_item(outputs, (slice(None), 0 if reverse else -1))
        return (output, *states) if self.return_state else output

    def _tricorn_first_states(self, sequences: Any, initial_state: Any) -> list:
        batch = sequences.shape[0]
        kept = tree.leaves(self.states)
        if kept and batch is not None and batch != kept[0].shape[0]:
            raise ValueError(
                f"the layer {self.name!r} is stateful with batches of {kept[0].shape[0]} samples, "
                f"got sequences of shape {tuple(sequences.shape)}"
            )
        if initial_state is not None:
            states = _listed(initial_state)
            if len(states) != len(self.state_size):
                raise ValueError(
                    f"the layer {self.name!r} has {len(self.state_size)} states, initial_state "
                    f"has {len(states)}"
                )
            return states
        if self.states is not None:
            return tree.map(lambda state: ops.cast(state, self._tricorn_cell_dtype), self.states)
        if _splits(self.cell):
            shapes = map(self._tricorn_state_shape, self.state_size)
            return [_zero_state(sequences, shape, self._tricorn_cell_dtype) for shape in shapes]
        return self.get_initial_state(ops.shape(sequences)[0])

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        mask = tree.leaves(previous_mask)[0] if tree.leaves(previous_mask) else None
        mask = mask if self.return_sequences else None
        return [mask, *(None for _ in self.state_size)] if self.return_state else mask


@functools.cache
def _arguments(cell_class: Any) -> frozenset[str]:
    """The names of the arguments that a cell's class adds to those of every layer."""
    return frozenset(inspect.signature(cell_class).parameters) - {"kwargs"}


class _OneCellRNN(RNN):
    """An RNN over a built-in cell whose arguments it takes itself.

    Attributes:
        cell: the cell, of the class `cell_class`; its arguments are attributes here too.
    """

    cell_class: type[_Cell]

    def __init__(self, given: dict[str, Any], kwargs: dict[str, Any]) -> None:
        layer = ("return_sequences", "return_state", "go_backwards", "stateful", "unroll")
        cell = self.cell_class(
            **{name: given[name] for name in _arguments(cast(Any, self.cell_class))},
            implementation=kwargs.pop("implementation", 2),
            dtype=kwargs.get("dtype"),
            trainable=kwargs.get("trainable", True),
            name=naming.snake_case(self.cell_class.__name__),
        )
        super().__init__(
            cell,
            **{name: given[name] for name in layer},
            activity_regularizer=given["activity_regularizer"],
            **kwargs,
        )
        self.input_spec = InputSpec(ndim=3)

    def __getattr__(self, name: str) -> Any:
        cell = self.__dict__.get("cell")
        if cell is not None and name in _arguments(cast(Any, type(cell))):
            return getattr(cell, name)
        return super().__getattr__(name)  # type: ignore[misc]

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        config.pop("use_cudnn", None)
        return config


class SimpleRNN(_OneCellRNN):
    """The fully connected recurrent layer: ``h' = activation(x @ W + h @ U + b)`` over time.

    Args:
        units: size of h and of the output.
        activation: name or function; None is linear.
        use_bias: whether there is a bias.
        kernel_initializer, recurrent_initializer, bias_initializer, kernel_regularizer,
        recurrent_regularizer, bias_regularizer, kernel_constraint, recurrent_constraint,
        bias_constraint: of the weights.
        activity_regularizer: penalty on the output.
        dropout, recurrent_dropout: rates, of the inputs and of h.
        return_sequences, return_state, go_backwards, stateful, unroll: see `RNN`.
        seed: int; None takes the next of the global sequence.
        kwargs: what every `Layer` takes.

    Weights:
        kernel W: (features, units); recurrent_kernel U: (units, units); bias b: (units,).

    Input shape: (batch, time, features); mask: (batch, time).  Output shape: (batch, units), or
    (batch, time, units) with return_sequences; return_state adds h (batch, units).

    Source: Elman 1990, "Finding structure in time".

    Example:
        >>> keras.layers.SimpleRNN(4)(np.ones((2, 5, 3))).shape
        (2, 4)
    """

    cell_class = SimpleRNNCell

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(locals(), kwargs)


class LSTM(_OneCellRNN):
    """The long short-term memory: over time, with s for recurrent_activation::

        i, f, g, o = split(x @ kernel + h @ recurrent_kernel + bias)
        c = s(f) · c + s(i) · activation(g)
        h = s(o) · activation(c)

    Args:
        units: size of h and c, and of the output.
        activation, recurrent_activation: name or function; None is linear.
        use_bias: whether there is a bias.
        kernel_initializer, recurrent_initializer, bias_initializer: of the weights.
        unit_forget_bias: the bias of f begins at 1 (Jozefowicz et al. 2015).
        kernel_regularizer, recurrent_regularizer, bias_regularizer, kernel_constraint,
        recurrent_constraint, bias_constraint: of the weights.
        activity_regularizer: penalty on the output.
        dropout, recurrent_dropout: rates, of the inputs and of h.
        seed: int; None takes the next of the global sequence.
        return_sequences, return_state, go_backwards, stateful, unroll: see `RNN`.
        use_cudnn: accepted; which kernel runs is the engine's own matter.
        kwargs: what every `Layer` takes.

    Weights:
        kernel: (features, 4 · units); recurrent_kernel: (units, 4 · units); bias: (4 · units,).

    Input shape: (batch, time, features); mask: (batch, time).  Output shape: (batch, units), or
    (batch, time, units) with return_sequences; return_state adds h and c (batch, units).

    Source: Hochreiter and Schmidhuber 1997, "Long short-term memory"; Gers et al. 2000.

    Example:
        >>> keras.layers.LSTM(5, return_sequences=True)(np.ones((2, 3, 4))).shape
        (2, 3, 5)
    """

    cell_class = LSTMCell

    def __init__(
        self,
        units: int,
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
        unroll: bool = False,
        use_cudnn: Any = "auto",
        **kwargs: Any,
    ) -> None:
        choice(self, "use_cudnn", use_cudnn, ("auto", True, False))
        super().__init__(locals(), kwargs)


class GRU(_OneCellRNN):
    """The gated recurrent unit: over time, with s for recurrent_activation, W, U, b for kernel,
    recurrent_kernel and bias::

        z, r = s(x @ W_z + h @ U_z + b_z), s(x @ W_r + h @ U_r + b_r)
        g = activation(x @ W_g + b_g + r · (h @ U_g + b'_g))     reset_after
        g = activation(x @ W_g + b_g + (r · h) @ U_g)            otherwise
        h = z · h + (1 - z) · g

    Args:
        units: size of h and of the output.
        activation, recurrent_activation: name or function; None is linear.
        use_bias: whether there is a bias.
        kernel_initializer, recurrent_initializer, bias_initializer, kernel_regularizer,
        recurrent_regularizer, bias_regularizer, kernel_constraint, recurrent_constraint,
        bias_constraint: of the weights.
        activity_regularizer: penalty on the output.
        dropout, recurrent_dropout: rates, of the inputs and of h.
        seed: int; None takes the next of the global sequence.
        return_sequences, return_state, go_backwards, stateful, unroll: see `RNN`.
        reset_after: whether the reset gate acts after the matrix product; then h has a bias of
            its own.
        use_cudnn: accepted; which kernel runs is the engine's own matter.
        kwargs: what every `Layer` takes.

    Weights:
        kernel: (features, 3 · units); recurrent_kernel: (units, 3 · units);
        bias: (2, 3 · units) with reset_after, else (3 · units,).

    Input shape: (batch, time, features); mask: (batch, time).  Output shape: (batch, units), or
    (batch, time, units) with return_sequences; return_state adds h (batch, units).

    Source: Cho et al. 2014, arXiv:1406.1078.

    Example:
        >>> layer = keras.layers.GRU(4, return_sequences=True, return_state=True)
        >>> outputs, state = layer(np.ones((2, 5, 3)))
        >>> outputs.shape, state.shape
        ((2, 5, 4), (2, 4))
    """

    cell_class = GRUCell

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
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
        unroll: bool = False,
        reset_after: bool = True,
        use_cudnn: Any = "auto",
        **kwargs: Any,
    ) -> None:
        choice(self, "use_cudnn", use_cudnn, ("auto", True, False))
        super().__init__(locals(), kwargs)


# --------------------------------------------------------------------------------------- wrappers


class Wrapper(Layer):
    """Base of layers around one other layer.

    Args:
        layer: the layer inside.
        kwargs: what every `Layer` takes.

    Example:
        >>> class Doubled(keras.layers.Wrapper):
        ...     def call(self, inputs):
        ...         return 2 * self.layer(inputs)
        >>> Doubled(keras.layers.ReLU())(np.array([-1.0, 3.0]))
        Array([0., 6.], dtype=float32)
    """

    def __init__(self, layer: Layer, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.layer = _checked_layer(self, "layer", layer)

    def build(self, input_shape: Any = None) -> None:
        if not self.layer.built:
            self.layer.build(input_shape)


def _checked_layer(owner: Layer, name: str, layer: Any) -> Any:
    if not isinstance(layer, Layer):
        raise ValueError(f"{type(owner).__name__}: {name} must be a layer, got {layer!r}")
    return layer


class Bidirectional(Layer):
    """A recurrent layer and its mirror image, which reads the sequence backwards.

    Args:
        layer: an RNN layer; it is copied, unbuilt.
        merge_mode: how the two outputs become one: "concat", "sum", "mul", "ave"; None: both are
            given.
        weights: arrays to begin with, the forward layer's, then the backward layer's.
        backward_layer: the layer that reads backwards; default a copy of `layer`.
        kwargs: what every `Layer` takes.

    Attributes:
        forward_layer, backward_layer: the two.

    Call: as `RNN`; initial_state holds the forward layer's states, then the backward layer's.

    Source: Schuster and Paliwal 1997, "Bidirectional recurrent neural networks".

    Example:
        >>> keras.layers.Bidirectional(keras.layers.GRU(4))(np.ones((2, 5, 3))).shape
        (2, 8)
    """

    def __init__(
        self,
        layer: Any,
        merge_mode: str | None = "concat",
        weights: list | None = None,
        backward_layer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        _checked_layer(self, "layer", layer)
        known = ("sum", "mul", "ave", "concat", None)
        self.merge_mode = choice(self, "merge_mode", merge_mode, known)
        plain = layer.name.removeprefix("forward_")
        self.forward_layer = _copy(layer, name=f"forward_{plain}")
        if not hasattr(layer, "go_backwards"):
            raise wrong(self, "layer", "a recurrent layer, with go_backwards", layer)
        if backward_layer is None:
            backwards = not layer.go_backwards
            backward_layer = _copy(layer, name=f"backward_{plain}", go_backwards=backwards)
        self.backward_layer = _checked_layer(self, "backward_layer", backward_layer)
        self._check_pair()
        for one in (self.forward_layer, self.backward_layer):
            if hasattr(one, "zero_output_for_mask"):
                one.zero_output_for_mask = one.return_sequences
        self.stateful = layer.stateful
        self.return_sequences, self.return_state = layer.return_sequences, layer.return_state
        self.supports_masking = True
        self.input_spec = layer.input_spec
        self._first_weights = weights

    def _check_pair(self) -> None:
        one, other = self.forward_layer, self.backward_layer
        if one.go_backwards == other.go_backwards:
            raise ValueError(
                f"Bidirectional: both layers have go_backwards={one.go_backwards}; one must read "
                "the other way"
            )
        for name in ("stateful", "return_sequences", "return_state"):
            if getattr(one, name) != getattr(other, name):
                raise ValueError(
                    f"Bidirectional: {name} is {getattr(one, name)} for the forward layer and "
                    f"{getattr(other, name)} for the backward layer; they must agree"
                )

    def build(self, sequences_shape: tuple, initial_state_shape: Any = None) -> None:
        for layer in (self.forward_layer, self.backward_layer):
            if not layer.built:
                layer.build(sequences_shape)
        if self._first_weights is not None:
            self.set_weights(self._first_weights)
            self._first_weights = None

    @property
    def _tricorn_heeds_training(self) -> bool:
        return (
            self.forward_layer._tricorn_heeds_training
            or self.backward_layer._tricorn_heeds_training
        )

    def call(
        self,
        sequences: Any,
        initial_state: Any = None,
        mask: Any = None,
        training: bool | None = None,
    ) -> Any:
        results = []
        half = len(initial_state) // 2 if initial_state is not None else 0
        for i, layer in enumerate((self.forward_layer, self.backward_layer)):
            given: dict[str, Any] = {"mask": mask} if mask is not None else {}
            if initial_state is not None:
                given["initial_state"] = list(initial_state[i * half : (i + 1) * half])
            found = layer(sequences, training=training, **given)
            results.append(found if self.return_state else (found,))
        (forward, *states), (backward, *more) = results
        if self.return_sequences:
            backward = ops.flip(backward, axis=1)
        merged = self._merged(forward, backward)
        return (*merged, *states, *more) if len(merged) > 1 or self.return_state else merged[0]

    def _merged(self, forward: Any, backward: Any) -> tuple:
        if self.merge_mode is None:
            return forward, backward
        if self.merge_mode == "concat":
            return (ops.concatenate([forward, backward], axis=-1),)
        if self.merge_mode == "mul":
            return (ops.multiply(forward, backward),)
        total = ops.add(forward, backward)
        return (total if self.merge_mode == "sum" else ops.divide(total, 2),)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        mask = tree.leaves(previous_mask)[0] if tree.leaves(previous_mask) else None
        mask = mask if self.return_sequences else None
        return (
            mask
            if self.merge_mode is not None and not self.return_state
            else [mask] * (1 if self.merge_mode is not None else 2)
        )

    def reset_state(self) -> None:
        """Let the kept states be zeros again."""
        self.forward_layer.reset_state()
        self.backward_layer.reset_state()

    reset_states = reset_state

    @property
    def states(self) -> list | None:
        """The kept states of both layers, or None."""
        kept = self.forward_layer.states
        return [*kept, *self.backward_layer.states] if kept is not None else None

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        config.pop("weights", None)
        config["layer"] = registry.serialize_keras_object(self.forward_layer)
        config["backward_layer"] = registry.serialize_keras_object(self.backward_layer)
        return config


def _copy(layer: Layer, **changes: Any) -> Any:
    """An unbuilt layer of the same config but for `changes`."""
    return type(layer).from_config({**layer.get_config(), **changes})


@op
def _merge_time(x: Tensor) -> Tensor:
    """(batch, time, ...) as (batch · time, ...)."""
    engine = active()
    return engine.reshape(x, (-1, *engine.shape(x)[2:]))


@op
def _split_time(x: Tensor, like: Tensor) -> Tensor:
    """(batch · time, ...) as (batch, time, ...), the sizes taken from `like`."""
    engine = active()
    (batch, time), rest = engine.shape(like)[:2], engine.shape(x)[1:]
    if batch is None and time is None:  # shapes are being worked out
        return engine.broadcast_to(engine.reshape(x, (-1, 1, *rest)), (None, None, *rest))
    if time is None:
        return engine.reshape(x, (batch, -1, *rest))
    return engine.reshape(x, (-1 if batch is None else batch, time, *rest))


class TimeDistributed(Wrapper):
    """A layer applied to every time step alike, one step after the other.

    The steps of all samples are computed as one batch, unless the layer is of a class of yours, or
    looks at the whole batch as `BatchNormalization` does in training.

    Args:
        layer: the layer inside.
        kwargs: what every `Layer` takes.

    Call: inputs; mask (batch, time, ...), of which a layer that takes one gets (batch, ...) a step.

    Input shape: (batch, time, ...).  Output shape: (batch, time, output of the layer...).

    Example:
        >>> keras.layers.TimeDistributed(keras.layers.Dense(8))(np.ones((2, 5, 3))).shape
        (2, 5, 8)
    """

    def __init__(self, layer: Layer, **kwargs: Any) -> None:
        super().__init__(layer, **kwargs)
        self.supports_masking = True
        self.input_spec = InputSpec(min_ndim=3)

    def build(self, input_shape: Any = None) -> None:
        super().build((input_shape[0], *input_shape[2:]))

    @property
    def _tricorn_heeds_training(self) -> bool:
        return _takes_training(self.layer) and self.layer._tricorn_heeds_training

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        given: dict[str, Any] = {}
        if _takes_training(self.layer):
            given["training"] = training
        if mask is not None:
            sizes = list(zip(mask.shape[:2], inputs.shape[:2]))
            if len(sizes) < 2 or any(None not in pair and pair[0] != pair[1] for pair in sizes):
                raise ValueError(
                    f"the layer {self.name!r}: the mask's shape {tuple(mask.shape)} must begin "
                    f"with the batch and time sizes of the input's, {tuple(inputs.shape)}"
                )
            if "mask" not in inspect.signature(self.layer.call).parameters:
                mask = None
        if not self._samples_matter(training):
            if mask is not None:
                given["mask"] = _merge_time(mask)
            merged = _merge_time(inputs)
            outputs = self.layer(merged, **given)
            twice = conventions_of(self).time_steps == "twice" and hasattr(self.layer, "layers")
            if twice and training and any(map(own_frozen, flatten(self.layer))):
                self.layer(merged, **given)
            return tree.map(lambda output: _split_time(output, inputs), outputs)

        def step(state: tuple, now: tuple) -> tuple:
            x, present = now
            return state, self.layer(x, **given, **({} if present is None else {"mask": present}))

        swapped = (ops.swapaxes(inputs, 0, 1), None if mask is None else ops.swapaxes(mask, 0, 1))
        _, outputs = transforms.scan(step, (), swapped)
        return tree.map(lambda output: ops.swapaxes(output, 0, 1), outputs)

    def _samples_matter(self, training: Any) -> bool:
        """Whether what the layer computes of a sample may depend on the others of its batch: then
        the steps cannot be one batch."""
        layers = flatten(self.layer)
        apart = conventions_of(self).time_steps == "apart"
        return any(
            not of_library(type(layer))
            or getattr(layer, "stateful", False)
            or (apart and training is not False and training is not None and own_frozen(layer))
            for layer in layers
        )


__all__ = [
    "Bidirectional", "GRU", "GRUCell", "LSTM", "LSTMCell", "RNN", "SimpleRNN", "SimpleRNNCell",
    "StackedRNNCells", "TimeDistributed", "Wrapper",
]  # fmt: skip
