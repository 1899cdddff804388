"""Settings, names, the learning phase and the session."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tricorn import config, dtypes, naming, ops
from tricorn.config import epsilon, floatx, image_data_format, set_image_data_format
from tricorn.engines import registry
from tricorn.graph import phase
from tricorn.graph.graphs import current_graph
from tricorn.graph.symbolic import NotRecording, Recorder
from tricorn.utils import session
from tricorn.variable import name_scope


def backend() -> str:
    """The engine's name, such as ``"jax"``; asking loads no engine."""
    return registry.name()


def set_epsilon(e: float) -> None:
    """Set the fuzz factor that keeps divisions and logarithms finite."""
    config.set_epsilon(e)


def set_floatx(floatx: str) -> None:
    """Set the default float dtype: bfloat16, float16, float32 or float64."""
    config.set_floatx(floatx)


def cast_to_floatx(x: Any) -> Any:
    """`x` in the default float dtype: an array stays an array, a tensor a tensor."""
    if isinstance(x, (np.ndarray, np.generic, int, float, list, tuple)):
        return np.asarray(x, dtypes.to_numpy(config.floatx()))
    return ops.cast(x, config.floatx())


def normalize_data_format(value: str | None) -> str:
    """ "channels_first" or "channels_last"; None: as configured.

    Raises:
        ValueError: for another value.
    """
    return config.data_format(value.lower() if isinstance(value, str) else value)


def get_uid(prefix: str = "") -> int:
    """1, 2, 3, ... for each prefix."""
    return naming.uid(prefix)


def reset_uids() -> None:
    """Let `get_uid` and the layers' default names count anew."""
    naming.clear()


def clear_session() -> None:
    """Forget what a loop of models leaves behind: names, the learning phase, the random state, and
    the default graph of an engine that has one."""
    session.clear_session()


# ----------------------------------------------------------------------------- the learning phase


def learning_phase() -> Any:
    """Whether to train (1) or to test (0).

    Inside a layer's call it is that call's flag; else what `set_learning_phase` set; else a bool
    scalar of the graph, which can be an input of a `function` and is 0 where it is not given.
    """
    value = phase.now()
    if isinstance(value, bool):
        return int(value)
    return phase.tensor() if value is None else value


def set_learning_phase(value: Any) -> None:
    """Let everything that is not told otherwise train (1) or test (0).  Layers that are called on
    symbolic tensors while it is set keep it.

    Raises:
        ValueError: for another value.
    """
    phase.fix(value)


# ----------------------------------------------------------------------------------- the session


def get_session() -> Any:
    """The session that runs the graph; its Variables have values.

    Raises:
        EngineError: where the engine has no sessions.
    """
    return current_graph().get_session()


def set_session(session: Any) -> None:
    """Let `session` run the graph.

    Raises:
        EngineError: where the engine has no sessions.
        ValueError: for a session of another graph.
    """
    current_graph().set_session(session)


def manual_variable_initialization(value: bool) -> None:
    """Whether the Variables of a native graph are initialised by the user (True), or with the
    session's first use (False, as it is at the start).  Elsewhere Variables always have values."""
    registry.set_manual_initialization(value)


@contextlib.contextmanager
def control_dependencies(control_inputs: Any) -> Iterator[None]:
    """In a native graph: what is made inside runs after `control_inputs`.  Elsewhere a value comes
    before what is computed from it, and there is nothing to add."""
    with current_graph().after(control_inputs):
        yield


def symbolic(func: Callable) -> Callable:
    """`func`, whose operations are recorded even where there are Variables and arrays only: it
    gives symbolic tensors, for `function`, `gradients` and `eval`."""

    def recorded(*args: Any, **kwargs: Any) -> Any:
        with Recorder(None):
            return func(*args, **kwargs)

    recorded.__name__ = getattr(func, "__name__", "recorded")
    recorded.__doc__ = func.__doc__
    return recorded


def eager(func: Callable) -> Callable:
    """`func`, whose operations run at once, also where others are recorded."""

    def at_once(*args: Any, **kwargs: Any) -> Any:
        with NotRecording():
            return func(*args, **kwargs)

    at_once.__name__ = getattr(func, "__name__", "at_once")
    at_once.__doc__ = func.__doc__
    return at_once


__all__ = [
    "backend", "cast_to_floatx", "clear_session", "control_dependencies", "eager", "epsilon",
    "floatx", "get_session", "get_uid", "image_data_format", "learning_phase",
    "manual_variable_initialization", "name_scope", "normalize_data_format", "reset_uids",
    "set_epsilon", "set_floatx", "set_image_data_format", "set_learning_phase", "set_session",
    "symbolic",
]  # fmt: skip
