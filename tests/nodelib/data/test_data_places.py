import errno
import os
from pathlib import Path

import pytest

from nodelib import data
from nodelib.data import status
from nodelib.data.find import places
from nodelib.errors import DataError


def test_a_data_directory_that_does_not_exist_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setenv("NODELIB_DATA", str(tmp_path / "nowhere"))
    for read in (data.mitdb, data.mnist, data.nsr2db, status.rows, status.check):
        with pytest.raises(DataError, match=r"NODELIB_DATA is set to .*nowhere, which is not a"):
            read()


def test_a_data_directory_that_is_a_file_is_an_error(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NODELIB_DATA", str(tmp_path / "file"))
    with pytest.raises(DataError, match="not a readable directory: set it to the folder"):
        data.mitdb()


def test_a_data_directory_without_any_set_is_an_error(tmp_path, monkeypatch):
    (tmp_path / "100.dat").write_bytes(b"")
    monkeypatch.setenv("NODELIB_DATA", str(tmp_path))
    with pytest.raises(DataError, match="has none of the folders chf2db, chfdb, mitdb, mnist"):
        data.mitdb()


def test_a_data_directory_without_this_set_passes_it_on(offline, tmp_path, monkeypatch):
    (tmp_path / "mitdb").mkdir()
    monkeypatch.setenv("NODELIB_DATA", str(tmp_path))
    assert data.nsr2db().provenance.source == "generated"


def test_an_empty_variable_counts_as_unset(offline, monkeypatch):
    monkeypatch.setenv("NODELIB_DATA", "")
    assert places.own() is None


def test_a_cache_that_is_a_file_is_an_error(offline):
    offline.write_text("")
    for read in (data.mitdb, data.mnist, status.rows):
        with pytest.raises(DataError, match=r"the cache .*cache is not a readable .*NODELIB_CACHE"):
            read()


def test_a_cache_that_may_not_be_read_is_an_error(offline, monkeypatch):
    offline.mkdir()
    scandir = os.scandir

    def refuse(path="."):
        if Path(path) == offline:
            raise PermissionError(errno.EACCES, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(DataError, match=r"the cache .*cache is not a readable directory"):
        data.mnist()


def test_a_folder_that_may_not_be_read_is_an_error(offline, tmp_path, monkeypatch):
    (tmp_path / "data" / "mitdb").mkdir(parents=True)
    monkeypatch.setenv("NODELIB_DATA", str(tmp_path / "data"))
    is_file = Path.is_file

    def refuse(path):
        if path.parent == tmp_path / "data" / "mitdb":
            raise PermissionError(errno.EACCES, "Permission denied")
        return is_file(path)

    monkeypatch.setattr(Path, "is_file", refuse)
    with pytest.raises(DataError, match=r"data/mitdb cannot be read \(Permission denied\): check"):
        data.mitdb()


def test_a_cache_that_cannot_be_written_is_an_error(offline, monkeypatch):
    offline.parent.joinpath("file").write_text("")
    monkeypatch.setenv("NODELIB_CACHE", str(offline.parent / "file" / "cache"))
    with pytest.raises(DataError, match=r"could not write .*file/cache/.* set NODELIB_CACHE"):
        data.nsrdb()


def test_relative_directories_are_those_of_where_the_command_was_called(tmp_path, monkeypatch):
    (tmp_path / "my data").mkdir()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.setenv("NODELIB_DATA", "my data")
    monkeypatch.setenv("NODELIB_CACHE", "cache é")
    monkeypatch.chdir(tmp_path)
    assert places.own() == tmp_path / "my data"
    places.anchor()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert (places.own(), places.cache()) == (tmp_path / "my data", tmp_path / "cache é")
    assert os.environ["NODELIB_CACHE"] == str(tmp_path / "cache é")


def test_unset_directories_stay_unset(monkeypatch):
    for variable in ("NODELIB_DATA", "NODELIB_CACHE"):
        monkeypatch.delenv(variable, raising=False)
    places.anchor()
    assert "NODELIB_DATA" not in os.environ
    assert "NODELIB_CACHE" not in os.environ


def test_without_a_home_a_path_that_needs_one_is_an_error(monkeypatch):
    def no_home(path):
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "expanduser", no_home)
    monkeypatch.setenv("NODELIB_DATA", "~/data")
    with pytest.raises(DataError, match="no home directory for ~/data: set NODELIB_DATA to"):
        places.own()
    monkeypatch.delenv("NODELIB_CACHE")
    with pytest.raises(DataError, match=r"no home directory for .*: set NODELIB_CACHE to"):
        places.cache()


def test_a_new_directory_appears_whole_or_not_at_all(tmp_path):
    with places.new_directory(tmp_path / "a") as directory:
        (directory / "x").write_text("1")
        assert not (tmp_path / "a").exists()
    assert (tmp_path / "a" / "x").read_text() == "1"
    with pytest.raises(ZeroDivisionError), places.new_directory(tmp_path / "b") as directory:
        (directory / "x").write_text(str(1 / 0))
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path):
    def fill():
        with places.new_directory(tmp_path / "a") as directory:
            (directory / "x").write_text("1")
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(DataError, match=r"disk is full: could not write .*/a; nothing half"):
        fill()
    assert list(tmp_path.iterdir()) == []


def test_of_two_processes_that_make_a_directory_the_first_wins(tmp_path):
    with places.new_directory(tmp_path / "a") as mine:
        (mine / "x").write_text("mine")
        with places.new_directory(tmp_path / "a") as theirs:
            (theirs / "x").write_text("theirs")
    assert (tmp_path / "a" / "x").read_text() == "theirs"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
