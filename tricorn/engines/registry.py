"""Loading engines and choosing the active one.

`active()` is asked at every tensor operation, so it is kept short: a context variable (set by
`use`), else the process-wide engine, else the configured one, which is loaded then.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.util
import weakref
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

from tricorn import config
from tricorn.engines import contract
from tricorn.engines.contract import EngineError


class Engine:
    """A validated engine: its primitives, overrides and helpers as attributes.

    Attributes:
        name: the name it was chosen by.
        capabilities: see `contract.CAPABILITIES`.
        tensor_types: frozenset of the concrete types of its tensors.
        overrides: name -> function for each composed op the engine replaces.
    """

    def __init__(self, name: str, module: Any) -> None:
        contract.validate(module, name)
        for attribute in dir(module):
            if not attribute.startswith("_"):
                setattr(self, attribute, getattr(module, attribute))
        self.name = name
        self.capabilities = {**contract.CAPABILITIES, **module.CAPABILITIES}
        self.tensor_types = frozenset(module.TENSOR_TYPES)
        #: whether tensors may go straight to the primitives: no variants, no scope to enter.  An
        #: engine module lowers it (`registry.load(name).fast = False`) once it needs `scope`.
        self.fast = not hasattr(module, "variant")
        self.overrides: dict[str, Callable] = dict(getattr(module, "OVERRIDES", {}))
        #: engines with variants (a graph mode, say) give the one that holds right now
        self.variant: Callable[[], Engine] | None = getattr(module, "variant", None)
        #: leaves -> context manager or None: what an operation on these must run in
        self.scope: Callable[[Any], Any] | None = getattr(module, "scope", None)
        #: drops caches that belong to nobody any more
        self.clear: Callable[[], None] = getattr(module, "clear", lambda: None)
        _loaded.add(self)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"the engine {self.__dict__.get('name')!r} has no {name!r}")

    def __repr__(self) -> str:
        return f"<engine {self.name}>"

    def __reduce__(self) -> tuple:
        return load, (self.name,)


#: names of the engines that come with the library: module, and the extra that installs them
KNOWN = {
    "jax": ("tricorn.engines.jax", None),
    "tensorflow": ("tricorn.engines.tensorflow", "tensorflow"),
    "torch": ("tricorn.engines.torch", "torch"),
    "abstract": ("tricorn.engines.abstract", None),
}
#: engines that are planned: name -> what the error says
PLANNED = {
    "theano": "the PyTensor engine",
    "pytensor": "the PyTensor engine",
    "cntk": "the ONNX Runtime engine (CNTK's successor, forward only)",
    "onnxruntime": "the ONNX Runtime engine (forward only)",
}

_scoped: ContextVar[Engine | None] = ContextVar("tricorn_engine", default=None)
_process: Engine | None = None
_loaded: weakref.WeakSet[Engine] = weakref.WeakSet()


@functools.cache
def load(name: str) -> Engine:
    """The engine `name`: one of ours, or ``"package.module"`` of an external one.

    Raises:
        EngineError: unknown name, library not installed, or contract not fulfilled.
    """
    if name in PLANNED:
        raise EngineError(
            f"{PLANNED[name]} does not exist yet; engines that do: {', '.join(available())}"
        )
    path, extra = KNOWN.get(name, (name, None))
    if name not in KNOWN and "." not in name:
        raise EngineError(
            f"unknown engine {name!r}; known: {', '.join(available())}, or the dotted path of a "
            "module that fulfils tricorn/engines/contract.py. The name comes from set_engine, "
            "KERAS_BACKEND or keras.json"
        )
    try:
        module = importlib.import_module(path)
    except ImportError as error:
        hint = f'; install it with: pip install "tricorn[{extra}]"' if extra else ""
        raise EngineError(f"the engine {name!r} cannot be loaded: {error}{hint}") from error
    return Engine(name, module)


def available() -> list[str]:
    """Names of the engines that come with the library."""
    return [name for name in KNOWN if name != "abstract"]


def installed() -> list[str]:
    """Those of `available` whose library is installed."""
    return [name for name in available() if importlib.util.find_spec(name) is not None]


def active() -> Engine:
    """The engine that operations run on now."""
    engine = _scoped.get() or _process or _load_configured()
    return engine if engine.variant is None else engine.variant()


def native() -> Engine | None:
    """The active engine, if it is loaded and graphs hold its own tensors here."""
    engine = _scoped.get() or _process
    if engine is not None and engine.variant is not None:
        engine = engine.variant()
    return engine if engine is not None and engine.capabilities["native_graph"] else None


def _load_configured() -> Engine:
    global _process
    _process = load(config.backend())
    return _process


def process() -> Engine:
    """The process-wide engine, loaded if need be."""
    return _process or _load_configured()


def loaded_for(value: Any) -> Engine | None:
    """The active or process-wide engine if it is loaded and `value` is one of its tensors."""
    for engine in (_scoped.get(), _process):
        if engine is not None and engine.is_tensor(value):
            return engine
    return None


def loaded() -> list[Engine]:
    """The engines that were loaded so far."""
    return list(_loaded)


def set_engine(name: str) -> None:
    """Make `name` the engine of the whole process (`use` overrides it for a block)."""
    global _process
    _process = load(name)
    config.set_backend(name)


@contextlib.contextmanager
def use(engine: str | Engine) -> Iterator[Engine]:
    """Run a block on another engine: ``with tricorn.engine("torch"): ...``."""
    chosen = load(engine) if isinstance(engine, str) else engine
    token = _scoped.set(chosen)
    try:
        yield chosen
    finally:
        _scoped.reset(token)
