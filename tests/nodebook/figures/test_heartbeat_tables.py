"""The tables of chapter 09 say what is recorded."""

from types import SimpleNamespace

import pytest

from nodebook.evidence import results
from nodebook.figures import heartbeat_tables as tables
from nodebook.figures import text


def test_a_single_seed_has_no_spread():
    assert text.spread_of_few([0.5]) == "0.500"
    assert text.spread_of_few([0.5, 0.7], 1) == "0.6\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}0.1"


def test_what_the_slides_print_is_looked_up_in_the_ledger():
    assert tables.printed("resnet", "accuracy") == 0.974
    assert tables.printed("ode-net", "loss-2") == 0.16


def test_a_row_between_patients_is_of_its_recorded_run():
    row = tables.between_patients().loc["nearest beat"]
    (run,) = results.read("heartbeat_baselines", "nearest.inter-patient")
    table = run.metric("test.confusion")
    right, row_sum = table[2][2], sum(table[2])
    column_sum = sum(line[2] for line in table)
    assert row["V"] == f"{100 * right / row_sum:.0f},{tables.GLUE}{100 * right / column_sum:.0f}"
    assert row["macro-F1"] == f"{run.metric('test.macro_f1'):.3f}"


def test_a_classifier_is_audited_under_the_divisions_in_which_it_is_recorded():
    found = tables.audited()
    assert list(found["always N"]) == ["by beat", "by minutes", "by patient", "DS1 to DS2"]
    recorded = [run.variant for run in results.read("heartbeats") if run.seed == 0]
    assert ("by patient" in found["ResNet"]) == ("resnet.by-patient" in recorded)
    (run,) = results.read("heartbeat_baselines", "always-n.by-beat")
    assert found["always N"]["by beat"] == (
        run.metric("test.accuracy"),
        pytest.approx(run.metric("test.f1.N") / 4),
    )


def test_the_longer_training_is_told_with_its_losses_on_the_way():
    row = tables.converged().loc["ResNet"]
    runs = results.read("heartbeats", "resnet.by-beat.converged")
    assert row["seeds"] == str(len(runs))
    losses = [run.metric("loss.10") for run in runs]
    assert row["loss, epoch 10"] == text.spread_of_few(losses)


def test_minutes_are_those_of_runs_on_the_processor_alone():
    own, other = (
        SimpleNamespace(cpu_seconds=600.0, devices=devices) for devices in ({}, {"a GPU": 3})
    )
    assert tables.minutes([own, other]) == "10"
    assert tables.minutes([other]) == ""


def test_times_of_solvers_are_multiples_of_that_of_the_training():
    table = tables.solvers()
    assert table.loc["Dormand-Prince, 0.01", "time"].startswith("1.0")
    assert float(table.loc["Dormand-Prince, 0.0001", "time"].split("\N{NO-BREAK SPACE}")[0]) > 1
    assert "Dormand-Prince, 1e-05" not in table.index


def test_published_results_are_told_with_their_division():
    table = tables.published()
    assert table.index.name == "DS1 to DS2, published"
    assert table.loc["de Chazal et al. 2004", "S"] == f"76,{tables.GLUE}39"
