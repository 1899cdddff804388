"""The tests of this folder with eager execution switched off, which holds for a whole process."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.mark.engine_free
@pytest.mark.heavy
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


@pytest.mark.engine_free
@pytest.mark.heavy
@pytest.mark.parametrize("shapes", ["", "tf.enable_v2_tensorshape()"])
def test_without_the_behaviour_of_version_2(shapes):
    pytest.importorskip("tensorflow")
    program = f"""
import tensorflow.compat.v1 as tf
tf.disable_v2_behavior()
{shapes}
import numpy as np, tricorn as keras
keras.set_engine("tensorflow")
x = keras.Input((5, 4))
model = keras.Model(x, keras.layers.SimpleRNN(3, dropout=0.2)(x))
model.compile("sgd", "mse")
model.fit(np.ones((8, 5, 4)), np.ones((8, 3)), verbose=0)
print(model.predict(np.ones((2, 5, 4)), verbose=0).shape)
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(HERE.parent.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    if shapes:
        assert "(2, 3)" in done.stdout, done.stderr[-3000:]
    else:
        assert "call tf.enable_v2_tensorshape() after it" in done.stderr
