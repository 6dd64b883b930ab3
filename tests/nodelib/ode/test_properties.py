"""Properties of every solve, over states, precisions, grids of time, methods, modes and options."""

import math

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from scipy.integrate import solve_ivp
from torch import nn

from nodelib.errors import SolverError
from nodelib.ode.gradients import MODES, odeint
from nodelib.ode.tableaus import TABLEAUS

EXAMPLES = settings(
    max_examples=10, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
TIGHT = {"rtol": 1e-8, "atol": 1e-10}
ADAPTIVE = [name for name, tableau in TABLEAUS.items() if tableau.embedded and name != "bosh3"]
numbers = st.floats(-2, 2, allow_nan=False, allow_subnormal=False)
seeds = st.integers(0, 2**31)
modes, adaptive = st.sampled_from(MODES), st.sampled_from(ADAPTIVE)
shapes = st.lists(st.integers(0, 3), max_size=3).map(tuple)


@st.composite
def grids(draw, most=4):
    """Strictly monotone times, forwards or backwards."""
    gaps = draw(st.lists(st.floats(0.05, 0.8), min_size=1, max_size=most - 1))
    times = draw(st.floats(-1, 1)) + np.cumsum([0.0, *gaps])
    return torch.tensor(times if draw(st.booleans()) else times[::-1].copy())


class Field(nn.Module):
    """``dz/dt = w tanh(z) + v sin(2 t) - z / 2``, entry by entry, for states of any shape."""

    def __init__(self, seed):
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.pair = nn.Parameter(torch.randn(2, generator=generator).double())

    def forward(self, t, z):
        return self.pair[0] * torch.tanh(z) + self.pair[1] * torch.sin(2 * t) - z / 2


def start(shape, seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def gradients(field, z0, t, mode, weights=None, **arguments):
    """The states, and the gradients of their weighted sum in z0, t and the parameters."""
    z0, t = z0.clone().requires_grad_(), t.clone().requires_grad_()
    z = odeint(field, z0, t, grad=mode, **arguments)
    if weights is None:
        weights = torch.cos(torch.arange(z.numel(), dtype=z.dtype)).view(z.shape)
    return z.detach(), *torch.autograd.grad((weights * z).sum(), (z0, t, field.pair))


def close(found, wanted, tolerance=1e-5):
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=tolerance, atol=tolerance)


@EXAMPLES
@given(seeds, shapes, grids(), modes, adaptive)
def test_states_are_those_of_scipy_and_gradients_those_of_backpropagation(
    seed, shape, t, mode, method
):
    field, z0 = Field(seed), start(shape, seed)
    found = gradients(field, z0, t, mode, method=method, **TIGHT)

    def flat(time, z):
        with torch.no_grad():
            return field(torch.tensor(time), torch.from_numpy(z)).numpy()

    if z0.numel():
        span = (t[0].item(), t[-1].item())
        theirs = solve_ivp(flat, span, z0.reshape(-1).numpy(), "DOP853", t, rtol=1e-11, atol=1e-12)
        wanted = torch.from_numpy(theirs.y.T.copy()).view(found[0].shape)
        torch.testing.assert_close(found[0], wanted, rtol=1e-6, atol=1e-7)
    close(found, gradients(field, z0, t, "backprop", method="dopri5", **TIGHT))


@EXAMPLES
@given(seeds, grids(), modes, st.sampled_from(list(TABLEAUS)), st.integers(1, 4))
def test_on_a_grid_checkpointing_is_backpropagation_and_every_mode_solves_alike(
    seed, t, mode, method, steps
):
    field, z0 = Field(seed), start((3,), seed)
    grid = {"method": method, "options": {"num_steps": steps}}
    through = gradients(field, z0, t, "backprop", **grid)
    assert torch.equal(odeint(field, z0, t, grad=mode, **grid).detach(), through[0]) or (
        # A grid that stretches rounds the lengths of its steps differently.
        torch.allclose(odeint(field, z0, t, grad=mode, **grid).detach(), through[0], 1e-13, 1e-14)
    )
    close(gradients(field, z0, t, "checkpoint", **grid), through, 1e-12)


@EXAMPLES
@given(seeds, grids(), modes)
def test_going_back_arrives_where_the_solve_began(seed, t, mode):
    field, z0 = Field(seed), start((2,), seed)
    there = odeint(field, z0, t, grad=mode, **TIGHT).detach()
    back = odeint(field, there[-1], t.flip(0), grad=mode, **TIGHT).detach()
    torch.testing.assert_close(back.flip(0), there, rtol=1e-5, atol=1e-6)


@EXAMPLES
@given(seeds, grids(), modes, st.floats(-3, 3), st.floats(0.2, 4))
def test_time_shifted_and_scaled_gives_the_same_states(seed, t, mode, shift, scale):
    field, z0 = Field(seed), start((2,), seed)

    class Moved(Field):
        def forward(self, time, z):
            return super().forward((time - shift) / scale, z) / scale

    z, dz0, dt, dpair = gradients(field, z0, t, mode, **TIGHT)
    moved = gradients(Moved(seed), z0, scale * t + shift, mode, **TIGHT)
    close((moved[0], moved[1], moved[2] * scale, moved[3]), (z, dz0, dt, dpair), 1e-5)


@EXAMPLES
@given(seeds, grids(), modes, st.floats(0.1, 0.9))
def test_two_solves_one_after_the_other_are_one(seed, t, mode, share):
    field, z0 = Field(seed), start((2,), seed).requires_grad_()
    middle = (t[0] + share * (t[-1] - t[0])).reshape(1)
    ends = t[[0, -1]]
    whole = odeint(field, z0, ends, grad=mode, **TIGHT)[-1]
    half = odeint(field, z0, torch.cat((ends[:1], middle)), grad=mode, **TIGHT)[-1]
    both = odeint(field, half, torch.cat((middle, ends[1:])), grad=mode, **TIGHT)[-1]
    torch.testing.assert_close(both, whole, rtol=1e-5, atol=1e-6)
    close(*(torch.autograd.grad(z.sum(), (z0, field.pair)) for z in (both, whole)))


@EXAMPLES
@given(seeds, grids(), modes, st.permutations(range(4)))
def test_a_batch_in_another_order_gives_the_same_in_that_order(seed, t, mode, order):
    field, z0 = Field(seed), start((4, 2), seed)
    weights = torch.cos(torch.arange(len(t) * 8.0, dtype=torch.float64)).view(-1, 4, 2)
    z, dz0, dt, dpair = gradients(field, z0, t, mode, weights)
    other = gradients(field, z0[order], t, mode, weights[:, order])
    close(other, (z[:, order], dz0[order], dt, dpair), 1e-7)


@EXAMPLES
@given(seeds, grids(), modes, numbers, numbers)
def test_gradients_are_linear_in_the_loss(seed, t, mode, a, b):
    field, z0 = Field(seed), start((3,), seed)
    one, other = (start((len(t), 3), seed + k) for k in (1, 2))
    parts = [gradients(field, z0, t, mode, weights, **TIGHT)[1:] for weights in (one, other)]
    both = gradients(field, z0, t, mode, a * one + b * other, **TIGHT)[1:]
    close(both, [a * x + b * y for x, y in zip(*parts, strict=True)])


@settings(EXAMPLES, max_examples=60)
@given(
    modes,
    st.sampled_from([*TABLEAUS, "rk5", None]),
    st.sampled_from([torch.float32, torch.float64, torch.float16, torch.int64, torch.complex64]),
    st.one_of(
        st.lists(st.floats(-5, 5) | st.just(math.nan), max_size=4),
        grids(),
        st.sampled_from([None, 1.0, "now"]),
    ),
    st.sampled_from([1e-3, 0.0, -1.0, math.nan, [1e-3, 1e-4], [1e-3] * 3, None]),
    st.sampled_from(
        [
            {},
            {"num_steps": 3},
            {"num_steps": 0},
            {"step_size": 0.5},
            {"step_size": -1.0},
            {"step_size": 0.5, "num_steps": 2},
            {"first_step": 0.1},
            {"max_steps": 2},
            {"steps": 1},
        ]
    ),
    st.booleans(),
)
@pytest.mark.filterwarnings("ignore:The continuous adjoint with Euler")
def test_any_call_decays_as_it_should_or_is_refused(
    mode, method, dtype, t, tolerance, options, wants
):
    z0 = torch.tensor([1, 2]).to(dtype)
    if wants and dtype.is_floating_point:
        z0.requires_grad_()
    arguments = {"rtol": tolerance, "atol": tolerance, "options": options}
    try:
        z = odeint(lambda t, z: -z, z0, t, method=method, grad=mode, **arguments)
    except SolverError:
        return
    times = torch.as_tensor(t, dtype=torch.float64)
    wanted = torch.exp(-(times - times[0]))[:, None] * z0.detach().double()
    grid = options.keys() & {"num_steps", "step_size"} or TABLEAUS[method].embedded is None
    if not grid:
        torch.testing.assert_close(z.detach().double(), wanted, rtol=0.05, atol=0.05)
    assert z.dtype == dtype
    assert z.requires_grad == wants
