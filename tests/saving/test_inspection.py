"""What `tricorn inspect` tells of files of each layout, without making the model; conversion from
one layout to another."""

import json
import subprocess
import sys
import zipfile

import h5py
import keras
import numpy as np
import pytest

import tricorn
from tricorn import cli, layers
from tricorn.conventions import KERAS_2, set_conventions
from tricorn.saving import inspection

pytestmark = pytest.mark.engine("jax")


@keras.saving.register_keras_serializable("shop")
class Own(keras.layers.Layer):
    def call(self, x):
        return x


def make(k):
    inner = k.Sequential([k.layers.Input((3,)), k.layers.Dense(4)], name="tower")
    model = k.Sequential([k.layers.Input((3,)), inner, k.layers.Dense(2, name="last")], name="net")
    model.compile(k.optimizers.SGD(0.25), "mse", metrics=["mae"])
    return model


def files(folder):
    model = make(tricorn)
    model.predict(np.ones((1, 3)), verbose=0)
    for ending in ("keras", "h5", "weights.h5", "safetensors"):
        path = folder / f"m.{ending}"
        (model.save if ending in ("keras", "h5") else model.save_weights)(path)
        yield ending, path
    model.save_weights(folder / "w.h5")
    yield "old weights", folder / "w.h5"
    model.save(folder / "folder", zipped=False)
    yield "folder", folder / "folder"
    make(keras).save(folder / "k.keras")
    yield "keras 3", folder / "k.keras"
    (folder / "m.json").write_text(model.to_json())
    yield "json", folder / "m.json"


def test_reports(tmp_path):
    for kind, path in files(tmp_path):
        found = inspection.report(path)
        assert found.dangers == [], kind
        if kind != "json":
            assert found.parameters == 26, kind
            shapes = sorted(s for layer in found.layers for s in layer.weights.values())
            assert shapes == [(2,), (3, 4), (4,), (4, 2)], kind
        if kind in ("keras", "h5", "folder", "keras 3"):
            assert found.facts["model"] == "Sequential 'net'", kind
            assert "SGD(" in found.facts["optimizer"] and "0.25" in found.facts["optimizer"], kind
            assert (found.facts["loss"], found.facts["metrics"]) == ("mse", "mae"), kind
        if kind in ("keras", "h5", "folder", "keras 3", "json"):
            assert {"tower", "last"} <= {layer.name for layer in found.layers}, kind
            assert [x.kind for x in found.layers if x.depth][-1] == "Dense", kind
    assert "Tricorn" in inspection.report(tmp_path / "m.keras").writer
    assert inspection.report(tmp_path / "k.keras").writer == "Keras 3.15.1"
    assert inspection.report(tmp_path / "m.h5").writer == "Keras 2.3.1 on tensorflow"


def test_what_needs_help_is_told(tmp_path, capsys):
    model = keras.Sequential(
        [keras.Input((2,)), keras.layers.Lambda(lambda x: x, name="odd"), Own(name="mine")]
    )
    model.save(tmp_path / "m.keras")
    assert cli.main(["inspect", str(tmp_path / "m.keras")]) == 1
    text = capsys.readouterr().out
    assert "odd: Python bytecode" in text and "mine: Own is no class of the library" in text
    data = json.loads(json.dumps(json.loads(model.to_json())))
    data["config"]["layers"][1]["module"] = "os"
    (tmp_path / "m.json").write_text(json.dumps(data))
    assert any("Lambda" in danger for danger in inspection.report(tmp_path / "m.json").dangers)


def test_hostile_and_damaged_files_are_refused(tmp_path, capsys):
    good = dict(files(tmp_path))["keras"]
    with h5py.File(tmp_path / "link.h5", "w") as file:
        file["x"] = h5py.ExternalLink("/etc/passwd", "/")
    with zipfile.ZipFile(tmp_path / "up.keras", "w") as archive:
        archive.writestr("../x", "1")
    (tmp_path / "cut.keras").write_bytes(good.read_bytes()[:200])
    (tmp_path / "text.json").write_text("[1]")
    (tmp_path / "no.h5").write_text("no")
    for name in ("link.h5", "up.keras", "cut.keras", "text.json", "no.h5", "missing.keras"):
        assert cli.main(["inspect", str(tmp_path / name)]) == 2, name
        assert "Traceback" not in capsys.readouterr().err, name


def test_no_engine_is_imported(tmp_path):
    path = dict(files(tmp_path))["keras"]
    code = (
        f"import sys; from tricorn import cli; cli.main(['inspect', {str(path)!r}, '--json'])\n"
        "print(sorted({'jax', 'tensorflow', 'torch'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=100, check=True
    )
    assert done.stderr.splitlines()[-1] == "[]"
    assert json.loads(done.stdout)["parameters"] == 26


def test_conversion(tmp_path, capsys):
    source, x = dict(files(tmp_path))["keras"], np.ones((2, 3), "float32")
    wanted = tricorn.models.load_model(source).predict(x, verbose=0)
    for name in ("n.h5", "n.weights.h5", "n.safetensors", "n.keras"):
        target = tmp_path / name
        assert cli.main(["convert", str(source), str(target)]) == 0
        again = make(tricorn)
        again.load_weights(target)
        np.testing.assert_allclose(again.predict(x, verbose=0), wanted, rtol=1e-6)
        assert cli.main(["convert", str(source), str(target)]) == 2
        assert "--overwrite" in capsys.readouterr().err
    assert cli.main(["convert", str(source), str(target), "--overwrite"]) == 0
    assert cli.main(["convert", str(source), str(tmp_path / "n.zip")]) == 2
    assert ".keras" in capsys.readouterr().err
    assert cli.main(["convert", str(tmp_path / "n.weights.h5"), str(tmp_path / "x.keras")]) == 2


def test_what_old_files_cannot_say_is_refused(tmp_path):
    x = tricorn.Input((3,))
    cases = {
        "hard_sigmoid computed something else": layers.Activation("hard_sigmoid", name="bad")(x),
        "have no RMSNormalization": layers.RMSNormalization(name="bad")(x),
        "operation outside of a layer": x + 1,
    }  # fmt: skip
    for why, output in cases.items():
        with pytest.raises(ValueError, match=why) as caught:
            tricorn.Model(x, output).save(tmp_path / "m.h5")
        assert "bad" in str(caught.value) or "operation" in why
        assert not (tmp_path / "m.h5").exists()
    model = type("Mine", (tricorn.Model,), {"call": lambda self, x: x})()
    model(np.ones((1, 2), "float32"))
    with pytest.raises(ValueError, match="Sequential and functional models only"):
        model.save(tmp_path / "m.h5")


def test_older_models_become_keras_3s_where_that_is_exact(tmp_path, capsys):
    x, y = np.random.RandomState(0).rand(6, 3).astype("float32"), np.ones((6, 2), "float32")
    for name, optimizer in (
        ("SGD", tricorn.optimizers.legacy.SGD(0.5, momentum=0.9, decay=0.3)),
        ("Adam", tricorn.optimizers.legacy.Adam(0.1)),
        ("Adam of Keras 2", tricorn.optimizers.legacy.Adam(0.1, decay=0.3, amsgrad=True)),
        ("RMSprop", tricorn.optimizers.legacy.RMSprop(0.1)),
    ):
        model = make(tricorn)
        if "Keras 2" in name:  # steps are counted "after"
            set_conventions(model, KERAS_2)
        model.compile(optimizer, "mse")
        for _ in range(2):
            model.train_on_batch(x, y)
        source, target = tmp_path / f"{name}.h5", tmp_path / f"{name}.keras"
        model.save(source)
        done = cli.main(["convert", str(source), str(target)])
        if name == "RMSprop":
            assert done == 2 and not target.exists()
            assert "optimizer RMSprop: it has another formula" in capsys.readouterr().err
            assert cli.main(["convert", str(source), str(target), "--inexact"]) == 0
            continue
        assert done == 0
        theirs = keras.models.load_model(target)
        for _ in range(3):
            losses = (
                np.ravel(model.train_on_batch(x, y))[0],
                np.ravel(theirs.train_on_batch(x, y))[0],
            )
            np.testing.assert_allclose(*losses, rtol=1e-5)
    inputs = tricorn.Input((3,))
    output = layers.Dense(2, activation="legacy_hard_sigmoid", name="gate")(inputs)
    tricorn.Model(inputs, output).save(tmp_path / "m.h5")
    assert cli.main(["convert", str(tmp_path / "m.h5"), str(tmp_path / "m.keras")]) == 2
    assert "'gate': its activation is the hard sigmoid of Keras 2" in capsys.readouterr().err
