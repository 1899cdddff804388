"""Sparse matrices and tensors as data: cut into batches without making more of them dense."""

from __future__ import annotations

from typing import Any

import numpy as np

from tricorn import dtypes, tree
from tricorn.engines import active, registry


class SparseRows:
    """The entries of a sparse matrix or tensor, in the order of its rows.

    Args:
        indices: integers (n, rank), the row first.
        values: array (n,).
        shape: of the whole.
    """

    def __init__(self, indices: np.ndarray, values: np.ndarray, shape: tuple) -> None:
        inside = (indices < np.asarray(shape)).all(1)  # JAX pads with entries outside
        order = np.lexsort(indices[inside].T[::-1])
        self.indices, self.values = indices[inside][order], values[inside][order]
        self.shape = tuple(map(int, shape))
        #: where the entries of each row begin
        self.starts = np.searchsorted(self.indices[:, 0], np.arange(self.shape[0] + 1))

    @property
    def dtype(self) -> np.dtype:
        return self.values.dtype

    @property
    def nbytes(self) -> int:
        return self.values.nbytes + self.indices.nbytes

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> SparseRows:
        rows = np.arange(len(self))[rows]
        starts, stops = self.starts[rows], self.starts[rows + 1]
        counts = stops - starts
        new = np.repeat(np.arange(len(rows)), counts)
        within = np.arange(len(new)) - np.repeat(np.cumsum(counts) - counts, counts)
        places = np.repeat(starts, counts) + within
        found: Any = object.__new__(SparseRows)
        found.indices, found.values = self.indices[places], self.values[places]
        found.indices[:, 0] = new
        found.shape = (len(rows), *self.shape[1:])
        found.starts = np.concatenate([[0], np.cumsum(counts)])
        return found

    def dense(self) -> np.ndarray:
        """All of it as an array."""
        array = np.zeros(self.shape, self.dtype)
        array[tuple(self.indices.T)] = self.values
        return array

    def tensor(self) -> Any:
        """As a sparse tensor of the engine, or an array if its steps take none."""
        engine = active()
        if not engine.capabilities["sparse"]:
            return self.dense()
        return engine.sparse(self.indices, self.values, self.shape, True)


def sparse_rows(x: Any) -> SparseRows | None:
    """The rows of a sparse matrix of SciPy's or a sparse tensor; None for anything else."""
    if isinstance(x, SparseRows):
        return x
    if hasattr(x, "tocoo"):
        matrix = x.tocoo(copy=True)
        matrix.sum_duplicates()
        indices, values, shape = np.stack(matrix.coords, 1), matrix.data, matrix.shape
    else:
        owner = None if isinstance(x, np.ndarray) else registry.owner_of(x)
        if owner is None or not owner.is_sparse(x):
            return None
        indices, values, shape = owner.entries(x)
        indices, values = owner.numpy(indices), owner.numpy(values)
        shape = tuple(map(int, shape))
    if values.dtype == np.float64:
        values = values.astype(dtypes.to_numpy(dtypes.result_type(float)))
    elif values.dtype == np.int64 and abs(values).max(initial=0) < 2**31:
        values = values.astype(np.int32)
    return SparseRows(indices, values, shape)


def as_tensors(batch: Any) -> Any:
    """A batch whose sparse rows are tensors."""
    return tree.map(lambda x: x.tensor() if isinstance(x, SparseRows) else x, batch)


def any_sparse(batch: Any) -> bool:
    """Whether there are sparse rows in a batch."""
    return any(isinstance(x, SparseRows) for x in tree.leaves(batch))
