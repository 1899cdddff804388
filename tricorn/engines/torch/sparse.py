"""The contract's sparse tensors on PyTorch: those with the layout ``torch.sparse_coo``."""

from __future__ import annotations

from typing import Any

import torch


def is_sparse(x: Any) -> bool:
    return isinstance(x, torch.Tensor) and x.layout is not torch.strided


def entries(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, tuple[int, ...]]:
    x = x.to_sparse().coalesce()
    return x.indices().T, x.values(), tuple(x.shape)


def sparse(
    indices: torch.Tensor, values: torch.Tensor, shape: tuple, distinct: bool
) -> torch.Tensor:
    indices, values = torch.as_tensor(indices), torch.as_tensor(values)
    made = torch.sparse_coo_tensor(indices.T, values, shape, check_invariants=False)
    return made.coalesce()


def dense(x: torch.Tensor) -> torch.Tensor:
    return x.to_dense()


def sparse_matmul(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return torch.sparse.mm(x, y)
