"""Keep the memory that XLA's CPU programs give back, while a training runs.

XLA on CPU takes one large block of scratch memory for each run of a program and frees it after.  To
touch its pages anew is a quarter of the time of a small convolutional network (50 of 220 ms a step
in system time, measured on two Zen 3 cores; 2.1 million page faults in five epochs, 0.1 million
with `tricorn.memory.kept`, and 1.3 times the samples per second; a small ResNet gained as much).

That takes a single arena, and helps only where JAX's threads do not have arenas of their own yet,
that is, where JAX has computed nothing before the process's first training: a thread's own arena
takes blocks of this size from mmap whatever the settings say.
"""

from __future__ import annotations

import contextlib
import importlib.util

import jax

from tricorn import memory


def training(trains: bool = True) -> contextlib.AbstractContextManager:
    """The contract's `training`: where XLA computes on the CPU freed memory stays inside.
    Predictions do not gain."""
    keeps = trains and _on_cpu()
    return memory.kept(single_arena=True) if keeps else contextlib.nullcontext()


def _on_cpu() -> bool:
    """Whether programs run on the CPU; where no other is possible, JAX is not made to start."""
    plugins = map(importlib.util.find_spec, ("jax_plugins", "libtpu"))
    platforms = jax.config.jax_platforms or ("" if any(plugins) else "cpu")
    return platforms == "cpu" or jax.default_backend() == "cpu"
