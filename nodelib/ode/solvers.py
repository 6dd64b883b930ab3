"""Explicit Runge-Kutta solvers for ``dz/dt = f(t, z)`` on torch tensors.

An adaptive method walks from the first requested time to the last, and what is asked for in between
is read from the polynomial of the step that passes it (``nodelib.ode.dense``). A fixed grid, and
with ``land=True`` an adaptive method, walks from one requested time to the next and lands on each.
Plain backpropagation works through both: the accepted steps are ordinary tensor operations, and the
step lengths are numbers that carry no gradient, except that a grid stretches with the requested
times, so that ``t`` may require a gradient too.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import takewhile

import torch
from torch import Tensor

from nodelib.errors import SolverError
from nodelib.ode import dense, tableaus
from nodelib.ode.arguments import (
    MAX_STEPS,
    Tolerance,
    Tolerances,
    check_positive,
    check_state,
    checked_times,
    steps_per_interval,
    time_tensor,
)
from nodelib.ode.control import StepControl, error_norm, initial_step
from nodelib.ode.evaluations import CountedField, transforms_active
from nodelib.ode.generators import generator_states
from nodelib.ode.steps import Field, Norm, rms, runge_kutta_step, spare, time_like
from nodelib.ode.tableaus import Tableau


@dataclass(frozen=True)
class SolveStats:
    """What a solve cost: field evaluations, and steps accepted and rejected.

    ``compiling``: seconds that were spent on compiling it, where it was compiled in this call.
    """

    nfe: int
    accepted: int
    rejected: int
    compiling: float = 0.0


@dataclass(frozen=True)
class AcceptedStep:
    """One accepted step from ``(t, z)``, ``dt`` long.

    It is on the way from the output ``interval`` to the output ``end``, on which the last of these
    steps ``lands``. ``inside`` are the outputs that are read from the step's polynomial. ``z`` is
    detached. ``generators`` are the states of the random numbers with which a step of a fixed grid
    began, where the field draws any.
    """

    interval: int
    t: float
    dt: float
    z: Tensor
    generators: tuple[Tensor, ...] | None = None
    end: int = 0
    lands: bool = False
    inside: tuple[int, ...] = ()


@dataclass(frozen=True)
class Solution:
    """A solved initial value problem.

    Attributes:
        t: the requested times, shape (n,).
        z: the states at those times, shape (n, *state).
        stats: the cost.
        steps: the accepted steps in order if ``record_steps``, else empty.
        witness: an output and what the field was there, as ``(index, value)``: the last of an
            adaptive solve, the first of one on a grid; None where nothing was solved.
        next_step: the length (positive) that an adaptive method would try next, else None.
        backward: what every backward pass through ``z`` cost, in the order in which they were
            made; ``nodelib.ode.gradients.integrate`` fills it.
    """

    t: Tensor
    z: Tensor
    stats: SolveStats
    steps: tuple[AcceptedStep, ...] = ()
    next_step: float | None = None
    witness: tuple[int, Tensor] | None = None
    backward: list[SolveStats] = field(default_factory=list)


def solve(
    f: Field,
    z0: Tensor,
    t: Tensor | Sequence[float],
    *,
    method: str = "dopri5",
    rtol: Tolerances = 1e-7,
    atol: Tolerances = 1e-9,
    step_size: float | None = None,
    num_steps: int | None = None,
    first_step: float | None = None,
    max_steps: int = MAX_STEPS,
    record_steps: bool = False,
    norm: Norm = rms,
    first_norm: Norm | None = None,
    land: bool | None = None,
) -> Solution:
    """Solve ``dz/dt = f(t, z)``, ``z(t[0]) = z0``, at the times ``t``.

    Args:
        f: the field; takes a time (0-dimensional tensor of the state's dtype) and a state, and
            returns a tensor of the state's shape and dtype.
        z0: initial state, any shape, float32 or float64.
        t: times, shape (n,), strictly increasing or strictly decreasing; ``t[0]`` belongs to
            ``z0``.
        method: a name in ``nodelib.ode.tableaus.TABLEAUS``. Methods with an embedded solution
            (bosh3, dopri5, tsit5) choose their steps; the others, and these too if ``step_size`` or
            ``num_steps`` is given, walk a fixed grid.
        rtol, atol: a step is accepted when the norm of
            ``error / (atol + rtol max(|z_before|, |z_after|))`` is at most 1. Numbers,
            or arrays or tensors that broadcast to the state; ``rtol`` may be 0.
        step_size: longest step of a fixed grid; every interval between requested times is cut into
            the fewest equal steps that respect it.
        num_steps: number of equal steps in every interval. Without either, a method that has no
            error estimate takes one step per interval, as in torchdiffeq.
        first_step: length of the first step of an adaptive method; chosen by the rule of Hairer et
            al. (one evaluation more) if None.
        max_steps: budget of steps, accepted and rejected together.
        record_steps: keep the accepted steps in ``Solution.steps``.
        norm: the norm of that error, a function of a tensor like the state; by default the root
            mean square of its entries.
        first_norm: the one by which the first step is chosen, ``norm`` if None.
        land: whether steps land on every time. By default the steps of an adaptive method are as
            long as the tolerance allows, and states in between are read from their polynomials,
            which are of order 4 (dopri5, tsit5) or 3 (bosh3); a grid lands in any case.

    Raises:
        SolverError: for an unknown method, unusable arguments, a field that returns NaN, Inf or a
            wrong shape or dtype, a step too short to advance, or more than ``max_steps`` steps.
    """
    if torch.is_inference_mode_enabled():
        # Inside, tensors could not be watched, and a field could not differentiate.
        with torch.inference_mode(False), torch.no_grad():
            return solve(
                f,
                z0,
                t,
                method=method,
                rtol=rtol,
                atol=atol,
                step_size=step_size,
                num_steps=num_steps,
                first_step=first_step,
                max_steps=max_steps,
                record_steps=record_steps,
                norm=norm,
                first_norm=first_norm,
                land=land,
            )
    tableau = tableaus.find(method)
    if land not in (None, True, False):
        raise SolverError(f"land must be True or False, not {land!r}.")
    check_state(z0)
    if not z0.requires_grad or z0.is_inference():
        z0 = z0.clone()  # the caller's stays as it is, whatever the field does
    times = checked_times(t)
    t = time_tensor(t)
    next_step = None
    walk = Walk(CountedField(f, z0), t, times, max_steps, record_steps)
    if tableau.embedded is None or step_size is not None or num_steps is not None:
        if land is False:
            raise SolverError(
                f"A fixed grid lands on every time: land=False is for adaptive steps "
                f"({', '.join(tableaus.ADAPTIVE)} without step_size and num_steps)."
            )
        counts = steps_per_interval(times, step_size, num_steps, max_steps)
        states = _fixed_grid(walk, tableau.without_error, z0, counts)
    else:
        check_positive(first_step=first_step)
        tolerance = Tolerance.checked(rtol, atol, z0, norm, first_norm)
        states, next_step = _adaptive(walk, tableau, z0, tolerance, first_step, bool(land))
    stats = SolveStats(walk.field.nfe, walk.accepted, walk.rejected)
    steps = tuple(walk.steps)
    return Solution(t, torch.stack(states), stats, steps, next_step, walk.witness)


class Walk:
    """The bookkeeping that both kinds of stepping share: field, times, budget, accepted steps."""

    def __init__(
        self, field: CountedField, t: Tensor, times: list[float], max_steps: int, record: bool
    ) -> None:
        self.field, self.t, self.times = field, t, times
        self.stretches = (t.requires_grad and torch.is_grad_enabled()) or transforms_active()
        self.max_steps, self.record = max_steps, record
        self.accepted = self.rejected = 0
        self.steps: list[AcceptedStep] = []
        self.witness: tuple[int, Tensor] | None = None
        self.draws: bool | None = None

    def generators(self) -> tuple[Tensor, ...] | None:
        """The generator states, where a step may have to be taken again and draws."""
        if not self.record or self.draws is False:
            return None
        return generator_states(self.field.device)

    def notice_draws(self, before: tuple[Tensor, ...] | None) -> None:
        """Learn from the first step, which began with ``before``, whether the field draws."""
        if before is not None and self.draws is None:
            now = generator_states(self.field.device)
            self.draws = not all(map(torch.equal, before, now))

    def clock(
        self, interval: int, end: int, t: float, dt: float
    ) -> tuple[float | Tensor, float | Tensor]:
        """``t`` and ``dt`` tied to the outputs that they lie between where those want a gradient.

        ``t`` is of float64 then.
        """
        if not self.stretches:
            return t, dt
        t, dt = stretched(self.t[[interval, end]], t, dt)
        return t, dt.to(self.field.dtype)

    def passed(self, outputs: range, after: float, dt: float) -> tuple[int, ...]:
        """Those of the outputs that a step ``dt`` long, which ends at ``after``, has passed."""
        return tuple(takewhile(lambda i: (self.times[i] - after) * dt <= 0, outputs))

    def shares(self, outputs: Sequence[int], end: int, t: float, dt: float) -> Tensor:
        """Where in the step from ``t``, ``dt`` long, these outputs lie, (m,) in float64."""
        if not self.stretches:
            return torch.tensor([(self.times[i] - t) / dt for i in outputs], dtype=torch.float64)
        return shares_of(self.t[[0, end]], self.t[list(outputs)], t, dt)

    def check_progress(self, t: float, dt: float, end: float, start: Tensor, z: Tensor) -> None:
        """Refuse a step ``dt`` that is over budget or too short to advance ``t``."""
        if self.accepted + self.rejected >= self.max_steps:
            raise SolverError(
                f"max_steps = {self.max_steps} used up at t = {t:g} of {self.times[-1]:g} "
                f"(step {dt:.3g}, {self.rejected} rejected). "
                f"Raise max_steps, loosen rtol and atol, or use a fixed step."
            )
        if abs(dt) < 16 * math.ulp(max(abs(t), abs(end))):
            raise SolverError(
                f"Step underflow at t = {t:g}: dt = {dt:.3g} no longer advances. "
                f"The norm of z went from {rms(start.detach()):.3g} at t = {self.times[0]:g} "
                f"to {rms(z.detach()):.3g}. The field is stiff, unbounded or not finite here: "
                f"bound the field, loosen rtol and atol, or use a fixed step."
            )

    def accept(
        self,
        interval: int,
        t: float,
        dt: float,
        z: Tensor,
        generators: tuple[Tensor, ...] | None = None,
        *,
        end: int,
        lands: bool,
        inside: tuple[int, ...] = (),
    ) -> None:
        """Count, and if asked keep, the accepted step from ``(t, z)``; see ``AcceptedStep``."""
        self.accepted += 1
        if self.record:
            kept = generators if self.draws else None
            step = AcceptedStep(interval, t, dt, z.detach(), kept, end, lands, inside)
            self.steps.append(step)


def stretched(ends: Tensor, t: float, dt: float) -> tuple[Tensor, Tensor]:
    """``t`` and ``dt`` as functions of the ``ends`` of their interval, shape (2,).

    The grid stretches with its interval: every step keeps its share of it. Computed in float64
    whatever the dtype of the ends, so that tying the clock does not move it.
    """
    start, end = ends.detach().tolist()
    begin, finish = ends.to(torch.float64).unbind()
    span = finish - begin
    share = 1 / (end - start)
    return begin + (t - start) * share * span, dt * share * span


def shares_of(ends: Tensor, outputs: Tensor, t: float, dt: float) -> Tensor:
    """Where in a step tied to ``ends`` (see ``stretched``) the times ``outputs`` (m,) lie."""
    start, length = stretched(ends, t, dt)
    return (outputs.to(torch.float64) - start) / length


def grid_steps(
    times: Sequence[float], counts: Sequence[int]
) -> Iterator[tuple[int, float, float, bool]]:
    """The steps of a fixed grid: interval, start, length, and whether it lands on its end."""
    for interval, (start, end, count) in enumerate(zip(times, times[1:], counts, strict=False)):
        dt = (end - start) / count
        for index in range(count):
            yield interval, start + index * dt, dt, index + 1 == count


def _fixed_grid(walk: Walk, tableau: Tableau, z: Tensor, counts: list[int]) -> list[Tensor]:
    states = [z]
    for interval, t, dt, lands in grid_steps(walk.times, counts):
        generators = walk.generators()
        clock = walk.clock(interval, interval + 1, t, dt)
        z_next, stages = runge_kutta_step(walk.field, tableau, *clock, z)
        if not torch.isfinite(z_next.detach()).all():
            refuse_non_finite(t, dt, z, stages)
        walk.notice_draws(generators)
        walk.accept(interval, t, dt, z, generators, end=interval + 1, lands=lands)
        if walk.witness is None:
            walk.witness = (0, stages[0].detach())
        z = z_next
        if lands:
            states.append(z)
    return states


def _adaptive(
    walk: Walk,
    tableau: Tableau,
    z: Tensor,
    tolerance: Tolerance,
    first_step: float | None,
    land: bool,
) -> tuple[list[Tensor], float | None]:
    states = [z]
    if len(walk.times) == 1:
        return states, first_step
    rtol, atol, norm = tolerance.rtol, tolerance.atol, tolerance.norm
    stop = len(walk.times) - 1
    stretches = [(i, i + 1) for i in range(stop)] if land else [(0, stop)]
    t, span = walk.times[0], walk.times[stretches[0][1]] - walk.times[0]
    start = walk.clock(*stretches[0], t, 0.0)[0]
    k0, first_step = opening(walk.field, tableau, start, t, span, z, tolerance, first_step)
    control = StepControl(first_step, tableau.embedded_order + 1)
    for first, last in stretches:
        end, ahead = walk.times[last], first + 1
        while t != end:
            step = math.copysign(control.size, span)
            walk.check_progress(t, step, end, states[0], z)
            lands = 1.01 * control.size >= abs(end - t)
            dt = end - t if lands else step
            clock = walk.clock(first, last, t, dt)
            z_next, stages = runge_kutta_step(walk.field, tableau, *clock, z, k0)
            error = error_norm(tableau, dt, stages, z, z_next, rtol, atol, norm)
            if error <= 1.0:
                after = end if lands else t + dt
                inside = walk.passed(range(ahead, last), after, dt)
                if inside:
                    shares = walk.shares(inside, last, t, dt)
                    states += dense.inside(tableau, shares, clock[1], z, stages).unbind()
                walk.accept(first, t, dt, z, end=last, lands=lands, inside=inside)
                control.accept(abs(dt), error)
                t, z, ahead = after, z_next, ahead + len(inside)
                k0 = stages[-1] if tableau.fsal else None
            else:
                walk.rejected += 1
                control.reject(abs(dt), error)
        states.append(z)
    walk.witness = (len(walk.times) - 1, stages[-1].detach()) if tableau.fsal else None
    return states, control.size


def opening(
    f: Field,
    tableau: Tableau,
    clock: float | Tensor,
    t: float,
    span: float,
    z: Tensor,
    tolerance: Tolerance,
    first_step: float | None,
) -> tuple[Tensor, float]:
    """The field at the start of an adaptive solve, and the length of its first step.

    ``clock`` is ``t``, or that tied to what wants a gradient.
    """
    k0 = f(time_like(clock, z), spare(z))
    if not torch.isfinite(k0.detach()).all():
        refuse_non_finite(t, 0.0, z, [k0])
    if first_step is None:
        limits = (tolerance.rtol, tolerance.atol, tolerance.first_norm)
        first_step = initial_step(f, t, span, z, k0, tableau.embedded_order, *limits)
    return k0, first_step


def refuse_non_finite(t: float, dt: float, z: Tensor, stages: list[Tensor]) -> None:
    """SolverError for a step with a stage, or an end, that is not finite."""
    culprit = "the state overflowed"
    if not all(torch.isfinite(k).all() for k in stages):
        culprit = "the field returned NaN or Inf"
    raise SolverError(
        f"In the step from t = {t:g} with dt = {dt:.3g} {culprit} "
        f"(norm of z before it: {rms(z.detach()):.3g}). "
        f"Bound the field, or take shorter steps."
    )
