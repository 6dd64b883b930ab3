import errno
import functools
import re
from pathlib import Path

import numpy as np
import pytest
import wfdb

from nodelib import data
from nodelib.data import aami, standins, synthetic
from nodelib.data.find import sources
from nodelib.errors import DataError, OfflineError


@pytest.fixture
def tiny(monkeypatch):
    """A generator of one record of ten samples in place of the slow one; its calls, in a list."""
    calls = []

    def write(directory, *, seed=0):
        calls.append(directory)
        wfdb.wrsamp(
            "s01",
            fs=360,
            units=["mV"],
            sig_name=["MLII"],
            p_signal=np.linspace(0, 1, 10)[:, None],
            fmt=["212"],
            write_dir=str(directory),
        )
        wfdb.wrann("s01", "atr", np.array([5]), ["N"], write_dir=str(directory))
        return ["s01"]

    monkeypatch.setattr(synthetic, "write_records", write)
    return calls


def test_mitdb_is_stood_in_for_by_labelled_synthetic_records(offline, monkeypatch):
    short = functools.partial(synthetic.write_records, duration=10.0)
    monkeypatch.setattr(synthetic, "write_records", short)
    database = data.mitdb()
    assert database.provenance.completeness == "synthetic"
    assert database.provenance.source == "generated"
    records = [database.record(name) for name in database.records]
    assert all(record.signals.shape == (3600, 2) for record in records)
    classes = {aami.BEATS[s][0] for r in records for s in r.symbols if s in aami.BEATS}
    assert classes <= {"N", "S", "V", "F", "Q"}
    assert len(classes) >= 4


def test_a_standin_is_made_once_and_again_when_a_file_of_it_is_damaged(offline, tiny):
    first = data.mitdb()
    assert data.mitdb().provenance == first.provenance
    assert len(tiny) == 1
    path = first.directory / "s01.dat"
    content = path.read_bytes()
    path.write_bytes(content[:-3])
    assert data.mitdb().provenance == first.provenance
    assert len(tiny) == 2
    assert path.read_bytes() == content
    (first.directory / "SHA256SUMS.txt").unlink()
    assert data.mitdb().provenance == first.provenance
    assert len(tiny) == 3
    assert len(list((offline / "standins").iterdir())) == 1


def test_the_recipe_knows_every_module_that_makes_the_records():
    here = Path(synthetic.__file__).parent
    known, waiting = set(), ["synthetic.py"]
    while waiting:
        file = waiting.pop()
        known.add(file)
        text = (here / file).read_text(encoding="utf-8")
        used = {
            f"{name}.py" for name in re.findall(r"^from nodelib\.data\.(\w+) import", text, re.M)
        }
        waiting += used - known
    assert known == {*standins._CODE} - {"standins.py"}


def test_a_full_disk_while_a_standin_is_made_leaves_nothing(offline, monkeypatch):
    def write(directory, *, seed=0):
        (directory / "x.dat").write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(synthetic, "write_records", write)
    with pytest.raises(DataError, match=r"disk is full: could not write .*NODELIB_CACHE"):
        data.mitdb()
    assert list((offline / "standins").iterdir()) == []


@pytest.mark.parametrize("name", ["mitdb", "nsrdb", "chfdb", "nsr2db", "chf2db"])
def test_a_reader_who_wants_no_standin_is_told_how_to_get_the_data(offline, name):
    with pytest.raises(OfflineError, match=f"{name} is not at hand and NODELIB_OFFLINE"):
        getattr(data, name)(allow_standin=False)
    assert not offline.exists()


@pytest.mark.parametrize(("name", "fs"), [("nsrdb", 128), ("chfdb", 250)])
def test_long_recordings_are_stood_in_for_by_annotations(offline, name, fs):
    database = getattr(data, name)()
    assert len(database.records) == len(sources.get(name).records)
    record = database.record(database.records[1])
    assert record.signals is None
    assert record.fs == fs
    expected = standins.rr(sources.get(name), 1)
    np.testing.assert_allclose(np.diff(record.samples) / fs, expected[1:], atol=1 / fs)
