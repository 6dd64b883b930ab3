import pytest
import torch

from nodelib import fields
from nodelib.ode.solvers import solve

TIGHT = {"rtol": 1e-11, "atol": 1e-12}


@pytest.fixture
def points():
    generator = torch.Generator().manual_seed(0)
    return torch.rand(5, dtype=torch.float64, generator=generator), torch.randn(
        5, 2, dtype=torch.float64, generator=generator
    )


def test_linear_field_follows_its_exact_solution():
    field = fields.Linear([[0.3, -1.2, 0.0], [0.7, -0.4, 0.2], [0.1, 0.5, -0.9]])
    z0 = torch.tensor([1.0, -0.5, 0.25], dtype=torch.float64)
    t = torch.linspace(0, 3, 7, dtype=torch.float64)
    torch.testing.assert_close(
        solve(field, z0, t, **TIGHT).z, field.exact(t, z0), rtol=1e-9, atol=0
    )


def test_linear_spiral_decays_at_its_rate_and_turns_at_its_frequency():
    field = fields.LinearSpiral(decay=0.2, frequency=3.0)
    end = solve(field, torch.tensor([1.0, 0.0], dtype=torch.float64), [0.0, 0.4], **TIGHT).z[-1]
    torch.testing.assert_close(end.norm(), torch.tensor(-0.08).double().exp())
    torch.testing.assert_close(torch.atan2(end[1], end[0]), torch.tensor(1.2).double())


def test_lotka_volterra_keeps_its_invariant():
    field = fields.LotkaVolterra()
    z = solve(field, torch.tensor([1.0, 2.0]).double(), torch.linspace(0, 8, 9), **TIGHT).z
    levels = field.invariant(z)
    assert (z.max(0).values / z.min(0).values > 3).all()
    assert ((levels - levels[0]).abs() < 1e-9).all()


def test_lotka_volterra_rests_where_both_growth_rates_vanish():
    a, b, c, d = (1.3, 0.7, 2.1, 0.9)
    field = fields.LotkaVolterra((a, b, c, d))
    rest = torch.tensor([c / d, a / b], dtype=torch.float64)
    assert field(torch.tensor(0.0), rest).abs().max() < 1e-15


def test_van_der_pol_without_damping_is_the_harmonic_oscillator():
    t = torch.linspace(0, 5, 6, dtype=torch.float64)
    z = solve(fields.VanDerPol(mu=0.0), torch.tensor([1.0, 0.0]).double(), t, **TIGHT).z
    torch.testing.assert_close(z, torch.stack((t.cos(), -t.sin()), 1), rtol=0, atol=1e-9)


def test_van_der_pol_limit_cycle_has_the_published_amplitude():
    # The amplitude at mu = 1 is 2.00861986...; the samples are close enough to meet the crest.
    t = torch.cat((torch.zeros(1), torch.linspace(30, 37, 701))).double()
    x = solve(fields.VanDerPol(1.0), torch.tensor([2.0, 0.0]).double(), t, rtol=1e-8).z[1:, 0]
    assert abs(x.abs().max().item() - 2.00862) < 1e-4


def test_lorenz_rests_at_its_two_fixed_points():
    sigma, rho, beta = 10.0, 28.0, 8 / 3
    root = (beta * (rho - 1)) ** 0.5
    field = fields.Lorenz((sigma, rho, beta))
    for sign in (1, -1):
        rest = torch.tensor([sign * root, sign * root, rho - 1], dtype=torch.float64)
        assert field(torch.tensor(0.0), rest).abs().max() < 1e-12


def test_lorenz_divergence_is_constant():
    field = fields.Lorenz()
    z = torch.tensor([1.0, -2.0, 3.0], dtype=torch.float64)
    jacobian = torch.func.jacrev(lambda state: field(torch.tensor(0.0), state))(z)
    torch.testing.assert_close(jacobian.trace(), torch.tensor(-10 - 1 - 8 / 3).double())


def test_forced_van_der_pol_derivatives_are_those_of_autograd(points):
    t, z = points
    field = fields.ForcedVanDerPol((0.7, -0.4))

    def value(time, state, theta):
        return torch.func.functional_call(field, {"theta": theta}, (time, state))

    def derivative(argument):
        over_points = torch.func.vmap(torch.func.jacrev(value, argument), (0, 0, None))
        return over_points(t, z, field.theta)

    torch.testing.assert_close(field.derivative_t(t, z), derivative(0))
    torch.testing.assert_close(field.jacobian_z(t, z), derivative(1))
    torch.testing.assert_close(field.jacobian_theta(t, z), derivative(2))


def test_forced_van_der_pol_depends_on_state_time_and_both_parameters(points):
    t, z = points
    field = fields.ForcedVanDerPol()
    assert (field.jacobian_z(t, z).diff(dim=0).abs().amax((1, 2)) > 1e-3).all()
    assert (field.derivative_t(t, z).abs() > 1e-6).all()
    assert (field.jacobian_theta(t, z).abs().amax(1) > 1e-3).all()


@pytest.mark.parametrize(
    "field", [fields.LotkaVolterra(), fields.VanDerPol(), fields.ForcedVanDerPol()]
)
def test_fields_act_on_the_last_axis_of_a_batch(field, points):
    t, z = points[0][0], points[1]
    torch.testing.assert_close(field(t, z), torch.stack([field(t, row) for row in z]))
