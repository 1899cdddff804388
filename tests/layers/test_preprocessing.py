"""Categories, texts and bins beside genuine Keras: values, vocabularies, configs, files; in models
and in the functions of tf.data."""

from __future__ import annotations

import importlib.util
import json
from typing import Any

import keras
import numpy as np
import pytest

import tricorn
from tests.oracle import close
from tricorn import layers
from tricorn.engines import EngineError, active
from tricorn.layers.preprocessing.fingerprints import fingerprint64, siphash

MODES = ("int", "one_hot", "multi_hot", "count", "tf_idf")
TEXTS = ["a b b", "c, B! a", "d", ""]
needs_tensorflow = pytest.mark.skipif(
    importlib.util.find_spec("tensorflow") is None, reason="not installed"
)


def both(name: str, **arguments: Any) -> tuple[Any, Any]:
    pytest.importorskip("tensorflow", reason="Keras's own need it")
    return getattr(layers, name)(**arguments), getattr(keras.layers, name)(**arguments)


def agree(found: Any, expected: Any) -> None:
    assert np.asarray(found).dtype.kind == np.asarray(expected).dtype.kind
    assert tuple(found.shape) == tuple(expected.shape)
    close(np.asarray(found), np.asarray(expected), rtol=1e-6)


# ------------------------------------------------------------------------------------------ values

STRINGS = ["a", ["a", "z"], [["a", "z"]], [["a"], ["b"]], np.array([["a", "b"], ["z", "a"]])]
NUMBERS = [5, [5, 9], [[5, 9]], [[5], [6]], np.array([[5, 6], [9, -1]])]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("x", STRINGS, ids=str)
def test_string_lookup(mode, x):
    weights = {"idf_weights": [1.0, 2.0]} if mode == "tf_idf" else {}
    ours, theirs = both("StringLookup", vocabulary=["a", "b"], output_mode=mode, **weights)
    agree(ours(x), theirs(x))
    assert ours.get_vocabulary() == theirs.get_vocabulary()


@pytest.mark.parametrize("mode", MODES[:4])
@pytest.mark.parametrize("x", NUMBERS, ids=str)
def test_integer_lookup(mode, x):
    ours, theirs = both("IntegerLookup", vocabulary=[5, 6], output_mode=mode)
    agree(ours(np.array(x)), theirs(np.array(x)))


@pytest.mark.parametrize(
    ("name", "arguments", "x"),
    [
        ("StringLookup", {"num_oov_indices": 3}, ["a", "zz", "yy", "xx", ""]),
        ("StringLookup", {"num_oov_indices": 3, "salt": 7}, ["a", "zz", "yy", "xx", ""]),
        ("StringLookup", {"num_oov_indices": 3, "salt": [7, 8]}, ["a", "zz", "yy", "xx", ""]),
        ("StringLookup", {"mask_token": ""}, ["a", "", "q"]),
        ("StringLookup", {"mask_token": "", "num_oov_indices": 2}, ["a", "", "q", "r", "s"]),
        ("StringLookup", {"mask_token": "", "output_mode": "count"}, ["a", "", "q"]),
        ("StringLookup", {"max_tokens": 6, "pad_to_max_tokens": True, "output_mode": "count"},
         ["a", "q"]),
        ("IntegerLookup", {"num_oov_indices": 3}, [5, 0, 7, 8, -1]),
        ("IntegerLookup", {"num_oov_indices": 3, "oov_method": "farmhash"}, [5, 0, 7, 8, -1]),
        ("IntegerLookup", {"mask_token": 0}, [5, 0, 7]),
        ("IntegerLookup", {"invert": True}, [0, 1, 2, 9]),
        ("IntegerLookup", {"invert": True, "mask_token": 0}, [0, 1, 2, 9]),
    ],
    ids=str,
)  # fmt: skip
def test_lookups_with_arguments(name, arguments, x):
    vocabulary = ["a", "b"] if name == "StringLookup" else [5, 6]
    ours, theirs = both(name, vocabulary=vocabulary, **arguments)
    agree(ours(x), theirs(x))
    assert ours.get_vocabulary() == theirs.get_vocabulary()
    assert ours.vocabulary_size() == theirs.vocabulary_size()
    assert ours.get_vocabulary(False) == theirs.get_vocabulary(False)
    mine, genuine = ours.get_config(), theirs.get_config()
    assert {k: v for k, v in mine.items() if k != "name"} == {
        k: v for k, v in genuine.items() if k != "name"
    }


@pytest.mark.parametrize("mode", MODES[1:4])
@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("CategoryEncoding", {"num_tokens": 4}),
        ("Discretization", {"bin_boundaries": [0.0, 1.0, 2.0]}),
        ("IntegerLookup", {"vocabulary": [1, 2, 3]}),
    ],
    ids=str,
)
def test_encodings_of_every_shape(name, arguments, mode):
    """A batch of one scalar is a batch: the model's layers behind see the rank they were told."""
    ours, theirs = both(name, output_mode=mode, **arguments)
    for shape in [(), (1,), (3,), (1, 1), (3, 1), (1, 3), (2, 3)]:
        x = np.ones(shape, "int32")
        agree(ours(x), theirs(x))
        if mode == "one_hot":
            assert ours.compute_output_shape(shape) == tuple(ours(x).shape)


def test_indices_back_to_strings():
    layer = layers.StringLookup(vocabulary=["a", "b"], invert=True)
    found = layer([[0, 1], [2, 9]])
    if active().is_tensor(found):  # where the engine has strings
        found = np.vectorize(bytes.decode)(active().numpy(found))
    assert found.tolist() == [["[UNK]", "a"], ["b", "[UNK]"]]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "data", [["a", "b", "b", "c", "a", "b"], [["a", "b"], ["b", "c"]]], ids=["flat", "rows"]
)
@pytest.mark.parametrize("limit", [None, 3])
def test_adapted_vocabularies(mode, data, limit):
    ours, theirs = both("StringLookup", output_mode=mode, max_tokens=limit)
    for layer in (ours, theirs):
        layer.adapt(np.array(data))
    assert ours.get_vocabulary() == theirs.get_vocabulary()
    x = [["a", "b", "q", "b"]]
    agree(ours(x), theirs(x))


def test_adapting_to_batches_and_again():
    ours = layers.IntegerLookup()
    ours.adapt([np.array([4, 4, 5]), np.array([5, 5, 6])])
    assert ours.get_vocabulary() == [-1, 5, 4, 6]
    ours.adapt(np.array([7]))
    assert ours.get_vocabulary() == [-1, 7]
    ours.adapt(iter([np.array([1]), np.array([2])]), steps=1)
    assert ours.get_vocabulary() == [-1, 1]


@pytest.mark.parametrize("mode", MODES[1:4])
@pytest.mark.parametrize("x", [2, [3, 2], [[3, 2], [2, 2]], [[3], [2]]], ids=str)
def test_category_encoding(mode, x):
    ours, theirs = both("CategoryEncoding", num_tokens=4, output_mode=mode)
    agree(ours(np.array(x)), theirs(np.array(x)))
    shape = np.shape(x)
    if shape:
        assert ours.compute_output_shape(shape) == tuple(theirs(np.array(x)).shape)


def test_category_counts_with_weights():
    ours, theirs = both("CategoryEncoding", num_tokens=4, output_mode="count")
    x, weights = np.array([[3, 2, 3]]), np.array([[0.5, 0.25, 1.0]])
    agree(ours(x, count_weights=weights), theirs(x, count_weights=weights))


@pytest.mark.parametrize("mode", MODES[:4])
@pytest.mark.parametrize(
    ("arguments", "x"),
    [
        ({}, [["a"], ["b"], ["c"], ["a longer text than sixteen bytes"]]),
        ({"salt": 133}, [["A"], ["B"], [""]]),
        ({"salt": (133, 137)}, [["A", "é"], ["B", "x" * 70]]),
        ({"mask_value": "a"}, [["a"], ["b"], ["c"]]),
        ({}, np.array([[1, 20], [-300, 4]])),
        ({"mask_value": 1}, np.array([[1, 20], [-300, 4]])),
    ],
    ids=str,
)
def test_hashing(mode, arguments, x):
    ours, theirs = both("Hashing", num_bins=7, output_mode=mode, **arguments)
    agree(ours(x), theirs(x))


@pytest.mark.parametrize("mode", MODES[:2])
@pytest.mark.parametrize("shape", [(3,), (3, 1)])
def test_hashed_crossing(mode, shape):
    ours, theirs = both("HashedCrossing", num_bins=11, output_mode=mode)
    x = np.array(["A", "B", "C"]).reshape(shape), np.array([101, -7, 2**40]).reshape(shape)
    agree(ours(x), theirs(x))


@pytest.mark.parametrize("size", [*range(20), 31, 32, 33, 63, 64, 65, 127, 128, 129, 1000])
@needs_tensorflow
def test_fingerprints_are_those_of_tensorflow(size):
    import tensorflow as tf

    data, bins = np.random.default_rng(size).bytes(size), 2**63 - 1
    assert fingerprint64(data) % bins == tf.strings.to_hash_bucket_fast([data], bins)[0].numpy()
    found = tf.strings.to_hash_bucket_strong([data], bins, key=[133, -7])[0].numpy()
    assert siphash(data, (133, -7)) % bins == found


@pytest.mark.parametrize("mode", MODES[:4])
@pytest.mark.parametrize("x", [[[-1.0, 0.0, 1.5, 3.0]], [[-1.0], [3.0]]], ids=["row", "column"])
def test_discretization(mode, x):
    ours, theirs = both("Discretization", bin_boundaries=[0.0, 1.0, 2.0], output_mode=mode)
    agree(ours(np.array(x)), theirs(np.array(x)))
    assert {**ours.get_config(), "name": ""} == {**theirs.get_config(), "name": ""}


@pytest.mark.parametrize("bins", [2, 4, 10])
@pytest.mark.parametrize("count", [5, 99, 1000, 20_000])
def test_adapted_boundaries(bins, count):
    ours, theirs = both("Discretization", num_bins=bins, epsilon=0.01)
    data = np.random.default_rng(count).normal(size=count)
    ours.adapt(data)
    theirs.adapt(data)
    np.testing.assert_allclose(ours.bin_boundaries, theirs.bin_boundaries, rtol=1e-4, atol=1e-6)
    ours.adapt(np.split(data[: count // 2 * 2], 2))  # merged summaries are rougher
    ranks = np.searchsorted(np.sort(data), ours.bin_boundaries) / count
    if count > bins:
        assert np.abs(ranks - np.arange(1, bins) / bins).max() < 0.02 + 2 / count
    again = layers.Discretization.from_config(ours.get_config())
    assert again.bin_boundaries == ours.bin_boundaries


# ------------------------------------------------------------------------------------------- texts


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"output_mode": "multi_hot"},
        {"output_mode": "count"},
        {"output_mode": "tf_idf"},
        {"output_mode": "tf_idf", "max_tokens": 8, "pad_to_max_tokens": True},
        {"ngrams": 2},
        {"ngrams": (2, 3)},
        {"ngrams": (2,), "output_mode": "count"},
        {"output_sequence_length": 2},
        {"output_sequence_length": 6},
        {"max_tokens": 4},
        {"max_tokens": 4, "output_mode": "multi_hot", "pad_to_max_tokens": True},
        {"split": "character"},
        {"split": None},
        {"standardize": None},
        {"standardize": "lower"},
        {"standardize": "strip_punctuation"},
    ],
    ids=str,
)
def test_text_vectorization(arguments):
    ours, theirs = both("TextVectorization", **arguments)
    for layer in (ours, theirs):
        layer.adapt(TEXTS)
    assert ours.get_vocabulary() == theirs.get_vocabulary()
    for x in (["b a zz", "c c c"], [["a"], ["d b"]], "a b"):
        if x != "a b" or arguments.get("split", "") is not None:
            agree(ours(x), theirs(x))
    mine, genuine = (json.loads(json.dumps(x.get_config())) for x in (ours, theirs))
    assert {**mine, "name": ""} == {**genuine, "name": ""}


def test_functions_of_ones_own():
    def standardize(texts: Any) -> Any:
        assert texts.dtype == object
        return np.array([text.replace("<br>", " ") for text in texts], object)

    def split(texts: Any) -> list:
        return [text.split("-") for text in texts]

    layer = layers.TextVectorization(standardize=standardize, split=split)
    layer.adapt(["a-b<br>c", "b<br>c"])
    assert layer.get_vocabulary() == ["", "[UNK]", "b c", "a"]
    assert np.asarray(layer(["a-b<br>c-q"])).tolist() == [[3, 2, 1]]


def test_bytes_are_text():
    layer = layers.TextVectorization(vocabulary=["grün", "b"])
    assert np.asarray(layer(np.array(["GRÜN b".encode(), b"\xff b"]))).tolist() == [[2, 3], [1, 3]]


# -------------------------------------------------------------------------------------- in a model


def test_integers_inside_of_a_model():
    inputs = tricorn.Input((3,), dtype="int32")
    found = layers.IntegerLookup(vocabulary=[5, 6, 7])(inputs)
    hashed = layers.Hashing(4, output_mode="count")(inputs)
    bins = layers.Discretization([5.5, 6.5], output_mode="one_hot")(inputs)
    counts = layers.CategoryEncoding(4, "count")(found)
    model = tricorn.Model(inputs, [layers.Embedding(4, 2)(found), hashed, bins, counts])
    x = np.array([[5, 6, 9], [7, 7, -1]], np.int32)
    shapes = [tuple(out.shape[1:]) for out in model.outputs]
    embedded, *others = model.predict(x, verbose=0)
    assert [a.shape[1:] for a in (embedded, *others)] == shapes == [(3, 2), (4,), (3, 3), (4,)]
    close(others[2], [[1, 1, 1, 0], [1, 0, 0, 2]])
    close(others[0], np.asarray(layers.Hashing(4, output_mode="count")(x)))
    model.compile("sgd", "mse")
    before = model.get_weights()[0].copy()
    zeros = [np.zeros(a.shape, "float32") for a in (embedded, *others)]
    model.fit(x, zeros, verbose=0)
    assert not np.array_equal(before, model.get_weights()[0])


def test_texts_inside_of_a_model(tmp_path):
    text = layers.TextVectorization(output_sequence_length=3)
    text.adapt(TEXTS)
    inputs = tricorn.Input((1,), dtype="string")
    model = tricorn.Model(inputs, layers.Dense(2)(layers.Embedding(10, 4)(text(inputs))))
    assert tuple(model.output.shape) == (None, 3, 2)
    x = np.array([["a b"], ["c"]], object)
    if active().name != "tensorflow":
        with pytest.raises(ValueError, match="must hold numbers: .* has no tensors of strings"):
            model.predict(x, verbose=0)
        with pytest.raises(EngineError, match=r"text .*before the model"):
            model(x)
        return
    found = model.predict(x, verbose=0)
    close(model(x), found)
    close(model.predict(np.array([["a b"], ["c"]]), verbose=0), found)
    model.compile("sgd", "mse")
    model.fit(x, np.zeros((2, 3, 2), "float32"), verbose=0)
    model.save(tmp_path / "model.keras")
    again = tricorn.saving.load_model(tmp_path / "model.keras")
    close(again.predict(x, verbose=0), model.predict(x, verbose=0))


@needs_tensorflow
@pytest.mark.parametrize(
    "make",
    [
        lambda lib: lib.layers.TextVectorization(),
        lambda lib: lib.layers.TextVectorization(output_mode="tf_idf"),
        lambda lib: lib.layers.StringLookup(num_oov_indices=2),
        lambda lib: lib.layers.StringLookup(vocabulary=["b", "a"]),
    ],
)
def test_vocabularies_in_files_both_ways(make, tmp_path):
    def model(lib: Any) -> Any:
        layer = make(lib)
        if not layer.get_config()["vocabulary"]:
            layer.adapt(["a b", "b\tc", "a"])
        inputs = lib.Input((1,), dtype="string")
        return lib.Model(inputs, layer(inputs))

    x = ["a", "b q"]
    for lib, other in ((tricorn, keras), (keras, tricorn)):
        made = model(lib)
        made.save(tmp_path / f"{lib.__name__}.keras")
        read = other.saving.load_model(tmp_path / f"{lib.__name__}.keras")
        assert read.layers[-1].get_vocabulary() == made.layers[-1].get_vocabulary()
        close(np.asarray(read.layers[-1](x)), np.asarray(made.layers[-1](x)), rtol=1e-6)


@needs_tensorflow
def test_in_the_functions_of_a_pipeline():
    import tensorflow as tf

    text = layers.TextVectorization(output_sequence_length=4)
    texts = tf.data.Dataset.from_tensor_slices(TEXTS).batch(2)
    text.adapt(texts)
    assert text.get_vocabulary() == ["", "[UNK]", "b", "a", "d", "c"]
    found = texts.map(text)
    assert found.element_spec.shape.as_list() == [None, 4]
    rows = [row.tolist() for batch in found for row in batch.numpy()]
    assert rows == [[3, 2, 2, 0], [5, 2, 3, 0], [4, 0, 0, 0], [0, 0, 0, 0]]
    normal = layers.Normalization()
    numbers = np.random.default_rng(0).normal(3.0, 2.0, (20, 2)).astype("float32")
    normal.adapt(numbers)
    stack = [layers.Rescaling(2.0), normal, layers.Discretization([-1.0, 1.0])]
    rows, expected = tf.data.Dataset.from_tensor_slices(numbers).batch(20), numbers
    for layer in stack:
        rows, expected = rows.map(layer), np.asarray(layer(expected))
    close(next(iter(rows)).numpy(), expected)
    lookup = layers.StringLookup(vocabulary=["x"], output_mode="one_hot")
    pairs = tf.data.Dataset.from_tensor_slices((["x", "y"], [1, 0])).map(
        lambda s, y: (lookup(s), y)
    )
    assert [x.numpy().tolist() for x, _ in pairs] == [[[0, 1]], [[1, 0]]]


# ------------------------------------------------------------------------------------------ errors


@pytest.mark.parametrize(
    ("name", "arguments", "error", "text"),
    [
        ("StringLookup", {"max_tokens": 1}, ValueError, "max_tokens"),
        ("StringLookup", {"num_oov_indices": -1}, ValueError, "num_oov_indices"),
        ("StringLookup", {"vocabulary": ["a", "a"]}, ValueError, "repeated"),
        ("StringLookup", {"vocabulary": ["a"], "output_mode": "tf_idf"}, ValueError, "idf_weights"),
        ("StringLookup", {"pad_to_max_tokens": True}, ValueError, "max_tokens"),
        ("StringLookup", {"mask_token": 3}, ValueError, "mask_token must be a string"),
        ("StringLookup", {"invert": True, "output_mode": "count"}, ValueError, "output_mode"),
        ("StringLookup", {"vocabulary": ["a", ""], "mask_token": ""}, ValueError, "mask token"),
        ("StringLookup", {"vocabulary": list("abcd"), "max_tokens": 3}, ValueError, "max_tokens"),
        ("StringLookup", {"sparse": True}, ValueError, "sparse"),
        ("StringLookup", {"output_mode": "some"}, ValueError, "output_mode"),
        ("StringLookup", {"vocabulary": []}, ValueError, "empty vocabulary"),
        ("IntegerLookup", {"vocabulary": ["q"]}, ValueError, "integer"),
        ("IntegerLookup", {"vocabulary_dtype": "int8"}, ValueError, "vocabulary_dtype"),
        ("IntegerLookup", {"oov_method": "md5"}, ValueError, "oov_method"),
        ("CategoryEncoding", {}, ValueError, "num_tokens"),
        ("CategoryEncoding", {"num_tokens": 0}, ValueError, "num_tokens"),
        ("CategoryEncoding", {"num_tokens": 2, "output_mode": "int"}, ValueError, "output_mode"),
        ("Hashing", {"num_bins": 0}, ValueError, "num_bins"),
        ("Hashing", {"num_bins": 2, "salt": "x"}, ValueError, "salt"),
        ("HashedCrossing", {"num_bins": 0}, ValueError, "num_bins"),
        ("Discretization", {}, ValueError, "bin_boundaries"),
        ("Discretization", {"num_bins": 2, "bin_boundaries": [1.0]}, ValueError, "bin_boundaries"),
        ("TextVectorization", {"output_mode": "xx"}, ValueError, "output_mode"),
        ("TextVectorization", {"split": "yy"}, ValueError, "split"),
        ("TextVectorization", {"standardize": "zz"}, ValueError, "standardize"),
        ("TextVectorization", {"ngrams": "q"}, ValueError, "ngrams"),
        ("TextVectorization", {"output_sequence_length": -1}, ValueError, "output_sequence_length"),
        ("TextVectorization", {"output_sequence_length": 1, "output_mode": "count"}, ValueError,
         "output_sequence_length"),
        ("TextVectorization", {"ragged": True}, ValueError, "ragged"),
    ],
    ids=str,
)  # fmt: skip
def test_wrong_arguments(name, arguments, error, text):
    with pytest.raises(error, match=text):
        getattr(layers, name)(**arguments)


@pytest.mark.parametrize(
    ("make", "x", "error", "text"),
    [
        (lambda: layers.StringLookup(), ["a"], RuntimeError, "adapt"),
        (lambda: layers.TextVectorization(), ["a"], RuntimeError, "adapt"),
        (lambda: layers.Discretization(num_bins=2), np.ones(2), RuntimeError, "adapt"),
        (lambda: layers.StringLookup(vocabulary=["a"], num_oov_indices=0), ["q"], ValueError, "q"),
        (lambda: layers.StringLookup(vocabulary=["a"]), [1, 2], TypeError, "IntegerLookup"),
        (lambda: layers.IntegerLookup(vocabulary=[1]), ["a"], TypeError, "StringLookup"),
        (lambda: layers.Hashing(3), [1.5], TypeError, "float"),
        (lambda: layers.HashedCrossing(3), ["a"], ValueError, "at least two"),
        (lambda: layers.HashedCrossing(3), (["a"], ["b", "c"]), ValueError, "one shape"),
        (lambda: layers.TextVectorization(vocabulary=["a"]), [["a", "b"]], ValueError, r"\(1, 2\)"),
    ],
)  # fmt: skip
def test_wrong_calls(make, x, error, text):
    with pytest.raises(error, match=text):
        make()(x)


def test_weights_are_for_counts():
    with pytest.raises(ValueError, match="count_weights"):
        layers.CategoryEncoding(3)(np.ones((2, 2)), count_weights=np.ones((2, 2)))


def test_adapting_what_was_given_is_refused():
    with pytest.raises(ValueError, match="bin_boundaries"):
        layers.Discretization([1.0]).adapt(np.ones(3))
