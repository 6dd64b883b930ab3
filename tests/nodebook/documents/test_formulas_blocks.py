import pytest
import torch

from nodebook.documents.formulas import blocks
from nodebook.documents.formulas.system import System, loss
from nodebook.experiments.ch02_adjoint.adjoint_extensions import block_gradients
from nodelib.ode.solvers import solve


@pytest.fixture(scope="module")
def solved():
    return System(0)


def test_states_are_those_of_the_librarys_euler_method(solved):
    got = blocks.states(solved, solved.theta.expand(12, 2), solved.z0)[-1]
    wanted = solve(solved.field, solved.z0, solved.t[[0, -1]], method="euler", num_steps=12).z[-1]
    torch.testing.assert_close(got, wanted)


def test_backpropagation_by_hand_is_that_of_autograd_for_every_block_and_the_start(solved):
    thetas = (solved.theta + 0.1 * torch.arange(10).reshape(5, 2)).requires_grad_()
    start = solved.z0.clone().requires_grad_()
    value = loss(blocks.states(solved, thetas, start)[-1])
    by_theta, by_start = torch.autograd.grad(value, (thetas, start))
    _, got_theta, got_start = blocks.backpropagate(blocks.run(solved, thetas.detach()))
    torch.testing.assert_close(got_theta, by_theta)
    torch.testing.assert_close(got_start, by_start)


def test_back_substitution_solves_the_transposed_system(solved):
    passed = blocks.run(solved, solved.theta.expand(7, 2))
    a, c, u = blocks.linear_system(passed)
    v = blocks.backpropagate(passed)[0].reshape(-1)
    torch.testing.assert_close(a.T @ v, u)
    assert (torch.triu(a, 1) == 0).all()
    assert c.shape == (14, 2)


def test_direct_and_transposed_solve_agree_with_autograd(solved):
    found = block_gradients(solved, 20)
    for way in ("direct", "transposed", "backpropagation"):
        torch.testing.assert_close(found[way], found["autograd"], rtol=1e-12, atol=0)
