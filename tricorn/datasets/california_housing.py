"""20,640 districts of California in 1990: 8 numbers about each, and what houses cost."""

from __future__ import annotations

from tricorn.datasets import reading


def load_data(
    version: str = "large",
    path: str = "california_housing.npz",
    test_split: float = 0.2,
    seed: int = 113,
) -> tuple[reading.Split, reading.Split]:
    """The districts: income, age of houses, rooms, bedrooms, population, occupancy, latitude and
    longitude.

    Args:
        version: ``"large"``: all, ``"small"``: the first 600.
        path: what the file is called in the cache.
        test_split: the part for tests, at least 0 and below 1.
        seed: of the order.

    Returns:
        ``(x_train, y_train), (x_test, y_test)``: float32 `(n, 8)`, prices in dollars `(n,)`.

    Raises:
        ValueError: for another `version` or `test_split`.

    Source: R. K. Pace, R. Barry, *Sparse Spatial Autoregressions* (1997).

    Example:
        >>> # (x_train, y_train), (x_test, y_test) = keras.datasets.california_housing.load_data()
    """
    if version not in ("small", "large"):
        raise ValueError(f'version must be "small" or "large", got {version!r}')
    found = reading.arrays(reading.fetch("california_housing.npz", path))
    rows = slice(600 if version == "small" else None)
    return reading.cut(found["x"][rows], found["y"][rows], test_split, seed)


__all__ = ["load_data"]

__dir__ = lambda: list(__all__)
