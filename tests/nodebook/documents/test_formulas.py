import math

import pytest
import torch

from nodebook.documents.formulas import FORMULAS, system, verdicts
from nodebook.documents.formulas.document_001_listing import (
    LAST_TIME,
    code_times,
    ode_adjoint_gradients,
)
from nodebook.documents.formulas.document_002 import euler_recurrences
from nodebook.documents.formulas.system import Inputs, System, chebyshev
from nodebook.documents.formulas.verdicts import Evaluation, judge
from nodelib.fields import ForcedVanDerPol
from nodelib.ode.solvers import solve

FAULTY = {
    "000-theta-gradient-slide": "holds up to sign",
    "001-z0-gradient-slide2": "misses a term",
    "001-augmented-adjoint-theta": "holds up to sign",
    "001-augmented-adjoint-t": "holds up to sign",
    "001-z0-gradient-slide3": "misses a term",
    "001-t0-gradient": "misses a term",
    "001-t1-gradient": "wrong",
    "001-code-t-last": "holds up to sign",
    "001-code-t-interior": "wrong",
    "001-code-t-first": "wrong",
    "002-block-times": "wrong",
    "002-forward-state-ivp": "wrong",
    "002-euler-theta-step": "wrong",
    "002-backward-state-ivp": "wrong",
    "002-lagrangian-derivative-collected": "wrong",
    "002-substitution": "holds up to sign",
}


@pytest.fixture(scope="module")
def solved():
    return System(0)


def tensor(*values):
    return torch.tensor(values, dtype=torch.float64)


def final_loss(inputs, changes=(0.0, 0.0), field=ForcedVanDerPol):
    theta = tensor(*inputs.theta) + tensor(*changes)
    with torch.no_grad():
        end = solve(
            field(theta), tensor(*inputs.z0), [inputs.t0, inputs.t1], rtol=1e-12, atol=1e-13
        )
    return system.loss(end.z[-1]).item()


def test_chebyshev_weights_and_matrix_integrate_and_differentiate():
    t, weights, matrix = chebyshev(30, -0.5, 2.0)
    assert (t.diff() > 0).all()
    assert (t[0].item(), t[-1].item()) == pytest.approx((-0.5, 2.0))
    slope = 3 * torch.cos(3 * t)
    torch.testing.assert_close(matrix @ torch.sin(3 * t), slope, rtol=0, atol=1e-10)
    exact = math.exp(2.0) - math.exp(-0.5)
    torch.testing.assert_close(weights @ torch.exp(t), tensor(exact)[0], rtol=1e-13, atol=0)


def test_complex_step_gradients_are_those_of_finite_differences(solved):
    at, h = solved.inputs, 1e-5
    for name in ("t0", "t1"):
        ends = [Inputs(**{**vars(at), name: getattr(at, name) + sign * h}) for sign in (1, -1)]
        difference = (final_loss(ends[0]) - final_loss(ends[1])) / (2 * h)
        assert difference == pytest.approx(solved.gradients[name].item(), rel=1e-7)
    for index in range(2):
        change = [h * (place == index) for place in range(2)]
        back = [-entry for entry in change]
        difference = (final_loss(at, change) - final_loss(at, back)) / (2 * h)
        assert difference == pytest.approx(solved.gradients["theta"][index].item(), rel=1e-7)


def test_loss_gradient_is_that_of_the_loss():
    z = torch.randn(4, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    wanted = torch.func.vmap(torch.func.grad(system.loss))(z)
    torch.testing.assert_close(system.loss_gradient(z), wanted)


def test_adjoint_starts_at_the_gradient_in_the_initial_state(solved):
    torch.testing.assert_close(solved.adjoint[0], solved.gradients["z0"], rtol=1e-11, atol=0)
    torch.testing.assert_close(
        solved.loss_theta_from[0], solved.gradients["theta"], rtol=1e-11, atol=0
    )


def test_a_change_that_sets_in_at_the_end_changes_nothing(solved):
    assert solved.loss_theta_from[-1].abs().max() < 1e-12
    assert abs(solved.loss_clock_from[-1]) < 1e-12


def test_a_shift_of_the_clock_is_what_the_time_gradients_say(solved):
    # Shifting clock, start and end together changes nothing but the names of times.
    total = solved.loss_clock_from[0]
    starts_later = solved.gradients["t0"] + solved.gradients["t1"]
    torch.testing.assert_close(total, starts_later, rtol=1e-10, atol=0)


def test_integral_from_the_end_ends_at_the_whole_integral(solved):
    values = solved.smooth(3)
    torch.testing.assert_close(solved.integral_from_end(values)[0], -solved.integral(values))


def test_arbitrary_draws_start_anew(solved):
    solved.draw_anew()
    first = solved.smooth(2)
    assert not torch.equal(first, solved.smooth(2))
    solved.draw_anew()
    assert torch.equal(first, solved.smooth(2))


def test_inputs_differ_by_seed_and_seed_0_is_the_chapters():
    assert Inputs.draw(0) == Inputs()
    assert Inputs.draw(1) == Inputs.draw(1) != Inputs.draw(2)


EXACT = tensor(1.0, -2.0)


@pytest.mark.parametrize(
    ("evaluation", "expected"),
    [
        (Evaluation(EXACT * (1 + 1e-9), EXACT), "holds"),
        (Evaluation(-EXACT * (1 + 1e-9), EXACT), "holds up to sign"),
        (Evaluation(EXACT - 0.3, EXACT, missing=tensor(0.3, 0.3)), "misses a term"),
        (Evaluation(EXACT - 0.3, EXACT, missing=tensor(0.3, 0.2)), "wrong"),
        (Evaluation(EXACT * (1 + 1e-5), EXACT), "wrong"),
        (Evaluation(EXACT * tensor(1.0, -1.0), EXACT, corrected=EXACT), "wrong"),
    ],
)
def test_verdict_follows_the_rule(evaluation, expected):
    assert judge(evaluation).classification == expected


def test_verdict_reports_all_errors():
    verdict = judge(Evaluation(tensor(1.0, -1.0), EXACT, corrected=EXACT))
    assert verdict.relative_error == 0.5
    assert verdict.flipped_relative_error == 1.5
    assert verdict.corrected_relative_error == 0.0
    assert (verdict.printed, verdict.reference) == ([1.0, -1.0], [1.0, -2.0])


def test_sides_of_different_shape_are_refused():
    with pytest.raises(ValueError, match="shapes"):
        judge(Evaluation(EXACT, EXACT[None]))


def test_ids_are_unique_and_begin_with_their_document():
    assert len({formula.id for formula in FORMULAS}) == len(FORMULAS)
    assert {formula.document for formula in FORMULAS} == {"000", "001", "002", "004"}


def test_corrections_are_given_for_exactly_the_faulty_formulas():
    assert {formula.id for formula in FORMULAS if formula.correction} == set(FAULTY)


@pytest.mark.parametrize("formula", FORMULAS, ids=lambda formula: formula.id)
def test_verdict_on_every_formula(formula, solved):
    solved.draw_anew()
    evaluation = formula.evaluate(solved)
    verdict = judge(evaluation)
    assert verdict.classification == FAULTY.get(formula.id, "holds")
    if formula.id in FAULTY:
        assert verdict.corrected_relative_error < verdicts.TOLERANCE
        assert verdict.relative_error > 0.1
    else:
        assert verdict.corrected_relative_error is None
    # Not vacuous: a factor that is off by a thousandth would be seen.
    off = Evaluation(evaluation.printed * 1.001, evaluation.reference)
    assert judge(off).classification == "wrong"


def test_the_listings_gradient_in_the_first_time_depends_on_the_leftover_field(solved):
    printed = ode_adjoint_gradients(solved, (0.7, 0.0, 0.0, 1.0))["times"][0]
    without = ode_adjoint_gradients(solved, LAST_TIME)["times"][0]
    t = torch.tensor(code_times(solved)[1], dtype=torch.float64)
    z1 = solve(solved.field, solved.z0, [solved.inputs.t0, t.item()], rtol=1e-12, atol=1e-13).z[-1]
    direct = 0.7 * system.loss_gradient(solved.z0) @ solved.field(t, z1)
    torch.testing.assert_close(printed, without - direct, rtol=1e-9, atol=0)


def test_euler_recurrences_halve_their_error_and_the_misprint_does_not(solved):
    def errors(name, exact):
        runs = [euler_recurrences(solved, grid)[name] for grid in (256, 512)]
        return [verdicts.relative_error(run, solved.gradients[exact]) for run in runs]

    for name, exact in (("a", "z0"), ("theta", "theta")):
        coarse, fine = errors(name, exact)
        assert 1.9 < coarse / fine < 2.1
    coarse, fine = errors("theta_printed", "theta")
    assert coarse / fine < 1.1


def test_one_euler_step_back_takes_the_derivatives_at_the_end(solved):
    span = solved.t[-1] - solved.t[0]
    z_end = solved.z0 + span * solved.field(solved.t[0], solved.z0)
    a = system.loss_gradient(z_end)
    got = euler_recurrences(solved, 1)
    f_z = span * solved.field.jacobian_z(solved.t[-1], z_end)
    f_theta = span * solved.field.jacobian_theta(solved.t[-1], z_end)
    torch.testing.assert_close(got["a"], a + a @ f_z)
    torch.testing.assert_close(got["theta"], a @ f_theta)
