"""Dense output: what is read between the ends of adaptive steps, and its gradients."""

import math

import numpy as np
import pytest
import torch
from ode_problems import PROBLEMS, disagreement, double, gradients, loss, problem
from test_tableaus import density, rooted_trees, stage_weights, vertices

from nodelib.errors import SolverError
from nodelib.fields import ForcedVanDerPol, LinearSpiral
from nodelib.ode import dense, tableaus
from nodelib.ode.gradients import integrate, odeint
from nodelib.ode.solvers import solve
from nodelib.ode.steps import runge_kutta_step

METHODS = pytest.mark.parametrize("method", tableaus.ADAPTIVE)
ORDERS = {"bosh3": 3, "dopri5": 4, "tsit5": 4}
NOT_LANDING = {"options": {"land": False}}


def weights(tableau, shares):
    return np.stack([np.polyval(p[::-1], shares) for p in dense.extension(tableau)], -1)


@METHODS
def test_the_polynomials_meet_the_conditions_of_their_order_at_every_share(method):
    tableau = tableaus.find(method)
    a = np.zeros((tableau.stages, tableau.stages))
    for i, row in enumerate(tableau.a):
        a[i, : len(row)] = row
    shares = np.linspace(0, 1, 9)
    found = weights(tableau, shares)
    for order in range(1, ORDERS[method] + 1):
        for tree in rooted_trees(order):
            wanted = shares ** vertices(tree) / density(tree)
            np.testing.assert_allclose(found @ stage_weights(tree, a), wanted, atol=5e-14)
    np.testing.assert_allclose(found[-1], tableau.b, atol=5e-14)
    assert not found[0].any()


@METHODS
def test_the_error_inside_a_step_falls_with_its_length_as_the_order_says(method):
    field, tableau = ForcedVanDerPol(), tableaus.find(method)
    z, shares = double([1.2, -0.5]), double([0.25, 0.5, 0.75])
    errors = []
    for dt in (0.08, 0.04):
        _, stages = runge_kutta_step(field, tableau, 0.3, dt, z)
        found = dense.inside(tableau, shares, dt, z, stages)
        times = [0.3, *(0.3 + shares * dt).tolist()]
        exact = solve(field, z, times, rtol=1e-13, atol=1e-14).z[1:]
        errors.append(float((found - exact).norm().detach()))
    assert math.log2(errors[0] / errors[1]) > ORDERS[method] + 0.7


@METHODS
def test_steps_are_as_long_as_without_the_outputs_and_states_within_the_tolerance(method):
    field, z0 = LinearSpiral(0.1, 2.0), double([1.0, 0.5])
    times = torch.linspace(0.0, 6.0, 101, dtype=torch.float64)
    limits = {"method": method, "rtol": 1e-6, "atol": 1e-8}
    with torch.no_grad():
        alone = solve(field, z0, [0.0, 6.0], **limits)
        read = solve(field, z0, times, land=False, **limits)
        landing = solve(field, z0, times, land=True, **limits)
        exact = solve(field, z0, times, rtol=1e-12, atol=1e-13).z
    assert read.stats == alone.stats
    assert torch.equal(read.z[-1], alone.z[-1])
    assert torch.equal(read.z[0], z0)
    assert read.stats.nfe < landing.stats.nfe
    assert (read.z - exact).abs().max() < 5e-5


@METHODS
def test_outputs_are_read_from_the_steps_unless_asked_otherwise(method):
    field, z0 = ForcedVanDerPol(), double([1.2, -0.5])
    times = [0.0, 0.7, 1.1, 2.0]
    with torch.no_grad():
        usual = solve(field, z0, times, method=method, rtol=1e-5)
        read = solve(field, z0, times, method=method, rtol=1e-5, land=False)
        grid = solve(field, z0, times, method=method, num_steps=4)
        landed = solve(field, z0, times, method=method, num_steps=4, land=True)
    assert usual.stats == read.stats
    assert torch.equal(usual.z, read.z)
    assert torch.equal(grid.z, landed.z)


def test_backwards_in_time_and_on_a_step_s_end_it_reads_the_same_solution():
    field, z0 = ForcedVanDerPol(), double([1.2, -0.5])
    with torch.no_grad():
        steps = solve(field, z0, [2.0, 0.0], record_steps=True).steps
        ends = [2.0, *(step.t for step in steps[1:3]), 0.0]
        found = solve(field, z0, ends, land=False)
    for state, step in zip(found.z[1:3], steps[1:3], strict=True):
        torch.testing.assert_close(state, step.z, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("name", PROBLEMS)
def test_checkpoints_give_the_gradient_of_backpropagation(name):
    field, z0, t = problem(name)
    times = torch.cat([t[:1] + (t[-1:] - t[:1]) * k / 7 for k in range(8)]).detach()
    times.requires_grad_()
    limits = {"rtol": 1e-4, "atol": 1e-6, **NOT_LANDING}
    exact = gradients(odeint, field, z0, times, grad="backprop", **limits)
    found = gradients(odeint, field, z0, times, grad="checkpoint", **limits)
    assert disagreement(found, exact) < 1e-11


@METHODS
@pytest.mark.parametrize("mode", ["backprop", "checkpoint", "adjoint"])
def test_gradients_are_those_of_the_exact_solution_times_included(method, mode):
    field, z0 = ForcedVanDerPol(), double([1.2, -0.5]).requires_grad_()
    t = double([0.3, 0.45, 0.7, 0.72, 1.4]).requires_grad_()
    limits = {"rtol": 1e-10, "atol": 1e-11, "method": method, "grad": mode}
    found = gradients(odeint, field, z0, t, **limits, **NOT_LANDING)
    exact = gradients(odeint, field, z0, t, rtol=1e-12, atol=1e-13, grad="backprop")
    assert disagreement(found, exact) < 1e-5


def test_a_loss_on_an_early_output_redoes_only_the_steps_before_it():
    field, z0 = ForcedVanDerPol(), double([1.2, -0.5]).requires_grad_()
    times = [0.0, 0.5, 1.0, 8.0]
    whole, early = (
        integrate(field, z0, times, rtol=1e-6, atol=1e-8, **NOT_LANDING) for _ in range(2)
    )
    loss(whole.z).backward()
    loss(early.z[:2]).backward()
    assert early.backward[0].accepted < whole.backward[0].accepted == whole.stats.accepted
    early_alone = integrate(field, z0, times, rtol=1e-6, atol=1e-8, grad="backprop", **NOT_LANDING)
    wanted = torch.autograd.grad(loss(early_alone.z[:2]), z0)[0]
    z0.grad = None
    loss(integrate(field, z0, times, rtol=1e-6, atol=1e-8, **NOT_LANDING).z[:2]).backward()
    torch.testing.assert_close(z0.grad, wanted, rtol=1e-12, atol=1e-12)


def test_single_precision_and_a_scalar_state_keep_their_type():
    field = lambda t, z: -z  # noqa: E731
    for z0 in (torch.tensor(1.0), torch.ones(2, 3)):
        t = torch.tensor([0.0, 0.5, 3.0], requires_grad=True)
        z = odeint(field, z0.requires_grad_(), t, grad="backprop", rtol=1e-5, **NOT_LANDING)
        assert (z.dtype, z.shape) == (torch.float32, (3, *z0.shape))
        (slope,) = torch.autograd.grad(z[1].sum(), t)
        assert float(slope[1]) == pytest.approx(-z0.numel() * math.exp(-0.5), rel=1e-3)


def test_forward_mode_derivatives_go_through_it():
    field = LinearSpiral(0.1, 2.0)
    times = [0.0, 0.3, 2.0]

    def end(z0):
        return odeint(field, z0, times, rtol=1e-10, atol=1e-11, **NOT_LANDING)

    z0, direction = double([1.0, 0.5]), double([0.3, -1.0])
    _, found = torch.func.jvp(end, (z0,), (direction,))
    torch.testing.assert_close(found, end(direction).detach(), rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": "rk4", "options": {"land": False}}, "A fixed grid lands on every time"),
        ({"options": {"land": False, "num_steps": 3}}, "A fixed grid lands on every time"),
        ({"options": {"land": "no"}}, "land must be True or False, not 'no'"),
    ],
)
def test_what_cannot_be_read_is_refused(settings, message):
    with pytest.raises(SolverError, match=message):
        odeint(lambda t, z: -z, torch.ones(2), [0.0, 1.0, 2.0], **settings)
