"""Chapter 11's trainings, on a few made-up people: folds, rates, records, what is foretold."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from nodebook import paths
from nodebook.errors import ResultsError
from nodebook.evidence import results
from nodebook.experiments.ch11_gru_ode_ecg import (
    ecg_comparison,
    ecg_devices,
    ecg_epochs,
    ecg_lengths,
    ecg_networks,
    ecg_next_beat,
    forecasters,
    rr_chunks,
    side_by_side,
)
from nodebook.experiments.ch11_gru_ode_ecg.rr_chunks import Chunks
from nodelib.models.gru_ode import Events, pad_events


def chunks(people: int = 15, each: int = 2, beats: int = 24) -> Chunks:
    """Made-up people of three databases; those of class 2 have faster hearts."""
    rng = np.random.default_rng(0)
    label = np.repeat(np.arange(people) % 3, each)
    rr = 0.9 - 0.3 * (label == 2)[:, None] + 0.02 * rng.standard_normal((len(label), beats))
    person = np.repeat([f"p{k:02}" for k in range(people)], each)
    return Chunks(rr, np.ones_like(rr, bool), label, person, np.full(len(label), 24.0), ())


@pytest.fixture
def few(monkeypatch, tmp_path):
    found = chunks()
    monkeypatch.setattr(rr_chunks, "chunks", lambda: found)
    monkeypatch.setattr(paths, "build", lambda: tmp_path)
    monkeypatch.setattr(ecg_networks, "EPOCHS", 3)
    monkeypatch.setattr(ecg_networks, "BATCH", 4)
    return found


def as_recorded(outcome: results.Outcome, variant: str, seed: int):
    class Recorded:
        pass

    run = Recorded()
    run.variant, run.seed, run.tensors = variant, seed, lambda: outcome.tensors
    return run


@pytest.mark.parametrize(
    "variant", ["gru.nsr-chf", "gru-ode-bayes.nsr-chf-80", "deck-full.sources"]
)
def test_a_recorded_answer_follows_from_its_weights(few, variant):
    seeds = (0, 1)
    outcomes = ecg_networks.run_together(variant, seeds)
    for seed in seeds:
        outcome = outcomes[seed]
        run = as_recorded(outcome, variant, seed)
        again = ecg_networks.rederive_all(run)
        assert {**again, "rate": outcome.metrics["rate"]} == outcome.metrics
        part = ecg_networks.rederive(run)
        assert part["accuracy"] == pytest.approx(again["accuracy"], abs=0.05)
        assert outcome.metrics["rate"] in side_by_side.RATES
        assert outcome.devices.keys() == {"cpu"}
        assert len(outcome.history["loss"]["loss"]) == len(outcome.history["loss"]["step"])
    one, two = (outcomes[seed].tensors for seed in seeds)
    assert any(not torch.equal(one[name], two[name]) for name in one)


def test_an_interrupted_training_goes_on_and_gives_the_same(few, monkeypatch):
    first = ecg_networks.run_together("gru.nsr-chf", (0,))[0]
    second = ecg_networks.run_together("gru.nsr-chf", (0,))[0]  # from the finished checkpoint
    assert first.metrics == second.metrics
    assert all(torch.equal(first.tensors[name], second.tensors[name]) for name in first.tensors)


def test_the_rate_is_chosen_by_people_who_are_in_neither_half():
    found = chunks()
    parts = rr_chunks.folds(found, 0)
    rows, held_out = side_by_side.divided(parts)
    everyone = [set(found.person[part]) for part in (rows, held_out, parts[0][1])]
    for k, one in enumerate(everyone):
        for other in everyone[k + 1 :]:
            assert not one & other
    assert len(rows) + len(held_out) + len(parts[0][1]) == len(found)


def test_the_better_rate_is_taken(few, monkeypatch):
    def quality(network, rows):
        return float(network.rate == 3e-3)

    class Told:
        thinned = staticmethod(lambda k: {"step": [1], "loss": [float(k)]})
        devices = {"cpu": 1}  # noqa: RUF012
        skipped = [[3, 0], [4, 2], [4, 9]]  # noqa: RUF012

    asked = []

    def trained(make, data, members, **more):
        asked.append(members)
        networks = []
        for member in members:
            network = make(member.seed)
            network.rate = member.rate
            networks.append(network)
        return networks, Told

    monkeypatch.setattr(side_by_side, "trained", trained)
    found = side_by_side.fit(
        lambda seed: torch.nn.Linear(1, 1), (), {7: rr_chunks.folds(few, 7)}, quality,
        epochs=1, batch=1, label="x",
    )  # fmt: skip
    assert found[7].rate == 3e-3
    assert [member.rate for member in asked[0]] == list(side_by_side.RATES)
    assert len(asked[0][0].rows) < len(asked[1][0].rows)
    assert found[7].loss == {"step": [1], "loss": [2.0]}
    assert found[7].skipped == 2  # of the five folds' networks
    assert found[7].outcome({}, []).metrics == {"rate": 3e-3, "skipped": 2}


def rhythm(beats: int = 20, batch: int = 3) -> Events:
    rng = np.random.default_rng(1)
    series = []
    for _ in range(batch):
        gaps = torch.from_numpy(rng.uniform(0.5, 1.2, beats))
        values = torch.from_numpy(rng.standard_normal((beats, forecasters.FEATURES)))
        series.append((gaps.cumsum(0) - gaps[0], values, torch.ones_like(values, dtype=torch.bool)))
    return pad_events(series)


def moved(events: Events, after: int) -> Events:
    """The same up to an event; from the next one on later, and with other values."""
    later = torch.arange(events.times.shape[1]) > after
    times = events.times + 0.4 * later * torch.arange(1, len(later) + 1)
    values = events.values + later[:, None]
    rest = (events.observed, events.lengths, events.start, times[:, -1], None)
    return Events(times, values, *rest)


@pytest.mark.parametrize("name", forecasters.NETWORKS)
def test_no_forecaster_knows_when_the_next_beat_comes(name):
    network, events = forecasters.NETWORKS[name](0), rhythm()
    with torch.no_grad():
        plain, other = network(events), network(moved(events, 11))
    torch.testing.assert_close(plain[:, :12], other[:, :12])
    assert (plain[:, 12:] - other[:, 12:]).abs().amax((0, 2)).min() > 0


@pytest.mark.parametrize("name", forecasters.NETWORKS)
def test_every_forecaster_learns_from_a_batch(name):
    network, e = forecasters.NETWORKS[name](0), rhythm()
    interval = torch.randn(3, 20)
    known, kind = torch.rand(3, 20) > 0.2, torch.randint(5, (3, 20))
    optimiser = torch.optim.Adam([p for p in network.parameters() if p.requires_grad], 1e-2)
    losses = []
    for _ in range(8):
        optimiser.zero_grad()
        loss = network.loss_of(e.times, e.values, e.observed, e.lengths, interval, known, kind)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


def made_rhythms(people: int = 10, each: int = 2) -> ecg_next_beat.Rhythms:
    """Every fifth beat is early and of class V; a pause follows it."""
    rng, size = np.random.default_rng(0), ecg_next_beat.SIZE + 1
    rr = 0.8 + 0.01 * rng.standard_normal((people * each, size))
    kind = np.zeros((people * each, size), np.int64)
    kind[:, 4::5] = 2
    rr[:, 4::5], rr[:, 5::5] = 0.5, 1.1
    person = np.repeat([f"p{k}" for k in range(people)], each)
    return ecg_next_beat.Rhythms(rr, kind, np.arange(people * each) // each % 2, person, None)


@pytest.fixture
def rhythms(monkeypatch, tmp_path):
    found = made_rhythms()
    monkeypatch.setattr(ecg_next_beat, "rhythms", lambda: found)
    monkeypatch.setattr(paths, "build", lambda: tmp_path)
    ecg_next_beat.questions.cache_clear()
    yield found
    ecg_next_beat.questions.cache_clear()


@pytest.mark.parametrize("drop", [0, 80])
def test_what_is_asked_is_the_next_beat_of_the_whole_series(rhythms, drop):
    asked = ecg_next_beat.questions(drop)
    row, length = 3, int(asked.events.lengths[3])
    clock = np.cumsum(rhythms.rr[row]) - rhythms.rr[row, 0]
    at = np.searchsorted(clock, asked.events.times[row, :length].numpy() - 1e-9)
    assert (length < 150) == bool(drop)
    scaled = (rhythms.rr[row, at + 1] - ecg_networks.CENTRE) / ecg_networks.SPREAD
    np.testing.assert_allclose(asked.interval[row, :length], scaled, rtol=1e-5)
    np.testing.assert_array_equal(asked.kind[row, :length], rhythms.kind[row, at + 1])


def test_simple_models_find_what_is_regular(rhythms):
    found = {
        name: ecg_next_beat.run_together(f"{name}.0", (0,))[0].metrics
        for name in ("last", "linear")
    }
    assert found["linear"]["error"] < 20 < found["last"]["error"]
    assert found["linear"]["macro_f1"] > 0.99
    assert found["last"]["accuracy"] == pytest.approx(0.8, abs=0.01)
    assert found["linear"]["nll"] < found["last"]["nll"]
    low, high = found["linear"]["interval"]["nll"]
    assert low <= found["linear"]["nll"] <= high


def test_a_recorded_forecast_follows_from_its_weights(rhythms, monkeypatch):
    monkeypatch.setattr(ecg_next_beat, "EPOCHS", 1)
    monkeypatch.setattr(ecg_next_beat, "BATCH", 4)
    outcome = ecg_next_beat.run_together("held.80", (0,))[0]
    again = ecg_next_beat.rederive(as_recorded(outcome, "held.80", 0))
    assert {**again, "rate": outcome.metrics["rate"]} == outcome.metrics


def test_a_gpu_is_timed_only_where_there_is_one(monkeypatch):
    monkeypatch.delenv("NODELIB_DEVICE", raising=False)
    with pytest.raises(ResultsError, match="NODELIB_DEVICE=cuda"):
        ecg_devices.run("batch-1", 0)


@pytest.mark.parametrize("way", ["union", "own"])
def test_what_one_more_step_takes_is_the_same_step_in_both_walks(few, way):
    rows = np.array([0, 5, 9, 3])
    step, count = ecg_devices.walk(rows, way, 6, torch.device("cpu"))
    assert count == (6 if way == "own" else 4 * 5)
    step()


def test_a_time_is_the_median_after_a_warm_up():
    taken = iter([0.0, 9.0, 9.0, 11.0, 11.0, 12.0, 12.0, 16.0])
    assert ecg_devices.timed([lambda: None], torch.device("cpu"), lambda: next(taken)) == [2.0]


def test_pieces_are_as_long_as_the_recordings_are_to_one_another(monkeypatch):
    recordings = [(np.full(900, 0.8), 0), (np.full(300, 0.7), 1)]
    monkeypatch.setattr(ecg_lengths, "intervals", lambda: recordings)
    monkeypatch.setattr(ecg_lengths, "TOGETHER", 2)
    monkeypatch.setattr(ecg_lengths, "BATCHES", 3)
    monkeypatch.setattr(ecg_lengths, "MEAN", 20)
    for name in rr_chunks.SOURCES:
        monkeypatch.setattr(rr_chunks.data, name, lambda **_: SimpleNamespace(provenance=None))
    found = ecg_lengths.run("deck", 0).metrics
    assert found["longest"] == {"chunks": 20, "whole": 30}
    assert found["bytes"]["whole"] == pytest.approx(1.5 * found["bytes"]["chunks"], rel=0.1)
    assert found["a_day"] == pytest.approx(found["bytes"]["chunks"] * 100_000 / 40)
    assert found["loss"]["chunks"] < 1e-3  # all batches are alike


def test_an_epoch_in_batches_of_one_is_timed_beside_the_largest(monkeypatch):
    long = chunks(beats=300)
    monkeypatch.setattr(rr_chunks, "chunks", lambda: long)
    found = ecg_epochs.run("batch-64", 0).metrics
    assert found["slower"]["union"] == found["hours"]["union"] / found["hours"]["baseline"]
    assert found["gained"].keys() == found["hours"].keys()
    assert (
        found["epoch"] == ecg_epochs.rederive(SimpleNamespace(variant="batch-64", seed=0))["epoch"]
    )


def test_a_comparison_counts_points_on_the_same_people():
    found = chunks(people=9, each=4)
    right = np.eye(3)[found.label]
    worse = right.copy()
    worse[found.person == "p00"] = np.eye(3)[[1, 1, 1, 1]]  # all of one person of nine
    gains = ecg_comparison.compared(found, right, worse)
    assert gains["accuracy"] == gains["by_person"] == pytest.approx(100 / 9)
    low, high = gains["interval"]
    assert low == 0 < gains["accuracy"] < high
    assert gains["macro_f1"] > 0
    same = ecg_comparison.compared(found, worse, worse)
    assert same == {"accuracy": 0, "macro_f1": 0, "by_person": 0, "interval": [0, 0]}


def test_only_pairs_that_are_recorded_are_compared(monkeypatch):
    found = chunks()
    monkeypatch.setattr(rr_chunks, "chunks", lambda: found)
    scores = {"scores": torch.eye(3).half()[torch.from_numpy(found.label)]}
    there = {"gru-ode-bayes.sources", "held.sources", "gru.sources"}

    def read(experiment, variant, seed):
        run = SimpleNamespace(tensors=lambda: scores)
        return [run] if variant in there else []

    monkeypatch.setattr(results, "read", read)
    found = ecg_comparison.run("sources", 0).metrics["accuracy"]
    assert found == {"gru-ode-bayes": {"held": 0, "gru": 0}}


def test_the_gpu_s_hours_are_held_against_the_cpu_s(monkeypatch):
    hours = {1: (1.0, 2.0), 4: (1.0, 1.5), 16: (1.0, 3.0), 64: (2.0, 5.0)}

    def one(experiment, variant, seed=0):
        cpu, cuda = hours[int(variant.split("-")[1])]
        return SimpleNamespace(metric=lambda name: cuda if name.endswith("cuda") else cpu)

    monkeypatch.setattr(results, "one", one)
    assert ecg_comparison.run("devices", 0).metrics == {"deck": 5.0, "least": 1.5}
