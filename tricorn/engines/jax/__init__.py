"""The JAX engine: `primitives` and `compilation` are the contract, `kernels` what is faster than
XLA's own on CPU."""

from tricorn.engines.jax import kernels
from tricorn.engines.jax.compilation import compile
from tricorn.engines.jax.primitives import *  # noqa: F403

#: Composed ops that have a kernel of the same name and arguments.
OVERRIDES = {
    name: getattr(kernels, name) for name in ("add_bias", "batch_norm", "gru", "lstm")
}
