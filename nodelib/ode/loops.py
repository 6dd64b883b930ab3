"""Runge-Kutta steps as loops that a compiler sees whole: forwards, and back over their records.

What is here is traced by ``torch.compile`` (see ``nodelib.ode.compiled``), which writes one C++
loop for all steps. It computes what ``solvers`` and ``checkpointing`` compute, with numbers in
tensors: the attempts of an adaptive method are accepted and rejected by ``torch.where``, and what
the backward loop needs of a step is written into a row of the records, in place, that of a rejected
attempt being written over. A loop ends when its records are full; the caller starts another.
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
        bumps: two rows of weights of the stages, for the dense output; empty without.
        sizes: numbers of entries of the parts of a state that is a flat vector; empty otherwise.
        error, fsal: of the tableau (what it computes once, no compiler can trace).
    """

    tableau: Tableau
    adaptive: bool
    bumps: tuple[tuple[float, ...], ...] = ()
    sizes: tuple[int, ...] = ()
    error: tuple[float, ...] | None = None
    fsal: bool = False

    @property
    def handed_on(self) -> int:
        """How many tensors a step hands to the next: the state and, if adaptive, the field."""
        return 2 if self.adaptive else 1

    @property
    def recorded(self) -> int:
        """How many are recorded of a step."""
        return self.handed_on + len(self.bumps)

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
    times: Tensor,
    records: Tensor,
) -> tuple[Tensor, ...]:
    """Adaptive steps until the end, the limit of attempts, or as many as there are rows.

    Args:
        clock: (6,) of float64: the time, the length to try next (0 to have it chosen), the error of
            the last accepted step, by how much steps may grow, and how many were accepted (0) and
            tried (0).
        limits: (4,) of float64: the end, the sign of the way there, the most attempts, and whether
            the field at the start and, if it is 0, the length are still to be found.
        z, k: the state and the field there.
        rtol, atol: see ``solvers.solve``; of the dtype of the state.
        times: (rows, 2) of float64, written to: times and lengths of the steps.
        records: (rows + 1, scheme.recorded, *state), written to: the state before each step, the
            field there, and a sum of the stages for each of the bumps.

    Returns:
        the clock, the state and the field at the end.
    """
    order, most = scheme.tableau.embedded_order + 1, times.shape[0]
    opens = limits[3] > 0
    k = torch.where(opens, f(clock[0].to(z.dtype), z), k)
    chosen = first_length(f, scheme, clock[0], limits[0] - clock[0], z, k, rtol, atol)
    size = torch.where(opens & (clock[1] == 0), chosen, clock[1])
    clock = torch.cat((clock[:1], size.view(1), clock[2:]))

    def unfinished(clock: Tensor, *rest: Tensor) -> Tensor:
        end, _, attempts, _ = limits.unbind()
        t, size, _, _, accepted, tried = clock.unbind()
        # Half of what ``solve`` refuses: the caller looks again.
        advances = size >= 8 * torch.finfo(torch.float64).eps * torch.maximum(t.abs(), end.abs())
        return (t != end) & (accepted < most) & (tried < attempts) & advances

    def attempt(clock: Tensor, z: Tensor, k: Tensor) -> Row:
        end, sign, _, _ = limits.unbind()
        t, size, previous, grow, accepted, tried = clock.unbind()
        left = end - t
        lands = 1.01 * size >= left.abs()
        dt = torch.where(lands, left, sign * size)
        ahead, stages = step(f, scheme, t, dt, z, k)
        scale = atol + rtol * torch.maximum(z.abs(), ahead.abs())
        scaled = combine(scheme.error, stages, dt) / scale
        error = root_mean_square(scaled, scheme.sizes)
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
        told = [z, k, *(combine(weights, stages, 1.0) for weights in scheme.bumps)]
        place = accepted.to(torch.int64)
        write(times, place, torch.stack((t, dt)))
        write(records, place, torch.stack(told))
        return now, torch.where(kept, ahead, z), torch.where(kept, stages[-1], k)

    return while_loop(unfinished, attempt, (clock, z.clone(), k.clone()))


def first_length(
    f: Field,
    scheme: Scheme,
    t: Tensor,
    span: Tensor,
    z: Tensor,
    k: Tensor,
    rtol: Tensor,
    atol: Tensor,
) -> Tensor:
    """``control.initial_step``, of float64."""
    scale = atol + rtol * z.abs()
    far, steep = (root_mean_square(x / scale, scheme.sizes) for x in (z, k))
    trial = torch.where((far < 1e-5) | (steep < 1e-5), 1e-6, 0.01 * far / steep)
    trial = torch.minimum(trial, span.abs())
    ahead = torch.copysign(trial, span)
    k1 = f((t + ahead).to(z.dtype), z + ahead.to(z.dtype) * k)
    bent = root_mean_square((k1 - k) / scale, scheme.sizes) / trial
    steepest = torch.maximum(steep, bent)
    root = (0.01 / steepest) ** (1 / (scheme.tableau.embedded_order + 1))
    length = torch.minimum(100 * trial, root)
    length = torch.where(steepest <= 1e-15, (trial * 1e-3).clamp(min=1e-6), length)
    return torch.where(steepest.isfinite(), length, trial * 1e-3)


def grid_forwards(
    f: Field, scheme: Scheme, count: Tensor, times: Tensor, z: Tensor, records: Tensor
) -> tuple[Tensor, ...]:
    """Steps at given times (rows, 2) of float64, as many as ``count`` (0-dimensional, int64) says.

    The states before the steps are written to ``records`` (rows + 1, 1, *state).

    Returns:
        how many were taken, and the state at the end.
    """

    def unfinished(taken: Tensor, *_: Tensor) -> Tensor:
        return taken < count

    def advance(taken: Tensor, z: Tensor) -> Row:
        t, dt = at(times, taken).unbind()
        ahead, _ = step(f, scheme, t, dt, z, None)
        write(records, taken, z.unsqueeze(0))
        return taken + 1, ahead

    return while_loop(unfinished, advance, (torch.zeros_like(count), z.clone()))


def steps_backwards(
    f: Evaluated,
    scheme: Scheme,
    timed: bool,
    bounds: Tensor,
    times: Tensor,
    records: Tensor,
    given: Tensor,
    adjoint: Row,
    params: Row,
    sums: Row,
) -> tuple[Tensor, ...]:
    """The vector-Jacobian products of recorded steps, from the last to the first.

    Args:
        timed: whether times and lengths of the steps get a gradient too.
        bounds: (2,) of int64: the number of steps, and whether the first of them opened the solve,
            so that the field at its start is differentiated as well.
        times: (rows, 2) of float64, as in the forward loop.
        records: as in the forward loop, and after the last step the state (and the field) there,
            which a step must reach when it is taken again.
        given: what the loss hands to the records, an array alike.
        adjoint: what it hands to the state after the last step and, if adaptive, to the field
            there.
        params: of the field.
        sums: gradients of the parameters from later steps, to which these are added.

    Returns:
        by how much at most a step ended elsewhere than it had, beyond rounding (above 0: the field
        has changed); the gradients of times and lengths, (rows, 2) if ``timed``, and that of the
        time of the opening, of float64; the adjoint before the first step; and the sums.
    """
    width = scheme.handed_on

    def taken(t: Tensor, dt: Tensor, *inputs: Tensor) -> tuple[Tensor, ...]:
        z, k = inputs[0], inputs[1] if scheme.adaptive else None
        ahead, stages = step(f.at(inputs[width:]), scheme, t, dt, z, k)
        if not scheme.adaptive:
            return (ahead,)
        return ahead, stages[-1], *(combine(weights, stages, 1.0) for weights in scheme.bumps)

    def unfinished(place: Tensor, *_: Tensor) -> Tensor:
        return place >= 0

    def back(place: Tensor, off: Tensor, in_times: Tensor, *rest: Tensor) -> Row:
        inputs = at(records, place).unbind()[:width]
        after = at(records, place + 1)[0]
        clock = at(times, place).unbind()
        handed = at(given, place).unbind()
        if timed:
            found, pull = vjp(taken, *clock, *inputs, *params)
        else:
            found, pull = vjp(lambda *varied: taken(*clock, *varied), *inputs, *params)
        grads = pull((*rest[:width], *handed[width:]))
        if timed:
            # In place the compiler takes it only where nothing is differentiated.
            row = torch.stack(grads[:2]).unsqueeze(0)
            in_times, grads = in_times.index_copy(0, place.view(1), row), grads[2:]
        adjoint = [grad + x for grad, x in zip(grads[:width], handed, strict=False)]
        sums = [old + new for old, new in zip(rest[width:], grads[width:], strict=True)]
        off = torch.maximum(off, astray(found[0], after, inputs[0]))
        # What is handed on must not be what came in.
        return place - 1, off, in_times.clone(), *adjoint, *sums

    start = (bounds[0] - 1, records.new_zeros(()), torch.zeros_like(times if timed else times[:0]))
    _, off, in_times, *rest = while_loop(
        unfinished, back, (*start, *(x.clone() for x in adjoint), *(x.clone() for x in sums))
    )
    adjoint, sums, in_start = rest[:width], rest[width:], times.new_zeros(())
    if scheme.adaptive:
        opened = bounds[1] > 0
        _, pull = vjp(
            lambda t, z, *varied: f.at(varied)(t.to(z.dtype), z),
            times[0, 0],
            records[0, 0],
            *params,
        )
        in_start, in_z, *in_params = (torch.where(opened, x, 0.0) for x in pull(adjoint[1]))
        adjoint = [adjoint[0] + in_z, adjoint[1]]
        sums = [old + new for old, new in zip(sums, in_params, strict=True)]
    return off, in_times, in_start, *adjoint, *sums


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
    if not found.numel():
        return found.new_zeros(())
    eps = torch.finfo(found.dtype).eps
    allowed = eps**0.5 * (known - start).abs().amax() + 64 * eps * known.abs().amax()
    return (found - known).abs().amax() - allowed


def root_mean_square(x: Tensor, sizes: Sequence[int]) -> Tensor:
    """Root mean square of all entries, or the largest of those of parts of a vector; of float64."""
    if not x.numel():
        return x.new_zeros((), dtype=torch.float64)
    if not sizes:
        return x.square().mean().sqrt().to(torch.float64)
    parts = [part.square().mean().sqrt() for part in x.split(list(sizes)) if part.numel()]
    return torch.stack(parts).amax().to(torch.float64)


def at(rows: Tensor, place: Tensor) -> Tensor:
    """One of the rows, by its number in a tensor."""
    return rows.index_select(0, place.view(1)).squeeze(0)


def write(rows: Tensor, place: Tensor, x: Tensor) -> None:
    """Write one of the rows, by its number in a tensor."""
    rows.index_copy_(0, place.view(1), x.unsqueeze(0))
