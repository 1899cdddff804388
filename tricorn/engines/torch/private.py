"""What the engine uses of PyTorch that is not public, and may move with a version."""

from __future__ import annotations

import contextlib
import sys
from typing import Any

import torch

from tricorn.engines.common import private_parts

with private_parts("torch", torch.__version__, ("2.13", "2.14"), pip="tricorn[torch]"):
    from torch._functorch.pyfunctorch import (
        temporarily_clear_interpreter_stack as temporarily_clear_interpreter_stack,
    )
    from torch._subclasses.fake_tensor import (
        DataDependentOutputException as DataDependentOutputException,
    )
    from torch._subclasses.fake_tensor import FakeTensor as FakeTensor
    from torch._subclasses.fake_tensor import FakeTensorMode as FakeTensorMode

    functorch = torch._C._functorch
    disable_current_modes = torch.utils._python_dispatch._disable_current_modes
    modes_around = torch._C._len_torch_dispatch_stack
    fused_adam_ = torch._fused_adam_
    attention = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    attention_gradient = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward
    recurrent = torch.ops.aten.mkldnn_rnn_layer
    recurrent_gradient = torch.ops.aten.mkldnn_rnn_layer_backward
    standard_gamma = torch._standard_gamma
    register_tree = torch.utils._pytree.register_pytree_node


def proxy_tensor() -> Any:
    """The module that writes calls down; importing what it needs takes a second.

    Beside threads that compute it took minutes: at each of its thousands of reads an import gives
    up the interpreter, and gets it back after the switch interval (two threads: 37 s at Python's
    5 ms, 6.6 s at 0.1 ms).
    """
    interval = sys.getswitchinterval()
    sys.setswitchinterval(min(interval, 1e-4))
    try:
        from torch import _dynamo, _inductor  # noqa: F401  imported when it traces
        from torch.fx.experimental import proxy_tensor
    finally:
        sys.setswitchinterval(interval)
    return proxy_tensor


def break_graphs_around(package: str) -> None:
    """Let ``torch.compile`` break its graphs around the code of a package."""
    with contextlib.suppress(ImportError, AttributeError):
        from torch._dynamo import trace_rules

        trace_rules.add(package)
