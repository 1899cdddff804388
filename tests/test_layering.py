"""The rules of the house: who may import whom, and where an engine's name may stand."""

from __future__ import annotations

import ast
import graphlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.engine_free

ROOT = Path(__file__).parent.parent / "tricorn"
FILES = sorted(ROOT.rglob("*.py"))
LIBRARIES = {"jax", "jaxlib", "tensorflow", "torch", "pytensor", "onnxruntime", "keras", "tf_keras"}

#: the floors of the house, lowest first: folders and files of which those on one floor do not know
#: of each other.  A module imports from its own folder and from floors below
FLOORS = [
    [
        "_version",
        "arithmetic",
        "atomic",
        "tree",
        "config",
        "conventions",
        "docstrings",
        "late",
        "memory",
        "naming",
        "signatures",
        "tracking",
    ],
    ["limits", "tracebacks", "workers"],
    ["checks"],
    ["dtypes"],
    ["engines"],
    ["graph"],
    ["variable"],
    ["seeds"],
    ["ops", "dtype_policies"],
    ["random"],
    ["serialization"],
    ["activations", "initializers", "regularizers", "constraints", "quantizers"],
    ["losses", "optimizers"],
    ["metrics", "mixed_precision"],
    ["layers"],
    ["data"],
    ["callbacks"],
    ["training"],
    ["models"],
    ["saving", "export", "distribute"],
    ["distillation", "legacy", "utils", "visualization"],
    ["keras_src"],
    ["applications", "backend", "datasets", "flags", "preprocessing", "script", "wrappers"],
    ["classic"],
    ["demo"],
    ["cli"],
    ["__main__"],
    [""],
]
#: the imports that run upward, inside of functions: a model's methods that save it,
#: ``Model(inputs, outputs)``, which makes a `Functional`, and ``Variable("ones", shape)``
UPWARD = {
    ("models.model", "saving.keras_file"),
    ("models.model", "models.functional"),
    ("variable", "initializers"),
}


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


MODULES = {module_of(path) for path in FILES}


def floor_of(module: str) -> int:
    """The floor of a module."""
    top = module.split(".")[0]
    return next(number for number, names in enumerate(FLOORS) if top in names)


def imports(path: Path, everywhere: bool) -> list[tuple[str, int]]:
    """(module, line) of the imports of a file; at its top level, or in functions too."""
    tree = ast.parse(path.read_text())
    deferred = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        for inner in ast.walk(node)
    }
    for_types = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    found = []
    for node in ast.walk(tree):
        if id(node) in for_types:
            continue
        if id(node) in deferred and not everywhere:
            continue
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                found.append(
                    (full if full[len("tricorn.") :] in MODULES else node.module, node.lineno)
                )
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda p: module_of(p) or "tricorn")
def test_tensor_libraries_are_imported_in_engines_only(path):
    if "engines" in path.relative_to(ROOT).parts:
        return
    bad = [(m, line) for m, line in imports(path, True) if m.split(".")[0] in LIBRARIES]
    assert not bad, f"{path}: {bad}"


def test_private_parts_of_frameworks_stand_in_one_file_for_each():
    pattern = re.compile(
        r"\b(jax|jaxlib|torch)(\.\w+)*\._(?!_)|\btensorflow\.python\b|\btorch\.fx\.experimental\b"
    )
    bad = [
        f"{path}:{number}"
        for path in FILES
        if path.name != "private.py"
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if pattern.search(line)
    ]
    assert not bad, bad


def test_no_branch_on_an_engines_name():
    pattern = re.compile(r"(backend\(\)|engine(\(\))?\.name|active\(\)\.name)\s*(==|!=|in\b)")
    bad = [
        f"{path}:{number}"
        for path in FILES
        if "engines" not in path.relative_to(ROOT).parts
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if pattern.search(line)
    ]
    assert not bad, bad


def test_imports_run_downward_folder_by_folder():
    bad = []
    for path in FILES:
        own = module_of(path)
        for name, line in imports(path, everywhere=True):
            if (
                not name.startswith("tricorn.")
                or (target := name[len("tricorn.") :]) not in MODULES
            ):
                continue
            if target.split(".")[0] == own.split(".")[0] or (own, target) in UPWARD:
                continue
            if floor_of(target) >= floor_of(own):
                bad.append(f"{path.relative_to(ROOT.parent)}:{line} imports {name}")
    assert not bad, "\n".join(bad)


def test_no_two_modules_import_each_other():
    """But for `UPWARD`, there is no circle of modules, not even by imports inside of functions."""
    below = {
        own: {
            name[len("tricorn.") :]
            for name, _ in imports(path, everywhere=True)
            if name.startswith("tricorn.") and name[len("tricorn.") :] in MODULES
            if (own, name[len("tricorn.") :]) not in UPWARD
        }
        for path in FILES
        if (own := module_of(path))
    }
    graphlib.TopologicalSorter(below).prepare()  # raises a CycleError that lists the circle


def test_the_core_does_not_import_the_classic_face():
    bad = [
        f"{path}:{line}"
        for path in FILES
        if path.relative_to(ROOT).parts[0] not in ("classic", "cli.py", "__init__.py")
        for name, line in imports(path, everywhere=True)
        if name.startswith("tricorn.classic")
    ]
    assert not bad, bad


def test_a_package_hands_names_on_and_defines_nothing():
    for path in ROOT.rglob("__init__.py"):
        if path.parent == ROOT:
            continue
        defined = [
            node.name
            for node in ast.parse(path.read_text()).body
            if isinstance(node, (ast.FunctionDef, ast.ClassDef))
        ]
        assert not set(defined) - {"__getattr__", "__dir__"}, (
            path
        )  # those two: names handed on late


@pytest.mark.parametrize(
    "program",
    [
        "import tricorn",
        "import tricorn as keras\n"
        "i = keras.Input((4,)); x = keras.layers.Dense(3, activation='relu')(i)\n"
        "x = keras.layers.LSTM(4)(keras.layers.Reshape((3, 1))(x + 1.0))\n"
        "m = keras.Model(i, x); m.summary(); m.get_config(); m.to_json(); m.get_weights()",
    ],
    ids=["import", "build, summary, config"],
)
def test_no_engine_is_imported_before_a_tensor_operation(program):
    check = f"{program}\nimport sys\nassert not {sorted(LIBRARIES)!r} & sys.modules.keys()"
    check = check.replace(f"{sorted(LIBRARIES)!r}", f"set({sorted(LIBRARIES)!r})")
    subprocess.run([sys.executable, "-c", check], check=True, timeout=120)
