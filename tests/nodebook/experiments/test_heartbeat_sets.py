import numpy as np
import pytest
from ecg_records import PROVENANCE, Records, make_record

from nodebook.experiments.ch08_mitdb import heartbeat_sets
from nodelib.data import aami
from nodelib.data.heartbeats import Heartbeats, build


def made(x, y, patient, train, test):
    n = len(y)
    patient = np.array(patient)
    return Heartbeats(
        np.asarray(x, np.float32),
        np.array(y),
        patient,
        patient,
        np.zeros(n, int),
        np.array(train),
        np.array(test),
        "beat",
        PROVENANCE,
    )


def test_the_rows_of_the_deck_sum_to_its_totals():
    train, test = zip(*heartbeat_sets.DECK.values(), strict=True)
    assert (sum(train), sum(test)) == (87_554, 21_892)


def test_the_nearest_training_beat_is_found():
    rng = np.random.default_rng(0)
    train_x = rng.random((40, 187))
    x = np.concatenate([train_x, train_x[[3, 7, 11, 20]] + 1e-3])
    y = [0] * 20 + [2] * 20 + [0, 0, 2, 2]
    patient = ["a"] * 10 + ["b"] * 30 + ["a", "b", "b", "b"]
    beats = made(x, y, patient, np.arange(40), np.arange(40, 44))
    found = heartbeat_sets.nearest(beats, seed=0)
    # Beats 3, 7, 11 and 20 are nearest: people a, a, b, b and classes N, N, N, V.
    assert found == {"same_patient": 0.75, "accuracy": 0.75, "always_n": 0.5}


def test_rows_of_the_deck_are_matched_by_their_count_and_not_by_their_label():
    sizes = {"N": 72_471, "S": 2_223, "V": 5_789, "F": 642, "Q": 6_431}
    y = np.repeat(np.arange(5), [sizes[c] for c in aami.CLASSES])
    x = np.zeros((len(y), 187), np.float32)
    train = np.arange(len(y))
    metrics = heartbeat_sets.deck_rows(made(x, y, ["a"] * len(y), train, train[:0]))
    assert metrics["deck_row"] == {"N": "N", "S": "Q", "P": "V", "F": "S", "U": "F"}
    assert metrics["deck_difference"] == {"N": 0, "S": 0, "P": 1, "F": 0, "U": 1}
    assert metrics["deck_labels_right"] == 2


def test_counts_and_shares_are_of_the_two_parts():
    members = [make_record(name, "NNNNVNNNNNN") for name in ("100", "101")]
    metrics = heartbeat_sets.count(build(Records(members), split="inter-patient"))
    assert metrics["beats"] == 20
    assert metrics["train"] == {"N": 9, "S": 0, "V": 1, "F": 0, "Q": 0, "total": 10}
    assert metrics["test_share"]["V"] == pytest.approx(0.1)
    assert (metrics["train_people"], metrics["test_people"]) == (1, 1)
    assert metrics["patients_shared"] == 0.0
