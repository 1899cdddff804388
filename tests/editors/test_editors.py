"""What editors, type checkers and `dir` find out about the library without running a model."""

from __future__ import annotations

import ast
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import tricorn

pytestmark = [pytest.mark.heavy, pytest.mark.engine_free]

PAGE = Path(__file__).parent / "page.py"
PUBLIC = ["tricorn", *(f"tricorn.{name}" for name in tricorn._MODULES)]
PUBLIC += ["tricorn.optimizers.schedules", "tricorn.datasets.digits"]


def source_of(module: str) -> ast.Module:
    return ast.parse(Path(importlib.import_module(module).__file__).read_text())


def for_type_checkers(tree: ast.Module) -> dict[str, tuple[str, str]]:
    """name -> (module, name there) of the imports that only type checkers see."""
    return {
        alias.asname or alias.name: (node.module, alias.name)
        for block in tree.body
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in block.body
        for alias in node.names
    }


@pytest.mark.parametrize("module", ["tricorn", "tricorn.models", "tricorn.saving"])
def test_names_that_are_loaded_late_are_the_ones_that_type_checkers_see(module):
    tree, real = source_of(module), importlib.import_module(module)
    seen = for_type_checkers(tree)
    here = {
        alias.asname or alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    here |= {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert seen.keys() == set(real.__all__) - here
    for name, (where, there) in seen.items():
        holder = importlib.import_module(where)
        given = getattr(real, name)
        wanted = getattr(holder, there, None)
        assert given is (wanted or importlib.import_module(f"{where}.{there}")), name


def listed(module: str) -> list[str]:
    """`__all__` as type checkers read it in the source: a list, and those of modules inside that
    ``__all__ += part.__all__`` adds."""
    names: list[str] = []
    for node in source_of(module).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            names += ast.literal_eval(node.value)
        elif isinstance(node, ast.AugAssign) and ast.unparse(node.target) == "__all__":
            part, name = ast.unparse(node.value).split(".")
            assert name == "__all__"
            names += listed(vars(importlib.import_module(module))[part].__name__)
    return names


@pytest.mark.parametrize("module", PUBLIC)
def test_dir_and_all_are_the_public_names(module):
    real = importlib.import_module(module)
    assert listed(module) == real.__all__
    assert dir(real) == sorted(real.__all__)
    handed_on = {
        name
        for name, thing in vars(real).items()
        if isinstance(thing, type) and thing.__module__.startswith("tricorn.")
    }
    if real.__file__.endswith("__init__.py"):
        assert handed_on <= set(real.__all__)
    assert len(set(real.__all__)) == len(real.__all__)
    for name in real.__all__:
        assert name == "__version__" or not name.startswith("_")
        assert getattr(real, name) is not None
    with pytest.raises(AttributeError, match="no_such_name"):
        real.no_such_name  # noqa: B018


def test_what_keras_has_and_we_have_not_is_told():
    import keras

    missing = {n for n in dir(keras) if not n.startswith("_") and n not in tricorn.__all__}
    assert missing - {"src", "version"} <= tricorn._NOT_HERE
    with pytest.raises(AttributeError, match="'distribution'. Keras has it"):
        tricorn.distribution  # noqa: B018


def test_pyright_says_what_is_wrong_on_the_page_and_nothing_else(tmp_path):
    here = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    program = shutil.which("basedpyright", path=here) or pytest.skip("not installed")
    root = Path(tricorn.__file__).parent.parent
    settings = {
        "typeCheckingMode": "standard",
        "reportUnusedExpression": False,
        "include": [str(PAGE)],
        "extraPaths": [str(root)],
    }
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings))
    ran = subprocess.run(
        [program, "--outputjson", "--project", str(tmp_path), "--pythonpath", sys.executable],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    found = {
        (one["range"]["start"]["line"] + 1, one.get("rule"))
        for one in json.loads(ran.stdout)["generalDiagnostics"]
        if one["severity"] != "information"
    }
    wanted = {
        (number, wrong.group(1))
        for number, line in enumerate(PAGE.read_text().splitlines(), 1)
        if (wrong := re.search(r"# wrong: (\w+)", line))
    }
    assert found == wanted


#: what is typed -> names that an editor offers then
COMPLETED = {
    "model.": {"fit", "compile", "evaluate", "predict", "save", "summary", "get_layer"},
    "keras.": {"layers", "Model", "Sequential", "ops", "Variable", "GradientTape"},
    "keras.layers.Den": {"Dense"},
    "layers.Dense(3).": {"kernel", "units", "get_weights", "trainable"},
    "keras.optimizers.schedules.": {"CosineDecay"},
    "ops.mat": {"matmul"},
    "keras.saving.load": {"load_model", "load_weights"},
    "history.": {"history", "epoch"},
    "own.body.": {"add_weight", "units"},
}


@pytest.mark.parametrize("typed", COMPLETED)
def test_jedi_completes(typed):
    jedi = pytest.importorskip("jedi")
    page = f"{PAGE.read_text()}\n{typed}"
    root = Path(tricorn.__file__).parent.parent
    offered = jedi.Script(page, path=PAGE, project=jedi.Project(root)).complete()
    names = {one.name for one in offered}
    assert names >= COMPLETED[typed]


@pytest.mark.parametrize(
    "call, first",
    [
        ("keras.Input(", ["shape", "batch_size", "dtype"]),
        ("keras.optimizers.Adam(", ["learning_rate", "beta_1", "beta_2"]),
        ("keras.Model.fit(", ["self", "x", "y", "batch_size", "epochs"]),
    ],
)
def test_jedi_shows_the_arguments(call, first):
    jedi = pytest.importorskip("jedi")
    root = Path(tricorn.__file__).parent.parent
    script = jedi.Script(f"import tricorn as keras\n{call}", project=jedi.Project(root))
    (signature,) = script.get_signatures()
    assert [p.name for p in signature.params][: len(first)] == first
