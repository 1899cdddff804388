"""Muon: momentum whose matrices are made orthogonal."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Unpack

from tricorn import checks, ops
from tricorn.ops.fused import adam
from tricorn.optimizers.base import Common, Optimizer
from tricorn.variable import Variable

Slots = dict[str, Any]


class Muon(Optimizer):
    """w ← w - η s O(g + μ m), m ← μ m + g, where O(x) is near to the closest orthogonal matrix.

    O is `ns_steps` Newton-Schulz iterations x ← a x + (b A + c A²) x, A = x xᵀ, from x / |x|, and
    s = rms_rate √max(rows, columns).  What is no matrix, an embedding, or excluded, is updated as
    by `AdamW`.

    Args:
        learning_rate: η.
        adam_beta_1, adam_beta_2, epsilon: of Adam.
        adam_weight_decay: weight decay of what Adam updates.
        weight_decay: weight decay of the matrices.
        exclude_layers: patterns; a variable whose path matches one is Adam's.
        exclude_embeddings: whether variables with "embedding" in their path are Adam's.
        muon_a, muon_b, muon_c: a, b, c.
        adam_lr_ratio: Adam's learning rate is so many times η.
        momentum: μ.
        ns_steps: how many iterations.
        nesterov: look ahead along the momentum; else O(m).
        rms_rate: see s above; None: s is 1.
        common: see `Optimizer`.

    Source: Jordan, 2024, "Muon: an optimizer for hidden layers"; Liu et al., 2025,
    arXiv:2502.16982.

    Example:
        >>> v = keras.Variable(np.eye(2, dtype="float32"))
        >>> keras.optimizers.Muon(0.1).apply([np.eye(2, dtype="float32")], [v])
        >>> v.shape
        (2, 2)
    """

    together = ("momentum", "velocity")

    def __init__(  # type: ignore[misc]
        self,
        learning_rate: Any = 0.001,
        adam_beta_1: float = 0.9,
        adam_beta_2: float = 0.999,
        adam_weight_decay: float | None = 0.004,
        epsilon: float = 1e-7,
        weight_decay: float | None = 0.004,
        exclude_layers: Sequence[str] | None = None,
        exclude_embeddings: bool = True,
        muon_a: float = 3.4445,
        muon_b: float = -4.775,
        muon_c: float = 2.0315,
        adam_lr_ratio: float = 1,
        momentum: float = 0.95,
        ns_steps: int = 5,
        nesterov: bool = True,
        rms_rate: float | None = 0.2,
        **common: Unpack[Common],
    ) -> None:
        super().__init__(learning_rate, weight_decay, **common)
        self.adam_beta_1, self.adam_beta_2, self.epsilon = adam_beta_1, adam_beta_2, epsilon
        self.adam_weight_decay, self.adam_lr_ratio = adam_weight_decay, adam_lr_ratio
        given = exclude_layers or []
        if not isinstance(given, (list, tuple)) or not all(isinstance(x, str) for x in given):
            raise checks.wrong(self, "exclude_layers", "a list of patterns", exclude_layers)
        self.exclude_layers = list(given)
        self.exclude_embeddings = exclude_embeddings
        self.muon_a, self.muon_b, self.muon_c = muon_a, muon_b, muon_c
        self.momentum, self.ns_steps, self.nesterov = momentum, ns_steps, nesterov
        self.rms_rate = rms_rate

    def _for_adam(self, variable: Variable) -> bool:
        embedding = self.exclude_embeddings and "embedding" in variable.path.lower()
        excluded = any(re.search(pattern, variable.path) for pattern in self.exclude_layers)
        return len(variable.shape) != 2 or embedding or excluded

    def init(self, variable: Any) -> dict[str, float]:
        return {"momentum": 0.0, **({"velocity": 0.0} if self._for_adam(variable) else {})}

    def _tricorn_decay_of(self, variable: Variable) -> float | None:
        return self.adam_weight_decay if self._for_adam(variable) else self.weight_decay

    def update(
        self, value: Any, gradient: Any, learning_rate: Any, slots: Slots, step: Any
    ) -> tuple[Any, Slots]:
        if "velocity" in slots:
            m, v = [slots["momentum"]], [slots["velocity"]]
            rate, betas = learning_rate * self.adam_lr_ratio, (self.adam_beta_1, self.adam_beta_2)
            after = adam([value], [gradient], m, v, None, rate, step, *betas, self.epsilon)
            new, momentum, velocity, _ = after[0]
            return new, {"momentum": momentum, "velocity": velocity}
        m = slots["momentum"] * self.momentum + gradient
        change = self._orthogonal(gradient + m * self.momentum if self.nesterov else m)
        scale = 1.0 if self.rms_rate is None else self.rms_rate * max(value.shape) ** 0.5
        return value - learning_rate * scale * change, {"momentum": m}

    def _orthogonal(self, x: Any) -> Any:
        tall = x.shape[0] > x.shape[1]
        x = ops.transpose(x) if tall else x
        x = x / (ops.sqrt(ops.sum(ops.square(x))) + 1e-7)
        for _ in range(self.ns_steps):
            a = ops.matmul(x, ops.transpose(x))
            x = self.muon_a * x + ops.matmul(self.muon_b * a + self.muon_c * ops.matmul(a, a), x)
        return ops.transpose(x) if tall else x
