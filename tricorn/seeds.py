"""Seeds and random state.

Two kinds of draws:

* *host draws*: a counter-based generator (Philox), so they are the same on every engine.  Initial
  weights are keyed by the global seed and the ordinal of the draw since `set_random_seed`; the
  order of an epoch by the seed, the ordinal of the `fit` since then, and the number of the epoch,
  so that nothing made between two epochs changes it;
* *in-graph draws* (dropout, noise): the state of a `SeedGenerator`, a Variable (seed, counter), is
  the key, and the counter goes up with every draw.  The engine's own generator draws, or a portable
  one: a SeedGenerator is portable from the `set_random_seed` before it was made, for life, so what
  was compiled with it stays right.
"""

from __future__ import annotations

import random as _python_random
import threading
from typing import Any

import numpy as np

from tricorn import checks, naming
from tricorn.engines import active
from tricorn.graph import ambient
from tricorn.graph.graphs import current_graph, graph_of
from tricorn.graph.scope import current
from tricorn.variable import Variable, name_scope

#: what a draw adds to the state: nothing to the seed, one to the counter
_NEXT = np.array([0, 1], np.int32)


class _HostState:
    """The global seed, and what was drawn and begun since it was set."""

    def __init__(self) -> None:
        #: held while this changes, and never while a Variable is waited for
        self.lock = threading.Lock()
        #: held while a generator draws at once: no two threads get the same key
        self.drawing = threading.RLock()
        self.seed = _python_random.SystemRandom().getrandbits(31)
        self.ordinal = self.fits = 0
        self.portable = False
        #: the generator of draws that have none, once there is one, and how many were dropped
        self.generator: SeedGenerator | None = None
        self.dropped = self.dropped_since = 0

    def next(self) -> tuple[int, int]:
        with self.lock:
            self.ordinal += 1
            return self.seed, self.ordinal

    def drop(self) -> None:
        """Forget the global generator: what was compiled with it is of no use any more."""
        with self.lock:
            self.generator = None
            self.dropped += 1
            self.dropped_since += 1


_host = _HostState()
ambient.sources["generator"] = lambda: _host.dropped
ambient.sources["portable"] = lambda: _host.portable


def set_random_seed(seed: int, portable: bool = False) -> None:
    """Seed everything: initial weights, shuffles, in-graph draws, NumPy and Python.  Functions that
    draw without a generator need not be compiled again: what they draw begins anew.

    Two runs (or two builds in one run) after equal seeds give equal weights on every engine.

    Args:
        seed: an int in [0, 2³²).
        portable: draw dropout, noise and augmentation with a generator that is the same on every
            engine (Threefry), not with the engine's own, which is faster. It holds for the layers
            and SeedGenerators made from now on, and for draws without one.

    Raises:
        ValueError: for another value.

    Example:
        >>> keras.utils.set_random_seed(1)
        >>> kernel = keras.layers.Dense(2, name="a").build((None, 3))
    """
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**32:
        raise ValueError(f"seed must be an integer in [0, 2**32), got {seed!r}")
    seed = int(seed)
    _python_random.seed(seed)
    np.random.seed(seed)
    with _host.lock:
        _host.seed, _host.portable = seed, bool(portable)
        _host.ordinal = _host.fits = _host.dropped_since = 0
        generator = _host.generator
    if generator is None:
        return
    if any(graph_of(engine).owns_variables for engine in generator.state._handles):
        _host.drop()  # the draws that a graph has built stay as they are
    else:
        generator.portable = _host.portable
        generator.reseed(_global_seed())


def clear() -> None:
    """Forget the global in-graph generator; the seed and the sequence of host draws stay."""
    _host.drop()


def state() -> dict[str, Any]:
    """What all draws to come depend on, besides the SeedGenerators of layers."""
    with _host.lock:
        names = ("seed", "ordinal", "fits", "portable", "dropped_since")
        found = {name: getattr(_host, name) for name in names}
    generator = _host.generator
    return {**found, "generator": None if generator is None else generator.state.numpy()}


def set_state(state: dict[str, Any]) -> None:
    """Go on from a `state`."""
    host = dict(state)
    value = host.pop("generator")
    with _host.lock:
        vars(_host).update(host)
    if value is not None:
        _global_generator().state.hold(value)


def begin_fit() -> tuple[int, int]:
    """(the global seed, the ordinal of the training that begins now since it was set)."""
    with _host.lock:
        _host.fits += 1
        return _host.seed, _host.fits


def order(seed: int, fit: int, epoch: int, size: int) -> np.ndarray:
    """The order of `size` samples in an epoch of a fit: int32 of shape (size,)."""
    return _stream(seed, epoch % 2**64, fit).permutation(size).astype(np.int32)


def _stream(seed: int, *place: int) -> np.random.Generator:
    """A NumPy generator of its own for each (seed, place), two numbers of which one is not 0."""
    key = np.array([seed, 0], np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=[0, 0, *place]))


def _global_seed() -> int:
    """The seed of the global generator, which follows from the global seed alone, until it is
    dropped."""
    return int(_stream(_host.seed, 1 + _host.dropped_since, 0).integers(2**31))


def host_generator(seed: int | None = None) -> np.random.Generator:
    """A NumPy generator for one host draw: of `seed`, or the next of the global sequence."""
    key = (int(seed), 0) if seed is not None else _host.next()
    return np.random.Generator(np.random.Philox(key=np.array(key, np.uint64)))


def make_default_seed() -> int:
    """A fresh seed: the next of the global sequence."""
    return int(host_generator().integers(2**31))


class SeedGenerator:
    """The random state of one layer (or of a user's own draws).

    Args:
        seed: an int; None takes the next of the global sequence.
        name: name of the state Variable's owner.

    Attributes:
        state: int32 Variable of shape (2,): seed and counter.
        portable: whether its draws are the same on every engine; see `set_random_seed`.

    Example:
        >>> generator = keras.random.SeedGenerator(seed=1)
        >>> first, second = (keras.random.normal((2,), seed=generator) for _ in range(2))
        >>> bool(keras.ops.all(first == second))
        False
    """

    _tricorn_tracked_as = "seed generator"

    def __init__(self, seed: int | None = None, name: str | None = None, **kwargs: Any) -> None:
        if kwargs:
            raise TypeError(f"SeedGenerator does not know the arguments {sorted(kwargs)}")
        if seed is None:
            seed = make_default_seed()
        if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)):
            raise ValueError(f"seed must be an integer or None, got {seed!r}")
        self.seed = int(seed)
        self.name = checks.name(self, name) or naming.unique("SeedGenerator")
        self.portable = _host.portable
        with name_scope(self.name, self):
            self.state = Variable(
                _first_state(self.seed), dtype="int32", trainable=False, name="seed_generator_state"
            )
        self.state.random = True

    def reseed(self, seed: int) -> None:
        """Begin anew, as a generator with this seed."""
        self.seed = seed
        self.state.hold(_first_state(seed))

    def next(self, ordered: bool = True) -> Any:
        """The key of the next draw, an int32 tensor of shape (2,); counts up.

        Args:
            ordered: draws always come in the order of asking; for Keras's signature.
        """
        return current_graph().next_key(self.state, self._next)

    def _next(self) -> Any:
        if current() is not None:
            return self._draw()
        with _host.drawing:
            return self._draw()

    def _draw(self) -> Any:
        key = self.state.value
        engine = active()
        self.state.assign(engine.add(key, engine.tensor(_NEXT, "int32")))
        return key

    def get_config(self) -> dict[str, Any]:
        return {"seed": self.seed, "name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> SeedGenerator:
        return cls(**config)


def _first_state(seed: int) -> np.ndarray:
    return np.array([seed % 2**32, 0], np.uint32).view(np.int32)


def key_of(seed: Any) -> Any:
    """The key for a draw: from a SeedGenerator its next, from an int a fixed one, from None the
    next of the global generator.

    Raises:
        TypeError: for something else.
    """
    if isinstance(seed, SeedGenerator):
        return seed.next()
    if seed is None:
        return _global_generator().next()
    if isinstance(seed, (int, np.integer)) and not isinstance(seed, bool):
        return _first_state(int(seed))
    raise TypeError(f"seed must be None, an int or a SeedGenerator, got {seed!r}")


def _global_generator() -> SeedGenerator:
    generator = _host.generator
    if generator is None:
        made = SeedGenerator(_global_seed(), "global_seed_generator")
        with _host.lock:
            generator = _host.generator = _host.generator or made
    return generator


def is_portable(seed: Any) -> bool:
    """Whether a draw with this seed (as `key_of` takes it) is to be the same on every engine."""
    return seed.portable if isinstance(seed, SeedGenerator) else _host.portable
