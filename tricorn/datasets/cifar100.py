"""60,000 colour photographs in 100 classes of 20 kinds, 32×32 pixels."""

from __future__ import annotations

import os

from tricorn.datasets import reading


def load_data(label_mode: str = "fine") -> tuple[reading.Split, reading.Split]:
    """The photographs.

    Args:
        label_mode: ``"fine"``: 100 classes, ``"coarse"``: 20.

    Returns:
        ``(x_train, y_train), (x_test, y_test)``: images uint8 `(n, 32, 32, 3)`, or
        `(n, 3, 32, 32)` with channels first, labels uint8 `(n, 1)`; 50,000 and 10,000 of them.

    Raises:
        ValueError: for another `label_mode`.

    Source: A. Krizhevsky, https://www.cs.toronto.edu/~kriz/cifar.html.

    Example:
        >>> # (x_train, y_train), (x_test, y_test) = keras.datasets.cifar100.load_data("coarse")
    """
    if label_mode not in ("fine", "coarse"):
        raise ValueError(f'label_mode must be "fine" or "coarse", got {label_mode!r}')
    path = reading.fetch("cifar-100-python.tar.gz", "cifar-100-python-target", extract=True)
    train, test = (
        reading.batch(os.path.join(path, "cifar-100-python", name), f"{label_mode}_labels")
        for name in ("train", "test")
    )
    return train, test


__all__ = ["load_data"]

__dir__ = lambda: list(__all__)
