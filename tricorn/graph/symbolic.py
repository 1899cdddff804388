"""Symbolic tensors, the nodes that made them, and recording.

A `Node` is one call event: an op or a layer, its arguments, its results.  While a layer's body runs
on symbolic tensors, the calls inside are recorded too, as the *inner graph* of the layer's node, so
that a tensor which escapes the body (an added loss, an attention score kept on the layer) can be
computed later by a `Plan` that expands the node.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any

from tricorn import limits, tree
from tricorn.arithmetic import OPS
from tricorn.engines.abstract import AbstractTensor
from tricorn.graph.effects import Effects

_names = itertools.count()


class SymbolicTensor(AbstractTensor):
    """A tensor of a graph: shape, dtype, and the history of how it is computed.

    Args:
        shape: its sizes, None for those not known.
        dtype: name of the dtype.
        sparse, ragged: whether values of that kind are given for it.
        record_history: kept for compatibility; calls on it are always recorded.
        name: for people.

    Attributes:
        shape: tuple of ints, None for a dimension that is not known.
        dtype: name of the dtype.
        name: for people; made from the maker's name unless given.
        node: the call that gives it (None: nothing computes it).
        position: which of the node's outputs it is.
        mask: the symbolic mask that goes with it, or None.

    Example:
        >>> x = keras.Input((3,))
        >>> (x + 1).shape, keras.utils.is_keras_tensor(x)
        ((None, 3), True)
    """

    __slots__ = ("__dict__", "mask", "name", "node", "position")
    #: whether it depends on the learning phase, Keras's name for it
    _uses_learning_phase = False

    def __init__(
        self,
        shape: tuple,
        dtype: str = "float32",
        sparse: bool = False,
        ragged: bool = False,
        record_history: bool = True,
        name: str | None = None,
    ) -> None:
        super().__init__(shape, dtype)
        if sparse and ragged:
            raise ValueError("KerasTensor cannot have `sparse=True` and `ragged=True` at once")
        self._sparse, self._ragged = bool(sparse), bool(ragged)
        self.name = name or f"tensor_{next(_names)}"
        self.node: Node | None = None
        self.position = 0
        self.mask: SymbolicTensor | None = None

    @property
    def sparse(self) -> bool:
        """Whether sparse tensors are given for it."""
        return self._sparse

    @property
    def ragged(self) -> bool:
        """Whether ragged tensors are given for it."""
        return self._ragged

    @property
    def history(self) -> tuple[Any, int, int]:
        """(operation, which of its calls, which of that call's results)."""
        if self.node is None:
            raise ValueError(f"{self!r} was not made by a layer or op, so it has no history")
        return self.node.operation, self.node.index, self.position

    _keras_history = history
    _keras_shape = property(lambda self: self.shape)

    def reshape(self, newshape: Any) -> Any:
        """`ops.reshape` of this tensor."""
        return OPS["reshape"](self, newshape)

    def squeeze(self, axis: Any = None) -> Any:
        """`ops.squeeze` of this tensor."""
        return OPS["squeeze"](self, axis)

    def __repr__(self) -> str:
        return f"<SymbolicTensor {self.name!r} shape={self.shape} dtype={self.dtype}>"

    def __reduce__(self) -> tuple:
        history = self.node, self.position, self.mask
        return _restore, (self.shape, self.dtype, self.name, *history, self.sparse)

    # Graphs share their tensors: copying a tensor alone would cut it from its graph.
    def __copy__(self) -> SymbolicTensor:
        return self


def _restore(
    shape: tuple, dtype: str, name: str, node: Any, position: int, mask: Any, sparse: bool = False
) -> Any:
    tensor = SymbolicTensor(shape, dtype, sparse, name=name)
    tensor.node, tensor.position, tensor.mask = node, position, mask
    return tensor


class Node:
    """One call of an op or a layer.

    Attributes:
        operation: the Op or Layer that was called.
        args, kwargs: its arguments, trees that hold symbolic tensors, Variables and plain values.
        outputs: tree of the symbolic results.
        parent: the layer node in whose inner graph this node stands, or None.
        inner: for a layer, the tree of results inside its body (same structure as `outputs`).
        index: which call of the operation it is.
        training: the learning phase that was set when the layer was called, None: it is open.
        effects: what the layers in the call assign and give to `add_loss`.
        expanded: whether a plan runs the inner graph in place of the layer; only then a copy of
            the node has it.
        differentiates: whether its body takes symbolic gradients: then it has to be expanded.
    """

    __slots__ = (
        "args", "differentiates", "effects", "expanded", "index", "inner", "kwargs", "operation",
        "outputs", "parent", "training",
    )  # fmt: skip

    def __init__(self, operation: Any, args: tuple, kwargs: dict, index: int = 0) -> None:
        limits.take_calls()
        self.operation, self.args, self.kwargs, self.index = operation, args, kwargs, index
        self.outputs: Any = None
        self.inner: Any = None
        self.training: bool | None = None
        self.effects, self.expanded, self.differentiates = Effects(), False, False
        recorder = _recorder.get()
        self.parent: Node | None = recorder.node if recorder is not None else None

    def bind(self, results: Any, alias: Callable[[Any], Any], sparse: Sequence[bool] = ()) -> Any:
        """Make the symbolic outputs for a tree of abstract (or native symbolic) results.

        Args:
            alias: gives another tensor like one that was given, whose history stays its own.
            sparse: of which results sparse tensors come, in their order; the rest are dense.
        """
        label = getattr(self.operation, "name", None) or self.operation.__name__
        positions = itertools.count()
        is_open = self.training is None and self.kwargs.get("training") is None
        in_phase = any(x._uses_learning_phase for x in self.inputs) or (
            is_open and getattr(self.operation, "uses_learning_phase", False)
        )

        def output(result: Any) -> Any:
            position = next(positions)
            if isinstance(result, AbstractTensor):
                name = f"{label}_{next(_names)}"
                result = SymbolicTensor(result.shape, result.dtype, name=name)
                result._sparse = position < len(sparse) and sparse[position]
            elif any(result is given for given in tree.leaves((self.args, self.kwargs))):
                result = alias(result)
            attach(result, self, position)
            if in_phase:
                result._uses_learning_phase = True
            return result

        self.outputs = tree.map(output, results)
        return self.outputs

    def __getstate__(self) -> dict[str, Any]:
        dropped = {"effects"} if self.expanded else {"effects", "inner"}
        return {name: getattr(self, name) for name in self.__slots__ if name not in dropped}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.effects, self.inner = Effects(), None
        for name, value in state.items():
            setattr(self, name, value)

    @property
    def inputs(self) -> list:
        """The symbolic tensors among the arguments, in order."""
        return [leaf for leaf in tree.leaves((self.args, self.kwargs)) if is_symbolic(leaf)]

    def __repr__(self) -> str:
        return f"<Node {self.operation!r} #{self.index}>"


class NotRecordable(TypeError):
    """A function that takes functions was called on symbolic tensors.  A layer whose body does so
    is a node without an inner graph."""


class Recorder:
    """A layer's body being recorded; a context manager.

    Attributes:
        node: the layer's node.
        effects: what the body assigned and the losses it added.

    At the end a recorder around this one, of the layer whose body has called this layer, gets them
    too.
    """

    def __init__(self, node: Node | None, effects: Effects | None = None) -> None:
        self.node = node
        self.effects = Effects() if effects is None else effects

    def __enter__(self) -> Recorder:
        self._tokens = _recorder.set(self), _plain.set(False)
        return self

    def __exit__(self, *error: Any) -> None:
        _recorder.reset(self._tokens[0])
        _plain.reset(self._tokens[1])
        outer = _recorder.get()
        if outer is not None:
            outer.effects.join(self.effects)


_recorder: ContextVar[Recorder | None] = ContextVar("tricorn_recorder", default=None)
#: the innermost Recorder or None
recording: Callable[[], Recorder | None] = _recorder.get


class NotRecording:
    """A block whose calls are not recorded, such as the body of an op that is a node itself.

    Args:
        plain: native symbolic tensors are tensors like others inside.
    """

    def __init__(self, plain: bool = True) -> None:
        self.plain = plain

    def __enter__(self) -> None:
        self._tokens = _recorder.set(None), _plain.set(self.plain or _plain.get())

    def __exit__(self, *error: Any) -> None:
        _recorder.reset(self._tokens[0])
        _plain.reset(self._tokens[1])


# Engines whose placeholders are native tensors keep the history on the tensor: its graph owns it.

#: whether native symbolic tensors are tensors like others, since calls on them are not recorded
_plain: ContextVar[bool] = ContextVar("tricorn_plain", default=False)
treated_as_plain = _plain.get


def is_symbolic(x: Any) -> bool:
    """Whether `x` is a tensor of a graph: ours, or an engine's own that carries a history (where
    calls are recorded; elsewhere those are ordinary tensors).

    Example:
        >>> keras.utils.is_keras_tensor(keras.Input((2,))), keras.utils.is_keras_tensor(np.ones(2))
        (True, False)
    """
    return type(x) is SymbolicTensor or (hasattr(x, "_tricorn_node") and not _plain.get())


def attach(tensor: Any, node: Node | None, position: int) -> None:
    """Give a symbolic tensor of either kind its history."""
    if type(tensor) is SymbolicTensor:
        tensor.node, tensor.position = node, position
    else:
        tensor._tricorn_node = (node, position)
        tensor._uses_learning_phase = False


def node_of(tensor: Any) -> tuple[Node | None, int]:
    """(node, position) of a symbolic tensor of either kind."""
    if type(tensor) is SymbolicTensor:
        return tensor.node, tensor.position
    return getattr(tensor, "_tricorn_node", (None, 0))


def mask_of(tensor: Any) -> Any:
    """The symbolic mask that goes with a symbolic tensor of either kind, or None."""
    if type(tensor) is SymbolicTensor:
        return tensor.mask
    return getattr(tensor, "_tricorn_mask", None)


def name_of(tensor: Any) -> str:
    return getattr(tensor, "name", None) or repr(tensor)
