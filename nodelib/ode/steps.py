"""One Runge-Kutta step, its error, and the control of step lengths: the parts of a solver.

Source for the error norm and the first step: Hairer, Nørsett & Wanner, *Solving Ordinary
Differential Equations I*, section II.4; for the PI control: Gustafsson 1991,
with the exponents of Hairer & Wanner's DOPRI5 (beta = 0.04 at order 5).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nodelib.errors import SolverError
from nodelib.ode.tableaus import Tableau

Field = Callable[[Tensor, Tensor], Tensor]
Norm = Callable[[Tensor], float]

SAFETY = 0.9
SHRINK = 0.2
GROW = 10.0


def rms(x: Tensor) -> float:
    """Root mean square of all entries; 0 for an empty tensor."""
    return float(x.square().mean().sqrt()) if x.numel() else 0.0


def runge_kutta_step(
    f: Field,
    tableau: Tableau,
    t: float | Tensor,
    dt: float | Tensor,
    z: Tensor,
    k0: Tensor | None = None,
) -> tuple[Tensor, list[Tensor]]:
    """One step of ``tableau`` from ``(t, z)``: the new state, and the stages ``k_i`` as a list.

    ``k0`` is ``f(t, z)`` where it is known already. ``t`` and ``dt`` are numbers, or 0-dimensional
    tensors where their gradient is wanted.
    """
    stages: list[Tensor] = []
    state = z
    for row, node in zip(tableau.a, tableau.c, strict=True):
        if not stages and k0 is not None:
            stages.append(k0)
            continue
        if stages:
            state = z + combine(row, stages, dt)
        stages.append(f(time_like(t + node * dt, z), state))
    return (state if tableau.fsal else z + combine(tableau.b, stages, dt)), stages


def combine(weights: Sequence[float], stages: Sequence[Tensor], dt: float | Tensor) -> Tensor:
    """``dt`` times the weighted sum of stages; needs one weight that is not zero."""
    scale = 1.0 if isinstance(dt, Tensor) else dt
    total = None
    for weight, stage in zip(weights, stages, strict=True):
        if weight != 0.0:
            weight *= scale
            total = weight * stage if total is None else torch.add(total, stage, alpha=weight)
    return dt * total if isinstance(dt, Tensor) else total


class CountedField:
    """A field that counts its evaluations and refuses values of the wrong kind."""

    def __init__(self, f: Field, z0: Tensor) -> None:
        self.f, self.nfe = f, 0
        self.shape, self.dtype = z0.shape, z0.dtype

    def __call__(self, t: Tensor, z: Tensor) -> Tensor:
        self.nfe += 1
        value = self.f(t, z)
        if not isinstance(value, Tensor):
            raise SolverError(
                f"The field returned {type(value).__name__} at t = {float(t):g}; "
                f"it must return a tensor like the state."
            )
        if value.shape != self.shape or value.dtype != self.dtype:
            raise SolverError(
                f"The field returned shape {tuple(value.shape)}, {value.dtype} at t = "
                f"{float(t):g}; the state has shape {tuple(self.shape)}, {self.dtype}. "
                f"Make them equal."
            )
        return value


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


def time_like(t: float | Tensor, z: Tensor) -> Tensor:
    """``t`` as a 0-dimensional tensor of the dtype and on the device of ``z``."""
    if isinstance(t, Tensor):
        return t.to(dtype=z.dtype, device=z.device)
    return torch.tensor(t, dtype=z.dtype, device=z.device)
