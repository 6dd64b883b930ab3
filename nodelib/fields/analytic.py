"""Analytic vector fields ``f(t, z)``, with their sources and, where known, exact solutions.

Every field is an ``nn.Module`` whose forward takes a time and a state of shape (..., d) and returns
a tensor of the state's shape. Constants that one may want to learn are parameters.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Linear(nn.Module):
    """``dz/dt = A z``, state (..., d), parameter ``matrix`` of shape (d, d)."""

    def __init__(self, matrix: Sequence[Sequence[float]] | Tensor, dtype=torch.float64) -> None:
        super().__init__()
        self.matrix = nn.Parameter(torch.as_tensor(matrix, dtype=dtype).clone())

    def forward(self, t: Tensor, z: Tensor) -> Tensor:
        """The field at ``z``; it does not depend on ``t``."""
        return z @ self.matrix.T

    def exact(self, t: Tensor, z0: Tensor) -> Tensor:
        """``exp(A t) z0`` for times (n,) and a state (d,) at time 0; shape (n, d)."""
        return torch.linalg.matrix_exp(t[:, None, None] * self.matrix) @ z0


class LinearSpiral(Linear):
    """The decaying spiral of Surtsukov's example (2019): ``A = [[-0.1, -1], [1, -0.1]]``.

    ``decay`` and ``frequency`` set ``A = [[-decay, -frequency], [frequency, -decay]]``.
    """

    def __init__(self, decay: float = 0.1, frequency: float = 1.0, dtype=torch.float64) -> None:
        super().__init__([[-decay, -frequency], [frequency, -decay]], dtype)


class LotkaVolterra(nn.Module):
    """Prey and predator, Lotka 1920 and Volterra 1926, state (..., 2).

    ``x' = a x - b x y``, ``y' = d x y - c y``; parameter ``rates`` holds (a, b, c, d).
    ``invariant`` is constant along every solution.
    """

    def __init__(self, rates: Sequence[float] = (1.5, 1.0, 3.0, 1.0), dtype=torch.float64) -> None:
        super().__init__()
        self.rates = nn.Parameter(torch.tensor(rates, dtype=dtype))

    def forward(self, t: Tensor, z: Tensor) -> Tensor:
        """The field at ``z``; it does not depend on ``t``."""
        a, b, c, d = self.rates
        prey, predator = z.unbind(-1)
        meetings = prey * predator
        return torch.stack((a * prey - b * meetings, d * meetings - c * predator), -1)

    def invariant(self, z: Tensor) -> Tensor:
        """``d x - c log x + b y - a log y`` of states (..., 2) with positive entries."""
        a, b, c, d = self.rates
        prey, predator = z.unbind(-1)
        return d * prey - c * prey.log() + b * predator - a * predator.log()


class VanDerPol(nn.Module):
    """van der Pol's oscillator (1926): ``x'' = mu (1 - x^2) x' - x``, state (..., 2) = (x, x').

    Stiff for large ``mu``.
    """

    def __init__(self, mu: float = 1.0, dtype=torch.float64) -> None:
        super().__init__()
        self.mu = nn.Parameter(torch.tensor(mu, dtype=dtype))

    def forward(self, t: Tensor, z: Tensor) -> Tensor:
        """The field at ``z``; it does not depend on ``t``."""
        x, v = z.unbind(-1)
        return torch.stack((v, self.mu * (1 - x**2) * v - x), -1)


class Lorenz(nn.Module):
    """Lorenz 1963, state (..., 3); parameter ``constants`` holds (sigma, rho, beta).

    Chaotic at the default (10, 28, 8/3).
    """

    def __init__(
        self, constants: Sequence[float] = (10.0, 28.0, 8 / 3), dtype=torch.float64
    ) -> None:
        super().__init__()
        self.constants = nn.Parameter(torch.tensor(constants, dtype=dtype))

    def forward(self, t: Tensor, z: Tensor) -> Tensor:
        """The field at ``z``; it does not depend on ``t``."""
        sigma, rho, beta = self.constants
        x, y, w = z.unbind(-1)
        return torch.stack((sigma * (y - x), x * (rho - w) - y, x * y - beta * w), -1)


class ForcedVanDerPol(nn.Module):
    """The book's test case for gradients: nonlinear, time-dependent, two parameters.

    ``z1' = z2 + theta1 z1 sin t``, ``z2' = theta2 (1 - z1^2) z2 - z1 + theta1 cos 2t``, state
    (..., 2). The derivatives with respect to the state, to both parameters and to time all depend
    on the state and on time, so that no term of a gradient formula can hide.
    """

    def __init__(self, theta: Sequence[float] | Tensor = (0.6, 0.8), dtype=torch.float64) -> None:
        super().__init__()
        self.theta = nn.Parameter(torch.as_tensor(theta, dtype=dtype).clone())

    def forward(self, t: Tensor, z: Tensor) -> Tensor:
        """The field at times that broadcast against ``z[..., 0]``."""
        theta1, theta2 = self.theta
        z1, z2 = z.unbind(-1)
        return torch.stack(
            (
                z2 + theta1 * z1 * torch.sin(t),
                theta2 * (1 - z1**2) * z2 - z1 + theta1 * torch.cos(2 * t),
            ),
            -1,
        )

    def jacobian_z(self, t: Tensor, z: Tensor) -> Tensor:
        """``df/dz``, shape (..., 2, 2): row i belongs to component i of the field."""
        theta1, theta2 = self.theta
        z1, z2 = z.unbind(-1)
        sine = torch.sin(t).expand_as(z1)
        first = torch.stack((theta1 * sine, torch.ones_like(z1)), -1)
        second = torch.stack((-2 * theta2 * z1 * z2 - 1, theta2 * (1 - z1**2)), -1)
        return torch.stack((first, second), -2)

    def jacobian_theta(self, t: Tensor, z: Tensor) -> Tensor:
        """``df/dtheta``, shape (..., 2, 2)."""
        z1, z2 = z.unbind(-1)
        first = torch.stack((z1 * torch.sin(t), torch.zeros_like(z1)), -1)
        second = torch.stack((torch.cos(2 * t).expand_as(z1), (1 - z1**2) * z2), -1)
        return torch.stack((first, second), -2)

    def derivative_t(self, t: Tensor, z: Tensor) -> Tensor:
        """``df/dt`` at fixed state, shape (..., 2)."""
        theta1 = self.theta[0]
        z1 = z[..., 0]
        return torch.stack(
            (theta1 * z1 * torch.cos(t), (-2 * theta1 * torch.sin(2 * t)).expand_as(z1)), -1
        )
