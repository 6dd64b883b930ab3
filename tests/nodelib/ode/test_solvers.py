import math

import numpy as np
import pytest
import torch
import torchdiffeq
from scipy.integrate import solve_ivp

from nodelib import fields
from nodelib.errors import SolverError
from nodelib.ode.solvers import solve
from nodelib.ode.steps import rms, runge_kutta_step
from nodelib.ode.tableaus import TABLEAUS

ALL = pytest.mark.parametrize("method", TABLEAUS)
ADAPTIVE = pytest.mark.parametrize("method", [m for m, tab in TABLEAUS.items() if tab.embedded])

PROBLEMS = {
    "spiral": (fields.LinearSpiral(), (2.0, 0.0), (0.0, 6.0)),
    "lotka_volterra": (fields.LotkaVolterra(), (1.0, 1.0), (0.0, 4.0)),
    "van_der_pol": (fields.VanDerPol(3.0), (2.0, 0.0), (0.0, 5.0)),
    "lorenz": (fields.Lorenz(), (1.0, 1.0, 20.0), (0.0, 1.5)),
    "forced": (fields.ForcedVanDerPol(), (1.2, -0.5), (0.3, 4.0)),
}
PROBLEM = pytest.mark.parametrize("problem", PROBLEMS)


def scipy_solution(field, z0, times):
    def rhs(t, z):
        with torch.no_grad():
            return field(torch.tensor(t, dtype=torch.float64), torch.from_numpy(z)).numpy()

    span = (times[0], times[-1])
    answer = solve_ivp(rhs, span, z0, t_eval=times, method="DOP853", rtol=1e-12, atol=1e-13)
    return torch.from_numpy(answer.y.T)


def double(values):
    return torch.tensor(values, dtype=torch.float64)


def decay(t, z):
    return -z


@PROBLEM
@ADAPTIVE
def test_adaptive_methods_agree_with_scipy(method, problem):
    field, z0, span = PROBLEMS[problem]
    times = np.linspace(*span, 6)
    tolerance = 1e-6 if method == "bosh3" else 1e-9
    with torch.no_grad():
        ours = solve(
            field, double(z0), double(times.tolist()), method=method, rtol=tolerance, atol=tolerance
        )
    reference = scipy_solution(field, z0, times)
    assert (ours.z - reference).abs().max() < 300 * tolerance * reference.abs().max()
    assert ours.stats.accepted > 5


@PROBLEM
def test_dopri5_agrees_with_torchdiffeq(problem):
    field, z0, span = PROBLEMS[problem]
    times = torch.linspace(*span, 4, dtype=torch.float64)
    tight = {"rtol": 1e-10, "atol": 1e-11}
    with torch.no_grad():
        ours = solve(field, double(z0), times, **tight).z
        theirs = torchdiffeq.odeint(field, double(z0), times, **tight)
    torch.testing.assert_close(ours, theirs, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize(
    ("ours", "theirs"), [("euler", "euler"), ("midpoint", "midpoint"), ("rk4_38", "rk4")]
)
def test_fixed_grids_equal_torchdiffeq_to_rounding(ours, theirs):
    field, z0, _ = PROBLEMS["forced"]
    times = torch.linspace(0.3, 2.0, 18, dtype=torch.float64)
    with torch.no_grad():
        mine = solve(field, double(z0), times, method=ours).z
        other = torchdiffeq.odeint(field, double(z0), times, method=theirs)
    torch.testing.assert_close(mine, other, rtol=1e-13, atol=1e-13)


def test_classic_rk4_is_not_what_torchdiffeq_calls_rk4():
    field, z0, _ = PROBLEMS["forced"]
    times = torch.linspace(0.3, 2.0, 18, dtype=torch.float64)
    with torch.no_grad():
        mine = solve(field, double(z0), times, method="rk4").z
        other = torchdiffeq.odeint(field, double(z0), times, method="rk4")
    assert 1e-9 < (mine - other).abs().max() < 1e-4


def observed_order(method, problem, num_steps):
    field, z0, span = PROBLEMS[problem]
    reference = scipy_solution(field, z0, np.array(span))[-1]
    errors = []
    for count in (num_steps, 2 * num_steps):
        with torch.no_grad():
            end = solve(field, double(z0), span, method=method, num_steps=count).z[-1]
        errors.append((end - reference).norm().item())
    return math.log2(errors[0] / errors[1])


@ALL
def test_error_falls_with_the_order_of_the_method_on_a_linear_field(method):
    steps = 400 if method == "euler" else 50
    assert abs(observed_order(method, "spiral", steps) - TABLEAUS[method].order) < 0.2


@ALL
def test_error_falls_at_least_with_the_order_on_a_nonlinear_time_dependent_field(method):
    # The fifth-order pairs have such small leading coefficients that the next order shows as well.
    order = TABLEAUS[method].order
    assert order - 0.15 < observed_order(method, "forced", 200) < order + 1.1


@ADAPTIVE
def test_error_follows_the_tolerance(method):
    field, z0, span = PROBLEMS["forced"]
    reference = scipy_solution(field, z0, np.array(span))[-1]
    errors, costs = [], []
    for tolerance in (1e-3, 1e-5, 1e-7):
        with torch.no_grad():
            got = solve(field, double(z0), span, method=method, rtol=tolerance, atol=tolerance)
        errors.append((got.z[-1] - reference).abs().max().item())
        costs.append(got.stats.nfe)
    assert errors[0] > 10 * errors[1] > 100 * errors[2]
    assert errors[2] < 1e-5
    assert costs == sorted(costs)


@ALL
def test_reverse_time_returns_to_the_start(method):
    field, z0, _ = PROBLEMS["forced"]
    grid = {} if TABLEAUS[method].embedded else {"num_steps": 4000 if method == "euler" else 500}
    with torch.no_grad():
        there = solve(field, double(z0), [0.3, 0.8, 2.0], method=method, **grid)
        back = solve(field, there.z[-1], [2.0, 0.8, 0.3], method=method, **grid)
    allowed = {"euler": 5e-3}.get(method, 1e-4 if TABLEAUS[method].order < 4 else 1e-6)
    assert (back.z.flip(0) - there.z).abs().max() < allowed


@ALL
def test_fixed_grid_costs_exactly_stages_times_steps(method):
    tableau = TABLEAUS[method]
    calls = []

    def counting(t, z):
        calls.append(float(t))
        return -z

    got = solve(counting, double([1.0]), [0.0, 1.0, 3.0], method=method, num_steps=7)
    assert got.stats.nfe == len(calls) == 14 * (tableau.stages - tableau.fsal)
    assert (got.stats.accepted, got.stats.rejected) == (14, 0)


@ADAPTIVE
def test_adaptive_cost_is_two_evaluations_and_then_the_new_stages_of_each_step(method):
    field, z0, span = PROBLEMS["van_der_pol"]
    stats = solve(field, double(z0), span, method=method, rtol=1e-4, atol=1e-4).stats
    assert stats.rejected > 0
    steps = stats.accepted + stats.rejected
    assert stats.nfe == 2 + steps * (TABLEAUS[method].stages - 1)
    given = solve(field, double(z0), span, method=method, rtol=1e-4, atol=1e-4, first_step=1e-3)
    steps = given.stats.accepted + given.stats.rejected
    assert given.stats.nfe == 1 + steps * (TABLEAUS[method].stages - 1)


@pytest.mark.parametrize("times", [[0.0, math.inf], [-math.inf, 0.0], [0.0, math.nan, 1.0]])
@pytest.mark.parametrize("kind", [list, torch.tensor, np.array])
def test_times_that_are_not_finite_are_refused(times, kind):
    with pytest.raises(SolverError, match="The times t hold NaN or Inf"):
        solve(decay, double([1.0]), kind(times))


def test_the_first_step_may_be_chosen_by_a_norm_of_its_own():
    field, z0, span = PROBLEMS["van_der_pol"]
    asked = []

    def steeper(x):
        asked.append(x)
        return 1e4 * rms(x)

    settings = {"rtol": 1e-4, "atol": 1e-4, "record_steps": True}
    own = solve(field, double(z0), span, **settings).steps[0].dt
    other = solve(field, double(z0), span, first_norm=steeper, **settings).steps[0].dt
    assert 0 < other < own / 5
    assert len(asked) == 3  # of the state, of its slope, of how that changes


def test_step_size_is_an_upper_bound_and_every_interval_is_cut_evenly():
    got = solve(
        decay, double([1.0]), [0.0, 1.0, 1.25], method="rk4", step_size=0.3, record_steps=True
    )
    assert [step.interval for step in got.steps] == [0, 0, 0, 0, 1]
    assert [step.dt for step in got.steps] == pytest.approx([0.25] * 5)
    assert 2.1 / 0.3 > 7
    exact = solve(decay, double([1.0]), [0.0, 2.1], method="rk4", step_size=0.3)
    assert exact.stats.accepted == 7


def test_recorded_steps_redo_the_solve():
    field, z0, span = PROBLEMS["forced"]
    got = solve(field, double(z0), [0.3, 1.0, 4.0], record_steps=True, land=True)
    assert len(got.steps) == got.stats.accepted
    assert sorted({step.interval for step in got.steps}) == [0, 1]
    last = got.steps[-1]
    redone, _ = runge_kutta_step(field, TABLEAUS["dopri5"].without_error, last.t, last.dt, last.z)
    torch.testing.assert_close(redone, got.z[-1], rtol=1e-14, atol=1e-14)
    assert not solve(field, double(z0), span).steps


@ALL
@pytest.mark.parametrize("shape", [(), (3,), (2, 3, 4), (0,)])
def test_states_may_have_any_shape(method, shape):
    z0 = torch.rand(shape, dtype=torch.float64)
    got = solve(decay, z0, [0.0, 0.5, 1.0], method=method, step_size=1e-3)
    assert got.z.shape == (3, *shape)
    torch.testing.assert_close(got.z[-1], z0 * math.exp(-1), rtol=1e-3, atol=0)


@ALL
def test_float32_stays_float32(method):
    seen = set()

    def field(t, z):
        seen.add((t.dtype, z.dtype, t.ndim))
        return -z + torch.sin(t)

    times = torch.linspace(0, 2, 5, dtype=torch.float64)
    got = solve(field, torch.ones(3), times, method=method, step_size=None, num_steps=None)
    assert got.z.dtype == torch.float32
    assert seen == {(torch.float32, torch.float32, 0)}
    if TABLEAUS[method].embedded:
        exact = 1.5 * torch.exp(-times) + (torch.sin(times) - torch.cos(times)) / 2
        assert (got.z[:, 0] - exact).abs().max() < 2e-6


def test_float32_states_take_the_gradient_of_float64_times():
    times = torch.tensor([0.0, 1.0], dtype=torch.float64, requires_grad=True)
    seen = set()

    def field(t, z):
        seen.add(t.dtype)
        return z * t

    end = solve(field, torch.ones(2), times, rtol=1e-5, atol=1e-6).z[-1]
    assert seen == {end.dtype} == {torch.float32}
    (gradient,) = torch.autograd.grad(end[0], times)
    assert gradient.dtype == torch.float64
    torch.testing.assert_close(gradient[1].item(), math.exp(0.5), rtol=1e-4, atol=0)


def test_one_output_time_gives_back_the_state_at_no_cost():
    got = solve(decay, double([1.0, 2.0]), [3.0])
    assert got.z.tolist() == [[1.0, 2.0]]
    assert got.stats.nfe == 0


def test_output_does_not_depend_on_the_other_requested_times():
    field, z0, _ = PROBLEMS["forced"]
    few = solve(field, double(z0), [0.3, 4.0]).z[-1]
    many = solve(field, double(z0), torch.linspace(0.3, 4.0, 50, dtype=torch.float64)).z[-1]
    assert (few - many).abs().max() < 1e-6


@pytest.mark.parametrize("ends", [(0.0, 1e-3), (1e-3, 0.0)])
def test_the_field_is_never_asked_outside_the_interval(ends):
    asked = []

    def field(t, z):
        asked.append(float(t))
        return torch.zeros_like(z)

    solve(field, double([1.0]), ends)
    assert min(asked) >= 0.0
    assert max(asked) <= 1e-3


def test_the_first_step_suits_the_tolerance():
    got = solve(decay, double([1.0]), [0.0, 5.0], record_steps=True)
    assert 0.01 < got.steps[0].dt < 0.2
    assert got.stats.rejected == 0


def test_landing_on_close_output_times_does_not_shrink_later_steps():
    plain = solve(decay, double([1.0]), [0.0, 5.0]).stats
    crowded = solve(decay, double([1.0]), [0.0, 1.0, 1.0 + 1e-9, 5.0]).stats
    assert crowded.accepted < plain.accepted + 6


def end_of_forced(method, **grid):
    field = fields.ForcedVanDerPol()

    def end(z0, theta, t):
        def moved(time, z):
            return torch.func.functional_call(field, {"theta": theta}, (time, z))

        return solve(moved, z0, t, method=method, **grid).z[1:]

    inputs = (double([1.2, -0.5]), double([0.6, 0.8]), double([0.3, 0.9, 1.4]))
    return end, tuple(x.requires_grad_() for x in inputs)


@ALL
def test_backpropagation_on_a_fixed_grid_agrees_with_finite_differences(method):
    end, inputs = end_of_forced(method, num_steps=3)
    assert torch.autograd.gradcheck(end, inputs, rtol=1e-6, atol=1e-8)


@ADAPTIVE
def test_backpropagation_through_adaptive_steps_is_that_of_the_solution(method):
    end, inputs = end_of_forced(method, rtol=1e-6, atol=1e-7)
    reference, _ = end_of_forced("rk4", num_steps=200)
    got = torch.autograd.grad(end(*inputs).square().sum(), inputs)
    wanted = torch.autograd.grad(reference(*inputs).square().sum(), inputs)
    for mine, right in zip(got, wanted, strict=True):
        assert (mine - right).abs().max() < 1e-4 * right.abs().max()


def test_steps_carry_no_gradient_of_the_step_control():
    field = fields.ForcedVanDerPol()
    got = solve(field, double([1.2, -0.5]).requires_grad_(), [0.3, 1.0], record_steps=True)
    assert all(isinstance(step.dt, float) for step in got.steps)
    assert not any(step.z.requires_grad for step in got.steps)


def test_a_field_of_the_wrong_shape_is_refused():
    with pytest.raises(SolverError, match=r"shape \(2, 1\).*state has shape \(2,\)"):
        solve(lambda t, z: z[:, None], double([1.0, 2.0]), [0.0, 1.0])


def test_a_field_of_the_wrong_dtype_is_refused():
    with pytest.raises(SolverError, match=r"torch.float32.*torch.float64"):
        solve(lambda t, z: z.float(), double([1.0]), [0.0, 1.0])


def test_a_field_that_returns_no_tensor_is_refused():
    with pytest.raises(SolverError, match="returned tuple"):
        solve(lambda t, z: (z,), double([1.0]), [0.0, 1.0])


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@ALL
def test_a_field_that_is_not_finite_is_refused(method, bad):
    with pytest.raises(SolverError, match=r"t = 0 .*returned NaN or Inf.*[Bb]ound the field"):
        solve(lambda t, z: z * bad, double([1.0]), [0.0, 1.0], method=method)


def test_a_field_that_stops_being_finite_ends_in_a_clear_message():
    with pytest.raises(SolverError, match=r"Step underflow at t = 0\.5.*not finite"):
        solve(lambda t, z: z * torch.sqrt(0.5 - t), double([1.0]), [0.0, 1.0])


@ADAPTIVE
def test_blow_up_names_time_step_norm_and_remedy(method):
    with pytest.raises(
        SolverError, match=r"underflow at t = 0\.500*[1-9]*: dt = .* norm of z went from 2 at t = 0"
    ):
        solve(lambda t, z: z**2, double([2.0]), [0.0, 1.0], method=method, rtol=1e-4, atol=1e-4)


def test_overflow_on_a_fixed_grid_is_refused():
    with pytest.raises(SolverError, match=r"returned NaN or Inf|overflowed"):
        solve(lambda t, z: z**3, double([10.0]), [0.0, 9.0], method="rk4", num_steps=30)


def test_overflow_of_a_bounded_field_is_refused():
    def steep(t, z):
        return torch.full_like(z, 1e37)

    with pytest.raises(SolverError, match="overflowed"):
        solve(steep, torch.zeros(1), [0.0, 90.0], method="euler", num_steps=3)
    with pytest.raises(SolverError, match=r"(underflow|used up) at t = 34\.0"):
        solve(steep, torch.zeros(1), [0.0, 90.0], max_steps=500)


def test_a_stiff_field_ends_at_the_step_budget():
    calls = []

    def stiff(t, z):
        calls.append(t)
        return -1e8 * (z - torch.cos(t))

    with pytest.raises(SolverError, match=r"max_steps = 50 used up at t = .*loosen"):
        solve(stiff, double([0.0]), [0.0, 1.0], max_steps=50)
    assert len(calls) == 2 + 6 * 50


def test_a_fixed_grid_over_budget_is_refused_before_it_starts():
    with pytest.raises(SolverError, match="10000000 steps, more than max_steps = 10000"):
        solve(decay, double([1.0]), [0.0, 1.0], step_size=1e-7)


@pytest.mark.parametrize(
    "times",
    [[0.0, 1.0, 1.0], [0.0, 1.0, 0.5], [1.0, 0.0, 0.5], [0.0, 0.0]],
)
def test_times_out_of_order_are_refused(times):
    with pytest.raises(SolverError, match="strictly increasing or strictly decreasing"):
        solve(decay, double([1.0]), times)


@pytest.mark.parametrize(
    ("times", "message"),
    [([], "shape"), ([[0.0, 1.0]], "shape"), ([0.0, math.nan], "NaN"), ([0.0, math.inf], "Inf")],
)
def test_times_of_the_wrong_kind_are_refused(times, message):
    with pytest.raises(SolverError, match=message):
        solve(decay, double([1.0]), times)


@pytest.mark.parametrize(
    ("z0", "message"),
    [
        (torch.tensor([1, 2]), "float32 or float64 tensor, not torch.int64"),
        ([1.0], "not list"),
        (torch.tensor([math.nan]), "z0 holds NaN"),
    ],
)
def test_states_of_the_wrong_kind_are_refused(z0, message):
    with pytest.raises(SolverError, match=message):
        solve(decay, z0, [0.0, 1.0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"method": "rk5"}, "Known methods: euler"),
        ({"rtol": -1.0}, "rtol must be finite and at least 0, not -1"),
        ({"atol": 0.0}, "atol must be"),
        ({"first_step": 0.0}, "first_step must be"),
        ({"step_size": -0.1}, "step_size must be"),
        ({"num_steps": 0}, "num_steps must be"),
        ({"num_steps": 2.5}, "whole number"),
        ({"step_size": 0.1, "num_steps": 3}, "not both"),
    ],
)
def test_unusable_arguments_are_refused(arguments, message):
    with pytest.raises(SolverError, match=message):
        solve(decay, double([1.0]), [0.0, 1.0], **arguments)
