"""What is measured of a classification of heartbeats, and the R-R features."""

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score

from nodebook.experiments.ch09_heartbeats import heartbeats
from nodebook.experiments.ch09_heartbeats.heartbeat_baselines import NearestBeat
from nodebook.experiments.ch09_heartbeats.heartbeat_dropped import dropped
from nodebook.experiments.ch09_heartbeats.measures import bootstrapped, macro_f1, measures
from nodebook.experiments.ch09_heartbeats.sets import intervals

Y = np.array([0, 0, 0, 0, 2, 2, 1, 3])
FOUND = np.array([0, 0, 0, 2, 2, 0, 0, 3])


def test_sensitivity_and_predictivity_are_shares_of_rows_and_columns():
    found = measures(Y, FOUND)
    assert found["accuracy"] == 5 / 8
    assert found["sensitivity"]["N"] == 3 / 4
    assert found["predictivity"]["N"] == 3 / 5
    assert found["sensitivity"]["V"] == found["predictivity"]["V"] == 1 / 2
    assert found["predictivity"]["S"] == 0
    assert found["confusion"][2] == [1, 0, 1, 0, 0]


def test_macro_f1_leaves_out_a_class_that_is_not_there():
    assert macro_f1(Y, Y) == 1
    assert macro_f1(Y, FOUND) == pytest.approx((2 / 3 + 0 + 1 / 2 + 1) / 4)


def test_the_bootstrap_draws_patients():
    rng = np.random.default_rng(0)
    y = np.tile([0, 1], 200)
    patient = np.repeat(np.arange(20), 20)
    # every patient is either all right or all wrong
    found = np.where(patient < 14, y, 1 - y)
    low, high = bootstrapped(y, found, patient, seed=0)["accuracy"]
    scattered = bootstrapped(y, found, rng.permutation(patient), seed=0)["accuracy"]
    assert low < 0.55
    assert high > 0.85
    assert scattered[1] - scattered[0] < (high - low) / 2


def test_the_bootstrap_of_one_patient_is_the_value_itself():
    found = bootstrapped(Y, FOUND, np.zeros(8), seed=0, draws=3)
    assert found["macro_f1"] == pytest.approx([macro_f1(Y, FOUND)] * 2)
    assert f1_score(Y, FOUND, average="macro") == pytest.approx(found["macro_f1"][0])


def test_intervals_of_a_record():
    features = intervals(np.array([1.0, 2.0, 2.5, 3.5]))
    mean = 2.5 / 3
    assert features[1] == pytest.approx([1.0, 0.5, (mean + 1) / 2, mean])
    assert features[0] == pytest.approx([mean, 1.0, mean, mean])
    assert features[3, 1] == pytest.approx(mean)
    assert intervals(np.array([1.0])) == pytest.approx(np.ones((1, 4)))


def test_the_local_mean_is_of_ten_intervals():
    times = np.concatenate([np.arange(20.0), 19 + 2 * np.arange(1, 11)])
    assert intervals(times)[-1, 2] == pytest.approx(2.0)
    assert intervals(times)[19, 2] == pytest.approx(1.0)


def test_the_nearest_beat_is_found():
    train = np.eye(4, 187, dtype=np.float32)
    model = NearestBeat().fit(train, np.array([3, 1, 4, 0]))
    assert model.predict(train[[2, 0, 1]] + 0.01).tolist() == [4, 3, 1]


def test_dropped_samples_are_filled_in_along_straight_lines():
    straight = np.tile(np.linspace(0, 1, 187, dtype=np.float32), (5, 1))
    rough = np.random.default_rng(1).random((5, 187)).astype(np.float32)
    assert np.array_equal(dropped(rough, 0.0, seed=0), rough)
    half = dropped(rough, 0.5, seed=0)
    assert 0.4 < (half != rough).mean() < 0.6
    assert np.allclose(dropped(straight, 0.5, seed=0)[:, 10:-10], straight[:, 10:-10], atol=1e-6)
    assert np.isfinite(dropped(rough, 1.0, seed=0)).all()
    assert len(np.unique(dropped(rough, 1.0, seed=0)[0])) == 1


@pytest.mark.parametrize(
    ("variant", "features", "grad"),
    [
        ("resnet.by-beat", 0, None),
        ("resnet-rr.inter-patient", 4, None),
        ("ode-net-rr.inter-patient", 4, "backprop"),
        ("ode-net-adjoint.by-beat", 0, "adjoint"),
        ("ode-net-rk4.by-beat", 0, "backprop"),
        ("one-block.inter-patient", 0, None),
    ],
)
def test_a_variant_names_its_network(variant, features, grad):
    network = heartbeats.untrained(variant, 0)
    assert variant in heartbeats.VARIANTS
    assert network.features == features
    assert getattr(network.body, "settings", {}).get("grad") == grad


def test_by_runge_kutta_the_ode_net_takes_two_steps_of_four_evaluations():
    network = heartbeats.untrained("ode-net-rk4.by-beat", 0)
    beats = torch.rand(2, 187, generator=torch.Generator().manual_seed(0))
    network(beats)
    assert network.body.stats.nfe == 8
