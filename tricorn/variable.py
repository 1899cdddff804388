"""Variables: the state of layers, optimizers, metrics and random generators.

A Variable has *one owner* at a time: the host (a NumPy array, before any engine is used) or an
engine's place.  Each place has at most one handle, which is never replaced by another object where
handles are mutable, so native optimizers may hold it.  When another engine reads the Variable, the
owner's live value is copied into that engine's handle, which becomes the owner.
"""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

import numpy as np

from tricorn import checks, dtypes, limits, signatures, tracking
from tricorn.arithmetic import NUMPY_OPERATORS, OPS
from tricorn.engines import registry
from tricorn.graph import ambient, op
from tricorn.graph.calls import current_call, layers_called
from tricorn.graph.graphs import current_graph, graph_of
from tricorn.graph.placement import placed, placing
from tricorn.graph.scope import (
    Readable,
    Suspended,
    current,
    in_library_code,
    read,
    recording_tapes,
)
from tricorn.graph.symbolic import NotRecording, recording
from tricorn.graph.turns import Use, alone, changing

#: float dtype that Variables are read in (set by layers whose compute dtype differs), or None
_autocast: ContextVar[str | None] = ContextVar("tricorn_autocast", default=None)
ambient.sources["autocast"] = _autocast.get
#: the names of the scopes around, whose the innermost is, and the call in which it was opened
_names: ContextVar[tuple[tuple[str, ...], Any, Any]] = ContextVar(
    "tricorn_names", default=((), None, None)
)
#: the functions of NumPy that its operators call -> our ops
_OPERATORS = {**NUMPY_OPERATORS, "equal": "equal", "not_equal": "not_equal"}
#: restorations that wait for Variables to be made (tricorn/saving/checkpoint.py): they are asked
#: before a new Variable is first read
restorations: list[Any] = []
_restoring = threading.RLock()
_AGGREGATIONS = ("none", "mean", "sum", "only_first_replica")
_made = 0


def made() -> int:
    """How many Variables were made so far."""
    return _made


def _ask_waiting(blocking: bool = True) -> None:
    """Let restorations assign what is there by now; forget those that have nothing left.

    Args:
        blocking: wait for a thread that does so already.
    """
    if not _restoring.acquire(blocking):
        return
    try:
        for restoration in list(restorations):
            restoration.run()
            if not restoration.left() and restoration in restorations:
                restorations.remove(restoration)
    finally:
        _restoring.release()


class Variable(Readable):
    """A named tensor that can be assigned.

    Args:
        initializer: an array, tensor or number; or an initializer, its name, or another function
            ``(shape, dtype) -> value`` (then `shape` is needed).
        shape: tuple of ints, for a function.
        dtype: name; None: floatx for a function and for Python floats, else the value's own.
        trainable: whether optimizers change it.
        autocast: read in the compute dtype inside layers of mixed precision.
        aggregation, synchronization: how devices put their parts together; for Keras's signature.
        name: for people and files.

    Attributes:
        shape, dtype, name, trainable: as given.
        leaf: the name that it was made with, which files use; `name` is what people see.
        path: ``owner/leaf``.
        regularizer, constraint: functions of the value, or None.
        overwrite_with_gradient: whether an optimizer lets it hold its gradient as it is.
        random: whether it is the state of a random generator.

    Example:
        >>> v = keras.Variable([1.0, 2.0], name="v")
        >>> value = v.assign(v * 2)
        >>> v.numpy()
        array([2., 4.], dtype=float32)
    """

    random = False

    @property
    def _tricorn_tracked_as(self) -> str:
        return "trainable variable" if self._trainable else "variable"

    def __init__(
        self,
        initializer: Any,
        shape: tuple[int, ...] | None = None,
        dtype: Any = None,
        trainable: bool = True,
        autocast: bool = True,
        aggregation: str | None = "none",
        synchronization: str | None = "auto",
        name: str | None = None,
        *,
        regularizer: Callable | None = None,
        constraint: Callable | None = None,
    ) -> None:
        self.name = self.leaf = checks.name(self, name) or "variable"
        self.path = "/".join((*names_around()[0], self.leaf))
        self.regularizer, self.constraint = regularizer, constraint
        if aggregation not in (None, *_AGGREGATIONS):
            raise ValueError(
                f"aggregation must be one of {', '.join(_AGGREGATIONS)}, got {aggregation!r}"
            )
        self.aggregation, self.synchronization = aggregation, synchronization
        self._trainable, self._autocast = bool(trainable), autocast
        self._overwritten = False
        scope = current()
        if scope is not None and scope.frozen:
            raise RuntimeError(
                f"the Variable {self.path!r} is created while a step is being compiled; create it "
                "in __init__ or build, which run once before"
            )
        value = self._initial(initializer, shape, dtype)
        self.shape: tuple[int, ...] = tuple(value.shape)
        self.dtype: str = dtypes.standardize(value.dtype)
        #: the engine whose handle is the truth, or None while `_host` is
        self._owner: registry.Engine | None = None
        self._host: np.ndarray | None = value
        self._handles: dict[registry.Engine, Any] = {}
        #: whether a tensor that shares the handle's memory was handed out
        self._shared = False
        #: the device that it was made for, or None
        self._device = placed()
        global _made
        with changing:
            _made += 1
        current_graph().made(self)

    def _initial(self, initializer: Any, shape: Any, dtype: Any) -> np.ndarray:
        """The first value, on the host.

        Always an array of its own: two Variables made from one array do not share memory.
        """
        if isinstance(initializer, str):
            from tricorn import initializers

            initializer = initializers.get(initializer)
        if callable(initializer) and not isinstance(initializer, Readable):
            if shape is None:
                raise ValueError(f"the Variable {self.path!r} needs a shape for its initializer")
            shape = tuple(int(n) for n in shape)
            name = dtypes.standardize(dtype)
            nbytes = math.prod(shape) * dtypes.size(name)
            limits.take(f"the Variable {self.path!r} of shape {shape}", nbytes)
            draw = getattr(initializer, "host", None)
            if draw is not None:
                value = draw(shape, name)
            else:
                with concretely():
                    value = signatures.call(initializer, {"shape": shape, "dtype": name})
            value = _host_array(value)
            if tuple(value.shape) != shape:
                raise ValueError(
                    f"the initializer of {self.path!r} gave shape {tuple(value.shape)}, "
                    f"expected {shape}"
                )
        else:
            value = _host_array(initializer)
            name = dtypes.standardize(dtype if dtype is not None else value.dtype)
        return np.array(value, dtypes.to_numpy(name))

    # ------------------------------------------------------------------------------------ reading

    @property
    def value(self) -> Any:
        """The tensor it holds now (in a step: inside that step)."""
        value = read(self)
        if self._trainable and current() is not None:
            watch = registry.active().watch
            if watch is not None:
                watch(value)
        dtype = self.read_dtype
        return value if dtype == self.dtype else registry.active().cast(value, dtype)

    @property
    def read_dtype(self) -> str:  # type: ignore[override]
        """The dtype that `value` has now: in a layer of mixed precision its compute dtype."""
        compute = _autocast.get()
        if compute is None or not self._autocast or not dtypes.is_float(self.dtype):
            return self.dtype
        return compute

    def _stored(self) -> Any:
        """The tensor in the active engine's handle (shape and dtype only on the abstract one)."""
        engine = registry.active()
        if engine.capabilities["abstract"]:
            return engine.AbstractTensor(self.shape, self.dtype)
        return self._handed_out(engine, engine.read)

    def _handed_out(self, engine: registry.Engine, of: Callable) -> Any:
        """The engine's handle, or what is made `of` it, which others may keep from now on.  A
        thread that changes the Variable is waited for."""
        if restorations and self._owner is None:
            _ask_waiting()
        with changing:
            if alone():
                self._shared = True
                return of(self.handle(engine))
        with Use((self,), engine=engine):
            self._shared = True
            return of(self.handle(engine))

    def handle(self, engine: registry.Engine) -> Any:
        """The engine's handle, made or brought up to date: this engine owns the Variable now.  Only
        who runs a program may let it be consumed or written to."""
        if self._owner is engine:
            return self._handles[engine]
        if restorations and self._owner is None:
            _ask_waiting(blocking=False)  # a running program, which others wait for, waits not
        with changing:
            if self._owner is engine:
                return self._handles[engine]
            value = self._owner_value()
            handle = self._handles.get(engine)
            if handle is None:
                with placing(engine, self._device):
                    handle = engine.variable(value, self.dtype, self._trainable, self.path)
                graph_of(engine).mark(handle, self)
            else:
                handle = engine.write(handle, value)
            self._handles[engine] = handle
            self._owner, self._host = engine, None
        return handle

    def native(self, engine: registry.Engine | None = None) -> Any:
        """The engine's own variable: a ``torch.nn.Parameter``, a ``tf.Variable``, a ``jax.Array``.

        What native code writes into it is the Variable's value.  It stays the same object; only on
        engines whose arrays cannot be changed it is merely the value of now.  Where another engine
        has changed the Variable since, ask again (or call the layer) before writing natively.

        Args:
            engine: default the active one.  In a native graph its own variable, or that of the
                graph which owns the Variable.
        """
        engine = registry.active() if engine is None else engine
        owner = self._owner
        if engine not in self._handles and owner is not None and graph_of(owner).owns_variables:
            return self._handles[owner]
        return self._handed_out(engine, lambda handle: handle)

    def _owner_value(self) -> np.ndarray:
        if self._owner is None:
            assert self._host is not None
            return self._host
        return self._owner.numpy(self._owner.read(self._handles[self._owner]))

    def settle(self, engine: registry.Engine, handle: Any) -> None:
        """Take the handle that a dispatch left behind."""
        self._handles[engine] = handle
        self._shared = False

    def numpy(self) -> np.ndarray:
        """The value as a NumPy array of its own."""
        scope = current()
        if scope is not None and scope.values:
            return registry.active().numpy(self.value)
        if restorations and self._owner is None:
            _ask_waiting()
        with Use((self,)):
            return self._host.copy() if self._host is not None else self._owner_value()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        value = self.numpy()
        return value if dtype is None else value.astype(dtype)

    # What TensorFlow asks of what stands for tensors, so that ``tf.GradientTape`` takes Variables.

    def __tf_flatten__(self) -> tuple[Any, tuple]:
        scope = current()
        if registry.active().capabilities["abstract"]:
            self._stored().__tf_tensor__()  # says that values are needed here
        while scope is not None and self not in scope.values:
            scope = scope.parent
        return None, (self.native() if scope is None else scope.values[self],)

    @classmethod
    def __tf_unflatten__(cls, metadata: Any, components: tuple) -> Any:
        return components[0]

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **settings: Any) -> Any:  # type: ignore[override]
        """NumPy's functions take the value; ``array + variable`` and its like are our ops."""
        name = _OPERATORS.get(ufunc.__name__)
        if name is not None and method == "__call__" and not settings:
            return OPS[name](*inputs)
        values = [x.numpy() if isinstance(x, Variable) else x for x in inputs]
        return getattr(ufunc, method)(*values, **settings)

    # ---------------------------------------------------------------------------------- assigning

    def assign(self, value: Any) -> Any:
        """Let it hold `value` from now on; gives the value as assigned.

        Raises:
            ValueError: when the shape differs.
        """
        recorder = recording()
        if recorder is not None and (graph := current_graph()).holds(value):
            self._check(tuple(value.shape))
            recorder.effects.assigned[self] = graph.assignment(self, value)
            return value
        scope = current()
        if scope is None and isinstance(value, (np.ndarray, np.generic, int, float, list, tuple)):
            return self._assign_host(np.asarray(value))
        engine = registry.active()
        if type(value) in engine.tensor_types and engine.dtype(value) == self.dtype:
            tensor = value
        else:
            tensor = op.convert(engine, value, self.dtype)
        shape = tuple(engine.shape(tensor))
        if shape != self.shape:
            self._check(shape)
        tapes = recording_tapes()
        if tapes and tapes[-1].scope is scope:  # what is read of it later begins anew
            tensor = engine.stop_gradient(tensor)
        if scope is not None:
            scope.assign(self, tensor)
        else:
            self.store(engine, tensor, tensor is value)
        return tensor

    def store(self, engine: registry.Engine, tensor: Any, shared: bool = True) -> None:
        """Hold a tensor of the engine's, of this shape and dtype, that others may hold too.

        Raises:
            RuntimeError: for a tensor that belongs to a trace or transform around.
        """
        self.check_escape(engine, tensor)
        with Use((self,), (self,), engine):
            self.put(engine, tensor, shared)

    def check_escape(self, engine: registry.Engine, tensor: Any) -> None:
        """Raise `store`'s error."""
        if engine.must_not_escape(tensor):
            raise RuntimeError(
                f"the Variable {self.path!r} is assigned inside of a function that {engine.name!r} "
                "transforms or traces itself (jit, grad, vmap), where new values do not last "
                "beyond it; use the layer's stateless_call, which gives them as results"
            )

    def put(self, engine: registry.Engine, tensor: Any, shared: bool = True) -> None:
        """`store` of a tensor that may, by a thread whose turn it is."""
        handle = self.handle(engine)
        self._handles[engine] = engine.write(handle, tensor)
        self._shared = shared

    def _assign_host(self, value: np.ndarray) -> Any:
        self._check(value.shape)
        array = np.array(value, dtypes.to_numpy(self.dtype))
        with Use((self,), (self,)):
            if self._owner is None:
                self._host = array
                return array
            engine = self._owner
            self._handles[engine] = engine.write(self._handles[engine], array)
            self._shared = False
            return array

    def hold(self, value: np.ndarray) -> None:
        """Let it hold an array of its shape and dtype from now on.  No engine is asked: the host
        owns the Variable, until one reads it."""
        with Use((self,), (self,)):
            self._host, self._owner = value, None

    def _check(self, shape: tuple) -> None:
        if len(shape) != len(self.shape) or any(
            a is not None and a != b for a, b in zip(shape, self.shape)
        ):
            raise ValueError(
                f"a value of shape {shape} was assigned to the Variable {self.path!r} of shape "
                f"{self.shape}"
            )

    def assign_add(self, value: Any) -> Any:
        """Add `value`."""
        return self.assign(self + value)

    def assign_sub(self, value: Any) -> Any:
        """Subtract `value`."""
        return self.assign(self - value)

    # ----------------------------------------------------------------------------------- the rest

    @property
    def trainable(self) -> bool:
        ambient.flag_read(self)
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = bool(value)
        tracking.changed()
        for engine, handle in self._handles.items():
            engine.set_trainable(handle, self._trainable)

    @property
    def overwrite_with_gradient(self) -> bool:
        return self._overwritten

    @overwrite_with_gradient.setter
    def overwrite_with_gradient(self, value: bool) -> None:
        if not isinstance(value, bool):
            raise TypeError(
                f"overwrite_with_gradient of {self.path!r} must be True or False, got {value!r}"
            )
        self._overwritten = value

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))

    def __eq__(self, other: object) -> Any:
        """Elementwise.  Variables are keys of dicts and items of sets by identity."""
        comparable = other is not None and not isinstance(other, str)
        return OPS["equal"](self, other) if comparable else NotImplemented

    def __ne__(self, other: object) -> Any:
        comparable = other is not None and not isinstance(other, str)
        return OPS["not_equal"](self, other) if comparable else NotImplemented

    __hash__ = object.__hash__

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError(f"the scalar Variable {self.path!r} has no length")
        return self.shape[0]

    def __float__(self) -> float:
        return float(self.numpy())

    def __int__(self) -> int:
        return int(self.numpy())

    def __bool__(self) -> bool:
        return bool(self.numpy())

    __index__ = __int__

    def __repr__(self) -> str:
        text = f"Variable path={self.path}, shape={self.shape}, dtype={self.dtype}"
        if current() is not None or recording() is not None or not self._readable():
            return f"<{text}>"
        return f"<{text}, value={self.numpy()}>"

    def _readable(self) -> bool:
        """Whether its value can be had without running a graph."""
        owner = self._owner
        return owner is None or (not graph_of(owner).owns_variables and owner.is_eager())

    def __getstate__(self) -> dict:
        state = {**self.__dict__, "_owner": None, "_handles": {}, "_shared": False}
        state["_host"] = self.numpy()
        return state


def for_users(variables: list[Variable]) -> list:
    """What user code gets for Variables: the engine's own ones where graphs hold the engine's own
    tensors, since sessions and native optimizers take no others.  Elsewhere, and in the code of
    layers and steps, the Variables themselves; `scope.ours` leads back."""
    if in_library_code() or current_call() is not None or current() is not None:
        return variables
    return current_graph().for_users(variables)


def _host_array(value: Any) -> np.ndarray:
    if isinstance(value, Variable):
        return value.numpy()
    if isinstance(value, (np.ndarray, np.generic)):
        return np.asarray(value)
    return np.asarray(
        op._to_numpy(value) if not isinstance(value, (int, float)) else _scalar(value)
    )


def _scalar(value: Any) -> np.ndarray:
    dtype = dtypes.result_type(type(value))
    return np.asarray(value, dtypes.to_numpy(dtype))


def names_around() -> tuple[tuple[str, ...], Any]:
    """The names that paths begin with here, of open scopes and of the layers that are called, and
    whose the innermost is."""
    names, owner, opened_in = _names.get()
    inner, called = [], layers_called()
    while called is not None and called is not opened_in:
        inner.append(called[0])
        called = called[1]
    if inner and inner[-1] is owner:  # a layer that is called while it is built
        inner.pop()
    if not inner:
        return names, owner
    return (*names, *(layer.name for layer in reversed(inner))), inner[0]


@contextlib.contextmanager
def name_scope(name: str, caller: Any = None) -> Iterator[None]:
    """Variables made inside get paths that begin with `name`.

    Args:
        name: appended to the names of the scopes around.
        caller: whose scope it is: nothing is appended in another one of the same caller.

    Example:
        >>> with keras.name_scope("encoder"):
        ...     v = keras.Variable(1.0, name="scale")
        >>> v.path
        'encoder/scale'
    """
    names, owner = names_around()
    if caller is None or caller is not owner:
        names = (*names, name)
    token = _names.set((names, caller, layers_called()))
    try:
        yield
    finally:
        _names.reset(token)


@contextlib.contextmanager
def concretely() -> Iterator[None]:
    """A block that computes values, also where shapes alone are worked out or graphs are made; not
    in a step that is being compiled, where no Variable can be made any more."""
    scope = current()
    if scope is not None and scope.frozen:
        yield
        return
    with Suspended(), registry.concretely(), NotRecording(plain=False), autocast(None):
        yield


@contextlib.contextmanager
def autocast(dtype: str | None) -> Iterator[None]:
    """Float Variables are read as `dtype` inside; None: as they are."""
    token = _autocast.set(dtype)
    try:
        yield
    finally:
        _autocast.reset(token)
