"""Convolutions by oneDNN on CPUs, where the optional package ``tricorn-kernels`` is installed.

A convolution and its two gradients are one JAX primitive, for they are one thing: the form
``sum(y * conv(x, kernel))`` is linear in each of its three tensors, and its derivative by one of
them, as a function of the other two, is what the primitive computes. So derivatives of any order,
in both modes, are the primitive again. Where the library cannot compute (in an exported program,
over several devices, with a batch of kernels) the same primitive becomes XLA's convolution.

What is left to XLA altogether is said by :func:`covers`.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.extend import core as jex
from jax.interpreters import ad, batching, mlir

from tricorn.engines import known
from tricorn.engines.jax import kernels

#: what the primitive finds -> its operands
_OPERANDS = {"y": ("x", "kernel"), "x": ("y", "kernel"), "kernel": ("x", "y")}


class Geometry(NamedTuple):
    """A convolution of channels-last tensors; a number per spatial axis in what is plural below."""

    batch: int
    channels: int
    filters: int
    groups: int
    inputs: tuple[int, ...]
    window: tuple[int, ...]
    outputs: tuple[int, ...]
    strides: tuple[int, ...]
    dilation: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of "x", "kernel" or "y"."""
        if name == "kernel":
            return (*self.window, self.channels // self.groups, self.filters)
        if name == "x":
            return (self.batch, *self.inputs, self.channels)
        return (self.batch, *self.outputs, self.filters)

    def numbers(self, find: str) -> list[int]:
        """As the library reads it."""
        return [list(_OPERANDS).index(find), *self[:4], *(n for axes in self[4:] for n in axes)]


# ------------------------------------------------------------------------------ what is computed


def conv(
    x: Array,
    kernel: Array,
    strides: Sequence[int],
    padding: kernels.Pads,
    dilation: Sequence[int],
    groups: int,
    channels_last: bool,
) -> Array:
    """:func:`.kernels.conv`, by oneDNN where it covers that."""
    if kernels.is_fast():
        spatial = x.shape[1:-1] if channels_last else x.shape[2:]
        geometry = Geometry(
            x.shape[0],
            x.shape[-1 if channels_last else 1],
            kernel.shape[-1],
            groups,
            spatial,
            kernel.shape[:-2],
            _lengths(spatial, kernel.shape[:-2], strides, padding, dilation),
            tuple(strides),
            tuple(dilation),
            *map(tuple, zip(*padding, strict=True)),
        )
        if covers(geometry, x, kernel):
            return _in_layout(x, kernel, "y", geometry, channels_last)
    return kernels.conv(x, kernel, strides, padding, dilation, groups, channels_last)


def conv_transpose(
    x: Array,
    kernel: Array,
    strides: Sequence[int],
    padding: kernels.Pads,
    dilation: Sequence[int],
    channels_last: bool,
) -> Array:
    """:func:`.kernels.conv_transpose`: the input's gradient, by oneDNN where it covers that."""
    if kernels.is_fast():
        window = kernel.shape[:-2]
        spatial = x.shape[1:-1] if channels_last else x.shape[2:]
        spans = [(k - 1) * d for k, d in zip(window, dilation, strict=True)]
        axes = list(zip(spatial, spans, strides, padding, strict=True))
        inputs = tuple((n - 1) * s + 1 + sum(pad) - span for n, span, s, pad in axes)
        before = tuple(span - low for _, span, _, (low, _) in axes)
        # where the last elements got nothing, the convolution that is transposed left them out
        after = tuple(max(span - high, 0) for _, span, _, (_, high) in axes)
        pads = list(zip(before, after, strict=True))
        geometry = Geometry(
            *(x.shape[0], kernel.shape[-2], kernel.shape[-1], 1),
            *(inputs, window, spatial, tuple(strides), tuple(dilation), before, after),
        )
        fits = _lengths(inputs, window, strides, pads, dilation) == spatial
        if fits and covers(geometry, x, kernel):
            return _in_layout(x, kernel, "x", geometry, channels_last)
    return kernels.conv_transpose(x, kernel, strides, padding, dilation, channels_last)


def _lengths(spatial, window, strides, padding, dilation) -> tuple[int, ...]:
    axes = zip(spatial, window, strides, padding, dilation, strict=True)
    return tuple((n + sum(pad) - (k - 1) * d - 1) // s + 1 for n, k, s, pad, d in axes)


def _in_layout(a, kernel, find, geometry, channels_last) -> Array:
    if channels_last:
        return _conv.bind(a, kernel, find=find, geometry=geometry)
    found = _conv.bind(jnp.moveaxis(a, 1, -1), kernel, find=find, geometry=geometry)
    return jnp.moveaxis(found, -1, 1)


# ------------------------------------------------------------------------------------- which ones


@functools.cache
def library() -> Any:
    """The module of the package, its target registered; None where there is none in use."""
    found, _ = known.kernels()
    if found is not None:
        found.register()
    return found


def covers(geometry: Geometry, x: Array, kernel: Array) -> bool:
    """Whether oneDNN computes a convolution of these: static shapes without zeros, no negative
    padding, float32 (or bfloat16 where the processor has it), no mesh in their types, and
    compiled code of oneDNN's for all three directions.

    Left to :mod:`.kernels` besides are 1x1 kernels, which are one matrix product there: measured on
    two AVX-512 cores (Zen 4), 16x16, 64 to 128, batch 128, 3.2 for 3.0 ms, gradients 3.7 and 3.8
    for 3.5 and 4.4; with stride 2 the input's gradient takes 1.5 times as long.
    """
    if library() is None or x.dtype != kernel.dtype or x.dtype.name not in library().dtypes():
        return False
    numbers = geometry.numbers("y")
    if not all(type(n) is int and n >= 0 for n in numbers) or any(map(_is_spread, (x, kernel))):
        return False
    if not all(math.prod(geometry.shape(name)) for name in _OPERANDS):
        return False
    if geometry.groups == 1 and math.prod(geometry.window) == 1:
        return False
    return _is_compiled(geometry, x.dtype.name)


def _is_spread(x: Array) -> bool:
    return not jax.typeof(x).sharding.mesh.empty


@functools.cache
def _is_compiled(geometry: Geometry, dtype: str) -> bool:
    half = dtype == "bfloat16"
    names = [library().implementation(geometry.numbers(find), half) for find in _OPERANDS]
    # its plain loops are slow, and its matrix products in bfloat16 round their parts, too
    left = ("ref", "gemm", "x64:gemm") if half else ("ref",)
    return all(name and not name.startswith(left) for name in names)


# -------------------------------------------------------------------------------------- primitive

_conv = jex.Primitive("tricorn_conv")


@_conv.def_impl
def _computed(*operands: Array, **params: Any) -> Array:
    return _compiled(**params)(*operands)


@functools.cache
def _compiled(**params: Any) -> Any:
    return jax.jit(functools.partial(_conv.bind, **params))


@_conv.def_abstract_eval
def _kind(a: Any, b: Any, *, find: str, geometry: Geometry) -> Any:
    return jax.core.ShapedArray(geometry.shape(find), a.dtype)


def _transposed(position: int) -> Any:
    """The rule for the operand at `position`: the form's derivative by it."""

    def rule(cotangent: Array, *operands: Array, find: str, geometry: Geometry) -> Array:
        names = _OPERANDS[find]
        known = {find: cotangent, names[1 - position]: operands[1 - position]}
        wanted = names[position]
        ordered = [known[name] for name in _OPERANDS[wanted]]
        return _conv.bind(*ordered, find=wanted, geometry=geometry)

    return rule


ad.defbilinear(_conv, _transposed(0), _transposed(1))


def _batched(operands: Sequence, axes: Sequence, *, find: str, geometry: Geometry) -> tuple:
    if find == "kernel" or axes[1] is not None:  # many kernels
        return jax.vmap(_by_xla(find, geometry), axes)(*operands), 0
    a = jnp.moveaxis(operands[0], axes[0], 0)
    count, batch = a.shape[:2]
    whole = geometry._replace(batch=count * batch)
    found = _conv.bind(a.reshape(-1, *a.shape[2:]), operands[1], find=find, geometry=whole)
    return found.reshape(count, batch, *found.shape[1:]), 0


batching.primitive_batchers[_conv] = _batched


def _by_xla(find: str, geometry: Geometry) -> Any:
    """The primitive as a function of its operands that the other formulations compute."""

    def conv(x: Array, kernel: Array) -> Array:
        g = geometry
        padding = list(zip(g.before, g.after, strict=True))
        return kernels.conv(x, kernel, g.strides, padding, g.dilation, g.groups, True)

    def gradient(a: Array, b: Array) -> Array:
        known = dict(zip(_OPERANDS[find], (a, b), strict=True))
        known[find] = jnp.zeros(geometry.shape(find), a.dtype)
        pull = jax.vjp(conv, known["x"], known["kernel"])[1]
        return pull(known["y"])[find == "kernel"]

    return conv if find == "y" else gradient


def _lowered_by_xla(ctx: Any, *operands: Any, find: str, geometry: Geometry) -> Any:
    return mlir.lower_fun(_by_xla(find, geometry), multiple_results=False)(ctx, *operands)


def _lowered(ctx: Any, *operands: Any, find: str, geometry: Geometry) -> Any:
    module = ctx.module_context
    place = module.axis_context
    alone = isinstance(place, mlir.ShardingContext) and place.num_devices == 1
    if module.lowering_parameters.for_export or not alone or _is_cheaper(find, geometry):
        return _lowered_by_xla(ctx, *operands, find=find, geometry=geometry)
    numbers = np.array(geometry.numbers(find), np.int64)
    return jax.ffi.ffi_lowering(library().TARGET)(ctx, *operands, geometry=numbers)


def _is_cheaper(find: str, geometry: Geometry) -> bool:
    """Whether the other formulation takes less: the input's gradient where the channels are few
    (28x28, 1 to 32, batch 128: 0.9 for 4.9 ms; 32x32, 3 to 16, batch 64: 0.9 for 2.2), and what
    is empty."""
    few = geometry.groups == 1 and math.prod(geometry.shape("kernel")[:-1]) <= kernels.FEW
    return (find == "x" and few) or not geometry.batch


mlir.register_lowering(_conv, _lowered_by_xla)
mlir.register_lowering(_conv, _lowered, platform="cpu")
