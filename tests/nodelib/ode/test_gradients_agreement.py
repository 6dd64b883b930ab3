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

WAYS = {
    "backprop": functools.partial(odeint, grad="backprop"),
    "checkpoint": functools.partial(odeint, grad="checkpoint"),
    "adjoint": functools.partial(odeint, grad="adjoint"),
    "torchdiffeq backprop": torchdiffeq.odeint,
    "torchdiffeq adjoint": torchdiffeq.odeint_adjoint,
}

#: Largest relative disagreement between two ways: among ours, with torchdiffeq's adjoint, and with
#: finite differences or torchdiffeq's backpropagation, whose outputs are interpolated.
OURS, THEIR_ADJOINT, ANY = 2e-10, 5e-10, 3e-8


@pytest.mark.parametrize("name", PROBLEMS)
def test_all_ways_agree_with_each_other_and_with_finite_differences(name):
    found = {}
    for way, solver in WAYS.items():
        field, z0, t = problem(name)
        found[way] = gradients(solver, field, z0, t, **TIGHT)
    field, z0, t = problem(name)
    found["finite differences"] = finite_differences(field, z0, t, **TIGHT)
    worst = {
        pair: disagreement(found[pair[0]], found[pair[1]])
        for pair in itertools.combinations(found, 2)
    }
    ours = {"backprop", "checkpoint", "adjoint"}
    for pair, value in worst.items():
        print(f"{name}: {' against '.join(pair)}: {value:.1e}")
        allowed = OURS if ours.issuperset(pair) else ANY
        if set(pair) - ours == {"torchdiffeq adjoint"}:
            allowed = THEIR_ADJOINT
        assert value < allowed, pair


@pytest.mark.parametrize("mode", ["backprop", "checkpoint", "adjoint"])
def test_gradients_close_in_on_the_exact_ones_as_the_tolerance_is_tightened(mode):
    field, z0, t = problem("forced")
    exact = gradients(odeint, field, z0, t, rtol=1e-13, atol=1e-13)
    errors = {
        tol: disagreement(gradients(odeint, field, z0, t, rtol=tol, atol=tol, grad=mode), exact)
        for tol in (1e-4, 1e-6, 1e-8, 1e-10)
    }
    assert all(error < 100 * tol for tol, error in errors.items())
    assert errors[1e-4] > 1e4 * errors[1e-10]
