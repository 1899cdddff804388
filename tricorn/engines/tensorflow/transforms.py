"""Control flow and transforms on TensorFlow, eager and in graphs.

TensorFlow's own structures take no None, so its functions are given flat lists.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any

import tensorflow as tf

from tricorn import dtypes, tree
from tricorn.engines import common
from tricorn.engines.abstract import AbstractTensor, NeedsEngine
from tricorn.engines.tensorflow.primitives import FLOATING, row_sum, shape
from tricorn.engines.tensorflow.private import (
    EagerTensor,
    FuncGraph,
    in_xla,
    pywrap_tfe,
    record,
)


class _Flat:
    """A function of trees as one of flat lists; remembers the structure of its last result."""

    def __init__(self, fn: Callable, structure: Any) -> None:
        self.fn, self.structure = fn, structure
        self.result: Any = None

    def __call__(self, *leaves: Any) -> list:
        out, self.result = tree.take_apart(self.fn(*tree.unflatten(self.structure, list(leaves))))
        return [tf.convert_to_tensor(x) for x in out]


def cond(pred: tf.Tensor, true_fn: Callable, false_fn: Callable, operands: Sequence) -> Any:
    if isinstance(pred, EagerTensor):
        return true_fn(*operands) if pred else false_fn(*operands)
    leaves, structure = tree.take_apart(tuple(operands))
    yes, no = _Flat(true_fn, structure), _Flat(false_fn, structure)
    # one more result, so that there is one
    out = tf.cond(pred, lambda: [*yes(*leaves), pred], lambda: [*no(*leaves), pred])
    return tree.unflatten(yes.result, list(out[:-1]))


def while_loop(cond: Callable, body: Callable, state: tuple) -> tuple:
    if tf.executing_eagerly():
        while cond(*state):
            state = tuple(body(*state))
        return tuple(state)
    leaves, structure = tree.take_apart(tuple(state))
    step = _Flat(body, structure)
    out = tf.while_loop(
        lambda *now: cond(*tree.unflatten(structure, list(now))), lambda *now: step(*now), leaves
    )
    return tree.unflatten(structure, list(out))


def scan(body: Callable, init: Any, xs: Any, length: int | None, reverse: bool) -> tuple:
    if tf.executing_eagerly():
        return _scan_eagerly(body, init, xs, length, reverse)
    start, carry_structure = tree.take_apart(init)
    leaves, structure = tree.take_apart(xs)
    steps: Any = shape(leaves[0])[0] if leaves else length
    static = leaves[0].shape[0] if leaves else length
    kept, count = len(start), range(len(leaves))
    step = _Flat(body, tree.structure((init, tree.unflatten(structure, list(leaves)))))
    specs = _specs(step, [*start, *[tf.TensorSpec(x.shape[1:], x.dtype) for x in leaves]])
    rows = [tf.TensorArray(x.dtype, steps).unstack(x) for x in leaves]
    collected = [
        tf.TensorArray(spec.dtype, steps, element_shape=spec.shape) for spec in specs[kept:]
    ]

    def one(i: tf.Tensor, carry: list, ys: list) -> tuple:
        at = steps - 1 - i if reverse else i
        out = step(*carry, *[rows[j].read(at) for j in count])
        return i + 1, out[:kept], [array.write(at, y) for array, y in zip(ys, out[kept:])]

    _, carry, ys = tf.while_loop(
        lambda i, *_: i < steps, one, (tf.constant(0), start, collected), maximum_iterations=steps
    )
    ys = [tf.ensure_shape(array.stack(), [static, *spec.shape]) for array, spec in
          zip(ys, specs[kept:])]  # fmt: skip
    _, y_structure = step.result.children
    return tree.unflatten(carry_structure, list(carry)), tree.unflatten(y_structure, ys)


#: whether nothing may be compiled by XLA, as the user said
without_xla: ContextVar[bool] = ContextVar("tricorn_tensorflow_without_xla", default=False)


def may_use_xla() -> bool:
    """Whether XLA may compile a part of what is traced."""
    graph = tf.compat.v1.get_default_graph()
    return isinstance(graph, FuncGraph) and not in_xla(graph) and not without_xla.get()


def kernel_scan(
    body: Callable, constants: Any, init: Any, xs: Any, length: int | None, reverse: bool
) -> tuple:
    """A loop that XLA compiles alone: a training of a recurrent layer of 80 steps runs 1.1 to 1.27
    times as fast (two cores).

    What XLA compiled cannot be differentiated, and to compile a whole step takes three seconds, its
    two loops a fifth of one.  So the derivative is that of TensorFlow's own loop, which is made
    only where somebody asks: our ops have gradients of their own.
    """
    if not may_use_xla():
        return scan(functools.partial(body, constants), init, xs, length, reverse)
    leaves, structure = tree.take_apart((constants, init, xs))
    result: Any = None

    def flat(*tensors: tf.Tensor) -> list:
        nonlocal result
        constants, init, xs = tree.unflatten(structure, list(tensors))
        found = scan(functools.partial(body, constants), init, xs, length, reverse)
        out, result = tree.take_apart(found)
        return out

    compiled = tf.function(flat, autograph=False, jit_compile=True)

    @tf.custom_gradient
    def run(*tensors: tf.Tensor) -> tuple[list, Callable]:
        def pull(*cotangents: tf.Tensor) -> Sequence:
            with tf.GradientTape() as tape:  # another one that records sees what this one does
                tape.watch(tensors)
                outs = flat(*tensors)
            return tape.gradient(outs, tensors, cotangents)

        with record.stop_recording():  # of a tape, which would keep what cannot leave
            return compiled(*tensors), pull

    # what is of another graph goes through an operation of this one, as the gradient of `tf.cond`
    # has it
    found = list(run(*map(tf.identity, leaves)))
    return tree.unflatten(result, found)


def _scan_eagerly(body: Callable, init: Any, xs: Any, length: int | None, reverse: bool) -> tuple:
    leaves, structure = tree.take_apart(xs)
    steps: Any = leaves[0].shape[0] if leaves else length
    if steps == 0:  # only the shapes of what body gives are needed
        nothing = [tf.zeros(x.shape[1:], x.dtype) for x in leaves]
        _, y = body(init, tree.unflatten(structure, nothing))
        return init, tree.map(lambda leaf: tf.zeros((0, *leaf.shape), leaf.dtype), y)
    rows = [tf.unstack(x) for x in leaves]
    carry, collected = init, []
    for i in reversed(range(steps)) if reverse else range(steps):
        carry, y = body(carry, tree.unflatten(structure, [row[i] for row in rows]))
        collected.append(y)
    if reverse:
        collected.reverse()
    return carry, tree.map(lambda *ys: tf.stack(ys), collected[0], *collected[1:])


def _specs(fn: Callable, leaves: Sequence) -> list[tf.TensorSpec]:
    """Shapes and dtypes of what `fn` gives for tensors or specs like `leaves`."""
    given = [tf.TensorSpec(x.shape, x.dtype) for x in leaves]
    found: list[tf.TensorSpec] = []

    @tf.function(autograph=False)
    def traced(*args: tf.Tensor) -> None:
        found[:] = [tf.TensorSpec(x.shape, x.dtype) for x in fn(*args)]

    traced.get_concrete_function(*given)
    return found


def vmap(fn: Callable, in_axes: Any, out_axes: Any) -> Callable:
    def mapped(*args: Any) -> Any:
        leaves, structure = tree.take_apart(args)
        axes = common.mapped_axes(in_axes, args)
        moving = [i for i, axis in enumerate(axes) if axis is not None]
        flat = _Flat(fn, structure)

        def one(rows: Sequence) -> list:
            filled = list(leaves)
            for i, row in zip(moving, rows):
                filled[i] = row
            return flat(*filled)

        out = tf.vectorized_map(one, [_move(leaves[i], axes[i], 0) for i in moving])
        result = tree.unflatten(flat.result, list(out))
        placed = [
            x[0] if axis is None else _move(x, 0, axis)
            for x, axis in zip(out, common.mapped_axes(out_axes, result))
        ]
        return tree.unflatten(flat.result, placed)

    return mapped


def _move(x: tf.Tensor, source: Any, target: int) -> tf.Tensor:
    rank = len(x.shape)
    order = [i for i in range(rank) if i != source % rank]
    order.insert(target % rank, source % rank)
    return x if order == list(range(rank)) else tf.transpose(x, order)


# ------------------------------------------------------------------------------------- transforms


def vjp(fn: Callable, primals: tuple) -> tuple:
    leaves, structure = tree.take_apart(tuple(primals))
    shape: Any = None

    def flat(*values: tf.Tensor) -> list:
        nonlocal shape
        out, shape = tree.take_apart(fn(*tree.unflatten(structure, list(values))))
        return out

    found, pull = _vjp(flat, leaves)
    out, aux = tree.unflatten(shape, found)
    rest = shape.children[1].count * [None]

    def pullback(cotangent: Any) -> tuple:
        return tree.unflatten(structure, pull([*tree.leaves(cotangent), *rest]))

    return out, pullback, aux


#: operations of what is differentiated in a graph -> what gives their gradients
_GRADIENTS = {"BiasAdd": "TricornBiasAdd"}


@tf.RegisterGradient("TricornBiasAdd")
def _of_bias(operation: tf.Operation, dy: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    if len(operation.outputs[0].shape) == 2:
        return dy, row_sum(dy)
    # a fused gradient of convolutions has it
    layout = operation.get_attr("data_format")
    return dy, tf.raw_ops.BiasAddGrad(out_backprop=dy, data_format=layout)


def _vjp(fn: Callable, primals: Sequence) -> tuple[list, Callable]:
    """`vjp` of a function of a flat list; the cotangents of what is not differentiated are None."""
    moving = [i for i, x in enumerate(primals) if x.dtype in FLOATING]
    points = list(primals)
    tape = None
    if tf.executing_eagerly():
        tape = tf.GradientTape(persistent=True, watch_accessed_variables=False)
    graph = tf.compat.v1.get_default_graph()
    with tape or graph.gradient_override_map(_GRADIENTS):
        for i in moving:  # tensors of their own: what else comes from the same ones stays
            points[i] = tf.identity(primals[i])
            if tape is not None:
                tape.watch(points[i])
        outs = fn(*points)

    def pull(cotangents: Sequence) -> list:
        smooth = [
            i for i, c in enumerate(cotangents) if c is not None and outs[i].dtype in FLOATING
        ]
        targets, given = [outs[i] for i in smooth], [cotangents[i] for i in smooth]
        derive = tf.gradients if tape is None else tape.gradient
        grads: list = [None] * len(points)
        for i, grad in zip(moving, derive(targets, [points[i] for i in moving], given)):
            grads[i] = None if grad is None else tf.convert_to_tensor(grad)  # sparse ones too
        return grads

    return outs, pull


def jvp(fn: Callable, primals: tuple, tangents: tuple) -> tuple:
    leaves, structure = tree.take_apart(tuple(primals))
    shape: Any = None

    def flat(*values: tf.Tensor) -> list:
        nonlocal shape
        out, shape = tree.take_apart(fn(*tree.unflatten(structure, list(values))))
        return out

    outs, pull = _vjp(flat, leaves)

    def back(*cotangents: tf.Tensor) -> list:
        return [tf.zeros_like(x) if g is None else g for g, x in zip(pull(cotangents), leaves)]

    # the pullback is linear: its own pullback, at any point, pushes forward
    _, push = _vjp(back, [tf.zeros_like(x) for x in outs])
    pushed = push(tree.leaves(tuple(tangents)))
    tangent = [tf.zeros_like(x) if t is None else t for t, x in zip(pushed, outs)]
    return tree.unflatten(shape, outs), tree.unflatten(shape, tangent)


def custom_gradient(fn: Callable) -> Callable:
    def call(*args: Any) -> Any:
        leaves, structure = tree.take_apart(args)
        result: Any = None

        @tf.custom_gradient
        def flat(*tensors: tf.Tensor) -> tuple[list, Callable]:
            nonlocal result
            out, gradient = fn(*tree.unflatten(structure, list(tensors)))
            found, result = tree.take_apart(out)

            def pull(*cotangents: tf.Tensor, variables: Sequence = ()) -> Any:
                grads = gradient(tree.unflatten(result, list(cotangents)))
                flat = common.flat_gradients(structure, grads)
                # what else was read gets no gradient by this function
                return (flat, [None] * len(variables)) if variables else flat

            return [tf.identity(x) for x in found], pull

        found = flat(*leaves)
        return tree.unflatten(result, list(found))

    return call


def checkpoint(fn: Callable) -> Callable:
    """As `tf.recompute_grad`, which gives no gradients to tensors that a function closes over."""

    def call(*args: Any) -> Any:
        leaves, structure = tree.take_apart(args)
        result: Any = None

        def flat(*tensors: tf.Tensor) -> list:
            nonlocal result
            found, result = tree.take_apart(fn(*tree.unflatten(structure, list(tensors))))
            return found

        around = _closed_over(flat, leaves)

        # it is given what it closes over, too, so that this gets its gradients
        @tf.custom_gradient
        def run(*tensors: tf.Tensor) -> tuple[list, Callable]:
            def pull(*cotangents: tf.Tensor, variables: Sequence = ()) -> Any:
                points = [_after(x, cotangents) for x in tensors[: len(leaves)]]
                with tf.GradientTape() as tape:
                    tape.watch([x for x in [*points, *around] if x.dtype in FLOATING])
                    outs = flat(*points)
                smooth = [(x, c) for x, c in zip(outs, cotangents) if x.dtype in FLOATING]
                grads = tape.gradient(
                    [x for x, _ in smooth], [*points, *around, *variables], [c for _, c in smooth]
                )
                own = len(points) + len(around)
                return (grads[:own], grads[own:]) if variables else grads

            return [tf.identity(x) for x in flat(*tensors[: len(leaves)])], pull

        found = run(*leaves, *around)
        return tree.unflatten(result, list(found))

    return call


def _closed_over(fn: Callable, leaves: Sequence) -> list[tf.Tensor]:
    """The tensors besides its arguments that a function computes with."""
    traced = tf.function(fn, autograph=False)
    specs = [tf.TensorSpec(x.shape, x.dtype) for x in leaves]
    captures = traced.get_concrete_function(*specs).graph.captures
    return [outer for outer, _ in captures if outer.dtype in FLOATING]


def _after(x: tf.Tensor, cotangents: Sequence) -> tf.Tensor:
    """`x` as a tensor that cannot be computed before the cotangents: a compiler would otherwise
    find that what is computed of it was computed already."""
    first = next((c for c in cotangents if c.dtype in FLOATING), None)
    if first is None or x.dtype not in FLOATING or tf.executing_eagerly():
        return tf.identity(x)
    some = tf.reduce_max(tf.reshape(first, [-1])[:1])
    return x + tf.cast(some > float("inf"), x.dtype)  # which is 0


def eval_shape(fn: Callable, args: tuple) -> Any:
    leaves, structure = tree.take_apart(tuple(args))
    where = [i for i, x in enumerate(leaves) if hasattr(x, "shape") and hasattr(x, "dtype")]
    given = [tf.TensorSpec(leaves[i].shape, dtypes.standardize(leaves[i].dtype)) for i in where]
    result: Any = None

    def flat(*tensors: tf.Tensor) -> list:
        nonlocal result
        filled = list(leaves)
        for i, x in zip(where, tensors):
            filled[i] = x
        out, result = tree.take_apart(fn(*tree.unflatten(structure, filled)))
        return [tf.convert_to_tensor(x) for x in out]

    try:
        found = _specs(flat, given)
    except tf.errors.OperatorNotAllowedInGraphError as error:
        raise NeedsEngine(f"a value decides what runs: {error}") from error
    return tree.unflatten(result, [AbstractTensor(tuple(s.shape), s.dtype.name) for s in found])


class _Read:
    """What a tape takes for a variable: it watches the tensor that it reads."""

    trainable = True

    def __init__(self, handle: tf.Tensor) -> None:
        self.handle = handle


def watch(tensor: tf.Tensor) -> None:
    """Let the tapes that record see a tensor that a variable was read as."""
    if record.could_possibly_record():
        pywrap_tfe.TFE_Py_TapeVariableAccessed(_Read(tensor))
