"""Texts as sequences of words' numbers, as Keras 2 makes them; `layers.TextVectorization` does so
inside a model."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from tricorn import limits

FILTERS = '!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n'


def text_to_word_sequence(
    text: str, filters: str = FILTERS, lower: bool = True, split: str = " "
) -> list[str]:
    """The words of a text.

    Args:
        filters: characters that part words and are dropped.
        lower: in lower case.
        split: what parts words.

    Example:
        >>> keras.preprocessing.text.text_to_word_sequence("To be, or not to be!")
        ['to', 'be', 'or', 'not', 'to', 'be']
    """
    text = text.lower() if lower else text
    return [
        word
        for word in text.translate(dict.fromkeys(map(ord, filters), split)).split(split)
        if word
    ]


def one_hot(
    text: str, n: int, filters: str = FILTERS, lower: bool = True, split: str = " "
) -> list[int]:
    """`hashing_trick` with Python's own ``hash``, which differs from one process to the next."""
    return hashing_trick(text, n, hash, filters, lower, split)


def hashing_trick(
    text: str,
    n: int,
    hash_function: Callable[[str], int] | str | None = None,
    filters: str = FILTERS,
    lower: bool = True,
    split: str = " ",
) -> list[int]:
    """The words of a text as numbers in 1..n-1 by their hashes; different words may share one.

    Args:
        n: how many numbers there are, with 0, which is no word's.
        hash_function: from words to ints; ``"md5"``, or None: Python's own, which differs from one
            process to the next.
        filters, lower, split: see `text_to_word_sequence`.

    Example:
        >>> keras.preprocessing.text.hashing_trick("to be or not to be", 100, "md5")
        [36, 8, 17, 23, 36, 8]
    """
    number: Any = hash if hash_function is None else hash_function
    if hash_function == "md5":
        number = lambda word: int(hashlib.md5(word.encode()).hexdigest(), 16)
    words = text_to_word_sequence(text, filters, lower, split)
    return [number(word) % (n - 1) + 1 for word in words]


class Tokenizer:
    """Words as numbers by how often they occur: 1 is the most frequent one's, 0 is none's.

    Args:
        num_words: only the ``num_words - 1`` most frequent words count in what is made of texts.
        filters, lower, split: see `text_to_word_sequence`.
        char_level: each character is a word.
        oov_token: a word for all that are not known, with the number 1.
        document_count: of how many texts were seen before.

    Attributes:
        word_counts: word -> how often it occurred.
        word_docs: word -> in how many texts.
        word_index, index_word: word -> number, number -> word.
        index_docs: number -> in how many texts.

    Example:
        >>> tokenizer = keras.preprocessing.text.Tokenizer()
        >>> tokenizer.fit_on_texts(["to be", "or not to be"])
        >>> tokenizer.texts_to_sequences(["not to be seen"])
        [[4, 1, 2]]
    """

    def __init__(
        self,
        num_words: int | None = None,
        filters: str = FILTERS,
        lower: bool = True,
        split: str = " ",
        char_level: bool = False,
        oov_token: str | None = None,
        document_count: int = 0,
    ) -> None:
        self.num_words, self.filters, self.lower, self.split = num_words, filters, lower, split
        self.char_level, self.oov_token = char_level, oov_token
        self.document_count = document_count
        self.word_counts: dict[str, int] = Counter()
        self.word_docs: dict[str, int] = defaultdict(int)
        self.index_docs: dict[int, int] = defaultdict(int)
        self.word_index: dict[str, int] = {}
        self.index_word: dict[int, str] = {}

    def _words(self, text: Any) -> Any:
        """The words of a text, which may be a list of words."""
        if isinstance(text, list):
            return [word.lower() for word in text] if self.lower else text
        if self.char_level:
            return text.lower() if self.lower else text
        return text_to_word_sequence(text, self.filters, self.lower, self.split)

    def fit_on_texts(self, texts: Iterable) -> None:
        """Count the words of texts, or of lists of words, besides those that were counted."""
        for text in texts:
            self.document_count += 1
            words = self._words(text)
            for word in words:
                self.word_counts[word] = self.word_counts.get(word, 0) + 1
            for word in set(words):
                self.word_docs[word] += 1
        # a stable sort: words that are as frequent stand in the order of their first occurrences
        ranked = sorted(self.word_counts, key=self.word_counts.__getitem__, reverse=True)
        first = [] if self.oov_token is None else [self.oov_token]
        self.word_index = {word: number for number, word in enumerate(first + ranked, 1)}
        self.index_word = {number: word for word, number in self.word_index.items()}
        for word, count in self.word_docs.items():
            self.index_docs[self.word_index[word]] = count

    def fit_on_sequences(self, sequences: Any) -> None:
        """Count in how many sequences each number is, for `sequences_to_matrix`."""
        self.document_count += len(sequences)
        for sequence in sequences:
            for number in set(sequence):
                self.index_docs[number] += 1

    def _kept(self, number: int | None) -> int | None:
        """The number of a word, that of words that are not known, or None: it is left out."""
        known = number is not None and not (self.num_words and number >= self.num_words)
        return number if known else self.word_index.get(self.oov_token)  # type: ignore[arg-type]

    def texts_to_sequences(self, texts: Iterable) -> list[list[int]]:
        """Each text, or list of words, as numbers; words that are not known are left out, unless
        there is an `oov_token`."""
        return list(self.texts_to_sequences_generator(texts))

    def texts_to_sequences_generator(self, texts: Iterable) -> Iterator[list[int]]:
        """`texts_to_sequences`, one by one."""
        for text in texts:
            numbers = (self._kept(self.word_index.get(word)) for word in self._words(text))
            yield [number for number in numbers if number is not None]

    def sequences_to_texts(self, sequences: Iterable) -> list[str]:
        """Each sequence of numbers as words with spaces between."""
        return list(self.sequences_to_texts_generator(sequences))

    def sequences_to_texts_generator(self, sequences: Iterable) -> Iterator[str]:
        """`sequences_to_texts`, one by one."""
        for sequence in sequences:
            numbers = (self._kept(n if n in self.index_word else None) for n in sequence)
            yield " ".join(self.index_word[n] for n in numbers if n is not None)

    def texts_to_matrix(self, texts: Iterable, mode: str = "binary") -> np.ndarray:
        """`sequences_to_matrix` of `texts_to_sequences`."""
        return self.sequences_to_matrix(self.texts_to_sequences(texts), mode)

    def sequences_to_matrix(self, sequences: Any, mode: str = "binary") -> np.ndarray:
        """A row for each sequence, with a column for each number.

        Args:
            mode: ``"binary"``: whether it occurs, ``"count"``: how often, ``"freq"``: how often,
                as a part of the sequence, or ``"tfidf"``: (1 + ln count) · ln(1 + d / (1 + n)),
                where n of the d texts have it.

        Raises:
            ValueError: for another mode; nothing was fitted, or only sequences for ``"tfidf"``.
        """
        if not (self.num_words or self.word_index):
            raise ValueError(
                "Specify a dimension (`num_words` argument), or fit on some text data first."
            )
        if mode == "tfidf" and not self.document_count:
            raise ValueError("Fit the Tokenizer on some data before using tfidf mode.")
        if mode not in ("binary", "count", "freq", "tfidf"):
            raise ValueError(f"Unknown vectorization mode: {mode!r}")
        columns = self.num_words or len(self.word_index) + 1
        matrix = np.zeros((len(sequences), columns))
        for row, sequence in zip(matrix, sequences):
            for number, count in Counter(n for n in sequence if n < columns).items():
                if mode == "tfidf":
                    rarity = self.document_count / (1 + self.index_docs.get(number, 0))
                    row[number] = (1 + np.log(count)) * np.log(1 + rarity)
                else:
                    row[number] = {"binary": 1, "count": count}.get(mode, count / len(sequence))
        return matrix

    def get_config(self) -> dict[str, Any]:
        """The settings, and what was counted as JSON texts."""
        settings = {name: getattr(self, name) for name in _SETTINGS}
        return {**settings, **{name: json.dumps(getattr(self, name)) for name in _COUNTED}}

    def to_json(self, **kwargs: Any) -> str:
        """A JSON text that `tokenizer_from_json` reads; `kwargs` are for ``json.dumps``."""
        return json.dumps(
            {"class_name": type(self).__name__, "config": self.get_config()}, **kwargs
        )


_SETTINGS = ("num_words", "filters", "lower", "split", "char_level", "oov_token", "document_count")
_COUNTED = ("word_counts", "word_docs", "index_docs", "index_word", "word_index")


def tokenizer_from_json(json_string: str) -> Tokenizer:
    """The `Tokenizer` that ``to_json`` described, here or in Keras 2.

    Raises:
        ValueError: the text describes none.

    Example:
        >>> tokenizer = keras.preprocessing.text.Tokenizer(num_words=3)
        >>> tokenizer.fit_on_texts(["to be or not to be"])
        >>> again = keras.preprocessing.text.tokenizer_from_json(tokenizer.to_json())
        >>> again.texts_to_sequences(["be not"])
        [[2]]
    """
    try:
        config = limits.parse(json_string, "it")["config"]
        tokenizer = Tokenizer(**{name: config[name] for name in _SETTINGS})
        for name in _COUNTED:
            counted = limits.parse(config[name], f"its {name}")
            if name.startswith("index"):
                counted = {int(number): value for number, value in counted.items()}
            getattr(tokenizer, name).update(counted)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"the JSON text does not describe a Tokenizer: {error!r}") from error
    return tokenizer


__all__ = [
    "Tokenizer", "hashing_trick", "one_hot", "text_to_word_sequence", "tokenizer_from_json",
]  # fmt: skip
