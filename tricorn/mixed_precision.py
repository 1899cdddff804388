"""Mixed precision by its older names; see `dtype_policies`."""

from tricorn.dtype_policies import DTypePolicy, dtype_policy, set_dtype_policy
from tricorn.optimizers.loss_scale import LossScaleOptimizer

Policy, global_policy, set_global_policy = DTypePolicy, dtype_policy, set_dtype_policy

__all__ = [
    "DTypePolicy", "LossScaleOptimizer", "Policy", "dtype_policy", "global_policy",
    "set_dtype_policy", "set_global_policy",
]  # fmt: skip

__dir__ = lambda: list(__all__)
