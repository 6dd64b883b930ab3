"""Gradients found in ways that share little must be the same ones.

Finite differences of the solve, backpropagation, checkpointing, the continuous adjoint, and
torchdiffeq's adjoint, on every problem, in the state, every time and every parameter.
"""

import functools
import itertools

import pytest
import torchdiffeq
from ode_problems import (
    PROBLEMS,
    TIGHT,
    disagreement,
    finite_differences,
    gradients,
    problem,
)

from nodelib.ode.gradients import odeint

MODES = ("backprop", "checkpoint", "adjoint")
PEERS = {
    "torchdiffeq backprop": torchdiffeq.odeint,
    "torchdiffeq adjoint": torchdiffeq.odeint_adjoint,
}

#: Largest relative disagreement between two ways: among ours that land on the outputs, with
#: torchdiffeq's adjoint, and with finite differences or where outputs are interpolated, as
#: torchdiffeq's are.
OURS, THEIR_ADJOINT, ANY = 2e-10, 5e-10, 3e-8
LAND = {"land": True}


@pytest.mark.parametrize("name", PROBLEMS)
def test_all_ways_agree_with_each_other_and_with_finite_differences(name):
    ways = PEERS | {mode: functools.partial(odeint, grad=mode, options=LAND) for mode in MODES}
    found = {}
    for way, solver in ways.items():
        field, z0, t = problem(name)
        found[way] = gradients(solver, field, z0, t, **TIGHT)
    field, z0, t = problem(name)
    found["finite differences"] = finite_differences(field, z0, t, options=LAND, **TIGHT)
    worst = {
        pair: disagreement(found[pair[0]], found[pair[1]])
        for pair in itertools.combinations(found, 2)
    }
    ours = set(MODES)
    for pair, value in worst.items():
        print(f"{name}: {' against '.join(pair)}: {value:.1e}")
        allowed = OURS if ours.issuperset(pair) else ANY
        if set(pair) - ours == {"torchdiffeq adjoint"}:
            allowed = THEIR_ADJOINT
        assert value < allowed, pair


@pytest.mark.parametrize("name", PROBLEMS)
@pytest.mark.parametrize("mode", MODES)
def test_what_is_read_between_steps_has_the_gradient_of_what_is_landed_on(name, mode):
    field, z0, t = problem(name)
    landed = gradients(odeint, field, z0, t, options=LAND, **TIGHT)
    assert disagreement(gradients(odeint, field, z0, t, grad=mode, **TIGHT), landed) < ANY


@pytest.mark.parametrize(("land", "allowed", "gain"), [(True, 100, 1e4), (False, 3000, 1e3)])
@pytest.mark.parametrize("mode", MODES)
def test_gradients_close_in_on_the_exact_ones_as_the_tolerance_is_tightened(
    mode, land, allowed, gain
):
    field, z0, t = problem("forced")
    solver = functools.partial(odeint, options={"land": land})
    exact = gradients(solver, field, z0, t, rtol=1e-13, atol=1e-13)
    errors = {
        tol: disagreement(gradients(solver, field, z0, t, rtol=tol, atol=tol, grad=mode), exact)
        for tol in (1e-4, 1e-6, 1e-8, 1e-10)
    }
    assert all(error < allowed * tol for tol, error in errors.items()), errors
    assert errors[1e-4] > gain * errors[1e-10]
