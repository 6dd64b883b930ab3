import math

import pytest
import torch
from ode_problems import double, problem

from nodelib.errors import SolverError
from nodelib.ode.gradients import MODES, integrate, odeint

MODE = pytest.mark.parametrize("mode", MODES)


def solve_with_gradient(field, mode, t=(0.0, 1.0), z0=(1.0,), **arguments):
    z0 = double(list(z0)).requires_grad_()
    return odeint(field, z0, list(t), grad=mode, **arguments)


@MODE
@pytest.mark.parametrize(
    ("field", "message"),
    [
        (lambda t, z: z * math.nan, "returned NaN or Inf"),
        (lambda t, z: z[:, None], r"shape \(1, 1\)"),
        (lambda t, z: z.float(), "torch.float32"),
        (lambda t, z: None, "returned NoneType"),
        (lambda t, z: z * torch.sqrt(0.5 - t), r"underflow at t = 0\.5.*dt = .*norm of z.*bound"),
    ],
)
def test_fields_of_the_wrong_kind_are_refused_in_every_mode(mode, field, message):
    with pytest.raises(SolverError, match=message):
        solve_with_gradient(field, mode)


@MODE
@pytest.mark.parametrize("times", [(0.0, 1.0, 1.0), (0.0, 1.0, 0.5), (1.0, 0.0, 2.0)])
def test_times_that_are_not_strictly_monotone_are_refused_in_every_mode(mode, times):
    with pytest.raises(SolverError, match="strictly increasing or strictly decreasing"):
        solve_with_gradient(lambda t, z: z, mode, times)


@MODE
def test_a_blow_up_names_time_step_norm_and_remedies_in_every_mode(mode):
    message = r"t = 0\.5.*dt = .*norm of z went from 2 .*stiff.*bound the field.*loosen.*fixed step"
    with pytest.raises(SolverError, match=message):
        solve_with_gradient(lambda t, z: z**2, mode, z0=(2.0,), rtol=1e-4, atol=1e-4)


@MODE
def test_the_step_budget_holds_in_every_mode(mode):
    with pytest.raises(SolverError, match="max_steps = 7 used up"):
        solve_with_gradient(lambda t, z: -z, mode, rtol=1e-12, options={"max_steps": 7})


@MODE
def test_a_field_that_goes_wrong_only_backwards_is_refused_there(mode):
    broken = []

    def field(t, z):
        return z[:, None] if broken else -z

    z = solve_with_gradient(field, mode)
    broken.append(True)
    if mode == "backprop":
        z.sum().backward()
        return
    with pytest.raises(SolverError, match=r"shape \(1, 1\)"):
        z.sum().backward()


@MODE
def test_an_unknown_method_is_refused_with_the_known_ones(mode):
    with pytest.raises(SolverError, match="Known methods: euler, midpoint"):
        solve_with_gradient(lambda t, z: z, mode, method="rk5")


def test_an_unknown_backward_method_is_refused_before_the_solve():
    with pytest.raises(SolverError, match="Unknown method 'rk5'"):
        solve_with_gradient(lambda t, z: z, "adjoint", options={"adjoint_method": "rk5"})


def test_an_unknown_mode_is_refused_with_the_known_ones():
    with pytest.raises(SolverError, match=r"'magic'. Known: backprop, checkpoint, adjoint"):
        solve_with_gradient(lambda t, z: z, "magic")


@pytest.mark.parametrize("solver", [odeint, integrate])
def test_unknown_options_are_refused_with_the_known_ones(solver):
    field, z0, t = problem("forced")
    with pytest.raises(SolverError, match=r"\['stepsize'\]. Known: step_size, .*adjoint_rtol"):
        solver(field, z0, t, grad="adjoint", options={"stepsize": 0.1})


@pytest.mark.parametrize("mode", ["backprop", "checkpoint"])
def test_options_of_the_adjoint_are_refused_where_they_would_do_nothing(mode):
    field, z0, t = problem("forced")
    with pytest.raises(SolverError, match=r"\['adjoint_rtol'\].*only.*adjoint"):
        odeint(field, z0, t, grad=mode, options={"adjoint_rtol": 1e-3})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"adjoint_rtol": -1.0}, "adjoint_rtol must be finite and at least 0"),
        ({"adjoint_num_steps": 2, "adjoint_step_size": 0.1}, "not both"),
    ],
)
def test_unusable_backward_options_are_refused_before_the_solve(options, message):
    field, z0, t = problem("forced")
    with pytest.raises(SolverError, match=message):
        odeint(field, z0, t, grad="adjoint", options=options)


@MODE
def test_times_as_a_list_of_tensors_are_refused(mode):
    end = double(1.0).requires_grad_()
    with pytest.raises(SolverError, match=r"one tensor: torch.stack"):
        odeint(lambda t, z: z, double([1.0]), [0.0, end], grad=mode)
