import numpy as np
import pytest

from nodebook.experiments.ch08_mitdb import rr_census
from nodelib import data


def test_intervals_that_no_heart_makes_are_left_out():
    rr = np.array([0.8, 0.1, 0.9, 30.0, 1.0])
    described = rr_census.describe(rr)
    assert described["left_out"] == pytest.approx(0.4)
    assert described["rr_mean_s"] == pytest.approx(0.9)
    assert described["rr_sd_s"] == pytest.approx(np.std([0.8, 0.9, 1.0]))
    assert described["hours"] == pytest.approx(32.8 / 3600)


def test_people_and_intervals_are_counted(offline):
    metrics = rr_census.run("chf2db", 0).metrics
    assert metrics["people"] == len(data.chf2db().records)
    assert metrics["intervals"] == sum(len(data.chf2db().rr(r)) for r in data.chf2db().records)
    assert metrics["hours_min"] <= metrics["hours_max"]
    assert metrics["rr_mean_s"] == pytest.approx(0.66, abs=0.02)
    density, width = np.array(metrics["density"]), np.diff(rr_census.EDGES)
    assert (density * width).sum() == pytest.approx(1.0)
    middle = (rr_census.EDGES[1:] + rr_census.EDGES[:-1]) / 2
    assert (density * width * middle).sum() == pytest.approx(metrics["rr_mean_s"], abs=0.005)
