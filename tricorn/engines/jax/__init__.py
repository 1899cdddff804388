"""The JAX engine: `primitives` and `compilation` are the contract, `kernels` what is faster than
XLA's own on CPU, `policy` how functions are compiled."""

from tricorn.engines.jax.compilation import compile
from tricorn.engines.jax.primitives import *  # noqa: F403
