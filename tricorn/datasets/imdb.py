"""50,000 reviews of films as numbers of words, and whether they praise."""

from __future__ import annotations

from typing import Any

import numpy as np

from tricorn.datasets import reading


def load_data(
    path: str = "imdb.npz", num_words: int | None = None, skip_top: int = 0,
    maxlen: int | None = None, seed: int = 113, start_char: int | None = 1,
    oov_char: int | None = 2, index_from: int = 3, **kwargs: Any,
) -> tuple[reading.Split, reading.Split]:  # fmt: skip
    """The reviews; a word's number is its rank by frequency, plus `index_from`.

    Args:
        path: what the file is called in the cache.
        num_words: only words below this number, which are the most frequent ones.
        skip_top: leave out so many of the most frequent ones.
        maxlen: leave out sequences of so many words or more.
        seed: of the order.
        start_char: the mark at the beginning of each; None: none.
        oov_char: the mark for words that are left out; None: none.
        index_from: what is added to the words' numbers.
        kwargs: `nb_words`, the older name of `num_words`.

    Returns:
        ``(x_train, y_train), (x_test, y_test)``: arrays of lists, and labels 0 or 1; 25,000 each.

    Raises:
        TypeError: for another argument.
        ValueError: when `maxlen` leaves no sequence.

    Source: A. Maas et al. (2011), https://ai.stanford.edu/~amaas/data/sentiment.

    Example:
        >>> # (x_train, y_train), (x_test, y_test) = keras.datasets.imdb.load_data(num_words=10000)
    """
    num_words = reading.count_of_words(num_words, kwargs)
    found = reading.arrays(reading.fetch("imdb.npz", path))
    generator = np.random.RandomState(seed)
    parts = []
    for name in ("train", "test"):
        x, y = reading.shuffled(found[f"x_{name}"], found[f"y_{name}"], generator)
        parts.append(reading.marked(x, y, start_char, index_from, maxlen))
    (train, _), (test, _) = parts
    rows = reading.ragged(reading.limited(train + test, num_words, skip_top, oov_char))
    labels = np.array(parts[0][1] + parts[1][1])
    first = len(train)
    return (rows[:first], labels[:first]), (rows[first:], labels[first:])


def get_word_index(path: str = "imdb_word_index.json") -> dict[str, int]:
    """Word -> rank by frequency, from 1; without the `index_from` of `load_data`."""
    return reading.words("imdb_word_index.json", path)


__all__ = ["get_word_index", "load_data"]

__dir__ = lambda: list(__all__)
