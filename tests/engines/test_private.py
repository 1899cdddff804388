"""Versions of the frameworks: other ones than the pinned are refused, with what to install."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tricorn.engines import EngineError, common, known

pytestmark = pytest.mark.engine_free

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
#: engine -> the requirement of its framework
PINNED = {
    name: next(
        requirement
        for requirement in (
            *PROJECT["dependencies"],
            *PROJECT["optional-dependencies"].get(name, ()),
        )
        if requirement.startswith(f"{name}>=")
    )
    for name in known.installed()
}
#: engine -> a private part of its framework that it needs: (module, name)
PARTS = {
    "jax": ("jax._src.interpreters.ad", "LinearizeTracer"),
    "tensorflow": ("tensorflow.python.framework.func_graph", "FuncGraph"),
    "torch": ("torch._subclasses.fake_tensor", "FakeTensorMode"),
}

PROGRAM = """
import sys
import {name} as framework
{change}
import tricorn
try:
    tricorn.set_engine({name!r})
except tricorn.engines.EngineError as error:
    print(error)
"""


def message_of(name, change):
    """What is said when the engine is loaded after a change of its framework."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(name=name, change=change)],
        check=True, timeout=120, capture_output=True, text=True,
    )  # fmt: skip
    return done.stdout.strip().splitlines()[-1]


@pytest.mark.parametrize("version", ["99.0.1"])
@pytest.mark.parametrize("name", PINNED)
def test_another_version_is_refused(name, version):
    message = message_of(name, f"framework.__version__ = {version!r}")
    assert f"{name} {version} is installed, {PINNED[name]} is supported" in message
    assert f'pip install "{PINNED[name] if name == "jax" else f"tricorn[{name}]"}"' in message


@pytest.mark.parametrize("name", PINNED)
def test_a_part_that_is_gone_is_named(name):
    module, part = PARTS[name]
    message = message_of(name, f"import {module} as module\ndel module.{part}")
    assert f"is not as expected (cannot import name {part!r}" in message
    assert PINNED[name] in message


@pytest.mark.parametrize(
    "found, fits",
    [
        ("2.13", True), ("2.13.0", True), ("2.13.0+cpu", True), ("2.13.5rc1", True),
        ("2.13.0a0+git1", True), ("2.12.9", False), ("2.14", False), ("2.14.0.dev2026", False),
        ("3", False), ("", False),
    ],
)  # fmt: skip
def test_which_versions_fit(found, fits):
    def load():
        with common.private_parts("torch", found, ("2.13", "2.14"), pip="tricorn[torch]"):
            return True

    if fits:
        assert load()
    else:
        with pytest.raises(EngineError, match=r"torch>=2\.13,<2\.14 is supported"):
            load()
