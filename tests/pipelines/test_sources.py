"""Datasets from files, and what stands in records, beside TensorFlow."""

import gzip
import io
import sys
import zlib

import h5py
import numpy as np
import pytest

from tests.pipelines import table
from tests.pipelines.test_datasets import ended
from tricorn import data
from tricorn.data import Dataset, records

pytestmark = pytest.mark.engine_free

RECORDS = [b"", b"one", b"x" * 300, bytes(range(256))]
#: what TensorFlow 2.21 writes for [b"one"]
WRITTEN = bytes.fromhex("0300000000000000b099490e6f6e6501405508")


@pytest.fixture(scope="module")
def tf():
    return pytest.importorskip("tensorflow")


def plain(dataset):
    return [table.plain(x) for x in dataset]


def same(ours, theirs):
    """Elements, in two loops, and the spec; the position in the middle."""
    want = plain(theirs.as_numpy_iterator())
    assert plain(ours) == want and plain(ours) == want
    if want:
        assert table.spec(ours.element_spec) == table.spec(theirs.element_spec)
    for at in range(len(want)):
        first, second = iter(ours), iter(ours)
        for _ in range(at):
            next(first)
        second.set_state(first.get_state())
        assert plain(second) == want[at:]


def packed(path, compression, content):
    pack = {None: bytes, "": bytes, "GZIP": gzip.compress, "ZLIB": zlib.compress}[compression]
    path.write_bytes(pack(content))
    return str(path)


COMPRESSIONS = [None, "GZIP", "ZLIB"]


def test_a_record_is_as_tensorflow_writes_it(tmp_path):
    with data.TFRecordWriter(tmp_path / "x") as writer:
        writer.write(b"one")
    assert (tmp_path / "x").read_bytes() == WRITTEN
    assert list(data.TFRecordDataset(tmp_path / "x")) == [b"one"]


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_records(tf, tmp_path, compression):
    paths = [str(tmp_path / name) for name in "ab"]
    with tf.io.TFRecordWriter(paths[0], compression or "") as writer:
        for record in RECORDS:
            writer.write(record)
    with data.TFRecordWriter(paths[1], compression) as writer:
        for record in RECORDS[::-1]:
            writer.write(record)
    if not compression:
        assert (tmp_path / "a").read_bytes() == b"".join(map(records.framed, RECORDS))
    for reads in (None, 2):
        same(
            data.TFRecordDataset(paths, compression, num_parallel_reads=reads),
            tf.data.TFRecordDataset(paths, compression, num_parallel_reads=reads),
        )
    same(
        data.TFRecordDataset(Dataset.from_tensor_slices(paths), compression).shard(2, 1),
        tf.data.TFRecordDataset(tf.data.Dataset.from_tensor_slices(paths), compression).shard(2, 1),
    )
    assert ended()


def test_damaged_records(tmp_path, monkeypatch):
    path = tmp_path / "x"
    for content, native in [
        (WRITTEN[:-1], True),
        (WRITTEN[:5], True),
        (b"\1" + WRITTEN[1:], False),
        (WRITTEN[:13] + b"!" + WRITTEN[14:], True),
        (WRITTEN[:-2] + b"!!", True),
    ]:
        path.write_bytes(content)
        if native:  # by the table, where Google's is not installed
            value = lambda data: int.from_bytes(_crc(data), "little")
            monkeypatch.setattr(records, "_native", lambda value=value: value)
        with pytest.raises(ValueError, match="damaged or cut off"):
            list(data.TFRecordDataset(path))
        monkeypatch.undo()
    path.write_bytes(WRITTEN)
    with pytest.raises(ValueError, match="compression_type"):
        list(data.TFRecordDataset(path, "BZIP"))


def _crc(data):
    """CRC-32C by its definition."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return (crc ^ 0xFFFFFFFF).to_bytes(4, "little")


def test_checksums_are_googles():
    google = pytest.importorskip("google_crc32c")
    for record in RECORDS:
        assert google.value(record) == int.from_bytes(_crc(record), "little")
    assert records._native() is not None


LINES = b'a,b\n1,x y\r\n\n  2 ,"q,""r"""\nlast'


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("content", [LINES, LINES + b"\n", b"", b"\n\n"], ids=str)
def test_lines(tf, tmp_path, compression, content):
    path = packed(tmp_path / "x", compression, content)
    same(data.TextLineDataset(path, compression), tf.data.TextLineDataset(path, compression))
    make = lambda module: module.TextLineDataset([path] * 2, compression).skip(1)
    same(make(data), make(tf.data))


@pytest.mark.parametrize(
    "settings", [{}, {"header_bytes": 3}, {"header_bytes": 2, "footer_bytes": 1}], ids=str
)
@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_records_of_one_length(tf, tmp_path, compression, settings):
    path = packed(tmp_path / "x", compression, bytes(range(12 + sum(settings.values()))))
    make = lambda module: module.FixedLengthRecordDataset(
        path, 4, compression_type=compression, **settings
    )
    same(make(data), make(tf.data))
    with pytest.raises(ValueError, match="multiple"):
        list(data.FixedLengthRecordDataset(path, 5, compression_type=compression, **settings))


TABLE = b'i,f,s\n1,1.5,a\n2,,"b,""c"""\n-3,1e3,\n4,NA,"two\nlines"\n'


def test_csv(tf, tmp_path):
    path = packed(tmp_path / "x.csv", None, TABLE)
    cases = [
        ([np.int32, [2.5], [""]], {}),
        ([[0], ["none"]], {"select_cols": [0, 2]}),
        ([tf.int64, tf.string], {"select_cols": [0, 2]}),
        ([[0]], {"exclude_cols": [1, 2]}),
    ]
    for defaults, settings in cases:
        settings = {"header": True, "na_value": "NA", **settings}
        if defaults[-1] is tf.string:  # an empty field must not be
            with pytest.raises(ValueError, match="empty"):
                list(data.CsvDataset(path, defaults, **settings))
            continue
        theirs = tf.data.experimental.CsvDataset(path, defaults, **settings)
        same(data.CsvDataset(path, defaults, **settings), theirs)
    tabs = packed(tmp_path / "t.gz", "GZIP", b'1\t"a\n2\tb\n')
    settings = {"field_delim": "\t", "use_quote_delim": False, "compression_type": "GZIP"}
    theirs = tf.data.experimental.CsvDataset(tabs, [[0], [""]], **settings)
    same(data.CsvDataset(tabs, [[0], [""]], **settings), theirs)
    other = packed(tmp_path / "other", None, "é,1\n".encode("latin-1"))  # no UTF-8
    assert list(data.CsvDataset(other, ["string", [0]])) == [(b"\xe9", 1)]
    for defaults, message in (([[0], [0.0], [0]], "no int32"), ([[0]], "1 columns")):
        with pytest.raises(ValueError, match=message):
            list(data.CsvDataset(path, defaults, header=True))


def test_files_by_pattern(tf, tmp_path):
    for name in ("b1", "a2", "a1", "c"):
        (tmp_path / name).write_text(name)
    patterns = [str(tmp_path / "a*"), str(tmp_path / "?1")]
    for pattern in (patterns[0], patterns):
        ours = Dataset.list_files(pattern, shuffle=False)
        want = list(tf.data.Dataset.list_files(pattern, shuffle=False).as_numpy_iterator())
        assert list(ours) == sorted(set(want))
        assert sorted(Dataset.list_files(pattern)) == list(ours)
    orders = {tuple(Dataset.list_files(patterns, seed=seed)) for seed in range(9)}
    assert len(orders) > 1
    lines = Dataset.list_files(patterns, shuffle=False).flat_map(data.TextLineDataset)
    assert list(lines) == [b"a1", b"a2", b"b1"]


def test_arrays_in_files_are_read_when_they_are_needed(tmp_path):
    x = np.arange(20.0).reshape(10, 2)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["x"], file["y"] = x, np.arange(10)
        file["name"] = [f"n{i}" for i in range(10)]
    np.save(tmp_path / "x.npy", x)
    both = data.HDF5Dataset(tmp_path / "x.h5")
    assert plain(both) == plain(
        Dataset.from_tensor_slices(
            {"x": x, "y": np.arange(10), "name": [f"n{i}" for i in range(10)]}
        )
    )
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    for rows in (Dataset.from_tensor_slices(mapped), data.HDF5Dataset(tmp_path / "x.h5", "x")):
        assert plain(rows.batch(4)) == plain(Dataset.from_tensor_slices(x).batch(4))
        shuffled = [
            rows.shuffle(10, seed=1).batch(3),
            Dataset.from_tensor_slices(x).shuffle(10, seed=1).batch(3),
        ]
        assert plain(shuffled[0]) == plain(shuffled[1])

    class Counted:
        shape, dtype, ndim, read = (10**9, 2), np.dtype("float32"), 2, 0

        def __len__(self):
            return 10**9

        def __getitem__(self, rows):
            Counted.read += rows.stop - rows.start
            return np.zeros((rows.stop - rows.start, 2), "float32")

    from tricorn.data.on_disk import Rows

    (batch,) = Dataset.from_tensor_slices(Rows(Counted())).batch(32).take(1)
    assert batch.shape == (32, 2) and Counted.read < 64


def test_tables():
    """pandas, Polars, Arrow and Parquet, where they are installed."""
    columns = {"i": np.arange(5), "f": np.arange(5) / 2, "s": np.array(list("abcde"), object)}
    want = plain(Dataset.from_tensor_slices(columns))
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(columns)
    assert plain(Dataset.from_tensor_slices(dict(frame))) == want
    numbers = np.stack([columns["i"], columns["f"]], 1)
    rows = Dataset.from_tensor_slices(frame[["i", "f"]])
    assert plain(rows) == plain(Dataset.from_tensor_slices(numbers))
    polars = pytest.importorskip("polars")
    assert plain(Dataset.from_tensor_slices(polars.DataFrame(columns))) == want


def test_parquet(tmp_path):
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    columns = {"i": np.arange(10), "s": [f"n{i}" for i in range(10)]}
    made = arrow.table(columns)
    want = plain(Dataset.from_tensor_slices(columns))
    assert plain(Dataset.from_tensor_slices(made)) == want
    parquet.write_table(made, tmp_path / "x", row_group_size=4)
    rows = data.ParquetDataset(tmp_path / "x")
    assert plain(rows) == want
    assert plain(data.ParquetDataset([tmp_path / "x"] * 2, ["i"]).skip(9)) == plain(
        Dataset.from_tensor_slices({"i": [*range(9, 10), *range(10)]}).map(
            lambda row: {"i": np.int64(row["i"])}
        )
    )
    for at in (0, 3, 4, 9):
        first, second = iter(rows), iter(rows)
        for _ in range(at):
            next(first)
        second.set_state(first.get_state())
        assert plain(second) == want[at:]


def test_parquet_needs_arrow(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(ImportError, match=r"tricorn\[data\]"):
        data.ParquetDataset("x")


# ----------------------------------------------------------------------------------------- examples

VALUES = {
    "ints": [1, -2, 2**40, 127, 128],
    "int": 7,
    "floats": [0.5, -1.25],
    "texts": [b"a", "ü".encode()],
    "none": np.zeros(0, "int64"),
    "matrix": np.arange(6.0).reshape(2, 3),
}


def message(tf, values):
    train, made = tf.train, {}
    for name, value in values.items():
        flat = np.ravel(value)
        if flat.dtype.kind in "OSU":
            made[name] = train.Feature(bytes_list=train.BytesList(value=list(flat)))
        elif flat.dtype.kind == "f":
            made[name] = train.Feature(float_list=train.FloatList(value=flat))
        else:
            made[name] = train.Feature(int64_list=train.Int64List(value=flat))
    return made


def feature_cases(module, types):
    integer, real, text = types
    fixed, several, steps = (
        getattr(module, name)
        for name in ("FixedLenFeature", "VarLenFeature", "FixedLenSequenceFeature")
    )
    return {
        "ints": fixed((5,), integer),
        "int": fixed((), integer),
        "floats": fixed((2, 1), real),
        "texts": several(text),
        "none": several(integer),
        "matrix": steps((3,), real, True),
        "missing": fixed((2,), integer, [4, 5]),
        "missing text": fixed((), text, "d"),
        "missing steps": steps((2,), real, True),
        "missing values": several(real),
    }


def test_examples(tf):
    example = tf.train.Example(features=tf.train.Features(feature=message(tf, VALUES)))
    ours = feature_cases(data, ("int64", "float32", "string"))
    theirs = feature_cases(tf.io, (tf.int64, tf.float32, tf.string))
    both = [example.SerializeToString(), data.serialize_example(VALUES)]
    for serialized in both:
        found = data.parse_single_example(serialized, ours)
        want = tf.io.parse_single_example(serialized, theirs)
        assert found.keys() == want.keys()
        for name, value in want.items():
            dense = value.values if isinstance(value, tf.SparseTensor) else value
            assert table.plain(found[name]) == table.plain(dense.numpy()), name
    other = data.serialize_example(
        {**VALUES, "texts": ["c"] * 3, "none": [5], "matrix": [1.0, 2.0, 3.0]}
    )
    batch = np.array([*both, other], object)
    found = data.parse_example(batch, ours)
    want = tf.io.parse_example(list(batch), theirs)
    for name, value in want.items():
        if isinstance(value, tf.SparseTensor):
            for part in ("indices", "values", "dense_shape"):
                mine, other = getattr(found[name], part), getattr(value, part).numpy()
                assert np.asarray(mine).tolist() == other.tolist(), (name, part)
        else:
            assert table.plain(found[name]) == table.plain(value.numpy()), name


def test_what_is_written_is_read_by_tensorflow(tf):
    read = tf.train.Example.FromString(data.serialize_example(VALUES)).features.feature
    assert list(read["ints"].int64_list.value) == VALUES["ints"]
    assert list(read["texts"].bytes_list.value) == VALUES["texts"]
    assert list(read["matrix"].float_list.value) == list(range(6))


def test_sequence_examples(tf):
    train = tf.train
    lists = {
        "steps": [message(tf, {"": [float(i), 1.0]})[""] for i in range(3)],
        "ragged": [message(tf, {"": list(range(n))})[""] for n in (2, 1, 3)],
        "words": [message(tf, {"": [b"a"]})[""]] * 2,
    }
    made = train.SequenceExample(
        context=train.Features(feature=message(tf, VALUES)),
        feature_lists=train.FeatureLists(
            feature_list={name: train.FeatureList(feature=f) for name, f in lists.items()}
        ),
    ).SerializeToString()

    def parsed(module, integer, real, text):
        steps = module.FixedLenSequenceFeature
        return module.parse_single_sequence_example(
            made,
            {"int": module.FixedLenFeature((), integer), "floats": module.VarLenFeature(real)},
            {
                "steps": steps((2,), real),
                "ragged": module.VarLenFeature(integer),
                "words": steps((), text),
                "missing": steps((), integer, allow_missing=True),
            },
        )

    (context, found), (_, want) = (
        parsed(data, "int64", "float32", "string"),
        parsed(tf.io, tf.int64, tf.float32, tf.string),
    )
    assert context["int"] == 7 and context["floats"].tolist() == [0.5, -1.25]
    for name in ("steps", "words", "missing"):
        assert table.plain(found[name]) == table.plain(want[name].numpy())
    for part in ("indices", "values", "dense_shape"):
        mine, other = getattr(found["ragged"], part), getattr(want["ragged"], part).numpy()
        assert mine.tolist() == other.tolist()


def test_examples_without_tensorflow():
    serialized = data.serialize_example({"a": [1, 300], "b": [1.5], "c": ["x"]})
    features = {
        "a": data.FixedLenFeature((2,), "int64"),
        "b": data.VarLenFeature("float32"),
        "c": data.FixedLenFeature((), "string"),
    }
    found = data.parse_single_example(serialized, features)
    assert table.plain(found) == {
        "a": ["int64", [1, 300]],
        "b": ["float32", [1.5]],
        "c": ["string", "x"],
    }


@pytest.mark.parametrize(
    ("feature", "message"),
    [
        ({"a": data.FixedLenFeature((3,), "int64")}, "got 2 values"),
        ({"a": data.FixedLenFeature((2,), "float32")}, "expected float32"),
        ({"z": data.FixedLenFeature((), "int64")}, "default_value"),
        ({"z": data.FixedLenSequenceFeature((), "int64")}, "allow_missing"),
        ({"a": data.FixedLenSequenceFeature((3,), "int64")}, "no steps"),
    ],
    ids=str,
)
def test_bad_features(feature, message):
    with pytest.raises(ValueError, match=message):
        data.parse_single_example(data.serialize_example({"a": [1, 2]}), feature)


@pytest.mark.parametrize("damaged", [b"\x0a\xff", b"\x0a", b"\xff" * 3, b"\x0b\x01"])
def test_damaged_examples(damaged):
    with pytest.raises(ValueError, match="protocol buffer"):
        data.parse_single_example(damaged, {"a": data.VarLenFeature("int64")})


# ------------------------------------------------------------------------------------------- images


def images(tf):
    pixels = np.random.default_rng(0).integers(0, 256, (9, 7, 3)).astype("uint8")
    grey = np.linspace(0, 255, 63).reshape(9, 7, 1).astype("uint8")
    return {
        "png": tf.io.encode_png(pixels).numpy(),
        "grey png": tf.io.encode_png(grey).numpy(),
        "alpha png": tf.io.encode_png(np.concatenate([pixels, grey], -1)).numpy(),
        "jpeg": tf.io.encode_jpeg(np.repeat(grey, 3, -1), quality=100).numpy(),
    }


@pytest.mark.parametrize("channels", [0, 1, 3])
def test_images_are_decoded_as_by_tensorflow(tf, channels):
    pytest.importorskip("PIL")
    for name, contents in images(tf).items():
        if name == "alpha png" and channels:
            continue  # TensorFlow drops the alpha of greys by other weights
        found = data.decode_image(contents, channels)
        if name == "jpeg":  # TensorFlow's decode_image takes a faster, less exact transform
            want = tf.io.decode_jpeg(contents, channels, dct_method="INTEGER_ACCURATE").numpy()
            assert (data.decode_jpeg(contents, channels) == found).all()
            for ratio in (2, 4):
                part = data.decode_jpeg(contents, channels, ratio).astype(int)
                theirs = tf.io.decode_jpeg(contents, channels, ratio, dct_method="INTEGER_ACCURATE")
                assert part.shape == theirs.shape
                assert np.abs(part - theirs.numpy()).max() <= 1
        else:
            want = tf.io.decode_image(contents, channels).numpy()
        assert found.dtype == want.dtype and found.shape == want.shape
        bound = 1 if name == "jpeg" or channels == 1 else 0  # greys by other weights
        assert np.abs(found.astype(int) - want).max() <= bound, name
    real = data.decode_image(contents, channels, "float32")
    np.testing.assert_allclose(real, found / np.float32(255), rtol=1e-6)
    with pytest.raises(ValueError, match="no image"):
        data.decode_image(b"text")


def jpeg_files():
    """Of several kinds, with what is damaged."""
    image = pytest.importorskip("PIL.Image")
    rng = np.random.default_rng(0)
    for mode, channels in (("RGB", 3), ("L", 1), ("CMYK", 4)):
        for size in ((17, 30), (64, 48)):
            pixels = rng.integers(0, 256, (5, 6, channels)).astype("uint8")
            pixels = image.fromarray(pixels[..., 0] if mode == "L" else pixels, mode).resize(size)
            for settings in ({}, {"subsampling": 0}, {"progressive": True, "quality": 30}):
                file = io.BytesIO()
                pixels.save(file, "JPEG", **settings)
                yield file.getvalue()
    yield file.getvalue() + b"more"
    yield file.getvalue()[:-40]
    yield b"\xff\xd8\xff"


def test_what_decodes_a_jpeg_file_makes_no_difference(monkeypatch):
    pytest.importorskip("simplejpeg")

    def outcomes():
        for contents in jpeg_files():
            for channels in (0, 1, 3):
                try:
                    yield data.decode_image(contents, channels)
                except ValueError as error:
                    yield str(error)

    found = list(outcomes())
    monkeypatch.setattr(data.images, "_library", lambda name: None)
    for one, other in zip(found, outcomes(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_jpeg_file_of_four_colours_is_red_green_and_blue(tf):
    pytest.importorskip("PIL")
    contents = list(jpeg_files())[-4]
    found, want = data.decode_jpeg(contents), tf.io.decode_jpeg(contents).numpy()
    assert found.shape == want.shape == (48, 64, 3)


def test_animations_are_decoded_as_by_tensorflow(tf):
    image = pytest.importorskip("PIL.Image")
    frames = [image.fromarray(np.full((4, 6, 3), 80 * i, "uint8")) for i in range(3)]
    file = io.BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:])
    for expand in (True, False):
        found = data.decode_image(file.getvalue(), expand_animations=expand)
        want = tf.io.decode_image(file.getvalue(), expand_animations=expand).numpy()
        np.testing.assert_array_equal(found, want)


METHODS = [
    "bilinear",
    "nearest",
    "bicubic",
    "area",
    "lanczos3",
    "lanczos5",
    "gaussian",
    "mitchellcubic",
]


@pytest.mark.parametrize("method", METHODS)
def test_images_are_resized_as_by_tensorflow(tf, method):
    pixels = np.random.default_rng(0).integers(0, 256, (2, 9, 7, 3)).astype("uint8")
    for size in ((5, 4), (18, 7), (9, 30)):
        for keep in (False, True):
            found = data.resize_image(pixels, size, method, keep)
            want = tf.image.resize(pixels, size, method, keep).numpy()
            assert found.dtype == want.dtype
            bound = 0.3 if method == "bicubic" else 1e-2  # theirs is a table of 1,024 weights
            np.testing.assert_allclose(found, want, rtol=0, atol=bound)
    with pytest.raises(ValueError, match="method"):
        data.resize_image(pixels, (2, 2), "hope")


def test_what_resizes_makes_no_difference(monkeypatch):
    pytest.importorskip("cv2")
    rng = np.random.default_rng(0)
    for channels, size in ((1, (4, 5)), (3, (5, 4)), (4, (18, 3)), (5, (9, 30)), (2, (5, 1))):
        pixels = rng.integers(0, 256, (2, 10, 8, channels)).astype("uint8")
        found = data.resize_image(pixels, size), data.resize_image(pixels[0], size)
        with monkeypatch.context() as patch:
            patch.setattr(data.images, "_library", lambda name: None)
            want = data.resize_image(pixels, size)
        np.testing.assert_allclose(found[0], want, rtol=0, atol=1e-4 * 255)
        np.testing.assert_array_equal(found[1], found[0][0])
