"""Settings: the float type, epsilon, image layout and engine, from ``keras.json`` and the
environment, and what only a program sets.

Order of precedence: what the program sets, ``KERAS_BACKEND`` (engine only), the file
``$KERAS_HOME/keras.json`` (``~/.keras/keras.json``), the defaults.  The file is read when a setting
is first asked for, and made with the defaults when there is none.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import json
import math
import os
import tempfile
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

DEFAULTS: dict[str, Any] = {
    "floatx": "float32",
    "epsilon": 1e-7,
    "backend": "jax",
    "image_data_format": "channels_last",
}
_FLOATS = ("bfloat16", "float16", "float32", "float64")
_LAYOUTS = ("channels_last", "channels_first")

_settings: dict[str, Any] | None = None
_reading = threading.Lock()
#: called after `set_backend`: the engines' registry forgets what it had loaded
on_set_backend: list[Callable[[], None]] = []


def home() -> Path:
    """The folder of settings and cached data: ``$KERAS_HOME``, else ``~/.keras``; when that cannot
    be written, ``.keras`` in the temporary directory."""
    folder = _wished_home()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK | os.X_OK):
            return folder
    except OSError:
        pass
    return Path(tempfile.gettempdir()) / ".keras"


def _wished_home() -> Path:
    return Path(os.path.expanduser(os.environ.get("KERAS_HOME") or "~/.keras"))


def _load() -> dict[str, Any]:
    global _settings
    with _reading:
        if _settings is not None:
            return _settings
        path = _wished_home() / "keras.json"  # may be read where it cannot be written
        found = _read_file(path if os.path.exists(path) else home() / "keras.json")
        settings = {**DEFAULTS, **found}
        if os.environ.get("KERAS_BACKEND"):
            settings["backend"] = os.environ["KERAS_BACKEND"]
        _settings = settings
    return _settings


def _read_file(path: Path) -> dict[str, Any]:
    """The valid settings of a file; one warning when it or a part of it is unusable."""
    if not os.path.exists(path):
        _write_defaults(path)
        return {}
    try:
        found = json.loads(path.read_text())
        if not isinstance(found, dict):
            raise ValueError("it is not a JSON object")
        for key, check in _CHECKS.items():
            if key in found:
                check(found[key])
    except (OSError, ValueError, RecursionError) as error:
        warnings.warn(
            f"{path} is ignored, the defaults are used: {error}; correct it, or delete it to have "
            "it made anew",
            stacklevel=4,
        )
        return {}
    return {key: found[key] for key in DEFAULTS if key in found}


def _write_defaults(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix="keras.json.")
        with os.fdopen(handle, "w") as file:
            json.dump(DEFAULTS, file, indent=4)
        os.replace(name, path)
    except OSError:
        pass  # a read-only home is no reason to fail: the defaults hold


def _check_floatx(value: Any) -> str:
    if value not in _FLOATS:
        raise ValueError(f"floatx must be one of {', '.join(_FLOATS)}, got {value!r}")
    return value


def _check_epsilon(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf:
        raise ValueError(f"epsilon must be a positive number, got {value!r}")
    return float(value)


def _check_layout(value: Any) -> str:
    if value not in _LAYOUTS:
        raise ValueError(f"image_data_format must be one of {', '.join(_LAYOUTS)}, got {value!r}")
    return value


def _check_backend(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"backend must be an engine's name, got {value!r}")
    return value


_CHECKS = {
    "floatx": _check_floatx,
    "epsilon": _check_epsilon,
    "image_data_format": _check_layout,
    "backend": _check_backend,
}


def floatx() -> str:
    """The default float dtype, ``"float32"`` unless set.

    Example:
        >>> keras.config.floatx()
        'float32'
    """
    return (_settings or _load())["floatx"]


def set_floatx(value: str) -> None:
    """Set the default float dtype; `value`: bfloat16, float16, float32 or float64.

    Example:
        >>> keras.config.set_floatx("float64")
        >>> keras.ops.zeros(2)
        Array([0., 0.], dtype=float64)
        >>> keras.config.set_floatx("float32")
    """
    _load()["floatx"] = _check_floatx(value)


def epsilon() -> float:
    """The fuzz factor that keeps divisions and logarithms finite, 1e-7 unless set.

    Example:
        >>> keras.config.epsilon()
        1e-07
    """
    return (_settings or _load())["epsilon"]


def set_epsilon(value: float) -> None:
    """Set the fuzz factor to `value`.

    Example:
        >>> keras.config.set_epsilon(1e-5)
        >>> keras.config.epsilon()
        1e-05
        >>> keras.config.set_epsilon(1e-7)
    """
    _load()["epsilon"] = _check_epsilon(value)


def image_data_format() -> str:
    """``"channels_last"`` or ``"channels_first"``.

    Example:
        >>> keras.config.image_data_format()
        'channels_last'
    """
    return (_settings or _load())["image_data_format"]


def set_image_data_format(data_format: str) -> None:
    """Set the default layout of images.

    Args:
        data_format: "channels_last" or "channels_first".

    Example:
        >>> keras.config.set_image_data_format("channels_first")
        >>> keras.layers.Conv2D(2, 3).data_format
        'channels_first'
        >>> keras.config.set_image_data_format("channels_last")
    """
    _load()["image_data_format"] = _check_layout(data_format)


def data_format(value: str | None) -> str:
    """`value` checked, or the default layout when it is None."""
    return image_data_format() if value is None else _check_layout(value)


def backend() -> str:
    """The configured engine's name, e.g. ``"jax"``.

    Example:
        >>> name = keras.config.backend()  # "jax", "tensorflow" or "torch"
    """
    return (_settings or _load())["backend"]


def set_backend(backend: str) -> None:
    """Configure the engine of the whole process by its name, `backend`.

    It is loaded at the next tensor operation, also when another engine has worked until now; what
    is wrong with it is said then.  `tricorn.set_engine` does the same at once.

    Example:
        >>> keras.config.set_backend(keras.config.backend())
    """
    _load()["backend"] = _check_backend(backend)
    for call in on_set_backend:
        call()


_short_tracebacks = True


def enable_traceback_filtering() -> None:
    """Leave the library's own frames out of the tracebacks of errors, as at the beginning.

    Example:
        >>> keras.config.enable_traceback_filtering()
    """
    global _short_tracebacks
    _short_tracebacks = True


def disable_traceback_filtering() -> None:
    """Show all frames in the tracebacks of errors, the library's own too.

    Example:
        >>> keras.config.disable_traceback_filtering()
        >>> keras.config.is_traceback_filtering_enabled()
        False
        >>> keras.config.enable_traceback_filtering()
    """
    global _short_tracebacks
    _short_tracebacks = False


def is_traceback_filtering_enabled() -> bool:
    """Whether the library's own frames are left out of the tracebacks of errors.

    Example:
        >>> keras.config.is_traceback_filtering_enabled()
        True
    """
    return _short_tracebacks


if TYPE_CHECKING:  # what editors and type checkers see; `_ABOVE` says it to `__getattr__`
    from tricorn.dtype_policies import dtype_policy, set_dtype_policy
    from tricorn.serialization.registry import enable_unsafe_deserialization

# ------------------------------------------------------------------------- what only a program sets

#: public names here whose state is that of a module above -> that module
_ABOVE = {
    "dtype_policy": "dtype_policies",
    "set_dtype_policy": "dtype_policies",
    "enable_unsafe_deserialization": "serialization.registry",
}
_LIMITS = {"epochs": "KERAS_MAX_EPOCHS", "steps_per_epoch": "KERAS_MAX_STEPS_PER_EPOCH"}

_flash_attention: bool | None = None  # False: never
_interactive_logging = True
#: what was set, else the environment says
_limits: dict[str, int | None] = {}


def __getattr__(name: str) -> Any:
    if name not in _ABOVE:
        raise AttributeError(f"tricorn.config has no {name!r}")
    return getattr(importlib.import_module(f"tricorn.{_ABOVE[name]}"), name)


def loading_limit() -> int:
    """Bytes of memory that files and configs may ask for when models are made from them: a quarter
    of the machine's memory unless set.

    It holds for what is not really stored: a config of a few bytes may describe huge layers.  A
    file may ask for 20 times the bytes that it stores, if that is more.

    Example:
        >>> limit = keras.config.loading_limit()
    """
    return _memory() // 4 if _loading_limit is None else _loading_limit


def set_loading_limit(nbytes: int | None) -> None:
    """Set how much memory files and configs may ask for.

    Args:
        nbytes: the number of bytes; None: a quarter of the machine's memory.

    Raises:
        ValueError: for another value.

    Example:
        >>> keras.config.set_loading_limit(2**30)
        >>> keras.config.loading_limit()
        1073741824
        >>> keras.config.set_loading_limit(None)
    """
    global _loading_limit
    if nbytes is not None and (type(nbytes) is not int or nbytes < 0):
        raise ValueError(f"the limit must be a number of bytes, or None, got {nbytes!r}")
    _loading_limit = nbytes


_loading_limit: int | None = None


@functools.cache
def _memory() -> int:
    """Bytes of memory that this process may have."""
    found: list[int] = []
    with contextlib.suppress(AttributeError, OSError, ValueError):  # not on every system
        found.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    with contextlib.suppress(OSError, ValueError):  # "max": a container without a limit
        found.append(int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return min(found, default=8 << 30)


def enable_flash_attention() -> None:
    """Let attention layers use flash attention where it is possible, as they do by default.

    Example:
        >>> keras.config.enable_flash_attention()
    """
    global _flash_attention
    _flash_attention = None


def disable_flash_attention() -> None:
    """Let attention layers not use flash attention.

    Example:
        >>> keras.config.disable_flash_attention()
        >>> keras.config.is_flash_attention_enabled()
        False
        >>> keras.config.enable_flash_attention()
    """
    global _flash_attention
    _flash_attention = False


def is_flash_attention_enabled() -> bool | None:
    """False: attention layers use no flash attention; None: where it is possible.

    Example:
        >>> keras.config.is_flash_attention_enabled()
    """
    return _flash_attention


def enable_interactive_logging() -> None:
    """Let messages and progress be shown on the standard output.

    Example:
        >>> keras.config.enable_interactive_logging()
    """
    global _interactive_logging
    _interactive_logging = True


def disable_interactive_logging() -> None:
    """Let messages and progress, a line each, go to the logger ``tricorn`` (`logging`).

    Example:
        >>> keras.config.disable_interactive_logging()
        >>> keras.config.is_interactive_logging_enabled()
        False
        >>> keras.config.enable_interactive_logging()
    """
    global _interactive_logging
    _interactive_logging = False


def is_interactive_logging_enabled() -> bool:
    """Whether messages are shown on the standard output.

    Example:
        >>> keras.config.is_interactive_logging_enabled()
        True
    """
    return _interactive_logging


def is_nnx_enabled() -> bool:
    """Whether Variables are those of Flax's NNX: never here."""
    return False


def set_max_epochs(max_epochs: int | None) -> None:
    """Let no `fit` run more epochs.

    Args:
        max_epochs: how many; None: as ``KERAS_MAX_EPOCHS`` says, else without limit.

    Example:
        >>> keras.config.set_max_epochs(2)  # of every `fit`: for a quick try
        >>> len(model.fit(x, y, epochs=10, verbose=0).epoch)
        2
        >>> keras.config.set_max_epochs(None)
    """
    _limits["epochs"] = _check_limit("max_epochs", max_epochs)


def set_max_steps_per_epoch(max_steps_per_epoch: int | None) -> None:
    """Let no epoch, evaluation or prediction have more steps.

    Args:
        max_steps_per_epoch: how many; None: as ``KERAS_MAX_STEPS_PER_EPOCH`` says, else without
            limit.

    Example:
        >>> keras.config.set_max_steps_per_epoch(10)  # of every `fit`: for a quick try
        >>> keras.config.set_max_steps_per_epoch(None)
    """
    _limits["steps_per_epoch"] = _check_limit("max_steps_per_epoch", max_steps_per_epoch)


def max_epochs() -> int | None:
    """How many epochs `fit` runs at most.

    Example:
        >>> keras.config.set_max_epochs(2)
        >>> keras.config.max_epochs()
        2
        >>> keras.config.set_max_epochs(None)
    """
    return _limit("epochs")


def max_steps_per_epoch() -> int | None:
    """How many steps an epoch has at most.

    Example:
        >>> keras.config.set_max_steps_per_epoch(10)
        >>> keras.config.max_steps_per_epoch()
        10
        >>> keras.config.set_max_steps_per_epoch(None)
    """
    return _limit("steps_per_epoch")


def _check_limit(name: str, value: Any) -> int | None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        raise ValueError(f"{name} must be a positive integer or None, got {value!r}")
    return value


def _limit(name: str) -> int | None:
    found, variable = _limits.get(name), _LIMITS[name]
    if found is None and os.environ.get(variable):
        try:
            found = _check_limit(variable, int(os.environ[variable]))
        except ValueError:
            raise ValueError(
                f"the environment variable {variable} must be a positive integer, got "
                f"{os.environ[variable]!r}"
            ) from None
    return found


def limited(name: str, count: Any) -> Any:
    """A number of ``"epochs"`` or ``"steps_per_epoch"`` within the limit, with a warning where that
    is another; None: not known."""
    limit = _limit(name)
    if limit is None or (count is not None and count <= limit):
        return count
    warnings.warn(f"Limiting {name} to {limit}", stacklevel=3)
    return limit


__all__ = [
    "backend",
    "disable_flash_attention",
    "disable_interactive_logging",
    "disable_traceback_filtering",
    "dtype_policy",
    "enable_flash_attention",
    "enable_interactive_logging",
    "enable_traceback_filtering",
    "enable_unsafe_deserialization",
    "epsilon",
    "floatx",
    "image_data_format",
    "is_flash_attention_enabled",
    "is_interactive_logging_enabled",
    "is_nnx_enabled",
    "is_traceback_filtering_enabled",
    "loading_limit",
    "max_epochs",
    "max_steps_per_epoch",
    "set_backend",
    "set_dtype_policy",
    "set_epsilon",
    "set_floatx",
    "set_image_data_format",
    "set_loading_limit",
    "set_max_epochs",
    "set_max_steps_per_epoch",
]

__dir__ = lambda: list(__all__)
