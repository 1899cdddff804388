"""Event files, read by TensorFlow's reader and, where it is installed, by TensorBoard itself."""

import contextlib
import io
import json
import re
import struct
import subprocess
import sys
import time
import urllib.parse
import urllib.request

import numpy as np
import pytest

import tricorn
from tricorn import callbacks, layers
from tricorn.callbacks.event_file import EventFile
from tricorn.data.records import checksum


def read(folder):
    """tag -> [(step, value, plugin)] of a run, by TensorFlow's parser."""
    tf = pytest.importorskip("tensorflow")
    found = {}
    for path in sorted(folder.glob("events.out.tfevents.*")):
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            event = tf.compat.v1.Event.FromString(record)
            for value in event.summary.value:
                plugin = value.metadata.plugin_data.plugin_name
                found.setdefault(value.tag, []).append(
                    (event.step, tf.make_ndarray(value.tensor), plugin)
                )
    return found


@pytest.mark.engine_free
def test_checksums():
    """CRC-32C of "123456789" is 0xE3069283; the format rotates by 15 and adds a constant."""
    crc = 0xE3069283
    masked = ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
    assert checksum(b"123456789") == struct.pack("<I", masked)


@pytest.mark.engine_free
def test_what_event_files_hold(tmp_path):
    rng = np.random.default_rng(0)
    values, images = rng.normal(size=1000), rng.random((4, 5, 7, 3))
    file = EventFile(tmp_path / "run")
    file.scalar("loss", 0.25, 3)
    file.scalar("loss", float("nan"), 2**40)
    file.histogram("weights", values, 4)
    file.histogram("same", np.ones(5), 4)
    file.images("pictures", images, 5)
    file.text("keras", "{}", "graph_keras_model", 0)
    file.close()
    found = read(tmp_path / "run")
    assert [(step, plugin) for step, _, plugin in found["loss"]] == [
        (3, "scalars"),
        (2**40, "scalars"),
    ]
    np.testing.assert_array_equal([value for _, value, _ in found["loss"]], [0.25, np.nan])
    ((step, table, plugin),) = found["weights"]
    assert (step, plugin, table.shape) == (4, "histograms", (30, 3))
    np.testing.assert_array_equal(table[1:, 0], table[:-1, 1])
    assert (table[0, 0], table[-1, 1], table[:, 2].sum()) == (values.min(), values.max(), 1000)
    assert found["same"][0][1][:, 2].sum() == 5
    assert found["keras"][0][1:] == (b"{}", "graph_keras_model")
    ((_, texts, plugin),) = found["pictures"]
    assert (texts[0], texts[1], len(texts), plugin) == (b"7", b"5", 5, "images")
    tf = pytest.importorskip("tensorflow")
    for text, image in zip(texts[2:], images):
        decoded = tf.io.decode_png(text).numpy()
        np.testing.assert_array_equal(decoded, np.clip(image * 255 + 0.5, 0, 255).astype("uint8"))


def fit(**settings):
    tricorn.set_random_seed(0)
    model = tricorn.Sequential(
        [tricorn.Input((3,), dtype="int32"), layers.Embedding(6, 4, name="words"), layers.Flatten()]
        + [layers.Dense(1, name="out")]
    )
    model.compile("adam", "mse", metrics=["mae"])
    x, y = np.arange(24).reshape(8, 3) % 6, np.ones((8, 1))
    board = callbacks.TensorBoard(**settings)
    history = model.fit(
        x, y, 2, 3, verbose=0, validation_data=(x, y), shuffle=False, callbacks=[board]
    )
    return model, history.history


def test_the_logs_of_a_training(tmp_path):
    model, history = fit(log_dir=tmp_path)
    train, validation = read(tmp_path / "train"), read(tmp_path / "validation")
    assert set(train) == {"keras", "epoch_loss", "epoch_mae", "epoch_learning_rate"}
    names = {"epoch_loss", "epoch_mae"}
    assert set(validation) == names | {f"evaluation_{n}_vs_iterations" for n in ("loss", "mae")}
    for name in ("loss", "mae"):
        for found, key in ((train, name), (validation, f"val_{name}")):
            steps, values, _ = zip(*found[f"epoch_{name}"])
            assert steps == (0, 1, 2)
            np.testing.assert_array_equal(values, np.float32(history[key]))
        steps, values, _ = zip(*validation[f"evaluation_{name}_vs_iterations"])
        assert steps == (4, 8, 12)
    assert train["keras"][0][1] == model.to_json().encode()


def test_the_graph_of_layers(tmp_path):
    tf = pytest.importorskip("tensorflow")
    x = tricorn.Input((3,), name="x")
    left, right = layers.Dense(2, name="left")(x), layers.Dense(2, name="right")(x)
    graph = tricorn.Model(x, layers.Add(name="sum")([left, right]))
    stack = tricorn.Sequential([layers.Input((3,), name="i"), layers.Dense(2, name="d")])
    stack.add(layers.ReLU(name="r"))
    wanted = {
        graph: [("x", "InputLayer", []), ("left", "Dense", ["x"]), ("right", "Dense", ["x"]),
                ("sum", "Add", ["left", "right"])],
        stack: [("i", "InputLayer", []), ("d", "Dense", ["i"]), ("r", "ReLU", ["d"])],
    }  # fmt: skip
    for number, (model, nodes) in enumerate(wanted.items()):
        board = callbacks.TensorBoard(tmp_path / str(number))
        board.set_model(model)
        board.on_train_end()
        (path,) = (tmp_path / str(number) / "train").glob("events*")
        records = tf.data.TFRecordDataset(str(path)).as_numpy_iterator()
        events = map(tf.compat.v1.Event.FromString, records)
        (found,) = (tf.compat.v1.GraphDef.FromString(e.graph_def) for e in events if e.graph_def)
        assert [(node.name, node.op, list(node.input)) for node in found.node] == nodes


def test_everything_that_can_be_written(tmp_path):
    labels = {"words": "labels.txt"}
    settings = {"histogram_freq": 2, "write_images": True, "write_steps_per_second": True}
    model, _ = fit(
        log_dir=tmp_path, update_freq=2, embeddings_freq=1, embeddings_metadata=labels, **settings
    )
    train = read(tmp_path / "train")
    for name in ("batch_loss", "batch_mae", "batch_steps_per_second"):
        assert [step for step, *_ in train[name]] == [2, 4, 6, 8, 10, 12]
    assert [step for step, *_ in train["epoch_steps_per_second"]] == [0, 1, 2]
    for weight in model.weights:
        assert [step for step, *_ in train[f"{weight.path}/histogram"]] == [0, 2]
        if weight.shape != (1,):
            assert train[f"{weight.path}/image"][0][2] == "images"
    config = (tmp_path / "projector_config.pbtxt").read_text()
    assert 'tensor_path: "words.tsv"' in config and 'metadata_path: "labels.txt"' in config
    table = np.loadtxt(tmp_path / "words.tsv", delimiter="\t")
    np.testing.assert_allclose(table, model.layers[0].embeddings.numpy(), rtol=1e-5)


def test_profile(tmp_path):
    fit(log_dir=tmp_path, profile_batch=(2, 3))
    others = [path for path in (tmp_path / "train").rglob("*") if "tfevents" not in path.name]
    assert [path for path in others if path.is_file()]


@pytest.mark.engine_free
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"update_freq": "day"}, "update_freq"),
        ({"profile_batch": -1}, "profile_batch"),
        ({"profile_batch": (3, 2)}, "profile_batch"),
        ({"profile_batch": "a,b"}, "profile_batch"),
        ({"profile_batch": (1, 2, 3)}, "profile_batch"),
    ],
)
def test_bad_arguments(settings, message):
    with pytest.raises(ValueError, match=message):
        callbacks.TensorBoard(**settings)


def test_labels_of_no_embedding(tmp_path):
    with pytest.raises(ValueError, match=r"names word, but the Embedding layers are: words"):
        fit(log_dir=tmp_path, embeddings_freq=1, embeddings_metadata={"word": "a.txt"})


@pytest.mark.engine_free
def test_tensorboard_itself_reads_them(tmp_path):
    loading = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    file = EventFile(tmp_path)
    file.scalar("loss", 0.5, 1)
    file.histogram("weights", np.arange(10.0), 1)
    file.images("image", np.ones((1, 2, 2, 1)), 1)
    file.text("keras", "{}", "graph_keras_model", 0)
    file.close()
    events = loading.EventAccumulator(str(tmp_path)).Reload()
    found = {tag: events.Tensors(tag) for tag in events.Tags()["tensors"]}
    assert set(found) == {"loss", "weights", "image", "keras"}
    assert found["loss"][0].tensor_proto.tensor_content == np.float32(0.5).tobytes()
    assert set(events.PluginTagToContent("scalars")) == {"loss"}
    assert set(events.PluginTagToContent("histograms")) == {"weights"}


@pytest.mark.heavy
@pytest.mark.engine("jax")
def test_what_its_server_shows(tmp_path):
    pytest.importorskip("tensorboard")
    image = pytest.importorskip("PIL.Image")
    model, history = fit(log_dir=tmp_path, histogram_freq=1, write_images=True)
    command = [sys.executable, "-m", "tensorboard.main", "--port", "0", "--logdir", tmp_path]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)

    def get(path):
        with urllib.request.urlopen(f"{url}data/plugin/{path}", timeout=60) as answer:
            return answer.read()

    def points(path, run, tag, **more):
        """Those of the three epochs."""
        query = urllib.parse.urlencode({"run": run, "tag": tag, **more})
        for _ in range(600):
            with contextlib.suppress(urllib.error.HTTPError):
                found = json.loads(get(f"{path}?{query}"))
                if len(found) == 3:
                    return found
            time.sleep(0.1)  # it has not yet read so far

    try:
        url = next(filter(None, (re.search(r"http://\S+", line) for line in server.stderr)))[0]
        for name, values in history.items():
            run = "validation" if name.startswith("val_") else "train"
            found = points("scalars/scalars", run, f"epoch_{name.removeprefix('val_')}")
            assert [step for _, step, _ in found] == [0, 1, 2]
            np.testing.assert_array_equal(np.float32([v for *_, v in found]), np.float32(values))
        for variable in model.weights[:2]:
            name, weight = variable.path, variable.numpy()
            found = points("histograms/histograms", "train", f"{name}/histogram")
            _, step, bars = found[-1]
            assert (step, sum(count for *_, count in bars)) == (2, weight.size)
            np.testing.assert_allclose((bars[0][0], bars[-1][1]), (weight.min(), weight.max()))
            found = points("images/images", "train", f"{name}/image", sample=0)
            picture = get("images/individualImage?" + found[-1]["query"])
            with image.open(io.BytesIO(picture)) as shown:
                shown = np.asarray(shown).reshape(weight.T.shape).T
            grey = (weight - weight.min()) / (weight.max() - weight.min()) * 255 + 0.5
            np.testing.assert_array_equal(shown, grey.astype("uint8"))
        nodes = get("graphs/graph?run=train&conceptual=false").decode()
        assert re.findall(r'op: "(.*?)"', nodes) == ["InputLayer", "Embedding", "Flatten", "Dense"]
    finally:
        server.kill()
        server.communicate()
