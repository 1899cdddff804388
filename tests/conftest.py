"""What holds for every test: the engines' environment, and settings of its own."""

import os
import tempfile

# Before anything imports an engine or Keras (the oracle, which runs on JAX).
os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ["KERAS_HOME"] = tempfile.mkdtemp(prefix="tricorn-tests-")
