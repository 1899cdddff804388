"""What the layers of one call share: the training flag, and the record of effects (effects.py) with
the masks that travel beside tensors."""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from contextvars import ContextVar
from typing import Any

from tricorn.graph.effects import Effects
from tricorn.graph.scope import Scope, current
from tricorn.graph.symbolic import SymbolicTensor, is_symbolic, mask_of, recording


class Call:
    """The state of one outermost layer call, shared by the calls inside it.

    Attributes:
        training: what the layers inside take when they are not told.
        effects: the record of the innermost scope, of the call around, or a new one.
        layers: the layers whose bodies run: (innermost, (the one around it, ...)), or None.
    """

    __slots__ = ("effects", "layers", "training")

    def __init__(self, training: bool | None, layers: tuple | None = None) -> None:
        self.training = training
        self.effects = innermost() or Effects()
        self.layers = layers


_call: ContextVar[Call | None] = ContextVar("tricorn_call", default=None)
#: the call in progress, or None
current_call = _call.get
#: masks of what outermost calls outside of scopes returned: id -> (weak reference, mask)
_returned: dict[int, tuple[weakref.ref, Any]] = {}


class calling:
    """A block that is one outermost call: layers inside take `training` and share masks.

    Args:
        training: what they take.
        layer: whose body it is, if it is one's.
    """

    def __init__(self, training: bool | None, layer: Any = None) -> None:
        self.training, self.layer = training, layer

    def __enter__(self) -> Call:
        around = layers_called()
        layers = around if self.layer is None else (self.layer, around)
        state = Call(self.training, layers)
        self._token = _call.set(state)
        return state

    def __exit__(self, *error: Any) -> None:
        _call.reset(self._token)


def layers_called() -> tuple | None:
    """The layers whose bodies run, see `Call.layers`."""
    call = _call.get()
    return call.layers if call is not None else None


def training_now() -> bool | None:
    """The training flag of the call in progress, None outside of one."""
    call = _call.get()
    return call.training if call is not None else None


# ----------------------------------------------------------------------------------------- effects


def innermost() -> Effects | None:
    """The record of what runs here: a scope's, or that of the call in progress."""
    scope = current()
    if scope is not None:
        return scope.effects
    call = _call.get()
    return call.effects if call is not None else None


def record_of(layer: Any) -> Effects:
    """The record that a loss of `layer` goes into now: that of the recording, of what runs here,
    or the layer's own."""
    recorder = recording()
    if recorder is not None:
        return recorder.effects
    if current() is None:
        layer._tricorn.effects = innermost() or layer._tricorn.effects
    return innermost() or layer._tricorn.effects


def clear_losses(layers: Iterable) -> None:
    """Let an outermost call of the first of `layers` begin, which holds the others."""
    effects = innermost()
    if current() is not None and effects is not None:
        effects.clear_losses(layers)
        return
    effects = effects or Effects()
    for layer in layers:
        layer._tricorn.effects = effects


def losses_of(layer: Any) -> list:
    """What `layer` gave to `add_loss` in the last outermost call that it was part of."""
    scope = current()
    if scope is not None:
        return scope.losses_of(layer)
    return layer._tricorn.effects.losses.get(layer, [])


def hand_on(effects: Effects) -> None:
    """Let the effects of what ended, but the masks, happen in what is around."""
    for variable, value in effects.assigned.items():
        variable.assign(value)
    clear_losses(effects.cleared)
    for layer, losses in effects.losses.items():
        layer.add_loss(losses)
    for layer, name, value in effects.metrics:
        layer.add_metric(value, name)
    for (layer, attribute), value in effects.kept.items():
        setattr(layer, attribute, value)


# ------------------------------------------------------------------------------------------- masks


def any_masks() -> bool:
    """Whether a tensor with a mask may be about."""
    if _returned:
        return True
    scope, call = current(), _call.get()
    if call is not None and call.effects.masks:
        return True
    while scope is not None:
        if scope.effects.masks:
            return True
        scope = scope.parent
    return False


def get_mask(x: Any) -> Any:
    """The mask that travels with a tensor, or None."""
    if is_symbolic(x):
        return mask_of(x)
    key = id(x)
    scope: Scope | None = current()
    while scope is not None:
        found = scope.effects.masks.get(key)
        if found is not None:
            return found[1]
        scope = scope.parent
    call = _call.get()
    found = call.effects.masks.get(key) if call is not None else None
    if found is not None:
        return found[1]
    returned = _returned.get(key)
    return returned[1] if returned is not None and returned[0]() is x else None


def set_mask(x: Any, mask: Any) -> None:
    """Let `mask` (None: no mask) travel with the tensor `x`."""
    if type(x) is SymbolicTensor:
        x.mask = mask
        return
    if is_symbolic(x):
        x._tricorn_mask = mask
        return
    effects = innermost()
    if effects is not None:
        if mask is not None or get_mask(x) is not None:
            effects.masks[id(x)] = (x, mask)
    elif mask is not None:
        key = id(x)
        _returned[key] = (weakref.ref(x, lambda _: _returned.pop(key, None)), mask)
    else:
        _returned.pop(id(x), None)
