"""What chapter 07 says in fixed words is true of the recorded runs."""

import statistics

import pytest

from nodelib import results
from nodelib.experiments import mnist, mnist_choices

THEIRS = {"mlp": 1.60, "resnet": 0.41, "rk-net": 0.47, "ode-net": 0.42}


def measured(experiment, variant, metric):
    return [run.metric(metric) for run in results.read(experiment, variant)]


@pytest.mark.parametrize("kind", mnist.VARIANTS)
def test_three_seeds_are_recorded_each_trained_in_less_than_45_minutes(kind):
    runs = results.read("mnist", kind)
    assert [run.seed for run in runs] == [0, 1, 2]
    assert max(run.metric("minutes") for run in runs) < 45
    assert all(run.data[0]["completeness"] == "complete" for run in runs)


@pytest.mark.parametrize("kind", mnist.VARIANTS)
def test_every_mistake_is_a_prediction_and_all_are_counted(kind):
    for run in results.read("mnist", kind):
        predictions = run.tensors()["predictions"]
        assert len(predictions) == 10_000
        assert len(run.history["mistakes"]) == run.metric("test_errors")
        for number, label, given in run.history["mistakes"]:
            assert label != given == int(predictions[number])


@pytest.mark.parametrize("kind", mnist.VARIANTS)
def test_the_mean_errors_are_below_those_of_the_table(kind):
    assert statistics.fmean(measured("mnist", kind, "test_error")) < THEIRS[kind]


def test_moved_images_are_worth_half_of_the_mlps_errors():
    planned, unmoved = (
        results.one("mnist_choices", f"mlp.{plan}").metric("validation_errors")
        for plan in ("planned", "unmoved")
    )
    assert 0.4 < planned / unmoved < 0.6
    assert mnist_choices.VALIDATION.stop - mnist_choices.VALIDATION.start == 5000


def test_most_of_the_memory_is_the_reductions():
    kept = results.one("mnist_memory", "kept")
    assert kept.metric("reduction") > 0.5 * kept.metric("network.ode-net.adjoint")
    assert kept.metric("network.ode-net.backprop") > kept.metric("network.resnet")
    assert kept.metric("growth.backprop") == "linear"
    assert kept.metric("backprop.32") > 10 * kept.metric("checkpoint.32")


def test_the_continuous_adjoint_does_not_take_half_the_evaluations():
    runs = results.read("mnist_solvers", "ode-net")
    ratios = [
        value for run in runs for name, value in run.metrics.items() if name.startswith("nfe_ratio")
    ]
    assert len(ratios) == 15
    assert min(ratios) > 0.6


def test_an_ode_net_does_not_need_its_solver():
    exact, euler = (
        statistics.fmean(measured("mnist_solvers", "ode-net", f"errors.{name}"))
        for name in ("tolerance.1e-6", "euler.2")
    )
    assert abs(euler - exact) < 15
