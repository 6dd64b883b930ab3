import os
import shutil

import pytest

from nodelib import data, trace
from nodelib.data.find import sources
from nodelib.errors import DataError


def test_it_needs_no_network_and_changes_with_the_place(data_dir, offline, monkeypatch):
    names = [*sources.NAMES, "toy_ecg"]
    without = {name: data.fingerprint(name) for name in names}
    assert len(set(without.values())) == len(names)
    assert without == {name: data.fingerprint(name) for name in names}
    assert not offline.exists()
    monkeypatch.setenv("NODELIB_DATA", str(data_dir))
    with_data = {name: data.fingerprint(name) for name in names}
    assert {name for name in names if with_data[name] != without[name]} == set(sources.NAMES)


def test_it_changes_with_the_bytes_and_not_with_the_time(data_dir, offline, tmp_path, monkeypatch):
    shutil.copytree(data_dir / "nsrdb", tmp_path / "data" / "nsrdb")
    monkeypatch.setenv("NODELIB_DATA", str(tmp_path / "data"))
    before = data.fingerprint("nsrdb")
    file = tmp_path / "data" / "nsrdb" / "annotations" / "16265.atr"
    os.utime(file, (1, 1))
    assert data.fingerprint("nsrdb") == before
    file.chmod(0o644)
    file.write_bytes(file.read_bytes() + b"\0\0")
    assert data.fingerprint("nsrdb") != before


def test_an_unknown_set_is_refused():
    with pytest.raises(DataError, match="there is no data set 'cifar'; there are mnist, mitdb"):
        data.fingerprint("cifar")


@pytest.mark.parametrize("name", [*sources.NAMES, "toy_ecg"])
def test_every_loader_notes_what_it_read(real_data, tmp_path, monkeypatch, name):
    monkeypatch.setenv("NODELIB_TRACE", str(tmp_path / "trace"))
    provenance = getattr(data, name)().provenance
    assert trace.read(tmp_path / "trace") == [
        {
            "kind": "data",
            "name": name,
            "fingerprint": data.fingerprint(name),
            "source": provenance.source,
            "completeness": provenance.completeness,
            "sha256": provenance.sha256,
            "detail": provenance.detail,
        }
    ]
    assert str(real_data) not in (tmp_path / "trace").read_text()


def test_the_fingerprint_of_a_standin_is_the_same_before_and_after_it_is_made(
    offline, tmp_path, monkeypatch
):
    monkeypatch.setenv("NODELIB_TRACE", str(tmp_path / "trace"))
    before = data.fingerprint("nsrdb")
    data.nsrdb()
    assert trace.read(tmp_path / "trace")[0]["fingerprint"] == before == data.fingerprint("nsrdb")
