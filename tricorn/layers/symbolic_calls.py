"""A layer called on symbolic tensors: a node of the graph, whose inner graph is the body recorded.

A body that cannot be recorded, since it has loops or calls a native framework, is a node without an
inner graph.
"""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from tricorn import ops, tree
from tricorn.engines import active
from tricorn.engines.abstract import AbstractTensor, NeedsEngine, needs_engine
from tricorn.graph import phase, scope
from tricorn.graph.calls import calling, hand_on
from tricorn.graph.graphs import abstracted, current_graph
from tricorn.graph.symbolic import (
    Node,
    NotRecordable,
    NotRecording,
    Recorder,
    SymbolicTensor,
    is_symbolic,
    recording,
)
from tricorn.graph.transforms import abstract_shapes, checkpoint, engine_shapes
from tricorn.layers import calling as calls
from tricorn.layers import input_spec as specs
from tricorn.layers import state

if TYPE_CHECKING:
    from tricorn.layers.base import Layer


def call(
    layer: Layer, args: tuple, kwargs: dict, lasting: bool = True, by_rule: bool = True
) -> Any:
    """Make a node; record the body as its inner graph.

    Args:
        lasting: the layer remembers the node, as one of its calls.
        by_rule: what the layer itself says of its outputs (`compute_output_shape`) is believed.
    """
    nodes = layer._tricorn.nodes
    try:
        specs.check(layer.input_spec, args[0] if args else None, layer)
        training = kwargs.get("training")
        decided = training is not None and not phase.is_phase(training)
        if not decided:
            kwargs = {key: value for key, value in kwargs.items() if key != "training"}
            training = phase.now()
        node = Node(layer, args, kwargs, index=len(nodes))
        node.training = None if decided else phase.fixed()
        masks = calls.travelling_masks(args, kwargs)
        unlocked = not layer.built
        if unlocked or calls._in_building:
            calls.build_once(layer, args, kwargs)
        filled = calls.filled(layer, args, kwargs, training, masks)
        stated = _stated(layer, args, kwargs) if by_rule else None
        with Recorder(node, node.effects), calling(training, layer):
            outputs = _recorded(layer, node, args, filled, masks, stated)
        if unlocked:
            layer._tricorn_lock()
        sparse = [getattr(x, "sparse", False) is True for x in tree.leaves(outputs)]
        outputs = tree.map(abstracted, outputs)
        if stated is not None:
            outputs = _believed(layer, outputs, stated)
        outputs = node.bind(outputs, current_graph().alias, sparse)
    except (ValueError, TypeError) as error:
        calls.add_note(layer, error, args)
        raise
    if lasting:
        nodes.append(node)
    given = filled.get("mask")
    if tree.leaves(masks) or given is not None or layer._tricorn_makes_masks():
        calls.pass_masks(layer, args, kwargs, outputs, masks, given, node.inner)
    elif node.inner is not None:
        calls.hand_on_masks(node.inner, outputs, (args, kwargs))
    return outputs


def _stated(layer: Layer, args: tuple, kwargs: dict) -> Any:
    """Abstract tensors of what the layer itself says of its outputs; None: it says nothing."""
    if layer._tricorn_states_specs():
        return tree.map(abstracted, layer.compute_output_spec(*args, **kwargs))
    if not layer._tricorn_states_shapes():
        return None
    rule = layer.compute_output_shape
    named = calls.named_shapes(layer, rule, args, kwargs)
    parameters = inspect.signature(rule).parameters.values()
    if any(p.default is p.empty and p.name not in named for p in parameters):
        return abstract_outputs(rule(*calls.shapes_of(args)), layer.compute_dtype)
    return abstract_outputs(rule(**named), layer.compute_dtype)


def _believed(layer: Layer, outputs: Any, stated: Any) -> Any:
    """The outputs of the body with the shapes (and dtypes, by `compute_output_spec`) that the layer
    states; tensors of an engine's graph have their own."""
    leaves, structure = tree.take_apart(outputs)
    said = tree.leaves(stated)
    if len(leaves) != len(said):
        raise ValueError(
            f"the layer {layer.name!r} says that it has {len(said)} outputs, of the shapes "
            f"{[x.shape for x in said]}, but its call gives {len(leaves)}; let "
            "compute_output_shape give one shape for each"
        )
    by_spec = layer._tricorn_states_specs()

    def believed(x: Any, rule: AbstractTensor) -> Any:
        if not isinstance(x, AbstractTensor):
            return x
        return AbstractTensor(rule.shape, rule.dtype if by_spec else x.dtype)

    return tree.unflatten(structure, list(map(believed, leaves, said)))


def _recorded(
    layer: Layer, node: Node, args: tuple, kwargs: dict, masks: tuple, stated: Any
) -> Any:
    """The outputs of the body, which becomes the node's inner graph if it can be recorded.  A layer
    that states its outputs need not run on tensors without values."""
    try:
        node.inner = calls.run_body(layer, args, kwargs)
        penalties = functools.partial(calls.penalties, layer, node.inner)
        current_graph().regularize(layer, penalties)
        return node.inner
    except Exception as error:
        reason = error if isinstance(error, NotRecordable) else _needs_engine(error, args)
        if reason is None and stated is None:
            raise
        node.inner = None
        node.effects.forget()
        return current_graph().unrecorded(
            functools.partial(_shapes, layer, args, kwargs, reason, stated),
            functools.partial(_run, layer, args, kwargs, masks),
        )


def _run(layer: Layer, args: tuple, kwargs: dict, masks: tuple) -> Any:
    """The body has loops, in a graph of the engine's own: what they compute is tensors like others
    there, and only the effects are recorded."""
    with NotRecording(), scope.Scope() as now:
        calls.mask_arguments(args, kwargs, masks)
        outputs = calls.run_body(layer, args, kwargs)
    hand_on(now.effects)
    return outputs


def _needs_engine(error: Exception, args: tuple) -> NeedsEngine | None:
    """Why a body cannot run on tensors without values: it asks for one, or computes with a length
    that is not known."""
    reason = needs_engine(error)
    if reason is None and isinstance(error, TypeError) and "NoneType" in str(error):
        if any(None in getattr(x, "shape", ()) for x in tree.leaves(args)):
            reason = NeedsEngine(f"a length that is not known is None: {error}")
            reason.__cause__ = error
    return reason


def _shapes(layer: Layer, args: tuple, kwargs: dict, reason: Any, stated: Any) -> Any:
    """The outputs' shapes: what the layer states, from a run on abstract tensors, or, of a body
    that calls a native framework, from the engine."""
    if stated is not None:
        return stated
    run = functools.partial(calls.run_body, layer)
    native = None if isinstance(reason, NotRecordable) else reason
    return abstract_results(lambda *args, **kwargs: run(args, kwargs), args, kwargs, native)


def abstract_results(fn: Callable, args: tuple, kwargs: dict, reason: Any = None) -> Any:
    """The shapes and dtypes of what `fn` gives, from a run on abstract tensors in the place of the
    symbolic ones; where there is a reason to ask the engine, from that."""
    leaves, structure = tree.take_apart((args, kwargs))
    where = [i for i, leaf in enumerate(leaves) if is_symbolic(leaf)]

    def run(*tensors: Any) -> Any:
        filled = list(leaves)
        for i, tensor in zip(where, tensors):
            filled[i] = tensor
        args, kwargs = tree.unflatten(structure, filled)
        return fn(*args, **kwargs)

    shapes = [abstracted(leaves[i]) for i in where]
    return abstract_shapes(run, shapes) if reason is None else engine_shapes(run, shapes, reason)


# -------------------------------------------------------------------------------- rematerialization


def rematerialized(layer: Any, fn: Callable, args: tuple, kwargs: dict) -> Callable:
    """`Operation.rematerialized_call`.  What is recorded, or run for its shapes, is not changed."""
    scope = layer._tricorn.remat
    if scope is None or recording() is not None or active().capabilities["abstract"]:
        return fn
    if scope.mode == "activations":
        activation = getattr(layer, "activation", None)
        return fn if activation is None else _with_activation(layer, fn, activation)
    if scope.mode == "list_of_layers":
        return _again(fn) if layer.name in scope.layer_names else fn
    if layer._tricorn.parts.get("graph") is not None:
        return fn  # its layers are rematerialized, each
    if scope.mode == "larger_than":
        specs = tree.map(_spec, (args, kwargs))
        found = tree.leaves(abstract_results(fn, *specs))
        if sum(math.prod(n or 1 for n in x.shape) for x in found) <= scope.output_size_threshold:
            return fn
    return _again(fn)


def _again(fn: Callable) -> Callable:
    """`transforms.checkpoint` of a function that takes keyword arguments, too."""
    return lambda *args, **kwargs: checkpoint(lambda *given: fn(*given, **kwargs))(*args)


def _with_activation(layer: Any, fn: Callable, activation: Callable) -> Callable:
    """`fn`, during which the layer's activation is rematerialized."""

    def run(*args: Any, **kwargs: Any) -> Any:
        object.__setattr__(layer, "activation", _again(activation))
        try:
            return fn(*args, **kwargs)
        finally:
            object.__setattr__(layer, "activation", activation)

    return run


def _spec(x: Any) -> Any:
    """A symbolic tensor like a tensor."""
    if not active().is_tensor(x):
        return x
    return SymbolicTensor(tuple(active().shape(x)), active().dtype(x))


# ------------------------------------------------------------------------------------------ updates


def nodes_on(layer: Layer, inputs: set[int] | None = None) -> list[Node]:
    """The calls of a layer on symbolic tensors; on those with the ids `inputs`."""
    nodes = layer._tricorn.nodes
    if inputs is None:
        return nodes
    return [n for n in nodes if inputs & set(map(id, tree.leaves((n.args, n.kwargs))))]


def updates_of(node: Node) -> list:
    """What one call assigns, as pairs.  In a graph of ours whose learning phase is open that is
    found by recording the body in training: each Variable keeps its value in the other phase."""
    layer: Any = node.operation
    if hasattr(layer, "op"):
        return []
    known = list(node.effects.assigned.values())
    decided = node.training is not None or node.kwargs.get("training") is not None
    if (
        known
        or decided
        or current_graph().feeds_phase
        or len(state.weights(layer)) == len(state.trainable_variables(layer))
    ):
        return known
    masks = calls.travelling_masks(node.args, node.kwargs)
    kwargs = calls.filled(layer, node.args, node.kwargs, True, masks)
    with Recorder(node.parent) as recorder, calling(True):
        calls.run_body(layer, node.args, kwargs)
        for changed, value in list(recorder.effects.assigned.values()):
            node.effects.assigned[changed] = (
                changed, ops.where(phase.tensor(), value, changed)
            )  # fmt: skip
    return list(node.effects.assigned.values())


# ------------------------------------------------------------------------------------------- shapes


def is_shape(shape: Any) -> bool:
    kinds = (int, np.integer, type(None))
    return isinstance(shape, (list, tuple)) and all(isinstance(n, kinds) for n in shape)


def symbolic_inputs(shape: Any) -> Any:
    """Symbolic tensors of a tree of shapes."""
    if is_shape(shape):
        return SymbolicTensor(tuple(shape))
    if isinstance(shape, dict):
        return {key: symbolic_inputs(item) for key, item in shape.items()}
    if not isinstance(shape, (list, tuple)):
        raise ValueError(f"expected a shape, a list or a dict of shapes, got {shape!r}")
    return [symbolic_inputs(item) for item in shape]


def abstract_outputs(shape: Any, dtype: str) -> Any:
    """Abstract tensors of a tree of shapes."""
    if is_shape(shape):
        return AbstractTensor(tuple(shape), dtype)
    if isinstance(shape, dict):
        return {key: abstract_outputs(item, dtype) for key, item in shape.items()}
    if not isinstance(shape, (list, tuple)):
        raise ValueError(
            f"compute_output_shape gives a shape, a tuple of ints and None, or a tree of shapes; "
            f"got {shape!r}"
        )
    return [abstract_outputs(item, dtype) for item in shape]
