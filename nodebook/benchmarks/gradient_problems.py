"""Problems whose gradients are compared: a field, where it starts, the times, and a loss.

Every problem is drawn from a seed. Gradients are wanted in the initial state, in all parameters of
the field, and, where a problem says so, in the times.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from nodebook.documents.formulas.system import loss as nonlinear_loss
from nodelib.fields import ForcedVanDerPol, Linear, LinearSpiral

ACTIVATIONS = {"tanh": nn.Tanh, "relu": nn.ReLU}
SCALE = 8.0
"""Of the last matrix of ``Autonomous``, so that states move."""
PULL = {"tanh": 0.0, "relu": 2.0}
"""How fast its states are drawn back to zero."""


@dataclass(frozen=True)
class Problem:
    """An initial value problem with a loss of its states (len(t), *state)."""

    field: nn.Module
    z0: Tensor
    t: Tensor
    loss: Callable[[Tensor], Tensor]

    @property
    def parts(self) -> tuple[nn.Module, Tensor, Tensor, Callable[[Tensor], Tensor]]:
        """Field, initial state, times and loss, in the order in which solvers take them."""
        return self.field, self.z0, self.t, self.loss

    def to(self, dtype: torch.dtype) -> "Problem":
        """The same problem in another precision; the field is copied."""
        field = copy.deepcopy(self.field).to(dtype)
        return replace(self, field=field, z0=self.z0.to(dtype), t=self.t.to(dtype))


class TimedNetwork(nn.Module):
    """``f(t, z) = W2 tanh(W1 [z, t] + b1) + b2`` on states (..., dim), with ``width`` hidden units.

    The weights are drawn from ``generator``, uniformly up to ``gain / sqrt(inputs)``.
    """

    def __init__(self, dim: int, width: int, generator: torch.Generator, gain: float = 1.0) -> None:
        super().__init__()
        self.inner = nn.Linear(dim + 1, width, dtype=torch.float64)
        self.outer = nn.Linear(width, dim, dtype=torch.float64)
        with torch.no_grad():
            for layer in (self.inner, self.outer):
                bound = gain / layer.in_features**0.5
                for weights in layer.parameters():
                    weights.uniform_(-bound, bound, generator=generator)

    def forward(self, t: Tensor, z: Tensor) -> Tensor:
        """The field at one time and states (..., dim)."""
        clock = t.expand(*z.shape[:-1], 1)
        return self.outer(torch.tanh(self.inner(torch.cat((z, clock), -1))))


class Autonomous(nn.Module):
    """A field of one hidden layer on states (..., size) that does not depend on the time."""

    def __init__(self, kind: str, size: int = 2, hidden: int = 50, seed: int = 0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.inner, self.outer = nn.Linear(size, hidden), nn.Linear(hidden, size)
        self.kind, self.activation, self.pull = kind, ACTIVATIONS[kind](), PULL[kind]
        with torch.no_grad():
            for layer, scale in ((self.inner, 1.0), (self.outer, SCALE)):
                bound = layer.in_features**-0.5
                for weight, size in ((layer.weight, scale * bound), (layer.bias, bound)):
                    weight.copy_(size * (2 * torch.rand(weight.shape, generator=generator) - 1))

    def forward(self, t: Tensor, z: Tensor) -> Tensor:
        """The field at ``z``, shape (..., size)."""
        slope = self.outer(self.activation(self.inner(z)))
        return slope - self.pull * z if self.pull else slope


def starts(states: int, size: int = 2) -> Tensor:
    """States (states, size) in float32 at which solves of ``Autonomous`` begin."""
    return torch.randn(states, size, generator=torch.Generator().manual_seed(1))


def linear(seed: int) -> Problem:
    """``dz/dt = A z`` and the loss ``|z(t1) - (1, 1)|^2 / 2``.

    Seed 0 is the decaying spiral from (2, 0), over a time of 3; the others draw all of it.
    """
    if seed == 0:
        field, z0, span = LinearSpiral(0.1, 1.0), torch.tensor([2.0, 0.0]).double(), 3.0
    else:
        generator = torch.Generator().manual_seed(seed)
        drawn = torch.rand(7, generator=generator, dtype=torch.float64)
        field = Linear((drawn[:4].reshape(2, 2) - 0.5) * 2 + torch.tensor([[0, -1.0], [1, 0]]))
        z0, span = 1 + drawn[4:6], 1.5 + 1.5 * float(drawn[6])
    return Problem(field, z0, torch.tensor([0.4, 0.4 + span]).double(), half_distance)


def linear_gradients(problem: Problem) -> dict[str, Tensor]:
    """The gradients of ``linear`` in closed form: "z0", "theta" (the matrix, flat) and "t".

    With ``T = t1 - t0``, ``g`` the gradient of the loss at ``z(t1) = exp(T A) z0`` and
    ``a = exp(T A)^T g``, they are ``a``, the integral of ``exp(s A)^T g z(t1 - s)^T``, and
    ``(-a A z0, g A z(t1))``. The integral is a block of the exponential of a matrix of twice the
    size (Van Loan 1978).
    """
    matrix = problem.field.matrix.detach()
    span, size = float(problem.t[1] - problem.t[0]), len(matrix)
    end = torch.linalg.matrix_exp(span * matrix) @ problem.z0
    g = end - 1
    block = torch.zeros(2 * size, 2 * size, dtype=torch.float64)
    block[:size, :size] = block[size:, size:] = matrix.T
    block[:size, size:] = torch.outer(g, problem.z0)
    exponential = torch.linalg.matrix_exp(span * block)
    a = exponential[:size, :size] @ g
    in_time = torch.stack((-a @ matrix @ problem.z0, g @ matrix @ end))
    return {"z0": a, "theta": exponential[:size, size:].reshape(-1), "t": in_time}


def nonlinear(seed: int) -> Problem:
    """Forced van der Pol oscillator of chapter 02, with its loss; seed 0 is that chapter's."""
    theta, z0, span = [0.6, 0.8], [1.2, -0.5], 1.7
    if seed:
        drawn = torch.rand(5, generator=torch.Generator().manual_seed(seed)).tolist()
        theta = [0.4 + 0.4 * drawn[0], 0.6 + 0.4 * drawn[1]]
        z0, span = [0.8 + 0.8 * drawn[2], -0.8 + 0.6 * drawn[3]], 1.5 + drawn[4]
    times = torch.tensor([0.3, 0.3 + span]).double()
    return Problem(
        ForcedVanDerPol(theta), torch.tensor(z0).double(), times, lambda z: nonlinear_loss(z[-1])
    )


def network(seed: int, batch: int = 16, dim: int = 8, width: int = 32) -> Problem:
    """A batch of states under an untrained network that depends on time, over a time of 2."""
    generator = torch.Generator().manual_seed(seed)
    field = TimedNetwork(dim, width, generator, gain=2.0)
    z0 = torch.randn(batch, dim, generator=generator, dtype=torch.float64)
    return Problem(field, z0, torch.tensor([0.0, 2.0]).double(), half_distance)


def half_distance(z: Tensor) -> Tensor:
    """Half the squared distance of the last state from the point (1, ..., 1), over the batch."""
    return (z[-1] - 1).square().sum() / 2
