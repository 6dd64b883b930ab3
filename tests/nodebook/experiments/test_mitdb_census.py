from dataclasses import replace

import pytest
from ecg_records import Records, make_record

from nodebook.evidence import results
from nodebook.experiments.ch08_mitdb import heartbeat_sets, mitdb_census, mitdb_pictures
from nodelib import data
from nodelib.data import aami


def small():
    return Records(
        [
            make_record("201", "+NNVN~", age=68, sex="M"),
            make_record("202", "NA", age=68, sex="M", patient="201"),
            make_record("102", "//F", age=None, leads=("V5", "V2")),
            make_record("114", "NN", age=23, leads=("V5", "MLII")),
        ]
    )


def test_beats_annotations_and_classes_are_counted():
    metrics, rows = mitdb_census.count(small())
    assert (metrics["annotations"], metrics["beats"], metrics["non_beats"]) == (13, 11, 2)
    assert metrics["classes"] == {"N": 6, "S": 1, "V": 1, "F": 1, "Q": 2}
    assert sum(metrics["share"].values()) == pytest.approx(1.0)
    assert metrics["beats_but_last"] == 7
    assert metrics["last_beats"] == {"N": 2, "S": 1, "V": 0, "F": 1, "Q": 0}
    assert metrics["symbols"]["paced beat"] == 2
    assert [row["annotations"] for row in rows] == [6, 2, 3, 2]


def test_a_person_with_two_records_is_counted_once():
    metrics, _ = mitdb_census.count(small())
    assert (metrics["records"], metrics["people"]) == (4, 3)
    assert (metrics["men"], metrics["women"]) == (1, 2)
    assert (metrics["age_min"], metrics["age_max"], metrics["age_unknown"]) == (23, 68, 1)


def test_paced_records_and_the_place_of_lead_mlii_are_found():
    metrics, _ = mitdb_census.count(small())
    assert metrics["paced_records"] == ["102"]
    places = [metrics[key] for key in ("mlii_first", "mlii_second", "mlii_absent")]
    assert places == [2, 1, 1]


def test_rr_intervals_belong_to_the_beat_that_ends_them():
    record = make_record("100", "NNNVN")
    samples = record.samples.copy()
    samples[3] -= 72  # the V beat comes 0.2 s early
    metrics, _ = mitdb_census.count(Records([replace(record, samples=samples)] + small().members))
    assert metrics["rr_median_s"]["V"] == pytest.approx((0.6 + 0.8) / 2)


def test_chunks_and_events_are_counted():
    long = make_record("100", "N" * 600 + "V" * 25, rr=0.5)
    metrics, _ = mitdb_census.count_rhythms(Records([long, make_record("101", "NNN")]))
    assert (metrics["events"], metrics["chunks"], metrics["full_chunks"]) == (628, 3, 1)
    assert (metrics["chunks_per_record_min"], metrics["chunks_per_record_max"]) == (1, 2)
    assert metrics["events_in_two_chunks"] == 128
    assert metrics["rr_unobserved"] == 2
    assert (metrics["wider_than_normal"], metrics["compared"]) == (1, 1)
    assert set(metrics["qrs_median_ms"]) == {"N", "V"}


def test_the_database_has_the_numbers_of_beats_that_physionet_states(real_data):
    metrics, _ = mitdb_census.count(data.mitdb())
    assert metrics["beats"] == 109_494
    assert metrics["annotations"] == 112_647
    assert metrics["classes"] == {"N": 90_631, "S": 2_781, "V": 7_236, "F": 803, "Q": 8_043}
    assert metrics["paced_records"] == ["102", "104", "107", "217"]
    assert (metrics["records"], metrics["people"]) == (48, 47)


def test_class_q_is_too_clumped_for_a_division_of_people_to_give_the_decks_test_count():
    history = results.one("mitdb_census", "annotations").history
    paced = [row["Q"] for row in history if row["paced"]]
    others = sum(row["Q"] for row in history if not row["paced"])
    assert (len(paced), others) == (4, 15)
    assert min(paced) >= 1_800
    assert others < heartbeat_sets.DECK["S"][1] < 1_800 - len(paced)


def test_an_excerpt_holds_its_annotations_and_no_others():
    db = data.mitdb()
    about, signals = mitdb_pictures.typical(db, "V")
    assert len(signals) == round(2 * mitdb_pictures.AROUND * about["fs"])
    record = db.record(about["record"])
    first = round(about["start"] * record.fs)
    assert (signals == record.signals[first : first + len(signals)]).all()
    times = [time for time, _ in about["annotations"]]
    assert all(0 <= time < 2 * mitdb_pictures.AROUND for time in times)
    (middle,) = [s for t, s in about["annotations"] if abs(t - mitdb_pictures.AROUND) < 0.002]
    assert aami.BEATS[middle][0] == "V"


def test_the_recorded_excerpts_are_real_and_of_their_class():
    run = results.one("mitdb_pictures", "pictures")
    assert run.data[0]["completeness"] == "complete"
    *beats, strip = run.history
    for label, beat in zip(aami.CLASSES, beats, strict=True):
        ((_, symbol),) = [
            (t, s) for t, s in beat["annotations"] if abs(t - mitdb_pictures.AROUND) < 0.002
        ]
        assert aami.BEATS[symbol][0] == label == beat["what"]
    kinds = {symbol for _, symbol in strip["annotations"]}
    assert len(kinds) >= 4
    for label in aami.CLASSES:
        density = run.metric(f"rr_density.{label}")
        assert sum(density) * 0.02 == pytest.approx(1.0)
