"""Every example runs as people run it, and fails unless it learned.

All of them run on JAX, the quickest on every engine.
"""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ENGINES

pytestmark = pytest.mark.engine_free

ROOT = Path(__file__).parent.parent
EXAMPLES = {path.stem: path for path in sorted(ROOT.glob("examples/*.py"))}

#: Examples that choose their engine themselves.
OF_ONE_ENGINE = {f"custom_loop_{name}": name for name in ("jax", "tensorflow", "torch")}

#: The quickest: a functional model, a subclassed one, one that holds others, a loss of one's own.
ON_EVERY_ENGINE = [
    "collaborative_filtering",
    "knowledge_distillation",
    "siamese_contrastive",
    "structured_data",
]

CASES = [
    (name, engine)
    for name in EXAMPLES
    for engine in ENGINES
    if engine == OF_ONE_ENGINE.get(name, "jax") or name in ON_EVERY_ENGINE
]


@pytest.mark.heavy
@pytest.mark.parametrize("name, engine", CASES)
def test_learns(name, engine, tmp_path):
    environment = {**os.environ, "KERAS_BACKEND": engine, "PYTHONPATH": str(ROOT)}
    environment.pop("XLA_FLAGS", None)  # other tests compile fast; these compute for long
    done = subprocess.run(
        [sys.executable, str(EXAMPLES[name])],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    assert "Warning" not in done.stderr, done.stderr


@pytest.mark.parametrize("name", EXAMPLES)
def test_says_what_it_shows_and_asserts_that_it_learned(name):
    program = ast.parse(EXAMPLES[name].read_text(encoding="utf-8"))
    assert ast.get_docstring(program)
    last = program.body[-1]
    if isinstance(last, ast.If):  # `if __name__ == "__main__": main()`
        call = last.body[-1].value
        main = (call.args[0] if call.args else call.func).id  # or `run(main)`
        last = next(node for node in program.body if getattr(node, "name", "") == main).body[-1]
    assert isinstance(last, ast.Assert)


def test_are_listed_in_the_documentation():
    page = (ROOT / "docs/examples.md").read_text(encoding="utf-8")
    missing = [name for name in EXAMPLES if f"](../examples/{name}.py)" not in page]
    assert not missing
