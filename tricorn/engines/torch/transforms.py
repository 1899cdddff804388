"""Control flow, transforms and `compile` on PyTorch."""

from __future__ import annotations

import builtins as py
import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.utils import checkpoint as recomputation

from tricorn import dtypes, tree
from tricorn.engines import common
from tricorn.engines.abstract import AbstractTensor, NeedsEngine
from tricorn.engines.torch import private
from tricorn.engines.torch.kernels import in_functorch
from tricorn.engines.torch.primitives import (
    default_device,
    dtype,
    is_differentiable,
    torch_type,
)
from tricorn.engines.torch.private import DataDependentOutputException, FakeTensorMode
from tricorn.engines.torch.tape import is_recording, recording
from tricorn.engines.torch.tracing import check_length


def cond(pred: torch.Tensor, true_fn: Callable, false_fn: Callable, operands: Sequence) -> Any:
    if in_functorch() and private.functorch.is_batchedtensor(pred):
        yes, no = true_fn(*operands), false_fn(*operands)
        return tree.map(lambda a, b: torch.where(pred, a, b), yes, no)
    return true_fn(*operands) if pred else false_fn(*operands)


def while_loop(cond: Callable, body: Callable, state: tuple) -> tuple:
    while cond(*state):
        state = tuple(body(*state))
    return tuple(state)


def scan(body: Callable, init: Any, xs: Any, length: int | None, reverse: bool) -> tuple:
    leaves, structure = tree.take_apart(xs)
    steps: Any = leaves[0].shape[0] if leaves else length
    rows = [x.unbind(0) for x in leaves]
    if steps == 0:  # only the shapes of what body gives are needed
        nothing = [torch.zeros(x.shape[1:], dtype=x.dtype, device=x.device) for x in leaves]
        _, y = body(init, tree.unflatten(structure, nothing))
        return init, tree.map(lambda leaf: leaf.new_zeros((0, *leaf.shape)), y)
    carry, collected = init, []
    for i in reversed(range(steps)) if reverse else range(steps):
        carry, y = body(carry, tree.unflatten(structure, [row[i] for row in rows]))
        collected.append(y)
        check_length()
    if reverse:
        collected.reverse()
    return carry, tree.map(lambda *ys: torch.stack(ys), collected[0], *collected[1:])


def vmap(fn: Callable, in_axes: Any, out_axes: Any) -> Callable:
    def mapped(*args: Any) -> Any:
        leaves, structure = tree.take_apart(args)
        axes = common.mapped_axes(in_axes, args)
        found: list = []

        def flat(*tensors: torch.Tensor) -> tuple:
            out, shape = tree.take_apart(fn(*tree.unflatten(structure, list(tensors))))
            found[:] = [shape]
            return tuple(out)

        out = torch.func.vmap(flat, tuple(axes))(*leaves)
        result = tree.unflatten(found[0], list(out))
        placed = [
            x[0] if axis is None else x.movedim(0, axis)
            for x, axis in zip(out, common.mapped_axes(out_axes, result))
        ]
        return tree.unflatten(found[0], placed)

    return mapped


def native_gradients(possible: bool) -> contextlib.AbstractContextManager:
    if possible:
        return torch.enable_grad()
    return contextlib.nullcontext() if is_recording() or in_functorch() else torch.no_grad()


def vjp(fn: Callable, primals: tuple) -> tuple:
    leaves, structure = tree.take_apart(tuple(primals))
    moving = [i for i, x in enumerate(leaves) if is_differentiable(x)]
    shape: Any = None

    def flat(*values: torch.Tensor) -> tuple[tuple, tuple]:
        """(differentiable leaves of out, the other leaves of out and aux)"""
        nonlocal shape
        given = dict(zip(moving, values))
        filled = [given.get(i, x) for i, x in enumerate(leaves)]
        out, shape = tree.take_apart(fn(*tree.unflatten(structure, filled)))
        count = shape.children[0].count  # leaves of out; those of aux follow
        smooth = [i < count and is_differentiable(x) for i, x in enumerate(out)]
        shape = shape, smooth
        return (
            tuple(x for x, is_smooth in zip(out, smooth) if is_smooth),
            tuple(x for x, is_smooth in zip(out, smooth) if not is_smooth),
        )

    outs, rest, pull = _vjp(flat, [leaves[i] for i in moving])
    whole, smooth = shape
    parts = iter(outs), iter(rest)
    out, aux = tree.unflatten(whole, [next(parts[not is_smooth]) for is_smooth in smooth])

    def pullback(cotangent: Any) -> tuple:
        given = [c for c, is_smooth in zip(tree.leaves(cotangent), smooth) if is_smooth]
        grads: list = [None] * len(leaves)
        for i, grad in zip(moving, pull(given)):
            grads[i] = grad
        return tree.unflatten(structure, grads)

    return out, pullback, aux


def _vjp(fn: Callable, primals: list) -> tuple[Sequence, Sequence, Callable]:
    """`vjp` of flat tuples of floating tensors."""
    if in_functorch():
        outs, pullback, rest = torch.func.vjp(fn, *primals, has_aux=True)
        return outs, rest, lambda cotangents: pullback(tuple(cotangents))
    outer = torch.is_grad_enabled()
    with torch.enable_grad():
        # within an outer graph the point stays connected to it
        points = [
            x.view_as(x) if outer and x.requires_grad else x.detach().requires_grad_()
            for x in primals
        ]
        with recording():
            outs, rest = fn(*points)

    def pull(cotangents: list) -> Sequence:
        used = [i for i, out in enumerate(outs) if out.requires_grad]
        if not used or not points:
            return [None] * len(points)
        wanted, given = [outs[i] for i in used], [cotangents[i] for i in used]
        if len(used) == 1 and not wanted[0].ndim:
            # torch compares the shapes of given cotangents by sympy, half a second to import
            with torch.enable_grad():
                wanted, given = [wanted[0] * given[0]], [None]
        return torch.autograd.grad(
            wanted,
            points,
            given,
            retain_graph=True,
            create_graph=torch.is_grad_enabled(),
            allow_unused=True,
        )

    if outer:
        return outs, rest, pull
    return [x.detach() for x in outs], [x.detach() for x in rest], pull


def jvp(fn: Callable, primals: tuple, tangents: tuple) -> tuple:
    leaves, structure = tree.take_apart(tuple(primals))
    shape: Any = None

    def flat(*values: torch.Tensor) -> tuple:
        nonlocal shape
        out, shape = tree.take_apart(fn(*tree.unflatten(structure, list(values))))
        return tuple(out)

    out, tangent = torch.func.jvp(flat, tuple(leaves), tuple(tree.leaves(tuple(tangents))))
    return tree.unflatten(shape, list(out)), tree.unflatten(shape, list(tangent))


class _CustomGradient(torch.autograd.Function):
    """A call whose gradient is the user's; `call` keeps what belongs to it."""

    generate_vmap_rule = True

    @staticmethod
    def forward(call: _CustomCall, *leaves: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return call.forward(leaves)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Any) -> None:
        ctx.call = inputs[0]
        ctx.save_for_backward(*inputs[1:])

    @staticmethod
    def backward(ctx: Any, *cotangents: torch.Tensor) -> tuple:
        if torch.is_grad_enabled():  # to be differentiated again: by way of the arguments
            call = _CustomCall(ctx.call.fn, ctx.call.structure)
            call.forward(ctx.saved_tensors)
        else:
            call = ctx.call
        return None, *call.backward(cotangents)


class _CustomCall:
    def __init__(self, fn: Callable, structure: Any) -> None:
        self.fn, self.structure = fn, structure

    def forward(self, leaves: Sequence[torch.Tensor]) -> tuple[torch.Tensor, ...]:
        out, self.gradient = self.fn(*tree.unflatten(self.structure, list(leaves)))
        found, self.result = tree.take_apart(out)
        # a fresh tensor each: autograd must not take an argument returned as it is for the result
        return tuple([x.view_as(x) for x in found])

    def backward(self, cotangents: Sequence[torch.Tensor]) -> list:
        grads = self.gradient(tree.unflatten(self.result, list(cotangents)))
        return common.flat_gradients(self.structure, grads)


def custom_gradient(fn: Callable) -> Callable:
    def call(*args: Any) -> Any:
        leaves, structure = tree.take_apart(args)
        state = _CustomCall(fn, structure)
        found = _CustomGradient.apply(state, *leaves)
        return tree.unflatten(state.result, list(found))

    return call


def checkpoint(fn: Callable) -> Callable:
    def call(*args: Any) -> Any:
        if in_functorch() or not torch.is_grad_enabled():
            return fn(*args)
        return recomputation.checkpoint(fn, *args, use_reentrant=False, preserve_rng_state=False)

    return call


def eval_shape(fn: Callable, args: tuple) -> Any:
    leaves, structure = tree.take_apart(tuple(args))
    where = [i for i, x in enumerate(leaves) if hasattr(x, "shape") and hasattr(x, "dtype")]
    unknown = py.any(None in leaves[i].shape for i in where)

    def shapes(length: int) -> Any:
        """The result's tensors, with the unknown dimensions of the arguments `length`."""
        with FakeTensorMode(allow_non_fake_inputs=True), torch.no_grad():
            filled = list(leaves)
            for i in where:
                sizes = [length if n is None else n for n in leaves[i].shape]
                kind = torch_type(dtypes.standardize(leaves[i].dtype))
                filled[i] = torch.empty(sizes, dtype=kind, device=default_device())
            return fn(*tree.unflatten(structure, filled))

    def merged(x: torch.Tensor, y: torch.Tensor) -> AbstractTensor:
        return AbstractTensor([m if m == n else None for m, n in zip(x.shape, y.shape)], dtype(x))

    try:
        first = shapes(24)  # lengths that many strides and splits divide
        return tree.map(merged, first, shapes(48) if unknown else first)
    except DataDependentOutputException as error:
        raise NeedsEngine(f"a value decides what runs: {error}") from error
