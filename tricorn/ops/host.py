"""NumPy functions as ops."""

from __future__ import annotations

from collections.abc import Callable

from tricorn.engines import active
from tricorn.graph.op import Tensor, op


@op
def on_host(x: list[Tensor], fn: Callable, shape: Callable, dtype: str) -> Tensor:
    """What a NumPy function gives for the values of tensors, computed on the host at each run, also
    of a compiled one.  It has no gradients.

    Args:
        x: the tensors.
        fn: takes their arrays, gives an array of that shape and dtype.
        shape: takes the tensors' shapes, with None for lengths that are not known, gives the
            result's.
        dtype: name of the result's dtype.
    """
    engine = active()
    if engine.capabilities["abstract"]:
        return engine.AbstractTensor(tuple(shape(*map(engine.shape, x))), dtype)
    return engine.tensor(fn(*map(engine.numpy, x)), dtype)


__all__ = ["on_host"]
