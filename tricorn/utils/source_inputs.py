"""Where a symbolic tensor comes from."""

from __future__ import annotations

from typing import Any

from tricorn import tree
from tricorn.graph.symbolic import is_symbolic, node_of


def get_source_inputs(tensor: Any) -> list[Any]:
    """The inputs (`Input`) that a symbolic tensor is computed from, each once, in order.

    Args:
        tensor: a symbolic tensor.

    Raises:
        TypeError: it is none.

    Example:
        >>> keras.utils.get_source_inputs(model.output)[0].shape
        (None, 2)
    """
    if not is_symbolic(tensor):
        raise TypeError(f"get_source_inputs takes a symbolic tensor, got {tensor!r}")
    found: dict[int, Any] = {}
    seen, pending = set(), [tensor]
    while pending:
        one = pending.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        node, _ = node_of(one)
        inputs = [] if node is None else [x for x in node.inputs if is_symbolic(x)]
        if inputs:
            pending += reversed(inputs)
        else:
            source = [one] if node is None else tree.leaves(node.outputs)
            found.update((id(x), x) for x in source)
    return list(found.values())
