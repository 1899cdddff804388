"""Starting afresh within one process."""

from __future__ import annotations

import gc

from tricorn import naming, seeds
from tricorn.engines import registry
from tricorn.graph import phase


def clear_session(free_memory: bool = True) -> None:
    """Forget what a loop of models leaves behind: default names begin anew, the global random
    generator too, no learning phase is set any more, and compiled programs of models that are gone
    are dropped.

    Args:
        free_memory: also collect garbage now.

    Example:
        >>> keras.utils.clear_session()
        >>> keras.layers.Dense(2).name
        'dense'
    """
    naming.clear()
    seeds.clear()
    phase.release()
    if free_memory:
        gc.collect()
    for engine in registry.loaded():
        engine.clear()
