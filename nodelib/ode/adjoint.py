"""Gradients by the continuous adjoint: Chen et al. 2018, algorithm 1.

With ``a(t) = dL/dz(t)``, state, adjoint state and the gradient of the parameters are solved
backwards together,

    dz/dt = f,    da/dt = -a^T df/dz,    dg/dt = -a^T df/dtheta,

from each output time to the one before. There the loss adds its gradient to ``a``, and ``z``
starts again from the state that the forward solve had. Nothing between output times is stored. The
first step is chosen by ``z`` and ``a`` alone: ``g`` is zero there, and would ask for a step of
almost no length.

The gradients of the times need no equation. The state at ``t_i`` moves with ``t_i`` along the
field, and the whole trajectory behind ``t_0`` moves against it:

    dL/dt_i = g_i . f(t_i, z_i)  (i > 0),    dL/dt_0 = -a(t_0+) . f(t_0, z_0),

where ``g_i`` is what the loss hands to output ``i`` and ``a(t_0+)`` leaves out ``g_0``.

This is the gradient of the exact solution, solved with an error of its own. It is not the
derivative of the discrete solve: the two differ by the error of the method.
"""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from nodelib.errors import ChangedFieldError, SolverError
from nodelib.ode.checkpointing import last_touched
from nodelib.ode.dependence import WatchedField
from nodelib.ode.evaluations import CountedField, KeptContract
from nodelib.ode.replay import (
    Digest,
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
from nodelib.ode.solvers import AcceptedStep, Solution, SolveStats, solve
from nodelib.ode.steps import Field, rms, spare, time_like


@dataclass(frozen=True)
class AdjointStats(SolveStats):
    """What a backward solve cost, and where it went if ``record_backward``.

    Attributes:
        t: times of its accepted steps, decreasing, each interval with both ends; shape (m,).
        z: states on the way back, shape (m, *state).
        a: adjoint states there, shape (m, *state).
    """

    t: Tensor | None = None
    z: Tensor | None = None
    a: Tensor | None = None


def solve_with_adjoint(
    f: Field,
    z0: Tensor,
    t: Tensor,
    params: tuple[Tensor, ...],
    arguments: dict[str, Any],
    back: dict[str, Any],
    record: bool = False,
    seminorm: bool = False,
) -> Solution:
    """``solve(f, z0, t, **arguments)``, differentiable in z0, t and ``params``.

    ``back`` are the arguments of the backward solves; with ``seminorm`` the parameters' gradient
    is left out of their error.

    Raises:
        SolverError: if one of ``params`` is complex: what is solved backwards is real.
    """
    if any(param.is_complex() for param in params):
        raise SolverError(
            'A complex parameter has no gradient by grad="adjoint": use another mode, or keep its '
            "real and imaginary part (torch.view_as_real)."
        )
    task = _Task(f, arguments, back, record, seminorm)
    z = _Adjoint.apply(task, z0, t, *params)
    return Solution(t, z, task.stats, backward=task.backward)


#: Why random numbers are refused.
BACKWARDS = "the continuous adjoint would draw anew on its way back"


VALUE = "the field at t = {:g}"


@dataclass
class _Task:
    f: Field
    arguments: dict[str, Any]
    back: dict[str, Any]
    record: bool
    seminorm: bool
    stats: SolveStats | None = None
    backward: list[SolveStats] = field(default_factory=list)


class _Adjoint(torch.autograd.Function):
    @staticmethod
    def forward(ctx, task: _Task, z0: Tensor, t: Tensor, *params: Tensor) -> Tensor:
        before = attributes_of(task.f)
        watched = WatchedField(task.f, params, BACKWARDS)
        solution = solve(watched, z0, t, **task.arguments)
        watched.warn_of_lost()
        ctx.attributes = settled(before, attributes_of(task.f))
        task.stats = solution.stats
        ctx.task = task
        ctx.autocast = autocast_at(z0.device)
        place, value = solution.witness or (0, solution.z[0])
        ctx.witness = (place, digest(value))
        ctx.save_for_backward(t, solution.z, *params)
        return solution.z

    @staticmethod
    def backward(ctx, grad_z: Tensor) -> tuple[Tensor | None, ...]:
        refuse_foreign_backward(grad_z)
        t, z, *listed = ctx.saved_tensors
        # Parameters may have been frozen since the forward pass.
        params = [param for param in listed if param.requires_grad]
        if not torch.isfinite(grad_z).all():
            raise SolverError("The gradient handed to the backward solve holds NaN or Inf.")
        f = CountedField(ctx.task.f, z[0])
        system = AugmentedField(f, z[0], params)
        times = t.double().tolist()
        grad_t = None
        check_attributes(ctx.task.f, ctx.attributes)
        with ctx.autocast, buffers_kept(ctx.task.f), hooks_silent(params):
            if last_touched(grad_z):
                _check_field(system, times, z, ctx.witness, last_touched(grad_z))
            flat, cost, steps = _solve_backwards(system, times, z, grad_z, ctx.task)
            _, adjoint, _ = system.split(flat)
            if ctx.needs_input_grad[2]:
                grad_t = _time_gradients(f, times, z, grad_z, adjoint)
        track = {}
        if steps:
            parts = [system.split(step.z) for step in steps]
            track = {
                "t": torch.tensor([step.t for step in steps], dtype=torch.float64),
                "z": torch.stack([part[0] for part in parts]),
                "a": torch.stack([part[1] for part in parts]),
            }
        ctx.task.backward.append(AdjointStats(f.nfe, cost.accepted, cost.rejected, **track))
        found = iter(system.parameter_gradients(flat))
        grad_params = (next(found) if param.requires_grad else None for param in listed)
        return None, adjoint, grad_t, *grad_params


def _check_field(
    system: "AugmentedField", times: list[float], z: Tensor, witness: tuple[int, Digest], last: int
) -> None:
    """ChangedFieldError unless the field is still what it was at one output of the solve.

    Where the way back does not begin at that output, this takes an evaluation more, which is not
    counted.
    """
    place, value = witness
    if place == last:
        system.expected = value
        return
    check_same(
        CountedField(system.f.f, z[0])(time_like(times[place], z), spare(z[place])),
        value,
        0.0,
        VALUE,
        times[place],
    )


def _solve_backwards(
    system: "AugmentedField", times: list[float], z: Tensor, grad_z: Tensor, task: _Task
) -> tuple[Tensor, SolveStats, list[AcceptedStep]]:
    """The flat vector at the first time, all jumps done; the cost; the steps if recorded."""
    last = last_touched(grad_z)
    flat = system.join(z[last], grad_z[last])
    nfe = accepted = rejected = 0
    steps: list[AcceptedStep] = []
    first_step = None
    norm = system.seminorm if task.seminorm else system.norm
    for i in range(last, 0, -1):
        try:
            solution = solve(
                system,
                flat,
                [times[i], times[i - 1]],
                **task.back,
                first_step=first_step,
                norm=norm,
                first_norm=system.seminorm,
                record_steps=task.record,
            )
        except ChangedFieldError:
            raise
        except SolverError as error:
            raise SolverError(
                f"In the backward solve of the adjoint, from t = {times[i]:g} to "
                f'{times[i - 1]:g}: {error} grad="checkpoint" solves nothing backwards.'
            ) from error
        flat, first_step = solution.z[-1], solution.next_step
        nfe += solution.stats.nfe
        accepted += solution.stats.accepted
        rejected += solution.stats.rejected
        if task.record:
            steps += (*solution.steps, AcceptedStep(0, times[i - 1], 0.0, flat))
        flat = system.restart(flat, z[i - 1], grad_z[i - 1])
    return flat, SolveStats(nfe, accepted, rejected), steps


def _time_gradients(
    f: Field, times: list[float], z: Tensor, grad_z: Tensor, adjoint: Tensor
) -> Tensor:
    """Gradients of all times; ``adjoint`` is that at the first one, its own jump included."""
    weights = grad_z.clone()
    weights[0] -= adjoint
    return torch.stack(
        [
            (weight * f(time_like(time, state), spare(state))).sum()
            if weight.any()
            else weight.sum()
            for time, weight, state in zip(times, weights, z, strict=True)
        ]
    )


class AugmentedField(KeptContract):
    """The right-hand side of the backward solve, on one flat vector ``(z, a, g)``."""

    def __init__(self, f: Field, z0: Tensor, params: list[Tensor]) -> None:
        self.f, self.params, self.z0 = f, params, z0
        self.expected: Digest | None = None
        self.sizes = [z0.numel(), z0.numel(), sum(param.numel() for param in params)]

    def join(self, z: Tensor, a: Tensor) -> Tensor:
        """The flat vector for a state and an adjoint state, with no parameter gradient yet."""
        return torch.cat((z.reshape(-1), a.reshape(-1), z.new_zeros(self.sizes[2])))

    def split(self, flat: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """State, adjoint state and the flat parameter gradient."""
        z, a, g = flat.split_with_sizes(self.sizes)
        return z.view(self.z0.shape), a.view(self.z0.shape), g

    def restart(self, flat: Tensor, z: Tensor, jump: Tensor) -> Tensor:
        """``flat`` with the state replaced by ``z`` and the adjoint state moved by ``jump``."""
        _, a, g = self.split(flat)
        return torch.cat((z.reshape(-1), (a + jump).reshape(-1), g))

    def norm(self, flat: Tensor) -> float:
        """The largest of the parts' root mean squares."""
        return max(rms(part) for part in flat.split_with_sizes(self.sizes))

    def seminorm(self, flat: Tensor) -> float:
        """The larger of the root mean squares of z and a."""
        return max(rms(part) for part in flat.split_with_sizes(self.sizes)[:2])

    def __call__(self, t: Tensor, flat: Tensor) -> Tensor:
        z, a, _ = self.split(flat)
        with torch.enable_grad():
            z = z.detach().clone().requires_grad_()
            value = self.f(t, z)
        if self.expected is not None:
            check_same(value, self.expected, 0.0, VALUE, float(t))
            self.expected = None
        inputs = (z, *self.params)
        if value.requires_grad:
            # The graph is kept for fields that share a part of theirs between calls.
            products = torch.autograd.grad(value, inputs, -a, allow_unused=True, retain_graph=True)
        else:
            products = (None,) * len(inputs)
        parts = [value.detach().reshape(-1)]
        for x, product in zip(inputs, products, strict=True):
            parts.append(flat.new_zeros(x.numel()) if product is None else product.reshape(-1))
        return torch.cat(parts).to(flat.dtype)

    def parameter_gradients(self, flat: Tensor) -> list[Tensor]:
        """The last part of ``flat`` in the shapes of the parameters (torch sees to the dtypes)."""
        pieces = self.split(flat)[2].split([param.numel() for param in self.params])
        return [piece.view(param.shape) for piece, param in zip(pieces, self.params, strict=True)]
