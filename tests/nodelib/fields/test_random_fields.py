"""Random fields: drawn once, bounded, and what each kind promises; fields of a given structure."""

import pytest
import torch

from nodebook.experiments.ch04_identification.identification import lattice, sample, starts_in_box
from nodelib.errors import ModelError
from nodelib.fields.random import KINDS, TwoCentres, draw_field, monomials
from nodelib.models.structured_fields import HamiltonianNetwork, Polynomial, two_centres_at_random

POINTS = lattice((-1.5, -1.5), (1.5, 1.5), 9)
NOW = torch.zeros((), dtype=torch.float64)


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_gives_one_field_and_another_seed_another(kind):
    first, again, other = (draw_field(kind, seed)(NOW, POINTS) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert (first - other).norm() > 0.1 * first.norm()


@pytest.mark.parametrize("kind", KINDS)
def test_trajectories_stay_bounded(kind):
    t = torch.linspace(0, 20, 41, dtype=torch.float64)
    for seed in range(3):
        z = sample(draw_field(kind, seed), starts_in_box(6, 1.5, seed), t)
        assert z.abs().max() < 5


def test_an_unknown_kind_is_refused():
    with pytest.raises(ModelError, match="van-der-pol"):
        draw_field("spline", 0)


def test_hamiltonian_fields_have_no_divergence():
    z = POINTS.clone().requires_grad_()
    f = draw_field("hamiltonian", 3)(NOW, z)
    parts = [torch.autograd.grad(f[:, k].sum(), z, retain_graph=True)[0][:, k] for k in (0, 1)]
    assert (parts[0] + parts[1]).abs().max() < 1e-12
    assert parts[0].abs().max() > 0.01


@pytest.mark.parametrize("kind", ["cubic", "van-der-pol"])
def test_cubic_kinds_are_cubic_and_a_wave_is_not(kind):
    def residual(of):
        values, terms = draw_field(of, 0)(NOW, POINTS), monomials(POINTS)
        fitted = terms @ torch.linalg.lstsq(terms, values).solution
        return (fitted - values).norm() / values.norm()

    assert residual(kind) < 1e-10
    assert residual("fourier") > 1e-2


def test_two_centres_is_the_blend_that_it_says():
    field = TwoCentres()
    z = torch.tensor([0.4, -1.2], dtype=torch.float64)
    share = torch.sigmoid(-z[0])
    a = torch.tensor([[-0.1, -0.5], [0.5, -0.1]], dtype=torch.float64)
    b = torch.tensor([[0.2, 1.0], [-1.0, 0.2]], dtype=torch.float64)
    c = torch.tensor([-1.0, 0.0], dtype=torch.float64)
    expected = share * (a @ (z - c)) + (1 - share) * (b @ (z + c))
    torch.testing.assert_close(field(NOW, z), expected)


def test_two_centres_side_by_side_are_each_like_one_alone():
    many = two_centres_at_random([5, 6])
    z = POINTS.reshape(1, 9, 9, 2).expand(2, -1, -1, -1)
    for k in range(2):
        alone = TwoCentres(many.a[k].detach(), many.b[k].detach(), many.centre[k].detach())
        torch.testing.assert_close(many(NOW, z)[k], alone(NOW, z[k]))


def test_monomials_come_by_degree():
    z = torch.tensor([2.0, 3.0], dtype=torch.float64)
    assert monomials(z, 2).tolist() == [1, 2, 3, 4, 6, 9]
    assert monomials(z).shape == (10,)


def test_a_polynomial_is_its_coefficients_times_the_monomials():
    field = Polynomial([0, 1])
    with torch.no_grad():
        field.weights[1, 3, 0] = 2.0  # x^2 in the first component
    z = torch.tensor([[[3.0, 1.0]], [[3.0, 1.0]]], dtype=torch.float64)
    assert field(NOW, z).tolist() == [[[0, 0]], [[18, 0]]]


def test_the_hamiltonian_network_turns_the_gradient_of_its_energy():
    field = HamiltonianNetwork(7, [0, 1])
    z = starts_in_box(10, 1.0, 0).reshape(2, 5, 2).requires_grad_()
    (slope,) = torch.autograd.grad(field.energy(z).sum(), z)
    torch.testing.assert_close(field(NOW, z), torch.stack((slope[..., 1], -slope[..., 0]), -1))
    assert slope.abs().max() > 0.01
