"""The recorded runs of chapter 09 hang together."""

import numpy as np
import pytest

from nodebook.evidence import claims, results
from nodebook.experiments.ch09_heartbeats import heartbeats

RUNS = results.read("heartbeats")
by_run = pytest.mark.parametrize("run", RUNS, ids=[f"{r.variant}-{r.seed}" for r in RUNS])
THEIRS = {claim.id: claim.theirs for claim in claims.load() if claim.chapters == ("09",)}


@by_run
def test_a_run_is_of_committed_code_on_the_complete_database(run):
    assert run.modified is False
    assert [entry["completeness"] for entry in run.data] == ["complete"]


@by_run
def test_its_predictions_are_those_of_its_confusion_matrix(run):
    table = np.array(run.metric("test.confusion"))
    found = run.tensors()["predictions"].numpy()
    assert np.bincount(found, minlength=5).tolist() == table.sum(0).tolist()
    assert run.metric("test.accuracy") == pytest.approx(np.trace(table) / len(found))


@by_run
def test_its_weights_are_those_of_its_network(run):
    assert sum(p.numel() for p in heartbeats.restored(run).parameters()) == run.parameters


def test_the_goals_of_accuracy_by_beat_are_reached():
    for kind, claim in (("resnet", "001-resnet-accuracy"), ("ode-net", "001-odenet-accuracy")):
        for run in results.read("heartbeats", f"{kind}.by-beat"):
            assert run.metric("test.accuracy") >= THEIRS[claim]


def test_the_longer_training_reaches_its_goal_and_does_not_close_the_distance():
    for run in results.read("heartbeats", "ode-net.by-beat.converged"):
        assert run.metric("test.accuracy") >= 0.985
    for run in results.read("heartbeats", "resnet.by-beat.converged"):
        losses = [run.metric(f"loss.{epoch}") for epoch in range(1, 21)]
        assert 12 <= np.argmin(losses) <= 16
    short = {run.seed: run for run in results.read("heartbeat_comparison", "by-beat")}
    long = results.read("heartbeat_comparison", "by-beat.converged")
    for run in long:
        assert short[run.seed].metric("excess") < run.metric("excess") < 0
    assert [run.metric("verdict") for run in long] == ["lower", "lower", "no difference"]


def test_evaluations_grow_in_a_training_by_the_adjoint():
    (run,) = results.read("heartbeats", "ode-net-adjoint.by-beat")
    assert [round(run.metric(f"nfe.{epoch}")) for epoch in (1, 5)] == [36, 44]
