import numpy as np
import pytest
import torch

from nodebook.documents.formulas import hamiltonian
from nodebook.documents.formulas.hamiltonian import Problem
from nodebook.documents.formulas.system import Inputs, complex_step_gradients, loss_gradient

INPUTS = Inputs()
PROBLEM = Problem(
    (1.2, -0.5),
    (0.3, 0.9, 1.4, 2.0),
    (0.4, 0.7, -0.8, 1.0),
    ((0.6, 0.8), (0.7, 0.5), (0.4, 0.9)),
)


@pytest.fixture(scope="module")
def solved():
    return hamiltonian.adjoint(PROBLEM, points=6)


def test_every_gradient_is_that_of_the_complex_step_and_of_differences(solved):
    by_step, by_differences = hamiltonian.complex_step(PROBLEM), hamiltonian.differences(PROBLEM)
    for name, gradient in solved.gradients.items():
        assert gradient.abs().min() > 1e-3
        torch.testing.assert_close(gradient, by_step[name], rtol=1e-9, atol=0)
        torch.testing.assert_close(gradient, by_differences[name], rtol=1e-8, atol=0)


def test_complex_step_without_a_running_loss_is_that_of_the_audit():
    weights = (0.0, 0.5, 1.0)
    problem = Problem.shared(INPUTS, (0.0, 0.4, 1.0), weights, running=0.0)
    found = hamiltonian.complex_step(problem)
    wanted = complex_step_gradients(INPUTS, problem.times, weights)
    torch.testing.assert_close(found["z0"], wanted["z0"], rtol=1e-10, atol=0)
    torch.testing.assert_close(found["thetas"].sum(0), wanted["theta"], rtol=1e-10, atol=0)
    torch.testing.assert_close(found["times"], wanted["times"], rtol=1e-10, atol=0)


def test_the_adjoint_jumps_by_the_gradient_of_the_loss_at_every_observation(solved):
    for k in (1, 2):
        gradient = loss_gradient(solved.z[k][0])
        jump = solved.adjoint[k - 1][-1] - solved.adjoint[k][0]
        torch.testing.assert_close(jump, PROBLEM.weights[k] * gradient, rtol=1e-9, atol=0)


def test_the_end_of_integration_counts_only_through_the_running_loss():
    places, weights = (0.0, 0.7, 1.0), (0.0, 1.0, 0.0)
    silent = hamiltonian.adjoint(Problem.shared(INPUTS, places, weights, running=0.0))
    assert silent.gradients["times"][-1] == 0
    solution = hamiltonian.adjoint(Problem.shared(INPUTS, places, weights))
    running = hamiltonian.running_loss(solution.t[-1][-1], solution.z[-1][-1], INPUTS.theta)
    torch.testing.assert_close(solution.gradients["times"][-1], running, rtol=1e-12, atol=0)


def test_points_on_the_way_increase_and_join(solved):
    for t, z in zip(solved.t, solved.z, strict=True):
        assert (t.diff() > 0).all()
        assert z.shape == (6, 2)
    torch.testing.assert_close(solved.z[0][-1], solved.z[1][0], rtol=1e-9, atol=0)
    assert [t[0].item() for t in solved.t] == list(PROBLEM.times[:-1])


def test_the_gradient_of_a_piece_is_the_integral_of_the_hamiltonians_derivative(solved):
    fine = hamiltonian.adjoint(PROBLEM, points=24)
    for k, gradient in enumerate(fine.gradients["thetas"]):
        weights = hamiltonian.chebyshev(24, fine.t[k][0].item(), fine.t[k][-1].item())[1]
        torch.testing.assert_close(weights @ fine.by_theta[k], gradient, rtol=1e-9, atol=1e-10)


def test_functional_derivative_along_a_constant_is_the_gradient():
    problem = Problem.shared(INPUTS, (0.0, 1.0), (0.0, 1.0))
    along = hamiltonian.functional_derivative(problem, lambda t: np.array([1.0, -2.0]))
    gradient = hamiltonian.complex_step(problem)["thetas"][0]
    assert along == pytest.approx((gradient[0] - 2 * gradient[1]).item(), rel=1e-10)
