"""Chapter 03's recorded experiments: rules, problems, and parts of them derived again."""

import importlib.util
from types import SimpleNamespace

import pytest
import torch

from nodebook.benchmarks import diffrax_peer
from nodebook.benchmarks.differentiation import WAYS, differentiate, relative_error
from nodebook.benchmarks.growth import growth
from nodebook.evidence import results, verification
from nodebook.experiments.ch03_gradients import (
    backward_evaluations,
    gradient_errors,
    gradient_libraries,
    gradient_memory,
    reconstruction,
)
from nodelib.errors import SolverError


def test_growth_is_told_from_the_last_decade():
    counts = (1, 10, 100)
    assert growth(counts, (5, 5, 5)) == "constant"
    assert growth(counts, (90, 20, 200)) == "linear"
    assert growth(counts, (1, 10, 1000)) == "between"


def test_bytes_kept_at_few_steps_derive_again():
    run = results.one("gradient_memory", "network")
    kept = gradient_memory.kept_at_steps(0, steps=(10, 30))
    for way, amounts in kept.items():
        assert amounts == [run.metric(f"kept.{way}.{n}") for n in (10, 30)]


def test_euler_gradients_are_of_first_order_and_runge_kutta_of_fourth():
    run = results.one("gradient_errors", "steps", 1)
    for method, order in (("euler", 1), ("midpoint", 2), ("rk4", 4)):
        for which in ("discrete", "continuous", "apart"):
            assert run.metric(f"{method}.order.{which}") == pytest.approx(order, abs=0.35)


def test_errors_of_the_deck_derive_again():
    run = results.one("gradient_errors", "deck", 2)
    problem = gradient_errors.deck_problem(2)
    true = gradient_errors.true_gradients(problem)
    for name in ("as_printed", "corrected"):
        found = gradient_errors.deck_gradients(problem, as_printed=name == "as_printed")
        for entry in true:
            error = relative_error(found[entry], true[entry])
            assert error == pytest.approx(run.metric(f"{name}.{entry}"), rel=1e-6)


def test_metrics_at_the_level_of_rounding_are_not_derived_again(monkeypatch):
    metrics = {"float64.adjoint.1e-12": 1e-13, "float32.adjoint.1e-03": 1e-6, "best.float64": 1e-3}
    monkeypatch.setitem(gradient_errors.METRICS, "linear", lambda seed: metrics)
    recorded = SimpleNamespace(variant="linear", seed=0, metrics=metrics)
    assert gradient_errors.rederive_all(recorded) == {"best.float64": 1e-3}


@pytest.mark.parametrize("variant", ["linear", "steps"])
def test_a_part_of_the_errors_is_what_all_of_them_hold(variant):
    recorded = results.one("gradient_errors", variant, 0)
    part = gradient_errors.rederive(recorded)
    assert 10 < len(part) < len(recorded.metrics)
    assert all(recorded.metrics[name] == pytest.approx(x, rel=0.5) for name, x in part.items())
    assert not any(word in name for name in part for word in ("best", "order", "1e-12", "640"))


def test_order_of_an_error_is_its_slope():
    errors = [3 * n**-2.0 for n in gradient_errors.STEPS]
    assert gradient_errors.order(errors) == pytest.approx(2)


def test_a_harmless_system_is_found_again_and_a_stiff_one_is_not():
    z0 = reconstruction.start("harmless", 0)
    assert reconstruction.round_trip("harmless", 2.0, z0)["backward"] < 1e-4
    trip = reconstruction.round_trip("stiff", 0.5, reconstruction.start("stiff", 0))
    assert trip["forward"] < 1e-6
    assert trip["backward"] > 1e-3


def test_a_solve_that_fails_counts_as_lost():
    z0 = reconstruction.start("stiff", 0)
    wanted = reconstruction.true_gradient("stiff", 1.0, z0)
    lost = reconstruction.gradient_error("adjoint", "stiff", 1.0, z0, wanted)
    kept = reconstruction.gradient_error("checkpoint", "stiff", 1.0, z0, wanted)
    assert lost == reconstruction.LOST
    assert kept < 1e-5
    problem_field = reconstruction.CASES["stiff"].field()
    t = torch.tensor([0.0, 1.0]).double()
    with pytest.raises(SolverError):
        differentiate(
            "adjoint", problem_field, z0, t, reconstruction.half_norm, rtol=1e-6, atol=1e-6
        )


def test_stored_states_give_the_digits_back():
    z0 = reconstruction.start("stiff", 1)
    wanted = reconstruction.true_gradient("stiff", 0.5, z0)
    one, eight = (
        reconstruction.gradient_error("adjoint", "stiff", 0.5, z0, wanted, intervals=k)
        for k in (1, 8)
    )
    assert one > 100 * eight


def test_initial_states_of_other_seeds_are_near():
    for name in reconstruction.CASES:
        first, other = reconstruction.start(name, 0), reconstruction.start(name, 3)
        assert 0 < float((first - other).norm() / first.norm()) < 0.1


def test_evaluations_at_one_tolerance_derive_again():
    run = results.one("backward_evaluations", "nonlinear", 1)
    problem = backward_evaluations.problem("nonlinear", 1)
    for way in backward_evaluations.NAMES:
        found = backward_evaluations.gradients(way, problem, rtol=1e-4, atol=1e-4)
        assert found.nfe_forward == run.metric(f"forward.{way}.1e-04")
        assert found.nfe_backward == run.metric(f"backward.{way}.1e-04")


def test_the_fit_brings_the_error_down():
    fit = backward_evaluations.fit_spiral(0, steps=60)
    assert fit.after < fit.before / 5


def test_libraries_give_the_same_gradient():
    for variant in gradient_libraries.VARIANTS:
        problem = gradient_libraries.problem(variant, 1)
        functions = gradient_libraries.gradient_functions(problem)
        reference = differentiate("checkpoint", *problem.parts, rtol=1e-10, atol=1e-10).vector()
        assert set(WAYS) <= set(functions)
        for way, function in functions.items():
            assert relative_error(function(), reference) < 1e-3, way


def test_recorded_errors_of_the_libraries_derive_again():
    run = results.one("gradient_libraries", "nonlinear", 0)
    got = gradient_libraries.rederive(run)
    kept = {name: run.metrics[name] for name in got}
    assert not verification.compare(kept, got, gradient_libraries.TOLERANCE)


def test_ratios_are_medians_of_turns_and_the_peer_has_one():
    taken = {gradient_libraries.PEER: [1.0, 2.0, 4.0], "other": [3.0, 2.0, 2.0]}
    assert gradient_libraries.ratios(taken) == {gradient_libraries.PEER: 1.0, "other": 1.0}


def test_diffrax_is_left_out_where_it_is_not_installed(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert diffrax_peer.version() is None
    problem = gradient_libraries.problem("nonlinear", 0)
    assert set(gradient_libraries.gradient_functions(problem)) == set(WAYS)
