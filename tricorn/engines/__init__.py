"""The rooms that import a tensor library, and the way to them."""

from tricorn.engines.contract import EngineError
from tricorn.engines.known import available, installed
from tricorn.engines.registry import Engine, active, load, set_engine, use

__all__ = ["Engine", "EngineError", "active", "available", "installed", "load", "set_engine", "use"]
