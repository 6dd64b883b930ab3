import shutil

import numpy as np
import pytest
import wfdb

from nodelib.data import read_record
from nodelib.data.headers import age_and_sex
from nodelib.errors import DataError

N, FS = 3000, 250


@pytest.fixture
def record(tmp_path):
    """Path of a small record of two leads with four annotations."""
    rng = np.random.default_rng(0)
    wfdb.wrsamp(
        "r1",
        fs=FS,
        units=["mV", "mV"],
        sig_name=["I", "II"],
        p_signal=rng.normal(size=(N, 2)).clip(-2, 2),
        fmt=["212", "212"],
        adc_gain=[200.0, 200.0],
        baseline=[0, 0],
        comments=["61 F 1 2 x1", "Digoxin"],
        write_dir=str(tmp_path),
    )
    aux = ["(AFIB", "", "", ""]
    wfdb.wrann(
        "r1",
        "atr",
        np.array([9, 10, 700, 2900]),
        list("+NVN"),
        aux_note=aux,
        write_dir=str(tmp_path),
    )
    return tmp_path / "r1"


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_a_record_is_read_with_signals_annotations_and_patient(record):
    read = read_record(record)
    assert read.signals.shape == (N, 2)
    assert read.signals.dtype == np.float64
    expected = np.random.default_rng(0).normal(size=(N, 2)).clip(-2, 2)
    np.testing.assert_allclose(read.signals, expected, atol=0.5 / 200 + 1e-12)
    assert read.leads == ("I", "II")
    assert read.samples.tolist() == [9, 10, 700, 2900]
    assert read.symbols == ["+", "N", "V", "N"]
    assert read.aux == ["(AFIB", "", "", ""]
    assert (read.age, read.sex, read.fs, read.n_samples) == (61, "F", FS, N)
    assert (read.name, read.patient) == ("r1", "r1")


def test_without_signals_the_signal_file_is_not_needed(record):
    record.with_name("r1.dat").unlink()
    read = read_record(record, signals=False)
    assert read.signals is None
    assert read.n_samples == N
    assert len(read.samples) == 4


def test_a_truncated_signal_file_is_refused(record):
    dat = record.with_name("r1.dat")
    dat.write_bytes(dat.read_bytes()[: N * 3 - 300])
    with pytest.raises(DataError, match=r"r1\.dat is truncated: it holds 2,900 .* says 3,000"):
        read_record(record)


def test_a_signal_file_that_is_too_long_is_refused(record):
    with record.with_name("r1.dat").open("ab") as stream:
        stream.write(bytes(300))
    with pytest.raises(DataError, match=r"r1\.dat is too long: it holds 3,100"):
        read_record(record)


def test_a_missing_signal_file_is_named(record):
    record.with_name("r1.dat").unlink()
    with pytest.raises(DataError, match=r"r1\.dat is missing"):
        read_record(record)


def test_a_header_with_another_number_of_samples_is_refused(record):
    edit(record.with_name("r1.hea"), f"r1 2 {FS} {N}", f"r1 2 {FS} {N + 200}")
    with pytest.raises(DataError, match=r"truncated.*r1\.hea says 3,200"):
        read_record(record)


def test_a_header_with_another_number_of_leads_is_refused(record):
    edit(record.with_name("r1.hea"), f"r1 2 {FS}", f"r1 3 {FS}")
    with pytest.raises(DataError, match=r"r1\.hea announces 3 signals and describes 2"):
        read_record(record)


def test_a_header_whose_checksum_is_not_that_of_the_signal_is_refused(record):
    dat = record.with_name("r1.dat")
    content = bytearray(dat.read_bytes())
    content[3000] ^= 1
    dat.write_bytes(content)
    with pytest.raises(DataError, match=r"r1\.hea disagrees with its signal: the checksum"):
        read_record(record)


def test_a_header_whose_first_value_is_not_that_of_the_signal_is_refused(record):
    dat = record.with_name("r1.dat")
    content = bytearray(dat.read_bytes())
    content[0] ^= 1
    dat.write_bytes(content)
    with pytest.raises(DataError, match="lead I begins with"):
        read_record(record)


def test_a_missing_annotation_file_is_named(record):
    record.with_name("r1.atr").unlink()
    with pytest.raises(DataError, match=r"r1\.atr is missing: copy or download"):
        read_record(record)


def test_annotations_of_a_longer_record_are_refused(record):
    wfdb.wrann("r1", "atr", np.array([10, N]), list("NN"), write_dir=str(record.parent))
    with pytest.raises(
        DataError, match=r"r1\.atr has an annotation at sample 3,000, after the end"
    ):
        read_record(record)


@pytest.mark.parametrize("cut", [1, 2, 4, 51, 100])
def test_a_truncated_annotation_file_is_refused(record, cut):
    beats = np.arange(20, N, 30)
    wfdb.wrann("r1", "atr", beats, ["N"] * len(beats), write_dir=str(record.parent))
    assert len(read_record(record).samples) == len(beats)
    atr = record.with_name("r1.atr")
    atr.write_bytes(atr.read_bytes()[:-cut])
    with pytest.raises(DataError, match=r"r1\.atr is truncated"):
        read_record(record)


@pytest.mark.parametrize("text", ["", "\n\n", "not a header\n", "r1 two 250\n", "<html></html>\n"])
def test_a_file_that_is_no_header_is_refused(record, text):
    record.with_name("r1.hea").write_text(text)
    with pytest.raises(DataError, match=r"r1\.hea"):
        read_record(record)


def test_a_missing_header_is_named(record):
    with pytest.raises(DataError, match=r"r2\.hea is missing"):
        read_record(record.with_name("r2"))


def test_ages_and_sexes_are_read_in_the_forms_of_the_databases():
    assert age_and_sex(["69 M 1085 1629 x1", "Aldomet, Inderal"]) == (69, "M")
    assert age_and_sex(["-1 M 654 N/A x1"]) == (None, "M")
    assert age_and_sex(["Age: 71  Sex: M  NYHA class: III-IV"]) == (71, "M")
    assert age_and_sex(["32 M"]) == (32, "M")
    assert age_and_sex(["None"]) == (None, None)
    assert age_and_sex([]) == (None, None)


@pytest.mark.parametrize("kind", ["dat", "hea", "atr"])
def test_real_files_are_checked_against_each_other_without_a_list(mitdb_dir, tmp_path, kind):
    for suffix in ("dat", "hea", "atr"):
        name = "101" if suffix == kind else "100"
        shutil.copy(mitdb_dir / f"{name}.{suffix}", tmp_path / f"100.{suffix}")
    if kind == "atr":  # same length: nothing in the files tells them apart
        assert len(read_record(tmp_path / "100").samples) > 0
    else:
        with pytest.raises(DataError):
            read_record(tmp_path / "100")
