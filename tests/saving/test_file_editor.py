"""`KerasFileEditor`, beside genuine Keras's on the same files."""

import h5py
import keras
import numpy as np
import pytest

import tricorn
from tricorn import layers

pytestmark = pytest.mark.engine_free
Editor = tricorn.saving.KerasFileEditor


def flat(k):
    """A model without models inside, which Keras's editor leaves out."""
    parts = [k.layers.Input((3,)), k.layers.Dense(4), k.layers.BatchNormalization(),
             k.layers.Dense(2)]  # fmt: skip
    model = k.Sequential(parts, name="flat")
    model.compile("sgd", "mse")
    return model


def nested():
    inner = tricorn.Sequential([layers.Input((3,)), layers.Dense(4)], name="inner")
    model = tricorn.Sequential([layers.Input((3,)), inner, layers.Dropout(0.5), layers.Dense(2)])
    model.compile("adam", "mse")
    model.optimizer.build(model.trainable_variables)
    return model


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    model = flat(keras)
    model.save(folder / "m.keras")
    model.save_weights(folder / "m.weights.h5")
    model.save_weights(folder / "m.weights.json", max_shard_size=60 / 2**30)
    nested().save(folder / "nested.keras")
    return folder


def tree(weights):
    """What is in a tree of weights, in plain terms."""
    return {
        name: tree(value) if isinstance(value, dict) else (value.dtype.name, value.tolist())
        for name, value in weights.items()
    }


def content(path):
    with h5py.File(path) as file:
        found = {}
        file.visititems(
            lambda name, member: (
                found.update({name: member[()].tolist()})
                if isinstance(member, h5py.Dataset)
                else None
            )
        )
        return found


def both(path):
    return Editor(str(path)), keras.saving.KerasFileEditor(str(path))


EDITS = {
    "nothing": lambda e: None,
    "rename a path": lambda e: e.rename_object("layers/dense", "dense_7"),
    "rename a name": lambda e: e.rename_object(object_name="dense_1", new_name="other"),
    "delete a path": lambda e: e.delete_object("layers/batch_normalization"),
    "delete a branch": lambda e: e.delete_object("layers"),
    "add an object": lambda e: e.add_object(
        "layers/new", weights={"0": np.ones((2, 3), "float32")}
    ),
    "add at the top": lambda e: e.add_object("head", {"0": np.arange(3), "1": np.ones(())}),
    "add over another": lambda e: e.add_object("layers/dense", {"0": np.zeros((1,), "float64")}),
    "delete a weight": lambda e: e.delete_weight("layers/dense", weight_name="1"),
    "add weights": lambda e: e.add_weights("layers/dense", {"2": np.ones(2), "0": np.zeros(2)}),
}


@pytest.mark.parametrize("name", ["m.keras", "m.weights.h5"])
@pytest.mark.parametrize("edit", EDITS)
def test_edits_are_keras_s(edit, name, files, tmp_path):
    editors = both(files / name)
    contents = []
    for number, editor in enumerate(editors):
        if edit == "rename a name" and number == 1:
            # Keras's says that the name occurs more than once
            editor.rename_object("layers/dense_1", "other")
        else:
            EDITS[edit](editor)
        (editor.save if number else editor.resave_weights)(tmp_path / f"{number}.weights.h5")
        contents.append(content(tmp_path / f"{number}.weights.h5"))
    assert tree(editors[0].weights_dict) == tree(editors[1].weights_dict)
    assert contents[0] == contents[1]
    assert len(contents[0]) > 1


def test_metadata_is_keras_s(files):
    ours, theirs = both(files / "m.keras")
    assert (ours.metadata, ours.config) == (theirs.metadata, theirs.config)
    for path, data in theirs.object_metadata.items():
        assert ours.object_metadata[path] == data
    ours, theirs = both(files / "m.weights.h5")
    assert ours.metadata is ours.config is ours.model is None


def test_an_edited_file_is_read(files, tmp_path):
    """The use it is for: weights of a model whose structure is another by now."""
    editor = Editor(files / "m.weights.h5")
    editor.delete_object("layers/batch_normalization")
    editor.rename_object("layers/dense", "dense_9")
    editor.rename_object("layers/dense_1", "dense")
    editor.delete_object("optimizer")
    editor.delete_object("dense_9")
    editor.save(tmp_path / "new.weights.h5")
    for k in (tricorn, keras):
        model = k.Sequential([k.layers.Input((4,)), k.layers.Dense(2)])
        model.load_weights(tmp_path / "new.weights.h5")
        np.testing.assert_array_equal(
            np.asarray(model.weights[0]), editor.weights_dict["layers"]["dense"]["0"]
        )


@pytest.mark.parametrize("name", ["m.keras", "m.weights.h5", "m.weights.json"])
def test_compare(name, files, capsys):
    editor = Editor(files / name)
    weights = 8 + len(flat(tricorn).optimizer.variables)
    assert editor.compare(flat(tricorn)) == {
        "status": "success", "error_count": 0, "match_count": weights,
    }  # fmt: skip
    assert "Comparison successful" in capsys.readouterr().out
    editor.delete_weight("layers/dense", "1")
    editor.rename_object("layers/dense_1", "head")
    editor.add_weights("layers/batch_normalization", {"0": np.zeros(7)})
    found = editor.compare(flat(tricorn))
    assert found == {"status": "error", "error_count": 4, "match_count": weights - 4}
    text = capsys.readouterr().out
    for words in (
        "Weight /layers/dense/1 present in reference model, missing from saved file",
        "Object /layers/dense_1 present in reference model, missing from saved file",
        "Object /layers/head present in saved file, missing from reference model",
        "Weight shape mismatch for /layers/batch_normalization/0",
        "Found 4 errors",
    ):
        assert words in text


def test_models_inside_of_models(files, tmp_path, capsys):
    """Keras's editor leaves them out."""
    editor, model = Editor(files / "nested.keras"), nested()
    assert editor.compare(model)["status"] == "success"
    assert editor.weights_dict["layers"]["sequential"]["layers"]["dense"]["0"].shape == (3, 4)
    capsys.readouterr()
    editor.summary()
    shown = capsys.readouterr().out
    assert "sequential ('inner')" in shown
    assert "0: shape=(3, 4), dtype=float32" in shown
    editor.save(tmp_path / "m.weights.h5")
    model.load_weights(tmp_path / "m.weights.h5")
    kernel = editor.weights_dict["layers"]["sequential"]["layers"]["dense"]["0"]
    np.testing.assert_array_equal(np.asarray(model.weights[0]), kernel)


def test_bfloat16_and_weights_of_the_model_itself(tmp_path):
    class Own(tricorn.Model):
        def __init__(self):
            super().__init__()
            self.scale = self.add_weight(shape=(2,), initializer="ones", dtype="bfloat16")

        def call(self, x):
            return x * self.scale

    model = Own()
    model.build((None, 2))
    model.save_weights(tmp_path / "m.weights.h5")
    editor = Editor(tmp_path / "m.weights.h5")
    assert editor.weights_dict["0"].dtype == "bfloat16"
    assert editor.compare(model)["status"] == "success"
    editor.weights_dict["0"] = editor.weights_dict["0"] * 2
    editor.save(tmp_path / "m.weights.h5")
    model.load_weights(tmp_path / "m.weights.h5")
    np.testing.assert_array_equal(np.asarray(model.scale).astype("float32"), [2, 2])


MISTAKES = {
    "no such path": (lambda e: e.rename_object("layers/nope", "x"), "'layers/nope' not found"),
    "no such branch": (lambda e: e.delete_object("a/b/c"), "'a/b/c' not found"),
    "below an array": (lambda e: e.delete_object("layers/dense/0/x"), "not found"),
    "no such name": (lambda e: e.delete_object("nope"), "'nope' does not appear"),
    "a name twice": (lambda e: e.delete_object("0"), "occurs more than once.*'layers/dense/0'"),
    "a path for a name": (lambda e: e.rename_object("layers/dense", "a/b"), "must be a name"),
    "a name in use": (lambda e: e.rename_object("layers/dense", "dense_1"), "'dense_1' beside"),
    "no such weight": (
        lambda e: e.delete_weight("layers/dense", "7"),
        r"Weights found: \['0', '1'\]",
    ),
    "a weight of a branch": (
        lambda e: e.delete_weight("layers/dense/0", "7"),
        "Weight 7 not found",
    ),
    "into nothing": (lambda e: e.add_object("nope/new", {}), "'nope' not found"),
    "into an array": (lambda e: e.add_object("layers/dense/0/x", {}), "not found"),
    "a name for h5py": (lambda e: e.add_object("vars", {}), "other than 'vars'"),
    "no dict": (lambda e: e.add_object("layers/x", [1]), "should be a dict.*got list"),
    "no dict of weights": (lambda e: e.add_weights("layers/dense", 3), "should be a dict.*got int"),
    "no array": (
        lambda e: e.add_weights("layers/dense", {"0": "a"}),
        "must be an array of numbers",
    ),
    "no name": (lambda e: e.add_weights("layers/dense", {0: np.ones(2)}), "must be a name"),
    "weights of an array": (lambda e: e.add_weights("layers/dense/0", {}), "is an array"),
    "another ending": (lambda e: e.save("x.h5"), r"expected a `.weights.h5` extension"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes(mistake, files):
    editor = Editor(files / "m.weights.h5")
    before = tree(editor.weights_dict)
    act, words = MISTAKES[mistake]
    with pytest.raises(ValueError, match=words):
        act(editor)
    assert tree(editor.weights_dict) == before


def test_files_that_are_none(files, tmp_path):
    with pytest.raises(ValueError, match=r"ends in .keras, .weights.h5 or"):
        Editor(tmp_path / "m.h5")
    for name in ("m.keras", "m.weights.h5", "m.weights.json"):
        with pytest.raises(FileNotFoundError):
            Editor(tmp_path / name)
        (tmp_path / name).write_bytes((files / name).read_bytes()[:200])
        with pytest.raises(ValueError, match=name):
            Editor(tmp_path / name)
    with h5py.File(tmp_path / "link.weights.h5", "w") as file:
        file["layers"] = h5py.ExternalLink("other.h5", "/x")
    with pytest.raises(ValueError, match="ExternalLink"):
        Editor(tmp_path / "link.weights.h5")
    with h5py.File(tmp_path / "both.weights.h5", "w") as file:
        file["a/vars/0"], file["a/0/vars/0"] = np.ones(2), np.ones(2)
    with pytest.raises(ValueError, match="an array and a group"):
        Editor(tmp_path / "both.weights.h5")
