"""Files are written whole or not at all."""

import errno
from pathlib import Path

import pytest

from nodelib import files


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_written_with_its_folder_and_nothing_else(tmp_path):
    files.write(tmp_path / "a" / "x.json", b"new")
    files.write(tmp_path / "a" / "x.json", b"newer")
    assert (tmp_path / "a" / "x.json").read_bytes() == b"newer"
    assert names(tmp_path / "a") == ["x.json"]


def test_a_full_disk_leaves_the_older_file_and_no_half_one(tmp_path, monkeypatch):
    files.write(tmp_path / "x", b"old")

    def fill(path, content):
        with path.open("wb") as stream:
            stream.write(content[:2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fill)
    with pytest.raises(OSError, match="No space left"):
        files.write(tmp_path / "x", b"newer")
    assert (tmp_path / "x").read_bytes() == b"old"
    assert names(tmp_path) == ["x"]


def test_an_interrupt_leaves_the_older_file_and_no_half_one(tmp_path):
    def interrupted():
        with files.replacing(tmp_path / "x") as part:
            part.write_bytes(b"half")
            raise KeyboardInterrupt

    files.write(tmp_path / "x", b"old")
    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert (tmp_path / "x").read_bytes() == b"old"
    assert names(tmp_path) == ["x"]


def test_a_hash_is_that_of_the_content(tmp_path):
    (tmp_path / "x").write_bytes(b"abc")
    assert files.sha256(tmp_path / "x").startswith("ba7816bf8f01cfea")
