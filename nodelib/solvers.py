"""Explicit Runge-Kutta solvers for ``dz/dt = f(t, z)`` on torch tensors.

``solve`` walks from one requested time to the next and lands on each, so nothing is interpolated.
Plain backpropagation works through it: the accepted steps are ordinary tensor operations, and the
step lengths are numbers that carry no gradient, except that a grid stretches with the requested
times, so that ``t`` may require a gradient too.

Source for the error norm, the initial step and the tolerances: Hairer, Nørsett & Wanner, *Solving
Ordinary Differential Equations I*, section II.4; for the PI control: Gustafsson 1991.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from nodelib import tableaus
from nodelib.errors import SolverError
from nodelib.tableaus import Tableau

Field = Callable[[Tensor, Tensor], Tensor]

SAFETY = 0.9
SHRINK = 0.2
GROW = 10.0


@dataclass(frozen=True)
class SolveStats:
    """What a solve cost: field evaluations, and steps accepted and rejected."""

    nfe: int
    accepted: int
    rejected: int


@dataclass(frozen=True)
class AcceptedStep:
    """One accepted step: it starts at ``(t, z)``, is ``dt`` long, and lies in ``t[interval:][:2]``.

    ``z`` is detached and shares memory with nothing that is written to.
    """

    interval: int
    t: float
    dt: float
    z: Tensor


@dataclass(frozen=True)
class Solution:
    """A solved initial value problem.

    Attributes:
        t: the requested times, shape (n,).
        z: the states at those times, shape (n, *state).
        stats: the cost.
        steps: the accepted steps in order if ``record_steps``, else empty.
    """

    t: Tensor
    z: Tensor
    stats: SolveStats
    steps: tuple[AcceptedStep, ...] = ()


def solve(
    f: Field,
    z0: Tensor,
    t: Tensor | Sequence[float],
    *,
    method: str = "dopri5",
    rtol: float = 1e-7,
    atol: float = 1e-9,
    step_size: float | None = None,
    num_steps: int | None = None,
    first_step: float | None = None,
    max_steps: int = 10_000,
    record_steps: bool = False,
) -> Solution:
    """Solve ``dz/dt = f(t, z)``, ``z(t[0]) = z0``, at the times ``t``.

    Args:
        f: the field; takes a time (0-dimensional tensor of the state's dtype) and a state, and
            returns a tensor of the state's shape and dtype.
        z0: initial state, any shape, float32 or float64.
        t: times, shape (n,), strictly increasing or strictly decreasing; ``t[0]`` belongs to
            ``z0``.
        method: a name in ``nodelib.tableaus.TABLEAUS``. Methods with an embedded solution (bosh3,
            dopri5, tsit5) choose their steps; the others, and these too if ``step_size`` or
            ``num_steps`` is given, walk a fixed grid.
        rtol, atol: a step is accepted when the root mean square of
            ``error / (atol + rtol max(|z_before|, |z_after|))`` is at most 1.
        step_size: longest step of a fixed grid; every interval between requested times is cut into
            the fewest equal steps that respect it.
        num_steps: number of equal steps in every interval. Without either, a method that has no
            error estimate takes one step per interval, as in torchdiffeq.
        first_step: length of the first step of an adaptive method; chosen by the rule of Hairer et
            al. (one evaluation more) if None.
        max_steps: budget of steps, accepted and rejected together.
        record_steps: keep the accepted steps in ``Solution.steps``.

    Raises:
        SolverError: for an unknown method, unusable arguments, a field that returns NaN, Inf or a
            wrong shape or dtype, a step too short to advance, or more than ``max_steps`` steps.
    """
    tableau = tableaus.find(method)
    times = _checked_times(t)
    _check_state(z0)
    t = t if isinstance(t, Tensor) else torch.tensor(times, dtype=z0.dtype)
    walk = _Walk(_CountedField(f, z0), t, times, max_steps, record_steps)
    if tableau.embedded is None or step_size is not None or num_steps is not None:
        counts = _steps_per_interval(times, step_size, num_steps, max_steps)
        states = _fixed_grid(walk, tableau.without_error, z0, counts)
    else:
        _check_positive(rtol=rtol, atol=atol, first_step=first_step)
        states = _adaptive(walk, tableau, z0, rtol, atol, first_step)
    stats = SolveStats(walk.field.nfe, walk.accepted, walk.rejected)
    return Solution(t, torch.stack(states), stats, tuple(walk.steps))


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
            state = z + dt * combine(row, stages)
        stages.append(f(_time_like(t + node * dt, z), state))
    return (state if tableau.fsal else z + dt * combine(tableau.b, stages)), stages


def combine(weights: Sequence[float], stages: Sequence[Tensor]) -> Tensor:
    """The weighted sum of stages, skipping zero weights; needs one weight that is not zero."""
    terms = [(w, k) for w, k in zip(weights, stages, strict=True) if w != 0.0]
    (weight, stage), *rest = terms
    total = weight * stage
    for weight, stage in rest:
        total = torch.add(total, stage, alpha=weight)
    return total


class _CountedField:
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


class _Walk:
    """The bookkeeping that both kinds of stepping share: field, times, budget, accepted steps."""

    def __init__(
        self, field: _CountedField, t: Tensor, times: list[float], max_steps: int, record: bool
    ) -> None:
        self.field, self.t, self.times = field, t, times
        self.max_steps, self.record = max_steps, record
        self.accepted = self.rejected = 0
        self.steps: list[AcceptedStep] = []

    def clock(self, interval: int, t: float, dt: float) -> tuple[float | Tensor, float | Tensor]:
        """``t`` and ``dt`` tied to the ends of their interval where those want a gradient."""
        if not (self.t.requires_grad and torch.is_grad_enabled()):
            return t, dt
        start, end = self.times[interval : interval + 2]
        span = self.t[interval + 1] - self.t[interval]
        return self.t[interval] + (t - start) / (end - start) * span, dt / (end - start) * span

    def accept(self, interval: int, t: float, dt: float, z: Tensor) -> None:
        self.accepted += 1
        if self.record:
            self.steps.append(AcceptedStep(interval, t, dt, z.detach()))


def _fixed_grid(walk: _Walk, tableau: Tableau, z: Tensor, counts: list[int]) -> list[Tensor]:
    states = [z]
    for interval, count in enumerate(counts):
        start, end = walk.times[interval : interval + 2]
        dt = (end - start) / count
        for index in range(count):
            t = start + index * dt
            z_next, stages = runge_kutta_step(walk.field, tableau, *walk.clock(interval, t, dt), z)
            if not torch.isfinite(z_next).all():
                _refuse_non_finite(t, dt, z, stages)
            walk.accept(interval, t, dt, z)
            z = z_next
        states.append(z)
    return states


def _adaptive(
    walk: _Walk, tableau: Tableau, z: Tensor, rtol: float, atol: float, first_step: float | None
) -> list[Tensor]:
    states = [z]
    if len(walk.times) == 1:
        return states
    t, z_start = walk.times[0], z
    sign = math.copysign(1.0, walk.times[1] - t)
    k0 = walk.field(_time_like(walk.clock(0, t, 0.0)[0], z), z)
    if not torch.isfinite(k0).all():
        _refuse_non_finite(t, 0.0, z, [k0])
    order = tableau.embedded_order + 1
    if first_step is None:
        first_step = _initial_step(walk.field, t, sign, z, k0, order - 1, rtol, atol)
    size = first_step
    previous_error = 1.0
    for interval, end in enumerate(walk.times[1:]):
        grow = GROW
        while t != end:
            if walk.accepted + walk.rejected >= walk.max_steps:
                raise SolverError(
                    f"max_steps = {walk.max_steps} used up at t = {t:g} of {walk.times[-1]:g} "
                    f"(step {sign * size:.3g}, {walk.rejected} rejected). "
                    f"Raise max_steps, loosen rtol and atol, or use a fixed step."
                )
            if size < 16 * math.ulp(max(abs(t), abs(end))):
                _refuse_underflow(t, sign * size, z, z_start, walk.times[0])
            lands = 1.01 * size >= abs(end - t)
            dt = end - t if lands else sign * size
            z_next, stages = runge_kutta_step(
                walk.field, tableau, *walk.clock(interval, t, dt), z, k0
            )
            error = _error_norm(tableau, dt, stages, z, z_next, rtol, atol)
            if not error <= 1.0:
                walk.rejected += 1
                shrink = SAFETY * error ** (-1 / order) if math.isfinite(error) else 0.0
                size = abs(dt) * max(SHRINK, shrink)
                grow = 1.0
                continue
            walk.accept(interval, t, dt, z)
            error = max(error, 1e-10)
            factor = SAFETY * error ** (-0.7 / order) * previous_error ** (0.4 / order)
            proposal = abs(dt) * min(grow, max(SHRINK, factor))
            # A step cut short to land says little about the length that the field allows.
            size = max(size, proposal) if lands and abs(dt) < size else proposal
            previous_error = max(error, 1e-4)
            grow = GROW
            t = end if lands else t + dt
            z = z_next
            k0 = stages[-1] if tableau.fsal else None
        states.append(z)
    return states


@torch.no_grad()
def _initial_step(
    f: Field, t: float, sign: float, z: Tensor, k0: Tensor, order: int, rtol: float, atol: float
) -> float:
    """Length of the first step: Hairer, Nørsett & Wanner, section II.4; costs one evaluation."""
    scale = atol + rtol * z.abs()
    d0, d1 = _rms(z / scale), _rms(k0 / scale)
    trial = 1e-6 if d0 < 1e-5 or d1 < 1e-5 else 0.01 * d0 / d1
    k1 = f(_time_like(t + sign * trial, z), z + sign * trial * k0)
    d2 = _rms((k1 - k0) / scale) / trial
    steepest = max(d1, d2)
    if not math.isfinite(steepest):
        return trial * 1e-3
    if steepest <= 1e-15:
        return max(1e-6, trial * 1e-3)
    return min(100 * trial, (0.01 / steepest) ** (1 / (order + 1)))


@torch.no_grad()
def _error_norm(
    tableau: Tableau,
    dt: float,
    stages: list[Tensor],
    before: Tensor,
    after: Tensor,
    rtol: float,
    atol: float,
) -> float:
    scale = atol + rtol * torch.maximum(before.abs(), after.abs())
    return _rms(dt * combine(tableau.b_error, stages) / scale)


def _rms(x: Tensor) -> float:
    return float(x.square().mean().sqrt()) if x.numel() else 0.0


def _time_like(t: float | Tensor, z: Tensor) -> Tensor:
    if isinstance(t, Tensor):
        return t.to(dtype=z.dtype, device=z.device)
    return torch.tensor(t, dtype=z.dtype, device=z.device)


def _checked_times(t: Tensor | Sequence[float]) -> list[float]:
    times = torch.as_tensor(t, dtype=torch.float64).detach()
    if times.ndim != 1 or not len(times):
        raise SolverError(f"The times t must have shape (n,), n >= 1, not {tuple(times.shape)}.")
    if not torch.isfinite(times).all():
        raise SolverError("The times t hold NaN or Inf.")
    gaps = times.diff()
    if not ((gaps > 0).all() or (gaps < 0).all()):
        raise SolverError(
            "The times t must be strictly increasing or strictly decreasing: "
            "sort them and drop repeated ones."
        )
    return times.tolist()


def _check_state(z0: Tensor) -> None:
    if not isinstance(z0, Tensor) or z0.dtype not in (torch.float32, torch.float64):
        kind = z0.dtype if isinstance(z0, Tensor) else type(z0).__name__
        raise SolverError(f"The state z0 must be a float32 or float64 tensor, not {kind}.")
    if not torch.isfinite(z0).all():
        raise SolverError("The state z0 holds NaN or Inf.")


def _check_positive(**values: float | None) -> None:
    for name, value in values.items():
        if value is not None and not 0 < value < math.inf:
            raise SolverError(f"{name} must be a positive number, not {value}.")


def _steps_per_interval(
    times: list[float], step_size: float | None, num_steps: int | None, max_steps: int
) -> list[int]:
    if step_size is not None and num_steps is not None:
        raise SolverError("Give step_size or num_steps, not both.")
    _check_positive(step_size=step_size, num_steps=num_steps)
    if num_steps is not None and num_steps != int(num_steps):
        raise SolverError(f"num_steps must be a whole number, not {num_steps}.")
    if step_size is None:
        counts = [int(num_steps or 1)] * (len(times) - 1)
    else:
        gaps = [abs(b - a) for a, b in pairwise(times)]
        counts = [max(1, math.ceil(gap / step_size - 1e-9)) for gap in gaps]
    if sum(counts) > max_steps:
        raise SolverError(
            f"The fixed grid has {sum(counts)} steps, more than max_steps = {max_steps}. "
            f"Take longer steps or raise max_steps."
        )
    return counts


def _refuse_non_finite(t: float, dt: float, z: Tensor, stages: list[Tensor]) -> None:
    culprit = "the state overflowed"
    if not all(torch.isfinite(k).all() for k in stages):
        culprit = "the field returned NaN or Inf"
    raise SolverError(
        f"In the step from t = {t:g} with dt = {dt:.3g} {culprit} "
        f"(norm of z before it: {_rms(z.detach()):.3g}). "
        f"Bound the field, or take shorter steps."
    )


def _refuse_underflow(t: float, dt: float, z: Tensor, z_start: Tensor, t_start: float) -> None:
    raise SolverError(
        f"Step underflow at t = {t:g}: dt = {dt:.3g} no longer advances. The norm of z went from "
        f"{_rms(z_start.detach()):.3g} at t = {t_start:g} to {_rms(z.detach()):.3g}. The field is "
        f"stiff, unbounded or not finite here: bound the field, loosen rtol and atol, or use a "
        f"fixed step."
    )
