"""What holds for every test: the engines' environment, and settings of its own."""

import os
import sys
import tempfile

import pytest

# Before anything imports an engine or Keras (the oracle, which runs on JAX).
os.environ.setdefault("KERAS_BACKEND", "jax")
# The tests compile thousands of small programs and run each a few times: compile them fast.
os.environ.setdefault(
    "XLA_FLAGS", "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
)
os.environ["TRICORN_COMPILATION_CACHE"] = "0"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ["KERAS_HOME"] = tempfile.mkdtemp(prefix="tricorn-tests-")


@pytest.fixture(scope="module", autouse=True)
def _forget_compiled_programs():
    """Thousands of small programs, Keras's and ours, would fill gigabytes by the end."""
    yield
    if "jax" in sys.modules:
        sys.modules["jax"].clear_caches()
