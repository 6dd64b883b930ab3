"""Document 001, the printed class ODEAdjoint: the gradients that its backward pass returns.

``ode_adjoint_gradients`` restates the pass with an accurate solver in the place of its Euler steps,
so that what is seen is its formulas.
"""

import functools
from collections.abc import Sequence

import torch
from torch import Tensor

from nodebook.documents.formulas.system import (
    TIGHT,
    System,
    complex_step_gradients,
    loss_gradient,
)
from nodebook.documents.formulas.verdicts import Evaluation, Formula
from nodelib.ode.solvers import solve


def code_times(s: System) -> list[float]:
    """Start, two times on the way, and end."""
    t0, t1 = s.inputs.t0, s.inputs.t1
    return [t0, t0 + 0.35 * (t1 - t0), t0 + 0.65 * (t1 - t0), t1]


def ode_adjoint_gradients(s: System, weights: Sequence[float]) -> dict[str, Tensor]:
    """What the backward pass of class ODEAdjoint returns for ``sum_i weights[i] L(z(t_i))``.

    Its own words: ``adj_z``, ``adj_p``, ``adj_t``; one sample, accurate solves. Lines 64-97 of the
    printed listing, in its order, with its signs, and with the field value of its last pass
    through the loop used once more after the loop.
    """
    t = code_times(s)
    z = solve(s.field, s.z0, t, **TIGHT).z
    direct = torch.tensor(weights, dtype=z.dtype)[:, None] * loss_gradient(z)

    def augmented(time: Tensor, state: Tensor) -> Tensor:
        here, a = state[:2], state[2:4]
        return torch.cat(
            (
                s.field(time, here),
                -a @ s.field.jacobian_z(time, here),
                -a @ s.field.jacobian_theta(time, here),
                -(a @ s.field.derivative_t(time, here))[None],
            )
        )

    adj_z, adj_p, adj_t = torch.zeros(2).double(), torch.zeros(2).double(), torch.zeros(4).double()
    for i in range(len(t) - 1, 0, -1):
        f_i = s.field(torch.tensor(t[i], dtype=z.dtype), z[i])
        adj_z = adj_z + direct[i]
        adj_t[i] = adj_t[i] - direct[i] @ f_i
        start = torch.cat((z[i], adj_z, torch.zeros_like(adj_p), adj_t[i : i + 1]))
        end = solve(augmented, start, [t[i], t[i - 1]], **TIGHT).z[-1]
        adj_z = end[2:4]
        adj_p = adj_p + end[4:6]
        adj_t[i - 1] = end[6]
    adj_z = adj_z + direct[0]
    adj_t[0] = adj_t[0] - direct[0] @ f_i
    return {"z0": adj_z, "theta": adj_p, "times": adj_t, "direct": direct, "z": z}


ALL_TIMES = (0.7, 0.5, -0.8, 1.0)
LAST_TIME = (0.0, 0.0, 0.0, 1.0)


@functools.lru_cache(maxsize=4)
def _code(s: System, weights: tuple[float, ...]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    return (
        ode_adjoint_gradients(s, weights),
        complex_step_gradients(s.inputs, code_times(s), weights),
    )


def code_z0(s: System) -> Evaluation:
    """The returned adj_z."""
    got, wanted = _code(s, ALL_TIMES)
    return Evaluation(got["z0"], wanted["z0"])


def code_theta(s: System) -> Evaluation:
    """The returned adj_p."""
    got, wanted = _code(s, ALL_TIMES)
    return Evaluation(got["theta"], wanted["theta"])


def code_t_last(s: System) -> Evaluation:
    """The returned adj_t at the last time."""
    got, wanted = _code(s, ALL_TIMES)
    return Evaluation(got["times"][-1], wanted["times"][-1])


def code_t_interior(s: System) -> Evaluation:
    """The returned adj_t at the times on the way."""
    got, wanted = _code(s, ALL_TIMES)
    f = s.field(torch.tensor(code_times(s), dtype=torch.float64), got["z"])
    direct = (got["direct"] * f).sum(-1)[1:-1]
    return Evaluation(got["times"][1:-1], wanted["times"][1:-1], corrected=direct)


def code_t_first(s: System) -> Evaluation:
    """The returned adj_t at the first time, the loss looking at z(t0) too."""
    got, wanted = _code(s, ALL_TIMES)
    stale = s.field(torch.tensor(code_times(s)[1], dtype=torch.float64), got["z"][1])
    undone = got["times"][0] + got["direct"][0] @ stale
    return Evaluation(got["times"][0], wanted["times"][0], corrected=undone)


def code_t_first_terminal_loss(s: System) -> Evaluation:
    """The returned adj_t at the first time, the loss looking at the last time alone."""
    got, wanted = _code(s, LAST_TIME)
    return Evaluation(got["times"][0], wanted["times"][0])


_CODE = "“Backprop Implementation”, class ODEAdjoint"

FORMULAS = (
    Formula(
        "001-code-z0",
        f"{_CODE}, returned adj_z",
        r"\mathtt{adj\_z}",
        "dL/dz(t0)",
        code_z0,
    ),
    Formula(
        "001-code-theta",
        f"{_CODE}, returned adj_p",
        r"\mathtt{adj\_p}",
        "dL/dθ",
        code_theta,
    ),
    Formula(
        "001-code-t-last",
        f"{_CODE}, lines 71-75, last time",
        r"\mathtt{adj\_t}[N] = -\frac{\partial L}{\partial z_N} f_N",
        "dL/dt_N",
        code_t_last,
        correction=r"\mathtt{adj\_t}[N] = \frac{\partial L}{\partial z_N} f_N",
        note="The sign is right for carrying the time adjoint on, not for returning it.",
    ),
    Formula(
        "001-code-t-interior",
        f"{_CODE}, lines 71-86, times on the way",
        r"\mathtt{adj\_t}[i] = -a(t_i^-)\,f_i",
        "dL/dt_i, 0 < i < N",
        code_t_interior,
        correction=r"\mathtt{adj\_t}[i] = \frac{\partial L}{\partial z_i} f_i",
        note=(
            "An observation time moves only the point at which the trajectory is read; the "
            "listing returns the adjoint of the whole rest of the trajectory."
        ),
    ),
    Formula(
        "001-code-t-first",
        f"{_CODE}, lines 92-97, loss on z(t0) too",
        r"\mathtt{adj\_t}[0] = -a(t_0^+) f_0 - \frac{\partial L}{\partial z_0} f_1",
        "dL/dt_0",
        code_t_first,
        correction=r"\mathtt{adj\_t}[0] = -a(t_0^+) f_0",
        note=(
            "f_i is left over from the loop and belongs to the second time. No index repairs it: "
            "z(t0) = z0 is given, so the direct term should not be there at all."
        ),
    ),
    Formula(
        "001-code-t-first-terminal-loss",
        f"{_CODE}, lines 92-97, loss on the last time alone",
        r"\mathtt{adj\_t}[0] = -a(t_0^+) f_0",
        "dL/dt_0",
        code_t_first_terminal_loss,
    ),
)
