"""What the modules of the face hand on from the core."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def handed_on(module: dict[str, Any], core: Any, names: str) -> tuple[Callable, Callable]:
    """``__getattr__`` and ``__dir__`` of a module, whose ``__all__`` they use.

    Args:
        module: its globals.
        core: the module of the core that has what it does not define itself.
        names: all public names of it, in one text.
    """
    own, public = module["__name__"].rpartition(".")[2], names.split()
    module["__all__"] = public

    def find(name: str) -> Any:
        found = getattr(core, name, None) if name in public else None
        if found is None:
            later = f"; the modern face has it, tricorn.{own}.{name}" * hasattr(core, name)
            raise AttributeError(f"Keras 2.3.1's keras.{own} has no {name!r}{later}")
        module[name] = found
        return found

    return find, lambda: public
