import math
import warnings

import pytest
import torch
from ode_problems import TIGHT, disagreement, double, gradients, problem

from nodelib import fields
from nodelib.errors import SolverError
from nodelib.models.networks import MLP
from nodelib.ode.adjoint import AugmentedField
from nodelib.ode.evaluations import CountedField
from nodelib.ode.gradients import integrate, odeint
from nodelib.ode.steps import rms


def adjoint_error(method, num_steps):
    field, z0, t = problem("forced")
    arguments = {"method": method, "options": {"num_steps": num_steps}}
    discrete = gradients(odeint, field, z0, t, grad="checkpoint", **arguments)
    return disagreement(gradients(odeint, field, z0, t, grad="adjoint", **arguments), discrete)


@pytest.mark.filterwarnings("ignore:The continuous adjoint with Euler")
@pytest.mark.parametrize(("method", "order"), [("euler", 1), ("midpoint", 2), ("rk4", 4)])
def test_distance_from_the_gradient_of_the_discrete_solve_falls_with_the_order(method, order):
    ratio = adjoint_error(method, 20) / adjoint_error(method, 40)
    assert abs(math.log2(ratio) - order) < 0.35


def test_the_augmented_field_is_the_hand_derived_one():
    field = fields.ForcedVanDerPol()
    z, a, t = double([1.2, -0.5]), double([0.3, 0.7]), double(0.9)
    system = AugmentedField(CountedField(field, z), z, [field.theta])
    flat = system(t, system.join(z, a))
    expected = torch.cat(
        (field(t, z), -a @ field.jacobian_z(t, z), -a @ field.jacobian_theta(t, z))
    )
    torch.testing.assert_close(flat, expected.detach(), rtol=1e-14, atol=1e-15)
    assert not flat.requires_grad


def test_the_norm_is_the_largest_of_the_three_parts():
    field = fields.ForcedVanDerPol()
    z = torch.zeros(10, 2).double()
    system = AugmentedField(field, z, [field.theta])
    for part, scale in enumerate((3.0, 5.0, 7.0)):
        parts = [torch.full((size,), 1.0) for size in system.sizes]
        parts[part] *= scale
        assert system.norm(torch.cat(parts)) == scale
    assert rms(torch.cat(parts)) < 3.0
    empty = AugmentedField(field, z, [])
    assert empty.norm(torch.ones(40)) == 1.0
    assert system.seminorm(torch.cat(parts)) == 1.0  # the gradient of the parameters is the 7.0


def test_the_way_back_does_not_begin_with_steps_that_are_short_for_an_empty_gradient():
    field, generator = MLP([2, 50, 2], seeds=0), torch.Generator().manual_seed(0)
    z0 = torch.randn(64, 2, generator=generator).requires_grad_()
    limits = {"rtol": 1e-5, "atol": 1e-7, "options": {"record_backward": True}}
    params = list(field.parameters())
    solution = integrate(
        lambda t, z: field(z), z0, [0.0, 4.0], grad="adjoint", params=params, **limits
    )
    solution.z.square().sum().backward()
    (back,) = solution.backward
    assert float(back.t[0] - back.t[1]) > 0.01
    assert back.accepted < 1.5 * solution.stats.accepted


def test_the_seminorm_takes_fewer_steps_where_parameters_lead_and_stays_near_the_gradient():
    field, generator = MLP([2, 50, 2], seeds=0), torch.Generator().manual_seed(0)
    z0, times = torch.randn(64, 2, generator=generator), torch.linspace(0, 4, 5)
    found, costs = {}, {}
    for seminorm in (False, True):
        options = {"adjoint_seminorm": seminorm}
        limits = {"rtol": 1e-5, "atol": 1e-7, "grad": "adjoint", "options": options}
        solution = integrate(lambda t, z: field(z), z0, times, params=field.parameters(), **limits)
        loss = solution.z.square().sum()
        found[seminorm] = torch.autograd.grad(loss, list(field.parameters()))
        (costs[seminorm],) = solution.backward
    assert costs[True].nfe < 0.8 * costs[False].nfe
    assert disagreement(found[True], found[False]) < 1e-4


def test_the_state_starts_again_from_that_of_the_forward_pass_at_every_output():
    field, z0, t = problem("forced")
    loose = {"rtol": 1e-3, "atol": 1e-3, "options": {"record_backward": True}}
    solution = integrate(field, z0, t, grad="adjoint", **loose)
    (solution.z * double([1.0, 2.0])).sum().backward()
    (track,) = solution.backward
    assert track.z.shape == track.a.shape == (len(track.t), 2)
    for output in (2, 1):
        here = (track.t == t[output].item()).nonzero().flatten()
        assert torch.equal(track.z[here[-1]], solution.z[output].detach())
    arrival, restart = (track.t == t[1].item()).nonzero().flatten().tolist()
    assert restart == arrival + 1
    assert 1e-9 < (track.z[arrival] - track.z[restart]).abs().max() < 1e-2
    torch.testing.assert_close(track.a[restart] - track.a[arrival], double([1.0, 2.0]))
    assert (track.t.diff() <= 0).all()
    assert track.t[-1] == t[0]


def test_the_backward_trajectory_is_not_kept_unless_asked_for():
    field, z0, t = problem("forced")
    solution = integrate(field, z0, t, grad="adjoint")
    solution.z.sum().backward()
    assert (solution.backward[0].t, solution.backward[0].z, solution.backward[0].a) == (None,) * 3


def test_backward_tolerance_method_and_grid_can_be_chosen():
    field, z0, t = problem("forced")
    exact = gradients(odeint, field, z0, t, **TIGHT)

    def run(**options):
        solution = integrate(field, z0, t, grad="adjoint", options=options, **TIGHT)
        weights = torch.cos(torch.arange(6, dtype=torch.float64)).view(3, 2)
        value = (weights * solution.z + 0.3 * solution.z**2).sum()
        got = torch.autograd.grad(value, (z0, t, field.theta))
        return disagreement(got, exact), solution.backward[0]

    error, cost = run()
    loose_error, loose_cost = run(adjoint_rtol=1e-4, adjoint_atol=1e-5)
    assert error < 1e-9 < 1e-7 < loose_error < 1e-2
    assert loose_cost.nfe < cost.nfe / 5
    rk4_error, rk4_cost = run(adjoint_method="rk4", adjoint_num_steps=7)
    assert (rk4_cost.accepted, rk4_cost.rejected) == (14, 0)
    assert rk4_cost.nfe == 14 * 4 + 3
    assert 1e-9 < rk4_error < 1e-2
    _, sized = run(adjoint_method="rk4", adjoint_step_size=0.1)
    assert sized.accepted == 6 + 5


def test_backward_options_replace_the_grid_of_the_forward_pass():
    field, z0, t = problem("forced")
    options = {"step_size": 0.1, "adjoint_num_steps": 3}
    solution = integrate(field, z0, t, method="rk4", grad="adjoint", options=options)
    solution.z.sum().backward()
    assert solution.stats.accepted == 11
    assert solution.backward[0].accepted == 6


def test_only_vector_jacobian_products_are_taken_and_one_for_every_evaluation(monkeypatch):
    field, z0, t = problem("forced")
    solution = integrate(field, z0, t.detach(), grad="adjoint")
    calls = []
    product = torch.autograd.grad

    def counting(outputs, inputs, grad_outputs, **options):
        calls.append(grad_outputs.shape)
        return product(outputs, inputs, grad_outputs, **options)

    monkeypatch.setattr(torch.autograd, "grad", counting)
    solution.z.sum().backward()
    assert calls == [z0.shape] * solution.backward[0].nfe


def test_euler_with_few_steps_is_warned_of():
    field, z0, t = problem("forced")
    for count, warned in ((20, True), (100, False)):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            options = {"num_steps": count}
            odeint(field, z0, t, method="euler", grad="adjoint", options=options)
        assert [w.category for w in caught] == [UserWarning] * warned
        if warned:
            assert "20 steps in an interval" in str(caught[0].message)
            assert 'grad="checkpoint"' in str(caught[0].message)
            assert caught[0].filename == __file__
    with pytest.warns(UserWarning, match="1 steps in an interval"):
        integrate(field, z0, t, method="euler", grad="adjoint")


@pytest.mark.parametrize(
    "arguments",
    [
        {"method": "euler", "grad": "checkpoint"},
        {"method": "euler", "grad": "backprop"},
        {"method": "rk4", "grad": "adjoint"},
        {"grad": "adjoint"},
    ],
)
def test_nothing_else_is_warned_of(arguments):
    field, z0, t = problem("forced")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        odeint(field, z0, t, **arguments)


def test_a_backward_solve_that_blows_up_says_so_and_names_the_way_out():
    # Forwards a fast decay onto a slow curve; backwards the smallest error grows as exp(500 t).
    z0 = double([1.0]).requires_grad_()

    def stiff(t, z):
        return -500 * (z - torch.cos(t))

    z = odeint(stiff, z0, [0.0, 3.0], grad="adjoint", rtol=1e-4, atol=1e-4)
    with pytest.raises(
        SolverError, match=r'backward solve .* from t = 3 to 0: .*underflow at t = .*checkpoint"'
    ):
        z[-1].sum().backward()


def test_a_backward_solve_over_its_budget_says_so():
    field, z0, t = problem("forced")
    options = {"max_steps": 40, "adjoint_rtol": 1e-13, "adjoint_atol": 1e-13}
    z = odeint(field, z0, t, rtol=1e-4, atol=1e-4, grad="adjoint", options=options)
    with pytest.raises(SolverError, match=r"backward solve .* max_steps = 40 used up"):
        z.sum().backward()


def test_a_loss_whose_gradient_is_not_finite_is_refused():
    field, z0, t = problem("forced")
    z = odeint(field, z0, t, grad="adjoint")
    with pytest.raises(SolverError, match="handed to the backward solve holds NaN"):
        (z.sum() * math.nan).backward()
