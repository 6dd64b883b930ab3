"""The system on which formulas are tried, and every exact quantity that they speak of.

The field is ``nodelib.fields.ForcedVanDerPol`` and the loss looks at the final state. Nothing here
comes from an adjoint equation: the gradients are complex-step derivatives of another library's
solver, and the adjoint on the way, ``dL/dz(t)``, comes from forward sensitivities. So a formula is
compared with what it claims to be, not with another form of itself.

Functions of time live on Chebyshev points, where integrals and time derivatives are accurate to
about 1e-11 (Trefethen, *Spectral Methods in MATLAB*, chapters 6 and 12).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from scipy.integrate import solve_ivp
from torch import Tensor

from nodelib.fields import ForcedVanDerPol
from nodelib.ode.solvers import solve

TIGHT = {"rtol": 1e-12, "atol": 1e-13}
COMPLEX_STEP = 1e-30


@dataclass(frozen=True)
class Inputs:
    """What the loss depends on: parameters, initial state, start and end time."""

    theta: tuple[float, ...] = (0.6, 0.8)
    z0: tuple[float, ...] = (1.2, -0.5)
    t0: float = 0.3
    t1: float = 2.0

    @classmethod
    def draw(cls, seed: int) -> "Inputs":
        """The chapter's inputs for seed 0, random ones of the same size for any other."""
        if seed == 0:
            return cls()
        rng = np.random.default_rng(seed)
        theta, z0 = rng.uniform(0.4, 0.9, 2), rng.uniform(0.5, 1.5, 2) * rng.choice((-1, 1), 2)
        t0 = rng.uniform(0.0, 1.0)
        return cls(tuple(theta.tolist()), tuple(z0.tolist()), t0, t0 + rng.uniform(1.2, 2.2))


def loss(z: Tensor) -> Tensor:
    """``L(z) = (z1 - 1)^2 / 2 + z1 sin z2`` for states (..., 2)."""
    return 0.5 * (z[..., 0] - 1) ** 2 + z[..., 0] * torch.sin(z[..., 1])


def loss_gradient(z: Tensor) -> Tensor:
    """``dL/dz`` at states (..., 2)."""
    z1, z2 = z.unbind(-1)
    return torch.stack((z1 - 1 + torch.sin(z2), z1 * torch.cos(z2)), -1)


def complex_step_gradients(
    inputs: Inputs, times: Sequence[float], weights: Sequence[float]
) -> dict[str, Tensor]:
    """Gradients of ``sum_i weights[i] L(z(times[i]))`` in theta, z0 and every entry of times.

    ``z(times[0]) = z0``. Derivatives are ``Im L(x + i h) / h`` with h = 1e-30, without subtraction
    and so without its rounding error (Squire & Trapp 1998), through SciPy's DOP853 on a second
    implementation of the field. Complex times enter by solving each interval on [0, 1].
    """

    def total(theta: np.ndarray, z0: np.ndarray, t: np.ndarray) -> complex:
        z, value = z0.astype(complex), 0j
        for index, weight in enumerate(weights):
            if index:
                start, span = t[index - 1], t[index] - t[index - 1]
                unit = solve_ivp(
                    lambda s, y, start=start, span=span: (
                        span * numpy_field(start + s * span, y, theta)
                    ),
                    (0, 1),
                    z,
                    method="DOP853",
                    rtol=1e-13,
                    atol=1e-14,
                )
                z = unit.y[:, -1]
            value += weight * (0.5 * (z[0] - 1) ** 2 + z[0] * np.sin(z[1]))
        return value

    arguments = [np.array(x, dtype=complex) for x in (inputs.theta, inputs.z0, times)]
    gradients = {}
    for place, name in enumerate(("theta", "z0", "times")):
        derivatives = []
        for entry in range(len(arguments[place])):
            moved = [x.copy() for x in arguments]
            moved[place][entry] += 1j * COMPLEX_STEP
            derivatives.append(total(*moved).imag / COMPLEX_STEP)
        gradients[name] = torch.tensor(derivatives, dtype=torch.float64)
    return gradients


def numpy_field(t: complex, z: np.ndarray, theta: np.ndarray) -> np.ndarray:
    """The field of ``ForcedVanDerPol`` for complex numbers, (2,)."""
    return np.array(
        [
            z[1] + theta[0] * z[0] * np.sin(t),
            theta[1] * (1 - z[0] ** 2) * z[1] - z[0] + theta[0] * np.cos(2 * t),
        ]
    )


def times_matrix(rows: Tensor, matrices: Tensor) -> Tensor:
    """Row vector times matrix at every point: (n, i) and (n, i, j) to (n, j)."""
    return torch.einsum("ni,nij->nj", rows, matrices)


class System:
    """The solved system for one seed. Arrays of functions of time have the points first, (n, ...).

    ``z`` solution; ``adjoint`` = dL/dz(t); ``z_theta`` = dz(t)/dtheta (2, 2); ``f``, ``f_z``,
    ``f_theta``, ``f_t`` the field and its derivatives along the solution; ``gradients`` the exact
    gradients by name: theta, z0, t0, t1. ``rng`` draws the arbitrary things in identities.
    """

    def __init__(self, seed: int = 0, points: int = 40) -> None:
        self.inputs = Inputs.draw(seed)
        self.seed = seed
        self.draw_anew()
        self.field = ForcedVanDerPol(self.inputs.theta).requires_grad_(False)
        self.theta = self.field.theta
        self.z0 = torch.tensor(self.inputs.z0, dtype=torch.float64)
        t0, t1 = self.inputs.t0, self.inputs.t1
        nodes, self._weights, self._derivative = chebyshev(points, t0, t1)
        nodes[0], nodes[-1] = t0, t1
        self.t = nodes

        identity, zeros = torch.eye(2), torch.zeros(2, 3)
        start = torch.cat((self.z0[:, None], identity, zeros), 1).double()
        columns = solve(self._with_sensitivities, start, self.t, **TIGHT).z
        self.z, self._z_start = columns[..., 0], columns[..., 1:3]
        self.z_theta, self._z_clock = columns[..., 3:5], columns[..., 5]

        self.f = self.field(self.t, self.z)
        self.f_z = self.field.jacobian_z(self.t, self.z)
        self.f_theta = self.field.jacobian_theta(self.t, self.z)
        self.f_t = self.field.derivative_t(self.t, self.z)
        self.loss = loss(self.z[-1])
        self.loss_z = loss_gradient(self.z[-1])
        self.adjoint = torch.stack([self.loss_z @ transfer for transfer in self._transfers])

    def draw_anew(self) -> None:
        """Start the arbitrary draws again, so that a formula's do not depend on those before it."""
        self.rng = np.random.default_rng([self.seed, 1])

    def _with_sensitivities(self, t: Tensor, columns: Tensor) -> Tensor:
        """Columns: z, dz/dz(t0) (2), dz/dtheta (2), and dz/d(clock), the clock running in t."""
        z = columns[:, 0]
        right = self.field.jacobian_z(t, z) @ columns[:, 1:]
        right[:, 2:4] += self.field.jacobian_theta(t, z)
        right[:, 4] += self.field.derivative_t(t, z)
        return torch.cat((self.field(t, z)[:, None], right), 1)

    @property
    def _transfers(self) -> list[Tensor]:
        """``dz(t1)/dz(t)`` at every point."""
        last = self._z_start[-1]
        return [torch.linalg.solve(start.T, last.T).T for start in self._z_start]

    @cached_property
    def gradients(self) -> dict[str, Tensor]:
        """Complex-step gradients of the loss in theta, z0, t0 and t1."""
        found = complex_step_gradients(self.inputs, (self.inputs.t0, self.inputs.t1), (0.0, 1.0))
        t0, t1 = found.pop("times")
        return {**found, "t0": t0, "t1": t1}

    @cached_property
    def loss_theta_from(self) -> Tensor:
        """``dL/dtheta(t)``: gradient in a change of theta that sets in at t; shape (n, 2)."""
        rest = [
            self.z_theta[-1] - transfer @ here
            for transfer, here in zip(self._transfers, self.z_theta, strict=True)
        ]
        return torch.stack([self.loss_z @ entry for entry in rest])

    @cached_property
    def loss_clock_from(self) -> Tensor:
        """``dL/dt(t)``: derivative in a shift of the field's clock from t on; shape (n,)."""
        rest = [
            self._z_clock[-1] - transfer @ here
            for transfer, here in zip(self._transfers, self._z_clock, strict=True)
        ]
        return torch.stack([self.loss_z @ entry for entry in rest])

    def integral(self, values: Tensor) -> Tensor:
        """``int_{t0}^{t1}`` of values (n, ...); put a minus sign for ``int_{t1}^{t0}``."""
        return torch.tensordot(self._weights, values, 1)

    def derivative(self, values: Tensor) -> Tensor:
        """Time derivative of values (n, ...) at the points."""
        return torch.tensordot(self._derivative, values, 1)

    def integral_from_end(self, values: Tensor) -> Tensor:
        """``int_{t1}^{t}`` of values (n, k) for every point t; shape (n, k)."""
        inner = torch.linalg.solve(self._derivative[:-1, :-1], values[:-1])
        return torch.cat((inner, torch.zeros_like(values[-1:])))

    def limit_at_end(self, values: Tensor) -> Tensor:
        """The limit at t1 of values (n, k), from those before it."""
        fit_to = np.polynomial.chebyshev.Chebyshev.fit
        fits = [fit_to(self.t[:-1].numpy(), column.numpy(), 24) for column in values[:-1].T]
        return torch.tensor([float(fit(self.inputs.t1)) for fit in fits], dtype=torch.float64)

    def smooth(self, *shape: int) -> Tensor:
        """An arbitrary smooth function of time, random cubics; shape (n, *shape)."""
        s = (self.t - self.t[0]) / (self.t[-1] - self.t[0])
        powers = torch.stack([s**k for k in range(4)], 1)
        coefficients = torch.from_numpy(self.rng.uniform(-1, 1, (4, *shape)))
        return torch.tensordot(powers, coefficients, 1)

    def solve_back(self, right: Callable[[Tensor, Tensor, Tensor], Tensor], end: Tensor) -> Tensor:
        """Solve ``dy/dt = right(t, z(t), y)``, ``y(t1) = end``, back to t0, at the points (n, k).

        The solution z(t) is solved backwards along with it.
        """

        def joint(t: Tensor, both: Tensor) -> Tensor:
            z, y = both[:2], both[2:]
            return torch.cat((self.field(t, z), right(t, z, y)))

        start = torch.cat((self.z[-1], end))
        return solve(joint, start, self.t.flip(0), **TIGHT).z.flip(0)[:, 2:]


def chebyshev(points: int, start: float, end: float) -> tuple[Tensor, Tensor, Tensor]:
    """Chebyshev points on [start, end], increasing, with quadrature weights and derivative matrix.

    Trefethen 2000: ``cheb`` (chapter 6) and ``clencurt`` (chapter 12). Shapes (n,), (n,), (n, n).
    """
    last = points - 1
    angles = np.pi * np.arange(points) / last
    x = np.cos(angles)
    signs = np.where(np.isin(np.arange(points), (0, last)), 2.0, 1.0) * (-1.0) ** np.arange(points)
    differences = x[:, None] - x[None, :] + np.eye(points)
    matrix = np.outer(signs, 1 / signs) / differences
    matrix -= np.diag(matrix.sum(1))
    # The weights are those that integrate every Chebyshev polynomial up to the last exactly.
    degrees = np.arange(points)
    exact = np.zeros(points)
    exact[::2] = 2 / (1 - degrees[::2] ** 2.0)
    weights = np.linalg.solve(np.cos(np.outer(degrees, angles)), exact)
    half = (end - start) / 2
    return (
        torch.from_numpy(start + half * (1 - x)),
        torch.from_numpy(half * weights),
        torch.from_numpy(-matrix / half),
    )
