"""Chapter 11's numbers and its figure of scores, from made-up and from recorded runs."""

import math
from types import SimpleNamespace

import matplotlib.pyplot as plt
import pytest

from nodebook.evidence import recorded
from nodebook.figures import ecg_study, rhythms


def runs_of(metrics: dict, monkeypatch, **more) -> None:
    """One recorded run for every experiment and variant, with these metrics."""
    run = SimpleNamespace(metric=metrics.__getitem__, **more)
    monkeypatch.setattr(recorded, "runs", lambda experiment, variant=None: [run, run])


def test_the_table_of_an_epoch_has_a_row_for_each_batch():
    head, rule, *rows = ecg_study.epochs().splitlines()
    assert len(rows) == len(ecg_study.SIZES)
    assert {line.count("|") for line in (head, rule, *rows)} == {9}
    assert [row.split("|")[1].strip() for row in rows] == ["1", "4", "16", "64"]
    assert ecg_study.gpu().name in head


def test_what_the_page_says_of_hours_is_recorded():
    slower, gpu = ecg_study.slower(), ecg_study.gpu()
    assert 10 < slower.least < slower.most < 200
    assert slower.own > 10 > slower.union
    assert 1 < gpu.least < gpu.most < 5
    assert gpu.launched > 2 * gpu.replayed


def test_what_the_page_says_of_seeds_is_recorded():
    told = {"gradient": [True] * 3, "loss": [False, True, True]}
    for key, steadier in told.items():
        chunks, whole = (
            recorded.measured("ecg_lengths", "deck", f"{key}.{kind}")
            for kind in ("chunks", "whole")
        )
        assert [a < b for a, b in zip(chunks, whole, strict=True)] == steadier
    rates = recorded.measured("ecg_networks", "gru-ode-bayes.nsr-chf", "rate")
    assert rates == [3e-3, 3e-3, 1e-3]


def test_points_ahead_have_a_sign(monkeypatch):
    runs_of({"macro_f1.a.b": -1.26}, monkeypatch)
    assert ecg_study.gain("task", "a", "b") == "\N{MINUS SIGN}1.3, \N{MINUS SIGN}1.3"


def test_guessing_costs_the_entropy_of_the_shares(monkeypatch):
    runs_of({"confusion": [[3, 0], [1, 0]]}, monkeypatch)
    expected = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert ecg_study.guessing("task") == pytest.approx(expected)


def test_the_last_loss_is_a_mean_over_the_seeds(monkeypatch):
    runs_of({}, monkeypatch, history={"loss": {"loss": [3.0, 0.5]}})
    assert ecg_study.last_loss("task", "gru") == 0.5


def test_a_network_that_is_not_recorded_has_no_row(monkeypatch):
    run = SimpleNamespace(metric={"by_person": 0.5, "interval.by_person": [0.4, 0.6]}.__getitem__)
    monkeypatch.setattr(
        recorded, "runs", lambda experiment, variant: [run] if variant != "b.two" else []
    )
    models = {("x", "a"): "A", ("x", "b"): "B"}
    figure = rhythms.scores({"one": "First", "two": "Second"}, models)
    labels = [[text.get_text() for text in ax.get_yticklabels()] for ax in figure.axes]
    assert labels == [["A", "B"], ["A"]]
    plt.close(figure)


COURSES = {
    "state held": {0: [0.5, 0.6], 80: [0.4, 0.5]},
    "GRU-ODE-Bayes": {0: [0.51, 0.58], 80: [0.45, 0.5]},
}


def test_who_is_ahead_is_told_by_share_dropped_and_seed():
    told = ecg_study.ahead(COURSES).replace("\N{NO-BREAK SPACE}", " ")
    assert told == "+1.0, \N{MINUS SIGN}2.0 with none dropped; +5.0, +0.0 with 80 % dropped"
    assert ecg_study.worth(COURSES, 80, "GRU-ODE-Bayes", "state held") == pytest.approx([0.05, 0])


def test_a_panel_of_dropped_beats_has_a_line_for_each_model_and_a_dot_for_each_seed():
    figure = rhythms.by_drop({"macro-F1": COURSES, "people": COURSES})
    titles = [ax.get_title() or ax.get_title(loc="left") for ax in figure.axes]
    assert titles == ["macro-F1", "people"]
    for ax in figure.axes:
        lines = [line for line in ax.get_lines() if line.get_label() in COURSES]
        assert [list(line.get_ydata()) for line in lines] == [
            pytest.approx([0.55, 0.45]), pytest.approx([0.545, 0.475])
        ]  # fmt: skip
        dots = [line for line in ax.get_lines() if line.get_marker() == "."]
        assert sum(len(line.get_xdata()) for line in dots) == 8
    plt.close(figure)


def test_every_course_of_the_page_is_recorded_for_three_seeds():
    for courses in (ecg_study.sorted_by_drop("macro_f1"), ecg_study.foretold_by_drop("nll")):
        for name, found in courses.items():
            assert name in rhythms.LOOKS
            assert {len(values) for values in found.values()} == {3}, name


def test_the_table_of_answers_has_every_model_of_a_task_with_its_intervals(monkeypatch):
    for task, models in (("sources", 12), ("nsr-chf", 10)):
        table = ecg_study.answers(task)
        assert len(table) == models
        assert table.index.name == ecg_study.TASKS[task]
        assert list(table) == ["by chunk", "by person", "macro-F1"]
    numbers = {"accuracy": 0.5, "by_person": 0.25, "macro_f1": 0.125}
    edges = {f"interval.{name}": [0.2, 0.6] for name in numbers}
    runs_of(numbers | edges, monkeypatch)
    first = ecg_study.answers("sources").iloc[0]
    assert first["by person"].replace("\N{NO-BREAK SPACE}", " ") == "25.0 % (20 to 60)"
    assert first["macro-F1"] == "0.12"


def test_the_union_of_times_keeps_more_and_both_models_have_as_many_parameters():
    kept = ecg_study.kept()
    assert kept.union > 10 * kept.own > 0
    (run, *_) = recorded.runs("ecg_networks", "deck-full.sources")
    assert kept.parameters == run.parameters
