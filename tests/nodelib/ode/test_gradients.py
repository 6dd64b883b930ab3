import functools
import inspect
import math

import pytest
import torch
from ode_problems import PROBLEMS, TIGHT, disagreement, double, end_of, gradients, problem
from torch import nn

import nodelib
from nodebook.benchmarks.contests import gradients as benchmark
from nodebook.documents.formulas.system import Inputs, complex_step_gradients
from nodebook.documents.formulas.system import loss as system_loss
from nodelib import fields
from nodelib.errors import SolverError
from nodelib.ode.gradients import MODES, integrate, odeint
from nodelib.ode.tableaus import TABLEAUS

MODE = pytest.mark.parametrize("mode", MODES)
OWN = pytest.mark.parametrize("mode", ["checkpoint", "adjoint"])
ALL = pytest.mark.parametrize("method", TABLEAUS)
ADAPTIVE = pytest.mark.parametrize("method", [m for m, tab in TABLEAUS.items() if tab.embedded])

#: Steps per interval and tolerance at which the continuous adjoint, which is not the derivative of
#: the discrete solve, is close enough to it to be told from a wrong one.
ADJOINT_GRIDS = {
    "euler": (300, 1e-2),
    "midpoint": (60, 1e-3),
    "heun": (60, 1e-3),
    "rk4": (12, 1e-5),
    "rk4_38": (12, 1e-5),
    "bosh3": (20, 1e-4),
    "dopri5": (10, 1e-6),
    "tsit5": (10, 1e-6),
}


@pytest.mark.parametrize("mode", ["backprop", "checkpoint"])
@ALL
def test_gradcheck_on_a_fixed_grid(method, mode):
    solved, inputs = end_of(mode, method=method, options={"num_steps": 3})
    assert torch.autograd.gradcheck(solved, inputs, rtol=1e-6, atol=1e-8)


@ALL
def test_gradcheck_of_the_continuous_adjoint_within_the_error_of_the_grid(method):
    steps, tolerance = ADJOINT_GRIDS[method]
    solved, inputs = end_of("adjoint", method=method, options={"num_steps": steps})
    assert torch.autograd.gradcheck(solved, inputs, rtol=tolerance, atol=tolerance)


@MODE
@ADAPTIVE
def test_gradcheck_with_adaptive_steps(method, mode):
    # The finite differences see the error of the solver divided by their step.
    tolerance, allowed = (1e-7, 1e-3) if method == "bosh3" else (1e-10, 1e-5)
    solved, inputs = end_of(mode, method=method, rtol=tolerance, atol=tolerance)
    assert torch.autograd.gradcheck(solved, inputs, eps=1e-3, rtol=allowed, atol=allowed)


@MODE
@pytest.mark.parametrize("weights", [(0, 0, 0, 1), (0.5, -1, 0.7, 1), (1, 0, 0, 0), (0, 2, 0, 0)])
def test_gradients_of_losses_at_any_outputs_are_those_of_complex_steps(mode, weights):
    exact = complex_step_gradients(Inputs(), (0.3, 0.8, 1.4, 2.0), weights)
    field, z0, _ = problem("forced")
    t = double([0.3, 0.8, 1.4, 2.0]).requires_grad_()

    def loss(z):
        return (double(weights) * system_loss(z)).sum()

    got = gradients(odeint, field, z0, t, loss, grad=mode, options={"land": True}, **TIGHT)
    for mine, right in zip(got, (exact["z0"], exact["times"], exact["theta"]), strict=True):
        torch.testing.assert_close(mine, right, rtol=1e-9, atol=1e-10)


@OWN
def test_one_output_time_hands_the_gradient_straight_on(mode):
    field, z0, _ = problem("forced")
    t = double([0.3]).requires_grad_()
    z = odeint(field, z0, t, grad=mode)
    assert z.shape == (1, 2)
    z0_grad, t_grad, theta_grad = torch.autograd.grad(z, (z0, t, field.theta), double([[2.0, 3.0]]))
    assert z0_grad.tolist() == [2.0, 3.0]
    assert t_grad.tolist() == [0.0]
    assert theta_grad.tolist() == [0.0, 0.0]


@OWN
def test_a_loss_at_the_first_output_costs_no_backward_step(mode):
    field, z0, t = problem("forced")
    solution = integrate(field, z0, t.detach(), grad=mode)
    solution.z[0].sum().backward()
    assert z0.grad.tolist() == [1.0, 1.0]
    assert field.theta.grad.tolist() == [0.0, 0.0]
    assert solution.backward[0].nfe == 0


@OWN
def test_nothing_behind_the_last_output_of_the_loss_is_redone(mode):
    field, z0, t = problem("forced")
    costs = []
    for output in (1, 2):
        solution = integrate(field, z0, t.detach(), grad=mode)
        solution.z[output].sum().backward()
        costs.append(solution.backward[0].nfe)
    assert 0 < costs[0] < 0.7 * costs[1]


@MODE
def test_every_sample_of_a_batch_gets_the_gradient_it_gets_alone(mode):
    grid = {"method": "rk4", "options": {"num_steps": 20}, "grad": mode}
    field, _, t = problem("forced")
    generator = torch.Generator().manual_seed(0)
    batch = torch.randn(2, 3, 2, generator=generator, dtype=torch.float64).requires_grad_()
    together = gradients(odeint, field, batch, t, lambda z: z.sin().sum(), **grid)
    t_sum, theta_sum = torch.zeros(3), torch.zeros(2)
    for place in ((i, j) for i in range(2) for j in range(3)):
        one = batch[place].detach().requires_grad_()
        alone = gradients(odeint, field, one, t, lambda z: z.sin().sum(), **grid)
        torch.testing.assert_close(alone[0], together[0][place], rtol=1e-12, atol=1e-13)
        t_sum, theta_sum = t_sum + alone[1], theta_sum + alone[2]
    torch.testing.assert_close(t_sum, together[1], rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(theta_sum, together[2], rtol=1e-12, atol=1e-12)


@MODE
@pytest.mark.parametrize("shape", [(), (1,), (2, 0), (2, 1, 3)])
def test_states_of_any_shape_get_gradients_of_their_shape(mode, shape):
    rate, z0 = double(-0.7).requires_grad_(), torch.ones(shape, dtype=torch.float64)
    z = odeint(lambda t, z: rate * z, z0.requires_grad_(), [0.0, 1.0], grad=mode, params=[rate])
    z0_grad, rate_grad = torch.autograd.grad(z[-1].sum(), (z0, rate))
    decayed = math.exp(-0.7)
    torch.testing.assert_close(z0_grad, torch.full(shape, decayed).double(), rtol=1e-7, atol=0)
    torch.testing.assert_close(rate_grad.item(), decayed * z0.numel(), rtol=1e-7, atol=0)


@MODE
def test_fields_that_ignore_time_the_state_or_both(mode):
    speed = double([2.0, -1.0]).requires_grad_()
    z0, t = double([1.0, 1.0]).requires_grad_(), double([1.0, 3.0]).requires_grad_()
    solve = functools.partial(odeint, grad=mode, params=[speed])
    for field, wanted in (
        (lambda t, z: speed * t, ([1, 1], [-1.0, 3.0], [4, 4])),
        (lambda t, z: speed, ([1, 1], [-1.0, 1.0], [2, 2])),
        (lambda t, z: speed.detach() * t, ([1, 1], [-1.0, 3.0], [0, 0])),
        (lambda t, z: torch.ones_like(z), ([1, 1], [-2.0, 2.0], [0, 0])),
    ):
        got = torch.autograd.grad(
            solve(field, z0, t)[-1].sum(), (z0, t, speed), allow_unused=True, materialize_grads=True
        )
        for mine, right in zip(got, wanted, strict=True):
            torch.testing.assert_close(mine, double(right).to(mine), rtol=1e-9, atol=1e-9)


@MODE
def test_only_what_requires_a_gradient_gets_one(mode):
    field, z0, t = problem("quadratic")
    field.damping.requires_grad_(False)
    odeint(field, z0.detach(), t.detach(), grad=mode)[-1].sum().backward()
    assert (z0.grad, t.grad, field.damping.grad, field.sign.grad) == (None,) * 4
    everything = gradients(odeint, problem("quadratic")[0], z0, t, lambda z: z[-1].sum())
    assert disagreement([field.pair.grad], [everything[2]]) < 1e-6


@MODE
def test_nothing_is_recorded_where_no_gradient_is_wanted(mode):
    field, z0, t = problem("forced")
    with torch.no_grad():
        assert not odeint(field, z0, t, grad=mode).requires_grad
    field.requires_grad_(False)
    plain = odeint(field, z0.detach(), t.detach(), grad=mode)
    assert not plain.requires_grad
    assert plain.grad_fn is None


@MODE
def test_a_second_call_and_a_second_backward_reuse_nothing_stale(mode):
    field, z0, t = problem("forced")
    first = gradients(odeint, field, z0, t, grad=mode, **TIGHT)
    z = odeint(field, z0, t, grad=mode, **TIGHT)
    twice = [
        torch.autograd.grad(z.square().sum(), (z0, t, field.theta), retain_graph=True)
        for _ in range(2)
    ]
    assert all(torch.equal(a, b) for a, b in zip(*twice, strict=True))
    with torch.no_grad():
        field.theta += 0.1
        z0 -= 0.2
    changed = gradients(odeint, field, z0, t, grad=mode, **TIGHT)
    fresh = fields.ForcedVanDerPol(field.theta.detach())
    wanted = gradients(odeint, fresh, z0.detach().requires_grad_(), t, grad="backprop", **TIGHT)
    assert disagreement(changed, wanted) < 1e-8
    assert disagreement(first, wanted) > 1e-2


@OWN
def test_parameters_changed_in_place_before_the_backward_pass_are_noticed(mode):
    field, z0, t = problem("forced")
    z = odeint(field, z0, t, grad=mode)
    with torch.no_grad():
        field.theta += 0.1
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.sum().backward()


@MODE
def test_parameters_may_be_frozen_between_the_passes(mode):
    field, z0, t = problem("quadratic")
    wanted = gradients(odeint, field, z0, t, lambda z: z[-1].sum(), grad=mode)
    z = odeint(field, z0, t, grad=mode)
    field.pair.requires_grad_(False)
    z[-1].sum().backward()
    found = (z0.grad, t.grad, field.damping.grad)
    for mine, right in zip(found, (wanted[0], wanted[1], wanted[3]), strict=True):
        torch.testing.assert_close(mine, right, rtol=1e-6, atol=1e-9)


@OWN
def test_second_derivatives_are_refused_rather_than_wrong(mode):
    field, z0, t = problem("forced")
    with pytest.raises(SolverError, match='grad="backprop" only'):
        torch.autograd.grad(odeint(field, z0, t, grad=mode).sum(), z0, create_graph=True)


def test_backpropagation_gives_second_derivatives():
    field, z0, t = problem("forced")
    (once,) = torch.autograd.grad(
        odeint(field, z0, t, grad="backprop")[-1].sum(), z0, create_graph=True
    )
    (twice,) = torch.autograd.grad(once.sum(), z0)
    moved = [
        gradients(odeint, field, (z0 + h).detach().requires_grad_(), t, lambda z: z[-1].sum())[0]
        for h in (1e-4, -1e-4)
    ]
    torch.testing.assert_close(twice, (moved[0] - moved[1]) / 2e-4, rtol=1e-4, atol=1e-4)


@MODE
def test_gradients_in_float32_are_float32_and_close(mode):
    field, z0, t = problem("network")
    exact = gradients(odeint, field, z0, t, grad=mode, **TIGHT)
    field, z0 = field.float(), z0.detach().float().requires_grad_()
    got = gradients(odeint, field, z0, t, grad=mode, rtol=1e-5, atol=1e-6)
    assert [x.dtype for x in got] == [torch.float32, torch.float64] + [torch.float32] * 4
    assert disagreement([x.double() for x in got], exact) < 1e-4


@MODE
def test_times_in_lower_precision_than_the_state_do_not_spoil_it(mode):
    field, z0, _ = problem("forced")
    t = torch.tensor([0.25, 0.75, 1.5], requires_grad=True)
    got = gradients(odeint, field, z0, t, grad=mode, **TIGHT)
    assert got[1].dtype == torch.float32
    wide = gradients(odeint, field, z0, t.detach().double().requires_grad_(), grad=mode, **TIGHT)
    assert disagreement([got[0], got[2]], [wide[0], wide[2]]) < 1e-11
    assert disagreement([got[1].double()], [wide[1]]) < 1e-6


@MODE
def test_times_given_as_a_list_are_numbers(mode):
    field, z0, _ = problem("forced")
    times = [0.1, 0.7, 0.7 + 1e-9, 1.1]
    as_list = odeint(field, z0, times, grad=mode)
    assert torch.equal(as_list, odeint(field, z0, double(times), grad=mode))
    as_list[-1].sum().backward()
    assert z0.grad.abs().sum() > 0
    # In float32 the second and the third would be the same.
    field, z0 = field.float(), z0.detach().float().requires_grad_()
    assert odeint(field, z0, times, grad=mode, rtol=1e-4).shape == (4, 2)


@MODE
def test_parameters_of_another_precision_keep_theirs(mode):
    rate = torch.tensor(-0.5, requires_grad=True)
    z0 = torch.ones(2, dtype=torch.float64)
    z = odeint(lambda t, z: rate * z, z0, [0.0, 1.0], grad=mode, params=[rate])
    z[-1].sum().backward()
    assert rate.grad.dtype == torch.float32
    torch.testing.assert_close(rate.grad.item(), 2 * math.exp(-0.5), rtol=1e-6, atol=0)


@MODE
def test_the_cost_of_both_passes_is_counted_to_the_call(mode):
    calls = []

    class Counting(fields.ForcedVanDerPol):
        def forward(self, t, z):
            calls.append(t)
            return super().forward(t, z)

    _, z0, t = problem("forced")
    solution = integrate(Counting(), z0, t, grad=mode)
    assert solution.stats.nfe == len(calls)
    assert solution.backward == []
    for passes in (1, 2):
        calls.clear()
        solution.z.sum().backward(retain_graph=True)
        assert len(solution.backward) == passes
        assert solution.backward[-1].nfe == len(calls)
    assert (len(calls) == 0) == (mode == "backprop")


@MODE
def test_all_modes_solve_forwards_alike(mode):
    field, z0, t = problem("forced")
    plain = nodelib.ode.solvers.solve(field, z0.detach(), t.detach())
    solution = integrate(field, z0, t.detach(), grad=mode)
    assert torch.equal(solution.z, plain.z)
    assert solution.stats == plain.stats


# Where an output is read from a step, its time passes through a polynomial, whose rounding counts.
@pytest.mark.parametrize(("land", "rounding"), [(True, 1e-13), (None, 1e-12)])
@pytest.mark.parametrize("name", PROBLEMS)
@pytest.mark.parametrize("method", ["dopri5", "bosh3", "rk4"])
def test_checkpointing_equals_backpropagation_to_rounding(name, method, land, rounding):
    field, z0, t = problem(name)
    limits = {"rtol": 1e-5, "atol": 1e-6, "options": {"land": land}}
    solve = functools.partial(odeint, method=method, **limits)
    through = gradients(solve, field, z0, t, grad="backprop")
    assert disagreement(gradients(solve, field, z0, t, grad="checkpoint"), through) < rounding


def test_the_public_function_is_exported_with_the_documented_defaults():
    assert nodelib.odeint is odeint
    defaults = {
        name: parameter.default
        for name, parameter in inspect.signature(odeint).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY
    }
    assert defaults == {
        "method": "dopri5",
        "rtol": 1e-7,
        "atol": 1e-9,
        "grad": "checkpoint",
        "params": None,
        "options": None,
        "compile": False,
    }


@MODE
def test_a_module_that_solves_is_trained(mode):
    torch.manual_seed(0)
    target = fields.LinearSpiral()
    times, z0 = double([0.0, 0.5, 1.0]), double([1.0, 0.0])
    wanted = odeint(target, z0, times).detach()
    field = fields.Linear(torch.zeros(2, 2))
    optimiser = torch.optim.LBFGS(field.parameters(), max_iter=50, line_search_fn="strong_wolfe")

    def closure():
        optimiser.zero_grad()
        value = (odeint(field, z0, times, grad=mode) - wanted).square().sum()
        value.backward()
        return value

    optimiser.step(closure)
    torch.testing.assert_close(field.matrix, target.matrix, rtol=1e-3, atol=1e-3)


@OWN
def test_a_solve_inside_a_field_of_another_solve(mode):
    inner, outer = nn.Parameter(double(0.4)), nn.Parameter(double(-0.3))

    def field(t, z):
        moved = odeint(lambda s, y: inner * y, z, [0.0, 0.5], grad=mode, params=[inner])[-1]
        return outer * moved

    z0 = double([1.0]).requires_grad_()
    z = odeint(field, z0, [0.0, 1.0], grad="checkpoint", params=[inner, outer])
    got = torch.autograd.grad(z[-1].sum(), (inner, outer))
    rate = -0.3 * math.exp(0.2)
    torch.testing.assert_close(got[1].item(), math.exp(rate + 0.2), rtol=1e-7, atol=0)
    torch.testing.assert_close(got[0].item(), math.exp(rate) * rate * 0.5, rtol=1e-7, atol=0)


def test_both_sides_of_the_benchmark_compute_the_same_gradients():
    for contest in benchmark.contests():
        for ours, theirs in zip(contest.ours(), contest.theirs(), strict=True):
            assert disagreement([ours], [theirs]) < 1e-3, contest.name
