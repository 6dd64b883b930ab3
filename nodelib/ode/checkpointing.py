"""Gradients by checkpointing: accepted steps are stored, and redone one at a time.

The forward solve runs without a graph and keeps the state before every accepted step. Backwards,
each step is taken once more with a graph, which gives its vector-Jacobian product and is thrown
away. The result is the gradient of ordinary backpropagation, to rounding error. Stored is one state
per step instead of everything inside every step.

The step lengths were chosen on the way forward and are numbers here: no gradient goes through step
control. The remedy is the one of Gholami, Keutzer & Biros 2019 ("ANODE") and Zhuang et al. 2020
("ACA") for the reconstruction error of the continuous adjoint.
"""

from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from nodelib.ode import tableaus
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
from nodelib.ode.solvers import Solution, SolveStats, solve, stretched
from nodelib.ode.steps import Field, runge_kutta_step


def solve_checkpointed(
    f: Field, z0: Tensor, t: Tensor, params: tuple[Tensor, ...], arguments: dict[str, Any]
) -> Solution:
    """``solve(f, z0, t, **arguments)``, differentiable in z0, t and ``params``."""
    task = _Task(f, arguments)
    z = _Checkpointed.apply(task, z0, t, *params)
    return Solution(t, z, task.stats, backward=task.backward)


#: Why random numbers are refused.
ADAPTIVE = "no adaptive method can tell from errors of its steps"


REDONE = "the step from t = {:g} with dt = {:.3g}"


@dataclass
class _Task:
    f: Field
    arguments: dict[str, Any]
    stats: SolveStats | None = None
    backward: list[SolveStats] = field(default_factory=list)


def _on_grid(arguments: dict[str, Any]) -> bool:
    fixed = arguments.get("step_size") is not None or arguments.get("num_steps") is not None
    return fixed or tableaus.find(arguments["method"]).embedded is None


class _Checkpointed(torch.autograd.Function):
    @staticmethod
    def forward(ctx, task: _Task, z0: Tensor, t: Tensor, *params: Tensor) -> Tensor:
        before = attributes_of(task.f)
        watched = WatchedField(task.f, params, "" if _on_grid(task.arguments) else ADAPTIVE)
        solution = solve(watched, z0, t, record_steps=True, **task.arguments)
        watched.warn_of_lost()
        ctx.attributes = settled(before, attributes_of(task.f))
        task.stats = solution.stats
        ctx.task = task
        ctx.clock = [(step.interval, step.t, step.dt) for step in solution.steps]
        ctx.draws = [step.generators for step in solution.steps]
        ctx.autocast = autocast_at(z0.device)
        ctx.end = digest(solution.z[-1])
        ctx.save_for_backward(t, *params, *(step.z for step in solution.steps))
        return solution.z

    @staticmethod
    def backward(ctx, grad_z: Tensor) -> tuple[Tensor | None, ...]:
        refuse_foreign_backward(grad_z)
        t, *saved = ctx.saved_tensors
        count = len(saved) - len(ctx.clock)
        params, states = saved[:count], saved[count:]
        f = CountedField(ctx.task.f, grad_z[0])
        tableau = tableaus.find(ctx.task.arguments["method"]).without_error
        wants_t = ctx.needs_input_grad[2]

        last = last_touched(grad_z)
        adjoint = torch.zeros_like(grad_z[0])
        grad_t = torch.zeros_like(t)
        # Parameters may have been frozen since the forward pass.
        live = [index for index, param in enumerate(params) if param.requires_grad]
        grad_params: list[Tensor | None] = [None] * count
        steps = [index for index, step in enumerate(ctx.clock) if step[0] < last]
        reached = last + 1
        check_attributes(ctx.task.f, ctx.attributes)
        with ctx.autocast, buffers_kept(ctx.task.f), hooks_silent([params[k] for k in live]):
            for index in reversed(steps):
                interval, start, dt = ctx.clock[index]
                if interval + 1 < reached:
                    reached = interval + 1
                    adjoint = adjoint + grad_z[reached]
                state, draws = states[index], ctx.draws[index]
                after = states[index + 1] if index + 1 < len(states) else ctx.end
                drawing = generators_at(draws, state.device) if draws else nullcontext()
                with torch.enable_grad(), drawing:
                    z = state.detach().requires_grad_()
                    inputs = [z, *(params[k] for k in live)]
                    if wants_t:
                        ends = t[interval : interval + 2].detach().requires_grad_()
                        start, dt = stretched(ends, start, dt, z.dtype)
                        inputs.append(ends)
                    end, _ = runge_kutta_step(f, tableau, start, dt, z)
                check_same(end, after, state, REDONE, *ctx.clock[index][1:])
                # The graph is kept for fields that share a part of theirs between calls.
                grads = torch.autograd.grad(
                    end, inputs, adjoint, allow_unused=True, retain_graph=True
                )
                adjoint = grads[0]
                if wants_t:
                    grad_t[interval : interval + 2] += grads[-1]
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


def last_touched(grad_z: Tensor) -> int:
    """Index of the last output that the loss looks at, 0 if none: nothing behind it matters."""
    touched = grad_z.reshape(len(grad_z), -1).ne(0).any(1).nonzero()
    return int(touched[-1]) if len(touched) else 0
