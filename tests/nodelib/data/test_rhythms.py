from dataclasses import replace

import numpy as np
import pytest
from ecg_records import Records, make_record

from nodelib.data import aami, mitdb, read_record, rhythms, synthetic
from nodelib.errors import DataError


def rhythm(n):
    return rhythms.events(make_record("100", "N" * n, signals=False))


def test_beats_become_events_and_other_annotations_do_not():
    record = make_record("100", "+NVA~/", rr=0.8)
    events = rhythms.events(record)
    assert events.time.tolist() == pytest.approx([1.6, 2.4, 3.2, 4.8])
    assert events.beat_class.argmax(axis=1).tolist() == [0, 2, 1, 4]
    assert (events.beat_class.sum(axis=1) == 1).all()
    assert events.rr.tolist() == pytest.approx([0.0, 0.8, 0.8, 1.6])
    assert (events.age, events.sex) == (50, "F")


def test_the_mask_leaves_out_the_first_interval_and_the_one_across_flutter():
    record = make_record("207", "NN[!!]NN")
    events = rhythms.events(record)
    assert events.mask[:, 0].tolist() == [False, True, False, True]
    assert (events.rr[~events.mask[:, 0]] == 0).all()
    assert events.mask[:, 1:6].all()


def test_flutter_at_the_end_of_a_record_masks_nothing_more():
    events = rhythms.events(make_record("207", "NN[!]"))
    assert events.mask[:, 0].tolist() == [False, True]


def test_without_signals_no_qrs_duration_is_observed():
    events = rhythms.events(make_record("100", signals=False))
    assert not events.mask[:, 6].any()
    assert (events.qrs_duration == 0).all()


def test_a_beat_on_a_flat_line_has_no_qrs_duration():
    record = make_record("100", "NNN")
    flat = replace(record, signals=np.zeros_like(record.signals))
    assert not rhythms.events(flat).mask[:, 6].any()


def test_a_gap_in_the_recording_hides_the_qrs_complexes_near_it_and_no_others():
    record = make_record("100", "N" * 10)
    whole = rhythms.events(record).qrs_duration
    record.signals[record.samples[4] - 5 : record.samples[4] + 60, 1] = np.nan
    events = rhythms.events(record)
    assert np.flatnonzero(~events.mask[:, 6]).tolist() == [4]
    assert events.qrs_duration[[0, 1, 8, 9]] == pytest.approx(whole[[0, 1, 8, 9]])
    record.signals[:] = np.nan
    assert not rhythms.events(record).mask[:, 6].any()


def test_beats_beyond_the_signals_have_no_qrs_duration():
    record = make_record("100", "N" * 10)
    whole = rhythms.events(record).qrs_duration
    part = replace(record, signals=record.signals[: record.samples[4] + 200])
    events = rhythms.events(part)
    assert events.mask[:, 6].tolist() == [True] * 5 + [False] * 5
    assert events.qrs_duration[:3] == pytest.approx(whole[:3])


@pytest.mark.parametrize("n", [1, 15, 16, 17])
def test_a_record_of_a_few_samples_has_its_events(n):
    record = make_record("100", "N")
    short = replace(record, samples=np.array([0]), signals=record.signals[:n])
    assert len(rhythms.events(short)) == 1


def test_a_signal_sampled_too_slowly_for_the_filter_gives_no_qrs_duration():
    signals = np.random.default_rng(0).normal(size=(600, 1))
    beats = np.array([100, 300])
    assert np.isnan(rhythms.qrs_durations(signals, beats, 60.0)).all()
    assert np.isfinite(rhythms.qrs_durations(signals, beats, 64.0)).all()


def test_a_wide_complex_is_measured_wider_than_a_narrow_one():
    events = rhythms.events(make_record("100", "NVNVNV"))
    narrow, wide = events.qrs_duration[::2], events.qrs_duration[1::2]
    assert narrow.max() + 0.04 < wide.min()
    # Gaussians of 10 and 30 ms: some 6 standard deviations, and what averaging adds.
    assert 0.05 < narrow.mean() < 0.11
    assert 0.15 < wide.mean() < 0.25


def test_a_record_without_beats_or_with_beats_out_of_order_is_named():
    with pytest.raises(DataError, match="record 100 has no annotated beat"):
        rhythms.events(make_record("100", "+~"))
    record = make_record("100", "NNN")
    with pytest.raises(DataError, match="record 100 has two beats at one time or out of order"):
        rhythms.events(replace(record, samples=record.samples[[0, 0, 1]]))


def chunk_as_the_deck_does(times, size, overlap):
    """The deck's function on bare times."""
    if len(times) <= size:
        return [times]
    pieces, start = [], 0
    while start < len(times):
        end = min(start + size, len(times))
        pieces.append(times[start:end] - times[start])
        start += size - overlap
        if end == len(times):
            break
    return pieces


@pytest.mark.parametrize("n", [1, 9, 10, 11, 17, 18, 24, 25, 100])
def test_chunks_are_those_of_the_deck(n):
    events = rhythm(n)
    ours = rhythms.chunks(events, size=10, overlap=3)
    theirs = chunk_as_the_deck_does(events.time, 10, 3)
    assert len(ours) == len(theirs)
    for chunk, times in zip(ours, theirs, strict=True):
        assert np.array_equal(chunk.time, times)
        assert len(chunk.values) == len(chunk.mask) == len(times)


def test_a_series_no_longer_than_a_chunk_is_returned_as_it_is():
    events = rhythm(512)
    assert rhythms.chunks(events) == [events]


def test_chunks_cover_every_event_and_overlap_by_128():
    events = rhythm(512 + 384 + 384)
    pieces = rhythms.chunks(events)
    assert [len(piece) for piece in pieces] == [512, 512, 512]
    assert [piece.record for piece in pieces] == ["100_chunk0", "100_chunk1", "100_chunk2"]
    assert all(piece.time[0] == 0 for piece in pieces)
    assert np.array_equal(pieces[0].values[384:], pieces[1].values[:128])


@pytest.mark.parametrize("overlap", [10, 11, -1])
def test_an_overlap_that_would_never_end_is_refused(overlap):
    with pytest.raises(ValueError, match="overlap must be at least 0 and below size = 10"):
        rhythms.chunks(rhythm(30), size=10, overlap=overlap)


def test_a_size_below_one_is_refused():
    with pytest.raises(ValueError, match="size must be at least 1"):
        rhythms.chunks(rhythm(3), size=0, overlap=0)


def medians(database, least=20):
    """Median QRS duration in s of each symbol of each record that has ``least`` such beats."""
    found = {}
    for name in database.records:
        record = database.record(name)
        duration = rhythms.events(record).qrs_duration
        symbols = np.array(record.symbols)[aami.class_index(record.symbols) >= 0]
        for symbol in set(symbols):
            if (symbols == symbol).sum() >= least:
                found[name, symbol] = np.median(duration[symbols == symbol])
    return found


def test_paced_bundle_branch_and_ventricular_beats_are_wider_than_normal_ones(real_mitdb):
    found = medians(real_mitdb)
    typical = {
        s: np.median([v for (_, symbol), v in found.items() if symbol == s]) for s in "NLRV/"
    }
    assert 0.06 < typical["N"] < 0.11
    assert all(typical[s] > 0.12 for s in "LRV/")
    pairs = [
        (v, found[name, "N"]) for (name, s), v in found.items() if s == "V" and (name, "N") in found
    ]
    assert len(pairs) >= 15
    assert all(wide > narrow for wide, narrow in pairs)


def test_wide_beats_are_wider_than_normal_ones_in_the_synthetic_records(synthetic_records):
    found = medians(synthetic_records, least=3)
    normal = max(v for (_, symbol), v in found.items() if symbol in "NA")
    assert all(v > normal for (_, symbol), v in found.items() if symbol in "LRV/")


@pytest.fixture
def synthetic_records(tmp_path):
    names = synthetic.write_records(tmp_path, duration=60)
    return Records([read_record(tmp_path / name) for name in names])


@pytest.fixture
def real_mitdb(real_data):
    return mitdb()
