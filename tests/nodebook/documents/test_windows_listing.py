"""Windows as the deck solves and differentiates them: the same as its class, many at once."""

import pytest
import torch

from nodebook.documents import adjoint_listing
from nodebook.documents.windows_listing import solve_as_deck
from nodelib.models.networks import MLP, Field
from nodelib.training.windows import draw, solve_intervals

SEEDS = (3, 4)


@pytest.fixture
def problem():
    t = torch.linspace(0, 6, 38, dtype=torch.float64)  # the spacing takes four Euler steps
    data = torch.stack([torch.stack((t.cos(), k * t.sin()), -1) for k in (1, 2)])
    network = MLP((2, 6, 2), "elu", seeds=SEEDS, dtype=torch.float64)
    return draw(t, data, SEEDS, 0), network


def test_states_and_gradients_are_those_of_the_decks_class(problem):
    windows, network = problem
    found = solve_as_deck(Field(network), windows.z[..., 0, :], windows.t, 4)
    weights = torch.arange(1.0, found.shape[-2] + 1, dtype=torch.float64)[:, None]
    (found.square() * weights * windows.real[..., None]).sum().backward()
    for k, seed in enumerate(SEEDS):
        n = int(windows.real[k].sum())
        alone = Field(MLP((2, 6, 2), "elu", seeds=seed, dtype=torch.float64).load(network.one(k)))
        expected = adjoint_listing.solve(
            alone, windows.z[k, 0, 0], windows.t[k, 0, :n], longest=0.05
        )
        torch.testing.assert_close(found[k, 0, :n], expected)
        (expected.square() * weights[:n]).sum().backward()
        for own, shared in zip(alone.parameters(), network.parameters(), strict=True):
            torch.testing.assert_close(shared.grad[k], own.grad)


def test_the_gradient_in_the_initial_state_is_returned(problem):
    windows, network = problem
    first = windows.z[..., 0, :].clone().requires_grad_()
    gradients = []
    for solver in (
        lambda z: solve_as_deck(Field(network), z, windows.t, 64),
        lambda z: solve_intervals(Field(network), z, windows.t, method="euler", steps=64),
    ):
        (gradient,) = torch.autograd.grad(solver(first).square().sum(), first)
        gradients.append(gradient)
    assert (gradients[0] - gradients[1]).norm() < 0.02 * gradients[1].norm()


def test_with_few_steps_it_is_not_the_gradient_of_the_discrete_solve(problem):
    windows, network = problem
    gradients = []
    for solved in (
        solve_as_deck(Field(network), windows.z[..., 0, :], windows.t, 2),
        solve_intervals(Field(network), windows.z[..., 0, :], windows.t, method="euler", steps=2),
    ):
        parts = torch.autograd.grad(solved.square().sum(), list(network.parameters()))
        gradients.append(torch.cat([part.flatten() for part in parts]))
    apart = (gradients[0] - gradients[1]).norm() / gradients[1].norm()
    assert 1e-4 < apart < 0.2
