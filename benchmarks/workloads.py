"""The training workloads that the benchmarks share: batch sizes and synthetic data.

- ``mlp``: 784-128-128-10, relu, dropout 0.2 after each hidden layer.
- ``cnn``: 28x28x1; conv 3x3x32, conv 3x3x64 (both "valid", relu), max-pool 2, dropout 0.25,
  dense 128 relu, dropout 0.5, dense 10.
- ``resnet``: 32x32x3; conv 3x3x16, then one residual block each of 16, 32 and 64 channels (two
  3x3 convolutions without bias, batch norm; the latter two blocks halve the image and have a 1x1
  shortcut with batch norm), global average pooling, dense 10.
- ``lstm``: Embedding(20000, 128), LSTM(64) over 80 steps, dense 1.
- ``layer``: the mlp with its first dense layer replaced by a layer of the user's own.
- ``step``: the mlp in a subclass of `Model` with a `train_step` of the user's own.

All train with Adam and report loss and accuracy. A rate is that of the fastest epoch after the
first, because other processes only ever slow an epoch down.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

VOCABULARY, STEPS = 20000, 80


class Workload(NamedTuple):
    shape: tuple[int, ...]  # of one input
    classes: int  # 1: binary
    batch: int
    samples: int  # an epoch's, by default

    def data(self, samples: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Inputs (float32 pixels, or int32 words) and int32 labels; equal on every call."""
        rng = np.random.default_rng(0)
        samples = samples or self.samples
        if self.classes == 1:
            x = rng.integers(0, VOCABULARY, (samples, *self.shape), dtype=np.int32)
            return x, rng.integers(0, 2, samples, dtype=np.int32)
        x = rng.random((samples, *self.shape), dtype=np.float32)
        return x, rng.integers(0, self.classes, samples, dtype=np.int32)


WORKLOADS = {
    "mlp": Workload((784,), 10, 50, 60_000),
    "cnn": Workload((28, 28, 1), 10, 128, 2_560),
    "resnet": Workload((32, 32, 3), 10, 64, 1_280),
    "lstm": Workload((STEPS,), 1, 32, 3_200),
    "layer": Workload((784,), 10, 50, 15_000),
    "step": Workload((784,), 10, 50, 15_000),
}
#: workloads with a user's own code -> the one that computes the same
SAME = {"layer": "mlp", "step": "mlp"}
