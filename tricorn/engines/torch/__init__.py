"""The PyTorch engine: `primitives` and `transforms` on eager torch, `tracing` compiles.

How it works with torch's own autograd:

* outside of a step `read` gives the live ``nn.Parameter``, so a native loop (``loss.backward()``,
  ``torch.optim``) trains our models, and the in-place `write` of a parameter makes torch complain,
  not miscompute, when it comes between a forward and a backward pass;
* a compiled step runs under ``no_grad`` on detached tensors; only `vjp` records, and nothing is
  written before the step is over (but by a traced step's Adam, which comes after the gradients);
* gradients are differentiable again wherever grad mode is on: inside another `vjp`, and in user
  code.
"""

from tricorn.engines.torch.module import Module as module
from tricorn.engines.torch.primitives import *
from tricorn.engines.torch.sparse import dense, entries, is_sparse, sparse, sparse_matmul
from tricorn.engines.torch.tape import tape
from tricorn.engines.torch.tracing import as_python, compile
from tricorn.engines.torch.transforms import *
