"""Ways to one and the same gradient: ours and those of other libraries, where they are installed.

The gradient is that of the sum of squares of all states, in the initial state and the parameters,
solved by Dormand-Prince's method. torchode (Lienen and Günnemann 2022) chooses the steps of every
state of a batch by itself; torchdyn (Poli et al. 2021) lands on every output time; both are
differentiated through their steps. diffrax (Kidger 2021) is compiled by JAX, which
``diffrax_peer`` is for.
"""

import copy
import functools
import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torchdiffeq
from torch import Tensor, nn

from nodebook.benchmarks import diffrax_peer
from nodebook.benchmarks.contests.gradients import gradient
from nodebook.benchmarks.gradient_problems import Autonomous
from nodelib.ode.gradients import odeint

Work = Callable[[], Any]

SOLVERS: Mapping[str, Callable[..., Tensor]] = {
    "backprop": functools.partial(odeint, grad="backprop"),
    "checkpoint": odeint,
    "compiled": functools.partial(odeint, compile=True),
    "torchdiffeq odeint": torchdiffeq.odeint,
}
"""The ways that are always at hand and solve nothing backwards."""

PART = 64
"""States whose reference is computed together."""


@dataclass(frozen=True)
class Way:
    """One way to a gradient.

    Attributes:
        name: as tables and figures write it.
        at: the work at a tolerance, absolute and relative alike.
        vector: what that work returns, as one vector in float64: the initial state's gradient, then
            those of the parameters.
    """

    name: str
    at: Callable[[float], Work]
    vector: Callable[[Any], Tensor]


def ways(field: Autonomous, z0: Tensor, times: Tensor, *, adjoints: bool) -> list[Way]:
    """Every way at hand.

    ``adjoints``: also those that solve backwards, which not every field bears.
    """
    solvers = dict(SOLVERS)
    if adjoints:
        seminorm = {"adjoint_seminorm": True}
        solvers["adjoint"] = functools.partial(odeint, grad="adjoint")
        solvers["adjoint, seminorm"] = functools.partial(odeint, grad="adjoint", options=seminorm)
        solvers["torchdiffeq adjoint"] = torchdiffeq.odeint_adjoint
    for name, solver in (("torchode", by_torchode), ("torchdyn", by_torchdyn)):
        if importlib.util.find_spec(name):
            solvers[name] = solver
    found = [
        Way(name, functools.partial(_by_torch, solver, field, z0, times), joined)
        for name, solver in solvers.items()
    ]
    if diffrax_peer.version():
        kinds = {"diffrax": "diffrax-checkpoint"}
        if adjoints:
            kinds["diffrax backsolve"] = "diffrax-adjoint"
        found += [
            Way(name, diffrax_peer.trajectory_gradient(field, z0, times, way), from_jax)
            for name, way in kinds.items()
        ]
    return found


def _by_torch(
    solver: Callable[..., Tensor], field: nn.Module, z0: Tensor, times: Tensor, tolerance: float
) -> Work:
    tolerances = {"rtol": tolerance, "atol": tolerance}
    return functools.partial(gradient, solver, field, z0, times, tolerances)


def by_torchode(
    field: nn.Module, z0: Tensor, times: Tensor, *, method: str, rtol: float, atol: float
) -> Tensor:
    """States (len(times), n, size) of a solve by torchode, one problem for each state."""
    import torchode

    term = torchode.ODETerm(lambda t, z: field(t.unsqueeze(-1), z))
    control = torchode.IntegralController(atol=atol, rtol=rtol, term=term)
    steps = {"dopri5": torchode.Dopri5}[method](term=term)
    problem = torchode.InitialValueProblem(y0=z0, t_eval=times.expand(len(z0), -1))
    solver = torchode.AutoDiffAdjoint(steps, control, backprop_through_step_size_control=False)
    return solver.solve(problem).ys.transpose(0, 1)


def by_torchdyn(
    field: nn.Module, z0: Tensor, times: Tensor, *, method: str, rtol: float, atol: float
) -> Tensor:
    """States (len(times), *state) of a solve by torchdyn."""
    from torchdyn.numerics import odeint as solve

    return solve(field, z0, times, solver=method, atol=atol, rtol=rtol)[1]


def reference(field: Autonomous, z0: Tensor, times: Tensor) -> Tensor:
    """The gradient by torchdiffeq in float64 at tolerance 1e-12, ``PART`` states at a time."""
    precise = copy.deepcopy(field).double()
    in_z0, in_parameters = [], 0.0
    for part in z0.double().split(PART):
        start = part.clone().requires_grad_()
        z = torchdiffeq.odeint(
            precise, start, times.double(), method="dopri5", rtol=1e-12, atol=1e-12
        )
        first, *others = torch.autograd.grad(z.square().sum(), (start, *precise.parameters()))
        in_z0.append(first.reshape(-1))
        in_parameters = in_parameters + joined(others)
    return torch.cat((*in_z0, in_parameters))


def joined(gradients: Sequence[Tensor]) -> Tensor:
    """Gradients one after the other as one vector in float64."""
    return torch.cat([x.detach().reshape(-1).double() for x in gradients])


def from_jax(gradients: tuple[Any, Sequence[Any]]) -> Tensor:
    """The same of what JAX returns: the initial state's gradient, and those of the parameters."""
    import jax

    first, others = gradients
    return joined([torch.from_numpy(jax.device_get(x).copy()) for x in (first, *others)])
