"""Running the dynamics backwards: how well it finds the initial state, and what that does.

Each of three systems is solved over five intervals, forwards and then backwards from where it
ended, at a relative and absolute tolerance of 1e-6. Seed 0 starts where the system's name suggests;
the others start within 5% of it. Metrics of ``systems``, ``<system>.<length>.<what>``, all relative
to a solution at 1e-12:

- ``forward``: error of the state at the end; ``backward``: error of the initial state found again
- ``gradient.<way>``: error of the gradient in the initial state and the parameters, of the loss
  half the squared norm of the end state

A solve that fails (too many steps, or too short ones) or ends further away than 100 times the truth
counts as ``LOST``, an error of 100.

- ``<system>.worst.<what>``: the largest over the lengths; ``<system>.amplification``: the largest
  ratio of ``backward`` to ``forward``, where the initial state was not lost
- ``restarts.<k>``: error of the adjoint's gradient on the stiff system, its middle length, if k
  intervals each start again from a stored state, and ``restarts.steps``, the error of "checkpoint"
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nodebook.benchmarks.differentiation import WAYS, differentiate, relative_error
from nodebook.evidence import results
from nodelib.errors import SolverError
from nodelib.fields import Lorenz, LotkaVolterra, VanDerPol
from nodelib.ode.solvers import solve

VARIANTS = ("systems",)
SEEDS = (0, 1, 2, 3, 4)
NEEDS = ()
TOLERANCE = {"*": 0.3}
"""An error that grew a thousandfold has its last digits from rounding."""

RTOL = ATOL = 1e-6
TIGHT = {"rtol": 1e-12, "atol": 1e-13, "max_steps": 100_000}
MAX_STEPS = 1_000
LOST = 100.0
ROUNDING = 1e-10
WHATS = ("forward", "backward", *(f"gradient.{way}" for way in WAYS))
RESTARTS = (1, 2, 4, 8, 16, 32, 64)

FEW = 2
"""So many lengths of each system verification solves again."""
PART = "the two shortest lengths of each system"


@dataclass(frozen=True)
class Case:
    """A system, where it starts, and over which lengths of time it is solved."""

    field: Callable[[], nn.Module]
    z0: tuple[float, ...]
    lengths: tuple[float, ...]


CASES: Mapping[str, Case] = {
    "harmless": Case(LotkaVolterra, (1.0, 1.0), (0.5, 1.0, 2.0, 4.0, 8.0)),
    "stiff": Case(lambda: VanDerPol(10.0), (2.0, 0.0), (0.05, 0.1, 0.25, 0.5, 1.0)),
    "chaotic": Case(Lorenz, (1.0, 1.0, 25.0), (0.125, 0.25, 0.5, 1.0, 2.0)),
}
"""Lotka-Volterra, van der Pol with mu = 10, and Lorenz."""

RESTART_CASE = ("stiff", 0.5)


def start(name: str, seed: int) -> Tensor:
    """The initial state of a system."""
    z0 = torch.tensor(CASES[name].z0, dtype=torch.float64)
    if seed == 0:
        return z0
    generator = torch.Generator().manual_seed(seed)
    return z0 + 0.05 * (2 * torch.rand(len(z0), generator=generator).double() - 1) * z0.norm()


def half_norm(z: Tensor) -> Tensor:
    """Half the squared norm of the last state."""
    return z[-1].square().sum() / 2


@torch.no_grad()
def round_trip(name: str, length: float, z0: Tensor) -> dict[str, float]:
    """Errors of the end state, "forward", and of the initial state found again, "backward"."""
    field = CASES[name].field()
    settings = {"rtol": RTOL, "atol": ATOL, "max_steps": MAX_STEPS}
    end = solve(field, z0, [0.0, length], **settings).z[-1]
    exact = solve(field, z0, [0.0, length], **TIGHT).z[-1]
    try:
        back = solve(field, end, [length, 0.0], **settings).z[-1]
    except SolverError:
        return {"forward": relative_error(end, exact), "backward": LOST}
    return {
        "forward": relative_error(end, exact),
        "backward": min(LOST, relative_error(back, z0)),
    }


def true_gradient(name: str, length: float, z0: Tensor) -> Tensor:
    """The gradient at a tolerance of 1e-12, by the discrete gradient of that solve."""
    t = torch.tensor([0.0, length], dtype=torch.float64)
    return differentiate("backprop", CASES[name].field(), z0, t, half_norm, **TIGHT).vector()


def gradient_error(
    way: str, name: str, length: float, z0: Tensor, wanted: Tensor, intervals: int = 1
) -> float:
    """Relative error of a gradient; the adjoint restarts at every of ``intervals`` outputs."""
    t = torch.linspace(0.0, length, intervals + 1, dtype=torch.float64)
    settings = {"rtol": RTOL, "atol": ATOL, "max_steps": MAX_STEPS}
    try:
        found = differentiate(way, CASES[name].field(), z0, t, half_norm, **settings)
    except (SolverError, AssertionError):  # torchdiffeq asserts that its step does not underflow
        return LOST
    error = relative_error(found.vector(), wanted)
    return min(LOST, error) if error == error else LOST


def errors(name: str, length: float, z0: Tensor) -> dict[str, float]:
    """All errors of one system over one length, by the names in ``WHATS``."""
    row = round_trip(name, length, z0)
    wanted = true_gradient(name, length, z0)
    for way in WAYS:
        row[f"gradient.{way}"] = gradient_error(way, name, length, z0, wanted)
    return row


def run(variant: str, seed: int) -> results.Outcome:
    """All errors from one set of initial states."""
    metrics: dict[str, float] = {}
    for name, case in CASES.items():
        z0 = start(name, seed)
        rows = []
        for length in case.lengths:
            row = errors(name, length, z0)
            metrics |= {f"{name}.{length:g}.{what}": row[what] for what in WHATS}
            rows.append(row)
        metrics |= {f"{name}.worst.{what}": max(row[what] for row in rows) for what in WHATS}
        found = [row for row in rows if row["backward"] < LOST]
        metrics[f"{name}.amplification"] = max(row["backward"] / row["forward"] for row in found)
    name, length = RESTART_CASE
    z0 = start(name, seed)
    wanted = true_gradient(name, length, z0)
    for intervals in RESTARTS:
        error = gradient_error("adjoint", name, length, z0, wanted, intervals)
        metrics[f"restarts.{intervals}"] = error
    metrics["restarts.steps"] = gradient_error("checkpoint", name, length, z0, wanted)
    return results.Outcome(metrics=metrics)


def rederive(recorded: results.Run) -> dict[str, object]:
    """The errors over the shortest lengths, but those at the level of rounding."""
    found = {}
    for name, case in CASES.items():
        z0 = start(name, recorded.seed)
        for length in case.lengths[:FEW]:
            row = errors(name, length, z0)
            found |= {f"{name}.{length:g}.{what}": row[what] for what in WHATS}
    return _above_rounding(found, recorded)


def rederive_all(recorded: results.Run) -> dict[str, object]:
    """All metrics but those at the level of rounding."""
    return _above_rounding(run(recorded.variant, recorded.seed).metrics, recorded)


def _above_rounding(metrics: dict[str, float], recorded: results.Run) -> dict[str, object]:
    """The metrics without what differs between machines."""
    return {
        name: value
        for name, value in metrics.items()
        if min(value, recorded.metrics[name]) > ROUNDING and "amplification" not in name
    }
