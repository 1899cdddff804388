"""An engine with a graph of its own, as small as can be: NumPy, computed when a session runs.

Inside of `building()` its tensors are `Lazy`: what is to be computed.  It stands in the tests for
all that is not TensorFlow; nothing above the engines knows it.
"""

import contextlib
import sys
import types
from pathlib import Path

import numpy as np

from tricorn import tree
from tricorn.arithmetic import Arithmetic
from tricorn.engines import contract, registry
from tricorn.engines.abstract import AbstractTensor

sys.path.insert(0, str(Path(__file__).parents[2]))
NUMPY = registry.load("examples.numpy_engine")
sys.path.pop(0)

#: what a primitive is that is not computed tensor by tensor
_OTHER = {"tensor", "numpy", "is_tensor", "shape", "dtype", "devices", "device", "place", "block",
          "device_of", "is_eager", "variant", "context_of", "direct", "training", "clear",
          "variable", "read", "write", "unshared", "set_trainable", "is_live", "must_not_escape",
          "module", "native_gradients", "is_sparse", "sparse", "entries", "dense", "sparse_matmul",
          "random_state", "set_random_state", "unchanging",
          "cond", "while_loop", "scan", "vmap", "vjp", "jvp", "custom_gradient", "checkpoint",
          "eval_shape", "compile", "tape", "own_graph"}  # fmt: skip


class Lazy(Arithmetic):
    """A tensor of the graph: ``compute(run)`` gives its value."""

    def __init__(self, compute, shape, dtype):
        self.compute, self.shape, self.dtype = compute, tuple(shape), dtype
        self.first = list(_first)  # what has to be run before


class Handle:
    """A variable of the graph."""

    def __init__(self, value):
        self.held = value
        self.value = Lazy(lambda run: self.held, value.shape, value.dtype.name)


class Update(tuple):
    """A handle and the tensor that it takes when a session runs this."""


class Run:
    """One run of the graph: tensors read what the variables held before."""

    def __init__(self, feeds):
        self.feeds = feeds
        self.values = {id(x): np.asarray(value) for x, value in feeds.items()}
        self.changes = {}

    def value(self, x):
        if isinstance(x, Update):
            self.changes[x[0]] = self.value(x[1])
            return None
        x = x.value if isinstance(x, Handle) else x
        if id(x) not in self.values:
            for y in x.first:
                self.value(y)
            self.values[id(x)] = x.compute(self)
        return self.values[id(x)]


class Session:
    """What runs the graph."""

    def run(self, fetches, feeds=None):
        run = Run(feeds or {})
        results = [run.value(x) for x in fetches]
        for handle, value in run.changes.items():
            handle.held = NUMPY.tensor(value, handle.value.dtype)
        return results


_first: list = []
_building: list = []


class Graph:
    """`contract.Graph`."""

    def __init__(self):
        self.session, self.phase = Session(), Lazy(lambda run: np.bool_(False), (), "bool")

    def placeholder(self, shape, dtype, name):
        def not_fed(run):
            raise ValueError(f"no value for {name}")

        return Lazy(not_fed, shape, dtype)

    def data(self, name):
        return None

    def learning_phase(self):
        return self.phase

    def function(self, inputs, outputs, updates):
        fetches = [*outputs, *map(Update, updates)]
        return lambda values: self.session.run(fetches, dict(zip(inputs, values)))[: len(outputs)]

    def gradients(self, loss, wrt):
        """By differences, which are exact for what is quadratic."""
        points = [x.value if isinstance(x, Handle) else x for x in wrt]
        return [Lazy(lambda run, x=x: _slope(run, loss, x), x.shape, x.dtype) for x in points]

    def alias(self, x):
        return Lazy(lambda run: run.value(x), x.shape, x.dtype)

    def update(self, handle, value):
        return Update((handle, value))

    def draw(self, handle):
        def compute(run):
            run.changes[handle] = handle.held + np.array([0, 1], "int32")
            return handle.held

        return Lazy(compute, (2,), "int32")

    @contextlib.contextmanager
    def after(self, tensors):
        _first[:], before = [*_first, *tensors], list(_first)
        try:
            yield
        finally:
            _first[:] = before

    def get_session(self):
        return self.session

    def set_session(self, session):
        self.session = session or Session()


def _slope(run, loss, x):
    at, found = np.asarray(run.value(x)), np.zeros(x.shape, x.dtype)
    for place in np.ndindex(*x.shape):
        ends = []
        for step in (1, -1):
            moved = Run(run.feeds)
            moved.values[id(x)] = np.array(at)
            moved.values[id(x)][place] += step
            ends.append(np.sum(moved.value(loss)))
        found[place] = (ends[0] - ends[1]) / 2
    return found


def _lazy(name):
    """A primitive on `Lazy`s: shapes by the abstract engine, values by NumPy."""

    def call(*args):
        leaves, structure = tree.take_apart(args)

        def shaped(x):
            return AbstractTensor(x.shape, x.dtype) if isinstance(x, Lazy) else x

        def compute(run):
            values = [
                NUMPY.tensor(run.value(x), x.dtype) if isinstance(x, Lazy) else x for x in leaves
            ]
            return tree.leaves(getattr(NUMPY, name)(*tree.unflatten(structure, values)))

        whole = Lazy(compute, (), "")
        shapes = getattr(registry.load("abstract"), name)(*tree.map(shaped, args))
        count = iter(range(len(tree.leaves(shapes))))

        def part(x):
            place = next(count)
            return Lazy(lambda run: run.value(whole)[place], x.shape, x.dtype)

        return tree.map(part, shapes)

    return call


def _tensor(value, dtype):
    if isinstance(value, (Lazy, Handle)):
        return getattr(value, "value", value)
    value = NUMPY.tensor(value, dtype)
    return Lazy(lambda run: value, value.shape, value.dtype.name)


def _numpy(x):
    return np.array(GRAPH.session.run([x])[0]) if isinstance(x, Lazy) else np.array(x)


def _cond(pred, yes, no, operands):
    """Both are computed."""
    return tree.map(lambda a, b: ENGINE.where(pred, a, b), yes(*operands), no(*operands))


def _write(handle, value):
    handle.held = NUMPY.tensor(_numpy(value), handle.value.dtype)
    return handle


@contextlib.contextmanager
def building():
    """A block whose tensors belong to the graph."""
    _building.append(True)
    try:
        yield ENGINE
    finally:
        _building.pop()


GRAPH = Graph()
#: the engine of the graph
ENGINE = registry.Engine(
    "lazy",
    types.SimpleNamespace(
        **{name: _lazy(name) for name in contract.PRIMITIVES.keys() - _OTHER},
        CAPABILITIES={"complex": True},
        TENSOR_TYPES=(Lazy,),
        HANDLE_TYPES=(Handle,),
        tensor=_tensor,
        numpy=_numpy,
        is_tensor=lambda x: isinstance(x, Lazy),
        shape=lambda x: x.shape,
        dtype=lambda x: x.dtype,
        variable=lambda value, dtype, trainable, name: Handle(NUMPY.tensor(_numpy(value), dtype)),
        read=lambda handle: handle.value,
        write=_write,
        cond=_cond,
        own_graph=lambda: GRAPH,
    ),
)
#: the engine that computes at once, but for `building`
EAGER = registry.Engine(
    "lazy",
    types.SimpleNamespace(
        **{
            name: getattr(NUMPY, name)
            for name in contract.PRIMITIVES.keys() - {"variant", "direct"}
        },
        CAPABILITIES=NUMPY.capabilities,
        TENSOR_TYPES=tuple(NUMPY.tensor_types),
        variant=lambda: ENGINE if _building else EAGER,
        direct=lambda args, kwargs: not _building,
    ),
)
