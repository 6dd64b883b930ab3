"""The problems on which torchdiffeq tests itself, run through both libraries by the same calls.

They are those of its test suite (Chen 2018, ``tests/problems.py``): a field whose solution is a
line, a linear field with a skew-symmetric matrix, and one whose solution holds sines and powers of
time. Each comes with its exact solution.
"""

import functools
import math

import pytest
import torch
import torchdiffeq
from torch import nn

from nodelib.ode.gradients import odeint

odeint_adjoint = functools.partial(odeint, grad="adjoint")

FIXED = ("euler", "midpoint", "rk4")
ADAPTIVE = ("bosh3", "dopri5")


class Line(nn.Module):
    """``y' = a + (y - (a t + b))^5``, solved by ``a t + b``."""

    def __init__(self):
        super().__init__()
        self.a = nn.Parameter(torch.tensor(0.2, dtype=torch.float64))
        self.b = nn.Parameter(torch.tensor(3.0, dtype=torch.float64))

    def forward(self, t, y):
        return self.a + (y - (self.a * t + self.b)) ** 5

    def exact(self, t):
        return (self.a * t + self.b)[:, None]


class Rotation(nn.Module):
    """``y' = A y`` with a skew-symmetric matrix of size 10, by the matrix exponential."""

    def __init__(self, size=10):
        super().__init__()
        drawn = 0.1 * torch.randn(size, size, generator=torch.Generator().manual_seed(0)).double()
        self.matrix = nn.Parameter(drawn - drawn.T)
        self.start = torch.linspace(1.0, 2.0, size, dtype=torch.float64)

    def forward(self, t, y):
        return self.matrix @ y

    def exact(self, t):
        return torch.linalg.matrix_exp((t - t[0])[:, None, None] * self.matrix) @ self.start


class Sine(nn.Module):
    """``y' = 2 y / t + c t^4 sin 2t - t^2 + 4 t^3``, ``c = 1``; a time-dependent field."""

    def __init__(self):
        super().__init__()
        self.c = nn.Parameter(torch.tensor(1.0, dtype=torch.float64))

    def forward(self, t, y):
        return 2 * y / t + self.c * t**4 * torch.sin(2 * t) - t**2 + 4 * t**3

    def exact(self, t):
        # Divided by t^2 the equation is y / t^2 = integral of t^2 sin 2t - 1 + 4t.
        sines = (1 - 2 * t**2) * torch.cos(2 * t) / 4 + t * torch.sin(2 * t) / 2
        return (t**2 * (self.c * sines - t + 2 * t**2))[:, None]


PROBLEMS = {"line": Line, "rotation": Rotation, "sine": Sine}
PROBLEM = pytest.mark.parametrize("name", PROBLEMS)
BACKWARDS = pytest.mark.parametrize("backwards", [False, True])
EITHER = pytest.mark.parametrize(
    "solvers",
    [(torchdiffeq.odeint, odeint), (torchdiffeq.odeint_adjoint, odeint_adjoint)],
    ids=["odeint", "odeint_adjoint"],
)


def made(name, backwards=False, dtype=torch.float64):
    """Field, initial state, times and exact solution."""
    field = PROBLEMS[name]()
    times = torch.linspace(1.0, 8.0, 10, dtype=torch.float64)
    exact = field.exact(times).detach()
    if backwards:
        times, exact = times.flip(0), exact.flip(0)
    field, times, exact = field.to(dtype), times.to(dtype), exact.to(dtype)
    return field, exact[0].clone(), times, exact


def relative_error(solution, exact):
    return float((solution - exact).abs().max() / exact.abs().max())


@BACKWARDS
@PROBLEM
@EITHER
@pytest.mark.parametrize("method", ADAPTIVE)
def test_the_same_call_gives_the_exact_solution_in_both_libraries(name, solvers, method, backwards):
    for solver in solvers:
        field, y0, t, exact = made(name, backwards)
        y = solver(field, y0, t, method=method, rtol=1e-6, atol=1e-7)
        assert y.shape == exact.shape
        assert y.requires_grad
        assert relative_error(y.detach(), exact) < 1e-3


@PROBLEM
@EITHER
@pytest.mark.parametrize("method", FIXED)
def test_the_same_call_on_a_fixed_grid(name, solvers, method):
    length = {"euler": 7 / 4500, "midpoint": 7 / 900, "rk4": 7 / 90}[method]
    found = []
    for solver in solvers:
        field, y0, t, exact = made(name)
        with torch.no_grad():
            found.append(solver(field, y0, t, method=method, options={"step_size": length}))
        assert relative_error(found[-1], exact) < (2e-2 if method == "euler" else 1e-3)
    if method != "rk4":
        torch.testing.assert_close(*found, rtol=1e-9, atol=1e-9)


@PROBLEM
@EITHER
def test_the_same_call_in_float32(name, solvers):
    for solver in solvers:
        field, y0, t, exact = made(name, dtype=torch.float32)
        field.start = None
        y = solver(field, y0, t, rtol=1e-5, atol=1e-6, method="dopri5")
        assert y.dtype == torch.float32
        assert relative_error(y.detach(), exact) < 1e-3


@BACKWARDS
@PROBLEM
def test_their_gradients_and_ours_are_the_same(name, backwards):
    found = {}
    for way, solver in (
        ("their adjoint", torchdiffeq.odeint_adjoint),
        ("our adjoint", odeint_adjoint),
        ("checkpoint", odeint),
        ("backprop", functools.partial(odeint, grad="backprop")),
    ):
        field, y0, t, _ = made(name, backwards)
        y0.requires_grad_(), t.requires_grad_()
        landing = {} if solver is torchdiffeq.odeint_adjoint else {"options": {"land": True}}
        y = solver(field, y0, t, rtol=1e-9, atol=1e-10, method="dopri5", **landing)
        weights = torch.linspace(-1.0, 2.0, 10, dtype=torch.float64)[:, None]
        found[way] = torch.autograd.grad((weights * y).sum(), (y0, t, *field.parameters()))
    for way in ("our adjoint", "checkpoint", "backprop"):
        for ours, theirs in zip(found[way], found["their adjoint"], strict=True):
            allowed = 1e-6 * max(1.0, float(theirs.abs().max()))
            assert (ours - theirs).abs().max() < allowed, way


@PROBLEM
@pytest.mark.parametrize("solver", [odeint, odeint_adjoint], ids=["odeint", "odeint_adjoint"])
def test_gradcheck_on_their_problems(name, solver):
    field, y0, t, _ = made(name)
    inputs = (y0.requires_grad_(), t[:2].clone().requires_grad_())

    def solved(y0, t):
        return solver(field, y0, t, rtol=1e-10, atol=1e-10, method="dopri5")

    assert torch.autograd.gradcheck(solved, inputs, eps=1e-4, rtol=1e-4, atol=1e-4)


def test_a_training_step_is_the_same_with_either_library():
    moved = []
    for solver in (torchdiffeq.odeint_adjoint, odeint_adjoint):
        field, y0, t, exact = made("rotation")
        with torch.no_grad():
            field.matrix += 0.01 * math.pi
        optimiser = torch.optim.Adam(field.parameters(), lr=1e-2)
        for _ in range(2):
            optimiser.zero_grad()
            loss = (solver(field, y0, t, rtol=1e-8, atol=1e-9) - exact).square().mean()
            loss.backward()
            optimiser.step()
        moved.append(field.matrix.detach())
    torch.testing.assert_close(*moved, rtol=1e-6, atol=1e-6)
