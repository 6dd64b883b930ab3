import gzip
import shutil

import numpy as np
import pytest
import wfdb

from nodelib import data
from nodelib.data import rr
from nodelib.errors import ChecksumError, DataError


@pytest.mark.parametrize(("name", "n"), [("nsr2db", 54), ("chf2db", 29)])
def test_every_series_is_read_in_seconds_without_its_first_number(real_data, name, n):
    database = getattr(data, name)()
    assert len(database.records) == n
    assert database.provenance.completeness == "complete"
    path = real_data / "rr-intervals" / name / f"{database.records[0]}_rr_secs.txt.gz"
    lines = gzip.decompress(path.read_bytes()).split()
    intervals = database.rr(database.records[0])
    assert len(intervals) == len(lines) - 1
    assert intervals[0] == float(lines[1])
    np.testing.assert_array_equal(intervals * 128, np.rint(intervals * 128))
    assert 0.4 < np.median(intervals) < 1.2


def test_annotations_give_the_same_intervals_as_the_text(tmp_path):
    samples = np.array([30, 120, 215, 260, 300, 390])
    symbols = ["N", "N", "|", "V", "~", "N"]
    wfdb.wrann("nsr001", "ecg", samples, symbol=symbols, write_dir=str(tmp_path))
    (tmp_path / "nsr001.hea").write_text("nsr001 0 128 1000\n")
    intervals = rr._from_annotations(tmp_path / "nsr001.ecg")
    np.testing.assert_allclose(intervals, np.array([90, 140, 130]) / 128)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0.5\n0.8\nnan\n", "not a positive number"),
        ("0.5\n0.8\n-0.1\n", "not a positive number"),
        ("0.5\n", "not a positive number"),
        ("0.5\n<html>\n", "not one number a line"),
    ],
)
def test_a_series_that_is_not_positive_numbers_is_refused(tmp_path, text, message):
    path = tmp_path / "x_rr_secs.txt.gz"
    path.write_bytes(gzip.compress(text.encode()))
    with pytest.raises(DataError, match=rf"x_rr_secs\.txt\.gz .*{message}"):
        rr._from_text(path)


def test_a_damaged_series_is_refused(real_data, tmp_path, monkeypatch):
    shutil.copytree(real_data / "rr-intervals", tmp_path / "rr-intervals")
    path = tmp_path / "rr-intervals" / "chf2db" / "chf210_rr_secs.txt.gz"
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-100])
    monkeypatch.setenv("NODELIB_DATA", str(tmp_path))
    with pytest.raises(ChecksumError, match=r"chf210_rr_secs\.txt\.gz is damaged"):
        data.chf2db()
    with pytest.raises(DataError, match=r"chf210_rr_secs\.txt\.gz is damaged: not an intact gzip"):
        rr._from_text(path)


def test_a_series_that_does_not_exist_is_refused(offline):
    with pytest.raises(DataError, match="nsr2db has no record 'nsr055'"):
        data.nsr2db().rr("nsr055")


def test_the_standins_differ_between_sets_and_records_and_repeat(offline):
    normal, failure = data.nsr2db(), data.chf2db()
    assert normal.provenance.completeness == failure.provenance.completeness == "synthetic"
    first, second = (normal.rr(record) for record in normal.records[:2])
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(first, data.nsr2db().rr(normal.records[0]))
    assert normal.provenance == data.nsr2db().provenance
    assert np.std(first) > np.std(failure.rr(failure.records[0]))
