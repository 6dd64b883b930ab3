"""Training of the classifiers of heartbeats."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from nodelib.errors import ModelError
from nodelib.models.heartbeats import heartbeat_classifier
from nodelib.training.heartbeats import Beats, Plan, evaluations, fit, mean_loss, scores

RNG = np.random.default_rng(0)
X = RNG.random((40, 187)).astype(np.float32)
Y = (X[:, 0] > 0.5).astype(np.int64)
BEATS = Beats(X, Y)
SMALL = Plan(epochs=2, batch=16)


def trained(kind="resnet", beats=BEATS, **more):
    network = heartbeat_classifier(kind, seed=0)
    return network, fit(network, beats, SMALL, seed=0, **more)


def test_an_epoch_is_whole_batches_and_ends_with_a_look_at_the_watched_beats():
    network, course = trained(watched=BEATS)
    assert len(course.history.losses) == 4
    assert len(course.watched) == 2
    assert course.watched[-1] == mean_loss(scores(network, BEATS), Y)
    assert 0 < course.seconds < course.history.seconds


def test_the_ode_net_notes_its_evaluations():
    network, course = trained("ode-net")
    # one evaluation at the start, and six for each step
    assert all(note in (13, 19, 25) for note in course.history.notes)
    assert evaluations(network) == course.history.notes[-1]
    assert course.watched == []


def test_the_same_seed_trains_the_same_network():
    (one, _), (same, _) = trained(), trained()
    assert torch.equal(scores(one, BEATS), scores(same, BEATS))


def test_features_of_the_rhythm_are_trained_on():
    beats = replace(BEATS, rhythm=X[:, :4])
    network = heartbeat_classifier("resnet", seed=0, features=4)
    before = network.readout.weight[:, 64:].clone()
    fit(network, beats, SMALL, seed=0)
    assert not torch.equal(network.readout.weight[:, 64:], before)


def test_an_interrupted_run_goes_on_with_what_it_has_watched(monkeypatch, tmp_path):
    whole, expected = trained(watched=BEATS)

    class Interrupted(Exception):
        pass

    calls = []
    original = torch.nn.functional.cross_entropy

    def interrupting(*args, **more):
        calls.append(1)
        if len(calls) == 5:  # three steps, the first epoch's look, and the fourth step
            raise Interrupted
        return original(*args, **more)

    path = tmp_path / "training.safetensors"
    monkeypatch.setattr("nodelib.training.loop.SAVE_EVERY_SECONDS", 0.0)
    monkeypatch.setattr("nodelib.training.heartbeats.cross_entropy", interrupting)
    with pytest.raises(Interrupted):
        trained(watched=BEATS, checkpoint=path)
    monkeypatch.setattr("nodelib.training.heartbeats.cross_entropy", original)
    network, course = trained(watched=BEATS, checkpoint=path)
    assert course.watched == expected.watched
    assert torch.equal(scores(network, BEATS), scores(whole, BEATS))


def test_bad_beats_are_refused_with_their_row():
    holed = X.copy()
    holed[7, 3] = np.nan
    with pytest.raises(ModelError, match="beat 7 holds NaN or Inf"):
        Beats(holed, Y)
    with pytest.raises(ModelError, match="as many as each other"):
        Beats(X, Y[:-1])


def test_no_step_at_all_is_refused():
    with pytest.raises(ModelError, match="10 beats and 2 epochs in batches of 16 are no step"):
        SMALL.recipe(10)


def test_a_flat_line_is_classified_without_nan():
    network = heartbeat_classifier("ode-net", seed=0)
    flat = Beats(np.zeros((2, 187), np.float32), np.zeros(2, np.int64))
    assert torch.isfinite(scores(network, flat)).all()
