"""A stack of Euler blocks: backpropagation, and the same as one transposed linear system.

Block k maps ``h_k`` to ``h_{k+1} = h_k + dt f(t_k, h_k, theta_k)`` and has its own parameters.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from nodebook.documents.formulas.system import System, loss_gradient


@dataclass(frozen=True)
class Blocks:
    """The forward pass through n blocks of a system.

    Attributes:
        h: the states, shape (n + 1, 2).
        by_state: derivative of each block's output in its input, shape (n, 2, 2).
        by_theta: derivative of each block's output in its own parameters, shape (n, 2, 2).
    """

    h: Tensor
    by_state: Tensor
    by_theta: Tensor

    @property
    def loss_gradient(self) -> Tensor:
        """Derivative of the loss in the last state."""
        return loss_gradient(self.h[-1])


def block_times(s: System, count: int) -> tuple[Tensor, Tensor]:
    """Start times of the blocks, shape (count,), and their common length."""
    dt = (s.t[-1] - s.t[0]) / count
    return s.t[0] + dt * torch.arange(count, dtype=torch.float64), dt


def states(s: System, thetas: Tensor, start: Tensor) -> Tensor:
    """All states (n + 1, 2) for parameters (n, 2); plain tensor operations."""
    times, dt = block_times(s, len(thetas))
    h = [start]
    for t, theta in zip(times, thetas, strict=True):
        field = torch.func.functional_call(s.field, {"theta": theta}, (t, h[-1]))
        h.append(h[-1] + dt * field)
    return torch.stack(h)


def run(s: System, thetas: Tensor) -> Blocks:
    """The forward pass, with the Jacobian matrices of every block."""
    times, dt = block_times(s, len(thetas))
    h = states(s, thetas, s.z0)
    by_state, by_theta = [], []
    for t, state, theta in zip(times, h, thetas, strict=False):
        field = type(s.field)(theta).requires_grad_(False)
        by_state.append(torch.eye(2, dtype=h.dtype) + dt * field.jacobian_z(t, state))
        by_theta.append(dt * field.jacobian_theta(t, state))
    return Blocks(h, torch.stack(by_state), torch.stack(by_theta))


def backpropagate(blocks: Blocks) -> tuple[Tensor, Tensor, Tensor]:
    """Adjoints ``v_1 ... v_n`` (n, 2), gradient in each block's parameters (n, 2), and in h_0.

    ``v_n`` is the gradient of the loss; going back, ``v_k = v_{k+1} dh_{k+1}/dh_k``.
    """
    v = [blocks.loss_gradient]
    for jacobian in blocks.by_state[1:].flip(0):
        v.append(v[-1] @ jacobian)
    stacked = torch.stack(v[::-1])
    by_theta = torch.einsum("ni,nij->nj", stacked, blocks.by_theta)
    return stacked, by_theta, stacked[0] @ blocks.by_state[0]


def linear_system(blocks: Blocks) -> tuple[Tensor, Tensor, Tensor]:
    """``A``, ``C`` and ``u`` such that ``A B = C`` has the sensitivities as its solution.

    ``B`` (2n, 2) stacks dh_1/dtheta ... dh_n/dtheta for parameters that all blocks share, ``A``
    (2n, 2n) has identities on its diagonal and minus the blocks' Jacobians below, and
    ``u B = dL/dtheta`` with ``u = (0, ..., 0, dL/dh_n)``.
    """
    count, size = len(blocks.by_state), blocks.h.shape[1]
    a = torch.eye(count * size, dtype=blocks.h.dtype)
    for k in range(1, count):
        a[k * size : (k + 1) * size, (k - 1) * size : k * size] = -blocks.by_state[k]
    u = torch.zeros(count * size, dtype=blocks.h.dtype)
    u[-size:] = blocks.loss_gradient
    return a, blocks.by_theta.reshape(count * size, -1), u
