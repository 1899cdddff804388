"""What compiled programs depend on besides their arguments.

Python state that a function reads while it is compiled is baked into the program.  What the
library itself reads stands in one record, `Ambient`, which is a part of the key wherever something
compiled is looked up: set it to something else, and the next call compiles anew; set it back, and
the old program is used again.  The trainable flags of layers and Variables are too many for a
record: those that were read while a program was made are kept with it, see `Flags`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, NamedTuple

from tricorn import config
from tricorn.engines import registry
from tricorn.graph import phase
from tricorn.graph.calls import training_now
from tricorn.graph.placement import placed


class Ambient(NamedTuple):
    """The record.

    Attributes:
        engine: the active one; in a native graph, the one of this graph.
        device: the name that `device` chose, or None.
        learning_phase: what `phase.fix` set, or None.
        training: the flag of the layer call around, or None.
        floatx, epsilon, image_data_format, flash_attention: see `tricorn.config`.
        dtype_policy: (the name of the global policy, None: floatx; how often built layers were
            quantized or adapted).
        autocast: the dtype that float Variables are read in, or None.
        generator: which global random generator it is; seeding keeps it.
        portable: whether draws without a generator are the same on every engine.
    """

    engine: Any
    device: str | None
    learning_phase: bool | None
    training: Any
    floatx: str
    epsilon: float
    image_data_format: str
    flash_attention: bool | None
    dtype_policy: tuple[str | None, int] | None
    autocast: str | None
    generator: int
    portable: bool


#: field -> what tells it; modules that stand above this one put their own here
sources: dict[str, Callable[[], Any]] = {
    "engine": registry.active,
    "device": placed,
    "learning_phase": phase.fixed,
    "training": training_now,
    "floatx": config.floatx,
    "epsilon": config.epsilon,
    "image_data_format": config.image_data_format,
    "flash_attention": config.is_flash_attention_enabled,
    **dict.fromkeys(("dtype_policy", "autocast", "generator", "portable"), lambda: None),
}


def now() -> Ambient:
    """The record as it stands here."""
    return Ambient._make([sources[field]() for field in Ambient._fields])


class Flags:
    """The layers and Variables whose `trainable` was read while a program was made."""

    __slots__ = ("owners",)

    def __init__(self, owners: list[Any]) -> None:
        self.owners = owners

    def now(self) -> tuple[bool, ...]:
        """Their flags as they stand."""
        return tuple([owner.trainable for owner in self.owners])


_read: ContextVar[dict[int, Any] | None] = ContextVar("tricorn_flags_read", default=None)


def flag_read(owner: Any) -> None:
    """`trainable` of a layer or Variable is being read."""
    found = _read.get()
    if found is not None:
        found[id(owner)] = owner


def reading_flags() -> bool:
    """Whether it is noted whose flags are read."""
    return _read.get() is not None


class ReadingFlags:
    """A block that notes whose flags are read in it: id -> layer or Variable."""

    def __enter__(self) -> dict[int, Any]:
        found: dict[int, Any] = {}
        self._token = _read.set(found)
        return found

    def __exit__(self, *error: Any) -> None:
        _read.reset(self._token)
