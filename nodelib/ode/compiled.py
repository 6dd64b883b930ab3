"""Compiled solves: the steps forwards as one C++ loop, and their gradient backwards as another.

The loops are those of ``nodelib.ode.loops``. Forwards, they record the state before every accepted
step and the field there; from these, and for Dormand & Prince's method two sums of the stages, the
dense output is read afterwards. Backwards, one step at a time is taken again and differentiated,
like in ``nodelib.ode.checkpointing``: the gradient is the same to rounding, for the memory of two
to four states a step. A field is evaluated uncompiled before it is trusted (see
``nodelib.ode.trials``).
"""

from collections.abc import Sequence
from functools import cache
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor, nn

from nodelib.errors import ChangedFieldError, SolverError
from nodelib.ode import dense, tableaus
from nodelib.ode.arguments import (
    MAX_STEPS,
    Tolerance,
    check_positive,
    steps_per_interval,
)
from nodelib.ode.checkpointing import Task, last_touched, on_grid
from nodelib.ode.compilation import Stopwatch
from nodelib.ode.control import GROW
from nodelib.ode.courses import Course, Loop
from nodelib.ode.dependence import owner_of
from nodelib.ode.evaluations import CountedField
from nodelib.ode.joined import JoinedField
from nodelib.ode.loops import (
    Evaluated,
    Scheme,
    grid_forwards,
    steps_backwards,
    steps_forwards,
)
from nodelib.ode.replay import (
    attributes_of,
    check_attributes,
    hooks_silent,
    refuse_foreign_backward,
)
from nodelib.ode.solvers import (
    Solution,
    SolveStats,
    Walk,
    grid_steps,
    opening,
    refuse_non_finite,
)
from nodelib.ode.steps import Field, rms, runge_kutta_step
from nodelib.ode.tableaus import Tableau
from nodelib.ode.trials import Trial

#: Entries that the records of one loop hold of each kind, and how many steps that are.
ENTRIES, FEWEST, MOST = 1 << 21, 8, 256


def solve_compiled(
    f: Field, z0: Tensor, t: Tensor, params: tuple[Tensor, ...], arguments: dict[str, Any]
) -> Solution:
    """``solve(f, z0, t, **arguments)`` compiled, differentiable in z0, t and ``params``.

    Raises:
        SolverError: as ``solve``; if ``params`` are not all parameters of the module that the field
            is or is a method of; if the field cannot be compiled or draws random numbers; or for
            ``land=True`` with adaptive steps, ``autocast``, or a state on another device.
        NoCompilerError: if there is no C++ compiler.
    """
    if z0.device.type != "cpu":
        raise SolverError(
            f"compile=True is for states on a processor, and this one is on {z0.device}: use "
            f"compile=False."
        )
    if torch.is_autocast_enabled(z0.device.type):
        raise SolverError("A compiled solve does not run under autocast: use compile=False.")
    task = Task(f, arguments)
    z = _Compiled.apply(task, z0, t, *params)
    return Solution(t, z, task.stats, backward=task.backward)


class _Compiled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, task: Task, z0: Tensor, t: Tensor, *params: Tensor) -> Tensor:
        ctx.names = _names(task.f, params)
        clock = t.detach().to(z0.device, torch.float64)
        times, z, watch = clock.tolist(), z0.detach(), Stopwatch()
        trial = Trial(task.f, params, ctx.names)
        trusted = trial.passed
        if not trusted:
            trial.hold(times[0], z)
        most = task.arguments.get("max_steps", MAX_STEPS)
        walk = Walk(CountedField(task.f, z0), clock, times, most, record=False)
        solved = _on_grid if on_grid(task.arguments) else _adaptive
        course, end = solved(task, walk, z, watch)
        if trusted and watch.seconds:  # the compiler has found it changed
            trial.hold(times[0], z)
        ctx.attributes = attributes_of(task.f)
        nfe, accepted, rejected = walk.field.nfe, walk.accepted, walk.rejected
        task.stats = SolveStats(nfe, accepted, rejected, watch.seconds)
        ctx.task, ctx.count, ctx.course = task, len(params), course.hollow()
        ctx.save_for_backward(t, *params, *course.arrays())
        if len(times) == 1:
            return z[None].clone()
        inner = [x for loop in course.loops for x in loop.read()]
        return torch.cat([z[None], *inner, end[None]])

    @staticmethod
    def backward(ctx, grad_z: Tensor) -> tuple[Tensor | None, ...]:
        refuse_foreign_backward(grad_z)
        t, *saved = ctx.saved_tensors
        params = saved[: ctx.count]
        course = ctx.course.filled(saved[ctx.count :])
        check_attributes(ctx.task.f, ctx.attributes)
        live = [k for k, param in enumerate(params) if param.requires_grad]
        field = Evaluated(_module(ctx.task.f), [ctx.names[k] for k in live])
        wants_t = ctx.needs_input_grad[2]
        off = torch.autocast(grad_z.device.type, enabled=False)  # as it was forwards
        with off, hooks_silent([params[k] for k in live]):
            adjoint, in_t, found, note = _pulled_back(
                field, course, t, grad_z, [params[k] for k in live], wants_t
            )
        ctx.task.backward.append(note)
        grads = dict(zip(live, found, strict=True))
        filled = (
            grads[k] if k in grads else torch.zeros_like(param) for k, param in enumerate(params)
        )
        return None, adjoint, in_t, *filled


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


@cache
def _scheme(method: str, sizes: tuple[int, ...], adaptive: bool, inside: bool) -> Scheme:
    tableau = tableaus.find(method)
    bumps = dense.bumps(tableau) if inside else ()
    tableau = tableau if adaptive else tableau.without_error
    return Scheme.of(tableau, adaptive=adaptive, bumps=bumps, sizes=sizes)


def _sizes(f: Field) -> tuple[int, ...]:
    return tuple(f.state.sizes) if isinstance(f, JoinedField) else ()


def _records(scheme: Scheme, z: Tensor) -> tuple[Tensor, Tensor]:
    """Where a loop writes times, lengths and states of its steps."""
    rows = min(max(ENTRIES // max(z.numel(), 1), FEWEST), MOST)
    times = torch.empty(rows, 2, dtype=torch.float64, device=z.device)
    return times, z.new_empty(rows + 1, scheme.recorded, *z.shape)


def _adaptive(task: Task, walk: Walk, z: Tensor, watch: Stopwatch) -> tuple[Course, Tensor]:
    """The steps, and the state at the end."""
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
    scheme = _scheme(arguments["method"], _sizes(task.f), True, len(times) > 2)
    tableau = scheme.tableau
    start, end = times[0], times[-1]
    if len(times) == 1:
        return Course(scheme, (), False), z
    given, k = z, torch.zeros_like(z)
    sign = 1.0 if end > start else -1.0
    limits = [
        torch.as_tensor(x, dtype=z.dtype).to(z.device) for x in (tolerance.rtol, tolerance.atol)
    ]
    field = _module(task.f)
    inner = sign * walk.t[1:-1]
    clock, loops = [start, first_step or 0.0, 1.0, GROW, 0.0, 0.0], []
    while clock[0] != end:
        opens = not loops
        state = torch.tensor([*clock[:4], 0.0, 0.0], dtype=torch.float64, device=z.device)
        most = walk.max_steps - walk.accepted - walk.rejected
        bounds = torch.tensor([end, sign, most, opens], dtype=torch.float64, device=z.device)
        when, records = _records(scheme, z)
        state, z, k = watch.call(
            steps_forwards, field, scheme, state, bounds, z, k, *limits, when, records
        )
        clock = state.tolist()
        accepted, tried = int(clock[4]), int(clock[5])
        walk.accepted += accepted
        walk.rejected += tried - accepted
        walk.field.nfe += tried * (tableau.stages - 1) + (1 + (first_step is None)) * opens
        torch.stack((z, k), out=records[accepted, :2])
        # A step's end is the next one's start.
        ends = torch.cat((when[1:accepted, 0], state[:1]))
        begun = _next_output(loops)
        stop = 1 + int((inner <= sign * clock[0]).sum())
        place = torch.searchsorted(sign * ends, inner[begun - 1 : stop - 1])
        first, outputs = walk.accepted - accepted, range(begun, stop)
        loops.append(Loop(first, accepted, when, records, outputs, place).reading(walk.t))
        if clock[0] != end:
            if opens and not accepted:
                opening(walk.field, tableau, start, start, end - start, z, tolerance, first_step)
            walk.check_progress(clock[0], sign * clock[1], end, given, z)
            if not tried:
                raise SolverError(
                    f"The length of the step at t = {clock[0]:g} is {clock[1]:g}: the error that "
                    f"rtol and atol allow is out of range for this state. Scale it, or set another "
                    f"atol."
                )
    return Course(scheme, tuple(loops), False), z


def _next_output(loops: Sequence[Loop]) -> int:
    """The number of the first output that is read from none of the loops."""
    return loops[-1].outputs.stop if loops else 1


def _on_grid(task: Task, walk: Walk, z: Tensor, watch: Stopwatch) -> tuple[Course, Tensor]:
    """The steps, and the state at the end."""
    arguments = task.arguments
    grid = (arguments.get("step_size"), arguments.get("num_steps"))
    counts = steps_per_interval(walk.times, *grid, walk.max_steps)
    scheme, field = _scheme(arguments["method"], _sizes(task.f), False, False), _module(task.f)
    tableau = scheme.tableau
    steps = [(t, dt) for _, t, dt, _ in grid_steps(walk.times, counts)]
    landing, loops, before = list(accumulate(counts))[:-1], [], z
    while walk.accepted < len(steps):
        first = walk.accepted
        when, records = _records(scheme, z)
        some = torch.tensor(steps[first : first + len(when)], dtype=torch.float64)
        count = len(some)
        when[:count] = some
        number = torch.tensor(count, device=z.device)
        _, z = watch.call(grid_forwards, field, scheme, number, when, z, records)
        records[count, 0] = z
        walk.accepted += count
        walk.field.nfe += count * tableau.stages
        begun = _next_output(loops)
        inside = [step - first for step in landing[begun - 1 :] if step <= first + count]
        place = torch.tensor(inside, dtype=torch.int64, device=z.device)
        outputs = range(begun, begun + len(inside))
        loops.append(Loop(first, count, when, records, outputs, place))
        if not torch.isfinite(z).all():
            _refuse_step(walk, tableau, when, records[: count + 1, 0], before)
        before = z
    return Course(scheme, tuple(loops), True), z


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


def _pulled_back(
    field: Evaluated,
    course: Course,
    t: Tensor,
    grad_z: Tensor,
    params: list[Tensor],
    wants_t: bool,
) -> tuple[Tensor, Tensor | None, list[Tensor], SolveStats]:
    """Gradients in z0, in t if wanted, and in the parameters; and what they cost."""
    scheme, taken = course.scheme, course.taken
    sums = [torch.zeros_like(param) for param in params]
    if not taken:
        return grad_z.sum(0), torch.zeros_like(t) if wants_t else None, sums, SolveStats(0, 0, 0)
    last = len(t) - 1
    if wants_t:
        in_t = torch.zeros(len(t), dtype=torch.float64, device=grad_z.device)
        in_steps = in_t.new_zeros(taken, 2)
    needed = course.needed(last if grad_z[-1].any() else last_touched(grad_z), last)
    adjoint = [grad_z[-1], *[torch.zeros_like(grad_z[-1])] * (scheme.handed_on - 1)]
    watch = Stopwatch()
    for loop in reversed(course.loops):
        count = min(loop.count, needed - loop.first)
        if count <= 0:
            continue
        given = loop.hand_on(grad_z)
        adjoint = [x + given[count, k] for k, x in enumerate(adjoint)]
        bounds = torch.tensor([count, loop.first == 0], device=grad_z.device)
        off, in_times, in_start, *rest = watch.call(
            steps_backwards,
            field,
            scheme,
            wants_t,
            bounds,
            loop.times,
            loop.records,
            given,
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
        adjoint, sums = rest[: scheme.handed_on], rest[scheme.handed_on :]
        if wants_t:
            in_t[0] += in_start
            loop.hand_to_times(t, grad_z, in_t, in_times)
            in_steps[loop.first : loop.first + count] = in_times[:count]
    nfe = needed * (scheme.tableau.stages - scheme.adaptive) + scheme.adaptive * bool(needed)
    note = SolveStats(nfe, needed, 0, watch.seconds)
    at_start = adjoint[0] + grad_z[0]
    if not wants_t:
        return at_start, None, sums, note
    return at_start, (in_t + _through_clock(course, t, in_steps)).to(t), sums, note


def _through_clock(course: Course, t: Tensor, in_times: Tensor) -> Tensor:
    """What times and lengths of the steps are handed, handed on to the requested times.

    A grid stretches with the outputs that it lies between, see ``solvers.stretched``.
    """
    clock = course.times()
    times = t.detach().to(clock)
    begin = torch.zeros(len(clock), dtype=torch.int64, device=clock.device)
    finish = torch.full_like(begin, len(t) - 1)
    if course.lands:
        ends = [loop.first + loop.place for loop in course.loops]
        bounds = (ends[0].new_zeros(1), *ends, ends[0].new_tensor([len(clock)]))
        counts = torch.cat(bounds).diff()
        begin = torch.arange(len(counts), device=clock.device).repeat_interleave(counts)
        finish = begin + 1
    span = times[finish] - times[begin]
    share, part = (clock[:, 0] - times[begin]) / span, clock[:, 1] / span
    with_end = in_times[:, 0] * share + in_times[:, 1] * part
    found = torch.zeros_like(times).index_add_(0, begin, in_times[:, 0] - with_end)
    return found.index_add_(0, finish, with_end)
