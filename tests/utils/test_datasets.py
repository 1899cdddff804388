"""Datasets from files and arrays, beside Keras's."""

import inspect
import wave

import keras
import numpy as np
import pytest

import tricorn
from tricorn import layers, utils

pytestmark = [pytest.mark.heavy, pytest.mark.engine_free]
Image = pytest.importorskip("PIL.Image")
tf = pytest.importorskip("tensorflow")


def same(ours, theirs, **bounds):
    """Batches, of parts, of equal arrays."""
    ours, theirs = list(ours), list(theirs)
    assert len(ours) == len(theirs)
    for mine, other in zip(ours, theirs):
        mine, other = (x if isinstance(x, tuple) else (x,) for x in (mine, other))
        assert len(mine) == len(other)
        for a, b in zip(mine, other):
            a, b = np.asarray(a), np.asarray(b.numpy() if hasattr(b, "numpy") else b)
            assert a.shape == b.shape
            if a.dtype.kind in "OUS":
                assert [_text(x) for x in a.ravel()] == [_text(x) for x in b.ravel()]
            else:
                assert a.dtype == b.dtype
                np.testing.assert_allclose(a, b, **{"rtol": 0, "atol": 1e-3, **bounds})


def _text(x):
    return x.decode() if isinstance(x, bytes) else x


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Images, texts and sounds in classes a (5), b (4) and .hidden."""
    root, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    for name, count in (("a", 5), ("b", 4), (".hidden", 1)):
        for i in range(count):
            place = root / name / ("deep" if i == 3 else "")
            place.mkdir(parents=True, exist_ok=True)
            pixels = rng.integers(0, 256, (9 + i, 12, 3)).astype("uint8")
            Image.fromarray(pixels).save(place / f"{i}.png")
            (place / f"{i}.txt").write_text(f"{name} {i} größer", "utf-8")
            with wave.open(str(place / f"{i}.wav"), "wb") as file:
                file.setparams((2, 2, 8000, 0, "NONE", ""))
                file.writeframes(rng.integers(-(2**15), 2**15, (40 + i, 2)).astype("<i2").tobytes())
    return root


COMMON = [
    {},
    {"label_mode": "categorical", "batch_size": 4},
    {"label_mode": "binary", "batch_size": None},
    {"label_mode": None},
    {"labels": None},
    {"labels": list(range(10)), "label_mode": "int"},
    {"class_names": ["b", "a"]},
    {"validation_split": 0.4, "subset": "training", "batch_size": 2},
    {"validation_split": 0.4, "subset": "validation"},
]
IMAGES = [
    *({"interpolation": method} for method in ("nearest", "bicubic", "area", "lanczos3")),
    *({"interpolation": method} for method in ("lanczos5", "gaussian", "mitchellcubic")),
    {"image_size": (30, 5), "interpolation": "area"},
    {"image_size": (30, 5), "interpolation": "mitchellcubic"},
    {"crop_to_aspect_ratio": True, "image_size": (6, 16)},
    {"crop_to_aspect_ratio": True, "image_size": (16, 6)},
    {"pad_to_aspect_ratio": True, "image_size": (6, 16)},
    {"pad_to_aspect_ratio": True, "image_size": (16, 6)},
    {"data_format": "channels_first"},
    {"color_mode": "grayscale", "image_size": 8},
    {"color_mode": "rgba"},
]


@pytest.mark.parametrize("settings", COMMON, ids=str)
@pytest.mark.parametrize("kind", ["image", "text", "audio"])
def test_a_directory_gives_what_keras_gives(folder, kind, settings, capsys):
    name = f"{kind}_dataset_from_directory"
    own = {"image": {"image_size": (7, 11)}, "text": {}, "audio": {"output_sequence_length": 42}}
    settings = {"shuffle": False, **own[kind], **settings}
    theirs = getattr(keras.utils, name)(folder, **settings)
    if kind == "audio":
        ours = getattr(utils, name)(folder, **settings)
    else:
        assert isinstance(getattr(utils, name)(folder, **settings), tf.data.Dataset)
        ours = getattr(utils, name)(folder, format="python", **settings)
        assert isinstance(ours, utils.Dataset) and len(ours) == len(theirs)
    # TensorFlow's JPEG and PNG readers give whole numbers, as Pillow's; products of float32 differ
    same(ours, theirs)
    assert ours.class_names == theirs.class_names
    if kind == "image":  # the others of Keras do not tell
        assert ours.file_paths == theirs.file_paths


@pytest.mark.parametrize("settings", IMAGES, ids=str)
def test_images_are_resized_as_by_keras(folder, settings):
    settings = {"shuffle": False, "image_size": (7, 11), "verbose": False, **settings}
    ours = utils.image_dataset_from_directory(folder, format="python", **settings)
    theirs = keras.utils.image_dataset_from_directory(folder, **settings)
    if settings.get("interpolation") == "nearest":  # Keras's are bytes, against its documentation
        theirs = theirs.map(lambda x, y: (tf.cast(x, "float32"), y))
    # TensorFlow's cubic is a table of 1,024 weights, and its greys differ from Pillow's
    loose = {"bicubic": 0.3, "grayscale": 1.5}
    same(ours, theirs, atol=max(loose.get(str(value), 2e-3) for value in settings.values()))


def test_shuffled_files_are_split_as_by_keras(folder):
    settings = {"validation_split": 0.4, "subset": "both", "seed": 5, "verbose": False}
    ours = utils.image_dataset_from_directory(folder, format="python", **settings)
    theirs = keras.utils.image_dataset_from_directory(folder, **settings)
    for mine, other in zip(ours, theirs):
        assert mine.file_paths == other.file_paths
    ours = utils.text_dataset_from_directory(folder, format="python", **settings)
    theirs = keras.utils.text_dataset_from_directory(folder, **settings)
    training, validation = ours
    orders = [np.concatenate([x for x, _ in training]).tolist() for _ in range(3)]
    assert len(set(map(tuple, orders))) > 1
    assert sorted(orders[0]) == sorted(orders[1])
    same(validation, theirs[1])
    again, _ = utils.text_dataset_from_directory(folder, format="python", **settings)
    assert np.concatenate([x for x, _ in again]).tolist() == orders[0]


def test_other_forms(folder):
    settings = {"shuffle": False, "verbose": False}
    texts, labels = utils.text_dataset_from_directory(
        folder, format="arrays", max_length=3, **settings
    )
    assert texts.tolist() == ["a 0", "a 1", "a 2", "a 4", "a 3", "b 0", "b 1", "b 2", "b 3"]
    assert labels.tolist() == [0] * 5 + [1] * 4
    ragged = utils.audio_dataset_from_directory(folder, ragged=True, **settings)
    (sounds, _), *_ = ragged
    assert isinstance(sounds, tf.RaggedTensor) and sounds.shape.as_list() == [9, None, 2]
    (slow, _), *_ = utils.audio_dataset_from_directory(
        folder, sampling_rate=4000, output_sequence_length=20, **settings
    )
    assert slow.shape == (9, 20, 2)


@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_sounds_of_all_widths(width, tmp_path):
    values = np.array([0, 1, -1, 100, -128], "int64")
    stored = values + 128 if width == 1 else values * 256 ** (width - 1)
    data = b"".join(int(v).to_bytes(width, "little", signed=width > 1) for v in stored)
    with wave.open(str(tmp_path / "x.wav"), "wb") as file:
        file.setparams((1, width, 8000, 0, "NONE", ""))
        file.writeframes(data)
    (sound,) = utils.audio_dataset_from_directory(
        tmp_path, labels=None, batch_size=None, verbose=False
    )
    np.testing.assert_array_equal(np.asarray(sound)[:, 0], values / 128)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"labels": "guess"}, "labels"),
        ({"labels": [1, 2]}, "match the number of files"),
        ({"class_names": ["c"]}, "class_names"),
        ({"labels": None, "class_names": ["a"]}, "class_names"),
        ({"label_mode": "float"}, "label_mode"),
        ({"label_mode": "binary", "class_names": ["a"]}, "exactly 2"),
        ({"validation_split": 2, "subset": "both"}, "validation_split"),
        ({"validation_split": 0.5}, "subset"),
        ({"validation_split": 0.5, "subset": "test"}, "subset"),
        ({"validation_split": 0.5, "subset": "both"}, "seed"),
        (
            {"validation_split": 0.01, "subset": "validation", "seed": 1},
            "No validation files found",
        ),
        ({"format": "xml"}, "format"),
    ],
    ids=str,
)
def test_bad_arguments_of_directories(folder, settings, message):
    with pytest.raises(ValueError, match=message):
        utils.text_dataset_from_directory(folder, **settings)


@pytest.mark.parametrize(
    "settings",
    [
        {"color_mode": "cmyk"},
        {"image_size": (1, 2, 3)},
        {"interpolation": "hope"},
        {"crop_to_aspect_ratio": True, "pad_to_aspect_ratio": True},
    ],
    ids=str,
)
def test_bad_arguments_of_images(folder, settings):
    for library in (utils, keras.utils):
        with pytest.raises(ValueError, match=next(iter(settings))):
            list(library.image_dataset_from_directory(folder, **settings))


def test_sounds_of_different_lengths_need_to_be_made_alike(folder):
    found = utils.audio_dataset_from_directory(folder, shuffle=False, verbose=False)
    with pytest.raises((ValueError, tf.errors.InvalidArgumentError), match="shape"):
        list(found)
    with pytest.raises(ValueError, match="both"):
        utils.audio_dataset_from_directory(folder, ragged=True, output_sequence_length=3)


SERIES = [
    {"sequence_length": 4},
    {"sequence_length": 3, "sequence_stride": 2, "sampling_rate": 3, "batch_size": 3},
    {"sequence_length": 2, "start_index": 3, "end_index": 15, "batch_size": None},
    {"sequence_length": 5, "sampling_rate": 2, "end_index": 18},
]


@pytest.mark.parametrize("with_targets", [False, True])
@pytest.mark.parametrize("settings", SERIES, ids=str)
def test_time_series(settings, with_targets):
    data = np.random.default_rng(0).normal(size=(20, 2)).astype("float32")
    targets = np.arange(20) if with_targets else None
    theirs = keras.utils.timeseries_dataset_from_array(data, targets, **settings)
    same(utils.timeseries_dataset_from_array(data, targets, format="python", **settings), theirs)
    same(utils.timeseries_dataset_from_array(data, targets, **settings), theirs)


def test_time_series_shuffled():
    made = utils.timeseries_dataset_from_array(
        np.arange(50), np.arange(50), 2, shuffle=True, seed=1, format="python"
    )
    (first, aims), (second, _) = next(iter(made)), next(iter(made))
    np.testing.assert_array_equal(first[:, 0], aims)
    assert sorted(aims) == list(range(49)) and first[:, 0].tolist() != second[:, 0].tolist()


@pytest.mark.parametrize(
    "settings",
    [
        {"start_index": -1},
        {"start_index": 10},
        {"end_index": 10},
        {"end_index": -3},
        {"start_index": 5, "end_index": 4},
        {"sampling_rate": 0},
        {"sampling_rate": 10},
        {"sequence_stride": 0},
        {"sequence_stride": 10},
        {"format": "xml"},
    ],
    ids=str,
)
def test_bad_arguments_of_time_series(settings):
    for library in (utils, keras.utils):
        with pytest.raises(ValueError, match=list(settings)[-1]):
            library.timeseries_dataset_from_array(np.arange(10), None, 2, **settings)


SPLITS = [
    {"left_size": 0.8},
    {"right_size": 3},
    {"left_size": 2, "right_size": 0.5},
    {"left_size": 0.3, "right_size": 0.3},
]


@pytest.mark.parametrize("sizes", SPLITS, ids=str)
def test_split(sizes):
    x, y = np.arange(20.0).reshape(10, 2), np.arange(10)
    for data in (x, (x, y), [x, y]):
        theirs = keras.utils.split_dataset(data, **sizes, preferred_backend="tensorflow")
        for mine, other in zip(utils.split_dataset(data, **sizes), theirs):
            assert isinstance(mine, tf.data.Dataset)
            same(mine, other)
    pairs = tf.data.Dataset.from_tensor_slices((x, y)).batch(2)
    for mine, other in zip(
        utils.split_dataset(pairs, **sizes), keras.utils.split_dataset(pairs, **sizes)
    ):
        same(mine, other)
    own = utils.split_dataset(utils.Dataset(range(10)), **sizes)
    assert [len(part) for part in own] == [len(part) for part in theirs]
    left, right = utils.split_dataset(y, left_size=0.5, shuffle=True, seed=1)
    found = [int(v) for part in (left, right) for v in part]
    assert found != list(range(10)) and sorted(found) == list(range(10))


def test_split_of_torch_datasets():
    torch = pytest.importorskip("torch")
    data = torch.utils.data.TensorDataset(torch.arange(10))
    left, right = utils.split_dataset(data, left_size=0.7)
    assert [len(left), len(right)] == [7, 3]
    batches = list(torch.utils.data.DataLoader(left, batch_size=4))
    assert [len(x) for (x,) in batches] == [4, 3]


@pytest.mark.parametrize(
    ("data", "sizes", "error"),
    [
        (np.arange(10), {}, ValueError),
        (np.arange(10), {"left_size": 0}, ValueError),
        (np.arange(10), {"left_size": 1.0}, ValueError),
        (np.arange(10), {"left_size": 10}, ValueError),
        (np.arange(10), {"left_size": 0.7, "right_size": 0.7}, ValueError),
        (np.arange(10), {"left_size": "half"}, TypeError),
        ([np.arange(3), np.arange(4)], {"left_size": 1}, ValueError),
        ([], {"left_size": 1}, ValueError),
        (3, {"left_size": 1}, TypeError),
    ],
)
def test_bad_splits(data, sizes, error):
    for library in (utils, keras.utils):
        with pytest.raises(error):
            library.split_dataset(data, **sizes)


class Rows(utils.PyDataset):
    def __init__(self, **settings):
        super().__init__(**settings)
        self.calls = []

    def __len__(self):
        return 6

    def __getitem__(self, index):
        x = np.full((2, 1), index, "float32")
        return x, 2 * x

    def on_epoch_begin(self):
        self.calls.append("begin")

    def on_epoch_end(self):
        self.calls.append("end")


@pytest.mark.parametrize(
    "settings", [{}, {"workers": 3, "max_queue_size": 2}, {"workers": 0}], ids=str
)
def test_py_dataset(settings):
    data = Rows(**settings)
    assert [int(x[0, 0]) for x, _ in data] == list(range(6))
    assert data.calls == ["begin", "end"] and data.num_batches == 6
    model = tricorn.Sequential([tricorn.Input((1,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    assert len(model.fit(data, epochs=2, verbose=0).history["loss"]) == 2
    assert model.predict(Rows(**settings), verbose=0).shape == (12, 1)


def test_models_learn_from_datasets_of_unknown_length():
    x = np.arange(8, dtype="float32").reshape(8, 1)
    model = tricorn.Sequential([tricorn.Input((1,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    for kind in (utils.Dataset(list(zip(x, x))), tf.data.Dataset.from_tensor_slices((x, x))):
        some = kind.filter(lambda a, b: a[0] < 5).batch(2)
        assert len(model.fit(some, epochs=2, verbose=0).epoch) == 2
        assert model.predict(some, verbose=0).shape == (5, 1)
        endless = kind.batch(2).repeat()
        assert len(model.fit(endless, epochs=2, steps_per_epoch=3, verbose=0).epoch) == 2


class Counted(utils.PyDataset):
    num_batches = 3

    def __getitem__(self, index):
        return np.ones((2, 1), "float32"), np.ones((2, 1), "float32")


def test_the_number_of_batches_may_be_a_property():
    model = tricorn.Sequential([tricorn.Input((1,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    assert model.fit(Counted(), verbose=0).params["steps"] == 3


def test_py_dataset_in_processes():
    class Double(utils.PyDataset):
        pass

    numbers = Numbers(workers=2, use_multiprocessing=True)
    assert list(numbers) == [0, 2, 4, 6]
    with pytest.raises(NotImplementedError, match="__getitem__"):
        Double()[0]
    with pytest.raises(NotImplementedError, match="num_batches"):
        Double().num_batches  # noqa: B018


def test_a_loop_of_ones_own_may_ask_for_the_usual_one():
    class Doubled(Rows):
        def __iter__(self):
            for x, y in super().__iter__():
                yield 2 * x, y

    data = Doubled()
    for (x, _), (plain, _) in zip(data, Rows(), strict=True):
        np.testing.assert_array_equal(x, 2 * plain)
    assert len(list(data._tricorn_from(1))) == len(data) - 1


class Numbers(utils.PyDataset):
    def __init__(self, **settings):
        super().__init__(**settings)

    num_batches = 4

    def __getitem__(self, index):
        return 2 * index


def test_a_class_without_a_base_call():
    class Plain(utils.Sequence):
        def __init__(self):
            pass

        def __len__(self):
            return 2

        def __getitem__(self, index):
            return index

    assert list(Plain()) == [0, 1] and Plain().workers == 1


@pytest.mark.parametrize(
    "name",
    [
        "image_dataset_from_directory",
        "text_dataset_from_directory",
        "audio_dataset_from_directory",
        "timeseries_dataset_from_array",
        "split_dataset",
        "PyDataset",
        "pad_sequences",
        "get_file",
        "load_img",
        "save_img",
        "array_to_img",
        "img_to_array",
        "Progbar",
    ],
)
def test_signatures_are_keras_s(name):
    def shape(library):
        found = inspect.signature(getattr(library, name)).parameters.values()
        return [(p.name, p.default) for p in found]

    assert shape(utils) == shape(keras.utils)
