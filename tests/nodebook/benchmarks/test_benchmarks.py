import functools
import itertools
import json

import numpy as np
import pytest
import torch
import torchdiffeq
from typer.testing import CliRunner

from nodebook import cli, paths
from nodebook.benchmarks import diffrax_peer, harness
from nodebook.benchmarks.contests import compiled, guards, mnist
from nodebook.benchmarks.harness import Contest
from nodebook.evidence import results
from nodelib.errors import NodelibError, SolverError
from nodelib.ode.gradients import odeint


def test_both_sides_are_timed_in_turn_and_the_median_ratio_is_given(monkeypatch):
    order = []
    durations = itertools.cycle([2.0, 4.0])
    monkeypatch.setattr(harness, "seconds", lambda work: (work(), next(durations))[1])
    contest = Contest("c", "p", lambda: order.append("us"), lambda: order.append("them"))
    ratio = harness.measure(contest, repeats=5)
    assert order == ["us", "them"] * 6
    assert (ratio.ratio, ratio.low, ratio.high, ratio.ours_ms) == (0.5, 0.5, 0.5, 2000.0)


def test_the_interval_of_a_median_is_that_of_the_tables_and_holds_it_as_often():
    assert harness.median_interval(range(9, 0, -1)) == (2, 8)  # 96 % by Conover's table
    assert harness.median_interval([1.0, 3.0]) == (1.0, 3.0)
    draws = np.random.default_rng(0).exponential(size=(2000, 60))
    held = [low <= np.log(2) <= high for low, high in map(harness.median_interval, draws)]
    assert 0.94 < np.mean(held) < 0.98


def test_one_repeat_is_refused():
    with pytest.raises(NodelibError, match="at least 2 repeats"):
        harness.run("solve", 1)


def test_both_sides_of_the_solve_benchmark_compute_the_same():
    for contest in harness.importlib.import_module("nodebook.benchmarks.contests.solve").contests():
        torch.testing.assert_close(contest.ours().z, contest.theirs(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("printed", [False, True])
def test_both_sides_of_the_digits_benchmark_solve_the_same_network(monkeypatch, printed):
    exact = {**mnist.SOLVERS["ode-net"], "rtol": 1e-5, "atol": 1e-5}
    monkeypatch.setattr(mnist, "SOLVERS", {"ode-net": exact})
    ours, theirs = mnist.network({}), mnist.network({})
    theirs.body = mnist.Peer(torchdiffeq.odeint, theirs.body.f, printed=printed)
    images = torch.rand(3, 28, 28, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(ours(images), theirs(images), rtol=1e-3, atol=1e-3)
        maps = ours.maps(images)
    found, wanted = (
        mnist.gradient(network, maps, torch.tensor([1, 2, 3])) for network in (ours, theirs)
    )
    assert [g.shape for g in found] == [x.shape for x in (maps, *ours.body.parameters())]
    for one, other in zip(found, wanted, strict=True):
        assert float((one - other).norm() / one.norm()) < 0.1


def test_the_digits_benchmark_sets_every_mode_against_both_of_theirs():
    named = {(contest.name, contest.peer) for contest in mnist.contests()}
    assert len(named) == 16
    assert ("ODE block, adjoint", "torchdiffeq odeint_adjoint, printed field") in named


def test_the_compiled_benchmark_sets_compiled_solves_against_solves_of_the_same_network():
    contests = compiled.contests()
    assert "torchdiffeq odeint" in {contest.peer for contest in contests}
    for contest in contests:
        ours, theirs = contest.ours, contest.theirs
        assert ours.args[0].keywords == {"compile": True}
        if contest.peer.startswith("torchdiffeq"):
            assert ours.keywords == theirs.keywords
    theirs = next(contest.theirs for contest in contests if contest.peer == "torchdiffeq odeint")
    plain = compiled.gradient(odeint, **theirs.keywords)
    for one, other in zip(plain, theirs(), strict=True):
        assert float((one - other).norm() / one.norm()) < 0.05


@pytest.mark.skipif(diffrax_peer.version() is None, reason="diffrax is not installed")
def test_the_compiled_benchmark_gives_diffrax_the_same_problem():
    for contest in compiled.contests():
        if contest.peer == "diffrax, compiled" and contest.name.endswith(" 64"):
            in_z0, _ = contest.theirs()
            (wanted, *_) = compiled.gradient(odeint, **contest.ours.keywords)
            found = torch.tensor(in_z0.tolist())
            assert float((found - wanted).norm() / wanted.norm()) < 0.05


def test_both_sides_are_given_the_first_step():
    counts = {}
    maps = torch.rand(36, 2, 64, generator=torch.Generator().manual_seed(0))
    for contest in mnist.contests():
        if contest.name.endswith("first step 0.5"):
            field = contest.theirs.args[0].body.f
            hook = field.register_forward_hook(
                lambda *_, name=contest.peer: counts.update({name: counts.get(name, 0) + 1})
            )
            with torch.no_grad():
                contest.ours.args[0].body(maps)
                contest.theirs.args[0].body(maps)
            hook.remove()
            assert contest.ours.args[0].body.stats.nfe == 13
    plain, given = (f"torchdiffeq odeint, printed field{x}" for x in ("", ", first step 0.5"))
    assert counts[given] < counts[plain]


def test_a_fine_contest_is_run_in_one_thread_more_often_and_timed_by_the_processor(monkeypatch):
    monkeypatch.setattr(harness, "seconds", None)
    threads, seen = torch.get_num_threads(), []
    work = lambda: seen.append(torch.get_num_threads()) or sum(range(1000))  # noqa: E731
    ratio = harness.measure(Contest("c", "p", work, work, fine=True), repeats=3)
    assert seen == [1] * 26
    assert ratio.repeats == 12
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize("mode", ["checkpoint", "adjoint"])
def test_each_guard_is_really_gone_and_changes_nothing_but_the_cost(mode):
    field, z0 = guards.Network(), torch.ones(3, 2)
    work = functools.partial(guards.gradient, field, z0, 1.0, grad=mode, method="rk4")
    whole = work()
    for names in (*((name,) for name in guards.GUARDS), tuple(guards.GUARDS)):
        found = guards.unguarded(names, work)
        for mine, right in zip(found, whole, strict=True):
            torch.testing.assert_close(mine, right, rtol=1e-6, atol=1e-7)
    changing = lambda t, z: field(t, z.clamp_(-2, 2))  # noqa: E731
    with pytest.raises(SolverError, match="in place"):
        guards.odeint(changing, z0, [0.0, 1.0], grad=mode, params=field.parameters())
    with guards.without("copies and checks of values"):
        guards.odeint(changing, z0, [0.0, 1.0], grad=mode, params=field.parameters())


def test_an_unknown_benchmark_is_refused_with_the_known_ones():
    with pytest.raises(NodelibError, match=r"there are: .*solve"):
        harness.run("nonsense")


def test_the_report_is_written_as_json_and_kept_apart_from_recorded_runs(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "results", lambda: tmp_path / "results")
    target = tmp_path / "bench.json"
    result = CliRunner().invoke(
        cli.app, ["bench", "solve", "--json", str(target), "--record", "--repeats", "2"]
    )
    assert result.exit_code == 0, result.output
    report = json.loads(target.read_text())
    assert {r["peer"] for r in report["ratios"]} == {"torchdiffeq"}
    assert all(r["ratio"] > 0 for r in report["ratios"])
    assert not target.with_name("bench.json.part").exists()
    kept = json.loads((tmp_path / "results" / "bench" / "solve.json").read_text())
    assert kept["ratios"] == report["ratios"]
    assert kept["hardware"]["cpu"]
    assert kept["commit"]
    assert results.experiments() == []
