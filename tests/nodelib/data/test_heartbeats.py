from dataclasses import replace

import numpy as np
import pytest
from ecg_records import Records, make_record

from nodelib.data import heartbeats, mitdb
from nodelib.errors import DataError


def database(names=("100", "101"), symbols="NNNNNNNNNVNNNNANNNNNFNNNNNN"):
    return Records([make_record(name, symbols) for name in names])


def test_there_is_one_row_for_each_beat_but_the_last_of_each_record():
    beats = heartbeats.build(database())
    assert beats.x.shape == (52, 187)
    assert (beats.x.dtype, beats.y.dtype) == (np.float32, np.int64)
    assert beats.counts().tolist() == [46, 2, 2, 2, 0]
    assert beats.y[:10].tolist() == [0] * 9 + [2]
    assert beats.record[[0, -1]].tolist() == ["100", "101"]


def test_a_row_starts_at_its_r_peak_and_lasts_1_2_nominal_periods():
    beats = heartbeats.build(database())
    # An R-R interval of 0.8 s is 100 samples at 125 Hz.
    assert (beats.x[:9, 0] > 0.9).all()
    assert (beats.x[:9, 1:50].max(axis=1) < beats.x[:9, 0]).all()
    assert (beats.x[:9, 100] > 0.9).all(), "the next R peak is 100 samples on"
    assert (beats.x[:9, 120:] == 0).all()
    assert (beats.x[:9, 119] != 0).any()


def test_every_row_goes_from_zero_to_one_when_each_beat_is_scaled():
    x = heartbeats.build(database()).x
    assert (x.min(axis=1) == 0).all()
    assert (x.max(axis=1) == 1).all()


def test_rows_of_one_window_share_a_scale_when_windows_are_scaled():
    record = make_record("100", "N" * 20)
    tall = replace(record, signals=record.signals.copy())
    tall.signals[: tall.samples[3] - 100] *= 0.5
    x = heartbeats.build(Records([tall]), scale="window").x
    assert x[1].max() == pytest.approx(0.5, abs=0.05)
    assert x[6].max() == pytest.approx(1.0, abs=0.05)


def test_long_periods_are_cut_off_at_187_samples():
    x = heartbeats.build(Records([make_record("100", "N" * 10, rr=1.5)])).x
    assert x.shape == (9, 187)
    assert (x[:-1, -1] != 0).any()


def test_detected_peaks_are_the_annotated_ones_where_all_are_equally_high():
    # A wide beat is as high as a narrow one, so that all of them pass the threshold of 0.9.
    _, y, sample = heartbeats.record_beats(make_record("100", "NNNVNNNNNN"), peaks="detected")
    assert y.tolist() == [0, 0, 0, 2, 0, 0, 0, 0, 0, 0]
    assert (np.diff(sample) == 288).all()


def test_a_low_beat_is_not_detected():
    record = make_record("100", "N" * 10)
    low = replace(record, signals=record.signals.copy())
    low.signals[record.samples[4] - 100 : record.samples[4] + 100] *= 0.6
    x, _, sample = heartbeats.record_beats(low, peaks="detected")
    assert len(x) == 9
    assert record.samples[4] not in sample


def test_the_lead_is_mlii_wherever_it_is_and_else_the_first():
    record = make_record("114", leads=("V5", "MLII"))
    other = make_record("102", leads=("V5", "V2"))
    assert heartbeats.resample(record).max() < 0.1
    assert heartbeats.resample(other).max() > 0.9


def test_the_split_by_beat_keeps_a_fifth_of_each_class_and_repeats_with_its_seed():
    y = np.repeat([0, 1, 2], [100, 25, 5])
    train, test = heartbeats.by_beat(y, 0.2, seed=1)
    assert np.bincount(y[test]).tolist() == [20, 5, 1]
    assert sorted([*train, *test]) == list(range(130))
    assert np.array_equal(test, heartbeats.by_beat(y, 0.2, seed=1)[1])
    assert not np.array_equal(test, heartbeats.by_beat(y, 0.2, seed=2)[1])


def test_the_split_between_patients_is_ds1_and_ds2_without_paced_records():
    beats = heartbeats.build(database(("100", "101", "102", "201")), split="inter-patient")
    assert set(beats.record[beats.train]) == {"101", "201"}
    assert set(beats.record[beats.test]) == {"100"}
    assert heartbeats.shared_patients(beats) == 0.0


def test_other_records_are_divided_in_turn_without_the_paced_ones():
    members = [make_record(name) for name in ("s1", "s2", "s3")] + [make_record("s4", "////")]
    beats = heartbeats.build(Records(members), split="inter-patient")
    assert set(beats.record[beats.train]) == {"s1", "s3"}
    assert set(beats.record[beats.test]) == {"s2"}


def test_a_person_with_two_records_counts_as_shared():
    members = [make_record("201"), make_record("202", patient="201")]
    beats = heartbeats.build(Records(members), split="inter-patient")
    assert heartbeats.shared_patients(beats) == 1.0


def test_an_unknown_choice_is_refused_with_the_choices():
    with pytest.raises(ValueError, match="split must be one of beat, inter-patient, not 'time'"):
        heartbeats.build(database(), split="time")
    with pytest.raises(ValueError, match="scale must be one of beat, window"):
        heartbeats.build(database(), scale="none")
    with pytest.raises(ValueError, match="peaks must be one of annotated, detected"):
        heartbeats.build(database(), peaks="mine")
    with pytest.raises(ValueError, match="between 0 and 1"):
        heartbeats.build(database(), test_share=1.0)


def test_a_record_without_signal_or_beats_is_named():
    with pytest.raises(DataError, match="record 100 has no signal"):
        heartbeats.build(Records([make_record("100", signals=False)]))
    with pytest.raises(DataError, match="record 100 has 0 annotated beats"):
        heartbeats.build(Records([make_record("100", "++~~")]))


def spoiled(change, name="100", symbols="N" * 20, **fields):
    """A record whose signals were changed in place by ``change``."""
    record = make_record(name, symbols, **fields)
    change(record.signals)
    return record


def test_a_flat_lead_is_refused_and_another_lead_of_the_record_is_not():
    def flatten(signals):
        signals[:, 0] = 0.3

    record = spoiled(flatten)
    with pytest.raises(DataError, match="lead MLII of record 100 is a flat line: choose another"):
        heartbeats.build(Records([record]))
    assert heartbeats.record_beats(record, lead="V1")[0].max() == 1


def test_a_beat_on_a_flat_stretch_is_a_row_of_zeros():
    record = spoiled(lambda signals: None)
    record.signals[record.samples[5] - 100 : record.samples[9]] = 0.0
    x = heartbeats.record_beats(record)[0]
    assert (x[6] == 0).all()
    assert (x[[0, 1, 2, 12]].max(axis=1) == 1).all()


def test_gaps_in_the_recording_are_refused_with_their_number():
    def gap(signals):
        signals[700:800, 0] = np.nan

    with pytest.raises(
        DataError, match=r"lead MLII of record 100 has 100 of [\d,]+ samples that are"
    ):
        heartbeats.build(Records([spoiled(gap)]))


@pytest.mark.parametrize("fs", [0.0, -1.0, np.inf, np.nan])
def test_a_sampling_frequency_that_is_none_is_refused(fs):
    with pytest.raises(DataError, match=f"record 100 has a sampling frequency of {fs} Hz"):
        heartbeats.build(Records([replace(make_record("100"), fs=fs)]))


@pytest.mark.parametrize("fs", [36.0, 3600.0])
def test_a_sampling_frequency_that_no_heart_fits_is_refused(fs):
    record = replace(make_record("100", "N" * 20), fs=fs)
    with pytest.raises(
        DataError, match=rf"a beat every .* its sampling frequency of {fs:g} Hz must"
    ):
        heartbeats.build(Records([record]))


def test_an_odd_sampling_frequency_puts_no_peak_off_its_place():
    record = make_record("100", "N" * 600, fs=250.037)
    x, _, _ = heartbeats.record_beats(record)
    assert len(heartbeats.resample(record)) == pytest.approx(
        len(record.signals) * 125 / 250.037, abs=1
    )
    assert (x[:, 0] > 0.9).all()


def test_a_record_shorter_than_a_window_is_cut_like_others():
    record = make_record("100", "NNN")
    assert len(record.signals) < heartbeats.WINDOW * record.fs
    x, y, _ = heartbeats.record_beats(record)
    assert (x.shape, y.tolist()) == ((2, 187), [0, 0])
    assert (x[:, 0] > 0.9).all()


def test_signals_that_end_before_the_beats_are_refused():
    record = make_record("100", "N" * 20)
    with pytest.raises(DataError, match=r"beats up to sample .* and 1,000 samples of signal"):
        heartbeats.build(Records([replace(record, signals=record.signals[:1000])]))


@pytest.mark.parametrize("symbol", ["?", "r", "B", "n", "[44]"])
def test_what_may_be_a_beat_and_has_no_class_is_refused(symbol):
    record = make_record("100", "NNNN")
    record = replace(record, symbols=["N", symbol, "N", "N"])
    with pytest.raises(DataError, match=r"record 100 has annotations .* have no AAMI class here"):
        heartbeats.build(Records([record]))


def test_annotations_that_are_no_beats_are_passed_over():
    record = make_record("100", 'N+~|x![]"sTpt=NNN')
    assert len(heartbeats.record_beats(record)[0]) == 3


def test_two_beats_at_one_time_are_refused():
    record = make_record("100", "NNNN")
    with pytest.raises(DataError, match="record 100 has two beats at one time"):
        heartbeats.build(Records([replace(record, samples=record.samples[[0, 1, 1, 2]])]))


def test_a_class_without_beats_is_counted_as_none_and_split_without_it():
    beats = heartbeats.build(Records([make_record("100", "N" * 20 + "VN")]))
    assert beats.counts().tolist() == [20, 0, 1, 0, 0]
    assert beats.counts(beats.test).tolist() == [4, 0, 0, 0, 0]


def test_a_split_or_a_database_without_beats_is_refused():
    with pytest.raises(DataError, match="split 'inter-patient' of made leaves no beat in the test"):
        heartbeats.build(database(("101",)), split="inter-patient")
    with pytest.raises(DataError, match="split 'beat' of made leaves no beat in the test set"):
        heartbeats.build(database(("101",), "NNN"))
    with pytest.raises(DataError, match="made has no record with a heartbeat"):
        heartbeats.build(Records([]))


def test_the_set_from_mit_bih_has_the_published_number_of_beats_of_each_class(real_mitdb):
    beats = heartbeats.build(real_mitdb)
    assert beats.counts().tolist() == [90_589, 2_779, 7_236, 803, 8_039]
    assert len(beats.y) == 87_554 + 21_892


@pytest.fixture
def real_mitdb(real_data):
    return mitdb()
