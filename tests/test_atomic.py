"""Atomic writes."""

import os
import stat

import pytest

from tricorn import atomic

pytestmark = pytest.mark.engine_free


def test_the_file_appears_whole(tmp_path):
    path = tmp_path / "a.txt"
    with atomic.writing(path, "w") as file:
        file.write("größer\n")
        assert not path.exists()
    assert path.read_text("utf-8") == "größer\n"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_an_error_leaves_what_was_there(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")

    def interrupted():
        with atomic.writing(path) as file:
            file.write(b"half of the ne")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.bin"]


def test_permissions_are_those_of_an_ordinary_file(tmp_path):
    plain, ours = tmp_path / "plain", tmp_path / "ours"
    plain.write_bytes(b"")
    with atomic.writing(ours):
        pass
    assert ours.stat().st_mode == plain.stat().st_mode
    ours.chmod(0o640)
    with atomic.writing(ours):
        pass
    assert stat.S_IMODE(ours.stat().st_mode) == 0o640


def test_a_missing_folder_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError), atomic.writing(tmp_path / "none" / "a"):
        pass
