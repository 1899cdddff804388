"""What the layers of one call share: the training flag and the masks that travel with tensors."""

from __future__ import annotations

import weakref
from contextvars import ContextVar
from typing import Any

from tricorn.graph.symbolic import SymbolicTensor, is_symbolic, mask_of


class Call:
    """The state of one outermost layer call, shared by the calls inside it.

    Attributes:
        training: what the layers inside take when they are not told.
        masks: id of a tensor -> (the tensor, its mask).  Tracers take no attributes, so masks
            travel beside them; keeping the tensor keeps its id its own.
    """

    __slots__ = ("masks", "training")

    def __init__(self, training: bool | None) -> None:
        self.training = training
        self.masks: dict[int, tuple[Any, Any]] = {}


_call: ContextVar[Call | None] = ContextVar("tricorn_call", default=None)
#: the call in progress, or None
current_call = _call.get
#: masks of what outermost calls returned: id -> (weak reference, mask)
_loose: dict[int, tuple[weakref.ref, Any]] = {}


class calling:
    """A block that is one outermost call: layers inside take `training` and share masks."""

    def __init__(self, training: bool | None) -> None:
        self.state = Call(training)

    def __enter__(self) -> Call:
        self._token = _call.set(self.state)
        return self.state

    def __exit__(self, *error: Any) -> None:
        _call.reset(self._token)


def any_masks() -> bool:
    """Whether a tensor with a mask may be about."""
    call = _call.get()
    return bool(_loose) or (call is not None and bool(call.masks))


def get_mask(x: Any) -> Any:
    """The mask that travels with a tensor, or None."""
    if is_symbolic(x):
        return mask_of(x)
    call = _call.get()
    found = call.masks.get(id(x)) if call is not None else None
    if found is not None:
        return found[1]
    if _loose:
        loose = _loose.get(id(x))
        if loose is not None and loose[0]() is x:
            return loose[1]
    return None


def set_mask(x: Any, mask: Any) -> None:
    """Let `mask` (None: no mask) travel with the tensor `x`."""
    if type(x) is SymbolicTensor:
        x.mask = mask
        return
    if is_symbolic(x):
        x._tricorn_mask = mask
        return
    call = _call.get()
    if call is not None:
        if mask is not None:
            call.masks[id(x)] = (x, mask)
        else:
            call.masks.pop(id(x), None)
    elif mask is not None:
        key = id(x)
        _loose[key] = (weakref.ref(x, lambda _: _loose.pop(key, None)), mask)


def training_now() -> bool | None:
    """The training flag of the call in progress, None outside of one."""
    call = _call.get()
    return call.training if call is not None else None
