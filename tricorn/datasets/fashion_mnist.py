"""70,000 pictures of clothes in 10 classes, 28×28 pixels."""

from __future__ import annotations

import gzip

import numpy as np

from tricorn.datasets import reading


def load_data() -> tuple[reading.Split, reading.Split]:
    """The pictures: T-shirt, trouser, pullover, dress, coat, sandal, shirt, sneaker, bag, boot.

    Returns:
        ``(x_train, y_train), (x_test, y_test)``: images uint8 `(n, 28, 28)`, labels uint8 `(n,)`;
        60,000 and 10,000 of them.

    Source: Zalando SE, https://github.com/zalandoresearch/fashion-mnist, MIT licence.

    Example:
        >>> # (x_train, y_train), (x_test, y_test) = keras.datasets.fashion_mnist.load_data()
    """
    return _part("train"), _part("t10k")


def _part(name: str) -> reading.Split:
    images = _numbers(f"{name}-images-idx3-ubyte.gz", 16)
    return images.reshape(-1, 28, 28), _numbers(f"{name}-labels-idx1-ubyte.gz", 8)


def _numbers(name: str, header: int) -> np.ndarray:
    with gzip.open(reading.fetch(name, folder="fashion-mnist")) as file:
        return np.frombuffer(file.read(), np.uint8, offset=header)


__all__ = ["load_data"]

__dir__ = lambda: list(__all__)
