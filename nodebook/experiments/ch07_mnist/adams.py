"""The paper's solver: an implicit Adams method of variable order and step, from SciPy.

Chen et al. 2018 (section 3) solve their ODE-Net by the implicit Adams method of LSODE and VODE.
``scipy.integrate.ode`` still has VODE (Brown, Byrne and Hindmarsh 1989). It corrects by functional
iteration, needs no Jacobian, and measures its error over the whole vector in one norm, the
weighted root mean square.
"""

from collections.abc import Callable

import numpy as np
import torch
from scipy.integrate import ode
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from nodebook.errors import ResultsError
from nodelib.ode.adjoint import AugmentedField
from nodelib.ode.steps import Field

MAX_STEPS = 10_000


def adams(f: Field, z0: Tensor, t0: float, t1: float, tolerance: float) -> tuple[Tensor, int]:
    """The state at ``t1`` of a solve from ``z0`` at ``t0``, and how often ``f`` was evaluated.

    The solver works in double precision, the field in the precision of ``z0``.

    Raises:
        ResultsError: if the solver gives up before ``t1``.
    """
    evaluations = 0

    def right_side(t: float, flat: np.ndarray) -> np.ndarray:
        nonlocal evaluations
        evaluations += 1
        z = torch.from_numpy(flat).to(z0.dtype).view(z0.shape)
        value: Tensor = f(torch.tensor(t, dtype=z0.dtype), z)
        return value.detach().reshape(-1).double().numpy()

    solver = ode(right_side)
    solver.set_integrator("vode", method="adams", rtol=tolerance, atol=tolerance, nsteps=MAX_STEPS)
    solver.set_initial_value(z0.detach().reshape(-1).double().numpy(), t0)
    flat = solver.integrate(t1)
    if not solver.successful():
        raise ResultsError(f"VODE gave up at t = {solver.t:g} on its way from {t0:g} to {t1:g}")
    return torch.from_numpy(flat).to(z0.dtype).view(z0.shape), evaluations


def without_graph(f: nn.Module, z0: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
    """The field of a block for a forward solve: nothing of it is kept for a backward pass."""
    field, _ = f.prepared(z0)

    def silent(t: Tensor, z: Tensor) -> Tensor:
        with torch.no_grad():
            return field(t, z)

    return silent


def gradient(
    network: nn.Module, images: Tensor, labels: Tensor, tolerance: float
) -> tuple[Tensor, int, int]:
    """Gradient of the loss by Adams and the continuous adjoint: one flat vector, in the order of
    ``network.parameters()``; and the evaluations forwards and backwards.

    State, adjoint state and parameter gradient are solved backwards together as one vector, from
    the state in which the forward solve ended (Chen et al. 2018, algorithm 1).
    """
    f, before, after = network.body.f, network.reduction, (network.norm, network.readout)
    start = network.maps(images)
    end, forward = adams(without_graph(f, start), start, 0.0, 1.0, tolerance)
    end.requires_grad_()
    behind = [value for part in after for value in part.parameters()]
    loss = cross_entropy(network.scores(end), labels)
    adjoint, *found = torch.autograd.grad(loss, [end, *behind])
    system = AugmentedField(f, start.detach(), list(f.parameters()))
    flat, backward = adams(system, system.join(end.detach(), adjoint), 1.0, 0.0, tolerance)
    _, adjoint, _ = system.split(flat)
    first = torch.autograd.grad(start, list(before.parameters()), adjoint)
    parts = (*first, *system.parameter_gradients(flat), *found)
    return torch.cat([part.flatten() for part in parts]), forward, backward
