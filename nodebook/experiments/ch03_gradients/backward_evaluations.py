"""Field evaluations backwards against forwards, as the tolerance tightens.

Chen et al. (2018, section 3, figure 3c) report about half as many backwards as forwards. Variants:
``network``, a field of 50 hidden units fitted to a spiral as in their demonstration (300 steps of
Adam, 20 starting states); ``scaled``, the same with a loss a million times smaller, so that the
absolute tolerance no longer sees the adjoint; and ``nonlinear``, the forced van der Pol oscillator
of chapter 02 over a time of three. The seed draws weights and data.

Metrics, for each way and each tolerance (relative = absolute):

- ``forward.<way>.<tolerance>``, ``backward.<way>.<tolerance>``: field evaluations
- ``ratio.<way>.<tolerance>``: backwards over forwards
- ``ratio.<way>.mean``: over the tolerances; ``half.<way>``: how many of them have a ratio of at
  most 0.6
- ``error.<way>.<tolerance>``: relative error of the gradient, against one at 1e-10

``fit_loss`` is the mean squared error after the fit, ``fit_loss_before`` before it.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from nodebook.benchmarks import gradient_problems
from nodebook.benchmarks.differentiation import WAYS, Gradients, differentiate, relative_error
from nodebook.benchmarks.gradient_problems import Problem, half_distance
from nodebook.evidence import results
from nodelib.fields import LinearSpiral
from nodelib.ode.gradients import odeint

VARIANTS = ("network", "scaled", "nonlinear")
SEEDS = (0, 1, 2, 3, 4)
NEEDS = ()
TOLERANCE = {"error.*": 0.1, "fit_loss*": 1e-3, "ratio.*": 0.02, "forward.*": 0.02, "*": 0.02}

TOLERANCES = tuple(10.0**-k for k in range(2, 9))
REFERENCE = {"rtol": 1e-10, "atol": 1e-10}
HALF = 0.6
SCALE = 1e-6
NAMES: Mapping[str, str] = {
    **{way: name for way, name in WAYS.items() if not way.endswith("backprop")},
    "torchdiffeq-seminorm": "torchdiffeq, odeint_adjoint with seminorm",
}
"""The ways that evaluate the field backwards, and how to write them in a table."""


@dataclass(frozen=True)
class Fit:
    """A fitted field, and the mean squared error before and after."""

    field: nn.Module
    before: float
    after: float


@functools.cache
def fit_spiral(seed: int, steps: int = 300) -> Fit:
    """Fit a network to the decaying spiral from 20 random starting states over a time of 2."""
    generator = torch.Generator().manual_seed(seed)
    field = gradient_problems.TimedNetwork(2, 50, generator)
    starts = 4 * torch.rand(20, 2, generator=generator, dtype=torch.float64) - 2
    times = torch.linspace(0.0, 2.0, 5, dtype=torch.float64)
    with torch.no_grad():
        wanted = odeint(LinearSpiral(), starts, times)
    optimiser = torch.optim.Adam(field.parameters(), lr=0.01)
    losses = []
    for _ in range(steps):
        found = odeint(
            field, starts, times, method="rk4", grad="backprop", options={"num_steps": 2}
        )
        loss = (found - wanted).square().mean()
        losses.append(loss.item())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return Fit(field, losses[0], losses[-1])


def problem(variant: str, seed: int, fit: Fit | None = None) -> Problem:
    """What is solved: 20 states under the fitted network, or one state of the oscillator."""
    if variant != "nonlinear":
        scale = SCALE if variant == "scaled" else 1.0
        field = (fit or fit_spiral(seed)).field
        generator = torch.Generator().manual_seed(1000 + seed)
        starts = 4 * torch.rand(20, 2, generator=generator, dtype=torch.float64) - 2
        return Problem(
            field, starts, torch.tensor([0.0, 5.0]).double(), lambda z: scale * half_distance(z)
        )
    drawn = gradient_problems.nonlinear(seed)
    return Problem(drawn.field, drawn.z0, torch.tensor([0.3, 3.3]).double(), half_distance)


def gradients(name: str, problem: Problem, **settings: Any) -> Gradients:
    """Gradients by one of ``NAMES``."""
    if name == "torchdiffeq-seminorm":
        settings["adjoint_norm"] = "seminorm"
        name = "torchdiffeq-adjoint"
    return differentiate(name, *problem.parts, **settings)


def run(variant: str, seed: int) -> results.Outcome:
    """Count the evaluations of both passes at every tolerance."""
    fit = fit_spiral(seed) if variant != "nonlinear" else None
    solved = problem(variant, seed, fit)
    reference: Tensor = differentiate("checkpoint", *solved.parts, **REFERENCE).vector()
    metrics: dict[str, float] = {}
    if fit:
        metrics |= {"fit_loss_before": fit.before, "fit_loss": fit.after}
    for name in NAMES:
        ratios = []
        for x in TOLERANCES:
            found = gradients(name, solved, rtol=x, atol=x)
            ratios.append(found.nfe_backward / found.nfe_forward)
            metrics[f"forward.{name}.{x:.0e}"] = found.nfe_forward
            metrics[f"backward.{name}.{x:.0e}"] = found.nfe_backward
            metrics[f"ratio.{name}.{x:.0e}"] = ratios[-1]
            metrics[f"error.{name}.{x:.0e}"] = relative_error(found.vector(), reference)
        metrics[f"ratio.{name}.mean"] = sum(ratios) / len(ratios)
        metrics[f"half.{name}"] = sum(ratio <= HALF for ratio in ratios)
    return results.Outcome(metrics=metrics)
