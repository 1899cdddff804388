"""Products, decompositions, solutions, norms and Fourier transforms."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from tricorn import dtypes, tree
from tricorn.engines import active
from tricorn.graph.op import Tensor, op
from tricorn.graph.transforms import jvp
from tricorn.ops.arguments import axes_of, letters
from tricorn.ops.arrays import (
    cast,
    convert_to_tensor,
    diagonal,
    expand_dims,
    eye,
    flip,
    moveaxis,
    ravel,
    reshape,
    squeeze,
    stack,
    swapaxes,
    where,
)
from tricorn.ops.elementwise import (
    abs,
    conj,
    divide,
    greater,
    log,
    maximum,
    multiply,
    not_equal,
    power,
    sign,
    sqrt,
    square,
    subtract,
)
from tricorn.ops.reductions import count_nonzero, max, mean, min, prod, sum

F = TypeVar("F", bound=Callable)

# --------------------------------------------------------------------------------------- products


def _tensors(*xs: Any) -> list:
    """Operands of which one may be a Python number, in the dtype of the others."""
    engine = active()
    name = next(engine.dtype(x) for x in xs if engine.is_tensor(x))
    return [x if engine.is_tensor(x) else engine.tensor(x, name) for x in xs]


def _small(*xs: Any) -> Any:
    """Operands of 8 bits as int32: sums of int8 do not overflow, and not every engine multiplies
    the others."""
    engine = active()
    small = engine.dtype(xs[0]) in _SMALL
    return [engine.cast(x, "int32") for x in xs] if small else xs


_NUMBERS = frozenset((bool, int, float, complex))
_SMALL = frozenset(("int8", "uint8", "bool"))


def _product_of(name: str, product: Any) -> Any:
    """A product of operands of the dtype `name`: of int8 it stays int32."""
    return cast(product, name) if name in ("uint8", "bool") else product


@op(promote=True)
def matmul(x1: Tensor, x2: Tensor) -> Tensor:
    """The matrix product: Σₖ x1[..., i, k] x2[..., k, j].

    Args:
        x1: tensor of shape (..., n, k) or (k,).
        x2: tensor of shape (..., k, m) or (k,); leading axes broadcast.

    Returns:
        tensor of shape (..., n, m), without the axes of vectors; int8 gives int32.

    Raises:
        ValueError: when the inner dimensions differ.

    Example:
        >>> keras.ops.matmul([[1.0, 2.0]], [[3.0], [4.0]])
        Array([[11.]], dtype=float32)
    """
    engine = active()
    if type(x1) in _NUMBERS or type(x2) in _NUMBERS:
        x1, x2 = _tensors(x1, x2)
    name = engine.dtype(x1)
    if name in _SMALL:
        return _product_of(name, engine.matmul(*_small(x1, x2)))
    return engine.matmul(x1, x2)


@op(promote=True)
def dot(x1: Tensor, x2: Tensor) -> Tensor:
    """The sum product over the last axis of x1 and the second last (vectors: the only) of x2.

    Args:
        x1, x2: tensors; a scalar multiplies.

    Returns:
        tensor of the common dtype, shape (*x1.shape[:-1], *x2.shape without that axis).

    Example:
        >>> keras.ops.dot([1.0, 2.0], [3.0, 4.0])
        Array(11., dtype=float32)
    """
    x1, x2 = _tensors(x1, x2)
    ranks = len(active().shape(x1)), len(active().shape(x2))
    if 0 in ranks:
        return multiply(x1, x2)
    if ranks[1] <= 2:
        return cast(matmul(x1, x2), active().dtype(x1))
    return tensordot(x1, x2, ([-1], [-2]))


@op(promote=True)
def inner(x1: Tensor, x2: Tensor) -> Tensor:
    """The sum product over the last axes of both.

    Args:
        x1, x2: tensors with equal last axes; a scalar multiplies.

    Returns:
        tensor of shape (*x1.shape[:-1], *x2.shape[:-1]).

    Example:
        >>> keras.ops.inner([1.0, 2.0], [3.0, 4.0])
        Array(11., dtype=float32)
    """
    x1, x2 = _tensors(x1, x2)
    if not active().shape(x1) or not active().shape(x2):
        return multiply(x1, x2)
    return tensordot(x1, x2, ([-1], [-1]))


@op(promote=True)
def outer(x1: Tensor, x2: Tensor) -> Tensor:
    """x1ᵢ x2ⱼ of the flattened tensors.

    Args:
        x1, x2: tensors of n and m elements.

    Returns:
        tensor of shape (n, m).

    Example:
        >>> keras.ops.outer([1, 2], [3, 4])
        Array([[3, 4],
               [6, 8]], dtype=int32)
    """
    return multiply(reshape(x1, (-1, 1)), reshape(x2, (1, -1)))


@op(promote=True)
def vdot(x1: Tensor, x2: Tensor) -> Tensor:
    """Σ conj(x1) x2 over the flattened tensors.

    Args:
        x1, x2: tensors of equally many elements.

    Returns:
        scalar.

    Example:
        >>> keras.ops.vdot([1.0, 2.0], [3.0, 4.0])
        Array(11., dtype=float32)
    """
    return cast(matmul(ravel(conj(x1)), ravel(x2)), active().dtype(x1))


@op(promote=True)
def tensordot(x1: Tensor, x2: Tensor, axes: Any = 2) -> Tensor:
    """The sum product over chosen axes.

    Args:
        x1, x2: tensors.
        axes: how many: the last ones of x1 with the first ones of x2; or a pair of axes or lists
            of axes, for x1 and for x2.

    Returns:
        tensor with the other axes of x1, then those of x2.

    Example:
        >>> keras.ops.tensordot([[1.0, 2.0]], [[3.0], [4.0]], axes=1)
        Array([[11.]], dtype=float32)
    """
    x1, x2 = _tensors(x1, x2)
    rank1, rank2 = len(active().shape(x1)), len(active().shape(x2))
    if isinstance(axes, (int, np.integer)):
        axes = (list(range(rank1 - int(axes), rank1)), list(range(int(axes))))
    left, right = axes_of(axes[0], x1), axes_of(axes[1], x2)
    a, b = letters(rank1), list(letters(rank2, rank1))
    for i, j in zip(left, right):
        b[j] = a[i]
    kept = [c for i, c in enumerate(a) if i not in left]
    kept += [c for i, c in enumerate(b) if i not in right]
    found = active().einsum(f"{a},{''.join(b)}->{''.join(kept)}", tuple(_small(x1, x2)))
    return cast(found, active().dtype(x1))


def einsum(subscripts: str, *operands: Any, **kwargs: Any) -> Tensor:
    """The sum product that Einstein's notation describes, e.g. ``"bij,bjk->bik"``.

    Args:
        subscripts: one letter per axis of each operand, and those of the result after ``->``.
        operands: tensors; promoted to their common dtype.
        kwargs: ``optimize`` is accepted; engines choose the order of products themselves.

    Returns:
        tensor of the common dtype; int8 gives int32.

    Raises:
        ValueError: when the subscripts do not fit the shapes.

    Example:
        >>> keras.ops.einsum("ij,j->i", np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([1.0, 10.0]))
        Array([21., 43.], dtype=float64)
    """
    if set(kwargs) - {"optimize"}:
        raise TypeError(f"einsum does not know the arguments {sorted(set(kwargs) - {'optimize'})}")
    return _einsum(list(operands), subscripts)


@op(promote=True)
def _einsum(operands: Sequence[Tensor], subscripts: str) -> Tensor:
    operands = _tensors(*operands)
    found = active().einsum(subscripts, tuple(_small(*operands)))
    return _product_of(active().dtype(operands[0]), found)


@op(promote=True)
def cross(
    x1: Tensor,
    x2: Tensor,
    axisa: int = -1,
    axisb: int = -1,
    axisc: int = -1,
    axis: int | None = None,
) -> Tensor:
    """The cross product of vectors in space (or the plane, whose third component is 0).

    Args:
        x1, x2: tensors whose axes `axisa` and `axisb` have length 2 or 3; the others broadcast.
        axisa, axisb, axisc: the vectors' axes in x1, x2 and the result.
        axis: all three at once.

    Returns:
        tensor of the common dtype; without the axis when both are in the plane.

    Example:
        >>> keras.ops.cross([1.0, 0.0, 0.0], [0.0, 1.0, 0.0])
        Array([0., 0., 1.], dtype=float32)
    """
    axisa, axisb, axisc = (axisa, axisb, axisc) if axis is None else (axis,) * 3
    a, b = moveaxis(x1, axisa, -1), moveaxis(x2, axisb, -1)
    lengths = active().shape(a)[-1], active().shape(b)[-1]
    if not set(lengths) <= {2, 3}:
        raise ValueError(f"cross: vectors of length 2 or 3 expected, got {lengths}")
    (a0, a1, *a2), (b0, b1, *b2) = ([v[..., i] for i in range(n)] for v, n in zip((a, b), lengths))
    last = subtract(multiply(a0, b1), multiply(a1, b0))
    if lengths == (2, 2):
        return last
    az, bz = a2[0] if a2 else multiply(a0, 0), b2[0] if b2 else multiply(b0, 0)
    x, y = (
        subtract(multiply(a1, bz), multiply(az, b1)),
        subtract(multiply(az, b0), multiply(a0, bz)),
    )
    return moveaxis(stack([x, y, last], -1), -1, axisc)


@op(promote=True)
def kron(x1: Tensor, x2: Tensor) -> Tensor:
    """The Kronecker product: every element of x1 times the whole of x2.

    Args:
        x1, x2: tensors; the shorter shape is filled up with ones at the left.

    Returns:
        tensor whose shape is the product of both.

    Example:
        >>> keras.ops.kron([1, 2], [1, 10])
        Array([ 1, 10,  2, 20], dtype=int32)
    """
    engine = active()
    x1, x2 = _tensors(x1, x2)
    rank = _most(len(engine.shape(x1)), len(engine.shape(x2)))
    a = engine.expand_dims(x1, tuple(range(rank - len(engine.shape(x1)))))
    b = engine.expand_dims(x2, tuple(range(rank - len(engine.shape(x2)))))
    shape = tuple(n * m for n, m in zip(engine.shape(a), engine.shape(b)))
    a = engine.expand_dims(a, tuple(range(1, 2 * rank, 2)))
    b = engine.expand_dims(b, tuple(range(0, 2 * rank, 2)))
    return engine.reshape(multiply(a, b), shape)


def _most(*values: int) -> int:
    """Python's max (the name is an op here)."""
    return sorted(values)[-1]


@op
def trace(x: Tensor, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
    """The sum of a diagonal.

    Args:
        x: tensor of rank at least 2.
        offset: which diagonal; 0 is the main one, positive ones stand above it.
        axis1, axis2: axes of rows and columns.

    Returns:
        tensor without these axes; small integers become int32.

    Example:
        >>> keras.ops.trace([[1, 2], [3, 4]])
        Array(5, dtype=int32)
    """
    return sum(diagonal(x, offset, axis1, axis2), -1)


@op(floating=True)
def correlate(x1: Tensor, x2: Tensor, mode: str = "valid") -> Tensor:
    """The cross-correlation of two vectors: Σₙ x1[n + k] conj(x2[n]).

    Args:
        x1, x2: tensors of shape (n,) and (m,).
        mode: 'valid': full overlap only; 'same': the longer one's length; 'full': any overlap.

    Returns:
        floating tensor of shape (n - m + 1,), (max(n, m),) or (n + m - 1,).

    Example:
        >>> keras.ops.correlate([1.0, 2.0, 3.0], [0.0, 1.0])
        Array([2., 3.], dtype=float32)
    """
    engine, (n,), (m,) = active(), active().shape(x1), active().shape(x2)
    if mode not in ("valid", "same", "full"):
        raise ValueError(f"correlate: mode must be 'valid', 'same' or 'full', got {mode!r}")
    if n < m:
        return flip(correlate(conj(x2), conj(x1), mode))
    before, after = {"valid": (0, 0), "full": (m - 1, m - 1)}.get(mode, (m // 2, (m - 1) // 2))
    padded = engine.pad(x1, ((before, after),), "constant", 0)
    length = n + before + after - m + 1
    index = np.arange(length)[:, None] + np.arange(m)[None, :]
    return engine.matmul(engine.take(padded, engine.tensor(index, "int32"), 0), conj(x2))


@op
def corrcoef(x: Tensor) -> Tensor:
    """Pearson's correlation of the rows.

    Args:
        x: tensor of shape (n, samples), or (samples,).

    Returns:
        floating tensor of shape (n, n), or a scalar.

    Example:
        >>> keras.ops.corrcoef([[1.0, 2.0, 3.0], [1.0, 2.0, 4.0]])
        Array([[0.99999994, 0.98198056],
               [0.98198056, 1.        ]], dtype=float32)
    """
    x = cast(x, dtypes.floating(active().dtype(x)))
    centred = subtract(x, mean(x, -1, True))
    scaled = divide(centred, sqrt(sum(square(centred), -1, True)))
    return matmul(scaled, swapaxes(scaled, 0, 1) if len(active().shape(x)) > 1 else scaled)


@op(floating=True)
def cdist(x: Tensor, y: Tensor) -> Tensor:
    """Euclidean distances between two sets of points.

    Args:
        x: tensor of shape (..., n, d).
        y: tensor of shape (..., m, d).

    Returns:
        floating tensor of shape (..., n, m).

    Example:
        >>> keras.ops.cdist([[0.0, 0.0]], [[3.0, 4.0]])
        Array([[5.]], dtype=float32)
    """
    shapes = active().shape(x), active().shape(y)
    if len(shapes[0]) < 2 or len(shapes[1]) < 2 or shapes[0][-1] != shapes[1][-1]:
        raise ValueError(f"cdist: shapes (..., n, d) and (..., m, d) expected, got {shapes}")
    return sqrt(sum(square(subtract(expand_dims(x, -2), expand_dims(y, -3))), -1))


# ----------------------------------------------------------------------- decompositions, solutions


def _floating(x: Any) -> Any:
    return cast(x, dtypes.floating(active().dtype(x)))


def _square(name: str, x: Any) -> None:
    """Refuse what is no square matrix.

    Raises:
        ValueError: naming the shape.
    """
    shape = active().shape(x)
    if len(shape) < 2 or (shape[-1] != shape[-2] and None not in shape[-2:]):
        raise ValueError(f"{name}: square matrices (..., n, n) expected, got the shape {shape}")


def decomposition(fn: F) -> F:
    """An `op` of floating matrices, of which half precision is computed in float32."""

    @functools.wraps(fn)
    def run(*args: Any, **kwargs: Any) -> Any:
        engine = active()
        name = engine.dtype(args[0])
        if name not in ("float16", "bfloat16"):
            return fn(*args, **kwargs)

        def recast(x: Any, old: str, new: str) -> Any:
            return cast(x, new) if engine.is_tensor(x) and engine.dtype(x) == old else x

        result = fn(*tree.map(lambda x: recast(x, name, "float32"), args), **kwargs)
        return tree.map(lambda x: recast(x, "float32", name), result)

    return op(floating=True)(run)  # type: ignore[return-value]


def _transposed(x: Any) -> Any:
    return swapaxes(x, -1, -2)


@decomposition
def cholesky(x: Tensor, upper: bool = False) -> Tensor:
    """The triangular factor L of a positive definite matrix: L Lᵀ = x.

    Args:
        x: tensor of shape (..., n, n).
        upper: give Lᵀ.

    Returns:
        tensor of x's shape, NaN where x is not positive definite.

    Example:
        >>> keras.ops.cholesky([[4.0, 2.0], [2.0, 5.0]])
        Array([[2., 0.],
               [1., 2.]], dtype=float32)
    """
    lower = active().cholesky(x)
    return _transposed(lower) if upper else lower


@decomposition
def cholesky_inverse(x: Tensor, upper: bool = False) -> Tensor:
    """The inverse of the matrix whose Cholesky factor is x.

    Args:
        x: triangular tensor of shape (..., n, n).
        upper: x is the upper factor.

    Returns:
        tensor of x's shape.

    Example:
        >>> keras.ops.cholesky_inverse([[2.0, 0.0], [1.0, 2.0]])
        Array([[ 0.3125, -0.125 ],
               [-0.125 ,  0.25  ]], dtype=float32)
    """
    _square("cholesky_inverse", x)
    engine, factor = active(), _transposed(x) if upper else x
    inverse = engine.solve_triangular(factor, _eye_like(x), True)
    return matmul(_transposed(inverse), inverse)


def _eye_like(x: Any) -> Any:
    engine = active()
    return engine.broadcast_to(eye(engine.shape(x)[-1], dtype=engine.dtype(x)), engine.shape(x))


@decomposition
def det(x: Tensor) -> Tensor:
    """The determinant.

    Args:
        x: tensor of shape (..., n, n).

    Returns:
        tensor of shape (...).

    Example:
        >>> keras.ops.det([[1.0, 2.0], [3.0, 4.0]])
        Array(-1.9999999, dtype=float32)
    """
    _square("det", x)
    factors, pivots = active().lu(x)
    return multiply(_parity(pivots, x), prod(diagonal(factors, 0, -2, -1), -1))


def _parity(pivots: Any, x: Any) -> Any:
    """1 or -1: the sign of the row exchanges of an LU decomposition."""
    engine = active()
    places = engine.arange(0, engine.shape(pivots)[-1], 1, "int32")
    swaps = count_nonzero(not_equal(pivots, places), -1)
    return cast(subtract(1, multiply(2, engine.remainder(swaps, 2))), engine.dtype(x))


@decomposition
def slogdet(x: Tensor) -> tuple[Tensor, Tensor]:
    """Sign and logarithm of the modulus of the determinant.

    Args:
        x: tensor of shape (..., n, n).

    Returns:
        (sign, ln |det x|), each of shape (...).

    Example:
        >>> keras.ops.slogdet([[2.0, 0.0], [0.0, 4.0]])
        (Array(1., dtype=float32), Array(2.0794415, dtype=float32))
    """
    _square("slogdet", x)
    factors, pivots = active().lu(x)
    d = diagonal(factors, 0, -2, -1)
    return multiply(_parity(pivots, x), prod(sign(d), -1)), sum(log(abs(d)), -1)


@decomposition
def logdet(x: Tensor) -> Tensor:
    """The logarithm of the determinant of a positive definite matrix.

    Args:
        x: tensor of shape (..., n, n).

    Returns:
        tensor of shape (...).

    Example:
        >>> keras.ops.logdet([[2.0, 0.0], [0.0, 4.0]])
        Array(2.0794415, dtype=float32)
    """
    return multiply(2.0, sum(log(diagonal(active().cholesky(x), 0, -2, -1)), -1))


@decomposition
def inv(x: Tensor) -> Tensor:
    """The inverse matrix.

    Args:
        x: tensor of shape (..., n, n).

    Returns:
        tensor of x's shape.

    Example:
        >>> keras.ops.inv([[2.0, 0.0], [0.0, 4.0]])
        Array([[0.5 , 0.  ],
               [0.  , 0.25]], dtype=float32)
    """
    _square("inv", x)
    return active().solve(x, _eye_like(x))


@decomposition
def solve(a: Tensor, b: Tensor) -> Tensor:
    """x with a x = b.

    Args:
        a: tensor of shape (..., n, n).
        b: tensor of shape (..., n, k), or (..., n) of one rank less than a.

    Returns:
        tensor of b's shape.

    Example:
        >>> keras.ops.solve([[2.0, 0.0], [0.0, 4.0]], [[2.0], [2.0]])
        Array([[1. ],
               [0.5]], dtype=float32)
    """
    vector = len(active().shape(b)) == len(active().shape(a)) - 1
    result = active().solve(a, expand_dims(b, -1) if vector else b)
    return squeeze(result, -1) if vector else result


@decomposition
def solve_triangular(a: Tensor, b: Tensor, lower: bool = False) -> Tensor:
    """x with a x = b for triangular a.

    Args:
        a: tensor of shape (..., n, n).
        b: tensor of shape (..., n, k), or (..., n) of one rank less than a.
        lower: a is lower triangular, else upper.

    Returns:
        tensor of b's shape.

    Example:
        >>> keras.ops.solve_triangular([[2.0, 0.0], [1.0, 4.0]], [[2.0], [5.0]], lower=True)
        Array([[1.],
               [1.]], dtype=float32)
    """
    vector = len(active().shape(b)) == len(active().shape(a)) - 1
    result = active().solve_triangular(a, expand_dims(b, -1) if vector else b, lower)
    return squeeze(result, -1) if vector else result


@decomposition
def lu_factor(x: Tensor) -> tuple[Tensor, Tensor]:
    """The LU decomposition with partial pivoting.

    Args:
        x: tensor of shape (..., m, n).

    Returns:
        (L and U in one matrix of x's shape, int32 row exchanges of shape (..., min(m, n))).

    Example:
        >>> lu, pivots = keras.ops.lu_factor(np.array([[2.0, 0.0], [0.0, 1.0]], "float32"))
        >>> lu
        Array([[2., 0.],
               [0., 1.]], dtype=float32)
    """
    return active().lu(x)


@decomposition
def qr(x: Tensor, mode: str = "reduced") -> tuple[Tensor, Tensor]:
    """Orthonormal q and upper triangular r with q r = x.

    Args:
        x: tensor of shape (..., m, n).
        mode: 'reduced': q is (..., m, min(m, n)); 'complete': q is square.

    Returns:
        (q, r).

    Example:
        >>> q, r = keras.ops.qr(np.eye(2, dtype="float32"))
        >>> q.shape, r.shape
        ((2, 2), (2, 2))
    """
    if mode not in ("reduced", "complete"):
        raise ValueError(f"qr: mode must be 'reduced' or 'complete', got {mode!r}")
    return active().qr(x, mode == "complete")


@decomposition
def svd(x: Tensor, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    """The singular value decomposition x = u diag(s) vᵀ.

    Args:
        x: tensor of shape (..., m, n).
        full_matrices: u and vᵀ are square.
        compute_uv: False: s only.

    Returns:
        (u, s, vᵀ), or s; s descending.

    Example:
        >>> u, s, v = keras.ops.svd(np.array([[3.0, 0.0], [0.0, 2.0]], "float32"))
        >>> s
        Array([3., 2.], dtype=float32)
    """
    return active().svd(x, full_matrices, compute_uv)


@decomposition
def eigh(x: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues and eigenvectors of symmetric matrices.

    Args:
        x: tensor of shape (..., n, n).

    Returns:
        (eigenvalues ascending (..., n), eigenvectors as columns (..., n, n)).

    Example:
        >>> values, vectors = keras.ops.eigh(np.array([[2.0, 0.0], [0.0, 1.0]], "float32"))
        >>> values
        Array([1., 2.], dtype=float32)
    """
    return active().eigh(x)


@decomposition
def eig(x: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues and eigenvectors of general matrices.

    Args:
        x: tensor of shape (..., n, n).

    Returns:
        complex (eigenvalues (..., n), eigenvectors as columns (..., n, n)).

    Example:
        >>> values, vectors = keras.ops.eig(np.array([[2.0, 0.0], [0.0, 1.0]], "float32"))
        >>> values.shape
        (2,)
    """
    return active().eig(x)


def _cutoff(s: Any, shape: Sequence[int], factor: float | None) -> Any:
    """Singular values below this count as zero."""
    eps = _epsilon(s)
    share = eps * _most(*shape[-2:]) if factor is None else factor
    return multiply(max(s, -1, True), share)


def _epsilon(x: Any) -> float:
    """The distance of 1 to the next number of x's dtype."""
    return 2.0 ** -{"float64": 52, "float16": 10, "bfloat16": 7}.get(active().dtype(x), 23)


@decomposition
def pinv(x: Tensor, rcond: float | None = None) -> Tensor:
    """The Moore-Penrose inverse.

    Args:
        x: tensor of shape (..., m, n).
        rcond: singular values below this share of the largest count as zero; None: 10 max(m, n) ε.

    Returns:
        tensor of shape (..., n, m).

    Example:
        >>> keras.ops.pinv([[2.0, 0.0], [0.0, 4.0]])
        Array([[0.5 , 0.  ],
               [0.  , 0.25]], dtype=float32)
    """
    u, s, v = active().svd(x, False, True)
    rcond = 10 * _most(*active().shape(x)[-2:]) * _epsilon(s) if rcond is None else rcond
    kept = greater(s, _cutoff(s, active().shape(x), rcond))
    inverse = where(kept, divide(1.0, where(kept, s, 1.0)), 0.0)
    return matmul(multiply(_transposed(v), expand_dims(inverse, -2)), _transposed(u))


@decomposition
def lstsq(a: Tensor, b: Tensor, rcond: float | None = None) -> Tensor:
    """The x of least norm that minimises |a x - b|².

    Args:
        a: tensor of shape (m, n).
        b: tensor of shape (m,) or (m, k).
        rcond: singular values below this share of the largest count as zero; None: max(m, n) ε.

    Returns:
        tensor of shape (n,) or (n, k).

    Example:
        >>> keras.ops.lstsq([[2.0, 0.0], [0.0, 4.0]], [2.0, 2.0])
        Array([1. , 0.5], dtype=float32)
    """
    share = _most(*active().shape(a)) * _epsilon(a) if rcond is None else rcond
    return matmul(pinv(a, share), b)


@decomposition
def matrix_rank(x: Tensor, tol: Any = None) -> Tensor:
    """The number of singular values that are not zero.

    Args:
        x: tensor of shape (..., m, n).
        tol: what counts as zero; None: the largest singular value times max(m, n) ε.

    Returns:
        int32 tensor of shape (...).

    Example:
        >>> keras.ops.matrix_rank([[1.0, 2.0], [2.0, 4.0]])
        Array(1, dtype=int32)
    """
    s = active().svd(x, False, False)
    limit = _cutoff(s, active().shape(x), None) if tol is None else convert_to_tensor(tol)
    return count_nonzero(greater(s, limit), -1)


# ------------------------------------------------------------------------------------------ norms


@op
def norm(x: Tensor, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Tensor:
    """The norm of vectors or matrices.

    Args:
        x: tensor of any shape.
        ord: vectors: None or 2 (Euclid), a number p ((Σ|x|ᵖ)^(1/p)), 0 (count), ±inf; matrices:
            None or 'fro' (Frobenius), 'nuc' (Σ of singular values), ±1 (columns), ±inf (rows), ±2
            (singular values).
        axis: one axis: vectors; a pair: matrices; None: the flattened x, or with `ord` its axes.
        keepdims: keep reduced axes with length 1.

    Returns:
        floating tensor.

    Raises:
        ValueError: for another order.

    Example:
        >>> keras.ops.norm([3.0, 4.0])
        Array(5., dtype=float32)
    """
    x = _floating(x)
    if axis is None and ord is None:
        return sqrt(sum(square(abs(x)), None, keepdims))
    axes = axes_of(axis, x)
    if len(axes) == 1:
        return _vector_norm(x, ord, axes, keepdims)
    if len(axes) == 2:
        return _matrix_norm(x, ord, axes, keepdims)
    raise ValueError(f"norm: one axis (vectors) or two (matrices), got {axis} for {ord!r}")


def _vector_norm(x: Any, ord: Any, axes: tuple, keepdims: bool) -> Any:
    if ord in (None, 2, "euclidean"):
        return sqrt(sum(square(abs(x)), axes, keepdims))
    if isinstance(ord, str):
        raise ValueError(f"norm: the order {ord!r} is for matrices, give two axes")
    if ord in (math.inf, -math.inf):
        return (max if ord > 0 else min)(abs(x), axes, keepdims)
    if ord == 0:
        return cast(sum(not_equal(x, 0), axes, keepdims), active().dtype(abs(x)))
    return power(sum(power(abs(x), float(ord)), axes, keepdims), 1.0 / ord)


def _matrix_norm(x: Any, ord: Any, axes: tuple, keepdims: bool) -> Any:
    if ord in (None, "fro"):
        return sqrt(sum(square(abs(x)), axes, keepdims))
    if ord in (1, -1, math.inf, -math.inf):
        inner_axis, outer_axis = axes if ord in (1, -1) else axes[::-1]
        totals = sum(abs(x), inner_axis, True)
        result = (max if ord > 0 else min)(totals, outer_axis, True)
    elif ord in (2, -2, "nuc"):
        s = active().svd(moveaxis(x, axes, (-2, -1)), False, False)
        result = {2: max, -2: min, "nuc": sum}[ord](s, -1)
        return expand_dims(result, axes) if keepdims else result
    else:
        raise ValueError(f"norm: {ord!r} is not an order of matrix norms")
    return result if keepdims else squeeze(result, axes)


@op
def normalize(x: Tensor, axis: Any = -1, order: int = 2, epsilon: float | None = None) -> Tensor:
    """x / max(norm(x), ε).

    Args:
        x: tensor of any shape.
        axis: axis or axes that the norm is taken over.
        order: p of the norm, an int ≥ 1.
        epsilon: least norm; None: `config.epsilon()`.

    Returns:
        floating tensor of x's shape.

    Example:
        >>> keras.ops.normalize([3.0, 4.0])
        Array([0.6, 0.8], dtype=float32)
    """
    from tricorn import config
    from tricorn.ops.elementwise import minimum, rsqrt

    if not isinstance(order, int) or order < 1:
        raise ValueError(f"normalize: order must be an int ≥ 1, got {order!r}")
    x, epsilon = _floating(x), config.epsilon() if epsilon is None else epsilon
    x = x if active().shape(x) else reshape(x, (1,))
    if order == 2:
        return multiply(x, minimum(rsqrt(sum(square(x), axis, True)), 1.0 / epsilon))
    return divide(x, maximum(norm(x, order, axis, True), epsilon))


# ------------------------------------------------------------------------------- Fourier transform


def _pair(x: Any) -> Any:
    """(real, imaginary) as one complex tensor."""
    if not isinstance(x, (tuple, list)) or len(x) != 2:
        raise ValueError("a pair (real, imaginary) of tensors of one shape is expected")
    parts = [_floating(part) for part in x]
    wide = dtypes.result_type(*map(active().dtype, parts), "float32")
    return active().complex(*[cast(part, wide) for part in parts])


def _parts(z: Any) -> tuple[Any, Any]:
    return active().real(z), active().imag(z)


@op
def fft(x: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """The discrete Fourier transform over the last axis: Σₙ xₙ e^(-2πi kn/N).

    Args:
        x: pair (real, imaginary) of floating tensors of shape (..., n).

    Returns:
        pair (real, imaginary) of that shape.

    Example:
        >>> x = np.array([1.0, 0.0], "float32")
        >>> real, imaginary = keras.ops.fft((x, np.zeros(2, "float32")))
        >>> real
        Array([1., 1.], dtype=float32)
    """
    return _parts(active().fft(_pair(x)))


@op
def fft2(x: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """The discrete Fourier transform over the last two axes.

    Args:
        x: pair (real, imaginary) of floating tensors of shape (..., n, m).

    Returns:
        pair (real, imaginary) of that shape.

    Example:
        >>> x = np.ones((2, 2), "float32")
        >>> real, imaginary = keras.ops.fft2((x, np.zeros((2, 2), "float32")))
        >>> real
        Array([[4., 0.],
               [0., 0.]], dtype=float32)
    """
    rows = _transposed(active().fft(_pair(x)))
    return _parts(_transposed(active().fft(rows)))


@op
def ifft2(x: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """The inverse of `fft2`.

    Args:
        x: pair (real, imaginary) of floating tensors of shape (..., n, m).

    Returns:
        pair (real, imaginary) of that shape.

    Example:
        >>> x = np.ones((2, 2), "float32")
        >>> real, imaginary = keras.ops.ifft2((x, np.zeros((2, 2), "float32")))
        >>> real
        Array([[1., 0.],
               [0., 0.]], dtype=float32)
    """
    rows = _transposed(active().ifft(_pair(x)))
    return _parts(_transposed(active().ifft(rows)))


@op(floating=True)
def rfft(x: Tensor, fft_length: int | None = None) -> tuple[Tensor, Tensor]:
    """The discrete Fourier transform of real input over the last axis, non-negative frequencies.

    Args:
        x: tensor of shape (..., n).
        fft_length: cut or zero-pad to this length first; None: n.

    Returns:
        pair (real, imaginary) of shape (..., length // 2 + 1).

    Example:
        >>> real, imaginary = keras.ops.rfft(np.ones(4, "float32"))
        >>> real
        Array([4., 0., 0.], dtype=float32)
    """
    x = cast(x, dtypes.result_type(active().dtype(x), "float32"))
    return _parts(active().rfft(x, active().shape(x)[-1] if fft_length is None else fft_length))


@op
def irfft(x: Sequence[Tensor], fft_length: int | None = None) -> Tensor:
    """The inverse of `rfft`.

    Args:
        x: pair (real, imaginary) of shape (..., n).
        fft_length: length of the result; None: 2(n - 1).

    Returns:
        floating tensor of shape (..., length).

    Example:
        >>> spectrum = keras.ops.rfft(np.array([1.0, 2.0, 3.0, 4.0], "float32"))
        >>> keras.ops.irfft(spectrum)
        Array([1., 2., 3., 4.], dtype=float32)
    """
    z = _pair(x)
    return active().irfft(z, 2 * (active().shape(z)[-1] - 1) if fft_length is None else fft_length)


@op
def view_as_real(x: Tensor) -> Tensor:
    """Complex numbers as pairs (real, imaginary) on a new last axis.

    Args:
        x: complex tensor of shape (...).

    Returns:
        floating tensor of shape (..., 2).

    Example:
        >>> keras.ops.view_as_real(np.array([1.0 + 2.0j], "complex64"))
        Array([[1., 2.]], dtype=float32)
    """
    return stack(list(_parts(x)), -1)


__all__ = [
    "cholesky", "cholesky_inverse", "det", "eig", "eigh", "inv", "jvp", "lstsq", "lu_factor",
    "matrix_rank", "norm", "pinv", "qr", "solve", "solve_triangular", "svd",
]  # fmt: skip
