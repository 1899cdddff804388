"""Loading engines and choosing the active one.

`active()` is asked at every tensor operation, so it is kept short: a context variable (set by
`use`), else the process-wide engine, else the configured one, which is loaded then.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import random
import threading
import weakref
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

import numpy as np

from tricorn import config
from tricorn.engines import contract, defaults
from tricorn.engines.contract import EngineError
from tricorn.engines.known import (
    KNOWN,
    PACKAGES,
    PLANNED,
    SUCCESSORS,
    available,
)


class Engine:
    """A validated engine: its primitives, overrides and helpers as attributes.

    Attributes:
        name: the name it was chosen by.
        capabilities: see `contract.CAPABILITIES`.
        tensor_types: frozenset of the concrete types of its tensors.
        overrides: name -> function for each composed op the engine replaces.
        module_types: the types of the framework's own layers, which ours may have as attributes.
        module_methods: what layers have of the framework's own modules, or of their module
            (`as_module`), by name.
        watch: lets tapes of the framework's own see that a variable was read as a tensor; None:
            they see it by themselves.
    """

    watch: Callable | None = None

    def __init__(self, name: str, module: Any) -> None:
        composed = defaults.of(module)
        contract.validate(module, name, optional=composed)
        for attribute in dir(module):
            if not attribute.startswith("_"):
                setattr(self, attribute, getattr(module, attribute))
        for attribute, default in composed.items():
            setattr(self, attribute, functools.partial(default, self))
        self.name = name
        self.capabilities = {**contract.CAPABILITIES, **module.CAPABILITIES}
        self.tensor_types = frozenset(module.TENSOR_TYPES)
        self.handle_types: tuple[type, ...] = tuple(getattr(module, "HANDLE_TYPES", ()))
        self.module_types: tuple[type, ...] = tuple(getattr(module, "MODULE_TYPES", ()))
        self.module_methods = frozenset(getattr(module, "MODULE_METHODS", ()))
        self.overrides: dict[str, Any] = dict(getattr(module, "OVERRIDES", {}))
        #: whether `variant` and `direct` have to be asked; most engines are one, without contexts
        self.has_variants, self.is_direct = "variant" not in composed, "direct" in composed
        _loaded.add(self)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"the engine {self.__dict__.get('name')!r} has no {name!r}")

    def __repr__(self) -> str:
        return f"<engine {self.name}>"

    def __reduce__(self) -> tuple:
        return load, (self.name,)


_scoped: ContextVar[Engine | None] = ContextVar("tricorn_engine", default=None)
_process: Engine | None = None
_by_name: dict[str, Engine] = {}
#: held while engines are loaded and the one of the process is chosen
_choosing = threading.RLock()
#: whether users initialise the Variables of native graphs themselves
manual_initialization = False
_loaded: weakref.WeakSet[Engine] = weakref.WeakSet()


def load(name: str) -> Engine:
    """The engine `name`: one of ours, or ``"package.module"`` of an external one.

    Raises:
        EngineError: unknown name, library not installed, or contract not fulfilled.
    """
    found = _by_name.get(name)
    if found is None:
        with _choosing:
            found = _by_name.get(name)
            if found is None:
                found = _by_name[name] = _load(name)
    return found


def _load(name: str) -> Engine:
    successor = SUCCESSORS.get(name, name)
    if successor in PLANNED:
        raise EngineError(
            f"the engine {name!r} ({PLANNED[successor]}) does not exist yet; engines that do: "
            f"{', '.join(available())}"
        )
    known = KNOWN.get(name)
    if known is None and "." not in name:
        raise EngineError(
            f"unknown engine {name!r}; known: {', '.join(available())}, or the dotted path of a "
            "module that fulfils tricorn/engines/contract.py. The name comes from set_engine, "
            "set_backend, KERAS_BACKEND or keras.json"
        )
    drawn = np.random.get_state(), random.getstate()
    try:
        module = importlib.import_module(known.module if known else name)
    except ImportError as error:
        if known is None:
            hint = "is its folder on sys.path (PYTHONPATH)?"
        else:
            hint = f'install it with: pip install "tricorn{known.extra and f"[{known.extra}]"}"'
        raise EngineError(f"the engine {name!r} cannot be loaded: {error}; {hint}") from error
    finally:  # JAX draws numbers while it is imported
        np.random.set_state(drawn[0])
        random.setstate(drawn[1])
    return Engine(name, module)


def active() -> Engine:
    """The engine that operations run on now."""
    engine = _scoped.get() or _process or _load_configured()
    return engine.variant() if engine.has_variants else engine


def active_if_loaded() -> Engine | None:
    """The engine that operations run on now; None where the first one would load it."""
    engine = _scoped.get() or _process
    return engine.variant() if engine is not None and engine.has_variants else engine


def has_modules() -> bool:
    """Whether the framework of the engine in force has layers of its own; asking loads none."""
    engine = active_if_loaded()
    if engine is not None:
        return bool(engine.module_types)
    known = KNOWN.get(config.backend())
    return known is not None and "modules" in known.abilities


def has_module_method(method: str) -> bool:
    """Whether layers have this method of the framework's own modules, on the engine in force;
    asking loads none."""
    engine = active_if_loaded() or KNOWN.get(config.backend())
    return engine is not None and method in engine.module_methods


def name() -> str:
    """The name of the engine in force; asking loads none."""
    engine = _scoped.get() or _process
    return config.backend() if engine is None else engine.name


def set_manual_initialization(value: bool) -> None:
    """Whether users initialise the Variables of native graphs themselves."""
    global manual_initialization
    manual_initialization = bool(value)


def _load_configured() -> Engine:
    global _process
    with _choosing:
        _process = _process or load(config.backend())
        return _process


def _forget() -> None:
    global _process
    _process = None


config.on_set_backend.append(_forget)


def process() -> Engine:
    """The process-wide engine, loaded if need be."""
    return _process or _load_configured()


def owner_of(value: Any) -> Engine | None:
    """The engine whose framework `value` comes from: one of its tensors or variables."""
    name = PACKAGES.get(type(value).__module__.partition(".")[0])
    engines = [load(name)] if name is not None else list(_by_name.values())
    for engine in engines:
        if engine.is_tensor(value) or isinstance(value, engine.handle_types):
            return engine
        if engine.is_sparse(value):
            return engine
    return None


def of_framework(value: Any) -> bool:
    """Whether the class of `value`, or one that it comes from, is an engine's framework's."""
    return any(cls.__module__.partition(".")[0] in PACKAGES for cls in type(value).__mro__)


def loaded() -> list[Engine]:
    """The engines that were loaded so far."""
    return list(_loaded)


def set_engine(name: str) -> None:
    """Make `name` the engine of the whole process, from now on and in all threads (`use` overrides
    it for a block).

    Args:
        name: of an engine that comes with the library, or the dotted path of a module.

    Raises:
        EngineError: when it cannot be loaded; the engine stays as it was then.

    Example:
        >>> keras.set_engine(keras.config.backend())
    """
    global _process
    engine = load(name)
    with _choosing:
        config.set_backend(name)
        _process = engine


@contextlib.contextmanager
def use(engine: str | Engine) -> Iterator[Engine]:
    """Run a block on another engine: ``with tricorn.engine("torch"): ...``.

    Args:
        engine: as `set_engine`'s name.

    Raises:
        EngineError: when it cannot be loaded.

    Example:
        >>> with keras.engine("jax"):
        ...     x = keras.ops.ones((2,))
    """
    chosen = load(engine) if isinstance(engine, str) else engine
    token = _scoped.set(chosen)
    try:
        yield chosen
    finally:
        _scoped.reset(token)


@contextlib.contextmanager
def concretely() -> Iterator[None]:
    """A block that computes values: on the process-wide engine, where shapes alone are worked out;
    it is loaded when it is needed."""
    engine = _scoped.get()
    abstract = engine is not None and engine.capabilities["abstract"]
    token = _scoped.set(None if abstract else engine)
    try:
        yield
    finally:
        _scoped.reset(token)
