"""The graph that code builds: ours, of symbolic tensors (`Graph`), or the engine's own
(`EngineGraph`), whose tensors and variables are the framework's.

Whatever the two do differently is a method here.  Who needs it asks `current_graph()` and does not
branch; where the work of our graph belongs to floors above, it is given as a function.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from tricorn import tree
from tricorn.engines import contract, known, registry
from tricorn.engines.abstract import AbstractTensor
from tricorn.engines.contract import EngineError
from tricorn.graph.scope import Readable, Scope, current
from tricorn.graph.size_values import is_size, tried_out
from tricorn.graph.symbolic import (
    Node,
    NotRecording,
    SymbolicTensor,
    attach,
    is_symbolic,
    name_of,
    treated_as_plain,
)

#: the learning phase of our graphs
_PHASE = SymbolicTensor((), "bool", name="learning_phase")


def current_graph() -> Graph:
    """The graph that code builds here.  Asking loads no engine, but for one whose framework is
    imported and has graphs: the code may be in one of those."""
    engine = registry.active_if_loaded()
    if engine is None and known.may_be_in_a_graph(registry.name()):
        engine = registry.active()
    return _OURS if engine is None else graph_of(engine)


def graph_of(engine: registry.Engine) -> Graph:
    """The graph that tensors and variables of `engine` belong to."""
    own = engine.own_graph()
    return _OURS if own is None else EngineGraph(engine, own)


class Graph:
    """Our graph: symbolic tensors, and nodes that say how they are computed.  Variables belong to
    none, and have a value at any time."""

    #: whether Variables made here are the framework's, which users get in their place
    owns_variables = False
    #: whether the learning phase is a tensor that is fed when the graph is run; it is open until a
    #: run elsewhere
    feeds_phase = False

    # ----------------------------------------------------------------------------------- tensors

    def holds(self, x: Any) -> bool:
        """Whether `x` is a tensor of a graph, so that a call on it is recorded."""
        return is_symbolic(x)

    def placeholder(self, shape: tuple, dtype: str, name: str | None, sparse: bool = False) -> Any:
        """A tensor that is given a value when the graph is run."""
        return SymbolicTensor(shape, dtype, sparse, name=name)

    def data(self, name: str) -> Callable | None:
        """The framework's own function that makes a dataset or an iterator, by its name in
        ``tricorn.data``; None: ours is to be taken."""
        return None

    def alias(self, x: Any) -> Any:
        """A tensor that equals `x`, to hang another history on."""
        return x

    def sizes(self, values: np.ndarray) -> Any:
        """Known sizes (int32), as they stand in the graph."""
        return values

    def learning_phase(self) -> Any:
        """The tensor that says whether the graph is run to train."""
        return _PHASE

    # ------------------------------------------------------------------------------------- calls

    def results(self, run: Callable, args: tuple, kwargs: dict) -> Any:
        """What ``run(engine, args, kwargs)``, the body of an op, gives for tensors of the graph:
        the results' shapes, from the body on abstract tensors."""
        # what a draw assigns while shapes are worked out is thrown away with the scope
        with NotRecording(), Scope(isolated=True):
            run = functools.partial(run, registry.load("abstract"))
            if any(map(is_size, tree.leaves((args, kwargs)))):
                given = tree.map(lambda x: x if is_size(x) else abstracted(x), (args, kwargs))
                found = tried_out(run, given)
                if found is not None:
                    return found
            return run(*tree.map(abstracted, (args, kwargs)))

    def unrecorded(self, shapes: Callable[[], Any], run: Callable[[], Any]) -> Any:
        """What the body of a layer gives that cannot be recorded: `shapes`, or what `run` gives."""
        return shapes()

    def body(self, fn: Callable, record: Callable[[], Any]) -> Any:
        """A function given to a loop: `record` makes a graph of its own of it."""
        return record()

    def losses_of(self, nodes: Callable[[], list[Node]]) -> Iterable:
        """The losses that belong to calls: none, a run finds its own."""
        return ()

    def regularize(self, layer: Any, penalties: Callable[[], list]) -> None:
        """Add what a layer's `activity_regularizer` gives for a recorded call."""

    # --------------------------------------------------------------------------------- variables

    def made(self, variable: Any) -> None:
        """A Variable is new: its handle is made when it is needed."""

    def mark(self, handle: Any, variable: Any) -> None:
        """Let `scope.variable_behind` find the Variable of a handle."""

    def for_users(self, variables: list) -> list:
        """What users get for Variables."""
        return variables

    def assignment(self, variable: Any, value: Any) -> Any:
        """What an assignment is in a recording: a pair."""
        return variable, value

    def update(self, variable: Any, value: Callable[[], Any], otherwise: Callable[[], Any]) -> Any:
        """What ``K.update`` gives: our graphs have no runs of the user's own, so it is done at once
        or kept for a function, as `otherwise` does."""
        return otherwise()

    def next_key(self, state: Any, draw: Callable[[], Any]) -> Any:
        """The key of the next draw of a random generator: `draw` counts up its `state`."""
        return draw()

    def moves_by_itself(self, variable: Any) -> bool:
        """Whether a Variable changes when the graph is run, without being assigned."""
        return False

    # -------------------------------------------------------------------------------- running it

    def function(
        self, inputs: list, outputs: Any, updates: Sequence, name: str, planned: Callable[[], Any]
    ) -> Callable[[list, bool | None], Any]:
        """``run(values, training) -> tree like outputs``, of values of the `inputs`; it does the
        `updates` [(Variable, tensor)] too: as `planned` makes it."""
        return planned()

    def gradients(self, loss: Any, wrt: list, planned: Callable[[Any, list], list]) -> list:
        """The gradients of a loss by Variables and tensors `wrt`, as `planned` gives them."""
        return planned(loss, wrt)

    def after(self, tensors: Sequence) -> contextlib.AbstractContextManager:
        """A block whose operations run after `tensors`: a value comes before what is computed from
        it anyway."""
        return contextlib.nullcontext()

    def get_session(self) -> Any:
        """What runs the graph.

        Raises:
            EngineError: where there is no such thing.
        """
        raise EngineError(
            f"the engine {registry.name()!r} has no sessions here: there are sessions where "
            "tensors belong to a graph, that is with TensorFlow inside a tf.Graph or with eager "
            "execution switched off. Elsewhere K.function, K.eval and K.get_value run without one"
        )

    def set_session(self, session: Any) -> None:
        """Let `session` run the graph; raises as `get_session`."""
        self.get_session()


class EngineGraph(Graph):
    """A graph of the engine's own.  Its tensors carry their history as attributes.

    Args:
        engine: the engine of that graph.
        own: what the engine does there.
    """

    owns_variables = feeds_phase = True

    def __init__(self, engine: registry.Engine, own: contract.Graph) -> None:
        self.engine, self.own = engine, own

    def holds(self, x: Any) -> bool:
        return is_symbolic(x) or (not treated_as_plain() and self.engine.is_tensor(x))

    def placeholder(self, shape: tuple, dtype: str, name: str | None, sparse: bool = False) -> Any:
        tensor = self.own.placeholder(shape, dtype, name or "placeholder")
        attach(tensor, None, 0)
        return tensor

    def data(self, name: str) -> Callable | None:
        return self.own.data(name)

    def alias(self, x: Any) -> Any:
        return self.own.alias(x)

    def sizes(self, values: np.ndarray) -> Any:
        return self.engine.tensor(values, "int32")

    def learning_phase(self) -> Any:
        return self.own.learning_phase()

    def results(self, run: Callable, args: tuple, kwargs: dict) -> Any:
        if any(type(leaf) is SymbolicTensor for leaf in tree.leaves((args, kwargs))):
            return super().results(run, args, kwargs)
        with NotRecording():
            return run(self.engine, args, kwargs)

    def unrecorded(self, shapes: Callable[[], Any], run: Callable[[], Any]) -> Any:
        return run()

    def body(self, fn: Callable, record: Callable[[], Any]) -> Any:
        return _Unrecorded(fn)

    def losses_of(self, nodes: Callable[[], list[Node]]) -> Iterable:
        if current() is not None:
            return ()
        return [x for n in nodes() for losses in n.effects.losses.values() for x in losses]

    def regularize(self, layer: Any, penalties: Callable[[], list]) -> None:
        if layer.activity_regularizer is not None:
            layer.add_loss(penalties())

    def made(self, variable: Any) -> None:
        variable.handle(self.engine)  # under the names and on the device that hold here

    def mark(self, handle: Any, variable: Any) -> None:
        handle._tricorn_variable = variable

    def for_users(self, variables: list) -> list:
        return [variable.native(self.engine) for variable in variables]

    def assignment(self, variable: Any, value: Any) -> Any:
        return self.own.update(variable.handle(self.engine), value)

    def update(self, variable: Any, value: Callable[[], Any], otherwise: Callable[[], Any]) -> Any:
        return self.assignment(variable, value())

    def next_key(self, state: Any, draw: Callable[[], Any]) -> Any:
        return self.own.draw(state.handle(self.engine)) if self._is_for_user() else draw()

    def moves_by_itself(self, variable: Any) -> bool:
        return variable.random and self._is_for_user()

    def _is_for_user(self) -> bool:
        """Whether the graph is built here for the user to run, not as a program of the library's
        own."""
        scope = current()
        return scope is None or not scope.frozen

    def function(
        self, inputs: list, outputs: Any, updates: Sequence, name: str, planned: Callable[[], Any]
    ) -> Callable[[list, bool | None], Any]:
        leaves, structure = tree.take_apart(outputs)
        given = [*inputs, *leaves, *(value for _, value in updates)]
        if not any(map(self.engine.is_tensor, given)):
            return planned()
        handles = [(variable.handle(self.engine), value) for variable, value in updates]
        run = self.own.function([*inputs, self.own.learning_phase()], leaves, handles)

        def checked(values: list, training: bool | None) -> Any:
            for value, tensor in zip(values, inputs):
                check_shape(np.shape(value), tensor, name)
            return tree.unflatten(structure, run([*values, bool(training)]))

        return checked

    def gradients(self, loss: Any, wrt: list, planned: Callable[[Any, list], list]) -> list:
        if not self.engine.is_tensor(loss):
            return planned(loss, wrt)
        handles = [w.handle(self.engine) if isinstance(w, Readable) else w for w in wrt]
        return self.own.gradients(loss, handles)

    def after(self, tensors: Sequence) -> contextlib.AbstractContextManager:
        return self.own.after(tensors)

    def get_session(self) -> Any:
        return self.own.get_session()

    def set_session(self, session: Any) -> None:
        self.own.set_session(session)


_OURS = Graph()


class _Unrecorded:
    """A function that a loop in a graph of the engine's own runs as it is."""

    captured: tuple = ()

    def __init__(self, fn: Callable) -> None:
        self.fn = fn

    def run(self, captured: Sequence, *args: Any) -> Any:
        return self.fn(*args)


def abstracted(x: Any) -> Any:
    """A leaf as the abstract engine takes it: symbolic tensors and Variables lose all but shape."""
    if isinstance(x, Readable):
        return AbstractTensor(tuple(x.shape), x.read_dtype)
    if isinstance(x, SymbolicTensor):
        return AbstractTensor(tuple(x.shape), x.dtype)
    return x


def check_shape(got: tuple, tensor: Any, name: str) -> None:
    """Raise a ValueError where a value of shape `got` does not fit an input of a function."""
    want = tuple(tensor.shape)
    if len(want) != len(got) or any(w not in (None, g) for w, g in zip(want, got)):
        raise ValueError(
            f"the function {name!r} expects shape {want} for the input {name_of(tensor)!r}, "
            f"got {got}"
        )
