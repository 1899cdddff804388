"""GPTQ and AWQ: matrices (outputs, inputs) quantized by what they are multiplied with."""

from __future__ import annotations

from typing import Any

import numpy as np

from tricorn.quantizers.functions import with_zero_points, zero_points

#: (integers, scales, zero points, the group of each input, scales of the inputs or None)
Quantized = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]


def groups_of(size: int, group_size: int) -> np.ndarray:
    """The group that each of `size` inputs belongs to."""
    return np.arange(size) // (size if group_size == -1 else group_size)


def rounded(matrix: np.ndarray, config: Any) -> Quantized:
    """Each weight by itself, for lack of data."""
    by_row = getattr(config, "per_channel", True)
    symmetric = getattr(config, "symmetric", False)
    scale, zero = zero_points(matrix, config.weight_bits, config.group_size, symmetric, by_row)
    groups = groups_of(matrix.shape[1], config.group_size) if scale.shape[1] > 1 else None
    groups = np.zeros(matrix.shape[1], int) if groups is None else groups
    q = with_zero_points(matrix, scale[:, groups], zero[:, groups], config.weight_bits)
    return q, scale, zero, groups, np.ones(matrix.shape[1], matrix.dtype)


def gptq(matrix: np.ndarray, hessian: np.ndarray, config: Any) -> Quantized:
    """Input by input: the error of its rounded weights is made good by the inputs after it.

    Args:
        matrix: (outputs, inputs).
        hessian: 2 XᵀX / samples, of the inputs X.
        config: a `GPTQConfig`.
    """
    hessian = hessian.astype("float64")
    diagonal = np.where(np.diag(hessian) == 0, 1, np.diag(hessian))
    np.fill_diagonal(hessian, diagonal + config.hessian_damping * diagonal.mean())
    order = np.arange(len(hessian))
    if config.activation_order:
        order = np.argsort(-np.diag(hessian), kind="stable")
    # row i says how the inputs after i make its error good, when those before it are fixed
    factor = np.linalg.cholesky(np.linalg.inv(hessian[np.ix_(order, order)])).T
    q, scale, zero = corrected(matrix[:, order], factor.astype(matrix.dtype), config)
    back = np.argsort(order)
    return q[:, back], scale, zero, groups_of(len(order), config.group_size)[back], None


def corrected(
    matrix: np.ndarray, factor: np.ndarray, config: Any, block: int = 128
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(integers, scales, zero points) of a matrix whose columns are quantized one after the other.
    The error of column i, divided by ``factor[i, i]``, is taken ``factor[i, j]`` times from each
    column j after it: in its block of columns at once, in later blocks when the block is done."""
    matrix, q = matrix.copy(), np.zeros_like(matrix)
    size, scales, zeros = matrix.shape[1], [], []
    group = size if config.group_size == -1 else config.group_size
    for first in range(0, size, block):
        last = min(first + block, size)
        columns, errors = matrix[:, first:last].copy(), np.zeros_like(matrix[:, first:last])
        for i in range(first, last):
            if i % group == 0:
                scale, zero = zero_points(
                    matrix[:, i : i + group], config.weight_bits, -1, config.symmetric,
                    config.per_channel,
                )  # fmt: skip
                scales.append(scale)
                zeros.append(zero)
            column = columns[:, i - first : i - first + 1]
            q[:, i : i + 1] = rounded_ = with_zero_points(column, scale, zero, config.weight_bits)
            error = (column - (rounded_ - zero) * scale) / factor[i, i]
            errors[:, i - first : i - first + 1] = error
            columns[:, i - first + 1 :] -= error * factor[i, i + 1 : last]
        matrix[:, last:] -= errors @ factor[first:last, last:]
    return q, np.concatenate(scales, 1), np.concatenate(zeros, 1)


def awq(matrix: np.ndarray, magnitudes: np.ndarray, config: Any) -> Quantized:
    """Inputs that are large get a scale above 1, by the power of their magnitude that leaves the
    smallest error of the outputs.

    Args:
        matrix: (outputs, inputs).
        magnitudes: the largest of each input.
        config: an `AWQConfig`.
    """
    largest = np.where(magnitudes < 1e-8, 1, magnitudes).astype("float32")
    best: tuple[float, Quantized] | None = None
    for point in range(config.num_grid_points + 1):
        scales = np.maximum(largest ** np.float32(point / config.num_grid_points), 1e-4)
        scales = scales / np.maximum(np.sqrt(scales.max() * scales.min()), 1e-8)
        q, scale, zero, groups, _ = rounded(matrix * scales, config)
        back = (q - zero[:, groups]) * scale[:, groups] / scales
        loss = float(np.mean(np.square((matrix - back) * largest)))
        if best is None or loss < best[0]:
            best = loss, (q, scale, zero, groups, scales.astype(matrix.dtype))
    assert best is not None
    return best[1]
