"""Weights from a server of our own: kept, resumed, checked."""

import functools
import hashlib
import http.server
import threading
from pathlib import Path

import numpy as np
import pytest

from tests.applications import networks
from tricorn import applications, config, utils
from tricorn.applications import architecture

pytestmark = pytest.mark.engine_free

BODY = np.random.default_rng(0).bytes(300_000)
SHA = hashlib.sha256(BODY).hexdigest()


class Handler(http.server.SimpleHTTPRequestHandler):
    """Files of a folder; ``/cut/...`` breaks off after 100,000 bytes of each answer, ``/whole/...``
    knows no ranges, ``/none/...`` breaks off before the first."""

    def do_GET(self):
        begin = self.headers.get("Range", "")
        self.server.asked.append((self.path, begin))
        how, _, name = self.path[1:].partition("/")
        path = Path(self.directory, name)
        if not path.exists():
            self.send_error(404)
            return
        data = path.read_bytes()
        first = int(begin[6:-1]) if begin and how != "whole" else 0
        if first >= len(data):
            self.send_error(416)
            return
        self.send_response(206 if first else 200)
        if first:
            self.send_header("Content-Range", f"bytes {first}-{len(data) - 1}/{len(data)}")
        self.send_header("ETag", f'"{hash(data)}"')
        self.send_header("Content-Length", str(len(data) - first))
        self.end_headers()
        most = {"cut": 100_000, "none": 0}.get(how, len(data))
        self.wfile.write(data[first : first + most])

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A server; `address` and `folder` are attributes."""
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "big.bin").write_bytes(BODY)
    handler = functools.partial(Handler, directory=str(folder))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as found:
        found.asked, found.folder = [], folder
        found.address = f"http://127.0.0.1:{found.server_port}"
        thread = threading.Thread(target=found.serve_forever)
        thread.start()
        yield found
        found.shutdown()
        thread.join()


@pytest.fixture
def get(server, tmp_path):
    (tmp_path / "cache").mkdir()

    def call(how, **settings):
        address = f"{server.address}/{how}/big.bin"
        return Path(utils.get_file("big.bin", address, cache_dir=tmp_path / "cache", **settings))

    return call


@pytest.fixture
def part(tmp_path):
    """What an earlier call left."""
    return tmp_path / "cache" / "datasets" / ".big.bin.part"


def test_a_cut_download_goes_on_at_once(server, get, capsys):
    assert get("cut").read_bytes() == BODY
    assert [begin for _, begin in server.asked] == ["", "bytes=100000-", "bytes=200000-"]
    assert "300000/300000" in capsys.readouterr().out  # the bar tells of the whole file


def test_a_server_without_ranges_gives_the_whole_again(server, get, part):
    part.parent.mkdir()
    part.write_bytes(BODY[:50])
    assert get("whole", file_hash=SHA).read_bytes() == BODY
    assert server.asked == [("/whole/big.bin", "bytes=50-")] and not part.exists()


def test_a_later_call_goes_on_where_the_hash_is_known(server, get, part):
    (server.folder / "big.bin").write_bytes(BODY[:200_000])
    with pytest.raises(ValueError, match="Incomplete or corrupted"):
        get("any", file_hash=SHA)  # the server's is another file: nothing of it is kept
    assert not part.exists()
    part.write_bytes(BODY[:120_000])
    with pytest.raises(OSError, match="120000 of 200000 bytes came"):
        get("none", file_hash=SHA)
    assert part.read_bytes() == BODY[:120_000]
    (server.folder / "big.bin").write_bytes(BODY)
    server.asked.clear()
    assert get("any", file_hash=SHA).read_bytes() == BODY
    assert server.asked == [("/any/big.bin", "bytes=120000-")] and not part.exists()


@pytest.mark.parametrize("kept", [b"x" * 1000, BODY + b"x", BODY])
def test_what_was_kept_does_not_spoil_the_file(kept, get, part):
    part.parent.mkdir()
    part.write_bytes(kept)
    assert get("any", file_hash=SHA).read_bytes() == BODY and not part.exists()


def test_without_a_hash_nothing_is_kept(get, part):
    with pytest.raises(OSError, match="0 of 300000 bytes came"):
        get("none")
    assert list(part.parent.iterdir()) == []


def test_offline_the_error_says_where_to_put_the_file(server, tmp_path, monkeypatch):
    monkeypatch.setattr(architecture, "ORIGIN", "http://127.0.0.1:9/")
    place = config.home() / "models" / "mobilenet_2_5_224_tf.h5"
    with pytest.raises(OSError, match=f"URL fetch failure on .* put it at {place}"):
        applications.MobileNet(alpha=0.25)
    monkeypatch.setattr(architecture, "ORIGIN", f"{server.address}/any/")
    with pytest.raises(OSError, match="404"):
        applications.VGG16()


def test_weights_are_fetched_once_and_loaded(server, monkeypatch):
    """The file of MobileNet's features, as Keras 2 laid it out."""
    make = functools.partial(applications.MobileNet, (128, 128, 3), 0.25, include_top=False)
    model = make(weights=None)
    model.set_weights(networks.drawn(model))
    (server.folder / "mobilenet").mkdir()
    model.save_weights(server.folder / "mobilenet" / "mobilenet_2_5_128_tf_no_top.h5")
    monkeypatch.setattr(architecture, "ORIGIN", f"{server.address}/any/")
    for _ in range(2):
        found = make()
        for a, b in zip(found.get_weights(), model.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)
    assert server.asked == [("/any/mobilenet/mobilenet_2_5_128_tf_no_top.h5", "")]
    assert (config.home() / "models" / "mobilenet_2_5_128_tf_no_top.h5").exists()


def test_files_have_other_names_in_the_cache_and_wrong_hashes_are_refused(server, monkeypatch):
    monkeypatch.setattr(architecture, "ORIGIN", f"{server.address}/any/")
    (server.folder / "nasnet").mkdir()
    (server.folder / "nasnet" / "NASNet-mobile.h5").write_bytes(BODY)
    with pytest.raises(ValueError, match="Incomplete or corrupted .*, expected 020fb642b"):
        applications.NASNetMobile()
    files = applications.NASNetMobile.architecture.files._replace(hashes=f"{SHA} {SHA}")
    assert files.fetch(True) == str(config.home() / "models" / "nasnet_mobile.h5")
