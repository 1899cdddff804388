"""Functions of graphs, gradients, updates, the learning phase, branches and loops."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tricorn import ops, tree
from tricorn.backend.environment import learning_phase
from tricorn.backend.values import (
    as_symbolic,
    int_shape,
    ndim,
    recorded,
    to_dense,
    within,
)
from tricorn.engines import registry
from tricorn.engines.abstract import AbstractTensor
from tricorn.graph import function as graph
from tricorn.graph import transforms
from tricorn.graph.bodies import with_functions
from tricorn.graph.function import Update
from tricorn.graph.graphs import current_graph
from tricorn.graph.scope import variable_behind
from tricorn.graph.symbolic import SymbolicTensor, is_symbolic, recording
from tricorn.variable import Variable

# ------------------------------------------------------------------------------------- functions


class _Function:
    """What `function` gives."""

    def __init__(self, inputs: Sequence, outputs: Any, updates: Sequence, name: str | None) -> None:
        self.inputs, self.outputs = list(inputs), outputs
        pairs = [(variable, as_symbolic(value)) for variable, value in updates]
        self._run = graph.Function(
            self.inputs, tree.map(as_symbolic, outputs), pairs, name, updates_only=True
        )

    def __call__(self, inputs: Sequence = ()) -> Any:
        if not isinstance(inputs, (list, tuple)):
            raise TypeError(f"the inputs are a list, one for each placeholder, got {inputs!r}")
        return tree.map(ops.convert_to_numpy, self._run([to_dense(x) for x in inputs]))


def function(
    inputs: Sequence, outputs: Any, updates: Sequence | None = None, **kwargs: Any
) -> Callable[[Sequence], Any]:
    """A function of lists of arrays that runs a graph.

    Args:
        inputs: list of placeholders (or tensors in the middle of a graph), and `learning_phase()`
            if its values are to be given; they are 0 otherwise, or as `set_learning_phase` says.
        outputs: list of symbolic tensors (or Variables), or one.
        updates: list of what `update` and its like give, or of pairs (Variable, new value); all are
            computed from the values before the call.
        name: for people.

    Returns:
        a function that takes a list of arrays and gives a list of arrays like `outputs`.  What the
        layers inside assign (moving averages, kept states) changes only by `updates`.

    Raises:
        ValueError: when the outputs need a placeholder that is not given, or for other arguments.
    """
    name = kwargs.pop("name", None)
    if kwargs:
        raise ValueError(
            f"function does not know the arguments {sorted(kwargs)}; sessions take such options in "
            "their own run method, see get_session"
        )
    if not isinstance(inputs, (list, tuple)):
        raise TypeError(f"the inputs of a function are a list of placeholders, got {inputs!r}")
    pairs = [] if updates is None else [pair for pair in updates if pair is not None]
    for variable, value in pairs:
        if registry.owner_of(value) is not None and not current_graph().holds(value):
            warnings.warn(
                f"function: the update of {getattr(variable, 'path', variable)!r} is to a value "
                "that was computed before, the same in each call: operations on Variables alone "
                "are done at once. Compute it in a function that is decorated with K.symbolic",
                stacklevel=2,
            )
    return _Function(inputs, [] if outputs is None else outputs, pairs, name)


def gradients(loss: Any, variables: Any) -> list:
    """The symbolic gradient of a loss (of its sum, if it is no scalar).

    Args:
        loss: symbolic tensor.
        variables: Variables and symbolic tensors, a list or one.

    Returns:
        list of symbolic tensors like `variables` (also for one), zeros where the loss does not
        depend on one; they can be differentiated again.

    Raises:
        TypeError: for a loss that is not symbolic (see `symbolic`).
    """
    with recorded():
        if not current_graph().holds(loss):
            raise TypeError(
                f"gradients takes a symbolic loss, got {loss!r}: compute it from a placeholder, or "
                "in a function decorated with K.symbolic; for values there is "
                "tricorn.value_and_grad"
            )
        several = isinstance(variables, (list, tuple))
        return graph.gradients(loss, variables if several else [variables])


# --------------------------------------------------------------------------------------- updates


def _update(x: Variable, compute: Callable[[], Any]) -> Any:
    x = variable_behind(x)
    if not isinstance(x, Variable):
        raise TypeError(f"only Variables can be updated, got {x!r}")
    return current_graph().update(
        x, lambda: as_symbolic(compute()), functools.partial(_updated, x, compute)
    )


def _updated(x: Variable, compute: Callable[[], Any]) -> Update:
    """An update in a graph of ours: a pair; inside a call, which runs now, it is done."""
    if within():
        value = compute()
        x.assign(value)
        return Update(x, value)
    with recorded():
        value = compute()
    return graph.update(x, value)


def update(x: Variable, new_x: Any) -> Any:
    """x becomes new_x when the update is run: by a `function` that it was given to, by `eval`, or
    by the session of an engine's own graph.  Inside a call (of a layer, a step) that is at once."""
    return _update(x, lambda: new_x)


def update_add(x: Variable, increment: Any) -> Any:
    """x becomes x + increment; as `update`."""
    return _update(x, lambda: ops.add(x, increment))


def update_sub(x: Variable, decrement: Any) -> Any:
    """x becomes x - decrement; as `update`."""
    return _update(x, lambda: ops.subtract(x, decrement))


def moving_average_update(x: Variable, value: Any, momentum: float) -> Any:
    """x becomes ``x · momentum + value · (1 - momentum)``; as `update`."""
    return _update(
        x, lambda: ops.add(ops.multiply(x, momentum), ops.multiply(value, 1.0 - momentum))
    )


# -------------------------------------------------------------------------------------- branches


def _called(x: Any) -> Any:
    return x() if callable(x) else x


def switch(condition: Any, then_expression: Any, else_expression: Any) -> Any:
    """`then_expression` where the condition holds, else `else_expression`.

    Args:
        condition: bool tensor: a scalar, or of the leading axes of the expressions.
        then_expression, else_expression: tensors of one shape, or functions that give them; with a
            scalar condition only one of the functions is run.

    Raises:
        ValueError: when the condition has more axes than the expressions.
    """
    if isinstance(condition, (bool, int, np.bool_, np.integer)):
        return _called(then_expression if condition else else_expression)
    if ndim(condition) == 0 and (callable(then_expression) or callable(else_expression)):
        branches = [
            (lambda x=x: tree.map(as_tensor, _called(x)), ())
            for x in (then_expression, else_expression)
        ]
        if recording() is None and not is_symbolic(condition):
            return transforms.cond(condition, *[branch for branch, _ in branches])
        return with_functions(transforms.cond, ops.cast(condition, "bool"), branches)
    yes, no = _called(then_expression), _called(else_expression)
    rank = max(ndim(yes), ndim(no))
    if ndim(condition) > rank:
        raise ValueError(
            f"switch: the condition of shape {int_shape(condition)} has more axes than the "
            f"expressions, {int_shape(yes)} and {int_shape(no)}"
        )
    condition = ops.cast(condition, "bool")
    for _ in range(rank - ndim(condition) if ndim(condition) else 0):
        condition = ops.expand_dims(condition, -1)
    return ops.where(condition, yes, no)


def as_tensor(x: Any) -> Any:
    """`x` in the kind of tensors that is computed with here."""
    return as_symbolic(x) if recording() is not None else ops.convert_to_tensor(x)


def in_train_phase(x: Any, alt: Any, training: Any = None) -> Any:
    """`x` in training, else `alt`.

    Args:
        x, alt: tensors, or functions that give them.
        training: the phase: 0, 1 or a bool scalar; None: `learning_phase()`.
    """
    told = learning_phase() if training is None else training
    if training is None and type(told) is SymbolicTensor and not within():
        x, alt = _called(x), _called(alt)
        if not is_symbolic(x) and not is_symbolic(alt):  # values: there is no graph to be run
            return alt
    return switch(told, x, alt)


def in_test_phase(x: Any, alt: Any, training: Any = None) -> Any:
    """`x` outside of training, else `alt`; as `in_train_phase`."""
    return in_train_phase(alt, x, training)


# ----------------------------------------------------------------------------------------- loops


def _looped(run: Callable, tensors: Any, fn: Callable, examples: Any) -> Any:
    """``run(tensors, fn)``, a node of the graph where tensors are symbolic."""
    if recording() is not None or any(map(is_symbolic, tree.leaves(tensors))):
        return with_functions(run, tensors, [(fn, examples)])
    return run(tensors, fn)


def _entry(x: Any) -> AbstractTensor:
    """What an entry along the first axis looks like."""
    return AbstractTensor((int_shape(x) or ())[1:], ops.dtype(x))


def map_fn(fn: Callable, elems: Any, name: str | None = None, dtype: Any = None) -> Any:
    """`fn` of each entry along the first axis of `elems` (a tensor, or a tree of them), stacked; in
    `dtype` if given."""
    found = _looped(lambda xs, f: transforms.map(f, xs), elems, fn, (tree.map(_entry, elems),))
    return found if dtype is None else tree.map(lambda x: ops.cast(x, dtype), found)


def _fold(fn: Callable, elems: Any, initializer: Any, reverse: bool) -> Any:
    if initializer is None:
        initializer = ops.get_item(elems, -1 if reverse else 0)
        elems = ops.get_item(elems, slice(None, -1) if reverse else slice(1, None))
    initializer = as_tensor(initializer)

    def run(tensors: tuple, f: Callable) -> Any:
        xs, start = tensors
        return transforms.scan(lambda acc, x: (f(acc, x), None), start, xs, reverse=reverse)[0]

    return _looped(run, (elems, initializer), fn, (initializer, _entry(elems)))


def foldl(fn: Callable, elems: Any, initializer: Any = None, name: str | None = None) -> Any:
    """``acc = fn(acc, x)`` over the entries of `elems` from the first to the last; without an
    `initializer` the first entry is where it begins."""
    return _fold(fn, elems, initializer, False)


def foldr(fn: Callable, elems: Any, initializer: Any = None, name: str | None = None) -> Any:
    """``acc = fn(acc, x)`` over the entries of `elems` from the last to the first; without an
    `initializer` the last entry is where it begins."""
    return _fold(fn, elems, initializer, True)


def rnn(
    step_function: Callable,
    inputs: Any,
    initial_states: Sequence,
    go_backwards: bool = False,
    mask: Any = None,
    constants: Sequence | None = None,
    unroll: bool = False,
    input_length: int | None = None,
) -> tuple[Any, Any, list]:
    """A recurrent loop over time.

    Args:
        step_function: ``(x, states) -> (output, new states)`` with x (batch, ...) and the list of
            states (batch, ...), which the constants follow.
        inputs: (batch, time, ...).
        initial_states: list of the states before the first step.
        go_backwards: from the last step to the first; outputs stand in that order.
        mask: (batch, time) or (batch, time, 1); where it does not hold the states stay, and the
            output is that of the step before (zeros before the first).
        constants: list of tensors given to each step.
        unroll: let each step be a part of the graph of its own.
        input_length: how many steps there are, where the inputs' shape does not tell.

    Returns:
        (last output (batch, ...), outputs (batch, time, ...), list of last states).

    Raises:
        ValueError: fewer than three axes, or `unroll` without a known number of steps.
    """
    if ndim(inputs) < 3:
        raise ValueError(f"rnn takes inputs (batch, time, ...), got shape {int_shape(inputs)}")
    steps = input_length or (int_shape(inputs) or ())[1]
    if unroll and steps is None:
        raise ValueError("rnn can be unrolled only where the number of steps is known")
    states, constants = list(map(as_tensor, initial_states)), list(map(as_tensor, constants or ()))

    def step(x: Any, states: list, constants: list) -> tuple[Any, list]:
        output, after = step_function(x, [*states, *constants])
        return output, list(after)

    def run(tensors: tuple, step: Callable) -> tuple[Any, Any, list]:
        inputs, mask, states, constants = tensors
        xs = ops.swapaxes(inputs, 0, 1)
        if mask is not None:
            mask = ops.swapaxes(ops.cast(mask, "bool"), 0, 1)
            mask = ops.squeeze(mask, 2) if ndim(mask) == 3 else mask
        if go_backwards:
            xs, mask = ops.flip(xs, 0), mask if mask is None else ops.flip(mask, 0)

        def advance(carry: tuple, now: tuple) -> tuple:
            (states, last), (x, present) = carry, now
            output, after = step(x, states, constants)
            if present is None:
                return (after, None), output
            output = _where(present, output, last)
            after = [_where(present, new, old) for new, old in zip(after, states)]
            return (after, output), output

        last = None
        if mask is not None:
            last = ops.zeros_like(step(ops.get_item(xs, 0), states, constants)[0])
        if unroll:
            found, carry = [], (states, last)
            for t in range(steps):
                here = None if mask is None else ops.get_item(mask, t)
                carry, output = advance(carry, (ops.get_item(xs, t), here))
                found.append(output)
            outputs = ops.stack(found)
        else:
            carry, outputs = transforms.scan(advance, (states, last), (xs, mask))
        return ops.get_item(outputs, -1), ops.swapaxes(outputs, 0, 1), carry[0]

    tensors = (inputs, mask, states, constants)
    if unroll:
        return run(tensors, step)
    shape = int_shape(inputs) or ()
    x = AbstractTensor((shape[0], *shape[2:]), ops.dtype(inputs))
    return _looped(run, tensors, step, (x, states, constants))


def _where(present: Any, new: Any, old: Any) -> Any:
    for _ in range(ndim(new) - 1):
        present = ops.expand_dims(present, -1)
    return ops.where(present, new, old)


__all__ = [
    "foldl", "foldr", "function", "gradients", "in_test_phase", "in_train_phase", "map_fn",
    "moving_average_update", "rnn", "switch", "update", "update_add", "update_sub",
]  # fmt: skip
