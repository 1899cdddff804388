"""Hundreds of tiny functions are compiled here: quickly, not well."""

import os

_FAST = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
os.environ.setdefault("XLA_FLAGS", _FAST)
