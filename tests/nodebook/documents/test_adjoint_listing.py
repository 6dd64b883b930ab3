"""Document 001's adjoint: right where it is right, wrong where it is printed wrong."""

import pytest
import torch

from nodebook.benchmarks.differentiation import relative_error
from nodebook.documents import adjoint_listing
from nodebook.experiments.ch03_gradients import gradient_errors as experiment


@pytest.fixture(scope="module")
def problem():
    return experiment.deck_problem(0)


def test_it_is_our_continuous_adjoint_on_the_same_euler_grid(problem):
    theirs = experiment.deck_gradients(problem, as_printed=False)
    ours = experiment.same_grid_gradients(problem)
    for entry in ("z0", "theta", "t_interior", "t_last"):
        assert relative_error(theirs[entry], ours[entry]) < 1e-12, entry


def test_corrected_gradients_come_nearer_as_the_steps_get_finer(problem):
    true = experiment.true_gradients(problem)
    coarse = experiment.deck_gradients(problem, as_printed=False)
    fine = experiment.deck_gradients(problem, as_printed=False, longest=0.005)
    for entry in true:
        ratio = relative_error(coarse[entry], true[entry]) / relative_error(
            fine[entry], true[entry]
        )
        assert 6 < ratio < 14, entry


def test_printed_gradients_in_the_times_stay_wrong(problem):
    true = experiment.true_gradients(problem)
    fine = experiment.deck_gradients(problem, as_printed=True, longest=0.005)
    assert relative_error(fine["t_last"], true["t_last"]) == pytest.approx(2, abs=0.05)
    assert relative_error(fine["t_interior"], true["t_interior"]) > 1
    assert relative_error(fine["t_first"], true["t_first"]) > 0.1


def test_printed_and_corrected_agree_in_state_and_parameters(problem):
    printed = experiment.deck_gradients(problem, as_printed=True)
    corrected = experiment.deck_gradients(problem, as_printed=False)
    assert torch.equal(printed["z0"], corrected["z0"])
    assert torch.equal(printed["theta"], corrected["theta"])


def test_steps_are_equal_and_at_most_as_long_as_asked():
    seen = []

    def field(t, state):
        seen.append(float(t))
        return [torch.ones(())]

    times = torch.tensor([0.0, 0.12]).double()
    (end,) = adjoint_listing.euler(field, [torch.zeros(())], *times, longest=0.05)
    assert seen == pytest.approx([0, 0.04, 0.08])
    assert float(end) == pytest.approx(0.12)
    seen.clear()
    adjoint_listing.euler(field, [torch.zeros(())], times[1], times[0], longest=0.06)
    assert seen == pytest.approx([0.12, 0.06])


def test_a_field_without_parameters_is_allowed():
    z0 = torch.ones(1, 1, dtype=torch.float64, requires_grad=True)
    t = torch.tensor([0.0, 1.0]).double()
    z = adjoint_listing.solve(Decay(), z0, t, longest=0.001)
    (gradient,) = torch.autograd.grad(z[-1].sum(), z0)
    assert float(gradient) == pytest.approx(torch.exp(torch.tensor(-1.0)).item(), rel=1e-3)


class Decay(torch.nn.Module):
    def forward(self, t, z):
        return -z
