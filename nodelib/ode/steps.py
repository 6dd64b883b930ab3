"""One explicit Runge-Kutta step (Hairer, Nørsett & Wanner, *Solving Ordinary Differential Equations
I*, section II.1).
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from nodelib.ode.tableaus import Tableau

Field = Callable[[Tensor, Tensor], Tensor]
Norm = Callable[[Tensor], float]


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
    last = len(tableau.c) - 1
    for index, (row, node) in enumerate(zip(tableau.a, tableau.c, strict=True)):
        if index == 0 and k0 is not None:
            stages.append(k0)
            continue
        if index:
            state = z + combine(row, stages, dt)
        needed = index == 0 or (tableau.fsal and index == last)
        stages.append(f(time_like(t + node * dt, z), spare(state) if needed else state))
    return (state if tableau.fsal else z + combine(tableau.b, stages, dt)), stages


def spare(z: Tensor) -> Tensor:
    """``z`` for a field to do with as it likes: a copy where no graph would notice a change."""
    return z if z.requires_grad and torch.is_grad_enabled() else z.clone()


def combine(weights: Sequence[float], stages: Sequence[Tensor], dt: float | Tensor) -> Tensor:
    """``dt`` times the weighted sum of stages; needs one weight that is not zero."""
    scale = 1.0 if isinstance(dt, Tensor) else dt
    total = None
    for weight, stage in zip(weights, stages, strict=True):
        if weight != 0.0:
            weight *= scale
            total = weight * stage if total is None else torch.add(total, stage, alpha=weight)
    return dt * total if isinstance(dt, Tensor) else total


def time_like(t: float | Tensor, z: Tensor) -> Tensor:
    """``t`` as a 0-dimensional tensor of the dtype and on the device of ``z``."""
    if isinstance(t, Tensor):
        return t.to(dtype=z.dtype, device=z.device)
    return torch.tensor(t, dtype=z.dtype, device=z.device)
