"""TensorFlow in a plain ``tf.Graph``: what differs from `eager`, run by a session.

`variant` gives the engine of the place that code runs at: the one of the innermost plain graph
(the bodies of ``tf.cond`` and of functions belong to the graph around them), else the eager one.
A graph's engine hangs on the graph, and goes with it.
"""

from __future__ import annotations

import contextlib
import functools
import types
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tricorn import dtypes, tree
from tricorn.engines import common, defaults, registry
from tricorn.engines.contract import EngineError
from tricorn.engines.tensorflow import datasets, eager
from tricorn.engines.tensorflow.private import (
    EagerTensor,
    FuncGraph,
    SymbolicTensor,
    gradient_registry,
)
from tricorn.engines.tensorflow.sessions import Sessions

v1 = tf.compat.v1


def variant() -> registry.Engine:
    """The engine for the innermost graph."""
    if tf.executing_eagerly():
        return registry.load("tensorflow")
    graph = v1.get_default_graph()
    if isinstance(graph, FuncGraph):
        with tf.init_scope():  # what the function is traced in
            if tf.executing_eagerly():
                return registry.load("tensorflow")
            graph = v1.get_default_graph()
    return engine_of(graph)


def direct(args: tuple, kwargs: dict) -> bool:
    return tf.executing_eagerly()


def engine_of(graph: tf.Graph) -> registry.Engine:
    """The engine of a plain graph, made when first asked for.

    Raises:
        EngineError: when shapes consist of objects of their own, as in TensorFlow 1.
    """
    found = getattr(graph, "_tricorn_engine", None)
    if found is None:
        if not isinstance(tf.TensorShape([1])[0], int):
            raise EngineError(
                "tf.disable_v2_behavior() has also made the sizes in shapes objects of their own; "
                "call tf.enable_v2_tensorshape() after it, or tf.disable_eager_execution() instead"
            )
        found = graph._tricorn_engine = registry.Engine("tensorflow", _module(_Place(graph)))
    return found


def _module(place: _Place) -> Any:
    """The contract for one graph: the eager engine's, but for what `_Place` defines."""
    of_place = {name: getattr(place, name) for name in dir(place) if not name.startswith("_")}
    return types.SimpleNamespace(
        **{
            **{name: getattr(eager, name) for name in dir(eager) if not name.startswith("_")},
            **of_place,
            "TENSOR_TYPES": (SymbolicTensor,),
        }
    )


#: whether loops and branches keep what their gradients need: as the innermost block says
_kept: list[bool | None] = [None]
#: TensorFlow's loops and branches -> what ours are called where their gradients are looked up
_GRADIENTS = {kind: f"Tricorn{kind}" for kind in ("While", "StatelessWhile", "If", "StatelessIf")}


@contextlib.contextmanager
def _keeping(graph: tf.Graph, value: bool = True) -> Iterator[None]:
    """Loops and branches made inside keep, or do not, all that their gradients need.

    If they do not, a gradient changes them, which fails once a session has run them.  TensorFlow
    has one switch for the process, asked when a loop is made and when its gradient is; so that it
    is never on elsewhere, the gradients of ours are found under names of their own.
    """
    _kept.append(value)
    v1.experimental.output_all_intermediates(value)
    try:
        with graph.gradient_override_map(_GRADIENTS if value else {}):
            yield
    finally:
        _kept.pop()
        v1.experimental.output_all_intermediates(_kept[-1])


def _register(kind: str, name: str) -> None:
    theirs = gradient_registry.lookup(kind)

    @tf.RegisterGradient(name)
    def gradient(operation: tf.Operation, *grads: Any) -> Any:
        with _keeping(operation.graph):
            return theirs(operation, *grads)


for _kind, _name in _GRADIENTS.items():
    _register(_kind, _name)


class _Place:
    """The primitives of one graph.

    A Variable's handle is a ``tf.Variable``, and it is read by one tensor that is made with it: all
    that is built reads the state before the run, and assignments are made to come last.
    """

    def __init__(self, graph: tf.Graph) -> None:
        self._graph_object = _Graph(graph)

    def own_graph(self) -> _Graph:
        return self._graph_object

    def clear(self) -> None:
        """Forget the default graph, where nobody is inside of another one."""
        if v1.get_default_graph() is self._graph_object.graph:
            with contextlib.suppress(AssertionError):  # nested graphs end with their blocks
                v1.reset_default_graph()

    # --------------------------------------------------------------------------------- the tensors

    def tensor(self, value: Any, dtype: str) -> tf.Tensor:
        if isinstance(value, EagerTensor):
            value = value.numpy()
        return eager.tensor(value, dtype)

    def is_tensor(self, x: Any) -> bool:
        return isinstance(x, SymbolicTensor)

    def numpy(self, x: Any) -> np.ndarray:
        if isinstance(x, (np.ndarray, np.generic)):  # what a run gave
            return np.array(x)
        if isinstance(x, EagerTensor):
            return eager.numpy(x)
        try:
            return np.array(self._graph_object.sessions.get().run(x))
        except tf.errors.InvalidArgumentError as error:
            if "feed a value for placeholder" not in str(error):
                raise
            raise EngineError(
                f"the graph's tensor {x.name!r} depends on a placeholder, so it has no value by "
                "itself; make a Function of the placeholders, or run it in a session with a feed"
            ) from error

    def block(self, x: Any) -> Any:
        return x

    # -------------------------------------------------------------------------------- its variables

    def variable(self, value: Any, dtype: str, trainable: bool, name: str) -> tf.Variable:
        value = self.numpy(value) if isinstance(value, tf.Tensor) else value
        with self._graph_object.graph.as_default(), tf.control_dependencies(None):
            handle = v1.Variable(
                np.asarray(value, dtypes.to_numpy(dtype)),
                trainable=trainable,
                name=eager.variable_name(name),
                dtype=dtype,
                use_resource=True,
            )
            handle._tricorn_initialized = handle.is_initialized()
            handle._tricorn_value = handle.read_value()
        # in a graph TensorFlow's own method only says that there is no value
        handle.numpy = functools.partial(self.numpy, handle._tricorn_value)
        self._graph_object.sessions.made(handle)
        return handle

    def read(self, handle: tf.Variable) -> tf.Tensor:
        return handle._tricorn_value

    def write(self, handle: tf.Variable, value: Any) -> tf.Variable:
        value = self.numpy(value) if isinstance(value, tf.Tensor) else value
        initializer = handle.initializer  # the assignment of a tensor that can be fed
        self._graph_object.sessions.get().run(initializer, {initializer.inputs[1]: value})
        return handle

    def cond(self, *args: Any) -> Any:
        with self._loops():
            return eager.cond(*args)

    def while_loop(self, *args: Any) -> Any:
        with self._loops():
            return eager.while_loop(*args)

    def scan(self, *args: Any) -> Any:
        with self._loops():
            return eager.scan(*args)

    kernel_scan = defaults.kernel_scan

    def _loops(self) -> Any:
        """Users may differentiate what they build, but not what stands in a program of ours."""
        return _keeping(self._graph_object.graph, _kept[-1] is not False)

    def compile(self, fn: Callable, loop: bool, jit: bool | None = None) -> Callable:
        if not loop:
            return _Program(self, fn)
        steps = _Program(self, functools.partial(eager.repeated, fn))

        def run(handles: list, start: int, stop: int, *args: Any) -> tuple[Any, list]:
            common.check_bounds(start, stop)
            return steps(handles, np.int32(start), np.int32(stop), *args)

        return run


class _Graph:
    """What the contract says of a graph of the framework's own, for a ``tf.Graph``."""

    def __init__(self, graph: tf.Graph) -> None:
        self.graph = graph
        self.sessions = Sessions(graph)
        self._learning_phase: tf.Tensor | None = None

    def placeholder(self, shape: Any, dtype: str, name: str) -> tf.Tensor:
        with self.graph.as_default():
            return v1.placeholder(dtype, shape, eager.variable_name(name))

    def data(self, name: str) -> Callable | None:
        return datasets.native(name)

    def learning_phase(self) -> tf.Tensor:
        if self._learning_phase is None:
            with self.graph.as_default(), tf.control_dependencies(None):
                self._learning_phase = v1.placeholder_with_default(
                    False, (), "keras_learning_phase"
                )
        return self._learning_phase

    def draw(self, handle: tf.Variable) -> tf.Tensor:
        # each place that draws has a key of its own, whatever order the session runs them in
        place = handle._tricorn_draws = getattr(handle, "_tricorn_draws", -1) + 1
        return handle.assign_add([0, 1]).read_value() + [place * 0x9E3779B9 % 2**31, -1]

    def function(self, inputs: Any, outputs: Any, updates: Any) -> Callable:
        with self.graph.as_default(), tf.control_dependencies(None):
            results = [tf.convert_to_tensor(x) for x in outputs]
            values = [tf.convert_to_tensor(value, h.dtype) for h, value in updates]
            with tf.control_dependencies([*results, *values]):
                assignments = [h.assign(v).op for (h, _), v in zip(updates, values)]
        run = self.callable([*results, *assignments], list(inputs))

        kinds = [x.dtype.as_numpy_dtype for x in inputs]

        def call(values: Sequence) -> list:
            return run(*map(np.asarray, values, kinds))[: len(results)]

        return call

    def update(self, handle: tf.Variable, value: tf.Tensor) -> Update:
        with self.graph.as_default():
            return Update(handle, eager.cast(value, handle.dtype.base_dtype.name))

    def alias(self, x: tf.Tensor) -> tf.Tensor:
        with self.graph.as_default():
            return tf.identity(x)

    def gradients(self, loss: tf.Tensor, wrt: Sequence) -> list[tf.Tensor]:
        with self.graph.as_default():
            found = tf.gradients(loss, list(wrt))
            return [
                tf.zeros_like(x) if grad is None else tf.convert_to_tensor(grad)
                for x, grad in zip(wrt, found)
            ]

    def get_session(self) -> Any:
        return self.sessions.get()

    def set_session(self, session: Any) -> None:
        of = self if session is None else engine_of(session.graph).own_graph()
        of.sessions.set(session)

    def after(self, tensors: Sequence) -> Any:
        """Operations made inside run after `tensors`."""
        return self.graph.control_dependencies(list(tensors))

    def callable(self, fetches: list, feeds: list) -> Callable:
        """``run(*values) -> values of the fetches`` (None for operations), in today's session."""
        made: weakref.WeakKeyDictionary[Any, Callable] = weakref.WeakKeyDictionary()

        def run(*values: Any) -> list:
            session = self.sessions.get()
            call = made.get(session)
            if call is None:
                call = made[session] = session.make_callable(fetches, feeds)
            return call(*values)

        return run


class Update:
    """A variable and the value it takes when a session runs this object, which unpacks to both.

    Attributes:
        op: the operation that assigns.
    """

    def __init__(self, variable: tf.Variable, value: tf.Tensor) -> None:
        self.variable, self.value = variable, value
        with tf.control_dependencies(None):
            self.op: tf.Operation = variable.assign(value).op

    def __iter__(self) -> Iterator:
        return iter((self.variable, self.value))

    @property
    def device(self) -> str:
        return self.op.device

    def _as_graph_element(self) -> tf.Operation:
        """What TensorFlow asks for wherever it takes operations and tensors."""
        return self.op


class _Program:
    """``run(handles, *args) -> (result, handles)``: `fn` built into the graph once for each kind of
    arguments, then run by the session with the arguments fed; results are NumPy arrays."""

    def __init__(self, place: _Place, fn: Callable) -> None:
        self.place, self.fn = place, fn
        self.built: dict[Any, tuple[Callable, Any, int]] = {}

    def __call__(self, handles: list, *args: Any) -> tuple[Any, list]:
        leaves, structure = tree.take_apart(args)
        leaves = [self._fed(leaf) for leaf in leaves]
        key = structure, tuple([(x.shape, x.dtype) for x in leaves]), tuple(map(id, handles))
        if key not in self.built:
            self.built[key] = self._build(handles, leaves, structure)
        run, result, count = self.built[key]
        return tree.unflatten(result, run(*leaves)[:count]), handles

    def _fed(self, leaf: Any) -> np.ndarray:
        return self.place.numpy(leaf) if isinstance(leaf, tf.Tensor) else np.asarray(leaf)

    def _build(self, handles: list, leaves: list, structure: Any) -> tuple[Callable, Any, int]:
        own = self.place.own_graph()
        graph = own.graph
        with graph.as_default(), tf.control_dependencies(None), _keeping(graph, False):
            feeds = [v1.placeholder(x.dtype, x.shape) for x in leaves]
            state = [self.place.read(handle) for handle in handles]
            result, after = self.fn(list(state), *tree.unflatten(structure, feeds))
            found, result_structure = tree.take_apart(result)
            found = [tf.convert_to_tensor(x) for x in found]
            changed = eager.changes(handles, state, after)
            # assigned together, and after everything was computed from what was
            with tf.control_dependencies([*found, *[new for _, new in changed]]):
                assignments = [handle.assign(new).op for handle, new in changed]
        run = own.callable([*found, *assignments], feeds)
        return run, result_structure, len(found)
