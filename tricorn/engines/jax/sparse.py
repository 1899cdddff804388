"""The contract's sparse tensors on JAX: those of `jax.experimental.sparse`, made as BCOO.

The module takes longer to import than JAX itself, so it is imported when a sparse tensor is made;
before that there is none to be told from others.
"""

from __future__ import annotations

import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def is_sparse(x: Any) -> bool:
    module = sys.modules.get("jax.experimental.sparse")
    return module is not None and isinstance(x, module.JAXSparse)


def _plain(x: Any) -> Any:
    """A BCOO without batch axes and dense axes, whose indices are distinct."""
    from jax.experimental import sparse

    if isinstance(x, sparse.BCSR):
        x = x.to_bcoo()
    elif not isinstance(x, sparse.BCOO):
        x = sparse.BCOO.fromdense(x.todense())
    if x.n_batch:  # one batch of entries may stand for all
        ahead = x.shape[: x.n_batch]
        parts = [jnp.broadcast_to(p, (*ahead, *p.shape[x.n_batch :])) for p in (x.data, x.indices)]
        x = sparse.BCOO(tuple(parts), shape=x.shape)
    if x.n_batch or x.n_dense:
        x = sparse.bcoo_update_layout(x, n_batch=0, n_dense=0)
    if x.unique_indices or x.dtype == bool:
        return x
    return sparse.bcoo_sum_duplicates(x, nse=x.nse)  # of a length that traces know


def entries(x: Any) -> tuple[jax.Array, jax.Array, tuple[int, ...]]:
    x = _plain(x)
    return x.indices, x.data, x.shape


def sparse(indices: Any, values: Any, shape: tuple, distinct: bool) -> Any:
    from jax.experimental.sparse import BCOO

    if isinstance(values, np.ndarray):  # up to a power of two, since each length is compiled
        room = (1 << max(len(values) - 1, 0).bit_length()) - len(values)
        indices = np.concatenate([indices, np.full((room, len(shape)), shape)]).astype(np.int32)
        indices, values = jnp.asarray(indices), jnp.asarray(np.pad(values, (0, room)))
    return BCOO((values, indices), shape=shape, indices_sorted=distinct, unique_indices=distinct)


def dense(x: Any) -> jax.Array:
    if x.dtype != bool:
        return x.todense()
    indices, values, shape = entries(x)
    places = tuple(jnp.moveaxis(indices, -1, 0))
    return jnp.zeros(shape, bool).at[places].max(values)


def sparse_matmul(x: Any, y: jax.Array) -> jax.Array:
    return _plain(x) @ y
