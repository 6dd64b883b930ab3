"""Gradients by checkpointing: accepted steps are stored, and redone one at a time.

The forward solve runs without a graph and keeps the state before every accepted step. Backwards,
each step is taken once more with a graph, which gives its vector-Jacobian product and is thrown
away. The result is the gradient of ordinary backpropagation, to rounding error. Stored is one state
per step instead of everything inside every step.

The step lengths were chosen on the way forward and are numbers here: no gradient goes through step
control. The remedy is the one of Gholami, Keutzer & Biros 2019 ("ANODE") and Zhuang et al. 2020
("ACA") for the reconstruction error of the continuous adjoint.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from nodelib.ode import dense, tableaus
from nodelib.ode.dependence import WatchedField
from nodelib.ode.evaluations import CountedField
from nodelib.ode.generators import generators_at
from nodelib.ode.replay import (
    attributes_of,
    autocast_at,
    buffers_kept,
    check_attributes,
    check_same,
    digest,
    hooks_silent,
    refuse_foreign_backward,
    settled,
)
from nodelib.ode.solvers import (
    AcceptedStep,
    Solution,
    SolveStats,
    shares_of,
    solve,
    stretched,
)
from nodelib.ode.steps import Field, runge_kutta_step
from nodelib.ode.tableaus import Tableau


def solve_checkpointed(
    f: Field, z0: Tensor, t: Tensor, params: tuple[Tensor, ...], arguments: dict[str, Any]
) -> Solution:
    """``solve(f, z0, t, **arguments)``, differentiable in z0, t and ``params``."""
    task = Task(f, arguments)
    z = _Checkpointed.apply(task, z0, t, *params)
    return Solution(t, z, task.stats, backward=task.backward)


#: Why random numbers are refused.
ADAPTIVE = "no adaptive method can tell from errors of its steps"


#: In place of the states of steps, which autograd keeps.
ELSEWHERE = torch.empty(0)

REDONE = "the step from t = {:g} with dt = {:.3g}"


@dataclass
class Task:
    """A solve that is differentiated by hand: what is solved, and what it has cost."""

    f: Field
    arguments: dict[str, Any]
    stats: SolveStats | None = None
    backward: list[SolveStats] = field(default_factory=list)


def on_grid(arguments: dict[str, Any]) -> bool:
    """Whether these arguments of ``solve`` ask for a fixed grid."""
    fixed = arguments.get("step_size") is not None or arguments.get("num_steps") is not None
    return fixed or tableaus.find(arguments["method"]).embedded is None


class _Checkpointed(torch.autograd.Function):
    @staticmethod
    def forward(ctx, task: Task, z0: Tensor, t: Tensor, *params: Tensor) -> Tensor:
        before = attributes_of(task.f)
        watched = WatchedField(task.f, params, "" if on_grid(task.arguments) else ADAPTIVE)
        solution = solve(watched, z0, t, record_steps=True, **task.arguments)
        watched.warn_of_lost()
        ctx.attributes = settled(before, attributes_of(task.f))
        task.stats = solution.stats
        ctx.task = task
        ctx.steps = [replace(step, z=ELSEWHERE) for step in solution.steps]
        ctx.autocast = autocast_at(z0.device)
        ctx.end = digest(solution.z[-1])
        ctx.save_for_backward(t, *params, *(step.z for step in solution.steps))
        return solution.z

    @staticmethod
    def backward(ctx, grad_z: Tensor) -> tuple[Tensor | None, ...]:
        refuse_foreign_backward(grad_z)
        t, *saved = ctx.saved_tensors
        count = len(saved) - len(ctx.steps)
        params, states = saved[:count], saved[count:]
        f = CountedField(ctx.task.f, grad_z[0])
        tableau = tableaus.find(ctx.task.arguments["method"])
        wants_t = ctx.needs_input_grad[2]

        adjoint = torch.zeros_like(grad_z[0])
        grad_t = torch.zeros_like(t)
        # Parameters may have been frozen since the forward pass.
        live = [index for index, param in enumerate(params) if param.requires_grad]
        grad_params: list[Tensor | None] = [None] * count
        steps = ctx.steps[: _needed(ctx.steps, last_touched(grad_z))]
        check_attributes(ctx.task.f, ctx.attributes)
        with ctx.autocast, buffers_kept(ctx.task.f), hooks_silent([params[k] for k in live]):
            for index, step in reversed(list(enumerate(steps))):
                if step.lands:
                    adjoint = adjoint + grad_z[step.end]
                redone = _Redone(f, tableau, step, states[index], t, wants_t)
                after = states[index + 1] if index + 1 < len(states) else ctx.end
                check_same(redone.end, after, states[index], REDONE, step.t, step.dt)
                given = [adjoint, grad_z[list(step.inside)]] if step.inside else [adjoint]
                inputs = [redone.z, *(params[k] for k in live), *redone.times]
                # The graph is kept for fields that share a part of theirs between calls.
                grads = torch.autograd.grad(
                    redone.outputs, inputs, given, allow_unused=True, retain_graph=True
                )
                adjoint = grads[0]
                for place, grad in zip(redone.places, grads[len(live) + 1 :], strict=True):
                    grad_t[place] += grad
                for k, grad in zip(live, grads[1 : len(live) + 1], strict=True):
                    if grad is not None:
                        total = grad_params[k]
                        grad_params[k] = grad if total is None else total + grad
        ctx.task.backward.append(SolveStats(f.nfe, len(steps), 0))
        filled = (
            torch.zeros_like(param) if grad is None else grad
            for param, grad in zip(params, grad_params, strict=True)
        )
        return None, adjoint + grad_z[0], grad_t if wants_t else None, *filled


class _Redone:
    """One accepted step taken again with a graph.

    Attributes:
        z: the state before it, a leaf.
        times, places: leaves for the times that it depends on, and where in ``t`` these are; none
            if not ``tied`` to them.
        outputs: the state after it, and the states inside it if any were read.
        end: the state after it.
    """

    def __init__(
        self,
        f: CountedField,
        tableau: Tableau,
        step: AcceptedStep,
        z: Tensor,
        t: Tensor,
        tied: bool,
    ) -> None:
        draws = step.generators
        drawing = generators_at(draws, z.device) if draws else nullcontext()
        places = [[step.interval, step.end]] if tied or step.inside else []
        places += [list(step.inside)] if step.inside else []
        times = [t[place].detach().requires_grad_(tied) for place in places]
        self.places, self.times = (places, times) if tied else ([], [])
        with torch.enable_grad(), drawing:
            self.z = z.detach().requires_grad_()
            start, dt = step.t, step.dt
            if tied:
                start, dt = stretched(times[0], start, dt)
                dt = dt.to(z.dtype)
            # The polynomial needs the last stage, which the step itself does without.
            taken = tableau if step.inside else tableau.without_error
            self.end, stages = runge_kutta_step(f, taken, start, dt, self.z)
            self.outputs = [self.end]
            if step.inside:
                shares = shares_of(*times, step.t, step.dt)
                self.outputs.append(dense.inside(tableau, shares, dt, self.z, stages))


def _needed(steps: Sequence[AcceptedStep], last: int) -> int:
    """How many of the steps the output ``last`` depends on."""
    for count, step in enumerate(steps, 1):
        if last in step.inside or (step.lands and step.end == last):
            return count
    return 0


def last_touched(grad_z: Tensor) -> int:
    """Index of the last output that the loss looks at, 0 if none: nothing behind it matters."""
    touched = grad_z.reshape(len(grad_z), -1).ne(0).any(1).nonzero()
    return int(touched[-1]) if len(touched) else 0
