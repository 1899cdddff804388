"""`Effects`: what code does besides giving a result, as one record.

A scope, an outermost layer call on tensors, and the recording of a layer's body each hold one.
Whoever ends one of those hands the record on to what is around (`calls.hand_on`), drops it, or
returns its tensors from a pure function (tricorn/graph/transforms.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


class Effects:
    """A record of effects.

    Attributes:
        assigned: Variable -> the tensor it was given last, in the order of first assignment; in a
            recording, the pair (variable, value) as the engine makes it.
        cleared: the layers whose earlier losses are void, since an outermost call of them began.
        losses: layer -> what it gave to `add_loss`.
        metrics: (layer, name, value) that were given to `add_metric` where no Variable can be
            assigned.
        kept: (layer, attribute) -> the tensor, or tree of tensors, that the attribute was set to.
        masks: id of a tensor -> (the tensor, its mask or None).  Tracers take no attributes, so
            masks travel beside them; holding the tensor keeps its id its own.
    """

    __slots__ = ("assigned", "cleared", "kept", "losses", "masks", "metrics")

    def __init__(self) -> None:
        self.assigned: dict[Any, Any] = {}
        self.cleared: dict[Any, None] = {}
        self.losses: dict[Any, list] = {}
        self.metrics: list[tuple[Any, str, Any]] = []
        self.kept: dict[tuple[Any, str], Any] = {}
        self.masks: dict[int, tuple[Any, Any]] = {}

    def add_loss(self, layer: Any, value: Any) -> None:
        self.losses.setdefault(layer, []).append(value)

    def clear_losses(self, layers: Iterable) -> None:
        """Forget the losses of `layers`, here and in what is around."""
        for layer in layers:
            self.losses.pop(layer, None)
            self.cleared[layer] = None

    def join(self, inner: Effects) -> None:
        """Take in the record of a part of this recording."""
        self.assigned.update(inner.assigned)
        for layer, losses in inner.losses.items():
            self.losses.setdefault(layer, []).extend(losses)
        self.metrics += inner.metrics

    def forget(self) -> None:
        """Begin anew."""
        self.__init__()  # type: ignore[misc]
