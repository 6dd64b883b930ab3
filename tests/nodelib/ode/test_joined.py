import pytest
import torch
import torchdiffeq
from ode_problems import double
from torch import nn

from nodelib.errors import SolverError
from nodelib.ode.gradients import MODES, integrate, odeint

MODE = pytest.mark.parametrize("mode", MODES)
TIMES = [0.0, 0.4, 1.0]


class Pair(nn.Module):
    """A matrix (2, 3) and a number that drive each other."""

    def __init__(self):
        super().__init__()
        self.rate = nn.Parameter(double([0.5, -0.3]))

    def forward(self, t, state):
        z, s = state
        return self.rate[0] * z * s + t, self.rate[1] * s + z.sum() / 10


def states():
    z = torch.linspace(-1, 1, 6, dtype=torch.float64).view(2, 3)
    return z.requires_grad_(), double(0.7).requires_grad_()


def gradients(solver, times=TIMES, **arguments):
    field, z0 = Pair(), states()
    z, s = solver(field, z0, double(times), **arguments)
    assert (z.shape, s.shape) == ((3, 2, 3), (3,))
    loss = z[1:].square().sum() + s[1:].sin().sum()
    return [z, s, *torch.autograd.grad(loss, (*z0, field.rate))]


@MODE
@pytest.mark.parametrize("method", ["dopri5", "rk4"])
def test_tuples_of_tensors_are_solved_and_differentiated_like_torchdiffeq(mode, method):
    tight = {"rtol": 1e-9, "atol": 1e-10}
    grid = {"num_steps": 50} if method == "rk4" else None
    found = gradients(odeint, method=method, grad=mode, options=grid, **tight)
    for mine, theirs in zip(found, gradients(torchdiffeq.odeint, **tight), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-6, atol=1e-7)


@MODE
def test_times_get_gradients_from_tuples(mode):
    z0, t = (double([1.0]), double([[2.0]])), double([0.0, 1.0]).requires_grad_()
    z, s = odeint(lambda t, zs: (zs[0], -zs[1]), z0, t, grad=mode)
    (found,) = torch.autograd.grad(z[-1].sum() + s[-1].sum(), t)
    torch.testing.assert_close(found, (z[-1].sum() - s[-1].sum()).detach() * double([-1.0, 1.0]))


@MODE
def test_a_list_of_one_tensor_is_that_tensor_in_a_tuple(mode):
    z0 = double([1.0, 2.0])
    (z,) = odeint(lambda t, zs: [-zs[0]], [z0], TIMES, grad=mode)
    assert torch.equal(z, odeint(lambda t, z: -z, z0, TIMES, grad=mode))


def test_tolerances_for_each_tensor():
    z0 = (double([1.0]), double([1.0, 1.0]))

    def solved(atol):
        return integrate(lambda t, zs: (-zs[0], -20 * zs[1]), z0, TIMES, rtol=0.0, atol=atol)

    loose, tight, mixed = solved((1e-2, 1e-2)), solved(1e-8), solved((1e-2, double([1e-8, 1e-2])))
    assert loose.stats.accepted < mixed.stats.accepted < tight.stats.accepted
    with pytest.raises(SolverError, match="atol holds 3 entries for 2 tensors"):
        solved((1e-3, 1e-3, 1e-3))
    with pytest.raises(SolverError, match="entry of atol does not broadcast"):
        solved((1e-3, double([1.0, 1.0, 1.0])))


@MODE
@pytest.mark.parametrize(
    ("field", "z0", "message"),
    [
        (lambda t, zs: zs[0], (double([1.0]),), "returned Tensor for a state that is a tuple of 1"),
        (lambda t, zs: (zs[0], 0.0), (double([1.0]),) * 2, "must return such a tuple"),
        (lambda t, zs: (zs[0],), (double([1.0]),) * 2, r"returned shapes \[\(1,\)\]; the state"),
        (lambda t, zs: zs, (double([1.0]), torch.ones(1)), "share dtype and device"),
        (lambda t, zs: zs, (double([1.0]), 1.0), "float64 tensor, not float"),
    ],
)
def test_tuples_that_do_not_fit_are_refused(mode, field, z0, message):
    with pytest.raises(SolverError, match=message):
        odeint(field, z0, TIMES, grad=mode)
