"""Seeds and random state.

Two kinds of draws:

* *host draws* (initial weights, shuffles): a counter-based generator (Philox) keyed by the global
  seed and the ordinal of the draw since `set_random_seed`, so they are the same on every engine;
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

from tricorn.engines import active
from tricorn.graph.phase import native_graph
from tricorn.variable import Variable

#: what a draw adds to the state: nothing to the seed, one to the counter
_NEXT = np.array([0, 1], np.int32)


class _HostState:
    """The global seed and how many host draws were made since it was set."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.seed = _python_random.SystemRandom().getrandbits(31)
        self.ordinal = 0
        self.portable = False

    def next(self) -> tuple[int, int]:
        with self.lock:
            self.ordinal += 1
            return self.seed, self.ordinal


_host = _HostState()
_global_generator: SeedGenerator | None = None


def set_random_seed(seed: int, portable: bool = False) -> None:
    """Seed everything: initial weights, shuffles, in-graph draws, NumPy and Python.

    Two runs (or two builds in one run) after equal seeds give equal weights on every engine.

    Args:
        seed: an int in [0, 2³²).
        portable: draw dropout, noise and augmentation with a generator that is the same on every
            engine (Threefry), not with the engine's own, which is faster. It holds for the layers
            and SeedGenerators made from now on, and for draws without one.

    Raises:
        ValueError: for another value.
    """
    global _global_generator
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**32:
        raise ValueError(f"seed must be an integer in [0, 2**32), got {seed!r}")
    seed = int(seed)
    _python_random.seed(seed)
    np.random.seed(seed)
    _host.seed, _host.ordinal, _host.portable = seed, 0, bool(portable)
    _global_generator = None


def clear() -> None:
    """Forget the global in-graph generator; the seed and the sequence of host draws stay."""
    global _global_generator
    _global_generator = None


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
    """

    _tricorn_tracked_as = "seed generator"

    def __init__(self, seed: int | None = None, name: str | None = None, **kwargs: Any) -> None:
        if kwargs:
            raise TypeError(f"SeedGenerator does not know the arguments {sorted(kwargs)}")
        if seed is None:
            seed = make_default_seed()
        if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)):
            raise ValueError(f"seed must be an integer or None, got {seed!r}")
        self.seed, self.name = int(seed), name or "seed_generator"
        self.portable = _host.portable
        initial = np.array([self.seed % 2**32, 0], np.uint32).view(np.int32)
        self.state = Variable(initial, dtype="int32", trainable=False, name="seed_generator_state")
        self.state.random = True

    def next(self) -> Any:
        """The key of the next draw, an int32 tensor of shape (2,); counts up."""
        graph = native_graph()
        if graph is not None:
            return graph.draw(self.state.handle(graph))
        key = self.state.value
        engine = active()
        self.state.assign(engine.add(key, engine.tensor(_NEXT, "int32")))
        return key

    def get_config(self) -> dict[str, Any]:
        return {"seed": self.seed}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> SeedGenerator:
        return cls(**config)


def key_of(seed: Any) -> Any:
    """The key for a draw: from a SeedGenerator its next, from an int a fixed one, from None the
    next of the global generator.

    Raises:
        TypeError: for something else.
    """
    global _global_generator
    if isinstance(seed, SeedGenerator):
        return seed.next()
    if seed is None:
        if _global_generator is None:
            _global_generator = SeedGenerator(name="global_seed_generator")
        return _global_generator.next()
    if isinstance(seed, (int, np.integer)) and not isinstance(seed, bool):
        return np.array([int(seed) % 2**32, 0], np.uint32).view(np.int32)
    raise TypeError(f"seed must be None, an int or a SeedGenerator, got {seed!r}")


def is_portable(seed: Any) -> bool:
    """Whether a draw with this seed (as `key_of` takes it) is to be the same on every engine."""
    return seed.portable if isinstance(seed, SeedGenerator) else _host.portable
