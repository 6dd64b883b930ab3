"""Compiled solves: the steps forwards as one C++ loop, and their gradient backwards as another.

The loops are those of ``nodelib.ode.loops``. Forwards, they record the state before every accepted
step and the field there; from these, and for Dormand & Prince's method two sums of the stages, the
dense output is read afterwards. Backwards, one step at a time is taken again and differentiated,
like in ``nodelib.ode.checkpointing``: the gradient is the same to rounding, for the memory of two
to four states a step. The first evaluations of a solve are made uncompiled, so that the field is
held to its contract, and a field that draws random numbers or depends on tensors that are not
listed is refused.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from nodelib.errors import ChangedFieldError, SolverError
from nodelib.ode import dense, tableaus
from nodelib.ode.arguments import (
    MAX_STEPS,
    Tolerance,
    check_positive,
    steps_per_interval,
)
from nodelib.ode.checkpointing import ADAPTIVE, Task, last_touched, on_grid
from nodelib.ode.compilation import Stopwatch
from nodelib.ode.control import GROW
from nodelib.ode.dependence import WatchedField, owner_of
from nodelib.ode.evaluations import CountedField
from nodelib.ode.generators import generator_states
from nodelib.ode.joined import JoinedField
from nodelib.ode.loops import Evaluated, Scheme, grid_forwards, steps_backwards, steps_forwards
from nodelib.ode.replay import (
    attributes_of,
    check_attributes,
    hooks_silent,
    refuse_foreign_backward,
    settled,
)
from nodelib.ode.solvers import (
    Solution,
    SolveStats,
    Walk,
    grid_steps,
    opening,
    refuse_non_finite,
)
from nodelib.ode.steps import Field, rms, runge_kutta_step, spare, time_like
from nodelib.ode.tableaus import Tableau

#: Entries that the records of one loop hold of each kind, and how many steps that are.
ENTRIES, FEWEST, MOST = 1 << 14, 8, 256


@dataclass(frozen=True)
class _Loop:
    """What one loop recorded: times and lengths (rows, 2), further arrays, and how many count."""

    times: Tensor
    rows: tuple[Tensor, ...]
    count: int


@dataclass(frozen=True)
class _Course:
    """The accepted steps of a solve, and where the outputs are read from them.

    Attributes:
        scheme: how it was solved.
        loops: the records, in order.
        last: the state at the end and, if adaptive, the field there.
        steps: for each output between the first time and the last the number of its step.
        lands: whether outputs are the states after their steps, or inside them.
    """

    scheme: Scheme
    loops: tuple[_Loop, ...]
    last: tuple[Tensor, ...]
    steps: tuple[int, ...]
    lands: bool

    def all(self, kind: int) -> Tensor:
        """One kind of record of all steps (n, *state)."""
        return torch.cat([loop.rows[kind][: loop.count] for loop in self.loops])

    def at_ends(self, kind: int) -> Tensor:
        """The states, or the field there, before all steps and after the last (n + 1, *state)."""
        return torch.cat((self.all(kind), self.last[kind][None]))

    def times(self) -> Tensor:
        """Times and lengths of all steps, (n, 2) in float64."""
        return torch.cat([loop.times[: loop.count] for loop in self.loops])


def solve_compiled(
    f: Field, z0: Tensor, t: Tensor, params: tuple[Tensor, ...], arguments: dict[str, Any]
) -> Solution:
    """``solve(f, z0, t, **arguments)`` compiled, differentiable in z0, t and ``params``.

    Raises:
        SolverError: as ``solve``; if ``params`` are not all parameters of the module that the field
            is or is a method of; if the field cannot be compiled or draws random numbers; or for
            ``land=True`` with adaptive steps, or ``autocast``.
        NoCompilerError: if there is no C++ compiler.
    """
    if torch.is_autocast_enabled(z0.device.type):
        raise SolverError("A compiled solve does not run under autocast: use compile=False.")
    task = Task(f, arguments)
    z = _Compiled.apply(task, z0, t, *params)
    return Solution(t, z, task.stats, backward=task.backward)


class _Compiled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, task: Task, z0: Tensor, t: Tensor, *params: Tensor) -> Tensor:
        ctx.names = _names(task.f, params)
        before = attributes_of(task.f)
        drawn = generator_states(z0.device)
        watched = WatchedField(task.f, params, ADAPTIVE)
        times, watch = t.detach().double().tolist(), Stopwatch()
        most = task.arguments.get("max_steps", MAX_STEPS)
        walk = Walk(CountedField(watched, z0), t, times, most, record=False)
        solved = _on_grid if on_grid(task.arguments) else _adaptive
        course = solved(task, walk, tableaus.find(task.arguments["method"]), z0.detach(), watch)
        watched.warn_of_lost()
        if not all(map(torch.equal, drawn, generator_states(z0.device))):
            raise SolverError(
                "The field draws random numbers (dropout?), which a compiled solve could not draw "
                "again: use compile=False, or call eval() on what draws."
            )
        ctx.attributes = settled(before, attributes_of(task.f))
        nfe, accepted, rejected = walk.field.nfe, walk.accepted, walk.rejected
        task.stats = SolveStats(nfe, accepted, rejected, watch.seconds)
        ctx.task, ctx.count = task, len(params)
        ctx.layout = [(len(loop.rows), loop.count) for loop in course.loops]
        ctx.fixed = course.scheme, course.steps, course.lands
        arrays = [x for loop in course.loops for x in (loop.times, *loop.rows)]
        ctx.save_for_backward(t, *params, *course.last, *arrays)
        return _outputs(course, z0, t)

    @staticmethod
    def backward(ctx, grad_z: Tensor) -> tuple[Tensor | None, ...]:
        refuse_foreign_backward(grad_z)
        t, *saved = ctx.saved_tensors
        params, saved = saved[: ctx.count], saved[ctx.count :]
        scheme, steps, lands = ctx.fixed
        width = 2 if scheme.adaptive else 1
        last, arrays = tuple(saved[:width]), iter(saved[width:])
        loops = tuple(
            _Loop(next(arrays), tuple(next(arrays) for _ in range(kinds)), count)
            for kinds, count in ctx.layout
        )
        course = _Course(scheme, loops, last, steps, lands)
        check_attributes(ctx.task.f, ctx.attributes)
        live = [k for k, param in enumerate(params) if param.requires_grad]
        names = [ctx.names[k] for k in live]
        wants_t = ctx.needs_input_grad[2]
        with hooks_silent([params[k] for k in live]):
            adjoint, in_times, found, note = _pulled_back(
                ctx.task.f, course, t, grad_z, [params[k] for k in live], names, wants_t
            )
        ctx.task.backward.append(note)
        sums = [torch.zeros_like(param) for param in params]
        for k, grad in zip(live, found, strict=True):
            sums[k] = grad
        return None, adjoint, in_times, *sums


def _names(f: Field, params: Sequence[Tensor]) -> tuple[str, ...]:
    """The names of the parameters in what ``_module`` returns."""
    owner = owner_of(f)
    known = {}
    if isinstance(owner, nn.Module):
        prefix = "" if owner is f else "owner."
        known = {id(x): prefix + name for name, x in owner.named_parameters()}
    if any(id(param) not in known for param in params):
        raise SolverError(
            "compile=True differentiates in the parameters of the module that the field is or is a "
            "method of, and in no other tensors in params: make them parameters of that module."
        )
    return tuple(known[id(param)] for param in params)


class _Method(nn.Module):
    """A method of a module, or what is made of one, with the module's parameters as its own."""

    def __init__(self, f: Field, owner: nn.Module) -> None:
        super().__init__()
        self.f, self.owner = f, owner

    def forward(self, t: Tensor, z: Tensor) -> Tensor:
        return self.f(t, z)


def _module(f: Field) -> Field:
    owner = owner_of(f)
    return f if owner is f or not isinstance(owner, nn.Module) else _Method(f, owner)


def _scheme(task: Task, tableau: Tableau, z0: Tensor, adaptive: bool, inside: bool) -> Scheme:
    rows = 1 << (max(ENTRIES // max(z0.numel(), 1), 1).bit_length() - 1)
    return Scheme.of(
        tableau,
        adaptive=adaptive,
        rows=min(max(rows, FEWEST), MOST),
        bumps=dense.bumps(tableau) if inside else (),
        sizes=tuple(task.f.state.sizes) if isinstance(task.f, JoinedField) else (),
    )


def _adaptive(task: Task, walk: Walk, tableau: Tableau, z: Tensor, watch: Stopwatch) -> _Course:
    arguments = task.arguments
    if arguments.get("land"):
        raise SolverError(
            "A compiled adaptive solve reads its outputs from its steps: without land=True, or "
            "with compile=False."
        )
    first_step = arguments.get("first_step")
    check_positive(first_step=first_step)
    norm = arguments.get("norm", rms)
    tolerance = Tolerance.checked(arguments["rtol"], arguments["atol"], z, norm)
    times = walk.times
    scheme = _scheme(task, tableau, z, True, len(times) > 2)
    start, end = times[0], times[-1]
    if len(times) == 1:
        return _Course(scheme, (), (z, torch.zeros_like(z)), (), False)
    given, span = z, end - start
    k, size = opening(walk.field, tableau, start, start, span, z, tolerance, first_step)
    sign = 1.0 if span > 0 else -1.0
    limits = [
        torch.as_tensor(x, dtype=z.dtype).to(z.device) for x in (tolerance.rtol, tolerance.atol)
    ]
    field = _module(task.f)
    clock, loops = [start, size, 1.0, GROW, 0.0, 0.0], []
    while clock[0] != end:
        walk.check_progress(clock[0], sign * clock[1], end, given, z)
        state = torch.tensor([*clock[:4], 0.0, 0.0], dtype=torch.float64, device=z.device)
        most = walk.max_steps - walk.accepted - walk.rejected
        bounds = torch.tensor([end, sign, most], dtype=torch.float64, device=z.device)
        state, z, k, when, *rows = watch.call(
            steps_forwards, field, scheme, state, bounds, z, k, *limits
        )
        clock = state.tolist()
        accepted, tried = int(clock[4]), int(clock[5])
        walk.accepted += accepted
        walk.rejected += tried - accepted
        walk.field.nfe += tried * (tableau.stages - 1)
        loops.append(_Loop(when, tuple(rows), accepted))
    course = _Course(scheme, tuple(loops), (z, k), (), False)
    if len(times) == 2:
        return course
    inner = torch.tensor(times[1:-1], dtype=torch.float64)
    # A step's end is the next one's start.
    ends = torch.cat((course.times()[1:, 0].cpu(), torch.tensor([end], dtype=torch.float64)))
    steps = torch.searchsorted(sign * ends, sign * inner).tolist()
    return replace(course, steps=tuple(steps))


def _on_grid(task: Task, walk: Walk, tableau: Tableau, z: Tensor, watch: Stopwatch) -> _Course:
    tableau, arguments = tableau.without_error, task.arguments
    grid = (arguments.get("step_size"), arguments.get("num_steps"))
    counts = steps_per_interval(walk.times, *grid, walk.max_steps)
    scheme, field = _scheme(task, tableau, z, False, False), _module(task.f)
    steps = [(t, dt) for _, t, dt, _ in grid_steps(walk.times, counts)]
    for t, _ in steps[:2]:  # as far as a field is watched
        walk.field(time_like(t, z), spare(z))
    walk.field.nfe = 0
    loops, before = [], z
    for first in range(0, len(steps), scheme.rows):
        some = torch.tensor(steps[first : first + scheme.rows], dtype=torch.float64)
        count = len(some)
        some = pad(some, (0, 0, 0, scheme.rows - count)).to(z.device)
        number = torch.tensor(count, device=z.device)
        _, z, states = watch.call(grid_forwards, field, scheme, number, some, z)
        walk.accepted += count
        walk.field.nfe += count * tableau.stages
        loops.append(_Loop(some, (states,), count))
        if not torch.isfinite(z).all():
            _refuse_step(walk, tableau, some, torch.cat((states[:count], z[None])), before)
        before = z
    landing = tuple(accumulate(counts))[:-1]
    return _Course(scheme, tuple(loops), (z,), landing, True)


def _refuse_step(
    walk: Walk, tableau: Tableau, times: Tensor, states: Tensor, before: Tensor
) -> None:
    """SolverError for the first of these steps whose end is not finite."""
    finite = torch.isfinite(states.reshape(len(states), -1)).all(1).tolist()
    place = max(finite.index(False) - 1, 0)
    t, dt = times[place].tolist()
    z = states[place] if finite[place] else before
    _, stages = runge_kutta_step(walk.field, tableau, t, dt, z)
    refuse_non_finite(t, dt, z, stages)


def _outputs(course: _Course, z0: Tensor, t: Tensor) -> Tensor:
    """The states at the requested times (n, *state)."""
    if len(t) == 1:
        return z0.detach()[None].clone()
    end = course.last[0][None]
    if not course.steps:
        return torch.cat((z0.detach()[None], end))
    inner = course.at_ends(0)[list(course.steps)] if course.lands else _Between(course, t).states()
    return torch.cat((z0.detach()[None], inner, end))


class _Between:
    """The outputs inside steps, and what they are computed from.

    Attributes:
        place: the numbers of the steps (m,).
        times: the requested times, and starts and lengths of the steps (m,), in float64.
        parts: see ``dense.between``.
    """

    def __init__(self, course: _Course, t: Tensor) -> None:
        place = self.place = torch.tensor(course.steps, device=t.device)
        clock = course.times()[place]
        self.times = [t[1:-1].detach().to(clock), *clock.unbind(1)]
        states, slopes = course.at_ends(0), course.at_ends(1)
        sums = [course.all(2 + k)[place] for k in range(len(course.scheme.bumps))]
        ends = [states[place], states[place + 1], slopes[place], slopes[place + 1]]
        self.parts = torch.stack(ends + sums)

    def states(self) -> Tensor:
        """The outputs (m, *state)."""
        when, start, dt = self.times
        return dense.between((when - start) / dt, dt, self.parts)

    def in_parts(self, given: Tensor) -> Tensor:
        """What is handed to the outputs, handed on to the parts."""
        when, start, dt = self.times
        weights = dense.weights_between((when - start) / dt, dt, len(self.parts)).to(given)
        return weights.reshape(*weights.shape, *[1] * (given.dim() - 1)) * given

    def in_times(self, given: Tensor) -> tuple[Tensor, ...]:
        """What is handed to the outputs, handed on to the times."""
        for leaf in self.times:
            leaf.requires_grad_()
        with torch.enable_grad():
            found = self.states()
        return torch.autograd.grad(found, self.times, given)


def _pulled_back(
    f: Field,
    course: _Course,
    t: Tensor,
    grad_z: Tensor,
    params: list[Tensor],
    names: list[str],
    wants_t: bool,
) -> tuple[Tensor, Tensor | None, list[Tensor], SolveStats]:
    """Gradients in z0, in t if wanted, and in the parameters; and what they cost."""
    scheme, adaptive = course.scheme, course.scheme.adaptive
    sums = [torch.zeros_like(param) for param in params]
    taken = sum(loop.count for loop in course.loops)
    if not taken:
        return grad_z.sum(0), torch.zeros_like(t) if wants_t else None, sums, SolveStats(0, 0, 0)
    like, arrays = grad_z[0], (2 if adaptive else 1) + len(scheme.bumps)
    given = [like.new_zeros(taken + 1, *like.shape) for _ in range(arrays)]
    in_t = torch.zeros(len(t), dtype=torch.float64, device=t.device)
    in_times = torch.zeros(taken, 2, dtype=torch.float64, device=t.device)
    given[0][-1] += grad_z[-1]
    if course.steps and course.lands:
        given[0].index_add_(0, torch.tensor(course.steps, device=t.device), grad_z[1:-1])
    elif course.steps:
        between = _Between(course, t)
        _give_between(between, grad_z[1:-1], given)
        if wants_t:
            clocks = between.in_times(grad_z[1:-1])
            in_t[1:-1] += clocks[0]
            in_times.index_add_(0, between.place, torch.stack(clocks[1:], 1))
    needed = _needed(course, taken, last_touched(grad_z))
    evaluated = Evaluated(_module(f), names)
    adjoint = [x[needed] for x in given[: len(course.last)]]
    ends, watch = course.at_ends(0), Stopwatch()
    for first, loop in _backwards(course.loops):
        count = min(loop.count, needed - first)
        if count <= 0:
            continue
        rows = [
            pad(x[first : first + count], (0, 0) * like.dim() + (0, scheme.rows - count))
            for x in given
        ]
        width = len(course.last)
        _, off, _, clocks, *rest = watch.call(
            steps_backwards,
            evaluated,
            scheme,
            wants_t,
            torch.tensor(count, device=like.device),
            loop.times,
            loop.rows[:width],
            rows,
            ends[first + count],
            adjoint,
            params,
            sums,
        )
        if not off <= 0:
            raise ChangedFieldError(
                "In the backward pass the field is not what it was in the solve: a step that is "
                "taken again ends elsewhere. Something that the field reads was changed since (an "
                "attribute, a closure, a parameter's data, train() or eval()). Go backwards before "
                'the change, or use compile=False with grad="backprop".'
            )
        adjoint, sums = rest[:width], rest[width:]
        in_times[first : first + count] += clocks[:count]
    nfe = needed * (scheme.tableau.stages - (1 if adaptive else 0))
    at_start = adjoint[0] + grad_z[0]
    if adaptive:
        nfe += 1
        at_start, sums = _first_evaluation(f, course, t, at_start, adjoint[1], params, sums, in_t)
    note = SolveStats(nfe, needed, 0, watch.seconds)
    if wants_t:
        in_t = in_t + _through_clock(course, t, in_times)
    return at_start, in_t.to(t.dtype) if wants_t else None, list(sums), note


def _give_between(between: _Between, grad_z: Tensor, given: list[Tensor]) -> None:
    """Add what is handed to the outputs inside steps to what the records are handed."""
    parts = between.in_parts(grad_z)
    for kind in (0, 1):
        given[kind].index_add_(0, between.place, parts[2 * kind])
        given[kind].index_add_(0, between.place + 1, parts[2 * kind + 1])
    for total, part in zip(given[2:], parts[4:], strict=True):
        total.index_add_(0, between.place, part)


def _needed(course: _Course, taken: int, last: int) -> int:
    """How many of the steps the output ``last`` depends on."""
    if last == 0:
        return 0
    if last == len(course.steps) + 1:
        return taken
    return course.steps[last - 1] + (0 if course.lands else 1)


def _backwards(loops: Sequence[_Loop]) -> Iterator[tuple[int, _Loop]]:
    """The loops from the last to the first, each with the number of its first step."""
    firsts = [0, *accumulate(loop.count for loop in loops)]
    return reversed(list(zip(firsts, loops, strict=False)))


def _first_evaluation(
    f: Field,
    course: _Course,
    t: Tensor,
    at_start: Tensor,
    in_slope: Tensor,
    params: list[Tensor],
    sums: Sequence[Tensor],
    in_t: Tensor,
) -> tuple[Tensor, list[Tensor]]:
    """The gradients with the part that goes through the field at the start."""
    z = course.loops[0].rows[0][0].detach().requires_grad_()
    start = t[0].detach().to(z).requires_grad_()
    with torch.enable_grad():
        value = f(start, z)
    if not value.requires_grad:
        return at_start, list(sums)
    leaves = [z, start, *params]
    grads = torch.autograd.grad(value, leaves, in_slope, allow_unused=True)
    filled = [torch.zeros_like(x) if g is None else g for x, g in zip(leaves, grads, strict=True)]
    in_t[0] += filled[1]
    return at_start + filled[0], [a + b for a, b in zip(sums, filled[2:], strict=True)]


def _through_clock(course: _Course, t: Tensor, in_times: Tensor) -> Tensor:
    """What times and lengths of the steps are handed, handed on to the requested times.

    A grid stretches with the outputs that it lies between, see ``solvers.stretched``.
    """
    times, clock = t.detach().double(), course.times()
    begin = torch.zeros(len(clock), dtype=torch.int64, device=t.device)
    finish = torch.full_like(begin, len(t) - 1)
    if course.lands:
        counts = torch.tensor([0, *course.steps, len(clock)], device=t.device).diff()
        begin = torch.arange(len(counts), device=t.device).repeat_interleave(counts)
        finish = begin + 1
    span = times[finish] - times[begin]
    share, part = (clock[:, 0] - times[begin]) / span, clock[:, 1] / span
    with_end = in_times[:, 0] * share + in_times[:, 1] * part
    found = torch.zeros_like(times).index_add_(0, begin, in_times[:, 0] - with_end)
    return found.index_add_(0, finish, with_end)
