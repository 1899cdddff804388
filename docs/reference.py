"""The API reference: its pages are made from the docstrings whenever the site is built.

A hook of MkDocs makes a page for each public module, and for each larger file of modules that have
very many names.  An extension of Griffe, which reads the code for mkdocstrings, gives it the
docstrings as `help` shows them.  What has several names is told once; the others lead there.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import json
import re
import sys
from collections import Counter
from typing import Any

import tricorn

#: a module with more names than this has a page for each file that defines at least `SEVERAL`
MANY, SEVERAL = 60, 4
MODULES = [
    "tricorn",
    *(f"tricorn.{name}" for name in tricorn._MODULES),
    *(f"tricorn.ops.{name}" for name in ("image", "linalg", "nn", "numpy")),
    "tricorn.optimizers.legacy", "tricorn.optimizers.schedules", "tricorn.layers.legacy",
    "tricorn.legacy.saving", "tricorn.metrics.legacy", "tricorn.utils.legacy",
    *(f"tricorn.applications.{name}" for name in tricorn.applications.__all__ if name.islower()),
    *(f"tricorn.datasets.{name}" for name in tricorn.datasets.__all__),
    "tricorn.data.experimental", "tricorn.preprocessing.image",
    "tricorn.preprocessing.sequence", "tricorn.preprocessing.text", "tricorn.utils.bounding_boxes",
    "tricorn.wrappers.scikit_learn",
]  # fmt: skip
#: modules that hand on what belongs to others
GUESTS = ["tricorn.activations", "tricorn.backend", "tricorn"]


def split(name: str) -> tuple[str, str]:
    """The module of a full name, and the name in it."""
    module, _, attribute = name.rpartition(".")
    return module, attribute


def public(module: str) -> dict[str, Any]:
    """What a module offers, by full name, without the modules in it."""
    real = importlib.import_module(module)
    found = {f"{module}.{name}": getattr(real, name) for name in real.__all__}
    return {name: thing for name, thing in found.items() if not inspect.ismodule(thing)}


@functools.cache
def things() -> dict[str, Any]:
    """All that is told, each by one full name."""
    found: dict[int, tuple[str, Any]] = {}
    for module in [*(m for m in MODULES if m not in GUESTS), *GUESTS]:
        for name, thing in public(module).items():
            before = found.setdefault(id(thing), (name, thing))[0]
            own = split(name)[1] == getattr(thing, "__name__", "")
            if own and split(before)[0] == module:  # `before` is an older name of it
                found[id(thing)] = name, thing
    return dict(found.values())


@functools.cache
def other_names() -> dict[int, list[str]]:
    """The other names of what is told."""
    found: dict[int, list[str]] = {id(thing): [] for thing in things().values()}
    for module in MODULES:
        for name, thing in public(module).items():
            if name not in things():
                found[id(thing)].append(name)
    return found


@functools.cache
def pages() -> dict[str, list[str]]:
    """Name of each page, a module's or a file's -> the full names of what it tells."""
    told: dict[str, list[str]] = {module: [] for module in MODULES}
    for name in sorted(things(), key=str.lower):
        told[split(name)[0]].append(name)
    for module, found in list(told.items()):
        if len(found) > MANY:
            files = {name: _file(module, things()[name]) for name in found}
            counts = Counter(files.values())
            told[module] = []
            for name, file in files.items():
                told.setdefault(file if counts[file] >= SEVERAL else module, []).append(name)
    return told


def _file(module: str, thing: Any) -> str:
    """The file of a module, or its folder, in which something is defined."""
    defined = getattr(thing, "__module__", "")
    depth = module.count(".") + 2
    return ".".join(defined.split(".")[:depth]) if defined.startswith(f"{module}.") else module


def methods(thing: Any) -> list[str]:
    """The methods and properties to tell of a class: those with a docstring that are its own, or
    come from a class which is not told."""
    if not inspect.isclass(thing):
        return []
    bases = [base for base in thing.__mro__ if base is thing or id(base) not in other_names()]
    found: dict[str, Any] = {}
    for base in reversed(bases):
        if base.__module__.startswith("tricorn."):
            found |= vars(base)
    kinds = (property, classmethod, staticmethod)
    return sorted(
        name
        for name, value in found.items()
        if not name.startswith("_")
        and (inspect.isfunction(value) or isinstance(value, kinds))
        and value.__doc__
    )


def address(page: str) -> str:
    return f"reference/{page.removeprefix('tricorn.')}.md"


def text(page: str) -> str:
    """A page: what the module says of itself, then each name."""
    about = inspect.getdoc(importlib.import_module(page)) or ""
    parts = [f"# {page.removeprefix('tricorn.')}", about.replace("``", "`")]
    for name in pages()[page]:
        thing = things()[name]
        shown = methods(thing)
        options = {"members": shown or False, "inherited_members": bool(shown)}
        parts.append(f"::: {name}\n    options: {json.dumps(options)}")
        also = [f"`{other.removeprefix('tricorn.')}`" for other in other_names()[id(thing)]]
        if also:
            parts.append(f"*Also* {', '.join(also)}.")
    links = [
        f"[`{split(other)[1]}`][{name}]"
        for name, thing in things().items()
        for other in other_names()[id(thing)]
        if split(other)[0] == page != split(name)[0]
    ]
    if links:
        parts.append("## Told elsewhere\n\n" + ", ".join(links) + ".")
    return "\n\n".join(parts) + "\n"


def for_griffe(doc: str) -> str:
    """A docstring with its examples under the title that Griffe knows, and with the names of
    arguments that are told together on one line."""
    doc = re.sub(r"^Example:$", "Examples:", doc, flags=re.MULTILINE)
    together = re.compile(r"^    [\w*, \n]+:", re.MULTILINE)
    return together.sub(lambda found: re.sub(r",\n +", ", ", found[0]), doc)


def says_nothing(annotation: Any) -> bool:
    """Whether a type is left out: one that takes anything, or any tensor."""
    return re.search(r"\b(Any|Tensor)\b", str(annotation)) is not None


# ------------------------------------------------------------------------------- hooks of MkDocs


def on_config(config: Any) -> Any:
    shown = [{page.removeprefix("tricorn."): address(page)} for page in sorted(pages())]
    config.nav.append({"Reference": shown})
    return config


def on_files(files: Any, config: Any) -> Any:
    from mkdocs.structure.files import File

    for page in pages():
        files.append(File.generated(config, address(page), content=text(page)))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Links to files that are no pages of the site become plain words."""
    return re.sub(r"\[([^]]+)\]\(\.\./[^)]+\)", r"\1", markdown)


# ---------------------------------------------------------------------------- extension of Griffe

try:
    import griffe
except ImportError:  # the tests read the pages without it
    pass
else:

    class Docstrings(griffe.Extension):
        """Docstrings as `help` shows them; types that say nothing are left out."""

        def on_instance(self, *, obj: Any, **_: Any) -> None:
            if obj.is_alias or not obj.docstring:
                return
            name, _, method = obj.path.removeprefix(f"{obj.module.path}.").partition(".")
            thing = getattr(sys.modules.get(obj.module.path), name, None)
            if method:
                thing = inspect.getattr_static(thing, method, None)
            if doc := inspect.getdoc(thing):
                obj.docstring.value = for_griffe(doc)

        def on_function_instance(self, *, func: Any, **_: Any) -> None:
            for parameter in func.parameters:
                if says_nothing(parameter.annotation):
                    parameter.annotation = None
            if says_nothing(func.returns):
                func.returns = None
