"""Runge-Kutta steps as loops that a compiler sees whole: forwards, and back over their records.

What is here is traced by ``torch.compile`` (see ``nodelib.ode.compiled``), which writes one C++
loop for all steps. It computes what ``solvers`` and ``checkpointing`` compute, with numbers in
tensors: the attempts of an adaptive method are accepted and rejected by ``torch.where``, and what
the backward loop needs of a step is written into the rows of records, the row of a rejected attempt
being written over. A loop ends when its records are full; the caller starts another.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch._higher_order_ops.while_loop import while_loop
from torch.func import functional_call, vjp

from nodelib.ode.control import GROW, SAFETY, SHRINK
from nodelib.ode.steps import Field, combine
from nodelib.ode.tableaus import Tableau

Row = Sequence[Tensor]


@dataclass(frozen=True)
class Scheme:
    """What is fixed when a loop is compiled.

    Attributes:
        tableau: the method.
        adaptive: whether steps are accepted or rejected, and the first stage is handed on.
        rows: how many steps are recorded, the most of one loop.
        bumps: two rows of weights of the stages, for the dense output; empty without.
        sizes: numbers of entries of the parts of a state that is a flat vector; empty otherwise.
        error, fsal: of the tableau (what it computes once, no compiler can trace).
    """

    tableau: Tableau
    adaptive: bool
    rows: int
    bumps: tuple[tuple[float, ...], ...] = ()
    sizes: tuple[int, ...] = ()
    error: tuple[float, ...] | None = None
    fsal: bool = False

    @classmethod
    def of(cls, tableau: Tableau, **settings: object) -> "Scheme":
        """The scheme of a method."""
        return cls(tableau, error=tableau.b_error, fsal=tableau.fsal, **settings)


class Evaluated:
    """A field with parameters of its module exchanged for tensors that are handed over.

    ``module`` is the field or calls it; ``names`` are those of the parameters in it.
    """

    def __init__(self, module: Field, names: Sequence[str]) -> None:
        self.module, self.names = module, tuple(names)

    def at(self, params: Row) -> Field:
        """The field at these parameters."""
        if not self.names:
            return self.module
        given = dict(zip(self.names, params, strict=True))
        return lambda t, z: functional_call(self.module, given, (t, z))


def steps_forwards(
    f: Field,
    scheme: Scheme,
    clock: Tensor,
    limits: Tensor,
    z: Tensor,
    k: Tensor,
    rtol: Tensor,
    atol: Tensor,
) -> tuple[Tensor, ...]:
    """Adaptive steps until the end, the limit of attempts, or ``scheme.rows`` accepted steps.

    Args:
        clock: (6,) of float64: the time, the length to try next, the error of the last accepted
            step, by how much steps may grow, and how many were accepted (0) and tried (0).
        limits: (3,) of float64: the end, the sign of the way there, and the most attempts.
        z, k: the state and the field there.
        rtol, atol: see ``solvers.solve``; of the dtype of the state.

    Returns:
        the clock, the state and the field at the end; times and lengths of the steps (rows, 2); and
        the state before each, the field there, and one array for each of the bumps (rows, *state).
    """
    order = scheme.tableau.embedded_order + 1

    def unfinished(clock: Tensor, *rest: Tensor) -> Tensor:
        end, _, attempts = limits.unbind()
        t, size, _, _, accepted, tried = clock.unbind()
        # Half of what ``solve`` refuses: the caller looks again.
        advances = size >= 8 * torch.finfo(torch.float64).eps * torch.maximum(t.abs(), end.abs())
        return (t != end) & (accepted < scheme.rows) & (tried < attempts) & advances

    def attempt(clock: Tensor, z: Tensor, k: Tensor, times: Tensor, *rows: Tensor) -> Row:
        end, sign, _ = limits.unbind()
        t, size, previous, grow, accepted, tried = clock.unbind()
        left = end - t
        lands = 1.01 * size >= left.abs()
        dt = torch.where(lands, left, sign * size)
        ahead, stages = step(f, scheme, t, dt, z, k)
        scale = atol + rtol * torch.maximum(z.abs(), ahead.abs())
        scaled = combine(scheme.error, stages, dt) / scale
        error = root_mean_square(scaled, scheme.sizes).to(torch.float64)
        error = torch.where(ahead.isfinite().all(), error, math.inf)
        kept = error <= 1.0  # not if it is no number
        length = dt.abs()
        factor = SAFETY * error.clamp(min=1e-10) ** (-0.85 / order) * previous ** (0.2 / order)
        proposal = length * torch.minimum(grow, factor.clamp(min=SHRINK))
        grown = torch.where(length < size, torch.maximum(size, proposal), proposal)
        shrink = torch.where(error.isfinite(), SAFETY * error ** (-1 / order), 0.0)
        now = torch.stack(
            (
                torch.where(kept, torch.where(lands, end, t + dt), t),
                torch.where(kept, grown, length * shrink.clamp(min=SHRINK)),
                torch.where(kept, error.clamp(min=1e-4), previous),
                torch.where(kept, GROW, 1.0).to(torch.float64),
                accepted + kept,
                tried + 1,
            )
        )
        place = accepted.to(torch.int64).view(1)
        told = [z, k, *(combine(weights, stages, 1.0) for weights in scheme.bumps)]
        return (
            now,
            torch.where(kept, ahead, z),
            torch.where(kept, stages[-1], k),
            written(times, place, torch.stack((t, dt))),
            *(written(row, place, x) for row, x in zip(rows, told, strict=True)),
        )

    times = clock.new_zeros(scheme.rows, 2)
    rows = [z.new_zeros(scheme.rows, *z.shape) for _ in range(2 + len(scheme.bumps))]
    return while_loop(unfinished, attempt, (clock.clone(), z.clone(), k.clone(), times, *rows))


def grid_forwards(
    f: Field, scheme: Scheme, count: Tensor, times: Tensor, z: Tensor
) -> tuple[Tensor, ...]:
    """Steps at given times (rows, 2) of float64, as many as ``count`` (0-dimensional, int64) says.

    Returns:
        how many were taken, the state at the end, and the states before the steps (rows, *state).
    """

    def unfinished(taken: Tensor, *_: Tensor) -> Tensor:
        return taken < count

    def advance(taken: Tensor, z: Tensor, states: Tensor) -> Row:
        t, dt = at(times, taken).unbind()
        ahead, _ = step(f, scheme, t, dt, z, None)
        return taken + 1, ahead, written(states, taken.view(1), z)

    states = z.new_zeros(scheme.rows, *z.shape)
    return while_loop(unfinished, advance, (torch.zeros_like(count), z.clone(), states))


def steps_backwards(
    f: Evaluated,
    scheme: Scheme,
    timed: bool,
    count: Tensor,
    times: Tensor,
    records: Row,
    given: Row,
    after: Tensor,
    adjoint: Row,
    params: Row,
    sums: Row,
) -> tuple[Tensor, ...]:
    """The vector-Jacobian products of recorded steps, from the last of ``count`` to the first.

    Args:
        timed: whether times and lengths of the steps get a gradient too.
        times: (rows, 2) of float64, as in the forward loop.
        records: the state before each step and, if ``scheme.adaptive``, the field there.
        given: what the loss hands to the records and the bumps, arrays alike.
        after: the state after the last step, which the step must reach when it is taken again.
        adjoint: what it hands to that state and, if adaptive, to the field there.
        params: of the field.
        sums: gradients of the parameters from later steps, to which these are added.

    Returns:
        a count (-1); by how much at most a step ended elsewhere than it had, beyond rounding (above
        0: the field has changed); the state before the first step; the gradients of times and
        lengths, (rows, 2), zeros if not ``timed``; the adjoint before the first step; the sums.
    """
    width = len(records)

    def taken(t: Tensor, dt: Tensor, *inputs: Tensor) -> tuple[Tensor, ...]:
        z, k = inputs[0], inputs[1] if scheme.adaptive else None
        ahead, stages = step(f.at(inputs[width:]), scheme, t, dt, z, k)
        if not scheme.adaptive:
            return (ahead,)
        return ahead, stages[-1], *(combine(weights, stages, 1.0) for weights in scheme.bumps)

    def unfinished(place: Tensor, *_: Tensor) -> Tensor:
        return place >= 0

    def back(place: Tensor, off: Tensor, after: Tensor, in_times: Tensor, *rest: Tensor) -> Row:
        inputs = [at(record, place) for record in records]
        clock = at(times, place).unbind()
        if timed:
            found, pull = vjp(taken, *clock, *inputs, *params)
        else:
            found, pull = vjp(lambda *varied: taken(*clock, *varied), *inputs, *params)
        bumps = [at(x, place) for x in given[width:]]
        grads = pull((*rest[:width], *bumps))
        if timed:
            in_times = written(in_times, place.view(1), torch.stack(grads[:2]))
            grads = grads[2:]
        adjoint = [grad + at(x, place) for grad, x in zip(grads[:width], given, strict=False)]
        sums = [old + new for old, new in zip(rest[width:], grads[width:], strict=True)]
        off = torch.maximum(off, astray(found[0], after, inputs[0]))
        # What is handed on must not be what came in.
        return place - 1, off, inputs[0].clone(), in_times.clone(), *adjoint, *sums

    start = (count - 1, after.new_zeros(()), after.clone(), torch.zeros_like(times))
    return while_loop(
        unfinished, back, (*start, *(x.clone() for x in adjoint), *(x.clone() for x in sums))
    )


def step(
    f: Field, scheme: Scheme, t: Tensor, dt: Tensor, z: Tensor, k: Tensor | None
) -> tuple[Tensor, list[Tensor]]:
    """``steps.runge_kutta_step`` without its care for fields that change their state."""
    tableau = scheme.tableau
    stages: list[Tensor] = [] if k is None else [k]
    state = z
    for row, node in list(zip(tableau.a, tableau.c, strict=True))[len(stages) :]:
        state = z + combine(row, stages, dt) if stages else z
        stages.append(f((t + node * dt).to(z.dtype), state))
    return (state if scheme.fsal else z + combine(tableau.b, stages, dt)), stages


def astray(found: Tensor, known: Tensor, start: Tensor) -> Tensor:
    """By how much two states differ beyond rounding, as ``replay.check_same`` has it."""
    eps = torch.finfo(found.dtype).eps
    allowed = eps**0.5 * (known - start).abs().amax() + 64 * eps * known.abs().amax()
    return (found - known).abs().amax() - allowed


def root_mean_square(x: Tensor, sizes: Sequence[int]) -> Tensor:
    """Root mean square of all entries, or the largest of those of parts of a vector."""
    if not sizes:
        return x.square().mean().sqrt()
    parts = [part.square().mean().sqrt() for part in x.split(list(sizes)) if part.numel()]
    return torch.stack(parts).amax()


def at(rows: Tensor, place: Tensor) -> Tensor:
    """One of the rows, by its number in a tensor."""
    return rows.index_select(0, place.view(1)).squeeze(0)


def written(rows: Tensor, place: Tensor, x: Tensor) -> Tensor:
    """The rows with another one at a place (1,)."""
    return rows.index_copy(0, place, x.unsqueeze(0))
