"""1,797 real handwritten digits that ship with the package: 8×8 images of 13 writers.

Source: E. Alpaydin and C. Kaynak, *Optical Recognition of Handwritten Digits* (1998), UCI Machine
Learning Repository, https://doi.org/10.24432/C50P49, licensed CC BY 4.0. The file holds the test
part of that set, unchanged in value: each pixel counts the inked points of a 4×4 block of a
32×32 bitmap, so it lies in 0..16.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

Split = tuple[np.ndarray, np.ndarray]


def load_data(test_fraction: float = 0.2, seed: int = 0) -> tuple[Split, Split]:
    """The digits, shuffled and split in two.

    Args:
        test_fraction: the share of the 1,797 digits held out, at least 0 and below 1.
        seed: of the shuffle; equal seeds give equal splits.

    Returns:
        ``(x_train, y_train), (x_test, y_test)``: images uint8 `(n, 8, 8)` with values 0..16, and
        labels uint8 `(n,)` with values 0..9.

    Raises:
        ValueError: when `test_fraction` is outside [0, 1).

    Example:
        >>> (x_train, y_train), (x_test, y_test) = keras.datasets.digits.load_data()
        >>> x_train.shape, x_test.shape
        ((1438, 8, 8), (359, 8, 8))
    """
    if not 0 <= test_fraction < 1:
        raise ValueError(
            f"load_data: test_fraction must be at least 0 and below 1, got {test_fraction!r}. "
            "Pass the share of digits to hold out, e.g. 0.2."
        )
    with np.load(Path(__file__).with_name("digits.npz"), allow_pickle=False) as file:
        images, labels = file["images"], file["labels"]
    order = np.random.default_rng(seed).permutation(len(labels))
    held_out = int(len(labels) * test_fraction)
    test, train = order[:held_out], order[held_out:]
    return (images[train], labels[train]), (images[test], labels[test])


__all__ = ["load_data"]

__dir__ = lambda: list(__all__)
