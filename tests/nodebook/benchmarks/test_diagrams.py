"""Benchmarks of many points: every way solves the same problem, and what is written of it."""

import json

import pytest
import torch
from typer.testing import CliRunner

from nodebook import cli, paths
from nodebook.benchmarks import harness
from nodebook.benchmarks.diagrams import devices, growth, precision, shares
from nodebook.benchmarks.differentiation import relative_error
from nodebook.benchmarks.gradient_problems import Autonomous, starts
from nodebook.benchmarks.ways import Way, joined, reference, ways
from nodelib.errors import NodelibError

FIELD, TIMES = Autonomous("tanh"), torch.linspace(0.0, 4.0, 5)
START = torch.randn(3, 2, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def exact():
    return reference(FIELD, START, TIMES)


@pytest.mark.parametrize("way", ways(FIELD, START, TIMES, adjoints=True), ids=lambda way: way.name)
def test_every_way_gives_the_gradient_and_a_better_one_at_a_tighter_tolerance(way, exact):
    loose, tight = (
        relative_error(way.vector(way.at(tolerance)()), exact) for tolerance in (1e-2, 1e-5)
    )
    assert tight < 1e-3
    assert tight < loose


def test_the_ways_at_hand_are_ours_and_torchdiffeqs_with_the_adjoints_where_they_are_asked_for():
    names = {way.name for way in ways(FIELD, START, TIMES, adjoints=False)}
    assert {"backprop", "checkpoint", "compiled", "torchdiffeq odeint"} <= names
    assert not any("adjoint" in name or "backsolve" in name for name in names)


def test_the_reference_does_not_depend_on_how_states_are_put_together(exact, monkeypatch):
    monkeypatch.setattr("nodebook.benchmarks.ways.PART", 2)
    assert relative_error(reference(FIELD, START, TIMES), exact) < 1e-9


def test_times_are_told_relative_to_the_unit_of_the_same_round(monkeypatch):
    durations = {("torchdiffeq odeint", 1e-2): 2.0, ("ours", 1e-2): 1.0, ("ours", 1e-3): 3.0}
    durations["torchdiffeq odeint", 1e-3] = 4.0
    kind = {"ours": 1.1, "torchdiffeq odeint": 2.0}

    def way(name):
        def at(tolerance):
            task = lambda: [torch.tensor([kind[name]])]  # noqa: E731
            task.key = name, tolerance
            return task

        return Way(name, at, joined)

    calls = []
    for name in ("seconds", "warm_seconds"):
        monkeypatch.setattr(
            harness, name, lambda task: calls.append(task.key) or durations[task.key]
        )
    work = precision.Work(
        "w", [way("ours"), way("torchdiffeq odeint")], lambda: torch.ones(1), (1e-2, 1e-3), 1e-2
    )
    monkeypatch.setattr(precision, "SLOW_SECONDS", 3.5)
    points = {(p.way, p.tolerance): p for p in precision.measured(work, 5)}
    assert points["ours", 1e-3].ratio == 1.5
    assert points["ours", 1e-2].error == pytest.approx(0.1)
    assert points["torchdiffeq odeint", 1e-3].repeats == 3
    assert points["torchdiffeq odeint", 1e-2].repeats == 5
    assert calls[4:8] == calls[8:12]  # the rounds, after a warm-up


def test_a_warm_time_is_that_of_the_second_call(monkeypatch):
    calls = []
    monkeypatch.setattr(harness, "seconds", lambda work: work() or len(calls))
    assert harness.warm_seconds(lambda: calls.append(1)) == 2


def test_every_size_is_that_of_its_quantity_alone(monkeypatch):
    monkeypatch.setattr(growth, "NAMES", ("backprop",))
    seen = []
    monkeypatch.setattr(
        growth,
        "ways",
        lambda field, z0, t, adjoints: seen.append((*z0.shape, len(t))) or [],
    )
    for quantity in ("states", "numbers in a state", "output times"):
        assert list(growth.works(quantity, 7)) == []
    assert seen == [(7, 2, 100), (64, 7, 100), (64, 2, 7)]


def test_solves_on_a_grid_are_the_same_and_make_the_evaluations():
    start, found = START.clone(), {}
    tasks = dict(growth.works("evaluations", 40))
    counts = {}
    for name in ("backprop", "torchdiffeq odeint"):
        solver, field, _ = tasks[name].args
        hook = field.register_forward_hook(
            lambda *_, name=name: counts.update({name: counts.get(name, 0) + 1})
        )
        found[name] = growth.of_end(solver, field, start)
        hook.remove()
    assert counts == {"backprop": 40, "torchdiffeq odeint": 40}
    for one, other in zip(*found.values(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-3)


def test_operators_take_a_part_of_a_profiled_run():
    x = torch.randn(300, 300)
    calls, profiled, computing, memory = shares.shares(lambda: [(x @ x).clone() for _ in range(20)])
    assert calls >= 40
    assert profiled > computing + memory
    assert computing > memory > 0


def test_sizes_are_timed_in_turn(monkeypatch):
    calls = []
    monkeypatch.setattr(growth, "SIZES", {"states": (1, 8), "evaluations": (40,)})
    monkeypatch.setattr(
        growth,
        "works",
        lambda quantity, size: [("backprop", lambda: calls.append((quantity, size)))],
    )
    points = growth.measure(2)
    assert [(p.quantity, p.way, p.size) for p in points] == [
        ("states", "backprop", 1),
        ("states", "backprop", 8),
        ("evaluations", "backprop", 40),
    ]
    once = [("states", 1), ("states", 8), ("evaluations", 40)]
    twice = [key for key in once for _ in range(2)]  # each warmed up by one before
    assert calls == [*once, *twice, *twice]


def test_points_are_written_and_told(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "results", lambda: tmp_path)
    point = growth.Point("states", "backprop", 8, 1.5, 1.0, 2.0, 3)
    monkeypatch.setattr(harness, "run", lambda name, repeats: [point])
    result = CliRunner().invoke(cli.app, ["bench", "growth", "--record"])
    assert result.exit_code == 0, result.output
    assert "backprop" in result.output
    kept = json.loads((tmp_path / "bench" / "growth.json").read_text())
    assert kept["points"][0]["milliseconds"] == 1.5
    assert kept["ratios"] == []


def test_devices_are_compared_only_where_there_is_a_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(NodelibError, match='"devices" needs a GPU'):
        devices.measure(2)


@pytest.mark.parametrize("sizes", devices.FIELDS.values(), ids=list(devices.FIELDS))
def test_all_ways_find_the_gradient_that_devices_are_compared_by(sizes):
    field, z0 = Autonomous("tanh", *sizes), starts(64, sizes[0])
    found = {
        name: torch.cat([x.reshape(-1) for x in devices.waited(solver, field, z0)])
        for name, solver in devices.SOLVERS.items()
    }
    scale = found["backprop"].norm()
    assert 0 < scale < 1e6
    for other in found.values():
        assert (other - found["backprop"]).norm() < 0.02 * scale
