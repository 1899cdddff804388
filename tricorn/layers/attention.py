"""Attention: over given queries, keys and values, and with several heads that project them."""

from __future__ import annotations

import functools
import itertools
import math
import string
from typing import Any, cast

from tricorn import dtypes, ops, random, regularizers
from tricorn.checks import is_int, named, wrong
from tricorn.checks import shape as as_shape
from tricorn.engines import active
from tricorn.graph.op import Tensor, op
from tricorn.layers.activations import Softmax
from tricorn.layers.arguments import choice, fraction, positive, resolve, weight
from tricorn.layers.base import Layer
from tricorn.layers.calling import call_names
from tricorn.layers.einsum import EinsumDense
from tricorn.layers.regularization import Dropout
from tricorn.seeds import SeedGenerator
from tricorn.serialization import registry


@op
def _steps(x: Tensor) -> Tensor:
    """0, 1, ... for the steps of x, which is (batch, time, ...)."""
    return active().arange(0, active().shape(x)[1], 1, "int32")


def _distances(query: Any, value: Any) -> Any:
    """How far each query's step is after each value's: (1, queries, values) integers."""
    rows, columns = _steps(query), _steps(value)
    return ops.subtract(ops.expand_dims(rows, (0, 2)), ops.expand_dims(columns, (0, 1)))


def _all_of(masks: list) -> Any:
    """Where all those masks hold that are given, or None."""
    given = [ops.cast(mask, "bool") for mask in masks if mask is not None]
    return functools.reduce(ops.logical_and, given) if given else None


# ------------------------------------------------------------------------------ without projections


class Attention(Layer):
    """``softmax(score(query, key)) value``, where the score of a pair is their dot product.

    Args:
        use_scale: the scores are multiplied by a weight.
        score_mode: "dot", or "concat": ``weight · Σ tanh(scale · (query + key))``.
        dropout: rate, of the attention after the softmax.
        seed: int; None takes the next of the global sequence.
        kwargs: what every `Layer` takes.

    Weights:
        scale: (), if `use_scale`; concat_score_weight: (), if `score_mode` is "concat".

    Call:
        inputs: [query (batch, n, depth), value (batch, m, size)], or with a third, key (batch, m,
            depth); without it the value is the key.
        mask: [query's (batch, n), value's (batch, m)]: where False, the output is 0, the value does
            not count.
        return_attention_scores: give the softmax (batch, n, m) too.
        use_causal_mask: position i attends to positions up to i only.

    Output shape: (batch, n, size).

    Source: Luong et al. 2015, arXiv:1508.04025.

    Example:
        >>> query, value = np.ones((2, 3, 4)), np.ones((2, 5, 4))
        >>> outputs, scores = keras.layers.Attention()([query, value], return_attention_scores=True)
        >>> outputs.shape, scores.shape
        ((2, 3, 4), (2, 3, 5))
    """

    def __init__(
        self,
        use_scale: bool = False,
        score_mode: str = "dot",
        dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.use_scale = use_scale
        self.score_mode = choice(self, "score_mode", score_mode, ("dot", "concat"))
        self.dropout = fraction(self, "dropout", dropout)
        self.seed = seed
        if self.dropout > 0:
            self.seed_generator = SeedGenerator(seed)

    def build(self, input_shape: list) -> None:
        self._check("shapes", input_shape)
        self.scale = weight(self, "scale", (), initializer="ones") if self.use_scale else None
        self.concat_score_weight = None
        if self.score_mode == "concat":
            self.concat_score_weight = weight(self, "concat_score_weight", (), initializer="ones")

    def _check(self, name: str, given: Any) -> None:
        if not isinstance(given, (list, tuple)) or len(given) not in (2, 3):
            raise ValueError(
                f"the layer {self.name!r} must be called on a list of inputs, [query, value] or "
                f"[query, value, key], and a mask is such a list too; got the {name} {given!r}"
            )

    @property
    def _tricorn_heeds_training(self) -> bool:
        return self.dropout > 0

    def call(
        self,
        inputs: list,
        mask: list | None = None,
        training: bool | None = None,
        return_attention_scores: bool = False,
        use_causal_mask: bool = False,
    ) -> Any:
        self._check("inputs", inputs)
        if mask is not None:
            self._check("mask", mask)
        query, value = inputs[:2]
        key = inputs[2] if len(inputs) > 2 else value
        query_mask, value_mask = (None, None) if mask is None else mask[:2]
        keep = [None if value_mask is None else ops.expand_dims(value_mask, -2)]
        if use_causal_mask:
            keep.append(ops.greater_equal(_distances(query, value), 0))
        outputs, scores = self._apply_scores(
            self._calculate_scores(query, key), value, _all_of(keep), training
        )
        if query_mask is not None:
            present = ops.expand_dims(ops.cast(query_mask, "bool"), -1)
            outputs = ops.where(present, outputs, ops.zeros_like(outputs))
        return (outputs, scores) if return_attention_scores else outputs

    def _calculate_scores(self, query: Any, key: Any) -> Any:
        """The scores (batch, n, m) of the pairs."""
        if self.score_mode == "dot":
            scores = ops.matmul(query, ops.swapaxes(key, -2, -1))
            return scores if self.scale is None else ops.multiply(scores, self.scale)
        sums = _pair_sums(query, key)
        sums = sums if self.scale is None else ops.multiply(self.scale, sums)
        return ops.multiply(self.concat_score_weight, ops.sum(ops.tanh(sums), axis=-1))

    def _apply_scores(
        self, scores: Any, value: Any, scores_mask: Any = None, training: bool | None = None
    ) -> tuple[Any, Any]:
        """(the outputs, the softmax of the scores), scores that the mask leaves out made low."""
        if scores_mask is not None:
            if len(scores_mask.shape) == 2:
                scores_mask = ops.expand_dims(scores_mask, -2)
            low = 3e4 if dtypes.standardize(scores.dtype) == "float16" else 1e9
            scores = ops.where(scores_mask, scores, ops.subtract(scores, low))
        weights = ops.softmax(scores, axis=-1)
        if training and self.dropout > 0:
            weights = random.dropout(weights, self.dropout, seed=self.seed_generator)
        return ops.matmul(weights, value), weights

    def compute_mask(self, inputs: list, mask: list | None = None) -> Any:
        return None if mask is None else mask[0]


def _pair_sums(query: Any, key: Any) -> Any:
    """query + key for all pairs: (batch, n, m, depth)."""
    return ops.add(ops.expand_dims(query, -2), ops.expand_dims(key, -3))


class AdditiveAttention(Attention):
    """``softmax(Σ scale · tanh(query + key)) value``; the call is that of `Attention`.

    Args:
        use_scale: whether there is a weight `scale`.
        dropout: rate, of the attention after the softmax.
        kwargs: what every `Layer` takes, and `seed`.

    Weights:
        scale: (depth,), if `use_scale`.

    Source: Bahdanau et al. 2014, arXiv:1409.0473.

    Example:
        >>> query, value = np.ones((2, 3, 4)), np.ones((2, 5, 4))
        >>> keras.layers.AdditiveAttention()([query, value]).shape
        (2, 3, 4)
    """

    def __init__(self, use_scale: bool = True, dropout: float = 0.0, **kwargs: Any) -> None:
        super().__init__(use_scale=use_scale, dropout=dropout, **kwargs)

    def build(self, input_shape: list) -> None:
        self._check("shapes", input_shape)
        depth, glorot = (input_shape[0][-1],), "glorot_uniform"
        self.scale = weight(self, "scale", depth, initializer=glorot) if self.use_scale else None

    def _calculate_scores(self, query: Any, key: Any) -> Any:
        terms = ops.tanh(_pair_sums(query, key))
        return ops.sum(terms if self.scale is None else ops.multiply(self.scale, terms), axis=-1)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        config.pop("score_mode", None)
        return {**config, "seed": self.seed}


# ---------------------------------------------------------------------------------- several heads


class _Heads(Layer):
    """Attention whose queries, keys and values are projected, for each of several heads.

    Attributes:
        attention_axes: the axes of the inputs that attention goes over.
    """

    attention_axes: tuple[int, ...] | None = (1,)

    def __init__(self, given: dict[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        self.dropout = fraction(self, "dropout", given["dropout"])
        self.use_bias, self.use_gate = given["use_bias"], given["use_gate"]
        self.flash_attention, self.seed = given["flash_attention"], given["seed"]
        window = given["sliding_window"]
        self.sliding_window = window and positive(self, "sliding_window", window)
        resolve(self, given)
        # the outputs that it looks at are those of the projections
        penalty = given["activity_regularizer"]
        self._activity_regularizer = named(self, "activity_regularizer", regularizers.get, penalty)
        if self.flash_attention and self.dropout > 0:
            raise ValueError(
                f"{type(self).__name__}: flash_attention=True must go without dropout, got "
                f"dropout={self.dropout}"
            )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        # masks travel with what is given by place: so is what was given by name
        for name in call_names(cast(Any, type(self)))[1][len(args) :]:
            if name not in kwargs or name not in ("query", "value", "key"):
                break
            args = (*args, kwargs.pop(name))
        return super().__call__(*args, **kwargs)

    # -------------------------------------------------------------------------------- the weights

    def _get_common_kwargs_for_sublayer(self) -> dict[str, Any]:
        """The arguments that all projections have; Keras's name, which derived layers use."""
        parts = itertools.product(("kernel", "bias"), ("initializer", "regularizer", "constraint"))
        names = ["_".join(part) for part in parts]
        common = {"activity_regularizer": self._activity_regularizer, "dtype": self.dtype_policy}
        return {**common, **{name: getattr(self, name) for name in names}}

    def _project(self, name: str, input_shape: tuple, *sizes: int, bound: int = 1) -> EinsumDense:
        """A built projection of the last `bound` axes to axes of `sizes`.

        The gate's goes through a sigmoid.
        """
        free = len(input_shape) - bound
        given, made = string.ascii_letters[: free + bound], string.ascii_letters[free + bound :]
        made = made[: len(sizes)]
        dense = EinsumDense(
            f"{given},{given[free:]}{made}->{given[:free]}{made}",
            output_shape=(*(None,) * (free - 1), *sizes),
            bias_axes=made if self.use_bias else None,
            activation="sigmoid" if name == "gate" else None,
            name=name,
            **self._get_common_kwargs_for_sublayer(),
        )
        dense.supports_masking = True  # of a mask of the inputs
        dense.build(input_shape)
        return dense

    def _build_heads(
        self, query: tuple, value: tuple, key: tuple, heads: int, kept: int, key_dim: int,
        value_dim: int, output_shape: tuple,
    ) -> None:  # fmt: skip
        """Make the projections.

        Args:
            query, value, key: the inputs' shapes.
            heads, kept: how many heads the queries have, and the keys and values.
            key_dim, value_dim: depth of a head.
            output_shape: of the last axes of the result.
        """
        if value[1:-1] != key[1:-1]:
            raise ValueError(
                f"the layer {self.name!r}: value and key must have equal shapes but for the last "
                f"axis, got {value} and {key}"
            )
        self._query_dense = self._project("query", query, heads, key_dim)
        self._key_dense = self._project("key", key, kept, key_dim)
        if self.use_gate:
            self._gate_dense = self._project("gate", query, heads, value_dim)
        self._value_dense = self._project("value", value, kept, value_dim)
        self._build_attention(len(value) + 1)
        outputs = (*query[:-1], heads, value_dim)
        self._output_dense = self._project("attention_output", outputs, *output_shape, bound=2)

    def _build_attention(self, rank: int) -> None:
        """Make what goes on between projected tensors (batch, ..., heads, depth) of `rank` axes."""
        axes = tuple(range(1, rank - 2)) if self.attention_axes is None else self.attention_axes
        self.attention_axes = tuple(axis % (rank - 1) for axis in axes)
        count = len(self.attention_axes)
        query = string.ascii_letters[:rank]
        other = dict(zip(self.attention_axes, string.ascii_letters[rank:]))
        key = "".join(other.get(i, letter) for i, letter in enumerate(query))
        shared = "".join(query[i] for i in range(rank - 1) if i not in other)
        scores = shared + "".join(query[i] for i in self.attention_axes) + "".join(other.values())
        self._dot_product_equation = f"{key},{query}->{scores}"
        self._combine_equation = f"{scores},{key}->{query}"
        self._softmax = Softmax(axis=tuple(range(-count, 0)), dtype=self.dtype_policy)
        self._dropout_layer = Dropout(self.dropout, seed=self.seed, dtype=self.dtype_policy)

    # ------------------------------------------------------------------------------------ the call

    @property
    def _tricorn_heeds_training(self) -> bool:
        return self.dropout > 0

    def call(
        self,
        query: Any,
        value: Any,
        key: Any = None,
        query_mask: Any = None,
        value_mask: Any = None,
        key_mask: Any = None,
        attention_mask: Any = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
        use_causal_mask: bool = False,
    ) -> Any:
        key = value if key is None else key
        # a `_compute_attention` of the user's gets one mask that says it all
        own = type(self)._compute_attention is not _Heads._compute_attention
        mask = self._compute_attention_mask(
            query, value, query_mask=query_mask, value_mask=value_mask, key_mask=key_mask,
            attention_mask=attention_mask, use_causal_mask=use_causal_mask and own,
        )  # fmt: skip
        gate = self._gate_dense(query) if self.use_gate else None
        outputs, scores = self._compute_attention(
            self._query_dense(query),
            self._repeated(self._key_dense(key)),
            self._repeated(self._value_dense(value)),
            mask,
            training,
            return_attention_scores,
            **({"use_causal_mask": True} if use_causal_mask and not own else {}),
        )
        outputs = self._output_dense(outputs if gate is None else ops.multiply(outputs, gate))
        return (outputs, scores) if return_attention_scores else outputs

    def _repeated(self, x: Any) -> Any:
        """Keys or values (batch, m, heads, depth) with as many heads as the queries have."""
        return x

    def _compute_attention_mask(
        self,
        query: Any,
        value: Any,
        query_mask: Any = None,
        value_mask: Any = None,
        key_mask: Any = None,
        attention_mask: Any = None,
        use_causal_mask: bool = False,
    ) -> Any:
        """Which pairs count: bool of shape (batch, n, m), all that is given taken together."""
        masks = [attention_mask]
        masks += [None if query_mask is None else ops.expand_dims(query_mask, -1)]
        masks += [None if m is None else ops.expand_dims(m, -2) for m in (value_mask, key_mask)]
        if use_causal_mask:
            masks.append(self._compute_causal_mask(query, value))
        if self.sliding_window is not None:
            apart = ops.abs(_distances(query, value))
            masks.append(ops.less(apart, self.sliding_window))
        return _all_of(masks)

    def _compute_causal_mask(self, query: Any, value: Any = None) -> Any:
        """Which pairs do not look ahead: bool of shape (1, n, m)."""
        return ops.greater_equal(_distances(query, query if value is None else value), 0)

    def _compute_attention(
        self,
        query: Any,
        key: Any,
        value: Any,
        attention_mask: Any = None,
        training: bool | None = None,
        return_attention_scores: bool = False,
        use_causal_mask: bool = False,
    ) -> tuple[Any, Any]:
        """Attention of projected tensors (batch, ..., heads, depth).

        Returns:
            (outputs (batch, ..., heads, depth), attention (batch, heads, n, m), or None where
            nobody asked for it).
        """
        if self.flash_attention and return_attention_scores:
            raise ValueError(
                f"the layer {self.name!r}: return_attention_scores must be False where "
                "flash_attention is True: such kernels do not make them"
            )
        scale = 1.0 / math.sqrt(query.shape[-1])
        if self.dropout == 0 and not return_attention_scores and len(query.shape) == 4:
            outputs = ops.dot_product_attention(
                query, key, value, mask=_for_heads(attention_mask, 4, 1), scale=scale,
                is_causal=use_causal_mask, flash_attention=self.flash_attention,
            )  # fmt: skip
            return outputs, None
        if use_causal_mask:
            attention_mask = _all_of([attention_mask, self._compute_causal_mask(query, value)])
        query = ops.multiply(query, ops.cast(scale, query.dtype))
        scores = ops.einsum(self._dot_product_equation, key, query)
        scores = self._masked_softmax(scores, attention_mask)
        kept = self._dropout_layer(scores, training=training) if self.dropout > 0 else scores
        return ops.einsum(self._combine_equation, kept, value), scores

    def _masked_softmax(self, attention_scores: Any, attention_mask: Any = None) -> Any:
        axes = len(self.attention_axes or ())
        mask = _for_heads(attention_mask, len(attention_scores.shape), axes)
        return self._softmax(attention_scores, mask=mask)

    def compute_mask(self, query: Any, previous_mask: Any = None) -> Any:
        return previous_mask

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["flash_attention"]  # a matter of the machine
        penalty = registry.serialize_keras_object(self._activity_regularizer)
        return {**config, "activity_regularizer": penalty}


def _for_heads(mask: Any, rank: int, axes: int) -> Any:
    """A mask of pairs with axes of size 1 for what comes before the attention axes."""
    if mask is None:
        return None
    missing = rank - len(mask.shape)
    place = len(mask.shape) - 2 * axes
    return ops.expand_dims(mask, tuple(range(place, place + missing))) if missing else mask


class MultiHeadAttention(_Heads):
    """For each head ``softmax(q kᵀ / √key_dim) v``, with q, k and v projections of query, key and
    value; the heads' results together are projected once more.

    Args:
        num_heads: how many heads there are.
        key_dim: size of q and k.
        value_dim: size of v; None: `key_dim`.
        dropout: rate, of the attention after the softmax.
        use_bias: whether the projections have biases.
        output_shape: of the result's last axis or axes; None: that of the query.
        attention_axes: the axes that attention goes over; None: all between the first and last.
        sliding_window: a position attends to those less than so many steps away; None: to all.
        flash_attention: a kernel that makes no scores, where the engine has one; None: as
            configured.
        kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer,
        kernel_constraint, bias_constraint: of the projections' weights.
        activity_regularizer: penalty on the projections' outputs.
        use_gate: the heads' results are multiplied by ``sigmoid(projection of query)``.
        seed: int; None takes the next of the global sequence.
        kwargs: what every `Layer` takes.

    Weights:
        kernel and bias of the projections "query", "key" (features, num_heads, key_dim), "gate",
        "value" (features, num_heads, value_dim), "attention_output" (num_heads, value_dim, size).

    Call:
        query: (batch, n, features); value: (batch, m, features); key: as value, which it is unless
            given.
        query_mask, value_mask, key_mask: (batch, n) or (batch, m), where False the position is no
            part of a pair that counts; unless given, the masks that travel with the inputs.
        attention_mask: (batch, n, m), which pairs count.
        return_attention_scores: give the attention (batch, num_heads, n, m) too.
        use_causal_mask: position i attends to positions up to i only.

    Output shape: (batch, n, size), the query's size unless `output_shape` says another.

    Source: Vaswani et al. 2017, arXiv:1706.03762.

    Example:
        >>> layer = keras.layers.MultiHeadAttention(num_heads=2, key_dim=8)
        >>> x = np.ones((2, 5, 16))
        >>> layer(x, x, use_causal_mask=True).shape
        (2, 5, 16)
    """

    def __init__(
        self,
        num_heads: int,
        key_dim: int,
        value_dim: int | None = None,
        dropout: float = 0.0,
        use_bias: bool = True,
        output_shape: Any = None,
        attention_axes: Any = None,
        sliding_window: int | None = None,
        flash_attention: bool | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        use_gate: bool = False,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(locals(), **kwargs)
        self.num_heads = positive(self, "num_heads", num_heads)
        self.key_dim = positive(self, "key_dim", key_dim)
        self.value_dim = positive(self, "value_dim", key_dim if value_dim is None else value_dim)
        sizes = (output_shape,) if is_int(output_shape) else output_shape
        self._output_shape = as_shape(self, "output_shape", sizes) if sizes else None
        axes = (attention_axes,) if is_int(attention_axes) else attention_axes
        if axes and not (isinstance(axes, (tuple, list)) and all(map(is_int, axes))):
            raise wrong(self, "attention_axes", "an integer or several", attention_axes)
        self.attention_axes = tuple(axes) if axes else None

    def build(  # type: ignore[override]
        self, query_shape: tuple, value_shape: tuple, key_shape: Any = None
    ) -> None:
        key_shape = value_shape if key_shape is None else key_shape
        self._build_heads(
            tuple(query_shape), tuple(value_shape), tuple(key_shape), self.num_heads,
            self.num_heads, self.key_dim, self.value_dim, self._output_shape or (query_shape[-1],),
        )  # fmt: skip

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "output_shape": self._output_shape and list(self._output_shape),
        }

    query_dense = property(lambda self: self._query_dense, doc="The projection of queries.")
    key_dense = property(lambda self: self._key_dense, doc="The projection of keys.")
    value_dense = property(lambda self: self._value_dense, doc="The projection of values.")
    output_dense = property(lambda self: self._output_dense, doc="The last projection.")


class _Attribute:
    """An attribute by its other name, at which a derived layer may put something of its own."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, layer: Any, kind: type) -> Any:
        return self if layer is None else getattr(layer, self.name)


#: what layers that are derived from Keras's ask for
for _name in (
    "num_heads", "key_dim", "value_dim", "dropout", "use_bias", "use_gate", "kernel_initializer",
    "bias_initializer", "kernel_regularizer", "bias_regularizer", "kernel_constraint",
    "bias_constraint", "attention_axes", "flash_attention",
):  # fmt: skip
    setattr(MultiHeadAttention, f"_{_name}", _Attribute(_name))


class GroupedQueryAttention(_Heads):
    """`MultiHeadAttention` with fewer heads for keys and values, each of which serves a group of
    the queries' heads.

    Args:
        head_dim: depth of a head.
        num_query_heads: how many heads the queries have.
        num_key_value_heads: how many keys and values have; a divisor of that.
        dropout, use_bias, sliding_window, flash_attention, kernel_initializer, bias_initializer,
        kernel_regularizer, bias_regularizer, activity_regularizer, kernel_constraint,
        bias_constraint, use_gate, seed, kwargs: as `MultiHeadAttention` takes them.

    Weights:
        kernel and bias of the projections "query" and "gate" (features, num_query_heads,
        head_dim), "key" and "value" (features, num_key_value_heads, head_dim), "attention_output"
        (num_query_heads, head_dim, features).

    Call: as `MultiHeadAttention`.

    Output shape: (batch, n, features), as the query.

    Source: Ainslie et al. 2023, arXiv:2305.13245.

    Example:
        >>> layer = keras.layers.GroupQueryAttention(8, num_query_heads=4, num_key_value_heads=2)
        >>> query, value = np.ones((2, 3, 6)), np.ones((2, 5, 6))
        >>> layer(query, value).shape
        (2, 3, 6)
    """

    def __init__(
        self,
        head_dim: int,
        num_query_heads: int,
        num_key_value_heads: int,
        dropout: float = 0.0,
        use_bias: bool = True,
        sliding_window: int | None = None,
        flash_attention: bool | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        use_gate: bool = False,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(locals(), **kwargs)
        self.head_dim = positive(self, "head_dim", head_dim)
        self.num_query_heads = positive(self, "num_query_heads", num_query_heads)
        self.num_key_value_heads = positive(self, "num_key_value_heads", num_key_value_heads)
        if num_query_heads % num_key_value_heads:
            raise ValueError(
                f"{type(self).__name__}: num_query_heads must be divisible by "
                f"num_key_value_heads, got {num_query_heads} and {num_key_value_heads}"
            )

    def build(  # type: ignore[override]
        self, query_shape: tuple, value_shape: tuple, key_shape: Any = None
    ) -> None:
        key_shape = value_shape if key_shape is None else key_shape
        self._build_heads(
            tuple(query_shape), tuple(value_shape), tuple(key_shape), self.num_query_heads,
            self.num_key_value_heads, self.head_dim, self.head_dim, (query_shape[-1],),
        )  # fmt: skip

    def _repeated(self, x: Any) -> Any:
        return ops.repeat(x, self.num_query_heads // self.num_key_value_heads, axis=2)

    def serialized_as(self) -> tuple[str | None, str, str | None]:
        """How files call the class: by the name that is exported."""
        if type(self) is not GroupedQueryAttention:
            return registry.written_name(type(self))
        return "keras.layers", "GroupQueryAttention", None


#: the name that Keras exports it by
GroupQueryAttention = GroupedQueryAttention
