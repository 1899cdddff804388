"""The names that optimizers are known by; upper and lower case are the same."""

from __future__ import annotations

from tricorn.optimizers import adam, adaptive, loss_scale, sgd
from tricorn.optimizers.base import Optimizer
from tricorn.serialization.catalogue import Catalogue, members

catalogue = Catalogue(
    "optimizers",
    "optimizer",
    members((sgd, adam, adaptive, loss_scale), Optimizer),
    ignore_case=True,
    base=Optimizer,
)
