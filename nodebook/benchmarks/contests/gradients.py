"""The gradient of a small network field, by each of our three modes and torchdiffeq's two.

Forward and backward together, eager, with the same tolerances and output times.
"""

import functools
from collections.abc import Callable, Mapping

import torch
import torchdiffeq
from torch import Tensor, nn

from nodebook.benchmarks.harness import Contest
from nodelib.ode.gradients import MODES, odeint

WAYS = {mode: {} for mode in MODES} | {"adjoint seminorm": {"adjoint_seminorm": True}}
"""Our modes, and the adjoint's second norm: the name and its options."""
TOLERANCES = {"rtol": 1e-5, "atol": 1e-7}


class Network(nn.Module):
    """``tanh`` network of one hidden layer on the state and the time, float32."""

    def __init__(self, size: int = 2, hidden: int = 64, seed: int = 0) -> None:
        super().__init__()
        self.inner = nn.Linear(size + 1, hidden)
        self.outer = nn.Linear(hidden, size)
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for weight in self.parameters():
                weight.copy_(torch.randn(weight.shape, generator=generator) / 4)

    def forward(self, t: Tensor, z: Tensor) -> Tensor:
        """The field at ``z``, shape (..., size)."""
        clock = t.expand(*z.shape[:-1], 1)
        return self.outer(torch.tanh(self.inner(torch.cat((z, clock), -1))))


def contests() -> list[Contest]:
    """Every mode of ours against both of theirs, on 64 states, with 2, 5 and 100 output times.

    The adjoint comes with the error of all that is solved backwards controlled, as torchdiffeq's,
    and with the seminorm.

    The count matters where every output time is landed on (``land=True``); torchdiffeq interpolates
    to it, and so do we by default.
    """
    field = Network()
    z0 = torch.randn(64, 2, generator=torch.Generator().manual_seed(1))
    peers = {
        "torchdiffeq odeint": torchdiffeq.odeint,
        "torchdiffeq odeint_adjoint": torchdiffeq.odeint_adjoint,
    }
    made = []
    for outputs, land in ((2, False), (5, False), (100, False), (100, True)):
        times = torch.linspace(0.0, 4.0, outputs)
        run = functools.partial(gradient, field=field, z0=z0, times=times)
        told = f"{outputs} times" + (" landed on" if land else "")
        for mode, more in WAYS.items():
            grad, *_ = mode.split()
            solved = functools.partial(odeint, grad=grad, options={"land": land, **more})
            ours = functools.partial(run, solved)
            for name, solver in peers.items():
                theirs = functools.partial(run, solver)
                made.append(Contest(f"gradient, {told}, {mode}", name, ours, theirs))
    return made


def gradient(
    solver: Callable,
    field: nn.Module,
    z0: Tensor,
    times: Tensor,
    tolerances: Mapping[str, float] = TOLERANCES,
) -> tuple[Tensor, ...]:
    """Gradients in z0 and the parameters of the summed squares of a solve with dopri5."""
    z0 = z0.clone().requires_grad_()
    z = solver(field, z0, times, method="dopri5", **tolerances)
    return torch.autograd.grad(z.square().sum(), (z0, *field.parameters()))
