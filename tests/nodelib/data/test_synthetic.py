import hashlib

import numpy as np
import pytest
import wfdb
import wfdb.processing

from nodelib.data import aami, synthetic


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("synthetic")
    synthetic.write_records(folder, seed=0)
    return folder


def beats(folder, name):
    annotation = wfdb.rdann(str(folder / name), "atr")
    symbols = np.array(annotation.symbol)
    kept = aami.class_index(symbols) >= 0
    return annotation.sample[kept], symbols[kept]


def names():
    return [patient.name for patient in synthetic.PATIENTS]


def test_records_look_like_those_of_mit_bih_to_wfdb(folder):
    assert (folder / "RECORDS").read_text().split() == names()
    for patient in synthetic.PATIENTS:
        record = wfdb.rdrecord(str(folder / patient.name))
        assert record.p_signal.shape == (108_000, 2)
        assert (record.fs, record.sig_name, record.fmt) == (360, ["MLII", "V1"], ["212", "212"])
        assert record.adc_gain == [200.0, 200.0]
        assert record.comments[0] == f"{patient.age} {patient.sex} 0 0 x1"
        assert np.abs(record.p_signal).max() < 5
        assert not np.isnan(record.p_signal).any()


def test_all_five_classes_are_present(folder):
    classes = np.concatenate([aami.class_index(beats(folder, name)[1]) for name in names()])
    assert np.bincount(classes, minlength=5).min() >= 5


def test_a_detector_finds_the_r_peaks_where_they_are_annotated(folder):
    for name in ["s01", "s05"]:
        signal = wfdb.rdrecord(str(folder / name), sampto=36_000).p_signal[:, 0]
        reference = beats(folder, name)[0]
        reference = reference[reference < 36_000]
        found = wfdb.processing.xqrs_detect(signal, fs=360, verbose=False)
        distance = np.abs(found[:, None] - reference[None, :])
        # The detector learns for some beats at the start; nothing is asked of it there.
        assert (distance.min(axis=0)[8:] < 0.05 * 360).mean() > 0.98
        assert (distance.min(axis=1) < 0.05 * 360).mean() > 0.98


def test_a_normal_r_peak_is_the_highest_sample_near_its_annotation(folder):
    signal = wfdb.rdrecord(str(folder / "s07")).p_signal[:, 0]
    sample, symbols = beats(folder, "s07")
    for r in sample[(symbols == "N") & (sample > 50) & (sample < len(signal) - 50)]:
        assert abs(int(signal[r - 50 : r + 50].argmax()) - 50) <= 3


def test_a_ventricular_beat_comes_early_and_its_pause_makes_up_for_it(folder):
    sample, symbols = beats(folder, "s06")
    rr = np.diff(sample) / 360
    sinus = np.median(rr)
    early = [k for k in range(1, len(symbols) - 1) if symbols[k] == "V"]
    alone = [k for k in early if symbols[k - 1] == symbols[k + 1] == "N"]
    assert len(alone) > 5
    for k in alone:
        assert rr[k - 1] < 0.75 * sinus
        assert rr[k - 1] + rr[k] == pytest.approx(2 * sinus, rel=0.12)


def test_the_record_does_not_begin_with_a_jump_of_its_baseline(folder):
    for name in names():
        signal = wfdb.rdrecord(str(folder / name)).p_signal
        assert np.abs(np.median(signal[:108], axis=0) - np.median(signal, axis=0)).max() < 0.5


def digests(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def test_the_same_seed_gives_the_same_bytes_and_another_one_does_not(tmp_path):
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        synthetic.write_records(tmp_path / name, seed=seed, duration=10)
    assert digests(tmp_path / "a") == digests(tmp_path / "b")
    assert digests(tmp_path / "a")["s01.dat"] != digests(tmp_path / "c")["s01.dat"]


def test_a_record_too_short_to_hold_beats_is_refused(tmp_path):
    with pytest.raises(ValueError, match="at least 10 s"):
        synthetic.write_records(tmp_path, duration=1)
