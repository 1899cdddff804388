"""Modules below ``keras.src``: Keras's own, which installed packages import from all the same.

A name is looked for in a table of those that have no place among the public ones, and then where
Keras's public modules have it: ``keras.src.layers.core.dense.Dense`` is `layers.Dense`.
"""

from __future__ import annotations

import functools
import importlib
import itertools
import types
from collections.abc import Callable
from typing import Any

from tricorn import dtypes, tree
from tricorn.graph.symbolic import SymbolicTensor, is_symbolic
from tricorn.layers.operation import Operation
from tricorn.serialization import names

#: path below ``keras.src`` -> our modules to look in besides, and name -> where it is here
_TABLE: dict[str, tuple[str, dict[str, str]]] = {
    "backend": ("ops backend", {
        "DTypePolicy": "dtype_policies:DTypePolicy",
        "KerasTensor": "graph.symbolic:SymbolicTensor",
        "StatelessScope": "graph.stateless:StatelessScope",
        "SymbolicScope": "graph.stateless:SymbolicScope",
        "Variable": "variable:Variable",
        "compute_output_spec": "keras_src:compute_output_spec",
        "device": "graph.placement:device",
        "get_keras_mask": "graph.calls:get_mask",
        "name_scope": "variable:name_scope",
        "set_keras_mask": "graph.calls:set_mask",
        "standardize_dtype": "dtypes:standardize",
    }),
    "distribution": ("", {
        "distribution": "keras_src:distribution", "list_devices": "graph.placement:list_devices",
    }),
    "distribution.distribution_lib": ("", {"distribution": "keras_src:distribution"}),
    "losses.losses": ("", {"LossFunctionWrapper": "losses:LossFunctionWrapper"}),
    "saving.saving_lib": ("saving", {}),
    "saving.serialization_lib": ("saving", {
        "in_safe_mode": "serialization.registry:in_safe_mode",
        "enable_unsafe_deserialization": "serialization.registry:enable_unsafe_deserialization",
    }),
    "trainers.data_adapters.data_adapter_utils": ("utils", {
        "class_weight_to_sample_weights": "training.adapters:class_weights",
    }),
    "trainers.data_adapters.py_dataset_adapter": ("utils", {}),
    "utils.backend_utils": ("", {
        "in_grain_data_pipeline": "keras_src:in_grain_data_pipeline",
    }),
}  # fmt: skip


def distribution() -> None:
    """The distribution in force: there is none."""


def in_grain_data_pipeline() -> bool:
    """Whether Grain is running the code: layers here compute on the engine's tensors there, too."""
    return False


def compute_output_spec(fn: Callable, *args: Any, **kwargs: Any) -> Any:
    """Symbolic results of a function, or of a layer, which is built; arrays and tensors count for
    their shapes and dtypes."""
    args, kwargs = tree.map(_symbolic, (args, kwargs))
    operation: Any = fn
    if not isinstance(fn, Operation):
        operation = Operation()
        operation.call = fn
    return operation.compute_output_spec(*args, **kwargs)


def _symbolic(x: Any) -> Any:
    if is_symbolic(x) or not (hasattr(x, "shape") and hasattr(x, "dtype")):
        return x
    return SymbolicTensor(tuple(x.shape), dtypes.standardize(x.dtype))


def lacking(path: str) -> Any:
    """A module of Keras's that this version has not, for what packages need of it to be imported;
    None: it is none of these."""
    return module(path) if path == "distribution" else None


@functools.cache
def module(path: str) -> Any:
    """The module at a path below ``keras.src``; None: there is nothing of that name here."""
    import tricorn

    top = path.partition(".")[0]
    inside = not path or any(f"{known}.".startswith(f"{path}.") for known in _TABLE)
    if not inside and top not in tricorn.__all__:
        return None
    more, own = _TABLE.get(path, ("", {}))
    places = [f"tricorn.{name}" for name in more.split()]
    if top in tricorn.__all__:
        places.append(f"tricorn.{top}")

    def find(name: str) -> Any:
        if name == "__all__":
            lists = [importlib.import_module(place).__all__ for place in places]
            return list(dict.fromkeys(itertools.chain(own, *lists)))
        if name in own:
            where, _, attribute = own[name].partition(":")
            return getattr(importlib.import_module(f"tricorn.{where}"), attribute)
        below = f"{path}.{name}".removeprefix(".")
        if not path or any(f"{known}.".startswith(f"{below}.") for known in _TABLE):
            if (found := module(below)) is not None:
                return found
        exporting = names._packages(f"keras.{path}", name)
        for place in (*exporting, *map(importlib.import_module, places)):
            if not name.startswith("__") and hasattr(place, name):
                return getattr(place, name)
        raise AttributeError(f"keras.src.{path} has no {name!r} here")

    made = types.ModuleType(f"keras.src.{path}", "What packages import from Keras's own modules.")
    made.__dict__.update(__getattr__=find, __path__=[])
    return made
