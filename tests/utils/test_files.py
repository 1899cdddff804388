"""Images, sequences, settings, progress and files from the web, beside Keras's."""

import functools
import hashlib
import http.server
import io
import tarfile
import threading
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest

from tricorn import utils

pytestmark = pytest.mark.engine_free
Image = pytest.importorskip("PIL.Image")


@pytest.fixture
def picture(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (9, 14, 4)).astype("uint8")
    Image.fromarray(pixels).save(tmp_path / "x.png")
    return tmp_path / "x.png"


LOADS = [
    *({"color_mode": mode} for mode in ("grayscale", "rgb", "rgba")),
    *(
        {"target_size": (5, 20), "interpolation": way}
        for way in ("nearest", "bilinear", "bicubic", "hamming", "box", "lanczos")
    ),
    {"target_size": (5, 5), "keep_aspect_ratio": True},
    {"target_size": (20, 5), "keep_aspect_ratio": True, "interpolation": "bilinear"},
    {"target_size": (9, 14), "interpolation": "never asked for"},
]


@pytest.mark.parametrize("settings", LOADS, ids=str)
def test_load_img(picture, settings):
    theirs = keras.utils.load_img(picture, **settings)
    for source in (picture, str(picture), io.BytesIO(picture.read_bytes())):
        ours = utils.load_img(source, **settings)
        assert (ours.mode, ours.size) == (theirs.mode, theirs.size)
        np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs))


@pytest.mark.parametrize("layout", [None, "channels_first"])
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("scale", [True, False])
def test_arrays_and_images(channels, scale, layout, tmp_path):
    x = np.random.default_rng(0).normal(100, 30, (5, 6, channels))
    x = x.transpose(2, 0, 1) if layout else x
    ours = utils.array_to_img(x, layout, scale)
    theirs = keras.utils.array_to_img(x, layout, scale)
    assert ours.mode == theirs.mode
    np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs))
    for image in (ours, np.asarray(ours)):
        back, expected = utils.img_to_array(image, layout), keras.utils.img_to_array(image, layout)
        assert back.dtype == expected.dtype
        np.testing.assert_array_equal(back, expected)
    for ending in ("png", "jpg"):
        for library in (utils, keras.utils):
            if channels == 4 and ending == "jpg":
                with pytest.warns(UserWarning, match="RGBA"):
                    library.save_img(tmp_path / f"{library.__name__}.jpg", x, layout, scale=scale)
            else:
                library.save_img(tmp_path / f"{library.__name__}.{ending}", x, layout, scale=scale)
        one, other = (np.asarray(Image.open(p)) for p in tmp_path.glob(f"*.{ending}"))
        np.testing.assert_array_equal(one, other)


def test_images_of_more_than_a_byte():
    x = np.array([[[0.0], [1000.0]]])
    ours, theirs = (lib.array_to_img(x, scale=False) for lib in (utils, keras.utils))
    assert ours.mode == theirs.mode == "I" and ours.getpixel((1, 0)) == 1000
    assert np.asarray(utils.array_to_img(np.zeros((2, 2, 3)))).max() == 0


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda u, p: u.load_img(3), TypeError, "path-like"),
        (lambda u, p: u.load_img(p, color_mode="cmyk"), ValueError, "color_mode"),
        (lambda u, p: u.load_img(p, target_size=(1, 1), interpolation="x"), ValueError, "Invalid"),
        (lambda u, p: u.array_to_img(np.ones((2, 2))), ValueError, "rank 3"),
        (lambda u, p: u.array_to_img(np.ones((2, 2, 5))), ValueError, "channel number"),
        (lambda u, p: u.img_to_array(np.ones((2, 2, 5, 1))), ValueError, "image shape"),
    ],
)
def test_what_is_no_image(picture, call, error, message):
    for library in (utils, keras.utils):
        with pytest.raises(error, match=message):
            call(library, picture)


def test_smart_resize():
    from tricorn.utils.images import smart_resize

    images = np.random.default_rng(0).random((2, 12, 9, 3)).astype("float32")
    for size in ((6, 6), (4, 9), (20, 5)):
        for x in (images, images[0]):
            expected = keras.preprocessing.image.smart_resize(x, size)
            np.testing.assert_allclose(smart_resize(x, size), expected, atol=1e-5)
    first = smart_resize(images.transpose(0, 3, 1, 2), (6, 6), data_format="channels_first")
    np.testing.assert_array_equal(first.transpose(0, 2, 3, 1), smart_resize(images, (6, 6)))
    for x, size in ((images, (1, 2, 3)), (images[0, 0], (2, 2))):
        with pytest.raises(ValueError, match=r"tuple of 2|rank"):
            smart_resize(x, size)


@pytest.mark.parametrize("padding", ["pre", "post"])
@pytest.mark.parametrize("truncating", ["pre", "post"])
@pytest.mark.parametrize("maxlen", [None, 2, 5])
def test_pad_sequences(padding, truncating, maxlen):
    rows = np.arange(12.0).reshape(6, 2)
    for sequences, settings in [
        ([[1], [2, 3], [4, 5, 6], []], {}),
        ([[1.5], [2, 3, 4]], {"dtype": "float32", "value": -1}),
        ([["a"], ["b", "longer"]], {"dtype": object, "value": "pad"}),
        ([rows[:1], rows[1:4], rows[4:4]], {"dtype": "float64"}),
    ]:
        arguments = {"padding": padding, "truncating": truncating, "maxlen": maxlen, **settings}
        ours, theirs = (lib.pad_sequences(sequences, **arguments) for lib in (utils, keras.utils))
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("sequences", "settings", "message"),
    [
        (5, {}, "iterable"),
        ([1, 2], {}, "non-iterable"),
        ([[1]], {"padding": "mid"}, "not understood"),
        ([[1]], {"truncating": "mid"}, "not understood"),
        ([[1]], {"value": "x"}, "not compatible"),
        ([[[1, 2]], [[1]]], {}, "Shape of sample"),
    ],
)
def test_what_cannot_be_padded(sequences, settings, message):
    for library in (utils, keras.utils):
        with pytest.raises(ValueError, match=message):
            library.pad_sequences(sequences, **settings)


def test_config():
    for library in (utils, keras.utils):
        config = library.Config(rate=0.1, steps=3)
        config.size, config["name"] = 5, "x"
        assert (config.rate, config["size"], config.get("none", 7)) == (0.1, 5, 7)
        assert config.pop("steps") == 3 and "steps" not in config and "name" in config
        config.update({"rate": 0.2}, more=1)
        del config["more"]
        assert config.as_dict() == {"rate": 0.2, "size": 5, "name": "x"}
        assert config.to_json() == '{"rate": 0.2, "size": 5, "name": "x"}'
        assert list(config) == ["name", "rate", "size"] and len(config) == 3
        assert list(config.keys()) == ["rate", "size", "name"] and len(config.items()) == 3
        assert list(config.values()) == [0.2, 5, "x"]
        assert repr(config) == "<Config {'rate': 0.2, 'size': 5, 'name': 'x'}>"
        with pytest.raises(AttributeError, match=r"'sise'.*Did you mean 'size'"):
            config.sise  # noqa: B018
        config.freeze()
        assert config.frozen
        for change in (
            lambda c: setattr(c, "rate", 1),
            lambda c: c.update(rate=1),
            lambda c: c.pop("rate"),
            lambda c: c.__setitem__("rate", 1),
            lambda c: c.__delitem__("rate"),
        ):
            with pytest.raises(ValueError, match="frozen"):
                change(config)
        config.unfreeze()
        config.rate = 3
        assert config.rate == 3


def test_progbar(capsys):
    """The means are Keras's."""
    for settings in ({}, {"stateful_metrics": ["b"]}, {"stateless_metrics": ["a"]}):
        ours, theirs = (lib.Progbar(10, verbose=2, **settings) for lib in (utils, keras.utils))
        for bar in (ours, theirs):
            bar.update(2, [("a", 1.0), ("b", 1.0)])
            bar.add(3, [("a", 2.0), ("b", 5.0)])
        expected = {name: total / count for name, (total, count) in theirs._values.items()}
        assert ours.means == pytest.approx(expected)
    bar = utils.Progbar(4, verbose=2, unit_name="file")
    capsys.readouterr()
    bar.update(4, [("loss", 0.5)])
    out = capsys.readouterr().out
    assert out.startswith("4/4") and "/file" in out and "loss: 0.5" in out
    with pytest.raises(ValueError, match="only one"):
        utils.Progbar(4, stateful_metrics=["a"], stateless_metrics=["b"])


# ------------------------------------------------------------------------------- files from the web


@pytest.fixture
def site(tmp_path):
    """(folder, address, names asked for) of a server."""
    folder, asked = tmp_path / "site", []
    folder.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            if self.path == "/cut.bin":
                self.send_response(200)
                self.send_header("Content-Length", "100")
                self.end_headers()
                self.wfile.write(b"only this")
            else:
                super().do_GET()

        def log_message(self, *args):
            pass

    handler = functools.partial(Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()
        thread.join()


@pytest.fixture
def get(site, tmp_path):
    (tmp_path / "cache").mkdir()

    def call(name, fname=None, **settings):
        return utils.get_file(fname, f"{site[1]}/{name}", cache_dir=tmp_path / "cache", **settings)

    return call


def test_files_are_fetched_once(site, get, tmp_path):
    folder, _, asked = site
    (folder / "a.txt").write_bytes(b"first")
    path = get("a.txt?version=1")
    assert path == str(tmp_path / "cache" / "datasets" / "a.txt")
    (folder / "a.txt").write_bytes(b"second")
    assert get("a.txt") == path and len(asked) == 1
    sha, md5 = hashlib.sha256(b"second").hexdigest(), hashlib.md5(b"second").hexdigest()
    assert Path(get("a.txt", file_hash=sha)).read_bytes() == b"second" and len(asked) == 2
    for settings in ({"file_hash": sha}, {"md5_hash": md5}, {"file_hash": md5}):
        get("a.txt", **settings)
    assert len(asked) == 2
    get("a.txt", force_download=True)
    assert len(asked) == 3
    assert get("a.txt", "b.txt", cache_subdir="other").endswith("other/b.txt")


def test_a_failed_download_leaves_what_was_there(site, get, tmp_path):
    folder, _, _ = site
    (folder / "a.txt").write_bytes(b"good")
    path = get("a.txt")
    with pytest.raises(ValueError, match="Incomplete or corrupted"):
        get("a.txt", file_hash="0" * 64)
    with pytest.raises(OSError, match=r"URL fetch failure.*404"):
        get("none.txt", "a.txt", force_download=True)
    with pytest.raises(OSError, match="9 of 100 bytes"):
        get("cut.bin", "a.txt", force_download=True)
    assert Path(path).read_bytes() == b"good"
    assert [p.name for p in (tmp_path / "cache" / "datasets").iterdir()] == ["a.txt"]


def test_archives(site, get):
    folder, _, asked = site
    (folder / "in.txt").write_text("inside")
    with tarfile.open(folder / "t.tar.gz", "w:gz") as tar:
        tar.add(folder / "in.txt", "deep/in.txt")
    with zipfile.ZipFile(folder / "z.zip", "w") as packed:
        packed.write(folder / "in.txt", "deep/in.txt")
    for name, settings, expected in [
        ("t.tar.gz", {"untar": True}, "t.tar.gz"),
        ("t.tar.gz", {"fname": "mine.tar.gz", "untar": True}, "mine_extracted"),
        ("z.zip", {"extract": True}, "z.zip"),
        ("z.zip", {"fname": "plain", "extract": True, "archive_format": ["zip"]}, "plain"),
    ]:
        for _ in range(2):
            path = get(name, **settings)
            assert path.endswith(f"/{expected}")
            assert Path(path, "deep/in.txt").read_text() == "inside"
    assert len(asked) == 4
    with pytest.warns(UserWarning, match="Could not extract"):
        get("in.txt", extract=True)


def test_hostile_archives(site, get, tmp_path):
    folder, _, _ = site
    (folder / "in.txt").write_text("outside")
    with tarfile.open(folder / "up.tar", "w") as tar:
        tar.add(folder / "in.txt", "../../escaped.txt")
    with tarfile.open(folder / "link.tar", "w") as tar:
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc"
        tar.addfile(link)
    with zipfile.ZipFile(folder / "up.zip", "w") as packed:
        packed.writestr("../../escaped.txt", "outside")
    for name in ("up.tar", "link.tar", "up.zip"):
        with pytest.raises(ValueError, match="is not extracted"):
            get(name, extract=True)
    assert not list(tmp_path.rglob("escaped.txt"))


def test_bad_arguments_of_get_file(site):
    for arguments, message in [
        (("a.txt",), "origin"),
        ((None, site[1] + "/"), "fname"),
        (("folder/a.txt", site[1] + "/a.txt"), "fname"),
        (("..", site[1] + "/a.txt"), "fname"),
    ]:
        with pytest.raises(ValueError, match=message):
            utils.get_file(*arguments)
