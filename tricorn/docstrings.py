"""Docstrings that say again what another one says, so that `help` tells every argument."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable
from typing import TypeVar

C = TypeVar("C", bound=type)

#: words about images -> about sequences, about volumes
SEQUENCES = {
    "int, or (height, width)": "int: the length",
    "int or two of them": "int",
    "output size ⌈size": "output length ⌈length",
}
VOLUMES = {
    "(height, width)": "(depth, height, width)",
    "two of them": "three of them",
    "((top, bottom), (left, right))": "three pairs (before, after)",
}


def arguments_of(other: type, words: dict[str, str] | None = None) -> Callable[[C], C]:
    """Decorator of a class: its docstring tells the arguments as that of `other` does, with words
    replaced."""

    def decorate(cls: C) -> C:
        section = _arguments(other.__doc__ or "")
        for word, own in (words or {}).items():
            section = section.replace(word, own)
        cls.__doc__ = _with(cls.__doc__ or "", section)
        return cls

    return decorate


def complete(functions: Iterable[Callable], meanings: dict[str, str]) -> None:
    """Let the docstrings of functions tell those of their arguments that they do not mention."""
    for function in functions:
        doc = inspect.getdoc(function) or ""
        missing = [
            name
            for name in inspect.signature(function).parameters
            if name in meanings and not re.search(rf"\b{name}\b", doc)
        ]
        if missing:
            lines = "".join(f"    {name}: {meanings[name]}.\n" for name in missing)
            function.__doc__ = _with(doc, lines if "\nArgs:\n" in doc else f"Args:\n{lines}")


def _arguments(doc: str) -> str:
    """The section of a docstring that tells the arguments."""
    found = re.search(r"^Args:\n(?:    .*\n?)+", inspect.cleandoc(doc), re.MULTILINE)
    return found.group() if found else ""


def _with(doc: str, section: str) -> str:
    """A docstring with a section of arguments, or more lines of one."""
    doc = inspect.cleandoc(doc)
    if not section.startswith("Args:"):
        return doc.replace("\nArgs:\n", f"\nArgs:\n{section}", 1)
    first, _, rest = doc.partition("\n\n")
    return "\n\n".join(part for part in (first, section.rstrip("\n"), rest) if part) + "\n"
