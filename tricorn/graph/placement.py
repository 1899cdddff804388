"""Devices: their names, and where tensors are made and computed."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

from tricorn import tree
from tricorn.engines import registry
from tricorn.engines.contract import EngineError
from tricorn.graph import op

_SPELLING = re.compile(
    r"/?(?:job:\w+/)?(?:replica:\d+/)?(?:task:\d+/)?(?:device:)?([a-z_]+)(?::(\d+))?"
)
_placed: ContextVar[str | None] = ContextVar("tricorn_device", default=None)
#: the name of the device that `device` chose here, or None
placed = _placed.get


def canonical(name: Any) -> str:
    """A device's name as ``"kind:number"``: ``"/GPU:0"``, ``"/device:GPU:0"``, ``"cuda"`` and
    ``"gpu"`` are ``"gpu:0"``.

    Raises:
        ValueError: for what is no name of a device.
    """
    found = _SPELLING.fullmatch(name.lower()) if isinstance(name, str) else None
    if found is None:
        raise ValueError(
            f"a device is named like 'cpu', 'gpu:0', '/gpu:1' or '/device:CPU:0', got {name!r}"
        )
    kind = {"cuda": "gpu", "rocm": "gpu"}.get(found[1], found[1])
    return f"{kind}:{int(found[2] or 0)}"


def _existing(name: Any, engine: registry.Engine) -> str:
    chosen, there = canonical(name), engine.devices()
    if chosen not in there:
        raise EngineError(
            f"the engine {engine.name!r} has no device {chosen!r}; there are {', '.join(there)}"
        )
    return chosen


@contextlib.contextmanager
def device(device_name: str | None) -> Iterator[None]:
    """Make and compute tensors on a device in a block: ``with tricorn.device("/gpu:0"): ...``.

    Variables that are made inside live there.  Compiled functions, `fit` and `predict` that are
    called inside run there; a block inside of a function that is compiled is the engine's matter
    (JAX compiles a function for one device, the one of its call).

    Args:
        device_name: ``"cpu"``, ``"gpu:1"``, or TensorFlow's spellings ``"/gpu:1"``,
            ``"/device:GPU:1"``; None: where the block is.

    Raises:
        ValueError: for what is no name of a device.
        EngineError: for a device that is not there; the message lists those that are.

    Example:
        >>> with keras.device("cpu"):
        ...     x = keras.ops.ones((2,))
    """
    engine = registry.active()
    if device_name is None:
        yield
        return
    if engine.capabilities["abstract"]:
        canonical(device_name)
        yield
        return
    chosen = _existing(device_name, engine)
    token = _placed.set(chosen)
    try:
        with engine.device(chosen):
            yield
    finally:
        _placed.reset(token)


def placing(engine: registry.Engine, name: str | None) -> contextlib.AbstractContextManager:
    """What makes tensors of `engine` on the device, where it has that one."""
    if name is None or name not in engine.devices():
        return contextlib.nullcontext()
    return engine.device(name)


def list_devices() -> list[str]:
    """The names of the devices that the active engine sees, e.g. ``["gpu:0", "cpu:0"]``.

    Example:
        >>> "cpu:0" in keras.list_devices()
        True
    """
    return list(registry.active().devices())


def num_gpus() -> int:
    """How many GPUs the active engine sees.

    Example:
        >>> keras.num_gpus() >= 0
        True
    """
    return sum(name.startswith("gpu:") for name in registry.active().devices())


def to_device(x: Any, name: str) -> Any:
    """`x` on a device; gradients pass.

    Args:
        x: tensor, array, number or Variable (its value), or a tree of them.
        name: as for `device`.

    Returns:
        Tensors.  JAX and torch compute where the tensors are; TensorFlow where `device` says.

    Raises:
        EngineError: for a device that is not there.

    Example:
        >>> keras.to_device(np.ones(2, "float32"), "cpu:0")
        Array([1., 1.], dtype=float32)
    """
    engine = registry.active()
    chosen = canonical(name) if engine.capabilities["abstract"] else _existing(name, engine)
    return tree.map(lambda leaf: engine.place(op.convert(engine, leaf, None), chosen), x)


def cpu(x: Any) -> Any:
    """`x` on the CPU, see `to_device`.

    Example:
        >>> keras.cpu(keras.ops.ones((2,)))
        Array([1., 1.], dtype=float32)
    """
    return to_device(x, "cpu:0")


def gpu(x: Any, index: int = 0) -> Any:
    """`x` on the GPU number `index`, see `to_device`.

    Example:
        >>> # y = keras.gpu(x); where there is none, an error says which devices there are
    """
    return to_device(x, f"gpu:{index}")
