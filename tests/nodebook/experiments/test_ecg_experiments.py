"""Chapter 11's experiments: chunks, folds, what is counted, what is measured."""

import numpy as np
import pytest
import torch
from scipy.stats import binomtest

from nodebook.experiments.ch11_gru_ode_ecg import (
    ecg_networks,
    ecg_preparation,
    ecg_statistics,
    rr_chunks,
)
from nodebook.experiments.ch11_gru_ode_ecg.classifiers import NETWORKS, deck_loss
from nodebook.experiments.ch11_gru_ode_ecg.measures import measures
from nodebook.experiments.ch11_gru_ode_ecg.rr_chunks import Chunks
from nodelib.data import rhythms
from nodelib.data.records import Record


def made(people: int = 15, each: int = 4, seed: int = 0) -> Chunks:
    """Chunks of made-up people; those of class 1 have faster hearts."""
    rng = np.random.default_rng(seed)
    label = np.repeat(np.arange(people) % 3, each)
    rr = 0.9 - 0.2 * (label == 1)[:, None] + 0.05 * rng.standard_normal((people * each, 512))
    rr[0, 5] = 9.0
    return Chunks(
        rr,
        (rr > rr_chunks.SHORTEST) & (rr < rr_chunks.LONGEST),
        label,
        np.repeat([f"p{k}" for k in range(people)], each),
        np.full(people * each, 24.0),
        (),
    )


def record(fs: float, samples: np.ndarray) -> Record:
    return Record("r", fs, None, (), samples, ["N"] * len(samples), [""] * len(samples), 60, "M",
                  [], "r", int(samples[-1]) + 1)  # fmt: skip


def test_chunks_are_whole_and_spread_over_the_recording():
    assert rr_chunks.spread_starts(511) == []
    assert rr_chunks.spread_starts(1300) == [0, 384, 768]
    many = rr_chunks.spread_starts(100_000)
    assert len(many) == rr_chunks.EACH
    assert many[0] == 0
    assert many[-1] + 512 <= 100_000
    assert many[-1] > 99_000


def test_no_person_is_in_both_halves_of_a_fold_and_each_is_tested_once():
    found = made()
    tested = []
    for train, test in rr_chunks.folds(found, seed=0):
        assert not set(found.person[train]) & set(found.person[test])
        tested += list(test)
    assert sorted(tested) == list(range(len(found)))


def test_after_jitter_all_beats_lie_on_one_lattice_close_to_where_they_were():
    found = made()
    moved = rr_chunks.jittered(found, seed=0)
    steps = moved.rr * 128
    assert np.abs(steps - steps.round()).max() < 1e-6
    assert np.abs(moved.rr - found.rr).max() <= 2 / 128
    assert (
        ecg_statistics.from_lattice(moved).max() < 1e-6 < ecg_statistics.from_lattice(found).min()
    )


def test_a_missed_interval_takes_the_mean_gap_in_the_times():
    found = made()
    assert found.times[0, 0] == 0
    gap = found.times[0, 5] - found.times[0, 4]
    assert gap == pytest.approx(found.rr[0][found.observed[0]].mean())


def test_chunk_count_is_that_of_the_library():
    for n in (1, 512, 513, 896, 897, 5000):
        whole = rhythms.Rhythm("r", "r", np.arange(n, dtype=float), np.zeros((n, 7)),
                               np.ones((n, 7), bool), None, None)  # fmt: skip
        assert ecg_preparation.chunk_count(n) == len(rhythms.chunks(whole))


def test_the_deck_s_split_has_eight_validation_records():
    found = ecg_preparation.divided()
    assert found["records"] == {"train": 64, "validation": 8, "test": 9}
    assert sum(found["validation"].values()) == 8


def test_sizes_that_give_the_printed_accuracies():
    found = ecg_preparation.sizes()
    assert found["smallest"]["baseline"] == 45
    assert round(100 * 44 / 45, 2) == 97.78
    assert found["smallest"]["full"] == 50


def test_the_interval_of_a_share_is_the_exact_one():
    for right in (0, 5, 8):
        exact = binomtest(right, 8).proportion_ci(method="exact")
        assert ecg_preparation.clopper_pearson(right, 8) == pytest.approx([exact.low, exact.high])


def test_the_window_is_right_at_250_hz_only():
    beats = np.arange(1, 1000) * 300
    assert ecg_preparation.in_window(record(250, beats)) == 1.0
    assert ecg_preparation.in_window(record(360, beats)) < 0.01
    assert ecg_preparation.window(record(360, beats))[-1] == round(999 * 300 / 360 * 250 / 360)


def test_the_lattice_of_the_times_names_the_database():
    beats = np.cumsum(np.random.default_rng(0).integers(80, 120, 500))
    for fs in (128, 250, 360):
        assert ecg_preparation.step(record(fs, beats)) == fs


def test_a_person_s_answer_is_that_of_the_mean_score():
    label = np.array([0, 0, 1, 1])
    scores = np.array([[0.9, 0.1], [0.4, 0.6], [0.45, 0.55], [0.7, 0.3]])
    found = measures(label, scores, np.array(["a", "a", "b", "b"]), seed=0)
    assert found["accuracy"] == 0.5
    assert found["by_person"] == 0.5
    assert found["persons"] == 2
    low, high = found["interval"]["by_person"]
    assert low == 0.0
    assert high == 1.0


def test_what_is_dropped_depends_on_the_chunk_and_its_first_beat_stays():
    found = made()
    few = rr_chunks.dropped(found, 80)
    assert few.observed[:, 0].sum() == found.observed[:, 0].sum()
    assert 0.15 < few.observed.mean() < 0.25
    assert not (few.observed & ~found.observed).any()
    rows = np.stack([rr_chunks.kept(row, 512, 80) for row in range(len(found))])
    assert (few.observed == (found.observed & rows)).all()
    assert (rr_chunks.dropped(found, 0).observed == found.observed).all()


def test_a_task_s_name_says_what_is_dropped():
    assert rr_chunks.task_and_drop("nsr-chf") == ("nsr-chf", 0)
    assert rr_chunks.task_and_drop("nsr-chf-50") == ("nsr-chf", 50)
    for task in ecg_networks.TASKS:
        assert rr_chunks.task_and_drop(task)[0] in ecg_statistics.TASKS


def test_statistics_of_few_beats_are_numbers():
    few = rr_chunks.dropped(made(), 80)
    assert np.isfinite(ecg_statistics.statistics(few)).all()


def people(ages: list[int], symbols: str) -> list[Record]:
    beats = np.arange(1, 1 + len(symbols)) * 300
    return [
        Record(f"{symbols}{k}", 250, None, (), beats, list(symbols), [""] * len(symbols), age, "M",
               [], f"{symbols}{k}", 10_000)
        for k, age in enumerate(ages)
    ]  # fmt: skip


def test_a_tree_tells_databases_by_age_or_by_how_they_are_annotated():
    found = {"young": people([20, 25, 30, 35], "NN~"), "old": people([60, 65, 70, 75], "NN+")}
    for features in ecg_preparation.SHORTCUTS.values():
        assert ecg_preparation.alone(found, features) == {"young": 1.0, "old": 1.0, "mean": 1.0}


def test_ages_that_overlap_tell_nothing():
    found = {"one": people([20, 30, 40, 50], "N~"), "other": people([20, 30, 40, 50], "N+")}
    told = ecg_preparation.alone(found, ecg_preparation.age_and_sex)
    assert told["mean"] <= 0.5


def test_the_statistics_know_a_fast_heart(monkeypatch):
    found = made()
    monkeypatch.setattr(rr_chunks, "chunks", lambda: found)
    scores = ecg_statistics.answers("logistic", ecg_statistics.asked("sources", 0), 0)
    fast = found.label == 1
    assert (scores.argmax(1) == 1)[fast].all()
    assert not (scores.argmax(1) == 1)[~fast].any()


def test_the_fair_question_has_two_classes(monkeypatch):
    found = made()
    monkeypatch.setattr(rr_chunks, "chunks", lambda: found)
    two = ecg_statistics.asked("nsr-chf", 0)
    assert set(two.label) == {0, 1}
    assert len(two) == (found.label != 1).sum()
    assert set(found.label) == {0, 1, 2}


def test_dropped_beats_leave_the_first_and_the_times_of_the_others():
    found = made()
    whole, dropped = (ecg_networks.events_of(found, np.array([3]), p) for p in (0, 80))
    assert 60 < dropped.times.shape[1] < 150
    assert whole.times.shape[1] == 512
    assert dropped.times[0, 0] == 0
    assert set(dropped.times[0].tolist()) <= set(whole.times[0].tolist())


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_learns_from_a_batch(name):
    found = made(people=6, each=1)
    short = Chunks(found.rr[:, :20], found.observed[:, :20], found.label, found.person,
                   found.hours, ())  # fmt: skip
    events = ecg_networks.events_of(short, np.arange(6), 0)
    label = torch.from_numpy(short.label)
    network = NETWORKS[name](3, 0)
    optimiser = torch.optim.Adam(network.parameters(), 1e-2)
    losses = []
    for _ in range(8):
        optimiser.zero_grad()
        loss = network.loss(events, label)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    assert network(events).shape == (6, 3)


def test_the_held_state_stands_still_between_beats():
    model = NETWORKS["held"](2, 0).model
    h = torch.ones(1, 32)
    assert model.flow(h, torch.ones(1, 1), torch.ones(1, 1), 1) is h


def test_the_deck_s_loss_hardly_knows_the_classes():
    found = made(people=6, each=1)
    events = ecg_networks.events_of(found, np.arange(6), 0)
    network = NETWORKS["deck-baseline"](3, 0)
    total, classes = deck_loss(
        network.model, network.way(events), events, torch.from_numpy(found.label)
    )
    assert 0 < classes < 1e-3 * total
