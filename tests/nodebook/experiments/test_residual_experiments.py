"""Chapter 01's recorded experiments: their parts against closed forms, and what the page says."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from nodebook.evidence import results
from nodebook.experiments.ch01_residual import (
    crossing,
    depth_limit,
    depth_training,
    euler_exponential,
    recurrent_sampling,
    uniqueness,
)
from nodelib import data
from nodelib.fields import VanDerPol
from nodelib.models.networks import member_weights
from nodelib.ode.solvers import solve
from nodelib.training import Recipe

# The exponential function


def test_euler_on_the_exponential_is_compound_interest():
    assert euler_exponential.euler(12) == pytest.approx((1 + 1 / 12) ** 12, rel=1e-13)
    assert euler_exponential.euler(12, last=12) == pytest.approx((1 + 1 / 12) ** 13, rel=1e-13)


def test_the_printed_range_of_eq_8_is_one_step_too_long_and_the_corrected_one_is_right():
    verdict = euler_exponential.grid_verdict(5)
    assert verdict["classification"] == "wrong"
    assert verdict["relative_error"] == pytest.approx(1 / 5)
    assert verdict["corrected_relative_error"] < 1e-14


def test_an_euler_step_agrees_with_the_taylor_series_to_first_order(monkeypatch):
    assert euler_exponential.taylor_order() == 1
    monkeypatch.setattr(euler_exponential, "euler_step", lambda h: 1 + h / 2)
    assert euler_exponential.taylor_order() == 0


def test_evaluations_are_the_fewest_that_reach_the_error():
    needed = euler_exponential.evaluations("euler", 0.1)
    assert abs(euler_exponential.euler(needed) / math.e - 1) <= 0.1
    assert abs(euler_exponential.euler(needed - 1) / math.e - 1) > 0.1
    assert euler_exponential.evaluations("rk4", 0.1) == 4


def test_single_precision_is_best_before_the_finest_grid_as_the_page_says():
    run = results.one("euler_exponential", "exponential")
    assert run.metric("finest.float32") < euler_exponential.COUNTS[-1]
    assert run.metric("error_after.float32") > run.metric("error_at_finest.float32")
    assert run.metric("finer_is_better.float64") == "always"
    for dtype, refuses in (("float32", True), ("float64", False)):
        errors = run.metric(f"accuracy.{dtype}")
        solved = [error for error in errors if error >= 0]
        assert (errors != solved) == refuses
        assert (solved[-1] > 10 * min(solved)) == refuses
    assert errors[-1] < 1e-15


# Depth as step count


def test_bits_are_compared_in_both_precisions():
    assert depth_limit.same_bits(5, torch.float32, (1, 7))
    assert depth_limit.same_bits(5, torch.float64, (1, 7))


def test_the_order_is_the_slope_of_the_error_above_rounding():
    assert depth_limit.order([n**-2.0 for n in depth_limit.DEPTHS]) == pytest.approx(2)
    assert depth_limit.order([max(n**-4.0, 1e-12) for n in depth_limit.DEPTHS]) == pytest.approx(4)


@pytest.mark.parametrize(
    ("winners", "word"),
    [
        (["euler"] * 8, "no"),
        (["rk4"] * 8, "always"),
        (["euler", "euler", *["rk4"] * 6], "except for the fewest evaluations"),
        (["rk4", "euler", *["rk4"] * 6], "no"),
    ],
)
def test_modern_methods_win_by_rule(winners, word):
    budgets = zip(depth_limit.BUDGETS, winners, strict=True)
    assert depth_limit.modern_wins({f"budget.{b}": winner for b, winner in budgets}) == word


def test_blocks_with_equal_weights_of_their_own_approach_the_exponential(monkeypatch):
    monkeypatch.setattr(torch, "randn", _first_draw_then_zero(torch.randn))
    near, nearer = depth_limit.own_weights(1, (50, 100))
    assert near / nearer == pytest.approx(2, rel=0.1)


def _first_draw_then_zero(randn):
    """Random numbers for the mean and the start, and zero noise afterwards."""
    calls = []

    def draw(*shape, **options):
        calls.append(shape)
        return randn(*shape, **options) * (1 if len(calls) <= 2 else 0)

    return draw


def test_euler_wins_with_the_fewest_evaluations_and_the_tried_grids_may_be_too_coarse():
    runs = results.read("depth_limit")
    tried = [run.history["curves"] for run in runs]
    for method, most in (("euler", 1000), ("midpoint", 2000)):
        assert {max(curves[method]["nfe"]) for curves in tried} == {most}
    reached = sum("nfe.midpoint.1e-06" in run.metrics for run in runs)
    assert len(runs) / 2 < reached < len(runs)


def test_flows_compose_and_independent_weights_average_out_as_the_page_says():
    runs = results.read("depth_limit")
    assert max(run.metric("composition") for run in runs) < 1e-10
    rates = [run.metric("own_weights.order") for run in runs]
    assert np.mean(rates) == pytest.approx(0.5, abs=0.1)


# Plain and residual networks


@pytest.fixture(scope="module")
def digits():
    mnist = data.mnist()
    return depth_training.Digits.of(mnist, slice(0, 600), slice(600, 800))


def test_digits_are_averaged_over_squares_and_standardised(digits):
    images, labels = digits.train
    assert images.shape == (600, 196)
    assert float(images.mean()) == pytest.approx(0, abs=1e-4)
    assert float(images.std()) == pytest.approx(1, abs=1e-4)
    raw = data.mnist().train_images[:600].astype(np.float32) / 255
    squares = raw.reshape(600, 14, 2, 14, 2).mean((2, 4)).reshape(600, 196)
    expected = (squares - squares.mean()) / squares.std(ddof=1)
    assert np.allclose(images.numpy(), expected, atol=1e-4)
    assert set(labels.tolist()) == set(range(10))


def test_a_short_training_learns_and_measures_what_it_keeps(digits, monkeypatch):
    monkeypatch.setattr(depth_training, "DEPTHS", (2, 4, 6))
    recipe = Recipe(25, 0.03, "one-cycle", clip=1.0)
    weights = {}
    for kind in depth_training.KINDS:
        for depth in depth_training.DEPTHS:
            network, history = depth_training.fit(kind, depth, [0, 1], digits, recipe)
            own = member_weights(network, 1)
            weights |= {f"{kind}.{depth}.{name}": value.half() for name, value in own.items()}
            if kind == "residual":
                assert history.of(1)[-5:].mean() < history.of(1)[:5].mean()
                again = depth_training.restored(weights, kind, depth)
                errors = [depth_training.errors(n, digits, "train")[-1] for n in (network, again)]
                assert errors[0] == errors[1] < 60
    metrics = depth_training.measures(weights, 1, digits)
    assert metrics["constructed.same"]
    assert metrics["constructed.train_error"] == metrics["train_error.plain.4"]
    errors = [metrics[f"train_error.plain.{d}"] for d in (2, 4, 6)]
    assert metrics["rise.plain"] == depth_training.rise(errors)
    assert metrics["gain.plain"] == errors[0] - min(errors[1:])


def test_gradients_before_training_vanish_bare_and_explode_plain_but_not_residual(digits):
    first = {
        kind: depth_training.gradients(kind, 64, 0, digits)[0] for kind in depth_training.KINDS
    }
    assert first["bare"] < 1e-15
    assert first["plain"] > 1e3
    assert 1e-2 < first["residual"] < 10


def test_a_rise_is_above_the_best_before_and_may_be_negative():
    assert depth_training.rise([5.0, 3.0, 4.0]) == 1.0
    assert depth_training.rise([5.0, 3.0, 2.0]) == -1.0


def test_a_course_is_told_in_words():
    assert depth_training.course([5, 4, 3]) == "falls"
    assert depth_training.course([5, 4, 4, 6]) == "falls, then stays, then rises"


def test_similarity_is_one_for_equal_matrices_and_zero_for_orthogonal_ones():
    same = torch.randn(1, 3, 3).expand(4, 3, 3)
    assert depth_training.similarity(same) == pytest.approx(1)
    assert depth_training.similarity(torch.eye(9).reshape(9, 3, 3)) == pytest.approx(0)


def test_plain_networks_degrade_and_residual_ones_do_not_as_the_page_says():
    runs = results.read("depth_training")
    for run in runs:
        assert run.metric("rise.plain") > 50
        assert run.metric("constructed.same")
        assert run.metric("train_error.residual.64") < 3
        assert run.metric("train_error.plain.64") > 50
        assert abs(run.metric("similarity_at_start.64")) < 0.1
        likeness = {d: run.metric(f"similarity.{d}") for d in depth_training.DEPTHS[2:]}
        assert all(0.3 < value < 0.8 for value in likeness.values())
        rates = {d: run.metric(f"rate.residual.{d}") for d in likeness}
        faster = [likeness[d] for d in likeness if rates[d] == max(rates.values())]
        slower = [likeness[d] for d in likeness if rates[d] < max(rates.values())]
        assert min(faster) > max(slower)
    train, test = (
        [
            np.mean([run.metric(f"{part}_error.residual.{depth}") for run in runs])
            for depth in depth_training.DEPTHS
        ]
        for part in ("train", "test")
    )
    assert all(np.diff(test) < 0)
    assert max(train[:5]) - min(train[:5]) < 0.2
    assert train[5] > train[0]
    shares = [run.metric("gradient.residual.64") for run in runs]
    assert max(shares) < 0.4
    assert 1e-28 < np.exp(np.mean(np.log([r.metric("gradient.bare.64") for r in runs]))) < 1e-26
    assert 2e4 < np.exp(np.mean(np.log([r.metric("gradient.plain.64") for r in runs]))) < 8e4


# Recurrent networks


def test_series_sample_the_oscillator_at_their_own_times():
    for sampling, count in (("same", 25), ("half", 50), ("double", 12), ("irregular", 25)):
        series = recurrent_sampling.trajectories(sampling, [0, 4], 3, part=1)
        assert series.gaps.shape == (2, 3, count)
        assert series.true.shape == (2, 3, count + 1, 2)
        places = 0.2 * torch.cat((torch.zeros(1), series.gaps[1, 2].cumsum(0))).double()
        start = series.true[1, 2, 0].double()
        with torch.no_grad():
            path = solve(VanDerPol(), start, places, rtol=1e-9, atol=1e-9).z
        assert torch.allclose(path.float(), series.true[1, 2], atol=1e-4)
        noise = series.noisy - series.true
        assert float(noise.std()) == pytest.approx(recurrent_sampling.NOISE, rel=0.3)
    low, high = float(series.gaps.min()), float(series.gaps.max())
    assert 0.25 <= low < 0.6
    assert 1.4 < high <= 1.75


def test_parts_and_seeds_are_drawn_separately():
    first, second = (recurrent_sampling.trajectories("same", [1], 2, part) for part in (0, 1))
    assert not torch.equal(first.true, second.true)
    both = recurrent_sampling.trajectories("same", [7, 1], 2, 0)
    assert torch.equal(both.true[1:], first.true)


def test_a_gru_cell_is_residual_to_rounding():
    assert recurrent_sampling.gru_error(3) < 1e-14


@pytest.mark.parametrize(
    ("rnn", "gap", "residual", "answer"),
    [
        (1.2, 9, 9, "yes"),
        (2, 1.2, 9, "with the intervals as input"),
        (2, 2, 1.2, "with the intervals as steps"),
        (2, 2, 2, "no"),
    ],
)
def test_the_answer_follows_its_rule(rnn, gap, residual, answer):
    errors = {"rnn": rnn, "rnn_gap": gap, "residual": residual, "ode": 1.0}
    metrics = {f"error.irregular.{kind}.irregular": value for kind, value in errors.items()}
    assert recurrent_sampling._answer(metrics) == answer


def test_the_clock_of_the_map_is_built_in_as_the_page_says():
    for run in results.read("recurrent_sampling"):
        assert run.metric("own_clock.half") < run.metric("error.regular.rnn.half") / 2
        assert run.metric("refined.order") == pytest.approx(1, abs=0.15)
        assert run.metric("refined_error.32") > run.metric("refined_error.1")
        same = run.metric("error.regular.ode.same")
        for sampling in ("half", "double", "irregular"):
            assert run.metric(f"error.regular.ode.{sampling}") == pytest.approx(same, rel=0.1)
        assert run.metric("answer") == "with the intervals as steps"
        residual, ode = (
            run.metric(f"error.irregular.{kind}.double") for kind in ("residual", "ode")
        )
        assert residual > ode


def test_the_trained_map_reads_as_euler_inwards_and_not_outwards_as_the_page_says():
    for run in results.read("recurrent_sampling"):
        same = run.metric("error.regular.rnn.same")
        assert run.metric("scaled.regular.rnn.half") < 1.25 * same
        assert run.metric("scaled.regular.rnn.double") > 2 * same
        assert run.metric("similar") == "all are"


# Existence and uniqueness


@pytest.mark.parametrize("name", uniqueness.EQUATIONS)
def test_the_closed_forms_solve_their_equations(name):
    equation, h = uniqueness.EQUATIONS[name], 1e-6
    for y in (0.05, 0.3):
        for t in (0.05, 0.15):
            slope = (equation.flow(y, t + h) - equation.flow(y, t - h)) / (2 * h)
            state = torch.tensor(equation.flow(y, t), dtype=torch.float64)
            assert slope == pytest.approx(float(equation.f(state)), rel=1e-4, abs=1e-6)


def test_five_fields_say_that_lipschitz_is_sufficient_and_not_necessary():
    run = results.one("uniqueness", "fields")
    assert [run.metric(f"lipschitz.{n}") for n in uniqueness.EQUATIONS] == [1, 1, 0, 0, 0]
    assert [run.metric(f"unique.{n}") for n in uniqueness.EQUATIONS] == [1, 1, 0, 1, 1]
    assert run.metric("condition") == "sufficient, not necessary"


def test_from_one_a_tiny_step_is_rounded_away_and_a_small_one_is_not():
    run = results.one("uniqueness", "fields")
    assert 1 + 1e-300 == 1 == uniqueness.EQUATIONS["blow_up"].start
    assert run.metric("spread.blow_up.300") == 0
    near, nearer = (run.metric(f"spread.blow_up.{k}") for k in (3, 10))
    assert near / nearer == pytest.approx(1e7, rel=0.02)


def test_conditions_are_named():
    assert uniqueness._condition(True, False) == "sufficient, not necessary"
    assert uniqueness._condition(True, True) == "sufficient and necessary"
    assert uniqueness._condition(False, True) == "necessary, not sufficient"
    assert uniqueness._condition(False, False) == "neither sufficient nor necessary"


def test_every_adaptive_solver_refuses_the_blow_up_and_none_notices_two_solutions():
    equation = uniqueness.EQUATIONS["blow_up"]
    for name in ("nodelib-dopri5", "torchdiffeq-dopri5", "scipy-rk45"):
        call = uniqueness.SOLVERS[name]
        assert "raised" in call(equation, 1.0, [0.0, 1.1]), name
        assert call(equation, 1.0, [0.0, 0.5])["value"] == pytest.approx(2, rel=1e-4), name
        two = uniqueness.EQUATIONS["two_solutions"]
        assert call(two, 0.0, [0.0, 1.0])["value"] == 0, name
        assert call(two, 1e-30, [0.0, 1.0])["value"] == pytest.approx(1, abs=1e-3), name


# Crossing


def test_no_increasing_map_is_nearer_than_the_bound_and_the_nearest_is_zero():
    x = crossing.points(201, torch.float64)
    bound = float(x.square().mean())
    zero = torch.zeros_like(x)
    assert float(crossing.loss(x, zero)) == pytest.approx(bound)
    for slope in (0.01, 0.5, 2.0):
        assert float(crossing.loss(x, slope * x)) > bound
    run = results.one("crossing", "negation", 3)
    assert run.metric("isotonic") == pytest.approx(run.metric("bound"))


def constant_field(matrix):
    matrix = torch.tensor(matrix)
    return lambda t, z: z @ matrix.T


def test_half_a_turn_in_the_plane_a_residual_block_and_three_euler_steps_negate():
    x = crossing.points(9)
    turn = constant_field([[0.0, -math.pi], [math.pi, 0.0]])
    assert torch.allclose(crossing.apply("augmented", turn, x, tight=True), -x, atol=1e-5)
    assert torch.allclose(crossing.apply("residual", constant_field([[-2.0]]), x), -x)
    assert torch.allclose(crossing.apply("euler", constant_field([[-6.0]]), x), -x, atol=1e-6)


def test_a_short_training_keeps_the_order_on_the_line_and_measures_what_it_keeps():
    recipe = Recipe(15, 0.03)
    weights = {}
    for model in crossing.MODELS:
        field, history = crossing.fit(model, [0, 1], recipe)
        assert history.of(0)[-1] < history.of(0)[0]
        own = member_weights(field, 0)
        weights |= {f"{model}.{name}": value for name, value in own.items()}
    metrics = crossing.measures(weights)
    assert metrics["increasing.flow"]
    assert metrics["increasing.timed"]
    assert metrics["loss.flow"] > metrics["bound"]


def test_flows_stay_above_the_bound_and_the_others_get_below_as_the_page_says():
    for run in results.read("crossing"):
        for model in ("flow", "timed"):
            assert run.metric(f"over_bound.{model}") > 0
            assert run.metric(f"increasing.{model}")
        for model in ("augmented", "residual", "euler"):
            assert run.metric(f"loss.{model}") < run.metric("bound") / 20
        assert run.metric("represents.flow") == "no"
        assert run.metric("represents.augmented") == "yes"
        assert run.metric("euler.as_flow") > run.metric("bound")


def test_verification_reads_weights_of_its_own_seed():
    recorded = results.one("crossing", "negation", 2)
    again = crossing.rederive(SimpleNamespace(tensors=recorded.tensors))
    assert again["loss.flow"] == pytest.approx(recorded.metric("loss.flow"), rel=1e-3)
