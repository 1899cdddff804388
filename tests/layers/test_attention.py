"""What the table of layers cannot say of attention: masks that travel, kernels, half precision."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

import tricorn
from tests.layers.cases import ATTENTION, Case, floats, mask
from tests.oracle import array, cached, close
from tricorn import Model, layers, ops
from tricorn.layers import Input

TOKENS = np.array([[1, 2, 3, 0, 0], [4, 1, 0, 0, 0]], np.int32)
X = floats(2, 5, 4)


def _layer(name: str = "MultiHeadAttention", **kwargs: Any) -> Any:
    if name == "MultiHeadAttention":
        return layers.MultiHeadAttention(2, 3, **kwargs)
    return layers.GroupQueryAttention(3, 4, 2, **kwargs)


@pytest.mark.parametrize("name", ["MultiHeadAttention", "GroupQueryAttention"])
@pytest.mark.parametrize("by_name", [False, True])
@pytest.mark.parametrize("functional", [False, True])
def test_masks_travel_into_it_and_on(name: str, by_name: bool, functional: bool) -> None:
    embedding, attention = layers.Embedding(5, 4, mask_zero=True), _layer(name)
    pooling = layers.GlobalAveragePooling1D()

    def run(tokens: Any) -> Any:
        x = embedding(tokens)
        inputs = {"query": x, "value": x}
        y = attention(**inputs) if by_name else attention(*inputs.values())
        return pooling(y)

    if functional:
        tokens = Input((None,), dtype="int32")
        found = Model(tokens, run(tokens))(TOKENS)
    else:
        found = run(TOKENS)
    x, present = array(embedding(TOKENS)), TOKENS != 0
    outputs = attention(x, x, query_mask=present, value_mask=present)
    close(found, pooling(outputs, mask=present))


def test_a_query_mask_that_is_given_counts() -> None:
    """Keras overwrites it by the one that travels."""
    attention, present = _layer(), mask(3, 5, length=5)
    _, scores = attention(X, X, query_mask=present, return_attention_scores=True)
    assert not array(scores)[0, :, 3:].any()
    close(array(scores).sum(-1)[0, :, :3], np.ones((2, 3)))


def test_the_kernel_computes_what_the_scores_say() -> None:
    attention = _layer(value_dim=5, use_gate=True)
    given: dict[str, Any] = {"use_causal_mask": True, "value_mask": mask(5, 3, length=5)}
    plain = attention(X, X, **given)
    outputs, scores = attention(X, X, **given, return_attention_scores=True)
    close(plain, outputs)
    assert array(scores).shape == (2, 2, 5, 5)
    assert not np.triu(array(scores)[0, 0], 1).any()


def test_an_override_of_the_computation_gets_the_whole_mask() -> None:
    seen = []

    class Own(layers.MultiHeadAttention):
        def _compute_attention(self, query, key, value, attention_mask=None, *args, **kwargs):
            seen.append(array(attention_mask))
            return super()._compute_attention(query, key, value, attention_mask, *args, **kwargs)

    own = Own(2, 3)
    found = own(X, X, use_causal_mask=True)
    assert np.array_equal(seen[0][0], np.tri(5, dtype=bool))
    plain = _layer()
    plain.build(X.shape, X.shape)
    plain.set_weights(own.get_weights())
    close(found, plain(X, X, use_causal_mask=True))


def test_lengths_may_be_unknown() -> None:
    query, value = Input((None, 4)), Input((None, 4))
    attention = _layer(sliding_window=2)
    outputs, scores = attention(query, value, use_causal_mask=True, return_attention_scores=True)
    assert outputs.shape == (None, None, 4)
    assert scores.shape == (None, 2, None, None)
    model = Model([query, value], [outputs, scores])
    for n, m in ((3, 4), (5, 2)):
        found = model.predict([floats(2, n, 4), floats(2, m, 4)], verbose=0)
        near = np.tri(n, m, dtype=bool) & ~np.tri(n, m, -2, dtype=bool)
        assert ((found[1][0, 0] > 0) == near).all()


def test_dropout_acts_on_the_attention_in_training() -> None:
    for attention, inputs in (
        (_layer(dropout=0.5, seed=1), (X, X)),
        (_layer("GroupQueryAttention", dropout=0.5, seed=1), (X, X)),
        (layers.Attention(dropout=0.5, seed=1), ([X, X],)),
        (layers.AdditiveAttention(dropout=0.5, seed=1), ([X, X],)),
    ):
        plain = array(attention(*inputs))
        close(attention(*inputs, training=False), plain)
        draws = [array(attention(*inputs, training=True)) for _ in range(300)]
        assert not np.allclose(draws[0], draws[1])
        # of 300 draws the mean's error is about a seventeenth of one draw's
        error = np.abs(np.mean(draws, 0) - plain).max()
        assert error < 0.35 * np.std(draws, 0).max() + 1e-6


@cached
def _of_keras(case: Case) -> Any:
    theirs = case.make(keras.layers)
    theirs.build(*_shapes(case))
    theirs.set_weights(_weights(theirs))
    outputs = theirs(*case.arguments(case.x), **case.call)
    return [np.asarray(x, np.float32) for x in _leaves(outputs)]


def _shapes(case: Case) -> list:
    shape = lambda x: [a.shape for a in x] if isinstance(x, list) else x.shape
    return [shape(x) for x in case.arguments(case.x)]


def _weights(layer: Any) -> list:
    rng = np.random.default_rng(3)
    return [rng.normal(size=w.shape) * 0.5 for w in layer.weights]


def _leaves(outputs: Any) -> list:
    return list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]


#: half the digits of the half types
POLICIES = {"mixed_float16": 4e-3, "mixed_bfloat16": 3e-2}
#: the first case of each layer, and the last
ENDS = [*{c.layer: c for c in ATTENTION}.values(), *{c.layer: c for c in ATTENTION[::-1]}.values()]
HALF = [
    Case(case.layer, case.x, {**case.kwargs, "dtype": policy}, case.call)
    for policy in POLICIES
    for case in ENDS
]


@pytest.mark.parametrize("case", HALF, ids=lambda case: case.id)
def test_mixed_precision(case: Case) -> None:
    policy = case.kwargs["dtype"]
    ours = case.make(layers)
    ours.build(*_shapes(case))
    ours.set_weights(_weights(ours))
    outputs = _leaves(ours(*case.arguments(case.x), **case.call))
    for found, expected in zip(outputs, _of_keras(case), strict=True):
        assert ops.dtype(found) == policy.removeprefix("mixed_")
        close(ops.cast(found, "float32"), expected, POLICIES[policy])


@pytest.mark.engine_free
def test_the_kernel_of_a_projection_knows_its_inputs() -> None:
    dense = layers.EinsumDense("abc,cde->abde", output_shape=(None, 20, 30))
    dense.build((None, 5, 40))
    limit = (6 / (40 + 600)) ** 0.5
    assert 0.9 * limit < np.abs(dense.get_weights()[0]).max() <= limit


ERRORS = [
    (lambda: layers.Attention()(X), "must be called on a list of inputs"),
    (lambda: layers.Attention(score_mode="sum"), "score_mode must be one of"),
    (lambda: layers.Attention()([X, X], mask=TOKENS != 0), "a mask is such a list"),
    (lambda: layers.MultiHeadAttention(0, 2), "num_heads must be a positive integer"),
    (lambda: layers.MultiHeadAttention(2, 2, sliding_window=-1), "sliding_window must be"),
    (lambda: _layer(flash_attention=True, dropout=0.1), "flash_attention=True must go without"),
    (
        lambda: _layer(flash_attention=True)(X, X, return_attention_scores=True),
        "return_attention_scores must be False",
    ),
    (lambda: _layer()(X, X, floats(2, 3, 4)), "must have equal shapes but for the last"),
    (lambda: layers.GroupQueryAttention(2, 3, 2), "must be divisible by"),
    (lambda: layers.EinsumDense("ab,bc,cd->ad", 3), "the equation must be like"),
    (lambda: layers.EinsumDense("abc,cd->abd", (5, 6))(floats(2, 4, 3)), "the axis 'b' has"),
    (lambda: layers.EinsumDense("ab,bc->ac", 3, bias_axes="x")(floats(2, 3)), "bias_axes='x'"),
    (lambda: layers.EinsumDense("ab,bc->ad", 3)(floats(2, 3)), "in no other operand"),
    (lambda: layers.EinsumDense("ab,bc->ac", (3, 4))(floats(2, 3)), "does not fit an input"),
]


@pytest.mark.parametrize(("wrong", "message"), ERRORS, ids=[message for _, message in ERRORS])
def test_errors_say_what_is_wrong(wrong: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        wrong()


def _transformer(library: Any) -> Any:
    """Attention over tokens, masked where they are 0, in the words of Keras's examples.  Nothing
    uses the inputs of `MultiHeadAttention` after it, since Keras takes their masks away."""
    la = library.layers
    tokens = library.Input((None,), dtype="int32")
    x = la.Embedding(5, 4, mask_zero=True)(tokens)
    attention = la.MultiHeadAttention(num_heads=2, key_dim=3, name="attention")
    y = attention(query=x, value=x, key=x, use_causal_mask=True)
    x = la.LayerNormalization()(y)
    x = la.Add()([x, la.GroupQueryAttention(2, 4, 2)(x, x)])
    x = la.GlobalAveragePooling1D()(la.Dense(4, activation="gelu")(x))
    return library.Model(tokens, la.ReversibleEmbedding(6, 4, tie_weights=False)(x, reverse=True))


def test_a_transformer_in_files_of_either_library(tmp_path: Any) -> None:
    ours, theirs = _transformer(tricorn), _transformer(keras)
    values = _weights(ours)
    for model, other in ((ours, keras), (theirs, tricorn)):
        model.set_weights(values)
        path = str(tmp_path / f"read_by_{other.__name__}.keras")
        model.save(path)
        again = other.saving.load_model(path)
        close(again.predict(TOKENS, verbose=0), model.predict(TOKENS, verbose=0))
        close(model.predict(TOKENS, verbose=0), ours.predict(TOKENS, verbose=0))
