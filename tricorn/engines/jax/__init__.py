"""The JAX engine: `primitives` and `compilation` are the contract, `kernels` what is faster than
XLA's own on CPU, `policy` how functions are compiled."""

from tricorn.engines.jax.memory import keep_freed_memory

keep_freed_memory()  # before JAX starts its threads

from tricorn.engines.jax.compilation import as_python, compile  # noqa: E402
from tricorn.engines.jax.primitives import *  # noqa: E402, F403
from tricorn.engines.jax.tape import is_live, tape  # noqa: E402
