"""`FeatureSpace` beside genuine Keras: every kind of feature, in every form that data have; in
models, in the functions of tf.data, in files."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import tricorn
from tests.oracle import cached, close
from tricorn.engines import active

ROWS = 40
_draw = np.random.RandomState(0)
DATA = {
    "age": _draw.randn(ROWS).astype("float32"),
    "height": _draw.rand(ROWS).astype("float32") * 10,
    "weight": _draw.rand(ROWS).astype("float32"),
    "count": _draw.randint(0, 5, ROWS).astype("int32"),
    "code": _draw.randint(0, 500, ROWS).astype("int32"),
    "town": np.array(["Rome", "Oslo", "Łódź"])[_draw.randint(0, 3, ROWS)],
    "text": np.array(["a b", "b c c", "c"])[_draw.randint(0, 3, ROWS)],
}

#: name -> a function of the library that gives the arguments of the constructor
SPACES = {
    "by name": lambda lib: {
        "features": {
            "age": "float", "height": "float_normalized", "weight": "float_discretized",
            "count": "integer_categorical", "code": "integer_hashed", "town": "string_categorical",
            "text": "string_hashed",
        },
        "hashing_dim": 7, "num_discretization_bins": 3,
    },
    "with arguments": lambda lib: {
        "features": {
            "age": kind(lib).float("a"),
            "height": kind(lib).float_normalized("h"),
            "weight": kind(lib).float_rescaled(2.0, -1.0, "w"),
            "count": kind(lib).integer_categorical(3, 2, name="c"),
            "code": kind(lib).integer_hashed(5, name="k"),
            "town": kind(lib).string_categorical(3, name="t"),
            "text": kind(lib).string_hashed(num_bins=4, name="x"),
        },
        "name": "table",
    },
    "crosses": lambda lib: {
        "features": {"count": "integer_categorical", "town": "string_categorical",
                     "code": "integer_hashed"},
        "crosses": [("count", "town"), kind(lib).cross(("town", "code"), 6)],
        "crossing_dim": 9,
    },
    "dict": lambda lib: {
        "features": {
            "age": "float", "weight": kind(lib).float_discretized(4, output_mode="int"),
            "count": kind(lib).integer_categorical(output_mode="int"),
            "code": kind(lib).integer_hashed(5, output_mode="int"),
            "town": kind(lib).string_categorical(output_mode="int"),
            "text": kind(lib).string_hashed(4, output_mode="int"),
        },
        "crosses": [kind(lib).cross(["count", "town"], 8, output_mode="int"),
                    kind(lib).cross(["code", "town"], crossing_dim=8)],
        "output_mode": "dict",
    },
    "layers of one's own": lambda lib: {
        "features": {
            "age": kind(lib).feature("float32", lib.layers.Rescaling(0.5), "float"),
            "town": kind(lib).feature("string", lib.layers.Hashing(4), "one_hot"),
        },
    },
    "text": lambda lib: {
        "features": {
            "text": kind(lib).feature(
                dtype="string", preprocessor=lib.layers.TextVectorization(output_mode="tf_idf"),
                output_mode="float",
            ),
        },
    },
}  # fmt: skip
#: name -> what becomes of the columns
FORMS = {
    "arrays": lambda data: data,
    "lists": lambda data: {name: x.tolist() for name, x in data.items()},
    "columns": lambda data: {name: x[:, None] for name, x in data.items()},
    "one row": lambda data: {name: x[3].item() for name, x in data.items()},
}


def kind(lib):
    return lib.utils.FeatureSpace


def data_of(space) -> dict:
    return {name: DATA[name] for name in space.features}


def adapted(name, lib=tricorn):
    space = kind(lib)(**SPACES[name](lib))
    space.adapt(DATA)
    return space


@cached
def keras_space(name):
    pytest.importorskip("tensorflow", reason="Keras's own needs it")
    return adapted(name, keras)


@cached
def expected(name, form="arrays"):
    space = keras_space(name)
    found = space(FORMS[form](data_of(space)))
    return {k: np.asarray(v) for k, v in found.items()} if isinstance(found, dict) else found


def agree(found, wanted) -> None:
    if not isinstance(wanted, dict):
        found, wanted = {"": found}, {"": wanted}
    assert list(found) == list(wanted)
    for name in wanted:
        assert np.asarray(found[name]).dtype == np.asarray(wanted[name]).dtype
        close(found[name], wanted[name], rtol=1e-6)


def each(dataset):
    """The elements of a tf.data.Dataset, put together."""
    parts = list(dataset.as_numpy_iterator())
    if isinstance(parts[0], dict):
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return np.concatenate(parts)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", SPACES)
def test_numbers(name, form):
    space = adapted(name)
    found = space(FORMS[form](data_of(space)))
    assert all(map(active().is_tensor, found.values() if isinstance(found, dict) else [found]))
    agree(found, expected(name, form))


def test_a_cross_of_three():
    """Keras's layer computes it, its `FeatureSpace` fails."""
    features = {"count": "integer_hashed", "town": "string_hashed", "code": "integer_hashed"}
    space = kind(tricorn)(features, crosses=[("count", "town", "code")], output_mode="dict")
    layer = space.crossers["count_X_town_X_code"]
    parts = [space.preprocessors[name](DATA[name][:, None]) for name in features]
    found = np.asarray(space(DATA)["count_X_town_X_code"])
    assert found.argmax(1).tolist() == np.asarray(layer(parts)).ravel().tolist()


@pytest.mark.parametrize("name", SPACES)
def test_columns_that_are_no_features_are_passed_over(name):
    agree(adapted(name)({**DATA, "more": [["x"]]}), expected(name))


@pytest.mark.parametrize("name", SPACES)
def test_tensors(name):
    space = adapted(name)
    data = {
        k: x if x.dtype.kind == "U" else tricorn.ops.convert_to_tensor(x)
        for k, x in data_of(space).items()
    }
    agree(space(data), expected(name))


def rows() -> list[dict]:
    return [{name: x[i] for name, x in DATA.items()} for i in range(ROWS)]


#: what `adapt` takes: rows put together 32 at a time are what Keras makes of columns
SOURCES = {
    "lists": lambda: {name: x.tolist() for name, x in DATA.items()},
    "columns": lambda: {name: x[:, None] for name, x in DATA.items()},
    "rows": rows,
    "an iterator": lambda: iter(rows()),
    "labelled rows": lambda: [(row, 1.0) for row in rows()],
    "batches": lambda: [{k: x[i : i + 32] for k, x in DATA.items()} for i in (0, 32)],
    "a dataset": lambda: tricorn.utils.Dataset(rows()).batch(32),
    "tf.data rows": lambda: tf().data.Dataset.from_tensor_slices(DATA),
    "tf.data batches": lambda: tf().data.Dataset.from_tensor_slices(DATA).batch(32),
}


def tf():
    return pytest.importorskip("tensorflow")


@pytest.mark.parametrize("source", SOURCES)
def test_what_adapt_takes(source):
    space = kind(tricorn)(**SPACES["by name"](tricorn))
    space.adapt(SOURCES[source]())
    agree(space(DATA), expected("by name"))


def test_adapting_again_forgets_what_was_learned():
    space = kind(tricorn)({"town": "string_categorical"})
    space.adapt({"town": ["a", "b", "c"]})
    assert space({"town": ["a"]}).shape == (1, 4)
    space.adapt({"town": ["q"]})
    assert np.asarray(space({"town": ["q", "a"]})).tolist() == [[0, 1], [1, 0]]


@pytest.mark.parametrize("name", SPACES)
def test_in_the_functions_of_tf_data(name):
    space = adapted(name)
    data = tf().data.Dataset.from_tensor_slices(data_of(space)).batch(16)
    agree(each(data.map(space)), expected(name))
    agree(each(data.map(lambda x: space(x))), expected(name))


def test_single_rows_and_labels_in_tf_data():
    space = adapted("by name")
    data = tf().data.Dataset.from_tensor_slices((data_of(space), np.arange(ROWS)))
    found, labels = next(iter(data.map(lambda x, y: (space(x), y)).batch(ROWS)))
    agree(found.numpy(), expected("by name"))
    assert labels.numpy().tolist() == list(range(ROWS))


def test_a_space_that_learns_nothing_is_ready_in_tf_data():
    space = kind(tricorn)({"town": "string_hashed"})
    data = tf().data.Dataset.from_tensor_slices({"town": DATA["town"]}).batch(16)
    close(each(data.map(space)), space({"town": DATA["town"]}))


def test_a_python_pipeline():
    space = adapted("by name")
    data = tricorn.utils.Dataset(rows()).batch(16).map(space)
    agree(np.concatenate([np.asarray(x) for x in data]), expected("by name"))


# ------------------------------------------------------------------------------------------ models


def model_of(space):
    outputs = tricorn.layers.Dense(1, kernel_initializer="ones")(space.get_encoded_features())
    return tricorn.Model(space.get_inputs(), outputs)


def numeric(names=("age", "height", "weight", "count", "code")):
    features = SPACES["by name"](tricorn)["features"]
    space = kind(tricorn)({n: features[n] for n in names}, crosses=[("count", "code")])
    space.adapt(DATA)
    return space, {name: DATA[name][:, None] for name in names}


def test_a_model_of_numbers(tmp_path):
    space, data = numeric()
    model = model_of(space)
    wanted = np.asarray(space(data)).sum(1, keepdims=True)
    close(model.predict(data, verbose=0), wanted)
    model.save(tmp_path / "model.keras")
    close(tricorn.models.load_model(tmp_path / "model.keras").predict(data, verbose=0), wanted)


def test_a_call_on_symbolic_tensors():
    space, data = numeric()
    inputs = {name: tricorn.Input((1,), dtype=x.dtype) for name, x in data.items()}
    model = tricorn.Model(inputs, space(inputs))
    close(model(data), space(data))


def test_a_model_of_strings_runs_where_the_engine_has_them():
    space = adapted("by name")
    data = FORMS["columns"](data_of(space))
    assert space.get_encoded_features().shape == (None, expected("by name").shape[1])
    model = model_of(space)
    if active().name == "tensorflow":
        close(model.predict(data, verbose=0), np.asarray(space(data)).sum(1, keepdims=True))
    else:
        with pytest.raises(ValueError, match="no tensors of strings"):
            model.predict(data, verbose=0)


# ------------------------------------------------------------------------------------------- files


@pytest.mark.parametrize("name", SPACES)
def test_files_both_ways(name, tmp_path):
    space = adapted(name)
    space.save(tmp_path / "ours.keras")
    again = tricorn.models.load_model(tmp_path / "ours.keras")
    data = data_of(space)
    agree(again(data), expected(name))
    agree(again(FORMS["one row"](data)), expected(name, "one row"))
    genuine = keras.models.load_model(tmp_path / "ours.keras")
    agree(genuine(data), expected(name))
    keras_space(name).save(tmp_path / "theirs.keras")
    agree(tricorn.models.load_model(tmp_path / "theirs.keras")(data), expected(name))


@pytest.mark.parametrize("name", SPACES)
def test_configs(name):
    space = adapted(name)
    config = space.get_config()
    genuine = keras_space(name).get_config()
    assert set(config) == {*genuine, "name"}
    for part in set(genuine) - {"features"}:
        assert config[part] == genuine[part]
    for feature, theirs in genuine["features"].items():
        ours = config["features"][feature]
        for key in ("module", "class_name", "registered_name"):
            assert ours[key] == theirs[key]
            assert ours["config"]["preprocessor"][key] == theirs["config"]["preprocessor"][key]
        assert {k: v for k, v in ours["config"].items() if k != "preprocessor"} == {
            k: v for k, v in theirs["config"].items() if k != "preprocessor"
        }
    again = kind(tricorn).from_config(config)
    assert again.name == space.name
    again.adapt(DATA)
    agree(again(data_of(space)), expected(name))


def test_a_saved_space_that_was_not_adapted_is_not_adapted(tmp_path):
    space = kind(tricorn)({"height": "float_normalized"})
    with pytest.warns(UserWarning, match="before it was built"):
        space.save(tmp_path / "new.keras")
    again = tricorn.models.load_model(tmp_path / "new.keras")
    with pytest.raises(ValueError, match="You need to call"):
        again({"height": [1.0]})
    again.adapt(DATA)
    assert again({"height": DATA["height"]}).shape == (ROWS, 1)


# ------------------------------------------------------------------------- layers that are complete


def test_layers_that_were_given_what_they_need_do_not_adapt():
    """Keras refuses to adapt them, and to run without."""
    layers = tricorn.layers
    features = {
        "weight": kind(tricorn).float_discretized(None, bin_boundaries=[0.2, 0.6]),
        "height": kind(tricorn).feature(
            "float32", layers.Normalization(mean=1, variance=4), "float"
        ),
        "town": kind(tricorn).feature(
            "string", layers.StringLookup(vocabulary=["Oslo"]), "one_hot"
        ),
        "text": kind(tricorn).feature(
            "string", layers.TextVectorization(vocabulary=["a"], output_mode="count"), "float"
        ),
    }
    space = kind(tricorn)(features, output_mode="dict")
    data = {"weight": [0.1, 0.9], "height": [1.0, 5.0], "town": ["Oslo", "?"], "text": ["a a", "b"]}
    for _ in range(2):
        found = {name: np.asarray(x).tolist() for name, x in space(data).items()}
        assert found == {
            "height": [[0], [2]], "text": [[0, 2], [1, 0]], "town": [[0, 1], [1, 0]],
            "weight": [[1, 0, 0], [0, 0, 1]],
        }  # fmt: skip
        space.adapt(DATA)
    both = kind(tricorn).float_discretized(3, bin_boundaries=[0.2, 0.6])
    assert both.preprocessor.bin_boundaries == [0.2, 0.6]


def fs(*args, **kwargs):
    return kind(tricorn)(*args, **kwargs)


#: what is wrong -> (function, what the error says)
WRONG = {
    "no features": (lambda: fs({}), "cannot be None or empty"),
    "an unknown feature": (lambda: fs({"a": "flaot"}), "Invalid feature type: 'flaot'.*'a'"),
    "an unknown mode": (lambda: fs({"a": "float"}, output_mode="x"), "`output_mode`.*'concat'"),
    "a cross of unknown features": (
        lambda: fs({"a": "float"}, crosses=[("a", "q")]), r"unknown features: \['q'\]"),
    "no crossing_dim": (
        lambda: fs({"a": "float"}, crosses=[("a", "a")], crossing_dim=None), "crossing_dim"),
    "a mode of a cross": (lambda: kind(tricorn).cross("ab", 4, "float"), "'int', 'one_hot'"),
    "a mode of a feature": (lambda: kind(tricorn).feature("int32", None, "x"), "'float'.*got"),
    "boundaries and bins": (
        lambda: kind(tricorn).float_discretized(2, [1.0, 2.0]), "make 3 bins, got num_bins=2"),
    "not adapted": (lambda: fs({"age": "float_normalized"})(DATA), "You need to call `.adapt"),
    "inputs before adapt": (
        lambda: fs({"age": "float_normalized"}).get_inputs(), "You need to call `.adapt"),
    "no dict": (lambda: fs({"age": "float"})([1.0]), "only be called with a dict.*list"),
    "a column is missing": (
        lambda: fs({"age": "float", "b": "float"})(DATA), r"lacks the columns \['b'\]"),
    "adapt to a number": (lambda: fs({"age": "float_normalized"}).adapt(3), "`adapt\\(\\)` can"),
    "adapt to rows that are no dicts": (
        lambda: fs({"age": "float_normalized"}).adapt([1, 2]), "dicts of columns.*got 1"),
    "adapt without the column": (
        lambda: fs({"q": "float_normalized"}).adapt(DATA), "no column 'q'.*'age'"),
    "columns of two lengths": (
        lambda: fs({"a": "float_normalized"}).adapt({"a": [1.0], "b": [1, 2]}), "one length"),
    "indices in a vector": (
        lambda: fs({"count": kind(tricorn).integer_categorical(output_mode="int")}).adapt(DATA),
        "Cannot concatenate features.*'count' has not been encoded"),
    "vectors of floats": (
        lambda: fs({"age": kind(tricorn).feature(
            "float32", tricorn.layers.Rescaling(2.0), "one_hot")})(DATA),
        "should return an integer dtype"),
    "vectors of unknown length": (
        lambda: fs({"count": kind(tricorn).feature(
            "int32", tricorn.layers.Identity(dtype="int32"), "one_hot")})(DATA),
        "cannot be one-hot encoded"),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_errors(what):
    run, words = WRONG[what]
    with pytest.raises(ValueError, match=words):
        run()
