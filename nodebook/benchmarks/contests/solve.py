"""A forward solve against ``torchdiffeq.odeint``: same field, same tolerances, same times."""

import functools

import torch
import torchdiffeq

from nodebook.benchmarks.harness import Contest
from nodelib.ode.solvers import solve


def contests() -> list[Contest]:
    """Dormand-Prince on a nonlinear field, for one state and for a batch of 256."""
    generator = torch.Generator().manual_seed(0)
    times = torch.linspace(0.0, 10.0, 11, dtype=torch.float64)
    made = []
    for batch in (1, 256):
        z0 = 0.5 + torch.rand(batch, 2, generator=generator, dtype=torch.float64)
        tolerances = {"rtol": 1e-6, "atol": 1e-8}
        ours = functools.partial(solve, predator_prey, z0, times, method="dopri5", **tolerances)
        theirs = functools.partial(
            torchdiffeq.odeint, predator_prey, z0, times, method="dopri5", **tolerances
        )
        made.append(Contest(f"Lotka-Volterra, {batch} states", "torchdiffeq", ours, theirs))
    return made


def predator_prey(t: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
    """Lotka-Volterra with all four coefficients 1, over the last axis."""
    x, y = z[..., 0], z[..., 1]
    return torch.stack((x - x * y, x * y - y), dim=-1)
