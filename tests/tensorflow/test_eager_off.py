"""The tests of this folder with eager execution switched off, which holds for a whole process."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.mark.engine_free
@pytest.mark.slow
@pytest.mark.skipif("TRICORN_TESTS_EAGER_OFF" in os.environ, reason="it is off")
def test_all_of_it_with_eager_execution_switched_off():
    pytest.importorskip("tensorflow")
    files = sorted(str(p) for p in HERE.glob("test_*.py") if p != Path(__file__))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--engine", "tensorflow", "-p", "no:xdist", *files],
        env={**os.environ, "TRICORN_TESTS_EAGER_OFF": "1"},
        cwd=HERE.parent.parent,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:]
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) > 30
