"""Weights as factors of products: how quantized ones are held, decoded, and multiplied.

A weight of few bits is a dict of parts: its integers ("", two of them in a byte where they have 4
bits), their scales and zero points, the group of scales that each summed index belongs to
("g_idx"), and AWQ's scales of the inputs.  With zero points ``w = (q - z) · s``, without them
``w = q / s``.
"""

from __future__ import annotations

import math
import re
import string
from typing import Any, NamedTuple

import numpy as np

from tricorn import dtypes, ops
from tricorn.graph.transforms import custom_gradient
from tricorn.quantizers import calibrated
from tricorn.quantizers.base import AbsMaxQuantizer
from tricorn.quantizers.functions import (
    FLOAT8_MAX,
    abs_max_quantize_grouped_with_zero_point,
    compute_float8_amax_history,
    compute_float8_scale,
    pack_int4,
    quantize_and_dequantize,
    unpack_int4,
)

#: the parts, in the order in which files have them
PARTS = ("", "scale", "zero", "awq_scales", "g_idx")


class Product(NamedTuple):
    """How a layer multiplies one of its weights.

    Attributes:
        weight: its name.
        equation: of the product of the inputs and the weight; "": there is none, and LoRA alone is
            for the weight.
        summed: of the weight as a matrix, which axis is summed.
        packed: and along which there are two integers of 4 bits to a byte.
    """

    weight: str
    equation: str
    summed: int = 0
    packed: int = 1

    def letters(self, rank: int | None = None) -> tuple[str, str, str]:
        """The letters of the axes of the inputs, which are `rank` many, the weight and the result;
        of an unknown number of inputs' axes those are left out that dots on the left stand for."""
        equation = self.equation.replace(" ", "")
        free = [letter for letter in string.ascii_letters if letter not in equation]
        given = equation.partition(",")[0].replace("...", "")
        dots = "".join(free[: max((rank or 0) - len(given), 0)])
        inputs, weight, result = re.split(",|->", equation.replace("...", dots))
        return inputs, weight, result


class Factor(NamedTuple):
    """A weight of a layer: its product and shape, and the rank of the inputs where it is fixed."""

    product: Product
    shape: tuple[int, ...]
    rank: int | None

    @property
    def name(self) -> str:
        return self.product.weight

    @property
    def axes(self) -> tuple[int, ...]:
        """The axes that are summed."""
        _, weight, result = self.product.letters()
        return tuple(i for i, letter in enumerate(weight) if letter not in result)

    @property
    def matrix(self) -> tuple[int, int]:
        """The shape as a matrix."""
        rows = math.prod(self.shape[i] for i in self.axes)
        return self.shape if self.product.summed else (rows, math.prod(self.shape) // rows)  # type: ignore[return-value]

    def attribute(self, part: str, mode: str) -> str:
        """The layer's attribute for a part."""
        if part == "":
            return f"{'_' if mode in ('int8', 'int4') else 'quantized_'}{self.name}"
        return f"{self.name}_{part}" if part in ("scale", "zero") else part


def aligned(x: Any, given: str, wanted: str) -> Any:
    """A tensor with the axes `given` as one with the axes `wanted`: those that it has not are new,
    of length 1, and what is left out had that length."""
    x = ops.squeeze(x, tuple(i for i, a in enumerate(given) if a not in wanted))
    kept = [a for a in given if a in wanted]
    x = ops.transpose(x, [kept.index(a) for a in wanted if a in kept])
    return ops.expand_dims(x, tuple(i for i, a in enumerate(wanted) if a not in kept))


# ---------------------------------------------------------------------------------- to integers


def encode(factor: Factor, value: np.ndarray, config: Any, seen: Any = None) -> dict[str, Any]:
    """The parts of a weight.

    Args:
        value: the weight.
        config: how it is to be quantized.
        seen: of GPTQ and AWQ, what the inputs of the layer showed; None: no data.
    """
    if config.mode == "int8":
        return _per_output(factor, value, config.weight_quantizer or AbsMaxQuantizer())
    matrix = value.reshape(factor.matrix)
    if config.mode == "int4":
        return _of_four_bits(factor, matrix, config)
    if seen is None:
        found = calibrated.rounded(matrix.T, config)
    else:
        found = (calibrated.gptq if config.mode == "gptq" else calibrated.awq)(
            matrix.T, seen, config
        )
    q, scale, zero, groups, scales = found
    q = q.astype("uint8")
    parts = {
        "": pack_int4(q, 0, "uint8")[0] if config.weight_bits == 4 else q,
        "scale": scale,
        "zero": zero,
        "awq_scales": scales,
        "g_idx": groups.astype("float32"),
    }
    return {k: v for k, v in parts.items() if k != "awq_scales" or config.mode == "awq"}


def _per_output(factor: Factor, value: Any, quantizer: Any) -> dict[str, Any]:
    """Integers of 8 bits with one scale for each output."""
    q, scale = _quantized(quantizer, value, factor.axes)
    _, weight, result = factor.product.letters(factor.rank)
    return {"": q, "scale": aligned(scale, weight, result)}


def _of_four_bits(factor: Factor, matrix: np.ndarray, config: Any) -> dict[str, Any]:
    axis, packed = factor.product.summed, factor.product.packed
    if not config.grouped:
        quantizer = config.weight_quantizer or AbsMaxQuantizer(value_range=(-8, 7))
        q, scale = _quantized(quantizer, matrix, (axis,))
        return {"": pack_int4(q, packed)[0], "scale": ops.squeeze(scale, axis)}
    turned = matrix.T if axis else matrix
    found = abs_max_quantize_grouped_with_zero_point(turned, config.block_size, to_numpy=True)
    q, scale, zero = map(ops.transpose, found) if axis else found
    groups = calibrated.groups_of(matrix.shape[axis], config.block_size).astype("float32")
    return {"": pack_int4(q, packed)[0], "scale": scale, "zero": zero, "g_idx": groups}


def _quantized(quantizer: Any, value: np.ndarray, axes: tuple[int, ...]) -> tuple[Any, Any]:
    """What a quantizer of weights gives; its scales must be those of the outputs."""
    own = isinstance(quantizer, AbsMaxQuantizer) and quantizer.axis is None
    q, scale = quantizer(value, **({"axis": axes} if own else {}), to_numpy=True)
    wanted = tuple(1 if i in axes else n for i, n in enumerate(value.shape))
    if tuple(scale.shape) != wanted:
        raise ValueError(
            f"the weight_quantizer {quantizer!r} gives scales of shape {tuple(scale.shape)} for a "
            f"weight of shape {value.shape}, expected {wanted}: let its axis be {axes}"
        )
    return q, scale


# -------------------------------------------------------------------------------------- to floats


def integers(factor: Factor, parts: dict[str, Any], config: Any) -> Any:
    """The integers of a weight, or of rows of a table, one to an element."""
    q = parts[""]
    if config.mode == "int4":
        packed = factor.product.packed
        return unpack_int4(q, factor.matrix[packed], packed - 2)
    if config.mode in ("gptq", "awq") and config.weight_bits == 4:
        return unpack_int4(q, factor.matrix[1], 0, "uint8")
    return q


def decode(factor: Factor, parts: dict[str, Any], config: Any, dtype: str) -> Any:
    """The weight as floats; of a table also some rows, from the parts of these rows."""
    q, scale, table = integers(factor, parts, config), parts["scale"], factor.product.summed
    if "zero" not in parts:
        if table:
            scale = ops.expand_dims(scale, -1)
        elif config.mode == "int8":
            _, weight, result = factor.product.letters(factor.rank)
            scale = aligned(scale, result, weight)
        found = ops.divide(ops.cast(q, dtype), scale)
    else:
        groups, axis = ops.cast(parts["g_idx"], "int32"), -1
        if config.mode == "int4" and not table:
            axis = 0
        scale, zero = ops.take(scale, groups, axis), ops.take(parts["zero"], groups, axis)
        q, zero = (ops.cast(x, dtypes.standardize(scale.dtype)) for x in (q, zero))
        found = ops.multiply(ops.subtract(q, zero), scale)
        if config.mode != "int4":  # these are held with the outputs first
            found = ops.transpose(found)
        if "awq_scales" in parts:
            found = ops.divide(found, ops.expand_dims(parts["awq_scales"], -1))
    found = ops.cast(found, dtype)
    return found if table else ops.reshape(found, factor.shape)


# --------------------------------------------------------------------------------------- products


def of_integers(
    factor: Factor, parts: dict[str, Any], config: Any, inputs: Any, quantizer: Any, dtype: str
) -> Any:
    """The product of inputs that are quantized, too: of integers, divided by both scales.  The
    gradient is that of the product of floats."""
    given, weight, result = factor.product.letters(len(inputs.shape))
    axes = tuple(i for i, letter in enumerate(given) if letter not in result)

    @custom_gradient
    def product(x: Any, q: Any, scale: Any) -> tuple[Any, Any]:
        held = {"": q, "scale": scale}

        def gradient(upstream: Any) -> tuple:
            floats = decode(factor, held, config, dtype)
            return ops.einsum(f"{result},{weight}->{given}", upstream, floats), None, None

        small, scale_of_x = quantizer(x, axis=axes)
        q = ops.reshape(integers(factor, held, config), factor.shape)
        if config.mode == "int4" and not factor.product.summed:
            sizes = [1 if i in factor.axes else n for i, n in enumerate(factor.shape)]
            scale = aligned(ops.reshape(scale, sizes), weight, result)
        found = ops.cast(ops.einsum(f"{given},{weight}->{result}", small, q), dtype)
        return ops.divide(found, ops.multiply(scale, aligned(scale_of_x, given, result))), gradient

    return product(inputs, ops.convert_to_tensor(parts[""]), ops.convert_to_tensor(parts["scale"]))


def of_low_rank(factor: Factor, inputs: Any, a: Any, b: Any) -> Any:
    """The product with the weight ``a @ b``, which is not made."""
    given, weight, result = factor.product.letters(len(inputs.shape))
    rank = next(letter for letter in string.ascii_letters if letter not in given + weight + result)
    return ops.einsum(f"{given},{weight[:-1]}{rank},{rank}{weight[-1]}->{result}", inputs, a, b)


def of_float8(equation: str, inputs: Any, weight: Any, state: dict[str, Any], dtype: str) -> Any:
    """The product of float8: inputs and weight as e4m3, the gradient of the result as e5m2.

    Args:
        state: "inputs", "kernel" and "outputs_grad" -> (scale, largest magnitudes of late): their
            gradients are their next values.
    """

    def rounded(x: Any, scale: Any, kind: str) -> Any:
        return quantize_and_dequantize(x, scale, kind, dtype)

    def following(x: Any, scale: Any, history: Any, kind: str) -> tuple[Any, Any]:
        following = compute_float8_scale(ops.max(history, axis=0), scale, FLOAT8_MAX[kind])
        return following, compute_float8_amax_history(x, history)

    @custom_gradient
    def forth(x: Any, scale: Any, history: Any) -> tuple[Any, Any]:
        kind = "float8_e4m3fn"
        return rounded(x, scale, kind), lambda upstream: (
            upstream, *following(x, scale, history, kind)
        )  # fmt: skip

    @custom_gradient
    def back(x: Any, scale: Any, history: Any) -> tuple[Any, Any]:
        kind = "float8_e5m2"
        return x, lambda upstream: (
            rounded(upstream, scale, kind), *following(upstream, scale, history, kind)
        )  # fmt: skip

    held = {name: tuple(map(ops.convert_to_tensor, pair)) for name, pair in state.items()}
    weight = ops.convert_to_tensor(weight)
    found = ops.einsum(equation, forth(inputs, *held["inputs"]), forth(weight, *held["kernel"]))
    return back(found, *held["outputs_grad"])
