"""60,000 colour photographs in 10 classes, 32×32 pixels."""

from __future__ import annotations

import os

import numpy as np

from tricorn.datasets import reading


def load_data() -> tuple[reading.Split, reading.Split]:
    """The photographs: airplane, automobile, bird, cat, deer, dog, frog, horse, ship, truck.

    Returns:
        ``(x_train, y_train), (x_test, y_test)``: images uint8 `(n, 32, 32, 3)`, or
        `(n, 3, 32, 32)` with channels first, labels uint8 `(n, 1)`; 50,000 and 10,000 of them.

    Source: A. Krizhevsky, https://www.cs.toronto.edu/~kriz/cifar.html.

    Example:
        >>> # (x_train, y_train), (x_test, y_test) = keras.datasets.cifar10.load_data()
    """
    path = reading.fetch("cifar-10-python.tar.gz", "cifar-10-batches-py-target", extract=True)
    names = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]
    *train, test = (
        reading.batch(os.path.join(path, "cifar-10-batches-py", name), "labels") for name in names
    )
    images, labels = zip(*train)
    return (np.concatenate(images), np.concatenate(labels)), test


__all__ = ["load_data"]

__dir__ = lambda: list(__all__)
