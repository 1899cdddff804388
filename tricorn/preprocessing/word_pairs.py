"""Words and their neighbours, to learn what words mean."""

from __future__ import annotations

import random
from typing import Any

import numpy as np


def make_sampling_table(size: int, sampling_factor: float = 1e-5) -> np.ndarray:
    """How likely a word is to be kept by `skipgrams`, by its rank: min(1, √(s / f)).

    The frequency f of the word of rank r goes by Zipf's law,
    1/f = r (ln r + γ) + 1/2 - 1/(12 r).

    Args:
        size: how many ranks there are; 0 counts as 1.
        sampling_factor: s.

    Returns:
        array (size,).

    Source: Mikolov et al., *Distributed Representations of Words and Phrases* (2013).

    Example:
        >>> keras.preprocessing.sequence.make_sampling_table(3).round(4)
        array([0.0032, 0.0032, 0.0055])
    """
    rank = np.maximum(np.arange(size), 1)
    inverse = rank * (np.log(rank) + 0.577) + 0.5 - 1 / (12.0 * rank)
    return np.minimum(1.0, np.sqrt(sampling_factor * inverse))


def skipgrams(
    sequence: Any,
    vocabulary_size: int,
    window_size: int = 4,
    negative_samples: float = 1.0,
    shuffle: bool = True,
    categorical: bool = False,
    sampling_table: Any = None,
    seed: int | None = None,
) -> tuple[list[list[int]], list]:
    """Pairs of words: with label 1 a word and one near it, with label 0 a word and any other.

    Draws from Python's global generator (``random.seed``).

    Args:
        sequence: numbers of words; 0 is no word.
        vocabulary_size: the largest number and one.
        window_size: how many places near is.
        negative_samples: how many pairs of label 0 there are for one of label 1.
        shuffle: in any order.
        categorical: labels [0, 1] and [1, 0] for 1 and 0.
        sampling_table: how likely each number is to be taken, see `make_sampling_table`.
        seed: of the order.

    Returns:
        ``couples, labels``.

    Example:
        >>> keras.preprocessing.sequence.skipgrams([1, 2], 3, negative_samples=0, shuffle=False)
        ([[1, 2], [2, 1]], [1, 1])
    """
    couples: list[list[int]] = []
    for place, word in enumerate(sequence):
        if not word or (sampling_table is not None and sampling_table[word] < random.random()):
            continue
        for other in range(
            max(0, place - window_size), min(len(sequence), place + window_size + 1)
        ):
            if other != place and sequence[other]:
                couples.append([word, sequence[other]])
    labels: list = [[0, 1] if categorical else 1] * len(couples)
    if negative_samples > 0:
        count = int(len(couples) * negative_samples)
        words = [word for word, _ in couples]
        random.shuffle(words)
        others = [random.randint(1, vocabulary_size - 1) for _ in range(count)]
        couples += [[words[i % len(words)], other] for i, other in enumerate(others)]
        labels += [[1, 0] if categorical else 0] * count
    if shuffle:
        seed = random.randint(0, 10**7) if seed is None else seed
        for rows in (couples, labels):
            random.seed(seed)
            random.shuffle(rows)
    return couples, labels
