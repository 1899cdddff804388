"""11,228 newswires as numbers of words, in 46 topics."""

from __future__ import annotations

from typing import Any

import numpy as np

from tricorn.datasets import reading

_TOPICS = (
    "cocoa grain veg-oil earn acq wheat copper housing money-supply coffee sugar trade "
    "reserves ship cotton carcass crude nat-gas cpi money-fx interest gnp meal-feed alum "
    "oilseed gold tin strategic-metal livestock retail ipi iron-steel rubber heat jobs lei "
    "bop zinc orange pet-chem dlr gas silver wpi hog lead"
)


def load_data(
    path: str = "reuters.npz", num_words: int | None = None, skip_top: int = 0,
    maxlen: int | None = None, test_split: float = 0.2, seed: int = 113,
    start_char: int | None = 1, oov_char: int | None = 2, index_from: int = 3,
    **kwargs: Any,
) -> tuple[reading.Split, reading.Split]:  # fmt: skip
    """The newswires; a word's number is its rank by frequency, plus `index_from`.

    Args:
        path: what the file is called in the cache.
        test_split: the part for tests.
        num_words: only words below this number, which are the most frequent ones.
        skip_top: leave out so many of the most frequent ones.
        maxlen: leave out sequences of so many words or more.
        seed: of the order.
        start_char: the mark at the beginning of each; None: none.
        oov_char: the mark for words that are left out; None: none.
        index_from: what is added to the words' numbers.
        kwargs: `nb_words`, the older name of `num_words`.

    Returns:
        ``(x_train, y_train), (x_test, y_test)``: arrays of lists, and topics 0..45.

    Raises:
        TypeError: for another argument.
        ValueError: when `maxlen` leaves no sequence.

    Source: Reuters-21578.

    Example:
        >>> # (x_train, y_train), (x_test, y_test) = keras.datasets.reuters.load_data()
    """
    num_words = reading.count_of_words(num_words, kwargs)
    found = reading.arrays(reading.fetch("reuters.npz", path))
    x, y = reading.shuffled(found["x"], found["y"], np.random.RandomState(seed))
    kept, labels = reading.marked(x, y, start_char, index_from, maxlen)
    rows = reading.ragged(reading.limited(kept, num_words, skip_top, oov_char))
    first, topics = int(len(rows) * (1 - test_split)), np.array(labels)
    return (rows[:first], topics[:first]), (rows[first:], topics[first:])


def get_word_index(path: str = "reuters_word_index.json") -> dict[str, int]:
    """Word -> rank by frequency, from 1; without the `index_from` of `load_data`."""
    return reading.words("reuters_word_index.json", path)


def get_label_names() -> tuple[str, ...]:
    """The topics, in the order of their numbers."""
    return tuple(_TOPICS.split())


__all__ = ["get_label_names", "get_word_index", "load_data"]

__dir__ = lambda: list(__all__)
