"""TextVectorization."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tricorn.layers.arguments import is_int
from tricorn.layers.preprocessing import base
from tricorn.layers.preprocessing.base import HostLayer
from tricorn.layers.preprocessing.categories import StringLookup

_PUNCTUATION = re.compile(r"[!\"#$%&()*+,\-./:;<=>?@\[\\\]^_`{|}~']")
STANDARDIZE: dict[str, Callable[[str], str]] = {
    "lower": str.lower,
    "strip_punctuation": lambda text: _PUNCTUATION.sub("", text),
    "lower_and_strip_punctuation": lambda text: _PUNCTUATION.sub("", text.lower()),
}
SPLIT: dict[str, Callable[[str], list[str]]] = {"whitespace": str.split, "character": list}


class TextVectorization(HostLayer):
    """Texts to the indices of their words: standardised, split, joined to n-grams, looked up.

    Args:
        max_tokens: the largest size of the vocabulary with the special tokens; None: no limit.
        standardize: "lower_and_strip_punctuation", "lower", "strip_punctuation", None, or a
            function from an array of strings to one of the same shape.
        split: "whitespace", "character", None: a text is one token; or a function from an array of
            strings (batch,) to a list of lists of tokens.
        ngrams: n: also the sequences of up to n words; a tuple: those of these lengths.
        output_mode: "int": indices, padded with 0 (which is the token ""); "multi_hot", "count",
            "tf_idf": a vector for each text.
        output_sequence_length: each text is cut or padded to so many indices, in the mode "int".
        pad_to_max_tokens: vectors have `max_tokens` entries even if the vocabulary is smaller.
        vocabulary: the words, or the path of a file with one in each line; None: `adapt` finds it.
        idf_weights: weights of the words for "tf_idf".
        sparse: give sparse tensors, where the engine has such.
        ragged: not supported.
        encoding: of bytes among the inputs; only "utf-8".
        name, kwargs: what every `Layer` takes.

    Input shape: (batch,) or (batch, 1), strings, or one string.  Output: int32 of shape
    (batch, longest text), or (batch, vocabulary).

    Raises:
        ValueError: for arguments that do not go together, and inputs of another shape.
        RuntimeError: when called before there is a vocabulary.

    Example:
        >>> layer = keras.layers.TextVectorization(output_sequence_length=4)
        >>> layer.adapt(["a cat and a dog", "a bird"])
        >>> layer(["a dog!"])
        Array([[2, 3, 0, 0]], dtype=int32)
    """

    def __init__(
        self,
        max_tokens: int | None = None,
        standardize: Any = "lower_and_strip_punctuation",
        split: Any = "whitespace",
        ngrams: Any = None,
        output_mode: str = "int",
        output_sequence_length: int | None = None,
        pad_to_max_tokens: bool = False,
        vocabulary: Any = None,
        idf_weights: Any = None,
        sparse: bool = False,
        ragged: bool = False,
        encoding: str = "utf-8",
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        kwargs.pop("vocabulary_size", None)
        super().__init__(name=name, **kwargs)
        self._check(standardize, split, ngrams, output_mode, output_sequence_length)
        self.sparse = base.sparse_result(self, sparse, output_mode, ragged)
        self.standardize, self.split, self.ngrams = standardize, split, ngrams
        self.output_sequence_length = output_sequence_length
        self._lookup_layer = StringLookup(
            max_tokens=max_tokens, mask_token="" if output_mode == "int" else None,
            vocabulary=vocabulary, idf_weights=idf_weights, output_mode=output_mode,
            pad_to_max_tokens=pad_to_max_tokens, encoding=encoding,
        )  # fmt: skip

    def _check(self, standardize: Any, split: Any, ngrams: Any, mode: Any, length: Any) -> None:
        for name, value, known in (("standardize", standardize, STANDARDIZE),
                                   ("split", split, SPLIT)):  # fmt: skip
            if value is not None and not callable(value) and value not in tuple(known):
                raise ValueError(
                    f"TextVectorization: {name} must be one of {tuple(known)}, None or a function, "
                    f"got {value!r}"
                )
        several = isinstance(ngrams, (tuple, list)) and all(map(is_int, ngrams))
        if not (ngrams is None or several or (is_int(ngrams) and ngrams > 0)):
            raise ValueError(
                "TextVectorization: ngrams must be None, an integer or a tuple of integers, got "
                f"{ngrams!r}"
            )
        if length is not None and mode != "int":
            raise ValueError(
                f'TextVectorization: output_sequence_length is for output_mode="int", not {mode!r}'
            )
        if length is not None and (not is_int(length) or length < 0):
            raise ValueError(
                f"TextVectorization: output_sequence_length must be an integer of at least 0, got "
                f"{length!r}"
            )

    def get_config(self) -> dict[str, Any]:
        found = self._lookup_layer.get_config()
        names = "vocabulary", "idf_weights", "vocabulary_size"
        return {**super().get_config(), **{name: found[name] for name in names}}

    # ---------------------------------------------------------------------------------- vocabulary

    def get_vocabulary(self, include_special_tokens: bool = True) -> list:
        """The words in the order of their indices; see `StringLookup.get_vocabulary`."""
        return self._lookup_layer.get_vocabulary(include_special_tokens)

    def vocabulary_size(self) -> int:
        """The number of indices, special ones included."""
        return self._lookup_layer.vocabulary_size()

    def set_vocabulary(self, vocabulary: Any, idf_weights: Any = None) -> None:
        """Set the vocabulary; see `StringLookup.set_vocabulary`."""
        self._lookup_layer.set_vocabulary(vocabulary, idf_weights)

    def adapt(self, data: Any, batch_size: int | None = None, steps: int | None = None) -> None:
        """Find the vocabulary: the commonest words first, ties in falling order.

        Args:
            data: an array or list of texts, or a source of batches.
            batch_size: for Keras's signature; arrays are taken whole.
            steps: how many batches to take; None: all.
        """
        self.reset_state()
        for batch in base.batches(data, steps):
            self.update_state(batch)
        self.finalize_state()

    @property
    def _tricorn_learns(self) -> bool:
        return self._lookup_layer._tricorn_learns

    def reset_state(self) -> None:
        """Forget what `adapt` found."""
        self._lookup_layer.reset_state()

    def update_state(self, data: Any) -> None:
        """Count the words of a batch."""
        texts = self._texts(base.as_host(data))
        if self.split is None:
            self._lookup_layer.update_state(texts)
        else:
            self._lookup_layer.count(self._words(texts))

    def finalize_state(self) -> None:
        """Make the vocabulary of what was counted."""
        self._lookup_layer.finalize_state()

    def save_own_variables(self, store: Any) -> None:
        self._lookup_layer.save_own_variables(store)

    def load_own_variables(self, store: Any) -> None:
        self._lookup_layer.load_own_variables(store)

    def save_assets(self, dir_path: Any) -> None:
        """Write the vocabulary that `adapt` found into a file of the folder."""
        self._lookup_layer.save_assets(dir_path)

    def load_assets(self, dir_path: Any) -> None:
        """Read the vocabulary that `save_assets` wrote."""
        self._lookup_layer.load_assets(dir_path)

    # --------------------------------------------------------------------------------------- words

    def _texts(self, array: np.ndarray) -> np.ndarray:
        """The input, standardised: of shape (batch,), or when it is not split any."""
        texts = self._lookup_layer.tokens(array)
        if self.split is not None:
            if texts.ndim > 2 or (texts.ndim == 2 and texts.shape[1] != 1):
                raise ValueError(
                    f"the layer {self.name!r} splits texts of shape (batch,) or (batch, 1), got "
                    f"{texts.shape}"
                )
            texts = texts.reshape(-1)
        if callable(self.standardize):
            return base.as_host(self.standardize(texts))
        if self.standardize is None:
            return texts
        rule = STANDARDIZE[self.standardize]
        return np.array([rule(text) for text in texts.flat], object).reshape(texts.shape)

    def _words(self, texts: np.ndarray) -> Iterator[list[str]]:
        """The tokens of each text."""
        rows = _rows(self.split(texts)) if callable(self.split) else map(SPLIT[self.split], texts)
        lengths = range(1, self.ngrams + 1) if is_int(self.ngrams) else self.ngrams
        for words in rows:
            yield (
                words
                if lengths is None
                else [
                    " ".join(words[i : i + n]) for n in lengths for i in range(len(words) - n + 1)
                ]
            )

    # ------------------------------------------------------------------------------------- running

    @property
    def result_dtype(self) -> str:
        return self._lookup_layer.result_dtype

    def result_shape(self, *shapes: tuple) -> tuple:
        lookup, length = self._lookup_layer, self.output_sequence_length
        if self.split is None and length is None:
            return lookup.result_shape(*shapes)
        batch = tuple(shapes[0][:1])
        return (*batch, length if lookup.output_mode == "int" else lookup.size())

    def values(self, *arrays: np.ndarray) -> np.ndarray:
        lookup, length = self._lookup_layer, self.output_sequence_length
        lookup.check_ready(self.name)
        texts = self._texts(arrays[0])
        if self.split is None and length is None:
            return lookup.values(texts)
        found = list(self._words(texts)) if self.split else texts.reshape(len(texts), -1).tolist()
        flat = lookup.indices(np.array([word for row in found for word in row], object))
        lengths = [len(row) for row in found]
        if lookup.output_mode != "int" or length is None:
            length = max(lengths, default=0)
        places = np.full((len(found), length), 0 if lookup.output_mode == "int" else -1, np.int64)
        for place, row in zip(places, np.split(flat, np.cumsum(lengths)[:-1])):
            place[: len(row)] = row[:length]
        result = lookup.encoded(places)
        return result[0] if arrays[0].ndim == 0 else result


def _rows(found: Any) -> list:
    """The lists that a user's `split` gave, also as a ragged tensor or an array."""
    if hasattr(found, "to_list"):
        found = found.to_list()
    return [[base.text_of(word) for word in row] for row in found]
