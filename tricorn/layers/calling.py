"""A layer called on tensors: arguments converted, weights built, `training` and masks filled in."""

from __future__ import annotations

import contextlib
import functools
import inspect
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from tricorn import dtypes, ops, signatures, tree, variable
from tricorn.conventions import conventions_of
from tricorn.engines import active
from tricorn.engines.abstract import AbstractTensor
from tricorn.graph import op, phase, scope
from tricorn.graph.calls import (
    Call,
    any_masks,
    calling,
    clear_losses,
    current_call,
    get_mask,
    set_mask,
)
from tricorn.graph.graphs import current_graph
from tricorn.graph.symbolic import is_symbolic, recording
from tricorn.graph.turns import Use, making
from tricorn.layers import input_spec as specs
from tricorn.layers import state
from tricorn.variable import Variable

if TYPE_CHECKING:
    from tricorn.layers.base import Layer

#: the layers whose weights are being made, by any thread
_in_building: list[Layer] = []
_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)

# ------------------------------------------------------------------------------------- signatures


@functools.cache
def call_names(cls: Any) -> tuple[frozenset[str], tuple[str, ...], bool]:
    """(all argument names of `call`, positional ones without self, whether it takes any keyword)"""
    parameters = list(inspect.signature(cls.call).parameters.values())[1:]
    names = frozenset(p.name for p in parameters if p.kind not in _VARIADIC)
    positional = tuple(p.name for p in parameters if p.kind not in (*_VARIADIC, p.KEYWORD_ONLY))
    return names, positional, any(p.kind is p.VAR_KEYWORD for p in parameters)


@functools.cache
def _has_default(cls: Any, name: str) -> bool:
    """Whether the argument `name` of `call` may be left out."""
    return inspect.signature(cls.call).parameters[name].default is not inspect.Parameter.empty


# ---------------------------------------------------------------------------------------- the call


def prepared(layer: Layer, args: tuple, kwargs: dict) -> tuple[tuple, dict, bool]:
    """The arguments of a call as tensors, and whether it is a call on symbolic ones."""
    if len(args) > 1:
        args, kwargs = _named_training(layer, args, kwargs)
    if not layer.built:
        take_path(layer)
    if len(args) == 1 and not kwargs and not isinstance(args[0], (list, tuple, dict)):
        symbolic = is_symbolic(args[0])
    else:
        symbolic = any(map(is_symbolic, tree.leaves((args, kwargs))))
    args, kwargs = _converted(layer, args, kwargs)
    if not symbolic and (current_call() is None or recording() is not None):
        if scope.current() is None:
            symbolic = any(map(current_graph().holds, tree.leaves((args, kwargs))))
    return args, kwargs, symbolic


def take_path(layer: Layer) -> None:
    """Note where the layer is built, and the dtypes that it has there."""
    names, owner = variable.names_around()
    layer._tricorn.path = "/".join(names if owner is layer else (*names, layer.name))
    layer._tricorn_take_dtypes()


def call(layer: Layer, args: tuple, kwargs: dict) -> Any:
    """A call on tensors: an outermost one, or part of another.  What an outermost one reads is all
    from before or all from after a step that another thread makes."""
    outer = current_call()
    if outer is not None:
        return _call_inside(layer, outer, args, kwargs)
    clear_losses(state.flatten(layer))
    with Use(state.variable_set(layer), yields=True), calling(None) as outer:
        outputs = _call_inside(layer, outer, args, kwargs)
    if outer.effects.masks and scope.current() is None:
        for leaf in tree.leaves(outputs):
            set_mask(leaf, outer.effects.masks.get(id(leaf), (None, None))[1])
    return outputs


def _call_inside(layer: Layer, outer: Call, args: tuple, kwargs: dict) -> Any:
    """One call on tensors, as part of `outer`."""
    before, around = outer.training, outer.layers
    training = kwargs.get("training")
    if training is None:
        training = phase.fixed() if before is None else before
    outer.training = training
    try:
        if args:
            specs.check(layer.input_spec, args[0], layer)
        masks = travelling_masks(args, kwargs) if any_masks() else None
        masked = masks is not None and bool(tree.leaves(masks))
        unlocked = not layer.built
        if unlocked or _in_building:
            build_once(layer, args, kwargs)
        kwargs = filled(layer, args, kwargs, training, masks)
        outer.layers = layer, around
        outputs = run_body(layer, args, kwargs)
        if unlocked:
            layer._tricorn_lock()
        given = kwargs.get("mask")
        if masked or given is not None or layer._tricorn_makes_masks():
            pass_masks(layer, args, kwargs, outputs, masks, given)
        if layer.activity_regularizer is not None:
            layer.add_loss(penalties(layer, outputs))
        return outputs
    except (ValueError, TypeError) as error:
        add_note(layer, error, args)
        raise
    finally:
        outer.training, outer.layers = before, around


def penalties(layer: Layer, outputs: Any) -> list:
    """What the layer's `activity_regularizer` gives for each output, per sample of the batch."""
    found = []
    for leaf in tree.leaves(outputs):
        loss = layer.activity_regularizer(leaf)
        if len(leaf.shape) and conventions_of(layer).activity_penalty == "mean":
            count = ops.shape(leaf)[0]
            if count is None or isinstance(count, int):  # None: shapes alone are worked out
                loss = ops.divide(loss, max(count or 1, 1))
            else:
                loss = ops.divide_no_nan(loss, ops.cast(count, loss.dtype))
        found.append(loss)
    return found


def add_note(layer: Layer, error: Exception, args: tuple) -> None:
    """Say in an error which layer failed, innermost first, each once."""
    note = f"in the layer {layer!r}, called with {_describe(args)}"
    if note not in getattr(error, "__notes__", ()):
        error.add_note(note)


def run_body(layer: Layer, args: tuple, kwargs: dict) -> Any:
    """`call` with Variables read in the compute dtype; when a tensor tells whether to train, both
    ways are prepared."""
    training = kwargs.get("training")
    if training is not None and not isinstance(training, (bool, int, np.bool_)):
        if not layer._tricorn_heeds_training:
            kwargs["training"] = None
        elif not layer._tricorn_composite:
            return phase.either(training, functools.partial(_in_phase, layer), (args, kwargs))
    call, (compute, own) = layer.call, layer._tricorn.dtypes
    if layer._tricorn.remat is not None:
        call = layer.rematerialized_call(call, *args, **kwargs)
    if compute == own and variable._autocast.get() is None:
        return call(*args, **kwargs)
    with variable.autocast(compute):
        return call(*args, **kwargs)


def _in_phase(layer: Layer, training: bool, args: tuple, kwargs: dict) -> Any:
    """`run_body` in training, or outside of it, also for the layers inside."""
    with calling(training):
        return run_body(layer, args, {**kwargs, "training": training})


# --------------------------------------------------------------------------------------- arguments


def filled(layer: Layer, args: tuple, kwargs: dict, training: Any, masks: tuple | None) -> dict:
    """Keyword arguments with `training` and masks put in where `call` takes them."""
    kind: Any = type(layer)
    names, positional, _ = call_names(kind)
    kwargs = dict(kwargs)
    kwargs.pop("training", None)
    if "training" in names and "training" not in positional[: len(args)]:
        if training is not None or not _has_default(kind, "training"):
            kwargs["training"] = training
    if masks is not None:
        if "mask" in names and kwargs.get("mask") is None:
            if "mask" not in positional[: len(args)]:
                mask = first_of(layer, *masks)
                kwargs["mask"] = mask if tree.leaves(mask) else None
        for name, mask in (*zip(positional, masks[0]), *masks[1].items()):
            key = f"{name}_mask"
            if key in names and kwargs.get(key) is None and tree.leaves(mask):
                kwargs[key] = mask
    return kwargs


def _named_training(layer: Layer, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
    """The arguments of a call with `training`, and what comes after it, given by name."""
    kind: Any = type(layer)
    positional = call_names(kind)[1]
    if "training" not in positional[: len(args)]:
        return args, kwargs
    first = positional.index("training")
    return args[:first], {**dict(zip(positional[first:], args[first:])), **kwargs}


def _converted(layer: Layer, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
    """Arrays as tensors, floating ones in the compute dtype."""
    compute, cast, outermost = layer.compute_dtype, layer.autocast, current_call() is None

    def convert(x: Any) -> Any:
        if isinstance(x, (np.ndarray, Variable)):
            x = ops.convert_to_tensor(x)
        elif type(x) in (int, float, bool, str) or not hasattr(x, "dtype"):
            return x
        elif outermost and not isinstance(x, AbstractTensor):
            x = op.convert(active(), x, None)
        if cast:
            dtype = x.dtype
            if type(dtype) is not str:
                dtype = dtypes.standardize(dtype)
            if dtype != compute and dtype in dtypes.FLOATS:
                mask = get_mask(x)
                x = ops.cast(x, compute)
                if mask is not None:
                    set_mask(x, mask)
        return x

    if len(args) == 1 and not kwargs and hasattr(args[0], "dtype"):
        return (convert(args[0]),), kwargs
    if args and isinstance(args[0], (list, tuple)):
        leaves = tree.leaves(args[0])
        if leaves and all(type(leaf) in (int, float, bool) for leaf in leaves):
            args = (np.asarray(op._to_numpy(args[0])), *args[1:])

    def tensor(x: Any) -> Any:
        x = convert(x)
        if x is None or hasattr(x, "dtype"):
            return x
        raise ValueError(
            f"{layer!r}: Only input tensors may be passed as positional arguments, got {x!r}; pass "
            "other arguments by name"
        )

    return tree.map(tensor, args), tree.map(convert, kwargs)


# ---------------------------------------------------------------------------------------- building


def build_once(layer: Layer, args: tuple, kwargs: dict) -> None:
    """Build a layer, unless it is built; another thread that does so is waited for."""
    now = scope.current()
    running = now is not None and now.frozen  # a program, and everything was built before
    with contextlib.nullcontext() if running else making():
        if layer.built:
            return
        _in_building.append(layer)
        try:
            layer._tricorn_build(args, kwargs)
        finally:
            _in_building.remove(layer)
    if args:
        specs.check(layer.input_spec, args[0], layer)


def build(layer: Layer, args: tuple, kwargs: dict) -> None:
    """Build a layer from the shapes of the arguments of its first call."""
    given = named_shapes(layer, layer.build, args, kwargs)
    build_with(layer, given, lambda: layer.build(**given))


def named_shapes(layer: Layer, method: Callable, args: tuple, kwargs: dict) -> dict[str, Any]:
    """The shapes of a call's arguments as `method` of the layer takes them: the first one's for its
    only argument, else that of the argument ``x`` for ``x_shape``."""
    shapes = shapes_of(args)
    kind: Any = type(layer)
    positional = call_names(kind)[1]
    parameters = list(inspect.signature(method).parameters.values())
    named = [p for p in parameters if p.kind is not p.VAR_KEYWORD]
    needed = [p for p in named if p.default is p.empty]
    if len(needed) == 1 and not any(p.name[:-6] in call_names(kind)[0] for p in named[1:]):
        named = needed
    if len(named) == 1 and named[0].kind is not named[0].VAR_POSITIONAL:
        first = first_of(layer, args, kwargs)
        if first is None:
            first = next(iter(kwargs.values()), None)
        return {named[0].name: shapes_of((first,))[0]}
    by_name = dict(zip((f"{name}_shape" for name in positional), shapes))
    by_name.update({f"{key}_shape": s for key, s in zip(kwargs, shapes_of(kwargs.values()))})
    return {p.name: by_name[p.name] for p in named if p.name in by_name}


def build_with(layer: Layer, shapes: dict[str, Any], run: Callable[[], None]) -> None:
    """`run`, which calls `build` with `shapes` by the names of its arguments."""
    run()
    layer._tricorn.build_shapes = shapes
    layer.built = True
    layer._tricorn_lock()


def shapes_of(values: Any) -> list:
    """The shape (or tree of shapes) of each value; None for what has none."""

    def walk(x: Any) -> Any:
        if isinstance(x, (list, tuple)):
            return [walk(item) for item in x]
        if isinstance(x, dict):
            return {key: walk(item) for key, item in x.items()}
        return None if x is None or not hasattr(x, "shape") else tuple(x.shape)

    return [walk(value) for value in values]


# ------------------------------------------------------------------------------------------- masks


def travelling_masks(args: tuple, kwargs: dict) -> tuple[tuple, dict]:
    """The masks that travel with the arguments of a call, in trees like those."""
    return tree.map(get_mask, args), tree.map(get_mask, kwargs)


def first_of(layer: Layer, args: tuple, kwargs: dict) -> Any:
    """What belongs to the first argument of `call`, of what belongs to all of them."""
    if args:
        return args[0]
    kind: Any = type(layer)
    positional = call_names(kind)[1]
    return kwargs.get(positional[0]) if positional else None


def mask_arguments(args: tuple, kwargs: dict, masks: tuple[tuple, dict]) -> None:
    """Let masks travel with the arguments."""
    for value, mask in (*zip(args, masks[0]), *((kwargs[k], m) for k, m in masks[1].items())):
        if tree.leaves(mask):
            tree.map_up_to(set_mask, value, mask)


def pass_masks(
    layer: Layer,
    args: tuple,
    kwargs: dict,
    outputs: Any,
    travelling: tuple | None,
    given: Any,
    inner: Any = None,
) -> None:
    """Give the outputs the masks that `compute_mask` says, for the mask that was given, else for
    that of the first argument; a layer made of layers passes on the masks that those gave."""
    masks = given
    if given is None and travelling is not None:
        masks = first_of(layer, *travelling)
    if not layer._tricorn_makes_masks():
        handed = hand_on_masks(outputs if inner is None else inner, outputs, (args, kwargs))
        if handed or layer._tricorn_composite:
            return
    inputs = first_of(layer, args, kwargs)
    out = signatures.call(layer.compute_mask, {"inputs": inputs, "previous_mask": masks})
    if out is None and not tree.leaves(masks):
        return
    leaves = tree.leaves(outputs)
    flat = [out] if len(leaves) == 1 else list(out) if isinstance(out, (list, tuple)) else [out]
    flat += [None] * (len(leaves) - len(flat))
    for leaf, mask in zip(leaves, flat):
        set_mask(leaf, mask)


def hand_on_masks(inner: Any, outputs: Any, arguments: tuple) -> bool:
    """Give the outputs the masks of what came out of the body; whether there were any."""
    given = {id(leaf) for leaf in tree.leaves(arguments)}
    found = False
    for leaf, out in zip(tree.leaves(inner), tree.leaves(outputs)):
        mask = get_mask(leaf) if id(leaf) not in given else None
        if mask is not None:
            set_mask(out, mask)
            found = True
    return found


def default_mask(layer: Layer, mask: Any) -> Any:
    """The mask of the output of a layer without rules of its own: the input's when
    `supports_masking`, else none (with a warning, since a mask that disappears silently gives wrong
    numbers)."""
    if mask is None or not tree.leaves(mask):
        return None
    if layer.supports_masking:
        return mask
    warnings.warn(
        f"the layer {layer!r} was given an input with a mask, but does not support masking, so the "
        "layers after it do not see the mask; set supports_masking=True if it leaves the time axis "
        "as it is, or override compute_mask",
        stacklevel=5,
    )
    return None


def _describe(args: tuple) -> str:
    def one(x: Any) -> str:
        if hasattr(x, "shape") and hasattr(x, "dtype"):
            return f"a {x.dtype} tensor of shape {tuple(x.shape)}"
        return repr(x)[:80]

    if len(args) == 1 and not isinstance(args[0], (list, tuple, dict)):
        return one(args[0])
    return str(tree.map(one, list(args)))
