"""Which public names of Keras 3 exist here, and which differ: ``python -m tests.parity``.

The names are read from the genuine Keras that is installed.  `MISSING` lists what is not here, and
`UNCOMPARED` what no test compares, with the reasons; `test_parity.py` holds them to that.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import keras

import tricorn

#: patterns of names that do not exist yet, or are left out for good -> why
MISSING = {
    r"distribution(\..*)?": "yet to come",
    r"export(\..*)?": "yet to come",
    r"legacy\.(?!saving).*": "Keras's own doors to its past; ours is `backend`",
}


#: patterns of names that tests compare without writing them down -> the test
SWEPT = {
    r"applications(\..*)?": "applications/record.py asks Keras about each",
    r"losses\.[a-z_]+": "losses/test_losses.py makes them of the classes' names",
    r"activations\.[a-z_]+": "ops/test_behaviour.py goes over all that Keras has",
}
#: patterns of names that no test compares with Keras -> why
UNCOMPARED = {
    r"backend\.(get_uid|is_float_dtype|is_int_dtype|is_keras_tensor)": (
        "ours is Keras 2's `backend`, with tests of its own"
    ),
    r"config\.(set_backend|is_traceback_filtering_enabled|enable_unsafe_deserialization)": (
        "what is set is asked in tests of its own: changing it in Keras would change the oracle"
    ),
    r"callbacks\.ProgbarLogger": "what is shown is ours",
    r"Quantizer": "the base class: tested by what is derived from it",
    r"FloatDTypePolicy": "tested by what layers do with them",
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


def uncompared() -> list[str]:
    """The names that exist here, and that no test which runs Keras beside us speaks of.

    A test speaks of a name when the word stands in its file, or that of a thing with several names;
    for "Conv2D" the stem is enough, since tests make such names of a stem and a number.
    """
    words: set[str] = set()
    for file in Path(__file__).parent.rglob("*.py"):
        text = file.read_text()
        beside = re.search(
            r"^\s*(import keras\b|from keras\b|from tests.oracle)|importorskip\(.keras\b",
            text,
            re.M,
        )
        if (beside or file.name == "cases.py") and file.name not in ("parity.py", "test_parity.py"):
            words.update(re.findall(r"\w+", text))
    same: dict[int, list[str]] = {}
    for name, genuine in names():
        if reason(name) is None:
            same.setdefault(id(genuine), []).append(name)

    def spoken_of(name: str) -> bool:
        if any(re.fullmatch(pattern, name) for pattern in SWEPT):
            return True
        last = name.rpartition(".")[2]
        return last in words or (
            bool(re.search(r"\dD", last)) and re.split(r"\dD", last)[0] in words
        )

    return [those[0] for those in same.values() if not any(map(spoken_of, those))]


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
    print("\nnot compared with Keras by a test:")
    for name in uncompared():
        why = next((w for pattern, w in UNCOMPARED.items() if re.fullmatch(pattern, name)), "TO DO")
        print(f"  {name}: {why}")
    print("\narguments that Keras takes and we do not:")
    for name, genuine in there:
        if found := lacking(name, genuine):
            print(f"  {name}: {', '.join(found)}")


if __name__ == "__main__":
    main()
