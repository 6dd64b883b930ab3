"""Running losses, losses at many times, and parameters that change in time: one theorem, checked.

The loss is ``J = sum_k w_k L(z(t_k)) + r sum_k int l(t, z, theta_k) dt`` over the intervals from
``t_k`` to ``t_{k+1}``. The field is ``ForcedVanDerPol`` with the parameters ``theta_k`` there, and
``z(t_0) = z0``. ``adjoint`` gets the gradients from the canonical equations of the Hamiltonian
``H = r l + lambda f``; ``complex_step`` and ``differences`` get them from the value of the loss,
through another library's solver and a second implementation of the field.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy.integrate import solve_ivp
from torch import Tensor

from nodebook.documents.formulas.system import (
    COMPLEX_STEP,
    TIGHT,
    Inputs,
    chebyshev,
    loss_gradient,
    numpy_field,
)
from nodelib.fields import ForcedVanDerPol
from nodelib.ode.solvers import solve
from nodelib.ode.steps import Field

Gradients = dict[str, Tensor]
"""By name: "z0" (2,), "thetas" (n, 2), one row per interval, and "times" (n + 1,)."""


@dataclass(frozen=True)
class Problem:
    """Times ``t_0 < ... < t_n`` with weights of the loss there, and n rows of parameters.

    ``running`` is the factor of the running loss.
    """

    z0: tuple[float, ...]
    times: tuple[float, ...]
    weights: tuple[float, ...]
    thetas: tuple[tuple[float, ...], ...]
    running: float = 1.0

    @classmethod
    def shared(
        cls,
        inputs: Inputs,
        places: tuple[float, ...],
        weights: tuple[float, ...],
        running: float = 1.0,
    ) -> "Problem":
        """One parameter vector on all intervals; ``places`` are 0 at t0 and 1 at t1."""
        span = inputs.t1 - inputs.t0
        times = tuple(inputs.t0 + place * span for place in places)
        return cls(inputs.z0, times, weights, (inputs.theta,) * (len(times) - 1), running)


def running_loss(t, z, theta):
    """``l = theta2 z1^2 cos t + theta1 z1 z2`` of a state (2,), in torch or NumPy."""
    cosine = torch.cos(t) if isinstance(t, Tensor) else np.cos(t)
    return theta[1] * z[0] ** 2 * cosine + theta[0] * z[0] * z[1]


@dataclass(frozen=True)
class AdjointSolution:
    """Gradients, and what they were read from.

    Attributes:
        gradients: by name.
        t, z, adjoint, by_theta: on every interval, increasing in time, the points (m,), the state,
            the adjoint and the derivative of the Hamiltonian in the parameters (m, 2).
        before, after: the Hamiltonian at every ``t_k``, from the left and from the right; 0
            outside.
    """

    gradients: Gradients
    t: list[Tensor]
    z: list[Tensor]
    adjoint: list[Tensor]
    by_theta: list[Tensor]
    before: Tensor
    after: Tensor


def hamiltonian(
    problem: Problem, field: ForcedVanDerPol, t: Tensor, z: Tensor, adjoint: Tensor
) -> Tensor:
    """``H = r l(t, z, theta) + lambda f(t, z, theta)``."""
    return problem.running * running_loss(t, z, field.theta) + adjoint @ field(t, z)


def canonical(problem: Problem, field: ForcedVanDerPol) -> Field:
    """Right side of the canonical equations and of ``g' = -H_theta``.

    The state is one vector of six: z, lambda and g.
    """

    def right(t: Tensor, y: Tensor) -> Tensor:
        with torch.enable_grad():
            z = y[:2].detach().requires_grad_()
            adjoint = y[2:4].detach().requires_grad_()
            value = hamiltonian(problem, field, t, z, adjoint)
            inputs = (z, adjoint, field.theta)
            by_z, by_adjoint, by_theta = torch.autograd.grad(value, inputs)
        return torch.cat((by_adjoint, -by_z, -by_theta))

    return right


def adjoint(problem: Problem, points: int = 2) -> AdjointSolution:
    """Gradients by the theorem: one interval after the other, from the last to the first.

    ``points`` is the number of Chebyshev points kept on every interval.
    """
    times = torch.tensor(problem.times, dtype=torch.float64)
    fields = [ForcedVanDerPol(theta) for theta in problem.thetas]
    states = [torch.tensor(problem.z0, dtype=torch.float64)]
    with torch.no_grad():
        for k, field in enumerate(fields):
            states.append(solve(field, states[-1], times[k : k + 2], **TIGHT).z[-1])
    jumps = [w * loss_gradient(z) for w, z in zip(problem.weights, states, strict=True)]

    before, after = torch.zeros_like(times), torch.zeros_like(times)
    current, pieces, thetas = jumps[-1], [], []
    for k in range(len(fields) - 1, -1, -1):
        grid = chebyshev(points, times[k].item(), times[k + 1].item())[0].flip(0)
        grid[0], grid[-1] = times[k + 1], times[k]
        start = torch.cat((states[k + 1], current, torch.zeros(2, dtype=times.dtype)))
        equations = canonical(problem, fields[k])
        y = solve(equations, start, grid, **TIGHT).z
        slopes = torch.stack([equations(t, row)[4:] for t, row in zip(grid, y, strict=True)])
        with torch.no_grad():
            left, right = y[-1, 2:4], current
            before[k + 1] = hamiltonian(problem, fields[k], times[k + 1], states[k + 1], right)
            after[k] = hamiltonian(problem, fields[k], times[k], states[k], left)
        thetas.append(y[-1, 4:])
        pieces.append((grid.flip(0), y[:, :2].flip(0), y[:, 2:4].flip(0), -slopes.flip(0)))
        current = left + jumps[k]
    gradients = {"z0": current, "thetas": torch.stack(thetas[::-1]), "times": before - after}
    t, z, multiplier, by_theta = (list(column) for column in zip(*pieces[::-1], strict=True))
    return AdjointSolution(gradients, t, z, multiplier, by_theta, before, after)


Change = Callable[[float], np.ndarray]
"""A change of the parameters as a function of time, (2,)."""


def value(
    problem: Problem,
    z0: np.ndarray,
    times: np.ndarray,
    thetas: np.ndarray,
    change: Change | None = None,
) -> complex:
    """The loss by SciPy's DOP853, for real or complex arguments in the place of the problem's.

    Every interval is solved on [0, 1], so that times may be complex; ``change`` is added to the
    parameters.
    """
    y = np.append(z0, 0).astype(complex)
    total = problem.weights[0] * _loss(y)
    for k, weight in enumerate(problem.weights[1:]):
        start, span = times[k], times[k + 1] - times[k]

        def right(s, y, start=start, span=span, theta=thetas[k]):
            t = start + s * span
            here = theta if change is None else theta + change(t)
            slope = problem.running * running_loss(t, y[:2], here)
            return span * np.append(numpy_field(t, y[:2], here), slope)

        y = solve_ivp(right, (0, 1), y, method="DOP853", rtol=1e-13, atol=1e-14).y[:, -1]
        total += weight * _loss(y)
    return total + y[2]


def _loss(y: np.ndarray) -> complex:
    return 0.5 * (y[0] - 1) ** 2 + y[0] * np.sin(y[1])


def _each_entry(problem: Problem, derivative: Callable) -> Gradients:
    """``derivative(value_of_step)`` for every entry of z0, times and thetas."""
    arguments = {
        name: np.array(getattr(problem, name), dtype=complex) for name in ("z0", "times", "thetas")
    }

    def along(name: str, place: tuple[int, ...], step: complex) -> complex:
        moved = {key: array.copy() for key, array in arguments.items()}
        moved[name][place] += step
        return value(problem, **moved)

    return {
        name: torch.tensor(
            [
                derivative(lambda step, place=place, name=name: along(name, place, step))
                for place in np.ndindex(array.shape)
            ],
            dtype=torch.float64,
        ).reshape(array.shape)
        for name, array in arguments.items()
    }


def complex_step(problem: Problem) -> Gradients:
    """Gradients ``Im J(x + i h) / h``."""
    return _each_entry(problem, lambda j: j(1j * COMPLEX_STEP).imag / COMPLEX_STEP)


def differences(problem: Problem, h: float = 2e-2, levels: int = 4) -> Gradients:
    """Gradients by central differences at h, h/2, ..., with even powers of h eliminated."""

    def richardson(j: Callable[[float], complex]) -> float:
        row: list[float] = []
        for level in range(levels):
            step = h / 2**level
            new = [(j(step) - j(-step)).real / (2 * step)]
            for k, old in enumerate(row, start=1):
                new.append(new[-1] + (new[-1] - old) / (4**k - 1))
            row = new
        return row[-1]

    return _each_entry(problem, richardson)


def functional_derivative(problem: Problem, change: Change) -> float:
    """Derivative of the loss as the parameters move by a function of time, by complex step."""
    arguments = (np.array(getattr(problem, name)) for name in ("z0", "times", "thetas"))
    moved = value(problem, *arguments, lambda t: 1j * COMPLEX_STEP * change(t))
    return float(moved.imag / COMPLEX_STEP)
