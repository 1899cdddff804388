"""Control flow and gradients of functions; the work is done in `tricorn.graph.transforms`."""

from tricorn.graph.transforms import (
    cond,
    custom_gradient,
    fori_loop,
    map,
    scan,
    stop_gradient,
    switch,
    vectorized_map,
    while_loop,
)

__all__ = [
    "cond",
    "custom_gradient",
    "fori_loop",
    "map",
    "scan",
    "stop_gradient",
    "switch",
    "vectorized_map",
    "while_loop",
]
