"""What page 09 says in words of the recorded runs."""

import statistics

import pytest

from nodebook.evidence import claims, recorded
from nodebook.figures import heartbeat_tables as tables


@pytest.fixture(scope="module")
def audited():
    return tables.audited()


def test_the_answer_n_is_right_on_most_beats_and_says_nothing_of_the_others(audited):
    always = audited["always N"]
    assert [round(always[k][0], 2) for k in ("by beat", "DS1 to DS2")] == [0.83, 0.89]
    assert max(f1 for _, f1 in always.values()) < 0.25


def test_the_mean_interval_of_a_record_tells_whose_heart_it_is(audited):
    told, untold = audited["boosted trees, R-R"], audited["boosted trees, relative"]
    assert [round(untold[k][0], 2) for k in ("by beat", "by patient")] == [0.9, 0.79]
    assert told["by beat"][0] > 0.97
    assert told["by patient"][0] > 0.95
    assert untold["DS1 to DS2"][0] > told["DS1 to DS2"][0]


@pytest.mark.parametrize("name", ["nearest beat", "ResNet", "ODE-Net"])
def test_other_minutes_cost_little_and_other_people_more_than_half(audited, name):
    beat, minutes, _, people = audited[name].values()
    assert 0.01 < beat[0] - minutes[0] < 0.02
    assert minutes[1] > 0.9 * beat[1]
    assert people[1] < 0.5 * beat[1]


def test_between_patients_one_block_alone_is_more_often_right_than_the_answer_n(audited):
    always = audited["always N"]["DS1 to DS2"][0]
    for name, (experiment, model) in tables.MODELS.items():
        if experiment == "heartbeats":
            right = recorded.measured(experiment, f"{model}.inter-patient", "test.accuracy")
            assert {share > always for share in right} == {name == "one residual block"}


def test_the_networks_find_v_beats_and_s_beats_of_patients_they_know_only():
    for name in tables.NETWORKS.values():
        assert tables.sensitivity(name, "V") > 0.7
        assert tables.sensitivity(name, "S", "by-beat") > 0.6
        assert tables.sensitivity(name, "S") < 0.15
    for name in ("logistic, R-R", "boosted trees, R-R", "boosted trees, relative"):
        assert tables.sensitivity(name, "S") < 0.15


def test_a_block_without_an_ode_does_as_well_between_patients():
    block, ode = (
        recorded.runs("heartbeats", f"{kind}.inter-patient") for kind in ("one-block", "ode-net")
    )
    right = [recorded.values(runs, "test.accuracy") for runs in (block, ode)]
    assert min(right[0]) > max(right[1])
    f1 = [statistics.fmean(recorded.values(runs, "test.macro_f1")) for runs in (block, ode)]
    assert abs(f1[0] - f1[1]) < 0.02
    apart = recorded.runs("heartbeat_comparison", "inter-patient")
    assert all(run.metric("advantage") == "some" for run in apart)


def test_the_ledger_of_the_chapter_is_as_the_page_sums_it_up():
    kinds = {claim.id: result.kind for claim, result in claims.judged("09")}
    assert [name for name in kinds if kinds[name] == "refuted"] == ["001-single-block"]
    assert [c for c in kinds if "-loss-" in c and kinds[c] == "not decided"] == [
        "001-resnet-loss-2"
    ]


def test_ds2_has_seven_beats_of_class_q():
    (matrix,) = recorded.measured("heartbeat_baselines", "nearest.inter-patient", "test.confusion")
    assert sum(matrix[4]) == 7


def test_two_fixed_steps_and_the_adjoint_give_the_better_networks():
    by_tolerance = recorded.measured("heartbeats", "ode-net.by-beat", "test.accuracy")
    (adjoint,), (kutta,) = (
        recorded.runs("heartbeats", f"ode-net-{name}.by-beat") for name in ("adjoint", "rk4")
    )
    for run in (adjoint, kutta):
        assert run.metric("test.accuracy") > max(by_tolerance)
    assert 4.5 < adjoint.cpu_seconds / kutta.cpu_seconds < 6
    assert 0.15 < adjoint.metric("nfe.5") / adjoint.metric("nfe.1") - 1 < 0.25
    assert recorded.mean("heartbeat_times", "epoch-rk4", "minutes") < 2


@pytest.mark.parametrize("kind", list(tables.NETWORKS))
def test_the_longer_training_is_best_after_some_fifteen_epochs(kind):
    for run in recorded.runs("heartbeats", f"{kind}.by-beat.converged"):
        lowest = min(range(1, 21), key=lambda epoch: run.metric(f"loss.{epoch}"))
        assert 12 <= lowest <= 17
        if kind == "ode-net":
            assert run.metric("nfe.11") < 19
            assert run.metric("nfe.18") > 18.99


def test_with_four_fifths_of_the_samples_dropped_neither_network_is_worth_anything():
    always = recorded.mean("heartbeat_baselines", "always-n.by-beat", "test.accuracy")
    for run in recorded.runs("heartbeat_dropped"):
        assert all(run.metric(f"excess.{percent}") < 0 for percent in (20, 50))
        for kind in tables.NETWORKS:
            assert run.metric(f"accuracy.{kind}.80") < always
