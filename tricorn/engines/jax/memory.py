"""Keep the memory that XLA's CPU programs give back, while a training runs.

XLA on CPU takes one large block of scratch memory for each run of a program and frees it after.  To
touch its pages anew is a quarter of the time of a small convolutional network (50 of 220 ms a step
in system time, measured on two Zen 3 cores; 2.1 million page faults in five epochs, 0.1 million
with `tricorn.memory.kept`, and 1.3 times the samples per second; a small ResNet gained as much).

That takes a single arena, and helps only where JAX's threads do not have arenas of their own yet,
that is, where JAX has computed nothing before the process's first training: a thread's own arena
takes blocks of this size from mmap whatever the settings say.

In a single arena XLA's threads wait for each other where steps are short: with arenas of their own
a small MLP trains at 1.2 times the rate, an LSTM and a GRU at 1.1; small convolutional networks, a
GPT and a ConvLSTM at 0.75 to 0.8 (measured on two EPYC cores).  So light models have those.
"""

from __future__ import annotations

import contextlib
import importlib.util

import jax

from tricorn import memory

#: a model whose layers give fewer numbers for a batch is light: between the heaviest that gained by
#: arenas of its threads (an embedding, 420,000) and the lightest that lost (a ConvLSTM, a million)
_LIGHT = 2**19


def training(trains: bool = True, numbers: int | None = None) -> contextlib.AbstractContextManager:
    """The contract's `training`: where XLA computes on the CPU freed memory stays inside.
    Predictions do not gain."""
    if not (trains and _on_cpu()):
        return contextlib.nullcontext()
    return memory.kept(single_arena=numbers is None or numbers >= _LIGHT)


def _on_cpu() -> bool:
    """Whether programs run on the CPU; where no other is possible, JAX is not made to start."""
    plugins = map(importlib.util.find_spec, ("jax_plugins", "libtpu"))
    platforms = jax.config.jax_platforms or ("" if any(plugins) else "cpu")
    return platforms == "cpu" or jax.default_backend() == "cpu"
