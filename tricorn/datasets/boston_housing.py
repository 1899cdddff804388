"""506 districts of Boston in 1978: 13 numbers about each, and what houses cost."""

from __future__ import annotations

from tricorn.datasets import reading


def load_data(
    path: str = "boston_housing.npz", test_split: float = 0.2, seed: int = 113
) -> tuple[reading.Split, reading.Split]:
    """The districts.  One column, `B`, was made from race: the set is kept for old programs only.

    Args:
        path: what the file is called in the cache.
        test_split: the part for tests, at least 0 and below 1.
        seed: of the order.

    Returns:
        ``(x_train, y_train), (x_test, y_test)``: float64 `(n, 13)` and prices in $1,000 `(n,)`.

    Raises:
        ValueError: for another `test_split`.

    Source: D. Harrison, D. L. Rubinfeld (1978).

    Example:
        >>> # (x_train, y_train), (x_test, y_test) = keras.datasets.boston_housing.load_data()
    """
    found = reading.arrays(reading.fetch("boston_housing.npz", path))
    return reading.cut(found["x"], found["y"], test_split, seed)


__all__ = ["load_data"]

__dir__ = lambda: list(__all__)
