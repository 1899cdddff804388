"""Every Python block of the documentation runs, and the readmes' commands are what CI runs."""

import importlib.util
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tricorn.conventions import MODERN
from tricorn.engines import known
from tricorn.saving.older import keras1, keras2

pytestmark = [pytest.mark.heavy, pytest.mark.engine_free]

ROOT = Path(__file__).parent.parent
PAGES = [*sorted(ROOT.glob("docs/**/*.md")), *ROOT.glob("README*.md"), ROOT / "CONTRIBUTING.md"]
RUN_ONCE = [page for page in PAGES if page.parent.name != "guides"]  # those: test_guides.py
README, CHINESE = ROOT / "README.md", ROOT / "README.zh-CN.md"


def blocks(page, language):
    """(first line, code) of the fenced blocks in a language."""
    text = page.read_text(encoding="utf-8")
    for match in re.finditer(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        yield text.count("\n", 0, match.start(1)) + 1, match[1]


def needs_of(code):
    """The packages that a block imports or asks for: without them it does not run."""
    found = re.findall(r"^import (\w+)|engine\(\"(\w+)\"\)", code, re.MULTILINE)
    found = [name for pair in found for name in pair]
    optional = ["orbax"] if "Orbax" in code else []
    return [*optional, *(name for name in known.available() if name in found)]


def run(page, without=""):
    """Run the Python blocks of a page in the working directory, but for a line."""
    names = {"__name__": "docs"}
    for line, code in blocks(page, "python"):
        if any(importlib.util.find_spec(name) is None for name in needs_of(code)):
            continue
        padded = "\n" * (line - 1) + code  # so that a traceback shows the page's own lines
        exec(compile(padded.replace(without or "\0", ""), str(page), "exec"), names)


#: a line of pages that change the whole process, and hold inside of a block as well
EAGER_OFF = "tf.disable_eager_execution()"


def switches_eager_off(page):
    return EAGER_OFF in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("page", RUN_ONCE, ids=lambda page: str(page.relative_to(ROOT)))
def test_code_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(ROOT)  # for the examples
    if not switches_eager_off(page):
        run(page)
        return
    pytest.importorskip("tensorflow")
    program = "import sys, pathlib, tests.test_docs as t; t.run(pathlib.Path(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", program, str(page)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if switches_eager_off(page)],
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_code_runs_in_a_graph(page, tmp_path, monkeypatch):
    tf = pytest.importorskip("tensorflow")
    monkeypatch.chdir(tmp_path)
    with tf.Graph().as_default():
        run(page, without=EAGER_OFF)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_excerpts_of_the_example_engine_are_of_today():
    example = (ROOT / "examples/numpy_engine.py").read_text()
    excerpts = list(blocks(ROOT / "docs/engines.md", "py"))
    assert len(excerpts) > 5
    for line, excerpt in excerpts:
        assert excerpt in example, f"docs/engines.md:{line}"


def commands(page):
    return [code.strip() for _, code in blocks(page, "bash")]


def test_readmes_have_the_same_two_commands():
    demo, test = commands(README)
    assert commands(CHINESE) == [demo, test]
    for command in (demo, test):
        assert command.startswith("python3 -m venv .venv && .venv/bin/python -m pip install ")
    assert demo.endswith(" && .venv/bin/tricorn demo")
    assert ".venv/bin/python -m pytest" in test


def test_readmes_have_the_same_code():
    assert [code for _, code in blocks(README, "python")] == [
        code for _, code in blocks(CHINESE, "python")
    ]


def test_what_the_commands_use_exists():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    _, test = commands(README)
    extra = re.search(r"\.\[(\w+)\]", test)[1]
    assert extra in project["optional-dependencies"]
    words = shlex.split(test)
    assert "-n" not in words or any(
        need.startswith("pytest-xdist") for need in project["optional-dependencies"][extra]
    )
    module, function = project["scripts"]["tricorn"].split(":")
    assert callable(getattr(__import__(module, fromlist=[function]), function))


def test_extras_named_in_the_docs_exist():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    install = (ROOT / "docs/getting-started.md").read_text().split("## Data")[0]
    named = re.findall(r"`(\w+)`", install.split("are extras")[1])
    assert named
    assert set(named) <= set(project["optional-dependencies"])


def test_ci_takes_its_test_command_from_the_readme():
    script = (ROOT / ".ci/run").read_text()
    pattern = re.search(r"grep -E '([^']+)' README\.md", script)[1]
    lines = [line for line in README.read_text().splitlines() if re.search(pattern, line)]
    assert lines == [commands(README)[1]]


# --------------------------------------------------------------------------- what changed, by table


def renamed(tables):
    """(then, now) of each row of the tables of a source version."""
    for then, now in tables.COMMON.items():
        yield f"`{then}`", f"`{now}`" if now else "gone"
    for name, change in tables.LAYERS.items():
        if change.name != name:
            yield f"`{name}`", f"`{change.name}`"
        for then, now in change.renamed.items():
            if then != now and tables.COMMON.get(then) != now:
                yield f"`{name}({then})`", f"`{change.name}({now})`" if now else "gone"
    for key in ("INITIALIZERS", "FORMATS", "ACTIVATIONS", "LOSSES", "METRICS"):
        for then, now in getattr(tables, key, {}).items():
            yield f'`"{then}"`', f"`{now}`" if key == "METRICS" else f'`"{now}"`'
    for mode, (layer, _) in getattr(tables, "MERGES", {}).items():
        yield f'`Merge(mode="{mode}")`', f"`{layer}`"


def rows_of(page, heading):
    """The cells of the rows of the tables under a heading, without the heads."""
    text = page.partition(f"\n### {heading}\n")[2].partition("\n### ")[0].partition("\n## ")[0]
    cells = (line.strip("|").split("|") for line in text.splitlines() if line.startswith("|"))
    return {tuple(map(str.strip, row)) for row in cells if set(row[0]) != {"-"}} - {("then", "now")}


@pytest.mark.parametrize(
    ("heading", "tables"),
    [("Names in Keras 1", keras1), ("Names in Keras 2 and tf.keras", keras2)],
    ids=["keras 1", "keras 2"],
)
def test_the_page_on_old_models_has_the_tables_rows(heading, tables):
    page = (ROOT / "docs/old-models.md").read_text(encoding="utf-8")
    assert rows_of(page, heading) == set(renamed(tables))


def test_the_page_on_old_models_has_each_convention():
    page = (ROOT / "docs/old-models.md").read_text(encoding="utf-8")
    titles = " ".join(row[0] for row in rows_of(page, "Numbers"))
    told = re.findall(r"\(`(\w+)`\)", titles)
    assert sorted(told) == sorted(vars(MODERN))
