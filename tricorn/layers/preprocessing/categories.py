"""Categories as numbers: CategoryEncoding, Hashing, HashedCrossing, StringLookup, IntegerLookup."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tricorn import limits, ops
from tricorn.checks import wrong
from tricorn.layers.arguments import is_int, positive
from tricorn.layers.preprocessing import base
from tricorn.layers.preprocessing.base import DataLayer, HostLayer
from tricorn.layers.preprocessing.fingerprints import fingerprint64, joined_fingerprint, siphash

#: the number that TensorFlow begins crossed fingerprints with
_CROSS = 0xDECAFCAFFE
_VOCABULARY = "vocabulary.txt"
#: indices of unknown tokens, and of those that have no place in a vector
_UNKNOWN, _NOWHERE = -1, -2


class CategoryEncoding(DataLayer):
    """Integers as vectors with an entry for each category.

    Args:
        num_tokens: number of categories; inputs lie in [0, num_tokens).
        output_mode: "one_hot": a vector for each integer, (..., 1) and (...) alike; "multi_hot":
            one vector for all of the last axis, with ones; "count": with their numbers.
        sparse: give sparse tensors, where the engine has such.
        kwargs: what every `Layer` takes.

    Call arguments: inputs, integers of shape (batch, n) or (n,); count_weights, in the mode "count"
    what each integer counts.

    Output shape: (batch, num_tokens); one_hot (batch, n, num_tokens).

    Raises:
        ValueError: for `num_tokens` that is not positive, and weights in another mode than
            "count".

    Example:
        >>> keras.layers.CategoryEncoding(num_tokens=4, output_mode="one_hot")(np.array([3, 0]))
        Array([[0., 0., 0., 1.],
               [1., 0., 0., 0.]], dtype=float32)
    """

    def __init__(
        self,
        num_tokens: int | None = None,
        output_mode: str = "multi_hot",
        sparse: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.output_mode = "multi_hot" if output_mode == "binary" else output_mode
        base.output_mode(self, self.output_mode, base.OUTPUTS[1:])
        if num_tokens is None:
            raise ValueError("CategoryEncoding: num_tokens must be set")
        self.num_tokens = positive(self, "num_tokens", num_tokens)
        self.sparse = base.sparse_result(self, sparse, self.output_mode)

    def compute_output_shape(self, input_shape: tuple, *others: Any) -> tuple:
        return base.encoded_shape(tuple(input_shape), self.output_mode, self.num_tokens)

    def call(self, inputs: Any, count_weights: Any = None) -> Any:
        if count_weights is not None and self.output_mode != "count":
            raise ValueError(
                f'the layer {self.name!r}: count_weights are for output_mode="count", not '
                f"{self.output_mode!r}"
            )
        return vectors(
            inputs,
            self.output_mode,
            self.num_tokens,
            self.compute_dtype,
            count_weights,
            self.sparse,
        )


def vectors(
    inputs: Any, mode: str, size: int, dtype: str, weights: Any = None, sparse: bool = False
) -> Any:
    """`base.encode` of tensors, by ops."""
    if not len(inputs.shape):
        inputs = ops.reshape(inputs, (1,))
    elif mode == "one_hot" and len(inputs.shape) > 1 and inputs.shape[-1] == 1:
        inputs = ops.squeeze(inputs, -1)
    ones = ops.one_hot(ops.cast(inputs, "int32"), size, dtype=dtype, sparse=sparse)
    if mode == "one_hot":
        return ones
    if mode == "multi_hot":
        return ops.sign(ops.sum(ones, -2)) if sparse else ops.max(ones, -2)
    if weights is not None:
        ones = ones * ops.expand_dims(ops.cast(weights, dtype), -1)
    return ops.sum(ones, -2)


class Hashing(HostLayer):
    """Strings or integers to bins by a hash: FarmHash64, or with a salt SipHash-2-4; integers by
    their decimal digits.

    Args:
        num_bins: number of bins, with that of `mask_value`.
        mask_value: what is given bin 0, alone; None: no such value.
        salt: an integer or two, the hash's key; None: without.
        output_mode: "int", or as in `CategoryEncoding`.
        sparse: give sparse tensors, where the engine has such.
        kwargs: what every `Layer` takes.

    Input shape: any.  Output: int32 of that shape; in the other modes float32 vectors.

    Example:
        >>> layer = keras.layers.Hashing(num_bins=3)
        >>> layer([["A"], ["B"], ["A"]]).shape
        (3, 1)
    """

    def __init__(
        self,
        num_bins: int,
        mask_value: Any = None,
        salt: Any = None,
        output_mode: str = "int",
        sparse: bool = False,
        **kwargs: Any,
    ) -> None:
        kwargs["dtype"] = _dtype(kwargs.get("dtype"), output_mode)
        super().__init__(**kwargs)
        self.num_bins = positive(self, "num_bins", num_bins)
        self.mask_value = mask_value
        self.salt = salt
        self.output_mode = base.output_mode(self, output_mode)
        self.sparse = base.sparse_result(self, sparse, self.output_mode)
        self._hash = _Hash(_pair(self, salt))

    @property
    def result_dtype(self) -> str:
        return "int32" if self.output_mode == "int" else self.compute_dtype

    def result_shape(self, *shapes: tuple) -> tuple:
        return base.encoded_shape(shapes[0], self.output_mode, self.num_bins)

    def values(self, *arrays: np.ndarray) -> np.ndarray:
        (array,) = arrays
        if array.dtype.kind not in "Oiu":
            raise TypeError(
                f"the layer {self.name!r} hashes strings and integers, got {array.dtype} values"
            )
        masked = self.mask_value is not None and self.num_bins > 1
        found = self._hash.bins(array, self.num_bins - masked) + masked
        if self.mask_value is not None:
            found = np.where(array == self.mask_value, 0, found)
        return _finished(found, self.output_mode, self.num_bins)


class HashedCrossing(HostLayer):
    """Combinations of categories to bins by a hash.

    Args:
        num_bins: number of bins.
        output_mode: "int" or "one_hot".
        sparse: give sparse tensors, where the engine has such.
        name, dtype, kwargs: what every `Layer` takes.

    Call arguments: inputs, two or more arrays of strings or integers, all of shape (batch,) or
    (batch, 1), or scalars.

    Output: int32 of that shape; one_hot (batch, num_bins).

    Example:
        >>> layer = keras.layers.HashedCrossing(num_bins=5)
        >>> layer((np.array(["A", "B"]), np.array([101, 102]))).shape
        (2,)
    """

    def __init__(
        self,
        num_bins: int,
        output_mode: str = "int",
        sparse: bool = False,
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, dtype=_dtype(dtype, output_mode), **kwargs)
        self.num_bins = positive(self, "num_bins", num_bins)
        self.output_mode = base.output_mode(self, output_mode, base.OUTPUTS[:2])
        self.sparse = base.sparse_result(self, sparse, self.output_mode)

    result_dtype = Hashing.result_dtype
    result_shape = Hashing.result_shape

    def inputs_of(self, inputs: Any) -> list:
        if not isinstance(inputs, (list, tuple)) or len(inputs) < 2:
            raise ValueError(
                f"the layer {self.name!r} crosses at least two inputs, given as a list or tuple; "
                f"got {inputs!r}"
            )
        return list(inputs)

    def values(self, *arrays: np.ndarray) -> np.ndarray:
        shapes = {array.shape for array in arrays}
        shape = arrays[0].shape
        if len(shapes) > 1 or len(shape) > 2 or (len(shape) == 2 and shape[1] != 1):
            raise ValueError(
                f"the layer {self.name!r} takes inputs of one shape (batch,) or (batch, 1), got "
                + ", ".join(str(array.shape) for array in arrays)
            )
        for array in arrays:
            if array.dtype.kind not in "Oiu":
                raise TypeError(
                    f"the layer {self.name!r} crosses strings and integers, got {array.dtype}"
                )
        rows = zip(*(array.flat for array in arrays))
        found = [functools.reduce(joined_fingerprint, map(_print_of, row), _CROSS) for row in rows]
        bins = np.array([x % self.num_bins for x in found], np.int64).reshape(shape)
        return _finished(bins, self.output_mode, self.num_bins)


def _print_of(x: Any) -> int:
    return int(x) & (1 << 64) - 1 if is_int(x) else fingerprint64(str(x).encode())


def _dtype(dtype: Any, mode: str) -> Any:
    """The policy of a layer without one: that of Keras's files."""
    return "int64" if dtype is None and mode == "int" else dtype


def _finished(indices: np.ndarray, mode: str, size: int) -> np.ndarray:
    return indices if mode == "int" else base.encode(indices, mode, size)


def _pair(layer: Any, salt: Any) -> tuple[int, int] | None:
    """A salt as the two integers of a key."""
    pair = (salt, salt) if is_int(salt) else salt
    if pair is None:
        return None
    if not (isinstance(pair, (list, tuple)) and len(pair) == 2 and all(map(is_int, pair))):
        raise ValueError(
            f"{type(layer).__name__}: salt must be an integer or two integers, got {salt!r}"
        )
    return int(pair[0]), int(pair[1])


class _Hash:
    """A hash of strings and integers, which remembers what it was asked."""

    def __init__(self, key: tuple[int, int] | None) -> None:
        self.key = key
        self.known: dict[str, int] = {}

    def bins(self, array: np.ndarray, count: int) -> np.ndarray:
        """The bin of each element."""
        return np.array([self._of(str(x)) % count for x in array.flat], np.int64).reshape(
            array.shape
        )

    def _of(self, text: str) -> int:
        found = self.known.get(text)
        if found is None:
            data = text.encode()
            found = fingerprint64(data) if self.key is None else siphash(data, self.key)
            if len(self.known) < 1 << 20:
                self.known[text] = found
        return found


# ---------------------------------------------------------------------------------------- lookups


class IndexLookup(HostLayer):
    """Base of the layers with a vocabulary.

    Indices: 0 the mask token, if there is one and the mode is "int"; then `num_oov_indices` for
    what is out of the vocabulary; then the vocabulary's tokens.

    Args:
        max_tokens: the largest size of the vocabulary with the special tokens; None: no limit.
        num_oov_indices: how many indices unknown tokens are spread over; 0: they are an error.
        mask_token, oov_token: what those indices mean; `oov_token` only when inverted.
        vocabulary: the tokens, or the path of a file with one in each line; None: `adapt` finds it.
        idf_weights: weights of the tokens for "tf_idf".
        invert: indices to tokens.
        output_mode: "int", "one_hot", "multi_hot", "count", or "tf_idf": the counts times the
            tokens' weights.
        pad_to_max_tokens: vectors have `max_tokens` entries even if the vocabulary is smaller.
        sparse: give sparse tensors, where the engine has such.
        oov_method: how unknown tokens are spread, "floormod" (integers by remainder, strings by
            FarmHash64) or "farmhash".
        salt: key of the hash, which is SipHash-2-4 then.
        kwargs: what every `Layer` takes.
    """

    #: the tokens but special ones, their weights, and the index of each
    _vocabulary: list
    _weights: Any
    _index: dict[Any, int]

    def __init__(
        self,
        max_tokens: int | None,
        num_oov_indices: int,
        mask_token: Any,
        oov_token: Any,
        vocabulary: Any,
        idf_weights: Any,
        invert: bool,
        output_mode: str,
        pad_to_max_tokens: bool,
        sparse: bool,
        salt: Any,
        oov_method: str = "floormod",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        mode = "multi_hot" if output_mode == "binary" else output_mode
        mode = "tf_idf" if mode == "tf-idf" else mode
        self.output_mode = base.output_mode(self, mode, (*base.OUTPUTS, "tf_idf"))
        self._check(max_tokens, num_oov_indices, invert, pad_to_max_tokens, idf_weights)
        self.sparse = base.sparse_result(self, sparse, self.output_mode)
        if oov_method not in ("floormod", "farmhash"):
            raise ValueError(
                f'{type(self).__name__}: oov_method must be "floormod" or "farmhash", got '
                f"{oov_method!r}"
            )
        self.max_tokens, self.num_oov_indices = max_tokens, num_oov_indices
        self.mask_token = None if mask_token is None else self.token(mask_token)
        self.oov_token = None if oov_token is None else self.token(oov_token)
        self.invert, self.pad_to_max_tokens = bool(invert), bool(pad_to_max_tokens)
        self.oov_method, self.salt = oov_method, _pair(self, salt)
        self._hash = _Hash(self.salt)
        self.reset_state()
        if vocabulary is not None:
            self.set_vocabulary(vocabulary, idf_weights)
            self._given = True

    def _check(self, max_tokens: Any, oov: Any, invert: Any, pad: Any, idf_weights: Any) -> None:
        kind = type(self).__name__
        if max_tokens is not None and (not is_int(max_tokens) or max_tokens <= 1):
            raise ValueError(f"{kind}: max_tokens must be greater than 1, got {max_tokens!r}")
        if not is_int(oov) or oov < 0:
            raise ValueError(
                f"{kind}: num_oov_indices must be greater than or equal to 0, got {oov!r}"
            )
        limits.take(f"{kind}: num_oov_indices={oov}", 64 * oov)
        if pad and max_tokens is None:
            raise ValueError(f"{kind}: with pad_to_max_tokens, max_tokens must be set")
        if invert and self.output_mode != "int":
            raise ValueError(
                f'{kind}: output_mode must be "int" when invert is true, got {self.output_mode!r}'
            )
        if idf_weights is not None and self.output_mode != "tf_idf":
            raise ValueError(
                f'{kind}: idf_weights are for output_mode="tf_idf", not {self.output_mode!r}'
            )

    # ------------------------------------------------------------------------------ what differs

    def token(self, x: Any) -> Any:
        """A token as it stands in the vocabulary."""
        raise NotImplementedError

    def tokens(self, array: np.ndarray) -> np.ndarray:
        """The tokens of an input, refused when they are of another kind."""
        raise NotImplementedError

    # -------------------------------------------------------------------------------- vocabulary

    @property
    def _masks(self) -> bool:
        return self.mask_token is not None and self.output_mode == "int"

    def _special(self) -> list:
        return [*[self.mask_token] * self._masks, *[self.oov_token] * self.num_oov_indices]

    def get_vocabulary(self, include_special_tokens: bool = True) -> list:
        """The tokens in the order of their indices.

        Args:
            include_special_tokens: with the mask token and those for unknown tokens.
        """
        return [*(self._special() if include_special_tokens else ()), *self._vocabulary]

    def vocabulary_size(self) -> int:
        """The number of indices, special ones included."""
        return len(self._special()) + len(self._vocabulary)

    def set_vocabulary(self, vocabulary: Any, idf_weights: Any = None) -> None:
        """Set the vocabulary, in place of what `adapt` would find.

        Args:
            vocabulary: the tokens, with or without the special ones at their places, or the path
                of a file with one in each line.
            idf_weights: for "tf_idf" the weight of each token.

        Raises:
            ValueError: when tokens are repeated, special tokens stand elsewhere, there are too
                many, or the weights do not fit.
        """
        if isinstance(vocabulary, (str, Path)):
            if not Path(vocabulary).is_file():
                raise wrong(
                    self, "vocabulary", "tokens or the path of a file that exists", vocabulary
                )
            vocabulary = Path(vocabulary).read_text(encoding="utf-8").splitlines()
        if isinstance(vocabulary, Mapping) or not np.ndim(vocabulary):
            raise wrong(self, "vocabulary", "a list of tokens or a path", vocabulary)
        tokens = [self.token(x) for x in base.as_host(vocabulary).flat]
        if not tokens:
            raise ValueError(f"the layer {self.name!r}: cannot set an empty vocabulary")
        special = self._special()
        mask = [] if self.mask_token is None else [[self.mask_token, self.oov_token],
                                                   [self.mask_token]]  # fmt: skip
        heads = (head for head in (special, *mask) if tokens[: len(head)] == head)
        tokens = tokens[len(next(heads, [])) :]
        if idf_weights is not None:
            idf_weights = np.asarray(idf_weights, np.float32)[-len(tokens) :]
        self._check_tokens(tokens, idf_weights)
        self._set(tokens, idf_weights)

    def _check_tokens(self, tokens: list, weights: Any) -> None:
        title = f"the layer {self.name!r}"
        repeated = [token for token, count in Counter(tokens).items() if count > 1]
        if repeated:
            raise ValueError(
                f"{title}: the passed vocabulary has repeated terms, each may stand once: "
                f"{repeated[:10]}"
            )
        reserved = {"mask": self.mask_token, "OOV": self.oov_token if self.invert else None}
        for what, token in reserved.items():
            if token is not None and token in tokens:
                raise ValueError(
                    f"{title}: found the reserved {what} token {token!r} at an unexpected location "
                    "of the vocabulary; leave it out, or put it first"
                )
        size = len(tokens) + len(self._special())
        if self.max_tokens is not None and size > self.max_tokens:
            raise ValueError(
                f"{title}: the vocabulary is larger than max_tokens: {size} tokens with the "
                f"special ones, max_tokens={self.max_tokens}"
            )
        if self.output_mode == "tf_idf":
            if weights is None:
                raise ValueError(f'{title}: idf_weights must be set for output_mode="tf_idf"')
            if len(weights) != len(tokens):
                raise ValueError(
                    f"{title}: idf_weights must have one weight for each of the {len(tokens)} "
                    f"tokens, got {len(weights)}"
                )

    def _set(self, tokens: list, weights: Any) -> None:
        first = len(self._special())
        self._vocabulary, self._weights = tokens, weights
        self._index = {token: first + i for i, token in enumerate(tokens)}
        if self.mask_token is not None:
            self._index[self.mask_token] = 0 if self._masks else _NOWHERE
        self._ready = True

    # ------------------------------------------------------------------------------------ adapting

    def adapt(self, data: Any, steps: int | None = None) -> None:
        """Find the vocabulary: the commonest tokens first, ties in falling order.

        Args:
            data: an array or list, or a source of batches.
            steps: how many batches to take; None: all.
        """
        self.reset_state()
        for batch in base.batches(data, steps):
            self.update_state(batch)
        self.finalize_state()

    def reset_state(self) -> None:
        """Forget what `adapt` found."""
        self._vocabulary = []
        self._weights = None
        self._index = {}
        self._ready = self._given = False
        self._counts: Counter = Counter()
        self._documents: Counter = Counter()
        self._samples = 0

    def update_state(self, data: Any) -> None:
        """Count a batch's tokens."""
        array = self.tokens(base.as_host(data))
        array = array.reshape(-1, 1) if array.ndim < 2 else array.reshape(len(array), -1)
        self.count(array)

    def count(self, rows: Iterable) -> None:
        """Count tokens, those of a sample in each row."""
        for row in rows:
            self._counts.update(row)
            self._samples += 1
            if self.output_mode == "tf_idf":
                self._documents.update(set(row))

    def finalize_state(self) -> None:
        """Make the vocabulary of what was counted."""
        if self._given or not self._samples:
            return
        special = {self.mask_token, self.oov_token if self.num_oov_indices else None}
        found = sorted(((n, token) for token, n in self._counts.items() if token not in special),
                       reverse=True)  # fmt: skip
        room = None if self.max_tokens is None else self.max_tokens - len(self._special())
        tokens = [self.token(token) for _, token in found[:room]]
        weights = None
        if self.output_mode == "tf_idf":
            share = [self._samples / (1 + self._documents[token]) for token in tokens]
            weights = np.log1p(np.array(share)).astype(np.float32)
        self._set(tokens, weights)
        self._counts, self._documents = Counter(), Counter()

    # ------------------------------------------------------------------------------------- calling

    @property
    def result_dtype(self) -> str:
        if self.invert:
            return self.token_dtype
        return "int32" if self.output_mode != "tf_idf" else "float32"

    #: the dtype of tokens
    token_dtype = "string"

    def result_shape(self, *shapes: tuple) -> tuple:
        return base.encoded_shape(shapes[0], self._shape_mode, self.size())

    @property
    def _shape_mode(self) -> str:
        return "multi_hot" if self.output_mode == "tf_idf" else self.output_mode

    def size(self) -> int | None:
        """The length of vectors."""
        if self.pad_to_max_tokens:
            return self.max_tokens
        return self.vocabulary_size() if self._ready else None

    def values(self, *arrays: np.ndarray) -> np.ndarray:
        self.check_ready(self.name)
        if self.invert:
            words = np.array(self.get_vocabulary(), object)
            index = arrays[0].astype(np.int64)
            known = (index >= 0) & (index < len(words))
            found = words[np.where(known, index, 0)]
            return np.where(known, found, self.oov_token or words[0])
        return self.encoded(self.indices(self.tokens(arrays[0])))

    def check_ready(self, name: str) -> None:
        """Refuse a call before there is a vocabulary."""
        if not self._ready:
            raise RuntimeError(
                f"the layer {name!r} has no vocabulary: call adapt(data), or set_vocabulary"
            )

    def encoded(self, indices: np.ndarray) -> np.ndarray:
        """Indices in the output mode."""
        mode, size = self.output_mode, self.size()
        if mode == "int":
            return indices
        if mode != "tf_idf":
            return base.encode(indices, mode, size or 0)
        weights = np.zeros(size or 0, np.float32)
        known = self._all_weights()
        weights[: len(known)] = known
        return base.encode(indices, "count", size or 0) * weights

    def _all_weights(self) -> np.ndarray:
        """The weights of all indices; unknown tokens have the mean."""
        special = [np.mean(self._weights)] * len(self._special())
        return np.concatenate([np.array(special, np.float32), self._weights])

    def indices(self, tokens: np.ndarray) -> np.ndarray:
        """The index of each token."""
        find = self._index.get
        known = [find(x, _UNKNOWN) for x in tokens.flat]
        found = np.array(known, np.int64).reshape(tokens.shape)
        unknown = found == _UNKNOWN
        if not unknown.any():
            return found
        if not self.num_oov_indices:
            some = [str(x) for x in dict.fromkeys(tokens[unknown])][:10]
            raise ValueError(
                f"the layer {self.name!r}: found tokens that are not in the vocabulary, with "
                f"num_oov_indices=0: {some}"
            )
        found[unknown] = self._masks + self._spread(tokens[unknown])
        return found

    def _spread(self, tokens: np.ndarray) -> np.ndarray:
        """The number of an unknown token's index."""
        if self.num_oov_indices == 1:
            return np.zeros(tokens.shape, np.int64)
        if tokens.dtype.kind in "iu" and self.oov_method == "floormod":
            return tokens.astype(np.int64) % self.num_oov_indices
        return self._hash.bins(tokens, self.num_oov_indices)

    # --------------------------------------------------------------------------------------- files

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        config.pop("vocabulary", None)
        weights = self._weights if self._given else None
        return {
            **config,
            "vocabulary": list(self._vocabulary) if self._given else None,
            "idf_weights": None if weights is None else np.asarray(weights).tolist(),
            "vocabulary_size": self.vocabulary_size(),
        }

    def save_own_variables(self, store: Any) -> None:
        """Write the weights of "tf_idf"; the vocabulary is an asset, see `save_assets`."""
        if self._weights is not None:
            store["idf_weights"] = self._all_weights()

    def load_own_variables(self, store: Any) -> None:
        """Read what `save_own_variables` wrote."""
        if "idf_weights" in store:
            weights = np.asarray(store["idf_weights"], np.float32)
            self._weights = weights[len(self._special()) :]

    def save_assets(self, dir_path: Any) -> None:
        """Write the vocabulary that `adapt` found into a file of the folder."""
        if self._given or not self._ready:
            return
        lines = [_escaped(str(token)) for token in self.get_vocabulary()]
        Path(dir_path, _VOCABULARY).write_text("\n".join(lines), encoding="utf-8")

    def load_assets(self, dir_path: Any) -> None:
        """Read the vocabulary that `save_assets` wrote."""
        path = Path(dir_path, _VOCABULARY)
        if self._given or not path.exists():
            return
        text = path.read_text(encoding="utf-8")
        tokens = [self.token(_unescaped(line)) for line in text.split("\n")]
        special = self._special()
        if tokens[: len(special)] == special:
            tokens = tokens[len(special) :]
        self._set(tokens, self._weights)


def _escaped(token: str) -> str:
    return token.replace("\\", "\\\\").replace("\n", "\\n")


def _unescaped(line: str) -> str:
    return line.replace("\\\\", "\0").replace("\\n", "\n").replace("\0", "\\")


class StringLookup(IndexLookup):
    """Strings to indices of a vocabulary, or back.

    Args:
        max_tokens, num_oov_indices, mask_token, oov_token, vocabulary, idf_weights, invert,
            output_mode, pad_to_max_tokens, sparse, salt, oov_method: see `IndexLookup`.
        encoding: of bytes among the inputs; only "utf-8".
        name, kwargs: what every `Layer` takes.

    Input shape: any, strings (integers when inverted).  Output: int32 of that shape, strings when
    inverted; in the other modes vectors, int32, for "tf_idf" float32.

    Raises:
        ValueError: for arguments that do not go together; unknown tokens with
            ``num_oov_indices=0``.
        RuntimeError: when called before there is a vocabulary.

    Example:
        >>> layer = keras.layers.StringLookup(vocabulary=["a", "b", "c"])
        >>> layer([["a", "c", "z"]])  # 0 is for words that are not known
        Array([[1, 3, 0]], dtype=int32)
    """

    def __init__(
        self,
        max_tokens: int | None = None,
        num_oov_indices: int = 1,
        mask_token: str | None = None,
        oov_token: str = "[UNK]",
        vocabulary: Any = None,
        idf_weights: Any = None,
        invert: bool = False,
        output_mode: str = "int",
        pad_to_max_tokens: bool = False,
        sparse: bool = False,
        encoding: str = "utf-8",
        name: str | None = None,
        salt: Any = None,
        oov_method: str = "floormod",
        **kwargs: Any,
    ) -> None:
        kwargs.pop("vocabulary_size", None)
        if encoding.lower().replace("-", "") != "utf8":
            raise ValueError(f'StringLookup: encoding must be "utf-8", got {encoding!r}')
        self.encoding = encoding
        super().__init__(
            max_tokens, num_oov_indices, mask_token, oov_token, vocabulary, idf_weights, invert,
            output_mode, pad_to_max_tokens, sparse, salt, oov_method, name=name, **kwargs,
        )  # fmt: skip

    def token(self, x: Any) -> str:
        if not isinstance(x, (str, bytes)):
            raise TypeError(f"{type(self).__name__}: a token must be a string, got {x!r}")
        return base.text_of(x)

    def tokens(self, array: np.ndarray) -> np.ndarray:
        if array.dtype.kind != "O" and array.size:
            raise TypeError(
                f"the layer {self.name!r} looks strings up, got {array.dtype} values; "
                "IntegerLookup is for integers"
            )
        return array


class IntegerLookup(IndexLookup):
    """Integers to indices of a vocabulary, or back.

    Args:
        max_tokens, num_oov_indices, mask_token, oov_token, vocabulary, idf_weights, invert,
            output_mode, sparse, pad_to_max_tokens, oov_method, salt: see `IndexLookup`.
        vocabulary_dtype: "int64" or "int32".
        name, kwargs: what every `Layer` takes.

    Input shape: any, integers.  Output: int32 of that shape; in the other modes vectors.

    Example:
        >>> keras.layers.IntegerLookup(vocabulary=[12, 36, 1138])([[12, 1138, 7]])
        Array([[1, 3, 0]], dtype=int32)
    """

    token_dtype = "int32"

    def __init__(
        self,
        max_tokens: int | None = None,
        num_oov_indices: int = 1,
        mask_token: int | None = None,
        oov_token: int = -1,
        vocabulary: Any = None,
        vocabulary_dtype: str = "int64",
        idf_weights: Any = None,
        invert: bool = False,
        output_mode: str = "int",
        sparse: bool = False,
        pad_to_max_tokens: bool = False,
        oov_method: str = "floormod",
        salt: Any = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        kwargs.pop("vocabulary_size", None)
        if vocabulary_dtype not in ("int64", "int32"):
            raise ValueError(
                'IntegerLookup: vocabulary_dtype must be "int64" or "int32", got '
                f"{vocabulary_dtype!r}"
            )
        self.vocabulary_dtype = vocabulary_dtype
        if salt is not None and oov_method != "farmhash":
            raise ValueError(
                f"{type(self).__name__}: salt is for oov_method='farmhash', got salt={salt!r} and "
                f"oov_method={oov_method!r}"
            )
        super().__init__(
            max_tokens, num_oov_indices, mask_token, oov_token, vocabulary, idf_weights, invert,
            output_mode, pad_to_max_tokens, sparse, salt, oov_method, name=name, **kwargs,
        )  # fmt: skip

    def token(self, x: Any) -> int:
        try:
            if int(x) == x or isinstance(x, str):
                return int(x)
        except (ValueError, TypeError):
            pass
        raise ValueError(
            "IntegerLookup: a token (of vocabulary, mask_token, oov_token) must be an integer, got "
            f"{x!r}"
        )

    def tokens(self, array: np.ndarray) -> np.ndarray:
        if array.dtype.kind not in "iu" and array.size:
            raise TypeError(
                f"the layer {self.name!r} looks integers up, got {array.dtype} values; "
                "StringLookup is for strings"
            )
        return array.astype(np.int64)


__all__ = ["CategoryEncoding", "HashedCrossing", "Hashing", "IntegerLookup", "StringLookup"]
