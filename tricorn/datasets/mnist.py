"""70,000 handwritten digits in 10 classes, 28×28 pixels."""

from __future__ import annotations

from tricorn.datasets import reading


def load_data(path: str = "mnist.npz") -> tuple[reading.Split, reading.Split]:
    """The digits.

    Args:
        path: what the file is called in the cache.

    Returns:
        ``(x_train, y_train), (x_test, y_test)``: images uint8 `(n, 28, 28)`, labels uint8 `(n,)`;
        60,000 and 10,000 of them.

    Source: Y. LeCun, C. Cortes, http://yann.lecun.com/exdb/mnist, CC BY-SA 3.0.

    Example:
        >>> # (x_train, y_train), (x_test, y_test) = keras.datasets.mnist.load_data()
    """
    found = reading.arrays(reading.fetch("mnist.npz", path))
    return (found["x_train"], found["y_train"]), (found["x_test"], found["y_test"])


__all__ = ["load_data"]

__dir__ = lambda: list(__all__)
