"""The adjoint method as a torch ``Function``, as document 001 prints it, in our own words.

The deck's class ODEAdjoint solves forwards and backwards with Euler steps of at most 0.05 and
returns gradients in the initial states, the times and the parameters. Its listing treats the
gradients in the times wrongly in three places, marked below; ``as_printed`` chooses between them
and what they should be. The other gradients are the same either way.
"""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

LONGEST_STEP = 0.05
"""The deck does not print its solver; the code that it is taken from has Euler steps this long."""

State = Sequence[Tensor]
Slope = Callable[[Tensor, State], State]


def euler(f: Slope, state: State, t0: Tensor, t1: Tensor, longest: float) -> State:
    """Equal Euler steps, each at most ``longest``, for a state of several tensors."""
    steps = math.ceil(float(abs(t1 - t0)) / longest - 1e-9)
    t, h = t0, (t1 - t0) / steps
    for _ in range(steps):
        state = [x + h * slope for x, slope in zip(state, f(t, state), strict=True)]
        t = t + h
    return state


class EulerAdjoint(torch.autograd.Function):
    """States at the times ``t``, differentiated by the adjoint method."""

    @staticmethod
    def forward(ctx, z0, t, field, as_printed, longest, *parameters):
        """Euler from each time to the next; only the states at ``t`` are kept."""

        def slope(time, state):
            return [field(time, *state)]

        z = [z0]
        for start, end in pairwise(t):
            z += euler(slope, z[-1:], start, end, longest)
        ctx.field, ctx.as_printed, ctx.longest = field, as_printed, longest
        ctx.save_for_backward(t, torch.stack(z), *parameters)
        return torch.stack(z)

    @staticmethod
    def backward(ctx, dL_dz):
        """Solve (z, a, a_theta, a_t) backwards, from each time to the one before."""
        t, z, *parameters = ctx.saved_tensors

        def augmented(time, state):
            with torch.enable_grad():
                here, clock = (x.detach().requires_grad_() for x in (state[0], time))
                f = ctx.field(clock, here)
                slopes = torch.autograd.grad(
                    f, (here, *parameters, clock), -state[1], materialize_grads=True
                )
            return [f.detach(), *slopes]

        a, a_t = torch.zeros_like(z[0]), torch.zeros_like(t[0])
        dL_dt = torch.zeros_like(t)
        a_theta = [torch.zeros_like(p) for p in parameters]
        for i in range(len(t) - 1, 0, -1):
            f = ctx.field(t[i], z[i])
            direct = (dL_dz[i] * f).sum()
            a = a + dL_dz[i]
            a_t = a_t - direct
            dL_dt[i] = a_t if ctx.as_printed else direct  # (1) sign, (2) rest
            start = [z[i], a, *a_theta, a_t]
            _, a, *a_theta, a_t = euler(augmented, start, t[i], t[i - 1], ctx.longest)
        dL_dt[0] = a_t
        if ctx.as_printed:
            dL_dt[0] -= (dL_dz[0] * f).sum()  # (3) f is left over from the loop
        return a + dL_dz[0], dL_dt, None, None, None, *a_theta


def solve(
    field: nn.Module,
    z0: Tensor,
    t: Tensor,
    *,
    as_printed: bool = False,
    longest: float = LONGEST_STEP,
) -> Tensor:
    """States at the times ``t``, shape (n, *z0.shape), differentiable by ``EulerAdjoint``.

    Args:
        field: ``f(t, z)``, an ``nn.Module``.
        z0: initial states, any shape.
        t: times, shape (n,); may require a gradient.
        as_printed: return the gradients in the times as the deck does.
        longest: longest Euler step.
    """
    return EulerAdjoint.apply(z0, t, field, as_printed, longest, *field.parameters())
