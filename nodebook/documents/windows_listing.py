"""Windows solved and differentiated as document 001 does: Euler's method both ways.

``nodebook.documents.adjoint_listing`` has the deck's class for one window. This is the same method
for many windows at once, each with its own times (``nodelib.training.windows``), without gradients
in the times, which training on windows does not use.
"""

import torch
from torch import Tensor, nn

from nodelib.training.windows import solve_intervals


class EulerWindows(torch.autograd.Function):
    """States of windows by Euler steps, differentiated by the continuous adjoint, also by Euler."""

    @staticmethod
    def forward(ctx, z0, t, field, steps, *parameters):
        """States (..., n, d); only those at the observations are kept."""
        z = solve_intervals(field, z0, t, method="euler", steps=steps)
        ctx.field, ctx.steps = field, steps
        ctx.save_for_backward(t, z, *parameters)
        return z

    @staticmethod
    def backward(ctx, dL_dz):
        """Solve (z, a, a_theta) backwards, from each observation to the one before."""
        t, z, *parameters = ctx.saved_tensors
        a = torch.zeros_like(z[..., 0, :])
        a_theta = [torch.zeros_like(p) for p in parameters]
        for i in range(t.shape[-1] - 1, 0, -1):
            a = a + dL_dz[..., i, :]
            state, now = z[..., i, :], t[..., i].unsqueeze(-1)
            h = (t[..., i] - t[..., i - 1]).unsqueeze(-1) / ctx.steps
            for part in range(ctx.steps):
                with torch.enable_grad():
                    here = state.detach().requires_grad_()
                    f = ctx.field(now - part * h, here)
                    # h enters before the sum over windows: every window has its own step
                    slopes = torch.autograd.grad(f, (here, *parameters), h * a)
                state = state - h * f.detach()
                a = a + slopes[0]
                a_theta = [x + slope for x, slope in zip(a_theta, slopes[1:], strict=True)]
        return a + dL_dz[..., 0, :], None, None, None, *a_theta


def solve_as_deck(field: nn.Module, z0: Tensor, t: Tensor, steps: int) -> Tensor:
    """States (..., n, d) from ``z0`` (..., d) at times ``t`` (..., n), ``steps`` to an interval.

    Differentiable in ``z0`` and the parameters of ``field``; every window must have ``z0``'s
    leading axes.
    """
    return EulerWindows.apply(z0, t, field, steps, *field.parameters())
