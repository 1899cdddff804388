"""Which public names of Keras 3 exist here, and which differ: ``python -m tests.parity``.

The names are read from the genuine Keras that is installed.  `MISSING` lists what is not here, with
the reason; `test_parity.py` holds it to that.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections import Counter
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import keras

import tricorn

#: patterns of names that do not exist yet, or are left out for good -> why
MISSING = {
    r"applications(\..*)?": "yet to come: networks for images",
    r"datasets\..*": "yet to come: loaders that download",
    r"distillation(\..*)?": "yet to come",
    r"distribution(\..*)?": "yet to come",
    r"export(\..*)?": "yet to come",
    r"quantizers(\..*)?|Quantizer|dtype_policies\.(AWQ|GPTQ|Int4|Quantized).*": "yet to come",
    r"wrappers(\..*)?": "yet to come: scikit-learn",
    r"visualization(\..*)?": "yet to come",
    r"(utils\.|saving\.)?(FeatureSpace|KerasFileEditor)": "yet to come",
    r"Operation|RematScope|SymbolicScope|callbacks\.OrbaxCheckpoint": "yet to come",
    r"dtype_policies\.DTypePolicyMap": "yet to come",
    r"(\w+\.)?legacy(\..*)?": "Keras's own doors to its past; ours is `backend`",
}


def names() -> Iterator[tuple[str, Any]]:
    """(name without ``keras.``, object) of everything public in Keras."""
    seen: set[str] = set()
    for path, module in _modules():
        for name in dir(module):
            full = f"{path}.{name}" if path else name
            if not name.startswith("_") and full not in seen and full not in ("src", "api"):
                seen.add(full)
                yield full, getattr(module, name)


def _modules(module: ModuleType = keras) -> Iterator[tuple[str, ModuleType]]:
    """(path, module) of the public modules of Keras.  Private packages are not imported: that would
    put other engines' modules where Keras has those of its own."""
    yield module.__name__.removeprefix("keras").lstrip("."), module
    for found in pkgutil.iter_modules(getattr(module, "__path__", ())):
        if found.name.startswith("_") or found.name in ("src", "api"):
            continue
        try:
            inner = importlib.import_module(f"{module.__name__}.{found.name}")
        except ImportError:
            continue
        yield from _modules(inner)


def ours(name: str) -> Any:
    """The object of that name here.

    Raises:
        AttributeError: when there is none.
    """
    found: Any = tricorn
    for part in name.split("."):
        found = getattr(found, part)
    return found


def reason(name: str) -> str | None:
    """Why a name is missing, or None when it should be there."""
    return next((why for pattern, why in MISSING.items() if re.fullmatch(pattern, name)), None)


def arguments(thing: Any) -> list[str] | None:
    """The names of the arguments of a function, or of a class's constructor."""
    if not callable(thing):
        return None
    try:
        parameters = inspect.signature(thing).parameters.values()
    except (TypeError, ValueError):
        return None
    return [p.name for p in parameters]


def lacking(name: str, genuine: Any) -> list[str]:
    """The arguments that Keras's function or class of that name takes and ours does not."""
    wanted, found = arguments(genuine), arguments(ours(name))
    if wanted is None or found is None or {"kwargs", "common"} & set(found):
        return []
    return [one for one in wanted if one not in (*found, "args", "kwargs")]


def main() -> None:
    there, missing = [], []
    for name, genuine in names():
        try:
            ours(name)
        except AttributeError:
            missing.append(name)
        else:
            there.append((name, genuine))
    total = len(there) + len(missing)
    print(f"Keras {keras.__version__}: {len(there)} of {total} public names exist.")
    print("\nmissing:")
    for why, count in Counter(reason(name) or "TO DO" for name in missing).most_common():
        print(f"  {count:4}  {why}")
    for name in missing:
        if reason(name) is None:
            print(f"        {name}")
    print("\narguments that Keras takes and we do not:")
    for name, genuine in there:
        if found := lacking(name, genuine):
            print(f"  {name}: {', '.join(found)}")


if __name__ == "__main__":
    main()
