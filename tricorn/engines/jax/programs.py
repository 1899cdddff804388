"""Functions of JAX and modules of Flax inside of layers."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp


def flatten(tree: Any) -> tuple[list, Any]:
    """(leaves, structure) of a tree of JAX's, whose nodes may be of registered classes."""
    return jax.tree_util.tree_flatten(tree)


def unflatten(structure: Any, leaves: list) -> Any:
    """The inverse of `flatten`."""
    return jax.tree_util.tree_unflatten(structure, leaves)


def key(seed: Any) -> Any:
    """What ``jax.random`` takes for a key, from the key of a draw: int32 of shape (2,)."""
    return jax.lax.bitcast_convert_type(jnp.asarray(seed), jnp.uint32)


def flax_filter(collection: str) -> Any:
    """Flax's filter for all collections of variables but one."""
    from flax.linen import DenyList

    return DenyList([collection])
