"""The control of step lengths: the error of a step, the first length, and the next one.

Source for the error norm and the first step: Hairer, Nørsett & Wanner, *Solving Ordinary
Differential Equations I*, section II.4; for the PI control: Gustafsson 1991,
with the exponents of Hairer & Wanner's DOPRI5 (beta = 0.04 at order 5).
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from nodelib.ode.steps import Field, Norm, combine, rms, time_like
from nodelib.ode.tableaus import Tableau

SAFETY = 0.9
SHRINK = 0.2
GROW = 10.0


@dataclass
class StepControl:
    """PI control of the step length (Gustafsson 1991).

    ``size`` is the length to try next; ``order`` that of the error (embedded order + 1);
    ``error`` below is the norm of a step's error, at most 1 where the step is accepted.
    """

    size: float
    order: int
    previous_error: float = 1.0
    grow: float = GROW

    def reject(self, length: float, error: float) -> None:
        """Shorten after a rejected step of ``length``; the next may not grow."""
        shrink = SAFETY * error ** (-1 / self.order) if math.isfinite(error) else 0.0
        self.size = length * max(SHRINK, shrink)
        self.grow = 1.0

    def accept(self, length: float, error: float) -> None:
        """Choose the next length after an accepted step of ``length``."""
        floored = max(error, 1e-10)
        factor = (
            SAFETY * floored ** (-0.85 / self.order) * self.previous_error ** (0.2 / self.order)
        )
        proposal = length * min(self.grow, max(SHRINK, factor))
        # A step cut short to land on an output time must not make the next one shorter.
        self.size = max(self.size, proposal) if length < self.size else proposal
        self.previous_error = max(error, 1e-4)
        self.grow = GROW


@torch.no_grad()
def initial_step(
    f: Field,
    t: float,
    span: float,
    z: Tensor,
    k0: Tensor,
    order: int,
    rtol: float,
    atol: float,
    norm: Norm = rms,
) -> float:
    """Length (positive) of the first step from ``(t, z)``, without gradient.

    ``span`` is the signed length of the first interval, which the trial point does not leave;
    ``k0 = f(t, z)``; ``order`` is that of the error estimate. Costs one evaluation.
    """
    scale = atol + rtol * z.abs()
    d0, d1 = norm(z / scale), norm(k0 / scale)
    trial = min(1e-6 if d0 < 1e-5 or d1 < 1e-5 else 0.01 * d0 / d1, abs(span))
    ahead = math.copysign(trial, span)
    k1 = f(time_like(t + ahead, z), z + ahead * k0)
    d2 = norm((k1 - k0) / scale) / trial
    steepest = max(d1, d2)
    if not math.isfinite(steepest):
        return trial * 1e-3
    if steepest <= 1e-15:
        return max(1e-6, trial * 1e-3)
    return min(100 * trial, (0.01 / steepest) ** (1 / (order + 1)))


@torch.no_grad()
def error_norm(
    tableau: Tableau,
    dt: float,
    stages: list[Tensor],
    before: Tensor,
    after: Tensor,
    rtol: float,
    atol: float,
    norm: Norm = rms,
) -> float:
    """Norm of a step's error over ``atol + rtol max(|before|, |after|)``.

    Infinite if the step ended in a state that is not finite.
    """
    if not torch.isfinite(after).all():
        return math.inf
    scale = atol + rtol * torch.maximum(before.abs(), after.abs())
    return norm(combine(tableau.b_error, stages, dt) / scale)
