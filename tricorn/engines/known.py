"""The engines that come with the library, and what can be said of them before they are loaded."""

from __future__ import annotations

import importlib.util
import os
import sys
from typing import Any, NamedTuple

from tricorn.engines.contract import EngineError


class Known(NamedTuple):
    """An engine that comes with the library."""

    module: str
    #: what ``pip install "tricorn[...]"`` installs it with, "": it comes with tricorn
    extra: str
    #: the packages whose types its tensors are
    packages: tuple[str, ...]
    #: what it can do, asked before it is loaded
    abilities: tuple[str, ...] = ("differentiates", "complex")
    #: methods that layers have of the framework's own modules
    module_methods: tuple[str, ...] = ()


#: the engines that come with the library, by name
KNOWN = {
    "jax": Known(
        "tricorn.engines.jax",
        "",
        ("jax", "jaxlib"),
        ("differentiates", "complex", "distributes"),
    ),
    "tensorflow": Known(
        "tricorn.engines.tensorflow",
        "tensorflow",
        ("tensorflow",),
        ("differentiates", "complex", "graphs"),
        module_methods=("distribute_strategy",),
    ),
    "torch": Known(
        "tricorn.engines.torch",
        "torch",
        ("torch",),
        ("differentiates", "complex", "modules"),
        module_methods=(
            *("buffers", "eval", "load_state_dict", "named_buffers", "named_parameters"),
            *("parameters", "state_dict", "train", "training", "zero_grad"),
        ),
    ),
    "abstract": Known("tricorn.engines.abstract", "", ()),
}
#: package -> the engine whose tensors come from it
PACKAGES = {package: name for name, known in KNOWN.items() for package in known.packages}
#: names of engines of the past -> the engine that took their place
SUCCESSORS = {"theano": "pytensor", "cntk": "onnxruntime"}
#: engines that are planned: name -> what they are
PLANNED = {
    "pytensor": "PyTensor, Theano's maintained successor",
    "onnxruntime": "ONNX Runtime, CNTK's successor, forward only",
}

#: ability -> what is said of an engine without it
_LACKS = {
    "differentiates": "computes no gradients, so it cannot train",
    "distributes": "does not run collectives",
    "complex": "has no complex dtypes",
}


def may_be_in_a_graph(name: str) -> bool:
    """Whether code may be in a graph of the framework of an engine that is not loaded yet: it has
    graphs, and somebody has imported it."""
    known = KNOWN.get(name)
    return (
        known is not None
        and "graphs" in known.abilities
        and any(package in sys.modules for package in known.packages)
    )


def without(engine: Any, ability: str) -> EngineError:
    """The error for what `engine` lacks; it names the installed engines that can."""
    able = [name for name in installed() if ability in KNOWN[name].abilities]
    return EngineError(
        f"the engine {engine.name!r} {_LACKS[ability]}; engines that can: {', '.join(able)}, e.g. "
        f'`with tricorn.engine("{able[0]}"):`'
    )


def available() -> list[str]:
    """Names of the engines that come with the library."""
    return [name for name in KNOWN if name != "abstract"]


def installed() -> list[str]:
    """Those of `available` whose library is installed."""
    return [name for name in available() if importlib.util.find_spec(name) is not None]


def kernels() -> tuple[Any, str]:
    """The module of the optional package ``tricorn-kernels``, which computes convolutions for the
    JAX engine on CPUs, or None; and what is to be said of it.  Imports no engine."""
    if importlib.util.find_spec("tricorn_kernels") is None:
        return None, "not installed"
    if os.environ.get("TRICORN_KERNELS", "").lower() in ("0", "off", "false", "no"):
        return None, "off (TRICORN_KERNELS)"
    try:
        found = importlib.import_module("tricorn_kernels")
        return found, found.description()
    except (ImportError, OSError) as error:
        return None, f"cannot be loaded: {error}"
