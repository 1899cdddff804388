"""Names that a package hands on when they are first used."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any


def finder(
    package: str, places: Mapping[str, str], hint: Callable[[str], str] = lambda name: ""
) -> Callable[[str], Any]:
    """``__getattr__`` of a package.

    Args:
        package: its name.
        places: module below ``tricorn`` -> the names that are taken from it, in one text, a name
            with "=" and what it is called there where that differs.  Those of "" are modules.
        hint: what an error adds on a name.
    """
    found = {text.partition("=")[0]: (module, text.rpartition("=")[2])
             for module, names in places.items() for text in names.split()}  # fmt: skip

    def find(name: str) -> Any:
        if name not in found:
            raise AttributeError(f"module {package!r} has no attribute {name!r}{hint(name)}")
        module, there = found[name]
        if module:
            value = getattr(importlib.import_module(f"tricorn.{module}"), there)
        else:
            value = importlib.import_module(f"tricorn.{there}")
        setattr(sys.modules[package], name, value)
        return value

    return find


def left_out(package: str, reasons: Mapping[str, str]) -> Callable[[str], Any]:
    """``__getattr__`` of a package that tells why names are not there.

    Args:
        package: its name.
        reasons: names, in one text -> what to do instead, or why.
    """
    found = {name: reason for names, reason in reasons.items() for name in names.split()}

    def refuse(name: str) -> Any:
        reason = f": {found[name]}" if name in found else ""
        raise AttributeError(f"module {package!r} has no attribute {name!r}{reason}")

    return refuse
