"""Errors by the place on the curve: all of what is asked for, and each where it belongs."""

import numpy as np
import pytest

from nodebook.evidence import results
from nodebook.experiments.ch06_latent import places, spiral_models
from nodelib.data import spirals


@pytest.fixture
def run():
    return results.one("latent_ode", "longer", 1)


@pytest.fixture
def test_spirals(run):
    return spiral_models.sets(run.seed, spirals.SHIFT, (30,))["test"][30]


def test_the_places_reach_from_the_first_spiral_to_the_last():
    assert places.EDGES[0] == 150
    assert places.EDGES[-1] == spirals.LAST_START + 2 * spirals.POINTS
    assert 800 in places.EDGES  # the first that no training spiral has among its observations


def test_an_error_is_counted_where_it_is_made(run, test_spirals, monkeypatch):
    """A model that is right up to a place and wrong by (3, 4) from there on."""
    at = test_spirals.start[:, None] + np.arange(2 * spirals.POINTS)
    told = test_spirals.truth + np.where(at >= 500, 1.0, 0.0)[..., None] * [3.0, 4.0]
    monkeypatch.setattr(spiral_models, "predict", lambda *_: told[None])
    found = places.by_place(run, "ode_times", 30)
    wrong = places.EDGES[:-1] >= 500
    assert found[wrong] == pytest.approx(np.sqrt(12.5))
    assert not found[~wrong].any()


def test_only_the_second_half_of_the_further_points_counts(run, test_spirals, monkeypatch):
    told = test_spirals.truth.copy()
    told[:, : -places.HALF] += 100
    monkeypatch.setattr(spiral_models, "predict", lambda *_: told[None])
    assert not places.by_place(run, "ode_times", 30).any()


def test_a_recorded_model_is_worse_where_training_never_was(run):
    found = places.by_place(run, "ode_times", 30)
    new = places.EDGES[:-1] >= 800
    assert found[new].min() > found[~new].max()


def test_the_errors_of_the_spirals_make_up_the_recorded_one(run):
    found = places.by_spiral(run, "ode_times", 30)
    assert (np.diff(found) <= 0).all()
    assert np.sqrt(np.mean(found**2)) == pytest.approx(
        run.metric("rmse.ode_times.30.familiar"), rel=2e-3
    )
