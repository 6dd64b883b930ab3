"""Fields, solves and finite differences shared by the tests of gradients."""

import torch
from torch import nn

from nodebook.benchmarks.contests.gradients import Network
from nodelib import fields
from nodelib.ode.gradients import odeint

TIGHT = {"rtol": 1e-11, "atol": 1e-12}


def double(values):
    return torch.tensor(values, dtype=torch.float64)


class Quadratic(nn.Module):
    """``dz/dt = (A + sin(t) B) z - c z^3``: nonlinear and time-dependent, state (..., 3)."""

    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(3)
        self.pair = nn.Parameter(torch.randn(2, 3, 3, generator=generator, dtype=torch.float64) / 2)
        self.register_buffer("sign", double([1.0, -1.0, 1.0]))
        self.damping = nn.Parameter(double(0.3))

    def forward(self, t, z):
        matrix = self.pair[0] + torch.sin(t) * self.pair[1]
        return (z @ matrix.T) * self.sign - self.damping * z**3


PROBLEMS = {
    "linear": (lambda: fields.LinearSpiral(0.2, 1.3), [1.0, -0.5], [0.0, 0.7, 1.1, 2.0]),
    "lotka_volterra": (fields.LotkaVolterra, [1.0, 0.8], [0.0, 0.4, 1.3]),
    "forced": (fields.ForcedVanDerPol, [1.2, -0.5], [0.3, 0.9, 1.4]),
    "forced batch": (fields.ForcedVanDerPol, [[1.2, -0.5], [0.3, 0.4]], [0.3, 0.9, 1.4]),
    "forced backwards": (fields.ForcedVanDerPol, [1.2, -0.5], [1.4, 0.9, 0.3]),
    "quadratic": (Quadratic, [0.5, -1.0, 0.8], [-0.5, 0.1, 1.0]),
    "network": (lambda: Network(2, 5).double(), [[0.5, -1.0], [1.0, 0.2]], [0.0, 0.5, 1.5]),
}


def problem(name):
    """Field, and z0 and t that require gradients."""
    make, z0, t = PROBLEMS[name]
    return make(), double(z0).requires_grad_(), double(t).requires_grad_()


def loss(z):
    """A nonlinear loss that looks differently at every output, the first included."""
    weights = torch.cos(torch.arange(z.numel(), dtype=z.dtype)).view(z.shape)
    return (weights * z + 0.3 * z**2).sum()


def gradients(solver, field, z0, t, loss=loss, **arguments):
    """Gradients of the loss of a solve: z0, t, then the parameters of the field."""
    wanted = (z0, t, *field.parameters())
    return torch.autograd.grad(loss(solver(field, z0, t, **arguments)), wanted)


def disagreement(ours, theirs):
    """Largest difference over the largest entry, of every gradient; the worst of them."""
    return max(
        float((a - b).abs().max() / b.abs().max()) for a, b in zip(ours, theirs, strict=True)
    )


def finite_differences(field, z0, t, loss=loss, step=2e-3, **arguments):
    """Gradients like ``gradients``, by the five-point formula in every entry."""

    @torch.no_grad()
    def total():
        return float(loss(odeint(field, z0, t, **arguments)))

    found = []
    with torch.no_grad():
        for tensor in (z0, t, *field.parameters()):
            gradient = torch.zeros_like(tensor)
            flat, slots = tensor.view(-1), gradient.view(-1)
            for entry in range(flat.numel()):
                before, sums = float(flat[entry]), 0.0
                for shift, weight in ((-2, 1), (-1, -8), (1, 8), (2, -1)):
                    flat[entry] = before + shift * step
                    sums += weight * total()
                flat[entry] = before
                slots[entry] = sums / (12 * step)
            found.append(gradient)
    return found


def end_of(mode, **arguments):
    """A function of z0, the two parameters and t for ``gradcheck``, and its arguments."""
    field = fields.ForcedVanDerPol()

    def solved(z0, theta, t):
        def moved(time, z):
            return torch.func.functional_call(field, {"theta": theta}, (time, z))

        return odeint(moved, z0, t, grad=mode, params=[theta], **arguments)

    inputs = (double([1.2, -0.5]), double([0.6, 0.8]), double([0.3, 0.9, 1.4]))
    return solved, tuple(x.requires_grad_() for x in inputs)
