"""The JAX engine: `primitives` and `compilation` are the contract, `kernels` what is faster than
XLA's own on CPU, `policy` how functions are compiled, `memory` what a training keeps."""

from tricorn.engines.jax.compilation import as_python, compile
from tricorn.engines.jax.memory import training
from tricorn.engines.jax.primitives import *
from tricorn.engines.jax.sparse import dense, entries, is_sparse, sparse, sparse_matmul
from tricorn.engines.jax.tape import is_live, tape
